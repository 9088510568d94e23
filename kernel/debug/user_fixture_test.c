/* The fixture behind every test that needs user threads (see kernel/user_fixture.h). */
#include <base/string.h>
#include <kernel/coroutine.h>
#include <kernel/flat.h>
#include <kernel/grace.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

extern const struct flat_header user_test_image;

#define WAIT_MAX_NS ((uint64_t)10 * 1000 * 1000 * 1000)
#define STACK_STEP  ((uint64_t)0x100000)

static_assert(sizeof(struct test_guest_command) * TEST_GUEST_THREADS <= PAGE_SIZE, "one page");

static uint64_t stack_top(unsigned index)
{
    return TEST_GUEST_STACK_AT + STACK_STEP * index + TEST_GUEST_STACK_BYTES;
}

static enum status map_all(struct user_fixture *fixture)
{
    unsigned data = PERM_READ | PERM_WRITE;
    struct map_request shared = {
        .memory = fixture->shared,
        .at = uaddr(TEST_GUEST_SHARED_AT),
        .size_bytes = PAGE_SIZE,
        .perm = data,
        .limit = data,
        .flags = MAP_SHARED,
    };
    enum status status = flat_load(fixture->vspace, &user_test_image);
    if (status == OK)
        status = vspace_map(fixture->vspace, &shared);
    for (unsigned i = 0; status == OK && i < TEST_GUEST_THREADS; i++)
        status = vspace_reserve(fixture->vspace, uaddr(stack_top(i) - TEST_GUEST_STACK_BYTES),
                                TEST_GUEST_STACK_BYTES, data);
    return status;
}

static enum status create_process(struct user_fixture *fixture)
{
    enum status status = budget_create(NULL, &fixture->budget);
    if (status == OK)
        status = process_create(fixture->budget, &fixture->process);
    if (status == OK)
        fixture->vspace = fixture->process->vspace;
    return status;
}

/* While there are user threads, what is freed waits for them. */
static void fixture_count(int change)
{
    static int count;
    count += change;
    grace_enable(count > 0);
}

bool user_fixture_init(struct user_fixture *fixture)
{
    fixture_count(1);
    *fixture = (struct user_fixture){ .budget = NULL };
    paddr_t pa;
    enum status status = create_process(fixture);
    if (status == OK)
        status = memory_create(NULL, PAGE_SIZE, &fixture->shared);
    if (status == OK)
        status = memory_page_address(fixture->shared, 0, true, &pa);
    if (status == OK) {
        fixture->command = paddr_to_kernel(pa);
        status = map_all(fixture);
    }
    if (status == OK)
        return true;
    test_fail(__FILE__, __LINE__, "no memory for the fixture");
    user_fixture_destroy(fixture);
    return false;
}

static bool budget_is_gone(void *argument)
{
    struct work work = { WORK_SLICE };
    (void)grace_request();
    return budget_destroy(argument, &work) == OK;
}

static bool process_is_over(void *argument)
{
    struct work work = { WORK_SLICE };
    (void)grace_request(); /* for threads that never ran and are gone */
    return process_end(argument, &work) == OK;
}

/* What keeps it. */
static void show_budget(struct budget *budget)
{
    struct object_info_budget info;

    budget_inspect(budget, &info);
    test_note("budget %llu: %llu bytes, %llu capabilities, %llu threads",
              (unsigned long long)budget->object.id, (unsigned long long)info.used[BUDGET_MEMORY],
              (unsigned long long)info.used[BUDGET_CAPABILITIES],
              (unsigned long long)info.used[BUDGET_THREADS]);
    spinlock_acquire(&budget->lock);
    LIST_FOR_EACH(node, &budget->paid)
    {
        const struct object *object = CONTAINER_OF(node, struct object, paid_node);
        test_note("%s %llu: %llu references, %llu capabilities, retired %u",
                  object_type_name(object->type), (unsigned long long)object->id,
                  (unsigned long long)object->references,
                  (unsigned long long)object->capability_count, object->retired);
    }
    spinlock_release(&budget->lock);
}

static void show_process(struct process *process)
{
    struct work work = { WORK_SLICE };
    enum status status = process_end(process, &work);

    test_note("process %llu: %s, %u slots used, %u pages", (unsigned long long)process->object.id,
              status_text(status), process->cspace.used_count, process->cspace.page_count);
    spinlock_acquire(&process->lock);
    LIST_FOR_EACH(node, &process->threads)
    {
        const struct thread *thread = CONTAINER_OF(node, struct thread, process_node);
        test_note("thread %llu: state %d, attention %u, presence %u, %llu references",
                  (unsigned long long)thread->object.id, (int)thread->state, thread->attention,
                  thread->presence, (unsigned long long)thread->object.references);
    }
    spinlock_release(&process->lock);
}

/* Everything that the process made goes with the budget: accounts at zero are part of each test. */
static void end_budget(struct user_fixture *fixture)
{
    if (fixture->process != NULL) {
        if (coroutine_wait(process_is_over, fixture->process, clock_now_ns() + WAIT_MAX_NS) != OK) {
            test_fail(__FILE__, __LINE__, "the process can be ended");
            show_process(fixture->process);
        }
        object_put(&fixture->process->object);
    }
    if (coroutine_wait(budget_is_gone, fixture->budget, clock_now_ns() + WAIT_MAX_NS) != OK) {
        test_fail(__FILE__, __LINE__, "the budget can be destroyed");
        show_budget(fixture->budget);
    }
    budget_put(fixture->budget);
}

