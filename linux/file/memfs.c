/* Files in memory: nodes, contents, attributes (see memfs.h). */
#include <base/bits.h>
#include <base/checked.h>
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/memfs_impl.h>
#include <linux/mm.h>
#include <linux/pool.h>
#include <linux/signals.h>
#include <linux/task.h>

#define PAGE ((uint64_t)MACHINE_PAGE)
/* The second lets mappings write that are there already, and nothing else. */
#define NO_WRITE_SEALS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
enum { DIRECTORY_BYTES = 4096 };

static const struct node_ops *ops_of(uint32_t type)
{
    switch (type) {
    case S_IFDIR:
        return &mem_directory_ops;
    case S_IFREG:
        return &mem_file_ops;
    case S_IFLNK:
        return &mem_link_ops;
    default:
        return &mem_other_ops;
    }
}

int mem_node_create(struct memfs *fs, const struct node_attributes *attributes,
                    struct mem_node **node_out)
{
    uint64_t count = __atomic_load_n(&fs->file_system.nodes, __ATOMIC_RELAXED);
    if (fs->file_system.limit_nodes != 0 && count >= fs->file_system.limit_nodes)
        return -ENOSPC;
    struct mem_node *node = heap_alloc(sizeof(*node));
    if (node == NULL)
        return -ENOMEM;
    uint32_t type = attributes->mode & S_IFMT;
    node_init(&node->node, &fs->file_system, ops_of(type), attributes);
    list_init(&node->xattrs);
    node->contents.file_system = &fs->file_system;
    node->layer = NOT_LOWER;
    if (type == S_IFDIR) {
        node->node.attributes.size_bytes = DIRECTORY_BYTES;
        node->node.attributes.blocks_512 = DIRECTORY_BYTES / 512;
    }
    *node_out = node;
    return 0;
}

void mem_free(struct node *node)
{
    struct mem_node *mem = mem_node(node);
    mem_forget_lower(mem);
    struct tree doomed;
    tree_init(&doomed);
    contents_cut(&mem->contents, 0, &doomed);
    contents_free(&doomed);
    mem_xattrs_free(mem);
    heap_free(mem->target);
    heap_free(mem->lower);
    node_end(node);
    heap_free(mem);
}

static int mem_create(struct node *directory, const struct node_attributes *attributes,
                      const char *target, struct node **node_out)
{
    struct mem_node *node;
    int error = mem_node_create(memfs_of(directory), attributes, &node);
    if (error != 0)
        return error;
    if (target != NULL) {
        node->target = heap_copy_text(target);
        if (node->target == NULL) {
            node_put(&node->node);
            return -ENOMEM;
        }
        node->node.attributes.size_bytes = strlen(target);
    }
    *node_out = &node->node;
    return 0;
}

static int64_t mem_readlink(struct node *node, char *to, size_t size_bytes)
{
    const char *target = mem_node(node)->target;
    size_t length = strnlen(target, size_bytes);
    memcpy(to, target, length);
    return (int64_t)length;
}

/* ---- Contents ---- */

static const uint8_t *lower_bytes(const struct mem_node *mem)
{
    return (const uint8_t *)memfs_of(&mem->node)->layers[mem->layer].layer.base + mem->lower_at;
}

static void count_blocks(struct mem_node *mem)
{
    mem->node.attributes.blocks_512 = mem->contents.pages * (PAGE / 512);
}

