/* The trainer of sequence networks, with the recurrent network on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/gru_net.h"
#include "recipes/seqtrain_inner.h"
#include "recipes/toy.h"

/* Users walk round a ring of items, ten to twenty steps from a random place; one step in ten is
 * random. Then the newest fourth of the users' events are in reverse when `turned`. */
static struct od_training *ring(unsigned users, unsigned items, bool turned)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (unsigned u = 0; u < users; u++) {
        unsigned at = (unsigned)od_random_below(&rng, items);
        unsigned n = 10 + (unsigned)od_random_below(&rng, 11);
        for (unsigned k = 0; k < n; k++) {
            toy_add(b, u, at, (int64_t)(1000 * k + u));
            unsigned strays = od_random_below(&rng, 10) == 0;
            unsigned step = strays ? (unsigned)od_random_below(&rng, items) : 1;
            at = (at + (turned && k >= n * 3 / 4 ? items - 1 : step)) % items;
        }
    }
    return toy_finish(b);
}

/* --- windows --- */

static void every_prediction_is_learnt_once_an_epoch(void **state)
{
    (void)state;
    struct od_training *t = ring(40, 9, false);
    struct od_seq_plan plan = {.window = 4, .context = 3};
    uint64_t *end = malloc(t->user_count * sizeof *end), predictions = 0, moved = 0;
    unsigned char *seen = calloc(t->event_count, 1), *first = calloc(t->event_count, 1);
    for (uint32_t u = 0; u < t->user_count; u++) {
        end[u] = u % 5 ? t->user_start[u + 1] - u % 3 : t->user_start[u];
        predictions += u % 5 ? end[u] - t->user_start[u] - 1 : 0;
    }
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        struct od_seq_windows w;
        assert_int_equal(od_seq_windows_make(t, end, &plan, 1, epoch, &w), OD_OK);
        assert_int_equal(w.predictions, predictions);
        memset(seen, 0, t->event_count);
        for (size_t i = 0; i < w.count; i++) {
            struct od_seq_window x = w.list[i];
            uint64_t start = t->user_start[x.user];
            assert_true(x.from >= start && x.to < end[x.user] && x.learn < x.to);
            assert_true(x.to - x.learn <= 4);
            assert_true(x.learn - x.from == 3 || x.from == start);
            for (uint64_t e = x.learn; e < x.to; e++)
                assert_int_equal(seen[e]++, 0);
            moved += epoch && !first[x.learn];
            first[x.learn] = 1;
        }
        for (uint32_t u = 0; u < t->user_count; u++)
            for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++)
                assert_int_equal(seen[e], e + 1 < end[u]);
        od_seq_windows_done(&w);
    }
    assert_true(moved > 20); /* boundaries differ from epoch to epoch */
    free(end);
    free(seen);
    free(first);
    od_training_free(t);
}

static void rows_say_what_happened(void **state)
{
    (void)state;
    struct od_training *t = ring(3, 9, false);
    struct od_seq_block block = {0};
    float *weight = malloc(t->event_count * sizeof *weight);
    for (uint64_t e = 0; e < t->event_count; e++)
        weight[e] = e % 4 ? (float)e : 0;
    uint64_t a = t->user_start[0], b = t->user_start[2];
    const struct od_seq_window w[2] = {{a + 1, a + 3, a + 6, 0}, {b, b, b + 2, 2}};
    const struct od_seq_window *list[2] = {&w[0], &w[1]};
    assert_int_equal(od_seq_block_fill(&block, t, list, 2, weight), OD_OK);
    const struct od_seq_rows *rows = &block.rows;
    assert_int_equal(rows->rows, 7);
    assert_int_equal(rows->last[0], 6);
    assert_int_equal(rows->last[1], 3);
    double sum = 0;
    for (uint32_t s = 0; s < 2; s++)
        for (uint32_t step = 0; step < w[s].to - w[s].from; step++) {
            uint32_t r = rows->packed.at[step] + s;
            uint64_t e = w[s].from + step;
            bool learnt = e >= w[s].learn && (e + 1) % 4;
            assert_int_equal(rows->item[r], t->item[e]);
            assert_int_equal(rows->time[r], t->time[e]);
            assert_int_equal(rows->asked[r], t->time[e + 1]);
            assert_int_equal(rows->target[r], learnt ? t->item[e + 1] : OD_NO_CODE);
            assert_true(rows->weight[r] == (learnt ? weight[e + 1] : 0));
            sum += (double)rows->weight[r];
        }
    assert_true(block.weights == sum);
    od_seq_block_done(&block);
    free(weight);
    od_training_free(t);
}

