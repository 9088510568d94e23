/* What a capability for registers or ports covers: never more than what it was split from. */
#include <kernel/audit.h>
#include <kernel/boot_info.h>
#include <kernel/device.h>
#include <kernel/frame.h>
#include <kernel/test.h>

TEST(a_part_of_a_span_lies_within_it)
{
    struct span whole = { 100, 50 };
    struct span part;
    static const struct {
        uint64_t offset, count;
        enum status expected;
    } cases[] = {
        { 0, 50, OK },
        { 49, 1, OK },
        { 10, 40, OK },
        { 0, 0, ERR_RANGE },
        { 0, 51, ERR_RANGE },
        { 50, 1, ERR_RANGE },
        { 51, 0, ERR_RANGE },
        { 49, 2, ERR_RANGE },
        { UINT64_MAX, 1, ERR_RANGE },
        { UINT64_MAX, 2, ERR_RANGE },
        { 1, UINT64_MAX, ERR_RANGE },
        { UINT64_MAX - 49, 50, ERR_RANGE },
        { 50, UINT64_MAX - 49, ERR_RANGE },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT_EQ(span_part(whole, cases[i].offset, cases[i].count, &part), cases[i].expected);
    EXPECT_EQ(span_part(whole, 10, 40, &part), OK);
    EXPECT(part.first == 110 && part.count == 40);
    struct span again = span_of_badge(span_badge(part), 1000);
    EXPECT(again.first == 110 && again.count == 40);
}

TEST(a_badge_holds_what_it_can_say)
{
    struct span whole = { 0, UINT64_C(1) << 50 };
    struct span part;

    EXPECT_EQ(span_part(whole, 0, SPAN_COUNT_MAX, &part), OK);
    EXPECT_EQ(span_part(whole, 0, SPAN_COUNT_MAX + 1, &part), ERR_RANGE);
    EXPECT_EQ(span_part(whole, SPAN_FIRST_MAX, 1, &part), OK);
    EXPECT_EQ(span_of_badge(span_badge(part), 1).first, SPAN_FIRST_MAX);
    EXPECT_EQ(span_part(whole, SPAN_FIRST_MAX + 1, 1, &part), ERR_RANGE);
    part = span_of_badge(0, 77);
    EXPECT(part.first == 0 && part.count == 77);
}

TEST(spans_within_spans)
{
    struct span outer = { 10, 10 };

    EXPECT(span_within(outer, outer));
    EXPECT(span_within((struct span){ 12, 3 }, outer));
    EXPECT(!span_within((struct span){ 9, 3 }, outer));
    EXPECT(!span_within((struct span){ 12, 9 }, outer));
    EXPECT(!span_within((struct span){ 21, 1 }, outer));
    EXPECT(!span_within((struct span){ 12, UINT64_MAX }, outer));
}

/* ---- Registers ---- */

static void devices_ready(void)
{
    if (device_memory.whole == 0)
        device_init(&boot_info);
}

/* A page that is neither RAM nor the kernel's on any of the machines. */
static const uint64_t free_page = UINT64_C(0x7fffff0000);

TEST(memory_is_no_device)
{
    struct frame *frame;
    uint64_t part;
    uint64_t at;

    devices_ready();
    REQUIRE(frame_alloc(0, 0, &frame) == OK);
    uint64_t owned = frame_paddr(frame).raw;
    frame_put(frame);
    const struct object *memory = &device_memory.object;
    EXPECT_EQ(device_part(memory, 0, owned, PAGE_SIZE, &part), ERR_ACCESS);
    EXPECT_EQ(device_part(memory, 0, owned - PAGE_SIZE, 3 * PAGE_SIZE, &part), ERR_ACCESS);
    EXPECT_EQ(device_at(memory, false, 0, owned, PAGE_SIZE, &at), ERR_ACCESS);
    for (size_t i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        if (region->kind == BOOT_REGION_RESERVED || region->kind == BOOT_REGION_FRAMEBUFFER)
            continue;
        uint64_t last = region->base + region->size_bytes - PAGE_SIZE;
        EXPECT_EQ(device_part(memory, 0, region->base, PAGE_SIZE, &part), ERR_ACCESS);
        EXPECT_EQ(device_part(memory, 0, last, 2 * PAGE_SIZE, &part), ERR_ACCESS);
    }
}

TEST(registers_are_split_and_never_grow)
{
    const struct object *memory = &device_memory.object;
    uint64_t part;
    uint64_t inner;
    uint64_t at;

    devices_ready();
    REQUIRE(device_part(memory, 0, free_page, 4 * PAGE_SIZE, &part) == OK);
    EXPECT_EQ(device_at(memory, false, part, PAGE_SIZE, PAGE_SIZE, &at), OK);
    EXPECT_EQ(at, free_page + PAGE_SIZE);
    EXPECT_EQ(device_at(memory, false, part, 0, 5 * PAGE_SIZE, &at), ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, PAGE_SIZE, 4 * PAGE_SIZE, &at), ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE, &at),
              ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, UINT64_MAX - PAGE_SIZE + 1, 2 * PAGE_SIZE, &at),
              ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, 0, 0, &at), ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, 8, PAGE_SIZE, &at), ERR_RANGE);
    EXPECT_EQ(device_at(memory, false, part, 0, PAGE_SIZE + 8, &at), ERR_RANGE);
    REQUIRE(device_part(memory, part, 2 * PAGE_SIZE, PAGE_SIZE, &inner) == OK);
    EXPECT_EQ(device_at(memory, false, inner, 0, PAGE_SIZE, &at), OK);
    EXPECT_EQ(at, free_page + 2 * PAGE_SIZE);
    EXPECT_EQ(device_part(memory, inner, 0, 2 * PAGE_SIZE, &part), ERR_RANGE);
    EXPECT_EQ(device_part(memory, inner, PAGE_SIZE, PAGE_SIZE, &part), ERR_RANGE);
    uint64_t end = device_memory.whole << PAGE_SHIFT;
    EXPECT_EQ(device_part(memory, 0, end, PAGE_SIZE, &part), ERR_RANGE);
    EXPECT_EQ(device_part(memory, 0, end - PAGE_SIZE, 2 * PAGE_SIZE, &part), ERR_RANGE);
    EXPECT_EQ(device_part(memory, 0, 0, end, &part), ERR_RANGE);
}

