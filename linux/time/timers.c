/* Timers that send signals: setitimer, alarm, timer_create. setitimer(2), timer_create(2).
 *
 * One that repeats is started again by its own expiration. A signal that has not been taken since
 * the last time is not sent twice: what was missed is told with it (the overrun). A CPU clock is
 * looked at when it could show the time at the earliest.
 *
 * posix_timers.lock comes before `signals` in linux/lock.h. `expire` holds nothing while it sends,
 * so who frees a timer takes it out of the list, waits for `expire` (timer_stop), and takes its
 * signal back.
 */
#include "time_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>
#include <linux/timer.h>
#include <linux/timers.h>

#define SHORTEST_NS 100000ull /* between two expirations */
#define CPU_LOOK_NS 1000000ull

struct signal_timer {
    struct list link; /* in posix_timers.list; itimers: in none */
    struct timer timer;
    struct process *process; /* borrowed: it ends us before it goes */
    struct task *task;       /* counted: who gets the signal; NULL: the process */
    struct task *cpu_task;   /* counted: whose CPU clock it is; NULL: the process's */
    int32_t id, clock, notify, signal;
    bool on_cpu, armed;
    uint64_t end_ns, interval_ns; /* as machine_now_ns, or the CPU clock */
    uint32_t overrun, overrun_last;
    struct signal_queued queued; /* of timer_create */
};

struct posix_timers {
    struct rt_lock lock;
    struct list list;
    int32_t next_id;
    unsigned count;
    struct signal_timer interval[3]; /* ITIMER_ */
};

/* ---- running out ---- */

static uint64_t timer_now(const struct signal_timer *timer)
{
    if (!timer->on_cpu)
        return machine_now_ns();
    return timer->cpu_task != NULL ? task_cpu_ns(timer->cpu_task) : process_cpu_ns(timer->process);
}

/* With the lock: when to look. */
static int timer_schedule(struct signal_timer *timer, uint64_t now_ns)
{
    if (!timer->on_cpu)
        return timer_start(&timer->timer, timer->end_ns);
    uint64_t left_ns = timer->end_ns > now_ns ? timer->end_ns - now_ns : 0;
    uint64_t wait_ns = MAX(left_ns / machine_cpu_count(), CPU_LOOK_NS);
    return timer_start(&timer->timer, machine_now_ns() + wait_ns);
}

/* With the lock, at or after its time: on to the next one. How many it stands for. */
static uint32_t timer_advance(struct signal_timer *timer, uint64_t now_ns)
{
    if (timer->interval_ns == 0) {
        timer->armed = false;
        return 1;
    }
    uint64_t times = (now_ns - timer->end_ns) / timer->interval_ns + 1;
    timer->end_ns += times * timer->interval_ns;
    if (!timer->on_cpu && timer->end_ns < now_ns + SHORTEST_NS) {
        uint64_t more = (now_ns + SHORTEST_NS - timer->end_ns) / timer->interval_ns + 1;
        timer->end_ns += more * timer->interval_ns;
        times += more;
    }
    return (uint32_t)MIN(times, (uint64_t)INT32_MAX);
}

static void timer_signal(struct signal_timer *timer, uint32_t times)
{
    struct posix_timers *all = timer->process->timers;
    if (timer->notify == SIGEV_NONE)
        return;
    if (timer->id < 0) {
        struct signal_info info = { .number = timer->signal, .code = SI_KERNEL };
        (void)signal_send_process(timer->process, &info);
        return;
    }
    rt_lock(&all->lock);
    timer->overrun = MIN(timer->overrun + times - 1, (uint32_t)INT32_MAX);
    rt_unlock(&all->lock);
    if (signal_send_queued(timer->process, timer->task, &timer->queued))
        return;
    rt_lock(&all->lock);
    timer->overrun = MIN(timer->overrun + 1, (uint32_t)INT32_MAX);
    rt_unlock(&all->lock);
}

/* It may be an old deadline's: whether the time has come is looked at again. */
static void timer_expired(struct timer *base)
{
    struct signal_timer *timer = CONTAINER_OF(base, struct signal_timer, timer);
    struct posix_timers *all = timer->process->timers;
    uint64_t now_ns = timer_now(timer);
    uint32_t times = 0;
    rt_lock(&all->lock);
    if (timer->armed && now_ns >= timer->end_ns)
        times = timer_advance(timer, now_ns);
    if (timer->armed)
        (void)timer_schedule(timer, now_ns); /* this is the thread that it needs */
    rt_unlock(&all->lock);
    if (times != 0)
        timer_signal(timer, times);
}

