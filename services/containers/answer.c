/* What clients ask. Nothing here waits, neither for a client nor for a sandbox. */
#include <base/string.h>
#include <object_info.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "containers.h"

enum { SIGNAL_KILL = 9, SIGNAL_LAST = 64, AUTHORITY_BYTES = 64 * 1024 };

/* ---- Problems ---- */

static const char no_container[] = "there is no such container";

/* What it is told next is about the request that begins here. */
static void problem_begin(struct containers *all, uint64_t badge)
{
    all->problem[0] = '\0';
    all->problem_badge = badge;
}

static enum status problem(struct containers *all, enum status status, const char *text)
{
    (void)strlcpy(all->problem, text, sizeof(all->problem));
    return status;
}

/* ---- Texts in Memory ---- */

/* A copy of a client's text: what it says afterwards does not matter. */
static enum status read_text(uint64_t memory, uint64_t size_bytes, char **text_out)
{
    uint64_t span = (size_bytes + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
    void *at = NULL;
    if (size_bytes == 0 || size_bytes > REQUEST_BYTES_MAX)
        return ERR_LIMIT;
    char *text = malloc(size_bytes + 1);
    uint64_t copy = 0;
    if (text == NULL)
        return ERR_NO_MEMORY;
    /* Of a snapshot that we pay for: the client's Memory may be taken away under our eyes. */
    enum status status = memory_clone(memory, rt_budget(), 0, span, 0, 0, &copy);
    if (status == OK)
        status = space_map(copy, 0, span, ACCESS_READ, &at);
    if (status == OK) {
        memcpy(text, at, size_bytes);
        text[size_bytes] = '\0';
        (void)space_unmap(at, span);
    }
    if (copy != 0)
        (void)handle_close(copy);
    if (status != OK)
        free(text);
    else
        *text_out = text;
    return status;
}

static enum status read_request(struct containers *all, uint64_t memory, uint64_t size_bytes,
                                char **text_out)
{
    enum status status = read_text(memory, size_bytes, text_out);
    if (status == OK)
        return OK;
    return problem(all, status,
                   status == ERR_LIMIT ? "the request: is empty, or above 128 KiB"
                                       : "the request: cannot be read");
}

/* A text of ours as Memory for a client, who may read it. */
static enum status write_text(const char *text, size_t size_bytes, uint64_t *memory_out)
{
    uint64_t span = (size_bytes + SPACE_PAGE) / SPACE_PAGE * SPACE_PAGE;
    uint64_t memory = 0;
    void *at = NULL;
    enum status status = memory_create(rt_budget(), span, 0, 0, 0, &memory);
    if (status != OK)
        return status;
    status = memory_range(memory, MEMORY_OP_COMMIT, 0, span);
    if (status == OK)
        status = space_map(memory, 0, span, ACCESS_READ | ACCESS_WRITE, &at);
    if (status == OK) {
        memcpy(at, text, size_bytes);
        (void)space_unmap(at, span);
        status = handle_copy(memory, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP | RIGHT_ANY_GRANT, 0, 0,
                             memory_out);
    }
    /* What was derived hangs below it no more, and stays. */
    (void)handle_close(memory);
    return status;
}

static struct container *find(void *context, uint32_t number)
{
    return container_find(context, number);
}

/* ---- Containers ---- */

static enum status answer_create(void *context, uint64_t badge,
                                 const struct containers_create_in *in,
                                 struct containers_create_out *out)
{
    struct containers *all = context;
    struct container *container;
    char *text;
    problem_begin(all, badge);
    enum status status = read_request(all, in->request, in->size, &text);
    if (status == OK) {
        status = container_create(all, text, (size_t)in->size, &container);
        free(text);
    }
    if (status != OK)
        return status;
    (void)handle_close(in->request);
    out->container = container->number;
    return OK;
}

static enum status answer_problem(void *context, uint64_t badge,
                                  const struct containers_problem_in *in,
                                  struct containers_problem_out *out)
{
    const struct containers *all = context;
    size_t length = all->problem_badge == badge ? strlen(all->problem) : 0;
    if (in->at < length)
        out->text_size = MIN(length - in->at, sizeof(out->text));
    memcpy(out->text, all->problem + in->at, out->text_size);
    return OK;
}

static enum status answer_start(void *context, uint64_t badge, const struct containers_start_in *in)
{
    struct containers *all = context;
    struct container *container = find(context, in->container);
    problem_begin(all, badge);
    if (container == NULL)
        return problem(all, ERR_NOT_FOUND, no_container);
    if (container->state != CONTAINER_STATE_CREATED)
        return problem(all, ERR_STATE, "it was started before");
    enum status status = sandbox_start(all, container);
    if (status != OK) {
        rt_log("%s cannot be started: %s", container->request.name, status_text(status));
        return problem(all, status, "there is no room for its sandbox");
    }
    container->state = CONTAINER_STATE_RUNNING;
    container->started_ns = clock_now_ns();
    container->last_session = CONTAINER_FIRST_SESSION;
    container->session[0] =
        (struct session){ .id = CONTAINER_FIRST_SESSION, .state = CONTAINER_STATE_RUNNING };
    watchers_signal(container);
    return OK;
}

static bool runs(const struct container *container)
{
    return container->state == CONTAINER_STATE_RUNNING ||
           container->state == CONTAINER_STATE_STOPPING;
}

static void end_by(struct container *container, uint32_t status)
{
    sandbox_end(container);
    container->state = CONTAINER_STATE_EXITED;
    container->status = status;
    container->finished_ns = clock_now_ns();
    events_end(container, status);
    watchers_signal(container);
}

static enum status signal_first(struct container *container, uint32_t number)
{
    const struct container_entry entry = {
        .kind = CONTAINER_SIGNAL,
        .session = CONTAINER_FIRST_SESSION,
        .value = number,
    };
    return command_send(container, &entry);
}

static enum status answer_stop(void *context, uint64_t badge, const struct containers_stop_in *in)
{
    struct container *container = find(context, in->container);
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    if (!runs(container))
        return ERR_STATE;
    if (container->state == CONTAINER_STATE_RUNNING) {
        container->state = CONTAINER_STATE_STOPPING;
        (void)signal_first(container, container->stop_signal); /* if it cannot hear, time helps */
        watchers_signal(container);
    }
    container->kill_at_ns = clock_deadline((uint64_t)in->timeout_ms * 1000000);
    return OK;
}

static enum status answer_kill(void *context, uint64_t badge, const struct containers_kill_in *in)
{
    struct container *container = find(context, in->container);
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    if (!runs(container))
        return ERR_STATE;
    if (in->signal == 0 || in->signal > SIGNAL_LAST)
        return ERR_RANGE;
    if (in->signal != SIGNAL_KILL)
        return signal_first(container, in->signal);
    (void)events_take(container); /* what it has written so far */
    if (runs(container))
        end_by(container, SIGNAL_KILL);
    return OK;
}

static enum status answer_remove(void *context, uint64_t badge,
                                 const struct containers_remove_in *in)
{
    struct container *container = find(context, in->container);
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    container_forget(context, container);
    return OK;
}

static enum status answer_state(void *context, uint64_t badge, const struct containers_state_in *in,
                                struct containers_state_out *out)
{
    const struct container *container = find(context, in->container);
    struct object_info info;
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    out->state = container->state;
    out->status = container->status;
    out->created_ns = container->created_ns;
    out->started_ns = container->started_ns;
    out->finished_ns = container->finished_ns;
    if (container->budget != 0 && object_info(container->budget, &info, sizeof(info)) == OK)
        out->memory = info.detail.budget.used[0];
    return OK;
}

static enum status answer_log(void *context, uint64_t badge, const struct containers_log_in *in,
                              struct containers_log_out *out)
{
    const struct container *container = find(context, in->container);
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    out->size = LOG_BYTES;
    return handle_copy(container->log_memory,
                       RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP | RIGHT_ANY_GRANT, 0, 0, &out->log);
}

static enum status answer_watch(void *context, uint64_t badge, const struct containers_watch_in *in)
{
    struct container *container = find(context, in->container);
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    for (unsigned i = 0; i < WATCH_MAX; i++) {
        if (container->watch[i].notification != 0)
            continue;
        container->watch[i] = (struct watch){ .notification = in->notification, .bits = in->bits };
        return OK;
    }
    return ERR_LIMIT;
}

static enum status answer_list(void *context, uint64_t badge, const struct containers_list_in *in,
                               struct containers_list_out *out)
{
    const struct containers *all = context;
    const struct container *next = NULL;
    (void)badge;
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        const struct container *container = &all->container[i];
        if (container->number > in->after && (next == NULL || container->number < next->number))
            next = container;
    }
    if (next == NULL)
        return OK;
    out->container = next->number;
    out->name_size = MIN(strlen(next->request.name), sizeof(out->name));
    memcpy(out->name, next->request.name, out->name_size);
    return OK;
}

