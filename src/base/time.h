/* Civil time without time zones: everything is UTC and proleptic Gregorian. */
#ifndef OD_BASE_TIME_H
#define OD_BASE_TIME_H

#include "base/str.h"

struct od_civil {
    int64_t year;
    int month; /* 1-12 */
    int day;   /* 1-31 */
    int hour, minute, second;
    int weekday; /* 0 = Sunday */
};

void od_time_civil(int64_t unix_s, struct od_civil *out);
int64_t od_time_unix(const struct od_civil *civil); /* weekday is ignored */
/* "20240131T235959Z" (SigV4). False when it is not exactly that form or no such date. */
bool od_time_parse_basic(struct od_str text, int64_t *out_unix_s);
/* "2024-01-31T23:59:59Z", fraction and +hh:mm offset allowed. Milliseconds since 1970. */
bool od_time_parse_iso(struct od_str text, int64_t *out_unix_ms);
#define OD_TIME_TEXT 40
void od_time_format_iso(int64_t unix_ms, char out[OD_TIME_TEXT]); /* 2024-01-31T23:59:59.123Z */
void od_time_format_http(int64_t unix_s,
                         char out[OD_TIME_TEXT]); /* Wed, 31 Jan 2024 23:59:59 GMT */
void od_time_format_basic(int64_t unix_s, char out[OD_TIME_TEXT]); /* 20240131T235959Z */

#endif
