/* Stop, kill, remove, list; who watches; what stays of what was written. */
#include <base/fmt.h>
#include <rt/clock.h>
#include <rt/ipc.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { PATIENCE_SHORT_MS = 300, WATCHERS = 4, LINES = 60000 };

/* The shell looks after its traps between commands. */
#define TRAPS(signal, code)                                                                        \
    SHELL("trap 'echo bye; exit " code "' " signal "; echo ready; while :; do sleep 0.05; done")

static void stops_at_once(const char *members)
{
    struct box box;
    REQUIRE(box_run(&box, members));
    EXPECT(box_says(&box, FIRST, "ready"));
    uint64_t begin = now_ms();
    EXPECT_EQ(box_stop(&box, 2 * PATIENCE_MS), OK);
    EXPECT_EQ(box_stop(&box, 2 * PATIENCE_MS), box_ended(&box) ? ERR_STATE : OK);
    EXPECT(box_ends(&box, EXITED(5)));
    EXPECT(now_ms() - begin < PATIENCE_MS);
    EXPECT_STR(box_output(&box, FIRST, 0), "ready\nbye\n");
    EXPECT_EQ(box_stop(&box, 0), ERR_STATE);
    box_remove(&box);
}

TEST(stop_asks_first)
{
    stops_at_once(TRAPS("TERM", "5"));
    stops_at_once(TRAPS("USR1", "5") ", \"StopSignal\": \"SIGUSR1\"");
    stops_at_once(TRAPS("QUIT", "5") ", \"Image\": \"test:quit\"");
    stops_at_once(TRAPS("INT", "5") ", \"Image\": \"test:quit\", \"StopSignal\": \"2\"");
}

TEST(who_does_not_listen_is_killed_in_time)
{
    struct box box;
    REQUIRE(box_run(&box, SHELL("trap '' TERM; echo ready; sleep 1000")));
    EXPECT(box_says(&box, FIRST, "ready"));
    uint64_t begin = now_ms();
    EXPECT_EQ(box_stop(&box, PATIENCE_SHORT_MS), OK);
    EXPECT_EQ(box_state(&box).state, CONTAINER_STATE_STOPPING);
    uint32_t session;
    EXPECT_EQ(session_try(&box, "\"Cmd\": [\"true\"]", &session), ERR_STATE);
    EXPECT(box_ends(&box, SIGNAL_KILL));
    EXPECT(now_ms() - begin >= PATIENCE_SHORT_MS);
    /* Who loses patience before that says so by a shorter time. */
    REQUIRE(box_run(&box, SHELL("trap '' TERM; echo ready; sleep 1000")));
    EXPECT(box_says(&box, FIRST, "ready"));
    EXPECT_EQ(box_stop(&box, 10 * PATIENCE_MS), OK);
    EXPECT_EQ(box_stop(&box, 0), OK);
    EXPECT(box_ends(&box, SIGNAL_KILL));
}

TEST(kill_sends_any_signal)
{
    struct box box;
    REQUIRE(box_run(&box, TRAPS("USR1", "9")));
    EXPECT_EQ(box_kill(&box, 0), ERR_RANGE);
    EXPECT_EQ(box_kill(&box, 65), ERR_RANGE);
    EXPECT(box_says(&box, FIRST, "ready"));
    EXPECT_EQ(box_kill(&box, SIGNAL_TERM), OK); /* the first process has to want it */
    EXPECT_EQ(box_kill(&box, SIGNAL_USR1), OK);
    EXPECT(box_ends(&box, EXITED(9)));
    EXPECT_EQ(box_kill(&box, SIGNAL_KILL), ERR_STATE);
    REQUIRE(box_run(&box, SLEEPS));
    EXPECT_EQ(box_kill(&box, SIGNAL_KILL), OK);
    EXPECT_EQ(box_state(&box).state, CONTAINER_STATE_EXITED); /* at once */
    EXPECT_EQ(box_state(&box).status, SIGNAL_KILL);
    EXPECT_EQ(box_state(&box).memory, 0);
}

