/* An affinity model at work: the image, and one pass over the histories for an answer.
 *
 * For a set of items S the mixture (affinity_mix.c) is
 *   p(S | u) = c + a max(0, q_0 + size1 sum_x h1_x v1_x + size2 sum_x h2_x v2_x) / mass
 *              + b sum_{x in S} h2_x + d sum_{x in S} h1_x,
 * where q is the sum of S's responses and v_k = projection q_k is one vector over items. So a
 * query costs dim (|S| + 2 items) once, and then three products an entry of the histories; a
 * million users with ten items each are 10 million entries, read in order. The values of one item
 * (v1, v2, in S) lie together, one cache line for all.
 *
 * The positive part is taken of the sum over S, not of each item: negative values of a linear
 * probability are its noise around 0, and adding before cutting averages it out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/topk.h"
#include "recipes/affinity_image.h"

struct model {
    struct od_image_dict items, users;
    struct od_affinity_about about;
    const uint64_t *at;
    const uint32_t *item;
    const float *fast, *slow;           /* [at[users]] */
    const float (*user)[3];             /* [users] rate, sizes of the fast and slow history */
    const float *shares;                /* [items * 2] of all events, of recent ones */
    const float *projection, *response; /* [items * dim], [items * width] */
    const struct od_kernels *kernels;
};

/* --- opening --- */

static bool finite_all(const float *x, uint64_t count)
{
    bool good = true;
    for (uint64_t i = 0; i < count; i++)
        good &= isfinite(x[i]) != 0;
    return good;
}

static bool good_states(const struct model *m, uint64_t entries)
{
    uint32_t users = m->users.count, items = m->items.count;
    bool good = m->at[0] == 0 && m->at[users] == entries;
    for (uint32_t u = 0; u < users; u++)
        good &= m->at[u] <= m->at[u + 1];
    for (uint64_t e = 0; e < entries; e++)
        good &= m->item[e] < items;
    return good && finite_all(m->fast, entries) && finite_all(m->slow, entries) &&
           finite_all(&m->user[0][0], 3 * (uint64_t)users);
}

static enum od_status open_about(const struct od_image *image, struct model *m,
                                 struct od_error *err)
{
    const void *about;
    enum od_status s = od_image_array(image, "affinity.about", 1, sizeof m->about, &about, err);
    if (s != OD_OK)
        return s;
    memcpy(&m->about, about, sizeof m->about);
    if (m->about.dim > OD_AFFINITY_DIM ||
        m->about.width != 1 + OD_AFFINITY_KERNELS * m->about.dim ||
        !finite_all(&m->about.weight[0][0], OD_AFFINITY_GROUPS * OD_AFFINITY_PARTS))
        return od_fail(err, OD_CORRUPT, "The model image's affinity.about is not well formed.");
    return OD_OK;
}

static enum od_status open_arrays(const struct od_image *image, struct model *m,
                                  struct od_error *err)
{
    struct od_str bytes;
    uint64_t items = m->items.count, users = m->users.count;
    uint64_t entries = od_image_section(image, "affinity.item", &bytes) ? bytes.len / 4 : 0;
    const struct {
        const char *name;
        uint64_t count;
        size_t size;
        const void **to;
    } arrays[] = {
        {"affinity.at", users + 1, sizeof *m->at, (const void **)&m->at},
        {"affinity.item", entries, sizeof *m->item, (const void **)&m->item},
        {"affinity.fast", entries, sizeof(float), (const void **)&m->fast},
        {"affinity.slow", entries, sizeof(float), (const void **)&m->slow},
        {"affinity.user", users, sizeof *m->user, (const void **)&m->user},
        {"affinity.shares", 2 * items, sizeof(float), (const void **)&m->shares},
        {"affinity.projection", items * m->about.dim, sizeof(float), (const void **)&m->projection},
        {"affinity.response", items * m->about.width, sizeof(float), (const void **)&m->response},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        enum od_status s = od_image_array(image, arrays[i].name, arrays[i].count, arrays[i].size,
                                          arrays[i].to, err);
        if (s != OD_OK)
            return s;
    }
    if (!good_states(m, entries) || !finite_all(m->shares, 2 * items) ||
        !finite_all(m->projection, items * m->about.dim) ||
        !finite_all(m->response, items * m->about.width))
        return od_fail(err, OD_CORRUPT, "The model image's affinity sections are not well formed.");
    return OD_OK;
}

