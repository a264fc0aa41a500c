/* Records of items as a part: features, the map against its definition, what is learnt and chosen,
 * images made to mislead. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipes/content.h"
#include "recipes/registry.h"
#include "fitted.h"
#include "shelf.h"
#include "toy_part.h"

enum { ITEMS = 24, KINDS = 4, MOST = 16, PAUSE_S = 50 };

/* Item i is of kind i % KINDS and of place i / 8, at the coast when odd; the last has no record. */
static void fill(struct shelf *shelf, unsigned items)
{
    shelf_init(shelf, ",{\"name\":\"KIND\",\"type\":\"string\",\"categorical\":true},"
                      "{\"name\":\"PLACE\",\"type\":\"string\",\"categorical\":true}");
    for (unsigned i = 0; i + 1 < items; i++) {
        char id[16], kind[16], place[24];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(kind, sizeof kind, "kind %u|all", i % KINDS);
        snprintf(place, sizeof place, "place %u%s", i / 8, i % 2 ? "|coast" : "");
        shelf_put(shelf, id, (const char *[]){kind, place});
    }
}

struct toy_content {
    struct od_training *training;
    struct shelf shelf;
    struct od_content_rows rows;
};

/* Popular items more likely, a pause after every third event. */
static struct od_training *events(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned u = 0; u < 300; u++) {
        unsigned n = 2 + (unsigned)od_random_below(&rng, 9);
        for (unsigned k = 0; k < n; k++) {
            double x = od_random_double(&rng);
            toy_add(b, u, (unsigned)(x * x * ITEMS), 10000 * u + k + k / 3 * PAUSE_S);
        }
    }
    return toy_finish(b);
}

static void content_init(struct toy_content *c)
{
    *c = (struct toy_content){.training = events()};
    assert_int_equal(c->training->item_count, ITEMS);
    fill(&c->shelf, ITEMS);
    c->training->item_table = c->shelf.table;
    assert_int_equal(od_content_rows_init(&c->rows, c->training, OD_CONTENT_COLUMNS, 0, 2, NULL),
                     OD_OK);
}

static void content_done(struct toy_content *c)
{
    od_content_rows_done(&c->rows);
    shelf_done(&c->shelf);
    od_training_free(c->training);
}

static bool has_value(const struct od_content_rows *rows, uint32_t item, double value)
{
    bool any = false;
    for (uint64_t k = rows->at[item]; k < rows->at[item + 1]; k++)
        any |= fabs((double)rows->value[k] - value) < 1e-6;
    return any;
}

/* What every item has is no feature; rarer values of a field weigh more, fields alike; rows are of
 * length 1. */
static void rows_are_features_by_their_rarity(void **state)
{
    (void)state;
    struct toy_content c;
    content_init(&c);
    assert_int_equal(c.rows.columns, KINDS + 4);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint64_t at = c.rows.at[i], n = c.rows.at[i + 1] - at;
        if (i + 1 == ITEMS) {
            assert_int_equal(n, 0);
            continue;
        }
        /* a kind; a place, and of odd items the coast, which eleven of 23 have and seven or eight
         * the place */
        double place = i % 2 ? log(23. / (i / 8 == 2 ? 7 : 8)) : 1,
               coast = i % 2 ? log(23. / 11) : 0,
               length = sqrt(2 * (place * place + coast * coast));
        assert_int_equal(n, 2 + i % 2);
        assert_true(has_value(&c.rows, i, sqrt(.5)));
        assert_true(has_value(&c.rows, i, place / length));
        assert_true(i % 2 == 0 || has_value(&c.rows, i, coast / length));
        double square = 0;
        for (uint64_t k = at; k < at + n; k++)
            square += (double)c.rows.value[k] * (double)c.rows.value[k];
        assert_true(fabs(square - 1) < 1e-6);
    }
    content_done(&c);
}

/* --- the map --- */

struct dense {
    size_t n;
    double x[ITEMS][MOST], past[MOST][MOST], step[MOST][MOST], spread[MOST][MOST];
};

