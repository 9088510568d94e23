#include <base/fmt.h>
#include <base/string.h>
#include <base/test.h>

#define EXPECT_FORMAT(expected, ...)                                                               \
    do {                                                                                           \
        char text_[128];                                                                           \
        size_t length_ = format_text(text_, sizeof(text_), __VA_ARGS__);                           \
        EXPECT_STR(text_, expected);                                                               \
        EXPECT_EQ(length_, sizeof(expected) - 1);                                                  \
    } while (0)

TEST(plain_text_and_characters)
{
    EXPECT_FORMAT("100% sure", "100%% %s", "sure");
    EXPECT_FORMAT("[a][  b][c  ]", "[%c][%3c][%-3c]", 'a', 'b', 'c');
    EXPECT_FORMAT("[ab][  ab][ab  ][a]", "[%s][%4s][%-4s][%.1s]", "ab", "ab", "ab", "ab");
    EXPECT_FORMAT("[ab ][ab]", "[%-*s][%.*s]", 3, "ab", 2, "abcd");
    EXPECT_FORMAT("[ab  ]", "[%*s]", -4, "ab");
}

TEST(no_byte_is_read_beyond_the_precision)
{
    const char open[2] = { 'o', 'k' };
    EXPECT_FORMAT("ok", "%.2s", open);
}

TEST(signed_numbers)
{
    EXPECT_FORMAT("0 1 -1", "%d %i %d", 0, 1, -1);
    EXPECT_FORMAT("-2147483648 2147483647", "%d %d", INT32_MIN, INT32_MAX);
    EXPECT_FORMAT("-9223372036854775808", "%lld", (long long)INT64_MIN);
    EXPECT_FORMAT("-5 -6 -7", "%hhd %hd %ld", (signed char)-5, (short)-6, -7L);
    EXPECT_FORMAT("[  -7][-7  ][-007][+7][ 7]", "[%4d][%-4d][%04d][%+d][% d]", -7, -7, -7, 7, 7);
    EXPECT_FORMAT("[ 007][]", "[%4.3d][%.0d]", 7, 0);
}

TEST(unsigned_numbers)
{
    EXPECT_FORMAT("0 4294967295", "%u %u", 0u, UINT32_MAX);
    EXPECT_FORMAT("18446744073709551615", "%llu", (unsigned long long)UINT64_MAX);
    EXPECT_FORMAT("18446744073709551615", "%zu", SIZE_MAX);
    EXPECT_FORMAT("255 65535", "%hhu %hu", (unsigned char)255, (unsigned short)65535);
}

TEST(hexadecimal_numbers)
{
    EXPECT_FORMAT("0 ff FF", "%x %x %X", 0u, 255u, 255u);
    EXPECT_FORMAT("0f 000f 0x1f 0", "%02x %04x %#x %#x", 15u, 15u, 31u, 0u);
    EXPECT_FORMAT("ffffffffffffffff", "%lx", UINT64_MAX);
    EXPECT_FORMAT("00000000deadbeef", "%016llx", 0xdeadbeefULL);
    EXPECT_FORMAT("0x00001f", "%#08x", 31u);
}

TEST(pointers)
{
    EXPECT_FORMAT("0xffffffff80000000", "%p", (void *)(uintptr_t)0xffffffff80000000);
    EXPECT_FORMAT("0x0", "%p", NULL);
}

TEST(text_that_does_not_fit_is_cut_and_told)
{
    char text[4] = { 'x', 'x', 'x', 'x' };
    EXPECT_EQ(format_text(text, sizeof(text), "%d", 12345), 5);
    EXPECT_STR(text, "123");
    EXPECT_EQ(format_text(text, 1, "%d", 12345), 5);
    EXPECT_STR(text, "");
    text[0] = 'k';
    EXPECT_EQ(format_text(text, 0, "%d", 12345), 5);
    EXPECT_EQ(text[0], 'k');
}

/* The compiler refuses these where it can see them, so they arrive through a pointer. */
static size_t unchecked(char *to, size_t size_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t length = format_args(to, size_bytes, format, args);
#pragma GCC diagnostic pop
    va_end(args);
    return length;
}

TEST(an_unknown_conversion_stays_visible)
{
    char text[32];
    unchecked(text, sizeof(text), "a%qb %s", "never read");
    EXPECT_STR(text, "a%qb %s");
    unchecked(text, sizeof(text), "end %");
    EXPECT_STR(text, "end %");
    unchecked(text, sizeof(text), "end %-08l");
    EXPECT_STR(text, "end %-08l");
    unchecked(text, sizeof(text), "%s", (const char *)NULL);
    EXPECT_STR(text, "(null)");
}

TEST(huge_widths_are_bounded)
{
    char text[8];
    EXPECT_EQ(unchecked(text, sizeof(text), "%99999999999999999999d", 1), 4096);
    EXPECT_EQ(unchecked(text, sizeof(text), "%*d", INT32_MIN, 1), 4096);
    EXPECT_EQ(strlen(text), 7);
}
