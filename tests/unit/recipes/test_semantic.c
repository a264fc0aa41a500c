/* aws-semantic-similarity: meaning, vectors, influence, no interactions, hostile text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fitted.h"
#include "recipes/registry.h"
#include "shelf.h"
#include "toy.h"

#define NAME    ",{\"name\":\"TITLE\",\"type\":[\"null\",\"string\"],\"itemName\":true}"
#define TEXT    ",{\"name\":\"TEXT\",\"type\":[\"null\",\"string\"],\"textual\":true}"
#define CREATED ",{\"name\":\"CREATION_TIMESTAMP\",\"type\":[\"null\",\"long\"]}"

static const char *const texts[][2] = {
    {"Sea View Inn", "a quiet room by the beach"}, /* i00000 */
    {"Beach House", "rooms with a view of the sea"},
    {"Seaside Rooms", "the beach is near, the sea is blue"},
    {"Mountain Hut", "snow and skiing in the alps"},
    {"Ski Lodge", "alps snow fun for skiers"},
    {"Alpine Rest", "a hut high in the snow"},
    {"제주 바다 호텔", "해변의 조용한 방"},
    {"제주바다펜션", "조용한 해변"},
    {NULL, NULL},
    {"\xFF\xFE\xC0", "\x80\x80"},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void put_texts(struct shelf *s)
{
    shelf_init(s, NAME TEXT CREATED);
    for (unsigned i = 0; i < TEXTS; i++) {
        char id[8], when[16];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(when, sizeof when, "%u", 1000 + 100 * i);
        const char *cells[] = {texts[i][0], texts[i][1], i == 3 ? NULL : when};
        shelf_put(s, id, cells);
    }
}

static struct od_training *without_events(const struct shelf *s)
{
    struct od_training *t = toy_finish(od_training_builder_new(NULL));
    t->item_table = s->table;
    return t;
}

