/* System call dispatch: the part that is not made from the table. */
#include <kernel/syscall.h>
#include <kernel/trap.h>

void trap_syscall(struct thread *current)
{
    cpu_self()->syscalls++;
    uint64_t number = arch_frame_syscall_number(&current->frame);
    if (UNLIKELY(number >= SYSCALL_COUNT || syscall_entries[number] == NULL)) {
        arch_frame_syscall_return(&current->frame, ERR_SYSCALL, 0);
        return;
    }
    syscall_entries[number](current);
}
