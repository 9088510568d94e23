/* System calls: numbers from abi/syscalls.def, one handler each in kernel/sys.
 *
 * A handler gets its arguments as private copies of the registers, and returns a status; a second
 * result goes through value_out, which the dispatcher has set to 0.
 */
#pragma once

#include <base/status.h>
#include <kernel/thread.h>

#define SYSCALL(name, number, argument_count) SYSCALL_##name = (number),
enum syscall_number {
#include <syscalls.def>
    SYSCALL_COUNT
};
#undef SYSCALL

struct syscall_args {
    uint64_t word[6];
};

typedef enum status syscall_handler(struct thread *current, const struct syscall_args *args,
                                    uint64_t *value_out);

#define SYSCALL(name, number, argument_count) syscall_handler sys_##name;
#include <syscalls.def>
#undef SYSCALL