TEST(times_are_in_order)
{
    struct box box;
    REQUIRE(box_make(&box, "\"Cmd\": [\"true\"]"));
    struct containers_state_out state = box_state(&box);
    EXPECT(state.created_ns > 0 && state.started_ns == 0 && state.finished_ns == 0);
    EXPECT_EQ(state.state, CONTAINER_STATE_CREATED);
    EXPECT_EQ(box_stop(&box, 0), ERR_STATE);
    EXPECT_EQ(box_kill(&box, SIGNAL_KILL), ERR_STATE);
    REQUIRE(box_start(&box));
    EXPECT(box_ends(&box, EXITED(0)));
    state = box_state(&box);
    EXPECT(state.created_ns <= state.started_ns && state.started_ns < state.finished_ns);
    EXPECT(state.finished_ns <= clock_now_ns());
    const struct containers_start_in again = { .container = box.number };
    EXPECT_EQ(containers_call_start(containers, client_soon(), &again), ERR_STATE);
}

/* ---- Which there are ---- */

static uint32_t next_of(uint32_t after, char name[64])
{
    const struct containers_list_in in = { .after = after };
    struct containers_list_out out = { 0 };
    EXPECT_EQ(containers_call_list(containers, client_soon(), &in, &out), OK);
    (void)format_text(name, 64, "%.*s", (int)out.name_size, (const char *)out.name);
    return out.container;
}

TEST(list_has_them_all_by_number)
{
    struct box box[3];
    char name[64];
    REQUIRE(box_make(&box[0], "\"Name\": \"first\", \"Cmd\": [\"true\"]"));
    REQUIRE(box_run(&box[1], "\"Name\": \"second\", " SLEEPS));
    REQUIRE(box_make(&box[2], "\"Name\": \"third\", \"Cmd\": [\"true\"]"));
    EXPECT_EQ(next_of(0, name), box[0].number);
    EXPECT_STR(name, "first");
    EXPECT_EQ(next_of(box[0].number, name), box[1].number);
    EXPECT_STR(name, "second");
    EXPECT_EQ(next_of(box[1].number, name), box[2].number);
    EXPECT_EQ(next_of(box[2].number, name), 0);
    uint32_t gone = box[1].number;
    box_remove(&box[1]); /* though it runs */
    EXPECT_EQ(next_of(box[0].number, name), box[2].number);
    EXPECT_STR(name, "third");
    const struct containers_state_in in = { .container = gone };
    struct containers_state_out out;
    EXPECT_EQ(containers_call_state(containers, client_soon(), &in, &out), ERR_NOT_FOUND);
    const struct containers_remove_in again = { .container = gone };
    EXPECT_EQ(containers_call_remove(containers, client_soon(), &again), ERR_NOT_FOUND);
    EXPECT_EQ(box_make(&box[1], "\"Name\": \"second\", \"Cmd\": [\"true\"]"), true);
    EXPECT(box[1].number != gone);
}

/* ---- Who watches ---- */

static uint64_t signals(uint64_t notification, uint64_t patience_ms)
{
    uint64_t bits = 0;
    (void)notification_wait(notification, UINT64_MAX, clock_deadline(patience_ms * 1000000), &bits);
    return bits;
}

