/* Updated models: old items as before, new ones like those they are like, damaged images refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "recipes/toy.h"
#include "recipes/updated.h"

static struct od_field fields[] = {
    {.name = {"ITEM_ID", 7}, .type = OD_FIELD_STRING},
    {.name = {"GENRE", 5}, .type = OD_FIELD_STRING, .nullable = true, .categorical = true},
};
static const struct od_schema schema = {
    .name = {"Items", 5}, .type = OD_ITEMS, .field_count = 2, .fields = fields};

static void put(struct od_table *table, const char *id, const char *genre)
{
    struct od_value values[2] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                 {.kind = OD_VALUE_NULL}};
    if (genre)
        values[1] = (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(genre)};
    assert_int_equal(od_table_put(table, values), OD_OK);
}

/* Items 0 to 9, number n had by 20 - n users; even ones are of genre a, odd ones of genre b. */
static void add_old(struct od_training_builder *b)
{
    for (unsigned item = 0; item < 10; item++)
        for (unsigned u = 0; u < 20 - item; u++)
            toy_add(b, u, item, item);
}

struct bed {
    struct od_training *before, *now;
    struct od_table *table;
    struct od_memory_model old;
    struct od_image updated;
    char *bytes;
    size_t len;
    uint32_t fresh;
};

static enum od_status count_bytes(void *to, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)to += len;
    return OD_OK;
}

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    struct bed *bed = to;
    memcpy(bed->bytes + bed->len, bytes, len);
    bed->len += len;
    return OD_OK;
}

static void make(struct bed *bed, unsigned threads)
{
    struct od_error err = {0};
    struct od_train_input input = {.training = bed->now, .seed = 1, .threads = threads};
    struct od_image_writer *writer = od_image_writer_new(od_str_c(bed->old.recipe->name), 1);
    size_t size = 0;
    if (od_updated_make(&input, &bed->old.image, writer, &bed->fresh, &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_int_equal(od_image_finish(writer, count_bytes, &size), OD_OK);
    free(bed->bytes);
    bed->bytes = aligned_alloc(64, size);
    bed->len = 0;
    assert_int_equal(od_image_finish(writer, put_bytes, bed), OD_OK);
    od_image_writer_free(writer);
    assert_int_equal(
        od_image_open((struct od_str){bed->bytes, bed->len}, true, &bed->updated, &err), OD_OK);
}

/* now: what came since. */
static void lay(struct bed *bed, struct od_training_builder *now)
{
    memset(bed, 0, sizeof *bed);
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_train_input input = {.seed = 1, .threads = 1};
    struct od_error err;
    add_old(b);
    bed->before = toy_finish(b);
    input.training = bed->before;
    input.spec = od_recipe_spec_find(OD_STR("aws-popularity-count"));
    assert_int_equal(od_memory_model_train(&od_recipe_popularity, &input, &bed->old, &err), OD_OK);
    bed->table = od_table_new(&schema);
    char id[16];
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "i%05u", i);
        put(bed->table, id, i % 2 ? "b" : "a");
    }
    put(bed->table, "new-a", "a");
    put(bed->table, "new-none", NULL);
    put(bed->table, "a-first", "b");
    bed->now = toy_finish(now);
    bed->now->item_table = bed->table;
    make(bed, 1);
}

static void clear(struct bed *bed)
{
    od_memory_model_done(&bed->old);
    od_training_free(bed->before);
    od_training_free(bed->now);
    od_table_free(bed->table);
    free(bed->bytes);
}

/* Scores by id, for a user without history. */
static float score_of(const struct bed *bed, const char *id)
{
    struct od_model *model;
    struct od_error err;
    struct od_arena arena;
    bool personal;
    /* one event on a new item: the inner model must not see it */
    assert_int_equal(od_recipe_updated.open(&bed->updated, &model, &err), OD_OK);
    const struct od_image_dict *items = od_recipe_updated.items(model);
    struct od_past_event event = {.item = od_image_dict_find(items, OD_STR("new-a")), .time = 5};
    struct od_query query = {.events = &event, .event_count = 1, .item = event.item, .now_s = 9};
    float *scores = calloc(items->count, sizeof *scores);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_recipe_updated.score(model, &query, &arena, scores, &personal, &err),
                     OD_OK);
    uint32_t code = od_image_dict_find(items, od_str_c(id));
    assert_true(code != OD_NO_CODE);
    float score = scores[code];
    uint32_t asked[2] = {code, 0};
    struct od_score_terms terms[2];
    float *told = calloc(items->count, sizeof *told), sum = 0;
    assert_int_equal(od_recipe_updated.explain(model, &query, asked, 2, &arena, told, terms, &err),
                     OD_OK);
    assert_memory_equal(told, scores, items->count * sizeof *told);
    for (size_t i = 0; i < terms[0].count; i++)
        sum += terms[0].list[i].contribution;
    /* of old items the inner recipe says what it can */
    assert_true(terms[0].count == 0 || sum == score ||
                (sum - score < 1e-3f && score - sum < 1e-3f));
    assert_true(terms[0].count > 0 || strncmp(id, "new", 3) != 0);
    free(told);
    free(scores);
    od_arena_done(&arena);
    od_recipe_updated.close(model);
    return score;
}

