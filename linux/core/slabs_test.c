#include <base/compiler.h>
#include <base/test.h>
#include <linux/machine.h>
#include <linux/slabs.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 4096, BLOCKS = 3000 };

static char *region;
static unsigned char made[PAGES]; /* each page: is it there? */
static size_t made_count, pages_left;
static struct slabs slabs;
static uint64_t bits[PAGES / 64];

static bool make(void *at, size_t size_bytes)
{
    size_t first = (size_t)((char *)at - region) / MACHINE_PAGE;
    size_t count = size_bytes / MACHINE_PAGE;
    if (count > pages_left)
        return false;
    pages_left -= count;
    made_count += count;
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(made[first + i], 0);
        made[first + i] = 1;
    }
    return true;
}

static void take_back(void *at, size_t size_bytes)
{
    size_t first = (size_t)((char *)at - region) / MACHINE_PAGE;
    size_t count = size_bytes / MACHINE_PAGE;
    pages_left += count;
    made_count -= count;
    memset(at, 0, size_bytes);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(made[first + i], 1);
        made[first + i] = 0;
    }
}

static void begin(size_t budget_pages)
{
    region = aligned_alloc(MACHINE_PAGE, (size_t)PAGES * MACHINE_PAGE);
    memset(region, 0, (size_t)PAGES * MACHINE_PAGE);
    memset(made, 0, sizeof(made));
    memset(bits, 0, sizeof(bits));
    made_count = 0;
    pages_left = budget_pages;
    slabs_init(&slabs, region, PAGES, bits, make, take_back);
}

static void end(void)
{
    free(region);
}

static bool all_are(const unsigned char *at, size_t size_bytes, unsigned char value)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (at[i] != value)
            return false;
    }
    return true;
}

struct block {
    unsigned char *at;
    size_t size_bytes;
    unsigned char value;
};

static struct block blocks[BLOCKS];

static size_t random_size(uint64_t *seed)
{
    uint64_t kind = test_random(seed) % 10;
    if (kind == 0)
        return (size_t)(test_random(seed) % (20 * MACHINE_PAGE));
    return (size_t)(test_random(seed) % (kind < 7 ? 300 : 4200));
}

/* Every block is zero when it comes, at least as large as asked for, and nobody else's. */
TEST(random_blocks_are_zero_and_do_not_overlap)
{
    uint64_t seed = test_seed();
    begin(PAGES);
    for (unsigned step = 0; step < 60000; step++) {
        struct block *block = &blocks[test_random(&seed) % BLOCKS];
        if (block->at != NULL) {
            EXPECT(all_are(block->at, block->size_bytes, block->value));
            slabs_free(&slabs, block->at);
            block->at = NULL;
            continue;
        }
        size_t asked = random_size(&seed);
        block->at = slabs_alloc(&slabs, asked);
        if (block->at == NULL)
            continue;
        block->size_bytes = slabs_size(&slabs, block->at);
        block->value = (unsigned char)test_random(&seed);
        EXPECT(block->size_bytes >= asked);
        EXPECT_EQ((uintptr_t)block->at % 16, 0);
        EXPECT(all_are(block->at, block->size_bytes, 0));
        memset(block->at, block->value, block->size_bytes);
        REQUIRE(!test_has_failed());
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i].at != NULL)
            slabs_free(&slabs, blocks[i].at);
        blocks[i].at = NULL;
    }
    /* One slab of each size may stay, and the array of owners. */
    EXPECT(made_count <= 4 + 10 * 2 + 5 * 8);
    end();
}

TEST(what_cannot_be_made_fails_and_leaves_nothing)
{
    for (size_t budget = 0; budget < 12; budget++) {
        begin(budget);
        void *large = slabs_alloc(&slabs, 5 * MACHINE_PAGE);
        void *small = slabs_alloc(&slabs, 24);
        EXPECT_EQ(large != NULL, budget >= 6);
        if (large != NULL)
            slabs_free(&slabs, large);
        if (small != NULL)
            slabs_free(&slabs, small);
        EXPECT(made_count <= 3);
        end();
    }
    begin(PAGES);
    EXPECT_EQ(slabs_alloc(&slabs, SIZE_MAX), NULL);
    EXPECT_EQ(slabs_alloc(&slabs, (size_t)PAGES * MACHINE_PAGE), NULL);
    end();
}
