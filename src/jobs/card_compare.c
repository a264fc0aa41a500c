/* What a card compares: the model with popularity, with the version now serving, and with itself
 * less one field. See card.h.
 *
 * All are asked on the split of the metrics. The version now serving was trained on everything it
 * had, the test users too; it is therefore compared on those of them alone whose held-out events
 * are all later than its data, and the new model on the same ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/card.h"
#include "jobs/search.h"
#include "recipes/metrics.h"
#include "recipes/updated.h"

#define CARD_SECONDS 15.0 /* where the spec says nothing */
#define LEAST_USERS  25   /* fewer say nothing */
#define MEASURE      "normalized_discounted_cumulative_gain_at_25"

struct compare {
    struct od_run *run;
    const struct od_train_input *input;
    struct od_split split;
    int64_t begun_ns;
    double budget;
    char stage[96];
};

static double spent(const struct compare *c)
{
    const struct od_io *io = c->run->io;
    return (double)(io->monotonic_ns(io) - c->begun_ns) * 1e-9;
}

/* Inner trainings keep the bar where it is; what they tell is replaced by what they are for. */
static enum od_status tell(void *context, double fraction, const char *stage)
{
    struct compare *c = context;
    (void)fraction;
    (void)stage;
    return od_run_report(c->run, OD_SHARE_READING + OD_SHARE_TRAINING, c->stage);
}

static enum od_status train_part(struct compare *c, const struct od_recipe *recipe,
                                 const struct od_recipe_spec *spec,
                                 const struct od_param_value *params,
                                 const struct od_training *part, struct od_memory_model *out)
{
    struct od_train_input input = *c->input;
    input.training = part;
    input.spec = spec;
    input.params = params;
    input.progress = (struct od_progress){tell, c};
    return od_memory_model_train(recipe, &input, out, c->run->err);
}

static enum od_status ask(struct compare *c, const struct od_recipe *recipe,
                          const struct od_model *model, const struct od_split *split,
                          const uint16_t *to_type, struct od_metrics *out)
{
    struct od_recipe_scorer scorer = {0};
    *out = (struct od_metrics){0};
    enum od_status s = od_recipe_scorer_init(&scorer, recipe, model, split, c->run->err);
    scorer.to_type = to_type;
    if (s == OD_OK) {
        struct od_scorer asked = od_recipe_scorer_of(&scorer);
        s = od_evaluate(&asked, split, c->input->threads, out, c->run->err);
    }
    od_recipe_scorer_done(&scorer);
    return s;
}

/* --- popularity --- */

static enum od_status compare_popularity(struct compare *c, struct od_buf *out)
{
    const struct od_recipe *recipe = od_recipe_find(OD_STR("aws-popularity-count"));
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("aws-popularity-count"));
    struct od_memory_model model = {0};
    struct od_metrics metrics;
    snprintf(c->stage, sizeof c->stage, "card: popularity");
    enum od_status s = train_part(c, recipe, spec, NULL, c->split.train, &model);
    if (s == OD_OK)
        s = ask(c, recipe, model.model, &c->split, NULL, &metrics);
    od_memory_model_done(&model);
    if (s != OD_OK)
        return s;
    od_buf_puts(out, ",\"popularity\":");
    od_card_metrics(&metrics, out);
    return OD_OK;
}

/* --- the version now serving --- */

struct old_model {
    struct od_io_map file;
    struct od_image image;
    const struct od_recipe *recipe;
    struct od_model *model;
    int64_t to_s; /* the end of its data */
};

static void close_old(struct compare *c, struct old_model *old)
{
    if (old->model)
        old->recipe->close(old->model);
    if (old->file.ptr)
        c->run->io->unmap(c->run->io, &old->file);
}

