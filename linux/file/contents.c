/* Contents of files in memory (see contents.h). */
#include <base/bits.h>
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/contents.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/pool.h>

#define PAGE ((uint64_t)MACHINE_PAGE)
enum { AHEAD_PAGES = 16 };

/* A piece of the pool. A page that is not `written` is a hole and reads as zero, unless a mapping
 * may have stored to it; one that is not `committed` must not be touched by us. */
struct chunk {
    struct tree_node node;
    uint64_t first; /* page of the file */
    uint32_t pool_page;
    uint32_t order;
    uint32_t committed_count;
    bool mapped;
    bool fresh;      /* made by the call that runs: no mapping knows of it yet */
    uint64_t bits[]; /* written, then committed: one word for each 64 pages */
};

static unsigned order_of(uint64_t page, uint64_t *first_out)
{
    unsigned high = page == 0 ? 0 : bit_highest(page);
    if (high < POOL_ORDER_MIN) {
        *first_out = 0;
        return POOL_ORDER_MIN;
    }
    unsigned order = MIN(high, POOL_ORDER_MAX);
    *first_out = ALIGN_DOWN(page, BIT64(order));
    return order;
}

static unsigned chunk_words(const struct chunk *chunk)
{
    return (unsigned)((BIT64(chunk->order) + 63) / 64);
}

static uint64_t chunk_end(const struct chunk *chunk)
{
    return chunk->first + BIT64(chunk->order);
}

static bool is_written(const struct chunk *chunk, uint32_t index)
{
    return (chunk->bits[index / 64] & BIT64(index % 64)) != 0;
}

static bool is_committed(const struct chunk *chunk, uint32_t index)
{
    return (chunk->bits[chunk_words(chunk) + index / 64] & BIT64(index % 64)) != 0;
}

static void set_committed(struct chunk *chunk, uint32_t index, bool value)
{
    uint64_t *word = &chunk->bits[chunk_words(chunk) + index / 64];
    chunk->committed_count += value ? 1 : UINT32_MAX;
    *word = value ? *word | BIT64(index % 64) : *word & ~BIT64(index % 64);
}

static void set_written(struct contents *contents, struct chunk *chunk, uint32_t index, bool value)
{
    if (is_written(chunk, index) == value)
        return;
    chunk->bits[index / 64] ^= BIT64(index % 64);
    contents->pages += value ? 1 : UINT64_MAX;
    (void)__atomic_fetch_add(&contents->file_system->pages, value ? 1 : UINT64_MAX,
                             __ATOMIC_RELAXED);
}

/* What was committed of [index, end) and never written goes back; a mapping may have it in use. A
 * chunk that only the failing call knows of goes with it, or its place in the pool would stay taken
 * for nothing. */
static void chunk_undo(struct contents *contents, struct chunk *chunk, uint32_t index, uint32_t end)
{
    for (; !chunk->mapped && index < end; index++) {
        if (!is_committed(chunk, index) || is_written(chunk, index))
            continue;
        set_committed(chunk, index, false);
        pool_clear(chunk->pool_page + index, 1, 1);
    }
    if (!chunk->fresh || chunk->committed_count != 0)
        return;
    tree_remove(&contents->chunks, &chunk->node);
    pool_give(chunk->pool_page, chunk->order, 0);
    heap_free(chunk);
}

static bool chunk_before(const struct tree_node *a, const struct tree_node *b)
{
    return CONTAINER_OF(a, struct chunk, node)->first < CONTAINER_OF(b, struct chunk, node)->first;
}

/* A chunk that holds or follows the page: its end lies behind it. */
static int compare_end(const struct tree_node *node, const void *key)
{
    const uint64_t *page = key;
    return chunk_end(CONTAINER_OF(node, struct chunk, node)) <= *page ? -1 : 1;
}

static struct chunk *chunk_from(const struct contents *contents, uint64_t page)
{
    struct tree_node *node = tree_lower_bound(&contents->chunks, compare_end, &page);
    return node == NULL ? NULL : CONTAINER_OF(node, struct chunk, node);
}

static struct chunk *chunk_find(const struct contents *contents, uint64_t page)
{
    struct chunk *chunk = chunk_from(contents, page);
    return chunk != NULL && chunk->first <= page ? chunk : NULL;
}

