/* Processes: how they begin and how they end. */
#include <kernel/audit.h>
#include <kernel/panic.h>
#include <kernel/process.h>
#include <kernel/slab.h>
#include <kernel/thread.h>
#include <object_info.h>

static struct slab_cache process_cache = SLAB_CACHE_INIT("process", struct process);

/* ---- Threads ---- */

enum status process_add_thread(struct process *process, struct thread *thread)
{
    spinlock_acquire(&process->lock);
    enum status status = process->ending ? ERR_DEAD : OK;
    if (status == OK) {
        object_get(&process->object);
        thread->process = process;
        thread->ipc.removals = &process->cspace.removals;
        list_push_back(&process->threads, &thread->process_node);
        process->thread_count++;
    }
    spinlock_release(&process->lock);
    return status;
}

void process_leave(struct thread *thread)
{
    struct process *process = thread->process;

    if (process == NULL)
        return;
    spinlock_acquire(&process->lock);
    bool last = false;
    if (list_linked(&thread->process_node)) {
        list_remove(&thread->process_node);
        last = --process->thread_count == 0;
    }
    spinlock_release(&process->lock);
    if (last && process->essential)
        panic("the first program has ended, and with it all that it kept running");
    if (last)
        signal_target_fire(&process->death);
}

void process_fault(struct thread *thread)
{
    struct process *process = thread->process;

    if (process == NULL)
        return;
    __atomic_fetch_add(&process->fault_count, 1, __ATOMIC_RELAXED);
    signal_target_fire(&process->death);
}

/* The next that lives, counted, now at the end of the list: who asks goes round. NULL for one whose
 * last reference is gone: it is on its way out. False: there is none left.
 */
static bool next_thread(struct process *process, struct thread **thread_out)
{
    spinlock_acquire(&process->lock);
    bool any = !list_empty(&process->threads);
    *thread_out = NULL;
    if (any) {
        struct thread *thread = CONTAINER_OF(process->threads.next, struct thread, process_node);
        list_remove(&thread->process_node);
        list_push_back(&process->threads, &thread->process_node);
        if (object_try_get(&thread->object))
            *thread_out = thread;
    }
    spinlock_release(&process->lock);
    return any;
}

static void refuse_threads(struct process *process)
{
    spinlock_acquire(&process->lock);
    bool first = !process->ending;
    process->ending = true;
    spinlock_release(&process->lock);
    if (first)
        audit_event(AUDIT_DEATH, &process->object, 0, process->object.id);
}

static enum status kill_threads(struct process *process, struct work *work)
{
    struct thread *thread;

    refuse_threads(process);
    while (next_thread(process, &thread)) {
        if (thread != NULL) {
            thread_kill(thread);
            thread_put(thread);
        }
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        work_spend(work);
    }
    return OK;
}

/* ---- The end ---- */

enum status process_end(struct process *process, struct work *work)
{
    enum status status = kill_threads(process, work);
    if (status == OK)
        status = cspace_clear(&process->cspace, work);
    if (status == OK)
        status = vspace_close(process->vspace, work);
    if (status == OK && !__atomic_exchange_n(&process->cleared, true, __ATOMIC_ACQ_REL))
        object_put(&process->object); /* its own */
    return status;
}

static enum status retire(struct object *object, enum object_end why, struct work *work)
{
    return why == OBJECT_DESTROYED ? process_end(object_as_process(object), work) : OK;
}

static void destroy(struct object *object)
{
    struct process *process = object_as_process(object);

    ASSERT(process->thread_count == 0 && process->cspace.used_count == 0);
    signal_target_clear(&process->death);
    while (process->cspace.page != NULL)
        (void)cspace_clear(&process->cspace, &(struct work){ WORK_SLICE });
    if (process->vspace != NULL)
        vspace_put(process->vspace);
}

static void info(struct object *object, struct object_info *info)
{
    struct process *process = object_as_process(object);

    spinlock_acquire(&process->lock);
    info->detail.process.thread_count = process->thread_count;
    info->detail.process.ending = process->ending;
    info->detail.process.fault_count = process->fault_count;
    spinlock_release(&process->lock);
    spinlock_acquire(&process->cspace.lock);
    info->detail.process.capability_count = process->cspace.used_count;
    spinlock_release(&process->cspace.lock);
}

static const struct object_ops process_ops = { .type = OBJECT_PROCESS,
                                               .cache = &process_cache,
                                               .retire = retire,
                                               .destroy = destroy,
                                               .info = info };

enum status process_create(struct budget *payer, struct process **process_out)
{
    struct process *process;
    enum status status = object_alloc(&process_ops, payer, &process);

    if (status != OK)
        return status;
    spinlock_init(&process->lock, RANK_PROCESS);
    list_init(&process->threads);
    status = vspace_create(payer, &process->vspace);
    if (status == OK)
        status = cspace_init(&process->cspace, payer, process->object.id);
    if (status != OK) {
        object_discard(&process->object);
        return status;
    }
    (void)process_get(process); /* its own, until it has ended */
    return object_publish(&process->object, process_out);
}
