/* Threads: creation, lifetime, enumeration. Their scheduling state is sched.c's. */
#include <arch/context.h>
#include <arch/trap.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/slab.h>
#include <kernel/thread.h>

static struct slab_cache thread_cache;
static struct spinlock all_lock = SPINLOCK_INIT(RANK_THREADS);
static struct list all_threads = { &all_threads, &all_threads };
static uint64_t all_count;
static uint64_t next_id = 1;

void thread_init(void)
{
    slab_cache_init(&thread_cache, "thread", sizeof(struct thread), _Alignof(struct thread));
}

static void wake_from_sleep(struct timer *timer)
{
    (void)sched_wake(CONTAINER_OF(timer, struct thread, sleep));
}

static void register_thread(struct thread *thread)
{
    spinlock_acquire(&all_lock);
    thread->id = next_id++;
    list_push_back(&all_threads, &thread->all_node);
    all_count++;
    spinlock_release(&all_lock);
}

enum status thread_create(struct vspace *vspace, uaddr_t ip, uaddr_t sp, uint64_t argument,
                          struct thread **thread_out)
{
    struct thread *thread = slab_alloc(&thread_cache);
    if (thread == NULL)
        return ERR_NO_MEMORY;

    enum status status = arch_thread_init(thread);
    if (status != OK) {
        slab_free(&thread_cache, thread);
        return status;
    }
    arch_frame_init(&thread->frame, ip, sp, argument);
    thread->vspace = vspace_get(vspace);
    thread->references = 1;
    thread->cpu = cpu_self();
    list_init(&thread->run_node);
    thread->state = THREAD_NEW;
    thread->priority = PRIORITY_DEFAULT;
    thread->affinity = cpu_mask_all();
    thread->slice_left_ns = SCHED_SLICE_NS;
    timer_init(&thread->sleep, wake_from_sleep);
    register_thread(thread);
    *thread_out = thread;
    return OK;
}

struct thread *thread_get(struct thread *thread)
{
    uint32_t before = __atomic_fetch_add(&thread->references, 1, __ATOMIC_RELAXED);
    ASSERT(before != 0 && before != UINT32_MAX);
    return thread;
}

static void thread_free(struct thread *thread)
{
    ASSERT(thread->state == THREAD_DEAD || thread->state == THREAD_NEW);
    /* After this the timer's callback neither runs nor will. */
    (void)timer_cancel(&thread->sleep);
    spinlock_acquire(&all_lock);
    list_remove(&thread->all_node);
    all_count--;
    spinlock_release(&all_lock);
    arch_thread_fini(thread);
    vspace_put(thread->vspace);
    slab_free(&thread_cache, thread);
}

void thread_put(struct thread *thread_taken)
{
    uint32_t before = __atomic_fetch_sub(&thread_taken->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(before != 0);
    if (before == 1)
        thread_free(thread_taken);
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
