/* Files: what is inferred of columns, and what hostile ones are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/infer.h"
#include "eval/load.h"
#include "eval/test_file.h"

struct folder {
    char path[64];
    char file[96];
};

static int setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/ondol-load-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    snprintf(f->file, sizeof f->file, "%s/a.csv", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;
    enum od_status s = od_io_remove_tree(&od_io_real, f->path, NULL);
    free(f);
    return s == OD_OK ? 0 : -1;
}

static void write_file(struct folder *f, const char *text, size_t len)
{
    assert_int_equal(od_io_write_file(&od_io_real, f->file, (struct od_str){text, len}, NULL),
                     OD_OK);
}

static enum od_status load(struct folder *f, const char *text, struct od_loaded *out,
                           struct od_error *err)
{
    const char *paths[] = {f->file};
    struct od_load_files files = {.interactions = paths, .interactions_count = 1};
    write_file(f, text, strlen(text));
    return od_load(&files, &od_io_real, out, err);
}

/* --- inference --- */

static const struct od_field *field(const struct od_schema *schema, const char *name)
{
    size_t at = od_schema_find(schema, od_str_c(name));
    assert_true(at != SIZE_MAX);
    return &schema->fields[at];
}

static void columns_are_what_their_names_and_values_say(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_schema schema;
    size_t dropped;
    const char *text =
        "ITEM_ID,TITLE,GENRES,YEAR,PRICE,BRAND,SKU,CREATION_TIMESTAMP,EMPTY,MOVIE_NAME\n"
        "1,A film,a|b,1995,1.5,x,s1,100,,n\n"
        "2,\"Another, film\",a,,2,x,s2,,,n\n"
        "3,A film,b,1990,3e2,y,s3,5,,n\n"
        "4,A film,b,1990,-4,y,s4,5,,n\n";
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(
        od_infer_schema(&arena, od_str_c(text), "x.csv", OD_ITEMS, &schema, &dropped, NULL), OD_OK);
    assert_int_equal(schema.field_count, 9);
    assert_int_equal(dropped, 0);
    assert_true(field(&schema, "TITLE")->textual);
    /* a schema has one text: the longest */
    assert_false(field(&schema, "MOVIE_NAME")->textual);
    assert_true(field(&schema, "GENRES")->categorical);
    assert_int_equal(field(&schema, "YEAR")->type, OD_FIELD_DOUBLE);
    assert_true(field(&schema, "YEAR")->nullable);
    assert_int_equal(field(&schema, "PRICE")->type, OD_FIELD_DOUBLE);
    assert_true(field(&schema, "BRAND")->categorical);
    assert_int_equal(field(&schema, "SKU")->type, OD_FIELD_STRING);
    assert_false(field(&schema, "SKU")->categorical);
    assert_int_equal(field(&schema, "CREATION_TIMESTAMP")->type, OD_FIELD_LONG);
    assert_int_equal(od_schema_find(&schema, OD_STR("EMPTY")),
                     SIZE_MAX); /* nobody knows its type */
    od_arena_done(&arena);
}

static void what_no_schema_may_have_is_left_out(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_schema schema;
    size_t dropped;
    struct od_buf text;
    od_buf_init(&text, 1 << 20);
    od_buf_puts(&text, "USER_ID,FULL_NAME,ABOUT,AGE\n");
    for (int i = 0; i < 4; i++) /* prose is for items alone, and a plain string is not so long */
        od_buf_printf(&text, "%d,Nobody Number %d,%0*d,3%d\n", i, i, 998 + i, 7, i);
    od_buf_puts(&text, "5,Nobody,x,2\n");
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(
        od_infer_schema(&arena, od_buf_view(&text), "u.csv", OD_USERS, &schema, &dropped, NULL),
        OD_OK);
    assert_int_equal(dropped, 1);
    assert_int_equal(od_schema_find(&schema, OD_STR("ABOUT")), SIZE_MAX);
    assert_false(field(&schema, "FULL_NAME")->textual);
    assert_int_equal(field(&schema, "AGE")->type, OD_FIELD_DOUBLE);
    od_buf_done(&text);
    od_arena_done(&arena);
}

