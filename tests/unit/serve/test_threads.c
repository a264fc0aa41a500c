/* Eight threads ask without pause while one thread does all that the store thread may do, putting
 * campaigns to sleep included, and another reloads bulk data. Run with SANITIZER=thread; without it
 * the checks on each answer still bite. */
#include "serve/fixture.inc"
#include "serve/actor.inc"
#include "serve/chunks.inc"

#include <pthread.h>
#include <stdatomic.h>

#define ACTION_CAMPAIGN OD_STR("arn:aws:personalize:us-east-1:1:campaign/actions")
#define ACTION_FILTER   OD_STR("arn:aws:personalize:us-east-1:1:filter/actions")

enum { ASKERS = 8, ROUNDS = 60, ITEMS = 300 };

struct stage {
    struct fixture *f;
    atomic_bool over;
    atomic_int answers, reloads, failures;
};

/* Every answer is whole: the promised number of distinct items, in order of score. */
static bool is_whole(const struct od_recommend_answer *answer, size_t wanted)
{
    if (answer->count != wanted)
        return false;
    for (size_t i = 1; i < answer->count; i++) {
        if (answer->items[i].has_score && answer->items[i].score > answer->items[i - 1].score)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (od_str_eq(answer->items[i].id, answer->items[j].id))
                return false;
        }
    }
    return strlen(answer->recommendation_id) == 40;
}

static void *ask(void *context)
{
    struct stage *stage = context;
    struct od_serve *serve = stage->f->serve;
    struct od_arena arena;
    struct od_error err;
    const struct od_str columns[] = {OD_STR("TITLE"), OD_STR("PRICE")};
    od_arena_init(&arena, SIZE_MAX);
    for (int i = 0; !atomic_load(&stage->over); i++) {
        struct od_recommend_answer answer;
        struct od_impression_list list;
        struct od_recommend_query query = query_of("u1", 10);
        query.now_ms += i;
        if (i % 3 == 1)
            query.filter_arn = FILTER;
        if (i % 3 == 2)
            query.filter_arn = FILTER2;
        if (i % 2) {
            query.metadata_columns = columns;
            query.metadata_column_count = 2;
        }
        if (od_serve_recommend(serve, &query, &arena, &answer, &err) != OD_OK ||
            !is_whole(&answer, 10) ||
            od_serve_impressions(serve, GROUP, od_str_c(answer.recommendation_id), &arena, &list) !=
                OD_OK)
            atomic_fetch_add(&stage->failures, 1);
        atomic_fetch_add(&stage->answers, 1);
        od_arena_reset(&arena);
    }
    od_arena_done(&arena);
    return NULL;
}

/* The same of actions, whose scores tell nothing of their order. */
static void *ask_actions(void *context)
{
    struct stage *stage = context;
    struct od_serve *serve = stage->f->serve;
    struct od_arena arena;
    struct od_error err;
    od_arena_init(&arena, SIZE_MAX);
    for (int i = 0; !atomic_load(&stage->over); i++) {
        struct od_recommend_answer answer;
        struct od_impression_list list;
        struct od_recommend_query query = query_of("u1", -1);
        query.campaign_arn = ACTION_CAMPAIGN;
        if (i % 2)
            query.filter_arn = ACTION_FILTER;
        if (od_serve_actions(serve, &query, &arena, &answer, &err) != OD_OK ||
            (i % 2 == 0 && answer.count != ACTIONS - 1) ||
            od_serve_impressions(serve, GROUP, od_str_c(answer.recommendation_id), &arena, &list) !=
                OD_OK ||
            !list.actions)
            atomic_fetch_add(&stage->failures, 1);
        od_arena_reset(&arena);
    }
    od_arena_done(&arena);
    return NULL;
}

static enum od_status load_actions(struct stage *stage, struct od_arena *arena, int i)
{
    struct od_schema schema;
    struct od_error err;
    struct od_reload *replacement;
    char fresh[16];
    bool records = i % 2;
    const char *text = records ? ACTIONS_SCHEMA : ACTION_EVENTS_SCHEMA;
    snprintf(fresh, sizeof fresh, "bulk%d", i % 100);
    const char *cells[] = {fresh, "1", NULL, NULL, "a2", "2", NULL, NULL};
    const char *events[] = {"u1", fresh, "Taken", "1", NULL, "u1", "a3", "Viewed", "2", "a1|a2"};
    enum od_status status = od_schema_parse(arena, od_str_c(text), OD_DOMAIN_NONE, &schema, &err);
    if (status != OD_OK)
        return status;
    struct od_chunk chunk = chunk_of(arena, &schema, records ? cells : events, 2);
    status = od_reload_begin(stage->f->serve, GROUP, schema.type, &replacement, &err);
    if (status != OD_OK)
        return status;
    status = od_reload_chunk(replacement, &schema, &chunk);
    if (status == OD_OK)
        return od_reload_commit(replacement, &err);
    od_reload_abort(replacement);
    return status;
}

