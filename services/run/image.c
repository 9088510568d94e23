/* An archive becomes an image: `images` gets it, and does the rest while we look. */
#include <cJSON.h>
#include <protocol_images.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define LOOK_NS   ((uint64_t)5 * 1000 * 1000)
#define UNPACK_NS ((uint64_t)600 * 1000 * 1000 * 1000)

enum { ARCHIVE_MAX = JOB_MAX };

/* What was given to `images` before: several containers may come from one archive. */
static struct known {
    char name[MODULE_NAME_BYTES];
    uint32_t archive;
} known[ARCHIVE_MAX];
static unsigned known_count;

static bool complain(const char *archive, const char *what, enum status status)
{
    rt_log("%s: %s: %s", archive, what, status_text(status));
    return false;
}

static void say_problem(const char *name, uint32_t archive)
{
    char text[512];
    size_t length = 0;
    struct images_problem_out out = { .text_size = 1 };
    while (out.text_size > 0 && length + sizeof(out.text) < sizeof(text)) {
        const struct images_problem_in in = { .archive = archive, .offset = (uint32_t)length };
        out = (struct images_problem_out){ 0 };
        if (images_call_problem(rt_handle("images"), run_soon(), &in, &out) != OK)
            break;
        memcpy(text + length, out.text, out.text_size);
        length += out.text_size;
    }
    rt_log("%s is refused: %.*s", name, (int)length, text);
}

static bool wait_ready(const char *name, uint32_t archive)
{
    uint64_t deadline = clock_deadline(UNPACK_NS);
    const struct images_state_in in = { .archive = archive };
    for (;;) {
        struct images_state_out out = { 0 };
        enum status status = images_call_state(rt_handle("images"), run_soon(), &in, &out);
        if (status != OK)
            return complain(name, "its image is lost", status);
        if (out.phase == IMAGES_PHASE_READY)
            return true;
        if (out.phase == IMAGES_PHASE_FAILED) {
            say_problem(name, archive);
            return false;
        }
        if (clock_now_ns() >= deadline)
            return complain(name, "it takes too long to unpack", ERR_TIMED_OUT);
        thread_yield(clock_deadline(LOOK_NS));
    }
}

static bool add(const char *name, uint32_t *archive_out)
{
    for (unsigned i = 0; i < known_count; i++) {
        if (strcmp(known[i].name, name) == 0) {
            *archive_out = known[i].archive;
            return true;
        }
    }
    struct images_add_in in = { 0 };
    struct images_add_out out = { 0 };
    enum status status = module_open(name, &in.memory, &in.size);
    if (status != OK)
        return complain(name, "there is no such module", status);
    status = images_call_add(rt_handle("images"), run_soon(), &in, &out);
    (void)handle_close(in.memory);
    if (status != OK)
        return complain(name, "it is not taken", status);
    (void)snprintf(known[known_count].name, sizeof(known[known_count].name), "%s", name);
    known[known_count++].archive = out.archive;
    *archive_out = out.archive;
    return wait_ready(name, out.archive);
}

/* ---- The request ---- */

static bool set_image(struct job *job, uint32_t number)
{
    char text[16];
    cJSON *root = cJSON_Parse(job->request);
    (void)snprintf(text, sizeof(text), "%u", number);
    bool good = root != NULL && cJSON_AddStringToObject(root, "Image", text) != NULL;
    char *request = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (request == NULL)
        return complain(job->name, "its request", ERR_NO_MEMORY);
    free(job->request);
    job->request = request;
    return true;
}

static bool names_image(const struct job *job)
{
    cJSON *root = cJSON_Parse(job->request);
    bool named = cJSON_GetObjectItemCaseSensitive(root, "Image") != NULL;
    cJSON_Delete(root);
    return named;
}

bool job_add_image(struct job *job)
{
    uint32_t archive;
    if (!add(job->archive, &archive))
        return false;
    if (names_image(job))
        return true;
    const struct images_image_in in = { .archive = archive, .index = 0 };
    struct images_image_out out = { 0 };
    enum status status = images_call_image(rt_handle("images"), run_soon(), &in, &out);
    if (status != OK)
        return complain(job->archive, "it has no image for this machine", status);
    return set_image(job, out.image);
}
