#ifdef CONFIG_DEBUG
/* The short way of a message (fast.c): that it is taken, and what it must be left for. */
#include "ipc_impl.h"
#include <kernel/coroutine.h>
#include <kernel/share.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

#define MS ((uint64_t)1000 * 1000)

enum { CLIENT, SERVER, OTHER, TIMES = 20 };

/* Client and server, both on the first CPU, with the server waiting. */
struct line {
    struct user_fixture client;
    struct user_fixture server;
    struct object *endpoint;
    struct object *reply;
    struct object *notification;
    uint64_t send;
    uint64_t before[IPC_FAST_WAYS];
};

static bool is_waiting(void *thread)
{
    return READ_ONCE(((struct thread *)thread)->state) == THREAD_BLOCKED;
}

static bool comes_to_rest(const struct user_fixture *f, unsigned index)
{
    enum status status = coroutine_wait(is_waiting, f->thread[index], clock_now_ns() + 10000 * MS);
    EXPECT_EQ(status, OK);
    return status == OK;
}

/* The server answers nothing before `at_ns`. */
static bool line_init(struct line *line, uint64_t at_ns)
{
    *line = (struct line){ .send = HANDLE_NONE };
    if (!user_fixture_init(&line->client) || !user_fixture_init(&line->server) ||
        endpoint_create(line->server.budget, &line->endpoint) != OK ||
        reply_create(line->server.budget, &line->reply) != OK ||
        notification_create(line->server.budget, &line->notification) != OK ||
        !user_prepare(&line->server, SERVER, GUEST_SERVER)) {
        test_fail(__FILE__, __LINE__, "no memory for the two");
        return false;
    }
    struct test_guest_command *server = &line->server.command[SERVER];
    line->send = user_give(&line->client, line->endpoint, RIGHT_ENDPOINT_SEND);
    server->in[1] = user_give(&line->server, line->endpoint, RIGHT_ENDPOINT_RECEIVE);
    server->in[2] = user_give(&line->server, line->reply, 0);
    server->in[3] = DEADLINE_NEVER;
    server->in[4] = at_ns;
    user_pin(&line->server, SERVER, 0);
    user_start(&line->server, SERVER);
    return comes_to_rest(&line->server, SERVER);
}

static void line_destroy(struct line *line)
{
    if (line->endpoint != NULL)
        object_put(line->endpoint);
    if (line->reply != NULL)
        object_put(line->reply);
    if (line->notification != NULL)
        object_put(line->notification);
    user_fixture_destroy(&line->client);
    user_fixture_destroy(&line->server);
}

static void caller_starts(struct line *line, unsigned index, uint64_t times, uint64_t deadline_ns)
{
    if (!user_prepare(&line->client, index, GUEST_CLIENT))
        return;
    struct test_guest_command *client = &line->client.command[index];
    client->in[1] = line->send;
    client->in[3] = deadline_ns;
    client->in[4] = 2;
    client->in[5] = times;
    user_pin(&line->client, index, 0);
    for (unsigned i = 0; i < IPC_FAST_WAYS; i++)
        line->before[i] = __atomic_load_n(&ipc_fast_count[i], __ATOMIC_RELAXED);
    user_start(&line->client, index);
}

static void caller_ends(struct line *line, unsigned index, uint64_t times)
{
    (void)user_wait_dead(&line->client, index);
    EXPECT_EQ(line->client.command[index].count, times);
    EXPECT_EQ(line->client.command[index].out[0], OK);
}

static uint64_t taken(const struct line *line, unsigned way)
{
    return __atomic_load_n(&ipc_fast_count[way], __ATOMIC_RELAXED) - line->before[way];
}

static void call_times(struct line *line, uint64_t times, uint64_t deadline_ns)
{
    caller_starts(line, CLIENT, times, deadline_ns);
    caller_ends(line, CLIENT, times);
}

/* The first call finds nothing that is known, and another thread may have had the CPU's turn. */
static void expect_mostly(const struct line *line)
{
    EXPECT(taken(line, IPC_FAST_CALL) >= TIMES - 4);
    EXPECT(taken(line, IPC_FAST_ANSWER) >= TIMES - 4);
}

GUEST_TEST(calls_and_answers_on_one_cpu_take_the_short_way)
{
    struct line line;
    if (line_init(&line, 0)) {
        call_times(&line, TIMES, DEADLINE_NEVER);
        expect_mostly(&line);
        call_times(&line, TIMES, clock_now_ns() + 10000 * MS);
        expect_mostly(&line);
    }
    line_destroy(&line);
}

GUEST_TEST(a_deadline_on_the_short_way_passes)
{
    struct line line;
    if (line_init(&line, clock_now_ns() + 200 * MS)) {
        caller_starts(&line, CLIENT, 2, clock_now_ns() + 50 * MS);
        (void)user_wait_dead(&line.client, CLIENT);
        EXPECT_EQ(line.client.command[CLIENT].out[0], ERR_TIMED_OUT);
    }
    line_destroy(&line);
}

/* ---- Calls ---- */

