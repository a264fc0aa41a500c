/* A scan over 8-bit numbers whose answer is that of the floats.
 *
 * With u the query and v an item (halves, exact in float), let u = b p + e and v = c + w, w = a q +
 * r, where p and q are whole numbers, a and b positive, c the same for all items, a for the 64 of a
 * word, and e and r what rounding lost. Then
 *
 *     u . v - u . c - a b (p . q) = u . w - b p . a q = b p . (w - a q) + e . w,  so
 *     |u . v - (u . c + a b (p . q))| <= |b p| |r| + |e| |w|                 (Cauchy, Schwarz)
 *
 * p . q is exact in 32 bits. The score s is a sum of floats, m = width / 16 + 5 roundings deep;
 * with eps = 2^-24 and no overflow
 *
 *     |s - u . v| <= g(m) |u| |v|,  g(m) = m eps / (1 - m eps),  |v| <= |c| + |w|
 *
 * (Higham, Accuracy and Stability, section 3.1); products below the smallest float lose less than
 * 2^-149 each, 2^-130 is more than all of them. The rest is done in double, whose roundings, 2^-53
 * of |u| |c| and of |b p| (|w| + |r|) a few thousand times, are far less than one eps of |u| |v|.
 * So with shift = u . c, |s - (shift + a b (p . q))| <= err,
 *
 *     err = R |r| + N |w| + T,
 *     R = |b p|,  N = |e| + (m + 1) eps |u|,  T = (m + 1) eps |u| |c| + 2^-130,
 *
 * each raised by far more than double loses of them. err is a word's: r and w are the largest of
 * its 64 items (scan_matrix.c), measured there on the very halves. Below, "approximation" is shift
 * + a b (p . q).
 *
 * Then no item of the answer is lost: let L be the least of the float scores of some k items.
 * Whoever is among the best k has score >= L, and so approximation + err >= L. Only such items are
 * kept, and L only grows: each time the list of them is full, the k that promise most are scored.
 * In the end the float scores of those kept are computed, and od_topk picks among them by score and
 * index: they hold all of the best k, in order of index, so its answer is that of the whole array.
 * L is never taken from an item that is not finite, which cannot be in the answer.
 *
 * Whether an item may reach L is asked in whole numbers: p . q >= (L - shift - err) / (a b),
 * rounded down by more than floats lose of it.
 *
 * Where nothing is known (a query beyond 1e30 or not finite, an item that is not), err is INFINITY:
 * every such item is kept, and the answer is right, only slower. Where that does not empty a full
 * list, because it holds little else or items of nearly one score, all of it is scored, the best k
 * stay, and the k-th of those is an L as good as any (items to come that equal it have a higher
 * index, and lose). Time is then that of scoring in floats, memory is bounded.
 *
 * The pass: a few words of 64 items at a time, which stay in the second-level cache; for each
 * query, or two at once, the kernel marks the items there that may reach L, and they are taken. L
 * settles after a few thousand items, so some k ln(n / k) are. Words without candidates are passed
 * over unread. Memory is read once for all queries; each has its own L, so each does just what it
 * would do alone. */
#include "math/scan.h"

#include <math.h>
#include <string.h>

#include "math/scan_kernels.h"
#include "math/topk.h"

#define STRETCH (128u << 10) /* bytes of cells: a quarter of the smallest L2 in use */
#define SPARE   256          /* list places beyond twice k */
#define WILD    1e30         /* |u| times the longest vector of halves, 4.2e6, is then a float */
#define UP      (1 + 1e-9)   /* more than double loses in 4,096 sums */

struct kept {
    double upper;  /* no less than the score */
    uint32_t item; /* its place in the matrix */
    float score;   /* NAN: not computed; -INFINITY: it is none */
};

/* err of a word: R, N and T. */
struct weights {
    double residual, spread, rest;
};

/* One query under way. */
struct seeker {
    struct od_scan_ready ready;
    struct weights weights;
    double shift;      /* u . c */
    double scale;      /* b */
    float *u;          /* [width], zeros past dims */
    struct kept *list; /* by item */
    size_t k, listed, room;
    double limit; /* L */
};

/* What settling needs, for one query at a time. */
struct desk {
    float *scores;
    uint64_t *scratch;
    uint32_t *best;
};

const struct od_scan_kernels *od_scan_kernels_best(void)
{
    const struct od_scan_kernels *k = od_scan_kernels_avx512();
    k = k ? k : od_scan_kernels_avx2();
    k = k ? k : od_scan_kernels_neon_dot();
    k = k ? k : od_scan_kernels_neon();
    return k ? k : &od_scan_kernels_reference;
}

