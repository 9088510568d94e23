/* Messages where something comes in between: what leaves the short way, what ends in the middle,
 * and what is gone already. Each test is a few calls on the simulated machine; where two CPUs meet,
 * the other one comes at each of the points where a call holds no lock.
 */
#include "world.h"
#include <abi_syscalls.h>
#include <arch/simulation.h>
#include <base/string.h>
#include <ipc.h>
#include <kernel/endpoint.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/trap.h>

enum { CLIENT = 0, ELSEWHERE = 1, SERVER = 2, OTHER_CPU = 2, POINTS_MAX = 200 };

#define ALL   UINT32_MAX
#define NEVER DEADLINE_NEVER

static struct world world;
static struct object *endpoint, *notification, *reply, *reply_2; /* the table's alone */
static uint64_t e, e_2, n, r, r_2;                               /* handles of them */

static struct thread *thread(unsigned index)
{
    return world.process[0].thread[index];
}

static struct cspace *table(void)
{
    return &world.process[0].process->cspace;
}

static uint64_t give(struct object *object)
{
    uint64_t handle = 0;

    EXPECT_EQ(cspace_create(table(), object, object_type_rights(object->type), &handle), OK);
    return handle;
}

static enum status close_with(uint64_t handle, uint32_t units)
{
    struct work work = { units };

    return cspace_close(table(), handle, &work);
}

static bool begin(void)
{
    if (!world_begin(&world) || endpoint_create(NULL, &endpoint) != OK ||
        notification_create(NULL, &notification) != OK || reply_create(NULL, &reply) != OK ||
        reply_create(NULL, &reply_2) != OK) {
        test_fail(__FILE__, __LINE__, "no world");
        return false;
    }
    e = give(endpoint);
    e_2 = give(endpoint);
    n = give(notification);
    r = give(reply);
    r_2 = give(reply_2);
    object_put(endpoint);
    object_put(notification);
    object_put(reply);
    object_put(reply_2);
    return true;
}

static struct call_result call(unsigned who, unsigned number, const uint64_t words[6],
                               void (*before)(void))
{
    return world_call(&world, thread(who), number, words, before);
}

#define CALL(who, name, ...) call(who, SYSCALL_##name, (const uint64_t[6]){ __VA_ARGS__ }, NULL)
#define CALL_AFTER(before, who, name, ...)                                                         \
    call(who, SYSCALL_##name, (const uint64_t[6]){ __VA_ARGS__ }, before)

static bool waits(unsigned who)
{
    return thread(who) != NULL && thread(who)->state == THREAD_BLOCKED;
}

static uint64_t info_of(unsigned who)
{
    return thread(who)->frame.argument[1];
}

static enum status status_of(unsigned who)
{
    return (enum status)thread(who)->frame.status;
}

/* Calls and answers that know all they need: the server waits, and the client has been served. */
static void warm_up(void)
{
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, ipc_info_accept(0, 4), NEVER, r).end, CALL_BLOCKED);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(CALL(CLIENT, ipc_call, e, ipc_info_accept(i, 4), NEVER).end, CALL_BLOCKED);
        EXPECT(!waits(SERVER));
        EXPECT_EQ(info_of(SERVER), i | IPC_INFO_CALL);
        EXPECT_EQ(CALL(SERVER, ipc_reply_receive, e, ipc_info_accept(i, 4), NEVER, r).end,
                  CALL_BLOCKED);
        EXPECT(!waits(CLIENT));
        EXPECT_EQ(status_of(CLIENT), OK);
    }
}

/* The client calls, and the server has its message. */
static void client_calls(void)
{
    EXPECT_EQ(CALL(CLIENT, ipc_call, e, ipc_info_accept(0, 4), NEVER).end, CALL_BLOCKED);
    EXPECT(!waits(SERVER));
}

