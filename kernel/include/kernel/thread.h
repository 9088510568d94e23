/* A thread: user register state and where the scheduler has it.
 *
 * There is one kernel stack per CPU and none per thread: entry code stores the user registers
 * straight into `frame`, so a thread that is not running is complete in this structure.
 *
 *   NEW --thread_start--> READY <--sched_next--> RUNNING --thread_end_current--> DEAD
 *                           ^                      |
 *                           |             sched_block
 *                           |                      v
 *                           +----- wait_end ---- BLOCKED
 *
 * thread_end_current serves an exit and a fault. thread_kill ends a thread in any state. A thread
 * that is suspended becomes SUSPENDED where it would become READY or go on RUNNING, until
 * thread_resume makes it READY; what it waits for it may get meanwhile.
 *
 * Locking:  [Q] the run queue lock of the CPU that `cpu` names (sched.c finds it)
 *           [O] the CPU that runs it, else the holder of [Q]   [A] atomic   [C] constant
 * Lifetime: an object. The scheduler holds one reference from thread_start until the thread is dead
 *           and off the CPU; so closing the last capability for one that runs does not end it, and
 *           one that was never started goes with it. It dies with the budget that paid for it.
 */
#pragma once

#include <arch/context.h>
#include <arch/trap.h>
#include <base/list.h>
#include <base/status.h>
#include <kernel/budget.h>
#include <kernel/cpu.h>
#include <kernel/guest_thread.h>
#include <kernel/ipc.h>
#include <kernel/timer.h>
#include <kernel/vspace.h>
#include <kernel/wait.h>

struct process;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_BLOCKED,
    THREAD_SUSPENDED,
    THREAD_DEAD,
};

/* Why it is dead; the fault codes keep the details in thread.fault_*. */
enum thread_end { THREAD_END_NONE, THREAD_END_EXIT, THREAD_END_KILLED, THREAD_END_FAULT };

/* Whoever brings a thread to THREAD_OVER alone, by leaving the CPU or by ending it while no
 * CPU is on it, calls thread_over. Whoever leaves the CPU otherwise touches the thread no more,
 * since others may run and free it.
 */
enum thread_presence {
    THREAD_ON_CPU = 1 << 0, /* its state is not complete in memory: wait before running it */
    THREAD_OVER = 1 << 1,   /* it is dead */
};

/* What others want of it, looked at wherever it would go on. */
enum thread_attention {
    THREAD_KILL = 1 << 0,
    THREAD_SUSPEND = 1 << 1,
};

struct thread {
    struct trap_frame frame; /* [O] first and 16-aligned: hardware and assembly write here */
    struct arch_thread arch; /* [O] vector state, thread pointer */
    struct guest_thread guest;

    struct object object;     /* object.payer: the budget, NULL for some tests' */
    struct vspace *vspace;    /* [C] */
    struct process *process;  /* [C] counted; NULL: a test's, which holds no capabilities */
    struct list process_node; /* in process->threads, under its lock */
    uint64_t grace_ticket; /* [O] what the system call that is made again waits for; 0: nothing */
    uint32_t presence;     /* [A] of enum thread_presence */
    union {
        uint64_t unusual; /* any of these: the short way of a message looks at all at once */
        struct {
            uint8_t attention;     /* [Q] of enum thread_attention */
            bool extended;         /* [O] it has what arch_thread_switch_quickly leaves out */
            bool astray;           /* [Q] `affinity` is without `cpu` */
            uint8_t guest_pending; /* [A] of enum guest_pending */
            bool attached;         /* [G] guest.guest is one */
        };
    };

    struct cpu *cpu;          /* [Q] whose queue; changed with both queues locked */
    struct list run_node;     /* [Q] in queue.fifo[priority] while READY */
    enum thread_state state;  /* [Q] */
    uint8_t priority;         /* [Q] 0 lowest, PRIORITY_COUNT - 1 highest: of these the higher */
    uint8_t own_priority;     /* [Q] */
    uint8_t lent_priority;    /* [Q] by whom it serves */
    uint8_t ceiling;          /* [Q], read without: the highest that it may give, and own */
    struct cpu_mask affinity; /* [Q] CPUs that it may run on */
    uint64_t slice_left_ns;   /* [O] when it was last chosen or left; cpu.slice_left_ns counts */
    uint64_t granted_ns;      /* [O] of the quotas of its budgets, while it runs */
    uint64_t run_ns;          /* [O] CPU time used */

    struct wait wait;      /* what it is BLOCKED for */
    struct ipc_wait ipc;   /* if that is a message or a signal */
    struct timer deadline; /* [O] of the wait */

    struct signal_target death; /* told when it is dead and off its CPU */
    enum thread_end end;        /* [Q] */
    bool started;               /* [Q] once it is dead: it was, and the scheduler has a reference */
    const char *fault_name;     /* [O] of a fatal fault */
    uint64_t fault_address;     /* [O] */
    struct list all_node;       /* in the shell's list of all threads */
} ALIGNED(16);

/* Once, before the first thread. */
void thread_init(void);
/* A thread that will start at `ip` with `sp` and `argument` in the first argument register. The
 * caller gets the reference. ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's.
 */
enum status thread_create(struct vspace *vspace, struct budget *payer, uaddr_t ip, uaddr_t sp,
                          uint64_t argument, struct thread **thread_out);
OBJECT_TYPE(thread);

/* ERR_STATE unless NEW. */
enum status thread_start(struct thread *thread);
/* Kill from anywhere; takes effect before it executes another user instruction after this returns
 * on its own CPU, and soon on others (thread_is_dead tells). Harmless on a dead thread.
 */
void thread_kill(struct thread *thread);
bool thread_is_dead(const struct thread *thread);
/* It executes no user instruction until thread_resume. As thread_kill it takes effect soon; OK only
 * when it has, ERR_WOULD_BLOCK before. ERR_STATE: NEW. ERR_DEAD.
 */
enum status thread_suspend(struct thread *thread);
/* ERR_STATE: it is not suspended. */
enum status thread_resume(struct thread *thread);
/* Read or replace the registers of a thread that is NEW or suspended; what it waits for is
 * cancelled before they are replaced. ERR_STATE, ERR_DEAD, ERR_RANGE; ERR_WOULD_BLOCK: it is still
 * on a CPU.
 */
enum status thread_registers(struct thread *thread, struct guest_registers *registers, bool write);

/* For the scheduler: dead and off the CPU, once, with no lock held. */
void thread_over(struct thread *thread);

/* The current thread ends; the caller goes on to the kernel exit and never comes back to it. */
void thread_end_current(enum thread_end end);

uint64_t thread_count(void); /* that exist, dead ones with references included */
