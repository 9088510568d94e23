/* The tables behind tests of what reads them (see kernel/acpi_fixture.h). */
#include <base/bytes.h>
#include <base/string.h>
#include <base/test.h>
#include <kernel/acpi_fixture.h>

struct machine {
    uint8_t memory[FIXTURE_BYTES];
    uint64_t next; /* free space */
    size_t tables; /* in the root */
    bool xsdt;
};

static struct machine machine;

uint8_t *fixture_at(uint64_t address)
{
    return machine.memory + (address - FIXTURE_BASE);
}

const void *fixture_map(void *context, paddr_t pa, size_t size_bytes)
{
    (void)context;
    EXPECT(pa.raw != 0 && size_bytes <= UINT64_MAX - pa.raw); /* nobody maps that */
    if (pa.raw < FIXTURE_BASE || pa.raw - FIXTURE_BASE > FIXTURE_BYTES ||
        size_bytes > FIXTURE_BYTES - (pa.raw - FIXTURE_BASE))
        return NULL;
    return fixture_at(pa.raw);
}

void fixture_put(uint64_t address, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        fixture_at(address)[i] = (uint8_t)(value >> (8 * i));
}

void fixture_seal(uint64_t address, size_t size_bytes, size_t sum_offset)
{
    uint8_t sum = 0;
    fixture_at(address)[sum_offset] = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + fixture_at(address)[i]);
    fixture_at(address)[sum_offset] = (uint8_t)-sum;
}

void fixture_seal_table(uint64_t address)
{
    fixture_seal(address, load_le32(fixture_at(address) + 4), 9);
}

void fixture_seal_root(void)
{
    size_t entry = machine.xsdt ? 8 : 4;
    fixture_put(FIXTURE_ROOT + 4, 36 + machine.tables * entry, 4);
    fixture_seal_table(FIXTURE_ROOT);
}

void fixture_init(bool xsdt)
{
    machine = (struct machine){ .next = 0x10400, .xsdt = xsdt };
    memcpy(fixture_at(FIXTURE_RSDP), "RSD PTR ", 8);
    fixture_at(FIXTURE_RSDP)[15] = xsdt ? 2 : 0;
    if (xsdt) {
        fixture_put(FIXTURE_RSDP + 20, 36, 4);
        fixture_put(FIXTURE_RSDP + 24, FIXTURE_ROOT, 8);
    } else {
        fixture_put(FIXTURE_RSDP + 16, FIXTURE_ROOT, 4);
    }
    fixture_seal(FIXTURE_RSDP, 20, 8);
    if (xsdt)
        fixture_seal(FIXTURE_RSDP, 36, 32);
    memcpy(fixture_at(FIXTURE_ROOT), xsdt ? "XSDT" : "RSDT", 4);
    fixture_seal_root();
}

uint64_t fixture_add(const char *signature, size_t size_bytes)
{
    uint64_t address = machine.next;
    machine.next += ALIGN_UP(size_bytes, 16);
    memcpy(fixture_at(address), signature, 4);
    fixture_put(address + 4, size_bytes, 4);
    size_t entry = machine.xsdt ? 8 : 4;
    fixture_put(FIXTURE_ROOT + 36 + machine.tables * entry, address, entry);
    machine.tables++;
    fixture_seal_root();
    fixture_seal_table(address);
    return address;
}
