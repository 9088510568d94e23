/* Fuzzing the calls about processes, signals, futexes and time: any calls that do not block, with
 * any arguments, of a process with a child and a thread; and everything is gone at the end.
 */
#include <base/compiler.h>
#include <base/test.h>
#include <linux/world.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

#define ROW(name) LINUX_CALL_##name
/* Signals go to the caller alone, which is process 1 and outlives them. */
static const uint16_t numbers[] = {
    ROW(rt_sigaction),
    ROW(rt_sigprocmask),
    ROW(rt_sigpending),
    ROW(sigaltstack),
    ROW(rt_sigqueueinfo),
    ROW(rt_sigtimedwait),
    ROW(timer_create),
    ROW(timer_settime),
    ROW(timer_gettime),
    ROW(timer_delete),
    ROW(timer_getoverrun),
    ROW(setitimer),
    ROW(getitimer),
    ROW(setuid),
    ROW(setresuid),
    ROW(setresgid),
    ROW(setreuid),
    ROW(setfsuid),
    ROW(setgroups),
    ROW(getgroups),
    ROW(capget),
    ROW(capset),
    ROW(prctl),
    ROW(setpgid),
    ROW(getpgid),
    ROW(setsid),
    ROW(getsid),
    ROW(prlimit64),
    ROW(getrusage),
    ROW(times),
    ROW(uname),
    ROW(sysinfo),
    ROW(sethostname),
    ROW(sched_getaffinity),
    ROW(sched_setaffinity),
    ROW(sched_setscheduler),
    ROW(sched_getattr),
    ROW(sched_setattr),
    ROW(getpriority),
    ROW(setpriority),
    ROW(ioprio_set),
    ROW(clock_gettime),
    ROW(clock_getres),
    ROW(clock_settime),
    ROW(gettimeofday),
    ROW(set_robust_list),
    ROW(get_robust_list),
    ROW(set_tid_address),
    ROW(unshare),
    ROW(personality),
    ROW(membarrier),
    ROW(wait4),
    ROW(waitid),
    ROW(tgkill),
    ROW(kill),
    ROW(clone3),
    ROW(futex),
    ROW(rt_tgsigqueueinfo),
    ROW(pidfd_open),
    ROW(pidfd_send_signal),
};

struct input {
    const uint8_t *data;
    size_t left;
};

static void take(struct input *input, void *to, size_t size_bytes)
{
    memset(to, 0, size_bytes);
    size_t part = MIN(size_bytes, input->left);
    memcpy(to, input->data, part);
    input->data += part;
    input->left -= part;
}

/* Small numbers, addresses in and around the data, or anything. */
static uint64_t argument(struct input *input)
{
    uint8_t kind;
    uint16_t small;
    uint64_t any;
    take(input, &kind, 1);
    if (kind % 4 == 0) {
        take(input, &any, sizeof(any));
        return any;
    }
    take(input, &small, sizeof(small));
    if (kind % 4 == 1)
        return (uint64_t)(int64_t)(int8_t)small;
    return kind % 4 == 2 ? GUEST_DATA + small : small;
}

/* No call may wait, and none may end somebody else than is meant to be. */
static void tame(unsigned number, uint64_t arguments[6])
{
    if (number == ROW(wait4))
        arguments[2] |= WNOHANG;
    if (number == ROW(waitid))
        arguments[3] |= WNOHANG;
    if (number == ROW(rt_sigtimedwait))
        arguments[2] = GUEST_STACKS - 256; /* a timeout of nothing */
    if (number == ROW(futex) && (arguments[1] & 127) != 1)
        arguments[1] = (arguments[1] & 128) | 3;
    if (number == ROW(clone3))
        arguments[1] = MIN(arguments[1], (uint64_t)63);
}

static void child(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (;;)
        guest_poll();
}

static void handler(uint64_t number, uint64_t info, uint64_t context)
{
    (void)number;
    (void)info;
    (void)context;
}

static void program(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    struct input input = *(const struct input *)(uintptr_t)at;
    (void)guest_code(handler);
    (void)guest_fork(child, 0);
    (void)guest_thread(child, 0, 1, GUEST_SHARED);
    while (input.left > 0) {
        uint8_t which;
        uint64_t arguments[6];
        take(&input, &which, 1);
        for (unsigned i = 0; i < 6; i++)
            arguments[i] = argument(&input);
        unsigned number = numbers[which % ARRAY_LEN(numbers)];
        tame(number, arguments);
        (void)guest_call(number, arguments);
        take(&input, arguments, 16);
        (void)copy_out(GUEST_DATA + which * 64ull, arguments, 16);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = { data, MIN(size_bytes, (size_t)2000) };
    world_run(program, (uint64_t)(uintptr_t)&input);
    if (test_forgive())
        __builtin_trap(); /* something was left */
    return 0;
}
