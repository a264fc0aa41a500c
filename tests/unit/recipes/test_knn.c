/* Neighbouring sessions: a query against the formula of knn.h worked out naively, what the index
 * keeps, the choice, the image, and images made to mislead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/knn.h"
#include "toy.h"

static uint64_t *ends_of(const struct od_training *t)
{
    uint64_t *end = malloc(((size_t)t->user_count + 1) * sizeof *end);
    assert_non_null(end);
    memcpy(end, t->user_start + 1, t->user_count * sizeof *end);
    return end;
}

static struct od_knn_index index_of(const struct od_training *t, bool cut, uint32_t sample)
{
    struct od_knn_index x;
    uint64_t *end = ends_of(t);
    assert_int_equal(od_knn_index_init(&x, t, end, cut, sample, 0, NULL), OD_OK);
    free(end);
    return x;
}

/* --- the naive model: every session, every pair of positions --- */

struct naive {
    const struct od_knn_index *x;
    const struct od_knn_config *c;
    double weight[64]; /* of each item in the query, 0 when not in it; toys have few items */
    double least;
};

static double power(uint32_t n, float p)
{
    return pow(n ? n : 1, -(double)p);
}

static bool posted(const struct naive *m, uint32_t item, uint32_t session)
{
    for (uint32_t k = 0; k < m->c->sample && k < m->x->post_at[item + 1] - m->x->post_at[item]; k++)
        if (m->x->post[m->x->post_at[item] + k] == session)
            return true;
    return false;
}

static double naive_sim(const struct naive *m, uint32_t session)
{
    double sim = 0;
    for (uint32_t i = 0; i < m->x->items; i++)
        if (m->weight[i] > 0 && posted(m, i, session))
            sim += m->weight[i];
    return sim;
}

/* The sum over positions from `from` in direction `by` up to but without p, cut where it is small.
 */
static double naive_near(const struct naive *m, const uint32_t *item, uint32_t n, uint32_t p,
                         int by)
{
    double run = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t at = by > 0 ? k : n - 1 - k;
        if (at == p)
            break;
        run *= (double)m->c->step_decay;
        run = (run >= m->least ? run : 0) + m->weight[item[at]];
    }
    return run;
}

static void naive_session(const struct naive *m, uint32_t s, double sim, double *said)
{
    const uint32_t *item = m->x->item + m->x->start[s];
    uint32_t n = m->x->start[s + 1] - m->x->start[s], matched = 0;
    double age = (double)(OD_KNN_FADES - 1 - (uint64_t)s * OD_KNN_FADES / m->x->sessions);
    double amp = power(n, m->c->length_power) * exp2(-(double)m->c->fade * age / OD_KNN_FADES) *
                 pow(sim, m->c->closeness);
    for (uint32_t p = 0; p < n; p++)
        matched += m->weight[item[p]] > 0;
    for (uint32_t p = 0; p < n && matched < n; p++)
        said[item[p]] +=
            amp * power(m->x->count[item[p]], m->c->target_power) *
            (naive_near(m, item, n, p, 1) + (double)m->c->back * naive_near(m, item, n, p, -1));
}

static void naive_score(const struct od_knn_index *x, const struct od_knn_config *c,
                        const struct od_query *q, double *score)
{
    struct naive m = {.x = x, .c = c};
    uint32_t order[64], distinct = 0, d = 0;
    for (size_t e = q->event_count; e-- > 0 && pow(c->query_decay, d) >= .02; d++) {
        uint32_t i = q->events[e].item;
        if (i >= x->items || m.weight[i] > 0)
            continue;
        m.weight[i] = pow(c->query_decay, d) * power(x->count[i], c->source_power);
        m.least = fmax(m.least, .02 * m.weight[i]);
        order[distinct++] = i;
    }
    double sims[512], said = 0, all = 0;
    assert_true(x->sessions <= 512 && x->items <= 64);
    for (uint32_t s = 0; s < x->sessions; s++)
        sims[s] = naive_sim(&m, s);
    memset(score, 0, x->items * sizeof *score);
    for (uint32_t s = 0; s < x->sessions; s++) {
        uint32_t before = 0;
        for (uint32_t o = 0; o < x->sessions; o++)
            before += sims[o] > sims[s] + 1e-6 || (fabs(sims[o] - sims[s]) <= 1e-6 && o > s);
        if (sims[s] > 0 && (!c->neighbours || before < c->neighbours))
            naive_session(&m, s, sims[s], score);
    }
    for (uint32_t i = 0; i < x->items; i++)
        said += score[i];
    for (uint32_t r = 0; r < distinct; r++)
        score[order[r]] += (said > 0 ? said : 1) * (double)c->repeat * (double)x->returns[r] *
                           power(x->count[order[r]], c->target_power);
    for (uint32_t i = 0; i < x->items; i++)
        all += score[i];
    for (uint32_t i = 0; i < x->items && all > 0; i++)
        score[i] /= all;
}

