/* Between the kernel's tests and the user program that they run (tests/guest): a command block for
 * each thread, in memory shared by both, and the functions that the program offers.
 */
#pragma once

#include <ipc.h>
#include <stdint.h>

#define TEST_GUEST_SHARED_AT ((uint64_t)0x10000000) /* command blocks, read and write */
#define TEST_GUEST_ARENA_AT  ((uint64_t)0x20000000) /* for a test to map what it likes */
#define TEST_GUEST_STACK_AT  ((uint64_t)0x30000000) /* stacks with holes between */

enum {
    TEST_GUEST_THREADS = 16, /* command blocks in the shared page */
    TEST_GUEST_STACK_BYTES = 16 * 1024,
};

/* What a thread does. in[] are arguments, out[] results; count goes up as it makes progress. */
enum test_guest_function {
    GUEST_EXIT,         /* end at once */
    GUEST_SPIN,         /* count until stop */
    GUEST_YIELD,        /* yield and count until stop, or in[0] times if that is not 0 */
    GUEST_SLEEP,        /* in[0] times: sleep until in[1] + n * in[2] ns, counting */
    GUEST_SYSCALL,      /* raw call in[0] with in[1..6]; out[0] status, out[1] value */
    GUEST_SYSCALL_LOOP, /* the same until stop, counting */
    GUEST_CALLS,      /* in[1] times the system call in[0], all arguments 0, in the tightest loop */
    GUEST_LOAD,       /* read a word at in[0] into out[0] */
    GUEST_STORE,      /* write in[1] to in[0] */
    GUEST_JUMP,       /* call in[0] */
    GUEST_TOUCH,      /* write a word in each of in[1] pages from in[0], counting */
    GUEST_LOAD_LOOP,  /* read a word at in[0] into out[0] until stop, counting */
    GUEST_STORE_LOOP, /* write count to in[0] until stop, counting */
    GUEST_REGISTERS,  /* all registers keep their values until stop; out[0]: number of failures */
    GUEST_VECTOR,     /* vector registers keep their values until stop; out[0]: failures */
    GUEST_VECTOR_CLEAN, /* out[0]: bits that were set in vector registers at their first use */
    GUEST_FAULT,        /* enum test_guest_fault in[0]; out[0] = 1 if nothing happened */
    GUEST_SCRIPT,   /* in[2] times the in[1] steps at in[0]; out[0]: status that was not OK, out[1]:
                       which step */
    GUEST_IPC,      /* IPC call in[0] of endpoint in[1], Reply in[2], deadline in[3], with
                     * `message`; out[0] status */
    GUEST_IPC_LOOP, /* the same in[4] times in the tightest loop, with all registers as they come
                     * back; out[0]: the last status */
    GUEST_CLIENT,   /* calls with in[4] words until stop, or in[5] times if that is not 0; counts
                     * answers. out[0] last status, out[1] wrong words, out[2] other errors */
    GUEST_SERVER,   /* receives and answers each word + 1, not before in[4], until an error (out[0])
                     * or a label of GUEST_SERVER_STOP; out[1]: sum of badges, out[2]: signals */
    GUEST_WAITER,   /* waits for bits in[2] of in[1] until deadline in[3], again and again until
                     * stop or an error (out[0]); out[1]: their sum */
    /* in[3] times: wait until the word at in[1] is odd (in[2] 1) or even (0), add one, wake the
     * other; process in[0]. Counting. */
    GUEST_TURNS,
};

struct test_guest_command {
    uint64_t function;
    uint64_t in[8];
    uint64_t stop;
    uint64_t started;
    uint64_t finished;
    uint64_t count;
    uint64_t out[4];
    struct ipc_message message;
    uint64_t reserved[5];
};

/* One system call of a script. An argument whose bit is set in `takes` is the value that the step
 * before returned.
 */
struct test_guest_step {
    uint64_t number;
    uint64_t word[6];
    uint64_t takes;
};
enum { GUEST_SERVER_STOP = 0xffff };

/* Faults that every architecture knows (in[0] of GUEST_FAULT). */
enum test_guest_fault {
    GUEST_FAULT_UNDEFINED,  /* an undefined instruction */
    GUEST_FAULT_PRIVILEGED, /* an instruction of the kernel's */
    GUEST_FAULT_BREAKPOINT,
    GUEST_FAULT_HALT,          /* wait or halt: kills or does nothing, never stops the CPU */
    GUEST_FAULT_SYSTEM_STATE,  /* write a control register */
    GUEST_FAULT_BAD_STACK,     /* push on a stack pointer into the kernel half */
    GUEST_FAULT_NON_CANONICAL, /* jump to an address that is neither user nor kernel half */
    GUEST_FAULT_COUNT
};
