/* The fit, the choice, the rates and the sections of returning.h. The other numbers are chosen by
 * nobody: on generated lodging data tenth and tenfold ridges, and a decay of .8, made no difference
 * worth a search. */
#include "recipes/returning.h"

#include <math.h>
#include <stdlib.h>

#include "os/parallel.h"
#include "recipes/judges.h"

enum {
    DAY_S = 86400,
    LEAST_RETURNS = 500,
    MOST_ASKED = 4000, /* returns */
    COLUMNS = 512
};
#define NAME        "returning"
#define DECAY       OD_CONTENT_MOST_DECAY /* tastes last */
#define PAST_RIDGE  1.0f                  /* of histories whose length is 1 */
#define NEXT_RIDGE  1e-3f                 /* for each item */
#define FLOOR       .2f                   /* least multiple, over 1 plus that */
#define MOST_SCORES 50000000u             /* looked at */
#define FOCUS       .5                    /* of the choice: likely items count more, as in ranks */
#define ERRORS      2                     /* standard errors of the likelihood that are a gain */

static const int64_t pauses[] = {30 * DAY_S, OD_RETURNING_LEAST_S};

/* --- the fit --- */

void od_returning_done(struct od_returning *r)
{
    od_content_rows_done(&r->rows);
    free(r->map);
    *r = (struct od_returning){0};
}

/* map[columns][columns] of the users' events up to end[u]. */
static enum od_status fit_map(const struct od_content_rows *rows, const struct od_training *t,
                              const uint64_t *end, int64_t pause_s, unsigned threads, float *map,
                              struct od_error *err)
{
    const struct od_content_steps steps = {
        .decay = DECAY, .unit = true, .least_pause_s = pause_s, .work = OD_CONTENT_TRIAL_WORK};
    const struct od_work work = {.threads = threads};
    struct od_content_sums sums = {0};
    struct od_matrix spread = {0};
    float same = 0;
    enum od_status st = od_content_spread(rows, t, end, 1, &spread); /* ratios to shares */
    if (st == OD_OK)
        st = od_content_sums_init(&sums, rows, t, end, &steps, threads);
    if (st != OD_OK) {
        od_matrix_free(&spread);
        return od_fail(err, st, NULL);
    }
    st = od_content_regress(&sums, &spread, PAST_RIDGE, &work, &same, err);
    if (st == OD_OK)
        st = od_content_map(same, &sums.step, &spread, NEXT_RIDGE * (float)rows->items, &work, map,
                            err);
    od_content_sums_done(&sums);
    od_matrix_free(&spread);
    return st;
}

enum od_status od_returning_fit(struct od_returning *out, const struct od_returning_task *task,
                                int64_t pause_s, struct od_error *err)
{
    *out = (struct od_returning){0};
    if (!pause_s || !task->training->item_table)
        return OD_OK;
    enum od_status st = od_content_rows_init(&out->rows, task->training, COLUMNS,
                                             task->memory_bytes, task->threads, err);
    size_t n = out->rows.columns;
    if (st != OD_OK || n == 0)
        return st;
    out->map = malloc(n * n * sizeof *out->map);
    st = out->map
             ? fit_map(&out->rows, task->training, task->end, pause_s, task->threads, out->map, err)
             : od_fail(err, OD_NO_MEMORY, NULL);
    if (st != OD_OK)
        od_returning_done(out);
    return st;
}

static struct od_content_model model_of(const struct od_content_rows *rows, const float *map)
{
    struct od_content_model model = od_content_model_of(rows, map, DECAY);
    model.unit = true;
    return model;
}

struct od_content_model od_returning_model(const struct od_returning *r)
{
    return r->map ? model_of(&r->rows, r->map) : (struct od_content_model){0};
}

/* --- rates --- */

static bool is_away(const struct od_query *query)
{
    int64_t pause;
    if (query->event_count == 0)
        return false;
    if (__builtin_sub_overflow(query->now_s, query->events[query->event_count - 1].time, &pause))
        return query->now_s > 0;
    return pause >= OD_RETURNING_LEAST_S;
}