static void history(const struct dense *d, const uint32_t *item, size_t count,
                    const struct od_content_steps *steps, double *h)
{
    double weight = 1, square = 0;
    memset(h, 0, MOST * sizeof *h);
    for (size_t e = count; e-- > 0 && weight >= (double)OD_CONTENT_FAINT;
         weight *= (double)steps->decay)
        for (size_t c = 0; c < d->n; c++)
            h[c] += weight * d->x[item[e]][c];
    for (size_t c = 0; c < d->n; c++)
        square += h[c] * h[c];
    for (size_t c = 0; c < d->n && steps->unit && square > 0; c++)
        h[c] /= sqrt(square);
}

static void dense_init(struct dense *d, const struct toy_content *toy,
                       const struct od_content_steps *steps, double power)
{
    const struct od_training *t = toy->training;
    double share[ITEMS] = {0}, sum = 0, h[MOST];
    *d = (struct dense){.n = toy->rows.columns};
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint64_t k = toy->rows.at[i]; k < toy->rows.at[i + 1]; k++)
            d->x[i][toy->rows.column[k]] = (double)toy->rows.value[k];
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            share[t->item[e]]++;
            if (e == t->user_start[u] || t->time[e] - t->time[e - 1] < steps->least_pause_s)
                continue;
            history(d, t->item + t->user_start[u], e - t->user_start[u], steps, h);
            for (size_t a = 0; a < d->n; a++)
                for (size_t b = 0; b < d->n; b++) {
                    d->past[a][b] += h[a] * h[b];
                    d->step[a][b] += h[a] * d->x[t->item[e]][b];
                }
        }
    for (uint32_t i = 0; i < ITEMS; i++)
        sum += pow(share[i] + 1, power);
    for (uint32_t i = 0; i < ITEMS; i++)
        for (size_t a = 0; a < d->n; a++)
            for (size_t b = 0; b < d->n; b++)
                d->spread[a][b] += pow(share[i] + 1, power) * ITEMS / sum * d->x[i][a] * d->x[i][b];
}

/* b := (a + ridge I)^-1 b by Gauss and Jordan. */
static void solve(size_t n, double (*from)[MOST], double ridge, double (*b)[MOST])
{
    double a[MOST][MOST];
    memcpy(a, from, sizeof a);
    for (size_t i = 0; i < n; i++)
        a[i][i] += ridge;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < n; r++) {
            double by = a[r][i] / a[i][i];
            for (size_t c = 0; c < n && r != i; c++) {
                a[r][c] -= by * a[i][c];
                b[r][c] -= by * b[i][c];
            }
        }
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < n; c++)
            b[i][c] /= a[i][i];
}

static void turn(size_t n, double (*m)[MOST])
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < r; c++) {
            double x = m[r][c];
            m[r][c] = m[c][r];
            m[c][r] = x;
        }
}

/* s := S of content.h */
static void map_of(struct dense *d, double past, double next, double (*s)[MOST])
{
    double goes = 0, would = 0;
    memcpy(s, d->step, sizeof d->step);
    for (size_t a = 0; a < d->n; a++) {
        goes += d->step[a][a];
        for (size_t b = 0; b < d->n; b++)
            would += d->past[a][b] * d->spread[b][a];
    }
    for (size_t a = 0; a < d->n; a++)
        for (size_t b = 0; b < d->n; b++)
            for (size_t c = 0; c < d->n; c++)
                s[a][b] -= goes / would * d->past[a][c] * d->spread[c][b];
    solve(d->n, d->past, past, s);
    turn(d->n, s);
    solve(d->n, d->spread, next, s);
    turn(d->n, s);
    for (size_t a = 0; a < d->n; a++)
        s[a][a] += goes / would;
}

static const struct od_content_steps usual = {.decay = .5f, .work = OD_CONTENT_WORK};

