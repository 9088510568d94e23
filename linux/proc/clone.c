/* fork, vfork, clone and clone3: a task of this process or of a new one. clone(2).
 *
 * All that can fail is done before the child is in the tree; from there on it only starts.
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/frame.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/pidfd.h>

struct clone_request {
    uint64_t flags;
    uint64_t stack; /* the pointer; 0: the same as the parent's */
    uint64_t thread_pointer;
    uaddr_t parent_tid, child_tid, pidfd;
    int32_t exit_signal;
};

struct clone {
    const struct clone_request *request;
    struct task *self, *child;
    struct process *process; /* the child's */
    bool thread;
};

/* Is flag `one` there without the one that it needs? */
static bool lacks(uint64_t flags, uint64_t one, uint64_t needs)
{
    return (flags & one) != 0 && (flags & needs) == 0;
}

static int clone_check(const struct clone_request *request)
{
    uint64_t flags = request->flags;
    if (lacks(flags, CLONE_THREAD, CLONE_SIGHAND) || lacks(flags, CLONE_SIGHAND, CLONE_VM))
        return -EINVAL;
    if ((flags & CLONE_CLEAR_SIGHAND) != 0 && (flags & CLONE_SIGHAND) != 0)
        return -EINVAL;
    if ((flags & (CLONE_NEWNS | CLONE_FS)) == (CLONE_NEWNS | CLONE_FS))
        return -EINVAL;
    if ((flags & CLONE_PARENT) != 0 && task_self()->process->pid == 1)
        return -EINVAL;
    if ((flags & CLONE_PIDFD) != 0 && (flags & (CLONE_DETACHED | CLONE_THREAD)) != 0)
        return -EINVAL;
    if (request->exit_signal < 0 || request->exit_signal > SIGNAL_COUNT)
        return -EINVAL;
    if ((flags & CLONE_SETTLS) != 0 && request->thread_pointer >= GUEST_END)
        return -EPERM;
    if ((flags & CLONE_NAMESPACES) != 0)
        return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    return (flags & (CLONE_INTO_CGROUP | CLONE_NEWTIME)) != 0 ? -EINVAL : 0;
}

/* The child's own thread, from its first moment. Its memory may be gone already: it is killed. */
static void child_main(void *argument)
{
    struct task *task = argument;
    if (vcpu_attach(task->vcpu, task->mm->space) != 0)
        process_exit(SIGKILL);
    if (task->set_tid != 0)
        (void)copy_out(task->set_tid, &task->tid, sizeof(task->tid));
    task_run(task);
}

/* What the two share, or have copies of. */
static int clone_tables(struct clone *clone)
{
    struct task *self = clone->self;
    struct task *child = clone->child;
    uint64_t flags = clone->request->flags;
    int error = 0;
    if ((flags & CLONE_FILES) != 0)
        child->files = file_table_get(self->files);
    else
        error = file_table_copy(self->files, &child->files);
    if (error == 0 && (flags & CLONE_FS) != 0)
        child->fs = fs_context_get(self->fs);
    else if (error == 0)
        error = fs_context_copy(self->fs, &child->fs);
    if (error == 0 && (flags & CLONE_VM) != 0)
        child->mm = mm_get(self->mm);
    else if (error == 0)
        error = mm_fork(self->mm, &child->mm);
    return error;
}

static int clone_handlers(struct clone *clone)
{
    if (clone->thread)
        return 0;
    struct signal_handlers *mine = clone->self->process->handlers;
    uint64_t flags = clone->request->flags;
    if ((flags & CLONE_SIGHAND) != 0) {
        clone->process->handlers = signal_handlers_get(mine);
        return 0;
    }
    int error = signal_handlers_copy(mine, &clone->process->handlers);
    if (error == 0 && (flags & CLONE_CLEAR_SIGHAND) != 0)
        signal_handlers_reset(clone->process->handlers);
    return error;
}