/* Bytes of the layer, into the pool; the layer checks what lies where. */
static int load_split(struct mem_node *mem, uint64_t size_bytes)
{
    struct layer_image *layer = &memfs_of(&mem->node)->layers[mem->layer];
    struct erofs_inode inode;
    uint8_t *buffer = heap_alloc(MACHINE_PAGE);
    int error = buffer == NULL ? -ENOMEM : 0;
    if (error == 0 && erofs_inode(&layer->erofs, mem->nid, &inode) != OK)
        error = -EIO;
    for (uint64_t at = 0; error == 0 && at < size_bytes;) {
        size_t read = 0;
        size_t part = (size_t)MIN(PAGE, size_bytes - at);
        if (erofs_read(&layer->erofs, &inode, at, buffer, part, &read) != OK || read != part) {
            error = -EIO;
            break;
        }
        struct io io;
        io_own(&io, buffer, part);
        int64_t moved = contents_write(&mem->contents, &io, at, part);
        if (moved != (int64_t)part)
            error = moved < 0 ? (int)moved : -ENOSPC;
        at += part;
    }
    heap_free(buffer);
    return error;
}

static int load_row(struct mem_node *mem, uint64_t size_bytes)
{
    struct io io;
    io_own(&io, (void *)(uintptr_t)lower_bytes(mem), size_bytes);
    int64_t moved = contents_write(&mem->contents, &io, 0, size_bytes);
    if (moved == (int64_t)size_bytes)
        return 0;
    return moved < 0 ? (int)moved : -ENOSPC;
}

/* The layer's contents, up to a size, become its own. Everything or nothing. Who has the layer's
 * pages mapped is told by the caller, once the lock is released (contents_moved). */
static int own_contents(struct mem_node *mem, uint64_t size_bytes)
{
    if (!mem->in_layer)
        return 0;
    size_bytes = MIN(size_bytes, mem->node.attributes.size_bytes);
    int error =
        mem->lower_at == LOWER_SPLIT ? load_split(mem, size_bytes) : load_row(mem, size_bytes);
    if (error == 0) {
        mem->in_layer = false;
        count_blocks(mem);
        return 0;
    }
    struct tree doomed;
    tree_init(&doomed);
    contents_cut(&mem->contents, 0, &doomed);
    contents_free(&doomed);
    return error;
}

/* It lay in the layer before, and now does not: mappings of it look for the pages again. Without
 * the lock. A mapping that itself is why they moved (mem_pages) leaves older ones as they are. */
static void contents_moved(struct node *node, bool was_in_layer)
{
    rt_lock(&node->lock);
    bool moved = was_in_layer && !mem_node(node)->in_layer && node_is_mapped(node);
    rt_unlock(&node->lock);
    if (moved)
        mm_truncate(node, 0);
}

static int64_t mem_read(struct node *node, struct io *io, uint64_t offset)
{
    struct mem_node *mem = mem_node(node);
    int64_t moved = 0;
    const uint8_t *row = NULL;
    rt_lock(&node->lock);
    uint64_t size_bytes = node->attributes.size_bytes;
    uint64_t part = offset < size_bytes ? MIN(io->left, size_bytes - offset) : 0;
    if (part != 0 && !io->unseen)
        node_accessed_locked(node);
    if (mem->in_layer && mem->lower_at != LOWER_SPLIT)
        row = lower_bytes(mem);
    else if (mem->in_layer)
        moved = own_contents(mem, UINT64_MAX);
    if (moved == 0 && row == NULL)
        moved = contents_read(&mem->contents, io, offset, part);
    rt_unlock(&node->lock);
    /* A layer stays as it is: no lock. */
    return row != NULL ? io_to(io, row + offset, part) : moved;
}

/* What the limits leave of a write, or -EFBIG. */
static int64_t writable_size(uint64_t offset, uint64_t size_bytes)
{
    uint64_t limit = resource_limit(RLIMIT_FSIZE);
    if (offset >= limit)
        return file_size_allowed(offset == UINT64_MAX ? offset : offset + 1);
    if (offset >= INT64_MAX)
        return -EFBIG;
    return (int64_t)MIN(size_bytes, MIN(limit, (uint64_t)INT64_MAX) - offset);
}

/* What a file that must not grow takes of a write: all, or the whole pages that come before its
 * end. */
