/* System calls: abi/syscalls.abi lists them, kernel/sys has a handler for each, and the code
 * between is made from the table (tools/abigen).
 *
 * A handler gets a private copy of its arguments, every word already checked for what its type in
 * the table says. It returns a status, or nothing where the table lists no error; a result goes
 * into *ret, and out only with OK.
 *
 * An object that was looked up is borrowed: it stays until this CPU leaves the kernel (grace.h),
 * though its end may begin at any time. Whoever makes something that lasts looks under the object's
 * lock, and counts a reference.
 */
#pragma once

#include <kernel/audit.h>
#include <kernel/process.h>
#include <syscall_handlers.h>

/* What a handler returns instead of a status when it has used up its slice: the thread makes the
 * call once more, after interrupts and other threads had their turn. The arguments are read again
 * from its frame; a handler that has got somewhere may change them there.
 */
#define SYSCALL_RESTART ((enum status)255)

static inline enum status syscall_sliced(enum status status)
{
    return status == ERR_WOULD_BLOCK ? SYSCALL_RESTART : status;
}

/* As syscall_lookup, with what the capability says. */
static inline enum status syscall_capability(uint64_t handle, enum object_type type,
                                             uint32_t rights, struct capability_ref *ref_out)
{
    const struct process *process = process_current();

    if (UNLIKELY(process == NULL))
        return ERR_NOT_FOUND;
    enum status status = cspace_borrow(&process->cspace, handle, type, rights, ref_out);
    if (UNLIKELY(status != OK))
        audit_denial(handle, type, rights, status);
    return status;
}

/* What was looked up whatever its rights has all of these: ERR_ACCESS, and a record, if not. */
enum status syscall_right(const struct capability_ref *ref, uint32_t rights);
/* capability_acquire in the current process, with a record of what is refused. */
enum status syscall_acquire(uint64_t handle, enum object_type type, uint32_t rights,
                            struct capability **capability_out);
/* The end of what was begun by that: `status`, and a record of it if it is ERR_ACCESS. */
enum status syscall_release(struct capability *capability, uint64_t handle, uint32_t rights,
                            enum status status);

/* True once a grace period has passed since the current thread's call asked first. While it says
 * false, restart.
 */
bool syscall_grace_over(struct thread *current);

/* A capability for a new object, with all rights, in the current process. Takes the reference. */
enum status syscall_install(struct object *object_taken, uint64_t *handle_out);