GUEST_TEST(a_server_on_another_cpu_is_called_the_long_way)
{
    struct line line;
    if (cpu_count > 1 && line_init(&line, 0)) {
        user_pin(&line.server, SERVER, 1);
        call_times(&line, TIMES, DEADLINE_NEVER);
        EXPECT(taken(&line, IPC_FAST_CALL) <= 1); /* it moves when it is woken */
        EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
    }
    if (cpu_count > 1)
        line_destroy(&line);
}

GUEST_TEST(time_that_is_counted_takes_the_long_way)
{
    struct line line;
    if (line_init(&line, 0)) {
        EXPECT_EQ(share_set_quota(line.client.budget, 50 * MS, 100 * MS), OK);
        call_times(&line, TIMES, DEADLINE_NEVER);
        EXPECT_EQ(taken(&line, IPC_FAST_CALL) + taken(&line, IPC_FAST_ANSWER), 0);
        EXPECT_EQ(share_set_quota(line.client.budget, SHARE_UNLIMITED, 0), OK);
        call_times(&line, TIMES, DEADLINE_NEVER);
        expect_mostly(&line);
    }
    line_destroy(&line);
}

static bool has_called(void *line)
{
    return user_count(&((struct line *)line)->server, SERVER) > 0 &&
           is_waiting(((struct line *)line)->client.thread[CLIENT]);
}

/* A call has been received, and the server sleeps before it answers. */
static bool call_is_received(struct line *line)
{
    uint64_t at_ns = clock_now_ns() + 300 * MS;
    if (!line_init(line, at_ns))
        return false;
    caller_starts(line, CLIENT, 1, DEADLINE_NEVER);
    enum status status = coroutine_wait(has_called, line, at_ns);
    EXPECT_EQ(status, OK);
    return status == OK && comes_to_rest(&line->server, SERVER);
}

static bool has_answered(void *line)
{
    struct line *l = line;
    struct thread *server = l->server.thread[SERVER];
    return READ_ONCE(server->state) == THREAD_BLOCKED && server->ipc.on != NULL;
}

static void server_answers(struct line *line)
{
    EXPECT_EQ(coroutine_wait(has_answered, line, clock_now_ns() + 10000 * MS), OK);
}

/* ---- Answers ---- */

GUEST_TEST(a_server_that_others_wait_for_answers_the_long_way)
{
    struct line line;
    if (call_is_received(&line)) {
        caller_starts(&line, OTHER, 1, DEADLINE_NEVER);
        (void)comes_to_rest(&line.client, OTHER);
        caller_ends(&line, CLIENT, 1);
        caller_ends(&line, OTHER, 1);
        EXPECT(taken(&line, IPC_FAST_ANSWER) <= 1); /* the second one's */
        EXPECT_EQ(user_count(&line.server, SERVER), 2);
    }
    line_destroy(&line);
}

GUEST_TEST(a_server_with_bits_to_take_answers_the_long_way)
{
    struct line line;
    if (call_is_received(&line)) {
        struct notification *notification = object_as_notification(line.notification);
        EXPECT_EQ(endpoint_bind(object_as_endpoint(line.endpoint), notification, 6), OK);
        notification_signal(notification, 7);
        caller_ends(&line, CLIENT, 1);
        server_answers(&line);
        EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
        EXPECT_EQ(line.server.command[SERVER].out[2], 6);
    }
    line_destroy(&line);
}

/* Neither gets the CPU by a switch, and neither loses its message. */
GUEST_TEST(who_is_suspended_gets_its_answer_and_runs_later)
{
    struct line line;
    if (call_is_received(&line)) {
        EXPECT_EQ(thread_suspend(line.client.thread[CLIENT]), OK);
        server_answers(&line);
        EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
        EXPECT_EQ(READ_ONCE(line.client.thread[CLIENT]->state), THREAD_SUSPENDED);
        EXPECT_EQ(line.client.command[CLIENT].count, 0);
        EXPECT_EQ(thread_resume(line.client.thread[CLIENT]), OK);
        caller_ends(&line, CLIENT, 1);
    }
    line_destroy(&line);
}

GUEST_TEST(a_suspended_server_receives_the_call_and_runs_later)
{
    struct line line;
    if (line_init(&line, 0)) {
        EXPECT_EQ(thread_suspend(line.server.thread[SERVER]), OK);
        caller_starts(&line, CLIENT, 1, DEADLINE_NEVER);
        (void)comes_to_rest(&line.client, CLIENT);
        EXPECT_EQ(taken(&line, IPC_FAST_CALL), 0);
        EXPECT_EQ(READ_ONCE(line.server.thread[SERVER]->state), THREAD_SUSPENDED);
        EXPECT_EQ(user_count(&line.server, SERVER), 0);
        EXPECT_EQ(thread_resume(line.server.thread[SERVER]), OK);
        caller_ends(&line, CLIENT, 1);
    }
    line_destroy(&line);
}

