/* Threads: creation, lifetime, enumeration. Their scheduling state is sched.c's. */
#include "thread_list.h"
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

void thread_init(void)
{
    wait_init();
    address_init();
}

static void destroy(struct object *object)
{
    struct thread *thread = object_as_thread(object);
    ASSERT(thread->state == THREAD_DEAD || thread->state == THREAD_NEW);
    signal_target_clear(&thread->death);
    /* After this the timer's callback neither runs nor will. */
    (void)timer_cancel(&thread->deadline);
    thread_unlist(thread);
    ipc_thread_fini(thread);
    guest_thread_fini(thread);
    arch_thread_fini(thread);
    vspace_put(thread->vspace);
    budget_uncharge(object->payer, BUDGET_THREADS, 1);
    if (thread->process != NULL) {
        process_leave(thread);
        object_put(&thread->process->object);
    }
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
    .type = OBJECT_THREAD,
    .cache = &thread_cache,
    .offset = offsetof(struct thread, object),
    .retire = retire,
    .destroy = destroy,
    .info = info,
};

enum status thread_create(struct vspace *vspace, struct budget *payer, uaddr_t ip, uaddr_t sp,
                          uint64_t argument, struct thread **thread_out)
{
    struct thread *thread;
    enum status status = budget_charge(payer, BUDGET_THREADS, 1);

    if (status != OK)
        return status;
    status = object_alloc(&thread_ops, payer, &thread);
    if (status != OK) {
        budget_uncharge(payer, BUDGET_THREADS, 1);
        return status;
    }
    /* The vector state comes with the first vector instruction, but is paid for from the beginning.
     */
    thread->object.size_bytes += arch_thread_extra_bytes();
    arch_thread_init(thread);
    arch_frame_init(&thread->frame, ip, sp, argument);
    thread->vspace = vspace_get(vspace);
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
    thread_list(thread);
    return object_publish(&thread->object, thread_out);
}

uint64_t thread_count(void)
{
    return READ_ONCE(thread_cache.used_count);
}