/* Firmware says it of registers that drivers need, and a framebuffer is one. */
TEST(what_firmware_reserves_may_be_registers)
{
    static const enum boot_region_kind kinds[] = { BOOT_REGION_RESERVED, BOOT_REGION_FRAMEBUFFER };
    struct boot_region *region = &boot_info.region[boot_info.region_count];
    const struct object *memory = &device_memory.object;
    uint64_t part = 77;

    devices_ready();
    REQUIRE(boot_info.region_count < BOOT_REGION_MAX);
    boot_info.region_count++;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        *region = (struct boot_region){ free_page, PAGE_SIZE, kinds[i] };
        EXPECT_EQ(device_part(memory, 0, free_page, PAGE_SIZE, &part), OK);
    }
    *region = (struct boot_region){ free_page, PAGE_SIZE, BOOT_REGION_FIRMWARE };
    part = 77;
    EXPECT_EQ(device_part(memory, 0, free_page, PAGE_SIZE, &part), ERR_ACCESS);
    EXPECT_EQ(part, 77);
    boot_info.region_count--;
}

HOST_TEST(a_machine_without_ports_says_so)
{
    uint64_t whole = device_ports.whole;
    uint64_t port = 77;

    devices_ready();
    device_ports.whole = 0;
    EXPECT_EQ(device_at(&device_ports.object, true, 0, 0, 1, &port), ERR_UNSUPPORTED);
    EXPECT_EQ(port, 77);
    device_ports.whole = whole;
    EXPECT_EQ(device_at(&device_ports.object, true, 0, 0x10000, 1, &port), ERR_RANGE);
    EXPECT_EQ(port, 77);
}

