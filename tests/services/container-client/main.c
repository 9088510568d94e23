/* The module `image.tar` holds the images test:plain and test:quit, the module `plan` is a line:
 * pattern=P kills=N seed=S. The last line is the number of tests that failed.
 */
#include <object_info.h>
#include <protocol_control.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum {
    PLAN_BYTES = 256,
    SERVICE_CONTAINERS = 0,   /* its place in the manifest */
    SLACK_BYTES = 512 * 1024, /* the service's heap grows as it meets larger things */
    SLACK_FRAMES = 1024,      /* and so do the kernel's tables */
    SETTLE_MS = 2000,
    GRACE_REMOVALS = 64,
};
#define UNPACK_NS ((uint64_t)300 * 1000 * 1000 * 1000)

struct plan plan = { .pattern = "all", .kills = 60 };
uint64_t containers;

bool number_behind(const char *text, const char *words, uint64_t *number_out)
{
    const char *at = strstr(text, words);
    char *end = NULL;
    if (at == NULL)
        return false;
    at += strlen(words);
    *number_out = strtoull(at, &end, 10);
    return end != at;
}

uint64_t now_ms(void)
{
    return clock_now_ns() / 1000000;
}

void pause_ms(uint64_t ms)
{
    thread_yield(clock_deadline(ms * 1000000));
}

/* ---- Accounts ---- */

/* What is contiguous comes back after a grace period, which begins with so many removals. */
static void end_grace_period(void)
{
    for (unsigned i = 0; i < GRACE_REMOVALS; i++) {
        uint64_t notification = 0;
        EXPECT_EQ(object_create(rt_budget(), OBJECT_NOTIFICATION, &notification), OK);
        EXPECT_EQ(handle_close(notification), OK);
    }
    pause_ms(10);
}

struct stock stock_take(void)
{
    end_grace_period();
    struct control_account_out account = { 0 };
    const struct control_account_in in = { .index = SERVICE_CONTAINERS };
    struct object_info machine = { 0 };
    EXPECT_EQ(control_call_account(rt_handle("control"), client_soon(), &in, &account), OK);
    EXPECT_EQ(object_info(rt_handle("machine"), &machine, sizeof(machine)), OK);
    return (struct stock){ .memory = account.memory,
                           .capabilities = account.capabilities,
                           .threads = account.threads,
                           .frames_free = machine.detail.system.frames_free };
}

static struct stock stock_before;

static void before(void)
{
    stock_before = stock_take();
}

static bool is_back(const struct stock *now)
{
    return now->capabilities == stock_before.capabilities && now->threads == stock_before.threads &&
           now->memory <= stock_before.memory + SLACK_BYTES &&
           now->frames_free + SLACK_FRAMES >= stock_before.frames_free;
}

/* What ended a moment ago may be on its way back. */
static void after(void)
{
    boxes_remove();
    struct stock now = stock_take();
    for (uint64_t end = now_ms() + SETTLE_MS; !is_back(&now) && now_ms() < end; now = stock_take())
        pause_ms(10);
    EXPECT_EQ(now.capabilities, stock_before.capabilities);
    EXPECT_EQ(now.threads, stock_before.threads);
    EXPECT(now.memory <= stock_before.memory + SLACK_BYTES);
    EXPECT(now.frames_free + SLACK_FRAMES >= stock_before.frames_free);
}

/* ---- What there is to do ---- */

static bool must(enum status status, const char *what)
{
    if (status != OK)
        rt_log("cannot begin: %s: %s", what, status_text(status));
    return status == OK;
}

static bool read_plan(void)
{
    uint64_t memory = 0, size_bytes = 0;
    char text[PLAN_BYTES] = { 0 };
    uint64_t kills = 0;
    void *at = NULL;
    enum status status = client_module(rt_handle("modules"), "plan", &memory, &size_bytes);
    if (status == OK)
        status = space_map(memory, 0, SPACE_PAGE, ACCESS_READ, &at);
    if (!must(status, "the plan"))
        return false;
    memcpy(text, at, MIN(size_bytes, sizeof(text) - 1));
    if (!number_behind(text, "kills=", &kills) || !number_behind(text, "seed=", &plan.seed))
        return must(ERR_FORMAT, "the plan");
    plan.kills = (unsigned)kills;
    const char *pattern = strstr(text, "pattern=");
    size_t length = pattern != NULL ? strcspn(pattern + 8, " \n") : 0;
    if (length == 0 || length >= sizeof(plan.pattern))
        return must(ERR_FORMAT, "the plan");
    memcpy(plan.pattern, pattern + 8, length);
    plan.pattern[length] = '\0';
    return true;
}

static bool add_image(void)
{
    uint64_t memory = 0, size_bytes = 0;
    uint32_t archive = 0;
    enum status status = client_module(rt_handle("modules"), "image.tar", &memory, &size_bytes);
    if (status == OK)
        status = client_add_archive(rt_handle("images"), memory, size_bytes,
                                    clock_deadline(UNPACK_NS), &archive);
    return must(status, "the image");
}

/* Two of everything at once, so that what the service keeps for good is there before it counts. */
static void warm_up(void)
{
    struct box box[2] = { 0 };
    for (unsigned i = 0; i < ARRAY_LEN(box); i++) {
        if (box_run(&box[i], "\"Cmd\": [\"true\"]"))
            (void)box_wait(&box[i], PATIENCE_MS);
    }
    boxes_remove();
}

static void print(const char *text, size_t size_bytes)
{
    rt_log_line(text, size_bytes > 0 && text[size_bytes - 1] == '\n' ? size_bytes - 1 : size_bytes);
}

int main(void)
{
    containers = rt_handle("containers");
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    if (!read_plan() || !add_image())
        return 0;
    const struct test_hooks hooks = { .print = print,
                                      .before = before,
                                      .after = after,
                                      .seed = plan.seed,
                                      .entropy = clock_now_ns() };
    warm_up();
    rt_log("failures: %d", test_run_matching(&hooks, plan.pattern));
    return 0;
}