HOST_TEST(who_receives_what_waits_for_it_gets_the_badge)
{
    struct capability_mint mint = { .rights = RIGHT_ENDPOINT_SEND, .badge = 0x77 };
    uint64_t badged = 0;

    REQUIRE(begin());
    EXPECT_EQ(cspace_copy(table(), e, &mint, table(), &badged), OK);
    EXPECT_EQ(CALL(CLIENT, ipc_send, badged, 5, NEVER).end, CALL_BLOCKED);
    struct call_result result = CALL(SERVER, ipc_receive, e, 0, NEVER, r);
    EXPECT_EQ(result.status, OK);
    EXPECT_EQ(result.value, 0x77);
    EXPECT_EQ(info_of(SERVER), 5);
    world_end(&world);
}

/* ---- What the short way is left for ---- */

static void expect_handle(unsigned who, const struct object *object)
{
    struct capability_ref ref = { .object = NULL };
    uint64_t handle = thread(who)->frame.message[0];

    EXPECT_EQ(ipc_info_capabilities(info_of(who)), 1);
    EXPECT(handle != n);
    EXPECT_EQ(cspace_lookup(table(), handle, OBJECT_ANY, 0, &ref), OK);
    EXPECT(ref.object == object);
    if (ref.object != NULL)
        object_put(ref.object);
    EXPECT_EQ(close_with(handle, ALL), OK);
}

HOST_TEST(capabilities_go_the_long_way)
{
    REQUIRE(begin());
    warm_up();
    thread(CLIENT)->frame.message[0] = n;
    EXPECT_EQ(CALL(CLIENT, ipc_call, e, ipc_info_accept(ipc_info_with(0, 1, 1, 0), 4), NEVER).end,
              CALL_BLOCKED);
    expect_handle(SERVER, notification);
    thread(SERVER)->frame.message[0] = n;
    EXPECT_EQ(CALL(SERVER, ipc_reply_receive, e, ipc_info_with(0, 1, 1, 0), NEVER, r).end,
              CALL_BLOCKED);
    EXPECT(!waits(CLIENT));
    expect_handle(CLIENT, notification);
    world_end(&world);
}

HOST_TEST(words_that_there_are_not_are_refused_on_every_way)
{
    REQUIRE(begin());
    warm_up();
    EXPECT_EQ(CALL(CLIENT, ipc_call, e, ipc_info(0, 9), NEVER).status, ERR_INVALID);
    EXPECT(waits(SERVER));
    client_calls();
    EXPECT_EQ(CALL(SERVER, ipc_reply_receive, e, ipc_info(0, 9), NEVER, r).status, ERR_INVALID);
    EXPECT(waits(CLIENT));
    world_end(&world);
}

HOST_TEST(bits_come_before_the_next_wait)
{
    REQUIRE(begin());
    EXPECT_EQ(endpoint_bind(object_as_endpoint(endpoint), object_as_notification(notification), 4),
              OK);
    warm_up();
    client_calls();
    notification_signal(object_as_notification(notification), 4);
    struct call_result result = CALL(SERVER, ipc_reply_receive, e, 0, NEVER, r);
    EXPECT_EQ(result.end, CALL_RETURNED);
    EXPECT((info_of(SERVER) & IPC_INFO_SIGNAL) != 0);
    EXPECT_EQ(thread(SERVER)->frame.message[0], 4);
    EXPECT(!waits(CLIENT));
    world_end(&world);
}

