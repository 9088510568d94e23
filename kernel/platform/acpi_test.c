/* ACPI tables written byte by byte into a small physical memory, then told lies. */
#include <base/bytes.h>
#include <base/string.h>
#include <base/test.h>
#include <kernel/log.h>
#include <kernel/platform.h>

enum { MEMORY_BASE = 0x10000, MEMORY_BYTES = 0x4000, RSDP = 0x10000, ROOT = 0x10100 };

struct machine {
    uint8_t memory[MEMORY_BYTES];
    uint64_t next; /* free space */
    size_t tables; /* in the root */
    bool xsdt;
};

static struct machine machine;
static struct platform_info info;

static uint8_t *at(uint64_t address)
{
    return machine.memory + (address - MEMORY_BASE);
}

static const void *map(void *context, paddr_t pa, size_t size_bytes)
{
    (void)context;
    EXPECT(pa.raw != 0 && size_bytes <= UINT64_MAX - pa.raw); /* nobody maps that */
    if (pa.raw < MEMORY_BASE || pa.raw - MEMORY_BASE > MEMORY_BYTES ||
        size_bytes > MEMORY_BYTES - (pa.raw - MEMORY_BASE))
        return NULL;
    return at(pa.raw);
}

static void put(uint64_t address, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        at(address)[i] = (uint8_t)(value >> (8 * i));
}

/* Make [address, address + size) sum up to 0 by the byte at `sum_offset`. */
static void seal(uint64_t address, size_t size_bytes, size_t sum_offset)
{
    uint8_t sum = 0;
    at(address)[sum_offset] = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + at(address)[i]);
    at(address)[sum_offset] = (uint8_t)-sum;
}

static void seal_table(uint64_t address)
{
    seal(address, load_le32(at(address) + 4), 9);
}

static void seal_root(void)
{
    size_t entry = machine.xsdt ? 8 : 4;
    put(ROOT + 4, 36 + machine.tables * entry, 4);
    seal_table(ROOT);
}

static void machine_init(bool xsdt)
{
    machine = (struct machine){ .next = 0x10400, .xsdt = xsdt };
    memcpy(at(RSDP), "RSD PTR ", 8);
    at(RSDP)[15] = xsdt ? 2 : 0;
    if (xsdt) {
        put(RSDP + 20, 36, 4);
        put(RSDP + 24, ROOT, 8);
    } else {
        put(RSDP + 16, ROOT, 4);
    }
    seal(RSDP, 20, 8);
    if (xsdt)
        seal(RSDP, 36, 32);
    memcpy(at(ROOT), xsdt ? "XSDT" : "RSDT", 4);
    seal_root();
    info = (struct platform_info){ .uart = UART_NONE };
}

/* A new table in the root; the caller fills it and calls seal_table. */
static uint64_t add_table(const char *signature, size_t size_bytes)
{
    uint64_t address = machine.next;
    machine.next += ALIGN_UP(size_bytes, 16);
    memcpy(at(address), signature, 4);
    put(address + 4, size_bytes, 4);
    size_t entry = machine.xsdt ? 8 : 4;
    put(ROOT + 36 + machine.tables * entry, address, entry);
    machine.tables++;
    seal_root();
    seal_table(address);
    return address;
}

static enum status parse(void)
{
    enum log_level before = log_set_console_level(LOG_ERROR); /* lies would fill the console */
    enum status status = acpi_parse(paddr(RSDP), map, NULL, &info);
    log_set_console_level(before);
    return status;
}

/* A MADT with one I/O APIC, one override and an address override, 12 + 10 + 12 bytes. */
static uint64_t add_madt_pc(void)
{
    uint64_t madt = add_table("APIC", 44 + 34);
    put(madt + 36, 0xfee00000, 4);
    put(madt + 44, 0x0c01, 2);
    put(madt + 48, 0xfec00000, 4);
    put(madt + 52, 16, 4);
    put(madt + 56, 0x0a02, 2);
    put(madt + 59, 9, 1);
    put(madt + 60, 20, 4);
    put(madt + 64, 0xf, 2);
    put(madt + 66, 0x0c05, 2);
    put(madt + 70, 0x1fee00000, 8);
    seal_table(madt);
    return madt;
}