/* --- training --- */

enum { USERS = 150, ITEMS = 60 };

struct course {
    struct od_training *training;
    struct od_train_input input;
    struct od_part_task task;
    struct od_seq_plan plan;
    struct od_gru_net net;
    struct od_seq_model model;
    struct od_features features;
    uint64_t *end;
    struct od_buf lesson;
    uint64_t at[ITEMS + 1];
    uint32_t column[ITEMS];
    float value[ITEMS];
};

/* Features of a catalogue in three kinds of item. */
static void add_features(struct course *c)
{
    static const char *const names[3] = {"KIND=a", "KIND=b", "KIND=c"};
    c->features.names = od_dict_new();
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t code;
        assert_int_equal(od_dict_add(c->features.names, od_str_c(names[k]), &code), OD_OK);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        c->at[i + 1] = i + 1;
        c->column[i] = i % 3;
        c->value[i] = 1;
    }
    c->features.rows = ITEMS;
    c->features.columns = 3;
    c->features.at = c->at;
    c->features.column = c->column;
    c->features.value = c->value;
    c->plan.features = &c->features;
    c->plan.kappa = 5;
    c->plan.id_dropout = .2f;
}

static void set_up(struct course *c, bool turned)
{
    memset(c, 0, sizeof *c);
    c->training = ring(USERS, ITEMS, turned);
    assert_int_equal(c->training->item_count, ITEMS);
    c->end = malloc((USERS + 1) * sizeof *c->end);
    for (uint32_t u = 0; u < USERS; u++)
        c->end[u] = c->training->user_start[u + 1];
    c->input = (struct od_train_input){.training = c->training, .seed = 5, .threads = 1};
    c->task = (struct od_part_task){.input = &c->input, .end = c->end};
    c->plan = (struct od_seq_plan){.width = 16,
                                   .window = 16,
                                   .context = 4,
                                   .batch_rows = 256,
                                   .epochs = 12,
                                   .patience = 6,
                                   .refresh = 1,
                                   .refresh_rate = .3f,
                                   .rate = .02f,
                                   .clip = 5,
                                   .fall = .7f};
    c->net = (struct od_gru_net){.hidden = 16, .width = 16, .bptt = 8, .dropout = .05f};
    od_buf_init(&c->lesson, 1 << 24);
}

static enum od_status run(struct course *c, struct od_error *err)
{
    struct od_nn_params params;
    assert_int_equal(od_gru_params_init(&c->net, 5, &params), OD_OK);
    return od_seq_train(&c->task, &c->plan, &od_gru_functions, &c->net, &params, &c->model,
                        &c->lesson, err);
}

static void tear_down(struct course *c)
{
    od_seq_model_done(&c->model);
    od_training_free(c->training);
    od_dict_free(c->features.names);
    od_buf_done(&c->lesson);
    free(c->end);
}

static void learns_what_comes_next(struct course *c)
{
    struct od_error err = {0};
    if (run(c, &err) != OD_OK)
        fail_msg("%s", err.message);
    /* nine in ten follow the ring: the best possible NDCG@10 is a little above .9; popularity's
     * is below .2 */
    assert_true(c->model.ndcg > .85);
}

static void learns_by_full_softmax(void **state)
{
    (void)state;
    struct course c;
    set_up(&c, false);
    learns_what_comes_next(&c);
    tear_down(&c);
}

static void learns_by_a_sample(void **state)
{
    (void)state;
    struct course c;
    set_up(&c, false);
    c.plan.candidates = 20;
    learns_what_comes_next(&c);
    tear_down(&c);
}

/* What the third kind's vector is after so many epochs, when only items that no user has met are of
 * that kind. */
