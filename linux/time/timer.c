/* The timers' thread and its queue. linux/timer.h.
 *
 * The thread sleeps on a word that every change of the first deadline counts up. It calls `expire`
 * with no lock, and says whose it is calling, so that timer_stop can wait. Without timers it ends
 * after a while.
 */
#include <linux/abi/errno.h>
#include <linux/lock.h>
#include <linux/machine.h>
#include <linux/timer.h>

#define IDLE_NS 50000000ull

static struct rt_lock lock; /* `timers` */
static struct tree queue;
static struct timer *running; /* the thread calls its `expire` */
static struct vcpu *thread;
static uint32_t changed; /* atomic */
static uint32_t done;    /* atomic: counts calls that ended */

static struct timer *node_timer(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct timer, node);
}

static bool timer_before(const struct tree_node *a, const struct tree_node *b)
{
    return node_timer(a)->deadline_ns < node_timer(b)->deadline_ns;
}

/* With the lock: the first, if its time has come; else when it will, or MACHINE_NEVER. */
static struct timer *take_due(uint64_t *next_ns_out)
{
    struct tree_node *node = tree_first(&queue);
    *next_ns_out = MACHINE_NEVER;
    if (node == NULL)
        return NULL;
    struct timer *timer = node_timer(node);
    *next_ns_out = timer->deadline_ns;
    if (timer->deadline_ns > machine_now_ns())
        return NULL;
    tree_remove(&queue, node);
    tree_node_init(node);
    return timer;
}

/* Nothing to do, and nothing came: the next timer starts another thread. */
static void end_if_idle(uint64_t next_ns)
{
    if (next_ns != MACHINE_NEVER)
        return;
    rt_lock(&lock);
    bool idle = tree_empty(&queue);
    if (idle)
        thread = NULL;
    rt_unlock(&lock);
    if (idle)
        vcpu_exit();
}

static void run_one(struct timer *timer)
{
    timer->expire(timer);
    rt_lock(&lock);
    running = NULL;
    rt_unlock(&lock);
    (void)__atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
    machine_wake(&done, UINT32_MAX);
}

static void timers_run(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t next_ns;
        uint32_t seen = __atomic_load_n(&changed, __ATOMIC_ACQUIRE);
        rt_lock(&lock);
        struct timer *timer = take_due(&next_ns);
        running = timer;
        rt_unlock(&lock);
        if (timer != NULL) {
            run_one(timer);
            continue;
        }
        machine_wait(&changed, seen, MIN(next_ns, machine_now_ns() + IDLE_NS));
        if (__atomic_load_n(&changed, __ATOMIC_ACQUIRE) == seen)
            end_if_idle(next_ns);
    }
}

static int thread_start(void)
{
    if (thread != NULL)
        return 0;
    int error = vcpu_create(timers_run, NULL, NULL, &thread);
    if (error != 0)
        return error;
    vcpu_start(thread);
    return 0;
}

void timer_init(struct timer *timer, void (*expire)(struct timer *timer))
{
    *timer = (struct timer){ .expire = expire };
}

int timer_start(struct timer *timer, uint64_t deadline_ns)
{
    rt_lock(&lock);
    int error = thread_start();
    bool first = false;
    if (error == 0) {
        if (tree_linked(&timer->node)) {
            tree_remove(&queue, &timer->node);
            tree_node_init(&timer->node);
        }
        timer->deadline_ns = deadline_ns;
        tree_insert(&queue, &timer->node, timer_before);
        first = tree_first(&queue) == &timer->node;
    }
    rt_unlock(&lock);
    if (first) {
        (void)__atomic_fetch_add(&changed, 1, __ATOMIC_RELEASE);
        machine_wake(&changed, 1);
    }
    return error;
}

bool timer_stop(struct timer *timer)
{
    bool waited = false;
    for (;;) {
        uint32_t seen = __atomic_load_n(&done, __ATOMIC_ACQUIRE);
        rt_lock(&lock);
        if (tree_linked(&timer->node)) {
            tree_remove(&queue, &timer->node);
            tree_node_init(&timer->node);
            waited = true;
        }
        bool is_running = running == timer && vcpu_self() != thread;
        rt_unlock(&lock);
        if (!is_running)
            return waited;
        machine_wait(&done, seen, MACHINE_NEVER);
    }
}
