/* Messages and signals between user threads. */
#include <ipc.h>
#include <kernel/endpoint.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

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
