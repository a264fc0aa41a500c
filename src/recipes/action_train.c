/* Training of aws-next-best-action. See action.h.
 *
 * The strength of the priors and the calibration are chosen on the newest fifth of the offers,
 * fitted on those before; then everything is fitted. Offers are at most the newest ROWS_MOST: 64
 * floats each, and as much again while a level is fitted, 200 MB in all.
 *
 * Without action interactions there is nothing to learn: no action is scored, and answers are in
 * order of VALUE (recipes.md section 6). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "recipes/action_facts.h"
#include "recipes/action_image.h"
#include "recipes/affinity.h"
#include "recipes/metrics.h"

#define ROWS_MOST   200000
#define JUDGE_SHARE 5 /* one offer in five */
#define JUDGES      50
#define MIN_EVENTS  50 /* (AWS) of a kind, for an action to be scored */
#define WINDOW_S    (42 * 86400ll)
#define DAY_S       86400ll
static const double strengths[] = {0.3, 1, 3, 10};
enum { STRENGTHS = sizeof strengths / sizeof *strengths };

struct job {
    const struct od_train_input *input;
    struct od_dict *actions; /* the model's */
    uint32_t *code;          /* [actions->item_count] the model's code */
    uint32_t *item_user;     /* [actions->user_count] code in the item interactions */
    uint8_t *type;           /* [actions->type_count] */
    struct od_action_record record;
    struct od_action_levels levels;
    struct od_action_row *rows;
    size_t row_count;
    float *projection;
    float scale[2][OD_ACTION_WIDTH];
    struct od_action_view view;
    struct od_action_rows_x x;
    struct od_action_coefficients coefficients;
    struct od_action_about about;
    struct od_action_rule *rules;
};

static struct od_str record_name(const void *names, uint32_t column)
{
    return od_dict_text(names, column);
}

/* --- codes --- */

static int compare_str(const void *a, const void *b)
{
    return od_str_cmp(*(const struct od_str *)a, *(const struct od_str *)b);
}

static enum od_status code_actions(struct job *job)
{
    const struct od_training *t = job->input->actions;
    const struct od_table *table = job->input->action_table;
    uint32_t rows = table ? od_table_row_count(table) : 0, known = t ? t->item_count : 0;
    struct od_str *ids = malloc(((size_t)rows + known + 1) * sizeof *ids);
    job->actions = od_dict_new();
    job->code = malloc(((size_t)known + 1) * sizeof *job->code);
    enum od_status s = ids && job->actions && job->code ? OD_OK : OD_NO_MEMORY;
    size_t count = 0;
    for (uint32_t i = 0; s == OD_OK && i < known; i++)
        ids[count++] = od_dict_text(t->items, i);
    for (uint32_t row = 0; s == OD_OK && row < rows; row++)
        if (od_table_has_record(table, row))
            ids[count++] = od_table_id(table, row);
    if (s == OD_OK)
        qsort(ids, count, sizeof *ids, compare_str);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        uint32_t code;
        s = od_dict_add(job->actions, ids[i], &code);
    }
    for (uint32_t i = 0; s == OD_OK && i < known; i++)
        job->code[i] = od_dict_find(job->actions, od_dict_text(t->items, i));
    free(ids);
    return s;
}

static enum od_status code_users(struct job *job)
{
    const struct od_training *t = job->input->actions, *items = job->input->training;
    uint32_t users = t ? t->user_count : 0;
    job->item_user = malloc(((size_t)users + 1) * sizeof *job->item_user);
    job->type = malloc((size_t)(t ? t->type_count : 0) + 1);
    if (!job->item_user || !job->type)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < users; u++)
        job->item_user[u] = od_dict_find(items->users, od_dict_text(t->users, u));
    if (t)
        od_action_types(t, job->type);
    return OD_OK;
}

/* --- rules --- */

