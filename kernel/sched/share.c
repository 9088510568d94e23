/* CPU time of budgets (see share.h). */
#include <kernel/budget.h>
#include <kernel/ipi.h>
#include <kernel/sched.h>
#include <kernel/share.h>

enum { PICK_MAX = 256 }; /* waiting threads that are looked at, with a queue locked */

uint32_t share_limit_count;

static struct budget *parent_of(const struct budget *budget)
{
    return budget->object.payer;
}

static bool has_quota(const struct cpu_share *share)
{
    return __atomic_load_n(&share->quota_ns, __ATOMIC_RELAXED) != SHARE_UNLIMITED;
}

static uint32_t weight_of(const struct cpu_share *share)
{
    return __atomic_load_n(&share->weight, __ATOMIC_RELAXED);
}

/* ---- Periods ---- */

static void unpark_first(struct cpu_share *share) REQUIRES(share->lock)
{
    struct thread *thread = CONTAINER_OF(share->parked.next, struct thread, wait.node);
    list_remove(&thread->wait.node);
    wait_end(thread);
}

/* A parked thread is in no system call: there is no result to give it. */
static void cancel_parked(struct thread *thread, enum status why) NO_LOCK_ANALYSIS
{
    struct cpu_share *share = thread->wait.on;
    spinlock_acquire(&share->lock);
    if (thread->wait.cancel == cancel_parked && wait_may_end(thread, why)) {
        list_remove(&thread->wait.node);
        wait_end(thread);
    }
    spinlock_release(&share->lock);
}

/* The quotas of the periods that have begun since, as far as they are not saved up. */
static void refill(struct cpu_share *share, uint64_t now_ns) REQUIRES(share->lock)
{
    if (now_ns < share->period_end_ns)
        return;
    uint64_t periods = (now_ns - share->period_end_ns) / share->period_ns + 1;
    share->period_end_ns += periods * share->period_ns;
    int64_t missing = (int64_t)share->quota_ns - share->left_ns;
    if (periods >= (uint64_t)missing / share->quota_ns + 1)
        share->left_ns = (int64_t)share->quota_ns;
    else
        share->left_ns += (int64_t)(periods * share->quota_ns);
}

/* Whom there is no time for after all is parked once more. */
static void period_begins(struct timer *timer)
{
    struct cpu_share *share = CONTAINER_OF(timer, struct cpu_share, refill);
    uint64_t now_ns = clock_now_ns();

    spinlock_acquire(&share->lock);
    if (has_quota(share))
        refill(share, now_ns);
    unsigned left = share->left_ns > 0 ? WORK_SLICE : 0;
    for (; left > 0 && !list_empty(&share->parked); left--)
        unpark_first(share);
    share->refill_armed = !list_empty(&share->parked);
    if (share->refill_armed)
        timer_again(timer, share->left_ns > 0 ? now_ns + SHARE_QUANTUM_NS : share->period_end_ns);
    spinlock_release(&share->lock);
}

/* ---- Limits ---- */

void share_init(struct cpu_share *share)
{
    spinlock_init(&share->lock, RANK_WAIT);
    share->quota_ns = SHARE_UNLIMITED;
    share->weight = SHARE_WEIGHT_DEFAULT;
    list_init(&share->parked);
    timer_init(&share->refill, period_begins);
}

static bool is_limited(const struct cpu_share *share)
{
    return has_quota(share) || weight_of(share) != SHARE_WEIGHT_DEFAULT;
}

void share_fini(struct cpu_share *share)
{
    (void)timer_cancel(&share->refill);
    if (is_limited(share))
        __atomic_fetch_sub(&share_limit_count, 1, __ATOMIC_RELAXED);
}

