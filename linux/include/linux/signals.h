/* Signals: what is pending, what is done about it, and frames on the guest's stack. signal(7).
 *
 * A signal is *sent*: queued for a thread or for a process, and a thread that may take it is told
 * (task->notice, and a wake or a kick). It is *taken* by that thread in signal_deliver, on its way
 * back to the guest, which is the only place where a default action happens. SIGKILL alone does
 * not wait for that: every thread of the process is told to end when it is sent.
 *
 * Everything here is under process->lock (`signals` in linux/lock.h), the actions under
 * handlers->lock, which is taken inside it: CLONE_SIGHAND shares handlers between processes.
 */
#pragma once

#include <base/list.h>
#include <linux/abi/signal.h>
#include <linux/copy.h>
#include <linux/lock.h>
#include <linux/wait.h>
#include <stdbool.h>

enum { SIGNAL_COUNT = 64 };

typedef uint64_t signal_set; /* bit n - 1 for signal n */
#define SIGNAL_BIT(number) ((signal_set)1 << ((number)-1))
#define SIGNALS_NEVER_BLOCKED                                                                      \
    (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP)) /* nor caught, nor ignored */

struct account;
struct task;
struct process;
struct guest_fault;

/* struct siginfo, in Linux's layout of 128 bytes. */
struct signal_info {
    int32_t number, error, code, padding;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            int32_t status;
            int64_t user_time, system_time;
        } child;
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
        } queue;
        struct {
            int32_t timer, overrun;
            uint64_t value;
        } timer;
        struct {
            uint64_t address;
        } fault;
        struct {
            int64_t band;
            int32_t fd;
        } poll;
        uint8_t bytes[112];
    } of;
};
static_assert(sizeof(struct signal_info) == 128, "struct siginfo");

/* One that is queued. */
struct signal_queued {
    struct list link; /* in signal_pending.queue; on none: not queued */
    struct signal_info info;
    struct account *account; /* that it is counted for; NULL: memory of its sender's (a timer) */
};

/* What is pending for a process or a thread: one of each below 32, in order from 32 on. */
struct signal_pending {
    signal_set set;
    struct list queue;
    struct signal_queued *spare; /* the last entry that was taken, for the next; or NULL */
};

/* struct sigaction as rt_sigaction has it, in our order. */
struct signal_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer; /* the address that a handler returns to, with SA_RESTORER */
    signal_set mask;
};

/* Handlers, shared by threads, and by CLONE_SIGHAND. */
struct signal_handlers {
    uint32_t references; /* atomic */
    struct rt_lock lock;
    struct signal_action action[SIGNAL_COUNT];
};

/* To one thread, or to whichever of the process's takes it. `info` is copied. -EAGAIN: too many are
 * queued (RLIMIT_SIGPENDING), for a SI_QUEUE alone; otherwise 0, also if it is ignored or the
 * receiver is ending. Any lock before `signals` may be held. */
int signal_send_task(struct task *task, const struct signal_info *info);
int signal_send_process(struct process *process, const struct signal_info *info);
/* The same with an entry of the sender's own, which it gets back with signal_unqueue: never fails.
 * False: it is queued still, from the last time. `task` NULL: to the process. */
bool signal_send_queued(struct process *process, struct task *task, struct signal_queued *queued);
/* True if it was queued and is not any more. */
bool signal_unqueue(struct process *process, struct signal_queued *queued);
/* To every process of a group (`group`), or -ESRCH. No lock may be held: a terminal lets go of its
 * own first. */
int signal_send_group(int32_t group, const struct signal_info *info);
/* A terminal's: SI_KERNEL, to a group. */
void signal_send_group_kernel(int32_t group, int number);
/* To the caller, from the kernel: SIGPIPE and the like (SI_USER, as Linux has it). */
void signal_send_self(int number);
/* One that cannot be blocked or ignored: a fault of the thread's own. */
void signal_force(struct task *task, const struct signal_info *info);
/* An exception of the guest's: resolved by mm_fault, or a signal for it. */
void signal_fault(struct task *task, const struct guest_fault *fault);
/* SIGSEGV of the kernel's own (SI_KERNEL): a frame that cannot be written, a wild ip. */
void signal_force_kernel(struct task *task, int number);

/* Is there something that ends a sleep? */
bool signal_wanted(struct task *task);
/* What is pending for the caller or its process, of a set: for signalfd and sigpending. */
signal_set signal_pending_of(struct task *task, signal_set set);
/* Take one of a set that is pending for the caller or its process, blocked or not: its number, or
 * 0. For signalfd, which waits on process->signal_queue (woken for each signal that is sent). */
int signal_take(signal_set set, struct signal_info *info_out);
/* Is it blocked or ignored by the caller? For terminals: SIGTTIN, SIGTTOU. */
bool signal_refused(struct task *task, int number);

/* A mask for the time of one call (ppoll, pselect6, epoll_pwait, sigsuspend): 0, -EFAULT, -EINVAL.
 * With `from` 0 nothing changes. `size_bytes` must be 8. */
int signal_mask_for_call(uaddr_t from, uint64_t size_bytes);
/* At the end of such a call: the old mask comes back, now, or after a handler has run if the call
 * was interrupted (its result is an ERESTART or -EINTR). */
void signal_mask_call_ends(int64_t result);

/* Before going back to the guest, with its registers in the state page: take signals, make frames,
 * restart or end an interrupted call (`in_call`; its result is in the registers), stop, or end the
 * task. Cheap when there is nothing to do. */
void signal_deliver(struct task *task, bool in_call);

struct signal_handlers *signal_handlers_get(struct signal_handlers *handlers);
void signal_handlers_put(struct signal_handlers *handlers);
/* A copy of what they are, or (NULL) of a new program's. */
int signal_handlers_copy(struct signal_handlers *source, struct signal_handlers **handlers_out);

/* ---- For proc/ ---- */

/* Every handler that is one becomes the default: execve, CLONE_CLEAR_SIGHAND. */
void signal_handlers_reset(struct signal_handlers *handlers);
void signal_action_of(struct process *process, int number, struct signal_action *action_out);
/* From outside of the container: SIGKILL and SIGSTOP reach process 1. */
int signal_send_forced(struct process *process, const struct signal_info *info);

/* With process->lock: */
void signal_pending_clear(struct signal_pending *pending);
/* Have it come to signal_deliver soon, from a sleep or from the guest. */
void signal_notify(struct task *task);
/* It leaves the process: what it was told of is for others now. */
void signal_task_leaves(struct task *task);
/* One task less has to stop. True if the process has stopped by that, and its parent must hear. */
bool signal_stop_joined(struct process *process);
