/* Guests: address spaces that a sandbox's threads enter and come back from.
 *
 *   sandbox --guest_enter--> inside --system call, exception, kick--> sandbox
 *
 * A thread that has entered a guest stays attached to it: the guest's memory is below its sandbox's
 * until it enters another one, or the guest goes.
 *
 * Locking:  [L] lock   [C] constant
 * Lifetime: an object. When it retires it lets go of all threads, of its memory, and then of its
 *           address space.
 */
#pragma once

#include <guest.h>
#include <kernel/guest_thread.h>
#include <kernel/panic.h>
#include <kernel/process.h>
#include <kernel/thread.h>

struct guest {
    struct object object; /* first */
    struct spinlock lock;
    struct vspace *vspace; /* [C] counted */
    struct list threads;   /* [L] of thread.guest.node: attached to it */
    bool gone;             /* [L] no thread attaches any more */
};

OBJECT_TYPE(guest);

/* A guest whose sandbox is `upper`. `flags` of abi/guest.h, else ERR_RANGE. */
enum status guest_create(struct vspace *upper, struct budget *payer, unsigned flags,
                         struct guest **guest_out);
/* What `source` has in [*at, GUEST_END) in `target` too, in slices (vspace_clone). */
enum status guest_clone(struct guest *source, struct guest *target, struct budget *payer,
                        uint64_t *at, struct work *work);

/* The thread, which does not run elsewhere, has its state page there from now on. ERR_RANGE: no
 * page of `memory`. ERR_UNSUPPORTED: it is not RAM. ERR_INVALID: its budget may end before
 * the thread. ERR_BUSY, and what else memory_pin says.
 */
enum status guest_bind(struct thread *thread, struct memory *memory, uint64_t offset);
/* The current thread goes into the guest at the kernel exit, or comes back from it at once: its
 * registers are complete. Errors, with the frame as it was: ERR_STATE, it has no state page;
 * ERR_INVALID, the guest is another process's; ERR_DEAD, the guest is gone; ERR_RANGE, its state
 * page has no registers of a guest.
 */
enum status guest_go(struct thread *current, struct guest *guest);
/* The thread is to come back from its guest. Latched. */
void guest_kick_thread(struct thread *thread);
/* The last reference to a thread is gone. */
void guest_thread_fini(struct thread *thread);

/* ---- From trap handling and the scheduler ----
 *
 * A system call of a guest is the architecture's entry code's own business.
 */

/* A fault or exception that nobody resolves; false: it is the thread's end. `access` 0: no page
 * fault. */
bool guest_exception(struct thread *current, uint64_t address, unsigned access, enum status why);
/* The current thread has something pending and is about to go to user mode. */
void guest_attend(struct thread *current);

/* What must be loaded while the thread runs. */
static inline struct vspace *thread_space(const struct thread *thread)
{
    return thread->guest.vspace != NULL ? thread->guest.vspace : thread->vspace;
}

/* The common case of guest_enter, whose arguments are in the frame: into the guest that the current
 * thread came from, with nothing pending. True: its registers may be loaded, then guest_is_in.
 */
static inline bool guest_enter_again(const struct thread *current)
{
    struct capability_ref ref;
    uint64_t handle = arch_frame_syscall_argument(&current->frame, 0);
    return arch_frame_syscall_argument(&current->frame, 1) == 0 && current->process != NULL &&
           cspace_borrow(&current->process->cspace, handle, OBJECT_GUEST, RIGHT_GUEST_ENTER,
                         &ref) == OK &&
           object_as_guest(ref.object) == current->guest.guest &&
           __atomic_load_n(&current->guest_pending, __ATOMIC_ACQUIRE) == 0;
}

static inline void thread_load_space(struct cpu *cpu, const struct thread *thread)
{
    struct vspace *space = thread_space(thread);
    bool inside = thread->guest.inside && space->inside_root.raw != 0;
    if (cpu->vspace != space)
        arch_vspace_activate(space);
    if (UNLIKELY(cpu->inside != inside))
        arch_vspace_turn(space, inside);
}

/* From the sandbox to the guest that the current thread is attached to, and back: its address space
 * is loaded, one root of it or the other.
 */
static inline void guest_is_in(struct thread *current)
{
    struct vspace *space = current->guest.vspace;
    DEBUG_ASSERT(cpu_self()->vspace == space);
    current->guest.inside = true;
    if (space->inside_root.raw != 0)
        arch_vspace_turn(space, true);
}

static inline void guest_is_out(struct thread *current)
{
    const struct cpu *cpu = cpu_self();
    current->guest.inside = false;
    if (cpu->inside)
        arch_vspace_turn(cpu->vspace, false);
}
