/* The flattened device tree, as far as the kernel needs it (Devicetree Specification 0.4, chapters
 * 2 and 5).
 *
 * The blob is a stranger's bytes: every offset and length is checked against the block that it lies
 * in, depth is bounded, and each walk visits every token once. The first walk goes over the whole
 * tree before anything is believed, so a tree that is damaged anywhere is refused as a whole.
 */
#include <base/bytes.h>
#include <base/checked.h>
#include <base/compiler.h>
#include <base/string.h>
#include <kernel/log.h>
#include <kernel/platform.h>

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

#define PATH_TOO_LONG SIZE_MAX

struct fdt {
    const uint8_t *structure;
    size_t structure_bytes;
    const char *strings;
    size_t strings_bytes;
};

struct property {
    const char *name;
    const uint8_t *value;
    size_t size_bytes;
};

/* How the children of a node write addresses, and how those look to the node's own parent. */
struct level {
    uint32_t address_cells;
    uint32_t size_cells;
    struct property ranges; /* .value NULL: no translation */
    size_t path_length;     /* of the node's own path, or PATH_TOO_LONG */
};

struct walk {
    const struct fdt *fdt;
    size_t at;    /* in the structure block */
    size_t depth; /* open nodes */
    struct level level[FDT_DEPTH_MAX];
    char path[FDT_PATH_MAX]; /* of the innermost open node, see node_path */
};

/* A node with its properties known; children not yet seen. */
struct node {
    const struct walk *walk;
    size_t properties_at;
};

typedef void fdt_visit(void *context, const struct node *node);

/* ---- Tokens ---- */

static enum status take_u32(const struct fdt *fdt, size_t *at, uint32_t *value_out)
{
    if (!checked_range_within(*at, 4, fdt->structure_bytes))
        return ERR_TRUNCATED;
    *value_out = load_be32(fdt->structure + *at);
    *at += 4;
    return OK;
}

/* `size` bytes, and the padding behind them. */
static enum status take_bytes(const struct fdt *fdt, size_t *at, size_t size,
                              const uint8_t **bytes_out)
{
    if (!checked_range_within(*at, size, fdt->structure_bytes))
        return ERR_TRUNCATED;
    *bytes_out = fdt->structure + *at;
    *at = MIN(ALIGN_UP(*at + size, 4), fdt->structure_bytes);
    return OK;
}

static enum status take_name(const struct fdt *fdt, size_t *at, const char **name_out)
{
    const char *name = (const char *)fdt->structure + *at;
    size_t room = fdt->structure_bytes - *at;
    const uint8_t *bytes;
    *name_out = name;
    return take_bytes(fdt, at, strnlen(name, room) + 1, &bytes); /* no end: one byte too many */
}

/* What follows TOKEN_PROP. */
static enum status take_property(const struct fdt *fdt, size_t *at, struct property *property_out)
{
    uint32_t size;
    uint32_t name_at;
    enum status status = take_u32(fdt, at, &size);
    if (status == OK)
        status = take_u32(fdt, at, &name_at);
    if (status != OK)
        return status;
    if (name_at >= fdt->strings_bytes)
        return ERR_FORMAT;
    const char *name = fdt->strings + name_at;
    size_t room = MIN(fdt->strings_bytes - name_at, (size_t)FDT_NAME_MAX);
    if (strnlen(name, room) == room)
        return ERR_FORMAT;
    property_out->name = name;
    property_out->size_bytes = size;
    return take_bytes(fdt, at, size, &property_out->value);
}

/* ---- Properties ---- */

/* False if the node has none of that name. The walk has already checked what is read here. */
static bool property_find(const struct node *node, const char *name, struct property *property_out)
{
    const struct fdt *fdt = node->walk->fdt;
    size_t at = node->properties_at;
    for (;;) {
        uint32_t token;
        struct property property;
        if (take_u32(fdt, &at, &token) != OK)
            return false;
        if (token == TOKEN_NOP)
            continue;
        if (token != TOKEN_PROP || take_property(fdt, &at, &property) != OK)
            return false;
        if (strcmp(property.name, name) == 0) {
            *property_out = property;
            return true;
        }
    }
}

static uint32_t property_u32(const struct node *node, const char *name, uint32_t otherwise)
{
    struct property property;
    if (!property_find(node, name, &property) || property.size_bytes != 4)
        return otherwise;
    return load_be32(property.value);
}