static void check_query(const struct od_knn_scorer *scorer, const struct od_query *query)
{
    float got[64];
    double want[64];
    bool any;
    struct od_arena arena;
    od_arena_init(&arena, 1 << 24);
    assert_int_equal(od_knn_score(scorer, query, &arena, got, &any), OD_OK);
    naive_score(scorer->index, &scorer->config, query, want);
    bool expected = false;
    for (uint32_t i = 0; i < scorer->index->items; i++) {
        expected |= want[i] > 0;
        if (fabs((double)got[i] - want[i]) > 2e-5)
            fail_msg("item %u: %g, naively %g", i, (double)got[i], want[i]);
    }
    assert_int_equal(any, expected);
    od_arena_done(&arena);
}

static void scores_equal_the_formula(void **state)
{
    (void)state;
    struct od_training *t = toy_random(150, 40, 9, 3);
    struct od_knn_index x = index_of(t, false, 20);
    const struct od_knn_config base = od_knn_config_default();
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned round = 0; round < 60; round++) {
        struct od_knn_config c = base;
        c.sample = 1 + (uint32_t)od_random_below(&rng, 20);
        c.neighbours = (uint32_t)od_random_below(&rng, 30);
        c.closeness = (uint32_t)od_random_below(&rng, 3);
        c.query_decay = .3f + .7f * (float)od_random_double(&rng);
        c.step_decay = (float)od_random_double(&rng);
        c.back = round % 3 ? (float)od_random_double(&rng) : 0;
        c.source_power = (float)od_random_double(&rng);
        c.target_power = (float)od_random_double(&rng);
        c.length_power = (float)od_random_double(&rng);
        c.fade = (float)(3 * od_random_double(&rng));
        struct od_knn_scorer scorer;
        assert_int_equal(od_knn_scorer_init(&scorer, &x, &c), OD_OK);
        struct od_past_event event[12];
        uint32_t n = (uint32_t)od_random_below(&rng, 12);
        for (uint32_t e = 0; e < n; e++)
            event[e] = (struct od_past_event){.item = (uint32_t)od_random_below(&rng, 44)};
        struct od_query query = {.events = event, .event_count = n};
        check_query(&scorer, &query);
        od_knn_scorer_done(&scorer);
    }
    od_knn_index_done(&x);
    od_training_free(t);
}

/* --- the index --- */

static void the_newest_sessions_of_an_item_are_kept(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 6; u++) { /* user 5 is the oldest */
        toy_add(b, u, 0, 1000 - 100 * (int64_t)u);
        toy_add(b, u, 1 + u, 1001 - 100 * (int64_t)u);
    }
    toy_add(b, 9, 0, 5000); /* alone: no session */
    struct od_training *t = toy_finish(b);
    struct od_knn_index x = index_of(t, false, 2);
    assert_int_equal(x.sessions, 6); /* each has an item of its own */
    assert_int_equal(x.post_at[1] - x.post_at[0], 2);
    const uint32_t newest[] = {5, 4};
    assert_memory_equal(x.post, newest, sizeof newest);
    assert_int_equal(x.item[x.start[5] + 1], 1); /* the newest session is user 0's */
    assert_int_equal(x.count[0], 6);
    od_knn_index_done(&x);
    od_training_free(t);
}

static void sessions_that_no_item_keeps_are_dropped(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 50; u++) {
        toy_add(b, u, 0, 10 * (int64_t)u);
        toy_add(b, u, 1, 10 * (int64_t)u + 1);
    }
    struct od_training *t = toy_finish(b);
    struct od_knn_index x = index_of(t, false, 3);
    assert_int_equal(x.sessions, 3);
    assert_int_equal(x.events, 6);
    assert_int_equal(x.count[0], 50);
    od_knn_index_done(&x);
    od_training_free(t);
}

