/* The HRNN recipes in the server: one network (gru_score.c), three ways to use it.
 *
 * aws-hrnn knows ids alone; aws-hrnn-metadata adds what records of items and users say, so items
 * without interactions are scored too; aws-hrnn-coldstart scores cold items alone, all others are
 * -INFINITY. What such users choose by the records (taste.h) has a say there beside the network, by
 * weights learnt on items that were treated as cold (hrnn_mix.h). Without a known event the answer
 * is what newcomers took (blend_newcomers.c) as of the end of the data, among cold items where
 * those are all there is: temperature * ln(share); with aws-hrnn-metadata times what those of such
 * a record and context take of it (setting.h), to the power of tilt.
 *
 * Sections besides the network's, N items:
 *     items.at, items.text   the item ids
 *     hrnn                   struct od_hrnn_header
 *     hrnn.popular           float[N]
 *     hrnn.cold              uint64[words of N], aws-hrnn-coldstart alone
 *     taste.*                taste.h, likewise, when records say something
 *     setting.*              setting.h, aws-hrnn-metadata with records of users or context alone */
#include "recipes/hrnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/nn/vector.h"
#include "recipes/blend_model.h"
#include "recipes/gru_model.h"
#include "recipes/registry.h"

struct od_model {
    struct od_hrnn_header header;
    struct od_image_dict items;
    struct od_gru_model *network;
    const float *popular;
    const uint64_t *cold;       /* NULL: all items are scored */
    struct od_taste_view taste; /* of the cold; columns 0: none */
    void *setting;              /* of newcomers; NULL: none */
};

static enum od_status read_model(const struct od_image *image, struct od_model *m,
                                 struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, "hrnn", 1, sizeof m->header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&m->header, p, sizeof m->header);
    if (m->header.version != OD_HRNN_VERSION)
        return od_fail(err, OD_CORRUPT, "Section hrnn has version %u; this program reads %u.",
                       m->header.version, OD_HRNN_VERSION);
    st = od_image_dict_open(image, "items", &m->items, err);
    if (st != OD_OK)
        return st;
    bool good = m->items.count == m->header.items && m->header.temperature > 0 &&
                isfinite(m->header.temperature);
    for (size_t v = 0; v < OD_HRNN_VOICES; v++)
        good = good && isfinite(m->header.mix[v]);
    good = good && m->header.tilt >= 0 && m->header.tilt <= OD_BLEND_MOST_TILT &&
           isfinite(m->header.temperature * m->header.tilt);
    if (!good)
        return od_fail(err, OD_CORRUPT, "Section hrnn is not valid.");
    st = od_image_floats(image, "hrnn.popular", m->items.count, &m->popular, err);
    if (st != OD_OK)
        return st;
    if (m->header.cold_items) {
        st = od_image_array(image, "hrnn.cold", od_bitmap_words(m->items.count), sizeof(uint64_t),
                            &p, err);
        m->cold = p;
        if (st == OD_OK)
            st = od_taste_open(image, m->items.count, &m->taste, err);
    }
    if (st == OD_OK && od_part_setting.present(image))
        st = od_part_setting.open(image, m->items.count, &m->setting, err);
    return st == OD_OK ? od_gru_open(image, m->items.count, &m->network, err) : st;
}

static void close_model(struct od_model *model)
{
    od_gru_close(model->network);
    if (model->setting)
        od_part_setting.close(model->setting);
    free(model);
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct od_model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = read_model(image, m, err);
    if (st == OD_OK)
        *out = m;
    else
        close_model(m);
    return st;
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &model->items;
}

static float temperature(const struct od_model *model)
{
    return model->header.temperature;
}

void od_hrnn_set_mix(struct od_model *model, const float *mix)
{
    memcpy(model->header.mix, mix, sizeof model->header.mix);
}

/* scores: of the network, then mixed. */
static enum od_status mix_taste(const struct od_model *model, const struct od_query *query,
                                struct od_arena *scratch, float *scores, struct od_error *err)
{
    uint32_t n = model->items.count;
    const float *mix = model->header.mix;
    float *always = OD_NEW_ARRAY(scratch, float, n), *lately = OD_NEW_ARRAY(scratch, float, n);
    bool any = false, recent = mix[OD_HRNN_LATELY] > 0;
    if (!always || !lately ||
        od_taste_score(&model->taste, query, scratch, always, recent ? lately : NULL, &any) !=
            OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; any && i < n; i++)
        scores[i] = mix[OD_HRNN_NETWORK] * scores[i] + mix[OD_HRNN_ALWAYS] * always[i];
    for (uint32_t i = 0; any && recent && i < n; i++)
        scores[i] += mix[OD_HRNN_LATELY] * lately[i];
    return OD_OK;
}

