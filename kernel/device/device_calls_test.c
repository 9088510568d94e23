/* Drivers' system calls from user mode: what they give, and every way out of it that is shut. */
#include "driver_test.h"
#include <arch/device_test.h>
#include <audit.h>
#include <kernel/audit.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <kernel/system.h>
#include <object_info.h>

GUEST_TEST(a_part_is_a_capability_of_its_own)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t root = give_all(&f, &device_memory.object);
    EXPECT_EQ(CALL(&f, object_split, root, 0x7fffff0000, 0x4000), OK);
    uint64_t part = driver_value;
    EXPECT_EQ(CALL(&f, object_split, part, 0x1000, 0x2000), OK);
    uint64_t inner = driver_value;
    EXPECT_EQ(CALL(&f, object_split, part, 0x1000, 0x4000), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part, UINT64_MAX - 0xfff, 0x2000), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part, 0, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part, 1, 0x1000), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part, 0, 0x1000, IRQ_TRIGGER_LEVEL_LOW), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part, 0, 0x1000, 5), ERR_RANGE);
    EXPECT_EQ(CALL(&f, object_split, part + 77, 0, 0x1000), ERR_NOT_FOUND);
    /* It shows what it covers. */
    struct object_info *info = (void *)((char *)f.command + PAGE_SIZE / 2);
    uint64_t info_at = BUFFER_AT;
    EXPECT_EQ(CALL(&f, object_info, inner, info_at, sizeof(*info)), OK);
    EXPECT_EQ(info->detail.device.first, 0x7fffff1000);
    EXPECT_EQ(info->detail.device.size, 0x2000);
    EXPECT_EQ(info->detail.device.ports, 0);
    /* It goes with the whole. */
    EXPECT_EQ(CALL(&f, handle_revoke, root), OK);
    EXPECT_EQ(CALL(&f, object_info, part, info_at, sizeof(*info)), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&f, object_info, inner, info_at, sizeof(*info)), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&f, object_split, root, 0x7fffff0000, 0x4000), OK);
    user_fixture_destroy(&f);
}

GUEST_TEST(what_is_not_a_device_is_not_split)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t system = give_all(&f, system_object());
    EXPECT_EQ(CALL(&f, object_split, system, 0, 1), ERR_INVALID);
    user_fixture_destroy(&f);
}

GUEST_TEST(memory_and_the_kernels_registers_are_not_split_off)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t root = give_all(&f, &device_memory.object);
    uint64_t owned = paddr_of_direct(f.command).raw;
    EXPECT_EQ(CALL(&f, object_split, root, owned, PAGE_SIZE), ERR_ACCESS);
    uint64_t controller = arch_test_machine().controller;
    EXPECT_EQ(CALL(&f, object_split, root, controller, PAGE_SIZE), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, object_split, root, controller - PAGE_SIZE, 2 * PAGE_SIZE), ERR_ACCESS);
    user_fixture_destroy(&f);
}

/* The clock chip is everywhere where there are ports: register 10 has its divider. */
GUEST_TEST(ports_are_read_and_written_within_their_range)
{
    struct user_fixture f;

    if (device_ports.whole == 0)
        SKIP("no ports");
    REQUIRE(user_fixture_init(&f));
    uint64_t root = give_all(&f, &device_ports.object);
    EXPECT_EQ(CALL(&f, object_split, root, 0x70, 2), OK);
    uint64_t clock = driver_value;
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_WRITE8, 0, 10), OK);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_READ8, 1), OK);
    EXPECT_EQ(driver_value & 0x7f, 0x26);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_READ8, 2), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_READ16, 1), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_READ32, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_READ8, UINT64_MAX), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, clock, PORT_OP_WRITE8, 0, 0x100), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, clock, 6, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&f, device_io, root, PORT_OP_WRITE8, 0x3f8, 'x'), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, device_io, root, PORT_OP_READ8, 0x20), ERR_ACCESS);
    uint64_t reader = give(&f, &device_ports.object, RIGHT_DEVICE_READ);
    EXPECT_EQ(CALL(&f, device_io, reader, PORT_OP_WRITE8, 0x70, 10), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, device_io, reader, PORT_OP_READ8, 0x71), OK);
    uint64_t writer = give(&f, &device_ports.object, RIGHT_DEVICE_WRITE);
    EXPECT_EQ(CALL(&f, device_io, writer, PORT_OP_READ8, 0x71), ERR_ACCESS);
    user_fixture_destroy(&f);
}

