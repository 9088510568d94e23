/* What messages and signals cost, counted as in kernel/debug/hot_paths_bench.c. A round trip is a
 * call and its answer; six instructions in user mode on each side belong to it.
 */
#include <arch/timer.h>
#include <base/bench.h>
#include <ipc.h>
#include <kernel/endpoint.h>
#include <kernel/notification.h>
#include <kernel/reply.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { TURNS = 256, CLIENT = 0, SERVER = 1 };

struct rig {
    struct user_fixture fixture[2];
    struct user_fixture *server; /* the client's own, or the second one */
    struct object *endpoint;
    struct object *reply;
    uint64_t send;
};

static void prepare(struct user_fixture *f, unsigned index, uint64_t number, uint64_t endpoint,
                    uint64_t reply, uint64_t info)
{
    if (!user_prepare(f, index, GUEST_IPC_LOOP))
        return;
    struct test_guest_command *command = &f->command[index];
    command->in[0] = number;
    command->in[1] = endpoint;
    command->in[2] = reply;
    command->in[4] = UINT64_MAX;
    command->message.info = info;
    user_pin(f, index, 0);
}

/* The server waits when it returns. */
static bool rig_init(struct rig *rig, bool other_space, uint64_t info)
{
    *rig = (struct rig){ .server = &rig->fixture[other_space ? 1 : 0] };
    if (!user_fixture_init(&rig->fixture[0]) ||
        (other_space && !user_fixture_init(&rig->fixture[1])) ||
        endpoint_create(NULL, &rig->endpoint) != OK || reply_create(NULL, &rig->reply) != OK)
        return false;
    uint32_t all = object_type_rights(OBJECT_ENDPOINT);
    rig->send = user_give(&rig->fixture[0], rig->endpoint, all);
    uint64_t receive = user_give(rig->server, rig->endpoint, all);
    uint64_t reply = user_give(rig->server, rig->reply, object_type_rights(OBJECT_REPLY));
    uint64_t answer = ipc_info_accept(ipc_info(0, ipc_info_words(info)), IPC_CAPABILITIES);
    prepare(rig->server, SERVER, SYSCALL_ipc_reply_receive, receive, reply, answer);
    EXPECT_EQ(sched_set_priority(rig->server->thread[SERVER], PRIORITY_DEFAULT + 1), OK);
    user_start(rig->server, SERVER);
    return user_wait_started(rig->server, SERVER);
}

static void rig_destroy(struct rig *rig)
{
    user_fixture_destroy(&rig->fixture[0]);
    if (rig->server != &rig->fixture[0])
        user_fixture_destroy(rig->server);
    object_put(rig->endpoint);
    object_put(rig->reply);
}

static uint64_t run(struct rig *rig, uint64_t info, uint64_t turns)
{
    struct user_fixture *f = &rig->fixture[0];
    prepare(f, CLIENT, SYSCALL_ipc_call, rig->send, rig->send, info);
    f->command[CLIENT].in[4] = turns;
    uint64_t start = arch_cycle_count();
    user_start(f, CLIENT);
    (void)user_wait_dead(f, CLIENT);
    EXPECT_EQ(f->command[CLIENT].out[0], OK);
    return arch_cycle_count() - start;
}

static void report_round_trip(const char *name, bool other_space, uint64_t info)
{
    bool grants = ipc_info_capabilities(info) > 0;
    struct rig rig;
    if (!rig_init(&rig, other_space, grants ? 0 : info))
        return;
    (void)run(&rig, info, TURNS);
    uint64_t once = run(&rig, info, TURNS);
    uint64_t twice = run(&rig, info, 2ull * TURNS);
    bench_report(name, "instructions", (twice - once) / TURNS);
    rig_destroy(&rig);
}

BENCH(ipc_round_trip)
{
    report_round_trip("ipc_round_trip_same_space_0_words", false, ipc_info(0, 0));
    report_round_trip("ipc_round_trip_0_words", true, ipc_info(0, 0));
    report_round_trip("ipc_round_trip_4_words", true, ipc_info(0, 4));
    report_round_trip("ipc_round_trip_8_words", true, ipc_info(0, 8));
    /* Copied; the server keeps them all. */
    report_round_trip("ipc_round_trip_1_capability", true, ipc_info_with(0, 1, 1, 0));
}

/* ---- Signals ---- */

static uint64_t run_signals(struct user_fixture *f, uint64_t handle, uint64_t turns)
{
    prepare(f, CLIENT, SYSCALL_notification_signal, handle, 0, 1);
    f->command[CLIENT].in[4] = turns;
    uint64_t start = arch_cycle_count();
    user_start(f, CLIENT);
    (void)user_wait_dead(f, CLIENT);
    return arch_cycle_count() - start;
}

/* Each signal wakes a thread that waits on the other CPU; with the look at what it has counted. */
BENCH(signal_to_another_cpu)
{
    enum { SIGNALS = 16 };
    struct user_fixture f;
    struct object *notification = NULL;
    if (cpu_count < 2 || !user_fixture_init(&f))
        return;
    if (notification_create(NULL, &notification) == OK && user_prepare(&f, SERVER, GUEST_WAITER)) {
        struct test_guest_command *waiter = &f.command[SERVER];
        waiter->in[1] = user_give(&f, notification, object_type_rights(OBJECT_NOTIFICATION));
        waiter->in[2] = 1;
        waiter->in[3] = UINT64_MAX;
        user_pin(&f, SERVER, 1);
        user_start(&f, SERVER);
        uint64_t cost = 0;
        for (unsigned i = 0; i <= SIGNALS; i++) {
            user_let_run_ns(1000ull * 1000); /* it waits */
            uint64_t before = arch_cycle_count();
            notification_signal(object_as_notification(notification), 1);
            while (user_count(&f, SERVER) == i)
                arch_relax();
            cost += i == 0 ? 0 : arch_cycle_count() - before;
        }
        bench_report("signal_to_another_cpu", "instructions", cost / SIGNALS);
    }
    user_fixture_destroy(&f);
    if (notification != NULL)
        object_put(notification);
}

/* Bits are set, nobody waits. */
BENCH(signal)
{
    struct user_fixture f;
    struct object *notification;
    if (!user_fixture_init(&f))
        return;
    if (notification_create(NULL, &notification) == OK) {
        uint64_t handle = user_give(&f, notification, object_type_rights(OBJECT_NOTIFICATION));
        (void)run_signals(&f, handle, TURNS);
        uint64_t once = run_signals(&f, handle, TURNS);
        uint64_t twice = run_signals(&f, handle, 2ull * TURNS);
        bench_report("signal", "instructions", (twice - once) / TURNS);
        object_put(notification);
    }
    user_fixture_destroy(&f);
}
