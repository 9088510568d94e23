/* Files that are made when they are read (see pseudo.h). */
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/procfs.h>
#include <linux/task.h>

enum { TEXT_ROOM = 1024, TEXT_MAX = 64 << 20, STORE_BYTES = 4096 };

/* ---- Texts ---- */

static bool text_reserve(struct text *text, size_t size_bytes)
{
    size_t needed = text->size_bytes + size_bytes;
    if (text->failed || needed > TEXT_MAX) {
        text->failed = true;
        return false;
    }
    size_t room = MAX(text->room_bytes, (size_t)TEXT_ROOM);
    while (room < needed)
        room *= 2;
    if (text->bytes != NULL && room == text->room_bytes)
        return true;
    char *bytes = heap_resize(text->bytes, room);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->room_bytes = room;
    return true;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    if (!text_reserve(text, 1))
        return;
    for (;;) {
        size_t room = text->room_bytes - text->size_bytes;
        va_start(args, format);
        size_t length = format_args(text->bytes + text->size_bytes, room, format, args);
        va_end(args);
        if (length < room) {
            text->size_bytes += length;
            return;
        }
        if (!text_reserve(text, length + 1))
            return;
    }
}

void text_add_bytes(struct text *text, const void *bytes, size_t size_bytes)
{
    if (!text_reserve(text, size_bytes))
        return;
    memcpy(text->bytes + text->size_bytes, bytes, size_bytes);
    text->size_bytes += size_bytes;
}

void text_add_octal(struct text *text, uint32_t value, unsigned digits)
{
    char octal[16];
    size_t at = sizeof(octal);
    do {
        octal[--at] = (char)('0' + (value & 7));
        value >>= 3;
    } while (value != 0 || sizeof(octal) - at < digits);
    text_add_bytes(text, octal + at, sizeof(octal) - at);
}

void text_add_path(struct text *text, const char *path, const char *escaped)
{
    for (; *path != '\0'; path++) {
        if (strchr(escaped, *path) != NULL)
            text_add(text, "\\%d%d%d", *path >> 6 & 3, *path >> 3 & 7, *path & 7);
        else
            text_add_bytes(text, path, 1);
    }
}

/* ---- Nodes ---- */

int pseudo_create(struct file_system *file_system, const struct pseudo_entry *entry,
                  struct task *task, struct node **node_out)
{
    struct pseudo_node *node = heap_alloc(sizeof(*node));
    if (node == NULL)
        return -ENOMEM;
    struct timestamp now = timestamp_now();
    bool directory = (entry->mode & S_IFMT) == S_IFDIR;
    struct node_attributes attributes = { .mode = entry->mode,
                                          .links = directory ? 2 : 1,
                                          .accessed = now,
                                          .modified = now,
                                          .changed = now,
                                          .created = now };
    const struct node_ops *ops = entry->ops;
    if (ops == NULL)
        ops = directory ? &pseudo_directory_ops : &pseudo_file_ops;
    node_init(&node->node, file_system, ops, &attributes);
    node->entry = entry;
    node->task = task == NULL ? NULL : task_get(task);
    *node_out = &node->node;
    return 0;
}

void pseudo_free(struct node *node)
{
    struct pseudo_node *pseudo = pseudo_node(node);
    if (pseudo->task != NULL)
        task_put(pseudo->task);
    node_end(node);
    heap_free(pseudo);
}

/* ---- Open files ---- */

/* The open file has the text of its last read at position 0. Reads at positions of their own
 * (pread) have no lock of the file's, so there is one here. */
struct open_text {
    struct rt_lock lock; /* `file` */
    struct text text;
};

/* Whose it is has ended, whatever has its id now. */
static bool is_over(struct pseudo_node *node)
{
    return node->task != NULL && !proc_task_there(&node->node);
}

static int make_text(struct file *file, struct text *text)
{
    struct pseudo_node *node = pseudo_node(file->node);
    text->size_bytes = 0;
    text->failed = false;
    int error = 0;
    if (is_over(node))
        return -ESRCH;
    if (node->entry->text != NULL)
        text_add_bytes(text, node->entry->text, strlen(node->entry->text));
    else
        error = node->entry->show(node, text);
    return error == 0 && text->failed ? -ENOMEM : error;
}

static int64_t read_locked(struct file *file, struct text *text, struct io *io, uint64_t *position)
{
    if (*position == 0 || text->bytes == NULL) {
        int error = make_text(file, text);
        if (error != 0)
            return error;
    }
    if (*position >= text->size_bytes)
        return 0;
    int64_t moved = io_to(io, text->bytes + *position, text->size_bytes - *position);
    if (moved > 0)
        *position += (uint64_t)moved;
    return moved;
}

static int64_t text_read(struct file *file, struct io *io, uint64_t *position)
{
    struct open_text *open = file->data;
    const struct pseudo_entry *entry = pseudo_node(file->node)->entry;
    if (entry->text == NULL && entry->show == NULL)
        return -EINVAL;
    rt_lock(&open->lock);
    int64_t moved = read_locked(file, &open->text, io, position);
    rt_unlock(&open->lock);
    return moved;
}

