/* Futexes: sleeping on a word of the guest's memory until somebody says that it changed. futex(2).
 *
 * A word is known by its *key*: a private one by its address in an address space, a shared one by
 * the file or Memory that it lies in and its offset there, so that processes that map it at
 * different addresses meet. Sleepers hang in buckets by the key's hash. A waiter compares the word
 * and queues itself under the bucket's lock, a waker changes the word before it takes that lock:
 * so no wake is lost.
 *
 * A key is compared, never followed: what it names may be gone, which costs a waiter that nobody
 * can wake any more its sleep, as in any case, and nobody else anything.
 *
 * PI futexes hand the word on to the longest waiter. No priority is inherited, as there are none.
 * Each waiter remembers which task it waits for. If that ends and has not let go, its longest
 * waiter, the *heir*, is woken and stays queued until it has written itself into the word, which
 * the other may not reach any more; the rest wait for the heir.
 */
#include <base/list.h>
#include <linux/abi/errno.h>
#include <linux/abi/futex.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/futex.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/task.h>

enum { BUCKET_COUNT = 512, MAP_SHARED_BIT = 1 };

struct futex_key {
    const void *object; /* mm, node or Memory */
    uint64_t offset;
};

struct futex_waiter {
    struct list link; /* in a bucket; on none: woken */
    struct futex_key key;
    struct bucket *bucket; /* changes with a requeue, under both locks */
    struct task *task;
    uint32_t bits;
    bool pi;
    bool heir;                /* pi, atomic: who it waited for has ended */
    uint32_t owner_id;        /* pi: whom it waits for, as the word has it, */
    const struct task *owner; /* and to compare, never followed */
    uint32_t woken; /* atomic: set once it is off the list, and the last that is touched */
};

struct bucket {
    struct rt_lock lock;
    struct list waiters;
};

static struct bucket buckets[BUCKET_COUNT];

/* A zeroed list is an empty one that nobody has used. */
static void bucket_ready(struct bucket *bucket)
{
    if (bucket->waiters.next == NULL)
        list_init(&bucket->waiters);
}

static struct bucket *bucket_of(const struct futex_key *key)
{
    uint64_t hash = ((uint64_t)(uintptr_t)key->object >> 4) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ (key->offset >> 2)) * 0x9e3779b97f4a7c15ull;
    return &buckets[hash >> 55];
}

static void bucket_lock(struct bucket *bucket) ACQUIRES(bucket->lock)
{
    rt_lock(&bucket->lock);
    bucket_ready(bucket);
}

/* Two at once, in the order of their addresses. */
static void buckets_lock(struct bucket *a, struct bucket *b) NO_LOCK_ANALYSIS
{
    bucket_lock(a < b ? a : b);
    if (a != b)
        bucket_lock(a < b ? b : a);
}

