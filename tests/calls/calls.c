/* The kernel and the model, side by side (calls.h). */
#include "calls.h"
#include "maker.h"
#include "model.h"
#include "world.h"
#include <abi_syscalls.h>
#include <base/string.h>
#include <kernel/test.h>
#include <object_info.h>

enum { STALE_MAX = 32 };

static struct calls {
    struct call_maker maker; /* first */
    struct world world;
    struct model model;
    int process[WORLD_PROCESSES]; /* in the model */
    unsigned caller;
    uint64_t stale[STALE_MAX]; /* handles that named something once */
    struct model_costs costs;  /* measured once */
} calls;

static uint64_t below(uint64_t limit)
{
    return maker_below(&calls.maker, limit);
}

static struct cspace *table_of(int process)
{
    return &object_as_process(calls.model.object[process].kernel)->cspace;
}

/* ---- Arguments ---- */

static uint64_t pick_handle(struct call_maker *maker, enum object_type type)
{
    const struct model *model = &calls.model;
    int table = calls.process[calls.caller];
    int first = (int)maker_below(maker, MODEL_CAPABILITIES);

    if (maker_chance(maker, 24))
        return calls.stale[maker_below(maker, STALE_MAX)];
    if (maker_chance(maker, 24))
        table = calls.process[maker_below(maker, WORLD_PROCESSES)];
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it = &model->capability[(first + i) % MODEL_CAPABILITIES];
        if (it->used && it->table == table &&
            (type == OBJECT_ANY || model->object[it->object].type == type))
            return it->handle;
    }
    return 0;
}

static bool writable(uint64_t at, uint64_t size_bytes)
{
    const uint64_t end = WORLD_ARENA_AT + (WORLD_ARENA_PAGES - 1) * PAGE_SIZE;

    if (size_bytes == 0)
        return at >= PAGE_SIZE && at <= USER_END;
    return at >= WORLD_ARENA_AT && at <= end && size_bytes <= end - at;
}

/* ---- Comparison ---- */

static void check_budget(int i)
{
    const struct model_object *it = &calls.model.object[i];
    struct budget_info info;

    budget_inspect(object_as_budget(it->kernel), &info);
    for (unsigned kind = 0; kind < BUDGET_KINDS; kind++) {
        if (!EXPECT_EQ(info.used[kind], model_used(&calls.model, i, (enum budget_kind)kind)))
            test_note("budget %llu, account %u", (unsigned long long)it->id, kind);
        EXPECT_EQ(info.limit[kind], it->limit[kind]);
    }
}

static void check_entry(int table, const struct capability_info *info)
{
    int found = model_find(&calls.model, table, info->handle);

    EXPECT(found != MODEL_NONE);
    if (found == MODEL_NONE)
        return;
    const struct model_capability *it = &calls.model.capability[found];
    const struct model_object *object = &calls.model.object[it->object];
    EXPECT_EQ(info->object_id, object->id);
    EXPECT_EQ(info->type, object->type);
    EXPECT_EQ(info->rights, it->rights);
    EXPECT_EQ(info->badge, it->badge);
    EXPECT_EQ(info->origin, it->origin);
    struct capability *capability;
    if (!EXPECT_EQ(capability_acquire(table_of(table), info->handle, object->type, it->rights,
                                      &capability),
                   OK))
        return;
    EXPECT_EQ(capability->parent == NULL, it->parent == MODEL_NONE);
    if (capability->parent != NULL && it->parent != MODEL_NONE)
        EXPECT_EQ(capability->parent->handle, calls.model.capability[it->parent].handle);
    capability_release(capability);
}

static void check_table(int table)
{
    struct capability_info info[16];
    uint32_t cursor = 0;
    unsigned listed = 0;
    unsigned count = 0;

    do {
        size_t found = cspace_inspect(table_of(table), &cursor, info, ARRAY_LEN(info));
        for (size_t i = 0; i < found; i++)
            check_entry(table, &info[i]);
        listed += (unsigned)found;
    } while (cursor != 0);
    for (int i = 0; i < MODEL_CAPABILITIES; i++)
        count += calls.model.capability[i].used && calls.model.capability[i].table == table;
    EXPECT_EQ(listed, count);
}

