/* What tests of drivers share: system calls of a user thread, and capabilities to begin with. */
#pragma once

#include <base/string.h>
#include <kernel/process.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

/* In place of command blocks that no thread uses. */
#define BUFFER_AT (TEST_GUEST_SHARED_AT + PAGE_SIZE / 2)

enum { CALL_WORDS = 7 };

static uint64_t driver_value; /* of the last call that was OK */

static inline uint64_t driver_call(struct user_fixture *f, const uint64_t call[CALL_WORDS])
{
    if (!user_prepare(f, 0, GUEST_SYSCALL))
        return UINT64_MAX;
    memcpy(f->command[0].in, call, CALL_WORDS * sizeof(call[0]));
    f->command[0].out[0] = UINT64_MAX;
    user_start(f, 0);
    (void)user_wait_dead(f, 0);
    EXPECT_EQ(f->command[0].finished, 1);
    driver_value = f->command[0].out[1];
    return f->command[0].out[0];
}

#define CALL(f, name, ...)                                                                         \
    driver_call(f, (const uint64_t[CALL_WORDS]){ SYSCALL_##name, __VA_ARGS__ })

static inline uint64_t give(struct user_fixture *f, struct object *object, uint32_t rights)
{
    uint64_t handle = HANDLE_NONE;

    EXPECT_EQ(cspace_create(&f->process->cspace, object, rights, &handle), OK);
    return handle;
}

static inline uint64_t give_all(struct user_fixture *f, struct object *object)
{
    return give(f, object, object_type_rights(object->type));
}