void user_fixture_destroy(struct user_fixture *fixture)
{
    for (unsigned i = 0; i < TEST_GUEST_THREADS; i++) {
        if (fixture->thread[i] == NULL)
            continue;
        thread_kill(fixture->thread[i]);
        (void)user_wait_dead(fixture, i);
        thread_put(fixture->thread[i]);
    }
    if (fixture->budget != NULL)
        end_budget(fixture);
    if (fixture->shared != NULL)
        memory_put(fixture->shared);
    fixture_count(-1);
}

bool user_prepare(struct user_fixture *fixture, unsigned index, enum test_guest_function function)
{
    if (fixture->thread[index] != NULL) {
        thread_put(fixture->thread[index]);
        fixture->thread[index] = NULL;
    }
    fixture->command[index] = (struct test_guest_command){ .function = function };
    uint64_t argument = TEST_GUEST_SHARED_AT + sizeof(struct test_guest_command) * index;
    enum status status = thread_create(fixture->vspace, NULL, uaddr(user_test_image.entry),
                                       uaddr(stack_top(index)), argument, &fixture->thread[index]);
    if (status == OK)
        status = process_add_thread(fixture->process, fixture->thread[index]);
    if (status != OK)
        test_fail(__FILE__, __LINE__, "thread_create");
    return status == OK;
}

void user_start(struct user_fixture *fixture, unsigned index)
{
    EXPECT_EQ(thread_start(fixture->thread[index]), OK);
}

bool user_run(struct user_fixture *fixture, unsigned index, enum test_guest_function function,
              uint64_t in_0, uint64_t in_1)
{
    if (!user_prepare(fixture, index, function))
        return false;
    fixture->command[index].in[0] = in_0;
    fixture->command[index].in[1] = in_1;
    user_start(fixture, index);
    return true;
}

void user_pin(struct user_fixture *fixture, unsigned index, uint32_t cpu)
{
    struct cpu_mask mask = { .word = { 0 } };
    cpu_mask_set(&mask, cpu);
    EXPECT_EQ(sched_set_affinity(fixture->thread[index], &mask), OK);
}

/* ---- Waiting ---- */

struct goal {
    struct user_fixture *fixture;
    unsigned index;
    uint64_t count;
};

static bool is_dead(void *argument)
{
    const struct goal *goal = argument;
    return thread_is_dead(goal->fixture->thread[goal->index]);
}

static bool is_started(void *argument)
{
    const struct goal *goal = argument;
    return READ_ONCE(goal->fixture->command[goal->index].started) != 0;
}

static bool has_counted(void *argument)
{
    const struct goal *goal = argument;
    return user_count(goal->fixture, goal->index) >= goal->count;
}

static bool never(void *argument)
{
    (void)argument;
    return false;
}

static bool wait_for(bool (*condition)(void *argument), struct goal *goal, const char *what)
{
    if (coroutine_wait(condition, goal, clock_now_ns() + WAIT_MAX_NS) == OK)
        return true;
    test_note("thread %u: timed out", goal->index);
    test_fail(__FILE__, __LINE__, what);
    return false;
}

bool user_wait_dead(struct user_fixture *fixture, unsigned index)
{
    return wait_for(is_dead, &(struct goal){ fixture, index, 0 }, "the thread dies");
}

bool user_wait_started(struct user_fixture *fixture, unsigned index)
{
    return wait_for(is_started, &(struct goal){ fixture, index, 0 }, "the thread starts");
}

bool user_wait_count(struct user_fixture *fixture, unsigned index, uint64_t at_least)
{
    return wait_for(has_counted, &(struct goal){ fixture, index, at_least }, "the thread gets on");
}

void user_let_run_ns(uint64_t duration_ns)
{
    (void)coroutine_wait(never, NULL, clock_now_ns() + duration_ns);
}

/* ---- System calls ---- */

enum status user_call_words(struct user_fixture *fixture, uint64_t number, uint64_t *value_out,
                            const uint64_t words[6])
{
    unsigned last = TEST_GUEST_THREADS - 1;
    struct test_guest_command *command = &fixture->command[last];

    if (!user_prepare(fixture, last, GUEST_SYSCALL))
        return ERR_NO_MEMORY;
    command->in[0] = number;
    memcpy(&command->in[1], words, 6 * sizeof(words[0]));
    command->out[0] = UINT32_MAX;
    user_start(fixture, last);
    if (!user_wait_dead(fixture, last))
        return ERR_TIMED_OUT;
    EXPECT_EQ(command->finished, 1);
    if (value_out != NULL)
        *value_out = command->out[1];
    return (enum status)command->out[0];
}

void *user_map_arena(struct user_fixture *fixture)
{
    uaddr_t at = uaddr(TEST_GUEST_ARENA_AT);
    unsigned perm;
    paddr_t pa;

    if (vspace_reserve(fixture->vspace, at, PAGE_SIZE, PERM_READ | PERM_WRITE) != OK ||
        vspace_fault(fixture->vspace, at, PERM_WRITE) != OK ||
        vspace_query(fixture->vspace, at, &pa, &perm) != OK)
        return NULL;
    return paddr_to_kernel(pa);
}

uint64_t user_give(struct user_fixture *fixture, struct object *object, uint32_t rights)
{
    uint64_t handle = 0;

    EXPECT_EQ(cspace_create(&fixture->process->cspace, object, rights, &handle), OK);
    return handle;
}
