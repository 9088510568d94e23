/* ACPI tables of a PC, and lies about it. */
#include "firmware.h"

#include <base/test.h>
#include <kernel/acpi_fixture.h>
#include <kernel/log.h>

static struct platform_info info;

static enum status parse(void)
{
    enum log_level before = log_set_console_level(LOG_ERROR); /* lies would fill the console */
    info = (struct platform_info){ .uart = UART_NONE };
    enum status status = x86_acpi_parse(paddr(FIXTURE_RSDP), fixture_map, NULL, &info);
    log_set_console_level(before);
    return status;
}

/* A MADT with one I/O APIC, one override and an address override, 12 + 10 + 12 bytes. */
static uint64_t add_madt_pc(void)
{
    uint64_t madt = fixture_add("APIC", 44 + 34);
    fixture_put(madt + 36, 0xfee00000, 4);
    fixture_put(madt + 44, 0x0c01, 2);
    fixture_put(madt + 48, 0xfec00000, 4);
    fixture_put(madt + 52, 16, 4);
    fixture_put(madt + 56, 0x0a02, 2);
    fixture_put(madt + 59, 9, 1);
    fixture_put(madt + 60, 20, 4);
    fixture_put(madt + 64, 0xf, 2);
    fixture_put(madt + 66, 0x0c05, 2);
    fixture_put(madt + 70, 0x1fee00000, 8);
    fixture_seal_table(madt);
    return madt;
}

static uint64_t add_fadt(void)
{
    uint64_t fadt = fixture_add("FACP", 244);
    fixture_put(fadt + 64, 0x604, 4);
    fixture_put(fadt + 76, 0x608, 4);
    fixture_put(fadt + 112, 1 << 10, 4);
    fixture_put(fadt + 116, 1, 1);
    fixture_put(fadt + 120, 0xcf9, 8);
    fixture_put(fadt + 128, 0x0f, 1);
    fixture_put(fadt + 129, 3, 2);
    fixture_seal_table(fadt);
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
}

TEST(a_pc)
{
    fixture_init(true);
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
}

TEST(a_table_that_is_too_short_is_skipped_alone)
{
    static const struct {
        const char *signature;
        size_t size_bytes;
    } cases[] = { { "APIC", 43 }, { "FACP", 115 }, { "SPCR", 57 }, { "HPET", 51 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_init(true);
        uint64_t table = fixture_add(cases[i].signature, cases[i].size_bytes);
        for (size_t at_byte = 36; at_byte < cases[i].size_bytes; at_byte++)
            fixture_at(table)[at_byte] = 0x11;
        fixture_seal_table(table);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.lapic_base | info.hpet_base | info.pm1a_control_port, 0);
        EXPECT_EQ(info.ioapic_count, 0);
        EXPECT(info.uart == UART_NONE);
    }
}

TEST(a_madt_entry_that_is_too_short_for_its_type_is_skipped)
{
    fixture_init(true);
    uint64_t madt = fixture_add("APIC", 44 + 4 + 12);
    fixture_put(madt + 44, 0x0401, 2);
    fixture_put(madt + 48, 0x0c01, 2);
    fixture_put(madt + 52, 0xfec00000, 4);
    fixture_seal_table(madt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
}

TEST(more_entries_than_room_are_dropped)
{
    enum { COUNT = PLATFORM_OVERRIDE_MAX + 8 };
    fixture_init(true);
    uint64_t madt = fixture_add("APIC", 44 + COUNT * (12 + 10));
    uint64_t entry = madt + 44;
    for (unsigned i = 0; i < COUNT; i++) {
        fixture_put(entry, 0x0c01, 2);
        fixture_put(entry + 4, 0x1000 + i, 4);
        fixture_put(entry + 12, 0x0a02, 2);
        entry += 22;
    }
    fixture_seal_table(madt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, PLATFORM_IOAPIC_MAX);
    EXPECT_EQ(info.override_count, PLATFORM_OVERRIDE_MAX);
}

TEST(fadt_registers_out_of_range_are_not_there)
{
    fixture_init(true);
    uint64_t fadt = add_fadt();
    fixture_put(fadt + 64, 0x10000, 4);
    fixture_put(fadt + 76, 0, 4);
    fixture_put(fadt + 208, 1, 1);
    fixture_put(fadt + 212, 0xb008, 8); /* only the extended field names the timer */
    fixture_put(fadt + 120, 0x10cf9, 8);
    fixture_seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.pm1a_control_port, 0);
    EXPECT_EQ(info.pm_timer_port, 0xb008);
    EXPECT(!info.reset_register_present);

    fixture_init(true);
    fadt = add_fadt();
    fixture_put(fadt + 112, 0, 4); /* not supported, whatever the register says */
    fixture_seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT(!info.reset_register_present);
}

