/* run: starts the containers that the module run.json names, says what they write, and ends the
 * machine when the last of them has ended, if it is told to. It is a client like any other: it asks
 * `images` and `containers`, and has no power over a container but theirs.
 *
 *     { "Containers": [ { "Archive": "busybox.tar", "Name": "busybox", "Cmd": ["echo", "x"] } ],
 *       "PowerOff": true, "Times": true }
 *
 * Each container is a request of containers.create; Archive is the module that its image is in, and
 * without Image it is the only one of that archive. Times: when each was asked for, started and
 * ended is said, in nanoseconds since boot.
 */
#include <client/client.h>
#include <inttypes.h>
#include <object_info.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/ipc.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static struct run run;

/* ---- Following ---- */

static uint32_t exit_code(uint32_t status)
{
    uint32_t signal = status & 127;
    return signal != 0 ? 128 + signal : status >> 8 & 255;
}

/* True: it has more to print at once. */
static bool follow(struct job *job)
{
    if (job->done)
        return false;
    struct containers_state_out state = { 0 };
    const struct containers_state_in in = { .container = job->container };
    enum status status = containers_call_state(rt_handle("containers"), client_soon(), &in, &state);
    /* After the state, so that nothing written before the end is missed. */
    if (job_print(&run, job))
        return true;
    if (status == OK &&
        (state.state == CONTAINER_STATE_CREATED || state.state == CONTAINER_STATE_RUNNING ||
         state.state == CONTAINER_STATE_STOPPING))
        return false;
    job->done = true;
    job_print_end(&run, job);
    if (status != OK) {
        rt_log("%s: lost: %s", job->name, status_text(status));
        job->exit_code = RUN_FAILED;
    } else if (state.state == CONTAINER_STATE_FAILED) {
        rt_log("%s failed", job->name);
        job->exit_code = RUN_FAILED;
    } else {
        job->exit_code = exit_code(state.status);
        rt_log("%s exited with status %" PRIu32 " after %" PRIu64 " ms", job->name, job->exit_code,
               (state.finished_ns - state.started_ns) / 1000000);
        if (run.times)
            rt_log("%s times %" PRIu64 " %" PRIu64 " %" PRIu64, job->name, job->asked_ns,
                   state.started_ns, state.finished_ns);
    }
    return false;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < run.job_count; i++) {
        if (!run.job[i].done)
            return false;
    }
    return true;
}

static void follow_all(void)
{
    bool more = false;
    while (!all_done()) {
        uint64_t bits = 0;
        enum status status = notification_wait(run.notification, UINT64_MAX,
                                               more ? 0 : clock_deadline(RUN_LOOK_NS), &bits);
        if (status != OK && status != ERR_TIMED_OUT)
            return;
        more = false;
        for (unsigned i = 0; i < run.job_count; i++)
            more = follow(&run.job[i]) || more;
    }
}

/* ---- The end ---- */

static uint32_t first_failure(void)
{
    for (unsigned i = 0; i < run.job_count; i++) {
        if (run.job[i].exit_code != 0)
            return run.job[i].exit_code;
    }
    return 0;
}

static void end_machine(uint32_t code)
{
    rt_log("exit status %" PRIu32, code);
    if (!run.power_off)
        return;
    uint64_t none;
    enum status status = system_control(rt_handle("power"), SYSTEM_OP_POWER_OFF, 0, NULL, 0, &none);
    rt_log("the machine stays on: %s", status_text(status));
}

int main(void)
{
    bool good = object_create(rt_budget(), OBJECT_NOTIFICATION, &run.notification) == OK;
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    if (!good || !plan_read(&run)) {
        if (run.planned)
            end_machine(RUN_FAILED);
        return 0;
    }
    for (unsigned i = 0; i < run.job_count; i++) {
        if (!job_start(&run, &run.job[i])) {
            run.job[i].done = true;
            run.job[i].exit_code = RUN_FAILED;
        }
    }
    follow_all();
    end_machine(first_failure());
    return 0;
}
