/* Answers found by the scan against the ranking of all float scores: 10,000 random triples of
 * model, filter and user, in batches and alone, with promotions; and what shares a batch. */
#include "serve/fixture.inc"

#include "base/bitmap.h"
#include "math/scan_kernels.h"
#include "recipes/vector_image.inc"
#include "serve/explain.h"

enum { CATALOGUE = 2200, USERS = 40, MODELS = 200, FILTERS = 5, TOGETHER = 10, EVENTS = 12 };

#define EXTERNAL "ondol-external-vectors"
#define SEMANTIC "aws-semantic-similarity"

struct world {
    struct fixture *f;
    struct od_random rng;
    uint32_t code[CATALOGUE];        /* the model's, OD_NO_CODE: not in it */
    uint32_t item[CATALOGUE];        /* of a code */
    uint32_t history[USERS][EVENTS]; /* catalogue items, oldest first */
    size_t lengths[USERS];
    struct vector_model model;
    struct od_campaign *campaign; /* a reference */
    const char *recipe;
};

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)od_random_below(&w->rng, n);
}

static const char *item_id(uint32_t item)
{
    static char texts[8][16];
    static unsigned at;
    char *text = texts[at++ % 8];
    snprintf(text, sizeof texts[0], "i%06u", item);
    return text;
}

static uint32_t price(uint32_t item)
{
    return item * 7919 % 1000;
}

static void fill(struct world *w)
{
    char user[16];
    for (uint32_t i = 0; i < CATALOGUE; i++)
        put_item(w->f, item_id(i), i % 3 ? "a|b" : "c", price(i), NOW, "t");
    for (uint32_t u = 0; u < USERS; u++) {
        snprintf(user, sizeof user, "u%u", u);
        w->lengths[u] = u % 8 ? below(w, EVENTS + 1) : 0;
        for (size_t e = 0; e < w->lengths[u]; e++) {
            w->history[u][e] = below(w, u % 3 ? CATALOGUE : 60);
            event(w->f, user, NULL, item_id(w->history[u][e]), "view", NOW - 1000 + (int64_t)e);
        }
    }
}

/* A campaign of random items of the catalogue. */
static void deploy(struct world *w, uint32_t items, uint32_t dims, enum vector_kind kind,
                   unsigned percent, const char *recipe)
{
    struct od_dict *ids = od_dict_new();
    struct od_buf bytes;
    struct od_image_writer *writer = od_image_writer_new(od_str_c(recipe), 1);
    uint32_t left = items, code;
    w->recipe = recipe;
    for (uint32_t i = 0; i < CATALOGUE; i++) {
        w->code[i] = OD_NO_CODE;
        if (below(w, CATALOGUE - i) >= left)
            continue;
        w->code[i] = items - left--;
        w->item[w->code[i]] = i;
        assert_int_equal(od_dict_add(ids, od_str_c(item_id(i)), &code), OD_OK);
    }
    vector_model_init(&w->model, items, dims, kind, percent, &w->rng);
    vector_model_add(&w->model, ids, writer);
    od_buf_init(&bytes, SIZE_MAX);
    assert_int_equal(od_image_finish(writer, put_bytes, &bytes), OD_OK);
    unlink(w->f->image); /* the campaign before has it mapped */
    assert_int_equal(od_io_write_file(&od_io_real, w->f->image, od_buf_view(&bytes), &w->f->err),
                     OD_OK);
    od_buf_done(&bytes);
    od_image_writer_free(writer);
    od_dict_free(ids);
    struct od_campaign_setup setup = {.campaign_arn = CAMPAIGN,
                                      .group_arn = GROUP,
                                      .image_path = w->f->image,
                                      .exploration_weight = -1,
                                      .exploration_cutoff_days = -1};
    if (od_serve_campaign_set(w->f->serve, &setup, &w->f->err) != OD_OK)
        fail_msg("%s", w->f->err.message);
    w->campaign = campaign_of(w->f);
    assert_non_null(w->campaign->vectors);
    w->campaign->keeps.rule = (struct od_subset_rule){.after = 1, .slices = 2, .least_words = 1};
}