/* The wait ends with the capability that it came through, though another was used in between. */
HOST_TEST(a_wait_belongs_to_the_capability_that_was_named)
{
    REQUIRE(begin());
    warm_up();
    client_calls();
    EXPECT_EQ(CALL(SERVER, ipc_receive, e_2, 0, 0, r_2).status, ERR_TIMED_OUT);
    EXPECT_EQ(CALL(SERVER, ipc_reply_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    EXPECT_EQ(close_with(e, ALL), OK);
    world_settle(&world);
    EXPECT(!waits(SERVER));
    EXPECT_EQ(status_of(SERVER), ERR_CANCELLED);
    world_end(&world);
}

HOST_TEST(a_call_belongs_to_the_capability_that_was_named)
{
    REQUIRE(begin());
    warm_up();
    EXPECT_EQ(CALL(CLIENT, ipc_send, e_2, 0, NEVER).status, OK);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    client_calls();
    EXPECT_EQ(close_with(e, ALL), OK);
    world_settle(&world);
    EXPECT(!waits(CLIENT));
    EXPECT_EQ(status_of(CLIENT), ERR_CANCELLED);
    world_end(&world);
}

HOST_TEST(a_capability_to_send_does_not_end_what_waits_to_receive)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL(SERVER, ipc_send, e_2, 0, 0).status, ERR_TIMED_OUT);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    EXPECT_EQ(close_with(e_2, ALL), OK);
    world_settle(&world);
    EXPECT(waits(SERVER));
    EXPECT_EQ(close_with(e, ALL), OK);
    world_settle(&world);
    EXPECT(!waits(SERVER));
    world_end(&world);
}

HOST_TEST(a_reply_that_waits_with_a_receiver_answers_nobody)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL(CLIENT, ipc_receive, e, 0, 0, r).status, ERR_TIMED_OUT);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(CALL(CLIENT, ipc_reply_receive, e, 0, NEVER, r).status, ERR_BUSY);
    EXPECT(waits(SERVER));
    EXPECT(object_as_reply(reply)->thread == thread(SERVER));
    world_end(&world);
}

/* Of another endpoint, whose lock the short way does not have. */
HOST_TEST(a_caller_elsewhere_is_answered_too)
{
    struct object *second;

    REQUIRE(begin());
    REQUIRE(endpoint_create(NULL, &second) == OK);
    uint64_t other = give(second);
    object_put(second);
    warm_up();
    client_calls();
    EXPECT_EQ(CALL(SERVER, ipc_receive, other, 0, 0, r_2).status, ERR_TIMED_OUT);
    EXPECT_EQ(CALL(SERVER, ipc_reply_receive, other, 0, NEVER, r).end, CALL_BLOCKED);
    EXPECT(!waits(CLIENT));
    /* Once more, now that the server knows the handles and is linked. */
    EXPECT_EQ(CALL(CLIENT, ipc_call, other, 0, NEVER).end, CALL_BLOCKED);
    EXPECT_EQ(CALL(SERVER, ipc_send, r, 0).status, OK);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    client_calls();
    EXPECT_EQ(CALL(SERVER, ipc_receive, other, 0, 0, r_2).status, ERR_TIMED_OUT);
    EXPECT_EQ(CALL(SERVER, ipc_reply_receive, other, 0, NEVER, r).end, CALL_BLOCKED);
    EXPECT(!waits(CLIENT));
    EXPECT(waits(SERVER));
    world_end(&world);
}

/* ---- What is gone ---- */

HOST_TEST(who_may_only_send_hears_of_the_last_receivers_end)
{
    struct capability_mint mint = { .rights = RIGHT_ENDPOINT_SEND };
    uint64_t send = 0;

    REQUIRE(begin());
    EXPECT_EQ(cspace_copy(table(), e, &mint, table(), &send), OK);
    EXPECT_EQ(close_with(e, ALL), OK);
    EXPECT_EQ(CALL(CLIENT, ipc_send, send, 0, NEVER).end, CALL_BLOCKED);
    EXPECT_EQ(close_with(e_2, ALL), OK);
    world_settle(&world);
    EXPECT(!waits(CLIENT));
    EXPECT_EQ(status_of(CLIENT), ERR_DEAD);
    EXPECT_EQ(CALL(CLIENT, ipc_send, send, 0, NEVER).status, ERR_DEAD);
    world_end(&world);
}

static void endpoint_dies(void)
{
    object_as_endpoint(endpoint)->dead = 1;
}

