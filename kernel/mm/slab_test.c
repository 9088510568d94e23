/* Slabs: objects of several sizes against a list of what is owned. */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/slab.h>
#include <kernel/test.h>

enum { OBJECT_MAX = 200, STEP_COUNT = 4000 };

struct small {
    uint64_t word[3];
};

struct large {
    char bytes[1500];
} ALIGNED(64);

struct huge {
    char bytes[9000];
};

static struct slab_cache small_cache = SLAB_CACHE_INIT("test small", struct small);
static struct slab_cache large_cache = SLAB_CACHE_INIT("test large", struct large);
static struct slab_cache huge_cache = SLAB_CACHE_INIT("test huge", struct huge);

static void *object[OBJECT_MAX];
static unsigned char pattern[OBJECT_MAX];

static bool bytes_are(const void *memory, size_t size_bytes, unsigned char value)
{
    const unsigned char *byte = memory;

    for (size_t i = 0; i < size_bytes; i++) {
        if (byte[i] != value)
            return false;
    }
    return true;
}

static void object_take(struct slab_cache *cache, size_t size_bytes, size_t i, uint64_t *random)
{
    object[i] = slab_alloc(cache);
    if (object[i] == NULL) {
        test_fail(__FILE__, __LINE__, "slab_alloc");
        return;
    }
    EXPECT(bytes_are(object[i], size_bytes, 0));
    EXPECT_EQ((uintptr_t)object[i] % cache->align_bytes, 0);
    pattern[i] = (unsigned char)(test_random(random) | 1);
    memset(object[i], pattern[i], size_bytes);
}

static void object_give(struct slab_cache *cache, size_t size_bytes, size_t i)
{
    EXPECT(bytes_are(object[i], size_bytes, pattern[i]));
    slab_free(cache, object[i]);
    object[i] = NULL;
}

static void play(struct slab_cache *cache, size_t size_bytes, bool change_cpu)
{
    struct cpu *self = cpu_self();
    uint64_t random = test_seed();
    uint64_t used = 0;

    for (unsigned step = 0; step < STEP_COUNT; step++) {
        size_t i = test_random(&random) % OBJECT_MAX;
        if (change_cpu)
            arch_cpu_set_self(cpu_get((uint32_t)(test_random(&random) % cpu_count)));
        used += object[i] == NULL ? 1 : UINT64_MAX;
        if (object[i] == NULL)
            object_take(cache, size_bytes, i, &random);
        else
            object_give(cache, size_bytes, i);
        EXPECT_EQ(cache->used_count, used);
    }
    for (size_t i = 0; i < OBJECT_MAX; i++) {
        if (object[i] != NULL)
            object_give(cache, size_bytes, i);
    }
    for (uint32_t i = 0; change_cpu && i < cpu_count; i++) {
        arch_cpu_set_self(cpu_get(i));
        slab_cache_drain(cache);
    }
    arch_cpu_set_self(self);
    slab_cache_drain(cache);
    EXPECT_EQ(cache->used_count, 0);
    EXPECT_EQ(cache->slab_count, 0);
}

TEST(small_objects_do_not_overlap)
{
    play(&small_cache, sizeof(struct small), false);
}

TEST(large_objects_do_not_overlap)
{
    play(&large_cache, sizeof(struct large), false);
}

TEST(objects_larger_than_a_page_do_not_overlap)
{
    play(&huge_cache, sizeof(struct huge), false);
}

HOST_TEST(objects_may_be_freed_on_another_cpu)
{
    play(&small_cache, sizeof(struct small), true);
    play(&large_cache, sizeof(struct large), true);
}

TEST(unused_slabs_go_back)
{
    slab_drain_all();
    uint64_t free = frame_stats().free;

    for (size_t i = 0; i < OBJECT_MAX; i++)
        object[i] = slab_alloc(&large_cache);
    for (size_t i = 0; i < OBJECT_MAX; i++) {
        EXPECT(object[i] != NULL);
        slab_free(&large_cache, object[i]);
        object[i] = NULL;
    }
    slab_drain_all();
    EXPECT_EQ(frame_stats().free, free);
}

TEST(no_memory_is_no_object)
{
    slab_drain_all();
    uint64_t free = frame_stats().free;

    frame_fail_after(1);
    EXPECT(slab_alloc(&large_cache) == NULL);
    EXPECT_EQ(large_cache.used_count, 0);
    EXPECT_EQ(large_cache.slab_count, 0);
    EXPECT_EQ(frame_stats().free, free);
    slab_fail_after(2);
    void *first = slab_alloc(&large_cache);
    EXPECT(first != NULL);
    EXPECT(slab_alloc(&large_cache) == NULL);
    void *second = slab_alloc(&large_cache);
    EXPECT(second != NULL);
    slab_free(&large_cache, second);
    slab_free(&large_cache, first);
    slab_cache_drain(&large_cache);
    EXPECT_EQ(frame_stats().free, free);
}

static void visit(const struct slab_cache *cache, void *context)
{
    if (cache == &small_cache)
        ++*(unsigned *)context;
}

TEST(every_cache_is_registered_once)
{
    unsigned seen = 0;
    void *one = slab_alloc(&small_cache);

    REQUIRE(one != NULL);
    slab_free(&small_cache, one);
    slab_for_each(visit, &seen);
    EXPECT_EQ(seen, 1);
    slab_cache_drain(&small_cache);
}

/* ---- What is a bug in the kernel, and must not go on ---- */

static struct small *victim;

static void free_once(void)
{
    slab_free(&small_cache, victim);
}

static void free_twice(void)
{
    slab_free(&small_cache, victim);
    slab_free(&small_cache, victim);
}

static void free_into_another_cache(void)
{
    slab_free(&large_cache, victim);
}

static void free_the_middle(void)
{
    slab_free(&small_cache, &victim->word[1]);
}

static void free_what_is_no_object(void)
{
    slab_free(&small_cache, &victim);
}

static void overrun(void)
{
    uint64_t *word = victim->word;

    word[sizeof(*victim) / sizeof(*word)] = 0;
    slab_free(&small_cache, victim);
}

static void write_after_free(void)
{
    slab_free(&small_cache, victim);
    victim->word[2] = 0;
    EXPECT(slab_alloc(&small_cache) != NULL);
}

HOST_TEST(misuse_of_objects_is_a_panic)
{
    static void (*const misuse[])(void) = {
        free_twice, free_into_another_cache, free_the_middle, free_what_is_no_object,
        overrun,    write_after_free,
    };

    victim = slab_alloc(&small_cache);
    REQUIRE(victim != NULL);
    EXPECT(!simulation_panics(free_once));
    for (size_t i = 0; i < ARRAY_LEN(misuse); i++)
        EXPECT(simulation_panics(misuse[i]));
    slab_free(&small_cache, victim);
    slab_cache_drain(&small_cache);
}
