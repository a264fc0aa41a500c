/* Where item vectors start from: the leading directions of which items follow each other.
 *
 * Items up to REACH steps apart in a history are neighbours, with weight 1 / distance. Of the
 * symmetric matrix of positive pointwise mutual information of neighbours,
 * max(0, log(c_ij c / (c_i c_j))), the leading U sqrt(S) are the vectors: what skip-gram training
 * would arrive at (Levy, Goldberg 2014, section 5), in a second. They are scaled to a mean length
 * of 1, that of the random vectors they replace; items without neighbours keep those.
 *
 * Memory is 10 bytes an event and 24 a pair that differs (the matrix, the room it grows by, and its
 * transpose), of which an event has six at most; so of more than OD_SEQ_START_EVENTS, or than half
 * of the memory given is enough for, the users are counted evenly, one of every so many. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/svd.h"
#include "recipes/seqtrain_inner.h"

enum { REACH = 3 };
#define EVENT_BYTES (10 + 2 * REACH * 24)

struct neighbours {
    uint32_t items;
    uint64_t *at;     /* [items + 1] */
    uint32_t *column; /* [at[items]] */
    float *value;
    uint64_t room;
    double *mass; /* [items] */
    double total;
};

static void neighbours_done(struct neighbours *n)
{
    free(n->at);
    free(n->column);
    free(n->value);
    free(n->mass);
}

/* Positions of each item: a counting sort of the usable events of every so many users. */
struct places {
    uint64_t *start;       /* [items + 1] */
    uint64_t *event;       /* [start[items]] */
    uint8_t *left, *right; /* [events] usable neighbours on either side, at most REACH */
};

static void places_done(struct places *p)
{
    free(p->start);
    free(p->event);
    free(p->left);
    free(p->right);
}

static uint32_t stride_of(const struct od_train_input *input, const uint64_t *end)
{
    const struct od_training *t = input->training;
    uint64_t events = 0, most = OD_SEQ_START_EVENTS, memory = input->memory_bytes / 2 / EVENT_BYTES;
    if (input->memory_bytes && memory < most)
        most = memory + 1;
    for (uint32_t u = 0; u < t->user_count; u++)
        events += end[u] - t->user_start[u];
    return (uint32_t)(events / most + 1);
}

static bool places_init(struct places *p, const struct od_train_input *input, const uint64_t *end)
{
    const struct od_training *t = input->training;
    uint32_t stride = stride_of(input, end);
    uint64_t counted = 0;
    *p = (struct places){.start = calloc((size_t)t->item_count + 2, sizeof *p->start),
                         .left = malloc(t->event_count + 1),
                         .right = malloc(t->event_count + 1)};
    if (!p->start || !p->left || !p->right)
        return false;
    for (uint32_t u = 0; u < t->user_count; u += stride)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++, counted++) {
            uint64_t before = e - t->user_start[u], after = end[u] - 1 - e;
            p->left[e] = before < REACH ? (uint8_t)before : REACH;
            p->right[e] = after < REACH ? (uint8_t)after : REACH;
            p->start[t->item[e] + 2]++;
        }
    p->event = malloc((counted + 1) * sizeof *p->event);
    if (!p->event)
        return false;
    for (size_t i = 2; i < (size_t)t->item_count + 2; i++)
        p->start[i] += p->start[i - 1];
    for (uint32_t u = 0; u < t->user_count; u += stride)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++)
            p->event[p->start[t->item[e] + 1]++] = e;
    return true;
}

static bool push(struct neighbours *n, uint32_t column, float value)
{
    uint64_t at = n->at[n->items];
    if (at == n->room) {
        n->room = n->room * 2 + 4096;
        uint32_t *columns = realloc(n->column, n->room * sizeof *columns);
        if (columns)
            n->column = columns;
        float *values = realloc(n->value, n->room * sizeof *values);
        if (values)
            n->value = values;
        if (!columns || !values)
            return false;
    }
    n->column[at] = column;
    n->value[at] = value;
    n->at[n->items]++;
    return true;
}

