/* Random operations on a tree over a layer, beside a model of it that is a list of entries and a
 * byte array a file.
 */
#include "fixture.h"
#include "image.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES = 48,
    ENTRIES = 96,
    FILE_BYTES = 40000, /* over several pieces of the pool */
    NAMES = 6,
    STEPS = 3000,
    DEPTH = 5,
};

struct model_node {
    bool used, directory;
    unsigned links; /* entries */
    size_t size_bytes;
    uint8_t bytes[FILE_BYTES];
};

struct model_entry {
    bool used;
    int parent, node;
    char name;
};

struct model {
    struct model_node nodes[NODES];
    struct model_entry entries[ENTRIES];
    struct file_fixture f;
    uint64_t random;
};

static uint64_t roll(struct model *m, uint64_t sides)
{
    return test_random(&m->random) % sides;
}

/* ---- The model ---- */

static struct model_entry *find(struct model *m, int parent, char name)
{
    for (int i = 0; i < ENTRIES; i++) {
        struct model_entry *entry = &m->entries[i];
        if (entry->used && entry->parent == parent && entry->name == name)
            return entry;
    }
    return NULL;
}

static bool is_empty(const struct model *m, int directory)
{
    for (int i = 0; i < ENTRIES; i++) {
        if (m->entries[i].used && m->entries[i].parent == directory)
            return false;
    }
    return true;
}

static struct model_entry *entry_of_directory(struct model *m, int node)
{
    for (int i = 0; i < ENTRIES; i++) {
        if (m->entries[i].used && m->entries[i].node == node)
            return &m->entries[i];
    }
    return NULL;
}

static bool is_in(struct model *m, int node, int top)
{
    while (node != top && node != 0)
        node = entry_of_directory(m, node)->parent;
    return node == top;
}

static unsigned depth_of(struct model *m, int node)
{
    unsigned depth = 0;
    for (; node != 0; depth++)
        node = entry_of_directory(m, node)->parent;
    return depth;
}

static int free_node(const struct model *m)
{
    for (int i = 0; i < NODES; i++) {
        if (!m->nodes[i].used)
            return i;
    }
    return -1;
}

static struct model_entry *free_entry(struct model *m)
{
    for (int i = 0; i < ENTRIES; i++) {
        if (!m->entries[i].used)
            return &m->entries[i];
    }
    return NULL;
}

static void drop(struct model *m, struct model_entry *entry)
{
    struct model_node *node = &m->nodes[entry->node];
    entry->used = false;
    if (--node->links == 0)
        *node = (struct model_node){ 0 };
}

static int add(struct model *m, int parent, char name, bool directory)
{
    int node = free_node(m);
    m->nodes[node] = (struct model_node){ .used = true, .directory = directory, .links = 1 };
    *free_entry(m) = (struct model_entry){ true, parent, node, name };
    return node;
}

static int random_directory(struct model *m)
{
    for (;;) {
        int node = (int)roll(m, NODES);
        if (m->nodes[node].used && m->nodes[node].directory)
            return node;
    }
}

/* ---- The same place in both ---- */

struct place {
    int parent;
    char name;
    struct model_entry *entry; /* NULL: nothing there */
    char path[64];
};

static void path_of(struct model *m, int node, char *to, size_t size_bytes)
{
    if (node == 0) {
        (void)format_text(to, size_bytes, "/m");
        return;
    }
    struct model_entry *entry = entry_of_directory(m, node);
    path_of(m, entry->parent, to, size_bytes);
    size_t length = strlen(to);
    (void)format_text(to + length, size_bytes - length, "/%c", entry->name);
}

static struct place random_place(struct model *m)
{
    struct place place = { .parent = random_directory(m), .name = (char)('a' + roll(m, NAMES)) };
    place.entry = find(m, place.parent, place.name);
    path_of(m, place.parent, place.path, sizeof(place.path));
    size_t length = strlen(place.path);
    (void)format_text(place.path + length, sizeof(place.path) - length, "/%c", place.name);
    return place;
}

static uaddr_t at(struct model *m, const char *path)
{
    return guest_text(&m->f, path);
}

/* ---- Operations ---- */

static bool has_room(struct model *m)
{
    return free_node(m) >= 0 && free_entry(m) != NULL;
}

static void step_create(struct model *m)
{
    struct place place = random_place(m);
    bool directory = roll(m, 3) == 0;
    if (place.entry == NULL && (!has_room(m) || depth_of(m, place.parent) >= DEPTH))
        return;
    int64_t result =
        directory ? linux_mkdirat(AT_FDCWD, at(m, place.path), 0755)
                  : linux_openat(AT_FDCWD, at(m, place.path), O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (!directory && result >= 0)
        result = linux_close((int)result);
    EXPECT_EQ(result, place.entry != NULL ? -EEXIST : 0);
    if (place.entry == NULL)
        (void)add(m, place.parent, place.name, directory);
}

static void step_unlink(struct model *m)
{
    struct place place = random_place(m);
    bool directory = roll(m, 2) == 0;
    int64_t expected = 0;
    if (place.entry == NULL)
        expected = -ENOENT;
    else if (directory && !m->nodes[place.entry->node].directory)
        expected = -ENOTDIR;
    else if (!directory && m->nodes[place.entry->node].directory)
        expected = -EISDIR;
    else if (directory && !is_empty(m, place.entry->node))
        expected = -ENOTEMPTY;
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, at(m, place.path), directory ? AT_REMOVEDIR : 0), expected);
    if (expected == 0)
        drop(m, place.entry);
}

