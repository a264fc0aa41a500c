/* Which users to delete: CSV files, and the list made of them. See deletion.h.
 *
 * Messages name the file and the line but quote no value: they are kept as a failureReason. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "data/csv.h"
#include "data/value.h"
#include "jobs/deletion.h"

static const char *const faults[] = {
    [OD_CSV_FEW_CELLS] = "it has fewer cells than the header",
    [OD_CSV_MANY_CELLS] = "it has more cells than the header",
    [OD_CSV_STRAY_QUOTE] = "a cell that is not quoted holds a quote",
    [OD_CSV_AFTER_QUOTE] = "something follows a closing quote",
    [OD_CSV_UNTERMINATED] = "a quoted cell does not end",
    [OD_CSV_TOO_LONG] = "it is too long",
    [OD_CSV_TOO_LONG_IN_QUOTES] = "it is too long; a closing quote may be missing",
};

struct reading {
    struct od_str name; /* of the file, for messages */
    struct od_str bytes;
    uint64_t first_line; /* of the first record */
    size_t first_at;
    size_t column;
    struct od_dict *ids;
    struct od_error *err;
};

static struct od_str last_part(struct od_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return od_str_sub(path, at, path.len);
}

static enum od_status bad_record(const struct reading *r, size_t at, const char *why)
{
    struct od_str before = od_str_sub(r->bytes, r->first_at, at - r->first_at);
    return od_fail(r->err, OD_INVALID_INPUT, "Invalid record at line %llu of %.*s: %s.",
                   (unsigned long long)(r->first_line + od_csv_count_newlines(before)),
                   OD_STR_ARG(r->name), why);
}

static enum od_status take(const struct reading *r, const struct od_csv_record *record)
{
    static const struct od_field field = {.name = {"USER_ID", 7}, .type = OD_FIELD_STRING};
    struct od_value value;
    struct od_error why;
    uint32_t code;
    if (record->fault != OD_CSV_FINE)
        return bad_record(r, record->at, faults[record->fault]);
    if (od_value_from_text(&field, record->cells[r->column], &value, &why) != OD_OK)
        return bad_record(r, record->at, why.message);
    enum od_status s = od_dict_add(r->ids, value.text, &code);
    return s == OD_OK ? OD_OK : od_fail(r->err, s, NULL);
}

static enum od_status read_records(const struct reading *r, size_t column_count)
{
    struct od_csv *csv = od_csv_new(column_count);
    struct od_csv_record record;
    if (!csv)
        return od_fail(r->err, OD_NO_MEMORY, NULL);
    od_csv_start(csv, r->bytes, r->first_at, r->bytes.len, true);
    enum od_status s = OD_OK;
    enum od_csv_step step = OD_CSV_GAVE_RECORD;
    while (s == OD_OK && (step = od_csv_next(csv, &record)) == OD_CSV_GAVE_RECORD)
        s = take(r, &record);
    if (s == OD_OK && step != OD_CSV_ENDED)
        s = od_fail(r->err, OD_NO_MEMORY, NULL);
    od_csv_free(csv);
    return s;
}

static enum od_status read_bytes(struct reading *r)
{
    struct od_arena arena;
    struct od_csv_header header;
    struct od_error why = {0};
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = od_csv_header(&arena, r->bytes, &header, &why);
    if (s == OD_OK) {
        r->column = SIZE_MAX;
        for (size_t i = 0; i < header.column_count; i++)
            if (od_str_eq_c(header.columns[i], "USER_ID"))
                r->column = i;
        r->first_at = header.bytes;
        r->first_line = header.next_line;
    }
    if (s != OD_OK)
        s = od_fail(r->err, s, "%s File: %.*s.", why.message, OD_STR_ARG(r->name));
    else if (r->column == SIZE_MAX)
        s = od_fail(r->err, OD_INVALID_INPUT,
                    "Input CSV is missing the following columns: [USER_ID]. File: %.*s.",
                    OD_STR_ARG(r->name));
    else
        s = read_records(r, header.column_count);
    od_arena_done(&arena);
    return s;
}

static enum od_status read_file(const struct od_io *io, struct od_str path, uint64_t *total,
                                struct od_dict *ids, struct od_error *err)
{
    struct od_arena arena;
    struct od_io_map map;
    od_arena_init(&arena, 1u << 20);
    struct od_str name = od_arena_str(&arena, path);
    enum od_status s =
        name.ptr ? io->map(io, name.ptr, &map, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        struct reading r = {
            .name = last_part(name), .bytes = {map.ptr, map.bytes}, .ids = ids, .err = err};
        *total += map.bytes;
        if (*total > OD_DELETION_BYTES)
            s = od_fail(err, OD_INVALID_INPUT,
                        "The files with the users have more than %llu MB together.",
                        OD_DELETION_BYTES >> 20);
        else
            s = read_bytes(&r);
        io->unmap(io, &map);
    }
    od_arena_done(&arena);
    return s;
}

enum od_status od_deletion_read_ids(const struct od_io *io, const struct od_str *files,
                                    size_t file_count, struct od_dict *out, struct od_error *err)
{
    uint64_t total = 0;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < file_count; i++)
        s = read_file(io, files[i], &total, out, err);
    if (s == OD_OK && od_dict_count(out) == 0)
        s = od_fail(err, OD_INVALID_INPUT, "The files name no user.");
    return s;
}

/* ---- the list ---- */

enum od_status od_deletion_write_ids(const struct od_io *io, struct od_str path,
                                     const struct od_dict *ids, struct od_error *err)
{
    struct od_buf bytes;
    struct od_arena arena;
    od_buf_init(&bytes, 4 * OD_DELETION_BYTES); /* an id of one byte takes two in a file */
    od_arena_init(&arena, 1u << 20);
    for (uint32_t i = 0; i < od_dict_count(ids); i++) {
        struct od_str id = od_dict_text(ids, i);
        uint32_t len = (uint32_t)id.len;
        od_buf_put(&bytes, &len, sizeof len);
        od_buf_str(&bytes, id);
    }
    struct od_str name = od_arena_str(&arena, path);
    enum od_status s = od_buf_status(&bytes);
    if (s != OD_OK || !name.ptr)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    else
        s = od_io_write_file(io, name.ptr, od_buf_view(&bytes), err);
    od_arena_done(&arena);
    od_buf_done(&bytes);
    return s;
}

bool od_deletion_next_id(struct od_str *rest, struct od_str *out)
{
    uint32_t len;
    if (rest->len < sizeof len)
        return false;
    memcpy(&len, rest->ptr, sizeof len);
    if (len > rest->len - sizeof len)
        return false;
    *out = od_str_sub(*rest, sizeof len, len);
    *rest = od_str_sub(*rest, sizeof len + len, rest->len);
    return true;
}
