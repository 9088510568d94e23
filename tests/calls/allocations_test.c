/* Every system call with every allocation on its way failing once: it fails cleanly or succeeds,
 * and what failed has left nothing behind. A call that is new in the table needs a line here.
 */
#include "world.h"
#include <abi_syscalls.h>
#include <guest.h>
#include <kernel/boot_info.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/irq_object.h>
#include <kernel/slab.h>
#include <kernel/system.h>
#include <kernel/test.h>

enum { ALLOCATIONS_MAX = 60, UNDO_MAX = 2 };

#define CUT_AT   ((uint64_t)0x60000000) /* 8 pages are mapped here */
#define PLAY_AT  ((uint64_t)0x50000000)
#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

/* What words stand for before the handles are known. */
#define H(name)   (NAME_BASE + NAME_##name)
#define NAME_BASE ((uint64_t)0xabcd << 48)
enum name {
    NAME_RESULT, /* of the call that is undone */
    NAME_BUDGET,
    NAME_PART, /* a budget below it */
    NAME_SELF,
    NAME_OTHER, /* a process */
    NAME_MEMORY,
    NAME_ENDPOINT,
    NAME_NOTIFICATION,
    NAME_REPLY,
    NAME_THREAD,
    NAME_SYSTEM,
    NAME_DEVICE,
    NAME_PORTS,
    NAME_IRQ,
    NAME_DMA,
    NAME_GUEST,
    NAME_STATE, /* Memory of one page */
    NAME_COUNT
};

struct call {
    unsigned number;
    uint64_t words[6];
};

struct attempt {
    const char *what;
    struct call call;
    struct call undo[UNDO_MAX]; /* number 0: nothing */
    bool partial;               /* what failed may have done the beginning: it is undone too */
};

#define CLOSE                                                                                      \
    {                                                                                              \
        SYSCALL_handle_close,                                                                      \
        {                                                                                          \
            H(RESULT)                                                                              \
        }                                                                                          \
    }
#define MAP_PLAY                                                                                   \
    {                                                                                              \
        SYSCALL_map,                                                                               \
        {                                                                                          \
            H(SELF), H(MEMORY), PLAY_AT, 0, PAGES(8), ACCESS_READ | ACCESS_WRITE                   \
        }                                                                                          \
    }
#define UNMAP_PLAY                                                                                 \
    {                                                                                              \
        SYSCALL_unmap,                                                                             \
        {                                                                                          \
            H(SELF), PLAY_AT, PAGES(8)                                                             \
        }                                                                                          \
    }
#define MAP_CUT                                                                                    \
    {                                                                                              \
        SYSCALL_map,                                                                               \
        {                                                                                          \
            H(SELF), H(MEMORY), CUT_AT, 0, PAGES(8), ACCESS_READ | ACCESS_WRITE                    \
        }                                                                                          \
    }
#define UNMAP_CUT                                                                                  \
    {                                                                                              \
        SYSCALL_unmap,                                                                             \
        {                                                                                          \
            H(SELF), CUT_AT, PAGES(8)                                                              \
        }                                                                                          \
    }
#define CREATE(type)                                                                               \
    {                                                                                              \
        SYSCALL_object_create,                                                                     \
        {                                                                                          \
            H(BUDGET), OBJECT_##type                                                               \
        }                                                                                          \
    }

