/* Neighbouring sessions in a model image, read in place, and a configuration as text.
 *
 * Sections, N items, S sessions, E events, P postings, all numbers little-endian:
 *     knn            struct header
 *     knn.start      uint32[S + 1], ascending from 0 to E; a session has 1 to OD_KNN_LONGEST events
 *     knn.item       uint32[E], below N
 *     knn.post_at    uint32[N + 1], ascending from 0 to P
 *     knn.post       uint32[P], below S
 *     knn.count      uint32[N], sessions of the item
 *     knn.returns    float[OD_KNN_WINDOW], in [0, 1]
 *
 * Everything that scoring reads is checked once here, so that no image, however made, leads it out
 * of its arrays. The text of a configuration is its numbers in the order of the struct. */
#include "recipes/knn.h"

#include <math.h>
#include <string.h>

#include "recipes/lesson.h"

#define VERSION 1u

struct header {
    uint32_t version, items, sessions;
    struct od_knn_config config;
};

enum od_status od_knn_write(const struct od_knn_index *x, const struct od_knn_config *config,
                            struct od_image_writer *image)
{
    struct header header = {VERSION, x->items, x->sessions, *config};
    const struct {
        const char *name;
        const void *bytes;
        uint64_t count;
    } part[] = {
        {"knn.start", x->start, (uint64_t)x->sessions + 1},
        {"knn.item", x->item, x->events},
        {"knn.post_at", x->post_at, (uint64_t)x->items + 1},
        {"knn.post", x->post, x->posts},
        {"knn.count", x->count, x->items},
        {"knn.returns", x->returns, OD_KNN_WINDOW},
    };
    enum od_status st = od_image_add(image, "knn", &header, sizeof header, false);
    for (size_t i = 0; i < sizeof part / sizeof *part && st == OD_OK; i++)
        st = od_image_add(image, part[i].name, part[i].bytes, part[i].count * 4, false);
    return st;
}

static bool within(float x, float most)
{
    return x >= 0 && x <= most; /* false for NaN */
}

static bool valid(const struct od_knn_config *c)
{
    return c->cut <= 1 && c->rest <= OD_KNN_REACH && c->sample >= 1 && c->sample <= OD_KNN_SAMPLE &&
           c->closeness <= 2 && within(c->query_decay, 1) && c->query_decay > 0 &&
           within(c->step_decay, 1) && within(c->back, 1) && within(c->source_power, 2) &&
           within(c->target_power, 2) && within(c->length_power, 2) && within(c->fade, 100) &&
           within(c->repeat, 10);
}

static enum od_status read_header(const struct od_image *image, uint32_t item_count,
                                  struct header *out, struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, "knn", 1, sizeof *out, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(out, p, sizeof *out);
    if (out->version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section knn has version %u; this program reads %u.",
                       out->version, VERSION);
    if (out->items != item_count)
        return od_fail(err, OD_CORRUPT, "Section knn has %u items, the dictionary %u.", out->items,
                       item_count);
    return valid(&out->config) ? OD_OK : od_fail(err, OD_CORRUPT, "Section knn is not valid.");
}

/* at[count + 1] ascends from 0 to total, in steps of least to most. */
static enum od_status check_at(const char *name, const uint32_t *at, uint32_t count, uint32_t total,
                               uint32_t least, uint32_t most, struct od_error *err)
{
    bool good = at[0] == 0 && at[count] == total;
    for (uint32_t i = 0; i < count; i++)
        good &= at[i + 1] >= at[i] && at[i + 1] - at[i] >= least && at[i + 1] - at[i] <= most;
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Section %s is not in order.", name);
}

static enum od_status check_below(const char *name, const uint32_t *code, uint32_t count,
                                  uint32_t bound, struct od_error *err)
{
    bool good = true;
    for (uint32_t i = 0; i < count; i++)
        good &= code[i] < bound;
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Section %s names what is not there.", name);
}

