/* Device trees written token by token, then told lies. */
#include "firmware.h"

#include <base/bytes.h>
#include <base/string.h>
#include <base/test.h>
#include <kernel/log.h>

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9 };
enum { HEADER_BYTES = 40, STRUCT_MAX = 3072, STRINGS_MAX = 512, BLOB_MAX = 4096 };

static struct {
    uint8_t structure[STRUCT_MAX];
    size_t structure_bytes;
    char strings[STRINGS_MAX];
    size_t strings_bytes;
    uint8_t blob[BLOB_MAX];
    size_t blob_bytes;
} tree;

static struct platform_info info;

static void store_be32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put_u32(uint32_t value)
{
    store_be32(tree.structure + tree.structure_bytes, value);
    tree.structure_bytes += 4;
}

static void put_bytes(const void *bytes, size_t size_bytes)
{
    memcpy(tree.structure + tree.structure_bytes, bytes, size_bytes);
    tree.structure_bytes = ALIGN_UP(tree.structure_bytes + size_bytes, 4);
}

static uint32_t string_add(const char *text)
{
    uint32_t at = (uint32_t)tree.strings_bytes;
    memcpy(tree.strings + at, text, strlen(text) + 1);
    tree.strings_bytes += strlen(text) + 1;
    return at;
}

static void prop(const char *name, const void *value, size_t size_bytes)
{
    put_u32(PROP);
    put_u32((uint32_t)size_bytes);
    put_u32(string_add(name));
    put_bytes(value, size_bytes);
}

static void prop_text(const char *name, const char *text)
{
    prop(name, text, strlen(text) + 1);
}

static void prop_cells(const char *name, const uint32_t *cells, size_t count)
{
    uint8_t bytes[64 * 4];
    for (size_t i = 0; i < count; i++)
        store_be32(bytes + 4 * i, cells[i]);
    prop(name, bytes, count * 4);
}

#define CELLS(name, ...)                                                                           \
    prop_cells(name, (const uint32_t[]){ __VA_ARGS__ },                                            \
               sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void begin(const char *name)
{
    put_u32(BEGIN_NODE);
    put_bytes(name, strlen(name) + 1);
}

static void end(void)
{
    put_u32(END_NODE);
}

/* The root, with two cells for addresses and two for sizes. */
static void tree_init(void)
{
    memset(&tree, 0, sizeof(tree));
    begin("");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
}

static void tree_pack(void)
{
    uint8_t *header = tree.blob;
    size_t strings_at = HEADER_BYTES + tree.structure_bytes;
    tree.blob_bytes = strings_at + tree.strings_bytes;
    store_be32(header, 0xd00dfeed);
    store_be32(header + 4, (uint32_t)tree.blob_bytes);
    store_be32(header + 8, HEADER_BYTES);
    store_be32(header + 12, (uint32_t)strings_at);
    store_be32(header + 16, HEADER_BYTES);
    store_be32(header + 20, 17);
    store_be32(header + 24, 16);
    store_be32(header + 32, (uint32_t)tree.strings_bytes);
    store_be32(header + 36, (uint32_t)tree.structure_bytes);
    memcpy(tree.blob + HEADER_BYTES, tree.structure, tree.structure_bytes);
    memcpy(tree.blob + strings_at, tree.strings, tree.strings_bytes);
}

static enum status parse(void)
{
    info = (struct platform_info){ .uart = UART_NONE };
    enum log_level before = log_set_console_level(LOG_ERROR); /* lies would fill the console */
    enum status status = fdt_parse(tree.blob, tree.blob_bytes, &info);
    log_set_console_level(before);
    return status;
}

/* End the root, pack, parse. */
static enum status finish(void)
{
    end();
    put_u32(END);
    tree_pack();
    return parse();
}

static void node_pl011(const char *name, uint32_t base, uint32_t irq)
{
    begin(name);
    prop("compatible", "arm,pl011\0arm,primecell", sizeof("arm,pl011\0arm,primecell"));
    CELLS("reg", 0, base, 0, 0x1000);
    CELLS("interrupts", 0, irq, 4);
    end();
}

static void node_gic_v3(void)
{
    begin("intc@8000000");
    prop_text("compatible", "arm,gic-v3");
    CELLS("#redistributor-regions", 2);
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000, 0x40, 0, 0, 0x4000000);
    end();
}

static void node_timer(void)
{
    begin("timer");
    prop_text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    end();
}

static void node_psci(const char *method)
{
    begin("psci");
    prop("compatible", "arm,psci-1.0\0arm,psci-0.2", sizeof("arm,psci-1.0\0arm,psci-0.2"));
    prop_text("method", method);
    end();
}

