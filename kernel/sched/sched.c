/* The scheduler.
 *
 * Everything is decided in sched_next, at the kernel exit: what others do (wake, kill, move) only
 * changes queues under their locks and makes the CPU concerned come here.
 *
 * A thread that stops running is handed on in two steps. Under the queue's lock it gets its new
 * state; once its registers are complete in memory, THREAD_ON_CPU goes. Whoever picks it up
 * meanwhile waits for that (wait_off_cpu), with no lock held.
 */
#include <arch/context.h>
#include <kernel/coroutine.h>
#include <kernel/guest.h>
#include <kernel/ipi.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/switch.h>

/* How many waiting threads are looked at, with a queue locked, for one that another CPU may run.
 * Only affinities that forbid it make more than the first one necessary.
 */
enum { SCAN_MAX = 64 };

static struct cpu_mask idle_cpus; /* [A] hints: CPUs with nothing to run */

static struct thread *thread_of(struct list *node)
{
    return CONTAINER_OF(node, struct thread, run_node);
}

void sched_init_cpu(struct cpu *cpu)
{
    struct run_queue *queue = &cpu->queue;
    spinlock_init(&queue->lock, RANK_RUN_QUEUE);
    for (unsigned i = 0; i < PRIORITY_COUNT; i++)
        list_init(&queue->fifo[i]);
    timer_queue_init(&cpu->timers);
}

/* ---- Locks ---- */

/* Lock the queue that a thread belongs to now. Its `cpu` changes only with that queue locked. */
static struct cpu *lock_thread(struct thread *thread) NO_LOCK_ANALYSIS
{
    for (;;) {
        struct cpu *cpu = __atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE);
        spinlock_acquire(&cpu->queue.lock);
        if (LIKELY(thread->cpu == cpu))
            return cpu;
        spinlock_release(&cpu->queue.lock);
    }
}

static void unlock(struct cpu *cpu) NO_LOCK_ANALYSIS
{
    spinlock_release(&cpu->queue.lock);
}

/* Two queues at once, the lower CPU index first; the rank of the second one says so to the checker.
 */
static void lock_two(struct cpu *a, struct cpu *b) NO_LOCK_ANALYSIS
{
    struct cpu *first = a->index < b->index ? a : b;
    struct cpu *second = first == a ? b : a;
    spinlock_acquire(&first->queue.lock);
    if (second != first)
        spinlock_acquire_second(&second->queue.lock, RANK_RUN_QUEUE_2);
}

static void unlock_two(struct cpu *a, struct cpu *b) NO_LOCK_ANALYSIS
{
    spinlock_release(&a->queue.lock);
    if (a != b)
        spinlock_release(&b->queue.lock);
}

/* ---- Where to run ---- */

static bool is_on_cpu(const struct thread *thread)
{
    return (__atomic_load_n(&thread->presence, __ATOMIC_ACQUIRE) & THREAD_ON_CPU) != 0;
}

static bool allowed(const struct thread *thread, const struct cpu *cpu)
{
    return (thread->affinity.word[cpu->index / 64] & BIT64(cpu->index % 64)) != 0;
}

static bool online(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) != 0;
}

/* An idle CPU that `thread` may run on, or NULL. A hint: it may have found work meanwhile. */
static struct cpu *find_idle(const struct thread *thread)
{
    for (uint32_t i = 0; i * 64 < cpu_count; i++) {
        uint64_t idle =
            __atomic_load_n(&idle_cpus.word[i], __ATOMIC_RELAXED) & thread->affinity.word[i];
        if (idle != 0)
            return cpu_get(i * 64 + (uint32_t)__builtin_ctzll(idle));
    }
    return NULL;
}

