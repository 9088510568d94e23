/* Lines bound to notifications: who gets what, and what a line may do until it is acknowledged. */
#include <arch/irq.h>
#include <arch/simulation.h>
#include <kernel/irq_object.h>
#include <kernel/slab.h>
#include <kernel/test.h>

enum { LEVEL = 40, EDGE = 41, KERNEL_LINE = 42 };

static struct budget *budget;
static struct cspace cspace;
static struct object *notification; /* counted by the test */

static uint64_t taken(void)
{
    uint64_t bits = object_as_notification(notification)->bits;

    object_as_notification(notification)->bits = 0;
    return bits;
}

static uint64_t root(void)
{
    uint64_t handle = HANDLE_NONE;

    EXPECT_EQ(cspace_create(&cspace, &irq_object, object_type_rights(OBJECT_IRQ), &handle), OK);
    return handle;
}

static bool ready(void)
{
    if (irq_object.references == 0)
        irq_object_init();
    if (budget_create(NULL, &budget) != OK || cspace_init(&cspace, budget, 1) != OK ||
        notification_create(budget, &notification) != OK) {
        test_fail(__FILE__, __LINE__, "no memory");
        return false;
    }
    return true;
}

static void over(void)
{
    struct work work = { UINT32_MAX };
    struct object_info_budget info;

    EXPECT_EQ(cspace_clear(&cspace, &work), OK);
    object_put(notification);
    budget_inspect(budget, &info);
    EXPECT_EQ(info.used[BUDGET_MEMORY], 0);
    budget_put(budget);
}

static uint64_t split(uint64_t from, uint64_t offset, uint64_t count, enum irq_trigger trigger)
{
    struct capability *capability;
    uint64_t badge;
    uint64_t part = HANDLE_NONE;

    if (capability_acquire(&cspace, from, OBJECT_IRQ, 0, &capability) != OK)
        return HANDLE_NONE;
    if (irq_part(capability->badge, offset, count, trigger, &badge) == OK)
        EXPECT_EQ(capability_derive(capability,
                                    &(struct capability_mint){ capability->rights, badge }, &cspace,
                                    &part),
                  OK);
    capability_release(capability);
    return part;
}

static enum status bind(uint64_t line, uint64_t bits)
{
    struct capability *capability;
    enum status status = capability_acquire(&cspace, line, OBJECT_IRQ, RIGHT_IRQ_BIND, &capability);

    if (status != OK)
        return status;
    status = irq_bind(capability, object_as_notification(notification), bits);
    capability_release(capability);
    return status;
}

static enum status acknowledge(uint64_t line)
{
    struct capability_ref ref;
    enum status status = cspace_borrow(&cspace, line, OBJECT_IRQ, RIGHT_IRQ_ACKNOWLEDGE, &ref);

    return status == OK ? irq_acknowledge(ref.badge) : status;
}

static void close(uint64_t handle)
{
    EXPECT_EQ(cspace_close(&cspace, handle, &(struct work){ 10 }), OK);
}

HOST_TEST(a_level_is_masked_until_it_is_acknowledged)
{
    REQUIRE(ready());
    uint64_t line = split(root(), LEVEL, 1, IRQ_TRIGGER_FIRMWARE);
    EXPECT_EQ(acknowledge(line), ERR_STATE);
    EXPECT_EQ(bind(line, 4), OK);
    EXPECT(simulation_line_open(LEVEL));
    arch_irq_raise(LEVEL);
    EXPECT(!simulation_line_open(LEVEL));
    EXPECT_EQ(taken(), 4);
    EXPECT_EQ(acknowledge(line), OK);
    EXPECT(simulation_line_open(LEVEL));
    EXPECT_EQ(taken(), 0);
    EXPECT_EQ(acknowledge(line), OK);
    arch_irq_raise(LEVEL);
    EXPECT_EQ(taken(), 4);
    over();
    EXPECT(!simulation_line_open(LEVEL));
}

HOST_TEST(an_edge_is_remembered_once)
{
    REQUIRE(ready());
    uint64_t line = split(root(), LEVEL, 1, IRQ_TRIGGER_EDGE_RISING);
    EXPECT_EQ(bind(line, 1), OK);
    uint64_t before = irq_count(LEVEL);
    arch_irq_raise(LEVEL);
    EXPECT_EQ(taken(), 1);
    EXPECT(simulation_line_open(LEVEL));
    arch_irq_raise(LEVEL);
    EXPECT_EQ(taken(), 0);
    EXPECT(!simulation_line_open(LEVEL));
    for (unsigned i = 0; i < 100; i++)
        arch_irq_raise(LEVEL);
    EXPECT_EQ(irq_count(LEVEL), before + 2);
    EXPECT_EQ(acknowledge(line), OK);
    EXPECT_EQ(taken(), 1);
    EXPECT(simulation_line_open(LEVEL));
    EXPECT_EQ(acknowledge(line), OK);
    EXPECT_EQ(taken(), 0);
    EXPECT(simulation_line_open(LEVEL));
    over();
}