static void unmet_kind(uint32_t epochs, uint32_t candidates, bool met_only, float *out)
{
    enum { MET = 50 };
    struct course c;
    struct od_error err = {0};
    set_up(&c, false);
    add_features(&c);
    for (uint32_t i = 0; i < ITEMS; i++)
        c.column[i] = i < MET ? i % 2 : 2;
    for (uint32_t u = 0; u < USERS; u++) {
        uint64_t e = c.training->user_start[u];
        while (e < c.end[u] && c.training->item[e] < MET)
            e++;
        c.end[u] = e;
    }
    c.plan.epochs = epochs;
    c.plan.candidates = candidates;
    c.plan.met_only = met_only;
    if (run(&c, &err) != OD_OK)
        fail_msg("%s", err.message);
    memcpy(out, c.model.columns + 2 * (size_t)c.plan.width, c.plan.width * sizeof *out);
    tear_down(&c);
}

static void items_not_met_are_no_alternatives(void **state)
{
    (void)state;
    float few[16], more[16];
    for (uint32_t candidates = 0; candidates <= 30; candidates += 30) {
        unmet_kind(1, candidates, true, few);
        unmet_kind(4, candidates, true, more);
        assert_memory_equal(few, more, sizeof few);
        unmet_kind(4, candidates, false, more);
        assert_memory_not_equal(few, more, sizeof few);
    }
}

static void learns_with_features(void **state)
{
    (void)state;
    struct course c;
    for (uint32_t candidates = 0; candidates < 40; candidates += 30) {
        set_up(&c, false);
        add_features(&c);
        c.plan.candidates = candidates;
        learns_what_comes_next(&c);
        float whole[ITEMS * 16], bare[ITEMS * 16];
        uint32_t seen[ITEMS];
        for (uint32_t i = 0; i < ITEMS; i++)
            seen[i] = 1000000;
        od_seq_vectors(&c.model, &c.plan, seen, whole);
        od_seq_vectors(&c.model, &c.plan, NULL, bare);
        for (uint32_t i = 0; i < ITEMS * 16; i++) {
            float column = c.model.columns[i / 16 % 3 * 16 + i % 16];
            assert_float_equal(bare[i], column, 1e-6);
            assert_float_equal(whole[i], column + c.model.table[i], 1e-4);
        }
        tear_down(&c);
    }
}

static void same_bytes_for_any_number_of_threads(void **state)
{
    (void)state;
    struct course a, b;
    for (int kind = 0; kind < 3; kind++) {
        struct course *both[2] = {&a, &b};
        for (unsigned i = 0; i < 2; i++) {
            set_up(both[i], false);
            if (kind == 2)
                add_features(both[i]);
            both[i]->plan.candidates = kind ? 25 : 0;
            both[i]->plan.epochs = 2;
            both[i]->plan.bias = true;
            both[i]->plan.start = kind != 1;
            both[i]->input.threads = i + 1;
            assert_int_equal(run(both[i], NULL), OD_OK);
        }
        assert_int_equal(a.lesson.len, b.lesson.len);
        assert_memory_equal(a.lesson.ptr, b.lesson.ptr, a.lesson.len);
        assert_true(a.model.ndcg == b.model.ndcg);
        tear_down(&a);
        tear_down(&b);
    }
}

static void nothing_behind_the_end_is_learnt(void **state)
{
    (void)state;
    struct course a, b;
    set_up(&a, false);
    set_up(&b, true); /* another newest fourth of everybody */
    struct course *both[2] = {&a, &b};
    for (size_t i = 0; i < 2; i++) {
        struct course *c = both[i];
        for (uint32_t u = 0; u < USERS; u++) {
            uint64_t start = c->training->user_start[u];
            c->end[u] = start + 7; /* 10 events at least, the first 7 the same in both */
        }
        c->plan.epochs = 1;
    }
    assert_int_equal(run(&a, NULL), OD_OK);
    assert_int_equal(run(&b, NULL), OD_OK);
    assert_memory_equal(a.model.table, b.model.table, ITEMS * 16 * sizeof(float));
    tear_down(&a);
    tear_down(&b);
}

