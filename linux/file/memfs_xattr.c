/* Extended attributes of files in memory: a short list. xattr(7). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/memfs_impl.h>

enum { XATTRS_BYTES_MAX = 65536 };

static struct mem_xattr *find(struct mem_node *node, const char *name)
{
    LIST_FOR_EACH(link, &node->xattrs)
    {
        struct mem_xattr *xattr = CONTAINER_OF(link, struct mem_xattr, link);
        if (strcmp(xattr->name, name) == 0)
            return xattr;
    }
    return NULL;
}

/* `name_taken` also if it fails. */
static int make(char *name_taken, const void *value, size_t size_bytes, struct mem_xattr **out)
{
    struct mem_xattr *xattr = name_taken == NULL ? NULL : heap_alloc(sizeof(*xattr) + size_bytes);
    if (xattr == NULL) {
        heap_free(name_taken);
        return -ENOMEM;
    }
    list_init(&xattr->link);
    xattr->name = name_taken;
    xattr->value_bytes = (uint32_t)size_bytes;
    if (size_bytes != 0)
        memcpy(xattr->value, value, size_bytes);
    *out = xattr;
    return 0;
}

static void discard(struct mem_xattr *xattr)
{
    list_remove(&xattr->link);
    heap_free(xattr->name);
    heap_free(xattr);
}

void mem_xattr_drop_locked(struct mem_node *node, const char *name)
{
    struct mem_xattr *xattr = list_empty(&node->xattrs) ? NULL : find(node, name);
    if (xattr != NULL)
        discard(xattr);
}

void mem_xattrs_free(struct mem_node *node)
{
    while (!list_empty(&node->xattrs))
        discard(CONTAINER_OF(node->xattrs.next, struct mem_xattr, link));
}

int mem_xattr_add(struct mem_node *node, const struct erofs_xattr *xattr)
{
    size_t prefix = strlen(xattr->prefix);
    size_t length = (size_t)xattr->name_length;
    char *name = heap_alloc(prefix + length + 1);
    if (name != NULL) {
        memcpy(name, xattr->prefix, prefix);
        memcpy(name + prefix, xattr->name, length);
    }
    struct mem_xattr *made;
    int error = make(name, xattr->value, (size_t)xattr->value_bytes, &made);
    if (error == 0)
        list_push_back(&node->xattrs, &made->link);
    return error;
}

int64_t mem_get_xattr(struct node *node, const char *name, void *to, size_t size_bytes)
{
    rt_lock(&node->lock);
    const struct mem_xattr *xattr = find(mem_node(node), name);
    int64_t result = xattr == NULL ? -ENODATA : (int64_t)xattr->value_bytes;
    if (xattr != NULL && size_bytes != 0) {
        if (xattr->value_bytes > size_bytes)
            result = -ERANGE;
        else if (xattr->value_bytes != 0)
            memcpy(to, xattr->value, xattr->value_bytes);
    }
    rt_unlock(&node->lock);
    return result;
}

static size_t bytes_of_all(const struct mem_node *node)
{
    size_t sum = 0;
    LIST_FOR_EACH(link, &node->xattrs)
    {
        const struct mem_xattr *xattr = CONTAINER_OF(link, struct mem_xattr, link);
        sum += strlen(xattr->name) + 1 + xattr->value_bytes;
    }
    return sum;
}

/* `made` is the list's, or the caller's to discard. */
static int put_in(struct mem_node *node, struct mem_xattr *made, unsigned flags)
{
    struct mem_xattr *old = find(node, made->name);
    if (old != NULL && (flags & XATTR_CREATE) != 0)
        return -EEXIST;
    if (old == NULL && (flags & XATTR_REPLACE) != 0)
        return -ENODATA;
    if (bytes_of_all(node) + strlen(made->name) + 1 + made->value_bytes > 2ull * XATTRS_BYTES_MAX)
        return -ENOSPC;
    if (old != NULL)
        discard(old);
    list_push_back(&node->xattrs, &made->link);
    node->node.attributes.changed = timestamp_now();
    return 0;
}

int mem_set_xattr(struct node *node, const char *name, const void *from, size_t size_bytes,
                  unsigned flags)
{
    struct mem_xattr *made;
    int error = make(heap_copy_text(name), from, size_bytes, &made);
    if (error != 0)
        return error;
    rt_lock(&node->lock);
    error = put_in(mem_node(node), made, flags);
    rt_unlock(&node->lock);
    if (error != 0)
        discard(made);
    return error;
}

int64_t mem_list_xattr(struct node *node, char *to, size_t size_bytes)
{
    int64_t sum = 0;
    rt_lock(&node->lock);
    LIST_FOR_EACH(link, &mem_node(node)->xattrs)
    {
        const struct mem_xattr *xattr = CONTAINER_OF(link, struct mem_xattr, link);
        size_t length = strlen(xattr->name) + 1;
        if (size_bytes != 0 && (uint64_t)sum + length > size_bytes) {
            sum = -ERANGE;
            break;
        }
        if (size_bytes != 0)
            memcpy(to + sum, xattr->name, length);
        sum += (int64_t)length;
    }
    rt_unlock(&node->lock);
    return sum;
}

int mem_remove_xattr(struct node *node, const char *name)
{
    rt_lock(&node->lock);
    struct mem_xattr *xattr = find(mem_node(node), name);
    if (xattr != NULL) {
        discard(xattr);
        node->attributes.changed = timestamp_now();
    }
    rt_unlock(&node->lock);
    return xattr != NULL ? 0 : -ENODATA;
}
