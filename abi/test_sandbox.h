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
    SANDBOX_SYSCALL,   /* raw call in[0] with in[1..6]; out[0] status, out[1] value */
};
