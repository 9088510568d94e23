/* A container that works, beside others that do what they should not. There are two CPUs, and each
 * container counts alike, however many processes it has: the one that works has one CPU alone, and
 * at least half of one when its neighbour fills both. What a neighbour makes `containers` do for
 * it, which comes before both, is paid by nobody; a quarter is what must be left.
 */
#include <rt/startup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { WORK_MS = 600, HEAD_START_MS = 200, TURNS = 3, SHARE_PERCENT = 25 };

/* What the last line of `hostile work` says. */
static bool read_measure(const struct box *box, struct measure *measure_out)
{
    const char *text = box_output(box, FIRST, LOG_STREAM_OUTPUT);
    return number_behind(text, "work: ", &measure_out->work) &&
           number_behind(text, "failures: ", &measure_out->failures);
}

bool measure_work(const char *host_config, unsigned ms, struct measure *measure_out)
{
    char members[256];
    struct box box;
    (void)snprintf(members, sizeof(members),
                   "\"Cmd\": [\"hostile\", \"work\", \"%u\"], \"HostConfig\": { %s }", ms,
                   host_config);
    bool good = box_run(&box, members) && box_ends(&box, EXITED(0)) &&
                EXPECT_EQ(read_measure(&box, measure_out), true);
    box_remove(&box);
    return good;
}

enum how { BY_ITSELF, BY_US };

static const struct hostile {
    const char *name, *members;
    enum how ends;
    uint32_t status;
    const char *says; /* NULL: whatever */
} hostile[] = {
    { "random", SHELL("i=0; while :; do i=$((i+1)); hostile random $i 1000; done"), BY_US,
      SIGNAL_KILL, NULL },
    { "memory", "\"Cmd\": [\"hostile\", \"memory\"], \"HostConfig\": {\"Memory\": 67108864}",
      BY_ITSELF, SIGNAL_KILL, "" },
    { "forks", "\"Cmd\": [\"hostile\", \"forks\"], \"HostConfig\": {\"PidsLimit\": 100}", BY_ITSELF,
      EXITED(0), "children: 99\n" },
    { "threads", "\"Cmd\": [\"hostile\", \"threads\"], \"HostConfig\": {\"PidsLimit\": 100}",
      BY_ITSELF, EXITED(0), "threads: 99\n" },
    { "files", "\"Cmd\": [\"hostile\", \"files\"]", BY_ITSELF, EXITED(0), "descriptors: 1021\n" },
    { "spin", "\"Cmd\": [\"hostile\", \"spin\", \"100\"]", BY_US, SIGNAL_KILL, "" },
    { "flood", "\"Cmd\": [\"yes\"]", BY_US, SIGNAL_KILL, NULL },
};

static void ends_as_it_should(const struct hostile *one, const struct box *box)
{
    if (one->ends == BY_US)
        EXPECT_EQ(box_kill(box, SIGNAL_KILL), OK);
    EXPECT(box_ends(box, one->status));
    if (one->says != NULL)
        EXPECT_STR(box_output(box, FIRST, 0), one->says);
}

/* In percent: how much the neighbour does beside it, of what it does alone. */
static unsigned share_beside(const struct hostile *one)
{
    struct measure alone = { 0 }, with = { 0 };
    struct box box;
    if (!measure_work("", WORK_MS, &alone) || !box_run(&box, one->members))
        return 0;
    pause_ms(HEAD_START_MS);
    bool good = measure_work("", WORK_MS, &with);
    EXPECT_EQ(alone.failures + with.failures, 0);
    ends_as_it_should(one, &box);
    box_remove(&box);
    return good && alone.work > 0 ? (unsigned)(with.work * 100 / alone.work) : 0;
}

/* The machine that emulates ours may be slow for one half of a comparison: not three times. */
TEST(a_neighbour_goes_on)
{
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        unsigned share = 0;
        for (unsigned turn = 0; turn < TURNS && share < SHARE_PERCENT; turn++)
            share = share_beside(&hostile[i]);
        test_note("beside %s: %u%%", hostile[i].name, share);
        EXPECT(share >= SHARE_PERCENT);
    }
}
