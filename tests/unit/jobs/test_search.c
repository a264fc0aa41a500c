/* The search for hyperparameters: its draws stay in range, its choice is the best and reproducible,
 * and users of the final metrics take no part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "jobs/search.h"
#include "recipes/metrics.h"

/* --- a recipe whose quality is known: it ranks the item that follows the last one first with a
 * chance that falls with the distance of its parameters from their best values --- */

enum { P_SIZE, P_RATE, P_KIND, PARAMS };
static const char *const kinds[] = {"plain", "good", "odd", NULL};
static const struct od_param_spec params[PARAMS] = {
    {.name = "size",
     .type = OD_PARAM_INTEGER,
     .default_value = "40",
     .min = 32,
     .max = 256,
     .tunable = true},
    {.name = "rate",
     .type = OD_PARAM_CONTINUOUS,
     .default_value = "0.5",
     .min = 0,
     .max = 1,
     .tunable = true},
    {.name = "kind",
     .type = OD_PARAM_CATEGORICAL,
     .default_value = "plain",
     .choices = kinds,
     .tunable = true},
};
static const struct od_recipe_spec spec = {
    .name = "known", .params = params, .param_count = PARAMS};

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned trainings;
static bool seen_user[1000];

struct od_model {
    struct od_image_dict items;
    float skill; /* the share of items that are followed rightly */
};

/* Of "u12": 12. */
static size_t user_number(const struct od_training *training, uint32_t user)
{
    struct od_str text = od_dict_text(training->users, user);
    int64_t number;
    assert_true(od_str_to_i64(od_str_sub(text, 1, text.len), &number));
    return (size_t)number;
}

static double skill_of(const struct od_param_value *values)
{
    double far = fabs(log(values[P_SIZE].number / 128)) + fabs(values[P_RATE].number - 0.2) +
                 (od_str_eq_c(values[P_KIND].text, "good") ? 0 : 0.3);
    return 1 / (1 + far);
}

static enum od_status known_train(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_metrics *metrics, struct od_error *err)
{
    assert_null(metrics);
    float skill = (float)skill_of(input->params);
    pthread_mutex_lock(&seen_lock);
    trainings++;
    for (uint32_t u = 0; u < input->training->user_count; u++)
        seen_user[user_number(input->training, u)] = true;
    pthread_mutex_unlock(&seen_lock);
    if (input->params[P_SIZE].number == 32)
        return od_fail(err, OD_INVALID_INPUT, "size 32 cannot be trained");
    enum od_status s = od_progress_report(&input->progress, 0.5, "knowing", err);
    if (s == OD_OK)
        s = od_image_add_dict(image, "items", input->training->items);
    return s == OD_OK ? od_image_add(image, "skill", &skill, sizeof skill, false) : s;
}

static enum od_status known_open(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct od_str skill;
    struct od_model *model = calloc(1, sizeof *model);
    assert_true(od_image_section(image, "skill", &skill));
    memcpy(&model->skill, skill.ptr, sizeof model->skill);
    *out = model;
    return od_image_dict_open(image, "items", &model->items, err);
}

static void known_close(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *known_items(const struct od_model *model)
{
    return &model->items;
}

static enum od_status known_score(const struct od_model *model, const struct od_query *query,
                                  struct od_arena *scratch, float *scores, bool *out_personal,
                                  struct od_error *err)
{
    (void)scratch;
    (void)err;
    uint32_t n = model->items.count, last = query->events[query->event_count - 1].item;
    uint32_t next = (last + 1) % n;
    bool right = (float)(query->events[0].time % 97) / 97 < model->skill;
    for (uint32_t i = 0; i < n; i++)
        scores[i] = -(float)((i + n - next - (right ? 0 : 30)) % n);
    *out_personal = true;
    return OD_OK;
}

static const struct od_recipe known = {.name = "known",
                                       .train = known_train,
                                       .open = known_open,
                                       .close = known_close,
                                       .items = known_items,
                                       .score = known_score};

/* --- data: every user walks the items in order --- */

static struct od_training *walks(uint32_t users, uint32_t events)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_training *t;
    char user[16], item[16];
    for (uint32_t u = 0; u < users; u++)
        for (uint32_t k = 0; k < events; k++) {
            snprintf(user, sizeof user, "u%u", u);
            snprintf(item, sizeof item, "i%02u", (u * 7 + k) % 60);
            assert_int_equal(od_training_add_event(b, od_str_c(user), od_str_c(item), OD_STR_NONE,
                                                   (int64_t)u * 1009 + k, false, 0),
                             OD_OK);
        }
    assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
    od_training_builder_free(b);
    return t;
}

struct bed {
    struct od_training *training;
    struct od_arena arena;
    struct od_param_value fixed[PARAMS];
    struct od_search_range ranges[PARAMS];
    struct od_search_entry entry;
    struct od_train_input input;
    struct od_search_ask ask;
    struct od_search_result result;
    struct od_error err;
    int reports, stop_after;
    double last;
};

