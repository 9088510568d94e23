/* What each call looks at before it does anything: every right that it needs, the type behind every
 * handle, and the shape of its arguments. The rights are written down here once more, by hand, so
 * that neither the table of calls nor what is made from it can lose one.
 */
#include "world.h"
#include <abi_syscalls.h>
#include <arch/simulation.h>
#include <guest.h>
#include <ipc.h>
#include <kernel/audit.h>
#include <kernel/boot_info.h>
#include <kernel/device.h>
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/guest.h>
#include <kernel/irq_object.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/system.h>
#include <kernel/test.h>

enum { WORDS = 6, NEEDS_MAX = 3 };

#define PLAY_AT  ((uint64_t)0x50000000)
#define THERE_AT ((uint64_t)0x60000000) /* four pages are mapped here */
#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)
#define ARENA    WORLD_ARENA_AT
#define READ_ONLY                                                                                  \
    (WORLD_ARENA_AT + (uint64_t)(WORLD_ARENA_PAGES - 1) * PAGE_SIZE) /* the arena's last page */

/* What words stand for before the handles are known. */
#define H(name)   (NAME_BASE + NAME_##name)
#define NAME_BASE ((uint64_t)0xabcd << 48)
enum name {
    NAME_RESULT, /* of the call that is undone */
    NAME_BUDGET,
    NAME_PART,    /* a budget below it */
    NAME_FOREIGN, /* another process's budget */
    NAME_SELF,
    NAME_OTHER, /* a process */
    NAME_CHILD, /* one without threads */
    NAME_ENDED, /* one that is at its end */
    NAME_MEMORY,
    NAME_CLONE, /* Memory, too */
    NAME_BLOCK, /* contiguous Memory */
    NAME_ENDPOINT,
    NAME_NOTIFICATION,
    NAME_BADGED, /* the same, for bit 0 alone */
    NAME_REPLY,
    NAME_THREAD,       /* new */
    NAME_OTHER_THREAD, /* of the other process */
    NAME_GUEST,
    NAME_SYSTEM,
    NAME_IRQ,
    NAME_DMA,
    NAME_DEVICE,
    NAME_PORTS,
    NAME_COUNT
};

struct call {
    unsigned number;
    uint64_t words[WORDS];
};

#define CALL(name, ...)                                                                            \
    {                                                                                              \
        SYSCALL_##name,                                                                            \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static struct world world;
static uint64_t handles[NAME_COUNT];

static struct cspace *table(void)
{
    return &world.process[0].process->cspace;
}

static struct call_result make(const struct call *call)
{
    uint64_t words[WORDS];

    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t name = call->words[i] - NAME_BASE;
        words[i] = name < NAME_COUNT ? handles[name] : call->words[i];
    }
    struct call_result result =
        world_call(&world, world.process[0].thread[0], call->number, words, NULL);
    world_settle(&world);
    EXPECT_EQ(result.end, CALL_RETURNED);
    /* What failed returns nothing else. */
    if (result.status != OK && !EXPECT_EQ(result.value, 0))
        test_note("call %u: %s", call->number, status_text(result.status));
    return result;
}

/* ---- The world ---- */

static uint64_t give(struct object *object, uint32_t rights)
{
    uint64_t handle = 0;

    EXPECT_EQ(cspace_create(table(), object, rights & object_type_rights(object->type), &handle),
              OK);
    return handle;
}

static struct object *object_of(uint64_t handle)
{
    struct capability_ref ref = { .object = NULL };

    EXPECT_EQ(cspace_lookup(table(), handle, OBJECT_ANY, 0, &ref), OK);
    object_put(ref.object);
    return ref.object;
}

