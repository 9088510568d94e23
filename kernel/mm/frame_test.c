/* The frame allocator: against a list of what is owned, and at the end of memory. */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/test.h>

#include "words.h"

enum { HELD_MAX = 64, STEP_COUNT = 2000, LARGE_ORDER = 6 };

/* What the test owns: blocks and ranges that may not overlap. */
struct held {
    struct frame *frame;
    size_t count;
    unsigned order;
    bool is_range;
    uint64_t stamp; /* written to the first word of each page */
};

static struct held held[HELD_MAX];

static uint64_t *first_word(const struct held *h, size_t page)
{
    return frame_kernel(h->frame + page);
}

static void held_stamp(struct held *h, uint64_t stamp)
{
    h->stamp = stamp;
    for (size_t i = 0; i < h->count; i++)
        *first_word(h, i) = stamp + i;
}

/* Nobody else has written to it, and the way from and to addresses is right. */
static void held_verify(const struct held *h)
{
    uint64_t base = frame_paddr(h->frame).raw;

    for (size_t i = 0; i < h->count; i++) {
        EXPECT_EQ(*first_word(h, i), h->stamp + i);
        EXPECT(frame_of(paddr(base + i * PAGE_SIZE)) == h->frame + i);
        EXPECT(frame_of(paddr(base + i * PAGE_SIZE + PAGE_MASK)) == h->frame + i);
    }
}

static void held_release(struct held *h)
{
    held_verify(h);
    if (h->is_range)
        frame_put_range(h->frame, h->count);
    else
        frame_put(h->frame);
    h->frame = NULL;
}

static void held_take_block(struct held *h, uint64_t *random)
{
    h->order = (unsigned)(test_random(random) % (LARGE_ORDER + 1));
    h->order = test_random(random) % 2 == 0 ? 0 : h->order;
    h->count = (size_t)1 << h->order;
    h->is_range = false;
    if (frame_alloc(h->order, 0, &h->frame) != OK) {
        h->frame = NULL;
        return;
    }
    EXPECT_EQ(frame_paddr(h->frame).raw % (h->count * PAGE_SIZE), 0);
    held_stamp(h, test_random(random));
}

static void held_take_range(struct held *h, uint64_t *random)
{
    uint64_t align = PAGE_SIZE << (test_random(random) % 4);

    h->count = 1 + (size_t)(test_random(random) % 50);
    h->is_range = true;
    if (frame_alloc_range(h->count, align, UINT64_MAX, &h->frame) != OK) {
        h->frame = NULL;
        return;
    }
    EXPECT_EQ(frame_paddr(h->frame).raw % align, 0);
    held_stamp(h, test_random(random));
}

static uint64_t held_count(void)
{
    uint64_t count = 0;

    for (size_t i = 0; i < HELD_MAX; i++)
        count += held[i].frame != NULL ? held[i].count : 0;
    return count;
}

TEST(random_operations_never_hand_out_a_frame_twice)
{
    uint64_t random = test_seed();
    uint64_t free = frame_stats().free;

    for (unsigned step = 0; step < STEP_COUNT; step++) {
        struct held *h = &held[test_random(&random) % HELD_MAX];
        if (h->frame != NULL)
            held_release(h);
        else if (test_random(&random) % 4 == 0)
            held_take_range(h, &random);
        else
            held_take_block(h, &random);
        EXPECT_EQ(frame_stats().free, free - held_count());
        if (step % 500 == 0)
            frame_check();
    }
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held[i].frame != NULL)
            held_release(&held[i]);
    }
    frame_check();
    EXPECT_EQ(frame_stats().free, free);
}

TEST(memory_joins_again_when_all_is_free)
{
    struct frame *frame[64];

    frame_cache_drain();
    struct frame_stats before = frame_stats();
    for (size_t i = 0; i < ARRAY_LEN(frame); i++)
        EXPECT_EQ(frame_alloc(i % 3 == 0 ? 4 : 0, 0, &frame[i]), OK);
    for (size_t i = 0; i < ARRAY_LEN(frame); i++)
        frame_put(frame[i * 37 % ARRAY_LEN(frame)]);
    frame_cache_drain();
    struct frame_stats after = frame_stats();
    EXPECT_EQ(after.free, before.free);
    EXPECT_EQ(after.largest_order, before.largest_order);
    EXPECT_EQ(after.total, before.total);
}

