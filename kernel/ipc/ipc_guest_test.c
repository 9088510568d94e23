/* Messages and signals between user threads. */
#include <ipc.h>
#include <kernel/coroutine.h>
#include <kernel/endpoint.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/sched.h>
#include <kernel/share.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

#define NS_PER_SECOND ((uint64_t)1000 * 1000 * 1000)

enum { CLIENT, SERVER, OTHER };

/* One process, or a second one beside it. */
struct pair {
    struct user_fixture client;
    struct user_fixture server;
    struct object *endpoint;
    struct object *reply;
    uint64_t send, receive, answer; /* handles */
};

static uint64_t give(struct user_fixture *f, struct object *object, uint32_t rights, uint64_t badge)
{
    uint64_t handle = HANDLE_NONE;
    uint64_t copy = HANDLE_NONE;
    struct capability_mint mint = { .rights = rights, .badge = badge };
    uint32_t all = object_type_rights(object->type);

    EXPECT_EQ(cspace_create(&f->process->cspace, object, all, &handle), OK);
    EXPECT_EQ(cspace_copy(&f->process->cspace, handle, &mint, &f->process->cspace, &copy), OK);
    return copy;
}

static bool pair_init(struct pair *pair)
{
    *pair = (struct pair){ .send = HANDLE_NONE };
    if (!user_fixture_init(&pair->client))
        return false;
    if (!user_fixture_init(&pair->server) ||
        endpoint_create(pair->server.budget, &pair->endpoint) != OK ||
        reply_create(pair->server.budget, &pair->reply) != OK) {
        test_fail(__FILE__, __LINE__, "no memory for the pair");
        return false;
    }
    pair->send = give(&pair->client, pair->endpoint, RIGHT_ENDPOINT_SEND | RIGHT_ANY_GRANT, 7);
    pair->receive = give(&pair->server, pair->endpoint, RIGHT_ENDPOINT_RECEIVE, 0);
    pair->answer = give(&pair->server, pair->reply, RIGHT_ANY_GRANT, 0);
    return true;
}

static void pair_destroy(struct pair *pair)
{
    if (pair->endpoint != NULL)
        object_put(pair->endpoint);
    if (pair->reply != NULL)
        object_put(pair->reply);
    user_fixture_destroy(&pair->client);
    user_fixture_destroy(&pair->server);
}

static struct test_guest_command *prepare(struct user_fixture *f, unsigned index,
                                          enum test_guest_function function, uint64_t handle,
                                          uint64_t reply)
{
    if (!user_prepare(f, index, function))
        return NULL;
    struct test_guest_command *command = &f->command[index];
    command->in[1] = handle;
    command->in[2] = reply;
    command->in[3] = DEADLINE_NEVER;
    return command;
}

static void start_server(struct pair *pair)
{
    if (prepare(&pair->server, SERVER, GUEST_SERVER, pair->receive, pair->answer) != NULL)
        user_start(&pair->server, SERVER);
}

static void calls(struct pair *pair, unsigned words, uint64_t times)
{
    struct test_guest_command *client = prepare(&pair->client, CLIENT, GUEST_CLIENT, pair->send, 0);
    if (client == NULL)
        return;
    client->in[4] = words;
    client->in[5] = times;
    user_start(&pair->client, CLIENT);
    (void)user_wait_dead(&pair->client, CLIENT);
    EXPECT_EQ(client->count, times);
    EXPECT_EQ(client->out[0], OK);
    EXPECT_EQ(client->out[1], 0);
    EXPECT_EQ(client->out[2], 0);
}

GUEST_TEST(calls_are_answered_with_every_number_of_words)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    start_server(&pair);
    for (unsigned words = 0; words <= IPC_WORDS; words++)
        calls(&pair, words, 20);
    EXPECT_EQ(user_count(&pair.server, SERVER), 20 * (IPC_WORDS + 1));
    EXPECT_EQ(pair.server.command[SERVER].out[1], 7 * 20 * (IPC_WORDS + 1));
    pair_destroy(&pair);
}

