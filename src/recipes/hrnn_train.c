/* Training of the HRNN recipes.
 *
 * For the metrics (and for what coldstart weighs, hrnn_mix.h) a network learns from nine tenths of
 * the users (held-out events of theirs choose how long), the other tenth asks it, and gives the
 * temperature. What is deployed starts from the weights of that network and learns once more from
 * everybody: the search is paid for once, and no figure comes from users a network has seen.
 * Without metrics there is one fit on everybody (but for coldstart, which has its mix to learn).
 *
 * Records: items and users are features (features.h); items that only have a record are scored like
 * the others, from their features alone. What users' records and the context say to newcomers is
 * the part setting of the blends; how cautious it is and how far it tilts the answer is learnt in
 * the first fit, and without metrics as usual. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "data/training_subset.h"
#include "recipes/blend_train.h"
#include "recipes/catalogue.h"
#include "recipes/gru_model.h"
#include "recipes/hrnn.h"
#include "recipes/hrnn_cold.h"
#include "recipes/hrnn_mix.h"
#include "recipes/linar_events.h"
#include "recipes/metrics.h"
#include "recipes/seq_ask.h"

#define LEARNT  0.8 /* of the progress, when the fit for the metrics is done */
#define SETTLED .05 /* of a fit's progress, when newcomers' part is done */

struct records {
    struct od_catalogue catalogue;
    struct od_features items, users;
    struct od_gru_wish wish;
    uint64_t *cold; /* coldstart: bits over the catalogue's items */
    uint32_t cold_count;
    uint64_t *end; /* [users] */
    bool setting;  /* metadata: records of users, or context, speak to newcomers */
};

static void records_done(struct records *r)
{
    od_catalogue_done(&r->catalogue);
    od_features_done(&r->items);
    od_features_done(&r->users);
    free(r->cold);
    free(r->end);
}

static enum od_status make_features(const struct od_train_input *input, struct records *r,
                                    enum od_hrnn_kind kind, struct od_error *err)
{
    const struct od_training *t = &r->catalogue.training;
    struct od_feature_options options = od_feature_options_default();
    options.threads = input->threads;
    enum od_status st = od_features_make(t->item_table, t->items, &options, &r->items, err);
    if (st == OD_OK && r->items.columns)
        r->wish.items = &r->items;
    options.text = false;
    options.most_words = OD_SEQ_VALUES;
    if (st == OD_OK && kind == OD_HRNN_METADATA)
        st = od_features_make(t->user_table, t->users, &options, &r->users, err);
    if (st == OD_OK && r->users.columns)
        r->wish.users = &r->users;
    return st;
}

static enum od_status find_cold(const struct od_train_input *input, struct records *r,
                                struct od_error *err)
{
    const struct od_training *t = &r->catalogue.training;
    r->cold = calloc(od_bitmap_words(t->item_count) + 1, sizeof *r->cold);
    if (!r->cold)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return od_hrnn_find_cold(input, t, r->cold, &r->cold_count, err);
}

static enum od_status records_init(const struct od_train_input *input, enum od_hrnn_kind kind,
                                   struct records *r, struct od_error *err)
{
    *r = (struct records){.wish = od_gru_wish_of(input)};
    struct od_linar_rule rule = {
        od_recipe_param(input->spec, input->params, "min_user_history_length_percentile")->number,
        od_recipe_param(input->spec, input->params, "max_user_history_length_percentile")->number};
    r->wish.cold = kind == OD_HRNN_COLDSTART;
    r->end = malloc(((size_t)input->training->user_count + 1) * sizeof *r->end);
    enum od_status st = r->end ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = od_linar_ends(input->training, &rule, r->end, err);
    if (st == OD_OK && kind != OD_HRNN_PLAIN)
        st = od_catalogue_make(input->training, &r->catalogue, err);
    if (st == OD_OK && kind == OD_HRNN_PLAIN)
        r->catalogue.training = *input->training;
    if (st == OD_OK && kind != OD_HRNN_PLAIN)
        st = make_features(input, r, kind, err);
    if (st == OD_OK && kind == OD_HRNN_COLDSTART)
        st = find_cold(input, r, err);
    r->setting = kind == OD_HRNN_METADATA && od_part_setting.applies(input->training);
    if (st != OD_OK)
        records_done(r);
    return st;
}

/* --- one fit into an image --- */

static enum od_status write_popular(const struct od_training *t, float temperature,
                                    struct od_image_writer *image)
{
    float *popular = calloc((size_t)t->item_count + 1, sizeof *popular);
    struct od_error err;
    enum od_status st =
        popular ? od_blend_newcomers_at_end(t, temperature, popular, &err) : OD_NO_MEMORY;
    if (st != OD_OK) {
        free(popular);
        return st;
    }
    return od_image_give(image, "hrnn.popular", popular, t->item_count * sizeof *popular);
}

