/* The kernel's own address space, as the machine runs on it. */
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/frame.h>
#include <kernel/kmap.h>
#include <kernel/main.h>
#include <kernel/test.h>

extern const char image_text_start[], image_text_end[];
extern const char image_rodata_start[], image_rodata_end[];
extern const char image_data_start[], image_data_end[];

#define RIGHTS (PERM_READ | PERM_WRITE | PERM_EXECUTE)

static void expect_section(const char *start, const char *end, unsigned expected)
{
    for (const char *at = start; at < end && !test_has_failed(); at += PAGE_SIZE) {
        paddr_t pa;
        unsigned perm;
        REQUIRE(kmap_query(vaddr_of(at), &pa, &perm) == OK);
        EXPECT_EQ(perm & (RIGHTS | PERM_USER), expected);
        EXPECT_EQ(pa.raw - boot_info.image_base.raw, vaddr_of(at).raw - boot_info.image_virtual);
        /* The alias in the direct map grants no more than the section, and never execution. */
        REQUIRE(kmap_query(vaddr_of(paddr_to_kernel(pa)), &pa, &perm) == OK);
        EXPECT_EQ(perm & RIGHTS, expected & ~(unsigned)PERM_EXECUTE);
    }
}

GUEST_TEST(each_section_has_its_own_rights)
{
    expect_section(image_text_start, image_text_end, PERM_READ | PERM_EXECUTE);
    expect_section(image_rodata_start, image_rodata_end, PERM_READ);
    expect_section(image_data_start, image_data_end, PERM_READ | PERM_WRITE);
}

static void expect_plain_ram(uint64_t expected)
{
    paddr_t pa;
    unsigned perm;
    REQUIRE(kmap_query(vaddr_of(paddr_to_kernel(paddr(expected))), &pa, &perm) == OK);
    EXPECT_EQ(pa.raw, expected);
    EXPECT_EQ(perm & (RIGHTS | PERM_USER), PERM_READ | PERM_WRITE);
}

GUEST_TEST(all_ram_is_in_the_direct_map_and_nothing_there_executes)
{
    for (size_t i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        uint64_t step = MAX(ALIGN_UP(region->size_bytes / 64, PAGE_SIZE), PAGE_SIZE);
        if (region->kind != BOOT_REGION_USABLE && region->kind != BOOT_REGION_LOADER)
            continue;
        for (uint64_t at = 0; at < region->size_bytes && !test_has_failed(); at += step)
            expect_plain_ram(region->base + at);
    }
}

GUEST_TEST(what_is_not_mapped_is_not_found)
{
    paddr_t pa;
    unsigned perm;

    EXPECT_EQ(kmap_query(vaddr(0), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(kmap_query(vaddr(USER_START), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(kmap_query(vaddr(USER_END), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(kmap_query(vaddr(BIT64(63)), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(kmap_query(vaddr(UINT64_MAX), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(kmap_query(vaddr(vaddr_of(image_text_start).raw - 1), &pa, &perm), ERR_NOT_FOUND);
}

GUEST_TEST(a_stack_is_writable_and_has_a_guard)
{
    for (uint32_t i = 0; i < cpu_count && !test_has_failed(); i++) {
        uint64_t end = vaddr_of(cpu_get(i)->stack_top).raw;
        uint64_t bottom = end - KERNEL_STACK_BYTES;
        paddr_t pa;
        unsigned perm;
        EXPECT_EQ(end % 16, 0);
        for (uint64_t at = bottom; at < end; at += PAGE_SIZE) {
            EXPECT_EQ(kmap_query(vaddr(at), &pa, &perm), OK);
            EXPECT_EQ(perm & (RIGHTS | PERM_USER), PERM_READ | PERM_WRITE);
            EXPECT(frame_of(pa) != NULL);
            EXPECT(!kmap_is_guard(vaddr(at)));
        }
        EXPECT_EQ(kmap_query(vaddr(bottom - 1), &pa, &perm), ERR_NOT_FOUND);
        EXPECT(kmap_is_guard(vaddr(bottom - 1)));
        EXPECT(kmap_is_guard(vaddr(bottom - PAGE_SIZE)));
        EXPECT(!kmap_is_guard(vaddr(bottom - PAGE_SIZE - 1)));
    }
    EXPECT(!kmap_is_guard(vaddr_of(image_text_start)));
    EXPECT(!kmap_is_guard(vaddr(0)));
}

GUEST_TEST(a_stack_that_finds_no_memory_takes_nothing)
{
    void *top;
    uint64_t free = frame_stats().free;

    frame_fail_after(1);
    enum status status = kmap_stack_create(PAGE_SIZE, &top);
    frame_fail_after(0);
    EXPECT_EQ(status, ERR_NO_MEMORY);
    EXPECT_EQ(frame_stats().free, free);
}

GUEST_TEST(ram_with_an_owner_is_no_device)
{
    struct frame *frame;
    void *kernel;

    REQUIRE(frame_alloc(0, 0, &frame) == OK);
    EXPECT_EQ(kmap_device(frame_paddr(frame), PAGE_SIZE, &kernel), ERR_INVALID);
    EXPECT_EQ(kmap_device(paddr(frame_paddr(frame).raw + 8), 8, &kernel), ERR_INVALID);
    frame_put(frame);
    EXPECT_EQ(kmap_device(paddr(BIT64(47)), 0, &kernel), ERR_RANGE);
    EXPECT_EQ(kmap_device(paddr(BIT64(47)), BIT64(48), &kernel), ERR_RANGE);
}

/* Firmware tables in RAM need no new mapping; the direct map has them. */
GUEST_TEST(firmware_memory_in_ram_is_read_through_the_direct_map)
{
    struct frame *frame;
    const void *kernel;

    REQUIRE(frame_alloc(0, FRAME_ZERO, &frame) == OK);
    EXPECT_EQ(kmap_firmware(paddr(frame_paddr(frame).raw + 24), 100, &kernel), OK);
    EXPECT(kernel == (const char *)frame_kernel(frame) + 24);
    frame_put(frame);
    EXPECT_EQ(kmap_firmware(paddr(0), 0, &kernel), ERR_RANGE);
    EXPECT_EQ(kmap_firmware(paddr(UINT64_MAX), 2, &kernel), ERR_RANGE);
}
