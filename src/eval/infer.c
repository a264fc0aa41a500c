/* Guessing schemas. The guess is written as the Avro text a user would write and then parsed, so
 * that it obeys the rules of every other schema. */
#include "eval/infer.h"

#include <stdlib.h>
#include <string.h>

#include "base/dict.h"
#include "base/limits.h"
#include "data/value.h"

#define VALUE_SHOWN   60         /* bytes of a bad value repeated in a message */
#define DISTINCT_MOST (1u << 20) /* different values counted of a column: 50 MB at worst */

/* --- walking --- */

static const char *fault_text(enum od_csv_fault fault)
{
    switch (fault) {
    case OD_CSV_FEW_CELLS:
        return "the record has fewer cells than the header";
    case OD_CSV_MANY_CELLS:
        return "the record has more cells than the header";
    case OD_CSV_STRAY_QUOTE:
        return "a quote stands inside a cell that is not quoted";
    case OD_CSV_AFTER_QUOTE:
        return "something stands between a closing quote and the comma";
    case OD_CSV_UNTERMINATED:
        return "the file ends inside quotes";
    case OD_CSV_TOO_LONG:
    case OD_CSV_TOO_LONG_IN_QUOTES:
        return "the record is longer than 1 MiB";
    case OD_CSV_FINE:
        break;
    }
    return "the record is not well formed";
}

/* The failure of a record, with file and line. */
static enum od_status at_line(struct od_error *err, enum od_status s, const char *name,
                              uint64_t line, const char *message)
{
    od_fail(err, s, "%s, line %llu: %s", name, (unsigned long long)line, message);
    if (err)
        err->line = line;
    return s;
}

enum od_status
od_csv_walk(struct od_str bytes, const char *name, const struct od_csv_header *header,
            enum od_status (*each)(void *context, const struct od_str *cells, struct od_error *err),
            void *context, struct od_error *err)
{
    struct od_csv *csv = od_csv_new(header->column_count);
    if (!csv)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_csv_record record;
    enum od_csv_step step;
    enum od_status s = OD_OK;
    uint64_t line = header->next_line;
    size_t counted = header->bytes;
    od_csv_start(csv, bytes, header->bytes, bytes.len, true);
    while (s == OD_OK && (step = od_csv_next(csv, &record)) == OD_CSV_GAVE_RECORD) {
        struct od_error inner = {0};
        line += od_csv_count_newlines(od_str_sub(bytes, counted, record.at - counted));
        counted = record.at;
        if (record.fault != OD_CSV_FINE)
            s = at_line(err, OD_INVALID_INPUT, name, line, fault_text(record.fault));
        else if ((s = each(context, record.cells, &inner)) != OD_OK)
            at_line(err, s, name, line, inner.message);
    }
    od_csv_free(csv);
    if (s == OD_OK && step != OD_CSV_ENDED)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return s;
}

/* --- what values say --- */

struct column {
    uint64_t values; /* that are not null */
    uint64_t bytes;  /* of them */
    size_t longest;  /* characters of one */
    bool reserved;   /* its type is known, whatever is in it */
    bool numbers, lists, many;
    struct od_dict *distinct;
};
struct survey {
    const struct od_csv_header *header;
    struct column *columns;
    uint64_t rows;
};

static enum od_status look(void *context, const struct od_str *cells, struct od_error *err)
{
    struct survey *survey = context;
    survey->rows++;
    for (size_t c = 0; c < survey->header->column_count; c++) {
        struct column *column = &survey->columns[c];
        double number;
        uint32_t code;
        if (column->reserved || cells[c].len == 0)
            continue;
        column->values++;
        column->bytes += cells[c].len;
        size_t length = cells[c].len > column->longest ? od_utf8_count(cells[c]) : 0;
        column->longest = length > column->longest ? length : column->longest;
        column->numbers = column->numbers && od_str_to_double(cells[c], &number);
        column->lists = column->lists || od_str_find(cells[c], '|', 0) != SIZE_MAX;
        if (column->many)
            continue;
        if (od_dict_add(column->distinct, cells[c], &code) != OD_OK)
            return od_fail(err, OD_NO_MEMORY, NULL);
        column->many = od_dict_count(column->distinct) >= DISTINCT_MOST;
    }
    return OD_OK;
}

/* --- the guess --- */

struct reserved {
    enum od_dataset_type type;
    const char *name, *avro;
};
static const struct reserved reserved[] = {
    {OD_INTERACTIONS, "USER_ID", "\"string\""},
    {OD_INTERACTIONS, "ITEM_ID", "\"string\""},
    {OD_INTERACTIONS, "TIMESTAMP", "\"long\""},
    {OD_INTERACTIONS, "EVENT_TYPE", "[\"null\",\"string\"]"},
    {OD_INTERACTIONS, "EVENT_VALUE", "[\"null\",\"float\"]"},
    {OD_INTERACTIONS, "IMPRESSION", "[\"null\",\"string\"]"},
    {OD_INTERACTIONS, "RECOMMENDATION_ID", "[\"null\",\"string\"]"},
    {OD_INTERACTIONS, "EVENT_ATTRIBUTION_SOURCE", "[\"null\",\"string\"]"},
    {OD_ITEMS, "ITEM_ID", "\"string\""},
    {OD_ITEMS, "CREATION_TIMESTAMP", "[\"null\",\"long\"]"},
    {OD_USERS, "USER_ID", "\"string\""},
};

static const char *reserved_type(enum od_dataset_type type, struct od_str name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (reserved[i].type == type && od_str_eq_c(name, reserved[i].name))
            return reserved[i].avro;
    return NULL;
}