/* The taste learns from items with interactions that are not cold. */
static enum od_status write_taste(const struct od_train_input *input, const struct records *r,
                                  struct od_image_writer *image, struct od_error *err)
{
    const struct od_training *t = &r->catalogue.training;
    struct od_work work = {.threads = input->threads};
    bool any, *learn = calloc((size_t)t->item_count + 1, sizeof *learn);
    if (!learn)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t e = 0; e < t->event_count; e++)
        learn[t->item[e]] = true;
    for (uint32_t i = 0; i < t->item_count; i++)
        learn[i] = learn[i] && !od_bitmap_get(r->cold, i);
    od_math_init();
    enum od_status st = od_taste_fit(&r->items, learn, &work, image, &any, err);
    free(learn);
    return st;
}

/* What is asked for besides the network: see hrnn.h. */
struct voice {
    float temperature, tilt, mix[OD_HRNN_VOICES];
};
static const struct voice usual = {1, 1, {[OD_HRNN_NETWORK] = 1}};
static const struct voice untilted = {1, 0, {[OD_HRNN_NETWORK] = 1}};

static enum od_status write_frame(const struct records *r, const struct voice *voice,
                                  struct od_image_writer *image)
{
    const struct od_training *t = &r->catalogue.training;
    struct od_hrnn_header header = {.version = OD_HRNN_VERSION,
                                    .items = t->item_count,
                                    .cold_items = r->cold_count,
                                    .tilt = r->setting ? voice->tilt : 0,
                                    .temperature = voice->temperature};
    memcpy(header.mix, voice->mix, sizeof header.mix);
    enum od_status st = od_image_add_dict(image, "items", t->items);
    if (st == OD_OK)
        st = od_image_add(image, "hrnn", &header, sizeof header, false);
    if (st == OD_OK)
        st = write_popular(t, voice->temperature, image);
    if (st == OD_OK && r->cold_count)
        st = od_image_add(image, "hrnn.cold", r->cold,
                          od_bitmap_words(t->item_count) * sizeof *r->cold, false);
    return st;
}

/* What fits tell later ones. */
struct lessons {
    struct od_str network, setting;
};
struct learnt {
    struct od_buf network, setting;
};

/* Held-out events choose how cautious it is where nothing can have been learnt yet, lessons NULL;
 * without a lesson in them it is as cautious as usual. */
static enum od_status fit_setting(const struct od_train_input *input, const struct records *r,
                                  const struct lessons *lessons, struct od_image_writer *image,
                                  struct od_buf *out_lesson, struct od_error *err)
{
    struct od_buf own;
    const struct od_training *t = input->training;
    uint64_t *end = malloc(((size_t)t->user_count + 1) * sizeof *end);
    struct od_judge *judges = NULL;
    struct od_part_task task = {
        .input = input, .end = end, .lesson = lessons ? lessons->setting : OD_STR_NONE};
    enum od_status st = end ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        memcpy(end, r->end, (size_t)t->user_count * sizeof *end);
    if (st == OD_OK && !lessons)
        st = od_blend_judges(t, end, &judges, &task.judge_count, err);
    task.judges = judges;
    od_buf_init(&own, SIZE_MAX / 2);
    if (st == OD_OK)
        st = od_part_setting.fit(&task, image, out_lesson ? out_lesson : &own, err);
    od_buf_done(&own);
    free(judges);
    free(end);
    return st;
}

