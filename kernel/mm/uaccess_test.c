/* Copies to and from user space: what is checked before the architecture copies, and faults on the
 * way. */
#include <arch/mmu.h>
#include <kernel/test.h>
#include <kernel/uaccess.h>
#include <kernel/vspace.h>

#define AT ((uint64_t)0x200000)

HOST_TEST(copies_fault_pages_in_and_stop_where_they_may_not_go)
{
    struct vspace *vspace;
    char out[] = "across a page boundary";
    char in[sizeof(out)] = "";
    uaddr_t across = uaddr(AT + PAGE_SIZE - 7);

    REQUIRE(vspace_create(NULL, &vspace) == OK);
    arch_vspace_activate(vspace);
    EXPECT_EQ(vspace_reserve(vspace, uaddr(AT), 2 * PAGE_SIZE, PERM_READ | PERM_WRITE), OK);
    EXPECT_EQ(copy_to_user(across, out, sizeof(out)), OK);
    EXPECT_EQ(copy_from_user(in, across, sizeof(in)), OK);
    EXPECT_STR(in, out);
    EXPECT_EQ(vspace->page_count, 2);
    EXPECT_EQ(copy_to_user(uaddr(AT + 2 * PAGE_SIZE - 4), out, 8), ERR_FAULT);
    EXPECT_EQ(vspace_protect(vspace, uaddr(AT), PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(copy_to_user(uaddr(AT), out, 1), ERR_FAULT);
    EXPECT_EQ(copy_from_user(in, uaddr(AT), 1), OK);
    arch_vspace_activate(NULL);
    vspace_put(vspace);
}

/* The addresses that must never reach the copy routines. */
TEST(addresses_outside_the_user_half_are_refused)
{
    static const struct {
        uint64_t at;
        size_t size_bytes;
    } bad[] = {
        { 0, 1 },         { PAGE_SIZE - 1, 1 },      { USER_END, 1 },   { USER_END - 1, 2 },
        { AT, SIZE_MAX }, { AT, USER_END - AT + 1 }, { UINT64_MAX, 1 }, { UINT64_MAX - 7, 16 },
        { BIT64(63), 8 },
    };
    char byte[16];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        EXPECT_EQ(copy_from_user(byte, uaddr(bad[i].at), bad[i].size_bytes), ERR_FAULT);
        EXPECT_EQ(copy_to_user(uaddr(bad[i].at), byte, bad[i].size_bytes), ERR_FAULT);
    }
}
