/* A user's taste by records: the ridge regression against a naive one, what it says, and damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "recipes/metrics.h"
#include "recipes/taste.h"
#include "shelf.h"

enum { ITEMS = 120, LEARNT = 90, MOST = 400 };

#define FIELDS                                                                                     \
    ",{\"name\":\"KIND\",\"type\":[\"null\",\"string\"],\"categorical\":true}"                     \
    ",{\"name\":\"PRICE\",\"type\":[\"null\",\"long\"]}"                                           \
    ",{\"name\":\"ABOUT\",\"type\":[\"null\",\"string\"],\"textual\":true}"

struct world {
    struct shelf shelf;
    struct od_dict *ids;
    struct od_features features;
    void *bytes;
    struct od_image image;
    struct od_taste_view view;
    bool any;
};

/* Item i is of kinds by its bits; the last thirty are not learnt from. */
static void setup_world(struct world *w)
{
    static const char *const words[] = {"sea view", "mountain air", "city lights"};
    struct od_feature_options o = od_feature_options_default();
    struct od_work work = {.threads = 1};
    bool learn[ITEMS];
    size_t len;
    shelf_init(&w->shelf, FIELDS);
    for (unsigned i = 0; i < ITEMS; i++) {
        char id[16], kind[64], price[16];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(kind, sizeof kind, "%s|%s", i & 1 ? "pool" : "sauna", i & 2 ? "family" : "quiet");
        snprintf(price, sizeof price, "%u", 50 + i * 37 % 100);
        const char *cells[3] = {kind, price, words[i % 3]};
        shelf_put(&w->shelf, id, cells);
        learn[i] = i < LEARNT;
    }
    w->ids = shelf_ids(ITEMS);
    od_math_init();
    assert_int_equal(od_features_make(w->shelf.table, w->ids, &o, &w->features, NULL), OD_OK);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("test"), 1);
    assert_int_equal(od_taste_fit(&w->features, learn, &work, writer, &w->any, NULL), OD_OK);
    assert_int_equal(od_memory_image(writer, &w->bytes, &len), OD_OK);
    od_image_writer_free(writer);
    assert_int_equal(od_image_open((struct od_str){w->bytes, len}, false, &w->image, NULL), OD_OK);
    assert_int_equal(od_taste_open(&w->image, ITEMS, &w->view, NULL), OD_OK);
}

static void done_world(struct world *w)
{
    free(w->bytes);
    od_features_done(&w->features);
    od_dict_free(w->ids);
    shelf_done(&w->shelf);
}

static bool ask(const struct world *w, const uint32_t *items, size_t count, float *always,
                float *lately)
{
    struct od_past_event events[MOST];
    struct od_arena arena;
    bool any;
    for (size_t i = 0; i < count; i++)
        events[i] = (struct od_past_event){.item = items[i], .time = (int64_t)i};
    struct od_query query = {.events = events, .event_count = count};
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_taste_score(&w->view, &query, &arena, always, lately, &any), OD_OK);
    od_arena_done(&arena);
    return any;
}

/* out[j] by Gauss-Jordan on the rows of the view, with the weights of the history. */
static void naive(const struct od_taste_view *v, const uint32_t *items, const double *weight,
                  size_t count, double *out)
{
    size_t n = v->columns;
    double *a = calloc(n * (n + 1), sizeof *a), total = 0;
    for (size_t c = 0; c < n; c++)
        a[c * (n + 1) + c] = 30;
    for (uint32_t i = 0; i < LEARNT; i++)
        for (uint64_t x = v->at[i]; x < v->at[i + 1]; x++)
            for (uint64_t y = v->at[i]; y < v->at[i + 1]; y++)
                a[v->column[x] * (n + 1) + v->column[y]] +=
                    (double)v->value[x] * (double)v->value[y];
    for (size_t k = 0; k < count; k++, total += weight[k - 1])
        for (uint64_t x = v->at[items[k]]; x < v->at[items[k] + 1]; x++)
            a[v->column[x] * (n + 1) + n] += weight[k] * (double)v->value[x];
    for (size_t p = 0; p < n; p++)
        for (size_t r = 0; r < n; r++) {
            double m = r == p ? 0 : a[r * (n + 1) + p] / a[p * (n + 1) + p];
            for (size_t c = p; c <= n && r != p; c++)
                a[r * (n + 1) + c] -= m * a[p * (n + 1) + c];
        }
    for (uint32_t i = 0; i < v->items; i++) {
        out[i] = 0;
        for (uint64_t x = v->at[i]; x < v->at[i + 1]; x++) {
            size_t c = v->column[x];
            out[i] += (double)v->value[x] * a[c * (n + 1) + n] / a[c * (n + 1) + c];
        }
        out[i] = log(fmax(out[i] * LEARNT / total, .02));
    }
    free(a);
}

