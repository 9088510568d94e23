/* Who a task is: ids, groups, capabilities. credentials(7), capabilities(7).
 *
 * Credentials in use never change, so readers need no lock; a change is a copy that takes their
 * place. Accounts count what all tasks of a user have together; one lives as long as credentials
 * name it.
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/count.h>
#include <linux/heap.h>

static struct rt_lock accounts_lock; /* before heap, after all others */
static struct tree accounts;

static struct account *node_account(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct account, node);
}

static bool account_before(const struct tree_node *a, const struct tree_node *b)
{
    return node_account(a)->uid < node_account(b)->uid;
}

static int account_compare(const struct tree_node *node, const void *key)
{
    uint32_t uid = node_account(node)->uid;
    uint32_t wanted = *(const uint32_t *)key;
    return (uid > wanted) - (uid < wanted);
}

static struct account *account_make(uint32_t uid) REQUIRES(accounts_lock)
{
    struct account *account = heap_alloc(sizeof(*account));
    if (account != NULL) {
        account->uid = uid;
        tree_insert(&accounts, &account->node, account_before);
    }
    return account;
}

struct account *account_find(uint32_t uid)
{
    rt_lock(&accounts_lock);
    const struct tree_node *node = tree_lower_bound(&accounts, account_compare, &uid);
    struct account *account =
        node != NULL && node_account(node)->uid == uid ? node_account(node) : account_make(uid);
    if (account != NULL)
        account->references++;
    rt_unlock(&accounts_lock);
    return account;
}

struct account *account_get(struct account *account)
{
    rt_lock(&accounts_lock);
    account->references++;
    rt_unlock(&accounts_lock);
    return account;
}

void account_put(struct account *account)
{
    rt_lock(&accounts_lock);
    bool last = --account->references == 0;
    if (last)
        tree_remove(&accounts, &account->node);
    rt_unlock(&accounts_lock);
    if (last)
        heap_free(account);
}

/* The task keeps the account until account_drop_task. Root and who may exceed limits do. */
int account_add_task(struct account *account, uint64_t limit)
{
    uint32_t before = __atomic_fetch_add(&account->tasks, 1, __ATOMIC_RELAXED);
    if (before >= limit && account->uid != 0 && !capable(CAP_SYS_RESOURCE) &&
        !capable(CAP_SYS_ADMIN)) {
        (void)__atomic_fetch_sub(&account->tasks, 1, __ATOMIC_RELAXED);
        return -EAGAIN;
    }
    (void)account_get(account);
    return 0;
}

void account_drop_task(struct account *account)
{
    (void)__atomic_fetch_sub(&account->tasks, 1, __ATOMIC_RELAXED);
    account_put(account);
}

struct cred *cred_get(struct cred *cred)
{
    count_get(&cred->references);
    return cred;
}

void cred_put(struct cred *cred)
{
    if (cred == NULL || !count_put(&cred->references))
        return;
    account_put(cred->account);
    heap_free(cred);
}

static size_t cred_size(uint32_t group_count)
{
    return sizeof(struct cred) + group_count * sizeof(uint32_t);
}

int cred_copy(const struct cred *cred, struct cred **copy_out)
{
    struct cred *copy = heap_alloc(cred_size(cred->group_count));
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, cred, cred_size(cred->group_count));
    copy->references = 1;
    (void)account_get(copy->account);
    *copy_out = copy;
    return 0;
}

/* Its real user has another account now. */
int cred_set_account(struct cred *cred)
{
    if (cred->account->uid == cred->uid)
        return 0;
    struct account *account = account_find(cred->uid);
    if (account == NULL)
        return -ENOMEM;
    account_put(cred->account);
    cred->account = account;
    return 0;
}

static void groups_sort(uint32_t *groups, uint32_t count)
{
    /* Shell sort: no stack, and at most 65,536 of them. */
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t group = groups[i];
            uint32_t at = i;
            for (; at >= gap && groups[at - gap] > group; at -= gap)
                groups[at] = groups[at - gap];
            groups[at] = group;
        }
    }
}

int cred_with_groups(const struct cred *cred, const uint32_t *groups, uint32_t count,
                     struct cred **copy_out)
{
    struct cred *copy = heap_alloc(cred_size(count));
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, cred, sizeof(*cred));
    copy->references = 1;
    (void)account_get(copy->account);
    copy->group_count = count;
    if (count != 0)
        memcpy(copy->groups, groups, count * sizeof(*groups));
    groups_sort(copy->groups, count);
    *copy_out = copy;
    return 0;
}