static void pad(const struct od_scan_matrix *m, const float *vector, float *u)
{
    memset(u, 0, od_scan_width(m->dims) * sizeof *u);
    if (m->dims)
        memcpy(u, vector, m->dims * sizeof *u);
}

void od_scan_scores(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                    const float *vector, float *s)
{
    float u[OD_SCAN_DIMS];
    pad(m, vector, u);
    kernels->scores(m->rows, m->items, od_scan_width(m->dims), u, s);
}

/* --- a query made ready --- */

/* p, b and the weights of the error; the head has the formulas. */
static void make_ready(const struct od_scan_matrix *m, struct seeker *s)
{
    struct od_scan_ready *out = &s->ready;
    struct weights *err = &s->weights;
    const float *u = s->u;
    float most = 0;
    double whole = 0, lost = 0, said = 0, center = 0;
    int32_t sum = 0;
    for (uint32_t d = 0; d < m->dims; d++) {
        most = fabsf(u[d]) > most ? fabsf(u[d]) : most;
        whole += (double)u[d] * u[d];
        center += (double)m->center[d] * m->center[d];
        s->shift += (double)u[d] * m->center[d];
    }
    if (!(sqrt(whole) <= WILD)) {
        s->shift = 0;
        err->rest = INFINITY;
        return;
    }
    float b = most / OD_SCAN_MOST;
    for (uint32_t d = 0; d < m->dims; d++) {
        double p = b > 0 ? rint((double)u[d] / (double)b) : 0;
        p = p > OD_SCAN_MOST ? OD_SCAN_MOST : p < -OD_SCAN_MOST ? -OD_SCAN_MOST : p;
        double e = (double)u[d] - (double)b * p;
        lost += e * e;
        said += p * p;
        sum += (int32_t)p;
        out->numbers[d] = (int8_t)p;
    }
    double roundings = (double)od_scan_width(m->dims) / OD_SCAN_LANES + 5 + 1;
    double floats = roundings * 0x1p-24 * (1 + 0x1p-10) * sqrt(whole) * UP;
    out->zero = OD_SCAN_ZERO * sum;
    s->scale = (double)b;
    err->residual = (double)b * sqrt(said) * UP;
    err->spread = (sqrt(lost) + floats) * UP;
    err->rest = floats * sqrt(center) * UP + 0x1p-130;
}

static bool open_seeker(const struct od_scan_matrix *m, const struct od_scan_query *query,
                        struct od_arena *scratch, struct seeker *out)
{
    out->k = query->k < m->items ? query->k : m->items;
    out->room = 2 * out->k + SPARE;
    out->limit = -INFINITY;
    out->ready.numbers = OD_NEW_ARRAY(scratch, int8_t, od_scan_quads(m->dims) * OD_SCAN_QUAD);
    out->u = OD_NEW_ARRAY(scratch, float, od_scan_width(m->dims));
    out->list = OD_NEW_ARRAY(scratch, struct kept, out->room);
    if (!out->ready.numbers || !out->u || !out->list)
        return false;
    pad(m, query->vector, out->u);
    make_ready(m, out);
    return true;
}

static double error_of(const struct weights *by, const struct od_scan_bound *bound)
{
    return by->residual * (double)bound->residual + by->spread * (double)bound->spread + by->rest;
}

/* For each of some words the least p . q that may reach the limit, under one bound for all. */
static void least_of(const struct seeker *s, const struct od_scan_bound *bound, const float *steps,
                     size_t count, int32_t *out)
{
    const float most = 0x1p30f; /* more than any p . q, less than nothing */
    float x = (float)((s->limit - s->shift - error_of(&s->weights, bound)) / s->scale);
    for (size_t w = 0; w < count; w++) {
        float least = x * steps[w];
        least -= fabsf(least) * 0x1p-20f;      /* three roundings of 2^-24 */
        least = least > -most ? least : -most; /* so is what is no number: nothing is known */
        least = least < most ? least : most;
        out[w] = (int32_t)least - 1; /* rounded to zero */
    }
}

/* --- the list --- */

static const uint16_t *row_of(const struct od_scan_matrix *m, uint32_t place)
{
    return m->rows + (m->item ? m->item[place] : place) * od_scan_width(m->dims);
}

static void drop_beaten(struct seeker *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->listed; i++)
        if (!(s->list[i].upper < s->limit))
            s->list[left++] = s->list[i];
    s->listed = left;
}