/* Filters whose result is searched as a matrix of its own. */
static size_t subsets(const struct world *w)
{
    const struct od_keep_cache *cache = &w->campaign->keeps;
    size_t whole = 0, bytes = 0;
    for (size_t i = 0; i < cache->count; i++) {
        whole += od_keep_subset(cache->slots[i].keep) != NULL;
        bytes += cache->slots[i].keep->subset.bytes;
    }
    assert_int_equal(cache->subset_bytes, bytes);
    assert_true(bytes <= od_scan_cells(w->model.items, w->model.dims));
    return whole;
}

static void undeploy(struct world *w)
{
    od_campaign_unref(w->campaign);
    vector_model_done(&w->model);
}

/* ---- filters, as strings and as this file understands them ---- */

struct sieve {
    unsigned kind, least; /* 0: none; 1: price below; 2: none passes; 3: unseen; 4: genre c */
    char value[16];
    struct od_filter_value values[1];
};

static const char *const expressions[] = {
    NULL, "INCLUDE ItemID WHERE Items.PRICE < $P", "INCLUDE ItemID WHERE Items.PRICE < -5",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")",
    "INCLUDE ItemID WHERE Items.GENRE IN (\"c\") AND Items.PRICE >= 0"};

static const char *const filter_arns[] = {NULL, "arn:aws:personalize:us-east-1:1:filter/price",
                                          "arn:aws:personalize:us-east-1:1:filter/no",
                                          "arn:aws:personalize:us-east-1:1:filter/seen",
                                          "arn:aws:personalize:us-east-1:1:filter/genre"};

static void choose_sieve(struct world *w, struct sieve *s, unsigned kind)
{
    *s = (struct sieve){.kind = kind, .least = 1u << below(w, 11)};
    snprintf(s->value, sizeof s->value, "%u", s->least);
    s->values[0] = (struct od_filter_value){.name = OD_STR("P"), .text = od_str_c(s->value)};
}

static bool passes(const struct world *w, const struct sieve *s, uint32_t user, uint32_t item)
{
    switch (s->kind) {
    case 1:
        return price(item) < s->least;
    case 2:
        return false;
    case 3:
        for (size_t e = 0; e < w->lengths[user]; e++)
            if (w->history[user][e] == item)
                return false;
        return true;
    case 4:
        return item % 3 == 0;
    default:
        return true;
    }
}

static void use_sieve(const struct sieve *s, struct od_recommend_query *query)
{
    if (s->kind == 0)
        return;
    query->filter_arn = od_str_c(filter_arns[s->kind]);
    query->filter_values = s->values;
    query->filter_value_count = s->kind == 1;
}

/* ---- brute force ---- */

/* The scores by the plain loop, and what may not be shown. */
static void brute_scores(const struct world *w, uint32_t user, uint32_t asked, float *scores)
{
    struct od_past_event events[EVENTS];
    struct od_query query = {.events = events, .item = asked, .now_s = NOW};
    struct od_arena scratch;
    bool personal;
    for (size_t e = 0; e < w->lengths[user]; e++)
        events[query.event_count++] = (struct od_past_event){.item = w->code[w->history[user][e]]};
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(
        w->campaign->recipe->score(w->campaign->model, &query, &scratch, scores, &personal, NULL),
        OD_OK);
    if (personal) {
        float u[OD_SCAN_DIMS] = {0}, s;
        enum od_vector_kind kind;
        assert_int_equal(w->campaign->recipe->vector(w->campaign->model, &query, u, &kind, NULL),
                         OD_OK);
        assert_int_equal(kind, OD_BY_VECTOR);
        for (uint32_t i = 0; i < w->model.items; i++) {
            if ((w->recipe[0] == 'o' && !od_bitmap_get(w->model.present, i)) || i == asked)
                continue;
            size_t width = od_scan_width(w->model.dims);
            od_scan_kernels_reference.scores(w->model.rows + i * width, 1, width, u, &s);
            assert_true(s == scores[i]);
        }
    }
    od_arena_done(&scratch);
}

/* The next in order of score and code that passes and is not taken; false: none. */
static bool brute_next(const struct world *w, const float *scores, const struct sieve *s,
                       uint32_t user, uint8_t *taken, uint32_t *out)
{
    uint32_t best = OD_NO_CODE;
    for (uint32_t i = 0; i < w->model.items; i++)
        if (!taken[i] && scores[i] > -INFINITY &&
            (best == OD_NO_CODE || scores[i] > scores[best]) && passes(w, s, user, w->item[i]))
            best = i;
    if (best == OD_NO_CODE)
        return false;
    taken[best] = 1;
    *out = w->item[best];
    return true;
}

