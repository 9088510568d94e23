/* The flattened device tree, as far as the kernel needs it (Devicetree Specification 0.4, chapters
 * 2 and 5).
 *
 * The blob is a stranger's bytes: every offset and length is checked against the block that it lies
 * in, depth is bounded, and each walk visits every token once. The first walk goes over the whole
 * tree before anything is believed, so a tree that is damaged anywhere is refused as a whole.
 */
#include "firmware.h"

#include <base/bytes.h>
#include <base/checked.h>
#include <base/compiler.h>
#include <base/string.h>
#include <kernel/log.h>

enum {
    FDT_MAGIC = (int)0xd00dfeed,
    FDT_HEADER_BYTES = 40,
    FDT_VERSION = 17,
    FDT_DEPTH_MAX = 16,
    FDT_PATH_MAX = 256,
    FDT_NAME_MAX = 128,   /* of a property; the specification allows 31 */
    FDT_RANGES_MAX = 256, /* entries looked at: bounds the work that a hostile tree can ask for */
};

enum { TOKEN_BEGIN_NODE = 1, TOKEN_END_NODE = 2, TOKEN_PROP = 3, TOKEN_NOP = 4, TOKEN_END = 9 };

/* The properties that are looked at. */
enum known {
    ADDRESS_CELLS,
    SIZE_CELLS,
    RANGES,
    COMPATIBLE,
    STATUS,
    REG,
    INTERRUPTS,
    METHOD,
    REDISTRIBUTOR_REGIONS,
    STDOUT_PATH,
    ALIAS, /* by the name that this walk looks for */
    KNOWN_COUNT
};

static const char *const known_names[ALIAS] = {
    "#address-cells", "#size-cells", "ranges",
    "compatible",     "status",      "reg",
    "interrupts",     "method",      "#redistributor-regions",
    "stdout-path",
};

struct property {
    const uint8_t *value; /* NULL: not there */
    size_t size_bytes;
};

/* A node that is open. */
struct level {
    const char *name;
    struct property known[KNOWN_COUNT];
    bool has_child; /* its properties have all gone by */
};

struct walk {
    const uint8_t *structure;
    size_t structure_bytes;
    const char *strings;
    size_t strings_bytes;
    size_t at;         /* in the structure block */
    const char *alias; /* see ALIAS */
    size_t depth;      /* open nodes; the last is the one that is visited */
    struct level level[FDT_DEPTH_MAX];
};

struct search {
    struct platform_info *out;
    char console[FDT_PATH_MAX]; /* stdout-path: a path or an alias, without options */
    char alias[FDT_PATH_MAX];   /* what the alias stands for */
};

/* ---- Tokens ---- */

static enum status take_u32(struct walk *walk, uint32_t *value_out)
{
    if (!checked_range_within(walk->at, 4, walk->structure_bytes))
        return ERR_TRUNCATED;
    *value_out = load_be32(walk->structure + walk->at);
    walk->at += 4;
    return OK;
}

/* `size` bytes, and the padding behind them. */
static enum status take_bytes(struct walk *walk, size_t size, const uint8_t **bytes_out)
{
    if (!checked_range_within(walk->at, size, walk->structure_bytes))
        return ERR_TRUNCATED;
    *bytes_out = walk->structure + walk->at;
    walk->at = MIN(ALIGN_UP(walk->at + size, 4), walk->structure_bytes);
    return OK;
}

static enum status take_name(struct walk *walk, const char **name_out)
{
    const char *name = (const char *)walk->structure + walk->at;
    size_t room = walk->structure_bytes - walk->at;
    const uint8_t *bytes;
    *name_out = name;
    return take_bytes(walk, strnlen(name, room) + 1, &bytes); /* no end: one byte too many */
}

/* What follows TOKEN_PROP. Of two properties of a name the first counts. */
static enum status take_property(struct walk *walk)
{
    uint32_t size;
    uint32_t name_at;
    struct property property;
    enum status status = take_u32(walk, &size);
    if (status == OK)
        status = take_u32(walk, &name_at);
    if (status == OK)
        status = take_bytes(walk, size, &property.value);
    if (status != OK)
        return status;
    property.size_bytes = size;
    if (walk->depth == 0 || name_at >= walk->strings_bytes)
        return ERR_FORMAT;
    struct level *level = &walk->level[walk->depth - 1];
    const char *name = walk->strings + name_at;
    size_t room = MIN(walk->strings_bytes - name_at, (size_t)FDT_NAME_MAX);
    if (level->has_child || strnlen(name, room) == room)
        return ERR_FORMAT;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (level->known[i].value == NULL &&
            strcmp(name, i == ALIAS ? walk->alias : known_names[i]) == 0)
            level->known[i] = property;
    }
    return OK;
}