static void new_items_score_like_those_they_are_like(void **state)
{
    (void)state;
    struct bed bed;
    struct od_training_builder *b = od_training_builder_new(NULL);
    add_old(b);
    lay(&bed, b);
    assert_int_equal(bed.fresh, 3);
    for (int i = 0; i < 10; i++) { /* as before: popularity's places */
        char id[16];
        snprintf(id, sizeof id, "i%05d", i);
        assert_true(score_of(&bed, id) == -1.0f - (float)i);
    }
    assert_true(fabsf(score_of(&bed, "new-a") - -5) < 1e-4f);   /* 0, 2, 4, 6, 8 */
    assert_true(fabsf(score_of(&bed, "a-first") - -6) < 1e-4f); /* 1, 3, 5, 7, 9 */
    assert_true(score_of(&bed, "new-none") == -10);             /* last */
    clear(&bed);
}

static void company_counts_as_interactions_come_in(void **state)
{
    (void)state;
    struct bed bed;
    struct od_training_builder *b = od_training_builder_new(NULL);
    add_old(b);
    for (unsigned u = 100; u < 195; u++) { /* item 9, then the new one, each time */
        char user[16];
        snprintf(user, sizeof user, "u%05u", u);
        toy_add(b, u, 9, 1);
        assert_int_equal(
            od_training_add_event(b, od_str_c(user), OD_STR("new-a"), OD_STR_NONE, 2, false, 0),
            OD_OK);
        assert_int_equal(
            od_training_add_event(b, od_str_c(user), OD_STR("new-none"), OD_STR_NONE, 3, false, 0),
            OD_OK);
    }
    lay(&bed, b);
    /* 95 events against 5: a twentieth of the record (-5), the rest of item 9 (-10) */
    assert_true(fabsf(score_of(&bed, "new-a") - (-5 * 0.05f + -10 * 0.95f)) < 1e-3f);
    assert_true(fabsf(score_of(&bed, "new-none") - -10) < 1e-3f);
    clear(&bed);
}

static void threads_change_no_byte_and_an_update_is_not_updated(void **state)
{
    (void)state;
    struct bed bed;
    struct od_error err = {0};
    struct od_training_builder *b = od_training_builder_new(NULL);
    uint32_t fresh;
    add_old(b);
    lay(&bed, b);
    char *first = malloc(bed.len);
    size_t len = bed.len;
    memcpy(first, bed.bytes, len);
    make(&bed, 2);
    assert_int_equal(bed.len, len);
    assert_memory_equal(bed.bytes, first, len);
    free(first);
    struct od_train_input input = {.training = bed.now, .seed = 1, .threads = 1};
    struct od_image_writer *writer = od_image_writer_new(od_str_c(bed.old.recipe->name), 1);
    assert_int_equal(od_updated_make(&input, &bed.updated, writer, &fresh, &err), OD_INTERNAL);
    od_image_writer_free(writer);
    clear(&bed);
}

static void damaged_sections_are_refused(void **state)
{
    (void)state;
    struct bed bed;
    struct od_error err;
    struct od_model *model;
    struct od_str bytes;
    struct od_training_builder *b = od_training_builder_new(NULL);
    add_old(b);
    lay(&bed, b);
    static const char *const names[] = {"update.old", "update.at", "update.like", "update.weight"};
    for (int i = 0; i < 4; i++) {
        assert_true(od_image_section(&bed.updated, names[i], &bytes));
        char *at = (char *)bytes.ptr + (i == 1 ? 8 : 0), kept[4];
        memcpy(kept, at, 4);
        memset(at, 0x7E, 4);
        assert_int_equal(od_recipe_updated.open(&bed.updated, &model, &err), OD_CORRUPT);
        memcpy(at, kept, 4);
    }
    assert_int_equal(od_recipe_updated.open(&bed.updated, &model, &err), OD_OK);
    od_recipe_updated.close(model);
    clear(&bed);
}

/* 400 items that are told by two words each: one of twenty, and one of their own. */
static void tell_items(struct od_table *table, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char id[16], text[32];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(text, sizeof text, "group%u own%u", i % 20, i);
        struct od_value values[2] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                     {.kind = OD_VALUE_TEXT, .text = od_str_c(text)}};
        assert_int_equal(od_table_put(table, values), OD_OK);
    }
}

