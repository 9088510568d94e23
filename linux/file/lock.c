/* Locks on files: flock(2), and fcntl(2)'s, which belong to a table of descriptors (POSIX) or to an
 * open file (OFD).
 *
 * A node's locks are a list under its lock. A set of ranges per owner never overlaps itself.
 */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

struct file_lock {
    struct list link;
    const void *owner; /* table or file */
    uint64_t start, last;
    int32_t pid;
    int16_t type; /* F_RDLCK or F_WRLCK */
    uint8_t kind;
};

/* Who waits for whom, to find circles (POSIX only). */
struct lock_wait {
    struct list link;
    const void *owner, *holder;
};
static struct list waits = { &waits, &waits };
static struct rt_lock waits_lock; /* after a node's */
enum { CIRCLE_MAX = 10 };

static bool same_domain(enum lock_kind a, enum lock_kind b)
{
    return (a == LOCK_FLOCK) == (b == LOCK_FLOCK);
}

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
    return a->start <= b->last && b->start <= a->last;
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
    return a->kind == b->kind && a->owner == b->owner;
}

static struct file_lock *conflict_locked(struct node *node, const struct file_lock *wanted)
{
    LIST_FOR_EACH(link, &node->locks)
    {
        struct file_lock *lock = CONTAINER_OF(link, struct file_lock, link);
        if (same_domain(lock->kind, wanted->kind) && !same_owner(lock, wanted) &&
            overlaps(lock, wanted) && (lock->type == F_WRLCK || wanted->type == F_WRLCK))
            return lock;
    }
    return NULL;
}

/* The range is free of the owner's locks; `spare` holds what is split off, if anything is. True if
 * it was used. */
static bool carve_locked(struct node *node, const struct file_lock *range, struct file_lock *spare)
{
    bool used = false;
    LIST_FOR_EACH_SAFE(link, &node->locks)
    {
        struct file_lock *lock = CONTAINER_OF(link, struct file_lock, link);
        if (!same_owner(lock, range) || !overlaps(lock, range))
            continue;
        bool before = lock->start < range->start;
        bool after = lock->last > range->last;
        if (before && after) {
            *spare = *lock;
            spare->start = range->last + 1;
            lock->last = range->start - 1;
            list_push_back(&node->locks, &spare->link);
            used = true;
            break; /* one lock held all of it */
        }
        if (before) {
            lock->last = range->start - 1;
        } else if (after) {
            lock->start = range->last + 1;
        } else {
            list_remove(&lock->link);
            heap_free(lock);
        }
    }
    return used;
}

/* Neighbours of the same type become one, so that a file locked byte by byte needs one lock. */
static void merge_locked(struct node *node, struct file_lock *added)
{
    LIST_FOR_EACH_SAFE(link, &node->locks)
    {
        struct file_lock *lock = CONTAINER_OF(link, struct file_lock, link);
        if (lock == added || !same_owner(lock, added) || lock->type != added->type)
            continue;
        bool before = lock->last != UINT64_MAX && lock->last + 1 == added->start;
        bool after = added->last != UINT64_MAX && added->last + 1 == lock->start;
        if (!before && !after)
            continue;
        added->start = MIN(added->start, lock->start);
        added->last = MAX(added->last, lock->last);
        list_remove(&lock->link);
        heap_free(lock);
    }
}

/* Would waiting for that holder close a circle? If not, it is noted that we wait. */
static bool begin_wait(struct lock_wait *wait, const struct file_lock *wanted,
                       const struct file_lock *conflict)
{
    *wait = (struct lock_wait){ .owner = wanted->owner, .holder = conflict->owner };
    list_init(&wait->link);
    if (wanted->kind != LOCK_POSIX)
        return true;
    rt_lock(&waits_lock);
    const void *at = conflict->owner;
    for (unsigned steps = 0; at != NULL && at != wanted->owner && steps < CIRCLE_MAX; steps++) {
        const void *next = NULL;
        LIST_FOR_EACH(link, &waits)
        {
            const struct lock_wait *other = CONTAINER_OF(link, struct lock_wait, link);
            if (other->owner == at)
                next = other->holder;
        }
        at = next;
    }
    if (at != wanted->owner)
        list_push_back(&waits, &wait->link);
    rt_unlock(&waits_lock);
    return at != wanted->owner;
}

