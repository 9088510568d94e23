/* The part that all front ends without a firmware's file system share: a boot volume made of
 * archives in memory, and pages out of a memory map.
 */
#pragma once

#include <boot/map.h>
#include <boot/platform.h>

/* A cpio archive, or (with a name) one file. */
struct direct_part {
    const void *data;
    uint64_t size_bytes;
    const char *name;
};

enum { DIRECT_PART_MAX = 32 };

struct direct {
    struct boot_platform platform; /* first */
    struct boot_map map;           /* what the machine has; the front end adds */
    size_t part_count;
    struct direct_part part[DIRECT_PART_MAX]; /* later ones hide files of earlier ones */
};

/* Set the platform's calls; the front end sets facts and `put`. */
void direct_init(struct direct *direct);
/* Add a part of the boot volume: the memory that it lies in is kept until the kernel reclaims it. A
 * part that is no archive needs a name that begins with '/'.
 */
void direct_add_part(struct direct *direct, const void *data, uint64_t size_bytes,
                     const char *name);
/* Take over the monitor's command line, or end the loader if only its beginning is known. */
void direct_set_cmdline(struct direct *direct, const char *cmdline, bool cut);
/* Add to the map, or end the loader. */
void direct_add_range(struct direct *direct, uint64_t base, uint64_t size_bytes, uint64_t type);
/* Boot. */
NORETURN void direct_main(struct direct *direct);

/* The archive that is linked into the loader; empty if there is none. */
extern const char direct_bundle[], direct_bundle_end[];