static void scores_are_those_of_the_regression(void **state)
{
    (void)state;
    struct world w = {0};
    setup_world(&w);
    assert_true(w.any);
    const uint32_t items[5] = {3, 8, 3, 51, 30}; /* the newest 3 alone counts */
    const uint32_t distinct[4] = {8, 3, 51, 30};
    const double alike[4] = {1, 1, 1, 1}, falling[4] = {.729, .81, .9, 1};
    float always[ITEMS], lately[ITEMS];
    double expected[ITEMS];
    assert_true(ask(&w, items, 5, always, lately));
    naive(&w.view, distinct, alike, 4, expected);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true(fabs((double)always[i] - expected[i]) < 2e-3);
    naive(&w.view, distinct, falling, 4, expected);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true(fabs((double)lately[i] - expected[i]) < 2e-3);
    done_world(&w);
}

/* Pools for families and saunas in quiet: neither kind alone tells, only the pairs do. */
static void pairs_of_values_speak(void **state)
{
    (void)state;
    struct world w = {0};
    setup_world(&w);
    uint32_t items[LEARNT];
    size_t count = 0;
    for (uint32_t i = 0; i < LEARNT; i++)
        if ((i & 3) == 0 || (i & 3) == 3)
            items[count++] = i;
    float always[ITEMS], lately[ITEMS];
    assert_true(ask(&w, items, count, always, lately));
    for (uint32_t i = LEARNT; i < ITEMS; i++)
        for (uint32_t j = LEARNT; j < ITEMS; j++)
            if (((i & 3) == 0 || (i & 3) == 3) && ((j & 3) == 1 || (j & 3) == 2))
                assert_true(always[i] > always[j]);
    done_world(&w);
}

static void unknown_items_say_nothing(void **state)
{
    (void)state;
    struct world w = {0};
    setup_world(&w);
    const uint32_t unknown[2] = {OD_NO_CODE, ITEMS}, mixed[3] = {OD_NO_CODE, 7, ITEMS},
                   one[1] = {7};
    float a[ITEMS], b[ITEMS], other[ITEMS];
    assert_false(ask(&w, unknown, 2, a, other));
    assert_false(ask(&w, NULL, 0, a, other));
    assert_true(ask(&w, mixed, 3, a, other));
    assert_true(ask(&w, one, 1, b, other));
    assert_memory_equal(a, b, sizeof a);
    done_world(&w);
}

static void records_without_features_make_no_taste(void **state)
{
    (void)state;
    struct od_features none = {0};
    struct od_work work = {.threads = 1};
    struct od_image_writer *writer = od_image_writer_new(OD_STR("test"), 1);
    bool any = true, learn[1] = {true};
    uint64_t at[2] = {0, 0};
    none.rows = 1;
    none.at = at;
    assert_int_equal(od_taste_fit(&none, learn, &work, writer, &any, NULL), OD_OK);
    assert_false(any);
    od_image_writer_free(writer);
}

static void damaged_sections_are_refused(void **state)
{
    (void)state;
    static const char *const sections[] = {"taste", "taste.at", "taste.column", "taste.value",
                                           "taste.inverse"};
    struct world w = {0};
    struct od_taste_view view;
    struct od_error err;
    setup_world(&w);
    assert_int_equal(od_taste_open(&w.image, ITEMS + 1, &view, &err), OD_CORRUPT);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct od_str bytes;
        uint32_t kept, bad = 0x7fc07fc0;
        assert_true(od_image_section(&w.image, sections[i], &bytes));
        char *at = (char *)(uintptr_t)bytes.ptr;
        memcpy(&kept, at, 4);
        memcpy(at, &bad, 4);
        assert_int_equal(od_taste_open(&w.image, ITEMS, &view, &err), OD_CORRUPT);
        memcpy(at, &kept, 4);
    }
    assert_int_equal(od_taste_open(&w.image, ITEMS, &view, &err), OD_OK);
    done_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_regression),
        cmocka_unit_test(pairs_of_values_speak),
        cmocka_unit_test(unknown_items_say_nothing),
        cmocka_unit_test(records_without_features_make_no_taste),
        cmocka_unit_test(damaged_sections_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