static void interactions_keep_five_columns_of_their_own(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_schema schema;
    size_t dropped;
    const char *text = "A,USER_ID,B,ITEM_ID,C,TIMESTAMP,D,EVENT_VALUE,E,F,G\n"
                       "1,u,2,i,3,4,5,6,7,8,9\n";
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(
        od_infer_schema(&arena, od_str_c(text), "x.csv", OD_INTERACTIONS, &schema, &dropped, NULL),
        OD_OK);
    assert_int_equal(dropped, 2);
    assert_int_equal(schema.field_count, 9);
    assert_int_equal(od_schema_find(&schema, OD_STR("F")), SIZE_MAX);
    assert_int_equal(field(&schema, "EVENT_VALUE")->type, OD_FIELD_FLOAT);
    assert_int_equal(field(&schema, "TIMESTAMP")->type, OD_FIELD_LONG);
    od_arena_done(&arena);
}

/* --- loading --- */

static void interactions_become_a_training_set(void **state)
{
    struct od_loaded data;
    assert_int_equal(load(*state,
                          "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n"
                          "u1,\"i,1\",20,click,\n"
                          "u1,i2,10,buy,3.5\r\n"
                          "\n"
                          "u0,i2,10,,\n",
                          &data, NULL),
                     OD_OK);
    const struct od_training *t = data.training;
    assert_int_equal(t->event_count, 3);
    assert_int_equal(t->user_count, 2);
    assert_true(od_str_eq_c(od_dict_text(t->items, t->item[1]), "i2"));
    assert_true(od_str_eq_c(od_dict_text(t->items, t->item[2]), "i,1"));
    assert_int_equal(t->time[2], 20);
    assert_true(t->value[1] == 3.5f);
    assert_true(od_str_eq_c(od_dict_text(t->types, t->type[1]), "buy"));
    assert_true(data.has_time);
    od_loaded_done(&data);
}

static void without_a_time_the_order_of_the_file_is_kept_with_repeats(void **state)
{
    struct od_loaded data;
    assert_int_equal(load(*state, "USER_ID,ITEM_ID\nu,z\nv,a\nu,a\nu,z\nu,z\n", &data, NULL),
                     OD_OK);
    const struct od_training *t = data.training;
    assert_false(data.has_time);
    assert_int_equal(t->event_count, 5);
    const char *items[] = {"z", "a", "z", "z"};
    for (int i = 0; i < 4; i++) {
        assert_true(od_str_eq_c(od_dict_text(t->items, t->item[i]), items[i]));
        assert_int_equal(t->time[i], i);
    }
    od_loaded_done(&data);
}

/* The second file goes on where the first one ended, with the same pair again. */
static void files_without_a_time_follow_each_other(void **state)
{
    struct folder *f = *state;
    struct od_loaded data;
    const char *paths[] = {f->file, f->file};
    struct od_load_files files = {.interactions = paths, .interactions_count = 2};
    static const char text[] = "USER_ID,ITEM_ID\nu,a\nu,b\n";
    write_file(f, text, strlen(text));
    assert_int_equal(od_load(&files, &od_io_real, &data, NULL), OD_OK);
    const struct od_training *t = data.training;
    assert_int_equal(t->event_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(od_str_eq_c(od_dict_text(t->items, t->item[i]), i % 2 ? "b" : "a"));
        assert_int_equal(t->time[i], i);
    }
    od_loaded_done(&data);
}

static void records_become_tables(void **state)
{
    struct folder *f = *state;
    char items[128];
    snprintf(items, sizeof items, "%s/items.csv", f->path);
    struct od_str text = OD_STR("ITEM_ID,GENRES,YEAR\ni1,a|b,1990\ni9,a,\n");
    assert_int_equal(od_io_write_file(&od_io_real, items, text, NULL), OD_OK);
    const char *events = "USER_ID,ITEM_ID,TIMESTAMP\nu,i1,1\n";
    write_file(f, events, strlen(events));
    const char *paths[] = {f->file};
    struct od_load_files files = {.interactions = paths, .interactions_count = 1, .items = items};
    struct od_loaded data;
    assert_int_equal(od_load(&files, &od_io_real, &data, NULL), OD_OK);
    assert_ptr_equal(data.training->item_table, data.items);
    assert_int_equal(od_table_row_count(data.items), 2);
    struct od_table_column column;
    od_table_column(data.items, 1, &column);
    assert_int_equal(column.list_len[od_table_find(data.items, OD_STR("i1"))], 2);
    od_loaded_done(&data);
}

