/* Messages of strangers, taken apart; and the fake kernel that this test and serve_test.c share. */
#include <base/string.h>
#include <base/test.h>
#include <rt/ipc.h>
#include <rt/protocol.h>
#include <rt/startup.h>

#include "ipc_fake.h"

struct fake_kernel fake_kernel;

void fake_kernel_reset(void)
{
    fake_kernel = (struct fake_kernel){ .create = OK };
}

void fake_kernel_step(enum status status, const struct ipc_message *message)
{
    REQUIRE(fake_kernel.step_count < FAKE_STEPS);
    fake_kernel.step[fake_kernel.step_count].status = status;
    if (message != NULL)
        fake_kernel.step[fake_kernel.step_count].message = *message;
    fake_kernel.step_count++;
}

enum status ipc_raw(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t deadline_ns,
                    struct ipc_message *message)
{
    unsigned n = fake_kernel.call_count;
    if (n == FAKE_STEPS)
        return ERR_NOT_FOUND;
    fake_kernel.call[fake_kernel.call_count++] =
        (struct fake_call){ number, endpoint, reply, deadline_ns, *message };
    if (n >= fake_kernel.step_count)
        return ERR_NOT_FOUND;
    if (fake_kernel.step[n].status == OK)
        *message = fake_kernel.step[n].message;
    return fake_kernel.step[n].status;
}

enum status handle_close(uint64_t handle)
{
    if (fake_kernel.closed_count < FAKE_STEPS)
        fake_kernel.closed[fake_kernel.closed_count++] = handle;
    return OK;
}

enum status object_create(uint64_t budget, enum object_type type, uint64_t *object_out)
{
    (void)budget;
    (void)type;
    *object_out = 77;
    return fake_kernel.create;
}

uint64_t rt_budget(void)
{
    return 5;
}

/* ---- Calls ---- */

enum { LABEL = 9 };

static enum status call_answered(uint64_t info, uint64_t word_0, uint64_t word_1)
{
    struct ipc_message answer = { .info = info, .word = { word_0, word_1, 103, 104 } };
    struct ipc_message message = { .info = ipc_info(LABEL, 1), .word = { 1 } };
    fake_kernel_reset();
    fake_kernel_step(OK, &answer);
    return protocol_call(3, &message, 1000);
}

TEST(an_answer_brings_its_status_first)
{
    EXPECT_EQ(call_answered(ipc_info(LABEL, 1), OK, 0), OK);
    EXPECT_EQ(fake_kernel.call[0].endpoint, 3);
    EXPECT_EQ(fake_kernel.call[0].deadline_ns, 1000);
    EXPECT_EQ(call_answered(ipc_info(LABEL, 1), ERR_RANGE, 0), ERR_RANGE);
}

TEST(a_call_that_fails_is_that_failure)
{
    struct ipc_message message = { .info = ipc_info(LABEL, 1) };
    fake_kernel_reset();
    fake_kernel_step(ERR_DEAD, NULL);
    EXPECT_EQ(protocol_call(3, &message, 0), ERR_DEAD);
}

TEST(an_answer_of_another_shape_is_no_answer)
{
    EXPECT_EQ(call_answered(ipc_info(LABEL + 1, 1), OK, 0), ERR_FORMAT);
    EXPECT_EQ(call_answered(ipc_info(LABEL, 0), OK, 0), ERR_FORMAT);
    EXPECT_EQ(call_answered(ipc_info(LABEL, 1), 256, 0), ERR_FORMAT);
    EXPECT_EQ(call_answered(ipc_info(LABEL, 1), UINT64_MAX, 0), ERR_FORMAT);
}

/* What a failed call brought may not stay in the table. */
TEST(handles_of_a_bad_answer_are_closed)
{
    EXPECT_EQ(call_answered(ipc_info_with(LABEL, 4, 2, 0), ERR_BUSY, 102), ERR_BUSY);
    EXPECT_EQ(fake_kernel.closed_count, 2);
    EXPECT_EQ(fake_kernel.closed[0] + fake_kernel.closed[1], 103 + 104);
    EXPECT_EQ(call_answered(ipc_info_with(LABEL + 1, 4, 1, 0), OK, 102), ERR_FORMAT);
    EXPECT_EQ(fake_kernel.closed_count, 1);
    EXPECT_EQ(call_answered(ipc_info_with(LABEL, 4, 2, 0), OK, 102), OK);
    EXPECT_EQ(fake_kernel.closed_count, 0);
    /* More handles than words, more words than there are: nothing that is no handle is closed. */
    EXPECT_EQ(call_answered(ipc_info_with(LABEL, 1, 4, 0), ERR_BUSY, 0), ERR_BUSY);
    EXPECT_EQ(fake_kernel.closed_count, 1);
    EXPECT_EQ(call_answered(ipc_info_with(LABEL, 15, 2, 0), ERR_BUSY, 0), ERR_BUSY);
    EXPECT_EQ(fake_kernel.closed_count, 0);
}

TEST(a_refusal_keeps_the_label_and_nothing_else)
{
    struct ipc_message message = { .info = ipc_info_with(LABEL, 2, 1, 0), .word = { 1, 42 } };
    fake_kernel_reset();
    protocol_refuse(&message, ERR_ACCESS);
    EXPECT_EQ(message.info, ipc_info(LABEL, 1));
    EXPECT_EQ(message.word[0], ERR_ACCESS);
    EXPECT_EQ(fake_kernel.closed_count, 1);
    EXPECT_EQ(fake_kernel.closed[0], 42);
}

TEST(a_shape_is_words_and_handles)
{
    struct ipc_message message = { .info = ipc_info_with(LABEL, 3, 1, 0) };
    EXPECT(protocol_shape(&message, 3, 1));
    EXPECT(!protocol_shape(&message, 2, 1));
    EXPECT(!protocol_shape(&message, 3, 0));
}

/* ---- Bytes ---- */

TEST(bytes_come_out_as_they_went_in)
{
    static const char text[] = "twenty bytes of text";
    for (size_t size = 0; size <= sizeof(text) - 1; size++) {
        struct ipc_message message = { 0 };
        char to[sizeof(text)] = { 0 };
        size_t got = SIZE_MAX;
        unsigned words = protocol_put_bytes(&message, 2, text, size);
        EXPECT_EQ(words, 3 + (size + 7) / 8);
        message.info = ipc_info(LABEL, words);
        EXPECT(protocol_take_bytes(&message, 2, to, size, &got));
        EXPECT_EQ(got, size);
        EXPECT_EQ(memcmp(to, text, size), 0);
        EXPECT_EQ(to[size], '\0');
        EXPECT(size == 0 || !protocol_take_bytes(&message, 2, to, size - 1, &got));
    }
}

TEST(bytes_that_lie_about_their_size_are_refused)
{
    char to[64];
    size_t got;
    static const struct {
        uint64_t info;
        uint64_t size_bytes;
    } lies[] = {
        { (uint64_t)1 << IPC_INFO_WORDS, 0 },          /* no word for the size */
        { (uint64_t)3 << IPC_INFO_WORDS, 17 },         /* more than the words hold */
        { (uint64_t)5 << IPC_INFO_WORDS, 8 },          /* words that it says nothing of */
        { (uint64_t)3 << IPC_INFO_WORDS, UINT64_MAX }, /* wraps around */
        { (uint64_t)3 << IPC_INFO_WORDS | (uint64_t)1 << IPC_INFO_CAPABILITIES, 8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct ipc_message message = { .info = lies[i].info, .word = { 0, lies[i].size_bytes } };
        EXPECT(!protocol_take_bytes(&message, 1, to, sizeof(to), &got));
    }
}
