/* Memory and address spaces against a flat model: a number for each page of each Memory, and for
 * each page of two windows which page of which Memory it shows. Accesses go the way hardware goes:
 * by the page tables where they allow it, by a fault where they do not.
 *
 * The windows lie across boundaries of 2 MiB and 1 GiB, so that blocks, several tables and several
 * leaves take part.
 */
#include <base/string.h>
#include <kernel/budget.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/vspace.h>

enum { WINDOW = 1800, PAGES = 1100, MEMORIES = 40, STEPS = 900, SPACES = 2, SERIALS = 4096 };
#define WINDOW_START (BIT64(39) + BIT64(30) - 2 * BIT64(21))
#define RW           (PERM_READ | PERM_WRITE)

/* What one page of a window shows. */
struct shown {
    uint16_t memory; /* number + 1; 0: nothing */
    uint16_t page;
    uint16_t serial; /* of the mapping that it came with */
    uint8_t perm;
    uint8_t limit;
    bool shared;
};

struct model_memory {
    bool used;
    struct memory *memory; /* NULL: only mappings lead to it */
    uint32_t pages;
    uint32_t value[PAGES]; /* the first word of each page */
};

static struct model {
    uint64_t random;
    struct budget *budget;
    struct vspace *space[SPACES];
    struct shown window[SPACES][WINDOW];
    struct model_memory memory[MEMORIES];
    uint16_t serials;
    uint32_t values;
} m;

static uint64_t below(uint64_t limit)
{
    return test_random(&m.random) % limit;
}

static uaddr_t at_page(size_t index)
{
    return uaddr(WINDOW_START + index * PAGE_SIZE);
}

static struct model_memory *free_memory(void)
{
    for (size_t i = 0; i < MEMORIES; i++) {
        if (!m.memory[i].used)
            return &m.memory[i];
    }
    return NULL;
}

static struct model_memory *any_memory(void)
{
    struct model_memory *memory = &m.memory[below(MEMORIES)];

    return memory->used && memory->memory != NULL ? memory : NULL;
}

static void new_memory(void)
{
    struct model_memory *memory = free_memory();

    if (memory == NULL)
        return;
    memory->pages = (uint32_t)(below(2) == 0 ? 1 + below(20) : PAGES - below(100));
    memset(memory->value, 0, sizeof(memory->value));
    EXPECT_EQ(memory_create(m.budget, memory->pages * PAGE_SIZE, &memory->memory), OK);
    memory->used = memory->memory != NULL;
}

/* Number + 1, as the windows have it. */
static uint16_t number_of(const struct model_memory *memory)
{
    return (uint16_t)(memory - m.memory + 1);
}

static void drop_memory(void)
{
    struct model_memory *memory = any_memory();

    if (memory == NULL)
        return;
    for (size_t i = 0; i < (size_t)SPACES * WINDOW; i++) {
        if (m.window[i / WINDOW][i % WINDOW].memory == number_of(memory))
            return;
    }
    memory_put(memory->memory);
    *memory = (struct model_memory){ .used = false };
}

/* Numbers without a Memory are free again when no window has them. */
static void collect(void)
{
    bool seen[MEMORIES] = { false };

    for (size_t i = 0; i < (size_t)SPACES * WINDOW; i++) {
        uint16_t number = m.window[i / WINDOW][i % WINDOW].memory;
        if (number != 0)
            seen[number - 1] = true;
    }
    for (size_t i = 0; i < MEMORIES; i++) {
        if (m.memory[i].used && m.memory[i].memory == NULL && !seen[i])
            m.memory[i].used = false;
    }
}

static unsigned random_perm(void)
{
    static const unsigned perm[] = { PERM_READ, RW, RW, PERM_READ | PERM_EXECUTE, 0 };

    return perm[below(ARRAY_LEN(perm))];
}

static void random_part(size_t length, size_t *first, size_t *count)
{
    *first = below(length);
    *count = 1 + below(below(3) == 0 ? length : 40);
    if (below(3) == 0) {
        *first = ALIGN_DOWN(*first, (size_t)512);
        *count = 512 * (1 + below(2));
    }
    *count = MIN(*count, length - *first);
}

