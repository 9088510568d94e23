/* The kernel and the model, side by side (calls.h). */
#include "calls.h"
#include "maker.h"
#include "model_impl.h"
#include "world.h"
#include <abi_syscalls.h>
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/endpoint.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/test.h>
#include <object_info.h>

enum { STALE_MAX = 32, SHARED = 4, FIRST_GIFTS = 30, OBJECT_BYTES_MAX = 4096 };

static_assert(MODEL_THREADS == WORLD_PROCESSES * WORLD_THREADS, "by number");

static struct calls {
    struct call_maker maker; /* first */
    struct world world;
    struct model model;
    int process[WORLD_PROCESSES]; /* in the model */
    unsigned caller;              /* process */
    unsigned thread;              /* of the model */
    int shared[SHARED];           /* objects that all know: two endpoints, two notifications */
    uint64_t message[IPC_WORDS];
    unsigned deadlines;        /* no two are the same */
    uint64_t stale[STALE_MAX]; /* handles that named something once */
    struct model_costs costs;  /* measured once */
} calls;

static uint64_t below(uint64_t limit)
{
    return maker_below(&calls.maker, limit);
}

static struct thread *thread_of(int thread)
{
    return calls.world.process[thread / WORLD_THREADS].thread[thread % WORLD_THREADS];
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
    int object = MODEL_NONE;

