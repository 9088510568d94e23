/* What somebody wants a container to be: JSON, with the names of the Docker Engine API where it has
 * them, together with what the image says.
 *
 *     { "Name": "web", "Image": "nginx:latest",
 *       "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["..."], "Env": ["A=b"], "WorkingDir": "/",
 *       "User": "www:www", "Hostname": "web", "Tty": false, "OpenStdin": false,
 *       "StopSignal": "SIGTERM",
 *       "HostConfig": { "Memory": 268435456, "CpuPeriod": 100000, "CpuQuota": 50000,
 *                       "CpuShares": 100, "PidsLimit": 256, "ReadonlyRootfs": false,
 *                       "Isolation": "split" } }
 *
 * A stranger's text: bounded in size and depth, every value checked, and a name that is not known
 * is an error, because whoever wrote it expects something of it.
 */
#pragma once

#include <base/status.h>
#include <container.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REQUEST_BYTES_MAX = 128 * 1024,
    REQUEST_NAME_BYTES = 64,
    REQUEST_IMAGE_BYTES = 256,
    REQUEST_TEXTS_MAX = 1024, /* of one list */
    REQUEST_ERROR_BYTES = 160,
    REQUEST_SHARES_DEFAULT = 100,
};
#define REQUEST_MEMORY_MIN     ((uint64_t)8 << 20)
#define REQUEST_MEMORY_DEFAULT ((uint64_t)256 << 20)
#define REQUEST_MEMORY_MAX     ((uint64_t)1 << 40)

struct text_list {
    char **text;
    unsigned count;
};

struct container_request {
    char name[REQUEST_NAME_BYTES];
    char image[REQUEST_IMAGE_BYTES]; /* "": not said */
    struct text_list entrypoint, command, environment;
    bool entrypoint_given, command_given; /* an empty list counts: it takes the image's away */
    char *working, *user, *hostname;      /* NULL: not said */
    uint32_t stop_signal;                 /* 0: not said */
    bool terminal, input, read_only_root;
    uint64_t memory_bytes;
    uint64_t cpu_quota_ns, cpu_period_ns; /* 0: none */
    uint32_t cpu_shares;                  /* 1 to 10000 */
    uint32_t process_max;                 /* 0: as many as memory allows */
    enum container_isolation isolation;
};

/* On failure nothing is left, and `error` (REQUEST_ERROR_BYTES) says what is wrong. */
enum status container_request_parse(const char *json, size_t size_bytes,
                                    struct container_request *request_out, char *error);
void container_request_free(struct container_request *request);

/* "SIGTERM", "TERM" or "15"; 0: none of these. */
uint32_t container_signal_number(const char *text);

/* What the image says, as lists; a text that it does not give is NULL. */
struct image_wishes {
    struct text_list entrypoint, command, environment;
    const char *working, *user, *stop_signal;
};

/* What a container has, as what another program in it starts with: its environment, directory and
 * user, and no command. The texts stay the block's, the list is the caller's to free. */
enum status container_wishes(const struct container_block *block, struct image_wishes *wishes_out);

/* The block (abi/container.h) but for its layers, in memory from malloc. An entry point of the
 * request takes the image's command away, as everywhere. ERR_INVALID: nothing to run; ERR_LIMIT:
 * too large. */
enum status container_block_make(const struct container_request *request,
                                 const struct image_wishes *image,
                                 struct container_block **block_out, char *error);
