/* Waiting for a word of user memory to be changed (see wait.h): what locks of programs are made of.
 *
 * Who waits enters the tree of his bucket first and reads the word then, so that nothing is missed:
 * a change that the reader did not see is followed by a wake that finds him. A waiter costs nothing
 * but its node, which is part of the thread. Keys are found in logarithmic time, so that many
 * waiters of one process do not hold up those of another.
 */
#include <kernel/sched.h>
#include <kernel/uaccess.h>
#include <kernel/wait.h>

enum { BUCKET_COUNT = 64 };

struct key {
    const void *on;
    uint64_t address;
};

static struct bucket {
    struct spinlock lock;
    struct tree waiters; /* [L] of thread.wait.tree_node, by key, then in the order they came */
} buckets[BUCKET_COUNT];

void address_init(void)
{
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        spinlock_init(&buckets[i].lock, RANK_WAIT);
        tree_init(&buckets[i].waiters);
    }
}

static struct bucket *bucket_of(const void *on, uint64_t address)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)on + (address >> 2)) * UINT64_C(0x9e3779b97f4a7c15);
    return &buckets[mixed >> 58];
}

static struct thread *thread_of(const struct tree_node *node)
{
    return CONTAINER_OF((struct tree_node *)(uintptr_t)node, struct thread, wait.tree_node);
}

static int compare(const struct tree_node *node, const void *key)
{
    const struct wait *wait = &thread_of(node)->wait;
    const struct key *k = key;
    if (wait->on != k->on)
        return (uintptr_t)wait->on < (uintptr_t)k->on ? -1 : 1;
    if (wait->key != k->address)
        return wait->key < k->address ? -1 : 1;
    return 0;
}

static bool before(const struct tree_node *a, const struct tree_node *b)
{
    const struct wait *wait = &thread_of(b)->wait;
    return compare(a, &(struct key){ wait->on, wait->key }) < 0;
}

static void cancel(struct thread *thread, enum status why) NO_LOCK_ANALYSIS
{
    struct bucket *bucket = bucket_of(thread->wait.on, thread->wait.key);
    spinlock_acquire(&bucket->lock);
    /* Seen under the lock of another wait's bucket, it is not in this tree. */
    if (thread->wait.cancel == cancel && tree_linked(&thread->wait.tree_node) &&
        bucket == bucket_of(thread->wait.on, thread->wait.key) && wait_may_end(thread, why)) {
        tree_remove(&bucket->waiters, &thread->wait.tree_node);
        arch_frame_syscall_return(&thread->frame, (uint64_t)why, 0);
        wait_end(thread);
    }
    spinlock_release(&bucket->lock);
}

/* One load of eight bytes, so that the word is never half of an old and half of a new one. */
static enum status read_word(uint64_t address, uint32_t *value_out)
{
    uint32_t pair[2];
    enum status status = copy_from_user(pair, uaddr(address & ~7ull), sizeof(pair));
    *value_out = pair[address >> 2 & 1];
    return status;
}

enum status address_wait_current(const void *space, uint64_t address, uint32_t expected,
                                 uint64_t deadline_ns)
{
    struct thread *thread = cpu_self()->current;
    struct bucket *bucket = bucket_of(space, address);
    uint32_t value = 0;

    spinlock_acquire(&bucket->lock);
    thread->wait.on = (void *)(uintptr_t)space;
    thread->wait.key = address;
    tree_insert(&bucket->waiters, &thread->wait.tree_node, before);
    spinlock_release(&bucket->lock);

    enum status status = read_word(address, &value);
    if (status == OK && value != expected)
        status = ERR_WOULD_BLOCK;
    else if (status == OK && deadline_ns == 0)
        status = ERR_TIMED_OUT;

    spinlock_acquire(&bucket->lock);
    bool woken = !tree_linked(&thread->wait.tree_node);
    bool waits = !woken && status == OK && wait_begin(cancel, deadline_ns);
    if (!woken && !waits)
        tree_remove(&bucket->waiters, &thread->wait.tree_node);
    spinlock_release(&bucket->lock);
    if (waits)
        wait_arm();
    return woken ? OK : status;
}

/* A thread that has entered the tree but does not wait yet looks there before it does. */
uint32_t address_wake(const void *space, uint64_t address, uint32_t count)
{
    struct bucket *bucket = bucket_of(space, address);
    const struct key key = { space, address };
    uint32_t woken = 0;

    spinlock_acquire(&bucket->lock);
    struct tree_node *node = tree_lower_bound(&bucket->waiters, compare, &key);
    while (woken < count && node != NULL && compare(node, &key) == 0) {
        struct tree_node *next = tree_next(node);
        tree_remove(&bucket->waiters, node);
        wait_end(thread_of(node));
        woken++;
        node = next;
    }
    spinlock_release(&bucket->lock);
    return woken;
}
