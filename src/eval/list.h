/* One ranked list against what was right: the metrics of models.md section 4 on single questions.
 *
 * A list is all candidates by falling score. Of equal scores a relevant item counts as the last, so
 * a tie never flatters; items scored -INFINITY or NAN are in no list. */
#ifndef OD_EVAL_LIST_H
#define OD_EVAL_LIST_H

#include <stdbool.h>

#include "math/topk.h"

#define OD_LIST_MOST 25 /* places that metrics look at, at most */

enum od_list_metric_kind {
    OD_LIST_PRECISION, /* hits in the first k / k */
    OD_LIST_RECALL,    /* hits in the first k / relevant items */
    OD_LIST_HIT,       /* 1 when there is a hit in the first k */
    OD_LIST_MRR,       /* 1 / place of the first hit among the first k, else 0 */
    OD_LIST_NDCG,      /* place p weighs 1 / log2(p + 1); ideal: min(k, relevant items) at the top
                          (Jarvelin, Kekalainen 2002) */
    OD_LIST_NDCG_AWS,  /* ideal: as many items at the top as there are hits in the first k, as in
                          Amazon's samples; 0 without a hit */
    OD_LIST_GAIN /* gain of the first k / that of the best list, not less than 0; of exams with
                    gains alone, and computed where they are (ask.c) */
};
struct od_list_metric {
    enum od_list_metric_kind kind;
    uint32_t k;
    bool cold;         /* only items without an event in the training part are relevant; questions
                          without one have no such figure */
    const char *name;  /* for machines: "precision_at_5" */
    const char *title; /* for tables: "P@5" */
};

/* What ranking one list needs; scratch: od_topk_scratch(OD_LIST_MOST) words. */
struct od_list_ranker {
    const struct od_kernels *kernels;
    uint64_t *scratch;
};
struct od_list {
    uint32_t count;
    uint32_t item[OD_LIST_MOST];
    bool hit[OD_LIST_MOST];
};
/* The first OD_LIST_MOST places. keep: bitmap of candidates, NULL for all. relevant: distinct, each
 * below count. scores of relevant items are -INFINITY afterwards; held has room for relevant_count
 * numbers and gets what they were. */
void od_list_rank(const struct od_list_ranker *ranker, float *scores, uint32_t count,
                  const uint64_t *keep, const uint32_t *relevant, uint32_t relevant_count,
                  float *held, struct od_list *out);

double od_list_metric(const struct od_list_metric *metric, const struct od_list *list,
                      uint32_t relevant_count);

#endif
