#include "include/arch_impl/pcid.h"
#include <base/test.h>

TEST(a_space_that_comes_back_unchanged_is_not_flushed)
{
    struct pcid_cpu cpu = { .victim = 0 };
    struct pcid_space a = { .number = 1, .generation = 1 }, b = { .number = 2, .generation = 1 };

    struct pcid_choice first = pcid_choose(&cpu, 0, &a);
    EXPECT(first.flush);
    struct pcid_choice other = pcid_choose(&cpu, 0, &b);
    EXPECT(other.flush);
    EXPECT(other.slot != first.slot);
    struct pcid_choice again = pcid_choose(&cpu, 0, &a);
    EXPECT(!again.flush);
    EXPECT_EQ(again.slot, first.slot);
}

TEST(a_flush_while_away_is_made_up_for)
{
    struct pcid_cpu cpu = { .victim = 0 };
    struct pcid_space a = { .number = 1, .generation = 1 }, b = { .number = 2, .generation = 1 };
    (void)pcid_choose(&cpu, 0, &a);
    (void)pcid_choose(&cpu, 0, &b);
    a.generation++;
    EXPECT(pcid_choose(&cpu, 0, &a).flush);
    EXPECT(!pcid_choose(&cpu, 0, &a).flush);
}

TEST(an_evicted_space_starts_afresh)
{
    struct pcid_cpu cpu = { .victim = 0 };
    static struct pcid_space space[PCID_SLOTS + 1];
    for (unsigned i = 0; i <= PCID_SLOTS; i++) {
        space[i] = (struct pcid_space){ .number = i + 1, .generation = 1 };
        EXPECT(pcid_choose(&cpu, 0, &space[i]).flush);
    }
    /* The last one took the first one's slot. */
    EXPECT(pcid_choose(&cpu, 0, &space[0]).flush);
    EXPECT(!pcid_choose(&cpu, 0, &space[2]).flush);
}

TEST(a_new_space_never_inherits_a_slot_by_its_hint)
{
    struct pcid_cpu cpu = { .victim = 5 };
    struct pcid_space a = { .number = 1, .generation = 1 };
    struct pcid_choice had = pcid_choose(&cpu, 3, &a);
    struct pcid_space b = { .number = 2, .generation = 1 };
    b.slot_hint[3] = (uint8_t)had.slot;
    EXPECT(pcid_choose(&cpu, 3, &b).flush);
}

TEST(flushes_that_overtake_each_other_drop_everything)
{
    struct pcid_cpu cpu = { .victim = 0 };
    struct pcid_space a = { .number = 1, .generation = 1 };
    (void)pcid_choose(&cpu, 0, &a);
    a.generation = 3;
    EXPECT_EQ(pcid_flush_arrives(&cpu, &a, &a, 3), PCID_FLUSH_ALL); /* 2 is still on its way */
    EXPECT_EQ(pcid_flush_arrives(&cpu, &a, &a, 2), PCID_FLUSH_NOTHING);
    a.generation = 4;
    EXPECT_EQ(pcid_flush_arrives(&cpu, &a, &a, 4), PCID_FLUSH_RANGE);
    EXPECT(!pcid_choose(&cpu, 0, &a).flush);
}

/* A guest's root has the sandbox's translations too: either flush makes its slot stale. */
TEST(a_flush_of_the_upper_space_reaches_the_lower_ones)
{
    struct pcid_cpu cpu = { .victim = 0 };
    struct pcid_space upper = { .number = 1, .generation = 1 };
    struct pcid_space guest = { .number = 2, .generation = 1, .upper = &upper };
    struct pcid_space inside = { .number = 3, .generation = 1, .upper = &guest };
    (void)pcid_choose(&cpu, 0, &guest);
    EXPECT(!pcid_choose(&cpu, 0, &guest).flush);
    upper.generation++;
    EXPECT(pcid_choose(&cpu, 0, &guest).flush);
    EXPECT(!pcid_choose(&cpu, 0, &guest).flush);

    upper.generation++;
    EXPECT_EQ(pcid_flush_arrives(&cpu, &guest, &upper, upper.generation), PCID_FLUSH_RANGE);
    guest.generation++;
    EXPECT_EQ(pcid_flush_arrives(&cpu, &guest, &guest, guest.generation), PCID_FLUSH_RANGE);
    EXPECT(!pcid_choose(&cpu, 0, &guest).flush);

    (void)pcid_choose(&cpu, 0, &inside);
    upper.generation++; /* nothing of it is there */
    EXPECT(!pcid_choose(&cpu, 0, &inside).flush);
    guest.generation++;
    EXPECT(pcid_choose(&cpu, 0, &inside).flush);
    EXPECT(pcid_choose(&cpu, 0, &guest).flush);
}

/* Random switches and flushes on four CPUs, against a record of what each TLB might hold: an entry
 * that was filled before a flush and survives it is a failure.
 */
enum { MODEL_CPUS = 4, MODEL_SPACES = 40, MODEL_STEPS = 20000 };

struct model {
    struct pcid_cpu cpu[MODEL_CPUS];
    struct pcid_space space[MODEL_SPACES];
    unsigned loaded[MODEL_CPUS];             /* space + 1 */
    uint64_t filled[MODEL_CPUS][PCID_SLOTS]; /* the oldest generation among its entries */
    uint64_t filled_space[MODEL_CPUS][PCID_SLOTS];
};

static void model_switch(struct model *m, unsigned c, unsigned s)
{
    struct pcid_choice choice = pcid_choose(&m->cpu[c], c, &m->space[s]);
    if (choice.flush) {
        m->filled[c][choice.slot] = m->space[s].generation;
        m->filled_space[c][choice.slot] = m->space[s].number;
    }
    m->loaded[c] = s + 1;
    EXPECT_EQ(m->filled_space[c][choice.slot], m->space[s].number);
    EXPECT_EQ(m->filled[c][choice.slot], m->space[s].generation);
}

static void model_flush(struct model *m, unsigned s)
{
    uint64_t generation = ++m->space[s].generation;
    for (unsigned c = 0; c < MODEL_CPUS; c++) {
        if (m->loaded[c] == s + 1 && pcid_flush_arrives(&m->cpu[c], &m->space[s], &m->space[s],
                                                        generation) != PCID_FLUSH_NOTHING)
            m->filled[c][m->cpu[c].current] = generation;
    }
}

TEST(random_switches_and_flushes_never_leave_a_stale_entry)
{
    static struct model m;
    uint64_t state = test_seed();
    m = (struct model){ .loaded = { 0 } };
    for (unsigned s = 0; s < MODEL_SPACES; s++)
        m.space[s] = (struct pcid_space){ .number = s + 1, .generation = 1 };
    for (unsigned step = 0; step < MODEL_STEPS && !test_has_failed(); step++) {
        uint64_t random = test_random(&state);
        unsigned s = (unsigned)(random >> 8) % MODEL_SPACES;
        if (random % 4 == 0)
            model_flush(&m, s);
        else
            model_switch(&m, (unsigned)(random >> 32) % MODEL_CPUS, s);
    }
}
