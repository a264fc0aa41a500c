/* Reports of metric attributions as files: see attribution_csv.h. */
#include "api/attribution_csv.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEADER    "METRIC_NAME,EVENT_TYPE,VALUE,MATH_FUNCTION,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP\n"
#define WRITE_AT  (64u * 1024) /* bytes of rows gathered before they go to the file */
#define TEXT_MAX  (1u << 20)
#define ARENA_MAX (1u << 16)

/* digits with the point after the first `whole` of them, and zeros where there are none. */
static void put_digits(struct od_buf *out, struct od_str digits, int64_t whole)
{
    if (whole <= 0)
        od_buf_char(out, '0');
    for (int64_t i = 0; i < whole; i++)
        od_buf_char(out, (size_t)i < digits.len ? digits.ptr[i] : '0');
    od_buf_char(out, '.');
    for (int64_t i = whole; i < 0; i++)
        od_buf_char(out, '0');
    size_t from = whole > 0 ? (size_t)whole : 0;
    od_buf_str(out, from < digits.len ? od_str_sub(digits, from, digits.len) : OD_STR("0"));
}

/* The shortest decimal that reads back as the same double, its exponent (d.ddde-NN) spelled out. */
void od_attribution_csv_number(struct od_buf *out, double value)
{
    struct od_buf shortest;
    char digits[32];
    size_t count = 0;
    if (isnan(value))
        value = 0;
    if (isinf(value))
        value = value > 0 ? DBL_MAX : -DBL_MAX;
    od_buf_init(&shortest, 64);
    od_buf_double(&shortest, fabs(value));
    struct od_str exponent = od_buf_view(&shortest), mantissa, part;
    int64_t power = 0, whole;
    (void)od_str_cut(&exponent, 'e', &mantissa);
    if (exponent.ptr && !od_str_to_i64(exponent, &power))
        power = 0;
    (void)od_str_cut(&mantissa, '.', &part);
    whole = (int64_t)part.len + power;
    for (size_t i = 0; i < part.len && count < sizeof digits; i++)
        digits[count++] = part.ptr[i];
    for (size_t i = 0; i < mantissa.len && count < sizeof digits; i++)
        digits[count++] = mantissa.ptr[i];
    if (value < 0)
        od_buf_char(out, '-');
    put_digits(out, (struct od_str){digits, count}, whole);
    od_buf_done(&shortest);
}

static void put_text(struct od_buf *out, struct od_str text, bool upper)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++)
        quoted |= text.ptr[i] && strchr(",\"\r\n", text.ptr[i]) != NULL;
    if (quoted)
        od_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"')
            od_buf_char(out, '"');
        od_buf_char(out, upper && c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c);
    }
    if (quoted)
        od_buf_char(out, '"');
}

static enum od_status flush(struct od_attribution_csv *csv, struct od_error *err)
{
    enum od_status s = od_buf_status(&csv->text);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = csv->io->write_at(csv->io, csv->fd, csv->text.ptr, csv->text.len, csv->at, err);
    csv->at += csv->text.len;
    od_buf_clear(&csv->text);
    return s;
}

enum od_status od_attribution_csv_open(struct od_attribution_csv *csv, const struct od_io *io,
                                       const struct od_objects *objects, struct od_str location,
                                       const char *method, int64_t stamp_s, struct od_error *err)
{
    struct od_str folder;
    *csv = (struct od_attribution_csv){.io = io, .fd = -1};
    od_arena_init(&csv->arena, ARENA_MAX);
    od_buf_init(&csv->text, TEXT_MAX);
    enum od_status s = od_objects_output(objects, location, &csv->arena, &folder, err);
    if (s == OD_OK) {
        csv->path =
            od_arena_printf(&csv->arena, "%.*s/AggregatedAttributionMetrics - %s - %lld.csv",
                            OD_STR_ARG(folder), method, (long long)stamp_s);
        csv->temporary = od_arena_printf(&csv->arena, "%.*s.tmp", OD_STR_ARG(csv->path));
        if (!csv->path.ptr || !csv->temporary.ptr)
            s = od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s == OD_OK)
        s = io->open(io, csv->temporary.ptr, OD_OPEN_CREATE, &csv->fd, err);
    if (s != OD_OK)
        od_attribution_csv_abort(csv);
    else
        od_buf_puts(&csv->text, HEADER);
    return s;
}

enum od_status od_attribution_csv_row(struct od_attribution_csv *csv,
                                      const struct od_attribution_cell *cell, struct od_error *err)
{
    struct od_buf *text = &csv->text;
    put_text(text, cell->metric, true);
    od_buf_char(text, ',');
    put_text(text, cell->event_type, true);
    od_buf_char(text, ',');
    od_attribution_csv_number(text, cell->value);
    od_buf_char(text, ',');
    put_text(text, cell->math_function, false);
    od_buf_char(text, ',');
    put_text(text, cell->source, false);
    od_buf_printf(text, ",%lld\n", (long long)cell->period_s);
    return text->len < WRITE_AT && od_buf_status(text) == OD_OK ? OD_OK : flush(csv, err);
}

enum od_status od_attribution_csv_close(struct od_attribution_csv *csv, struct od_error *err)
{
    enum od_status s = csv->text.len ? flush(csv, err) : OD_OK;
    if (s == OD_OK)
        s = csv->io->sync(csv->io, csv->fd, err);
    if (s == OD_OK) {
        csv->io->close(csv->io, csv->fd);
        csv->fd = -1;
        s = csv->io->rename(csv->io, csv->temporary.ptr, csv->path.ptr, err);
        if (s == OD_OK)
            csv->temporary = OD_STR_NONE;
    }
    od_attribution_csv_abort(csv);
    return s;
}

void od_attribution_csv_abort(struct od_attribution_csv *csv)
{
    struct od_error ignored;
    if (csv->fd >= 0)
        csv->io->close(csv->io, csv->fd);
    enum od_status s =
        csv->temporary.ptr ? csv->io->remove(csv->io, csv->temporary.ptr, &ignored) : OD_OK;
    (void)s; /* a file left behind is written over when the report is tried again */
    csv->fd = -1;
    csv->temporary = OD_STR_NONE;
    od_buf_done(&csv->text);
    od_arena_done(&csv->arena);
}
