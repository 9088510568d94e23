/* More processes in a container: what they begin with, their input, output and end. */
#include <rt/startup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { ERRNO_NOENT = 2, ERRNO_ACCES = 13, SESSIONS = 16, LARGE_BYTES = 64 * 1024 };

static const char asks[] = SHELL("id -u; id -g; pwd; echo $FROM $A $HOME");

TEST(exec_begins_as_the_container_does)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS ", \"User\": \"user\", \"WorkingDir\": \"/usr/bin\", "
                                 "\"Env\": [\"A=b\"]"));
    uint32_t session = session_start(&box, asks);
    EXPECT_EQ(session, FIRST + 1);
    EXPECT(session_ends(&box, session, EXITED(0)));
    EXPECT_STR(box_output(&box, session, 0), "1000\n1000\n/usr/bin\nimage b /home\n");
    EXPECT_STR(box_output(&box, FIRST, 0), "");
    EXPECT(!box_ended(&box));
}

/* However early another is asked for: process 1 is who takes everybody with it. */
TEST(the_first_process_is_process_1)
{
    for (unsigned turn = 0; turn < 8; turn++) {
        struct box box;
        REQUIRE(box_run(&box, SLEEPS));
        uint32_t session = session_start(&box, "\"Cmd\": [\"cat\", \"/proc/1/comm\"]");
        EXPECT(session_ends(&box, session, EXITED(0)));
        EXPECT_STR(box_output(&box, session, 0), "sleep\n");
        EXPECT(!box_ended(&box));
        box_remove(&box);
    }
}

TEST(exec_has_what_it_asks_for)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS ", \"User\": \"user\", \"Env\": [\"A=b\"]"));
    uint32_t session = session_start(
        &box,
        SHELL("id -u; id -g; pwd; echo $FROM $A $HOME") ", \"User\": \"0:50\", "
                                                        "\"WorkingDir\": \"/var/log\", \"Env\": "
                                                        "[\"A=c\", \"HOME=/there\"]");
    EXPECT(session_ends(&box, session, EXITED(0)));
    EXPECT_STR(box_output(&box, session, 0), "0\n50\n/var/log\nimage c /there\n");
}

/* 48 variables of a kilobyte: many entries of a ring that has 64 of 240 bytes. */
TEST(exec_takes_a_large_environment)
{
    static char members[LARGE_BYTES];
    static char value[1024];
    struct box box;
    size_t at = (size_t)snprintf(
        members, sizeof(members), "%s",
        SHELL("echo $V0 | md5sum; echo ${#V0} ${#V47}; env | grep -c ^V") ", \"Env\": [");
    for (unsigned i = 0; i < 48; i++) {
        memset(value, 'a' + (int)(i % 26), sizeof(value) - 1);
        at += (size_t)snprintf(members + at, sizeof(members) - at, "%s\"V%u=%s\"",
                               i == 0 ? "" : ", ", i, value);
    }
    (void)snprintf(members + at, sizeof(members) - at, "]");
    REQUIRE(box_run(&box, SLEEPS));
    uint32_t session = session_start(&box, members);
    EXPECT(session_ends(&box, session, EXITED(0)));
    /* md5sum of 1023 times "a" and the end of a line */
    EXPECT_STR(box_output(&box, session, 0),
               "cd3b0a56bc304075e28a20a4edd57068  -\n1023 1023\n48\n");
}

TEST(a_program_that_cannot_run_is_named)
{
    static const struct {
        const char *members, *says;
        uint32_t status;
    } wrong[] = {
        { "\"Cmd\": [\"/no/such\"]", "/no/such: no such file or directory\n", ERRNO_NOENT },
        { "\"Cmd\": [\"nonesuch\"]", "nonesuch: no such file or directory\n", ERRNO_NOENT },
        { "\"Cmd\": [\"/etc/passwd\"]", "/etc/passwd: permission denied\n", ERRNO_ACCES },
        { "\"Cmd\": [\"true\"], \"User\": \"nobody-here\"",
          "true: no such user or group, or no such program\n", 22 },
    };
    struct box box, first;
    REQUIRE(box_run(&box, SLEEPS));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint32_t session = session_start(&box, wrong[i].members);
        EXPECT(session_wait(&box, session, PATIENCE_MS));
        EXPECT_EQ(session_state(&box, session).state, CONTAINER_STATE_FAILED);
        EXPECT_EQ(session_state(&box, session).status, wrong[i].status);
        EXPECT_STR(box_output(&box, session, LOG_STREAM_ERROR), wrong[i].says);
        /* As its first process it is the container that fails. */
        REQUIRE(box_run(&first, wrong[i].members));
        EXPECT(box_wait(&first, PATIENCE_MS));
        EXPECT_EQ(box_state(&first).state, CONTAINER_STATE_FAILED);
        EXPECT_EQ(box_state(&first).status, wrong[i].status);
        EXPECT_STR(box_output(&first, FIRST, LOG_STREAM_ERROR), wrong[i].says);
        box_remove(&first);
    }
    EXPECT(!box_ended(&box));
}

