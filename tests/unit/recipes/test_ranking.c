/* Ranking from impressions: users who take the fourth cheapest of what they are shown, which no
 * history tells, are understood; data without impressions are left to the base; images of strangers
 * are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/ranking.h"
#include "recipes/registry.h"
#include "shelf.h"
#include "toy.h"

enum { ITEMS = 60, USERS = 300, EVENTS = 14, SHOWN = 8, TAKEN = 3, PARAMS = 16 };

/* A training set with a list of SHOWN random items for each event, of which the fourth cheapest was
 * taken (by_price) or a random one; item i costs i. */
struct shop {
    struct shelf shelf;
    struct od_training *own, view;
    struct od_training_lists lists;
    uint32_t *of_event, *item, *impressions;
    uint64_t *start;
};

static void open_shelf(struct shelf *shelf)
{
    char id[16], price[16];
    shelf_init(shelf, ",{\"name\":\"PRICE\",\"type\":\"float\"},{\"name\":\"REGION\",\"type\":"
                      "\"string\",\"categorical\":true}");
    for (unsigned i = 0; i < ITEMS; i++) {
        const char *cells[2] = {price, i % 2 ? "Jeju|Busan" : "Seoul"};
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(price, sizeof price, "%u", i);
        shelf_put(shelf, id, cells);
    }
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* SHOWN items in any order; returns the taken one: that of price number TAKEN, or just one. */
static unsigned show(struct od_random *rng, bool by_price, unsigned *shown)
{
    unsigned all[ITEMS], sorted[SHOWN];
    for (unsigned i = 0; i < ITEMS; i++)
        all[i] = i;
    for (unsigned s = 0; s < SHOWN; s++) {
        unsigned o = s + (unsigned)od_random_below(rng, ITEMS - s), keep = all[s];
        all[s] = all[o];
        all[o] = keep;
        shown[s] = sorted[s] = all[s];
    }
    qsort(sorted, SHOWN, sizeof *sorted, by_code);
    return by_price ? sorted[TAKEN] : shown[0];
}

static void shop_open(struct shop *shop, bool by_price, bool with_lists)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    size_t events = (size_t)USERS * EVENTS;
    unsigned(*shown)[SHOWN] = calloc(events, sizeof *shown);
    od_random_init(&rng, 5);
    *shop = (struct shop){0};
    open_shelf(&shop->shelf);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, show(&rng, by_price, shown[u * EVENTS + k]),
                    1700000000 + (int64_t)k * 86400 + u);
    for (unsigned i = 0; i < ITEMS; i++) /* one more user: every item is known, none shown for it */
        toy_add(b, USERS, i, 1700000000 - (int64_t)i);
    shop->own = toy_finish(b);
    shop->view = *shop->own;
    shop->view.item_table = shop->shelf.table;
    shop->of_event = malloc((events + ITEMS) * sizeof *shop->of_event);
    memset(shop->of_event, 0xff, (events + ITEMS) * sizeof *shop->of_event); /* OD_NO_CODE */
    shop->start = calloc(events + 1, sizeof *shop->start);
    shop->item = malloc(events * SHOWN * sizeof *shop->item);
    shop->impressions = calloc(ITEMS, sizeof *shop->impressions);
    assert_int_equal(shop->own->event_count, events + ITEMS);
    for (size_t e = 0; e < events; e++) {
        uint64_t at = shop->start[e];
        for (unsigned s = 0; s < SHOWN; s++) {
            char id[16];
            snprintf(id, sizeof id, "i%05u", shown[e][s]);
            uint32_t code = od_dict_find(shop->own->items, od_str_c(id));
            if (code != OD_NO_CODE)
                shop->item[at++] = code;
        }
        qsort(shop->item + shop->start[e], at - shop->start[e], sizeof *shop->item, by_code);
        for (uint64_t i = shop->start[e]; i < at; i++)
            shop->impressions[shop->item[i]]++;
        shop->start[e + 1] = at;
        shop->of_event[e] = (uint32_t)e;
    }
    shop->lists =
        (struct od_training_lists){(uint32_t)events, shop->of_event, shop->start, shop->item};
    if (with_lists) {
        shop->view.lists = &shop->lists;
        shop->view.impressions = shop->impressions;
    }
    free(shown);
}