static void map(void)
{
    struct model_memory *memory = any_memory();
    size_t s = below(SPACES);
    size_t first;
    size_t count;
    size_t place = below(WINDOW);
    enum status expected = OK;

    if (memory == NULL || m.serials == SERIALS - 1)
        return;
    random_part(memory->pages, &first, &count);
    if (below(2) == 0)
        place = ALIGN_DOWN(place, (size_t)512) + first % 512;
    if (place >= WINDOW)
        return;
    count = MIN(count, WINDOW - place);
    for (size_t i = 0; i < count; i++)
        expected = m.window[s][place + i].memory != 0 ? ERR_EXISTS : expected;
    struct map_request request = {
        .memory = memory->memory,
        .at = at_page(place),
        .size_bytes = count * PAGE_SIZE,
        .offset = first * PAGE_SIZE,
        .perm = random_perm(),
        .flags = (unsigned)below(4),
    };
    request.limit = below(2) == 0 ? request.perm : PERM_READ | PERM_WRITE | PERM_EXECUTE;
    EXPECT_EQ(vspace_map(m.space[s], &request), expected);
    m.serials++;
    for (size_t i = 0; expected == OK && i < count; i++)
        m.window[s][place + i] = (struct shown){
            .memory = number_of(memory),
            .page = (uint16_t)(first + i),
            .serial = m.serials,
            .perm = (uint8_t)request.perm,
            .limit = (uint8_t)(request.limit | PERM_READ),
            .shared = (request.flags & MAP_SHARED) != 0,
        };
}

static void unmap(void)
{
    size_t s = below(SPACES);
    size_t first;
    size_t count;

    random_part(WINDOW, &first, &count);
    EXPECT_EQ(vspace_unmap(m.space[s], at_page(first), count * PAGE_SIZE), OK);
    memset(&m.window[s][first], 0, count * sizeof(m.window[0][0]));
}

static void protect(void)
{
    size_t s = below(SPACES);
    size_t first;
    size_t count;
    unsigned perm = random_perm();
    enum status expected = OK;

    random_part(WINDOW, &first, &count);
    for (size_t i = first; i < first + count && expected == OK; i++) {
        struct shown *shown = &m.window[s][i];
        if (shown->memory == 0)
            continue;
        if ((perm & ~(unsigned)shown->limit) != 0)
            expected = ERR_ACCESS;
        else
            shown->perm = (uint8_t)perm;
    }
    EXPECT_EQ(vspace_protect(m.space[s], at_page(first), count * PAGE_SIZE, perm), expected);
}

/* What the page tables allow, else a fault, as often as hardware would. */
static uint32_t *reach(size_t s, size_t index, unsigned access)
{
    const struct shown *shown = &m.window[s][index];
    bool allowed = shown->memory != 0 && (shown->perm & access) == access;
    paddr_t pa;
    unsigned perm;

    if (vspace_query(m.space[s], at_page(index), &pa, &perm) != OK || (perm & access) != access) {
        EXPECT_EQ(vspace_fault(m.space[s], uaddr(at_page(index).raw + below(PAGE_SIZE)), access),
                  allowed ? OK : ERR_FAULT);
        if (!allowed)
            return NULL;
        EXPECT_EQ(vspace_query(m.space[s], at_page(index), &pa, &perm), OK);
    }
    EXPECT(allowed);
    EXPECT_EQ(perm & access, access);
    EXPECT_EQ(perm & ~(unsigned)shown->perm, 0);
    return allowed ? paddr_to_kernel(pa) : NULL;
}

static void access_one(size_t s, size_t index, bool write)
{
    const struct shown *shown = &m.window[s][index];
    uint32_t *word = reach(s, index, write ? PERM_WRITE : PERM_READ);

    if (word == NULL)
        return;
    uint32_t *value = &m.memory[shown->memory - 1].value[shown->page];
    EXPECT_EQ(*word, *value);
    if (write)
        *word = *value = ++m.values;
}

static void access_some(void)
{
    size_t s = below(SPACES);
    size_t first;
    size_t count;
    bool write = below(2) == 0;

    random_part(WINDOW, &first, &count);
    for (size_t i = first; i < first + MIN(count, (size_t)60) && !test_has_failed(); i++)
        access_one(s, i, write);
}

static void decommit(void)
{
    struct model_memory *memory = any_memory();
    struct work work = { 1 + (uint32_t)below(200) };
    size_t first;
    size_t count;

    if (memory == NULL)
        return;
    random_part(memory->pages, &first, &count);
    uint64_t page = first;
    while (memory_decommit(memory->memory, &page, first + count, &work) == ERR_WOULD_BLOCK)
        work.left = 1;
    EXPECT_EQ(page, first + count);
    memset(&memory->value[first], 0, count * sizeof(memory->value[0]));
}

static void commit(void)
{
    struct model_memory *memory = any_memory();
    struct work work = { 1 };
    size_t first;
    size_t count;

    if (memory == NULL)
        return;
    random_part(memory->pages, &first, &count);
    uint64_t page = first;
    while (memory_commit(memory->memory, &page, first + count, &work) == ERR_WOULD_BLOCK)
        work.left = 1 + (uint32_t)below(100);
    EXPECT_EQ(page, first + count);
}

