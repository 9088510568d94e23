/* /proc/PID and /proc/PID/task/TID: directories that exist while somebody looks at them. proc(5).
 *
 * Every node keeps its thread (or the process's leader); what is read of one that has been waited
 * for is -ESRCH.
 */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/signal.h>
#include <linux/abi/time.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/mounts.h>
#include <linux/procfs.h>
#include <linux/task.h>

enum { NAME_TABLE_END = 1 << 20 };

static tty_describe *describes_tty;

void tty_register(tty_describe *describe)
{
    describes_tty = describe;
}

/* ---- What one process says ---- */

static int view_of(struct pseudo_node *node, struct task_view *view)
{
    return task_view(node->task, view);
}

static unsigned long long ticks(uint64_t ns)
{
    return ns / (NS_PER_SECOND / CLOCK_TICKS);
}

static void add_number(struct text *text, uint64_t number)
{
    text_add(text, "%llu ", (unsigned long long)number);
}

/* Where things lie in memory is for those who may look at it. */
static void hide_addresses(struct proc_memory *memory)
{
    memory->code_start = memory->code_end = 1; /* as Linux says it */
    memory->stack_top = 0;
    memory->data_start = memory->data_end = memory->brk_start = 0;
    memory->argument_start = memory->argument_end = 0;
    memory->environment_start = memory->environment_end = 0;
}

static int show_stat(struct pseudo_node *node, struct text *text)
{
    struct task_view view;
    struct proc_memory memory;
    uint32_t device = 0;
    int32_t foreground = -1;
    int error = view_of(node, &view);
    if (error != 0)
        return error;
    proc_memory(node->task, &memory);
    if (task_may_look(node->task) != 0)
        hide_addresses(&memory);
    if (view.terminal != NULL && describes_tty != NULL)
        describes_tty(view.terminal, &device, &foreground);
    text_add(text, "%d (%s) %c %d %d %d %d %d 4194304 0 0 0 0 ", view.tid, view.comm, view.state,
             view.parent, view.group, view.session, (int)device, foreground);
    text_add(text, "%llu 0 %llu 0 %d %d %u 0 %llu ", ticks(view.cpu_ns), ticks(view.children_ns),
             20 + view.nice, view.nice, view.threads, ticks(view.start_ns));
    add_number(text, memory.total_bytes);
    add_number(text, memory.resident_bytes / MACHINE_PAGE);
    add_number(text, node->task->process->limit[RLIMIT_RSS].soft);
    add_number(text, memory.code_start);
    add_number(text, memory.code_end);
    add_number(text, memory.stack_top);
    text_add(text, "0 0 ");
    add_number(text, view.pending & INT32_MAX);
    add_number(text, view.blocked & INT32_MAX);
    add_number(text, view.ignored & INT32_MAX);
    add_number(text, view.caught & INT32_MAX);
    text_add(text, "0 0 0 %d 0 0 0 0 0 0 ", view.exit_signal);
    add_number(text, memory.data_start);
    add_number(text, memory.data_end);
    add_number(text, memory.brk_start);
    add_number(text, memory.argument_start);
    add_number(text, memory.argument_end);
    add_number(text, memory.environment_start);
    add_number(text, memory.environment_end);
    text_add(text, "%u\n", view.exit_status);
    return 0;
}

static int show_statm(struct pseudo_node *node, struct text *text)
{
    struct proc_memory memory;
    proc_memory(node->task, &memory);
    text_add(text, "%llu %llu 0 0 0 %llu 0\n",
             (unsigned long long)memory.total_bytes / MACHINE_PAGE,
             (unsigned long long)memory.resident_bytes / MACHINE_PAGE,
             (unsigned long long)memory.data_bytes / MACHINE_PAGE);
    return 0;
}

static const char *state_name(char state)
{
    switch (state) {
    case 'R':
        return "R (running)";
    case 'T':
        return "T (stopped)";
    case 'Z':
        return "Z (zombie)";
    case 'X':
        return "X (dead)";
    default:
        return "S (sleeping)";
    }
}

