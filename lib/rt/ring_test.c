/* Each test holds both ends and plays the peer by hand. */
#include <base/string.h>
#include <base/test.h>
#include <rt/ring.h>

enum { COUNT = 8, ENTRY = 16, MEMORY = RING_HEADER_BYTES + COUNT * ENTRY };

struct pair {
    unsigned char memory[MEMORY] __attribute__((aligned(RING_LINE)));
    struct ring in, out;
};

static void pair_open(struct pair *p)
{
    memset(p, 0, sizeof(*p));
    EXPECT_EQ(ring_open_producer(&p->in, p->memory, MEMORY, COUNT, ENTRY), OK);
    EXPECT_EQ(ring_open_consumer(&p->out, p->memory, MEMORY, COUNT, ENTRY), OK);
}

static uint32_t *line(struct pair *p, unsigned index)
{
    return (uint32_t *)(void *)(p->memory + index * (size_t)RING_LINE);
}

enum { HEAD = 0, TAIL = 1 };

TEST(what_goes_in_comes_out_in_order_for_many_laps)
{
    struct pair p;
    uint64_t entry[2];
    pair_open(&p);
    for (uint64_t i = 0; i < 100 * COUNT; i++) {
        entry[0] = i;
        entry[1] = ~i;
        EXPECT_EQ(ring_push(&p.in, entry), OK);
        if (i % 3 == 0)
            continue;
        for (uint64_t n = i % 3 == 1 ? i - 1 : i; n <= i; n++) {
            EXPECT_EQ(ring_pop(&p.out, entry), OK);
            EXPECT_EQ(entry[0], n);
            EXPECT_EQ(entry[1], ~n);
        }
    }
}

TEST(indices_may_wrap)
{
    struct pair p;
    uint64_t entry[2] = { 0 };
    pair_open(&p);
    p.in.mine = p.in.peer = p.out.mine = p.out.peer = *line(&p, HEAD) = *line(&p, TAIL) =
        UINT32_MAX - 3;
    for (uint64_t i = 0; i < 40; i++) {
        entry[0] = i;
        EXPECT_EQ(ring_push(&p.in, entry), OK);
        EXPECT_EQ(ring_pop(&p.out, entry), OK);
        EXPECT_EQ(entry[0], i);
    }
}

TEST(full_and_empty_are_told)
{
    struct pair p;
    uint64_t entry[2] = { 0 };
    pair_open(&p);
    EXPECT_EQ(ring_pop(&p.out, entry), ERR_WOULD_BLOCK);
    for (unsigned i = 0; i < COUNT; i++)
        EXPECT_EQ(ring_push(&p.in, entry), OK);
    EXPECT_EQ(ring_push(&p.in, entry), ERR_WOULD_BLOCK);
    EXPECT_EQ(ring_pop(&p.out, entry), OK);
    EXPECT_EQ(ring_push(&p.in, entry), OK);
    EXPECT_EQ(ring_push(&p.in, entry), ERR_WOULD_BLOCK);
}

TEST(ends_are_not_mixed_up)
{
    struct pair p;
    uint64_t entry[2] = { 0 };
    pair_open(&p);
    EXPECT_EQ(ring_push(&p.out, entry), ERR_STATE);
    EXPECT_EQ(ring_pop(&p.in, entry), ERR_STATE);
}

TEST(a_consumer_that_lies_breaks_the_producers_end_for_good)
{
    /* One is out and the ring is full: an honest tail is 1 to 1 + COUNT. */
    static const uint32_t lies[] = { 0, 1 + COUNT + 1, UINT32_MAX, 0x80000000 };
    for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
        struct pair p;
        uint64_t entry[2] = { 0 };
        pair_open(&p);
        EXPECT_EQ(ring_push(&p.in, entry), OK);
        EXPECT_EQ(ring_pop(&p.out, entry), OK);
        EXPECT(!ring_may_sleep(&p.in)); /* the tail was seen */
        while (ring_push(&p.in, entry) == OK)
            EXPECT(p.in.mine <= 1 + COUNT);
        *line(&p, TAIL) = lies[i];
        EXPECT_EQ(ring_push(&p.in, entry), ERR_FORMAT);
        *line(&p, TAIL) = 3; /* too late */
        EXPECT_EQ(ring_push(&p.in, entry), ERR_FORMAT);
        EXPECT(!ring_must_wake(&p.in));
        EXPECT(!ring_may_sleep(&p.in));
    }
}

