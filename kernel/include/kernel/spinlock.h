/* A ticket spinlock.
 *
 * The kernel runs with interrupts masked from entry to exit (only the idle loop opens them), so a
 * lock needs no interrupt variant. A CPU that waits for a lock answers cross calls meanwhile
 * (ipi_poll), so a holder may wait for all CPUs, as TLB shootdown does.
 *
 * Order: docs/architecture/locking.md. In the debug flavour each lock has a rank, and taking one
 * whose rank is not above every rank that this CPU holds is a panic; so is taking one twice.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

/* From outermost to innermost: a CPU takes them in rising order only. */
enum lock_rank {
    RANK_OBJECT = 2,        /* the capabilities of one object */
    RANK_CSPACE = 4,        /* one table of capabilities; never two */
    RANK_PROCESS = 8,       /* the threads of one process */
    RANK_GUEST = 9,         /* the threads of one guest; never two */
    RANK_VSPACE = 10,       /* struct vspace; two at once in order of address */
    RANK_VSPACE_2 = 11,     /* the second of two */
    RANK_MEMORY = 12,       /* struct memory; two at once in order of address */
    RANK_MEMORY_2 = 13,     /* the second of two */
    RANK_TABLES = 14,       /* the page tables of an address space */
    RANK_BUDGET = 15,       /* what one budget pays for, and its watch; never two */
    RANK_AUDIT = 16,        /* the audit ring */
    RANK_IRQ_LINES = 17,    /* interrupt lines, and what each of them signals */
    RANK_TIMER = 20,        /* one per-CPU timer queue */
    RANK_NOTIFICATION = 22, /* one notification */
    RANK_ENDPOINT = 24,     /* one endpoint */
    RANK_WAIT = 25,         /* what threads wait for, and the list of them; never two */
    RANK_RUN_QUEUE = 30,    /* per-CPU run queues; two at once in order of CPU index */
    RANK_RUN_QUEUE_2 = 31,  /* the second of two */
    RANK_THREADS = 35,      /* the list of all threads */
    RANK_ASID = 40,         /* the architecture's address space identifiers */
    RANK_KMAP = 50,         /* the kernel's own address space */
    RANK_SLAB = 60,         /* one slab cache */
    RANK_FRAME = 70,        /* the buddy allocator */
    RANK_GRACE = 72,        /* what waits to be freed */
    RANK_IRQ = 80,          /* interrupt controller registers */
    RANK_LOG = 90,          /* the log ring */
    RANK_CONSOLE = 95,      /* the serial port: innermost, so anything may print */
};

struct CAPABILITY("lock") spinlock {
    uint32_t next;    /* [A] next ticket to give out */
    uint32_t serving; /* [A] ticket that holds the lock */
    uint32_t rank;    /* [C] enum lock_rank */
    uint32_t holder;  /* [L] CPU index + 1; for the checker, debug flavour only */
};

#define SPINLOCK_INIT(lock_rank)                                                                   \
    {                                                                                              \
        .next = 0, .serving = 0, .rank = (lock_rank), .holder = 0                                  \
    }

void spinlock_init(struct spinlock *lock, enum lock_rank rank);
/* Two of one rank, one after the other in order of address; they are not the same. */
void spinlock_acquire_both(struct spinlock *a, struct spinlock *b, enum lock_rank second)
    ACQUIRES(*a) ACQUIRES(*b);
void spinlock_release_both(struct spinlock *a, struct spinlock *b) RELEASES(*a) RELEASES(*b);
/* Until the ticket is served. */
PRESERVES_MOST void spinlock_wait(struct spinlock *lock, uint32_t ticket);
/* The second of two locks that have the same rank; it counts as `rank` for the checker. */
#ifdef CONFIG_DEBUG
void spinlock_acquire_second(struct spinlock *lock, enum lock_rank rank) ACQUIRES(*lock);
void spinlock_acquire(struct spinlock *lock) ACQUIRES(*lock);
void spinlock_release(struct spinlock *lock) RELEASES(*lock);
#else
static inline void spinlock_acquire(struct spinlock *lock) ACQUIRES(*lock) NO_LOCK_ANALYSIS
{
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    if (UNLIKELY(__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket))
        spinlock_wait(lock, ticket);
}

#define spinlock_acquire_second(lock, rank) ((void)(rank), spinlock_acquire(lock))

static inline void spinlock_release(struct spinlock *lock) RELEASES(*lock) NO_LOCK_ANALYSIS
{
    uint32_t serving = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, serving + 1, __ATOMIC_RELEASE);
}
#endif
/* For checks: by this CPU; without those of the debug flavour, by anybody. */
bool spinlock_held(const struct spinlock *lock);

/* A panicking CPU takes no locks: every acquire succeeds at once and proves nothing. */
void spinlock_disable_for_panic(void);
extern bool spinlocks_are_off; /* [A] a panicking CPU must not wait for one that was stopped */
