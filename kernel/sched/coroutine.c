/* The one kernel context with a stack of its own (see coroutine.h). Not in the release flavour. */
#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <arch/context.h>
#include <kernel/coroutine.h>
#include <kernel/cpu.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/timer.h>

enum { COROUTINE_STACK_BYTES = 64 * 1024, COROUTINE_POLL_NS = 1000 * 1000 };

bool coroutine_wants_look; /* at the condition, at the next poll; the boot CPU writes it */

/* All of it belongs to the boot CPU. */
static struct {
    void *stack_top; /* made once, kept */
    bool busy;       /* from coroutine_start until main returned */
    bool active;     /* its stack is the current one */
    void *own_sp;    /* while it waits */
    void *caller_sp; /* of coroutine_poll, while it runs */
    void (*main)(void *argument);
    void *argument;
    bool (*condition)(void *argument); /* NULL: go on at once */
    void *condition_argument;
    uint64_t deadline_ns;
    bool timed_out;
    struct timer poll_timer;
} co;

void coroutine_look(void)
{
    struct cpu *cpu = cpu_self();
    if (cpu->index != 0 || !co.busy)
        return;
    coroutine_wants_look = true;
    cpu->need_resched = 1;
}

static void look_again(struct timer *timer)
{
    (void)timer;
    coroutine_look();
}

static void leave(void)
{
    co.active = false;
    arch_stack_swap(&co.own_sp, co.caller_sp);
    co.active = true;
}

static void run_main(void *unused)
{
    (void)unused;
    co.active = true;
    co.main(co.argument);
    co.busy = false;
    coroutine_wants_look = false;
    leave();
    ASSERT_UNREACHABLE();
}

enum status coroutine_start(void (*main)(void *argument), void *argument)
{
    if (co.busy)
        return ERR_BUSY;
    if (co.stack_top == NULL) {
        enum status status = kmap_stack_create(COROUTINE_STACK_BYTES, &co.stack_top);
        if (status != OK)
            return status;
        timer_init(&co.poll_timer, look_again);
    }
    co.main = main;
    co.argument = argument;
    co.condition = NULL;
    co.own_sp = arch_stack_prepare(co.stack_top, run_main, NULL);
    co.busy = true;
    coroutine_wants_look = true;
    cpu_get(0)->need_resched = 1;
    return OK;
}

enum status coroutine_wait(bool (*condition)(void *argument), void *argument, uint64_t deadline_ns)
{
    ASSERT(co.active && cpu_self()->index == 0 && cpu_self()->lock_depth == 0);
    co.condition = condition;
    co.condition_argument = argument;
    co.deadline_ns = deadline_ns;
    co.timed_out = false;
    leave();
    return co.timed_out ? ERR_TIMED_OUT : OK;
}

bool coroutine_active(void)
{
    return co.active && cpu_self()->index == 0;
}

/* True if the coroutine can go on. */
static bool ripe(void)
{
    if (co.condition == NULL || co.condition(co.condition_argument))
        return true;
    co.timed_out = clock_now_ns() >= co.deadline_ns;
    return co.timed_out;
}

void coroutine_poll_now(void)
{
    if (cpu_self()->index != 0 || co.active)
        return;
    coroutine_wants_look = false;
    (void)timer_cancel(&co.poll_timer);
    if (ripe())
        arch_stack_swap(&co.caller_sp, co.own_sp);
    if (co.busy) {
        uint64_t next_ns = clock_now_ns() + COROUTINE_POLL_NS;
        timer_start(&co.poll_timer, MIN(next_ns, co.deadline_ns));
    }
}
#endif
