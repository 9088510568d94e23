/* Mapping, unmapping, protecting; the life of an address space. */
#include "mm_impl.h"
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/node.h>
#include <linux/task.h>

/* ---- Unmapping ---- */

/* What stays would be seen by who maps something there next: so nobody goes on with this memory,
 * which is given back as a whole when its process has ended. */
void mm_clear(struct mm *mm, uint64_t start, uint64_t end)
{
    const struct task *self = task_self();
    if (memory_clear(mm->anonymous, start, end - start) == 0)
        return;
    if (self == NULL)
        machine_panic("memory could not be given back");
    machine_log("no memory to give memory back: process %d is ended", self->process->pid);
    process_kill(self->process, SIGKILL_STATUS);
}

/* What only this address space has there is given back. */
static void forget_pages(struct mm *mm, uint64_t start, uint64_t end)
{
    for (struct area *area = mm_find_above(mm, start); area != NULL && area->start < end;
         area = area_next(area)) {
        uint64_t from = MAX(start, area->start);
        if (area->own && !area->copied)
            mm_clear(mm, from, MIN(end, area->end));
    }
}

/* First everything that can fail. */
int unmap_locked(struct mm *mm, uint64_t start, uint64_t end)
{
    if (space_free(mm, start, end))
        return 0;
    int error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    if (error == 0)
        error = guest_space_unmap(mm->space, start, end - start);
    if (error != 0)
        return error;
    forget_pages(mm, start, end);
    for (struct area *area = mm_find_above(mm, start); area != NULL && area->start < end;) {
        struct area *next = area_next(area);
        area_free(area);
        area = next;
    }
    return 0;
}

int mm_unmap(struct mm *mm, uint64_t address, uint64_t size_bytes)
{
    if (address % MACHINE_PAGE != 0 || size_bytes == 0 || size_bytes > GUEST_END ||
        !range_ok(address, page_up(size_bytes)))
        return -EINVAL;
    rt_lock(&mm->lock);
    int error = unmap_locked(mm, address, address + page_up(size_bytes));
    rt_unlock(&mm->lock);
    return error;
}

/* ---- Mapping ---- */

int check_limits(const struct mm *mm, const struct area *like, uint64_t size_bytes)
{
    if (size_bytes > resource_limit(RLIMIT_AS) ||
        mm->total_bytes > resource_limit(RLIMIT_AS) - size_bytes)
        return -ENOMEM;
    bool data = !area_shared(like) && (like->protection & PROT_WRITE) != 0 &&
                (like->flags & MAP_GROWSDOWN) == 0;
    uint64_t limit = resource_limit(RLIMIT_DATA);
    if (data && (size_bytes > limit || mm->data_bytes > limit - size_bytes))
        return -ENOMEM;
    return 0;
}

