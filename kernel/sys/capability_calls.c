/* Capabilities: close, copy, revoke, look at. */
#include <base/string.h>
#include <kernel/audit.h>
#include <kernel/grace.h>
#include <kernel/process.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <object_info.h>

enum { INSPECT_MAX = 16 };

static struct cspace *own_table(void)
{
    return &process_current()->cspace;
}

enum status sys_handle_close(const struct sys_handle_close_args *args)
{
    struct work work = { WORK_SLICE };

    /* Not while too much that was removed waits to be freed. */
    if (grace_crowded())
        return SYSCALL_RESTART;
    return syscall_sliced(cspace_close(own_table(), args->handle, &work));
}

/* The table to copy into. */
static enum status table_of(uint64_t into, struct cspace **cspace_out)
{
    struct object *object;

    *cspace_out = own_table();
    if (into == HANDLE_NONE)
        return OK;
    enum status status = syscall_lookup(into, OBJECT_PROCESS, RIGHT_PROCESS_GRANT_INTO, &object);
    if (status == OK)
        *cspace_out = &object_as_process(object)->cspace;
    return status;
}

/* What it names is looked at before, while it names it. */
enum status sys_handle_copy(const struct sys_handle_copy_args *args,
                            struct sys_handle_copy_ret *ret)
{
    struct capability_ref ref;
    struct cspace *from = own_table();
    struct cspace *to;
    enum status status = table_of(args->into, &to);

    if (status == OK)
        status = syscall_capability(args->handle, OBJECT_ANY, 0, &ref);
    if (status != OK)
        return status;
    status = cspace_copy(from, args->handle, &(struct capability_mint){ args->rights, args->badge },
                         to, &ret->copy);
    if (status == ERR_ACCESS)
        audit_denial(args->handle, ref.object->type, args->rights, status);
    else if (status == OK && to != from)
        audit_event(AUDIT_GRANT, ref.object, args->rights, to->owner_id);
    return status;
}

enum status sys_handle_revoke(const struct sys_handle_revoke_args *args)
{
    struct capability_ref ref;
    struct work work = { WORK_SLICE };

    if (grace_crowded())
        return SYSCALL_RESTART;
    enum status status = syscall_capability(args->handle, OBJECT_ANY, RIGHT_ANY_REVOKE, &ref);
    if (status == OK)
        status = syscall_sliced(cspace_revoke(own_table(), args->handle, &work));
    if (status == OK && cpu_self()->current->grace_ticket == 0)
        audit_event(AUDIT_REVOKE, ref.object, ref.rights, 0);
    /* A call on another CPU may have looked up what is gone now; it ends before this one does. */
    if (status == OK && !syscall_grace_over(cpu_self()->current))
        return SYSCALL_RESTART;
    return status;
}

enum status sys_process_inspect(const struct sys_process_inspect_args *args,
                                struct sys_process_inspect_ret *ret)
{
    struct handle_info entry[INSPECT_MAX] = { 0 };
    uint32_t cursor = args->cursor;

    if (args->count == 0 || args->count > INSPECT_MAX)
        return ERR_RANGE;
    (void)cspace_inspect(&object_as_process(args->process)->cspace, &cursor, entry, args->count);
    ret->next = cursor;
    return copy_to_user(args->entries, entry, args->count * sizeof(entry[0]));
}

enum status sys_object_info(const struct sys_object_info_args *args)
{
    struct capability_ref ref;
    struct object_info info;

    if (args->size_bytes > sizeof(info))
        return ERR_RANGE;
    enum status status = syscall_capability(args->handle, OBJECT_ANY, RIGHT_ANY_INSPECT, &ref);
    if (status != OK)
        return status;
    memset(&info, 0, sizeof(info));
    info.id = ref.object->id;
    info.type = ref.object->type;
    info.rights = ref.rights;
    info.badge = ref.badge;
    info.capability_count = READ_ONCE(ref.object->capability_count);
    info.size_bytes = ref.object->size_bytes;
    if (ref.object->ops->info != NULL)
        ref.object->ops->info(ref.object, &info);
    return copy_to_user(args->info, &info, args->size_bytes);
}
