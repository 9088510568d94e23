/* The system calls of drivers. */
#include <arch/device.h>
#include <kernel/audit.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/irq_object.h>
#include <kernel/process.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>

/* ---- Parts ---- */

static enum status part_badge(const struct capability *whole, uint64_t offset, uint64_t size,
                              enum irq_trigger trigger, uint64_t *badge_out)
{
    if (whole->object->type == OBJECT_IRQ)
        return irq_part(whole->badge, offset, size, trigger, badge_out);
    if (trigger != IRQ_TRIGGER_FIRMWARE)
        return ERR_RANGE;
    switch (whole->object->type) {
    case OBJECT_DEVICE:
        return device_part(whole->object, whole->badge, offset, size, badge_out);
    case OBJECT_DMA:
        return dma_part(whole->badge, offset, size, badge_out);
    default:
        return ERR_INVALID;
    }
}

enum status sys_object_split(const struct sys_object_split_args *args,
                             struct sys_object_split_ret *ret)
{
    struct capability *whole;
    uint64_t badge = 0;
    enum status status = syscall_acquire(args->whole, OBJECT_ANY, 0, &whole);

    if (status != OK)
        return status;
    status = part_badge(whole, args->offset, args->size, args->trigger, &badge);
    if (status == OK)
        status = capability_derive(whole, &(struct capability_mint){ whole->rights, badge },
                                   &process_current()->cspace, &ret->part);
    struct audit_record event = { .kind = AUDIT_SPLIT,
                                  .object = whole->object->id,
                                  .type = (uint16_t)whole->object->type,
                                  .rights = whole->rights,
                                  .detail = badge };
    if (status == OK)
        audit_record(&event);
    return syscall_release(whole, args->whole, whole->rights, status);
}

/* ---- Lines and ports ---- */

enum status sys_irq_acknowledge(const struct sys_irq_acknowledge_args *args)
{
    struct capability_ref ref;
    enum status status = syscall_capability(args->irq, OBJECT_IRQ, RIGHT_IRQ_ACKNOWLEDGE, &ref);

    return status == OK ? irq_acknowledge(ref.badge) : status;
}

enum status sys_device_io(const struct sys_device_io_args *args, struct sys_device_io_ret *ret)
{
    struct capability_ref ref;
    uint64_t port = 0;
    bool write = args->op >= PORT_OP_WRITE8;
    unsigned width_bytes = 1u << (args->op - (write ? PORT_OP_WRITE8 : PORT_OP_READ8));
    uint32_t right = write ? RIGHT_DEVICE_WRITE : RIGHT_DEVICE_READ;
    enum status status = syscall_capability(args->device, OBJECT_DEVICE, right, &ref);

    if (status == OK)
        status = device_at(ref.object, true, ref.badge, args->offset, width_bytes, &port);
    if (status != OK)
        return status;
    if (!write)
        ret->result = arch_port_read((uint16_t)port, width_bytes);
    else if (args->value >> (8 * width_bytes) == 0)
        arch_port_write((uint16_t)port, width_bytes, (uint32_t)args->value);
    else
        status = ERR_RANGE;
    return status;
}

/* ---- DMA ---- */

static enum status pin_publish(const struct sys_dma_pin_args *args, struct pin *pin,
                               uint64_t *id_out)
{
    struct capability *capability;
    size_t count;
    const struct dma_run *run = dma_pin_runs(pin, &count);
    enum status status =
        count <= args->run_count ? copy_to_user(args->runs, run, count * sizeof(*run)) : ERR_LIMIT;

    if (status == OK)
        status = syscall_acquire(args->dma, OBJECT_DMA, RIGHT_DMA_PIN, &capability);
    if (status != OK)
        return status;
    status = dma_pin_attach(pin, capability, id_out);
    capability_release(capability);
    return status;
}

enum status sys_dma_pin(const struct sys_dma_pin_args *args, struct sys_dma_pin_ret *ret)
{
    struct capability_ref ref;
    struct pin *pin;

    if (args->run_count == 0 || args->run_count > DMA_RUNS_MAX)
        return ERR_RANGE;
    enum status status = syscall_capability(args->dma, OBJECT_DMA, RIGHT_DMA_PIN, &ref);
    if (status == OK)
        status = dma_pin_create(args->memory, args->offset, args->size_bytes, ref.badge,
                                process_current()->cspace.budget, &pin);
    if (status != OK)
        return status;
    status = pin_publish(args, pin, &ret->pin);
    if (status != OK)
        dma_pin_destroy(pin);
    return status;
}

enum status sys_dma_unpin(const struct sys_dma_unpin_args *args)
{
    struct work work = { WORK_SLICE };
    struct capability_ref ref;
    enum status status = syscall_capability(args->dma, OBJECT_DMA, RIGHT_DMA_UNPIN, &ref);

    if (status != OK)
        return status;
    return syscall_sliced(dma_unpin(&process_current()->cspace, args->dma, args->pin, &work));
}