/* No page of the second half follows another. */
static void scatter(struct memory *memory)
{
    struct frame *between[8] = { NULL };
    paddr_t pa;

    for (uint64_t i = 0; i < ARRAY_LEN(between); i++) {
        EXPECT_EQ(memory_page_address(memory, 8 + i, true, &pa), OK);
        EXPECT_EQ(frame_alloc(0, 0, &between[i]), OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(between); i++) {
        if (between[i] != NULL)
            frame_put(between[i]);
    }
}

static void give_machine(void)
{
    if (system_object()->references == 0)
        system_init();
    if (irq_object.references == 0)
        irq_object_init();
    if (dma_object.references == 0)
        dma_init();
    if (device_memory.object.references == 0)
        device_init(&boot_info);
    handles[NAME_SYSTEM] = give(system_object(), UINT32_MAX);
    handles[NAME_IRQ] = give(&irq_object, UINT32_MAX);
    handles[NAME_DMA] = give(&dma_object, UINT32_MAX);
    handles[NAME_DEVICE] = give(&device_memory.object, UINT32_MAX);
    handles[NAME_PORTS] = give(&device_ports.object, UINT32_MAX);
}

#define CREATE(type)                                                                               \
    {                                                                                              \
        SYSCALL_object_create,                                                                     \
        {                                                                                          \
            H(BUDGET), OBJECT_##type                                                               \
        }                                                                                          \
    }

static void create_objects(void)
{
    static const struct call objects[NAME_COUNT] = {
        [NAME_PART] = CREATE(BUDGET),
        [NAME_CHILD] = CREATE(PROCESS),
        [NAME_ENDED] = CREATE(PROCESS),
        [NAME_MEMORY] = { SYSCALL_memory_create, { H(BUDGET), PAGES(16) } },
        [NAME_CLONE] = { SYSCALL_memory_create, { H(BUDGET), PAGES(4) } },
        [NAME_BLOCK] = { SYSCALL_memory_create,
                         { H(BUDGET), PAGES(4), MEMORY_FLAGS_CONTIGUOUS, PAGE_SIZE, UINT64_MAX } },
        [NAME_ENDPOINT] = CREATE(ENDPOINT),
        [NAME_NOTIFICATION] = CREATE(NOTIFICATION),
        [NAME_BADGED] = { SYSCALL_handle_copy,
                          { H(NOTIFICATION), RIGHT_NOTIFICATION_SIGNAL | RIGHT_NOTIFICATION_WAIT,
                            1 } },
        [NAME_REPLY] = CREATE(REPLY),
        [NAME_THREAD] = { SYSCALL_thread_create, { H(SELF), H(BUDGET), 0x400000, 0x500000 } },
        [NAME_GUEST] = { SYSCALL_guest_create, { H(SELF), H(BUDGET) } },
    };

    for (unsigned i = 0; i < NAME_COUNT; i++) {
        if (objects[i].number == 0)
            continue;
        struct call_result made = make(&objects[i]);
        EXPECT_EQ(made.status, OK);
        handles[i] = made.value;
    }
}

static void prepare(void)
{
    static const struct call there = {
        SYSCALL_map, { H(SELF), H(MEMORY), THERE_AT, 0, PAGES(4), ACCESS_READ | ACCESS_WRITE }
    };
    static const struct call end = { SYSCALL_object_destroy, { H(ENDED) } };
    /* Whoever reads a port by mistake finds something. */
    static const struct call byte = { SYSCALL_device_io, { H(PORTS), PORT_OP_WRITE8, 0, 0xaa } };
    struct process *self = world.process[0].process;
    struct process *other = world.process[1].process;

    handles[NAME_BUDGET] = give(&self->object.payer->object, UINT32_MAX);
    handles[NAME_FOREIGN] = give(&other->object.payer->object, UINT32_MAX);
    handles[NAME_SELF] = give(&self->object, UINT32_MAX);
    handles[NAME_OTHER] = give(&other->object, UINT32_MAX);
    handles[NAME_OTHER_THREAD] = give(&world.process[1].thread[0]->object, UINT32_MAX);
    give_machine();
    create_objects();
    EXPECT_EQ(make(&there).status, OK);
    EXPECT_EQ(make(&end).status, OK);
    EXPECT_EQ(make(&byte).status, OK);
    scatter(object_as_memory(object_of(handles[NAME_MEMORY])));
    sched_set_ceiling(world.process[0].thread[0], PRIORITY_COUNT - 2);
}

/* ---- Rights and types ---- */

struct need {
    unsigned word;
    uint32_t rights; /* each of them is needed */
    bool any_type;   /* the call says itself what it thinks of other types */
    bool used;
};

struct row {
    struct call call;
    struct need needs[NEEDS_MAX];
    struct call undo; /* number 0: nothing */
    bool last;        /* it is not made with all rights: what it does cannot be undone */
};

#define CLOSE                                                                                      \
    {                                                                                              \
        SYSCALL_handle_close,                                                                      \
        {                                                                                          \
            H(RESULT)                                                                              \
        }                                                                                          \
    }
#define END                                                                                        \
    {                                                                                              \
        SYSCALL_object_destroy,                                                                    \
        {                                                                                          \
            H(RESULT)                                                                              \
        }                                                                                          \
    }
#define UNMAP                                                                                      \
    {                                                                                              \
        SYSCALL_unmap,                                                                             \
        {                                                                                          \
            H(SELF), PLAY_AT, PAGES(2)                                                             \
        }                                                                                          \
    }

#define NEED(at, all)                                                                              \
    {                                                                                              \
        .word = (at), .rights = (all), .used = true                                                \
    }
#define NEED_OF_ANY(at, all)                                                                       \
    {                                                                                              \
        .word = (at), .rights = (all), .any_type = true, .used = true                              \
    }

#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)
#define MAPPABLE   (RIGHT_MEMORY_MAP | RIGHT_MEMORY_READ)

static const struct row rows[] = {
    { .call = CALL(log_write, H(SYSTEM), ARENA), .needs = { NEED(0, RIGHT_SYSTEM_LOG) } },
    { .call = CALL(handle_copy, H(MEMORY), RIGHT_MEMORY_MAP, 0, H(CHILD)),
      .needs = { NEED_OF_ANY(0, RIGHT_ANY_GRANT | RIGHT_MEMORY_MAP),
                 NEED(3, RIGHT_PROCESS_GRANT_INTO) } },
    { .call = CALL(handle_copy, H(ENDPOINT), 0, 5),
      .needs = { NEED_OF_ANY(0, RIGHT_ENDPOINT_RECEIVE) },
      .undo = CLOSE },
    { .call = CALL(handle_revoke, H(SYSTEM)), .needs = { NEED_OF_ANY(0, RIGHT_ANY_REVOKE) } },
    { .call = CALL(process_inspect, H(SELF), 0, ARENA, 4),
      .needs = { NEED(0, RIGHT_ANY_INSPECT) } },
    { .call = CALL(object_info, H(BUDGET), ARENA, 64),
      .needs = { NEED_OF_ANY(0, RIGHT_ANY_INSPECT) } },
    { .call = CALL(object_create, H(BUDGET), OBJECT_REPLY),
      .needs = { NEED(0, RIGHT_BUDGET_CHARGE) },
      .undo = CLOSE },
    { .call = CALL(object_create, H(BUDGET), OBJECT_BUDGET),
      .needs = { NEED(0, RIGHT_BUDGET_SPLIT) },
      .undo = CLOSE },
    { .call = CALL(object_destroy, H(CHILD)),
      .needs = { NEED_OF_ANY(0, RIGHT_PROCESS_DESTROY) },
      .last = true },
    { .call = CALL(object_destroy, H(PART)),
      .needs = { NEED_OF_ANY(0, RIGHT_BUDGET_DESTROY) },
      .last = true },
    { .call = CALL(object_destroy, H(THREAD)),
      .needs = { NEED_OF_ANY(0, RIGHT_THREAD_STOP) },
      .last = true },
    { .call = CALL(object_bind, H(ENDPOINT), H(NOTIFICATION), 16),
      .needs = { NEED_OF_ANY(0, RIGHT_ENDPOINT_RECEIVE), NEED(1, RIGHT_NOTIFICATION_SIGNAL) } },
    { .call = CALL(object_bind, H(OTHER), H(NOTIFICATION), 1),
      .needs = { NEED_OF_ANY(0, RIGHT_PROCESS_DESTROY) } },
    { .call = CALL(object_bind, H(THREAD), H(NOTIFICATION), 1),
      .needs = { NEED_OF_ANY(0, RIGHT_THREAD_STOP) } },
    { .call = CALL(object_bind, H(BUDGET), H(NOTIFICATION), 1),
      .needs = { NEED_OF_ANY(0, RIGHT_BUDGET_LIMIT) } },
    { .call = CALL(object_bind, H(SYSTEM), H(NOTIFICATION), 1),
      .needs = { NEED_OF_ANY(0, RIGHT_SYSTEM_AUDIT) } },
    { .call = CALL(object_bind, H(IRQ), H(NOTIFICATION), 1),
      .needs = { NEED_OF_ANY(0, RIGHT_IRQ_BIND) } },
    { .call = CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_WEIGHT, 5),
      .needs = { NEED(0, RIGHT_BUDGET_LIMIT) } },
    { .call = CALL(memory_create, H(BUDGET), PAGES(2)),
      .needs = { NEED(0, RIGHT_BUDGET_CHARGE) },
      .undo = CLOSE },
    { .call = CALL(memory_clone, H(MEMORY), H(BUDGET), 0, PAGES(2)),
      .needs = { NEED(0, RIGHT_MEMORY_READ), NEED(1, RIGHT_BUDGET_CHARGE) },
      .undo = CLOSE },
    { .call = CALL(memory_clone, H(MEMORY), H(BUDGET), 0, PAGES(2), H(CLONE)),
      .needs = { NEED(4, RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE) } },
    { .call = CALL(memory_range, H(MEMORY), MEMORY_OP_COMMIT, 0, PAGES(2)),
      .needs = { NEED(0, RIGHT_MEMORY_WRITE) } },
    { .call = CALL(map, H(SELF), H(MEMORY), PLAY_AT, 0, PAGES(2), READ_WRITE),
      .needs = { NEED(0, RIGHT_PROCESS_MAP), NEED(1, MAPPABLE | RIGHT_MEMORY_WRITE) },
      .undo = UNMAP },
    { .call = CALL(map, H(SELF), H(MEMORY), PLAY_AT, 0, PAGES(2), ACCESS_EXECUTE),
      .needs = { NEED(1, MAPPABLE | RIGHT_MEMORY_EXECUTE) },
      .undo = UNMAP },
    { .call = CALL(map, H(GUEST), H(MEMORY), PLAY_AT, 0, PAGES(2), ACCESS_READ),
      .needs = { NEED(0, RIGHT_GUEST_MAP) },
      .undo = CALL(unmap, H(GUEST), PLAY_AT, PAGES(2)) },
    { .call = CALL(unmap, H(SELF), PLAY_AT, PAGES(2)), .needs = { NEED(0, RIGHT_PROCESS_MAP) } },
    { .call = CALL(protect, H(SELF), THERE_AT, PAGES(4), ACCESS_READ),
      .needs = { NEED(0, RIGHT_PROCESS_MAP) } },
    { .call = CALL(thread_create, H(SELF), H(BUDGET), 0x400000, 0x500000),
      .needs = { NEED(0, RIGHT_PROCESS_SPAWN), NEED(1, RIGHT_BUDGET_CHARGE) },
      .undo = END },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_START),
      .needs = { NEED(0, RIGHT_THREAD_START) },
      .last = true },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_STOP),
      .needs = { NEED(0, RIGHT_THREAD_STOP) },
      .last = true },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_SUSPEND),
      .needs = { NEED(0, RIGHT_THREAD_SUSPEND) } },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_RESUME),
      .needs = { NEED(0, RIGHT_THREAD_RESUME) } },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_PRIORITY, 1),
      .needs = { NEED(0, RIGHT_THREAD_SCHEDULE) } },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_CEILING, 1),
      .needs = { NEED(0, RIGHT_THREAD_SCHEDULE) } },
    { .call = CALL(thread_control, H(THREAD), THREAD_OP_AFFINITY, 1),
      .needs = { NEED(0, RIGHT_THREAD_SCHEDULE) } },
    { .call = CALL(thread_registers, H(THREAD), REGISTERS_OP_READ, ARENA,
                   sizeof(struct guest_registers)),
      .needs = { NEED(0, RIGHT_THREAD_REGISTERS) } },
    { .call = CALL(address_wait, H(SELF), ARENA, 1), .needs = { NEED(0, RIGHT_PROCESS_MAP) } },
    { .call = CALL(address_wake, H(SELF), ARENA, 1), .needs = { NEED(0, RIGHT_PROCESS_MAP) } },
    { .call = CALL(ipc_call, H(ENDPOINT)), .needs = { NEED(0, RIGHT_ENDPOINT_SEND) } },
    { .call = CALL(ipc_call, H(ENDPOINT), 0, DEADLINE_NEVER),
      .needs = { NEED(0, RIGHT_ENDPOINT_SEND) },
      .last = true },
    { .call = CALL(ipc_reply_receive, H(ENDPOINT), 0, 0, H(REPLY)),
      .needs = { NEED(0, RIGHT_ENDPOINT_RECEIVE), NEED(3, 0) } },
    { .call = CALL(ipc_reply_receive, H(ENDPOINT), 0, DEADLINE_NEVER, H(REPLY)),
      .needs = { NEED(0, RIGHT_ENDPOINT_RECEIVE), NEED(3, 0) },
      .last = true },
    { .call = CALL(ipc_send, H(ENDPOINT)), .needs = { NEED(0, RIGHT_ENDPOINT_SEND) } },
    { .call = CALL(ipc_receive, H(ENDPOINT), 0, 0, H(REPLY)),
      .needs = { NEED(0, RIGHT_ENDPOINT_RECEIVE), NEED(3, 0) } },
    { .call = CALL(notification_signal, H(NOTIFICATION), 1),
      .needs = { NEED(0, RIGHT_NOTIFICATION_SIGNAL) } },
    { .call = CALL(notification_wait, H(NOTIFICATION), 2),
      .needs = { NEED(0, RIGHT_NOTIFICATION_WAIT) } },
    { .call = CALL(timer_set, H(NOTIFICATION), 1, DEADLINE_NEVER),
      .needs = { NEED(0, RIGHT_NOTIFICATION_SIGNAL | RIGHT_NOTIFICATION_WAIT) } },
    { .call = CALL(guest_create, H(SELF), H(BUDGET)),
      .needs = { NEED(0, RIGHT_PROCESS_MAP), NEED(1, RIGHT_BUDGET_CHARGE) },
      .undo = CLOSE },
    { .call = CALL(guest_create, H(SELF), H(BUDGET), H(GUEST), 0, H(GUEST)),
      .needs = { NEED(2, RIGHT_GUEST_ENTER | RIGHT_GUEST_MAP), NEED(4, RIGHT_GUEST_MAP) },
      .last = true },
    { .call = CALL(guest_enter, H(GUEST), H(MEMORY)),
      .needs = { NEED(0, RIGHT_GUEST_ENTER), NEED(1, MAPPABLE | RIGHT_MEMORY_WRITE) },
      .last = true },
    { .call = CALL(guest_kick, H(GUEST), H(OTHER_THREAD)),
      .needs = { NEED(0, RIGHT_GUEST_KICK), NEED(1, 0) } },
    { .call = CALL(irq_acknowledge, H(IRQ)), .needs = { NEED(0, RIGHT_IRQ_ACKNOWLEDGE) } },
    { .call = CALL(device_io, H(PORTS), PORT_OP_READ8, 1u << 30),
      .needs = { NEED(0, RIGHT_DEVICE_READ) } },
    { .call = CALL(device_io, H(PORTS), PORT_OP_WRITE32, 1u << 30),
      .needs = { NEED(0, RIGHT_DEVICE_WRITE) } },
    { .call = CALL(dma_pin, H(DMA), H(MEMORY), 0, PAGES(1), READ_ONLY, 1),
      .needs = { NEED(0, RIGHT_DMA_PIN), NEED(1, RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE) } },
    { .call = CALL(dma_unpin, H(DMA), 0), .needs = { NEED(0, RIGHT_DMA_UNPIN) } },
    { .call = CALL(system_control, H(SYSTEM), SYSTEM_OP_AUDIT_READ, 0, ARENA, 1),
      .needs = { NEED(0, RIGHT_SYSTEM_AUDIT) } },
    { .call = CALL(system_control, H(SYSTEM), SYSTEM_OP_POWER_OFF),
      .needs = { NEED(0, RIGHT_SYSTEM_POWER) },
      .last = true },
    { .call = CALL(system_control, H(SYSTEM), SYSTEM_OP_RESTART),
      .needs = { NEED(0, RIGHT_SYSTEM_POWER) },
      .last = true },
};

