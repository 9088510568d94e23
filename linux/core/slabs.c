#include <base/compiler.h>
#include <base/string.h>
#include <linux/machine.h>
#include <linux/slabs.h>

enum {
    SMALL_MAX = 4096,
    SMALL_SLAB_PAGES = 2, /* for blocks up to SMALL_SLAB_BLOCK */
    SMALL_SLAB_BLOCK = 512,
    LARGE_SLAB_PAGES = 4,
    HEADER_BYTES = 64,
};

static const uint16_t sizes[SLAB_SIZES] = { 16,  32,  48,  64,   96,   128,  192, 256,
                                            384, 512, 768, 1024, 1536, 2048, 4096 };

/* What `owner` says of a page: nothing; the page of a slab, with the size's index and how many
 * pages of the slab precede it; the first page of a large block, with its pages. */
#define OWNER_SLAB  ((uint32_t)1 << 28)
#define OWNER_LARGE ((uint32_t)2 << 28)
#define OWNER_COUNT (((uint32_t)1 << 28) - 1)

struct slab {
    struct list link;
    void *free;    /* the first block's address; each holds the next one's */
    uint32_t used; /* blocks */
    uint32_t made; /* blocks that were ever given; behind them all is zero */
};

static unsigned size_index(size_t size_bytes)
{
    unsigned index = size_bytes <= 64 ? 0 : size_bytes <= 512 ? 4 : 10;
    while (sizes[index] < size_bytes)
        index++;
    return index;
}

static size_t slab_pages(unsigned index)
{
    return sizes[index] <= SMALL_SLAB_BLOCK ? SMALL_SLAB_PAGES : LARGE_SLAB_PAGES;
}

static uint32_t slab_blocks(unsigned index)
{
    return (uint32_t)((slab_pages(index) * MACHINE_PAGE - HEADER_BYTES) / sizes[index]);
}

static size_t page_of(const struct slabs *slabs, const void *at)
{
    return (size_t)((const char *)at - slabs->base) / MACHINE_PAGE;
}

static void *address_of(const struct slabs *slabs, size_t page)
{
    return slabs->base + page * MACHINE_PAGE;
}

void slabs_init(struct slabs *slabs, void *base, size_t page_count, uint64_t *bits,
                bool (*make)(void *at, size_t size_bytes),
                void (*take_back)(void *at, size_t size_bytes))
{
    static_assert(sizeof(struct slab) <= HEADER_BYTES, "the header has its room");
    *slabs = (struct slabs){
        .base = base,
        .page_count = page_count,
        .owner = base,
        .pages = { .word = bits, .count = page_count },
        .make = make,
        .take_back = take_back,
    };
    size_t owner_pages = (page_count * sizeof(slabs->owner[0]) + MACHINE_PAGE - 1) / MACHINE_PAGE;
    pages_set(&slabs->pages, 0, owner_pages, true);
    for (unsigned i = 0; i < SLAB_SIZES; i++) {
        list_init(&slabs->size[i].partial);
        list_init(&slabs->size[i].empty);
    }
}

/* ---- Pages ---- */

/* The part of the owners' array that says what pages up to `end` are. */
static bool owners_make(struct slabs *slabs, size_t end)
{
    size_t needed = (end * sizeof(slabs->owner[0]) + MACHINE_PAGE - 1) / MACHINE_PAGE;
    while (slabs->owners_made < needed) {
        if (!slabs->make(address_of(slabs, slabs->owners_made), MACHINE_PAGE))
            return false;
        slabs->owners_made++;
    }
    return true;
}

static void pages_give(struct slabs *slabs, size_t first, size_t count)
{
    rt_lock(&slabs->lock);
    pages_set(&slabs->pages, first, count, false);
    rt_unlock(&slabs->lock);
}

/* Pages that are there and zero. */
static void *pages_make(struct slabs *slabs, size_t count, size_t *first_out)
{
    rt_lock(&slabs->lock);
    bool taken = pages_take(&slabs->pages, count, first_out);
    if (taken && !owners_make(slabs, *first_out + count)) {
        pages_set(&slabs->pages, *first_out, count, false);
        taken = false;
    }
    rt_unlock(&slabs->lock);
    if (!taken)
        return NULL;
    void *at = address_of(slabs, *first_out);
    if (slabs->make(at, count * MACHINE_PAGE))
        return at;
    pages_give(slabs, *first_out, count);
    return NULL;
}

static void pages_end(struct slabs *slabs, void *at, size_t count)
{
    size_t first = page_of(slabs, at);
    memset(&slabs->owner[first], 0, count * sizeof(slabs->owner[0]));
    slabs->take_back(at, count * MACHINE_PAGE);
    pages_give(slabs, first, count);
}

