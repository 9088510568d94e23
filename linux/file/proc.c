/* /proc: what is about the whole system, and the way to processes (file/proc_pid.c). proc(5). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/abi/time.h>
#include <linux/file_impl.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/proc_impl.h>
#include <linux/task.h>
#include <linux/version.h>

#define KIB 1024u

static int show_meminfo(struct pseudo_node *node, struct text *text)
{
    (void)node;
    uint64_t total = container_memory_bytes() / KIB;
    uint64_t used = MIN(container_memory_used() / KIB, total);
    unsigned long long files = pool_pages() * (MACHINE_PAGE / KIB);
    unsigned long long left = total - used;
    text_add(text, "MemTotal:       %8llu kB\n", (unsigned long long)total);
    text_add(text, "MemFree:        %8llu kB\n", left);
    text_add(text, "MemAvailable:   %8llu kB\n", left);
    text_add(text, "Buffers:        %8u kB\n", 0);
    text_add(text, "Cached:         %8llu kB\n", files);
    text_add(text, "SwapCached:     %8u kB\n", 0);
    text_add(text, "SwapTotal:      %8u kB\n", 0);
    text_add(text, "SwapFree:       %8u kB\n", 0);
    text_add(text, "Dirty:          %8u kB\n", 0);
    text_add(text, "Writeback:      %8u kB\n", 0);
    text_add(text, "AnonPages:      %8llu kB\n", (unsigned long long)used - MIN(files, used));
    text_add(text, "Shmem:          %8llu kB\n", files);
    text_add(text, "Slab:           %8u kB\n", 0);
    text_add(text, "SReclaimable:   %8u kB\n", 0);
    text_add(text, "CommitLimit:    %8llu kB\n", (unsigned long long)total);
    text_add(text, "Committed_AS:   %8llu kB\n", (unsigned long long)used);
    text_add(text, "HugePages_Total: %7u\n", 0);
    text_add(text, "HugePages_Free:  %7u\n", 0);
    text_add(text, "Hugepagesize:   %8u kB\n", 2048);
    return 0;
}

/* CPU time of all processes that there are, in ticks; what is left of all CPUs is idle. */
static uint64_t ticks(uint64_t ns)
{
    return ns / (NS_PER_SECOND / CLOCK_TICKS);
}

static uint64_t used_ns(void)
{
    uint64_t sum = 0;
    for (int32_t pid = process_next(0); pid != 0; pid = process_next(pid)) {
        struct task_view view;
        if (task_view(pid, &view) == 0)
            sum += view.cpu_ns;
    }
    return sum;
}

static void add_cpu(struct text *text, const char *name, uint64_t used, uint64_t all)
{
    text_add(text, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name, (unsigned long long)ticks(used),
             (unsigned long long)ticks(all - MIN(used, all)));
}

static int show_stat(struct pseudo_node *node, struct text *text)
{
    (void)node;
    unsigned cpus = machine_cpu_count();
    uint64_t now = machine_now_ns();
    uint64_t used = used_ns();
    struct process_counts counts;
    process_counts(&counts);
    add_cpu(text, "cpu ", used, now * cpus);
    for (unsigned i = 0; i < cpus; i++) {
        char name[16];
        (void)format_text(name, sizeof(name), "cpu%u", i);
        add_cpu(text, name, used / cpus, now);
    }
    text_add(text, "intr 0\nctxt 0\nbtime %lld\nprocesses %llu\n",
             (long long)machine_realtime_offset_ns() / (long long)NS_PER_SECOND,
             (unsigned long long)counts.created);
    text_add(text, "procs_running %u\nprocs_blocked 0\n", MAX(counts.running, 1u));
    return 0;
}

static void add_seconds(struct text *text, uint64_t ns)
{
    uint64_t hundredths = ticks(ns);
    text_add(text, "%llu.%02u", (unsigned long long)(hundredths / CLOCK_TICKS),
             (unsigned)(hundredths % CLOCK_TICKS));
}

