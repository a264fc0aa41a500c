/* Civil time: days are counted from 0000-03-01 so that the leap day ends a year. See time.h. */
#include "base/time.h"

#include <stdio.h>

#define DAY 86400

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = floor_div(y, 400);
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void od_time_civil(int64_t unix_s, struct od_civil *out)
{
    int64_t days = floor_div(unix_s, DAY);
    int64_t rest = unix_s - days * DAY;
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    out->year = yoe + era * 400 + (out->month <= 2);
    out->hour = (int)(rest / 3600);
    out->minute = (int)(rest / 60 % 60);
    out->second = (int)(rest % 60);
    out->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

int64_t od_time_unix(const struct od_civil *c)
{
    return days_from_civil(c->year, c->month, c->day) * DAY + c->hour * 3600 + c->minute * 60 +
           c->second;
}

/* Reads count digits at *at and moves on. */
static bool digits(struct od_str s, size_t *at, int count, int *out)
{
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (*at >= s.len || s.ptr[*at] < '0' || s.ptr[*at] > '9')
            return false;
        v = v * 10 + (s.ptr[(*at)++] - '0');
    }
    *out = v;
    return true;
}

static bool literal(struct od_str s, size_t *at, char c)
{
    if (*at >= s.len || s.ptr[*at] != c)
        return false;
    (*at)++;
    return true;
}

/* A date that exists: converting there and back changes nothing. */
static bool to_unix(const struct od_civil *c, int64_t *out)
{
    if (c->month < 1 || c->month > 12 || c->hour > 23 || c->minute > 59 || c->second > 60)
        return false;
    int64_t t = od_time_unix(c);
    struct od_civil back;
    od_time_civil(days_from_civil(c->year, c->month, c->day) * DAY, &back);
    if (back.day != c->day || back.month != c->month)
        return false;
    *out = t;
    return true;
}

bool od_time_parse_basic(struct od_str s, int64_t *out)
{
    struct od_civil c = {0};
    int year;
    size_t at = 0;
    if (s.len != 16 || !digits(s, &at, 4, &year) || !digits(s, &at, 2, &c.month) ||
        !digits(s, &at, 2, &c.day) || !literal(s, &at, 'T') || !digits(s, &at, 2, &c.hour) ||
        !digits(s, &at, 2, &c.minute) || !digits(s, &at, 2, &c.second) || !literal(s, &at, 'Z'))
        return false;
    c.year = year;
    return to_unix(&c, out);
}

static bool parse_zone(struct od_str s, size_t *at, int *out_offset_s)
{
    int hour, minute;
    *out_offset_s = 0;
    if (literal(s, at, 'Z'))
        return *at == s.len;
    int sign = *at < s.len && s.ptr[*at] == '-' ? -1 : 1;
    if (!literal(s, at, sign < 0 ? '-' : '+') || !digits(s, at, 2, &hour) || !literal(s, at, ':') ||
        !digits(s, at, 2, &minute))
        return false;
    *out_offset_s = sign * (hour * 3600 + minute * 60);
    return *at == s.len && hour < 24 && minute < 60;
}

bool od_time_parse_iso(struct od_str s, int64_t *out)
{
    struct od_civil c = {0};
    int year, offset, ms = 0, scale = 100;
    size_t at = 0;
    if (!digits(s, &at, 4, &year) || !literal(s, &at, '-') || !digits(s, &at, 2, &c.month) ||
        !literal(s, &at, '-') || !digits(s, &at, 2, &c.day) || !literal(s, &at, 'T') ||
        !digits(s, &at, 2, &c.hour) || !literal(s, &at, ':') || !digits(s, &at, 2, &c.minute) ||
        !literal(s, &at, ':') || !digits(s, &at, 2, &c.second))
        return false;
    if (literal(s, &at, '.')) {
        for (int d; digits(s, &at, 1, &d); scale /= 10)
            ms += d * scale;
    }
    int64_t t;
    c.year = year;
    if (!parse_zone(s, &at, &offset) || !to_unix(&c, &t))
        return false;
    *out = (t - offset) * 1000 + ms;
    return true;
}

void od_time_format_iso(int64_t unix_ms, char out[OD_TIME_TEXT])
{
    struct od_civil c;
    int64_t s = floor_div(unix_ms, 1000);
    od_time_civil(s, &c);
    snprintf(out, OD_TIME_TEXT, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)c.year % 100000,
             c.month, c.day, c.hour, c.minute, c.second, (int)(unix_ms - s * 1000));
}

void od_time_format_http(int64_t unix_s, char out[OD_TIME_TEXT])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct od_civil c;
    od_time_civil(unix_s, &c);
    snprintf(out, OD_TIME_TEXT, "%.3s, %02d %.3s %04lld %02d:%02d:%02d GMT", days + 3 * c.weekday,
             c.day, months + 3 * (c.month - 1), (long long)c.year % 100000, c.hour, c.minute,
             c.second);
}

void od_time_format_basic(int64_t unix_s, char out[OD_TIME_TEXT])
{
    struct od_civil c;
    od_time_civil(unix_s, &c);
    snprintf(out, OD_TIME_TEXT, "%04lld%02d%02dT%02d%02d%02dZ", (long long)c.year % 100000, c.month,
             c.day, c.hour, c.minute, c.second);
}
