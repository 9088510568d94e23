/* counter: the sample server. It adds up what its clients send (abi/protocols/counter.abi). */
#include <base/checked.h>
#include <protocol_counter.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/serve.h>
#include <rt/startup.h>

struct counter {
    uint64_t sum;
    uint64_t badges; /* those below 64 that called */
};

static enum status add(void *context, uint64_t badge, const struct counter_add_in *in,
                       struct counter_add_out *out)
{
    struct counter *counter = context;
    counter->badges |= badge < 64 ? (uint64_t)1 << badge : 0;
    uint64_t sum;
    if (!checked_add_u64(counter->sum, in->amount, &sum))
        return ERR_RANGE;
    counter->sum = sum;
    out->sum = sum;
    return OK;
}

static enum status read_sum(void *context, uint64_t badge, struct counter_read_out *out)
{
    const struct counter *counter = context;
    (void)badge;
    out->sum = counter->sum;
    out->clients = (uint32_t)__builtin_popcountll(counter->badges);
    return OK;
}

static const struct counter_handlers handlers = { .add = add, .read = read_sum };

static void serve(void *context, struct ipc_message *message)
{
    counter_serve(&handlers, context, message);
}

int main(void)
{
    static struct counter counter;
    struct rt_server server = {
        .endpoint = rt_handle("counter"),
        .accept = COUNTER_ACCEPT,
        .context = &counter,
        .serve = serve,
    };
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    (void)rt_serve(&server);
    return 1;
}
