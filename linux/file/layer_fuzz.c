/* Fuzzing the root over layers: any bytes are a layer, alone and twice over each other, and every
 * name in it is looked at and changed.
 */
#include <base/compiler.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/memfs.h>
#include <linux/pool.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { POOL_BYTES = 16 << 20, DEPTH_MAX = 6, NAMES_MAX = 200 };

static void use_file(struct node *node)
{
    uint8_t bytes[300];
    struct memory *memory;
    uint64_t offset;
    uint64_t row;
    for (unsigned change = 0; change < 2; change++) {
        struct io io;
        io_own(&io, bytes, sizeof(bytes));
        if (node->ops->read(node, &io, change * 4000) < 0)
            return;
        if (node->ops->pages(node, 0, change != 0, &memory, &offset, &row) == 0 && row != 0) {
            if (offset + row > memory->size_bytes)
                __builtin_trap();
            memory_put(memory);
        }
    }
}

static void use_node(struct node *node)
{
    char text[4096];
    if (node->type == S_IFREG && node->attributes.size_bytes < POOL_BYTES / 4)
        use_file(node);
    if (node->type == S_IFLNK)
        (void)node->ops->readlink(node, text, sizeof(text));
    (void)node->ops->list_xattr(node, text, sizeof(text));
    (void)node->ops->get_xattr(node, "user.a", text, sizeof(text));
}

static void walk(struct name *directory, unsigned depth, unsigned *left)
{
    struct node *node = directory->node;
    struct name *name;
    if (name_lookup(directory, "a", 1, &name) == 0)
        name_put(name);
    rt_lock(&node->lock);
    (void)node->ops->complete(directory);
    rt_unlock(&node->lock);
    /* What is kept stays, so the tree need not be locked. */
    for (struct tree_node *link = tree_first(&node->order); link != NULL && *left > 0;
         link = tree_next(link)) {
        name = CONTAINER_OF(link, struct name, by_cookie);
        (*left)--;
        use_node(name->node);
        if (name->node->type == S_IFDIR && depth < DEPTH_MAX)
            walk(name, depth + 1, left);
    }
}

static void use_layers(const struct layer *layers, unsigned count)
{
    struct file_system *file_system;
    struct name *root;
    unsigned left = NAMES_MAX;
    if (memfs_create_layered(layers, count, &file_system, &root) != 0)
        return;
    walk(root, 0, &left);
    file_system->unmounted(file_system, root);
    name_put(root);
    file_system_put(file_system);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct layer layers[2];
    void *base;
    size_t room = ALIGN_UP(size_bytes + 1, (size_t)MACHINE_PAGE);
    if (pool_create(POOL_BYTES) != 0 || memory_allocate(room, &layers[0].memory) != 0 ||
        machine_map(layers[0].memory, 0, room, MACHINE_READ | MACHINE_WRITE, &base) != 0)
        __builtin_trap();
    memcpy(base, data, size_bytes);
    layers[0].base = base;
    layers[0].size_bytes = size_bytes;
    layers[1] = layers[0];
    use_layers(layers, 1);
    use_layers(layers, 2);
    machine_unmap(base, room);
    memory_put(layers[0].memory);
    pool_destroy();
    if (heap_counts().blocks != 0)
        __builtin_trap();
    return 0;
}