GUEST_TEST(calls_go_between_cpus)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
        start_server(&pair);
        user_pin(&pair.server, SERVER, cpu);
        calls(&pair, 3, 50);
        thread_kill(pair.server.thread[SERVER]);
        (void)user_wait_dead(&pair.server, SERVER);
    }
    pair_destroy(&pair);
}

/* ---- One thing at a time ---- */

/* Start one IPC call of a thread and let it come to rest or end. */
static struct test_guest_command *begin(struct user_fixture *f, unsigned index, uint64_t number,
                                        uint64_t handle, uint64_t reply, uint64_t info)
{
    struct test_guest_command *command = prepare(f, index, GUEST_IPC, handle, reply);
    if (command == NULL)
        return NULL;
    command->in[0] = number;
    command->message.info = info;
    return command;
}

static bool is_blocked(void *thread)
{
    return READ_ONCE(((struct thread *)thread)->state) == THREAD_BLOCKED;
}

static bool waits(struct user_fixture *f, unsigned index)
{
    user_start(f, index);
    enum status status =
        coroutine_wait(is_blocked, f->thread[index], clock_now_ns() + 10 * NS_PER_SECOND);
    EXPECT_EQ(status, OK);
    return status == OK;
}

static enum status result(struct user_fixture *f, unsigned index)
{
    (void)user_wait_dead(f, index);
    return (enum status)f->command[index].out[0];
}

static enum status at_once(struct user_fixture *f, unsigned index)
{
    user_start(f, index);
    return result(f, index);
}

GUEST_TEST(deadlines_end_every_wait)
{
    static const uint64_t number[] = { SYSCALL_ipc_call, SYSCALL_ipc_send, SYSCALL_ipc_receive,
                                       SYSCALL_ipc_reply_receive };
    struct pair pair;
    if (!pair_init(&pair))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(number); i++) {
        bool sends = i < 2;
        struct user_fixture *f = sends ? &pair.client : &pair.server;
        for (unsigned later = 0; later < 2; later++) {
            uint64_t deadline_ns = later == 0 ? 0 : clock_now_ns() + 20ull * 1000 * 1000;
            struct test_guest_command *command =
                begin(f, OTHER, number[i], sends ? pair.send : pair.receive, pair.answer, 0);
            if (command == NULL)
                break;
            command->in[3] = deadline_ns;
            EXPECT_EQ(at_once(f, OTHER), ERR_TIMED_OUT);
            EXPECT(clock_now_ns() >= deadline_ns);
        }
    }
    pair_destroy(&pair);
}

/* A call that was received, and whose server does not answer. */
static bool call_in_flight(struct pair *pair)
{
    return begin(&pair->server, SERVER, SYSCALL_ipc_receive, pair->receive, pair->answer, 0) &&
           waits(&pair->server, SERVER) &&
           begin(&pair->client, CLIENT, SYSCALL_ipc_call, pair->send, 0, ipc_info(5, 1)) &&
           waits(&pair->client, CLIENT) && result(&pair->server, SERVER) == OK;
}

