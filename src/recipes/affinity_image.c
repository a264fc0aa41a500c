/* The image of an affinity model: codes of the catalogue instead of those of the interactions, and
 * what items without events get.
 *
 * Such an item has a share of its own and the responses of its like. Its share is Good's estimate
 * (Biometrika 40, 1953) of what falls on items not seen: the share of items seen once among all
 * events, divided among them, and at most an average item's. Its response is the mean of the
 * responses of the items that have its features, each as a lift over its own share, times that
 * share: as likely as a new item is, for those who like what it is like. */
#include "recipes/affinity_image.h"

#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"

/* What the rows of the image are made of. */
struct rows {
    const struct od_affinity_parts *parts;
    const struct od_affinity_catalogue *catalogue;
    float *shares, *projection, *response; /* by model code */
    float *lift;     /* [columns * width] mean over a feature's items of their lifts */
    float new_share; /* of an item without events */
};

static float share_of_new(const struct od_training *t, uint32_t cold)
{
    uint32_t *count = calloc((size_t)t->item_count + 1, sizeof *count), once = 0;
    if (!count)
        return 0;
    for (uint64_t e = 0; e < t->event_count; e++)
        count[t->item[e]]++;
    for (uint32_t i = 0; i < t->item_count; i++)
        once += count[i] == 1;
    free(count);
    double share = ((double)once + 1) / ((double)t->event_count + 1) / (cold ? cold : 1);
    double average = 1.0 / (t->item_count ? t->item_count : 1);
    return (float)(share < average ? share : average);
}

/* Means over the items that have a feature and events, by the square of its value in them (a
 * field's squares sum to 1). */
static bool sum_lifts(struct rows *r)
{
    const struct od_features *f = &r->catalogue->features;
    const struct od_kernels *kernels = od_kernels_best();
    size_t width = r->parts->width;
    float *weight = calloc((size_t)f->columns + 1, sizeof *weight);
    r->lift = calloc(((size_t)f->columns + 1) * width, sizeof *r->lift);
    if (!weight || !r->lift) {
        free(weight);
        return false;
    }
    for (uint32_t row = 0; row < f->rows; row++) {
        uint32_t i = r->catalogue->learnt[row];
        if (i == OD_NO_CODE || !(r->parts->shares->popular[i] > 0))
            continue;
        for (uint64_t k = f->at[row]; k < f->at[row + 1]; k++) {
            float w = f->value[k] * f->value[k], share = r->parts->shares->popular[i];
            /* weighting by share makes it the lift of the items together: no small numbers below */
            kernels->axpy(r->lift + f->column[k] * width, r->parts->response + i * width, w, width);
            weight[f->column[k]] += w * share;
        }
    }
    for (size_t c = 0; c < f->columns; c++)
        for (size_t d = 0; d < width && weight[c] > 0; d++)
            r->lift[c * width + d] /= weight[c];
    free(weight);
    return true;
}

static void fill_known(struct rows *r, uint32_t row, uint32_t i)
{
    size_t dim = r->parts->dim, width = r->parts->width;
    r->shares[2 * (size_t)row] = r->parts->shares->popular[i];
    r->shares[2 * (size_t)row + 1] = r->parts->shares->recent[i];
    memcpy(r->projection + row * dim, r->parts->projection + i * dim, dim * sizeof(float));
    memcpy(r->response + row * width, r->parts->response + i * width, width * sizeof(float));
}

static void fill_new(struct rows *r, uint32_t row)
{
    const struct od_features *f = &r->catalogue->features;
    size_t width = r->parts->width;
    float *response = r->response + row * width, sum = 0;
    r->shares[2 * (size_t)row] = r->shares[2 * (size_t)row + 1] = r->new_share;
    for (uint64_t k = f->at[row]; k < f->at[row + 1]; k++) {
        const float *lift = r->lift + f->column[k] * width;
        float w = f->value[k] * f->value[k];
        bool known = lift[0] != 0; /* a feature of new items alone says nothing */
        for (size_t d = 0; d < width && known; d++)
            response[d] += w * lift[d];
        sum += known ? w : 0;
    }
    for (size_t d = 0; d < width && sum > 0; d++)
        response[d] *= r->new_share / sum;
    if (!(sum > 0))
        response[0] = r->new_share;
}

/* --- sections --- */

