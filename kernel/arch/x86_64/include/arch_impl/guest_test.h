/* The registers of a guest by their part in the tests' snippets (guest_code.S). */
#pragma once

#include <guest.h>
#include <stdbool.h>

#define GUEST_IP(registers)             ((registers)->rip)
#define GUEST_SP(registers)             ((registers)->rsp)
#define GUEST_ARGUMENT(registers)       ((registers)->rdi)
#define GUEST_SECOND(registers)         ((registers)->rsi)
#define GUEST_COUNTER(registers)        ((registers)->rbx)
#define GUEST_FLAGS_OF(registers)       ((registers)->rflags)
#define GUEST_THREAD_POINTER(registers) ((registers)->fs_base)
#define GUEST_NUMBER(registers)         ((registers)->rax)

enum { GUEST_GENERAL = 15, GUEST_SYSCALL_BYTES = 2, GUEST_UNDEFINED_CODE = 6, GUEST_STEP_CODE = 1 };
#define GUEST_FLAG_STEP ((uint64_t)0x100)
#define GUEST_FLAGS_FELT                                                                           \
    ((uint64_t)0x500) /* by ordinary code: single step, and strings that go down */
#define GUEST_FLAGS_KEPT  ((uint64_t)0x240cd5)
#define GUEST_FLAGS_FIXED ((uint64_t)0x202)

static inline bool guest_thread_pointer_ok(uint64_t value)
{
    return value >> 47 == 0 || value >> 47 == 0x1ffff;
}

/* What a system call itself changes. */
static inline void guest_registers_settle(struct guest_registers *registers)
{
    registers->rcx = registers->rip;
    registers->r11 = registers->rflags;
}
