/* Physical memory for fuzzers of ACPI tables: the input lies at ACPI_FUZZ_BASE, the root pointer
 * first. A fuzzer cannot guess sums, so one pass repairs them: bit 0 of the last byte asks for it.
 */
#pragma once

#include <base/bytes.h>
#include <base/compiler.h>
#include <kernel/addr.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ACPI_FUZZ_BASE = 0x100000, ACPI_FUZZ_MAX = 0x10000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct acpi_fuzz_memory {
    uint8_t *bytes;
    size_t size_bytes;
    bool repair;
};

static inline void acpi_fuzz_repair(uint8_t *bytes, size_t size_bytes, size_t sum_at)
{
    uint8_t sum = 0;
    bytes[sum_at] = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[sum_at] = (uint8_t)-sum;
}

/* An exact copy of what was asked for, so that the sanitizer sees a read beyond it. */
static inline const void *acpi_fuzz_map(void *context, paddr_t pa, size_t size_bytes)
{
    static void *copies[16384]; /* more than one parse can ask for */
    static size_t next;
    struct acpi_fuzz_memory *memory = context;
    if (pa.raw < ACPI_FUZZ_BASE || pa.raw - ACPI_FUZZ_BASE > memory->size_bytes ||
        size_bytes > memory->size_bytes - (pa.raw - ACPI_FUZZ_BASE))
        return NULL;
    uint8_t *bytes = memory->bytes + (pa.raw - ACPI_FUZZ_BASE);
    if (memory->repair && size_bytes == 20)
        acpi_fuzz_repair(bytes, 20, 8);
    if (memory->repair && size_bytes == 36 && memcmp(bytes, "RSD PTR ", 8) == 0)
        acpi_fuzz_repair(bytes, 36, 32);
    if (memory->repair && size_bytes > 36)
        acpi_fuzz_repair(bytes, size_bytes, 9);
    void **slot = &copies[next++ % ARRAY_LEN(copies)];
    free(*slot);
    *slot = malloc(size_bytes);
    return *slot != NULL ? memcpy(*slot, bytes, size_bytes) : NULL;
}

/* False: the input is no memory. The caller frees the bytes. */
static inline bool acpi_fuzz_memory_init(struct acpi_fuzz_memory *memory, const uint8_t *data,
                                         size_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > ACPI_FUZZ_MAX)
        return false;
    memory->size_bytes = size_bytes;
    memory->repair = (data[size_bytes - 1] & 1) != 0;
    memory->bytes = malloc(size_bytes);
    if (memory->bytes == NULL)
        return false;
    memcpy(memory->bytes, data, size_bytes);
    return true;
}
