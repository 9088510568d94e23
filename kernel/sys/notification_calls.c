/* Notifications: signal, wait, the timer, and what else signals one. */
#include <kernel/audit.h>
#include <kernel/endpoint.h>
#include <kernel/irq_object.h>
#include <kernel/notification.h>
#include <kernel/process.h>
#include <kernel/syscall.h>
#include <kernel/thread.h>

/* The bits that this capability may set: a badge says which, none says all. */
static enum status lookup_signal(uint64_t handle, uint64_t bits, struct notification **found_out)
{
    struct capability_ref ref;
    enum status status =
        syscall_capability(handle, OBJECT_NOTIFICATION, RIGHT_NOTIFICATION_SIGNAL, &ref);

    if (status != OK)
        return status;
    *found_out = object_as_notification(ref.object);
    if (ref.badge == 0 || (bits & ~ref.badge) == 0)
        return OK;
    audit_denial(handle, OBJECT_NOTIFICATION, RIGHT_NOTIFICATION_SIGNAL, ERR_ACCESS);
    return ERR_ACCESS;
}

enum status sys_notification_signal(const struct sys_notification_signal_args *args)
{
    struct notification *notification;
    enum status status = lookup_signal(args->notification, args->bits, &notification);

    if (status == OK)
        notification_signal(notification, args->bits);
    return status;
}

/* There is one timer, and who waits relies on it: to be allowed to signal is not enough. */
enum status sys_timer_set(const struct sys_timer_set_args *args)
{
    struct notification *notification;
    struct object *object;
    enum status status =
        syscall_lookup(args->notification, OBJECT_NOTIFICATION, RIGHT_NOTIFICATION_WAIT, &object);

    if (status == OK)
        status = lookup_signal(args->notification, args->bits, &notification);
    return status == OK ? notification_timer(notification, args->bits, args->deadline_ns) : status;
}

void sys_notification_wait(struct thread *current)
{
    uint64_t mask = arch_frame_syscall_argument(&current->frame, 1);
    struct capability_ref ref;
    enum status status = syscall_capability(arch_frame_syscall_argument(&current->frame, 0),
                                            OBJECT_NOTIFICATION, RIGHT_NOTIFICATION_WAIT, &ref);

    if (status == OK && mask == 0)
        status = ERR_RANGE; /* it would wait for ever */
    if (status == OK)
        notification_wait_current(ref.capability, mask,
                                  arch_frame_syscall_argument(&current->frame, 2));
    else
        arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

/* ---- Sources ---- */

/* What is over already signals at once: nothing else will. */
static enum status bind_process(struct process *process, struct notification *notification,
                                uint64_t bits)
{
    enum status status = signal_target_bind(&process->death, notification, bits);

    if (status == OK && READ_ONCE(process->ending))
        signal_target_fire(&process->death);
    return status;
}

static enum status bind_thread(struct thread *thread, struct notification *notification,
                               uint64_t bits)
{
    enum status status = signal_target_bind(&thread->death, notification, bits);

    if (status == OK && thread_is_dead(thread))
        signal_target_fire(&thread->death);
    return status;
}

static const uint32_t right_to_bind[OBJECT_TYPE_COUNT] = {
    [OBJECT_ENDPOINT] = RIGHT_ENDPOINT_RECEIVE, [OBJECT_IRQ] = RIGHT_IRQ_BIND,
    [OBJECT_THREAD] = RIGHT_THREAD_STOP,        [OBJECT_BUDGET] = RIGHT_BUDGET_LIMIT,
    [OBJECT_PROCESS] = RIGHT_PROCESS_DESTROY,   [OBJECT_SYSTEM] = RIGHT_SYSTEM_AUDIT,
};

/* The capability is acquired. */
static enum status bind_source(struct capability *source, struct notification *notification,
                               uint64_t bits)
{
    struct object *object = source->object;

    if (right_to_bind[object->type] == 0)
        return ERR_INVALID;
    if ((right_to_bind[object->type] & ~source->rights) != 0)
        return ERR_ACCESS;
    if (object->ended)
        return ERR_DEAD;
    switch (object->type) {
    case OBJECT_ENDPOINT:
        return endpoint_bind(object_as_endpoint(object), notification, bits);
    case OBJECT_IRQ:
        return irq_bind(source, notification, bits);
    case OBJECT_THREAD:
        return bind_thread(object_as_thread(object), notification, bits);
    case OBJECT_BUDGET:
        return signal_target_bind(&object_as_budget(object)->soft, notification, bits);
    case OBJECT_PROCESS:
        return bind_process(object_as_process(object), notification, bits);
    default:
        return audit_bind(notification, bits);
    }
}

/* Binding is the source's business alone, one at a time. */
enum status sys_object_bind(const struct sys_object_bind_args *args)
{
    struct notification *notification;
    struct capability *capability;
    enum status status = lookup_signal(args->notification, args->bits, &notification);

    if (status == OK)
        status = syscall_acquire(args->source, OBJECT_ANY, 0, &capability);
    if (status != OK)
        return status;
    status = bind_source(capability, notification, args->bits);
    return syscall_release(capability, args->source, 0, status);
}