static void buckets_unlock(struct bucket *a, struct bucket *b) NO_LOCK_ANALYSIS
{
    rt_unlock(&a->lock);
    if (a != b)
        rt_unlock(&b->lock);
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

/* ---- keys ---- */

static void shared_key(const struct area *area, uint64_t at, struct futex_key *key)
{
    if ((area->flags & MAP_SHARED_BIT) == 0)
        return;
    key->offset = area->offset + (at - area->start);
    if (area->file != NULL)
        key->object = area->file->node != NULL ? (const void *)area->file->node : area->file;
    else
        key->object = area->memory;
}

static int key_of(uaddr_t at, bool private, struct futex_key *key)
{
    struct mm *mm = task_self()->mm;
    if (at % sizeof(uint32_t) != 0)
        return -EINVAL;
    if (at >= GUEST_END)
        return -EFAULT;
    *key = (struct futex_key){ .object = mm, .offset = at };
    if (private)
        return 0;
    rt_lock(&mm->lock);
    const struct area *area = mm_find(mm, at);
    if (area != NULL)
        shared_key(area, at, key);
    rt_unlock(&mm->lock);
    return area == NULL ? -EFAULT : 0;
}

/* ---- words ---- */

/* Under a bucket's lock nothing may wait, so a page that mm/ has to bring is brought between: 0 if
 * it is worth another try. */
static int bring(uaddr_t at)
{
    uint32_t word;
    return copy_in(&word, at, sizeof(word));
}

static int bring_for_writing(uaddr_t at)
{
    struct guest_fault fault = { .address = at, .access = 2 };
    struct fault_signal signal;
    uint32_t word;
    uint32_t old;
    if (copy_in(&word, at, sizeof(word)) != 0)
        return -EFAULT;
    if (guest_compare_exchange_32(at, word, word, &old) == 0)
        return 0;
    return mm_fault(task_self()->mm, &fault, &signal) == 0 &&
                   guest_compare_exchange_32(at, word, word, &old) == 0
               ? 0
               : -EFAULT;
}

/* ---- waking ---- */

/* With the bucket's lock. The waiter's memory is its own stack: nothing of it is touched after
 * `woken`, but its task is counted until then. */
static void waiter_wake(struct futex_waiter *waiter)
{
    struct task *task = task_get(waiter->task);
    list_remove(&waiter->link);
    __atomic_store_n(&waiter->woken, 1, __ATOMIC_RELEASE);
    task_wake(task);
    task_put(task);
}

static int64_t wake_key(const struct futex_key *key, uint32_t count, uint32_t bits)
{
    struct bucket *bucket = bucket_of(key);
    int64_t woken = 0;
    bucket_lock(bucket);
    LIST_FOR_EACH_SAFE(link, &bucket->waiters)
    {
        struct futex_waiter *waiter = CONTAINER_OF(link, struct futex_waiter, link);
        if (woken >= count || waiter->pi || !same_key(&waiter->key, key) ||
            (waiter->bits & bits) == 0)
            continue;
        waiter_wake(waiter);
        woken++;
    }
    rt_unlock(&bucket->lock);
    return woken;
}

static int64_t wake_call(uaddr_t at, uint32_t count, uint32_t bits, bool private)
{
    struct futex_key key;
    if (bits == 0)
        return -EINVAL;
    int error = key_of(at, private, &key);
    return error != 0 ? error : wake_key(&key, count, bits);
}

void futex_wake(uaddr_t at, uint32_t count)
{
    struct futex_key private;
    struct futex_key shared;
    if (key_of(at, true, &private) != 0)
        return;
    (void)wake_key(&private, count, FUTEX_BITSET_MATCH_ANY);
    if (key_of(at, false, &shared) == 0 && !same_key(&private, &shared))
        (void)wake_key(&shared, count, FUTEX_BITSET_MATCH_ANY);
}

/* ---- waiting ---- */

static void waiter_init_for(struct futex_waiter *waiter, const struct futex_key *key, uint32_t bits)
{
    *waiter = (struct futex_waiter){ .key = *key, .task = task_self(), .bits = bits };
    list_init(&waiter->link);
}

/* Into its bucket, if the word is `expected`: 0, -EAGAIN, -EFAULT. */
static int waiter_queue(struct futex_waiter *waiter, uaddr_t at, uint32_t expected)
{
    for (;;) {
        uint32_t value = 0;
        struct bucket *bucket = bucket_of(&waiter->key);
        bucket_lock(bucket);
        int error = guest_load_32(at, &value);
        if (error == 0 && value == expected) {
            waiter->bucket = bucket;
            list_push_back(&bucket->waiters, &waiter->link);
        }
        rt_unlock(&bucket->lock);
        if (error == 0)
            return value == expected ? 0 : -EAGAIN;
        if (bring(at) != 0)
            return -EFAULT;
    }
}

/* Off its bucket, which a requeue may change until we have its lock. True if it was on it still. */
static bool waiter_leave(struct futex_waiter *waiter) NO_LOCK_ANALYSIS
{
    for (;;) {
        struct bucket *bucket = __atomic_load_n(&waiter->bucket, __ATOMIC_ACQUIRE);
        bucket_lock(bucket);
        if (bucket != __atomic_load_n(&waiter->bucket, __ATOMIC_ACQUIRE)) {
            rt_unlock(&bucket->lock);
            continue;
        }
        bool was = list_linked(&waiter->link);
        list_remove(&waiter->link);
        rt_unlock(&bucket->lock);
        return was;
    }
}

static int waiter_sleep(struct futex_waiter *waiter, uint64_t deadline_ns)
{
    int error = 0;
    while (error == 0 && __atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE) == 0)
        error = task_sleep(deadline_ns);
    /* Also when it was woken: the waker has the lock until it is done with us. */
    return waiter_leave(waiter) ? error : 0;
}

static int64_t wait_again(struct task *task);

