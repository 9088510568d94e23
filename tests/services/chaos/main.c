/* chaos: kills services at random, and looks whether everything comes back and nothing is lost.
 * Only a test's manifest gives it the power to.
 *
 * The accounts of all services together are taken before and after, each time when everybody is up
 * and nothing has been killed for a while.
 */
#include <base/fmt.h>
#include <protocol_control.h>
#include <protocol_counter.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/random.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdbool.h>

#ifndef CHAOS_KILLS
#define CHAOS_KILLS 1000
#endif
enum { PAUSE_MS = 5, SETTLE_MS = 1500, PATIENCE = 2000 };

static uint64_t control;

static void pause_ms(uint64_t ms)
{
    thread_yield(clock_deadline(ms * 1000000));
}

static uint32_t service_count(void)
{
    struct control_count_out out = { 0 };
    return control_call_count(control, DEADLINE_NEVER, &out) == OK ? out.services : 0;
}

static bool running(uint32_t index, uint32_t *deaths_out)
{
    struct control_service_out out = { 0 };
    const struct control_service_in in = { .index = index };
    if (control_call_service(control, DEADLINE_NEVER, &in, &out) != OK)
        return false;
    *deaths_out = out.restarts;
    return out.running;
}

static bool all_running(uint32_t count)
{
    uint32_t deaths;
    for (uint32_t i = 0; i < count; i++) {
        if (!running(i, &deaths))
            return false;
    }
    return true;
}

static bool settle(uint32_t count)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (all_running(count)) {
            pause_ms(SETTLE_MS);
            if (all_running(count))
                return true;
        }
        pause_ms(PAUSE_MS);
    }
    return false;
}

static bool kill_one(uint32_t index)
{
    const struct control_kill_in in = { .index = index };
    return control_call_kill(control, DEADLINE_NEVER, &in) == OK;
}

static bool kill_any(uint32_t count)
{
    uint32_t number;
    rt_random_bytes(&number, sizeof(number));
    return kill_one(number % count);
}

/* What is compared are instances that came back, not those that the boot made. */
static bool begin_anew(uint32_t count)
{
    bool good = settle(count);
    for (uint32_t i = 0; i < count; i++)
        (void)kill_one(i); /* not itself */
    return settle(count) && good;
}

static struct control_account_out account(uint32_t count)
{
    struct control_account_out out = { 0 };
    const struct control_account_in in = { .index = count };
    (void)control_call_account(control, DEADLINE_NEVER, &in, &out);
    return out;
}

/* Not only the killed must come back: those that they serve must get answers again. */
static bool counter_answers(void)
{
    struct counter_read_out out;
    return counter_call_read(rt_handle("counter"), clock_deadline((uint64_t)5000 * 1000000),
                             &out) == OK;
}

int main(void)
{
    control = rt_handle("control");
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    uint32_t count = service_count();
    if (count == 0)
        return 1;
    bool good = begin_anew(count);
    struct control_account_out before = account(count);
    unsigned killed = 0;
    for (unsigned tries = 0; killed < CHAOS_KILLS && tries < CHAOS_KILLS * 1000; tries++) {
        killed += kill_any(count);
        pause_ms(PAUSE_MS);
    }
    good = settle(count) && counter_answers() && good;
    struct control_account_out after = account(count);
    rt_log("chaos: %u killed, memory %lld, capabilities %lld, threads %lld", killed,
           (long long)(after.memory - before.memory),
           (long long)(after.capabilities - before.capabilities),
           (long long)(after.threads - before.threads));
    rt_log("chaos: %s", good && killed == CHAOS_KILLS ? "everything is back" : "something is lost");
    for (;;)
        pause_ms(1000);
}
