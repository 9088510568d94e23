/* The stack of a new program: from the top down the name it was called by, environment, arguments,
 * random bytes; then, from the stack pointer up, the number of arguments, pointers to them,
 * pointers to the environment, and the auxiliary vector (System V ABI, "process initialization").
 */
#include "exec_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/frame.h>
#include <linux/heap.h>

enum {
    AT_NULL = 0,
    AT_PHDR = 3,
    AT_PHENT = 4,
    AT_PHNUM = 5,
    AT_PAGESZ = 6,
    AT_BASE = 7,
    AT_FLAGS = 8,
    AT_ENTRY = 9,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_PLATFORM = 15,
    AT_HWCAP = 16,
    AT_CLKTCK = 17,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_HWCAP2 = 26,
    AT_EXECFN = 31,
    AT_SYSINFO_EHDR = 33,
    AT_MINSIGSTKSZ = 51,
    PROGRAM_HEADER_BYTES = 56,
    CLOCK_TICKS = 100,
    RANDOM_BYTES = 16,
};
#define STACK_BYTES_MAX ((uint64_t)8 << 20) /* mapped at once; more comes with faults */
#define STACK_BYTES_MIN ((uint64_t)128 << 10)
#define STACK_SPREAD    ((uint64_t)1 << 22) /* pages below the end of the guest's memory */
#define MMAP_SPREAD     ((uint64_t)1 << 28) /* pages below the stack's room */
#define STACK_ROOM_MIN  ((uint64_t)128 << 20)
#define STACK_ROOM_MAX  (GUEST_END / 6 * 5)

/* The block that goes to the stack, as it will lie there. */
struct block {
    char *bytes;
    uint64_t size_bytes;
    uint64_t at;    /* of bytes[0] */
    uint64_t texts; /* where the next text goes, counted from `bytes` */
    uint64_t *word; /* the next word */
};

static uint64_t random_below(uint64_t count)
{
    uint64_t word;
    machine_random(&word, sizeof(word));
    return word % count;
}

static int map_stack(struct program *program, uint64_t needed)
{
    struct mm *mm = program->mm;
    uint64_t limit = page_down(resource_limit(RLIMIT_STACK));
    uint64_t size_bytes = MIN(MAX(limit, STACK_BYTES_MIN), STACK_BYTES_MAX);
    size_bytes = MAX(size_bytes, page_up(needed) + STACK_BYTES_MIN);
    const struct mm_request request = {
        .address = mm->stack_top - size_bytes,
        .size_bytes = size_bytes,
        .protection = PROT_READ | PROT_WRITE | (program->stack_executable ? PROT_EXEC : 0),
        .flags = MAP_PRIVATE | MAP_FIXED | MAP_GROWSDOWN,
    };
    int64_t at = mm_map(mm, &request);
    return at < 0 ? (int)at : 0;
}

/* The stack's top, and below the room that it may grow to the region of mmap. */
void program_place(struct mm *mm)
{
    uint64_t limit = resource_limit(RLIMIT_STACK);
    uint64_t room = MIN(MAX(limit, STACK_ROOM_MIN), STACK_ROOM_MAX);
    mm->stack_top = GUEST_END - MACHINE_PAGE - random_below(STACK_SPREAD) * MACHINE_PAGE;
    uint64_t top = mm->stack_top - room;
    uint64_t spread = random_below(MMAP_SPREAD) * MACHINE_PAGE;
    mm->mmap_top = page_down(top - (spread < top / 2 ? spread : 0));
}

/* Texts in their order, and a pointer for each. */
static void put_texts(struct block *block, const struct texts *texts)
{
    memcpy(block->bytes + block->texts, texts->bytes, texts->size_bytes);
    const char *text = texts->bytes;
    uint64_t at = block->at + block->texts;
    for (uint64_t i = 0; i < texts->count; i++) {
        uint64_t size_bytes = strlen(text) + 1;
        *block->word++ = at;
        at += size_bytes;
        text += size_bytes;
    }
    *block->word++ = 0;
    block->texts += texts->size_bytes;
}

static uint64_t put_bytes(struct block *block, const void *bytes, uint64_t size_bytes)
{
    uint64_t at = block->at + block->texts;
    memcpy(block->bytes + block->texts, bytes, size_bytes);
    block->texts += size_bytes;
    return at;
}

