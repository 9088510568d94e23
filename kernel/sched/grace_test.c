/* Grace periods: nothing is freed before every CPU has taken an interrupt. */
#include <arch/simulation.h>
#include <kernel/cpu.h>
#include <kernel/grace.h>
#include <kernel/test.h>

enum { NODES = 150 };

static struct grace_node nodes[NODES];
static unsigned freed;

static void count_free(struct grace_node *node)
{
    (void)node;
    freed++;
}

static void interrupt_on(uint32_t index)
{
    struct cpu *self = cpu_self();
    arch_cpu_set_self(cpu_get(index));
    grace_interrupt();
    arch_cpu_set_self(self);
}

static void interrupt_all_but(uint32_t left_out)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (i != left_out)
            interrupt_on(i);
    }
}

HOST_TEST(a_node_waits_for_every_cpu)
{
    freed = 0;
    grace_enable(true);
    grace_call(&nodes[0], count_free);
    interrupt_all_but(CPU_MAX);
    EXPECT_EQ(freed, 0); /* nobody asked for a grace period */
    uint64_t ticket = grace_request();
    for (uint32_t i = 0; i < cpu_count; i++) {
        EXPECT_EQ(freed, 0);
        EXPECT(!grace_done(ticket));
        interrupt_on(i);
        interrupt_on(i == 0 ? 0 : i - 1); /* twice counts once */
    }
    EXPECT_EQ(freed, 1);
    EXPECT(grace_done(ticket));
    simulation_grace_settle();
}

/* What comes while a batch waits is not covered by it: a CPU may have answered already. */
HOST_TEST(a_late_node_waits_for_the_next_period)
{
    freed = 0;
    grace_enable(true);
    (void)grace_request();
    interrupt_on(0);
    grace_call(&nodes[0], count_free);
    uint64_t ticket = grace_request();
    for (uint32_t i = 1; i < cpu_count; i++)
        interrupt_on(i);
    EXPECT_EQ(freed, 0);
    EXPECT(!grace_done(ticket));
    interrupt_all_but(1);
    EXPECT_EQ(freed, 0);
    interrupt_on(1);
    EXPECT_EQ(freed, 1);
    EXPECT(grace_done(ticket));
    simulation_grace_settle();
}

HOST_TEST(many_nodes_begin_by_themselves_and_are_freed_in_slices)
{
    freed = 0;
    grace_enable(true);
    for (unsigned i = 0; i < NODES; i++)
        grace_call(&nodes[i], count_free);
    unsigned most = 0;
    for (unsigned round = 0; round < 100 && freed < NODES; round++) {
        for (uint32_t i = 0; i < cpu_count; i++) {
            unsigned before = freed;
            interrupt_on(i);
            most = MAX(most, freed - before);
        }
        if (round == 20)
            (void)grace_request(); /* the rest is below the threshold */
    }
    EXPECT_EQ(freed, NODES);
    EXPECT(most > 0 && most <= 64);
    simulation_grace_settle();
}

HOST_TEST(a_crowd_asks_for_a_period)
{
    static struct grace_node crowd[5000];

    freed = 0;
    grace_enable(true);
    (void)grace_request(); /* the crowd gathers behind a period that nobody answers yet */
    for (unsigned i = 0; i < ARRAY_LEN(crowd); i++) {
        EXPECT_EQ(grace_crowded(), i >= 4096);
        grace_call(&crowd[i], count_free);
    }
    for (unsigned round = 0; round < 200 && freed < ARRAY_LEN(crowd); round++)
        interrupt_all_but(CPU_MAX);
    EXPECT_EQ(freed, ARRAY_LEN(crowd));
    EXPECT(!grace_crowded());
    simulation_grace_settle();
}