bool od_hrnn_rates(const struct od_model *model, const struct od_query *query, float *out)
{
    bool any = false;
    if (model->setting)
        od_part_setting.rates(model->setting, query, out, &any);
    return any;
}

/* Popularity, among those of such a record and context where these say something. */
static enum od_status score_newcomer(const struct od_model *model, const struct od_query *query,
                                     struct od_arena *scratch, float *scores, bool *out_personal,
                                     struct od_error *err)
{
    uint32_t n = model->items.count;
    float weight = model->header.temperature * model->header.tilt;
    memcpy(scores, model->popular, n * sizeof *scores);
    if (!model->setting || !(weight > 0))
        return OD_OK;
    float *rates = OD_NEW_ARRAY(scratch, float, n);
    if (!rates)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (!od_hrnn_rates(model, query, rates))
        return OD_OK;
    od_nn_vector_best()->log(rates, rates, 1, n);
    for (uint32_t i = 0; i < n; i++)
        scores[i] += weight * rates[i];
    *out_personal = true;
    return OD_OK;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    enum od_status st = od_gru_score(model->network, query, scratch, scores, out_personal, err);
    if (st != OD_OK)
        return st;
    if (*out_personal && model->taste.columns) {
        st = mix_taste(model, query, scratch, scores, err);
        if (st != OD_OK)
            return st;
    }
    if (!*out_personal)
        st = score_newcomer(model, query, scratch, scores, out_personal, err);
    for (uint32_t i = 0; model->cold && i < model->items.count; i++)
        if (!od_bitmap_get(model->cold, i))
            scores[i] = -INFINITY;
    return st;
}

bool od_hrnn_describe(const struct od_image *image, struct od_buf *out)
{
    static const char *const voices[OD_HRNN_VOICES] = {
        "network", "what such a user chooses by the records", "likewise, lately"};
    struct od_hrnn_header header;
    struct od_error err;
    struct od_str section;
    const void *p;
    if (od_image_array(image, "hrnn", 1, sizeof header, &p, &err) != OD_OK)
        return false;
    memcpy(&header, p, sizeof header);
    bool taste = od_image_section(image, "taste", &section);
    bool setting = od_part_setting.present(image);
    if (taste)
        od_buf_printf(out, "  %u cold items, scored by\n", header.cold_items);
    for (size_t v = 0; v < OD_HRNN_VOICES && taste; v++)
        od_buf_printf(out, "    %-40s weight %8.4f\n", voices[v], (double)header.mix[v]);
    if (setting)
        od_buf_printf(out, "  newcomers: popularity times rates of record and context^%.1f\n",
                      (double)header.tilt);
    return taste || setting;
}

static enum od_status train_plain(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_metrics *metrics, struct od_error *err)
{
    return od_hrnn_train(&od_recipe_hrnn, OD_HRNN_PLAIN, input, image, metrics, err);
}

static enum od_status train_metadata(const struct od_train_input *input,
                                     struct od_image_writer *image, struct od_metrics *metrics,
                                     struct od_error *err)
{
    return od_hrnn_train(&od_recipe_hrnn_metadata, OD_HRNN_METADATA, input, image, metrics, err);
}

static enum od_status train_coldstart(const struct od_train_input *input,
                                      struct od_image_writer *image, struct od_metrics *metrics,
                                      struct od_error *err)
{
    return od_hrnn_train(&od_recipe_hrnn_coldstart, OD_HRNN_COLDSTART, input, image, metrics, err);
}

const struct od_recipe od_recipe_hrnn = {
    .name = "aws-hrnn",
    .train = train_plain,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = temperature,
};

const struct od_recipe od_recipe_hrnn_metadata = {
    .name = "aws-hrnn-metadata",
    .train = train_metadata,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = temperature,
};

const struct od_recipe od_recipe_hrnn_coldstart = {
    .name = "aws-hrnn-coldstart",
    .train = train_coldstart,
    .check = od_hrnn_check_cold,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = temperature,
};