static void one_type_of_events_may_be_asked_for(void **state)
{
    struct folder *f = *state;
    const char *text = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nu,a,1,view\nu,b,2,buy\n";
    const char *paths[] = {f->file};
    struct od_event_rule rule = {.type = OD_STR("buy"), .weight = 1};
    struct od_load_files files = {.interactions = paths,
                                  .interactions_count = 1,
                                  .rule = {.events = &rule, .event_count = 1}};
    struct od_loaded data;
    struct od_error err = {0};
    write_file(f, text, strlen(text));
    assert_int_equal(od_load(&files, &od_io_real, &data, NULL), OD_OK);
    assert_int_equal(data.training->event_count, 1);
    od_loaded_done(&data);
    rule.type = OD_STR("rent");
    assert_int_equal(od_load(&files, &od_io_real, &data, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "no interactions"));
}

/* A segment of interactions with two rows. */
static void write_segment(struct folder *f)
{
    struct od_field fields[] = {{.name = OD_STR("USER_ID"), .type = OD_FIELD_STRING},
                                {.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
                                {.name = OD_STR("TIMESTAMP"), .type = OD_FIELD_LONG}};
    struct od_schema schema = {.name = OD_STR("Interactions"),
                               .type = OD_INTERACTIONS,
                               .field_count = 3,
                               .fields = fields};
    struct od_chunk_writer *writer = od_chunk_writer_new(&schema);
    for (int i = 0; i < 2; i++) {
        struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = OD_STR("u")},
                                    {.kind = OD_VALUE_TEXT, .text = OD_STR("i")},
                                    {.kind = OD_VALUE_INTEGER, .integer = 5 + i}};
        assert_int_equal(od_chunk_writer_add(writer, values), OD_OK);
    }
    struct od_buf bytes;
    struct od_chunk_place place = {.rows = 2};
    od_buf_init(&bytes, 1u << 20);
    assert_int_equal(od_segment_head(&schema, &bytes), OD_OK);
    place.offset = bytes.len;
    assert_int_equal(od_chunk_writer_finish(writer, &bytes), OD_OK);
    place.bytes = bytes.len - place.offset;
    assert_int_equal(od_segment_tail(&place, 1, bytes.len, &bytes), OD_OK);
    write_file(f, bytes.ptr, bytes.len);
    od_buf_done(&bytes);
    od_chunk_writer_free(writer);
}

static void segments_of_an_import_are_taken_as_they_are(void **state)
{
    struct folder *f = *state;
    const char *paths[] = {f->file};
    struct od_load_files files = {.interactions = paths, .interactions_count = 1};
    struct od_loaded data;
    struct od_error err = {0};
    write_segment(f);
    assert_int_equal(od_load(&files, &od_io_real, &data, NULL), OD_OK);
    assert_int_equal(data.training->event_count, 2);
    assert_int_equal(data.training->last_time, 6);
    od_loaded_done(&data);
    files.users = f->file; /* of another type */
    assert_int_equal(od_load(&files, &od_io_real, &data, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "a.csv"));
    assert_non_null(strstr(err.message, "INTERACTIONS"));
}

/* --- hostile --- */