static enum od_status give(struct od_image_writer *image, const char *name, void *bytes,
                           uint64_t len, struct od_error *err)
{
    if (!bytes)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_image_give(image, name, bytes, len);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static void *copy(const void *bytes, uint64_t len)
{
    void *to = malloc(len + 1);
    if (to)
        memcpy(to, bytes, len);
    return to;
}

static enum od_status add_items(const struct od_train_input *input,
                                const struct od_affinity_parts *parts,
                                const struct od_affinity_catalogue *catalogue,
                                struct od_image_writer *image, struct od_error *err)
{
    uint64_t items = od_dict_count(catalogue->items), dim = parts->dim, width = parts->width;
    struct rows r = {.parts = parts, .catalogue = catalogue};
    r.shares = malloc((items + 1) * 2 * sizeof(float));
    r.projection = calloc((items + 1) * dim, sizeof(float));
    r.response = calloc((items + 1) * width, sizeof(float));
    r.new_share = share_of_new(input->training, catalogue->cold);
    if (r.shares && r.projection && r.response && sum_lifts(&r)) {
        for (uint32_t row = 0; row < items; row++)
            if (catalogue->learnt[row] == OD_NO_CODE)
                fill_new(&r, row);
            else
                fill_known(&r, row, catalogue->learnt[row]);
    } else {
        free(r.shares);
        r.shares = NULL;
    }
    free(r.lift);
    enum od_status s = give(image, "affinity.shares", r.shares, items * 2 * sizeof(float), err);
    if (s == OD_OK)
        s = give(image, "affinity.projection", r.projection, items * dim * sizeof(float), err);
    else
        free(r.projection);
    if (s == OD_OK)
        return give(image, "affinity.response", r.response, items * width * sizeof(float), err);
    free(r.response);
    return s;
}

static enum od_status add_users(const struct od_affinity_parts *parts, const float *rates,
                                struct od_image_writer *image, struct od_error *err)
{
    uint32_t users = parts->states->user_count;
    float(*user)[3] = malloc(((size_t)users + 1) * sizeof *user);
    for (uint32_t u = 0; user && u < users; u++) {
        user[u][0] = rates[u];
        user[u][1] = parts->states->size[0][u];
        user[u][2] = parts->states->size[1][u];
    }
    return give(image, "affinity.user", user, (uint64_t)users * sizeof *user, err);
}

static enum od_status add_states(const struct od_affinity_parts *parts,
                                 const struct od_affinity_catalogue *catalogue,
                                 struct od_image_writer *image, struct od_error *err)
{
    const struct od_affinity_states *st = parts->states;
    uint64_t users = st->user_count, entries = st->at[users];
    uint32_t *item = copy(st->item, entries * sizeof *item);
    for (uint64_t e = 0; item && e < entries; e++)
        item[e] = catalogue->code[item[e]];
    enum od_status s = give(image, "affinity.item", item, entries * sizeof *item, err);
    if (s == OD_OK)
        s = give(image, "affinity.at", copy(st->at, (users + 1) * 8), (users + 1) * 8, err);
    if (s == OD_OK)
        s = give(image, "affinity.fast", copy(st->weight[0], entries * 4), entries * 4, err);
    return s == OD_OK
               ? give(image, "affinity.slow", copy(st->weight[1], entries * 4), entries * 4, err)
               : s;
}

enum od_status od_affinity_image_write(const struct od_train_input *input,
                                       const struct od_affinity_parts *parts,
                                       const struct od_affinity_catalogue *catalogue,
                                       const struct od_affinity_mix *mix, const float *rates,
                                       struct od_image_writer *image, struct od_error *err)
{
    struct od_affinity_about about = {.dim = parts->dim, .width = parts->width};
    for (int g = 0; g < OD_AFFINITY_GROUPS; g++)
        for (int k = 0; k < OD_AFFINITY_PARTS; k++)
            about.weight[g][k] =
                (float)(mix->weight[g][k] / (k == OD_AFFINITY_LINEAR ? mix->mass : 1));
    enum od_status s = od_image_add_dict(image, "items", catalogue->items);
    if (s == OD_OK)
        s = od_image_add_dict(image, "users", input->training->users);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = give(image, "affinity.about", copy(&about, sizeof about), sizeof about, err);
    if (s == OD_OK)
        s = add_states(parts, catalogue, image, err);
    if (s == OD_OK)
        s = add_users(parts, rates, image, err);
    return s == OD_OK ? add_items(input, parts, catalogue, image, err) : s;
}
