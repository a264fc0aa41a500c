/* Next-best-action in a world with known propensities (nba_world.h): the golden table
 * next-best-action.md on standard output.
 *
 *     next_best_action SEED THREADS
 *
 * For RANDOM_WEEKS weeks actions are shown at random; from then on each policy goes its own way,
 * with a model trained every week on what it has seen. All policies meet the same users at the same
 * times, with the same luck. Regret is the propensity of the best action less that of the one
 * shown. Calibration is measured against the propensities themselves. */
#include <time.h>

#include "data/table.h"
#include "nba_world.h"
#include "propensity.h"
#include "recipes/action.h"
#include "recipes/metrics.h"

enum policy { RANDOM, MOST_TAKEN, GREEDY, EPSILON, ONDOL, ORACLE, POLICIES };
static const char *const names[POLICIES] = {"random",
                                            "most taken",
                                            "Ondol, no exploration",
                                            "Ondol, epsilon-greedy 0.1",
                                            "Ondol (Thompson for new actions)",
                                            "oracle"};

struct tables {
    struct od_arena arena;
    struct od_schema actions_schema, users_schema;
    struct od_table *actions[2], *users; /* before and from NEW_WEEK on */
};

struct trained {
    struct od_training *items, *actions;
    struct od_memory_model model;
    uint32_t action_code[ACTIONS], item_code[ITEMS];
    double seconds;
};

struct run {
    const struct world *world;
    struct tables tables;
    struct history *items, *actions;
    uint64_t seed;
    unsigned threads;
};

static void check(enum od_status s, const struct od_error *err)
{
    if (s != OD_OK) {
        fprintf(stderr, "next_best_action: %s\n", err->message);
        exit(1);
    }
}

/* --- tables --- */

static struct od_table *make_table(struct tables *t, struct od_schema *schema, const char *text)
{
    struct od_error err = {0};
    check(od_schema_parse(&t->arena, od_str_c(text), OD_DOMAIN_NONE, schema, &err), &err);
    struct od_table *table = od_table_new(schema);
    if (!table)
        abort();
    return table;
}

static void put_action(struct od_table *table, const struct world *w, uint32_t a)
{
    static const char *const types[TYPES] = {"offer", "content", "survey", "upgrade"};
    char id[8];
    snprintf(id, sizeof id, "a%02u", a);
    struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                {.kind = OD_VALUE_TEXT, .text = od_str_c(types[a % TYPES])},
                                {.kind = OD_VALUE_INTEGER, .integer = w->value[a]}};
    struct od_error err = {0};
    check(od_table_put(table, values), &err);
}

#define SCHEMA(name, fields)                                                                       \
    "{\"type\":\"record\",\"name\":\"" name                                                        \
    "\",\"namespace\":\"com.amazonaws.personalize.schema\",\"fields\":[" fields                    \
    "],\"version\":\"1.0\"}"

static void tables_init(struct tables *t, const struct world *w)
{
    const char *actions = SCHEMA("Actions", "{\"name\":\"ACTION_ID\",\"type\":\"string\"},"
                                            "{\"name\":\"TYPE\",\"type\":[\"null\",\"string\"]},"
                                            "{\"name\":\"VALUE\",\"type\":[\"null\",\"long\"]}");
    const char *users = SCHEMA("Users", "{\"name\":\"USER_ID\",\"type\":\"string\"},"
                                        "{\"name\":\"SEGMENT\",\"type\":\"string\","
                                        "\"categorical\":true},"
                                        "{\"name\":\"AGE\",\"type\":\"int\"}");
    od_arena_init(&t->arena, 1u << 20);
    for (int i = 0; i < 2; i++) {
        t->actions[i] = make_table(t, &t->actions_schema, actions);
        for (uint32_t a = 0; a < (i ? ACTIONS : OLD_ACTIONS); a++)
            put_action(t->actions[i], w, a);
    }
    t->users = make_table(t, &t->users_schema, users);
    for (uint32_t u = 0; u < USERS; u++) {
        char id[8], segment[4];
        snprintf(id, sizeof id, "u%05u", u);
        snprintf(segment, sizeof segment, "s%u", w->segment[u]);
        struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                    {.kind = OD_VALUE_TEXT, .text = od_str_c(segment)},
                                    {.kind = OD_VALUE_INTEGER, .integer = w->age[u]}};
        struct od_error err = {0};
        check(od_table_put(t->users, values), &err);
    }
}