static uint64_t add_fadt(void)
{
    uint64_t fadt = add_table("FACP", 244);
    put(fadt + 64, 0x604, 4);
    put(fadt + 76, 0x608, 4);
    put(fadt + 112, 1 << 10, 4);
    put(fadt + 116, 1, 1);
    put(fadt + 120, 0xcf9, 8);
    put(fadt + 128, 0x0f, 1);
    put(fadt + 129, 3, 2);
    seal_table(fadt);
    return fadt;
}

static void expect_pc(void)
{
    EXPECT_EQ(info.lapic_base, 0x1fee00000);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
    EXPECT_EQ(info.ioapic[0].first_gsi, 16);
    EXPECT_EQ(info.override_count, 1);
    EXPECT_EQ(info.override[0].isa_irq, 9);
    EXPECT_EQ(info.override[0].gsi, 20);
    EXPECT(info.override[0].active_low);
    EXPECT(info.override[0].level);
    EXPECT_EQ(info.gic_version, 0);
}

TEST(tables_are_found_through_the_xsdt)
{
    machine_init(true);
    add_madt_pc();
    add_fadt();
    EXPECT_EQ(parse(), OK);
    expect_pc();
    EXPECT_EQ(info.pm1a_control_port, 0x604);
    EXPECT_EQ(info.pm_timer_port, 0x608);
    EXPECT(info.reset_register_present);
    EXPECT_EQ(info.reset_register_address, 0xcf9);
    EXPECT_EQ(info.reset_register_space, 1);
    EXPECT_EQ(info.reset_value, 0x0f);
    EXPECT(info.psci_present && info.psci_hvc);
}

TEST(tables_are_found_through_the_rsdt)
{
    machine_init(false);
    add_madt_pc();
    EXPECT_EQ(parse(), OK);
    expect_pc();
}

TEST(a_bad_extended_pointer_falls_back_to_the_rsdt)
{
    machine_init(false);
    at(RSDP)[15] = 2;
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, 0x12345678, 8); /* never followed: the extended sum is wrong */
    seal(RSDP, 20, 8);
    at(RSDP)[32] ^= 1;
    add_madt_pc();
    EXPECT_EQ(parse(), OK);
    expect_pc();
}

/* An XSDT that is fine by itself is not used through a pointer that is not. */
TEST(a_bad_extended_pointer_is_not_followed)
{
    for (unsigned i = 0; i < 2; i++) {
        machine_init(false);
        add_madt_pc();
        uint64_t xsdt = machine.next;
        memcpy(at(xsdt), "XSDT", 4);
        put(xsdt + 4, 36, 4);
        seal_table(xsdt);
        at(RSDP)[15] = 2;
        put(RSDP + 20, i == 0 ? 36 : 35, 4);
        put(RSDP + 24, xsdt, 8);
        seal(RSDP, 20, 8);
        seal(RSDP, 36, 32);
        if (i == 0)
            at(RSDP)[32] ^= 1;
        EXPECT_EQ(parse(), OK);
        expect_pc();
    }
}

TEST(a_redistributor_region_without_place_or_size_is_skipped)
{
    static const struct {
        uint64_t base;
        uint32_t size;
        size_t count;
    } cases[] = { { 0x80a0000, 0x20000, 1 },
                  { 0, 0x20000, 0 },
                  { 0x80a0000, 0, 0 },
                  { UINT64_MAX - 0xffff, 0x20000, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        machine_init(true);
        uint64_t madt = add_table("APIC", 44 + 16);
        put(madt + 44, 0x100e, 2);
        put(madt + 48, cases[i].base, 8);
        put(madt + 56, cases[i].size, 4);
        seal_table(madt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.gicr_count, cases[i].count);
        EXPECT_EQ(info.gic_version, 0); /* no distributor, no controller */
    }
}

TEST(a_bad_root_is_an_error)
{
    machine_init(true);
    add_madt_pc();
    at(RSDP)[0] = 'X';
    EXPECT_EQ(parse(), ERR_FORMAT);

    machine_init(true);
    at(RSDP)[9] ^= 1;
    EXPECT_EQ(parse(), ERR_DIGEST);

    machine_init(true);
    at(ROOT)[9] ^= 1; /* and there is no RSDT either */
    EXPECT_EQ(parse(), ERR_NOT_FOUND);

    machine_init(false);
    put(ROOT + 4, 35, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);

    machine_init(false);
    put(ROOT + 4, UINT32_MAX, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);

    machine_init(false);
    put(ROOT + 4, MEMORY_BYTES, 4);
    EXPECT_EQ(parse(), ERR_TRUNCATED);

    EXPECT_EQ(acpi_parse(paddr(0), map, NULL, &info), ERR_NOT_FOUND);
    EXPECT_EQ(acpi_parse(paddr(UINT64_MAX - 4), map, NULL, &info), ERR_NOT_FOUND);
}

TEST(a_table_with_a_wrong_sum_is_skipped_alone)
{
    machine_init(true);
    uint64_t madt = add_madt_pc();
    add_fadt();
    at(madt)[40] ^= 1;
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, 0);
    EXPECT_EQ(info.lapic_base, 0);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
}

