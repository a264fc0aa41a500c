/* Items as points: cosines of records, user-supplied vectors, products. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "recipes/item_space.h"
#include "shelf.h"

#define GENRES ",{\"name\":\"GENRES\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
#define VECTOR ",{\"name\":\"EMBEDDING\",\"type\":[\"null\",\"string\"],\"textual\":true}"

static struct od_item_space make(const struct shelf *s, unsigned ids, uint32_t dimension)
{
    struct od_dict *dict = shelf_ids(ids);
    struct od_feature_options o = od_feature_options_default();
    struct od_work work = {.threads = 1};
    struct od_item_space space;
    od_math_init();
    assert_int_equal(od_item_space_records(s->table, dict, &o, dimension, 1, &work, &space, NULL),
                     OD_OK);
    od_dict_free(dict);
    return space;
}

static void put(struct shelf *s, unsigned item, const char *genres, const char *vector)
{
    char id[8];
    const char *cells[] = {genres, vector};
    snprintf(id, sizeof id, "i%05u", item);
    shelf_put(s, id, cells);
}

static void records_that_share_rarer_values_are_closer(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, GENRES);
    const char *genres[] = {"drama|noir", "drama|noir", "drama", "noir|drama", "drama|war",
                            "drama|war",  "drama",      "drama", NULL};
    for (unsigned i = 0; i < 9; i++)
        put(&s, i, genres[i], NULL);
    struct od_item_space space = make(&s, 10, 8);
    struct od_item_view view = od_item_space_view(&space);
    float p[10];
    od_item_space_products(&view, 0, p);
    assert_true(fabsf(p[0] - 1) < 2e-3f && fabsf(p[1] - 1) < 2e-3f && fabsf(p[3] - 1) < 2e-3f);
    assert_true(p[2] < 0.8f && p[2] > 0.1f); /* only the genre all have */
    assert_true(p[4] < p[2]);
    assert_true(p[8] == 0 && p[9] == 0); /* a null, and no record */
    od_item_space_done(&space);
    shelf_done(&s);
}

static void vectors_of_the_user_take_the_place_of_records(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, GENRES VECTOR);
    put(&s, 0, "drama", "1 0 0 0 0 0 0 0");
    put(&s, 1, "war", "0.6 0.8 0 0 0 0 0 0");
    put(&s, 2, "drama", "0 0 0 1 0 0 0 0");
    put(&s, 3, "drama", NULL);
    put(&s, 4, "drama", NULL);
    struct od_item_space space = make(&s, 5, 20);
    struct od_item_view view = od_item_space_view(&space);
    float p[5];
    od_item_space_products(&view, 0, p);
    assert_true(fabsf(p[1] - 0.6f) < 2e-3f && fabsf(p[2]) < 2e-3f && fabsf(p[3]) < 2e-3f);
    od_item_space_products(&view, 3, p);
    assert_true(fabsf(p[4] - 1) < 2e-3f && fabsf(p[0]) < 2e-3f);
    od_item_space_done(&space);
    shelf_done(&s);
}

static void nothing_said_gives_no_dimension(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, GENRES);
    struct od_item_space space = make(&s, 3, 5);
    assert_int_equal(space.dimension, 0);
    struct od_item_view view = od_item_space_view(&space);
    float p[3] = {1, 1, 1};
    od_item_space_products(&view, 0, p);
    assert_true(p[0] == 0 && p[2] == 0);
    od_item_space_done(&space);
    shelf_done(&s);
}

static void a_bad_vector_is_refused(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, GENRES VECTOR);
    struct od_dict *ids = shelf_ids(200);
    for (unsigned i = 0; i < 200; i++)
        put(&s, i, "x", i == 150 ? "1 2 3" : "1 2 3 4 5 6 7 8");
    struct od_feature_options o = od_feature_options_default();
    struct od_work work = {.threads = 1};
    struct od_item_space space;
    struct od_error err;
    assert_int_equal(od_item_space_records(s.table, ids, &o, 4, 1, &work, &space, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "i00150"));
    od_dict_free(ids);
    shelf_done(&s);
}

/* Half the rows lie along (3, 4, 0), half along (0, 0, 1): two directions, whatever the sample. */
static void many_rows_are_placed_by_the_directions_of_some(void **state)
{
    (void)state;
    enum { ROWS = 300000 };
    uint64_t *at = malloc((ROWS + 1) * sizeof *at);
    uint32_t *column = malloc(2 * ROWS * sizeof *column);
    float *value = malloc(2 * ROWS * sizeof *value);
    uint64_t n = 0;
    for (uint32_t r = 0; r < ROWS; r++) {
        at[r] = n;
        if (r == 77)
            continue; /* without an entry */
        if (r % 2 == 0) {
            column[n] = 0;
            value[n++] = 3;
        }
        column[n] = r % 2 ? 2 : 1;
        value[n++] = r % 2 ? 1 : 4;
    }
    at[ROWS] = n;
    struct od_sparse rows = {ROWS, 3, at, column, value};
    struct od_work work = {.threads = 2};
    struct od_item_space space;
    od_math_init();
    assert_int_equal(od_item_space_svd(&rows, 8, 1, NULL, 1, &work, &space, NULL), OD_OK);
    assert_int_equal(space.dimension, 2);
    struct od_item_view view = od_item_space_view(&space);
    float *p = malloc(ROWS * sizeof *p);
    od_item_space_products(&view, ROWS - 1, p);
    for (uint32_t r = 0; r < ROWS; r += 1001)
        assert_true(fabsf(p[r] - (float)(r % 2 && r != 77)) < 2e-3f);
    assert_true(p[77] == 0);
    od_item_space_done(&space);
    free(p);
    free(at);
    free(column);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_that_share_rarer_values_are_closer),
        cmocka_unit_test(vectors_of_the_user_take_the_place_of_records),
        cmocka_unit_test(nothing_said_gives_no_dimension),
        cmocka_unit_test(a_bad_vector_is_refused),
        cmocka_unit_test(many_rows_are_placed_by_the_directions_of_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
