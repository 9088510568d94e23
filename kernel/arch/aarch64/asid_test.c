/* The allocator against what it promises, with few ASIDs so that they are reused all the time. */
#include "asid.h"

#include <base/test.h>

enum { TEST_CPUS = 4, TEST_SPACES = 40, TEST_LIMIT = TEST_CPUS + 2 };

struct asid_fixture {
    struct asid_space space;
    uint64_t active[TEST_CPUS];
    uint64_t word[TEST_SPACES];
    int running[TEST_CPUS];         /* index of the address space, -1: none yet */
    uint64_t flushed[TEST_CPUS];    /* how often */
    int tag[TEST_CPUS][TEST_LIMIT]; /* the TLB: whose translations an ASID tags, -1: none */
};

static struct asid_fixture fixture;

static void fixture_init(struct asid_fixture *f)
{
    asid_space_init(&f->space, TEST_LIMIT);
    for (uint32_t i = 0; i < TEST_CPUS; i++) {
        f->active[i] = 0;
        f->running[i] = -1;
        f->flushed[i] = 0;
        asid_attach(&f->space, i, &f->active[i]);
        for (int asid = 0; asid < TEST_LIMIT; asid++)
            f->tag[i][asid] = -1;
    }
    for (int i = 0; i < TEST_SPACES; i++)
        f->word[i] = 0;
}

static void run(struct asid_fixture *f, uint32_t cpu, int which)
{
    bool flush = false;
    if (!asid_try_activate(&f->space, cpu, &f->word[which]))
        flush = asid_activate_locked(&f->space, cpu, &f->word[which]);
    if (flush) {
        f->flushed[cpu]++;
        for (int asid = 0; asid < TEST_LIMIT; asid++)
            f->tag[cpu][asid] = -1;
    }
    f->running[cpu] = which;
}

/* Each running address space fills the TLB of its CPU; nobody may find another's translations
 * there. */
static bool tlbs_are_clean(struct asid_fixture *f)
{
    for (int cpu = 0; cpu < TEST_CPUS; cpu++) {
        if (f->running[cpu] < 0)
            continue;
        uint16_t asid = asid_of(f->word[f->running[cpu]]);
        if (asid == 0 || asid >= TEST_LIMIT)
            return false;
        if (f->tag[cpu][asid] != -1 && f->tag[cpu][asid] != f->running[cpu])
            return false;
        f->tag[cpu][asid] = f->running[cpu];
    }
    return true;
}

TEST(no_address_space_meets_anothers_translations)
{
    struct asid_fixture *f = &fixture;
    uint64_t random = test_seed();
    fixture_init(f);
    for (int step = 0; step < 20000; step++) {
        run(f, (uint32_t)(test_random(&random) % TEST_CPUS),
            (int)(test_random(&random) % TEST_SPACES));
        REQUIRE(tlbs_are_clean(f));
    }
    EXPECT(f->space.rollovers > 100); /* else the test proved nothing */
}

TEST(running_spaces_keep_their_asid_over_a_new_generation)
{
    struct asid_fixture *f = &fixture;
    fixture_init(f);
    run(f, 0, 0);
    uint16_t kept = asid_of(f->word[0]);
    for (int i = 1; f->space.rollovers < 3; i = i % (TEST_SPACES - 1) + 1)
        run(f, 1, i);
    EXPECT_EQ(f->active[0], 0); /* it must notice */
    run(f, 0, 0);
    EXPECT_EQ(asid_of(f->word[0]), kept);
    EXPECT_EQ(f->flushed[0], 1); /* once, however many generations went by */
}

TEST(the_fast_path_refuses_an_old_generation)
{
    struct asid_fixture *f = &fixture;
    fixture_init(f);
    EXPECT(!asid_try_activate(&f->space, 0, &f->word[0])); /* never had one */
    run(f, 0, 0);
    EXPECT(asid_try_activate(&f->space, 0, &f->word[0]));
    run(f, 1, 1);
    for (int i = 2; f->space.rollovers < 1; i++)
        run(f, 1, i);
    EXPECT(!asid_try_activate(&f->space, 0, &f->word[0])); /* its CPU has to flush */
    EXPECT(!asid_try_activate(&f->space, 1, &f->word[1])); /* its ASID may be somebody's */
}
