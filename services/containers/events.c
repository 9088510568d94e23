/* Between a sandbox and us: two rings (abi/container.h). An entry that cannot be is the end of the
 * container; a full ring makes commands wait here, up to a bound.
 */
#include <base/string.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "containers.h"

enum { BATCH = 2 * CONTAINER_EVENTS, WAIT_STATUS_KILLED = 9, NOTES_MAX = 64 };

/* A watcher whose notification is gone makes room for another. */
void watchers_signal(struct container *container)
{
    for (unsigned i = 0; i < WATCH_MAX; i++) {
        struct watch *watch = &container->watch[i];
        if (watch->notification == 0 || notification_signal(watch->notification, watch->bits) == OK)
            continue;
        (void)handle_close(watch->notification);
        *watch = (struct watch){ 0 };
    }
}

struct session *session_find(struct container *container, uint32_t id)
{
    for (unsigned i = 0; i < SESSION_MAX && id != 0; i++) {
        if (container->session[i].id == id)
            return &container->session[i];
    }
    return NULL;
}

/* ---- What it says ---- */

static void keep(struct container *container, const struct container_entry *entry, uint16_t stream)
{
    const struct log_record record = {
        .time_ns = clock_now_ns(),
        .session = entry->session,
        .stream = stream,
        .size_bytes = (uint16_t)entry->size_bytes,
    };
    (void)container_log_append(container->log, &record, entry->data);
}

static void finish(struct container *container, enum container_state state, uint32_t status)
{
    container->state = state;
    container->status = status;
    container->finished_ns = clock_now_ns();
    sandbox_end(container);
    events_end(container, WAIT_STATUS_KILLED);
}

static void session_ends(struct container *container, struct session *session,
                         enum container_state state, uint32_t status)
{
    session->state = state;
    session->status = status;
    if (session->id == CONTAINER_FIRST_SESSION)
        finish(container, state, status);
}

/* Of a session that is, or was: what it left behind may go on writing. */
static bool take_output(struct container *container, const struct container_entry *entry,
                        uint16_t stream)
{
    if (entry->session == 0 || entry->session > container->last_session)
        return false;
    keep(container, entry, stream);
    return true;
}

/* A line of the sandbox's own, which it may have been made to write: few of them are enough. */
static void take_note(struct container *container, const struct container_entry *entry)
{
    char text[CONTAINER_DATA_BYTES + 1];
    if (container->notes >= NOTES_MAX)
        return;
    container->notes++;
    memcpy(text, entry->data, entry->size_bytes);
    text[entry->size_bytes] = '\0';
    rt_log("%s: %s%s", container->request.name, text,
           container->notes == NOTES_MAX ? " (and no more of these)" : "");
}

/* False: that is no event. */
static bool take(struct container *container, const struct container_entry *entry)
{
    struct session *session = session_find(container, entry->session);
    if (entry->size_bytes > CONTAINER_DATA_BYTES)
        return false;
    if (entry->kind == CONTAINER_OUTPUT || entry->kind == CONTAINER_ERROR)
        return take_output(container, entry,
                           entry->kind == CONTAINER_ERROR ? LOG_STREAM_ERROR : LOG_STREAM_OUTPUT);
    if (entry->kind == CONTAINER_NOTE) {
        take_note(container, entry);
        return true;
    }
    if (session == NULL || session->state != CONTAINER_STATE_RUNNING)
        return false;
    switch (entry->kind) {
    case CONTAINER_STARTED:
        return true;
    case CONTAINER_REFUSED:
        keep(container, entry, LOG_STREAM_ERROR);
        session_ends(container, session, CONTAINER_STATE_FAILED, entry->value);
        return true;
    case CONTAINER_EXITED:
        session_ends(container, session, CONTAINER_STATE_EXITED, entry->value);
        return true;
    default:
        return false;
    }
}

/* ---- What it is told ---- */

/* With something left the sandbox is asked to say when there is room. */
static void flush(struct container *container)
{
    struct outbox *outbox = &container->outbox;
    unsigned sent = 0;
    do {
        while (sent < outbox->count && ring_push(&container->commands, &outbox->entry[sent]) == OK)
            sent++;
    } while (sent < outbox->count && !container->commands.broken &&
             !ring_may_sleep(&container->commands));
    outbox->count -= sent;
    if (sent > 0 && outbox->count > 0)
        memmove(outbox->entry, outbox->entry + sent, outbox->count * sizeof(*outbox->entry));
    if (sent > 0 && ring_must_wake(&container->commands))
        (void)notification_signal(container->sandbox_signal, 1);
}

