/* aws-trending-now: the recipe, its frequency, what happens without a trend, live re-evaluation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fitted.h"
#include "recipes/registry.h"
#include "recipes/metrics.h"
#include "toy.h"

#define HOUR 3600

/* Item 0 is the most popular of 40 hours; item 7 comes up in the last 4; item 8 has one event. */
static struct od_training *rising(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    unsigned user = 0;
    for (unsigned h = 0; h < 40; h++) {
        for (unsigned k = 0; k < 6; k++)
            toy_add(b, user++ % 97, k % 3 ? k : 0, h * HOUR + 60 * k);
        for (unsigned k = 0; h >= 36 && k < 5; k++)
            toy_add(b, user++ % 97, 7, h * HOUR + 1000 + k);
    }
    toy_add(b, 3, 8, 39 * HOUR + 2000);
    return toy_finish(b);
}

static void what_rises_comes_first(void **state)
{
    (void)state;
    struct od_training *t = rising();
    struct fitted f;
    fitted_init(&f, "aws-trending-now", t);
    assert_int_equal(fitted_run(&f, true), OD_OK);
    float scores[16];
    assert_false(fitted_scores(&f, NULL, t->last_time, scores));
    uint32_t seven = od_dict_find(t->items, OD_STR("i00007"));
    uint32_t zero = od_dict_find(t->items, OD_STR("i00000"));
    uint32_t eight = od_dict_find(t->items, OD_STR("i00008"));
    assert_int_equal(fitted_best(scores, t->item_count), seven);
    assert_true(scores[seven] > scores[eight]); /* one event is no trend to rank first */
    for (uint32_t i = 0; i < t->item_count; i++)
        if (scores[i] <= 0) /* no growth: by popularity */
            assert_true(i == zero || scores[i] < -1);
    assert_non_null(od_metrics_find(&f.metrics, "trend_prediction_accuracy"));
    assert_non_null(od_metrics_find(&f.metrics, "coverage"));
    fitted_done(&f);
    od_training_free(t);
}

static void two_intervals_without_events_give_popular_items(void **state)
{
    (void)state;
    struct od_training *t = rising();
    uint32_t seven = od_dict_find(t->items, OD_STR("i00007"));
    uint32_t zero = od_dict_find(t->items, OD_STR("i00000"));
    const struct {
        const char *frequency;
        int64_t stale_s;
    } cases[] = {{"30 minutes", 4 * HOUR},
                 {"1 hour", 4 * HOUR},
                 {"2 hours", 4 * HOUR},
                 {"3 hours", 6 * HOUR},
                 {"1 day", 48 * HOUR}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct fitted f;
        float scores[16];
        fitted_init(&f, "aws-trending-now", t);
        fitted_set(&f, "trend_discovery_frequency", cases[c].frequency);
        assert_int_equal(fitted_run(&f, false), OD_OK);
        fitted_scores(&f, NULL, t->last_time + cases[c].stale_s - 1, scores);
        assert_int_equal(fitted_best(scores, t->item_count), seven);
        fitted_scores(&f, NULL, t->last_time + cases[c].stale_s, scores);
        assert_int_equal(fitted_best(scores, t->item_count), zero);
        fitted_done(&f);
    }
    od_training_free(t);
}

static void one_thread_or_two_write_the_same_image(void **state)
{
    (void)state;
    struct od_training *t = rising();
    struct fitted f[2];
    for (unsigned k = 0; k < 2; k++) {
        fitted_init(&f[k], "aws-trending-now", t);
        f[k].input.threads = k + 1;
        assert_int_equal(fitted_run(&f[k], false), OD_OK);
    }
    assert_int_equal(f[0].model.image.bytes.len, f[1].model.image.bytes.len);
    assert_memory_equal(f[0].model.bytes, f[1].model.bytes, f[0].model.image.bytes.len);
    fitted_done(&f[0]);
    fitted_done(&f[1]);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rises_comes_first),
        cmocka_unit_test(two_intervals_without_events_give_popular_items),
        cmocka_unit_test(one_thread_or_two_write_the_same_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
