/* Interrupt lines bound to notifications. */
#include <arch/irq.h>
#include <kernel/irq_object.h>
#include <kernel/slab.h>
#include <object_info.h>

/* In a badge, above what a span says. */
enum { TRIGGER_SHIFT = 60 };
#define SPAN_MASK ((UINT64_C(1) << TRIGGER_SHIFT) - 1)

enum binding_state { QUIET, SIGNALLED, REMEMBERED };

struct binding {
    struct list use; /* in capability->uses, under the object's lock */
    struct signal_target target;
    unsigned line;            /* [C] */
    bool edge;                /* [L] */
    enum binding_state state; /* [L] */
};

struct object irq_object;
static struct slab_cache binding_cache = SLAB_CACHE_INIT("irq binding", struct binding);

/* ---- Interrupts ---- */

static void line_interrupt(void *context)
{
    struct binding *binding = context;
    bool quiet = binding->state == QUIET;

    binding->state = quiet ? SIGNALLED : REMEMBERED;
    if (!quiet || !binding->edge)
        arch_irq_disable(binding->line);
    if (quiet)
        signal_target_fire(&binding->target);
}

static enum status single_line(uint64_t badge, unsigned *line_out)
{
    struct span span = span_of_badge(badge & SPAN_MASK, IRQ_MAX);

    if (span.count != 1)
        return ERR_RANGE;
    *line_out = (unsigned)span.first;
    return OK;
}

/* Unmasked before a remembered one is signalled: whatever comes from now on is new. */
static void acknowledge(struct binding *binding) REQUIRES(irq_lock)
{
    bool remembered = binding->state == REMEMBERED;

    if (binding->state == QUIET)
        return;
    binding->state = remembered ? SIGNALLED : QUIET;
    if (remembered || !binding->edge)
        arch_irq_enable(binding->line);
    if (remembered)
        signal_target_fire(&binding->target);
}

enum status irq_acknowledge(uint64_t badge)
{
    unsigned line;
    enum status status = single_line(badge, &line);

    if (status != OK)
        return status;
    spinlock_acquire(&irq_lock);
    struct binding *binding = irq_attached(line, line_interrupt);
    if (binding != NULL)
        acknowledge(binding);
    else
        status = ERR_STATE;
    spinlock_release(&irq_lock);
    return status;
}

/* ---- Binding ---- */

static enum status attach(struct binding *binding, enum irq_trigger trigger)
{
    unsigned line = binding->line;
    enum status status = ERR_BUSY;

    spinlock_acquire(&irq_lock);
    if (irq_attached(line, line_interrupt) == NULL)
        status = irq_attach(line, trigger, line_interrupt, binding, &binding->edge);
    if (status == OK)
        arch_irq_enable(line);
    spinlock_release(&irq_lock);
    return status == ERR_EXISTS ? ERR_ACCESS : status;
}

/* The table that the capability is in pays: the capability stays there while it has a binding. */
static void binding_free(const struct capability *capability, struct binding *binding)
{
    signal_target_clear(&binding->target);
    payer_free(capability->cspace->budget, &binding_cache, binding);
}

/* At most one: a capability covers one line, and a line is bound once. */
static void unbind(const struct capability *capability)
{
    if (list_empty(&capability->uses))
        return;
    struct binding *binding = CONTAINER_OF(capability->uses.next, struct binding, use);
    spinlock_acquire(&irq_lock);
    irq_detach(binding->line);
    spinlock_release(&irq_lock);
    list_remove(&binding->use);
    binding_free(capability, binding);
}

enum status irq_bind(struct capability *capability, struct notification *notification,
                     uint64_t bits)
{
    unsigned line;
    struct binding *binding;
    enum status status = single_line(capability->badge, &line);

    unbind(capability);
    if (status == OK)
        status = payer_alloc(capability->cspace->budget, &binding_cache, &binding);
    if (status != OK)
        return status;
    binding->line = line;
    status = signal_target_bind(&binding->target, notification, bits);
    if (status == OK)
        status = attach(binding, (enum irq_trigger)(capability->badge >> TRIGGER_SHIFT));
    if (status == OK)
        list_push_back(&capability->uses, &binding->use);
    else
        binding_free(capability, binding);
    return status;
}

/* ---- The object ---- */

static enum status irq_object_detach(struct object *object, struct capability *capability,
                                     struct work *work)
{
    (void)object;
    (void)work;
    unbind(capability);
    return OK;
}

static void irq_object_info(struct object *object, struct object_info *info)
{
    struct span span = span_of_badge(info->badge & SPAN_MASK, IRQ_MAX);
    struct object_info_irq *irq = &info->detail.irq;

    (void)object;
    irq->first = span.first;
    irq->count = span.count;
    irq->trigger = info->badge >> TRIGGER_SHIFT;
    if (span.count != 1)
        return;
    spinlock_acquire(&irq_lock);
    irq->bound = irq_attached((unsigned)span.first, line_interrupt) != NULL;
    spinlock_release(&irq_lock);
    irq->message =
        arch_irq_message((unsigned)span.first, &irq->message_address, &irq->message_data) == OK;
}

static const struct object_ops irq_ops = {
    .type = OBJECT_IRQ, .detach = irq_object_detach, .uses_stay = true, .info = irq_object_info
};

void irq_object_init(void)
{
    object_init(&irq_object, &irq_ops);
}

/* A line that drivers use is taken too, but by this file. */
static bool is_kernel_line(unsigned line)
{
    spinlock_acquire(&irq_lock);
    bool kernels = irq_is_taken(line) && irq_attached(line, line_interrupt) == NULL;
    spinlock_release(&irq_lock);
    return kernels;
}

enum status irq_part(uint64_t badge, uint64_t offset, uint64_t count, enum irq_trigger trigger,
                     uint64_t *part_out)
{
    struct span part;
    enum irq_trigger chosen = (enum irq_trigger)(badge >> TRIGGER_SHIFT);
    enum status status = span_part(span_of_badge(badge & SPAN_MASK, IRQ_MAX), offset, count, &part);

    if (status != OK)
        return status;
    if (trigger != IRQ_TRIGGER_FIRMWARE && count != 1)
        return ERR_RANGE;
    if (trigger != IRQ_TRIGGER_FIRMWARE && chosen != IRQ_TRIGGER_FIRMWARE)
        return ERR_STATE;
    if (count == 1 && is_kernel_line((unsigned)part.first))
        return ERR_ACCESS;
    if (trigger == IRQ_TRIGGER_FIRMWARE)
        trigger = chosen;
    *part_out = span_badge(part) | (uint64_t)trigger << TRIGGER_SHIFT;
    return OK;
}
