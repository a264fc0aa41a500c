/* Records from bytes: see csv.h.
 *
 * The bytes are indexed a window at a time: a kernel lists the offsets of commas, quotes and
 * newlines, and records are cut by walking that list; between its entries no byte is looked at. A
 * window begins at a record; when a record does not end in it, the next window begins there, twice
 * as long if the record was all there was. So a record is walked again at most a few times, and
 * memory stays proportional to the longest record (OD_MAX_CSV_RECORD_BYTES).
 *
 * Invariants: (1) index holds every special byte of [window, window_end); (2) pos >= window is a
 * record's first byte and next the first entry at or behind pos; (3) a record is given only when
 * its end was seen, hence what is given never depends on how the bytes were cut.
 *
 * Cells point into the bytes; only a quoted cell with an escape is copied, to scratch. */
#include "data/csv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "data/csv_kernel.h"

#define WINDOW (16u * 1024) /* its index, at most 64 KiB, stays in the second cache */

struct od_csv {
    const struct od_csv_kernel *kernel;
    size_t column_count;
    struct od_str *cells;
    size_t *copied_from; /* offsets of cells that live in scratch */

    struct od_str bytes;
    size_t owned;
    bool whole;
    size_t pos;

    uint32_t *index;
    size_t index_cap, index_count, next;
    size_t window, window_end;
    int plain;

    char *scratch; /* OD_MAX_CSV_RECORD_BYTES, for one record, so that cells in it never move */
    size_t scratch_used;
};

/* The walk over one record. */
struct walk {
    size_t at;   /* where the present cell begins */
    size_t next; /* entry of the index */
    size_t cells;
    enum od_csv_fault fault;
    size_t fault_cell, fault_at;
    size_t quote_at; /* of the opening quote of the present cell */
};

enum walk_end { WALK_DONE, WALK_SHORT, WALK_SHORT_IN_QUOTES, WALK_NO_MEMORY };

struct od_csv *od_csv_new(size_t column_count)
{
    struct od_csv *csv = calloc(1, sizeof *csv);
    if (!csv)
        return NULL;
    csv->kernel = od_csv_kernel(0);
    csv->column_count = column_count;
    csv->cells = calloc(column_count + 1, sizeof *csv->cells);
    csv->copied_from = calloc(column_count + 1, sizeof *csv->copied_from);
    if (!csv->cells || !csv->copied_from) {
        od_csv_free(csv);
        return NULL;
    }
    return csv;
}

void od_csv_free(struct od_csv *csv)
{
    if (!csv)
        return;
    free(csv->cells);
    free(csv->copied_from);
    free(csv->index);
    free(csv->scratch);
    free(csv);
}

void od_csv_start(struct od_csv *csv, struct od_str bytes, size_t begin, size_t owned, bool whole)
{
    assert(begin <= bytes.len && owned <= bytes.len);
    csv->bytes = bytes;
    csv->owned = owned;
    csv->whole = whole;
    csv->pos = csv->window = csv->window_end = begin;
    csv->index_count = csv->next = 0;
}

void od_csv_extend(struct od_csv *csv, struct od_str bytes, bool whole)
{
    assert(bytes.len >= csv->bytes.len);
    csv->bytes = bytes;
    csv->whole = whole;
}

size_t od_csv_cell_offset(const struct od_csv *csv, size_t cell)
{
    uintptr_t ptr = (uintptr_t)csv->cells[cell].ptr, from = (uintptr_t)csv->bytes.ptr;
    bool in_place = ptr >= from && ptr <= from + csv->bytes.len;
    return in_place ? ptr - from : csv->copied_from[cell];
}

/* --- the window --- */

static bool index_window(struct od_csv *csv, size_t len)
{
    size_t left = csv->bytes.len - csv->pos;
    len = len < left ? len : left;
    if (len + OD_CSV_INDEX_SLACK > csv->index_cap) {
        size_t cap = len + OD_CSV_INDEX_SLACK;
        free(csv->index);
        csv->index = malloc(cap * sizeof *csv->index);
        csv->index_cap = csv->index ? cap : 0;
        if (!csv->index)
            return false;
    }
    csv->window = csv->pos;
    csv->window_end = csv->pos + len;
    csv->index_count = csv->kernel->index(csv->bytes.ptr + csv->pos, len, csv->index, &csv->plain);
    csv->next = 0;
    return true;
}

/* --- quoted cells --- */

static size_t backslashes_before(const char *p, size_t from, size_t at)
{
    size_t n = 0;
    while (at - n > from && p[at - n - 1] == '\\')
        n++;
    return n;
}