static uint64_t sealed_size(uint64_t file_bytes, uint64_t offset, uint64_t size_bytes)
{
    uint64_t end = ALIGN_DOWN(file_bytes, PAGE);
    if (offset + size_bytes <= file_bytes)
        return size_bytes;
    return offset < end ? end - offset : 0;
}

/* Who writes takes away what the file could give to others; its set-id bits only without privilege.
 */
static void drop_gifts(struct node *node)
{
    mem_xattr_drop_locked(mem_node(node), XATTR_CAPABILITY);
    uint32_t mode = node->attributes.mode;
    if ((mode & (S_ISUID | S_ISGID)) == 0 || capable(CAP_FSETID))
        return;
    mode &= ~S_ISUID;
    if ((mode & S_IXGRP) != 0)
        mode &= ~S_ISGID;
    node->attributes.mode = mode;
}

static int64_t write_locked(struct mem_node *mem, struct io *io, uint64_t *offset)
{
    struct node_attributes *attributes = &mem->node.attributes;
    if (*offset == NODE_APPEND)
        *offset = attributes->size_bytes;
    if (io->left == 0)
        return 0;
    int64_t part = writable_size(*offset, io->left);
    if (part < 0)
        return part;
    if ((mem->node.seals & F_SEAL_GROW) != 0)
        part = (int64_t)sealed_size(attributes->size_bytes, *offset, (uint64_t)part);
    if (part == 0 || (mem->node.seals & NO_WRITE_SEALS) != 0)
        return -EPERM;
    int error = own_contents(mem, UINT64_MAX);
    if (error != 0)
        return error;
    int64_t moved = contents_write(&mem->contents, io, *offset, (uint64_t)part);
    if (moved <= 0)
        return moved;
    *offset += (uint64_t)moved;
    attributes->size_bytes = MAX(attributes->size_bytes, *offset);
    count_blocks(mem);
    drop_gifts(&mem->node);
    node_modified_locked(&mem->node);
    return moved;
}

static int64_t mem_write(struct node *node, struct io *io, uint64_t *offset)
{
    rt_lock(&node->lock);
    bool was_in_layer = mem_node(node)->in_layer;
    int64_t moved = write_locked(mem_node(node), io, offset);
    rt_unlock(&node->lock);
    if (UNLIKELY(was_in_layer))
        contents_moved(node, true);
    return moved;
}

/* Pages of it are only given back when nobody has them mapped any more: so they are taken out of
 * the file first, then out of every address space, then given. */
static int mem_resize(struct node *node, uint64_t size_bytes)
{
    struct mem_node *mem = mem_node(node);
    struct tree doomed;
    tree_init(&doomed);
    int error = 0;
    rt_lock(&node->lock);
    bool was_in_layer = mem->in_layer;
    uint64_t old = node->attributes.size_bytes;
    if ((size_bytes < old && (node->seals & F_SEAL_SHRINK) != 0) ||
        (size_bytes > old && (node->seals & F_SEAL_GROW) != 0))
        error = -EPERM;
    if (node->writers < 0) /* open(O_TRUNC) to read, truncate */
        error = -ETXTBSY;
    if (error == 0)
        error = own_contents(mem, size_bytes);
    if (error == 0) {
        if (size_bytes < old)
            contents_cut(&mem->contents, size_bytes, &doomed);
        node->attributes.size_bytes = size_bytes;
        count_blocks(mem);
        drop_gifts(node);
        node_modified_locked(node);
    }
    bool mapped = node_is_mapped(node);
    bool moved = was_in_layer && !mem->in_layer;
    rt_unlock(&node->lock);
    if (error == 0 && mapped && (size_bytes < old || moved))
        mm_truncate(node, moved ? 0 : size_bytes);
    contents_free(&doomed);
    return error;
}

