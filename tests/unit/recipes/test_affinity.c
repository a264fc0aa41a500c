/* The affinity recipes: answers against the formula, sets, items without events, metrics, threads,
 * hostile images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/affinity_image.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "shelf.h"
#include "toy.h"

#define DAY    86400
#define GENRES ",{\"name\":\"GENRES\",\"type\":[\"null\",\"string\"],\"categorical\":true}"

static struct od_param_value values[8];

static struct od_train_input input_of(const struct od_training *t, const char *recipe,
                                      unsigned threads)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe));
    assert_int_equal(od_recipe_params_default(spec, values), OD_OK);
    return (struct od_train_input){
        .training = t, .spec = spec, .params = values, .seed = 1, .threads = threads};
}

static struct od_metrics trained;

static enum od_status fit_items(const struct od_train_input *input, struct od_image_writer *image,
                                struct od_error *err)
{
    trained = (struct od_metrics){0};
    return od_recipe_item_affinity.train(input, image, &trained, err);
}

static enum od_status fit_attributes(const struct od_train_input *input,
                                     struct od_image_writer *image, struct od_error *err)
{
    trained = (struct od_metrics){0};
    return od_recipe_item_attribute_affinity.train(input, image, &trained, err);
}

/* Items 0-9 are liked by even users, 10-19 by odd ones; users with a number below half come every
 * day, the others every fifth. */
static struct od_training *two_tastes(unsigned users)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (unsigned u = 0; u < users; u++)
        for (unsigned day = 0; day < 90; day += u < users / 2 ? 1 : 5)
            toy_add(b, u, (unsigned)od_random_below(&rng, 10) + 10 * (u % 2), day * DAY);
    return toy_finish(b);
}

static uint32_t ask(const struct od_memory_model *m, const uint64_t *items, const uint64_t *users,
                    uint32_t most, struct od_segment_user *out)
{
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    struct od_segment_query q = {.items = items, .users = users, .most = most};
    uint32_t count = 0;
    assert_int_equal(m->recipe->segment(m->model, &q, &arena, out, &count, NULL), OD_OK);
    od_arena_done(&arena);
    return count;
}

