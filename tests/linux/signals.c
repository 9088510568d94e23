/* A Linux program without a library: what threads, signals and futexes need of the CPU. Each line
 * that it prints names something that works; what does not is named with "wrong". */
#include <call.h>

#include <stddef.h>
#include <stdint.h>

enum { SIGILL = 4, SIGTRAP = 5, SIGUSR1 = 10, SIGSEGV = 11, SIGALRM = 14, SIGCHLD = 17 };
enum { SIGCONT = 18, SIGSTOP = 19 };
#define SA_SIGINFO  0x4ul
#define SA_RESTORER 0x4000000ul
#define SA_ONSTACK  0x8000000ul

#if defined(__x86_64__)
enum {
    CALL_WRITE = 1,
    CALL_MMAP = 9,
    CALL_SIGACTION = 13,
    CALL_SETITIMER = 38,
    CALL_GETPID = 39,
    CALL_CLONE = 56,
    CALL_EXIT = 60,
    CALL_WAIT = 61,
    CALL_KILL = 62,
    CALL_SIGSUSPEND = 130,
    CALL_SIGALTSTACK = 131,
    CALL_FUTEX = 202,
    CALL_EXIT_GROUP = 231,
    CALL_TGKILL = 234,
};
/* flags, stack, parent_tid, child_tid, tls; the child calls what lies on its stack. */
long make_thread(long flags, void *stack, int *parent_tid, int *child_tid, void *tls);
__asm__(".globl make_thread\nmake_thread:\n\tmov %rcx, %r10\n\tmov $56, %eax\n\tsyscall\n"
        "\ttest %eax, %eax\n\tjnz 1f\n\txor %ebp, %ebp\n\tpop %rax\n\tcall *%rax\n1:\tret\n");
__asm__(".globl return_from_handler\nreturn_from_handler:\n\tmov $15, %eax\n\tsyscall\n");
/* A register of the vector unit across `times` turns of a loop that a signal may come into. */
static uint64_t hold_vector(uint64_t value, uint64_t times)
{
    uint64_t out;
    __asm__ volatile("movq %2, %%xmm7\n1:\tdec %1\n\tjnz 1b\n\tmovq %%xmm7, %0"
                     : "=&r"(out), "+r"(times)
                     : "r"(value)
                     : "xmm7", "cc");
    return out;
}
static void spoil_vector(void)
{
    __asm__ volatile("pcmpeqd %%xmm7, %%xmm7" ::: "xmm7");
}
static uint64_t thread_pointer_word(void)
{
    uint64_t out;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(out));
    return out;
}
/* Over the instruction that faulted: two bytes of `ud2`, or of the store. */
static void skip(uint8_t *context, long bytes)
{
    *(uint64_t *)(context + 40 + 128) += (uint64_t)bytes;
}
#define UNDEFINED() __asm__ volatile("ud2" ::: "memory")
#define STORE(at)   __asm__ volatile("movb $1, (%0)" ::"a"(at) : "memory")
enum { UNDEFINED_BYTES = 2, STORE_BYTES = 3 };
__asm__(".globl _start\n_start:\n\tand $-16, %rsp\n\tcall begin\n");
#else
enum {
    CALL_WRITE = 64,
    CALL_EXIT = 93,
    CALL_EXIT_GROUP = 94,
    CALL_FUTEX = 98,
    CALL_SETITIMER = 103,
    CALL_KILL = 129,
    CALL_TGKILL = 131,
    CALL_SIGALTSTACK = 132,
    CALL_SIGSUSPEND = 133,
    CALL_SIGACTION = 134,
    CALL_GETPID = 172,
    CALL_CLONE = 220,
    CALL_MMAP = 222,
    CALL_WAIT = 260,
};
/* The kernel has the last two the other way round here. */
long make_thread(long flags, void *stack, int *parent_tid, int *child_tid, void *tls);
__asm__(".globl make_thread\nmake_thread:\n\tmov x5, x3\n\tmov x3, x4\n\tmov x4, x5\n"
        "\tmov x8, #220\n\tsvc #0\n\tcbnz x0, 1f\n\tmov x29, #0\n\tldr x1, [sp], #16\n\tblr x1\n"
        "1:\tret\n");
/* Without a restorer: the kernel's own. */
static uint64_t hold_vector(uint64_t value, uint64_t times)
{
    uint64_t out;
    __asm__ volatile("fmov d7, %2\n1:\tsubs %1, %1, #1\n\tb.ne 1b\n\tfmov %0, d7"
                     : "=&r"(out), "+r"(times)
                     : "r"(value)
                     : "v7", "cc");
    return out;
}
static void spoil_vector(void)
{
    __asm__ volatile("movi v7.2d, #0xffffffffffffffff" ::: "v7");
}
static uint64_t thread_pointer_word(void)
{
    uint64_t at;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(at));
    return *(volatile uint64_t *)at;
}
static void skip(uint8_t *context, long bytes)
{
    *(uint64_t *)(context + 176 + 264) += (uint64_t)bytes;
}
#define UNDEFINED() __asm__ volatile("udf #0" ::: "memory")
#define STORE(at)   __asm__ volatile("strb wzr, [%0]" ::"r"(at) : "memory")
enum { UNDEFINED_BYTES = 4, STORE_BYTES = 4 };
__asm__(".globl _start\n_start:\n\tbl begin\n");
#endif

void begin(void);

