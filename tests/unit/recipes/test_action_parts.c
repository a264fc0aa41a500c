/* What next-best-action is made of: offers, records, states, calibration, levels; and the
 * off-policy estimators its quality table uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../quality/propensity.h"
#include "base/random.h"
#include "recipes/action.h"
#include "recipes/glm.h"
#include "shelf.h"

#define DAY 86400

/* --- offers --- */

static void act(struct od_training_builder *b, const char *user, const char *action,
                const char *type, int64_t time)
{
    assert_int_equal(
        od_training_add_event(b, od_str_c(user), od_str_c(action), od_str_c(type), time, false, 0),
        OD_OK);
}

static struct od_training *finish(struct od_training_builder *b)
{
    struct od_training *t = NULL;
    assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
    od_training_builder_free(b);
    return t;
}

static void types_are_compared_without_case_space_and_underscore(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    static const char *const texts[] = {"Taken",  "NOT_TAKEN", "Not taken",
                                        "viewed", "Clicked",   "Takenn"};
    static const uint8_t want[] = {OD_ACTION_TAKEN,  OD_ACTION_NOT_TAKEN, OD_ACTION_NOT_TAKEN,
                                   OD_ACTION_VIEWED, OD_ACTION_OTHER,     OD_ACTION_OTHER};
    for (int i = 0; i < 6; i++)
        act(b, "u", "a", texts[i], i);
    struct od_training *t = finish(b);
    uint8_t type[16];
    od_action_types(t, type);
    for (int i = 0; i < 6; i++)
        assert_int_equal(type[od_dict_find(t->types, od_str_c(texts[i]))], want[i]);
    assert_int_equal(type[0], OD_ACTION_OTHER);
    od_training_free(t);
}

static void an_offer_ends_with_its_outcome_or_its_period(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    act(b, "u1", "a", "Viewed", 0);
    act(b, "u1", "a", "Viewed", 1 * DAY); /* the same offer */
    act(b, "u1", "b", "Taken", 2 * DAY);  /* without a view */
    act(b, "u1", "a", "Taken", 9 * DAY);  /* within ten days of the first view */
    act(b, "u1", "a", "Viewed", 10 * DAY);
    act(b, "u1", "a", "Taken", 21 * DAY); /* too late for that view: an offer of its own */
    act(b, "u2", "a", "Viewed", 1 * DAY);
    act(b, "u2", "a", "Not Taken", 1 * DAY + 5);
    act(b, "u2", "a", "Taken", 2 * DAY);   /* declined before: another */
    act(b, "u2", "a", "Shown", 3 * DAY);   /* no known type */
    act(b, "u2", "b", "Viewed", 16 * DAY); /* half of its period seen */
    struct od_training *t = finish(b);
    struct od_action_row *rows;
    size_t count;
    assert_int_equal(od_action_rows(t, 10 * DAY, INT64_MIN, &rows, &count), OD_OK);
    static const struct {
        int user, action, day;
        float taken, weight;
    } want[] = {{0, 0, 0, 1, 1}, {0, 1, 2, 1, 1}, {0, 0, 10, 0, 1},   {0, 0, 21, 1, 1},
                {1, 0, 1, 0, 1}, {1, 0, 2, 1, 1}, {1, 1, 16, 0, 0.5f}};
    assert_int_equal(count, 7);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].user, want[i].user);
        assert_int_equal(rows[i].action, want[i].action);
        assert_int_equal(rows[i].time, want[i].day * DAY);
        assert_true(rows[i].taken == want[i].taken && rows[i].weight == want[i].weight);
        assert_int_equal(t->time[rows[i].event], rows[i].time);
    }
    free(rows);
    assert_int_equal(od_action_rows(t, 10 * DAY, 10 * DAY, &rows, &count), OD_OK);
    assert_int_equal(count, 3);
    free(rows);
    od_training_free(t);
}

/* --- records and states --- */