static void the_best_users_like_the_item_and_come_often(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(200);
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    struct od_memory_model m;
    struct od_segment_user out[200];
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    uint64_t items = 1u << 12;
    assert_int_equal(ask(&m, &items, NULL, 50, out), 50);
    for (int i = 0; i < 50; i++) {
        assert_true(out[i].user % 2 == 1 && out[i].user < 100);
        assert_true(i == 0 || out[i - 1].score >= out[i].score);
    }
    assert_true(fabsf(out[0].score - 1.5f) < 0.5f); /* 15 visits over ten items */
    assert_int_equal(ask(&m, &items, NULL, 1000, out), 200);
    assert_true(out[199].user % 2 == 0);
    const uint64_t users[4] = {5, 0, 0, 0}; /* 0 and 2 alone */
    assert_int_equal(ask(&m, &items, users, 50, out), 2);
    assert_true((out[0].user | out[1].user) == 2);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void a_set_is_the_sum_of_its_items(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(100);
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    struct od_memory_model m;
    struct od_segment_user out[100];
    float sum[100] = {0}, all[100];
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    for (int item = 10; item < 20; item++) {
        uint64_t one = 1ull << item;
        ask(&m, &one, NULL, 100, out);
        for (int i = 0; i < 100; i++)
            sum[out[i].user] += out[i].score;
    }
    uint64_t set = 0x3ffull << 10, every = 0xfffff, none = 0;
    ask(&m, &set, NULL, 100, out);
    for (int i = 0; i < 100; i++)
        if (out[i].user % 2) /* others' negative noise is cut item by item in the sum */
            assert_true(fabsf(out[i].score - sum[out[i].user]) < 0.05f * sum[out[i].user]);
    ask(&m, &every, NULL, 100, out);
    for (int i = 0; i < 100; i++)
        all[out[i].user] = out[i].score;
    assert_true(fabsf(all[1] - 15) < 3); /* daily: all that it will do */
    assert_true(fabsf(all[99] - 3) < 1.2f);
    ask(&m, &none, NULL, 100, out);
    assert_true(fabsf(out[0].score) < 1e-6f);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void fill_shelf(struct shelf *shelf)
{
    shelf_init(shelf, GENRES);
    for (unsigned i = 0; i < 21; i++) {
        char id[8];
        const char *cell = i < 10 ? "comedy" : "drama";
        snprintf(id, sizeof id, "i%05u", i == 20 ? 15000 : i); /* the last has no event */
        shelf_put(shelf, id, &cell);
    }
}

static void an_item_without_events_is_for_those_who_like_its_like(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(200);
    struct shelf shelf;
    fill_shelf(&shelf);
    t->item_table = shelf.table;
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    struct od_memory_model m;
    struct od_segment_user out[200];
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    uint32_t cold = od_image_dict_find(od_recipe_item_affinity.items(m.model), OD_STR("i15000"));
    assert_int_equal(cold, 20);
    uint64_t items = 1ull << cold;
    assert_int_equal(ask(&m, &items, NULL, 40, out), 40);
    for (int i = 0; i < 40; i++)
        assert_true(out[i].user % 2 == 1 && out[i].score > 0);
    od_memory_model_done(&m);
    shelf_done(&shelf);
    od_training_free(t);
}

static void attributes_need_a_column_and_are_asked_for(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(200);
    struct od_train_input input = input_of(t, "aws-item-attribute-affinity", 2);
    const struct od_recipe *recipe = &od_recipe_item_attribute_affinity;
    struct od_memory_model m;
    struct od_error err = {0};
    assert_int_equal(od_memory_model_fit(recipe, fit_attributes, &input, &m, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "needs an Items dataset"));
    struct shelf shelf, times;
    shelf_init(&times, ",{\"name\":\"CREATION_TIMESTAMP\",\"type\":\"long\"}");
    t->item_table = times.table;
    assert_int_equal(od_memory_model_fit(recipe, fit_attributes, &input, &m, &err),
                     OD_INVALID_INPUT);
    fill_shelf(&shelf);
    t->item_table = shelf.table;
    assert_int_equal(od_memory_model_fit(recipe, fit_attributes, &input, &m, &err), OD_OK);
    /* two values, two users of 200 each, of whom 100 are right */
    assert_true(*od_metrics_find(&trained, "hits_at_1_percent") == 2);
    assert_true(*od_metrics_find(&trained, "recall_at_1_percent") == 1);
    assert_true(*od_metrics_find(&trained, "coverage") == 4 / 200.0);
    od_memory_model_done(&m);
    shelf_done(&times);
    shelf_done(&shelf);
    od_training_free(t);
}

/* --- metrics by hand: a recipe that always lists the users whose code is the item's plus 0, 1 ---
 */

static enum od_status fake_segment(const struct od_model *model,
                                   const struct od_segment_query *query, struct od_arena *scratch,
                                   struct od_segment_user *out, uint32_t *out_count,
                                   struct od_error *err)
{
    (void)model;
    (void)scratch;
    (void)err;
    uint32_t item = (uint32_t)__builtin_ctzll(query->items[0]);
    for (uint32_t i = 0; i < query->most; i++)
        out[i] = (struct od_segment_user){item + i, 1};
    *out_count = query->most;
    return OD_OK;
}

static void metrics_are_those_of_the_definition(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 200; u++)
        for (unsigned k = 0; k < 5; k++) /* the fifth is held out: item 3, of user 1 item 0 */
            toy_add(b, u, k < 4 ? k : u == 1 ? 0 : 3, k);
    toy_add(b, 200, 1, 1); /* too short to have a held-out event */
    struct od_training *t = toy_finish(b);
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    struct od_recipe fake = od_recipe_item_affinity;
    fake.segment = fake_segment;
    struct od_metrics metrics = {0};
    assert_int_equal(od_affinity_evaluate(&fake, fit_items, &input, 1, &metrics, NULL), OD_OK);
    /* K = 3. Item 0: actual user 1, listed 0 to 2: 1 hit of 1. Item 3: 199 actual users, listed 3
     * to 5: 3 hits of 3. Listed: 0 to 5 of 201. */
    assert_true(*od_metrics_find(&metrics, "hits_at_1_percent") == 2);
    assert_true(*od_metrics_find(&metrics, "recall_at_1_percent") == 1);
    assert_true(fabs(*od_metrics_find(&metrics, "coverage") - 6 / 201.0) < 1e-12);
    assert_int_equal(metrics.count, 3);
    od_training_free(t);
}

static void values_of_items_that_are_new_in_the_held_out_part_are_asked_for(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 200; u++)
        for (unsigned k = 0; k < 5; k++) /* the fifth is held out: item 7, of user 1 item 0 */
            toy_add(b, u, k < 4 ? k : u == 1 ? 0 : 7, k);
    struct od_training *t = toy_finish(b);
    struct shelf shelf;
    shelf_init(&shelf, GENRES);
    for (unsigned i = 0; i < 9; i++) { /* the catalogue's codes; nobody takes 8 */
        char id[8];
        const char *cell = i < 4 ? "comedy" : i < 7 ? "drama" : "war";
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&shelf, id, &cell);
    }
    t->item_table = shelf.table;
    struct od_train_input input = input_of(t, "aws-item-attribute-affinity", 2);
    struct od_recipe fake = od_recipe_item_attribute_affinity;
    fake.segment = fake_segment;
    struct od_metrics metrics = {0};
    assert_int_equal(od_affinity_evaluate(&fake, fit_attributes, &input, 1, &metrics, NULL), OD_OK);
    /* K = 2. Comedy: actual user 1, listed 0 and 1: 1 hit of 1. War: 199 actual users, listed 7 and
     * 8: 2 hits of 2. */
    assert_true(*od_metrics_find(&metrics, "hits_at_1_percent") == 1.5);
    assert_true(*od_metrics_find(&metrics, "recall_at_1_percent") == 1);
    assert_true(fabs(*od_metrics_find(&metrics, "coverage") - 4 / 200.0) < 1e-12);
    shelf_done(&shelf);
    od_training_free(t);
}

