/* The page pool (see pool.h): slabs cut into pieces of one size. */
#include <base/bits.h>
#include <base/compiler.h>
#include <base/list.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/lock.h>
#include <linux/machine.h>
#include <linux/pool.h>

enum {
    SLAB_PAGES = 1 << POOL_ORDER_MAX,
    PIECES_MAX = SLAB_PAGES >> POOL_ORDER_MIN,
    ORDERS = POOL_ORDER_MAX + 1,
};

/* Free, or cut: then on the list of its order while a piece is free. */
struct slab {
    struct list link;
    uint64_t used[PIECES_MAX / 64]; /* a bit a piece */
    uint32_t count;
    uint32_t order;
};

static struct {
    struct rt_lock lock;
    struct memory *memory;
    uint8_t *base;
    struct slab *slabs;
    uint32_t slab_count;
    uint32_t fresh;              /* slabs from here on were never used, and are on no list */
    struct list free;            /* slabs of which nothing is used any more */
    struct list partial[ORDERS]; /* with room for one more piece */
    uint64_t pages;              /* atomic: committed */
} pool;

int pool_create(uint64_t size_bytes)
{
    uint32_t count = (uint32_t)(size_bytes / ((uint64_t)SLAB_PAGES * MACHINE_PAGE));
    pool.slabs = heap_alloc_array(count, sizeof(struct slab));
    if (pool.slabs == NULL)
        return -ENOMEM;
    int error = memory_allocate((uint64_t)count * SLAB_PAGES * MACHINE_PAGE, &pool.memory);
    void *base = NULL;
    if (error == 0) {
        error = machine_map(pool.memory, 0, pool.memory->size_bytes, MACHINE_READ | MACHINE_WRITE,
                            &base);
        if (error != 0)
            memory_put(pool.memory);
    }
    if (error != 0) {
        heap_free(pool.slabs);
        return error;
    }
    pool.base = base;
    pool.slab_count = count;
    pool.fresh = 0;
    pool.pages = 0;
    list_init(&pool.free);
    for (unsigned order = 0; order < ORDERS; order++)
        list_init(&pool.partial[order]);
    return 0;
}

void pool_destroy(void)
{
    machine_unmap(pool.base, pool.memory->size_bytes);
    memory_put(pool.memory);
    heap_free(pool.slabs);
    pool.memory = NULL;
}

static uint32_t slab_pieces(const struct slab *slab)
{
    return (uint32_t)SLAB_PAGES >> slab->order;
}

/* On no list; one that was used comes first, so that the table is touched no further than needed.
 */
static struct slab *free_slab(void)
{
    struct list *link = list_pop_front(&pool.free);
    if (link != NULL)
        return CONTAINER_OF(link, struct slab, link);
    if (pool.fresh == pool.slab_count)
        return NULL;
    struct slab *slab = &pool.slabs[pool.fresh++];
    *slab = (struct slab){ .count = 0 };
    list_init(&slab->link);
    return slab;
}

/* A slab with a free piece of that size, on its list. */
static struct slab *slab_for(unsigned order)
{
    struct list *partial = &pool.partial[order];
    if (!list_empty(partial))
        return CONTAINER_OF(partial->next, struct slab, link);
    struct slab *slab = free_slab();
    if (slab == NULL)
        return NULL;
    slab->order = order;
    list_push_front(partial, &slab->link);
    return slab;
}

static uint32_t slab_take_piece(struct slab *slab)
{
    unsigned word = 0;
    while (slab->used[word] == UINT64_MAX)
        word++;
    unsigned bit = bit_lowest(~slab->used[word]);
    slab->used[word] |= BIT64(bit);
    slab->count++;
    if (slab->count == slab_pieces(slab))
        list_remove(&slab->link);
    return 64 * word + bit;
}

int pool_take(unsigned order, uint32_t *page_out)
{
    rt_lock(&pool.lock);
    struct slab *slab = slab_for(order);
    if (slab != NULL) {
        uint32_t piece = slab_take_piece(slab);
        *page_out = (uint32_t)(slab - pool.slabs) * SLAB_PAGES + (piece << order);
    }
    rt_unlock(&pool.lock);
    return slab != NULL ? 0 : -ENOSPC;
}

static void pool_uncount(uint32_t committed)
{
    (void)__atomic_fetch_sub(&pool.pages, committed, __ATOMIC_RELAXED);
}

/* Nobody has copies of the pool's pages, so it needs no memory to give them back. */
static void give_back(uint32_t page, uint64_t count)
{
    if (memory_clear(pool.memory, (uint64_t)page * MACHINE_PAGE, count * MACHINE_PAGE) != 0)
        machine_panic("pages of files cannot be given back");
}

void pool_give(uint32_t page, unsigned order, uint32_t committed)
{
    give_back(page, (uint64_t)1 << order);
    pool_uncount(committed);
    struct slab *slab = &pool.slabs[page / SLAB_PAGES];
    uint32_t piece = page % SLAB_PAGES >> order;
    rt_lock(&pool.lock);
    bool was_full = slab->count == slab_pieces(slab);
    slab->used[piece / 64] &= ~BIT64(piece % 64);
    slab->count--;
    if (slab->count == 0) {
        list_remove(&slab->link);
        list_push_front(&pool.free, &slab->link);
    } else if (was_full) {
        list_push_back(&pool.partial[order], &slab->link);
    }
    rt_unlock(&pool.lock);
}

int pool_commit(uint32_t page, uint32_t count)
{
    uint64_t size_bytes = (uint64_t)count * MACHINE_PAGE;
    if (memory_commit(pool.memory, (uint64_t)page * MACHINE_PAGE, size_bytes) != 0)
        return -ENOSPC;
    (void)__atomic_fetch_add(&pool.pages, count, __ATOMIC_RELAXED);
    return 0;
}

void pool_clear(uint32_t page, uint32_t count, uint32_t committed)
{
    give_back(page, count);
    pool_uncount(committed);
}

uint8_t *pool_at(uint32_t page)
{
    return pool.base + (uint64_t)page * MACHINE_PAGE;
}

struct memory *pool_memory(void)
{
    return pool.memory;
}

uint64_t pool_pages(void)
{
    return __atomic_load_n(&pool.pages, __ATOMIC_RELAXED);
}
