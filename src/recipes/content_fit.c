/* The sums and the map of content.h.
 *
 * Where every event weighs the same and histories are heard as they are, h_t = d h_(t-1) + x_t, so
 *     sum of h_t h_t' (1 - d^2) = d sum of (h_(t-1) x_t' + x_t h_(t-1)') + sum of x_t x_t'
 *                                 + d^2 (h h' before the first t - h h' of the last)
 * and H'H follows from C, whose steps add the features of one item to those of a history: a tenth
 * of the pairs of features that a history has with itself, which are added only at the ends.
 * Otherwise a history is summed anew at each event from the few items that are still heard, and
 * each pair of its features is added once, to whichever side of the diagonal comes; both sides are
 * put together at the end.
 *
 * Events are cut into parts that do not depend on the threads, each with sums of its own, added in
 * order. Where there are more events than work allows, every so many are taken, or pieces of
 * histories: S has a million numbers at most, which a few million events tell. */
#include "recipes/content.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "math/ridge.h"
#include "os/parallel.h"

enum { PARTS = 4, PROBES = 4096, SQUARE = 64, STRIP = 64 };
enum { LEAST_PIECE = 16, MOST_PIECE = 512 }; /* steps taken together, where not all are */
enum { PAIRS_EASE = 6 }; /* so much work is as long where pairs are added at each step */
#define GONE 1e-8        /* less than this of a feature has left a history */

/* --- a history --- */

struct past {
    double *sum;     /* [columns] 0 where not touched */
    uint32_t *touch; /* [columns] */
    uint32_t count;
};

static bool past_init(struct past *p, uint32_t columns)
{
    *p = (struct past){.sum = calloc((size_t)columns + 1, sizeof *p->sum),
                       .touch = malloc(((size_t)columns + 1) * sizeof *p->touch)};
    return p->sum && p->touch;
}

static void past_done(struct past *p)
{
    free(p->sum);
    free(p->touch);
}

static void past_clear(struct past *p)
{
    for (uint32_t k = 0; k < p->count; k++)
        p->sum[p->touch[k]] = 0;
    p->count = 0;
}

static void past_to_unit(struct past *p)
{
    double square = 0;
    for (uint32_t k = 0; k < p->count; k++)
        square += p->sum[p->touch[k]] * p->sum[p->touch[k]];
    for (uint32_t k = 0; k < p->count; k++)
        p->sum[p->touch[k]] /= sqrt(square);
}

static void past_hear(struct past *p, const struct od_content_rows *rows, uint32_t item,
                      double weight)
{
    for (uint64_t k = rows->at[item]; k < rows->at[item + 1]; k++) {
        uint32_t c = rows->column[k];
        if (!(p->sum[c] > 0))
            p->touch[p->count++] = c;
        p->sum[c] += weight * (double)rows->value[k];
    }
}

/* The events [start, end) of one user, back to those of so little weight. */
static void past_fill(struct past *p, const struct od_content_rows *rows, const uint32_t *item,
                      uint64_t start, uint64_t end, const struct od_content_steps *steps,
                      double least)
{
    double weight = 1;
    past_clear(p);
    for (uint64_t e = end; e-- > start && weight >= least; weight *= (double)steps->decay)
        past_hear(p, rows, item[e], weight);
    if (steps->unit && p->count)
        past_to_unit(p);
}

/* One event on. */
static void past_go(struct past *p, const struct od_content_rows *rows, uint32_t item, double decay)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < p->count; k++) {
        double *sum = &p->sum[p->touch[k]];
        *sum = *sum * decay < GONE ? 0 : *sum * decay;
        p->touch[left] = p->touch[k];
        left += *sum > 0;
    }
    p->count = left;
    past_hear(p, rows, item, 1);
}

/* --- sums --- */

struct summing {
    const struct od_content_rows *rows;
    const struct od_training *training;
    const uint64_t *end;
    const struct od_content_steps *steps;
    double weight;   /* of every event; 0: they differ, or steps do not follow each other */
    uint64_t stride; /* of the steps, or pieces, that are heard */
    uint64_t piece;  /* steps */
    double *past[PARTS], *step[PARTS]; /* one is inverted: rounding of millions of additions would
                                          exceed the ridge */
};

