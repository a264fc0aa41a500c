/* aws-popularity-count: exact counts, ties, the image, metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/popularity.h"
#include "recipes/registry.h"
#include "toy.h"

static struct od_train_input input_of(const struct od_training *t)
{
    return (struct od_train_input){
        .training = t,
        .spec = od_recipe_spec_find(OD_STR("aws-popularity-count")),
        .seed = 1,
        .threads = 2,
    };
}

static struct od_metrics trained; /* by the last fit_all */

static enum od_status fit_all(const struct od_train_input *input, struct od_image_writer *image,
                              struct od_error *err)
{
    trained = (struct od_metrics){0};
    return od_recipe_popularity.train(input, image, &trained, err);
}

static void users_are_counted_once_and_ties_fall_to_the_later_then_the_id(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 4, 100);
    toy_add(b, 0, 4, 101);
    toy_add(b, 0, 4, 102); /* three events, one user */
    toy_add(b, 0, 3, 50);
    toy_add(b, 1, 3, 60); /* two users */
    toy_add(b, 1, 2, 102);
    toy_add(b, 1, 1, 103); /* one user, last of all */
    struct od_training *t = toy_finish(b);
    struct od_popularity p;
    assert_int_equal(od_popularity_count(t, &p, NULL), OD_OK);
    const uint32_t users[] = {1, 1, 2, 1}, rank[] = {1, 2, 0, 3}; /* items 1 2 3 4 */
    assert_memory_equal(p.users, users, sizeof users);
    assert_memory_equal(p.rank, rank, sizeof rank);
    od_popularity_done(&p);
    od_training_free(t);
}

static void a_use_case_counts_events(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (uint32_t i = 0; i < 5; i++)
        toy_add(b, 0, 1, 100 + i); /* five events, one user */
    toy_add(b, 0, 2, 1);
    toy_add(b, 1, 2, 2);
    toy_add(b, 2, 2, 3); /* three users */
    struct od_training *t = toy_finish(b);
    struct od_train_input input = input_of(t);
    struct od_param_value params[1];
    struct od_memory_model m;
    struct od_query query = {.item = OD_NO_CODE};
    float users[2], events[2];
    bool personal;
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, NULL), OD_OK);
    assert_int_equal(od_recipe_popularity.score(m.model, &query, NULL, users, &personal, NULL),
                     OD_OK);
    od_memory_model_done(&m);
    assert_true(users[1] > users[0]);
    input.spec = od_recipe_spec_find(OD_STR("aws-vod-most-popular"));
    assert_int_equal(input.spec->param_count, 1);
    assert_int_equal(od_recipe_params_default(input.spec, params), OD_OK);
    input.params = params;
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, NULL), OD_OK);
    assert_int_equal(od_recipe_popularity.score(m.model, &query, NULL, events, &personal, NULL),
                     OD_OK);
    od_memory_model_done(&m);
    assert_true(events[0] > events[1]);
    od_training_free(t);
}

static void a_model_gives_everyone_the_same_list(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 80, 20, 3);
    struct od_train_input input = input_of(t);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, NULL), OD_OK);
    assert_int_equal(od_recipe_popularity.items(m.model)->count, t->item_count);
    float scores[80], again[80];
    bool personal = true;
    struct od_past_event event = {.item = 3};
    struct od_query nobody = {.item = OD_NO_CODE}, somebody = {.events = &event, .event_count = 1};
    assert_int_equal(od_recipe_popularity.score(m.model, &nobody, NULL, scores, &personal, NULL),
                     OD_OK);
    assert_false(personal);
    assert_int_equal(od_recipe_popularity.score(m.model, &somebody, NULL, again, &personal, NULL),
                     OD_OK);
    assert_memory_equal(scores, again, t->item_count * sizeof *scores);
    struct od_popularity p;
    assert_int_equal(od_popularity_count(t, &p, NULL), OD_OK); /* the image holds all the data */
    for (uint32_t i = 0; i < t->item_count; i++)
        assert_true(scores[i] == -1.0f - (float)p.rank[i]);
    od_popularity_done(&p);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void metrics_are_those_of_the_held_out_users(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 80, 20, 3);
    struct od_train_input input = input_of(t);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, NULL), OD_OK);
    assert_int_equal(trained.count, 8);
    /* one list of 25 for all */
    assert_true(*od_metrics_find(&trained, "coverage") == 25.0 / t->item_count);
    double p25 = *od_metrics_find(&trained, "precision_at_25");
    assert_true(p25 > 0 && p25 < 1);
    struct od_metrics before = trained;
    input.seed = 2;
    od_memory_model_done(&m);
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, NULL), OD_OK);
    assert_true(*od_metrics_find(&before, "mean_reciprocal_rank_at_25") !=
                *od_metrics_find(&trained, "mean_reciprocal_rank_at_25"));
    od_memory_model_done(&m);
    od_training_free(t);
}

static enum od_status stop_at_once(void *context, double fraction, const char *stage)
{
    (void)fraction;
    (void)stage;
    ++*(int *)context;
    return OD_STOPPED;
}

static void training_stops_when_asked(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 80, 20, 3);
    struct od_train_input input = input_of(t);
    int asked = 0;
    input.progress = (struct od_progress){stop_at_once, &asked};
    struct od_memory_model m;
    struct od_error err = {0};
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, fit_all, &input, &m, &err),
                     OD_STOPPED);
    assert_int_equal(asked, 1);
    assert_true(err.message[0] != 0);
    od_training_free(t);
}

static enum od_status write_wrong(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_error *err)
{
    (void)err;
    assert_int_equal(od_image_add_dict(image, "items", input->training->items), OD_OK);
    return od_image_add(image, "popularity", "four", 4, true);
}

static void an_image_of_other_shape_is_corrupt(void **state)
{
    (void)state;
    struct od_training *t = toy_random(20, 8, 5, 3);
    struct od_train_input input = input_of(t);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_popularity, write_wrong, &input, &m, NULL),
                     OD_CORRUPT);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_counted_once_and_ties_fall_to_the_later_then_the_id),
        cmocka_unit_test(a_use_case_counts_events),
        cmocka_unit_test(a_model_gives_everyone_the_same_list),
        cmocka_unit_test(metrics_are_those_of_the_held_out_users),
        cmocka_unit_test(training_stops_when_asked),
        cmocka_unit_test(an_image_of_other_shape_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