static float *fit_map(const struct toy_content *toy, float past, float next,
                      const struct od_content_steps *steps, float power, unsigned threads)
{
    const struct od_training *t = toy->training;
    const struct od_work work = {.threads = threads};
    struct od_content_sums sums;
    struct od_matrix spread;
    float same, *map = malloc(MOST * MOST * sizeof *map);
    assert_int_equal(od_content_sums_init(&sums, &toy->rows, t, t->user_start + 1, steps, threads),
                     OD_OK);
    assert_int_equal(od_content_spread(&toy->rows, t, t->user_start + 1, power, &spread), OD_OK);
    assert_int_equal(od_content_regress(&sums, &spread, past, &work, &same, NULL), OD_OK);
    assert_int_equal(od_content_map(same, &sums.step, &spread, next, &work, map, NULL), OD_OK);
    od_content_sums_done(&sums);
    od_matrix_free(&spread);
    return map;
}

static void scores_are_those_of_the_definition(void **state)
{
    (void)state;
    static const struct od_content_steps steps[] = {{.5f, false, 0, OD_CONTENT_WORK},
                                                    {0, false, 0, OD_CONTENT_WORK},
                                                    {.9f, false, 0, OD_CONTENT_WORK},
                                                    {.9f, true, 0, OD_CONTENT_WORK},
                                                    {.97f, true, PAUSE_S, OD_CONTENT_WORK}};
    static const float past[] = {10, 1, 100, 1, 3}, next[] = {30, 3, 1, 10, 10},
                       power[] = {.5f, .5f, .5f, 1, 1};
    static const uint32_t item[] = {3, ITEMS - 1, 7, 3, 20};
    const struct od_past_event event[] = {
        {.item = 3}, {.item = ITEMS - 1}, {.item = 7}, {.item = 3}, {.item = 20}};
    const struct od_query query = {.events = event, .event_count = 5};
    struct toy_content toy;
    content_init(&toy);
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        struct dense d;
        struct od_arena arena;
        double s[MOST][MOST], h[MOST], most = 0;
        float scores[ITEMS];
        bool any;
        float *map = fit_map(&toy, past[k], next[k], &steps[k], power[k], 2);
        struct od_content_model model = od_content_model_of(&toy.rows, map, steps[k].decay);
        model.unit = steps[k].unit;
        dense_init(&d, &toy, &steps[k], (double)power[k]);
        map_of(&d, (double)past[k], (double)next[k], s);
        history(&d, item, 5, &steps[k], h);
        od_arena_init(&arena, SIZE_MAX);
        assert_int_equal(od_content_score(&model, &query, &arena, scores, &any), OD_OK);
        assert_true(any);
        for (uint32_t j = 0; j < ITEMS; j++)
            most = fmax(most, fabs((double)scores[j]));
        assert_true(most > 0);
        for (uint32_t j = 0; j < ITEMS; j++) {
            double want = 0;
            for (size_t a = 0; a < d.n; a++)
                for (size_t b = 0; b < d.n; b++)
                    want += h[a] * s[a][b] * d.x[j][b];
            assert_true(fabs((double)scores[j] - want) <= 1e-4 * most);
        }
        od_arena_done(&arena);
        free(map);
    }
    content_done(&toy);
}

