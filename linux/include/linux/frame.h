/* The part of signals and clones that is the CPU's: registers, and frames on the guest's stack.
 * linux/arch/ARCH does it.
 */
#pragma once

#include <guest.h>
#include <linux/signals.h>
#include <stdbool.h>

struct task;

/* As uname tells it. */
const char *machine_name(void);
/* A clone's child: the parent's registers, with 0 as the result of its call. `stack` 0: the same.
 */
void registers_for_child(struct guest_registers *child, const struct guest_registers *parent,
                         uint64_t stack);
void registers_set_thread_pointer(struct guest_registers *registers, uint64_t pointer);
/* The number of the call that the guest makes, and what it gives with it. */
uint64_t registers_call(const struct guest_registers *registers, uint64_t argument_out[6]);
int64_t registers_result(const struct guest_registers *registers);
void registers_set_result(struct guest_registers *registers, int64_t result);
/* Make the call again when the guest goes on: as it was, or (`block`) as restart_syscall. */
void registers_restart(struct task *task, struct guest_registers *registers, bool block);
uint64_t registers_stack(const struct guest_registers *registers);

/* Write the frame for a handler and have the guest go on there. -EFAULT: it cannot be written, and
 * nothing has changed. `mask` is what sigreturn brings back. */
int frame_push(struct task *task, const struct signal_info *info,
               const struct signal_action *action, signal_set mask);
/* Take the frame back that sigreturn finds: registers and vector registers. -EFAULT, -EINVAL: it is
 * none. Whatever the guest made of it, the result can be entered. */
int frame_pop(struct task *task, signal_set *mask_out, struct linux_stack *stack_out);
/* The least that sigaltstack takes: MINSIGSTKSZ. */
size_t frame_stack_min(void);
/* AT_MINSIGSTKSZ: the most that a frame takes of a stack. */
size_t frame_size_max(void);

/* Where a frame goes: below `top`; and above `floor`, or it does not fit (signal/handlers.c). */
struct signal_stack {
    uint64_t top, floor;
};
struct signal_stack signal_stack_choose(const struct task *task, const struct signal_action *action,
                                        uint64_t pointer, uint64_t red_zone);
/* sigaltstack as frames keep it. 0, -EINVAL, -ENOMEM, -EPERM. */
int signal_stack_set(struct task *task, const struct linux_stack *stack, uint64_t pointer);
void signal_stack_get(const struct task *task, struct linux_stack *stack_out);

/* The signal for an exception that is no page fault. */
void exception_signal(struct task *task, const struct guest_fault *fault,
                      struct signal_info *info_out);
/* What a frame tells of the exception that led to it: for task->fault_. */
void exception_note(struct task *task, const struct guest_fault *fault);