static void records_have_numbers_and_common_values(void **state)
{
    (void)state;
    struct shelf s; /* a table of ids serves: fields are what counts */
    shelf_init(&s, ",{\"name\":\"CITY\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
                   ",{\"name\":\"AGE\",\"type\":[\"null\",\"int\"]}"
                   ",{\"name\":\"NOTE\",\"type\":[\"null\",\"string\"]}");
    for (int i = 0; i < 6; i++) {
        char id[8];
        const char *cells[] = {i < 3   ? "jeju|seoul"
                               : i < 5 ? "busan"
                                       : "rare",
                               i ? "40" : NULL, "x"};
        snprintf(id, sizeof id, "u%d", i);
        shelf_put(&s, id, cells);
    }
    struct od_action_record r;
    assert_int_equal(od_action_record_init(&r, s.table), OD_OK);
    static const char *const want[] = {"AGE#", "CITY=jeju", "CITY=seoul", "CITY=busan"};
    assert_int_equal(r.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(od_str_eq_c(od_dict_text(r.names, i), want[i]));
    struct od_arena arena;
    struct od_query q = {0};
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_action_record_read(s.table, OD_STR("u1"), &arena, &q), OD_OK);
    assert_int_equal(q.user_value_count, 4);
    assert_true(od_str_eq_c(q.user[1].value, "jeju|seoul") && od_str_eq_c(q.user[2].value, "40"));
    assert_int_equal(od_action_record_read(s.table, OD_STR("nobody"), &arena, &q), OD_OK);
    assert_int_equal(q.user_value_count, 0);
    assert_int_equal(od_action_record_read(NULL, OD_STR("u1"), &arena, &q), OD_OK);
    od_arena_done(&arena);
    od_action_record_done(&r);
    assert_int_equal(od_action_record_init(&r, NULL), OD_OK);
    assert_int_equal(r.count, 0);
    od_action_record_done(&r);
    shelf_done(&s);
}

static struct od_str two_names(const void *names, uint32_t column)
{
    (void)names;
    return column ? OD_STR("CITY=jeju") : OD_STR("AGE#");
}

static void states_follow_their_definition(void **state)
{
    (void)state;
    const float projection[] = {1, 0, 0, 2};
    const struct od_past_event items[] = {{0, 0, 0}, {1, 0, 9 * DAY}, {7, 0, 9 * DAY}};
    const struct od_past_event past[] = {{1, OD_ACTION_NOT_TAKEN, 3 * DAY},
                                         {0, OD_ACTION_VIEWED, 5 * DAY},
                                         {0, OD_ACTION_TAKEN, 6 * DAY},
                                         {0, OD_ACTION_OTHER, 8 * DAY}};
    const struct od_query_value user[] = {{OD_STR("CITY"), OD_STR("seoul|jeju")},
                                          {OD_STR("AGE"), OD_STR("9")}};
    struct od_query q = {.events = items,
                         .event_count = 3,
                         .action_events = past,
                         .action_event_count = 4,
                         .user = user,
                         .user_value_count = 2,
                         .now_s = 10 * DAY};
    struct od_action_view view = {.item_count = 2,
                                  .tastes = 2,
                                  .width = 1 + 5 + 2 + 2 + 5 + 5,
                                  .projection = projection,
                                  .record_count = 2,
                                  .record_name = two_names};
    struct od_action_state s;
    float x[20];
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, x);
    double mass = sqrt(1 + 0.95);
    const double want[20] = {1,        1,           log1p(2), log1p(3), log1p(3),
                             log1p(1), 0.95 / mass, 2 / mass, log1p(9), 1,
                             log1p(1), log1p(1),    log1p(1), 2.0 / 6,  exp(-4 / 7.0),
                             log1p(1), 0,           log1p(1), 2.0 / 5,  exp(-4 / 7.0)};
    for (int j = 0; j < 20; j++)
        assert_true(fabs((double)x[j] - want[j]) < 1e-6);
    float mean[20] = {0}, scale[20];
    for (int j = 0; j < 20; j++)
        scale[j] = 2;
    mean[19] = 0.5;
    view.mean = mean;
    view.scale = scale;
    od_action_x(&view, &s, 1, x);
    assert_true(x[0] == 1); /* the constant stays */
    assert_true(fabsf(x[16] - 2 * logf(2)) < 1e-6f && x[15] == 0);
    struct od_query nothing = {.now_s = 1};
    view.mean = NULL;
    od_action_state_make(&view, &nothing, &s);
    od_action_x(&view, &s, 0, x);
    for (int j = 1; j < 20; j++)
        assert_true(j == 13 || j == 18 ? x[j] == 0.25f : x[j] == 0);
}

