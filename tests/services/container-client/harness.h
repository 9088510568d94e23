/* container-client: a client of `containers` that tests what it promises, in a running system.
 *
 *   main.c      the plan, the image, the accounts before and after each test
 *   box.c       one container, as tests want it
 *   sessions.c  more processes in one, their input and output
 *   ends.c      stop, kill, remove; who watches; what is left
 *   requests.c  what is refused, and limits
 *   authority.c what a sandbox holds
 *   kills.c     ends at any moment, and what they leave
 *   hostile.c   what a neighbour feels
 */
#pragma once

#include <base/test.h>
#include <client/client.h>
#include <container/log.h>
#include <protocol_containers.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    REQUEST_TEXT_BYTES = 160 * 1024,
    OUTPUT_BYTES = 512 * 1024,
    FIRST = 1,           /* the session of a container's first process */
    PATIENCE_MS = 30000, /* for what takes no time on a quiet machine */
    SIGNAL_INT = 2,
    SIGNAL_QUIT = 3,
    SIGNAL_KILL = 9,
    SIGNAL_USR1 = 10,
    SIGNAL_SEGV = 11,
    SIGNAL_TERM = 15,
};
/* As wait4 gives it. */
#define EXITED(code) ((uint32_t)(code) << 8)
/* A shell's text, in which neither quotation marks nor backslashes may be. */
#define SHELL(text) "\"Cmd\": [\"sh\", \"-c\", \"" text "\"]"
#define SLEEPS      "\"Cmd\": [\"sleep\", \"1000\"]"

/* ---- Plan and services (main.c) ---- */

extern struct plan {
    char pattern[64];
    unsigned kills;
    uint64_t seed; /* 0: any */
} plan;
extern uint64_t containers; /* the service */

/* The number behind these words; false: they are not there, or no number is. */
bool number_behind(const char *text, const char *words, uint64_t *number_out);
uint64_t now_ms(void);
void pause_ms(uint64_t ms);

/* What the service has in use, and how much of the machine's memory nobody has. */
struct stock {
    uint64_t memory, capabilities, threads, frames_free;
};
struct stock stock_take(void);

/* ---- One container (box.c) ---- */

struct box {
    uint32_t number; /* 0: none */
    struct client_log *log;
};

/* Members of a request in JSON, of image test:plain unless they name one. */
enum status box_try(struct box *box, const char *members);
/* Made; the test fails if not. */
bool box_make(struct box *box, const char *members);
bool box_start(struct box *box);
/* Made and started. */
bool box_run(struct box *box, const char *members);
void box_remove(struct box *box);
/* All there are. */
void boxes_remove(void);

struct containers_state_out box_state(const struct box *box);
bool box_ended(const struct box *box);
/* Until it has; false: it has not in this time. */
bool box_wait(const struct box *box, uint64_t patience_ms);
/* It ends by itself, in time, and with this status. */
bool box_ends(const struct box *box, uint32_t status);
enum status box_stop(const struct box *box, uint32_t timeout_ms);
enum status box_kill(const struct box *box, uint32_t signal);

enum status session_try(const struct box *box, const char *members, uint32_t *session_out);
/* 0, and the test fails, if it cannot be. */
uint32_t session_start(const struct box *box, const char *members);
struct containers_session_out session_state(const struct box *box, uint32_t session);
bool session_wait(const struct box *box, uint32_t session, uint64_t patience_ms);
bool session_ends(const struct box *box, uint32_t session, uint32_t status);

/* All that is still in the log, of one session (0: of each) and stream (0: both), as text that is
 * good until the next call. */
const char *box_output(const struct box *box, uint32_t session, unsigned stream);
/* Until its standard output holds this text. */
bool box_says(const struct box *box, uint32_t session, const char *text);

/* ---- For several of them ---- */

struct measure {
    uint64_t work, failures;
};
/* Let `hostile work` run for so long beside whatever runs; false: it could not. */
bool measure_work(const char *host_config, unsigned ms, struct measure *measure_out);