static void histories_are_cut_at_pauses_and_when_long(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned k = 0; k < 6; k++)
        toy_add(b, 0, k, (int64_t)k * 60 + (k >= 3 ? 1801 : 0));
    for (unsigned k = 0; k < 2 * OD_KNN_LONGEST + 5; k++)
        toy_add(b, 1, k % 7, (int64_t)k);
    struct od_training *t = toy_finish(b);
    struct od_knn_index cut = index_of(t, true, 100), whole = index_of(t, false, 100);
    assert_int_equal(cut.sessions, 5);
    assert_int_equal(whole.sessions, 4);
    for (uint32_t s = 0; s < whole.sessions; s++)
        assert_true(whole.start[s + 1] - whole.start[s] <= OD_KNN_LONGEST);
    uint64_t *end = ends_of(t);
    assert_true(od_knn_has_sessions(t, end));
    free(end);
    od_knn_index_done(&cut);
    od_knn_index_done(&whole);
    od_training_free(t);
}

static void days_without_hours_are_no_sessions(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 5; u++)
        for (unsigned k = 0; k < 5; k++)
            toy_add(b, u, k, 86400 * (int64_t)k);
    struct od_training *t = toy_finish(b);
    uint64_t *end = ends_of(t);
    assert_false(od_knn_has_sessions(t, end));
    free(end);
    od_training_free(t);
}

static void memory_bounds_the_index(void **state)
{
    (void)state;
    struct od_training *t = toy_random(3000, 20, 20, 8);
    uint64_t *end = ends_of(t);
    struct od_knn_index all, few;
    assert_int_equal(od_knn_index_init(&all, t, end, false, 2500, 0, NULL), OD_OK);
    assert_int_equal(od_knn_index_init(&few, t, end, false, 2500, 100000, NULL), OD_OK);
    assert_true(all.posts > 2 * few.posts && few.posts > 0);
    assert_true(4 * ((uint64_t)few.events + few.posts + few.sessions) < 100000);
    od_knn_index_done(&all);
    od_knn_index_done(&few);
    free(end);
    od_training_free(t);
}

static void returns_are_counted_by_place(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    const unsigned item[] = {0, 1, 0, 0, 1}; /* returns: second newest, newest, second newest */
    for (unsigned k = 0; k < 5; k++)
        toy_add(b, 0, item[k], k);
    struct od_training *t = toy_finish(b);
    struct od_knn_index x = index_of(t, false, 10);
    assert_true(fabsf(x.returns[0] - 1.f / (4 + 10)) < 1e-6f);
    assert_true(fabsf(x.returns[1] - 2.f / (3 + 10)) < 1e-6f);
    assert_true(x.returns[2] == 0);
    od_knn_index_done(&x);
    od_training_free(t);
}

/* --- the part --- */

