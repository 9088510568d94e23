/* Signals: what is pending, what is done about it, and frames on the guest's stack. signal(7). */
#pragma once

#include <base/list.h>
#include <linux/copy.h>
#include <linux/lock.h>
#include <linux/wait.h>
#include <stdbool.h>

enum { SIGNAL_COUNT = 64 };

typedef uint64_t signal_set; /* bit n - 1 for signal n */
#define SIGNAL_BIT(number) ((signal_set)1 << ((number)-1))

struct task;
struct process;

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

/* What is pending for a process or a thread: one of each below 32, in order from 32 on. */
struct signal_pending {
    signal_set set;
    struct list queue;
};

/* struct sigaction as rt_sigaction has it. */
struct signal_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer; /* x86_64 */
    signal_set mask;
};

/* Handlers, shared by threads, and by CLONE_SIGHAND. */
struct signal_handlers {
    uint32_t references; /* atomic */
    struct rt_lock lock; /* `signals`: also what is pending for all who share it */
    struct signal_action action[SIGNAL_COUNT];
};

/* To one thread, or to whichever of the process's takes it. `info` is copied. -EAGAIN: too many are
 * queued (RLIMIT_SIGPENDING); otherwise 0, also if it is ignored. */
int signal_send_task(struct task *task, const struct signal_info *info);
int signal_send_process(struct process *process, const struct signal_info *info);
/* One that cannot be blocked or ignored: a fault of the thread's own. */
void signal_force(struct task *task, const struct signal_info *info);
/* Is there something that ends a sleep? */
bool signal_wanted(struct task *task);
/* Before going back to the guest, with its registers in the state page: take signals, make frames,
 * restart or end an interrupted call (`result` is what it gave, `in_call` whether there was one),
 * stop, or end the task. */
void signal_deliver(struct task *task, bool in_call);