static void threads_give_the_same_image_and_metrics(void **state)
{
    (void)state;
    struct od_training *t = toy_random(700, 150, 30, 11);
    struct od_train_input input = input_of(t, "aws-item-affinity", 1);
    struct od_memory_model one, four;
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &one, NULL),
                     OD_OK);
    struct od_metrics metrics = trained;
    input.threads = 4;
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &four, NULL),
                     OD_OK);
    assert_int_equal(one.image.bytes.len, four.image.bytes.len);
    assert_memory_equal(one.image.bytes.ptr, four.image.bytes.ptr, one.image.bytes.len);
    assert_memory_equal(&metrics, &trained, sizeof trained);
    assert_int_equal(trained.count, 3);
    od_memory_model_done(&one);
    od_memory_model_done(&four);
    od_training_free(t);
}

static uint32_t dim_of(const struct od_training *t, const char *value, uint64_t memory)
{
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    input.memory_bytes = memory;
    if (value)
        assert_int_equal(od_recipe_params_set(input.spec, OD_PARAM_ALGORITHM,
                                              OD_STR("hidden_dimension"), od_str_c(value), values,
                                              NULL),
                         OD_OK);
    struct od_memory_model m;
    struct od_str about;
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    assert_true(od_image_section(&m.image, "affinity.about", &about));
    uint32_t dim = ((const struct od_affinity_about *)(const void *)about.ptr)->dim;
    od_memory_model_done(&m);
    return dim;
}

static void the_dimension_is_the_parameter_the_items_or_the_memory(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 100, 30, 12);
    assert_int_equal(dim_of(t, NULL, 0), 100); /* 149, but there are 100 items */
    assert_int_equal(dim_of(t, "40", 0), 40);
    assert_int_equal(dim_of(t, "40", 1), 7); /* 8 and below are not lowered further */
    od_training_free(t);
}

/* --- hostile images --- */

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

static enum od_status open_bytes(const struct od_buf *bytes)
{
    void *aligned = aligned_alloc(64, (bytes->len + 63) / 64 * 64);
    assert_non_null(aligned);
    memcpy(aligned, bytes->ptr, bytes->len);
    struct od_image image;
    struct od_model *model = NULL;
    struct od_error err = {0};
    enum od_status s = od_image_open((struct od_str){aligned, bytes->len}, true, &image, &err);
    if (s == OD_OK)
        s = od_recipe_item_affinity.open(&image, &model, &err);
    if (s == OD_OK)
        od_recipe_item_affinity.close(model);
    else
        assert_true(err.message[0] != 0);
    free(aligned);
    return s;
}

/* Opens a copy of the image in which one section has other bytes; bytes NULL leaves it out. */
static enum od_status rewrite(const struct od_image *from, const char *name, const void *bytes,
                              uint64_t len)
{
    struct od_image_writer *w = od_image_writer_new(OD_STR("aws-item-affinity"), 1);
    struct od_str section;
    for (uint32_t i = 0; i < from->section_count; i++) {
        char text[OD_IMAGE_NAME];
        struct od_str n = od_image_section_name(from, i);
        snprintf(text, sizeof text, "%.*s", OD_STR_ARG(n));
        assert_true(od_image_section(from, text, &section));
        if (strcmp(text, name) == 0)
            section = (struct od_str){bytes, len};
        if (section.ptr)
            assert_int_equal(od_image_add(w, text, section.ptr, section.len, false), OD_OK);
    }
    struct od_buf buf;
    od_buf_init(&buf, 1u << 26);
    assert_int_equal(od_image_finish(w, put_bytes, &buf), OD_OK);
    od_image_writer_free(w);
    enum od_status s = open_bytes(&buf);
    od_buf_done(&buf);
    return s;
}

