/* Choosing a configuration of the neighbours on held-out events.
 *
 * A candidate is judged by where it ranks the judges' events: the mean of 1 / log2(1 + rank) over
 * ranks up to 20, NDCG@20 of one relevant item. Items of the judge's past take no part unless one
 * judge in a hundred returns to an item. Equal scores rank by code, as answers do.
 *
 * The search walks one number at a time, each list once, in the order in which they mattered on
 * Diginetica, MovieLens-1M and Amazon Beauty; a step must gain STEP_GAIN to be taken, so that noise
 * does not choose. A candidate that a part of the judges, compared one by one with the best so far,
 * shows to be no such gain is not put to the others. All candidates but the way sessions are cut
 * share one index, which the judged events are not in (od_part_task). Effort is bounded by counting
 * (judges times what a query reads), never by the clock: same task, same choice for any number of
 * threads. */
#include "recipes/knn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/judges.h"
#include "recipes/metrics.h"

enum {
    MOST_JUDGES = 4000,
    FEWEST_JUDGES = 600,
    FIRST_LOOK = 512, /* judges that a candidate is put to at first; then twice as many */
    MOST_CHOICES = 5,
    EXPECTED_TRIALS = 32 /* for progress */
};

/* Events and postings read for all judges of a trial: about 0.2 s of a core. */
#define MOST_READS 40e6
/* Of a query, beyond which more neighbours are not tried: answers would take milliseconds. */
#define MOST_READS_EACH 60e3
#define STEP_GAIN       1.003 /* less than this is within the noise of 4,000 paired ranks */
/* Standard errors that a candidate may be short of that gain and go on. */
#define HOPE 1.5

struct pick {
    const struct od_part_task *task;
    struct od_knn_index index;
    bool has_index;
    uint32_t cut; /* of the index */
    struct od_judge *judges;
    size_t judge_count;
    bool returns;
    double *gain;      /* [judge_count], of a trial */
    double *best_gain; /* of the best */
    struct od_knn_config best;
    double best_score;
    unsigned trials;
};

/* --- one trial --- */

static enum od_status score(const void *scorer, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any)
{
    return od_knn_score(scorer, query, scratch, scores, out_any);
}

/* Whether judges [0, count) leave a chance that the trial gains enough over the best. */
static bool hopes(const struct pick *pick, size_t count)
{
    struct od_paired d = od_paired(pick->gain, 1, pick->best_gain, count);
    return d.mean + HOPE * d.error > d.before * (STEP_GAIN - 1);
}

/* *out_score: the mean over all judges, or 0 when some of them left no hope. */
static enum od_status judge(struct pick *pick, const struct od_knn_config *config,
                            double *out_score)
{
    struct od_knn_scorer scorer;
    enum od_status st = od_knn_scorer_init(&scorer, &pick->index, config);
    if (st != OD_OK)
        return st;
    struct od_judging judging = {.training = pick->task->input->training,
                                 .threads = pick->task->input->threads,
                                 .judges = pick->judges,
                                 .returns = pick->returns,
                                 .newest = OD_KNN_REACH,
                                 .model = &scorer,
                                 .score = score};
    size_t count = pick->judge_count, asked = 0;
    bool against = pick->trials > 1;
    *out_score = 0;
    for (size_t look = against ? FIRST_LOOK : count; st == OD_OK; look *= 2) {
        size_t next = look < count ? look : count;
        st = od_judges_ask(&judging, asked, next, pick->gain);
        asked = next;
        if (next == count || (against && !hopes(pick, next)))
            break;
    }
    od_knn_scorer_done(&scorer);
    if (st != OD_OK || asked < count)
        return st;
    for (size_t j = 0; j < count; j++)
        *out_score += pick->gain[j];
    *out_score /= (double)count;
    return OD_OK;
}

static enum od_status make_index(struct pick *pick, uint32_t cut, struct od_error *err)
{
    if (pick->has_index && pick->cut == cut)
        return OD_OK;
    od_knn_index_done(&pick->index);
    pick->has_index = false;
    enum od_status st =
        od_knn_index_init(&pick->index, pick->task->input->training, pick->task->end, cut != 0,
                          OD_KNN_SAMPLE, pick->task->input->memory_bytes, err);
    pick->has_index = st == OD_OK;
    pick->cut = cut;
    return st;
}

