/* Files that are watched: epoll(7).
 *
 *     file's queue --waiter.wake--> item on the epoll's ready list --> who waits for the epoll
 *
 * An item is on the queues of its file from EPOLL_CTL_ADD to EPOLL_CTL_DEL, or to the end of the
 * file or of the epoll. A wake puts it on the ready list; what is ready is asked again when events
 * are given, so a wake that was in vain costs a look.
 *
 * Locking, outermost first:
 *     links_lock     which items there are, of all epolls: add, delete, ends, the check for loops
 *     epoll->lock    the same of one epoll, and events of items; held while events are given, so
 *                    that items and their files stay. An epoll in an epoll: the outer one first.
 *     (channels)     of the file that is asked
 *     (queue)        of the file: waiter.wake runs under it
 *     epoll->ready_lock, and queues of outer epolls
 * Neither of the first two is taken by anything that a file does when it is asked.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/poll.h>
#include <linux/task.h>

enum { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };

#define EPOLLEXCLUSIVE ((uint32_t)1 << 28)
#define EPOLLWAKEUP    ((uint32_t)1 << 29)
#define EPOLLONESHOT   ((uint32_t)1 << 30)
#define EPOLLET        ((uint32_t)1 << 31)
#define HOW            (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define ALWAYS         (POLL_ERR | POLL_HUP)
#define EXCLUSIVE_FINE                                                                             \
    (POLL_IN | POLL_OUT | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE | POLL_READ_NORMAL |     \
     POLL_WRITE_NORMAL)

enum {
    NEST_MAX = 5,        /* epolls in a row */
    QUEUES_PER_FILE = 3, /* the most that a file has */
    WAIT_MAX = 1 << 20,
};

struct epoll {
    struct rt_lock lock;
    struct tree items; /* by file and descriptor */
    struct rt_lock ready_lock;
    struct list ready;
    struct wait_queue queue; /* epoll_wait, and who polls it */
    struct file *file;       /* that it is; not counted */
    uint64_t search;         /* the last that came here, and what it found; links_lock */
    unsigned depth;
};

struct item_waiter {
    struct waiter waiter;
    struct item *item;
};

struct item {
    struct tree_node node;
    struct list in_file; /* file->epolls; links_lock */
    struct epoll *epoll;
    struct file *file; /* not counted: its end takes the item away */
    int fd;
    uint32_t events; /* atomic; changed under epoll->lock */
    uint64_t data;   /* epoll->lock */
    struct list in_ready;
    bool ready; /* ready_lock: on a list, or about to be looked at */
    unsigned count;
    struct item_waiter waiter[QUEUES_PER_FILE];
};

struct event {
    uint32_t events;
    uint64_t data;
};

static struct rt_lock links_lock;
static uint64_t searches; /* links_lock: how many there were */
static const struct file_ops epoll_ops;

/* ---- The ready list ---- */

static void make_ready(struct item *item)
{
    struct epoll *epoll = item->epoll;
    rt_lock(&epoll->ready_lock);
    bool fresh = !item->ready;
    if (fresh) {
        item->ready = true;
        list_push_back(&epoll->ready, &item->in_ready);
    }
    rt_unlock(&epoll->ready_lock);
    if (fresh)
        wait_queue_wake(&epoll->queue, POLL_IN);
}

/* Under the lock of the file's queue. */
static void wake_item(struct waiter *waiter, uint32_t events)
{
    struct item *item = CONTAINER_OF(waiter, struct item_waiter, waiter)->item;
    uint32_t wanted = __atomic_load_n(&item->events, __ATOMIC_RELAXED);
    if ((wanted & ~HOW) == 0) /* a oneshot that has fired */
        return;
    if (events == 0 || (events & wanted) != 0)
        make_ready(item);
}

static void forget_ready(struct item *item)
{
    struct epoll *epoll = item->epoll;
    rt_lock(&epoll->ready_lock);
    list_remove(&item->in_ready);
    item->ready = false;
    rt_unlock(&epoll->ready_lock);
}

