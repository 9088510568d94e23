/* Interrupt lines and their handlers. */
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>

struct line {
    void (*handler)(void *context); /* [L] NULL: none */
    void *context;                  /* [L] */
    uint64_t count;                 /* [L] */
};

static struct spinlock lock = SPINLOCK_INIT(RANK_IRQ_LINES);
static struct line lines[IRQ_MAX];

enum status irq_register(unsigned line, void (*handler)(void *context), void *context)
{
    if (line >= IRQ_MAX)
        return ERR_RANGE;

    enum status status = ERR_EXISTS;
    spinlock_acquire(&lock);
    if (lines[line].handler == NULL) {
        lines[line].handler = handler;
        lines[line].context = context;
        status = arch_irq_enable(line);
        if (status != OK)
            lines[line].handler = NULL;
    }
    spinlock_release(&lock);
    return status;
}

void irq_dispatch(unsigned line)
{
    if (line >= IRQ_MAX)
        return;
    spinlock_acquire(&lock);
    lines[line].count++;
    void (*handler)(void *context) = lines[line].handler;
    void *context = lines[line].context;
    if (handler == NULL)
        arch_irq_disable(line);
    spinlock_release(&lock);

    if (handler != NULL)
        handler(context);
    else
        log_warn("irq: line %u has no handler: disabled", line);
}

uint64_t irq_count(unsigned line)
{
    return line < IRQ_MAX ? READ_ONCE(lines[line].count) : 0;
}
