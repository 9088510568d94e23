/* Flat programs: user programs as plain bytes, linked by build/flat.ld at a fixed address and
 * embedded in the kernel. The kernel parses no executable format; the header below is written by
 * the linker script.
 */
#pragma once

#include <kernel/vspace.h>

#define FLAT_MAGIC 0x0054414c464d4854 /* "THMFLAT" */

struct flat_header {
    uint64_t magic;
    uint64_t base;       /* virtual address of this header */
    uint64_t entry;      /* virtual address */
    uint64_t text_bytes; /* header, code and constants: read and execute; page multiple */
    uint64_t data_bytes; /* initialised data: read and write; page multiple */
    uint64_t bss_bytes;  /* zeroed, after the data; page multiple */
};

/* Map a private copy of the program into an address space. */
enum status flat_load(struct vspace *vspace, const struct flat_header *image);
