/* Address spaces on the real MMU, with so few ASIDs that every switch may reuse one: a test with
 * fresh ASIDs would pass without any flush at all.
 */
#include "mmu_impl.h"

#include <arch/mmu.h>
#include <arch/uaccess.h>
#include <kernel/frame.h>
#include <kernel/test.h>
#include <kernel/vspace.h>

enum { SPACES = 24, ROUNDS = 20 };

#define AT ((uint64_t)0x10000000)

/* No TLB entry of an earlier test may help or harm: user space of the boot CPU is this test's. */
static struct vspace *space[SPACES];

static bool write_word(uint64_t at, uint64_t word)
{
    return arch_copy_to_user(uaddr(at), &word, sizeof(word)) == 0;
}

static bool read_word(uint64_t at, uint64_t *word)
{
    return arch_copy_from_user(word, uaddr(at), sizeof(*word)) == 0;
}

static bool map_page(struct vspace *vspace, uint64_t at, unsigned perm)
{
    return vspace_reserve(vspace, uaddr(at), PAGE_SIZE, perm) == OK &&
           vspace_fault(vspace, uaddr(at), perm & PERM_WRITE) == OK;
}

static void few_asids(void)
{
    mmu_limit_asids(cpu_count + 2);
}

static void leave(unsigned count)
{
    arch_vspace_activate(NULL);
    for (unsigned i = 0; i < count; i++)
        vspace_put(space[i]);
    mmu_limit_asids(0);
}

static bool create(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (vspace_create(NULL, &space[i]) != OK ||
            !map_page(space[i], AT, PERM_READ | PERM_WRITE)) {
            test_fail(__FILE__, __LINE__, "address spaces");
            return false;
        }
    }
    return true;
}

GUEST_TEST(each_space_sees_its_own_page_under_reused_asids)
{
    few_asids();
    uint64_t before = mmu_asid_rollovers();
    REQUIRE(create(SPACES));
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < SPACES; i++) {
            uint64_t word = 0;
            arch_vspace_activate(space[i]);
            EXPECT(read_word(AT, &word));
            EXPECT_EQ(word, round == 0 ? 0 : 1000 * (round - 1) + i);
            EXPECT(write_word(AT, 1000 * round + i));
        }
    }
    EXPECT(mmu_asid_rollovers() > before + ROUNDS);
    leave(SPACES);
}

/* Space 1 gets what space 0 had cached: the page at AT + 4 KiB is there for one of them only. */
GUEST_TEST(an_unmapped_page_stays_away_when_its_asid_comes_back)
{
    few_asids();
    REQUIRE(create(SPACES));
    for (unsigned i = 0; i < SPACES; i++) {
        uint64_t word;
        arch_vspace_activate(space[i]);
        EXPECT(!read_word(AT + PAGE_SIZE, &word));
        EXPECT(map_page(space[i], AT + PAGE_SIZE, PERM_READ | PERM_WRITE));
        EXPECT(write_word(AT + PAGE_SIZE, i));
    }
    for (unsigned i = 0; i < SPACES; i += 2)
        EXPECT_EQ(vspace_unmap(space[i], uaddr(AT + PAGE_SIZE), PAGE_SIZE), OK);
    for (unsigned i = 0; i < SPACES; i++) {
        uint64_t word = 0;
        arch_vspace_activate(space[i]);
        EXPECT_EQ(read_word(AT + PAGE_SIZE, &word), i % 2 == 1);
        EXPECT_EQ(word, i % 2 == 1 ? i : 0);
    }
    leave(SPACES);
}

GUEST_TEST(flushes_reach_the_active_space)
{
    uint64_t word = 0;
    few_asids();
    REQUIRE(create(1));
    arch_vspace_activate(space[0]);
    EXPECT(write_word(AT, 7));
    EXPECT_EQ(vspace_protect(space[0], uaddr(AT), PAGE_SIZE, PERM_READ), OK);
    EXPECT(!write_word(AT, 8));
    EXPECT(read_word(AT, &word));
    EXPECT_EQ(word, 7);
    EXPECT_EQ(vspace_unmap(space[0], uaddr(AT), PAGE_SIZE), OK);
    EXPECT(!read_word(AT, &word));
    leave(1);
}

/* Every length and misalignment around the copy's step sizes, up to an unmapped page: what is
 * reported as copied is what was copied, to the byte.
 */
GUEST_TEST(copies_stop_at_the_exact_byte)
{
    static uint8_t from[160], back[160];
    REQUIRE(create(1));
    arch_vspace_activate(space[0]);
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i * 7 + 1);
    for (size_t room = 0; room < 70; room++) {
        for (size_t size = room; size < 140; size += 23) {
            uint64_t start = AT + PAGE_SIZE - room;
            size_t left = size - room;
            EXPECT_EQ(arch_copy_to_user(uaddr(start), from, size), left);
            for (size_t i = 0; i < sizeof(back); i++)
                back[i] = 0;
            EXPECT_EQ(arch_copy_from_user(back, uaddr(start), size), left);
            bool same = true;
            for (size_t i = 0; i < sizeof(back); i++)
                same = same && back[i] == (i < room ? from[i] : 0);
            EXPECT(same);
        }
    }
    leave(1);
}

/* PAN holds from arch_cpu_init on, over every trap since: the kernel cannot reach user memory by
 * accident.
 */
GUEST_TEST(privileged_access_never_is_on)
{
    if (ID_FIELD(SYSREG_READ(id_aa64mmfr1_el1), 20) == 0)
        SKIP("this CPU has no PAN");
    EXPECT_EQ(SYSREG_READ(S3_0_C4_C2_3) >> 22 & 1, 1);
}

GUEST_TEST(a_read_only_page_stays_read_only_for_copies)
{
    uint64_t word = 1;
    REQUIRE(create(1));
    arch_vspace_activate(space[0]);
    EXPECT(map_page(space[0], AT + PAGE_SIZE, PERM_READ));
    EXPECT(!write_word(AT + PAGE_SIZE, 1));
    EXPECT(read_word(AT + PAGE_SIZE, &word));
    EXPECT_EQ(word, 0);
    leave(1);
}

/* Without an address space nothing of the last one is left, although its translations are cached.
 */
GUEST_TEST(no_address_space_means_no_translations)
{
    uint64_t word = 0;
    if (!create(1)) {
        leave(1);
        return;
    }
    arch_vspace_activate(space[0]);
    EXPECT(write_word(AT, 42));
    EXPECT(read_word(AT, &word) && word == 42);
    arch_vspace_activate(NULL);
    EXPECT(!read_word(AT, &word));
    EXPECT(!write_word(AT, 43));
    arch_vspace_activate(space[0]);
    EXPECT(read_word(AT, &word) && word == 42);
    leave(1);
}
