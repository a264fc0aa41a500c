/* Scoring every item from a history (content.h), and the sections of an image: N items,
 * little-endian, NAME the reader's,
 *     NAME           struct header
 *     NAME.at        uint64[N + 1], offsets of rows
 *     NAME.column    uint16[at[N]], below columns, ascending in a row
 *     NAME.value     float[at[N]], finite
 *     NAME.map       float[columns][columns], finite
 * All that scoring reads is checked when an image is opened. */
#include "recipes/content.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "math/kernels.h"

#define VERSION 1u

struct header {
    uint32_t version, items, columns;
    float decay;
};

struct od_content_model od_content_model_of(const struct od_content_rows *rows, const float *map,
                                            float decay)
{
    return (struct od_content_model){.items = rows->items,
                                     .columns = rows->columns,
                                     .decay = decay,
                                     .at = rows->at,
                                     .column = rows->column,
                                     .value = rows->value,
                                     .map = map};
}

/* to[columns] := S' h; whether h is anything. */
static bool look_ahead(const struct od_content_model *m, const struct od_query *query, float *past,
                       float *to)
{
    const struct od_kernels *vector = od_kernels_best();
    float weight = 1;
    bool any = false;
    memset(past, 0, m->columns * sizeof *past);
    memset(to, 0, m->columns * sizeof *to);
    for (size_t e = query->event_count; e-- > 0 && weight >= OD_CONTENT_FAINT; weight *= m->decay) {
        uint32_t item = query->events[e].item;
        for (uint64_t k = item < m->items ? m->at[item] : 1;
             k < (item < m->items ? m->at[item + 1] : 1); k++) {
            past[m->column[k]] += weight * m->value[k];
            any = true;
        }
    }
    float length = any && m->unit ? sqrtf(vector->dot(past, past, m->columns)) : 1;
    for (uint32_t c = 0; c < m->columns && any; c++)
        if (fabsf(past[c]) > 0)
            vector->axpy(to, m->map + (size_t)c * m->columns, past[c] / length, m->columns);
    return any;
}

enum od_status od_content_score(const struct od_content_model *m, const struct od_query *query,
                                struct od_arena *scratch, float *scores, bool *out_any)
{
    float *past = OD_NEW_ARRAY(scratch, float, (size_t)m->columns + 1);
    float *to = OD_NEW_ARRAY(scratch, float, (size_t)m->columns + 1);
    if (!past || !to)
        return OD_NO_MEMORY;
    *out_any = look_ahead(m, query, past, to);
    for (uint32_t i = 0; i < m->items; i++) {
        float sum = 0;
        for (uint64_t k = m->at[i]; k < m->at[i + 1]; k++)
            sum += m->value[k] * to[m->column[k]];
        scores[i] = sum;
    }
    return OD_OK;
}

/* --- images --- */

/* NAME and what comes after it. */
struct name {
    char text[OD_IMAGE_NAME];
};

static struct name name_of(const char *base, const char *rest)
{
    struct name n;
    snprintf(n.text, sizeof n.text, "%s%s", base, rest);
    return n;
}

enum od_status od_content_write(const struct od_content_model *m, const char *name,
                                struct od_image_writer *image)
{
    const struct header header = {VERSION, m->items, m->columns, m->decay};
    uint64_t entries = m->at[m->items];
    const struct {
        const char *rest;
        const void *bytes;
        uint64_t len;
    } section[] = {{"", &header, sizeof header},
                   {".at", m->at, ((uint64_t)m->items + 1) * sizeof *m->at},
                   {".column", m->column, entries * sizeof *m->column},
                   {".value", m->value, entries * sizeof *m->value},
                   {".map", m->map, (uint64_t)m->columns * m->columns * sizeof *m->map}};
    enum od_status st = OD_OK;
    for (size_t s = 0; s < sizeof section / sizeof *section && st == OD_OK; s++)
        st = od_image_add(image, name_of(name, section[s].rest).text, section[s].bytes,
                          section[s].len, false);
    return st;
}

static enum od_status check(const struct od_content_model *m, const char *name,
                            struct od_error *err)
{
    bool good = m->decay >= 0 && m->decay <= OD_CONTENT_MOST_DECAY && m->at[0] == 0;
    for (uint32_t i = 0; i < m->items && good; i++)
        good = m->at[i] <= m->at[i + 1];
    for (uint64_t e = 0; good && e < m->at[m->items]; e++)
        good = m->column[e] < m->columns && isfinite(m->value[e]);
    for (size_t k = 0; good && k < (size_t)m->columns * m->columns; k++)
        good = isfinite(m->map[k]);
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Sections %s are not valid.", name);
}

enum od_status od_content_read(const struct od_image *image, const char *name, uint32_t item_count,
                               struct od_content_model *out, struct od_error *err)
{
    struct header header;
    struct od_str entries;
    const void *p, *at, *column, *value, *map;
    enum od_status st = od_image_array(image, name, 1, sizeof header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&header, p, sizeof header);
    if (header.version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section %s has version %u; this program reads %u.", name,
                       header.version, VERSION);
    if (header.items != item_count || header.columns > OD_CONTENT_COLUMNS ||
        !od_image_section(image, name_of(name, ".value").text, &entries))
        return od_fail(err, OD_CORRUPT, "Section %s is not valid.", name);
    uint64_t count = entries.len / sizeof(float), n = header.columns;
    st = od_image_array(image, name_of(name, ".at").text, (uint64_t)item_count + 1,
                        sizeof(uint64_t), &at, err);
    if (st == OD_OK)
        st = od_image_array(image, name_of(name, ".column").text, count, sizeof(uint16_t), &column,
                            err);
    if (st == OD_OK)
        st = od_image_array(image, name_of(name, ".value").text, count, sizeof(float), &value, err);
    if (st == OD_OK)
        st = od_image_array(image, name_of(name, ".map").text, n * n, sizeof(float), &map, err);
    if (st != OD_OK)
        return st;
    struct od_content_model m = {.items = item_count,
                                 .columns = header.columns,
                                 .decay = header.decay,
                                 .at = at,
                                 .column = column,
                                 .value = value,
                                 .map = map};
    if (m.at[item_count] != count)
        return od_fail(err, OD_CORRUPT, "Sections %s are not valid.", name);
    st = check(&m, name, err);
    if (st == OD_OK)
        *out = m;
    return st;
}