/* False: it cannot be opened, or does not tell until when it was trained. */
static bool open_old(struct compare *c, const char *path, struct old_model *out)
{
    struct od_error why;
    struct od_str text;
    struct od_json card;
    *out = (struct old_model){0};
    if (c->run->io->map(c->run->io, path, &out->file, &why) != OD_OK)
        return false;
    struct od_str bytes = {out->file.ptr, out->file.bytes};
    if (od_image_open(bytes, true, &out->image, &why) != OD_OK ||
        !od_image_section(&out->image, "card", &text) ||
        od_json_parse(&c->run->arena, text, &card, &why) != OD_OK)
        return false;
    /* An updated image's data reach to its update, but its model to its training. */
    int64_t to_s = od_json_get_i64(od_json_get(&card, OD_STR("data")), "toSeconds", INT64_MAX);
    bool updated = od_updated_is(&out->image);
    out->to_s = updated ? od_json_get_i64(od_json_get(&card, OD_STR("update")), "trainedToSeconds",
                                          INT64_MAX)
                        : to_s;
    out->recipe = updated ? &od_recipe_updated : od_recipe_find(out->image.recipe);
    return out->to_s != INT64_MAX && out->recipe && out->recipe->score &&
           out->recipe->open(&out->image, &out->model, &why) == OD_OK;
}

/* The split's test users whose held-out events are all later than a time. Borrows all but its own
 * lists, in the run's arena. */
static bool later_users(struct compare *c, int64_t after_s, struct od_split *out)
{
    const struct od_split *from = &c->split;
    *out = *from;
    out->test_count = 0;
    out->test_user = OD_NEW_ARRAY(&c->run->arena, uint32_t, from->test_count);
    out->input_end = OD_NEW_ARRAY(&c->run->arena, uint64_t, from->test_count);
    if (!out->test_user || !out->input_end)
        return false;
    for (uint32_t i = 0; i < from->test_count; i++) {
        if (from->full->time[from->input_end[i]] <= after_s)
            continue;
        out->test_user[out->test_count] = from->test_user[i];
        out->input_end[out->test_count++] = from->input_end[i];
    }
    return true;
}

/* The old model's code of each type of events, OD_NO_TYPE where it has none. */
static const uint16_t *old_types(struct compare *c, const struct old_model *old)
{
    const struct od_dict *types = c->input->training->types;
    uint32_t count = od_dict_count(types);
    struct od_image_dict names;
    struct od_error why;
    uint16_t *to = OD_NEW_ARRAY(&c->run->arena, uint16_t, count);
    bool has = od_image_dict_open(&old->image, "types", &names, &why) == OD_OK;
    for (uint32_t t = 0; to && t < count; t++) {
        uint32_t code = has ? od_image_dict_find(&names, od_dict_text(types, t)) : OD_NO_CODE;
        to[t] = code < OD_NO_TYPE ? (uint16_t)code : OD_NO_TYPE;
    }
    return to;
}

static enum od_status compare_old(struct compare *c, const struct od_memory_model *mine,
                                  const struct old_model *old, struct od_buf *out)
{
    struct od_split later;
    struct od_metrics theirs, ours;
    if (!later_users(c, old->to_s, &later))
        return od_fail(c->run->err, OD_NO_MEMORY, NULL);
    od_buf_printf(out, ",\"usersWithLaterEvents\":%u", later.test_count);
    if (later.test_count < LEAST_USERS)
        return OD_OK;
    const uint16_t *to_type = old_types(c, old);
    if (!to_type)
        return od_fail(c->run->err, OD_NO_MEMORY, NULL);
    enum od_status s = ask(c, old->recipe, old->model, &later, to_type, &theirs);
    if (s == OD_OK)
        s = ask(c, c->run->recipe, mine->model, &later, NULL, &ours);
    if (s != OD_OK)
        return s;
    od_buf_puts(out, ",\"onLaterEvents\":{\"serving\":");
    od_card_metrics(&theirs, out);
    od_buf_puts(out, ",\"this\":");
    od_card_metrics(&ours, out);
    od_buf_char(out, '}');
    return OD_OK;
}

