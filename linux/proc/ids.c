/* The calls that read and change who a task is. credentials(7), capabilities(7).
 *
 * They act on the calling thread alone, as Linux's do; C libraries carry a change to the other
 * threads by themselves.
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/heap.h>

#define ID_NONE UINT32_MAX /* (uid_t)-1: leave as it is */

static struct cred *mine(void)
{
    return task_self()->cred;
}

int64_t linux_getpid(void)
{
    return task_self()->process->pid;
}

int64_t linux_gettid(void)
{
    return task_self()->tid;
}

int64_t linux_getppid(void)
{
    rt_lock(&processes_lock);
    const struct process *parent = task_self()->process->parent;
    int64_t pid = parent == NULL ? 0 : parent->pid;
    rt_unlock(&processes_lock);
    return pid;
}

int64_t linux_getuid(void)
{
    return mine()->uid;
}

int64_t linux_geteuid(void)
{
    return mine()->euid;
}

int64_t linux_getgid(void)
{
    return mine()->gid;
}

int64_t linux_getegid(void)
{
    return mine()->egid;
}

static int three_out(uaddr_t a, uaddr_t b, uaddr_t c, const uint32_t values[3])
{
    const uaddr_t to[] = { a, b, c };
    for (unsigned i = 0; i < 3; i++) {
        if (copy_out(to[i], &values[i], sizeof(values[i])) != 0)
            return -EFAULT;
    }
    return 0;
}

int64_t linux_getresuid(uaddr_t real, uaddr_t effective, uaddr_t saved)
{
    const struct cred *cred = mine();
    return three_out(real, effective, saved, (uint32_t[]){ cred->uid, cred->euid, cred->suid });
}

int64_t linux_getresgid(uaddr_t real, uaddr_t effective, uaddr_t saved)
{
    const struct cred *cred = mine();
    return three_out(real, effective, saved, (uint32_t[]){ cred->gid, cred->egid, cred->sgid });
}

/* What a change of user ids does to capabilities ("Effect of user ID changes"). */
static void fix_capabilities(struct cred *cred, const struct cred *old)
{
    if ((cred->securebits & SECBIT_NO_SETUID_FIXUP) != 0)
        return;
    bool had_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool has_root = cred->uid == 0 || cred->euid == 0 || cred->suid == 0;
    if (had_root && !has_root) {
        if ((cred->securebits & SECBIT_KEEP_CAPS) == 0)
            cred->permitted = cred->effective = 0;
        cred->ambient = 0;
    }
    if (old->euid == 0 && cred->euid != 0)
        cred->effective = 0;
    if (old->euid != 0 && cred->euid == 0)
        cred->effective = cred->permitted;
}

/* The capabilities that go with the file system id alone. */
static void fix_file_capabilities(struct cred *cred, const struct cred *old)
{
    const uint64_t files = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |
                           CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) |
                           CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MKNOD);
    if ((cred->securebits & SECBIT_NO_SETUID_FIXUP) != 0)
        return;
    if (old->fsuid == 0 && cred->fsuid != 0)
        cred->effective &= ~files;
    if (old->fsuid != 0 && cred->fsuid == 0)
        cred->effective |= cred->permitted & files;
}

/* The task counts for its real user. */
static void move_charge(struct task *self)
{
    struct account *new = self->cred->account;
    if (new == self->charged)
        return;
    (void)account_get(new);
    (void)__atomic_fetch_add(&new->tasks, 1, __ATOMIC_RELAXED);
    rt_lock(&processes_lock);
    struct account *old = self->charged;
    self->charged = new;
    rt_unlock(&processes_lock);
    account_drop_task(old);
}

/* What counts for access becomes another's: the process's memory is nobody else's to look at any
 * more, and its parent's end is told to it no more (prctl(2), PR_SET_PDEATHSIG). */
static void ids_change(void)
{
    struct process *process = task_self()->process;
    __atomic_store_n(&process->dumpable, false, __ATOMIC_RELAXED);
    rt_lock(&processes_lock);
    process->parent_death_signal = 0;
    rt_unlock(&processes_lock);
}

static int commit_user(struct cred *cred)
{
    const struct cred *old = mine();
    int error = cred_set_account(cred);
    if (error != 0) {
        cred_put(cred);
        return error;
    }
    fix_capabilities(cred, old);
    if (cred->euid != old->euid || cred->fsuid != old->fsuid)
        ids_change();
    cred_commit(cred);
    move_charge(task_self());
    return 0;
}

static void commit_group(struct cred *cred)
{
    const struct cred *old = mine();
    if (cred->egid != old->egid || cred->fsgid != old->fsgid)
        ids_change();
    cred_commit(cred);
}

