/* The lasting part of a model card: see card.h. */
#include "jobs/card.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

/* --- the learning curve --- */

/* The number after a word of a stage, NAN when the word or the number is missing. */
static double number_after(const char *stage, const char *word)
{
    const char *at = strstr(stage, word);
    double value;
    if (!at)
        return NAN;
    at += strlen(word);
    while (*at == ' ' || *at == ':' || *at == '=')
        at++;
    size_t len = strspn(at, "0123456789.eE+-");
    while (len && (at[len - 1] == '.' || at[len - 1] == '-' || at[len - 1] == '+'))
        len--; /* the end of a sentence */
    return od_str_to_double((struct od_str){at, len}, &value) ? value : NAN;
}

void od_card_note_stage(struct od_run *run, const char *stage)
{
    struct od_card_curve *curve = &run->curve;
    double epoch = number_after(stage, "epoch");
    if (!(epoch >= 0 && epoch < 1e6))
        return;
    if (!curve->points)
        curve->points = OD_NEW_ARRAY(&run->arena, struct od_card_point, OD_CARD_POINTS);
    if (!curve->points)
        return; /* a card without a curve */
    struct od_card_point *last = curve->count ? &curve->points[curve->count - 1] : NULL;
    struct od_card_point point = {.pass = last ? last->pass : 1,
                                  .epoch = (unsigned)epoch,
                                  .loss = number_after(stage, "loss"),
                                  .ndcg = number_after(stage, "NDCG")};
    if (last && point.epoch < last->epoch)
        point.pass++;
    if (last && point.epoch == last->epoch && point.pass == last->pass)
        *last = point; /* the last word on an epoch counts */
    else if (curve->count < OD_CARD_POINTS)
        curve->points[curve->count++] = point;
}

static void inherit_curve(struct od_run *run, const struct od_json *points)
{
    struct od_card_curve *curve = &run->curve;
    size_t count = points && points->kind == OD_JSON_ARRAY ? points->count : 0;
    curve->points = OD_NEW_ARRAY(&run->arena, struct od_card_point, OD_CARD_POINTS);
    for (size_t i = 0; curve->points && i < count && curve->count < OD_CARD_POINTS; i++)
        curve->points[curve->count++] = (struct od_card_point){
            .pass = (unsigned)od_json_get_i64(&points->items[i], "pass", 1),
            .epoch = (unsigned)od_json_get_i64(&points->items[i], "epoch", 0),
            .loss = od_json_get_double(&points->items[i], "loss", NAN),
            .ndcg = od_json_get_double(&points->items[i], "ndcg", NAN)};
}

void od_card_inherit(struct od_run *run, const struct od_image *image, int64_t *out_to_s)
{
    struct od_str text;
    struct od_json card;
    struct od_error why;
    *out_to_s = INT64_MAX;
    if (!od_image_section(image, "card", &text) ||
        od_json_parse(&run->arena, text, &card, &why) != OD_OK)
        return;
    *out_to_s = od_json_get_i64(od_json_get(&card, OD_STR("data")), "toSeconds", INT64_MAX);
    inherit_curve(run, od_json_get(&card, OD_STR("learningCurve")));
    const struct od_json *objective = od_json_get(&card, OD_STR("objective"));
    struct od_buf json;
    od_buf_init(&json, 1u << 16);
    if (objective)
        od_json_write(objective, &json);
    if (objective && od_buf_status(&json) == OD_OK)
        run->objective = od_arena_str(&run->arena, od_buf_view(&json));
    od_buf_done(&json);
}

static void put_number(struct od_buf *out, const char *key, double value)
{
    if (isnan(value))
        return;
    od_buf_printf(out, ",\"%s\":", key);
    od_buf_double(out, value);
}

static void put_curve(const struct od_card_curve *curve, struct od_buf *out)
{
    od_buf_puts(out, ",\"learningCurve\":[");
    for (size_t i = 0; i < curve->count; i++) {
        const struct od_card_point *p = &curve->points[i];
        od_buf_printf(out, "%s{\"pass\":%u,\"epoch\":%u", i ? "," : "", p->pass, p->epoch);
        put_number(out, "loss", p->loss);
        put_number(out, "ndcg", p->ndcg);
        od_buf_char(out, '}');
    }
    od_buf_char(out, ']');
}

/* --- data --- */

static void put_types(const struct od_training *t, struct od_arena *arena, struct od_buf *out)
{
    uint64_t *count = OD_NEW_ARRAY(arena, uint64_t, t->type_count);
    for (uint64_t e = 0; count && e < t->event_count; e++)
        count[t->type[e]]++;
    bool any = false;
    od_buf_puts(out, ",\"eventTypes\":{");
    for (uint32_t type = 0; count && type < t->type_count; type++) {
        if (!count[type])
            continue;
        od_buf_puts(out, any ? "," : "");
        od_buf_json(out, od_dict_text(t->types, type));
        od_buf_printf(out, ":%llu", (unsigned long long)count[type]);
        any = true;
    }
    od_buf_char(out, '}');
}

