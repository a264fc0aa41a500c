/* A recipe's model as answerer: the question in the model's codes, the user's record as the server
 * would give it, the scores back over the catalogue. Items the model does not have are never
 * listed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/ask.h"
#include "recipes/split.h"

enum od_status od_recipe_answerer_init(struct od_recipe_answerer *answerer,
                                       const struct od_exam *exam, const struct od_recipe *recipe,
                                       const struct od_recipe_spec *spec,
                                       const struct od_model *model, struct od_error *err)
{
    const struct od_image_dict *dict = recipe->items(model);
    uint32_t *map = malloc(((size_t)exam->item_count + 1) * sizeof *map);
    if (!map)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < exam->item_count; i++)
        map[i] = od_image_dict_find(dict, od_dict_text(exam->items, i));
    *answerer = (struct od_recipe_answerer){.exam = exam,
                                            .recipe = recipe,
                                            .model = model,
                                            .related = spec->type == OD_RELATED_ITEMS,
                                            .to_model = map};
    return OD_OK;
}

void od_recipe_answerer_done(struct od_recipe_answerer *answerer)
{
    free(answerer->to_model);
    answerer->to_model = NULL;
}

/* What a request would carry: the user's record, and the context of an event. */
static enum od_status add_facts(const struct od_exam *exam, const struct od_question *q,
                                struct od_arena *arena, struct od_query *query)
{
    struct od_training bare = *exam->full;
    if (q->user == OD_NO_CODE)
        return OD_OK;
    if (q->context_event != OD_NO_EVENT)
        return od_query_at(exam->full, q->user, q->context_event, arena, query);
    bare.context_count = 0;
    return od_query_at(&bare, q->user, 0, arena, query);
}

/* --- the question --- */

static uint32_t model_code(const struct od_recipe_answerer *answerer, uint32_t item)
{
    return item == OD_NO_CODE ? OD_NO_CODE : answerer->to_model[item];
}

static enum od_status make_query(const struct od_recipe_answerer *answerer,
                                 const struct od_question *q, struct od_arena *arena,
                                 struct od_query *out)
{
    struct od_past_event *events = OD_NEW_ARRAY(arena, struct od_past_event, q->event_count);
    if (!events)
        return OD_NO_MEMORY;
    for (uint32_t e = 0; e < q->event_count; e++) {
        events[e] = answerer->exam->events[q->event_at + e];
        events[e].item = model_code(answerer, events[e].item);
    }
    *out = (struct od_query){
        .events = events, .event_count = q->event_count, .item = OD_NO_CODE, .now_s = q->now_s};
    if (answerer->related && q->event_count)
        out->item = events[q->event_count - 1].item;
    return add_facts(answerer->exam, q, arena, out);
}

static enum od_status score(void *context, void *state, uint32_t question, struct od_arena *scratch,
                            float *scores, struct od_error *err)
{
    (void)state;
    const struct od_recipe_answerer *answerer = context;
    const struct od_exam *exam = answerer->exam;
    float *own = OD_NEW_ARRAY(scratch, float, answerer->recipe->items(answerer->model)->count);
    struct od_query query;
    enum od_status s =
        own ? make_query(answerer, &exam->questions[question], scratch, &query) : OD_NO_MEMORY;
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    bool personal;
    s = answerer->recipe->score(answerer->model, &query, scratch, own, &personal, err);
    for (uint32_t i = 0; s == OD_OK && i < exam->item_count; i++)
        scores[i] = answerer->to_model[i] == OD_NO_CODE ? -INFINITY : own[answerer->to_model[i]];
    return s;
}

struct od_answerer od_recipe_answerer_of(struct od_recipe_answerer *answerer)
{
    return (struct od_answerer){.score = score, .context = answerer};
}