/* One item's row of counts, in the order its neighbours were met. sum: zeros before and after. */
static bool count_row(struct neighbours *n, const struct od_training *t, const struct places *p,
                      uint32_t item, float *sum, uint32_t *touched)
{
    uint32_t count = 0;
    n->at[item] = n->at[n->items];
    for (uint64_t i = p->start[item]; i < p->start[item + 1]; i++) {
        uint64_t e = p->event[i];
        for (uint64_t f = e - p->left[e]; f <= e + p->right[e]; f++) {
            uint32_t other = t->item[f];
            if (other == item)
                continue;
            if (sum[other] == 0)
                touched[count++] = other;
            sum[other] += 1 / (float)(f > e ? f - e : e - f);
        }
    }
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        good = good && push(n, touched[i], sum[touched[i]]);
        n->mass[item] += (double)sum[touched[i]];
        sum[touched[i]] = 0;
    }
    n->total += n->mass[item];
    return good;
}

static bool count_all(struct neighbours *n, const struct od_train_input *input, const uint64_t *end)
{
    const struct od_training *t = input->training;
    struct places p;
    size_t items = t->item_count;
    float *sum = calloc(items + 1, sizeof *sum);
    uint32_t *touched = malloc((items + 1) * sizeof *touched);
    *n = (struct neighbours){.items = t->item_count,
                             .at = calloc(items + 1, sizeof *n->at),
                             .mass = calloc(items + 1, sizeof *n->mass)};
    bool good = places_init(&p, input, end) && sum && touched && n->at && n->mass;
    for (uint32_t i = 0; good && i < t->item_count; i++)
        good = count_row(n, t, &p, i, sum, touched);
    places_done(&p);
    free(sum);
    free(touched);
    return good;
}

/* Counts become positive mutual information; what is not positive goes. */
static void inform(struct neighbours *n)
{
    uint64_t put = 0, from = 0;
    for (uint32_t i = 0; i < n->items; i++) {
        uint64_t to = n->at[i + 1];
        n->at[i] = put;
        for (; from < to; from++) {
            double expected = n->mass[i] * n->mass[n->column[from]] / n->total;
            double information = log((double)n->value[from] / expected);
            if (information <= 0)
                continue;
            n->column[put] = n->column[from];
            n->value[put++] = (float)information;
        }
    }
    n->at[n->items] = put;
}

static void take(struct od_seq_items *items, const struct od_svd *svd, uint32_t rank)
{
    double square = 0;
    uint32_t found = 0;
    size_t width = items->width;
    for (int pass = 0; pass < 2; pass++) {
        double scale = pass && found ? sqrt(found / square) : 1;
        for (uint32_t i = 0; i < items->count; i++) {
            const float *row = svd->left.at + (size_t)i * svd->left.ld;
            double length = 0;
            for (uint32_t k = 0; k < rank; k++)
                length += (double)row[k] * (double)row[k] * (double)svd->sigma[k];
            if (!(length > 0))
                continue;
            square += pass ? 0 : length;
            found += !pass;
            for (uint32_t k = 0; pass && k < rank; k++)
                items->table.value[i * width + k] =
                    (float)(scale * sqrt((double)svd->sigma[k]) * (double)row[k]);
        }
    }
}

enum od_status od_seq_items_start(struct od_seq_items *items, const struct od_train_input *input,
                                  const uint64_t *end, struct od_error *err)
{
    struct neighbours n;
    struct od_svd svd = {0};
    struct od_work work = {.threads = input->threads};
    uint32_t rank = items->width - items->plan->bias;
    rank = rank < OD_SVD_MOST ? rank : OD_SVD_MOST;
    rank = rank < items->count ? rank : items->count;
    enum od_status st = count_all(&n, input, end) ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK && rank && n.total > 0) {
        inform(&n);
        struct od_sparse a = {n.items, n.items, n.at, n.column, n.value};
        st = od_svd_sparse(&a, rank, input->seed, &work, &svd, err);
        if (st == OD_OK)
            take(items, &svd, svd.rank < rank ? svd.rank : rank);
        od_svd_done(&svd);
    }
    neighbours_done(&n);
    return st;
}
