#include <base/test.h>

#include "string_impl.h"

enum { ROOM = 192 };

static void fill(unsigned char *bytes)
{
    for (unsigned i = 0; i < ROOM; i++)
        bytes[i] = (unsigned char)(i + 1);
}

/* True if `actual` is fill()'s pattern with [to, to + size) replaced by what `from` held. */
static bool is_moved(const unsigned char *actual, size_t to, size_t from, size_t size)
{
    for (size_t i = 0; i < ROOM; i++) {
        size_t source = i >= to && i < to + size ? from + (i - to) : i;
        if (actual[i] != (unsigned char)(source + 1))
            return false;
    }
    return true;
}

static bool moves(size_t to, size_t from, size_t size)
{
    unsigned char bytes[ROOM];
    fill(bytes);
    return memmove(bytes + to, bytes + from, size) == bytes + to && is_moved(bytes, to, from, size);
}

TEST(memmove_is_right_for_every_overlap)
{
    for (size_t i = 0; i < (size_t)20 * 20 * 108; i++)
        EXPECT(moves(i % 20, i / 20 % 20, i / 400));
}

static bool copies(size_t to, size_t from, size_t size)
{
    unsigned char bytes[ROOM];
    fill(bytes);
    return memcpy(bytes + to, bytes + from, size) == bytes + to && is_moved(bytes, to, from, size);
}

TEST(memcpy_copies_exactly_the_bytes_asked_for)
{
    for (size_t i = 0; i < (size_t)9 * 7 * 80; i++)
        EXPECT(copies(96 + i % 9, i / 9 % 7, i / 63));
}

static bool sets(size_t at, int byte, size_t size)
{
    unsigned char bytes[ROOM];
    fill(bytes);
    memset(bytes + at, byte, size);
    for (size_t i = 0; i < ROOM; i++) {
        bool inside = i >= at && i < at + size;
        if (bytes[i] != (inside ? (unsigned char)byte : (unsigned char)(i + 1)))
            return false;
    }
    return true;
}

TEST(memset_sets_exactly_the_bytes_asked_for)
{
    for (size_t size = 0; size <= 150; size++) {
        EXPECT(sets(3, 0xee, size));
        EXPECT(sets(8, 0x1ff, size)); /* only the low byte counts */
        EXPECT(sets(0, -2, size));
    }
}

TEST(memcmp_orders_by_the_first_unsigned_difference)
{
    for (size_t at = 0; at < 20; at++) {
        unsigned char a[20] = { 0 };
        unsigned char b[20] = { 0 };
        EXPECT_EQ(memcmp(a, b, sizeof(a)), 0);
        a[at] = 0x80;
        b[at] = 0x7f;
        EXPECT(memcmp(a, b, sizeof(a)) > 0);
        EXPECT(memcmp(b, a, sizeof(a)) < 0);
        EXPECT_EQ(memcmp(a, b, at), 0);
    }
}

TEST(text_compares_like_unsigned_bytes)
{
    EXPECT_EQ(strcmp("", ""), 0);
    EXPECT_EQ(strcmp("abc", "abc"), 0);
    EXPECT(strcmp("ab", "abc") < 0);
    EXPECT(strcmp("abc", "ab") > 0);
    EXPECT(strcmp("a\x80", "a\x7f") > 0);
    EXPECT_EQ(strncmp("abX", "abY", 2), 0);
    EXPECT(strncmp("abX", "abY", 3) < 0);
    EXPECT_EQ(strncmp("a", "b", 0), 0);
}

TEST(lengths_stop_where_they_must)
{
    const char open[3] = { 'a', 'b', 'c' };
    EXPECT_EQ(strlen(""), 0);
    EXPECT_EQ(strlen("abc"), 3);
    EXPECT_EQ(strnlen(open, sizeof(open)), 3);
    EXPECT_EQ(strnlen("ab", 10), 2);
}

TEST(strchr_finds_the_end_too)
{
    const char *text = "a=b=c";
    EXPECT_EQ(strchr(text, '='), text + 1);
    EXPECT_EQ(strchr(text, 'x'), NULL);
    EXPECT_EQ(strchr(text, '\0'), text + 5);
}

TEST(strlcpy_always_ends_the_text)
{
    char to[4] = { 'x', 'x', 'x', 'x' };
    EXPECT_EQ(strlcpy(to, "abc", sizeof(to)), 3);
    EXPECT_STR(to, "abc");
    EXPECT_EQ(strlcpy(to, "defgh", sizeof(to)), 5);
    EXPECT_STR(to, "def");
    EXPECT_EQ(strlcpy(to, "zz", 0), 2);
    EXPECT_STR(to, "def");
}