/* No longer idle; false if it was not any more. */
static bool take_idle(struct cpu *cpu)
{
    uint64_t bit = BIT64(cpu->index % 64);
    uint64_t *word = &idle_cpus.word[cpu->index / 64];
    return (__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

/* Make an idle CPU come and look for work to steal. Each is called once, until it says again that
 * it is idle: the next thread that waits calls another. False if somebody else was faster.
 */
static bool call_idle(struct cpu *idle)
{
    if (!take_idle(idle))
        return false;
    ipi_reschedule(idle);
    return true;
}

static bool any_idle(void)
{
    uint32_t i = 0;
    do {
        if (__atomic_load_n(&idle_cpus.word[i], __ATOMIC_RELAXED) != 0)
            return true;
    } while (UNLIKELY(++i * 64 < cpu_count));
    return false;
}

/* ---- Queues: all with the queue's lock held ---- */

static void queue_insert(struct run_queue *queue, struct thread *thread, bool at_head)
{
    struct list *fifo = &queue->fifo[thread->priority];
    DEBUG_ASSERT(!list_linked(&thread->run_node));
    if (at_head)
        list_push_front(fifo, &thread->run_node);
    else
        list_push_back(fifo, &thread->run_node);
    queue->ready |= BIT64(thread->priority);
    WRITE_ONCE(queue->ready_count, queue->ready_count + 1);
}

static void queue_remove(struct run_queue *queue, struct thread *thread)
{
    list_remove(&thread->run_node);
    if (list_empty(&queue->fifo[thread->priority]))
        queue->ready &= ~BIT64(thread->priority);
    WRITE_ONCE(queue->ready_count, queue->ready_count - 1);
}

/* The highest priority that waits here; -1 if none. */
static int queue_best(const struct run_queue *queue)
{
    return queue->ready == 0 ? -1 : 63 - __builtin_clzll(queue->ready);
}

/* Work waits on a CPU that is busy: an idle one should come and steal it. The fence pairs with the
 * one in sched_next: either the idle CPU sees the work, or we see the idle CPU.
 */
static void nudge_idle(const struct thread *thread)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    struct cpu *idle = find_idle(thread);
    while (idle != NULL && !call_idle(idle))
        idle = find_idle(thread);
}

/* Call an idle CPU for each of the first waiting threads that one may run. Queue locked. */
static void nudge_for_first(const struct run_queue *queue)
{
    unsigned seen = 0;
    for (uint64_t left = queue->ready; left != 0;) {
        unsigned priority = 63 - (unsigned)__builtin_clzll(left);
        left &= ~BIT64(priority);
        LIST_FOR_EACH(node, &queue->fifo[priority])
        {
            if (seen++ == SCAN_MAX || !any_idle())
                return;
            nudge_idle(thread_of(node));
        }
    }
}

/* Threads wait in a busy CPU's queue. */
static void nudge_for_waiting(struct cpu *cpu)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (LIKELY(!any_idle()))
        return;
    spinlock_acquire(&cpu->queue.lock);
    nudge_for_first(&cpu->queue);
    spinlock_release(&cpu->queue.lock);
}

/* This CPU was called, but has got work of its own meanwhile. */
static void pass_call_on(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (READ_ONCE(cpu_get(i)->queue.ready_count) != 0)
            nudge_for_waiting(cpu_get(i));
    }
}

/* Queue a thread that became ready; the CPU must look if that changes what it should do: run the
 * thread at once, or begin to count the slice of the one that runs.
 */
static void enqueue_ready(struct cpu *cpu, struct thread *thread)
{
    struct run_queue *queue = &cpu->queue;
    bool first_of_its_priority = list_empty(&queue->fifo[thread->priority]);
    const struct thread *running = queue->running;

    thread->state = THREAD_READY;
    queue_insert(queue, thread, false);
    if (running == NULL || thread->priority > running->priority ||
        (thread->priority == running->priority && first_of_its_priority))
        ipi_reschedule(cpu);
    if (running != NULL)
        nudge_idle(thread);
    else
        cpu_mask_clear(&idle_cpus, cpu->index); /* it has something to do: call others for more */
}

/* The home CPU if the thread can run there at once, else an idle one, else home if it may be there.
 */
static struct cpu *choose_cpu(const struct thread *thread, struct cpu *home)
{
    bool home_allowed = allowed(thread, home) && online(home);
    const struct thread *running = READ_ONCE(home->queue.running);
    if (home_allowed && home->queue.ready_count == 0 && running == NULL)
        return home;

    struct cpu *idle = find_idle(thread);
    if (idle != NULL)
        return idle;
    if (home_allowed)
        return home;
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (allowed(thread, cpu_get(i)) && online(cpu_get(i)))
            return cpu_get(i);
    }
    return home; /* unreachable: an affinity always names an online CPU */
}

static void change_cpu(struct thread *thread, struct cpu *to)
{
    if (thread->cpu == to)
        return;
    thread->astray = !allowed(thread, to);
    cpu_self()->migrations++;
    __atomic_store_n(&thread->cpu, to, __ATOMIC_RELEASE);
}

