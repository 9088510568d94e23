/* The front end on a firmware made of a few functions here, which can lie and fail. */
#include "uefi.h"
#include "uefi_cpu.h"

#include <base/string.h>
#include <base/test.h>

enum { POOL_PAGES = 4 };

static uint8_t pool[POOL_PAGES * 4096] ALIGNED(4096);

/* One firmware at a time: tests run one after another. */
static struct {
    struct uefi uefi;
    struct efi_system_table system;
    struct efi_boot_services boot;
    struct efi_runtime_services runtime;
    struct efi_configuration_table tables[2];
    struct efi_text_output text;
    struct efi_graphics_output graphics;
    struct efi_graphics_mode mode;
    struct efi_graphics_mode_info mode_info;
    struct efi_time time;
    struct efi_file root;
    struct efi_file file;
    struct efi_file_info file_info;
    const char *content;
    uint64_t read_at;
    uint64_t read_max; /* one Read gives at most this much */
    bool read_fails;   /* after the first Read */
    unsigned open_files;
    char name[64]; /* asked for last */
    struct efi_memory_descriptor map[9];
    uint64_t map_count;
    uint64_t map_stride; /* descriptor size */
    uint64_t map_status;
    uint64_t map_claims_bytes; /* 0: the truth */
    unsigned exit_refusals;
    unsigned exit_calls;
    uint64_t page_zero_first; /* AllocatePages gives address 0 this often */
    bool masked;
    char screen[128];
    char serial[128];
} fw;

static void append(char *text, size_t size_bytes, char c)
{
    size_t length = strlen(text);
    if (length + 1 < size_bytes) {
        text[length] = c;
        text[length + 1] = '\0';
    }
}

void cpu_mask_interrupts(void)
{
    fw.masked = true;
}

void cpu_serial_init(const struct boot_platform *platform)
{
    (void)platform;
}

void cpu_serial_put(struct boot_platform *platform, char c)
{
    (void)platform;
    append(fw.serial, sizeof(fw.serial), c);
}

static uint64_t fake_output(struct efi_text_output *self, const uint16_t *text)
{
    (void)self;
    for (; *text != 0; text++)
        append(fw.screen, sizeof(fw.screen), (char)*text);
    return EFI_SUCCESS;
}

static uint64_t fake_allocate(enum efi_allocate_type how, enum efi_memory_type type,
                              uint64_t page_count, uint64_t *address_inout)
{
    EXPECT_EQ(type, EFI_LOADER_CODE);
    if (page_count > POOL_PAGES || (how == EFI_ALLOCATE_MAX_ADDRESS && *address_inout < 0xfff))
        return EFI_OUT_OF_RESOURCES;
    if (fw.page_zero_first > 0) {
        fw.page_zero_first--;
        *address_inout = 0;
        return EFI_SUCCESS;
    }
    *address_inout = how == EFI_ALLOCATE_ANY_PAGES ? (uint64_t)(uintptr_t)pool
                                                   : ALIGN_DOWN(*address_inout, 4096);
    return EFI_SUCCESS;
}

static uint64_t fake_get_map(uint64_t *size_inout, struct efi_memory_descriptor *map,
                             uint64_t *key_out, uint64_t *descriptor_size_out,
                             uint32_t *version_out)
{
    uint64_t size_bytes = fw.map_count * fw.map_stride;
    if (fw.map_status != EFI_SUCCESS)
        return fw.map_status;
    if (*size_inout < size_bytes)
        return EFI_BUFFER_TOO_SMALL;
    for (uint64_t i = 0; i < fw.map_count; i++)
        memcpy((uint8_t *)map + i * fw.map_stride, &fw.map[i], sizeof(fw.map[i]));
    *size_inout = fw.map_claims_bytes != 0 ? fw.map_claims_bytes : size_bytes;
    *key_out = 100 + fw.exit_calls;
    *descriptor_size_out = fw.map_stride;
    *version_out = 1;
    return EFI_SUCCESS;
}

static uint64_t fake_exit(void *image, uint64_t key)
{
    (void)image;
    EXPECT_EQ(key, 100 + fw.exit_calls); /* the newest map's */
    fw.exit_calls++;
    if (fw.exit_refusals == 0)
        return EFI_SUCCESS;
    fw.exit_refusals--;
    return EFI_INVALID;
}

