/* cpio archives from a fuzzer: a file that is found lies inside. */
#include <boot/cpio.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct cpio_file file;
    if (cpio_find(data, size_bytes, "/boot/limine.conf", &file) == OK) {
        const uint8_t *found = file.data;
        if (found < data || file.size_bytes > size_bytes ||
            (size_t)(found - data) > size_bytes - file.size_bytes)
            abort();
    }
    return 0;
}