static void an_open_offer_is_not_part_of_the_past(void **state)
{
    (void)state;
    const struct od_past_event past[] = {{0, OD_ACTION_VIEWED, 1 * DAY},
                                         {0, OD_ACTION_NOT_TAKEN, 2 * DAY},
                                         {1, OD_ACTION_TAKEN, 3 * DAY},
                                         {0, OD_ACTION_VIEWED, 20 * DAY},
                                         {0, OD_ACTION_VIEWED, 21 * DAY}};
    struct od_query q = {.action_events = past, .action_event_count = 5, .now_s = 22 * DAY};
    struct od_action_view view = {.width = 1 + 5 + 5 + 5, .period_s = 14 * DAY};
    struct od_action_state s;
    float open[16], before[16], x[16];
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, open); /* viewed on the 20th, and nothing came of it yet */
    q.action_event_count = 3;
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, before);
    assert_memory_equal(open + 11, before + 11, 5 * sizeof *open);
    assert_true(fabsf(open[13] - logf(2)) < 1e-6f); /* the view of the first day */
    /* when its period is over, it was an offer that was not taken */
    q.action_event_count = 5;
    q.now_s = 35 * DAY;
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, x);
    assert_true(fabsf(x[13] - logf(4)) < 1e-6f);
    /* views on the 20th and the 21st are one offer, that on the 35th is the next */
    const struct od_past_event next[] = {past[0], past[1], past[2],
                                         past[3], past[4], {0, OD_ACTION_VIEWED, 35 * DAY}};
    q.action_events = next;
    q.action_event_count = 6;
    q.now_s = 36 * DAY;
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, x);
    assert_true(fabsf(x[13] - logf(4)) < 1e-6f);
    /* what was resolved is past at once */
    od_action_x(&view, &s, 1, x);
    assert_true(fabsf(x[11] - logf(2)) < 1e-6f);
}

static void only_the_newest_actions_count(void **state)
{
    (void)state;
    struct od_past_event *past = calloc(OD_ACTION_EVENTS + 50, sizeof *past);
    for (int i = 0; i < OD_ACTION_EVENTS + 50; i++)
        past[i] = (struct od_past_event){0, OD_ACTION_TAKEN, i};
    struct od_query q = {.action_events = past,
                         .action_event_count = OD_ACTION_EVENTS + 50,
                         .now_s = OD_ACTION_EVENTS + 50};
    struct od_action_view view = {.width = 1 + 5 + 5 + 5};
    struct od_action_state s;
    float x[16];
    od_action_state_make(&view, &q, &s);
    od_action_x(&view, &s, 0, x);
    assert_true(fabsf(x[6] - logf(1 + OD_ACTION_EVENTS)) < 1e-5f);
    assert_true(fabsf(x[11] - logf(1 + OD_ACTION_EVENTS)) < 1e-5f);
    free(past);
}

/* --- calibration --- */

/* max over j <= i of min over k >= i of the mean of j..k: the same by the min-max formula. */
static double min_max(const double *y, const double *w, size_t n, size_t i)
{
    double most = -INFINITY;
    for (size_t j = 0; j <= i; j++) {
        double least = INFINITY, sum = 0, weight = 0;
        for (size_t k = j; k < n; k++) {
            sum += y[k] * w[k];
            weight += w[k];
            if (k >= i)
                least = fmin(least, sum / weight);
        }
        most = fmax(most, least);
    }
    return most;
}

static void adjacent_violators_are_pooled_as_brute_force_does(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 2);
    for (int round = 0; round < 50; round++) {
        double y[40], w[40], fitted[40];
        size_t n = 1 + od_random_below(&rng, 40);
        for (size_t i = 0; i < n; i++) {
            y[i] = round % 2 ? od_random_normal(&rng) : (double)od_random_below(&rng, 2);
            w[i] = 0.1 + od_random_double(&rng);
        }
        assert_int_equal(od_isotonic(y, w, n, fitted), OD_OK);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(fitted[i] - min_max(y, w, n, i)) < 1e-9);
    }
    assert_int_equal(od_isotonic(NULL, NULL, 0, NULL), OD_OK);
}

static void check_calibration(size_t count)
{
    double *p = malloc(count * sizeof *p);
    float *taken = malloc(count * sizeof *taken), *weight = malloc(count * sizeof *weight);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (size_t i = 0; i < count; i++) { /* the truth is p^2 */
        p[i] = 0.01 + 0.98 * od_random_double(&rng);
        taken[i] = od_random_double(&rng) < p[i] * p[i];
        weight[i] = 1;
    }
    struct od_action_calibration c;
    assert_int_equal(od_action_calibration_fit(p, taken, weight, count, &c), OD_OK);
    double last = -1;
    for (double x = 0; x <= 1; x += 0.01) {
        double y = od_action_calibrate(&c, x);
        assert_true(y >= last && y >= 0 && y <= 1);
        last = y;
        if (x > 0.1 && x < 0.95)
            assert_true(fabs(y - x * x) < (count > 5000 ? 0.06 : 0.15));
    }
    free(p);
    free(taken);
    free(weight);
}

