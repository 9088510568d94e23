/* Interrupt lines and their handlers. */
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/log.h>

struct line {
    void (*handler)(void *context); /* [L] NULL: none */
    void *context;                  /* [L] */
    uint64_t count;                 /* [L] */
    bool reported;                  /* [L] that it came without a handler */
};

struct spinlock irq_lock = SPINLOCK_INIT(RANK_IRQ_LINES);
static struct line lines[IRQ_MAX];

enum status irq_attach(unsigned line, enum irq_trigger trigger, void (*handler)(void *context),
                       void *context, bool *edge_out)
{
    if (line >= IRQ_MAX)
        return ERR_RANGE;
    if (lines[line].handler != NULL)
        return ERR_EXISTS;
    enum status status = arch_irq_configure(line, trigger, edge_out);
    if (status == OK) {
        lines[line].handler = handler;
        lines[line].context = context;
    }
    return status;
}

void irq_detach(unsigned line)
{
    arch_irq_disable(line);
    lines[line].handler = NULL;
}

void *irq_attached(unsigned line, void (*handler)(void *context))
{
    return lines[line].handler == handler ? lines[line].context : NULL;
}

void irq_dispatch(unsigned line)
{
    if (line >= IRQ_MAX)
        return;
    struct line *at = &lines[line];
    spinlock_acquire(&irq_lock);
    at->count++;
    if (LIKELY(at->handler != NULL)) {
        at->handler(at->context);
    } else {
        arch_irq_disable(line);
        if (!at->reported)
            log_warn("irq: line %u has no handler: disabled", line);
    }
    at->reported = at->handler == NULL;
    spinlock_release(&irq_lock);
}

bool irq_is_taken(unsigned line)
{
    return line < IRQ_MAX && READ_ONCE(lines[line].handler) != NULL;
}

uint64_t irq_count(unsigned line)
{
    return line < IRQ_MAX ? READ_ONCE(lines[line].count) : 0;
}
