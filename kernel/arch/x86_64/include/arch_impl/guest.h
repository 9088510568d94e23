/* Of a sandbox, while its thread is in a guest. */
#pragma once

#include <arch_impl/trap.h>
#include <stdint.h>

struct arch_guest {
    uint64_t ip, sp;
    uint64_t fs_base, gs_base;
};

static inline void arch_frame_set_ip(struct trap_frame *frame, uint64_t ip)
{
    frame->rip = MIN(ip, USER_END);
}
