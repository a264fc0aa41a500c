/* The hierarchical logistic model of actions, by Newton's method level by level.
 *
 * logit p(u, a) = (theta_all + sum_{values v of a} theta_v + theta_a) . x(u, a), with normal priors
 * around 0 on every level: a multilevel regression (Gelman, Hill, Data Analysis Using Regression
 * and Multilevel Models, 12-14). The objective is convex; given the others, a level is one logistic
 * regression with an offset, so each is fitted in turn, a few times over. Priors tighten from level
 * to level: what all actions share needs many columns, what one has of its own few.
 *
 * An action's own level keeps its Hessian. By Laplace's approximation the level is normal around
 * its mode with the inverse as covariance; that is what exploration draws from, and for an action
 * without events it is the prior. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/action.h"
#include "recipes/features.h"
#include "recipes/glm.h"

#define SWEEPS      3
#define VALUES_MOST 64 /* levels of attribute values, the commonest of each field first */
#define BINS        3

/* Pull to 0 of the constant and of a standardised column, by level. */
static const double pull[3][2] = {{0.01, 1}, {0.5, 4}, {0.5, 12}};
enum level { OF_ALL, OF_VALUE, OF_ACTION };

/* --- levels --- */

static bool is_attribute(struct od_str field)
{
    static const char *const rules[] = {"EXPIRATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP",
                                        "REPEAT_FREQUENCY"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (od_str_eq_c(field, rules[i]))
            return false;
    return true;
}

/* number[column]: its place among the levels, OD_NO_CODE. */
static uint32_t number_values(const struct od_features *f, uint32_t *number)
{
    uint32_t *rows = calloc((size_t)f->columns + 1, sizeof *rows), count = 0;
    for (uint32_t c = 0; c < f->columns; c++)
        number[c] = OD_NO_CODE;
    for (uint64_t k = 0; rows && k < f->at[f->rows]; k++)
        rows[f->column[k]]++;
    for (uint32_t k = 0; rows && k < f->field_count; k++)
        for (uint32_t c = 0; is_attribute(f->fields[k].name) && c < f->fields[k].column_count; c++)
            if (rows[f->fields[k].first + c] >= 2 && count < VALUES_MOST)
                number[f->fields[k].first + c] = count++;
    bool room = rows != NULL;
    free(rows);
    return room ? count : OD_NO_CODE;
}

/* Values of TYPE, a reserved plain string that features leave out: the first action with the same
 * text gives it its number, after those of the features. */
static void add_types(const struct od_table *table, const struct od_dict *actions,
                      uint32_t *type_of, uint32_t *value_count)
{
    const struct od_schema *schema = od_table_schema(table);
    size_t field = schema ? od_schema_find(schema, OD_STR("TYPE")) : SIZE_MAX;
    if (field == SIZE_MAX || schema->fields[field].type != OD_FIELD_STRING ||
        schema->fields[field].categorical)
        return;
    struct od_table_column column;
    od_table_column(table, field, &column);
    uint32_t *first = calloc((size_t)od_dict_count(column.dict) + 1, sizeof *first);
    for (uint32_t a = 0; first && a < od_dict_count(actions); a++) {
        uint32_t row = od_table_find(table, od_dict_text(actions, a));
        if (row == OD_NO_ROW || column.list_len[row] == 0)
            continue;
        uint32_t code = column.codes[column.list_at[row]];
        if (!first[code] && *value_count < VALUES_MOST)
            first[code] = ++*value_count;
        if (first[code])
            type_of[a] = first[code] - 1;
    }
    free(first);
}

static enum od_status list_levels(struct od_action_levels *l, const struct od_features *f,
                                  const struct od_table *table, const struct od_dict *actions)
{
    uint32_t count = od_dict_count(actions), at = 0;
    uint32_t *number = malloc(((size_t)f->columns + 1) * sizeof *number);
    uint32_t *type_of = malloc(((size_t)count + 1) * sizeof *type_of);
    l->at = calloc((size_t)count + 1, sizeof *l->at);
    l->value = malloc((f->at[f->rows] + count + 1) * sizeof *l->value);
    enum od_status s = number && type_of && l->at && l->value ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK && (l->value_count = number_values(f, number)) == OD_NO_CODE)
        s = OD_NO_MEMORY;
    for (uint32_t a = 0; s == OD_OK && a < count; a++)
        type_of[a] = OD_NO_CODE;
    if (s == OD_OK)
        add_types(table, actions, type_of, &l->value_count);
    for (uint32_t a = 0; s == OD_OK && a < count; a++) {
        for (uint64_t k = f->at[a]; k < f->at[a + 1]; k++)
            if (number[f->column[k]] != OD_NO_CODE)
                l->value[at++] = number[f->column[k]];
        if (type_of[a] != OD_NO_CODE)
            l->value[at++] = type_of[a];
        l->at[a + 1] = at;
    }
    free(number);
    free(type_of);
    return s;
}

