/* Random operations on address spaces beside a slow model: for each page of a window, what may be
 * done with it and which word it shows. Faults that the machine does not resolve go to mm_fault, as
 * a guest's do.
 */
#include "mm_impl.h"
#include <base/status.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/signal.h>
#include <linux/calls.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/memfs.h>
#include <linux/mounts.h>
#include <linux/pool.h>
#include <linux/single.h>
#include <string.h>

enum { PAGES = 48, FILE_PAGES = 24, SPACES = 3, STEPS = 6000, TRIES = 6, CELLS = 1 << 16 };
#define WINDOW   ((uint64_t)0x40000000)
#define SHORTAGE ((uint64_t)64 << 20)

enum kind { NONE, ANONYMOUS, SHARED, FILE_SHARED, FILE_PRIVATE, FILE_OWN };

struct page {
    enum kind kind;
    uint32_t protection;
    uint32_t *cell;  /* the word, of kinds that have one of their own or share one */
    unsigned number; /* in the file */
};

struct space {
    struct mm *mm;
    struct page page[PAGES];
};

static struct {
    struct space space[SPACES];
    struct task *task;
    struct file *file;
    uint32_t contents[FILE_PAGES]; /* the first word of each page */
    unsigned file_pages;           /* its length */
    uint32_t cell[CELLS];
    unsigned cells;
    uint64_t seed;
    uint32_t words;
    struct space *self;
} w;

static unsigned below(unsigned count)
{
    return (unsigned)(test_random(&w.seed) % count);
}

static uint64_t at_page(unsigned page)
{
    return WINDOW + (uint64_t)page * MACHINE_PAGE;
}

static uint32_t *new_cell(uint32_t value)
{
    uint32_t *cell = &w.cell[w.cells++ % CELLS];
    *cell = value;
    return cell;
}

static void become(struct space *space)
{
    w.self = space;
    w.task->mm = space->mm;
    EXPECT_EQ(vcpu_attach(w.task->vcpu, space->mm->space), 0);
}

static void random_range(unsigned *first, unsigned *count)
{
    *first = below(PAGES);
    *count = 1 + below(below(4) == 0 ? PAGES : 6);
    *count = *count < PAGES - *first ? *count : PAGES - *first;
}

static uint32_t random_protection(void)
{
    static const uint32_t protection[] = {
        PROT_NONE,
        PROT_READ,
        PROT_READ | PROT_WRITE,
        PROT_READ | PROT_WRITE,
        PROT_READ | PROT_EXEC,
        PROT_READ | PROT_WRITE | PROT_EXEC,
    };
    return protection[below(ARRAY_LEN(protection))];
}

/* ---- The operations ---- */

/* A private page of the file that may be written has the file's word of that moment. */
static void own_if_writable(struct page *page)
{
    if (page->kind == FILE_PRIVATE && (page->protection & PROT_WRITE) != 0 &&
        page->number < w.file_pages) {
        page->kind = FILE_OWN;
        page->cell = new_cell(w.contents[page->number]);
    }
}

static void map_pages(void)
{
    unsigned first, count;
    random_range(&first, &count);
    enum kind kind = (enum kind)(ANONYMOUS + below(4));
    bool file = kind == FILE_SHARED || kind == FILE_PRIVATE;
    unsigned number = below(FILE_PAGES);
    const struct mm_request request = {
        .address = at_page(first),
        .size_bytes = (uint64_t)count * MACHINE_PAGE,
        .protection = random_protection(),
        .flags = MAP_FIXED | (kind == SHARED || kind == FILE_SHARED ? MAP_SHARED : MAP_PRIVATE),
        .file = file ? w.file : NULL,
        .offset = file ? (uint64_t)number * MACHINE_PAGE : 0,
    };
    EXPECT_EQ(mm_map(w.self->mm, &request), (int64_t)request.address);
    for (unsigned i = 0; i < count; i++) {
        w.self->page[first + i] = (struct page){
            .kind = kind,
            .protection = request.protection,
            .cell = file ? NULL : new_cell(0),
            .number = number + i,
        };
        own_if_writable(&w.self->page[first + i]);
    }
}

static void unmap_pages(void)
{
    unsigned first, count;
    random_range(&first, &count);
    EXPECT_EQ(mm_unmap(w.self->mm, at_page(first), (uint64_t)count * MACHINE_PAGE), 0);
    memset(&w.self->page[first], 0, count * sizeof(struct page));
}

