/* Between the files of mm/. */
#pragma once

#include <base/compiler.h>
#include <linux/machine.h>
#include <linux/mm.h>

enum {
    AREA_MAX = 65530,      /* as vm.max_map_count */
    OWN_BYTES = 64 * 1024, /* made a process's own at a time */
    FILE_BYTES = 2 << 20,  /* of a file shown at a time, by a fault */
    SHOW_RUNS = 32,        /* rows of a file shown when it is mapped */
    SIGKILL_STATUS = 9,
    EAGER_BYTES = 4 << 20, /* of a shared file that may be written, or a private one to be owned */
};
#define MMAP_LOWEST ((uint64_t)0x10000) /* vm.mmap_min_addr */

static inline uint64_t page_down(uint64_t at)
{
    return ALIGN_DOWN(at, (uint64_t)MACHINE_PAGE);
}

static inline uint64_t page_up(uint64_t at)
{
    return ALIGN_UP(at, (uint64_t)MACHINE_PAGE);
}

static inline bool area_shared(const struct area *area)
{
    return (area->flags & MAP_TYPE) == MAP_SHARED;
}

/* It shows pages of its file. */
static inline bool area_shows_file(const struct area *area)
{
    return area->file != NULL && !area->own;
}

/* Whole pages below GUEST_END, at least one. */
static inline bool range_ok(uint64_t address, uint64_t size_bytes)
{
    return address % MACHINE_PAGE == 0 && size_bytes % MACHINE_PAGE == 0 && size_bytes != 0 &&
           address <= GUEST_END && size_bytes <= GUEST_END - address;
}

/* ---- area.c: all with the mm's lock ---- */

struct area *area_of(struct tree_node *node);
/* An area that is in no tree yet, like `like`, with references of its own; NULL: no memory. */
struct area *area_create(struct mm *mm, const struct area *like);
void area_insert(struct area *area);
/* Out of the tree, and its references. */
void area_free(struct area *area);
/* No area reaches across `at` afterwards; -ENOMEM. */
int area_split(struct mm *mm, uint64_t at);
/* Join it with its neighbours where that changes nothing. The area that it is part of now. */
struct area *area_merge(struct area *area);
/* It shows its own pages from now on, not its file's, whose list of mappings it leaves in the same
 * moment: a truncation takes the file's pages away, and never its own. */
int area_become_own(struct area *area);
/* Bytes of [start, end) in areas. */
uint64_t areas_bytes(struct mm *mm, uint64_t start, uint64_t end);
bool areas_cover(struct mm *mm, uint64_t start, uint64_t end);
/* Books: size_bytes more, or less, of what the area is. */
void area_count_bytes(const struct area *area, uint64_t size_bytes, bool more);
/* The lock of a node's list of mappings. */
struct rt_lock *mapping_lock(const struct node *node);
/* [start, end) is free. */
bool space_free(struct mm *mm, uint64_t start, uint64_t end);
/* Room for so many bytes, highest first below `top`; 0: none. */
uint64_t space_find(struct mm *mm, uint64_t size_bytes, uint64_t lowest, uint64_t top);

/* ---- show.c: what the guest sees ---- */

/* MACHINE_ rights for a page of an area, where the last access was to write or to execute. */
uint32_t access_of_area(const struct area *area, bool execute);
/* Map the part of an area that is its own, or a Memory. */
int area_show(struct area *area, uint64_t start, uint64_t end);
/* Map what the file has there, from `start` on: up to `runs` rows of pages. 0 also if the file ends
 * before; the rest is left to faults. */
int area_show_file(struct area *area, uint64_t start, uint64_t end, unsigned runs);
/* Make the pages of a private file area its own, with the file's contents. The area is split. */
int area_own(struct mm *mm, uint64_t start, uint64_t end);
/* Contents of a file area, without mapping them: zero behind the file's end. */
int area_read_file(const struct area *area, uint64_t at, void *to, uint64_t size_bytes);

/* ---- map.c ---- */

/* The mm's own pages of the range are zero again; or (there is no memory for it) the caller's
 * process ends. */
void mm_clear(struct mm *mm, uint64_t start, uint64_t end);
int unmap_locked(struct mm *mm, uint64_t start, uint64_t end);
int protect_locked(struct mm *mm, uint64_t start, uint64_t end, uint32_t protection);
int64_t map_locked(struct mm *mm, uint64_t address, uint64_t size_bytes, const struct area *like,
                   uint32_t map_flags);
/* May it grow by so much? 0 or -ENOMEM: RLIMIT_AS, RLIMIT_DATA. */
int check_limits(const struct mm *mm, const struct area *like, uint64_t size_bytes);

uint64_t mm_serial_next(void);
