/* The machine that makes calls (world.h). */
#include "world.h"
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/grace.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/trap.h>

enum { TURNS_MAX = 20000, NOT_RETURNED = 0xdead };

#define USER_IP ((uint64_t)0x400000)

/* ---- Calls ---- */

struct turn {
    struct thread *thread;
    void (*before)(void);
    bool entered;
    bool again;
};

/* In the name of whoever is in user mode on this CPU. */
static void on_turn(void *context)
{
    struct turn *turn = context;
    struct thread *thread = cpu_self()->current;

    if (thread->state != THREAD_RUNNING)
        return;
    if (thread != turn->thread) {
        sched_yield_current();
        return;
    }
    if (turn->entered && !turn->again)
        return;
    thread->frame.ip = USER_IP;
    if (turn->before != NULL)
        turn->before();
    trap_syscall(thread);
    turn->entered = true;
    turn->again = thread->frame.ip != USER_IP;
}

static void run_pending(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (simulation_cpu_pending(i))
            simulation_cpu_run(i, NULL, NULL);
    }
}

static bool calls_again(const struct thread *thread)
{
    return thread->frame.ip != USER_IP &&
           (thread->state == THREAD_RUNNING || thread->state == THREAD_READY);
}

static void on_again(void *context)
{
    struct thread *thread = cpu_self()->current;

    (void)context;
    if (thread->state != THREAD_RUNNING)
        return;
    if (!calls_again(thread)) {
        sched_yield_current();
        return;
    }
    thread->frame.ip = USER_IP;
    trap_syscall(thread);
}

/* What one call did may send other threads through theirs again. */
static void make_calls_again(struct world *world)
{
    unsigned turns = 0;
    bool any = true;

    while (any && turns < TURNS_MAX) {
        any = false;
        for (unsigned i = 0; i < WORLD_PROCESSES * WORLD_THREADS; i++) {
            const struct thread *thread =
                world->process[i / WORLD_THREADS].thread[i % WORLD_THREADS];
            if (thread == NULL || !calls_again(thread))
                continue;
            simulation_cpu_run(thread->cpu->index, on_again, NULL);
            run_pending();
            any = true;
            turns++;
        }
    }
    EXPECT(turns < TURNS_MAX);
}

static void bury_dead(struct world *world)
{
    for (unsigned i = 0; i < WORLD_PROCESSES * WORLD_THREADS; i++) {
        struct thread **thread = &world->process[i / WORLD_THREADS].thread[i % WORLD_THREADS];
        if (*thread == NULL || !thread_is_dead(*thread))
            continue;
        thread_put(*thread);
        *thread = NULL;
    }
}

static bool is_over(const struct turn *turn)
{
    return turn->thread->state == THREAD_DEAD || turn->thread->state == THREAD_BLOCKED ||
           (turn->entered && !turn->again);
}

struct call_result world_call(struct world *world, struct thread *thread, uint64_t number,
                              const uint64_t words[6], void (*before)(void))
{
    struct turn turn = { .thread = thread, .before = before };
    unsigned turns = 0;

    thread_get(thread);
    memcpy(thread->frame.argument, words, sizeof(thread->frame.argument));
    thread->frame.number = number;
    thread->frame.status = NOT_RETURNED;
    thread->frame.value = 0;
    for (; !is_over(&turn) && turns < TURNS_MAX; turns++) {
        simulation_cpu_run(thread->cpu->index, on_turn, &turn);
        run_pending();
        /* A budget's death waits for those who refer to what it paid for. */
        if (turn.again)
            bury_dead(world);
    }
    EXPECT(turns < TURNS_MAX);
    make_calls_again(world);
    struct call_result result = {
        .end = CALL_RETURNED,
        .status = (enum status)thread->frame.status,
        .value = thread->frame.value,
    };
    if (thread->state == THREAD_DEAD)
        result.end = CALL_DIED;
    else if (thread->frame.status == NOT_RETURNED)
        result.end = CALL_BLOCKED;
    thread_put(thread);
    bury_dead(world);
    return result;
}

void world_settle(struct world *world)
{
    run_pending();
    make_calls_again(world);
    bury_dead(world);
    /* What is freed may free more. */
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ticket = grace_request();
        for (unsigned turns = 0; !grace_done(ticket) && turns < TURNS_MAX; turns++)
            run_pending();
        EXPECT(grace_done(ticket));
    }
    run_pending();
}

/* ---- Processes ---- */