static void tree_virt(void)
{
    tree_init();
    node_psci("hvc");
    node_pl011("pl011@9000000", 0x9000000, 1);
    node_gic_v3();
    node_timer();
    begin("chosen");
    prop_text("stdout-path", "/pl011@9000000");
    end();
}

static void expect_virt(void)
{
    EXPECT_EQ(info.gic_version, 3);
    EXPECT_EQ(info.gicd_base, 0x8000000);
    EXPECT_EQ(info.gicr_count, 2);
    EXPECT_EQ(info.gicr[0].base, 0x80a0000);
    EXPECT_EQ(info.gicr[0].size_bytes, 0xf60000);
    EXPECT_EQ(info.gicr[1].base, 0x4000000000);
    EXPECT_EQ(info.gicr[1].size_bytes, 0x4000000);
    EXPECT_EQ(info.timer_intid, 27);
    EXPECT(info.psci_present && info.psci_hvc);
    EXPECT_EQ(info.uart, UART_PL011);
    EXPECT_EQ(info.uart_base, 0x9000000);
    EXPECT_EQ(info.uart_irq, 33);
}

TEST(a_machine_with_gic_v3)
{
    tree_virt();
    EXPECT_EQ(finish(), OK);
    expect_virt();
}

TEST(a_machine_with_gic_v2)
{
    static const char *const names[] = { "arm,gic-400", "arm,cortex-a15-gic" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        tree_init();
        begin("intc@8000000");
        prop_text("compatible", names[i]);
        CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
        end();
        node_psci("smc");
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.gic_version, 2);
        EXPECT_EQ(info.gicd_base, 0x8000000);
        EXPECT_EQ(info.gicc_base, 0x8010000);
        EXPECT(info.psci_present && !info.psci_hvc);
        EXPECT_EQ(info.uart, UART_NONE);
    }
}

TEST(an_empty_tree_names_nothing)
{
    tree_init();
    EXPECT_EQ(finish(), OK);
    EXPECT_EQ(info.gic_version, 0);
    EXPECT(!info.psci_present);
}

TEST(stdout_path_chooses_among_serial_ports)
{
    static const struct {
        const char *stdout_path;
        uint64_t base;
    } cases[] = {
        { NULL, 0x9000000 },
        { "/pl011@9000000", 0x9000000 },
        { "/pl011@9040000", 0x9040000 },
        { "/pl011@9040000:115200n8", 0x9040000 },
        { "serial1", 0x9040000 },
        { "serial1:9600", 0x9040000 },
        { "serial7", 0x9000000 },
        { "/nowhere", 0x9000000 },
        { "", 0x9000000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tree_init();
        begin("aliases");
        prop_text("serial0", "/pl011@9000000");
        prop_text("serial1", "/pl011@9040000");
        end();
        node_pl011("pl011@9000000", 0x9000000, 1);
        node_pl011("pl011@9040000", 0x9040000, 8);
        begin("chosen");
        if (cases[i].stdout_path != NULL)
            prop_text("stdout-path", cases[i].stdout_path);
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.uart_base, cases[i].base);
        EXPECT_EQ(info.uart_irq, cases[i].base == 0x9000000 ? 33 : 40);
    }
}

TEST(a_stdout_path_without_end_or_measure_is_not_used)
{
    char path[300] = "/pl011@9040000";
    for (size_t i = strlen(path); i < sizeof(path) - 1; i++)
        path[i] = 'x';
    static const size_t sizes[] = { 14, sizeof(path) };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        tree_init();
        node_pl011("pl011@9000000", 0x9000000, 1);
        node_pl011("pl011@9040000", 0x9040000, 8);
        begin("chosen");
        prop("stdout-path", path, sizes[i]);
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.uart_base, 0x9000000);
    }
}

TEST(a_disabled_node_is_not_there)
{
    static const struct {
        const char *status;
        bool usable;
    } cases[] = { { "okay", true }, { "ok", true }, { "disabled", false }, { "fail", false } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tree_init();
        begin("serial");
        prop_text("compatible", "ns16550a");
        prop_text("status", cases[i].status);
        CELLS("reg", 0, 0x1000, 0, 0x100);
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.uart, cases[i].usable ? UART_16550_MMIO : UART_NONE);
    }
}

TEST(bus_addresses_are_translated)
{
    tree_init();
    begin("soc");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 1);
    CELLS("ranges", 0x10000000, 0, 0x20000000, 0x1000, 0x7e000000, 0x4, 0xfe000000, 0x1000000);
    begin("bus");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 1);
    prop("ranges", "", 0);
    begin("serial@7e201000");
    prop_text("compatible", "arm,pl011");
    CELLS("reg", 0x7e201000, 0x200);
    end();
    end();
    end();
    EXPECT_EQ(finish(), OK);
    EXPECT_EQ(info.uart_base, 0x4fe201000);
}

