/* What a blend's scores of some items are the sum of, noted while they are summed. */
#ifndef OD_RECIPES_BLEND_NOTES_H
#define OD_RECIPES_BLEND_NOTES_H

#include "recipes/blend_model.h"

struct od_blend_notes {
    const uint32_t *item; /* [count] codes */
    uint32_t count;
    struct od_score_terms *terms; /* [count], the caller's */
    float *before;                /* [count] scores as of the last note */
};

/* The terms that are no part's. lately: as od_recent_count gives it, NULL when nothing weighs it.
 */
void od_blend_note_standing(struct od_blend_notes *notes, const struct od_blend_header *header,
                            const uint32_t *count, const uint32_t *lately, float pause,
                            const float *scores);
/* raw: what the part said of every item; scores: what there is of the sum with it. */
void od_blend_note_part(struct od_blend_notes *notes, const struct od_blend_part *part,
                        float weight, const float *raw, const float *scores);
void od_blend_note_repeats(struct od_blend_notes *notes, const struct od_blend_header *header,
                           const struct od_blend_repeat *repeat, size_t repeat_count);
/* A mixture replaced the sum: what it took away or added is a term of its own. */
void od_blend_note_before(struct od_blend_notes *notes, const float *scores);
void od_blend_note_away(struct od_blend_notes *notes, const float *scores);
/* A part's rates changed what was before: weight * log(rate) of every item. */
void od_blend_note_rates(struct od_blend_notes *notes, const char *part, float weight,
                         const float *log_rates);
/* Nobody is known: the scores are popularity, whatever was noted before. */
void od_blend_note_popular(struct od_blend_notes *notes, float temperature, const float *scores);

#endif
