/* sandbox: runs one container from what the loader brought, without any other service of
 * containers.
 *
 * Modules: "arguments", a text with one argument a line (lines with = before the first without are
 * the environment), and "layer.0", "layer.1" ..., EROFS images, the lowest first. What the program
 * writes goes to the log line by line, and at the end: "sandbox: ended with STATUS".
 */
#include <base/compiler.h>
#include <container.h>
#include <object_info.h>
#include <program/program.h>
#include <protocol_modules.h>
#include <rt/clock.h>
#include <rt/ipc.h>
#include <rt/log.h>
#include <rt/random.h>
#include <rt/ring.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/elf.h>
#include <stdio.h>
#include <string.h>

enum {
    MODULE_MAX = 32,
    TEXT_BYTES_MAX = 8192,
    CAPABILITIES = 4096,
    THREADS = 512,
    LINE_BYTES = 180,
};
#define MEMORY_BYTES ((uint64_t)192 << 20)
#define BLOCK_BYTES  ((uint64_t)16 * SPACE_PAGE)

struct module {
    char name[64];
    uint64_t memory, size_bytes;
};

static struct module modules[MODULE_MAX];
static unsigned module_count;

static union {
    struct startup block;
    uint8_t bytes[PROGRAM_PAGE];
} startup;

static struct {
    uint64_t budget, process, events, commands, block, creator, sandbox;
    struct ring ring;
} box;

static uint64_t soon(void)
{
    return clock_deadline((uint64_t)10 * 1000 * 1000 * 1000);
}

static uint64_t pages(uint64_t size_bytes)
{
    return (size_bytes + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
}

/* ---- What the loader brought ---- */

static enum status take_module(uint64_t endpoint, uint32_t index)
{
    struct modules_name_out name;
    struct modules_contents_out contents;
    const struct modules_name_in name_in = { .index = index };
    const struct modules_contents_in contents_in = { .index = index };
    struct module *module = &modules[module_count];
    enum status status = modules_call_name(endpoint, soon(), &name_in, &name);
    if (status == OK)
        status = modules_call_contents(endpoint, soon(), &contents_in, &contents);
    if (status != OK)
        return status;
    (void)snprintf(module->name, sizeof(module->name), "%.*s", (int)name.name_size,
                   (const char *)name.name);
    module->memory = contents.memory;
    module->size_bytes = contents.size;
    module_count++;
    return OK;
}

static enum status take_modules(void)
{
    uint64_t endpoint = rt_handle("modules");
    struct modules_count_out count = { 0 };
    enum status status = modules_call_count(endpoint, soon(), &count);
    for (uint32_t i = 0; i < count.modules && i < MODULE_MAX && status == OK; i++)
        status = take_module(endpoint, i);
    return status;
}

static const struct module *module_named(const char *name)
{
    for (unsigned i = 0; i < module_count; i++) {
        if (strcmp(modules[i].name, name) == 0)
            return &modules[i];
    }
    return NULL;
}

/* ---- The block ---- */

static struct container_block *block;

static uint32_t put(const char *text, size_t length)
{
    uint32_t at = block->size_bytes;
    memcpy((char *)block + at, text, length);
    ((char *)block)[at + length] = 0;
    block->size_bytes += (uint32_t)length + 1;
    return at;
}

/* Lines of the module: those with = that come first are the environment. */
static enum status put_arguments(void)
{
    const struct module *module = module_named("arguments");
    void *at;
    if (module == NULL || module->size_bytes > TEXT_BYTES_MAX)
        return ERR_NOT_FOUND;
    enum status status = space_map(module->memory, 0, pages(module->size_bytes), ACCESS_READ, &at);
    if (status != OK)
        return status;
    const char *line = at;
    const char *end = line + module->size_bytes;
    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        next = next == NULL ? end : next;
        size_t length = (size_t)(next - line);
        bool environment = block->argument_count == 0 && memchr(line, '=', length) != NULL;
        uint32_t text = put(line, length);
        uint32_t *count = environment ? &block->environment_count : &block->argument_count;
        uint32_t *first = environment ? &block->environment_at : &block->arguments_at;
        *first = (*count)++ == 0 ? text : *first;
        line = next + 1;
    }
    return space_unmap(at, pages(module->size_bytes));
}

static enum status make_block(void)
{
    enum status status = memory_create(rt_budget(), BLOCK_BYTES, 0, 0, 0, &box.block);
    void *at;
    if (status == OK)
        status = space_map(box.block, 0, BLOCK_BYTES, ACCESS_READ | ACCESS_WRITE, &at);
    if (status != OK)
        return status;
    block = at;
    *block = (struct container_block){
        .magic = CONTAINER_MAGIC,
        .creator_bits = 1,
        .version = CONTAINER_VERSION,
        .size_bytes = sizeof(*block),
        .memory_bytes = MEMORY_BYTES,
    };
    status = put_arguments();
    block->working_at = put("/", 1);
    block->user_at = put("", 0);
    block->hostname_at = put("sandbox", 7);
    if (module_named("fused") != NULL)
        block->isolation = CONTAINER_FUSED;
    return status;
}