static int64_t text_write(struct file *file, struct io *io, uint64_t *position)
{
    struct pseudo_node *node = pseudo_node(file->node);
    char bytes[STORE_BYTES];
    if (node->entry->store == NULL)
        return -EINVAL;
    int64_t size_bytes = io_from(io, bytes, sizeof(bytes) - 1);
    if (size_bytes < 0)
        return size_bytes;
    bytes[size_bytes] = '\0';
    int error = is_over(node) ? -ESRCH : node->entry->store(node, bytes, (size_t)size_bytes);
    if (error != 0)
        return error;
    *position += (uint64_t)size_bytes;
    return size_bytes;
}

static void text_release(struct file *file)
{
    struct open_text *open = file->data;
    if (open == NULL)
        return;
    heap_free(open->text.bytes);
    heap_free(open);
}

/* Its end is not known before it is read. */
static int64_t text_seek(struct file *file, int64_t offset, int whence)
{
    return whence == SEEK_END ? -EINVAL : node_file_seek(file, offset, whence);
}

static const struct file_ops text_file_ops = {
    .read = text_read,
    .write = text_write,
    .seek = text_seek,
    .release = text_release,
};

static int text_open(struct node *node, struct file *file)
{
    (void)node;
    struct open_text *open = heap_alloc(sizeof(*open));
    if (open == NULL)
        return -ENOMEM;
    file->data = open;
    file->ops = &text_file_ops;
    return 0;
}

struct text *pseudo_text(struct file *file)
{
    struct open_text *open = file->data;
    return &open->text;
}

/* Truncation is what `echo 1 >file` does before it writes, and nothing here. */
int pseudo_set_attributes(struct node *node, const struct node_attributes *attributes,
                          unsigned which)
{
    (void)node;
    (void)attributes;
    return which == SET_SIZE ? 0 : -EPERM;
}

const struct node_ops pseudo_file_ops = {
    .open = text_open,
    .set_attributes = pseudo_set_attributes,
    .free = pseudo_free,
};

const struct node_ops pseudo_directory_ops = {
    .free = pseudo_free,
};

/* ---- Trees that stay ---- */

static void pseudo_fs_free(struct file_system *file_system)
{
    heap_free(file_system);
}

int pseudo_root(const char *type, uint32_t magic, const struct pseudo_entry *entry,
                struct file_system **file_system_out, struct name **root_out)
{
    struct file_system *file_system = heap_alloc(sizeof(*file_system));
    if (file_system == NULL)
        return -ENOMEM;
    file_system_init(file_system, type, magic);
    file_system->free = pseudo_fs_free;
    file_system->unmounted = names_clear;
    struct node *node;
    int error = pseudo_create(file_system, entry, NULL, &node);
    if (error == 0) {
        error = name_create(NULL, "", 0, node, root_out);
        node_put(node);
    }
    if (error != 0)
        file_system_put(file_system);
    else
        *file_system_out = file_system;
    return error;
}

/* The entry `text` of a directory, counted; made if it is not there. */
static int step(struct name *directory, const char *text, size_t length,
                const struct pseudo_entry *entry, struct name **name_out)
{
    struct node *node;
    struct node *into = directory->node;
    rt_lock(&into->lock);
    struct name *name = name_find_locked(directory, text, length);
    int error = 0;
    if (name != NULL) {
        (void)name_get(name);
    } else {
        error = pseudo_create(into->file_system, entry, NULL, &node);
        if (error == 0) {
            error = name_create(directory, text, length, node, &name);
            node_put(node);
        }
        if (error == 0) {
            name_link_locked(name, true);
            into->attributes.links += node->type == S_IFDIR;
        }
    }
    rt_unlock(&into->lock);
    *name_out = name;
    return error;
}

/* A tree that is being made: paths that follow each other mostly lie in one folder. */
struct tree_maker {
    struct name *root;
    struct name *folder; /* counted; the last path's, or NULL */
    const char *last;    /* that path */
    size_t length;       /* of the folder in it, with the slash behind */
};

/* Where to begin with the path, counted; the rest of it is left. */
static struct name *tree_start(const struct tree_maker *tree, const char **path)
{
    if (tree->folder == NULL || strncmp(*path, tree->last, tree->length) != 0)
        return name_get(tree->root);
    *path += tree->length;
    return name_get(tree->folder);
}

static void tree_remember(struct tree_maker *tree, struct name *folder, const char *path,
                          size_t length)
{
    (void)name_get(folder);
    name_put(tree->folder);
    tree->folder = folder;
    tree->last = path;
    tree->length = length;
}

static int tree_add(struct tree_maker *tree, const char *path, const struct pseudo_entry *entry)
{
    static const struct pseudo_entry folder = { .mode = S_IFDIR | 0555 };
    const char *whole = path;
    struct name *at = tree_start(tree, &path);
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t length = slash == NULL ? strlen(path) : (size_t)(slash - path);
        struct name *next;
        if (slash == NULL)
            tree_remember(tree, at, whole, (size_t)(path - whole));
        int error = step(at, path, length, slash == NULL ? entry : &folder, &next);
        name_put(at);
        if (error != 0)
            return error;
        at = next;
        if (slash == NULL)
            break;
        path = slash + 1;
    }
    name_put(at);
    return 0;
}

int pseudo_add(struct name *root, const struct pseudo_place *places, size_t count)
{
    struct tree_maker tree = { .root = root };
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = tree_add(&tree, places[i].path, &places[i].entry);
    name_put(tree.folder);
    return error;
}