static void tables_done(struct tables *t)
{
    od_table_free(t->actions[0]);
    od_table_free(t->actions[1]);
    od_table_free(t->users);
    od_arena_done(&t->arena);
}

/* --- training --- */

static struct od_training *make_training(const struct history *h, const char *form, bool typed)
{
    static const char *const types[] = {"Taken", "Not Taken", "Viewed"};
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_training *t = NULL;
    struct od_error err = {0};
    for (uint32_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < h->of[u].count; i++) {
            const struct happened *e = &h->of[u].list[i];
            char user[8], thing[8];
            snprintf(user, sizeof user, "u%05u", u);
            snprintf(thing, sizeof thing, form, e->thing);
            struct od_str type = typed ? od_str_c(types[e->type]) : OD_STR_NONE;
            check(
                od_training_add_event(b, od_str_c(user), od_str_c(thing), type, e->time, false, 0),
                &err);
        }
    check(od_training_finish(b, &t, &err), &err);
    od_training_builder_free(b);
    return t;
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    return od_recipe_next_best_action.train(input, image, NULL, err);
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void train(struct run *run, bool with_new, struct trained *out)
{
    const struct od_recipe *recipe = &od_recipe_next_best_action;
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    struct od_param_value params[4];
    struct od_error err = {0};
    check(od_recipe_params_default(spec, params), &err);
    out->items = make_training(run->items, "i%02u", false);
    out->actions = make_training(run->actions, "a%02u", true);
    out->items->user_table = run->tables.users;
    struct od_train_input input = {.training = out->items,
                                   .actions = out->actions,
                                   .action_table = run->tables.actions[with_new],
                                   .spec = spec,
                                   .params = params,
                                   .seed = run->seed,
                                   .threads = run->threads};
    double begun = now_seconds();
    check(od_memory_model_fit(recipe, fit, &input, &out->model, &err), &err);
    out->seconds = now_seconds() - begun;
    for (uint32_t a = 0; a < ACTIONS; a++) {
        char id[8];
        snprintf(id, sizeof id, "a%02u", a);
        out->action_code[a] = od_image_dict_find(recipe->items(out->model.model), od_str_c(id));
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%02u", i);
        out->item_code[i] = od_image_dict_find(recipe->event_items(out->model.model), od_str_c(id));
    }
}

static void trained_done(struct trained *t)
{
    if (t->items)
        od_memory_model_done(&t->model);
    od_training_free(t->items);
    od_training_free(t->actions);
    *t = (struct trained){0};
}

/* --- asking --- */

#define PAST 200

static size_t past_of(const struct past *h, const uint32_t *code, int64_t now,
                      struct od_past_event *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct happened *e = &h->list[i];
        if (e->time >= now || code[e->thing] == OD_NO_CODE)
            continue;
        if (n == PAST)
            memmove(out, out + 1, --n * sizeof *out);
        out[n++] = (struct od_past_event){code[e->thing], e->type, e->time};
    }
    return n;
}