TEST(a_producer_that_lies_breaks_the_consumers_end_for_good)
{
    /* Two are out and nothing more is in: an honest head is 2 to 2 + COUNT. */
    static const uint32_t lies[] = { 0, 1, 2 + COUNT + 1, UINT32_MAX, 0x80000002 };
    for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
        struct pair p;
        uint64_t entry[2] = { 0 };
        pair_open(&p);
        for (unsigned n = 0; n < 2; n++) {
            EXPECT_EQ(ring_push(&p.in, entry), OK);
            EXPECT_EQ(ring_pop(&p.out, entry), OK);
        }
        *line(&p, HEAD) = lies[i];
        EXPECT_EQ(ring_pop(&p.out, entry), ERR_FORMAT);
        *line(&p, HEAD) = 3;
        EXPECT_EQ(ring_pop(&p.out, entry), ERR_FORMAT);
        EXPECT(!ring_may_sleep(&p.out));
    }
}

TEST(our_own_index_is_never_read_back)
{
    struct pair p;
    uint64_t entry[2] = { 7 };
    pair_open(&p);
    EXPECT_EQ(ring_push(&p.in, entry), OK);
    *line(&p, HEAD) = 12345;
    EXPECT_EQ(ring_push(&p.in, entry), OK);
    EXPECT_EQ(*line(&p, HEAD), 2);
}

TEST(who_is_about_to_sleep_is_woken_once)
{
    struct pair p;
    uint64_t entry[2] = { 0 };
    pair_open(&p);
    EXPECT_EQ(ring_push(&p.in, entry), OK);
    EXPECT(!ring_must_wake(&p.in));
    EXPECT(!ring_may_sleep(&p.out)); /* there is an entry */
    EXPECT_EQ(ring_pop(&p.out, entry), OK);
    EXPECT(ring_may_sleep(&p.out));
    EXPECT_EQ(ring_push(&p.in, entry), OK);
    EXPECT(ring_must_wake(&p.in));
    EXPECT(!ring_must_wake(&p.in));

    while (ring_push(&p.in, entry) == OK) {
    }
    EXPECT(ring_may_sleep(&p.in));
    EXPECT_EQ(ring_pop(&p.out, entry), OK);
    EXPECT(ring_must_wake(&p.out));
    EXPECT(!ring_may_sleep(&p.in));
}

TEST(shapes_that_cannot_be_are_refused)
{
    static const struct {
        uint32_t count, entry_bytes;
        size_t size_bytes;
    } shape[] = {
        { 0, 16, MEMORY },     { 3, 16, MEMORY }, { RING_COUNT_MAX * 2, 8, SIZE_MAX },
        { 8, 0, MEMORY },      { 8, 12, MEMORY }, { 8, RING_ENTRY_BYTES_MAX + 8, SIZE_MAX },
        { 8, 16, MEMORY - 1 },
    };
    struct pair p;
    struct ring ring;
    for (unsigned i = 0; i < ARRAY_LEN(shape); i++)
        EXPECT_EQ(ring_open_consumer(&ring, p.memory, shape[i].size_bytes, shape[i].count,
                                     shape[i].entry_bytes),
                  ERR_RANGE);
    EXPECT_EQ(ring_open_producer(&ring, p.memory + 8, MEMORY, 4, ENTRY), ERR_RANGE);
}
