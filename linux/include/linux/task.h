/* Linux threads and processes. credentials(7), clone(2).
 *
 * A *task* is a thread; a *process* a group of them. Both are counted. A process is in the table
 * from its first task until it is waited for; its *leader*, the task whose id is the process's,
 * stays with it, dead or alive.
 *
 *     task:     born --task_run--> in and out of the guest --task_exit--> dead
 *     process:  alive --the last task leaves--> zombie --wait4, or nobody wants to--> gone
 *
 * Locking, by letter:
 *     [P] `processes`: the tree, ids, groups and sessions, which tasks there are
 *     [S] process->lock: what signals and ends; to change [PS] both are needed, to read either
 *     [T] task->lock, taken last: what others may look at of a task's
 *     [A] atomic   [C] constant   [O] the task's own
 */
#pragma once

#include <base/list.h>
#include <base/tree.h>
#include <linux/abi/process.h>
#include <linux/file.h>
#include <linux/signals.h>
#include <linux/wait.h>

struct mm;
struct vcpu;
struct tty; /* begins with a tty_head */

/* A terminal as sessions see it (file/tty.c). */
struct tty_head {
    uint32_t references; /* atomic */
    /* The leader of its session ends: hang up. Called with no lock. */
    void (*session_ends)(struct tty *tty, int32_t session);
    void (*free)(struct tty *tty); /* the last reference is gone */
};

enum { NGROUPS_MAX = 65536, TASK_COMM_BYTES = 16, PID_MAX = 4194304, HOST_NAME_MAX = 64 };

/* CPUs by number, bit 0 of word 0 first: as many as the kernel has at most. */
#define CPU_SET_MAX 256
struct cpu_set {
    uint64_t word[CPU_SET_MAX / 64];
};

/* What the tasks of one user have together, for RLIMIT_NPROC and RLIMIT_SIGPENDING. */
struct account {
    struct tree_node node;
    uint32_t uid;
    uint32_t references; /* under the lock of accounts (proc/cred.c) */
    uint32_t tasks;      /* [A] */
    uint32_t signals;    /* [A] queued */
};

/* Never changed once it is in use: whoever changes his makes a new one. */
struct cred {
    uint32_t references; /* atomic */
    uint32_t uid, euid, suid, fsuid;
    uint32_t gid, egid, sgid, fsgid;
    uint64_t permitted, effective, inheritable, bounding, ambient; /* capabilities(7) */
    uint32_t securebits;
    bool no_new_privileges;
    struct account *account; /* of uid */
    uint32_t group_count;
    uint32_t groups[]; /* sorted */
};

struct resource_limit {
    uint64_t soft, hard; /* [A] each; changed under [S] */
};

enum task_state { TASK_RUNNING, TASK_SLEEPING, TASK_STOPPED, TASK_DEAD };

enum { VECTOR_AREA_MORE = 4 }; /* what a frame has behind the vector registers */

struct task {
    uint32_t references;       /* atomic */
    int32_t tid;               /* [PS]; execve by another than the leader gives it the leader's */
    struct process *process;   /* [C] */
    struct list in_process;    /* [PS] process->tasks */
    struct tree_node in_table; /* [P] by tid */
    struct vcpu *vcpu;         /* [C]; gone when it is not in process->tasks any more */

    struct rt_lock lock;
    struct mm *mm;              /* [T] changed by itself alone; NULL once it is dead */
    struct file_table *files;   /* [T] */
    struct fs_context *fs;      /* [T] */
    struct cred *cred;          /* [T] */
    char comm[TASK_COMM_BYTES]; /* [T] */

    uint32_t wake;         /* [A] the word that it sleeps on */
    uint32_t park_word;    /* [A] the same where no signal ends the sleep (linux/table.h) */
    uint32_t parking;      /* [A] it may sleep on that */
    uint32_t state;        /* [A] enum task_state, for those who look */
    uint32_t notice;       /* [A] signal_deliver has something to do: ends a sleep */
    uint32_t exit_pending; /* [A] it ends: set under [S] */