/* "serving":{"arn":...,"image":...,"metrics":{...}} of the spec. */
static enum od_status compare_serving(struct compare *c, const struct od_memory_model *mine,
                                      struct od_buf *out)
{
    const struct od_json *serving = od_json_get(c->run->spec, OD_STR("serving"));
    const struct od_json *metrics = od_json_get(serving, OD_STR("metrics"));
    struct old_model old;
    if (!serving)
        return OD_OK;
    od_buf_puts(out, ",\"serving\":{\"solutionVersionArn\":");
    od_buf_json(out, od_json_get_str(serving, "arn", OD_STR("")));
    if (metrics) {
        od_buf_puts(out, ",\"metricsThen\":");
        od_json_write(metrics, out);
    }
    enum od_status s = OD_OK;
    struct od_str path =
        od_arena_str(&c->run->arena, od_json_get_str(serving, "image", OD_STR("")));
    snprintf(c->stage, sizeof c->stage, "card: the version now serving");
    if (mine->model && path.ptr && path.len) {
        if (open_old(c, path.ptr, &old))
            s = compare_old(c, mine, &old, out);
        close_old(c, &old);
    }
    od_buf_char(out, '}');
    return s;
}

/* --- fields --- */

struct field {
    const char *dataset; /* "ITEMS" */
    struct od_str name;
};

static bool is_id(struct od_str name)
{
    return od_str_eq_c(name, "ITEM_ID") || od_str_eq_c(name, "USER_ID");
}

static size_t list_fields(const struct od_run *run, struct field *out, size_t room)
{
    const struct od_training *t = run->training;
    const struct od_table *tables[] = {run->items, run->users};
    size_t count = 0;
    for (size_t k = 0; k < 2; k++) {
        const struct od_schema *schema = tables[k] ? od_table_schema(tables[k]) : NULL;
        for (size_t f = 0; schema && f < schema->field_count && count < room; f++)
            if (!is_id(schema->fields[f].name))
                out[count++] = (struct field){k ? "USERS" : "ITEMS", schema->fields[f].name};
    }
    for (size_t i = 0; i < t->context_count && count < room; i++)
        out[count++] = (struct field){"INTERACTIONS", t->context[i].name};
    return count;
}

/* The metric of the model trained without a field; 0 when the recipe refuses to be trained without
 * it, as aws-semantic-similarity without its only text: then it contributes all there is. */
static enum od_status measure_without(struct compare *c, const struct field *field, double *out)
{
    struct od_run *run = c->run;
    struct od_training part = *c->split.train;
    struct od_training_column *context =
        OD_NEW_ARRAY(&run->arena, struct od_training_column, part.context_count);
    struct od_table *table = NULL;
    struct od_memory_model model = {0};
    struct od_metrics metrics = {0};
    if (!context)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    snprintf(c->stage, sizeof c->stage, "card: without %.*s", OD_STR_ARG(field->name));
    enum od_status s = OD_OK;
    if (strcmp(field->dataset, "INTERACTIONS") == 0) {
        part.context_count = 0;
        for (size_t i = 0; i < c->split.train->context_count; i++)
            if (!od_str_eq(c->split.train->context[i].name, field->name))
                context[part.context_count++] = c->split.train->context[i];
        part.context = context;
    } else {
        s = od_run_read_without(run, field->dataset, field->name, &table);
        if (strcmp(field->dataset, "ITEMS") == 0)
            part.item_table = table;
        else
            part.user_table = table;
    }
    if (s == OD_OK)
        s = train_part(c, run->recipe, run->recipe_spec, run->params, &part, &model);
    bool refused = s == OD_INVALID_INPUT;
    if (s == OD_OK)
        s = ask(c, run->recipe, model.model, &c->split, NULL, &metrics);
    od_memory_model_done(&model);
    od_table_free(table);
    if (refused) {
        *out = 0;
        return OD_OK;
    }
    const double *value = od_metrics_find(&metrics, MEASURE);
    if (s == OD_OK)
        *out = value ? *value : NAN;
    return s;
}

