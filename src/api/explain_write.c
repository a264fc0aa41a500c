/* An explanation as JSON: docs/explain.md tells every member. Absent means does not apply. */
#include "api/explain.h"

#include <math.h>

static const char *const stages[OD_EXPLAIN_STAGES] = {
    [OD_NOT_IN_CATALOGUE] = "NOT_IN_CATALOGUE",
    [OD_NOT_IN_LIST] = "NOT_IN_INPUT_LIST",
    [OD_NOT_IN_MODEL] = "NOT_IN_MODEL",
    [OD_ITEM_ITSELF] = "ITEM_ITSELF",
    [OD_AUTO_FILTERED] = "AUTOMATIC_FILTER",
    [OD_NOT_RECOMMENDED] = "NEVER_RECOMMENDED",
    [OD_FILTERED] = "FILTER",
    [OD_RANKED_BELOW] = "RANKED_BELOW",
    [OD_IN_ANSWER] = "IN_ANSWER",
};

static void put_text(struct od_buf *out, const char *key, struct od_str text)
{
    if (!text.ptr)
        return;
    od_buf_printf(out, ",\"%s\":", key);
    od_buf_json(out, text);
}

/* As many digits as tell one float from the next. */
static void put_float(struct od_buf *out, const char *key, float value)
{
    od_buf_printf(out, isfinite(value) ? ",\"%s\":%.9g" : ",\"%s\":null", key, (double)value);
}

static void put_double(struct od_buf *out, const char *key, double value)
{
    od_buf_printf(out, ",\"%s\":", key);
    od_buf_double(out, value);
}

