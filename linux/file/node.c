/* Nodes: their references, their attributes, and who may do what with them. inode(7),
 * path_resolution(7).
 */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/clock.h>
#include <linux/file_impl.h>
#include <linux/machine.h>
#include <linux/names.h>
#include <linux/task.h>

struct timestamp timestamp_now(void)
{
    uint64_t now = machine_time_of_day_ns();
    return (struct timestamp){ (int64_t)(now / NS_PER_SECOND), (uint32_t)(now % NS_PER_SECOND) };
}

static uint64_t last_device; /* atomic */

void file_system_init(struct file_system *file_system, const char *type, uint32_t magic)
{
    file_system->references = 1;
    file_system->type = type;
    file_system->magic = magic;
    uint64_t number = __atomic_add_fetch(&last_device, 1, __ATOMIC_RELAXED);
    file_system->device = device_number(0, (uint32_t)number);
    file_system->next_inode = 1;
}

struct file_system *file_system_get(struct file_system *file_system)
{
    (void)__atomic_fetch_add(&file_system->references, 1, __ATOMIC_RELAXED);
    return file_system;
}

void file_system_put(struct file_system *file_system)
{
    if (__atomic_fetch_sub(&file_system->references, 1, __ATOMIC_ACQ_REL) == 1 &&
        file_system->free != NULL)
        file_system->free(file_system);
}

void node_init(struct node *node, struct file_system *file_system, const struct node_ops *ops,
               const struct node_attributes *attributes)
{
    node->references = 1;
    node->ops = ops;
    node->file_system = file_system_get(file_system);
    node->inode = __atomic_fetch_add(&file_system->next_inode, 1, __ATOMIC_RELAXED);
    node->attributes = *attributes;
    node->type = attributes->mode & S_IFMT;
    list_init(&node->mappings);
    list_init(&node->locks);
    wait_queue_init(&node->lock_queue);
    (void)__atomic_fetch_add(&file_system->nodes, 1, __ATOMIC_RELAXED);
}

bool node_is_mapped(const struct node *node)
{
    return __atomic_load_n(&node->mappings.next, __ATOMIC_RELAXED) != &node->mappings;
}

void node_end(struct node *node)
{
    if (node->special_free != NULL)
        node->special_free(node->special);
    (void)__atomic_fetch_sub(&node->file_system->nodes, 1, __ATOMIC_RELAXED);
    file_system_put(node->file_system);
}

struct node *node_get(struct node *node)
{
    (void)__atomic_fetch_add(&node->references, 1, __ATOMIC_RELAXED);
    return node;
}

void node_put(struct node *node)
{
    if (node != NULL && __atomic_fetch_sub(&node->references, 1, __ATOMIC_ACQ_REL) == 1)
        node->ops->free(node);
}

int node_attributes(struct node *node, struct node_attributes *attributes_out)
{
    if (node->ops->attributes != NULL)
        return node->ops->attributes(node, attributes_out);
    rt_lock(&node->lock);
    *attributes_out = node->attributes;
    rt_unlock(&node->lock);
    return 0;
}

/* ---- Permissions ---- */

void who_am_i(struct who *who, bool real_ids)
{
    struct cred *cred = task_self()->cred;
    *who = (struct who){ cred->fsuid, cred->fsgid, cred->effective, cred };
    if (real_ids) {
        who->uid = cred->uid;
        who->gid = cred->gid;
        /* As if it ran with its real user: access(2). */
        who->capabilities = cred->uid == 0 ? cred->permitted : 0;
    }
}

bool who_can(const struct who *who, unsigned capability)
{
    return (who->capabilities & CAP_BIT(capability)) != 0;
}

bool who_in_group(const struct who *who, uint32_t gid)
{
    if (who->gid == gid)
        return true;
    for (uint32_t i = 0; i < who->cred->group_count; i++) {
        if (who->cred->groups[i] == gid)
            return true;
    }
    return false;
}