static enum status answer_authority(void *context, uint64_t badge,
                                    const struct containers_authority_in *in,
                                    struct containers_authority_out *out)
{
    static char text[AUTHORITY_BYTES];
    const struct container *container = find(context, in->container);
    size_t size_bytes = 0;
    enum status status = OK;
    (void)badge;
    if (container == NULL)
        return ERR_NOT_FOUND;
    if (in->held && container->process == 0)
        return ERR_STATE;
    if (in->held)
        status = authority_held_text(container, text, sizeof(text), &size_bytes);
    else
        size_bytes = authority_text(context, container, text, sizeof(text));
    if (status != OK)
        return status;
    out->size = size_bytes;
    return write_text(text, size_bytes, &out->text);
}

/* ---- Sessions ---- */

static enum status exec(struct containers *all, struct container *container, const char *json,
                        size_t size_bytes, uint32_t *session_out)
{
    struct container_request request;
    struct container_block *block;
    struct image_wishes wishes;
    enum status status = container_request_parse(json, size_bytes, &request, all->problem);
    if (status != OK)
        return status;
    status = container_wishes(container->block, &wishes);
    if (status == OK) {
        status = container_block_make(&request, &wishes, &block, all->problem);
        free(wishes.environment.text);
    }
    container_request_free(&request);
    if (status != OK)
        return status;
    status = command_exec(container, block, session_out);
    free(block);
    if (status == ERR_LIMIT)
        return problem(all, status, "too many sessions run in it");
    return status == OK ? OK : problem(all, status, "it does not take its commands");
}