static const char *name_of(unsigned number)
{
    for (unsigned i = 0; i < syscall_table_count; i++) {
        if (syscall_table[i].number == number)
            return syscall_table[i].name;
    }
    return "?";
}

static void expect_status(const struct call *call, enum status expected, const char *what,
                          uint32_t detail)
{
    enum status status = make(call).status;

    if (!EXPECT_EQ(status, expected))
        test_note("%s with %s (%x): %s, not %s", name_of(call->number), what, detail,
                  status_text(status), status_text(expected));
}

/* The refusal is the last of what the audit ring has. */
static void expect_record(const struct call *call, enum status expected)
{
    struct audit_record record = { .kind = 0 };
    uint64_t next = audit_stats().next;

    EXPECT_EQ(audit_read(next - 1, &record, 1), 1);
    if (!EXPECT_EQ(record.kind, AUDIT_DENIAL) || !EXPECT_EQ(record.status, expected))
        test_note("%s: %s is not recorded", name_of(call->number), status_text(expected));
}

static void expect_denial(const struct call *call, enum status expected, const char *what,
                          uint32_t detail)
{
    uint64_t before = audit_stats().next;

    expect_status(call, expected, what, detail);
    EXPECT(audit_stats().next > before);
    expect_record(call, expected);
}

/* The call with another handle of the same object in one word. */
static void with_rights(const struct row *row, const struct need *need, uint32_t rights,
                        enum status expected)
{
    struct call call = row->call;
    struct work work = { UINT32_MAX };
    uint64_t handle = give(object_of(handles[row->call.words[need->word] - NAME_BASE]), rights);

