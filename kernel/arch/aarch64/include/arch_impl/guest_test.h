/* The registers of a guest by their part in the tests' snippets (guest_code.S). */
#pragma once

#include <guest.h>
#include <stdbool.h>

#define GUEST_IP(registers)             ((registers)->pc)
#define GUEST_SP(registers)             ((registers)->sp)
#define GUEST_ARGUMENT(registers)       ((registers)->x[0])
#define GUEST_SECOND(registers)         ((registers)->x[1])
#define GUEST_COUNTER(registers)        ((registers)->x[19])
#define GUEST_FLAGS_OF(registers)       ((registers)->pstate)
#define GUEST_THREAD_POINTER(registers) ((registers)->tpidr)
#define GUEST_NUMBER(registers)         ((registers)->x[8])

enum {
    GUEST_GENERAL = 31,
    GUEST_SYSCALL_BYTES = 4,
    GUEST_UNDEFINED_CODE = 0,
    GUEST_STEP_CODE = 0x32
};
#define GUEST_FLAG_STEP   ((uint64_t)1 << 21)
#define GUEST_FLAGS_FELT  ((uint64_t)0x200000) /* by ordinary code: single step */
#define GUEST_FLAGS_KEPT  ((uint64_t)0xf0000000)
#define GUEST_FLAGS_FIXED ((uint64_t)0)

static inline bool guest_thread_pointer_ok(uint64_t value)
{
    (void)value;
    return true;
}

/* What a system call itself changes: nothing. */
static inline void guest_registers_settle(struct guest_registers *registers)
{
    (void)registers;
}
