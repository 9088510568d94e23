/* An archive becomes an image: `images` gets it, and does the rest while we look. */
#include <cJSON.h>
#include <client/client.h>
#include <protocol_images.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

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

static bool say_problem(const char *name, uint32_t archive)
{
    char text[512];
    (void)client_archive_problem(rt_handle("images"), archive, text, sizeof(text));
    rt_log("%s is refused: %s", name, text);
    return false;
}

static bool add(const char *name, uint32_t *archive_out)
{
    for (unsigned i = 0; i < known_count; i++) {
        if (strcmp(known[i].name, name) == 0) {
            *archive_out = known[i].archive;
            return true;
        }
    }
    uint64_t memory = 0, size_bytes = 0;
    enum status status = client_module(rt_handle("modules"), name, &memory, &size_bytes);
    if (status != OK)
        return complain(name, "there is no such module", status);
    status = client_add_archive(rt_handle("images"), memory, size_bytes, clock_deadline(UNPACK_NS),
                                archive_out);
    (void)handle_close(memory);
    if (status == ERR_FORMAT)
        return say_problem(name, *archive_out);
    if (status != OK)
        return complain(name, "it is not unpacked", status);
    (void)snprintf(known[known_count].name, sizeof(known[known_count].name), "%s", name);
    known[known_count++].archive = *archive_out;
    return true;
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
    enum status status = images_call_image(rt_handle("images"), client_soon(), &in, &out);
    if (status != OK)
        return complain(job->archive, "it has no image for this machine", status);
    return set_image(job, out.image);
}
