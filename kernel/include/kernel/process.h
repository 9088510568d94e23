/* A process: an address space and a table of capabilities. What its threads can do is what the
 * table lists; the process has no identity that would mean anything to anybody.
 *
 * It ends when somebody destroys it, or when the budget that paid for it is destroyed: not with its
 * last thread, so that its table can be looked at afterwards, and not with the last capability for
 * it. (A table may hold the last capability for another process, and so on: ending those from there
 * would have no bound.)
 *
 * Locking: [L] lock   [A] atomic   [C] constant
 */
#pragma once

#include <base/list.h>
#include <kernel/cspace.h>
#include <kernel/notification.h>
#include <kernel/thread.h>
#include <kernel/vspace.h>

struct process {
    struct object object;  /* first; object.payer pays for table and page tables */
    struct vspace *vspace; /* [C] counted */
    struct cspace cspace;
    struct spinlock lock;
    struct list threads;   /* [L] of thread.process_node: those that live */
    uint32_t thread_count; /* [L] */
    uint32_t fault_count;  /* [A] threads that a fault ended */
    bool ending;           /* [L] takes no more threads */
    bool essential; /* [C] nothing goes on without it: the end of its last thread is a panic */
    bool cleared;   /* [A] table and address space are empty */
    struct signal_target death; /* told of each fault, and when the last thread has left */
};

/* The caller gets the reference. ERR_NO_MEMORY, ERR_LIMIT, ERR_DEAD. */
enum status process_create(struct budget *payer, struct process **process_out);
/* End it: its threads, then its table, then its address space, in slices. ERR_WOULD_BLOCK also
 * while a thread has not left its CPU. The caller holds a reference and no lock.
 */
enum status process_end(struct process *process, struct work *work);

/* The thread runs in this process from its start on; it counts a reference. ERR_DEAD. */
enum status process_add_thread(struct process *process, struct thread *thread);
/* It is dead, and off its CPU; or it will never be started. Harmless if it left before. */
void process_leave(struct thread *thread);
/* A fault ends the thread that runs on this CPU: whoever supervises the process is told at once. */
void process_fault(struct thread *thread);

OBJECT_TYPE(process);

/* The process of the thread that runs on this CPU. */
static inline struct process *process_current(void)
{
    return cpu_self()->current->process;
}
