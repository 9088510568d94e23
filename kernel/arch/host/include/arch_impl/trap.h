/* A frame that keeps what the accessors are asked for. */
#pragma once

struct trap_frame {
    uint64_t argument[6];
    uint64_t number;
    uint64_t status;
    uint64_t value;
    uint64_t ip;
    uint64_t sp;
    uint64_t message[8];
    uint64_t reserved;
};

struct kernel_registers {
    uint64_t ip;
};

static inline void arch_frame_init(struct trap_frame *frame, uaddr_t ip, uaddr_t sp,
                                   uint64_t argument)
{
    *frame = (struct trap_frame){ .argument = { argument }, .ip = ip.raw, .sp = sp.raw };
}

static inline uint64_t arch_frame_ip(const struct trap_frame *frame)
{
    return frame->ip;
}

static inline uint64_t arch_frame_sp(const struct trap_frame *frame)
{
    return frame->sp;
}

static inline uint64_t arch_frame_syscall_number(const struct trap_frame *frame)
{
    return frame->number;
}

static inline uint64_t arch_frame_syscall_argument(const struct trap_frame *frame, unsigned index)
{
    return frame->argument[index];
}

static inline void arch_frame_syscall_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t value)
{
    frame->status = status;
    frame->value = value;
}

static inline void arch_frame_syscall_restart(struct trap_frame *frame)
{
    frame->ip -= 1;
}

static inline void arch_frame_syscall_set_argument(struct trap_frame *frame, unsigned index,
                                                   uint64_t value)
{
    frame->argument[index] = value;
}

static inline uint64_t *arch_frame_message_word(struct trap_frame *frame, unsigned index)
{
    return &frame->message[index];
}

static inline void arch_frame_message_copy(struct trap_frame *to, const struct trap_frame *from,
                                           unsigned words)
{
    for (unsigned i = 0; i < words; i++)
        to->message[i] = from->message[i];
}

static inline void arch_frame_message_return(struct trap_frame *frame, uint64_t status,
                                             uint64_t info, uint64_t badge)
{
    frame->status = status;
    frame->argument[1] = info;
    frame->argument[2] = badge;
    frame->value = badge; /* the same register, elsewhere */
}

static inline void arch_frame_syscall_restart_as(struct trap_frame *frame, uint64_t number)
{
    frame->number = number;
    arch_frame_syscall_restart(frame);
}