static void put_flag(struct od_buf *out, const char *key, bool value)
{
    od_buf_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_count(struct od_buf *out, const char *key, uint64_t value)
{
    od_buf_printf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void put_why(struct od_buf *out, const struct od_filter_reason *why)
{
    od_buf_puts(out, ",\"droppedBy\":[");
    for (size_t c = 0; c < why->clause_count; c++) {
        const struct od_filter_drop *clause = &why->clauses[c];
        od_buf_puts(out, c ? ",{\"clause\":" : "{\"clause\":");
        od_buf_json(out, clause->text);
        od_buf_puts(out, ",\"conditions\":[");
        for (size_t i = 0; i < clause->condition_count; i++) {
            od_buf_puts(out, i ? "," : "");
            od_buf_json(out, clause->conditions[i]);
        }
        od_buf_puts(out, "]}");
    }
    od_buf_char(out, ']');
}

static void put_terms(struct od_buf *out, const struct od_score_terms *terms)
{
    od_buf_puts(out, ",\"terms\":[");
    for (size_t i = 0; i < terms->count; i++) {
        const struct od_score_term *term = &terms->list[i];
        od_buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        od_buf_json(out, od_str_c(term->name));
        put_flag(out, "isPart", term->is_part);
        put_float(out, "weight", term->weight);
        put_float(out, "value", term->value);
        if (term->is_part)
            put_float(out, "partScore", term->raw);
        put_float(out, "contribution", term->contribution);
        od_buf_char(out, '}');
    }
    od_buf_char(out, ']');
}

static void put_effects(struct od_buf *out, const struct od_explained_item *item, size_t count)
{
    od_buf_puts(out, ",\"events\":[");
    for (size_t e = 0; e < count; e++) {
        od_buf_printf(out, "%s{\"event\":%zu", e ? "," : "", e);
        put_float(out, "scoreWithout", item->without[e]);
        put_float(out, "contribution", item->score - item->without[e]);
        od_buf_char(out, '}');
    }
    od_buf_char(out, ']');
}

static void put_item(struct od_buf *out, const struct od_explain_told *told,
                     const struct od_explained_item *item)
{
    od_buf_puts(out, told->explanation->actions ? "{\"actionId\":" : "{\"itemId\":");
    od_buf_json(out, item->id);
    put_text(out, "stage", od_str_c(stages[item->stage]));
    if (item->place)
        put_count(out, "place", item->place);
    if (item->rank)
        put_count(out, "rank", item->rank);
    if (item->has_score)
        put_float(out, "score", item->score);
    if (item->has_probability)
        put_double(out, "normalizedScore", item->probability);
    if (told->query->filter_arn.ptr) {
        put_flag(out, "passesFilter", !item->filtered);
        if (item->filtered)
            put_why(out, &item->why);
    }
    if (told->query->promotion) {
        put_flag(out, "passesPromotionFilter", item->promotable);
        put_text(out, "promotionName", item->promotion);
    }
    if (item->place)
        put_flag(out, "explored", item->explored);
    if (item->propensity > 0)
        put_double(out, "propensity", item->propensity);
    put_text(out, "reason", item->reason);
    if (item->has_score && item->terms.count)
        put_terms(out, &item->terms);
    if (item->has_score)
        put_effects(out, item, told->explanation->event_count);
    od_buf_char(out, '}');
}

static void put_user(struct od_buf *out, const struct od_explain_told *told)
{
    const struct od_explanation *e = told->explanation;
    od_buf_printf(out, ",\"user\":{\"known\":%s", e->user_known ? "true" : "false");
    put_text(out, "userId", told->query->user);
    put_flag(out, "hasRecord", e->user_has_record);
    put_flag(out, "personal", e->personal);
    put_count(out, "events", e->history_count);
    put_count(out, "eventsUsed", e->heard_count);
    od_buf_puts(out, ",\"history\":[");
    for (size_t i = 0; i < e->event_count; i++) {
        od_buf_puts(out, i ? ",{" : "{");
        od_buf_puts(out, e->events[i].action ? "\"actionId\":" : "\"itemId\":");
        od_buf_json(out, e->events[i].item);
        put_text(out, "eventType", e->events[i].type);
        od_buf_printf(out, ",\"timestamp\":%lld}", (long long)e->events[i].time_s);
    }
    od_buf_puts(out, "]}");
}

static void put_counts(struct od_buf *out, const struct od_explain_told *told)
{
    const struct od_explanation *e = told->explanation;
    od_buf_printf(out, ",\"counts\":{\"catalogue\":%u", e->catalogue);
    put_count(out, "model", e->model_items);
    put_count(out, "eligible", e->eligible);
    put_count(out, "droppedByAutomaticFilter", e->auto_filtered);
    put_count(out, "droppedByFilter", e->filtered);
    put_count(out, "neverRecommended", e->not_recommended);
    if (told->query->promotion)
        put_count(out, "passPromotionFilter", e->promotable);
    put_count(out, "answer", e->answer_count);
    od_buf_char(out, '}');
}

static struct od_str file_name(struct od_str path)
{
    size_t from = path.len;
    while (from > 0 && path.ptr[from - 1] != '/')
        from--;
    return od_str_sub(path, from, path.len);
}

static enum od_status put_model(struct od_call *call, struct od_buf *out,
                                const struct od_explain_told *told)
{
    const struct od_explain_model *model = told->model;
    const struct od_explanation *e = told->explanation;
    struct od_json card;
    od_buf_puts(out, ",\"model\":{\"recipe\":");
    od_buf_json(out, e->recipe);
    put_text(out, "image", file_name(e->image));
    put_text(out, "solutionVersionArn", model->version);
    if (model->version.ptr)
        put_double(out, "trainedAt", (double)model->trained_ms / 1000);
    if (e->has_temperature)
        put_float(out, "temperature", e->temperature);
    if (model->card.ptr) {
        enum od_status s = od_json_parse(call->arena, model->card, &card, &call->err);
        if (s != OD_OK)
            return s;
        const struct od_json *data = od_json_get(&card, OD_STR("data"));
        od_buf_puts(out, data ? ",\"data\":" : "");
        if (data)
            od_json_write(data, out);
    }
    od_buf_char(out, '}');
    return OD_OK;
}

enum od_status od_explain_write(struct od_call *call, const struct od_explain_told *told,
                                struct od_buf *out)
{
    const struct od_explanation *e = told->explanation;
    od_buf_printf(out, "{\"%.*s\":", OD_STR_ARG(told->arn_member));
    od_buf_json(out, told->arn);
    put_text(out, "recommendationId", od_str_c(e->recommendation_id));
    if (!e->ranking)
        put_count(out, "numResults", e->wanted);
    enum od_status s = put_model(call, out, told);
    if (s != OD_OK)
        return s;
    put_user(out, told);
    put_counts(out, told);
    od_buf_puts(out, e->actions ? ",\"actions\":[" : ",\"items\":[");
    for (size_t i = 0; i < e->item_count; i++) {
        od_buf_puts(out, i ? "," : "");
        put_item(out, told, &e->items[i]);
    }
    od_buf_puts(out, "]}");
    return od_buf_status(out) == OD_OK
               ? OD_OK
               : od_fail(&call->err, od_buf_status(out), "The explanation is too large.");
}