/* Place, from 0, of an item in the answer about another, with freshness or without. */
static uint32_t place_of(const struct od_model *model, const char *about, const char *id,
                         float freshness)
{
    const struct od_image_dict *items = od_recipe_updated.items(model);
    struct od_query query = {.item = od_image_dict_find(items, od_str_c(about)),
                             .freshness_influence = freshness};
    uint32_t code = od_image_dict_find(items, od_str_c(id)), place = 0;
    float *scores = calloc(items->count, sizeof *scores);
    struct od_arena arena;
    bool personal;
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_recipe_updated.score(model, &query, &arena, scores, &personal, NULL),
                     OD_OK);
    assert_true(personal && scores[query.item] == -INFINITY);
    for (uint32_t i = 0; i < items->count; i++)
        place += scores[i] > scores[code];
    free(scores);
    od_arena_done(&arena);
    return place;
}

/* Items that say something in one field, and events on the old ones. */
struct told {
    struct od_field fields[2];
    struct od_schema schema;
    struct bed bed;
};

static void told_init(struct told *t, const char *field)
{
    struct od_training_builder *before = od_training_builder_new(NULL);
    struct od_training_builder *now = od_training_builder_new(NULL);
    *t = (struct told){
        .fields = {
            {.name = {"ITEM_ID", 7}, .type = OD_FIELD_STRING},
            {.name = od_str_c(field), .type = OD_FIELD_STRING, .nullable = true, .textual = true}}};
    t->schema = (struct od_schema){
        .name = {"Items", 5}, .type = OD_ITEMS, .field_count = 2, .fields = t->fields};
    t->bed.table = od_table_new(&t->schema);
    add_old(before);
    add_old(now);
    t->bed.before = toy_finish(before);
    t->bed.now = toy_finish(now);
    t->bed.before->item_table = t->bed.now->item_table = t->bed.table;
}

/* What comes into the table later is new. */
static void told_train(struct told *t)
{
    const struct od_recipe *recipe = od_recipe_find(OD_STR("aws-semantic-similarity"));
    struct od_train_input input = {.training = t->bed.before,
                                   .seed = 1,
                                   .threads = 1,
                                   .spec = od_recipe_spec_find(od_str_c(recipe->name))};
    assert_int_equal(od_memory_model_train(recipe, &input, &t->bed.old, NULL), OD_OK);
}

static void what_is_most_alike_is_not_left_out(void **state)
{
    (void)state;
    struct told told;
    struct bed *bed = &told.bed;
    struct od_model *model;
    told_init(&told, "TEXT");
    tell_items(bed->table, 0, 400);
    told_train(&told);
    tell_items(bed->table, 407, 408); /* the new item: of the seventh group */
    make(bed, 1);
    assert_int_equal(bed->fresh, 1);
    assert_int_equal(od_recipe_updated.open(&bed->updated, &model, NULL), OD_OK);
    /* with its group, in front of all others, and so it stays when what is fresh is asked for */
    assert_true(place_of(model, "i00007", "i00407", 0) < 20);
    assert_true(place_of(model, "i00007", "i00407", 1) < 20);
    assert_true(place_of(model, "i00008", "i00407", 0) >= 20);
    /* one of its group is most like it, and that one is in the answer */
    uint32_t first = UINT32_MAX;
    for (unsigned i = 7; i < 400; i += 20) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", i);
        uint32_t place = place_of(model, "i00407", id, 0);
        assert_true(place < 20);
        first = place < first ? place : first;
    }
    assert_int_equal(first, 0);
    od_recipe_updated.close(model);
    clear(bed);
}

/* Eight numbers: of the side, and a little of its own. */
static void put_vector(struct od_table *table, unsigned i)
{
    char id[16], text[96];
    snprintf(id, sizeof id, "i%05u", i);
    snprintf(text, sizeof text, "%d %d 0.%u 0 0 0 0 0.%u", i % 2 == 0, i % 2 == 1, i % 7, i % 5);
    struct od_value values[2] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                 {.kind = OD_VALUE_TEXT, .text = od_str_c(text)}};
    assert_int_equal(od_table_put(table, values), OD_OK);
}

static void vectors_of_ones_own_tell_what_a_new_item_is_like(void **state)
{
    (void)state;
    struct told told;
    struct bed *bed = &told.bed;
    struct od_model *model;
    told_init(&told, "EMBEDDING");
    for (unsigned i = 0; i < 60; i++)
        put_vector(bed->table, i);
    told_train(&told);
    put_vector(bed->table, 407);
    make(bed, 1);
    assert_int_equal(od_recipe_updated.open(&bed->updated, &model, NULL), OD_OK);
    assert_true(place_of(model, "i00007", "i00407", 0) < 30);  /* of its side */
    assert_true(place_of(model, "i00008", "i00407", 0) >= 29); /* of the other */
    for (unsigned i = 1; i < 60; i += 2) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", i);
        assert_true(place_of(model, "i00407", id, 0) < 30);
    }
    od_recipe_updated.close(model);
    clear(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_ones_own_tell_what_a_new_item_is_like),
        cmocka_unit_test(what_is_most_alike_is_not_left_out),
        cmocka_unit_test(new_items_score_like_those_they_are_like),
        cmocka_unit_test(company_counts_as_interactions_come_in),
        cmocka_unit_test(threads_change_no_byte_and_an_update_is_not_updated),
        cmocka_unit_test(damaged_sections_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
