/* The start info of the PVH protocol (Xen's public/arch-x86/hvm/start_info.h), taken apart without
 * touching anything but the bytes that `view` gives.
 */
#pragma once

#include <base/status.h>
#include <boot/map.h>

struct pvh_module {
    uint64_t base;
    uint64_t size_bytes;
};

enum { PVH_MODULE_MAX = 8, PVH_CMDLINE_MAX = 1024 };

struct pvh_info {
    uint64_t rsdp;
    size_t module_count;
    struct pvh_module module[PVH_MODULE_MAX];
    char cmdline[PVH_CMDLINE_MAX];
    bool cmdline_cut; /* it is longer */
    struct boot_map map;
};

/* Access to physical memory: NULL where there is none. */
typedef const void *pvh_view(void *context, uint64_t physical, uint64_t size_bytes);

/* ERR_FORMAT if it is no start info, ERR_UNSUPPORTED if it has no memory map (version 0). */
enum status pvh_parse(pvh_view *view, void *context, uint64_t physical, struct pvh_info *info_out);