GUEST_TEST(a_reply_is_stored_moved_and_used_once)
{
    struct pair pair;
    uint64_t moved = HANDLE_NONE;
    if (!pair_init(&pair) || !call_in_flight(&pair))
        return;
    const struct ipc_message *got = &pair.server.command[SERVER].message;
    EXPECT_EQ(got->info, ipc_info(5, 1) | IPC_INFO_CALL);
    EXPECT_EQ(got->badge, 7);
    /* In use, so not for another receive. */
    (void)begin(&pair.server, OTHER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
    EXPECT_EQ(at_once(&pair.server, OTHER), ERR_BUSY);
    /* Another process answers. */
    EXPECT_EQ(cspace_move(&pair.server.process->cspace, pair.answer, &pair.client.process->cspace,
                          &moved),
              OK);
    (void)begin(&pair.client, OTHER, SYSCALL_ipc_send, moved, 0, ipc_info(9, 0));
    EXPECT_EQ(at_once(&pair.client, OTHER), OK);
    EXPECT_EQ(result(&pair.client, CLIENT), OK);
    EXPECT_EQ(pair.client.command[CLIENT].message.info, ipc_info(9, 0));
    (void)begin(&pair.client, OTHER, SYSCALL_ipc_send, moved, 0, ipc_info(9, 0));
    EXPECT_EQ(at_once(&pair.client, OTHER), ERR_STATE);
    pair_destroy(&pair);
}

static void close_it(struct user_fixture *f, uint64_t handle)
{
    struct work work = { .left = UINT32_MAX };
    EXPECT_EQ(cspace_close(&f->process->cspace, handle, &work), OK);
}

GUEST_TEST(a_caller_hears_at_once_that_nobody_will_answer)
{
    struct pair pair;
    if (!pair_init(&pair) || !call_in_flight(&pair))
        return;
    /* The last capabilities to the Reply. */
    struct work work = { .left = UINT32_MAX };
    EXPECT_EQ(object_end(pair.reply, &work), OK);
    EXPECT_EQ(result(&pair.client, CLIENT), ERR_DEAD);
    (void)begin(&pair.server, OTHER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
    EXPECT_EQ(at_once(&pair.server, OTHER), ERR_NOT_FOUND);
    pair_destroy(&pair);
}

GUEST_TEST(a_process_that_dies_takes_no_caller_along)
{
    struct pair pair;
    if (!pair_init(&pair) || !call_in_flight(&pair))
        return;
    object_put(pair.reply);
    pair.reply = NULL;
    object_put(pair.endpoint);
    pair.endpoint = NULL;
    user_fixture_destroy(&pair.server);
    EXPECT_EQ(result(&pair.client, CLIENT), ERR_DEAD);
    user_fixture_destroy(&pair.client);
}

GUEST_TEST(closing_a_capability_ends_what_waits_through_it)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    (void)begin(&pair.client, CLIENT, SYSCALL_ipc_send, pair.send, 0, 0);
    if (waits(&pair.client, CLIENT)) {
        close_it(&pair.client, pair.send);
        EXPECT_EQ(result(&pair.client, CLIENT), ERR_CANCELLED);
    }
    (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
    if (waits(&pair.server, SERVER)) {
        close_it(&pair.server, pair.receive);
        EXPECT_EQ(result(&pair.server, SERVER), ERR_CANCELLED);
    }
    pair_destroy(&pair);
}

GUEST_TEST(revoking_a_capability_ends_the_call_in_flight)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    uint64_t root = user_give(&pair.client, pair.endpoint, object_type_rights(OBJECT_ENDPOINT));
    struct cspace *table = &pair.client.process->cspace;
    EXPECT_EQ(cspace_copy(table, root, NULL, table, &pair.send), OK);
    if (call_in_flight(&pair)) {
        struct work work = { .left = UINT32_MAX };
        EXPECT_EQ(cspace_revoke(table, root, &work), OK);
        EXPECT_EQ(result(&pair.client, CLIENT), ERR_CANCELLED);
        (void)begin(&pair.server, OTHER, SYSCALL_ipc_send, pair.answer, 0, 0);
        EXPECT_EQ(at_once(&pair.server, OTHER), ERR_STATE);
    }
    pair_destroy(&pair);
}

GUEST_TEST(an_endpoint_that_ends_lets_everybody_go)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    (void)begin(&pair.client, CLIENT, SYSCALL_ipc_call, pair.send, 0, 0);
    if (waits(&pair.client, CLIENT)) {
        struct work work = { .left = UINT32_MAX };
        EXPECT_EQ(object_end(pair.endpoint, &work), OK);
        EXPECT_EQ(result(&pair.client, CLIENT), ERR_DEAD);
    }
    pair_destroy(&pair);
}

GUEST_TEST(killed_threads_leave_their_queues)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    (void)begin(&pair.client, CLIENT, SYSCALL_ipc_call, pair.send, 0, 0);
    if (waits(&pair.client, CLIENT)) {
        thread_kill(pair.client.thread[CLIENT]);
        (void)user_wait_dead(&pair.client, CLIENT);
    }
    (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
    if (waits(&pair.server, SERVER)) {
        thread_kill(pair.server.thread[SERVER]);
        (void)user_wait_dead(&pair.server, SERVER);
    }
    EXPECT(((struct reply *)(void *)object_as_reply(pair.reply))->thread == NULL);
    start_server(&pair);
    calls(&pair, 2, 5);
    pair_destroy(&pair);
}