/* Those who stay are listed as before, with the scores they had; those who go are nowhere. */
static void an_image_forgets_users(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(200);
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    struct od_memory_model m;
    struct od_segment_user before[200], after[200];
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    uint64_t items = 1u << 12, gone[4] = {0}, kept[4];
    for (uint32_t u = 0; u < 200; u++)
        if (u == 0 || u == 199 || u % 7 == 3)
            od_bitmap_set(gone, u);
    memcpy(kept, gone, sizeof kept);
    od_bitmap_not(kept, 200);
    uint32_t count = ask(&m, &items, kept, 200, before);
    struct od_image_writer *w = od_image_writer_new(m.image.recipe, m.image.recipe_version);
    assert_int_equal(od_recipe_item_affinity.forget(&m.image, gone, w, NULL), OD_OK);
    struct od_buf bytes;
    od_buf_init(&bytes, 1u << 26);
    assert_int_equal(od_image_finish(w, put_bytes, &bytes), OD_OK);
    od_image_writer_free(w);

    void *aligned = aligned_alloc(64, (bytes.len + 63) / 64 * 64);
    struct od_memory_model small = {.recipe = &od_recipe_item_affinity};
    memcpy(aligned, bytes.ptr, bytes.len);
    assert_int_equal(od_image_open((struct od_str){aligned, bytes.len}, true, &small.image, NULL),
                     OD_OK);
    assert_int_equal(small.image.section_count, m.image.section_count);
    assert_int_equal(od_recipe_item_affinity.open(&small.image, &small.model, NULL), OD_OK);
    assert_int_equal(ask(&small, &items, NULL, 200, after), count);
    const struct od_image_dict *old = od_affinity_users(m.model);
    const struct od_image_dict *new = od_affinity_users(small.model);
    assert_int_equal(new->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(od_str_eq(od_image_dict_text(old, before[i].user),
                              od_image_dict_text(new, after[i].user)));
        assert_true(before[i].score == after[i].score);
    }
    for (uint32_t u = 0; u < 200; u++)
        if (od_bitmap_get(gone, u))
            assert_int_equal(od_image_dict_find(new, od_image_dict_text(old, u)), OD_NO_CODE);
    od_recipe_item_affinity.close(small.model);
    free(aligned);
    od_buf_done(&bytes);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void hostile_images_are_refused(void **state)
{
    (void)state;
    struct od_training *t = toy_random(60, 20, 10, 11);
    struct od_train_input input = input_of(t, "aws-item-affinity", 1);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_OK);
    static const char *const names[] = {
        "affinity.about",  "affinity.at",         "affinity.item",
        "affinity.fast",   "affinity.slow",       "affinity.user",
        "affinity.shares", "affinity.projection", "affinity.response"};
    assert_int_equal(rewrite(&m.image, "none", NULL, 0), OD_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct od_str section;
        assert_true(od_image_section(&m.image, names[i], &section));
        assert_int_equal(rewrite(&m.image, names[i], NULL, 0), OD_CORRUPT); /* absent */
        assert_int_equal(rewrite(&m.image, names[i], section.ptr, section.len - 4), OD_CORRUPT);
        char *wild = malloc(section.len);
        memcpy(wild, section.ptr, section.len);
        memset(wild + section.len - 4, 0xff, 4); /* a NAN, a code out of range, a far offset */
        assert_int_equal(rewrite(&m.image, names[i], wild, section.len), OD_CORRUPT);
        memset(wild, 0xff, 4);
        assert_int_equal(rewrite(&m.image, names[i], wild, section.len), OD_CORRUPT);
        free(wild);
    }
    od_memory_model_done(&m);
    od_training_free(t);
}

static enum od_status stop_late(void *context, double fraction, const char *stage)
{
    (void)stage;
    double *last = context;
    assert_true(fraction >= *last && fraction <= 1);
    *last = fraction;
    return fraction > 0.6 ? OD_STOPPED : OD_OK;
}

static void training_reports_and_stops(void **state)
{
    (void)state;
    struct od_training *t = toy_random(100, 30, 10, 2);
    struct od_train_input input = input_of(t, "aws-item-affinity", 2);
    double last = 0;
    struct od_memory_model m;
    input.progress = (struct od_progress){stop_late, &last};
    assert_int_equal(od_memory_model_fit(&od_recipe_item_affinity, fit_items, &input, &m, NULL),
                     OD_STOPPED);
    assert_true(last > 0.6);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_users_like_the_item_and_come_often),
        cmocka_unit_test(a_set_is_the_sum_of_its_items),
        cmocka_unit_test(an_item_without_events_is_for_those_who_like_its_like),
        cmocka_unit_test(attributes_need_a_column_and_are_asked_for),
        cmocka_unit_test(metrics_are_those_of_the_definition),
        cmocka_unit_test(values_of_items_that_are_new_in_the_held_out_part_are_asked_for),
        cmocka_unit_test(threads_give_the_same_image_and_metrics),
        cmocka_unit_test(the_dimension_is_the_parameter_the_items_or_the_memory),
        cmocka_unit_test(an_image_forgets_users),
        cmocka_unit_test(hostile_images_are_refused),
        cmocka_unit_test(training_reports_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
