/* Rates and scores of every item for a question (setting.h), and the sections of an image: N items,
 * W words, little-endian,
 *     setting           struct header
 *     setting.names     the words, as od_image_add_dict writes them
 *     setting.at        uint64[W + 1], offsets of words' entries
 *     setting.item      uint32[at[W]], below N, ascending in a word
 *     setting.value     float[at[W]], finite
 *     setting.share     float[N], finite, above 0
 * All that scoring reads is checked when an image is opened. */
#include "recipes/setting.h"

#include <math.h>
#include <string.h>

#define VERSION 1u

struct header {
    uint32_t version, items, words;
};

/* --- scoring --- */

void od_setting_score_rates(const struct od_setting_model *m, const struct od_query *query,
                            float *out, bool *out_any)
{
    struct od_word word[OD_SEQ_ENTRIES];
    size_t n = od_words_query(m->names, query, 0, word, OD_SEQ_ENTRIES);
    *out_any = false;
    for (uint32_t i = 0; i < m->items; i++)
        out[i] = 1;
    for (size_t k = 0; k < n; k++) {
        uint64_t first = m->at[word[k].column], end = m->at[word[k].column + 1];
        *out_any |= end > first;
        for (uint64_t e = first; e < end; e++)
            out[m->item[e]] += word[k].value * m->value[e];
    }
    for (uint32_t i = 0; i < m->items && *out_any; i++)
        out[i] = out[i] > OD_SETTING_SLOW ? out[i] : OD_SETTING_SLOW;
}

void od_setting_score(const struct od_setting_model *m, const struct od_query *query, float *scores,
                      bool *out_any)
{
    od_setting_score_rates(m, query, scores, out_any);
    for (uint32_t i = 0; i < m->items; i++)
        scores[i] *= m->share[i];
}

/* --- images --- */

enum od_status od_setting_write(const struct od_setting_model *m, struct od_image_writer *image)
{
    const struct header header = {VERSION, m->items, m->words};
    uint64_t entries = m->at[m->words];
    const struct {
        const char *name;
        const void *bytes;
        uint64_t len;
    } section[] = {{"setting", &header, sizeof header},
                   {"setting.at", m->at, ((uint64_t)m->words + 1) * sizeof *m->at},
                   {"setting.item", m->item, entries * sizeof *m->item},
                   {"setting.value", m->value, entries * sizeof *m->value},
                   {"setting.share", m->share, (uint64_t)m->items * sizeof *m->share}};
    enum od_status st = od_image_add_dict(image, "setting.names", m->names->names);
    for (size_t s = 0; s < sizeof section / sizeof *section && st == OD_OK; s++)
        st = od_image_add(image, section[s].name, section[s].bytes, section[s].len, false);
    return st;
}

static enum od_status check(const struct od_setting_model *m, struct od_error *err)
{
    bool good = m->at[0] == 0;
    for (uint32_t w = 0; w < m->words && good; w++)
        good = m->at[w] <= m->at[w + 1];
    for (uint64_t e = 0; good && e < m->at[m->words]; e++)
        good = m->item[e] < m->items && isfinite(m->value[e]);
    for (uint32_t i = 0; i < m->items && good; i++)
        good = isfinite(m->share[i]) && m->share[i] > 0;
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Sections setting are not valid.");
}

static enum od_status read_arrays(const struct od_image *image, struct od_setting_model *m,
                                  struct od_error *err)
{
    struct od_str entries;
    const void *at, *item, *value, *share;
    if (!od_image_section(image, "setting.value", &entries))
        return od_fail(err, OD_CORRUPT, "Section setting.value is missing.");
    uint64_t count = entries.len / sizeof(float);
    enum od_status st =
        od_image_array(image, "setting.at", (uint64_t)m->words + 1, sizeof(uint64_t), &at, err);
    if (st == OD_OK)
        st = od_image_array(image, "setting.item", count, sizeof(uint32_t), &item, err);
    if (st == OD_OK)
        st = od_image_array(image, "setting.value", count, sizeof(float), &value, err);
    if (st == OD_OK)
        st = od_image_array(image, "setting.share", m->items, sizeof(float), &share, err);
    if (st != OD_OK)
        return st;
    m->at = at;
    m->item = item;
    m->value = value;
    m->share = share;
    return m->at[m->words] == count ? check(m, err)
                                    : od_fail(err, OD_CORRUPT, "Sections setting are not valid.");
}

enum od_status od_setting_read(const struct od_image *image, uint32_t item_count,
                               struct od_words *names, struct od_setting_model *out,
                               struct od_error *err)
{
    struct header header;
    const void *p;
    enum od_status st = od_image_array(image, "setting", 1, sizeof header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&header, p, sizeof header);
    if (header.version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section setting has version %u; this program reads %u.",
                       header.version, VERSION);
    st = od_words_open(names, image, "setting.names", err);
    if (st != OD_OK)
        return st;
    struct od_setting_model m = {.items = item_count, .words = header.words, .names = names};
    if (header.items != item_count || header.words > OD_SETTING_WORDS ||
        header.words != od_dict_count(names->names))
        st = od_fail(err, OD_CORRUPT, "Section setting is not valid.");
    if (st == OD_OK)
        st = read_arrays(image, &m, err);
    if (st == OD_OK)
        *out = m;
    else
        od_words_done(names);
    return st;
}