GUEST_TEST(registers_are_no_ports)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t memory = give_all(&f, &device_memory.object);
    EXPECT_EQ(CALL(&f, device_io, memory, PORT_OP_READ8, 0x70), ERR_UNSUPPORTED);
    if (device_ports.whole == 0) {
        uint64_t ports = give_all(&f, &device_ports.object);
        EXPECT_EQ(CALL(&f, device_io, ports, PORT_OP_READ8, 0x70), ERR_UNSUPPORTED);
    }
    user_fixture_destroy(&f);
}

/* ---- Registers in an address space, and memory for devices ---- */

/* Where there are registers that can be read without harm: x86_64's HPET, aarch64's clock chip. */
GUEST_TEST(mapped_registers_go_with_the_capability)
{
    struct user_fixture f;
    uint64_t at = arch_test_machine().registers;

    if (at == 0)
        SKIP("no registers to read");
    REQUIRE(user_fixture_init(&f));
    uint64_t root = give_all(&f, &device_memory.object);
    EXPECT_EQ(CALL(&f, object_split, root, at, PAGE_SIZE), OK);
    uint64_t part = driver_value;
    uint64_t space = give_all(&f, &f.process->object);
    EXPECT_EQ(CALL(&f, map, space, root, TEST_GUEST_ARENA_AT, paddr_of_direct(f.command).raw,
                   PAGE_SIZE, ACCESS_READ),
              ERR_ACCESS);
    EXPECT_EQ(CALL(&f, map, space, part, TEST_GUEST_ARENA_AT, PAGE_SIZE, PAGE_SIZE, ACCESS_READ),
              ERR_RANGE);
    EXPECT_EQ(CALL(&f, map, space, part, TEST_GUEST_ARENA_AT, UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE,
                   ACCESS_READ),
              ERR_RANGE);
    EXPECT_EQ(CALL(&f, map, space, part, TEST_GUEST_ARENA_AT, 0, PAGE_SIZE, ACCESS_READ), OK);
    REQUIRE(user_run(&f, 1, GUEST_LOAD, TEST_GUEST_ARENA_AT, 0));
    (void)user_wait_dead(&f, 1);
    EXPECT_EQ(f.command[1].finished, 1);
    EXPECT(f.command[1].out[0] != 0);
    EXPECT_EQ(CALL(&f, handle_revoke, root), OK);
    REQUIRE(user_run(&f, 1, GUEST_LOAD, TEST_GUEST_ARENA_AT, 0));
    (void)user_wait_dead(&f, 1);
    EXPECT_EQ(f.command[1].finished, 0);
    user_fixture_destroy(&f);
}

