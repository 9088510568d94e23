/* Who runs, and what happens when somebody dies.
 *
 *           start_waiting           answer_ready
 *   WAITS ----------------> STARTS --------------> RUNS
 *                              |                     |
 *                              +------ bury ---------+
 *                              |                     |
 *                              v                     v
 *   STOPPED <-- (policy) --- RESTS <-----------------+
 *                              |  supervise_late, after the delay
 *                              +--------> STARTS
 *
 * The delay doubles from one death to the next, up to DELAY_MAX_NS; an instance that was ready and
 * lived HEALTHY_NS longer than the delay begins anew at DELAY_MIN_NS, and so does one that
 * `control` killed.
 */
#include <base/string.h>
#include <object_info.h>
#include <protocol_control.h>
#include <protocol_modules.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "init.h"

#define DELAY_MIN_NS ((uint64_t)10 * 1000 * 1000)
#define DELAY_MAX_NS ((uint64_t)5 * 1000 * 1000 * 1000)
#define HEALTHY_NS   ((uint64_t)500 * 1000 * 1000)

static const char *name_of(const struct init *init, unsigned service)
{
    return init->manifest.service[service].name;
}

/* ---- Starting ---- */

static void rest(struct instance *instance)
{
    instance->state = SERVICE_RESTS;
    instance->again_ns = clock_deadline(instance->delay_ns);
    instance->delay_ns = MIN(instance->delay_ns * 2, DELAY_MAX_NS);
}

static void start(struct init *init, unsigned service)
{
    struct instance *instance = &init->instance[service];
    const char *problem = NULL;
    enum status status = spawn(init, service, &problem);
    instance->number++;
    if (status == OK) {
        instance->state = SERVICE_STARTS;
        instance->started_ns = clock_now_ns();
        return;
    }
    rt_log("init: %s cannot be started: %s: %s", name_of(init, service), problem,
           status_text(status));
    if (status == ERR_FORMAT || status == ERR_NOT_FOUND || status == ERR_UNSUPPORTED)
        instance->state = SERVICE_STOPPED; /* the image will not change */
    else
        rest(instance);
}

static bool peers_were_ready(const struct init *init, unsigned service)
{
    for (unsigned i = 0; i < init->manifest.take_count; i++) {
        const struct manifest_take *take = &init->manifest.take[i];
        if (take->service == service && take->source == MANIFEST_FROM_SERVICE &&
            !init->instance[init->manifest.serve[take->from].service].was_ready)
            return false;
    }
    return true;
}

static void start_waiting(struct init *init)
{
    for (unsigned i = 0; i < init->manifest.service_count; i++) {
        unsigned service = init->manifest.order[i];
        if (init->instance[service].state == SERVICE_WAITS && peers_were_ready(init, service))
            start(init, service);
    }
}

void supervise_start(struct init *init)
{
    for (unsigned i = 0; i < init->manifest.service_count; i++)
        init->instance[i].delay_ns = DELAY_MIN_NS;
    start_waiting(init);
}

/* ---- Dying ---- */

/* Whether a fault ended it; else its last thread went by itself, without a word (answer_end). */
static bool has_faulted(const struct instance *instance)
{
    struct object_info info;
    return object_info(instance->process, &info, sizeof(info)) != OK ||
           info.detail.process.fault_count != 0;
}

static bool comes_back(const struct init *init, unsigned service, bool failed)
{
    enum manifest_restart restart = init->manifest.service[service].restart;
    return restart == MANIFEST_RESTART_ALWAYS || (restart == MANIFEST_RESTART_FAILURE && failed);
}

static void bury(struct init *init, unsigned service, bool killed, bool failed)
{
    struct instance *instance = &init->instance[service];
    if (instance->budget == 0)
        return; /* a death that was seen before */
    bool healthy = instance->state == SERVICE_RUNS &&
                   clock_now_ns() - instance->started_ns > instance->delay_ns + HEALTHY_NS;
    spawn_end(instance);
    instance->deaths++;
    if (healthy || killed)
        instance->delay_ns = DELAY_MIN_NS;
    if (!comes_back(init, service, killed || failed)) {
        instance->state = SERVICE_STOPPED;
        rt_log("init: %s has ended", name_of(init, service));
        return;
    }
    rt_log("init: %s died: again in %llu ms", name_of(init, service),
           (unsigned long long)instance->delay_ns / 1000000);
    rest(instance);
}

void supervise_signal(void *context, uint64_t bits)
{
    struct init *init = context;
    for (unsigned i = 0; i < init->manifest.service_count; i++) {
        if ((bits >> i & 1) != 0)
            bury(init, i, false, has_faulted(&init->instance[i]));
    }
    supervise_late(init);
}

uint64_t supervise_deadline(void *context)
{
    const struct init *init = context;
    uint64_t deadline = DEADLINE_NEVER;
    for (unsigned i = 0; i < init->manifest.service_count; i++) {
        if (init->instance[i].state == SERVICE_RESTS)
            deadline = MIN(deadline, init->instance[i].again_ns);
    }
    return deadline;
}