static int show_uptime(struct pseudo_node *node, struct text *text)
{
    (void)node;
    uint64_t now = machine_now_ns();
    uint64_t all = now * machine_cpu_count();
    add_seconds(text, now);
    text_add(text, " ");
    add_seconds(text, all - MIN(used_ns(), all));
    text_add(text, "\n");
    return 0;
}

static int show_loadavg(struct pseudo_node *node, struct text *text)
{
    (void)node;
    struct process_counts counts;
    process_counts(&counts);
    text_add(text, "0.00 0.00 0.00 %u/%u %d\n", MAX(counts.running, 1u), counts.tasks, counts.last);
    return 0;
}

static int show_version(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%s version %s %s\n", LINUX_SYSNAME, LINUX_RELEASE, LINUX_VERSION);
    return 0;
}

static int show_filesystems(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevpts\n"
                   "nodev\toverlay\n");
    return 0;
}

static int show_cmdline(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "\n");
    return 0;
}

static int show_cgroups(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
    return 0;
}

static int show_swaps(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return 0;
}

static int show_devices(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
                   "136 pts\n\nBlock devices:\n");
    return 0;
}

static int show_tty_drivers(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
                   "/dev/console         /dev/console    5       1 system:console\n"
                   "/dev/ptmx            /dev/ptmx       5       2 system\n"
                   "pty_slave            /dev/pts      136 0-1048575 pty:slave\n");
    return 0;
}

static int show_vmstat(struct pseudo_node *node, struct text *text)
{
    (void)node;
    uint64_t total = container_memory_bytes() / MACHINE_PAGE;
    uint64_t used = MIN(container_memory_used() / MACHINE_PAGE, total);
    text_add(text, "nr_free_pages %llu\nnr_shmem %llu\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
             (unsigned long long)(total - used), (unsigned long long)pool_pages());
    return 0;
}

/* ---- /proc/sys ---- */

static int show_host_name(struct pseudo_node *node, struct text *text)
{
    (void)node;
    char name[HOST_NAME_MAX + 1];
    host_name(name);
    text_add(text, "%s\n", name);
    return 0;
}

static int store_host_name(struct pseudo_node *node, char *bytes, size_t size_bytes)
{
    (void)node;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    while (size_bytes > 0 && (bytes[size_bytes - 1] == '\n' || bytes[size_bytes - 1] == '\0'))
        size_bytes--;
    if (size_bytes > HOST_NAME_MAX)
        return -EINVAL;
    host_name_set(bytes, size_bytes);
    return 0;
}

static int show_release(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%s\n", LINUX_RELEASE);
    return 0;
}

static int show_type(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%s\n", LINUX_SYSNAME);
    return 0;
}

static int show_build(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "%s\n", LINUX_VERSION);
    return 0;
}

static void add_uuid(struct text *text, uint8_t bytes[16])
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (unsigned i = 0; i < 16; i++)
        text_add(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
    text_add(text, "\n");
}

static int show_uuid(struct pseudo_node *node, struct text *text)
{
    (void)node;
    uint8_t bytes[16];
    machine_random(bytes, sizeof(bytes));
    add_uuid(text, bytes);
    return 0;
}

static uint8_t boot_id[16];

static int show_boot_id(struct pseudo_node *node, struct text *text)
{
    (void)node;
    add_uuid(text, boot_id);
    return 0;
}

