/* The system calls of drivers. */
#include <arch/device.h>
#include <kernel/audit.h>
#include <kernel/device.h>
#include <kernel/process.h>
#include <kernel/syscall.h>

/* ---- Parts ---- */

static enum status part_badge(const struct capability *whole, uint64_t offset, uint64_t size,
                              enum irq_trigger trigger, uint64_t *badge_out)
{
    if (trigger != IRQ_TRIGGER_FIRMWARE)
        return ERR_RANGE;
    switch (whole->object->type) {
    case OBJECT_DEVICE:
        return device_part(whole->object, whole->badge, offset, size, badge_out);
    default:
        return ERR_INVALID;
    }
}

enum status sys_object_split(const struct sys_object_split_args *args,
                             struct sys_object_split_ret *ret)
{
    struct process *process = process_current();
    struct capability *whole;
    uint64_t badge = 0;

    if (process == NULL)
        return ERR_NOT_FOUND;
    enum status status = capability_acquire(&process->cspace, args->whole, OBJECT_ANY, 0, &whole);
    if (status != OK)
        return status;
    status = part_badge(whole, args->offset, args->size, args->trigger, &badge);
    if (status == OK)
        status = capability_derive(whole, &(struct capability_mint){ whole->rights, badge },
                                   &process->cspace, &ret->part);
    struct audit_record event = { .kind = status == OK ? AUDIT_SPLIT : AUDIT_DENIAL,
                                  .object = whole->object->id,
                                  .type = (uint16_t)whole->object->type,
                                  .rights = whole->rights,
                                  .detail = status == OK ? badge : args->whole,
                                  .status = (uint32_t)status };
    capability_release(whole);
    if (status == OK || status == ERR_ACCESS)
        audit_record(&event);
    return status;
}

/* ---- Ports ---- */

enum status sys_device_io(const struct sys_device_io_args *args, struct sys_device_io_ret *ret)
{
    struct capability_ref ref;
    uint16_t port;
    bool write = args->op >= PORT_OP_WRITE8;
    unsigned width_bytes = 1u << (args->op - (write ? PORT_OP_WRITE8 : PORT_OP_READ8));
    uint32_t right = write ? RIGHT_DEVICE_WRITE : RIGHT_DEVICE_READ;
    enum status status = syscall_capability(args->device, OBJECT_DEVICE, right, &ref);

    if (status == OK)
        status = device_port(ref.object, ref.badge, args->offset, width_bytes, &port);
    if (status != OK)
        return status;
    if (!write)
        ret->result = arch_port_read(port, width_bytes);
    else if (args->value >> (8 * width_bytes) == 0)
        arch_port_write(port, width_bytes, (uint32_t)args->value);
    else
        status = ERR_RANGE;
    return status;
}