/* ---- Slabs ---- */

static struct slab *slab_create(struct slabs *slabs, unsigned index)
{
    size_t first;
    size_t count = slab_pages(index);
    struct slab *slab = pages_make(slabs, count, &first);
    if (slab == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        slabs->owner[first + i] = OWNER_SLAB | index << 8 | (uint32_t)i;
    list_init(&slab->link);
    return slab;
}

static struct slab *slab_of(const struct slabs *slabs, const void *block, unsigned *index_out)
{
    size_t page = page_of(slabs, block);
    uint32_t owner = slabs->owner[page];
    *index_out = owner >> 8 & 0xff;
    return address_of(slabs, page - (owner & 0xff));
}

static bool slab_full(const struct slab *slab, unsigned index)
{
    return slab->used == slab_blocks(index);
}

/* A slab with a free block, on the list of partial ones. With the size's lock. */
static struct slab *slab_find(struct slabs *slabs, unsigned index)
{
    struct slab_size *size = &slabs->size[index];
    if (!list_empty(&size->partial))
        return CONTAINER_OF(size->partial.next, struct slab, link);
    struct list *kept = list_pop_front(&size->empty);
    struct slab *slab =
        kept != NULL ? CONTAINER_OF(kept, struct slab, link) : slab_create(slabs, index);
    if (slab != NULL)
        list_push_front(&size->partial, &slab->link);
    return slab;
}

static void *slab_take(struct slab *slab, unsigned index, bool *zero_out)
{
    void *block = slab->free;
    *zero_out = block == NULL;
    if (block != NULL)
        __builtin_memcpy(&slab->free, block, sizeof(slab->free)); /* no call for one word */
    else
        block = (char *)slab + HEADER_BYTES + (size_t)slab->made++ * sizes[index];
    slab->used++;
    if (slab_full(slab, index))
        list_remove(&slab->link);
    return block;
}

static void *small_alloc(struct slabs *slabs, unsigned index)
{
    struct slab_size *size = &slabs->size[index];
    rt_lock(&size->lock);
    struct slab *slab = slab_find(slabs, index);
    bool zero = true;
    void *block = slab == NULL ? NULL : slab_take(slab, index, &zero);
    rt_unlock(&size->lock);
    if (!zero)
        memset(block, 0, sizes[index]);
    return block;
}

static void small_free(struct slabs *slabs, void *block)
{
    unsigned index;
    struct slab *slab = slab_of(slabs, block, &index);
    struct slab_size *size = &slabs->size[index];
    struct slab *ended = NULL;
    rt_lock(&size->lock);
    if (slab_full(slab, index))
        list_push_front(&size->partial, &slab->link);
    __builtin_memcpy(block, &slab->free, sizeof(slab->free));
    slab->free = block;
    slab->used--;
    if (slab->used == 0) {
        list_remove(&slab->link);
        if (list_empty(&size->empty))
            list_push_front(&size->empty, &slab->link);
        else
            ended = slab;
    }
    rt_unlock(&size->lock);
    if (ended != NULL)
        pages_end(slabs, ended, slab_pages(index));
}

/* ---- Both ---- */

void *slabs_alloc(struct slabs *slabs, size_t size_bytes)
{
    if (size_bytes <= SMALL_MAX)
        return small_alloc(slabs, size_index(size_bytes));
    if (size_bytes > slabs->page_count * MACHINE_PAGE)
        return NULL;
    size_t first;
    size_t count = (size_bytes + MACHINE_PAGE - 1) / MACHINE_PAGE;
    void *block = pages_make(slabs, count, &first);
    if (block != NULL)
        slabs->owner[first] = OWNER_LARGE | (uint32_t)count;
    return block;
}

void slabs_free(struct slabs *slabs, void *block)
{
    uint32_t owner = slabs->owner[page_of(slabs, block)];
    if ((owner & OWNER_LARGE) != 0)
        pages_end(slabs, block, owner & OWNER_COUNT);
    else if ((owner & OWNER_SLAB) != 0)
        small_free(slabs, block);
    else
        machine_panic("freed what is no block: %p", block);
}

size_t slabs_size(const struct slabs *slabs, const void *block)
{
    uint32_t owner = slabs->owner[page_of(slabs, block)];
    if ((owner & OWNER_LARGE) != 0)
        return (size_t)(owner & OWNER_COUNT) * MACHINE_PAGE;
    return sizes[owner >> 8 & 0xff];
}