int64_t linux_setuid(uint32_t uid)
{
    struct cred *cred;
    if (uid == ID_NONE)
        return -EINVAL;
    bool all = capable(CAP_SETUID);
    if (!all && uid != mine()->uid && uid != mine()->suid)
        return -EPERM;
    int error = cred_copy(mine(), &cred);
    if (error != 0)
        return error;
    if (all)
        cred->uid = cred->suid = uid;
    cred->euid = cred->fsuid = uid;
    return commit_user(cred);
}

int64_t linux_setgid(uint32_t gid)
{
    struct cred *cred;
    if (gid == ID_NONE)
        return -EINVAL;
    bool all = capable(CAP_SETGID);
    if (!all && gid != mine()->gid && gid != mine()->sgid)
        return -EPERM;
    int error = cred_copy(mine(), &cred);
    if (error != 0)
        return error;
    if (all)
        cred->gid = cred->sgid = gid;
    cred->egid = cred->fsgid = gid;
    commit_group(cred);
    return 0;
}

/* Is the id one of three that one has? */
static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
    return id == ID_NONE || id == a || id == b || id == c;
}

int64_t linux_setreuid(uint32_t real, uint32_t effective)
{
    const struct cred *old = mine();
    struct cred *cred;
    if (!capable(CAP_SETUID) && (!one_of(real, old->uid, old->euid, ID_NONE) ||
                                 !one_of(effective, old->uid, old->euid, old->suid)))
        return -EPERM;
    int error = cred_copy(old, &cred);
    if (error != 0)
        return error;
    if (real != ID_NONE)
        cred->uid = real;
    if (effective != ID_NONE)
        cred->euid = effective;
    if (real != ID_NONE || (effective != ID_NONE && effective != old->uid))
        cred->suid = cred->euid;
    cred->fsuid = cred->euid;
    return commit_user(cred);
}

int64_t linux_setregid(uint32_t real, uint32_t effective)
{
    const struct cred *old = mine();
    struct cred *cred;
    if (!capable(CAP_SETGID) && (!one_of(real, old->gid, old->egid, ID_NONE) ||
                                 !one_of(effective, old->gid, old->egid, old->sgid)))
        return -EPERM;
    int error = cred_copy(old, &cred);
    if (error != 0)
        return error;
    if (real != ID_NONE)
        cred->gid = real;
    if (effective != ID_NONE)
        cred->egid = effective;
    if (real != ID_NONE || (effective != ID_NONE && effective != old->gid))
        cred->sgid = cred->egid;
    cred->fsgid = cred->egid;
    commit_group(cred);
    return 0;
}

int64_t linux_setresuid(uint32_t real, uint32_t effective, uint32_t saved)
{
    const struct cred *old = mine();
    struct cred *cred;
    if (!capable(CAP_SETUID) && (!one_of(real, old->uid, old->euid, old->suid) ||
                                 !one_of(effective, old->uid, old->euid, old->suid) ||
                                 !one_of(saved, old->uid, old->euid, old->suid)))
        return -EPERM;
    int error = cred_copy(old, &cred);
    if (error != 0)
        return error;
    if (real != ID_NONE)
        cred->uid = real;
    if (effective != ID_NONE)
        cred->euid = effective;
    if (saved != ID_NONE)
        cred->suid = saved;
    cred->fsuid = cred->euid;
    return commit_user(cred);
}

int64_t linux_setresgid(uint32_t real, uint32_t effective, uint32_t saved)
{
    const struct cred *old = mine();
    struct cred *cred;
    if (!capable(CAP_SETGID) && (!one_of(real, old->gid, old->egid, old->sgid) ||
                                 !one_of(effective, old->gid, old->egid, old->sgid) ||
                                 !one_of(saved, old->gid, old->egid, old->sgid)))
        return -EPERM;
    int error = cred_copy(old, &cred);
    if (error != 0)
        return error;
    if (real != ID_NONE)
        cred->gid = real;
    if (effective != ID_NONE)
        cred->egid = effective;
    if (saved != ID_NONE)
        cred->sgid = saved;
    cred->fsgid = cred->egid;
    commit_group(cred);
    return 0;
}

/* These two give the old id, whatever happens. */
int64_t linux_setfsuid(uint32_t uid)
{
    const struct cred *old = mine();
    uint32_t before = old->fsuid;
    struct cred *cred;
    if (uid == ID_NONE ||
        (!capable(CAP_SETUID) && uid != old->fsuid && !one_of(uid, old->uid, old->euid, old->suid)))
        return before;
    if (uid == before || cred_copy(old, &cred) != 0)
        return before;
    cred->fsuid = uid;
    fix_file_capabilities(cred, old);
    ids_change();
    cred_commit(cred);
    return before;
}

int64_t linux_setfsgid(uint32_t gid)
{
    const struct cred *old = mine();
    uint32_t before = old->fsgid;
    struct cred *cred;
    if (gid == ID_NONE ||
        (!capable(CAP_SETGID) && gid != old->fsgid && !one_of(gid, old->gid, old->egid, old->sgid)))
        return before;
    if (gid == before || cred_copy(old, &cred) != 0)
        return before;
    cred->fsgid = gid;
    commit_group(cred);
    return before;
}

