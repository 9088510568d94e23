/* What is refused, and how that is said; limits. */
#include <rt/clock.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { BOXES = 48, TASKS = 12 };

static void expect_problem(enum status expected, enum status status, const char *members,
                           const char *says)
{
    char problem[256];
    (void)client_problem(containers, problem, sizeof(problem));
    if (status != expected || strcmp(problem, says) != 0)
        test_note("%.200s: %s, \"%s\"", members, status_text(status), problem);
    EXPECT_EQ(status, expected);
    EXPECT_STR(problem, says);
}

TEST(bad_requests_are_refused_with_a_reason)
{
    static const struct {
        const char *members;
        enum status status;
        const char *says;
    } bad[] = {
        { "", ERR_INVALID, "neither the image nor the request says what to run" },
        { "\"Cmd\": \"true\"", ERR_INVALID, "Cmd: is not a list of texts" },
        { "\"Cmd\": [1]", ERR_INVALID, "Cmd: is not a list of texts" },
        { "\"Cmd\": [\"true\"], \"Cmd\": [\"true\"]", ERR_INVALID, "Cmd: is there twice" },
        { "\"Cmd\": [\"true\"", ERR_INVALID, "the request: is not JSON" },
        { "\"Command\": []", ERR_INVALID, "Command: is not known" },
        { "\"Name\": \"a b\"", ERR_INVALID,
          "Name: has other characters than letters, digits, _ . -" },
        { "\"Image\": \"\"", ERR_INVALID, "Image: is missing" },
        { "\"Image\": \"none\"", ERR_NOT_FOUND, "there is no image none" },
        { "\"Image\": \"99\"", ERR_NOT_FOUND, "there is no image 99" },
        { "\"StopSignal\": \"SIGNONE\"", ERR_INVALID, "StopSignal: is no signal" },
        { "\"HostConfig\": []", ERR_INVALID, "HostConfig: is not an object" },
        { "\"HostConfig\": {\"Memory\": 1048576}", ERR_INVALID, "Memory: is below 8 MiB" },
        { "\"HostConfig\": {\"Memory\": -1}", ERR_INVALID,
          "Memory: is not a whole number that is at least 0" },
        { "\"HostConfig\": {\"Memory\": 1e15}", ERR_INVALID, "Memory: is too large" },
        { "\"HostConfig\": {\"CpuPeriod\": 10}", ERR_INVALID,
          "CpuPeriod: is below 1000 microseconds" },
        { "\"HostConfig\": {\"Isolation\": \"none\"}", ERR_INVALID,
          "Isolation: is neither split nor fused" },
        { "\"HostConfig\": {\"Privileged\": true}", ERR_INVALID, "Privileged: is not known" },
    };
    struct box box;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_problem(bad[i].status, box_try(&box, bad[i].members), bad[i].members, bad[i].says);
    REQUIRE(box_make(&box, "\"Name\": \"taken\", \"Cmd\": [\"true\"]"));
    expect_problem(ERR_EXISTS, box_try(&box, "\"Name\": \"taken\", \"Cmd\": [\"true\"]"), "taken",
                   "Name: taken is another container's");
    /* A good one has no problem. */
    expect_problem(OK, box_try(&box, "\"Cmd\": [\"true\"]"), "good", "");
}

/* Of a Memory, by hand: its size is a stranger's word. */
static enum status try_memory(uint64_t memory_bytes, uint64_t size_bytes)
{
    struct containers_create_in in = { .size = size_bytes };
    struct containers_create_out out;
    if (!EXPECT_EQ(memory_create(rt_budget(), memory_bytes, 0, 0, 0, &in.request), OK))
        return ERR_NO_MEMORY;
    enum status status = containers_call_create(containers, client_soon(), &in, &out);
    (void)handle_close(in.request);
    return status;
}

TEST(sizes_of_requests_are_checked)
{
    const char *size = "the request: is empty, or above 128 KiB";
    expect_problem(ERR_LIMIT, try_memory(4096, 0), "nothing", size);
    expect_problem(ERR_LIMIT, try_memory(4096, 128 * 1024 + 1), "large", size);
    expect_problem(ERR_LIMIT, try_memory(4096, UINT64_MAX), "largest", size);
    EXPECT(try_memory(4096, 8192) != OK); /* it does not have that much */
    char problem[256];
    (void)client_problem(containers, problem, sizeof(problem));
    EXPECT_STR(problem, "the request: cannot be read");
    expect_problem(ERR_INVALID, try_memory(4096, 4096), "zeroes", "the request: is not JSON");
}

TEST(there_are_only_so_many)
{
    struct box box;
    for (unsigned i = 0; i < BOXES; i++)
        REQUIRE(box_try(&box, "\"Cmd\": [\"true\"]") == OK);
    expect_problem(ERR_LIMIT, box_try(&box, "\"Cmd\": [\"true\"]"), "one more",
                   "there are 48 containers, and no room");
}

TEST(the_smallest_sandbox_runs)
{
    struct box box;
    REQUIRE(box_run(&box, "\"Cmd\": [\"true\"], \"HostConfig\": {\"Memory\": 8388608}"));
    EXPECT(box_ends(&box, EXITED(0)));
}

/* ---- Limits ---- */

TEST(memory_has_a_limit)
{
    struct box box;
    REQUIRE(box_run(&box,
                    "\"Cmd\": [\"hostile\", \"memory\"], \"HostConfig\": {\"Memory\": 33554432}"));
    uint64_t most = 0;
    while (!box_ended(&box)) {
        uint64_t bytes = box_state(&box).memory;
        most = bytes > most ? bytes : most;
        pause_ms(1);
    }
    EXPECT(box_ends(&box, SIGNAL_KILL));
    EXPECT(most <= 33554432);
    EXPECT_STR(box_output(&box, FIRST, 0), "");
    EXPECT_EQ(box_state(&box).memory, 0);
    /* A child is killed, and its parent lives. */
    REQUIRE(box_run(
        &box,
        SHELL("hostile memory; echo $?; echo lives") ", \"HostConfig\": {\"Memory\": 33554432}"));
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_STR(box_output(&box, FIRST, LOG_STREAM_OUTPUT), "137\nlives\n");
}

TEST(processes_have_a_limit)
{
    struct box box;
    REQUIRE(
        box_run(&box, "\"Cmd\": [\"hostile\", \"forks\"], \"HostConfig\": {\"PidsLimit\": 12}"));
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_STR(box_output(&box, FIRST, 0), "children: 11\n");
    REQUIRE(
        box_run(&box, "\"Cmd\": [\"hostile\", \"threads\"], \"HostConfig\": {\"PidsLimit\": 12}"));
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_STR(box_output(&box, FIRST, 0), "threads: 11\n");
}

/* A fifth of one CPU does not do half of what the whole does. The machine that emulates ours may be
 * slow for one half of the comparison: not three times. */
TEST(cpu_time_has_a_limit)
{
    struct measure whole = { 0 }, part = { 0 };
    for (unsigned turn = 0; turn < 3 && part.work * 2 >= whole.work; turn++) {
        REQUIRE(measure_work("", 500, &whole));
        REQUIRE(measure_work("\"CpuQuota\": 20000, \"CpuPeriod\": 100000", 500, &part));
        EXPECT_EQ(whole.failures + part.failures, 0);
    }
    test_note("work: %llu alone, %llu with a fifth of a CPU", (unsigned long long)whole.work,
              (unsigned long long)part.work);
    EXPECT(part.work > 0 && part.work * 2 < whole.work);
}
