/* Device trees, written here token by token. */
#include <base/bytes.h>
#include <base/test.h>
#include <boot/fdt.h>
#include <string.h>

enum { STRUCTURE_AT = 0x60, STRINGS_AT = 0x800, TREE_BYTES = 0xa00 };

static struct {
    uint8_t bytes[TREE_BYTES];
    size_t at;      /* in the structure */
    size_t strings; /* in the strings */
} tree;

static struct fdt_info info;

static void put32(size_t at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(tree.bytes + at, &value, 4);
}

static void token(uint32_t value)
{
    put32(tree.at, value);
    tree.at += 4;
}

static void text(const char *value, size_t size_bytes)
{
    memcpy(tree.bytes + tree.at, value, size_bytes);
    tree.at += ALIGN_UP(size_bytes, 4);
}

static void node(const char *name)
{
    token(1);
    text(name, strlen(name) + 1);
}

static void property(const char *name, const void *data, size_t size_bytes)
{
    token(3);
    token((uint32_t)size_bytes);
    token((uint32_t)(tree.strings - STRINGS_AT));
    memcpy(tree.bytes + tree.strings, name, strlen(name) + 1);
    tree.strings += strlen(name) + 1;
    text(data, size_bytes);
}

static void property_text(const char *name, const char *value)
{
    property(name, value, strlen(value) + 1);
}

static void property_cells(const char *name, const uint32_t *cell, size_t count)
{
    uint32_t big[8];
    for (size_t i = 0; i < count; i++)
        big[i] = __builtin_bswap32(cell[i]);
    property(name, big, count * 4);
}

#define CELLS(name, ...)                                                                           \
    property_cells(name, (const uint32_t[]){ __VA_ARGS__ },                                        \
                   sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void end(void)
{
    token(2);
}

static void begin_tree(void)
{
    memset(&tree, 0, sizeof(tree));
    tree.at = STRUCTURE_AT;
    tree.strings = STRINGS_AT;
}

static void end_tree(void)
{
    end();
    token(9);
    put32(0, 0xd00dfeed);
    put32(4, TREE_BYTES);
    put32(8, STRUCTURE_AT);
    put32(12, STRINGS_AT);
    put32(16, 40);
    put32(20, 17);
    put32(24, 16);
    put32(32, (uint32_t)(tree.strings - STRINGS_AT));
    put32(36, (uint32_t)(tree.at - STRUCTURE_AT));
}

static void devices(void)
{
    node("psci");
    property_text("compatible", "arm,psci-0.2");
    property_text("method", "smc");
    end();
    node("pl011@9000000");
    property("compatible", "arm,pl011\0arm,primecell", 24);
    CELLS("reg", 0, 0x9000000, 0, 0x1000);
    end();
    node("pl031@9010000");
    property_text("compatible", "arm,pl031");
    property_text("status", "disabled");
    CELLS("reg", 0, 0x9010000, 0, 0x1000);
    end();
    node("cpus");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 0);
    node("cpu@0");
    property_text("device_type", "cpu");
    CELLS("reg", 0);
    end();
    node("cpu@100");
    property_text("device_type", "cpu");
    CELLS("reg", 0x100);
    end();
    node("cpu@200");
    property_text("device_type", "cpu");
    property_text("status", "disabled");
    CELLS("reg", 0x200);
    end();
    end();
}

static void build(void)
{
    begin_tree();
    node("");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    node("memory@40000000");
    property_text("device_type", "memory");
    CELLS("reg", 0, 0x40000000, 0, 0x10000000, 1, 0, 0, 0x1000);
    end();
    token(4);
    node("reserved-memory");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    node("secure@41000000");
    CELLS("reg", 0, 0x41000000, 0, 0x1000);
    end();
    end();
    node("chosen");
    property_text("bootargs", "test=all");
    CELLS("linux,initrd-start", 0x48000000);
    CELLS("linux,initrd-end", 0, 0x48001000);
    end();
    devices();
    end_tree();
}

TEST(a_tree_is_read)
{
    build();
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), OK);
    EXPECT_EQ(info.map.count, 3);
    EXPECT_EQ(info.map.range[0].base, 0x40000000);
    EXPECT_EQ(info.map.range[1].base, UINT64_C(0x100000000));
    EXPECT_EQ(info.map.range[2].base, 0x41000000);
    EXPECT_EQ(info.map.range[2].type, LIMINE_MEMMAP_RESERVED);
    EXPECT_EQ(info.cpus.count, 2);
    EXPECT_EQ(info.cpus.cpu[1].hardware_id, 0x100);
    EXPECT_EQ(info.psci, FDT_PSCI_SMC);
    EXPECT_EQ(info.pl011, 0x9000000);
    EXPECT_EQ(info.pl031, 0);
    EXPECT_EQ(info.initrd, 0x48000000);
    EXPECT_EQ(info.initrd_bytes, 0x1000);
    EXPECT_STR(info.cmdline, "test=all");
}