/* True if the property is a list of strings of which one is `text`. */
static bool property_lists(const struct node *node, const char *name, const char *text)
{
    struct property property;
    size_t wanted = strlen(text) + 1;
    if (!property_find(node, name, &property))
        return false;
    for (size_t at = 0; at < property.size_bytes;) {
        const char *item = (const char *)property.value + at;
        size_t room = property.size_bytes - at;
        size_t length = strnlen(item, room);
        if (length + 1 == wanted && length < room && memcmp(item, text, length) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

static bool node_is_usable(const struct node *node)
{
    struct property status;
    return !property_find(node, "status", &status) || property_lists(node, "status", "okay") ||
           property_lists(node, "status", "ok");
}

/* ---- The walk ---- */

/* Complete: the properties of the innermost node have all gone by. */
static void level_read(const struct node *node, struct level *level)
{
    level->address_cells = property_u32(node, "#address-cells", 2);
    level->size_cells = property_u32(node, "#size-cells", 1);
    if (!property_find(node, "ranges", &level->ranges))
        level->ranges.value = NULL;
}

static void path_push(struct walk *walk, const char *name)
{
    size_t *length = &walk->level[walk->depth].path_length;
    *length = 0; /* the root's: its own name is empty */
    if (walk->depth > 0) {
        size_t start = walk->level[walk->depth - 1].path_length;
        size_t name_length = strlen(name);
        *length = PATH_TOO_LONG;
        if (start == PATH_TOO_LONG || start + 1 + name_length >= FDT_PATH_MAX)
            return;
        walk->path[start] = '/';
        memcpy(walk->path + start + 1, name, name_length);
        *length = start + 1 + name_length;
    }
    walk->path[*length] = '\0';
}

/* "" for the root, and for a path that is too long for anybody to name. */
static const char *node_path(const struct node *node)
{
    const struct walk *walk = node->walk;
    return walk->level[walk->depth - 1].path_length == PATH_TOO_LONG ? "" : walk->path;
}

static enum status walk_begin(struct walk *walk)
{
    const char *name;
    enum status status = take_name(walk->fdt, &walk->at, &name);
    if (status != OK)
        return status;
    if (walk->depth == FDT_DEPTH_MAX)
        return ERR_FORMAT;
    path_push(walk, name);
    walk->depth++;
    return OK;
}

/* All properties that stand here, up to the next node's begin or end. */
static enum status walk_properties(struct walk *walk)
{
    for (;;) {
        size_t at = walk->at;
        uint32_t token;
        struct property property;
        enum status status = take_u32(walk->fdt, &at, &token);
        if (status == OK && token == TOKEN_PROP)
            status = take_property(walk->fdt, &at, &property);
        if (status != OK)
            return status;
        if (token != TOKEN_PROP && token != TOKEN_NOP)
            return OK;
        walk->at = at;
    }
}

static enum status walk_node(struct walk *walk, fdt_visit *visit, void *context)
{
    enum status status = walk_begin(walk);
    struct node node = { .walk = walk, .properties_at = walk->at };
    if (status == OK)
        status = walk_properties(walk);
    if (status != OK)
        return status;
    level_read(&node, &walk->level[walk->depth - 1]);
    visit(context, &node);
    return OK;
}

static enum status walk_end(struct walk *walk)
{
    if (walk->depth == 0)
        return ERR_FORMAT;
    walk->depth--;
    return OK;
}

static enum status fdt_walk(const struct fdt *fdt, fdt_visit *visit, void *context)
{
    struct walk walk = { .fdt = fdt };
    bool seen_root = false;
    for (;;) {
        uint32_t token;
        enum status status = take_u32(fdt, &walk.at, &token);
        if (status != OK)
            return status;
        switch (token) {
        case TOKEN_BEGIN_NODE:
            if (walk.depth == 0 && seen_root)
                return ERR_FORMAT;
            seen_root = true;
            status = walk_node(&walk, visit, context);
            break;
        case TOKEN_END_NODE:
            status = walk_end(&walk);
            break;
        case TOKEN_NOP:
            break;
        case TOKEN_END:
            return seen_root && walk.depth == 0 ? OK : ERR_FORMAT;
        default: /* a property after a child, or no token at all */
            return ERR_FORMAT;
        }
        if (status != OK)
            return status;
    }
}

/* ---- Addresses ---- */

/* A number of one or two cells. */
static bool cells_load(const uint8_t *at, uint32_t cells, uint64_t *value_out)
{
    if (cells == 1)
        *value_out = load_be32(at);
    else if (cells == 2)
        *value_out = load_be64(at);
    else if (cells == 0)
        *value_out = 0;
    else
        return false;
    return true;
}

/* One step up: an address among the children of `level` as the level above writes it. */
static bool translate_once(const struct level *above, const struct level *level, uint64_t *address)
{
    if (level->ranges.value == NULL)
        return false;
    if (level->ranges.size_bytes == 0)
        return true; /* the same on both sides */
    if (level->address_cells > 2 || above->address_cells > 2 || level->size_cells > 2)
        return false;
    size_t entry = 4 * (size_t)(level->address_cells + above->address_cells + level->size_cells);
    size_t count = entry == 0 ? 0 : level->ranges.size_bytes / entry;
    for (size_t i = 0; i < MIN(count, (size_t)FDT_RANGES_MAX); i++) {
        const uint8_t *cell = level->ranges.value + i * entry;
        uint64_t child, parent, size;
        if (!cells_load(cell, level->address_cells, &child))
            return false;
        cell += 4 * (size_t)level->address_cells;
        if (!cells_load(cell, above->address_cells, &parent))
            return false;
        cell += 4 * (size_t)above->address_cells;
        if (!cells_load(cell, level->size_cells, &size))
            return false;
        if (*address >= child && *address - child < size)
            return checked_add_u64(parent, *address - child, address);
    }
    return false;
}

/* Physical address and size of the node's register range `index`. */
static bool node_registers(const struct node *node, size_t index, uint64_t *base_out,
                           uint64_t *size_out)
{
    const struct walk *walk = node->walk;
    struct property reg;
    if (walk->depth < 2 || !property_find(node, "reg", &reg))
        return false;
    const struct level *parent = &walk->level[walk->depth - 2];
    if (parent->address_cells == 0 || parent->address_cells > 2 || parent->size_cells > 2)
        return false;
    size_t entry = 4 * (size_t)(parent->address_cells + parent->size_cells);
    if (index >= reg.size_bytes / entry)
        return false;
    const uint8_t *cell = reg.value + index * entry;
    uint64_t base;
    if (!cells_load(cell, parent->address_cells, &base) ||
        !cells_load(cell + 4 * (size_t)parent->address_cells, parent->size_cells, size_out))
        return false;
    for (size_t depth = walk->depth - 2; depth > 0; depth--) {
        if (!translate_once(&walk->level[depth - 1], &walk->level[depth], &base))
            return false;
    }
    *base_out = base;
    return true;
}

/* Interrupt `index` in the GIC's three cells: kind, number, flags. */
static bool node_interrupt(const struct node *node, size_t index, uint32_t *intid_out)
{
    enum { KIND_SHARED = 0, KIND_PRIVATE = 1, FIRST_PRIVATE = 16, FIRST_SHARED = 32 };
    struct property interrupts;
    if (!property_find(node, "interrupts", &interrupts) || index >= interrupts.size_bytes / 12)
        return false;
    uint32_t kind = load_be32(interrupts.value + index * 12);
    uint32_t number = load_be32(interrupts.value + index * 12 + 4);
    if (kind == KIND_SHARED && number < 988)
        *intid_out = FIRST_SHARED + number;
    else if (kind == KIND_PRIVATE && number < 16)
        *intid_out = FIRST_PRIVATE + number;
    else
        return false;
    return true;
}

/* ---- The devices ---- */

struct fdt_search {
    struct platform_info *out;
    char console[FDT_PATH_MAX]; /* stdout-path: a path or an alias, without options */
    char alias[FDT_PATH_MAX];   /* what the alias stands for */
};

static void find_gic_v2(struct platform_info *out, const struct node *node)
{
    uint64_t gicd, gicc, size;
    if (out->gic_version != 0 || !node_registers(node, 0, &gicd, &size) ||
        !node_registers(node, 1, &gicc, &size))
        return;
    out->gic_version = 2;
    out->gicd_base = gicd;
    out->gicc_base = gicc;
}

static void find_gic_v3(struct platform_info *out, const struct node *node)
{
    uint64_t gicd, size;
    if (out->gic_version != 0 || !node_registers(node, 0, &gicd, &size))
        return;
    size_t wanted = property_u32(node, "#redistributor-regions", 1);
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

static void find_timer(struct platform_info *out, const struct node *node)
{
    enum { TIMER_VIRTUAL = 2 }; /* after the secure and the non-secure physical one */
    uint32_t intid;
    if (node_interrupt(node, TIMER_VIRTUAL, &intid) && intid < 32)
        out->timer_intid = intid;
}

static void find_psci(struct platform_info *out, const struct node *node)
{
    bool hvc = property_lists(node, "method", "hvc");
    if (!hvc && !property_lists(node, "method", "smc"))
        return;
    out->psci_present = true;
    out->psci_hvc = hvc;
}

static void find_uart(struct fdt_search *search, const struct node *node,
                      enum platform_uart_kind kind)
{
    struct platform_info *out = search->out;
    const char *wanted = search->console[0] == '/' ? search->console : search->alias;
    bool is_console = wanted[0] == '/' && strcmp(node_path(node), wanted) == 0;
    uint64_t base, size;
    if ((out->uart != UART_NONE && !is_console) || !node_registers(node, 0, &base, &size))
        return;
    out->uart = kind;
    out->uart_base = base;
    if (!node_interrupt(node, 0, &out->uart_irq))
        out->uart_irq = 0;
}

static bool is_compatible(const struct node *node, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (property_lists(node, "compatible", names[i]))
            return true;
    }
    return false;
}

#define IS_COMPATIBLE(node, ...)                                                                   \
    is_compatible(node, (const char *const[]){ __VA_ARGS__ },                                      \
                  ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))

static void visit_device(void *context, const struct node *node)
{
    struct fdt_search *search = context;
    struct property compatible;
    if (!property_find(node, "compatible", &compatible) || !node_is_usable(node))
        return;
    if (IS_COMPATIBLE(node, "arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic",
                      "arm,cortex-a7-gic"))
        find_gic_v2(search->out, node);
    else if (IS_COMPATIBLE(node, "arm,gic-v3"))
        find_gic_v3(search->out, node);
    else if (IS_COMPATIBLE(node, "arm,armv8-timer", "arm,armv7-timer"))
        find_timer(search->out, node);
    else if (IS_COMPATIBLE(node, "arm,psci-1.0", "arm,psci-0.2"))
        find_psci(search->out, node);
    else if (IS_COMPATIBLE(node, "arm,pl011"))
        find_uart(search, node, UART_PL011);
    else if (IS_COMPATIBLE(node, "ns16550a", "ns16550"))
        find_uart(search, node, UART_16550_MMIO);
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

static void visit_chosen(void *context, const struct node *node)
{
    struct fdt_search *search = context;
    struct property property;
    if (strcmp(node_path(node), "/chosen") == 0 && property_find(node, "stdout-path", &property))
        property_copy_text(&property, ':', search->console);
}

static void visit_aliases(void *context, const struct node *node)
{
    struct fdt_search *search = context;
    struct property property;
    if (strcmp(node_path(node), "/aliases") == 0 && property_find(node, search->console, &property))
        property_copy_text(&property, '\0', search->alias);
}

static enum status fdt_open(const void *blob, size_t size_bytes, struct fdt *fdt_out)
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
    *fdt_out = (struct fdt){ .structure = header + structure_at,
                             .structure_bytes = structure_bytes,
                             .strings = (const char *)header + strings_at,
                             .strings_bytes = strings_bytes };
    return OK;
}

enum status fdt_parse(const void *blob, size_t size_bytes, struct platform_info *out)
{
    struct fdt fdt;
    struct fdt_search search = { .out = out };
    enum status status = fdt_open(blob, size_bytes, &fdt);
    if (status == OK)
        status = fdt_walk(&fdt, visit_chosen, &search);
    if (status == OK && search.console[0] != '\0' && search.console[0] != '/')
        status = fdt_walk(&fdt, visit_aliases, &search);
    if (status == OK)
        status = fdt_walk(&fdt, visit_device, &search);
    return status;
}
