/* Requests are found by their ids, on 8-byte boundaries, between the last start marker and the
 * first end marker behind it. Reading is word by word: an image is half a megabyte, and most of it
 * is compared with one number only.
 */

#include <base/compiler.h>
#include <base/string.h>
#include <boot/request.h>

static const uint64_t start_marker[4] = LIMINE_REQUESTS_START_MARKER;
static const uint64_t end_marker[2] = LIMINE_REQUESTS_END_MARKER;

struct feature {
    uint64_t id[4];
    size_t size_bytes;
    size_t offset; /* of the pointer in struct request_set */
};

#define FEATURE(name, NAME)                                                                        \
    { LIMINE_##NAME##_REQUEST, sizeof(struct limine_##name##_request),                             \
      offsetof(struct request_set, name) },
static const struct feature features[] = { REQUEST_FEATURES(FEATURE) };
#undef FEATURE

struct scan {
    uint64_t *words;
    size_t count;
    struct request_set *set;
    const char *problem;
};

static enum status scan_refuse(struct scan *scan, const char *problem)
{
    scan->problem = problem;
    return ERR_FORMAT;
}

/* Narrow the scan to what lies between the markers; a missing one leaves its side as it is. */
static enum status scan_narrow(struct scan *scan)
{
    size_t start = 0, end = scan->count;

    for (size_t i = 0; i + 2 <= scan->count; i++) {
        const uint64_t *at = scan->words + i;
        if (at[0] == start_marker[0]) {
            if (i + 4 <= scan->count && memcmp(at, start_marker, sizeof(start_marker)) == 0)
                start = i + 4;
        } else if (at[0] == end_marker[0] && at[1] == end_marker[1] && i < end) {
            end = i;
        }
    }
    if (end < start)
        return scan_refuse(scan, "its request markers are in the wrong order");
    scan->words += start;
    scan->count = end - start;
    return OK;
}

static enum status scan_revision(struct scan *scan, size_t at)
{
    if (at + 3 > scan->count || scan->words[at + 1] != LIMINE_BASE_REVISION_MAGIC_1)
        return OK;
    if (scan->set->base_revision != NULL)
        return scan_refuse(scan, "it has two base revision tags");
    scan->set->base_revision = scan->words + at + 2;
    return OK;
}

/* Requests grew with their revisions: the first ones end earlier. */
static size_t request_bytes(const struct feature *feature, uint64_t revision)
{
    if (revision == 0 && feature->offset == offsetof(struct request_set, paging_mode))
        return offsetof(struct limine_paging_mode_request, max_mode);
    if (revision == 0 && feature->offset == offsetof(struct request_set, module))
        return offsetof(struct limine_module_request, internal_module_count);
    return feature->size_bytes;
}

/* The first word of an id matched. Unknown features are skipped: newer kernels may ask for more. */
static enum status scan_request(struct scan *scan, size_t at)
{
    size_t left_bytes = (scan->count - at) * sizeof(uint64_t);
    if (left_bytes < sizeof(struct limine_request))
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        if (memcmp(scan->words + at, features[i].id, sizeof(features[i].id)) != 0)
            continue;
        if (left_bytes < request_bytes(&features[i], scan->words[at + 4]))
            return scan_refuse(scan, "a request is cut off");
        void **slot = (void **)(void *)((char *)scan->set + features[i].offset);
        if (*slot != NULL)
            return scan_refuse(scan, "it makes the same request twice");
        *slot = scan->words + at;
        return OK;
    }
    return OK;
}

enum status request_scan(void *image, size_t size_bytes, struct request_set *set_out,
                         const char **problem_out)
{
    struct scan scan = { image, size_bytes / sizeof(uint64_t), set_out, NULL };

    *set_out = (struct request_set){ 0 };
    enum status status = scan_narrow(&scan);
    for (size_t at = 0; at < scan.count && status == OK; at++) {
        if (scan.words[at] == LIMINE_COMMON_MAGIC_0)
            status = scan_request(&scan, at);
        else if (scan.words[at] == LIMINE_BASE_REVISION_MAGIC_0)
            status = scan_revision(&scan, at);
    }
    *problem_out = scan.problem;
    return status;
}
