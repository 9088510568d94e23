/* Any bytes as a request, and what it makes as a block. */
#include <container/request.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const struct image_wishes none;
    struct container_request request;
    struct container_block *block;
    char error[REQUEST_ERROR_BYTES];
    if (container_request_parse((const char *)data, size_bytes, &request, error) != OK)
        return 0;
    if (container_block_make(&request, &none, &block, error) == OK)
        free(block);
    container_request_free(&request);
    return 0;
}
