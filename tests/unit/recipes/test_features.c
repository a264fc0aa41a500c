/* Features of records: each kind of field by hand, order, hostile tables, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "recipes/features.h"
#include "shelf.h"

#define GENRES ",{\"name\":\"GENRES\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
#define PRICE  ",{\"name\":\"PRICE\",\"type\":[\"null\",\"double\"]}"
#define TEXT   ",{\"name\":\"DESCRIPTION\",\"type\":[\"null\",\"string\"],\"textual\":true}"

static struct od_features make(const struct shelf *shelf, unsigned ids,
                               struct od_feature_options options)
{
    struct od_dict *dict = shelf_ids(ids);
    struct od_features f;
    assert_int_equal(od_features_make(shelf ? shelf->table : NULL, dict, &options, &f, NULL),
                     OD_OK);
    od_dict_free(dict);
    return f;
}

/* The value at (row, name); 0 when there is none. */
static float at(const struct od_features *f, uint32_t row, const char *name)
{
    uint32_t column = od_dict_find(f->names, od_str_c(name));
    for (uint64_t k = f->at[row]; k < f->at[row + 1]; k++)
        if (f->column[k] == column)
            return f->value[k];
    return 0;
}

static bool near(float a, double b)
{
    return fabs(a - b) < 1e-5;
}

static void categories_share_a_unit_of_length(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, GENRES);
    const char *cells[] = {"drama|comedy", "comedy|drama|rare", "comedy|comedy", NULL};
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", 3 - i); /* arrival is not the order of ids */
        shelf_put(&s, id, &cells[i]);
    }
    struct od_features f = make(&s, 5, od_feature_options_default());
    assert_int_equal(f.columns, 2); /* rare is on one record alone */
    assert_int_equal(f.field_count, 1);
    assert_int_equal(od_dict_find(f.names, OD_STR("GENRES=comedy")), 0); /* on most records */
    assert_true(near(at(&f, 3, "GENRES=drama"), sqrt(.5)));
    assert_true(near(at(&f, 2, "GENRES=comedy"), sqrt(.5)));
    assert_true(near(at(&f, 1, "GENRES=comedy"), 1));
    assert_int_equal(f.at[1] - f.at[0], 0); /* null */
    assert_int_equal(f.at[5] - f.at[4], 0); /* no record */
    od_features_done(&f);
    shelf_done(&s);
}

static void numbers_go_to_quantile_bins(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, PRICE ",{\"name\":\"CREATION_TIMESTAMP\",\"type\":\"long\"}");
    for (unsigned i = 0; i < 20; i++) {
        char id[8], price[16];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(price, sizeof price, "%u.5", i * i);
        const char *cells[] = {i == 7 ? NULL : price, "1000"};
        shelf_put(&s, id, cells);
    }
    struct od_feature_options o = od_feature_options_default();
    o.bins = 4;
    struct od_features f = make(&s, 20, o);
    assert_int_equal(f.columns, 4);
    assert_true(at(&f, 0, "PRICE in [0.5, 16.5)") == 1);
    assert_true(at(&f, 4, "PRICE in [16.5, 100.5)") == 1); /* 19 numbers: the 5th is an edge */
    assert_true(at(&f, 19, "PRICE in [225.5, 361.5]") == 1);
    assert_int_equal(f.at[8] - f.at[7], 0);
    od_features_done(&f);
    shelf_done(&s);
}

static void words_weigh_by_rarity(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    const char *texts[] = {"quiet beach hotel", "beach hotel hotel", "quiet mountain hut",
                           "mountain lake",     "lake view",         ""};
    for (unsigned i = 0; i < 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, &texts[i]);
    }
    struct od_features f = make(&s, 5, od_feature_options_default());
    assert_int_equal(f.columns, 5); /* beach hotel quiet mountain lake, two texts each */
    assert_true(f.fields[0].text);
    assert_true(near(at(&f, 0, "DESCRIPTION~hotel"), sqrt(1. / 3)));
    double twice = 1 + log(2);
    assert_true(near(at(&f, 1, "DESCRIPTION~hotel"), twice / sqrt(1 + twice * twice)));
    assert_true(near(at(&f, 4, "DESCRIPTION~lake"), 1));
    od_features_done(&f);
    struct od_feature_options o = od_feature_options_default();
    o.most_words = 2;
    f = make(&s, 5, o);
    assert_int_equal(f.columns, 2);
    od_features_done(&f);
    o = od_feature_options_default();
    o.text = false;
    f = make(&s, 5, o);
    assert_int_equal(f.columns, 0);
    od_features_done(&f);
    shelf_done(&s);
}