static void expect_item(const struct od_ranked_item *item, uint32_t expected)
{
    if (!od_str_eq_c(item->id, item_id(expected)))
        fail_msg("%.*s instead of %s", OD_STR_ARG(item->id), item_id(expected));
}

static void check_answer(const struct world *w, const struct od_recommend_answer *answer,
                         const struct od_recommend_query *query, const struct sieve *s,
                         const struct sieve *promotion, uint32_t user, uint32_t asked)
{
    float *scores = calloc(w->model.items + 1, sizeof *scores);
    uint8_t *taken = calloc(w->model.items + 1, 1);
    uint32_t item;
    size_t promoted = 0, seen = 0, share = 0;
    brute_scores(w, user, asked, scores);
    if (query->promotion) {
        share = (size_t)query->num_results * (size_t)query->promotion->percent / 100;
        share = share ? share : query->num_results > 0;
    }
    for (size_t at = 0; promoted < share && brute_next(w, scores, promotion, user, taken, &item);
         promoted++) {
        while (at < answer->count && !answer->items[at].promotion.ptr)
            at++;
        assert_true(at < answer->count);
        expect_item(&answer->items[at++], item);
    }
    for (size_t at = 0;; at++) {
        while (at < answer->count && answer->items[at].promotion.ptr)
            at++, seen++;
        bool more = seen + (at - seen) < answer->count;
        bool room = at - seen < (size_t)query->num_results - promoted;
        if (!room || !brute_next(w, scores, s, user, taken, &item)) {
            assert_false(more);
            break;
        }
        assert_true(more);
        expect_item(&answer->items[at], item);
    }
    assert_int_equal(seen, promoted);
    free(scores);
    free(taken);
}

/* ---- the triples ---- */

struct asked {
    struct od_recommend_query query;
    struct od_promotion_query promotion;
    struct sieve sieve, promotion_sieve;
    uint32_t user, item; /* item: code */
    char user_id[16];
    struct od_arena arena;
};

static void prepare(struct world *w, struct asked *a, unsigned filter)
{
    a->user = below(w, USERS);
    snprintf(a->user_id, sizeof a->user_id, "u%u", a->user);
    a->query = query_of(a->user_id, below(w, 5) ? 25 : 1 + below(w, 300));
    a->item = OD_NO_CODE;
    if (w->recipe[0] == 'a') {
        uint32_t item = below(w, CATALOGUE);
        a->query.item = od_arena_str(&a->arena, od_str_c(item_id(item)));
        a->item = w->code[item];
    }
    choose_sieve(w, &a->sieve, filter);
    use_sieve(&a->sieve, &a->query);
    if (below(w, 6))
        return;
    choose_sieve(w, &a->promotion_sieve, 1 + below(w, 4));
    a->promotion =
        (struct od_promotion_query){.name = OD_STR("p"),
                                    .percent = 1 + (int)below(w, 100),
                                    .filter_arn = od_str_c(filter_arns[a->promotion_sieve.kind]),
                                    .values = a->promotion_sieve.values,
                                    .value_count = a->promotion_sieve.kind == 1};
    a->query.promotion = &a->promotion;
}

static void same_list(const struct od_recommend_answer *a, const struct od_recommend_answer *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_true(od_str_eq(a->items[i].id, b->items[i].id));
}

static void ask_together(struct world *w, unsigned filter)
{
    static struct asked asked[TOGETHER];
    static struct od_recommend_job jobs[TOGETHER];
    for (size_t i = 0; i < TOGETHER; i++) {
        od_arena_init(&asked[i].arena, SIZE_MAX);
        asked[i].promotion = (struct od_promotion_query){0};
        prepare(w, &asked[i], i % 2 ? filter : below(w, FILTERS));
        jobs[i] = (struct od_recommend_job){.query = &asked[i].query, .arena = &asked[i].arena};
    }
    od_serve_recommend_many(w->f->serve, jobs, TOGETHER);
    for (size_t i = 0; i < TOGETHER; i++) {
        struct asked *a = &asked[i];
        if (jobs[i].status != OD_OK)
            fail_msg("%s", jobs[i].error.message);
        check_answer(w, &jobs[i].answer, &a->query, &a->sieve, &a->promotion_sieve, a->user,
                     a->item);
        if (i == 0 && !a->query.promotion) {
            struct od_recommend_answer alone;
            assert_int_equal(od_serve_recommend(w->f->serve, &a->query, &a->arena, &alone, NULL),
                             OD_OK);
            same_list(&alone, &jobs[i].answer);
        }
        od_arena_done(&a->arena);
    }
}

