/* Threads of several processes that make any call with anything. What they get they put into their
 * process's pool, by type, where all threads take handles from; some come from another process's.
 *
 * One in four times a thread does something that makes sense and has several steps: calls alone,
 * with words that fit together by chance, seldom get into the interesting states.
 */
#include "fuzz.h"
#include "maker.h"
#include <base/compiler.h>
#include <object_info.h>
#include <rt/guest.h>
#include <rt/ipc.h>

static_assert(OBJECT_TYPE_COUNT <= ARRAY_LEN(((struct test_fuzz_pool *)NULL)->handle), "types");
static_assert(sizeof(struct test_fuzz_pool) <= 4096, "a page");

enum { PAGE = 4096, SERVED_MAX = 8 };

static void sandbox_set_ip(struct guest_registers *registers, uint64_t ip)
{
#if defined(__x86_64__)
    registers->rip = ip;
#else
    registers->pc = ip;
#endif
}

struct fuzzer {
    struct call_maker maker; /* first */
    uint64_t pool;
    uint64_t pool_count;
    uint64_t code_at;
    uint64_t code_bytes;
    struct guest_state *state;
};

static struct test_fuzz_pool *pool_at(uint64_t index)
{
    return (struct test_fuzz_pool *)(uintptr_t)(TEST_FUZZ_POOL_AT + index * PAGE);
}