static void shop_close(struct shop *shop)
{
    od_training_free(shop->own);
    shelf_done(&shop->shelf);
    free(shop->of_event);
    free(shop->start);
    free(shop->item);
    free(shop->impressions);
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    return od_recipe_personalized_ranking.train(input, image, NULL, err);
}

static void train(const struct shop *shop, unsigned threads, struct od_memory_model *model)
{
    struct od_param_value params[PARAMS];
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("aws-personalized-ranking"));
    assert_int_equal(od_recipe_params_default(spec, params), OD_OK);
    struct od_train_input input = {
        .training = &shop->view, .spec = spec, .params = params, .seed = 3, .threads = threads};
    struct od_error err = {0};
    if (od_memory_model_fit(&od_recipe_personalized_ranking, fit, &input, model, &err) != OD_OK)
        fail_msg("%s", err.message);
}

/* How often the fourth cheapest of fresh lists comes first. */
static double taken_first(const struct shop *shop, const struct od_memory_model *model)
{
    struct od_random rng;
    struct od_arena arena;
    double hits = 0;
    enum { ASKED = 200 };
    od_random_init(&rng, 99);
    od_arena_init(&arena, SIZE_MAX);
    for (unsigned q = 0; q < ASKED; q++) {
        unsigned shown[SHOWN];
        uint32_t item[SHOWN], count = 0, best = 0;
        float score[SHOWN];
        bool personal;
        char id[16];
        show(&rng, true, shown);
        qsort(shown, SHOWN, sizeof *shown, by_code);
        for (unsigned s = 0; s < SHOWN; s++) { /* by price */
            snprintf(id, sizeof id, "i%05u", shown[s]);
            uint32_t code = od_dict_find(shop->own->items, od_str_c(id));
            if (code != OD_NO_CODE)
                item[count++] = code;
        }
        struct od_past_event past = {item[count / 2], 0, 1701300000};
        struct od_query query = {
            .events = &past, .event_count = 1, .item = OD_NO_CODE, .now_s = 1701300600};
        assert_int_equal(od_recipe_personalized_ranking.rank(model->model, &query, item, count,
                                                             &arena, score, &personal, NULL),
                         OD_OK);
        for (uint32_t i = 1; i < count; i++)
            best = score[i] > score[best] ? i : best;
        hits += best == TAKEN && count == SHOWN;
        od_arena_reset(&arena);
    }
    od_arena_done(&arena);
    return hits / ASKED;
}

static void price_is_understood_from_lists_alone(void **state)
{
    (void)state;
    struct shop shop;
    struct od_memory_model model = {0}, twin = {0}, plain = {0};
    shop_open(&shop, true, true);
    train(&shop, 1, &model);
    const struct od_ranking_header *h = od_ranking_header_of(model.model);
    assert_non_null(h);
    assert_true(h->ndcg > .95f && h->base_ndcg < .75f);
    assert_true(taken_first(&shop, &model) > .85);
    train(&shop, 2, &twin);
    assert_int_equal(model.image.bytes.len, twin.image.bytes.len);
    assert_memory_equal(model.bytes, twin.bytes, model.image.bytes.len);
    shop.view.lists = NULL;
    shop.view.impressions = NULL;
    train(&shop, 2, &plain);
    assert_null(od_ranking_header_of(plain.model));
    od_memory_model_done(&model);
    od_memory_model_done(&twin);
    od_memory_model_done(&plain);
    shop_close(&shop);
}