HOST_TEST(an_endpoint_that_has_ended_takes_no_messages)
{
    REQUIRE(begin());
    warm_up();
    /* A slice of its end is still to come, so that somebody waits there. */
    EXPECT_EQ(CALL_AFTER(endpoint_dies, CLIENT, ipc_call, e, 0, NEVER).status, ERR_DEAD);
    EXPECT_EQ(CALL(CLIENT, ipc_send, e, 0, NEVER).status, ERR_DEAD);
    EXPECT_EQ(CALL(ELSEWHERE, ipc_receive, e, 0, NEVER, r_2).status, ERR_DEAD);
    EXPECT(waits(SERVER));
    object_as_endpoint(endpoint)->dead = 0;
    client_calls();
    EXPECT_EQ(CALL_AFTER(endpoint_dies, SERVER, ipc_reply_receive, e, 0, NEVER, r).status,
              ERR_DEAD);
    EXPECT(!waits(CLIENT));
    object_as_endpoint(endpoint)->dead = 0;
    world_end(&world);
}

HOST_TEST(a_reply_that_has_ended_is_nobodys)
{
    struct work work = { ALL };

    REQUIRE(begin());
    EXPECT_EQ(reply->ops->retire(reply, OBJECT_DESTROYED, &work), OK);
    EXPECT_EQ(CALL(SERVER, ipc_send, r, 0).status, ERR_STATE);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).status, ERR_DEAD);
    world_end(&world);
}

HOST_TEST(one_answer_at_a_time)
{
    REQUIRE(begin());
    warm_up();
    client_calls();
    thread(CLIENT)->ipc.state |= IPC_BUSY;
    EXPECT_EQ(CALL(SERVER, ipc_send, r, 0).status, ERR_BUSY);
    EXPECT(waits(CLIENT));
    thread(CLIENT)->ipc.state &= (uint8_t)~IPC_BUSY;
    EXPECT_EQ(CALL(SERVER, ipc_send, r, 0).status, OK);
    EXPECT(!waits(CLIENT));
    world_end(&world);
}

HOST_TEST(who_could_not_answer_keeps_what_was_lent)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, NEVER, r).end, CALL_BLOCKED);
    EXPECT_EQ(sched_set_priority(thread(CLIENT), thread(SERVER)->own_priority + 1u), OK);
    client_calls();
    uint8_t lent = thread(SERVER)->lent_priority;
    EXPECT_EQ(lent, thread(CLIENT)->own_priority);
    thread(SERVER)->frame.message[0] = UINT32_MAX;
    EXPECT(CALL(SERVER, ipc_send, r, ipc_info_with(0, 1, 1, 0)).status != OK);
    EXPECT_EQ(thread(SERVER)->lent_priority, lent);
    EXPECT_EQ(CALL(SERVER, ipc_send, r, 0).status, OK);
    EXPECT_EQ(thread(SERVER)->lent_priority, 0);
    world_end(&world);
}

static void client_is_killed(void)
{
    thread_kill(thread(CLIENT));
}

/* It sends what it was about to send, or not, and waits for nothing. */
HOST_TEST(who_is_to_die_does_not_wait)
{
    REQUIRE(begin());
    warm_up();
    EXPECT_EQ(CALL_AFTER(client_is_killed, CLIENT, ipc_call, e, 0, NEVER).end, CALL_DIED);
    if (!waits(SERVER))
        EXPECT((info_of(SERVER) & IPC_INFO_CALL) == 0);
    EXPECT(object_as_reply(reply)->thread == NULL || waits(SERVER));
    world_replace_thread(&world, 0, SERVER);
    EXPECT_EQ(CALL(SERVER, ipc_receive, e, 0, 0, r).status, ERR_TIMED_OUT);
    world_end(&world);
}

HOST_TEST(who_is_to_die_receives_nothing)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL_AFTER(client_is_killed, CLIENT, ipc_receive, e, 0, NEVER, r).end, CALL_DIED);
    EXPECT(list_empty(&object_as_endpoint(endpoint)->receivers));
    EXPECT(object_as_reply(reply)->thread == NULL);
    world_end(&world);
}

HOST_TEST(who_is_to_die_waits_for_no_bits)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL_AFTER(client_is_killed, CLIENT, notification_wait, n, 1, NEVER).end, CALL_DIED);
    EXPECT_EQ(object_as_notification(notification)->waiter_count, 0);
    EXPECT(list_empty(&object_as_notification(notification)->waiters));
    world_end(&world);
}