/* Make a thread in `state` READY on the CPU where it should be, or SUSPENDED: who was killed runs
 * no more, and whoever killed it looks again when its wait is over. False if it is not in that
 * state.
 */
static bool make_ready(struct thread *thread, enum thread_state state)
{
    for (;;) {
        struct cpu *home = __atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE);
        struct cpu *target = choose_cpu(thread, home);
        lock_two(home, target);
        bool right = thread->state == state;
        /* Both were read without a lock: by now it may be elsewhere, or have another affinity. */
        if (UNLIKELY(thread->cpu != home || (right && !allowed(thread, target)))) {
            unlock_two(home, target);
            continue;
        }
        if (right && UNLIKELY(thread->attention != 0)) {
            thread->state = THREAD_SUSPENDED;
        } else if (right) {
            change_cpu(thread, target);
            enqueue_ready(target, thread);
        }
        unlock_two(home, target);
        return right;
    }
}

/* ---- What threads and others ask for ---- */

/* With the queue locked. True if thread_over is the caller's to call, as soon as it holds no lock:
 * no CPU is on the thread. One that is does so when it leaves.
 */
static bool set_dead(struct thread *thread, enum thread_end end)
{
    thread->started = thread->state != THREAD_NEW;
    thread->end = end;
    thread->state = THREAD_DEAD;
    uint32_t before = __atomic_fetch_or(&thread->presence, THREAD_OVER, __ATOMIC_ACQ_REL);
    return (before & THREAD_ON_CPU) == 0;
}

bool sched_block(struct thread *thread)
{
    struct cpu *cpu = cpu_self();
    spinlock_acquire(&cpu->queue.lock);
    DEBUG_ASSERT(cpu->queue.running == thread && thread->state == THREAD_RUNNING);
    /* A kill that came first wins: it has not seen a wait that it would have to end. */
    bool killed = (thread->attention & THREAD_KILL) != 0;
    if (LIKELY(!killed)) {
        thread->state = THREAD_BLOCKED;
        WRITE_ONCE(cpu->queue.running, NULL);
    }
    spinlock_release(&cpu->queue.lock);
    cpu->need_resched = 1;
    return !killed;
}

void thread_end_current(enum thread_end end)
{
    struct cpu *cpu = cpu_self();
    struct thread *thread = cpu->current;
    spinlock_acquire(&cpu->queue.lock);
    DEBUG_ASSERT(cpu->queue.running == thread && thread->state == THREAD_RUNNING);
    (void)set_dead(thread, end); /* we are on it */
    WRITE_ONCE(cpu->queue.running, NULL);
    spinlock_release(&cpu->queue.lock);
    cpu->need_resched = 1;
}

bool sched_wake(struct thread *thread)
{
    return make_ready(thread, THREAD_BLOCKED);
}

void sched_yield_current(void)
{
    struct cpu *cpu = cpu_self();
    cpu->yielded = true;
    cpu->need_resched = 1;
}

enum status thread_start(struct thread *thread)
{
    /* The scheduler's reference comes first: the thread may run and die before we return. The last
     * one may be gone, too, if its capability is closed elsewhere at this moment.
     */
    if (!object_try_get(&thread->object))
        return ERR_DEAD;
    if (make_ready(thread, THREAD_NEW))
        return OK;
    thread_put(thread);
    return ERR_STATE;
}

/* Queue locked. True as for set_dead; else it dies by itself, or when its wait has been ended. */
static bool kill_locked(struct cpu *cpu, struct thread *thread, wait_cancel **cancel_out)
{
    thread->attention |= THREAD_KILL;
    switch (thread->state) {
    case THREAD_BLOCKED:
        *cancel_out = __atomic_load_n(&thread->wait.cancel, __ATOMIC_ACQUIRE);
        return *cancel_out == NULL && set_dead(thread, THREAD_END_KILLED);
    case THREAD_NEW:
    case THREAD_SUSPENDED:
        return set_dead(thread, THREAD_END_KILLED);
    case THREAD_READY:
        if (!list_linked(&thread->run_node))
            return false; /* on its way to another CPU: see move_away */
        queue_remove(&cpu->queue, thread);
        return set_dead(thread, THREAD_END_KILLED);
    case THREAD_RUNNING:
        ipi_reschedule(cpu);
        return false;
    case THREAD_DEAD:
        break;
    }
    return false;
}