static void probabilities_learn_their_size_and_keep_their_order(void **state)
{
    (void)state;
    check_calibration(20000);
    check_calibration(400); /* a line in the logit */
    struct od_action_calibration c;
    double p[] = {0.3, 0.4};
    float taken[] = {0, 1}, weight[] = {1, 1};
    assert_int_equal(od_action_calibration_fit(p, taken, weight, 2, &c), OD_OK);
    assert_true(fabs(od_action_calibrate(&c, 0.37) - 0.37) < 1e-7); /* too few: as it is */
    assert_true(od_action_calibrate(&c, -1) == 0 && od_action_calibrate(&c, 2) == 1);
}

/* --- levels --- */

static void levels_are_the_attributes_that_actions_share(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, ",{\"name\":\"TIER\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
                   ",{\"name\":\"TYPE\",\"type\":[\"null\",\"string\"]}"
                   ",{\"name\":\"REPEAT_FREQUENCY\",\"type\":[\"null\",\"long\"]}");
    for (int i = 0; i < 4; i++) {
        char id[8];
        const char *cells[] = {i < 3 ? "gold" : "one of its kind", i % 2 ? "offer" : NULL, "5"};
        snprintf(id, sizeof id, "i%05d", i);
        shelf_put(&s, id, cells);
    }
    struct od_dict *actions = shelf_ids(5);
    struct od_action_levels l;
    assert_int_equal(od_action_levels_init(&l, s.table, actions, NULL), OD_OK);
    static const uint32_t at[] = {0, 1, 3, 4, 5, 5}, value[] = {0, 0, 1, 0, 1};
    assert_int_equal(l.value_count, 2);
    assert_memory_equal(l.at, at, sizeof at);
    assert_memory_equal(l.value, value, sizeof value);
    od_action_levels_done(&l);
    assert_int_equal(od_action_levels_init(&l, NULL, actions, NULL), OD_OK);
    assert_int_equal(l.at[5], 0);
    od_action_levels_done(&l);
    od_dict_free(actions);
    shelf_done(&s);
}

/* Rows of three actions, two of which share a value; the third has no rows of its own. */
static struct od_action_rows_x make_rows(size_t count, uint32_t width)
{
    struct od_action_rows_x r = {.count = count, .width = width};
    r.x = malloc(count * width * sizeof *r.x);
    r.taken = malloc(count * sizeof *r.taken);
    r.weight = malloc(count * sizeof *r.weight);
    r.action = malloc(count * sizeof *r.action);
    struct od_random rng;
    od_random_init(&rng, 6);
    for (size_t i = 0; i < count; i++) {
        r.action[i] = (uint32_t)od_random_below(&rng, 2) * 2; /* 0 and 2 */
        double eta = r.action[i] ? -1 : 0.5;
        for (uint32_t j = 0; j < width; j++)
            r.x[i * width + j] = j ? (float)od_random_normal(&rng) : 1;
        eta += (double)r.x[i * width + 1] * (r.action[i] ? 1 : -1);
        r.taken[i] = od_random_double(&rng) < 1 / (1 + exp(-eta));
        r.weight[i] = 1;
    }
    return r;
}

static void free_rows(struct od_action_rows_x *r)
{
    free(r->x);
    free(r->taken);
    free(r->weight);
    free(r->action);
}

static void actions_learn_their_own_and_what_their_like_do(void **state)
{
    (void)state;
    enum { WIDTH = 3 };
    uint32_t at[] = {0, 1, 2, 2}, value[] = {0, 0}; /* 0 and 1 share a value */
    struct od_action_levels l = {3, 1, at, value};
    struct od_action_rows_x r = make_rows(6000, WIDTH);
    struct od_action_coefficients c, again;
    assert_int_equal(od_action_fit(&r, NULL, &l, 1, 1, &c), OD_OK);
    assert_int_equal(od_action_fit(&r, NULL, &l, 1, 3, &again), OD_OK);
    assert_memory_equal(c.theta, again.theta, 3 * WIDTH * sizeof *c.theta);
    assert_memory_equal(c.factor, again.factor, 3 * WIDTH * WIDTH * sizeof *c.factor);
    assert_true(fabsf(c.theta[0] - 0.5f) < 0.2f && fabsf(c.theta[1] + 1) < 0.2f);
    assert_true(fabsf(c.theta[2 * WIDTH] + 1) < 0.2f && fabsf(c.theta[2 * WIDTH + 1] - 1) < 0.2f);
    assert_true(c.theta[WIDTH + 1] < -0.3f); /* as action 0 does, not as everybody */
    /* an action without rows keeps its prior: wide; one with 3000 is known well */
    assert_true(c.factor[WIDTH * WIDTH] < 1 && c.factor[0] > 15);
    od_action_coefficients_done(&c);
    od_action_coefficients_done(&again);
    free_rows(&r);
}