/* out: h' S x_j, to be its multiples of the usual; false when it says nothing. */
static bool multiples(const float *usual, uint32_t items, float *out)
{
    double mean = 0;
    for (uint32_t i = 0; i < items; i++) {
        out[i] = out[i] > 0 ? out[i] : 0;
        mean += (double)(usual[i] * out[i]);
    }
    if (!(mean > 0))
        return false;
    float by = (float)(1 / (mean * (1 + (double)FLOOR)));
    for (uint32_t i = 0; i < items; i++)
        out[i] = by * out[i] + FLOOR / (1 + FLOOR);
    return true;
}

enum od_status od_returning_rates(const struct od_content_model *model,
                                  const struct od_query *query, const float *usual,
                                  struct od_arena *scratch, float *out, bool *out_any)
{
    enum od_status st = OD_OK;
    *out_any = is_away(query);
    if (*out_any)
        st = od_content_score(model, query, scratch, out, out_any);
    *out_any = st == OD_OK && *out_any && multiples(usual, model->items, out);
    for (uint32_t i = 0; i < model->items && !*out_any; i++)
        out[i] = 1;
    return st;
}

/* --- the choice --- */

struct asking {
    const struct od_training *training;
    const struct od_content_rows *rows;
    const float *map[2];   /* of the even and of the odd users */
    const uint64_t *event; /* [asked] what is asked for */
    const float *usual;
    double *tilted, *usually; /* [asked] p^FOCUS with and without rates */
};

static enum od_status ask(void *context, size_t j, struct od_arena *arena)
{
    const struct asking *a = context;
    const struct od_training *t = a->training;
    uint64_t e = a->event[j];
    uint32_t n = t->item_count, u = od_training_user_of(t, e);
    size_t count = e - t->user_start[u];
    count = count < OD_CONTENT_HISTORY ? count : OD_CONTENT_HISTORY;
    struct od_past_event *events = OD_NEW_ARRAY(arena, struct od_past_event, count);
    float *rates = OD_NEW_ARRAY(arena, float, n);
    const struct od_content_model model = model_of(a->rows, a->map[!(u % 2)]);
    const struct od_query query = {.events = events, .event_count = count};
    bool any = false;
    if (!events || !rates)
        return OD_NO_MEMORY;
    for (size_t k = 0; k < count; k++)
        events[k] = (struct od_past_event){.item = t->item[e - count + k]};
    enum od_status st = od_content_score(&model, &query, arena, rates, &any);
    any = st == OD_OK && any && multiples(a->usual, n, rates);
    double p = (double)a->usual[t->item[e]], rate = any ? (double)rates[t->item[e]] : 1;
    a->usually[j] = pow(p, FOCUS);
    a->tilted[j] = pow(p * rate, FOCUS);
    return st;
}

/* Returns after such a pause, evenly: at most `most`; how many there are to *out_all. */
static size_t list_returns(const struct od_returning_task *task, int64_t pause_s, size_t most,
                           uint64_t *out, uint64_t *out_all)
{
    const struct od_training *t = task->training;
    uint64_t all = 0, seen = 0;
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t u = 0; u < t->user_count; u++)
            for (uint64_t e = t->user_start[u] + 1; e < task->end[u]; e++) {
                if (od_training_pause(t, e) < pause_s || od_training_weight(t, e) <= 0)
                    continue;
                all += pass == 0;
                uint64_t take = all < most ? all : most;
                if (pass && seen * take / all < (seen + 1) * take / all)
                    out[count++] = e;
                seen += pass;
            }
    *out_all = all;
    return count;
}

