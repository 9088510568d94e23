#include "signal_impl.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/frame.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/machine.h>
#include <linux/world.h>
#include <string.h>

#define ANY      ((uint64_t)-1)
#define SELF     ((uint64_t)CALL(getpid))
#define SET_AT   (GUEST_DATA + 0x1000)
#define INFO_AT  (GUEST_DATA + 0x1100)
#define TIME_AT  (GUEST_DATA + 0x1200)
#define STACK_AT (GUEST_DATA + 0x1300)

static uint64_t seen;  /* atomic: what handlers count */
static uint64_t value; /* atomic: what they were told */

static void reset(void)
{
    __atomic_store_n(&seen, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&value, 0, __ATOMIC_SEQ_CST);
}

static uint64_t count(void)
{
    return __atomic_load_n(&seen, __ATOMIC_SEQ_CST);
}

static void counts(uint64_t number, uint64_t info, uint64_t context)
{
    (void)context;
    (void)__atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST);
    EXPECT_EQ(guest_load_32_of(info), number);
    __atomic_store_n(&value, guest_load(info + 24), __ATOMIC_SEQ_CST);
}

static void mask(int how, signal_set set)
{
    guest_store(SET_AT, set);
    EXPECT_EQ(CALL(rt_sigprocmask, (uint64_t)how, SET_AT, 0, 8), 0);
}

static signal_set blocked_now(void)
{
    EXPECT_EQ(CALL(rt_sigprocmask, 0, 0, SET_AT + 8, 8), 0);
    return guest_load(SET_AT + 8);
}

static void sleep_ms(uint64_t ms)
{
    guest_store(TIME_AT, ms / 1000);
    guest_store(TIME_AT + 8, ms % 1000 * 1000000);
    (void)CALL(nanosleep, TIME_AT, 0);
}

static void spins(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (;;)
        guest_poll();
}

static void handles_one(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(count(), 1);
    mask(SIG_BLOCK, SIGNAL_BIT(SIGUSR1));
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(CALL(rt_sigpending, SET_AT, 8), 0);
    EXPECT_EQ(guest_load(SET_AT), SIGNAL_BIT(SIGUSR1));
    mask(SIG_UNBLOCK, SIGNAL_BIT(SIGUSR1));
    EXPECT_EQ(count(), 2);
    EXPECT_EQ(blocked_now(), 0);
    mask(SIG_SETMASK, ~(signal_set)0);
    EXPECT_EQ(blocked_now(), ~SIGNALS_NEVER_BLOCKED);
    EXPECT_EQ(CALL(rt_sigprocmask, 7, SET_AT, 0, 8), -EINVAL);
    EXPECT_EQ(CALL(rt_sigprocmask, 0, SET_AT, 0, 4), -EINVAL);
    EXPECT_EQ(CALL(rt_sigaction, SIGKILL, SET_AT, 0, 8), -EINVAL);
    EXPECT_EQ(CALL(rt_sigaction, 65, 0, 0, 8), -EINVAL);
    EXPECT_EQ(CALL(rt_sigaction, SIGUSR1, 1, 0, 8), -EFAULT);
}

TEST(a_signal_is_handled_once_and_when_it_is_not_blocked)
{
    world_run(handles_one, 0);
}

static void takes_no_memory(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    guest_handle(34, counts, SA_SIGINFO);
    uint64_t thread = (uint64_t)CALL(gettid);
    EXPECT_EQ(CALL(tkill, thread, SIGUSR1), 0);
    uint64_t blocks = heap_counts().blocks;
    heap_fail_after(1);
    EXPECT_EQ(CALL(tkill, thread, SIGUSR1), 0);
    heap_fail_after(0);
    EXPECT_EQ(count(), 2);
    EXPECT_EQ(heap_counts().blocks, blocks);
    mask(SIG_BLOCK, SIGNAL_BIT(34));
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(CALL(tkill, thread, 34), 0);
    mask(SIG_UNBLOCK, SIGNAL_BIT(34));
    EXPECT_EQ(count(), 5);
    EXPECT_EQ(heap_counts().blocks, blocks);
}