bool wait_renew(struct thread *thread, wait_cancel *cancel)
{
    struct cpu *cpu = lock_thread(thread);
    bool blocked = thread->state == THREAD_BLOCKED;
    if (blocked)
        __atomic_store_n(&thread->wait.cancel, cancel, __ATOMIC_RELEASE);
    unlock(cpu);
    return blocked;
}

/* A thread that is to die begins no wait, so there is one to end at most. */
void thread_kill(struct thread *thread)
{
    wait_cancel *cancel;
    do {
        cancel = NULL;
        struct cpu *cpu = lock_thread(thread);
        bool release = kill_locked(cpu, thread, &cancel);
        unlock(cpu);
        if (release)
            thread_over(thread);
        if (cancel != NULL)
            cancel(thread, ERR_CANCELLED);
    } while (cancel != NULL);
}

enum status thread_suspend(struct thread *thread)
{
    enum status status = OK;
    struct cpu *cpu = lock_thread(thread);
    switch (thread->state) {
    case THREAD_NEW:
        status = ERR_STATE;
        break;
    case THREAD_DEAD:
        status = ERR_DEAD;
        break;
    case THREAD_READY:
        if (list_linked(&thread->run_node)) {
            queue_remove(&cpu->queue, thread);
            thread->state = THREAD_SUSPENDED;
        }
        thread->attention |= THREAD_SUSPEND;
        break;
    default:
        thread->attention |= THREAD_SUSPEND;
        if (thread->state == THREAD_RUNNING)
            ipi_reschedule(cpu);
        break;
    }
    if (status == OK && (thread->state == THREAD_RUNNING || is_on_cpu(thread)))
        status = ERR_WOULD_BLOCK;
    unlock(cpu);
    return status;
}

enum status thread_resume(struct thread *thread)
{
    struct cpu *cpu = lock_thread(thread);
    bool suspended = thread->state != THREAD_DEAD && (thread->attention & THREAD_SUSPEND) != 0;
    thread->attention &= (uint8_t)~THREAD_SUSPEND;
    unlock(cpu);
    if (!suspended)
        return ERR_STATE;
    (void)make_ready(thread, THREAD_SUSPENDED);
    return OK;
}

bool sched_off_cpu(struct thread *thread, void (*action)(struct thread *thread))
{
    struct cpu *cpu = lock_thread(thread);
    bool off = thread->state != THREAD_RUNNING && !is_on_cpu(thread);
    if (!off)
        ipi_reschedule(cpu);
    else if (action != NULL)
        action(thread);
    unlock(cpu);
    return off;
}

/* With the queue locked, so that it stays as it is. */
static enum status registers_locked(struct thread *thread, struct guest_registers *registers,
                                    bool write, wait_cancel **cancel_out)
{
    bool suspended = (thread->attention & THREAD_SUSPEND) != 0;
    if (thread->state == THREAD_DEAD)
        return ERR_DEAD;
    if (thread->state != THREAD_NEW && !suspended)
        return ERR_STATE;
    if (thread->state == THREAD_RUNNING || thread->state == THREAD_READY || is_on_cpu(thread))
        return ERR_WOULD_BLOCK;
    if (write && thread->guest.inside)
        return ERR_STATE;
    if (write && thread->state == THREAD_BLOCKED) {
        *cancel_out = __atomic_load_n(&thread->wait.cancel, __ATOMIC_ACQUIRE);
        return ERR_WOULD_BLOCK;
    }
    if (write) {
        thread->grace_ticket = 0; /* the call that it would have made again is gone */
        return arch_thread_registers_write(thread, registers);
    }
    arch_thread_registers_read(thread, registers);
    return OK;
}

enum status thread_registers(struct thread *thread, struct guest_registers *registers, bool write)
{
    for (;;) {
        wait_cancel *cancel = NULL;
        struct cpu *cpu = lock_thread(thread);
        enum status status = registers_locked(thread, registers, write, &cancel);
        unlock(cpu);
        if (cancel == NULL)
            return status;
        cancel(thread, ERR_CANCELLED);
    }
}

bool thread_is_dead(const struct thread *thread)
{
    return __atomic_load_n(&thread->presence, __ATOMIC_ACQUIRE) == THREAD_OVER;
}