TEST(statuses_are_those_of_wait)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS));
    EXPECT(session_ends(&box, session_start(&box, SHELL("exit 7")), EXITED(7)));
    EXPECT(session_ends(&box, session_start(&box, SHELL("exit 255")), EXITED(255)));
    EXPECT(session_ends(&box, session_start(&box, SHELL("kill -TERM $$")), SIGNAL_TERM));
    EXPECT(session_ends(&box, session_start(&box, SHELL("kill -KILL $$")), SIGNAL_KILL));
    EXPECT(
        session_ends(&box, session_start(&box, "\"Cmd\": [\"hostile\", \"fault\"]"), SIGNAL_SEGV));
    EXPECT(!box_ended(&box));
}

TEST(standard_error_is_a_stream_of_its_own)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS));
    uint32_t session = session_start(&box, SHELL("echo out; echo err >&2"));
    EXPECT(session_ends(&box, session, EXITED(0)));
    EXPECT_STR(box_output(&box, session, LOG_STREAM_OUTPUT), "out\n");
    EXPECT_STR(box_output(&box, session, LOG_STREAM_ERROR), "err\n");
}

/* ---- Input ---- */

TEST(input_arrives_and_ends)
{
    struct box box;
    REQUIRE(box_run(&box, "\"Cmd\": [\"cat\"], \"OpenStdin\": true"));
    EXPECT_EQ(client_input(containers, box.number, FIRST, "one\n", 4), OK);
    EXPECT(box_says(&box, FIRST, "one\n"));
    uint32_t session = session_start(&box, "\"Cmd\": [\"cat\"], \"OpenStdin\": true");
    EXPECT_EQ(client_input(containers, box.number, session, "two\n", 4), OK);
    EXPECT(box_says(&box, session, "two\n"));
    EXPECT_EQ(client_input(containers, box.number, session, "three", 5), OK);
    EXPECT_EQ(client_input_end(containers, box.number, session), OK);
    EXPECT(session_ends(&box, session, EXITED(0)));
    EXPECT_STR(box_output(&box, session, 0), "two\nthree");
    EXPECT_EQ(client_input(containers, box.number, session, "x", 1), ERR_STATE);
    EXPECT_EQ(client_input_end(containers, box.number, FIRST), OK);
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_STR(box_output(&box, FIRST, 0), "one\n");
    EXPECT_EQ(client_input(containers, box.number, FIRST, "x", 1), ERR_STATE);
    EXPECT_EQ(client_input(containers, box.number, 99, "x", 1), ERR_NOT_FOUND);
}

TEST(without_input_there_is_its_end)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS));
    uint32_t session = session_start(&box, "\"Cmd\": [\"cat\"]");
    EXPECT(session_ends(&box, session, EXITED(0)));
    EXPECT_STR(box_output(&box, session, 0), "");
}

/* More than all buffers on the way take, while nobody reads for a while. */
TEST(much_input_waits_for_its_reader)
{
    static char bytes[100 * 1000];
    struct box box;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)('a' + i % 26);
    REQUIRE(box_run(&box, SHELL("sleep 1; wc -c; ") ", \"OpenStdin\": true"));
    EXPECT_EQ(client_input(containers, box.number, FIRST, bytes, sizeof(bytes)), OK);
    EXPECT_EQ(client_input_end(containers, box.number, FIRST), OK);
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_STR(box_output(&box, FIRST, 0), "100000\n");
}

