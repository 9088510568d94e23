/* Descriptors, as segment.c makes them (Intel SDM vol. 3, 3.4.5, 6.14.1, 7.2.3). */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

/* Present, limit 4 GiB; 64-bit code, and data that can be written; both accessed. Add the privilege
 * << 45. */
#define SEGMENT_CODE_64  0x00af9b000000ffffu
#define SEGMENT_DATA     0x00cf93000000ffffu
#define SEGMENT_TSS_64   0x0000890000000000u
#define SEGMENT_TSS_BUSY 0x0000020000000000u

#define GATE_INTERRUPT 0x8eu

enum { EXCEPTION_BREAKPOINT = 3 };

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct idt_gate) == 16, "the hardware's layout");

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} PACKED;

uint64_t x86_segment_code(unsigned privilege);
uint64_t x86_segment_data(unsigned privilege);
void x86_segment_tss(uint64_t slot[2], uint64_t base, uint32_t limit);
struct idt_gate x86_gate(uint64_t target, unsigned privilege, unsigned ist);
