/* What drivers pay: an interrupt with its acknowledgement, a port, a pin. */
#include <arch/device_test.h>
#include <arch/irq.h>
#include <arch/timer.h>
#include <base/bench.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/irq_object.h>
#include <kernel/memory.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { FREE_LINE = 20, FREE_LINE_GIC = 120, DRIVER = 0, SPINNER = 1, PORT_TURNS = 64 };
#define WINDOW_NS ((uint64_t)900 * 1000)
#define TICK_NS   ((uint64_t)20 * 1000)

/* ---- Interrupts ---- */

/* A timer that raises the line, or, to compare with, does not. */
static struct {
    struct timer timer;
    unsigned line;
    bool raise;
    uint64_t count;
} tick;

static void tick_fire(struct timer *timer)
{
    tick.count++;
    if (tick.raise)
        arch_irq_raise(tick.line);
    timer_again(timer, clock_now_ns() + TICK_NS);
}

/* How far the spinner gets while the timer runs. */
static uint64_t spins_with(struct user_fixture *f, bool raise)
{
    tick.raise = raise;
    tick.count = 0;
    timer_start(&tick.timer, clock_now_ns() + TICK_NS);
    uint64_t spins = user_count(f, SPINNER);
    user_let_run_ns(WINDOW_NS);
    spins = user_count(f, SPINNER) - spins;
    (void)timer_cancel(&tick.timer);
    return spins;
}

static uint64_t turn_cost(struct user_fixture *f)
{
    uint64_t spins = user_count(f, SPINNER);
    uint64_t start = arch_cycle_count();
    user_let_run_ns(WINDOW_NS);
    uint64_t cost = arch_cycle_count() - start;
    spins = user_count(f, SPINNER) - spins;
    return spins == 0 ? 0 : (cost + spins / 2) / spins;
}

/* A driver over a spinner waits, is woken, and acknowledges, again and again. */
static bool driver_start(struct user_fixture *f)
{
    struct test_guest_step *step = user_map_arena(f);
    struct object *notification;
    struct capability *line;
    uint64_t badge;

    if (step == NULL || notification_create(f->budget, &notification) != OK)
        return false;
    uint64_t wait = user_give(f, notification, RIGHT_NOTIFICATION_WAIT);
    uint64_t root = user_give(f, &irq_object, RIGHT_IRQ_BIND | RIGHT_IRQ_ACKNOWLEDGE);
    uint64_t irq = HANDLE_NONE;
    struct cspace *cspace = &f->process->cspace;
    EXPECT_EQ(capability_acquire(cspace, root, OBJECT_IRQ, 0, &line), OK);
    EXPECT_EQ(irq_part(0, tick.line, 1, IRQ_TRIGGER_EDGE_RISING, &badge), OK);
    EXPECT_EQ(
        capability_derive(line, &(struct capability_mint){ line->rights, badge }, cspace, &irq),
        OK);
    capability_release(line);
    EXPECT_EQ(capability_acquire(cspace, irq, OBJECT_IRQ, RIGHT_IRQ_BIND, &line), OK);
    EXPECT_EQ(irq_bind(line, object_as_notification(notification), 1), OK);
    capability_release(line);
    object_put(notification);
    step[0] = (struct test_guest_step){ SYSCALL_notification_wait, { wait, 1, DEADLINE_NEVER }, 0 };
    step[1] = (struct test_guest_step){ SYSCALL_irq_acknowledge, { irq }, 0 };
    if (!user_prepare(f, DRIVER, GUEST_SCRIPT))
        return false;
    f->command[DRIVER].in[0] = TEST_GUEST_ARENA_AT;
    f->command[DRIVER].in[1] = 2;
    f->command[DRIVER].in[2] = UINT64_MAX;
    user_pin(f, DRIVER, 0);
    EXPECT_EQ(sched_set_priority(f->thread[DRIVER], PRIORITY_DEFAULT + 1), OK);
    user_start(f, DRIVER);
    return user_wait_started(f, DRIVER);
}

BENCH(interrupt_to_driver)
{
    struct user_fixture f;

    if (!user_fixture_init(&f))
        return;
    tick.line = arch_test_machine().has_gic ? FREE_LINE_GIC : FREE_LINE;
    timer_init(&tick.timer, tick_fire);
    if (driver_start(&f) && user_prepare(&f, SPINNER, GUEST_SPIN)) {
        user_pin(&f, SPINNER, 0);
        user_start(&f, SPINNER);
        (void)user_wait_count(&f, SPINNER, 1);
        uint64_t per_turn = turn_cost(&f);
        (void)spins_with(&f, true);
        uint64_t without = spins_with(&f, false);
        uint64_t with = spins_with(&f, true);
        bench_report("interrupt_to_driver_and_back", "instructions",
                     (without - with) * per_turn / tick.count);
    }
    user_fixture_destroy(&f);
}

/* ---- Ports and pins ---- */

BENCH(port_read)
{
    struct user_fixture f;

    if (device_ports.whole == 0 || !user_fixture_init(&f))
        return;
    struct test_guest_step *step = user_map_arena(&f);
    uint64_t ports = user_give(&f, &device_ports.object, RIGHT_DEVICE_READ);
    if (step != NULL) {
        step[0] = (struct test_guest_step){ SYSCALL_device_io, { ports, PORT_OP_READ8, 0x71 }, 0 };
        uint64_t cost[2] = { 0, 0 };
        for (unsigned round = 0; round < 3; round++) {
            if (!user_prepare(&f, 0, GUEST_SCRIPT))
                break;
            f.command[0].in[0] = TEST_GUEST_ARENA_AT;
            f.command[0].in[1] = 1;
            f.command[0].in[2] = round < 2 ? PORT_TURNS : (uint64_t)2 * PORT_TURNS;
            user_pin(&f, 0, 0);
            uint64_t start = arch_cycle_count();
            user_start(&f, 0);
            (void)user_wait_dead(&f, 0);
            cost[round / 2] = arch_cycle_count() - start;
        }
        bench_report("port_read", "instructions", (cost[1] - cost[0]) / PORT_TURNS);
    }
    user_fixture_destroy(&f);
}

static void report_pin(struct memory *memory, struct budget *budget, uint64_t pages,
                       const char *pin_name, const char *unpin_name)
{
    struct pin *pin;
    uint64_t cost[2] = { 0, 0 };

    for (unsigned round = 0; round < 2; round++) {
        uint64_t start = arch_cycle_count();
        EXPECT_EQ(dma_pin_create(&memory->object, 0, pages * PAGE_SIZE, 0, budget, &pin), OK);
        uint64_t middle = arch_cycle_count();
        dma_pin_destroy(pin);
        cost[1] = arch_cycle_count() - middle;
        cost[0] = middle - start;
    }
    bench_report(pin_name, "instructions", cost[0]);
    bench_report(unpin_name, "instructions", cost[1]);
}

BENCH(pin_and_unpin)
{
    struct budget *budget;
    struct memory *memory;
    struct work work = { UINT32_MAX };

    if (budget_create(NULL, &budget) != OK)
        return;
    if (memory_create(budget, DMA_PIN_PAGES_MAX * PAGE_SIZE, &memory) == OK) {
        report_pin(memory, budget, 1, "dma_pin_1_page", "dma_unpin_1_page");
        report_pin(memory, budget, DMA_PIN_PAGES_MAX, "dma_pin_512_pages", "dma_unpin_512_pages");
        EXPECT_EQ(object_end(&memory->object, &work), OK);
        memory_put(memory);
    }
    budget_put(budget);
}