    signal_set blocked;              /* [S] changed by itself alone */
    signal_set saved_blocked;        /* [O] */
    bool restore_blocked;            /* [O] saved_blocked comes back with the next delivery */
    signal_set waited;               /* [S] sigtimedwait: ends its sleep though it is blocked */
    struct signal_pending pending;   /* [S] */
    bool stop_due;                   /* [S] has to stop; read without the lock by itself */
    bool parked;                     /* [S] has stopped, and waits to go on */
    uint64_t stack_base, stack_size; /* [O] sigaltstack */
    uint32_t stack_flags;            /* [O] */
    uint64_t fault_code, fault_error, fault_address; /* [O] of the last exception, for frames */
    void *vector_memory;
    void *vector_area; /* [O] for frames: vcpu_vector_size() + VECTOR_AREA_MORE, aligned to 64 */

    uint64_t clear_tid;   /* [O] CLONE_CHILD_CLEARTID, set_tid_address */
    uint64_t robust_list; /* [O] set_robust_list */
    uint64_t robust_list_bytes;
    uint32_t pi_waited;        /* [A] somebody may wait for it in a PI futex, */
    uint32_t pi_ended;         /* [A] and nobody is to begin to: it ends, or executes */
    uint64_t set_tid;          /* [C] CLONE_CHILD_SETTID */
    struct start *start;       /* [O] until its first program runs (proc/start.c) */
    struct task *vfork_parent; /* [T] counted: it waits until we execute or end, */
    uint32_t vfork_over;       /* [A] which is told here */
    uint32_t exit_status;      /* [S] of this one: the process's if it ends by itself */
    struct account *charged;   /* [P] counts it as long as it is in the table */

    /* The system call that it is in, as it was entered: for restarts. -1: none to restart. */
    int64_t call_number;
    uint64_t call_argument[6];
    /* ERESTART_RESTARTBLOCK: what goes on, and until when. */
    int64_t (*restart)(struct task *task);
    uint64_t restart_deadline_ns;
    uint64_t restart_word[4];

    uint64_t start_ns;
    uint64_t timer_slack_ns; /* [O] prctl */
    int32_t nice;            /* [A] kept and told, not obeyed */
    uint32_t policy;         /* [A] the same, with SCHED_RESET_ON_FORK */
    uint32_t io_priority;    /* [A] the same */
    struct cpu_set cpus;     /* [A] the same, word by word; empty: every CPU */
};

struct process {
    uint32_t references;       /* atomic */
    int32_t pid;               /* [C] */
    struct tree_node in_table; /* [P] by pid */

    struct rt_lock lock;    /* `signals` */
    struct list tasks;      /* [PS] */
    unsigned task_count;    /* [PS] */
    unsigned live_count;    /* [S] without those that are on their way out */
    uint32_t task_word;     /* [A] counts those that left; execve waits on it */
    struct task *leader;    /* [P] counted */
    struct task *exec_task; /* [S] the others end for it */

    struct process *parent;          /* [P] */
    struct list children, in_parent; /* [P] */
    int32_t group, session;          /* [P] process group and session ids */
    struct tty *terminal;            /* [P] controlling; counted */
    bool session_leader;             /* [P] */
    bool executed;                   /* [P] since fork: setpgid */
    uint32_t executions;             /* [P] programs so far */
    uint32_t parent_executions;      /* [P] of its parent when it asked for exit_signal */
    bool subreaper;                  /* [P] */
    bool has_subreaper;              /* [P] above it */
    bool dumpable;                   /* [A] */
    int32_t parent_death_signal;     /* [P] */
    int32_t exit_signal;             /* [P] */

    struct signal_handlers *handlers; /* [S] */
    struct signal_pending pending;    /* [S] for any thread */
    struct wait_queue signal_queue;   /* woken when one is sent: signalfd, sigtimedwait */
    struct wait_queue child_queue;    /* waitid */
    struct wait_queue end_queue;      /* pidfds: it is a zombie */

    bool ending;                       /* [S] all of it, with exit_status */
    uint32_t exit_status;              /* [S] as wait4 gives it */
    bool zombie;                       /* [P] */
    bool stopping, stopped;            /* [S] stop_left tasks have to; all have */
    bool stop_taken;                   /* [S] a stop signal was taken, and no SIGCONT came since */
    bool stop_event, continue_event;   /* [S] not reported yet */
    bool killable;                     /* [S] process 1 after a fault of its own */
    bool stop_notice, continue_notice; /* [S] the parent has to hear of it */
    unsigned stop_left;                /* [S] */
    int32_t stop_signal;               /* [S] */