static void set_quota(struct cpu_share *share, uint64_t quota_ns, uint64_t period_ns)
    REQUIRES(share->lock)
{
    /* Also without a quota `left` has to be above 0, for those that are still parked. */
    share->left_ns = (int64_t)MIN(quota_ns, (uint64_t)INT64_MAX);
    share->period_ns = period_ns;
    share->since_ns = clock_now_ns();
    share->period_end_ns = share->since_ns + period_ns;
    __atomic_store_n(&share->quota_ns, quota_ns, __ATOMIC_RELAXED);
}

/* What is 0 stays as it is. */
static void set_limits(struct cpu_share *share, uint64_t quota_ns, uint64_t period_ns,
                       uint32_t weight)
{
    spinlock_acquire(&share->lock);
    bool before = is_limited(share);
    if (quota_ns != 0)
        set_quota(share, quota_ns, period_ns);
    if (weight != 0)
        __atomic_store_n(&share->weight, weight, __ATOMIC_RELAXED);
    bool after = is_limited(share);
    spinlock_release(&share->lock);
    if (after && !before)
        __atomic_fetch_add(&share_limit_count, 1, __ATOMIC_RELAXED);
    if (before && !after)
        __atomic_fetch_sub(&share_limit_count, 1, __ATOMIC_RELAXED);
    /* Who runs alone runs without an end: it has to come for a grant. */
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (__atomic_load_n(&cpu_get(i)->online, __ATOMIC_ACQUIRE) != 0)
            ipi_reschedule(cpu_get(i));
    }
}

enum status share_set_quota(struct budget *budget, uint64_t quota_ns, uint64_t period_ns)
{
    if (quota_ns == SHARE_UNLIMITED)
        period_ns = 0;
    else if (period_ns < SHARE_PERIOD_MIN_NS || period_ns > SHARE_PERIOD_MAX_NS || quota_ns == 0 ||
             quota_ns > period_ns * CPU_MAX)
        return ERR_RANGE;
    set_limits(&budget->share, quota_ns, period_ns, 0);
    return OK;
}

enum status share_set_weight(struct budget *budget, uint64_t weight)
{
    if (weight == 0 || weight > SHARE_WEIGHT_MAX)
        return ERR_RANGE;
    set_limits(&budget->share, 0, 0, (uint32_t)weight);
    return OK;
}

/* ---- Running ---- */

static void charge_quota(struct cpu_share *share, uint64_t granted_ns, uint64_t used_ns,
                         uint64_t now_ns)
{
    spinlock_acquire(&share->lock);
    if (has_quota(share)) {
        used_ns = MIN(used_ns, now_ns - MIN(now_ns, share->since_ns));
        share->left_ns += (int64_t)granted_ns - (int64_t)used_ns;
        share->left_ns = MIN(share->left_ns, (int64_t)share->quota_ns);
    }
    /* What goes back may be what others were parked for. */
    if (share->left_ns > 0 && !list_empty(&share->parked))
        unpark_first(share);
    spinlock_release(&share->lock);
}

void share_charge(struct thread *thread, uint64_t now_ns)
{
    uint64_t granted_ns = thread->granted_ns;
    uint64_t used_ns = now_ns - cpu_self()->run_since_ns;
    thread->granted_ns = 0;
    for (struct budget *at = thread->object.payer; at != NULL; at = parent_of(at)) {
        struct cpu_share *share = &at->share;
        __atomic_fetch_add(&share->used_ns, used_ns, __ATOMIC_RELAXED);
        __atomic_fetch_add(&share->tag, used_ns * SHARE_WEIGHT_DEFAULT / weight_of(share),
                           __ATOMIC_RELAXED);
        if (has_quota(share))
            charge_quota(share, granted_ns, used_ns, now_ns);
    }
}

