/* Signals to read: signalfd(2). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/file.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/task.h>

struct signalfd {
    signal_set set; /* atomic */
    /* Who made it. A file that is watched for long (epoll) waits on this process's queue, which
     * must not end before. */
    struct process *process;
};

/* struct signalfd_siginfo. */
struct signalfd_info {
    uint32_t number;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t timer, band, overrun, trap;
    int32_t status, value;
    uint64_t pointer, user_time, system_time, address;
    uint16_t address_lsb, padding_2;
    int32_t call;
    uint64_t call_address;
    uint32_t arch;
    uint8_t padding[28];
};
static_assert(sizeof(struct signalfd_info) == 128, "struct signalfd_siginfo");

static void translate_fault(const struct signal_info *info, struct signalfd_info *to)
{
    switch (info->number) {
    case SIGCHLD:
        to->status = info->of.child.status;
        to->user_time = (uint64_t)info->of.child.user_time;
        to->system_time = (uint64_t)info->of.child.system_time;
        break;
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        to->address = info->of.fault.address;
        break;
    case SIGIO:
        to->band = (uint32_t)info->of.poll.band;
        to->fd = info->of.poll.fd;
        break;
    default:
        break;
    }
}

static void translate(const struct signal_info *info, struct signalfd_info *to)
{
    memset(to, 0, sizeof(*to));
    to->number = (uint32_t)info->number;
    to->error = info->error;
    to->code = info->code;
    if (info->code == SI_TIMER) {
        to->timer = (uint32_t)info->of.timer.timer;
        to->overrun = (uint32_t)info->of.timer.overrun;
        to->pointer = info->of.timer.value;
        to->value = (int32_t)info->of.timer.value;
        return;
    }
    if (info->code <= 0) { /* somebody's: kill, sigqueue */
        to->pid = (uint32_t)info->of.queue.pid;
        to->uid = info->of.queue.uid;
        to->pointer = info->of.queue.value;
        to->value = (int32_t)info->of.queue.value;
        return;
    }
    if (info->number == SIGCHLD) {
        to->pid = (uint32_t)info->of.child.pid;
        to->uid = info->of.child.uid;
    }
    translate_fault(info, to);
}

/* As many as there are and fit. */
static int64_t take(const struct signalfd *self, struct io *io)
{
    struct signal_info info;
    struct signalfd_info out;
    int64_t done = 0;
    while (io->left >= sizeof(out) &&
           signal_take(__atomic_load_n(&self->set, __ATOMIC_RELAXED), &info) != 0) {
        translate(&info, &out);
        int64_t moved = io_to(io, &out, sizeof(out));
        if (moved < 0)
            return done > 0 ? done : moved;
        done += moved;
    }
    return done;
}

static int64_t signalfd_read(struct file *file, struct io *io, uint64_t *position)
{
    struct waiter waiter;
    int64_t result;
    (void)position;
    if (io->left < sizeof(struct signalfd_info))
        return -EINVAL;
    waiter_init(&waiter, task_self());
    wait_queue_add(&task_self()->process->signal_queue, &waiter);
    while ((result = take(file->data, io)) == 0) {
        result = file_nonblocking(file) ? -EAGAIN : task_sleep(MACHINE_NEVER);
        if (result != 0)
            break;
    }
    wait_queue_remove(&waiter);
    return result;
}

static uint32_t signalfd_poll(struct file *file, struct poller *poller)
{
    const struct signalfd *self = file->data;
    struct task *task = task_self();
    if (poller != NULL && (!poller->lasting || task->process == self->process))
        (void)poller->add(poller, &task->process->signal_queue);
    return signal_pending_of(task, __atomic_load_n(&self->set, __ATOMIC_RELAXED)) != 0 ? POLL_IN
                                                                                       : 0;
}

static void signalfd_release(struct file *file)
{
    struct signalfd *self = file->data;
    process_put(self->process);
    heap_free(self);
}

static int64_t signalfd_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)strlcpy(to, "anon_inode:[signalfd]", size_bytes);
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .describe = signalfd_describe,
};

static int64_t signalfd_change(int fd, signal_set set)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    bool is_one = file->ops == &signalfd_ops;
    if (is_one) {
        struct signalfd *self = file->data;
        __atomic_store_n(&self->set, set, __ATOMIC_RELAXED);
        wait_queue_wake(&task_self()->process->signal_queue, 0);
    }
    file_put(file);
    return is_one ? fd : -EINVAL;
}

static int64_t signalfd_create(signal_set set, uint32_t flags)
{
    struct file *file;
    struct signalfd *self = heap_alloc(sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->set = set;
    int error = file_create(&signalfd_ops, O_RDWR | (flags & O_NONBLOCK), self, &file);
    if (error != 0) {
        heap_free(self);
        return error;
    }
    self->process = process_get(task_self()->process);
    int fd = fd_install(file, 0, (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

int64_t linux_signalfd4(int32_t fd, uaddr_t set_at, uint64_t set_bytes, uint32_t flags)
{
    signal_set set;
    if (set_bytes != sizeof(set) || (flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    int error = copy_in(&set, set_at, sizeof(set));
    if (error != 0)
        return error;
    set &= ~SIGNALS_NEVER_BLOCKED;
    return fd == -1 ? signalfd_create(set, flags) : signalfd_change(fd, set);
}

int64_t linux_signalfd(int32_t fd, uaddr_t set_at, uint64_t set_bytes)
{
    return linux_signalfd4(fd, set_at, set_bytes, 0);
}