GUEST_TEST(memory_is_pinned_from_user_mode_or_not_at_all)
{
    enum { PAGES = 3, RIGHTS = RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE };
    struct user_fixture f;
    struct memory *memory;

    REQUIRE(user_fixture_init(&f));
    REQUIRE(memory_create(f.budget, PAGES * PAGE_SIZE, &memory) == OK);
    uint64_t pages = give(&f, &memory->object, RIGHTS);
    uint64_t reader = give(&f, &memory->object, RIGHT_MEMORY_READ);
    uint64_t root = give_all(&f, &dma_object);
    EXPECT_EQ(CALL(&f, object_split, root, 16, 1), OK);
    uint64_t dma = driver_value;
    const struct dma_run *run = (void *)((char *)f.command + PAGE_SIZE / 2);
    uint64_t size = PAGES * PAGE_SIZE;
    EXPECT_EQ(CALL(&f, dma_pin, dma, reader, 0, size, BUFFER_AT, PAGES), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, dma_pin, dma, dma, 0, size, BUFFER_AT, PAGES), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, BUFFER_AT, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, BUFFER_AT, DMA_RUNS_MAX + 1), ERR_RANGE);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, PAGE_SIZE, size, BUFFER_AT, PAGES), ERR_RANGE);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, 0, PAGES), ERR_FAULT);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, USER_END - 8, PAGES), ERR_FAULT);
    EXPECT_EQ(memory->pin_count, 0);
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, BUFFER_AT, PAGES), OK);
    uint64_t pin = driver_value;
    EXPECT_EQ(memory->pin_count, 1);
    uint64_t told = 0;
    for (unsigned i = 0; told < size && i < PAGES; i++)
        told += run[i].size_bytes;
    EXPECT_EQ(told, size);
    paddr_t pa;
    EXPECT_EQ(memory_page_address(memory, 0, true, &pa), OK);
    EXPECT_EQ(run[0].address, pa.raw);
    uint64_t pins_only = give(&f, &dma_object, RIGHT_DMA_PIN);
    EXPECT_EQ(CALL(&f, dma_unpin, pins_only, pin), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, dma_unpin, dma, pin + 1), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&f, dma_unpin, dma, pin), OK);
    EXPECT_EQ(memory->pin_count, 0);
    /* What dies with its driver is the parent's to release. */
    EXPECT_EQ(CALL(&f, dma_pin, dma, pages, 0, size, BUFFER_AT, PAGES), OK);
    EXPECT_EQ(CALL(&f, handle_close, dma), OK);
    EXPECT_EQ(memory->pin_count, 0);
    struct object_info *info = (void *)((char *)f.command + PAGE_SIZE / 2);
    EXPECT_EQ(CALL(&f, object_info, root, BUFFER_AT, sizeof(*info)), OK);
    EXPECT_EQ(info->detail.dma.quarantined_pages, PAGES);
    EXPECT_EQ(CALL(&f, dma_unpin, root, 0), OK);
    EXPECT_EQ(CALL(&f, object_info, root, BUFFER_AT, sizeof(*info)), OK);
    EXPECT_EQ(info->detail.dma.quarantined_pages, 0);
    memory_put(memory);
    user_fixture_destroy(&f);
}

/* ---- The machine ---- */

GUEST_TEST(power_and_audit_take_their_rights)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t audit = give(&f, system_object(), RIGHT_SYSTEM_AUDIT);
    uint64_t power = give(&f, system_object(), RIGHT_SYSTEM_POWER);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_POWER_OFF), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_RESTART), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, system_control, power, SYSTEM_OP_AUDIT_READ, 0, BUFFER_AT, 1), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, system_control, audit, 3), ERR_RANGE);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_AUDIT_READ, 0, BUFFER_AT, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_AUDIT_READ, 0, BUFFER_AT, 17), ERR_RANGE);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_AUDIT_READ, 0, 0, 1), ERR_FAULT);
    user_fixture_destroy(&f);
}

/* The record of the kind that the process under test caused after `from`. */
static bool find_record(const struct user_fixture *f, uint64_t from, enum audit_kind kind,
                        struct audit_record *found)
{
    struct audit_record record;

    while (audit_read(from, &record, 1) == 1) {
        if (record.kind == kind && record.actor == f->process->object.id) {
            *found = record;
            return true;
        }
        from = record.sequence + 1;
    }
    return false;
}

