/* Training of the affinity recipes: once without the last horizon, to choose the ridge and the
 * mixture on what happened in it, and once with everything.
 *
 * Memory: the states (12 bytes a distinct user and item), the moments and the responses of one fit
 * (4 (2 dim + 1) (2 items + 65,536) bytes) and the subspace (4 dim (items + 200,000) bytes). A cap
 * lowers dim until they fit. */
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "math/kernels.h"
#include "recipes/affinity_image.h"
#include "recipes/metrics.h"

#define DIM_LEAST 8
static const double ridges[] = {0.1, 0.6, 4};
enum { RIDGES = sizeof ridges / sizeof *ridges };

/* One fit: what it has when it is done. */
struct fit {
    struct od_affinity_states states;
    struct od_affinity_shares shares;
    struct od_affinity_moments moments;
    float *projection, *response;
};

static void fit_done(struct fit *fit)
{
    od_affinity_states_done(&fit->states);
    od_affinity_shares_done(&fit->shares);
    od_affinity_moments_done(&fit->moments);
    free(fit->projection);
    free(fit->response);
    *fit = (struct fit){0};
}

static struct od_affinity_parts parts_of(const struct fit *fit)
{
    return (struct od_affinity_parts){.states = &fit->states,
                                      .shares = &fit->shares,
                                      .item_count = fit->moments.item_count,
                                      .dim = fit->moments.dim,
                                      .width = fit->moments.width,
                                      .projection = fit->projection,
                                      .response = fit->response};
}

static enum od_status fit_init(struct fit *fit, const struct od_train_input *input,
                               const uint64_t *end, int64_t now_s, uint32_t dim)
{
    const struct od_training *t = input->training;
    enum od_status s = od_affinity_states_init(&fit->states, t, end, input->threads);
    if (s == OD_OK)
        s = od_affinity_shares_init(&fit->shares, t, end, now_s);
    if (s == OD_OK)
        s = od_affinity_subspace(&fit->states, t->item_count, dim, input->seed, input->threads,
                                 &fit->projection);
    if (s == OD_OK)
        s = od_affinity_moments_init(&fit->moments, t, end, fit->projection, dim, input->threads);
    return s;
}

/* Sums over each set of what p of an item is made of. */
struct set_sums {
    struct od_affinity_shares shares;
    float *response;
};

static void set_sums_done(struct set_sums *sums)
{
    od_affinity_shares_done(&sums->shares);
    free(sums->response);
}

static enum od_status set_sums_init(struct set_sums *out, const struct od_affinity_sets *sets,
                                    struct od_affinity_parts *parts)
{
    size_t count = (size_t)sets->count + 1, width = parts->width;
    struct set_sums sums = {{calloc(count, sizeof(float)), calloc(count, sizeof(float))},
                            calloc(count * width, sizeof(float))};
    if (!sums.shares.popular || !sums.shares.recent || !sums.response) {
        set_sums_done(&sums);
        return OD_NO_MEMORY;
    }
    const struct od_kernels *kernels = od_kernels_best();
    for (uint32_t v = 0; v < sets->count; v++)
        for (uint64_t k = sets->at[v]; k < sets->at[v + 1]; k++) {
            uint32_t item = sets->item[k];
            sums.shares.popular[v] += parts->shares->popular[item];
            sums.shares.recent[v] += parts->shares->recent[item];
            kernels->axpy(sums.response + v * width, parts->response + item * width, 1, width);
        }
    *out = sums;
    parts->sets = sets;
    parts->shares = &out->shares;
    parts->response = out->response;
    parts->item_count = sets->count;
    return OD_OK;
}

/* The mixture for one ridge. */
static enum od_status try_mix(const struct od_train_input *input, const struct fit *fit,
                              const struct od_affinity_judges *judges,
                              const struct od_affinity_sets *sets, struct od_affinity_mix *out,
                              double *out_value)
{
    struct od_affinity_parts parts = parts_of(fit);
    struct set_sums sums = {0};
    enum od_status s = sets ? set_sums_init(&sums, sets, &parts) : OD_OK;
    if (s == OD_OK)
        s = od_affinity_mix_fit(&parts, input->training, judges, input->threads, out, out_value);
    set_sums_done(&sums);
    return s;
}

/* The ridge and mixture under which the held-out horizon is likeliest. */
static enum od_status choose(const struct od_train_input *input, struct fit *fit,
                             const struct od_affinity_judges *judges,
                             const struct od_affinity_sets *sets, double *out_ridge,
                             struct od_affinity_mix *out_mix, struct od_error *err)
{
    double best = 0;
    enum od_status s = OD_OK;
    for (int i = 0; s == OD_OK && i < RIDGES; i++) {
        struct od_affinity_mix mix = {0};
        double value = 0;
        free(fit->response);
        fit->response = NULL;
        s = od_affinity_solve(&fit->moments, ridges[i], input->threads, &fit->response, err);
        if (s == OD_OK && (s = try_mix(input, fit, judges, sets, &mix, &value)) != OD_OK)
            od_fail(err, s, NULL);
        if (s == OD_OK && (i == 0 || value > best)) {
            best = value;
            *out_ridge = ridges[i];
            *out_mix = mix;
        }
    }
    return s;
}

