/* The list of protocols and what they share. */
#include "eval/protocol.h"

#include "data/training_subset.h"
#include "eval/segments.h"

static const struct od_protocol *const protocols[] = {
    &od_protocol_aws_internal, &od_protocol_aws_internal_last,
    &od_protocol_aws_external, &od_protocol_time,
    &od_protocol_loo,          &od_protocol_session,
    &od_protocol_cf,           &od_protocol_cold,
    &od_protocol_segment,      &od_protocol_trend,
};

const struct od_protocol *od_protocol_at(size_t index)
{
    return index < sizeof protocols / sizeof *protocols ? protocols[index] : NULL;
}

const struct od_protocol *od_protocol_find(struct od_str name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (od_str_eq_c(name, protocols[i]->name))
            return protocols[i];
    return NULL;
}

const struct od_list_metric od_metrics_aws[] = {
    {OD_LIST_PRECISION, 5, false, "precision_at_5", "P@5"},
    {OD_LIST_PRECISION, 10, false, "precision_at_10", "P@10"},
    {OD_LIST_PRECISION, 25, false, "precision_at_25", "P@25"},
    {OD_LIST_MRR, 25, false, "mrr_at_25", "MRR@25"},
    {OD_LIST_NDCG, 5, false, "ndcg_at_5", "N@5"},
    {OD_LIST_NDCG, 10, false, "ndcg_at_10", "N@10"},
    {OD_LIST_NDCG, 25, false, "ndcg_at_25", "N@25"},
    {OD_LIST_NDCG_AWS, 5, false, "ndcg_aws_at_5", "Naws@5"},
    {OD_LIST_NDCG_AWS, 10, false, "ndcg_aws_at_10", "Naws@10"},
    {OD_LIST_NDCG_AWS, 25, false, "ndcg_aws_at_25", "Naws@25"},
    {.name = NULL},
};

const struct od_protocol od_protocol_segment = {
    .name = "segment",
    .summary = "the best 1 % of the users for an item, judged by who came back within 15 days",
    .metrics = od_metrics_segment,
    .variants = 1u << OD_LISTS_RAW,
    .shown_metric = 0,
    .shown_lists = OD_LISTS_RAW,
    .groups = 1u << OD_GROUP_ALL,
    .segments = true,
    .timed = true,
};

size_t od_protocol_metric_count(const struct od_protocol *protocol)
{
    size_t count = 0;
    while (protocol->metrics[count].name)
        count++;
    return count;
}

uint64_t od_protocol_nine_tenths(uint64_t n)
{
    return n / 10 * 9 + n % 10 * 9 / 10;
}

struct od_exam_asking od_protocol_asking(const struct od_protocol_input *input)
{
    return (struct od_exam_asking){.clock = input->target_time ? OD_NOW_TARGET : OD_NOW_LAST_INPUT,
                                   .most = input->most};
}

enum od_status od_protocol_prefix_exam(const struct od_protocol_input *input, const uint64_t *keep,
                                       const struct od_exam_user *users, uint32_t count,
                                       const struct od_exam_asking *asking, struct od_exam *out,
                                       struct od_error *err)
{
    struct od_training *train;
    enum od_status s = od_training_subset(input->full, keep, &train, NULL, err);
    if (s != OD_OK)
        return s;
    s = od_exam_begin(out, input->full, NULL, train, true, err);
    if (s != OD_OK)
        return s;
    s = od_exam_ask_users(out, input->full, users, count, asking, err);
    if (s != OD_OK)
        od_exam_done(out);
    return s;
}