TEST(ports_are_no_memory_and_memory_no_ports)
{
    uint64_t at;
    uint64_t port;

    devices_ready();
    EXPECT_EQ(device_at(&device_ports.object, false, 0, 0, PAGE_SIZE, &at), ERR_UNSUPPORTED);
    EXPECT_EQ(device_at(&device_memory.object, true, 0, 0, 1, &port), ERR_UNSUPPORTED);
}

TEST(ports_are_split_and_never_grow)
{
    const struct object *ports = &device_ports.object;
    uint64_t part;
    uint64_t port;

    devices_ready();
    if (device_ports.whole == 0) {
        EXPECT_EQ(device_at(ports, true, 0, 0x80, 1, &port), ERR_UNSUPPORTED);
        SKIP("no ports");
    }
    REQUIRE(device_part(ports, 0, 0x70, 2, &part) == OK);
    EXPECT_EQ(device_at(ports, true, part, 1, 1, &port), OK);
    EXPECT_EQ(port, 0x71);
    EXPECT_EQ(device_at(ports, true, part, 0, 2, &port), OK);
    EXPECT_EQ(device_at(ports, true, part, 1, 2, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, part, 0, 4, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, part, 2, 1, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, part, UINT64_MAX, 1, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, part, UINT64_MAX, 2, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, 0, 0xffff, 1, &port), OK);
    EXPECT_EQ(device_at(ports, true, 0, 0xffff, 2, &port), ERR_RANGE);
    EXPECT_EQ(device_at(ports, true, 0, 0x10000, 1, &port), ERR_RANGE);
    /* The console is the kernel's, whole or in part. */
    EXPECT_EQ(device_at(ports, true, 0, 0x3f8, 1, &port), ERR_ACCESS);
    EXPECT_EQ(device_at(ports, true, 0, 0x3f5, 4, &port), ERR_ACCESS);
    EXPECT_EQ(device_part(ports, 0, 0x3f0, 0x100, &part), ERR_ACCESS);
}

/* ---- The audit ring ---- */

static struct audit_record records[8];

TEST(the_audit_ring_counts_what_it_loses)
{
    struct audit_stats before = audit_stats();

    EXPECT_EQ(audit_read(before.next, records, 8), 0);
    audit_seen(before.next - 1);
    before = audit_stats();
    for (unsigned i = 0; i < AUDIT_RING_RECORDS + 3; i++)
        audit_record(&(struct audit_record){ .kind = AUDIT_SPLIT, .detail = i });
    struct audit_stats after = audit_stats();
    EXPECT_EQ(after.next, before.next + AUDIT_RING_RECORDS + 3);
    EXPECT_EQ(after.oldest, after.next - AUDIT_RING_RECORDS);
    EXPECT_EQ(after.lost, before.lost + 3);
    /* Who asks for one that is gone gets the oldest, and its number says what is missing. */
    REQUIRE(audit_read(before.next, records, 8) == 8);
    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(records[i].sequence, after.oldest + i);
        EXPECT_EQ(records[i].detail, 3 + i);
    }
    EXPECT_EQ(audit_read(after.next - 2, records, 8), 2);
    EXPECT_EQ(audit_read(UINT64_MAX, records, 8), 0);
    /* What was read is not lost when it is overwritten. */
    audit_seen(after.next - 1);
    audit_seen(UINT64_MAX);
    for (unsigned i = 0; i < AUDIT_RING_RECORDS; i++)
        audit_record(&(struct audit_record){ .kind = AUDIT_SPLIT });
    EXPECT_EQ(audit_stats().lost, after.lost);
    audit_record(&(struct audit_record){ .kind = AUDIT_SPLIT });
    EXPECT_EQ(audit_stats().lost, after.lost + 1);
}