/* Judges a configuration, which becomes the best when it gains enough. */
static enum od_status try(struct pick *pick, const struct od_knn_config *config,
                          struct od_error *err)
{
    double score = 0;
    double done = pick->trials < EXPECTED_TRIALS ? pick->trials : EXPECTED_TRIALS;
    enum od_status st = od_progress_report(&pick->task->input->progress, done / EXPECTED_TRIALS,
                                           "choosing neighbours", err);
    pick->trials++;
    if (st == OD_OK)
        st = make_index(pick, config->cut, err);
    if (st != OD_OK)
        return st;
    if (judge(pick, config, &score) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (pick->trials == 1 || score > pick->best_score * STEP_GAIN) {
        double *swap = pick->best_gain;
        pick->best_gain = pick->gain;
        pick->gain = swap;
        pick->best_score = score;
        pick->best = *config;
    }
    return OD_OK;
}

/* --- the judges --- */

/* Events and postings that a query reads, about. */
static double reads(const struct pick *pick, const struct od_knn_config *config)
{
    const struct od_knn_index *x = &pick->index;
    double length = x->sessions ? (double)x->events / x->sessions : 1;
    double posts = x->items ? (double)x->posts / x->items : 0;
    return length * config->neighbours +
           4 * (posts * 4 < config->sample ? posts * 4 : config->sample);
}

/* An even choice of as many judges as the effort allows. */
static void choose_judges(struct pick *pick)
{
    const struct od_part_task *task = pick->task;
    double want = MOST_READS / reads(pick, &pick->best);
    size_t most = want > MOST_JUDGES     ? MOST_JUDGES
                  : want < FEWEST_JUDGES ? FEWEST_JUDGES
                                         : (size_t)want;
    pick->judge_count = od_judges_even(task->judges, task->judge_count, most, pick->judges);
    pick->returns = od_judges_return(task->input->training, pick->judges, pick->judge_count);
}

/* --- the walk --- */

struct choice {
    size_t offset; /* of a float of the configuration */
    float value[MOST_CHOICES];
    size_t count;
};
#define FLOAT(name, ...)                                                                           \
    {                                                                                              \
        offsetof(struct od_knn_config, name), {__VA_ARGS__},                                       \
            sizeof((float[]){__VA_ARGS__}) / sizeof(float)                                         \
    }
static const struct choice choices[] = {
    FLOAT(repeat, .7f, 1, 2, 3),
    FLOAT(query_decay, .5f, .6f, .8f, .9f),
    FLOAT(step_decay, .6f, .7f, .9f, 1),
    FLOAT(back, .15f, .3f, .75f, 1),
    FLOAT(source_power, 0, .5f),
    FLOAT(target_power, 0, .25f, .5f),
    FLOAT(fade, 0, 1, 2),
    FLOAT(length_power, 0, .3f, .6f),
};
enum { CHOICES = sizeof choices / sizeof *choices };

static enum od_status walk_whole(struct pick *pick, struct od_error *err)
{
    static const uint32_t closeness[] = {0, 2}, neighbours[] = {100, 1500};
    enum od_status st = OD_OK;
    for (size_t i = 0; i < 2 && st == OD_OK; i++) {
        struct od_knn_config next = pick->best;
        next.closeness = closeness[i];
        if (next.closeness != pick->best.closeness)
            st = try(pick, &next, err);
    }
    for (size_t i = 0; i < 2 && st == OD_OK; i++) {
        struct od_knn_config next = pick->best;
        next.neighbours = neighbours[i];
        next.sample = neighbours[i] > 500 ? OD_KNN_SAMPLE : next.sample;
        if (reads(pick, &next) <= MOST_READS_EACH)
            st = try(pick, &next, err);
    }
    return st;
}

static enum od_status walk_sessions(struct pick *pick, struct od_error *err)
{
    static const uint32_t rests[] = {4, 16};
    const struct od_part_task *task = pick->task;
    if (!od_knn_has_sessions(task->input->training, task->end))
        return OD_OK;
    enum od_status st = OD_OK;
    for (size_t i = 0; i < 2 && st == OD_OK; i++) {
        struct od_knn_config next = pick->best;
        next.rest = rests[i];
        st = try(pick, &next, err);
    }
    struct od_knn_config next = pick->best;
    next.cut = 1;
    return st == OD_OK ? try(pick, &next, err) : st;
}

static enum od_status walk(struct pick *pick, struct od_error *err)
{
    struct od_knn_config first = pick->best;
    enum od_status st = try(pick, &first, err);
    struct od_knn_config histories = first; /* where users are sessions, these go together */
    histories.closeness = 0;
    histories.fade = histories.length_power = 0;
    if (st == OD_OK)
        st = try(pick, &histories, err);
    if (st == OD_OK)
        st = walk_sessions(pick, err);
    if (st == OD_OK)
        st = walk_whole(pick, err);
    for (size_t c = pick->returns ? 0 : 1; c < CHOICES; c++) {
        struct od_knn_config base = pick->best;
        for (size_t v = 0; v < choices[c].count && st == OD_OK; v++) {
            struct od_knn_config next = base;
            memcpy((char *)&next + choices[c].offset, &choices[c].value[v], sizeof(float));
            if (memcmp(&next, &pick->best, sizeof next) != 0)
                st = try(pick, &next, err);
        }
    }
    return st;
}

enum od_status od_knn_pick(const struct od_part_task *task, struct od_knn_config *config,
                           struct od_error *err)
{
    if (task->judge_count < OD_KNN_LEAST_JUDGES)
        return OD_OK;
    struct pick pick = {.task = task,
                        .best = *config,
                        .judges = malloc(MOST_JUDGES * sizeof *pick.judges),
                        .gain = malloc(MOST_JUDGES * sizeof *pick.gain),
                        .best_gain = malloc(MOST_JUDGES * sizeof *pick.best_gain)};
    enum od_status st = OD_NO_MEMORY;
    if (!pick.judges || !pick.gain || !pick.best_gain)
        od_fail(err, st, NULL);
    else
        st = make_index(&pick, pick.best.cut, err);
    if (st == OD_OK) {
        choose_judges(&pick);
        st = walk(&pick, err);
    }
    if (st == OD_OK)
        *config = pick.best;
    od_knn_index_done(&pick.index);
    free(pick.judges);
    free(pick.gain);
    free(pick.best_gain);
    return st;
}