static void notification_dies(void)
{
    object_as_notification(notification)->dead = true;
}

HOST_TEST(a_notification_that_has_ended_is_bound_to_nothing)
{
    struct notification *it = NULL;
    struct signal_target target = { .notification = NULL };

    REQUIRE(begin());
    it = object_as_notification(notification);
    it->bits = 1;
    EXPECT_EQ(CALL_AFTER(notification_dies, CLIENT, notification_wait, n, 1, NEVER).status,
              ERR_DEAD);
    EXPECT_EQ(CALL(CLIENT, notification_wait, n, 2, NEVER).status, ERR_DEAD);
    EXPECT_EQ(signal_target_bind(&target, it, 1), ERR_DEAD);
    EXPECT(target.notification == NULL);
    EXPECT_EQ(endpoint_bind(object_as_endpoint(endpoint), it, 1), ERR_DEAD);
    EXPECT(it->endpoint == NULL);
    EXPECT_EQ(notification_timer(it, 1, 1), ERR_DEAD);
    it->dead = false;
    world_end(&world);
}

/* ---- Capabilities that go while they are used ---- */

static struct capability *going;

static void capability_goes(void)
{
    going->state = CAPABILITY_DYING;
}

/* Between the look at the handle and the lock of what it names. */
static void capability_is_about_to_go(void)
{
    struct capability_ref ref = { .capability = NULL };

    EXPECT_EQ(cspace_borrow(table(), thread(CLIENT)->frame.argument[0], OBJECT_ANY, 0, &ref), OK);
    going = ref.capability;
    (void)simulation_interleave(1, OTHER_CPU, capability_goes);
}

static void comes_back(void)
{
    going->state = CAPABILITY_LIVE;
}

HOST_TEST(nobody_waits_through_a_capability_that_goes)
{
    REQUIRE(begin());
    EXPECT_EQ(CALL_AFTER(capability_is_about_to_go, CLIENT, ipc_receive, e, 0, NEVER, r).status,
              ERR_CANCELLED);
    EXPECT(object_as_reply(reply)->thread == NULL);
    comes_back();
    EXPECT_EQ(CALL_AFTER(capability_is_about_to_go, CLIENT, ipc_send, e, 0, NEVER).status,
              ERR_CANCELLED);
    comes_back();
    object_as_notification(notification)->bits = 1;
    EXPECT_EQ(CALL_AFTER(capability_is_about_to_go, CLIENT, notification_wait, n, 1, NEVER).status,
              ERR_CANCELLED);
    EXPECT_EQ(object_as_notification(notification)->bits, 1);
    comes_back();
    world_end(&world);
}

HOST_TEST(a_capability_goes_when_all_have_let_go_of_it)
{
    REQUIRE(begin());
    for (unsigned who = 0; who < 3; who++)
        EXPECT_EQ(CALL(who, ipc_receive, e, 0, 0, r).status, ERR_TIMED_OUT);
    EXPECT_EQ(close_with(e_2, ALL), OK);
    EXPECT_EQ(close_with(e, 1), ERR_WOULD_BLOCK);
    EXPECT_EQ(close_with(e, 1), ERR_WOULD_BLOCK);
    EXPECT_EQ(close_with(e, ALL), OK);
    world_end(&world);
}

/* ---- In the middle of giving capabilities on ---- */

static uint64_t through; /* what the client sends through */

static void reply_closes(void)
{
    EXPECT_EQ(close_with(r, ALL), OK);
}

static void client_closes(void)
{
    EXPECT_EQ(close_with(through, ALL), OK);
}

static void both_close(void)
{
    client_closes();
    reply_closes();
}

static void server_is_killed(void)
{
    thread_kill(thread(SERVER));
}

static void time_passes(void)
{
    simulation_clock_set(clock_now_ns() + 1000);
}