enum od_status od_action_levels_init(struct od_action_levels *out, const struct od_table *table,
                                     const struct od_dict *actions, struct od_error *err)
{
    struct od_action_levels l = {.action_count = od_dict_count(actions)};
    struct od_feature_options options = od_feature_options_default();
    struct od_features f = {0};
    options.text = false;
    options.bins = BINS;
    enum od_status s = OD_OK;
    if (table) {
        s = od_features_make(table, actions, &options, &f, err);
        if (s == OD_OK && (s = list_levels(&l, &f, table, actions)) != OD_OK)
            od_fail(err, s, NULL);
        od_features_done(&f);
    } else {
        l.at = calloc((size_t)l.action_count + 1, sizeof *l.at);
        l.value = malloc(sizeof *l.value);
        s = l.at && l.value ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s == OD_OK)
        *out = l;
    else
        od_action_levels_done(&l);
    return s;
}

void od_action_levels_done(struct od_action_levels *levels)
{
    free(levels->at);
    free(levels->value);
    *levels = (struct od_action_levels){0};
}

/* --- rows by action --- */

struct fit {
    const struct od_action_levels *levels;
    size_t count, *at; /* rows of each action: [action_count + 1] */
    uint32_t width;
    float *x, *y, *weight, *eta; /* by action; eta under all levels so far */
    double strength;
    unsigned threads;
    double *beta;   /* [(1 + values + actions) * width] */
    double *factor; /* [actions * width * width] Hessians */
};

static bool sort_rows(struct fit *f, const struct od_action_rows_x *rows, const bool *which)
{
    uint32_t actions = f->levels->action_count, width = rows->width;
    f->at = calloc((size_t)actions + 2, sizeof *f->at);
    for (size_t r = 0; f->at && r < rows->count; r++)
        if (!which || which[r]) {
            f->at[rows->action[r] + 2]++;
            f->count++;
        }
    f->x = malloc((f->count + 1) * width * sizeof *f->x);
    f->y = malloc((f->count + 1) * sizeof *f->y);
    f->weight = malloc((f->count + 1) * sizeof *f->weight);
    f->eta = calloc(f->count + 1, sizeof *f->eta);
    if (!f->at || !f->x || !f->y || !f->weight || !f->eta)
        return false;
    for (uint32_t a = 0; a < actions; a++)
        f->at[a + 2] += f->at[a + 1];
    for (size_t r = 0; r < rows->count; r++) {
        if (which && !which[r])
            continue;
        size_t to = f->at[rows->action[r] + 1]++;
        memcpy(f->x + to * width, rows->x + r * width, width * sizeof *f->x);
        f->y[to] = rows->taken[r];
        f->weight[to] = rows->weight[r];
    }
    return true;
}

/* --- one level --- */

/* eta += sign x . beta on rows [from, to). */
static void shift(struct fit *f, size_t from, size_t to, const double *beta, double sign)
{
    for (size_t r = from; r < to; r++) {
        double sum = 0;
        for (uint32_t j = 0; j < f->width; j++)
            sum += (double)f->x[r * f->width + j] * beta[j];
        f->eta[r] += (float)(sign * sum);
    }
}

static enum od_status fit_rows(const struct fit *f, enum level level, const float *x,
                               const float *y, const float *weight, const float *eta, size_t count,
                               unsigned threads, double *beta, double *hessian)
{
    double ridge[OD_ACTION_WIDTH];
    for (uint32_t j = 0; j < f->width; j++)
        ridge[j] = pull[level][j > 0] * (level == OF_ALL ? 1 : f->strength);
    struct od_glm glm = {.link = OD_GLM_LOGISTIC,
                         .count = count,
                         .width = f->width,
                         .x = x,
                         .stride = f->width,
                         .y = y,
                         .weight = weight,
                         .offset = eta,
                         .ridge = ridge,
                         .threads = threads};
    return od_glm_fit(&glm, beta, hessian);
}

static enum od_status fit_all(struct fit *f)
{
    shift(f, 0, f->count, f->beta, -1);
    enum od_status s =
        fit_rows(f, OF_ALL, f->x, f->y, f->weight, f->eta, f->count, f->threads, f->beta, NULL);
    shift(f, 0, f->count, f->beta, 1);
    return s;
}

static bool has_level(const struct od_action_levels *l, uint32_t action, uint32_t value)
{
    for (uint32_t k = l->at[action]; k < l->at[action + 1]; k++)
        if (l->value[k] == value)
            return true;
    return false;
}