static void weights_choose_what_is_learnt(void **state)
{
    (void)state;
    struct course c;
    set_up(&c, true);
    /* only what follows the turn counts: walking backwards */
    float *weight = calloc(c.training->event_count, sizeof *weight);
    for (uint32_t u = 0; u < USERS; u++) {
        uint64_t start = c.training->user_start[u], n = c.end[u] - start;
        for (uint64_t k = n * 3 / 4 + 1; k < n; k++)
            weight[start + k] = 1;
    }
    c.plan.weight = weight;
    learns_what_comes_next(&c); /* judges are after the turn; backwards never errs */
    free(weight);
    tear_down(&c);
}

static double cosine(const float *a, const float *b, size_t count)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < count; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void vectors_start_from_neighbourhoods(void **state)
{
    (void)state;
    struct course c;
    struct od_seq_items items;
    float kept[ITEMS * 16], all[ITEMS * 16];
    set_up(&c, false);
    assert_int_equal(od_seq_items_init(&items, c.training, c.end, &c.plan, 5), OD_OK);
    memcpy(kept, items.table.value, sizeof kept);
    assert_int_equal(od_seq_items_start(&items, &c.input, c.end, NULL), OD_OK);
    const float *v = items.table.value;
    double near = 0, far = 0, square = 0;
    for (size_t i = 0; i < ITEMS; i++) { /* neighbours on the ring, and those across it */
        near += cosine(v + i * 16, v + (i + 1) % ITEMS * 16, 16) / ITEMS;
        far += cosine(v + i * 16, v + (i + ITEMS / 2) % ITEMS * 16, 16) / ITEMS;
        for (size_t k = 0; k < 16; k++)
            square += (double)v[i * 16 + k] * (double)v[i * 16 + k] / ITEMS;
    }
    assert_true(near > .5 && far < .2);
    assert_true(fabs(square - 1) < 1e-3);
    memcpy(all, items.table.value, sizeof all);
    memcpy(items.table.value, kept, sizeof kept);
    c.input.memory_bytes = 1 << 30; /* enough for all */
    assert_int_equal(od_seq_items_start(&items, &c.input, c.end, NULL), OD_OK);
    assert_memory_equal(items.table.value, all, sizeof all);
    memcpy(items.table.value, kept, sizeof kept);
    c.input.memory_bytes = c.training->event_count * 100; /* for some of the users */
    assert_int_equal(od_seq_items_start(&items, &c.input, c.end, NULL), OD_OK);
    assert_memory_not_equal(items.table.value, all, sizeof all);
    assert_memory_not_equal(items.table.value, kept, sizeof kept);
    memcpy(items.table.value, kept, sizeof kept);
    for (uint32_t u = 0; u < USERS; u++)
        c.end[u] = c.training->user_start[u] + 1; /* nobody has a neighbour: nothing changes */
    assert_int_equal(od_seq_items_start(&items, &c.input, c.end, NULL), OD_OK);
    assert_memory_equal(items.table.value, kept, sizeof kept);
    od_seq_items_done(&items);
    tear_down(&c);
}

/* --- lessons --- */

static void lessons_start_another_training(void **state)
{
    (void)state;
    struct course a, b;
    struct od_error err = {0};
    set_up(&a, false);
    add_features(&a);
    learns_what_comes_next(&a);
    set_up(&b, false);
    add_features(&b);
    b.task.lesson = od_buf_view(&a.lesson);
    b.plan.refresh = 0;
    assert_int_equal(run(&b, &err), OD_OK);
    assert_memory_equal(a.model.table, b.model.table, ITEMS * 16 * sizeof(float));
    assert_memory_equal(a.model.columns, b.model.columns, 3 * 16 * sizeof(float));
    assert_memory_equal(a.model.params.value, b.model.params.value,
                        a.model.params.size * sizeof(float));
    assert_true(a.model.ndcg == b.model.ndcg && a.model.epochs == b.model.epochs);
    tear_down(&b);
    /* cut anywhere, or of another network: refused */
    for (size_t len = 1; len < a.lesson.len; len = len * 2 + 7) {
        set_up(&b, false);
        add_features(&b);
        b.task.lesson = (struct od_str){a.lesson.ptr, len};
        assert_int_equal(run(&b, &err), OD_CORRUPT);
        tear_down(&b);
    }
    set_up(&b, false);
    b.plan.width = b.net.width = 32;
    b.task.lesson = od_buf_view(&a.lesson);
    assert_int_equal(run(&b, &err), OD_CORRUPT);
    tear_down(&b);
    tear_down(&a);
}