static enum status map_arena(struct world_process *it)
{
    struct map_request request = {
        .at = uaddr(WORLD_ARENA_AT),
        .size_bytes = WORLD_ARENA_PAGES * PAGE_SIZE,
        .perm = PERM_READ | PERM_WRITE,
        .limit = PERM_READ | PERM_WRITE,
        .flags = MAP_SHARED | MAP_POPULATE,
    };
    paddr_t pa;
    enum status status =
        memory_create_contiguous(NULL, request.size_bytes, PAGE_SIZE, UINT64_MAX, &it->memory);

    if (status != OK)
        return status;
    request.memory = it->memory;
    (void)memory_page_address(it->memory, 0, true, &pa);
    it->arena = paddr_to_kernel(pa);
    status = vspace_map(it->process->vspace, &request);
    if (status == OK)
        status = vspace_protect(it->process->vspace,
                                uaddr(WORLD_ARENA_AT + (WORLD_ARENA_PAGES - 1) * PAGE_SIZE),
                                PAGE_SIZE, PERM_READ);
    /* Page tables are there from the beginning, so that calls alone change what is charged. */
    for (unsigned i = 0; status == OK && i < WORLD_ARENA_PAGES; i++)
        status =
            vspace_fault(it->process->vspace, uaddr(WORLD_ARENA_AT + i * PAGE_SIZE), PERM_READ);
    return status;
}

static enum status start_thread(struct world_process *it, unsigned t)
{
    struct thread **thread = &it->thread[t];
    uint32_t cpu = t % 2; /* few, so that calls often stay on one */
    struct cpu_mask only = { .word = { BIT64(cpu) } };
    enum status status =
        thread_create(it->process->vspace, NULL, uaddr(USER_IP), uaddr(USER_IP), 0, thread);

    if (status == OK)
        status = process_add_thread(it->process, *thread);
    if (status == OK)
        status = sched_set_affinity(*thread, &only);
    return status == OK ? thread_start(*thread) : status;
}

static enum status start_threads(struct world_process *it)
{
    enum status status = OK;

    for (unsigned t = 0; t < WORLD_THREADS && status == OK; t++)
        status = start_thread(it, t);
    return status;
}

void world_replace_thread(struct world *world, unsigned process, unsigned index)
{
    thread_kill(world->process[process].thread[index]);
    world_settle(world);
    EXPECT(world->process[process].thread[index] == NULL);
    EXPECT_EQ(start_thread(&world->process[process], index), OK);
}

bool world_start_process(struct world *world, unsigned index)
{
    struct world_process *it = &world->process[index];
    struct budget *budget;
    enum status status = budget_create(world->root, &budget);

    if (status == OK) {
        status = process_create(budget, &it->process);
        budget_put(budget);
    }
    if (status == OK) {
        object_put(&it->process->object);
        status = map_arena(it);
    }
    if (status == OK)
        status = start_threads(it);
    if (status != OK)
        test_fail(__FILE__, __LINE__, status_text(status));
    return status == OK;
}

void world_forget_process(struct world *world, unsigned index)
{
    struct world_process *it = &world->process[index];

    bury_dead(world);
    for (unsigned t = 0; t < WORLD_THREADS; t++)
        EXPECT(it->thread[t] == NULL);
    if (it->memory != NULL)
        memory_put(it->memory);
    *it = (struct world_process){ .process = NULL };
}

/* ---- All of it ---- */

bool world_begin(struct world *world)
{
    *world = (struct world){ .now_ns = clock_now_ns(), .threads_before = thread_count() };
    grace_enable(true);
    if (budget_create(NULL, &world->root) != OK)
        return false;
    for (unsigned i = 0; i < WORLD_PROCESSES; i++) {
        if (!world_start_process(world, i))
            return false;
    }
    return true;
}

void world_end(struct world *world)
{
    enum status status = ERR_WOULD_BLOCK;

    for (unsigned turns = 0; status != OK && turns < TURNS_MAX; turns++) {
        struct work work = { WORK_SLICE };
        status = budget_destroy(world->root, &work);
        run_pending();
        bury_dead(world);
        (void)grace_request();
    }
    EXPECT_EQ(status, OK);
    for (unsigned i = 0; i < WORLD_PROCESSES; i++)
        world_forget_process(world, i);
    struct object_info_budget info;
    budget_inspect(world->root, &info);
    for (unsigned kind = 0; kind < BUDGET_KINDS; kind++)
        EXPECT_EQ(info.used[kind], 0);
    EXPECT_EQ(world->root->object.references, 1);
    budget_put(world->root);
    world_settle(world);
    EXPECT_EQ(thread_count(), world->threads_before);
    simulation_clock_set(world->now_ns);
    grace_enable(false);
}