static void a_history_without_features_says_nothing(void **state)
{
    (void)state;
    const struct od_past_event event[] = {{.item = OD_NO_CODE}, {.item = ITEMS - 1}};
    struct od_query query = {.events = event, .event_count = 2};
    struct toy_content toy;
    struct od_arena arena;
    float scores[ITEMS];
    bool any = true;
    content_init(&toy);
    float *map = fit_map(&toy, 10, 30, &usual, .5f, 1);
    struct od_content_model model = od_content_model_of(&toy.rows, map, usual.decay);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_content_score(&model, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    any = true;
    query.event_count = 0;
    assert_int_equal(od_content_score(&model, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    od_arena_done(&arena);
    free(map);
    content_done(&toy);
}

/* Where there are too many events an even part of them is summed. */
static void work_is_bounded(void **state)
{
    (void)state;
    struct toy_content toy;
    struct od_content_sums all, some;
    content_init(&toy);
    const struct od_training *t = toy.training;
    const struct od_content_steps little = {.decay = .5f, .work = 3000};
    assert_int_equal(od_content_sums_init(&all, &toy.rows, t, t->user_start + 1, &usual, 1), OD_OK);
    assert_int_equal(od_content_sums_init(&some, &toy.rows, t, t->user_start + 1, &little, 1),
                     OD_OK);
    double of_all = 0, of_some = 0;
    for (size_t c = 0; c < toy.rows.columns; c++) {
        of_all += (double)all.past.at[c * all.past.ld + c];
        of_some += (double)some.past.at[c * some.past.ld + c];
    }
    assert_true(of_some > 0 && of_some < .5 * of_all);
    od_content_sums_done(&all);
    od_content_sums_done(&some);
    content_done(&toy);
}

static double trace(const struct od_matrix *m)
{
    double sum = 0;
    for (size_t c = 0; c < m->columns; c++)
        sum += (double)m->at[c * m->ld + c];
    return sum;
}

/* Of long histories pieces are taken, which begin with what was heard before them and end with what
 * is left: as much of H'H as of the steps. */
static void pieces_of_long_histories_are_whole(void **state)
{
    (void)state;
    struct toy_content toy;
    struct od_content_sums all, some;
    struct od_random rng;
    struct od_training_builder *b = od_training_builder_new(NULL);
    const struct od_content_steps every = {.decay = .97f, .work = 1e12},
                                  third = {.decay = .97f, .work = 7e5};
    content_init(&toy);
    od_random_init(&rng, 9);
    for (unsigned u = 0; u < 20; u++)
        for (unsigned k = 0; k < 5000; k++)
            toy_add(b, u, (unsigned)od_random_below(&rng, ITEMS), k);
    struct od_training *t = toy_finish(b);
    assert_int_equal(od_content_sums_init(&all, &toy.rows, t, t->user_start + 1, &every, 2), OD_OK);
    assert_int_equal(od_content_sums_init(&some, &toy.rows, t, t->user_start + 1, &third, 2),
                     OD_OK);
    double of_past = trace(&some.past) / trace(&all.past);
    double of_step = trace(&some.step) / trace(&all.step);
    assert_true(of_step > .15 && of_step < .6);
    assert_true(fabs(of_past / of_step - 1) < .01);
    od_content_sums_done(&all);
    od_content_sums_done(&some);
    od_training_free(t);
    content_done(&toy);
}

/* Millions of items whose features depend on each other, as one-hot columns do: rounding of the
 * sums must stay below the ridge. */
static void millions_of_items_are_summed_exactly_enough(void **state)
{
    (void)state;
    enum { MANY = 2000000, FIELDS = 3, VALUES = 16, COLUMNS = FIELDS * VALUES };
    static const float weight[FIELDS] = {.8f, .48f, .36f};
    static const uint64_t no_user = 0;
    const struct od_training t = {.item_count = MANY,
                                  .user_start = (uint64_t *)(uintptr_t)&no_user};
    const struct od_work work = {.threads = 2};
    struct od_content_rows rows = {MANY, COLUMNS, malloc((MANY + 1) * sizeof *rows.at),
                                   malloc(MANY * FIELDS * sizeof *rows.column),
                                   malloc(MANY * FIELDS * sizeof *rows.value)};
    struct od_matrix spread, regressed = od_matrix_new(COLUMNS, COLUMNS);
    struct od_random rng;
    float map[COLUMNS * COLUMNS];
    od_random_init(&rng, 3);
    for (uint64_t k = 0; k < MANY * FIELDS; k++) {
        rows.at[k / FIELDS] = k / FIELDS * FIELDS;
        rows.column[k] = (uint16_t)(k % FIELDS * VALUES + od_random_below(&rng, VALUES));
        rows.value[k] = weight[k % FIELDS];
    }
    rows.at[MANY] = MANY * FIELDS;
    assert_int_equal(od_content_spread(&rows, &t, &no_user, .5f, &spread), OD_OK);
    double all = 0; /* of x' D x for x a field's columns: the square of its weight for each item */
    for (size_t a = 0; a < VALUES; a++)
        for (size_t b = 0; b < VALUES; b++)
            all += (double)spread.at[a * spread.ld + b];
    assert_true(fabs(all - .64 * MANY) < 1);
    assert_int_equal(od_content_map(1, &regressed, &spread, 1, &work, map, NULL), OD_OK);
    od_matrix_free(&spread);
    od_matrix_free(&regressed);
    od_content_rows_done(&rows);
}

/* --- the part --- */

/* Users look at items of one kind, whichever; every item is rare. */
static struct od_training *loyal(unsigned users, unsigned items)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 8);
    for (unsigned u = 0; u < users; u++)
        for (unsigned k = 0; k < 6; k++)
            toy_add(b, u, u % KINDS + KINDS * (unsigned)od_random_below(&rng, items / KINDS), k);
    return toy_finish(b);
}

static void the_part_is_the_same_for_threads_and_lessons(void **state)
{
    (void)state;
    struct od_training *t = loyal(400, 200);
    struct shelf shelf;
    fill(&shelf, 200);
    t->item_table = shelf.table;
    free(toy_fit_steadily(&od_part_content, t).ptr);
    od_training_free(t);
    shelf_done(&shelf);
}

/* Features of the part's map where it may take so much memory. */
static uint32_t columns_in(struct od_training *t, uint64_t memory_bytes)
{
    struct od_train_input input = {.training = t, .threads = 1, .memory_bytes = memory_bytes};
    struct od_part_task task = {.input = &input, .end = t->user_start + 1};
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    struct od_buf lesson;
    struct od_image image;
    struct od_str map;
    od_buf_init(&lesson, 4096);
    assert_int_equal(od_part_content.fit(&task, writer, &lesson, NULL), OD_OK);
    struct toy_bytes bytes = toy_image(writer);
    assert_int_equal(od_image_open((struct od_str){bytes.ptr, bytes.len}, true, &image, NULL),
                     OD_OK);
    assert_true(od_image_section(&image, "content.map", &map));
    od_buf_done(&lesson);
    free(bytes.ptr);
    return (uint32_t)sqrt((double)map.len / sizeof(float));
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct toy_content toy;
    content_init(&toy);
    uint32_t all = columns_in(toy.training, 0);
    assert_true(all > 6);
    assert_int_equal(columns_in(toy.training, 1 << 30), all);
    assert_int_equal(columns_in(toy.training, 4 * 96 * 6 * 6), 6);
    content_done(&toy);
}

/* A card trains without one field after the other, and may come to a table without any. */
static void records_that_tell_nothing_know_nobody(void **state)
{
    (void)state;
    struct od_training *t = loyal(400, 200);
    struct shelf shelf;
    struct od_image image;
    void *part = NULL;
    const struct od_past_event event = {.item = 3};
    const struct od_query query = {.events = &event, .event_count = 1};
    struct od_arena arena;
    float scores[200];
    bool personal = true;
    shelf_init(&shelf, ",{\"name\":\"BRAND\",\"type\":\"string\"}");
    shelf_put(&shelf, "i00003", (const char *[]){"b"});
    t->item_table = shelf.table;
    struct toy_bytes b = toy_fit_steadily(&od_part_content, t);
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_int_equal(od_part_content.open(&image, t->item_count, &part, NULL), OD_OK);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_part_content.score(part, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_false(personal);
    od_arena_done(&arena);
    od_part_content.close(part);
    free(b.ptr);
    od_training_free(t);
    shelf_done(&shelf);
}

static void a_foreign_lesson_is_refused(void **state)
{
    (void)state;
    static const char *const lesson[] = {"nonsense", "0.5",  "0.5 10 10",
                                         ".98 10",   "0 -1", "0.5 nan"};
    toy_refuses_lessons(&od_part_content, lesson, sizeof lesson / sizeof *lesson);
}

static unsigned kind_of(const struct od_training *t, uint32_t item)
{
    return (unsigned)strtoul(od_dict_text(t->items, item).ptr + 1, NULL, 10) % KINDS;
}

/* A recipe that is given records answers of the kind of the history; without them the part is not
 * even tried. */
static void what_is_rare_is_known_by_its_kind(void **state)
{
    (void)state;
    enum { MANY = 2400, FIRST = 300 };
    struct od_training *t = loyal(400, MANY);
    struct shelf shelf;
    struct od_str section;
    unsigned of_kind[2] = {0};
    fill(&shelf, MANY);
    for (int with = 0; with < 2; with++) {
        struct fitted f;
        t->item_table = with ? shelf.table : NULL;
        fitted_init(&f, "aws-user-personalization", t);
        if (fitted_run(&f, false) != OD_OK)
            fail_msg("%s", f.err.message);
        assert_int_equal(od_image_section(&f.model.image, "content", &section), with);
        struct od_past_event event[3];
        for (uint32_t i = 0, found = 0; found < 3; i++)
            if (kind_of(t, i) == 2)
                event[found++] = (struct od_past_event){.item = i};
        const struct od_query query = {.events = event, .event_count = 3};
        struct od_arena arena;
        float *scores = malloc(t->item_count * sizeof *scores);
        bool personal;
        od_arena_init(&arena, 1 << 20);
        assert_int_equal(
            f.model.recipe->score(f.model.model, &query, &arena, scores, &personal, NULL), OD_OK);
        uint32_t n = 0;
        for (; n < FIRST; n++) {
            uint32_t first = 0;
            for (uint32_t i = 1; i < t->item_count; i++)
                first = scores[i] > scores[first] ? i : first;
            scores[first] = -INFINITY;
            of_kind[with] += kind_of(t, first) == 2;
        }
        od_arena_done(&arena);
        free(scores);
        fitted_done(&f);
    }
    print_message("of the kind without records %u, with %u\n", of_kind[0], of_kind[1]);
    assert_true(of_kind[0] < FIRST / 2 && of_kind[1] > FIRST * 80 / 100);
    od_training_free(t);
    shelf_done(&shelf);
}

/* --- images made to mislead --- */

static enum od_status read_with(const char *section, size_t at, const void *bytes, size_t len)
{
    struct toy_content toy;
    content_init(&toy);
    float *map = fit_map(&toy, 10, 30, &usual, .5f, 1);
    struct od_content_model model = od_content_model_of(&toy.rows, map, usual.decay);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    assert_int_equal(od_content_write(&model, "content", writer), OD_OK);
    struct toy_bytes b = toy_image(writer);
    struct od_image image;
    struct od_str s;
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_image_section(&image, section, &s) && at + len <= s.len);
    memcpy(b.ptr + (s.ptr - b.ptr) + at, bytes, len);
    enum od_status st = od_content_read(&image, "content", ITEMS, &model, NULL);
    free(b.ptr);
    free(map);
    content_done(&toy);
    return st;
}

static void a_misleading_image_is_refused(void **state)
{
    (void)state;
    const float nan = NAN, one = 1;
    const uint32_t other = 7777;
    const uint64_t far = 1u << 20;
    const uint16_t column = KINDS + 4;
    assert_int_equal(read_with("content.map", 0, &one, sizeof one), OD_OK);
    assert_int_equal(read_with("content", 0, &other, sizeof other), OD_CORRUPT); /* version */
    assert_int_equal(read_with("content", 4, &other, sizeof other), OD_CORRUPT); /* items */
    assert_int_equal(read_with("content", 8, &other, sizeof other), OD_CORRUPT); /* columns */
    assert_int_equal(read_with("content", 12, &one, sizeof one), OD_CORRUPT);    /* decay */
    assert_int_equal(read_with("content", 12, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("content.at", 0, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("content.at", 8, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("content.at", 8 * ITEMS, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("content.column", 2, &column, sizeof column), OD_CORRUPT);
    assert_int_equal(read_with("content.value", 4, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("content.map", 8, &nan, sizeof nan), OD_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_features_by_their_rarity),
        cmocka_unit_test(scores_are_those_of_the_definition),
        cmocka_unit_test(a_history_without_features_says_nothing),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(pieces_of_long_histories_are_whole),
        cmocka_unit_test(millions_of_items_are_summed_exactly_enough),
        cmocka_unit_test(the_part_is_the_same_for_threads_and_lessons),
        cmocka_unit_test(records_that_tell_nothing_know_nobody),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_foreign_lesson_is_refused),
        cmocka_unit_test(what_is_rare_is_known_by_its_kind),
        cmocka_unit_test(a_misleading_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