static uint64_t fake_locate(const struct efi_guid *protocol, void *registration,
                            void **interface_out)
{
    (void)protocol;
    (void)registration;
    *interface_out = &fw.graphics;
    return fw.graphics.mode != NULL ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static uint64_t fake_get_time(struct efi_time *time_out, void *capabilities)
{
    (void)capabilities;
    *time_out = fw.time;
    return EFI_SUCCESS;
}

static uint64_t fake_open(struct efi_file *self, struct efi_file **file_out, const uint16_t *name,
                          uint64_t mode, uint64_t attributes)
{
    (void)self;
    (void)attributes;
    EXPECT_EQ(mode, EFI_FILE_MODE_READ);
    fw.name[0] = '\0';
    for (; *name != 0; name++)
        append(fw.name, sizeof(fw.name), (char)*name);
    if (fw.content == NULL)
        return EFI_NOT_FOUND;
    fw.open_files++;
    *file_out = &fw.file;
    return EFI_SUCCESS;
}

static uint64_t fake_close(struct efi_file *self)
{
    (void)self;
    fw.open_files--;
    return EFI_SUCCESS;
}

static uint64_t fake_read(struct efi_file *self, uint64_t *size_inout, void *buffer)
{
    (void)self;
    if (fw.read_fails && fw.read_at > 0)
        return EFI_LOAD_ERROR;
    uint64_t left = strlen(fw.content) - fw.read_at;
    uint64_t size_bytes = MIN(MIN(*size_inout, left), fw.read_max);
    memcpy(buffer, fw.content + fw.read_at, size_bytes);
    fw.read_at += size_bytes;
    *size_inout = size_bytes;
    return EFI_SUCCESS;
}

static uint64_t fake_get_info(struct efi_file *self, const struct efi_guid *type,
                              uint64_t *size_inout, void *buffer)
{
    (void)self;
    (void)type;
    memcpy(buffer, &fw.file_info, sizeof(fw.file_info));
    *size_inout = sizeof(fw.file_info);
    return EFI_SUCCESS;
}

static struct boot_platform *firmware_init(void)
{
    memset(&fw, 0, sizeof(fw));
    memset(pool, 0xaa, sizeof(pool)); /* pages are not given out zeroed */
    fw.text.output_string = fake_output;
    fw.system = (struct efi_system_table){
        .con_out = &fw.text, .boot = &fw.boot, .runtime = &fw.runtime, .tables = fw.tables
    };
    fw.boot.allocate_pages = fake_allocate;
    fw.boot.get_memory_map = fake_get_map;
    fw.boot.exit_boot_services = fake_exit;
    fw.boot.locate_protocol = fake_locate;
    fw.runtime.get_time = fake_get_time;
    fw.root.open = fake_open;
    fw.file =
        (struct efi_file){ .close = fake_close, .read = fake_read, .get_info = fake_get_info };
    fw.map_stride = 48; /* as QEMU's firmware: longer than the structure */
    fw.read_max = UINT64_MAX;
    fw.uefi.system = &fw.system;
    fw.uefi.root = &fw.root;
    uefi_console_init(&fw.uefi);
    uefi_memory_init(&fw.uefi);
    uefi_volume_calls(&fw.uefi);
    return &fw.uefi.platform;
}

static void firmware_file(const char *content)
{
    fw.content = content;
    fw.file_info.file_size = strlen(content);
}

static void firmware_memory(enum efi_memory_type type, uint64_t base, uint64_t page_count)
{
    fw.map[fw.map_count++] = (struct efi_memory_descriptor){
        .type = type,
        .physical_start = base,
        .page_count = page_count,
        .attribute = EFI_MEMORY_WB,
    };
}

HOST_TEST(the_console_is_the_firmwares_until_exit)
{
    struct boot_platform *platform = firmware_init();
    struct boot_map map;
    platform->put(platform, 'a');
    platform->put(platform, '\n');
    EXPECT_STR(fw.screen, "a\r\n");

    EXPECT_EQ(platform->exit_firmware(platform, &map), OK);
    platform->put(platform, 'b');
    platform->put(platform, '\n');
    EXPECT_STR(fw.screen, "a\r\n");
    EXPECT_STR(fw.serial, "b\n");
}

HOST_TEST(a_file_is_read_whole_in_any_number_of_pieces)
{
    for (uint64_t read_max = 1; read_max < 8; read_max++) {
        struct boot_platform *platform = firmware_init();
        struct boot_file file = { 0 };
        firmware_file("twelve bytes");
        fw.read_max = read_max;
        REQUIRE(platform->read_file(platform, "/boot//a/b.c", LIMINE_MEMMAP_USABLE, &file) == OK);
        EXPECT_STR(fw.name, "\\boot\\a\\b.c");
        EXPECT_EQ(file.size_bytes, 12);
        EXPECT_STR(file.data, "twelve bytes"); /* so it is followed by a zero */
        EXPECT_EQ(((uint8_t *)file.data)[4095], 0);
        EXPECT_EQ(fw.open_files, 0);
    }
}

HOST_TEST(a_file_that_cannot_be_read_is_an_error)
{
    struct boot_file file;
    struct boot_platform *platform = firmware_init();
    EXPECT_EQ(platform->read_file(platform, "/none", LIMINE_MEMMAP_USABLE, &file), ERR_NOT_FOUND);

    firmware_file("shorter than promised");
    fw.file_info.file_size++;
    EXPECT_EQ(platform->read_file(platform, "/short", LIMINE_MEMMAP_USABLE, &file), ERR_DEVICE);

    platform = firmware_init();
    firmware_file("broken in the middle");
    fw.read_max = 4;
    fw.read_fails = true;
    EXPECT_EQ(platform->read_file(platform, "/broken", LIMINE_MEMMAP_USABLE, &file), ERR_DEVICE);

    platform = firmware_init();
    firmware_file("a directory");
    fw.file_info.attribute = EFI_FILE_DIRECTORY_FLAG;
    EXPECT_EQ(platform->read_file(platform, "/boot", LIMINE_MEMMAP_USABLE, &file), ERR_NOT_FOUND);

    platform = firmware_init();
    firmware_file("larger than memory");
    fw.file_info.file_size = POOL_PAGES * 4096 + 1;
    EXPECT_EQ(platform->read_file(platform, "/large", LIMINE_MEMMAP_USABLE, &file), ERR_NO_MEMORY);
    fw.file_info.file_size = UINT64_MAX;
    EXPECT_EQ(platform->read_file(platform, "/huge", LIMINE_MEMMAP_USABLE, &file), ERR_DEVICE);
    EXPECT_EQ(fw.open_files, 0);

    char path[300];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    EXPECT_EQ(platform->read_file(platform, path, LIMINE_MEMMAP_USABLE, &file), ERR_RANGE);
}

HOST_TEST(page_zero_is_never_given_out)
{
    struct boot_platform *platform = firmware_init();
    fw.page_zero_first = 1;
    EXPECT_EQ(platform->alloc_pages(platform, 1, 0x100000), 0xff000);
    fw.page_zero_first = 2;
    EXPECT_EQ(platform->alloc_pages(platform, 1, 0x100000), 0);
    EXPECT_EQ(platform->alloc_pages(platform, POOL_PAGES + 1, 0x100000), 0);
}

HOST_TEST(the_map_has_the_protocols_types_and_joins_neighbours)
{
    struct boot_platform *platform = firmware_init();
    struct boot_map map = { 0 };
    firmware_memory(EFI_BOOT_SERVICES_CODE, 0x0000, 1);
    firmware_memory(EFI_CONVENTIONAL_MEMORY, 0x1000, 2);
    firmware_memory(EFI_BOOT_SERVICES_DATA, 0x3000, 1);
    firmware_memory(EFI_LOADER_DATA, 0x4000, 1);
    firmware_memory(EFI_ACPI_RECLAIM_MEMORY, 0x5000, 1);
    firmware_memory(EFI_ACPI_NVS_MEMORY, 0x6000, 1);
    firmware_memory(EFI_RUNTIME_SERVICES_CODE, 0x7000, 1);
    firmware_memory(EFI_UNUSABLE_MEMORY, 0x8000, 1);
    firmware_memory(EFI_CONVENTIONAL_MEMORY, 0x9000, 1);
    fw.map[8].attribute = 0; /* cannot be cached: not RAM as we know it */

    static const struct boot_range expected[] = {
        { 0x0000, 0x1000, LIMINE_MEMMAP_RESERVED },
        { 0x0000, 0x1000, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE }, /* loses against the first */
        { 0x1000, 0x2000, LIMINE_MEMMAP_USABLE },
        { 0x3000, 0x2000, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE },
        { 0x5000, 0x1000, LIMINE_MEMMAP_ACPI_RECLAIMABLE },
        { 0x6000, 0x1000, LIMINE_MEMMAP_ACPI_NVS },
        { 0x7000, 0x1000, LIMINE_MEMMAP_RESERVED },
        { 0x8000, 0x1000, LIMINE_MEMMAP_BAD_MEMORY },
        { 0x9000, 0x1000, LIMINE_MEMMAP_RESERVED },
    };
    EXPECT_EQ(platform->memory_map(platform, &map), OK);
    REQUIRE(map.count == ARRAY_LEN(expected));
    for (size_t i = 0; i < map.count; i++) {
        EXPECT_EQ(map.range[i].base, expected[i].base);
        EXPECT_EQ(map.range[i].size_bytes, expected[i].size_bytes);
        EXPECT_EQ(map.range[i].type, expected[i].type);
    }
}

HOST_TEST(a_map_that_makes_no_sense_is_refused)
{
    struct boot_platform *platform = firmware_init();
    struct boot_map map;
    firmware_memory(EFI_CONVENTIONAL_MEMORY, 0x1000, UINT64_MAX / 4096 + 1);
    EXPECT_EQ(platform->memory_map(platform, &map), ERR_RANGE);

    fw.map[0].page_count = 1;
    fw.map_stride = 32; /* shorter than a descriptor */
    EXPECT_EQ(platform->memory_map(platform, &map), ERR_DEVICE);
    fw.map_stride = 44; /* would put 64-bit words at odd places */
    EXPECT_EQ(platform->memory_map(platform, &map), ERR_DEVICE);
    fw.map_stride = 48;
    fw.map_claims_bytes = UEFI_MAP_BYTES + 48;
    EXPECT_EQ(platform->memory_map(platform, &map), ERR_DEVICE);
    fw.map_status = EFI_BUFFER_TOO_SMALL;
    EXPECT_EQ(platform->memory_map(platform, &map), ERR_LIMIT);
}

HOST_TEST(exit_is_repeated_with_a_fresh_map_but_not_for_ever)
{
    struct boot_platform *platform = firmware_init();
    struct boot_map map;
    firmware_memory(EFI_CONVENTIONAL_MEMORY, 0x1000, 2);
    fw.exit_refusals = 1;
    EXPECT_EQ(platform->exit_firmware(platform, &map), OK);
    EXPECT_EQ(fw.exit_calls, 2);
    EXPECT_EQ(map.count, 1);
    EXPECT(fw.masked);

    platform = firmware_init();
    fw.exit_refusals = 1000;
    EXPECT_EQ(platform->exit_firmware(platform, &map), ERR_DEVICE);
    EXPECT(!fw.masked);
}

HOST_TEST(tables_are_found_and_a_damaged_device_tree_is_not)
{
    static uint8_t tree[48] = { 0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 48 };
    static const struct efi_guid acpi = EFI_ACPI_20_TABLE;
    static const struct efi_guid dtb = EFI_DTB_TABLE;
    struct boot_platform *platform = firmware_init();
    fw.tables[0] = (struct efi_configuration_table){ acpi, fw.serial };
    fw.tables[1] = (struct efi_configuration_table){ dtb, tree };
    fw.system.table_count = 2;
    uefi_facts_init(&fw.uefi);
    EXPECT_EQ(platform->rsdp, (uintptr_t)fw.serial);
    EXPECT_EQ(platform->dtb, (uintptr_t)tree);
    EXPECT_EQ(platform->dtb_size_bytes, 48);
    EXPECT(!platform->framebuffer_present);

    platform = firmware_init();
    fw.tables[1] = (struct efi_configuration_table){ dtb, tree };
    fw.system.table_count = 2;
    tree[7] = 39; /* shorter than its own header */
    uefi_facts_init(&fw.uefi);
    EXPECT_EQ(platform->dtb, 0);
    tree[7] = 48;
    tree[4] = 1; /* 16 MiB and more */
    uefi_facts_init(&fw.uefi);
    EXPECT_EQ(platform->dtb, 0);
    tree[4] = 0;
    tree[0] = 0;
    uefi_facts_init(&fw.uefi);
    EXPECT_EQ(platform->dtb, 0);
}

HOST_TEST(dates_become_unix_time)
{
    static const struct {
        struct efi_time time;
        int64_t time_s;
    } good[] = {
        { { 1970, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0 }, 0 },
        { { 2000, 2, 29, 12, 0, 0, 0, 0, EFI_TIME_ZONE_UNSPECIFIED, 0, 0 }, 951825600 },
        { { 2026, 11, 22, 23, 45, 32, 0, 0, 0, 0, 0 }, 1795391132 },
        /* UEFI 8.3: local time is UTC minus the zone. */
        { { 2026, 11, 22, 23, 45, 32, 0, 0, -60, 0, 0 }, 1795387532 },
    };
    static const struct efi_time bad[] = {
        { 1969, 12, 31, 0, 0, 0, 0, 0, 0, 0, 0 }, { 2026, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 },
        { 2026, 13, 1, 0, 0, 0, 0, 0, 0, 0, 0 },  { 2026, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
        { 2026, 1, 1, 24, 0, 0, 0, 0, 0, 0, 0 },  { 2026, 1, 1, 0, 0, 0, 0, 0, 1500, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t time_s = -1;
        EXPECT_EQ(uefi_time_to_unix(&good[i].time, &time_s), OK);
        EXPECT_EQ(time_s, good[i].time_s);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t time_s = -1;
        EXPECT_EQ(uefi_time_to_unix(&bad[i], &time_s), ERR_RANGE);
    }
}

static uint32_t red_mask = 0xf800;

static bool framebuffer_found(enum efi_pixel_format format, uint64_t size_bytes, uint32_t pitch)
{
    struct boot_platform *platform = firmware_init();
    fw.mode_info = (struct efi_graphics_mode_info){
        .width = 640,
        .height = 480,
        .format = format,
        .red_mask = red_mask,
        .green_mask = 0x07e0,
        .blue_mask = 0x001f,
        .pixels_per_line = pitch,
    };
    fw.mode = (struct efi_graphics_mode){ .info = &fw.mode_info,
                                          .framebuffer_base = 0x80000000,
                                          .framebuffer_size = size_bytes };
    fw.graphics.mode = &fw.mode;
    uefi_facts_init(&fw.uefi);
    return platform->framebuffer_present;
}

HOST_TEST(a_framebuffer_is_believed_only_if_it_fits)
{
    const struct limine_framebuffer *framebuffer = &fw.uefi.platform.framebuffer;
    uint64_t size_bytes = UINT64_C(640) * 480 * 4;

    EXPECT(framebuffer_found(EFI_PIXEL_BGR_RESERVED, size_bytes, 640));
    EXPECT_EQ(framebuffer->pitch, 2560);
    EXPECT_EQ(framebuffer->bpp, 32);
    EXPECT_EQ(framebuffer->red_mask_shift, 16);
    EXPECT(framebuffer_found(EFI_PIXEL_RGB_RESERVED, size_bytes, 640));
    EXPECT_EQ(framebuffer->blue_mask_shift, 16);
    EXPECT(framebuffer_found(EFI_PIXEL_BIT_MASK, size_bytes, 640));
    EXPECT_EQ(framebuffer->bpp, 16);
    EXPECT_EQ(framebuffer->green_mask_size, 6);
    EXPECT_EQ(framebuffer->green_mask_shift, 5);

    EXPECT(!framebuffer_found(EFI_PIXEL_BGR_RESERVED, size_bytes - 1, 640));
    EXPECT(!framebuffer_found(EFI_PIXEL_BGR_RESERVED, size_bytes, 639));
    EXPECT(!framebuffer_found(EFI_PIXEL_BLT_ONLY, size_bytes, 640));
    red_mask = 0xe800; /* with a hole */
    EXPECT(!framebuffer_found(EFI_PIXEL_BIT_MASK, size_bytes, 640));
    red_mask = 0xf800;
}