static void end_wait(struct lock_wait *wait)
{
    rt_lock(&waits_lock);
    list_remove(&wait->link);
    rt_unlock(&waits_lock);
}

/* Wait for a conflict to end. With the node's lock, which is released. */
static int wait_for(struct node *node, const struct file_lock *wanted,
                    const struct file_lock *conflict) NO_LOCK_ANALYSIS
{
    struct lock_wait wait;
    struct waiter waiter;
    if (!begin_wait(&wait, wanted, conflict)) {
        rt_unlock(&node->lock);
        return -EDEADLK;
    }
    waiter_init(&waiter, task_self());
    wait_queue_add(&node->lock_queue, &waiter);
    rt_unlock(&node->lock);
    int error = task_sleep(MACHINE_NEVER);
    wait_queue_remove(&waiter);
    end_wait(&wait);
    return error;
}

/* With the node's lock until no conflict is left, which it keeps if the result is 0. */
static int lock_without_conflict(struct node *node, const struct file_lock *wanted,
                                 bool wait) NO_LOCK_ANALYSIS
{
    for (;;) {
        rt_lock(&node->lock);
        struct file_lock *conflict = conflict_locked(node, wanted);
        if (conflict == NULL)
            return 0;
        if (!wait) {
            rt_unlock(&node->lock);
            return -EAGAIN;
        }
        int error = wait_for(node, wanted, conflict);
        if (error != 0)
            return error;
    }
}

/* Set, change or (F_UNLCK) take away. */
static int set_lock(struct node *node, const struct file_lock *wanted, bool wait) NO_LOCK_ANALYSIS
{
    bool unlock = wanted->type == F_UNLCK;
    struct file_lock *added = unlock ? NULL : heap_alloc(sizeof(*added));
    struct file_lock *spare = heap_alloc(sizeof(*spare));
    int error = spare == NULL || (!unlock && added == NULL) ? -ENOLCK : 0;
    if (error == 0 && unlock)
        rt_lock(&node->lock);
    else if (error == 0)
        error = lock_without_conflict(node, wanted, wait);
    if (error == 0) {
        if (carve_locked(node, wanted, spare))
            spare = NULL;
        if (added != NULL) {
            *added = *wanted;
            list_push_back(&node->locks, &added->link);
            merge_locked(node, added);
            added = NULL;
        }
        rt_unlock(&node->lock);
        wait_queue_wake(&node->lock_queue, 0);
    }
    heap_free(added);
    heap_free(spare);
    return error;
}

static void drop_owned(struct node *node, const void *owner, bool posix)
{
    bool any = false;
    rt_lock(&node->lock);
    LIST_FOR_EACH_SAFE(link, &node->locks)
    {
        struct file_lock *lock = CONTAINER_OF(link, struct file_lock, link);
        if (lock->owner != owner || (lock->kind == LOCK_POSIX) != posix)
            continue;
        list_remove(&lock->link);
        heap_free(lock);
        any = true;
    }
    rt_unlock(&node->lock);
    if (any)
        wait_queue_wake(&node->lock_queue, 0);
}

void file_locks_close(struct file *file, struct file_table *table)
{
    if (!list_empty(&file->node->locks))
        drop_owned(file->node, table, true);
}

void file_locks_release(struct file *file)
{
    if (!list_empty(&file->node->locks))
        drop_owned(file->node, file, false);
}

/* ---- fcntl ---- */

static int range_from(struct file *file, const struct linux_flock *flock, struct file_lock *lock)
{
    int64_t base = 0;
    if (flock->whence == SEEK_CUR)
        base = (int64_t)file->position;
    if (flock->whence == SEEK_END) {
        struct node_attributes attributes;
        int error = node_attributes(file->node, &attributes);
        if (error != 0)
            return error;
        base = (int64_t)attributes.size_bytes;
    }
    int64_t start;
    int64_t last = INT64_MAX;
    if (flock->whence < SEEK_SET || flock->whence > SEEK_END)
        return -EINVAL;
    if (__builtin_add_overflow(base, flock->start, &start))
        return -EOVERFLOW;
    if (flock->length > 0 && __builtin_add_overflow(start, flock->length - 1, &last))
        return -EOVERFLOW;
    if (flock->length < 0) {
        last = start - 1;
        start += flock->length;
    }
    if (start < 0)
        return -EINVAL;
    lock->start = (uint64_t)start;
    lock->last = last == INT64_MAX ? UINT64_MAX : (uint64_t)last;
    return 0;
}

