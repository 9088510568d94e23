/* What a Linux kernel costs its programs: a program without a library that does the same on Linux
 * and in a container, as its first process on both (see docs/howto/benchmark.md).
 *
 *     bench count   instructions, where the machine counts them as time (-icount shift=0)
 *     bench wall    nanoseconds by the clock
 *     bench stamp   the time since boot when it began, and nothing else
 *     bench exit    nothing: what exec runs
 *
 * The name of a benchmark behind `count` or `wall` runs that one alone, and longer.
 *
 * Each figure is the least of some rounds, for one turn, the loop included. All are printed at the
 * end: a line that somebody else prints would be in the next figure.
 */
#include "call.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
enum {
    READ = 0,
    WRITE = 1,
    CLOSE = 3,
    MMAP = 9,
    MUNMAP = 11,
    SIGACTION = 13,
    PREAD = 17,
    PWRITE = 18,
    GETPID = 39,
    SOCKETPAIR = 53,
    CLONE = 56,
    EXECVE = 59,
    EXIT = 60,
    WAIT = 61,
    UMASK = 95,
    GETPPID = 110,
    MOUNT = 165,
    GETTID = 186,
    FUTEX = 202,
    CLOCK_GETTIME = 228,
    EXIT_GROUP = 231,
    TGKILL = 234,
    OPENAT = 257,
    FSTATAT = 262,
    UNLINKAT = 263,
    PIPE2 = 293
};

static uint64_t counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

__asm__(".globl _start, spawn, restore\n"
        "_start: mov %rsp, %rdi\n"
        "and $-16, %rsp\n"
        "call begin\n"
        "ud2\n"
        "spawn: sub $16, %rsi\n"
        "mov %rcx, (%rsi)\n"
        "mov %r8, 8(%rsi)\n"
        "mov %rdx, %r10\n"
        "mov $56, %eax\n"
        "syscall\n"
        "test %rax, %rax\n"
        "jnz 1f\n"
        "pop %rax\n"
        "pop %rdi\n"
        "call *%rax\n"
        "ud2\n"
        "1: ret\n"
        "restore: mov $15, %eax\n"
        "syscall\n");
#define SA_RESTORER 0x04000000ul
#else
enum {
    UNLINKAT = 35,
    MOUNT = 40,
    OPENAT = 56,
    CLOSE = 57,
    PIPE2 = 59,
    READ = 63,
    WRITE = 64,
    PREAD = 67,
    PWRITE = 68,
    FSTATAT = 79,
    EXIT = 93,
    EXIT_GROUP = 94,
    FUTEX = 98,
    CLOCK_GETTIME = 113,
    TGKILL = 131,
    SIGACTION = 134,
    UMASK = 166,
    GETPID = 172,
    GETPPID = 173,
    GETTID = 178,
    SOCKETPAIR = 199,
    MUNMAP = 215,
    CLONE = 220,
    EXECVE = 221,
    MMAP = 222,
    WAIT = 260
};

static uint64_t counter(void)
{
    uint64_t count, frequency;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count)::"memory");
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return count * (1000000000u / frequency);
}

__asm__(".globl _start, spawn, restore\n"
        "_start: mov x0, sp\n"
        "bl begin\n"
        "brk 1\n"
        "spawn: stp x3, x4, [x1, #-16]!\n"
        "mov x4, x2\n"
        "mov x3, #0\n"
        "mov x8, #220\n"
        "svc 0\n"
        "cbnz x0, 1f\n"
        "ldp x3, x0, [sp], #16\n"
        "blr x3\n"
        "brk 1\n"
        "1: ret\n"
        "restore: mov x8, #139\n"
        "svc 0\n");
#define SA_RESTORER 0ul
#endif

enum {
    ROUNDS = 5,
    ROUNDS_ALONE = 50,
    PAGE = 4096,
    PAGES = 128, /* less than a huge page */
    STACK_BYTES = 16384,
    LINES_BYTES = 8192,
    AT_FDCWD = -100,
    O_RDWR = 2,
    O_CREAT = 64,
    SIGUSR1 = 10,
    SIGCHLD = 17,
    FUTEX_WAIT_PRIVATE = 128,
    FUTEX_WAKE_PRIVATE = 129,
    CLONE_VM = 0x100,
    CLONE_VFORK = 0x4000,
    THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000, /* as a C library does it */
    CLONE_PARENT_SETTID = 0x100000,
    CLONE_CHILD_CLEARTID = 0x200000,
};

/* A task with a stack of its own that calls run(argument), which does not return. `tid` is written
 * at once and cleared at its end where the flags say so. */