    call.words[need->word] = handle;
    struct call_result result = make(&call);
    handles[NAME_RESULT] = result.value;
    if (!EXPECT_EQ(result.status, expected))
        test_note("%s, word %u with rights %x: %s, not %s", name_of(call.number), need->word,
                  rights, status_text(result.status), status_text(expected));
    if (expected == ERR_ACCESS)
        expect_record(&call, expected);
    if (result.status == OK && row->undo.number != 0)
        EXPECT_EQ(make(&row->undo).status, OK);
    EXPECT_EQ(cspace_close(table(), handle, &work), OK);
    world_settle(&world);
}

static void check_word(const struct row *row, const struct need *need, enum status plain)
{
    uint64_t handle = row->call.words[need->word];
    uint64_t other =
        handle == H(BUDGET) || handle == H(PART) ? handles[NAME_SELF] : handles[NAME_BUDGET];
    struct call call = row->call;

    for (uint32_t bit = 1; bit < RIGHTS_ALL; bit <<= 1) {
        if ((need->rights & bit) != 0)
            with_rights(row, need, ~bit, ERR_ACCESS);
    }
    if (!row->last)
        with_rights(row, need, need->rights, plain);
    call.words[need->word] = handles[handle - NAME_BASE] + ((uint64_t)1 << 32);
    expect_denial(&call, ERR_NOT_FOUND, "a handle of another generation", need->word);
    call.words[need->word] = (1u << 30) - 1;
    expect_denial(&call, ERR_NOT_FOUND, "a handle beyond the table", need->word);
    call.words[need->word] = other;
    if (!need->any_type)
        expect_status(&call, ERR_NOT_FOUND, "an object of another type", need->word);
}