static int lock_from(struct file *file, int command, const struct linux_flock *flock,
                     struct file_lock *lock)
{
    bool ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    if (file->node == NULL)
        return -EBADF;
    if (flock->type < F_RDLCK || flock->type > F_UNLCK || (ofd && flock->pid != 0))
        return -EINVAL;
    *lock = (struct file_lock){ .type = flock->type };
    lock->kind = ofd ? LOCK_OFD : LOCK_POSIX;
    lock->owner = ofd ? (const void *)file : (const void *)task_self()->files;
    lock->pid = ofd ? -1 : task_self()->process->pid;
    return range_from(file, flock, lock);
}

static int get_lock(struct file *file, const struct file_lock *wanted, struct linux_flock *flock)
{
    if (wanted->type == F_UNLCK)
        return -EINVAL;
    rt_lock(&file->node->lock);
    const struct file_lock *conflict = conflict_locked(file->node, wanted);
    flock->type = F_UNLCK;
    if (conflict != NULL) {
        flock->type = conflict->type;
        flock->whence = SEEK_SET;
        flock->start = (int64_t)conflict->start;
        flock->length =
            conflict->last == UINT64_MAX ? 0 : (int64_t)(conflict->last - conflict->start + 1);
        flock->pid = conflict->pid;
    }
    rt_unlock(&file->node->lock);
    return 0;
}

/* Who closed the descriptor while this waited took away all that its table had locked by then, but
 * not what came later. */
static int still_open(struct file *file, int fd)
{
    struct file *now = fd_get_any(fd);
    if (now != file)
        drop_owned(file->node, task_self()->files, true);
    file_put(now);
    return now == file ? 0 : -EBADF;
}

int64_t fcntl_lock(struct file *file, int fd, int command, uaddr_t at)
{
    struct linux_flock flock;
    struct file_lock lock;
    int error = copy_in(&flock, at, sizeof(flock));
    if (error == 0)
        error = lock_from(file, command, &flock, &lock);
    if (error != 0)
        return error;
    if (command == F_GETLK || command == F_OFD_GETLK) {
        error = get_lock(file, &lock, &flock);
        return error != 0 ? error : copy_out(at, &flock, sizeof(flock));
    }
    if ((lock.type == F_RDLCK && !file_readable(file)) ||
        (lock.type == F_WRLCK && !file_writable(file)))
        return -EBADF;
    error = set_lock(file->node, &lock, command == F_SETLKW || command == F_OFD_SETLKW);
    return error == 0 && lock.kind == LOCK_POSIX ? still_open(file, fd) : error;
}

/* ---- flock ---- */

static bool has_flock(struct file *file, int16_t type)
{
    bool found = false;
    rt_lock(&file->node->lock);
    LIST_FOR_EACH(link, &file->node->locks)
    {
        const struct file_lock *lock = CONTAINER_OF(link, struct file_lock, link);
        found = found || (lock->owner == file && lock->kind == LOCK_FLOCK && lock->type == type);
    }
    rt_unlock(&file->node->lock);
    return found;
}

int64_t file_flock(struct file *file, uint32_t operation)
{
    struct file_lock lock = { .owner = file, .kind = LOCK_FLOCK, .last = UINT64_MAX };
    switch (operation & ~LOCK_NB) {
    case LOCK_SH:
        lock.type = F_RDLCK;
        break;
    case LOCK_EX:
        lock.type = F_WRLCK;
        break;
    case LOCK_UN:
        lock.type = F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    if (file->node == NULL)
        return -EBADF;
    bool wait = (operation & LOCK_NB) == 0;
    /* A change is to let go and to ask anew, so that two who share cannot wait for each other. */
    struct file_lock held = lock;
    held.type = F_UNLCK;
    if (lock.type != F_UNLCK && has_flock(file, lock.type))
        return 0;
    int error = set_lock(file->node, &held, false);
    return error != 0 || lock.type == F_UNLCK ? error : set_lock(file->node, &lock, wait);
}
