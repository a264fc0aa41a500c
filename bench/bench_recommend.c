/* What a recommendation costs beyond the model's own scoring: gathering, filters, softmax, top-K,
 * exploration, promotions, metadata, texts. The model is the test fixture's, whose score is one
 * addition an item. Also what histories take in memory.
 *
 *   make unit-serve && cc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc -Itests/unit bench/bench_recommend.c \
 *     -o build/bench_recommend -Wl,--start-group build/lib/[!acw]*.a -Wl,--end-group -lcmocka \
 *     -lopenblas -lcrypto -lsqlite3 -lsimdjson -lstdc++ -lm -lpthread && build/bench_recommend */
#include "serve/fixture.inc"

#include "base/limits.h"

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

int main(void)
{
    bench(5000);
    bench(100000);
    return 0;
}
