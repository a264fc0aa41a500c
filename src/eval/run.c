/* Running evaluations, fold by fold: one exam in memory at a time, one model at a time; what is
 * kept of a fold are the figures of its questions. */
#include "eval/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/popular.h"
#include "eval/run_inner.h"

const char *od_list_variant_name(enum od_list_variant variant)
{
    return variant == OD_LISTS_RAW ? "raw" : "past_removed";
}

const char *od_exam_group_name(enum od_exam_group group)
{
    static const char *const names[] = {"all", "known_users", "cold_users"};
    return names[group];
}

/* --- one answerer --- */

static enum od_status ask(const struct od_eval *run, const struct od_exam *exam,
                          const struct od_answerer *answerer, struct od_eval_row *row,
                          struct od_error *err)
{
    struct od_answers answers;
    enum od_status s = od_ask(exam, answerer, &run->asking, &answers, err);
    return s == OD_OK ? od_answers_append(&row->answers, &answers, err) : s;
}

static enum od_status ask_baselines(struct od_eval *run, const struct od_exam *exam,
                                    struct od_error *err)
{
    struct od_popular *popular;
    struct od_eval_row *rows = run->result->rows;
    enum od_status s = od_popular_new(exam, &popular, err);
    if (s != OD_OK)
        return s;
    struct od_answerer ever = od_popular_ever(popular), lately = od_popular_lately(popular);
    struct od_chance chance = {exam, run->plan->input.seed};
    struct od_answerer random = od_chance_of(&chance);
    s = ask(run, exam, &ever, &rows[OD_EVAL_EVER], err);
    if (s == OD_OK)
        s = ask(run, exam, &lately, &rows[OD_EVAL_LATELY], err);
    if (s == OD_OK && run->plan->protocol->chance)
        s = ask(run, exam, &random, &rows[OD_EVAL_LATELY + 1], err);
    od_popular_free(popular);
    return s;
}

/* --- one recipe --- */

static enum od_status report(void *context, double fraction, const char *stage)
{
    const struct od_eval *run = context;
    return run->plan->say(run->plan->say_context, run->row->name, fraction, stage);
}

static void add_cost(struct od_eval_row *row, const struct od_cost *cost, uint32_t folds)
{
    row->fit.seconds += cost->seconds / folds;
    row->fit.operations += cost->operations / folds;
    if (cost->peak_bytes > row->fit.peak_bytes)
        row->fit.peak_bytes = cost->peak_bytes;
}

enum od_status od_eval_train(struct od_eval *run, const struct od_training *training,
                             struct od_eval_row *row, struct od_memory_model *out,
                             struct od_error *err)
{
    const struct od_eval_plan *plan = run->plan;
    struct od_train_input input = {.training = training,
                                   .spec = row->recipe->spec,
                                   .params = row->recipe->params,
                                   .external = row->recipe->external,
                                   .seed = plan->input.seed,
                                   .threads = plan->threads,
                                   .memory_bytes = plan->memory_bytes};
    struct od_cost_watch watch;
    struct od_cost cost;
    run->row = row;
    if (plan->say)
        input.progress = (struct od_progress){report, run};
    od_cost_begin(&watch, plan->io);
    enum od_status s = od_memory_model_train(row->recipe->recipe, &input, out, err);
    od_cost_end(&watch, &cost);
    if (s != OD_OK)
        return s;
    add_cost(row, &cost, run->result->folds);
    row->image_bytes = out->image.bytes.len;
    return plan->image_path ? od_io_write_file(plan->io, plan->image_path, out->image.bytes, err)
                            : OD_OK;
}

static enum od_status take_recipe(struct od_eval *run, const struct od_exam *exam,
                                  struct od_eval_row *row, struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_recipe_answerer answerer = {0};
    struct od_error inner = {0};
    enum od_status s = od_eval_train(run, exam->train, row, &model, &inner);
    if (s == OD_OK)
        s = od_recipe_answerer_init(&answerer, exam, row->recipe->recipe, row->recipe->spec,
                                    model.model, &inner);
    if (s == OD_OK) {
        struct od_answerer who = od_recipe_answerer_of(&answerer);
        s = ask(run, exam, &who, row, &inner);
    }
    od_recipe_answerer_done(&answerer);
    od_memory_model_done(&model);
    return s == OD_OK ? OD_OK : od_fail(err, s, "%s: %s", row->name, inner.message);
}

/* --- folds --- */

static void count_exam(struct od_eval_result *result, const struct od_exam *exam)
{
    result->catalogue = exam->item_count;
    result->train_events = exam->train->event_count;
    result->questions += exam->question_count;
    result->possible += exam->possible;
    result->skipped += exam->skipped;
    result->relevant += exam->relevant_count;
    for (uint64_t r = 0; r < exam->relevant_count; r++)
        result->cold_relevant += !exam->known[exam->relevant[r]];
}