TEST(a_table_that_is_too_short_is_skipped_alone)
{
    static const struct {
        const char *signature;
        size_t size_bytes;
    } cases[] = { { "APIC", 43 }, { "FACP", 115 }, { "SPCR", 57 }, { "GTDT", 67 }, { "HPET", 51 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        machine_init(true);
        uint64_t table = add_table(cases[i].signature, cases[i].size_bytes);
        for (size_t at_byte = 36; at_byte < cases[i].size_bytes; at_byte++)
            at(table)[at_byte] = 0x11;
        seal_table(table);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.lapic_base | info.hpet_base | info.pm1a_control_port, 0);
        EXPECT_EQ(info.ioapic_count + info.timer_intid, 0);
        EXPECT(info.uart == UART_NONE && !info.psci_present);
    }
}

TEST(a_table_outside_memory_is_skipped_alone)
{
    static const uint64_t wild[] = { 0, 1, MEMORY_BASE + MEMORY_BYTES - 35, UINT64_MAX - 7 };
    for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
        machine_init(true);
        add_table("APIC", 44);
        add_fadt();
        put(ROOT + 36, wild[i], 8);
        seal_root();
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.pm1a_control_port, 0x604);
    }
}

TEST(the_first_of_two_tables_counts)
{
    machine_init(true);
    add_madt_pc();
    uint64_t second = add_table("APIC", 44);
    put(second + 36, 0xbad00000, 4);
    seal_table(second);
    EXPECT_EQ(parse(), OK);
    expect_pc();
}

TEST(a_madt_entry_with_a_bad_length_ends_the_list)
{
    static const uint8_t lengths[] = { 0, 1, 35, 255 };
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        machine_init(true);
        uint64_t madt = add_madt_pc();
        at(madt)[57] = lengths[i];
        seal_table(madt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.ioapic_count, 1);
        EXPECT_EQ(info.override_count, 0);
        EXPECT_EQ(info.lapic_base, 0xfee00000);
    }
}