static void step_link(struct model *m)
{
    struct place from = random_place(m);
    struct place to = random_place(m);
    struct model_entry *entry = free_entry(m);
    int64_t expected = 0;
    if (entry == NULL)
        return;
    if (from.entry == NULL)
        expected = -ENOENT;
    else if (to.entry != NULL)
        expected = -EEXIST;
    else if (m->nodes[from.entry->node].directory)
        expected = -EPERM;
    EXPECT_EQ(linux_linkat(AT_FDCWD, at(m, from.path), AT_FDCWD, at(m, to.path), 0), expected);
    if (expected != 0)
        return;
    m->nodes[from.entry->node].links++;
    *entry = (struct model_entry){ true, to.parent, from.entry->node, to.name };
}

static int64_t rename_result(struct model *m, const struct place *from, const struct place *to)
{
    if (from->entry == NULL)
        return -ENOENT;
    bool directory = m->nodes[from->entry->node].directory;
    if (directory && is_in(m, to->parent, from->entry->node))
        return -EINVAL;
    if (to->entry == NULL)
        return 0;
    bool onto_directory = m->nodes[to->entry->node].directory;
    if (onto_directory && is_in(m, from->parent, to->entry->node))
        return -ENOTEMPTY;
    if (directory && !onto_directory)
        return -ENOTDIR;
    if (!directory && onto_directory)
        return -EISDIR;
    if (from->entry->node == to->entry->node)
        return 0;
    return onto_directory && !is_empty(m, to->entry->node) ? -ENOTEMPTY : 0;
}

static void step_rename(struct model *m)
{
    struct place from = random_place(m);
    struct place to = random_place(m);
    if (depth_of(m, to.parent) >= DEPTH)
        return;
    int64_t expected = rename_result(m, &from, &to);
    int64_t result = linux_renameat(AT_FDCWD, at(m, from.path), AT_FDCWD, at(m, to.path));
    if (result != expected)
        test_note("%s to %s", from.path, to.path);
    EXPECT_EQ(result, expected);
    if (expected != 0 || (to.entry != NULL && to.entry->node == from.entry->node))
        return;
    if (to.entry != NULL)
        drop(m, to.entry);
    from.entry->parent = to.parent;
    from.entry->name = to.name;
}

/* Any regular file there is; false: the place has none. */
static bool random_file(struct model *m, struct place *place)
{
    *place = random_place(m);
    return place->entry != NULL && !m->nodes[place->entry->node].directory;
}

static void step_write(struct model *m)
{
    struct place place;
    uint8_t bytes[9000];
    if (!random_file(m, &place))
        return;
    struct model_node *node = &m->nodes[place.entry->node];
    size_t offset = roll(m, FILE_BYTES - sizeof(bytes));
    size_t size_bytes = roll(m, 4) == 0 ? roll(m, sizeof(bytes)) + 1 : roll(m, 100) + 1;
    memset(bytes, (int)roll(m, 255) + 1, size_bytes);
    int fd = (int)linux_openat(AT_FDCWD, at(m, place.path), O_WRONLY, 0);
    EXPECT_EQ(
        linux_pwrite64(fd, guest_bytes(&m->f, bytes, size_bytes), size_bytes, (int64_t)offset),
        (int64_t)size_bytes);
    EXPECT_EQ(linux_close(fd), 0);
    memcpy(node->bytes + offset, bytes, size_bytes);
    if (node->size_bytes < offset + size_bytes)
        node->size_bytes = offset + size_bytes;
}

static void step_truncate(struct model *m)
{
    struct place place;
    if (!random_file(m, &place))
        return;
    struct model_node *node = &m->nodes[place.entry->node];
    size_t size_bytes = roll(m, 3) == 0 ? 0 : roll(m, FILE_BYTES);
    EXPECT_EQ(linux_truncate(at(m, place.path), (int64_t)size_bytes), 0);
    if (size_bytes < node->size_bytes)
        memset(node->bytes + size_bytes, 0, node->size_bytes - size_bytes);
    node->size_bytes = size_bytes;
}

static void step_punch(struct model *m)
{
    struct place place;
    if (!random_file(m, &place))
        return;
    struct model_node *node = &m->nodes[place.entry->node];
    size_t offset = roll(m, FILE_BYTES);
    size_t size_bytes = roll(m, FILE_BYTES - offset) + 1;
    int fd = (int)linux_openat(AT_FDCWD, at(m, place.path), O_WRONLY, 0);
    EXPECT_EQ(linux_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (int64_t)offset,
                              (int64_t)size_bytes),
              0);
    EXPECT_EQ(linux_close(fd), 0);
    memset(node->bytes + offset, 0, size_bytes);
}