static void start(struct world *w, void **state)
{
    *w = (struct world){.f = *state};
    od_random_init(&w->rng, 21);
    w->f->serve->find_recipe = od_recipe_find;
    fill(w);
    for (size_t i = 1; i < FILTERS; i++)
        add_filter(w->f, od_str_c(filter_arns[i]), expressions[i]);
}

static void ten_thousand_answers_are_those_of_all_float_scores(void **state)
{
    static const uint32_t sizes[] = {1, 7, 63, 64, 65, 300, 500, 900, 2000};
    static const uint32_t widths[] = {1, 2, 3, 8, 17, 64, 64, 100};
    static const unsigned percents[] = {100, 100, 90, 40, 5, 0};
    struct world *w = malloc(sizeof *w);
    size_t used = 0;
    start(w, state);
    for (unsigned m = 0; m < MODELS; m++) {
        deploy(w, sizes[below(w, 9)], widths[below(w, 8)], (enum vector_kind)(m % V_KINDS),
               percents[below(w, 6)], m % 4 == 3 ? SEMANTIC : EXTERNAL);
        for (unsigned filter = 0; filter < FILTERS; filter++)
            ask_together(w, filter);
        used += subsets(w);
        undeploy(w);
    }
    assert_true(used > MODELS / 2);
    free(w);
}

/* ---- what else ---- */

static void a_batch_holds_any_mix_and_each_fails_alone(void **state)
{
    struct world *w = malloc(sizeof *w);
    start(w, state);
    w->f->serve->find_recipe = find_fake;
    campaign(w->f, "aws-popularity-count", 50, 1, 1, -1);
    w->f->serve->find_recipe = od_recipe_find;
    struct od_campaign_setup other = {.campaign_arn = OTHER, .group_arn = GROUP};
    char path[80];
    snprintf(path, sizeof path, "%s.other", w->f->image);
    assert_int_equal(rename(w->f->image, path), 0);
    other.image_path = path;
    w->f->serve->find_recipe = find_fake;
    assert_int_equal(od_serve_campaign_set(w->f->serve, &other, &w->f->err), OD_OK);
    w->f->serve->find_recipe = od_recipe_find;
    deploy(w, 500, 16, V_NORMAL, 100, EXTERNAL);

    enum { JOBS = 150 };
    struct od_recommend_job *jobs = calloc(JOBS, sizeof *jobs);
    struct od_recommend_query *queries = calloc(JOBS, sizeof *queries);
    struct od_arena *arenas = calloc(JOBS, sizeof *arenas);
    uint64_t seeds[JOBS];
    for (size_t i = 0; i < JOBS; i++) {
        queries[i] = query_of(i % 2 ? "u1" : "u5", 10);
        seeds[i] = i;
        queries[i].seed = &seeds[i];
        if (i % 5 == 1)
            queries[i].campaign_arn = OTHER;
        if (i % 5 == 2)
            queries[i].campaign_arn = OD_STR("arn:aws:personalize:us-east-1:1:campaign/none");
        if (i % 5 == 3)
            queries[i].num_results = 501;
        od_arena_init(&arenas[i], SIZE_MAX);
        jobs[i] = (struct od_recommend_job){.query = &queries[i], .arena = &arenas[i]};
    }
    od_serve_recommend_many(w->f->serve, jobs, JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        struct od_recommend_answer alone;
        struct od_error err = {0};
        enum od_status status =
            od_serve_recommend(w->f->serve, &queries[i], &arenas[i], &alone, &err);
        assert_int_equal(jobs[i].status, status);
        if (status == OD_OK) {
            same_list(&alone, &jobs[i].answer);
            assert_string_equal(alone.recommendation_id, jobs[i].answer.recommendation_id);
        } else {
            assert_string_equal(jobs[i].error.message, err.message);
        }
        od_arena_done(&arenas[i]);
    }
    assert_int_equal(jobs[2].status, OD_NOT_FOUND);
    assert_int_equal(jobs[3].status, OD_INVALID_INPUT);
    free(jobs);
    free(queries);
    free(arenas);
    undeploy(w);
    unlink(path);
    free(w);
}