    if (type == OBJECT_ENDPOINT && !maker_chance(maker, 4))
        object = calls.shared[maker_below(maker, 2)];
    if (type == OBJECT_NOTIFICATION && !maker_chance(maker, 4))
        object = calls.shared[2 + maker_below(maker, 2)];
    if (maker_chance(maker, 24))
        return calls.stale[maker_below(maker, STALE_MAX)];
    if (maker_chance(maker, 24))
        table = calls.process[maker_below(maker, WORLD_PROCESSES)];
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it = &model->capability[(first + i) % MODEL_CAPABILITIES];
        if (it->used && it->table == table && (object == MODEL_NONE || it->object == object) &&
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
    struct object_info_budget info;

    budget_inspect(object_as_budget(it->kernel), &info);
    for (unsigned kind = 0; kind < BUDGET_KINDS; kind++) {
        if (!EXPECT_EQ(info.used[kind], model_used(&calls.model, i, (enum budget_kind)kind)))
            test_note("budget %llu, account %u", (unsigned long long)it->id, kind);
        EXPECT_EQ(info.limit[kind], it->limit[kind]);
    }
}

static void check_entry(int table, const struct handle_info *info)
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
    struct handle_info info[16];
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

/* The state of what threads wait at. */
static void check_ipc(const struct model_object *it)
{
    const struct object *bound =
        it->bound != MODEL_NONE ? calls.model.object[it->bound].kernel : NULL;

    if (it->type == OBJECT_ENDPOINT) {
        const struct endpoint *endpoint = object_as_endpoint(it->kernel);
        EXPECT_EQ(endpoint->signalled, it->bits);
        EXPECT_EQ(endpoint->source.notification, bound);
    } else if (it->type == OBJECT_NOTIFICATION) {
        const struct notification *notification = object_as_notification(it->kernel);
        EXPECT_EQ(notification->bits, it->bits);
        EXPECT_EQ(notification->timer.cpu != NULL, it->timer_ns != DEADLINE_NEVER);
    } else if (it->type == OBJECT_REPLY) {
        const struct thread *thread = object_as_reply(it->kernel)->thread;
        EXPECT_EQ(thread, it->thread != MODEL_NONE ? thread_of(it->thread) : NULL);
    } else if (it->type == OBJECT_PROCESS) {
        EXPECT_EQ(object_as_process(it->kernel)->death.notification, bound);
    }
}

static void check_message(const struct model_thread *it, const struct trap_frame *frame)
{
    unsigned words = ipc_info_words(it->value);
    unsigned plain = words - ipc_info_capabilities(it->value);

    EXPECT_EQ(frame->argument[1], it->value);
    EXPECT_EQ(frame->argument[2], it->badge);
    for (unsigned i = 0; i < plain; i++)
        EXPECT_EQ(frame->message[i], it->word[i]);
    for (unsigned i = plain; i < words; i++)
        EXPECT_EQ(frame->message[i], calls.model.capability[it->given[i - plain]].handle);
}

/* Who waits, and how calls came to their end. */
static void check_thread(int i)
{
    struct model_thread *it = &calls.model.thread[i];
    const struct thread *thread = thread_of(i);

    EXPECT_EQ(thread != NULL, it->used);
    if (thread == NULL || !it->used)
        return;
    EXPECT_EQ(thread->state == THREAD_BLOCKED, it->wait != MODEL_READY);
    if (it->returned) {
        enum status status = (enum status)thread->frame.status;
        EXPECT(status == it->status || status == it->or);
        if (status == OK && it->has_message)
            check_message(it, &thread->frame);
        else if (status == OK)
            EXPECT_EQ(thread->frame.value, it->value);
        it->returned = false;
    }
    if (test_has_failed())
        test_note("thread %d, called with %llx %llx %llx %llx", i,
                  (unsigned long long)it->argument[0], (unsigned long long)it->argument[1],
                  (unsigned long long)it->argument[2], (unsigned long long)it->argument[3]);
}

static void check_all(void)
{
    for (int i = 0; i < MODEL_THREADS && !test_has_failed(); i++)
        check_thread(i);
    for (int i = 0; i < MODEL_OBJECTS && !test_has_failed(); i++) {
        const struct model_object *it = &calls.model.object[i];
        if (!it->used)
            continue;
        EXPECT_EQ(it->kernel->capability_count, model_count_of(&calls.model, i));
        object_check(it->kernel);
        check_ipc(it);
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

static void adopt_thread(unsigned thread)
{
    calls.model.thread[thread] = (struct model_thread){
        .used = true, .process = calls.process[thread / WORLD_THREADS], .reply = MODEL_NONE
    };
}

static void adopt_process(unsigned p)
{
    struct process *process = calls.world.process[p].process;
    struct budget *payer = process->object.payer;
    int budget = adopt(&payer->object, model_object_of(&calls.model, &calls.world.root->object));
    int i = adopt(&process->object, budget);
    struct object_info_budget info;

    world_settle(&calls.world);
    budget_inspect(payer, &info);
    calls.model.object[i].table_pages = process->cspace.page_count;
    calls.model.object[i].base_bytes =
        info.used[BUDGET_MEMORY] - (uint64_t)process->cspace.page_count * PAGE_SIZE;
    calls.process[p] = i;
    for (unsigned t = 0; t < WORLD_THREADS; t++)
        adopt_thread(p * WORLD_THREADS + t);
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

/* What is there for all, made again when the last capability for it, or to receive, has gone. */
static void renew_shared(unsigned k)
{
    struct object *object;
    int old = calls.shared[k];

    if (old != MODEL_NONE && calls.model.object[old].used && !calls.model.object[old].deaf)
        return;
    enum status status = k < 2 ? endpoint_create(calls.world.root, &object)
                               : notification_create(calls.world.root, &object);
    if (!EXPECT_EQ(status, OK))
        return;
    calls.shared[k] = adopt(object, model_object_of(&calls.model, &calls.world.root->object));
    calls.model.object[calls.shared[k]].held = true;
}

static bool may_give(unsigned p)
{
    const struct model *model = &calls.model;
    int root = model_object_of(model, &calls.world.root->object);
    uint64_t used = model_used(model, root, BUDGET_MEMORY);

    return !model->object[calls.process[p]].ended && model_has_room(model) &&
           used + OBJECT_BYTES_MAX <= model->object[root].limit[BUDGET_MEMORY] &&
           may_add(model, calls.process[p]).status == OK;
}

static void give_reply(unsigned p)
{
    struct object *object;

    if (reply_create(calls.world.root, &object) != OK)
        return;
    (void)adopt(object, model_object_of(&calls.model, &calls.world.root->object));
    (void)give(calls.process[p], object, object_type_rights(OBJECT_REPLY));
    object_put(object);
}

/* To some process, one of the shared objects, or a Reply of its own. */
static void give_more(void)
{
    unsigned k = (unsigned)below(SHARED + 2);
    unsigned p = (unsigned)below(WORLD_PROCESSES);
    uint32_t mask = below(2) == 0 ? UINT32_MAX : (uint32_t)below(RIGHTS_ALL);

    if (!may_give(p))
        return;
    if (k >= SHARED) {
        give_reply(p);
        return;
    }
    renew_shared(k);
    if (test_has_failed())
        return;
    struct model_object *it = &calls.model.object[calls.shared[k]];
    (void)give(calls.process[p], it->kernel, object_type_rights(it->type) & mask);
    if (it->held)
        object_put(it->kernel);
    it->held = false;
}

/* ---- Costs ---- */

static uint64_t charged(void)
{
    struct object_info_budget info;

    world_settle(&calls.world);
    budget_inspect(calls.world.root, &info);
    return info.used[BUDGET_MEMORY];
}

static struct call_result call(unsigned number, const uint64_t words[6])
{
    struct thread *thread = thread_of((int)calls.thread);

    memcpy(thread->frame.message, calls.message, sizeof(calls.message));
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
    calls.thread = 0;
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
    calls.model.now_ns = clock_now_ns();
    for (unsigned k = 0; k < SHARED; k++)
        calls.shared[k] = MODEL_NONE;
    for (unsigned i = 0; i < FIRST_GIFTS; i++)
        give_more();
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

static void learn(int made, uint64_t handle)
{
    const struct model_capability *it = &calls.model.capability[made];
    struct capability_ref ref = { .object = NULL };

    if (!EXPECT_EQ(cspace_lookup(table_of(it->table), handle, OBJECT_ANY, 0, &ref), OK))
        return;
    EXPECT(model_made(&calls.model, made, handle, ref.object));
    object_put(ref.object);
    calls.stale[below(STALE_MAX)] = handle;
}

/* What came with messages is what their words say. */
static void learn_given(void)
{
    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct model_thread *it = &calls.model.thread[i];
        const struct thread *thread = thread_of(i);
        unsigned count = ipc_info_capabilities(it->value);
        if (!it->used || !it->returned || !it->has_message || thread == NULL ||
            thread->frame.status != OK)
            continue;
        for (unsigned c = 0; c < count; c++)
            learn(it->given[c], thread->frame.message[ipc_info_words(it->value) - count + c]);
    }
}

/* The handle of the capability in a table that the model has none for. */
static uint64_t find_lost(const struct model_capability *lost)
{
    struct handle_info info[16];
    uint32_t cursor = 0;

    do {
        size_t found = cspace_inspect(table_of(lost->table), &cursor, info, ARRAY_LEN(info));
        for (size_t i = 0; i < found; i++) {
            if (model_find(&calls.model, lost->table, info[i].handle) == MODEL_NONE &&
                info[i].object_id == calls.model.object[lost->object].id &&
                info[i].rights == lost->rights && info[i].badge == lost->badge)
                return info[i].handle;
        }
    } while (cursor != 0);
    return 0;
}

/* What was moved and came back has another handle, which nobody is told. */
static void learn_lost(void)
{
    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it = &calls.model.capability[i];
        if (it->used && it->handle == MODEL_HANDLE_UNKNOWN)
            learn(i, find_lost(it));
    }
}

static void report(const struct syscall_description *it, const uint64_t words[6],
                   struct model_verdict verdict, struct call_result result)
{
    test_note("process %u, thread %u: %s(%llx, %llx, %llx, %llx, %llx, %llx)", calls.caller,
              calls.thread, it->name, (unsigned long long)words[0], (unsigned long long)words[1],
              (unsigned long long)words[2], (unsigned long long)words[3],
              (unsigned long long)words[4], (unsigned long long)words[5]);
    test_note("kernel: %s, end %d; model: %s%s", status_text(result.status), (int)result.end,
              status_text(verdict.status), verdict.waits ? ", waits" : "");
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

/* A Reply of the caller's process that a call waits to be answered by, or any. */
static uint64_t pick_reply(void)
{
    int first = (int)below(MODEL_CAPABILITIES);

    for (int i = 0; i < MODEL_CAPABILITIES; i++) {
        const struct model_capability *it =
            &calls.model.capability[(first + i) % MODEL_CAPABILITIES];
        const struct model_object *object = &calls.model.object[it->object];
        if (it->used && it->table == calls.process[calls.caller] && object->type == OBJECT_REPLY &&
            object->thread != MODEL_NONE && calls.model.thread[object->thread].wait == MODEL_ANSWER)
            return it->handle;
    }
    return pick_handle(&calls.maker, OBJECT_REPLY);
}

/* A message that makes sense, most of the time. */
static void make_message(uint64_t words[6], bool receives)
{
    unsigned count = (unsigned)below(IPC_WORDS + 1);
    unsigned given = below(2) == 0 ? 0 : (unsigned)below(MIN(count, 3) + 1);
    unsigned moved = below(2) == 0 ? 0 : (unsigned)below(1u << given);

    for (unsigned i = 0; i < IPC_WORDS; i++)
        calls.message[i] = i < count - given ? below(UINT32_MAX) : pick_handle(&calls.maker, 0);
    if (below(16) == 0)
        return;
    words[1] = ipc_info_with((uint32_t)below(1000), count, given, moved);
    words[1] = ipc_info_accept(words[1], below(4) == 0 ? (unsigned)below(IPC_CAPABILITIES + 1)
                                                       : (unsigned)IPC_CAPABILITIES);
    if (below(32) == 0)
        words[1] ^= BIT64(below(64));
    if (below(32) == 0)
        words[1] |= UINT64_C(9) << IPC_INFO_WORDS;
    if (receives)
        words[3] = below(4) == 0 ? pick_handle(&calls.maker, OBJECT_REPLY) : pick_reply();
    if (below(4) == 0 && !receives)
        words[0] = pick_reply();
}

/* None, now, or at a time that no other deadline has. */
static uint64_t make_deadline(void)
{
    uint64_t later = (calls.model.now_ns + below(1 << 24)) | 0xfff;

    switch (below(4)) {
    case 0:
        return 0;
    case 1:
        return DEADLINE_NEVER;
    default:
        return later + 1 + calls.deadlines++ % 0x1000;
    }
}

/* What somebody waits through, or has to be answered with, if the caller's process has it. */
static uint64_t pick_in_use(uint64_t other)
{
    const struct model_thread *it = &calls.model.thread[below(MODEL_THREADS)];
    const struct model_capability *through = &calls.model.capability[it->through];

    if (!it->used || it->wait == MODEL_READY)
        return other;
    if (it->reply != MODEL_NONE && below(2) == 0) {
        for (int i = 0; i < MODEL_CAPABILITIES; i++) {
            const struct model_capability *reply = &calls.model.capability[i];
            if (reply->used && reply->object == it->reply &&
                reply->table == calls.process[calls.caller])
                return reply->handle;
        }
    }
    return through->used && through->table == calls.process[calls.caller] ? through->handle : other;
}

static void make_words(const struct syscall_description *it, uint64_t words[6])
{
    memset(calls.message, 0, sizeof(calls.message));
    maker_words(&calls.maker, it, words);
    switch (it->number) {
    case SYSCALL_handle_copy:
        make_sensible(words);
        break;
    case SYSCALL_handle_close:
        words[0] = pick_in_use(words[0]);
        break;
    case SYSCALL_ipc_call:
    case SYSCALL_ipc_send:
        words[0] = pick_handle(&calls.maker, OBJECT_ENDPOINT);
        words[2] = make_deadline();
        make_message(words, false);
        break;
    case SYSCALL_ipc_receive:
    case SYSCALL_ipc_reply_receive:
        words[2] = make_deadline();
        make_message(words, true);
        break;
    case SYSCALL_notification_wait:
    case SYSCALL_timer_set:
        words[2] = make_deadline();
        if (below(4) != 0)
            words[1] = below(256);
        break;
    case SYSCALL_notification_signal:
        if (below(4) != 0)
            words[1] = BIT64(below(8));
        break;
    case SYSCALL_object_bind:
        if (below(2) == 0)
            words[0] = pick_handle(&calls.maker, OBJECT_ENDPOINT);
        words[2] = below(256);
        break;
    default:
        break;
    }
}

/* A copy, a call about messages and signals, or any other that the model knows. */
static const struct syscall_description *pick_call(void)
{
    const struct syscall_description *it;
    unsigned kind = (unsigned)below(8);

    do
        it = &syscall_table[below(syscall_table_count)];
    while (!model_knows(it->number) || (kind == 0 && it->number != SYSCALL_handle_copy) ||
           (kind > 2 && !model_knows_ipc(it->number)));
    return it;
}

/* False: all of them wait. */
static bool pick_thread(void)
{
    unsigned first = (unsigned)below(MODEL_THREADS);

    for (unsigned i = 0; i < MODEL_THREADS; i++) {
        calls.thread = (first + i) % MODEL_THREADS;
        calls.caller = calls.thread / WORLD_THREADS;
        if (calls.model.thread[calls.thread].wait == MODEL_READY)
            return true;
    }
    return false;
}

static void let_time_pass(void)
{
    uint64_t next = model_next_deadline(&calls.model);

    if (next == DEADLINE_NEVER)
        return;
    simulation_clock_set(next);
    world_settle(&calls.world);
    model_time_is(&calls.model, next);
}

static void kill_one(void)
{
    unsigned thread = (unsigned)below(MODEL_THREADS);
    const struct model_object *process = &calls.model.object[calls.process[thread / WORLD_THREADS]];

    if (process->ended || process->bound != MODEL_NONE)
        return;
    world_replace_thread(&calls.world, thread / WORLD_THREADS, thread % WORLD_THREADS);
    model_kill(&calls.model, (int)thread);
    adopt_thread(thread);
}

/* What happens beside calls. */
static void disturb(void)
{
    if (below(8) == 0)
        change_limit();
    if (below(8) == 0)
        let_time_pass();
    if (below(16) == 0)
        give_more();
    if (below(64) == 0)
        kill_one();
}

static void settle_and_compare(const struct syscall_description *it, const uint64_t words[6],
                               struct model_verdict verdict, struct call_result result)
{
    bool good = verdict.waits ? result.end == CALL_BLOCKED
                              : result.end == CALL_RETURNED && (result.status == verdict.status ||
                                                                result.status == verdict.or);

    EXPECT(good);
    if (good && verdict.made != MODEL_NONE)
        learn(verdict.made, result.value);
    if (good)
        learn_given();
    if (good)
        learn_lost();
    if (good && !verdict.waits && result.status == OK)
        check_output(words, it->number);
    if (!test_has_failed())
        check_all();
    if (test_has_failed())
        report(it, words, verdict, result);
    else
        replace_ended();
}

static void one_call(uint32_t seed)
{
    const struct syscall_description *it;
    uint64_t words[6];

    calls.maker.random = ((uint64_t)seed << 16 | 1) * 0x9e3779b97f4a7c15ull | 1;
    (void)below(2);
    disturb();
    if (!test_has_failed())
        check_all();
    if (!pick_thread()) {
        let_time_pass();
        return;
    }
    it = pick_call();
    if (it->number == SYSCALL_object_destroy && below(4) != 0)
        return;
    if (!model_has_room(&calls.model))
        return;
    make_words(it, words);
    struct model_request request = { it->number, words, calls.message, writable };
    if (!model_certain(&calls.model, (int)calls.thread, &request))
        return;
    struct model_verdict verdict = model_call(&calls.model, (int)calls.thread, &request);
    struct call_result result = call(it->number, words);
    world_settle(&calls.world);
    settle_and_compare(it, words, verdict, result);
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
