/* The sequence network: its gradients, its two ways to a state, what it looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "math/differences.h"
#include "math/nn/layers.h"
#include "recipes/seq_net.h"

enum { WIDTH = 5, HIDDEN = 7, ITEMS = 6, ROWS = 10, SEQUENCES = 3, TYPES = 2, EVENTS = 13 };

/* Sequences of 5, 3 and 2 events, in memory as users' events lie: 0-5, 6-9, 10-12. */
static const uint32_t at[6] = {0, 3, 6, 8, 9, 10};
static const uint32_t last[SEQUENCES] = {9, 7, 5}, user[SEQUENCES] = {2, 0, 1};
static const uint32_t item[ROWS] = {0, 1, 2, 3, OD_NO_CODE, 1, 0, 5, 4, 3};
static const uint32_t target[ROWS] = {3, OD_NO_CODE, 1, 0, 5, 2, 4, 1, 3, 0};
static const float weight[ROWS] = {1, 0, .5f, 2, 1, 1, 1, 1, 1, 1};
static const int64_t when[ROWS] = {0, 0, 0, 10, 1, 4000, 4000, 100, 4000, 4500};
static const int64_t asked[ROWS] = {10, 1, 4000, 4000, 100, 9000, 4000, 90000, 4500, 4501};
static const uint64_t event[ROWS] = {0, 6, 10, 1, 7, 11, 2, 8, 3, 4};
static const uint16_t type[EVENTS] = {0, 1, 1, 0, 7, 0, 1, 0, 1, 0, 1, 1, 0};
static const uint16_t device[EVENTS] = {0, 1, OD_NO_VALUE, 1, 0, 0, 1, 1, OD_NO_VALUE, 0, 0, 1, 1};
static const float price[EVENTS] = {1, 2, 3, 4, NAN, 6, 7, 8, 9, 1, 2, 3, NAN};
static const uint64_t person_at[4] = {0, 2, 2, 3};
static const uint32_t person_column[3] = {0, 2, 1};
static const float person_value[3] = {.6f, .8f, 1};

struct net_case {
    struct od_training training;
    struct od_training_column context[2];
    struct od_dict *devices;
    uint32_t context_at[2], word_at[3], user_column[3];
    struct od_word context_word[2];
    struct od_seq_net_of net;
    struct od_nn_params params;
    struct od_seq_rows rows;
    float v[ITEMS * WIDTH], dv[ITEMS * WIDTH];
    float *gradient, *work;
};

static void name(struct od_dict *dict, const char *text)
{
    uint32_t code;
    assert_int_equal(od_dict_add(dict, od_str_c(text), &code), OD_OK);
}

