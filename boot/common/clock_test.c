/* Dates of the clocks. */
#include <base/test.h>
#include <boot/clock.h>

TEST(dates_become_seconds_since_1970)
{
    static const struct {
        struct clock_date date;
        int64_t seconds;
    } cases[] = {
        { { 1970, 1, 1, 0, 0, 0 }, 0 },
        { { 1972, 2, 29, 12, 0, 0 }, 68212800 },
        { { 1999, 12, 31, 23, 59, 59 }, 946684799 },
        { { 2000, 2, 29, 0, 0, 0 }, 951782400 },
        { { 2000, 3, 1, 0, 0, 0 }, 951868800 },
        { { 2026, 11, 23, 0, 30, 0 }, 1795393800 },
        { { 2100, 3, 1, 0, 0, 0 }, 4107542400 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t seconds = -1;
        EXPECT(clock_to_unix(&cases[i].date, &seconds));
        EXPECT_EQ(seconds, cases[i].seconds);
    }
}

TEST(what_is_no_date_is_refused)
{
    static const struct clock_date bad[] = {
        { 1969, 12, 31, 0, 0, 0 }, { 2026, 0, 1, 0, 0, 0 },  { 2026, 13, 1, 0, 0, 0 },
        { 2026, 1, 0, 0, 0, 0 },   { 2026, 1, 32, 0, 0, 0 }, { 2026, 2, 29, 0, 0, 0 },
        { 2100, 2, 29, 0, 0, 0 },  { 2026, 1, 1, 24, 0, 0 }, { 2026, 1, 1, 0, 60, 0 },
        { 2026, 1, 1, 0, 0, 61 },  { 10000, 1, 1, 0, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t seconds;
        EXPECT(!clock_to_unix(&bad[i], &seconds));
    }
}
