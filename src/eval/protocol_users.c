/* Protocols that hold out the end of every asked user's history.
 *
 * aws-internal   A tenth of the users is kept out of training; of each one's n events the oldest
 *                9n/10 are input, the others relevant (recipes.md 9.1). A fold is another tenth:
 *                ten folds ask every user once, more begin a new division of the users.
 * aws-internal-last   The same users; only the last event of each is relevant.
 * aws-external   Amazon's notebooks: all users, the same 9n/10 of each are training and input.
 * loo            Leave one out, strict: the last event is relevant, all before are input, and
 *                training has all but the last two (the one before last is for validation, which
 *                happens inside training and needs no event of ours). Relaxed, as some papers do:
 *                training has all but the last.
 *
 * Users whose share of input is empty are skipped; for leave one out those with fewer than three
 * events, which are trained on whole. */
#include "eval/protocol.h"

#include <stdlib.h>

#include "base/random.h"

#define TENTHS 10

/* Who is asked and what is kept, while it is decided. */
struct division {
    uint64_t *keep;
    struct od_exam_user *users;
    uint32_t count, skipped;
};

static enum od_status division_init(struct division *d, const struct od_training *full)
{
    size_t users = (size_t)full->user_count + 1;
    *d = (struct division){.keep = malloc(users * sizeof *d->keep),
                           .users = malloc(users * sizeof *d->users)};
    return d->keep && d->users ? OD_OK : OD_NO_MEMORY;
}

static void division_done(struct division *d)
{
    free(d->keep);
    free(d->users);
}

static uint64_t length_of(const struct od_training *full, uint32_t user)
{
    return full->user_start[user + 1] - full->user_start[user];
}

/* Asks about what follows the first `input` events. */
static void hold_out(struct division *d, const struct od_training *full, uint32_t user,
                     uint64_t input)
{
    uint64_t end = full->user_start[user + 1];
    if (input == 0 || input >= length_of(full, user))
        d->skipped++;
    else
        d->users[d->count++] = (struct od_exam_user){user, full->user_start[user] + input, end};
}

/* tenth[u]: which tenth of the division user u is in. A shuffle of 0, 1, ... 9, 0, 1, ...: the
 * tenths differ by one user at most. */
static enum od_status divide(const struct od_training *full, uint64_t seed, uint32_t division,
                             uint8_t **out)
{
    uint32_t users = full->user_count;
    uint8_t *tenth = malloc((size_t)users + 1);
    struct od_random rng;
    if (!tenth)
        return OD_NO_MEMORY;
    od_random_init2(&rng, seed, division);
    for (uint32_t u = 0; u < users; u++) {
        uint32_t at = (uint32_t)od_random_below(&rng, (uint64_t)u + 1);
        tenth[u] = tenth[at];
        tenth[at] = (uint8_t)(u % TENTHS);
    }
    *out = tenth;
    return OD_OK;
}

static enum od_status finish(const struct od_protocol_input *input, struct division *d,
                             enum od_status s, struct od_exam *out, struct od_error *err)
{
    struct od_exam_asking asking = od_protocol_asking(input);
    if (s == OD_OK && d->count)
        s = od_protocol_prefix_exam(input, d->keep, d->users, d->count, &asking, out, err);
    else if (s == OD_OK)
        s = od_fail(err, OD_INVALID_INPUT,
                    "No user has enough events to be asked about: %u users were looked at.",
                    input->full->user_count);
    else
        od_fail(err, s, NULL);
    if (s == OD_OK)
        out->skipped = d->skipped;
    division_done(d);
    return s;
}

/* Users of the fold's tenth are asked about what follows so many of their n events. */
static enum od_status make_tenth(const struct od_protocol_input *input, uint32_t fold,
                                 uint64_t (*input_of)(uint64_t n), struct od_exam *out,
                                 struct od_error *err)
{
    const struct od_training *full = input->full;
    struct division d;
    uint8_t *tenth = NULL;
    enum od_status s = division_init(&d, full);
    if (s == OD_OK)
        s = divide(full, input->seed, fold / TENTHS, &tenth);
    for (uint32_t u = 0; s == OD_OK && u < full->user_count; u++) {
        uint64_t n = length_of(full, u);
        bool asked = tenth[u] == fold % TENTHS;
        d.keep[u] = asked ? 0 : n;
        if (asked)
            hold_out(&d, full, u, input_of(n));
    }
    free(tenth);
    return finish(input, &d, s, out, err);
}