/* Figures of groups and their intervals are made of them at the end. */
static enum od_status keep_questions(struct od_eval_questions *kept, uint32_t had,
                                     const struct od_exam *exam)
{
    size_t bytes = ((size_t)had + exam->question_count + 1) * sizeof(uint32_t);
    uint32_t *groups = realloc(kept->groups, bytes);
    kept->groups = groups ? groups : kept->groups;
    uint32_t *user = realloc(kept->user, bytes);
    kept->user = user ? user : kept->user;
    if (!groups || !user)
        return OD_NO_MEMORY;
    for (uint32_t q = 0; q < exam->question_count; q++) {
        groups[had + q] = exam->questions[q].groups;
        user[had + q] = exam->questions[q].user;
    }
    return OD_OK;
}

static enum od_status take_fold(struct od_eval *run, uint32_t fold, struct od_eval_questions *kept,
                                struct od_error *err)
{
    struct od_exam exam = {0};
    struct od_eval_result *result = run->result;
    enum od_status s = run->plan->protocol->make(&run->plan->input, fold, &exam, err);
    if (s != OD_OK)
        return s;
    s = keep_questions(kept, result->questions, &exam);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    count_exam(result, &exam);
    if (s == OD_OK)
        s = ask_baselines(run, &exam, err);
    for (size_t r = 0; s == OD_OK && r < result->row_count; r++)
        if (result->rows[r].recipe)
            s = take_recipe(run, &exam, &result->rows[r], err);
    od_exam_done(&exam);
    return s;
}

/* --- figures --- */

/* One metric of one row's questions that are in the group. */
static void copy_series(const struct od_eval_row *row, const struct od_eval_figure *figure,
                        size_t metric, const uint32_t *groups, float *out)
{
    const float *value = row->answers.value[figure->variant];
    for (uint32_t q = 0; q < row->answers.question_count; q++)
        out[q] =
            groups[q] & 1u << figure->group ? value[q * row->answers.metric_count + metric] : NAN;
}

static enum od_status list_figures(struct od_eval_result *result)
{
    const struct od_protocol *protocol = result->plan->protocol;
    size_t metrics = od_protocol_metric_count(protocol);
    for (size_t r = 0; r < result->row_count; r++) {
        struct od_eval_row *row = &result->rows[r];
        row->figures = calloc(OD_LIST_VARIANTS * OD_EXAM_GROUPS * metrics, sizeof *row->figures);
        if (!row->figures)
            return OD_NO_MEMORY;
        for (int v = 0; v < OD_LIST_VARIANTS; v++)
            for (int g = 0; g < OD_EXAM_GROUPS; g++)
                for (size_t m = 0; m < metrics; m++)
                    if (protocol->variants & 1u << v && protocol->groups & 1u << g)
                        row->figures[row->figure_count++] =
                            (struct od_eval_figure){.variant = (enum od_list_variant)v,
                                                    .group = (enum od_exam_group)g,
                                                    .metric = &protocol->metrics[m]};
    }
    return OD_OK;
}

/* Users who asked to askers 0, 1, ...; *out stays NULL when everybody asked one question. */
static enum od_status number_askers(const struct od_eval_result *result, const uint32_t *user,
                                    uint32_t **out, uint32_t *out_count)
{
    uint32_t users = result->plan->input.full->user_count, count = 0;
    uint32_t *of_user = malloc(((size_t)users + 1) * sizeof *of_user);
    uint32_t *asker = malloc(((size_t)result->questions + 1) * sizeof *asker);
    if (!of_user || !asker) {
        free(of_user);
        free(asker);
        return OD_NO_MEMORY;
    }
    memset(of_user, 0xff, users * sizeof *of_user); /* OD_NO_CODE */
    for (uint32_t q = 0; q < result->questions; q++) {
        uint32_t known = user[q] == OD_NO_CODE ? OD_NO_CODE : of_user[user[q]];
        asker[q] = known == OD_NO_CODE ? count++ : known;
        if (user[q] != OD_NO_CODE)
            of_user[user[q]] = asker[q];
    }
    free(of_user);
    *out_count = count;
    if (count < result->questions)
        *out = asker;
    else
        free(asker);
    return OD_OK;
}

