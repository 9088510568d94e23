/* What clients of `images` and `containers` do again and again, in more than one call. Services and
 * their answers are reached through the handles that the caller names.
 */
#pragma once

#include <base/status.h>
#include <stddef.h>
#include <stdint.h>

/* Each question is answered within this time, or fails with TIMED_OUT. */
#define CLIENT_ANSWER_NS ((uint64_t)30 * 1000 * 1000 * 1000)

uint64_t client_soon(void);

/* A boot module's Memory, by its name. ERR_NOT_FOUND. */
enum status client_module(uint64_t modules, const char *name, uint64_t *memory_out,
                          uint64_t *size_out);

/* Give an archive to `images` and wait until it is unpacked; the Memory stays the caller's.
 * ERR_FORMAT: it is refused, and client_archive_problem says why. */
enum status client_add_archive(uint64_t images, uint64_t memory, uint64_t size_bytes,
                               uint64_t deadline_ns, uint32_t *archive_out);
size_t client_archive_problem(uint64_t images, uint32_t archive, char *to, size_t size_bytes);

/* Requests are JSON (container/request.h). What is wrong with one: client_problem. */
enum status client_create(uint64_t containers, const char *request, uint32_t *container_out);
enum status client_exec(uint64_t containers, uint32_t container, const char *request,
                        uint32_t *session_out);
/* "" if there is nothing to say. Its length. */
size_t client_problem(uint64_t containers, char *to, size_t size_bytes);

/* What a container writes: a ring to read from (container/log.h), until it is closed. */
struct client_log {
    uint64_t memory;
    const void *at;
    uint64_t size_bytes;
};
enum status client_log_open(uint64_t containers, uint32_t container, struct client_log *log_out);
void client_log_close(struct client_log *log);

/* `bits` of the caller's notification, whenever the container's state or its log changes. */
enum status client_watch(uint64_t containers, uint32_t container, uint64_t notification,
                         uint64_t bits);
/* Bytes for a session's standard input, as fast as it takes them, within CLIENT_ANSWER_NS. */
enum status client_input(uint64_t containers, uint32_t container, uint32_t session,
                         const void *data, size_t size_bytes);
enum status client_input_end(uint64_t containers, uint32_t container, uint32_t session);