static void the_rarest_words_of_a_row_stay_when_it_is_full(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    char text[16000] = "";
    size_t len = 0;
    for (unsigned w = 0; w < 1000; w++)
        len += (size_t)snprintf(text + len, sizeof text - len, "word%u ", w);
    const char *cell = text, *common = "word0 word1", *other = "nothing else";
    shelf_put(&s, "i00000", &cell);
    shelf_put(&s, "i00001", &cell);
    shelf_put(&s, "i00002", &common);
    for (unsigned i = 3; i < 8; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, &other);
    }
    struct od_features f = make(&s, 8, od_feature_options_default());
    assert_int_equal(f.at[1], 256);
    assert_true(at(&f, 0, "DESCRIPTION~word0") == 0); /* on three records: weaker than the rest */
    assert_true(at(&f, 2, "DESCRIPTION~word0") > 0);
    od_features_done(&f);
    struct od_feature_options o = od_feature_options_default();
    o.most_entries = 80;
    f = make(&s, 8, o);
    assert_int_equal(f.at[1], 10);
    od_features_done(&f);
    shelf_done(&s);
}

static void no_table_or_empty_records_give_no_columns(void **state)
{
    (void)state;
    struct od_features f = make(NULL, 3, od_feature_options_default());
    assert_true(f.columns == 0 && f.rows == 3 && f.at[3] == 0);
    od_features_done(&f);
    struct shelf s;
    shelf_init(&s, GENRES PRICE TEXT);
    f = make(&s, 0, od_feature_options_default());
    assert_true(f.columns == 0 && f.rows == 0);
    od_features_done(&f);
    const char *nulls[] = {NULL, NULL, NULL};
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, nulls);
    }
    f = make(&s, 4, od_feature_options_default());
    assert_true(f.columns == 0 && f.at[4] == 0);
    od_features_done(&f);
    const char *same[] = {"one", "3", "\xFF\xFE broken \xC3"};
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, same);
    }
    f = make(&s, 4, od_feature_options_default());
    assert_int_equal(f.columns, 2); /* the one word is on all records: it tells nothing apart */
    assert_true(at(&f, 0, "PRICE in [3, 3]") == 1);
    od_features_done(&f);
    shelf_done(&s);
}

static void a_column_of_vectors_is_no_text(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    const char *vector = "[1, 2, 3, 4, 5, 6, 7, 8]";
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, &vector);
    }
    struct od_features f = make(&s, 4, od_feature_options_default());
    assert_int_equal(f.columns, 0);
    od_features_done(&f);
    shelf_done(&s);
}

static void equal_for_any_threads_and_any_arrival(void **state)
{
    (void)state;
    static const char *const pool[] = {"warm",         "cold",     "제주바다", "호텔",
                                       "Überraschung", "東京駅",   "view",     "sea",
                                       "МОРЕ",         "<b>x</b>", "quiet",    "park"};
    struct od_features f[2];
    for (int turn = 0; turn < 2; turn++) {
        struct shelf s;
        shelf_init(&s, GENRES PRICE TEXT);
        for (unsigned k = 0; k < 3000; k++) {
            unsigned i = turn ? 2999 - k : k;
            struct od_random rng;
            od_random_init2(&rng, 7, i);
            char id[8], genres[64], price[24], text[400] = "";
            size_t len = 0;
            snprintf(id, sizeof id, "i%05u", i);
            snprintf(genres, sizeof genres, "g%u|g%u", (unsigned)od_random_below(&rng, 30),
                     (unsigned)od_random_below(&rng, 30));
            snprintf(price, sizeof price, "%.3f", od_random_double(&rng));
            for (unsigned w = 0; w < 8; w++)
                len += (size_t)snprintf(text + len, sizeof text - len, "%s w%u ",
                                        pool[od_random_below(&rng, 12)],
                                        (unsigned)od_random_below(&rng, 500));
            const char *cells[] = {genres, price, text};
            shelf_put(&s, id, cells);
        }
        struct od_feature_options o = od_feature_options_default();
        o.threads = turn ? 2 : 1;
        o.grams = true;
        f[turn] = make(&s, 3000, o);
        shelf_done(&s);
    }
    assert_int_equal(f[0].columns, f[1].columns);
    assert_true(f[0].columns > 600);
    assert_memory_equal(f[0].at, f[1].at, 3001 * sizeof *f[0].at);
    assert_memory_equal(f[0].column, f[1].column, f[0].at[3000] * sizeof *f[0].column);
    assert_memory_equal(f[0].value, f[1].value, f[0].at[3000] * sizeof *f[0].value);
    for (uint32_t c = 0; c < f[0].columns; c++)
        assert_true(od_str_eq(od_dict_text(f[0].names, c), od_dict_text(f[1].names, c)));
    od_features_done(&f[0]);
    od_features_done(&f[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_share_a_unit_of_length),
        cmocka_unit_test(numbers_go_to_quantile_bins),
        cmocka_unit_test(words_weigh_by_rarity),
        cmocka_unit_test(the_rarest_words_of_a_row_stay_when_it_is_full),
        cmocka_unit_test(no_table_or_empty_records_give_no_columns),
        cmocka_unit_test(a_column_of_vectors_is_no_text),
        cmocka_unit_test(equal_for_any_threads_and_any_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
