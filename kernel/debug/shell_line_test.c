#if defined(CONFIG_SHELL) || defined(CONFIG_HOST)
#include "shell_line.h"
#include <base/compiler.h>
#include <base/string.h>
#include <base/test.h>

static struct shell_line line;
static char screen[1024];
static size_t screen_length;

static void to_screen(const char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes && screen_length + 1 < sizeof(screen); i++)
        screen[screen_length++] = text[i];
    screen[screen_length] = '\0';
}

static void start(void)
{
    screen_length = 0;
    screen[0] = '\0';
    shell_line_init(&line, to_screen);
}

/* Feed all; the event of the last character. */
static enum shell_line_event type(const char *keys)
{
    enum shell_line_event event = SHELL_LINE_NONE;
    for (; *keys != '\0'; keys++)
        event = shell_line_feed(&line, *keys);
    return event;
}

#define UP   "\x1b[A"
#define DOWN "\x1b[B"

TEST(a_line_is_echoed_and_done_at_enter)
{
    start();
    EXPECT_EQ(type("mem"), SHELL_LINE_NONE);
    EXPECT_EQ(type("\r"), SHELL_LINE_DONE);
    EXPECT_STR(line.text, "mem");
    EXPECT_STR(screen, "mem\n");
    EXPECT_EQ(type("x\n"), SHELL_LINE_DONE);
    EXPECT_STR(line.text, "x");
}

TEST(return_and_newline_together_are_one_end)
{
    start();
    EXPECT_EQ(type("a\r"), SHELL_LINE_DONE);
    EXPECT_EQ(type("\n"), SHELL_LINE_NONE);
    EXPECT_STR(line.text, "a");
    EXPECT_EQ(type("\n"), SHELL_LINE_DONE);
    EXPECT_STR(line.text, "");
}

TEST(keys_edit_the_line)
{
    static const struct {
        const char *keys;
        const char *text;
    } cases[] = {
        { "abc\x7f\r", "ab" },
        { "abc\b\b\b\b\bx\r", "x" },
        { "abc\x15xy\r", "xy" },
        { "a\tb\x01\x80\xff"
          "c\r",
          "abc" },
        { "a\x1b[3~b\r", "ab" },
        { "a\x1bxb\r", "ab" },
        { "a\x1b[1;5Cb\r", "ab" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start();
        EXPECT_EQ(type(cases[i].keys), SHELL_LINE_DONE);
        EXPECT_STR(line.text, cases[i].text);
    }
}

TEST(erasing_wipes_the_screen_and_stops_at_the_start)
{
    start();
    type("ab\b\b\b");
    EXPECT_STR(screen, "ab\b \b\b \b");
}

TEST(ctrl_c_gives_the_line_up)
{
    start();
    EXPECT_EQ(type("rebo\x03"), SHELL_LINE_CANCELLED);
    EXPECT_STR(screen, "rebo^C\n");
    EXPECT_EQ(type("\r"), SHELL_LINE_DONE);
    EXPECT_STR(line.text, "");
    type(UP);
    EXPECT_STR(line.text, "");
}

TEST(history_goes_up_and_down)
{
    start();
    type("one\rtwo\rtwo\r\rthree\r");
    type(UP);
    EXPECT_STR(line.text, "three");
    type(UP);
    EXPECT_STR(line.text, "two");
    type(UP);
    EXPECT_STR(line.text, "one");
    type(UP);
    EXPECT_STR(line.text, "one");
    type(DOWN DOWN);
    EXPECT_STR(line.text, "three");
    type(DOWN);
    EXPECT_STR(line.text, "");
    type(DOWN);
    EXPECT_STR(line.text, "");
    type(UP UP);
    EXPECT_EQ(type("x\r"), SHELL_LINE_DONE);
    EXPECT_STR(line.text, "twox");
    type(UP);
    EXPECT_STR(line.text, "twox");
}

TEST(history_keeps_the_last_lines)
{
    start();
    for (int c = 'a'; c <= 'z'; c++) {
        const char keys[] = { (char)c, '\r', '\0' };
        type(keys);
    }
    for (int i = 0; i < 100; i++)
        type(UP);
    EXPECT_STR(line.text, "k");
}

TEST(a_line_that_is_full_takes_no_more)
{
    start();
    for (int i = 0; i < 2 * SHELL_LINE_MAX; i++)
        type("x");
    EXPECT_EQ(strlen(line.text), SHELL_LINE_MAX - 1);
    EXPECT_EQ(type("\r"), SHELL_LINE_DONE);
    EXPECT_EQ(strlen(line.text), SHELL_LINE_MAX - 1);
    type(UP);
    EXPECT_EQ(strlen(line.text), SHELL_LINE_MAX - 1);
}

TEST(any_bytes_leave_the_line_well_formed)
{
    uint64_t state = test_seed();
    start();
    for (int i = 0; i < 100 * 1000; i++) {
        uint64_t random = test_random(&state);
        static const char common[] = "\r\n\x03\x15\x7f\x1b[AB";
        char rare = (char)(random >> 8);
        char c = common[(random >> 8) % (sizeof(common) - 1)];
        if ((random & 1) != 0)
            c = rare;
        shell_line_feed(&line, c);
        REQUIRE(line.length < SHELL_LINE_MAX && strlen(line.text) == line.length);
        screen_length = 0;
    }
}
#endif
