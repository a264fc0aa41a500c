/* Making the 8-bit side of a matrix (scan.h).
 *
 * What is rounded is not an item v but w = v - c, c the mean of all: vectors of one model often
 * point the same way, and what they have in common changes no order. A word of 64 items has steps
 * = 127 / max|w|, the largest number of them all, and q = w steps to the nearest whole number. (A
 * scale for each item would not make the bound of a word tighter, which is that of its worst item,
 * and the scan would have to multiply before it compares.) What is lost is measured, not estimated:
 * |w - q / steps| and |w| in double, from the very halves that scores are computed from, rounded up
 * to float. The largest of the 64 items are kept.
 *
 * Cells lie as dot instructions want them: 32 items times 4 numbers side by side (128 bytes), then
 * the next 4 numbers of these items, so that a lane of an accumulator is an item and nothing is
 * summed across lanes. */
#include "math/scan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/scan_kernels.h"

size_t od_scan_words(uint32_t items)
{
    return ((size_t)items + OD_SCAN_BLOCK - 1) / OD_SCAN_BLOCK;
}

size_t od_scan_quads(uint32_t dims)
{
    return ((size_t)dims + OD_SCAN_QUAD - 1) / OD_SCAN_QUAD;
}

size_t od_scan_width(uint32_t dims)
{
    return ((size_t)dims + OD_SCAN_LANES - 1) / OD_SCAN_LANES * OD_SCAN_LANES;
}

size_t od_scan_cells(uint32_t items, uint32_t dims)
{
    return od_scan_words(items) * OD_SCAN_BLOCK * od_scan_quads(dims) * OD_SCAN_QUAD;
}

void od_scan_made_done(struct od_scan_made *made)
{
    free(made->cells);
    free(made->steps);
    free(made->center);
    free(made->bounds);
    *made = (struct od_scan_made){0};
}

struct od_scan_matrix od_scan_view(const struct od_scan_made *made, const uint16_t *rows,
                                   uint32_t items, uint32_t dims)
{
    return (struct od_scan_matrix){.items = items,
                                   .dims = dims,
                                   .cells = made->cells,
                                   .steps = made->steps,
                                   .center = made->center,
                                   .bounds = made->bounds,
                                   .rows = rows};
}

/* The smallest float that is not below x >= 0. */
static float rounded_up(double x)
{
    float f = (float)x;
    return (double)f >= x ? f : nextafterf(f, INFINITY);
}

static void raise(float *most, float x)
{
    if (!(x <= *most))
        *most = x;
}

/* w of a row; false when one of its numbers is not finite. */
static bool read_centered(const uint16_t *row, uint32_t dims, const float *center, double *out)
{
    const float one = 1;
    float v[OD_SCAN_DIMS] = {0}; /* zero plus the row */
    bool finite = true;
    od_kernels_best()->rows_f16(v, &row, &one, 1, dims);
    for (uint32_t d = 0; d < dims; d++) {
        finite = finite && isfinite(v[d]);
        out[d] = (double)v[d] - (double)center[d];
    }
    return finite;
}

/* To the nearest whole number, of |x| < 2^51, the even one of two. */
static double whole(double x)
{
    return x + 0x1.8p52 - 0x1.8p52;
}

/* w into a column of cells; *bound is raised to what that loses. */
static void place_item(const double *w, uint32_t dims, double steps, uint8_t *cells,
                       struct od_scan_bound *bound)
{
    double residual = 0, spread = 0, unit = 1 / steps, q[OD_SCAN_DIMS];
    for (uint32_t d = 0; d < dims; d++) {
        double x = w[d] * steps;
        x = x > 127 ? 127 : x < -127 ? -127 : x;
        q[d] = whole(x);
        double lost = w[d] - q[d] * unit;
        residual += lost * lost;
        spread += w[d] * w[d];
    }
    for (uint32_t d = 0; d < dims; d++)
        cells[d / OD_SCAN_QUAD * OD_SCAN_GROUP * OD_SCAN_QUAD + d % OD_SCAN_QUAD] =
            (uint8_t)(OD_SCAN_ZERO + (int)q[d]);
    /* Roundings of 2^-53 a number are far below this; so is what double loses of w, at most 2^-53
     * of |v| + |c|, below the 2^-24 of it that scan.c allows for floats. */
    raise(&bound->residual, rounded_up(sqrt(residual) * (1 + 1e-9)));
    raise(&bound->spread, rounded_up(sqrt(spread) * (1 + 1e-9)));
}

/* Word `word` of a matrix whose center, rows and items are known. A row that is not finite stays at
 * 0. */
