/* A guest's registers on their way between the CPU and the page that kernel and sandbox share
 * (abi/guest.h). arch_impl/guest.h defines struct arch_guest: what a sandbox finds again when the
 * guest comes back.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct guest_fault;
struct guest_state;
struct thread;

/* Where the guest goes on, its flags and thread pointer: into the current thread's frame and the
 * CPU, each read once and then checked. ERR_RANGE, with nothing changed, if they are not those of a
 * guest. Entry code, from which guest_enter comes, brings the other registers, which may hold
 * anything.
 */
enum status arch_guest_load(struct thread *current, const struct guest_state *state);
/* Back: the frame's registers into `state` (NULL: nowhere), then the frame becomes the sandbox's,
 * with a result of guest_enter. No register has anything else of the guest's or the kernel's.
 */
void arch_guest_save(struct thread *current, struct guest_state *state, uint64_t status,
                     uint64_t value);
/* The exception that the thread is in the kernel for. */
void arch_guest_describe(const struct thread *current, struct guest_fault *fault_out);

#include <arch_impl/guest.h>
