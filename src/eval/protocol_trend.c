/* What rises next: for recipes that list trending items.
 *
 * A fold is one moment: what came before is trained on, one list of 25 is asked for by nobody in
 * particular, and the day after the moment tells which items grew. An item's growth is its events
 * of that day less its mean a day until then; the figure is the growth of the listed items over
 * that of the 25 that grew most, not less than 0 (trend prediction accuracy, recipes.md 9.2).
 * Relevant are those 25. Moments are spread over the last fifth of the events. */
#include <stdlib.h>
#include <string.h>

#include "eval/protocol.h"

#define DAY         86400
#define FIRST_SHARE 0.8

struct growth {
    float growth;
    uint32_t item;
};

/* Most first, then by code. */
static int by_growth(const void *a, const void *b)
{
    const struct growth *x = a, *y = b;
    if (x->growth != y->growth)
        return x->growth > y->growth ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* The exam's gain: growth of every item in the day after `moment`, which the training part ends at.
 */
static enum od_status measure(struct od_exam *exam, const struct od_training *full, int64_t moment)
{
    uint32_t *map = malloc(((size_t)full->item_count + 1) * sizeof *map);
    exam->gain = calloc((size_t)exam->item_count + 1, sizeof *exam->gain);
    if (!map || !exam->gain) {
        free(map);
        return OD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < full->item_count; i++)
        map[i] = od_dict_find(exam->items, od_dict_text(full->items, i));
    double days = ((double)moment - (double)full->first_time) / DAY;
    float a_day = (float)(1 / (days > 1 ? days : 1));
    for (uint64_t e = 0; e < full->event_count; e++) {
        if (full->time[e] <= moment)
            exam->gain[map[full->item[e]]] -= a_day;
        else if ((uint64_t)full->time[e] - (uint64_t)moment <= DAY)
            exam->gain[map[full->item[e]]] += 1;
    }
    free(map);
    return OD_OK;
}

/* The one question; *out_any false when nothing grew. */
static enum od_status ask(struct od_exam *exam, int64_t moment, bool *out_any)
{
    struct growth *order = malloc(((size_t)exam->item_count + 1) * sizeof *order);
    if (!order)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < exam->item_count; i++)
        order[i] = (struct growth){exam->gain[i], i};
    qsort(order, exam->item_count, sizeof *order, by_growth);
    enum od_status s = od_exam_question(exam, OD_NO_CODE, OD_NO_EVENT);
    for (uint32_t i = 0; s == OD_OK && i < OD_LIST_MOST && i < exam->item_count; i++) {
        if (!(order[i].growth > 0))
            break;
        exam->best_gain += (double)order[i].growth;
        s = od_exam_relevant(exam, order[i].item);
    }
    free(order);
    if (s == OD_OK)
        od_exam_close(exam, moment, 0);
    *out_any = exam->best_gain > 0;
    exam->possible = exam->question_count;
    return s;
}

static enum od_status make(const struct od_protocol_input *input, uint32_t fold,
                           struct od_exam *out, struct od_error *err)
{
    double share = FIRST_SHARE + (1 - FIRST_SHARE) * fold / input->folds;
    int64_t moment;
    struct od_training *train;
    enum od_status s = od_protocol_cut(input->full, share, &moment, err);
    if (s == OD_OK && (uint64_t)input->full->last_time - (uint64_t)moment < DAY)
        s = od_fail(err, OD_INVALID_INPUT,
                    "Fold %u of %u begins less than a day before the last event: protocol trend "
                    "needs more days, or fewer --folds.",
                    fold + 1, input->folds);
    if (s == OD_OK)
        s = od_protocol_before(input->full, moment + 1, &train, err);
    if (s == OD_OK)
        s = od_exam_begin(out, input->full, NULL, train, true, err);
    if (s != OD_OK)
        return s;
    bool any = false;
    s = measure(out, input->full, moment);
    if (s == OD_OK)
        s = ask(out, moment, &any);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else if (!any)
        s = od_fail(err, OD_INVALID_INPUT, "No item grew in the day after %lld (fold %u of %u).",
                    (long long)moment, fold + 1, input->folds);
    if (s != OD_OK)
        od_exam_done(out);
    return s;
}

static const struct od_list_metric metrics[] = {
    {OD_LIST_GAIN, 25, false, "trend_prediction_accuracy", "trend accuracy"},
    {OD_LIST_PRECISION, 25, false, "precision_at_25", "P@25"},
    {OD_LIST_PRECISION, 5, false, "precision_at_5", "P@5"},
    {.name = NULL},
};
const struct od_protocol od_protocol_trend = {
    .name = "trend",
    .summary = "which items grow in the day after a moment (several folds: moments)",
    .metrics = metrics,
    .variants = 1u << OD_LISTS_RAW,
    .shown_metric = 0,
    .shown_lists = OD_LISTS_RAW,
    .groups = 1u << OD_GROUP_ALL,
    .folded = true,
    .timed = true,
    .make = make,
};
