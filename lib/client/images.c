/* Boot modules, and archives that become images. */
#include <base/compiler.h>
#include <base/string.h>
#include <client/client.h>
#include <protocol_images.h>
#include <protocol_modules.h>
#include <rt/clock.h>
#include <rt/syscall.h>
#include <stdbool.h>

#define LOOK_NS ((uint64_t)5 * 1000 * 1000)

uint64_t client_soon(void)
{
    return clock_deadline(CLIENT_ANSWER_NS);
}

static bool has_name(uint64_t modules, uint32_t index, const char *name)
{
    const struct modules_name_in in = { .index = index };
    struct modules_name_out out = { 0 };
    return modules_call_name(modules, client_soon(), &in, &out) == OK &&
           out.name_size == strlen(name) && memcmp(out.name, name, out.name_size) == 0;
}

enum status client_module(uint64_t modules, const char *name, uint64_t *memory_out,
                          uint64_t *size_out)
{
    struct modules_count_out count = { 0 };
    enum status status = modules_call_count(modules, client_soon(), &count);
    for (uint32_t i = 0; i < count.modules && status == OK; i++) {
        if (!has_name(modules, i, name))
            continue;
        const struct modules_contents_in in = { .index = i };
        struct modules_contents_out out = { 0 };
        status = modules_call_contents(modules, client_soon(), &in, &out);
        *memory_out = out.memory;
        *size_out = out.size;
        return status;
    }
    return status == OK ? ERR_NOT_FOUND : status;
}

static enum status wait_ready(uint64_t images, uint32_t archive, uint64_t deadline_ns)
{
    const struct images_state_in in = { .archive = archive };
    for (;;) {
        struct images_state_out out = { 0 };
        enum status status = images_call_state(images, client_soon(), &in, &out);
        if (status != OK || out.phase == IMAGES_PHASE_READY)
            return status;
        if (out.phase == IMAGES_PHASE_FAILED)
            return ERR_FORMAT;
        if (clock_now_ns() >= deadline_ns)
            return ERR_TIMED_OUT;
        thread_yield(clock_deadline(LOOK_NS));
    }
}

enum status client_add_archive(uint64_t images, uint64_t memory, uint64_t size_bytes,
                               uint64_t deadline_ns, uint32_t *archive_out)
{
    const struct images_add_in in = { .size = size_bytes, .memory = memory };
    struct images_add_out out = { 0 };
    enum status status = images_call_add(images, client_soon(), &in, &out);
    *archive_out = out.archive;
    return status == OK ? wait_ready(images, out.archive, deadline_ns) : status;
}

size_t client_archive_problem(uint64_t images, uint32_t archive, char *to, size_t size_bytes)
{
    size_t length = 0;
    struct images_problem_out out = { .text_size = 1 };
    while (out.text_size > 0 && length + sizeof(out.text) < size_bytes) {
        const struct images_problem_in in = { .archive = archive, .offset = (uint32_t)length };
        out = (struct images_problem_out){ 0 };
        if (images_call_problem(images, client_soon(), &in, &out) != OK)
            break;
        memcpy(to + length, out.text, out.text_size);
        length += out.text_size;
    }
    to[length] = '\0';
    return length;
}