TEST(zeroed_means_zeroed)
{
    struct frame *frame;

    for (unsigned order = 0; order < 4; order++) {
        REQUIRE(frame_alloc(order, 0, &frame) == OK);
        uint64_t *word = frame_kernel(frame);
        size_t words = (PAGE_SIZE << order) / sizeof(*word);
        for (size_t i = 0; i < words; i++)
            word[i] = UINT64_MAX;
        frame_put(frame);
        REQUIRE(frame_alloc(order, FRAME_ZERO, &frame) == OK);
        word = frame_kernel(frame);
        uint64_t sum = 0;
        for (size_t i = 0; i < words; i++)
            sum |= word[i];
        EXPECT_EQ(sum, 0);
        frame_put(frame);
    }
}

TEST(a_page_that_comes_back_as_zeroes_is_given_out_as_such)
{
    enum { MANY = 200 }; /* more than are kept */
    static struct frame *frame[MANY];
    uint64_t free = frame_stats().free;

    frame_cache_drain();
    for (size_t i = 0; i < MANY; i++)
        REQUIRE(frame_alloc(0, FRAME_ZERO, &frame[i]) == OK);
    for (size_t i = 0; i < MANY; i++)
        frame_put_zeroes(frame[i]);
    EXPECT_EQ(frame_stats().free, free);
    frame_check();
    REQUIRE(frame_alloc(0, FRAME_ZERO, &frame[0]) == OK);
    EXPECT(frame[0]->references == 1 && frame[0]->order == 0);
    const uint64_t *word = frame_kernel(frame[0]);
    uint64_t sum = 0;
    for (size_t i = 0; i < PAGE_SIZE / sizeof(*word); i++)
        sum |= word[i];
    EXPECT_EQ(sum, 0);
    frame_put(frame[0]);
    /* They are neither lost nor kept from who wants others, or many that follow each other. */
    frame_cache_drain();
    EXPECT_EQ(frame_stats().free, free);
    frame_check();
}

HOST_TEST(pages_of_zeroes_are_there_for_who_wants_any)
{
    struct frame *first = NULL;
    struct frame *frame;
    uint64_t taken = 0;

    frame_cache_drain();
    EXPECT_EQ(cpu_self()->frame_zero_size, 0);
    uint64_t free = frame_stats().free;
    uint64_t others = frame_stats().cached; /* at other CPUs */
    REQUIRE(frame_alloc(0, FRAME_ZERO, &frame) == OK);
    frame_put_zeroes(frame);
    /* The last one of all is it. */
    for (; frame_alloc(0, 0, &frame) == OK; taken++) {
        *(struct frame **)frame_kernel(frame) = first;
        first = frame;
    }
    EXPECT_EQ(taken, free - others);
    while (first != NULL) {
        frame = first;
        first = *(struct frame **)frame_kernel(frame);
        frame_put(frame);
    }
    EXPECT_EQ(frame_stats().free, free);
    REQUIRE(frame_alloc(0, FRAME_ZERO, &frame) == OK);
    frame_put_zeroes(frame);
    frame_cache_drain();
    EXPECT_EQ(cpu_self()->frame_zero_size, 0);
}

TEST(a_block_lives_until_its_last_reference)
{
    struct frame *frame;
    uint64_t free = frame_stats().free;

    REQUIRE(frame_alloc(3, 0, &frame) == OK);
    frame_get(frame + 5); /* counted at the head */
    for (unsigned i = 2; i < 6; i++)
        frame_get(frame + i);
    frame_put(frame);
    EXPECT_EQ(frame_stats().free, free - 8);
    frame_put_range(frame + 2, 4);
    EXPECT_EQ(frame_stats().free, free - 8);
    frame_put(frame + 7);
    EXPECT_EQ(frame_stats().free, free);
}

TEST(a_range_is_freed_frame_by_frame)
{
    struct frame *frame;
    uint64_t free = frame_stats().free;

    REQUIRE(frame_alloc_range(21, PAGE_SIZE, UINT64_MAX, &frame) == OK);
    EXPECT_EQ(frame_stats().free, free - 21);
    frame_put(frame + 3);
    frame_get(frame + 10);
    EXPECT_EQ(frame_stats().free, free - 20);
    frame_put_range(frame, 3);
    frame_put_range(frame + 4, 17);
    EXPECT_EQ(frame_stats().free, free - 1);
    frame_put(frame + 10);
    EXPECT_EQ(frame_stats().free, free);
    frame_check();
}

