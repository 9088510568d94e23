/* /proc/PID/fd and fdinfo: the descriptors of a process. */
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/procfs.h>
#include <linux/task.h>

static int64_t describe(struct file *file, char *to, size_t size_bytes)
{
    if (file->ops->describe != NULL)
        return file->ops->describe(file, to, size_bytes);
    if (file->path.name != NULL)
        return path_text(&file->path, to, size_bytes);
    return proc_text("anon_inode:[file]", to, size_bytes);
}

static struct file *file_of(struct node *node)
{
    struct pseudo_node *pseudo = pseudo_node(node);
    return fd_get_of(pseudo->task, pseudo->number);
}

static int64_t fd_readlink(struct node *node, char *to, size_t size_bytes)
{
    struct file *file = file_of(node);
    if (file == NULL)
        return -ENOENT;
    int64_t length = describe(file, to, size_bytes);
    file_put(file);
    return length;
}

/* A file without a path has a node: the link leads to that by a name of its own. */
static int fd_follow(struct node *node, struct path *path_out)
{
    struct file *file = file_of(node);
    if (file == NULL)
        return -ENOENT;
    int error = 0;
    if (file->path.name != NULL) {
        *path_out = path_get(&file->path);
    } else if (file->node == NULL) {
        error = -ENXIO;
    } else {
        *path_out = (struct path){ 0 };
        error = name_create(NULL, "", 0, file->node, &path_out->name);
    }
    file_put(file);
    return error;
}

/* The link's own mode tells how the file is open. */
static int fd_attributes(struct node *node, struct node_attributes *attributes)
{
    struct file *file = file_of(node);
    int error = proc_task_attributes(node, attributes);
    attributes->mode = S_IFLNK;
    attributes->size_bytes = 64;
    if (file != NULL) {
        attributes->mode |= file_readable(file) ? 0500u : 0u;
        attributes->mode |= file_writable(file) ? 0300u : 0u;
        file_put(file);
    }
    return error;
}

static bool fd_there(struct node *node)
{
    struct pseudo_node *pseudo = pseudo_node(node);
    struct file *file = fd_get_of(pseudo->task, pseudo->number);
    file_put(file);
    return file != NULL;
}

static const struct node_ops fd_link_ops = {
    .readlink = fd_readlink,
    .follow = fd_follow,
    .attributes = fd_attributes,
    .valid = fd_there,
    .free = pseudo_free,
};

static int show_fdinfo(struct pseudo_node *node, struct text *text)
{
    struct file *file = file_of(&node->node);
    if (file == NULL)
        return -ENOENT;
    text_add(text, "pos:\t%llu\nflags:\t0", (unsigned long long)file->position);
    text_add_octal(text, open_flags_to_guest(file_flags(file)), 1);
    text_add(text, "\nmnt_id:\t%d\nino:\t%llu\n",
             file->path.mount == NULL ? 0 : file->path.mount->id,
             (unsigned long long)(file->node == NULL ? 0 : file->node->inode));
    file_put(file);
    return 0;
}

static const struct node_ops fdinfo_file_ops = {
    .open = proc_file_open,
    .attributes = proc_task_attributes,
    .valid = fd_there,
    .free = pseudo_free,
};

static const struct pseudo_entry fd_entry = { .mode = S_IFLNK | 0700, .ops = &fd_link_ops };
static const struct pseudo_entry fdinfo_entry = { .mode = S_IFREG | 0400,
                                                  .show = show_fdinfo,
                                                  .ops = &fdinfo_file_ops };

static int descriptor_node(struct node *directory, const struct pseudo_entry *entry,
                           const char *name, size_t length, struct node **node_out)
{
    struct pseudo_node *parent = pseudo_node(directory);
    int32_t number = proc_number(name, length);
    struct file *file = number < 0 ? NULL : fd_get_of(parent->task, number);
    if (file == NULL)
        return -ENOENT;
    file_put(file);
    int error = proc_entry_node(directory, entry, node_out);
    if (error == 0)
        pseudo_node(*node_out)->number = number;
    return error;
}

static int fd_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    return descriptor_node(node, &fd_entry, name, length, node_out);
}

static int fdinfo_lookup(struct node *node, const char *name, size_t length, struct node **node_out)
{
    return descriptor_node(node, &fdinfo_entry, name, length, node_out);
}

static int descriptors_readdir(struct node *node, uint64_t *position, struct directory_sink *sink,
                               uint32_t type)
{
    struct task *task = pseudo_node(node)->task;
    if (task_may_look(task) != 0)
        return -EACCES;
    for (;;) {
        int fd = fd_next(task, (int)(*position - 2));
        if (fd < 0)
            return 0;
        if (!proc_give_number(sink, fd, 3 * PROC_PID_POSITION + (uint64_t)fd, type,
                              (uint64_t)fd + 3))
            return 0;
        *position = (uint64_t)fd + 3;
    }
}

static int fd_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    return descriptors_readdir(node, position, sink, S_IFLNK);
}

static int fdinfo_readdir(struct node *node, uint64_t *position, struct directory_sink *sink)
{
    return descriptors_readdir(node, position, sink, S_IFREG);
}

const struct node_ops proc_fd_ops = {
    .lookup = fd_lookup,
    .readdir = fd_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};

const struct node_ops proc_fdinfo_ops = {
    .lookup = fdinfo_lookup,
    .readdir = fdinfo_readdir,
    .attributes = proc_task_attributes,
    .valid = proc_task_there,
    .free = pseudo_free,
};
