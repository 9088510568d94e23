/* What the loader's core needs from the way it was started: the front end's side of the contract.
 *
 * A front end (PVH, Multiboot2, arm64 Image, UEFI) fills one struct boot_platform and calls
 * boot_main(), which never returns. The core runs on one CPU, identity mapped, 64-bit, interrupts
 * masked or the firmware's own business, and touches no memory that it did not get from here.
 *
 * Order of calls: put at any time; then read_file, alloc_pages and memory_map in any order; then
 * exit_firmware exactly once; after that only put. Physical addresses are plain numbers, and equal
 * to pointers as long as the core runs.
 */
#pragma once

#include <base/compiler.h>
#include <base/status.h>
#include <limine.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_PAGE_SIZE 4096u

/* More ranges than this is a malformed map (firmware maps have up to some two hundred). */
enum { BOOT_RANGE_MAX = 512 };

struct boot_range {
    uint64_t base;
    uint64_t size_bytes;
    uint64_t type; /* LIMINE_MEMMAP_* */
};

/* About 12 KiB: keep it in static memory, not on a stack. */
struct boot_map {
    size_t count;
    struct boot_range range[BOOT_RANGE_MAX];
};

/* A file in memory of its own: page aligned, tracked, followed by zeroes up to the page's end. */
struct boot_file {
    void *data;
    uint64_t size_bytes;
};

#define BOOT_FIRMWARE_NONE UINT64_MAX /* a machine without firmware: no response */

struct boot_platform {
    /* Facts: zero or NULL where there is none. Addresses are physical. */
    uint64_t firmware_type; /* LIMINE_FIRMWARE_TYPE_* or BOOT_FIRMWARE_NONE */
    uint64_t rsdp;
    uint64_t dtb; /* a whole, checked blob in memory that lives until the core has copied it */
    uint64_t dtb_size_bytes;
    uint64_t smbios_32;
    uint64_t smbios_64;
    uint64_t efi_system_table;
    bool boot_time_known;
    int64_t boot_time_s; /* UNIX time */
    const char *cmdline; /* of the front end; appended to the kernel's. May be NULL */
    bool framebuffer_present;
    struct limine_framebuffer framebuffer; /* .address is physical */
    uint64_t identity_limit;               /* the core may touch memory below; 0: any */

    /* Write one character to the console ('\n' alone ends a line: the front end adds '\r'). */
    void (*put)(struct boot_platform *platform, char c);

    /* Find free pages that end at or below `limit` (0: anywhere below identity_limit) and keep
     * them. 0 if there are none. The core calls it through boot_alloc(), which remembers the type.
     * Never returns page 0.
     */
    uint64_t (*alloc_pages)(struct boot_platform *platform, uint64_t page_count, uint64_t limit);

    /* Read a whole file of the boot volume. `path` begins with '/', has '/' between names and is
     * compared without regard to case. The front end takes memory with boot_alloc(..., type).
     * ERR_NOT_FOUND if there is none such, ERR_NO_MEMORY, ERR_DEVICE if it cannot be read.
     */
    enum status (*read_file)(struct boot_platform *platform, const char *path, uint64_t type,
                             struct boot_file *file_out);

    /* All memory as firmware sees it now, in any order; pages the core holds may have any type,
     * since the core lays its own record over the result. Memory that the front end itself lives in
     * is LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE. Fill through boot_map_add().
     */
    enum status (*memory_map)(struct boot_platform *platform, struct boot_map *map_out);

    /* The firmware ends here (UEFI: ExitBootServices); give the final map. */
    enum status (*exit_firmware)(struct boot_platform *platform, struct boot_map *map_out);
};

/* Boot by the platform's limine.conf. Every failure is one line "themelios-boot: ..." and the end.
 */
NORETURN void boot_main(struct boot_platform *platform);

/* Pages for `size_bytes` (not 0), not zeroed. The core's record gives them `type` in the
 * final memory map. ERR_NO_MEMORY if there are none.
 */
enum status boot_alloc(struct boot_platform *platform, uint64_t size_bytes, uint64_t type,
                       void **memory_out);
/* The same, ending at or below `limit`. */
enum status boot_alloc_below(struct boot_platform *platform, uint64_t size_bytes, uint64_t type,
                             uint64_t limit, void **memory_out);

/* Append a range to a map. ERR_RANGE if base + size_bytes overflows, ERR_LIMIT if the map is full;
 * empty ranges are dropped.
 */
enum status boot_map_add(struct boot_map *map, uint64_t base, uint64_t size_bytes, uint64_t type);

/* Say why (printf's %s %c %u %lu %x %lx %%), and stop all. Also for the front ends. */
NORETURN void boot_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* boot_fail() needs a console before boot_main() ran: set it as early as possible. */
void boot_console_init(struct boot_platform *platform);

/* Equal without regard to the case of ASCII letters; runs of '/' count as one. */
bool boot_path_equal(const char *a, const char *b);
