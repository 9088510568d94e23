/* Threads: creation, lifetime, enumeration. Their scheduling state is sched.c's. */
#include <arch/context.h>
#include <arch/trap.h>
#include <kernel/guest.h>
#include <kernel/panic.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/slab.h>
#include <kernel/thread.h>
#include <object_info.h>

static struct slab_cache thread_cache = SLAB_CACHE_INIT("thread", struct thread);
static struct spinlock all_lock = SPINLOCK_INIT(RANK_THREADS);
static struct list all_threads = { &all_threads, &all_threads };
static uint64_t all_count;

void thread_init(void)
{
    wait_init();
    address_init();
}

static void destroy_storage(struct object *object)
{
    struct thread *thread = object_as_thread(object);
    ASSERT(thread->state == THREAD_DEAD || thread->state == THREAD_NEW);
    signal_target_clear(&thread->death);
    /* After this the timer's callback neither runs nor will. */
    (void)timer_cancel(&thread->deadline);
    spinlock_acquire(&all_lock);
    list_remove(&thread->all_node);
    all_count--;
    spinlock_release(&all_lock);
    ipc_thread_fini(thread);
    guest_thread_fini(thread);
    arch_thread_fini(thread);
    vspace_put(thread->vspace);
    if (object->payer != NULL)
        budget_uncharge(object->payer, BUDGET_THREADS, 1);
    if (thread->process != NULL) {
        process_leave(thread);
        object_put(&thread->process->object);
    }
    slab_free(&thread_cache, thread);
}

/* It leaves whatever lists those that live. */
void thread_over(struct thread *thread)
{
    process_leave(thread);
    signal_target_fire(&thread->death);
    if (thread->started)
        thread_put(thread);
}

/* Without a capability a thread goes on: who started it need not keep one. */
static enum status retire(struct object *object, enum object_end why, struct work *work)
{
    struct thread *thread = object_as_thread(object);
    (void)work;
    if (why == OBJECT_ORPHANED)
        return OK;
    thread_kill(thread);
    return thread_is_dead(thread) ? OK : ERR_WOULD_BLOCK;
}

/* What the running of it changes is read as it is at the moment. */
static void info(struct object *object, struct object_info *info)
{
    const struct thread *thread = object_as_thread(object);

    info->detail.thread.dead = thread_is_dead(thread);
    info->detail.thread.faulted = READ_ONCE(thread->end) == THREAD_END_FAULT;
    info->detail.thread.fault_address = READ_ONCE(thread->fault_address);
    info->detail.thread.priority = READ_ONCE(thread->own_priority);
    info->detail.thread.ceiling = READ_ONCE(thread->ceiling);
    info->detail.thread.run_ns = READ_ONCE(thread->run_ns);
}

static const struct object_ops thread_ops = {
    .retire = retire,
    .destroy = destroy_storage,
    .info = info,
};

/* The vector state comes with the first vector instruction, but is paid for from the beginning. */
static enum status make_object(struct thread *thread, struct budget *payer)
{
    enum status status = payer != NULL ? budget_charge(payer, BUDGET_THREADS, 1) : OK;
    if (status != OK)
        return status;
    status = object_init(&thread->object, OBJECT_THREAD, &thread_ops, payer,
                         sizeof(struct thread) + arch_thread_extra_bytes());
    if (status != OK && payer != NULL)
        budget_uncharge(payer, BUDGET_THREADS, 1);
    return status;
}

static void register_thread(struct thread *thread)
{
    spinlock_acquire(&all_lock);
    list_push_back(&all_threads, &thread->all_node);
    all_count++;
    spinlock_release(&all_lock);
}

enum status thread_create(struct vspace *vspace, struct budget *payer, uaddr_t ip, uaddr_t sp,
                          uint64_t argument, struct thread **thread_out)
{
    struct thread *thread = slab_alloc(&thread_cache);
    if (thread == NULL)
        return ERR_NO_MEMORY;

    arch_thread_init(thread);
    arch_frame_init(&thread->frame, ip, sp, argument);
    thread->vspace = vspace;
    thread->cpu = cpu_self();
    list_init(&thread->run_node);
    list_init(&thread->guest.node);
    list_init(&thread->process_node);
    thread->state = THREAD_NEW;
    thread->priority = thread->own_priority = PRIORITY_DEFAULT;
    thread->ceiling = PRIORITY_COUNT - 1;
    thread->affinity = cpu_mask_all();
    thread->slice_left_ns = SCHED_SLICE_NS;
    list_init(&thread->wait.node);
    ipc_thread_init(thread);
    timer_init(&thread->deadline, wait_deadline_passed);
    enum status status = make_object(thread, payer);
    if (status != OK) {
        slab_free(&thread_cache, thread);
        return status;
    }
    (void)vspace_get(vspace);
    register_thread(thread);
    *thread_out = thread;
    return OK;
}

uint64_t thread_count(void)
{
    return READ_ONCE(all_count);
}

void thread_for_each(void (*visit)(const struct thread *thread, void *context), void *context)
{
    spinlock_acquire(&all_lock);
    LIST_FOR_EACH(node, &all_threads)
    {
        visit(CONTAINER_OF(node, struct thread, all_node), context);
    }
    spinlock_release(&all_lock);
}