static void read_rules(struct job *job)
{
    const struct od_table *table = job->input->action_table;
    struct od_action_columns columns;
    od_action_columns(table, &columns);
    for (uint32_t a = 0; a < job->levels.action_count; a++) {
        struct od_action_fact fact;
        uint32_t row = table ? od_table_find(table, od_dict_text(job->actions, a)) : OD_NO_ROW;
        od_action_fact(&columns, row, &fact);
        job->rules[a].expires_s = fact.expires_s;
        job->rules[a].value = fact.value;
        job->rules[a].repeat_days = fact.repeat_days;
    }
}

/* At least 50 Taken and 50 others within six weeks before the latest action interaction. */
static enum od_status count_events(struct job *job)
{
    const struct od_training *t = job->input->actions;
    uint32_t(*count)[2] = calloc((size_t)job->levels.action_count + 1, sizeof *count);
    if (!count)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; t && e < t->event_count; e++) {
        uint8_t type = job->type[t->type[e]];
        if (type != OD_ACTION_OTHER &&
            (double)t->last_time - (double)t->time[e] <= (double)WINDOW_S)
            count[job->code[t->item[e]]][type != OD_ACTION_TAKEN]++;
    }
    for (uint32_t a = 0; a < job->levels.action_count; a++)
        job->rules[a].scored = count[a][0] >= MIN_EVENTS && count[a][1] >= MIN_EVENTS;
    free(count);
    return OD_OK;
}

/* --- x of the offers --- */

/* What one user has done, as queries see it. */
struct past {
    struct od_past_event *items, *actions;
    size_t item_count, action_count;
    struct od_query record; /* its user values */
    struct od_arena arena;
};

static enum od_status read_past(const struct job *job, uint32_t user, struct past *p)
{
    const struct od_training *a = job->input->actions, *t = job->input->training;
    uint32_t item_user = job->item_user[user];
    uint64_t from = item_user == OD_NO_CODE ? 0 : t->user_start[item_user];
    od_arena_reset(&p->arena);
    p->item_count = item_user == OD_NO_CODE ? 0 : t->user_start[item_user + 1] - from;
    p->action_count = a->user_start[user + 1] - a->user_start[user];
    p->items = OD_NEW_ARRAY(&p->arena, struct od_past_event, p->item_count);
    p->actions = OD_NEW_ARRAY(&p->arena, struct od_past_event, p->action_count);
    if (!p->items || !p->actions)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < p->item_count; i++)
        p->items[i] = (struct od_past_event){.item = t->item[from + i], .time = t->time[from + i]};
    for (size_t i = 0; i < p->action_count; i++) {
        uint64_t e = a->user_start[user] + i;
        p->actions[i] = (struct od_past_event){
            .item = job->code[a->item[e]], .type = job->type[a->type[e]], .time = a->time[e]};
    }
    return od_action_record_read(t->user_table, od_dict_text(a->users, user), &p->arena,
                                 &p->record);
}

/* The query as it would have been just before the offer. */
static struct od_query query_before(const struct past *p, const struct od_training *actions,
                                    const struct od_action_row *row)
{
    size_t items = 0, events = row->event - actions->user_start[row->user];
    size_t high = p->item_count;
    while (items < high) { /* events before the offer's time */
        size_t middle = items + (high - items) / 2;
        if (p->items[middle].time < row->time)
            items = middle + 1;
        else
            high = middle;
    }
    size_t skip = events > OD_ACTION_EVENTS ? events - OD_ACTION_EVENTS : 0;
    return (struct od_query){.events = p->items,
                             .event_count = items,
                             .action_events = p->actions + skip,
                             .action_event_count = events - skip,
                             .user = p->record.user,
                             .user_value_count = p->record.user_value_count,
                             .item = OD_NO_CODE,
                             .now_s = row->time};
}