static int64_t wait_until(uaddr_t at, uint32_t expected, uint32_t bits, bool private,
                          uint64_t deadline_ns)
{
    struct futex_key key;
    struct futex_waiter waiter;
    if (bits == 0)
        return -EINVAL;
    int error = key_of(at, private, &key);
    if (error != 0)
        return error;
    waiter_init_for(&waiter, &key, bits);
    error = waiter_queue(&waiter, at, expected);
    if (error != 0)
        return error;
    error = waiter_sleep(&waiter, deadline_ns);
    if (error != -ERESTARTSYS || deadline_ns == MACHINE_NEVER)
        return error;
    /* With a timeout it goes on until the same moment if no handler runs. */
    struct task *self = task_self();
    self->restart = wait_again;
    self->restart_deadline_ns = deadline_ns;
    self->restart_word[0] = at;
    self->restart_word[1] = expected;
    self->restart_word[2] = bits;
    self->restart_word[3] = private;
    return -ERESTART_RESTARTBLOCK;
}

static int64_t wait_again(struct task *task)
{
    return wait_until(task->restart_word[0], (uint32_t)task->restart_word[1],
                      (uint32_t)task->restart_word[2], task->restart_word[3] != 0,
                      task->restart_deadline_ns);
}

/* ---- requeue ---- */

struct requeue {
    uaddr_t from, to;
    uint32_t wake, move;
    bool private, compares;
    uint32_t expected;
};

/* With both locks. */
static int64_t requeue_waiters(const struct requeue *requeue, const struct futex_key *from,
                               const struct futex_key *to)
{
    struct bucket *source = bucket_of(from);
    struct bucket *target = bucket_of(to);
    uint32_t woken = 0;
    uint32_t moved = 0;
    LIST_FOR_EACH_SAFE(link, &source->waiters)
    {
        struct futex_waiter *waiter = CONTAINER_OF(link, struct futex_waiter, link);
        if (waiter->pi || !same_key(&waiter->key, from))
            continue;
        if (woken < requeue->wake) {
            waiter_wake(waiter);
            woken++;
        } else if (moved < requeue->move) {
            waiter->key = *to;
            if (source != target) {
                list_remove(&waiter->link);
                list_push_back(&target->waiters, &waiter->link);
                __atomic_store_n(&waiter->bucket, target, __ATOMIC_RELEASE);
            }
            moved++;
        } else {
            break;
        }
    }
    return (int64_t)woken + moved;
}

static int64_t requeue_call(const struct requeue *requeue)
{
    struct futex_key from;
    struct futex_key to;
    if (requeue->wake > INT32_MAX || requeue->move > INT32_MAX)
        return -EINVAL;
    int error = key_of(requeue->from, requeue->private, &from);
    if (error == 0)
        error = key_of(requeue->to, requeue->private, &to);
    if (error != 0)
        return error;
    for (;;) {
        int64_t result = 0;
        uint32_t value;
        buckets_lock(bucket_of(&from), bucket_of(&to));
        error = requeue->compares ? guest_load_32(requeue->from, &value) : 0;
        if (error == 0 && requeue->compares && value != requeue->expected)
            result = -EAGAIN;
        if (error == 0 && result == 0)
            result = requeue_waiters(requeue, &from, &to);
        buckets_unlock(bucket_of(&from), bucket_of(&to));
        if (error == 0)
            return result;
        if (bring(requeue->from) != 0)
            return -EFAULT;
    }
}

/* ---- FUTEX_WAKE_OP ---- */

enum { OP_SET, OP_ADD, OP_OR, OP_ANDN, OP_XOR };
enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

static int op_result(uint32_t op, uint32_t old, uint32_t argument, uint32_t *new_out)
{
    switch (op) {
    case OP_SET:
        *new_out = argument;
        return 0;
    case OP_ADD:
        *new_out = old + argument;
        return 0;
    case OP_OR:
        *new_out = old | argument;
        return 0;
    case OP_ANDN:
        *new_out = old & ~argument;
        return 0;
    case OP_XOR:
        *new_out = old ^ argument;
        return 0;
    default:
        return -ENOSYS;
    }
}