/* Work is done in parts, for filters that come again; the least used make room; a change of an item
 * ends them all. */
static void subsets_come_and_go(void **state)
{
    struct world *w = malloc(sizeof *w);
    struct sieve sieve;
    start(w, state);
    deploy(w, 2000, 16, V_NORMAL, 100, EXTERNAL);
    struct od_keep_cache *cache = &w->campaign->keeps;
    cache->rule = (struct od_subset_rule){.after = 3, .slices = 8, .least_words = 32};
    choose_sieve(w, &sieve, 4);
    char user[16];
    uint32_t known = 0; /* to the model */
    while (w->lengths[known] < EVENTS / 2)
        known++;
    snprintf(user, sizeof user, "u%u", known);
    struct od_recommend_query query = query_of(user, 25);
    use_sieve(&sieve, &query);
    for (unsigned pass = 1; pass <= 6; pass++) {
        recommend(w->f, &query);
        assert_int_equal(subsets(w), pass >= 3 + 2); /* of a third of 32 words, 5 at a time */
        assert_int_equal(cache->subset_bytes > 0, pass >= 3);
    }
    choose_sieve(w, &sieve, 1); /* seven values, one of which all but passes all */
    size_t most = 0;
    for (unsigned round = 0; round < 40; round++)
        for (unsigned power = 4; power < 11; power++) {
            snprintf(sieve.value, sizeof sieve.value, "%u", 1u << power);
            sieve.values[0].text = od_str_c(sieve.value);
            use_sieve(&sieve, &query);
            recommend(w->f, &query);
            most = subsets(w) > most ? subsets(w) : most;
        }
    assert_true(most > 3 && most < 8);
    size_t full = cache->subset_bytes;
    choose_sieve(w, &sieve, 4);
    query.filter_value_count = 0;
    for (unsigned round = 0; round < 1100; round++) {
        use_sieve(&sieve, &query);
        recommend(w->f, &query);
    }
    assert_int_equal(cache->subset_bytes, full); /* it has its own already */
    choose_sieve(w, &sieve, 1);
    sieve.values[0].text = OD_STR("350");
    use_sieve(&sieve, &query);
    for (unsigned pass = 1; pass <= 3 + 4; pass++)
        recommend(w->f, &query);
    for (size_t i = 0; i < cache->count; i++) /* the last, for which others went */
        if (cache->slots[i].used == cache->tick)
            assert_non_null(od_keep_subset(cache->slots[i].keep));
    assert_true(subsets(w) < most);
    put_item(w->f, item_id(0), "c", 3, NOW, "t");
    recommend(w->f, &query);
    assert_int_equal(cache->subset_bytes, 0);
    assert_int_equal(subsets(w), 0);
    undeploy(w);
    free(w);
}

/* An explanation looks at all scores: the same list. */
static void an_explanation_has_the_same_list(void **state)
{
    struct world *w = malloc(sizeof *w);
    start(w, state);
    deploy(w, 900, 24, V_TIES, 70, EXTERNAL);
    struct od_recommend_query query = query_of("u1", 25);
    uint64_t seed = 5;
    query.seed = &seed;
    query.filter_arn = od_str_c(filter_arns[4]);
    recommend(w->f, &query);
    assert_int_equal(w->f->answer.count, 25);
    struct od_str items[25];
    for (size_t i = 0; i < 25; i++)
        items[i] = w->f->answer.items[i].id;
    struct od_explain_query explain = {.ask = &query, .items = items, .item_count = 25};
    struct od_explanation out;
    if (od_serve_explain(w->f->serve, &explain, &w->f->arena, &out, &w->f->err) != OD_OK)
        fail_msg("%s", w->f->err.message);
    for (size_t i = 0; i < 25; i++) {
        assert_int_equal(out.items[i].place, i + 1);
        assert_int_equal(out.items[i].rank, i + 1);
    }
    undeploy(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_answers_are_those_of_all_float_scores, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_batch_holds_any_mix_and_each_fails_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(subsets_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(an_explanation_has_the_same_list, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