/* A root process with a thread that is a user's. */
static void thread_is_a_user(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    guest_store(GUEST_SHARED, (uint64_t)CALL(gettid));
    while (guest_load(GUEST_SHARED + 8) == 0)
        guest_poll();
    (void)CALL(exit, 0);
}

static void has_a_users_thread(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT(guest_thread(thread_is_a_user, 0, 1, GUEST_DATA) > 0);
    guest_join(GUEST_DATA);
}

static void signals_a_users_thread(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store(GUEST_SHARED, 0);
    guest_store(GUEST_SHARED + 8, 0);
    int64_t child = guest_fork(has_a_users_thread, 0);
    uint64_t thread;
    while ((thread = guest_load(GUEST_SHARED)) == 0)
        guest_poll();
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    EXPECT_EQ(CALL(tgkill, (uint64_t)child, (uint64_t)child, 0), -EPERM);
    EXPECT_EQ(CALL(kill, (uint64_t)child, 0), -EPERM);
    EXPECT_EQ(CALL(tgkill, (uint64_t)child, thread, 0), 0);
    EXPECT_EQ(CALL(tkill, thread, SIGCONT), 0);
    EXPECT_EQ(CALL(kill, thread, 0), 0);
    guest_store(GUEST_SHARED + 8, 1);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(a_threads_own_ids_say_who_may_signal_it)
{
    world_run(signals_a_users_thread, 0);
}

TEST(the_entry_of_a_signal_that_was_taken_serves_the_next)
{
    world_run(takes_no_memory, 0);
}

static void queues(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    const signal_set set = SIGNAL_BIT(34) | SIGNAL_BIT(35) | SIGNAL_BIT(SIGUSR2);
    mask(SIG_BLOCK, set);
    for (uint64_t i = 0; i < 6; i++) {
        guest_store(INFO_AT, 0);
        guest_store(INFO_AT + 8, (uint32_t)SI_QUEUE);
        guest_store(INFO_AT + 24, 100 + i);
        EXPECT_EQ(CALL(rt_sigqueueinfo, SELF, i % 2 == 0 ? 35 : 34, INFO_AT), 0);
    }
    EXPECT_EQ(CALL(tkill, (uint64_t)CALL(gettid), SIGUSR2), 0);
    guest_store(SET_AT, set);
    static const struct {
        int number;
        uint64_t told;
    } order[] = { { SIGUSR2, 0 }, { 34, 101 }, { 34, 103 }, { 34, 105 },
                  { 35, 100 },    { 35, 102 }, { 35, 104 } };
    guest_store(TIME_AT, 0);
    guest_store(TIME_AT + 8, 0);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        EXPECT_EQ(CALL(rt_sigtimedwait, SET_AT, INFO_AT, TIME_AT, 8), order[i].number);
        if (order[i].told != 0)
            EXPECT_EQ(guest_load(INFO_AT + 24), order[i].told);
    }
    EXPECT_EQ(CALL(rt_sigtimedwait, SET_AT, INFO_AT, TIME_AT, 8), -EAGAIN);
    /* As many as the limit says, and no more. */
    guest_store(SET_AT + 16, 3);
    guest_store(SET_AT + 24, 3);
    EXPECT_EQ(CALL(prlimit64, 0, RLIMIT_SIGPENDING, SET_AT + 16, 0), 0);
    guest_store(INFO_AT + 8, (uint32_t)SI_QUEUE);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(CALL(rt_sigqueueinfo, SELF, 34, INFO_AT), 0);
    EXPECT_EQ(CALL(rt_sigqueueinfo, SELF, 34, INFO_AT), -EAGAIN);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR2), 0);
    EXPECT_EQ(CALL(rt_sigtimedwait, SET_AT, 0, TIME_AT, 8), SIGUSR2);
}

TEST(queued_signals_keep_their_order_and_values)
{
    world_run(queues, 0);
}

/* ---- calls that are interrupted ---- */

static void pokes_parent(uint64_t parent, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    sleep_ms(20);
    (void)CALL(kill, parent, SIGUSR1);
    sleep_ms(20);
    (void)CALL(exit_group, 3);
}

