/* Running the trials: see search.h.
 *
 * Trials of one rung run side by side, as many as asked for; each writes to its own place, and what
 * is best is read in their order, so the choice does not depend on which was ready first. A model
 * is trained into memory and dropped when it has been asked. */
#include "jobs/search.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "data/training_subset.h"
#include "os/parallel.h"
#include "recipes/metrics.h"

#define SEARCH_HALVED   4     /* jobs from which small trials come first */
#define SMALL_SHARE     3     /* a third of the users */
#define LEAST_EVENTS    30000 /* of the training part: below, a third is too little to tell by */
#define VALIDATION_SALT 0x76616c6964ULL /* "valid": the judges are no copy of the test draw */

struct search {
    const struct od_search_ask *ask;
    struct od_split test;       /* takes the users of the final metrics out */
    struct od_split validation; /* of what is left */
    struct od_training *small;  /* a third of validation.train; NULL: not halved */
    struct od_search_trial *trials;
    size_t count, first;  /* of the rung being run */
    pthread_mutex_t lock; /* over all below */
    size_t done, planned;
    double best;
    struct od_error first_error;
    bool any_error, stopped;
};

/* --- progress --- */

/* Called by trials of several threads: fraction and stage are the search's, not the trial's. */
static enum od_status tell(void *context, double fraction, const char *stage)
{
    struct search *search = context;
    const struct od_progress *progress = &search->ask->input->progress;
    char text[64];
    (void)fraction;
    (void)stage;
    pthread_mutex_lock(&search->lock);
    if (isfinite(search->best))
        snprintf(text, sizeof text, "tuning: %zu of %zu trials, best %.5f", search->done,
                 search->planned, search->best);
    else
        snprintf(text, sizeof text, "tuning: %zu of %zu trials", search->done, search->planned);
    double whole = (double)search->done / (double)(search->planned ? search->planned : 1);
    if (!search->stopped && progress->report)
        search->stopped = progress->report(progress->context, whole, text) != OD_OK;
    bool stopped = search->stopped;
    pthread_mutex_unlock(&search->lock);
    return stopped ? OD_STOPPED : OD_OK;
}

static void note_result(struct search *search, const struct od_search_trial *trial,
                        const struct od_error *why)
{
    pthread_mutex_lock(&search->lock);
    search->done++;
    if (trial->value > search->best)
        search->best = trial->value;
    if (why && !search->any_error) {
        search->first_error = *why;
        search->any_error = true;
    }
    pthread_mutex_unlock(&search->lock);
    (void)tell(search, 1, ""); /* a stop is noticed by the next trial */
}

/* --- a trial --- */

static enum od_status judge(struct search *search, const struct od_search_entry *entry,
                            const struct od_train_input *input, double *out, struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_recipe_scorer scorer = {0};
    struct od_metrics metrics = {0};
    enum od_status s = od_memory_model_train(entry->recipe, input, &model, err);
    if (s == OD_OK)
        s = od_recipe_scorer_init(&scorer, entry->recipe, model.model, &search->validation, err);
    if (s == OD_OK) {
        struct od_scorer ask = od_recipe_scorer_of(&scorer);
        s = od_evaluate(&ask, &search->validation, input->threads, &metrics, err);
    }
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&model);
    const double *value = od_metrics_find(&metrics, search->ask->metric);
    if (s == OD_OK && !value)
        s = od_fail(err, OD_INVALID_INPUT, "Recipe %s does not report the metric %s.",
                    entry->spec->name, search->ask->metric);
    if (s == OD_OK)
        *out = *value;
    return s;
}

static enum od_status run_trial(void *context, size_t index, unsigned thread)
{
    struct search *search = context;
    const struct od_search_ask *ask = search->ask;
    struct od_search_trial *trial = &search->trials[search->first + index];
    const struct od_search_entry *entry = &ask->entries[trial->entry];
    struct od_train_input input = *ask->input;
    struct od_error err = {0};
    unsigned threads = input.threads ? input.threads : od_cpu_count();
    (void)thread;
    input.training = trial->share < 1 ? search->small : search->validation.train;
    input.spec = entry->spec;
    input.params = trial->params;
    input.threads = threads / ask->parallel ? threads / ask->parallel : 1;
    input.memory_bytes /= ask->parallel;
    input.progress = (struct od_progress){tell, search};
    int64_t begun = ask->io->monotonic_ns(ask->io);
    trial->value = -INFINITY;
    enum od_status s = tell(search, 0, "");
    if (s == OD_OK)
        s = judge(search, entry, &input, &trial->value, &err);
    trial->seconds = (double)(ask->io->monotonic_ns(ask->io) - begun) * 1e-9;
    if (s == OD_STOPPED)
        return s;
    note_result(search, trial, s == OD_OK ? NULL : &err);
    return OD_OK; /* one that cannot be trained does not keep the others from it */
}

static enum od_status run_rung(struct search *search, size_t from)
{
    search->first = from;
    return od_parallel(search->ask->parallel, search->count - from, run_trial, search);
}

/* --- rungs --- */

static size_t small_jobs(const struct search *search, unsigned jobs)
{
    return search->small && jobs >= SEARCH_HALVED ? jobs - jobs / 4 : 0;
}

