/* Grace periods: one batch waits for all CPUs while the next is being collected. */
#include <arch/irq.h>
#include <kernel/cpu.h>
#include <kernel/grace.h>

enum {
    BATCH_NODES = 64, /* begin without being asked */
    FREE_SLICE = 64,  /* in one interrupt */
    CROWD_NODES = 4096,
};

struct nodes {
    struct grace_node *first;
    uint32_t count;
};

static struct {
    struct spinlock lock;
    bool enabled;
    bool running;         /* [L] a batch waits or is being freed */
    bool wanted;          /* [L] begin again when it is done */
    struct nodes collect; /* [L] for the next batch */
    struct nodes batch;   /* [L] */
    uint32_t silent;      /* [L] CPUs that the batch still waits for */
    uint64_t done;        /* [A] batches that are over */
} grace = { .lock = SPINLOCK_INIT(RANK_GRACE) };

void grace_enable(bool enable)
{
    grace.enabled = enable;
}

/* Interrupt every CPU, this one included: it gets there when it is back in user mode or idle. */
static void begin(void) REQUIRES(grace.lock)
{
    grace.running = true;
    grace.wanted = false;
    grace.batch = grace.collect;
    grace.collect = (struct nodes){ .first = NULL };
    grace.silent = 0;
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct cpu *cpu = cpu_get(i);
        if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) == 0)
            continue;
        grace.silent++;
        __atomic_store_n(&cpu->grace_asked, 1, __ATOMIC_RELEASE);
        arch_ipi_send(cpu);
    }
}

static void begin_or_note(void) REQUIRES(grace.lock)
{
    if (grace.running)
        grace.wanted = true;
    else
        begin();
}

void grace_call(struct grace_node *node, void (*free)(struct grace_node *node))
{
    if (UNLIKELY(!grace.enabled)) {
        free(node);
        return;
    }
    node->free = free;
    spinlock_acquire(&grace.lock);
    node->next = grace.collect.first;
    grace.collect.first = node;
    if (++grace.collect.count >= BATCH_NODES)
        begin_or_note();
    spinlock_release(&grace.lock);
}

uint64_t grace_request(void)
{
    spinlock_acquire(&grace.lock);
    uint64_t ticket = grace.done;
    if (grace.enabled || grace.running || grace.collect.count > 0) {
        ticket += grace.running ? 2 : 1;
        begin_or_note();
    }
    spinlock_release(&grace.lock);
    return ticket;
}

bool grace_crowded(void)
{
    if (LIKELY(READ_ONCE(grace.collect.count) < CROWD_NODES))
        return false;
    (void)grace_request();
    return true;
}

bool grace_done(uint64_t ticket)
{
    return __atomic_load_n(&grace.done, __ATOMIC_ACQUIRE) >= ticket;
}

/* True if this CPU has something to free now. */
static bool answer(struct cpu *self) REQUIRES(grace.lock)
{
    if (grace.silent > 0) {
        grace.silent--;
        __atomic_store_n(&self->grace_asked, 0, __ATOMIC_RELAXED);
        if (grace.silent > 0)
            return false;
        /* The last one frees: it keeps its mark until it is through. */
        __atomic_store_n(&self->grace_asked, 1, __ATOMIC_RELAXED);
    }
    return true;
}

static struct grace_node *next_to_free(void)
{
    spinlock_acquire(&grace.lock);
    struct grace_node *node = grace.batch.first;
    if (node != NULL)
        grace.batch.first = node->next;
    spinlock_release(&grace.lock);
    return node;
}

static void finish(struct cpu *self)
{
    spinlock_acquire(&grace.lock);
    __atomic_store_n(&self->grace_asked, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&grace.done, grace.done + 1, __ATOMIC_RELEASE);
    grace.running = false;
    if (grace.wanted)
        begin();
    spinlock_release(&grace.lock);
}

void grace_interrupt(void)
{
    struct cpu *self = cpu_self();

    if (LIKELY(__atomic_load_n(&self->grace_asked, __ATOMIC_ACQUIRE) == 0))
        return;
    spinlock_acquire(&grace.lock);
    bool mine = answer(self);
    spinlock_release(&grace.lock);
    if (!mine)
        return;
    for (uint32_t i = 0; i < FREE_SLICE; i++) {
        struct grace_node *node = next_to_free();
        if (node == NULL) {
            finish(self);
            return;
        }
        node->free(node);
    }
    arch_ipi_send(self);
}