TEST(a_madt_entry_that_is_too_short_for_its_type_is_skipped)
{
    machine_init(true);
    uint64_t madt = add_table("APIC", 44 + 4 + 12);
    put(madt + 44, 0x0401, 2);
    put(madt + 48, 0x0c01, 2);
    put(madt + 52, 0xfec00000, 4);
    seal_table(madt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
}

TEST(more_entries_than_room_are_dropped)
{
    enum { COUNT = PLATFORM_GICR_MAX + 8 };
    machine_init(true);
    uint64_t madt = add_table("APIC", 44 + COUNT * (12 + 10 + 16));
    uint64_t entry = madt + 44;
    for (unsigned i = 0; i < COUNT; i++) {
        put(entry, 0x0c01, 2);
        put(entry + 4, 0x1000 + i, 4);
        put(entry + 12, 0x0a02, 2);
        put(entry + 22, 0x100e, 2);
        put(entry + 26, 0x100000, 8);
        put(entry + 34, 0x20000, 4);
        entry += 38;
    }
    seal_table(madt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, PLATFORM_IOAPIC_MAX);
    EXPECT_EQ(info.override_count, PLATFORM_OVERRIDE_MAX);
    EXPECT_EQ(info.gicr_count, PLATFORM_GICR_MAX);
}

/* One GICC of 80 bytes, one GICD of 24, and perhaps one GICR. */
static void add_madt_arm(uint8_t version, uint64_t gicr_of_cpu, bool gicr_region)
{
    uint64_t madt = add_table("APIC", 44 + 80 + 24 + (gicr_region ? 16 : 0));
    put(madt + 44, 0x500b, 2);
    put(madt + 44 + 32, 0x8010000, 8);
    put(madt + 44 + 60, gicr_of_cpu, 8);
    put(madt + 124, 0x180c, 2);
    put(madt + 124 + 8, 0x8000000, 8);
    put(madt + 124 + 20, version, 1);
    if (gicr_region) {
        put(madt + 148, 0x100e, 2);
        put(madt + 148 + 4, 0x80a0000, 8);
        put(madt + 148 + 12, 0xf60000, 4);
    }
    seal_table(madt);
}

TEST(gic_versions)
{
    static const struct {
        uint8_t said;
        uint64_t gicr_of_cpu;
        bool gicr_region;
        unsigned version;
        size_t gicr_count;
        uint64_t gicr_size;
    } cases[] = {
        { 2, 0, false, 2, 0, 0 },
        { 2, 0, true, 2, 1, 0xf60000 },
        { 3, 0, false, 3, 0, 0 },
        { 3, 0, true, 3, 1, 0xf60000 },
        { 4, 0, true, 3, 1, 0xf60000 },
        { 0, 0, false, 2, 0, 0 },
        { 0, 0, true, 3, 1, 0xf60000 },
        { 3, 0x80a0000, false, 3, 1, 0x20000 },
        { 3, 0x80a0000, true, 3, 1, 0xf60000 },
        { 0, 0x80a0000, false, 3, 1, 0x20000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        machine_init(true);
        add_madt_arm(cases[i].said, cases[i].gicr_of_cpu, cases[i].gicr_region);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.gicd_base, 0x8000000);
        EXPECT_EQ(info.gicc_base, 0x8010000);
        EXPECT_EQ(info.gic_version, cases[i].version);
        EXPECT_EQ(info.gicr_count, cases[i].gicr_count);
        EXPECT_EQ(info.gicr[0].size_bytes, cases[i].gicr_size);
    }
}

TEST(fadt_registers_out_of_range_are_not_there)
{
    machine_init(true);
    uint64_t fadt = add_fadt();
    put(fadt + 64, 0x10000, 4);
    put(fadt + 76, 0, 4);
    put(fadt + 208, 1, 1);
    put(fadt + 212, 0xb008, 8); /* only the extended field names the timer */
    put(fadt + 120, 0x10cf9, 8);
    seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.pm1a_control_port, 0);
    EXPECT_EQ(info.pm_timer_port, 0xb008);
    EXPECT(!info.reset_register_present);

    machine_init(true);
    fadt = add_fadt();
    put(fadt + 112, 0, 4); /* not supported, whatever the register says */
    seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT(!info.reset_register_present);
}

TEST(an_old_fadt_ends_before_the_reset_register)
{
    machine_init(true);
    uint64_t fadt = add_table("FACP", 116);
    put(fadt + 64, 0x604, 4);
    put(fadt + 112, 1 << 10, 4);
    seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
    EXPECT(!info.reset_register_present && !info.psci_present);
}

TEST(spcr_names_the_serial_port)
{
    static const struct {
        uint8_t type;
        uint8_t space;
        uint64_t address;
        uint8_t interrupt;
        enum platform_uart_kind kind;
        uint32_t irq;
    } cases[] = {
        { 0x00, 1, 0x3f8, 1, UART_16550_PORT, 4 },      { 0x01, 1, 0x2f8, 2, UART_16550_PORT, 33 },
        { 0x12, 0, 0xfe000000, 0, UART_16550_MMIO, 0 }, { 0x03, 0, 0x9000000, 8, UART_PL011, 33 },
        { 0x0e, 0, 0x9000000, 8, UART_PL011, 33 },      { 0x03, 1, 0x3f8, 8, UART_NONE, 0 },
        { 0x00, 1, 0x103f8, 1, UART_NONE, 0 },          { 0x00, 7, 0x3f8, 1, UART_NONE, 0 },
        { 0x42, 0, 0x9000000, 8, UART_NONE, 0 },        { 0x03, 0, 0, 8, UART_NONE, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        machine_init(true);
        uint64_t spcr = add_table("SPCR", 80);
        put(spcr + 36, cases[i].type, 1);
        put(spcr + 40, cases[i].space, 1);
        put(spcr + 44, cases[i].address, 8);
        put(spcr + 52, cases[i].interrupt, 1);
        put(spcr + 53, 4, 1);
        put(spcr + 54, 33, 4);
        seal_table(spcr);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.uart, cases[i].kind);
        EXPECT_EQ(info.uart_base, cases[i].kind == UART_NONE ? 0 : cases[i].address);
        EXPECT_EQ(info.uart_irq, cases[i].irq);
    }
}