    struct resource_limit limit[RLIMIT_COUNT];
    uint64_t start_ns;
    uint64_t ended_ns,
        children_ns;             /* [S] CPU time of tasks that ended; [P] of children waited for */
    int32_t oom_score_adj;       /* [A] kept across fork and execve */
    struct posix_timers *timers; /* [C] timer_create, setitimer (time/timers.c) */
};

/* The calling thread's; NULL on a thread that is none (the timers'). */
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
/* The next thread's id above, in a process; 0: none. */
int32_t task_next(struct process *process, int32_t tid);

extern struct rt_lock processes_lock; /* `processes`: the first of all */

/* What others may have of a task: counted, or NULL if it is dead. */
struct mm *task_mm(struct task *task);
struct file_table *task_files(struct task *task);
struct fs_context *task_fs(struct task *task);
struct cred *task_cred(struct task *task); /* never NULL */
/* The same for who looks into it (/proc/PID/fd, maps, environ, cwd), if the caller may, whatever
 * the task executes meanwhile. 0, -EPERM, or -ESRCH: it is dead. */
int task_look_mm(struct task *task, struct mm **mm_out);
int task_look_files(struct task *task, struct file_table **files_out);
int task_look_fs(struct task *task, struct fs_context **fs_out);
void task_name(struct task *task, char name_out[TASK_COMM_BYTES]);
void task_rename(struct task *task, const char *name);

/* What /proc/PID/stat and status tell of a process, or (`tid` not its pid) of a thread. */
struct task_view {
    struct cpu_set cpus;
    int32_t pid, tid, parent, group, session, exit_signal, nice;
    struct tty *terminal; /* not counted: to compare and to ask for its number */
    char state;           /* as ps shows it */
    char comm[TASK_COMM_BYTES];
    unsigned threads;
    uint64_t start_ns, cpu_ns, children_ns;
    uint32_t exit_status;
    signal_set pending, shared_pending, blocked, ignored, caught;
    unsigned queued; /* signals of its user */
};
/* 0, or -ESRCH: it has ended, and was waited for if it led a process. */
int task_view(struct task *task, struct task_view *view_out);
/* Where it may run as it asked for: at least one of those that there are. */
void task_cpus(const struct task *task, struct cpu_set *cpus_out);
/* CPU time of the calling process; of a task. */
uint64_t process_cpu_ns(struct process *process);
uint64_t task_cpu_ns(struct task *task);
/* Of all: for sysinfo, /proc/stat and loadavg. */
struct process_counts {
    uint64_t created; /* tasks, since the start */
    uint32_t tasks, processes, running;
    int32_t last; /* the id given last */
};
void process_counts(struct process_counts *counts_out);

/* May the caller look into that one? 0 or -EPERM. Of what it is now: for what execve changes there
 * are task_look_mm and those beside it. */
int task_may_look(struct task *task);
bool capable(unsigned capability); /* CAP_ of the caller, effective */
/* The caller's soft limit; process 1's at its start on a thread that is no task. */
uint64_t resource_limit(unsigned which);

/* Credentials. */
struct cred *cred_get(struct cred *cred);
void cred_put(struct cred *cred);
/* Root's in a container, or (uid, gid not 0) a user's without capabilities; `permitted` and
 * `bounding` as the creator has them. */
int cred_create(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t group_count,
                uint64_t capabilities, struct cred **cred_out);
bool cred_in_group(const struct cred *cred, uint32_t gid); /* fsgid or a supplementary one */
/* What a program's file gives to who runs it: its set-id bits with its owner and group, and its
 * capabilities. */
