/* The CSV automaton over many bytes at once: see csv.h.
 *
 *   state       "        ,        \n         \        other
 *   AT_RECORD   QUOTED   AT_CELL  AT_RECORD  BARE     BARE
 *   AT_CELL     QUOTED   AT_CELL  AT_RECORD  BARE     BARE
 *   BARE        BARE     AT_CELL  AT_RECORD  BARE     BARE
 *   QUOTED      CLOSED   QUOTED   QUOTED     ESCAPED  QUOTED
 *   ESCAPED     QUOTED   QUOTED   QUOTED     QUOTED   QUOTED
 *   CLOSED      QUOTED   AT_CELL  AT_RECORD  BARE     BARE
 *
 * Records with faults are given states as well (a stray quote is a byte like any other), so that
 * every input has exactly one division into records, whichever way it is cut into blocks.
 *
 * Outside of quotes the state behind a run without quotes follows from its last byte alone, and
 * inside of quotes only quotes and backslashes matter: both are found with memchr. A survey follows
 * all six states at once; starting in different states they soon agree on all but "inside" and
 * "outside", often on those too, so equal ones are followed once. */
#include "data/csv.h"

#include <string.h>

#include "data/csv_kernel.h"

#define FIRST_PIECE 32   /* short, so that states fall together early */
#define PIECE       4096 /* stays in the first cache while it is walked and counted */

static enum od_csv_state step(enum od_csv_state state, char c)
{
    switch (state) {
    case OD_CSV_QUOTED:
        return c == '"' ? OD_CSV_CLOSED : c == '\\' ? OD_CSV_ESCAPED : OD_CSV_QUOTED;
    case OD_CSV_ESCAPED:
        return OD_CSV_QUOTED;
    case OD_CSV_AT_RECORD:
    case OD_CSV_AT_CELL:
    case OD_CSV_CLOSED:
        if (c == '"')
            return OD_CSV_QUOTED;
        break;
    case OD_CSV_BARE:
    case OD_CSV_STATES:
        break;
    }
    return c == ',' ? OD_CSV_AT_CELL : c == '\n' ? OD_CSV_AT_RECORD : OD_CSV_BARE;
}

/* From BARE at `at` up to behind the quote that opens a cell; false: none does, *at is the end. */
static bool to_quoted(struct od_str s, size_t *at)
{
    for (size_t i = *at; i < s.len;) {
        const char *quote = memchr(s.ptr + i, '"', s.len - i);
        if (!quote)
            break;
        bool opens = quote > s.ptr + i && (quote[-1] == ',' || quote[-1] == '\n');
        i = (size_t)(quote - s.ptr) + 1;
        if (opens) {
            *at = i;
            return true;
        }
    }
    *at = s.len;
    return false;
}

/* From QUOTED at `at` up to behind the next quote or backslash; false: none is left. */
static bool to_mark(struct od_str s, size_t *at)
{
    const char *from = s.ptr + *at;
    const char *quote = memchr(from, '"', s.len - *at);
    const char *end = quote ? quote : s.ptr + s.len;
    const char *mark = memchr(from, '\\', (size_t)(end - from));
    mark = mark ? mark : quote;
    *at = mark ? (size_t)(mark - s.ptr) + 1 : s.len;
    return mark;
}

enum od_csv_state od_csv_advance(enum od_csv_state state, struct od_str s)
{
    size_t at = 0;
    while (at < s.len) {
        if (state == OD_CSV_QUOTED) {
            if (!to_mark(s, &at))
                return OD_CSV_QUOTED;
            state = s.ptr[at - 1] == '"' ? OD_CSV_CLOSED : OD_CSV_ESCAPED;
        } else if (state == OD_CSV_BARE) {
            if (!to_quoted(s, &at))
                return step(OD_CSV_BARE, s.ptr[s.len - 1]);
            state = OD_CSV_QUOTED;
        } else {
            state = step(state, s.ptr[at++]);
        }
    }
    return state;
}

static void advance_all(uint8_t to[OD_CSV_STATES], struct od_str piece)
{
    uint8_t next[OD_CSV_STATES];
    bool known[OD_CSV_STATES] = {false};
    for (int s = 0; s < OD_CSV_STATES; s++) {
        uint8_t now = to[s];
        if (!known[now]) {
            next[now] = (uint8_t)od_csv_advance((enum od_csv_state)now, piece);
            known[now] = true;
        }
        to[s] = next[now];
    }
}

void od_csv_survey(struct od_str bytes, struct od_csv_survey *out)
{
    const struct od_csv_kernel *kernel = od_csv_kernel(0);
    struct od_csv_survey survey = {.newlines = 0};
    for (int s = 0; s < OD_CSV_STATES; s++)
        survey.to[s] = (uint8_t)s;
    for (size_t at = 0, len = FIRST_PIECE; at < bytes.len; at += len, len = PIECE) {
        struct od_str piece = od_str_sub(bytes, at, len);
        survey.newlines += kernel->count_newlines(piece.ptr, piece.len);
        advance_all(survey.to, piece);
    }
    *out = survey;
}

size_t od_csv_first_record(enum od_csv_state state, struct od_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (state == OD_CSV_AT_RECORD)
            return i;
        state = step(state, bytes.ptr[i]);
    }
    return state == OD_CSV_AT_RECORD ? bytes.len : SIZE_MAX;
}

uint64_t od_csv_count_newlines(struct od_str bytes)
{
    return od_csv_kernel(0)->count_newlines(bytes.ptr, bytes.len);
}
