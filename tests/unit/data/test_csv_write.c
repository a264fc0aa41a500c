/* Rows written as CSV: the reader gives the same cells back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <string.h>

#include "base/random.h"
#include "data/csv.h"
#include "data/csv_write.h"

static struct od_field fields[] = {
    {.name = {"ID", 2}, .type = OD_FIELD_STRING},
    {.name = {"TEXT", 4}, .type = OD_FIELD_STRING, .nullable = true, .textual = true},
    {.name = {"SIZE", 4}, .type = OD_FIELD_DOUBLE, .nullable = true},
    {.name = {"COUNT", 5}, .type = OD_FIELD_LONG, .nullable = true},
    {.name = {"NEW", 3}, .type = OD_FIELD_BOOLEAN, .nullable = true},
};
static const struct od_schema schema = {.field_count = 5, .fields = fields};

static struct od_value text(const char *ptr)
{
    return (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(ptr)};
}

static struct od_value null(void)
{
    return (struct od_value){.kind = OD_VALUE_NULL};
}

static void assert_line(const struct od_value *values, const char *expect)
{
    struct od_buf out;
    od_buf_init(&out, 1u << 20);
    od_csv_put_row(&out, &schema, values);
    assert_string_equal(out.ptr, expect);
    od_buf_done(&out);
}

static void the_header_names_the_fields(void **state)
{
    (void)state;
    struct od_buf out;
    od_buf_init(&out, 1000);
    od_csv_put_header(&out, &schema);
    assert_string_equal(out.ptr, "ID,TEXT,SIZE,COUNT,NEW\n");
    od_buf_done(&out);
}

static void cells_are_quoted_where_they_must(void **state)
{
    (void)state;
    struct od_value v[] = {text("a"), text("b"), null(), null(), null()};
    assert_line(v, "a,\"b\",,,\n");
    v[1] = null();
    assert_line(v, "a,,,,\n");
    static const char *const pairs[][2] = {
        {"a,b", "\"a,b\",,,,\n"},       {"a\"b", "\"a\\\"b\",,,,\n"}, {"a\\b", "\"a\\\\b\",,,,\n"},
        {"a\nb", "\"a\nb\",,,,\n"},     {"a\r", "\"a\r\",,,,\n"},     {" a b ", " a b ,,,,\n"},
        {"\"\"", "\"\\\"\\\"\",,,,\n"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        v[0] = text(pairs[i][0]);
        assert_line(v, pairs[i][1]);
    }
}

static void numbers_read_back_as_themselves(void **state)
{
    (void)state;
    static const double reals[] = {0.1,     -0.0,    1e300,  5e-324,      1.0 / 3,
                                   DBL_MAX, FLT_MAX, 1e15,   -123456.789, 9007199254740993.0,
                                   2.5,     1e22,    0x1p-40};
    struct od_random random;
    od_random_init(&random, 7);
    for (size_t i = 0; i < 3000; i++) {
        double real = i < sizeof reals / sizeof *reals ? reals[i] : 0;
        if (i >= sizeof reals / sizeof *reals) {
            uint64_t bits = od_random_u64(&random);
            memcpy(&real, &bits, sizeof real);
        }
        if (real != real || real > DBL_MAX || real < -DBL_MAX)
            continue;
        struct od_value v[] = {text("x"),
                               null(),
                               {.kind = OD_VALUE_REAL, .real = real},
                               {.kind = OD_VALUE_INTEGER, .integer = INT64_MIN},
                               {.kind = OD_VALUE_BOOLEAN, .integer = i % 2}};
        struct od_buf out;
        od_buf_init(&out, 1000);
        od_csv_put_row(&out, &schema, v);
        struct od_str rest = {out.ptr, out.len - 1}, cell;
        struct od_value got[5];
        for (size_t f = 0; f < 5; f++) {
            assert_true(od_str_cut(&rest, ',', &cell));
            assert_int_equal(od_value_from_text(&fields[f], cell, &got[f], NULL), OD_OK);
        }
        assert_memory_equal(&got[2].real, &real, sizeof real);
        assert_true(got[3].integer == INT64_MIN && got[4].integer == (int64_t)(i % 2));
        od_buf_done(&out);
    }
}

/* Random texts of the bytes that matter, through the reader that imports use. */
static void any_text_survives(void **state)
{
    (void)state;
    static const char alphabet[] = "ab,\"\\\n\r |\xC3\xA9";
    struct od_random random;
    od_random_init(&random, 8);
    struct od_csv *csv = od_csv_new(5);
    assert_non_null(csv);
    for (int round = 0; round < 5000; round++) {
        char bytes[2][8];
        struct od_value v[] = {text("x"), text("y"), null(), null(), null()};
        for (int c = 0; c < 2; c++) {
            size_t len = 1 + od_random_below(&random, 7);
            for (size_t i = 0; i < len; i++)
                bytes[c][i] = alphabet[od_random_below(&random, sizeof alphabet - 1)];
            v[c].text = (struct od_str){bytes[c], len};
        }
        struct od_buf out;
        struct od_csv_record record;
        od_buf_init(&out, 1000);
        od_csv_put_row(&out, &schema, v);
        od_csv_start(csv, od_buf_view(&out), 0, out.len, true);
        assert_int_equal(od_csv_next(csv, &record), OD_CSV_GAVE_RECORD);
        assert_int_equal(record.fault, OD_CSV_FINE);
        for (size_t f = 0; f < 5; f++)
            assert_true(f < 2 ? od_str_eq(record.cells[f], v[f].text) : record.cells[f].len == 0);
        assert_int_equal(od_csv_next(csv, &record), OD_CSV_ENDED);
        od_buf_done(&out);
    }
    od_csv_free(csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_names_the_fields),
        cmocka_unit_test(cells_are_quoted_where_they_must),
        cmocka_unit_test(numbers_read_back_as_themselves),
        cmocka_unit_test(any_text_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
