/* A training job: reads its inputs, checks them, lets the recipe train, writes the image. See
 * train.h. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/card.h"
#include "jobs/objective.h"
#include "recipes/blend.h"
#include "recipes/unordered.h"

#define CARD_MAX (4u << 20) /* a few kilobytes, and the trials of a search */
enum { LEAST_LEFT = 4 };    /* of all memory, that a recipe may use at least */

enum od_status od_run_report(struct od_run *run, double fraction, const char *stage)
{
    run->told = fraction > run->told ? fraction : run->told;
    enum od_status s = run->progress->report(run->progress->context, run->told, stage);
    return s == OD_OK ? OD_OK : od_fail(run->err, OD_STOPPED, "The training was stopped.");
}

/* The recipe's own progress, scaled into its share. */
static enum od_status report_training(void *context, double fraction, const char *stage)
{
    struct od_run *run = context;
    od_card_note_stage(run, stage);
    double whole = run->done + (1 - run->done) * fraction;
    return od_run_report(context, OD_SHARE_READING + OD_SHARE_TRAINING * whole, stage);
}

static enum od_status read_params(struct od_run *run)
{
    const struct od_recipe_spec *spec = run->recipe_spec;
    run->params = OD_NEW_ARRAY(&run->arena, struct od_param_value, spec->param_count);
    if (!run->params)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_recipe_params_default(spec, run->params);
    static const struct {
        const char *key;
        enum od_param_place place;
    } places[] = {{"params", OD_PARAM_ALGORITHM}, {"feature_params", OD_PARAM_FEATURIZATION}};
    for (size_t p = 0; s == OD_OK && p < 2; p++) {
        const struct od_json *given = od_json_get(run->spec, od_str_c(places[p].key));
        for (size_t i = 0; s == OD_OK && given && i < given->count; i++)
            s = od_recipe_params_set(spec, places[p].place, given->members[i].key,
                                     given->members[i].value.text, run->params, run->err);
    }
    return s;
}

static enum od_status read_recipe(struct od_run *run)
{
    if (od_json_get(run->spec, OD_STR("automl")))
        return OD_OK; /* the search finds it */
    struct od_str name = od_json_get_str(run->spec, "recipe", OD_STR(""));
    run->recipe = od_recipe_find(name);
    run->recipe_spec = od_recipe_spec_find(name);
    if (!run->recipe || !run->recipe_spec)
        return od_fail(run->err, OD_INVALID_INPUT, "Recipe %.*s cannot be trained by this version.",
                       OD_STR_ARG(name));
    return read_params(run);
}

/* Marks the types that a rule of the spec's "events" is for. */
static void mark_counted(const struct od_dict *types, const struct od_json *rule, uint8_t *counted)
{
    struct od_str wanted = od_json_get_str(rule, "type", OD_STR(""));
    bool any_case = od_json_get(rule, OD_STR("any_case")) != NULL;
    for (uint32_t code = 0; code < od_dict_count(types); code++) {
        struct od_str type = od_dict_text(types, code);
        if (od_str_eq(type, wanted) || (any_case && od_str_eq_nocase(type, wanted)))
            counted[code] = 1;
    }
}

/* What a server needs to hand events to the model as training saw them, whatever the recipe: the
 * types by code, and, when only some were asked for, which. Not the thresholds of their values:
 * histories do not keep values (docs/differences.md). */
