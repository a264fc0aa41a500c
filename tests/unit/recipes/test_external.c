/* ondol-external-vectors: scores by hand, parameters, items without a vector, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fitted.h"
#include "recipes/registry.h"
#include "toy.h"

static const char file[] = "i00000\t1 0\ni00001\t0 2\ni00002\t3 4\ni00003\t0 0\n";

static enum od_status run(struct fitted *f, const struct od_training *t, const char *text)
{
    fitted_init(f, "ondol-external-vectors", t);
    f->input.external = od_str_c(text);
    return fitted_run(f, false);
}

static bool ask(const struct fitted *f, const uint32_t *history, size_t count, float *scores)
{
    struct od_past_event events[8];
    for (size_t i = 0; i < count; i++)
        events[i] = (struct od_past_event){.item = history[i]};
    struct od_query query = {.events = events, .event_count = count, .item = OD_NO_CODE};
    struct od_arena scratch;
    bool personal;
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(
        f->model.recipe->score(f->model.model, &query, &scratch, scores, &personal, NULL), OD_OK);
    od_arena_done(&scratch);
    return personal;
}

static bool near(float a, double b)
{
    return fabs(a - b) < 2e-3;
}

/* Items 0 to 5, 5 the most popular. */
static struct od_training *six(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 30; u++) {
        toy_add(b, u, u % 6, u);
        toy_add(b, u, 5, 100 + u);
    }
    return toy_finish(b);
}

static void a_user_is_the_decayed_mean_of_the_history(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    float s[8];
    assert_int_equal(run(&f, t, file), OD_OK);
    const uint32_t history[] = {1, OD_NO_CODE, 0}; /* an unknown item takes its turn */
    assert_true(ask(&f, history, 3, s));
    double a = 1 / 1.64, b = 0.64 / 1.64;
    assert_true(near(s[0], a) && near(s[1], b) && near(s[2], 0.6 * a + 0.8 * b));
    assert_true(s[3] < -2 && s[4] < -2 && s[5] > s[4] &&
                s[5] > s[3]); /* no vector: by popularity */
    const uint32_t strange[] = {3, 5, OD_NO_CODE};
    assert_false(ask(&f, strange, 3, s));
    assert_int_equal(fitted_best(s, 6), 5);
    assert_false(ask(&f, NULL, 0, s));
    fitted_done(&f);
    od_training_free(t);
}

static void newer_events_without_a_vector_decay_nothing(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    float s[8], plain[8];
    uint32_t history[8] = {0, 5, 5, 5, 5, 5, 5, 5}; /* item 5 has no vector */
    assert_int_equal(run(&f, t, file), OD_OK);
    assert_true(ask(&f, history, 1, plain));
    struct od_past_event events[200];
    for (size_t e = 0; e < 200; e++)
        events[e] = (struct od_past_event){.item = e ? 5 : 0};
    struct od_query query = {.events = events, .event_count = 200, .item = OD_NO_CODE};
    struct od_arena scratch;
    bool personal;
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(f.model.recipe->score(f.model.model, &query, &scratch, s, &personal, NULL),
                     OD_OK);
    od_arena_done(&scratch);
    assert_true(personal);
    for (int i = 0; i < 3; i++)
        assert_true(s[i] == plain[i]);
    fitted_done(&f);
    od_training_free(t);
}

static void decay_and_metric_have_effect(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    float s[8];
    const uint32_t history[] = {1, 0};
    fitted_init(&f, "ondol-external-vectors", t);
    f.input.external = od_str_c(file);
    fitted_set(&f, "decay", "1");
    assert_int_equal(fitted_run(&f, false), OD_OK);
    ask(&f, history, 2, s);
    assert_true(near(s[0], 0.5) && near(s[1], 0.5));
    fitted_done(&f);
    fitted_init(&f, "ondol-external-vectors", t);
    f.input.external = od_str_c(file);
    fitted_set(&f, "metric", "dot");
    assert_int_equal(fitted_run(&f, false), OD_OK);
    const uint32_t one[] = {0};
    ask(&f, one, 1, s);
    assert_true(near(s[2] / s[0], 3)); /* lengths count */
    fitted_done(&f);
    od_training_free(t);
}

static void huge_numbers_fit_by_a_common_scale(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    float s[8];
    fitted_init(&f, "ondol-external-vectors", t);
    f.input.external = OD_STR("i00000 1e30 0\ni00001 5e29 0\n");
    fitted_set(&f, "metric", "dot");
    assert_int_equal(fitted_run(&f, false), OD_OK);
    const uint32_t one[] = {0};
    ask(&f, one, 1, s);
    assert_true(isfinite(s[0]) && near(s[1] / s[0], 0.5));
    fitted_done(&f);
    od_training_free(t);
}

static void refusals_say_what_is_wrong(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    fitted_init(&f, "ondol-external-vectors", t);
    assert_int_equal(fitted_run(&f, false), OD_INVALID_INPUT);
    assert_non_null(strstr(f.err.message, "location"));
    assert_int_equal(run(&f, t, "i00000 1 2\ni00001 1\n"), OD_INVALID_INPUT);
    assert_non_null(strstr(f.err.message, "line 2"));
    od_training_free(t);
}

static void metrics_are_measured(void **state)
{
    (void)state;
    struct od_training *t = six();
    struct fitted f;
    fitted_init(&f, "ondol-external-vectors", t);
    f.input.external = od_str_c(file);
    assert_int_equal(fitted_run(&f, true), OD_OK);
    assert_non_null(od_metrics_find(&f.metrics, "precision_at_5"));
    fitted_done(&f);
    od_training_free(t);
}

static void a_text_parameter_has_a_longest_length(void **state)
{
    (void)state;
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("ondol-external-vectors"));
    assert_true(spec->extension);
    size_t at = od_recipe_param_find(spec, OD_PARAM_ALGORITHM, OD_STR("location"));
    char text[OD_PARAM_TEXT_BYTES + 1];
    memset(text, 'a', sizeof text);
    struct od_param_value value;
    struct od_error err;
    assert_int_equal(od_recipe_param_parse(&spec->params[at],
                                           (struct od_str){text, OD_PARAM_TEXT_BYTES}, &value,
                                           &err),
                     OD_OK);
    assert_int_equal(value.text.len, OD_PARAM_TEXT_BYTES);
    assert_int_equal(
        od_recipe_param_parse(&spec->params[at], (struct od_str){text, sizeof text}, &value, &err),
        OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "1024 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_events_without_a_vector_decay_nothing),
        cmocka_unit_test(a_user_is_the_decayed_mean_of_the_history),
        cmocka_unit_test(decay_and_metric_have_effect),
        cmocka_unit_test(huge_numbers_fit_by_a_common_scale),
        cmocka_unit_test(refusals_say_what_is_wrong),
        cmocka_unit_test(metrics_are_measured),
        cmocka_unit_test(a_text_parameter_has_a_longest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
