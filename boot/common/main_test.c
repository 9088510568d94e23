/* The whole way from a boot volume to the kernel's entry, on the host: what the kernel would find,
 * and how each failure is named.
 */
#include "elf_test_image.h"
#include "host/host.h"

#include <base/string.h>
#include <base/test.h>
#include <boot/request.h>

#define DATA_OFFSET 0x2000 /* of the data segment in the image */

static struct {
    struct direct direct;
    struct boot_map_scratch scratch;
    struct host_run run;
    struct test_elf kernel;
    char config[1024];
    char module[100];
} t;

/* The requests of the test kernel, at the start of its data. */
struct kernel_requests {
    uint64_t start[4];
    uint64_t revision[3];
    struct limine_hhdm_request hhdm;
    struct limine_memmap_request memmap;
    struct limine_kernel_file_request file;
    struct limine_kernel_address_request address;
    struct limine_module_request module;
    struct limine_smp_request smp;
    struct limine_bootloader_info_request loader;
    struct limine_framebuffer_request framebuffer;
    struct limine_stack_size_request stack;
    struct limine_entry_point_request entry;
    struct limine_paging_mode_request paging;
    struct limine_boot_time_request time;
    struct limine_firmware_type_request firmware;
    struct limine_rsdp_request rsdp;
    struct limine_dtb_request dtb;
    uint64_t end[2];
};

static struct kernel_requests *requests(void)
{
    return (struct kernel_requests *)(void *)(t.kernel.bytes + TEST_ELF_DATA_AT);
}

static void build_kernel(void)
{
    test_elf_build(&t.kernel);
    *requests() = (struct kernel_requests){
        .start = LIMINE_REQUESTS_START_MARKER,
        .revision = LIMINE_BASE_REVISION(2),
        .hhdm.id = LIMINE_HHDM_REQUEST,
        .memmap.id = LIMINE_MEMMAP_REQUEST,
        .file.id = LIMINE_KERNEL_FILE_REQUEST,
        .address.id = LIMINE_KERNEL_ADDRESS_REQUEST,
        .module.id = LIMINE_MODULE_REQUEST,
        .smp.id = LIMINE_SMP_REQUEST,
        .loader.id = LIMINE_BOOTLOADER_INFO_REQUEST,
        .framebuffer.id = LIMINE_FRAMEBUFFER_REQUEST,
        .stack.id = LIMINE_STACK_SIZE_REQUEST,
        .stack.stack_size = 256 * 1024,
        .entry.id = LIMINE_ENTRY_POINT_REQUEST,
        .paging.id = LIMINE_PAGING_MODE_REQUEST,
        .time.id = LIMINE_BOOT_TIME_REQUEST,
        .firmware.id = LIMINE_FIRMWARE_TYPE_REQUEST,
        .rsdp.id = LIMINE_RSDP_REQUEST,
        .dtb.id = LIMINE_DTB_REQUEST,
        .end = LIMINE_REQUESTS_END_MARKER,
    };
    requests()->entry.entry = (limine_entry_point)(uintptr_t)(TEST_ELF_BASE + 0x20);
}

static void add_file(const char *name, const void *data, size_t size_bytes)
{
    t.direct.part[t.direct.part_count++] = (struct direct_part){ data, size_bytes, name };
}

/* Of a hundred zeroes. */
#define MODULE_BLAKE2B                                                                             \
    "26c4b36161c3574ee562499cc9e05bc0189bb97b8cd17b72473fafdef5b09236"                             \
    "7075f37a23177a6fd327913d24b41ae35b8aaf8dc3eec8eca5f8f97fc3b6bbe2"