int mem_set_attributes(struct node *node, const struct node_attributes *attributes, unsigned which)
{
    if ((which & SET_SIZE) != 0) {
        int error = mem_resize(node, attributes->size_bytes);
        if (error != 0 || which == SET_SIZE)
            return error;
    }
    rt_lock(&node->lock);
    node_apply_locked(node, attributes, which);
    rt_unlock(&node->lock);
    return 0;
}

/* Can the layer's own pages be mapped? */
static bool lower_mappable(const struct mem_node *mem, uint64_t end)
{
    const struct layer *layer = &memfs_of(&mem->node)->layers[mem->layer].layer;
    return mem->lower_at != LOWER_SPLIT && IS_ALIGNED(mem->lower_at, PAGE) &&
           checked_range_within(mem->lower_at, end, layer->size_bytes);
}

static int pages_locked(struct mem_node *mem, uint64_t offset, bool write,
                        struct memory **memory_out, uint64_t *offset_out, uint64_t *bytes_out)
{
    uint64_t end = ALIGN_UP(mem->node.attributes.size_bytes, PAGE);
    *bytes_out = 0;
    if (offset >= end)
        return 0;
    if (write && (mem->node.seals & NO_WRITE_SEALS) != 0)
        return -EPERM;
    if (mem->in_layer && !write && lower_mappable(mem, end)) {
        *memory_out = memory_get(memfs_of(&mem->node)->layers[mem->layer].layer.memory);
        *offset_out = mem->lower_at + offset;
        *bytes_out = end - offset;
        return 0;
    }
    int error = own_contents(mem, UINT64_MAX);
    if (error != 0)
        return error;
    uint32_t page;
    uint64_t count;
    error = contents_pages(&mem->contents, offset / PAGE, write, &page, &count);
    if (error != 0)
        return error;
    *memory_out = memory_get(pool_memory());
    *offset_out = page * PAGE;
    *bytes_out = MIN(count * PAGE, end - offset);
    return 0;
}

static int mem_pages(struct node *node, uint64_t offset, bool write, struct memory **memory_out,
                     uint64_t *offset_out, uint64_t *bytes_out)
{
    rt_lock(&node->lock);
    int error = pages_locked(mem_node(node), offset, write, memory_out, offset_out, bytes_out);
    rt_unlock(&node->lock);
    return error;
}

static int allocate_locked(struct mem_node *mem, uint32_t mode, uint64_t offset,
                           uint64_t size_bytes)
{
    struct node_attributes *attributes = &mem->node.attributes;
    bool keep = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    uint64_t end = offset + size_bytes;
    if ((mem->node.seals & NO_WRITE_SEALS) != 0 ||
        (!keep && end > attributes->size_bytes && (mem->node.seals & F_SEAL_GROW) != 0))
        return -EPERM;
    int error = own_contents(mem, UINT64_MAX);
    if (error != 0)
        return error;
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
        contents_punch(&mem->contents, offset, size_bytes);
    if ((mode & FALLOC_FL_PUNCH_HOLE) == 0)
        error = contents_allocate(&mem->contents, offset, size_bytes);
    if (error == 0 && !keep)
        attributes->size_bytes = MAX(attributes->size_bytes, end);
    count_blocks(mem);
    drop_gifts(&mem->node);
    node_modified_locked(&mem->node);
    return error;
}

static int mem_allocate(struct node *node, uint32_t mode, uint64_t offset, uint64_t size_bytes)
{
    rt_lock(&node->lock);
    bool was_in_layer = mem_node(node)->in_layer;
    int error = allocate_locked(mem_node(node), mode, offset, size_bytes);
    rt_unlock(&node->lock);
    contents_moved(node, was_in_layer);
    return error;
}