enum od_status od_affinity_open(const struct od_image *image, struct od_model **out,
                                struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    m->kernels = od_kernels_best();
    enum od_status s = od_image_dict_open(image, "items", &m->items, err);
    if (s == OD_OK)
        s = od_image_dict_open(image, "users", &m->users, err);
    if (s == OD_OK)
        s = open_about(image, m, err);
    if (s == OD_OK)
        s = open_arrays(image, m, err);
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        free(m);
    return s;
}

void od_affinity_close(struct od_model *model)
{
    free(model);
}

const struct od_image_dict *od_affinity_items(const struct od_model *model)
{
    return &((const struct model *)model)->items;
}

const struct od_image_dict *od_affinity_users(const struct od_model *model)
{
    return &((const struct model *)model)->users;
}

/* --- answering --- */

/* What a set of items means to a history. */
struct aim {
    float popular, recent, constant;
    float (*of)[4]; /* [items] v1, v2, 1 when in the set, 0 */
};

static bool aim_at(const struct model *m, const uint64_t *set, struct od_arena *scratch,
                   struct aim *aim)
{
    uint32_t items = m->items.count;
    size_t dim = m->about.dim;
    float *q = OD_NEW_ARRAY(scratch, float, m->about.width);
    *aim = (struct aim){.of = od_arena_array(scratch, (size_t)items + 1, sizeof *aim->of)};
    if (!q || !aim->of)
        return false;
    for (uint32_t i = 0; i < items; i++) {
        if (!od_bitmap_get(set, i))
            continue;
        aim->popular += m->shares[2 * i];
        aim->recent += m->shares[2 * i + 1];
        aim->of[i][2] = 1;
        m->kernels->axpy(q, m->response + (size_t)i * m->about.width, 1, m->about.width);
    }
    aim->constant = q[0];
    for (uint32_t i = 0; i < items; i++) {
        const float *p = m->projection + (size_t)i * dim;
        aim->of[i][0] = m->kernels->dot(p, q + 1, dim);
        aim->of[i][1] = m->kernels->dot(p, q + 1 + dim, dim);
    }
    return true;
}

static float expected(const struct model *m, const struct aim *aim, uint32_t user)
{
    float near = 0, far = 0, slow = 0, fast = 0;
    for (uint64_t e = m->at[user]; e < m->at[user + 1]; e++) {
        const float *v = aim->of[m->item[e]];
        near += m->fast[e] * v[0];
        far += m->slow[e] * v[1];
        slow += m->slow[e] * v[2];
        fast += m->fast[e] * v[2];
    }
    const float *w = m->about.weight[od_affinity_group(m->at[user + 1] - m->at[user])];
    const float *about = m->user[user];
    float linear = aim->constant + about[1] * near + about[2] * far;
    return about[0] * (w[OD_AFFINITY_POPULAR] * aim->popular + w[OD_AFFINITY_RECENT] * aim->recent +
                       w[OD_AFFINITY_LINEAR] * fmaxf(linear, 0) + w[OD_AFFINITY_REPEAT] * slow +
                       w[OD_AFFINITY_LATEST] * fast);
}

enum od_status od_affinity_segment(const struct od_model *model,
                                   const struct od_segment_query *query, struct od_arena *scratch,
                                   struct od_segment_user *out, uint32_t *out_count,
                                   struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    uint32_t users = m->users.count, most = query->most < users ? query->most : users;
    struct aim aim;
    float *scores = OD_NEW_ARRAY(scratch, float, (size_t)users + OD_SCAN_BLOCK);
    uint64_t *topk = OD_NEW_ARRAY(scratch, uint64_t, od_topk_scratch(most));
    uint32_t *best = OD_NEW_ARRAY(scratch, uint32_t, (size_t)most + 1);
    if (!scores || !topk || !best || !aim_at(m, query->items, scratch, &aim))
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t u = 0; u < users; u++)
        scores[u] = expected(m, &aim, u);
    *out_count = (uint32_t)od_topk(m->kernels, scores, users, query->users, most, topk, best);
    for (uint32_t i = 0; i < *out_count; i++)
        out[i] = (struct od_segment_user){best[i], scores[best[i]]};
    return OD_OK;
}
