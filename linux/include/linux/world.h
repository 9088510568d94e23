/* For tests on the development machine: Linux processes whose programs are C functions.
 *
 * A program runs on its task's own thread. guest_call makes a system call as the guest's
 * instruction would: registers are set, the call is handled, signals are delivered; if a handler is
 * to run, its function does, and sigreturn follows. Functions have addresses in the guest, given by
 * guest_code, which is what handlers and the children of forks are named by. Only what a call reads
 * or writes lies in the guest's memory.
 */
#pragma once

#include <guest.h>
#include <linux/calls.h>
#include <linux/copy.h>
#include <linux/task.h>

typedef void guest_function(uint64_t a, uint64_t b, uint64_t c);

/* Mapped in every program: private, shared, and room for stacks. */
#define GUEST_DATA        ((uaddr_t)0x10000000)
#define GUEST_SHARED      ((uaddr_t)0x20000000)
#define GUEST_STACKS      ((uaddr_t)0x30000000)
#define GUEST_STACK_BYTES ((uint64_t)0x10000)
enum { GUEST_DATA_BYTES = 0x10000, GUEST_STACK_COUNT = 64 };

/* Process 1 runs it, as root; returns when no process is left, and everything is as before. */
void world_run(guest_function *first, uint64_t a);

uint64_t guest_code(guest_function *function);
int64_t guest_call(unsigned number, const uint64_t arguments[6]);
#define CALL(name, ...) guest_call(LINUX_CALL_##name, (const uint64_t[6]){ __VA_ARGS__ })
/* The child runs `function` with `a`, and exits with 0 if that returns. */
int64_t guest_clone(uint64_t flags, uint64_t stack, guest_function *function, uint64_t a);
int64_t guest_fork(guest_function *function, uint64_t a);
/* A thread as C libraries make them; its id is at `tid_at` until it has ended. */
int64_t guest_thread(guest_function *function, uint64_t a, unsigned stack, uaddr_t tid_at);
/* Until the word of a thread's id is 0. */
void guest_join(uaddr_t tid_at);
/* Somewhere in a program: kicks and signals arrive here. */
void guest_poll(void);
/* A page fault (access 1 read, 2 write, 4 execute) that the kernel did not resolve. */
void guest_fault(uint64_t address, uint64_t access);
/* sigaction with SA_RESTORER; `mask` 0. */
void guest_handle(int number, guest_function *handler, uint64_t flags);
/* Words of the guest's memory. */
void guest_store(uaddr_t at, uint64_t value);
uint64_t guest_load(uaddr_t at);
void guest_store_32(uaddr_t at, uint32_t value);
uint32_t guest_load_32_of(uaddr_t at);
/* wait4 for that child: its status; or the error. */
int64_t guest_wait(int32_t pid);

/* The CPU's part (linux/arch). */
void world_set_call(struct guest_registers *registers, unsigned number,
                    const uint64_t arguments[6]);
uint64_t world_pc(const struct guest_registers *registers);
void world_set_pc(struct guest_registers *registers, uint64_t pc);
void world_set_stack(struct guest_registers *registers, uint64_t stack);
/* What the child of a clone finds though its call changes the others. */
uint64_t world_kept(const struct guest_registers *registers);
void world_set_kept(struct guest_registers *registers, uint64_t value);
void world_handler_arguments(const struct guest_registers *registers, uint64_t arguments_out[3]);
/* As the handler's return leaves it to the restorer. */
void world_handler_returns(struct guest_registers *registers, uint64_t stack);
uint64_t world_instruction_bytes(void);