static enum od_status put(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

struct bytes {
    char *ptr;
    size_t len;
};

static struct bytes fit(const struct od_part_task *task, struct od_buf *lesson)
{
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    struct od_buf out;
    od_buf_init(&out, 1 << 26);
    struct od_error err = {0};
    if (od_part_knn.fit(task, writer, lesson, &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_int_equal(od_image_finish(writer, put, &out), OD_OK);
    od_image_writer_free(writer);
    struct bytes b = {aligned_alloc(64, (out.len + 63) & ~(size_t)63), out.len};
    assert_non_null(b.ptr);
    memcpy(b.ptr, out.ptr, out.len);
    od_buf_done(&out);
    return b;
}

/* Users walk through the items in a ring, some steps back and forth. */
static struct od_training *ring(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 11);
    for (unsigned u = 0; u < 400; u++) {
        unsigned at = (unsigned)od_random_below(&rng, 50);
        for (unsigned k = 0; k < 6; k++) {
            toy_add(b, u, at, (int64_t)(100 * u + k));
            at = (at + 1 + (unsigned)od_random_below(&rng, 2)) % 50;
        }
    }
    return toy_finish(b);
}

struct world {
    struct od_training *training;
    uint64_t *end;
    struct od_judge *judges;
    struct od_train_input input;
    struct od_part_task task;
};

static struct world world_of(struct od_training *t, unsigned threads)
{
    struct world w = {.training = t, .end = ends_of(t)};
    w.judges = malloc(t->user_count * sizeof *w.judges);
    assert_non_null(w.judges);
    for (uint32_t u = 0; u < t->user_count; u++)
        w.judges[u] = (struct od_judge){t->user_start[u], --w.end[u]};
    w.input = (struct od_train_input){.training = t, .seed = 1, .threads = threads};
    return w;
}

static struct od_part_task task_of(struct world *w)
{
    return (struct od_part_task){.input = &w->input,
                                 .end = w->end,
                                 .judges = w->judges,
                                 .judge_count = w->training->user_count};
}

static void world_done(struct world *w)
{
    od_training_free(w->training);
    free(w->end);
    free(w->judges);
}

static void the_part_chooses_and_tells_what_it_chose(void **state)
{
    (void)state;
    struct world w = world_of(ring(), 2);
    struct od_part_task task = task_of(&w);
    struct od_buf first, second;
    od_buf_init(&first, 4096);
    od_buf_init(&second, 4096);
    struct bytes judged = fit(&task, &first);
    task.lesson = od_buf_view(&first);
    task.judge_count = 0;
    struct bytes taught = fit(&task, &second);
    assert_true(od_str_eq(od_buf_view(&first), od_buf_view(&second)));
    assert_int_equal(judged.len, taught.len);
    assert_memory_equal(judged.ptr, taught.ptr, judged.len);
    struct od_knn_config chosen, usual = od_knn_config_default();
    assert_int_equal(od_knn_config_parse(od_buf_view(&first), &chosen, NULL), OD_OK);
    /* the ring runs one way: what lies before a match is worth nothing */
    assert_true(chosen.back < usual.back);
    free(judged.ptr);
    free(taught.ptr);
    od_buf_done(&first);
    od_buf_done(&second);
    world_done(&w);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    struct bytes b[2];
    for (unsigned i = 0; i < 2; i++) {
        struct world w = world_of(ring(), i + 1);
        struct od_part_task task = task_of(&w);
        struct od_buf lesson;
        od_buf_init(&lesson, 4096);
        b[i] = fit(&task, &lesson);
        od_buf_done(&lesson);
        world_done(&w);
    }
    assert_int_equal(b[0].len, b[1].len);
    assert_memory_equal(b[0].ptr, b[1].ptr, b[0].len);
    free(b[0].ptr);
    free(b[1].ptr);
}

static void *open_bytes(const struct bytes *b, uint32_t items)
{
    struct od_image image;
    void *part = NULL;
    assert_int_equal(od_image_open((struct od_str){b->ptr, b->len}, true, &image, NULL), OD_OK);
    assert_true(od_part_knn.present(&image));
    assert_int_equal(od_part_knn.open(&image, items, &part, NULL), OD_OK);
    return part;
}

static void an_opened_part_answers_from_a_history(void **state)
{
    (void)state;
    struct world w = world_of(ring(), 2);
    struct od_part_task task = task_of(&w);
    task.judge_count = 0;
    struct od_buf lesson;
    od_buf_init(&lesson, 4096);
    struct bytes b = fit(&task, &lesson);
    void *part = open_bytes(&b, 50);
    struct od_past_event event[] = {{.item = 10}, {.item = 11}};
    struct od_query query = {.events = event, .event_count = 2};
    float scores[50];
    bool personal = false;
    struct od_arena arena;
    od_arena_init(&arena, 1 << 22);
    assert_int_equal(od_part_knn.score(part, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_true(personal);
    float most = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < 50; i++)
        if (scores[i] > most) {
            most = scores[i];
            best = i;
        }
    assert_true(best == 12 || best == 13); /* what follows 11 on the ring */
    assert_true(scores[30] == 0);
    query.event_count = 0;
    assert_int_equal(od_part_knn.score(part, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_false(personal);
    event[0].item = event[1].item = OD_NO_CODE;
    query.event_count = 2;
    assert_int_equal(od_part_knn.score(part, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_false(personal);
    od_arena_done(&arena);
    od_part_knn.close(part);
    free(b.ptr);
    od_buf_done(&lesson);
    world_done(&w);
}

/* --- images made to mislead --- */

/* Sections of a good index with one number changed. */
static enum od_status open_with(const char *section, size_t at, uint32_t value)
{
    struct od_training *t = toy_random(30, 10, 4, 2);
    struct od_knn_index x = index_of(t, false, 5);
    struct od_knn_config config = od_knn_config_default();
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    assert_int_equal(od_knn_write(&x, &config, writer), OD_OK);
    struct od_buf out;
    od_buf_init(&out, 1 << 20);
    assert_int_equal(od_image_finish(writer, put, &out), OD_OK);
    char *bytes = aligned_alloc(64, (out.len + 63) & ~(size_t)63);
    assert_non_null(bytes);
    memcpy(bytes, out.ptr, out.len);
    struct od_image image;
    struct od_str s;
    assert_int_equal(od_image_open((struct od_str){bytes, out.len}, true, &image, NULL), OD_OK);
    if (section) {
        assert_true(od_image_section(&image, section, &s));
        assert_true(at * 4 + 4 <= s.len);
        memcpy(bytes + (s.ptr - bytes) + at * 4, &value, 4);
    }
    struct od_knn_index read;
    enum od_status st = od_knn_read(&image, x.items, &read, &config, NULL);
    free(bytes);
    od_buf_done(&out);
    od_image_writer_free(writer);
    od_knn_index_done(&x);
    od_training_free(t);
    return st;
}

static void a_misleading_image_is_refused(void **state)
{
    (void)state;
    assert_int_equal(open_with(NULL, 0, 0), OD_OK);
    const float nan = NAN, minus = -1;
    uint32_t nan_bits, minus_bits;
    memcpy(&nan_bits, &nan, 4);
    memcpy(&minus_bits, &minus, 4);
    const struct {
        const char *section;
        size_t at;
        uint32_t value;
    } lie[] = {
        {"knn", 0, 99},          {"knn", 1, 11},
        {"knn", 2, 7},           {"knn", 5, 1u << 20},
        {"knn", 5, 0},           {"knn", 7, 3},
        {"knn", 8, nan_bits},    {"knn", 8, 0},
        {"knn", 10, minus_bits}, {"knn.start", 0, 1},
        {"knn.start", 1, 9999},  {"knn.start", 2, 0},
        {"knn.item", 3, 10},     {"knn.post_at", 1, ~0u},
        {"knn.post", 0, 30},     {"knn.returns", 0, nan_bits},
    };
    for (size_t i = 0; i < sizeof lie / sizeof *lie; i++)
        if (open_with(lie[i].section, lie[i].at, lie[i].value) != OD_CORRUPT)
            fail_msg("%s[%zu] = %u was believed", lie[i].section, lie[i].at, lie[i].value);
}

static void a_configuration_survives_its_text(void **state)
{
    (void)state;
    struct od_knn_config config = od_knn_config_default(), back;
    config.query_decay = .65f;
    struct od_buf text;
    od_buf_init(&text, 4096);
    od_knn_config_print(&config, &text);
    assert_int_equal(od_knn_config_parse(od_buf_view(&text), &back, NULL), OD_OK);
    assert_memory_equal(&config, &back, sizeof config);
    od_buf_done(&text);
    struct od_error err = {0};
    assert_int_equal(od_knn_config_parse(OD_STR("1 2 3"), &back, &err), OD_CORRUPT);
    assert_non_null(strstr(err.message, "1 2 3"));
    assert_int_equal(od_knn_config_parse(OD_STR(""), &back, NULL), OD_CORRUPT);
    assert_int_equal(
        od_knn_config_parse(OD_STR("0 0 10 10 1 0.7 0.8 0.5 0.25 0.1 0.3 1 1.5 9"), &back, NULL),
        OD_CORRUPT);
    assert_int_equal(
        od_knn_config_parse(OD_STR("0 0 10 10 1 1.7 0.8 0.5 0.25 0.1 0.3 1 1.5"), &back, NULL),
        OD_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_the_formula),
        cmocka_unit_test(the_newest_sessions_of_an_item_are_kept),
        cmocka_unit_test(sessions_that_no_item_keeps_are_dropped),
        cmocka_unit_test(histories_are_cut_at_pauses_and_when_long),
        cmocka_unit_test(days_without_hours_are_no_sessions),
        cmocka_unit_test(memory_bounds_the_index),
        cmocka_unit_test(returns_are_counted_by_place),
        cmocka_unit_test(the_part_chooses_and_tells_what_it_chose),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(an_opened_part_answers_from_a_history),
        cmocka_unit_test(a_misleading_image_is_refused),
        cmocka_unit_test(a_configuration_survives_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