static void build(void)
{
    memset(&t.direct, 0, sizeof(t.direct));
    direct_init(&t.direct);
    t.direct.platform.firmware_type = BOOT_FIRMWARE_NONE;
    t.direct.platform.cmdline = "extra exit=emulator";
    direct_add_range(&t.direct, (uint64_t)(uintptr_t)host_memory, HOST_MEMORY_BYTES,
                     LIMINE_MEMMAP_USABLE);
    EXPECT_EQ(boot_map_finish(&t.direct.map, &t.scratch), OK);

    build_kernel();
    strlcpy(t.config,
            "/x\nprotocol: limine\nkernel_path: boot():/kernel\ncmdline: own\n"
            "module_path: boot():/module#" MODULE_BLAKE2B "\nmodule_cmdline: words\n",
            sizeof(t.config));
    memset(t.module, 0, sizeof(t.module));
    add_file("/kernel", &t.kernel, sizeof(t.kernel));
    add_file("/module", t.module, sizeof(t.module));
    host_cpus = (struct boot_cpu_list){ 3, { { 0, 0 }, { 2, 1 }, { 4, 2 } } };
    host_dead_cpu = UINT64_MAX;
}

static void boot(void)
{
    add_file("/boot/limine.conf", t.config, strlen(t.config));
    host_boot(&t.direct.platform, &t.run);
}

/* The kernel's side: where a virtual address leads, by the page tables that it would have. */
static uint64_t walk(uint64_t address, uint64_t *entry_out)
{
    const uint64_t *table = (const uint64_t *)(uintptr_t)t.run.handoff.root_high;
    for (unsigned level = 3;; level--) {
        unsigned shift = 12 + 9 * level;
        uint64_t entry = table[address >> shift & 511];
        uint64_t physical = entry & 0x0000fffffffff000;
        if ((entry & 1) == 0)
            return UINT64_MAX;
        if (level == 0 || (entry & 0x80) != 0) {
            *entry_out = entry;
            return (physical & ~((UINT64_C(1) << shift) - 1)) |
                   (address & ((UINT64_C(1) << shift) - 1));
        }
        table = (const uint64_t *)(uintptr_t)physical;
    }
}

static void *from_virtual(const void *pointer)
{
    return (void *)((uintptr_t)pointer - (uintptr_t)arch_hhdm_base);
}

#define RESPONSE(request) ((__typeof__((request).response))from_virtual((request).response))

/* The requests as loaded: found through the kernel's own mapping. */
static struct kernel_requests *loaded(void)
{
    uint64_t entry;
    return (struct kernel_requests *)(uintptr_t)walk(TEST_ELF_BASE + DATA_OFFSET, &entry);
}

TEST(a_good_volume_boots)
{
    build();
    boot();
    EXPECT_EQ(t.run.end, HOST_ENTERED);
    EXPECT_STR(t.run.console, "");
    REQUIRE(t.run.end == HOST_ENTERED);
    EXPECT_EQ(t.run.handoff.entry, TEST_ELF_BASE + 0x20);
    EXPECT_EQ(loaded()->revision[2], 0);
    EXPECT_EQ(RESPONSE(loaded()->hhdm)->offset, arch_hhdm_base);
    EXPECT_EQ(RESPONSE(loaded()->address)->virtual_base, TEST_ELF_BASE);
    EXPECT_EQ(RESPONSE(loaded()->paging)->mode, 0);
    EXPECT(loaded()->loader.response != NULL && loaded()->stack.response != NULL);
    EXPECT(loaded()->framebuffer.response == NULL && loaded()->time.response == NULL);
    EXPECT(loaded()->firmware.response == NULL && loaded()->rsdp.response == NULL);
    EXPECT(loaded()->dtb.response == NULL);
}

