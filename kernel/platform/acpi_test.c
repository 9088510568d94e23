/* Roots, tables and lists of entries, told lies. */
#include <base/string.h>
#include <base/test.h>
#include <kernel/acpi_fixture.h>
#include <kernel/log.h>

/* What these handlers find; every architecture has its own. */
struct platform_info {
    uint64_t lapic_base;
    size_t ioapic_count;
    struct {
        uint64_t base;
    } ioapic[16];
    size_t override_count;
    struct {
        uint8_t isa_irq;
    } override[32];
    uint16_t pm1a_control_port;
};

static struct platform_info info;

static void use_ioapic(struct platform_info *out, const struct acpi_table *entry)
{
    out->ioapic[out->ioapic_count++].base = acpi_u32(entry, 4);
}

static void use_override(struct platform_info *out, const struct acpi_table *entry)
{
    out->override[out->override_count++].isa_irq = acpi_u8(entry, 3);
}

static void use_madt(struct platform_info *out, const struct acpi_table *madt)
{
    static const struct acpi_madt_handler entries[] = { { 1, 12, use_ioapic },
                                                        { 2, 10, use_override } };
    out->lapic_base = acpi_u32(madt, 36);
    acpi_madt_entries(out, madt, entries, ARRAY_LEN(entries));
}

static void use_fadt(struct platform_info *out, const struct acpi_table *fadt)
{
    out->pm1a_control_port = acpi_u16(fadt, 64);
}

static enum status parse_at(uint64_t rsdp)
{
    static const struct acpi_handler handlers[] = { { "APIC", 44, use_madt },
                                                    { "FACP", 116, use_fadt } };
    enum log_level before = log_set_console_level(LOG_ERROR); /* lies would fill the console */
    info = (struct platform_info){ 0 };
    enum status status =
        acpi_parse(paddr(rsdp), fixture_map, NULL, handlers, ARRAY_LEN(handlers), &info);
    log_set_console_level(before);
    return status;
}

static enum status parse(void)
{
    return parse_at(FIXTURE_RSDP);
}

/* A MADT with an I/O APIC and an override, 12 + 10 bytes. */
static uint64_t add_madt(void)
{
    uint64_t madt = fixture_add("APIC", 44 + 22);
    fixture_put(madt + 36, 0xfee00000, 4);
    fixture_put(madt + 44, 0x0c01, 2);
    fixture_put(madt + 48, 0xfec00000, 4);
    fixture_put(madt + 56, 0x0a02, 2);
    fixture_put(madt + 59, 9, 1);
    fixture_seal_table(madt);
    return madt;
}

static void add_fadt(void)
{
    uint64_t fadt = fixture_add("FACP", 116);
    fixture_put(fadt + 64, 0x604, 2);
    fixture_seal_table(fadt);
}

static void expect_madt(void)
{
    EXPECT_EQ(info.lapic_base, 0xfee00000);
    EXPECT_EQ(info.ioapic_count, 1);
    EXPECT_EQ(info.ioapic[0].base, 0xfec00000);
    EXPECT_EQ(info.override_count, 1);
    EXPECT_EQ(info.override[0].isa_irq, 9);
}

TEST(tables_are_found_through_the_xsdt)
{
    fixture_init(true);
    add_madt();
    add_fadt();
    EXPECT_EQ(parse(), OK);
    expect_madt();
    EXPECT_EQ(info.pm1a_control_port, 0x604);
}

TEST(tables_are_found_through_the_rsdt)
{
    fixture_init(false);
    add_madt();
    EXPECT_EQ(parse(), OK);
    expect_madt();
}

TEST(a_bad_extended_pointer_falls_back_to_the_rsdt)
{
    fixture_init(false);
    fixture_at(FIXTURE_RSDP)[15] = 2;
    fixture_put(FIXTURE_RSDP + 20, 36, 4);
    fixture_put(FIXTURE_RSDP + 24, 0x12345678, 8); /* never followed: the extended sum is wrong */
    fixture_seal(FIXTURE_RSDP, 20, 8);
    fixture_at(FIXTURE_RSDP)[32] ^= 1;
    add_madt();
    EXPECT_EQ(parse(), OK);
    expect_madt();
}

/* An XSDT that is fine by itself is not used through a pointer that is not. */
TEST(a_bad_extended_pointer_is_not_followed)
{
    for (unsigned i = 0; i < 2; i++) {
        fixture_init(false);
        add_madt();
        uint64_t xsdt = fixture_add("NONE", 36);
        memcpy(fixture_at(xsdt), "XSDT", 4);
        fixture_seal_table(xsdt);
        fixture_at(FIXTURE_RSDP)[15] = 2;
        fixture_put(FIXTURE_RSDP + 20, i == 0 ? 36 : 35, 4);
        fixture_put(FIXTURE_RSDP + 24, xsdt, 8);
        fixture_seal(FIXTURE_RSDP, 20, 8);
        fixture_seal(FIXTURE_RSDP, 36, 32);
        if (i == 0)
            fixture_at(FIXTURE_RSDP)[32] ^= 1;
        EXPECT_EQ(parse(), OK);
        expect_madt();
    }
}

