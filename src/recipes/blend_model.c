/* A blend in the server: opened from its image, scoring from a history.
 *
 *     score = sum over parts p that know the user of  (w_p + l_p length + r_p pause) shape_p(s_p)
 *           + w . (features of blend_model.h) + OD_BLEND_FAINT log(1 + interactions)
 *
 * or, when somebody comes back after a pause and a mixture serves (blend_away.c), temperature * log
 * of the mixture of softmax(score / temperature) and popularity.
 *
 * The last term orders by popularity what nothing else tells apart, so the ranking is total. Terms
 * that are the same for every request of now (popularity, all time and lately) are summed once at
 * open; a request about the past, as in evaluations, counts what was recent then.
 *
 * Sections of the image, N items:
 *     items.at, items.text   the item ids, as od_image_add_dict writes them
 *     blend                  struct od_blend_header
 *     blend.count            uint32[N], interactions
 *     blend.recent.age, blend.recent.item   uint32[recent_count], as in blend_recent.h
 *     returning.*            returning.h, when header.away.tilts
 * and those of each serving part.
 *
 * Invariants of an opened model: every number read while scoring has been checked by open. It is
 * read-only; any thread may score. */
#include "recipes/blend_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "recipes/blend_notes.h"

struct od_model {
    struct od_blend_header header;
    struct od_image_dict items;
    struct {
        const struct od_part *part;
        void *opened;
        const struct od_blend_part *as;
    } serving[OD_BLEND_PARTS];
    uint32_t serving_count;
    const uint32_t *count;
    struct od_recent recent;
    float *plane;          /* [4][items] */
    const float *popular;  /* the answer without a usable event */
    const float *standing; /* terms of popularity of all time */
    const float *current;  /* and those of popularity lately, as of the end of the data */
    const float *lately;   /* log(1 + interactions in the last week), likewise */
    float *shares;         /* od_blend_popular_shares, likewise; NULL when no mixture serves */
    struct od_content_model returning; /* tilts them; columns 0: nothing does */
};

struct od_blend_header od_blend_default(const struct od_part *const *parts, uint32_t items)
{
    struct od_blend_header header;
    memset(&header, 0, sizeof header);
    header.version = OD_BLEND_VERSION;
    header.items = items;
    header.temperature = OD_BLEND_TEMPERATURE;
    header.away.sharp = 1;
    header.newcomers = OD_BLEND_NEWCOMERS_DEFAULT;
    for (size_t p = 0; p < OD_BLEND_PARTS && parts[p]; p++) {
        struct od_blend_part *to = &header.part[header.part_count++];
        *to = (struct od_blend_part){.shape = OD_BLEND_LOG2, .serves = p == 0, .scale = .02f};
        memcpy(to->name, parts[p]->name, strnlen(parts[p]->name, sizeof to->name - 1));
        to->weight = p == 0 ? 1.5f : 0;
    }
    return header;
}

enum od_status od_blend_write(const struct od_blend_header *header, const uint32_t *count,
                              const struct od_recent *recent, struct od_image_writer *image)
{
    struct od_blend_header out = *header;
    out.recent_count = recent->count;
    out.recent_stride = recent->stride;
    out.last_time = recent->last_time;
    uint64_t bytes = (uint64_t)recent->count * sizeof *recent->age;
    enum od_status st = od_image_add(image, "blend", &out, sizeof out, false);
    if (st == OD_OK)
        st = od_image_add(image, "blend.count", count, out.items * sizeof *count, false);
    if (st == OD_OK)
        st = od_image_add(image, "blend.recent.age", recent->age, bytes, false);
    if (st == OD_OK)
        st = od_image_add(image, "blend.recent.item", recent->item, bytes, false);
    return st;
}

/* --- opening --- */

#define MOST_GATE 1e4f /* shares are finite */