static void add_ids(struct text *text, const struct cred *cred)
{
    text_add(text, "Uid:\t%u\t%u\t%u\t%u\n", cred->uid, cred->euid, cred->suid, cred->fsuid);
    text_add(text, "Gid:\t%u\t%u\t%u\t%u\n", cred->gid, cred->egid, cred->sgid, cred->fsgid);
}

static void add_capabilities(struct text *text, const struct cred *cred)
{
    text_add(text, "CapInh:\t%016llx\n", (unsigned long long)cred->inheritable);
    text_add(text, "CapPrm:\t%016llx\n", (unsigned long long)cred->permitted);
    text_add(text, "CapEff:\t%016llx\n", (unsigned long long)cred->effective);
    text_add(text, "CapBnd:\t%016llx\n", (unsigned long long)cred->bounding);
    text_add(text, "CapAmb:\t%016llx\n", (unsigned long long)cred->ambient);
    text_add(text, "NoNewPrivs:\t%d\n", cred->no_new_privileges);
}

static void add_kilobytes(struct text *text, const char *name, uint64_t bytes)
{
    text_add(text, "%s:\t%8llu kB\n", name, (unsigned long long)bytes / 1024);
}

static void add_memory(struct text *text, struct task *task)
{
    struct proc_memory memory;
    proc_memory(task, &memory);
    if (memory.total_bytes == 0)
        return;
    add_kilobytes(text, "VmPeak", memory.peak_bytes);
    add_kilobytes(text, "VmSize", memory.total_bytes);
    add_kilobytes(text, "VmLck", memory.locked_bytes);
    add_kilobytes(text, "VmPin", 0);
    add_kilobytes(text, "VmHWM", memory.resident_bytes);
    add_kilobytes(text, "VmRSS", memory.resident_bytes);
    add_kilobytes(text, "RssAnon", memory.resident_bytes);
    add_kilobytes(text, "RssFile", 0);
    add_kilobytes(text, "RssShmem", 0);
    add_kilobytes(text, "VmData", memory.data_bytes);
    add_kilobytes(text, "VmStk", memory.stack_bytes);
    add_kilobytes(text, "VmExe", memory.executable_bytes);
    add_kilobytes(text, "VmLib", 0);
    add_kilobytes(text, "VmSwap", 0);
}

static void add_signals(struct text *text, const struct task_view *view, uint64_t limit)
{
    text_add(text, "Threads:\t%u\n", view->threads);
    text_add(text, "SigQ:\t%u/%llu\n", view->queued, (unsigned long long)limit);
    text_add(text, "SigPnd:\t%016llx\n", (unsigned long long)view->pending);
    text_add(text, "ShdPnd:\t%016llx\n", (unsigned long long)view->shared_pending);
    text_add(text, "SigBlk:\t%016llx\n", (unsigned long long)view->blocked);
    text_add(text, "SigIgn:\t%016llx\n", (unsigned long long)view->ignored);
    text_add(text, "SigCgt:\t%016llx\n", (unsigned long long)view->caught);
}

static bool has_cpu(const struct cpu_set *cpus, unsigned cpu)
{
    return cpu < CPU_SET_MAX && (cpus->word[cpu / 64] & BIT64(cpu % 64)) != 0;
}

static void add_cpu_list(struct text *text, const struct cpu_set *cpus)
{
    const char *before = "";
    for (unsigned first = 0; first < CPU_SET_MAX; first++) {
        unsigned last = first;
        if (!has_cpu(cpus, first))
            continue;
        while (has_cpu(cpus, last + 1))
            last++;
        text_add(text, last == first ? "%s%u" : "%s%u-%u", before, first, last);
        before = ",";
        first = last;
    }
}