static void check_row(const struct row *row)
{
    enum status plain = OK;

    if (!row->last) {
        struct call_result result = make(&row->call);
        plain = result.status;
        handles[NAME_RESULT] = result.value;
        if (plain == OK && row->undo.number != 0)
            EXPECT_EQ(make(&row->undo).status, OK);
        EXPECT(plain != ERR_ACCESS && plain != ERR_NOT_FOUND);
    }
    for (unsigned i = 0; i < NEEDS_MAX && row->needs[i].used; i++)
        check_word(row, &row->needs[i], plain);
    if (test_has_failed())
        test_note("in the row of %s: %s", name_of(row->call.number), status_text(plain));
}

HOST_TEST(each_call_needs_its_rights_and_the_right_types)
{
    REQUIRE(world_begin(&world));
    prepare();
    for (unsigned i = 0; i < ARRAY_LEN(rows) && !test_has_failed(); i++)
        check_row(&rows[i]);
    world_end(&world);
}

/* ---- Arguments ---- */

static const struct refusal {
    struct call call;
    enum status expected;
} refusals[] = {
    { CALL(log_write, H(SYSTEM), ARENA, 0), ERR_RANGE },
    { CALL(log_write, H(SYSTEM), ARENA, 201), ERR_RANGE },
    { CALL(log_write, H(SYSTEM), PLAY_AT, 5), ERR_FAULT },
    { CALL(log_write, H(SYSTEM), USER_END, 5), ERR_FAULT },
    { CALL(log_write, H(SYSTEM), UINT64_MAX - 2, 5), ERR_FAULT },
    { CALL(object_create, H(BUDGET), OBJECT_MEMORY), ERR_INVALID },
    { CALL(object_create, H(BUDGET), OBJECT_SYSTEM), ERR_INVALID },
    { CALL(object_destroy, H(MEMORY)), ERR_INVALID },
    { CALL(object_destroy, H(SELF)), ERR_STATE },
    { CALL(object_destroy, H(BUDGET)), ERR_STATE },
    { CALL(object_bind, H(MEMORY), H(NOTIFICATION), 1), ERR_INVALID },
    { CALL(object_bind, H(OTHER), H(BADGED), 2), ERR_ACCESS },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_QUOTA, 0, 10000000), ERR_RANGE },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_QUOTA, 1000, 999999), ERR_RANGE },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_QUOTA, 1000, 1000000001), ERR_RANGE },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_WEIGHT, 0), ERR_RANGE },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_WEIGHT, 10001), ERR_RANGE },
    { CALL(budget_limit, H(BUDGET), LIMIT_KIND_CPU_WEIGHT + 1, 1), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), 0), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), 100), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), (UINT64_C(1) << 48) + PAGE_SIZE), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), PAGES(1), 2), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), PAGES(1025), 1, PAGE_SIZE, UINT64_MAX), ERR_RANGE },
    { CALL(memory_create, H(BUDGET), PAGES(2), 1, 3 * PAGE_SIZE, UINT64_MAX), ERR_INVALID },
    { CALL(memory_create, H(BUDGET), PAGES(2), 1, PAGE_SIZE / 2, UINT64_MAX), ERR_INVALID },
    { CALL(memory_create, H(BUDGET), PAGES(2), 1, PAGE_SIZE, 0), ERR_NO_MEMORY },
    { CALL(memory_clone, H(MEMORY), H(BUDGET), PAGES(17), 0), ERR_RANGE },
    { CALL(memory_clone, H(MEMORY), H(BUDGET), PAGES(1), PAGES(16)), ERR_RANGE },
    { CALL(memory_clone, H(MEMORY), H(BUDGET), 0, PAGES(2), H(CLONE), PAGES(3)), ERR_RANGE },
    { CALL(memory_clone, H(MEMORY), H(BUDGET), 0, PAGES(8), H(CLONE)), ERR_RANGE },
    { CALL(memory_clone, H(MEMORY), H(BUDGET), PAGES(1), UINT64_MAX - PAGE_SIZE + 1), ERR_RANGE },
    { CALL(memory_range, H(MEMORY), MEMORY_OP_COMMIT, PAGES(1), PAGES(16)), ERR_RANGE },
    { CALL(memory_range, H(MEMORY), MEMORY_OP_DECOMMIT, PAGES(17), PAGES(1)), ERR_RANGE },
    { CALL(memory_range, H(MEMORY), MEMORY_OP_COMMIT, PAGES(1), UINT64_MAX - PAGE_SIZE + 1),
      ERR_RANGE },
    { CALL(memory_range, H(MEMORY), 2, 0, PAGES(1)), ERR_RANGE },
    { CALL(memory_range, H(MEMORY), MEMORY_OP_COMMIT, 1, PAGES(1)), ERR_RANGE },
    { CALL(memory_range, H(BLOCK), MEMORY_OP_COMMIT, 0, PAGES(1)), ERR_UNSUPPORTED },
    { CALL(memory_range, H(BLOCK), MEMORY_OP_DECOMMIT, 0, PAGES(1)), ERR_UNSUPPORTED },
    { CALL(map, H(SELF), H(MEMORY), PLAY_AT, 0, 0, ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), PLAY_AT, 0, PAGES(1), ACCESS_WRITE | ACCESS_EXECUTE),
      ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), PLAY_AT, PAGES(1), PAGES(16), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), PLAY_AT, PAGES(17), PAGES(1), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), USER_END - PAGE_SIZE, 0, PAGES(2), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), USER_END, 0, PAGES(1), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), 0, 0, PAGES(1), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), PLAY_AT + 1, 0, PAGES(1), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(MEMORY), THERE_AT, 0, PAGES(1), ACCESS_READ), ERR_EXISTS },
    { CALL(map, H(GUEST), H(MEMORY), GUEST_END, 0, PAGES(1), ACCESS_READ), ERR_RANGE },
    { CALL(map, H(SELF), H(ENDPOINT), PLAY_AT, 0, PAGES(1), ACCESS_READ), ERR_ACCESS },
    { CALL(map, H(SELF), H(GUEST), PLAY_AT, 0, PAGES(1), ACCESS_READ), ERR_NOT_FOUND },
    { CALL(unmap, H(SELF), PLAY_AT, 0), ERR_RANGE },
    { CALL(unmap, H(SELF), USER_END, PAGES(1)), ERR_RANGE },
    { CALL(unmap, H(SELF), PAGE_SIZE, UINT64_MAX - PAGE_SIZE + 1), ERR_RANGE },
    { CALL(unmap, H(GUEST), GUEST_END - PAGE_SIZE, PAGES(2)), ERR_RANGE },
    { CALL(protect, H(SELF), THERE_AT, 0, ACCESS_READ), ERR_RANGE },
    { CALL(protect, H(SELF), THERE_AT, PAGES(1), ACCESS_READ | ACCESS_SHARED), ERR_RANGE },
    { CALL(protect, H(SELF), THERE_AT, PAGES(1), ACCESS_READ | ACCESS_POPULATE), ERR_RANGE },
    { CALL(protect, H(SELF), THERE_AT, PAGES(1), ACCESS_WRITE | ACCESS_EXECUTE), ERR_RANGE },
    { CALL(thread_create, H(SELF), H(BUDGET), USER_END), ERR_RANGE },
    { CALL(thread_create, H(SELF), H(FOREIGN), 0x400000), ERR_INVALID },
    { CALL(thread_create, H(SELF), H(BUDGET), 0x400000, 0x500000, 0, USER_END), ERR_RANGE },
    { CALL(thread_create, H(ENDED), H(BUDGET), 0x400000, 0x500000), ERR_DEAD },
    { CALL(thread_control, H(THREAD), THREAD_OP_PRIORITY, PRIORITY_COUNT - 1), ERR_ACCESS },
    { CALL(thread_control, H(THREAD), THREAD_OP_CEILING, PRIORITY_COUNT - 1), ERR_ACCESS },
    { CALL(thread_control, H(THREAD), THREAD_OP_PRIORITY, PRIORITY_COUNT), ERR_RANGE },
    { CALL(thread_control, H(THREAD), THREAD_OP_CEILING, PRIORITY_COUNT), ERR_RANGE },
    { CALL(thread_control, H(THREAD), THREAD_OP_AFFINITY, 0), ERR_INVALID },
    { CALL(thread_control, H(THREAD), THREAD_OP_AFFINITY, BIT64(63)), ERR_INVALID },
    { CALL(thread_control, H(THREAD), THREAD_OP_AFFINITY + 1, 0), ERR_RANGE },
    { CALL(thread_control, H(THREAD), THREAD_OP_RESUME, 0), ERR_STATE },
    { CALL(thread_control, H(THREAD), THREAD_OP_SUSPEND, 0), ERR_STATE },
    { CALL(thread_control, H(OTHER_THREAD), THREAD_OP_START, 0), ERR_STATE },
    { CALL(thread_control, H(OTHER_THREAD), THREAD_OP_RESUME, 0), ERR_STATE },
    { CALL(thread_registers, H(THREAD), REGISTERS_OP_READ, ARENA, 8), ERR_RANGE },
    { CALL(thread_registers, H(THREAD), REGISTERS_OP_READ, READ_ONLY,
           sizeof(struct guest_registers)),
      ERR_FAULT },
    { CALL(thread_registers, H(THREAD), REGISTERS_OP_WRITE, PLAY_AT,
           sizeof(struct guest_registers)),
      ERR_FAULT },
    { CALL(thread_registers, H(OTHER_THREAD), REGISTERS_OP_READ, ARENA,
           sizeof(struct guest_registers)),
      ERR_STATE },
    { CALL(address_wait, H(SELF), ARENA + 2, 0), ERR_RANGE },
    { CALL(address_wait, H(OTHER), ARENA, 0), ERR_INVALID },
    { CALL(address_wait, H(SELF), PLAY_AT, 0), ERR_FAULT },
    { CALL(address_wait, H(SELF), ARENA, 7), ERR_WOULD_BLOCK },
    { CALL(address_wait, H(SELF), ARENA, 0, 0), ERR_TIMED_OUT },
    { CALL(address_wake, H(SELF), ARENA + 1, 1), ERR_RANGE },
    { CALL(ipc_call, H(ENDPOINT), UINT64_C(9) << IPC_INFO_WORDS), ERR_INVALID },
    { CALL(ipc_call, H(ENDPOINT), UINT64_C(1) << IPC_INFO_CAPABILITIES), ERR_INVALID },
    { CALL(ipc_send, H(ENDPOINT),
           UINT64_C(8) << IPC_INFO_WORDS | UINT64_C(5) << IPC_INFO_CAPABILITIES),
      ERR_INVALID },
    { CALL(ipc_send, H(ENDPOINT),
           UINT64_C(8) << IPC_INFO_WORDS | UINT64_C(1) << IPC_INFO_CAPABILITIES |
               UINT64_C(2) << IPC_INFO_MOVE),
      ERR_INVALID },
    { CALL(ipc_send, H(ENDPOINT), IPC_INFO_CALL), ERR_INVALID },
    { CALL(ipc_send, H(ENDPOINT), UINT64_C(1) << 63), ERR_INVALID },
    { CALL(ipc_send, H(REPLY), 0), ERR_STATE },
    { CALL(ipc_send, H(MEMORY), 0), ERR_NOT_FOUND },
    { CALL(ipc_reply_receive, H(ENDPOINT), UINT64_C(9) << IPC_INFO_WORDS, 0, H(REPLY)),
      ERR_INVALID },
    { CALL(notification_wait, H(NOTIFICATION), 0), ERR_RANGE },
    { CALL(notification_signal, H(BADGED), 3), ERR_ACCESS },
    { CALL(timer_set, H(BADGED), 2, DEADLINE_NEVER), ERR_ACCESS },
    { CALL(guest_create, H(SELF), H(FOREIGN)), ERR_INVALID },
    { CALL(guest_create, H(SELF), H(BUDGET), 0, 1u << 30), ERR_RANGE },
    { CALL(guest_create, H(SELF), H(BUDGET), H(GUEST), 0, 0), ERR_NOT_FOUND },
    { CALL(guest_kick, H(GUEST), H(OTHER_THREAD)), ERR_INVALID },
    { CALL(object_split, H(MEMORY), 0, 1), ERR_INVALID },
    { CALL(object_split, H(DEVICE), PAGES(1), PAGES(1), IRQ_TRIGGER_LEVEL_LOW), ERR_RANGE },
    { CALL(object_split, H(DEVICE), PAGES(1) + 1, PAGES(1)), ERR_RANGE },
    { CALL(object_split, H(DEVICE), PAGES(1), 0), ERR_RANGE },
    { CALL(object_split, H(DEVICE), SIMULATION_KEPT_PAGE, PAGES(1)), ERR_ACCESS },
    { CALL(object_split, H(IRQ), 0, 0), ERR_RANGE },
    { CALL(object_split, H(DMA), 0, 0), ERR_RANGE },
    { CALL(irq_acknowledge, H(IRQ)), ERR_RANGE },
    { CALL(device_io, H(DEVICE), PORT_OP_READ8, 0), ERR_UNSUPPORTED },
    { CALL(device_io, H(PORTS), PORT_OP_WRITE32 + 1, 0), ERR_RANGE },
    { CALL(device_io, H(PORTS), PORT_OP_READ8, SIMULATION_KEPT_PORT), ERR_ACCESS },
    { CALL(dma_pin, H(DMA), H(MEMORY), 0, PAGES(1), ARENA, 0), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), 0, PAGES(1), ARENA, 513), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), 0, 0, ARENA, 1), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), PAGES(17), PAGES(1), ARENA, 1), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), PAGES(16), PAGES(1), ARENA, 1), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), 0, PAGES(513), ARENA, 1), ERR_RANGE },
    { CALL(dma_pin, H(DMA), H(MEMORY), PAGES(8), PAGES(4), ARENA, 3), ERR_LIMIT },
    { CALL(dma_unpin, H(DMA), 77), ERR_NOT_FOUND },
    { CALL(system_control, H(SYSTEM), SYSTEM_OP_AUDIT_READ, 0, ARENA, 0), ERR_RANGE },
    { CALL(system_control, H(SYSTEM), SYSTEM_OP_AUDIT_READ, 0, ARENA, 17), ERR_RANGE },
    { CALL(system_control, H(SYSTEM), SYSTEM_OP_AUDIT_READ, 0, READ_ONLY, 1), ERR_FAULT },
    { CALL(system_control, H(SYSTEM), SYSTEM_OP_AUDIT_READ + 1, 0), ERR_RANGE },
};