static void a_bad_file_is_told_where_and_why(void **state)
{
    static const struct {
        const char *text;
        const char *says[4];
    } cases[] = {
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\nu,i,yesterday\n",
         {"a.csv", "line 3", "TIMESTAMP", "\"yesterday\""}},
        {"USER_ID,ITEM_ID,TIMESTAMP\n\n\nu,,1\n", {"line 4", "ITEM_ID", "\"\""}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i\n", {"a.csv, line 2", "fewer cells"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i,1,2\n", {"line 2", "more cells"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,\"i,1\nu,i,2\n", {"line 2", "inside quotes"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i\"x,1\n", {"line 2", "quote"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i\xff,1\n", {"line 2", "ITEM_ID", "UTF-8"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\nu,i,9223372036854775808\n", {"line 2", "TIMESTAMP"}},
        {"USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE\nu,i,1,much\n", {"EVENT_VALUE", "\"much\""}},
        {"USER_ID,TIMESTAMP\nu,1\n", {"a.csv", "ITEM_ID"}},
        {"USER_ID,ITEM_ID,USER_ID\nu,i,u\n", {"a.csv", "USER_ID"}},
        {"USER_ID,ITEM_ID,TIMESTAMP\n", {"a.csv", "no interactions"}},
        {"", {"a.csv", "header"}},
        {"\x1f\x8b\x08 something", {"a.csv", "gzip"}},
        {"ONDOLSEG and then nothing", {"a.csv"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_loaded data;
        struct od_error err = {0};
        assert_int_not_equal(load(*state, cases[i].text, &data, &err), OD_OK);
        for (int k = 0; k < 4 && cases[i].says[k]; k++)
            if (!strstr(err.message, cases[i].says[k]))
                fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.message, cases[i].says[k]);
        assert_null(data.training);
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    const char *paths[] = {"/tmp/ondol-no-such-file"};
    struct od_load_files files = {.interactions = paths, .interactions_count = 1};
    struct od_loaded data;
    struct od_error err = {0};
    assert_int_not_equal(od_load(&files, &od_io_real, &data, &err), OD_OK);
    assert_non_null(strstr(err.message, "/tmp/ondol-no-such-file"));
}

static void test_files_are_read_or_refused(void **state)
{
    struct folder *f = *state;
    struct od_test_file file;
    struct od_error err = {0};
    const char *good = "PREFIX_ID,PREFIX,TARGET\nt1,a|b|a,c\nt2,\"x\",y\n";
    write_file(f, good, strlen(good));
    assert_int_equal(od_test_file_read(&file, &od_io_real, f->file, OD_TEST_SESSIONS, NULL), OD_OK);
    assert_int_equal(file.count, 2);
    assert_true(od_str_eq_c(file.rows[0].left, "a|b|a"));
    assert_true(od_str_eq_c(file.rows[1].left, "x"));
    assert_int_equal(od_dict_count(file.items), 5);
    od_test_file_done(&file);
    assert_int_equal(od_test_file_read(&file, &od_io_real, f->file, OD_TEST_PAIRS, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "USER_ID"));
    const char *empty = "PREFIX,TARGET\na,b\n,c\n";
    write_file(f, empty, strlen(empty));
    assert_int_equal(od_test_file_read(&file, &od_io_real, f->file, OD_TEST_SESSIONS, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "line 3"));
    assert_non_null(strstr(err.message, "PREFIX"));
    const char *hole = "PREFIX,TARGET\na||b,c\n";
    write_file(f, hole, strlen(hole));
    assert_int_equal(od_test_file_read(&file, &od_io_real, f->file, OD_TEST_SESSIONS, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "line 2"));
    assert_non_null(strstr(err.message, "\"a||b\""));
}

static uint64_t records_of(struct folder *f, const char *items)
{
    const char *events = "USER_ID,ITEM_ID,TIMESTAMP\nu,1,5\n";
    char path[128];
    struct od_loaded loaded;
    snprintf(path, sizeof path, "%s/items.csv", f->path);
    write_file(f, events, strlen(events));
    if (items)
        assert_int_equal(od_io_write_file(&od_io_real, path, od_str_c(items), NULL), OD_OK);
    struct od_load_files files = {.interactions = (const char *[]){f->file},
                                  .interactions_count = 1,
                                  .items = items ? path : NULL};
    assert_int_equal(od_load(&files, &od_io_real, &loaded, NULL), OD_OK);
    uint64_t records = loaded.records;
    od_loaded_done(&loaded);
    return records;
}

static void records_are_told_apart(void **state)
{
    uint64_t one = records_of(*state, "ITEM_ID,GENRE\n1,a\n");
    assert_int_equal(records_of(*state, NULL), 0);
    assert_true(one != 0);
    assert_true(one != records_of(*state, "ITEM_ID,GENRE\n1,b\n"));
    assert_true(one == records_of(*state, "ITEM_ID,GENRE\n1,a\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_what_their_names_and_values_say),
        cmocka_unit_test(what_no_schema_may_have_is_left_out),
        cmocka_unit_test(interactions_keep_five_columns_of_their_own),
        cmocka_unit_test(interactions_become_a_training_set),
        cmocka_unit_test(without_a_time_the_order_of_the_file_is_kept_with_repeats),
        cmocka_unit_test(files_without_a_time_follow_each_other),
        cmocka_unit_test(records_become_tables),
        cmocka_unit_test(records_are_told_apart),
        cmocka_unit_test(one_type_of_events_may_be_asked_for),
        cmocka_unit_test(segments_of_an_import_are_taken_as_they_are),
        cmocka_unit_test(a_bad_file_is_told_where_and_why),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(test_files_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