/* Scores by the world's numbers of actions; -INFINITY for those the model does not know. */
static void ask(const struct run *run, const struct trained *t, uint32_t user, int64_t now,
                uint64_t seed, float *scores)
{
    const struct od_recipe *recipe = &od_recipe_next_best_action;
    struct od_past_event items[PAST], actions[PAST];
    struct od_arena arena;
    char id[8];
    float own[ACTIONS];
    bool personal;
    struct od_error err = {0};
    struct od_query q = {
        .events = items, .action_events = actions, .item = OD_NO_CODE, .now_s = now, .seed = seed};
    od_arena_init(&arena, 1u << 24);
    q.event_count = past_of(&run->items->of[user], t->item_code, now, items);
    q.action_event_count = past_of(&run->actions->of[user], t->action_code, now, actions);
    snprintf(id, sizeof id, "u%05u", user);
    check(od_action_record_read(run->tables.users, od_str_c(id), &arena, &q), &err);
    check(recipe->score(t->model.model, &q, &arena, own, &personal, &err), &err);
    for (uint32_t a = 0; a < ACTIONS; a++)
        scores[a] = t->action_code[a] == OD_NO_CODE ? -INFINITY : own[t->action_code[a]];
    od_arena_done(&arena);
}

static uint32_t best_of(const float *scores, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t a = 1; a < count; a++)
        if (scores[a] > scores[best])
            best = a;
    return best;
}

static uint32_t most_taken(const struct history *h, uint32_t count)
{
    double shown[ACTIONS] = {0}, taken[ACTIONS] = {0};
    float rate[ACTIONS];
    for (uint32_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < h->of[u].count; i++) {
            const struct happened *e = &h->of[u].list[i];
            shown[e->thing] += e->type != OD_ACTION_VIEWED;
            taken[e->thing] += e->type == OD_ACTION_TAKEN;
        }
    for (uint32_t a = 0; a < count; a++)
        rate[a] = (float)((taken[a] + 1) / (shown[a] + 4));
    return best_of(rate, count);
}

static uint32_t choose(const struct run *run, enum policy policy, const struct trained *t,
                       uint32_t user, int64_t now, uint32_t count, uint32_t common,
                       struct od_random *rng)
{
    float scores[ACTIONS];
    uint32_t random = (uint32_t)od_random_below(rng, count);
    double coin = od_random_double(rng);
    uint64_t seed = od_random_u64(rng) | 1;
    if (policy == RANDOM || (policy == EPSILON && coin < 0.1))
        return random;
    if (policy == MOST_TAKEN)
        return common;
    if (policy == ORACLE) {
        for (uint32_t a = 0; a < count; a++)
            scores[a] = (float)propensity(run->world, run->actions, user, a, now);
        return best_of(scores, count);
    }
    ask(run, t, user, now, policy == ONDOL ? seed : 0, scores);
    return best_of(scores, count);
}

/* --- one policy through time --- */

struct outcome {
    double regret[WEEKS], decisions[WEEKS], shown_new, seconds, trainings;
};

static void meet(struct run *run, enum policy policy, const struct trained *t, int week,
                 struct outcome *out)
{
    uint32_t count = week >= NEW_WEEK ? ACTIONS : OLD_ACTIONS;
    struct od_random rng, luck;
    od_random_init2(&rng, run->seed + 1000, (uint64_t)week);
    od_random_init2(&luck, run->seed + 2000, (uint64_t)week);
    uint32_t common = most_taken(run->actions, count);
    for (uint32_t i = 0; i < USERS * 6 / 10; i++) {
        uint32_t user = (uint32_t)od_random_below(&luck, USERS);
        double lucky = od_random_double(&luck);
        int64_t now = START_S + week * WEEK_S + WEEK_S / 2 + 1 + i * (WEEK_S / 2 / USERS);
        uint32_t a =
            choose(run, week < RANDOM_WEEKS ? RANDOM : policy, t, user, now, count, common, &rng);
        double best = 0, p = propensity(run->world, run->actions, user, a, now);
        for (uint32_t b = 0; b < count; b++)
            best = fmax(best, propensity(run->world, run->actions, user, b, now));
        out->regret[week] += best - p;
        out->decisions[week]++;
        out->shown_new += a >= OLD_ACTIONS;
        happen(run->actions, (struct happened){user, a, OD_ACTION_VIEWED, now});
        happen(
            run->actions,
            (struct happened){user, a, lucky < p ? OD_ACTION_TAKEN : OD_ACTION_NOT_TAKEN, now + 1});
    }
}