static const struct attempt attempts[] = {
    { .what = "log_write", .call = { SYSCALL_log_write, { H(SYSTEM), WORLD_ARENA_AT, 0 } } },
    { .what = "handle_close", .call = { SYSCALL_handle_close, { 0 } } },
    { .what = "handle_copy",
      .call = { SYSCALL_handle_copy, { H(MEMORY), RIGHT_MEMORY_READ } },
      .undo = { CLOSE } },
    { .what = "handle_copy, a badge",
      .call = { SYSCALL_handle_copy, { H(ENDPOINT), RIGHT_ENDPOINT_SEND, 7 } },
      .undo = { CLOSE } },
    { .what = "handle_revoke", .call = { SYSCALL_handle_revoke, { H(MEMORY) } } },
    { .what = "process_inspect",
      .call = { SYSCALL_process_inspect, { H(SELF), 0, WORLD_ARENA_AT, 4 } } },
    { .what = "object_info", .call = { SYSCALL_object_info, { H(BUDGET), WORLD_ARENA_AT, 64 } } },
    { .what = "object_create, process",
      .call = CREATE(PROCESS),
      .undo = { { SYSCALL_object_destroy, { H(RESULT) } }, CLOSE } },
    { .what = "object_create, budget", .call = CREATE(BUDGET), .undo = { CLOSE } },
    { .what = "object_create, endpoint", .call = CREATE(ENDPOINT), .undo = { CLOSE } },
    { .what = "object_create, notification", .call = CREATE(NOTIFICATION), .undo = { CLOSE } },
    { .what = "object_create, reply", .call = CREATE(REPLY), .undo = { CLOSE } },
    { .what = "object_bind, endpoint",
      .call = { SYSCALL_object_bind, { H(ENDPOINT), H(NOTIFICATION), 1 } } },
    { .what = "object_bind, process",
      .call = { SYSCALL_object_bind, { H(SELF), H(NOTIFICATION), 1 } } },
    { .what = "object_bind, budget",
      .call = { SYSCALL_object_bind, { H(BUDGET), H(NOTIFICATION), 1 } } },
    { .what = "budget_limit",
      .call = { SYSCALL_budget_limit, { H(BUDGET), LIMIT_KIND_CPU_WEIGHT, 5, 0 } } },
    { .what = "budget_limit, quota",
      .call = { SYSCALL_budget_limit, { H(BUDGET), LIMIT_KIND_CPU_QUOTA, 1000000, 10000000 } },
      .undo = { { SYSCALL_budget_limit, { H(BUDGET), LIMIT_KIND_CPU_QUOTA, UINT64_MAX, 0 } } } },
    { .what = "memory_create",
      .call = { SYSCALL_memory_create, { H(BUDGET), PAGES(64) } },
      .undo = { CLOSE } },
    { .what = "memory_create, contiguous",
      .call = { SYSCALL_memory_create,
                { H(BUDGET), PAGES(8), MEMORY_FLAGS_CONTIGUOUS, PAGE_SIZE, UINT64_MAX } },
      .undo = { CLOSE } },
    { .what = "memory_clone",
      .call = { SYSCALL_memory_clone, { H(MEMORY), H(BUDGET), 0, PAGES(16) } },
      .undo = { CLOSE } },
    { .what = "memory_clone, another payer",
      .call = { SYSCALL_memory_clone, { H(MEMORY), H(PART), 0, PAGES(16) } },
      .undo = { CLOSE } },
    { .what = "memory_range, commit",
      .call = { SYSCALL_memory_range, { H(MEMORY), MEMORY_OP_COMMIT, PAGES(600), PAGES(20) } },
      .undo = { { SYSCALL_memory_range,
                  { H(MEMORY), MEMORY_OP_DECOMMIT, PAGES(600), PAGES(20) } } },
      .partial = true },
    { .what = "map", .call = MAP_PLAY, .undo = { UNMAP_PLAY } },
    { .what = "map, populated",
      .call = { SYSCALL_map,
                { H(SELF), H(MEMORY), PLAY_AT, 0, PAGES(8), ACCESS_READ | ACCESS_POPULATE } },
      .undo = { UNMAP_PLAY } },
    { .what = "unmap, nothing", .call = UNMAP_PLAY },
    { .what = "unmap, the middle",
      .call = { SYSCALL_unmap, { H(SELF), CUT_AT + PAGES(2), PAGES(2) } },
      .undo = { UNMAP_CUT, MAP_CUT } },
    { .what = "protect, the middle",
      .call = { SYSCALL_protect, { H(SELF), CUT_AT + PAGES(2), PAGES(2), ACCESS_READ } },
      .undo = { UNMAP_CUT, MAP_CUT },
      .partial = true },
    { .what = "thread_create",
      .call = { SYSCALL_thread_create, { H(SELF), H(BUDGET), 0x400000, 0x500000 } },
      .undo = { CLOSE } },
    { .what = "thread_control",
      .call = { SYSCALL_thread_control, { H(THREAD), THREAD_OP_PRIORITY, 1 } } },
    { .what = "thread_registers",
      .call = { SYSCALL_thread_registers,
                { H(THREAD), REGISTERS_OP_READ, WORLD_ARENA_AT,
                  sizeof(struct guest_registers) } } },
    { .what = "address_wait", .call = { SYSCALL_address_wait, { H(SELF), WORLD_ARENA_AT, 1, 0 } } },
    { .what = "address_wake", .call = { SYSCALL_address_wake, { H(SELF), WORLD_ARENA_AT, 1 } } },
    { .what = "ipc_call", .call = { SYSCALL_ipc_call, { H(ENDPOINT), 0, 0 } } },
    { .what = "ipc_reply_receive",
      .call = { SYSCALL_ipc_reply_receive, { H(ENDPOINT), 0, 0, H(REPLY) } } },
    { .what = "ipc_send", .call = { SYSCALL_ipc_send, { H(ENDPOINT), 0, 0 } } },
    { .what = "ipc_receive", .call = { SYSCALL_ipc_receive, { H(ENDPOINT), 0, 0, H(REPLY) } } },
    { .what = "notification_signal",
      .call = { SYSCALL_notification_signal, { H(NOTIFICATION), 1 } } },
    { .what = "notification_wait",
      .call = { SYSCALL_notification_wait, { H(NOTIFICATION), 2, 0 } } },
    { .what = "timer_set", .call = { SYSCALL_timer_set, { H(NOTIFICATION), 1, UINT64_MAX } } },
    { .what = "guest_create",
      .call = { SYSCALL_guest_create, { H(SELF), H(BUDGET) } },
      .undo = { CLOSE } },
    { .what = "guest_create, split",
      .call = { SYSCALL_guest_create, { H(SELF), H(BUDGET), 0, GUEST_SPLIT } },
      .undo = { CLOSE } },
    /* It has no registers of a guest. */
    { .what = "guest_enter, a state page",
      .call = { SYSCALL_guest_enter, { H(GUEST), H(STATE) } } },
    { .what = "guest_kick", .call = { SYSCALL_guest_kick, { H(GUEST), H(THREAD) } } },
    { .what = "object_split, device",
      .call = { SYSCALL_object_split, { H(DEVICE), PAGES(1), PAGES(1) } },
      .undo = { CLOSE } },
    { .what = "object_split, line",
      .call = { SYSCALL_object_split, { H(IRQ), 5, 1, IRQ_TRIGGER_LEVEL_HIGH } },
      .undo = { CLOSE } },
    { .what = "object_split, dma",
      .call = { SYSCALL_object_split, { H(DMA), 5, 1 } },
      .undo = { CLOSE } },
    { .what = "irq_acknowledge", .call = { SYSCALL_irq_acknowledge, { H(IRQ) } } },
    { .what = "device_io", .call = { SYSCALL_device_io, { H(PORTS), PORT_OP_READ8, 1u << 30 } } },
    { .what = "dma_pin",
      .call = { SYSCALL_dma_pin, { H(DMA), H(MEMORY), PAGES(700), PAGES(16), WORLD_ARENA_AT, 16 } },
      .undo = { { SYSCALL_dma_unpin, { H(DMA), H(RESULT) } },
                { SYSCALL_memory_range,
                  { H(MEMORY), MEMORY_OP_DECOMMIT, PAGES(700), PAGES(16) } } },
      .partial = true },
    { .what = "dma_unpin", .call = { SYSCALL_dma_unpin, { H(DMA), 0 } } },
    { .what = "system_control",
      .call = { SYSCALL_system_control,
                { H(SYSTEM), SYSTEM_OP_AUDIT_READ, 0, WORLD_ARENA_AT, 4 } } },
    { .what = "object_destroy", .call = { SYSCALL_object_destroy, { H(PART) } } },
};

