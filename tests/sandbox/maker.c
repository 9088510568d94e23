/* Random arguments (maker.h). */
#include "maker.h"
#include <base/compiler.h>

enum { PAGE = 4096 };

static const uint64_t boundaries[] = {
    0,
    1,
    7,
    8,
    63,
    64,
    65,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    0x200000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffefff,
    0x7ffffffff000,
    0x7fffffffffff,
    0x800000000000,
    0xffff800000000000,
    0xffffffff80000000,
    INT64_MAX,
    (uint64_t)INT64_MAX + 1,
    UINT64_MAX - PAGE + 1,
    UINT64_MAX - 1,
    UINT64_MAX,
};

static uint64_t next(struct call_maker *maker)
{
    maker->random ^= maker->random >> 12;
    maker->random ^= maker->random << 25;
    maker->random ^= maker->random >> 27;
    return maker->random * 0x2545f4914f6cdd1dULL;
}

uint64_t maker_below(struct call_maker *maker, uint64_t limit)
{
    return (next(maker) >> 8) % limit;
}

static uint64_t boundary(struct call_maker *maker)
{
    return boundaries[maker_below(maker, ARRAY_LEN(boundaries))];
}

static uint64_t odd_word(struct call_maker *maker)
{
    return maker_chance(maker, 2) ? boundary(maker) : next(maker);
}

static uint64_t plain_word(struct call_maker *maker)
{
    switch (maker_below(maker, 8)) {
    case 0:
        return odd_word(maker);
    case 1:
        return maker->handle(maker, OBJECT_ANY);
    case 2:
    case 3:
        return maker_below(maker, 32) * PAGE;
    case 4:
        return BIT64(maker_below(maker, 64));
    default:
        return maker_chance(maker, 2) ? 0 : maker_below(maker, 8);
    }
}

static uint64_t size(struct call_maker *maker)
{
    switch (maker_below(maker, 8)) {
    case 0:
        return odd_word(maker);
    case 1:
    case 2:
        return maker_below(maker, 300);
    case 3:
        return maker_below(maker, 4ull * PAGE);
    case 4:
        return maker_below(maker, 1024) * PAGE;
    default:
        return (1 + maker_below(maker, 16)) * PAGE;
    }
}

/* Seldom never: who waits for that does nothing else. */
static uint64_t deadline(struct call_maker *maker)
{
    if (maker_chance(maker, 48))
        return odd_word(maker);
    switch (maker_below(maker, 4)) {
    case 0:
        return maker->now_ns + maker_below(maker, 20ull * 1000 * 1000);
    case 1:
        return maker->now_ns + maker_below(maker, 200ull * 1000);
    default:
        return 0;
    }
}

static uint64_t buffer(struct call_maker *maker)
{
    if (maker_chance(maker, 12))
        return odd_word(maker);
    if (maker_chance(maker, 8))
        return maker->play_at + maker_below(maker, (uint64_t)maker->play_pages * PAGE);
    /* Also those that run over the end. */
    uint64_t at = maker->buffer_at + maker_below(maker, maker->buffer_count) * PAGE;
    return maker_chance(maker, 4) ? at + maker_below(maker, PAGE)
                                  : at + maker_below(maker, 128) * 8;
}

static uint64_t address(struct call_maker *maker)
{
    if (maker_chance(maker, 12))
        return odd_word(maker);
    if (maker_chance(maker, 8))
        return buffer(maker);
    return maker->play_at + maker_below(maker, maker->play_pages) * PAGE;
}

static uint64_t slot(struct call_maker *maker, enum object_type type)
{
    switch (maker_below(maker, 32)) {
    case 0:
        return 0;
    case 1:
        return next(maker);
    case 2: /* another generation */
        return maker->handle(maker, type) + ((uint64_t)1 << 32);
    case 3: /* another slot */
        return maker->handle(maker, type) + 1;
    case 4: /* another type, most likely */
        return maker->handle(maker, OBJECT_ANY);
    default:
        return maker->handle(maker, type);
    }
}

