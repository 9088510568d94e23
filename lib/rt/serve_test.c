/* The service loop against a kernel that plays a script (ipc_fake.h). */
#include <base/compiler.h>
#include <base/test.h>
#include <rt/clock.h>
#include <rt/ipc.h>
#include <rt/serve.h>

#include "ipc_fake.h"

enum { ENDPOINT = 31, REPLY = 32, LABEL = 4, ACCEPT = 2 };

static struct {
    unsigned served, late;
    uint64_t bits;
} seen;

static void serve(void *context, struct ipc_message *message)
{
    (void)context;
    seen.served++;
    message->word[0] += 1;
    message->info = ipc_info(ipc_info_label(message->info), 1);
}

static void signalled(void *context, uint64_t bits)
{
    (void)context;
    seen.bits |= bits;
}

static uint64_t deadline(void *context)
{
    (void)context;
    return 12345;
}

static void late(void *context)
{
    (void)context;
    seen.late++;
}

static struct rt_server begin(void)
{
    fake_kernel_reset();
    seen.served = seen.late = 0;
    seen.bits = 0;
    return (
        struct rt_server){ .endpoint = ENDPOINT, .reply = REPLY, .accept = ACCEPT, .serve = serve };
}

static void step_call(uint64_t word)
{
    struct ipc_message message = { .info = ipc_info(LABEL, 1) | IPC_INFO_CALL, .word = { word } };
    fake_kernel_step(OK, &message);
}

TEST(a_call_is_answered_with_the_next_wait)
{
    struct rt_server server = begin();
    step_call(7);
    EXPECT_EQ(rt_serve(&server), ERR_NOT_FOUND);
    EXPECT_EQ(seen.served, 1);
    EXPECT_EQ(fake_kernel.call[0].number, SYSCALL_ipc_receive);
    EXPECT_EQ(fake_kernel.call[0].endpoint, ENDPOINT);
    EXPECT_EQ(fake_kernel.call[0].reply, REPLY);
    EXPECT_EQ(fake_kernel.call[0].deadline_ns, DEADLINE_NEVER);
    EXPECT_EQ(ipc_info_accepts(fake_kernel.call[0].message.info), ACCEPT);
    EXPECT_EQ(fake_kernel.call[1].number, SYSCALL_ipc_reply_receive);
    EXPECT_EQ(fake_kernel.call[1].message.word[0], 8);
    EXPECT_EQ(ipc_info_label(fake_kernel.call[1].message.info), LABEL);
    EXPECT_EQ(ipc_info_accepts(fake_kernel.call[1].message.info), ACCEPT);
}

TEST(what_was_sent_and_not_called_gets_no_answer)
{
    struct rt_server server = begin();
    struct ipc_message message = { .info = ipc_info(LABEL, 1) };
    fake_kernel_step(OK, &message);
    (void)rt_serve(&server);
    EXPECT_EQ(seen.served, 1);
    EXPECT_EQ(fake_kernel.call[1].number, SYSCALL_ipc_receive);
}

TEST(a_signal_is_no_message)
{
    struct rt_server server = begin();
    struct ipc_message message = { .info = IPC_INFO_SIGNAL | IPC_INFO_CALL, .word = { 6 } };
    fake_kernel_step(OK, &message);
    fake_kernel_step(OK, &message);
    server.signal = signalled;
    (void)rt_serve(&server);
    EXPECT_EQ(seen.served, 0);
    EXPECT_EQ(seen.bits, 6);
    EXPECT_EQ(fake_kernel.call[1].number, SYSCALL_ipc_receive);
    server = begin(); /* nobody listens: it is passed over */
    fake_kernel_step(OK, &message);
    (void)rt_serve(&server);
    EXPECT_EQ(seen.served, 0);
}

TEST(a_deadline_is_asked_for_and_its_work_done)
{
    struct rt_server server = begin();
    fake_kernel_step(ERR_TIMED_OUT, NULL);
    fake_kernel_step(ERR_CANCELLED, NULL);
    fake_kernel_step(ERR_TIMED_OUT, NULL);
    server.deadline = deadline;
    server.late = late;
    EXPECT_EQ(rt_serve(&server), ERR_NOT_FOUND);
    EXPECT_EQ(seen.late, 2);
    EXPECT_EQ(fake_kernel.call[0].deadline_ns, 12345);
}

/* The caller waits for one: it must learn that there is none. */
TEST(an_answer_that_cannot_be_given_becomes_a_refusal)
{
    static const enum status reasons[] = { ERR_INVALID, ERR_NOT_FOUND, ERR_ACCESS,
                                           ERR_LIMIT,   ERR_BUSY,      ERR_NO_MEMORY };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        struct rt_server server = begin();
        step_call(7);
        fake_kernel_step(reasons[i], NULL);
        fake_kernel_step(ERR_DEAD, NULL);
        EXPECT_EQ(rt_serve(&server), ERR_DEAD);
        EXPECT_EQ(fake_kernel.call[2].number, SYSCALL_ipc_reply_receive);
        EXPECT_EQ(fake_kernel.call[2].message.word[0], reasons[i]);
        EXPECT_EQ(ipc_info_label(fake_kernel.call[2].message.info), LABEL);
        EXPECT_EQ(ipc_info_accepts(fake_kernel.call[2].message.info), ACCEPT);
    }
}

TEST(an_answer_that_was_given_is_not_given_twice)
{
    struct rt_server server = begin();
    step_call(7);
    fake_kernel_step(ERR_TIMED_OUT, NULL); /* the answer went out, no message came */
    EXPECT_EQ(rt_serve(&server), ERR_NOT_FOUND);
    EXPECT_EQ(fake_kernel.call[1].number, SYSCALL_ipc_reply_receive);
    EXPECT_EQ(fake_kernel.call[2].number, SYSCALL_ipc_receive);
}

TEST(a_reply_is_made_where_there_is_none)
{
    struct rt_server server = begin();
    server.reply = 0;
    (void)rt_serve(&server);
    EXPECT_EQ(fake_kernel.call[0].reply, 77);
    server = begin();
    server.reply = 0;
    fake_kernel.create = ERR_LIMIT;
    EXPECT_EQ(rt_serve(&server), ERR_LIMIT);
    EXPECT_EQ(fake_kernel.call_count, 0);
}