/* ---- setting and asking ---- */

static void timer_read(struct signal_timer *timer, uint64_t now_ns, uint64_t *left_ns,
                       uint64_t *interval_ns)
{
    *interval_ns = timer->interval_ns;
    *left_ns = 0;
    if (timer->armed)
        *left_ns = timer->end_ns > now_ns ? timer->end_ns - now_ns : 1;
}

struct timer_setting {
    uint64_t value_ns, interval_ns;
    bool absolute;
};

/* With the lock. */
static int timer_set(struct signal_timer *timer, const struct timer_setting *new, uint64_t now_ns)
{
    int error = 0;
    timer->armed = false;
    timer->overrun = timer->overrun_last = 0;
    timer->interval_ns = new->interval_ns;
    if (new->value_ns == 0)
        return 0;
    if (timer->on_cpu)
        timer->end_ns = new->absolute ? new->value_ns : now_ns + new->value_ns;
    else
        error = time_deadline(timer->clock, new->value_ns, new->absolute, &timer->end_ns);
    if (error == 0)
        error = timer_schedule(timer, now_ns);
    timer->armed = error == 0;
    return error;
}

static int timer_exchange(struct signal_timer *timer, const struct timer_setting *new,
                          uint64_t *left_ns, uint64_t *interval_ns)
{
    struct posix_timers *all = timer->process->timers;
    uint64_t now_ns = timer_now(timer);
    rt_lock(&all->lock);
    timer_read(timer, now_ns, left_ns, interval_ns);
    int error = new == NULL ? 0 : timer_set(timer, new, now_ns);
    rt_unlock(&all->lock);
    return error;
}

/* ---- lives ---- */

