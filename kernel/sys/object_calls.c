/* Objects that need nothing but a budget, and the end of those that can be ended. */
#include <kernel/audit.h>
#include <kernel/endpoint.h>
#include <kernel/process.h>
#include <kernel/reply.h>
#include <kernel/syscall.h>
#include <kernel/thread.h>

/* ---- Creation ---- */

static enum status create_process(struct budget *budget, struct object **object_out)
{
    struct process *process;
    enum status status = process_create(budget, &process);

    if (status == OK)
        *object_out = &process->object;
    return status;
}

static enum status create_budget(struct budget *budget, struct object **object_out)
{
    struct budget *child;
    enum status status = budget_create(budget, &child);

    if (status == OK)
        *object_out = &child->object;
    return status;
}

static const struct creator {
    enum status (*create)(struct budget *budget, struct object **object_out);
    uint32_t right; /* to the budget */
} creators[OBJECT_TYPE_COUNT] = {
    [OBJECT_ENDPOINT] = { endpoint_create, RIGHT_BUDGET_CHARGE },
    [OBJECT_NOTIFICATION] = { notification_create, RIGHT_BUDGET_CHARGE },
    [OBJECT_REPLY] = { reply_create, RIGHT_BUDGET_CHARGE },
    [OBJECT_PROCESS] = { create_process, RIGHT_BUDGET_CHARGE },
    [OBJECT_BUDGET] = { create_budget, RIGHT_BUDGET_SPLIT },
};

enum status syscall_install(struct object *object_taken, uint64_t *handle_out)
{
    uint32_t rights = object_type_rights(object_taken->type);
    enum status status =
        cspace_create(&process_current()->cspace, object_taken, rights, handle_out);

    if (status != OK && object_taken->ops->retire != NULL) {
        /* Nobody has seen it: there is little to let go of. */
        struct work work = { UINT32_MAX };
        (void)object_taken->ops->retire(object_taken, OBJECT_DESTROYED, &work);
    }
    object_put(object_taken);
    return status;
}

enum status sys_object_create(const struct sys_object_create_args *args,
                              struct sys_object_create_ret *ret)
{
    const struct creator *creator = &creators[args->type];
    struct object *budget;
    struct object *object;

    if (creator->create == NULL)
        return ERR_INVALID;
    enum status status = syscall_lookup(args->budget, OBJECT_BUDGET, creator->right, &budget);
    if (status == OK)
        status = creator->create(object_as_budget(budget), &object);
    if (status != OK)
        return status;
    status = syscall_install(object, &ret->object);
    if (status == OK && args->type == OBJECT_PROCESS)
        audit_event(AUDIT_PROCESS, object, object_type_rights(object->type), object->id);
    return status;
}

/* ---- Destruction ---- */

static enum status destroy_process(struct object *object, struct work *work)
{
    if (object_as_process(object) == process_current())
        return ERR_STATE;
    return process_end(object_as_process(object), work);
}

static enum status destroy_budget(struct object *object, struct work *work)
{
    const struct budget *budget = object_as_budget(object);

    /* Its own end nobody can wait for. */
    if (budget_is_within(process_current()->object.payer, budget) ||
        budget_is_within(cpu_self()->current->object.payer, budget))
        return ERR_STATE;
    enum status status = budget_destroy(object_as_budget(object), work);
    if (status == OK)
        audit_event(AUDIT_DESTROY, object, 0, 0);
    return status;
}

static enum status destroy_thread(struct object *object)
{
    thread_kill(object_as_thread(object));
    if (object_as_thread(object) == cpu_self()->current)
        return OK;
    return thread_is_dead(object_as_thread(object)) ? OK : ERR_WOULD_BLOCK;
}

static enum status destroy(struct object *object)
{
    struct work work = { WORK_SLICE };
    enum status status;

    if (object->type == OBJECT_THREAD)
        status = destroy_thread(object);
    else if (object->type == OBJECT_PROCESS)
        status = destroy_process(object, &work);
    else
        status = destroy_budget(object, &work);
    /* Storage is paid for until its grace period is over, and a thread that never ran belongs to
     * its process until then; without a request that period may never begin. */
    if (status == ERR_WOULD_BLOCK && syscall_grace_over(cpu_self()->current))
        cpu_self()->current->grace_ticket = 0;
    return syscall_sliced(status);
}

enum status sys_object_destroy(const struct sys_object_destroy_args *args)
{
    static const uint32_t right[OBJECT_TYPE_COUNT] = {
        [OBJECT_PROCESS] = RIGHT_PROCESS_DESTROY,
        [OBJECT_BUDGET] = RIGHT_BUDGET_DESTROY,
        [OBJECT_THREAD] = RIGHT_THREAD_STOP,
    };
    struct capability_ref ref;
    enum status status = syscall_capability(args->object, OBJECT_ANY, 0, &ref);

    if (status != OK)
        return status;
    if (right[ref.object->type] == 0)
        return ERR_INVALID;
    status = syscall_right(&ref, right[ref.object->type]);
    return status == OK ? destroy(ref.object) : status;
}
