/* What abigen makes of the small contract in tables/, compiled and run: programs' stubs at one end,
 * handlers at the other, and between them the dispatcher with its checks. The test plays the system
 * call instruction, the capability table and the handlers.
 */
#include <base/syscall_table.h>
#include <base/test.h>
#include <kernel/cpu.h>
#include <kernel/thread.h>
#include <kernel/trap.h>
#include <rt/syscall.h>
#include <syscall_handlers.h>

static struct cpu cpu;
struct cpu *host_cpu = &cpu;
static struct thread thread;

static unsigned handled;           /* handlers that ran */
static enum status handler_status; /* what they answer */
static struct sys_place_args place_args;
static struct sys_copy_args copy_args;
static struct sys_exchange_args exchange_args;

/* Handles 16 and 17 name a memory object, 32 a port; each with these rights. */
static char objects[3];
static uint32_t rights_held;
static unsigned lookups;

static struct object *object_at(unsigned index)
{
    return (struct object *)(void *)&objects[index];
}

enum status syscall_lookup(uint64_t handle, enum object_type type, uint32_t rights,
                           struct object **object_out)
{
    enum object_type actual = handle >= 32 ? OBJECT_PORT : OBJECT_MEMORY;
    lookups++;
    if (type != OBJECT_ANY && type != actual)
        return ERR_ACCESS;
    if ((rights & ~rights_held) != 0)
        return ERR_ACCESS;
    *object_out = object_at((unsigned)(handle & 1) + (actual == OBJECT_PORT ? 2 : 0));
    return OK;
}

/* Nothing of this contract is made again. */
bool syscall_again(struct thread *current, enum status status)
{
    (void)current;
    (void)status;
    return false;
}

/* ---- The handlers ---- */

void sys_leave(void)
{
    handled++;
}

enum status sys_place(const struct sys_place_args *args, struct sys_place_ret *ret)
{
    handled++;
    place_args = *args;
    ret->placed_at = uaddr(0x5000);
    return handler_status;
}

enum status sys_copy(const struct sys_copy_args *args, struct sys_copy_ret *ret)
{
    handled++;
    copy_args = *args;
    ret->fresh = 77;
    return handler_status;
}

void sys_clock(struct sys_clock_ret *ret)
{
    handled++;
    ret->now_ns = 123456789012345;
}

enum status sys_exchange(const struct sys_exchange_args *args, struct sys_exchange_ret *ret)
{
    handled++;
    exchange_args = *args;
    ret->kind = SHAPE_MANY;
    return handler_status;
}

void sys_talk(struct thread *current)
{
    handled++;
    arch_frame_syscall_return(&current->frame, 99, 98);
}

/* ---- The instruction ---- */

enum status syscall_raw(uint64_t number, const uint64_t argument[6], uint64_t *value_out)
{
    thread.frame = (struct trap_frame){ .number = number, .status = 1000, .value = 1000 };
    for (unsigned i = 0; i < 6; i++)
        thread.frame.argument[i] = argument[i];
    trap_syscall(&thread);
    if (value_out != NULL)
        *value_out = thread.frame.value;
    return (enum status)thread.frame.status;
}

static void begin(void)
{
    handled = 0;
    lookups = 0;
    handler_status = OK;
    rights_held = RIGHTS_ALL;
}

/* ---- Everything arrives where it belongs ---- */

TEST(every_word_arrives)
{
    begin();
    uint64_t placed_at = 0;
    EXPECT_EQ(place(16, 32, 0x7000, 0x2000, SHAPE_SQUARE, ACCESS_EXECUTE, &placed_at), OK);
    EXPECT_EQ(placed_at, 0x5000);
    EXPECT_EQ(place_args.target, object_at(0));
    EXPECT_EQ(place_args.other, object_at(2));
    EXPECT_EQ(place_args.at.raw, 0x7000);
    EXPECT_EQ(place_args.length_bytes, 0x2000);
    EXPECT_EQ(place_args.shape, SHAPE_SQUARE);
    EXPECT_EQ(place_args.perm, ACCESS_EXECUTE);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(cpu.syscalls, 1);
}

TEST(every_narrow_word_arrives)
{
    begin();
    uint64_t fresh = 0;
    EXPECT_EQ(copy(UINT64_MAX, UINT32_MAX, true, RIGHT_ANY_INSPECT, OBJECT_PORT, 5, &fresh), OK);
    EXPECT_EQ(fresh, 77);
    EXPECT_EQ(copy_args.from, UINT64_MAX);
    EXPECT_EQ(copy_args.index, UINT32_MAX);
    EXPECT_EQ(copy_args.deep, true);
    EXPECT_EQ(copy_args.keep, RIGHT_ANY_INSPECT);
    EXPECT_EQ(copy_args.type, OBJECT_PORT);
    EXPECT_EQ(copy_args.label, 5);
    EXPECT_EQ(lookups, 0); /* a slot is the handler's own business */
}

TEST(buffers_arrive_as_addresses)
{
    begin();
    char bytes[2];
    enum shape kind = SHAPE_ROUND;
    EXPECT_EQ(exchange(1, &bytes[0], &bytes[1], 2, UINT64_MAX, &kind), OK);
    EXPECT_EQ(exchange_args.text.raw, &bytes[0]);
    EXPECT_EQ(exchange_args.reply.raw, &bytes[1]);
    EXPECT_EQ(exchange_args.size_bytes, 2);
    EXPECT_EQ(exchange_args.until_ns, UINT64_MAX);
    EXPECT_EQ(kind, SHAPE_MANY);
}

