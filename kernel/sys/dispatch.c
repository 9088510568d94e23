/* System calls: from the number to the handler. */
#include <kernel/syscall.h>
#include <kernel/thread.h>
#include <kernel/trap.h>

void syscall_unknown(struct thread *current)
{
    arch_frame_syscall_return(&current->frame, ERR_SYSCALL, 0);
}

void trap_syscall(struct thread *current)
{
    cpu_self()->syscalls++;
    uint64_t number = arch_frame_syscall_number(&current->frame);
    if (UNLIKELY(number >= SYSCALL_COUNT))
        syscall_unknown(current);
    else
        syscall_entries[number](current);
}
