/* Address spaces against a slow model: for each page of a window, what is behind it.
 *
 * The window lies across a boundary of 2 MiB and one of 1 GiB, so that blocks, several tables and
 * their upper levels take part.
 */
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/frame.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/vspace.h>

enum {
    WINDOW_PAGES = 2560,
    SOURCE_PAGES = 1024, /* two blocks of 2 MiB */
    STEP_COUNT = 600,
    BLOCK_PAGES = 512,
};
#define WINDOW_START (BIT64(39) + BIT64(30) - 3 * BIT64(21))
#define RW           (PERM_READ | PERM_WRITE)

/* One page of the model. */
struct page {
    uint64_t pa;        /* 0: not mapped */
    uint8_t perm;       /* of the mapping */
    uint8_t range_perm; /* 0: in no range */
};

struct model {
    struct vspace *vspace;
    struct frame *source;
    struct page page[WINDOW_PAGES];
};

static struct model model;

static uaddr_t page_at(size_t index)
{
    return uaddr(WINDOW_START + index * PAGE_SIZE);
}

static unsigned random_perm(uint64_t *random)
{
    static const unsigned perm[] = { PERM_READ, RW, PERM_READ | PERM_EXECUTE };

    return perm[test_random(random) % ARRAY_LEN(perm)];
}

/* A part of the window: any, or one that begins and ends at blocks. */
static void random_part(uint64_t *random, size_t *first, size_t *count)
{
    *first = test_random(random) % WINDOW_PAGES;
    *count = 1 + test_random(random) % (test_random(random) % 4 == 0 ? WINDOW_PAGES : 40);
    if (test_random(random) % 3 == 0) {
        *first = ALIGN_DOWN(*first, (size_t)BLOCK_PAGES);
        *count = BLOCK_PAGES * (1 + test_random(random) % 3);
    }
    *count = MIN(*count, WINDOW_PAGES - *first);
}

static bool model_free(const struct model *m, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (m->page[i].pa != 0 || m->page[i].range_perm != 0)
            return false;
    }
    return true;
}

static void model_map(struct model *m, uint64_t *random)
{
    size_t first;
    size_t count;
    size_t offset = test_random(random) % 2 == 0 ? 0 : test_random(random) % SOURCE_PAGES;
    unsigned perm = random_perm(random);

    random_part(random, &first, &count);
    count = MIN(count, SOURCE_PAGES - offset);
    enum status expected = model_free(m, first, count) ? OK : ERR_EXISTS;
    EXPECT_EQ(vspace_map(m->vspace, page_at(first), m->source + offset, count, perm), expected);
    for (size_t i = 0; expected == OK && i < count; i++) {
        m->page[first + i].pa = frame_paddr(m->source + offset + i).raw;
        m->page[first + i].perm = (uint8_t)perm;
    }
}

static void model_reserve(struct model *m, uint64_t *random)
{
    size_t first;
    size_t count;
    unsigned perm = random_perm(random);

    random_part(random, &first, &count);
    enum status expected = model_free(m, first, count) ? OK : ERR_EXISTS;
    EXPECT_EQ(vspace_reserve(m->vspace, page_at(first), count * PAGE_SIZE, perm), expected);
    for (size_t i = 0; expected == OK && i < count; i++)
        m->page[first + i].range_perm = (uint8_t)perm;
}

static void model_unmap(struct model *m, uint64_t *random)
{
    size_t first;
    size_t count;

    random_part(random, &first, &count);
    EXPECT_EQ(vspace_unmap(m->vspace, page_at(first), count * PAGE_SIZE), OK);
    for (size_t i = 0; i < count; i++)
        m->page[first + i] = (struct page){ 0 };
}

static void model_protect(struct model *m, uint64_t *random)
{
    size_t first;
    size_t count;
    unsigned perm = random_perm(random);
    enum status expected = OK;

    random_part(random, &first, &count);
    for (size_t i = first; i < first + count; i++) {
        if (m->page[i].pa == 0 && m->page[i].range_perm == 0)
            expected = ERR_NOT_FOUND;
    }
    EXPECT_EQ(vspace_protect(m->vspace, page_at(first), count * PAGE_SIZE, perm), expected);
    for (size_t i = first; expected == OK && i < first + count; i++) {
        if (m->page[i].range_perm != 0)
            m->page[i].range_perm = (uint8_t)perm;
        if (m->page[i].pa != 0)
            m->page[i].perm = (uint8_t)perm;
    }
}