TEST(ranges_keep_below_their_limit)
{
    struct frame *low;
    struct frame *frame;

    REQUIRE(frame_alloc(0, 0, &low) == OK);
    uint64_t somewhere = frame_paddr(low).raw;
    frame_put(low);
    for (uint64_t limit = somewhere + 64 * PAGE_SIZE; limit > PAGE_SIZE; limit = limit / 2) {
        limit = ALIGN_DOWN(limit, (uint64_t)PAGE_SIZE);
        enum status status = frame_alloc_range(7, PAGE_SIZE, limit, &frame);
        if (status == OK) {
            EXPECT(frame_paddr(frame).raw + 7 * PAGE_SIZE <= limit);
            frame_put_range(frame, 7);
        } else {
            EXPECT_EQ(status, ERR_NO_MEMORY);
        }
    }
    EXPECT_EQ(frame_alloc_range(1, PAGE_SIZE, PAGE_SIZE, &frame), ERR_NO_MEMORY);
}

TEST(requests_that_make_no_sense_are_refused)
{
    struct frame *frame;

    EXPECT_EQ(frame_alloc_range(0, PAGE_SIZE, UINT64_MAX, &frame), ERR_INVALID);
    EXPECT_EQ(frame_alloc_range(1, PAGE_SIZE / 2, UINT64_MAX, &frame), ERR_INVALID);
    EXPECT_EQ(frame_alloc_range(1, 3 * PAGE_SIZE, UINT64_MAX, &frame), ERR_INVALID);
    EXPECT_EQ(frame_alloc_range(SIZE_MAX, PAGE_SIZE, UINT64_MAX, &frame), ERR_NO_MEMORY);
    EXPECT_EQ(frame_alloc_range(1, BIT64(60), UINT64_MAX, &frame), ERR_NO_MEMORY);
}

TEST(what_is_no_ram_has_no_frame)
{
    EXPECT(frame_of(paddr(0)) == NULL);
    EXPECT(frame_of(paddr(UINT64_MAX)) == NULL);
    EXPECT(frame_of(paddr(BIT64(48))) == NULL);
    EXPECT(frame_of(paddr(BIT64(47) + BIT64(13))) == NULL);
}

/* Take everything, in blocks of any size, chained through their owner words. */
static struct frame *take_all(uint64_t *taken_out)
{
    struct frame *chain = NULL;
    struct frame *frame;
    uint64_t taken = 0;

    for (int order = FRAME_ORDER_MAX; order >= 0; order--) {
        while (frame_alloc((unsigned)order, 0, &frame) == OK) {
            frame->owner_word = (uint64_t)(uintptr_t)chain;
            chain = frame;
            taken += BIT64(order);
        }
    }
    *taken_out = taken;
    return chain;
}

TEST(exhaustion_is_an_error_and_passes)
{
    uint64_t taken;
    uint64_t free = frame_stats().free;
    struct frame *frame;
    struct frame *chain = take_all(&taken);

    /* Other CPUs' caches are out of reach. */
    EXPECT_EQ(frame_stats().free, free - taken);
    EXPECT(frame_stats().free == frame_stats().cached);
    EXPECT_EQ(frame_alloc(0, 0, &frame), ERR_NO_MEMORY);
    EXPECT_EQ(frame_alloc_range(2, PAGE_SIZE, UINT64_MAX, &frame), ERR_NO_MEMORY);
    while (chain != NULL) {
        struct frame *next = (struct frame *)(uintptr_t)chain->owner_word;
        frame_put(chain);
        chain = next;
    }
    EXPECT_EQ(frame_stats().free, free);
    EXPECT_EQ(frame_alloc(0, 0, &frame), OK);
    frame_put(frame);
    frame_check();
}