static enum od_status add_types(struct od_run *run, struct od_image_writer *image)
{
    const struct od_training *t = run->training;
    const struct od_json *events = od_json_get(run->spec, OD_STR("events"));
    enum od_status s = od_image_add_dict(image, "types", t->types);
    bool all = !events || events->count == 0;
    for (size_t i = 0; !all && i < events->count; i++)
        all = !od_json_get(&events->items[i], OD_STR("type"));
    if (s == OD_OK && !all) {
        uint8_t *counted = calloc((size_t)t->type_count + 1, 1);
        for (size_t i = 0; counted && i < events->count; i++)
            mark_counted(t->types, &events->items[i], counted);
        s = counted ? od_image_give(image, "types.counted", counted, t->type_count) : OD_NO_MEMORY;
    }
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

/* The image's last section, and what the card's file will begin with. */
static enum od_status add_card(struct od_run *run, struct od_image_writer *image,
                               const struct od_metrics *metrics, struct od_buf *card)
{
    enum od_status s = od_card_write(run, image, metrics, card);
    if (s != OD_OK)
        return s;
    od_buf_char(card, '}');
    s = od_buf_status(card);
    if (s == OD_OK)
        s = od_image_add(image, "card", card->ptr, card->len, false);
    card->len--; /* more follows in the file */
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

/* With an objective the metrics are those of the lists it makes. */
static enum od_status train_for_objective(struct od_run *run, const struct od_train_input *input,
                                          struct od_image_writer *image, struct od_metrics *metrics)
{
    struct od_objective objective;
    float *z = NULL;
    enum od_status s = od_objective_read(run, &objective);
    if (s == OD_OK)
        s = od_objective_calibrate(run, input, &objective);
    if (s == OD_OK)
        s = od_objective_measure(run, input, &objective, metrics);
    if (s == OD_OK)
        s = run->recipe->train(input, image, NULL, run->err);
    if (s == OD_OK)
        s = od_objective_values(run, &objective, run->training->items, &z);
    if (s != OD_OK)
        return s;
    for (uint32_t i = 0; i < run->training->item_count; i++)
        z[i] *= (float)objective.beta;
    s = od_image_add_dict(image, "objective.items", run->training->items);
    if (s == OD_OK)
        s = od_image_give(image, "objective", z, run->training->item_count * sizeof *z);
    else
        free(z);
    char kept[32] = "null"; /* nothing could be measured */
    if (!isnan(objective.kept))
        snprintf(kept, sizeof kept, "%.6f", objective.kept);
    run->objective = od_arena_printf(
        &run->arena, "{\"attribute\":\"%.*s\",\"beta\":%.9g,\"accuracyKept\":%s,\"mayCost\":%g}",
        OD_STR_ARG(objective.attribute), objective.beta, kept, objective.most_loss);
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

/* Trains, and writes the image as a temporary file. */
static enum od_status make_image(struct od_run *run, const struct od_train_input *input,
                                 struct od_metrics *metrics, struct od_buf *card)
{
    struct od_image_writer *image = od_image_writer_new(od_str_c(run->recipe_spec->name), 1);
    if (!image)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_objective_is_set(run)
                           ? train_for_objective(run, input, image, metrics)
                           : run->recipe->train(input, image, metrics, run->err);
    if (s == OD_OK)
        s = add_types(run, image);
    if (s == OD_OK)
        s = add_card(run, image, metrics, card);
    if (s == OD_OK)
        s = od_run_report(run, OD_SHARE_READING + OD_SHARE_TRAINING, "writing");
    if (s == OD_OK)
        s = od_run_write_image(run, image);
    od_image_writer_free(image);
    return s;
}

/* A comparison that fails, such as a training on too small a part of the data, is left out. */
static enum od_status compare(struct od_run *run, const struct od_train_input *input,
                              double seconds, struct od_buf *card)
{
    size_t before = card->len;
    enum od_status s = od_card_compare(run, input, seconds, card);
    if (s == OD_OK || s == OD_STOPPED || s == OD_NO_MEMORY)
        return s;
    card->len = before;
    return OD_OK;
}

static enum od_status make_model(struct od_run *run, const struct od_train_input *input,
                                 struct od_metrics *metrics)
{
    struct od_buf card;
    int64_t begun = run->io->monotonic_ns(run->io);
    od_buf_init(&card, CARD_MAX);
    enum od_status s = make_image(run, input, metrics, &card);
    double seconds = (double)(run->io->monotonic_ns(run->io) - begun) * 1e-9;
    if (s == OD_OK) {
        if (run->search.ptr)
            od_buf_printf(&card, ",\"search\":%.*s", OD_STR_ARG(run->search));
        od_buf_printf(&card, ",\"trainingSeconds\":%.3f", seconds);
        s = od_run_describe_parts(run, &card);
    }
    if (s == OD_OK)
        s = compare(run, input, seconds, &card);
    if (s == OD_OK) {
        od_buf_puts(&card, "}\n");
        s = od_run_publish(run, &card);
    }
    if (s != OD_OK)
        od_run_discard(run);
    od_buf_done(&card);
    return s;
}

static enum od_status train_new(struct od_run *run, struct od_train_input *input,
                                struct od_metrics *metrics)
{
    enum od_status s =
        od_json_get(run->spec, OD_STR("hpo")) ? od_run_search(run, input) : od_run_take_tuned(run);
    if (s != OD_OK)
        return s;
    input->spec = run->recipe_spec;
    input->params = run->params;
    return make_model(run, input, metrics);
}

/* Where the order of events says nothing, searches, objectives and the card hold out the same fair
 * sample as the blends do; the recipes that count an order get it as it is. */
static bool wants_dealing(const struct od_run *run)
{
    bool blends = !run->recipe_spec || od_blend_parts(od_str_c(run->recipe_spec->name));
    return blends && od_unordered(run->training);
}

static uint64_t table_bytes(const struct od_table *table)
{
    return table ? od_table_bytes(table) : 0;
}

/* What the recipe may use beyond the data: the set, the part of it that leaves test users out, and
 * the tables. Something even where nothing is left, so that it is the recipe that says how little
 * it is. */
static uint64_t left_for_recipe(const struct od_run *run)
{
    const struct od_training *t = run->training;
    uint64_t all = run->memory_bytes, held = 2 * od_training_bytes(t);
    held += table_bytes(t->item_table) + table_bytes(t->user_table);
    held += run->actions ? od_training_bytes(run->actions) : 0;
    return all > held && all - held > all / LEAST_LEFT ? all - held : all / LEAST_LEFT;
}

static enum od_status train(struct od_run *run, struct od_metrics *metrics)
{
    struct od_train_input input = {
        .training = run->training,
        .actions = run->actions,
        .action_table = run->action_table,
        .spec = run->recipe_spec,
        .params = run->params,
        .external = run->external.ptr ? (struct od_str){run->external.ptr, run->external.bytes}
                                      : OD_STR_NONE,
        .seed = (uint64_t)od_json_get_i64(run->spec, "seed", 1),
        .now_s = od_json_get_i64(run->spec, "now_s", 0),
        .threads = (unsigned)od_json_get_i64(run->spec, "threads", 0),
        .memory_bytes = left_for_recipe(run),
        .progress = {report_training, run},
    };
    enum od_status s = OD_OK;
    if (od_json_get(run->spec, OD_STR("update"))) {
        s = od_run_take_tuned(run);
        return s == OD_OK ? od_run_update(run, &input, metrics) : s;
    }
    if (!wants_dealing(run))
        return train_new(run, &input, metrics);
    struct od_shuffled dealt;
    s = od_shuffled_init(&dealt, run->training, input.seed);
    if (s != OD_OK)
        return od_fail(run->err, s, NULL);
    input.training = &dealt.training;
    s = train_new(run, &input, metrics);
    od_shuffled_done(&dealt);
    return s;
}

static enum od_status map_external(struct od_run *run)
{
    struct od_str path = od_json_get_str(run->spec, "external", OD_STR_NONE);
    return path.ptr ? run->io->map(run->io, path.ptr, &run->external, run->err) : OD_OK;
}

/* What outlives the run. */
static enum od_status give_result(struct od_run *run, const struct od_metrics *metrics,
                                  int64_t begun, struct od_arena *arena,
                                  struct od_train_result *out)
{
    *out = (struct od_train_result){
        .metrics = *metrics,
        .seconds = (double)(run->io->monotonic_ns(run->io) - begun) * 1e-9,
        .hash = run->training->hash,
        .events = run->training->event_count,
        .users = run->training->user_count,
        .items = run->training->item_count,
        .recipe = od_str_c(run->recipe_spec->name),
    };
    if (run->tuned.ptr)
        out->tuned = od_arena_str(arena, run->tuned);
    if (run->search.ptr)
        out->search = od_arena_str(arena, run->search);
    bool enough = (!run->tuned.ptr || out->tuned.ptr) && (!run->search.ptr || out->search.ptr);
    return enough ? OD_OK : od_fail(run->err, OD_NO_MEMORY, NULL);
}

enum od_status od_train_run(const struct od_io *io, const struct od_json *spec,
                            uint64_t memory_bytes, const struct od_progress *progress,
                            struct od_arena *arena, struct od_train_result *out,
                            struct od_error *err)
{
    struct od_run run = {
        .io = io, .spec = spec, .progress = progress, .memory_bytes = memory_bytes, .err = err};
    int64_t begun = io->monotonic_ns(io);
    struct od_metrics metrics = {0};
    od_arena_init(&run.arena, 64u << 20);
    enum od_status s = read_recipe(&run);
    if (s == OD_OK)
        s = map_external(&run);
    if (s == OD_OK)
        s = od_run_read_inputs(&run);
    if (s == OD_OK && run.recipe_spec && !od_json_get(spec, OD_STR("update")))
        s = od_run_check_inputs(&run);
    if (s == OD_OK)
        s = train(&run, &metrics);
    if (s == OD_OK)
        s = give_result(&run, &metrics, begun, arena, out);
    od_run_free_inputs(&run);
    if (run.external.ptr)
        io->unmap(io, &run.external);
    od_arena_done(&run.arena);
    return s;
}