GUEST_TEST(what_is_done_with_authority_is_recorded)
{
    struct user_fixture f;
    struct audit_record record = { .sequence = 0 };

    REQUIRE(user_fixture_init(&f));
    uint64_t start = audit_stats().next;
    uint64_t root = give_all(&f, &device_memory.object);
    uint64_t reader = give(&f, &device_memory.object, RIGHT_DEVICE_READ);
    uint64_t budget = give_all(&f, &f.budget->object);
    EXPECT_EQ(CALL(&f, object_split, root, 0x7fffff0000, 0x1000), OK);
    EXPECT(find_record(&f, start, AUDIT_SPLIT, &record));
    EXPECT_EQ(record.object, device_memory.object.id);
    EXPECT_EQ(record.detail >> 24, 0x7fffff0);
    EXPECT_EQ(CALL(&f, object_create, budget, OBJECT_PROCESS), OK);
    uint64_t child = driver_value;
    EXPECT(find_record(&f, start, AUDIT_PROCESS, &record));
    uint64_t child_id = record.target;
    EXPECT_EQ(CALL(&f, handle_copy, root, RIGHT_DEVICE_READ, 0, child), OK);
    EXPECT(find_record(&f, start, AUDIT_GRANT, &record));
    EXPECT_EQ(record.target, child_id);
    EXPECT_EQ(record.rights, RIGHT_DEVICE_READ);
    EXPECT_EQ(CALL(&f, handle_revoke, reader), ERR_ACCESS);
    EXPECT(find_record(&f, start, AUDIT_DENIAL, &record));
    EXPECT_EQ(record.status, ERR_ACCESS);
    EXPECT_EQ(record.detail, reader);
    EXPECT_EQ(CALL(&f, handle_revoke, root), OK);
    EXPECT(find_record(&f, start, AUDIT_REVOKE, &record));
    EXPECT_EQ(record.object, device_memory.object.id);
    EXPECT_EQ(CALL(&f, handle_copy, child, RIGHT_PROCESS_MAP), OK);
    uint64_t weak = driver_value;
    start = audit_stats().next;
    EXPECT_EQ(CALL(&f, object_destroy, weak), ERR_ACCESS);
    EXPECT(find_record(&f, start, AUDIT_DENIAL, &record));
    EXPECT_EQ(record.detail, weak);
    EXPECT_EQ(CALL(&f, object_destroy, child), OK);
    EXPECT(find_record(&f, start, AUDIT_DEATH, &record));
    EXPECT_EQ(record.target, child_id);
    /* What a process does with its own table is its own matter. */
    start = audit_stats().next;
    EXPECT_EQ(CALL(&f, handle_copy, root, RIGHT_DEVICE_READ), OK);
    EXPECT_EQ(CALL(&f, handle_close, driver_value), OK);
    EXPECT_EQ(audit_stats().next, start);
    user_fixture_destroy(&f);
}