int who_may(const struct who *who, const struct node_attributes *attributes, unsigned wanted)
{
    uint32_t mode = attributes->mode;
    unsigned granted = mode & 7;
    if (attributes->uid == who->uid)
        granted = mode >> 6 & 7;
    else if (((mode >> 3 ^ mode) & 7) != 0 && who_in_group(who, attributes->gid))
        granted = mode >> 3 & 7;
    if ((wanted & ~granted) == 0)
        return 0;

    bool directory = (mode & S_IFMT) == S_IFDIR;
    bool executable = directory || (mode & 0111) != 0;
    if (who_can(who, CAP_DAC_OVERRIDE) && ((wanted & MAY_EXECUTE) == 0 || executable))
        return 0;
    bool looking = wanted == MAY_READ || (directory && (wanted & MAY_WRITE) == 0);
    return looking && who_can(who, CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
}

int node_permission_as(const struct who *who, struct node *node, unsigned wanted)
{
    struct node_attributes attributes;
    int error = node_attributes(node, &attributes);
    return error != 0 ? error : who_may(who, &attributes, wanted);
}

int node_permission(struct node *node, unsigned wanted)
{
    struct who who;
    who_am_i(&who, false);
    return node_permission_as(&who, node, wanted);
}

bool node_owned(struct node *node)
{
    struct node_attributes attributes;
    return node_attributes(node, &attributes) == 0 &&
           (attributes.uid == task_self()->cred->fsuid || capable(CAP_FOWNER));
}

/* ---- Changing attributes ---- */

int node_set_attributes(struct node *node, const struct node_attributes *attributes, unsigned which)
{
    if (node->ops->set_attributes == NULL)
        return -EPERM;
    return node->ops->set_attributes(node, attributes, which);
}

void node_apply_locked(struct node *node, const struct node_attributes *attributes, unsigned which)
{
    struct node_attributes *own = &node->attributes;
    if ((which & SET_MODE) != 0)
        own->mode = (own->mode & S_IFMT) | (attributes->mode & S_PERMISSIONS);
    if ((which & SET_OWNER) != 0)
        own->uid = attributes->uid;
    if ((which & SET_GROUP) != 0)
        own->gid = attributes->gid;
    if ((which & SET_ACCESSED) != 0)
        own->accessed = attributes->accessed;
    if ((which & SET_MODIFIED) != 0)
        own->modified = attributes->modified;
    own->changed = timestamp_now();
}

void node_modified_locked(struct node *node)
{
    struct timestamp now = timestamp_now();
    node->attributes.modified = now;
    node->attributes.changed = now;
}

void node_unlinked(struct node *node)
{
    rt_lock(&node->lock);
    if (node->attributes.links > 0)
        node->attributes.links--;
    node->attributes.changed = timestamp_now();
    bool unpin = node->pinned && node->attributes.links == 0;
    node->pinned = node->pinned && !unpin;
    rt_unlock(&node->lock);
    if (unpin)
        node_put(node);
}

static bool is_before(const struct timestamp *a, const struct timestamp *b)
{
    return a->seconds < b->seconds || (a->seconds == b->seconds && a->nanoseconds < b->nanoseconds);
}

/* As with relatime: only when it says something new. */
void node_accessed_locked(struct node *node)
{
    struct node_attributes *own = &node->attributes;
    if (is_before(&own->modified, &own->accessed) && is_before(&own->changed, &own->accessed))
        return;
    own->accessed = timestamp_now();
}

/* ---- Running programs and writing to them exclude each other ---- */

int node_deny_write(struct node *node)
{
    rt_lock(&node->lock);
    int error = node->writers > 0 ? -ETXTBSY : 0;
    if (error == 0)
        node->writers--;
    rt_unlock(&node->lock);
    return error;
}

void node_allow_write(struct node *node)
{
    rt_lock(&node->lock);
    node->writers++;
    rt_unlock(&node->lock);
}

int node_begin_write(struct node *node)
{
    rt_lock(&node->lock);
    int error = node->writers < 0 ? -ETXTBSY : 0;
    if (error == 0)
        node->writers++;
    rt_unlock(&node->lock);
    return error;
}

void node_end_write(struct node *node)
{
    rt_lock(&node->lock);
    node->writers--;
    rt_unlock(&node->lock);
}

int64_t node_read(struct node *node, void *to, uint64_t size_bytes, uint64_t offset)
{
    struct io io;
    if (node->ops->read == NULL)
        return -EINVAL;
    io_own(&io, to, size_bytes);
    io.unseen = true;
    return node->ops->read(node, &io, offset);
}