long spawn(long flags, void *stack_top, uint32_t *tid, void (*run)(void *argument), void *argument);
void restore(void);

static char room[PAGE] __attribute__((aligned(PAGE)));
static char stack[STACK_BYTES] __attribute__((aligned(16)));
static const char *own_name;
static const char *only; /* the benchmark to run; NULL: all */
static int wall;

/* ---- Results ---- */

static char lines[LINES_BYTES];
static size_t lines_used;

static void add_text(const char *text)
{
    while (*text != '\0' && lines_used < sizeof(lines))
        lines[lines_used++] = *text++;
}

static void add_number(uint64_t value)
{
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '\0';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    add_text(text + at);
}

static void report(const char *name, uint64_t value)
{
    add_text("bench ");
    add_text(name);
    add_text(" ");
    add_number(value);
    add_text("\n");
}

static void print(void)
{
    size_t done = 0;
    while (done < lines_used) {
        long part = call(WRITE, 1, (long)(lines + done), (long)(lines_used - done), 0, 0, 0);
        if (part <= 0)
            break;
        done += (size_t)part;
    }
    lines_used = 0;
}

_Noreturn static void leave(long status)
{
    (void)call(EXIT_GROUP, status, 0, 0, 0, 0, 0);
    for (;;) {
    }
}

static long must(const char *what, long result)
{
    if (result >= 0)
        return result;
    add_text(what);
    add_text(" fails: ");
    add_number((uint64_t)-result);
    add_text("\n");
    print();
    leave(1);
}

static uint64_t now(void)
{
    uint64_t time[2] = { 0, 0 };
    if (!wall)
        return counter();
    (void)call(CLOCK_GETTIME, 1, (long)time, 0, 0, 0, 0);
    return time[0] * 1000000000u + time[1];
}

static int wanted(const char *name)
{
    const char *other = only;
    while (other != NULL && *other != '\0' && *other == *name) {
        other++;
        name++;
    }
    return other == NULL || *other == *name;
}

/* One that runs alone is looked at closely: it makes up most of what the machine does. */
static unsigned rounds(void)
{
    return only == NULL ? ROUNDS : ROUNDS_ALONE;
}

/* One benchmark: `turn` `turns` times in a round. */
static void measure(const char *name, unsigned turns, void (*turn)(void))
{
    uint64_t least = UINT64_MAX;
    if (!wanted(name))
        return;
    for (unsigned round = 0; round < rounds(); round++) {
        uint64_t start = now();
        for (unsigned i = 0; i < turns; i++)
            turn();
        uint64_t took = now() - start;
        least = took < least ? took : least;
    }
    report(name, least / turns);
}

/* ---- Calls ---- */

static void get_parent(void)
{
    (void)call(GETPPID, 0, 0, 0, 0, 0, 0);
}

static void set_mask(void)
{
    (void)call(UMASK, 022, 0, 0, 0, 0, 0);
}

static long descriptor;

static long open_file(const char *name, long flags)
{
    return must(name, call(OPENAT, AT_FDCWD, (long)name, flags, 0644, 0, 0));
}

static void read_1(void)
{
    (void)call(PREAD, descriptor, (long)room, 1, 0, 0, 0);
}

static void read_page(void)
{
    (void)call(PREAD, descriptor, (long)room, PAGE, 0, 0, 0);
}

static void write_1(void)
{
    (void)call(PWRITE, descriptor, (long)room, 1, 0, 0, 0);
}

static void write_page(void)
{
    (void)call(PWRITE, descriptor, (long)room, PAGE, 0, 0, 0);
}

static void open_close(void)
{
    (void)call(CLOSE, open_file("/tmp/bench", 0), 0, 0, 0, 0, 0);
}

static void stat_file(void)
{
    (void)must("stat", call(FSTATAT, AT_FDCWD, (long)"/tmp/bench", (long)room, 0, 0, 0));
}

static void make_file(void)
{
    long fd = open_file("/tmp/new", O_RDWR | O_CREAT);
    (void)call(WRITE, fd, (long)room, PAGE, 0, 0, 0);
    (void)call(CLOSE, fd, 0, 0, 0, 0, 0);
    (void)must("unlink", call(UNLINKAT, AT_FDCWD, (long)"/tmp/new", 0, 0, 0, 0));
}