/* Whatever looks at rights otherwise than by the table of calls records what it refuses, too. */
GUEST_TEST(every_refusal_is_recorded)
{
    struct user_fixture f;
    struct audit_record record;

    REQUIRE(user_fixture_init(&f));
    uint64_t budget = give_all(&f, &f.budget->object);
    uint64_t space = give_all(&f, &f.process->object);
    uint64_t weak = give(&f, &f.process->object, RIGHT_PROCESS_SPAWN);
    EXPECT_EQ(CALL(&f, memory_create, budget, PAGE_SIZE), OK);
    uint64_t memory = driver_value;
    EXPECT_EQ(CALL(&f, handle_copy, memory, RIGHT_MEMORY_READ), OK);
    uint64_t unmappable = driver_value;
    EXPECT_EQ(CALL(&f, handle_copy, memory, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP), OK);
    uint64_t reader = driver_value;
    EXPECT_EQ(CALL(&f, object_create, budget, OBJECT_NOTIFICATION), OK);
    uint64_t notification = driver_value;
    EXPECT_EQ(CALL(&f, handle_copy, notification, RIGHT_NOTIFICATION_SIGNAL, 1), OK);
    uint64_t badged = driver_value;
    const struct {
        uint64_t number, word[6], refused;
        enum status status;
    } cases[] = {
        { SYSCALL_unmap, { weak, 0x70000000, PAGE_SIZE }, weak, ERR_ACCESS },
        { SYSCALL_map,
          { space, unmappable, 0x70000000, 0, PAGE_SIZE, ACCESS_READ },
          unmappable,
          ERR_ACCESS },
        { SYSCALL_map,
          { space, reader, 0x70000000, 0, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE },
          reader,
          ERR_ACCESS },
        { SYSCALL_object_bind, { weak, notification, 1 }, weak, ERR_ACCESS },
        { SYSCALL_object_bind, { space, badged, 2 }, badged, ERR_ACCESS },
        { SYSCALL_notification_signal, { badged, 3 }, badged, ERR_ACCESS },
        { SYSCALL_handle_copy, { reader, RIGHT_MEMORY_WRITE }, reader, ERR_ACCESS },
        { SYSCALL_handle_revoke, { weak }, weak, ERR_ACCESS },
        { SYSCALL_object_destroy, { weak }, weak, ERR_ACCESS },
        { SYSCALL_map,
          { budget, reader, 0x70000000, 0, PAGE_SIZE, ACCESS_READ },
          budget,
          ERR_NOT_FOUND },
        { SYSCALL_map,
          { space, space, 0x70000000, 0, PAGE_SIZE, ACCESS_READ },
          space,
          ERR_NOT_FOUND },
        { SYSCALL_unmap, { memory, 0x70000000, PAGE_SIZE }, memory, ERR_NOT_FOUND },
        { SYSCALL_protect,
          { notification, 0x70000000, PAGE_SIZE, ACCESS_READ },
          notification,
          ERR_NOT_FOUND },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t start = audit_stats().next;
        enum status status = cases[i].status;
        EXPECT_EQ(user_call_words(&f, cases[i].number, NULL, cases[i].word), status);
        bool found = find_record(&f, start, AUDIT_DENIAL, &record);
        if (!found || record.detail != cases[i].refused || record.status != status) {
            test_note("case %zu", i);
            test_fail(__FILE__, __LINE__, "no such record");
        }
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(the_audit_ring_is_read_from_user_mode)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t audit = give(&f, system_object(), RIGHT_SYSTEM_AUDIT | RIGHT_ANY_INSPECT);
    uint64_t start = audit_stats().next;
    EXPECT_EQ(CALL(&f, handle_revoke, audit), ERR_ACCESS);
    const struct audit_record *records = (void *)((char *)f.command + PAGE_SIZE / 2);
    uint64_t at = BUFFER_AT;
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_AUDIT_READ, start, at, 4), OK);
    EXPECT_EQ(driver_value, 1);
    EXPECT_EQ(records[0].sequence, start);
    EXPECT_EQ(records[0].kind, AUDIT_DENIAL);
    EXPECT_EQ(CALL(&f, system_control, audit, SYSTEM_OP_AUDIT_READ, start + 1, at, 4), OK);
    EXPECT_EQ(driver_value, 0);
    const struct object_info *info = (const void *)records;
    EXPECT_EQ(CALL(&f, object_info, audit, at, sizeof(*info)), OK);
    EXPECT_EQ(info->detail.system.cpu_count, cpu_count);
    EXPECT_EQ(info->detail.system.audit_next, start + 1);
    EXPECT(info->detail.system.frames_free < info->detail.system.frame_count);
    EXPECT(info->detail.system.counter_base != 0 && info->detail.system.ns_per_count != 0);
    user_fixture_destroy(&f);
}

GUEST_TEST(who_reads_the_audit_ring_is_told)
{
    struct user_fixture f;

    REQUIRE(user_fixture_init(&f));
    uint64_t audit = give(&f, system_object(), RIGHT_SYSTEM_AUDIT);
    uint64_t power = give(&f, system_object(), RIGHT_SYSTEM_POWER);
    uint64_t budget = give_all(&f, &f.budget->object);
    EXPECT_EQ(CALL(&f, object_create, budget, OBJECT_NOTIFICATION), OK);
    uint64_t notification = driver_value;
    EXPECT_EQ(CALL(&f, object_bind, power, notification, 1), ERR_ACCESS);
    audit_seen(audit_stats().next - 1);
    EXPECT_EQ(CALL(&f, object_bind, audit, notification, 1), OK);
    EXPECT_EQ(CALL(&f, notification_wait, notification, 1, 0), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(&f, handle_revoke, audit), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, notification_wait, notification, 1, 0), OK);
    /* Once, until everything was read. */
    EXPECT_EQ(CALL(&f, handle_revoke, audit), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, notification_wait, notification, 1, 0), ERR_TIMED_OUT);
    audit_seen(audit_stats().next - 1);
    EXPECT_EQ(CALL(&f, handle_revoke, audit), ERR_ACCESS);
    EXPECT_EQ(CALL(&f, notification_wait, notification, 1, 0), OK);
    user_fixture_destroy(&f);
}