static long call4(long number, long a, long b, long c, long d)
{
    return call(number, a, b, c, d, 0, 0);
}

static void say(const char *what, int right)
{
    static const char wrong[] = "wrong: ";
    long length = 0;
    while (what[length] != 0)
        length++;
    if (!right)
        call4(CALL_WRITE, 1, (long)wrong, sizeof(wrong) - 1, 0);
    call4(CALL_WRITE, 1, (long)what, length, 0);
    call4(CALL_WRITE, 1, (long)"\n", 1, 0);
}

struct action {
    uint64_t handler, flags, restorer, mask;
};

static volatile int seen, code;
static volatile uint64_t address, stack_at;

static void handler(int number, uint8_t *info, uint8_t *context)
{
    int here;
    seen = number;
    code = *(int *)(info + 8);
    address = *(uint64_t *)(info + 16);
    stack_at = (uint64_t)(uintptr_t)&here;
    spoil_vector();
    if (number == SIGSEGV)
        skip(context, STORE_BYTES);
    if (number == SIGILL)
        skip(context, UNDEFINED_BYTES);
}

#if defined(__x86_64__)
void return_from_handler(void);
#endif

static void handle(int number, uint64_t flags)
{
    struct action action = { (uint64_t)(uintptr_t)handler, flags | SA_SIGINFO, 0, 0 };
#if defined(__x86_64__)
    action.flags |= SA_RESTORER;
    action.restorer = (uint64_t)(uintptr_t)return_from_handler;
#endif
    call4(CALL_SIGACTION, number, (long)&action, 0, 8);
}

static uint8_t signal_stack[32768] __attribute__((aligned(16)));
static uint8_t thread_stack[32768] __attribute__((aligned(16)));
static uint64_t thread_word[2];
static int tid_word;
static volatile int thread_ran;
static volatile uint64_t thread_saw;

static void thread(void)
{
    thread_saw = thread_pointer_word();
    thread_ran = 1;
    call4(CALL_EXIT, 0, 0, 0, 0);
}

static void faults(void)
{
    const struct {
        void *base;
        int flags;
        size_t size_bytes;
    } stack = { signal_stack, 0, sizeof(signal_stack) };
    handle(SIGSEGV, 0);
    handle(SIGILL, SA_ONSTACK);
    STORE((uint8_t *)0x2345);
    say("a fault is told with its address", seen == SIGSEGV && code == 1 && address == 0x2345);
    void *page = (void *)call(CALL_MMAP, 0, 4096, 1, 0x22, -1, 0);
    STORE(page);
    say("a page that may not be written is told from none",
        seen == SIGSEGV && code == 2 && address == (uint64_t)(uintptr_t)page);
    call4(CALL_SIGALTSTACK, (long)&stack, 0, 0, 0);
    UNDEFINED();
    say("an instruction that is none, on a stack of its own",
        seen == SIGILL && stack_at - (uint64_t)(uintptr_t)signal_stack < sizeof(signal_stack));
}

static void interrupts(void)
{
    const long timer[4] = { 0, 0, 0, 20000 };
    const long repeating[4] = { 0, 20000, 0, 20000 };
    const long stopped[4] = { 0, 0, 0, 0 };
    const uint64_t none = 0;
    handle(SIGALRM, 0);
    seen = 0;
    call4(CALL_SETITIMER, 0, (long)timer, 0, 0);
    uint64_t value = 0;
    while (seen == 0)
        value = hold_vector(0x123456789abcdef, 100000);
    say("an alarm interrupts, and registers come back",
        seen == SIGALRM && value == 0x123456789abcdef);
    /* Again and again: the first may come before the wait. */
    call4(CALL_SETITIMER, 0, (long)repeating, 0, 0);
    seen = 0;
    say("a wait for signals ends with one",
        call4(CALL_SIGSUSPEND, (long)&none, 8, 0, 0) == -4 && seen == SIGALRM);
    call4(CALL_SETITIMER, 0, (long)stopped, 0, 0);
}

static void threads(void)
{
    const long flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x80000 | 0x100000 | 0x200000;
    void **top = (void **)(thread_stack + sizeof(thread_stack)) - 2;
    top[0] = (void *)thread;
    thread_word[0] = 0x7777;
    long tid = make_thread(flags, top, &tid_word, &tid_word, thread_word);
    int now;
    while ((now = *(volatile int *)&tid_word) != 0)
        call4(CALL_FUTEX, (long)&tid_word, 0, now, 0);
    say("a thread runs with its own pointer and clears its word",
        tid > 1 && thread_ran == 1 && thread_saw == 0x7777);
}

static void children(void)
{
    int status = 0;
    long child = call(CALL_CLONE, SIGCHLD, 0, 0, 0, 0, 0);
    if (child == 0) {
        call4(CALL_KILL, call4(CALL_GETPID, 0, 0, 0, 0), SIGSTOP, 0, 0);
        call4(CALL_EXIT_GROUP, 9, 0, 0, 0);
    }
    call4(CALL_WAIT, child, (long)&status, 2, 0);
    say("a child stops", status == (SIGSTOP << 8 | 0x7f));
    call4(CALL_KILL, child, SIGCONT, 0, 0);
    call4(CALL_WAIT, child, (long)&status, 0, 0);
    say("and goes on to its end", status == 9 << 8);
}

void begin(void)
{
    faults();
    interrupts();
    threads();
    children();
    call4(CALL_EXIT_GROUP, 0, 0, 0, 0);
}