static void model_fault(struct model *m, uint64_t *random)
{
    static const unsigned accesses[] = { PERM_READ, PERM_WRITE, PERM_EXECUTE };
    size_t index = test_random(random) % WINDOW_PAGES;
    struct page *page = &m->page[index];
    unsigned access = accesses[test_random(random) % ARRAY_LEN(accesses)];
    unsigned allowed = page->pa != 0 ? page->perm : page->range_perm;
    uaddr_t at = uaddr(page_at(index).raw + test_random(random) % PAGE_SIZE);

    EXPECT_EQ(vspace_fault(m->vspace, at, access), (allowed & access) != 0 ? OK : ERR_FAULT);
    if (page->pa == 0 && (allowed & access) != 0) {
        paddr_t pa;
        unsigned perm;
        REQUIRE(vspace_query(m->vspace, page_at(index), &pa, &perm) == OK);
        page->pa = pa.raw;
        page->perm = page->range_perm;
        EXPECT_EQ(*(uint64_t *)paddr_to_kernel(pa), 0);
    }
}

static void model_compare(const struct model *m)
{
    uint64_t mapped = 0;

    for (size_t i = 0; i < WINDOW_PAGES && !test_has_failed(); i++) {
        paddr_t pa = paddr(0);
        unsigned perm = 0;
        enum status expected = m->page[i].pa != 0 ? OK : ERR_NOT_FOUND;
        EXPECT_EQ(vspace_query(m->vspace, page_at(i), &pa, &perm), expected);
        if (expected != OK)
            continue;
        EXPECT_EQ(pa.raw, m->page[i].pa);
        EXPECT_EQ(perm, m->page[i].perm);
        mapped++;
    }
    EXPECT_EQ(m->vspace->page_count, mapped);
}

static bool model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    if (vspace_create(&m->vspace) != OK)
        return false;
    if (frame_alloc_range(SOURCE_PAGES, BIT64(21), UINT64_MAX, &m->source) == OK)
        return true;
    vspace_put(m->vspace);
    return false;
}

/* Whoever looks at the counts must not see magazines. */
static uint64_t free_frames(void)
{
    slab_drain_all();
    return frame_stats().free;
}

TEST(random_operations_agree_with_a_page_by_page_model)
{
    static void (*const operation[])(struct model * m, uint64_t * random) = {
        model_map, model_map, model_reserve, model_unmap, model_protect, model_fault, model_fault,
    };
    uint64_t random = test_seed();
    uint64_t free = free_frames();

    REQUIRE(model_init(&model));
    for (unsigned step = 0; step < STEP_COUNT && !test_has_failed(); step++) {
        operation[test_random(&random) % ARRAY_LEN(operation)](&model, &random);
        if (step % 20 == 0)
            model_compare(&model);
    }
    model_compare(&model);
    EXPECT_EQ(vspace_unmap(model.vspace, page_at(0), WINDOW_PAGES * PAGE_SIZE), OK);
    EXPECT_EQ(model.vspace->page_count, 0);
    EXPECT_EQ(model.vspace->table_count, 1);
    vspace_put(model.vspace);
    for (size_t i = 0; i < SOURCE_PAGES; i++)
        EXPECT_EQ(model.source[i].references, 1);
    frame_free_range(model.source, SOURCE_PAGES);
    EXPECT_EQ(free_frames(), free);
    frame_check();
}

TEST(the_last_put_frees_everything)
{
    uint64_t random = test_seed();
    uint64_t free = free_frames();

    REQUIRE(model_init(&model));
    for (unsigned step = 0; step < 30; step++) {
        model_map(&model, &random);
        model_reserve(&model, &random);
        model_fault(&model, &random);
    }
    EXPECT(vspace_get(model.vspace) == model.vspace);
    vspace_put(model.vspace);
    model_compare(&model);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
    EXPECT_EQ(free_frames(), free);
}