TEST(an_old_fadt_ends_before_the_reset_register)
{
    fixture_init(true);
    uint64_t fadt = fixture_add("FACP", 116);
    fixture_put(fadt + 64, 0x604, 4);
    fixture_put(fadt + 112, 1 << 10, 4);
    fixture_seal_table(fadt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
    EXPECT(!info.reset_register_present);
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
        { 0x00, 1, 0x3f8, 1, UART_16550_PORT, 4 },
        { 0x01, 1, 0x2f8, 2, UART_16550_PORT, 33 },
        { 0x12, 0, 0xfe000000, 0, UART_16550_MMIO, 0 },
        { 0x03, 0, 0x9000000, 2, UART_NONE, 0 },
        { 0x02, 1, 0x3f8, 1, UART_NONE, 0 },
        { 0x12, 0, 0xfe000000, 2, UART_16550_MMIO, 33 },
        { 0x00, 1, 0x103f8, 1, UART_NONE, 0 },
        { 0x00, 7, 0x3f8, 1, UART_NONE, 0 },
        { 0x42, 0, 0x9000000, 8, UART_NONE, 0 },
        { 0x00, 1, 0, 1, UART_NONE, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_init(true);
        uint64_t spcr = fixture_add("SPCR", 80);
        fixture_put(spcr + 36, cases[i].type, 1);
        fixture_put(spcr + 40, cases[i].space, 1);
        fixture_put(spcr + 44, cases[i].address, 8);
        fixture_put(spcr + 52, cases[i].interrupt, 1);
        fixture_put(spcr + 53, 4, 1);
        fixture_put(spcr + 54, 33, 4);
        fixture_seal_table(spcr);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.uart, cases[i].kind);
        EXPECT_EQ(info.uart_base, cases[i].kind == UART_NONE ? 0 : cases[i].address);
        EXPECT_EQ(info.uart_irq, cases[i].irq);
    }
}

TEST(hpet_lies_in_memory)
{
    for (uint8_t space = 0; space < 2; space++) {
        fixture_init(true);
        uint64_t hpet = fixture_add("HPET", 56);
        fixture_put(hpet + 40, space, 1);
        fixture_put(hpet + 44, 0xfed00000, 8);
        fixture_seal_table(hpet);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.hpet_base, space == 0 ? 0xfed00000 : 0);
    }
}

#if defined(CONFIG_HOST) || __STDC_HOSTED__
#include <stdio.h>

static uint8_t file_bytes_read[0x4000];

static const void *map_file(void *context, paddr_t pa, size_t size_bytes)
{
    const size_t *file_bytes = context;
    uint64_t offset = pa.raw - 0x100000;
    bool inside = pa.raw >= 0x100000 && offset <= *file_bytes && size_bytes <= *file_bytes - offset;
    return inside ? file_bytes_read + offset : NULL;
}

/* Tables that the ACPI reference compiler laid out, so that two readings of the specification must
 * agree. They describe a machine that has everything.
 */
HOST_TEST(tables_of_the_reference_compiler)
{
    FILE *file = fopen("tests/fuzz/corpus/x86_acpi/all-tables-xsdt.bin", "rb");
    REQUIRE(file != NULL);
    size_t file_bytes = fread(file_bytes_read, 1, sizeof(file_bytes_read), file);
    (void)fclose(file);

    info = (struct platform_info){ .uart = UART_NONE };
    EXPECT_EQ(x86_acpi_parse(paddr(0x100000), map_file, &file_bytes, &info), OK);
    EXPECT_EQ(info.lapic_base, 0x1fee00000);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
    EXPECT_EQ(info.ioapic[0].first_gsi, 24);
    EXPECT_EQ(info.override_count, 1);
    EXPECT_EQ(info.override[0].isa_irq, 9);
    EXPECT_EQ(info.override[0].gsi, 10);
    EXPECT(info.override[0].active_low && info.override[0].level);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
    EXPECT_EQ(info.pm_timer_port, 0x608);
    EXPECT(info.reset_register_present);
    EXPECT_EQ(info.reset_register_address, 0xcf9);
    EXPECT_EQ(info.reset_value, 0x0f);
    EXPECT_EQ(info.hpet_base, 0xfed00000);
}
#endif