int64_t linux_getgroups(int32_t size, uaddr_t to)
{
    const struct cred *cred = mine();
    uint32_t count = cred->group_count;
    if (size < 0)
        return -EINVAL;
    if (size == 0)
        return count;
    if ((uint32_t)size < count)
        return -EINVAL;
    return copy_out(to, cred->groups, count * sizeof(uint32_t)) != 0 ? -EFAULT : (int64_t)count;
}

int64_t linux_setgroups(int32_t size, uaddr_t from)
{
    struct cred *cred;
    if (!capable(CAP_SETGID))
        return -EPERM;
    if (size < 0 || size > NGROUPS_MAX)
        return -EINVAL;
    uint32_t *groups = heap_alloc_array((size_t)size + 1, sizeof(*groups));
    if (groups == NULL)
        return -ENOMEM;
    int error = copy_in(groups, from, (size_t)size * sizeof(*groups));
    if (error == 0)
        error = cred_with_groups(mine(), groups, (uint32_t)size, &cred);
    heap_free(groups);
    if (error == 0)
        cred_commit(cred);
    return error;
}

/* ---- capget, capset ---- */

struct capability_header {
    uint32_t version;
    int32_t pid;
};
struct capability_data {
    uint32_t effective, permitted, inheritable;
};
enum { CAPABILITY_1 = 0x19980330, CAPABILITY_2 = 0x20071026, CAPABILITY_3 = 0x20080522 };

/* How many words each set has; an unknown version is answered with the one to use. */
static int capability_words(uaddr_t header_at, struct capability_header *header, unsigned *words)
{
    if (copy_in(header, header_at, sizeof(*header)) != 0)
        return -EFAULT;
    *words = 2;
    if (header->version == CAPABILITY_1)
        *words = 1;
    if (header->version == CAPABILITY_1 || header->version == CAPABILITY_2 ||
        header->version == CAPABILITY_3)
        return 0;
    uint32_t best = CAPABILITY_3;
    return copy_out(header_at, &best, sizeof(best)) != 0 ? -EFAULT : -EINVAL;
}

static int cred_of(int32_t pid, struct cred **cred_out)
{
    if (pid < 0)
        return -EINVAL;
    if (pid == 0) {
        *cred_out = cred_get(mine());
        return 0;
    }
    struct task *task = task_find(pid);
    if (task == NULL)
        return -ESRCH;
    *cred_out = task_cred(task);
    task_put(task);
    return 0;
}

int64_t linux_capget(uaddr_t header_at, uaddr_t data_at)
{
    struct capability_header header;
    unsigned words;
    int error = capability_words(header_at, &header, &words);
    /* With no room for data this asks for the version. */
    if (error == -EINVAL && data_at == 0)
        return 0;
    if (error != 0)
        return error;
    struct cred *cred;
    error = cred_of(header.pid, &cred);
    if (error != 0)
        return error;
    struct capability_data data[2];
    for (unsigned i = 0; i < 2; i++) {
        data[i] =
            (struct capability_data){ .effective = (uint32_t)(cred->effective >> 32 * i),
                                      .permitted = (uint32_t)(cred->permitted >> 32 * i),
                                      .inheritable = (uint32_t)(cred->inheritable >> 32 * i) };
    }
    cred_put(cred);
    return copy_out(data_at, data, words * sizeof(data[0]));
}

static bool within(uint64_t set, uint64_t of)
{
    return (set & ~of) == 0;
}

static int capset_check(const struct cred *old, const struct cred *new)
{
    if (!capable(CAP_SETPCAP) && !within(new->inheritable, old->inheritable | old->permitted))
        return -EPERM;
    if (!within(new->inheritable, old->inheritable | old->bounding))
        return -EPERM;
    if (!within(new->permitted, old->permitted) || !within(new->effective, new->permitted))
        return -EPERM;
    return 0;
}

int64_t linux_capset(uaddr_t header_at, uaddr_t data_at)
{
    struct capability_header header;
    struct capability_data data[2] = { 0 };
    unsigned words;
    int error = capability_words(header_at, &header, &words);
    if (error != 0)
        return error;
    if (header.pid != 0 && header.pid != task_self()->tid)
        return -EPERM;
    if (copy_in(data, data_at, words * sizeof(data[0])) != 0)
        return -EFAULT;
    struct cred *cred;
    error = cred_copy(mine(), &cred);
    if (error != 0)
        return error;
    cred->effective = (data[0].effective | (uint64_t)data[1].effective << 32) & CAP_ALL;
    cred->permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32) & CAP_ALL;
    cred->inheritable = (data[0].inheritable | (uint64_t)data[1].inheritable << 32) & CAP_ALL;
    cred->ambient &= cred->permitted & cred->inheritable;
    error = capset_check(mine(), cred);
    if (error != 0)
        cred_put(cred);
    else
        cred_commit(cred);
    return error;
}
