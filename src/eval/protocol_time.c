/* Global time split: the protocol without a look into the future.
 *
 * One moment cuts the data of everybody: training has what came before, the questions are asked at
 * that moment, and relevant is all that a user did from then on. The moment is the time of the
 * event before which the share `cut` of all events lies. Users without an event before the cut are
 * asked too (with an empty history), and items without one are relevant too: they are what a real
 * catalogue is made of. Both are reported apart as well. */
#include <stdlib.h>
#include <string.h>

#include "data/training_subset.h"
#include "eval/protocol.h"

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

enum od_status od_protocol_cut(const struct od_training *full, double share, int64_t *out,
                               struct od_error *err)
{
    uint64_t count = full->event_count;
    int64_t *time = malloc((count + 1) * sizeof *time);
    if (!time)
        return od_fail(err, OD_NO_MEMORY, NULL);
    memcpy(time, full->time, count * sizeof *time);
    qsort(time, count, sizeof *time, ascending);
    uint64_t at = (uint64_t)(share * (double)count);
    int64_t cut = time[at < count ? at : count - 1], first = time[0];
    free(time);
    if (cut == first)
        return od_fail(err, OD_INVALID_INPUT,
                       "The interactions cannot be cut in time: the first %.0f %% of them have the "
                       "same TIMESTAMP, %lld.",
                       100 * share, (long long)first);
    *out = cut;
    return OD_OK;
}

/* What every user has before the cut, and who has something from then on (users may be NULL). */
static uint32_t cut_users(const struct od_training *full, int64_t cut, uint64_t *keep,
                          struct od_exam_user *users)
{
    uint32_t asked = 0;
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint64_t at = full->user_start[u], end = full->user_start[u + 1];
        while (at < end && full->time[at] < cut)
            at++;
        keep[u] = at - full->user_start[u];
        if (users && at < end)
            users[asked++] = (struct od_exam_user){u, at, end};
    }
    return asked;
}

enum od_status od_protocol_before(const struct od_training *full, int64_t time,
                                  struct od_training **out, struct od_error *err)
{
    uint64_t *keep = malloc(((size_t)full->user_count + 1) * sizeof *keep);
    if (!keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    (void)cut_users(full, time, keep, NULL);
    enum od_status s = od_training_subset(full, keep, out, NULL, err);
    free(keep);
    return s;
}

static enum od_status make(const struct od_protocol_input *input, uint32_t fold,
                           struct od_exam *out, struct od_error *err)
{
    (void)fold;
    const struct od_training *full = input->full;
    struct od_exam_asking asking = od_protocol_asking(input);
    size_t room = (size_t)full->user_count + 1;
    enum od_status s = od_protocol_cut(full, input->cut, &asking.fixed_now_s, err);
    if (s != OD_OK)
        return s;
    if (!input->target_time)
        asking.clock = OD_NOW_FIXED;
    uint64_t *keep = malloc(room * sizeof *keep);
    struct od_exam_user *users = malloc(room * sizeof *users);
    if (keep && users) {
        uint32_t asked = cut_users(full, asking.fixed_now_s, keep, users);
        s = od_protocol_prefix_exam(input, keep, users, asked, &asking, out, err);
    } else {
        s = od_fail(err, OD_NO_MEMORY, NULL);
    }
    free(keep);
    free(users);
    return s;
}

static const struct od_list_metric metrics[] = {
    {OD_LIST_PRECISION, 5, false, "precision_at_5", "P@5"},
    {OD_LIST_PRECISION, 25, false, "precision_at_25", "P@25"},
    {OD_LIST_HIT, 10, false, "hit_rate_at_10", "HR@10"},
    {OD_LIST_MRR, 25, false, "mrr_at_25", "MRR@25"},
    {OD_LIST_NDCG, 10, false, "ndcg_at_10", "N@10"},
    {OD_LIST_NDCG_AWS, 10, false, "ndcg_aws_at_10", "Naws@10"},
    {OD_LIST_RECALL, 25, false, "recall_at_25", "R@25"},
    {OD_LIST_RECALL, 25, true, "cold_item_recall_at_25", "cold items R@25"},
    {.name = NULL},
};
const struct od_protocol od_protocol_time = {
    .name = "time",
    .summary = "trained on what came before one moment, asked then about all that follows",
    .metrics = metrics,
    .variants = 1u << OD_LISTS_RAW | 1u << OD_LISTS_REMOVED,
    .shown_metric = 4,
    .shown_lists = OD_LISTS_RAW,
    .groups = 1u << OD_GROUP_ALL | 1u << OD_GROUP_KNOWN | 1u << OD_GROUP_COLD,
    .timed = true,
    .targeted = true,
    .make = make,
};