static bool says_prose(struct od_str name)
{
    static const char *const words[] = {"TITLE",    "NAME",    "DESCRIPTION", "TEXT",  "SUMMARY",
                                        "ABSTRACT", "CONTENT", "BODY",        "REVIEW"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct od_str word = od_str_c(words[i]);
        if (name.len < word.len)
            continue;
        struct od_str end = od_str_sub(name, name.len - word.len, word.len);
        if (od_str_eq_nocase(end, word) &&
            (name.len == word.len || name.ptr[name.len - word.len - 1] == '_'))
            return true;
    }
    return false;
}

/* The column of prose with most text in it, for a schema of items may have one such field;
 * SIZE_MAX: none. */
static size_t find_prose(const struct survey *survey, enum od_dataset_type type)
{
    size_t found = SIZE_MAX;
    for (size_t c = 0; type == OD_ITEMS && c < survey->header->column_count; c++) {
        const struct column *column = &survey->columns[c];
        if (says_prose(survey->header->columns[c]) && column->values && !column->numbers &&
            (found == SIZE_MAX || column->bytes > survey->columns[found].bytes))
            found = c;
    }
    return found;
}

static const char *guess(const struct survey *survey, size_t c, size_t prose)
{
    const struct column *column = &survey->columns[c];
    bool repeats = !column->many && od_dict_count(column->distinct) <= column->values / 2;
    if (column->values && column->numbers)
        return "[\"null\",\"double\"]";
    if (c == prose)
        return "[\"null\",\"string\"],\"textual\":true";
    if (column->lists || repeats)
        return "[\"null\",\"string\"],\"categorical\":true";
    return "[\"null\",\"string\"]";
}

/* For a field that is no prose: models could not use it, and no schema would take it. */
static bool is_too_long(const struct column *column, bool prose)
{
    return !prose && !column->numbers && column->longest > OD_MAX_STRING_CHARS;
}

static size_t most_own(enum od_dataset_type type)
{
    return type == OD_INTERACTIONS ? 5 : type == OD_USERS ? 25 : 100; /* (AWS), schema_rules.c */
}

static void put_field(struct od_buf *text, struct od_str name, const char *avro, size_t *count)
{
    od_buf_puts(text, (*count)++ ? ",{\"name\":" : "{\"name\":");
    od_buf_json(text, name);
    od_buf_printf(text, ",\"type\":%s}", avro);
}

static void write_schema(const struct survey *survey, enum od_dataset_type type,
                         struct od_buf *text, size_t *out_dropped)
{
    static const char *const names[] = {"Interactions", "Items", "Users"};
    size_t fields = 0, own = 0, dropped = 0, prose = find_prose(survey, type);
    bool timed = type != OD_INTERACTIONS;
    od_buf_printf(text,
                  "{\"type\":\"record\",\"name\":\"%s\",\"namespace\":"
                  "\"com.amazonaws.personalize.schema\",\"version\":\"1.0\",\"fields\":[",
                  names[type]);
    for (size_t c = 0; c < survey->header->column_count; c++) {
        struct od_str name = survey->header->columns[c];
        const char *avro = reserved_type(type, name);
        timed = timed || od_str_eq_c(name, "TIMESTAMP");
        if (!avro && survey->columns[c].values == 0)
            continue; /* says nothing; a file beside it may have something in it */
        if (!avro && (own == most_own(type) || is_too_long(&survey->columns[c], c == prose))) {
            dropped++;
            continue;
        }
        own += !avro;
        put_field(text, name, avro ? avro : guess(survey, c, prose), &fields);
    }
    if (!timed)
        put_field(text, OD_STR("TIMESTAMP"), "\"long\"", &fields);
    od_buf_puts(text, "]}");
    *out_dropped = dropped;
}

static enum od_status survey_init(struct survey *survey, const struct od_csv_header *header,
                                  enum od_dataset_type type)
{
    survey->header = header;
    survey->columns = calloc(header->column_count, sizeof *survey->columns);
    if (!survey->columns)
        return OD_NO_MEMORY;
    for (size_t c = 0; c < header->column_count; c++) {
        survey->columns[c] =
            (struct column){.reserved = reserved_type(type, header->columns[c]) != NULL,
                            .numbers = true,
                            .distinct = od_dict_new()};
        if (!survey->columns[c].distinct)
            return OD_NO_MEMORY;
    }
    return OD_OK;
}

static void survey_done(struct survey *survey)
{
    for (size_t c = 0; survey->columns && c < survey->header->column_count; c++)
        od_dict_free(survey->columns[c].distinct);
    free(survey->columns);
}

enum od_status od_infer_schema(struct od_arena *arena, struct od_str bytes, const char *name,
                               enum od_dataset_type type, struct od_schema *out,
                               size_t *out_dropped, struct od_error *err)
{
    struct od_csv_header header;
    struct od_error inner = {0};
    struct survey survey = {0};
    struct od_buf text;
    enum od_status s = od_csv_header(arena, bytes, &header, &inner);
    if (s != OD_OK)
        return od_fail(err, s, "%s: %s", name, inner.message);
    od_buf_init(&text, OD_MAX_SCHEMA_CHARS * 4);
    s = survey_init(&survey, &header, type);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else
        s = od_csv_walk(bytes, name, &header, look, &survey, err);
    if (s == OD_OK) {
        write_schema(&survey, type, &text, out_dropped);
        s = od_buf_status(&text);
        if (s == OD_OK)
            s = od_schema_parse(arena, od_buf_view(&text), OD_DOMAIN_NONE, out, &inner);
        if (s != OD_OK)
            od_fail(err, s, "%s: %s", name, inner.message);
    }
    survey_done(&survey);
    od_buf_done(&text);
    return s;
}
