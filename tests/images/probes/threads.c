#include "probe.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

static uint32_t word, other;

static long futex(uint32_t *where, int what, uint32_t value, const void *time_or_count,
                  uint32_t *second, uint32_t third)
{
    return syscall(SYS_futex, where, what, value, time_or_count, second, third);
}

static void *waits(void *argument)
{
    __atomic_store_n((pid_t *)argument, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    long result = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return (void *)(result == 0 ? 0L : (long)errno);
}

static void asleep(pthread_t *threads, unsigned count)
{
    static pid_t tids[4];
    for (unsigned i = 0; i < count; i++) {
        tids[i] = 0;
        MUST(pthread_create(&threads[i], NULL, waits, &tids[i]) == 0 ? 0 : -1);
        while (__atomic_load_n(&tids[i], __ATOMIC_ACQUIRE) == 0)
            nap_ms(1);
        MUST(sleeps(tids[i]) ? 0 : -1);
    }
}

PROBE(threads, futexes)
{
    struct timespec soon = { 0, 10000000 }, bad = { 0, 1000000000 }, past = { 1, 0 };
    TRY(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 0, &soon, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
    TRY(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 0, &soon, NULL, 0));
    TRY(futex(BAD_POINTER, FUTEX_WAIT, 0, &soon, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(NULL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, 1));
    TRY(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, 1));
    TRY(futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    TRY(futex(&word, 99, 0, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
    pthread_t threads[4];
    asleep(threads, 4);
    TRY(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 5));
    TRY(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
    TRY(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10, &other, 0));
    TRY(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
    for (unsigned i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        VALUE(result);
    }
    asleep(threads, 2);
    uint32_t operation = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0);
    TRY(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, operation));
    VALUE(other);
    TRY(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, operation));
    VALUE(other);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    TRY(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, 0xffffffff));
}

static struct {
    struct robust_list_head head;
    struct {
        struct robust_list next;
        uint32_t word;
    } lock;
} * robust;

static int dies_holding(void)
{
    robust->head.list.next = &robust->lock.next;
    robust->lock.next.next = &robust->head.list;
    robust->head.futex_offset = (long)((char *)&robust->lock.word - (char *)&robust->lock.next);
    robust->head.list_op_pending = NULL;
    MUST(syscall(SYS_set_robust_list, &robust->head, sizeof robust->head));
    robust->lock.word = (uint32_t)getpid();
    return 0;
}

PROBE(threads, robust_lists)
{
    void *head;
    size_t size = 0;
    robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TRY(syscall(SYS_set_robust_list, robust, 5));
    TRY(syscall(SYS_get_robust_list, 0, &head, &size));
    VALUE(size);
    TRY(syscall(SYS_get_robust_list, 1 << 21, &head, &size));
    in_child("holder", dies_holding);
    say("the owner died: %d, owner %d", (robust->lock.word & FUTEX_OWNER_DIED) != 0,
        robust->lock.word & FUTEX_TID_MASK);
}

static void *does_nothing(void *argument)
{
    return argument;
}

static void *ends_all(void *argument)
{
    (void)argument;
    _exit(5);
}

static int ends_by_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, ends_all, NULL);
    for (;;)
        pause();
}

static void *outlives(void *argument)
{
    (void)argument;
    nap_ms(50);
    say("the first thread is gone, the second goes on");
    _exit(6);
}

static int leader_leaves(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, outlives, NULL);
    syscall(SYS_exit, 1);
    return 0;
}

static void *faults(void *argument)
{
    (void)argument;
    *(volatile int *)0x7 = 1;
    return NULL;
}

static int dies_by_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, faults, NULL);
    for (;;)
        pause();
}

static void *execs(void *argument)
{
    execl("/bin/busybox", "sh", "-c", "echo \"the program has pid $$\" | tr -d 0-9; exit 8", NULL);
    return argument;
}

static int exec_by_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, execs, NULL);
    for (;;)
        pause();
}

PROBE(threads, ends)
{
    pthread_t thread;
    void *result;
    TRY(pthread_create(&thread, NULL, does_nothing, (void *)3));
    TRY(pthread_join(thread, &result));
    VALUE(result);
    in_child("exit_group by a thread", ends_by_thread);
    in_child("the leader leaves", leader_leaves);
    in_child("a thread's fault", dies_by_thread);
    in_child("exec by a thread", exec_by_thread);
}

static volatile pid_t tid;

static volatile int taken[2];

static void notes(int number)
{
    taken[number == SIGUSR2] = (pid_t)syscall(SYS_gettid) == tid ? 1 : -1;
}

static void *takes_signals(void *argument)
{
    sigset_t set;
    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    tid = (pid_t)syscall(SYS_gettid);
    for (int i = 0; i < 2; i++)
        pause();
    return argument;
}

PROBE(threads, signals_go_to_one_that_takes_them)
{
    sigset_t set;
    pthread_t thread;
    sigfillset(&set);
    signal(SIGUSR1, notes);
    signal(SIGUSR2, notes);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    pthread_create(&thread, NULL, takes_signals, NULL);
    while (tid == 0)
        nap_ms(1);
    sleeps(tid);
    TRY(kill(getpid(), SIGUSR1));
    nap_ms(30);
    sleeps(tid);
    TRY(syscall(SYS_tgkill, getpid(), tid, SIGUSR2));
    pthread_join(thread, NULL);
    say("by the thread: %d %d", taken[0], taken[1]);
}