/* Rows of the actions that have the value, put together. */
static enum od_status fit_value(struct fit *f, uint32_t value)
{
    double *beta = f->beta + (1 + (size_t)value) * f->width;
    float *copy = malloc((f->count + 1) * (f->width + 3) * sizeof *copy);
    if (!copy)
        return OD_NO_MEMORY;
    float *x = copy, *y = x + f->count * f->width, *weight = y + f->count;
    float *eta = weight + f->count;
    size_t n = 0;
    for (uint32_t a = 0; a < f->levels->action_count; a++) {
        size_t from = f->at[a], some = f->at[a + 1] - from;
        if (!has_level(f->levels, a, value))
            continue;
        shift(f, from, from + some, beta, -1);
        memcpy(x + n * f->width, f->x + from * f->width, some * f->width * sizeof *x);
        memcpy(y + n, f->y + from, some * sizeof *y);
        memcpy(weight + n, f->weight + from, some * sizeof *weight);
        memcpy(eta + n, f->eta + from, some * sizeof *eta);
        n += some;
    }
    enum od_status s = fit_rows(f, OF_VALUE, x, y, weight, eta, n, f->threads, beta, NULL);
    for (uint32_t a = 0; a < f->levels->action_count; a++)
        if (has_level(f->levels, a, value))
            shift(f, f->at[a], f->at[a + 1], beta, 1);
    free(copy);
    return s;
}

static enum od_status fit_action(void *context, size_t a, unsigned thread)
{
    (void)thread;
    struct fit *f = context;
    double *beta = f->beta + (1 + f->levels->value_count + a) * f->width;
    size_t from = f->at[a], to = f->at[a + 1];
    shift(f, from, to, beta, -1);
    enum od_status s =
        fit_rows(f, OF_ACTION, f->x + from * f->width, f->y + from, f->weight + from, f->eta + from,
                 to - from, 1, beta, f->factor + a * f->width * f->width);
    shift(f, from, to, beta, 1);
    return s;
}

/* --- the result --- */

static bool gather(struct fit *f, struct od_action_coefficients *out)
{
    const struct od_action_levels *l = f->levels;
    size_t width = f->width, square = width * width;
    out->theta = calloc((l->action_count + 1) * width, sizeof *out->theta);
    out->factor = calloc((l->action_count + 1) * square, sizeof *out->factor);
    if (!out->theta || !out->factor)
        return false;
    for (uint32_t a = 0; a < l->action_count; a++) {
        float *theta = out->theta + a * width;
        double *h = f->factor + a * square;
        for (size_t j = 0; j < width; j++) {
            double sum = f->beta[j] + f->beta[(1 + l->value_count + a) * width + j];
            for (uint32_t k = l->at[a]; k < l->at[a + 1]; k++)
                sum += f->beta[(1 + (size_t)l->value[k]) * width + j];
            theta[j] = (float)sum;
        }
        if (!od_small_factor(h, width)) /* its ridge keeps it definite: rounding alone fails */
            return false;
        for (size_t i = 0; i < width; i++)
            for (size_t j = 0; j <= i; j++)
                out->factor[a * square + i * width + j] = (float)h[i * width + j];
    }
    return true;
}

static enum od_status sweep(struct fit *f)
{
    enum od_status s = fit_all(f);
    for (uint32_t v = 0; s == OD_OK && v < f->levels->value_count; v++)
        s = fit_value(f, v);
    if (s == OD_OK)
        s = od_parallel(f->threads, f->levels->action_count, fit_action, f);
    return s;
}

enum od_status od_action_fit(const struct od_action_rows_x *rows, const bool *which,
                             const struct od_action_levels *levels, double strength,
                             unsigned threads, struct od_action_coefficients *out)
{
    struct fit f = {
        .levels = levels, .width = rows->width, .strength = strength, .threads = threads};
    size_t blocks = 1 + (size_t)levels->value_count + levels->action_count;
    f.beta = calloc(blocks * f.width, sizeof *f.beta);
    f.factor = calloc(((size_t)levels->action_count + 1) * f.width * f.width, sizeof *f.factor);
    struct od_action_coefficients result = {0};
    enum od_status s = f.beta && f.factor && sort_rows(&f, rows, which) ? OD_OK : OD_NO_MEMORY;
    for (int i = 0; s == OD_OK && i < SWEEPS; i++)
        s = sweep(&f);
    if (s == OD_OK && !gather(&f, &result))
        s = OD_NO_MEMORY;
    free(f.at);
    free(f.x);
    free(f.y);
    free(f.weight);
    free(f.eta);
    free(f.beta);
    free(f.factor);
    if (s == OD_OK)
        *out = result;
    else
        od_action_coefficients_done(&result);
    return s;
}

void od_action_coefficients_done(struct od_action_coefficients *coefficients)
{
    free(coefficients->theta);
    free(coefficients->factor);
    *coefficients = (struct od_action_coefficients){0};
}
