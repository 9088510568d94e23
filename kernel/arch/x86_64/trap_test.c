#include "regs.h"
#include "x86.h"
#include <arch/mmu.h>
#include <arch/pte.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <base/string.h>
#include <base/test.h>

extern const uint64_t extable_start[], extable_end[];
extern const char image_text_start[], image_text_end[];

static bool in_text(uint64_t at)
{
    return at >= (uint64_t)(uintptr_t)image_text_start && at < (uint64_t)(uintptr_t)image_text_end;
}

GUEST_TEST(every_fixup_leads_from_code_to_code)
{
    EXPECT(&extable_end[0] > &extable_start[0]);
    for (const uint64_t *word = extable_start; word < extable_end; word++)
        EXPECT(in_text(*word));
    EXPECT(x86_fixup_find(extable_start[0]) == (const void *)(uintptr_t)extable_start[1]);
    EXPECT(x86_fixup_find(extable_start[0] + 1) == NULL);
}

/* The copy itself does not mind whose addresses they are. */
GUEST_TEST(user_copies_are_exact_at_every_length_and_alignment)
{
    uint8_t from[80], to[80];
    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7 + 1);
    for (unsigned offset = 0; offset < 8; offset++) {
        for (unsigned size = 0; size < 64; size++) {
            memset(to, 0, sizeof(to));
            EXPECT_EQ(arch_copy_from_user(to + offset, uaddr((uint64_t)(uintptr_t)from), size), 0);
            EXPECT(memcmp(to + offset, from, size) == 0);
            EXPECT_EQ(to[offset + size], 0);
        }
    }
}

GUEST_TEST(a_copy_that_faults_tells_what_is_missing)
{
    uint8_t buffer[32] = { 0 };
    arch_vspace_activate(NULL);
    static const size_t sizes[] = { 1, 7, 8, 9, 31, 32 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        EXPECT_EQ(arch_copy_from_user(buffer, uaddr(USER_START), sizes[i]), sizes[i]);
        EXPECT_EQ(arch_copy_to_user(uaddr(USER_END - 64), buffer, sizes[i]), sizes[i]);
    }
}

GUEST_TEST(control_registers_hold_what_was_promised)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();
    EXPECT((cr0 & CR0_WP) != 0);
    EXPECT_EQ(rdmsr(MSR_EFER), EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    EXPECT_EQ((cr4 & CR4_SMEP) != 0, x86_features.smep);
    EXPECT_EQ((cr4 & CR4_SMAP) != 0, x86_features.smap);
    EXPECT_EQ((cr4 & CR4_UMIP) != 0, x86_features.umip);
    EXPECT_EQ((cr4 & CR4_PCIDE) != 0, x86_features.pcid);
    EXPECT_EQ(rdmsr(MSR_STAR) >> 32, (uint64_t)SELECTOR_KERNEL_DATA << 16 | SELECTOR_KERNEL_CODE);
    EXPECT_EQ(rdmsr(MSR_SYSENTER_CS), 0);
}

TEST(a_frame_starts_in_user_mode_with_nothing_of_anybody)
{
    struct trap_frame frame;
    memset(&frame, 0xee, sizeof(frame));
    arch_frame_init(&frame, uaddr(0x400000), uaddr(0x7000), 42);
    EXPECT_EQ(arch_frame_ip(&frame), 0x400000);
    EXPECT_EQ(arch_frame_sp(&frame), 0x7000);
    EXPECT_EQ(frame.rdi, 42);
    EXPECT_EQ(frame.cs & 3, 3);
    EXPECT_EQ(frame.ss & 3, 3);
    EXPECT_EQ(frame.rflags, 0x202);
    EXPECT_EQ(frame.rax | frame.rbx | frame.rcx | frame.rdx | frame.rsi | frame.rbp, 0);
    EXPECT_EQ(frame.r8 | frame.r9 | frame.r10 | frame.r11 | frame.r12 | frame.r13 | frame.r14 |
                  frame.r15,
              0);
}

TEST(no_frame_starts_outside_the_user_half)
{
    static const uint64_t hostile[] = { USER_END, 0x0000800000000000, 0xffffffff80000000,
                                        UINT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct trap_frame frame;
        arch_frame_init(&frame, uaddr(hostile[i]), uaddr(0), 0);
        EXPECT_EQ(arch_frame_ip(&frame), USER_END);
    }
}

TEST(entries_say_what_they_were_made_of)
{
    static const unsigned perms[] = {
        PERM_READ,
        PERM_READ | PERM_WRITE,
        PERM_READ | PERM_EXECUTE,
        PERM_READ | PERM_USER,
        PERM_READ | PERM_WRITE | PERM_USER,
        PERM_READ | PERM_WRITE | PERM_DEVICE,
        PERM_READ | PERM_WRITE | PERM_WRITE_COMBINE,
        PERM_READ | PERM_WRITE | PERM_GLOBAL,
    };
    for (size_t i = 0; i < ARRAY_LEN(perms); i++) {
        for (unsigned level = 0; level < 3; level++) {
            uint64_t at = (uint64_t)PAGE_SIZE << (9 * level);
            struct pte pte = pte_leaf(paddr(at), perms[i], level);
            EXPECT(arch_pte_present(pte));
            EXPECT(arch_pte_is_leaf(pte, level));
            EXPECT_EQ(arch_pte_perm(pte), perms[i]);
            EXPECT_EQ(arch_pte_paddr(pte).raw, at);
        }
    }
    struct pte table = arch_pte_table(paddr(0x1000));
    EXPECT(arch_pte_present(table) && !arch_pte_is_leaf(table, 1));
    EXPECT(!arch_pte_present(arch_pte_empty()));
}