static enum od_status check(const struct od_knn_index *x, struct od_error *err)
{
    enum od_status st =
        check_at("knn.start", x->start, x->sessions, x->events, 1, OD_KNN_LONGEST, err);
    if (st == OD_OK)
        st = check_below("knn.item", x->item, x->events, x->items, err);
    if (st == OD_OK)
        st = check_at("knn.post_at", x->post_at, x->items, x->posts, 0, UINT32_MAX, err);
    if (st == OD_OK)
        st = check_below("knn.post", x->post, x->posts, x->sessions, err);
    bool good = true;
    for (uint32_t r = 0; r < OD_KNN_WINDOW; r++)
        good &= within(x->returns[r], 1);
    return st != OD_OK || good ? st : od_fail(err, OD_CORRUPT, "Section knn.returns is not valid.");
}

/* The number of elements of a section whose size nothing else tells. */
static enum od_status length_of(const struct od_image *image, const char *name, uint32_t *out,
                                struct od_error *err)
{
    struct od_str section;
    if (!od_image_section(image, name, &section) || section.len % 4 ||
        section.len / 4 >= UINT32_MAX)
        return od_fail(err, OD_CORRUPT, "Section %s is missing or not an array of codes.", name);
    *out = (uint32_t)(section.len / 4);
    return OD_OK;
}

enum od_status od_knn_read(const struct od_image *image, uint32_t item_count,
                           struct od_knn_index *out, struct od_knn_config *out_config,
                           struct od_error *err)
{
    struct header header;
    struct od_knn_index x = {.items = item_count};
    enum od_status st = read_header(image, item_count, &header, err);
    if (st == OD_OK)
        st = length_of(image, "knn.item", &x.events, err);
    if (st == OD_OK)
        st = length_of(image, "knn.post", &x.posts, err);
    if (st != OD_OK)
        return st;
    x.sessions = header.sessions;
    const struct {
        const char *name;
        uint64_t count;
        const void *to;
    } part[] = {
        {"knn.start", (uint64_t)x.sessions + 1, &x.start},
        {"knn.item", x.events, &x.item},
        {"knn.post_at", (uint64_t)x.items + 1, &x.post_at},
        {"knn.post", x.posts, &x.post},
        {"knn.count", x.items, &x.count},
        {"knn.returns", OD_KNN_WINDOW, &x.returns},
    };
    for (size_t i = 0; i < sizeof part / sizeof *part && st == OD_OK; i++) {
        const void *p = NULL;
        st = od_image_array(image, part[i].name, part[i].count, 4, &p, err);
        memcpy((void *)part[i].to, &p, sizeof p);
    }
    if (st == OD_OK)
        st = check(&x, err);
    if (st != OD_OK)
        return st;
    *out = x;
    *out_config = header.config;
    return OD_OK;
}

void od_knn_config_print(const struct od_knn_config *c, struct od_buf *out)
{
    od_buf_printf(out, "%u %u %u %u %u %g %g %g %g %g %g %g %g", c->cut, c->rest, c->sample,
                  c->neighbours, c->closeness, (double)c->query_decay, (double)c->step_decay,
                  (double)c->back, (double)c->source_power, (double)c->target_power,
                  (double)c->length_power, (double)c->fade, (double)c->repeat);
}

enum od_status od_knn_config_parse(struct od_str text, struct od_knn_config *out,
                                   struct od_error *err)
{
    struct od_knn_config c;
    uint32_t *whole[] = {&c.cut, &c.rest, &c.sample, &c.neighbours, &c.closeness};
    float *number[] = {&c.query_decay,  &c.step_decay,   &c.back, &c.source_power,
                       &c.target_power, &c.length_power, &c.fade, &c.repeat};
    enum { WHOLE = sizeof whole / sizeof *whole, NUMBERS = sizeof number / sizeof *number };
    double most[WHOLE + NUMBERS], x[WHOLE + NUMBERS];
    for (size_t k = 0; k < WHOLE + NUMBERS; k++)
        most[k] = 1e9;
    bool good = od_lesson_numbers(text, most, WHOLE + NUMBERS, x);
    for (size_t k = 0; good && k < WHOLE; k++)
        *whole[k] = (uint32_t)x[k];
    for (size_t k = 0; good && k < NUMBERS; k++)
        *number[k] = (float)x[WHOLE + k];
    if (!good || !valid(&c))
        return od_fail(err, OD_CORRUPT, "\"%.*s\" is no configuration of neighbouring sessions.",
                       OD_STR_ARG(text));
    *out = c;
    return OD_OK;
}