static enum od_status check_header(const struct od_blend_header *header, struct od_error *err)
{
    if (header->version != OD_BLEND_VERSION)
        return od_fail(err, OD_CORRUPT, "Section blend has version %u; this program reads %u.",
                       header->version, OD_BLEND_VERSION);
    bool good = header->part_count >= 1 && header->part_count <= OD_BLEND_PARTS &&
                isfinite(header->temperature) && header->temperature > 0 &&
                header->recent_stride >= 1;
    bool serves = false;
    for (uint32_t p = 0; good && p < header->part_count; p++) {
        const struct od_blend_part *part = &header->part[p];
        good = part->shape < OD_BLEND_SHAPES && isfinite(part->scale) && part->scale > 0 &&
               isfinite(part->weight) && isfinite(part->longer) && isfinite(part->rested) &&
               memchr(part->name, 0, sizeof part->name);
        serves |= part->serves != 0;
    }
    for (size_t f = 0; good && f < OD_BLEND_FEATURES; f++)
        good = isfinite(header->weight[f]);
    for (size_t k = 0; good && k < OD_BLEND_SOURCES; k++)
        for (size_t x = 0; x < OD_BLEND_GATE; x++)
            good = good && fabsf(header->away.gate[k][x]) < MOST_GATE;
    good = good && header->away.sharp >= 1 && header->away.sharp < OD_BLEND_MOST_SHARP;
    for (size_t k = 0; good && k < OD_BLEND_COMMON; k++)
        good = header->newcomers.share[k] >= 0 && header->newcomers.share[k] <= 2;
    good = good && header->newcomers.share[OD_BLEND_COMMON - 1] > 0 &&
           header->newcomers.tilt >= 0 && header->newcomers.tilt <= OD_BLEND_MOST_TILT &&
           isfinite(header->temperature * header->newcomers.tilt);
    return good && serves ? OD_OK : od_fail(err, OD_CORRUPT, "Section blend is not valid.");
}

static enum od_status read_recent(const struct od_image *image,
                                  const struct od_blend_header *header, struct od_recent *out,
                                  struct od_error *err)
{
    const void *age, *item;
    enum od_status st = od_image_array(image, "blend.recent.age", header->recent_count,
                                       sizeof *out->age, &age, err);
    if (st == OD_OK)
        st = od_image_array(image, "blend.recent.item", header->recent_count, sizeof *out->item,
                            &item, err);
    if (st != OD_OK)
        return st;
    *out = (struct od_recent){.count = header->recent_count,
                              .stride = header->recent_stride,
                              .last_time = header->last_time,
                              .age = age,
                              .item = item};
    for (uint32_t i = 0; i < out->count; i++)
        if (out->item[i] >= header->items || (i && out->age[i] < out->age[i - 1]))
            return od_fail(err, OD_CORRUPT, "Sections blend.recent are not valid at entry %u.", i);
    return OD_OK;
}

/* y += the terms of what was recent at a time, after a pause. counts: [OD_RECENT_WINDOWS * items]
 * scratch, filled. */
static void add_recent(const struct od_model *m, int64_t time, float pause, uint32_t *counts,
                       float *y)
{
    uint32_t n = m->header.items;
    od_recent_count(&m->recent, time, n, counts);
    for (uint32_t w = 0; w < OD_RECENT_WINDOWS; w++) {
        float weight = m->header.weight[OD_BLEND_DAY + w];
        if (w == OD_RECENT_WEEK)
            weight += pause * m->header.weight[OD_BLEND_RETURN];
        const uint32_t *c = counts + (size_t)w * n;
        for (uint32_t i = 0; i < n; i++)
            if (c[i])
                y[i] += weight * od_nn_log(1 + (float)c[i]);
    }
}

static bool weighs_recent(const struct od_blend_header *header)
{
    bool any = false;
    for (size_t f = OD_BLEND_DAY; f <= OD_BLEND_RETURN; f++)
        any |= fabsf(header->weight[f]) > 0;
    return any;
}

