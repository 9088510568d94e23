/* Guests do not run here. What the portable part asks for is kept as plain data. */
#include <kernel/guest.h>

enum status arch_guest_load(struct thread *current, const struct guest_state *state)
{
    (void)state;
    current->guest.arch.sandbox = current->frame;
    return OK;
}

void arch_guest_save(struct thread *current, struct guest_state *state, uint64_t status,
                     uint64_t value)
{
    (void)state;
    current->frame = current->guest.arch.sandbox;
    arch_frame_syscall_return(&current->frame, status, value);
}

void arch_guest_describe(const struct thread *current, struct guest_fault *fault_out)
{
    (void)current;
    fault_out->code = 0;
    fault_out->error = 0;
}