static int op_compare(uint32_t comparison, int32_t old, int32_t argument, bool *holds_out)
{
    switch (comparison) {
    case CMP_EQ:
        *holds_out = old == argument;
        return 0;
    case CMP_NE:
        *holds_out = old != argument;
        return 0;
    case CMP_LT:
        *holds_out = old < argument;
        return 0;
    case CMP_LE:
        *holds_out = old <= argument;
        return 0;
    case CMP_GT:
        *holds_out = old > argument;
        return 0;
    case CMP_GE:
        *holds_out = old >= argument;
        return 0;
    default:
        return -ENOSYS;
    }
}

static int32_t sign_extend_12(uint32_t value)
{
    return (int32_t)(value << 20) >> 20;
}

/* One exchange of the second word by what the call encodes; `*holds_out`: wake there, too. */
static int wake_op_word(uaddr_t at, uint32_t encoded, bool *holds_out)
{
    const uint32_t shift_flag = 8;
    uint32_t op = encoded >> 28;
    uint32_t argument = (uint32_t)sign_extend_12(encoded >> 12 & 0xfff);
    if ((op & shift_flag) != 0)
        argument = (uint32_t)1 << (argument & 31);
    if (bring_for_writing(at) != 0)
        return -EFAULT;
    for (;;) {
        uint32_t old;
        uint32_t new;
        uint32_t seen;
        if (guest_load_32(at, &old) != 0)
            return -EFAULT;
        int error = op_result(op & ~shift_flag, old, argument, &new);
        if (error == 0)
            error = op_compare(encoded >> 24 & 15, (int32_t)old, sign_extend_12(encoded & 0xfff),
                               holds_out);
        if (error == 0)
            error = guest_compare_exchange_32(at, old, new, &seen);
        if (error != 0 || seen == old)
            return error;
    }
}

static int64_t wake_op_call(const struct requeue *words, uint32_t encoded)
{
    struct futex_key first;
    struct futex_key second;
    bool holds = false;
    int error = key_of(words->from, words->private, &first);
    if (error == 0)
        error = key_of(words->to, words->private, &second);
    if (error == 0)
        error = wake_op_word(words->to, encoded, &holds);
    if (error != 0)
        return error;
    int64_t woken = wake_key(&first, words->wake, FUTEX_BITSET_MATCH_ANY);
    if (holds)
        woken += wake_key(&second, words->move, FUTEX_BITSET_MATCH_ANY);
    return woken;
}

/* ---- PI: the word holds its owner's id ---- */

/* With the bucket's lock: the longest waiter, and whether there are more. */
static struct futex_waiter *pi_next(struct bucket *bucket, const struct futex_key *key, bool *more)
{
    struct futex_waiter *first = NULL;
    *more = false;
    LIST_FOR_EACH(link, &bucket->waiters)
    {
        struct futex_waiter *waiter = CONTAINER_OF(link, struct futex_waiter, link);
        if (!waiter->pi || !same_key(&waiter->key, key))
            continue;
        if (first != NULL) {
            *more = true;
            break;
        }
        first = waiter;
    }
    return first;
}

/* With the bucket's lock, under which it is queued or will be. False: the task has ended, and does
 * not look any more who waits for it (pi_end). */
static bool pi_wait_for(struct futex_waiter *waiter, struct task *owner)
{
    waiter->owner = owner;
    waiter->owner_id = (uint32_t)owner->tid;
    __atomic_store_n(&owner->pi_waited, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&owner->pi_ended, __ATOMIC_SEQ_CST) == 0;
}

/* With the bucket's lock: all others of its word wait for this one, which is in its call still. */
static void pi_follow(struct bucket *bucket, const struct futex_waiter *first)
{
    LIST_FOR_EACH(link, &bucket->waiters)
    {
        struct futex_waiter *waiter = CONTAINER_OF(link, struct futex_waiter, link);
        if (waiter->pi && waiter != first && same_key(&waiter->key, &first->key))
            (void)pi_wait_for(waiter, first->task);
    }
}

/* With the bucket's lock. `owner_id` is what the word has. */
static void pi_bequeath(struct bucket *bucket, struct futex_waiter *heir, uint32_t owner_id)
{
    pi_follow(bucket, heir);
    heir->owner = NULL;
    heir->owner_id = owner_id;
    __atomic_store_n(&heir->heir, true, __ATOMIC_RELEASE);
    task_wake(heir->task);
}

/* With the bucket's lock: behind the owner of `value`, which is `owner` (NULL: there is none) or
 * an heir that is about to say so. As pi_try. */
