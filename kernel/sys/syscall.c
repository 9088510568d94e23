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