GUEST_TEST(a_stopped_caller_is_answered_by_nobody)
{
    struct line line;
    if (call_is_received(&line)) {
        thread_kill(line.client.thread[CLIENT]);
        (void)user_wait_dead(&line.client, CLIENT);
        server_answers(&line);
        EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
        call_times(&line, TIMES, DEADLINE_NEVER); /* the server goes on */
    }
    line_destroy(&line);
}

GUEST_TEST(a_stopped_server_leaves_the_queue)
{
    struct line line;
    if (call_is_received(&line)) {
        thread_kill(line.server.thread[SERVER]);
        (void)user_wait_dead(&line.server, SERVER);
        /* The Reply is there still: somebody else may answer by it. */
        EXPECT(is_waiting(line.client.thread[CLIENT]));
        object_put(line.reply);
        line.reply = NULL;
        EXPECT_EQ(cspace_close(&line.server.process->cspace, line.server.command[SERVER].in[2],
                               &(struct work){ .left = WORK_SLICE }),
                  OK);
        (void)user_wait_dead(&line.client, CLIENT);
        EXPECT_EQ(line.client.command[CLIENT].out[0], ERR_DEAD);
    }
    line_destroy(&line);
}

GUEST_TEST(a_caller_that_may_not_run_here_is_answered_the_long_way)
{
    struct line line;
    if (cpu_count > 1 && call_is_received(&line)) {
        user_pin(&line.client, CLIENT, 1);
        caller_ends(&line, CLIENT, 1);
        EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
    }
    if (cpu_count > 1)
        line_destroy(&line);
}

/* Somebody who comes before the caller has the CPU first. */
GUEST_TEST(an_answer_makes_way_for_who_comes_before_the_caller)
{
    struct line line;
    if (line_init(&line, clock_now_ns() + 300 * MS)) {
        EXPECT_EQ(sched_set_priority(line.server.thread[SERVER], PRIORITY_DEFAULT + 10), OK);
        caller_starts(&line, CLIENT, 1, DEADLINE_NEVER);
        (void)coroutine_wait(has_called, &line, clock_now_ns() + 200 * MS);
        if (user_run(&line.client, OTHER, GUEST_SPIN, 0, 0)) {
            user_pin(&line.client, OTHER, 0);
            EXPECT_EQ(sched_set_priority(line.client.thread[OTHER], PRIORITY_DEFAULT + 5), OK);
            server_answers(&line);
            EXPECT_EQ(taken(&line, IPC_FAST_ANSWER), 0);
            EXPECT_EQ(line.client.command[CLIENT].count, 0);
            user_stop(&line.client, OTHER);
        }
        caller_ends(&line, CLIENT, 1);
    }
    line_destroy(&line);
}

/* ---- What is remembered ---- */

/* The last capability to receive goes: who waits is told, and so is who comes later. */
GUEST_TEST(callers_hear_at_once_that_nobody_can_receive)
{
    struct line line;
    if (call_is_received(&line)) {
        uint64_t receive = line.server.command[SERVER].in[1];
        struct cspace *table = &line.server.process->cspace;
        uint64_t copy = HANDLE_NONE;
        EXPECT_EQ(cspace_copy(table, receive, NULL, table, &copy), OK);
        caller_starts(&line, OTHER, 1, DEADLINE_NEVER);
        (void)comes_to_rest(&line.client, OTHER);
        EXPECT_EQ(cspace_close(table, copy, &(struct work){ .left = WORK_SLICE }), OK);
        EXPECT(is_waiting(line.client.thread[OTHER]));
        EXPECT_EQ(cspace_close(table, receive, &(struct work){ .left = WORK_SLICE }), OK);
        (void)user_wait_dead(&line.client, OTHER);
        EXPECT_EQ(line.client.command[OTHER].out[0], ERR_DEAD);
        EXPECT_EQ(user_call(&line.client, SYSCALL_ipc_send, NULL, line.send, 0, DEADLINE_NEVER),
                  ERR_DEAD);
        EXPECT(is_waiting(line.client.thread[CLIENT])); /* it has a Reply that may answer */
    }
    line_destroy(&line);
}

/* One handle less in the table: looked up once more, then known again. */
GUEST_TEST(a_removal_makes_a_thread_look_again)
{
    struct line line;
    if (line_init(&line, 0)) {
        uint64_t more = user_give(&line.client, line.endpoint, RIGHT_ENDPOINT_SEND);
        caller_starts(&line, CLIENT, 0, DEADLINE_NEVER);
        (void)user_wait_count(&line.client, CLIENT, 10);
        EXPECT_EQ(
            cspace_close(&line.client.process->cspace, more, &(struct work){ .left = WORK_SLICE }),
            OK);
        uint64_t at = user_count(&line.client, CLIENT);
        uint64_t fast = taken(&line, IPC_FAST_CALL);
        (void)user_wait_count(&line.client, CLIENT, at + 100);
        EXPECT(taken(&line, IPC_FAST_CALL) > fast + 80);
        user_stop(&line.client, CLIENT);
        (void)user_wait_dead(&line.client, CLIENT);
        EXPECT_EQ(line.client.command[CLIENT].out[0], OK);
    }
    line_destroy(&line);
}
#endif