static enum od_status fit_records(const struct od_train_input *input, const struct records *r,
                                  const struct lessons *lessons, const struct voice *voice,
                                  struct od_image_writer *image, struct learnt *out,
                                  struct od_error *err)
{
    struct od_train_input own = *input;
    struct od_progress_scale first, second;
    struct od_part_task task = {
        .input = &own, .end = r->end, .lesson = lessons ? lessons->network : OD_STR_NONE};
    enum od_status st = OD_OK;
    own.training = &r->catalogue.training;
    if (r->setting) {
        own.progress = od_progress_scaled(&first, input->progress, 0, SETTLED);
        st = fit_setting(&own, r, lessons, image, out ? &out->setting : NULL, err);
        own.progress = od_progress_scaled(&second, input->progress, SETTLED, 1);
    }
    if (st == OD_OK)
        st = od_gru_fit(&task, &r->wish, image, out ? &out->network : NULL, err);
    if (st == OD_OK && r->cold)
        st = write_taste(input, r, image, err);
    if (st != OD_OK)
        return st;
    st = write_frame(r, voice, image);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static void learnt_init(struct learnt *l)
{
    od_buf_init(&l->network, SIZE_MAX / 2);
    od_buf_init(&l->setting, SIZE_MAX / 2);
}

static void learnt_done(struct learnt *l)
{
    od_buf_done(&l->network);
    od_buf_done(&l->setting);
}

/* --- od_fit of the model that is asked: its lessons ride in its image --- */

static enum od_status add_lesson(struct od_image_writer *image, const char *name,
                                 const struct od_buf *lesson)
{
    enum od_status st = od_buf_status(lesson);
    return st == OD_OK ? od_image_add(image, name, lesson->ptr, lesson->len, false) : st;
}

/* Of the catalogue, what was hidden of that set is cold, however old its record is. */
static void cool_strange(struct records *r, const struct od_training *whole, uint64_t seed)
{
    const struct od_training *t = &r->catalogue.training;
    for (uint32_t i = 0; i < t->item_count; i++) {
        struct od_str id = od_dict_text(t->items, i);
        if (!od_bitmap_get(r->cold, i) && od_hrnn_strange(id, seed) &&
            od_dict_find(whole->items, id) != OD_NO_CODE) {
            od_bitmap_set(r->cold, i);
            r->cold_count++;
        }
    }
}

/* whole: the set before its strange items were hidden; NULL: none are. */
static enum od_status fit_asked(const struct od_train_input *input, enum od_hrnn_kind kind,
                                const struct od_training *whole, struct od_image_writer *image,
                                struct od_error *err)
{
    struct records r;
    struct learnt learnt;
    enum od_status st = records_init(input, kind, &r, err);
    if (st != OD_OK)
        return st;
    if (whole)
        cool_strange(&r, whole, input->seed);
    learnt_init(&learnt);
    st = fit_records(input, &r, NULL, &untilted, image, &learnt, err);
    if (st == OD_OK && (add_lesson(image, "lesson", &learnt.network) != OD_OK ||
                        add_lesson(image, "lesson.setting", &learnt.setting) != OD_OK))
        st = od_fail(err, OD_NO_MEMORY, NULL);
    learnt_done(&learnt);
    records_done(&r);
    return st;
}

static enum od_status fit_plain(const struct od_train_input *input, struct od_image_writer *image,
                                struct od_error *err)
{
    return fit_asked(input, OD_HRNN_PLAIN, NULL, image, err);
}

static enum od_status fit_metadata(const struct od_train_input *input,
                                   struct od_image_writer *image, struct od_error *err)
{
    return fit_asked(input, OD_HRNN_METADATA, NULL, image, err);
}

/* Strange items are asked about as cold ones: no event of theirs is seen. */
static enum od_status fit_coldstart(const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_error *err)
{
    const struct od_training *t = input->training;
    struct od_training *met = NULL;
    if (t->item_count < OD_HRNN_MIX_ITEMS)
        return fit_asked(input, OD_HRNN_COLDSTART, NULL, image, err);
    bool *strange = malloc(((size_t)t->item_count + 1) * sizeof *strange);
    if (!strange)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < t->item_count; i++)
        strange[i] = od_hrnn_strange(od_dict_text(t->items, i), input->seed);
    enum od_status st = od_training_hide(t, strange, &met, err);
    free(strange);
    if (st != OD_OK)
        return st;
    struct od_train_input own = *input;
    own.training = met;
    st = fit_asked(&own, OD_HRNN_COLDSTART, t, image, err);
    od_training_free(met);
    return st;
}

static od_fit *const asked[] = {fit_plain, fit_metadata, fit_coldstart};

/* context: of od_recipe_scorer_of. */
static enum od_status rates_of(void *context, const struct od_query *query,
                               struct od_arena *scratch, float *out, bool *out_any)
{
    const struct od_recipe_scorer *scorer = context;
    float *rates = OD_NEW_ARRAY(scratch, float, scorer->recipe->items(scorer->model)->count);
    if (!rates)
        return OD_NO_MEMORY;
    *out_any = od_hrnn_rates(scorer->model, query, rates);
    for (uint32_t i = 0; i < scorer->item_count && *out_any; i++) {
        uint32_t code = scorer->to_model ? scorer->to_model[i] : i;
        out[i] = code == OD_NO_CODE ? 1 : rates[code];
    }
    return OD_OK;
}

/* How far records and context tilt the answer to newcomers; the scorer's model is untilted. */
static enum od_status fit_tilt(struct od_recipe_scorer *scorer, const struct od_split *split,
                               unsigned threads, float *out_tilt, struct od_error *err)
{
    struct od_blend_newcomers newcomers = {0};
    const struct od_newcomer_model model = {od_recipe_scorer_of(scorer), rates_of,
                                            untilted.temperature};
    enum od_status st = od_blend_tilt_fit(&model, split, threads, &newcomers, err);
    *out_tilt = newcomers.tilt;
    return st;
}

