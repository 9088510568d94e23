/* System calls: from the number to the handler. */
#include <kernel/syscall.h>
#include <kernel/thread.h>
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
