/* /sys, as far as programs look, and /sys/fs/cgroup with the container's limits. sysfs(5),
 * cgroups(7).
 */
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/pool.h>
#include <linux/pseudo.h>
#include <linux/task.h>

static int show_cpus(struct pseudo_node *node, struct text *text)
{
    (void)node;
    unsigned count = machine_cpu_count();
    if (count > 1)
        text_add(text, "0-%u\n", count - 1);
    else
        text_add(text, "0\n");
    return 0;
}

/* ---- cgroup2 ---- */

static int show_memory_max(struct pseudo_node *node, struct text *text)
{
    (void)node;
    if (container_limits()->memory_bytes == 0)
        text_add(text, "max\n");
    else
        text_add(text, "%llu\n", (unsigned long long)container_limits()->memory_bytes);
    return 0;
}

static int show_memory_current(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%llu\n", (unsigned long long)container_memory_used());
    return 0;
}

static int show_cpu_max(struct pseudo_node *node, struct text *text)
{
    (void)node;
    const struct container_limits *limits = container_limits();
    unsigned long long period = limits->cpu_period_us != 0 ? limits->cpu_period_us : 100000;
    if (limits->cpu_quota_us == 0)
        text_add(text, "max %llu\n", period);
    else
        text_add(text, "%llu %llu\n", (unsigned long long)limits->cpu_quota_us, period);
    return 0;
}

static int show_pids_max(struct pseudo_node *node, struct text *text)
{
    (void)node;
    if (container_limits()->tasks == 0)
        text_add(text, "max\n");
    else
        text_add(text, "%u\n", container_limits()->tasks);
    return 0;
}

static int show_pids_current(struct pseudo_node *node, struct text *text)
{
    (void)node;
    struct process_counts counts;
    process_counts(&counts);
    text_add(text, "%u\n", counts.tasks);
    return 0;
}

static int show_members(struct pseudo_node *node, struct text *text)
{
    (void)node;
    for (int32_t pid = process_next(0); pid != 0; pid = process_next(pid))
        text_add(text, "%d\n", pid);
    return 0;
}

static const struct pseudo_place sys_files[] = {
    PSEUDO_FILE("devices/system/cpu/online", show_cpus),
    PSEUDO_FILE("devices/system/cpu/possible", show_cpus),
    PSEUDO_FILE("devices/system/cpu/present", show_cpus),
    PSEUDO_TEXT("kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    PSEUDO_TEXT("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
    PSEUDO_FOLDER("kernel/mm/hugepages"),
    PSEUDO_FOLDER("fs/cgroup"),
};

static const struct pseudo_place cgroup_files[] = {
    PSEUDO_TEXT("cgroup.controllers", "cpu memory pids\n"),
    PSEUDO_TEXT("cgroup.subtree_control", ""),
    PSEUDO_TEXT("cgroup.type", "domain\n"),
    PSEUDO_FILE("cgroup.procs", show_members),
    PSEUDO_FILE("memory.max", show_memory_max),
    PSEUDO_FILE("memory.high", show_memory_max),
    PSEUDO_FILE("memory.current", show_memory_current),
    PSEUDO_TEXT("memory.swap.max", "0\n"),
    PSEUDO_TEXT("memory.swap.current", "0\n"),
    PSEUDO_FILE("cpu.max", show_cpu_max),
    PSEUDO_FILE("pids.max", show_pids_max),
    PSEUDO_FILE("pids.current", show_pids_current),
};

static const struct pseudo_entry root_entry = { .mode = S_IFDIR | 0555 };

static int create(const char *type, uint32_t magic, const struct pseudo_place *places, size_t count)
{
    struct file_system *file_system;
    struct name *root;
    int error = pseudo_root(type, magic, &root_entry, &file_system, &root);
    if (error != 0)
        return error;
    pseudo_register(file_system, root);
    return pseudo_add(root, places, count);
}

int sys_create(void)
{
    int error = create("cgroup2", MAGIC_CGROUP2, cgroup_files, ARRAY_LEN(cgroup_files));
    return error != 0 ? error : create("sysfs", MAGIC_SYSFS, sys_files, ARRAY_LEN(sys_files));
}
