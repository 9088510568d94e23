/* System call dispatch. */
#include <kernel/syscall.h>
#include <kernel/trap.h>

static syscall_handler *const handlers[SYSCALL_COUNT] = {
#define SYSCALL(name, number, argument_count) [number] = sys_##name,
#include <syscalls.def>
#undef SYSCALL
};

/* No number below SYSCALL_COUNT is without a handler: there are as many lines as numbers, and the
 * compiler refuses a number that stands there twice.
 */
enum {
    SYSCALL_LINES = 0
#define SYSCALL(name, number, argument_count) +1
#include <syscalls.def>
#undef SYSCALL
};
static_assert(SYSCALL_LINES == (int)SYSCALL_COUNT, "abi/syscalls.def numbers its lines from 0");

void trap_syscall(struct thread *current)
{
    cpu_self()->syscalls++;
    struct trap_frame *frame = &current->frame;
    uint64_t number = arch_frame_syscall_number(frame);
    if (UNLIKELY(number >= SYSCALL_COUNT)) {
        arch_frame_syscall_return(frame, ERR_SYSCALL, 0);
        return;
    }

    struct syscall_args args;
    for (unsigned i = 0; i < ARRAY_LEN(args.word); i++)
        args.word[i] = arch_frame_syscall_argument(frame, i);
    uint64_t value = 0;
    enum status status = handlers[number](current, &args, &value);
    arch_frame_syscall_return(frame, (uint64_t)status, value);
}