TEST(a_call_that_cannot_fail_has_a_result)
{
    begin();
    uint64_t now_ns = 0;
    clock(&now_ns);
    EXPECT_EQ(now_ns, 123456789012345);
    EXPECT_EQ(thread.frame.status, OK);
}

/* That handlers give none with an error is tested where they are (tests/calls/checks_test.c). */
TEST(the_caller_takes_a_result_only_with_ok)
{
    begin();
    handler_status = ERR_BUSY;
    uint64_t placed_at = 1;
    EXPECT_EQ(place(16, 16, 0, 0, SHAPE_ROUND, 0, &placed_at), ERR_BUSY);
    EXPECT_EQ(placed_at, 1);
    EXPECT_EQ(handled, 1);
}

TEST(a_call_on_the_frame_gets_it_untouched)
{
    begin();
    uint64_t value;
    EXPECT_EQ(syscall_raw(SYSCALL_talk, (uint64_t[6]){ 1 }, &value), 99);
    EXPECT_EQ(value, 98);
    EXPECT_EQ(lookups, 0);
}

/* ---- What the table says is refused ---- */

TEST(bad_words_never_reach_the_handler)
{
    static const struct {
        uint64_t number, word[6];
        enum status status;
    } cases[] = {
        { 1, { 16, 16, 0x1000, 0x1000, 2, 1 }, OK },
        { 1, { 16, 16, 0x1001, 0x1000, 2, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1800, 0x1000, 2, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1008, 2, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, 1, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, 63, 1 }, OK },
        { 1, { 16, 16, 0x1000, 0x1000, 64, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, UINT64_MAX, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, 0x100000002, 1 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, 2, 2 }, ERR_RANGE },
        { 1, { 16, 16, 0x1000, 0x1000, 2, 0x80000001 }, OK },
        { 1, { 16, 16, 0x1000, 0x1000, 2, 0x100000001 }, ERR_RANGE },
        { 2, { 0, UINT32_MAX, 1, 0x40000103, 1, 0 }, OK },
        { 2, { 0, BIT64(32), 1, 0, 1, 0 }, ERR_RANGE },
        { 2, { 0, 0, 2, 0, 1, 0 }, ERR_RANGE },
        { 2, { 0, 0, BIT64(32), 0, 1, 0 }, ERR_RANGE },
        { 2, { 0, 0, 0, 4, 1, 0 }, ERR_RANGE },
        { 2, { 0, 0, 0, BIT64(32), 1, 0 }, ERR_RANGE },
        { 2, { 0, 0, 0, 0, 0, 0 }, ERR_RANGE },
        { 2, { 0, 0, 0, 0, 3, 0 }, ERR_RANGE },
        { 2, { 0, 0, 0, 0, 0x100000001, 0 }, ERR_RANGE },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        uint64_t value;
        if (!EXPECT_EQ(syscall_raw(cases[i].number, cases[i].word, &value), cases[i].status))
            test_note("case %u", (unsigned)i);
        EXPECT_EQ(handled, cases[i].status == OK);
        EXPECT(cases[i].status == OK || (value == 0 && lookups == 0));
    }
}

TEST(handles_need_their_type_and_all_their_rights)
{
    uint64_t placed_at = 1;
    begin();
    EXPECT_EQ(place(32, 16, 0, 0, SHAPE_ROUND, 0, &placed_at), ERR_ACCESS); /* a port */
    rights_held = RIGHT_MEMORY_WRITE;
    EXPECT_EQ(place(16, 16, 0, 0, SHAPE_ROUND, 0, &placed_at), ERR_ACCESS);
    rights_held = RIGHT_ANY_GRANT;
    EXPECT_EQ(place(16, 16, 0, 0, SHAPE_ROUND, 0, &placed_at), ERR_ACCESS);
    EXPECT_EQ(handled, 0);
    EXPECT_EQ(placed_at, 1);
    rights_held = RIGHT_MEMORY_WRITE | RIGHT_ANY_GRANT;
    EXPECT_EQ(place(16, 32, 0, 0, SHAPE_ROUND, 0, &placed_at), OK);
}

TEST(unknown_numbers_are_refused)
{
    static const uint64_t none[6] = { 0 };
    static const uint64_t numbers[] = { 4, SYSCALL_COUNT, 40, BIT64(32), UINT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        begin();
        uint64_t value = 1;
        EXPECT_EQ(syscall_raw(numbers[i], none, &value), ERR_SYSCALL);
        EXPECT_EQ(value, 0);
        EXPECT_EQ(handled, 0);
    }
}

/* ---- The description ---- */

TEST(the_table_describes_each_call)
{
    EXPECT_EQ(syscall_table_count, 6);
    for (unsigned i = 1; i < syscall_table_count; i++)
        EXPECT(syscall_table[i - 1].number < syscall_table[i].number);
    const struct syscall_description *place_call = &syscall_table[1];
    EXPECT_STR(place_call->name, "place");
    EXPECT_EQ(place_call->in_count, 6);
    EXPECT_STR(place_call->in[0].name, "target");
    EXPECT_EQ(place_call->in[0].kind, SYSCALL_KIND_HANDLE);
    EXPECT_EQ(place_call->in[0].object, OBJECT_MEMORY);
    EXPECT_EQ(place_call->in[0].rights, RIGHT_MEMORY_WRITE | RIGHT_ANY_GRANT);
    EXPECT(place_call->in[2].page);
    EXPECT_EQ(place_call->in[4].mask, BIT64(0) | BIT64(2) | BIT64(63));
    EXPECT_EQ(place_call->out[0].kind, SYSCALL_KIND_VADDR);
    EXPECT(syscall_table[0].noreturn && syscall_table[5].registers);
}
