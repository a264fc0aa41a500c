/* What people come back for, by records: what is learnt and when it is, rates, images, and whole
 * models that answer with it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipes/blend.h"
#include "recipes/blend_model.h"
#include "recipes/registry.h"
#include "recipes/returning.h"
#include "fitted.h"
#include "shelf.h"
#include "toy.h"
#include "toy_part.h"

enum {
    DAY = 86400,
    PLACES = 8,
    KINDS = 4,
    EACH = 5, /* items of a kind at a place; the first are taken most */
    ITEMS = PLACES * KINDS * EACH,
    USERS = 2400
};

/* Item i is of kind i % KINDS, at place i / (KINDS * EACH). */
static void fill(struct shelf *shelf)
{
    shelf_init(shelf, ",{\"name\":\"KIND\",\"type\":\"string\",\"categorical\":true},"
                      "{\"name\":\"PLACE\",\"type\":\"string\",\"categorical\":true}");
    for (unsigned i = 0; i < ITEMS; i++) {
        char id[16], kind[16], place[16];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(kind, sizeof kind, "kind %u", i % KINDS);
        snprintf(place, sizeof place, "place %u", i / (KINDS * EACH));
        shelf_put(shelf, id, (const char *[]){kind, place});
    }
}

static unsigned place_of(uint32_t item)
{
    return item / (KINDS * EACH);
}

/* A visit is to one place, of two sessions a day apart. Half of the users come back after two
 * months and more; what they take is of their kind nine times in ten, at another place, where
 * `loyal`, or else anything anywhere. */
static struct od_training *world(bool loyal)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 11);
    for (unsigned u = 0; u < USERS; u++) {
        unsigned kind = (unsigned)od_random_below(&rng, KINDS);
        unsigned place = (unsigned)od_random_below(&rng, PLACES);
        int64_t time = (int64_t)od_random_below(&rng, 100 * DAY);
        for (unsigned visit = 0; visit < 1 + u / 2 % 2; visit++) {
            for (unsigned k = 0; k < 6; k++) {
                double x = od_random_double(&rng);
                bool own = loyal && od_random_below(&rng, 10) > 0;
                unsigned of = own ? kind : (unsigned)od_random_below(&rng, KINDS);
                toy_add(b, u, (place * EACH + (unsigned)(x * x * EACH)) * KINDS + of, time);
                time += k == 2 ? DAY : 60 + (int64_t)od_random_below(&rng, 300);
            }
            place += loyal ? 1 + (unsigned)od_random_below(&rng, PLACES - 1)
                           : (unsigned)od_random_below(&rng, PLACES);
            place %= PLACES;
            time += 60 * DAY + (int64_t)od_random_below(&rng, 30 * DAY);
        }
    }
    return toy_finish(b);
}

struct toy_returning {
    struct od_training *training;
    struct shelf shelf;
    struct od_returning fitted;
    float usual[ITEMS];
};

static void init(struct toy_returning *r, bool loyal)
{
    *r = (struct toy_returning){.training = world(loyal)};
    fill(&r->shelf);
    r->training->item_table = r->shelf.table;
    assert_int_equal(r->training->item_count, ITEMS);
    for (uint64_t e = 0; e < r->training->event_count; e++)
        r->usual[r->training->item[e]] += 1 / (float)r->training->event_count;
}

static void done(struct toy_returning *r)
{
    od_returning_done(&r->fitted);
    od_training_free(r->training);
    shelf_done(&r->shelf);
}

static struct od_returning_task task_of(const struct toy_returning *r, unsigned threads)
{
    return (struct od_returning_task){r->training, r->training->user_start + 1, 0, threads};
}

static struct od_content_model fit(struct toy_returning *r, unsigned threads)
{
    const struct od_returning_task task = task_of(r, threads);
    od_returning_done(&r->fitted);
    assert_int_equal(od_returning_fit(&r->fitted, &task, 30 * DAY, NULL), OD_OK);
    return od_returning_model(&r->fitted);
}

static int64_t choose(const struct toy_returning *r, float *out_gain)
{
    const struct od_returning_task task = task_of(r, 2);
    int64_t pause_s;
    assert_int_equal(od_returning_choose(&task, &pause_s, out_gain, NULL), OD_OK);
    return pause_s;
}