TEST(files_are_passed_on)
{
    build();
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    struct limine_file *file = from_virtual(RESPONSE(loaded()->file)->kernel_file);
    EXPECT_STR(from_virtual(file->path), "/kernel");
    EXPECT_STR(from_virtual(file->cmdline), "own extra exit=emulator");
    EXPECT_EQ(file->size, sizeof(t.kernel));
    EXPECT_EQ(memcmp(from_virtual(file->address), &t.kernel, sizeof(t.kernel)), 0);

    EXPECT_EQ(RESPONSE(loaded()->module)->module_count, 1);
    struct limine_file **modules = from_virtual(RESPONSE(loaded()->module)->modules);
    struct limine_file *module = from_virtual(modules[0]);
    EXPECT_STR(from_virtual(module->path), "/module");
    EXPECT_STR(from_virtual(module->cmdline), "words");
    EXPECT_EQ(module->size, 100);
    EXPECT_EQ((uintptr_t)module->address % 4096, 0);
}

TEST(the_kernel_is_mapped_with_its_permissions)
{
    uint64_t entry;
    build();
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    EXPECT_EQ(walk(TEST_ELF_BASE, &entry), RESPONSE(loaded()->address)->physical_base);
    EXPECT_EQ(entry & (BIT64(63) | 2), 0);
    EXPECT_EQ(walk(TEST_ELF_BASE + 0x1000, &entry), UINT64_MAX);
    EXPECT(walk(TEST_ELF_BASE + 0x5000, &entry) != UINT64_MAX);
    EXPECT_EQ(entry & (BIT64(63) | 2), BIT64(63) | 2);
    EXPECT_EQ(walk(TEST_ELF_BASE + 0x6000, &entry), UINT64_MAX);
}

TEST(the_direct_map_covers_4_gib_and_all_memory)
{
    uint64_t entry;
    build();
    direct_add_range(&t.direct, UINT64_C(0x4240000000), 0x5000, LIMINE_MEMMAP_RESERVED);
    direct_add_range(&t.direct, UINT64_C(0x4240005000), 0x5000, LIMINE_MEMMAP_ACPI_RECLAIMABLE);
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    for (uint64_t at = 0; at < UINT64_C(1) << 32; at += 0x1ff000)
        EXPECT_EQ(walk(arch_hhdm_base + at, &entry), at);
    EXPECT_EQ(walk(arch_hhdm_base + 0x4240005000, &entry), UINT64_C(0x4240005000));
    EXPECT_EQ(walk(arch_hhdm_base + 0x4240004000, &entry), UINT64_MAX);
    uint64_t memory = (uint64_t)(uintptr_t)host_memory;
    EXPECT_EQ(walk(arch_hhdm_base + memory + 0x12345, &entry), memory + 0x12345);
    uint64_t page = (uint64_t)(uintptr_t)t.run.handoff.page;
    EXPECT_EQ(walk(page, &entry), page);
}

TEST(the_memory_map_accounts_for_every_page)
{
    build();
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    uint64_t total = 0, image = 0, base = 0;
    struct limine_memmap_entry **entries = from_virtual(RESPONSE(loaded()->memmap)->entries);
    for (uint64_t i = 0; i < RESPONSE(loaded()->memmap)->entry_count; i++) {
        const struct limine_memmap_entry *entry = from_virtual(entries[i]);
        EXPECT(entry->base >= base && entry->base % 4096 == 0 && entry->length % 4096 == 0);
        base = entry->base + entry->length;
        total += entry->length;
        image += entry->type == LIMINE_MEMMAP_KERNEL_AND_MODULES ? entry->length : 0;
    }
    EXPECT_EQ(total, HOST_MEMORY_BYTES);
    EXPECT_EQ(image, 0x6000 + 0x1000);
}

TEST(cpus_that_do_not_start_are_left_out)
{
    build();
    host_dead_cpu = 2;
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    struct limine_smp_response *smp = RESPONSE(loaded()->smp);
    struct limine_smp_info **cpus = from_virtual(smp->cpus);
    EXPECT_EQ(smp->cpu_count, 2);
    EXPECT_EQ(t.run.cpus_started, 1);
    EXPECT_EQ(((struct limine_smp_info *)from_virtual(cpus[1]))->lapic_id, 4);
    EXPECT(((struct limine_smp_info *)from_virtual(cpus[1]))->goto_address == NULL);
}