static int chunk_make(struct contents *contents, uint64_t page, struct chunk **chunk_out)
{
    *chunk_out = chunk_find(contents, page);
    if (*chunk_out != NULL)
        return 0;
    uint64_t first;
    unsigned order = order_of(page, &first);
    size_t words = (size_t)(BIT64(order) + 63) / 64;
    struct chunk *chunk = heap_alloc(sizeof(*chunk) + 2 * words * sizeof(uint64_t));
    if (chunk == NULL)
        return -ENOMEM;
    int error = pool_take(order, &chunk->pool_page);
    if (error != 0) {
        heap_free(chunk);
        return error;
    }
    chunk->first = first;
    chunk->order = order;
    chunk->fresh = true;
    tree_insert(&contents->chunks, &chunk->node, chunk_before);
    *chunk_out = chunk;
    return 0;
}

/* ---- Making pages exist ---- */

/* May the file system have one more page? */
static bool page_allowed(const struct contents *contents, uint64_t count)
{
    const struct file_system *file_system = contents->file_system;
    uint64_t used = __atomic_load_n(&file_system->pages, __ATOMIC_RELAXED);
    return file_system->limit_bytes == 0 || used + count <= file_system->limit_bytes / PAGE;
}

/* The pages [index, end) that are not committed yet, one run after the other. */
static int commit_runs(struct chunk *chunk, uint32_t index, uint32_t end)
{
    while (index < end) {
        if (is_committed(chunk, index)) {
            index++;
            continue;
        }
        uint32_t run = index;
        while (run < end && !is_committed(chunk, run))
            run++;
        int error = pool_commit(chunk->pool_page + index, run - index);
        if (error != 0)
            return error;
        for (; index < run; index++)
            set_committed(chunk, index, true);
    }
    return 0;
}

static uint32_t new_pages(const struct chunk *chunk, uint32_t index, uint32_t end)
{
    uint32_t count = 0;
    for (; index < end; index++)
        count += !is_written(chunk, index);
    return count;
}

/* Pages [index, *end) may be touched: a few more than asked when a file grows, fewer (but one) when
 * there is no memory for all. */
static int chunk_commit(struct contents *contents, struct chunk *chunk, uint32_t index,
                        uint32_t *end)
{
    uint32_t wanted = *end;
    if (!page_allowed(contents, new_pages(chunk, index, wanted))) {
        wanted = index + 1;
        if (!page_allowed(contents, new_pages(chunk, index, wanted)))
            return -ENOSPC;
    }
    *end = wanted;
    if (is_committed(chunk, index) && wanted == index + 1)
        return 0;
    uint32_t ahead = wanted;
    if (chunk->order > POOL_ORDER_MIN)
        ahead = MIN(MAX(ahead, index + AHEAD_PAGES), (uint32_t)BIT64(chunk->order));
    if (commit_runs(chunk, index, ahead) == 0)
        return 0;
    *end = index + 1;
    return commit_runs(chunk, index, index + 1);
}

/* ---- Reading and writing ---- */

/* How many pages from `index` on are all holes, or all not. */
static uint32_t run_length(const struct chunk *chunk, uint32_t index, uint32_t end, bool *hole_out)
{
    uint32_t run = index;
    *hole_out = !chunk->mapped && !is_written(chunk, index);
    while (run < end && (!chunk->mapped && !is_written(chunk, run)) == *hole_out)
        run++;
    return run - index;
}

/* Some bytes from `offset` on: to the end of what is alike. */
static int64_t read_some(struct contents *contents, struct io *io, uint64_t offset,
                         uint64_t size_bytes)
{
    struct chunk *chunk = chunk_from(contents, offset / PAGE);
    if (chunk == NULL)
        return io_zero(io, size_bytes);
    uint64_t first = chunk->first * PAGE;
    if (offset < first)
        return io_zero(io, MIN(size_bytes, first - offset));
    uint64_t within = offset - first;
    uint32_t index = (uint32_t)(within / PAGE);
    bool hole;
    uint64_t run = run_length(chunk, index, (uint32_t)BIT64(chunk->order), &hole);
    uint64_t part = MIN(size_bytes, (index + run) * PAGE - within);
    if (hole)
        return io_zero(io, part);
    /* Pages of a mapping need not be there yet. */
    uint32_t end = (uint32_t)div_round_up(within + part, PAGE);
    if (chunk->mapped && commit_runs(chunk, index, end) != 0)
        return -ENOMEM;
    return io_to(io, pool_at(chunk->pool_page) + within, part);
}

