/* ACPI tables from a fuzzer. The input is physical memory at 1 MiB, the root pointer first. A
 * fuzzer cannot guess sums, so one pass repairs them first: bit 0 of the last byte asks for it.
 */
#include "firmware.h"

#include <base/bytes.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BASE = 0x100000, MEMORY_MAX = 0x10000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    uint8_t *bytes;
    size_t size_bytes;
    bool repair;
};

static void repair_sum(uint8_t *bytes, size_t size_bytes, size_t sum_at)
{
    uint8_t sum = 0;
    bytes[sum_at] = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[sum_at] = (uint8_t)-sum;
}

/* An exact copy of what was asked for, so that the sanitizer sees a read beyond it. */
static const void *map(void *context, paddr_t pa, size_t size_bytes)
{
    static void *copies[16384]; /* more than one parse can ask for */
    static size_t next;
    struct memory *memory = context;
    if (pa.raw < MEMORY_BASE || pa.raw - MEMORY_BASE > memory->size_bytes ||
        size_bytes > memory->size_bytes - (pa.raw - MEMORY_BASE))
        return NULL;
    uint8_t *bytes = memory->bytes + (pa.raw - MEMORY_BASE);
    if (memory->repair && size_bytes == 20)
        repair_sum(bytes, 20, 8);
    if (memory->repair && size_bytes == 36 && memcmp(bytes, "RSD PTR ", 8) == 0)
        repair_sum(bytes, 36, 32);
    if (memory->repair && size_bytes > 36)
        repair_sum(bytes, size_bytes, 9);
    void **slot = &copies[next++ % (sizeof(copies) / sizeof(copies[0]))];
    free(*slot);
    *slot = malloc(size_bytes);
    return *slot != NULL ? memcpy(*slot, bytes, size_bytes) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct platform_info info = { .uart = UART_NONE };
    struct memory memory = { .size_bytes = size };
    if (size == 0 || size > MEMORY_MAX)
        return 0;
    memory.bytes = malloc(size);
    if (memory.bytes == NULL)
        return 0;
    memcpy(memory.bytes, data, size);
    memory.repair = (data[size - 1] & 1) != 0;
    if (x86_acpi_parse(paddr(MEMORY_BASE), map, &memory, &info) != OK)
        info.uart = UART_NONE;
    if (info.ioapic_count > PLATFORM_IOAPIC_MAX || info.override_count > PLATFORM_OVERRIDE_MAX)
        abort();
    free(memory.bytes);
    return 0;
}
