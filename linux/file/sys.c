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

static int show_huge_pages(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "always madvise [never]\n");
    return 0;
}

static int show_huge_page_size(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "2097152\n");
    return 0;
}

/* ---- cgroup2 ---- */

static int show_controllers(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "cpu memory pids\n");
    return 0;
}

static int show_nothing(struct pseudo_node *node, struct text *text)
{
    (void)node;
    (void)text;
    return 0;
}

static int show_type(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "domain\n");
    return 0;
}

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

static int show_swap_max(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "0\n");
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

struct place {
    const char *path;
    struct pseudo_entry entry;
};
#define FILE_AT(where, function)                                                                   \
    {                                                                                              \
        where,                                                                                     \
        {                                                                                          \
            .mode = S_IFREG | 0444, .show = (function)                                             \
        }                                                                                          \
    }

static const struct place sys_files[] = {
    FILE_AT("devices/system/cpu/online", show_cpus),
    FILE_AT("devices/system/cpu/possible", show_cpus),
    FILE_AT("devices/system/cpu/present", show_cpus),
    FILE_AT("kernel/mm/transparent_hugepage/enabled", show_huge_pages),
    FILE_AT("kernel/mm/transparent_hugepage/hpage_pmd_size", show_huge_page_size),
};

static const struct place cgroup_files[] = {
    FILE_AT("cgroup.controllers", show_controllers),
    FILE_AT("cgroup.subtree_control", show_nothing),
    FILE_AT("cgroup.type", show_type),
    FILE_AT("cgroup.procs", show_members),
    FILE_AT("memory.max", show_memory_max),
    FILE_AT("memory.high", show_memory_max),
    FILE_AT("memory.current", show_memory_current),
    FILE_AT("memory.swap.max", show_swap_max),
    FILE_AT("memory.swap.current", show_swap_max),
    FILE_AT("cpu.max", show_cpu_max),
    FILE_AT("pids.max", show_pids_max),
    FILE_AT("pids.current", show_pids_current),
};

static const struct pseudo_entry root_entry = { .mode = S_IFDIR | 0555 };
static const struct pseudo_entry folder = { .mode = S_IFDIR | 0555 };

static int create(const char *type, uint32_t magic, const struct place *places, size_t count,
                  struct name **root_out)
{
    struct file_system *file_system;
    int error = pseudo_root(type, magic, &root_entry, &file_system, root_out);
    if (error != 0)
        return error;
    pseudo_register(file_system, *root_out);
    struct pseudo_tree tree = { .root = *root_out };
    for (size_t i = 0; i < count && error == 0; i++)
        error = pseudo_add(&tree, places[i].path, &places[i].entry);
    pseudo_add_end(&tree);
    return error;
}

int sys_create(void)
{
    struct name *root = NULL;
    int error = create("cgroup2", MAGIC_CGROUP2, cgroup_files, ARRAY_LEN(cgroup_files), &root);
    if (error == 0)
        error = create("sysfs", MAGIC_SYSFS, sys_files, ARRAY_LEN(sys_files), &root);
    struct pseudo_tree tree = { .root = root };
    if (error == 0)
        error = pseudo_add(&tree, "fs/cgroup", &folder);
    if (error == 0)
        error = pseudo_add(&tree, "kernel/mm/hugepages", &folder);
    pseudo_add_end(&tree);
    return error;
}
