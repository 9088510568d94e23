/* A Linux program without a library that does what it should not: the first argument says what.
 * Built for both CPUs by tests/images/workloads.py; it ends with status 0 where it was held back
 * cleanly.
 *
 *     random SEED COUNT   system calls with any numbers and arguments, in children that may die
 *     read, write, jump   one touch of the upper half of user space, where the personality lies
 *     absent              three times a system call that does not exist
 *     fault               a touch of an address where nothing is
 *     memory              touches anonymous memory until it is killed or refused
 *     forks               children that wait, until there can be no more
 *     threads             threads that wait, until there can be no more
 *     files               descriptors until there can be no more
 *     spin COUNT          so many processes that compute and never end
 *     work MS             a good neighbour: it says how much it did, and how often it was wrong
 */
#include "call.h"

#include <stddef.h>
#include <stdint.h>

/* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM */
#define THREAD_FLAGS 0x50f00

#if defined(__x86_64__)
enum {
    EXIT = 231,
    READ = 0,
    WRITE = 1,
    FORK = 57,
    WAIT = 61,
    DUP = 32,
    MMAP = 9,
    PAUSE = 34,
    KILL = 62,
    PIPE2 = 293,
    CLOCK_GETTIME = 228,
    GETPPID = 110
};
#define CALLS 335

/* It shares everything with its creator and waits for ever, without a stack. */
static long clone_thread(void)
{
    long result;
    __asm__ volatile("mov $56, %%eax\n"
                     "xor %%edx, %%edx\n"
                     "xor %%r10d, %%r10d\n"
                     "xor %%r8d, %%r8d\n"
                     "syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 2f\n"
                     "1: mov $34, %%eax\n"
                     "syscall\n"
                     "jmp 1b\n"
                     "2:"
                     : "=a"(result)
                     : "D"((long)THREAD_FLAGS), "S"(0L)
                     : "rcx", "rdx", "r8", "r10", "r11", "memory");
    return result;
}

static long fork_process(void)
{
    return call(FORK, 0, 0, 0, 0, 0, 0);
}

static void pause_forever(void)
{
    for (;;)
        (void)call(PAUSE, 0, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall begin\nud2");
#else
enum {
    EXIT = 94,
    READ = 63,
    WRITE = 64,
    CLONE = 220,
    WAIT = 260,
    DUP = 23,
    MMAP = 222,
    PPOLL = 73,
    KILL = 129,
    PIPE2 = 59,
    CLOCK_GETTIME = 113,
    GETPPID = 173
};
#define CALLS 292

/* It shares everything with its creator and waits for ever, without a stack. */
static long clone_thread(void)
{
    register long x8 __asm__("x8") = CLONE;
    register long x0 __asm__("x0") = THREAD_FLAGS;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0\n"
                     "cbnz x0, 2f\n"
                     "1: mov x8, #73\n"
                     "mov x0, #0\n"
                     "mov x1, #0\n"
                     "mov x2, #0\n"
                     "mov x3, #0\n"
                     "svc 0\n"
                     "b 1b\n"
                     "2:"
                     : "+r"(x0), "+r"(x8), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4)
                     :
                     : "memory");
    return x0;
}

static long fork_process(void)
{
    return call(CLONE, 17, 0, 0, 0, 0, 0);
}