static void check_all(void)
{
    for (int i = 0; i < MODEL_OBJECTS && !test_has_failed(); i++) {
        const struct model_object *it = &calls.model.object[i];
        if (!it->used)
            continue;
        EXPECT_EQ(it->kernel->capability_count, model_count_of(&calls.model, i));
        object_check(it->kernel);
        if (it->type == OBJECT_BUDGET)
            check_budget(i);
        if (it->type == OBJECT_PROCESS && !it->ended)
            check_table(i);
    }
}

/* What inspection wrote is what the model has. */
static void check_output(const uint64_t words[6], unsigned number)
{
    const char *bytes = calls.world.process[calls.caller].arena;

    if (number == SYSCALL_process_inspect) {
        const struct model *model = &calls.model;
        int own = model_find(model, calls.process[calls.caller], words[0]);
        int table = model->capability[own].object;
        const char *entries = bytes + (words[2] - WORLD_ARENA_AT);
        for (unsigned i = 0; i < words[3]; i++) {
            struct handle_info entry;
            memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
            EXPECT(entry.handle == 0 || model_find(model, table, entry.handle) != MODEL_NONE);
        }
    }
    if (number == SYSCALL_object_info && words[2] == sizeof(struct object_info)) {
        struct object_info info;
        int own = model_find(&calls.model, calls.process[calls.caller], words[0]);
        const struct model_capability *it = &calls.model.capability[own];
        memcpy(&info, bytes + (words[1] - WORLD_ARENA_AT), sizeof(info));
        EXPECT_EQ(info.id, calls.model.object[it->object].id);
        EXPECT_EQ(info.rights, it->rights);
        EXPECT_EQ(info.badge, it->badge);
        EXPECT_EQ(info.capability_count, model_count_of(&calls.model, it->object));
    }
}

/* ---- The world ---- */

static uint64_t give(int process, struct object *object, uint32_t rights)
{
    uint64_t handle = 0;
    struct capability_ref ref;
    int made =
        model_new_capability(&calls.model, process, model_object_of(&calls.model, object), rights);

    EXPECT_EQ(cspace_create(table_of(process), object, rights, &handle), OK);
    EXPECT_EQ(cspace_lookup(table_of(process), handle, OBJECT_ANY, 0, &ref), OK);
    EXPECT(model_made(&calls.model, made, handle, ref.object));
    object_put(ref.object);
    return handle;
}

static int adopt(struct object *object, int payer)
{
    int i = model_new_object(&calls.model, object->type, payer);

    calls.model.object[i].kernel = object;
    calls.model.object[i].id = object->id;
    return i;
}

static void adopt_process(unsigned p)
{
    struct process *process = calls.world.process[p].process;
    struct budget *payer = process->object.payer;
    int budget = adopt(&payer->object, model_object_of(&calls.model, &calls.world.root->object));
    int i = adopt(&process->object, budget);
    struct budget_info info;

    world_settle(&calls.world);
    budget_inspect(payer, &info);
    calls.model.object[i].table_pages = process->cspace.page_count;
    calls.model.object[i].base_bytes =
        info.used[BUDGET_MEMORY] - (uint64_t)process->cspace.page_count * PAGE_SIZE;
    calls.process[p] = i;
}

/* Each knows its own budget, itself, and now and then another. */
static void give_first(unsigned p)
{
    for (unsigned other = 0; other < WORLD_PROCESSES; other++) {
        struct object *process = calls.model.object[calls.process[other]].kernel;
        uint32_t all = object_type_rights(OBJECT_PROCESS);
        if (other != p && below(2) == 0)
            continue;
        (void)give(calls.process[p], process, other == p || below(4) == 0 ? all : all & ~8u);
        (void)give(calls.process[p], &process->payer->object, object_type_rights(OBJECT_BUDGET));
        /* And with some rights missing. */
        (void)give(calls.process[p], process, all & (uint32_t)below(RIGHTS_ALL));
        (void)give(calls.process[p], &process->payer->object,
                   object_type_rights(OBJECT_BUDGET) & (uint32_t)below(RIGHTS_ALL));
    }
}