TEST(gtdt_timer_must_be_private_to_the_cpu)
{
    static const struct {
        uint32_t said;
        uint32_t used;
    } cases[] = { { 27, 27 }, { 16, 16 }, { 31, 31 }, { 15, 0 }, { 32, 0 }, { UINT32_MAX, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        machine_init(true);
        uint64_t gtdt = add_table("GTDT", 96);
        put(gtdt + 64, cases[i].said, 4);
        seal_table(gtdt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.timer_intid, cases[i].used);
    }
}

TEST(hpet_lies_in_memory)
{
    for (uint8_t space = 0; space < 2; space++) {
        machine_init(true);
        uint64_t hpet = add_table("HPET", 56);
        put(hpet + 40, space, 1);
        put(hpet + 44, 0xfed00000, 8);
        seal_table(hpet);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.hpet_base, space == 0 ? 0xfed00000 : 0);
    }
}

#if defined(CONFIG_HOST) || __STDC_HOSTED__
#include <stdio.h>

static const void *map_file(void *context, paddr_t pa, size_t size_bytes)
{
    const size_t *file_bytes = context;
    uint64_t offset = pa.raw - 0x100000;
    bool inside = pa.raw >= 0x100000 && offset <= *file_bytes && size_bytes <= *file_bytes - offset;
    return inside ? machine.memory + offset : NULL;
}

/* Tables that the ACPI reference compiler laid out, so that two readings of the specification must
 * agree. They describe a machine that has everything.
 */
HOST_TEST(tables_of_the_reference_compiler)
{
    FILE *file = fopen("tests/fuzz/corpus/acpi/all-tables-xsdt.bin", "rb");
    REQUIRE(file != NULL);
    size_t file_bytes = fread(machine.memory, 1, sizeof(machine.memory), file);
    (void)fclose(file);

    info = (struct platform_info){ .uart = UART_NONE };
    EXPECT_EQ(acpi_parse(paddr(0x100000), map_file, &file_bytes, &info), OK);
    EXPECT_EQ(info.lapic_base, 0x1fee00000);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
    EXPECT_EQ(info.ioapic[0].first_gsi, 24);
    EXPECT_EQ(info.override_count, 1);
    EXPECT_EQ(info.override[0].isa_irq, 9);
    EXPECT_EQ(info.override[0].gsi, 10);
    EXPECT(info.override[0].active_low && info.override[0].level);
    EXPECT_EQ(info.gic_version, 3);
    EXPECT_EQ(info.gicd_base, 0x8000000);
    EXPECT_EQ(info.gicc_base, 0x8010000);
    EXPECT_EQ(info.gicr_count, 1);
    EXPECT_EQ(info.gicr[0].base, 0x80c0000);
    EXPECT_EQ(info.gicr[0].size_bytes, 0xf60000);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
    EXPECT_EQ(info.pm_timer_port, 0x608);
    EXPECT(info.reset_register_present);
    EXPECT_EQ(info.reset_register_address, 0xcf9);
    EXPECT_EQ(info.reset_value, 0x0f);
    EXPECT(info.psci_present && info.psci_hvc);
    EXPECT_EQ(info.timer_intid, 27);
    EXPECT_EQ(info.uart, UART_PL011);
    EXPECT_EQ(info.uart_base, 0x9000000);
    EXPECT_EQ(info.uart_irq, 33);
    EXPECT_EQ(info.hpet_base, 0xfed00000);
}
#endif
