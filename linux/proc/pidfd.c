/* Descriptors that stand for a process: readable when it has ended. pidfd_open(2). */
#include "proc_impl.h"
#include <base/fmt.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/file.h>
#include <linux/pidfd.h>

enum { PIDFD_NONBLOCK = 04000 };

static uint32_t pidfd_poll(struct file *file, struct poller *poller)
{
    struct process *process = file->data;
    if (poller != NULL)
        (void)poller->add(poller, &process->end_queue);
    rt_lock(&processes_lock);
    bool ended = process->zombie;
    rt_unlock(&processes_lock);
    return ended ? POLL_IN : 0;
}

static void pidfd_release(struct file *file)
{
    process_put(file->data);
}

static int64_t pidfd_describe(struct file *file, char *to, size_t size_bytes)
{
    (void)file;
    return (int64_t)format_text(to, size_bytes, "anon_inode:[pidfd]");
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll,
    .release = pidfd_release,
    .describe = pidfd_describe,
};

int pidfd_install(struct process *process, uint32_t flags)
{
    const uint32_t read_write = 2;
    struct file *file;
    int error = file_create(&pidfd_ops, read_write | flags, process_get(process), &file);
    if (error != 0) {
        process_put(process);
        return error;
    }
    int fd = fd_install(file, 0, FD_CLOSE_ON_EXEC);
    if (fd < 0)
        file_put(file);
    return fd;
}

int pidfd_process(int fd, struct process **process_out, uint32_t *flags_out)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    bool is_one = file->ops == &pidfd_ops;
    if (is_one)
        *process_out = process_get(file->data);
    if (is_one && flags_out != NULL)
        *flags_out = file_flags(file);
    file_put(file);
    return is_one ? 0 : -EBADF;
}

int64_t linux_pidfd_open(int32_t pid, uint32_t flags)
{
    if ((flags & ~(uint32_t)PIDFD_NONBLOCK) != 0 || pid <= 0)
        return -EINVAL;
    struct process *process = process_find(pid);
    if (process == NULL) {
        struct task *task = task_find(pid);
        if (task == NULL)
            return -ESRCH;
        task_put(task);
        return -EINVAL; /* a thread that leads none */
    }
    int fd = pidfd_install(process, flags);
    process_put(process);
    return fd;
}