/* The first, which may be made ready again from now on; NULL. */
static struct item *take_ready(struct epoll *epoll, struct list *from)
{
    struct item *item = NULL;
    rt_lock(&epoll->ready_lock);
    struct list *link = list_pop_front(from);
    if (link != NULL) {
        item = CONTAINER_OF(link, struct item, in_ready);
        item->ready = false;
    }
    rt_unlock(&epoll->ready_lock);
    return item;
}

/* All that are ready now: what becomes ready meanwhile is for the next time. */
static void take_all(struct epoll *epoll, struct list *to)
{
    list_init(to);
    rt_lock(&epoll->ready_lock);
    struct list *link;
    while ((link = list_pop_front(&epoll->ready)) != NULL)
        list_push_back(to, link);
    rt_unlock(&epoll->ready_lock);
}

static void give_back(struct epoll *epoll, struct list *from)
{
    rt_lock(&epoll->ready_lock);
    while (!list_empty(from)) {
        struct list *last = from->prev;
        list_remove(last);
        list_push_front(&epoll->ready, last);
    }
    rt_unlock(&epoll->ready_lock);
}

static uint32_t look(const struct item *item)
{
    uint32_t wanted = item->events & ~HOW;
    return wanted == 0 ? 0 : file_poll(item->file, NULL) & wanted;
}

/* Put it back without a wake: who looks at the list is here. */
static void still_ready(struct item *item)
{
    struct epoll *epoll = item->epoll;
    rt_lock(&epoll->ready_lock);
    if (!item->ready) {
        item->ready = true;
        list_push_back(&epoll->ready, &item->in_ready);
    }
    rt_unlock(&epoll->ready_lock);
}

static int event_out(uaddr_t to, const struct event *event)
{
    uint8_t bytes[EPOLL_EVENT_MAX] = { 0 };
    memcpy(bytes, &event->events, sizeof(event->events));
    memcpy(bytes + epoll_layout.data, &event->data, sizeof(event->data));
    return copy_out(to, bytes, epoll_layout.size_bytes);
}

static int event_in(struct event *event, uaddr_t from)
{
    uint8_t bytes[EPOLL_EVENT_MAX];
    int error = copy_in(bytes, from, epoll_layout.size_bytes);
    memcpy(&event->events, bytes, sizeof(event->events));
    memcpy(&event->data, bytes + epoll_layout.data, sizeof(event->data));
    return error;
}

/* One that was on the list, to the guest: 1, 0 (it is not ready), or -EFAULT, and it stays. */
static int give_one(struct item *item, uaddr_t to)
{
    const struct event event = { look(item), item->data };
    if (event.events == 0)
        return 0;
    if (event_out(to, &event) != 0) {
        still_ready(item);
        return -EFAULT;
    }
    if ((item->events & EPOLLONESHOT) != 0)
        __atomic_store_n(&item->events, item->events & HOW, __ATOMIC_RELAXED);
    else if ((item->events & EPOLLET) == 0)
        still_ready(item);
    return 1;
}

static int64_t give(struct epoll *epoll, uaddr_t to, unsigned most)
{
    struct list now;
    struct item *item;
    int64_t given = 0;
    int error = 0;
    rt_lock(&epoll->lock);
    take_all(epoll, &now);
    while (error >= 0 && given < most && (item = take_ready(epoll, &now)) != NULL) {
        error = give_one(item, to + (uint64_t)given * epoll_layout.size_bytes);
        given += error > 0;
    }
    give_back(epoll, &now);
    rt_unlock(&epoll->lock);
    return error < 0 && given == 0 ? error : given;
}

/* ---- The file ---- */

/* Nothing is taken. */
static uint32_t epoll_poll(struct file *file, struct poller *poller)
{
    struct epoll *epoll = file->data;
    struct list now;
    struct item *item;
    bool any = false;
    if (poller != NULL)
        (void)poller->add(poller, &epoll->queue);
    rt_lock(&epoll->lock);
    take_all(epoll, &now);
    while (!any && (item = take_ready(epoll, &now)) != NULL) {
        any = look(item) != 0;
        if (any)
            still_ready(item);
    }
    give_back(epoll, &now);
    rt_unlock(&epoll->lock);
    return any ? POLL_IN : 0;
}

