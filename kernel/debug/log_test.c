#include <base/fmt.h>
#include <base/string.h>
#include <base/test.h>
#include <kernel/log_ring.h>

static struct log_ring ring;

static void ring_fill(uint64_t count)
{
    ring.next = 0;
    for (uint64_t i = 0; i < count; i++) {
        char text[24];
        format_text(text, sizeof(text), "line %llu", (unsigned long long)i);
        log_ring_add(&ring, i % 2 == 0 ? LOG_INFO : LOG_ERROR, text);
    }
}

TEST(a_reader_gets_every_line_in_order)
{
    struct log_record record;
    ring_fill(3);
    EXPECT(log_ring_read(&ring, 0, &record));
    EXPECT_STR(record.text, "line 0");
    EXPECT(log_ring_read(&ring, 1, &record));
    EXPECT_EQ(record.sequence, 1);
    EXPECT_EQ(record.level, LOG_ERROR);
    EXPECT(log_ring_read(&ring, 2, &record));
    EXPECT(!log_ring_read(&ring, 3, &record));
    EXPECT(!log_ring_read(&ring, UINT64_MAX, &record));
    EXPECT_EQ(log_ring_lost(&ring), 0);
}

TEST(a_slow_reader_learns_how_many_lines_it_lost)
{
    struct log_record record;
    ring_fill(LOG_RING_LINES);
    EXPECT_EQ(log_ring_lost(&ring), 0);
    ring_fill(LOG_RING_LINES + 7);
    EXPECT_EQ(log_ring_lost(&ring), 7);
    EXPECT(log_ring_read(&ring, 2, &record));
    EXPECT_EQ(record.sequence, 7);
    EXPECT_STR(record.text, "line 7");
    EXPECT(log_ring_read(&ring, LOG_RING_LINES + 6, &record));
    EXPECT_EQ(record.sequence, LOG_RING_LINES + 6);
}

TEST(a_line_cannot_move_the_cursor_or_forge_another)
{
    char text[LOG_LINE_MAX + 1] = "a\tb\x1b[2Jc\nnext\x7f\n\n";
    log_line_clean(text, strlen(text));
    EXPECT_STR(text, "a b?[2Jc?next?");
    text[0] = '\0';
    log_line_clean(text, 0);
    EXPECT_STR(text, "");
}

TEST(a_long_line_is_cut_with_dots)
{
    char text[LOG_LINE_MAX + 1];
    for (size_t i = 0; i < LOG_LINE_MAX; i++)
        text[i] = 'x';
    text[LOG_LINE_MAX] = '\0';
    log_line_clean(text, LOG_LINE_MAX);
    EXPECT_EQ(strlen(text), LOG_LINE_MAX);
    EXPECT_EQ(text[LOG_LINE_MAX - 1], 'x');
    log_line_clean(text, LOG_LINE_MAX + 1);
    EXPECT_EQ(strlen(text), LOG_LINE_MAX);
    EXPECT_STR(text + LOG_LINE_MAX - 4, "x...");
}

GUEST_TEST(what_is_logged_can_be_read_back)
{
    struct log_record record;
    uint64_t from = log_lost();
    while (log_read(from, &record))
        from = record.sequence + 1;
    log_debug("number %d", 42);
    REQUIRE(log_read(from, &record));
    EXPECT_EQ(record.level, LOG_DEBUG);
    EXPECT_STR(record.text, "number 42");
}
