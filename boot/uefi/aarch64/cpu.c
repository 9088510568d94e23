/* Interrupt mask and serial port of an arm64 server: a PL011, or SBSA's subset of one, at the
 * address in ACPI's table SPCR ("Serial Port Console Redirection Table", Microsoft).
 */
#include "../cpu.h"

#include <base/string.h>

enum {
    TABLE_HEADER_BYTES = 36,
    TABLE_BYTES_MAX = 4096,
    RSDP_REVISION_AT = 15,
    RSDP_XSDT_AT = 24,
    SPCR_KIND_AT = 36,
    SPCR_SPACE_AT = 40, /* 0: memory */
    SPCR_ADDRESS_AT = 44,
    SPCR_BYTES_MIN = 52,
    KIND_PL011 = 3,
    KIND_SBSA_32 = 13,
    KIND_SBSA = 14,
    PL011_DATA = 0,
    PL011_FLAGS = 6, /* as words */
    PL011_FLAGS_FULL = 1 << 5,
    WAIT_MAX = 1000000,
};

static volatile uint32_t *pl011;

void cpu_mask_interrupts(void)
{
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
}

/* Tables promise no alignment. */
static uint64_t read_le(const uint8_t *at, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size_bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool kind_known(uint8_t kind)
{
    return kind == KIND_PL011 || kind == KIND_SBSA_32 || kind == KIND_SBSA;
}

static void serial_from_spcr(const uint8_t *spcr)
{
    if (read_le(spcr + 4, 4) < SPCR_BYTES_MIN || spcr[SPCR_SPACE_AT] != 0 ||
        !kind_known(spcr[SPCR_KIND_AT]))
        return;
    pl011 = (volatile uint32_t *)(uintptr_t)read_le(spcr + SPCR_ADDRESS_AT, 8);
}

void serial_init(const struct boot_platform *platform)
{
    const uint8_t *rsdp = (const uint8_t *)(uintptr_t)platform->rsdp;
    if (rsdp == NULL || rsdp[RSDP_REVISION_AT] < 2)
        return;
    const uint8_t *xsdt = (const uint8_t *)(uintptr_t)read_le(rsdp + RSDP_XSDT_AT, 8);
    if (xsdt == NULL)
        return;

    uint64_t size_bytes = MIN(read_le(xsdt + 4, 4), (uint64_t)TABLE_BYTES_MAX);
    for (uint64_t at = TABLE_HEADER_BYTES; at + 8 <= size_bytes; at += 8) {
        const uint8_t *table = (const uint8_t *)(uintptr_t)read_le(xsdt + at, 8);
        if (table != NULL && memcmp(table, "SPCR", 4) == 0)
            serial_from_spcr(table);
    }
}

void serial_put(char c)
{
    for (unsigned i = 0; pl011 != NULL && i < WAIT_MAX; i++) {
        if ((pl011[PL011_FLAGS] & PL011_FLAGS_FULL) == 0) {
            pl011[PL011_DATA] = (uint8_t)c;
            return;
        }
    }
}