/* With both locks. No wake is under way when it is freed. */
static void item_free(struct item *item)
{
    for (unsigned i = 0; i < item->count; i++)
        wait_queue_remove(&item->waiter[i].waiter);
    forget_ready(item);
    if (tree_linked(&item->node))
        tree_remove(&item->epoll->items, &item->node);
    list_remove(&item->in_file);
    heap_free(item);
}

static void epoll_release(struct file *file)
{
    struct epoll *epoll = file->data;
    rt_lock(&links_lock);
    rt_lock(&epoll->lock);
    while (!tree_empty(&epoll->items))
        item_free(CONTAINER_OF(tree_first(&epoll->items), struct item, node));
    rt_unlock(&epoll->lock);
    rt_unlock(&links_lock);
    heap_free(epoll);
}

/* The file is about to end, and nobody can add it any more. */
static void watched_end(struct file *file)
{
    rt_lock(&links_lock);
    while (!list_empty(&file->epolls)) {
        struct item *item = CONTAINER_OF(file->epolls.next, struct item, in_file);
        struct epoll *epoll = item->epoll;
        rt_lock(&epoll->lock);
        item_free(item);
        rt_unlock(&epoll->lock);
    }
    rt_unlock(&links_lock);
}

static int64_t epoll_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)strlcpy(to, "anon_inode:[eventpoll]", size_bytes);
}

static const struct file_ops epoll_ops = {
    .poll = epoll_poll,
    .release = epoll_release,
    .describe = epoll_describe,
};