static void set_up_ask(struct net_case *c)
{
    struct od_dict *names = od_dict_new();
    static const char *const all[] = {"C:DEVICE=phone",
                                      "C:DEVICE=tv",
                                      "C:PRICE in [-inf, 3.5)",
                                      "C:PRICE in [3.5, inf)",
                                      "U:AGE in [18, 30)",
                                      "U:AGE in [30, 60]",
                                      "U:SEX=F"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        name(names, all[i]);
    c->devices = od_dict_new();
    name(c->devices, "phone");
    name(c->devices, "tv");
    c->context[0] =
        (struct od_training_column){.name = OD_STR("DEVICE"), .values = c->devices, .code = device};
    c->context[1] = (struct od_training_column){.name = OD_STR("PRICE"), .number = price};
    c->training = (struct od_training){.type = type, .context = c->context, .context_count = 2};
    for (uint32_t i = 0; i < 2; i++) { /* each value is a word */
        c->word_at[i] = i;
        c->context_word[i] = (struct od_word){i, 1};
    }
    c->word_at[2] = 2;
    for (uint32_t i = 0; i < 3; i++)
        c->user_column[i] = 4 + i;
    c->net.ask = (struct od_seq_ask){.training = &c->training,
                                     .times = true,
                                     .named = od_seq_ask_named(true),
                                     .user_column = c->user_column,
                                     .context_at = c->context_at,
                                     .word_at = c->word_at,
                                     .context_word = c->context_word};
    c->net.ask.columns = c->net.ask.named + 7;
    c->net.ask.users = (struct od_features){.rows = 3,
                                            .columns = 3,
                                            .at = (uint64_t *)(uintptr_t)person_at,
                                            .column = (uint32_t *)(uintptr_t)person_column,
                                            .value = (float *)(uintptr_t)person_value};
    assert_int_equal(od_words_init(&c->net.ask.words, names, NULL), OD_OK);
}

static void set_up(struct net_case *c)
{
    struct od_random rng;
    memset(c, 0, sizeof *c);
    od_math_init();
    set_up_ask(c);
    c->net.shape = (struct od_seq_shape){WIDTH, 2, HIDDEN, TYPES, c->net.ask.columns, 1};
    c->net.dropout = .3f;
    assert_int_equal(od_seq_net_init(&c->net.shape, 1, &c->params), OD_OK);
    od_random_init(&rng, 2);
    for (uint32_t t = 0; t < c->params.count; t++)
        od_nn_fill_normal(&c->params, t, .5, &rng);
    fill_normal(c->v, ITEMS * WIDTH, 1, &rng);
    c->rows = (struct od_seq_rows){.packed = {5, at},
                                   .sequences = SEQUENCES,
                                   .rows = ROWS,
                                   .item = item,
                                   .time = when,
                                   .asked = asked,
                                   .target = target,
                                   .weight = weight,
                                   .last = last,
                                   .user = user,
                                   .event = event,
                                   .v = c->v,
                                   .v_count = ITEMS,
                                   .candidates = ITEMS};
    c->gradient = od_nn_buffer(&c->params);
    size_t floats = od_seq_net_functions.workspace(&c->net, ROWS, SEQUENCES, ITEMS);
    c->work = malloc(floats * sizeof *c->work);
    assert_non_null(c->work);
}

static void tear_down(struct net_case *c)
{
    od_words_done(&c->net.ask.words);
    od_dict_free(c->devices);
    od_nn_params_done(&c->params);
    free(c->gradient);
    free(c->work);
}

static double loss(struct net_case *c)
{
    float *gradient = od_nn_buffer(&c->params), dv[ITEMS * WIDTH] = {0};
    double sum = od_seq_net_functions.learn(&c->net, &c->params, &c->rows, gradient, dv, c->work);
    free(gradient);
    return sum;
}

/* The loss with *x moved by h both ways: its slope. */
static double slope(struct net_case *c, float *x, float h)
{
    float kept = *x;
    *x = kept + h;
    double above = loss(c), step = (double)*x;
    *x = kept - h;
    double below = loss(c);
    step -= (double)*x;
    *x = kept;
    return (above - below) / step;
}

/* Central differences at two steps, extrapolated (Richardson): the norms bend the loss too much for
 * one step that float32 still resolves. */
static void check(struct net_case *c, const char *what, float *x, const float *gradient,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double wide = slope(c, x + i, 8e-3f), near = slope(c, x + i, 4e-3f);
        double expected = (4 * near - wide) / 3, g = (double)gradient[i];
        if (!(fabs(expected - g) <= 4e-3 * (1 + fabs(g))))
            fail_msg("%s, entry %zu: gradient %g, difference quotient %g", what, i, g, expected);
    }
}

static void gradients_by_differences(void **state)
{
    (void)state;
    struct net_case c;
    for (uint64_t key = 0; key < 2; key++) {
        set_up(&c);
        c.rows.key =
            key; /* the same entries are dropped, the same questions silent in every call */
        od_seq_net_functions.learn(&c.net, &c.params, &c.rows, c.gradient, c.dv, c.work);
        check(&c, "v", c.v, c.dv, ITEMS * WIDTH);
        for (uint32_t t = 0; t < c.params.count; t++)
            check(&c, c.params.tensor[t].name, od_nn_in(&c.params, c.params.value, t),
                  od_nn_in(&c.params, c.gradient, t), od_nn_size(&c.params, t));
        tear_down(&c);
    }
}

/* The events of sequence s, as serving gives them. */
static size_t events_of(const struct net_case *c, uint32_t s, struct od_seq_event *out)
{
    size_t n = 0;
    for (uint32_t t = 0; t < 5 && at[t] + s < at[t + 1]; t++) {
        uint32_t r = at[t] + s;
        out[n++] = (struct od_seq_event){item[r] == OD_NO_CODE ? NULL : c->v + item[r] * WIDTH,
                                         when[r], type[event[r]]};
    }
    return n;
}

static void an_event_is_a_step_of_the_state(void **state)
{
    (void)state;
    struct net_case c;
    set_up(&c);
    float whole[SEQUENCES * WIDTH];
    od_seq_net_functions.states(&c.net, &c.params, &c.rows, whole, c.work);
    float *work = malloc(od_seq_step_floats(&c.net.shape, 5) * sizeof *work);
    for (uint32_t s = 0; s < SEQUENCES; s++)
        for (size_t cut = 0; cut < 5; cut++) {
            struct od_seq_event events[5];
            struct od_word entry[OD_SEQ_ENTRIES];
            float at_first[2 * WIDTH] = {0}, out[WIDTH];
            struct od_seq_state now = {.at = at_first};
            size_t n = events_of(&c, s, events);
            if (cut >= n)
                continue;
            if (cut) /* all at once; else the first ones, then one by one */
                od_seq_step(&c.net.shape, &c.params, &now, events, cut, out, work);
            for (size_t e = cut; e < n; e++)
                od_seq_step(&c.net.shape, &c.params, &now, events + e, 1, out, work);
            size_t entries = od_seq_ask_row(&c.net.ask, &c.rows, last[s],
                                            OD_SEQ_SEE_TIME | OD_SEQ_SEE_NAMED, entry);
            od_seq_answer(&c.net.shape, &c.params, out, entry, entries, out);
            for (size_t i = 0; i < WIDTH; i++)
                assert_true(fabsf(out[i] - whole[s * WIDTH + i]) < 1e-4f);
        }
    free(work);
    tear_down(&c);
}