/* The weight of all usable events, 0 where they differ. */
static double one_weight(const struct summing *s)
{
    const struct od_training *t = s->training;
    float one = -1;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < s->end[u]; e++) {
            float weight = od_training_weight(t, e);
            if (one < 0)
                one = weight;
            if (!(weight > 0) || fabsf(weight - one) > 0)
                return 0;
        }
    return one > 0 ? (double)one : 0;
}

/* By chance, so that histories of one length have no place that is never taken. */
static bool is_taken(const struct summing *s, uint64_t e)
{
    return s->stride == 1 || od_hash_mix(e, 0x7461) % s->stride == 0;
}

/* Whether event e, not a user's first, ends a step that counts. */
static bool ends_step(const struct summing *s, uint64_t e)
{
    const int64_t least = s->steps->least_pause_s;
    return !least || od_training_pause(s->training, e) >= least;
}

static void add_pairs(const struct past *p, double weight, double *to, size_t columns)
{
    for (uint32_t a = 0; a < p->count; a++) {
        double *row = to + p->touch[a] * columns;
        double x = weight * p->sum[p->touch[a]];
        for (uint32_t b = 0; b <= a; b++)
            row[p->touch[b]] += x * p->sum[p->touch[b]];
    }
}

static void add_step(const struct summing *s, const struct past *p, uint32_t next, double weight,
                     double *to)
{
    const struct od_content_rows *rows = s->rows;
    for (uint64_t k = rows->at[next]; k < rows->at[next + 1]; k++) {
        double *row = to + (size_t)rows->column[k] * rows->columns;
        double x = weight * (double)rows->value[k];
        for (uint32_t a = 0; a < p->count; a++)
            row[p->touch[a]] += x * p->sum[p->touch[a]];
    }
}

/* x x', each pair once. */
static void add_own(const struct od_content_rows *rows, uint32_t item, double *to)
{
    for (uint64_t a = rows->at[item]; a < rows->at[item + 1]; a++)
        for (uint64_t b = rows->at[item]; b <= a; b++)
            to[(size_t)rows->column[a] * rows->columns + rows->column[b]] +=
                (double)rows->value[a] * (double)rows->value[b];
}

/* weight (h x' + x h'), as put_together expects it: the diagonal is counted once. */
static void add_cross(const struct summing *s, const struct past *p, uint32_t item, double weight,
                      double *to)
{
    const struct od_content_rows *rows = s->rows;
    add_step(s, p, item, weight, to);
    for (uint64_t k = rows->at[item]; k < rows->at[item + 1]; k++) {
        uint32_t c = rows->column[k];
        to[(size_t)c * rows->columns + c] += weight * (double)rows->value[k] * p->sum[c];
    }
}

/* The steps to events (from, to] of a user: C, and of H'H what does not follow from it. */
static void add_piece(const struct summing *s, size_t index, struct past *p, uint64_t start,
                      uint64_t from, uint64_t to)
{
    const uint32_t *item = s->training->item;
    double d = (double)s->steps->decay, *past = s->past[index];
    past_fill(p, s->rows, item, start, from, s->steps, GONE);
    add_pairs(p, d * d, past, s->rows->columns);
    add_cross(s, p, item[from], d, past);
    for (uint64_t e = from + 1; e <= to; e++) {
        past_go(p, s->rows, item[e - 1], d);
        add_own(s->rows, item[e - 1], past);
        add_step(s, p, item[e], 1, s->step[index]);
    }
    add_pairs(p, -d * d, past, s->rows->columns);
    add_cross(s, p, item[to], -d, past);
}

static void add_pieces(const struct summing *s, size_t index, struct past *p, uint64_t start,
                       uint64_t end)
{
    uint64_t length = s->stride == 1 ? end - start : s->piece;
    for (uint64_t from = start; from + 1 < end; from += length)
        if (is_taken(s, from))
            add_piece(s, index, p, start, from, end - 1 - from < length ? end - 1 : from + length);
}

static void add_steps(const struct summing *s, size_t index, struct past *p, uint64_t start,
                      uint64_t end)
{
    const struct od_training *t = s->training;
    for (uint64_t e = start + 1; e < end; e++) {
        double weight = (double)od_training_weight(t, e);
        if (!is_taken(s, e) || !(weight > 0) || !ends_step(s, e))
            continue;
        past_fill(p, s->rows, t->item, start, e, s->steps, (double)OD_CONTENT_FAINT);
        add_pairs(p, weight, s->past[index], s->rows->columns);
        add_step(s, p, t->item[e], weight, s->step[index]);
    }
}

