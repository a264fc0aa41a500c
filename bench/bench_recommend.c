/* What a recommendation costs beyond the model's own scoring: gathering, filters, softmax, top-K,
 * exploration, promotions, metadata, texts. The model is the test fixture's, whose score is one
 * addition an item. Also what histories take in memory. Then whole answers of
 * ondol-external-vectors, 64 dimensions and histories of 20, found by the scan, and for comparison
 * by the scores of all items.
 *
 *   make unit-serve && cc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc -Itests/unit bench/bench_recommend.c \
 *     -o build/bench_recommend -Wl,--start-group build/lib/[!acw]*.a -Wl,--end-group -lcmocka \
 *     -lopenblas -lcrypto -lsqlite3 -lsimdjson -lstdc++ -lm -lpthread && build/bench_recommend */
#include "serve/fixture.inc"

#include "base/limits.h"
#include "recipes/vector_image.inc"

static double now_us(void)
{
    return (double)od_io_real.monotonic_ns(&od_io_real) / 1000;
}

static void fill(struct fixture *f, uint32_t items)
{
    char id[16], user[16];
    for (uint32_t i = 0; i < items; i++) {
        snprintf(id, sizeof id, "i%06u", i);
        put_item(f, id, i % 3 ? "a|b" : "c", i % 100, NOW - (i % 50 ? 200 : 3) * DAY, "A title");
    }
    for (uint32_t i = 0; i < 200000; i++) {
        snprintf(user, sizeof user, "u%u", i % 10000);
        snprintf(id, sizeof id, "i%06u", (i * 7919) % items);
        event(f, user, NULL, id, i % 5 ? "view" : "buy", NOW - 1000000 + i);
    }
}

static void measure(struct fixture *f, const char *what, const struct od_recommend_query *query)
{
    double best = INFINITY;
    for (int round = 0; round < 5; round++) {
        int count = f->item_count > 50000 ? 100 : 1000;
        double start = now_us();
        for (int i = 0; i < count; i++) {
            struct od_recommend_query mine = *query;
            char user[16];
            snprintf(user, sizeof user, "u%d", i);
            mine.user = od_str_c(user);
            od_arena_reset(&f->arena);
            recommend(f, &mine);
        }
        double each = (now_us() - start) / count;
        best = each < best ? each : best;
    }
    printf("%8u items  %-34s %8.1f us\n", f->item_count, what, best);
}

static void bench(uint32_t items)
{
    void *state;
    setup(&state);
    struct fixture *f = state;
    fill(f, items);
    campaign(f, "aws-user-personalization", items, 1e-4F, 1, 0);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE < 50");
    add_filter(f, FILTER2, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")");
    struct od_recommend_query query = query_of("u1", 10);
    measure(f, "10 results", &query);
    query.num_results = 500;
    measure(f, "500 results", &query);
    query.num_results = 10;
    query.filter_arn = FILTER;
    measure(f, "with a filter on items (cached)", &query);
    query.filter_arn = FILTER2;
    measure(f, "without what the user has seen", &query);
    query.filter_arn = OD_STR_NONE;
    struct od_promotion_query promotion = {
        .name = OD_STR("p"), .percent = 30, .filter_arn = FILTER};
    query.promotion = &promotion;
    measure(f, "with a promotion", &query);
    query.promotion = NULL;
    const struct od_str columns[] = {OD_STR("TITLE"), OD_STR("GENRE"), OD_STR("PRICE")};
    query.metadata_columns = columns;
    query.metadata_column_count = 3;
    measure(f, "with three columns of metadata", &query);
    query.metadata_column_count = 0;
    campaign(f, "aws-user-personalization", items, 1e-4F, 1, -1);
    measure(f, "exploring (weight 0.3)", &query);
    struct od_serve_counts counts;
    od_serve_counts(f->serve, &counts);
    printf("%8u items  %llu events of %llu users in %.1f MB\n", items,
           (unsigned long long)counts.history_events, (unsigned long long)counts.users,
           (double)counts.history_bytes / 1e6);
    teardown(&state);
}