int cred_create(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t group_count,
                uint64_t capabilities, struct cred **cred_out)
{
    if (group_count > NGROUPS_MAX)
        return -EINVAL;
    struct cred model = { .uid = uid,
                          .euid = uid,
                          .suid = uid,
                          .fsuid = uid,
                          .gid = gid,
                          .egid = gid,
                          .sgid = gid,
                          .fsgid = gid,
                          .bounding = capabilities & CAP_ALL };
    if (uid == 0)
        model.permitted = model.effective = capabilities & CAP_ALL;
    model.account = account_find(uid);
    if (model.account == NULL)
        return -ENOMEM;
    int error = cred_with_groups(&model, groups, group_count, cred_out);
    account_put(model.account);
    return error;
}

bool cred_in_group(const struct cred *cred, uint32_t gid)
{
    if (cred->fsgid == gid)
        return true;
    uint32_t low = 0;
    uint32_t high = cred->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cred->groups[middle] == gid)
            return true;
        if (cred->groups[middle] < gid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void cred_commit(struct cred *cred_taken)
{
    struct task *self = task_self();
    rt_lock(&self->lock);
    struct cred *old = self->cred;
    self->cred = cred_taken;
    rt_unlock(&self->lock);
    cred_put(old);
    task_set_replies(self);
}

bool capable(unsigned capability)
{
    return (task_self()->cred->effective & CAP_BIT(capability)) != 0;
}

/* ---- execve (capabilities(7), "Transformation of capabilities during execve") ---- */

static void exec_ids(struct cred *cred, const struct program_gifts *gifts)
{
    const uint32_t set_uid = 04000;
    const uint32_t set_gid = 02000;
    const uint32_t group_execute = 010;
    if (cred->no_new_privileges)
        return;
    if ((gifts->mode & set_uid) != 0)
        cred->euid = gifts->uid;
    if ((gifts->mode & (set_gid | group_execute)) == (set_gid | group_execute))
        cred->egid = gifts->gid;
}

/* What the file gives. A program that does not know of capabilities has them all or is not run. */
static int exec_file(struct cred *cred, const struct program_gifts *gifts)
{
    cred->permitted =
        (gifts->permitted & cred->bounding) | (gifts->inheritable & cred->inheritable);
    return gifts->effective && (gifts->permitted & ~cred->permitted) != 0 ? -EPERM : 0;
}

/* Root has everything, but not by a set-id program that says itself what it needs. */
static void exec_root(struct cred *cred, const struct program_gifts *gifts, bool *effective)
{
    bool becomes_root = cred->euid == 0 && cred->uid != 0;
    if ((cred->securebits & SECBIT_NOROOT) != 0 || (gifts->has_capabilities && becomes_root))
        return;
    if (cred->euid == 0 || cred->uid == 0)
        cred->permitted = cred->bounding | cred->inheritable;
    if (cred->euid == 0)
        *effective = true;
}

/* Who may not gain anything keeps at most what he had. */
static void exec_hold_back(struct cred *cred, const struct cred *old, bool set_id)
{
    bool gains = (cred->permitted & ~old->permitted) != 0;
    if (!cred->no_new_privileges || (!set_id && !gains))
        return;
    cred->euid = cred->uid;
    cred->egid = cred->gid;
    cred->permitted &= old->permitted;
}

int cred_for_exec(const struct program_gifts *gifts, struct cred **cred_out, bool *secure_out)
{
    const struct cred *old = task_self()->cred;
    struct cred *cred;
    int error = cred_copy(old, &cred);
    if (error != 0)
        return error;
    bool effective = gifts->effective;
    exec_ids(cred, gifts);
    error = exec_file(cred, gifts);
    if (error != 0) {
        cred_put(cred);
        return error;
    }
    exec_root(cred, gifts, &effective);
    bool set_id = cred->euid != old->uid || cred->egid != old->gid;
    exec_hold_back(cred, old, set_id);
    cred->suid = cred->fsuid = cred->euid;
    cred->sgid = cred->fsgid = cred->egid;
    if (gifts->has_capabilities || set_id)
        cred->ambient = 0;
    cred->permitted |= cred->ambient;
    cred->effective = effective ? cred->permitted : cred->ambient;
    cred->securebits &= ~SECBIT_KEEP_CAPS;
    *secure_out =
        set_id || (cred->uid != 0 && (effective || (cred->permitted & ~cred->ambient) != 0));
    *cred_out = cred;
    return 0;
}
