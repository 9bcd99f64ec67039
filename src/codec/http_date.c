#include "codec/http_date.h"

/*
 * The three forms. A letter takes a part of the value: W a weekday's short name, L its long one,
 * M a month, D two digits of a day, E the same with a space for a leading zero, y and Y a year of
 * two and of four digits, h m s the time, Z the zone. Anything else stands for itself.
 */
static const char *const forms[] = {
    "W, D M Y h:m:s Z", /* Sun, 06 Nov 1994 08:49:37 GMT */
    "L, D-M-y h:m:s Z", /* Sunday, 06-Nov-94 08:49:37 GMT */
    "W M E h:m:s Y",    /* Sun Nov  6 08:49:37 1994 */
};

static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

enum { N_WEEKDAYS = 7, N_MONTHS = 12, SHORT_BYTES = 3 };

struct when {
    unsigned year, month, day, hour, minute, second;
};

static bool take(struct str *rest, struct str part)
{
    if (!str_starts(*rest, part))
        return false;
    *rest = str_from(*rest, part.n);
    return true;
}

static bool take_digits(struct str *rest, unsigned n, unsigned *out)
{
    uint64_t v;
    if (rest->n < n || !str_to_u64(str_first(*rest, n), &v))
        return false;
    *out = (unsigned)v;
    *rest = str_from(*rest, n);
    return true;
}

/* Names are case-sensitive. */
static bool take_name(struct str *rest, const char *const *names, unsigned n, size_t name_bytes,
                      unsigned *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (take(rest, str_first(str_from_c(names[i]), name_bytes))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool take_part(struct str *rest, char letter, struct when *w)
{
    unsigned weekday;
    switch (letter) {
    case 'W':
        return take_name(rest, weekdays, N_WEEKDAYS, SHORT_BYTES, &weekday);
    case 'L':
        return take_name(rest, weekdays, N_WEEKDAYS, SIZE_MAX, &weekday);
    case 'M':
        return take_name(rest, months, N_MONTHS, SHORT_BYTES, &w->month);
    case 'E':
        return take(rest, STR(" ")) ? take_digits(rest, 1, &w->day) : take_digits(rest, 2, &w->day);
    case 'D':
        return take_digits(rest, 2, &w->day);
    case 'Y':
        return take_digits(rest, 4, &w->year);
    case 'y':
        if (!take_digits(rest, 2, &w->year))
            return false;
        w->year += w->year < 70 ? 2000 : 1900;
        return true;
    case 'h':
        return take_digits(rest, 2, &w->hour);
    case 'm':
        return take_digits(rest, 2, &w->minute);
    case 's':
        return take_digits(rest, 2, &w->second);
    case 'Z':
        return take(rest, STR("GMT"));
    default:
        return take(rest, str_of(&letter, 1));
    }
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Of the Gregorian calendar, since 1970; negative before. month: 0 to 11. */
static int64_t days_before(unsigned year, unsigned month)
{
    static const unsigned short before[N_MONTHS] = { 0,   31,  59,  90,  120, 151,
                                                     181, 212, 243, 273, 304, 334 };
    /* Leap days of the years 0 to year - 1; year 0 is one. */
    int64_t leap_days = year == 0 ? 0 : (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
    return (int64_t)year * 365 + leap_days + before[month] + (month > 1 && is_leap(year)) - 719528;
}

static bool is_possible(const struct when *w)
{
    static const uint8_t longest[N_MONTHS] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    unsigned days = longest[w->month] + (w->month == 1 && is_leap(w->year));
    /* 60 is a leap second's. */
    return w->day >= 1 && w->day <= days && w->hour < 24 && w->minute < 60 && w->second <= 60;
}

bool http_date_parse(struct str value, int64_t *unix_s)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct when w = { 0 };
        struct str rest = value;
        const char *form = forms[i];
        while (*form != 0 && take_part(&rest, *form, &w))
            form++;
        if (*form == 0 && rest.n == 0 && is_possible(&w)) {
            int64_t days = days_before(w.year, w.month) + w.day - 1;
            *unix_s = ((days * 24 + w.hour) * 60 + w.minute) * 60 + w.second;
            return true;
        }
    }
    return false;
}
