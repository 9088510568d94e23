/* Device trees from a fuzzer. What was read once is read again after its memory was erased. */
#include <boot/fdt.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct fdt_info info;
    uint8_t *blob = malloc(size_bytes + 1);
    if (blob == NULL)
        abort();
    memcpy(blob, data, size_bytes);
    enum status status = fdt_read(blob, size_bytes, &info);
    if (fdt_erase_memory(blob, size_bytes) == OK && status == OK &&
        fdt_read(blob, size_bytes, &info) != OK)
        abort();
    free(blob);
    return 0;
}