TEST(a_terminal_is_one)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS));
    uint32_t session = session_start(
        &box, SHELL("tty; stty size; read line; stty size; echo got $line") ", \"Tty\": true, "
                                                                            "\"OpenStdin\": true");
    EXPECT(box_says(&box, session, "24 80"));
    const struct containers_resize_in in = {
        .container = box.number, .session = session, .rows = 50, .columns = 132
    };
    EXPECT_EQ(containers_call_resize(containers, client_soon(), &in), OK);
    EXPECT_EQ(client_input(containers, box.number, session, "word\n", 5), OK);
    EXPECT(session_ends(&box, session, EXITED(0)));
    const char *output = box_output(&box, session, 0);
    EXPECT(strstr(output, "/dev/pts/") != NULL || strstr(output, "/dev/console") != NULL);
    EXPECT(strstr(output, "50 132") != NULL && strstr(output, "got word") != NULL);
    const struct containers_resize_in large = {
        .container = box.number, .session = FIRST, .rows = 65536, .columns = 80
    };
    EXPECT_EQ(containers_call_resize(containers, client_soon(), &large), ERR_RANGE);
}

/* ---- How many, and when none ---- */

TEST(sessions_have_a_limit_and_end_with_the_container)
{
    struct box box;
    uint32_t session[SESSIONS], another;
    char problem[128];
    REQUIRE(box_run(&box, SLEEPS));
    for (unsigned i = 1; i < SESSIONS; i++)
        session[i] = session_start(&box, SLEEPS);
    EXPECT_EQ(session_try(&box, SLEEPS, &another), ERR_LIMIT);
    (void)client_problem(containers, problem, sizeof(problem));
    EXPECT_STR(problem, "too many sessions run in it");
    EXPECT_EQ(box_kill(&box, SIGNAL_KILL), OK);
    EXPECT(box_ends(&box, SIGNAL_KILL));
    for (unsigned i = 1; i < SESSIONS; i++)
        EXPECT(session_ends(&box, session[i], SIGNAL_KILL));
}

/* Ended ones make room, and their numbers name nobody else. */
TEST(sessions_follow_each_other)
{
    struct box box;
    REQUIRE(box_run(&box, SLEEPS));
    for (unsigned i = 1; i <= 2 * SESSIONS; i++) {
        uint32_t session = session_start(&box, SHELL("exit 3"));
        EXPECT_EQ(session, FIRST + i);
        REQUIRE(session_ends(&box, session, EXITED(3)));
    }
    const struct containers_session_in in = { .container = box.number, .session = FIRST + 1 };
    struct containers_session_out out;
    EXPECT_EQ(containers_call_session(containers, client_soon(), &in, &out), ERR_NOT_FOUND);
}

TEST(the_first_process_ends_the_others)
{
    struct box box;
    REQUIRE(box_run(&box, "\"Cmd\": [\"cat\"], \"OpenStdin\": true"));
    uint32_t session = session_start(&box, SHELL("echo here; sleep 1000"));
    EXPECT(box_says(&box, session, "here"));
    EXPECT_EQ(client_input_end(containers, box.number, FIRST), OK);
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT(session_ends(&box, session, SIGNAL_KILL));
}

static void expect_no_exec(const struct box *box, enum status status, const char *why)
{
    char problem[128];
    uint32_t session;
    EXPECT_EQ(session_try(box, "\"Cmd\": [\"true\"]", &session), status);
    (void)client_problem(containers, problem, sizeof(problem));
    EXPECT_STR(problem, why);
}

TEST(exec_needs_a_container_that_runs)
{
    struct box box;
    REQUIRE(box_make(&box, "\"Cmd\": [\"true\"]"));
    expect_no_exec(&box, ERR_STATE, "it does not run");
    REQUIRE(box_start(&box));
    EXPECT(box_ends(&box, EXITED(0)));
    expect_no_exec(&box, ERR_STATE, "it does not run");
    uint32_t number = box.number;
    box_remove(&box);
    box.number = number;
    expect_no_exec(&box, ERR_NOT_FOUND, "there is no such container");
    REQUIRE(box_run(&box, SLEEPS));
    uint32_t session;
    EXPECT_EQ(session_try(&box, "\"Env\": [\"A=b\"]", &session), ERR_INVALID);
    char problem[128];
    (void)client_problem(containers, problem, sizeof(problem));
    EXPECT_STR(problem, "neither the image nor the request says what to run");
}