static int64_t mem_seek(struct node *node, uint64_t offset, bool data)
{
    struct mem_node *mem = mem_node(node);
    rt_lock(&node->lock);
    uint64_t size_bytes = node->attributes.size_bytes;
    uint64_t found = offset;
    if (offset >= size_bytes)
        found = UINT64_MAX;
    else if (!mem->in_layer)
        found = contents_seek(&mem->contents, offset, data);
    else if (!data)
        found = size_bytes;
    rt_unlock(&node->lock);
    if (!data && found != UINT64_MAX)
        found = MIN(found, size_bytes);
    return found >= size_bytes && (data || found == UINT64_MAX) ? -ENXIO : (int64_t)found;
}

/* ---- The file system ---- */

static void unpin_all(struct memfs *fs)
{
    for (;;) {
        struct mem_node *pinned = NULL;
        rt_lock(&fs->lock);
        TREE_FOR_EACH(link, &fs->lower)
        {
            struct mem_node *mem = CONTAINER_OF(link, struct mem_node, by_lower);
            if (mem->node.pinned) {
                pinned = mem;
                pinned->node.pinned = false;
                break;
            }
        }
        rt_unlock(&fs->lock);
        if (pinned == NULL)
            return;
        node_put(&pinned->node);
    }
}

static void memfs_unmounted(struct file_system *file_system, struct name *root)
{
    names_clear(file_system, root);
    unpin_all(CONTAINER_OF(file_system, struct memfs, file_system));
}

static void memfs_free(struct file_system *file_system)
{
    struct memfs *fs = CONTAINER_OF(file_system, struct memfs, file_system);
    for (unsigned i = 0; i < fs->layer_count; i++)
        memory_put(fs->layers[i].layer.memory);
    heap_free(fs);
}

static int memfs_new(unsigned layer_count, const char *type, uint32_t magic, struct memfs **fs_out)
{
    struct memfs *fs = heap_alloc(sizeof(*fs) + layer_count * sizeof(struct layer_image));
    if (fs == NULL)
        return -ENOMEM;
    file_system_init(&fs->file_system, type, magic);
    fs->file_system.unmounted = memfs_unmounted;
    fs->file_system.free = memfs_free;
    *fs_out = fs;
    return 0;
}

static void root_attributes(uint32_t mode, struct node_attributes *attributes)
{
    *attributes = (struct node_attributes){ .mode = S_IFDIR | mode, .links = 2 };
    attributes->accessed = timestamp_now();
    attributes->modified = attributes->accessed;
    attributes->changed = attributes->accessed;
    attributes->created = attributes->accessed;
}

/* The root's name; takes the node's reference, and ends the file system's if it fails. */
static int memfs_finish(struct memfs *fs, struct mem_node *root, struct file_system **out,
                        struct name **root_out)
{
    int error = name_create(NULL, "", 0, &root->node, root_out);
    node_put(&root->node);
    if (error != 0)
        file_system_put(&fs->file_system);
    else
        *out = &fs->file_system;
    return error;
}

int memfs_create(const char *type, uint32_t magic, uint32_t mode, uint64_t limit_bytes,
                 struct file_system **file_system_out, struct name **root_out)
{
    struct memfs *fs;
    int error = memfs_new(0, type, magic, &fs);
    if (error != 0)
        return error;
    fs->file_system.limit_bytes = limit_bytes;
    struct node_attributes attributes;
    root_attributes(mode, &attributes);
    struct mem_node *root;
    error = mem_node_create(fs, &attributes, &root);
    if (error != 0) {
        file_system_put(&fs->file_system);
        return error;
    }
    root->complete = true;
    return memfs_finish(fs, root, file_system_out, root_out);
}

static int add_layers(struct memfs *fs, const struct layer *layers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct layer_image *image = &fs->layers[i];
        if (erofs_open(&image->erofs, layers[i].base, layers[i].size_bytes) != OK)
            return -EINVAL;
        image->layer = layers[i];
        (void)memory_get(layers[i].memory);
        fs->layer_count++;
    }
    return 0;
}