static void is_interrupted(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO | SA_RESTART);
    uint64_t child = (uint64_t)guest_fork(pokes_parent, SELF);
    EXPECT_EQ(guest_wait((int32_t)child), 3 << 8);
    EXPECT_EQ(count(), 1);
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    child = (uint64_t)guest_fork(pokes_parent, SELF);
    EXPECT_EQ(guest_wait((int32_t)child), -EINTR);
    EXPECT_EQ(guest_wait((int32_t)child), 3 << 8);
    EXPECT_EQ(count(), 2);
}

TEST(a_call_is_made_again_or_fails_as_the_handler_wants)
{
    world_run(is_interrupted, 0);
}

static void sleeps(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO | SA_RESTART);
    uint64_t child = (uint64_t)guest_fork(pokes_parent, SELF);
    guest_store(TIME_AT, 10);
    guest_store(TIME_AT + 8, 0);
    EXPECT_EQ(CALL(nanosleep, TIME_AT, TIME_AT + 16), -EINTR);
    EXPECT_EQ(guest_load(TIME_AT + 16), 9);
    EXPECT_EQ(guest_wait((int32_t)child), 3 << 8);
    /* With no handler it lasts as long as it should. */
    guest_handle(SIGUSR1, (guest_function *)SIG_DFL, 0);
    child = (uint64_t)guest_fork(spins, 0);
    uint64_t start_ns = machine_now_ns();
    EXPECT_EQ(CALL(kill, child, SIGSTOP), 0);
    EXPECT_EQ(CALL(kill, child, SIGCONT), 0);
    sleep_ms(60);
    EXPECT(machine_now_ns() - start_ns >= 60000000);
    EXPECT_EQ(CALL(kill, child, SIGKILL), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
}

TEST(an_interrupted_sleep_tells_what_is_left)
{
    world_run(sleeps, 0);
}

static void sleeps_through_stops(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t start_ns = machine_now_ns();
    guest_store(TIME_AT, 0);
    guest_store(TIME_AT + 8, 400000000);
    EXPECT_EQ(CALL(nanosleep, TIME_AT, 0), 0);
    EXPECT(machine_now_ns() - start_ns >= 400000000);
}

static void stops_a_sleeper(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t child = (uint64_t)guest_fork(sleeps_through_stops, 0);
    sleep_ms(20);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(CALL(kill, child, SIGSTOP), 0);
        EXPECT_EQ(CALL(wait4, child, STACK_AT, WUNTRACED, 0), (int64_t)child);
        EXPECT_EQ(guest_load_32_of(STACK_AT), SIGSTOP << 8 | 0x7f);
        EXPECT_EQ(CALL(kill, child, SIGCONT), 0);
        EXPECT_EQ(CALL(wait4, child, STACK_AT, WCONTINUED, 0), (int64_t)child);
        EXPECT_EQ(guest_load_32_of(STACK_AT), 0xffff);
    }
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(a_sleep_goes_on_after_stops)
{
    world_run(stops_a_sleeper, 0);
}

/* ---- sigsuspend, sigtimedwait ---- */

static void suspends(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    mask(SIG_SETMASK, SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2));
    uint64_t child = (uint64_t)guest_fork(pokes_parent, SELF);
    guest_store(SET_AT, SIGNAL_BIT(SIGUSR2));
    EXPECT_EQ(CALL(rt_sigsuspend, SET_AT, 8), -EINTR);
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(blocked_now(), SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2));
    EXPECT_EQ(guest_wait((int32_t)child), 3 << 8);
    child = (uint64_t)guest_fork(pokes_parent, SELF);
    guest_store(SET_AT, SIGNAL_BIT(SIGUSR1));
    EXPECT_EQ(CALL(rt_sigtimedwait, SET_AT, INFO_AT, 0, 8), SIGUSR1);
    EXPECT_EQ(guest_load_32_of(INFO_AT + 16), child);
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(guest_wait((int32_t)child), 3 << 8);
    guest_store(TIME_AT, 0);
    guest_store(TIME_AT + 8, 5000000);
    EXPECT_EQ(CALL(rt_sigtimedwait, SET_AT, INFO_AT, TIME_AT, 8), -EAGAIN);
    EXPECT_EQ(CALL(rt_sigsuspend, SET_AT, 4), -EINVAL);
}

