/* Notes of a blend: the terms of an explanation. A part's contribution is what the sum grew by, so
 * it holds whatever the scorer does; popularity lately is one sum for all requests of now, so its
 * terms are worked out anew from what they stand for. Terms of weight 0 are left out. */
#include "recipes/blend_notes.h"

#include <math.h>
#include <string.h>

#include "math/nn/vector.h"

static const char *const names[OD_BLEND_FEATURES] = {
    [OD_BLEND_REPEAT] = "repeat",        [OD_BLEND_STEPS] = "repeatSteps",
    [OD_BLEND_COUNT] = "repeatCount",    [OD_BLEND_HOURS] = "repeatHours",
    [OD_BLEND_POPULAR] = "popularity",   [OD_BLEND_DAY] = "popularityDay",
    [OD_BLEND_WEEK] = "popularityWeek",  [OD_BLEND_MONTH] = "popularityMonth",
    [OD_BLEND_RETURN] = "popularReturn",
};

static struct od_score_term *add(struct od_score_terms *terms, const char *name, float weight,
                                 float value)
{
    struct od_score_term *term = &terms->list[terms->count];
    if (terms->count == OD_SCORE_TERMS || !(fabsf(weight) > 0))
        return NULL;
    *term = (struct od_score_term){
        .weight = weight, .value = value, .contribution = weight * value, .raw = value};
    memcpy(term->name, name, strnlen(name, sizeof term->name - 1));
    terms->count++;
    return term;
}

void od_blend_note_standing(struct od_blend_notes *notes, const struct od_blend_header *header,
                            const uint32_t *count, const uint32_t *lately, float pause,
                            const float *scores)
{
    const float *weight = header->weight;
    for (uint32_t k = 0; k < notes->count; k++) {
        uint32_t i = notes->item[k];
        struct od_score_terms *terms = &notes->terms[k];
        terms->count = 0;
        notes->before[k] = scores[i];
        add(terms, names[OD_BLEND_POPULAR], weight[OD_BLEND_POPULAR] + OD_BLEND_FAINT,
            od_nn_log(1 + (float)count[i]));
        if (!lately)
            continue;
        for (size_t w = 0; w < OD_RECENT_WINDOWS; w++) {
            uint32_t c = lately[w * header->items + i];
            float value = c ? od_nn_log(1 + (float)c) : 0;
            add(terms, names[OD_BLEND_DAY + w], weight[OD_BLEND_DAY + w], value);
            if (w == OD_RECENT_WEEK)
                add(terms, names[OD_BLEND_RETURN], weight[OD_BLEND_RETURN], pause * value);
        }
    }
}

void od_blend_note_part(struct od_blend_notes *notes, const struct od_blend_part *part,
                        float weight, const float *raw, const float *scores)
{
    for (uint32_t k = 0; k < notes->count; k++) {
        uint32_t i = notes->item[k];
        float value = 0, before = notes->before[k];
        od_blend_shape_add((enum od_blend_shape)part->shape, part->scale, 1, &raw[i], 1, &value);
        struct od_score_term *term = add(&notes->terms[k], part->name, weight, value);
        notes->before[k] = scores[i];
        if (!term)
            continue;
        term->is_part = true;
        term->raw = raw[i];
        term->contribution = scores[i] - before;
    }
}

void od_blend_note_repeats(struct od_blend_notes *notes, const struct od_blend_header *header,
                           const struct od_blend_repeat *repeat, size_t repeat_count)
{
    for (uint32_t k = 0; k < notes->count; k++)
        for (size_t r = 0; r < repeat_count; r++)
            for (size_t f = 0; f < OD_BLEND_REPEATS && repeat[r].item == notes->item[k]; f++)
                add(&notes->terms[k], names[f], header->weight[f], repeat[r].feature[f]);
}

void od_blend_note_before(struct od_blend_notes *notes, const float *scores)
{
    for (uint32_t k = 0; k < notes->count; k++)
        notes->before[k] = scores[notes->item[k]];
}

void od_blend_note_away(struct od_blend_notes *notes, const float *scores)
{
    for (uint32_t k = 0; k < notes->count; k++)
        add(&notes->terms[k], "away", 1, scores[notes->item[k]] - notes->before[k]);
}

void od_blend_note_rates(struct od_blend_notes *notes, const char *part, float weight,
                         const float *log_rates)
{
    for (uint32_t k = 0; k < notes->count; k++) {
        struct od_score_term *term = add(&notes->terms[k], part, weight, log_rates[notes->item[k]]);
        if (term)
            term->is_part = true;
    }
}

void od_blend_note_popular(struct od_blend_notes *notes, float temperature, const float *scores)
{
    for (uint32_t k = 0; k < notes->count; k++) {
        notes->terms[k].count = 0;
        add(&notes->terms[k], "popularShare", temperature, scores[notes->item[k]] / temperature);
    }
}