/* Its priority is its own or the one that is lent to it, whichever is higher. Queue locked. */
static void update_priority(struct cpu *cpu, struct thread *thread)
{
    uint8_t priority = MAX(thread->own_priority, thread->lent_priority);
    if (priority == thread->priority)
        return;
    if (thread->state == THREAD_READY && list_linked(&thread->run_node)) {
        queue_remove(&cpu->queue, thread);
        thread->priority = priority;
        enqueue_ready(cpu, thread);
    } else {
        thread->priority = priority;
        if (thread->state == THREAD_RUNNING)
            ipi_reschedule(cpu);
    }
}

enum status sched_set_priority(struct thread *thread, unsigned priority)
{
    enum status status = OK;
    if (priority >= PRIORITY_COUNT)
        return ERR_RANGE;
    struct cpu *cpu = lock_thread(thread);
    if (priority > thread->ceiling) {
        status = ERR_ACCESS;
    } else {
        thread->own_priority = (uint8_t)priority;
        update_priority(cpu, thread);
    }
    unlock(cpu);
    return status;
}

void sched_set_ceiling(struct thread *thread, unsigned ceiling)
{
    struct cpu *cpu = lock_thread(thread);
    __atomic_store_n(&thread->ceiling, (uint8_t)ceiling, __ATOMIC_RELAXED);
    thread->own_priority = MIN(thread->own_priority, (uint8_t)ceiling);
    update_priority(cpu, thread);
    unlock(cpu);
}

void sched_lend(struct thread *thread, uint8_t priority)
{
    if (READ_ONCE(thread->lent_priority) == priority)
        return;
    struct cpu *cpu = lock_thread(thread);
    thread->lent_priority = priority;
    update_priority(cpu, thread);
    unlock(cpu);
}

static bool names_online_cpu(const struct cpu_mask *mask)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if ((mask->word[i / 64] & BIT64(i % 64)) != 0 && online(cpu_get(i)))
            return true;
    }
    return false;
}

enum status sched_set_affinity(struct thread *thread, const struct cpu_mask *affinity)
{
    if (!names_online_cpu(affinity))
        return ERR_INVALID;

    struct cpu *cpu = lock_thread(thread);
    thread->affinity = *affinity;
    thread->astray = !allowed(thread, cpu);
    bool move = false;
    if (!allowed(thread, cpu)) {
        if (thread->state == THREAD_RUNNING) {
            ipi_reschedule(cpu); /* it moves itself, in sched_next */
        } else if (thread->state == THREAD_READY && list_linked(&thread->run_node)) {
            /* Blocked for a moment, so that nobody but make_ready moves it. */
            queue_remove(&cpu->queue, thread);
            thread->state = THREAD_BLOCKED;
            move = true;
        }
    } else if (thread->state == THREAD_READY) {
        nudge_idle(thread); /* CPUs that were out of its reach may idle */
    }
    unlock(cpu);
    if (move)
        (void)make_ready(thread, THREAD_BLOCKED);
    return OK;
}

void sched_tick(struct cpu *cpu, uint64_t now_ns)
{
    if (now_ns < cpu->slice_end_ns)
        return;
    cpu->need_resched = 1;
    cpu->slice_end_ns = DEADLINE_NEVER; /* the timer has done its part: not once more for this */
}

/* ---- Choosing ---- */

/* Another CPU may still be storing the thread's registers: short, since it does so with masked
 * interrupts and no lock.
 */
static void wait_off_cpu(const struct thread *thread)
{
    while (UNLIKELY(is_on_cpu(thread))) {
        ipi_poll();
        arch_relax();
    }
}

/* The best thread of `victim` that may run here. Threads whose state is not complete are left
 * alone. */
static struct thread *steal_candidate(struct cpu *victim, const struct cpu *thief)
{
    struct run_queue *queue = &victim->queue;
    unsigned seen = 0;
    for (uint64_t left = queue->ready; left != 0;) {
        unsigned priority = 63 - (unsigned)__builtin_clzll(left);
        left &= ~BIT64(priority);
        LIST_FOR_EACH(node, &queue->fifo[priority])
        {
            struct thread *thread = thread_of(node);
            if (allowed(thread, thief) && !is_on_cpu(thread))
                return thread;
            if (++seen == SCAN_MAX)
                return NULL;
        }
    }
    return NULL;
}