static enum od_status read_epochs(void *context, double fraction, const char *stage)
{
    unsigned at, of;
    (void)fraction;
    if (sscanf(stage, "epoch %u of %u", &at, &of) == 2)
        *(unsigned *)context = of;
    return OD_OK;
}

/* Held-out events are learnt from in as many epochs as the plan says for those that it took to find
 * the weights. */
static void refreshing_goes_by_what_was_found(void **state)
{
    (void)state;
    static const float share[] = {.01f, .5f, 1, 3};
    struct course a;
    struct od_error err = {0};
    set_up(&a, false);
    learns_what_comes_next(&a);
    assert_true(a.model.epochs > 1);
    for (size_t k = 0; k < sizeof share / sizeof *share; k++) {
        struct course b;
        unsigned told = 0;
        set_up(&b, false);
        b.task.lesson = od_buf_view(&a.lesson);
        b.plan.refresh = share[k];
        b.input.progress = (struct od_progress){read_epochs, &told};
        assert_int_equal(run(&b, &err), OD_OK);
        unsigned want = (unsigned)((double)share[k] * a.model.epochs + .5);
        assert_int_equal(told, want > 1 ? want : 1);
        tear_down(&b);
    }
    tear_down(&a);
}

/* --- stopping, and data that teach nothing --- */

struct watcher {
    unsigned calls, stop_at;
    double last;
    bool told;
};

static enum od_status watch(void *context, double fraction, const char *stage)
{
    struct watcher *w = context;
    assert_true(fraction >= w->last && fraction <= 1);
    w->last = fraction;
    w->told |= strstr(stage, "epoch ") && strstr(stage, ", loss ") &&
               strstr(stage, ", validation NDCG@10 .");
    return ++w->calls == w->stop_at ? OD_STOPPED : OD_OK;
}

static void progress_is_told_and_obeyed(void **state)
{
    (void)state;
    struct course c;
    struct watcher w = {0};
    struct od_error err = {0};
    set_up(&c, false);
    c.input.progress = (struct od_progress){watch, &w};
    assert_int_equal(run(&c, &err), OD_OK);
    assert_true(w.told && w.last > .99 && w.calls > 20);
    tear_down(&c);
    for (unsigned stop = 1; stop < w.calls; stop += 7) {
        struct watcher again = {.stop_at = stop};
        set_up(&c, false);
        c.input.progress = (struct od_progress){watch, &again};
        assert_int_equal(run(&c, &err), OD_STOPPED);
        assert_int_equal(err.code, OD_STOPPED);
        assert_int_equal(again.calls, stop);
        tear_down(&c);
    }
}

static void no_order_is_an_error(void **state)
{
    (void)state;
    struct course c;
    struct od_error err = {0};
    set_up(&c, false);
    for (uint32_t u = 0; u < USERS; u++)
        c.end[u] = c.training->user_start[u] + u % 2;
    assert_int_equal(run(&c, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "two interactions"));
    tear_down(&c);
    set_up(&c, false); /* two events each: something to learn, nobody to judge */
    for (uint32_t u = 0; u < USERS; u++)
        c.end[u] = c.training->user_start[u] + 2;
    c.plan.epochs = 1;
    assert_int_equal(run(&c, &err), OD_OK);
    assert_true(isnan(c.model.ndcg));
    tear_down(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prediction_is_learnt_once_an_epoch),
        cmocka_unit_test(rows_say_what_happened),
        cmocka_unit_test(learns_by_full_softmax),
        cmocka_unit_test(learns_by_a_sample),
        cmocka_unit_test(items_not_met_are_no_alternatives),
        cmocka_unit_test(learns_with_features),
        cmocka_unit_test(same_bytes_for_any_number_of_threads),
        cmocka_unit_test(nothing_behind_the_end_is_learnt),
        cmocka_unit_test(weights_choose_what_is_learnt),
        cmocka_unit_test(vectors_start_from_neighbourhoods),
        cmocka_unit_test(lessons_start_another_training),
        cmocka_unit_test(refreshing_goes_by_what_was_found),
        cmocka_unit_test(progress_is_told_and_obeyed),
        cmocka_unit_test(no_order_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
