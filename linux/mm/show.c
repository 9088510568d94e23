/* What the guest sees of an area. */
#include "mm_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/node.h>

/* Never writable and executable at once: a page that is to be both takes turns, by faults. */
uint32_t access_of_area(const struct area *area, bool execute)
{
    uint32_t access = 0;
    bool write = (area->protection & PROT_WRITE) != 0 &&
                 (area->own || area_shared(area) || area->file == NULL);
    bool run = (area->protection & PROT_EXEC) != 0;
    if ((area->protection & (PROT_READ | PROT_WRITE | PROT_EXEC)) != 0)
        access = MACHINE_READ;
    if (write && run)
        access |= execute ? MACHINE_EXECUTE : MACHINE_WRITE;
    else
        access |= (write ? MACHINE_WRITE : 0) | (run ? MACHINE_EXECUTE : 0);
    return area_shared(area) || area_shows_file(area) ? access | MACHINE_SHARED : access;
}

int area_show(struct area *area, uint64_t start, uint64_t end)
{
    struct mm *mm = area->mm;
    if (area->memory != NULL)
        return guest_space_map(mm->space, start, area->memory, area->offset + (start - area->start),
                               end - start, access_of_area(area, false));
    return guest_space_map(mm->space, start, mm->anonymous, start, end - start,
                           access_of_area(area, false));
}

static int file_pages(struct file *file, uint64_t offset, bool write, struct memory **memory_out,
                      uint64_t *offset_out, uint64_t *bytes_out)
{
    if (file->ops->pages != NULL)
        return file->ops->pages(file, offset, write, memory_out, offset_out, bytes_out);
    if (file->node == NULL || file->node->ops->pages == NULL)
        return -ENODEV;
    return file->node->ops->pages(file->node, offset, write, memory_out, offset_out, bytes_out);
}

/* Shared, and may become writable: then its pages have to be there. */
static bool wants_pages(const struct area *area)
{
    return area_shared(area) && file_writable(area->file);
}

/* One row, with the lock of the node's mappings: between the look and the mapping nobody takes the
 * pages away. Its bytes, 0 at the end of the file, or an error. */
static int64_t show_row(struct area *area, uint64_t at, uint64_t end)
{
    struct memory *memory;
    uint64_t offset;
    uint64_t bytes = 0;
    int error = file_pages(area->file, area->offset + (at - area->start), wants_pages(area),
                           &memory, &offset, &bytes);
    if (error != 0 || bytes == 0)
        return error;
    bytes = MIN(page_up(bytes), end - at);
    error =
        guest_space_map(area->mm->space, at, memory, offset, bytes, access_of_area(area, false));
    memory_put(memory);
    return error != 0 ? error : (int64_t)bytes;
}

static int64_t show_row_locked(struct area *area, uint64_t at, uint64_t end)
{
    if (area->file->node == NULL)
        return show_row(area, at, end);
    struct rt_lock *lock = mapping_lock(area->file->node);
    rt_lock(lock);
    int64_t bytes = show_row(area, at, end);
    rt_unlock(lock);
    return bytes;
}

int area_show_file(struct area *area, uint64_t start, uint64_t end, unsigned runs)
{
    while (start < end && runs-- > 0) {
        int64_t bytes = show_row_locked(area, start, end);
        if (bytes <= 0)
            return (int)bytes;
        start += (uint64_t)bytes;
    }
    return 0;
}

/* ---- Own pages ---- */

/* The part of a file that the range shows, and zeroes behind its end. */
int area_read_file(const struct area *area, uint64_t at, void *to, uint64_t size_bytes)
{
    uint64_t position = area->offset + (at - area->start);
    int64_t got = node_read(area->file->node, to, size_bytes, position);
    if (got < 0)
        return (int)got;
    memset((char *)to + got, 0, size_bytes - (uint64_t)got);
    return 0;
}

/* Where the file has no page, not even a part of one, the area stays as it is: an access there is
 * an error. */
static int file_end_in(const struct area *area, uint64_t start, uint64_t *end)
{
    struct node_attributes attributes;
    int error = node_attributes(area->file->node, &attributes);
    if (error != 0)
        return error;
    uint64_t from = area->offset + (start - area->start);
    uint64_t there = attributes.size_bytes > from ? page_up(attributes.size_bytes - from) : 0;
    *end = MIN(*end, start + there);
    return 0;
}

/* Written through a window of ours, so that no thread of the guest sees a page before it is
 * filled. */
static int fill_own(const struct area *area, uint64_t start, uint64_t end)
{
    struct mm *mm = area->mm;
    void *window;
    int error = memory_commit(mm->anonymous, start, end - start);
    if (error != 0)
        return error;
    error = machine_map(mm->anonymous, start, end - start,
                        MACHINE_READ | MACHINE_WRITE | MACHINE_FILL, &window);
    if (error != 0)
        return error;
    error = area_read_file(area, start, window, end - start);
    machine_unmap(window, end - start);
    return error;
}

/* [start, end) is an area. */
static int own_area(struct area *area)
{
    uint64_t start = area->start;
    uint64_t end = area->end;
    int error = fill_own(area, start, end);
    if (error == 0)
        error = area_become_own(area);
    if (error != 0)
        mm_clear(area->mm, start, end);
    return error;
}

int area_own(struct mm *mm, uint64_t start, uint64_t end)
{
    struct area *area = mm_find(mm, start);
    int error = file_end_in(area, start, &end);
    if (error != 0 || start >= end)
        return error;
    error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    if (error != 0)
        return error;
    area = mm_find(mm, start);
    error = own_area(area);
    if (error == 0)
        (void)area_merge(area);
    return error;
}
