/* The header line of a CSV file: see csv.h.
 *
 * Names are schema field names, which hold no comma and no quote, so the line is cut at commas. */
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "data/value.h"

#define SHOWN 100 /* bytes of a name repeated in a message */

static enum od_status refuse(struct od_error *err, uint64_t line, const char *what,
                             struct od_str name)
{
    enum od_status s =
        od_fail(err, OD_INVALID_INPUT, "Invalid header at line %llu: %s%.*s.",
                (unsigned long long)line, what, OD_STR_ARG(od_value_excerpt(name, SHOWN)));
    if (err)
        err->line = line;
    return s;
}

static int by_text(const void *a, const void *b)
{
    return od_str_cmp(*(const struct od_str *)a, *(const struct od_str *)b);
}

static enum od_status check_unique(const struct od_csv_header *header, uint64_t line,
                                   struct od_error *err)
{
    struct od_str *sorted = calloc(header->column_count, sizeof *sorted);
    struct od_str twice = OD_STR_NONE;
    if (!sorted)
        return od_fail(err, OD_NO_MEMORY, NULL);
    memcpy(sorted, header->columns, header->column_count * sizeof *sorted);
    qsort(sorted, header->column_count, sizeof *sorted, by_text);
    for (size_t i = 1; i < header->column_count; i++)
        if (od_str_eq(sorted[i - 1], sorted[i]))
            twice = sorted[i];
    free(sorted);
    return twice.ptr ? refuse(err, line, "two columns have the name ", twice) : OD_OK;
}

static enum od_status split(struct od_arena *arena, struct od_str line, uint64_t number,
                            struct od_csv_header *out, struct od_error *err)
{
    size_t count = 1;
    for (size_t i = 0; i < line.len; i++)
        count += line.ptr[i] == ',';
    if (count > OD_MAX_CSV_COLUMNS)
        return od_fail(err, OD_INVALID_INPUT, "Invalid header: it has %zu columns and may have %d.",
                       count, OD_MAX_CSV_COLUMNS);
    out->columns = OD_NEW_ARRAY(arena, struct od_str, count);
    if (!out->columns)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_str rest = line, name;
    while (od_str_cut(&rest, ',', &name)) {
        name = od_str_trim(name);
        if (od_str_find(name, '"', 0) != SIZE_MAX)
            return refuse(err, number, "names are written without quotes, but there is ", name);
        struct od_str copy = od_arena_str(arena, name);
        if (!copy.ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
        out->columns[out->column_count++] = copy;
    }
    return check_unique(out, number, err);
}

/* The line at *at without its end; *at moves behind it. */
static struct od_str next_line(struct od_str bytes, size_t *at)
{
    size_t end = od_str_find(bytes, '\n', *at);
    struct od_str line = od_str_sub(bytes, *at, (end == SIZE_MAX ? bytes.len : end) - *at);
    *at += line.len + (end != SIZE_MAX);
    return line.len && line.ptr[line.len - 1] == '\r' ? od_str_sub(line, 0, line.len - 1) : line;
}

enum od_status od_csv_header(struct od_arena *arena, struct od_str bytes, struct od_csv_header *out,
                             struct od_error *err)
{
    struct od_csv_header header = {.next_line = 1};
    if (od_str_starts(bytes, OD_STR("\xEF\xBB\xBF")))
        header.bytes = 3;
    struct od_str line = OD_STR("");
    while (line.len == 0 && header.bytes < bytes.len) {
        line = next_line(bytes, &header.bytes);
        header.next_line++;
    }
    uint64_t number = header.next_line > 1 ? header.next_line - 1 : 1;
    if (line.len == 0)
        return refuse(err, number, "the file has none", OD_STR(""));
    if (line.len >= OD_MAX_CSV_RECORD_BYTES)
        return od_fail(err, OD_INVALID_INPUT, "Invalid header: it is longer than %u bytes.",
                       OD_MAX_CSV_RECORD_BYTES);
    if (od_utf8_check(line) != line.len || memchr(line.ptr, '\0', line.len))
        return refuse(err, number, "it is not well-formed UTF-8 text", OD_STR(""));
    enum od_status s = split(arena, line, number, &header, err);
    if (s == OD_OK)
        *out = header;
    return s;
}
