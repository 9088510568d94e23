/* Per-CPU state. A CPU reaches its own by cpu_self(), which is one register read; it touches
 * another's only where the field says so.
 *
 * [O] only this CPU   [A] atomic   [C] set before the CPU runs, then constant
 */
#pragma once

#include <arch/cpu.h>
#include <base/compiler.h>
#include <base/list.h>
#include <kernel/spinlock.h>
#include <kernel/timer.h>
#include <stdbool.h>
#include <stdint.h>

#define CPU_MAX 256

struct thread;
struct vspace;

enum { PRIORITY_COUNT = 64, PRIORITY_DEFAULT = 32 };

/* Threads that are ready to run here: a FIFO per priority, and a bit for each that is not empty. */
struct run_queue {
    struct spinlock lock;
    uint64_t ready;                   /* [L] bit p: fifo[p] holds a thread */
    struct list fifo[PRIORITY_COUNT]; /* [L] of thread.run_node */
    struct thread *running;           /* [L] NULL when idle */
    uint32_t ready_count;             /* [L], read elsewhere as a hint */
};

/* A set of CPUs. The functions below are for masks that others change meanwhile. */
struct cpu_mask {
    uint64_t word[CPU_MAX / 64];
};

/* A request to other CPUs (ipi.h). Constant while `pending` is not 0. */
struct cross_call {
    void (*function)(void *argument);
    void *argument;
    uint32_t pending; /* [A] CPUs that have not served it */
};

enum { SLAB_CACHE_MAX = 32, SLAB_MAGAZINE = 16 };

/* Free objects of one slab cache that this CPU takes and gives without a lock (slab.h). */
struct slab_magazine {
    uint32_t count;
    void *object[SLAB_MAGAZINE];
};

struct cpu {
    struct arch_cpu arch;   /* [O] first: assembly knows its offsets */
    struct thread *current; /* [O] whose user state is in the registers; NULL when idle */
    uint32_t index;         /* [C] 0 is the boot CPU */
    uint64_t hardware_id;   /* [C] LAPIC id or MPIDR */
    uint32_t online;        /* [A] */
    uint32_t grace_asked;   /* [A] a grace period waits for its next interrupt */
    uint32_t need_resched;  /* [A] look at the run queue before going back to user mode */

    struct run_queue queue;
    struct timer_queue timers;
    uint64_t slice_end_ns;        /* [O] when current's time slice ends */
    uint64_t slice_left_ns;       /* [O] at run_since_ns, of the threads that run on it by turns */
    uint64_t run_since_ns;        /* [O] the last look at the clock */
    uint64_t timer_programmed_ns; /* [O] what the hardware timer was last set to */
    bool yielded;                 /* [O] current gave up its slice */

    struct vspace *vspace;        /* [O] whose tables are loaded; NULL: the kernel's */
    bool inside;                  /* [O] by the root that lacks the sandbox's part */
    struct cpu_mask cross_from;   /* [A] CPUs whose cross_call this one has to serve */
    struct cross_call cross_call; /* [O] what this CPU asks of others */
    void *stack_top;              /* [C] of the kernel stack */

    /* Single frames that this CPU takes and gives without a lock (frame.h). */
    struct list frame_cache;   /* [O] of frame.node */
    uint32_t frame_cache_size; /* [O], read elsewhere for statistics */
    struct list frame_zero;    /* [O] more of them, whose bytes are zero */
    uint32_t frame_zero_size;  /* [O], as frame_cache_size */

    struct slab_magazine magazine[SLAB_CACHE_MAX]; /* [O] by slab_cache.id */

    uint32_t lock_depth; /* [O] debug: locks held, outermost first */
    uint32_t lock_rank[8];
    const struct spinlock *lock_held[8];
    uint32_t in_panic; /* [A] */

    /* Counters, read by anybody as hints. */
    uint64_t switches;
    uint64_t interrupts;
    uint64_t syscalls;
    uint64_t migrations;
    uint64_t cross_calls_served;
    uint64_t idle_ns;
} ALIGNED(64);

/* [0, cpu_count) are all CPUs that the loader found and the kernel started. */
extern uint32_t cpu_count;
struct cpu *cpu_get(uint32_t index);

static inline struct cpu *cpu_self(void)
{
    return arch_cpu_self();
}

static inline void cpu_mask_set(struct cpu_mask *mask, uint32_t index)
{
    __atomic_fetch_or(&mask->word[index / 64], BIT64(index % 64), __ATOMIC_SEQ_CST);
}

static inline void cpu_mask_clear(struct cpu_mask *mask, uint32_t index)
{
    __atomic_fetch_and(&mask->word[index / 64], ~BIT64(index % 64), __ATOMIC_SEQ_CST);
}

static inline bool cpu_mask_test(const struct cpu_mask *mask, uint32_t index)
{
    return (__atomic_load_n(&mask->word[index / 64], __ATOMIC_SEQ_CST) & BIT64(index % 64)) != 0;
}

/* Every CPU that exists. */
struct cpu_mask cpu_mask_all(void);

/* Give CPU `index`, the next one, its structure; NULL if there is no memory for it. The boot CPU's
 * is static: it can be had before there is an allocator.
 */
struct cpu *cpu_init(uint32_t index, uint64_t hardware_id);