static void sweeps_reach_the_minimum_of_all_levels_together(void **state)
{
    (void)state;
    enum { WIDTH = 2 };
    uint32_t at[] = {0, 0, 0, 0};
    struct od_action_levels l = {3, 0, at, at};
    struct od_action_rows_x r = make_rows(3000, WIDTH);
    struct od_action_coefficients c;
    assert_int_equal(od_action_fit(&r, NULL, &l, 1, 1, &c), OD_OK);
    /* one regression with columns for everybody, for action 0 and for action 2 */
    float *x = calloc(r.count * 3 * WIDTH, sizeof *x);
    double ridge[] = {0.01, 1, 0.5, 12, 0.5, 12}, beta[6] = {0};
    for (size_t i = 0; i < r.count; i++)
        for (int j = 0; j < WIDTH; j++) {
            x[i * 6 + (size_t)j] = r.x[i * WIDTH + (size_t)j];
            x[i * 6 + (r.action[i] ? 4 : 2) + (size_t)j] = r.x[i * WIDTH + (size_t)j];
        }
    struct od_glm glm = {.link = OD_GLM_LOGISTIC,
                         .count = r.count,
                         .width = 6,
                         .x = x,
                         .stride = 6,
                         .y = r.taken,
                         .ridge = ridge,
                         .threads = 1};
    assert_int_equal(od_glm_fit(&glm, beta, NULL), OD_OK);
    for (int j = 0; j < WIDTH; j++) {
        assert_true(fabs((double)c.theta[j] - beta[j] - beta[2 + j]) < 0.05);
        assert_true(fabs((double)c.theta[2 * WIDTH + j] - beta[j] - beta[4 + j]) < 0.05);
    }
    free(x);
    od_action_coefficients_done(&c);
    free_rows(&r);
}

/* --- off-policy --- */

static void estimators_find_the_value_of_another_policy(void **state)
{
    (void)state;
    enum { N = 40000, A = 5 };
    struct logged *rows = malloc(N * sizeof *rows);
    struct od_random rng;
    od_random_init(&rng, 9);
    double truth = 0;
    for (int i = 0; i < N; i++) {
        /* context z in 0..4; logging prefers action z with 0.6; the policy takes z + 1 */
        unsigned z = (unsigned)od_random_below(&rng, A), chosen = (z + 1) % A;
        bool preferred = od_random_double(&rng) < 0.5;
        unsigned shown = preferred ? z : (unsigned)od_random_below(&rng, A);
        double p = shown == z ? 0.6 : 0.1, reward_of = 0.1 + 0.15 * ((shown + z) % A);
        rows[i] = (struct logged){p, od_random_double(&rng) < reward_of, shown == chosen};
        truth += (0.1 + 0.15 * ((chosen + z) % A)) / N;
    }
    double error = ips_error(rows, N);
    assert_true(error > 0.001 && error < 0.02);
    assert_true(fabs(ips(rows, N) - truth) < 4 * error);
    assert_true(fabs(snips(rows, N) - truth) < 4 * error);
    const struct logged hand[] = {{0.5, 1, true}, {0.25, 0, true}, {0.5, 1, false}};
    assert_true(fabs(ips(hand, 3) - 2.0 / 3) < 1e-12);
    assert_true(fabs(snips(hand, 3) - 2.0 / 6) < 1e-12);
    assert_true(ips(hand, 0) == 0 && snips(hand + 2, 1) == 0);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_compared_without_case_space_and_underscore),
        cmocka_unit_test(an_offer_ends_with_its_outcome_or_its_period),
        cmocka_unit_test(records_have_numbers_and_common_values),
        cmocka_unit_test(states_follow_their_definition),
        cmocka_unit_test(an_open_offer_is_not_part_of_the_past),
        cmocka_unit_test(only_the_newest_actions_count),
        cmocka_unit_test(adjacent_violators_are_pooled_as_brute_force_does),
        cmocka_unit_test(probabilities_learn_their_size_and_keep_their_order),
        cmocka_unit_test(levels_are_the_attributes_that_actions_share),
        cmocka_unit_test(actions_learn_their_own_and_what_their_like_do),
        cmocka_unit_test(sweeps_reach_the_minimum_of_all_levels_together),
        cmocka_unit_test(estimators_find_the_value_of_another_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