/* ---- Out of memory at every step ---- */

/* What must be as before when an operation failed. */
struct counts {
    uint64_t free;
    uint64_t tables;
    uint64_t pages;
};

static struct counts counts_now(const struct vspace *vspace)
{
    return (struct counts){ free_frames(), vspace->table_count, vspace->page_count };
}

static void expect_counts(const struct vspace *vspace, struct counts before)
{
    struct counts now = counts_now(vspace);

    EXPECT_EQ(now.free, before.free);
    EXPECT_EQ(now.tables, before.tables);
    EXPECT_EQ(now.pages, before.pages);
}

typedef enum status operation(struct model *m);

/* Let the n-th allocation fail for n = 1, 2, 3... until the operation succeeds; by `fail`. Returns
 * how often it failed.
 */
static unsigned fail_until_it_works(struct model *m, operation *run, void (*fail)(uint64_t nth))
{
    for (unsigned n = 1; n < 20; n++) {
        struct counts before = counts_now(m->vspace);
        fail(n);
        enum status status = run(m);
        fail(0);
        if (status == OK)
            return n - 1;
        EXPECT_EQ(status, ERR_NO_MEMORY);
        expect_counts(m->vspace, before);
    }
    test_fail(__FILE__, __LINE__, "never worked");
    return 0;
}

/* Three tables above the pages, then two of pages, as no block fits. */
static enum status map_some(struct model *m)
{
    return vspace_map(m->vspace, page_at(BLOCK_PAGES - 4), m->source + 1, 8, RW);
}

static enum status reserve_some(struct model *m)
{
    return vspace_reserve(m->vspace, page_at(0), 100 * PAGE_SIZE, RW);
}

static enum status fault_some(struct model *m)
{
    return vspace_fault(m->vspace, page_at(7), PERM_WRITE);
}

static enum status map_block(struct model *m)
{
    return vspace_map(m->vspace, page_at((size_t)2 * BLOCK_PAGES), m->source, BLOCK_PAGES, RW);
}

static enum status cut_block(struct model *m)
{
    return vspace_unmap(m->vspace, page_at(2 * BLOCK_PAGES + 10), 20 * PAGE_SIZE);
}

static enum status map_two_blocks(struct model *m)
{
    return vspace_map(m->vspace, page_at((size_t)3 * BLOCK_PAGES), m->source,
                      (size_t)2 * BLOCK_PAGES, RW);
}

static enum status protect_across_blocks(struct model *m)
{
    return vspace_protect(m->vspace, page_at(4 * BLOCK_PAGES - 5), 10 * PAGE_SIZE, PERM_READ);
}

static enum status protect_within_range(struct model *m)
{
    return vspace_protect(m->vspace, page_at(30), 10 * PAGE_SIZE, PERM_READ);
}

static enum status unmap_within_range(struct model *m)
{
    return vspace_unmap(m->vspace, page_at(60), 10 * PAGE_SIZE);
}

TEST(an_operation_that_runs_out_of_memory_changes_nothing)
{
    uint64_t free = free_frames();

    REQUIRE(model_init(&model));
    EXPECT(fail_until_it_works(&model, map_some, frame_fail_after) >= 4);
    EXPECT(fail_until_it_works(&model, reserve_some, frame_fail_after) >= 1);
    EXPECT(fail_until_it_works(&model, fault_some, frame_fail_after) >= 1);
    EXPECT(fail_until_it_works(&model, map_block, frame_fail_after) == 0);
    EXPECT(fail_until_it_works(&model, cut_block, frame_fail_after) == 1);
    EXPECT(fail_until_it_works(&model, map_two_blocks, frame_fail_after) >= 1);
    EXPECT(fail_until_it_works(&model, protect_across_blocks, frame_fail_after) == 2);
    EXPECT(fail_until_it_works(&model, protect_within_range, slab_fail_after) == 2);
    EXPECT(fail_until_it_works(&model, unmap_within_range, slab_fail_after) == 2);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
    EXPECT_EQ(free_frames(), free);
}