static void pause_forever(void)
{
    for (;;)
        (void)call(PPOLL, 0, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov x0, sp\nbl begin\nbrk 1");
#endif

#define UPPER_HALF 0x00007f8000000000ull /* what no Linux process has: 47 bits less a part */

enum { SIGKILL = 9, MIB = 1 << 20, CHILDREN = 20, FORKS_MAX = 100000 };

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

static int same(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static void say(const char *text)
{
    (void)call(WRITE, 1, (long)text, (long)length_of(text), 0, 0, 0);
}

static void say_number(const char *what, unsigned long value)
{
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '\0';
    text[--at] = '\n';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    say(what);
    say(" ");
    say(text + at);
}

static unsigned long number_of(const char *text)
{
    unsigned long value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (unsigned long)(*text - '0');
    return value;
}

/* ---- Random calls ---- */

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

static char room[65536];

/* Numbers that calls take for descriptors, addresses, sizes and flags, and some that are none. */
static long argument(void)
{
    uint64_t random = next();
    switch (random % 8) {
    case 0:
        return (long)(random >> 32 & 15);
    case 1:
        return (long)(uintptr_t)(room + (random >> 32) % sizeof(room));
    case 2:
        return (long)(UPPER_HALF + (random >> 20 & ~(uint64_t)4095));
    case 3:
        return -(long)(random >> 60);
    case 4:
        return (long)((uint64_t)1 << (random >> 58));
    case 5:
        return (long)(random >> 40);
    case 6:
        return 4096 * (long)(random >> 56);
    default:
        return (long)random;
    }
}

static void random_calls(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        long number = (long)(next() % CALLS);
        if (number == KILL || number == EXIT)
            continue;
        long a = argument(), b = argument(), c = argument(), d = argument();
        (void)call(number, a, b, c, d, argument(), argument());
    }
    (void)call(EXIT, 0, 0, 0, 0, 0, 0);
}

static void random_children(uint64_t seed, unsigned long count)
{
    unsigned long reaped = 0;
    for (unsigned child = 0; child < CHILDREN; child++) {
        state = (seed + child) * 0x9e3779b97f4a7c15ull | 1;
        long id = fork_process();
        if (id == 0)
            random_calls(count);
        /* One that sleeps is not waited for: the end of this process is its end too. */
        for (unsigned turn = 0; turn < 2000 && id > 0; turn++) {
            if (call(WAIT, id, 0, 1 /* WNOHANG */, 0, 0, 0) == id) {
                reaped++;
                break;
            }
        }
    }
    say_number("children that ended:", reaped);
}

/* ---- Too much ---- */

static void memory(void)
{
    for (unsigned long i = 0;; i++) {
        long at = call(MMAP, 0, MIB, 3, 0x22, -1, 0);
        if (at < 0 && at > -4096) {
            say_number("memory refused after MiB:", i);
            return;
        }
        for (size_t page = 0; page < MIB; page += 4096)
            ((volatile char *)at)[page] = 1;
    }
}

static void forks(void)
{
    unsigned long count = 0;
    while (count < FORKS_MAX) {
        long id = fork_process();
        if (id == 0)
            pause_forever();
        if (id < 0)
            break;
        count++;
    }
    say_number("children:", count);
}

static void threads(void)
{
    unsigned long count = 0;
    while (count < FORKS_MAX && clone_thread() > 0)
        count++;
    say_number("threads:", count);
}

static void files(void)
{
    unsigned long count = 0;
    while (call(DUP, 0, 0, 0, 0, 0, 0) >= 0)
        count++;
    say_number("descriptors:", count);
}

static void spin(unsigned long count)
{
    for (unsigned long i = 1; i < count; i++) {
        if (fork_process() == 0)
            break;
    }
    for (;;)
        __asm__ volatile("");
}

/* ---- Work ---- */

static uint64_t now_ms(void)
{
    long time[2] = { 0, 0 };
    (void)call(CLOCK_GETTIME, 1, (long)time, 0, 0, 0, 0);
    return (uint64_t)time[0] * 1000 + (uint64_t)time[1] / 1000000;
}

/* Computes, calls, and sends a value through a pipe: 0 if all of it came out right. */
static unsigned long work_once(const int pipe[2], long parent, uint64_t number)
{
    uint64_t sum = 0, got = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        sum += i * number;
        __asm__ volatile("" : "+r"(sum));
    }
    unsigned long wrong = sum != number * 499500;
    wrong += call(GETPPID, 0, 0, 0, 0, 0, 0) != parent;
    wrong += call(WRITE, pipe[1], (long)&sum, sizeof(sum), 0, 0, 0) != sizeof(sum);
    wrong += call(READ, pipe[0], (long)&got, sizeof(got), 0, 0, 0) != sizeof(got);
    return wrong + (got != sum);
}

static void work(uint64_t ms)
{
    int pipe[2] = { -1, -1 };
    unsigned long count = 0, failures = 0;
    long parent = call(GETPPID, 0, 0, 0, 0, 0, 0);
    failures += call(PIPE2, (long)pipe, 0, 0, 0, 0, 0) != 0;
    uint64_t end = now_ms() + ms;
    while (now_ms() < end) {
        failures += work_once(pipe, parent, count);
        count++;
    }
    say_number("work:", count);
    say_number("failures:", failures);
}

static void touch(const char *how)
{
    volatile char *at = (volatile char *)(UPPER_HALF + 0x200000);
    if (same(how, "fault"))
        at = (volatile char *)8;
    if (same(how, "read") || same(how, "fault"))
        say_number("could read", (unsigned long)*at);
    else if (same(how, "write"))
        *at = 1;
    else
        ((void (*)(void))at)();
    say("still here\n");
}

static void absent(void)
{
    for (unsigned i = 0; i < 3; i++) {
        if (call(99999, 0, 0, 0, 0, 0, 0) != -38) /* ENOSYS */
            say("it is there\n");
    }
}

__attribute__((used)) _Noreturn static void begin(long *stack)
{
    long count = stack[0];
    char **words = (char **)(stack + 1);
    const char *what = count > 1 ? words[1] : "";
    if (same(what, "random") && count > 3)
        random_children(number_of(words[2]), number_of(words[3]));
    else if (same(what, "absent"))
        absent();
    else if (same(what, "memory"))
        memory();
    else if (same(what, "forks"))
        forks();
    else if (same(what, "threads"))
        threads();
    else if (same(what, "files"))
        files();
    else if (same(what, "spin") && count > 2)
        spin(number_of(words[2]));
    else if (same(what, "work") && count > 2)
        work(number_of(words[2]));
    else
        touch(what);
    (void)call(EXIT, 0, 0, 0, 0, 0, 0);
    for (;;) {
    }
}
