/* System call stubs of user programs. The numbers stand in abi/syscalls.def. */
#pragma once

#include <base/status.h>
#include <stdint.h>

#define SYSCALL(name, number, argument_count) SYSCALL_##name = (number),
enum {
#include <syscalls.def>
};
#undef SYSCALL

/* The raw call: any number, six words; *value_out may be NULL. lib/rt/arch. */
enum status syscall_raw(uint64_t number, const uint64_t argument[6], uint64_t *value_out);

NORETURN void thread_exit(void);
/* deadline_ns 0: only give up the slice. */
void thread_yield(uint64_t deadline_ns);
enum status log_write(uint64_t log, const char *text, uint64_t size_bytes);
