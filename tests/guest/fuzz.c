/* Threads of several processes that make any call with anything. What they get they put into their
 * process's pool, by type, where all threads take handles from; some come from another process's.
 */
#include "fuzz.h"
#include "maker.h"
#include <base/compiler.h>
#include <object_info.h>
#include <rt/syscall.h>

static_assert(OBJECT_TYPE_COUNT <= ARRAY_LEN(((struct test_guest_pool *)NULL)->handle), "types");

struct fuzzer {
    struct call_maker maker; /* first */
    uint64_t pool;
    uint64_t pool_count;
};

static struct test_guest_pool *pool_at(uint64_t index)
{
    return (struct test_guest_pool *)(uintptr_t)(TEST_GUEST_POOL_AT + index * 4096);
}

static uint64_t pick_handle(struct call_maker *maker, enum object_type type)
{
    const struct fuzzer *fuzzer = (const struct fuzzer *)maker;
    uint64_t from = maker_chance(maker, 16) ? maker_below(maker, fuzzer->pool_count) : fuzzer->pool;
    uint64_t handle = 0;

    for (unsigned tries = 0; handle == 0 && tries < 8; tries++) {
        uint64_t of = type != OBJECT_ANY ? type : maker_below(maker, OBJECT_TYPE_COUNT);
        /* A few much more often, so that threads meet at them. */
        uint64_t at = maker_below(maker, 1 + maker_below(maker, TEST_GUEST_POOL_HANDLES));
        handle = READ_ONCE(pool_at(from)->handle[of][at]);
    }
    return handle;
}

/* Whose handle that is, if it is one and lets itself be looked at. */
static void learn(struct fuzzer *fuzzer, uint64_t handle)
{
    struct object_info info = { .type = OBJECT_ANY };
    uint64_t value = 0;
    const uint64_t words[CALL_WORDS] = { handle, (uint64_t)(uintptr_t)&info,
                                         offsetof(struct object_info, badge) };

    if (syscall_raw(SYSCALL_object_info, words, &value) == ERR_NOT_FOUND ||
        info.type >= OBJECT_TYPE_COUNT)
        return;
    uint64_t at = maker_below(&fuzzer->maker, TEST_GUEST_POOL_HANDLES);
    WRITE_ONCE(pool_at(fuzzer->pool)->handle[info.type][at], handle);
}

/* Mostly: a stale handle is worth a try now and then. */
static void forget(struct fuzzer *fuzzer, uint64_t handle)
{
    uint64_t *known = &pool_at(fuzzer->pool)->handle[0][0];

    for (size_t i = 0; i < ARRAY_LEN(pool_at(0)->handle) * TEST_GUEST_POOL_HANDLES; i++) {
        if (handle != 0 && READ_ONCE(known[i]) == handle && !maker_chance(&fuzzer->maker, 4))
            WRITE_ONCE(known[i], 0);
    }
}

/* What takes things away is rarer, or there would be nothing. */
static bool wanted(struct call_maker *maker, const struct syscall_description *call)
{
    switch (call->number) {
    case SYSCALL_thread_exit:
        return maker_chance(maker, 64);
    case SYSCALL_handle_close:
    case SYSCALL_handle_revoke:
    case SYSCALL_object_destroy:
    case SYSCALL_thread_yield:
        return maker_chance(maker, 4);
    default:
        return true;
    }
}

static void one_call(struct fuzzer *fuzzer)
{
    struct call_maker *maker = &fuzzer->maker;
    struct test_guest_pool *pool = pool_at(fuzzer->pool);
    const struct syscall_description *call =
        &syscall_table[maker_below(maker, syscall_table_count)];
    uint64_t words[CALL_WORDS];
    uint64_t value = 0;

    if (!wanted(maker, call))
        return;
    maker->now_ns = READ_ONCE(pool->now_ns);
    maker_words(maker, call, words);
    enum status status = syscall_raw(call->number, words, &value);
    if (status == ERR_NOT_FOUND)
        forget(fuzzer, words[0]);
    if (status != OK)
        return;
    pool->calls[call->number]++;
    if (value != 0)
        learn(fuzzer, value);
}

void fuzz_run(struct test_guest_command *command)
{
    struct fuzzer fuzzer = {
        .maker = { .random = command->in[0],
                   .buffer_at = TEST_GUEST_BUFFER_AT,
                   .buffer_count = TEST_GUEST_BUFFERS,
                   .play_at = TEST_GUEST_PLAY_AT,
                   .play_pages = TEST_GUEST_PLAY_PAGES,
                   .handle = pick_handle },
        .pool = command->in[1],
        .pool_count = command->in[2],
    };

    while (READ_ONCE(command->stop) == 0) {
        one_call(&fuzzer);
        WRITE_ONCE(command->count, command->count + 1);
    }
}