/* What was not done is not recorded as done. */
static void expect_denials_only(uint64_t from, unsigned row)
{
    for (; from < audit_stats().next; from++) {
        struct audit_record record;
        EXPECT_EQ(audit_read(from, &record, 1), 1);
        if (!EXPECT_EQ(record.kind, AUDIT_DENIAL))
            test_note("in row %u", row);
    }
}

HOST_TEST(each_call_refuses_what_makes_no_sense)
{
    REQUIRE(world_begin(&world));
    prepare();
    for (unsigned i = 0; i < ARRAY_LEN(refusals); i++) {
        struct object_info_budget before;
        struct object_info_budget after;
        uint64_t records = audit_stats().next;
        budget_inspect(world.root, &before);
        expect_status(&refusals[i].call, refusals[i].expected, "row", i);
        budget_inspect(world.root, &after);
        for (unsigned kind = 0; kind < BUDGET_KINDS; kind++)
            EXPECT_EQ(after.used[kind], before.used[kind]);
        expect_denials_only(records, i);
    }
    world_end(&world);
}

/* ---- The shape of each word ---- */

/* A word that its kind does not allow; 0: all are allowed. */
static uint64_t out_of_shape(const struct syscall_word *word)
{
    switch (word->kind) {
    case SYSCALL_KIND_U32:
        return BIT64(32);
    case SYSCALL_KIND_BOOL:
        return 2;
    case SYSCALL_KIND_RIGHTS:
        return (uint64_t)RIGHTS_ALL + 1;
    case SYSCALL_KIND_OBJECT:
        return OBJECT_TYPE_COUNT;
    case SYSCALL_KIND_FLAGS:
        return word->mask + 1;
    case SYSCALL_KIND_ENUM:
        return (uint64_t)64 - (unsigned)__builtin_clzll(word->mask);
    default:
        return word->page ? PAGE_SIZE / 2 : 0;
    }
}