static uint64_t square_bytes(const struct summing *s)
{
    return (uint64_t)s->rows->columns * s->rows->columns * sizeof(double);
}

static enum od_status sum_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct summing *s = context;
    const struct od_training *t = s->training;
    struct past past;
    s->past[index] = od_pages_new(square_bytes(s));
    s->step[index] = od_pages_new(square_bytes(s));
    bool good = past_init(&past, s->rows->columns) && s->past[index] && s->step[index];
    uint32_t first = (uint32_t)((uint64_t)t->user_count * index / PARTS);
    uint32_t last = (uint32_t)((uint64_t)t->user_count * (index + 1) / PARTS);
    for (uint32_t u = first; u < last && good; u++)
        (s->weight > 0 ? add_pieces : add_steps)(s, index, &past, t->user_start[u], s->end[u]);
    past_done(&past);
    return good ? OD_OK : OD_NO_MEMORY;
}

/* Features of an event, in the mean. */
static double features_of(const struct summing *s)
{
    const struct od_training *t = s->training;
    double features = 0, events = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < s->end[u]; e++, events++)
            features += (double)(s->rows->at[t->item[e] + 1] - s->rows->at[t->item[e]]);
    return events > 0 ? features / events : 0;
}

/* What a step takes of histories that it leaves: features of one, and pairs of them, in the mean.
 * *out_heard: how many steps there are. */
static enum od_status probe(const struct summing *s, double *out_count, double *out_pairs,
                            double *out_heard)
{
    const struct od_training *t = s->training;
    struct past past;
    double count = 0, pairs = 0, heard = 0, probes = 0;
    double least = s->weight > 0 ? GONE : (double)OD_CONTENT_FAINT;
    uint32_t step = t->user_count / PROBES + 1;
    if (!past_init(&past, s->rows->columns)) {
        past_done(&past);
        return OD_NO_MEMORY;
    }
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t start = t->user_start[u], n = s->end[u] - start;
        double steps = 0;
        for (uint64_t e = start + 1; e < s->end[u]; e++)
            steps += ends_step(s, e);
        heard += steps;
        if (u % step != 0 || n < 2)
            continue;
        /* half of the events lie behind it, and it is a typical one */
        past_fill(&past, s->rows, t->item, start, start + (n + 1) / 2, s->steps, least);
        count += past.count * steps;
        pairs += .5 * past.count * past.count * steps;
        probes += steps;
    }
    past_done(&past);
    *out_count = probes > 0 ? count / probes : 0;
    *out_pairs = probes > 0 ? pairs / probes : 0;
    *out_heard = heard;
    return OD_OK;
}

/* Every so many steps or pieces that the additions stay within work. Pieces are as long as makes
 * their ends, pairs at either, a half of what their steps take: longer ones would be few. */
static enum od_status choose_stride(struct summing *s)
{
    double count, pairs, heard, work = s->steps->work, features = features_of(s);
    enum od_status st = probe(s, &count, &pairs, &heard);
    if (st != OD_OK)
        return st;
    double piece = features > 0 ? 2 * count / features : MOST_PIECE;
    s->piece = piece < LEAST_PIECE  ? LEAST_PIECE
               : piece > MOST_PIECE ? MOST_PIECE
                                    : (uint64_t)piece;
    double all = heard * (s->weight > 0 ? count * (features + 1) : pairs / PAIRS_EASE);
    double ends = s->weight > 0 ? heard / (double)s->piece * 2 * pairs : 0;
    s->stride = all > work ? (uint64_t)ceil((all + ends) / work) : 1;
    return OD_OK;
}

struct gathering {
    const struct summing *summing;
    struct od_content_sums *out;
};

static enum od_status add_parts(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct summing *s = ((struct gathering *)context)->summing;
    size_t n = s->rows->columns, from = index * SQUARE * n;
    size_t to = from + SQUARE * n < n * n ? from + SQUARE * n : n * n;
    for (size_t p = 1; p < PARTS; p++)
        for (size_t i = from; i < to; i++) {
            s->past[0][i] += s->past[p][i];
            s->step[0][i] += s->step[p][i];
        }
    return OD_OK;
}

/* H'H: x + x', but for its diagonal, which is counted once, and what follows from C (above); by
 * squares that stay in the cache. C: as it is. */
