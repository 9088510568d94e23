/* Requests to `containers` travel as Memory. */
#include <base/compiler.h>
#include <base/string.h>
#include <client/client.h>
#include <protocol_containers.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>

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