GUEST_TEST(calls_are_received_by_priority)
{
    static const unsigned priority[] = { 10, 30, 20, 30 };
    static const uint64_t expected[] = { 1, 3, 2, 0 };
    struct pair pair;
    if (!pair_init(&pair))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(priority); i++) {
        struct test_guest_command *command =
            begin(&pair.client, i, SYSCALL_ipc_send, pair.send, 0, ipc_info(i, 0));
        if (command == NULL)
            break;
        EXPECT_EQ(sched_set_priority(pair.client.thread[i], priority[i]), OK);
        (void)waits(&pair.client, i);
    }
    for (unsigned i = 0; i < ARRAY_LEN(priority); i++) {
        (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
        EXPECT_EQ(at_once(&pair.server, SERVER), OK);
        EXPECT_EQ(pair.server.command[SERVER].message.info, ipc_info((uint32_t)expected[i], 0));
    }
    pair_destroy(&pair);
}

GUEST_TEST(a_server_runs_with_the_priority_of_its_caller)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
    if (waits(&pair.server, SERVER)) {
        (void)begin(&pair.client, CLIENT, SYSCALL_ipc_call, pair.send, 0, 0);
        EXPECT_EQ(sched_set_priority(pair.client.thread[CLIENT], 50), OK);
        (void)waits(&pair.client, CLIENT);
        (void)user_wait_dead(&pair.server, SERVER);
        EXPECT_EQ(pair.server.thread[SERVER]->priority, 50);
    }
    pair_destroy(&pair);
}

/* ---- What does not suit the short way ---- */

GUEST_TEST(calls_with_a_deadline_are_answered)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    start_server(&pair);
    for (unsigned i = 0; i < 2; i++) {
        struct test_guest_command *client =
            prepare(&pair.client, CLIENT, GUEST_CLIENT, pair.send, 0);
        if (client == NULL)
            break;
        client->in[3] = i == 0 ? clock_now_ns() + 30 * NS_PER_SECOND : DEADLINE_NEVER;
        client->in[4] = 8;
        client->in[5] = 50;
        user_start(&pair.client, CLIENT);
        (void)user_wait_dead(&pair.client, CLIENT);
        EXPECT_EQ(client->count, 50);
        EXPECT_EQ(client->out[0], OK);
    }
    pair_destroy(&pair);
}

/* The server gives back what it was lent, or it would starve its caller's peers. */
GUEST_TEST(a_server_that_answers_has_its_own_priority_again)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    start_server(&pair);
    user_pin(&pair.server, SERVER, 0);
    struct test_guest_command *client = prepare(&pair.client, CLIENT, GUEST_CLIENT, pair.send, 0);
    if (client != NULL) {
        client->in[5] = 50;
        user_pin(&pair.client, CLIENT, 0);
        EXPECT_EQ(sched_set_priority(pair.client.thread[CLIENT], 50), OK);
        user_start(&pair.client, CLIENT);
        (void)user_wait_dead(&pair.client, CLIENT);
        EXPECT_EQ(client->count, 50);
        EXPECT_EQ(pair.server.thread[SERVER]->priority, PRIORITY_DEFAULT);
    }
    pair_destroy(&pair);
}

GUEST_TEST(a_caller_that_gave_up_lends_nothing_any_more)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    struct test_guest_command *server =
        prepare(&pair.server, SERVER, GUEST_SERVER, pair.receive, pair.answer);
    struct test_guest_command *client =
        begin(&pair.client, CLIENT, SYSCALL_ipc_call, pair.send, 0, 0);
    if (server != NULL && client != NULL) {
        uint64_t now_ns = clock_now_ns();
        client->in[3] = now_ns + NS_PER_SECOND / 20;
        server->in[4] = now_ns + NS_PER_SECOND / 5;
        EXPECT_EQ(sched_set_priority(pair.client.thread[CLIENT], 50), OK);
        (void)waits(&pair.server, SERVER);
        EXPECT_EQ(at_once(&pair.client, CLIENT), ERR_TIMED_OUT);
        EXPECT_EQ(pair.server.thread[SERVER]->priority, 50);
        user_let_run_ns(NS_PER_SECOND / 2); /* it finds nobody to answer, and receives */
        EXPECT_EQ(pair.server.thread[SERVER]->priority, PRIORITY_DEFAULT);
    }
    pair_destroy(&pair);
}

