/* Records come back as they were written; what is lost is counted; a log that lies is no log. */
#include <base/string.h>
#include <base/test.h>
#include <container/log.h>

enum { ROOM = 4096 };

static union {
    struct container_log log;
    uint8_t bytes[sizeof(struct container_log) + ROOM];
} t;
static uint8_t data[LOG_DATA_MAX];

static void fresh(void)
{
    memset(&t, 0, sizeof(t));
    EXPECT_EQ(container_log_open(&t.log, sizeof(t)), OK);
}

static enum status append(uint32_t session, uint16_t size_bytes)
{
    struct log_record record = { .time_ns = session * 10ull,
                                 .session = session,
                                 .stream = LOG_STREAM_OUTPUT,
                                 .size_bytes = size_bytes };
    memset(data, (int)(session & 0xff), sizeof(data));
    return container_log_append(&t.log, &record, data);
}

static enum status read_next(uint64_t *position, struct log_record *record, uint64_t *lost)
{
    return container_log_read(&t.log, sizeof(t), position, record, data, lost);
}

TEST(records_come_back_in_order)
{
    fresh();
    uint64_t position = 0, lost;
    struct log_record record;
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_NOT_FOUND);
    for (uint32_t i = 1; i <= 5; i++)
        EXPECT_EQ(append(i, (uint16_t)(i * 7)), OK);
    for (uint32_t i = 1; i <= 5; i++) {
        EXPECT_EQ(read_next(&position, &record, &lost), OK);
        EXPECT_EQ(record.session, i);
        EXPECT_EQ(record.size_bytes, i * 7);
        EXPECT_EQ(record.time_ns, i * 10);
        EXPECT_EQ(data[0], i);
        EXPECT_EQ(data[i * 7 - 1], i);
        EXPECT_EQ(lost, 0);
    }
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_NOT_FOUND);
}

TEST(what_is_lost_is_counted)
{
    fresh();
    uint64_t position = 0, lost, all = 0;
    struct log_record record;
    for (uint32_t i = 1; i <= 200; i++) {
        EXPECT_EQ(append(i, 100), OK);
        all += sizeof(record) + 104;
    }
    EXPECT_EQ(read_next(&position, &record, &lost), OK);
    EXPECT_EQ(lost, t.log.tail);
    EXPECT_EQ(t.log.head, all);
    EXPECT_EQ(record.session, 1 + lost / (sizeof(record) + 104));
    EXPECT_EQ(data[99], record.session & 0xff);
    EXPECT_EQ(t.log.dropped, (record.session - 1) * 100ull);
    for (uint32_t next = record.session + 1; next <= 200; next++) {
        EXPECT_EQ(read_next(&position, &record, &lost), OK);
        EXPECT_EQ(record.session, next);
    }
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_NOT_FOUND);
}

TEST(what_is_too_large_is_refused)
{
    fresh();
    EXPECT_EQ(append(1, LOG_DATA_MAX), ERR_RANGE);
    EXPECT_EQ(append(1, ROOM / 8), ERR_RANGE);
    EXPECT_EQ(t.log.head, 0);
    EXPECT_EQ(container_log_open(&t.log, sizeof(t.log)), ERR_RANGE);
}

TEST(a_log_that_lies_is_no_log)
{
    uint64_t position = 0, lost;
    struct log_record record;
    fresh();
    EXPECT_EQ(append(1, 8), OK);
    t.log.room = sizeof(t);
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_FORMAT);
    t.log.room = 1023;
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_FORMAT);
    fresh();
    EXPECT_EQ(append(1, 8), OK);
    ((struct log_record *)(&t.log + 1))->size_bytes = 0xffff;
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_FORMAT);
    fresh();
    position = 8; /* beyond what there is */
    EXPECT_EQ(read_next(&position, &record, &lost), ERR_FORMAT);
}