TEST(a_command_line_that_was_cut_is_known)
{
    static char text[FDT_CMDLINE_MAX];
    memset(text, 'x', sizeof(text));
    for (unsigned cut = 0; cut < 2; cut++) {
        begin_tree();
        node("");
        node("chosen");
        property("bootargs", text, FDT_CMDLINE_MAX - 1 + cut);
        end();
        end_tree();
        EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), OK);
        EXPECT_EQ(strlen(info.cmdline), FDT_CMDLINE_MAX - 1);
        EXPECT_EQ(info.cmdline_cut, cut != 0);
    }
}

TEST(reservations_are_read)
{
    build();
    put32(40 + 4, 0x42000000);
    put32(40 + 12, 0x2000);
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), OK);
    EXPECT_EQ(info.map.count, 4);
    EXPECT_EQ(info.map.range[3].base, 0x42000000);
    EXPECT_EQ(info.map.range[3].type, LIMINE_MEMMAP_RESERVED);
}

TEST(memory_nodes_are_erased_and_nothing_else)
{
    build();
    EXPECT_EQ(fdt_erase_memory(tree.bytes, TREE_BYTES), OK);
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), OK);
    EXPECT_EQ(info.map.count, 1);
    EXPECT_EQ(info.cpus.count, 2);
    EXPECT_STR(info.cmdline, "test=all");
}

TEST(a_tree_cut_anywhere_is_refused)
{
    build();
    for (size_t cut = 0; cut < TREE_BYTES; cut++)
        EXPECT(fdt_read(tree.bytes, cut, &info) != OK);
}

TEST(damaged_headers_are_refused)
{
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {
        { 0, 0xd00dfeee },  { 4, TREE_BYTES + 1 },
        { 4, 39 },          { 8, TREE_BYTES - 4 },
        { 8, 0x62 },        { 8, UINT32_MAX },
        { 12, TREE_BYTES }, { 12, UINT32_MAX },
        { 16, TREE_BYTES }, { 16, UINT32_MAX },
        { 20, 15 },         { 24, 18 },
        { 32, UINT32_MAX }, { 32, 1 },
        { 36, UINT32_MAX }, { 36, 8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build();
        put32(cases[i].at, cases[i].value);
        EXPECT(fdt_read(tree.bytes, TREE_BYTES, &info) != OK);
    }
}

TEST(nodes_that_do_not_match_are_refused)
{
    begin_tree();
    node("");
    end();
    end_tree(); /* one end too many */
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_FORMAT);

    begin_tree();
    node("");
    node("a");
    end_tree(); /* one too few */
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_FORMAT);

    begin_tree();
    for (int i = 0; i < FDT_DEPTH_MAX + 1; i++)
        node("a");
    end_tree();
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_FORMAT);

    begin_tree();
    token(5);
    end_tree();
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_FORMAT);
}

TEST(a_property_that_does_not_fit_is_refused)
{
    static const uint32_t sizes[] = { 5, 64, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        begin_tree();
        node("");
        token(3);
        token(sizes[i]);
        token(0);
        tree.strings++; /* its name is empty */
        size_t at = tree.at;
        end_tree();
        put32(36, (uint32_t)(at - STRUCTURE_AT)); /* the structure ends behind the header */
        EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_TRUNCATED);
    }
}

TEST(odd_values_are_passed_over)
{
    begin_tree();
    node("");
    CELLS("#address-cells", 3);
    node("memory@0");
    property_text("device_type", "memory");
    CELLS("reg", 0, 0, 0, 1);
    end();
    node("chosen");
    property("bootargs", "no end", 6);
    CELLS("linux,initrd-start", 2);
    CELLS("linux,initrd-end", 1);
    end();
    end_tree();
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), OK);
    EXPECT_EQ(info.map.count, 0);
    EXPECT_EQ(info.initrd_bytes, 0);
    EXPECT_STR(info.cmdline, "no end");
}

TEST(ranges_that_overflow_are_refused)
{
    begin_tree();
    node("");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    node("memory@0");
    property_text("device_type", "memory");
    CELLS("reg", UINT32_MAX, UINT32_MAX, 0, 2);
    end();
    end_tree();
    EXPECT_EQ(fdt_read(tree.bytes, TREE_BYTES, &info), ERR_RANGE);
}
