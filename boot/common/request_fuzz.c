/* Loaded images from a fuzzer: every request that is found lies inside. */
#include <boot/request.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct request_set set;
    const char *problem = NULL;
    uint8_t *image = malloc(size_bytes + 1); /* an exact copy: the sanitizer watches its end */
    if (image == NULL)
        abort();
    memcpy(image, data, size_bytes);
    if (request_scan(image, size_bytes, &set, &problem) == OK) {
        if (set.base_revision != NULL)
            *set.base_revision = 0;
        if (set.smp != NULL)
            set.smp->flags = 0;
        if (set.paging_mode != NULL && set.paging_mode->revision > 0)
            set.paging_mode->min_mode = 0;
    }
    free(image);
    return 0;
}
