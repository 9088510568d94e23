/* What it costs to leave a guest and come back, by reason and mode. A figure is the difference
 * between 2n and n turns, divided by n: the loops of sandbox (six to eight instructions) and guest
 * (two) are in it.
 */
#include <abi_syscalls.h>
#include <arch/guest_test.h>
#include <arch/timer.h>
#include <base/bench.h>
#include <base/string.h>
#include <kernel/sandbox_fixture.h>
#include <kernel/test.h>

enum { TURNS = 256, REPLY_NUMBER = 39 };

extern const char guest_code_call[], guest_code_undefined[], guest_code_reply[];

static uint64_t run(struct sandbox *s, const char *snippet, uint64_t turns, uint64_t counter)
{
    GUEST_COUNTER(sandbox_registers(s, 0, snippet, 0, REPLY_NUMBER)) = counter;
    if (!sandbox_prepare(s, 0, SANDBOX_TURNS, s->handle, turns, 0))
        return 0;
    user_pin(&s->f, 0, 0);
    user_start(&s->f, 0);
    uint64_t start = arch_cycle_count();
    (void)user_wait_dead(&s->f, 0);
    return arch_cycle_count() - start;
}

static void report_turn(const char *name, unsigned flags, const char *snippet)
{
    struct sandbox s;
    if (!sandbox_init(&s, flags))
        return;
    (void)run(&s, snippet, TURNS, 0);
    uint64_t once = run(&s, snippet, TURNS, 0);
    uint64_t twice = run(&s, snippet, 2ull * TURNS, 0);
    bench_report(name, "instructions", (twice - once) / TURNS);
    sandbox_destroy(&s);
}

BENCH(guest_system_call)
{
    report_turn("guest_system_call_fused", 0, guest_code_call);
    report_turn("guest_system_call_split", GUEST_SPLIT, guest_code_call);
}

BENCH(guest_exception)
{
    report_turn("guest_exception_fused", 0, guest_code_undefined);
    report_turn("guest_exception_split", GUEST_SPLIT, guest_code_undefined);
}

BENCH(guest_constant_reply)
{
    struct sandbox s;
    if (!sandbox_init(&s, GUEST_SPLIT))
        return;
    memset(s.state[0]->reply_set, 0xff, sizeof(s.state[0]->reply_set));
    (void)run(&s, guest_code_reply, 1, TURNS);
    uint64_t once = run(&s, guest_code_reply, 1, TURNS);
    uint64_t twice = run(&s, guest_code_reply, 1, 2ull * TURNS);
    bench_report("guest_constant_reply", "instructions", (twice - once) / TURNS);
    sandbox_destroy(&s);
}