/* Items and a model of them; half of the prices are below 50. */
static void deploy_vectors(struct fixture *f, uint32_t items)
{
    struct vector_model m;
    struct od_random rng;
    struct od_buf bytes;
    struct od_dict *ids = od_dict_new();
    struct od_image_writer *writer = od_image_writer_new(OD_STR("ondol-external-vectors"), 1);
    char id[16];
    uint32_t code;
    for (uint32_t i = 0; i < items; i++) {
        snprintf(id, sizeof id, "i%07u", i);
        put_item(f, id, "a", i * 7919 % 100, NOW, "t");
        assert_int_equal(od_dict_add(ids, od_str_c(id), &code), OD_OK);
    }
    od_random_init(&rng, 1);
    vector_model_init(&m, items, 64, V_NORMAL, 100, &rng);
    vector_model_add(&m, ids, writer);
    od_buf_init(&bytes, SIZE_MAX);
    assert_int_equal(od_image_finish(writer, put_bytes, &bytes), OD_OK);
    assert_int_equal(od_io_write_file(&od_io_real, f->image, od_buf_view(&bytes), &f->err), OD_OK);
    od_buf_done(&bytes);
    od_image_writer_free(writer);
    od_dict_free(ids);
    vector_model_done(&m);
    struct od_campaign_setup setup = {.campaign_arn = CAMPAIGN,
                                      .group_arn = GROUP,
                                      .image_path = f->image,
                                      .exploration_weight = -1,
                                      .exploration_cutoff_days = -1};
    double began = now_us();
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_OK);
    printf("%8u items  %-34s %8.1f us\n", items, "vectors: opening the campaign", now_us() - began);
    f->item_count = items;
}

/* The best of single rounds of `together` queries, each. */
static void measure_vectors(struct fixture *f, const char *what, struct od_str filter,
                            size_t together)
{
    enum { MOST = 32 };
    static struct od_recommend_job jobs[MOST];
    static struct od_recommend_query queries[MOST];
    static char users[MOST][16];
    struct od_arena arenas[MOST];
    double best = INFINITY;
    for (size_t i = 0; i < together; i++)
        od_arena_init(&arenas[i], SIZE_MAX);
    for (unsigned round = 0; round < 20 + 20000000 / f->item_count; round++) {
        for (size_t i = 0; i < together; i++) {
            od_arena_reset(&arenas[i]);
            snprintf(users[i], sizeof users[i], "u%zu", (round * together + i) % 1000);
            queries[i] = query_of(users[i], 25);
            queries[i].filter_arn = filter;
            jobs[i] = (struct od_recommend_job){.query = &queries[i], .arena = &arenas[i]};
        }
        double began = now_us();
        od_serve_recommend_many(f->serve, jobs, together);
        double each = (now_us() - began) / (double)together;
        best = each < best ? each : best;
        assert_int_equal(jobs[0].status, OD_OK);
    }
    for (size_t i = 0; i < together; i++)
        od_arena_done(&arenas[i]);
    printf("%8u items  %-34s %8.1f us\n", f->item_count, what, best);
}

static void bench_vectors(uint32_t items)
{
    void *state;
    char id[16], user[16];
    setup(&state);
    struct fixture *f = state;
    f->serve->find_recipe = od_recipe_find;
    deploy_vectors(f, items);
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(user, sizeof user, "u%u", i % 1000);
        snprintf(id, sizeof id, "i%07u", (uint32_t)((uint64_t)i * 7919 % items));
        event(f, user, NULL, id, "view", NOW - 1000000 + i);
    }
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE < 50");
    measure_vectors(f, "vectors: one query", OD_STR_NONE, 1);
    measure_vectors(f, "vectors: half pass the filter", FILTER, 1);
    measure_vectors(f, "vectors: the same, 8 together", FILTER, 8);
    measure_vectors(f, "vectors: the same, 32 together", FILTER, 32);
    struct od_campaign *campaign = campaign_of(f);
    campaign->vectors = NULL; /* nobody else asks */
    measure_vectors(f, "vectors: by all scores", FILTER, 1);
    od_campaign_unref(campaign);
    teardown(&state);
}

int main(void)
{
    bench(5000);
    bench(100000);
    bench_vectors(100000);
    bench_vectors(1000000);
    return 0;
}