/* Those that only act on the thread. */
static const unsigned left_out[] = { SYSCALL_thread_exit, SYSCALL_thread_yield };

static struct world world;
static uint64_t handles[NAME_COUNT];
static uint64_t fail_at;
static void (*fail_after)(uint64_t nth);

/* The call is made once more when it failed for want of memory: then it fails again. */
static void arm(void)
{
    fail_after(fail_at);
}

static struct call_result make(const struct call *call, void (*before)(void))
{
    uint64_t words[6];

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        uint64_t name = call->words[i] - NAME_BASE;
        words[i] = name < NAME_COUNT ? handles[name] : call->words[i];
    }
    struct call_result result =
        world_call(&world, world.process[0].thread[0], call->number, words, before);
    slab_fail_after(0);
    frame_fail_after(0);
    world_settle(&world);
    EXPECT_EQ(result.end, CALL_RETURNED);
    return result;
}

/* ---- What is in use ---- */

struct stock {
    struct object_info_budget account;
    uint64_t objects; /* of all slabs */
    uint64_t frames;
};

static void add_slab(const struct slab_cache *cache, void *context)
{
    struct stock *stock = context;

    stock->objects += cache->used_count;
    stock->frames += cache->slab_count << cache->slab_order;
}

static struct stock take_stock(void)
{
    struct stock stock = { .objects = 0 };

