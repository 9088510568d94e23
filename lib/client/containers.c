/* Requests to `containers` travel as Memory. */
#include <base/compiler.h>
#include <base/string.h>
#include <client/client.h>
#include <protocol_containers.h>
#include <rt/clock.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#define AGAIN_NS ((uint64_t)2 * 1000 * 1000)

/* The text in Memory of its own, which the caller closes. */
static enum status text_memory(const char *text, uint64_t *memory_out)
{
    size_t size_bytes = strlen(text);
    uint64_t span = ALIGN_UP((uint64_t)size_bytes + 1, (uint64_t)SPACE_PAGE);
    void *at = NULL;
    enum status status = memory_create(rt_budget(), span, 0, 0, 0, memory_out);
    if (status != OK)
        return status;
    status = space_map(*memory_out, 0, span, ACCESS_READ | ACCESS_WRITE, &at);
    if (status == OK) {
        memcpy(at, text, size_bytes);
        status = space_unmap(at, span);
    }
    if (status != OK)
        (void)handle_close(*memory_out);
    return status;
}

enum status client_create(uint64_t containers, const char *request, uint32_t *container_out)
{
    struct containers_create_in in = { .size = strlen(request) };
    struct containers_create_out out = { 0 };
    enum status status = text_memory(request, &in.request);
    if (status != OK)
        return status;
    status = containers_call_create(containers, client_soon(), &in, &out);
    (void)handle_close(in.request);
    *container_out = out.container;
    return status;
}

enum status client_exec(uint64_t containers, uint32_t container, const char *request,
                        uint32_t *session_out)
{
    struct containers_exec_in in = { .container = container, .size = strlen(request) };
    struct containers_exec_out out = { 0 };
    enum status status = text_memory(request, &in.request);
    if (status != OK)
        return status;
    status = containers_call_exec(containers, client_soon(), &in, &out);
    (void)handle_close(in.request);
    *session_out = out.session;
    return status;
}

size_t client_problem(uint64_t containers, char *to, size_t size_bytes)
{
    size_t length = 0;
    struct containers_problem_out out = { .text_size = 1 };
    while (out.text_size > 0 && length + sizeof(out.text) < size_bytes) {
        const struct containers_problem_in in = { .at = (uint32_t)length };
        out = (struct containers_problem_out){ 0 };
        if (containers_call_problem(containers, client_soon(), &in, &out) != OK)
            break;
        memcpy(to + length, out.text, out.text_size);
        length += out.text_size;
    }
    to[length] = '\0';
    return length;
}

/* ---- What it writes ---- */

enum status client_log_open(uint64_t containers, uint32_t container, struct client_log *log_out)
{
    const struct containers_log_in in = { .container = container };
    struct containers_log_out out = { 0 };
    void *at = NULL;
    enum status status = containers_call_log(containers, client_soon(), &in, &out);
    if (status != OK)
        return status;
    status = space_map(out.log, 0, out.size, ACCESS_READ, &at);
    if (status != OK)
        (void)handle_close(out.log);
    else
        *log_out = (struct client_log){ .memory = out.log, .at = at, .size_bytes = out.size };
    return status;
}

void client_log_close(struct client_log *log)
{
    if (log->at != NULL)
        (void)space_unmap((void *)(uintptr_t)log->at, log->size_bytes);
    if (log->memory != 0)
        (void)handle_close(log->memory);
    *log = (struct client_log){ 0 };
}

enum status client_watch(uint64_t containers, uint32_t container, uint64_t notification,
                         uint64_t bits)
{
    struct containers_watch_in in = { .container = container, .bits = bits };
    enum status status = handle_copy(notification, RIGHT_NOTIFICATION_SIGNAL | RIGHT_ANY_GRANT, 0,
                                     0, &in.notification);
    if (status != OK)
        return status;
    status = containers_call_watch(containers, client_soon(), &in);
    (void)handle_close(in.notification);
    return status;
}

/* ---- What it reads ---- */

static enum status input_piece(uint64_t containers, const struct containers_input_in *in,
                               uint64_t deadline_ns)
{
    for (;;) {
        enum status status = containers_call_input(containers, client_soon(), in);
        if (status != ERR_BUSY)
            return status;
        if (clock_now_ns() >= deadline_ns)
            return ERR_TIMED_OUT;
        thread_yield(clock_deadline(AGAIN_NS));
    }
}

enum status client_input(uint64_t containers, uint32_t container, uint32_t session,
                         const void *data, size_t size_bytes)
{
    struct containers_input_in in = { .container = container, .session = session };
    uint64_t deadline_ns = client_soon();
    enum status status = OK;
    for (size_t at = 0; at < size_bytes && status == OK; at += in.data_size) {
        in.data_size = MIN(size_bytes - at, sizeof(in.data));
        memcpy(in.data, (const uint8_t *)data + at, in.data_size);
        status = input_piece(containers, &in, deadline_ns);
    }
    return status;
}

enum status client_input_end(uint64_t containers, uint32_t container, uint32_t session)
{
    const struct containers_input_in in = { .container = container, .session = session };
    return input_piece(containers, &in, client_soon());
}
