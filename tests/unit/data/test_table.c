/* The table: against a model that keeps every cell as text, through puts, chunks and clears. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "data/table.h"

static struct od_field item_fields[] = {
    {.name = OD_STR("GENRES"), .type = OD_FIELD_STRING, .nullable = true, .categorical = true},
    {.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
    {.name = OD_STR("TITLE"), .type = OD_FIELD_STRING, .nullable = true},
    {.name = OD_STR("YEAR"), .type = OD_FIELD_INT, .nullable = true},
    {.name = OD_STR("CREATION_TIMESTAMP"), .type = OD_FIELD_LONG, .nullable = true},
    {.name = OD_STR("PRICE"), .type = OD_FIELD_FLOAT, .nullable = true},
    {.name = OD_STR("SIZE"), .type = OD_FIELD_DOUBLE, .nullable = true},
    {.name = OD_STR("IS_NEW"), .type = OD_FIELD_BOOLEAN, .nullable = true},
};
enum { GENRES, ITEM_ID, TITLE, YEAR, CREATED, PRICE, SIZE, IS_NEW, FIELDS };
static const struct od_schema item_schema = {
    .name = OD_STR("Items"), .type = OD_ITEMS, .field_count = FIELDS, .fields = item_fields};

static struct od_value text(const char *s)
{
    return (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(s)};
}

static struct od_value integer(int64_t v)
{
    return (struct od_value){.kind = OD_VALUE_INTEGER, .integer = v};
}

static struct od_value real(double v)
{
    return (struct od_value){.kind = OD_VALUE_REAL, .real = v};
}

static const char *cell(const struct od_table *table, size_t column, uint32_t row)
{
    static struct od_buf buf;
    if (!buf.max)
        od_buf_init(&buf, 1 << 20);
    od_buf_clear(&buf);
    od_buf_puts(&buf, "");
    if (!od_table_cell_text(table, column, row, &buf))
        return "(null)";
    assert_int_equal(od_buf_status(&buf), OD_OK);
    return buf.ptr ? buf.ptr : "";
}

static void puts_and_reads_every_type(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    assert_non_null(table);
    struct od_value values[FIELDS] = {[GENRES] = text("Drama||Action|"),
                                      [ITEM_ID] = text("i1"),
                                      [TITLE] = text("A|B, 購入"),
                                      [YEAR] = integer(-7),
                                      [CREATED] = integer(INT64_MIN),
                                      [PRICE] = real(0.1),
                                      [SIZE] = real(1e-3),
                                      [IS_NEW] = {.kind = OD_VALUE_BOOLEAN, .integer = 1}};
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_string_equal(cell(table, GENRES, 0), "Drama|Action");
    assert_string_equal(cell(table, ITEM_ID, 0), "i1");
    assert_string_equal(cell(table, TITLE, 0), "A|B, 購入");
    assert_string_equal(cell(table, YEAR, 0), "-7");
    assert_string_equal(cell(table, CREATED, 0), "-9223372036854775808");
    assert_string_equal(cell(table, PRICE, 0), "0.1");
    assert_string_equal(cell(table, SIZE, 0), "0.001");
    assert_string_equal(cell(table, IS_NEW, 0), "true");
    values[PRICE] = real((double)0.1F); /* a float that was rounded on its way reads the same */
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_string_equal(cell(table, PRICE, 0), "0.1");
    assert_int_equal(od_table_row_count(table), 1);
    od_table_free(table);
}

static void one_number_is_replaced(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    struct od_value values[FIELDS] = {[ITEM_ID] = text("x"), [TITLE] = text("t")};
    uint32_t bare;
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_int_equal(od_table_row(table, OD_STR("bare"), &bare), OD_OK);
    uint64_t before = od_table_version(table);
    assert_int_equal(od_table_set_integer(table, TITLE, 0, 5), OD_INVALID_INPUT);
    assert_int_equal(od_table_set_integer(table, PRICE, 0, 5), OD_INVALID_INPUT);
    assert_int_equal(od_table_set_integer(table, CREATED, bare, 5), OD_INVALID_INPUT);
    assert_int_equal(od_table_set_integer(table, CREATED, 2, 5), OD_INVALID_INPUT);
    assert_int_equal(od_table_version(table), before);
    assert_int_equal(od_table_set_integer(table, CREATED, 0, 5), OD_OK);
    assert_int_equal(od_table_set_integer(table, CREATED, 0, -6), OD_OK);
    assert_true(od_table_version(table) != before);
    assert_string_equal(cell(table, CREATED, 0), "-6");
    assert_string_equal(cell(table, TITLE, 0), "t");
    assert_string_equal(cell(table, CREATED, bare), "(null)");
    od_table_free(table);
}