static void place_word(const struct od_scan_matrix *m, size_t word, struct od_scan_made *out)
{
    const size_t quads = od_scan_quads(m->dims), width = od_scan_width(m->dims);
    const size_t bytes = quads * OD_SCAN_GROUP * OD_SCAN_QUAD;
    size_t first = word * OD_SCAN_BLOCK;
    size_t count = m->items - first < OD_SCAN_BLOCK ? m->items - first : OD_SCAN_BLOCK;
    uint8_t *cells = out->cells + 2 * word * bytes;
    const uint16_t *row[OD_SCAN_BLOCK];
    double w[OD_SCAN_DIMS], most = 0;
    for (size_t i = 0; i < count; i++) {
        row[i] = m->rows + (m->item ? m->item[first + i] : first + i) * width;
        bool finite = read_centered(row[i], m->dims, m->center, w);
        for (uint32_t d = 0; finite && d < m->dims; d++)
            most = fabs(w[d]) > most ? fabs(w[d]) : most;
    }
    out->steps[word] = most > 0 ? (float)fmin(127 / most, (double)FLT_MAX) : 1;
    memset(cells, OD_SCAN_ZERO, 2 * bytes);
    for (size_t i = 0; i < count; i++) {
        size_t at = i / OD_SCAN_GROUP * bytes + i % OD_SCAN_GROUP * OD_SCAN_QUAD;
        if (read_centered(row[i], m->dims, m->center, w))
            place_item(w, m->dims, (double)out->steps[word], cells + at, &out->bounds[word]);
        else
            out->bounds[word] = (struct od_scan_bound){INFINITY, INFINITY};
    }
}

/* The mean of the finite items. */
static enum od_status place_center(const uint16_t *rows, uint32_t items, uint32_t dims,
                                   float *center)
{
    double *sum = calloc((size_t)dims + 1, sizeof *sum);
    float none[OD_SCAN_DIMS] = {0};
    double v[OD_SCAN_DIMS];
    uint32_t count = 0;
    if (!sum)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < items; i++) {
        if (!read_centered(rows + i * od_scan_width(dims), dims, none, v))
            continue;
        count++;
        for (uint32_t d = 0; d < dims; d++)
            sum[d] += v[d];
    }
    for (uint32_t d = 0; d < dims; d++)
        center[d] = count ? (float)(sum[d] / count) : 0;
    free(sum);
    return OD_OK;
}

static bool make_room(uint32_t items, uint32_t dims, struct od_scan_made *out)
{
    size_t words = od_scan_words(items);
    *out = (struct od_scan_made){.cells = malloc(od_scan_cells(items, dims) + 1),
                                 .steps = calloc(words + 1, sizeof(float)),
                                 .bounds = calloc(words + 1, sizeof(struct od_scan_bound))};
    return out->cells && out->steps && out->bounds;
}

enum od_status od_scan_make(const uint16_t *rows, uint32_t items, uint32_t dims,
                            struct od_scan_made *out)
{
    struct od_scan_made made;
    if (dims > OD_SCAN_DIMS)
        return OD_TOO_LARGE;
    bool room = make_room(items, dims, &made);
    made.center = calloc((size_t)dims + 1, sizeof(float));
    if (!room || !made.center || place_center(rows, items, dims, made.center) != OD_OK) {
        od_scan_made_done(&made);
        return OD_NO_MEMORY;
    }
    struct od_scan_matrix matrix = od_scan_view(&made, rows, items, dims);
    for (size_t w = 0; w < od_scan_words(items); w++)
        place_word(&matrix, w, &made);
    *out = made;
    return OD_OK;
}

size_t od_scan_subset_bytes(uint32_t count, uint32_t dims)
{
    return sizeof(struct od_scan_subset) + od_scan_cells(count, dims) + count * sizeof(uint32_t) +
           od_scan_words(count) * (sizeof(float) + sizeof(struct od_scan_bound));
}

struct od_scan_subset *od_scan_subset_new(const struct od_scan_matrix *of, const uint64_t *keep,
                                          const uint64_t *with)
{
    struct od_scan_subset *s = calloc(1, sizeof *s);
    uint32_t count = 0;
    for (size_t w = 0; w < od_scan_words(of->items); w++)
        count += (uint32_t)__builtin_popcountll(keep[w] & (with ? with[w] : UINT64_MAX));
    if (!s || !make_room(count, of->dims, &s->made) ||
        !(s->item = malloc(((size_t)count + 1) * sizeof *s->item))) {
        od_scan_subset_free(s);
        return NULL;
    }
    count = 0;
    for (size_t w = 0; w < od_scan_words(of->items); w++)
        for (uint64_t bits = keep[w] & (with ? with[w] : UINT64_MAX); bits; bits &= bits - 1)
            s->item[count++] = (uint32_t)(w * OD_SCAN_BLOCK + (size_t)__builtin_ctzll(bits));
    s->matrix = od_scan_view(&s->made, of->rows, count, of->dims);
    s->matrix.center = of->center;
    s->matrix.item = s->item;
    return s;
}

bool od_scan_subset_grow(struct od_scan_subset *s, size_t words)
{
    size_t all = od_scan_words(s->matrix.items);
    size_t end = all - s->words < words ? all : s->words + words;
    for (; s->words < end; s->words++)
        place_word(&s->matrix, s->words, &s->made);
    return s->words == all;
}

void od_scan_subset_free(struct od_scan_subset *s)
{
    if (!s)
        return;
    od_scan_made_done(&s->made);
    free(s->item);
    free(s);
}

bool od_scan_valid(const struct od_scan_matrix *m)
{
    bool good = m->dims <= OD_SCAN_DIMS;
    for (size_t w = 0; w < od_scan_words(m->items); w++)
        good = good && m->bounds[w].residual >= 0 && m->bounds[w].spread >= 0 && m->steps[w] > 0 &&
               m->steps[w] < INFINITY;
    for (uint32_t d = 0; d < m->dims; d++)
        good = good && isfinite(m->center[d]);
    return good;
}