/* 32 CPUs a group, the last CPU first. */
static void add_cpu_mask(struct text *text, const struct cpu_set *cpus, unsigned count)
{
    unsigned groups = (count + 31) / 32;
    for (unsigned at = groups; at-- > 0;) {
        unsigned bits = at + 1 == groups ? count - at * 32 : 32;
        text_add(text, "%0*x%s", (int)((bits + 3) / 4),
                 (unsigned)(cpus->word[at / 2] >> (at % 2 * 32)), at > 0 ? "," : "");
    }
}

static void add_cpus(struct text *text, const struct task_view *view)
{
    text_add(text, "Cpus_allowed:\t");
    add_cpu_mask(text, &view->cpus, MIN(machine_cpu_count(), (unsigned)CPU_SET_MAX));
    text_add(text, "\nCpus_allowed_list:\t");
    add_cpu_list(text, &view->cpus);
    text_add(text, "\n");
    text_add(text, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    text_add(text, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
}

static uint32_t umask_of(struct task *task)
{
    struct fs_context *fs = task_fs(task);
    if (fs == NULL)
        return 0;
    uint32_t mask = fs->umask;
    fs_context_put(fs);
    return mask;
}

static int show_status(struct pseudo_node *node, struct text *text)
{
    struct task_view view;
    int error = view_of(node, &view);
    if (error != 0)
        return error;
    struct cred *cred = task_cred(node->task);
    text_add(text, "Name:\t%s\nUmask:\t", view.comm);
    text_add_octal(text, umask_of(node->task), 4);
    text_add(text, "\nState:\t%s\n", state_name(view.state));
    text_add(text, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", view.pid, view.tid,
             view.parent);
    add_ids(text, cred);
    text_add(text, "FDSize:\t64\nGroups:\t");
    for (uint32_t i = 0; i < cred->group_count; i++)
        text_add(text, "%u ", cred->groups[i]);
    text_add(text, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", view.pid, view.tid,
             view.group, view.session);
    add_memory(text, node->task);
    add_signals(text, &view, node->task->process->limit[RLIMIT_SIGPENDING].soft);
    add_capabilities(text, cred);
    text_add(text, "Seccomp:\t0\nSeccomp_filters:\t0\n");
    add_cpus(text, &view);
    cred_put(cred);
    return 0;
}

static int show_comm(struct pseudo_node *node, struct text *text)
{
    char name[TASK_COMM_BYTES];
    task_name(node->task, name);
    text_add(text, "%s\n", name);
    return 0;
}

static int store_comm(struct pseudo_node *node, char *bytes, size_t size_bytes)
{
    if (node->task->process != task_self()->process)
        return -EINVAL;
    if (size_bytes > 0 && bytes[size_bytes - 1] == '\n')
        bytes[size_bytes - 1] = '\0';
    bytes[MIN(size_bytes, (size_t)TASK_COMM_BYTES - 1)] = '\0';
    task_rename(node->task, bytes);
    return 0;
}

static int show_cgroup(struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "0::/\n");
    return 0;
}

static const struct {
    const char *name, *unit;
} limit_names[RLIMIT_COUNT] = {
    [RLIMIT_CPU] = { "Max cpu time", "seconds" },
    [RLIMIT_FSIZE] = { "Max file size", "bytes" },
    [RLIMIT_DATA] = { "Max data size", "bytes" },
    [RLIMIT_STACK] = { "Max stack size", "bytes" },
    [RLIMIT_CORE] = { "Max core file size", "bytes" },
    [RLIMIT_RSS] = { "Max resident set", "bytes" },
    [RLIMIT_NPROC] = { "Max processes", "processes" },
    [RLIMIT_NOFILE] = { "Max open files", "files" },
    [RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
    [RLIMIT_AS] = { "Max address space", "bytes" },
    [RLIMIT_LOCKS] = { "Max file locks", "locks" },
    [RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
    [RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
    [RLIMIT_NICE] = { "Max nice priority", "" },
    [RLIMIT_RTPRIO] = { "Max realtime priority", "" },
    [RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
};

static void add_limit(struct text *text, uint64_t value)
{
    if (value == RLIM_INFINITY)
        text_add(text, "%-20s ", "unlimited");
    else
        text_add(text, "%-20llu ", (unsigned long long)value);
}

static int show_limits(struct pseudo_node *node, struct text *text)
{
    const struct resource_limit *limit = node->task->process->limit;
    text_add(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned i = 0; i < RLIMIT_COUNT; i++) {
        text_add(text, "%-25s ", limit_names[i].name);
        add_limit(text, __atomic_load_n(&limit[i].soft, __ATOMIC_RELAXED));
        add_limit(text, __atomic_load_n(&limit[i].hard, __ATOMIC_RELAXED));
        text_add(text, "%-10s\n", limit_names[i].unit);
    }
    return 0;
}

static int show_oom_score_adj(struct pseudo_node *node, struct text *text)
{
    text_add(text, "%d\n", __atomic_load_n(&node->task->process->oom_score_adj, __ATOMIC_RELAXED));
    return 0;
}

/* Nobody makes himself safer than he was without the right to. */
static int store_oom_score_adj(struct pseudo_node *node, char *bytes, size_t size_bytes)
{
    enum { ADJUST_MAX = 1000 };
    (void)size_bytes;
    bool negative = bytes[0] == '-';
    const char *at = bytes + negative;
    int32_t value = 0;
    if (*at < '0' || *at > '9')
        return -EINVAL;
    for (; *at >= '0' && *at <= '9' && value <= ADJUST_MAX; at++)
        value = value * 10 + (*at - '0');
    if ((*at != '\0' && *at != '\n') || value > ADJUST_MAX)
        return -EINVAL;
    value = negative ? -value : value;
    int32_t *adjust = &node->task->process->oom_score_adj;
    if (value < __atomic_load_n(adjust, __ATOMIC_RELAXED) && !capable(CAP_SYS_RESOURCE))
        return -EACCES;
    __atomic_store_n(adjust, value, __ATOMIC_RELAXED);
    return 0;
}

/* ---- Links ---- */

/* Where the link leads, counted. */
static int path_of_link(struct pseudo_node *node, struct path *path_out)
{
    const char *name = node->entry->name;
    int error;
    if (strcmp(name, "exe") == 0) {
        struct mm *mm;
        error = task_look_mm(node->task, &mm);
        if (error != 0)
            return error == -EPERM ? -EACCES : -ENOENT;
        error = mm->executable == NULL ? -ENOENT : 0;
        if (error == 0)
            *path_out = path_get(&mm->executable->path);
        mm_put(mm);
        return error;
    }
    struct fs_context *fs;
    error = task_look_fs(node->task, &fs);
    if (error != 0)
        return error == -EPERM ? -EACCES : -ENOENT;
    rt_lock(&fs->lock);
    *path_out = path_get(strcmp(name, "cwd") == 0 ? &fs->working : &fs->root);
    rt_unlock(&fs->lock);
    fs_context_put(fs);
    return 0;
}

static int link_follow(struct node *node, struct path *path_out)
{
    return path_of_link(pseudo_node(node), path_out);
}

static int64_t link_readlink(struct node *node, char *to, size_t size_bytes)
{
    struct path path;
    int64_t length = path_of_link(pseudo_node(node), &path);
    if (length != 0)
        return length;
    length = path_text(&path, to, size_bytes);
    path_put(&path);
    return length;
}

int64_t proc_text(const char *text, char *to, size_t size_bytes)
{
    size_t length = strnlen(text, size_bytes);
    memcpy(to, text, length);
    return (int64_t)length;
}

static int64_t fixed_readlink(struct node *node, char *to, size_t size_bytes)
{
    return proc_text(pseudo_node(node)->entry->text, to, size_bytes);
}

static int64_t self_readlink(struct node *node, char *to, size_t size_bytes)
{
    (void)node;
    char text[16];
    (void)format_text(text, sizeof(text), "%d", task_self()->process->pid);
    return proc_text(text, to, size_bytes);
}

static int64_t thread_self_readlink(struct node *node, char *to, size_t size_bytes)
{
    (void)node;
    char text[40];
    (void)format_text(text, sizeof(text), "%d/task/%d", task_self()->process->pid,
                      task_self()->tid);
    return proc_text(text, to, size_bytes);
}

const struct node_ops proc_text_link_ops = { .readlink = fixed_readlink, .free = pseudo_free };
const struct node_ops proc_self_ops = { .readlink = self_readlink, .free = pseudo_free };
const struct node_ops proc_thread_self_ops = { .readlink = thread_self_readlink,
                                               .free = pseudo_free };

/* A namespace, of which there is one of each kind. */
static int64_t ns_readlink(struct node *node, char *to, size_t size_bytes)
{
    char text[40];
    const char *name = pseudo_node(node)->entry->name;
    (void)format_text(text, sizeof(text), "%s:[%u]", name,
                      4026531834u + (unsigned)name[0] + (unsigned)name[1]);
    return proc_text(text, to, size_bytes);
}

/* ---- Attributes ---- */

/* It is its process's user's. */
int proc_task_attributes(struct node *node, struct node_attributes *attributes)
{
    rt_lock(&node->lock);
    *attributes = node->attributes;
    rt_unlock(&node->lock);
    struct task *task = pseudo_node(node)->task;
    if (!__atomic_load_n(&task->process->dumpable, __ATOMIC_RELAXED))
        return 0;
    struct cred *cred = task_cred(task);
    attributes->uid = cred->euid;
    attributes->gid = cred->egid;
    cred_put(cred);
    return 0;
}

bool proc_task_there(struct node *node)
{
    const struct pseudo_node *pseudo = pseudo_node(node);
    rt_lock(&processes_lock);
    bool there = pseudo->whole ? tree_linked(&pseudo->task->process->in_table)
                               : tree_linked(&pseudo->task->in_table);
    rt_unlock(&processes_lock);
    return there;
}

int proc_file_open(struct node *node, struct file *file)
{
    return proc_task_there(node) ? pseudo_file_ops.open(node, file) : -ENOENT;
}

static const struct node_ops task_file_ops = {
    .open = proc_file_open,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
static const struct node_ops task_memory_ops = {
    .open = proc_memory_open,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
static const struct node_ops task_writable_ops = {
    .open = proc_file_open,
    .attributes = proc_task_attributes,
    .set_attributes = pseudo_set_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
static const struct node_ops task_link_ops = {
    .readlink = link_readlink,
    .follow = link_follow,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
static const struct node_ops ns_link_ops = {
    .readlink = ns_readlink,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};

/* ---- Directories ---- */

#define FILE_OF(text, bits, function)                                                              \
    {                                                                                              \
        .name = (text), .mode = S_IFREG | (bits), .show = (function), .ops = &task_file_ops        \
    }
#define MEMORY_OF(text, bits, function)                                                            \
    {                                                                                              \
        .name = (text), .mode = S_IFREG | (bits), .show = (function), .ops = &task_memory_ops      \
    }
#define TEXT_OF(text_name, bits, what)                                                             \
    {                                                                                              \
        .name = (text_name), .mode = S_IFREG | (bits), .text = (what), .ops = &task_file_ops       \
    }
#define WRITABLE_OF(text, function, storing)                                                       \
    {                                                                                              \
        .name = (text), .mode = S_IFREG | 0644, .show = (function), .store = (storing),            \
        .ops = &task_writable_ops                                                                  \
    }
#define LINK_OF(text, operations)                                                                  \
    {                                                                                              \
        .name = (text), .mode = S_IFLNK | 0777, .ops = (operations)                                \
    }
#define FOLDER_OF(text, bits, operations)                                                          \
    {                                                                                              \
        .name = (text), .mode = S_IFDIR | (bits), .ops = (operations)                              \
    }

static const struct node_ops task_list_ops, ns_ops;

static const struct pseudo_entry task_entries[] = {
    FILE_OF("stat", 0444, show_stat),
    FILE_OF("statm", 0444, show_statm),
    FILE_OF("status", 0444, show_status),
    WRITABLE_OF("comm", show_comm, store_comm),
    FILE_OF("cmdline", 0444, proc_show_cmdline),
    MEMORY_OF("environ", 0400, proc_show_environ),
    MEMORY_OF("auxv", 0400, proc_show_auxiliary),
    MEMORY_OF("maps", 0444, proc_show_maps),
    MEMORY_OF("smaps", 0444, proc_show_smaps),
    LINK_OF("exe", &task_link_ops),
    LINK_OF("cwd", &task_link_ops),
    LINK_OF("root", &task_link_ops),
    FOLDER_OF("fd", 0500, &proc_fd_ops),
    FOLDER_OF("fdinfo", 0555, &proc_fdinfo_ops),
    FOLDER_OF("ns", 0511, &ns_ops),
    FOLDER_OF("net", 0555, &proc_net_ops),
    FILE_OF("cgroup", 0444, show_cgroup),
    FILE_OF("mounts", 0444, proc_show_mounts),
    FILE_OF("mountinfo", 0444, proc_show_mountinfo),
    FILE_OF("limits", 0444, show_limits),
    TEXT_OF("loginuid", 0444, "4294967295"),
    TEXT_OF("sessionid", 0444, "4294967295"),
    TEXT_OF("uid_map", 0444, "         0          0 4294967295\n"),
    TEXT_OF("gid_map", 0444, "         0          0 4294967295\n"),
    TEXT_OF("setgroups", 0444, "allow\n"),
    TEXT_OF("personality", 0400, "00000000\n"),
    TEXT_OF("wchan", 0444, "0"),
    TEXT_OF("oom_score", 0444, "0\n"),
    WRITABLE_OF("oom_score_adj", show_oom_score_adj, store_oom_score_adj),
    FOLDER_OF("task", 0555, &task_list_ops), /* the last: threads have none */
};

static const struct pseudo_entry ns_entries[] = {
    LINK_OF("cgroup", &ns_link_ops), LINK_OF("ipc", &ns_link_ops), LINK_OF("mnt", &ns_link_ops),
    LINK_OF("net", &ns_link_ops),    LINK_OF("pid", &ns_link_ops), LINK_OF("user", &ns_link_ops),
    LINK_OF("uts", &ns_link_ops),
};

int proc_entry_node(struct node *directory, const struct pseudo_entry *entry,
                    struct node **node_out)
{
    struct pseudo_node *parent = pseudo_node(directory);
    int error = pseudo_create(directory->file_system, entry, parent->task, node_out);
    if (error == 0)
        pseudo_node(*node_out)->whole = parent->whole;
    return error;
}

int proc_table_lookup(struct node *directory, const struct proc_table *table, const char *name,
                      size_t length, struct node **node_out)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *text = table->entries[i].name;
        if (strlen(text) == length && memcmp(text, name, length) == 0)
            return proc_entry_node(directory, &table->entries[i], node_out);
    }
    return -ENOENT;
}

/* Positions from 2 on; inode numbers are given when a node is made, so these are made up. */
int proc_table_readdir(const struct proc_table *table, uint64_t *position,
                       struct directory_sink *sink)
{
    for (uint64_t i = *position - 2; i < table->count; i++) {
        const struct pseudo_entry *entry = &table->entries[i];
        if (!sink->entry(sink, entry->name, strlen(entry->name), NAME_TABLE_END + i,
                         entry->mode & S_IFMT, i + 3))
            return 0;
        *position = i + 3;
    }
    return 0;
}

static const struct proc_table ns_table = { ns_entries, ARRAY_LEN(ns_entries) };

static struct proc_table table_of(struct node *node)
{
    size_t count = ARRAY_LEN(task_entries);
    return (struct proc_table){ task_entries, pseudo_node(node)->whole ? count : count - 1 };
}

static int task_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    struct proc_table table = table_of(node);
    return proc_task_there(node) ? proc_table_lookup(node, &table, name, length, node_out)
                                 : -ENOENT;
}

static int task_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    struct proc_table table = table_of(node);
    return proc_task_there(node) ? proc_table_readdir(&table, position, sink) : -ENOENT;
}

static const struct node_ops task_directory_ops = {
    .lookup = task_lookup,
    .readdir = task_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};

struct process *proc_directory_process(struct file *file)
{
    if (file->node == NULL || file->node->ops != &task_directory_ops)
        return NULL;
    const struct pseudo_node *node = pseudo_node(file->node);
    return node->whole ? process_get(node->task->process) : NULL;
}

static int ns_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    return proc_table_lookup(node, &ns_table, name, length, node_out);
}

static int ns_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    (void)node;
    return proc_table_readdir(&ns_table, position, sink);
}

static const struct node_ops ns_ops = {
    .lookup = ns_lookup,
    .readdir = ns_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};

/* ---- Numbers ---- */

int32_t proc_number(const char *name, size_t length)
{
    int32_t number = 0;
    if (length == 0 || length > 9 || (name[0] == '0' && length > 1))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        number = number * 10 + (name[i] - '0');
    }
    return number;
}

static const struct pseudo_entry task_directory = { .mode = S_IFDIR | 0555,
                                                    .ops = &task_directory_ops };

static int task_node(struct node *directory, struct task *task, bool whole, struct node **node_out)
{
    int error = pseudo_create(directory->file_system, &task_directory, task, node_out);
    if (error == 0)
        pseudo_node(*node_out)->whole = whole;
    return error;
}

/* /proc: the thread's id is fine, too, though only processes are listed. */
static int root_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    int32_t number = proc_number(name, length);
    struct task *task = number > 0 ? task_find(number) : NULL;
    if (task == NULL)
        return -ENOENT;
    int error = task_node(node, task, true, node_out);
    task_put(task);
    return error;
}

bool proc_give_number(struct directory_sink *sink, int32_t number, uint64_t inode, uint32_t type,
                      uint64_t next)
{
    char text[16];
    size_t length = format_text(text, sizeof(text), "%d", number);
    return sink->entry(sink, text, length, inode, type, next);
}

static int root_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    bool room = true;
    rt_lock(&node->lock);
    while (room && *position < PROC_PID_POSITION) {
        const struct name *name = name_from_locked(node, *position - 2);
        uint64_t next = name == NULL ? PROC_PID_POSITION : name->cookie + 3;
        if (name != NULL && name->kept)
            room = sink->entry(sink, name->text, name->length, name->node->inode, name->node->type,
                               next);
        if (room)
            *position = next;
    }
    rt_unlock(&node->lock);
    while (room) {
        int32_t pid = process_next((int32_t)(*position - PROC_PID_POSITION));
        if (pid == 0)
            break;
        room = proc_give_number(sink, pid, PROC_PID_POSITION + (uint64_t)pid, S_IFDIR,
                                PROC_PID_POSITION + (uint64_t)pid);
        if (room)
            *position = PROC_PID_POSITION + (uint64_t)pid;
    }
    return 0;
}

const struct node_ops proc_root_ops = {
    .lookup = root_lookup,
    .readdir = root_readdir,
    .free = pseudo_free,
};

static int list_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    int32_t number = proc_number(name, length);
    struct task *task = number > 0 ? task_find(number) : NULL;
    if (task == NULL)
        return -ENOENT;
    int error = -ENOENT;
    if (task->process == pseudo_node(node)->task->process)
        error = task_node(node, task, false, node_out);
    task_put(task);
    return error;
}

static int list_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    for (;;) {
        int32_t tid = task_next(pseudo_node(node)->task->process, (int32_t)(*position - 2));
        if (tid == 0)
            return 0;
        if (!proc_give_number(sink, tid, 2 * PROC_PID_POSITION + (uint64_t)tid, S_IFDIR,
                              (uint64_t)tid + 2))
            return 0;
        *position = (uint64_t)tid + 2;
    }
}

static const struct node_ops task_list_ops = {
    .lookup = list_lookup,
    .readdir = list_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
