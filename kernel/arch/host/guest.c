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

bool arch_thread_pointer_ok(uint64_t value)
{
    return value < USER_END;
}

void arch_thread_set_pointer(struct thread *thread, uint64_t value)
{
    thread->arch.thread_pointer = value;
}

void arch_thread_registers_read(const struct thread *thread, struct guest_registers *registers)
{
    *registers = (struct guest_registers){ 0 };
    registers->rsp = thread->frame.sp;
}

enum status arch_thread_registers_write(struct thread *thread,
                                        const struct guest_registers *registers)
{
    thread->frame.sp = registers->rsp;
    return OK;
}
