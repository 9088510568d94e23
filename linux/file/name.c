/* Names: the entries of directories, as far as they are in memory.
 *
 * A cached name (linked, not kept) is found by look-ups while its count may be about to fall to
 * nothing, so its last reference is dropped under its directory's lock only.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>

struct key {
    uint32_t hash;
    const char *text;
    size_t length;
};

static uint32_t hash_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

static struct name *by_text(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct name, by_text);
}

static int compare_key(const struct tree_node *node, const void *data)
{
    const struct name *name = by_text(node);
    const struct key *key = data;
    if (name->hash != key->hash)
        return name->hash < key->hash ? -1 : 1;
    if (name->length != key->length)
        return name->length < key->length ? -1 : 1;
    return memcmp(name->text, key->text, key->length);
}

static bool text_before(const struct tree_node *a, const struct tree_node *b)
{
    const struct name *name = by_text(b);
    struct key key = { name->hash, name->text, name->length };
    return compare_key(a, &key) < 0;
}

static bool cookie_before(const struct tree_node *a, const struct tree_node *b)
{
    return CONTAINER_OF(a, struct name, by_cookie)->cookie <
           CONTAINER_OF(b, struct name, by_cookie)->cookie;
}

char *text_copy(const char *text, size_t length)
{
    char *copy = heap_alloc(length + 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

int name_create(struct name *parent, const char *text, size_t length, struct node *node,
                struct name **name_out)
{
    struct name *name = heap_alloc(sizeof(*name));
    if (name == NULL)
        return -ENOMEM;
    name->text = text_copy(text, length);
    if (name->text == NULL) {
        heap_free(name);
        return -ENOMEM;
    }
    name->length = (uint32_t)length;
    name->hash = hash_of(text, length);
    name->references = 1;
    name->parent = parent == NULL ? NULL : name_get(parent);
    name->node = node_get(node);
    *name_out = name;
    return 0;
}

struct name *name_get(struct name *name)
{
    (void)__atomic_fetch_add(&name->references, 1, __ATOMIC_RELAXED);
    return name;
}

static bool is_cached(const struct name *name)
{
    return __atomic_load_n(&name->linked, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&name->kept, __ATOMIC_RELAXED);
}

/* True if that was the last reference, and the name is no entry any more. */
static bool put_cached(struct name *name)
{
    uint32_t count = __atomic_load_n(&name->references, __ATOMIC_RELAXED);
    while (count > 1) {
        if (__atomic_compare_exchange_n(&name->references, &count, count - 1, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return false;
    }
    struct node *directory = name->parent->node;
    rt_lock(&directory->lock);
    bool last = __atomic_sub_fetch(&name->references, 1, __ATOMIC_ACQ_REL) == 0;
    if (last && name->linked)
        name_unlink_locked(name);
    rt_unlock(&directory->lock);
    return last;
}

void name_put(struct name *name)
{
    while (name != NULL) {
        bool last = is_cached(name)
                        ? put_cached(name)
                        : __atomic_sub_fetch(&name->references, 1, __ATOMIC_ACQ_REL) == 0;
        if (!last)
            return;
        struct name *parent = name->parent;
        node_put(name->node);
        heap_free(name->text);
        heap_free(name);
        name = parent;
    }
}

struct name *name_find_locked(struct name *directory, const char *text, size_t length)
{
    struct key key = { hash_of(text, length), text, length };
    struct tree_node *node = tree_lower_bound(&directory->node->names, compare_key, &key);
    return node != NULL && compare_key(node, &key) == 0 ? by_text(node) : NULL;
}

void name_link_locked(struct name *name, bool kept)
{
    struct node *directory = name->parent->node;
    __atomic_store_n(&name->kept, kept, __ATOMIC_RELAXED);
    if (kept)
        (void)name_get(name);
    name->cookie = ++directory->next_cookie;
    tree_insert(&directory->names, &name->by_text, text_before);
    tree_insert(&directory->order, &name->by_cookie, cookie_before);
    __atomic_store_n(&name->linked, true, __ATOMIC_RELAXED);
}

void name_unlink_locked(struct name *name)
{
    struct node *directory = name->parent->node;
    tree_remove(&directory->names, &name->by_text);
    tree_remove(&directory->order, &name->by_cookie);
    __atomic_store_n(&name->linked, false, __ATOMIC_RELAXED);
}

void name_move_locked(struct name *name, struct name *parent, char *text_taken, size_t length)
{
    struct name *old = name->parent;
    name_unlink_locked(name);
    heap_free(name->text);
    name->text = text_taken;
    name->length = (uint32_t)length;
    name->hash = hash_of(text_taken, length);
    name->parent = name_get(parent);
    name_link_locked(name, true);
    /* Neither is the last: the directories are the caller's. */
    (void)__atomic_sub_fetch(&name->references, 1, __ATOMIC_RELEASE);
    (void)__atomic_sub_fetch(&old->references, 1, __ATOMIC_RELEASE);
}

void name_swap_locked(struct name *a, struct name *b)
{
    name_unlink_locked(a);
    name_unlink_locked(b);
    struct name moved = *a;
    a->text = b->text;
    a->length = b->length;
    a->hash = b->hash;
    a->parent = b->parent;
    b->text = moved.text;
    b->length = moved.length;
    b->hash = moved.hash;
    b->parent = moved.parent;
    name_link_locked(a, true);
    name_link_locked(b, true);
    /* The directories kept them already. */
    (void)__atomic_sub_fetch(&a->references, 1, __ATOMIC_RELEASE);
    (void)__atomic_sub_fetch(&b->references, 1, __ATOMIC_RELEASE);
}

/* What the file system itself has under that name becomes an entry. */
static int make_entry(struct name *directory, const char *text, size_t length,
                      struct name **name_out)
{
    struct node *node = directory->node;
    if (node->ops->lookup == NULL)
        return -ENOENT;
    struct node *found;
    int error = node->ops->lookup(node, text, length, &found);
    if (error != 0)
        return error;
    error = name_create(directory, text, length, found, name_out);
    node_put(found);
    if (error == 0)
        name_link_locked(*name_out, node->ops->complete != NULL);
    return error;
}

int name_lookup_locked(struct name *directory, const char *text, size_t length,
                       struct name **name_out)
{
    if (directory->node->removed)
        return -ENOENT;
    struct name *name = name_find_locked(directory, text, length);
    if (name != NULL && name->node->ops->valid != NULL && !name->node->ops->valid(name->node)) {
        name_unlink_locked(name);
        name = NULL;
    }
    if (name == NULL)
        return make_entry(directory, text, length, name_out);
    *name_out = name_get(name);
    return 0;
}

int name_lookup(struct name *directory, const char *text, size_t length, struct name **name_out)
{
    struct node *node = directory->node;
    rt_lock(&node->lock);
    int error = name_lookup_locked(directory, text, length, name_out);
    rt_unlock(&node->lock);
    return error;
}

static int compare_cookie(const struct tree_node *node, const void *key)
{
    const uint64_t *cookie = key;
    return CONTAINER_OF(node, struct name, by_cookie)->cookie < *cookie ? -1 : 1;
}

struct name *name_from_locked(const struct node *directory, uint64_t cookie)
{
    struct tree_node *node = tree_lower_bound(&directory->order, compare_cookie, &cookie);
    return node == NULL ? NULL : CONTAINER_OF(node, struct name, by_cookie);
}

/* Every name keeps its parent, and every directory its names: undone from the leaves on. */
void names_clear(struct file_system *file_system, struct name *root)
{
    (void)file_system;
    struct name *name = root;
    for (;;) {
        struct tree_node *first = tree_first(&name->node->order);
        if (first != NULL) {
            name = CONTAINER_OF(first, struct name, by_cookie);
            continue;
        }
        if (name == root)
            break;
        struct name *parent = name->parent;
        bool kept = name->kept;
        rt_lock(&parent->node->lock);
        name_unlink_locked(name);
        rt_unlock(&parent->node->lock);
        if (kept)
            name_put(name);
        name = parent;
    }
}
