/* sample-client: uses counter and entropy, and says so when either is lost and when it is back. */
#include <base/fmt.h>
#include <protocol_counter.h>
#include <protocol_entropy.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdbool.h>

enum { PERIOD_MS = 100, ANSWER_MS = 2000 };

static uint64_t soon(void)
{
    return clock_deadline((uint64_t)ANSWER_MS * 1000000);
}

static void use_entropy(void)
{
    struct entropy_read_out out = { 0 };
    const struct entropy_read_in in = { .size = 16 };
    enum status status = entropy_call_read(rt_handle("entropy"), soon(), &in, &out);
    unsigned different = 0;
    for (size_t i = 1; i < out.random_size; i++)
        different += out.random[i] != out.random[0];
    if (status != OK)
        rt_log("no random bytes: %s", status_text(status));
    else
        rt_log("%zu random bytes, %s", out.random_size,
               different > 0 ? "not all alike" : "all alike");
}

/* One call; a line when things change. */
static bool use_counter(bool was_there)
{
    struct counter_add_out out = { 0 };
    const struct counter_add_in in = { .amount = 1 };
    enum status status = counter_call_add(rt_handle("counter"), soon(), &in, &out);
    if (status != OK && was_there)
        rt_log("counter is lost: %s", status_text(status));
    if (status == OK && !was_there)
        rt_log("counter says %llu", (unsigned long long)out.sum);
    return status == OK;
}

int main(void)
{
    bool there = false;
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    use_entropy();
    for (;;) {
        there = use_counter(there);
        thread_yield(clock_deadline((uint64_t)PERIOD_MS * 1000000));
    }
}
