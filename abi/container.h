/* What a sandbox is started with, and how it and its creator talk afterwards.
 *
 * The creator gives it, by the names of the start-up block (abi/startup.h):
 *
 *     process, budget     as every program has
 *     container           Memory: struct container_block, read
 *     layer.0, layer.1 .. Memory: EROFS images, the lowest first; read, execute, map
 *     events              Memory: a ring (rt/ring.h) that the sandbox fills
 *     commands            Memory: a ring that the creator fills
 *     creator             Notification: signal; the bits of creator_bits
 *     sandbox             Notification: signal, wait. Bit 0: there is something in `commands`, or
 *                         room in `events`
 *     clock               Memory: the clock page (abi/clock_page.h), read
 *
 * Nothing else: no endpoint is served, nobody waits for a sandbox. Both sides take the other for a
 * liar: what does not have the form below is an end of the container (its creator) or is ignored
 * (the sandbox).
 */
#pragma once

#include <stdint.h>

#define CONTAINER_MAGIC ((uint64_t)0x52454e4941544e43)

enum {
    CONTAINER_VERSION = 1,
    CONTAINER_LAYER_MAX = 128,
    CONTAINER_BLOCK_BYTES_MAX = 1 << 20,
    CONTAINER_EVENTS = 256, /* entries of each ring */
    CONTAINER_COMMANDS = 64,
    CONTAINER_DATA_BYTES = 240,
};

enum container_isolation { CONTAINER_SPLIT, CONTAINER_FUSED };

/* Texts end with a zero byte and lie behind the structure; an offset is from its beginning. A list
 * is `count` texts one behind the other.
 */
struct container_block {
    uint64_t magic;
    uint32_t version;
    uint32_t size_bytes; /* with all texts */
    uint32_t isolation;  /* enum container_isolation */
    uint32_t layer_count;
    uint64_t layer_bytes[CONTAINER_LAYER_MAX]; /* of each image */
    uint32_t argument_count, arguments_at;     /* at least one */
    uint32_t environment_count, environment_at;
    uint32_t working_at; /* directory; "" is "/"; made if it is not there */
    /* "", "user", "uid", "user:group", "uid:gid": by the image's own /etc/passwd */
    uint32_t user_at;
    uint32_t hostname_at;
    uint32_t terminal; /* 1: descriptors 0 to 2 are a terminal */
    uint32_t input;    /* 1: somebody may write to descriptor 0; else it is at its end */
    uint32_t rows, columns;
    uint64_t memory_bytes;                /* what the budget allows, 0: no limit known */
    uint64_t cpu_quota_ns, cpu_period_ns; /* 0: none */
    uint32_t process_max;                 /* tasks, 0: as many as the budget allows */
    uint32_t read_only_root;
    uint64_t creator_bits; /* what to signal `creator` with */
};

/* Who an entry is about: 1 is the container's own first process, others are started by commands. */
#define CONTAINER_FIRST_SESSION 1u

enum container_event_kind {
    CONTAINER_STARTED = 1, /* value: pid */
    CONTAINER_REFUSED,     /* it was not started: value is a Linux error number, data says why */
    CONTAINER_OUTPUT,      /* data, from descriptor 1 (or the terminal) */
    CONTAINER_ERROR,       /* data, from descriptor 2 */
    CONTAINER_EXITED, /* value: as wait4 gives it. After the first session's the sandbox ends. */
    CONTAINER_NOTE,   /* data: a line of the sandbox's own, for the operator; session 0 */
};

enum container_command_kind {
    CONTAINER_SIGNAL = 1, /* value: number, to the session's first process */
    CONTAINER_INPUT,      /* data for descriptor 0 */
    CONTAINER_INPUT_END,
    CONTAINER_RESIZE,   /* value: rows << 16 | columns */
    CONTAINER_EXEC,     /* a new session: data is a part of its struct container_block, in order */
    CONTAINER_EXEC_RUN, /* the block is whole: start it */
};

struct container_entry {
    uint32_t kind;
    uint32_t session;
    uint32_t value;
    uint32_t size_bytes; /* of data, at most CONTAINER_DATA_BYTES */
    uint8_t data[CONTAINER_DATA_BYTES];
};
