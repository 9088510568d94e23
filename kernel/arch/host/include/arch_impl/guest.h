/* Guests do not run here; the frame keeps what it is told. */
#pragma once

#include <arch_impl/trap.h>
#include <stdint.h>

struct arch_guest {
    struct trap_frame sandbox;
};

static inline void arch_frame_set_ip(struct trap_frame *frame, uint64_t ip)
{
    frame->ip = ip;
}
