/* The boot information of Multiboot2 (specification 2.0, section 3.6): a size, then tags, taken
 * apart as plain bytes.
 */
#pragma once

#include <base/status.h>
#include <boot/map.h>

enum { MULTIBOOT2_MODULE_MAX = 16, MULTIBOOT2_TEXT_MAX = 256, MULTIBOOT2_CMDLINE_MAX = 1024 };

struct multiboot2_module {
    uint64_t base;
    uint64_t size_bytes;
    char name[MULTIBOOT2_TEXT_MAX]; /* first word of its command line; may be empty */
};

struct multiboot2_info {
    size_t module_count;
    struct multiboot2_module module[MULTIBOOT2_MODULE_MAX];
    char cmdline[MULTIBOOT2_CMDLINE_MAX];
    bool cmdline_cut; /* it is longer */
    const void *rsdp; /* a copy of the table inside the information; NULL if there is none */
    bool framebuffer_present;
    struct limine_framebuffer framebuffer; /* .address is physical */
    struct boot_map map;
};

/* `bytes` is the information, which begins with its own size: at most `size_bytes`. ERR_FORMAT,
 * ERR_TRUNCATED, or ERR_NOT_FOUND if it has no memory map.
 */
enum status multiboot2_parse(const void *bytes, size_t size_bytes,
                             struct multiboot2_info *info_out);