static void fetch_row(const struct od_scan_matrix *m, const struct kept *kept)
{
    const uint16_t *row = row_of(m, kept->item);
    for (size_t at = 0; isnan(kept->score) && at < od_scan_width(m->dims); at += 32)
        __builtin_prefetch(row + at);
}

static float score_of(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                      const struct seeker *s, struct kept *kept)
{
    if (!isnan(kept->score))
        return kept->score;
    kernels->scores(row_of(m, kept->item), 1, od_scan_width(m->dims), s->u, &kept->score);
    kept->score = isnan(kept->score) ? -INFINITY : kept->score;
    kept->upper = (double)kept->score;
    return kept->score;
}

/* The places in the list of the k highest desk->scores, best first, into desk->best; how many. */
static size_t best_of(const struct seeker *s, const struct desk *desk)
{
    return od_topk(od_kernels_best(), desk->scores, s->listed, NULL, s->k, desk->scratch,
                   desk->best);
}

/* The places in the list of the best k by float scores, best first; desk->scores are filled. */
static size_t rank_list(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                        struct seeker *s, const struct desk *desk)
{
    for (size_t i = 0; i < s->listed; i++)
        fetch_row(m, &s->list[i]);
    for (size_t i = 0; i < s->listed; i++)
        desk->scores[i] = score_of(kernels, m, s, &s->list[i]);
    return best_of(s, desk);
}

/* A limit from the k that promise most. */
static void tighten(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                    struct seeker *s, const struct desk *desk)
{
    double least = INFINITY;
    if (s->listed <= s->k)
        return;
    for (size_t i = 0; i < s->listed; i++)
        desk->scores[i] = (float)s->list[i].upper;
    size_t found = best_of(s, desk);
    for (size_t i = 0; i < found; i++)
        fetch_row(m, &s->list[desk->best[i]]);
    for (size_t i = 0; i < found; i++)
        least = fmin(least, (double)score_of(kernels, m, s, &s->list[desk->best[i]]));
    if (found == s->k && least > s->limit)
        s->limit = least;
    drop_beaten(s);
}

/* The list is full: those that are beaten go; if these are few, all but the best k. */
static void settle(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                   struct seeker *s, const struct desk *desk)
{
    tighten(kernels, m, s, desk);
    if (s->listed < s->room - SPARE / 2)
        return;
    size_t found = rank_list(kernels, m, s, desk), left = 0;
    if (found == s->k && (double)desk->scores[desk->best[found - 1]] > s->limit)
        s->limit = (double)desk->scores[desk->best[found - 1]];
    for (size_t i = 0; i < found; i++)
        s->list[desk->best[i]].upper = NAN; /* a mark */
    for (size_t i = 0; i < s->listed; i++)
        if (isnan(s->list[i].upper))
            s->list[left++] = s->list[i];
    s->listed = left;
    for (size_t i = 0; i < left; i++)
        s->list[i].upper = (double)s->list[i].score;
}

/* The items of a word that the kernel marked. */
static void take(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                 struct seeker *s, const struct desk *desk, size_t word, uint64_t mask,
                 const int32_t *dots)
{
    double err = error_of(&s->weights, &m->bounds[word]);
    double unit = s->scale / (double)m->steps[word];
    for (; mask; mask &= mask - 1) {
        size_t j = (size_t)__builtin_ctzll(mask), i = word * OD_SCAN_BLOCK + j;
        double upper = s->shift + (double)dots[j] * unit + err;
        if (upper < s->limit)
            continue;
        if (s->listed == s->room)
            settle(kernels, m, s, desk);
        s->list[s->listed++] = (struct kept){isnan(upper) ? INFINITY : upper, (uint32_t)i, NAN};
    }
}

/* --- the pass --- */

/* Words looked at together, with one limit and one bound: one at first, when no limit is known. */
static size_t few_of(const struct od_scan_matrix *m, size_t word)
{
    size_t few = STRETCH / (OD_SCAN_BLOCK * od_scan_quads(m->dims) * OD_SCAN_QUAD + 1);
    few = few < OD_SCAN_FEW ? few : OD_SCAN_FEW;
    few = word < few ? word : few;
    few = few ? few : 1;
    size_t left = od_scan_words(m->items) - word;
    return left < few ? left : few;
}

