/* Scoring every item from a history (walk.h), and the sections of an image: N items, little-endian,
 *     walk            struct header
 *     walk.source     float[N], n^source, finite and not negative
 *     walk.target     float[N], n^(OD_WALK_CUT - target), likewise
 *     walk.scale, walk.rows or walk.at, walk.column, walk.value    linar_rows.h
 * All that scoring reads is checked when an image is opened. */
#include "recipes/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1u

struct header {
    uint32_t version, items;
    struct od_walk_config config;
};

/* --- a scorer --- */

static void powers(const struct od_walk_fit *fit, const struct od_walk_config *config,
                   float *source, float *target)
{
    for (uint32_t i = 0; i < fit->rows.items; i++) {
        float n = (float)(fit->users[i] ? fit->users[i] : 1);
        source[i] = powf(n, config->source);
        target[i] = powf(n, OD_WALK_CUT - config->target);
    }
}

enum od_status od_walk_scorer_init(struct od_walk_scorer *out, const struct od_walk_fit *fit,
                                   const struct od_walk_config *config)
{
    size_t items = fit->rows.items;
    float *memory = malloc((2 * items + 1) * sizeof *memory);
    if (!memory)
        return OD_NO_MEMORY;
    *out = (struct od_walk_scorer){.items = fit->rows.items,
                                   .decay = config->decay,
                                   .rows = &fit->rows,
                                   .source = memory,
                                   .target = memory + items,
                                   .memory = memory};
    powers(fit, config, memory, memory + items);
    return OD_OK;
}

void od_walk_scorer_done(struct od_walk_scorer *scorer)
{
    free(scorer->memory);
    *scorer = (struct od_walk_scorer){0};
}

/* The distinct known items of the newest events and their shares; returns how many. */
static size_t gather(const struct od_walk_scorer *s, const struct od_query *query, uint8_t *seen,
                     uint64_t *row, float *share)
{
    size_t n = 0;
    float weight = 1, sum = 0;
    for (size_t e = query->event_count; e-- > 0 && n < OD_WALK_HISTORY;) {
        uint32_t i = query->events[e].item;
        if (i >= s->items || seen[i])
            continue;
        seen[i] = 1;
        row[n] = i;
        share[n] = weight * s->source[i];
        sum += share[n++];
        weight *= s->decay;
    }
    for (size_t k = 0; k < n; k++)
        share[k] = sum > 0 ? share[k] / sum : 0;
    return n;
}

enum od_status od_walk_score(const struct od_walk_scorer *s, const struct od_query *query,
                             struct od_arena *scratch, float *scores, bool *out_any)
{
    uint8_t *seen = OD_NEW_ARRAY(scratch, uint8_t, s->items);
    uint64_t *row = OD_NEW_ARRAY(scratch, uint64_t, OD_WALK_HISTORY);
    float *share = OD_NEW_ARRAY(scratch, float, OD_WALK_HISTORY);
    float *factor = OD_NEW_ARRAY(scratch, float, OD_WALK_HISTORY);
    const uint16_t **pointer = OD_NEW_ARRAY(scratch, const uint16_t *, OD_WALK_HISTORY);
    if (!seen || !row || !share || !factor || !pointer)
        return OD_NO_MEMORY;
    const struct od_kernels *vector = od_kernels_best();
    size_t n = gather(s, query, seen, row, share);
    memset(scores, 0, s->items * sizeof *scores);
    *out_any = n > 0;
    if (s->rows)
        od_linar_rows_add(s->rows, vector, row, share, n, pointer, factor, scores);
    else
        od_linar_view_add(&s->view, vector, row, share, n, pointer, factor, scores);
    for (uint32_t i = 0; i < s->items; i++)
        scores[i] *= s->target[i];
    return OD_OK;
}

/* --- images --- */

enum od_status od_walk_write(struct od_walk_fit *fit, const struct od_walk_config *config,
                             struct od_image_writer *image)
{
    struct header header = {VERSION, fit->rows.items, *config};
    struct od_walk_scorer s;
    size_t bytes = fit->rows.items * sizeof(float);
    enum od_status st = od_walk_scorer_init(&s, fit, config);
    if (st != OD_OK)
        return st;
    st = od_image_add(image, "walk", &header, sizeof header, false);
    if (st == OD_OK)
        st = od_image_add(image, "walk.source", s.source, bytes, false);
    if (st == OD_OK)
        st = od_image_add(image, "walk.target", s.target, bytes, false);
    od_walk_scorer_done(&s);
    return st == OD_OK ? od_linar_rows_give(&fit->rows, "walk", image) : st;
}

static enum od_status read_plane(const struct od_image *image, const char *name, uint32_t items,
                                 const float **out, struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, name, items, sizeof(float), &p, err);
    if (st != OD_OK)
        return st;
    *out = p;
    for (uint32_t i = 0; i < items; i++)
        if (!((*out)[i] >= 0) || !isfinite((*out)[i]))
            return od_fail(err, OD_CORRUPT, "Section %s is not valid at item %u.", name, i);
    return OD_OK;
}

static bool within(float x, float most)
{
    return x >= 0 && x <= most; /* false for NaN */
}

enum od_status od_walk_read(const struct od_image *image, uint32_t item_count,
                            struct od_walk_scorer *out, struct od_error *err)
{
    struct header header;
    struct od_walk_scorer s = {.items = item_count};
    const void *p;
    enum od_status st = od_image_array(image, "walk", 1, sizeof header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&header, p, sizeof header);
    if (header.version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section walk has version %u; this program reads %u.",
                       header.version, VERSION);
    if (header.items != item_count)
        return od_fail(err, OD_CORRUPT, "Section walk has %u items, the dictionary %u.",
                       header.items, item_count);
    s.decay = header.config.decay;
    if (!within(s.decay, 1))
        return od_fail(err, OD_CORRUPT, "Section walk is not valid.");
    st = read_plane(image, "walk.source", item_count, &s.source, err);
    if (st == OD_OK)
        st = read_plane(image, "walk.target", item_count, &s.target, err);
    if (st == OD_OK)
        st = od_linar_view_open(&s.view, image, "walk", item_count, 1, err);
    if (st == OD_OK)
        *out = s;
    return st;
}