static const struct meeting {
    const char *what;
    void (*event)(void);
    bool client_ends;         /* it does not wait any more, whenever the event came */
    enum status ends_with[3]; /* the last only if the server waits first */
} meetings[] = {
    { "the Reply closes", reply_closes, false, { ERR_DEAD, OK, OK } },
    { "what the client sends through closes",
      client_closes,
      true,
      { ERR_CANCELLED, ERR_NOT_FOUND, ERR_CANCELLED } },
    { "both close", both_close, true, { ERR_CANCELLED, ERR_NOT_FOUND, ERR_DEAD } },
    { "the deadline passes", time_passes, true, { ERR_TIMED_OUT, ERR_TIMED_OUT, ERR_TIMED_OUT } },
    { "the client is killed", client_is_killed, true, { OK, OK, OK } },
    { "the server is killed", server_is_killed, false, { ERR_TIMED_OUT, OK, OK } },
};

/* If somebody waits for an answer, somebody can give it. */
static void expect_sense(const struct meeting *meeting, bool server_first, uint64_t point)
{
    const struct thread *client = thread(CLIENT);

    if (client == NULL)
        EXPECT(meeting->event == client_is_killed);
    else if (waits(CLIENT)) {
        EXPECT(!meeting->client_ends);
        if (client->ipc.state == IPC_ANSWER)
            EXPECT(client->ipc.reply != NULL && client->ipc.reply->thread == client);
    } else {
        enum status status = status_of(CLIENT);
        EXPECT(status == meeting->ends_with[0] || status == meeting->ends_with[1] ||
               (server_first && status == meeting->ends_with[2]));
    }
    if (test_has_failed())
        test_note("%s at point %llu: client %s with %s", meeting->what, (unsigned long long)point,
                  client == NULL  ? "gone"
                  : waits(CLIENT) ? "waits"
                                  : "is done",
                  client == NULL ? "" : status_text(status_of(CLIENT)));
}

static void client_sends(void)
{
    thread(CLIENT)->frame.message[0] = n;
    (void)CALL(CLIENT, ipc_call, through, ipc_info_with(0, 1, 1, 0), clock_now_ns() + 500);
}

static void server_receives(void)
{
    (void)CALL(SERVER, ipc_receive, e, ipc_info_accept(0, 4), NEVER, r);
}

/* One of the two is there already, the other comes, and on another CPU something happens. */
static bool meet(const struct meeting *meeting, bool server_first, uint64_t point)
{
    if (!begin())
        return false;
    through = e_2;
    (server_first ? server_receives : client_sends)();
    (void)simulation_interleave(point, OTHER_CPU, meeting->event);
    (server_first ? client_sends : server_receives)();
    bool came = simulation_interleave(0, 0, NULL);
    world_settle(&world);
    if (came)
        expect_sense(meeting, server_first, point);
    world_end(&world);
    return came && !test_has_failed();
}

HOST_TEST(whatever_ends_while_capabilities_are_given_on)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(meetings); i++) {
        uint64_t point = 1;
        while (point < POINTS_MAX && meet(&meetings[i / 2], i % 2 == 0, point))
            point++;
        EXPECT(point > 3 && point < POINTS_MAX);
        if (test_has_failed())
            return;
    }
}

static void its_timer_fires(void)
{
    time_passes();
    trap_timer();
}

/* On the CPU of the caller, while another one takes its message: the deadline is not forgotten. */
HOST_TEST(a_deadline_that_passes_meanwhile_ends_the_call)
{
    bool came = true;

    for (uint64_t point = 1; came && point < POINTS_MAX && !test_has_failed(); point++) {
        REQUIRE(begin());
        through = e_2;
        client_sends();
        (void)simulation_interleave(point, 0, its_timer_fires);
        (void)CALL(ELSEWHERE, ipc_receive, e, ipc_info_accept(0, 4), NEVER, r);
        came = simulation_interleave(0, 0, NULL);
        world_settle(&world);
        EXPECT(!came || !waits(CLIENT));
        EXPECT(!came || status_of(CLIENT) == ERR_TIMED_OUT);
        world_end(&world);
    }
}