static void a_request_asks_as_the_training_row_did(void **state)
{
    (void)state;
    struct net_case c;
    set_up(&c);
    /* row 8 predicts event 4 of user 2: device phone, no price, no column 1 */
    struct od_word row[OD_SEQ_ENTRIES], query[OD_SEQ_ENTRIES];
    size_t n = od_seq_ask_row(&c.net.ask, &c.rows, 8, OD_SEQ_SEE_TIME | OD_SEQ_SEE_NAMED, row);
    struct od_query_value context[] = {{OD_STR("DEVICE"), OD_STR("phone")},
                                       {OD_STR("COLOUR"), OD_STR("red")}};
    struct od_query_value person[] = {{OD_STR("AGE"), OD_STR("44")}};
    struct od_query q = {
        .context = context, .context_count = 2, .user = person, .user_value_count = 1};
    size_t m = od_seq_ask_time(when[8], asked[8], query);
    m += od_words_query(&c.net.ask.words, &q, c.net.ask.named, query + m, OD_SEQ_ENTRIES - m);
    assert_int_equal(n, 5);
    assert_int_equal(m, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(query[i].column, row[i].column);
        assert_true(query[i].value == row[i].value);
    }
    tear_down(&c);
}

static void values_have_columns(void **state)
{
    (void)state;
    struct net_case c;
    set_up(&c);
    const struct od_words *w = &c.net.ask.words;
    assert_int_equal(od_words_number(w, 'C', OD_STR("PRICE"), 3.4), 2);
    assert_int_equal(od_words_number(w, 'C', OD_STR("PRICE"), 3.5), 3);
    assert_int_equal(od_words_number(w, 'U', OD_STR("PRICE"), 3.5), OD_NO_CODE);
    assert_int_equal(od_words_number(w, 'U', OD_STR("AGE"), 3), 4);
    assert_int_equal(od_words_number(w, 'U', OD_STR("AGE"), 99), 5);
    assert_int_equal(od_words_text(w, 'C', OD_STR("DEVICE"), OD_STR("tv")), 1);
    assert_int_equal(od_words_text(w, 'U', OD_STR("DEVICE"), OD_STR("tv")), OD_NO_CODE);
    /* another training's bins go by their middle, its values by their text */
    assert_int_equal(od_words_like(w, OD_STR("U:AGE in [16, 25)")), 4);
    assert_int_equal(od_words_like(w, OD_STR("U:AGE in [29, 40]")), 5);
    assert_int_equal(od_words_like(w, OD_STR("U:SEX=F")), 6);
    assert_int_equal(od_words_like(w, OD_STR("U:SEX=M")), OD_NO_CODE);
    struct od_query_value person[] = {{OD_STR("SEX"), OD_STR("M|F")}};
    struct od_query q = {.user = person, .user_value_count = 1};
    struct od_word entry[4];
    assert_int_equal(od_words_query(w, &q, 10, entry, 4), 1);
    assert_int_equal(entry[0].column, 16);
    tear_down(&c);
    struct od_dict *bad = od_dict_new();
    name(bad, "C:PRICE in [x, 3)");
    struct od_words words;
    assert_int_equal(od_words_init(&words, bad, NULL), OD_CORRUPT);
}

static void gaps_grow_with_time(void **state)
{
    (void)state;
    assert_int_equal(od_seq_gap(5, 0), 0);
    assert_int_equal(od_seq_gap(7, 7), 0);
    uint32_t before = 0;
    for (int64_t s = 0; s < 100000; s++) {
        uint32_t gap = od_seq_gap(9, 9 + s);
        assert_true(gap == before || gap == before + 1 || gap == before + 2);
        before = gap;
    }
    assert_int_equal(od_seq_gap(INT64_MIN, INT64_MAX), OD_SEQ_GAPS - 1);
    struct od_word entry[3];
    assert_int_equal(od_seq_ask_time(100, 100, entry), 0);
    assert_int_equal(od_seq_ask_time(0, 86400 + 3 * 3600, entry), 3);
    assert_int_equal(entry[1].column, OD_SEQ_GAPS + 3);
    assert_int_equal(entry[2].column, OD_SEQ_GAPS + 24 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_by_differences),
        cmocka_unit_test(an_event_is_a_step_of_the_state),
        cmocka_unit_test(a_request_asks_as_the_training_row_did),
        cmocka_unit_test(values_have_columns),
        cmocka_unit_test(gaps_grow_with_time),
    };
    return cmocka_run_group_tests_name("recipes/seq_net", tests, NULL, NULL);
}
