/* A kernel that plays a script, for tests of what lies above the calls: each IPC call takes the
 * next step, and what it was called with is written down. Handles that are closed are, too.
 */
#pragma once

#include <ipc.h>
#include <rt/syscall.h>

enum { FAKE_STEPS = 16 };

struct fake_call {
    uint64_t number; /* SYSCALL_ipc_... */
    uint64_t endpoint, reply, deadline_ns;
    struct ipc_message message; /* as it went in */
};

struct fake_kernel {
    unsigned step_count, call_count, closed_count;
    struct {
        enum status status;
        struct ipc_message message; /* what comes out with OK */
    } step[FAKE_STEPS];
    struct fake_call call[FAKE_STEPS];
    uint64_t closed[FAKE_STEPS];
    enum status create; /* what object_create says */
};

extern struct fake_kernel fake_kernel;

/* Forget everything. */
void fake_kernel_reset(void);
/* The next call ends like this. Behind the last step every call ends with ERR_NOT_FOUND. */
void fake_kernel_step(enum status status, const struct ipc_message *message);