TEST(waiting_for_signals_brings_the_mask_back)
{
    world_run(suspends, 0);
}

/* ---- flags of handlers, stacks ---- */

static void on_which_stack(uint64_t number, uint64_t info, uint64_t context)
{
    (void)number;
    (void)info;
    uint64_t stack = registers_stack(&vcpu_state(task_self()->vcpu)->registers);
    EXPECT_EQ(stack, stack);
    __atomic_store_n(&value, stack, __ATOMIC_SEQ_CST);
    EXPECT_EQ(guest_load(context + 16), STACK_AT);
    guest_store(STACK_AT - 32, STACK_AT);
    guest_store(STACK_AT - 24, 0);
    guest_store(STACK_AT - 16, 8192);
    EXPECT_EQ(CALL(sigaltstack, STACK_AT - 32, STACK_AT - 64), -EPERM);
    EXPECT_EQ(CALL(sigaltstack, 0, STACK_AT - 64), 0);
    EXPECT_EQ(guest_load_32_of(STACK_AT - 56), SS_ONSTACK);
}

static void set_stack(uint32_t flags, uint64_t size_bytes, int64_t result)
{
    guest_store(STACK_AT - 32, STACK_AT);
    guest_store(STACK_AT - 24, flags);
    guest_store(STACK_AT - 16, size_bytes);
    EXPECT_EQ(CALL(sigaltstack, STACK_AT - 32, 0), result);
}

static void uses_a_stack(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    set_stack(0, 100, -ENOMEM);
    set_stack(64, 8192, -EINVAL);
    set_stack(0, 8192, 0);
    guest_handle(SIGUSR1, on_which_stack, SA_SIGINFO | SA_ONSTACK);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT(value > STACK_AT && value < STACK_AT + 8192);
    EXPECT_EQ(CALL(sigaltstack, 0, STACK_AT - 64), 0);
    EXPECT_EQ(guest_load_32_of(STACK_AT - 56), 0);
    set_stack(SS_DISABLE, 0, 0);
    EXPECT_EQ(CALL(sigaltstack, 0, STACK_AT - 64), 0);
    EXPECT_EQ(guest_load_32_of(STACK_AT - 56), SS_DISABLE);
}

TEST(a_handler_runs_on_the_stack_that_it_asked_for)
{
    world_run(uses_a_stack, 0);
}

static void counts_twice(uint64_t number, uint64_t info, uint64_t context)
{
    (void)info;
    (void)context;
    if (__atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST) == 0)
        EXPECT_EQ(CALL(kill, SELF, number), 0);
    /* With SA_NODEFER the second has come already. */
    __atomic_store_n(&value, count(), __ATOMIC_SEQ_CST);
}

static void uses_flags(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGUSR1, counts_twice, SA_NODEFER);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(count(), 2);
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO | 0xffffffff00000000 | SA_RESETHAND);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(CALL(rt_sigaction, SIGUSR1, 0, INFO_AT, 8), 0);
    EXPECT_EQ(guest_load(INFO_AT), SIG_DFL);
    /* Process 1 has no default actions. */
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    EXPECT_EQ(CALL(kill, SELF, SIGKILL), 0);
    EXPECT_EQ(CALL(kill, SELF, SIGSTOP), 0);
    EXPECT_EQ(count(), 1);
}

TEST(flags_of_handlers_do_what_they_say)
{
    world_run(uses_flags, 0);
}

/* ---- job control ---- */

static void stops_itself(uint64_t number, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(kill, SELF, number), 0);
    (void)CALL(exit_group, 4);
}