static enum od_status ablate(struct compare *c, double whole, double seconds_each,
                             struct od_buf *out)
{
    struct field fields[OD_MAX_CARD_FIELDS];
    size_t count = list_fields(c->run, fields, OD_MAX_CARD_FIELDS), done = 0;
    enum od_status s = OD_OK;
    od_buf_puts(out, ",\"ablation\":{\"metric\":\"" MEASURE "\"");
    if (isnan(whole))
        od_buf_printf(out,
                      ",\"why\":\"off: the training took more than the %g "
                      "seconds of --card-seconds\"",
                      c->budget);
    else
        od_buf_puts(out, ",\"with\":");
    if (!isnan(whole))
        od_buf_double(out, whole);
    od_buf_puts(out, ",\"fields\":[");
    for (; s == OD_OK && done < count && !isnan(whole); done++) {
        double without = NAN;
        if (spent(c) + seconds_each > c->budget)
            break;
        s = measure_without(c, &fields[done], &without);
        if (s != OD_OK || isnan(without))
            break;
        od_buf_printf(out, "%s{\"dataset\":\"%s\",\"field\":", done ? "," : "",
                      fields[done].dataset);
        od_buf_json(out, fields[done].name);
        od_buf_puts(out, ",\"without\":");
        od_buf_double(out, without);
        od_buf_puts(out, ",\"contribution\":");
        od_buf_double(out, whole - without);
        od_buf_char(out, '}');
    }
    od_buf_puts(out, "],\"notMeasured\":[");
    for (size_t i = done; i < count; i++) {
        od_buf_puts(out, i > done ? "," : "");
        od_buf_json(out, fields[i].name);
    }
    od_buf_puts(out, "]}");
    return s;
}

/* --- the whole --- */

static bool has_fields(const struct od_run *run)
{
    struct field one;
    return run->recipe_spec->uses_fields && list_fields(run, &one, 1) > 0;
}

static enum od_status compare_trained(struct compare *c, double seconds, struct od_buf *out)
{
    bool serving = od_json_get(c->run->spec, OD_STR("serving")) != NULL;
    bool fields = has_fields(c->run);
    struct od_memory_model mine = {0};
    struct od_metrics metrics = {0};
    enum od_status s = OD_OK;
    double before = spent(c);
    snprintf(c->stage, sizeof c->stage, "card: the same split");
    bool in_time = seconds <= c->budget;
    if ((serving || fields) && in_time) {
        s = train_part(c, c->run->recipe, c->run->recipe_spec, c->run->params, c->split.train,
                       &mine);
        if (s == OD_OK)
            s = ask(c, c->run->recipe, mine.model, &c->split, NULL, &metrics);
    }
    double each = spent(c) - before;
    if (s == OD_OK)
        s = compare_serving(c, &mine, out);
    od_memory_model_done(&mine);
    const double *whole = od_metrics_find(&metrics, MEASURE);
    return s == OD_OK && fields && (whole || !in_time) ? ablate(c, whole ? *whole : NAN, each, out)
                                                       : s;
}

enum od_status od_card_compare(struct od_run *run, const struct od_train_input *input,
                               double seconds, struct od_buf *out)
{
    struct compare c = {.run = run,
                        .input = input,
                        .begun_ns = run->io->monotonic_ns(run->io),
                        .budget = od_json_get_double(run->spec, "card_seconds", CARD_SECONDS)};
    enum od_recipe_type type = run->recipe_spec->type;
    if (type == OD_USER_SEGMENTATION || type == OD_PERSONALIZED_ACTIONS ||
        run->training->event_count == 0)
        return OD_OK; /* judged by their own metrics alone */
    enum od_status s = od_split_users(input->training, input->seed, &c.split, run->err);
    if (s == OD_OK && c.split.test_count)
        s = compare_popularity(&c, out);
    if (s == OD_OK && c.split.test_count)
        s = compare_trained(&c, seconds, out);
    od_split_done(&c.split);
    return s;
}