TEST(addresses_that_do_not_reach_the_cpu_are_not_used)
{
    /* no ranges at all; outside the ranges; a sum that wraps; cells that nobody can read */
    static const struct {
        uint32_t range[4];
        size_t range_count;
        uint32_t address_cells;
    } cases[] = {
        { { 0 }, SIZE_MAX, 1 },
        { { 0, 0, 0x1000, 0x1000 }, 4, 1 },
        { { 0x7e000000, UINT32_MAX, UINT32_MAX, 0x1000000 }, 4, 1 },
        { { 0x7e000000, 0, 0 }, 3, 1 },
        { { 0 }, 0, 3 },
        { { 0 }, 0, 0 },
        { { 0 }, 0, UINT32_MAX },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tree_init();
        begin("soc");
        CELLS("#address-cells", cases[i].address_cells);
        CELLS("#size-cells", 1);
        if (cases[i].range_count != SIZE_MAX)
            prop_cells("ranges", cases[i].range, cases[i].range_count);
        begin("serial@7e201000");
        prop_text("compatible", "arm,pl011");
        CELLS("reg", 0x7e201000, 0x200);
        end();
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.uart, UART_NONE);
    }
}

TEST(sizes_may_have_no_cells)
{
    tree_init();
    begin("soc");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 0);
    prop("ranges", "", 0);
    begin("serial");
    prop_text("compatible", "arm,pl011");
    CELLS("reg", 0x9000000);
    end();
    end();
    EXPECT_EQ(finish(), OK);
    EXPECT_EQ(info.uart_base, 0x9000000);
}

TEST(a_gic_without_its_parts_is_not_there)
{
    static const char *const names[] = { "arm,gic-v3", "arm,gic-400" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        tree_init();
        begin("intc");
        prop_text("compatible", names[i]);
        CELLS("reg", 0, 0x8000000, 0, 0x10000);
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.gic_version, 0);
    }
}

TEST(interrupts_out_of_range_are_not_used)
{
    static const struct {
        uint32_t kind;
        uint32_t number;
        uint32_t irq;
    } cases[] = {
        { 0, 0, 32 }, { 0, 987, 1019 }, { 0, 988, 0 }, { 0, UINT32_MAX, 0 },
        { 1, 0, 16 }, { 1, 15, 31 },    { 1, 16, 0 },  { 2, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tree_init();
        begin("serial");
        prop_text("compatible", "arm,pl011");
        CELLS("reg", 0, 0x1000, 0, 0x100);
        CELLS("interrupts", cases[i].kind, cases[i].number, 4);
        end();
        EXPECT_EQ(finish(), OK);
        EXPECT_EQ(info.uart, UART_PL011);
        EXPECT_EQ(info.uart_irq, cases[i].irq);
    }
}

TEST(properties_of_a_wrong_size_are_not_used)
{
    tree_init();
    begin("intc");
    prop_text("compatible", "arm,gic-v3");
    CELLS("#redistributor-regions", UINT32_MAX);
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000, 0, 1);
    end();
    begin("timer");
    prop_text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 1, 14, 4, 1, 11);
    end();
    begin("psci");
    prop_text("compatible", "arm,psci-0.2");
    prop("method", "hvc", 3); /* no end */
    end();
    begin("chosen");
    prop("stdout-path", "/intc", 5);
    end();
    EXPECT_EQ(finish(), OK);
    EXPECT_EQ(info.gic_version, 3);
    EXPECT_EQ(info.gicr_count, 1);
    EXPECT_EQ(info.timer_intid, 0);
    EXPECT(!info.psci_present);
}

TEST(depth_and_paths_are_bounded)
{
    char name[200];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';

    tree_init(); /* too long a path is harmless, also for the nodes after it */
    begin(name);
    begin(name);
    begin("deeper");
    end();
    end();
    end();
    node_pl011("pl011@9040000", 0x9040000, 8);
    node_pl011("pl011@9000000", 0x9000000, 1);
    begin("chosen");
    prop_text("stdout-path", "/pl011@9000000");
    end();
    EXPECT_EQ(finish(), OK);
    EXPECT_EQ(info.uart_base, 0x9000000);

    for (unsigned depth = 15; depth <= 16; depth++) { /* and the root */
        tree_init();
        for (unsigned i = 0; i < depth; i++)
            begin("d");
        for (unsigned i = 0; i < depth; i++)
            end();
        EXPECT_EQ(finish(), depth == 15 ? OK : ERR_FORMAT);
    }
}

