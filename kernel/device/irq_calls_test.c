/* Interrupts that reach user mode, from a line that the test raises and from a real device. */
#include "driver_test.h"
#include <arch/device_test.h>
#include <arch/irq.h>
#include <kernel/device.h>
#include <kernel/irq_object.h>
#include <kernel/kmap.h>
#include <kernel/timer.h>

/* A line that no device of the test machines uses. */
enum { FREE_LINE = 20, FREE_LINE_GIC = 120 };
enum { IRQ_RIGHTS = RIGHT_IRQ_BIND | RIGHT_IRQ_ACKNOWLEDGE | RIGHT_ANY_REVOKE | RIGHT_ANY_INSPECT };

struct driver {
    struct user_fixture f;
    unsigned line;
    uint64_t root;
    uint64_t irq;
    uint64_t notification;
};

static unsigned free_line(void)
{
    return arch_test_machine().has_gic ? FREE_LINE_GIC : FREE_LINE;
}

static bool driver_init(struct driver *driver, unsigned line, enum irq_trigger trigger)
{
    struct user_fixture *f = &driver->f;

    if (!user_fixture_init(f))
        return false;
    driver->line = line;
    driver->root = give(f, &irq_object, IRQ_RIGHTS);
    uint64_t budget = give_all(f, &f->budget->object);
    EXPECT_EQ(CALL(f, object_create, budget, OBJECT_NOTIFICATION), OK);
    driver->notification = driver_value;
    EXPECT_EQ(CALL(f, object_split, driver->root, line, 1, trigger), OK);
    driver->irq = driver_value;
    EXPECT_EQ(CALL(f, object_bind, driver->irq, driver->notification, 2), OK);
    return true;
}

/* The bits that are set now; 0: none. */
static uint64_t poll(struct driver *driver)
{
    uint64_t status = CALL(&driver->f, notification_wait, driver->notification, UINT64_MAX, 0);

    if (status == ERR_TIMED_OUT)
        return 0;
    EXPECT_EQ(status, OK);
    return driver_value;
}

static void raise(unsigned line)
{
    arch_irq_raise(line);
    user_let_run_ns((uint64_t)2 * 1000 * 1000);
}

GUEST_TEST(an_interrupt_wakes_its_driver)
{
    struct driver d;

    REQUIRE(driver_init(&d, free_line(), IRQ_TRIGGER_EDGE_RISING));
    REQUIRE(user_prepare(&d.f, 1, GUEST_SYSCALL));
    const uint64_t wait[] = { SYSCALL_notification_wait, d.notification, UINT64_MAX, UINT64_MAX };
    memcpy(d.f.command[1].in, wait, sizeof(wait));
    user_pin(&d.f, 1, cpu_count - 1);
    user_start(&d.f, 1);
    (void)user_wait_started(&d.f, 1);
    user_let_run_ns((uint64_t)5 * 1000 * 1000);
    EXPECT(!thread_is_dead(d.f.thread[1]));
    raise(d.line);
    (void)user_wait_dead(&d.f, 1);
    EXPECT_EQ(d.f.command[1].out[0], OK);
    EXPECT_EQ(d.f.command[1].out[1], 2);
    EXPECT_EQ(poll(&d), 0);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    raise(d.line);
    EXPECT_EQ(poll(&d), 2);
    user_fixture_destroy(&d.f);
}

GUEST_TEST(a_driver_that_does_not_acknowledge_is_interrupted_no_more)
{
    struct driver d;

    REQUIRE(driver_init(&d, free_line(), IRQ_TRIGGER_EDGE_RISING));
    uint64_t before = irq_count(d.line);
    raise(d.line);
    EXPECT_EQ(poll(&d), 2);
    raise(d.line);
    EXPECT_EQ(poll(&d), 0);
    EXPECT_EQ(irq_count(d.line), before + 2);
    /* What came meanwhile is signalled at once, and only once. */
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    EXPECT_EQ(poll(&d), 2);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    EXPECT_EQ(poll(&d), 0);
    user_fixture_destroy(&d.f);
}

GUEST_TEST(rights_to_an_interrupt_line)
{
    struct driver d;

    REQUIRE(driver_init(&d, free_line(), IRQ_TRIGGER_EDGE_RISING));
    EXPECT_EQ(CALL(&d.f, handle_copy, d.irq, RIGHT_IRQ_BIND, 0, 0), OK);
    uint64_t binds = driver_value;
    EXPECT_EQ(CALL(&d.f, handle_copy, d.irq, RIGHT_IRQ_ACKNOWLEDGE, 0, 0), OK);
    uint64_t acknowledges = driver_value;
    EXPECT_EQ(CALL(&d.f, object_bind, acknowledges, d.notification, 2), ERR_ACCESS);
    EXPECT_EQ(CALL(&d.f, object_bind, binds, d.notification, 2), ERR_BUSY);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, binds), ERR_ACCESS);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, acknowledges), OK);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.notification), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.root), ERR_RANGE);
    EXPECT_EQ(CALL(&d.f, object_bind, d.root, d.notification, 2), ERR_RANGE);
    EXPECT_EQ(CALL(&d.f, object_split, d.irq, 1, 1, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&d.f, object_split, d.root, IRQ_MAX - 1, 2, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&d.f, object_split, d.root, UINT64_MAX, 2, 0), ERR_RANGE);
    user_fixture_destroy(&d.f);
}

