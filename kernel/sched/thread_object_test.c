/* Threads as objects: who pays, and what ends them. */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/grace.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/slab.h>
#include <kernel/test.h>

struct setting {
    struct budget *budget;
    struct vspace *vspace;
};

static bool setting_init(struct setting *s)
{
    return budget_create(NULL, &s->budget) == OK && vspace_create(NULL, &s->vspace) == OK;
}

static void setting_end(struct setting *s)
{
    struct object_info_budget info;

    budget_inspect(s->budget, &info);
    for (size_t kind = 0; kind < BUDGET_KINDS; kind++)
        EXPECT_EQ(info.used[kind], 0);
    vspace_put(s->vspace);
    budget_put(s->budget);
}

static enum status create(struct setting *s, struct thread **thread_out)
{
    return thread_create(s->vspace, s->budget, uaddr(USER_START), uaddr(USER_START), 0, thread_out);
}

TEST(a_thread_is_charged_and_gives_it_back)
{
    struct setting s;
    struct thread *thread, *second;
    struct object_info_budget info;

    REQUIRE(setting_init(&s));
    budget_limit(s.budget, BUDGET_THREADS, 1);
    REQUIRE(create(&s, &thread) == OK);
    budget_inspect(s.budget, &info);
    EXPECT_EQ(info.used[BUDGET_THREADS], 1);
    EXPECT(info.used[BUDGET_MEMORY] >= sizeof(struct thread));
    EXPECT_EQ(create(&s, &second), ERR_LIMIT);
    thread_put(thread); /* never started, and nobody can start it any more */
    budget_limit(s.budget, BUDGET_MEMORY, sizeof(struct thread) - 1);
    EXPECT_EQ(create(&s, &second), ERR_LIMIT);
    slab_fail_after(1);
    EXPECT_EQ(create(&s, &second), ERR_NO_MEMORY);
    slab_fail_after(0);
    setting_end(&s);
}

HOST_TEST(threads_die_with_their_budget)
{
    struct setting s;
    struct thread *thread[3];
    struct work work = { .left = WORK_SLICE };

    REQUIRE(setting_init(&s));
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        REQUIRE(create(&s, &thread[i]) == OK);
    struct cpu_mask only = { .word = { BIT64(1) } };
    EXPECT_EQ(sched_set_affinity(thread[0], &only), OK);
    EXPECT_EQ(thread_start(thread[0]), OK);
    simulation_cpu_run(1, NULL, NULL);
    EXPECT_EQ(thread[0]->state, THREAD_RUNNING);
    EXPECT_EQ(thread_start(thread[1]), OK);
    /* One runs, one waits, one is new. The one that runs has to leave its CPU first. */
    EXPECT_EQ(budget_destroy(s.budget, &work), ERR_WOULD_BLOCK);
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
        simulation_cpu_run(cpu, NULL, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++) {
        EXPECT(thread_is_dead(thread[i]));
        EXPECT_EQ(thread_start(thread[i]), ERR_STATE);
        thread_put(thread[i]);
    }
    EXPECT_EQ(budget_destroy(s.budget, &work), OK);
    EXPECT_EQ(create(&s, &thread[0]), ERR_DEAD);
    setting_end(&s);
}

/* Its last capability is closed while another CPU starts it. */
HOST_TEST(a_thread_that_waits_to_be_freed_is_not_started)
{
    struct setting s;
    struct thread *thread;

    REQUIRE(setting_init(&s));
    REQUIRE(create(&s, &thread) == OK);
    grace_enable(true);
    thread_put(thread);
    EXPECT_EQ(thread_start(thread), ERR_DEAD);
    simulation_grace_settle();
    setting_end(&s);
}

/* A process that ends with no work left keeps no reference to the thread that is next. */
TEST(the_end_of_a_process_counts_its_threads_right)
{
    struct process *process;
    struct budget *budget;
    struct thread *thread;
    struct work none = { .left = 0 };
    struct work enough = { .left = WORK_SLICE };

    REQUIRE(budget_create(NULL, &budget) == OK);
    REQUIRE(process_create(budget, &process) == OK);
    REQUIRE(thread_create(process->vspace, NULL, uaddr(USER_START), uaddr(USER_START), 0,
                          &thread) == OK);
    EXPECT_EQ(process_add_thread(process, thread), OK);
    EXPECT_EQ(process_end(process, &none), ERR_WOULD_BLOCK);
    EXPECT_EQ(thread->object.references, 1);
    EXPECT_EQ(process_end(process, &enough), OK);
    EXPECT_EQ(thread->object.references, 1);
    thread_put(thread);
    object_put(&process->object);
    budget_put(budget);
}