GUEST_TEST(calls_are_answered_while_quotas_count)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    start_server(&pair);
    calls(&pair, 2, 20);
    EXPECT_EQ(share_set_quota(pair.client.budget, 50ull * 1000 * 1000, 100ull * 1000 * 1000), OK);
    calls(&pair, 2, 20);
    EXPECT_EQ(share_set_quota(pair.client.budget, SHARE_UNLIMITED, 0), OK);
    calls(&pair, 2, 20);
    pair_destroy(&pair);
}

/* What a thread remembers of its handles ends with the handle. */
GUEST_TEST(a_handle_that_was_used_before_is_closed)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    start_server(&pair);
    struct test_guest_command *client = prepare(&pair.client, CLIENT, GUEST_CLIENT, pair.send, 0);
    if (client != NULL) {
        user_start(&pair.client, CLIENT);
        (void)user_wait_count(&pair.client, CLIENT, 100);
        close_it(&pair.client, pair.send);
        (void)user_wait_count(&pair.client, CLIENT, user_count(&pair.client, CLIENT) + 10);
        client->stop = 1;
        EXPECT_EQ(result(&pair.client, CLIENT), ERR_NOT_FOUND);
        EXPECT(client->out[2] >= 9);
    }
    pair_destroy(&pair);
}

GUEST_TEST(callers_and_servers_die_at_any_moment)
{
    enum { ROUNDS = 48 };
    struct pair pair;
    if (!pair_init(&pair))
        return;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t cpu = i % cpu_count;
        start_server(&pair);
        user_pin(&pair.server, SERVER, cpu);
        for (unsigned index = CLIENT; index <= OTHER; index += OTHER - CLIENT) {
            struct test_guest_command *client =
                prepare(&pair.client, index, GUEST_CLIENT, pair.send, 0);
            if (client == NULL)
                break;
            client->in[4] = i % (IPC_WORDS + 1);
            client->in[5] = UINT64_MAX;
            user_pin(&pair.client, index, index == OTHER ? (cpu + i / 8) % cpu_count : cpu);
            user_start(&pair.client, index);
        }
        (void)user_wait_count(&pair.client, CLIENT, 1 + i * 7 % 64);
        struct thread *const all[] = { pair.server.thread[SERVER], pair.client.thread[CLIENT],
                                       pair.client.thread[OTHER] };
        for (unsigned k = 0; k < ARRAY_LEN(all); k++)
            thread_kill(all[(k + i) % ARRAY_LEN(all)]);
        (void)user_wait_dead(&pair.server, SERVER);
        (void)user_wait_dead(&pair.client, CLIENT);
        (void)user_wait_dead(&pair.client, OTHER);
        EXPECT(object_as_reply(pair.reply)->thread == NULL);
    }
    start_server(&pair);
    calls(&pair, 8, 5);
    pair_destroy(&pair);
}

/* ---- Capabilities in messages ---- */

