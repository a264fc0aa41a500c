/* Bad rows: what is kept of them, the report file, and the message for the user.
 *
 * The report is text, a line a bad row, tabs between its parts; the parts that come from the user's
 * file are written as JSON strings, so that no value can fake a line. */
#include "jobs/import_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/value.h"

#define LINE_BYTES   4096u /* of a report line at most: names, value and rule, all escaped */
#define GUIDELINES   "https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html"
#define SHOWN_COLUMN 150

void od_import_findings_init(struct od_import_findings *found)
{
    memset(found, 0, sizeof *found);
    od_buf_init(&found->list, (size_t)OD_MAX_REPORTED_ROWS * LINE_BYTES);
}

/* The value as a JSON string's inside: one line, printable, well-formed. */
static void show_value(struct od_str value, char *to, size_t room)
{
    struct od_buf text;
    od_buf_init(&text, room + 2);
    bool cut = value.len > OD_IMPORT_VALUE_BYTES;
    od_buf_json(&text, od_value_excerpt(value, OD_IMPORT_VALUE_BYTES));
    struct od_str quoted = od_buf_view(&text);
    if (od_buf_status(&text) != OD_OK || quoted.len < 2)
        quoted = OD_STR("\"\"");
    snprintf(to, room, "%.*s%s", (int)quoted.len - 2, quoted.ptr + 1, cut ? "..." : "");
    od_buf_done(&text);
}

static void list_row(struct od_import_findings *found, const struct od_import_bad *bad)
{
    if (found->listed == OD_MAX_REPORTED_ROWS)
        return;
    found->listed++;
    od_buf_json(&found->list, od_value_excerpt(bad->file->name, 255));
    od_buf_printf(&found->list, "\t%" PRIu64 "\t", bad->line);
    if (bad->column.len)
        od_buf_json(&found->list, od_value_excerpt(bad->column, SHOWN_COLUMN));
    else
        od_buf_char(&found->list, '-');
    od_buf_printf(&found->list, "\t\"%s\"\t%s\n", bad->value, bad->rule);
}

void od_import_note(struct od_import_findings *found, enum od_import_bad_kind kind,
                    const struct od_import_file *file, uint64_t line, struct od_str column,
                    struct od_str value, const char *rule, ...)
{
    if (found->bad_rows++ && found->listed == OD_MAX_REPORTED_ROWS)
        return;
    struct od_import_bad bad = {.kind = kind, .file = file, .line = line, .column = column};
    show_value(value, bad.value, sizeof bad.value);
    va_list ap;
    va_start(ap, rule);
    vsnprintf(bad.rule, sizeof bad.rule, rule, ap);
    va_end(ap);
    if (found->bad_rows == 1)
        found->first = bad;
    list_row(found, &bad);
}

void od_import_merge(struct od_import_findings *to, struct od_import_findings *from)
{
    if (from->bad_rows && !to->bad_rows)
        to->first = from->first;
    struct od_str rest = od_buf_view(&from->list), line;
    while (to->listed < OD_MAX_REPORTED_ROWS && rest.len && od_str_cut(&rest, '\n', &line)) {
        od_buf_put(&to->list, line.ptr, line.len + 1);
        to->listed++;
    }
    to->rows += from->rows;
    to->bad_rows += from->bad_rows;
    from->rows = from->bad_rows = from->listed = 0;
    od_buf_clear(&from->list);
}

static enum od_status write_report(const struct od_import *im, struct od_error *err)
{
    const struct od_import_findings *found = &im->found;
    struct od_buf text;
    od_buf_init(&text, found->list.max + 4096);
    od_buf_printf(&text,
                  "# Rows of an import of %s data that broke a rule. Nothing was imported.\n"
                  "# Parts, separated by tabs: file, line, column, value (shortened), rule.\n",
                  od_dataset_type_name(im->spec->type));
    od_buf_str(&text, od_buf_view(&found->list));
    if (found->bad_rows > found->listed)
        od_buf_printf(&text, "# %" PRIu64 " more are not listed.\n",
                      found->bad_rows - found->listed);
    od_buf_printf(&text, "# %" PRIu64 " bad row%s in all, %" PRIu64 " good.\n", found->bad_rows,
                  found->bad_rows == 1 ? "" : "s", found->rows);
    enum od_status s = od_buf_status(&text);
    struct od_buf path;
    od_buf_init(&path, 4096);
    od_buf_str(&path, im->spec->report_path);
    if (s == OD_OK)
        s = od_buf_status(&path);
    if (s == OD_OK)
        s = od_io_write_file(im->io, path.ptr, od_buf_view(&text), err);
    else
        od_fail(err, s, NULL);
    od_buf_done(&path);
    od_buf_done(&text);
    return s;
}

/* reports/x.txt of /data/reports/x.txt: enough to find it in the data folder. */
static struct od_str last_two_parts(struct od_str path)
{
    size_t at = path.len, parts = 0;
    while (at > 0 && (path.ptr[at - 1] != '/' || ++parts < 2))
        at--;
    return od_str_sub(path, at, path.len);
}

enum od_status od_import_refuse(const struct od_import *im, struct od_error *err)
{
    const struct od_import_bad *bad = &im->found.first;
    struct od_error unwritten = {0};
    char place[350] = "", report[600];
    enum od_status written = write_report(im, &unwritten);
    if (im->file_count > 1)
        snprintf(place, sizeof place, " of %.*s",
                 OD_STR_ARG(od_value_excerpt(bad->file->name, 255)));
    uint64_t n = im->found.bad_rows;
    if (written == OD_OK)
        snprintf(report, sizeof report,
                 "%" PRIu64 " bad row%s in all; the report lists them: %.*s.", n, n == 1 ? "" : "s",
                 OD_STR_ARG(last_two_parts(im->spec->report_path)));
    else
        snprintf(report, sizeof report,
                 "%" PRIu64 " bad row%s in all; the report could not be written: %.300s.", n,
                 n == 1 ? "" : "s", unwritten.message);
    struct od_str column = od_value_excerpt(bad->column, SHOWN_COLUMN);
    enum od_status s = OD_INVALID_INPUT;
    if (bad->kind == OD_BAD_CELL)
        od_import_fail(im, err, s,
                       "Invalid value '%s' for column %.*s at line %" PRIu64 "%s: %s. %s",
                       bad->value, OD_STR_ARG(column), bad->line, place, bad->rule, report);
    else if (bad->kind == OD_BAD_LENGTH)
        od_import_fail(im, err, s,
                       "%s. If no values exceed the character limit, make sure your data follows "
                       "the formatting guidelines listed in %s. First at line %" PRIu64 "%s. %s",
                       bad->rule, GUIDELINES, bad->line, place, report);
    else
        od_import_fail(im, err, s, "Invalid record at line %" PRIu64 "%s: %s. %s", bad->line, place,
                       bad->rule, report);
    if (err) {
        err->line = bad->line;
        snprintf(err->file, sizeof err->file, "%.*s",
                 OD_STR_ARG(od_value_excerpt(bad->file->name, 255)));
    }
    return s;
}