/* ---- Capabilities ---- */

static enum status give(const char *name, uint64_t handle, uint32_t type, uint32_t rights)
{
    struct startup_capability *entry = &startup.block.capability[startup.block.capability_count];
    *entry = (struct startup_capability){ .type = type, .rights = rights };
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    enum status status = handle_copy(handle, rights, 0, box.process, &entry->handle);
    startup.block.capability_count += status == OK;
    return status;
}

/* Only the memory of the programs that are in it may be executed, and a loader's module may not
 * give that right: a copy. */
static enum status give_layer(unsigned index, const struct module *module)
{
    char name[16];
    void *from;
    void *to;
    uint64_t copy;
    uint64_t span = pages(module->size_bytes);
    enum status status = memory_create(rt_budget(), span, 0, 0, 0, &copy);
    if (status == OK)
        status = space_map(module->memory, 0, span, ACCESS_READ, &from);
    if (status == OK)
        status = space_map(copy, 0, span, ACCESS_READ | ACCESS_WRITE, &to);
    if (status != OK)
        return status;
    memcpy(to, from, module->size_bytes);
    (void)space_unmap(to, span);
    (void)space_unmap(from, span);
    (void)snprintf(name, sizeof(name), "layer.%u", index);
    block->layer_bytes[index] = module->size_bytes;
    return give(name, copy, OBJECT_MEMORY,
                RIGHT_MEMORY_READ | RIGHT_MEMORY_EXECUTE | RIGHT_MEMORY_MAP);
}

static enum status give_layers(void)
{
    enum status status = OK;
    for (unsigned i = 0; status == OK; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "layer.%u", i);
        const struct module *module = module_named(name);
        if (module == NULL)
            break;
        status = give_layer(i, module);
        block->layer_count = i + 1;
    }
    return status;
}

static enum status make_ring(const char *name, uint32_t count, uint64_t *memory_out)
{
    uint64_t size = pages(ring_bytes(count, sizeof(struct container_entry)));
    enum status status = memory_create(rt_budget(), size, 0, 0, 0, memory_out);
    if (status == OK)
        status = give(name, *memory_out, OBJECT_MEMORY,
                      RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP);
    return status;
}

static enum status give_all(void)
{
    enum status status = give(STARTUP_PROCESS, box.process, OBJECT_PROCESS,
                              RIGHT_PROCESS_MAP | RIGHT_PROCESS_SPAWN | RIGHT_ANY_INSPECT);
    if (status == OK)
        status = give(STARTUP_BUDGET, box.budget, OBJECT_BUDGET,
                      RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT | RIGHT_ANY_INSPECT);
    if (status == OK)
        status = make_ring("events", CONTAINER_EVENTS, &box.events);
    if (status == OK)
        status = make_ring("commands", CONTAINER_COMMANDS, &box.commands);
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_NOTIFICATION, &box.creator);
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_NOTIFICATION, &box.sandbox);
    if (status == OK)
        status = give("creator", box.creator, OBJECT_NOTIFICATION, RIGHT_NOTIFICATION_SIGNAL);
    if (status == OK)
        status = give("sandbox", box.sandbox, OBJECT_NOTIFICATION,
                      RIGHT_NOTIFICATION_WAIT | RIGHT_NOTIFICATION_SIGNAL);
    if (status == OK)
        status = give_layers();
    if (status == OK)
        status = give("container", box.block, OBJECT_MEMORY, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP);
    return status;
}

/* ---- The process ---- */

static enum status limit(void)
{
    enum status status = budget_limit(box.budget, LIMIT_KIND_MEMORY, MEMORY_BYTES, UINT64_MAX);
    if (status == OK)
        status = budget_limit(box.budget, LIMIT_KIND_CAPABILITIES, CAPABILITIES, UINT64_MAX);
    if (status == OK)
        status = budget_limit(box.budget, LIMIT_KIND_THREADS, THREADS, UINT64_MAX);
    return status;
}

static enum status find_program(struct program_file *file, uint64_t image)
{
    static struct erofs fs;
    struct object_info info;
    const char *problem = "";
    void *at;
    enum status status = object_info(image, &info, sizeof(info));
    uint64_t size = info.detail.memory.size_bytes;
    if (status == OK)
        status = space_map(image, 0, size, ACCESS_READ, &at);
    if (status == OK)
        status = erofs_open(&fs, at, size);
    if (status == OK)
        status = program_find(&fs, "bin/linux", RT_ELF_MACHINE, file, &problem);
    if (status != OK)
        rt_log("sandbox: %s", problem);
    return status;
}