int process_timers_create(struct process *process)
{
    static const int32_t signals[] = { SIGALRM, SIGVTALRM, SIGPROF };
    struct posix_timers *all = heap_alloc(sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    list_init(&all->list);
    for (unsigned i = 0; i < ARRAY_LEN(all->interval); i++) {
        struct signal_timer *timer = &all->interval[i];
        timer_init(&timer->timer, timer_expired);
        list_init(&timer->link);
        timer->process = process;
        timer->id = -1;
        timer->clock = CLOCK_MONOTONIC;
        timer->on_cpu = i != ITIMER_REAL;
        timer->signal = signals[i];
    }
    process->timers = all;
    return 0;
}

/* It is in no list any more. */
static void timer_free(struct signal_timer *timer)
{
    (void)timer_stop(&timer->timer);
    (void)signal_unqueue(timer->process, &timer->queued);
    if (timer->task != NULL)
        task_put(timer->task);
    if (timer->cpu_task != NULL)
        task_put(timer->cpu_task);
    heap_free(timer);
}

void process_timers_exec(struct process *process)
{
    struct posix_timers *all = process->timers;
    for (;;) {
        rt_lock(&all->lock);
        struct list *link = list_pop_front(&all->list);
        if (link == NULL)
            all->count = 0;
        rt_unlock(&all->lock);
        if (link == NULL)
            return;
        timer_free(CONTAINER_OF(link, struct signal_timer, link));
    }
}

void process_timers_end(struct process *process)
{
    struct posix_timers *all = process->timers;
    process_timers_exec(process);
    for (unsigned i = 0; i < ARRAY_LEN(all->interval); i++) {
        rt_lock(&all->lock);
        all->interval[i].armed = false;
        rt_unlock(&all->lock);
        (void)timer_stop(&all->interval[i].timer);
    }
}

void process_timers_free(struct process *process)
{
    heap_free(process->timers);
}

/* With the lock. */
static struct signal_timer *timer_find(struct posix_timers *all, int32_t id)
{
    LIST_FOR_EACH(link, &all->list)
    {
        struct signal_timer *timer = CONTAINER_OF(link, struct signal_timer, link);
        if (timer->id == id)
            return timer;
    }
    return NULL;
}

void process_timers_taken(struct process *process, struct signal_info *info)
{
    struct posix_timers *all = process->timers;
    rt_lock(&all->lock);
    struct signal_timer *timer = timer_find(all, info->of.timer.timer);
    if (timer != NULL) {
        timer->overrun_last = timer->overrun;
        timer->overrun = 0;
        info->of.timer.overrun = (int32_t)timer->overrun_last;
    }
    rt_unlock(&all->lock);
}

/* ---- setitimer and alarm ---- */

static int itimerval_out(uaddr_t to, uint64_t left_ns, uint64_t interval_ns)
{
    struct linux_itimerval told = {
        .interval = { (int64_t)(interval_ns / NS_PER_SECOND),
                      (int64_t)(interval_ns % NS_PER_SECOND / NS_PER_MICROSECOND) },
        .value = { (int64_t)(left_ns / NS_PER_SECOND),
                   (int64_t)(left_ns % NS_PER_SECOND / NS_PER_MICROSECOND) },
    };
    /* Less than a microsecond is not nothing. */
    if (left_ns != 0 && told.value.seconds == 0 && told.value.microseconds == 0)
        told.value.microseconds = 1;
    return copy_out(to, &told, sizeof(told));
}

int64_t linux_getitimer(int32_t which, uaddr_t to)
{
    uint64_t left_ns;
    uint64_t interval_ns;
    if (which < 0 || which > ITIMER_PROF)
        return -EINVAL;
    (void)timer_exchange(&task_self()->process->timers->interval[which], NULL, &left_ns,
                         &interval_ns);
    return itimerval_out(to, left_ns, interval_ns);
}

int64_t linux_setitimer(int32_t which, uaddr_t new_at, uaddr_t old_at)
{
    struct timer_setting new = { 0 };
    uint64_t left_ns;
    uint64_t interval_ns;
    if (which < 0 || which > ITIMER_PROF)
        return -EINVAL;
    int error = 0;
    if (new_at != 0)
        error = timeval_in(new_at, &new.interval_ns);
    if (error == 0 && new_at != 0)
        error = timeval_in(new_at + sizeof(struct linux_timeval), &new.value_ns);
    if (error == 0)
        error = timer_exchange(&task_self()->process->timers->interval[which], &new, &left_ns,
                               &interval_ns);
    if (error != 0 || old_at == 0)
        return error;
    return itimerval_out(old_at, left_ns, interval_ns);
}

int64_t linux_alarm(uint32_t seconds)
{
    struct timer_setting new = { .value_ns = (uint64_t)seconds * NS_PER_SECOND };
    uint64_t left_ns;
    uint64_t interval_ns;
    (void)timer_exchange(&task_self()->process->timers->interval[ITIMER_REAL], &new, &left_ns,
                         &interval_ns);
    if (left_ns == 0)
        return 0;
    return (int64_t)MAX((left_ns + NS_PER_SECOND / 2) / NS_PER_SECOND, (uint64_t)1);
}

/* ---- timer_create and its like ---- */

/* Which clock, and if a CPU's, whose. */
static int timer_set_clock(struct signal_timer *timer, int32_t clock)
{
    struct task *self = task_self();
    uint64_t ns;
    timer->clock = clock;
    if (clock >= 0 && clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
        return time_deadline(clock, 0, false, &ns) != 0 && clock_now(clock, &ns) == 0
                   ? -EOPNOTSUPP
                   : time_deadline(clock, 0, false, &ns);
    timer->on_cpu = true;
    if (clock == CLOCK_PROCESS_CPUTIME_ID)
        return 0;
    int32_t id = clock == CLOCK_THREAD_CPUTIME_ID ? 0 : ~(clock >> 3);
    bool thread = clock == CLOCK_THREAD_CPUTIME_ID || (clock & 4) != 0;
    struct task *task = id == 0 ? task_get(self) : task_find(id);
    if (task == NULL)
        return -EINVAL;
    if (task->process != self->process) {
        task_put(task);
        return -EINVAL;
    }
    if (thread)
        timer->cpu_task = task;
    else
        task_put(task);
    return 0;
}

static int timer_set_event(struct signal_timer *timer, uaddr_t event_at)
{
    struct linux_sigevent event = { .value = (uint64_t)timer->id,
                                    .signal = SIGALRM,
                                    .notify = SIGEV_SIGNAL };
    if (event_at != 0 && copy_in(&event, event_at, sizeof(event)) != 0)
        return -EFAULT;
    if (event.notify != SIGEV_NONE && event.notify != SIGEV_SIGNAL &&
        event.notify != SIGEV_THREAD && event.notify != SIGEV_THREAD_ID)
        return -EINVAL;
    if (event.notify != SIGEV_NONE && (event.signal < 1 || event.signal > SIGNAL_COUNT))
        return -EINVAL;
    if (event.notify == SIGEV_THREAD_ID) {
        timer->task = task_find(event.tid);
        if (timer->task == NULL || timer->task->process != timer->process)
            return -EINVAL;
    }
    timer->notify = event.notify;
    timer->queued.info.number = timer->signal = event.signal;
    timer->queued.info.code = SI_TIMER;
    timer->queued.info.of.timer.timer = timer->id;
    timer->queued.info.of.timer.value = event.value;
    return 0;
}

/* An id, if there are not too many. */
static int timer_reserve(struct posix_timers *all)
{
    rt_lock(&all->lock);
    bool room = all->count < resource_limit(RLIMIT_SIGPENDING);
    int32_t id = all->next_id;
    if (room) {
        all->count++;
        all->next_id = id == INT32_MAX ? 0 : id + 1;
        while (timer_find(all, all->next_id) != NULL)
            all->next_id++;
    }
    rt_unlock(&all->lock);
    return room ? id : -EAGAIN;
}

static void timer_unreserve(struct posix_timers *all)
{
    rt_lock(&all->lock);
    all->count--;
    rt_unlock(&all->lock);
}

static int timer_make(int32_t clock, uaddr_t event_at, int32_t id, struct signal_timer **timer_out)
{
    struct signal_timer *timer = heap_alloc(sizeof(*timer));
    if (timer == NULL)
        return -EAGAIN;
    list_init(&timer->link);
    list_init(&timer->queued.link);
    timer_init(&timer->timer, timer_expired);
    timer->process = task_self()->process;
    timer->id = id;
    int error = timer_set_clock(timer, clock);
    if (error == 0)
        error = timer_set_event(timer, event_at);
    if (error != 0)
        timer_free(timer);
    else
        *timer_out = timer;
    return error;
}

int64_t linux_timer_create(int32_t clock, uaddr_t event_at, uaddr_t id_at)
{
    struct posix_timers *all = task_self()->process->timers;
    struct signal_timer *timer;
    int32_t id = timer_reserve(all);
    if (id < 0)
        return id;
    int error = timer_make(clock, event_at, id, &timer);
    if (error == 0 && copy_out(id_at, &id, sizeof(id)) != 0) {
        timer_free(timer);
        error = -EFAULT;
    }
    if (error != 0) {
        timer_unreserve(all);
        return error;
    }
    rt_lock(&all->lock);
    list_push_back(&all->list, &timer->link);
    rt_unlock(&all->lock);
    return 0;
}

/* Found under the lock, which who asks keeps: NULL without it. */
static int timer_call(int32_t id, const struct timer_setting *new, uint64_t *left_ns,
                      uint64_t *interval_ns)
{
    struct posix_timers *all = task_self()->process->timers;
    int error = -EINVAL;
    rt_lock(&all->lock);
    struct signal_timer *timer = timer_find(all, id);
    if (timer != NULL) {
        uint64_t now_ns = timer_now(timer);
        timer_read(timer, now_ns, left_ns, interval_ns);
        error = new == NULL ? 0 : timer_set(timer, new, now_ns);
    }
    rt_unlock(&all->lock);
    return error;
}

int64_t linux_timer_settime(int32_t id, int32_t flags, uaddr_t new_at, uaddr_t old_at)
{
    struct timer_setting new = { .absolute = (flags & TIMER_ABSTIME) != 0 };
    uint64_t left_ns;
    uint64_t interval_ns;
    if (new_at == 0)
        return -EINVAL;
    int error = time_in(new_at, &new.interval_ns);
    if (error == 0)
        error = time_in(new_at + sizeof(struct linux_timespec), &new.value_ns);
    if (error == 0)
        error = timer_call(id, &new, &left_ns, &interval_ns);
    if (error != 0 || old_at == 0)
        return error;
    error = time_out(old_at, interval_ns);
    return error != 0 ? error : time_out(old_at + sizeof(struct linux_timespec), left_ns);
}

int64_t linux_timer_gettime(int32_t id, uaddr_t to)
{
    uint64_t left_ns;
    uint64_t interval_ns;
    int error = timer_call(id, NULL, &left_ns, &interval_ns);
    if (error == 0)
        error = time_out(to, interval_ns);
    return error != 0 ? error : time_out(to + sizeof(struct linux_timespec), left_ns);
}

int64_t linux_timer_getoverrun(int32_t id)
{
    struct posix_timers *all = task_self()->process->timers;
    rt_lock(&all->lock);
    struct signal_timer *timer = timer_find(all, id);
    int64_t overrun = timer == NULL ? -EINVAL : (int64_t)timer->overrun_last;
    rt_unlock(&all->lock);
    return overrun;
}

int64_t linux_timer_delete(int32_t id)
{
    struct posix_timers *all = task_self()->process->timers;
    rt_lock(&all->lock);
    struct signal_timer *timer = timer_find(all, id);
    if (timer != NULL) {
        list_remove(&timer->link);
        all->count--;
    }
    rt_unlock(&all->lock);
    if (timer == NULL)
        return -EINVAL;
    timer_free(timer);
    return 0;
}