static void controls_jobs(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGCHLD, counts, SA_SIGINFO | SA_RESTART);
    /* In our group, which has no parent outside: nobody would continue it. */
    uint64_t child = (uint64_t)guest_fork(stops_itself, SIGTSTP);
    EXPECT_EQ(guest_wait((int32_t)child), 4 << 8);
    child = (uint64_t)guest_fork(stops_itself, SIGSTOP);
    EXPECT_EQ(CALL(wait4, child, STACK_AT, WUNTRACED, 0), (int64_t)child);
    EXPECT_EQ(CALL(wait4, child, STACK_AT, WUNTRACED | WNOHANG, 0), 0);
    EXPECT_EQ(CALL(kill, child, SIGCONT), 0);
    EXPECT_EQ(guest_wait((int32_t)child), 4 << 8);
    EXPECT(count() >= 3);
}

TEST(stops_are_news_to_the_parent)
{
    world_run(controls_jobs, 0);
}

static void stops_in_its_group(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setpgid, 0, 0), 0);
    stops_itself(SIGTSTP, 0, 0);
}

/* A shell of a session of its own that ends while its job is stopped. */
static void shell(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT(CALL(setsid) > 0);
    uint64_t child = (uint64_t)guest_fork(stops_in_its_group, 0);
    EXPECT_EQ(CALL(wait4, child, STACK_AT, WUNTRACED, 0), (int64_t)child);
    EXPECT_EQ(guest_load_32_of(STACK_AT), SIGTSTP << 8 | 0x7f);
    __atomic_store_n(&value, child, __ATOMIC_SEQ_CST);
}

static void outlives_a_shell(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t child = (uint64_t)guest_fork(shell, 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
    EXPECT_EQ(guest_wait((int32_t)value), SIGHUP);
}

TEST(a_stopped_group_that_is_orphaned_is_hung_up)
{
    world_run(outlives_a_shell, 0);
}

static void many_threads_spin(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (unsigned i = 1; i < 5; i++)
        EXPECT(guest_thread(spins, 0, i, GUEST_DATA + 8ull * i) > 0);
    __atomic_store_n(&value, 1, __ATOMIC_SEQ_CST);
    spins(0, 0, 0);
}

static void stops_threads(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    uint64_t child = (uint64_t)guest_fork(many_threads_spin, 0);
    while (__atomic_load_n(&value, __ATOMIC_SEQ_CST) == 0)
        guest_poll();
    for (unsigned i = 0; i < 20; i++) {
        EXPECT_EQ(CALL(kill, child, SIGSTOP), 0);
        EXPECT_EQ(CALL(wait4, child, STACK_AT, WUNTRACED, 0), (int64_t)child);
        EXPECT_EQ(CALL(kill, child, SIGCONT), 0);
    }
    EXPECT_EQ(CALL(kill, child, SIGSTOP), 0);
    EXPECT_EQ(CALL(kill, child, SIGKILL), 0);
    EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
}

TEST(every_thread_stops_and_goes_on)
{
    world_run(stops_threads, 0);
}

/* ---- faults and frames ---- */

static void faults(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_fault(0x5000, 2);
}

static void faults_blocked(uint64_t a, uint64_t b, uint64_t c)
{
    mask(SIG_BLOCK, SIGNAL_BIT(SIGSEGV));
    guest_handle(SIGSEGV, counts, SA_SIGINFO);
    faults(a, b, c);
}

static void returns_from_nothing(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    (void)CALL(rt_sigreturn);
}

static void has_no_stack(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    guest_handle(SIGSEGV, counts, SA_SIGINFO);
    world_set_stack(&vcpu_state(task_self()->vcpu)->registers, 0x1000);
    (void)CALL(kill, SELF, SIGUSR1);
}

static void watches_faults(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    EXPECT_EQ(guest_wait((int32_t)guest_fork(faults, 0)), SIGSEGV);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(faults_blocked, 0)), SIGSEGV);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(returns_from_nothing, 0)), SIGSEGV);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(has_no_stack, 0)), SIGSEGV);
    EXPECT_EQ(count(), 0);
}

TEST(faults_that_nobody_handles_end_the_process)
{
    world_run(watches_faults, 0);
}