/* Metrics, and what the users kept out say of the voice. */
static enum od_status ask_split(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                                const struct od_model *model, const struct od_split *split,
                                unsigned threads, struct od_metrics *metrics,
                                struct voice *out_voice, struct od_error *err)
{
    struct od_recipe_scorer scorer = {0};
    enum od_status st = od_recipe_scorer_init(&scorer, recipe, model, split, err);
    if (st != OD_OK)
        return st;
    struct od_scorer ask = od_recipe_scorer_of(&scorer);
    st = od_evaluate(&ask, split, threads, metrics, err);
    if (st == OD_OK && kind != OD_HRNN_COLDSTART)
        st = od_blend_heat(&ask, split, threads, &out_voice->temperature, err);
    if (st == OD_OK && kind == OD_HRNN_METADATA)
        st = fit_tilt(&scorer, split, threads, &out_voice->tilt, err);
    od_recipe_scorer_done(&scorer);
    return st;
}

/* Learns from the split's training part, asks the others (for metrics, when wanted). *out_model
 * must be freed. */
static enum od_status learn_from_split(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                                       const struct od_train_input *part,
                                       const struct od_split *split, struct od_metrics *metrics,
                                       struct od_memory_model *out_model, struct voice *out_voice,
                                       struct od_error *err)
{
    enum od_status st = od_memory_model_fit(recipe, asked[kind], part, out_model, err);
    if (st == OD_OK)
        st = od_progress_report(&part->progress, 1, "evaluating", err);
    if (st == OD_OK && kind == OD_HRNN_COLDSTART) {
        st = od_hrnn_mix(&out_model->image, recipe->items(out_model->model), split, part->seed,
                         part->threads, out_voice->mix, err);
        od_hrnn_set_mix(out_model->model, out_voice->mix);
    }
    if (st != OD_OK || !metrics)
        return st;
    return ask_split(recipe, kind, out_model->model, split, part->threads, metrics, out_voice, err);
}

static enum od_status check_cold(const struct records *r, struct od_error *err)
{
    if (r->cold_count >= OD_HRNN_COLD_LEAST && r->cold_count <= OD_HRNN_COLD_MOST)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT,
                   "The data has %u cold items; aws-hrnn-coldstart needs %u to %u. Cold are items "
                   "with fewer than cold_start_max_interactions interactions, first seen within "
                   "cold_start_max_duration days.",
                   r->cold_count, OD_HRNN_COLD_LEAST, OD_HRNN_COLD_MOST);
}

enum od_status od_hrnn_check_cold(const struct od_train_input *input, struct od_error *err)
{
    struct records r;
    enum od_status st = records_init(input, OD_HRNN_COLDSTART, &r, err);
    if (st != OD_OK)
        return st;
    st = check_cold(&r, err);
    records_done(&r);
    return st;
}

static enum od_status train_records(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                                    const struct od_train_input *input, const struct records *r,
                                    struct od_image_writer *image, struct od_metrics *metrics,
                                    struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_split split = {0};
    struct od_progress_scale first, second;
    struct od_train_input part = *input, whole = *input;
    struct lessons lessons = {OD_STR_NONE, OD_STR_NONE};
    struct voice voice = usual;
    enum od_status st = OD_OK;
    if (metrics || kind == OD_HRNN_COLDSTART) {
        st = od_split_users(input->training, input->seed, &split, err);
        part.training = split.train;
        part.progress = od_progress_scaled(&first, input->progress, 0, LEARNT);
        whole.progress = od_progress_scaled(&second, input->progress, LEARNT, 1);
        if (st == OD_OK && split.test_count)
            st = learn_from_split(recipe, kind, &part, &split, metrics, &model, &voice, err);
        if (st == OD_OK && model.model) {
            od_image_section(&model.image, "lesson", &lessons.network);
            od_image_section(&model.image, "lesson.setting", &lessons.setting);
        }
    }
    if (st == OD_OK)
        st = fit_records(&whole, r, &lessons, &voice, image, NULL, err);
    od_memory_model_done(&model);
    od_split_done(&split);
    return st;
}

enum od_status od_hrnn_train(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                             const struct od_train_input *input, struct od_image_writer *image,
                             struct od_metrics *metrics, struct od_error *err)
{
    struct records r;
    enum od_status st = od_recipe_params_check(input->spec, input->params, err);
    if (st == OD_OK)
        st = records_init(input, kind, &r, err);
    if (st != OD_OK)
        return st;
    if (kind == OD_HRNN_COLDSTART && metrics) /* not where a part of the data is tried */
        st = check_cold(&r, err);
    if (st == OD_OK)
        st = train_records(recipe, kind, input, &r, image, metrics, err);
    records_done(&r);
    return st;
}
