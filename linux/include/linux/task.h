/* Linux threads and processes. credentials(7), clone(2).
 *
 * A *task* is a thread; a *process* a group of them. Tasks and processes are counted; the lock
 * `processes` (linux/lock.h) protects the tree, ids, groups and sessions, and which tasks there
 * are.
 */
#pragma once

#include <base/list.h>
#include <linux/file.h>
#include <linux/signals.h>
#include <linux/wait.h>

struct mm;
struct vcpu;
struct tty;

enum { NGROUPS_MAX = 65536, TASK_COMM_BYTES = 16, RLIMIT_COUNT = 16 };

/* Never changed once it is in use: whoever changes his makes a new one. */
struct cred {
    uint32_t references; /* atomic */
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t permitted, effective, inheritable, bounding, ambient; /* capabilities(7) */
    uint32_t securebits;
    bool no_new_privileges;
    uint32_t group_count;
    uint32_t groups[]; /* sorted */
};

struct resource_limit {
    uint64_t soft, hard;
};

enum task_state { TASK_RUNNING, TASK_SLEEPING, TASK_STOPPED, TASK_DEAD };

struct task {
    uint32_t references; /* atomic */
    int32_t tid;
    struct process *process;
    struct list in_process; /* process->tasks */
    struct list in_table;   /* by tid */
    struct vcpu *vcpu;
    struct mm *mm;
    struct file_table *files;
    struct fs_context *fs;
    struct cred *cred; /* read by others under `processes` */
    char comm[TASK_COMM_BYTES];

    uint32_t wake;         /* the word that it sleeps on */
    uint32_t state;        /* enum task_state, for those who look */
    uint32_t exit_pending; /* the whole process ends */

    /* Under the handlers' lock. */
    signal_set blocked, saved_blocked;
    bool restore_blocked; /* saved_blocked comes back after the next delivery (sigsuspend, ppoll) */
    struct signal_pending pending;
    uint64_t stack_base, stack_size; /* sigaltstack */
    uint32_t stack_flags;

    uint64_t clear_tid;   /* CLONE_CHILD_CLEARTID, set_tid_address */
    uint64_t robust_list; /* set_robust_list */
    uint64_t robust_list_bytes;
    struct task *vfork_parent; /* waits until we exec or end */

    /* The system call that it is in, as it was entered: for restarts. */
    int64_t call_number;
    uint64_t call_argument[6];
    /* ERESTART_RESTARTBLOCK: what goes on, and until when. */
    int64_t (*restart)(struct task *task);
    uint64_t restart_deadline_ns;
    uint64_t restart_word[3];
    uint64_t user_ns_base;
};

struct process {
    uint32_t references; /* atomic */
    int32_t pid;
    struct list tasks;
    unsigned task_count;
    struct task *leader; /* stays until the process is waited for */

    struct process *parent;
    struct list children, in_parent;
    int32_t group, session; /* process group and session ids */
    struct list in_group;
    struct tty *terminal;
    bool session_leader;
    bool executed; /* since fork: setpgid */
    bool subreaper, dumpable;
    int32_t parent_death_signal;

    struct signal_handlers *handlers;
    struct signal_pending pending; /* for any thread; under handlers->lock */
    struct wait_queue child_queue; /* waitid, and SIGCHLD */
    int32_t exit_signal;
    uint32_t exit_status; /* as wait4 gives it */
    bool ending, zombie, stopped, continued_event, stop_event;
    int32_t stop_signal;
    struct resource_limit limit[RLIMIT_COUNT]; /* under handlers->lock */
    uint64_t start_ns;
    uint64_t user_ns, system_ns, children_user_ns, children_system_ns; /* of tasks that ended */
    struct list timers; /* timer_create, setitimer (time/) */
};

/* The calling thread's. */
struct task *task_self(void);
struct task *task_get(struct task *task);
void task_put(struct task *task);
struct process *process_get(struct process *process);
void process_put(struct process *process);
/* Counted, or NULL. */
struct task *task_find(int32_t tid);
struct process *process_find(int32_t pid);
/* For /proc, ps and kill(-1): the next pid above; 0: none. */
int32_t process_next(int32_t pid);

/* May the caller signal, or trace, that one? 0 or -EPERM. */
int process_may_signal(struct process *process, int signal);
bool capable(unsigned capability); /* CAP_ of the caller, effective */
uint64_t resource_limit(unsigned which);

/* The first process: an image's entry point. */
struct program_start {
    const char *const *arguments;   /* NULL at the end */
    const char *const *environment; /* the same */
    const char *working;
    struct cred *cred;
    struct file *in, *out, *error; /* descriptors 0, 1, 2; counted by the table */
    struct tty *terminal;          /* controlling, or NULL */
};
/* Process 1, or (`into` a running container) one more beside it. Its pid, or an error. */
int process_start(const struct program_start *start, int32_t *pid_out);
/* What a task does from its first moment: enter, handle, deliver, until it ends. */
_Noreturn void task_run(void *task);
/* End the calling task, or the whole process. `status` as wait4 gives it. */
_Noreturn void task_exit(uint32_t status);
_Noreturn void process_exit(uint32_t status);
/* Start the end of another: it is kicked. */
void process_kill(struct process *process, uint32_t status);
