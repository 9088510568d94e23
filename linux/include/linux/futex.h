/* Futexes: waiting on a word of the guest's memory. futex(2). */
#pragma once

#include <linux/copy.h>
#include <stdbool.h>

struct task;

/* Wake those who wait on the caller's word, as FUTEX_WAKE does, private and shared alike: for the
 * word of CLONE_CHILD_CLEARTID. */
void futex_wake(uaddr_t at, uint32_t count);
/* The robust mutexes that the caller holds are marked and given on, and the PI futexes that others
 * wait for; it ends or executes. Then nobody waits for it any more, until it begins anew. */
void futex_end(struct task *task);
void futex_begin(struct task *task);