static void protect_pages(void)
{
    unsigned first, count;
    random_range(&first, &count);
    uint32_t protection = random_protection();
    bool whole = true;
    for (unsigned i = first; i < first + count; i++)
        whole = whole && w.self->page[i].kind != NONE;
    EXPECT_EQ(mm_protect(w.self->mm, at_page(first), (uint64_t)count * MACHINE_PAGE, protection),
              whole ? 0 : -ENOMEM);
    for (unsigned i = first; whole && i < first + count; i++) {
        struct page *page = &w.self->page[i];
        bool gains = (page->protection & PROT_WRITE) == 0 && (protection & PROT_WRITE) != 0;
        page->protection = protection;
        if (gains)
            own_if_writable(page);
    }
}

static void forget_pages(void)
{
    unsigned first, count;
    random_range(&first, &count);
    bool whole = true;
    for (unsigned i = first; i < first + count; i++)
        whole = whole && w.self->page[i].kind != NONE;
    EXPECT_EQ(linux_madvise(at_page(first), (uint64_t)count * MACHINE_PAGE, MADV_DONTNEED),
              whole ? 0 : -ENOMEM);
    for (unsigned i = first; i < first + count; i++) {
        struct page *page = &w.self->page[i];
        if (page->kind == ANONYMOUS)
            page->cell = new_cell(0);
        if (page->kind == FILE_OWN) {
            page->kind = FILE_PRIVATE;
            own_if_writable(page);
        }
    }
}

/* Anonymous memory goes to another place. */
static void move_pages(void)
{
    unsigned first, count, to;
    random_range(&first, &count);
    to = below(PAGES - count + 1);
    struct page moved[PAGES];
    for (unsigned i = 0; i < count; i++) {
        const struct page *page = &w.self->page[first + i];
        if (page->kind != ANONYMOUS || page->protection != w.self->page[first].protection)
            return;
        moved[i] = *page;
    }
    uint64_t size_bytes = (uint64_t)count * MACHINE_PAGE;
    bool overlap = to < first + count && first < to + count;
    int64_t result = linux_mremap(at_page(first), size_bytes, size_bytes,
                                  MREMAP_MAYMOVE | MREMAP_FIXED, at_page(to));
    EXPECT_EQ(result, overlap ? -EINVAL : (int64_t)at_page(to));
    if (overlap)
        return;
    memset(&w.self->page[first], 0, count * sizeof(struct page));
    memcpy(&w.self->page[to], moved, count * sizeof(struct page));
}

static void drop(struct space *space)
{
    mm_put(space->mm);
    *space = (struct space){ 0 };
}

static void fork_space(void)
{
    struct space *child = &w.space[below(SPACES)];
    if (child == w.self)
        return;
    if (child->mm != NULL)
        drop(child);
    EXPECT_EQ(mm_fork(w.self->mm, &child->mm), 0);
    memcpy(child->page, w.self->page, sizeof(child->page));
    for (unsigned i = 0; i < PAGES; i++) {
        struct page *page = &child->page[i];
        if (page->kind == ANONYMOUS || page->kind == FILE_OWN)
            page->cell = new_cell(*page->cell);
    }
}

static void change_space(void)
{
    struct space *other = &w.space[below(SPACES)];
    if (other->mm != NULL)
        become(other);
}

static void set_length(unsigned pages)
{
    struct node_attributes attributes = { .size_bytes = (uint64_t)pages * MACHINE_PAGE };
    EXPECT_EQ(w.file->node->ops->set_attributes(w.file->node, &attributes, SET_SIZE), 0);
    for (unsigned i = pages; i < FILE_PAGES; i++)
        w.contents[i] = 0;
    w.file_pages = pages;
}

static void change_length(void)
{
    set_length(below(3) == 0 ? below(FILE_PAGES + 1) : FILE_PAGES);
}

/* ---- Accesses, as a guest makes them ---- */

static bool try_access(uint64_t at, unsigned access, uint32_t *word)
{
    struct guest_space *space = w.self->mm->space;
    if (access == 4)
        return host_guest_executable(space, at);
    if (access == 2)
        return host_guest_write(space, at, word, sizeof(*word)) == 0;
    return host_guest_read(space, word, at, sizeof(*word)) == 0;
}