/* Three looks at items of kind 2 at place 3. */
static const struct od_past_event looks[] = {{.item = (3 * EACH) * KINDS + 2},
                                             {.item = (3 * EACH + 1) * KINDS + 2},
                                             {.item = (3 * EACH + 3) * KINDS + 2}};
static const struct od_query looked = {.events = looks, .event_count = 3, .now_s = 40 * DAY};

static bool rates_of(const struct od_content_model *model, const struct od_query *query,
                     const float *usual, float *rates)
{
    struct od_arena arena;
    bool any;
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_returning_rates(model, query, usual, &arena, rates, &any), OD_OK);
    od_arena_done(&arena);
    return any;
}

/* Means over items of the place or not, of the kind or not. */
static void means(const float *rates, double out[2][2])
{
    double count[2][2] = {{0}};
    memset(out, 0, 4 * sizeof **out);
    for (uint32_t i = 0; i < ITEMS; i++) {
        bool there = place_of(i) == 3, kind = i % KINDS == 2;
        out[there][kind] += (double)rates[i];
        count[there][kind]++;
    }
    for (int k = 0; k < 4; k++)
        out[k / 2][k % 2] /= count[k / 2][k % 2];
}

static void the_kind_elsewhere_is_likelier(void **state)
{
    (void)state;
    struct toy_returning r;
    float rates[ITEMS], gain;
    double of[2][2];
    init(&r, true);
    struct od_content_model model = fit(&r, 2);
    assert_true(rates_of(&model, &looked, r.usual, rates));
    means(rates, of);
    assert_true(of[0][1] > 2 && of[0][0] < .5);
    assert_true(of[1][1] < .85 * of[0][1] && of[1][0] < of[0][0]);
    assert_int_equal(choose(&r, &gain), 30 * DAY);
    assert_true(gain > .3f && gain < 1.3f); /* were all known for sure: sqrt(4 * 8 / 7), less 1 */
    done(&r);
}

static void where_returns_tell_nothing_nothing_is_learnt(void **state)
{
    (void)state;
    struct toy_returning r;
    float gain;
    init(&r, false);
    assert_int_equal(choose(&r, &gain), 0);
    done(&r);
}

static void without_records_or_returns_nothing_is_learnt(void **state)
{
    (void)state;
    struct toy_returning r;
    float gain;
    int64_t pause_s;
    init(&r, true);
    struct od_returning_task nobody = task_of(&r, 1);
    nobody.end = r.training->user_start;
    assert_int_equal(od_returning_choose(&nobody, &pause_s, &gain, NULL), OD_OK);
    assert_int_equal(pause_s, 0);
    r.training->item_table = NULL;
    assert_int_equal(choose(&r, &gain), 0);
    assert_int_equal(fit(&r, 1).columns, 0);
    done(&r);
}

static void rates_are_multiples_of_the_usual(void **state)
{
    (void)state;
    struct toy_returning r;
    float rates[ITEMS];
    double mean = 0;
    const struct od_past_event strange = {.item = OD_NO_CODE};
    const struct od_query stranger = {.events = &strange, .event_count = 1, .now_s = 40 * DAY};
    struct od_query soon = looked, nobody = {.now_s = 40 * DAY};
    soon.now_s = OD_RETURNING_LEAST_S - 1;
    init(&r, true);
    struct od_content_model model = fit(&r, 1);
    assert_true(rates_of(&model, &looked, r.usual, rates));
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_true(rates[i] > 1 / 6.f - 1e-6f);
        mean += (double)(rates[i] * r.usual[i]);
    }
    assert_true(fabs(mean - 1) < 1e-4);
    const struct od_query *const silent[] = {&stranger, &soon, &nobody};
    for (size_t k = 0; k < sizeof silent / sizeof *silent; k++) {
        assert_false(rates_of(&model, silent[k], r.usual, rates));
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_true(rates[i] >= 1 && rates[i] <= 1);
    }
    soon.now_s = OD_RETURNING_LEAST_S;
    assert_true(rates_of(&model, &soon, r.usual, rates));
    done(&r);
}