static uint64_t all_but_one(uint64_t n)
{
    return n ? n - 1 : 0;
}

static enum od_status make_internal(const struct od_protocol_input *input, uint32_t fold,
                                    struct od_exam *out, struct od_error *err)
{
    return make_tenth(input, fold, od_protocol_nine_tenths, out, err);
}

static enum od_status make_internal_last(const struct od_protocol_input *input, uint32_t fold,
                                         struct od_exam *out, struct od_error *err)
{
    return make_tenth(input, fold, all_but_one, out, err);
}

static enum od_status make_external(const struct od_protocol_input *input, uint32_t fold,
                                    struct od_exam *out, struct od_error *err)
{
    (void)fold;
    struct division d;
    enum od_status s = division_init(&d, input->full);
    for (uint32_t u = 0; s == OD_OK && u < input->full->user_count; u++) {
        d.keep[u] = od_protocol_nine_tenths(length_of(input->full, u));
        hold_out(&d, input->full, u, d.keep[u]);
    }
    return finish(input, &d, s, out, err);
}

static enum od_status make_loo(const struct od_protocol_input *input, uint32_t fold,
                               struct od_exam *out, struct od_error *err)
{
    (void)fold;
    struct division d;
    enum od_status s = division_init(&d, input->full);
    for (uint32_t u = 0; s == OD_OK && u < input->full->user_count; u++) {
        uint64_t n = length_of(input->full, u);
        d.keep[u] = n < 3 ? n : n - (input->relaxed ? 1 : 2);
        hold_out(&d, input->full, u, n < 3 ? 0 : n - 1);
    }
    return finish(input, &d, s, out, err);
}

/* --- the protocols --- */

#define BOTH_LISTS (1u << OD_LISTS_RAW | 1u << OD_LISTS_REMOVED)

/* What Amazon's protocols have in common; shown: place in od_metrics_aws. */
#define AWS_FIGURES(shown)                                                                         \
    .metrics = od_metrics_aws, .variants = BOTH_LISTS, .shown_metric = (shown),                    \
    .shown_lists = OD_LISTS_RAW, .groups = 1u << OD_GROUP_ALL

const struct od_protocol od_protocol_aws_internal = {
    .name = "aws-internal",
    .summary = "a tenth of the users unseen, the newest tenth of each is relevant (several folds)",
    AWS_FIGURES(3),
    .folded = true,
    .targeted = true,
    .make = make_internal,
};

const struct od_protocol od_protocol_aws_internal_last = {
    .name = "aws-internal-last",
    .summary = "a tenth of the users unseen, the last event of each is relevant (several folds)",
    AWS_FIGURES(3),
    .folded = true,
    .targeted = true,
    .make = make_internal_last,
};

const struct od_protocol od_protocol_aws_external = {
    .name = "aws-external",
    .summary = "all users, the newest tenth of each is relevant, the rest is training and input",
    AWS_FIGURES(0),
    .targeted = true,
    .make = make_external,
};

static const struct od_list_metric loo_metrics[] = {
    {OD_LIST_HIT, 10, false, "hit_rate_at_10", "HR@10"},
    {OD_LIST_NDCG, 10, false, "ndcg_at_10", "N@10"},
    {OD_LIST_MRR, 25, false, "mrr_at_25", "MRR@25"},
    {.name = NULL},
};
const struct od_protocol od_protocol_loo = {
    .name = "loo",
    .summary = "the last event of each user is relevant; training has all but the last two",
    .metrics = loo_metrics,
    .variants = BOTH_LISTS,
    .shown_metric = 1,
    .shown_lists = OD_LISTS_REMOVED,
    .groups = 1u << OD_GROUP_ALL,
    .targeted = true,
    .make = make_loo,
};