/* 0, or the signal and its code as one number. */
static int reach(uint64_t at, unsigned access, uint32_t *word)
{
    for (unsigned i = 0; i < TRIES; i++) {
        const struct guest_fault fault = { .address = at, .access = access, .status = ERR_FAULT };
        struct fault_signal signal;
        if (try_access(at, access, word))
            return 0;
        if (mm_fault(w.self->mm, &fault, &signal) != 0)
            return signal.number << 8 | signal.code;
    }
    return -1; /* it goes on for ever */
}

static int expected(const struct page *page, unsigned access)
{
    uint32_t needed = access == 2 ? PROT_WRITE : access == 4 ? PROT_EXEC : PROT_READ;
    if (page->kind == NONE)
        return SIGSEGV << 8 | SEGV_MAPERR;
    if ((page->protection & needed) == 0)
        return SIGSEGV << 8 | SEGV_ACCERR;
    bool file = page->kind == FILE_SHARED || page->kind == FILE_PRIVATE;
    return file && page->number >= w.file_pages ? SIGBUS << 8 | BUS_ADRERR : 0;
}

static uint32_t *word_of(struct page *page)
{
    return page->kind == FILE_SHARED || page->kind == FILE_PRIVATE ? &w.contents[page->number]
                                                                   : page->cell;
}

/* A fault makes neighbours its own, too, as they are now: which they are is its choice. */
static void see_owned(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        struct page *page = &w.self->page[i];
        const struct area *area = mm_find(w.self->mm, at_page(i));
        if (page->kind != FILE_PRIVATE || !area->own)
            continue;
        page->kind = FILE_OWN;
        page->cell = new_cell(w.contents[page->number]);
    }
}

static void access_page(void)
{
    unsigned number = below(PAGES);
    struct page *page = &w.self->page[number];
    unsigned access = 1u << below(3);
    uint32_t word = ++w.words;
    int result = reach(at_page(number), access, &word);
    REQUIRE(test_equal(__FILE__, __LINE__, "result", (uint64_t)result,
                       (uint64_t)expected(page, access)));
    if (result != 0 || access == 4)
        return;
    if (access == 2 && page->kind == FILE_PRIVATE)
        see_owned();
    if (access == 2)
        *word_of(page) = word;
    else
        EXPECT_EQ(word, *word_of(page));
}

/* Areas in order, and books that agree. */
static void check(struct mm *mm)
{
    uint64_t total = 0;
    uint64_t end = 0;
    unsigned count = 0;
    for (struct area *area = mm_find_above(mm, 0); area != NULL; area = area_next(area)) {
        EXPECT(area->start >= end && area->start < area->end);
        EXPECT_EQ(list_linked(&area->mapping), area_shows_file(area));
        end = area->end;
        total += area->end - area->start;
        count++;
    }
    EXPECT_EQ(mm->total_bytes, total);
    EXPECT_EQ(mm->area_count, count);
}

static void begin(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    w.seed = seed;
    EXPECT_EQ(pool_create(SHORTAGE), 0);
    EXPECT_EQ(mounts_start(NULL, 0), 0);
    w.task = single_task_begin();
    EXPECT_EQ(memfs_create_file("file", 0600, &w.file), 0);
    set_length(FILE_PAGES);
    EXPECT_EQ(mm_create(&w.space[0].mm), 0);
    become(&w.space[0]);
}

static void end(void)
{
    w.task->mm = NULL;
    EXPECT_EQ(vcpu_attach(w.task->vcpu, NULL), 0);
    for (unsigned i = 0; i < SPACES; i++) {
        if (w.space[i].mm != NULL)
            drop(&w.space[i]);
    }
    file_put(w.file);
    single_task_end(w.task);
    mounts_end();
    EXPECT_EQ(pool_pages(), 0);
    pool_destroy();
    EXPECT_EQ(host_counts().memories, 0);
    EXPECT_EQ(host_counts().spaces, 0);
    EXPECT_EQ(host_counts().mappings, 0);
    EXPECT_EQ(heap_counts().blocks, 0);
}

TEST(random_operations_agree_with_a_slow_model)
{
    static void (*const operations[])(void) = {
        map_pages,   map_pages,   unmap_pages, protect_pages, protect_pages, forget_pages,
        move_pages,  move_pages,  fork_space,  change_space,  change_length, access_page,
        access_page, access_page, access_page, access_page,   access_page,   access_page,
        access_page, access_page, access_page, access_page,   access_page,   access_page,
    };
    begin(test_seed());
    for (unsigned step = 0; step < STEPS && !test_has_failed(); step++) {
        operations[below(ARRAY_LEN(operations))]();
        check(w.self->mm);
    }
    end();
}

