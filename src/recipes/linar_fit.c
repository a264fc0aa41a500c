/* One fit, step by step: head, kernels, suffix sums, G and C, solution. See linar_fit.h.
 *
 * LinAR is ridge regression from decayed sums of a user's past to the next item,
 *     B = (sum w h h' + Lambda)^-1 sum w h e(next)',   score = h B,
 * the regression of EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019)
 * with the order and recency of SLIST (Choi et al., "Session-aware Linear Item-Item Models for
 * Session-based Recommendation", WWW 2021) and several decays at once, learnt jointly. */
#include "recipes/linar_fit.h"

#include <stdlib.h>
#include <string.h>

static enum od_status share_tick(void *context, double fraction)
{
    struct od_linar_share *s = context;
    if (!s->outer->tick)
        return OD_OK;
    return s->outer->tick(s->outer->context, s->from + (s->to - s->from) * fraction);
}

struct od_work od_linar_share_work(struct od_linar_share *share)
{
    return (struct od_work){share->outer->threads, share_tick, share};
}

enum od_status od_linar_head_init(struct od_linar_head *out, const struct od_linar_events *events,
                                  uint32_t most, struct od_error *err)
{
    size_t n = events->item_count;
    uint32_t count = most < n ? most : (uint32_t)n;
    *out = (struct od_linar_head){.count = count};
    out->item = malloc((count ? count : 1) * sizeof *out->item);
    out->of = malloc((n ? n : 1) * sizeof *out->of);
    uint64_t *by_count = calloc(events->count + 2, sizeof *by_count);
    enum od_status st = out->item && out->of && by_count ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK) {
        /* by_count[c] = items with c events; then the least count that is wholly head */
        for (size_t i = 0; i < n; i++)
            by_count[events->at_start[i + 1] - events->at_start[i]]++;
        uint64_t least = events->count + 1, taken = 0;
        while (least > 0 && taken + by_count[least - 1] <= count)
            taken += by_count[--least];
        uint64_t put = 0, spare = count - taken; /* of the next lower count, by code */
        for (size_t i = 0; i < n; i++) {
            uint64_t have = events->at_start[i + 1] - events->at_start[i];
            bool in = have >= least || (have + 1 == least && spare > 0 && spare--);
            out->of[i] = in ? (uint32_t)put : OD_NO_CODE;
            if (in)
                out->item[put++] = (uint32_t)i;
        }
    } else {
        od_linar_head_done(out);
        (void)od_fail(err, st, NULL);
    }
    free(by_count);
    return st;
}

void od_linar_head_done(struct od_linar_head *head)
{
    free(head->item);
    free(head->of);
    *head = (struct od_linar_head){0};
}

/* From a ready problem to rows. */
static enum od_status solve(struct od_linar_fit *fit, struct od_linar_problem *problem,
                            const struct od_work *work, struct od_error *err)
{
    size_t features = od_linar_features(problem);
    uint32_t items = problem->events->item_count;
    struct od_matrix g = od_matrix_new(features, features), c = {0};
    struct od_linar_sparse *targets = calloc(items ? items : 1, sizeof *targets);
    struct od_linar_share share[3] = {{work, 0, .1}, {work, .1, .15}, {work, .15, 1}};
    struct od_work part[3];
    for (size_t i = 0; i < 3; i++)
        part[i] = od_linar_share_work(&share[i]);
    if (fit->plan.dense)
        c = od_matrix_new(features, items);
    enum od_status st = OD_OK;
    if (!g.at || !targets || (fit->plan.dense && !c.at))
        st = od_fail(err, OD_NO_MEMORY, NULL);
    problem->work = &part[0];
    if (st == OD_OK)
        st = od_linar_gram(problem, &g, &c, err);
    problem->work = &part[1];
    if (st == OD_OK)
        st = od_linar_targets(problem, fit->plan.dense, fit->plan.most_columns, targets, err);
    problem->work = &part[2];
    if (st == OD_OK && fit->plan.dense)
        st = od_linar_solve_dense(fit, problem, &g, &c, err);
    else if (st == OD_OK)
        st = od_linar_solve_sparse(fit, problem, &g, targets, err);
    if (st == OD_OK)
        st = od_linar_solve_tail(fit, problem, targets, err);
    od_linar_sparse_free(targets, targets ? items : 0);
    free(targets);
    od_matrix_free(&g);
    od_matrix_free(&c);
    return st;
}

enum od_status od_linar_fit_init(struct od_linar_fit *out, const struct od_linar_events *events,
                                 const struct od_linar_config *config,
                                 const struct od_linar_shape *shape,
                                 const struct od_linar_plan *plan, const struct od_work *work,
                                 struct od_error *err)
{
    *out = (struct od_linar_fit){.config = *config, .plan = *plan, .ridge_scale = 1};
    struct od_linar_head head = {0};
    struct od_linar_sums sums = {0};
    od_linar_kernels_init(&out->kernels, config->gamma, config->kernels, shape->window,
                          shape->horizon);
    out->constant = calloc((size_t)events->item_count + 1, sizeof *out->constant);
    enum od_status st = out->constant ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = od_linar_rows_init(&out->rows, events->item_count, config->kernels, shape->keep, err);
    if (st == OD_OK)
        st = od_linar_head_init(&head, events, plan->head, err);
    if (st == OD_OK)
        st = od_linar_sums_init(&sums, events, &out->kernels, work, err);
    if (st == OD_OK) {
        struct od_linar_problem problem = {events, &out->kernels, &head, &sums, work};
        st = solve(out, &problem, work, err);
    }
    od_linar_sums_done(&sums);
    od_linar_head_done(&head);
    if (st != OD_OK)
        od_linar_fit_done(out);
    return st;
}

void od_linar_fit_done(struct od_linar_fit *fit)
{
    od_linar_rows_done(&fit->rows);
    free(fit->constant);
    *fit = (struct od_linar_fit){0};
}
