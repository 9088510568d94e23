/* How a thread waits, and how it is taken out of that again.
 *
 * Whatever threads wait for (a word of memory, a message, a signal, a moment) has a lock of
 * RANK_WAIT and finds its threads under it. A wait begins and ends with that lock held:
 *
 *   - the thread itself: lock; false from wait_begin(cancel, deadline): do not put it into the
 *     list; unlock; wait_arm();
 *   - who has what it waits for: lock, take it out of the list, write the result, wait_end, unlock;
 *   - who wants it to stop waiting: thread->wait.cancel(thread, why), which locks, does nothing if
 *     it is not in the list or wait_may_end is false, else goes on likewise with `why` as result.
 *
 * Results are written to the registers of the thread (arch_frame_syscall_return): whoever ends a
 * wait does that, so a handler that waits is one that works on the register frame itself.
 *
 * A thread is taken out of its wait by its deadline (ERR_TIMED_OUT), by being killed, and by a
 * write to its registers (ERR_CANCELLED). A thread that is suspended goes on waiting; it only does
 * not run when the wait is over.
 *
 * Locking: [W] the lock of what it waits for
 */
#pragma once

#include <base/list.h>
#include <base/status.h>
#include <base/tree.h>
#include <kernel/spinlock.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;
struct timer;

/* End the wait of `thread` with `why`, if it still waits. Any CPU and any context, perhaps with a
 * lock of RANK_TIMER held: it may take the lock of what is waited for, and those inside it.
 */
typedef void wait_cancel(struct thread *thread, enum status why);

struct wait {
    wait_cancel *cancel;  /* [W], read without: NULL if it does not wait */
    uint64_t deadline_ns; /* [W] */
    /* For what is waited for. */
    struct list node;           /* [W] */
    struct tree_node tree_node; /* [W] */
    void *on;                   /* [W] */
    uint64_t key;               /* [W] */
};

/* The current thread stops at the kernel exit, until wait_end. Lock held. False: it is to die, and
 * does not wait. */
bool wait_begin(wait_cancel *cancel, uint64_t deadline_ns);
/* After wait_begin, with no lock of RANK_TIMER or above held: the deadline counts from here on. */
void wait_arm(void);
/* Lock held; the thread is out of the list. It may run, and end, as soon as the lock is free. */
void wait_end(struct thread *thread);
/* The same as wait_begin without a deadline for a thread that this CPU has chosen to run but not
 * let go on yet. */
bool wait_park(struct thread *thread, wait_cancel *cancel);
/* Lock held; its `cancel` was NULL for a while, so that nobody ended the wait. False: it has been
 * killed meanwhile. A deadline that passed is forgotten. */
bool wait_renew(struct thread *thread, wait_cancel *cancel);
/* For `cancel`, lock held: false if the reason has passed with an earlier wait. */
bool wait_may_end(const struct thread *thread, enum status why);

/* The current thread waits for address_wake, if the word at `address` is `expected`:
 * ERR_WOULD_BLOCK if not, ERR_FAULT; ERR_TIMED_OUT at once with a deadline of 0. Else OK; a wait
 * that ends otherwise than by address_wake says so in the frame. `space` and `address` are the key.
 */
enum status address_wait_current(const void *space, uint64_t address, uint32_t expected,
                                 uint64_t deadline_ns);
/* Returns how many it woke. */
uint32_t address_wake(const void *space, uint64_t address, uint32_t count);

/* For threads: once, and what each one's timer does. */
void wait_init(void);
void address_init(void);
void wait_deadline_passed(struct timer *timer);
