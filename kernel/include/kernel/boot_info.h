/* What the boot loader told us, copied out of its memory, checked, and independent of its protocol.
 * Filled by kernel/init/limine.c before anything else runs.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>
#include <kernel/cpu.h>

enum { BOOT_REGION_MAX = 256, BOOT_MODULE_MAX = 16, BOOT_CMDLINE_MAX = 1024, BOOT_NAME_MAX = 128 };

enum boot_region_kind {
    BOOT_REGION_USABLE,
    BOOT_REGION_LOADER,   /* becomes usable when nothing of the loader is in use any more */
    BOOT_REGION_IMAGE,    /* the kernel and modules */
    BOOT_REGION_FIRMWARE, /* ACPI tables: RAM, in the direct map, never reused */
    BOOT_REGION_FRAMEBUFFER,
    BOOT_REGION_RESERVED,
};

/* Page aligned; usable ones rounded inwards, the others outwards; sorted; usable and loader regions
 * overlap nothing.
 */
struct boot_region {
    uint64_t base;
    uint64_t size_bytes;
    enum boot_region_kind kind;
};

/* RAM that is, or will be, the frame allocator's. */
static inline bool boot_region_is_free(const struct boot_region *region)
{
    return region->kind == BOOT_REGION_USABLE || region->kind == BOOT_REGION_LOADER;
}

struct boot_module {
    paddr_t base; /* page aligned */
    uint64_t size_bytes;
    char path[BOOT_NAME_MAX];
};

/* A CPU that waits in the loader. */
struct boot_cpu {
    uint64_t hardware_id;
    void *loader_cpu; /* for the architecture's arch_cpu_release; NULL for the boot CPU */
};

struct boot_info {
    struct boot_region region[BOOT_REGION_MAX];
    size_t region_count;
    struct boot_module module[BOOT_MODULE_MAX];
    size_t module_count;
    struct boot_cpu cpu[CPU_MAX]; /* [0] is the boot CPU */
    size_t cpu_count;
    size_t parked_count; /* CPUs beyond CPU_MAX: they stay in the loader's memory for good */
    bool x2apic;
    paddr_t image_base; /* where the kernel image lies */
    uint64_t image_virtual;
    paddr_t rsdp;         /* 0: none */
    const void *dtb;      /* in the direct map, or NULL */
    int64_t boot_time_s;  /* UNIX time */
    const char *firmware; /* "bios", "uefi", "none" */
    char loader[BOOT_NAME_MAX];
    char cmdline[BOOT_CMDLINE_MAX];
};

extern struct boot_info boot_info;

/* Read the loader's responses. On failure the text says what was missing. */
enum status boot_info_init(const char **problem_out);
