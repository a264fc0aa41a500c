/* Protocols whose held-out part is a published file.
 *
 * session   Each record is a question: a prefix of a session and the item that came next. All
 *           interactions are trained on (a user is a session). Items may repeat, so the raw lists
 * are the published ones. The prefix's events are a second apart, after all training events. cf
 * Each user's pairs are relevant, all interactions are training and input: the split of LightGCN
 * (He et al. 2020) and its followers, whose lists leave out the training items. Users without
 * interactions are skipped. */
#include <stdlib.h>

#include "eval/protocol.h"

/* An exam that trains on everything. */
static enum od_status begin(const struct od_protocol_input *input, struct od_exam *out,
                            struct od_error *err)
{
    /* Not owned, so not changed: an exam only reads what it trains on. */
    return od_exam_begin(out, input->full, input->test->items, (struct od_training *)input->full,
                         false, err);
}

/* --- sessions --- */

static enum od_status ask_session(struct od_exam *exam, const struct od_test_row *row)
{
    struct od_str prefix = row->left, item;
    struct od_past_event event = {.time = exam->train->last_time};
    enum od_status s = od_exam_question(exam, OD_NO_CODE, OD_NO_EVENT);
    while (s == OD_OK && od_str_cut(&prefix, '|', &item)) {
        event.item = od_dict_find(exam->items, item);
        event.time++;
        s = od_exam_event(exam, &event);
    }
    if (s == OD_OK)
        s = od_exam_relevant(exam, od_dict_find(exam->items, row->right));
    if (s == OD_OK)
        od_exam_close(exam, event.time, 0);
    return s;
}

static enum od_status make_session(const struct od_protocol_input *input, uint32_t fold,
                                   struct od_exam *out, struct od_error *err)
{
    (void)fold;
    const struct od_test_file *test = input->test;
    if (test->count > UINT32_MAX - 1 || input->full->last_time > INT64_MAX / 2)
        return od_fail(err, OD_INVALID_INPUT, "The test file or its times are too large.");
    enum od_status s = begin(input, out, err);
    if (s != OD_OK)
        return s;
    uint32_t count = (uint32_t)test->count;
    uint32_t asked = input->most && input->most < count ? input->most : count;
    for (uint32_t i = 0; s == OD_OK && i < asked; i++)
        s = ask_session(out, &test->rows[od_exam_spread(i, count, input->most)]);
    out->possible = count;
    if (s == OD_OK)
        return OD_OK;
    od_exam_done(out);
    return od_fail(err, s, NULL);
}

/* --- pairs --- */

/* Test rows by user of the training set: row[at[u]] .. row[at[u + 1]]. */
struct by_user {
    uint64_t *at;
    size_t *row;
    uint32_t strangers; /* users of the file without interactions */
};

static enum od_status group(const struct od_training *full, const struct od_test_file *test,
                            struct by_user *out)
{
    uint32_t users = full->user_count, stranger;
    uint32_t *user = malloc((test->count + 1) * sizeof *user);
    struct od_dict *strangers = od_dict_new();
    enum od_status s = OD_OK;
    out->at = calloc((size_t)users + 2, sizeof *out->at);
    out->row = malloc((test->count + 1) * sizeof *out->row);
    if (!user || !strangers || !out->at || !out->row)
        s = OD_NO_MEMORY;
    for (size_t i = 0; s == OD_OK && i < test->count; i++) {
        user[i] = od_dict_find(full->users, test->rows[i].left);
        if (user[i] == OD_NO_CODE)
            s = od_dict_add(strangers, test->rows[i].left, &stranger);
        else
            out->at[user[i] + 2]++; /* one place further: at[u + 1] is u's cursor below */
    }
    for (uint32_t u = 0; s == OD_OK && u < users; u++)
        out->at[u + 2] += out->at[u + 1];
    for (size_t i = 0; s == OD_OK && i < test->count; i++)
        if (user[i] != OD_NO_CODE)
            out->row[out->at[user[i] + 1]++] = i;
    out->strangers = strangers ? od_dict_count(strangers) : 0;
    od_dict_free(strangers);
    free(user);
    return s;
}