static enum status answer_exec(void *context, uint64_t badge, const struct containers_exec_in *in,
                               struct containers_exec_out *out)
{
    struct containers *all = context;
    struct container *container = find(context, in->container);
    char *text;
    problem_begin(all, badge);
    if (container == NULL)
        return problem(all, ERR_NOT_FOUND, no_container);
    if (container->state != CONTAINER_STATE_RUNNING)
        return problem(all, ERR_STATE, "it does not run");
    enum status status = read_request(all, in->request, in->size, &text);
    if (status == OK) {
        status = exec(all, container, text, (size_t)in->size, &out->session);
        free(text);
    }
    if (status == OK)
        (void)handle_close(in->request);
    return status;
}

static enum status answer_session(void *context, uint64_t badge,
                                  const struct containers_session_in *in,
                                  struct containers_session_out *out)
{
    struct container *container = find(context, in->container);
    const struct session *session = container != NULL ? session_find(container, in->session) : NULL;
    (void)badge;
    if (session == NULL)
        return ERR_NOT_FOUND;
    out->state = session->state;
    out->status = session->status;
    return OK;
}

/* A session that runs; NULL and why not. */
static struct container *running_session(void *context, uint32_t number, uint32_t id,
                                         enum status *status_out)
{
    struct container *container = find(context, number);
    const struct session *session = container != NULL ? session_find(container, id) : NULL;
    *status_out = session == NULL ? ERR_NOT_FOUND : OK;
    if (session != NULL && (session->state != CONTAINER_STATE_RUNNING || container->process == 0))
        *status_out = ERR_STATE;
    return *status_out == OK ? container : NULL;
}

