/* A Linux program without a library: what the thinnest path needs. It prints what it finds. */
#include <call.h>

#include <stdint.h>

#if defined(__x86_64__)
enum { CALL_WRITE = 1, CALL_EXIT_GROUP = 231, CALL_GETPID = 39, CALL_FORK = 57, CALL_WAIT = 61 };
static long fork(void)
{
    return call(CALL_FORK, 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#else
enum {
    CALL_WRITE = 64,
    CALL_EXIT_GROUP = 94,
    CALL_GETPID = 172,
    CALL_CLONE = 220,
    CALL_WAIT = 260
};
static long fork(void)
{
    return call(CALL_CLONE, 17, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl begin\n");
#endif

void begin(const uint64_t *stack);

static volatile int changed = 1;
static long zero[3000];

static void say(const char *text)
{
    long length = 0;
    while (text[length] != 0)
        length++;
    call(CALL_WRITE, 1, (long)text, length, 0, 0, 0);
}

void begin(const uint64_t *stack)
{
    say("hello from ");
    say((const char *)stack[1]);
    say("\n");
    changed = 2;
    zero[2999] = 3;
    long child = fork();
    if (child == 0) {
        changed = 5;
        say("the child\n");
        call(CALL_EXIT_GROUP, changed, 0, 0, 0, 0, 0);
    }
    int status = 0;
    call(CALL_WAIT, child, (long)&status, 0, 0, 0, 0);
    say(child > 0 && status == 5 << 8 && changed == 2 && zero[0] == 0 ? "fork works\n"
                                                                      : "fork is wrong\n");
    call(CALL_EXIT_GROUP, 7, 0, 0, 0, 0, 0);
}