static bool same(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* What a call that looks a handle up by itself most likely wants, to go by the word's name. */
static enum object_type type_of_slot(const struct syscall_word *word)
{
    static const struct {
        const char *name;
        enum object_type type;
    } hints[] = {
        { "budget", OBJECT_BUDGET },     { "process", OBJECT_PROCESS },
        { "into", OBJECT_PROCESS },      { "space", OBJECT_PROCESS },
        { "memory", OBJECT_MEMORY },     { "thread", OBJECT_THREAD },
        { "endpoint", OBJECT_ENDPOINT }, { "notification", OBJECT_NOTIFICATION },
        { "reply", OBJECT_REPLY },       { "guest", OBJECT_GUEST },
        { "device", OBJECT_DEVICE },     { "irq", OBJECT_IRQ },
        { "dma", OBJECT_DMA },           { "system", OBJECT_SYSTEM },
    };

    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        if (same(word->name, hints[i].name))
            return hints[i].type;
    }
    return OBJECT_ANY;
}

static uint64_t rights(struct call_maker *maker)
{
    uint64_t mask = 0x7ff;

    switch (maker_below(maker, 8)) {
    case 0:
        return odd_word(maker);
    case 1:
        return mask;
    case 2:
        return next(maker) & mask;
    case 3:
        mask &= next(maker);
        return next(maker) & mask;
    case 4: /* what every type has */
        return mask & ~(uint64_t)0xff;
    default: /* that and a few of its own */
        return (next(maker) & 0x700) | (next(maker) & 0xff & (mask >> maker_below(maker, 8)));
    }
}

/* ENUM: one of the values; FLAGS: some of the bits. Either: rarely something else. */
static uint64_t from_mask(struct call_maker *maker, const struct syscall_word *word)
{
    if (maker_chance(maker, 24))
        return odd_word(maker);
    if (word->kind == SYSCALL_KIND_FLAGS)
        return next(maker) & word->mask;
    uint64_t left = word->mask;
    for (uint64_t skip = maker_below(maker, 64); left != 0 && skip > 0; skip--) {
        left &= left - 1;
        if (left == 0)
            left = word->mask;
    }
    return left != 0 ? (uint64_t)__builtin_ctzll(left) : 0;
}

static uint64_t by_kind(struct call_maker *maker, const struct syscall_word *word, bool first)
{
    switch (word->kind) {
    case SYSCALL_KIND_U32:
        return maker_chance(maker, 16) ? odd_word(maker) : plain_word(maker) & UINT32_MAX;
    case SYSCALL_KIND_BOOL:
        return maker_chance(maker, 16) ? odd_word(maker) : maker_below(maker, 2);
    case SYSCALL_KIND_SIZE:
        if (same(word->name, "offset") && !maker_chance(maker, 4))
            return maker_below(maker, 4) * PAGE;
        return size(maker);
    case SYSCALL_KIND_TIME:
        return deadline(maker);
    case SYSCALL_KIND_VADDR:
        return address(maker);
    case SYSCALL_KIND_INPUT:
    case SYSCALL_KIND_OUTPUT:
        return buffer(maker);
    case SYSCALL_KIND_SLOT: /* not the first: 0 often has a meaning */
        return !first && type_of_slot(word) != OBJECT_MEMORY && maker_chance(maker, 2)
                   ? 0
                   : slot(maker, type_of_slot(word));
    case SYSCALL_KIND_HANDLE:
        return slot(maker, word->object);
    case SYSCALL_KIND_RIGHTS:
        return rights(maker);
    case SYSCALL_KIND_OBJECT:
        return maker_chance(maker, 24) ? odd_word(maker)
                                       : 1 + maker_below(maker, OBJECT_TYPE_COUNT - 1);
    case SYSCALL_KIND_ENUM:
    case SYSCALL_KIND_FLAGS:
        return from_mask(maker, word);
    default:
        return plain_word(maker);
    }
}

void maker_words(struct call_maker *maker, const struct syscall_description *call,
                 uint64_t words[CALL_WORDS])
{
    for (unsigned i = 0; i < CALL_WORDS; i++) {
        words[i] = i < call->in_count ? by_kind(maker, &call->in[i], i == 0) : next(maker);
        if (i < call->in_count && call->in[i].page && !maker_chance(maker, 16))
            words[i] &= ~(uint64_t)(PAGE - 1);
    }
}