static enum od_status fill_x(struct job *job)
{
    struct past past = {0};
    uint32_t last = UINT32_MAX;
    enum od_status s = OD_OK;
    od_arena_init(&past.arena, SIZE_MAX);
    for (size_t r = 0; s == OD_OK && r < job->row_count; r++) {
        const struct od_action_row *row = &job->rows[r];
        struct od_action_state state;
        if (row->user != last)
            s = read_past(job, row->user, &past);
        last = row->user;
        if (s != OD_OK)
            break;
        struct od_query query = query_before(&past, job->input->actions, row);
        od_action_state_make(&job->view, &query, &state);
        job->x.action[r] = job->code[row->action];
        job->x.taken[r] = row->taken;
        job->x.weight[r] = row->weight;
        od_action_x(&job->view, &state, job->x.action[r], job->x.x + r * job->x.width);
    }
    od_arena_done(&past.arena);
    return s;
}

static void standardise(struct job *job)
{
    uint32_t width = job->x.width;
    double n = fmax((double)job->row_count, 1);
    for (uint32_t j = 0; j < width; j++) {
        double sum = 0, square = 0;
        for (size_t r = 0; r < job->row_count; r++) {
            double v = (double)job->x.x[r * width + j];
            sum += v;
            square += v * v;
        }
        double mean = sum / n, deviation = sqrt(fmax(square / n - mean * mean, 0));
        job->scale[0][j] = j ? (float)mean : 0;
        job->scale[1][j] = j ? (deviation > 1e-4 ? (float)(1 / deviation) : 0) : 1;
        for (size_t r = 0; j && r < job->row_count; r++)
            job->x.x[r * width + j] =
                od_action_standard(job->x.x[r * width + j], job->scale[0][j], job->scale[1][j]);
    }
    job->view.mean = job->scale[0];
    job->view.scale = job->scale[1];
}

