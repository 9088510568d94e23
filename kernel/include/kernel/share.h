/* How much CPU time a budget gets: a quota in each period, and a weight among its siblings.
 *
 * The quota is a limit. A thread runs on a grant that was taken from every budget with a quota
 * above it, a quantum at most; what it did not use goes back when it leaves the CPU, what it used
 * too much is a debt. Where nothing is left the thread is parked until the next period, whose quota
 * pays the debts first: over many periods no budget gets more than its quota, and in one never more
 * than a quantum for each CPU above it.
 *
 * The weight is a share of what several ask for at the same priority on one CPU (start-time fair
 * queueing). Each budget has a tag that grows by the time that it used, divided by its weight. Of
 * the threads that wait, the one whose budget has the lowest tag among its siblings runs next, for
 * a slice. So for budgets that always want to run, time divided by weight differs by one slice of
 * each at most; and one that did not want to run has its tag raised to there: it lost its turn.
 *
 * While no budget has either, threads take turns, and none of this costs anything.
 *
 * Locking: [L] lock   [A] atomic
 */
#pragma once

#include <base/list.h>
#include <base/status.h>
#include <kernel/spinlock.h>
#include <kernel/timer.h>

struct budget;
struct thread;

enum {
    SHARE_QUANTUM_NS = 1000 * 1000,
    SHARE_WEIGHT_DEFAULT = 100,
    SHARE_WEIGHT_MAX = 10000,
    SHARE_PERIOD_MIN_NS = 1000 * 1000,
    SHARE_PERIOD_MAX_NS = 1000 * 1000 * 1000,
};
#define SHARE_UNLIMITED UINT64_MAX

struct cpu_share {
    struct spinlock lock;
    uint64_t quota_ns;      /* [L], read without: SHARE_UNLIMITED, or CPU time in each period */
    uint64_t period_ns;     /* [L] */
    uint64_t since_ns;      /* [L] when the quota was set: what was used before is free */
    uint64_t period_end_ns; /* [L] */
    int64_t left_ns;        /* [L] of this period; below 0 it is owed to the next */
    struct list parked;     /* [L] thread.wait.node: have to wait for the next period */
    bool refill_armed;      /* [L] some are parked: the timer runs, or is about to */
    struct timer refill;
    uint32_t weight;  /* [A] */
    uint64_t tag;     /* [A] */
    uint64_t used_ns; /* [A] counted while any budget has a quota or a weight */
};

/* [A] budgets that have a quota, or a weight of their own. */
extern uint32_t share_limit_count;

void share_init(struct cpu_share *share);
void share_fini(struct cpu_share *share);

/* ERR_RANGE unless the period is SHARE_PERIOD_MIN_NS to _MAX_NS and the quota above 0. Quotas may
 * be above the period: there may be several CPUs. With SHARE_UNLIMITED the period is ignored.
 */
enum status share_set_quota(struct budget *budget, uint64_t quota_ns, uint64_t period_ns);
/* ERR_RANGE unless 1 to SHARE_WEIGHT_MAX. */
enum status share_set_weight(struct budget *budget, uint64_t weight);

/* ---- For the scheduler, while share_limit_count is not 0 ---- */

/* Charge what `thread` has run since the last look at the clock; its grant is over. */
void share_charge(struct thread *thread, uint64_t now_ns);
/* A grant for `thread`, which this CPU has chosen to run; else it is parked. */
bool share_admit(struct thread *thread, uint64_t now_ns);
/* Which of the threads in a list of thread.run_node, not empty, has the turn. Queue locked. */
struct thread *share_pick(struct list *fifo);