/* Take a waiting thread from a busier CPU into our queue; returns that CPU, or NULL. */
static struct cpu *steal(struct cpu *self)
{
    for (uint32_t i = 1; i < cpu_count; i++) {
        struct cpu *victim = cpu_get((self->index + i) % cpu_count);
        if (READ_ONCE(victim->queue.ready_count) == 0)
            continue;
        lock_two(self, victim);
        struct thread *thread = steal_candidate(victim, self);
        if (thread != NULL) {
            queue_remove(&victim->queue, thread);
            change_cpu(thread, self);
            queue_insert(&self->queue, thread, false);
        }
        unlock_two(self, victim);
        if (thread != NULL)
            return victim;
    }
    return NULL;
}

/* Account the time of the thread that ran; true if its slice is used up or given up. */
static bool charge(struct cpu *cpu, struct thread *thread, uint64_t now_ns)
{
    uint64_t used = now_ns - cpu->run_since_ns;
    thread->run_ns += used;
    cpu->run_since_ns = now_ns;
    bool over = cpu->yielded || used >= cpu->slice_left_ns;
    thread->slice_left_ns = over ? SCHED_SLICE_NS : cpu->slice_left_ns - used;
    cpu->yielded = false;
    return over;
}

/* What happens to the thread that ran until now. Queue locked. Returns it if it must leave this
 * CPU. */
static struct thread *retire_running(struct cpu *cpu, struct thread *thread, bool slice_over)
{
    struct run_queue *queue = &cpu->queue;
    if (UNLIKELY(thread->attention != 0)) {
        if ((thread->attention & THREAD_KILL) != 0)
            (void)set_dead(thread, THREAD_END_KILLED); /* we are on it */
        else
            thread->state = THREAD_SUSPENDED;
        WRITE_ONCE(queue->running, NULL);
        return NULL;
    }
    if (UNLIKELY(!allowed(thread, cpu))) {
        thread->state = THREAD_READY; /* ready, on no queue: in our hands */
        WRITE_ONCE(queue->running, NULL);
        return thread_get(thread);
    }
    int best = queue_best(queue);
    if (best < thread->priority || (best == thread->priority && !slice_over))
        return NULL; /* goes on */
    thread->state = THREAD_READY;
    WRITE_ONCE(queue->running, NULL);
    queue_insert(queue, thread, !slice_over);
    return NULL;
}

/* Choose, with the queue locked. NULL: nothing to run. */
static struct thread *choose(struct cpu *cpu, bool limits)
{
    struct run_queue *queue = &cpu->queue;
    if (queue->running != NULL)
        return queue->running;
    int best = queue_best(queue);
    if (best < 0)
        return NULL;
    struct thread *next = thread_of(queue->fifo[best].next);
    if (UNLIKELY(limits))
        next = share_pick(&queue->fifo[best]);
    queue_remove(queue, next);
    next->state = THREAD_RUNNING;
    WRITE_ONCE(queue->running, next);
    return next;
}

/* Send a thread whose state is complete to a CPU where it may run. */
static void move_away(struct cpu *from, struct thread *thread_taken)
{
    bool release = false;
    spinlock_acquire(&from->queue.lock);
    if ((thread_taken->attention & THREAD_KILL) != 0)
        release = set_dead(thread_taken, THREAD_END_KILLED);
    else
        thread_taken->state = THREAD_BLOCKED; /* so that make_ready moves it, and nobody else */
    spinlock_release(&from->queue.lock);
    if (release)
        thread_over(thread_taken);
    else
        (void)make_ready(thread_taken, THREAD_BLOCKED);
    thread_put(thread_taken);
}

PRESERVES_MOST void sched_switch_over(struct thread *previous)
{
    thread_over(previous);
}

static void arrive(struct cpu *cpu, struct thread *next)
{
    __atomic_store_n(&next->presence, THREAD_ON_CPU, __ATOMIC_RELAXED);
    cpu->switches++;
}

/* What others want of it as a guest's, and the address space. */
static void load_guest_space(struct cpu *cpu, struct thread *next)
{
    if (UNLIKELY(__atomic_load_n(&next->guest_pending, __ATOMIC_ACQUIRE) != 0))
        guest_attend(next);
    thread_load_space(cpu, next);
}

