/* Between the kernel's tests and the sandbox that they run (tests/sandbox). Command blocks are
 * those of abi/test_guest.h.
 */
#pragma once

#include <guest.h>
#include <test_guest.h>

#define TEST_SANDBOX_SHARED_AT (GUEST_END + 0x10000000)
#define TEST_SANDBOX_STATE_AT  (GUEST_END + 0x20000000) /* a state page for each thread */
#define TEST_SANDBOX_STACK_AT  (GUEST_END + 0x30000000)

enum test_sandbox_function {
    SANDBOX_ENTER,     /* in[1] times, or until stop: enter in[0], with state page in[2], in[3];
                        * out[0] status, out[1] reason */
    SANDBOX_TURNS,     /* in[1] times, in the tightest loop: enter in[0] */
    SANDBOX_REGISTERS, /* enter in[0] once; out[0]: all registers that came back, ORed together */
    SANDBOX_COPY_IN,   /* in[1] bytes from in[0] to its own in[2]; out[0] what was left. Enters the
                        * guest in[3] first, if that is one */
    SANDBOX_COPY_OUT,  /* in[1] bytes from its own in[2] to in[0]; out[0] what was left */
    SANDBOX_LOAD,      /* a plain read at in[0] into out[0] */
    SANDBOX_FUZZ, /* random system calls until stop, counting: in[0] seed, in[1] own pool of in[2];
                   * guests have in[4] bytes of code at in[3] */
    SANDBOX_SYSCALL, /* raw call in[0] with in[1..6]; out[0] status, out[1] value */
};

/* What the threads of SANDBOX_FUZZ know of, a page for each process; all of them lie in each
 * process, so that handles are tried where they mean nothing. Nothing in here need be true.
 */
#define TEST_FUZZ_POOL_AT   (GUEST_END + 0x18000000)
#define TEST_FUZZ_BUFFER_AT (GUEST_END + 0x19000000) /* pages to read from and write to */
#define TEST_FUZZ_PLAY_AT   ((uint64_t)0x50000000)   /* for mapping, here and in guests */
enum {
    TEST_FUZZ_BUFFERS = 3,
    TEST_FUZZ_PLAY_PAGES = 64,
    TEST_FUZZ_HANDLES = 30,
    TEST_FUZZ_CALLS = 48,
};

struct test_fuzz_pool {
    uint64_t now_ns;
    uint32_t tried[TEST_FUZZ_CALLS]; /* by number */
    uint32_t ok[TEST_FUZZ_CALLS];
    uint64_t handle[13][TEST_FUZZ_HANDLES]; /* by type of object, as far as known */
};