/* With what is left in one budget, `*grant_ns` at most; or park the thread. */
static bool ask(struct cpu_share *share, struct thread *thread, uint64_t now_ns, uint64_t *grant_ns)
{
    spinlock_acquire(&share->lock);
    if (has_quota(share))
        refill(share, now_ns);
    bool admitted = !has_quota(share) || share->left_ns > 0;
    bool arm = false;
    if (admitted && has_quota(share)) {
        *grant_ns = MIN(*grant_ns, (uint64_t)share->left_ns);
    } else if (!admitted) {
        thread->wait.on = share;
        admitted = !wait_park(thread, cancel_parked);
        if (!admitted) {
            list_push_back(&share->parked, &thread->wait.node);
            arm = !share->refill_armed;
            share->refill_armed = true;
        }
    }
    uint64_t end_ns = share->period_end_ns;
    spinlock_release(&share->lock);
    if (arm) {
        (void)timer_cancel(&share->refill); /* it may be at the end of its callback */
        timer_start(&share->refill, end_ns);
    }
    return admitted;
}

bool share_admit(struct thread *thread, uint64_t now_ns)
{
    uint64_t grant_ns = UINT64_MAX;
    for (struct budget *at = thread->object.payer; at != NULL; at = parent_of(at)) {
        if (has_quota(&at->share) && !ask(&at->share, thread, now_ns, &grant_ns))
            return false;
    }
    thread->granted_ns = 0;
    if (grant_ns == UINT64_MAX)
        return true;
    /* Other CPUs may have taken the same time meanwhile: that is a debt, too. */
    thread->granted_ns = MIN(grant_ns, (uint64_t)SHARE_QUANTUM_NS);
    for (struct budget *at = thread->object.payer; at != NULL; at = parent_of(at)) {
        struct cpu_share *share = &at->share;
        if (!has_quota(share))
            continue;
        spinlock_acquire(&share->lock);
        share->left_ns -= (int64_t)thread->granted_ns;
        spinlock_release(&share->lock);
    }
    return true;
}

/* ---- Weights ---- */

/* Siblings of which one is in the chain of each thread. False if there are none: the same budget,
 * one above the other, or none. */
static bool find_siblings(struct thread *a, struct thread *b, struct cpu_share **a_out,
                          struct cpu_share **b_out)
{
    struct budget *x = a->object.payer;
    struct budget *y = b->object.payer;
    if (x == y || x == NULL || y == NULL)
        return false;
    while (x->depth > y->depth)
        x = parent_of(x);
    while (y->depth > x->depth)
        y = parent_of(y);
    if (x == y)
        return false;
    while (parent_of(x) != parent_of(y)) {
        x = parent_of(x);
        y = parent_of(y);
    }
    *a_out = &x->share;
    *b_out = &y->share;
    return true;
}

/* `low` may be behind `high` by what `high` uses up in a slice, no more. */
static void limit_lag(struct cpu_share *low, uint64_t low_tag, const struct cpu_share *high,
                      uint64_t high_tag)
{
    uint64_t lag = (uint64_t)SCHED_SLICE_NS * SHARE_WEIGHT_DEFAULT / weight_of(high);
    if (high_tag - low_tag > lag)
        (void)__atomic_compare_exchange_n(&low->tag, &low_tag, high_tag - lag, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool has_turn_before(struct thread *a, struct thread *b)
{
    struct cpu_share *x, *y;
    if (!find_siblings(a, b, &x, &y))
        return false;
    uint64_t x_tag = __atomic_load_n(&x->tag, __ATOMIC_RELAXED);
    uint64_t y_tag = __atomic_load_n(&y->tag, __ATOMIC_RELAXED);
    if (x_tag < y_tag)
        limit_lag(x, x_tag, y, y_tag);
    else
        limit_lag(y, y_tag, x, x_tag);
    return x_tag < y_tag;
}

struct thread *share_pick(struct list *fifo)
{
    struct thread *best = CONTAINER_OF(fifo->next, struct thread, run_node);
    unsigned seen = 0;
    LIST_FOR_EACH(node, fifo)
    {
        struct thread *thread = CONTAINER_OF(node, struct thread, run_node);
        if (seen++ == PICK_MAX)
            break;
        if (has_turn_before(thread, best))
            best = thread;
    }
    return best;
}
