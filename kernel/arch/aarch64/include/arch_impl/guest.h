/* Of a sandbox, while its thread is in a guest. */
#pragma once

#include <arch_impl/trap.h>
#include <stdbool.h>
#include <stdint.h>

struct arch_guest {
    uint64_t pc, sp, tpidr;
    bool step; /* the guest is to come back after one instruction */
};

static inline void arch_frame_set_ip(struct trap_frame *frame, uint64_t ip)
{
    frame->pc = ip;
}