GUEST_TEST(capabilities_go_along_or_nothing_does)
{
    struct pair pair;
    if (!pair_init(&pair))
        return;
    uint64_t other = user_give(&pair.client, pair.reply, RIGHT_ANY_GRANT);
    uint64_t kept = user_give(&pair.client, pair.reply, RIGHT_ANY_INSPECT);
    uint64_t used = pair.server.process->cspace.used_count;
    /* What the receiver does not accept, what may not be granted, what is not there. */
    static const struct {
        unsigned accepts;
        enum status status;
    } refused[] = { { 1, ERR_LIMIT }, { 4, ERR_ACCESS }, { 4, ERR_NOT_FOUND } };
    for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
        struct test_guest_command *client =
            begin(&pair.client, CLIENT, SYSCALL_ipc_send, pair.send, 0, ipc_info_with(1, 3, 2, 1));
        client->message.word[1] = other;
        client->message.word[2] = i == 1 ? kept : i == 2 ? 12345 : pair.send;
        (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer,
                    ipc_info_accept(0, refused[i].accepts));
        if (waits(&pair.server, SERVER))
            EXPECT_EQ(at_once(&pair.client, CLIENT), refused[i].status);
        EXPECT_EQ(pair.server.process->cspace.used_count, used);
        thread_kill(pair.server.thread[SERVER]);
        (void)user_wait_dead(&pair.server, SERVER);
    }
    /* And both orders of arrival, one moved and one copied. The move back kept it usable. */
    struct capability_ref ref = { .object = NULL };
    uint64_t count = 0;
    struct handle_info info[16];
    uint32_t cursor = 0;
    do
        count += cspace_inspect(&pair.client.process->cspace, &cursor, info, ARRAY_LEN(info));
    while (cursor != 0);
    EXPECT_EQ(count, pair.client.process->cspace.used_count);
    uint64_t fresh = user_give(&pair.client, pair.reply, RIGHT_ANY_GRANT);
    struct test_guest_command *client =
        begin(&pair.client, CLIENT, SYSCALL_ipc_send, pair.send, 0, ipc_info_with(1, 3, 2, 1));
    client->message.word[0] = 77;
    client->message.word[1] = fresh;
    client->message.word[2] = pair.send;
    if (waits(&pair.client, CLIENT)) {
        (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer,
                    ipc_info_accept(0, 4));
        EXPECT_EQ(at_once(&pair.server, SERVER), OK);
        EXPECT_EQ(result(&pair.client, CLIENT), OK);
        const struct ipc_message *got = &pair.server.command[SERVER].message;
        struct cspace *table = &pair.server.process->cspace;
        EXPECT_EQ(got->word[0], 77);
        EXPECT_EQ(ipc_info_capabilities(got->info), 2);
        EXPECT_EQ(cspace_borrow(table, got->word[1], OBJECT_REPLY, RIGHT_ANY_GRANT, &ref), OK);
        EXPECT_EQ(cspace_borrow(table, got->word[2], OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND, &ref),
                  OK);
        EXPECT_EQ(ref.badge, 7);
        EXPECT_EQ(cspace_borrow(&pair.client.process->cspace, fresh, OBJECT_REPLY, 0, &ref),
                  ERR_NOT_FOUND);
    }
    pair_destroy(&pair);
}

GUEST_TEST(info_that_contradicts_itself_is_refused)
{
    static const uint64_t bad[] = {
        UINT64_C(9) << IPC_INFO_WORDS,
        UINT64_C(1) << IPC_INFO_CAPABILITIES,
        UINT64_C(8) << IPC_INFO_WORDS | UINT64_C(5) << IPC_INFO_CAPABILITIES,
        UINT64_C(8) << IPC_INFO_WORDS | UINT64_C(1) << IPC_INFO_MOVE,
        IPC_INFO_CALL,
        IPC_INFO_SIGNAL,
        UINT64_C(1) << 63,
    };
    struct pair pair;
    if (!pair_init(&pair))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        (void)begin(&pair.client, CLIENT, SYSCALL_ipc_call, pair.send, 0, bad[i]);
        EXPECT_EQ(at_once(&pair.client, CLIENT), ERR_INVALID);
    }
    (void)begin(&pair.client, CLIENT, SYSCALL_ipc_receive, pair.send, pair.answer, 0);
    EXPECT_EQ(at_once(&pair.client, CLIENT), ERR_ACCESS);
    (void)begin(&pair.server, CLIENT, SYSCALL_ipc_call, pair.receive, 0, 0);
    EXPECT_EQ(at_once(&pair.server, CLIENT), ERR_ACCESS);
    (void)begin(&pair.server, CLIENT, SYSCALL_ipc_send, pair.receive, 0, 0);
    EXPECT_EQ(at_once(&pair.server, CLIENT), ERR_ACCESS);
    pair_destroy(&pair);
}