/* Copies a quoted cell's content without its escapes. */
static bool unescape(struct od_csv *csv, struct od_str raw, struct od_str *out)
{
    if (!csv->scratch)
        csv->scratch = malloc(OD_MAX_CSV_RECORD_BYTES);
    if (!csv->scratch)
        return false;
    if (raw.len > OD_MAX_CSV_RECORD_BYTES - csv->scratch_used)
        return true; /* the record is too long and will be refused */
    char *to = csv->scratch + csv->scratch_used;
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        bool pair =
            i + 1 < raw.len && ((c == '\\' && (raw.ptr[i + 1] == '"' || raw.ptr[i + 1] == '\\')) ||
                                (c == '"' && raw.ptr[i + 1] == '"'));
        i += pair;
        to[n++] = raw.ptr[i];
    }
    csv->scratch_used += n;
    *out = (struct od_str){to, n};
    return true;
}

/* From the opening quote at w->at to behind the closing one; its place goes to *out_close. */
static bool find_close(const struct od_csv *csv, struct walk *w, size_t *out_close,
                       bool *out_escapes)
{
    const char *p = csv->bytes.ptr;
    size_t from = w->at + 1; /* backslashes before a quote are counted back to here */
    while (w->next < csv->index_count) {
        size_t q = csv->window + csv->index[w->next++];
        if (p[q] != '"')
            continue;
        if (backslashes_before(p, from, q) % 2) {
            *out_escapes = true;
        } else if (q + 1 < csv->window_end) {
            if (p[q + 1] != '"') {
                *out_close = q;
                return true;
            }
            *out_escapes = true;
            w->next++;
            q++;
        } else if (csv->whole && q + 1 == csv->bytes.len) {
            *out_close = q;
            return true;
        } else {
            break;
        }
        from = q + 1;
    }
    return false;
}

static void note_fault(struct walk *w, enum od_csv_fault fault, size_t at)
{
    if (w->fault != OD_CSV_FINE)
        return;
    w->fault = fault;
    w->fault_cell = w->cells;
    w->fault_at = at;
}

/* A whole quoted cell, up to behind the comma or newline that ends it. *out_end: the offset of that
 * byte, or the end of the file. */
static enum walk_end walk_quoted(struct od_csv *csv, struct walk *w, size_t *out_end)
{
    const char *p = csv->bytes.ptr;
    size_t close, end = SIZE_MAX;
    bool escapes = false;
    w->quote_at = w->at;
    w->next++;
    if (!find_close(csv, w, &close, &escapes))
        return WALK_SHORT_IN_QUOTES;
    while (end == SIZE_MAX && w->next < csv->index_count) {
        size_t q = csv->window + csv->index[w->next++];
        end = p[q] == '"' ? SIZE_MAX : q;
    }
    if (end == SIZE_MAX && !(csv->whole && csv->window_end == csv->bytes.len))
        return WALK_SHORT;
    end = end == SIZE_MAX ? csv->bytes.len : end;
    bool crlf = end == close + 2 && p[close + 1] == '\r' && end < csv->bytes.len && p[end] == '\n';
    if (end != close + 1 && !crlf)
        note_fault(w, OD_CSV_AFTER_QUOTE, close);
    if (w->cells < csv->column_count) {
        struct od_str raw = {p + w->at + 1, close - w->at - 1};
        struct od_str *cell = &csv->cells[w->cells];
        *cell = raw;
        csv->copied_from[w->cells] = w->at;
        if ((escapes || memchr(raw.ptr, '\\', raw.len)) && !unescape(csv, raw, cell))
            return WALK_NO_MEMORY;
    }
    *out_end = end;
    return WALK_DONE;
}

/* --- one record --- */

/* The cell [w->at, end) that has no quotes. At a record's last cell a \r before the \n goes. */
static void take_bare(struct od_csv *csv, struct walk *w, size_t end, bool last)
{
    const char *p = csv->bytes.ptr;
    if (last && end > w->at && end < csv->bytes.len && p[end - 1] == '\r')
        end--;
    if (w->cells < csv->column_count)
        csv->cells[w->cells] = (struct od_str){p + w->at, end - w->at};
}

/* Walks from w->at to the record's end; *out_end is the offset behind its last byte. */
static enum walk_end walk_record(struct od_csv *csv, struct walk *w, size_t *out_end)
{
    const char *p = csv->bytes.ptr;
    for (;;) {
        size_t end = csv->bytes.len;
        if (w->next < csv->index_count) {
            end = csv->window + csv->index[w->next];
            if (p[end] == '"' && end > w->at) {
                note_fault(w, OD_CSV_STRAY_QUOTE, end);
                w->next++;
                continue;
            }
        } else if (!csv->whole || csv->window_end < csv->bytes.len) {
            return WALK_SHORT;
        }
        bool at_end = end == csv->bytes.len;
        if (!at_end && p[end] == '"') {
            enum walk_end s = walk_quoted(csv, w, &end);
            if (s != WALK_DONE)
                return s;
            at_end = end == csv->bytes.len;
        } else {
            take_bare(csv, w, end, at_end || p[end] == '\n');
            w->next++;
        }
        w->cells++;
        w->at = end + 1;
        if (at_end || p[end] == '\n') {
            *out_end = at_end ? end : end + 1;
            return WALK_DONE;
        }
    }
}