static enum od_status choose_on_cut(const struct od_train_input *input, uint32_t dim,
                                    const struct od_affinity_sets *sets, double *out_ridge,
                                    struct od_affinity_mix *out_mix, struct od_error *err)
{
    struct od_affinity_cut cut;
    struct fit fit = {0};
    enum od_status s = od_affinity_cut_init(&cut, input->training, input->training->last_time);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = fit_init(&fit, input, cut.end, cut.now_s, dim);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else
        s = od_progress_report(&input->progress, 0.35, "choosing", err);
    if (s == OD_OK)
        s = choose(input, &fit, &cut.judges, sets, out_ridge, out_mix, err);
    fit_done(&fit);
    od_affinity_cut_done(&cut);
    return s;
}

static uint64_t bytes_needed(const struct od_training *t, uint64_t dim)
{
    uint64_t width = 1 + OD_AFFINITY_KERNELS * dim, users = t->user_count;
    uint64_t states = 12 * t->event_count + 16 * users;
    return states + 4 * width * (2 * (uint64_t)t->item_count + 65536 + width) +
           4 * dim * (t->item_count + (users < 200000 ? users : 200000));
}

static uint32_t choose_dim(const struct od_train_input *input)
{
    uint32_t dim =
        (uint32_t)od_recipe_param(input->spec, input->params, "hidden_dimension")->number;
    if (dim > input->training->item_count)
        dim = input->training->item_count;
    if (dim > OD_AFFINITY_DIM)
        dim = OD_AFFINITY_DIM;
    while (input->memory_bytes && dim > DIM_LEAST &&
           bytes_needed(input->training, dim) > input->memory_bytes)
        dim -= dim / 4 > 0 ? dim / 4 : 1;
    return dim;
}

static enum od_status make_rates(const struct od_train_input *input, const uint64_t *end,
                                 enum od_affinity_question question, float **out,
                                 struct od_error *err)
{
    const struct od_training *t = input->training;
    float *rates = malloc(((size_t)t->user_count + 1) * sizeof *rates);
    if (!rates)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_affinity_rate rate = {0};
    enum od_status s = OD_OK;
    if (question == OD_AFFINITY_FIFTH)
        for (uint32_t u = 0; u < t->user_count; u++)
            rates[u] = (float)(end[u] - t->user_start[u]) / 4;
    else
        s = od_affinity_rate_fit(t, end, t->last_time, input->threads, &rate, err);
    if (s == OD_OK && question == OD_AFFINITY_DAYS &&
        (s = od_affinity_rates(&rate, t, end, t->last_time, input->threads, rates)) != OD_OK)
        od_fail(err, s, NULL);
    if (s == OD_OK)
        *out = rates;
    else
        free(rates);
    return s;
}

static enum od_status fit_all(const struct od_train_input *input, const uint64_t *end,
                              const struct od_affinity_catalogue *catalogue,
                              const struct od_affinity_sets *sets,
                              enum od_affinity_question question, struct od_image_writer *image,
                              struct od_error *err)
{
    struct od_affinity_mix mix = {0};
    struct fit fit = {0};
    double ridge = ridges[0];
    float *rates = NULL;
    uint32_t dim = choose_dim(input);
    enum od_status s = choose_on_cut(input, dim, sets, &ridge, &mix, err);
    if (s == OD_OK)
        s = od_progress_report(&input->progress, 0.5, "learning tastes", err);
    if (s == OD_OK && (s = fit_init(&fit, input, end, input->training->last_time, dim)) != OD_OK)
        od_fail(err, s, NULL);
    if (s == OD_OK)
        s = od_affinity_solve(&fit.moments, ridge, input->threads, &fit.response, err);
    if (s == OD_OK)
        s = od_progress_report(&input->progress, 0.9, "learning rates", err);
    if (s == OD_OK)
        s = make_rates(input, end, question, &rates, err);
    if (s == OD_OK) {
        struct od_affinity_parts parts = parts_of(&fit);
        s = od_affinity_image_write(input, &parts, catalogue, &mix, rates, image, err);
    }
    free(rates);
    fit_done(&fit);
    return s;
}

enum od_status od_affinity_write(const struct od_train_input *input, bool by_attribute,
                                 enum od_affinity_question question, struct od_image_writer *image,
                                 struct od_error *err)
{
    const struct od_training *t = input->training;
    struct od_affinity_catalogue catalogue = {0};
    struct od_affinity_sets sets = {0};
    uint64_t *end = malloc(((size_t)t->user_count + 1) * sizeof *end);
    if (!end)
        return od_fail(err, OD_NO_MEMORY, NULL);
    memcpy(end, t->user_start + 1, t->user_count * sizeof *end);
    od_math_init();
    enum od_status s = od_affinity_catalogue_init(&catalogue, t, input->threads, err);
    if (s == OD_OK && by_attribute &&
        (s = od_affinity_sets_init(&sets, &catalogue, false)) != OD_OK)
        od_fail(err, s, NULL);
    if (s == OD_OK)
        s = fit_all(input, end, &catalogue, sets.count ? &sets : NULL, question, image, err);
    od_affinity_sets_done(&sets);
    od_affinity_catalogue_done(&catalogue);
    free(end);
    return s;
}