static void an_empty_table_has_its_arrays(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    for (size_t f = 0; f < FIELDS; f++) {
        struct od_table_column column;
        enum od_field_type type = item_fields[f].type;
        bool real_type = type == OD_FIELD_FLOAT || type == OD_FIELD_DOUBLE;
        od_table_column(table, f, &column);
        assert_non_null(column.nulls);
        assert_int_equal(column.list_at != NULL, type == OD_FIELD_STRING);
        assert_int_equal(column.reals != NULL, real_type);
        assert_int_equal(column.integers != NULL, type != OD_FIELD_STRING && !real_type);
    }
    od_table_free(table);
}

static void replaces_the_whole_record(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    struct od_value values[FIELDS] = {
        [GENRES] = text("a|b"), [ITEM_ID] = text("x"), [YEAR] = integer(1)};
    assert_int_equal(od_table_put(table, values), OD_OK);
    struct od_value fewer[FIELDS] = {[ITEM_ID] = text("x"), [TITLE] = text("t")};
    assert_int_equal(od_table_put(table, fewer), OD_OK);
    assert_string_equal(cell(table, GENRES, 0), "(null)");
    assert_string_equal(cell(table, YEAR, 0), "(null)");
    assert_string_equal(cell(table, TITLE, 0), "t");
    od_table_free(table);
}

static void a_cell_of_separators_alone_is_null(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    struct od_value values[FIELDS] = {
        [GENRES] = text("||"), [ITEM_ID] = text("x"), [TITLE] = text("")};
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_string_equal(cell(table, GENRES, 0), "(null)");
    assert_string_equal(cell(table, TITLE, 0), ""); /* not split: one empty value */
    struct od_table_column column;
    od_table_column(table, TITLE, &column);
    assert_int_equal(column.list_len[0], 1);
    od_table_free(table);
}

static void ids_without_a_record_are_null_everywhere(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    uint32_t row, again;
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", i);
        assert_int_equal(od_table_row(table, od_str_c(id), &row), OD_OK);
        assert_int_equal(row, i);
        assert_int_equal(od_table_row(table, od_str_c(id), &again), OD_OK);
        assert_int_equal(again, row);
    }
    struct od_value values[FIELDS] = {[ITEM_ID] = text("i77"), [YEAR] = integer(3)};
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_int_equal(od_table_row_count(table), 200);
    for (uint32_t r = 0; r < 200; r++) {
        assert_int_equal(od_table_has_record(table, r), r == 77);
        assert_string_equal(cell(table, YEAR, r), r == 77 ? "3" : "(null)");
        assert_string_equal(cell(table, ITEM_ID, r), r == 77 ? "i77" : "(null)");
    }
    struct od_table_column column;
    od_table_column(table, YEAR, &column);
    assert_int_equal(od_bitmap_count(column.nulls, 256), 199); /* no bits past the end */
    assert_int_equal(od_table_find(table, OD_STR("i199")), 199);
    assert_int_equal(od_table_find(table, OD_STR("i200")), OD_NO_ROW);
    assert_true(od_str_eq_c(od_table_id(table, 42), "i42"));
    od_table_free(table);
}

static void works_without_columns(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(NULL);
    uint32_t row;
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(od_table_row(table, od_str_c(id), &row), OD_OK);
    }
    assert_int_equal(od_table_column_count(table), 0);
    assert_null(od_table_schema(table));
    assert_false(od_table_has_record(table, 5));
    assert_int_equal(od_table_put(table, &(struct od_value){.kind = OD_VALUE_TEXT}),
                     OD_INVALID_INPUT);
    od_table_clear(table);
    assert_int_equal(od_table_row_count(table), 100);
    od_table_free(table);
}