static enum od_status add_trials(struct search *search, size_t entry_index, size_t count,
                                 double share, struct od_arena *arena, struct od_error *err)
{
    const struct od_search_entry *entry = &search->ask->entries[entry_index];
    struct od_param_value **drawn;
    size_t made;
    uint64_t seed = od_hash_mix(search->ask->input->seed, entry_index);
    enum od_status s = od_search_draw(entry, count, seed, arena, &drawn, &made, err);
    for (size_t i = 0; s == OD_OK && i < made; i++)
        search->trials[search->count++] =
            (struct od_search_trial){.entry = entry_index, .params = drawn[i], .share = share};
    return s;
}

/* The first rung: small trials where an entry is halved, all of its trials elsewhere. */
static enum od_status plan_first(struct search *search, struct od_arena *arena,
                                 struct od_error *err)
{
    enum od_status s = OD_OK;
    for (size_t e = 0; s == OD_OK && e < search->ask->entry_count; e++) {
        unsigned jobs = search->ask->entries[e].jobs;
        size_t small = small_jobs(search, jobs);
        s = small ? add_trials(search, e, small, 1.0 / SMALL_SHARE, arena, err)
                  : add_trials(search, e, jobs ? jobs : 1, 1, arena, err);
    }
    return s;
}

/* The best small trials of each entry once more on all users; equal ones in their order. */
static void plan_second(struct search *search)
{
    size_t first_count = search->count;
    bool *taken = calloc(first_count + 1, sizeof *taken);
    for (size_t e = 0; taken && e < search->ask->entry_count; e++) {
        unsigned jobs = search->ask->entries[e].jobs;
        size_t small = small_jobs(search, jobs);
        for (size_t k = 0; small && k < jobs - small; k++) {
            size_t best = first_count;
            for (size_t t = 0; t < first_count; t++) {
                const struct od_search_trial *trial = &search->trials[t];
                if (trial->entry == e && trial->share < 1 && !taken[t] && isfinite(trial->value) &&
                    (best == first_count || trial->value > search->trials[best].value))
                    best = t;
            }
            if (best == first_count)
                break;
            taken[best] = true;
            search->trials[search->count] = search->trials[best];
            search->trials[search->count++].share = 1;
        }
    }
    free(taken);
}

static enum od_status cut_small(struct search *search, struct od_error *err)
{
    const struct od_training *t = search->validation.train;
    if (t->event_count < LEAST_EVENTS)
        return OD_OK;
    uint64_t *keep = malloc(((size_t)t->user_count + 1) * sizeof *keep);
    if (!keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t u = 0; u < t->user_count; u++) {
        bool in = od_hash_mix(search->ask->input->seed, u) % SMALL_SHARE == 0;
        keep[u] = in ? t->user_start[u + 1] - t->user_start[u] : 0;
    }
    enum od_status s = od_training_subset(t, keep, &search->small, NULL, err);
    free(keep);
    return s;
}

static enum od_status split(struct search *search, struct od_error *err)
{
    const struct od_train_input *input = search->ask->input;
    enum od_status s = od_split_users(input->training, input->seed, &search->test, err);
    if (s == OD_OK)
        s = od_split_users(search->test.train, input->seed ^ VALIDATION_SALT, &search->validation,
                           err);
    if (s == OD_OK && search->validation.test_count == 0)
        s = od_fail(err, OD_INVALID_INPUT,
                    "Create failed. Too few users with two interactions or more to compare "
                    "hyperparameters by.");
    return s == OD_OK ? cut_small(search, err) : s;
}

static enum od_status choose(const struct search *search, struct od_search_result *out,
                             struct od_error *err)
{
    size_t best = search->count;
    for (size_t t = 0; t < search->count; t++)
        if (search->trials[t].share >= 1 && isfinite(search->trials[t].value) &&
            (best == search->count || search->trials[t].value > search->trials[best].value))
            best = t;
    if (best == search->count)
        return od_error_copy(err, &search->first_error);
    *out = (struct od_search_result){search->trials, search->count, best};
    return OD_OK;
}

static enum od_status run(struct search *search, struct od_arena *arena,
                          struct od_search_result *out, struct od_error *err)
{
    size_t most = 1;
    for (size_t e = 0; e < search->ask->entry_count; e++)
        most += search->ask->entries[e].jobs + 1u;
    search->trials = OD_NEW_ARRAY(arena, struct od_search_trial, most);
    if (!search->trials)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = split(search, err);
    if (s == OD_OK)
        s = plan_first(search, arena, err);
    if (s != OD_OK)
        return s;
    search->planned = most - 1 - search->ask->entry_count;
    s = run_rung(search, 0);
    size_t first_count = search->count;
    if (s == OD_OK) {
        plan_second(search);
        search->planned = search->count;
        s = run_rung(search, first_count);
    }
    if (s == OD_OK && search->stopped) /* asked for after the last trial had looked */
        s = OD_STOPPED;
    return s == OD_OK ? choose(search, out, err)
                      : od_fail(err, s, s == OD_STOPPED ? "The training was stopped." : NULL);
}

enum od_status od_search(const struct od_search_ask *ask, struct od_arena *arena,
                         struct od_search_result *out, struct od_error *err)
{
    struct od_search_ask mine = *ask;
    struct search search = {.ask = &mine, .best = -INFINITY};
    mine.parallel = ask->parallel ? ask->parallel : 1;
    if (pthread_mutex_init(&search.lock, NULL) != 0)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = run(&search, arena, out, err);
    od_training_free(search.small);
    od_split_done(&search.validation);
    od_split_done(&search.test);
    pthread_mutex_destroy(&search.lock);
    return s;
}
