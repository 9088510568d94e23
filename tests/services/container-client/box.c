/* One container, as tests want it: what should work is an expectation, and each wait has an end. */
#include <rt/clock.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { LOOK_MS = 3, LOGS_MAX = 64 };

static char request[REQUEST_TEXT_BYTES];
static struct client_log logs[LOGS_MAX]; /* of all boxes: what one forgets is closed in the end */

/* ---- Its beginning and end ---- */

enum status box_try(struct box *box, const char *members)
{
    bool named = strstr(members, "\"Image\"") != NULL;
    *box = (struct box){ 0 };
    (void)snprintf(request, sizeof(request), "{ %s%s%s }", named ? "" : "\"Image\": \"test:plain\"",
                   named || members[0] == '\0' ? "" : ", ", members);
    return client_create(containers, request, &box->number);
}

static struct client_log *free_log(void)
{
    for (unsigned i = 0; i < LOGS_MAX; i++) {
        if (logs[i].at == NULL)
            return &logs[i];
    }
    return NULL;
}

bool box_make(struct box *box, const char *members)
{
    enum status status = box_try(box, members);
    box->log = free_log();
    if (status == OK)
        status = box->log == NULL ? ERR_LIMIT : client_log_open(containers, box->number, box->log);
    if (status != OK) {
        char text[256];
        (void)client_problem(containers, text, sizeof(text));
        test_note("a container with %.200s: %s", members, text);
    }
    return EXPECT_EQ(status, OK);
}

bool box_start(struct box *box)
{
    const struct containers_start_in in = { .container = box->number };
    return EXPECT_EQ(containers_call_start(containers, client_soon(), &in), OK);
}

bool box_run(struct box *box, const char *members)
{
    return box_make(box, members) && box_start(box);
}

void box_remove(struct box *box)
{
    const struct containers_remove_in in = { .container = box->number };
    if (box->log != NULL)
        client_log_close(box->log);
    if (box->number != 0)
        EXPECT_EQ(containers_call_remove(containers, client_soon(), &in), OK);
    *box = (struct box){ 0 };
}

void boxes_remove(void)
{
    for (unsigned i = 0; i < LOGS_MAX; i++)
        client_log_close(&logs[i]);
    for (;;) {
        const struct containers_list_in in = { .after = 0 };
        struct containers_list_out out = { 0 };
        if (!EXPECT_EQ(containers_call_list(containers, client_soon(), &in, &out), OK) ||
            out.container == 0)
            return;
        struct box box = { .number = out.container };
        box_remove(&box);
    }
}

/* ---- Where it stands ---- */

struct containers_state_out box_state(const struct box *box)
{
    const struct containers_state_in in = { .container = box->number };
    struct containers_state_out out = { 0 };
    EXPECT_EQ(containers_call_state(containers, client_soon(), &in, &out), OK);
    return out;
}

static bool is_end(enum container_state state)
{
    return state == CONTAINER_STATE_EXITED || state == CONTAINER_STATE_FAILED;
}

bool box_ended(const struct box *box)
{
    return is_end(box_state(box).state);
}

bool box_wait(const struct box *box, uint64_t patience_ms)
{
    uint64_t end = now_ms() + patience_ms;
    while (!box_ended(box)) {
        if (now_ms() >= end)
            return false;
        pause_ms(LOOK_MS);
    }
    return true;
}

bool box_ends(const struct box *box, uint32_t status)
{
    if (!box_wait(box, PATIENCE_MS)) {
        test_fail(__FILE__, __LINE__, "it ends");
        return false;
    }
    struct containers_state_out out = box_state(box);
    bool exited = EXPECT_EQ(out.state, CONTAINER_STATE_EXITED);
    return EXPECT_EQ(out.status, status) && exited;
}

enum status box_stop(const struct box *box, uint32_t timeout_ms)
{
    const struct containers_stop_in in = { .container = box->number, .timeout_ms = timeout_ms };
    return containers_call_stop(containers, client_soon(), &in);
}

enum status box_kill(const struct box *box, uint32_t signal)
{
    const struct containers_kill_in in = { .container = box->number, .signal = signal };
    return containers_call_kill(containers, client_soon(), &in);
}

/* ---- Sessions ---- */

enum status session_try(const struct box *box, const char *members, uint32_t *session_out)
{
    *session_out = 0;
    (void)snprintf(request, sizeof(request), "{ %s }", members);
    return client_exec(containers, box->number, request, session_out);
}

uint32_t session_start(const struct box *box, const char *members)
{
    uint32_t session = 0;
    EXPECT_EQ(session_try(box, members, &session), OK);
    return session;
}

struct containers_session_out session_state(const struct box *box, uint32_t session)
{
    const struct containers_session_in in = { .container = box->number, .session = session };
    struct containers_session_out out = { 0 };
    EXPECT_EQ(containers_call_session(containers, client_soon(), &in, &out), OK);
    return out;
}

bool session_wait(const struct box *box, uint32_t session, uint64_t patience_ms)
{
    uint64_t end = now_ms() + patience_ms;
    while (!is_end(session_state(box, session).state)) {
        if (now_ms() >= end || test_has_failed())
            return false;
        pause_ms(LOOK_MS);
    }
    return true;
}

bool session_ends(const struct box *box, uint32_t session, uint32_t status)
{
    if (!session_wait(box, session, PATIENCE_MS)) {
        test_fail(__FILE__, __LINE__, "the session ends");
        return false;
    }
    struct containers_session_out out = session_state(box, session);
    bool exited = EXPECT_EQ(out.state, CONTAINER_STATE_EXITED);
    return EXPECT_EQ(out.status, status) && exited;
}

/* ---- What it writes ---- */

const char *box_output(const struct box *box, uint32_t session, unsigned stream)
{
    static char text[OUTPUT_BYTES];
    static char data[LOG_DATA_MAX];
    struct log_record record;
    uint64_t position = 0, lost;
    size_t length = 0;
    while (container_log_read(box->log->at, (size_t)box->log->size_bytes, &position, &record, data,
                              &lost) == OK) {
        if ((session != 0 && record.session != session) ||
            (stream != 0 && record.stream != stream) || record.size_bytes >= sizeof(text) - length)
            continue;
        memcpy(text + length, data, record.size_bytes);
        length += record.size_bytes;
    }
    text[length] = '\0';
    return text;
}

bool box_says(const struct box *box, uint32_t session, const char *text)
{
    uint64_t end = now_ms() + PATIENCE_MS;
    while (strstr(box_output(box, session, LOG_STREAM_OUTPUT), text) == NULL) {
        if (now_ms() >= end) {
            test_note("it does not say \"%s\", but \"%.100s\"", text, box_output(box, session, 0));
            test_fail(__FILE__, __LINE__, "it says so");
            return false;
        }
        pause_ms(LOOK_MS);
    }
    return true;
}