static enum od_status put_together(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct gathering *g = context;
    const struct summing *s = g->summing;
    const double *x = s->past[0], *step = s->step[0], d = (double)s->steps->decay;
    double weight = s->weight > 0 ? s->weight : 1;
    double of_step = s->weight > 0 ? s->weight * d / (1 - d * d) : 0;
    double of_past = s->weight > 0 ? s->weight / (1 - d * d) : 1;
    size_t n = s->rows->columns, top = index * SQUARE;
    for (size_t left = 0; left < n; left += SQUARE)
        for (size_t r = top; r < top + SQUARE && r < n; r++)
            for (size_t c = left; c < left + SQUARE && c < n; c++) {
                double both = x[r * n + c] + (r == c ? 0 : x[c * n + r]);
                double steps = step[r * n + c] + step[c * n + r];
                g->out->past.at[r * g->out->past.ld + c] =
                    (float)(of_past * both + of_step * steps);
                g->out->step.at[r * g->out->step.ld + c] = (float)(weight * step[r * n + c]);
            }
    return OD_OK;
}

static enum od_status gather(const struct summing *s, unsigned threads, struct od_content_sums *out)
{
    struct gathering g = {s, out};
    size_t bands = (s->rows->columns + SQUARE - 1) / SQUARE;
    enum od_status st = od_parallel(threads, bands, add_parts, &g);
    return st == OD_OK ? od_parallel(threads, bands, put_together, &g) : st;
}

enum od_status od_content_sums_init(struct od_content_sums *out, const struct od_content_rows *rows,
                                    const struct od_training *training, const uint64_t *end,
                                    const struct od_content_steps *steps, unsigned threads)
{
    struct summing s = {.rows = rows, .training = training, .end = end, .steps = steps};
    size_t n = rows->columns;
    s.weight = steps->unit || steps->least_pause_s ? 0 : one_weight(&s);
    *out = (struct od_content_sums){od_matrix_new(n, n), od_matrix_new(n, n)};
    enum od_status st = out->past.at && out->step.at ? choose_stride(&s) : OD_NO_MEMORY;
    if (st == OD_OK)
        st = od_parallel(threads, PARTS, sum_part, &s);
    if (st == OD_OK)
        st = gather(&s, threads, out);
    if (st != OD_OK)
        od_content_sums_done(out);
    for (size_t p = 0; p < PARTS; p++) {
        od_pages_free(s.past[p], square_bytes(&s));
        od_pages_free(s.step[p], square_bytes(&s));
    }
    return st;
}

void od_content_sums_done(struct od_content_sums *sums)
{
    od_matrix_free(&sums->past);
    od_matrix_free(&sums->step);
}

/* --- the map --- */

/* d[items] */
static enum od_status shares(const struct od_training *t, const uint64_t *end, float power,
                             float **out)
{
    float *d = calloc((size_t)t->item_count + 1, sizeof *d);
    uint32_t *seen = calloc((size_t)t->item_count + 1, sizeof *seen);
    double sum = 0;
    *out = d;
    if (!d || !seen) {
        free(seen);
        return OD_NO_MEMORY;
    }
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++)
            seen[t->item[e]]++;
    for (uint32_t i = 0; i < t->item_count; i++) {
        d[i] = powf((float)seen[i] + 1, power);
        sum += (double)d[i];
    }
    free(seen);
    for (uint32_t i = 0; i < t->item_count; i++)
        d[i] *= (float)(t->item_count / sum);
    return OD_OK;
}

enum od_status od_content_spread(const struct od_content_rows *rows,
                                 const struct od_training *training, const uint64_t *end,
                                 float power, struct od_matrix *out)
{
    size_t n = rows->columns;
    double *sum = od_pages_new((uint64_t)n * n * sizeof *sum);
    float *d = NULL;
    *out = od_matrix_new(n, n);
    enum od_status st = out->at && sum ? shares(training, end, power, &d) : OD_NO_MEMORY;
    for (uint32_t i = 0; i < rows->items && st == OD_OK; i++)
        for (uint64_t a = rows->at[i]; a < rows->at[i + 1]; a++)
            for (uint64_t b = rows->at[i]; b < rows->at[i + 1]; b++)
                sum[rows->column[a] * n + rows->column[b]] +=
                    (double)(d[i] * rows->value[a] * rows->value[b]);
    for (size_t r = 0; r < n && st == OD_OK; r++)
        for (size_t c = 0; c < n; c++)
            out->at[r * out->ld + c] = (float)sum[r * n + c];
    free(d);
    od_pages_free(sum, (uint64_t)n * n * sizeof *sum);
    if (st != OD_OK)
        od_matrix_free(out);
    return st;
}