static void refuses_what_does_not_fit_the_schema(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    struct od_value wrong[][FIELDS] = {
        {[ITEM_ID] = {.kind = OD_VALUE_NULL}},
        {[ITEM_ID] = text("")},
        {[ITEM_ID] = text("x"), [YEAR] = real(1)},
        {[ITEM_ID] = text("x"), [PRICE] = integer(1)},
        {[ITEM_ID] = text("x"), [GENRES] = integer(1)},
        {[ITEM_ID] = text("x"), [YEAR] = text("1")},
        {[ITEM_ID] = text("x"), [IS_NEW] = integer(1)},
        {[ITEM_ID] = text("x"), [TITLE] = {.kind = OD_VALUE_TEXT}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(od_table_put(table, wrong[i]), OD_INVALID_INPUT);
    assert_int_equal(od_table_row_count(table), 0);
    assert_int_equal(od_table_version(table), 0);
    od_table_free(table);
    struct od_schema no_id = item_schema;
    no_id.type = OD_USERS; /* has no USER_ID */
    assert_null(od_table_new(&no_id));
}

static void version_changes_with_every_change(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    uint64_t seen = od_table_version(table);
    uint32_t row;
    assert_int_equal(od_table_row(table, OD_STR("a"), &row), OD_OK);
    assert_true(od_table_version(table) != seen);
    seen = od_table_version(table);
    assert_int_equal(od_table_row(table, OD_STR("a"), &row), OD_OK);
    assert_true(od_table_version(table) == seen);
    struct od_value values[FIELDS] = {[ITEM_ID] = text("a")};
    assert_int_equal(od_table_put(table, values), OD_OK);
    assert_true(od_table_version(table) != seen);
    seen = od_table_version(table);
    od_table_clear(table);
    assert_true(od_table_version(table) != seen);
    assert_false(od_table_has_record(table, 0));
    od_table_free(table);
}

static void the_schema_is_copied(void **state)
{
    (void)state;
    char name[] = "GENRES";
    struct od_field fields[2] = {{.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
                                 {.name = {name, 6}, .type = OD_FIELD_STRING, .categorical = true}};
    struct od_schema schema = {.name = OD_STR("Items"), .type = OD_ITEMS, 2, fields};
    struct od_table *table = od_table_new(&schema);
    memset(name, 'X', 6);
    memset(fields, 0, sizeof fields);
    assert_true(od_str_eq_c(od_table_schema(table)->fields[1].name, "GENRES"));
    struct od_table_column column;
    od_table_column(table, 1, &column);
    assert_true(od_str_eq_c(column.field->name, "GENRES"));
    od_table_free(table);
}

/* --- waste --- */

static void replaced_texts_and_lists_are_given_back(void **state)
{
    (void)state;
    struct od_table *table = od_table_new(&item_schema);
    char id[16], title[400], genres[400];
    for (int i = 0; i < 60000; i++) {
        snprintf(id, sizeof id, "i%d", i % 10);
        int at = snprintf(title, sizeof title, "title %d ", i);
        memset(title + at, 'x', 300);
        title[at + 300] = '\0';
        at = 0;
        for (int k = 0; k <= i % 17; k++)
            at += snprintf(genres + at, sizeof genres - (size_t)at, "g%d|", k);
        struct od_value values[FIELDS] = {
            [ITEM_ID] = text(id), [TITLE] = text(title), [GENRES] = text(genres)};
        assert_int_equal(od_table_put(table, values), OD_OK);
    }
    assert_string_equal(cell(table, TITLE, 9), title);
    genres[strlen(genres) - 1] = '\0';
    assert_string_equal(cell(table, GENRES, 9), genres);
    /* 60,000 titles would be 19 MB; at most a few thousand may wait to be given back */
    assert_true(od_table_bytes(table) < 2000000);
    od_table_free(table);
}

/* --- against the model --- */

#define MODEL_ROWS 300

struct model {
    uint32_t rows;
    char cells[MODEL_ROWS][FIELDS][64]; /* as od_table_cell_text shows them */
    bool present[MODEL_ROWS][FIELDS];
};

static void random_text(struct od_random *rng, bool split, char *out, char *shown)
{
    static const char *const words[] = {"a", "", "購入", "Drama", "a b", "x,y", "\"q\"", "zz"};
    size_t n = split ? od_random_below(rng, 6) : 1;
    out[0] = shown[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const char *word = words[od_random_below(rng, 8)];
        snprintf(out + strlen(out), 64 - strlen(out), "%s%s", i ? "|" : "", word);
        if (word[0])
            snprintf(shown + strlen(shown), 64 - strlen(shown), "%s%s", shown[0] ? "|" : "", word);
    }
}

struct record {
    struct od_value values[FIELDS];
    char texts[FIELDS][64];
    char shown[FIELDS][64];
    bool present[FIELDS];
};

static void random_record(struct od_random *rng, struct record *out)
{
    memset(out, 0, sizeof *out);
    for (int f = 0; f < FIELDS; f++) {
        enum od_field_type type = item_fields[f].type;
        if (f != ITEM_ID && od_random_below(rng, 4) == 0)
            continue;
        out->present[f] = true;
        int64_t v = (int64_t)od_random_below(rng, 9) - 4;
        if (f == ITEM_ID) {
            snprintf(out->texts[f], 64, "i%d", (int)od_random_below(rng, MODEL_ROWS - 1));
            memcpy(out->shown[f], out->texts[f], 64);
            out->values[f] = text(out->texts[f]);
        } else if (type == OD_FIELD_STRING) {
            random_text(rng, item_fields[f].categorical, out->texts[f], out->shown[f]);
            out->values[f] = text(out->texts[f]);
            out->present[f] = !item_fields[f].categorical || out->shown[f][0];
        } else if (type == OD_FIELD_FLOAT || type == OD_FIELD_DOUBLE) {
            out->values[f] = real((double)v / 4);
            snprintf(out->shown[f], 64, "%g", (double)v / 4);
        } else if (type == OD_FIELD_BOOLEAN) {
            out->values[f] = (struct od_value){.kind = OD_VALUE_BOOLEAN, .integer = v > 0};
            snprintf(out->shown[f], 64, v > 0 ? "true" : "false");
        } else {
            out->values[f] = integer(v);
            snprintf(out->shown[f], 64, "%lld", (long long)v);
        }
    }
}

static void model_put(struct model *model, const struct od_table *table,
                      const struct record *record)
{
    uint32_t row = od_table_find(table, record->values[ITEM_ID].text);
    assert_true(row < MODEL_ROWS);
    memcpy(model->cells[row], record->shown, sizeof record->shown);
    memcpy(model->present[row], record->present, sizeof record->present);
}

static void check_model(const struct model *model, const struct od_table *table)
{
    for (uint32_t row = 0; row < od_table_row_count(table); row++) {
        for (size_t f = 0; f < FIELDS; f++) {
            const char *shown = cell(table, f, row);
            assert_string_equal(shown, model->present[row][f] ? model->cells[row][f] : "(null)");
        }
    }
}

/* A chunk of records, with its own dictionaries, as an import makes it. */
#define CHUNK_ROWS 40
struct hand_chunk {
    uint64_t nulls[FIELDS];
    int64_t integers[FIELDS][CHUNK_ROWS];
    double reals[FIELDS][CHUNK_ROWS];
    uint16_t codes[FIELDS][CHUNK_ROWS];
    uint32_t offsets[FIELDS][CHUNK_ROWS + 1];
    char bytes[FIELDS][CHUNK_ROWS * 64];
    struct od_chunk_column columns[FIELDS];
    struct od_chunk chunk;
};

static void chunk_text(struct hand_chunk *h, size_t f, uint32_t row, struct od_str s)
{
    struct od_chunk_column *column = &h->columns[f];
    for (uint32_t i = 0; i < column->dict_count; i++) {
        struct od_str known = {h->bytes[f] + h->offsets[f][i],
                               h->offsets[f][i + 1] - h->offsets[f][i]};
        if (od_str_eq(known, s)) {
            h->codes[f][row] = (uint16_t)i;
            return;
        }
    }
    uint32_t at = h->offsets[f][column->dict_count];
    memcpy(h->bytes[f] + at, s.ptr, s.len);
    h->offsets[f][column->dict_count + 1] = at + (uint32_t)s.len;
    h->codes[f][row] = (uint16_t)column->dict_count++;
}

static void make_chunk(struct hand_chunk *h, const struct record *records, uint32_t rows)
{
    memset(h, 0, sizeof *h);
    h->chunk = (struct od_chunk){rows, FIELDS, h->columns};
    for (size_t f = 0; f < FIELDS; f++) {
        h->columns[f] = (struct od_chunk_column){.type = item_fields[f].type,
                                                 .integers = h->integers[f],
                                                 .reals = h->reals[f],
                                                 .codes = h->codes[f],
                                                 .dict_offsets = h->offsets[f],
                                                 .dict_bytes = h->bytes[f]};
        for (uint32_t r = 0; r < rows; r++) {
            const struct od_value *v = &records[r].values[f];
            h->integers[f][r] = v->integer;
            h->reals[f][r] = v->real;
            if (v->kind == OD_VALUE_NULL)
                h->nulls[f] |= 1ULL << r;
            else if (v->kind == OD_VALUE_TEXT)
                chunk_text(h, f, r, v->text);
        }
        h->columns[f].nulls = h->nulls[f] ? &h->nulls[f] : NULL;
    }
}

static void behaves_like_the_model(void **state)
{
    (void)state;
    static struct model model;
    static struct record records[CHUNK_ROWS];
    static struct hand_chunk chunk;
    struct od_random rng;
    od_random_init(&rng, 20240229);
    memset(&model, 0, sizeof model);
    struct od_table *table = od_table_new(&item_schema);
    for (int step = 0; step < 3000; step++) {
        uint64_t what = od_random_below(&rng, 100);
        uint32_t rows = what < 80 ? 1 : 1 + (uint32_t)od_random_below(&rng, CHUNK_ROWS);
        for (uint32_t i = 0; i < rows; i++)
            random_record(&rng, &records[i]);
        if (what < 80) {
            assert_int_equal(od_table_put(table, records[0].values), OD_OK);
        } else if (what < 99) {
            make_chunk(&chunk, records, rows);
            assert_int_equal(od_table_put_chunk(table, &chunk.chunk), OD_OK);
        } else {
            od_table_clear(table);
            memset(model.present, 0, sizeof model.present);
            rows = 0;
        }
        for (uint32_t i = 0; i < rows; i++)
            model_put(&model, table, &records[i]);
        if (step % 50 == 0)
            check_model(&model, table);
    }
    check_model(&model, table);
    od_table_free(table);
}

static void refuses_a_chunk_of_another_shape_and_changes_nothing(void **state)
{
    (void)state;
    static struct record records[2];
    static struct hand_chunk h;
    struct od_random rng;
    od_random_init(&rng, 5);
    random_record(&rng, &records[0]);
    random_record(&rng, &records[1]);
    struct od_table *table = od_table_new(&item_schema);
    make_chunk(&h, records, 2);
    h.columns[YEAR].type = OD_FIELD_DOUBLE;
    assert_int_equal(od_table_put_chunk(table, &h.chunk), OD_INVALID_INPUT);
    make_chunk(&h, records, 2);
    h.chunk.column_count--;
    assert_int_equal(od_table_put_chunk(table, &h.chunk), OD_INVALID_INPUT);
    make_chunk(&h, records, 2);
    h.codes[ITEM_ID][1] = 7; /* past the dictionary */
    assert_int_equal(od_table_put_chunk(table, &h.chunk), OD_CORRUPT);
    assert_int_equal(od_table_row_count(table), 0);
    make_chunk(&h, records, 2);
    h.nulls[ITEM_ID] = 2;
    h.columns[ITEM_ID].nulls = &h.nulls[ITEM_ID];
    assert_int_equal(od_table_put_chunk(table, &h.chunk), OD_INVALID_INPUT);
    assert_false(od_table_has_record(table, 0)); /* the first row was not written either */
    make_chunk(&h, records, 0);
    assert_int_equal(od_table_put_chunk(table, &h.chunk), OD_OK);
    od_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_and_reads_every_type),
        cmocka_unit_test(one_number_is_replaced),
        cmocka_unit_test(an_empty_table_has_its_arrays),
        cmocka_unit_test(replaces_the_whole_record),
        cmocka_unit_test(a_cell_of_separators_alone_is_null),
        cmocka_unit_test(ids_without_a_record_are_null_everywhere),
        cmocka_unit_test(works_without_columns),
        cmocka_unit_test(refuses_what_does_not_fit_the_schema),
        cmocka_unit_test(version_changes_with_every_change),
        cmocka_unit_test(the_schema_is_copied),
        cmocka_unit_test(replaced_texts_and_lists_are_given_back),
        cmocka_unit_test(behaves_like_the_model),
        cmocka_unit_test(refuses_a_chunk_of_another_shape_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