/* One number, or a line of them, that does not change. */
struct constant {
    const char *path, *value;
};
static const struct constant constants[] = {
    { "sys/kernel/ngroups_max", "65536" },
    { "sys/kernel/cap_last_cap", "40" },
    { "sys/kernel/pid_max", "4194304" },
    { "sys/kernel/threads-max", "4194304" },
    { "sys/kernel/overflowuid", "65534" },
    { "sys/kernel/overflowgid", "65534" },
    { "sys/kernel/random/entropy_avail", "256" },
    { "sys/kernel/random/poolsize", "256" },
    { "sys/kernel/randomize_va_space", "2" },
    { "sys/kernel/core_pattern", "core" },
    { "sys/kernel/shmmax", "18446744073692774399" },
    { "sys/kernel/shmall", "18446744073692774399" },
    { "sys/kernel/shmmni", "4096" },
    { "sys/vm/overcommit_memory", "1" },
    { "sys/vm/max_map_count", "1048576" },
    { "sys/vm/swappiness", "0" },
    { "sys/vm/mmap_min_addr", "65536" },
    { "sys/fs/file-max", "1048576" },
    { "sys/fs/nr_open", "1048576" },
    { "sys/fs/pipe-max-size", "1048576" },
    { "sys/fs/protected_symlinks", "0" },
    { "sys/fs/protected_hardlinks", "0" },
    { "sys/net/core/somaxconn", "4096" },
};

static int show_constant(struct pseudo_node *node, struct text *text)
{
    text_add(text, "%s\n", node->entry->name);
    return 0;
}

/* An entry's name is its value here: the path says the rest. */
static struct pseudo_entry constant_entries[ARRAY_LEN(constants)];

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

static const struct place places[] = {
    FILE_AT("meminfo", show_meminfo),
    FILE_AT("cpuinfo", proc_show_cpus),
    FILE_AT("stat", show_stat),
    FILE_AT("uptime", show_uptime),
    FILE_AT("loadavg", show_loadavg),
    FILE_AT("version", show_version),
    FILE_AT("filesystems", show_filesystems),
    FILE_AT("cmdline", show_cmdline),
    FILE_AT("cgroups", show_cgroups),
    FILE_AT("swaps", show_swaps),
    FILE_AT("devices", show_devices),
    FILE_AT("vmstat", show_vmstat),
    FILE_AT("tty/drivers", show_tty_drivers),
    FILE_AT("sys/kernel/osrelease", show_release),
    FILE_AT("sys/kernel/ostype", show_type),
    FILE_AT("sys/kernel/version", show_build),
    FILE_AT("sys/kernel/random/uuid", show_uuid),
    FILE_AT("sys/kernel/random/boot_id", show_boot_id),
    { "sys/kernel/hostname",
      { .mode = S_IFREG | 0644, .show = show_host_name, .store = store_host_name } },
    { "self", { .mode = S_IFLNK | 0777, .ops = &proc_self_ops } },
    { "thread-self", { .mode = S_IFLNK | 0777, .ops = &proc_thread_self_ops } },
    { "mounts", { .name = "self/mounts", .mode = S_IFLNK | 0777, .ops = &proc_text_link_ops } },
    { "net", { .name = "self/net", .mode = S_IFLNK | 0777, .ops = &proc_text_link_ops } },
};

static const struct pseudo_entry root_entry = { .mode = S_IFDIR | 0555, .ops = &proc_root_ops };

int proc_create(void)
{
    struct file_system *file_system;
    struct name *root;
    machine_random(boot_id, sizeof(boot_id));
    int error = pseudo_root("proc", MAGIC_PROC, &root_entry, &file_system, &root);
    if (error != 0)
        return error;
    pseudo_register(file_system, root);
    struct pseudo_tree tree = { .root = root };
    for (size_t i = 0; i < ARRAY_LEN(places) && error == 0; i++)
        error = pseudo_add(&tree, places[i].path, &places[i].entry);
    for (size_t i = 0; i < ARRAY_LEN(constants) && error == 0; i++) {
        constant_entries[i] = (struct pseudo_entry){ .name = constants[i].value,
                                                     .mode = S_IFREG | 0444,
                                                     .show = show_constant };
        error = pseudo_add(&tree, constants[i].path, &constant_entries[i]);
    }
    pseudo_add_end(&tree);
    return error;
}
