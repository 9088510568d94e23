/* Between the files of machine/native.
 *
 * The sandbox's half of user space, 512 GiB from GUEST_END, in regions:
 *
 *     PROGRAM    the program, its start-up block and first stack, at random places (lib/program)
 *     HEAP_AT    the heap, in a Memory of its own
 *     THREADS_AT a slot for each native thread: guard, stack, state page, struct vcpu
 *     WINDOWS_AT everything that machine_map shows
 */
#pragma once

#include <base/status.h>
#include <guest.h>
#include <linux/core.h>
#include <linux/machine.h>

#define GIB          ((uint64_t)1 << 30)
#define HEAP_AT      (GUEST_END + 128 * GIB)
#define HEAP_BYTES   (16 * GIB)
#define THREADS_AT   (GUEST_END + 160 * GIB)
#define WINDOWS_AT   (GUEST_END + 192 * GIB)
#define WINDOWS_SPAN (256 * GIB)

struct guest_space {
    uint64_t handle;
};

/* Budgets: what guests and files have is paid by a part of the personality's own, so that what it
 * needs for itself is there when that is used up. */
uint64_t native_guest_budget(void);
/* What gives memory back may use the personality's part for a moment. */
void native_reserve(bool open);
/* Of guest_create: split, unless the container was made fused. */
uint32_t native_guest_flags(void);

/* The one place that turns a status into an error number. */
int error_of(enum status status);

/* Make pages of ours and reach them once, so that neither the page nor a page table can be missing
 * later; false: the budget has no more. `memory` shows at `offset` what lies at `at`. */
bool native_commit(uint64_t memory, uint64_t offset, void *at, uint64_t size_bytes);

void native_heap_init(void);
void native_windows_init(void);
void native_threads_init(void);
/* The first thread becomes a vcpu, too. */
void native_first_thread(void);