/* The run's history is what the policy made of it; its last model stays in *last. */
static void go(struct run *run, enum policy policy, struct outcome *out, struct trained *last)
{
    bool models = policy == GREEDY || policy == EPSILON || policy == ONDOL;
    for (int week = 0; week < WEEKS; week++) {
        live_week(run->world, run->seed + 3000, week, run->items);
        if (models && week >= RANDOM_WEEKS) {
            trained_done(last);
            train(run, week >= NEW_WEEK, last);
            out->seconds += last->seconds;
            out->trainings++;
        }
        meet(run, policy, last, week, out);
    }
}

/* --- calibration and off-policy estimates, against the truth --- */

struct quality {
    double loss, least_loss, ece, auc, pairs;
};

struct point {
    double q, p;
    bool taken;
};

static int compare_points(const void *a, const void *b)
{
    double x = ((const struct point *)a)->q, y = ((const struct point *)b)->q;
    return (x > y) - (x < y);
}

static struct quality measure(const struct run *run, const struct trained *t, uint64_t seed)
{
    enum { ASKED = 1500, BINS = 10 };
    struct point *points = calloc(ASKED * ACTIONS, sizeof *points);
    struct quality out = {0};
    struct od_random rng;
    size_t n = 0;
    int64_t now = START_S + WEEKS * WEEK_S;
    od_random_init(&rng, seed);
    for (int i = 0; points && i < ASKED; i++) {
        float scores[ACTIONS];
        uint32_t user = (uint32_t)od_random_below(&rng, USERS);
        ask(run, t, user, now, 0, scores);
        for (uint32_t a = 0; a < ACTIONS; a++)
            if (t->action_code[a] != OD_NO_CODE &&
                od_recipe_next_best_action.scored(t->model.model, t->action_code[a])) {
                double p = propensity(run->world, run->actions, user, a, now);
                points[n++] = (struct point){fmin(fmax((double)scores[a], 1e-6), 1 - 1e-6), p,
                                             od_random_double(&rng) < p};
            }
    }
    qsort(points, n, sizeof *points, compare_points);
    double below = 0, taken = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double p = points[i].p, q = points[i].q;
        out.loss -= (p * log(q) + (1 - p) * log(1 - q)) / (double)n;
        out.least_loss -= (p * log(p) + (1 - p) * log(1 - p)) / (double)n;
        taken += points[i].taken;
        sum += points[i].taken ? below : 0;
        below += !points[i].taken;
    }
    out.auc = sum / (taken * below);
    for (int b = 0; b < BINS; b++) {
        double gap = 0;
        for (size_t i = n * (size_t)b / BINS; i < n * (size_t)(b + 1) / BINS; i++)
            gap += points[i].q - points[i].p;
        out.ece += fabs(gap) / (double)n;
    }
    out.pairs = (double)n;
    free(points);
    return out;
}

struct estimates {
    double truth, ips, error, snips;
};

/* The greedy policy of a model, asked at each decision of a random log. */
static struct estimates estimate(const struct run *run, const struct trained *t, uint64_t seed)
{
    enum { LOGGED = 6000 };
    struct logged *rows = calloc(LOGGED, sizeof *rows);
    struct estimates out = {0};
    struct od_random rng;
    int64_t now = START_S + WEEKS * WEEK_S;
    od_random_init(&rng, seed);
    for (int i = 0; rows && i < LOGGED; i++) {
        float scores[ACTIONS];
        uint32_t user = (uint32_t)od_random_below(&rng, USERS);
        uint32_t shown = (uint32_t)od_random_below(&rng, ACTIONS);
        ask(run, t, user, now, 0, scores);
        uint32_t chosen = best_of(scores, ACTIONS);
        double p = propensity(run->world, run->actions, user, shown, now);
        rows[i] = (struct logged){1.0 / ACTIONS, od_random_double(&rng) < p, shown == chosen};
        out.truth += propensity(run->world, run->actions, user, chosen, now) / LOGGED;
    }
    out.ips = ips(rows, LOGGED);
    out.error = ips_error(rows, LOGGED);
    out.snips = snips(rows, LOGGED);
    free(rows);
    return out;
}

