/* Random system calls: for `stress=` seconds (default 3), threads of several processes make any
 * call with anything, on all CPUs, while others of them change, unmap and destroy what the
 * arguments name. Every so often everything is destroyed under their feet and begins anew.
 *
 * What must hold: nothing panics or hangs; threads that may run get on; and when a process's budget
 * is destroyed its accounts are at zero, and no frame, thread or object is left.
 */
#include <base/syscall_table.h>
#include <kernel/cmdline.h>
#include <kernel/endpoint.h>
#include <kernel/irq_object.h>
#include <kernel/memory.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/sandbox_fixture.h>
#include <kernel/syscall.h>
#include <kernel/system.h>
#include <kernel/test.h>

enum { SPACES = 3, THREADS = 3, DEFAULT_SECONDS = 3, ROUND_MS = 400, LONG_ROUND_MS = 3000 };
enum { SHARED = 4, REPLIES = 2 };

#define MS         ((uint64_t)1000 * 1000)
#define BUDGET_MAX ((uint64_t)8 << 20)

static struct random_calls {
    uint64_t random;
    uint64_t count;
    uint64_t ok[TEST_FUZZ_CALLS];
    uint64_t tried[TEST_FUZZ_CALLS];
    struct sandbox sandbox[SPACES];
    uint64_t seen[SPACES][THREADS]; /* how far each thread was when it was looked at */
    struct object *shared[SHARED];  /* known to all, paid for by the first */
    struct memory *pools;
    struct test_fuzz_pool *pool[SPACES];
} run;

static uint64_t random_below(uint64_t limit)
{
    return test_random(&run.random) % limit;
}

/* ---- A round's world ---- */

static struct user_fixture *space_of(unsigned s)
{
    return &run.sandbox[s].f;
}

static bool map_pools(struct user_fixture *space)
{
    unsigned data = PERM_READ | PERM_WRITE;
    struct map_request request = {
        .memory = run.pools,
        .at = uaddr(TEST_FUZZ_POOL_AT),
        .size_bytes = SPACES * PAGE_SIZE,
        .perm = data,
        .limit = data,
        .flags = MAP_SHARED,
    };
    return vspace_map(space->vspace, &request) == OK &&
           vspace_reserve(space->vspace, uaddr(TEST_FUZZ_BUFFER_AT), TEST_FUZZ_BUFFERS * PAGE_SIZE,
                          data) == OK;
}

static void pool_put(unsigned s, struct object *object, uint32_t rights)
{
    struct test_fuzz_pool *pool = run.pool[s];
    rights &= object_type_rights(object->type);
    uint64_t handle;

    if (cspace_create(&space_of(s)->process->cspace, object, rights, &handle) != OK)
        return; /* its limit */
    for (unsigned i = 0; i < TEST_FUZZ_HANDLES; i++) {
        if (READ_ONCE(pool->handle[object->type][i]) == 0) {
            WRITE_ONCE(pool->handle[object->type][i], handle);
            return;
        }
    }
}

/* So that somebody can serve at once. */
static void give_reply(unsigned s)
{
    struct object *reply;

    if (reply_create(space_of(s)->budget, &reply) != OK)
        return;
    pool_put(s, reply, UINT32_MAX);
    object_put(reply);
}

/* All but what would end the run, or the machine. */
static void give(unsigned s)
{
    const uint32_t common = RIGHT_ANY_GRANT | RIGHT_ANY_REVOKE | RIGHT_ANY_INSPECT;

    for (unsigned other = 0; other < SPACES; other++) {
        struct user_fixture *space = space_of(other);
        if (other != s && random_below(2) == 0)
            continue;
        pool_put(s, &space->process->object, UINT32_MAX & ~(uint32_t)RIGHT_PROCESS_DESTROY);
        pool_put(s, &space->budget->object,
                 RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT | common |
                     (random_below(16) == 0 ? (uint32_t)RIGHT_BUDGET_LIMIT : 0));
    }
    pool_put(s, system_object(), RIGHT_SYSTEM_AUDIT | common);
    for (unsigned i = 0; i < ARRAY_LEN(run.shared); i++)
        pool_put(s, run.shared[i], UINT32_MAX);
    for (unsigned i = 0; i < REPLIES; i++)
        give_reply(s);
    pool_put(s, &irq_object, UINT32_MAX);
    pool_put(s, &run.sandbox[s].guest->object, UINT32_MAX);
    pool_put(s, &run.sandbox[s].data_memory->object, UINT32_MAX);
    pool_put(s, &run.sandbox[s].state_memory[random_below(THREADS)]->object, UINT32_MAX);
}

static void start_thread(unsigned s, unsigned t)
{
    struct user_fixture *space = space_of(s);

    if (!sandbox_prepare(&run.sandbox[s], t, SANDBOX_FUZZ, test_random(&run.random) | 1, s, SPACES))
        return;
    run.seen[s][t] = UINT64_MAX;
    space->command[t].in[3] = GUEST_CODE_AT;
    space->command[t].in[4] = (uint64_t)(guest_code_end - guest_code_start);
    user_start(space, t);
}