/* ---- Notifications ---- */

struct bell {
    struct user_fixture f;
    struct object *notification;
    uint64_t all, limited; /* handles: limited to bits 0xf0 */
};

static bool bell_init(struct bell *bell)
{
    if (!user_fixture_init(&bell->f))
        return false;
    if (notification_create(bell->f.budget, &bell->notification) != OK)
        return false;
    bell->all = user_give(&bell->f, bell->notification, object_type_rights(OBJECT_NOTIFICATION));
    bell->limited = give(&bell->f, bell->notification, RIGHT_NOTIFICATION_SIGNAL, 0xf0);
    return true;
}

static void bell_destroy(struct bell *bell)
{
    object_put(bell->notification);
    user_fixture_destroy(&bell->f);
}

static enum status wait_for(struct bell *bell, uint64_t mask, uint64_t deadline_ns,
                            uint64_t *bits_out)
{
    return user_call(&bell->f, SYSCALL_notification_wait, bits_out, bell->all, mask, deadline_ns);
}

GUEST_TEST(bits_stick_until_somebody_takes_them)
{
    struct bell bell;
    uint64_t bits = 0;
    if (!bell_init(&bell))
        return;
    EXPECT_EQ(user_call(&bell.f, SYSCALL_notification_signal, NULL, bell.all, 3), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_notification_signal, NULL, bell.all, 6), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_notification_signal, NULL, bell.limited, 8), ERR_ACCESS);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_notification_signal, NULL, bell.limited, 0x10), OK);
    EXPECT_EQ(wait_for(&bell, 5, 0, &bits), OK);
    EXPECT_EQ(bits, 5);
    EXPECT_EQ(wait_for(&bell, 5, 0, &bits), ERR_TIMED_OUT);
    EXPECT_EQ(wait_for(&bell, UINT64_MAX, 0, &bits), OK);
    EXPECT_EQ(bits, 0x12);
    EXPECT_EQ(wait_for(&bell, 0, 0, &bits), ERR_RANGE);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_notification_wait, NULL, bell.limited, 1), ERR_ACCESS);
    bell_destroy(&bell);
}

GUEST_TEST(a_timer_signals_once_and_is_set_anew)
{
    struct bell bell;
    uint64_t bits = 0;
    if (!bell_init(&bell))
        return;
    uint64_t soon = clock_now_ns() + 30ull * 1000 * 1000;
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 1, soon), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 2, soon), OK);
    EXPECT_EQ(wait_for(&bell, 3, DEADLINE_NEVER, &bits), OK);
    EXPECT_EQ(bits, 2);
    EXPECT(clock_now_ns() >= soon);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 4, 0), OK); /* long past */
    EXPECT_EQ(wait_for(&bell, 7, DEADLINE_NEVER, &bits), OK);
    EXPECT_EQ(bits, 4);
    soon = clock_now_ns() + 20ull * 1000 * 1000;
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 1, soon), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 1, DEADLINE_NEVER), OK);
    EXPECT_EQ(wait_for(&bell, 1, soon + 10ull * 1000 * 1000, &bits), ERR_TIMED_OUT);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.limited, 1, soon), ERR_ACCESS);
    /* Who may only signal cannot stop it. */
    soon = clock_now_ns() + 20ull * 1000 * 1000;
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 1, soon), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.limited, 0x10, DEADLINE_NEVER),
              ERR_ACCESS);
    EXPECT_EQ(wait_for(&bell, 1, soon + NS_PER_SECOND, &bits), OK);
    EXPECT_EQ(user_call(&bell.f, SYSCALL_timer_set, NULL, bell.all, 1, soon + NS_PER_SECOND), OK);
    bell_destroy(&bell);
}