TEST(creation_that_runs_out_of_memory_leaves_nothing)
{
    struct vspace *vspace;
    uint64_t free = free_frames();

    for (unsigned n = 1;; n++) {
        frame_fail_after(n);
        enum status status = vspace_create(&vspace);
        frame_fail_after(0);
        if (status == OK)
            break;
        EXPECT_EQ(status, ERR_NO_MEMORY);
        EXPECT_EQ(free_frames(), free);
        REQUIRE(n < 10);
    }
    vspace_put(vspace);
    slab_fail_after(1);
    EXPECT_EQ(vspace_create(&vspace), ERR_NO_MEMORY);
    EXPECT_EQ(free_frames(), free);
}

/* ---- What is refused ---- */

TEST(places_and_rights_that_make_no_sense_are_refused)
{
    static const struct {
        uint64_t at;
        uint64_t size_bytes;
    } bad[] = {
        { 0, PAGE_SIZE },                        /* the null page */
        { PAGE_SIZE + 1, PAGE_SIZE },            /* unaligned */
        { PAGE_SIZE, PAGE_SIZE + 8 },            /* unaligned size */
        { PAGE_SIZE, 0 },                        /* nothing */
        { USER_END, PAGE_SIZE },                 /* the last page */
        { USER_END - PAGE_SIZE, 2 * PAGE_SIZE }, /* across the end */
        { PAGE_SIZE, ~PAGE_MASK },               /* a sum that wraps */
        { ~PAGE_MASK, PAGE_SIZE },               /* the kernel's half */
        { BIT64(63), PAGE_SIZE },
    };

    REQUIRE(model_init(&model));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uaddr_t at = uaddr(bad[i].at);
        EXPECT_EQ(vspace_reserve(model.vspace, at, bad[i].size_bytes, RW), ERR_RANGE);
        EXPECT_EQ(vspace_unmap(model.vspace, at, bad[i].size_bytes), ERR_RANGE);
        EXPECT_EQ(vspace_protect(model.vspace, at, bad[i].size_bytes, RW), ERR_RANGE);
        if ((bad[i].size_bytes & PAGE_MASK) == 0)
            EXPECT_EQ(vspace_map(model.vspace, at, model.source, bad[i].size_bytes / PAGE_SIZE, RW),
                      ERR_RANGE);
    }
    EXPECT_EQ(vspace_map(model.vspace, page_at(0), model.source, SIZE_MAX, RW), ERR_RANGE);
    static const unsigned perm[] = { 0, RW | PERM_EXECUTE, RW | PERM_GLOBAL, RW | PERM_DEVICE,
                                     1u << 20 };
    for (size_t i = 0; i < ARRAY_LEN(perm); i++) {
        EXPECT_EQ(vspace_map(model.vspace, page_at(0), model.source, 1, perm[i]), ERR_RANGE);
        EXPECT_EQ(vspace_reserve(model.vspace, page_at(0), PAGE_SIZE, perm[i]), ERR_RANGE);
        EXPECT_EQ(vspace_protect(model.vspace, page_at(0), PAGE_SIZE, perm[i]), ERR_RANGE);
    }
    paddr_t pa;
    unsigned found;
    EXPECT_EQ(vspace_query(model.vspace, uaddr(BIT64(63)), &pa, &found), ERR_RANGE);
    EXPECT_EQ(vspace_fault(model.vspace, uaddr(BIT64(63)), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(model.vspace, uaddr(USER_END), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(model.vspace, uaddr(0), PERM_READ), ERR_FAULT);
    EXPECT_EQ(model.vspace->table_count, 1);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
}

TEST(the_last_page_of_the_user_half_can_be_used)
{
    uaddr_t last = uaddr(USER_END - PAGE_SIZE);

    REQUIRE(model_init(&model));
    EXPECT_EQ(vspace_reserve(model.vspace, last, PAGE_SIZE, RW), OK);
    EXPECT_EQ(vspace_fault(model.vspace, last, PERM_WRITE), OK);
    EXPECT_EQ(vspace_protect(model.vspace, last, PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(vspace_unmap(model.vspace, last, PAGE_SIZE), OK);
    EXPECT_EQ(vspace_map(model.vspace, uaddr(USER_START), model.source, 1, RW), OK);
    EXPECT_EQ(vspace_unmap(model.vspace, uaddr(USER_START), USER_END - USER_START), OK);
    EXPECT_EQ(model.vspace->table_count, 1);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
}

TEST(frames_are_not_mapped_as_physical_memory)
{
    REQUIRE(model_init(&model));
    paddr_t owned = frame_paddr(model.source);
    EXPECT_EQ(vspace_map_physical(model.vspace, page_at(0), owned, 1, RW), ERR_INVALID);
    EXPECT_EQ(vspace_map_physical(model.vspace, page_at(0), paddr(BIT64(47) + 1), 1, RW),
              ERR_RANGE);
    EXPECT_EQ(vspace_map_physical(model.vspace, page_at(0), paddr(BIT64(48)), 1, RW), ERR_RANGE);
    /* No RAM there: nothing is counted, nothing is freed. */
    uint64_t free = free_frames();
    EXPECT_EQ(vspace_map_physical(model.vspace, page_at(0), paddr(BIT64(46)), 3, RW | PERM_DEVICE),
              OK);
    paddr_t pa;
    unsigned perm;
    EXPECT_EQ(vspace_query(model.vspace, page_at(2), &pa, &perm), OK);
    EXPECT_EQ(pa.raw, BIT64(46) + 2 * PAGE_SIZE);
    EXPECT_EQ(perm, RW | PERM_DEVICE);
    EXPECT_EQ(vspace_unmap(model.vspace, page_at(0), 3 * PAGE_SIZE), OK);
    EXPECT_EQ(free_frames(), free);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
}

/* A block is one entry until somebody needs a part of it. */
TEST(aligned_memory_is_mapped_in_blocks)
{
    REQUIRE(model_init(&model));
    EXPECT_EQ(map_two_blocks(&model), OK);
    uint64_t tables = model.vspace->table_count;
    EXPECT(tables <= 5); /* none for pages: the window crosses 1 GiB */
    EXPECT_EQ(model.vspace->page_count, 2 * BLOCK_PAGES);
    EXPECT_EQ(vspace_protect(model.vspace, page_at((size_t)3 * BLOCK_PAGES),
                             BLOCK_PAGES * PAGE_SIZE, PERM_READ),
              OK);
    EXPECT_EQ(model.vspace->table_count, tables);
    EXPECT_EQ(protect_across_blocks(&model), OK);
    EXPECT_EQ(model.vspace->table_count, tables + 2);
    vspace_put(model.vspace);
    frame_free_range(model.source, SOURCE_PAGES);
}

/* Frames may have held another program's code, and instruction caches know nothing of the zeroes.
 */
HOST_TEST(memory_that_becomes_code_is_synchronised)
{
    uint64_t block = BLOCK_PAGES * PAGE_SIZE;
    uaddr_t at = uaddr(BIT64(30));
    uaddr_t code = uaddr(BIT64(31));
    struct vspace *vspace;
    struct frame *frame;
    uint8_t byte = 1;

    REQUIRE(vspace_create(&vspace) == OK && frame_alloc(9, FRAME_ZERO, &frame) == OK);
    EXPECT_EQ(vspace_map(vspace, at, frame, BLOCK_PAGES, RW), OK);
    EXPECT_EQ(vspace_reserve(vspace, code, 2 * PAGE_SIZE, PERM_READ | PERM_EXECUTE), OK);
    uint64_t before = simulation_synced_bytes();
    EXPECT(simulation_user_access(vspace, code, PERM_READ, &byte));
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE);
    EXPECT_EQ(vspace_protect(vspace, at, block, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE + block);
    EXPECT_EQ(vspace_protect(vspace, at, block, PERM_READ | PERM_EXECUTE), OK); /* it is already */
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE + block);
    EXPECT_EQ(vspace_protect(vspace, at, PAGE_SIZE, RW), OK);
    EXPECT_EQ(vspace_protect(vspace, at, 2 * PAGE_SIZE, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(simulation_synced_bytes() - before, 2 * PAGE_SIZE + block);
    frame_put(frame);
    vspace_put(vspace);
}