static int pi_queue(uaddr_t at, struct futex_waiter *waiter, uint32_t value, struct task *owner,
                    bool try_only)
{
    struct bucket *bucket = bucket_of(&waiter->key);
    uint32_t seen;
    bool more;
    const struct futex_waiter *first = pi_next(bucket, &waiter->key, &more);
    if (first != NULL && first->heir)
        owner = first->task;
    if (owner == NULL || !pi_wait_for(waiter, owner)) {
        if (guest_load_32(at, &seen) != 0)
            return -EFAULT;
        return seen == value ? -ESRCH : -EAGAIN;
    }
    if (try_only)
        return -EBUSY;
    if (guest_compare_exchange_32(at, value, value | FUTEX_WAITERS, &seen) != 0)
        return -EFAULT;
    if (seen != value)
        return -EAGAIN;
    waiter->bucket = bucket;
    list_push_back(&bucket->waiters, &waiter->link);
    return 1;
}

/* One try: 0, it is ours; -EAGAIN, the word changed; 1, `waiter` is queued and the owner knows. */
static int pi_try(uaddr_t at, struct futex_waiter *waiter, bool try_only)
{
    uint32_t tid = (uint32_t)task_self()->tid;
    uint32_t value;
    uint32_t seen;
    struct bucket *bucket = bucket_of(&waiter->key);
    if (bring_for_writing(at) != 0 || guest_load_32(at, &value) != 0)
        return -EFAULT;
    if ((value & FUTEX_TID_MASK) == 0) {
        uint32_t taken = tid | (value & (FUTEX_WAITERS | FUTEX_OWNER_DIED));
        if (guest_compare_exchange_32(at, value, taken, &seen) != 0)
            return -EFAULT;
        return seen == value ? 0 : -EAGAIN;
    }
    if ((value & FUTEX_TID_MASK) == tid)
        return -EDEADLK;
    struct task *owner = task_find((int32_t)(value & FUTEX_TID_MASK));
    bucket_lock(bucket);
    int result = pi_queue(at, waiter, value, owner, try_only);
    rt_unlock(&bucket->lock);
    if (owner != NULL)
        task_put(owner);
    return result;
}

/* With the bucket's lock: the heir is the word's owner. 1: again; -EAGAIN: it has another one. */
static int pi_inherit(uaddr_t at, struct futex_waiter *heir)
{
    uint32_t value;
    uint32_t seen;
    if (guest_load_32(at, &value) != 0)
        return -EFAULT;
    uint32_t owner = value & FUTEX_TID_MASK;
    if (owner != heir->owner_id && owner != 0)
        return -EAGAIN;
    uint32_t mine = (uint32_t)heir->task->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED;
    if (guest_compare_exchange_32(at, value, mine, &seen) != 0)
        return -EFAULT;
    return seen == value ? 0 : 1;
}

/* Off its bucket: 0, it has the word; `error`, if nobody gave it; else as pi_inherit. */
static int pi_leave(uaddr_t at, struct futex_waiter *waiter, int error, bool reachable)
{
    struct bucket *bucket = waiter->bucket;
    bool more;
    int result = 0;
    bucket_lock(bucket);
    if (list_linked(&waiter->link)) {
        if (waiter->heir)
            result = reachable ? pi_inherit(at, waiter) : -EFAULT;
        else
            result = error;
        bool stays = waiter->heir && reachable && (result == 1 || result == -EFAULT);
        if (!stays)
            list_remove(&waiter->link);
        struct futex_waiter *next = reachable ? NULL : pi_next(bucket, &waiter->key, &more);
        if (next != NULL)
            pi_bequeath(bucket, next, waiter->owner_id);
    }
    rt_unlock(&bucket->lock);
    return result;
}

static int pi_sleep(uaddr_t at, struct futex_waiter *waiter, uint64_t deadline_ns)
{
    int error = 0;
    while (error == 0 && __atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE) == 0 &&
           !__atomic_load_n(&waiter->heir, __ATOMIC_ACQUIRE))
        error = task_sleep(deadline_ns);
    /* Also when it was given the word: the giver has the lock until it is done with us. */
    int result;
    bool reachable = true;
    while ((result = pi_leave(at, waiter, error, reachable)) == 1 ||
           (result == -EFAULT && reachable))
        reachable = bring_for_writing(at) == 0;
    return result;
}