/* --- the table --- */

static double between(const struct outcome *o, int from, int to)
{
    double regret = 0, decisions = 0;
    for (int week = from; week < to; week++) {
        regret += o->regret[week];
        decisions += o->decisions[week];
    }
    return regret / decisions;
}

static void print_head(uint64_t seed)
{
    printf(
        "# Next-best-action, known propensities\n\n"
        "Written by `python3 tests/quality/next_best_action.py`; compared by the same with "
        "`--quick`.\n\n"
        "A simulated world (`nba_world.h`, seed %llu): %d users, %d actions of which %d are new "
        "in week %d, %d weeks of\n%d decisions; the first %d weeks are random, then each policy "
        "goes on by itself and is trained every week.\nRegret: propensity of the best action "
        "less that of the one shown, mean a decision.\n\n"
        "| policy | weeks 5-8 | weeks 9-12 | weeks 13-20 | all after week 4 | new actions shown |\n"
        "|---|---|---|---|---|---|\n",
        (unsigned long long)seed, USERS, ACTIONS, ACTIONS - OLD_ACTIONS, NEW_WEEK + 1, WEEKS,
        USERS * 6 / 10, RANDOM_WEEKS);
}

int main(int argc, char **argv)
{
    uint64_t seed, threads;
    if (argc != 3 || !od_str_to_u64(od_str_c(argv[1]), &seed) ||
        !od_str_to_u64(od_str_c(argv[2]), &threads)) {
        fprintf(stderr, "usage: next_best_action SEED THREADS\n");
        return 2;
    }
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        return 1;
    world_init(world, seed);
    print_head(seed);
    struct quality quality = {0};
    struct estimates estimates = {0};
    double seconds = 0, trainings = 0;
    for (int p = 0; p < POLICIES; p++) {
        struct run run = {.world = world, .seed = seed, .threads = (unsigned)threads};
        struct outcome outcome = {0};
        struct trained last = {0};
        run.items = calloc(1, sizeof *run.items);
        run.actions = calloc(1, sizeof *run.actions);
        if (!run.items || !run.actions)
            return 1;
        tables_init(&run.tables, world);
        go(&run, (enum policy)p, &outcome, &last);
        printf("| %s | %.4f | %.4f | %.4f | %.4f | %.0f |\n", names[p], between(&outcome, 4, 8),
               between(&outcome, 8, 12), between(&outcome, 12, WEEKS), between(&outcome, 4, WEEKS),
               outcome.shown_new);
        fflush(stdout);
        if (p == ONDOL) {
            quality = measure(&run, &last, seed + 7);
            estimates = estimate(&run, &last, seed + 8);
            seconds = outcome.seconds;
            trainings = outcome.trainings;
        }
        trained_done(&last);
        tables_done(&run.tables);
        history_free(run.items);
        history_free(run.actions);
    }
    printf(
        "\nThe last model of Ondol's policy, against the propensities of %.0f pairs of users and "
        "scored actions:\n\n| AUC | log-loss | least possible | ECE (10 bins) "
        "|\n|---|---|---|---|\n"
        "| %.4f | %.4f | %.4f | %.4f |\n\n"
        "Its greedy policy from a random log of 6,000 decisions:\n\n"
        "| truth | IPS | standard error | SNIPS |\n|---|---|---|---|\n"
        "| %.4f | %.4f | %.4f | %.4f |\n",
        quality.pairs, quality.auc, quality.loss, quality.least_loss, quality.ece, estimates.truth,
        estimates.ips, estimates.error, estimates.snips);
    fprintf(stderr, "%.2f s a training\n", seconds / trainings);
    free(world);
    return 0;
}
