/* The first program. It puts /bin/init of the system image into its own process, beside itself, and
 * goes over into it: init has the table that the kernel made, and takes these pages away.
 *
 * The addresses of init are not random: nothing here is a source of randomness, and init is the
 * first that looks for one.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <first_program.h>
#include <program/program.h>
#include <rt/enter.h>
#include <rt/syscall.h>
#include <rt_arch/elf.h>

enum { LINE_MAX = 160 };

void main(uint64_t image_bytes);

/* What init gets, by the names of its start-up list. */
static const struct startup_capability gifts[] = {
    { STARTUP_PROCESS, HANDLE_PROCESS, OBJECT_PROCESS, 0 },
    { STARTUP_BUDGET, HANDLE_BUDGET, OBJECT_BUDGET, 0 },
    { "system", HANDLE_SYSTEM, OBJECT_SYSTEM, 0 },
    { "log", HANDLE_SYSTEM, OBJECT_SYSTEM, 0 },
    { "image", HANDLE_IMAGE, OBJECT_MEMORY, 0 },
    { "device-memory", HANDLE_DEVICE_MEMORY, OBJECT_DEVICE, 0 },
    { "device-ports", HANDLE_DEVICE_PORTS, OBJECT_DEVICE, 0 },
    { "dma", HANDLE_DMA, OBJECT_DMA, 0 },
    { "irq", HANDLE_IRQ, OBJECT_IRQ, 0 },
};

static union {
    struct startup block;
    uint8_t bytes[PROGRAM_PAGE];
} startup;

static void say(const char *text)
{
    char line[LINE_MAX];
    (void)format_text(line, sizeof(line), "bootstrap: %s", text);
    (void)log_write(HANDLE_SYSTEM, line, strlen(line));
}

static void list_gifts(void)
{
    (void)strlcpy(startup.block.name, "init", sizeof(startup.block.name));
    startup.block.capability_count = ARRAY_LEN(gifts);
    memcpy(startup.block.capability, gifts, sizeof(gifts));
    for (size_t i = 0; i < ARRAY_LEN(gifts); i++)
        startup.block.capability[i].rights = object_type_rights((enum object_type)gifts[i].type);
}

static enum status map_init(const struct program_file *file, struct program_layout *layout)
{
    static const uint64_t place[PROGRAM_RANDOM_WORDS];
    uint64_t memory;
    list_gifts();
    program_lay_out(file, &program_regions, place, layout);
    program_describe(file, layout, &startup.block);
    const struct program_request request = {
        .file = file,
        .layout = layout,
        .image = HANDLE_IMAGE,
        .self = HANDLE_PROCESS,
        .process = HANDLE_PROCESS,
        .budget = HANDLE_BUDGET,
        .startup = &startup.block,
    };
    return program_map(&request, &memory);
}

/* The image's own name, its lines joined by spaces. */
static void say_release(const struct erofs *fs)
{
    struct erofs_inode inode;
    char release[64];
    char line[LINE_MAX - 16];
    size_t length = 0;
    if (erofs_find(fs, "system/release", &inode) != OK ||
        erofs_read(fs, &inode, 0, release, sizeof(release) - 1, &length) != OK)
        return;
    for (size_t i = 0; i < length; i++)
        if (release[i] == '\n')
            release[i] = ' ';
    release[length] = '\0';
    (void)format_text(line, sizeof(line), "system image: %s(%llu KiB)", release,
                      (unsigned long long)(fs->size_bytes >> 10));
    say(line);
}

static void say_problem(const char *problem, enum status status)
{
    char line[LINE_MAX - 16];
    (void)format_text(line, sizeof(line), "init cannot be started: %s: %s", problem,
                      status_text(status));
    say(line);
}

void main(uint64_t image_bytes)
{
    static struct program_file file;
    static struct program_layout layout;
    const char *problem = "the system image cannot be read";
    struct erofs fs;
    if (image_bytes == 0) {
        say("no system image");
        return;
    }
    enum status status = erofs_open(&fs, (const void *)(uintptr_t)SYSTEM_IMAGE_AT, image_bytes);
    if (status == OK) {
        say_release(&fs);
        status = program_find(&fs, "bin/init", RT_ELF_MACHINE, &file, &problem);
    }
    if (status == OK) {
        problem = "no room for it";
        status = map_init(&file, &layout);
    }
    if (status != OK) {
        say_problem(problem, status);
        return;
    }
    rt_enter(layout.entry, layout.stack_at + PROGRAM_STACK_BYTES, layout.startup_at);
}
