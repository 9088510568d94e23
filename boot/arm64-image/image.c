/* aarch64 without UEFI: the front end behind entry.S. All it knows comes from the device tree. */

#include <base/bytes.h>
#include <boot/direct.h>
#include <boot/fdt.h>

extern const char loader_start[], loader_end[];

NORETURN void start(uint64_t tree_address);

enum { TREE_BYTES_MAX = 2 << 20, GIB_SHIFT = 30 };

enum { PL011_DATA = 0, PL011_FLAGS = 0x18, PL011_FLAG_FULL = 0x20, PL011_WAIT_TURNS = 1000000 };

static struct direct direct;
static struct fdt_info tree;

/* entry.S maps devices below the loader's own gigabyte only. */
static volatile uint32_t *device_register(uint64_t base, uint32_t offset)
{
    if (base == 0 || base >> GIB_SHIFT >= (uint64_t)(uintptr_t)loader_start >> GIB_SHIFT)
        return NULL;
    return (volatile uint32_t *)(uintptr_t)(base + offset);
}

static void pl011_byte(uint8_t byte)
{
    volatile uint32_t *flags = device_register(tree.pl011, PL011_FLAGS);
    volatile uint32_t *data = device_register(tree.pl011, PL011_DATA);

    if (flags == NULL || data == NULL)
        return;
    for (unsigned turn = 0; turn < PL011_WAIT_TURNS; turn++) {
        if ((*flags & PL011_FLAG_FULL) == 0)
            break;
    }
    *data = byte;
}

/* The monitor leaves the port as it uses it: no set-up is needed to send. */
static void pl011_put(struct boot_platform *platform, char c)
{
    (void)platform;
    if (c == '\n')
        pl011_byte('\r');
    pl011_byte((uint8_t)c);
}

static void read_clock(struct boot_platform *platform)
{
    const volatile uint32_t *seconds = device_register(tree.pl031, 0);
    if (seconds == NULL)
        return;
    platform->boot_time_s = *seconds;
    platform->boot_time_known = true;
}

/* Without a tree there is not even a console to say so on. */
static void read_tree(struct boot_platform *platform, uint64_t address)
{
    const void *blob = (const void *)(uintptr_t)address;
    size_t size_bytes;

    if (address == 0 || address >= platform->identity_limit - TREE_BYTES_MAX ||
        fdt_size(blob, TREE_BYTES_MAX, &size_bytes) != OK || size_bytes > TREE_BYTES_MAX)
        boot_fail("there is no device tree");
    if (fdt_read(blob, size_bytes, &tree) != OK)
        boot_fail("the device tree is malformed");
    platform->dtb = address;
    platform->dtb_size_bytes = size_bytes;
    direct_set_cmdline(&direct, tree.cmdline, tree.cmdline_cut);
}

void start(uint64_t tree_address)
{
    struct boot_platform *platform = &direct.platform;
    uint64_t base = (uint64_t)(uintptr_t)loader_start;

    platform->put = pl011_put;
    platform->identity_limit = UINT64_C(1) << 39; /* what entry.S maps */
    platform->firmware_type = BOOT_FIRMWARE_NONE;
    boot_console_init(platform);
    read_tree(platform, tree_address);
    read_clock(platform);

    direct_init(&direct);
    direct_add_range(&direct, base, (uint64_t)(uintptr_t)loader_end - base,
                     LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    direct_add_range(&direct, tree_address, platform->dtb_size_bytes,
                     LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    for (size_t i = 0; i < tree.map.count; i++)
        direct_add_range(&direct, tree.map.range[i].base, tree.map.range[i].size_bytes,
                         tree.map.range[i].type);
    direct_add_part(&direct, (const void *)(uintptr_t)tree.initrd, tree.initrd_bytes, NULL);
    direct_main(&direct);
}
