/* images: archives become images, and their layers EROFS images in memory that everybody shares.
 *
 *   main.c      what there is; the loop
 *   answers.c   what clients ask (abi/protocols/images.abi)
 *   archives.c  archives, images and layers: who has what, and what is to be done next
 *   worker.c    one job: a process of its own, its bounds, its end
 *
 * This service never looks into an archive itself: what parses or unpacks is a worker that holds
 * nothing else (abi/image_worker.h), and what it says is checked. One worker runs at a time.
 *
 * A layer is known by the SHA-256 of its blob, made by a worker that parses nothing, and the DiffID
 * that its image says. So a worker that was taken over by one blob can only spoil what that blob
 * is.
 */
#pragma once

#include <fs/erofs.h>
#include <image_worker.h>
#include <ipc.h>
#include <program/program.h>
#include <stdbool.h>

enum {
    ARCHIVE_MAX = 16,
    ARCHIVE_IMAGE_MAX = IMAGE_JOB_IMAGE_MAX,
    LAYER_ENTRY_MAX = 4 << 20,
};
#define ARCHIVE_BYTES_MAX  ((uint64_t)4 << 30)
#define LAYER_BYTES_MAX    ((uint64_t)8 << 30)
#define UNPACKED_BYTES_MAX ((uint64_t)16 << 30)
/* What one worker may use, and what of it the tree of a layer. */
#define WORKER_BYTES_MAX   ((uint64_t)384 << 20)
#define METADATA_BYTES_MAX ((uint64_t)192 << 20)

/* Shared by all images that have it. */
struct layer {
    struct layer *next;
    struct image_digest blob; /* SHA-256 */
    struct image_digest diff_id;
    uint64_t blob_bytes;
    uint64_t memory;
    uint64_t image_bytes;
    uint32_t users; /* places in lists of images */
};

struct image {
    uint32_t number;
    uint32_t layer_count;
    struct image_job_layer wanted[IMAGE_LAYER_MAX];
    struct layer *layer[IMAGE_LAYER_MAX]; /* NULL: not yet there */
    uint64_t description;                 /* Memory */
    uint64_t description_bytes;
};

enum archive_phase { ARCHIVE_READING, ARCHIVE_UNPACKING, ARCHIVE_READY, ARCHIVE_FAILED };

struct archive {
    bool present;
    uint32_t number;
    enum archive_phase phase;
    uint64_t memory; /* 0: nothing is to be done with it any more */
    uint64_t size_bytes;
    uint64_t done_bytes, total_bytes;
    uint32_t image_count;
    struct image *image[ARCHIVE_IMAGE_MAX];
    char problem[IMAGE_JOB_TEXT_BYTES];
};

/* The job that is at work; what it is for. */
struct work {
    bool running;
    struct archive *archive;
    struct image *image;
    uint32_t layer_index;
    bool hashed; /* the next job of this layer is to unpack it */
    struct image_digest blob;
    uint64_t layer_memory;
    /* worker.c */
    uint64_t budget, process, job_memory;
    struct program program;
    struct image_job *job;
    uint64_t deadline_ns;
};

struct images {
    struct erofs fs;
    uint64_t image; /* Memory of the system image */
    uint64_t notification;
    struct archive archive[ARCHIVE_MAX];
    uint32_t archive_next, image_next; /* numbers */
    struct layer *layers;
    struct work work;
};

/* worker.c */

/* Start a worker. On failure nothing is left. */
enum status worker_start(struct images *images, const struct image_job_request *request);
/* Has it ended by itself? */
bool worker_ended(const struct images *images);
/* Take it away. Afterwards nobody writes to the job and the layer. */
void worker_end(struct images *images);
/* After that: forget the job. */
void worker_forget(struct images *images);

/* archives.c */

/* `memory` is the archive's from here on, with OK. */
enum status archive_add(struct images *images, uint64_t memory, uint64_t size_bytes,
                        uint32_t *number_out);
struct archive *archive_find(struct images *images, uint32_t number);
void archive_remove(struct images *images, struct archive *archive);
/* A worker has ended, or is late. */
void work_finish(struct images *images, bool late);
/* If no worker runs and there is something to be done, begin it. */
void work_begin(struct images *images);

/* answers.c */
void answer(void *context, struct ipc_message *message);
