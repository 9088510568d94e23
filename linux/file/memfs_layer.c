/* What the root file system has of its layers: names are looked for from the uppermost down. */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/memfs_impl.h>

/* Attributes behind "trusted." that are about the stack of layers: nobody else sees them. */
#define OPAQUE   "overlay.opaque"
#define IMPLICIT "themelios.implicit"

static const char *const private_prefixes[] = { "overlay.", "themelios." };

/* ---- Which nodes there are ---- */

struct lower_key {
    uint32_t layer;
    uint64_t nid;
};

static int compare_lower(const struct tree_node *node, const void *data)
{
    const struct mem_node *mem = CONTAINER_OF(node, struct mem_node, by_lower);
    const struct lower_key *key = data;
    if (mem->layer != key->layer)
        return mem->layer < key->layer ? -1 : 1;
    return mem->nid < key->nid ? -1 : mem->nid > key->nid;
}

static bool lower_before(const struct tree_node *a, const struct tree_node *b)
{
    const struct mem_node *mem = CONTAINER_OF(b, struct mem_node, by_lower);
    struct lower_key key = { mem->layer, mem->nid };
    return compare_lower(a, &key) < 0;
}

/* Counted; NULL also for one that is ending. */
static struct node *find_locked(struct memfs *fs, uint32_t layer, uint64_t nid)
{
    struct lower_key key = { layer, nid };
    struct node *found = NULL;
    struct tree_node *link = tree_lower_bound(&fs->lower, compare_lower, &key);
    if (link != NULL && compare_lower(link, &key) == 0) {
        found = &CONTAINER_OF(link, struct mem_node, by_lower)->node;
        uint32_t count = __atomic_load_n(&found->references, __ATOMIC_RELAXED);
        while (count != 0 && !__atomic_compare_exchange_n(&found->references, &count, count + 1,
                                                          true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        if (count == 0)
            found = NULL;
    }
    return found;
}

static struct node *find_lower(struct memfs *fs, uint32_t layer, uint64_t nid)
{
    rt_lock(&fs->lock);
    struct node *found = find_locked(fs, layer, nid);
    rt_unlock(&fs->lock);
    return found;
}

void mem_forget_lower(struct mem_node *node)
{
    struct memfs *fs = memfs_of(&node->node);
    rt_lock(&fs->lock);
    if (tree_linked(&node->by_lower))
        tree_remove(&fs->lower, &node->by_lower);
    rt_unlock(&fs->lock);
}

/* ---- From a layer's inode to a node ---- */

static void lower_attributes(const struct erofs_inode *inode, struct node_attributes *attributes)
{
    struct timestamp time = { inode->modified_seconds, inode->modified_nanoseconds % 1000000000u };
    *attributes = (struct node_attributes){
        .mode = inode->mode & (S_IFMT | S_PERMISSIONS),
        .uid = inode->uid,
        .gid = inode->gid,
        .links = MAX(inode->links, 1u),
        .size_bytes = inode->size_bytes,
        .blocks_512 = (inode->size_bytes / 4096 + (inode->size_bytes % 4096 != 0)) * 8,
        .accessed = time,
        .modified = time,
        .changed = time,
        .created = time,
    };
    if (inode->kind == EROFS_OTHER)
        attributes->device = inode->device;
}

/* In a row, whole blocks and tail; or in one place beside the inode. */
static uint64_t place_of(const struct erofs_inode *inode)
{
    uint64_t whole_bytes = inode->size_bytes - inode->tail_bytes;
    if (whole_bytes == 0 && inode->tail_bytes != 0)
        return inode->tail_at;
    if (inode->tail_bytes == 0 || inode->tail_at == inode->blocks_at + whole_bytes)
        return inode->blocks_at;
    return LOWER_SPLIT;
}

static int copy_target(const struct erofs *erofs, const struct erofs_inode *inode,
                       struct mem_node *node)
{
    size_t read = 0;
    if (inode->size_bytes == 0 || inode->size_bytes >= PATH_MAX)
        return -EIO;
    size_t length = (size_t)inode->size_bytes;
    node->target = heap_alloc(length + 1);
    if (node->target == NULL)
        return -ENOMEM;
    if (erofs_read(erofs, inode, 0, node->target, length, &read) != OK || read != length ||
        strlen(node->target) != length)
        return -EIO;
    return 0;
}

static bool is_private(const struct erofs_xattr *xattr)
{
    if (strcmp(xattr->prefix, "trusted.") != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(private_prefixes); i++) {
        size_t length = strlen(private_prefixes[i]);
        if (xattr->name_length >= length && memcmp(xattr->name, private_prefixes[i], length) == 0)
            return true;
    }
    return false;
}

static int copy_xattrs(const struct erofs *erofs, const struct erofs_inode *inode,
                       struct mem_node *node)
{
    struct erofs_xattr xattr;
    uint64_t position = 0;
    enum status status;
    while ((status = erofs_xattr_next(erofs, inode, &position, &xattr)) == OK) {
        if (is_private(&xattr))
            continue;
        int error = mem_xattr_add(node, &xattr);
        if (error != 0)
            return error;
    }
    return status == ERR_NOT_FOUND ? 0 : -EIO;
}

static int node_from_lower(struct memfs *fs, const struct lower_directory *place,
                           const struct erofs_inode *inode, struct mem_node **node_out)
{
    const struct erofs *erofs = &fs->layers[place->layer].erofs;
    struct node_attributes attributes;
    lower_attributes(inode, &attributes);
    struct mem_node *node;
    int error = mem_node_create(fs, &attributes, &node);
    if (error != 0)
        return error;
    node->layer = place->layer;
    node->nid = place->nid;
    if (inode->kind == EROFS_FILE) {
        node->in_layer = true;
        node->lower_at = place_of(inode);
    } else if (inode->kind == EROFS_LINK) {
        error = copy_target(erofs, inode, node);
    }
    if (error == 0)
        error = copy_xattrs(erofs, inode, node);
    if (error != 0) {
        node_put(&node->node);
        return error;
    }
    *node_out = node;
    return 0;
}

/* Anything but a directory: one node, however many names it has. */
static int file_from_lower(struct memfs *fs, const struct lower_directory *place,
                           const struct erofs_inode *inode, struct node **node_out)
{
    *node_out = find_lower(fs, place->layer, place->nid);
    if (*node_out != NULL)
        return 0;
    struct mem_node *node;
    int error = node_from_lower(fs, place, inode, &node);
    if (error != 0)
        return error;
    /* Meanwhile somebody may have come by another name, in another directory. */
    rt_lock(&fs->lock);
    *node_out = find_locked(fs, place->layer, place->nid);
    if (*node_out == NULL) {
        if (node->node.attributes.links > 1) {
            node->node.pinned = true;
            (void)node_get(&node->node);
        }
        tree_insert(&fs->lower, &node->by_lower, lower_before);
        *node_out = &node->node;
        node = NULL;
    }
    rt_unlock(&fs->lock);
    if (node != NULL)
        node_put(&node->node);
    return 0;
}

/* ---- Looking through the layers ---- */

static bool is_whiteout(const struct erofs_inode *inode)
{
    return (inode->mode & S_IFMT) == S_IFCHR && inode->device == 0;
}

static bool says_yes(const struct erofs_xattr *xattr, const char *name)
{
    return is_private(xattr) && xattr->name_length == strlen(name) &&
           memcmp(xattr->name, name, xattr->name_length) == 0 && xattr->value_bytes == 1 &&
           *(const char *)xattr->value == 'y';
}

/* What a layer says of a directory beside its entries. */
struct marks {
    bool opaque;   /* nothing that the layers below have in it counts */
    bool implicit; /* a path goes through it: what it is itself, a layer below says */
};

static struct marks marks_of(const struct erofs *erofs, const struct erofs_inode *inode)
{
    struct marks marks = { 0 };
    struct erofs_xattr xattr;
    uint64_t position = 0;
    while (erofs_xattr_next(erofs, inode, &position, &xattr) == OK) {
        marks.opaque = marks.opaque || says_yes(&xattr, OPAQUE);
        marks.implicit = marks.implicit || says_yes(&xattr, IMPLICIT);
    }
    return marks;
}

/* What a search has met so far. */
struct search {
    struct memfs *fs;
    struct lower_directory found[LAYERS_MAX];
    unsigned count;
    /* What it is: by the uppermost layer that says so, or else by the uppermost. */
    struct lower_directory described_at;
    struct erofs_inode description;
    bool described;
    bool opaque; /* what is below has no more entries */
    bool ended;
};

/* The layer has `nid` under the name: does it count, and does the search end? */
static int search_add(struct search *search, uint32_t layer, uint64_t nid)
{
    const struct erofs *erofs = &search->fs->layers[layer].erofs;
    struct erofs_inode inode;
    if (erofs_inode(erofs, nid, &inode) != OK)
        return -EIO;
    bool directory = inode.kind == EROFS_DIRECTORY;
    if (is_whiteout(&inode) || (search->count > 0 && !directory)) {
        search->ended = true;
        return 0;
    }
    const struct lower_directory place = { layer, nid };
    struct marks marks = directory ? marks_of(erofs, &inode) : (struct marks){ 0 };
    if (search->count == 0 || (!search->described && !marks.implicit)) {
        search->described_at = place;
        search->description = inode;
        search->described = !marks.implicit;
    }
    if (!search->opaque)
        search->found[search->count++] = place;
    search->opaque = search->opaque || marks.opaque || search->count == LAYERS_MAX;
    search->ended = search->described && (!directory || search->opaque);
    return 0;
}

/* A directory, of one layer or merged from several. */
static int directory_from_lower(const struct search *search, struct mem_node **node_out)
{
    struct lower_directory *lower = heap_alloc_array(search->count, sizeof(*lower));
    if (lower == NULL)
        return -ENOMEM;
    memcpy(lower, search->found, search->count * sizeof(*lower));
    struct mem_node *node;
    int error = node_from_lower(search->fs, &search->described_at, &search->description, &node);
    if (error != 0) {
        heap_free(lower);
        return error;
    }
    node->lower = lower;
    node->lower_count = search->count;
    *node_out = node;
    return 0;
}

static int search_end(struct search *search, struct node **node_out)
{
    if (search->count == 0)
        return -ENOENT;
    if (search->description.kind != EROFS_DIRECTORY)
        return file_from_lower(search->fs, &search->found[0], &search->description, node_out);
    struct mem_node *node;
    int error = directory_from_lower(search, &node);
    if (error == 0)
        *node_out = &node->node;
    return error;
}

int mem_lookup(struct node *directory, const char *name, size_t length, struct node **node_out)
{
    struct mem_node *mem = mem_node(directory);
    if (mem->complete || mem->lower_count == 0)
        return -ENOENT;
    struct search search = { .fs = memfs_of(directory) };
    for (unsigned i = 0; i < mem->lower_count && !search.ended; i++) {
        const struct erofs *erofs = &search.fs->layers[mem->lower[i].layer].erofs;
        struct erofs_inode inode;
        uint64_t nid;
        enum status status = erofs_inode(erofs, mem->lower[i].nid, &inode);
        if (status == OK)
            status = erofs_lookup(erofs, &inode, name, length, &nid);
        if (status == ERR_NOT_FOUND)
            continue;
        int error = status == OK ? search_add(&search, mem->lower[i].layer, nid) : -EIO;
        if (error != 0)
            return error;
    }
    return search_end(&search, node_out);
}

int mem_layered_root(struct memfs *fs, struct mem_node **node_out)
{
    struct search search = { .fs = fs };
    struct node *node;
    for (uint32_t i = 0; i < fs->layer_count && !search.ended; i++) {
        int error = search_add(&search, i, fs->layers[i].erofs.root_nid);
        if (error != 0)
            return -EINVAL;
    }
    if (search.count == 0 || search.description.kind != EROFS_DIRECTORY)
        return -EINVAL;
    int error = search_end(&search, &node);
    if (error == 0)
        *node_out = mem_node(node);
    return error;
}

static bool is_usable(const struct erofs_entry *entry)
{
    if (part_is_special(entry->name, entry->length))
        return false;
    for (uint64_t i = 0; i < entry->length; i++) {
        if (entry->name[i] == '/')
            return false;
    }
    return true;
}

/* The names that one layer's directory has. */
static int complete_from(struct name *directory, const struct lower_directory *place)
{
    const struct erofs *erofs = &memfs_of(directory->node)->layers[place->layer].erofs;
    struct erofs_inode inode;
    struct erofs_entry entry;
    uint64_t position = 0;
    if (erofs_inode(erofs, place->nid, &inode) != OK)
        return -EIO;
    enum status status;
    while ((status = erofs_next(erofs, &inode, &position, &entry)) == OK) {
        struct name *name;
        if (!is_usable(&entry))
            continue;
        int error = name_lookup_locked(directory, entry.name, entry.length, &name);
        if (error == 0)
            name_put(name); /* not the last: the directory keeps it */
        else if (error != -ENOENT)
            return error;
    }
    return status == ERR_NOT_FOUND ? 0 : -EIO;
}

int mem_complete(struct name *directory)
{
    struct mem_node *mem = mem_node(directory->node);
    for (unsigned i = 0; i < mem->lower_count && !mem->complete; i++) {
        int error = complete_from(directory, &mem->lower[i]);
        if (error != 0)
            return error;
    }
    mem->complete = true;
    return 0;
}