TEST(watchers_are_told)
{
    struct box box;
    uint64_t own = 0, other = 0;
    REQUIRE(object_create(rt_budget(), OBJECT_NOTIFICATION, &own) == OK);
    REQUIRE(object_create(rt_budget(), OBJECT_NOTIFICATION, &other) == OK);
    REQUIRE(box_make(&box, "\"Cmd\": [\"cat\"], \"OpenStdin\": true"));
    EXPECT_EQ(client_watch(containers, box.number, own, 4), OK);
    for (unsigned i = 1; i < WATCHERS; i++)
        EXPECT_EQ(client_watch(containers, box.number, other, 1), OK);
    EXPECT_EQ(client_watch(containers, box.number, own, 8), ERR_LIMIT);
    EXPECT_EQ(signals(own, 0), 0);
    REQUIRE(box_start(&box));
    EXPECT_EQ(signals(own, PATIENCE_MS), 4);
    EXPECT_EQ(client_input(containers, box.number, FIRST, "word", 4), OK);
    EXPECT(box_says(&box, FIRST, "word"));
    EXPECT_EQ(signals(own, PATIENCE_MS), 4);
    /* Whose notification is gone is forgotten, and others may watch. */
    EXPECT_EQ(handle_revoke(other), OK);
    EXPECT_EQ(client_input(containers, box.number, FIRST, "more", 4), OK);
    EXPECT(box_says(&box, FIRST, "more"));
    EXPECT_EQ(client_watch(containers, box.number, own, 8), OK);
    (void)signals(own, 0);
    EXPECT_EQ(client_input_end(containers, box.number, FIRST), OK);
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_EQ(signals(own, PATIENCE_MS) & 12, 12);
    box_remove(&box); /* which is told as well */
    EXPECT_EQ(signals(own, 0), 12);
    EXPECT_EQ(handle_close(own), OK);
    EXPECT_EQ(handle_close(other), OK);
}

/* ---- What was written ---- */

struct reader {
    uint64_t position, read_bytes, lost_bytes;
    unsigned next, gaps; /* the number that the next line should be */
    char line[32];
    size_t length;
};

static void take_byte(struct reader *reader, char byte)
{
    if (byte != '\n') {
        if (reader->length < sizeof(reader->line) - 1)
            reader->line[reader->length++] = byte;
        return;
    }
    reader->line[reader->length] = '\0';
    reader->length = 0;
    unsigned number = (unsigned)strtoul(reader->line, NULL, 10);
    reader->gaps += number != reader->next;
    reader->next = number + 1;
}

static void read_lines(struct reader *reader, const struct box *box)
{
    static char data[LOG_DATA_MAX];
    struct log_record record;
    uint64_t lost;
    while (container_log_read(box->log->at, (size_t)box->log->size_bytes, &reader->position,
                              &record, data, &lost) == OK) {
        /* The line that the gap begins in is half a line. */
        if (lost != 0)
            reader->length = 0;
        reader->lost_bytes += lost;
        reader->read_bytes += sizeof(record) + ALIGN_UP((uint64_t)record.size_bytes, 8);
        for (unsigned i = 0; i < record.size_bytes; i++)
            take_byte(reader, data[i]);
    }
}

/* Who follows loses nothing, and who comes late knows what. */
TEST(logs_are_followed_or_the_loss_is_counted)
{
    struct box box;
    struct reader follower = { .next = 1 }, late = { .next = 1 };
    REQUIRE(box_run(&box, SHELL("read go; seq 1 100; sleep 0.2; seq 101 200; read go; seq 201 "
                                "60000") ", \"OpenStdin\": true"));
    EXPECT_EQ(client_input(containers, box.number, FIRST, "1\n", 2), OK);
    for (uint64_t end = now_ms() + PATIENCE_MS; follower.next != 201 && now_ms() < end; pause_ms(5))
        read_lines(&follower, &box);
    EXPECT_EQ(follower.gaps, 0);
    EXPECT_EQ(follower.lost_bytes, 0);
    EXPECT_EQ(client_input(containers, box.number, FIRST, "2\n", 2), OK);
    while (!box_ended(&box)) {
        read_lines(&follower, &box);
        pause_ms(1);
    }
    read_lines(&follower, &box);
    read_lines(&late, &box);
    EXPECT(box_ends(&box, EXITED(0)));
    EXPECT_EQ(late.next, LINES + 1);
    EXPECT_EQ(follower.next, LINES + 1);
    EXPECT(late.lost_bytes > 0 && late.gaps >= 1 && late.gaps <= 2);
    /* Positions count all that was ever written. */
    EXPECT_EQ(late.read_bytes + late.lost_bytes, late.position);
    EXPECT_EQ(follower.read_bytes + follower.lost_bytes, late.position);
    EXPECT_EQ(follower.lost_bytes == 0, follower.gaps == 0);
}
