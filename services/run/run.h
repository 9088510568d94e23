/* run: see main.c. plan.c reads run.json; job.c starts one container and prints what it writes. */
#pragma once

#include <client/client.h>
#include <container/log.h>
#include <protocol_containers.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    JOB_MAX = 32,
    JOB_NAME_BYTES = 64,
    PLAN_BYTES_MAX = 256 * 1024,
    MODULE_NAME_BYTES = 64,
    RUN_FAILED = 125, /* as docker run has it: the container could not be run */
    LINE_BYTES = 180,
    RECORDS_IN_A_TURN = 64,
};
#define RUN_LOOK_NS ((uint64_t)500 * 1000 * 1000)

struct line {
    char text[LINE_BYTES + 1];
    unsigned length;
};

struct job {
    char name[JOB_NAME_BYTES];
    char archive[MODULE_NAME_BYTES]; /* "": the image is there already */
    char *request;                   /* JSON for containers.create, without Image if `archive` */
    uint32_t container;
    uint64_t asked_ns; /* when it was asked for */
    struct client_log log;
    uint64_t position;
    struct line line[2]; /* of standard output and error, until its end */
    bool done;
    uint32_t exit_code;
};

struct run {
    struct job job[JOB_MAX];
    unsigned job_count;
    bool planned; /* there is a run.json */
    bool power_off, times;
    uint64_t notification;
};

/* plan.c */
/* False: nothing to do, or run.json is no good, which has been said. */
bool plan_read(struct run *run);

/* image.c */
/* Let `images` unpack the archive, and put the name of its image into the request. */
bool job_add_image(struct job *job);

/* job.c */
bool job_start(struct run *run, struct job *job);
/* Some of what it wrote; true: there may be more, after the others had their turn. */
bool job_print(const struct run *run, struct job *job);
/* What has no end of line, too. */
void job_print_end(const struct run *run, struct job *job);
