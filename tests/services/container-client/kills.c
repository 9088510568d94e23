/* Containers that end at any moment: while they start, while they write, while something is started
 * in them; by a signal, by stop, by being removed. Whatever it was, everything comes back.
 */
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum {
    BATCH = 20,    /* kills between two looks at the accounts */
    AT_ONCE = 3,   /* containers */
    DELAY_MS = 60, /* at most, before the next thing is done to one */
    SETTLE_MS = 5000,
    GROWTH_BYTES = 256 * 1024,
    GROWTH_FRAMES = 256,
};

static uint64_t state;

static unsigned choose(unsigned count)
{
    return (unsigned)(test_random(&state) % count);
}

/* ---- One of them ---- */

static const char *const programs[] = {
    SLEEPS,
    "\"Cmd\": [\"yes\"]",
    "\"Cmd\": [\"/no/such\"]",
    "\"Cmd\": [\"cat\"], \"OpenStdin\": true",
    "\"Cmd\": [\"sh\"], \"Tty\": true, \"OpenStdin\": true",
    "\"Cmd\": [\"hostile\", \"forks\"], \"HostConfig\": {\"PidsLimit\": 20}",
    "\"Cmd\": [\"hostile\", \"threads\"], \"HostConfig\": {\"PidsLimit\": 20}",
    "\"Cmd\": [\"hostile\", \"work\", \"100000\"], \"HostConfig\": {\"Isolation\": \"fused\"}",
    "\"Cmd\": [\"hostile\", \"memory\"], \"HostConfig\": {\"Memory\": 16777216}",
    SHELL("while :; do ls -l /bin >/tmp/a; cat /tmp/a | wc -l; done"),
    SHELL("trap '' TERM; while :; do (sleep 0.01; exit 3) & wait; done"),
    SHELL("dd if=/dev/zero of=/tmp/x bs=4096 count=2000; mkfifo /tmp/f; cat /tmp/f"),
};

static void do_something(struct box *box)
{
    static const uint8_t noise[512] = "echo word; ls\n";
    uint32_t session = 0;
    switch (choose(5)) {
    case 0:
        (void)session_try(box, programs[choose(ARRAY_LEN(programs))], &session);
        break;
    case 1: {
        const struct containers_input_in in = { .container = box->number, .session = FIRST };
        (void)containers_call_input(containers, client_soon(), &in);
        break;
    }
    case 2: {
        struct containers_input_in in = { .container = box->number, .session = FIRST };
        in.data_size = sizeof(in.data);
        memcpy(in.data, noise, sizeof(in.data));
        (void)containers_call_input(containers, client_soon(), &in);
        break;
    }
    case 3:
        (void)box_kill(box, 1 + choose(8)); /* not 9 */
        break;
    default:
        (void)box_stop(box, choose(20));
        break;
    }
}

static bool ends_or_is_over(enum status status)
{
    return status == OK || status == ERR_STATE;
}

/* The end of its time here. */
static void end(struct box *box)
{
    enum status status;
    switch (choose(3)) {
    case 0:
        EXPECT(ends_or_is_over(box_kill(box, SIGNAL_KILL)));
        break;
    case 1:
        status = box_stop(box, choose(10));
        EXPECT(ends_or_is_over(status));
        EXPECT(status != OK || box_wait(box, PATIENCE_MS));
        break;
    default:
        break;
    }
    box_remove(box);
}

static void begin(struct box *box)
{
    if (!box_make(box, programs[choose(ARRAY_LEN(programs))]))
        return;
    if (choose(16) != 0)
        (void)box_start(box);
}

static void batch(unsigned kills)
{
    struct box box[AT_ONCE] = { 0 };
    for (unsigned done = 0; done < kills && !test_has_failed();) {
        struct box *one = &box[choose(AT_ONCE)];
        if (one->number == 0) {
            begin(one);
        } else if (choose(3) == 0) {
            end(one);
            done++;
        } else {
            do_something(one);
        }
        if (choose(2) == 0)
            pause_ms(choose(DELAY_MS));
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        box_remove(&box[i]);
}

/* ---- All of them ---- */

static int64_t more(uint64_t now, uint64_t before)
{
    return (int64_t)(now - before);
}

static bool has_come_back(const struct stock *first, const struct stock *now)
{
    return now->capabilities == first->capabilities && now->threads == first->threads &&
           more(now->memory, first->memory) <= GROWTH_BYTES &&
           more(first->frames_free, now->frames_free) <= GROWTH_FRAMES;
}

static struct stock settled(const struct stock *first)
{
    struct stock now = stock_take();
    for (uint64_t end_ms = now_ms() + SETTLE_MS; !has_come_back(first, &now) && now_ms() < end_ms;
         now = stock_take())
        pause_ms(20);
    return now;
}

/* The first batch is not counted: it shows the service the largest things it will meet. */
TEST(nothing_stays_of_who_was_killed)
{
    state = test_seed();
    batch(BATCH);
    struct stock first = stock_take(), now = first;
    unsigned killed = 0;
    while (killed < plan.kills && !test_has_failed()) {
        batch(BATCH);
        killed += BATCH;
        now = settled(&first);
        EXPECT(has_come_back(&first, &now));
    }
    test_note("%u killed: memory %+lld, capabilities %+lld, threads %+lld, frames %+lld", killed,
              (long long)more(now.memory, first.memory),
              (long long)more(now.capabilities, first.capabilities),
              (long long)more(now.threads, first.threads),
              (long long)more(first.frames_free, now.frames_free));
}