static void lists_that_tell_nothing_leave_the_base_alone(void **state)
{
    (void)state;
    struct shop shop;
    struct od_memory_model model = {0};
    struct od_arena arena;
    shop_open(&shop, false, true);
    train(&shop, 2, &model);
    const struct od_ranking_header *h = od_ranking_header_of(model.model);
    assert_true(!h || h->ndcg < .6f); /* chance is .45: validation may be fooled a little */
    uint32_t item[3] = {4, 2, 7};
    float ranked[3], *all = malloc(ITEMS * sizeof *all);
    bool personal;
    struct od_past_event past = {5, 0, 1701300000};
    struct od_query query = {
        .events = &past, .event_count = 1, .item = OD_NO_CODE, .now_s = 1701300600};
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(
        od_recipe_personalized_ranking.score(model.model, &query, &arena, all, &personal, NULL),
        OD_OK);
    assert_int_equal(od_recipe_personalized_ranking.rank(model.model, &query, item, 3, &arena,
                                                         ranked, &personal, NULL),
                     OD_OK);
    for (size_t i = 0; i < 3 && !h; i++)
        assert_true(ranked[i] >= all[item[i]] && ranked[i] <= all[item[i]]);
    od_arena_done(&arena);
    free(all);
    od_memory_model_done(&model);
    shop_close(&shop);
}

static void rows_by_hand(void **state)
{
    (void)state;
    struct shop shop;
    struct od_ranking_facts facts;
    struct od_arena arena;
    shop_open(&shop, true, true);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_ranking_facts_make(&shop.view, &facts, NULL), OD_OK);
    assert_int_equal(facts.numbers, 1);
    assert_int_equal(facts.categories, 1);
    const uint32_t *shown = facts.count + OD_RANKING_SHOWN * facts.items;
    for (uint32_t i = 0; i < facts.items; i++)
        assert_int_equal(shown[i], shop.impressions[i]);
    uint32_t item[3] = {0, 1, 2}, features = od_ranking_features(&facts);
    float base[3] = {1, 3, 2}, *rows = calloc(3 * features, sizeof *rows);
    struct od_past_event past[2] = {{1, 0, 1701300000}, {1, 0, 1701303600}};
    struct od_query query = {
        .events = past, .event_count = 2, .item = OD_NO_CODE, .now_s = 1701307200};
    assert_int_equal(od_ranking_rows(&facts, &query, item, base, 3, &arena, rows), OD_OK);
    assert_true(rows[0] == -2 && rows[features] == 0); /* gap to the base's best */
    const float *last = rows + features - 1;           /* share of the history alike */
    float first_price = facts.number[0], second_price = facts.number[1];
    assert_true(rows[features - 4] == first_price);
    assert_true(rows[features - 2] == first_price - second_price); /* gap to the history's mean */
    assert_true(last[features] == 1);
    free(rows);
    od_ranking_facts_done(&facts);
    od_arena_done(&arena);
    shop_close(&shop);
}

/* Every byte of the ranking's sections spoilt in turn is refused or harmless. */
static void images_of_strangers(void **state)
{
    (void)state;
    static const char *const names[] = {"ranking",        "ranking.trees", "ranking.nodes",
                                        "ranking.leaves", "ranking.at",    "ranking.value"};
    struct shop shop;
    struct od_memory_model model = {0};
    unsigned refused = 0;
    shop_open(&shop, true, true);
    train(&shop, 2, &model);
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        struct od_str section;
        assert_true(od_image_section(&model.image, names[s], &section));
        size_t step = section.len / 97 + 1;
        for (size_t at = 0; at < section.len; at += step) {
            char *byte = (char *)section.ptr + at, kept = *byte;
            struct od_model *opened = NULL;
            *byte = (char)~kept;
            if (od_recipe_personalized_ranking.open(&model.image, &opened, NULL) == OD_OK) {
                struct od_memory_model spoilt = {.model = opened};
                taken_first(&shop, &spoilt);
                od_recipe_personalized_ranking.close(opened);
            } else {
                refused++;
            }
            *byte = kept;
        }
    }
    assert_true(refused > 50);
    od_memory_model_done(&model);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(price_is_understood_from_lists_alone),
        cmocka_unit_test(lists_that_tell_nothing_leave_the_base_alone),
        cmocka_unit_test(rows_by_hand),
        cmocka_unit_test(images_of_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
