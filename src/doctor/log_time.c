#include "doctor/log_read.h"

/* Digits at s[at..at+n) as a number; -1 when there are others. */
static int64_t digits(struct str s, size_t at, size_t n)
{
    int64_t value = 0;
    if (at > s.n || s.n - at < n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return -1;
        value = value * 10 + (s.p[i] - '0');
    }
    return value;
}

static char byte_at(struct str s, size_t at)
{
    return at < s.n ? s.p[at] : 0;
}

/* Days since 1970 of the Gregorian calendar: years begin in March, so that leap days end them. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static bool date_at(struct str s, size_t at, int64_t *day)
{
    int64_t y = digits(s, at, 4), m = digits(s, at + 5, 2), d = digits(s, at + 8, 2);
    char sep = byte_at(s, at + 4);
    if (y < 1970 || m < 1 || m > 12 || d < 1 || d > 31 || (sep != '-' && sep != '/') ||
        byte_at(s, at + 7) != sep)
        return false;
    *day = days(y, m, d);
    return true;
}

/* "+01:00", "+0100", "Z" or nothing: minutes east of Greenwich. */
static int64_t zone_at(struct str s, size_t at)
{
    char sign = byte_at(s, at);
    int64_t h = digits(s, at + 1, 2);
    int64_t m = digits(s, at + 3 + (byte_at(s, at + 3) == ':'), 2);
    if ((sign != '+' && sign != '-') || h < 0 || h > 14 || m < 0 || m > 59)
        return 0;
    return (sign == '-' ? -1 : 1) * (h * 60 + m);
}

static bool time_at(struct str s, size_t at, int64_t *time_ms)
{
    int64_t day, h = digits(s, at + 11, 2), m = digits(s, at + 14, 2), sec = digits(s, at + 17, 2);
    char between = byte_at(s, at + 10);
    if (h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 ||
        (between != 'T' && between != ' ') || byte_at(s, at + 13) != ':' ||
        byte_at(s, at + 16) != ':' || !date_at(s, at, &day))
        return false;
    int64_t ms = 0, unit = 100;
    size_t end = at + 19;
    if (byte_at(s, end) == '.' || byte_at(s, end) == ',')
        for (end++; ascii_is_digit(byte_at(s, end)); end++, unit /= 10)
            ms += (s.p[end] - '0') * unit;
    *time_ms = (((day * 24 + h) * 60 + m - zone_at(s, end)) * 60 + sec) * 1000 + ms;
    return true;
}

/* Milliseconds since 1970, as CloudWatch's exports have them: 13 digits, of 2001 to 2096. */
static bool epoch_at(struct str s, size_t at, size_t n, int64_t *time_ms)
{
    int64_t ms = n == 13 ? digits(s, at, n) : -1;
    if (ms < 1000000000000 || ms > 4000000000000)
        return false;
    *time_ms = ms;
    return true;
}

bool log_time(struct str line, int64_t *time_ms)
{
    enum { FAR = 512 }; /* prefixes of log services are shorter */
    struct str s = str_first(line, FAR);
    for (size_t at = 0; at < s.n;) {
        size_t n = 0;
        while (ascii_is_digit(byte_at(s, at + n)))
            n++;
        if ((n == 4 && time_at(s, at, time_ms)) || epoch_at(s, at, n, time_ms))
            return true;
        at += n + 1;
    }
    return false;
}
