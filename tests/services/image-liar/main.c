/* image-liar: takes the place of image-worker in a test, and lies in the way that the archive's
 * first letter says. With 't' it looks for more than it was given. Whatever it does, the service
 * images must refuse the archive and live on.
 */
#include <abi_syscalls.h>
#include <base/string.h>
#include <image_worker.h>
#include <object_info.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdbool.h>
#include <stdio.h>

enum { HANDLES = 64, GENERATIONS = 4, GIVEN = 4 };

static struct image_job *job;

static uint64_t page_up(uint64_t size_bytes)
{
    return ALIGN_UP(size_bytes, (uint64_t)SPACE_PAGE);
}

/* One image of one layer, as a worker that tells the truth might say. */
static void say_image(void)
{
    struct image_job_image *image = &job->image[0];
    struct image_config *config = &image->config;
    const struct image_config_list none = { sizeof(*config), 1 };
    image->id.kind = IMAGE_SHA256;
    image->name_count = 1;
    (void)snprintf(image->name[0], sizeof(image->name[0]), "lie");
    image->layer_count = 1;
    image->layer[0].size_bytes = job->request.size_bytes;
    image->layer[0].diff_id.kind = IMAGE_SHA256;
    config->magic = IMAGE_CONFIG_MAGIC;
    config->size_bytes = sizeof(*config) + 1;
    config->working_directory = none;
    config->user = none;
    config->stop_signal = none;
    config->architecture = none;
    job->result.image_count = 1;
}

static void lie_about_image(char lie)
{
    struct image_job_image *image = &job->image[0];
    switch (lie) {
    case 'a':
        job->result.image_count = 0;
        break;
    case 'b':
        job->result.image_count = IMAGE_JOB_IMAGE_MAX + 1;
        break;
    case 'c':
        image->layer[0].at = 1;
        break;
    case 'd':
        memset(image->name[0], 'n', sizeof(image->name[0]));
        break;
    case 'e':
        image->config.magic ^= 1;
        break;
    case 'f':
        image->layer_count = IMAGE_LAYER_MAX + 1;
        break;
    case 'g':
        image->name_count = IMAGE_NAME_MAX + 1;
        break;
    case 'h':
        image->id.kind = 3;
        break;
    case 'i':
        image->layer[0].diff_id.kind = IMAGE_DIGEST_NONE;
        break;
    case 'j':
        image->layer[0].blob.kind = 3;
        break;
    default:
        break;
    }
}

static void lie_about_layer(char lie)
{
    const uint64_t bytes = job->request.image_bytes_max;
    job->result.image_bytes = SPACE_PAGE; /* of zeroes: no image */
    if (lie == 'n')
        job->result.image_bytes = 0;
    if (lie == 'o')
        job->result.image_bytes = SPACE_PAGE + 1;
    if (lie == 'p')
        job->result.image_bytes = bytes + SPACE_PAGE;
    if (lie == 'q')
        job->result.image_bytes = bytes;
}

/* What a table has beyond what the start-up block names; 0: nothing. */
static unsigned look_around(void)
{
    unsigned found = 0;
    for (uint64_t generation = 1; generation <= GENERATIONS; generation++) {
        for (uint64_t slot = 0; slot < HANDLES; slot++) {
            struct object_info info;
            if (object_info(generation << 32 | slot, &info, sizeof(info)) != ERR_NOT_FOUND)
                found++;
        }
    }
    /* Beside those: the memory of this program's heap. */
    return rt_startup()->capability_count == GIVEN && found == GIVEN + 1 ? 0 : found;
}

static void look_for_more(void)
{
    void *at;
    char *problem = job->result.problem;
    unsigned found = look_around();
    enum status blob = space_map(rt_handle("blob"), 0, SPACE_PAGE, ACCESS_READ | ACCESS_WRITE, &at);
    enum status code = space_map(rt_handle("job"), 0, SPACE_PAGE, ACCESS_EXECUTE, &at);
    job->result.status = ERR_STATE;
    (void)snprintf(problem, sizeof(job->result.problem), "found %u more, wrote %s, executed %s",
                   found, blob == ERR_ACCESS ? "nothing" : "the blob",
                   code == ERR_ACCESS ? "nothing" : "the job");
}

static void lie_once(char lie)
{
    if (job->request.kind == IMAGE_JOB_ARCHIVE)
        say_image();
    if (job->request.kind == IMAGE_JOB_HASH)
        job->result.digest.kind = IMAGE_SHA256;
    if (job->request.kind == IMAGE_JOB_LAYER)
        lie_about_layer(lie);
    else
        lie_about_image(lie);
    if (lie == 'k') {
        job->result.status = ERR_FORMAT;
        memset(job->result.problem, 'k', sizeof(job->result.problem));
    }
    if (lie == 't')
        look_for_more();
}

int main(void)
{
    void *at;
    if (space_map(rt_handle("job"), 0, page_up(sizeof(*job)), ACCESS_READ | ACCESS_WRITE, &at) !=
        OK)
        return 1;
    job = at;
    if (space_map(rt_handle("blob"), 0, SPACE_PAGE, ACCESS_READ, &at) != OK)
        return 1;
    char lie = *(const char *)at;
    lie_once(lie);
    if (lie == 's') {
        for (;;)
            (void)thread_yield(0);
    }
    if (lie == 'm')
        WRITE_ONCE(*(volatile char *)(uintptr_t)SPACE_PAGE, 1);
    job->result.done = lie == 'l' ? 0 : 1;
    return 0;
}