static void meaning_is_found_without_any_interaction(void **state)
{
    (void)state;
    struct shelf s;
    put_texts(&s);
    struct od_training *t = without_events(&s);
    struct fitted f;
    float scores[16];
    fitted_init(&f, "aws-semantic-similarity", t);
    if (fitted_run(&f, true) != OD_OK)
        fail_msg("%s", f.err.message);
    assert_true(fitted_scores(&f, "i00000", 0, scores));
    assert_true(scores[0] == -INFINITY);
    assert_true(fmaxf(scores[1], scores[2]) > fmaxf(scores[3], fmaxf(scores[4], scores[5])) + .1f);
    assert_true(fitted_scores(&f, "i00004", 0, scores));
    assert_int_equal(fitted_best(scores, TEXTS) / 3, 1);
    assert_true(fitted_scores(&f, "i00006", 0, scores));
    assert_int_equal(fitted_best(scores, TEXTS), 7);      /* "바다" inside a longer word */
    assert_false(fitted_scores(&f, "i00008", 0, scores)); /* nulls */
    assert_false(fitted_scores(&f, "i00009", 0, scores)); /* bytes that are no text */
    assert_false(fitted_scores(&f, "unknown", 0, scores));
    assert_non_null(od_metrics_find(&f.metrics, "item_similarity"));
    assert_non_null(od_metrics_find(&f.metrics, "item_popularity"));
    assert_non_null(od_metrics_find(&f.metrics, "item_freshness"));
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static float scored(const struct fitted *f, float popularity, float freshness, uint32_t item,
                    float *scores)
{
    struct od_arena scratch;
    struct od_query query = {
        .item = item, .popularity_influence = popularity, .freshness_influence = freshness};
    bool personal;
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(
        f->model.recipe->score(f->model.model, &query, &scratch, scores, &personal, NULL), OD_OK);
    od_arena_done(&scratch);
    return scores[0];
}

static void influence_moves_what_is_popular_or_new(void **state)
{
    (void)state;
    struct shelf s;
    put_texts(&s);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 30; u++) {
        toy_add(b, u, 2, u);
        toy_add(b, u, u % 9, u + 1);
    }
    struct od_training *t = toy_finish(b);
    t->item_table = s.table;
    struct fitted f;
    float plain[16], popular[16], fresh[16];
    fitted_init(&f, "aws-semantic-similarity", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    scored(&f, 0, 0, 1, plain);
    scored(&f, 1, 0, 1, popular);
    scored(&f, 0, 1, 1, fresh);
    assert_true(fabsf(popular[2] - plain[2] - 1) < 1e-5f); /* the most popular of all */
    assert_true(fitted_best(popular, TEXTS) == 2);
    assert_true(fabsf(fresh[9] - plain[9] - 1) < 1e-5f);        /* the newest */
    assert_true(fabsf(fresh[3] - plain[3]) < 1e-6f);            /* no date */
    assert_true(fabsf(fresh[2] - plain[2] - 2.0f / 9) < 1e-5f); /* 200 of 900 seconds */
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static void influence_stays_among_the_most_similar(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, NAME);
    for (unsigned i = 0; i < 300; i++) {
        char id[8], name[64];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(name, sizeof name, i < 150 ? "warm sand beach %u" : "cold snow mountain %u",
                 i % 50);
        const char *cell = name;
        shelf_put(&s, id, &cell);
    }
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 30; u++)
        toy_add(b, u, 299, u); /* popular, and about something else */
    struct od_training *t = toy_finish(b);
    t->item_table = s.table;
    struct fitted f;
    float scores[300];
    fitted_init(&f, "aws-semantic-similarity", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    scored(&f, 1, 0, 0, scores);
    assert_true(fitted_best(scores, 300) < 150);
    assert_true(scores[299] < -10);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static void an_embedding_column_decides(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, NAME TEXT);
    const char *cells[][2] = {{"alike", "[1,0,0,0,0,0,0,0.1]"},
                              {"alike", "[0,1,0,0,0,0,0,0]"},
                              {"different", "[1,0,0,0,0,0,0,0]"}};
    for (unsigned i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, cells[i]);
    }
    struct od_training *t = without_events(&s);
    struct fitted f;
    float scores[4];
    fitted_init(&f, "aws-semantic-similarity", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    assert_true(fitted_scores(&f, "i00000", 0, scores));
    assert_true(scores[2] > 0.98f && scores[1] < 0.1f);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static void items_without_text_are_refused(void **state)
{
    (void)state;
    struct fitted f;
    struct od_training *t = toy_random(30, 10, 5, 1);
    fitted_init(&f, "aws-semantic-similarity", t);
    assert_int_equal(fitted_run(&f, false), OD_INVALID_INPUT); /* no Items at all */
    assert_non_null(strstr(f.err.message, "itemName"));
    struct shelf s;
    shelf_init(&s, CREATED);
    t->item_table = s.table;
    fitted_init(&f, "aws-semantic-similarity", t);
    assert_int_equal(fitted_run(&f, true), OD_INVALID_INPUT);
    od_training_free(t);
    shelf_done(&s);
}

static void one_thread_or_two_write_the_same_image(void **state)
{
    (void)state;
    struct shelf s;
    put_texts(&s);
    struct od_training *t = without_events(&s);
    struct fitted f[2];
    for (unsigned k = 0; k < 2; k++) {
        fitted_init(&f[k], "aws-semantic-similarity", t);
        f[k].input.threads = k + 1;
        assert_int_equal(fitted_run(&f[k], false), OD_OK);
    }
    assert_int_equal(f[0].model.image.bytes.len, f[1].model.image.bytes.len);
    assert_memory_equal(f[0].model.bytes, f[1].model.bytes, f[0].model.image.bytes.len);
    fitted_done(&f[0]);
    fitted_done(&f[1]);
    od_training_free(t);
    shelf_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meaning_is_found_without_any_interaction),
        cmocka_unit_test(influence_moves_what_is_popular_or_new),
        cmocka_unit_test(influence_stays_among_the_most_similar),
        cmocka_unit_test(an_embedding_column_decides),
        cmocka_unit_test(items_without_text_are_refused),
        cmocka_unit_test(one_thread_or_two_write_the_same_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
