/* Timers to read from: timerfd_create(2).
 *
 * Locking: `setting` keeps two that set it apart and is held while the timer is stopped; `lock`
 * (`channel`) is what the timer itself takes.
 */
#include <base/checked.h>
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/file.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>
#include <linux/timer.h>

#define TFD_TIMER_ABSTIME       1u
#define TFD_TIMER_CANCEL_ON_SET 2u

enum { SPEC_VALUE = 16 }; /* struct itimerspec: the interval, then the value */

struct timerfd {
    struct rt_lock setting;
    struct rt_lock lock;
    struct timer timer;
    int32_t clock;           /* constant */
    uint64_t interval_ns;    /* lock; 0: once */
    uint64_t deadline_ns;    /* lock; MACHINE_NEVER: not set, or over */
    uint64_t expirations;    /* lock; since the last read */
    struct wait_queue queue; /* readers */
};

/* Count what is over by now: the timer's thread may come later than who reads. With the lock. */
static void catch_up(struct timerfd *self)
{
    uint64_t now_ns = machine_now_ns();
    uint64_t deadline_ns = self->deadline_ns;
    uint64_t count = 1;
    uint64_t next_ns = MACHINE_NEVER;
    if (now_ns < deadline_ns)
        return;
    if (self->interval_ns != 0) {
        count += (now_ns - deadline_ns) / self->interval_ns;
        if (__builtin_mul_overflow(count, self->interval_ns, &next_ns) ||
            __builtin_add_overflow(next_ns, deadline_ns, &next_ns))
            next_ns = MACHINE_NEVER;
    }
    self->expirations += count;
    self->deadline_ns = next_ns;
}

static void expire(struct timer *timer)
{
    struct timerfd *self = CONTAINER_OF(timer, struct timerfd, timer);
    rt_lock(&self->lock);
    catch_up(self);
    uint64_t next_ns = self->deadline_ns;
    rt_unlock(&self->lock);
    if (next_ns != MACHINE_NEVER)
        (void)timer_start(timer, next_ns); /* there is a thread for it: this one */
    wait_queue_wake(&self->queue, POLL_IN);
}

static uint64_t take(struct timerfd *self)
{
    rt_lock(&self->lock);
    catch_up(self);
    uint64_t count = self->expirations;
    self->expirations = 0;
    rt_unlock(&self->lock);
    return count;
}

static int64_t timerfd_read(struct file *file, struct io *io, uint64_t *position)
{
    struct timerfd *self = file->data;
    struct waiter waiter;
    uint64_t count;
    int error = 0;
    (void)position;
    if (io->left < sizeof(count))
        return -EINVAL;
    waiter_init(&waiter, task_self());
    wait_queue_add(&self->queue, &waiter);
    while ((count = take(self)) == 0 && error == 0)
        error = file_nonblocking(file) ? -EAGAIN : task_sleep(MACHINE_NEVER);
    wait_queue_remove(&waiter);
    return count != 0 ? io_to(io, &count, sizeof(count)) : error;
}

static uint32_t timerfd_poll(struct file *file, struct poller *poller)
{
    struct timerfd *self = file->data;
    if (poller != NULL)
        (void)poller->add(poller, &self->queue);
    rt_lock(&self->lock);
    catch_up(self);
    uint32_t events = self->expirations > 0 ? POLL_IN : 0;
    rt_unlock(&self->lock);
    return events;
}

static void timerfd_release(struct file *file)
{
    struct timerfd *self = file->data;
    (void)timer_stop(&self->timer);
    heap_free(self);
}

static int64_t timerfd_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)strlcpy(to, "anon_inode:[timerfd]", size_bytes);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .describe = timerfd_describe,
};

int64_t linux_timerfd_create(int32_t clock, uint32_t flags)
{
    uint64_t unused;
    struct file *file;
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0 || time_deadline(clock, 0, true, &unused) != 0)
        return -EINVAL;
    if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
        return -EPERM; /* nobody here may wake the machine */
    struct timerfd *self = heap_alloc(sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    timer_init(&self->timer, expire);
    self->clock = clock;
    self->deadline_ns = MACHINE_NEVER;
    wait_queue_init(&self->queue);
    int error = file_create(&timerfd_ops, O_RDWR | (flags & O_NONBLOCK), self, &file);
    if (error != 0) {
        heap_free(self);
        return error;
    }
    int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

/* -EBADF, or -EINVAL: it is another kind of file. */
static int timerfd_get(int fd, struct file **file_out)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    if (file->ops != &timerfd_ops) {
        file_put(file);
        return -EINVAL;
    }
    *file_out = file;
    return 0;
}

struct timerfd_view {
    uint64_t interval_ns, left_ns;
};

static struct timerfd_view view_locked(const struct timerfd *self)
{
    struct timerfd_view view = { .interval_ns = self->interval_ns };
    uint64_t now_ns = machine_now_ns();
    if (self->deadline_ns != MACHINE_NEVER)
        view.left_ns = self->deadline_ns > now_ns ? self->deadline_ns - now_ns : 1;
    return view;
}

static int tell(uaddr_t to, const struct timerfd_view *view)
{
    int error = time_out(to, view->interval_ns);
    return error == 0 ? time_out(to + SPEC_VALUE, view->left_ns) : error;
}

static int set(struct timerfd *self, uint64_t interval_ns, uint64_t deadline_ns,
               struct timerfd_view *old_out)
{
    int error = 0;
    rt_lock(&self->setting);
    (void)timer_stop(&self->timer);
    rt_lock(&self->lock);
    *old_out = view_locked(self);
    self->interval_ns = interval_ns;
    self->deadline_ns = deadline_ns;
    self->expirations = 0;
    rt_unlock(&self->lock);
    if (deadline_ns != MACHINE_NEVER)
        error = timer_start(&self->timer, deadline_ns);
    rt_unlock(&self->setting);
    return error;
}

int64_t linux_timerfd_settime(int32_t fd, uint32_t flags, uaddr_t new, uaddr_t old)
{
    uint64_t interval_ns, value_ns, deadline_ns = MACHINE_NEVER;
    struct timerfd_view before;
    struct file *file;
    if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) != 0)
        return -EINVAL;
    int error = time_in(new, &interval_ns);
    if (error == 0)
        error = time_in(new + SPEC_VALUE, &value_ns);
    if (error == 0)
        error = timerfd_get(fd, &file);
    if (error != 0)
        return error;
    struct timerfd *self = file->data;
    if (value_ns != 0)
        error =
            time_deadline(self->clock, value_ns, (flags & TFD_TIMER_ABSTIME) != 0, &deadline_ns);
    if (error == 0)
        error = set(self, interval_ns, deadline_ns, &before);
    file_put(file);
    if (error == 0 && old != 0)
        error = tell(old, &before);
    return error;
}

int64_t linux_timerfd_gettime(int32_t fd, uaddr_t now)
{
    struct file *file;
    int error = timerfd_get(fd, &file);
    if (error != 0)
        return error;
    struct timerfd *self = file->data;
    rt_lock(&self->lock);
    struct timerfd_view view = view_locked(self);
    rt_unlock(&self->lock);
    file_put(file);
    return tell(now, &view);
}
