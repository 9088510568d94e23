#include <base/fmt.h>
#include <linux/abi/errno.h>
#include <linux/anonymous.h>
#include <linux/clock.h>
#include <linux/file.h>
#include <linux/heap.h>
#include <linux/names.h>
#include <linux/task.h>

void anonymous_free(struct node *node)
{
    node_end(node);
    heap_free(node);
}

int anonymous_set(struct node *node, const struct node_attributes *attributes, unsigned which)
{
    if ((which & SET_SIZE) != 0)
        return -EINVAL;
    rt_lock(&node->lock);
    if ((which & SET_MODE) != 0)
        node->attributes.mode =
            (node->attributes.mode & S_IFMT) | (attributes->mode & S_PERMISSIONS);
    if ((which & SET_OWNER) != 0)
        node->attributes.uid = attributes->uid;
    if ((which & SET_GROUP) != 0)
        node->attributes.gid = attributes->gid;
    rt_unlock(&node->lock);
    return 0;
}

static const struct node_ops anonymous_ops = {
    .set_attributes = anonymous_set,
    .free = anonymous_free,
};

/* One for all; it never ends. */
static struct file_system *anonymous_file_system(void)
{
    static struct file_system file_system;
    static uint32_t made; /* 1: is being made, 2: is there */
    uint32_t none = 0;
    if (__atomic_compare_exchange_n(&made, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        file_system_init(&file_system, "pipefs", MAGIC_ANONYMOUS);
        __atomic_store_n(&made, 2, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&made, __ATOMIC_ACQUIRE) != 2)
        ;
    return &file_system;
}

int anonymous_node(uint32_t mode, struct node **node_out)
{
    return anonymous_node_with(&anonymous_ops, mode, node_out);
}

int anonymous_node_with(const struct node_ops *ops, uint32_t mode, struct node **node_out)
{
    const struct task *task = task_self();
    struct node *node = heap_alloc(sizeof(*node));
    uint64_t now_ns = 0;
    if (node == NULL)
        return -ENOMEM;
    (void)clock_now(CLOCK_REALTIME, &now_ns);
    const struct timestamp now = { (int64_t)(now_ns / 1000000000),
                                   (uint32_t)(now_ns % 1000000000) };
    const struct node_attributes attributes = {
        .mode = mode,
        .uid = task != NULL ? task->cred->fsuid : 0,
        .gid = task != NULL ? task->cred->fsgid : 0,
        .links = 1,
        .accessed = now,
        .modified = now,
        .changed = now,
    };
    node_init(node, anonymous_file_system(), ops, &attributes);
    *node_out = node;
    return 0;
}

int64_t anonymous_text(const char *kind, const struct file *file, char *to, size_t size_bytes)
{
    uint64_t inode = file->node != NULL ? file->node->inode : 0;
    return (int64_t)format_text(to, size_bytes, "%s:[%llu]", kind, (unsigned long long)inode);
}
