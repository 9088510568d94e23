/* Interrupt mask and serial port of an arm64 server: a PL011, or SBSA's subset of one, at the
 * address in ACPI's table SPCR ("Serial Port Console Redirection Table", Microsoft).
 */
#include <uefi_cpu.h>

#include <base/bytes.h>
#include <boot/acpi.h>

enum {
    SPCR_KIND_AT = 36,
    SPCR_SPACE_AT = 40, /* 0: memory */
    SPCR_ADDRESS_AT = 44,
    SPCR_BYTES_MIN = 52,
    KIND_PL011 = 3,
    KIND_SBSA_32 = 13,
    KIND_SBSA = 14,
    PL011_DATA = 0, /* registers, as words */
    PL011_FLAGS = 6,
    PL011_FLAGS_FULL = 1 << 5,
    WAIT_MAX = 1000000,
};

static volatile uint32_t *pl011;

void cpu_mask_interrupts(void)
{
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
}

/* The firmware maps all memory at its own address. */
static const void *identity_view(void *context, uint64_t physical, uint64_t size_bytes)
{
    (void)context;
    if (physical == 0 || size_bytes > UINT64_MAX - physical)
        return NULL;
    return (const void *)(uintptr_t)physical;
}

void cpu_serial_init(const struct boot_platform *platform)
{
    const struct acpi_memory memory = { .view = identity_view };
    const void *table;
    size_t size_bytes;

    if (platform->rsdp == 0 ||
        acpi_find(&memory, platform->rsdp, "SPCR", &table, &size_bytes) != OK ||
        size_bytes < SPCR_BYTES_MIN)
        return;
    const uint8_t *spcr = table;
    uint8_t kind = spcr[SPCR_KIND_AT];
    if (spcr[SPCR_SPACE_AT] == 0 &&
        (kind == KIND_PL011 || kind == KIND_SBSA_32 || kind == KIND_SBSA))
        pl011 = (volatile uint32_t *)(uintptr_t)load_le64(spcr + SPCR_ADDRESS_AT);
}

static void put_byte(uint8_t byte)
{
    for (unsigned i = 0; i < WAIT_MAX; i++) {
        if ((pl011[PL011_FLAGS] & PL011_FLAGS_FULL) == 0) {
            pl011[PL011_DATA] = byte;
            return;
        }
    }
}

void cpu_serial_put(struct boot_platform *platform, char c)
{
    (void)platform;
    if (pl011 == NULL)
        return;
    if (c == '\n')
        put_byte('\r');
    put_byte((uint8_t)c);
}