    slab_drain_all();
    frame_cache_drain();
    budget_inspect(world.root, &stock.account);
    stock.frames = frame_stats().free;
    slab_for_each(add_slab, &stock);
    return stock;
}

static void expect_stock(const struct attempt *attempt, const struct stock *before)
{
    struct stock now = take_stock();
    bool same = now.objects == before->objects && now.frames == before->frames;

    for (unsigned kind = 0; kind < BUDGET_KINDS; kind++)
        same &= now.account.used[kind] == before->account.used[kind];
    EXPECT(same);
    if (same)
        return;
    test_note("%s, allocation %llu: %lld objects, %lld frames, %lld bytes, %lld capabilities",
              attempt->what, (unsigned long long)fail_at,
              (long long)(now.objects - before->objects), (long long)(before->frames - now.frames),
              (long long)(now.account.used[0] - before->account.used[0]),
              (long long)(now.account.used[1] - before->account.used[1]));
}

/* ---- The test ---- */

static void undo(const struct attempt *attempt, struct call_result result)
{
    handles[NAME_RESULT] = result.value;
    for (unsigned i = 0; i < UNDO_MAX; i++) {
        /* A pin that failed names nothing that could be undone. */
        bool no_pin = attempt->undo[i].number == SYSCALL_dma_unpin && result.status != OK;
        if (attempt->undo[i].number != 0 && !no_pin)
            EXPECT_EQ(make(&attempt->undo[i], NULL).status, OK);
    }
}

static void try_all(const struct attempt *attempt)
{
    /* Once without, for what stays: pages of tables, caches. */
    struct call_result plain = make(&attempt->call, NULL);
    if (plain.status == OK)
        undo(attempt, plain);
    struct stock before = take_stock();
    enum status status = ERR_NO_MEMORY;

    for (fail_at = 1; fail_at <= ALLOCATIONS_MAX && status == ERR_NO_MEMORY; fail_at++) {
        struct call_result result = make(&attempt->call, arm);
        status = result.status;
        if (status == OK || attempt->partial)
            undo(attempt, result);
        expect_stock(attempt, &before);
    }
    if (!EXPECT_EQ(status, plain.status) || test_has_failed())
        test_note("%s: %s, without failures %s", attempt->what, status_text(status),
                  status_text(plain.status));
}