static bool room_for_rows(struct job *job)
{
    size_t count = job->row_count + 1;
    job->x = (struct od_action_rows_x){.count = job->row_count, .width = job->view.width};
    job->x.x = calloc(count * job->x.width, sizeof *job->x.x);
    job->x.taken = malloc(count * sizeof *job->x.taken);
    job->x.weight = malloc(count * sizeof *job->x.weight);
    job->x.action = malloc(count * sizeof *job->x.action);
    return job->x.x && job->x.taken && job->x.weight && job->x.action;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of the row at that place in order of time. */
static enum od_status time_of(const struct job *job, size_t place, int64_t *out)
{
    int64_t *times = malloc((job->row_count + 1) * sizeof *times);
    if (!times)
        return OD_NO_MEMORY;
    for (size_t r = 0; r < job->row_count; r++)
        times[r] = job->rows[r].time;
    qsort(times, job->row_count, sizeof *times, compare_times);
    *out = times[place];
    free(times);
    return OD_OK;
}

static int64_t period_of(const struct job *job)
{
    double days =
        od_recipe_param(job->input->spec, job->input->params, "action_optimization_period")->number;
    return (int64_t)days * DAY_S;
}

static enum od_status list_rows(struct job *job)
{
    const struct od_training *t = job->input->actions;
    if (!t)
        return OD_OK;
    enum od_status s = od_action_rows(t, period_of(job), INT64_MIN, &job->rows, &job->row_count);
    if (s != OD_OK || job->row_count <= ROWS_MOST)
        return s;
    int64_t since;
    s = time_of(job, job->row_count - ROWS_MOST, &since);
    size_t kept = 0;
    for (size_t r = 0; s == OD_OK && r < job->row_count; r++)
        if (job->rows[r].time >= since && kept < ROWS_MOST)
            job->rows[kept++] = job->rows[r];
    job->row_count = kept;
    return s;
}

static enum od_status make_view(struct job *job)
{
    const struct od_training *t = job->input->training;
    struct od_affinity_states states = {0};
    uint32_t tastes = t->item_count < OD_ACTION_TASTES ? t->item_count : OD_ACTION_TASTES;
    enum od_status s = od_affinity_states_init(&states, t, t->user_start + 1, job->input->threads);
    if (s == OD_OK)
        s = od_affinity_subspace(&states, t->item_count, tastes, job->input->seed,
                                 job->input->threads, &job->projection);
    od_affinity_states_done(&states);
    job->view = (struct od_action_view){
        .item_count = t->item_count,
        .tastes = tastes,
        .width = OD_ACTION_WIDTH - OD_ACTION_TASTES - OD_ACTION_RECORD + tastes + job->record.count,
        .projection = job->projection,
        .record_count = job->record.count,
        .record_name = record_name,
        .record_names = job->record.names,
        .period_s = period_of(job),
    };
    return s;
}

/* --- choosing --- */

static double probability(const struct job *job, size_t r)
{
    const float *x = job->x.x + r * job->x.width;
    const float *theta = job->coefficients.theta + (size_t)job->x.action[r] * job->x.width;
    double eta = 0;
    for (uint32_t j = 0; j < job->x.width; j++)
        eta += (double)x[j] * (double)theta[j];
    return 1 / (1 + exp(-eta));
}

/* Probabilities of the judges into p, their outcomes beside; the result is the mean log-loss. */
static double judge(const struct job *job, const bool *which, double *p, float *taken,
                    float *weight)
{
    double loss = 0, all = 0;
    size_t n = 0;
    for (size_t r = 0; r < job->row_count; r++) {
        if (which[r])
            continue;
        p[n] = fmin(fmax(probability(job, r), 1e-6), 1 - 1e-6);
        taken[n] = job->x.taken[r];
        weight[n] = job->x.weight[r];
        loss -= (double)weight[n] * log(taken[n] > 0 ? p[n] : 1 - p[n]);
        all += (double)weight[n++];
    }
    return all > 0 ? loss / all : 0;
}

static enum od_status try_strengths(struct job *job, const bool *which, size_t judges,
                                    double *out_strength)
{
    double best = 0, *p = malloc((judges + 1) * sizeof *p);
    float *outcome = malloc(2 * (judges + 1) * sizeof *outcome), *weight = outcome + judges + 1;
    enum od_status s = p && outcome ? OD_OK : OD_NO_MEMORY;
    for (int i = 0; s == OD_OK && i < STRENGTHS; i++) {
        od_action_coefficients_done(&job->coefficients);
        s = od_action_fit(&job->x, which, &job->levels, strengths[i], job->input->threads,
                          &job->coefficients);
        double loss = s == OD_OK ? judge(job, which, p, outcome, weight) : 0;
        if (s == OD_OK && (i == 0 || loss < best)) {
            best = loss;
            *out_strength = strengths[i];
            s = od_action_calibration_fit(p, outcome, weight, judges, &job->about.calibration);
        }
    }
    free(p);
    free(outcome);
    return s;
}

static enum od_status choose(struct job *job, double *out_strength)
{
    od_action_calibration_none(&job->about.calibration);
    *out_strength = 1;
    if (job->row_count < JUDGES * JUDGE_SHARE)
        return OD_OK;
    bool *which = malloc(job->row_count * sizeof *which);
    int64_t since = 0;
    size_t judges = 0;
    enum od_status s =
        which ? time_of(job, job->row_count - job->row_count / JUDGE_SHARE, &since) : OD_NO_MEMORY;
    for (size_t r = 0; s == OD_OK && r < job->row_count; r++) {
        which[r] = job->rows[r].time < since;
        judges += !which[r];
    }
    if (s == OD_OK && judges < job->row_count) /* times say something */
        s = try_strengths(job, which, judges, out_strength);
    free(which);
    return s;
}

/* --- all in order --- */

static enum od_status learn(struct job *job)
{
    double strength;
    enum od_status s = room_for_rows(job) ? fill_x(job) : OD_NO_MEMORY;
    if (s != OD_OK)
        return s;
    standardise(job);
    s = choose(job, &strength);
    od_action_coefficients_done(&job->coefficients);
    return s == OD_OK ? od_action_fit(&job->x, NULL, &job->levels, strength, job->input->threads,
                                      &job->coefficients)
                      : s;
}

static enum od_status give(struct od_image_writer *image, const char *name, const void *bytes,
                           uint64_t len)
{
    return od_image_add(image, name, bytes, len, false);
}

static enum od_status write(struct job *job, struct od_image_writer *image)
{
    job->about.tastes = job->view.tastes;
    job->about.record_count = job->record.count;
    job->about.width = job->view.width;
    job->about.learnt = job->row_count > 0;
    enum od_status s = od_image_add_dict(image, "items", job->actions);
    if (s == OD_OK)
        s = od_image_add_dict(image, "action.items", job->input->training->items);
    if (s == OD_OK)
        s = od_image_add_dict(image, "action.record", job->record.names);
    if (s == OD_OK)
        s = give(image, "action.about", &job->about, sizeof job->about);
    if (s == OD_OK)
        s = give(image, "action.period", &job->view.period_s, sizeof job->view.period_s);
    if (s == OD_OK)
        s = give(image, "action.projection", job->projection,
                 (uint64_t)job->view.item_count * job->view.tastes * sizeof(float));
    return s;
}

static enum od_status write_rest(struct job *job, struct od_image_writer *image)
{
    uint64_t actions = job->levels.action_count, width = job->view.width;
    float *scale = malloc(2 * width * sizeof *scale);
    if (!scale)
        return OD_NO_MEMORY;
    memcpy(scale, job->scale[0], width * sizeof *scale);
    memcpy(scale + width, job->scale[1], width * sizeof *scale);
    enum od_status s = od_image_give(image, "action.scale", scale, 2 * width * sizeof *scale);
    if (s == OD_OK)
        s = give(image, "action.theta", job->coefficients.theta, actions * width * sizeof(float));
    if (s == OD_OK)
        s = give(image, "action.factor", job->coefficients.factor,
                 actions * width * width * sizeof(float));
    return s == OD_OK ? give(image, "action.rules", job->rules, actions * sizeof *job->rules) : s;
}

static void job_done(struct job *job)
{
    od_dict_free(job->actions);
    free(job->code);
    free(job->item_user);
    free(job->type);
    od_action_record_done(&job->record);
    od_action_levels_done(&job->levels);
    free(job->rows);
    free(job->projection);
    free(job->x.x);
    free(job->x.taken);
    free(job->x.weight);
    free(job->x.action);
    od_action_coefficients_done(&job->coefficients);
    free(job->rules);
}

static enum od_status prepare(struct job *job, struct od_error *err)
{
    enum od_status s = code_actions(job);
    if (s == OD_OK && od_dict_count(job->actions) == 0)
        return od_fail(err, OD_INVALID_INPUT,
                       "Recipe aws-next-best-action needs an Actions dataset with at least one "
                       "action.");
    if (s == OD_OK)
        s = code_users(job);
    if (s == OD_OK)
        s = od_action_record_init(&job->record, job->input->training->user_table);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = od_action_levels_init(&job->levels, job->input->action_table, job->actions, err);
    if (s != OD_OK)
        return s;
    job->rules = calloc((size_t)job->levels.action_count + 1, sizeof *job->rules);
    s = job->rules ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK) {
        read_rules(job);
        s = count_events(job);
    }
    if (s == OD_OK)
        s = list_rows(job);
    if (s == OD_OK)
        s = make_view(job);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

enum od_status od_action_write(const struct od_train_input *input, struct od_image_writer *image,
                               struct od_error *err)
{
    struct job job = {.input = input};
    od_math_init();
    enum od_status s = prepare(&job, err);
    if (s == OD_OK)
        s = od_progress_report(&input->progress, 0.2, "learning propensities", err);
    if (s == OD_OK) {
        s = learn(&job);
        if (s == OD_OK)
            s = write(&job, image);
        if (s == OD_OK)
            s = write_rest(&job, image);
        if (s != OD_OK)
            od_fail(err, s, NULL);
    }
    job_done(&job);
    return s;
}