static enum od_status make_planes(struct od_model *m, struct od_error *err)
{
    size_t n = m->header.items;
    int64_t end = m->recent.last_time == INT64_MAX ? INT64_MAX : m->recent.last_time + 1;
    m->plane = calloc(n * 4 + 1, sizeof *m->plane);
    m->shares = malloc((n * OD_BLEND_COMMON + 1) * sizeof *m->shares);
    uint32_t *counts = malloc((n * OD_RECENT_WINDOWS + 1) * sizeof *counts);
    if (!m->plane || !counts || !m->shares) {
        free(counts);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    float *popular = m->plane, *standing = m->plane + n, *current = m->plane + 2 * n,
          *lately = m->plane + 3 * n;
    for (size_t i = 0; i < n; i++)
        standing[i] = (m->header.weight[OD_BLEND_POPULAR] + OD_BLEND_FAINT) *
                      od_nn_log(1 + (float)m->count[i]);
    memcpy(current, standing, n * sizeof *current);
    if (weighs_recent(&m->header)) {
        add_recent(m, end, 0, counts, current);
        for (size_t i = 0; i < n; i++)
            lately[i] = od_nn_log(1 + (float)counts[OD_RECENT_WEEK * n + i]);
    }
    od_recent_count(&m->recent, end, m->header.items, counts);
    od_blend_popular_shares(m->count, counts, m->header.items, m->shares);
    od_blend_newcomers(&m->header.newcomers, m->shares, m->header.temperature, m->header.items,
                       popular);
    if (!m->header.away.serves) {
        free(m->shares);
        m->shares = NULL;
    }
    m->popular = popular;
    m->standing = standing;
    m->current = current;
    m->lately = lately;
    free(counts);
    return OD_OK;
}

static const struct od_part *named(const struct od_part *const *parts, const char *name)
{
    for (; *parts; parts++)
        if (strcmp((*parts)->name, name) == 0)
            return *parts;
    return NULL;
}

static enum od_status open_parts(struct od_model *m, const struct od_image *image,
                                 struct od_error *err)
{
    const struct od_part *const *parts = od_blend_parts(image->recipe);
    const struct od_part *const *orderless = od_blend_orderless();
    if (!parts)
        return od_fail(err, OD_CORRUPT, "Recipe %.*s has no parts.", OD_STR_ARG(image->recipe));
    for (uint32_t p = 0; p < m->header.part_count; p++) {
        const struct od_blend_part *as = &m->header.part[p];
        const struct od_part *part = named(parts, as->name);
        part = part ? part : named(orderless, as->name);
        if (!as->serves)
            continue;
        if (!part || !part->present(image))
            return od_fail(err, OD_CORRUPT, "Part %s of the model is missing.", as->name);
        void *opened = NULL;
        enum od_status st = part->open(image, m->items.count, &opened, err);
        if (st != OD_OK)
            return st;
        m->serving[m->serving_count].part = part;
        m->serving[m->serving_count].opened = opened;
        m->serving[m->serving_count++].as = as;
    }
    return OD_OK;
}

void od_blend_close(struct od_model *model)
{
    for (uint32_t p = 0; p < model->serving_count; p++)
        model->serving[p].part->close(model->serving[p].opened);
    free(model->plane);
    free(model->shares);
    free(model);
}

static enum od_status assemble(struct od_model *m, const struct od_image *image,
                               struct od_error *err)
{
    enum od_status st = od_image_dict_open(image, "items", &m->items, err);
    if (st == OD_OK && m->items.count != m->header.items)
        st = od_fail(err, OD_CORRUPT, "Section blend has %u items, the dictionary %u.",
                     m->header.items, m->items.count);
    if (st == OD_OK)
        st = make_planes(m, err);
    return st == OD_OK ? open_parts(m, image, err) : st;
}

enum od_status od_blend_assemble(const struct od_image *image, const struct od_blend_making *of,
                                 struct od_model **out, struct od_error *err)
{
    struct od_model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    m->header = *of->header;
    m->count = of->count;
    m->recent = *of->recent;
    if (of->returning)
        m->returning = *of->returning;
    enum od_status st = assemble(m, image, err);
    if (st == OD_OK)
        *out = m;
    else
        od_blend_close(m);
    return st;
}

enum od_status od_blend_open(const struct od_image *image, struct od_model **out,
                             struct od_error *err)
{
    const void *header, *count = NULL;
    struct od_recent recent = {0};
    struct od_blend_header copy;
    struct od_content_model returning;
    enum od_status st = od_image_array(image, "blend", 1, sizeof copy, &header, err);
    if (st != OD_OK)
        return st;
    memcpy(&copy, header, sizeof copy);
    st = check_header(&copy, err);
    if (st == OD_OK)
        st = od_image_array(image, "blend.count", copy.items, sizeof(uint32_t), &count, err);
    if (st == OD_OK)
        st = read_recent(image, &copy, &recent, err);
    bool tilts = copy.away.serves && copy.away.tilts;
    if (st == OD_OK && tilts)
        st = od_returning_read(image, copy.items, &returning, err);
    const struct od_blend_making of = {&copy, count, &recent, tilts ? &returning : NULL};
    return st == OD_OK ? od_blend_assemble(image, &of, out, err) : st;
}

const struct od_image_dict *od_blend_items(const struct od_model *model)
{
    return &model->items;
}

float od_blend_temperature(const struct od_model *model)
{
    return model->header.temperature;
}

/* --- scoring --- */

static enum od_status add_repeats(const struct od_model *m, const struct od_query *query,
                                  struct od_arena *scratch, float *mark,
                                  struct od_blend_notes *notes, float *scores, struct od_error *err)
{
    struct od_blend_repeat *repeat =
        OD_NEW_ARRAY(scratch, struct od_blend_repeat, query->event_count);
    if (!repeat)
        return od_fail(err, OD_NO_MEMORY, NULL);
    size_t n = od_blend_repeats(query, m->header.items, mark, repeat);
    for (size_t r = 0; r < n; r++)
        for (size_t f = 0; f < OD_BLEND_REPEATS; f++)
            scores[repeat[r].item] += m->header.weight[f] * repeat[r].feature[f];
    if (notes)
        od_blend_note_repeats(notes, &m->header, repeat, n);
    return OD_OK;
}

/* The terms that are no part's. */
static enum od_status begin(const struct od_model *m, const struct od_query *query,
                            struct od_arena *scratch, float *scores, struct od_error *err)
{
    uint32_t n = m->header.items;
    float pause = od_blend_pause(query);
    if (query->now_s > m->recent.last_time || !weighs_recent(&m->header)) {
        float back = pause * m->header.weight[OD_BLEND_RETURN];
        for (uint32_t i = 0; i < n; i++)
            scores[i] = m->current[i] + back * m->lately[i];
        return OD_OK;
    }
    uint32_t *counts = OD_NEW_ARRAY(scratch, uint32_t, (size_t)n * OD_RECENT_WINDOWS);
    if (!counts)
        return od_fail(err, OD_NO_MEMORY, NULL);
    memcpy(scores, m->standing, n * sizeof *scores);
    add_recent(m, query->now_s, pause, counts, scores);
    return OD_OK;
}

/* What begin added, apart. */
static enum od_status note_begin(const struct od_model *m, const struct od_query *query,
                                 struct od_arena *scratch, const float *scores,
                                 struct od_blend_notes *notes, struct od_error *err)
{
    size_t n = m->header.items;
    const uint32_t *lately = NULL;
    if (weighs_recent(&m->header)) {
        uint32_t *counts = OD_NEW_ARRAY(scratch, uint32_t, n * OD_RECENT_WINDOWS);
        if (!counts)
            return od_fail(err, OD_NO_MEMORY, NULL);
        od_recent_count(&m->recent, query->now_s, m->header.items, counts);
        lately = counts;
    }
    od_blend_note_standing(notes, &m->header, m->count, lately, od_blend_pause(query), scores);
    return OD_OK;
}

/* od_blend_popular_shares as of the query's time. */
static enum od_status shares_then(const struct od_model *m, const struct od_query *query,
                                  struct od_arena *scratch, const float **out, struct od_error *err)
{
    size_t n = m->header.items, count = n * OD_BLEND_COMMON;
    *out = m->shares;
    if (query->now_s > m->recent.last_time)
        return OD_OK;
    uint32_t *lately = OD_NEW_ARRAY(scratch, uint32_t, n * OD_RECENT_WINDOWS);
    float *then = OD_NEW_ARRAY(scratch, float, count);
    if (!lately || !then)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_recent_count(&m->recent, query->now_s, m->header.items, lately);
    od_blend_popular_shares(m->count, lately, m->header.items, then);
    *out = then;
    return OD_OK;
}

/* The answer to somebody of whom nothing is known. */
static enum od_status popular(const struct od_model *m, const struct od_query *query,
                              struct od_arena *scratch, struct od_blend_notes *notes, float *scores,
                              struct od_error *err)
{
    uint32_t n = m->header.items;
    if (query->now_s > m->recent.last_time) {
        memcpy(scores, m->popular, n * sizeof *scores);
    } else {
        const float *shares;
        enum od_status st = shares_then(m, query, scratch, &shares, err);
        if (st != OD_OK)
            return st;
        od_blend_newcomers(&m->header.newcomers, shares, m->header.temperature, n, scores);
    }
    if (notes)
        od_blend_note_popular(notes, m->header.temperature, scores);
    return OD_OK;
}

bool od_blend_rates(const struct od_model *m, const struct od_query *query, float *out,
                    uint32_t *out_serving)
{
    bool any = false;
    for (uint32_t p = 0; p < m->serving_count && !any; p++)
        if (m->serving[p].part->rates) {
            m->serving[p].part->rates(m->serving[p].opened, query, out, &any);
            *out_serving = p;
        }
    return any;
}

/* Popularity among those of such a record and context. rates: scratch. */
static void tilt(const struct od_model *m, const struct od_query *query, float *rates,
                 struct od_blend_notes *notes, float *scores, bool *out_personal)
{
    float weight = m->header.temperature * m->header.newcomers.tilt;
    uint32_t p;
    if (!(weight > 0) || !od_blend_rates(m, query, rates, &p))
        return;
    od_nn_vector_best()->log(rates, rates, 1, m->header.items);
    for (uint32_t i = 0; i < m->header.items; i++)
        scores[i] += weight * rates[i];
    if (notes)
        od_blend_note_rates(notes, m->serving[p].as->name, weight, rates);
    *out_personal = true;
}

/* The answer to somebody who comes back. */
static enum od_status mix(const struct od_model *m, const struct od_query *query,
                          struct od_arena *scratch, struct od_blend_notes *notes, float *scores,
                          struct od_error *err)
{
    uint32_t n = m->header.items;
    const float *shares;
    float share[OD_BLEND_SOURCES];
    float *past = OD_NEW_ARRAY(scratch, float, n), *tilt = OD_NEW_ARRAY(scratch, float, n);
    enum od_status st = shares_then(m, query, scratch, &shares, err);
    if (st != OD_OK)
        return st;
    if (!past || !tilt ||
        od_blend_tilt(&m->returning, query, shares, n, scratch, past, tilt) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_blend_shares(&m->header.away, od_blend_pause(query), od_blend_length(query->event_count),
                    share);
    if (notes)
        od_blend_note_before(notes, scores);
    od_blend_mix(share, m->header.away.sharp, past, shares, tilt, m->header.temperature, n, scores);
    if (notes)
        od_blend_note_away(notes, scores);
    return OD_OK;
}

/* A part that weighs nothing serves newcomers alone. */
static bool weighs(const struct od_blend_part *as)
{
    return fabsf(as->weight) > 0 || fabsf(as->longer) > 0 || fabsf(as->rested) > 0;
}

/* The one way to a score; notes NULL: nobody asks why. */
static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, struct od_blend_notes *notes, float *scores,
                            bool *out_personal, struct od_error *err)
{
    uint32_t n = model->header.items;
    float *own = OD_NEW_ARRAY(scratch, float, n);
    if (!own)
        return od_fail(err, OD_NO_MEMORY, NULL);
    float length = od_blend_length(query->event_count), pause = od_blend_pause(query);
    bool known = false; /* by what they did */
    *out_personal = false;
    enum od_status st = begin(model, query, scratch, scores, err);
    if (st == OD_OK && notes)
        st = note_begin(model, query, scratch, scores, notes, err);
    for (uint32_t p = 0; p < model->serving_count && st == OD_OK; p++) {
        const struct od_blend_part *as = model->serving[p].as;
        float weight = as->weight + as->longer * length + as->rested * pause;
        bool personal = false;
        if (!weighs(as))
            continue;
        st = model->serving[p].part->score(model->serving[p].opened, query, scratch, own, &personal,
                                           err);
        if (st == OD_OK && personal)
            od_blend_shape_add((enum od_blend_shape)as->shape, as->scale, weight, own, n, scores);
        if (st == OD_OK && personal && notes)
            od_blend_note_part(notes, as, weight, own, scores);
        known |= personal && !model->serving[p].part->rates;
    }
    *out_personal = known;
    if (st == OD_OK && !known) {
        st = popular(model, query, scratch, notes, scores, err);
        if (st == OD_OK)
            tilt(model, query, own, notes, scores, out_personal);
        return st;
    }
    if (st == OD_OK)
        st = add_repeats(model, query, scratch, own, notes, scores, err);
    if (st == OD_OK && model->header.away.serves && pause >= OD_BLEND_RETURNS)
        st = mix(model, query, scratch, notes, scores, err);
    return st;
}

enum od_status od_blend_score(const struct od_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err)
{
    return score(model, query, scratch, NULL, scores, out_personal, err);
}

enum od_status od_blend_explain(const struct od_model *model, const struct od_query *query,
                                const uint32_t *item, uint32_t item_count, struct od_arena *scratch,
                                float *scores, struct od_score_terms *out, struct od_error *err)
{
    struct od_blend_notes notes = {.item = item, .count = item_count, .terms = out};
    bool personal;
    notes.before = OD_NEW_ARRAY(scratch, float, item_count);
    if (!notes.before)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return score(model, query, scratch, &notes, scores, &personal, err);
}
