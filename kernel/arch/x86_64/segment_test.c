#include "segment_impl.h"
#include <arch_impl/cpu.h>
#include <base/test.h>

static uint64_t field(uint64_t word, unsigned low, unsigned count)
{
    return word >> low & (((uint64_t)1 << count) - 1);
}

TEST(code_segments_are_64_bit_and_data_segments_writable)
{
    for (unsigned privilege = 0; privilege <= 3; privilege += 3) {
        uint64_t code = x86_segment_code(privilege), data = x86_segment_data(privilege);
        EXPECT_EQ(field(code, 40, 4) & 0xa, 0xa); /* code, readable */
        EXPECT_EQ(field(data, 40, 4) & 0xa, 0x2); /* data, writable */
        EXPECT_EQ(field(code, 44, 1), 1);
        EXPECT_EQ(field(data, 44, 1), 1);
        EXPECT_EQ(field(code, 45, 2), privilege);
        EXPECT_EQ(field(data, 45, 2), privilege);
        EXPECT_EQ(field(code, 47, 1), 1);
        EXPECT_EQ(field(data, 47, 1), 1);
        EXPECT_EQ(field(code, 53, 2), 1); /* L without D */
    }
}

TEST(the_task_state_segment_takes_two_places)
{
    uint64_t slot[2];
    x86_segment_tss(slot, 0xfedcba9876543210, 103);
    uint64_t base = field(slot[0], 16, 24) | field(slot[0], 56, 8) << 24 | slot[1] << 32;
    EXPECT_EQ(base, 0xfedcba9876543210);
    EXPECT_EQ(field(slot[0], 0, 16) | field(slot[0], 48, 4) << 16, 103);
    EXPECT_EQ(field(slot[0], 40, 5), 9); /* system, available 64-bit TSS */
    EXPECT_EQ(field(slot[0], 45, 2), 0);
    EXPECT_EQ(SELECTOR_TSS, GDT_TSS * 8);
    EXPECT_EQ(GDT_COUNT, GDT_TSS + 2);
}

TEST(gates_lead_to_kernel_code_and_mask_interrupts)
{
    struct idt_gate gate = x86_gate(0xffffffff80123456, 3, IST_NMI);
    uint64_t target =
        gate.offset_low | (uint64_t)gate.offset_middle << 16 | (uint64_t)gate.offset_high << 32;
    EXPECT_EQ(target, 0xffffffff80123456);
    EXPECT_EQ(gate.selector, SELECTOR_KERNEL_CODE);
    EXPECT_EQ(gate.type & 0xf, 0xe); /* an interrupt gate, not a trap gate */
    EXPECT_EQ(gate.type >> 5 & 3, 3);
    EXPECT_EQ(gate.ist, IST_NMI);
    EXPECT_EQ(x86_gate(0, 0, 0).type, 0x8e);
}

TEST(sysret_finds_the_user_segments)
{
    unsigned star_user = SELECTOR_KERNEL_DATA, star_kernel = SELECTOR_KERNEL_CODE;
    EXPECT_EQ(((star_user + 16) | 3), SELECTOR_USER_CODE);
    EXPECT_EQ(((star_user + 8) | 3), SELECTOR_USER_DATA);
    EXPECT_EQ(star_kernel + 8, SELECTOR_KERNEL_DATA);
}