TEST(cpus_stay_asleep_without_the_request)
{
    build();
    memset(&requests()->smp, 0, sizeof(requests()->smp));
    boot();
    EXPECT_EQ(t.run.end, HOST_ENTERED);
    EXPECT_EQ(t.run.cpus_started, 0);
}

TEST(a_screen_is_passed_on_and_mapped_apart)
{
    uint64_t entry;
    build();
    t.direct.platform.framebuffer_present = true;
    t.direct.platform.framebuffer =
        (struct limine_framebuffer){ .address = (void *)(uintptr_t)0x80001000,
                                     .width = 1024,
                                     .height = 512,
                                     .pitch = 4096,
                                     .bpp = 32 };
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    struct limine_framebuffer **screens =
        from_virtual(RESPONSE(loaded()->framebuffer)->framebuffers);
    EXPECT_EQ(from_virtual(((struct limine_framebuffer *)from_virtual(screens[0]))->address),
              0x80001000);
    for (uint64_t page = 0x80000000; page < 0x80400000; page += 0x1000) {
        EXPECT_EQ(walk(arch_hhdm_base + page, &entry), page);
        EXPECT_EQ((entry & 8) != 0, page >= 0x80001000 && page < 0x80201000);
    }
}

TEST(known_facts_are_answered)
{
    build();
    t.direct.platform.boot_time_known = true;
    t.direct.platform.boot_time_s = 1234567890;
    t.direct.platform.firmware_type = LIMINE_FIRMWARE_TYPE_UEFI64;
    t.direct.platform.rsdp = 0xe0000;
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    EXPECT_EQ(RESPONSE(loaded()->time)->boot_time, 1234567890);
    EXPECT_EQ(RESPONSE(loaded()->firmware)->firmware_type, LIMINE_FIRMWARE_TYPE_UEFI64);
    EXPECT_EQ(from_virtual(RESPONSE(loaded()->rsdp)->address), 0xe0000);
}

TEST(a_device_tree_that_cannot_be_read_is_not_passed_on)
{
    static uint8_t tree[64];
    build();
    t.direct.platform.dtb = (uint64_t)(uintptr_t)tree;
    t.direct.platform.dtb_size_bytes = sizeof(tree);
    boot();
    REQUIRE(t.run.end == HOST_ENTERED);
    EXPECT(loaded()->dtb.response == NULL);
}

static void expect_failure(const char *line)
{
    char whole[300] = "themelios-boot: ";
    boot();
    strlcpy(whole + strlen(whole), line, 200);
    strlcpy(whole + strlen(whole), "\n", 8);
    EXPECT_EQ(t.run.end, HOST_STOPPED);
    EXPECT_STR(t.run.console, whole);
    EXPECT_EQ(t.run.exit_code, 35);
}

TEST(a_newer_revision_is_left_for_the_kernel_to_judge)
{
    build();
    requests()->revision[2] = 3;
    boot();
    EXPECT_EQ(t.run.end, HOST_ENTERED);
    EXPECT_EQ(loaded()->revision[2], 3);
}

TEST(an_older_revision_is_refused)
{
    build();
    requests()->revision[2] = 0;
    expect_failure("the kernel /kernel wants base revision 0, which is too old");
    build();
    memset(requests()->revision, 0, sizeof(requests()->revision));
    expect_failure("the kernel /kernel wants base revision 0, which is too old");
}

TEST(requests_that_cannot_be_met_are_refused)
{
    build();
    requests()->entry.entry = (limine_entry_point)(uintptr_t)(TEST_ELF_BASE + 0x2000);
    expect_failure("the kernel /kernel asks for an entry point outside its code");
    build();
    requests()->paging.revision = 1;
    requests()->paging.min_mode = 1;
    expect_failure("the kernel /kernel insists on five-level paging");
    build();
    requests()->stack.stack_size = UINT64_MAX;
    expect_failure("not enough memory for the kernel's stack");
}