TEST(the_shape_of_the_tree_is_checked)
{
    tree_init(); /* one end too many */
    end();
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* and a node after it */
    end();
    end();
    begin("lost");
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* one too few */
    begin("open");
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* two roots */
    end();
    begin("");
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* a property behind a child */
    begin("child");
    end();
    CELLS("late", 1);
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* no such token */
    put_u32(5);
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* tokens that say nothing are fine everywhere */
    put_u32(NOP);
    CELLS("more", 1);
    begin("psci");
    put_u32(NOP);
    prop_text("compatible", "arm,psci-0.2");
    put_u32(NOP);
    prop_text("method", "smc");
    put_u32(NOP);
    end();
    put_u32(NOP);
    EXPECT_EQ(finish(), OK);
    EXPECT(info.psci_present);

    memset(&tree, 0, sizeof(tree)); /* no root at all */
    put_u32(END);
    tree_pack();
    EXPECT_EQ(parse(), ERR_FORMAT);
}

TEST(a_property_outside_its_block_is_refused)
{
    tree_init();
    put_u32(PROP);
    put_u32(UINT32_MAX - 2); /* padding would wrap */
    put_u32(0);
    EXPECT_EQ(finish(), ERR_TRUNCATED);

    tree_init();
    put_u32(PROP);
    put_u32(0);
    put_u32(STRINGS_MAX * 2);
    EXPECT_EQ(finish(), ERR_FORMAT);

    tree_init(); /* a name without an end */
    put_u32(PROP);
    put_u32(0);
    put_u32(string_add("open"));
    tree.strings_bytes--;
    EXPECT_EQ(finish(), ERR_FORMAT);
}

/* Every header field wrong in turn; `out` stays as it was. */
TEST(a_bad_header_is_refused)
{
    static const struct {
        size_t offset;
        uint32_t value;
        enum status status;
    } cases[] = {
        { 0, 0xedfe0dd0, ERR_FORMAT },
        { 4, BLOB_MAX + 1, ERR_TRUNCATED },
        { 4, UINT32_MAX, ERR_TRUNCATED },
        { 4, 40, ERR_FORMAT },
        { 8, 41, ERR_FORMAT },
        { 8, 0xfffffffc, ERR_FORMAT },
        { 12, UINT32_MAX, ERR_FORMAT },
        { 20, 16, ERR_UNSUPPORTED },
        { 24, 18, ERR_UNSUPPORTED },
        { 32, UINT32_MAX, ERR_FORMAT },
        { 36, UINT32_MAX, ERR_FORMAT },
        { 36, 0, ERR_TRUNCATED },
        { 36, 44, ERR_TRUNCATED },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tree_virt();
        EXPECT_EQ(finish(), OK);
        store_be32(tree.blob + cases[i].offset, cases[i].value);
        EXPECT_EQ(parse(), cases[i].status);
        EXPECT_EQ(info.gic_version, 0);
    }
    store_be32(tree.blob + 4, 39); /* smaller than the header that says so */
    EXPECT_EQ(fdt_parse(tree.blob, 39, &info), ERR_TRUNCATED);
}

/* Cut anywhere, whether the header admits it or not. */
TEST(a_cut_tree_is_refused)
{
    tree_virt();
    EXPECT_EQ(finish(), OK);
    size_t whole = tree.blob_bytes;
    for (size_t size = 0; size < whole; size++) {
        tree.blob_bytes = size;
        REQUIRE(parse() != OK);
    }
    uint32_t structure_bytes = load_be32(tree.blob + 36);
    tree.blob_bytes = whole;
    for (uint32_t size = 0; size < structure_bytes; size++) {
        store_be32(tree.blob + 36, size);
        REQUIRE(parse() != OK);
        REQUIRE(info.gic_version == 0);
    }
}

#if defined(CONFIG_HOST) || __STDC_HOSTED__
#include <stdio.h>

static bool load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    static uint8_t bytes[16384];
    tree.blob_bytes = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    info = (struct platform_info){ .uart = UART_NONE };
    return fdt_parse(bytes, tree.blob_bytes, &info) == OK;
}

/* What QEMU's own machine says, as the device tree compiler packed it. */
HOST_TEST(trees_of_real_machines)
{
    REQUIRE(load_file("tests/fuzz/corpus/fdt/virt-gicv3.dtb"));
    EXPECT_EQ(info.gic_version, 3);
    EXPECT_EQ(info.gicd_base, 0x8000000);
    EXPECT_EQ(info.gicr_count, 1);
    EXPECT_EQ(info.gicr[0].base, 0x80a0000);
    EXPECT_EQ(info.timer_intid, 27);
    EXPECT(info.psci_present && info.psci_hvc);
    EXPECT_EQ(info.uart, UART_PL011);
    EXPECT_EQ(info.uart_base, 0x9000000);
    EXPECT_EQ(info.uart_irq, 33);

    REQUIRE(load_file("tests/fuzz/corpus/fdt/virt-gicv2.dtb"));
    EXPECT_EQ(info.gic_version, 2);
    EXPECT_EQ(info.gicd_base, 0x8000000);
    EXPECT_EQ(info.gicc_base, 0x8010000);
}
#endif
