/* The power fails while the server works: what it acknowledged is there after the next start, once;
 * what it was doing is there whole or not at all; nothing else is.
 *
 * Each seed runs the server in this process on the simulated disk of sim/disk.h. Three clients
 * put events, items and users over HTTP; meanwhile resources are made, objects stored, imports
 * landed and the database rewritten. Checkpoints come as often as the seed says. Then the power is
 * cut behind a random operation, and the server's own code starts on what is left. Whoever
 * got no answer sends again.
 *
 * ONDOL_TORTURE=1 tries 1,000 seeds, ONDOL_SEED=n that one alone. */
#include "api/power_audit.inc"

#include <signal.h>

/* ---- the keeper: control operations, objects, imports ---- */

static void keep_filter(struct client *c, struct deed *deed, int step)
{
    char group[160];
    snprintf(group, sizeof group, "%.*sdataset-group/power",
             (int)(strstr(c->world->items, "dataset/") - c->world->items), c->world->items);
    snprintf(c->body, sizeof c->body,
             "{\"name\":\"f%d\",\"datasetGroupArn\":\"%s\",\"filterExpression\":"
             "\"INCLUDE ItemID WHERE Items.NUMBER < %d\"}",
             step, group, step);
    deed->asked = true;
    deed->from = sim_position();
    deed->done = control(c, "CreateFilter") == 200;
    deed->to = sim_position();
}

static void keep_object(struct client *c, struct deed *deed, int step)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/power/folder-%d/object-%d", step % 2, step);
    object_text(c->world, step, text);
    snprintf(c->body, sizeof c->body, "%s", text);
    deed->asked = true;
    deed->from = sim_position();
    deed->done = ask(c, "PUT", path, NULL) == 200;
    deed->to = sim_position();
}

static enum od_status commit_import(struct od_app *app, void *context, struct od_error *err)
{
    const struct od_bulk *bulk = context;
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    s = od_bulk_add(app->store, bulk, false, err);
    if (s == OD_OK)
        return od_store_commit(app->store, err);
    od_store_rollback(app->store);
    return s;
}

/* What a worker and the end of its job do. */
static void keep_import(struct world *w, struct deed *deed, int step)
{
    char path[300], report[300], name[32];
    struct od_str file = od_str_c(w->csv);
    struct od_import_result result;
    struct od_error err;
    snprintf(name, sizeof name, "segments/%d.seg", step + 1);
    snprintf(path, sizeof path, "%s/%s", w->root, name);
    snprintf(report, sizeof report, "%s/reports/%d.txt", w->root, step);
    const struct od_import_spec spec = {.schema_text = OD_STR(INTERACTIONS_SCHEMA),
                                        .type = OD_INTERACTIONS,
                                        .files = &file,
                                        .file_count = 1,
                                        .segment_path = od_str_c(path),
                                        .report_path = od_str_c(report),
                                        .threads = 1};
    deed->asked = true;
    deed->from = sim_position();
    if (od_import_run(&spec, &disk_io, &result, &err) != OD_OK)
        return;
    struct od_bulk bulk = {.dataset = od_str_c(w->interactions),
                           .path = od_str_c(name),
                           .rows = result.rows,
                           .arrived_ms = 1,
                           .job = OD_STR("arn:import")};
    deed->done = od_app_on_store(w->app, commit_import, &bulk, &err) == OD_OK;
    deed->to = sim_position();
}

/* ---- a training, by the code of a worker ---- */

static enum od_status go_on(void *context, double fraction, const char *stage)
{
    (void)context, (void)fraction, (void)stage;
    return OD_OK;
}