void supervise_late(void *context)
{
    struct init *init = context;
    for (unsigned i = 0; i < init->manifest.service_count; i++) {
        if (init->instance[i].state == SERVICE_RESTS &&
            clock_now_ns() >= init->instance[i].again_ns)
            start(init, i);
    }
}

/* ---- What services ask ---- */

/* The badge is init's own doing, so it is good. */
static unsigned caller(uint64_t badge)
{
    return (unsigned)(badge & INIT_BADGE_SERVICE) - 1;
}

static enum status answer_ready(void *context, uint64_t badge)
{
    struct init *init = context;
    struct instance *instance = &init->instance[caller(badge)];
    if (instance->state != SERVICE_STARTS)
        return ERR_STATE;
    instance->state = SERVICE_RUNS;
    instance->was_ready = true;
    rt_log("init: %s is up%s", name_of(init, caller(badge)), instance->number > 1 ? " again" : "");
    start_waiting(init);
    return OK;
}

static enum status answer_name(void *context, uint64_t badge, const struct supervisor_name_in *in,
                               struct supervisor_name_out *out)
{
    const struct init *init = context;
    (void)badge;
    if (in->badge == 0 || in->badge > init->manifest.service_count)
        return ERR_NOT_FOUND;
    const char *name = name_of(init, in->badge - 1);
    out->name_size = strlen(name);
    memcpy(out->name, name, out->name_size);
    return OK;
}

static enum status answer_peer(void *context, uint64_t badge, const struct supervisor_peer_in *in,
                               struct supervisor_peer_out *out)
{
    const struct init *init = context;
    struct manifest_grant grant;
    if (in->take >= manifest_grant_count(&init->manifest, caller(badge)))
        return ERR_NOT_FOUND;
    manifest_grant(&init->manifest, caller(badge), in->take, &grant);
    if (grant.source != MANIFEST_FROM_SERVICE)
        return ERR_NOT_FOUND;
    const struct instance *peer = &init->instance[init->manifest.serve[grant.from].service];
    out->instance = peer->budget == 0 ? 0 : peer->number;
    out->running = peer->state == SERVICE_RUNS;
    return OK;
}

/* Nobody waits for the answer any more: it is lost, and the next message comes. */
static enum status answer_end(void *context, uint64_t badge, const struct supervisor_end_in *in)
{
    bury(context, caller(badge), false, in->failed);
    return OK;
}

static const struct supervisor_handlers supervisor = {
    .ready = answer_ready,
    .name = answer_name,
    .peer = answer_peer,
    .end = answer_end,
};

/* ---- What `control` asks ---- */

static enum status answer_count(void *context, uint64_t badge, struct control_count_out *out)
{
    const struct init *init = context;
    (void)badge;
    out->services = init->manifest.service_count;
    return OK;
}

static enum status answer_service(void *context, uint64_t badge,
                                  const struct control_service_in *in,
                                  struct control_service_out *out)
{
    const struct init *init = context;
    (void)badge;
    if (in->index >= init->manifest.service_count)
        return ERR_NOT_FOUND;
    const struct instance *instance = &init->instance[in->index];
    const char *name = name_of(init, in->index);
    out->instance = instance->number;
    out->running = instance->state == SERVICE_RUNS;
    out->restarts = instance->deaths;
    out->name_size = MIN(strlen(name), sizeof(out->name));
    memcpy(out->name, name, out->name_size);
    return OK;
}

static enum status answer_kill(void *context, uint64_t badge, const struct control_kill_in *in)
{
    struct init *init = context;
    if (in->index >= init->manifest.service_count)
        return ERR_NOT_FOUND;
    if (in->index == caller(badge))
        return ERR_ACCESS;
    if (init->instance[in->index].state != SERVICE_RUNS)
        return ERR_STATE;
    bury(init, in->index, true, false);
    return OK;
}

static enum status answer_account(void *context, uint64_t badge,
                                  const struct control_account_in *in,
                                  struct control_account_out *out)
{
    const struct init *init = context;
    struct object_info info;
    (void)badge;
    if (in->index > init->manifest.service_count)
        return ERR_NOT_FOUND;
    uint64_t budget =
        in->index == init->manifest.service_count ? rt_budget() : init->instance[in->index].budget;
    enum status status = object_info(budget, &info, sizeof(info));
    if (status != OK)
        return status;
    out->memory = info.detail.budget.used[0];
    out->capabilities = info.detail.budget.used[1];
    out->threads = info.detail.budget.used[2];
    return OK;
}

static const struct control_handlers control = {
    .count = answer_count,
    .service = answer_service,
    .kill = answer_kill,
    .account = answer_account,
};

void supervise_message(void *context, struct ipc_message *message)
{
    switch (message->badge & ~INIT_BADGE_SERVICE) {
    case MANIFEST_BADGE_CONTROL:
        control_serve(&control, context, message);
        break;
    case MANIFEST_BADGE_MODULES:
        modules_serve(&modules_handlers, context, message);
        break;
    default:
        supervisor_serve(&supervisor, context, message);
        break;
    }
}
