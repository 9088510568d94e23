/* The page tables that the kernel is entered with. */
#pragma once

#include <boot/alloc.h>
#include <boot/arch.h>

struct page_tables {
    struct boot_platform *platform;
    uint64_t *root_low;
    uint64_t *root_high; /* the same where arch_root_shared */
    uint8_t *spare;      /* pages not yet used for a table */
    size_t spare_count;
};

/* Ends the loader if memory is out, as does page_map(). */
void page_tables_init(struct page_tables *tables, struct boot_platform *platform);

/* Map with the largest pages that fit, up to `level_max`. All is page aligned, and not mapped yet.
 */
void page_map(struct page_tables *tables, uint64_t address, uint64_t physical, uint64_t size_bytes,
              unsigned flags, unsigned level_max);