struct auxiliary {
    uint64_t word[2 * AUXILIARY_MAX];
    unsigned count;
};

static void aux(struct auxiliary *auxiliary, uint64_t type, uint64_t value)
{
    auxiliary->word[auxiliary->count++] = type;
    auxiliary->word[auxiliary->count++] = value;
}

static void describe(const struct program *program, struct auxiliary *auxiliary)
{
    const struct cred *cred = program->cred;
    if (program->mm->vdso != 0)
        aux(auxiliary, AT_SYSINFO_EHDR, program->mm->vdso);
    aux(auxiliary, AT_MINSIGSTKSZ, frame_size_max());
    aux(auxiliary, AT_HWCAP, arch_capabilities(0));
    aux(auxiliary, AT_PAGESZ, MACHINE_PAGE);
    aux(auxiliary, AT_CLKTCK, CLOCK_TICKS);
    aux(auxiliary, AT_PHDR, program->headers_at);
    aux(auxiliary, AT_PHENT, PROGRAM_HEADER_BYTES);
    aux(auxiliary, AT_PHNUM, program->header_count);
    aux(auxiliary, AT_BASE, program->interpreter_base);
    aux(auxiliary, AT_FLAGS, 0);
    aux(auxiliary, AT_ENTRY, program->program_entry);
    aux(auxiliary, AT_UID, cred->uid);
    aux(auxiliary, AT_EUID, cred->euid);
    aux(auxiliary, AT_GID, cred->gid);
    aux(auxiliary, AT_EGID, cred->egid);
    aux(auxiliary, AT_SECURE, program->secure ? 1 : 0);
    aux(auxiliary, AT_HWCAP2, arch_capabilities(1));
}

static uint64_t texts_bytes(const struct program *program)
{
    return program->arguments.size_bytes + program->environment.size_bytes + strlen(program->name) +
           1 + strlen(machine_name()) + 1 + RANDOM_BYTES;
}

static uint64_t words_bytes(const struct program *program)
{
    uint64_t words = 1 + program->arguments.count + 1 + program->environment.count + 1;
    return (words + 2ull * AUXILIARY_MAX) * sizeof(uint64_t);
}

static void fill(struct program *program, struct block *block)
{
    struct mm *mm = program->mm;
    struct auxiliary auxiliary = { .count = 0 };
    uint8_t random[RANDOM_BYTES];
    machine_random(random, sizeof(random));
    describe(program, &auxiliary);
    *block->word++ = program->arguments.count;
    mm->argument_start = block->at + block->texts;
    put_texts(block, &program->arguments);
    mm->argument_end = mm->environment_start = block->at + block->texts;
    put_texts(block, &program->environment);
    mm->environment_end = block->at + block->texts;
    aux(&auxiliary, AT_EXECFN, put_bytes(block, program->name, strlen(program->name) + 1));
    aux(&auxiliary, AT_PLATFORM, put_bytes(block, machine_name(), strlen(machine_name()) + 1));
    aux(&auxiliary, AT_RANDOM, put_bytes(block, random, sizeof(random)));
    aux(&auxiliary, AT_NULL, 0);
    memcpy(block->word, auxiliary.word, auxiliary.count * sizeof(uint64_t));
    static_assert(sizeof(auxiliary.word) <= sizeof(mm->auxiliary), "kept for /proc");
    memcpy(mm->auxiliary, auxiliary.word, auxiliary.count * sizeof(uint64_t));
}

int program_stack(struct program *program)
{
    uint64_t words = ALIGN_UP(words_bytes(program), 16ull);
    struct block block = { .size_bytes = ALIGN_UP(words + texts_bytes(program), 16ull) };
    int error = map_stack(program, block.size_bytes);
    if (error != 0)
        return error;
    block.bytes = heap_alloc(block.size_bytes);
    if (block.bytes == NULL)
        return -ENOMEM;
    /* The last word of a stack is 0. */
    block.at = program->mm->stack_top - 16 - block.size_bytes;
    block.texts = words;
    block.word = (uint64_t *)(void *)block.bytes;
    fill(program, &block);
    int64_t done = mm_write(program->mm, block.at, block.bytes, block.size_bytes);
    heap_free(block.bytes);
    program->stack = block.at;
    if (done < 0)
        return (int)done;
    return (uint64_t)done == block.size_bytes ? 0 : -ENOMEM;
}