static int64_t pi_lock(uaddr_t at, bool private, bool try_only, uint64_t deadline_ns)
{
    struct futex_key key;
    struct futex_waiter waiter;
    int result = key_of(at, private, &key);
    if (result != 0)
        return result;
    do {
        waiter_init_for(&waiter, &key, FUTEX_BITSET_MATCH_ANY);
        waiter.pi = true;
        result = pi_try(at, &waiter, try_only);
        if (result == -EBUSY && try_only)
            return -EAGAIN;
        if (result == 1) {
            /* Whoever lets go writes our id into the word. */
            result = pi_sleep(at, &waiter, deadline_ns);
            if (result == -EAGAIN)
                continue;
            return result == -ERESTARTSYS ? -ERESTARTNOINTR : result;
        }
    } while (result == -EAGAIN);
    return result;
}

/* To the next waiter, or to nobody. `keep`: bits that stay (the owner died). */
static int pi_give(uaddr_t at, const struct futex_key *key, uint32_t expected, uint32_t keep)
{
    struct bucket *bucket = bucket_of(key);
    uint32_t seen;
    bool more;
    bucket_lock(bucket);
    struct futex_waiter *next = pi_next(bucket, key, &more);
    uint32_t word = keep;
    if (next != NULL)
        word |= (uint32_t)next->task->tid | (more ? FUTEX_WAITERS : 0);
    int error = guest_compare_exchange_32(at, expected, word, &seen);
    if (error == 0 && seen == expected && next != NULL) {
        pi_follow(bucket, next);
        waiter_wake(next);
    }
    rt_unlock(&bucket->lock);
    if (error != 0)
        return error;
    return seen == expected ? 0 : -EAGAIN;
}

static int64_t pi_unlock(uaddr_t at, bool private)
{
    struct futex_key key;
    int error = key_of(at, private, &key);
    if (error == 0)
        error = bring_for_writing(at);
    while (error == 0) {
        uint32_t value;
        if (guest_load_32(at, &value) != 0)
            return -EFAULT;
        if ((value & FUTEX_TID_MASK) != (uint32_t)task_self()->tid)
            return -EPERM;
        error = pi_give(at, &key, value, 0);
        if (error != -EAGAIN)
            break;
        error = 0;
    }
    return error;
}

/* ---- the call ---- */

static bool takes_timeout(uint32_t command)
{
    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
           command == FUTEX_LOCK_PI2;
}

/* WAIT's is relative, the others' are absolute; LOCK_PI's is on the wall clock. */
static int deadline_in(uint32_t op, uaddr_t timeout_at, uint64_t *deadline_ns)
{
    uint32_t command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    uint64_t ns;
    *deadline_ns = MACHINE_NEVER;
    if (!takes_timeout(command) || timeout_at == 0)
        return 0;
    int error = time_in(timeout_at, &ns);
    if (error != 0)
        return error;
    bool wall = (op & FUTEX_CLOCK_REALTIME) != 0 || command == FUTEX_LOCK_PI;
    return time_deadline(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns, command != FUTEX_WAIT,
                         deadline_ns);
}

static int64_t wait_call(uaddr_t at, uint32_t op, uint32_t value, uaddr_t timeout_at, uint32_t bits)
{
    uint64_t deadline_ns;
    int error = deadline_in(op, timeout_at, &deadline_ns);
    if (error != 0)
        return error;
    return wait_until(at, value, bits, (op & FUTEX_PRIVATE_FLAG) != 0, deadline_ns);
}

static int64_t pi_call(uaddr_t at, uint32_t op, uaddr_t timeout_at, bool try_only)
{
    uint64_t deadline_ns;
    int error = deadline_in(op, timeout_at, &deadline_ns);
    if (error != 0)
        return error;
    return pi_lock(at, (op & FUTEX_PRIVATE_FLAG) != 0, try_only, deadline_ns);
}

