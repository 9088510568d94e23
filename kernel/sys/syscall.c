/* System calls: what handlers and the code that is made from the table need. */
#include <kernel/audit.h>
#include <kernel/process.h>
#include <kernel/syscall.h>

/* ---- Handles ---- */

enum status syscall_lookup(uint64_t handle, enum object_type type, uint32_t rights,
                           struct object **object_out)
{
    struct capability_ref ref;
    enum status status = syscall_capability(handle, type, rights, &ref);

    if (LIKELY(status == OK))
        *object_out = ref.object;
    return status;
}

enum status syscall_right(const struct capability_ref *ref, uint32_t rights)
{
    if (LIKELY((rights & ~ref->rights) == 0))
        return OK;
    audit_denial(ref->capability->handle, ref->object->type, rights, ERR_ACCESS);
    return ERR_ACCESS;
}

enum status syscall_acquire(uint64_t handle, enum object_type type, uint32_t rights,
                            struct capability **capability_out)
{
    enum status status =
        capability_acquire(&process_current()->cspace, handle, type, rights, capability_out);

    if (status != OK)
        audit_denial(handle, type, rights, status);
    return status;
}

enum status syscall_release(struct capability *capability, uint64_t handle, uint32_t rights,
                            enum status status)
{
    enum object_type type = capability->object->type;

    capability_release(capability);
    if (status == ERR_ACCESS)
        audit_denial(handle, type, rights, status);
    return status;
}

/* ---- Once more ---- */

#define GRACE_LAST_TRY UINT64_MAX /* no ticket */

bool syscall_grace_over(struct thread *current)
{
    if (current->grace_ticket == 0)
        current->grace_ticket = grace_request();
    return grace_done(current->grace_ticket);
}

/* Memory that waits for the end of a grace period is charged for until then: a limit that is
 * reached meanwhile may not be the caller's doing.
 */
static bool short_of_something(enum status status)
{
    return status == ERR_LIMIT || status == ERR_NO_MEMORY;
}

/* True until the call was made once after the end of the period. */
static bool worth_another_try(struct thread *current)
{
    if (current->grace_ticket == GRACE_LAST_TRY)
        return false;
    if (syscall_grace_over(current))
        current->grace_ticket = GRACE_LAST_TRY;
    return true;
}

bool syscall_again(struct thread *current, enum status status)
{
    if (status == SYSCALL_RESTART || (short_of_something(status) && worth_another_try(current))) {
        arch_frame_syscall_restart(&current->frame);
        return true;
    }
    current->grace_ticket = 0;
    return false;
}
