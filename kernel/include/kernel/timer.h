/* One-shot timers with absolute deadlines in nanoseconds of the monotonic clock (clock_now_ns).
 *
 * A timer lives in the queue of the CPU that started it and its callback runs there, from the timer
 * interrupt, with that queue's lock held: callbacks are short, may wake threads, and may not touch
 * timers, except their own with timer_again. In exchange, when timer_cancel returns the callback is
 * neither running nor going to.
 *
 * Locking: [L] the queue's lock   [C] constant while queued
 */
#pragma once

#include <base/tree.h>
#include <kernel/spinlock.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

#define DEADLINE_NEVER UINT64_MAX

struct timer {
    struct tree_node node; /* [L] */
    uint64_t deadline_ns;  /* [C] */
    void (*fire)(struct timer *timer);
    struct cpu *cpu; /* [L] whose queue; NULL when not queued */
};

struct timer_queue {
    struct spinlock lock;
    struct tree tree; /* [L] by deadline; equal ones as they were started */
    uint32_t count;   /* [L] */
    uint64_t next_ns; /* [L], read by its own CPU without: earliest deadline, or DEADLINE_NEVER */
};

void timer_queue_init(struct timer_queue *queue);
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));

/* Start on this CPU. A deadline in the past fires at the next opportunity, never from here. */
void timer_start(struct timer *timer, uint64_t deadline_ns);
/* From its own callback: once more at `deadline_ns`, which is to come. */
void timer_again(struct timer *timer, uint64_t deadline_ns);
/* True if it was stopped before it fired. */
bool timer_cancel(struct timer *timer);

/* From the timer interrupt: fire what is due, a bounded number at a time. If some are left, the
 * next deadline is past and timer_program makes the interrupt come again. */
void timer_queue_run(struct cpu *cpu, uint64_t now_ns);
/* Program the hardware for the earlier of the next timer and the end of the slice. */
void timer_program(struct cpu *cpu);

/* Nanoseconds since boot; never runs backwards on any CPU. */
uint64_t clock_now_ns(void);
