/* What the system says about itself: uname, sysinfo, names of the host; and what a container may
 * not ask of it. uname(2), sysinfo(2).
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/time.h>
#include <linux/calls.h>
#include <linux/frame.h>
#include <linux/machine.h>

enum { NAME_BYTES = HOST_NAME_MAX + 1 };

/* Programs look at the release to know what they may expect: the interface that is followed here.
 */
static const char release[] = "6.1.0-themelios";
static const char version[] = "#1 SMP ThemeliOS";

static struct rt_lock names_lock; /* taken last */
static char host[NAME_BYTES] = "themelios";
static char domain[NAME_BYTES] = "(none)";

struct utsname {
    char system[NAME_BYTES], node[NAME_BYTES], release[NAME_BYTES], version[NAME_BYTES];
    char machine[NAME_BYTES], domain[NAME_BYTES];
};

void host_name(char *name_out)
{
    rt_lock(&names_lock);
    memcpy(name_out, host, sizeof(host));
    rt_unlock(&names_lock);
}

static void name_set(char name[NAME_BYTES], const char *from, size_t length)
{
    rt_lock(&names_lock);
    memset(name, 0, NAME_BYTES);
    memcpy(name, from, MIN(length, (size_t)HOST_NAME_MAX));
    rt_unlock(&names_lock);
}

void host_name_set(const char *name, size_t length)
{
    name_set(host, name, length);
}

int64_t linux_uname(uaddr_t to)
{
    struct utsname names = { .system = "Linux" };
    (void)strlcpy(names.release, release, sizeof(names.release));
    (void)strlcpy(names.version, version, sizeof(names.version));
    (void)strlcpy(names.machine, machine_name(), sizeof(names.machine));
    host_name(names.node);
    rt_lock(&names_lock);
    memcpy(names.domain, domain, sizeof(domain));
    rt_unlock(&names_lock);
    return copy_out(to, &names, sizeof(names));
}

static int64_t name_call(char name[NAME_BYTES], uaddr_t from, int32_t length)
{
    char new[NAME_BYTES];
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (length < 0 || length > HOST_NAME_MAX)
        return -EINVAL;
    if (copy_in(new, from, (size_t)length) != 0)
        return -EFAULT;
    name_set(name, new, (size_t)length);
    return 0;
}

int64_t linux_sethostname(uaddr_t from, int32_t length)
{
    return name_call(host, from, length);
}

int64_t linux_setdomainname(uaddr_t from, int32_t length)
{
    return name_call(domain, from, length);
}

struct guest_sysinfo {
    int64_t uptime;
    uint64_t loads[3];
    uint64_t total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
    uint16_t processes, padding;
    uint64_t total_high, free_high;
    uint32_t unit;
};

int64_t linux_sysinfo(uaddr_t to)
{
    struct guest_sysinfo info;
    struct process_counts counts;
    memset(&info, 0, sizeof(info));
    process_counts(&counts);
    machine_memory(&info.total_ram, &info.free_ram);
    info.uptime = (int64_t)(machine_now_ns() / NS_PER_SECOND);
    info.processes = (uint16_t)MIN(counts.tasks, (uint32_t)UINT16_MAX);
    info.unit = 1;
    return copy_out(to, &info, sizeof(info));
}

/* The kernel's log is the operator's. */
int64_t linux_syslog(int32_t type, uaddr_t buffer, int32_t size)
{
    (void)type;
    (void)buffer;
    (void)size;
    return -EPERM;
}

/* Refused as by a Linux that was built without it; every C library asks when it starts. */
int64_t linux_rseq(uaddr_t area, uint32_t size_bytes, uint32_t flags, uint32_t signature)
{
    (void)area;
    (void)size_bytes;
    (void)flags;
    (void)signature;
    return -ENOSYS;
}

/* Only the one that there is. */
int64_t linux_personality(uint32_t persona)
{
    const uint32_t query = 0xffffffff;
    return persona == query || persona == 0 ? 0 : -EINVAL;
}

/* What is shared with others may be made one's own; namespaces cannot. */
int64_t linux_unshare(uint64_t flags)
{
    const uint64_t tables = CLONE_FS | CLONE_FILES;
    struct task *self = task_self();
    const uint64_t alone = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    if ((flags & ~(tables | CLONE_SYSVSEM | alone | CLONE_NAMESPACES)) != 0)
        return -EINVAL;
    if ((flags & alone) != 0 && READ_ONCE(self->process->task_count) != 1)
        return -EINVAL; /* who is alone has these of its own already */
    if ((flags & CLONE_NAMESPACES) != 0)
        return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    struct file_table *files = NULL;
    struct fs_context *fs = NULL;
    int error = 0;
    if ((flags & CLONE_FILES) != 0)
        error = file_table_copy(self->files, &files);
    if (error == 0 && (flags & CLONE_FS) != 0)
        error = fs_context_copy(self->fs, &fs);
    if (error != 0) {
        if (files != NULL)
            file_table_put(files);
        return error;
    }
    rt_lock(&self->lock);
    struct file_table *old_files = self->files;
    struct fs_context *old_fs = self->fs;
    self->files = files != NULL ? files : old_files;
    self->fs = fs != NULL ? fs : old_fs;
    rt_unlock(&self->lock);
    if (files != NULL)
        file_table_put(old_files);
    if (fs != NULL)
        fs_context_put(old_fs);
    return 0;
}

int64_t linux_set_robust_list(uaddr_t head, uint64_t size_bytes)
{
    const uint64_t head_bytes = 24;
    struct task *self = task_self();
    if (size_bytes != head_bytes)
        return -EINVAL;
    self->robust_list = head;
    self->robust_list_bytes = size_bytes;
    return 0;
}

int64_t linux_get_robust_list(int32_t tid, uaddr_t head_at, uaddr_t size_at)
{
    const uint64_t head_bytes = 24;
    struct task *task = tid == 0 ? task_get(task_self()) : task_find(tid);
    if (task == NULL)
        return -ESRCH;
    uint64_t head = __atomic_load_n(&task->robust_list, __ATOMIC_ACQUIRE);
    int error = task_may_look(task);
    task_put(task);
    if (error == 0)
        error = copy_out(size_at, &head_bytes, sizeof(head_bytes));
    return error != 0 ? error : copy_out(head_at, &head, sizeof(head));
}