static enum od_status ask_pairs(struct od_exam *exam, const struct od_protocol_input *input,
                                const struct by_user *by, uint32_t user)
{
    const struct od_training *full = input->full;
    uint64_t start = full->user_start[user], end = full->user_start[user + 1];
    enum od_status s = od_exam_question(exam, user, end - 1);
    for (uint64_t e = start; s == OD_OK && e < end; e++)
        s = od_exam_event(exam,
                          &(struct od_past_event){
                              od_dict_find(exam->items, od_dict_text(full->items, full->item[e])),
                              full->type[e], full->time[e]});
    for (uint64_t r = by->at[user]; s == OD_OK && r < by->at[user + 1]; r++)
        s = od_exam_relevant(exam, od_dict_find(exam->items, input->test->rows[by->row[r]].right));
    if (s == OD_OK)
        od_exam_close(exam, full->time[end - 1], 0);
    return s;
}

static enum od_status ask_users(struct od_exam *exam, const struct od_protocol_input *input,
                                const struct by_user *by)
{
    uint32_t users = input->full->user_count, count = 0;
    uint32_t *asked = malloc(((size_t)users + 1) * sizeof *asked);
    if (!asked)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < users; u++)
        if (by->at[u + 1] > by->at[u])
            asked[count++] = u;
    uint32_t most = input->most && input->most < count ? input->most : count;
    enum od_status s = OD_OK;
    for (uint32_t i = 0; s == OD_OK && i < most; i++)
        s = ask_pairs(exam, input, by, asked[od_exam_spread(i, count, input->most)]);
    exam->possible = count;
    exam->skipped = by->strangers;
    free(asked);
    return s;
}

static enum od_status make_cf(const struct od_protocol_input *input, uint32_t fold,
                              struct od_exam *out, struct od_error *err)
{
    (void)fold;
    struct by_user by = {0};
    enum od_status s = begin(input, out, err);
    if (s != OD_OK)
        return s;
    s = group(input->full, input->test, &by);
    if (s == OD_OK)
        s = ask_users(out, input, &by);
    free(by.at);
    free(by.row);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else if (out->question_count == 0)
        s = od_fail(err, OD_INVALID_INPUT,
                    "No user of the test file has interactions in the training file.");
    if (s != OD_OK)
        od_exam_done(out);
    return s;
}

/* --- the protocols --- */

#define BOTH_LISTS (1u << OD_LISTS_RAW | 1u << OD_LISTS_REMOVED)

static const struct od_list_metric session_metrics[] = {
    {OD_LIST_RECALL, 20, false, "recall_at_20", "R@20"},
    {OD_LIST_MRR, 20, false, "mrr_at_20", "MRR@20"},
    {OD_LIST_RECALL, 10, false, "recall_at_10", "R@10"},
    {OD_LIST_NDCG, 10, false, "ndcg_at_10", "N@10"},
    {.name = NULL},
};
const struct od_protocol od_protocol_session = {
    .name = "session",
    .summary = "the next item of published session prefixes (--test with PREFIX and TARGET)",
    .metrics = session_metrics,
    .variants = BOTH_LISTS,
    .shown_metric = 0,
    .shown_lists = OD_LISTS_RAW,
    .groups = 1u << OD_GROUP_ALL,
    .test = OD_TEST_SESSIONS,
    .make = make_session,
};

static const struct od_list_metric cf_metrics[] = {
    {OD_LIST_RECALL, 20, false, "recall_at_20", "R@20"},
    {OD_LIST_NDCG, 20, false, "ndcg_at_20", "N@20"},
    {OD_LIST_PRECISION, 20, false, "precision_at_20", "P@20"},
    {.name = NULL},
};
const struct od_protocol od_protocol_cf = {
    .name = "cf",
    .summary = "published pairs of each user (--test with USER_ID and ITEM_ID), order unknown",
    .metrics = cf_metrics,
    .variants = BOTH_LISTS,
    .shown_metric = 0,
    .shown_lists = OD_LISTS_REMOVED,
    .groups = 1u << OD_GROUP_ALL,
    .test = OD_TEST_PAIRS,
    .make = make_cf,
};
