/* What address spaces do to the processes that have them. */
#include <base/test.h>
#include <linux/abi/mman.h>
#include <linux/host.h>
#include <linux/world.h>

#define AT ((uint64_t)0x50000000)

static void gives_back(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(mmap, AT, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   (uint64_t)-1),
              (int64_t)AT);
    guest_store(AT, 7);
    host_clear_fails(true);
    (void)CALL(munmap, AT, 4096);
    EXPECT(false); /* it has ended */
}

static void parent(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(guest_wait((int32_t)guest_fork(gives_back, 0)), SIGKILL);
    host_clear_fails(false);
}

TEST(who_cannot_give_memory_back_ends)
{
    world_run(parent, 0);
}