int64_t contents_read(struct contents *contents, struct io *io, uint64_t offset,
                      uint64_t size_bytes)
{
    uint64_t done = 0;
    while (done < size_bytes) {
        int64_t moved = read_some(contents, io, offset + done, size_bytes - done);
        if (moved <= 0)
            return done != 0 ? (int64_t)done : moved;
        done += (uint64_t)moved;
    }
    return (int64_t)done;
}

static int64_t write_some(struct contents *contents, struct io *io, uint64_t offset,
                          uint64_t size_bytes)
{
    struct chunk *chunk;
    int error = chunk_make(contents, offset / PAGE, &chunk);
    if (error != 0)
        return error;
    uint64_t within = offset - chunk->first * PAGE;
    uint64_t part = MIN(size_bytes, (PAGE << chunk->order) - within);
    uint32_t index = (uint32_t)(within / PAGE);
    uint32_t end = (uint32_t)div_round_up(within + part, PAGE);
    int64_t moved = chunk_commit(contents, chunk, index, &end);
    if (moved == 0)
        moved = io_from(io, pool_at(chunk->pool_page) + within, MIN(part, end * PAGE - within));
    if (moved <= 0) {
        chunk_undo(contents, chunk, index, (uint32_t)BIT64(chunk->order));
        return moved;
    }
    chunk->fresh = false;
    for (uint64_t i = index; i * PAGE < within + (uint64_t)moved; i++)
        set_written(contents, chunk, (uint32_t)i, true);
    return moved;
}

int64_t contents_write(struct contents *contents, struct io *io, uint64_t offset,
                       uint64_t size_bytes)
{
    uint64_t done = 0;
    while (done < size_bytes) {
        int64_t moved = write_some(contents, io, offset + done, size_bytes - done);
        if (moved <= 0)
            return done != 0 ? (int64_t)done : moved;
        done += (uint64_t)moved;
    }
    return (int64_t)done;
}

/* ---- Taking away ---- */

/* Bytes within one page become zero. */
static void zero_part(struct chunk *chunk, uint64_t within, uint64_t size_bytes)
{
    uint32_t index = (uint32_t)(within / PAGE);
    if (!is_written(chunk, index) && !chunk->mapped)
        return;
    /* A mapping may have made the page; if it cannot be made now, it is not there, and so zero. */
    if (commit_runs(chunk, index, index + 1) == 0)
        memset(pool_at(chunk->pool_page) + within, 0, (size_t)size_bytes);
}

/* Whole pages [index, end). */
static void clear_pages(struct contents *contents, struct chunk *chunk, uint32_t index,
                        uint32_t end)
{
    uint32_t committed = 0;
    for (uint32_t i = index; i < end; i++) {
        set_written(contents, chunk, i, false);
        if (is_committed(chunk, i)) {
            set_committed(chunk, i, false);
            committed++;
        }
    }
    if (committed != 0 || chunk->mapped)
        pool_clear(chunk->pool_page + index, end - index, committed);
}

/* Bytes [from, to) of a chunk. */
static void chunk_punch(struct contents *contents, struct chunk *chunk, uint64_t from, uint64_t to)
{
    uint64_t first_whole = ALIGN_UP(from, PAGE);
    uint64_t last_whole = ALIGN_DOWN(to, PAGE);
    if (first_whole > last_whole) { /* within one page */
        zero_part(chunk, from, to - from);
        return;
    }
    if (from < first_whole)
        zero_part(chunk, from, first_whole - from);
    if (last_whole < to)
        zero_part(chunk, last_whole, to - last_whole);
    clear_pages(contents, chunk, (uint32_t)(first_whole / PAGE), (uint32_t)(last_whole / PAGE));
}

void contents_punch(struct contents *contents, uint64_t offset, uint64_t size_bytes)
{
    uint64_t end = offset + MIN(size_bytes, UINT64_MAX - offset);
    struct chunk *chunk = chunk_from(contents, offset / PAGE);
    while (chunk != NULL && chunk->first * PAGE < end) {
        uint64_t start = chunk->first * PAGE;
        uint64_t from = MAX(offset, start);
        uint64_t to = MIN(end, chunk_end(chunk) * PAGE);
        chunk_punch(contents, chunk, from - start, to - start);
        struct tree_node *next = tree_next(&chunk->node);
        chunk = next == NULL ? NULL : CONTAINER_OF(next, struct chunk, node);
    }
}

