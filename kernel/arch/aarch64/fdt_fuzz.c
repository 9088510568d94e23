/* Device trees from a fuzzer. */
#include "firmware.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct platform_info info = { .uart = UART_NONE };
    /* An exact copy, so that the sanitizer sees a read beyond it. */
    uint8_t *blob = malloc(size + 1);
    if (blob == NULL)
        return 0;
    memcpy(blob + 1, data, size); /* unaligned on purpose */
    if (fdt_parse(blob + 1, size, &info) != OK)
        info.gicr_count = 0;
    if (info.gicr_count > PLATFORM_GICR_MAX)
        abort();
    free(blob);
    return 0;
}