static enum od_status report(void *context, double fraction, const char *stage)
{
    struct bed *bed = context;
    assert_true(fraction >= bed->last && fraction <= 1);
    assert_non_null(strstr(stage, "tuning: "));
    bed->last = fraction;
    return bed->stop_after && ++bed->reports >= bed->stop_after ? OD_STOPPED : OD_OK;
}

static void lay(struct bed *bed, uint32_t users, unsigned jobs, unsigned parallel)
{
    memset(bed, 0, sizeof *bed);
    memset(seen_user, 0, sizeof seen_user);
    trainings = 0;
    od_arena_init(&bed->arena, SIZE_MAX);
    bed->training = walks(users, 60);
    assert_int_equal(od_recipe_params_default(&spec, bed->fixed), OD_OK);
    for (size_t p = 0; p < PARAMS; p++)
        assert_int_equal(od_search_range_of(&spec, p, &bed->arena, &bed->ranges[p]), OD_OK);
    bed->entry = (struct od_search_entry){&known, &spec, bed->fixed, bed->ranges, PARAMS, jobs};
    bed->input = (struct od_train_input){.training = bed->training,
                                         .seed = 5,
                                         .threads = 2,
                                         .memory_bytes = 1u << 30,
                                         .progress = {report, bed}};
    bed->ask = (struct od_search_ask){.input = &bed->input,
                                      .entries = &bed->entry,
                                      .entry_count = 1,
                                      .metric = "mean_reciprocal_rank_at_25",
                                      .parallel = parallel,
                                      .io = &od_io_real};
}

static void clear(struct bed *bed)
{
    od_training_free(bed->training);
    od_arena_done(&bed->arena);
}

static void draws_are_spread_over_the_ranges(void **state)
{
    (void)state;
    enum { COUNT = 41 };
    struct bed bed;
    struct od_param_value **drawn, **again;
    size_t count, same;
    lay(&bed, 2, 1, 1);
    assert_int_equal(od_search_draw(&bed.entry, COUNT, 9, &bed.arena, &drawn, &count, &bed.err),
                     OD_OK);
    assert_int_equal(count, COUNT);
    assert_true(drawn[0][P_SIZE].number == 40 && drawn[0][P_RATE].number == 0.5);
    unsigned kind[3] = {0}, rate[40] = {0}, small = 0;
    for (size_t i = 1; i < count; i++) {
        assert_in_range(drawn[i][P_SIZE].number, 32, 256);
        assert_true(drawn[i][P_SIZE].number == round(drawn[i][P_SIZE].number));
        small += drawn[i][P_SIZE].number < 91; /* half of a factor of eight */
        kind[(int)drawn[i][P_KIND].number]++;
        rate[(int)(drawn[i][P_RATE].number * 40)]++;
    }
    assert_in_range(small, 18, 22);
    for (int k = 0; k < 3; k++)
        assert_in_range(kind[k], 12, 15);
    for (int r = 0; r < 40; r++)
        assert_int_equal(rate[r], 1); /* one in each stratum */
    assert_int_equal(od_search_draw(&bed.entry, COUNT, 9, &bed.arena, &again, &same, &bed.err),
                     OD_OK);
    for (size_t i = 0; i < count; i++)
        assert_true(drawn[i][P_RATE].number == again[i][P_RATE].number);
    bed.entry.range_count = 0; /* nothing to vary: the values given, once */
    assert_int_equal(od_search_draw(&bed.entry, COUNT, 9, &bed.arena, &drawn, &count, &bed.err),
                     OD_OK);
    assert_int_equal(count, 1);
    clear(&bed);
}

static void ranges_of_the_user_hold(void **state)
{
    (void)state;
    struct bed bed;
    struct od_param_value **drawn;
    size_t count;
    const struct od_str some[] = {OD_STR("odd"), OD_STR("good")};
    lay(&bed, 2, 1, 1);
    bed.ranges[P_SIZE].min = 100;
    bed.ranges[P_SIZE].max = 103;
    bed.ranges[P_KIND].choices = some;
    bed.ranges[P_KIND].choice_count = 2;
    bed.entry.range_count = 3;
    assert_int_equal(od_search_draw(&bed.entry, 30, 1, &bed.arena, &drawn, &count, &bed.err),
                     OD_OK);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(drawn[i][P_SIZE].number, 100, 103);
        assert_false(od_str_eq_c(drawn[i][P_KIND].text, "plain"));
    }
    assert_true(drawn[0][P_SIZE].number == 100); /* the default moved into the range */
    bed.entry.range_count = 1;
    assert_int_equal(od_search_draw(&bed.entry, 30, 1, &bed.arena, &drawn, &count, &bed.err),
                     OD_OK);
    assert_int_equal(count, 4); /* 100 to 103 and no more */
    clear(&bed);
}

