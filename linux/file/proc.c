/* /proc: what is about the whole system, and the way to processes (file/proc_pid.c). proc(5). */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/abi/time.h>
#include <linux/file_impl.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/mounts.h>
#include <linux/procfs.h>
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
        struct process *process = process_find(pid);
        if (process == NULL)
            continue;
        sum += process_cpu_ns(process);
        process_put(process);
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

static const struct pseudo_place places[] = {
    PSEUDO_FILE("meminfo", show_meminfo),
    PSEUDO_FILE("cpuinfo", proc_show_cpus),
    PSEUDO_FILE("stat", show_stat),
    PSEUDO_FILE("uptime", show_uptime),
    PSEUDO_FILE("loadavg", show_loadavg),
    PSEUDO_TEXT("version", LINUX_SYSNAME " version " LINUX_RELEASE " " LINUX_VERSION "\n"),
    PSEUDO_TEXT("filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\n"
                               "nodev\tdevpts\nnodev\toverlay\n"),
    PSEUDO_TEXT("cmdline", "\n"),
    PSEUDO_TEXT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
    PSEUDO_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    PSEUDO_TEXT("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n"
                           "  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"),
    PSEUDO_FILE("vmstat", show_vmstat),
    PSEUDO_TEXT("tty/drivers", "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
                               "/dev/console         /dev/console    5       1 system:console\n"
                               "/dev/ptmx            /dev/ptmx       5       2 system\n"
                               "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"),
    PSEUDO_TEXT("sys/kernel/osrelease", LINUX_RELEASE "\n"),
    PSEUDO_TEXT("sys/kernel/ostype", LINUX_SYSNAME "\n"),
    PSEUDO_TEXT("sys/kernel/version", LINUX_VERSION "\n"),
    { "sys/kernel/hostname",
      { .mode = S_IFREG | 0644, .show = show_host_name, .store = store_host_name } },
    PSEUDO_TEXT("sys/kernel/ngroups_max", "65536\n"),
    PSEUDO_TEXT("sys/kernel/cap_last_cap", "40\n"),
    PSEUDO_TEXT("sys/kernel/pid_max", "4194304\n"),
    PSEUDO_TEXT("sys/kernel/threads-max", "4194304\n"),
    PSEUDO_TEXT("sys/kernel/overflowuid", "65534\n"),
    PSEUDO_TEXT("sys/kernel/overflowgid", "65534\n"),
    PSEUDO_TEXT("sys/kernel/randomize_va_space", "2\n"),
    PSEUDO_TEXT("sys/kernel/core_pattern", "core\n"),
    PSEUDO_TEXT("sys/kernel/shmmax", "18446744073692774399\n"),
    PSEUDO_TEXT("sys/kernel/shmall", "18446744073692774399\n"),
    PSEUDO_TEXT("sys/kernel/shmmni", "4096\n"),
    PSEUDO_FILE("sys/kernel/random/uuid", show_uuid),
    PSEUDO_FILE("sys/kernel/random/boot_id", show_boot_id),
    PSEUDO_TEXT("sys/kernel/random/entropy_avail", "256\n"),
    PSEUDO_TEXT("sys/kernel/random/poolsize", "256\n"),
    PSEUDO_TEXT("sys/vm/overcommit_memory", "1\n"),
    PSEUDO_TEXT("sys/vm/max_map_count", "1048576\n"),
    PSEUDO_TEXT("sys/vm/swappiness", "0\n"),
    PSEUDO_TEXT("sys/vm/mmap_min_addr", "65536\n"),
    PSEUDO_TEXT("sys/fs/file-max", "1048576\n"),
    PSEUDO_TEXT("sys/fs/nr_open", "1048576\n"),
    PSEUDO_TEXT("sys/fs/pipe-max-size", "1048576\n"),
    PSEUDO_TEXT("sys/fs/protected_symlinks", "0\n"),
    PSEUDO_TEXT("sys/fs/protected_hardlinks", "0\n"),
    PSEUDO_TEXT("sys/net/core/somaxconn", "4096\n"),
    { "self", { .mode = S_IFLNK | 0777, .ops = &proc_self_ops } },
    { "thread-self", { .mode = S_IFLNK | 0777, .ops = &proc_thread_self_ops } },
    { "mounts", { .mode = S_IFLNK | 0777, .text = "self/mounts", .ops = &proc_text_link_ops } },
    { "net", { .mode = S_IFLNK | 0777, .text = "self/net", .ops = &proc_text_link_ops } },
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
    return pseudo_add(root, places, ARRAY_LEN(places));
}