struct program_gifts {
    uint32_t mode, uid, gid;
    bool has_capabilities, effective;
    uint64_t permitted, inheritable;
};
/* Nothing where its mount is nosuid. -EINVAL, -ERANGE: its capabilities are none. */
int program_gifts_of(const struct file *file, struct program_gifts *gifts_out);
/* Those in the attribute XATTR_CAPABILITY; none if they are another user namespace's. -EINVAL. */
int gifts_take_capabilities(struct program_gifts *gifts, const uint8_t *value, size_t size_bytes);
/* May the attribute be given this value? */
bool file_capabilities_settable(const uint8_t *value, size_t size_bytes);
/* What execve makes of the caller's: what the file gives unless it may not gain anything, the sets
 * of capabilities, saved ids. `*secure_out`: AT_SECURE. -EPERM: the file's capabilities take effect
 * at once, and not all of them may be had. */
int cred_for_exec(const struct program_gifts *gifts, struct cred **cred_out, bool *secure_out);

/* Sessions and terminals. */
struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty);
/* The process's terminal, counted; or NULL. */
struct tty *process_terminal(struct process *process);
/* It becomes that of the caller's session, which has none: -EPERM if the caller is not the leader
 * or has one. */
int session_take_terminal(struct tty *tty);
/* Every process of the session loses it, if it is that one. */
void session_drop_terminal(int32_t session, struct tty *tty);
/* Is there a process of that group in that session? */
bool group_in_session(int32_t group, int32_t session);
bool group_exists(int32_t group);
bool process_exists(int32_t pid);
/* No member has a parent in another group of its session, so nobody would continue it. */
bool group_is_orphan(int32_t group);

/* The first process: an image's entry point. */
struct program_start {
    const char *const *arguments;   /* NULL at the end */
    const char *const *environment; /* the same */
    const char *working;
    struct cred *cred;        /* taken */
    struct fs_context *fs;    /* root and so on; taken */
    struct file_table *files; /* descriptors 0, 1, 2; taken */
    struct tty *terminal;     /* controlling, or NULL */
    /* In the new task, as root in its root directory, before anything else of it: it may change the
     * credentials, and the environment here. 0 or an error. NULL: nothing. */
    int (*prepare)(struct program_start *program);
};
/* Process 1, or (a running container) one more beside it, a child of nobody's. A reference to it
 * for process_join once the program runs, or why it does not (-ENOENT and so on); what is taken is
 * gone either way. */
int process_start(struct program_start *program, struct process **process_out);
/* Until a process that process_start gave has ended: its status as wait4 gives it. Takes the
 * reference. */
uint32_t process_join(struct process *process);
/* From outside: SIGKILL and SIGSTOP work on process 1, too. 0 or -ESRCH. */
int process_signal_outside(int32_t pid, int number);
/* No process is left: the container may end. */
bool processes_ended(void);
/* The most tasks there may be at a time; 0: as many as there is memory. */
void processes_limit(uint32_t tasks);

/* What a task does from its first moment: enter, handle, deliver, until it ends. */
_Noreturn void task_run(void *argument);
/* What the guest came back for (GUEST_REASON_, or an error), and its signals. */
void task_handle(struct task *task, int reason);
/* Tell the operator which calls were made that nothing handles, and how often: one line. */
void task_tell_unknown(void);
/* End the calling task, or the whole process. `status` as wait4 gives it. */
_Noreturn void task_exit(uint32_t status);
_Noreturn void process_exit(uint32_t status);
/* Start the end of another: it is kicked. */
void process_kill(struct process *process, uint32_t status);

/* execve's process side. `begin` does all that can fail: the other threads end, tables that are
 * shared become its own. It fails if the caller is ending itself. After `commit` the caller is the
 * leader, `mm` is its memory, handlers are reset, descriptors closed, timers gone. */
struct exec_change {
    struct signal_handlers *handlers;
    struct file_table *files;
    struct fs_context *fs; /* NULL: it keeps what it may share with others */
    bool gains;            /* ids or capabilities that it did not have */
    bool secret;           /* the caller may not read the program */
};
/* `cred` is what commit will take. */
int task_exec_begin(const struct cred *cred, bool secret, struct exec_change *change);
void task_exec_commit(struct exec_change *change, struct mm *mm_taken, struct cred *cred_taken,
                      const char *name);
void task_exec_abandon(struct exec_change *change);

/* The container's host name (uname, sethostname, /proc/sys/kernel/hostname): at most
 * HOST_NAME_MAX bytes and an end. */
void host_name(char *name_out);
void host_name_set(const char *name, size_t length);
