/* ACPI tables of an Arm machine, and lies about it. */
#include "firmware.h"

#include <base/test.h>
#include <kernel/acpi_fixture.h>
#include <kernel/log.h>

static struct platform_info info;

static enum status parse(void)
{
    enum log_level before = log_set_console_level(LOG_ERROR); /* lies would fill the console */
    info = (struct platform_info){ .uart = UART_NONE };
    enum status status = arm_acpi_parse(paddr(FIXTURE_RSDP), fixture_map, NULL, &info);
    log_set_console_level(before);
    return status;
}

/* One GICC of 80 bytes, one GICD of 24, and perhaps one GICR. */
static void add_madt_arm(uint8_t version, uint64_t gicr_of_cpu, bool gicr_region)
{
    uint64_t madt = fixture_add("APIC", 44 + 80 + 24 + (gicr_region ? 16 : 0));
    fixture_put(madt + 44, 0x500b, 2);
    fixture_put(madt + 44 + 32, 0x8010000, 8);
    fixture_put(madt + 44 + 60, gicr_of_cpu, 8);
    fixture_put(madt + 124, 0x180c, 2);
    fixture_put(madt + 124 + 8, 0x8000000, 8);
    fixture_put(madt + 124 + 20, version, 1);
    if (gicr_region) {
        fixture_put(madt + 148, 0x100e, 2);
        fixture_put(madt + 148 + 4, 0x80a0000, 8);
        fixture_put(madt + 148 + 12, 0xf60000, 4);
    }
    fixture_seal_table(madt);
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
        fixture_init(true);
        uint64_t madt = fixture_add("APIC", 44 + 16);
        fixture_put(madt + 44, 0x100e, 2);
        fixture_put(madt + 48, cases[i].base, 8);
        fixture_put(madt + 56, cases[i].size, 4);
        fixture_seal_table(madt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.gicr_count, cases[i].count);
        EXPECT_EQ(info.gic_version, 0); /* no distributor, no controller */
    }
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
        fixture_init(true);
        add_madt_arm(cases[i].said, cases[i].gicr_of_cpu, cases[i].gicr_region);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.gicd_base, 0x8000000);
        EXPECT_EQ(info.gicc_base, 0x8010000);
        EXPECT_EQ(info.gic_version, cases[i].version);
        EXPECT_EQ(info.gicr_count, cases[i].gicr_count);
        EXPECT_EQ(info.gicr[0].size_bytes, cases[i].gicr_size);
    }
}

TEST(a_table_that_is_too_short_is_skipped_alone)
{
    static const struct {
        const char *signature;
        size_t size_bytes;
    } cases[] = { { "APIC", 43 }, { "FACP", 115 }, { "SPCR", 57 }, { "GTDT", 67 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_init(true);
        uint64_t table = fixture_add(cases[i].signature, cases[i].size_bytes);
        for (size_t at_byte = 36; at_byte < cases[i].size_bytes; at_byte++)
            fixture_at(table)[at_byte] = 0x11;
        fixture_seal_table(table);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.timer_intid, 0);
        EXPECT(info.uart == UART_NONE && !info.psci_present);
    }
}

TEST(a_madt_entry_that_is_too_short_for_its_type_is_skipped)
{
    static const struct {
        uint8_t type;
        uint8_t size;
    } cases[] = { { 0x0b, 39 }, { 0x0c, 20 }, { 0x0e, 15 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_init(true);
        uint64_t madt = fixture_add("APIC", 44 + (size_t)cases[i].size);
        for (size_t byte = 46; byte < (size_t)44 + cases[i].size; byte++)
            *fixture_at(madt + byte) = 1;
        *fixture_at(madt + 44) = cases[i].type;
        *fixture_at(madt + 45) = cases[i].size;
        fixture_seal_table(madt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.gicd_base | info.gicc_base | info.gicr_count, 0);
    }
}

TEST(more_regions_than_room_are_dropped)
{
    const uint64_t entry_bytes = 16;
    const uint64_t entries_bytes = (PLATFORM_GICR_MAX + 8) * entry_bytes;
    fixture_init(true);
    uint64_t madt = fixture_add("APIC", 44 + entries_bytes);
    for (uint64_t entry = madt + 44; entry < madt + 44 + entries_bytes; entry += entry_bytes) {
        fixture_put(entry, 0x100e, 2);
        fixture_put(entry + 4, 0x100000, 8);
        fixture_put(entry + 12, 0x20000, 4);
    }
    fixture_seal_table(madt);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.gicr_count, PLATFORM_GICR_MAX);
}

TEST(psci_is_called_as_the_fadt_says)
{
    for (uint8_t flags = 0; flags < 4; flags++) {
        fixture_init(true);
        uint64_t fadt = fixture_add("FACP", 244);
        fixture_put(fadt + 129, flags, 2);
        fixture_seal_table(fadt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.psci_present, (flags & 1) != 0);
        EXPECT_EQ(info.psci_hvc, (flags & 2) != 0);
    }
    fixture_init(true);
    fixture_add("FACP", 116); /* an old one ends before the flags */
    EXPECT_EQ(parse(), OK);
    EXPECT(!info.psci_present);
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
        { 0x03, 0, 0x9000000, 8, UART_PL011, 33 }, { 0x0d, 0, 0x9000000, 8, UART_PL011, 33 },
        { 0x0e, 0, 0x9000000, 1, UART_PL011, 0 },  { 0x03, 1, 0x3f8, 8, UART_NONE, 0 },
        { 0x00, 0, 0x9000000, 8, UART_NONE, 0 },   { 0x42, 0, 0x9000000, 8, UART_NONE, 0 },
        { 0x03, 0, 0, 8, UART_NONE, 0 },           { 0x03, 7, 0x9000000, 8, UART_NONE, 0 },
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

TEST(gtdt_timer_must_be_private_to_the_cpu)
{
    static const struct {
        uint32_t said;
        uint32_t used;
    } cases[] = { { 27, 27 }, { 16, 16 }, { 31, 31 }, { 15, 0 }, { 32, 0 }, { UINT32_MAX, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_init(true);
        uint64_t gtdt = fixture_add("GTDT", 96);
        fixture_put(gtdt + 64, cases[i].said, 4);
        fixture_seal_table(gtdt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.timer_intid, cases[i].used);
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
    FILE *file = fopen("tests/fuzz/corpus/arm_acpi/all-tables-xsdt.bin", "rb");
    REQUIRE(file != NULL);
    size_t file_bytes = fread(file_bytes_read, 1, sizeof(file_bytes_read), file);
    (void)fclose(file);

    info = (struct platform_info){ .uart = UART_NONE };
    EXPECT_EQ(arm_acpi_parse(paddr(0x100000), map_file, &file_bytes, &info), OK);
    EXPECT_EQ(info.gic_version, 3);
    EXPECT_EQ(info.gicd_base, 0x8000000);
    EXPECT_EQ(info.gicc_base, 0x8010000);
    EXPECT_EQ(info.gicr_count, 1);
    EXPECT_EQ(info.gicr[0].base, 0x80c0000);
    EXPECT_EQ(info.gicr[0].size_bytes, 0xf60000);
    EXPECT(info.psci_present && info.psci_hvc);
    EXPECT_EQ(info.timer_intid, 27);
    EXPECT_EQ(info.uart, UART_PL011);
    EXPECT_EQ(info.uart_base, 0x9000000);
    EXPECT_EQ(info.uart_irq, 33);
}
#endif