static enum status answer_input(void *context, uint64_t badge, const struct containers_input_in *in)
{
    enum status status;
    struct container *container = running_session(context, in->container, in->session, &status);
    struct container_entry entry = { .kind = CONTAINER_INPUT_END, .session = in->session };
    (void)badge;
    if (container == NULL)
        return status;
    if (in->data_size > 0)
        entry.kind = CONTAINER_INPUT;
    entry.size_bytes = (uint32_t)in->data_size;
    memcpy(entry.data, in->data, in->data_size);
    return command_send(container, &entry);
}

static enum status answer_resize(void *context, uint64_t badge,
                                 const struct containers_resize_in *in)
{
    enum status status;
    struct container *container = running_session(context, in->container, in->session, &status);
    (void)badge;
    if (container == NULL)
        return status;
    if (in->rows > UINT16_MAX || in->columns > UINT16_MAX)
        return ERR_RANGE;
    const struct container_entry entry = {
        .kind = CONTAINER_RESIZE,
        .session = in->session,
        .value = in->rows << 16 | in->columns,
    };
    return command_send(container, &entry);
}

const struct containers_handlers containers_handlers = {
    .create = answer_create,
    .problem = answer_problem,
    .start = answer_start,
    .stop = answer_stop,
    .kill = answer_kill,
    .remove = answer_remove,
    .state = answer_state,
    .log = answer_log,
    .watch = answer_watch,
    .exec = answer_exec,
    .session = answer_session,
    .input = answer_input,
    .resize = answer_resize,
    .list = answer_list,
    .authority = answer_authority,
};

/* ---- Without being asked ---- */

/* Its last thread went, or one of them made a fault that nobody handles. */
static bool is_dead(const struct container *container)
{
    struct object_info info;
    return object_info(container->process, &info, sizeof(info)) != OK ||
           info.detail.process.thread_count == 0 || info.detail.process.fault_count != 0;
}

static void look_at(struct containers *all, struct container *container)
{
    if (container->process == 0)
        return;
    bool dead = is_dead(container);
    if (events_take(container)) {
        (void)notification_signal(all->notification, (uint64_t)1 << container_slot(all, container));
        return;
    }
    if (!dead || container->process == 0)
        return;
    rt_log("%s: its sandbox died", container->request.name);
    end_by(container, SIGNAL_KILL);
    container->state = CONTAINER_STATE_FAILED;
}

void containers_signal(void *context, uint64_t bits)
{
    struct containers *all = context;
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        if ((bits >> i & 1) != 0)
            look_at(all, &all->container[i]);
    }
    containers_late(context); /* signals may come so fast that no wait ever times out */
}

uint64_t containers_deadline(void *context)
{
    const struct containers *all = context;
    uint64_t deadline = DEADLINE_NEVER;
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        if (all->container[i].state == CONTAINER_STATE_STOPPING)
            deadline = MIN(deadline, all->container[i].kill_at_ns);
    }
    return deadline;
}

void containers_late(void *context)
{
    struct containers *all = context;
    uint64_t now = clock_now_ns();
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        struct container *container = &all->container[i];
        if (container->state != CONTAINER_STATE_STOPPING || now < container->kill_at_ns)
            continue;
        (void)events_take(container);
        if (runs(container))
            end_by(container, SIGNAL_KILL);
    }
}