/* ---- Costs ---- */

static uint64_t charged(void)
{
    struct budget_info info;

    world_settle(&calls.world);
    budget_inspect(calls.world.root, &info);
    return info.used[BUDGET_MEMORY];
}

static struct call_result call(unsigned number, const uint64_t words[6])
{
    struct thread *thread = calls.world.process[calls.caller].thread[below(WORLD_THREADS)];
    return world_call(&calls.world, thread, number, words, NULL);
}

/* Make one of each type and see. */
static void measure(void)
{
    struct cspace *table = &calls.world.process[0].process->cspace;
    uint64_t budget = 0;
    struct call_result made;
    uint64_t with;

    calls.caller = 0;
    EXPECT_EQ(
        cspace_create(table, &table->budget->object, object_type_rights(OBJECT_BUDGET), &budget),
        OK);
    for (uint64_t type = 1; type < OBJECT_TYPE_COUNT; type++) {
        uint64_t without = charged();
        made = call(SYSCALL_object_create, (uint64_t[6]){ budget, type });
        if (made.status != OK)
            continue;
        with = charged();
        calls.costs.known[type] = true;
        calls.costs.bytes[type] = with - without - sizeof(struct capability);
        if (type == OBJECT_PROCESS) {
            EXPECT_EQ(call(SYSCALL_object_destroy, (uint64_t[6]){ made.value }).status, OK);
            calls.costs.ended_process_bytes = charged() - without - sizeof(struct capability);
        }
        EXPECT_EQ(call(SYSCALL_handle_close, (uint64_t[6]){ made.value }).status, OK);
        EXPECT_EQ(charged(), without);
    }
    EXPECT(calls.costs.known[OBJECT_PROCESS] && calls.costs.known[OBJECT_BUDGET]);
    EXPECT_EQ(call(SYSCALL_handle_close, (uint64_t[6]){ budget }).status, OK);
}

static bool begin(void)
{
    calls.maker = (struct call_maker){
        .random = 1,
        .buffer_at = WORLD_ARENA_AT,
        .buffer_count = WORLD_ARENA_PAGES,
        .play_at = WORLD_ARENA_AT - 16 * PAGE_SIZE,
        .play_pages = 16,
        .handle = pick_handle,
    };
    if (!world_begin(&calls.world))
        return false;
    if (!calls.costs.known[OBJECT_PROCESS])
        measure();
    memset(&calls.model, 0, sizeof(calls.model));
    memset(calls.stale, 0, sizeof(calls.stale));
    calls.model.costs = calls.costs;
    calls.model.object[adopt(&calls.world.root->object, MODEL_NONE)].held = true;
    for (unsigned p = 0; p < WORLD_PROCESSES; p++)
        adopt_process(p);
    for (unsigned p = 0; p < WORLD_PROCESSES; p++)
        give_first(p);
    return !test_has_failed();
}

/* A process that another one destroyed is replaced. */
static void replace_ended(void)
{
    for (unsigned p = 0; p < WORLD_PROCESSES; p++) {
        const struct thread *const *thread =
            (const struct thread *const *)calls.world.process[p].thread;
        bool ended = calls.model.object[calls.process[p]].ended;
        for (unsigned t = 0; t < WORLD_THREADS; t++)
            EXPECT_EQ(thread[t] == NULL, ended);
        if (!ended)
            continue;
        world_forget_process(&calls.world, p);
        if (!world_start_process(&calls.world, p))
            return;
        adopt_process(p);
        give_first(p);
    }
}

/* ---- One call ---- */

