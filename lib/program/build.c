#include <abi_syscalls.h>
#include <base/string.h>
#include <program/program.h>
#include <rt/syscall.h>

/* Where the builder sees the private Memory while it fills it in: below everything that lib/rt
 * gives out. One program is built at a time.
 */
#define WINDOW_AT ((uint64_t)0x0e0000000000)

static uint32_t access_of(const struct program_piece *piece)
{
    return ACCESS_READ | (piece->write ? ACCESS_WRITE : 0) | (piece->exec ? ACCESS_EXECUTE : 0);
}

/* Everything private is zero but what is copied here. */
static void fill_in(const struct program_request *request, uint64_t window_at)
{
    const struct program_layout *layout = request->layout;
    uint8_t *window = (uint8_t *)(uintptr_t)window_at;
    for (unsigned i = 0; i < layout->piece_count; i++) {
        const struct program_piece *piece = &layout->piece[i];
        if (!piece->shared)
            memcpy(window + piece->offset + piece->copy_at,
                   request->file->bytes + piece->file_offset, piece->copy_bytes);
    }
    memcpy(window + layout->startup_offset, request->startup, request->startup->size_bytes);
}

static enum status fill(const struct program_request *request, uint64_t memory)
{
    uint64_t size = request->layout->private_bytes;
    uint64_t at = request->window_at != 0 ? request->window_at : WINDOW_AT;
    enum status status = map(request->self, memory, at, 0, size, ACCESS_READ | ACCESS_WRITE);
    if (status != OK)
        return status;
    fill_in(request, at);
    return unmap(request->self, at, size);
}

static enum status map_parts(const struct program_request *request, uint64_t memory)
{
    const struct program_layout *layout = request->layout;
    enum status status = OK;
    for (unsigned i = 0; i < layout->piece_count && status == OK; i++) {
        const struct program_piece *piece = &layout->piece[i];
        status = map(request->process, piece->shared ? request->image : memory, piece->at,
                     piece->offset, piece->size_bytes, access_of(piece));
    }
    if (status == OK)
        status = map(request->process, memory, layout->stack_at, layout->stack_offset,
                     PROGRAM_STACK_BYTES, ACCESS_READ | ACCESS_WRITE);
    if (status == OK)
        status = map(request->process, memory, layout->startup_at, layout->startup_offset,
                     PROGRAM_PAGE, ACCESS_READ);
    if (status == OK && request->clock != 0)
        status =
            map(request->process, request->clock, layout->clock_at, 0, PROGRAM_PAGE, ACCESS_READ);
    return status;
}

enum status program_map(const struct program_request *request, uint64_t *memory_out)
{
    uint64_t memory;
    enum status status =
        memory_create(request->budget, request->layout->private_bytes, 0, 0, 0, &memory);
    if (status != OK)
        return status;
    status = fill(request, memory);
    if (status == OK)
        status = map_parts(request, memory);
    if (status == OK)
        *memory_out = memory;
    else
        (void)handle_close(memory);
    return status;
}

enum status program_build(const struct program_request *request, struct program *program_out)
{
    const struct program_layout *layout = request->layout;
    struct program program = { 0 };
    enum status status = program_map(request, &program.memory);
    if (status != OK)
        return status;
    status = thread_create(request->process, request->budget, layout->entry,
                           layout->stack_at + PROGRAM_STACK_BYTES, layout->startup_at, 0,
                           &program.thread);
    if (status == OK)
        *program_out = program;
    else
        (void)handle_close(program.memory);
    return status;
}
