/* init: builds exactly what the manifest says, and keeps it running.
 *
 *   main.c       what there is: image, manifest, endpoints, clock page; the loop
 *   spawn.c      one service: a budget, a process, its capabilities, its first thread
 *   supervise.c  who runs; deaths, back-off, new instances; what services and `control` ask
 *   modules.c    what the loader brought beside the system image
 *   authority.c  the tables of capabilities, read back from the kernel
 *
 * init owns every endpoint of the manifest: a service receives on its own and its clients send, so
 * a new instance takes the place of a dead one without anybody getting a new handle. Calls that the
 * dead one had received fail with DEAD; calls that wait are received by the new one.
 */
#pragma once

#include <fs/erofs.h>
#include <ipc.h>
#include <manifest/manifest.h>
#include <program/program.h>
#include <rt/random.h>

/* Which of init's own endpoint a message came through is in the badge. */
#define INIT_BADGE_SERVICE ((uint64_t)0xffff)

enum service_state {
    SERVICE_WAITS,  /* for those that it takes from to be ready */
    SERVICE_STARTS, /* it runs, and has not said that it is ready */
    SERVICE_RUNS,
    SERVICE_RESTS,   /* it died, and starts again at `again_ns` */
    SERVICE_STOPPED, /* it ended, or cannot be started, and stays so */
};

struct instance {
    enum service_state state;
    bool was_ready; /* at some time: those that wait for it need not wait any more */
    uint32_t number;
    uint32_t deaths;
    uint64_t started_ns;
    uint64_t again_ns;
    uint64_t delay_ns; /* before the next start */
    uint64_t budget;   /* 0: nothing is there */
    uint64_t process;
    struct program program;
};

struct init {
    struct manifest manifest;
    struct instance instance[MANIFEST_SERVICE_MAX];
    struct erofs fs;
    struct random_state random;
    bool random_present;
    /* Handles. */
    uint64_t system, image, clock;
    uint64_t endpoint;     /* supervisor, control and modules */
    uint64_t notification; /* bit n: service n lost its first thread */
    uint64_t serve[MANIFEST_SERVE_MAX];
};

/* spawn.c */

/* Start the service. On failure nothing is left of it, and `problem` says what is wrong. */
enum status spawn(struct init *init, unsigned service, const char **problem_out);
/* Take away whatever is left of it: every frame, capability and object that its budget paid for. */
void spawn_end(struct instance *instance);

/* supervise.c */

void supervise_start(struct init *init);
void supervise_message(void *context, struct ipc_message *message);
void supervise_signal(void *context, uint64_t bits);
uint64_t supervise_deadline(void *context);
void supervise_late(void *context);

/* modules.c */
struct modules_handlers;
extern const struct modules_handlers modules_handlers;

/* authority.c: debug flavour only. */
void authority_print(const struct init *init, unsigned service);
/* What init itself was given: all that there is. */
void authority_print_own(void);