static void clone(void)
{
    struct model_memory *source = any_memory();
    struct model_memory *copy = free_memory();
    struct work work = { 1 };
    size_t first;
    size_t count;

    if (source == NULL || copy == NULL)
        return;
    random_part(source->pages, &first, &count);
    if (below(2) == 0) {
        first = 0;
        count = source->pages;
    }
    EXPECT_EQ(memory_create(m.budget, count * PAGE_SIZE, &copy->memory), OK);
    uint64_t page = first;
    while (memory_share(source->memory, &page, first + count, copy->memory, -(int64_t)first,
                        &work) == ERR_WOULD_BLOCK)
        work.left = 1 + (uint32_t)below(100);
    EXPECT_EQ(page, first + count);
    copy->used = true;
    copy->pages = (uint32_t)count;
    memset(copy->value, 0, sizeof(copy->value));
    memcpy(copy->value, &source->value[first], count * sizeof(copy->value[0]));
}

/* What the copy of a page in the other space shows: a new Memory for each mapping. */
static bool model_fork(size_t from, size_t to)
{
    static uint16_t clone_of[SERIALS];

    memset(clone_of, 0, sizeof(clone_of));
    for (size_t i = 0; i < WINDOW; i++) {
        struct shown shown = m.window[from][i];
        if (shown.memory != 0 && !shown.shared) {
            if (clone_of[shown.serial] == 0) {
                struct model_memory *copy = free_memory();
                if (copy == NULL)
                    return false;
                *copy = m.memory[shown.memory - 1];
                copy->memory = NULL;
                clone_of[shown.serial] = number_of(copy);
            }
            shown.memory = clone_of[shown.serial];
        }
        m.window[to][i] = shown;
    }
    return true;
}

static void fork(void)
{
    size_t from = below(SPACES);
    size_t to = 1 - from;
    uint64_t at = WINDOW_START;
    struct work work = { 1 };

    EXPECT_EQ(vspace_unmap(m.space[to], at_page(0), WINDOW * PAGE_SIZE), OK);
    memset(m.window[to], 0, sizeof(m.window[to]));
    collect();
    if (!model_fork(from, to)) {
        memset(m.window[to], 0, sizeof(m.window[to]));
        collect();
        return;
    }
    enum status status;
    while ((status = vspace_clone(m.space[from], m.space[to], m.budget, &at, at_page(WINDOW).raw,
                                  &work)) == ERR_WOULD_BLOCK)
        work.left = 1 + (uint32_t)below(100);
    EXPECT_EQ(status, OK);
}

static void compare(void)
{
    for (size_t s = 0; s < SPACES; s++) {
        for (size_t i = 0; i < WINDOW && !test_has_failed(); i++) {
            const struct shown *shown = &m.window[s][i];
            paddr_t pa;
            unsigned perm;
            if (vspace_query(m.space[s], at_page(i), &pa, &perm) != OK)
                continue;
            EXPECT(shown->memory != 0);
            EXPECT_EQ(perm & ~(unsigned)shown->perm, 0);
            if (shown->memory != 0)
                EXPECT_EQ(*(uint32_t *)paddr_to_kernel(pa),
                          m.memory[shown->memory - 1].value[shown->page]);
        }
    }
}

static uint64_t used_bytes(void)
{
    return m.budget->account[BUDGET_MEMORY].used;
}

static uint64_t free_frames(void)
{
    slab_drain_all();
    return frame_stats().free;
}

TEST(random_operations_agree_with_a_flat_model)
{
    static void (*const operation[])(void) = {
        new_memory,  drop_memory, map,         map,      map,    unmap, protect,
        access_some, access_some, access_some, decommit, commit, clone, fork,
    };
    uint64_t free = free_frames();

    memset(&m, 0, sizeof(m));
    m.random = test_seed();
    REQUIRE(budget_create(NULL, &m.budget) == OK);
    uint64_t used = used_bytes();
    for (size_t s = 0; s < SPACES; s++)
        REQUIRE(vspace_create(m.budget, &m.space[s]) == OK);
    for (unsigned step = 0; step < STEPS && !test_has_failed(); step++) {
        operation[below(ARRAY_LEN(operation))]();
        collect();
        if (step % 16 == 0)
            compare();
    }
    compare();
    for (size_t s = 0; s < SPACES; s++) {
        EXPECT_EQ(vspace_unmap(m.space[s], at_page(0), WINDOW * PAGE_SIZE), OK);
        EXPECT_EQ(m.space[s]->page_count, 0);
        EXPECT_EQ(m.space[s]->table_count, 1);
        vspace_put(m.space[s]);
    }
    for (size_t i = 0; i < MEMORIES; i++) {
        if (m.memory[i].used && m.memory[i].memory != NULL)
            memory_put(m.memory[i].memory);
    }
    EXPECT_EQ(used_bytes(), used);
    budget_put(m.budget);
    EXPECT_EQ(free_frames(), free);
    frame_check();
}