static void files(void)
{
    descriptor = open_file("/dev/zero", 0);
    measure("read_zero_1", 1000, read_1);
    measure("read_zero_4096", 300, read_page);
    (void)call(CLOSE, descriptor, 0, 0, 0, 0, 0);
    descriptor = open_file("/dev/null", O_RDWR);
    measure("write_null_1", 1000, write_1);
    measure("write_null_4096", 1000, write_page);
    (void)call(CLOSE, descriptor, 0, 0, 0, 0, 0);
    descriptor = open_file("/tmp/bench", O_RDWR | O_CREAT);
    write_page();
    measure("read_file_1", 1000, read_1);
    measure("read_file_4096", 300, read_page);
    measure("write_file_1", 1000, write_1);
    measure("write_file_4096", 300, write_page);
    measure("open_close", 300, open_close);
    measure("stat", 300, stat_file);
    measure("create_write_unlink", 100, make_file);
}

/* ---- Memory ---- */

static long map_pages(long pages, long flags, long fd)
{
    return must("mmap", call(MMAP, 0, pages * PAGE, fd < 0 ? 3 : 1, flags, fd, 0));
}

static void unmap_pages(long at, long pages)
{
    (void)must("munmap", call(MUNMAP, at, pages * PAGE, 0, 0, 0, 0));
}

static void map_unmap(void)
{
    unmap_pages(map_pages(16, 0x22, -1), 16);
}

static void touch(long at, int write)
{
    for (long i = 0; i < PAGES; i++) {
        volatile char *byte = (volatile char *)(at + i * PAGE);
        if (write)
            *byte = 1;
        else
            (void)*byte;
    }
}

static void faults(const char *name, long flags, long fd)
{
    uint64_t least = UINT64_MAX;
    if (!wanted(name))
        return;
    for (unsigned round = 0; round < rounds(); round++) {
        long at = map_pages(PAGES, flags, fd);
        uint64_t start = now();
        touch(at, fd < 0);
        uint64_t took = now() - start;
        least = took < least ? took : least;
        unmap_pages(at, PAGES);
    }
    report(name, least / PAGES);
}

static void memory(void)
{
    measure("mmap_munmap", 300, map_unmap);
    faults("fault_anonymous", 0x22, -1);
    descriptor = open_file("/tmp/pages", O_RDWR | O_CREAT);
    for (unsigned i = 0; i < PAGES; i++)
        (void)call(WRITE, descriptor, (long)room, PAGE, 0, 0, 0);
    faults("fault_file", 2, descriptor);
    faults("fault_file_shared", 1, descriptor);
    (void)call(CLOSE, descriptor, 0, 0, 0, 0, 0);
}

/* ---- Processes ---- */

static long fork_process(void)
{
    return must("fork", call(CLONE, SIGCHLD, 0, 0, 0, 0, 0));
}

static void wait_for(long id)
{
    (void)must("wait", call(WAIT, id, 0, 0, 0, 0, 0));
}

static void fork_exit_wait(void)
{
    long id = fork_process();
    if (id == 0)
        leave(0);
    wait_for(id);
}

static void execute(void *argument)
{
    const char *arguments[] = { own_name, "exit", NULL };
    const char *environment[] = { NULL };
    (void)argument;
    (void)call(EXECVE, (long)own_name, (long)arguments, (long)environment, 0, 0, 0);
    leave(127);
}

static void fork_exec_wait(void)
{
    long id = fork_process();
    if (id == 0)
        execute(NULL);
    wait_for(id);
}

static void vfork_exec_wait(void)
{
    wait_for(must("vfork", spawn(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + STACK_BYTES, NULL,
                                 execute, NULL)));
}

/* Two processes, a byte there and one back. */
static long there[2], back[2];

static void ping(void)
{
    (void)call(WRITE, there[1], (long)room, 1, 0, 0, 0);
    (void)must("read", call(READ, back[0], (long)room, 1, 0, 0, 0));
}

static void pong(void)
{
    while (call(READ, there[0], (long)room, 1, 0, 0, 0) == 1)
        (void)call(WRITE, back[1], (long)room, 1, 0, 0, 0);
    leave(0);
}

static void take_pair(long number, long *pair)
{
    int ends[2] = { 0, 0 };
    if (number == PIPE2)
        (void)must("pipe", call(PIPE2, (long)ends, 0, 0, 0, 0, 0));
    else
        (void)must("socketpair", call(SOCKETPAIR, 1, 1, 0, (long)ends, 0, 0));
    pair[0] = ends[0];
    pair[1] = ends[1];
}

static void processes_in_turn(const char *name, long number)
{
    take_pair(number, there);
    take_pair(number, back);
    long id = fork_process();
    if (id == 0) {
        (void)call(CLOSE, there[1], 0, 0, 0, 0, 0);
        pong();
    }
    measure(name, 200, ping);
    (void)call(CLOSE, there[1], 0, 0, 0, 0, 0);
    wait_for(id);
    (void)call(CLOSE, there[0], 0, 0, 0, 0, 0);
    (void)call(CLOSE, back[0], 0, 0, 0, 0, 0);
    (void)call(CLOSE, back[1], 0, 0, 0, 0, 0);
}

