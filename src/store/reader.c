/* Reading the log, in order of arrival, from any thread with a reader of its own.
 *
 * A read goes in pages of PAGE_ROWS, each its own short look at the database: a reader that took
 * its time over one long look would keep SQLite's log from being reset while the writer fills it.
 * Events are only ever added at the end or removed all at once, so the pages fit together (records
 * are replaced: whoever reads those holds the reader). Where the
 * read ends is fixed when it begins, or a busy writer could keep it going for ever.
 *
 * Users: an event without one takes the user its session is linked to now (events.c). */
#include "store/internal.h"

#define PAGE_ROWS 4096

enum od_status od_store_reader_hold(struct od_store_reader *reader, struct od_error *err)
{
    return od_sql_execute(reader->sql, "BEGIN", err);
}

void od_store_reader_release(struct od_store_reader *reader)
{
    reader->sql->driver->rollback(reader->sql); /* it has changed nothing */
}

static enum od_status last_seq(struct od_store_reader *reader, const char *text, int64_t dataset,
                               int64_t *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(reader->sql, text, &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    return od_sql_run_i64(stmt, 0, out, err);
}

#define LAST_EVENT  "SELECT COALESCE(MAX(seq), 0) FROM event WHERE dataset = $1"
#define LAST_RECORD "SELECT COALESCE(MAX(seq), 0) FROM record WHERE dataset = $1"

enum od_status od_events_last_seq(struct od_store_reader *reader, struct od_str dataset,
                                  int64_t *out_event_seq, int64_t *out_record_seq,
                                  struct od_error *err)
{
    int64_t id, event = 0, record = 0;
    enum od_status s = od_store_dataset_find(reader->sql, dataset, &id, err);
    if (s == OD_OK)
        s = last_seq(reader, LAST_EVENT, id, &event, err);
    if (s == OD_OK)
        s = last_seq(reader, LAST_RECORD, id, &record, err);
    if (s != OD_OK)
        return s;
    *out_event_seq = event;
    *out_record_seq = record;
    return OD_OK;
}

/* What differs between reading events and reading records. */
struct log_read {
    struct od_sql *sql;
    const char *page; /* SELECT with $1 dataset, $2 after, $3 up to, $4 rows; seq in column 0 */
    int64_t page_rows;
    enum od_status (*row)(const struct log_read *read, struct od_sql_stmt *stmt);
    enum od_status (*each_event)(void *context, const struct od_event *event);
    enum od_status (*each_record)(void *context, const struct od_record *record);
    void *context;
};

static enum od_status read_page(const struct log_read *read, int64_t dataset, int64_t *after,
                                int64_t up_to, int64_t *out_rows, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(read->sql, read->page, &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    od_sql_i64(stmt, 2, *after);
    od_sql_i64(stmt, 3, up_to);
    od_sql_i64(stmt, 4, read->page_rows);
    int64_t rows = 0;
    for (;; rows++) {
        bool row;
        s = od_sql_step(stmt, &row, err);
        if (s != OD_OK || !row)
            break;
        *after = od_sql_get_i64(stmt, 0);
        s = read->row(read, stmt);
        if (s != OD_OK) {
            od_sql_reset(stmt);
            /* the callback may have said why in the same err */
            return err && err->code == s ? s : od_fail(err, s, NULL);
        }
    }
    *out_rows = rows;
    return s;
}

static enum od_status read_log(const struct log_read *read, struct od_str dataset, int64_t after,
                               int64_t up_to, struct od_error *err)
{
    int64_t id;
    if (err)
        err->code = OD_OK;
    enum od_status s = od_store_dataset_find(read->sql, dataset, &id, err);
    int64_t rows = read->page_rows;
    while (s == OD_OK && rows == read->page_rows && after < up_to)
        s = read_page(read, id, &after, up_to, &rows, err);
    return s;
}

static enum od_status event_row(const struct log_read *read, struct od_sql_stmt *stmt)
{
    bool has_value = !od_sql_is_null(stmt, 8);
    const struct od_event event = {
        .seq = od_sql_get_i64(stmt, 0),
        .user = od_sql_get_text(stmt, 1),
        .session = od_sql_get_text(stmt, 2),
        .item = od_sql_get_text(stmt, 3),
        .type = od_sql_get_text(stmt, 4),
        .event_id = od_identity_event_id(od_sql_get_blob(stmt, 5)),
        .time_s = od_sql_get_i64(stmt, 6),
        .arrived_ms = od_sql_get_i64(stmt, 7),
        .has_value = has_value,
        .value = has_value ? od_sql_get_double(stmt, 8) : 0,
        .body = od_sql_get_text(stmt, 9),
    };
    return read->each_event(read->context, &event);
}

static enum od_status replay_row(const struct log_read *read, struct od_sql_stmt *stmt)
{
    bool has_value = !od_sql_is_null(stmt, 6);
    const struct od_event event = {
        .seq = od_sql_get_i64(stmt, 0),
        .user = od_sql_get_text(stmt, 1),
        .session = od_sql_get_text(stmt, 2),
        .item = od_sql_get_text(stmt, 3),
        .type = od_sql_get_text(stmt, 4),
        .time_s = od_sql_get_i64(stmt, 5),
        .has_value = has_value,
        .value = has_value ? od_sql_get_double(stmt, 6) : 0,
        .body = od_sql_get_text(stmt, 7),
    };
    return read->each_event(read->context, &event);
}

static enum od_status read_events(struct od_store_reader *reader, struct od_str dataset,
                                  int64_t after_seq, int64_t up_to_seq, const struct log_read *read,
                                  struct od_error *err)
{
    int64_t end, unused;
    enum od_status s = od_events_last_seq(reader, dataset, &end, &unused, err);
    if (s != OD_OK)
        return s;
    if (up_to_seq > 0 && up_to_seq < end)
        end = up_to_seq;
    return read_log(read, dataset, after_seq, end, err);
}

enum od_status od_events_replay(struct od_store_reader *reader, struct od_str dataset,
                                int64_t after_seq, int64_t up_to_seq,
                                enum od_status (*each)(void *context, const struct od_event *event),
                                void *context, struct od_error *err)
{
    const struct log_read read = {
        .sql = reader->sql,
        .page = "SELECT seq, person, session, item, event_type, time_s, event_value, "
                "CASE WHEN body LIKE '%\"IMPRESSION\":%' OR body LIKE '%\"RECOMMENDATION_ID\":%' "
                "THEN body END FROM event WHERE dataset = $1 AND seq > $2 AND seq <= $3 ORDER BY "
                "seq LIMIT $4",
        .page_rows = PAGE_ROWS,
        .row = replay_row,
        .each_event = each,
        .context = context,
    };
    return read_events(reader, dataset, after_seq, up_to_seq, &read, err);
}

enum od_status od_events_read(struct od_store_reader *reader, struct od_str dataset,
                              int64_t after_seq, int64_t up_to_seq,
                              enum od_status (*each)(void *context, const struct od_event *event),
                              void *context, struct od_error *err)
{
    const struct log_read read = {
        .sql = reader->sql,
        .page = "SELECT e.seq, COALESCE(e.person, (SELECT l.person FROM session_link l "
                "WHERE l.dataset = e.dataset AND l.session = e.session)), e.session, e.item, "
                "e.event_type, e.identity, e.time_s, e.arrived_ms, e.event_value, e.body "
                "FROM event e WHERE e.dataset = $1 AND e.seq > $2 AND e.seq <= $3 "
                "ORDER BY e.seq LIMIT $4",
        .page_rows = PAGE_ROWS,
        .row = event_row,
        .each_event = each,
        .context = context,
    };
    return read_events(reader, dataset, after_seq, up_to_seq, &read, err);
}

static enum od_status record_row(const struct log_read *read, struct od_sql_stmt *stmt)
{
    const struct od_record record = {
        .seq = od_sql_get_i64(stmt, 0),
        .id = od_sql_get_text(stmt, 1),
        .arrived_ms = od_sql_get_i64(stmt, 2),
        .body = od_sql_get_text(stmt, 3),
    };
    return read->each_record(read->context, &record);
}

enum od_status od_records_read(struct od_store_reader *reader, struct od_str dataset,
                               int64_t after_seq, int64_t up_to_seq,
                               enum od_status (*each)(void *context,
                                                      const struct od_record *record),
                               void *context, struct od_error *err)
{
    const struct log_read read = {
        .sql = reader->sql,
        .page = "SELECT seq, id, arrived_ms, body FROM record "
                "WHERE dataset = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
        .page_rows = INT64_MAX,
        .row = record_row,
        .each_record = each,
        .context = context,
    };
    return read_log(&read, dataset, after_seq, up_to_seq > 0 ? up_to_seq : INT64_MAX, err);
}