static enum od_status train(const struct world *w, const char *image, struct od_arena *arena,
                            struct od_error *err)
{
    struct od_train_result result;
    struct od_progress progress = {go_on, NULL};
    struct od_json json;
    struct od_buf spec;
    od_buf_init(&spec, 1u << 16);
    od_buf_printf(&spec,
                  "{\"kind\":\"train\",\"recipe\":\"aws-popularity-count\",\"image\":\"%s\","
                  "\"seed\":1,\"threads\":1,\"interactions\":{\"schema\":",
                  image);
    od_buf_json(&spec, OD_STR(INTERACTIONS_SCHEMA));
    od_buf_printf(&spec, ",\"domain\":\"\",\"segments\":[\"%s\"]}}", w->learnt);
    enum od_status s = od_json_parse(arena, od_buf_view(&spec), &json, err);
    if (s == OD_OK)
        s = od_train_run(&disk_io, &json, 1ull << 30, &progress, arena, &result, err);
    od_buf_done(&spec);
    return s;
}

static enum od_status commit_training(struct od_app *app, void *context, struct od_error *err)
{
    const char *name = context;
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    s = od_settings_set(app->store, od_str_c(name), OD_STR("trained"), err);
    if (s == OD_OK)
        return od_store_commit(app->store, err);
    od_store_rollback(app->store);
    return s;
}

/* In a folder of its own: images that no version names are collected at the start. */
static void keep_training(struct world *w, struct deed *deed, int step)
{
    char folder[300], image[400], name[32];
    struct od_arena arena;
    struct od_error err = {0};
    snprintf(folder, sizeof folder, "%s/trained", w->root);
    snprintf(name, sizeof name, "trained-%d", step);
    snprintf(image, sizeof image, "%s/%d.image", folder, step);
    od_arena_init(&arena, ARENA);
    deed->asked = true;
    deed->from = sim_position();
    enum od_status s = disk_io.make_folder(&disk_io, folder, &err);
    if (s == OD_OK)
        s = train(w, image, &arena, &err);
    if (s != OD_OK && !disk.failing)
        fail_msg("training: %s", err.message);
    deed->done = s == OD_OK && od_app_on_store(w->app, commit_training, name, &err) == OD_OK;
    deed->to = sim_position();
    od_arena_done(&arena);
}

static enum od_status scrub(struct od_app *app, void *context, struct od_error *err)
{
    (void)context;
    return od_store_scrub(app->store, err);
}

static void run_keeper(struct world *w)
{
    struct client *c = calloc(1, sizeof *c);
    struct od_error err;
    client_begin(c, w);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = (w->seed / 3 + (uint64_t)step) % 5;
        if (what == 0)
            keep_filter(c, &w->filters[step], step);
        else if (what == 1)
            keep_object(c, &w->objects[step], step);
        else if (what == 2)
            keep_import(w, &w->imports[step], step);
        else if (what == 3)
            keep_training(w, &w->trainings[step], step);
        else if (w->seed % 5 == 0)
            (void)!od_app_on_store(w->app, scrub, NULL, &err); /* fails when its sync does */
    }
    client_end(c);
    free(c);
}

static void work(struct world *w)
{
    struct client *clients = calloc(CLIENTS, sizeof *clients);
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        client_begin(&clients[i], w);
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    run_keeper(w);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        client_end(&clients[i]);
    }
    free(clients);
}

/* All that was sent before the cut is sent again: now it must be there once. */
static void send_again(struct world *w, struct client *c, size_t k)
{
    for (int client = 0; client < CLIENTS; client++)
        for (int call = 0; call < CALLS; call++) {
            struct deed *deed = &w->calls[client][call];
            if (!deed->asked || deed->from > k)
                continue;
            c->number = client;
            if (put_call(c, call) != 200)
                blame(w, "sending again: %s", c->answer.body);
            deed->done = true;
        }
}

static void start_again(struct world *w, size_t k)
{
    if (!start_server(w, &od_io_real, w->cut))
        return;
    struct client *c = calloc(1, sizeof *c);
    client_begin(c, w);
    audit(w, c, k, false);
    send_again(w, c, k);
    for (int step = 0; step < STEPS; step++) /* these are not sent again */
        w->filters[step].done = w->objects[step].done = w->imports[step].done =
            w->trainings[step].done = false;
    audit(w, c, k, true);
    client_end(c);
    free(c);
    od_app_stop(w->app);
}