static void learn(struct model_verdict verdict, struct call_result result)
{
    const struct model_capability *it = &calls.model.capability[verdict.made];
    struct capability_ref ref = { .object = NULL };

    if (!EXPECT_EQ(cspace_lookup(table_of(it->table), result.value, OBJECT_ANY, 0, &ref), OK))
        return;
    EXPECT(model_made(&calls.model, verdict.made, result.value, ref.object));
    object_put(ref.object);
    calls.stale[below(STALE_MAX)] = result.value;
}

static void report(const struct syscall_description *it, const uint64_t words[6],
                   struct model_verdict verdict, struct call_result result)
{
    test_note("process %u: %s(%llx, %llx, %llx, %llx, %llx, %llx)", calls.caller, it->name,
              (unsigned long long)words[0], (unsigned long long)words[1],
              (unsigned long long)words[2], (unsigned long long)words[3],
              (unsigned long long)words[4], (unsigned long long)words[5]);
    test_note("kernel: %s, end %d; model: %s", status_text(result.status), (int)result.end,
              status_text(verdict.status));
}

/* At the edge of what is used, or far away. */
static void change_limit(void)
{
    int i = (int)below(MODEL_OBJECTS);
    enum budget_kind kind = (enum budget_kind)below(2);
    struct model_object *it = &calls.model.object[i];
    uint64_t limit = BUDGET_UNLIMITED;

    if (!it->used || it->type != OBJECT_BUDGET)
        return;
    if (below(2) == 0)
        limit = model_used(&calls.model, i, kind) + below(kind == BUDGET_MEMORY ? 20000 : 6);
    it->limit[kind] = limit;
    budget_limit(object_as_budget(it->kernel), kind, limit);
}

/* Most copies ask for nothing that is refused for another reason than the one that is looked for.
 */
static void make_sensible(uint64_t words[6])
{
    int source = model_find(&calls.model, calls.process[calls.caller], words[0]);

    if (source == MODEL_NONE || below(8) == 0)
        return;
    words[1] &= calls.model.capability[source].rights;
    if (below(4) != 0)
        words[2] = 0;
}

static const struct syscall_description *pick_call(void)
{
    const struct syscall_description *it;
    bool copy = below(3) == 0;

    do
        it = &syscall_table[below(syscall_table_count)];
    while (!model_knows(it->number) || (copy && it->number != SYSCALL_handle_copy));
    return it;
}

static void one_call(uint32_t seed)
{
    const struct syscall_description *it;
    uint64_t words[6];

    calls.maker.random = ((uint64_t)seed << 16 | 1) * 0x9e3779b97f4a7c15ull | 1;
    (void)below(2);
    calls.caller = (unsigned)below(WORLD_PROCESSES);
    if (below(8) == 0)
        change_limit();
    it = pick_call();
    if (it->number == SYSCALL_object_destroy && below(4) != 0)
        return;
    if (!model_has_room(&calls.model))
        return;
    maker_words(&calls.maker, it, words);
    if (it->number == SYSCALL_handle_copy)
        make_sensible(words);
    struct model_verdict verdict =
        model_call(&calls.model, calls.process[calls.caller], it->number, words, writable);
    struct call_result result = call(it->number, words);
    world_settle(&calls.world);
    bool good = result.end == CALL_RETURNED &&
                (result.status == verdict.status || result.status == verdict.or);
    EXPECT(good);
    if (good && verdict.made != MODEL_NONE)
        learn(verdict, result);
    if (good && result.status == OK)
        check_output(words, it->number);
    if (!test_has_failed())
        check_all();
    if (test_has_failed())
        report(it, words, verdict, result);
    else
        replace_ended();
}

void calls_run(const uint32_t *seeds, size_t count)
{
    if (!begin()) {
        test_fail(__FILE__, __LINE__, "the world begins");
        return;
    }
    for (size_t i = 0; i < count && !test_has_failed(); i++)
        one_call(seeds[i]);
    world_end(&calls.world);
}
