/* Interrupt lines and their handlers. */
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/log.h>
#include <kernel/spinlock.h>

struct line {
    void (*handler)(void *context); /* [L] NULL: none */
    void *context;                  /* [L] */
    uint64_t count;                 /* [L] */
    bool reported;                  /* [L] that it came without a handler */
};

static struct spinlock lock = SPINLOCK_INIT(RANK_IRQ_LINES);
static struct line lines[IRQ_MAX];

enum status irq_attach(unsigned line, enum irq_trigger trigger, void (*handler)(void *context),
                       void *context, bool *edge_out)
{
    if (line >= IRQ_MAX)
        return ERR_RANGE;

    enum status status = ERR_EXISTS;
    spinlock_acquire(&lock);
    if (lines[line].handler == NULL) {
        status = arch_irq_configure(line, trigger, edge_out);
        if (status == OK) {
            lines[line].handler = handler;
            lines[line].context = context;
        }
    }
    spinlock_release(&lock);
    return status;
}

void irq_detach(unsigned line)
{
    spinlock_acquire(&lock);
    arch_irq_disable(line);
    lines[line].handler = NULL;
    spinlock_release(&lock);
}

bool irq_is_taken(unsigned line)
{
    spinlock_acquire(&lock);
    bool taken = line < IRQ_MAX && lines[line].handler != NULL;
    spinlock_release(&lock);
    return taken;
}

void irq_dispatch(unsigned line)
{
    if (line >= IRQ_MAX)
        return;
    spinlock_acquire(&lock);
    lines[line].count++;
    void (*handler)(void *context) = lines[line].handler;
    void *context = lines[line].context;
    bool report = handler == NULL && !lines[line].reported;
    if (handler == NULL)
        arch_irq_disable(line);
    lines[line].reported = handler == NULL;
    spinlock_release(&lock);

    if (handler != NULL)
        handler(context);
    else if (report)
        log_warn("irq: line %u has no handler: disabled", line);
}

uint64_t irq_count(unsigned line)
{
    return line < IRQ_MAX ? READ_ONCE(lines[line].count) : 0;
}