TEST(an_injected_failure_comes_when_asked_and_once)
{
    struct frame *frame;

    frame_fail_after(3);
    EXPECT_EQ(frame_alloc(0, 0, &frame), OK);
    frame_put(frame);
    EXPECT_EQ(frame_alloc_range(2, PAGE_SIZE, UINT64_MAX, &frame), OK);
    frame_put_range(frame, 2);
    EXPECT_EQ(frame_alloc(2, 0, &frame), ERR_NO_MEMORY);
    EXPECT_EQ(frame_alloc(2, 0, &frame), OK);
    frame_put(frame);
    frame_fail_after(1);
    frame_fail_after(0);
    EXPECT_EQ(frame_alloc(0, 0, &frame), OK);
    frame_put(frame);
}

/* Frames that one CPU frees and another takes. */
HOST_TEST(caches_of_several_cpus_lose_nothing)
{
    struct cpu *self = cpu_self();
    static struct frame *frame[256];
    uint64_t random = test_seed();
    uint64_t free = frame_stats().free;

    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(frame); i++) {
            arch_cpu_set_self(cpu_get((uint32_t)(test_random(&random) % cpu_count)));
            EXPECT_EQ(frame_alloc(0, 0, &frame[i]), OK);
        }
        for (size_t i = 0; i < ARRAY_LEN(frame); i++) {
            arch_cpu_set_self(cpu_get((uint32_t)(test_random(&random) % cpu_count)));
            frame_put(frame[i]);
        }
        EXPECT_EQ(frame_stats().free, free);
        frame_check();
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        arch_cpu_set_self(cpu_get(i));
        frame_cache_drain();
    }
    EXPECT_EQ(frame_stats().cached, 0);
    arch_cpu_set_self(self);
}

HOST_TEST(the_loaders_memory_becomes_usable)
{
    struct frame_stats before = frame_stats();
    struct boot_region *region = boot_info.region;

    while (region < &boot_info.region[boot_info.region_count] && region->kind != BOOT_REGION_LOADER)
        region++;
    if (region == &boot_info.region[boot_info.region_count])
        SKIP("it was given back before");
    uint64_t count = region->size_bytes / PAGE_SIZE;
    EXPECT(frame_of(paddr(region->base)) == NULL);
    EXPECT_EQ(frame_reclaim_bootloader(&boot_info), count);
    EXPECT(frame_of(paddr(region->base)) != NULL);
    EXPECT_EQ(frame_stats().total, before.total + count);
    EXPECT_EQ(frame_stats().free, before.free + count);
    region->kind = BOOT_REGION_RESERVED;
    frame_check();
}

/* ---- What is a bug in the kernel, and must not go on ---- */

static struct frame *victim;

static void put_twice(void)
{
    frame_put(victim);
    frame_put(victim);
}

static void get_free_frame(void)
{
    frame_put(victim);
    frame_get(victim);
}

static void free_range_twice(void)
{
    frame_put(victim);
    frame_put_range(victim, 1);
}

static void write_after_free(void)
{
    uint64_t *word = frame_kernel(victim);
    struct frame *again;

    frame_put(victim);
    word[100] = 1;
    EXPECT_EQ(frame_alloc(0, 0, &again), OK);
}

static void put_what_is_not_zero(void)
{
    uint64_t *word = frame_kernel(victim);

    words_fill(word, PAGE_SIZE, 0);
    word[511] = 1;
    frame_put_zeroes(victim);
}

static void put_zeroes_that_are_shared(void)
{
    words_fill(frame_kernel(victim), PAGE_SIZE, 0);
    frame_get(victim);
    frame_put_zeroes(victim);
}

static void write_to_free_zeroes(void)
{
    uint64_t *word = frame_kernel(victim);
    struct frame *again;

    words_fill(word, PAGE_SIZE, 0);
    frame_put_zeroes(victim);
    word[100] = 1;
    EXPECT_EQ(frame_alloc(0, FRAME_ZERO, &again), OK);
}

static void put_and_be_done(void)
{
    frame_put(victim);
}

HOST_TEST(misuse_of_frames_is_a_panic)
{
    REQUIRE(frame_alloc(0, 0, &victim) == OK);
    EXPECT(!simulation_panics(put_and_be_done));
    EXPECT(simulation_panics(put_twice));
    EXPECT(simulation_panics(get_free_frame));
    EXPECT(simulation_panics(free_range_twice));
    EXPECT(simulation_panics(write_after_free));
    EXPECT(simulation_panics(put_what_is_not_zero));
    EXPECT(simulation_panics(put_zeroes_that_are_shared));
    EXPECT(simulation_panics(write_to_free_zeroes));
    frame_put(victim);
}
