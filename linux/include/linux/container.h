/* The container from inside: what its creator gave it, the sessions that it runs, and what they
 * write (abi/container.h).
 *
 *   core/container.c  the block, the root, the first session; commands
 *   core/session.c    one session: from a block to an exit status
 *   core/events.c     the ring of events: output, ends
 *   file/stdio.c      descriptors 0 to 2 of a session without a terminal
 */
#pragma once

#include <container.h>
#include <linux/file.h>
#include <linux/task.h>

/* A block in our memory, checked: every offset lies in it and every text ends. */
struct container_texts {
    struct container_block *block; /* heap; NULL: none */
    const char **arguments;        /* heap, NULL at the end */
    const char **environment;
    const char *working, *user, *hostname;
};
/* Takes the block (heap), also when it fails. -EINVAL: it is none; -ENOMEM. */
int container_texts_take(struct container_block *block, size_t size_bytes,
                         struct container_texts *texts_out);
void container_texts_free(struct container_texts *texts);

/* Bytes that somebody outside writes and a session reads. */
struct stdio_input;

struct session {
    struct list link; /* of all, under sessions_lock */
    uint32_t id;
    uint32_t references; /* atomic */
    int32_t pid;         /* 0: its program does not run; under sessions_lock */
    signal_set early;    /* signals that came before it did; under sessions_lock */
    struct container_texts texts;
    struct stdio_input *input; /* NULL: it has none */
    struct tty *terminal;      /* counted; NULL: it has none */
    struct file_table *files;  /* its descriptors, until its program has them */
    uint32_t shown;            /* atomic: all that the terminal printed was sent */
};
struct session *session_get(struct session *session);
void session_put(struct session *session);
/* That one, counted; NULL. */
struct session *session_find(uint32_t id);
/* To its first process, now or as soon as there is one. */
void session_signal(struct session *session, uint32_t number);
/* Start it: a thread of its own takes it to its end. Takes the texts. 0 or an error; what the
 * program's start says goes to the creator. */
int session_start(uint32_t id, struct container_texts *texts_taken);
/* What a runtime provides in /etc: host names. An image without /etc, or with something else than
 * files there, gets none. By a task, as root. */
void session_write_names(const char *hostname);

/* The user that texts name, by the image's /etc/passwd and /etc/group; called by a task, as root.
 * -EINVAL: no such user or group. */
struct user {
    uint32_t uid, gid;
    uint32_t groups[64];
    unsigned group_count;
    char home[256];
};
int user_find(const char *text, struct user *user_out);

/* Where events go, and which bits of which notification say so. Once. */
int events_start(void *ring, size_t size_bytes, uint64_t creator, uint64_t bits);
/* One event; waits for room unless `nonblocking` (-EAGAIN). A signal ends the wait. Bytes of data
 * taken, or an error. Called by tasks and others. */
int64_t events_send(uint32_t kind, uint32_t session, uint32_t value, struct io *io,
                    bool nonblocking);
/* For machine_set_log. */
void events_note(const char *text, size_t length);
/* The creator has signalled: there may be room. */
void events_room(void);
/* For poll: is there room, and who is told when there is. */
bool events_has_room(void);
extern struct wait_queue events_queue;

/* Descriptors 0, 1 and 2 in a new table. Input of its own or, without, /dev/null. */
int stdio_create(struct session *session, bool input, struct file_table **table_out);
/* Bytes from outside: all or -EAGAIN (no room now). No bytes: the end. */
int stdio_input(struct stdio_input *input, const uint8_t *bytes, uint32_t size_bytes);
void stdio_input_free(struct stdio_input *input);
/* Somebody has read input: a command that waits for room can go on. */
void commands_go_on(void);
/* All of it, on the first native thread. */
_Noreturn void container_main(void);