TEST(a_bad_root_is_an_error)
{
    fixture_init(true);
    add_madt();
    fixture_at(FIXTURE_RSDP)[0] = 'X';
    EXPECT_EQ(parse(), ERR_FORMAT);

    fixture_init(true);
    fixture_at(FIXTURE_RSDP)[9] ^= 1;
    EXPECT_EQ(parse(), ERR_DIGEST);

    fixture_init(true);
    fixture_at(FIXTURE_ROOT)[9] ^= 1; /* and there is no RSDT either */
    EXPECT_EQ(parse(), ERR_NOT_FOUND);

    fixture_init(false);
    fixture_put(FIXTURE_ROOT + 4, 35, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);

    fixture_init(false);
    fixture_put(FIXTURE_ROOT + 4, UINT32_MAX, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);

    fixture_init(false);
    fixture_put(FIXTURE_ROOT + 4, FIXTURE_BYTES, 4);
    EXPECT_EQ(parse(), ERR_TRUNCATED);

    EXPECT_EQ(parse_at(0), ERR_NOT_FOUND);
    EXPECT_EQ(parse_at(UINT64_MAX - 4), ERR_NOT_FOUND);
}

TEST(a_table_with_a_wrong_sum_is_skipped_alone)
{
    fixture_init(true);
    uint64_t madt = add_madt();
    add_fadt();
    fixture_at(madt)[40] ^= 1;
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.ioapic_count, 0);
    EXPECT_EQ(info.lapic_base, 0);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
}

TEST(a_table_that_is_too_short_is_skipped_alone)
{
    fixture_init(true);
    uint64_t madt = fixture_add("APIC", 43);
    fixture_put(madt + 36, 0xfee00000, 4);
    fixture_seal_table(madt);
    add_fadt();
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.lapic_base, 0);
    EXPECT_EQ(info.pm1a_control_port, 0x604);
}

TEST(fields_beyond_the_end_read_as_0)
{
    static const uint8_t bytes[12] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct acpi_table table = { .bytes = bytes, .size_bytes = sizeof(bytes) };
    EXPECT_EQ(acpi_u8(&table, 11), 1);
    EXPECT_EQ(acpi_u8(&table, 12), 0);
    EXPECT_EQ(acpi_u16(&table, 10), 0x101);
    EXPECT_EQ(acpi_u16(&table, 11), 0);
    EXPECT_EQ(acpi_u32(&table, 8), 0x1010101);
    EXPECT_EQ(acpi_u32(&table, 9), 0);
    EXPECT_EQ(acpi_u64(&table, 4), 0x101010101010101);
    EXPECT_EQ(acpi_u64(&table, 5), 0);
    EXPECT_EQ(acpi_u64(&table, SIZE_MAX - 2), 0);
    EXPECT_EQ(acpi_address_at(&table, 0).address, 0x101010101010101);
    EXPECT_EQ(acpi_address_at(&table, 1).address, 0);
}

TEST(a_table_outside_memory_is_skipped_alone)
{
    static const uint64_t wild[] = { 0, 1, FIXTURE_BASE + FIXTURE_BYTES - 35, UINT64_MAX - 7 };
    for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
        fixture_init(true);
        fixture_add("APIC", 44);
        add_fadt();
        fixture_put(FIXTURE_ROOT + 36, wild[i], 8);
        fixture_seal_root();
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.pm1a_control_port, 0x604);
    }
}

TEST(the_first_of_two_tables_counts)
{
    fixture_init(true);
    add_madt();
    uint64_t second = fixture_add("APIC", 44);
    fixture_put(second + 36, 0xbad00000, 4);
    fixture_seal_table(second);
    EXPECT_EQ(parse(), OK);
    expect_madt();
}

TEST(a_madt_entry_with_a_bad_length_ends_the_list)
{
    static const uint8_t lengths[] = { 0, 1, 35, 255 };
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        fixture_init(true);
        uint64_t madt = add_madt();
        fixture_at(madt)[57] = lengths[i];
        fixture_seal_table(madt);
        EXPECT_EQ(parse(), OK);
        EXPECT_EQ(info.ioapic_count, 1);
        EXPECT_EQ(info.override_count, 0);
        EXPECT_EQ(info.lapic_base, 0xfee00000);
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