/* Vector unit and thread pointer go from `previous` to `next`. */
static void hand_over(struct cpu *cpu, struct thread *previous, struct thread *next)
{
    arch_thread_switch(previous, next);
    cpu->current = next;
    if (previous != NULL)
        sched_let_go(previous);
}

PRESERVES_MOST void sched_switch_slowly(struct thread *previous, struct thread *next)
{
    struct cpu *cpu = cpu_self();
    arrive(cpu, next);
    hand_over(cpu, previous, next);
    load_guest_space(cpu, next);
}

static void switch_thread(struct cpu *cpu, struct thread *previous, struct thread *next)
{
    if (next != NULL && UNLIKELY(is_on_cpu(next))) {
        /* That CPU may be waiting for `previous` in the same way: let go of it first. */
        if (previous != NULL)
            hand_over(cpu, previous, NULL);
        previous = NULL;
        wait_off_cpu(next);
    }
    if (next != NULL)
        arrive(cpu, next);
    if (previous != NULL || next != NULL)
        hand_over(cpu, previous, next);
}

static struct thread *begin(struct cpu *cpu, struct thread *next, uint64_t now_ns)
{
    struct run_queue *queue = &cpu->queue;
    cpu->run_since_ns = now_ns;
    cpu->slice_left_ns = next->slice_left_ns;
    /* The slice counts only while a peer waits: otherwise the CPU is left alone. */
    bool peers = (READ_ONCE(queue->ready) & BIT64(next->priority)) != 0;
    cpu->slice_end_ns = peers ? now_ns + next->slice_left_ns : DEADLINE_NEVER;
    if (UNLIKELY(next->granted_ns != 0))
        cpu->slice_end_ns = MIN(cpu->slice_end_ns, now_ns + next->granted_ns);
    if (UNLIKELY(queue->ready_count != 0))
        nudge_for_waiting(cpu);
    load_guest_space(cpu, next);
    if (MIN(READ_ONCE(cpu->timers.next_ns), cpu->slice_end_ns) < cpu->timer_programmed_ns)
        timer_program(cpu);
    return next;
}

/* Steal, or halt until there may be something. A waker that puts a thread here sets need_resched
 * after sched_next cleared it; one that puts it elsewhere sees us among the idle CPUs, or we see
 * the thread.
 */
static void find_work(struct cpu *cpu)
{
    cpu->slice_end_ns = DEADLINE_NEVER;
    cpu_mask_set(&idle_cpus, cpu->index);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    struct cpu *victim = steal(cpu);
    if (victim == NULL && __atomic_load_n(&cpu->need_resched, __ATOMIC_SEQ_CST) == 0) {
        uint64_t since = clock_now_ns();
        timer_program(cpu);
        arch_idle();
        cpu->idle_ns += clock_now_ns() - since;
    }
    bool called = !take_idle(cpu);
    /* Several may have been queued there, and all of them have called for the same idle CPU. */
    if (victim != NULL)
        nudge_for_waiting(victim);
    else if (called && READ_ONCE(cpu->queue.ready_count) != 0)
        pass_call_on();
}

struct thread *sched_next(void)
{
    struct cpu *cpu = cpu_self();
    for (;;) {
        __atomic_store_n(&cpu->need_resched, 0, __ATOMIC_SEQ_CST);
        coroutine_poll();

        struct thread *previous = cpu->current;
        uint64_t now_ns = clock_now_ns();
        bool limits = sched_shares_count();
        if (UNLIKELY(limits) && previous != NULL)
            share_charge(previous, now_ns);
        bool slice_over = previous != NULL && charge(cpu, previous, now_ns);

        spinlock_acquire(&cpu->queue.lock);
        struct thread *leaving = NULL;
        if (previous != NULL && cpu->queue.running == previous)
            leaving = retire_running(cpu, previous, slice_over);
        struct thread *next = choose(cpu, limits);
        bool died = previous != NULL && previous->state == THREAD_DEAD;
        spinlock_release(&cpu->queue.lock);

        if (UNLIKELY(limits) && next != NULL && !share_admit(next, now_ns))
            next = NULL;
        if (next != previous)
            switch_thread(cpu, previous, next);
        if (leaving != NULL)
            move_away(cpu, leaving);
        if (UNLIKELY(died)) {
            coroutine_look();
            continue;
        }
        if (LIKELY(next != NULL))
            return begin(cpu, next, now_ns);
        find_work(cpu);
    }
}