GUEST_TEST(no_signal_is_lost)
{
    enum { SIGNALS = 2000 };
    struct bell bell;
    if (!bell_init(&bell))
        return;
    struct test_guest_command *waiter = prepare(&bell.f, OTHER, GUEST_WAITER, bell.all, 1);
    if (waiter == NULL)
        return;
    user_start(&bell.f, OTHER);
    for (unsigned i = 0; i < SIGNALS; i++) {
        notification_signal(object_as_notification(bell.notification), 1);
        (void)user_wait_count(&bell.f, OTHER, i + 1);
    }
    EXPECT_EQ(waiter->out[1], SIGNALS);
    waiter->stop = 1;
    notification_signal(object_as_notification(bell.notification), 1);
    (void)user_wait_dead(&bell.f, OTHER);
    bell_destroy(&bell);
}

GUEST_TEST(a_receiver_gets_the_bits_of_a_bound_notification)
{
    struct pair pair;
    struct object *notification;
    if (!pair_init(&pair))
        return;
    EXPECT_EQ(notification_create(pair.server.budget, &notification), OK);
    uint64_t handle =
        user_give(&pair.server, notification, object_type_rights(OBJECT_NOTIFICATION));
    notification_signal(object_as_notification(notification), 0x11);
    EXPECT_EQ(user_call(&pair.server, SYSCALL_object_bind, NULL, pair.receive, handle, 0xf0), OK);
    EXPECT_EQ(user_call(&pair.server, SYSCALL_object_bind, NULL, pair.answer, handle, 1),
              ERR_INVALID);
    EXPECT_EQ(user_call(&pair.client, SYSCALL_object_bind, NULL, pair.send, handle, 1),
              ERR_NOT_FOUND);
    for (unsigned i = 0; i < 2; i++) {
        (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
        if (i == 1 && waits(&pair.server, SERVER))
            notification_signal(object_as_notification(notification), 0x23);
        else
            user_start(&pair.server, SERVER);
        EXPECT_EQ(result(&pair.server, SERVER), OK);
        const struct ipc_message *got = &pair.server.command[SERVER].message;
        EXPECT_EQ(got->info, IPC_INFO_SIGNAL | ipc_info(0, 1));
        EXPECT_EQ(got->word[0], i == 0 ? 0x10 : 0x20);
    }
    uint64_t bits = 0;
    EXPECT_EQ(user_call(&pair.server, SYSCALL_notification_wait, &bits, handle, UINT64_MAX), OK);
    EXPECT_EQ(bits, 3);
    object_put(notification);
    pair_destroy(&pair);
}

/* Whoever signals without end does not keep callers away. */
GUEST_TEST(signals_and_senders_take_turns)
{
    static const bool bits_come[] = { true, false, true, true };
    struct pair pair;
    struct object *notification;
    if (!pair_init(&pair))
        return;
    EXPECT_EQ(notification_create(pair.server.budget, &notification), OK);
    uint64_t handle =
        user_give(&pair.server, notification, object_type_rights(OBJECT_NOTIFICATION));
    EXPECT_EQ(user_call(&pair.server, SYSCALL_object_bind, NULL, pair.receive, handle, 1), OK);
    (void)begin(&pair.client, CLIENT, SYSCALL_ipc_send, pair.send, 0, ipc_info(5, 1));
    EXPECT(waits(&pair.client, CLIENT));
    for (unsigned i = 0; i < ARRAY_LEN(bits_come); i++) {
        notification_signal(object_as_notification(notification), 1);
        (void)begin(&pair.server, SERVER, SYSCALL_ipc_receive, pair.receive, pair.answer, 0);
        EXPECT_EQ(at_once(&pair.server, SERVER), OK);
        uint64_t info = pair.server.command[SERVER].message.info;
        EXPECT_EQ((info & IPC_INFO_SIGNAL) != 0, bits_come[i]);
    }
    EXPECT_EQ(result(&pair.client, CLIENT), OK);
    object_put(notification);
    pair_destroy(&pair);
}

/* A thread that has made no call yet remembers no handle, not even none. */
GUEST_TEST(no_handle_names_no_endpoint)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    static const uint64_t calls[] = { SYSCALL_ipc_call, SYSCALL_ipc_reply_receive, SYSCALL_ipc_send,
                                      SYSCALL_ipc_receive };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        EXPECT_EQ(user_call(&f, calls[i], NULL, 0, 0, DEADLINE_NEVER, 0), ERR_NOT_FOUND);
    user_fixture_destroy(&f);
}