/* What two maps say of each other's users. */
static enum od_status try_pause(const struct od_returning_task *task, struct asking *a,
                                int64_t pause_s, float *maps, uint64_t *end, size_t count,
                                struct od_error *err)
{
    const struct od_training *t = task->training;
    size_t square = (size_t)a->rows->columns * a->rows->columns;
    enum od_status st = OD_OK;
    for (uint32_t side = 0; side < 2 && st == OD_OK; side++) {
        for (uint32_t u = 0; u < t->user_count; u++)
            end[u] = u % 2 == side ? task->end[u] : t->user_start[u];
        a->map[side] = maps + side * square;
        st = fit_map(a->rows, t, end, pause_s, task->threads, maps + side * square, err);
    }
    if (st == OD_OK && od_parallel_arenas(task->threads, count, ask, a) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    return st;
}

static float *usual_of(const struct od_returning_task *task)
{
    const struct od_training *t = task->training;
    float *usual = malloc(((size_t)t->item_count + 1) * sizeof *usual);
    double sum = .5 * t->item_count; /* half an event each: nothing is impossible */
    for (uint32_t i = 0; i < t->item_count && usual; i++)
        usual[i] = .5f;
    for (uint32_t u = 0; u < t->user_count && usual; u++)
        for (uint64_t e = t->user_start[u]; e < task->end[u]; e++, sum++)
            usual[t->item[e]]++;
    for (uint32_t i = 0; i < t->item_count && usual; i++)
        usual[i] = (float)((double)usual[i] / sum);
    return usual;
}

static enum od_status choose(const struct od_returning_task *task,
                             const struct od_content_rows *rows, int64_t *out_pause_s,
                             float *out_gain, struct od_error *err)
{
    size_t square = (size_t)rows->columns * rows->columns, most = MOST_SCORES / (rows->items + 1);
    most = most < LEAST_RETURNS ? LEAST_RETURNS : most < MOST_ASKED ? most : MOST_ASKED;
    float *usual = usual_of(task), *maps = malloc(2 * square * sizeof *maps);
    uint64_t *end = malloc(((size_t)task->training->user_count + 1) * sizeof *end);
    uint64_t *event = malloc(most * sizeof *event), all;
    double *tilted = malloc(most * sizeof *tilted), *usually = malloc(most * sizeof *usually);
    struct asking a = {task->training, rows, {NULL, NULL}, event, usual, tilted, usually};
    bool good = usual && maps && end && event && tilted && usually;
    enum od_status st = good ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t p = 0; p < sizeof pauses / sizeof *pauses && st == OD_OK && !*out_pause_s; p++) {
        size_t count = list_returns(task, pauses[p], most, event, &all);
        if (all < LEAST_RETURNS)
            continue;
        st = try_pause(task, &a, pauses[p], maps, end, count, err);
        struct od_paired paired =
            st == OD_OK ? od_paired(tilted, 1, usually, count) : (struct od_paired){0};
        if (paired.mean > ERRORS * paired.error) {
            *out_pause_s = pauses[p];
            *out_gain = (float)(paired.mean / paired.before);
        }
    }
    free(usual);
    free(maps);
    free(end);
    free(event);
    free(tilted);
    free(usually);
    return st;
}

enum od_status od_returning_choose(const struct od_returning_task *task, int64_t *out_pause_s,
                                   float *out_gain, struct od_error *err)
{
    struct od_content_rows rows;
    uint64_t all;
    *out_pause_s = 0;
    *out_gain = 0;
    (void)list_returns(task, OD_RETURNING_LEAST_S, 0, NULL, &all);
    if (!task->training->item_table || all < LEAST_RETURNS)
        return OD_OK;
    enum od_status st = od_content_rows_init(&rows, task->training, COLUMNS, task->memory_bytes,
                                             task->threads, err);
    if (st != OD_OK)
        return st;
    if (rows.columns)
        st = choose(task, &rows, out_pause_s, out_gain, err);
    od_content_rows_done(&rows);
    return st;
}

/* --- images --- */

enum od_status od_returning_write(const struct od_content_model *model,
                                  struct od_image_writer *image)
{
    return od_content_write(model, NAME, image);
}

enum od_status od_returning_read(const struct od_image *image, uint32_t item_count,
                                 struct od_content_model *out, struct od_error *err)
{
    enum od_status st = od_content_read(image, NAME, item_count, out, err);
    out->unit = true;
    return st;
}
