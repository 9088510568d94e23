/* containers: makes sandboxes, each from one image, with exactly the capabilities that are computed
 * before it starts, and keeps what they write.
 *
 *   main.c       the program to run, the loop
 *   answer.c     what clients ask (abi/protocols/containers.abi)
 *   create.c     a request and an image become a container
 *   authority.c  which capabilities its sandbox gets; the list, computed and as the kernel has it
 *   sandbox.c    budget, process, capabilities, first thread; the end
 *   events.c     what a sandbox says, and what it is told
 *   images.c     asking `images`
 *
 * One thread. Sandboxes are strangers: nothing here waits for one.
 */
#pragma once

#include <container.h>
#include <container/log.h>
#include <container/request.h>
#include <fs/erofs.h>
#include <program/program.h>
#include <protocol_containers.h>
#include <rt/ring.h>

enum {
    CONTAINERS_MAX = 48, /* each has a bit of the notification */
    SESSION_MAX = 16,
    WATCH_MAX = 4,
    PROBLEM_BYTES = 256,
    LOG_BYTES = 256 * 1024,
    OUTBOX_MAX = 4608, /* commands that wait: a block of the largest size, and more */
};

struct layer {
    uint64_t memory; /* read, execute, map, grant */
    uint64_t size_bytes;
};

/* What `images` says of one. */
struct image {
    struct layer *layer; /* the lowest first */
    unsigned layer_count;
    void *description; /* with the texts that `wishes` points to */
    char **wishes_room;
    struct image_wishes wishes;
};

struct session {
    uint32_t id; /* 0: free */
    enum container_state state;
    uint32_t status;
};

struct watch {
    uint64_t notification; /* 0: free */
    uint64_t bits;
};

/* Commands that the ring had no room for yet. */
struct outbox {
    struct container_entry *entry;
    unsigned count, room;
};

struct container {
    uint32_t number; /* 0: free. The slot is number % CONTAINERS_MAX */
    enum container_state state;
    uint32_t status;
    uint64_t created_ns, started_ns, finished_ns;
    uint64_t kill_at_ns; /* stop: when patience ends */
    uint32_t stop_signal;
    struct container_request request;
    struct container_block *block;
    struct image image;

    /* What outlives the sandbox. */
    uint64_t log_memory;
    struct container_log *log;
    struct watch watch[WATCH_MAX];
    struct session session[SESSION_MAX];
    uint32_t last_session;
    uint32_t notes; /* lines of the sandbox's own that were logged */

    /* The sandbox; 0 and NULL when there is none. */
    uint64_t budget, process, sandbox_signal;
    uint64_t block_memory, events_memory, commands_memory;
    struct program program;
    void *events_at, *commands_at;
    struct ring events, commands;
    struct outbox outbox;
};

struct containers {
    struct container container[CONTAINERS_MAX];
    uint32_t last_number;
    uint64_t endpoint, notification;
    uint64_t image; /* the system image: read, execute, map */
    struct program_file program;
    char problem[PROBLEM_BYTES];
    uint64_t problem_badge; /* whose it is */
};

/* create.c */
enum status container_create(struct containers *all, const char *json, size_t size_bytes,
                             struct container **container_out);
void container_forget(struct containers *all, struct container *container);
struct container *container_find(struct containers *all, uint32_t number);
unsigned container_slot(const struct containers *all, const struct container *container);

/* sandbox.c */
/* Mapped Memory of ours that others see, too. It is contiguous, so all of it is there and nobody
 * can take pages away: touching it cannot fail later. */
enum status shared_memory(uint64_t size_bytes, uint64_t *memory_out, void **at_out);
/* The budget above all sandboxes, with what the machine and we ourselves need kept out of it. */
enum status sandboxes_begin(void);
enum status sandbox_start(struct containers *all, struct container *container);
/* Everything that its budget paid for is gone when it returns. */
void sandbox_end(struct container *container);

/* authority.c */
struct grant {
    char name[STARTUP_NAME_BYTES];
    uint64_t handle; /* of ours, from which it is copied; 0 until the sandbox is built */
    enum object_type type;
    uint32_t rights;
    uint64_t badge;
};
enum { GRANT_MAX = 16 + CONTAINER_LAYER_MAX };
/* What the sandbox of this container gets, in the order of its table. */
unsigned authority_grants(const struct containers *all, const struct container *container,
                          struct grant grants[GRANT_MAX]);
/* As text: what is computed, or what the kernel says. Its size, at most `size_bytes`. */
size_t authority_text(const struct containers *all, const struct container *container, char *to,
                      size_t size_bytes);
enum status authority_held_text(const struct container *container, char *to, size_t size_bytes,
                                size_t *size_out);

/* events.c */
/* What it says, up to a bound; true: there may be more. */
bool events_take(struct container *container);
/* The sandbox is gone: whatever runs has ended. */
void events_end(struct container *container, uint32_t status);
enum status command_send(struct container *container, const struct container_entry *entry);
enum status command_exec(struct container *container, const struct container_block *block,
                         uint32_t *session_out);
struct session *session_find(struct container *container, uint32_t id);
void watchers_signal(struct container *container);

/* images.c */
/* ERR_NOT_FOUND: no image of that name. */
enum status image_open(const char *name, struct image *image_out);
void image_close(struct image *image);

/* answer.c */
extern const struct containers_handlers containers_handlers;
/* Something happened to those containers; and what has to be done when. */
void containers_signal(void *context, uint64_t bits);
uint64_t containers_deadline(void *context);
void containers_late(void *context);
