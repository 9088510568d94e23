#include <base/string.h>
#include <base/test.h>

#include "cmdline_impl.h"

TEST(words_are_found_with_and_without_value)
{
    static const struct {
        const char *cmdline;
        const char *value; /* of "test"; NULL: absent */
    } cases[] = {
        { "", NULL },
        { "   ", NULL },
        { "test", "" },
        { "test=", "" },
        { "test=all", "all" },
        { "  test=all  ", "all" },
        { "a=b test=x=y c", "x=y" },
        { "testing=1 test=2 test=3", "2" },
        { "testing", NULL },
        { "tes", NULL },
        { "a=test", NULL },
        { "=test", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t length = 0;
        const char *value = cmdline_find(cases[i].cmdline, "test", &length);
        EXPECT_EQ(value == NULL, cases[i].value == NULL);
        if (value != NULL && cases[i].value != NULL) {
            EXPECT_EQ(length, strlen(cases[i].value));
            EXPECT_EQ(strncmp(value, cases[i].value, length), 0);
        }
    }
}

TEST(numbers_are_whole_or_refused)
{
    static const struct {
        const char *text;
        enum status status;
        uint64_t value;
    } cases[] = {
        { "0", OK, 0 },
        { "42", OK, 42 },
        { "0x1F", OK, 31 },
        { "18446744073709551615", OK, UINT64_MAX },
        { "18446744073709551616", ERR_RANGE, 0 },
        { "0x10000000000000000", ERR_RANGE, 0 },
        { "", ERR_FORMAT, 0 },
        { "0x", ERR_FORMAT, 0 },
        { "-1", ERR_FORMAT, 0 },
        { "12a", ERR_FORMAT, 0 },
        { "0xg", ERR_FORMAT, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 0;
        EXPECT_EQ(cmdline_parse_number(cases[i].text, strlen(cases[i].text), &value),
                  cases[i].status);
        if (cases[i].status == OK)
            EXPECT_EQ(value, cases[i].value);
    }
}

TEST(a_typing_error_is_not_a_known_word)
{
    EXPECT(cmdline_known("test=all", 8));
    EXPECT(cmdline_known("panic", 5));
    EXPECT(!cmdline_known("tset=all", 8));
    EXPECT(!cmdline_known("tests", 5));
    EXPECT(!cmdline_known("=", 1));
}