/* Each allocation fails in turn: the call says so, and what was there is as it was. */
static int64_t fork_once(void)
{
    struct mm *copy;
    int error = mm_fork(w.self->mm, &copy);
    if (error == 0)
        mm_put(copy);
    return error;
}

static int64_t map_in_the_middle(void)
{
    const struct mm_request request = {
        .address = at_page(3),
        .size_bytes = 2 * MACHINE_PAGE,
        .protection = PROT_READ | PROT_WRITE,
        .flags = MAP_FIXED | MAP_PRIVATE,
        .file = w.file,
    };
    int64_t at = mm_map(w.self->mm, &request);
    return at < 0 ? at : 0;
}

static int64_t unmap_the_middle(void)
{
    return mm_unmap(w.self->mm, at_page(2), MACHINE_PAGE);
}

static int64_t protect_the_middle(void)
{
    return mm_protect(w.self->mm, at_page(2), MACHINE_PAGE, PROT_READ);
}

static int64_t move_the_middle(void)
{
    int64_t at = linux_mremap(at_page(2), MACHINE_PAGE, 2 * MACHINE_PAGE,
                              MREMAP_MAYMOVE | MREMAP_FIXED, at_page(30));
    return at < 0 ? at : 0;
}

static int64_t create_once(void)
{
    struct mm *mm;
    int error = mm_create(&mm);
    if (error == 0)
        mm_put(mm);
    return error;
}

TEST(what_cannot_be_allocated_is_told_and_leaves_nothing)
{
    static int64_t (*const calls[])(void) = { fork_once,        map_in_the_middle,
                                              unmap_the_middle, protect_the_middle,
                                              move_the_middle,  create_once };
    const struct mm_request whole = {
        .address = at_page(0),
        .size_bytes = 8 * MACHINE_PAGE,
        .protection = PROT_READ | PROT_WRITE,
        .flags = MAP_FIXED | MAP_PRIVATE,
    };
    for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
        int64_t result = -ENOMEM;
        for (uint64_t n = 1; result == -ENOMEM && n < 200; n++) {
            begin(1);
            EXPECT_EQ(mm_map(w.self->mm, &whole), (int64_t)whole.address);
            heap_fail_after(n);
            result = calls[i]();
            heap_fail_after(0);
            EXPECT(result == 0 || result == -ENOMEM);
            check(w.self->mm);
            end();
        }
        EXPECT_EQ(result, 0);
    }
}

/* ---- What programs do to themselves ---- */

static struct mm_request file_request(unsigned page, unsigned pages, uint32_t protection,
                                      uint32_t type)
{
    return (struct mm_request){ .address = at_page(page),
                                .size_bytes = (uint64_t)pages * MACHINE_PAGE,
                                .protection = protection,
                                .flags = MAP_FIXED | type,
                                .file = w.file };
}

TEST(a_stack_that_a_fork_copied_grows_by_pages_of_its_own)
{
    struct mm_request request = {
        .address = at_page(40),
        .size_bytes = MACHINE_PAGE,
        .protection = PROT_READ | PROT_WRITE,
        .flags = MAP_FIXED | MAP_PRIVATE | MAP_GROWSDOWN,
    };
    uint32_t word = 7;
    begin(1);
    EXPECT_EQ(mm_map(w.self->mm, &request), (int64_t)request.address);
    EXPECT_EQ(mm_fork(w.self->mm, &w.space[1].mm), 0);
    become(&w.space[1]);
    EXPECT_EQ(reach(at_page(38), 2, &word), 0);
    check(w.self->mm);
    EXPECT_EQ(reach(at_page(37), 2, &word), 0);
    check(w.self->mm);
    EXPECT_EQ(mm_unmap(w.self->mm, at_page(37), 4ull * MACHINE_PAGE), 0);
    EXPECT_EQ(memory_resident(w.self->mm->anonymous), 0);
    request.address = at_page(38);
    EXPECT_EQ(mm_map(w.self->mm, &request), (int64_t)request.address);
    EXPECT_EQ(reach(at_page(38), 1, &word), 0);
    EXPECT_EQ(word, 0);
    request.flags = MAP_FIXED | MAP_SHARED | MAP_GROWSDOWN;
    EXPECT_EQ(mm_map(w.self->mm, &request), -EINVAL);
    end();
}

