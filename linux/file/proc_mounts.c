/* /proc/PID/mounts and mountinfo: the mounts below the process's root. proc(5). And /proc/PID/net.
 */
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/procfs.h>
#include <linux/task.h>

#define ESCAPED " \t\n\\#"

static void add_flags(struct text *text, const struct mount *mount)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } names[] = { { MS_NOSUID, ",nosuid" },         { MS_NODEV, ",nodev" },
                  { MS_NOEXEC, ",noexec" },         { MS_NOATIME, ",noatime" },
                  { MS_NODIRATIME, ",nodiratime" }, { MS_RELATIME, ",relatime" } };
    text_add(text, (mount->flags & MS_RDONLY) != 0 ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((mount->flags & names[i].flag) != 0)
            text_add(text, "%s", names[i].text);
    }
}

static void add_super(struct text *text, const struct mount *mount)
{
    uint64_t limit = mount->file_system->limit_bytes;
    text_add(text, "rw");
    if (limit != 0)
        text_add(text, ",size=%lluk", (unsigned long long)limit / 1024);
}

static void add_mount(struct text *text, const struct mount *mount, const char *where)
{
    text_add_path(text, mount->source, ESCAPED);
    text_add(text, " ");
    text_add_path(text, where, ESCAPED);
    text_add(text, " %s ", mount->file_system->type);
    add_flags(text, mount);
    if (mount->file_system->limit_bytes != 0)
        text_add(text, ",size=%lluk", (unsigned long long)mount->file_system->limit_bytes / 1024);
    text_add(text, " 0 0\n");
}

/* A bind mount's root is somewhere in its file system. */
static void add_root(struct text *text, const struct name *root, unsigned depth)
{
    if (root->parent == NULL || depth == 0)
        return;
    add_root(text, root->parent, depth - 1);
    text_add(text, "/");
    char name[NAME_MAX + 1];
    memcpy(name, root->text, root->length);
    name[root->length] = '\0';
    text_add_path(text, name, ESCAPED);
}

static void add_mountinfo(struct text *text, const struct mount *mount, const char *where)
{
    enum { DEPTH_MAX = 64 };
    rt_lock(&names_lock);
    int32_t parent = mount->on.mount != NULL ? mount->on.mount->id : mount->id;
    text_add(text, "%d %d %u:%u ", mount->id, parent, device_major(mount->file_system->device),
             device_minor(mount->file_system->device));
    if (mount->root->parent == NULL)
        text_add(text, "/");
    else
        add_root(text, mount->root, DEPTH_MAX);
    rt_unlock(&names_lock);
    text_add(text, " ");
    text_add_path(text, where, ESCAPED);
    text_add(text, " ");
    add_flags(text, mount);
    text_add(text, " - %s ", mount->file_system->type);
    text_add_path(text, mount->source, ESCAPED);
    text_add(text, " ");
    add_super(text, mount);
    text_add(text, "\n");
}

typedef void add_line(struct text *text, const struct mount *mount, const char *where);

static int show_lines(struct pseudo_node *node, struct text *text, add_line *add)
{
    char *where = heap_alloc(PATH_MAX);
    struct fs_context *fs = task_fs(node->task);
    if (where != NULL && fs != NULL) {
        rt_lock(&fs->lock);
        struct path root = path_get(&fs->root);
        rt_unlock(&fs->lock);
        for (struct mount *mount = mount_next(NULL); mount != NULL; mount = mount_next(mount)) {
            struct path path = { mount, mount->root };
            if (path_text_from(&path, &root, where, PATH_MAX) > 0 && where[0] == '/')
                add(text, mount, where);
        }
        path_put(&root);
    }
    if (fs != NULL)
        fs_context_put(fs);
    heap_free(where);
    return where == NULL ? -ENOMEM : 0;
}

int proc_show_mounts(struct pseudo_node *node, struct text *text)
{
    return show_lines(node, text, add_mount);
}

int proc_show_mountinfo(struct pseudo_node *node, struct text *text)
{
    return show_lines(node, text, add_mountinfo);
}

/* ---- net: there is the loopback device, and no connection ---- */

static const struct node_ops net_file_ops = {
    .open = proc_file_open,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};

#define NET_FILE(text_name, what)                                                                  \
    {                                                                                              \
        .name = (text_name), .mode = S_IFREG | 0444, .text = (what), .ops = &net_file_ops          \
    }

static const struct pseudo_entry net_entries[] = {
    NET_FILE("dev",
             "Inter-|   Receive                                                |  Transmit\n"
             " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
             "packets errs drop fifo colls carrier compressed\n"
             "    lo:       0       0    0    0    0     0          0         0        0       "
             "0    0    0    0     0       0          0\n"),
    NET_FILE("route",
             "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow"
             "\tIRTT\n"),
    NET_FILE("arp",
             "IP address       HW type     Flags       HW address            Mask     Device\n"),
    NET_FILE("tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
                    "uid  timeout inode\n"),
    NET_FILE("udp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
                    "uid  timeout inode ref pointer drops\n"),
    NET_FILE("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
};
static const struct proc_table net_table = { net_entries, ARRAY_LEN(net_entries) };

static int net_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    return proc_table_lookup(node, &net_table, name, length, node_out);
}

static int net_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    (void)node;
    return proc_table_readdir(&net_table, position, sink);
}

const struct node_ops proc_net_ops = {
    .lookup = net_lookup,
    .readdir = net_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