GUEST_TEST(the_kernels_own_lines_are_not_given_away)
{
    struct driver d;

    REQUIRE(driver_init(&d, free_line(), IRQ_TRIGGER_EDGE_RISING));
    /* The console's; lines of the timer and of cross calls are none of the controller's. */
    unsigned console = arch_test_machine().console_line;
    if (irq_is_taken(console))
        EXPECT_EQ(CALL(&d.f, object_split, d.root, console, 1, 0), ERR_ACCESS);
    if (arch_test_machine().has_gic) {
        EXPECT_EQ(CALL(&d.f, object_split, d.root, arch_test_machine().timer_line, 1, 0), OK);
        EXPECT_EQ(CALL(&d.f, object_bind, driver_value, d.notification, 1), ERR_RANGE);
    }
    EXPECT_EQ(CALL(&d.f, object_split, d.root, IRQ_MESSAGE_FIRST - 1, 1, 0), OK);
    EXPECT_EQ(CALL(&d.f, object_bind, driver_value, d.notification, 1), ERR_RANGE);
    user_fixture_destroy(&d.f);
}

/* Its line is masked, and free for the next one. */
GUEST_TEST(a_driver_that_dies_leaves_a_silent_line)
{
    struct driver d;
    struct driver next;

    REQUIRE(driver_init(&d, free_line(), IRQ_TRIGGER_EDGE_RISING));
    user_fixture_destroy(&d.f);
    EXPECT(!irq_is_taken(d.line));
    REQUIRE(driver_init(&next, free_line(), IRQ_TRIGGER_EDGE_RISING));
    raise(next.line);
    EXPECT_EQ(poll(&next), 2);
    EXPECT_EQ(CALL(&next.f, handle_revoke, next.root), OK);
    EXPECT(!irq_is_taken(next.line));
    raise(next.line);
    EXPECT_EQ(poll(&next), 0);
    user_fixture_destroy(&next.f);
}

GUEST_TEST(messages_are_lines_where_there_are_some)
{
    struct driver d;
    uint64_t address;
    uint64_t data;

    if (arch_irq_message(IRQ_MESSAGE_FIRST + 3, &address, &data) != OK)
        SKIP("no message lines");
    REQUIRE(driver_init(&d, IRQ_MESSAGE_FIRST + 3, IRQ_TRIGGER_FIRMWARE));
    raise(d.line);
    EXPECT_EQ(poll(&d), 2);
    /* The device writes itself: a store to the address is the interrupt. */
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    EXPECT(address >> 20 == 0xfee && data > 0x20 && data < 0x100);
    user_fixture_destroy(&d.f);
}

/* ---- Real devices ---- */

/* x86_64: channel 0 of the interval timer, driven from user mode; its line is an edge. */
GUEST_TEST(the_interval_timer_has_a_driver)
{
    struct driver d;

    if (device_ports.whole == 0)
        SKIP("no ports");
    REQUIRE(driver_init(&d, 2, IRQ_TRIGGER_FIRMWARE));
    uint64_t ports = give_all(&d.f, &device_ports.object);
    EXPECT_EQ(CALL(&d.f, object_split, ports, 0x40, 4), OK);
    uint64_t timer = driver_value;
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 3, 0x30), OK); /* once */
        EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 0, 0xff), OK);
        EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 0, 0x04), OK); /* about 1 ms */
        EXPECT_EQ(CALL(&d.f, notification_wait, d.notification, 2,
                       clock_now_ns() + (uint64_t)5 * 1000 * 1000 * 1000),
                  OK);
        EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    }
    /* A storm: 10,000 a second, of which the kernel takes two, and one that was on its way when the
     * line was masked. */
    EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 3, 0x34), OK);
    EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 0, 119), OK);
    uint64_t before = irq_count(d.line);
    EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 0, 0), OK);
    user_let_run_ns((uint64_t)20 * 1000 * 1000);
    EXPECT(irq_count(d.line) <= before + 3);
    EXPECT_EQ(poll(&d), 2);
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    EXPECT_EQ(CALL(&d.f, device_io, timer, PORT_OP_WRITE8, 3, 0x30), OK); /* stop */
    user_fixture_destroy(&d.f);
}

/* aarch64: the clock chip (PL031), whose line is a level that stays until the chip is told. */
enum { CLOCK_LINE = 34, CLOCK_DATA = 0, CLOCK_MATCH = 1, CLOCK_MASK = 4, CLOCK_CLEAR = 7 };
#define CLOCK_BASE UINT64_C(0x09010000)

static volatile uint32_t *clock_registers(void)
{
    static void *mapped;

    if (mapped == NULL && kmap_device(paddr(CLOCK_BASE), PAGE_SIZE, &mapped) != OK)
        return NULL;
    return mapped;
}

GUEST_TEST(a_level_that_stays_interrupts_once_for_each_acknowledgement)
{
    struct driver d;

    if (!arch_test_machine().has_gic)
        SKIP("no clock chip with a level");
    REQUIRE(driver_init(&d, CLOCK_LINE, IRQ_TRIGGER_LEVEL_HIGH));
    volatile uint32_t *chip = clock_registers();
    uint64_t before = irq_count(d.line);
    chip[CLOCK_MASK] = 1;
    chip[CLOCK_MATCH] = chip[CLOCK_DATA] + 1;
    EXPECT_EQ(CALL(&d.f, notification_wait, d.notification, 2,
                   clock_now_ns() + (uint64_t)5 * 1000 * 1000 * 1000),
              OK);
    EXPECT_EQ(irq_count(d.line), before + 1);
    for (unsigned i = 2; i < 5; i++) {
        EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
        EXPECT_EQ(poll(&d), 2);
        EXPECT_EQ(irq_count(d.line), before + i);
    }
    chip[CLOCK_CLEAR] = 1;
    chip[CLOCK_MASK] = 0;
    EXPECT_EQ(CALL(&d.f, irq_acknowledge, d.irq), OK);
    EXPECT_EQ(poll(&d), 0);
    user_fixture_destroy(&d.f);
}