static void told_of_fault(uint64_t number, uint64_t info, uint64_t context)
{
    (void)context;
    (void)__atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST);
    EXPECT_EQ(number, SIGSEGV);
    EXPECT_EQ(guest_load_32_of(info + 8), SEGV_MAPERR);
    EXPECT_EQ(guest_load(info + 16), 0x5000);
}

static void handles_faults(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    reset();
    guest_handle(SIGSEGV, told_of_fault, SA_SIGINFO);
    guest_fault(0x5000, 2);
    EXPECT_EQ(count(), 1);
}

TEST(a_fault_is_told_with_its_address)
{
    world_run(handles_faults, 0);
}

/* Frames that a program has changed at random: the task ends, or goes on with what may be. */
static void changes_its_frame(uint64_t number, uint64_t info, uint64_t context)
{
    (void)number;
    (void)info;
    uint64_t state = value;
    for (unsigned i = 0; i < 4; i++)
        guest_store(context - 8 + test_random(&state) % 600, test_random(&state));
}

static void has_a_wild_frame(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    struct task *self = task_self();
    struct guest_registers *registers = &vcpu_state(self->vcpu)->registers;
    struct signal_info info = { .number = SIGUSR1 };
    struct signal_action action = { .handler = 0x400000, .flags = SA_RESTORER, .restorer = 0x1000 };
    signal_set set;
    struct linux_stack stack;
    __atomic_store_n(&value, seed | 1, __ATOMIC_SEQ_CST);
    EXPECT_EQ(frame_push(self, &info, &action, 0), 0);
    uint64_t arguments[3];
    world_handler_arguments(registers, arguments);
    changes_its_frame(SIGUSR1, arguments[1], arguments[2]);
    world_handler_returns(registers, registers_stack(registers));
    if (frame_pop(self, &set, &stack) == 0)
        EXPECT(world_pc(registers) < GUEST_END);
    (void)CALL(exit_group, 0);
}

static void runs_wild_frames(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint64_t state = seed;
    for (unsigned i = 0; i < 100; i++)
        EXPECT_EQ(guest_wait((int32_t)guest_fork(has_a_wild_frame, test_random(&state))), 0);
}

TEST(a_frame_that_comes_back_is_a_strangers)
{
    world_run(runs_wild_frames, test_seed());
}

static void keeps_registers(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    struct guest_registers *registers = &vcpu_state(task_self()->vcpu)->registers;
    reset();
    guest_handle(SIGUSR1, counts, SA_SIGINFO);
    EXPECT_EQ(CALL(kill, SELF, SIGUSR1), 0);
    struct guest_registers before = *registers;
    struct signal_info info = { .number = SIGUSR1 };
    (void)signal_send_task(task_self(), &info);
    guest_poll();
    EXPECT_EQ(count(), 2);
    EXPECT_EQ(memcmp(registers, &before, sizeof(before)), 0);
}

TEST(registers_come_back_as_they_were)
{
    world_run(keeps_registers, 0);
}

/* ---- many at once ---- */

static void signals_the_others(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint64_t state = seed | 1;
    for (unsigned i = 0; i < 60; i++) {
        uint64_t which = test_random(&state) % 3;
        if (which == 0)
            (void)CALL(kill, SELF, 34);
        else if (which == 1)
            (void)CALL(tgkill, SELF, 2 + test_random(&state) % 5, SIGUSR1);
        else
            guest_poll();
    }
    (void)CALL(exit, 0);
}

static void signal_storm(uint64_t seed, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint64_t state = seed;
    reset();
    guest_handle(34, counts, SA_SIGINFO | SA_RESTART);
    guest_handle(SIGUSR1, counts, SA_SIGINFO | SA_RESTART);
    for (unsigned i = 1; i < 6; i++)
        EXPECT(guest_thread(signals_the_others, test_random(&state), i, GUEST_DATA + 8ull * i) > 0);
    for (unsigned i = 1; i < 6; i++)
        guest_join(GUEST_DATA + 8ull * i);
    EXPECT(count() > 0);
}

TEST(signals_between_threads_at_random_are_all_handled)
{
    for (unsigned i = 0; i < 5; i++)
        world_run(signal_storm, test_seed() + i);
}