void contents_cut(struct contents *contents, uint64_t size_bytes, struct tree *doomed_out)
{
    struct chunk *chunk = chunk_from(contents, size_bytes / PAGE);
    if (chunk != NULL && chunk->first * PAGE < size_bytes) {
        uint64_t start = chunk->first * PAGE;
        chunk_punch(contents, chunk, size_bytes - start, chunk_end(chunk) * PAGE - start);
        chunk = chunk_from(contents, chunk_end(chunk));
    }
    while (chunk != NULL) {
        struct tree_node *next = tree_next(&chunk->node);
        for (uint32_t i = 0; i < BIT64(chunk->order); i++)
            set_written(contents, chunk, i, false);
        tree_remove(&contents->chunks, &chunk->node);
        tree_insert(doomed_out, &chunk->node, chunk_before);
        chunk = next == NULL ? NULL : CONTAINER_OF(next, struct chunk, node);
    }
}

void contents_free(struct tree *doomed)
{
    struct tree_node *node;
    while ((node = tree_first(doomed)) != NULL) {
        struct chunk *chunk = CONTAINER_OF(node, struct chunk, node);
        tree_remove(doomed, node);
        pool_give(chunk->pool_page, chunk->order, chunk->committed_count);
        heap_free(chunk);
    }
}

/* ---- The rest ---- */

static void allocate_undo(struct contents *contents, uint64_t page, uint64_t last)
{
    struct chunk *chunk = chunk_from(contents, page);
    while (chunk != NULL && chunk->first < last) {
        struct tree_node *next = tree_next(&chunk->node);
        uint32_t index = (uint32_t)(MAX(page, chunk->first) - chunk->first);
        uint32_t end = (uint32_t)(MIN(last, chunk_end(chunk)) - chunk->first);
        chunk_undo(contents, chunk, index, end);
        chunk = next == NULL ? NULL : CONTAINER_OF(next, struct chunk, node);
    }
}

static void allocate_done(struct contents *contents, uint64_t page, uint64_t last)
{
    while (page < last) {
        struct chunk *chunk = chunk_find(contents, page);
        uint64_t end = MIN(last, chunk_end(chunk));
        chunk->fresh = false;
        for (; page < end; page++)
            set_written(contents, chunk, (uint32_t)(page - chunk->first), true);
    }
}

int contents_allocate(struct contents *contents, uint64_t offset, uint64_t size_bytes)
{
    uint64_t first = offset / PAGE;
    uint64_t last = div_round_up(offset + size_bytes, PAGE);
    uint64_t count = 0;
    int error = 0;
    for (uint64_t page = first; error == 0 && page < last;) {
        struct chunk *chunk;
        error = chunk_make(contents, page, &chunk);
        if (error != 0)
            break;
        uint32_t index = (uint32_t)(page - chunk->first);
        uint32_t end = (uint32_t)(MIN(last, chunk_end(chunk)) - chunk->first);
        count += new_pages(chunk, index, end);
        error = page_allowed(contents, count) ? commit_runs(chunk, index, end) : -ENOSPC;
        page = chunk->first + end;
    }
    if (error != 0)
        allocate_undo(contents, first, last);
    else
        allocate_done(contents, first, last);
    return error;
}

int contents_pages(struct contents *contents, uint64_t page, bool write, uint32_t *pool_page_out,
                   uint64_t *count_out)
{
    struct chunk *chunk;
    int error = chunk_make(contents, page, &chunk);
    if (error != 0)
        return error;
    chunk->mapped = chunk->mapped || write;
    chunk->fresh = false;
    *pool_page_out = chunk->pool_page + (uint32_t)(page - chunk->first);
    *count_out = chunk_end(chunk) - page;
    return 0;
}

/* The first page at or behind `page` that is a hole, or is not, in a chunk; its end if none. */
static uint64_t chunk_seek(const struct chunk *chunk, uint64_t page, bool data)
{
    while (page < chunk_end(chunk)) {
        bool hole;
        uint32_t index = (uint32_t)(page - chunk->first);
        uint32_t run = run_length(chunk, index, (uint32_t)BIT64(chunk->order), &hole);
        if (hole != data)
            break;
        page += run;
    }
    return page;
}

uint64_t contents_seek(struct contents *contents, uint64_t offset, bool data)
{
    uint64_t page = offset / PAGE;
    struct chunk *chunk = chunk_from(contents, page);
    while (chunk != NULL) {
        if (page < chunk->first) {
            if (!data)
                break;
            page = chunk->first;
        }
        uint64_t found = chunk_seek(chunk, page, data);
        if (found < chunk_end(chunk))
            return MAX(offset, found * PAGE);
        page = found;
        chunk = chunk_from(contents, page);
    }
    return data ? UINT64_MAX : MAX(offset, page * PAGE);
}