static enum status build(struct program *program)
{
    static struct program_file file;
    static struct program_layout layout;
    uint64_t random[PROGRAM_RANDOM_WORDS];
    uint64_t image = rt_handle("image");
    uint64_t clock = rt_handle("clock");
    void *window;
    rt_random_bytes(random, sizeof(random));
    rt_random_bytes(startup.block.seed, sizeof(startup.block.seed));
    enum status status = find_program(&file, image);
    if (status != OK)
        return status;
    program_lay_out(&file, &program_sandbox_regions, random, &layout);
    program_describe(&file, &layout, &startup.block);
    startup.block.clock_at = layout.clock_at;
    status = space_reserve(layout.private_bytes, &window);
    const struct program_request request = {
        .file = &file,
        .layout = &layout,
        .image = image,
        .self = rt_process(),
        .process = box.process,
        .budget = box.budget,
        .clock = clock,
        .window_at = (uint64_t)(uintptr_t)window,
        .startup = &startup.block,
    };
    return status == OK ? program_build(&request, program) : status;
}

static enum status start(void)
{
    struct program program;
    void *at;
    uint64_t events = pages(ring_bytes(CONTAINER_EVENTS, sizeof(struct container_entry)));
    (void)snprintf(startup.block.name, sizeof(startup.block.name), "linux");
    enum status status = take_modules();
    if (status == OK)
        status = make_block();
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_BUDGET, &box.budget);
    if (status == OK)
        status = limit();
    if (status == OK)
        status = object_create(box.budget, OBJECT_PROCESS, &box.process);
    if (status == OK)
        status = give_all();
    if (status == OK)
        status = space_map(box.events, 0, events, ACCESS_READ | ACCESS_WRITE, &at);
    if (status == OK)
        status = ring_open_consumer(&box.ring, at, events, CONTAINER_EVENTS,
                                    sizeof(struct container_entry));
    if (status == OK)
        status = build(&program);
    if (status == OK)
        status = object_bind(box.process, box.creator, 2);
    if (status == OK)
        status = thread_control(program.thread, THREAD_OP_START, 0);
    return status;
}

/* ---- What it says ---- */

/* Lines are put together from pieces. */
static void print(const uint8_t *data, uint32_t size_bytes)
{
    static char line[LINE_BYTES];
    static unsigned length;
    for (uint32_t i = 0; i < size_bytes; i++) {
        if (data[i] != '\n')
            line[length++] = (char)data[i];
        if (data[i] == '\n' || length == sizeof(line)) {
            rt_log("| %.*s", (int)length, line);
            length = 0;
        }
    }
}

/* False: that was the end. */
static bool hear(const struct container_entry *entry)
{
    switch (entry->kind) {
    case CONTAINER_OUTPUT:
    case CONTAINER_ERROR:
        print(entry->data, entry->size_bytes);
        return true;
    case CONTAINER_NOTE:
        rt_log("sandbox: %.*s", (int)MIN(entry->size_bytes, (uint32_t)LINE_BYTES),
               (const char *)entry->data);
        return true;
    case CONTAINER_REFUSED:
        rt_log("sandbox: refused with %u", entry->value);
        return false;
    case CONTAINER_EXITED:
        rt_log("sandbox: ended with %u", entry->value);
        return entry->session != CONTAINER_FIRST_SESSION;
    default:
        return true;
    }
}

/* False: it is over. */
static bool hear_all(void)
{
    struct container_entry entry;
    for (;;) {
        enum status status = ring_pop(&box.ring, &entry);
        if (status == OK && !hear(&entry))
            return false;
        if (status == ERR_FORMAT)
            return false;
        if (status == OK)
            continue;
        if (ring_must_wake(&box.ring))
            (void)notification_signal(box.sandbox, 1);
        if (ring_may_sleep(&box.ring))
            return true;
    }
}

int main(void)
{
    enum status status = start();
    if (status != OK) {
        rt_log("sandbox: cannot start: %s", status_text(status));
        return 1;
    }
    while (hear_all()) {
        uint64_t bits = 0;
        (void)notification_wait(box.creator, UINT64_MAX, soon(), &bits);
        struct object_info info;
        if ((bits & 2) == 0 || object_info(box.process, &info, sizeof(info)) != OK)
            continue;
        if (info.detail.process.fault_count != 0 || info.detail.process.thread_count == 0) {
            (void)hear_all();
            rt_log("sandbox: the personality is gone, %u faults",
                   (unsigned)info.detail.process.fault_count);
            break;
        }
    }
    (void)object_destroy(box.budget);
    rt_log("sandbox: done");
    return 0;
}