static void threads_do_not_matter_and_images_hold_all(void **state)
{
    (void)state;
    struct toy_returning r;
    struct od_image image;
    struct od_content_model read, model;
    float one[ITEMS], two[ITEMS];
    init(&r, true);
    model = fit(&r, 1);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    assert_int_equal(od_returning_write(&model, writer), OD_OK);
    struct toy_bytes b = toy_image(writer);
    model = fit(&r, 2);
    assert_true(rates_of(&model, &looked, r.usual, one));
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_int_equal(od_returning_read(&image, ITEMS, &read, NULL), OD_OK);
    assert_true(rates_of(&read, &looked, r.usual, two));
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(od_returning_read(&image, ITEMS + 1, &read, NULL), OD_CORRUPT);
    free(b.ptr);
    done(&r);
}

/* --- whole models --- */

static struct od_blend_header train(struct fitted *f, const struct od_training *t)
{
    struct od_blend_header header;
    const void *found;
    fitted_init(f, "aws-user-personalization", t);
    f->input.threads = 2;
    if (fitted_run(f, true) != OD_OK)
        fail_msg("%s", f->err.message);
    assert_int_equal(od_image_array(&f->model.image, "blend", 1, sizeof header, &found, NULL),
                     OD_OK);
    memcpy(&header, found, sizeof header);
    return header;
}

/* Of the first ten, those of kind 2; *out_there: those at place 3. */
static unsigned first_ten(const struct fitted *f, int64_t now, int64_t pause_s, unsigned *out_there)
{
    struct od_past_event events[3];
    struct od_arena arena;
    float scores[ITEMS];
    bool personal;
    unsigned of_kind = 0;
    memcpy(events, looks, sizeof events);
    for (int64_t k = 0; k < 3; k++)
        events[k].time = now - pause_s - 60 * (2 - k);
    const struct od_query query = {
        .events = events, .event_count = 3, .item = events[2].item, .now_s = now};
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(
        f->model.recipe->score(f->model.model, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_true(personal);
    *out_there = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        unsigned before = 0;
        for (uint32_t k = 0; k < ITEMS; k++)
            before += scores[k] > scores[i] || (scores[k] >= scores[i] && k < i);
        of_kind += before < 10 && i % KINDS == 2;
        *out_there += before < 10 && place_of(i) == 3;
    }
    od_arena_done(&arena);
    return of_kind;
}

static void who_comes_back_is_shown_the_kind_elsewhere(void **state)
{
    (void)state;
    struct toy_returning r;
    struct fitted f;
    struct od_buf text;
    unsigned there;
    init(&r, true);
    struct od_blend_header h = train(&f, r.training);

    assert_true(h.away.serves && h.away.tilts && h.away.tilt_gain > .3f);
    int64_t times[] = {r.training->last_time + DAY, r.training->last_time - 5 * DAY};
    for (size_t k = 0; k < 2; k++) {
        assert_true(first_ten(&f, times[k], 600, &there) >= 5);
        assert_true(there >= 9);
        assert_true(first_ten(&f, times[k], 70 * DAY, &there) >= 8);
        assert_true(there <= 3);
    }
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(&f.model.image, &text));
    od_buf_char(&text, 0);
    assert_non_null(strstr(text.ptr, "popular times what the records of a history say"));
    od_buf_done(&text);
    od_memory_model_done(&f.model);
    done(&r);
}

/* Where those who come back take anything, records say nothing to them. */
static void a_model_of_nothing_does_not_serve(void **state)
{
    (void)state;
    struct toy_returning r;
    struct fitted f;
    struct od_str section;
    init(&r, false);
    struct od_blend_header h = train(&f, r.training);
    assert_true(h.away.judges > 100 && !h.away.tilts);
    assert_false(od_image_section(&f.model.image, "returning", &section));
    od_memory_model_done(&f.model);
    done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_elsewhere_is_likelier),
        cmocka_unit_test(where_returns_tell_nothing_nothing_is_learnt),
        cmocka_unit_test(without_records_or_returns_nothing_is_learnt),
        cmocka_unit_test(rates_are_multiples_of_the_usual),
        cmocka_unit_test(threads_do_not_matter_and_images_hold_all),
        cmocka_unit_test(who_comes_back_is_shown_the_kind_elsewhere),
        cmocka_unit_test(a_model_of_nothing_does_not_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