/* ---- one seed ---- */

static void make_folder(char out[256], const char *what)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, 256, "%s/ondol-%s-XXXXXX", tmp ? tmp : "/tmp", what);
    assert_non_null(mkdtemp(out));
}

/* What is wrong after a power cut, or "". failing: of 1,000 syncs this many fail. */
static const char *try_seed(uint64_t seed, unsigned lies, unsigned failing, enum sim_style style,
                            size_t *out_answers)
{
    static char wrong[300];
    struct od_random rng;
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->seed = seed;
    make_folder(w->root, "disk");
    make_folder(w->cut, "cut");
    od_random_init(&rng, seed);
    sim_begin(w->root, seed);
    sim_vfs_on();
    disk.lies = lies;
    assert_true(start_server(w, &disk_io, w->root));
    prepare(w);
    disk.failing = failing;
    work(w);
    disk.failing = 0;
    od_app_stop(w->app);
    sim_vfs_off();
    size_t k = w->ready + (size_t)od_random_below(&rng, disk.count - w->ready + 1);
    sim_cut(k, seed, style, w->cut);
    start_again(w, k);
    sim_end();
    for (int i = 0; out_answers && i < CLIENTS * CALLS; i++)
        *out_answers += w->calls[i / CALLS][i % CALLS].done;
    snprintf(wrong, sizeof wrong, "%s", w->wrong);
    assert_int_equal(od_io_remove_tree(&od_io_real, w->root, NULL), OD_OK);
    assert_int_equal(od_io_remove_tree(&od_io_real, w->cut, NULL), OD_OK);
    unlink(w->csv);
    unlink(w->learnt);
    free(w);
    return wrong;
}

static uint64_t seeds(uint64_t few)
{
    return getenv("ONDOL_TORTURE") ? 1000 : few;
}

static void try_all(uint64_t few, unsigned failing)
{
    const char *one = getenv("ONDOL_SEED");
    size_t answers = 0;
    uint64_t first = one ? strtoull(one, NULL, 10) : 0;
    uint64_t end = one ? first + 1 : seeds(few);
    for (uint64_t seed = first; seed < end; seed++) {
        const char *wrong =
            try_seed(seed, SIM_HONEST, failing, (enum sim_style)(seed % SIM_STYLES), &answers);
        if (*wrong)
            fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
    }
    print_message("%llu power cuts, %zu calls acknowledged\n", (unsigned long long)(end - first),
                  answers);
    assert_true(answers > 0);
}

static void what_was_acknowledged_survives_a_power_cut(void **state)
{
    (void)state;
    try_all(24, 0);
}

/* As above while one sync in twelve fails: the call is refused, and the next ones are kept. */
static void failing_syncs_lose_nothing_acknowledged(void **state)
{
    (void)state;
    try_all(16, 80);
}

/* ---- the tests can fail ---- */

static void a_lie_is_found_out(unsigned lie)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        const char *wrong = try_seed(seed, lie, 0, SIM_LOSES_ALL, NULL);
        if (!*wrong)
            continue;
        print_message("seed %llu: %s\n", (unsigned long long)seed, wrong);
        return;
    }
    fail_msg("60 seeds did not notice that syncs did nothing");
}

static void a_database_without_syncs_is_noticed(void **state)
{
    (void)state;
    a_lie_is_found_out(SIM_NO_DATABASE_SYNC);
}

static void files_without_syncs_are_noticed(void **state)
{
    (void)state;
    a_lie_is_found_out(SIM_NO_FILE_SYNC);
}

static void names_without_syncs_are_noticed(void **state)
{
    (void)state;
    a_lie_is_found_out(SIM_NO_FOLDER_SYNC);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_a_power_cut),
        cmocka_unit_test(failing_syncs_lose_nothing_acknowledged),
        cmocka_unit_test(a_database_without_syncs_is_noticed),
        cmocka_unit_test(files_without_syncs_are_noticed),
        cmocka_unit_test(names_without_syncs_are_noticed),
    };
    (void)argc, (void)argv;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