int memfs_create_layered(const struct layer *layers, unsigned count,
                         struct file_system **file_system_out, struct name **root_out)
{
    if (count == 0)
        return memfs_create("overlay", MAGIC_OVERLAY, 0755, 0, file_system_out, root_out);
    if (count > LAYERS_MAX)
        return -EINVAL;
    struct memfs *fs;
    struct mem_node *root;
    int error = memfs_new(count, "overlay", MAGIC_OVERLAY, &fs);
    if (error != 0)
        return error;
    error = add_layers(fs, layers, count);
    if (error == 0)
        error = mem_layered_root(fs, &root);
    if (error != 0) {
        file_system_put(&fs->file_system);
        return error;
    }
    return memfs_finish(fs, root, file_system_out, root_out);
}

/* One for all files without a name. */
static struct {
    struct rt_lock lock;
    struct memfs *fs;
} unnamed;

static int unnamed_fs(struct memfs **fs_out)
{
    int error = 0;
    rt_lock(&unnamed.lock);
    if (unnamed.fs == NULL)
        error = memfs_new(0, "tmpfs", MAGIC_TMPFS, &unnamed.fs);
    if (error == 0)
        *fs_out = unnamed.fs;
    rt_unlock(&unnamed.lock);
    return error;
}

void memfs_end(void)
{
    if (unnamed.fs != NULL)
        file_system_put(&unnamed.fs->file_system);
    unnamed.fs = NULL;
}

bool file_is_unnamed(const struct file *file)
{
    return unnamed.fs != NULL && file->node->file_system == &unnamed.fs->file_system;
}

int memfs_create_file(const char *text, uint32_t mode, struct file **file_out)
{
    struct memfs *fs;
    int error = unnamed_fs(&fs);
    if (error != 0)
        return error;
    struct node_attributes attributes;
    root_attributes(mode, &attributes);
    attributes.mode = S_IFREG | mode;
    attributes.links = 0;
    attributes.uid = task_self()->cred->fsuid;
    attributes.gid = task_self()->cred->fsgid;
    struct mem_node *node;
    error = mem_node_create(fs, &attributes, &node);
    if (error != 0)
        return error;
    struct path path = path_root(); /* for its mount, which files need to have */
    struct name *name;
    error = name_create(NULL, text, strlen(text), &node->node, &name);
    node_put(&node->node);
    if (error == 0) {
        name_put(path.name);
        path.name = name;
        error = file_open_unchecked(&path, O_RDWR, file_out);
    }
    path_put(&path);
    return error;
}

const struct node_ops mem_directory_ops = {
    .lookup = mem_lookup,
    .complete = mem_complete,
    .create = mem_create,
    .set_attributes = mem_set_attributes,
    .get_xattr = mem_get_xattr,
    .set_xattr = mem_set_xattr,
    .list_xattr = mem_list_xattr,
    .remove_xattr = mem_remove_xattr,
    .free = mem_free,
};

const struct node_ops mem_file_ops = {
    .set_attributes = mem_set_attributes,
    .read = mem_read,
    .write = mem_write,
    .pages = mem_pages,
    .allocate = mem_allocate,
    .seek = mem_seek,
    .get_xattr = mem_get_xattr,
    .set_xattr = mem_set_xattr,
    .list_xattr = mem_list_xattr,
    .remove_xattr = mem_remove_xattr,
    .free = mem_free,
};

const struct node_ops mem_link_ops = {
    .set_attributes = mem_set_attributes,
    .readlink = mem_readlink,
    .get_xattr = mem_get_xattr,
    .set_xattr = mem_set_xattr,
    .list_xattr = mem_list_xattr,
    .remove_xattr = mem_remove_xattr,
    .free = mem_free,
};

const struct node_ops mem_other_ops = {
    .set_attributes = mem_set_attributes,
    .get_xattr = mem_get_xattr,
    .set_xattr = mem_set_xattr,
    .list_xattr = mem_list_xattr,
    .remove_xattr = mem_remove_xattr,
    .free = mem_free,
};