/* All rows' series of all figures, then their intervals. */
static enum od_status sum_up(struct od_eval_result *result, const struct od_eval_questions *kept,
                             struct od_error *err)
{
    uint32_t *asker = NULL, askers = 0;
    enum od_status s = list_figures(result);
    size_t per_row = s == OD_OK ? result->rows[0].figure_count : 0;
    size_t count = per_row * result->row_count, n = result->questions;
    float *values = malloc((count * n + 1) * sizeof *values);
    struct od_series *series = malloc((count + 1) * sizeof *series);
    struct od_interval *interval = malloc((2 * count + 1) * sizeof *interval);
    if (s == OD_OK)
        s = number_askers(result, kept->user, &asker, &askers);
    if (s != OD_OK || !values || !series || !interval) {
        s = od_fail(err, OD_NO_MEMORY, NULL);
    } else {
        for (size_t i = 0; i < count; i++) {
            struct od_eval_row *row = &result->rows[i / per_row];
            struct od_eval_figure *figure = &row->figures[i % per_row];
            size_t metric = (size_t)(figure->metric - result->plan->protocol->metrics);
            copy_series(row, figure, metric, kept->groups, values + i * n);
            series[i] = (struct od_series){
                values + i * n,
                i / per_row == OD_EVAL_LATELY ? SIZE_MAX : OD_EVAL_LATELY * per_row + i % per_row};
        }
        s = od_bootstrap(series, count, (uint32_t)n, asker, askers, result->plan->input.seed,
                         result->plan->threads, interval, interval + count, err);
    }
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        result->rows[i / per_row].figures[i % per_row].value = interval[i];
        result->rows[i / per_row].figures[i % per_row].above = interval[count + i];
        double ever = interval[i % per_row].mean; /* of row OD_EVAL_EVER, the first */
        result->rows[i / per_row].figures[i % per_row].times =
            ever > 0 ? interval[i].mean / ever : NAN;
    }
    free(values);
    free(series);
    free(interval);
    free(asker);
    return s;
}

/* --- the whole --- */

static enum od_status list_rows(struct od_eval_result *result)
{
    const struct od_eval_plan *plan = result->plan;
    size_t n = 0;
    result->rows = calloc(plan->recipe_count + OD_EVAL_BASELINES, sizeof *result->rows);
    if (!result->rows)
        return OD_NO_MEMORY;
    bool segments = plan->protocol->segments;
    result->rows[n++].name = segments ? "most active users" : "popularity of all time";
    result->rows[n++].name = segments ? "most active, last 7 days" : "popularity, last 7 days";
    if (plan->protocol->chance)
        result->rows[n++].name = "chance";
    for (size_t r = 0; r < plan->recipe_count; r++)
        result->rows[n++] = (struct od_eval_row){.name = plan->recipes[r].recipe->name,
                                                 .recipe = &plan->recipes[r]};
    result->row_count = n;
    return OD_OK;
}

/* Recipes that list users answer protocol segment alone, and no other recipe does; actions are not
 * items, so recipes that list them answer none of these. */
static enum od_status check_recipes(const struct od_eval_plan *plan, struct od_error *err)
{
    for (size_t r = 0; r < plan->recipe_count; r++) {
        const struct od_recipe *recipe = plan->recipes[r].recipe;
        if (plan->recipes[r].spec->type == OD_PERSONALIZED_ACTIONS)
            return od_fail(err, OD_INVALID_INPUT,
                           "Recipe %s lists actions; no protocol here asks for those.",
                           recipe->name);
        if (plan->protocol->segments && !recipe->segment)
            return od_fail(
                err, OD_INVALID_INPUT,
                "Recipe %s lists items; protocol segment is for recipes that list users.",
                recipe->name);
        if (!plan->protocol->segments && !recipe->score)
            return od_fail(err, OD_INVALID_INPUT,
                           "Recipe %s lists users; evaluate it by protocol segment.", recipe->name);
    }
    return OD_OK;
}

enum od_status od_eval_run(const struct od_eval_plan *plan, struct od_eval_result *out,
                           struct od_error *err)
{
    *out = (struct od_eval_result){.plan = plan,
                                   .folds = plan->protocol->folded ? plan->input.folds : 1};
    struct od_eval run = {.plan = plan,
                          .result = out,
                          .asking = {.metrics = plan->protocol->metrics,
                                     .metric_count = od_protocol_metric_count(plan->protocol),
                                     .variants = plan->protocol->variants,
                                     .threads = plan->threads,
                                     .io = plan->io}};
    struct od_eval_questions kept = {0};
    enum od_status s = list_rows(out);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    if (s == OD_OK)
        s = check_recipes(plan, err);
    if (s == OD_OK && plan->protocol->segments)
        s = od_eval_segments(&run, &kept, err);
    for (uint32_t fold = 0; s == OD_OK && !plan->protocol->segments && fold < out->folds; fold++)
        s = take_fold(&run, fold, &kept, err);
    if (s == OD_OK)
        s = sum_up(out, &kept, err);
    free(kept.groups);
    free(kept.user);
    if (s != OD_OK)
        od_eval_done(out);
    return s;
}

void od_eval_done(struct od_eval_result *result)
{
    for (size_t r = 0; result->rows && r < result->row_count; r++) {
        od_answers_done(&result->rows[r].answers);
        free(result->rows[r].figures);
    }
    free(result->rows);
    *result = (struct od_eval_result){0};
}