TEST(a_damaged_module_is_refused)
{
    build();
    t.module[99] = 1;
    expect_failure("the module /module is corrupt: its BLAKE2b digest is not the configured one");
}

static void use_module_path(const char *path)
{
    static const char before[] = "/x\nprotocol: limine\nkernel_path: boot():/kernel\nmodule_path: ";
    strlcpy(t.config, before, sizeof(t.config));
    strlcpy(t.config + sizeof(before) - 1, path, 200);
}

#define MODULE_SHA256 "cd00e292c5970d3c5e2f0ffa5171e555bc46bfc4faddfb4a418b6840b86e79a3"

TEST(a_sha256_on_a_line_of_its_own_is_checked)
{
    build();
    use_module_path("boot():/module\nmodule_sha256: " MODULE_SHA256 "\n");
    boot();
    EXPECT_EQ(t.run.end, HOST_ENTERED);
    build();
    use_module_path("boot():/module\nmodule_sha256: " MODULE_SHA256 "\n");
    t.module[50] = 1;
    expect_failure("the module /module is corrupt: its SHA-256 is not the configured one");
}

TEST(a_digest_is_whole_or_not_there)
{
    build();
    use_module_path("boot():/module#1234");
    expect_failure("the module /module has a malformed BLAKE2b digest");
    build();
    use_module_path("boot():/module");
    t.module[50] = 1; /* nobody says that it should not be */
    boot();
    EXPECT_EQ(t.run.end, HOST_ENTERED);
}

TEST(a_damaged_kernel_is_refused)
{
    build();
    t.kernel.bytes[18] = 183;
    expect_failure("the kernel /kernel cannot be used: it is for another architecture");
}

TEST(missing_files_are_named)
{
    build();
    strlcpy(t.config, "/x\nprotocol: limine\nkernel_path: boot():/none\n", sizeof(t.config));
    expect_failure("the kernel /none is missing");
    build();
    strlcpy(t.config,
            "/x\nprotocol: limine\nkernel_path: boot():/kernel\nmodule_path: boot():/no\n",
            sizeof(t.config));
    expect_failure("the module /no is missing");
    build();
    strlcpy(t.config, "/x\nprotocol: limine\nkernel_path: hdd(1:1):/kernel\n", sizeof(t.config));
    expect_failure("the kernel hdd(1:1):/kernel is not on the boot volume boot():");
    build();
    host_boot(&t.direct.platform, &t.run);
    EXPECT_STR(t.run.console, "themelios-boot: the configuration limine.conf is missing\n");
}

TEST(a_damaged_configuration_is_refused)
{
    build();
    strlcpy(t.config, "/x\nprotocol: limine\nrubbish\n", sizeof(t.config));
    expect_failure(
        "the configuration /boot/limine.conf is corrupt: line 3: neither an entry nor an "
        "option");
}

/* Whatever the last page is missing for: one line, no crash. */
TEST(too_little_memory_is_named_wherever_it_runs_out)
{
    bool entered = false;
    for (uint64_t pages = 1; pages < 1000 && !entered; pages++) {
        build();
        t.direct.map.range[0].size_bytes = pages * 4096;
        boot();
        entered = t.run.end == HOST_ENTERED;
        EXPECT(entered || strncmp(t.run.console, "themelios-boot: not enough memory", 33) == 0);
    }
    EXPECT(entered);
}

TEST(only_a_whole_word_ends_the_emulator)
{
    static const struct {
        const char *cmdline;
        bool ends;
    } cases[] = { { "exit=emulator", true },
                  { "a exit=emulator b", true },
                  { "xexit=emulator", false },
                  { "exit=emulators", false },
                  { "", false },
                  { NULL, false } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build();
        t.direct.platform.cmdline = cases[i].cmdline;
        t.config[0] = 0;
        boot();
        EXPECT_EQ(t.run.exit_code, cases[i].ends ? 35 : 0);
    }
}
