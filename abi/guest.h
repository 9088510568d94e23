/* Guest execution: what the kernel and a sandbox share. docs/architecture/guest-execution.md says
 * how they use it.
 *
 * User space is cut in two. What lies below GUEST_END belongs to the guest that a thread is in; the
 * rest is the sandbox's, one top-level entry of the page tables on every architecture.
 */
#pragma once

#include <stdint.h>

#define GUEST_END ((uint64_t)0x00007f8000000000)

/* Why guest_enter came back: its value, and guest_state.reason. */
enum guest_reason {
    GUEST_REASON_SYSCALL = 1, /* the guest executed the system call instruction */
    GUEST_REASON_EXCEPTION,   /* guest_state.fault says which */
    GUEST_REASON_KICK,        /* guest_kick was called since the last return for it */
};

/* The guest's registers, as every exit leaves them and the next entry finds them. What is in no
 * field (vector registers above all) stays in the CPU and belongs to the thread.
 */
#if defined(__x86_64__)
/* After a system call rcx is rip and r11 is rflags, and an entry with these two as they are is the
 * cheap one.
 */
struct guest_registers {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t rip;    /* an entry needs one below GUEST_END */
    uint64_t rflags; /* an entry takes the bits of GUEST_FLAGS alone */
    uint64_t rsp;
    uint64_t fs_base, gs_base; /* an entry needs canonical ones */
};
/* Carry, parity, adjust, zero, sign, trap, direction, overflow, alignment check, identification. */
#define GUEST_FLAGS ((uint64_t)0x240dd5)
#elif defined(__aarch64__)
struct guest_registers {
    uint64_t x[31];
    uint64_t sp;
    uint64_t pc;     /* an entry needs one below GUEST_END */
    uint64_t pstate; /* an entry takes the bits of GUEST_FLAGS alone */
    uint64_t tpidr;
};
/* N, Z, C, V, and the bit that makes the guest come back after one instruction. */
#define GUEST_FLAGS ((uint64_t)0xf0200000)
#else
#error "no guests on this architecture"
#endif

struct guest_fault {
    uint64_t address; /* that the access went to, or of the instruction */
    uint64_t access;  /* 1 read, 2 write, 4 execute: a page fault; 0: any other exception */
    uint64_t status; /* why the kernel did not resolve it: enum status, FAULT or a lack of memory */
    uint64_t code;   /* x86_64: vector; aarch64: ESR_EL1.EC */
    uint64_t error;  /* x86_64: error code; aarch64: ESR_EL1 */
};

enum { GUEST_REPLIES = 256 };

/* One page. The kernel reads each word once, and believes none. */
struct guest_state {
    struct guest_registers registers;
    uint64_t reason;
    struct guest_fault fault;

    /* A page fault of the sandbox's own that the kernel cannot resolve, at an instruction within
     * [recover_start, recover_end), goes on at recover_at instead of ending the thread;
     * recover_address is where the access went.
     */
    uint64_t recover_start, recover_end, recover_at;
    uint64_t recover_address;

    /* System calls of the guest that always give the same result: for a number below GUEST_REPLIES
     * whose bit is set the kernel returns reply[number], and the guest goes on.
     */
    uint64_t reply_set[GUEST_REPLIES / 64];
    uint64_t reply[GUEST_REPLIES];
};
