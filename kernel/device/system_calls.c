/* system_control: what may be done to the machine as a whole. */
#include <arch/power.h>
#include <kernel/audit.h>
#include <kernel/log.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>

/* Returns only if the machine cannot do it. */
static enum status power(const struct object *system, enum system_op op)
{
    audit_record(&(struct audit_record){
        .kind = AUDIT_POWER, .object = system->id, .type = OBJECT_SYSTEM, .detail = op });
    log_info("system: %s", op == SYSTEM_OP_POWER_OFF ? "power off" : "restart");
    if (op == SYSTEM_OP_POWER_OFF)
        arch_power_off();
    else
        arch_reboot();
    return ERR_UNSUPPORTED;
}

static enum status read_audit(const struct sys_system_control_args *args, uint64_t *found_out)
{
    struct audit_record record[AUDIT_READ_MAX];

    if (args->count == 0 || args->count > AUDIT_READ_MAX)
        return ERR_RANGE;
    size_t found = audit_read(args->from, record, args->count);
    enum status status = copy_to_user(args->records, record, found * sizeof(record[0]));
    if (status != OK)
        return status;
    if (found > 0)
        audit_seen(record[found - 1].sequence);
    *found_out = found;
    return OK;
}

enum status sys_system_control(const struct sys_system_control_args *args,
                               struct sys_system_control_ret *ret)
{
    struct capability_ref ref;
    bool audit = args->op == SYSTEM_OP_AUDIT_READ;
    enum status status = syscall_capability(args->system, OBJECT_SYSTEM,
                                            audit ? RIGHT_SYSTEM_AUDIT : RIGHT_SYSTEM_POWER, &ref);

    if (status != OK)
        return status;
    return audit ? read_audit(args, &ret->found) : power(ref.object, args->op);
}
