/* User registers as the vectors store them, and kernel registers as panic shows them. */
#pragma once

/* What user mode may find in SPSR_EL1.{M,F,I,A,D}: EL0t, nothing masked. All of these bits are 0,
 * and the return path refuses anything else.
 */
#define PSTATE_USER         UINT64_C(0)
#define PSTATE_FIXED_BITS   UINT64_C(0x3ff)
#define KERNEL_FAULT_ROOM   1024 /* stack that must be left for the handling of an exception */
#define OVERFLOW_STACK_SIZE 8192

struct trap_frame {
    uint64_t x[31];
    uint64_t sp; /* SP_EL0 */
    uint64_t pc; /* ELR_EL1 */
    uint64_t pstate;
};

struct kernel_registers {
    uint64_t x[31];
    uint64_t sp;
    uint64_t pc;
    uint64_t pstate;
    uint64_t syndrome; /* ESR_EL1 */
    uint64_t address;  /* FAR_EL1 */
};

static inline void arch_frame_init(struct trap_frame *frame, uaddr_t ip, uaddr_t sp,
                                   uint64_t argument)
{
    *frame = (struct trap_frame){ .sp = sp.raw, .pc = ip.raw, .pstate = PSTATE_USER };
    frame->x[0] = argument;
}

static inline uint64_t arch_frame_ip(const struct trap_frame *frame)
{
    return frame->pc;
}

static inline uint64_t arch_frame_sp(const struct trap_frame *frame)
{
    return frame->sp;
}

static inline uint64_t arch_frame_syscall_number(const struct trap_frame *frame)
{
    return frame->x[8];
}

static inline uint64_t arch_frame_syscall_argument(const struct trap_frame *frame, unsigned index)
{
    return frame->x[index];
}

static inline void arch_frame_syscall_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t value)
{
    frame->x[0] = status;
    frame->x[1] = value;
}

static inline void arch_frame_syscall_restart(struct trap_frame *frame)
{
    frame->pc -= 4;
}

static inline void arch_frame_syscall_set_argument(struct trap_frame *frame, unsigned index,
                                                   uint64_t value)
{
    frame->x[index] = value;
}

/* ---- Messages (abi/ipc.h) ---- */

static inline uint64_t *arch_frame_message_word(struct trap_frame *frame, unsigned index)
{
    return &frame->x[index < 4 ? 4 + index : 5 + index];
}

static inline void arch_frame_message_copy(struct trap_frame *to, const struct trap_frame *from,
                                           unsigned words)
{
    switch (words) {
    case 8:
        to->x[12] = from->x[12];
        FALLTHROUGH;
    case 7:
        to->x[11] = from->x[11];
        FALLTHROUGH;
    case 6:
        to->x[10] = from->x[10];
        FALLTHROUGH;
    case 5:
        to->x[9] = from->x[9];
        FALLTHROUGH;
    case 4:
        to->x[7] = from->x[7];
        FALLTHROUGH;
    case 3:
        to->x[6] = from->x[6];
        FALLTHROUGH;
    case 2:
        to->x[5] = from->x[5];
        FALLTHROUGH;
    case 1:
        to->x[4] = from->x[4];
        FALLTHROUGH;
    default:
        break;
    }
}

static inline void arch_frame_message_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t info, uint64_t badge)
{
    frame->x[0] = status;
    frame->x[1] = info;
    frame->x[2] = badge;
}

static inline void arch_frame_syscall_restart_as(struct trap_frame *frame, uint64_t number)
{
    frame->x[8] = number;
    arch_frame_syscall_restart(frame);
}