HOST_TEST(a_line_is_bound_once_and_goes_with_its_capability)
{
    REQUIRE(ready());
    uint64_t all = root();
    uint64_t one = split(all, EDGE, 1, IRQ_TRIGGER_FIRMWARE);
    uint64_t other = split(all, EDGE, 1, IRQ_TRIGGER_FIRMWARE);
    EXPECT_EQ(bind(one, 1), OK);
    EXPECT_EQ(bind(other, 2), ERR_BUSY);
    EXPECT_EQ(bind(other, 2), ERR_BUSY);
    arch_irq_raise(EDGE);
    EXPECT_EQ(taken(), 1);
    EXPECT_EQ(split(all, EDGE, 1, IRQ_TRIGGER_FIRMWARE) == HANDLE_NONE, false);
    EXPECT_EQ(acknowledge(one), OK);
    object_as_notification(notification)->dead = true;
    EXPECT_EQ(bind(one, 8), ERR_DEAD);
    EXPECT_EQ(acknowledge(one), ERR_STATE);
    object_as_notification(notification)->dead = false;
    EXPECT_EQ(bind(one, 8), OK); /* anew */
    arch_irq_raise(EDGE);
    EXPECT_EQ(taken(), 8);
    close(one);
    EXPECT(!simulation_line_open(EDGE));
    EXPECT_EQ(acknowledge(other), ERR_STATE);
    EXPECT_EQ(bind(other, 2), OK);
    arch_irq_raise(EDGE);
    EXPECT_EQ(taken(), 2);
    EXPECT_EQ(cspace_revoke(&cspace, all, &(struct work){ 10 }), OK);
    EXPECT(!simulation_line_open(EDGE));
    arch_irq_raise(EDGE);
    EXPECT_EQ(taken(), 0);
    over();
}

static void kernels_own(void *context)
{
    (void)context;
}

HOST_TEST(what_cannot_be_bound)
{
    REQUIRE(ready());
    uint64_t all = root();
    EXPECT_EQ(bind(all, 1), ERR_RANGE);
    EXPECT_EQ(acknowledge(all), ERR_RANGE);
    uint64_t two = split(all, LEVEL, 2, IRQ_TRIGGER_FIRMWARE);
    EXPECT_EQ(bind(two, 1), ERR_RANGE);
    uint64_t around = split(all, KERNEL_LINE, 1, IRQ_TRIGGER_FIRMWARE);
    bool edge;
    spinlock_acquire(&irq_lock);
    EXPECT_EQ(irq_attach(KERNEL_LINE, IRQ_TRIGGER_FIRMWARE, kernels_own, NULL, &edge), OK);
    spinlock_release(&irq_lock);
    EXPECT_EQ(split(all, KERNEL_LINE, 1, IRQ_TRIGGER_FIRMWARE), HANDLE_NONE);
    EXPECT(split(all, KERNEL_LINE, 2, IRQ_TRIGGER_FIRMWARE) != HANDLE_NONE);
    EXPECT_EQ(bind(around, 1), ERR_ACCESS);
    spinlock_acquire(&irq_lock);
    irq_detach(KERNEL_LINE);
    spinlock_release(&irq_lock);
    over();
}

HOST_TEST(lines_are_split_and_never_grow)
{
    uint64_t part;
    uint64_t line;

    EXPECT_EQ(irq_part(0, 32, 8, IRQ_TRIGGER_FIRMWARE, &part), OK);
    EXPECT_EQ(irq_part(part, 8, 1, IRQ_TRIGGER_FIRMWARE, &line), ERR_RANGE);
    EXPECT_EQ(irq_part(part, 7, 2, IRQ_TRIGGER_FIRMWARE, &line), ERR_RANGE);
    EXPECT_EQ(irq_part(part, UINT64_MAX, 2, IRQ_TRIGGER_FIRMWARE, &line), ERR_RANGE);
    EXPECT_EQ(irq_part(part, 0, 0, IRQ_TRIGGER_FIRMWARE, &line), ERR_RANGE);
    EXPECT_EQ(irq_part(part, 0, 2, IRQ_TRIGGER_EDGE_RISING, &line), ERR_RANGE);
    EXPECT_EQ(irq_part(part, 0, 1, IRQ_TRIGGER_EDGE_RISING, &line), OK);
    EXPECT_EQ(irq_part(line, 0, 1, IRQ_TRIGGER_FIRMWARE, &part), OK);
    EXPECT_EQ(part, line);
    EXPECT_EQ(irq_part(line, 0, 1, IRQ_TRIGGER_LEVEL_LOW, &part), ERR_STATE);
    EXPECT_EQ(irq_part(line, 1, 1, IRQ_TRIGGER_FIRMWARE, &part), ERR_RANGE);
    EXPECT_EQ(irq_part(0, IRQ_MAX, 1, IRQ_TRIGGER_FIRMWARE, &part), ERR_RANGE);
}

HOST_TEST(binding_is_paid_for_and_may_fail)
{
    REQUIRE(ready());
    uint64_t line = split(root(), LEVEL, 1, IRQ_TRIGGER_FIRMWARE);
    struct object_info_budget info;
    budget_inspect(budget, &info);
    budget_limit(budget, BUDGET_MEMORY, info.used[BUDGET_MEMORY]);
    EXPECT_EQ(bind(line, 1), ERR_LIMIT);
    budget_limit(budget, BUDGET_MEMORY, BUDGET_UNLIMITED);
    slab_fail_after(1);
    EXPECT_EQ(bind(line, 1), ERR_NO_MEMORY);
    slab_fail_after(0);
    EXPECT_EQ(bind(line, 1), OK);
    over();
}
