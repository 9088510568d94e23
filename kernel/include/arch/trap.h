/* The user register state that entry code saves. arch_impl/trap.h defines struct trap_frame, its
 * size a multiple of 16, and the accessors.
 *
 * System call registers: x86_64 number rax, arguments rdi rsi rdx r10 r8 r9, status rax, value rdx.
 * aarch64 number x8, arguments x0-x5, status x0, value x1; `svc #0`.
 */
#pragma once

#include <kernel/addr.h>

struct trap_frame;

/* User mode at `ip`, with the first C argument; every other register zero, interrupts on. */
static inline void arch_frame_init(struct trap_frame *frame, uaddr_t ip, uaddr_t sp,
                                   uint64_t argument);
static inline uint64_t arch_frame_ip(const struct trap_frame *frame);
static inline uint64_t arch_frame_sp(const struct trap_frame *frame);
static inline uint64_t arch_frame_syscall_number(const struct trap_frame *frame);
static inline uint64_t arch_frame_syscall_argument(const struct trap_frame *frame, unsigned index);
static inline void arch_frame_syscall_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t value);
/* Go back to the system call instruction, with the arguments that are in the frame: before anything
 * was returned. */
static inline void arch_frame_syscall_restart(struct trap_frame *frame);
static inline void arch_frame_syscall_set_argument(struct trap_frame *frame, unsigned index,
                                                   uint64_t value);
/* The same, but it is the call `number` that is made then. */
static inline void arch_frame_syscall_restart_as(struct trap_frame *frame, uint64_t number);
/* Messages: the registers are listed in abi/ipc.h. */
static inline uint64_t *arch_frame_message_word(struct trap_frame *frame, unsigned index);
static inline void arch_frame_message_copy(struct trap_frame *to, const struct trap_frame *from,
                                           unsigned words);
static inline void arch_frame_message_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t info, uint64_t badge);
/* Registers as text through console_printf (user fault report). */
void arch_frame_print(const struct trap_frame *frame);

#include <arch_impl/trap.h>