/* What is copied of the caller's own, which nobody else changes. */
static void clone_state(struct clone *clone)
{
    const struct clone_request *request = clone->request;
    struct task *self = clone->self;
    struct task *child = clone->child;
    struct guest_registers *registers = &vcpu_state(child->vcpu)->registers;
    registers_for_child(registers, &vcpu_state(self->vcpu)->registers, request->stack);
    if ((request->flags & CLONE_SETTLS) != 0)
        registers_set_thread_pointer(registers, request->thread_pointer);
    child->cred = cred_get(self->cred);
    memcpy(child->comm, self->comm, sizeof(child->comm));
    child->blocked = self->blocked;
    child->timer_slack_ns = self->timer_slack_ns;
    sched_inherit(child, self);
    if ((request->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
        child->stack_base = self->stack_base;
        child->stack_size = self->stack_size;
        child->stack_flags = self->stack_flags;
    }
    if ((request->flags & CLONE_CHILD_CLEARTID) != 0)
        child->clear_tid = request->child_tid;
    if ((request->flags & CLONE_CHILD_SETTID) != 0)
        child->set_tid = request->child_tid;
    if ((request->flags & CLONE_VFORK) != 0)
        child->vfork_parent = task_get(self);
}

static void clone_family(struct clone *clone) REQUIRES(processes_lock)
{
    struct process *mine = clone->self->process;
    struct process *process = clone->process;
    bool sibling = (clone->request->flags & CLONE_PARENT) != 0;
    process->parent = sibling ? mine->parent : mine;
    process->exit_signal = sibling ? mine->exit_signal : clone->request->exit_signal;
    process->parent_executions = sibling ? mine->parent_executions : mine->executions;
    process->group = mine->group;
    process->session = mine->session;
    process->terminal = mine->terminal == NULL ? NULL : tty_get(mine->terminal);
    process->has_subreaper = mine->has_subreaper || mine->subreaper;
    process->oom_score_adj = __atomic_load_n(&mine->oom_score_adj, __ATOMIC_RELAXED);
    process->dumpable = __atomic_load_n(&mine->dumpable, __ATOMIC_RELAXED);
    memcpy(process->limit, mine->limit, sizeof(process->limit));
    process->leader = task_get(clone->child);
    if (process->parent != NULL)
        list_push_back(&process->parent->children, &process->in_parent);
}

/* Into the tree: from here on others see it. A signal that came before is handled first, so that a
 * parent which is told to end or to stop has no child that was not. */
static int clone_enter(struct clone *clone) REQUIRES(processes_lock)
{
    struct process *mine = clone->self->process;
    if (signal_wanted(clone->self))
        return -ERESTARTNOINTR;
    if (!clone->thread && (clone->request->flags & CLONE_PARENT) != 0 && mine->parent == NULL)
        return -EINVAL;
    int error = account_add_task(clone->child->cred->account, resource_limit(RLIMIT_NPROC));
    if (error != 0)
        return error;
    error = table_add_task(clone->child);
    if (error != 0) {
        account_drop_task(clone->child->cred->account);
        return error;
    }
    if (!clone->thread) {
        clone_family(clone);
        clone->process->pid = clone->child->tid;
        table_add_process(clone->process);
    }
    return 0;
}

/* With the parent's lock: nobody sends to all of its tasks between the look at what is pending and
 * the new one's being there. */
static int clone_publish(struct clone *clone)
{
    struct process *mine = clone->self->process;
    rt_lock(&processes_lock);
    rt_lock(&mine->lock);
    int error = clone_enter(clone);
    if (error == 0) {
        list_push_back(&clone->process->tasks, &clone->child->in_process);
        clone->process->task_count++;
        clone->process->live_count++;
        clone->child->charged = clone->child->cred->account;
        task_set_parent_reply(clone->child, clone->process->parent);
    }
    rt_unlock(&mine->lock);
    rt_unlock(&processes_lock);
    return error;
}

static int clone_prepare(struct clone *clone)
{
    int error = 0;
    if (clone->thread)
        clone->process = process_get(clone->self->process);
    else
        error = process_create(clone->self->process, &clone->process);
    if (error != 0)
        return error;
    error = task_create(clone->process, clone->self, child_main, &clone->child);
    if (error != 0)
        return error;
    clone_state(clone);
    error = clone_tables(clone);
    return error != 0 ? error : clone_handlers(clone);
}

/* The descriptor that tells of the child's end, and where it is told. */
static int clone_pidfd(struct clone *clone, int *fd_out)
{
    *fd_out = -1;
    if ((clone->request->flags & CLONE_PIDFD) == 0)
        return 0;
    int fd = pidfd_install(clone->process, 0);
    if (fd < 0)
        return fd;
    int32_t told = fd;
    if (copy_out(clone->request->pidfd, &told, sizeof(told)) != 0) {
        (void)fd_close(fd);
        return -EFAULT;
    }
    *fd_out = fd;
    return 0;
}

static void clone_undo(struct clone *clone)
{
    if (clone->child != NULL)
        task_discard(clone->child);
    if (clone->process != NULL)
        process_put(clone->process);
}

/* Until the child executes or ends; only our own end is not waited out. */
static void vfork_wait(struct task *self, struct task *child)
{
    for (;;) {
        uint32_t seen = park_begin(self);
        if (__atomic_load_n(&child->vfork_over, __ATOMIC_ACQUIRE) != 0 ||
            __atomic_load_n(&self->exit_pending, __ATOMIC_ACQUIRE) != 0)
            return;
        park(self, seen);
    }
}

static int64_t clone_start(struct clone *clone)
{
    const struct clone_request *request = clone->request;
    struct task *child = task_get(clone->child);
    int32_t tid = child->tid;
    if ((request->flags & CLONE_PARENT_SETTID) != 0)
        (void)copy_out(request->parent_tid, &tid, sizeof(tid));
    task_set_replies(child);
    vcpu_start(child->vcpu);
    if ((request->flags & CLONE_VFORK) != 0)
        vfork_wait(clone->self, child);
    task_put(child);
    process_put(clone->process);
    return tid;
}

static int64_t clone_do(const struct clone_request *request)
{
    int error = clone_check(request);
    if (error != 0)
        return error;
    struct clone clone = { .request = request,
                           .self = task_self(),
                           .thread = (request->flags & CLONE_THREAD) != 0 };
    int pidfd = -1;
    error = clone_prepare(&clone);
    if (error == 0)
        error = clone_pidfd(&clone, &pidfd);
    if (error == 0)
        error = clone_publish(&clone);
    if (error == 0)
        return clone_start(&clone);
    if (pidfd >= 0)
        (void)fd_close(pidfd);
    clone_undo(&clone);
    return error;
}

/* The flags of the older call hold the signal in their lowest byte. */
static int64_t clone_old(uint32_t flags, uint64_t stack, uaddr_t parent_tid, uaddr_t child_tid,
                         uint64_t thread_pointer)
{
    struct clone_request request = {
        .flags = flags & ~CLONE_EXIT_SIGNAL,
        .exit_signal = (int32_t)(flags & CLONE_EXIT_SIGNAL),
        .stack = stack,
        .parent_tid = parent_tid,
        .child_tid = child_tid,
        .pidfd = parent_tid,
        .thread_pointer = thread_pointer,
    };
    /* One address cannot take both. */
    if ((flags & CLONE_PIDFD) != 0 && (flags & CLONE_PARENT_SETTID) != 0)
        return -EINVAL;
    return clone_do(&request);
}

int64_t linux_clone(uint64_t flags, uint64_t stack, uaddr_t parent_tid, uaddr_t child_tid,
                    uint64_t thread_pointer)
{
    return clone_old((uint32_t)flags, stack, parent_tid, child_tid, thread_pointer);
}

/* The order of the last two on aarch64. */
int64_t linux_clone_backwards(uint64_t flags, uint64_t stack, uaddr_t parent_tid,
                              uint64_t thread_pointer, uaddr_t child_tid)
{
    return clone_old((uint32_t)flags, stack, parent_tid, child_tid, thread_pointer);
}

int64_t linux_fork(void)
{
    return clone_old(SIGCHLD, 0, 0, 0, 0);
}

int64_t linux_vfork(void)
{
    return clone_old((uint32_t)(CLONE_VM | CLONE_VFORK) | SIGCHLD, 0, 0, 0, 0);
}

/* struct clone_args, versions 0 to 2. */
struct clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, thread_pointer;
    uint64_t set_tid, set_tid_count, cgroup;
};
enum { CLONE_ARGS_MIN = 64 };