static void processes(void)
{
    measure("fork_exit_wait", 20, fork_exit_wait);
    measure("fork_exec_wait", 20, fork_exec_wait);
    measure("vfork_exec_wait", 20, vfork_exec_wait);
    processes_in_turn("pipe_ping_pong", PIPE2);
    processes_in_turn("socket_ping_pong", SOCKETPAIR);
    long at = map_pages(8l * PAGES, 0x22, -1);
    for (long i = 0; i < 8; i++)
        touch(at + i * PAGES * PAGE, 1);
    measure("fork_exit_wait_4m", 20, fork_exit_wait);
    unmap_pages(at, 8l * PAGES);
}

/* ---- Threads and signals ---- */

static uint32_t tid, turn;

_Noreturn static void thread_exit(void *argument)
{
    (void)argument;
    (void)call(EXIT, 0, 0, 0, 0, 0, 0);
    for (;;) {
    }
}

static void futex_wait(uint32_t *word, uint32_t value, long operation)
{
    (void)call(FUTEX, (long)word, operation, value, 0, 0, 0);
}

static void start_thread(void (*run)(void *argument))
{
    (void)must("clone", spawn(THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                              stack + STACK_BYTES, &tid, run, NULL));
}

static void join_thread(void)
{
    uint32_t id;
    while ((id = __atomic_load_n(&tid, __ATOMIC_ACQUIRE)) != 0)
        futex_wait(&tid, id, 0); /* what the end of a thread wakes is no private one */
}

static void create_join(void)
{
    start_thread(thread_exit);
    join_thread();
}

/* The word is 1 when it is the other's turn, 2 at the end. */
static void give_turn(uint32_t from, uint32_t to)
{
    __atomic_store_n(&turn, to, __ATOMIC_RELEASE);
    (void)call(FUTEX, (long)&turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == to && to != from)
        futex_wait(&turn, to, FUTEX_WAIT_PRIVATE);
}

static void other(void *argument)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == 0)
        futex_wait(&turn, 0, FUTEX_WAIT_PRIVATE);
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == 1)
        give_turn(1, 0);
    thread_exit(argument);
}

static void futex_turn(void)
{
    give_turn(0, 1);
}

static void handler(int number)
{
    (void)number;
}

static void signal_self(void)
{
    (void)call(TGKILL, call(GETPID, 0, 0, 0, 0, 0, 0), (long)tid, SIGUSR1, 0, 0, 0);
}

static void threads(void)
{
    measure("thread_create_join", 50, create_join);
    start_thread(other);
    measure("futex_ping_pong", 200, futex_turn);
    __atomic_store_n(&turn, 2, __ATOMIC_RELEASE);
    (void)call(FUTEX, (long)&turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    join_thread();

    const uint64_t action[] = { (uint64_t)(uintptr_t)handler, SA_RESTORER,
                                (uint64_t)(uintptr_t)restore, 0 };
    const uint64_t action_bare[] = { (uint64_t)(uintptr_t)handler, 0, 0, 0 };
    const void *how = SA_RESTORER != 0 ? action : action_bare;
    (void)must("sigaction", call(SIGACTION, SIGUSR1, (long)how, 0, 8, 0, 0));
    tid = (uint32_t)call(GETTID, 0, 0, 0, 0, 0, 0);
    measure("signal_self", 200, signal_self);
}

/* ---- ---- */

static void all(void)
{
    measure("getppid", 1000, get_parent);
    measure("umask", 1000, set_mask);
    files();
    memory();
    processes();
    threads();
}

__attribute__((used)) _Noreturn static void begin(long *start)
{
    long count = start[0];
    char **words = (char **)(start + 1);
    char what = count > 1 ? words[1][0] : 'c';
    own_name = words[0];
    if (what == 'e')
        leave(0);
    if (what == 's') {
        wall = 1;
        report("stamp", now());
        print();
        leave(0);
    }
    if (call(CLOSE, call(OPENAT, AT_FDCWD, (long)"/dev/null", 0, 0, 0, 0), 0, 0, 0, 0, 0) < 0)
        (void)must("mount", call(MOUNT, (long)"dev", (long)"/dev", (long)"devtmpfs", 0, 0, 0));
    wall = what == 'w';
    only = count > 2 ? words[2] : NULL;
    all();
    add_text("bench end\n");
    print();
    leave(0);
}