/* Empty lines at pos, as far as the window shows them. */
static void skip_empty_lines(struct od_csv *csv)
{
    const char *p = csv->bytes.ptr;
    while (csv->next < csv->index_count) {
        size_t q = csv->window + csv->index[csv->next];
        bool empty = q == csv->pos || (q == csv->pos + 1 && p[csv->pos] == '\r');
        if (p[q] != '\n' || !empty || csv->pos >= csv->owned)
            return;
        csv->pos = q + 1;
        csv->next++;
    }
}

static void give_too_long(struct od_csv *csv, struct od_csv_record *out)
{
    struct od_str rest = od_str_sub(csv->bytes, csv->pos, csv->bytes.len);
    enum od_csv_state s =
        od_csv_advance(OD_CSV_AT_RECORD, od_str_sub(rest, 0, OD_MAX_CSV_RECORD_BYTES));
    bool quoted = s == OD_CSV_QUOTED || s == OD_CSV_ESCAPED;
    *out = (struct od_csv_record){.fault = quoted ? OD_CSV_TOO_LONG_IN_QUOTES : OD_CSV_TOO_LONG,
                                  .at = csv->pos,
                                  .fault_at = csv->pos};
    size_t beyond = od_csv_first_record(s, od_str_sub(rest, OD_MAX_CSV_RECORD_BYTES, rest.len));
    csv->pos = beyond == SIZE_MAX ? csv->bytes.len : csv->pos + OD_MAX_CSV_RECORD_BYTES + beyond;
    csv->window = csv->window_end = csv->pos;
    csv->index_count = csv->next = 0;
}

static void give(struct od_csv *csv, const struct walk *w, size_t end, struct od_csv_record *out)
{
    *out = (struct od_csv_record){.cells = csv->cells,
                                  .cell_count = w->cells,
                                  .fault = w->fault,
                                  .fault_cell = w->fault_cell,
                                  .fault_at = w->fault_at,
                                  .at = csv->pos,
                                  .copied = csv->scratch_used > 0,
                                  .plain = csv->plain};
    if (w->fault == OD_CSV_FINE && w->cells != csv->column_count) {
        out->fault = w->cells < csv->column_count ? OD_CSV_FEW_CELLS : OD_CSV_MANY_CELLS;
        out->fault_at = csv->pos;
    }
    csv->pos = end;
    csv->next = w->next;
}

/* The record did not end in the window: widens it, or says why that does not help. */
static enum od_csv_step widen(struct od_csv *csv, bool in_quotes, const struct walk *w,
                              struct od_csv_record *out)
{
    size_t left = csv->bytes.len - csv->pos;
    if (csv->window_end < csv->bytes.len && csv->window_end - csv->pos <= OD_MAX_CSV_RECORD_BYTES) {
        size_t twice = 2 * (csv->window_end - csv->pos);
        return index_window(csv, twice > WINDOW ? twice : WINDOW) ? OD_CSV_NEEDS_MORE
                                                                  : OD_CSV_NO_MEMORY;
    }
    if (left > OD_MAX_CSV_RECORD_BYTES) {
        give_too_long(csv, out);
        return OD_CSV_GAVE_RECORD;
    }
    assert(csv->whole && in_quotes);
    *out = (struct od_csv_record){.fault = OD_CSV_UNTERMINATED,
                                  .at = csv->pos,
                                  .fault_cell = w->cells,
                                  .fault_at = w->quote_at};
    csv->pos = csv->bytes.len;
    return OD_CSV_GAVE_RECORD;
}

enum od_csv_step od_csv_next(struct od_csv *csv, struct od_csv_record *out)
{
    for (;;) {
        skip_empty_lines(csv);
        if (csv->pos >= csv->owned || (csv->whole && csv->pos == csv->bytes.len))
            return OD_CSV_ENDED;
        struct walk w = {.at = csv->pos, .next = csv->next};
        size_t end = 0;
        csv->scratch_used = 0;
        enum walk_end s = walk_record(csv, &w, &end);
        if (s == WALK_NO_MEMORY)
            return OD_CSV_NO_MEMORY;
        if (s == WALK_DONE && end - csv->pos > OD_MAX_CSV_RECORD_BYTES) {
            give_too_long(csv, out);
            return OD_CSV_GAVE_RECORD;
        }
        if (s == WALK_DONE) {
            give(csv, &w, end, out);
            return OD_CSV_GAVE_RECORD;
        }
        bool wide = csv->window_end == csv->bytes.len;
        if (wide && !csv->whole && csv->bytes.len - csv->pos <= OD_MAX_CSV_RECORD_BYTES) {
            csv->window_end = csv->window = csv->pos; /* indexed anew with what comes */
            csv->index_count = csv->next = 0;
            return OD_CSV_NEEDS_MORE;
        }
        enum od_csv_step step = widen(csv, s == WALK_SHORT_IN_QUOTES, &w, out);
        if (step != OD_CSV_NEEDS_MORE)
            return step;
    }
}