static uint64_t give(struct object *object, uint32_t left_away)
{
    uint64_t handle = 0;
    struct cspace *table = &world.process[0].process->cspace;

    EXPECT_EQ(cspace_create(table, object, object_type_rights(object->type) & ~left_away, &handle),
              OK);
    return handle;
}

static void machine_init(void)
{
    if (system_object()->references == 0)
        system_init();
    if (irq_object.references == 0)
        irq_object_init();
    if (dma_object.references == 0)
        dma_init();
    if (device_memory.object.references == 0)
        device_init(&boot_info);
}

static void prepare(void)
{
    static const struct call objects[NAME_COUNT] = {
        [NAME_PART] = CREATE(BUDGET),
        [NAME_MEMORY] = { SYSCALL_memory_create, { H(BUDGET), PAGES(1024) } },
        [NAME_ENDPOINT] = CREATE(ENDPOINT),
        [NAME_NOTIFICATION] = CREATE(NOTIFICATION),
        [NAME_REPLY] = CREATE(REPLY),
        [NAME_THREAD] = { SYSCALL_thread_create, { H(SELF), H(BUDGET), 0x400000, 0x500000 } },
        [NAME_GUEST] = { SYSCALL_guest_create, { H(SELF), H(BUDGET) } },
        [NAME_STATE] = { SYSCALL_memory_create, { H(BUDGET), PAGES(1) } },
    };
    static const struct call map_cut = MAP_CUT;
    static const struct call commit = { SYSCALL_memory_range,
                                        { H(MEMORY), MEMORY_OP_COMMIT, 0, PAGES(16) } };
    struct process *self = world.process[0].process;

    machine_init();
    handles[NAME_BUDGET] = give(&self->object.payer->object, 0);
    handles[NAME_SELF] = give(&self->object, 0);
    handles[NAME_OTHER] = give(&world.process[1].process->object, 0);
    handles[NAME_SYSTEM] = give(system_object(), RIGHT_SYSTEM_POWER);
    handles[NAME_IRQ] = give(&irq_object, 0);
    handles[NAME_DMA] = give(&dma_object, 0);
    handles[NAME_DEVICE] = give(&device_memory.object, 0);
    handles[NAME_PORTS] = give(&device_ports.object, 0);
    for (unsigned i = 0; i < NAME_COUNT; i++) {
        if (objects[i].number == 0)
            continue;
        struct call_result made = make(&objects[i], NULL);
        EXPECT_EQ(made.status, OK);
        handles[i] = made.value;
    }
    EXPECT_EQ(make(&commit, NULL).status, OK);
    EXPECT_EQ(make(&map_cut, NULL).status, OK);
}

static void fail_each(void (*after)(uint64_t nth))
{
    fail_after = after;
    REQUIRE(world_begin(&world));
    prepare();
    for (unsigned i = 0; i < ARRAY_LEN(attempts) && !test_has_failed(); i++)
        try_all(&attempts[i]);
    world_end(&world);
}

HOST_TEST(calls_survive_each_failing_object)
{
    fail_each(slab_fail_after);
}

HOST_TEST(calls_survive_each_failing_frame)
{
    fail_each(frame_fail_after);
}

HOST_TEST(every_call_is_attempted)
{
    for (unsigned i = 0; i < syscall_table_count; i++) {
        bool found = false;
        for (unsigned k = 0; k < ARRAY_LEN(attempts); k++)
            found |= attempts[k].call.number == syscall_table[i].number;
        for (unsigned k = 0; k < ARRAY_LEN(left_out); k++)
            found |= left_out[k] == syscall_table[i].number;
        if (!found)
            test_fail(__FILE__, __LINE__, syscall_table[i].name);
    }
}
