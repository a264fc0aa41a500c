/* Cold items: half of the items, chosen by seed, are in no event of training; what a user had of
 * them is relevant, what the user had of the others is input, and only the hidden ones are ranked.
 * Amazon's notebook of HRNN-Coldstart does the same. Popularity knows none of them, so chance is
 * the line to beat. Records of hidden items say that they were created when the data end: otherwise
 * CREATION_TIMESTAMP tells that they are old, and aws-hrnn-coldstart does not take them for new
 * ones. Training keeps types and values of events, not their context. Users without
 * input or without a hidden item are skipped. */
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "data/training_subset.h"
#include "eval/protocol.h"

/* hidden[item of full]: half of them (rounded down), by selection sampling (Knuth 3.4.2 S). */
static void hide(const struct od_training *full, uint64_t seed, bool *hidden)
{
    struct od_random rng;
    uint32_t left = full->item_count / 2;
    od_random_init(&rng, seed);
    for (uint32_t i = 0; i < full->item_count; i++) {
        hidden[i] = od_random_below(&rng, full->item_count - i) < left;
        left -= hidden[i];
    }
}

/* Records of hidden items: created at the newest event. */
static enum od_status create_now(const struct od_protocol_input *input, const bool *hidden,
                                 struct od_error *err)
{
    const struct od_training *full = input->full;
    const struct od_schema *schema = input->items ? od_table_schema(input->items) : NULL;
    size_t at = schema ? od_schema_find(schema, OD_STR("CREATION_TIMESTAMP")) : SIZE_MAX;
    enum od_status s = OD_OK;
    if (at == SIZE_MAX || schema->fields[at].type != OD_FIELD_LONG)
        return OD_OK;
    for (uint32_t i = 0; s == OD_OK && i < full->item_count; i++) {
        uint32_t row = od_table_find(input->items, od_dict_text(full->items, i));
        if (hidden[i] && row != OD_NO_ROW && od_table_has_record(input->items, row))
            s = od_table_set_integer(input->items, at, row, full->last_time);
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* Codes of full in the exam's terms. */
struct maps {
    uint32_t *item;
    uint16_t *type;
};

static enum od_status ask_user(struct od_exam *exam, const struct od_training *full,
                               const struct maps *maps, const bool *hidden, uint32_t user)
{
    int64_t now = 0;
    enum od_status s = od_exam_question(exam, user, OD_NO_EVENT);
    for (uint64_t e = full->user_start[user]; s == OD_OK && e < full->user_start[user + 1]; e++) {
        if (hidden[full->item[e]]) {
            s = od_exam_relevant(exam, maps->item[full->item[e]]);
            continue;
        }
        now = full->time[e];
        s = od_exam_event(exam, &(struct od_past_event){maps->item[full->item[e]],
                                                        maps->type[full->type[e]], now});
    }
    if (s == OD_OK)
        od_exam_close(exam, now, 1u << OD_GROUP_KNOWN);
    return s;
}

static bool can_ask(const struct od_training *full, const bool *hidden, uint32_t user)
{
    bool input = false, relevant = false;
    for (uint64_t e = full->user_start[user]; e < full->user_start[user + 1]; e++) {
        input = input || !hidden[full->item[e]];
        relevant = relevant || hidden[full->item[e]];
    }
    return input && relevant;
}

static enum od_status ask_users(struct od_exam *exam, const struct od_protocol_input *input,
                                const bool *hidden)
{
    const struct od_training *full = input->full;
    uint32_t *asked = malloc(((size_t)full->user_count + 1) * sizeof *asked), count = 0;
    struct maps maps = {malloc(((size_t)full->item_count + 1) * sizeof *maps.item),
                        malloc(((size_t)full->type_count + 1) * sizeof *maps.type)};
    enum od_status s = OD_NO_MEMORY;
    exam->candidates = calloc(od_bitmap_words(exam->item_count) + 1, sizeof *exam->candidates);
    if (asked && maps.item && maps.type && exam->candidates) {
        s = OD_OK;
        for (uint32_t i = 0; i < full->item_count; i++) {
            maps.item[i] = od_dict_find(exam->items, od_dict_text(full->items, i));
            if (hidden[i])
                od_bitmap_set(exam->candidates, maps.item[i]);
        }
        for (uint32_t i = 0; i < full->type_count; i++) {
            uint32_t code = od_dict_find(exam->train->types, od_dict_text(full->types, i));
            maps.type[i] = code == OD_NO_CODE ? OD_NO_TYPE : (uint16_t)code;
        }
        for (uint32_t u = 0; u < full->user_count; u++)
            if (can_ask(full, hidden, u))
                asked[count++] = u;
        uint32_t most = input->most && input->most < count ? input->most : count;
        for (uint32_t i = 0; s == OD_OK && i < most; i++)
            s = ask_user(exam, full, &maps, hidden, asked[od_exam_spread(i, count, input->most)]);
        exam->possible = count;
        exam->skipped = full->user_count - count;
    }
    free(asked);
    free(maps.item);
    free(maps.type);
    return s;
}

static enum od_status make(const struct od_protocol_input *input, uint32_t fold,
                           struct od_exam *out, struct od_error *err)
{
    (void)fold;
    const struct od_training *full = input->full;
    struct od_training *train;
    if (!full->item_table)
        return od_fail(err, OD_INVALID_INPUT,
                       "Protocol cold needs --items FILE: nothing else tells of a hidden item.");
    bool *hidden = calloc((size_t)full->item_count + 1, sizeof *hidden);
    if (!hidden)
        return od_fail(err, OD_NO_MEMORY, NULL);
    hide(full, input->seed, hidden);
    enum od_status s = od_training_hide(full, hidden, &train, err);
    if (s == OD_OK) {
        s = create_now(input, hidden, err);
        if (s != OD_OK)
            od_training_free(train);
    }
    if (s == OD_OK)
        s = od_exam_begin(out, full, NULL, train, true, err);
    if (s == OD_OK) {
        s = ask_users(out, input, hidden);
        if (s != OD_OK)
            od_fail(err, s, NULL);
        else if (out->question_count == 0)
            s = od_fail(err, OD_INVALID_INPUT,
                        "No user has both a hidden item and one that is not hidden.");
        if (s != OD_OK)
            od_exam_done(out);
    }
    free(hidden);
    return s;
}

const struct od_protocol od_protocol_cold = {
    .name = "cold",
    .summary = "half of the items hidden from training and ranked among themselves (needs --items)",
    .metrics = od_metrics_aws,
    .variants = 1u << OD_LISTS_RAW,
    .shown_metric = 0,
    .shown_lists = OD_LISTS_RAW,
    .groups = 1u << OD_GROUP_ALL,
    .chance = true,
    .make = make,
};