/* b := b A^-1, rows being right-hand sides; A symmetric, upper triangle, used up. */
static enum od_status solve(struct od_matrix *a, float ridge, struct od_matrix *b,
                            const struct od_work *work, struct od_error *err)
{
    size_t n = a->rows;
    float *ridges = malloc((n + 1) * sizeof *ridges), scale;
    struct od_matrix turned = od_matrix_new(b->columns, b->rows);
    enum od_status st = ridges && turned.at ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < n && st == OD_OK; i++)
        ridges[i] = ridge;
    for (size_t r = 0; r < b->rows && st == OD_OK; r++)
        for (size_t c = 0; c < b->columns; c++)
            turned.at[c * turned.ld + r] = b->at[r * b->ld + c];
    if (st == OD_OK)
        st = od_ridge_factor(a, ridges, work, &scale, err);
    if (st == OD_OK && od_cholesky_solve(a, &turned, work) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t r = 0; r < b->rows && st == OD_OK; r++)
        for (size_t c = 0; c < b->columns; c++)
            b->at[r * b->ld + c] = turned.at[c * turned.ld + r];
    free(ridges);
    od_matrix_free(&turned);
    return st;
}

/* a = tr C / tr H'H D */
static float same_of(const struct od_content_sums *sums, const struct od_matrix *spread)
{
    double goes = 0, would = 0;
    for (size_t r = 0; r < spread->rows; r++) {
        goes += (double)sums->step.at[r * sums->step.ld + r];
        for (size_t c = 0; c < spread->rows; c++)
            would += (double)sums->past.at[r * sums->past.ld + c] *
                     (double)spread->at[r * spread->ld + c];
    }
    return would > 0 ? (float)(goes / would) : 0;
}

struct taking {
    struct od_content_sums *sums;
    const struct od_matrix *spread;
    float same;
};

/* Both factors are symmetric: (H'H D)' = D H'H. */
static enum od_status take_strip(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct taking *t = context;
    const struct od_matrix *d = t->spread, *past = &t->sums->past;
    size_t n = d->rows, first = index * STRIP, rows = n - first < STRIP ? n - first : STRIP;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)n, (int)n, -t->same,
                d->at + first * d->ld, (int)d->ld, past->at, (int)past->ld, 1,
                t->sums->step.at + first * t->sums->step.ld, (int)t->sums->step.ld);
    return OD_OK;
}

enum od_status od_content_regress(struct od_content_sums *sums, const struct od_matrix *spread,
                                  float past, const struct od_work *work, float *out_same,
                                  struct od_error *err)
{
    size_t n = spread->rows;
    *out_same = same_of(sums, spread);
    struct taking taking = {sums, spread, *out_same};
    enum od_status st = od_parallel(work->threads, (n + STRIP - 1) / STRIP, take_strip, &taking);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    return solve(&sums->past, past, &sums->step, work, err);
}

static struct od_matrix copy_of(const struct od_matrix *from, bool turned)
{
    struct od_matrix m = od_matrix_new(from->rows, from->columns);
    for (size_t r = 0; r < from->rows && m.at; r++)
        for (size_t c = 0; c < from->columns; c++)
            m.at[turned ? c * m.ld + r : r * m.ld + c] = from->at[r * from->ld + c];
    return m;
}

enum od_status od_content_map(float same, const struct od_matrix *regressed,
                              const struct od_matrix *spread, float next,
                              const struct od_work *work, float *out, struct od_error *err)
{
    struct od_matrix a = copy_of(spread, false), b = copy_of(regressed, true);
    size_t n = spread->rows;
    enum od_status st = a.at && b.at ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = solve(&a, next, &b, work, err);
    for (size_t r = 0; r < n && st == OD_OK; r++) {
        memcpy(out + r * n, b.at + r * b.ld, n * sizeof *out);
        out[r * n + r] += same;
    }
    od_matrix_free(&a);
    od_matrix_free(&b);
    return st;
}
