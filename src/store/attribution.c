/* What metric attributions counted: totals, cells by period, and reports to be written.
 *
 * The rows are changed in the transaction that stores the events they count, so they are right
 * whenever the log is: nothing is counted twice or forgotten, whatever ends the server.
 *
 * A report moves in two steps. Sealing gives the open cells (report 0) the report's number, in one
 * commit with the row that says where its file goes. Writing reads them, which never change any
 * more, and forgets both in another commit. A crash between the two writes the same file again. */
#include "store/internal.h"

#include <stdio.h>

#define OPEN       0
#define LAST_STAMP "attribution.last-stamp"

static enum od_status add_total(struct od_store *store, int64_t attribution,
                                const struct od_attribution_cell *cell, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "INSERT INTO attribution_total (attribution, metric, source, total) "
                        "VALUES ($1, $2, $3, $4) ON CONFLICT (attribution, metric, source) "
                        "DO UPDATE SET total = attribution_total.total + excluded.total",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    od_sql_text_or_empty(stmt, 2, cell->metric);
    od_sql_text_or_empty(stmt, 3, cell->source);
    od_sql_double(stmt, 4, cell->value);
    return od_store_run(store, stmt, NULL, err);
}

static enum od_status add_cell(struct od_store *store, int64_t attribution,
                               const struct od_attribution_cell *cell, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store,
        "INSERT INTO attribution_cell (attribution, report, period_s, metric, source, event_type, "
        "math_function, total) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        "ON CONFLICT (attribution, report, period_s, metric, source) "
        "DO UPDATE SET total = attribution_cell.total + excluded.total",
        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    od_sql_i64(stmt, 2, OPEN);
    od_sql_i64(stmt, 3, cell->period_s);
    od_sql_text_or_empty(stmt, 4, cell->metric);
    od_sql_text_or_empty(stmt, 5, cell->source);
    od_sql_text_or_empty(stmt, 6, cell->event_type);
    od_sql_text_or_empty(stmt, 7, cell->math_function);
    od_sql_double(stmt, 8, cell->value);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_attribution_add(struct od_store *store, int64_t attribution,
                                  const struct od_attribution_cell *cell, bool open,
                                  struct od_error *err)
{
    enum od_status s = add_total(store, attribution, cell, err);
    return s == OD_OK && open ? add_cell(store, attribution, cell, err) : s;
}

static void fill_total(struct od_sql_copier *row, void *item)
{
    struct od_attribution_cell *cell = item;
    cell->metric = od_sql_copy(row, 0);
    cell->source = od_sql_copy(row, 1);
    cell->value = od_sql_get_double(row->stmt, 2);
}

enum od_status od_attribution_totals(struct od_store *store, int64_t attribution,
                                     struct od_arena *arena, struct od_attribution_cell **out,
                                     size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    void *rows;
    enum od_status s = od_sql_prepare(store->sql,
                                      "SELECT metric, source, total FROM attribution_total "
                                      "WHERE attribution = $1 ORDER BY metric, source",
                                      &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    s = od_sql_collect(stmt, arena, sizeof **out, fill_total, &rows, out_count, err);
    if (s == OD_OK)
        *out = rows;
    return s;
}

enum od_status od_attribution_drop_totals(struct od_store *store, int64_t attribution,
                                          struct od_str metric, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store,
        metric.ptr ? "DELETE FROM attribution_total WHERE attribution = $1 AND metric = $2"
                   : "DELETE FROM attribution_total WHERE attribution = $1",
        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    if (metric.ptr)
        od_sql_text(stmt, 2, metric);
    return od_store_run(store, stmt, NULL, err);
}

/* ---- reports ---- */

enum od_status od_attribution_stamp(struct od_store *store, int64_t now_s, int64_t *out_stamp_s,
                                    struct od_error *err)
{
    struct od_arena arena;
    struct od_str text;
    char digits[24];
    int64_t last = 0;
    od_arena_init(&arena, 4096);
    enum od_status s = od_settings_get(store, OD_STR(LAST_STAMP), &arena, &text, err);
    if (s == OD_OK && text.ptr && !od_str_to_i64(text, &last))
        s = od_fail(err, OD_CORRUPT, "The setting %s is no number.", LAST_STAMP);
    od_arena_done(&arena);
    if (s != OD_OK)
        return s;
    int64_t stamp = now_s > last ? now_s : last + 1;
    snprintf(digits, sizeof digits, "%lld", (long long)stamp);
    s = od_settings_set(store, OD_STR(LAST_STAMP), od_str_c(digits), err);
    if (s == OD_OK)
        *out_stamp_s = stamp;
    return s;
}

static enum od_status has_open(struct od_store *store, int64_t attribution, bool *out,
                               struct od_error *err)
{
    struct od_sql_stmt *stmt;
    int64_t found = 0;
    enum od_status s = od_sql_prepare(store->sql,
                                      "SELECT 1 FROM attribution_cell WHERE attribution = $1 "
                                      "AND report = $2 LIMIT 1",
                                      &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    od_sql_i64(stmt, 2, OPEN);
    s = od_sql_run_i64(stmt, 0, &found, err);
    *out = found != 0;
    return s;
}

static enum od_status insert_report(struct od_store *store, int64_t attribution,
                                    struct od_str location, int64_t stamp_s, int64_t *out_id,
                                    struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "INSERT INTO attribution_report (attribution, location, stamp_s) "
                        "VALUES ($1, $2, $3) RETURNING id",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, attribution);
    od_sql_text_or_empty(stmt, 2, location);
    od_sql_i64(stmt, 3, stamp_s);
    return od_store_run_i64(store, stmt, 0, out_id, err);
}

static enum od_status close_cells(struct od_store *store, int64_t attribution, int64_t report,
                                  struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store, "UPDATE attribution_cell SET report = $1 WHERE attribution = $2 AND report = $3",
        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, report);
    od_sql_i64(stmt, 2, attribution);
    od_sql_i64(stmt, 3, OPEN);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_attribution_seal(struct od_store *store, int64_t attribution,
                                   struct od_str location, int64_t now_s, struct od_error *err)
{
    bool open;
    int64_t stamp_s, report;
    enum od_status s = has_open(store, attribution, &open, err);
    if (s != OD_OK || !open)
        return s;
    s = od_attribution_stamp(store, now_s, &stamp_s, err);
    if (s == OD_OK)
        s = insert_report(store, attribution, location, stamp_s, &report, err);
    return s == OD_OK ? close_cells(store, attribution, report, err) : s;
}

enum od_status od_attribution_written(struct od_store *store, const struct od_attribution_report *r,
                                      struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store, "DELETE FROM attribution_cell WHERE attribution = $1 AND report = $2", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, r->attribution);
    od_sql_i64(stmt, 2, r->id);
    s = od_store_run(store, stmt, NULL, err);
    if (s == OD_OK)
        s = od_store_change(store, "DELETE FROM attribution_report WHERE id = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, r->id);
    return od_store_run(store, stmt, NULL, err);
}

/* ---- reading, on any thread with a reader ---- */

static void fill_report(struct od_sql_copier *row, void *item)
{
    struct od_attribution_report *report = item;
    report->id = od_sql_get_i64(row->stmt, 0);
    report->attribution = od_sql_get_i64(row->stmt, 1);
    report->location = od_sql_copy(row, 2);
    report->stamp_s = od_sql_get_i64(row->stmt, 3);
}

enum od_status od_attribution_reports(struct od_store_reader *reader, struct od_arena *arena,
                                      struct od_attribution_report **out, size_t *out_count,
                                      struct od_error *err)
{
    struct od_sql_stmt *stmt;
    void *rows;
    enum od_status s = od_sql_prepare(
        reader->sql,
        "SELECT id, attribution, location, stamp_s FROM attribution_report ORDER BY id", &stmt,
        err);
    if (s == OD_OK)
        s = od_sql_collect(stmt, arena, sizeof **out, fill_report, &rows, out_count, err);
    if (s == OD_OK)
        *out = rows;
    return s;
}

/* The first period after another one; INT64_MIN when there is none. */
static enum od_status next_period(struct od_store_reader *reader,
                                  const struct od_attribution_report *report, int64_t after_s,
                                  int64_t *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(
        reader->sql,
        "SELECT period_s FROM attribution_cell WHERE attribution = $1 AND report = $2 "
        "AND period_s > $3 ORDER BY period_s LIMIT 1",
        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, report->attribution);
    od_sql_i64(stmt, 2, report->id);
    od_sql_i64(stmt, 3, after_s);
    return od_sql_run_i64(stmt, INT64_MIN, out, err);
}

static void fill_cell(struct od_sql_copier *row, void *item)
{
    struct od_attribution_cell *cell = item;
    cell->period_s = od_sql_get_i64(row->stmt, 0);
    cell->metric = od_sql_copy(row, 1);
    cell->source = od_sql_copy(row, 2);
    cell->event_type = od_sql_copy(row, 3);
    cell->math_function = od_sql_copy(row, 4);
    cell->value = od_sql_get_double(row->stmt, 5);
}

static enum od_status read_period(struct od_store_reader *reader,
                                  const struct od_attribution_report *report, int64_t period_s,
                                  struct od_arena *arena, struct od_attribution_cell **out,
                                  size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    void *rows;
    enum od_status s =
        od_sql_prepare(reader->sql,
                       "SELECT period_s, metric, source, event_type, math_function, total "
                       "FROM attribution_cell WHERE attribution = $1 AND report = $2 "
                       "AND period_s = $3 ORDER BY metric, source",
                       &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, report->attribution);
    od_sql_i64(stmt, 2, report->id);
    od_sql_i64(stmt, 3, period_s);
    s = od_sql_collect(stmt, arena, sizeof **out, fill_cell, &rows, out_count, err);
    if (s == OD_OK)
        *out = rows;
    return s;
}

enum od_status
od_attribution_cells(struct od_store_reader *reader, const struct od_attribution_report *report,
                     enum od_status (*each)(void *context, const struct od_attribution_cell *cell),
                     void *context, struct od_error *err)
{
    struct od_arena arena;
    int64_t period_s = INT64_MIN;
    enum od_status s = OD_OK;
    od_arena_init(&arena, SIZE_MAX);
    while (s == OD_OK) {
        struct od_attribution_cell *cells;
        size_t count = 0;
        s = next_period(reader, report, period_s, &period_s, err);
        if (s != OD_OK || period_s == INT64_MIN)
            break;
        s = read_period(reader, report, period_s, &arena, &cells, &count, err);
        for (size_t i = 0; s == OD_OK && i < count; i++)
            s = each(context, &cells[i]);
        od_arena_reset(&arena);
    }
    od_arena_done(&arena);
    return s;
}
