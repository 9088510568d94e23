/* For tests: ACPI tables written byte by byte into a small physical memory, to be told lies. Only
 * under CONFIG_TESTS.
 */
#pragma once

#ifdef CONFIG_TESTS
#include <kernel/acpi.h>

enum {
    FIXTURE_BASE = 0x10000,
    FIXTURE_BYTES = 0x4000,
    FIXTURE_RSDP = 0x10000,
    FIXTURE_ROOT = 0x10100,
};

/* An empty memory with a root pointer and a root table: XSDT or RSDT. */
void fixture_init(bool xsdt);
/* A new table in the root; the caller fills it and calls fixture_seal_table. */
uint64_t fixture_add(const char *signature, size_t size_bytes);

uint8_t *fixture_at(uint64_t address);
void fixture_put(uint64_t address, uint64_t value, size_t size_bytes);
/* Make [address, address + size) sum up to 0 by the byte at `sum_offset`. */
void fixture_seal(uint64_t address, size_t size_bytes, size_t sum_offset);
void fixture_seal_table(uint64_t address);
void fixture_seal_root(void);

/* A platform_map; the context is not used. */
const void *fixture_map(void *context, paddr_t pa, size_t size_bytes);
#endif