int64_t linux_epoll_create1(uint32_t flags)
{
    struct file *file;
    if ((flags & ~O_CLOEXEC) != 0)
        return -EINVAL;
    struct epoll *epoll = heap_alloc(sizeof(*epoll));
    if (epoll == NULL)
        return -ENOMEM;
    list_init(&epoll->ready);
    wait_queue_init(&epoll->queue);
    int error = file_create(&epoll_ops, O_RDWR, epoll, &file);
    if (error != 0) {
        heap_free(epoll);
        return error;
    }
    epoll->file = file;
    int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

int64_t linux_epoll_create(int32_t size)
{
    return size <= 0 ? -EINVAL : linux_epoll_create1(0);
}

/* ---- Items ---- */

struct item_key {
    const struct file *file;
    int fd;
};

static int compare(const struct tree_node *node, const void *key)
{
    const struct item *item = CONTAINER_OF(node, struct item, node);
    const struct item_key *wanted = key;
    if (item->file != wanted->file)
        return (uintptr_t)item->file < (uintptr_t)wanted->file ? -1 : 1;
    return item->fd < wanted->fd ? -1 : item->fd > wanted->fd;
}

static bool before(const struct tree_node *a, const struct tree_node *b)
{
    const struct item *item = CONTAINER_OF(b, struct item, node);
    const struct item_key key = { item->file, item->fd };
    return compare(a, &key) < 0;
}

static struct item *find(const struct epoll *epoll, const struct file *file, int fd)
{
    const struct item_key key = { file, fd };
    struct tree_node *node = tree_lower_bound(&epoll->items, compare, &key);
    return node != NULL && compare(node, &key) == 0 ? CONTAINER_OF(node, struct item, node) : NULL;
}

struct item_poller {
    struct poller poller;
    struct item *item;
    bool failed;
};

static int add_queue(struct poller *poller, struct wait_queue *queue)
{
    struct item_poller *self = CONTAINER_OF(poller, struct item_poller, poller);
    struct item *item = self->item;
    if (item->count == QUEUES_PER_FILE) {
        self->failed = true;
        return -ENOMEM;
    }
    struct item_waiter *waiter = &item->waiter[item->count++];
    waiter_init(&waiter->waiter, NULL);
    waiter->waiter.wake = wake_item;
    waiter->item = item;
    wait_queue_add(queue, &waiter->waiter);
    return 0;
}

/* How many epolls lie in a row, from this one on. With links_lock. `*found`: `wanted` is one of
 * them. There are never more than NEST_MAX in a row, but there may be very many ways: each epoll is
 * looked at once in a search. */
static unsigned depth_below(struct epoll *epoll, const struct epoll *wanted, bool *found)
{
    unsigned deepest = 0;
    *found = *found || epoll == wanted;
    if (epoll->search == searches || *found)
        return epoll->depth;
    TREE_FOR_EACH(node, &epoll->items)
    {
        const struct item *item = CONTAINER_OF(node, struct item, node);
        if (item->file->ops == &epoll_ops)
            deepest = MAX(deepest, depth_below(item->file->data, wanted, found));
    }
    epoll->search = searches;
    epoll->depth = deepest + 1;
    return epoll->depth;
}

static unsigned depth_above(struct epoll *epoll)
{
    unsigned deepest = 0;
    if (epoll->search == searches)
        return epoll->depth;
    LIST_FOR_EACH(link, &epoll->file->epolls)
    deepest = MAX(deepest, depth_above(CONTAINER_OF(link, struct item, in_file)->epoll));
    epoll->search = searches;
    epoll->depth = deepest + 1;
    return epoll->depth;
}

static int check_nesting(struct epoll *epoll, const struct file *file)
{
    bool loop = false;
    if (file->ops != &epoll_ops)
        return 0;
    searches++;
    unsigned depth = depth_below(file->data, epoll, &loop);
    if (loop)
        return -ELOOP;
    searches++;
    return depth + depth_above(epoll) > NEST_MAX ? -ELOOP : 0;
}

static struct item *item_create(struct epoll *epoll, struct file *file, int fd,
                                const struct event *event)
{
    struct item *item = heap_alloc(sizeof(*item));
    if (item == NULL)
        return NULL;
    item->epoll = epoll;
    item->file = file;
    item->fd = fd;
    item->events = event->events | ALWAYS;
    item->data = event->data;
    list_init(&item->in_file);
    list_init(&item->in_ready);
    return item;
}

/* With links_lock. */
static int add(struct epoll *epoll, struct file *file, int fd, const struct event *event)
{
    struct item_poller poller = { .poller = { add_queue, true } };
    int error = check_nesting(epoll, file);
    struct item *item = error == 0 ? item_create(epoll, file, fd, event) : NULL;
    if (item == NULL)
        return error != 0 ? error : -ENOMEM;
    poller.item = item;
    rt_lock(&epoll->lock);
    tree_insert(&epoll->items, &item->node, before);
    file->watched_end = watched_end;
    list_push_back(&file->epolls, &item->in_file);
    uint32_t now = file_poll(file, &poller.poller) & item->events;
    if (poller.failed)
        item_free(item);
    else if (now != 0)
        make_ready(item);
    rt_unlock(&epoll->lock);
    return poller.failed ? -ENOMEM : 0;
}

static void change(struct item *item, const struct event *event)
{
    struct epoll *epoll = item->epoll;
    rt_lock(&epoll->lock);
    __atomic_store_n(&item->events, event->events | ALWAYS, __ATOMIC_SEQ_CST);
    item->data = event->data;
    if (look(item) != 0)
        make_ready(item);
    rt_unlock(&epoll->lock);
}

static int apply_locked(struct epoll *epoll, int operation, struct file *file, int fd,
                        const struct event *event)
{
    struct item *item = find(epoll, file, fd);
    if (operation == EPOLL_CTL_ADD)
        return item != NULL ? -EEXIST : add(epoll, file, fd, event);
    if (item == NULL)
        return -ENOENT;
    if (operation == EPOLL_CTL_DEL) {
        rt_lock(&epoll->lock);
        item_free(item);
        rt_unlock(&epoll->lock);
        return 0;
    }
    if ((item->events & EPOLLEXCLUSIVE) != 0)
        return -EINVAL;
    change(item, event);
    return 0;
}

static int check(const struct file *watcher, const struct file *file, int operation,
                 const struct event *event)
{
    if (file->ops->poll == NULL)
        return -EPERM;
    if (watcher->ops != &epoll_ops || watcher == file)
        return -EINVAL;
    if (operation < EPOLL_CTL_ADD || operation > EPOLL_CTL_MOD)
        return -EINVAL;
    if (operation != EPOLL_CTL_DEL && (event->events & EPOLLEXCLUSIVE) != 0 &&
        (operation == EPOLL_CTL_MOD || (event->events & ~EXCLUSIVE_FINE) != 0 ||
         file->ops == &epoll_ops))
        return -EINVAL;
    return 0;
}

int64_t linux_epoll_ctl(int32_t epoll_fd, int32_t operation, int32_t fd, uaddr_t event_at)
{
    struct event event = { 0 };
    if (operation != EPOLL_CTL_DEL && event_in(&event, event_at) != 0)
        return -EFAULT;
    struct file *watcher = fd_get(epoll_fd);
    struct file *file = fd_get(fd);
    int error = watcher == NULL || file == NULL ? -EBADF : check(watcher, file, operation, &event);
    if (error == 0) {
        rt_lock(&links_lock);
        error = apply_locked(watcher->data, operation, file, fd, &event);
        rt_unlock(&links_lock);
    }
    file_put(file);
    file_put(watcher);
    return error;
}

/* ---- Waiting ---- */

static int64_t wait_until(int epoll_fd, uaddr_t to, int most, uint64_t deadline_ns)
{
    struct waiter waiter;
    struct file *file = fd_get(epoll_fd);
    int64_t given = 0;
    if (most <= 0 || most > WAIT_MAX || file == NULL || file->ops != &epoll_ops) {
        bool missing = most > 0 && most <= WAIT_MAX && file == NULL;
        file_put(file);
        return missing ? -EBADF : -EINVAL;
    }
    struct epoll *epoll = file->data;
    waiter_init(&waiter, task_self());
    while ((given = give(epoll, to, (unsigned)most)) == 0) {
        int error = 0;
        if (waiter.queue == NULL && deadline_ns != 0)
            wait_queue_add(&epoll->queue, &waiter);
        else
            error = deadline_ns == 0 ? -ETIMEDOUT : task_sleep(deadline_ns);
        if (error != 0) {
            given = error == -ETIMEDOUT ? 0 : -EINTR;
            break;
        }
    }
    wait_queue_remove(&waiter);
    file_put(file);
    return given;
}

/* 0: at once. */
static uint64_t deadline_of(int timeout_ms)
{
    if (timeout_ms < 0)
        return MACHINE_NEVER;
    return timeout_ms == 0 ? 0 : machine_now_ns() + (uint64_t)timeout_ms * 1000000;
}

int64_t linux_epoll_wait(int32_t fd, uaddr_t to, int32_t most, int32_t timeout_ms)
{
    return wait_until(fd, to, most, deadline_of(timeout_ms));
}

static int64_t wait_masked(int fd, uaddr_t to, int most, uint64_t deadline_ns,
                           const uaddr_t mask[2])
{
    int64_t result = mask[0] == 0 ? 0 : signal_mask_for_call(mask[0], mask[1]);
    if (result != 0)
        return result;
    result = wait_until(fd, to, most, deadline_ns);
    if (mask[0] != 0)
        signal_mask_call_ends(result);
    return result;
}

int64_t linux_epoll_pwait(int32_t fd, uaddr_t to, int32_t most, int32_t timeout_ms, uaddr_t mask,
                          uint64_t mask_bytes)
{
    const uaddr_t pair[2] = { mask, mask_bytes };
    return wait_masked(fd, to, most, deadline_of(timeout_ms), pair);
}

int64_t linux_epoll_pwait2(int32_t fd, uaddr_t to, int32_t most, uaddr_t timeout, uaddr_t mask,
                           uint64_t mask_bytes)
{
    const uaddr_t pair[2] = { mask, mask_bytes };
    uint64_t deadline_ns;
    int error = timeout_in(timeout, &deadline_ns);
    return error != 0 ? error : wait_masked(fd, to, most, deadline_ns, pair);
}