static uint64_t pick_handle(struct call_maker *maker, enum object_type type)
{
    const struct fuzzer *fuzzer = (const struct fuzzer *)maker;
    uint64_t from = maker_chance(maker, 16) ? maker_below(maker, fuzzer->pool_count) : fuzzer->pool;
    uint64_t handle = 0;

    for (unsigned tries = 0; handle == 0 && tries < 8; tries++) {
        uint64_t of = type != OBJECT_ANY ? type : maker_below(maker, OBJECT_TYPE_COUNT);
        /* A few much more often, so that threads meet at them. */
        uint64_t at = maker_below(maker, 1 + maker_below(maker, TEST_FUZZ_HANDLES));
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
    uint64_t at = maker_below(&fuzzer->maker, TEST_FUZZ_HANDLES);
    WRITE_ONCE(pool_at(fuzzer->pool)->handle[info.type][at], handle);
}

/* Mostly: a stale handle is worth a try now and then. */
static void forget(struct fuzzer *fuzzer, uint64_t handle)
{
    uint64_t *known = &pool_at(fuzzer->pool)->handle[0][0];

    for (size_t i = 0; i < ARRAY_LEN(pool_at(0)->handle) * TEST_FUZZ_HANDLES; i++) {
        if (handle != 0 && READ_ONCE(known[i]) == handle && !maker_chance(&fuzzer->maker, 4))
            WRITE_ONCE(known[i], 0);
    }
}

static bool count(const struct fuzzer *fuzzer, unsigned number, enum status status)
{
    struct test_fuzz_pool *pool = pool_at(fuzzer->pool);

    pool->tried[number]++;
    if (status == OK)
        pool->ok[number]++;
    return status == OK;
}

/* A call with words that are given. */
static bool call(struct fuzzer *fuzzer, unsigned number, const uint64_t words[CALL_WORDS],
                 uint64_t *value_out)
{
    enum status status = syscall_raw(number, words, value_out);

    if (status == ERR_NOT_FOUND)
        forget(fuzzer, words[0]);
    return count(fuzzer, number, status);
}

/* ---- Things that make sense ---- */

static uint64_t soon(struct fuzzer *fuzzer)
{
    return READ_ONCE(pool_at(fuzzer->pool)->now_ns) +
           maker_below(&fuzzer->maker, (uint64_t)20 * 1000 * 1000);
}

static struct ipc_message make_message(struct fuzzer *fuzzer)
{
    struct call_maker *maker = &fuzzer->maker;
    unsigned words = (unsigned)maker_below(maker, IPC_WORDS + 1);
    unsigned given = maker_chance(maker, 2) ? 0 : (unsigned)maker_below(maker, MIN(words, 3) + 1);
    unsigned moved = maker_chance(maker, 4) ? (unsigned)maker_below(maker, 1u << given) : 0;
    struct ipc_message message = { .info = ipc_info_with(7, words, given, moved) };

    message.info = ipc_info_accept(message.info, maker_chance(maker, 8) ? 1 : IPC_CAPABILITIES);
    for (unsigned i = words - given; i < words; i++)
        message.word[i] = pick_handle(maker, OBJECT_ANY);
    return message;
}

static void learn_message(struct fuzzer *fuzzer, const struct ipc_message *message)
{
    unsigned words = ipc_info_words(message->info);

    for (unsigned i = words - ipc_info_capabilities(message->info); i < words; i++)
        learn(fuzzer, message->word[i]);
}

static void serve(struct fuzzer *fuzzer)
{
    uint64_t endpoint = pick_handle(&fuzzer->maker, OBJECT_ENDPOINT);
    uint64_t reply = pick_handle(&fuzzer->maker, OBJECT_REPLY);
    uint64_t left = maker_below(&fuzzer->maker, SERVED_MAX);
    struct ipc_message message = make_message(fuzzer);
    bool good =
        count(fuzzer, SYSCALL_ipc_receive, ipc_receive(endpoint, reply, &message, soon(fuzzer)));

    while (good && left-- > 0) {
        learn_message(fuzzer, &message);
        message = make_message(fuzzer);
        good = count(fuzzer, SYSCALL_ipc_reply_receive,
                     ipc_reply_receive(endpoint, reply, &message, soon(fuzzer)));
    }
    /* Or somebody else answers, or nobody does. */
    message = make_message(fuzzer);
    if (maker_chance(&fuzzer->maker, 2))
        (void)count(fuzzer, SYSCALL_ipc_send, ipc_send(reply, &message, 0));
}

static void ask(struct fuzzer *fuzzer)
{
    uint64_t endpoint = pick_handle(&fuzzer->maker, OBJECT_ENDPOINT);
    struct ipc_message message = make_message(fuzzer);

    if (maker_chance(&fuzzer->maker, 4)) {
        (void)count(fuzzer, SYSCALL_ipc_send, ipc_send(endpoint, &message, soon(fuzzer)));
        return;
    }
    if (count(fuzzer, SYSCALL_ipc_call, ipc_call(endpoint, &message, soon(fuzzer))))
        learn_message(fuzzer, &message);
}

static void make_memory(struct fuzzer *fuzzer)
{
    struct call_maker *maker = &fuzzer->maker;
    uint64_t pages = (1 + maker_below(maker, 64)) * PAGE;
    uint64_t memory = 0;
    uint64_t none;

    if (!call(fuzzer, SYSCALL_memory_create,
              (uint64_t[CALL_WORDS]){ pick_handle(maker, OBJECT_BUDGET), pages,
                                      maker_chance(maker, 8), PAGE, UINT64_MAX },
              &memory))
        return;
    learn(fuzzer, memory);
    (void)call(fuzzer, SYSCALL_memory_range, (uint64_t[CALL_WORDS]){ memory, 0, 0, pages / 2 },
               &none);
}

/* Some pages, somewhere in the range that is for it, and soon gone again. */
static void map_and_unmap(struct fuzzer *fuzzer)
{
    struct call_maker *maker = &fuzzer->maker;
    uint64_t space = pick_handle(maker, maker_chance(maker, 2) ? OBJECT_PROCESS : OBJECT_GUEST);
    uint64_t memory = pick_handle(maker, OBJECT_MEMORY);
    uint64_t at = TEST_FUZZ_PLAY_AT + maker_below(maker, TEST_FUZZ_PLAY_PAGES) * PAGE;
    uint64_t pages = (1 + maker_below(maker, 4)) * PAGE;
    uint64_t access = maker_chance(maker, 4) ? 1 : 3;
    uint64_t none;

    access |= maker_below(maker, 4) << 3;
    if (maker_chance(maker, 2))
        (void)call(fuzzer, SYSCALL_unmap, (uint64_t[CALL_WORDS]){ space, at, pages }, &none);
    if (!call(fuzzer, SYSCALL_map, (uint64_t[CALL_WORDS]){ space, memory, at, 0, pages, access },
              &none))
        return;
    if (maker_chance(maker, 2))
        (void)call(fuzzer, SYSCALL_protect, (uint64_t[CALL_WORDS]){ space, at, pages, 1 }, &none);
    if (maker_chance(maker, 2))
        (void)call(fuzzer, SYSCALL_unmap, (uint64_t[CALL_WORDS]){ space, at, PAGE }, &none);
}

/* Mostly into its code, with addresses that are mapped, or were. */
static void run_guest(struct fuzzer *fuzzer)
{
    struct call_maker *maker = &fuzzer->maker;
    uint64_t guest = pick_handle(maker, OBJECT_GUEST);
    uint64_t *words = (uint64_t *)&fuzzer->state->registers;
    uint64_t reason;

    for (size_t i = 0; i < sizeof(fuzzer->state->registers) / sizeof(*words); i++)
        words[i] = maker_chance(maker, 4)
                       ? TEST_FUZZ_PLAY_AT + maker_below(maker, TEST_FUZZ_PLAY_PAGES) * PAGE
                       : maker_below(maker, 512);
    if (!maker_chance(maker, 16))
        sandbox_set_ip(&fuzzer->state->registers,
                       fuzzer->code_at + maker_below(maker, fuzzer->code_bytes / 16) * 16);
    fuzzer->state->reply_set[0] = maker_below(maker, 4);
    (void)count(fuzzer, SYSCALL_guest_enter, guest_enter(guest, 0, 0, &reason));
}

static void copy_guest(struct fuzzer *fuzzer)
{
    uint64_t process = pick_handle(&fuzzer->maker, OBJECT_PROCESS);
    uint64_t budget = pick_handle(&fuzzer->maker, OBJECT_BUDGET);
    uint64_t source = pick_handle(&fuzzer->maker, OBJECT_GUEST);
    uint64_t guest = 0;

    if (!call(fuzzer, SYSCALL_guest_create,
              (uint64_t[CALL_WORDS]){ process, budget, 0, maker_below(&fuzzer->maker, 2) }, &guest))
        return;
    learn(fuzzer, guest);
    if (maker_chance(&fuzzer->maker, 4))
        return;
    (void)call(fuzzer, SYSCALL_guest_create,
               (uint64_t[CALL_WORDS]){ process, budget, source, 0, guest }, &guest);
}

static void (*const habits[])(struct fuzzer *fuzzer) = {
    serve,         serve,         ask,       ask,       make_memory,
    map_and_unmap, map_and_unmap, run_guest, run_guest, copy_guest,
};

/* ---- Anything ---- */

/* What takes things away is rarer, or there would be nothing. */
static bool wanted(struct call_maker *maker, const struct syscall_description *it)
{
    switch (it->number) {
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
    const struct syscall_description *it = &syscall_table[maker_below(maker, syscall_table_count)];
    uint64_t words[CALL_WORDS];
    uint64_t value = 0;

    if (!wanted(maker, it))
        return;
    maker->now_ns = READ_ONCE(pool_at(fuzzer->pool)->now_ns);
    maker_words(maker, it, words);
    if (call(fuzzer, it->number, words, &value) && value != 0)
        learn(fuzzer, value);
}

void fuzz_run(struct test_guest_command *command, struct guest_state *state)
{
    struct fuzzer fuzzer = {
        .maker = { .random = command->in[0],
                   .buffer_at = TEST_FUZZ_BUFFER_AT,
                   .buffer_count = TEST_FUZZ_BUFFERS,
                   .play_at = TEST_FUZZ_PLAY_AT,
                   .play_pages = TEST_FUZZ_PLAY_PAGES,
                   .handle = pick_handle },
        .pool = command->in[1],
        .pool_count = command->in[2],
        .code_at = command->in[3],
        .code_bytes = command->in[4],
        .state = state,
    };

    while (READ_ONCE(command->stop) == 0) {
        if (maker_chance(&fuzzer.maker, 4))
            habits[maker_below(&fuzzer.maker, ARRAY_LEN(habits))](&fuzzer);
        else
            one_call(&fuzzer);
        WRITE_ONCE(command->count, command->count + 1);
    }
}