static void put_data(struct od_run *run, struct od_buf *out)
{
    const struct od_training *t = run->training;
    char from[OD_TIME_TEXT], to[OD_TIME_TEXT];
    od_buf_printf(out,
                  "\"data\":{\"hash\":\"%016llx\",\"interactions\":%llu,\"users\":%u,\"items\":%u",
                  (unsigned long long)t->hash, (unsigned long long)t->event_count, t->user_count,
                  t->item_count);
    if (t->event_count && t->first_time > -1000000000000 && t->last_time < 1000000000000) {
        od_time_format_iso(t->first_time * 1000, from);
        od_time_format_iso(t->last_time * 1000, to);
        od_buf_printf(out, ",\"from\":\"%s\",\"to\":\"%s\"", from, to);
    }
    od_buf_printf(out, ",\"fromSeconds\":%lld,\"toSeconds\":%lld", (long long)t->first_time,
                  (long long)t->last_time);
    if (t->outlying_times)
        od_buf_printf(out, ",\"outlyingTimes\":%llu", (unsigned long long)t->outlying_times);
    if (run->items)
        od_buf_printf(out, ",\"itemRecords\":%u", od_table_row_count(run->items));
    if (run->users)
        od_buf_printf(out, ",\"userRecords\":%u", od_table_row_count(run->users));
    if (run->action_table)
        od_buf_printf(out, ",\"actionRecords\":%u", od_table_row_count(run->action_table));
    if (run->actions)
        od_buf_printf(out, ",\"actionInteractions\":%llu",
                      (unsigned long long)run->actions->event_count);
    put_types(t, &run->arena, out);
    od_buf_char(out, '}');
}

/* The columns given to the recipe; which of them matter is the ablation's to say. */
static void put_fields(const struct od_run *run, struct od_buf *out)
{
    const struct {
        const char *name;
        const struct od_table *table;
    } tables[] = {{"ITEMS", run->items}, {"USERS", run->users}, {"ACTIONS", run->action_table}};
    const struct od_training *t = run->training;
    od_buf_puts(out, ",\"fields\":{\"INTERACTIONS\":[");
    for (size_t i = 0; i < t->context_count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, t->context[i].name);
    }
    od_buf_char(out, ']');
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        const struct od_schema *schema = tables[k].table ? od_table_schema(tables[k].table) : NULL;
        if (!schema)
            continue;
        od_buf_printf(out, ",\"%s\":[", tables[k].name);
        for (size_t f = 0; f < schema->field_count; f++) {
            od_buf_puts(out, f ? "," : "");
            od_buf_json(out, schema->fields[f].name);
        }
        od_buf_char(out, ']');
    }
    od_buf_char(out, '}');
}

/* --- the model --- */

static void put_params(const struct od_run *run, struct od_buf *out)
{
    const struct od_recipe_spec *spec = run->recipe_spec;
    bool any = false;
    od_buf_puts(out, ",\"parameters\":{");
    for (size_t p = 0; p < spec->param_count; p++) {
        if (spec->params[p].place == OD_PARAM_CAMPAIGN)
            continue;
        od_buf_puts(out, any ? "," : "");
        od_buf_json(out, od_str_c(spec->params[p].name));
        od_buf_char(out, ':');
        od_buf_json(out, run->params[p].text);
        any = true;
    }
    od_buf_char(out, '}');
}

static struct od_str family(const char *section)
{
    size_t len = strcspn(section, ".");
    return (struct od_str){section, len};
}

/* Sections by the word before their first dot, with their bytes: a part of a model writes under its
 * own name, so this tells which parts serve. */
static void put_sections(const struct od_image_writer *image, struct od_buf *out)
{
    const char *name, *other;
    uint64_t len, bytes;
    bool any = false;
    od_buf_puts(out, ",\"sections\":{");
    for (uint32_t i = 0; (name = od_image_writer_section(image, i, &len)); i++) {
        struct od_str mine = family(name);
        bool seen = false;
        bytes = 0;
        for (uint32_t j = 0; (other = od_image_writer_section(image, j, &len)); j++) {
            bool same = od_str_eq(family(other), mine);
            seen |= same && j < i;
            bytes += same ? len : 0;
        }
        if (seen)
            continue;
        od_buf_puts(out, any ? "," : "");
        od_buf_json(out, mine);
        od_buf_printf(out, ":%llu", (unsigned long long)bytes);
        any = true;
    }
    od_buf_char(out, '}');
}

void od_card_metrics(const struct od_metrics *metrics, struct od_buf *out)
{
    od_buf_char(out, '{');
    for (size_t i = 0; i < metrics->count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, od_str_c(metrics->list[i].name));
        od_buf_char(out, ':');
        od_buf_double(out, metrics->list[i].value);
    }
    od_buf_char(out, '}');
}

enum od_status od_card_write(struct od_run *run, const struct od_image_writer *image,
                             const struct od_metrics *metrics, struct od_buf *out)
{
    od_buf_puts(out, "{\"recipe\":");
    od_buf_json(out, od_str_c(run->recipe_spec->name));
    od_buf_char(out, ',');
    put_data(run, out);
    put_fields(run, out);
    put_params(run, out);
    if (run->tuned.ptr)
        od_buf_printf(out, ",\"tuned\":%.*s", OD_STR_ARG(run->tuned));
    if (run->objective.ptr)
        od_buf_printf(out, ",\"objective\":%.*s", OD_STR_ARG(run->objective));
    put_sections(image, out);
    od_buf_puts(out, ",\"metrics\":");
    od_card_metrics(metrics, out);
    put_curve(&run->curve, out);
    enum od_status s = od_buf_status(out);
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}
