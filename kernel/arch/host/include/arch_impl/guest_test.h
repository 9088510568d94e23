/* No guest runs on the host: what tests name of registers has to compile, for the CPU that there
 * is.
 */
#pragma once

#include <guest.h>
#include <stdbool.h>

#ifdef __x86_64__
#define GUEST_IP(registers)             ((registers)->rip)
#define GUEST_FLAGS_OF(registers)       ((registers)->rflags)
#define GUEST_THREAD_POINTER(registers) ((registers)->fs_base)
#else
#define GUEST_IP(registers)             ((registers)->pc)
#define GUEST_FLAGS_OF(registers)       ((registers)->pstate)
#define GUEST_THREAD_POINTER(registers) ((registers)->tpidr)
#endif
#define GUEST_FLAGS_FELT ((uint64_t)0)

static inline bool guest_thread_pointer_ok(uint64_t value)
{
    (void)value;
    return true;
}
