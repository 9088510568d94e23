/* Page table entries say what they were told to. */
#include <arch/pte.h>
#include <base/test.h>

static const unsigned perms[] = {
    PERM_READ | PERM_GLOBAL,
    PERM_READ | PERM_WRITE | PERM_GLOBAL,
    PERM_READ | PERM_EXECUTE | PERM_GLOBAL,
    PERM_READ | PERM_WRITE | PERM_DEVICE | PERM_GLOBAL,
    PERM_READ | PERM_WRITE | PERM_WRITE_COMBINE | PERM_GLOBAL,
    PERM_USER,
    PERM_READ | PERM_USER,
    PERM_READ | PERM_WRITE | PERM_USER,
    PERM_READ | PERM_EXECUTE | PERM_USER,
    PERM_READ | PERM_WRITE | PERM_DEVICE | PERM_USER,
};

TEST(leaves_keep_address_and_permissions)
{
    for (size_t i = 0; i < ARRAY_LEN(perms); i++) {
        for (unsigned level = 0; level < 3; level++) {
            struct pte pte = pte_leaf(paddr(UINT64_C(0x7fffc0000000)), perms[i], level);
            EXPECT(arch_pte_present(pte));
            EXPECT(arch_pte_is_leaf(pte, level));
            EXPECT_EQ(arch_pte_perm(pte), perms[i]);
            EXPECT_EQ(arch_pte_paddr(pte).raw, UINT64_C(0x7fffc0000000));
        }
    }
}

TEST(tables_are_no_leaves)
{
    struct pte pte = arch_pte_table(paddr(0x1000));
    EXPECT(arch_pte_present(pte));
    EXPECT(!arch_pte_is_leaf(pte, 1));
    EXPECT_EQ(arch_pte_paddr(pte).raw, 0x1000);
    EXPECT(!arch_pte_present(arch_pte_empty()));
}

/* By the bits of the architecture manual, not by our own names for them. */
TEST(neither_side_executes_the_others_pages)
{
    uint64_t user = pte_leaf(paddr(0), PERM_READ | PERM_EXECUTE | PERM_USER, 0).raw;
    uint64_t kernel = pte_leaf(paddr(0), PERM_READ | PERM_EXECUTE | PERM_GLOBAL, 0).raw;
    uint64_t data = pte_leaf(paddr(0), PERM_READ | PERM_WRITE | PERM_USER, 0).raw;
    EXPECT_EQ(user >> 53 & 3, 1);   /* PXN */
    EXPECT_EQ(kernel >> 53 & 3, 2); /* UXN */
    EXPECT_EQ(data >> 53 & 3, 3);
    EXPECT_EQ(user >> 6 & 3, 3);   /* AP: EL0, read-only */
    EXPECT_EQ(data >> 6 & 3, 1);   /* AP: EL0, read-write */
    EXPECT_EQ(kernel >> 6 & 3, 2); /* AP: EL1 only, read-only */
    EXPECT_EQ(user >> 11 & 1, 1);  /* not global */
}
