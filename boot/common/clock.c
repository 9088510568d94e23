/* See clock.h. */

#include <boot/clock.h>

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool clock_to_unix(const struct clock_date *date, int64_t *seconds_out)
{
    static const uint8_t month_days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (date->year < 1970 || date->year > 9999 || date->month < 1 || date->month > 12 ||
        date->day < 1 || date->hour > 23 || date->minute > 59 || date->second > 60)
        return false;
    unsigned last = month_days[date->month - 1];
    if (date->month == 2 && is_leap(date->year))
        last++;
    if (date->day > last)
        return false;

    unsigned before = date->year - 1;
    int64_t days = (int64_t)(date->year - 1970) * 365 + before / 4 - before / 100 + before / 400 -
                   (1969 / 4 - 1969 / 100 + 1969 / 400);
    for (unsigned month = 1; month < date->month; month++)
        days += month_days[month - 1] + (month == 2 && is_leap(date->year) ? 1 : 0);
    days += date->day - 1;
    *seconds_out = ((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
    return true;
}