/* Where mmap puts it: as asked if it has to be or may be, else as high as there is room. */
static int64_t choose(struct mm *mm, uint64_t address, uint64_t size_bytes, uint32_t map_flags)
{
    if ((map_flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
        if (!range_ok(address, size_bytes))
            return address % MACHINE_PAGE != 0 ? -EINVAL : -ENOMEM;
        if (address < MMAP_LOWEST)
            return -EPERM;
        bool free = space_free(mm, address, address + size_bytes);
        return (map_flags & MAP_FIXED_NOREPLACE) != 0 && !free ? -EEXIST : (int64_t)address;
    }
    address = page_down(address);
    if (address >= MMAP_LOWEST && range_ok(address, size_bytes) &&
        space_free(mm, address, address + size_bytes))
        return (int64_t)address;
    uint64_t top = (map_flags & MAP_32BIT) != 0 ? (uint64_t)1 << 31 : mm->mmap_top;
    uint64_t at = space_find(mm, size_bytes, MMAP_LOWEST, top);
    if (at == 0 && (map_flags & MAP_32BIT) == 0)
        at = space_find(mm, size_bytes, MMAP_LOWEST, GUEST_END);
    return at == 0 ? -ENOMEM : (int64_t)at;
}

/* What is shown at once, so that faults of the personality's own are rare; the rest is left to
 * mm_fault. */
static int show_file_first(struct area *area)
{
    struct mm *mm = area->mm;
    uint64_t start = area->start;
    uint64_t size_bytes = area->end - start;
    bool write = (area->protection & PROT_WRITE) != 0;
    if (area->file->node == NULL || size_bytes > EAGER_BYTES)
        __atomic_store_n(&mm->lazy, true, __ATOMIC_RELAXED);
    if (write && !area_shared(area) && area->file->node != NULL && size_bytes <= EAGER_BYTES) {
        uint64_t end = area->end;
        int error = area_show_file(area, start, end, 1); /* can it be mapped at all? */
        return error != 0 ? error : area_own(mm, start, end);
    }
    bool makes = area_shared(area) && file_writable(area->file);
    uint64_t end = makes ? MIN(area->end, start + EAGER_BYTES) : area->end;
    return area_show_file(area, start, end, SHOW_RUNS);
}

static int show_first(struct area *area)
{
    if (area_shows_file(area))
        return show_file_first(area);
    return area_show(area, area->start, area->end);
}

/* With `like` for everything but the place. */
int64_t map_locked(struct mm *mm, uint64_t address, uint64_t size_bytes, const struct area *like,
                   uint32_t map_flags)
{
    int64_t at = choose(mm, address, size_bytes, map_flags);
    if (at < 0)
        return at;
    uint64_t start = (uint64_t)at;
    uint64_t replaced = areas_bytes(mm, start, start + size_bytes);
    int error = check_limits(mm, like, size_bytes - MIN(size_bytes, replaced));
    if (error == 0 && mm->area_count >= AREA_MAX)
        error = -ENOMEM;
    struct area *area = error == 0 ? area_create(mm, like) : NULL;
    if (area == NULL)
        return error != 0 ? error : -ENOMEM;
    area->start = start;
    area->end = start + size_bytes;
    error = unmap_locked(mm, start, start + size_bytes);
    if (error != 0) {
        area_free(area);
        return error;
    }
    area_insert(area);
    error = show_first(area);
    if (error != 0) {
        (void)unmap_locked(mm, start, start + size_bytes);
        return error;
    }
    if (mm_find(mm, start) == area)
        (void)area_merge(area);
    return at;
}

/* What mmap's arguments ask for, as an area without a place. */
static int describe(struct area *like, const struct mm_request *request)
{
    uint32_t type = request->flags & MAP_TYPE;
    struct file *file = request->file;
    if (type == MAP_SHARED_VALIDATE) {
        if ((request->flags & ~MAP_LEGACY) != 0)
            return -EOPNOTSUPP;
        type = MAP_SHARED;
    }
    if (type != MAP_SHARED && type != MAP_PRIVATE)
        return -EINVAL;
    *like = (struct area){
        .protection = request->protection & (PROT_READ | PROT_WRITE | PROT_EXEC),
        .flags = type | (request->flags & (MAP_GROWSDOWN | MAP_NORESERVE | MAP_STACK)),
        .file = file,
        .offset = file == NULL ? 0 : request->offset,
        .own = file == NULL && type == MAP_PRIVATE,
    };
    if ((request->flags & MAP_GROWSDOWN) != 0 && (file != NULL || type == MAP_SHARED))
        return -EINVAL;
    if (file == NULL)
        return 0;
    if (!file_readable(file) ||
        (type == MAP_SHARED && (request->protection & PROT_WRITE) != 0 && !file_writable(file)))
        return -EACCES;
    if (file_is_zero(file)) {
        like->file = NULL;
        like->offset = 0;
        like->own = type == MAP_PRIVATE;
    }
    return 0;
}

int64_t mm_map(struct mm *mm, const struct mm_request *request)
{
    struct area like;
    uint64_t end;
    if (request->size_bytes == 0 || request->offset % MACHINE_PAGE != 0)
        return -EINVAL;
    if (request->size_bytes > GUEST_END)
        return -ENOMEM;
    uint64_t size_bytes = page_up(request->size_bytes);
    if (__builtin_add_overflow(request->offset, size_bytes, &end) || end > INT64_MAX)
        return -EOVERFLOW;
    int error = describe(&like, request);
    if (error == 0 && like.file == NULL && area_shared(&like))
        error = memory_allocate(size_bytes, &like.memory);
    if (error != 0)
        return error;
    rt_lock(&mm->lock);
    like.locked = mm->lock_future || (request->flags & MAP_LOCKED) != 0;
    int64_t at = map_locked(mm, request->address, size_bytes, &like, request->flags);
    rt_unlock(&mm->lock);
    memory_put(like.memory);
    return at;
}

/* ---- Protecting ---- */

static int may_protect(const struct area *area, uint32_t protection)
{
    if (area->fixed_rights && protection != area->protection)
        return -EACCES;
    if ((protection & PROT_WRITE) != 0 && area_shared(area) && area->file != NULL &&
        !file_writable(area->file))
        return -EACCES;
    return 0;
}

/* A file's pages are shown anew with their new rights: those of a private one that may be written
 * now become its own when they are not many. */
static int protect_area(struct area *area, uint32_t protection)
{
    struct mm *mm = area->mm;
    uint64_t start = area->start;
    uint64_t size_bytes = area->end - start;
    bool gains = (protection & ~area->protection & PROT_WRITE) != 0;
    area_count_bytes(area, size_bytes, false);
    area->protection = protection;
    area_count_bytes(area, size_bytes, true);
    int error = guest_space_protect(mm->space, start, size_bytes, access_of_area(area, false));
    if (error != 0 || !area_shows_file(area) || area_shared(area) || !gains)
        return error;
    if (area->file->node != NULL && size_bytes <= EAGER_BYTES)
        return area_own(mm, start, start + size_bytes);
    __atomic_store_n(&mm->lazy, true, __ATOMIC_RELAXED);
    return 0;
}

int protect_locked(struct mm *mm, uint64_t start, uint64_t end, uint32_t protection)
{
    int error = areas_cover(mm, start, end) ? 0 : -ENOMEM;
    for (struct area *area = mm_find_above(mm, start);
         error == 0 && area != NULL && area->start < end; area = area_next(area))
        error = may_protect(area, protection);
    if (error == 0)
        error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    for (uint64_t at = start; error == 0 && at < end;) {
        struct area *area = mm_find(mm, at);
        at = area->end;
        if (area->protection != protection)
            error = protect_area(area, protection);
    }
    struct area *area = mm_find_above(mm, start);
    while (area != NULL && area->start <= end)
        area = area_next(area_merge(area));
    return error;
}

int mm_protect(struct mm *mm, uint64_t address, uint64_t size_bytes, uint32_t protection)
{
    if (address % MACHINE_PAGE != 0 ||
        (protection & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) != 0)
        return -EINVAL;
    if (size_bytes == 0)
        return 0;
    if (size_bytes > GUEST_END || !range_ok(address, page_up(size_bytes)))
        return -ENOMEM;
    rt_lock(&mm->lock);
    int error = protect_locked(mm, address, address + page_up(size_bytes),
                               protection & (PROT_READ | PROT_WRITE | PROT_EXEC));
    rt_unlock(&mm->lock);
    return error;
}

/* ---- Life ---- */

uint64_t mm_serial_next(void)
{
    static uint64_t last; /* atomic */
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

int mm_create(struct mm **mm_out)
{
    struct mm *mm = heap_alloc(sizeof(*mm));
    if (mm == NULL)
        return -ENOMEM;
    mm->references = 1;
    mm->serial = mm_serial_next();
    mm->mmap_top = GUEST_END - MACHINE_PAGE;
    tree_init(&mm->areas);
    int error = memory_allocate(GUEST_END, &mm->anonymous);
    if (error == 0)
        error = guest_space_create(&mm->space);
    if (error != 0) {
        memory_put(mm->anonymous);
        heap_free(mm);
        return error;
    }
    *mm_out = mm;
    return 0;
}

struct mm *mm_get(struct mm *mm)
{
    (void)__atomic_fetch_add(&mm->references, 1, __ATOMIC_RELAXED);
    return mm;
}

void mm_put(struct mm *mm)
{
    if (mm == NULL || __atomic_sub_fetch(&mm->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    while (tree_first(&mm->areas) != NULL)
        area_free(area_of(tree_first(&mm->areas)));
    if (mm->space != NULL)
        guest_space_destroy(mm->space);
    memory_put(mm->anonymous);
    file_put(mm->executable);
    heap_free(mm);
}
