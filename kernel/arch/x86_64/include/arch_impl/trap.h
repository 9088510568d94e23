/* User registers, in the order in which the hardware and entry.S store them: an interrupt from user
 * mode pushes its five words straight to the end of this structure.
 *
 * A system call stores neither rcx nor r11 (the instruction itself overwrites them), nor cs and ss,
 * which never change after arch_frame_init.
 */
#pragma once

#include <arch_impl/cpu.h>
#include <base/compiler.h>
#include <kernel/addr.h>

enum {
    TRAP_VECTOR_NONE = 0x1ff,    /* never entered yet */
    TRAP_VECTOR_SYSCALL = 0x100, /* by syscall: may go back by sysret */
};

/* RFLAGS */
#define X86_FLAGS_FIXED        BIT64(1)
#define X86_FLAGS_TRAP         BIT64(8)
#define X86_FLAGS_INTERRUPTS   BIT64(9)
#define X86_FLAGS_DIRECTION    BIT64(10)
#define X86_FLAGS_IO_PRIVILEGE (BIT64(12) | BIT64(13))
#define X86_FLAGS_NESTED       BIT64(14)
#define X86_FLAGS_AC           BIT64(18)

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss; /* by the hardware */
};
_Static_assert(sizeof(struct trap_frame) % 16 == 0, "the hardware aligns its stack to 16");

/* The instruction pointer is kept below USER_END: no frame can make sysret or iretq fault. */
static inline void arch_frame_init(struct trap_frame *frame, uaddr_t ip, uaddr_t sp,
                                   uint64_t argument)
{
    *frame = (struct trap_frame){
        .rip = MIN(ip.raw, USER_END),
        .rsp = sp.raw,
        .rdi = argument,
        .vector = TRAP_VECTOR_NONE,
        .cs = SELECTOR_USER_CODE,
        .ss = SELECTOR_USER_DATA,
        .rflags = X86_FLAGS_FIXED | X86_FLAGS_INTERRUPTS,
    };
}

static inline uint64_t arch_frame_ip(const struct trap_frame *frame)
{
    return frame->rip;
}

static inline uint64_t arch_frame_sp(const struct trap_frame *frame)
{
    return frame->rsp;
}

static inline uint64_t arch_frame_syscall_number(const struct trap_frame *frame)
{
    return frame->rax;
}

static inline uint64_t arch_frame_syscall_argument(const struct trap_frame *frame, unsigned index)
{
    switch (index) {
    case 0:
        return frame->rdi;
    case 1:
        return frame->rsi;
    case 2:
        return frame->rdx;
    case 3:
        return frame->r10;
    case 4:
        return frame->r8;
    default:
        return frame->r9;
    }
}

static inline void arch_frame_syscall_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t value)
{
    frame->rax = status;
    frame->rdx = value;
}

static inline void arch_frame_syscall_restart(struct trap_frame *frame)
{
    frame->rip -= 2; /* 0f 05 */
}

static inline void arch_frame_syscall_set_argument(struct trap_frame *frame, unsigned index,
                                                   uint64_t value)
{
    uint64_t *const word[] = { &frame->rdi, &frame->rsi, &frame->rdx,
                               &frame->r10, &frame->r8,  &frame->r9 };
    *word[index] = value;
}

/* ---- Messages (abi/ipc.h) ---- */

static inline uint64_t *arch_frame_message_word(struct trap_frame *frame, unsigned index)
{
    uint64_t *const word[] = { &frame->r8,  &frame->r9,  &frame->rbx, &frame->rbp,
                               &frame->r12, &frame->r13, &frame->r14, &frame->r15 };
    return word[index];
}

static inline void arch_frame_message_copy(struct trap_frame *to, const struct trap_frame *from,
                                           unsigned words)
{
    switch (words) {
    case 8:
        to->r15 = from->r15;
        FALLTHROUGH;
    case 7:
        to->r14 = from->r14;
        FALLTHROUGH;
    case 6:
        to->r13 = from->r13;
        FALLTHROUGH;
    case 5:
        to->r12 = from->r12;
        FALLTHROUGH;
    case 4:
        to->rbp = from->rbp;
        FALLTHROUGH;
    case 3:
        to->rbx = from->rbx;
        FALLTHROUGH;
    case 2:
        to->r9 = from->r9;
        FALLTHROUGH;
    case 1:
        to->r8 = from->r8;
        FALLTHROUGH;
    default:
        break;
    }
}

static inline void arch_frame_message_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t info, uint64_t badge)
{
    frame->rax = status;
    frame->rsi = info;
    frame->rdx = badge;
}

static inline void arch_frame_syscall_restart_as(struct trap_frame *frame, uint64_t number)
{
    frame->rax = number;
    arch_frame_syscall_restart(frame);
}