/* ---- Nodes ---- */

typedef void fdt_visit(struct search *search, const struct walk *node);

static enum status node_begin(struct walk *walk)
{
    const char *name;
    enum status status = take_name(walk, &name);
    if (status != OK)
        return status;
    if (walk->depth == FDT_DEPTH_MAX)
        return ERR_FORMAT;
    if (walk->depth > 0)
        walk->level[walk->depth - 1].has_child = true;
    walk->level[walk->depth++] = (struct level){ .name = name };
    return OK;
}

static enum status node_end(struct walk *walk, fdt_visit *visit, struct search *search)
{
    if (walk->depth == 0)
        return ERR_FORMAT;
    visit(search, walk);
    walk->depth--;
    return OK;
}

/* Children are visited before their parents. */
static enum status fdt_walk(struct walk *walk, fdt_visit *visit, struct search *search)
{
    bool seen_root = false;
    walk->at = 0;
    walk->depth = 0;
    for (;;) {
        uint32_t token;
        enum status status = take_u32(walk, &token);
        if (status != OK)
            return status;
        switch (token) {
        case TOKEN_BEGIN_NODE:
            status = walk->depth == 0 && seen_root ? ERR_FORMAT : node_begin(walk);
            seen_root = true;
            break;
        case TOKEN_END_NODE:
            status = node_end(walk, visit, search);
            break;
        case TOKEN_PROP:
            status = take_property(walk);
            break;
        case TOKEN_NOP:
            break;
        case TOKEN_END:
            return seen_root && walk->depth == 0 ? OK : ERR_FORMAT;
        default:
            return ERR_FORMAT;
        }
        if (status != OK)
            return status;
    }
}

static const struct property *known_of(const struct walk *node, enum known known)
{
    return &node->level[node->depth - 1].known[known];
}

static uint32_t property_u32(const struct property *property, uint32_t otherwise)
{
    return property->value != NULL && property->size_bytes == 4 ? load_be32(property->value)
                                                                : otherwise;
}