static int clone_args_check(const struct clone_args *args)
{
    if ((args->flags & (CLONE_DETACHED | CLONE_EXIT_SIGNAL)) != 0 ||
        args->flags >= CLONE_INTO_CGROUP << 1)
        return -EINVAL;
    if ((args->flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && args->exit_signal != 0)
        return -EINVAL;
    if (args->exit_signal > SIGNAL_COUNT)
        return -EINVAL;
    if ((args->stack == 0) != (args->stack_size == 0))
        return -EINVAL;
    if (args->stack > GUEST_END || args->stack_size > GUEST_END - args->stack)
        return -EINVAL;
    /* Ids of one's choice are for checkpoints; nobody in a container may. */
    return args->set_tid != 0 || args->set_tid_count != 0 ? -EPERM : 0;
}

int64_t linux_clone3(uaddr_t from, uint64_t size_bytes)
{
    struct clone_args args;
    int error = size_bytes < CLONE_ARGS_MIN ? -EINVAL
                                            : copy_in_struct(&args, sizeof(args), from, size_bytes);
    if (error == 0)
        error = clone_args_check(&args);
    if (error != 0)
        return error;
    struct clone_request request = {
        .flags = args.flags,
        .exit_signal = (int32_t)args.exit_signal,
        .stack = args.stack == 0 ? 0 : args.stack + args.stack_size,
        .parent_tid = args.parent_tid,
        .child_tid = args.child_tid,
        .pidfd = args.pidfd,
        .thread_pointer = args.thread_pointer,
    };
    return clone_do(&request);
}