static void drawn_numbers_lie_in_their_range_as_they_are_written(void **state)
{
    (void)state;
    struct bed bed;
    struct od_param_value **drawn;
    size_t count, continuous = PARAMS;
    lay(&bed, 100, 30, 1);
    for (size_t p = 0; p < PARAMS; p++)
        if (bed.entry.spec->params[p].type == OD_PARAM_CONTINUOUS)
            continuous = p;
    assert_true(continuous < PARAMS);
    bed.ranges[continuous].min = 0.12345671; /* narrower than six digits can tell */
    bed.ranges[continuous].max = 0.12345674;
    assert_int_equal(od_search_draw(&bed.entry, 30, 1, &bed.arena, &drawn, &count, &bed.err),
                     OD_OK);
    for (size_t i = 1; i < count; i++) { /* the first is the default */
        double number;
        assert_true(od_str_to_double(drawn[i][continuous].text, &number));
        assert_true(number >= 0.12345671 && number <= 0.12345674);
    }
    clear(&bed);
}

static void the_best_trial_is_chosen_and_no_test_user_judged(void **state)
{
    (void)state;
    struct bed bed;
    struct od_split test;
    lay(&bed, 400, 12, 1);
    assert_int_equal(od_search(&bed.ask, &bed.arena, &bed.result, &bed.err), OD_OK);
    assert_int_equal(bed.result.count, 12); /* 24,000 events: nothing is halved */
    double best = 0;
    for (size_t i = 0; i < bed.result.count; i++) {
        assert_true(bed.result.trials[i].share == 1);
        best = fmax(best, bed.result.trials[i].value);
    }
    assert_true(bed.result.trials[bed.result.best].value == best);
    assert_true(best > bed.result.trials[0].value); /* the defaults are far from the best */
    assert_int_equal(od_split_users(bed.training, bed.input.seed, &test, NULL), OD_OK);
    unsigned seen = 0;
    for (uint32_t i = 0; i < test.test_count; i++)
        seen += seen_user[user_number(bed.training, test.test_user[i])];
    assert_int_equal(seen, 0);
    od_split_done(&test);
    clear(&bed);
}

static void large_sets_are_halved_and_parallel_trials_change_nothing(void **state)
{
    (void)state;
    struct bed one, two;
    lay(&one, 900, 9, 1);
    assert_int_equal(od_search(&one.ask, &one.arena, &one.result, &one.err), OD_OK);
    assert_int_equal(trainings, 9);
    lay(&two, 900, 9, 2);
    assert_int_equal(od_search(&two.ask, &two.arena, &two.result, &two.err), OD_OK);
    assert_int_equal(one.result.count, 9);
    unsigned small = 0;
    for (size_t i = 0; i < 9; i++) {
        const struct od_search_trial *a = &one.result.trials[i], *b = &two.result.trials[i];
        assert_true(a->value == b->value && a->share == b->share);
        assert_true(a->params[P_RATE].number == b->params[P_RATE].number);
        small += a->share < 1;
    }
    assert_int_equal(small, 7);
    assert_int_equal(one.result.best, two.result.best);
    assert_true(one.result.trials[one.result.best].share == 1);
    clear(&one);
    clear(&two);
}

static void a_trial_that_fails_is_passed_over(void **state)
{
    (void)state;
    struct bed bed;
    lay(&bed, 200, 3, 1);
    bed.ranges[P_SIZE].min = 32;
    bed.ranges[P_SIZE].max = 33;
    bed.entry.range_count = 1;
    assert_int_equal(od_search(&bed.ask, &bed.arena, &bed.result, &bed.err), OD_OK);
    assert_true(bed.result.trials[bed.result.best].params[P_SIZE].number == 33);
    bed.last = 0;
    bed.ranges[P_SIZE].max = 32;
    assert_int_equal(od_search(&bed.ask, &bed.arena, &bed.result, &bed.err), OD_INVALID_INPUT);
    assert_string_equal(bed.err.message, "size 32 cannot be trained");
    bed.ask.metric = "beauty";
    bed.last = 0;
    bed.ranges[P_SIZE].max = 40;
    assert_int_equal(od_search(&bed.ask, &bed.arena, &bed.result, &bed.err), OD_INVALID_INPUT);
    clear(&bed);
}

static void a_stop_ends_it(void **state)
{
    (void)state;
    for (int after = 1; after < 12; after += 2) {
        struct bed bed;
        lay(&bed, 200, 4, 2);
        bed.stop_after = after;
        assert_int_equal(od_search(&bed.ask, &bed.arena, &bed.result, &bed.err), OD_STOPPED);
        assert_int_equal(bed.err.code, OD_STOPPED);
        clear(&bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_spread_over_the_ranges),
        cmocka_unit_test(drawn_numbers_lie_in_their_range_as_they_are_written),
        cmocka_unit_test(ranges_of_the_user_hold),
        cmocka_unit_test(the_best_trial_is_chosen_and_no_test_user_judged),
        cmocka_unit_test(large_sets_are_halved_and_parallel_trials_change_nothing),
        cmocka_unit_test(a_trial_that_fails_is_passed_over),
        cmocka_unit_test(a_stop_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