static bool world_begin(void)
{
    paddr_t pa;

    for (unsigned s = 0; s < SPACES; s++)
        run.sandbox[s] = (struct sandbox){ .guest = NULL };
    if (memory_create_contiguous(NULL, SPACES * PAGE_SIZE, PAGE_SIZE, UINT64_MAX, &run.pools) != OK)
        return false;
    if (memory_page_address(run.pools, 0, true, &pa) != OK)
        return false;
    for (unsigned s = 0; s < SPACES; s++) {
        run.pool[s] = (struct test_fuzz_pool *)((char *)paddr_to_kernel(pa) + s * PAGE_SIZE);
        if (!sandbox_init(&run.sandbox[s], s % 2 == 0 ? GUEST_SPLIT : 0) || !map_pools(space_of(s)))
            return false;
        budget_limit(space_of(s)->budget, BUDGET_MEMORY, BUDGET_MAX);
        budget_limit(space_of(s)->budget, BUDGET_CAPABILITIES, 2000);
        budget_limit(space_of(s)->budget, BUDGET_THREADS, 64);
    }
    for (unsigned i = 0; i < SHARED; i++) {
        enum status status = i % 2 == 0 ? endpoint_create(space_of(0)->budget, &run.shared[i])
                                        : notification_create(space_of(0)->budget, &run.shared[i]);
        if (status != OK)
            return false;
    }
    for (unsigned s = 0; s < SPACES; s++)
        give(s);
    for (unsigned i = 0; i < SPACES * THREADS; i++)
        start_thread(i % SPACES, i / SPACES);
    return true;
}

static void world_end(void)
{
    for (unsigned s = 0; s < SPACES; s++) {
        for (unsigned t = 0; t < THREADS; t++)
            run.count += space_of(s)->command != NULL ? user_count(space_of(s), t) : 0;
        for (size_t i = 0; run.pool[s] != NULL && i < ARRAY_LEN(run.ok); i++) {
            run.ok[i] += run.pool[s]->ok[i];
            run.tried[i] += run.pool[s]->tried[i];
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(run.shared); i++) {
        if (run.shared[i] != NULL)
            object_put(run.shared[i]);
        run.shared[i] = NULL;
    }
    for (unsigned s = 0; s < SPACES; s++) {
        if (space_of(s)->budget != NULL)
            sandbox_destroy(&run.sandbox[s]);
    }
    if (run.pools != NULL)
        memory_put(run.pools);
    run.pools = NULL;
}

/* ---- What the kernel does meanwhile ---- */

/* Dead, or waiting for something that may never come. */
static bool is_stuck(unsigned s, unsigned t)
{
    struct user_fixture *space = space_of(s);
    uint64_t count = user_count(space, t);
    bool same = run.seen[s][t] == count;

    run.seen[s][t] = count;
    return same || thread_is_dead(space->thread[t]);
}

static void replace_thread(unsigned s, unsigned t)
{
    struct user_fixture *space = space_of(s);

    if (space->thread[t] == NULL)
        return;
    thread_kill(space->thread[t]);
    if (!user_wait_dead(space, t))
        return;
    run.count += user_count(space, t);
    start_thread(s, t);
}

static void disturb(void)
{
    unsigned s = (unsigned)random_below(SPACES);
    unsigned t = (unsigned)random_below(THREADS);
    uaddr_t at = uaddr(TEST_FUZZ_BUFFER_AT + PAGE_SIZE * random_below(TEST_FUZZ_BUFFERS));
    struct vspace *vspace = space_of(s)->vspace;

    switch (random_below(6)) {
    case 0:
        (void)vspace_unmap(vspace, at, PAGE_SIZE); /* a cut may be above a limit */
        break;
    case 1:
        (void)vspace_reserve(vspace, at, PAGE_SIZE,
                             random_below(2) == 0 ? PERM_READ : PERM_READ | PERM_WRITE);
        break;
    case 2:
        give(s);
        break;
    default:
        if (is_stuck(s, t) || random_below(16) == 0)
            replace_thread(s, t);
        break;
    }
}

static void one_round(uint64_t end_ns)
{
    if (world_begin()) {
        while (clock_now_ns() < end_ns && !test_has_failed()) {
            for (unsigned s = 0; s < SPACES; s++)
                WRITE_ONCE(run.pool[s]->now_ns, clock_now_ns());
            disturb();
            user_let_run_ns(random_below(4 * MS));
        }
    } else {
        test_fail(__FILE__, __LINE__, "no memory for the world");
    }
    world_end();
}

GUEST_TEST(random_calls)
{
    uint64_t seconds = DEFAULT_SECONDS;
    if (cmdline_has("stress") && cmdline_number("stress", &seconds) != OK)
        test_fail(__FILE__, __LINE__, "stress= is a number");
    run = (struct random_calls){ .random = test_seed() };
    uint64_t end_ns = clock_now_ns() + seconds * 1000 * MS;
    uint64_t round_ms = seconds > DEFAULT_SECONDS ? LONG_ROUND_MS : ROUND_MS;
    unsigned rounds = 0;
    while (clock_now_ns() < end_ns && !test_has_failed()) {
        one_round(clock_now_ns() + (1 + random_below(round_ms)) * MS);
        rounds++;
    }
    test_note("%llu calls on %u CPUs in %u rounds", (unsigned long long)run.count, cpu_count,
              rounds);
    for (unsigned i = 0; cmdline_has("stress") && i < syscall_table_count; i++) {
        unsigned number = syscall_table[i].number;
        uint64_t tried = MAX(run.tried[number], UINT64_C(1));
        test_note("%s: %llu of %llu OK, %llu%%", syscall_table[i].name,
                  (unsigned long long)run.ok[number], (unsigned long long)run.tried[number],
                  (unsigned long long)(100 * run.ok[number] / tried));
    }
}