/* True if the property is a list of strings of which one is `text`. */
static bool property_lists(const struct property *property, const char *text)
{
    size_t wanted = strlen(text) + 1;
    if (property->value == NULL)
        return false;
    for (size_t at = 0; at < property->size_bytes;) {
        const char *item = (const char *)property->value + at;
        size_t room = property->size_bytes - at;
        size_t length = strnlen(item, room);
        if (length + 1 == wanted && length < room && memcmp(item, text, length) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

static bool node_is_usable(const struct walk *node)
{
    const struct property *status = known_of(node, STATUS);
    return status->value == NULL || property_lists(status, "okay") || property_lists(status, "ok");
}

/* True if the names from the root's children down to the node's are `path`. */
static bool node_is(const struct walk *node, const char *path)
{
    for (size_t i = 1; i < node->depth; i++) {
        size_t length = strlen(node->level[i].name);
        if (*path != '/' || strncmp(path + 1, node->level[i].name, length) != 0)
            return false;
        path += 1 + length;
    }
    return *path == '\0';
}

/* ---- Addresses ---- */

/* How a node's children write addresses and sizes. */
static uint32_t address_cells(const struct level *level)
{
    return property_u32(&level->known[ADDRESS_CELLS], 2);
}

static uint32_t size_cells(const struct level *level)
{
    return property_u32(&level->known[SIZE_CELLS], 1);
}

/* Take a number of up to two cells. */
static uint64_t cells_take(const uint8_t **at, uint32_t cells)
{
    const uint8_t *from = *at;
    *at += 4 * (size_t)cells;
    return cells == 0 ? 0 : cells == 1 ? load_be32(from) : load_be64(from);
}

/* One step up: an address among the children of `level` as the level above writes it. */
static bool translate_once(const struct level *above, const struct level *level, uint64_t *address)
{
    const struct property *ranges = &level->known[RANGES];
    uint32_t child_cells = address_cells(level), parent_cells = address_cells(above);
    uint32_t length_cells = size_cells(level);
    if (ranges->value == NULL)
        return false;
    if (ranges->size_bytes == 0)
        return true; /* the same on both sides */
    if (child_cells > 2 || parent_cells > 2 || length_cells > 2)
        return false;
    size_t entry = 4 * (size_t)(child_cells + parent_cells + length_cells);
    size_t count = entry == 0 ? 0 : ranges->size_bytes / entry;
    const uint8_t *at = ranges->value;
    for (size_t i = 0; i < MIN(count, (size_t)FDT_RANGES_MAX); i++) {
        uint64_t child = cells_take(&at, child_cells);
        uint64_t parent = cells_take(&at, parent_cells);
        uint64_t size = cells_take(&at, length_cells);
        if (*address >= child && *address - child < size)
            return checked_add_u64(parent, *address - child, address);
    }
    return false;
}

/* Physical address and size of the node's register range `index`. */
static bool node_registers(const struct walk *node, size_t index, uint64_t *base_out,
                           uint64_t *size_out)
{
    const struct property *reg = known_of(node, REG);
    if (node->depth < 2 || reg->value == NULL)
        return false;
    const struct level *parent = &node->level[node->depth - 2];
    uint32_t base_cells = address_cells(parent), length_cells = size_cells(parent);
    if (base_cells == 0 || base_cells > 2 || length_cells > 2)
        return false;
    size_t entry = 4 * (size_t)(base_cells + length_cells);
    if (index >= reg->size_bytes / entry)
        return false;
    const uint8_t *at = reg->value + index * entry;
    uint64_t base = cells_take(&at, base_cells);
    *size_out = cells_take(&at, length_cells);
    for (size_t depth = node->depth - 2; depth > 0; depth--) {
        if (!translate_once(&node->level[depth - 1], &node->level[depth], &base))
            return false;
    }
    *base_out = base;
    return true;
}

/* Interrupt `index` in the GIC's three cells: kind, number, flags. */
static bool node_interrupt(const struct walk *node, size_t index, uint32_t *intid_out)
{
    enum { KIND_SHARED = 0, KIND_PRIVATE = 1, FIRST_PRIVATE = 16, FIRST_SHARED = 32 };
    const struct property *interrupts = known_of(node, INTERRUPTS);
    if (interrupts->value == NULL || index >= interrupts->size_bytes / 12)
        return false;
    uint32_t kind = load_be32(interrupts->value + index * 12);
    uint32_t number = load_be32(interrupts->value + index * 12 + 4);
    if (kind == KIND_SHARED && number < 988)
        *intid_out = FIRST_SHARED + number;
    else if (kind == KIND_PRIVATE && number < 16)
        *intid_out = FIRST_PRIVATE + number;
    else
        return false;
    return true;
}

/* ---- The devices ---- */

static void find_gic_v2(struct search *search, const struct walk *node)
{
    struct platform_info *out = search->out;
    uint64_t gicd, gicc, size;
    if (out->gic_version != 0 || !node_registers(node, 0, &gicd, &size) ||
        !node_registers(node, 1, &gicc, &size))
        return;
    out->gic_version = 2;
    out->gicd_base = gicd;
    out->gicc_base = gicc;
}

static void find_gic_v3(struct search *search, const struct walk *node)
{
    struct platform_info *out = search->out;
    uint64_t gicd, size;
    if (out->gic_version != 0 || !node_registers(node, 0, &gicd, &size))
        return;
    size_t wanted = property_u32(known_of(node, REDISTRIBUTOR_REGIONS), 1);
    size_t count = 0;
    for (; count < MIN(wanted, (size_t)PLATFORM_GICR_MAX); count++) {
        struct platform_gicr_region *region = &out->gicr[count];
        if (!node_registers(node, 1 + count, &region->base, &region->size_bytes))
            break;
    }
    if (count == 0)
        return;
    if (count < wanted)
        log_warn("fdt: %zu of %zu GIC redistributor regions are usable", count, wanted);
    out->gic_version = 3;
    out->gicd_base = gicd;
    out->gicr_count = count;
}

static void find_timer(struct search *search, const struct walk *node)
{
    enum { TIMER_VIRTUAL = 2 }; /* after the secure and the non-secure physical one */
    uint32_t intid;
    if (node_interrupt(node, TIMER_VIRTUAL, &intid) && intid < 32)
        search->out->timer_intid = intid;
}

static void find_psci(struct search *search, const struct walk *node)
{
    bool hvc = property_lists(known_of(node, METHOD), "hvc");
    if (!hvc && !property_lists(known_of(node, METHOD), "smc"))
        return;
    search->out->psci_present = true;
    search->out->psci_hvc = hvc;
}

static void find_uart(struct search *search, const struct walk *node, enum platform_uart_kind kind)
{
    struct platform_info *out = search->out;
    const char *wanted = search->console[0] == '/' ? search->console : search->alias;
    bool is_console = wanted[0] == '/' && node_is(node, wanted);
    uint64_t base, size;
    if ((out->uart != UART_NONE && !is_console) || !node_registers(node, 0, &base, &size))
        return;
    out->uart = kind;
    out->uart_base = base;
    if (!node_interrupt(node, 0, &out->uart_irq))
        out->uart_irq = 0;
}

static void find_pl011(struct search *search, const struct walk *node)
{
    find_uart(search, node, UART_PL011);
}

static void find_16550(struct search *search, const struct walk *node)
{
    find_uart(search, node, UART_16550_MMIO);
}

static void visit_device(struct search *search, const struct walk *node)
{
    static const struct {
        const char *compatible;
        fdt_visit *find;
    } devices[] = {
        { "arm,gic-400", find_gic_v2 },       { "arm,cortex-a15-gic", find_gic_v2 },
        { "arm,cortex-a9-gic", find_gic_v2 }, { "arm,cortex-a7-gic", find_gic_v2 },
        { "arm,gic-v3", find_gic_v3 },        { "arm,armv8-timer", find_timer },
        { "arm,armv7-timer", find_timer },    { "arm,psci-1.0", find_psci },
        { "arm,psci-0.2", find_psci },        { "arm,pl011", find_pl011 },
        { "ns16550a", find_16550 },           { "ns16550", find_16550 },
    };
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        if (node_is_usable(node) &&
            property_lists(known_of(node, COMPATIBLE), devices[i].compatible)) {
            devices[i].find(search, node);
            return;
        }
    }
}

/* A text property up to its end or `stop`; nothing if it has no end or is too long. */
static void property_copy_text(const struct property *property, char stop, char *to)
{
    size_t length = 0;
    while (length < property->size_bytes && property->value[length] != '\0' &&
           (char)property->value[length] != stop)
        length++;
    if (length == property->size_bytes || length >= FDT_PATH_MAX)
        return;
    memcpy(to, property->value, length);
    to[length] = '\0';
}

static void visit_chosen(struct search *search, const struct walk *node)
{
    if (node_is(node, "/chosen"))
        property_copy_text(known_of(node, STDOUT_PATH), ':', search->console);
}

static void visit_aliases(struct search *search, const struct walk *node)
{
    if (node_is(node, "/aliases"))
        property_copy_text(known_of(node, ALIAS), '\0', search->alias);
}

static enum status fdt_open(const void *blob, size_t size_bytes, struct walk *walk_out)
{
    const uint8_t *header = blob;
    if (size_bytes < FDT_HEADER_BYTES)
        return ERR_TRUNCATED;
    if (load_be32(header) != (uint32_t)FDT_MAGIC)
        return ERR_FORMAT;
    uint32_t total = load_be32(header + 4);
    uint32_t structure_at = load_be32(header + 8);
    uint32_t strings_at = load_be32(header + 12);
    uint32_t strings_bytes = load_be32(header + 32);
    uint32_t structure_bytes = load_be32(header + 36);
    if (load_be32(header + 20) < FDT_VERSION || load_be32(header + 24) > FDT_VERSION)
        return ERR_UNSUPPORTED;
    if (total > size_bytes)
        return ERR_TRUNCATED;
    if (structure_at % 4 != 0 || !checked_range_within(structure_at, structure_bytes, total) ||
        !checked_range_within(strings_at, strings_bytes, total))
        return ERR_FORMAT;
    *walk_out = (struct walk){ .structure = header + structure_at,
                               .structure_bytes = structure_bytes,
                               .strings = (const char *)header + strings_at,
                               .strings_bytes = strings_bytes,
                               .alias = "" };
    return OK;
}

enum status fdt_parse(const void *blob, size_t size_bytes, struct platform_info *out)
{
    static struct walk walk; /* too large for a stack; there is one CPU */
    struct search search = { .out = out };
    enum status status = fdt_open(blob, size_bytes, &walk);
    if (status == OK)
        status = fdt_walk(&walk, visit_chosen, &search);
    if (status == OK && search.console[0] != '\0' && search.console[0] != '/') {
        walk.alias = search.console;
        status = fdt_walk(&walk, visit_aliases, &search);
    }
    if (status == OK)
        status = fdt_walk(&walk, visit_device, &search);
    return status;
}