static void step_read(struct model *m)
{
    static uint8_t bytes[FILE_BYTES];
    struct place place;
    if (!random_file(m, &place))
        return;
    const struct model_node *node = &m->nodes[place.entry->node];
    int fd = (int)linux_openat(AT_FDCWD, at(m, place.path), O_RDONLY, 0);
    uaddr_t room = guest_room(&m->f, FILE_BYTES);
    EXPECT_EQ(linux_read(fd, room, FILE_BYTES), (int64_t)node->size_bytes);
    EXPECT_EQ(copy_in(bytes, room, node->size_bytes), 0);
    EXPECT_EQ(memcmp(bytes, node->bytes, node->size_bytes), 0);
    EXPECT_EQ(linux_close(fd), 0);
}

/* ---- Everything ---- */

struct counter {
    struct directory_sink sink;
    struct model *model;
    int directory;
    unsigned count;
};

static bool count_entry(struct directory_sink *sink, const char *name, size_t length,
                        uint64_t inode, uint32_t type, uint64_t next)
{
    struct counter *counter = CONTAINER_OF(sink, struct counter, sink);
    (void)inode;
    (void)next;
    if (name[0] == '.')
        return true;
    EXPECT_EQ(length, 1);
    const struct model_entry *entry = find(counter->model, counter->directory, name[0]);
    EXPECT(entry != NULL);
    if (entry != NULL)
        EXPECT_EQ(counter->model->nodes[entry->node].directory, type == S_IFDIR);
    counter->count++;
    return true;
}

static void step_list(struct model *m)
{
    struct counter counter = { .sink.entry = count_entry, .model = m };
    char path[64];
    unsigned expected = 0;
    counter.directory = random_directory(m);
    for (int i = 0; i < ENTRIES; i++)
        expected += m->entries[i].used && m->entries[i].parent == counter.directory;
    path_of(m, counter.directory, path, sizeof(path));
    int fd = (int)linux_openat(AT_FDCWD, at(m, path), O_RDONLY | O_DIRECTORY, 0);
    struct file *file = fd_get(fd);
    EXPECT_EQ(file->ops->readdir(file, &counter.sink), 0);
    EXPECT_EQ(counter.count, expected);
    file_put(file);
    EXPECT_EQ(linux_close(fd), 0);
}

/* The layer has these; the model is told. */
static const struct image_entry layer_entries[] = {
    { .path = "m", .mode = S_IFDIR | 0755 },
    { .path = "m/a", .mode = S_IFREG | 0644, .text = "0123456789", .repeat = 1000 },
    { .path = "m/b", .mode = S_IFDIR | 0755 },
    { .path = "m/b/a", .mode = S_IFREG | 0644, .text = "=m/a" },
    { .path = "m/b/c", .mode = S_IFREG | 0644, .text = "inlined", .inlined = true },
    { .path = "m/b/d", .mode = S_IFDIR | 0755 },
    { .path = "m/b/d/e", .mode = S_IFREG | 0644, .text = "deep" },
};

static void model_file(struct model *m, int node, const struct image_entry *entry)
{
    struct model_node *to = &m->nodes[node];
    unsigned repeat = entry->repeat == 0 ? 1 : entry->repeat;
    for (unsigned i = 0; i < repeat; i++) {
        memcpy(to->bytes + to->size_bytes, entry->text, strlen(entry->text));
        to->size_bytes += strlen(entry->text);
    }
}

static void model_init(struct model *m)
{
    m->nodes[0] = (struct model_node){ .used = true, .directory = true, .links = 1 };
    model_file(m, add(m, 0, 'a', false), &layer_entries[1]);
    int b = add(m, 0, 'b', true);
    int a = find(m, 0, 'a')->node;
    *free_entry(m) = (struct model_entry){ true, b, a, 'a' };
    m->nodes[a].links++;
    model_file(m, add(m, b, 'c', false), &layer_entries[4]);
    int d = add(m, b, 'd', true);
    model_file(m, add(m, d, 'e', false), &layer_entries[6]);
}

TEST(random_operations_do_what_the_model_says)
{
    static void (*const steps[])(struct model *) = {
        step_create, step_create, step_unlink, step_link,     step_rename, step_rename, step_write,
        step_write,  step_read,   step_read,   step_truncate, step_punch,  step_list,
    };
    struct layer layer;
    struct model *m = calloc(1, sizeof(*m));
    m->random = test_seed();
    image_layer(layer_entries, ARRAY_LEN(layer_entries), &layer);
    file_fixture_init(&m->f, &layer, 1);
    model_init(m);
    for (unsigned i = 0; i < STEPS && !test_has_failed(); i++) {
        steps[roll(m, ARRAY_LEN(steps))](m);
        file_fixture_forget(&m->f);
    }
    file_fixture_end_layers(&m->f);
    image_layer_end(&layer);
    EXPECT_EQ(heap_counts().blocks, 0);
    free(m);
}
