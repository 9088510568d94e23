/* Counters to wait for: eventfd(2). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/file.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>

#define EFD_SEMAPHORE 1u
#define COUNT_MAX     (UINT64_MAX - 1)

/* Locking: lock (`channel`). */
struct eventfd {
    struct rt_lock lock;
    uint64_t count;
    bool semaphore;
    struct wait_queue read_queue, write_queue;
};

static int eventfd_sleep(const struct file *file, struct waiter *waiter, struct wait_queue *queue)
{
    if (file_nonblocking(file))
        return -EAGAIN;
    if (waiter->queue == NULL) {
        wait_queue_add(queue, waiter);
        return 0; /* look again first */
    }
    return task_sleep(MACHINE_NEVER);
}

static uint64_t take(struct eventfd *event)
{
    rt_lock(&event->lock);
    uint64_t value = event->semaphore && event->count > 0 ? 1 : event->count;
    event->count -= value;
    rt_unlock(&event->lock);
    return value;
}

static int64_t eventfd_read(struct file *file, struct io *io, uint64_t *position)
{
    struct eventfd *event = file->data;
    struct waiter waiter;
    uint64_t value;
    int error = 0;
    (void)position;
    if (io->left < sizeof(value))
        return -EINVAL;
    waiter_init(&waiter, task_self());
    while ((value = take(event)) == 0 && error == 0)
        error = eventfd_sleep(file, &waiter, &event->read_queue);
    wait_queue_remove(&waiter);
    if (value == 0)
        return error;
    wait_queue_wake(&event->write_queue, POLL_OUT);
    return io_to(io, &value, sizeof(value));
}

static bool add(struct eventfd *event, uint64_t value)
{
    rt_lock(&event->lock);
    bool fits = value <= COUNT_MAX - event->count;
    if (fits)
        event->count += value;
    rt_unlock(&event->lock);
    return fits;
}

static int64_t eventfd_write(struct file *file, struct io *io, uint64_t *position)
{
    struct eventfd *event = file->data;
    struct waiter waiter;
    uint64_t value = 0;
    (void)position;
    if (io->left < sizeof(value))
        return -EINVAL;
    int64_t moved = io_from(io, &value, sizeof(value));
    if (moved < 0)
        return moved;
    if (moved != sizeof(value))
        return -EFAULT;
    if (value == UINT64_MAX)
        return -EINVAL;
    int error = 0;
    bool done;
    waiter_init(&waiter, task_self());
    while (!(done = add(event, value)) && error == 0)
        error = eventfd_sleep(file, &waiter, &event->write_queue);
    wait_queue_remove(&waiter);
    if (!done)
        return error;
    if (value > 0)
        wait_queue_wake(&event->read_queue, POLL_IN);
    return moved;
}

static uint32_t eventfd_poll(struct file *file, struct poller *poller)
{
    struct eventfd *event = file->data;
    if (poller != NULL) {
        (void)poller->add(poller, &event->read_queue);
        (void)poller->add(poller, &event->write_queue);
    }
    rt_lock(&event->lock);
    uint32_t events = (event->count > 0 ? POLL_IN : 0) | (event->count < COUNT_MAX ? POLL_OUT : 0);
    rt_unlock(&event->lock);
    return events;
}

static void eventfd_release(struct file *file)
{
    heap_free(file->data);
}

static int64_t eventfd_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)strlcpy(to, "anon_inode:[eventfd]", size_bytes);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .describe = eventfd_describe,
};

int64_t linux_eventfd2(uint32_t count, uint32_t flags)
{
    struct file *file;
    if ((flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    struct eventfd *event = heap_alloc(sizeof(*event));
    if (event == NULL)
        return -ENOMEM;
    event->count = count;
    event->semaphore = (flags & EFD_SEMAPHORE) != 0;
    wait_queue_init(&event->read_queue);
    wait_queue_init(&event->write_queue);
    int error = file_create(&eventfd_ops, O_RDWR | (flags & O_NONBLOCK), event, &file);
    if (error != 0) {
        heap_free(event);
        return error;
    }
    int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

int64_t linux_eventfd(uint32_t count)
{
    return linux_eventfd2(count, 0);
}