/* Else the end of what they map would lie before its beginning, and a truncation would take nothing
 * away. */
TEST(offsets_in_files_do_not_wrap)
{
    begin(1);
    struct mm_request request = file_request(0, 1, PROT_READ, MAP_SHARED);
    request.offset = ~(uint64_t)0 - 2ull * MACHINE_PAGE + 1;
    EXPECT_EQ(mm_map(w.self->mm, &request), -EOVERFLOW);
    request.offset = ((uint64_t)1 << 63) - 2ull * MACHINE_PAGE;
    EXPECT_EQ(mm_map(w.self->mm, &request), (int64_t)request.address);
    EXPECT_EQ(linux_mremap(at_page(0), MACHINE_PAGE, 4ull * MACHINE_PAGE, 0, 0), -EINVAL);
    EXPECT_EQ(linux_mremap(at_page(0), MACHINE_PAGE, 4ull * MACHINE_PAGE,
                           MREMAP_MAYMOVE | MREMAP_FIXED, at_page(8)),
              -EINVAL);
    check(w.self->mm);
    end();
}

/* Another thread of the guest: until it is told to end. */
struct other {
    struct mm *mm;
    uint32_t stop, done; /* atomic */
};

static void split_and_join(void *argument)
{
    struct other *other = argument;
    uint64_t size_bytes = (uint64_t)MACHINE_PAGE;
    while (__atomic_load_n(&other->stop, __ATOMIC_ACQUIRE) == 0) {
        (void)mm_protect(other->mm, at_page(3), size_bytes, PROT_NONE);
        (void)mm_protect(other->mm, at_page(3), size_bytes, PROT_READ);
    }
    __atomic_store_n(&other->done, 1, __ATOMIC_RELEASE);
    machine_wake(&other->done, 1);
    vcpu_exit();
}

/* What a mapping that may be written shows is there, whatever becomes of the file. */
static void map_and_look(void *argument)
{
    struct other *other = argument;
    const struct mm_request request = file_request(8, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    while (__atomic_load_n(&other->stop, __ATOMIC_ACQUIRE) == 0) {
        uint32_t word;
        EXPECT_EQ(mm_map(other->mm, &request), (int64_t)request.address);
        for (unsigned i = 8; i < 12; i++) {
            rt_lock(&other->mm->lock);
            bool own = mm_find(other->mm, at_page(i))->own;
            rt_unlock(&other->mm->lock);
            if (own)
                EXPECT_EQ(host_guest_read(other->mm->space, &word, at_page(i), sizeof(word)), 0);
        }
    }
    __atomic_store_n(&other->done, 1, __ATOMIC_RELEASE);
    machine_wake(&other->done, 1);
    vcpu_exit();
}

/* The file ends and begins again; what its mappings show when it has ended. */
static void truncate_beside(void (*run)(void *), unsigned rounds)
{
    const struct mm_request request = file_request(0, 8, PROT_READ, MAP_SHARED);
    struct other other = { .mm = w.self->mm };
    struct vcpu *vcpu;
    EXPECT_EQ(vcpu_create(run, &other, NULL, &vcpu), 0);
    vcpu_start(vcpu);
    for (unsigned i = 0; i < rounds && !test_has_failed(); i++) {
        uint32_t word;
        set_length(FILE_PAGES);
        EXPECT_EQ(mm_map(w.self->mm, &request), (int64_t)request.address);
        set_length(0);
        for (unsigned page = 0; page < 8; page++)
            EXPECT(host_guest_read(w.self->mm->space, &word, at_page(page), sizeof(word)) != 0);
    }
    __atomic_store_n(&other.stop, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&other.done, __ATOMIC_ACQUIRE) == 0)
        machine_wait(&other.done, 0, MACHINE_NEVER);
    host_wait_for_threads();
}

TEST(a_truncation_finds_areas_that_are_split_and_joined_meanwhile)
{
    begin(1);
    truncate_beside(split_and_join, 20000);
    end();
}

TEST(a_truncation_leaves_pages_that_become_own_meanwhile)
{
    begin(1);
    truncate_beside(map_and_look, 20000);
    end();
}