int64_t linux_futex(uaddr_t at, uint32_t op, uint32_t value, uint64_t timeout_or_count,
                    uaddr_t second, uint32_t value_3)
{
    bool private = (op & FUTEX_PRIVATE_FLAG) != 0;
    uint32_t command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    struct requeue words = { .from = at,
                             .to = second,
                             .wake = value,
                             .move = (uint32_t)timeout_or_count,
                             .private = private,
                             .compares = command == FUTEX_CMP_REQUEUE,
                             .expected = value_3 };
    if ((op & FUTEX_CLOCK_REALTIME) != 0 && command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET &&
        command != FUTEX_LOCK_PI2)
        return -ENOSYS;
    switch (command) {
    case FUTEX_WAIT:
        return wait_call(at, op, value, timeout_or_count, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        return wait_call(at, op, value, timeout_or_count, value_3);
    case FUTEX_WAKE:
        return wake_call(at, value, FUTEX_BITSET_MATCH_ANY, private);
    case FUTEX_WAKE_BITSET:
        return wake_call(at, value, value_3, private);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        return requeue_call(&words);
    case FUTEX_WAKE_OP:
        return wake_op_call(&words, value_3);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return pi_call(at, op, timeout_or_count, false);
    case FUTEX_TRYLOCK_PI:
        return pi_call(at, op, 0, true);
    case FUTEX_UNLOCK_PI:
        return pi_unlock(at, private);
    default:
        return -ENOSYS;
    }
}

/* ---- robust lists: mutexes that a thread holds when it ends (get_robust_list(2)) ---- */

enum { ROBUST_MAX = 2048 };

struct robust_head {
    uint64_t next;
    int64_t word_offset;
    uint64_t pending;
};

/* The mutex is marked, and one who waits for it told. */
static void robust_end_one(uaddr_t at, uint32_t tid, bool pi, bool pending)
{
    if (at % sizeof(uint32_t) != 0 || bring_for_writing(at) != 0)
        return;
    for (;;) {
        uint32_t value;
        uint32_t seen;
        struct futex_key key;
        if (guest_load_32(at, &value) != 0)
            return;
        /* It may have let go of the word and not yet woken anybody. */
        if (pending && !pi && value == 0)
            futex_wake(at, 1);
        if ((value & FUTEX_TID_MASK) != tid)
            return;
        if (pi) {
            if (key_of(at, false, &key) != 0 ||
                pi_give(at, &key, value, FUTEX_OWNER_DIED) != -EAGAIN)
                return;
            continue;
        }
        uint32_t died = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if (guest_compare_exchange_32(at, value, died, &seen) != 0)
            return;
        if (seen != value)
            continue;
        if ((value & FUTEX_WAITERS) != 0)
            futex_wake(at, 1);
        return;
    }
}

/* The guest's own list: it may be a circle, or lead nowhere. */
static void robust_end(struct task *task)
{
    struct robust_head head;
    uaddr_t head_at = task->robust_list;
    uint32_t tid = (uint32_t)task->tid;
    if (head_at == 0)
        return;
    task->robust_list = 0;
    if (copy_in(&head, head_at, sizeof(head)) != 0)
        return;
    uint64_t entry = head.next;
    uint64_t pending = head.pending & ~1ull;
    for (unsigned i = 0; i < ROBUST_MAX; i++) {
        uint64_t next;
        uint64_t at = entry & ~1ull;
        if (at == head_at || at == 0)
            break;
        bool last = copy_in(&next, at, sizeof(next)) != 0;
        if (at != pending)
            robust_end_one(at + (uint64_t)head.word_offset, tid, (entry & 1) != 0, false);
        if (last)
            break;
        entry = next;
    }
    if (pending != 0)
        robust_end_one(pending + (uint64_t)head.word_offset, tid, (head.pending & 1) != 0, true);
}

/* The PI futexes that the task has and others wait for, which no list tells of. */
static void pi_end(struct task *task)
{
    __atomic_store_n(&task->pi_ended, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&task->pi_waited, __ATOMIC_SEQ_CST) == 0)
        return;
    for (unsigned i = 0; i < BUCKET_COUNT; i++) {
        bucket_lock(&buckets[i]);
        LIST_FOR_EACH(link, &buckets[i].waiters)
        {
            struct futex_waiter *waiter = CONTAINER_OF(link, struct futex_waiter, link);
            if (waiter->pi && waiter->owner == task)
                pi_bequeath(&buckets[i], waiter, (uint32_t)task->tid);
        }
        rt_unlock(&buckets[i].lock);
    }
}

void futex_end(struct task *task)
{
    robust_end(task);
    pi_end(task);
}

void futex_begin(struct task *task)
{
    __atomic_store_n(&task->pi_waited, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&task->pi_ended, 0, __ATOMIC_SEQ_CST);
}
