/* Small pieces of reclaimable memory for responses and texts, and the record of all that is held.
 */
#pragma once

#include <boot/platform.h>

struct arena {
    struct boot_platform *platform;
    uint8_t *next;
    uint64_t left_bytes;
};

/* Zeroed, 16-byte aligned; ends the loader if memory is out. */
void *arena_take(struct arena *arena, uint64_t size_bytes);
/* A copy of a string. */
char *arena_text(struct arena *arena, const char *text);

/* Add everything that boot_alloc() gave out to a map. */
enum status boot_alloc_overlay(struct boot_map *map);

/* Empty that record: for a process that boots more than once. */
void boot_alloc_forget(void);
