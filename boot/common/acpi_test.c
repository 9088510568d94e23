/* ACPI tables in a small memory of their own. */
#include <base/bytes.h>
#include <base/test.h>
#include <boot/acpi.h>
#include <string.h>

enum { BASE = 0x1000, XSDT_AT = 0x100, RSDT_AT = 0x180, MADT_AT = 0x200, OTHER_AT = 0x400 };

static uint8_t bytes[0x1000];

static const void *view(void *context, uint64_t physical, uint64_t size_bytes)
{
    (void)context;
    if (physical < BASE || physical - BASE > sizeof(bytes) ||
        size_bytes > sizeof(bytes) - (physical - BASE))
        return NULL;
    return bytes + (physical - BASE);
}

static const struct acpi_memory memory = { view, NULL };

static void put(size_t at, uint64_t value, size_t size_bytes)
{
    memcpy(bytes + at, &value, size_bytes);
}

static void sum(size_t at, size_t size_bytes, size_t sum_at)
{
    uint8_t total = 0;
    bytes[at + sum_at] = 0;
    for (size_t i = 0; i < size_bytes; i++)
        total = (uint8_t)(total + bytes[at + i]);
    bytes[at + sum_at] = (uint8_t)-total;
}

static void table(size_t at, const char *signature, uint32_t size_bytes)
{
    memcpy(bytes + at, signature, 4);
    put(at + 4, size_bytes, 4);
    sum(at, size_bytes, 9);
}

static void build(uint8_t revision)
{
    static const uint8_t madt[] = {
        0, 8,  1, 10, 1, 0, 0,   0,                           /* LAPIC 10, enabled */
        0, 8,  2, 11, 0, 0, 0,   0,                           /* disabled */
        1, 12, 0, 0,  0, 0, 192, 254, 0, 0, 0, 0,             /* I/O APIC */
        9, 16, 0, 0,  0, 1, 0,   0,   1, 0, 0, 0, 3, 0, 0, 0, /* x2APIC 256, enabled */
        0, 8,  4, 10, 1, 0, 0,   0,                           /* 10 again */
        0, 4,  9, 9,                                          /* too short */
    };
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, "RSD PTR ", 8);
    bytes[15] = revision;
    put(16, BASE + RSDT_AT, 4);
    put(24, BASE + XSDT_AT, 8);
    sum(0, 20, 8);
    sum(0, 36, 32);

    put(XSDT_AT + 36, 0xdead0000, 8); /* not there */
    put(XSDT_AT + 44, BASE + OTHER_AT, 8);
    put(XSDT_AT + 52, BASE + MADT_AT, 8);
    table(XSDT_AT, "XSDT", 60);
    put(RSDT_AT + 36, BASE + MADT_AT, 4);
    table(RSDT_AT, "RSDT", 40);
    table(OTHER_AT, "FACP", 64);
    memcpy(bytes + MADT_AT + 44, madt, sizeof(madt));
    table(MADT_AT, "APIC", 44 + sizeof(madt));
}

TEST(tables_are_found_by_either_list)
{
    for (uint8_t revision = 0; revision <= 2; revision = (uint8_t)(revision + 2)) {
        const void *found;
        size_t size_bytes;
        build(revision);
        EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), OK);
        EXPECT_EQ(found, bytes + MADT_AT);
        EXPECT_EQ(acpi_find(&memory, BASE, "NONE", &found, &size_bytes), ERR_NOT_FOUND);
    }
}

TEST(enabled_cpus_are_listed_once)
{
    static struct boot_cpu_list list;
    build(2);
    list.count = 0;
    acpi_madt_cpus(bytes + MADT_AT, load_le32(bytes + MADT_AT + 4), &list);
    EXPECT_EQ(list.count, 2);
    EXPECT_EQ(list.cpu[0].hardware_id, 10);
    EXPECT_EQ(list.cpu[0].acpi_uid, 1);
    EXPECT_EQ(list.cpu[1].hardware_id, 256);
    EXPECT_EQ(list.cpu[1].acpi_uid, 3);
}

TEST(io_apics_are_listed_up_to_the_limit)
{
    uint32_t base[2] = { 0, 0 };
    build(2);
    size_t size_bytes = load_le32(bytes + MADT_AT + 4);
    EXPECT_EQ(acpi_madt_io_apics(bytes + MADT_AT, size_bytes, base, 2), 1);
    EXPECT_EQ(base[0], 0xfec00000);
    EXPECT_EQ(acpi_madt_io_apics(bytes + MADT_AT, size_bytes, base, 0), 0);
}

TEST(gic_interfaces_are_cpus)
{
    static struct boot_cpu_list list;
    uint8_t madt[44 + 80] = { 0 };
    madt[44] = 11;
    madt[45] = 80;
    madt[44 + 8] = 7;
    madt[44 + 12] = 1;
    madt[44 + 69] = 3;
    list.count = 0;
    acpi_madt_cpus(madt, sizeof(madt), &list);
    EXPECT_EQ(list.count, 1);
    EXPECT_EQ(list.cpu[0].hardware_id, 0x300);
    EXPECT_EQ(list.cpu[0].acpi_uid, 7);
}

TEST(damage_is_found)
{
    const void *found;
    size_t size_bytes;
    build(2);
    bytes[20]++; /* extended part of the root pointer */
    EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), ERR_FORMAT);
    build(2);
    bytes[0] = 'r';
    EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), ERR_FORMAT);
    build(2);
    bytes[XSDT_AT + 50]++;
    EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), ERR_FORMAT);
    build(2);
    bytes[MADT_AT + 50]++;
    EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), ERR_NOT_FOUND);
    build(2);
    put(MADT_AT + 4, UINT32_MAX, 4);
    EXPECT_EQ(acpi_find(&memory, BASE, "APIC", &found, &size_bytes), ERR_NOT_FOUND);
    EXPECT_EQ(acpi_find(&memory, 0, "APIC", &found, &size_bytes), ERR_FORMAT);
}

TEST(an_entry_without_a_length_ends_the_list)
{
    static struct boot_cpu_list list;
    uint8_t madt[60] = { 0 };
    list.count = 0;
    acpi_madt_cpus(madt, sizeof(madt), &list);
    EXPECT_EQ(list.count, 0);
    madt[45] = 200;
    acpi_madt_cpus(madt, sizeof(madt), &list);
    EXPECT_EQ(list.count, 0);
}

TEST(an_entry_that_is_cut_off_is_not_read)
{
    static struct boot_cpu_list list;
    static uint8_t madt[50]; /* the sanitizer watches what lies behind it */
    madt[44] = 11;
    madt[45] = 80;
    list.count = 0;
    acpi_madt_cpus(madt, sizeof(madt), &list);
    EXPECT_EQ(list.count, 0);
}

TEST(a_full_list_takes_no_more)
{
    static struct boot_cpu_list list;
    list.count = 0;
    for (uint32_t i = 0; i < 300; i++)
        boot_cpu_list_add(&list, i, i);
    EXPECT_EQ(list.count, ARRAY_LEN(list.cpu));
}