static bool outbox_grow(struct outbox *outbox, unsigned more)
{
    if (more > OUTBOX_MAX - outbox->count)
        return false;
    if (outbox->count + more <= outbox->room)
        return true;
    unsigned room = outbox->count + more + CONTAINER_COMMANDS;
    struct container_entry *entry = realloc(outbox->entry, room * sizeof(*entry));
    if (entry == NULL)
        return false;
    outbox->entry = entry;
    outbox->room = room;
    return true;
}

enum status command_send(struct container *container, const struct container_entry *entry)
{
    if (container->process == 0)
        return ERR_STATE;
    if (!outbox_grow(&container->outbox, 1))
        return ERR_BUSY;
    container->outbox.entry[container->outbox.count++] = *entry;
    flush(container);
    return OK;
}

/* A free one, or the one that ended the longest ago: nobody asks for that one any more. */
static struct session *session_slot(struct container *container)
{
    struct session *found = NULL;
    for (unsigned i = 0; i < SESSION_MAX; i++) {
        struct session *session = &container->session[i];
        bool kept = session->id == CONTAINER_FIRST_SESSION ||
                    (session->id != 0 && session->state == CONTAINER_STATE_RUNNING);
        if (!kept && (found == NULL || session->id < found->id))
            found = session;
    }
    return found;
}

/* The block in pieces, then the word to run it: all of it or nothing. */
enum status command_exec(struct container *container, const struct container_block *block,
                         uint32_t *session_out)
{
    struct session *session = session_slot(container);
    unsigned pieces =
        (block->size_bytes + CONTAINER_DATA_BYTES - 1) / (unsigned)CONTAINER_DATA_BYTES;
    if (session == NULL)
        return ERR_LIMIT;
    if (!outbox_grow(&container->outbox, pieces + 1))
        return ERR_BUSY;
    uint32_t id = ++container->last_session;
    for (uint32_t at = 0; at < block->size_bytes; at += CONTAINER_DATA_BYTES) {
        struct container_entry *entry = &container->outbox.entry[container->outbox.count++];
        *entry = (struct container_entry){ .kind = CONTAINER_EXEC, .session = id };
        entry->size_bytes = MIN(block->size_bytes - at, (uint32_t)CONTAINER_DATA_BYTES);
        memcpy(entry->data, (const uint8_t *)block + at, entry->size_bytes);
    }
    container->outbox.entry[container->outbox.count++] =
        (struct container_entry){ .kind = CONTAINER_EXEC_RUN, .session = id };
    *session = (struct session){ .id = id, .state = CONTAINER_STATE_RUNNING };
    flush(container);
    *session_out = id;
    return OK;
}

/* ---- When it signals ---- */

/* True: there may be more. */
static bool take_batch(struct container *container)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct container_entry entry;
        enum status status = ring_pop(&container->events, &entry);
        if (status == ERR_WOULD_BLOCK && ring_may_sleep(&container->events))
            return false;
        if (status == ERR_WOULD_BLOCK)
            continue;
        if (status != OK || !take(container, &entry)) {
            rt_log("%s: its sandbox does not keep to the rules", container->request.name);
            finish(container, CONTAINER_STATE_FAILED, WAIT_STATUS_KILLED);
        }
        if (container->process == 0)
            return false;
    }
    return true;
}

bool events_take(struct container *container)
{
    if (container->process == 0)
        return false;
    bool more = take_batch(container);
    if (container->process != 0) {
        if (ring_must_wake(&container->events)) /* it waits for room, and now there is some */
            (void)notification_signal(container->sandbox_signal, 1);
        flush(container);
    }
    watchers_signal(container);
    return more;
}

void events_end(struct container *container, uint32_t status)
{
    for (unsigned i = 0; i < SESSION_MAX; i++) {
        struct session *session = &container->session[i];
        if (session->id != 0 && session->state == CONTAINER_STATE_RUNNING) {
            session->state = CONTAINER_STATE_EXITED;
            session->status = status;
        }
    }
}