static void *reload(void *context)
{
    struct stage *stage = context;
    struct od_arena arena;
    struct od_error err;
    char histories[] = "/tmp/ondol-histories-XXXXXX"; /* every other time, in a mapped file */
    int made = mkstemp(histories);
    if (made < 0)
        atomic_fetch_add(&stage->failures, 1);
    od_arena_init(&arena, SIZE_MAX);
    for (int i = 0; !atomic_load(&stage->over); i++) {
        struct od_schema schema;
        bool items = i % 2;
        char fresh[16], user[16];
        snprintf(fresh, sizeof fresh, "bulk%d", i % 100);
        snprintf(user, sizeof user, "u%d", i % 7);
        const char *item_cells[] = {fresh, "g", "1", NULL, "t", "i003", "g", "2", NULL, "t"};
        const char *event_cells[] = {user, fresh,  "1", "view", NULL,
                                     "u1", "i005", "2", "buy",  "i001|i002"};
        od_arena_reset(&arena);
        enum od_status loaded = load_actions(stage, &arena, i / 2);
        if (loaded != OD_OK && loaded != OD_IN_USE)
            atomic_fetch_add(&stage->failures, 1);
        if (od_schema_parse(&arena, od_str_c(items ? ITEMS_SCHEMA : INTERACTIONS_SCHEMA),
                            OD_DOMAIN_NONE, &schema, &err) != OD_OK)
            break;
        struct od_chunk chunk = chunk_of(&arena, &schema, items ? item_cells : event_cells, 2);
        struct od_reload *replacement;
        enum od_dataset_type type = items ? OD_ITEMS : OD_INTERACTIONS;
        if (od_reload_begin(stage->f->serve, GROUP, type, &replacement, &err) != OD_OK)
            continue;
        if (od_reload_chunk(replacement, &schema, &chunk) != OD_OK) {
            atomic_fetch_add(&stage->failures, 1);
            od_reload_abort(replacement);
            continue;
        }
        if (!items && i % 4 == 0 && od_reload_fold(replacement, histories, 1, 0, &err) != OD_OK)
            atomic_fetch_add(&stage->failures, 1);
        enum od_status status = od_reload_commit(replacement, &err);
        if (status == OD_OK)
            atomic_fetch_add(&stage->reloads, 1);
        else if (status != OD_IN_USE) /* its dataset got another schema */
            atomic_fetch_add(&stage->failures, 1);
    }
    close(made);
    unlink(histories);
    od_arena_done(&arena);
    return NULL;
}

static void change(struct fixture *f, int round)
{
    char name[16], item[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "u%d", i % 5);
        snprintf(item, sizeof item, i % 10 ? "i%03d" : "live%d", (round * 7 + i) % ITEMS);
        event(f, i % 3 ? name : NULL, i % 2 ? "session" : "other", item, i % 4 ? "view" : "buy",
              NOW + round);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(item, sizeof item, i % 5 ? "a%d" : "live%d", (round + i) % ACTIONS);
        act(f, i % 3 ? "u1" : NULL, i % 2 ? "session" : "other", item, "Viewed", NOW + round);
    }
    put_action(f, "a1", round, 0, 0);
    if (round % 3 == 0)
        action_campaign(f, ACTION_CAMPAIGN);
    if (round % 10 == 5)
        dataset(f, GROUP, OD_ACTIONS, ACTIONS_SCHEMA);
    put_user(f, "u1", round);
    if (round % 3 == 0)
        campaign(f, round % 2 ? "aws-user-personalization" : "aws-trending-now", ITEMS, 0.01F, 1,
                 1);
    if (round % 5 == 0)
        add_filter(f, OTHER, "EXCLUDE ItemID WHERE Items.PRICE > 7");
    if (round % 5 == 3)
        od_serve_filter_remove(f->serve, OTHER);
    if (round % 10 == 0)
        dataset(f, GROUP, OD_ITEMS, round % 20 ? ITEMS_SCHEMA_GROWN : ITEMS_SCHEMA);
    if (round % 10 != 0 && round % 20 < 10) {
        snprintf(item, sizeof item, "i%03d", round);
        put_item(f, item, "g", round, NOW, "title");
    }
    od_serve_rest(f->serve, round % 4 ? 1000000 : 0);
    struct od_serve_counts counts;
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.campaigns, 2);
}

/* A busy machine may leave a thread out for many rounds. */
static bool is_enough(struct stage *stage)
{
    return atomic_load(&stage->answers) > 10 * ASKERS && atomic_load(&stage->reloads) > 10;
}

static void queries_are_whole_while_everything_changes(void **state)
{
    struct stage stage = {.f = *state};
    pthread_t askers[ASKERS], loader;
    stage.f->serve->find_recipe = find_actor;
    dataset(stage.f, GROUP, OD_ACTIONS, ACTIONS_SCHEMA);
    dataset(stage.f, GROUP, OD_ACTION_INTERACTIONS, ACTION_EVENTS_SCHEMA);
    action_campaign(stage.f, ACTION_CAMPAIGN);
    add_filter(stage.f, ACTION_FILTER,
               "EXCLUDE ActionID WHERE Actions.VALUE > 5 | EXCLUDE ActionID WHERE "
               "Action_Interactions.EVENT_TYPE IN (\"Taken\")");
    campaign(stage.f, "aws-user-personalization", ITEMS, 0.01F, 1, 1);
    add_filter(stage.f, FILTER, "EXCLUDE ItemID WHERE Items.PRICE > 5");
    add_filter(stage.f, FILTER2,
               "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"buy\") | EXCLUDE ItemID WHERE "
               "Items.GENRE IN (\"none\") IF CurrentUser.AGE > 3");
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&askers[i], NULL, i % 4 ? ask : ask_actions, &stage), 0);
    assert_int_equal(pthread_create(&loader, NULL, reload, &stage), 0);
    for (int round = 1; round <= ROUNDS || (round <= 100 * ROUNDS && !is_enough(&stage)); round++)
        change(stage.f, round);
    atomic_store(&stage.over, true);
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);
    pthread_join(loader, NULL);
    assert_true(is_enough(&stage));
    print_message("%d answers, %d reloads\n", atomic_load(&stage.answers),
                  atomic_load(&stage.reloads));
    assert_int_equal(atomic_load(&stage.failures), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queries_are_whole_while_everything_changes, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