/* Good of its kind; a handle names nothing, so that the call fails once it is looked up. */
static uint64_t in_shape(const struct syscall_word *word)
{
    if (word->kind == SYSCALL_KIND_HANDLE || word->kind == SYSCALL_KIND_SLOT)
        return UINT32_MAX;
    if (word->kind == SYSCALL_KIND_ENUM)
        return (unsigned)__builtin_ctzll(word->mask);
    return word->kind == SYSCALL_KIND_OBJECT ? OBJECT_BUDGET : 0;
}

/* One word at a time; and the one that says nothing is refused for another reason. */
static void check_shapes(const struct syscall_description *description)
{
    struct call right = { .number = description->number };

    for (unsigned i = 0; i < description->in_count; i++)
        right.words[i] = in_shape(&description->in[i]);
    for (unsigned i = 0; i < description->in_count; i++) {
        struct call wrong = right;
        wrong.words[i] = out_of_shape(&description->in[i]);
        if (wrong.words[i] == 0)
            continue;
        expect_status(&right, ERR_NOT_FOUND, "words of their kinds", i);
        expect_status(&wrong, ERR_RANGE, "a word out of its kind", i);
    }
}

HOST_TEST(each_call_refuses_words_out_of_their_kind)
{
    REQUIRE(world_begin(&world));
    prepare();
    for (unsigned i = 0; i < syscall_table_count; i++) {
        if (!syscall_table[i].registers && !syscall_table[i].noreturn)
            check_shapes(&syscall_table[i]);
    }
    world_end(&world);
}

/* ---- Completeness ---- */

/* All rights that the rows name for a word of a call; false if there is no row. */
static bool written_down(unsigned number, unsigned word, uint32_t *rights_out)
{
    bool found = false;

    *rights_out = 0;
    for (unsigned k = 0; k < ARRAY_LEN(rows) * NEEDS_MAX; k++) {
        const struct row *row = &rows[k / NEEDS_MAX];
        const struct need *need = &row->needs[k % NEEDS_MAX];
        if (row->call.number != number || !need->used || need->word != word)
            continue;
        found = true;
        *rights_out |= need->rights;
    }
    return found;
}

HOST_TEST(every_right_of_the_table_is_written_down_here)
{
    for (unsigned i = 0; i < syscall_table_count; i++) {
        const struct syscall_description *call = &syscall_table[i];
        for (unsigned w = 0; w < call->in_count; w++) {
            uint32_t written;
            if (call->in[w].kind != SYSCALL_KIND_HANDLE)
                continue;
            if (!written_down(call->number, w, &written) || (call->in[w].rights & ~written) != 0)
                test_fail(__FILE__, __LINE__, call->name);
        }
    }
}