/* The bound of all of them: nearly as tight as each word's. */
static struct od_scan_bound bound_of(const struct od_scan_matrix *m, size_t from, size_t end)
{
    struct od_scan_bound most = m->bounds[from];
    for (size_t w = from + 1; w < end; w++) {
        const struct od_scan_bound *bound = &m->bounds[w];
        most.residual = bound->residual > most.residual ? bound->residual : most.residual;
        most.spread = bound->spread > most.spread ? bound->spread : most.spread;
    }
    return most;
}

void od_scan_fetch(const struct od_scan_next *next, size_t slot)
{
    for (size_t at = 0; at < next->each; at += 64)
        __builtin_prefetch(next->cells + slot * next->each + at, 0, 2);
}

static void take_marked(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                        struct seeker *s, const struct desk *desk, size_t from, size_t end,
                        const struct od_scan_look *look)
{
    for (size_t w = from; w < end && s->k; w++) {
        uint64_t mask = look->mask[w - from];
        size_t left = m->items - w * OD_SCAN_BLOCK;
        if (left < OD_SCAN_BLOCK) /* what fills up the last word is nobody */
            mask &= (1ULL << left) - 1;
        if (mask)
            take(kernels, m, s, desk, w, mask, look->dots[w - from]);
    }
}

/* What a look at some words may bring nearer meanwhile: its share, one of `pairs`, of those after
 * them. A single look reads faster than it could. */
static struct od_scan_next next_of(const struct od_scan_matrix *m, size_t from, size_t end,
                                   size_t share, size_t pairs)
{
    size_t word = OD_SCAN_BLOCK * od_scan_quads(m->dims) * OD_SCAN_QUAD;
    size_t each = word / (pairs ? pairs : 1), left = od_scan_words(m->items) - end;
    if (pairs < 2 || left < end - from)
        return (struct od_scan_next){NULL, 0};
    return (struct od_scan_next){m->cells + end * word + share * (end - from) * each, each};
}

static void pass(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                 const struct od_scan_query *queries, struct seeker *seekers, size_t count,
                 const struct desk *desk)
{
    struct od_scan_look looks[OD_SCAN_PAIR];
    size_t pairs = (count + OD_SCAN_PAIR - 1) / OD_SCAN_PAIR;
    for (size_t from = 0, end; from < od_scan_words(m->items); from = end) {
        end = from + few_of(m, from);
        struct od_scan_bound bound = bound_of(m, from, end);
        for (size_t q = 0, some; q < count; q += some) {
            some = count - q < OD_SCAN_PAIR ? count - q : OD_SCAN_PAIR;
            for (size_t n = 0; n < some; n++) {
                looks[n].query = &seekers[q + n].ready;
                looks[n].keep = queries[q + n].keep;
                least_of(&seekers[q + n], &bound, m->steps + from, end - from, looks[n].least);
            }
            struct od_scan_next next = next_of(m, from, end, q / OD_SCAN_PAIR, pairs);
            kernels->look(m, from, end, looks, some, &next);
            for (size_t n = 0; n < some; n++)
                take_marked(kernels, m, &seekers[q + n], desk, from, end, &looks[n]);
        }
    }
}

static void finish(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                   struct seeker *s, const struct desk *desk, struct od_scan_query *query)
{
    tighten(kernels, m, s, desk);
    query->found = (uint32_t)rank_list(kernels, m, s, desk);
    for (size_t i = 0; i < query->found; i++) {
        uint32_t place = s->list[desk->best[i]].item;
        query->out[i] = m->item ? m->item[place] : place;
    }
}

enum od_status od_scan_best(const struct od_scan_kernels *kernels, const struct od_scan_matrix *m,
                            struct od_scan_query *queries, size_t count, struct od_arena *scratch)
{
    struct seeker *seekers = OD_NEW_ARRAY(scratch, struct seeker, count);
    size_t k = 0, room = 0;
    for (size_t q = 0; seekers && q < count; q++) {
        if (!open_seeker(m, &queries[q], scratch, &seekers[q]))
            return OD_NO_MEMORY;
        k = seekers[q].k > k ? seekers[q].k : k;
        room = seekers[q].room > room ? seekers[q].room : room;
    }
    struct desk desk = {OD_NEW_ARRAY(scratch, float, room),
                        OD_NEW_ARRAY(scratch, uint64_t, od_topk_scratch(k)),
                        OD_NEW_ARRAY(scratch, uint32_t, k)};
    if (!seekers || !desk.scores || !desk.scratch || !desk.best)
        return OD_NO_MEMORY;
    pass(kernels, m, queries, seekers, count, &desk);
    for (size_t q = 0; q < count; q++)
        finish(kernels, m, &seekers[q], &desk, &queries[q]);
    return OD_OK;
}
