/* The loops of a scan in plain C: the oracle of the others, and what runs where there is nothing
 * better. See scan_kernels.h. */
#include "math/scan_kernels.h"

/* p . q of item i of word w. */
static int32_t dot(const struct od_scan_matrix *m, const struct od_scan_ready *q, size_t w,
                   size_t i)
{
    const size_t row = OD_SCAN_GROUP * OD_SCAN_QUAD, quads = od_scan_quads(m->dims);
    const uint8_t *cells =
        m->cells + (2 * w + i / OD_SCAN_GROUP) * quads * row + i % OD_SCAN_GROUP * OD_SCAN_QUAD;
    int32_t sum = -q->zero;
    for (size_t d = 0; d < quads * OD_SCAN_QUAD; d++)
        sum += cells[d / OD_SCAN_QUAD * row + d % OD_SCAN_QUAD] * q->numbers[d];
    return sum;
}

static void look(const struct od_scan_matrix *m, size_t from, size_t end,
                 struct od_scan_look *looks, size_t count, const struct od_scan_next *next)
{
    (void)next;
    for (size_t w = from; w < end; w++)
        for (size_t n = 0; n < count; n++) {
            struct od_scan_look *l = &looks[n];
            uint64_t bits = l->keep ? l->keep[w] : UINT64_MAX, mask = 0;
            for (; bits; bits &= bits - 1) {
                size_t i = (size_t)__builtin_ctzll(bits);
                int32_t here = l->dots[w - from][i] = dot(m, l->query, w, i);
                mask |= (uint64_t)(here >= l->least[w - from]) << i;
            }
            l->mask[w - from] = mask;
        }
}

static void scores(const uint16_t *rows, size_t count, size_t width, const float *u, float *s)
{
    for (size_t i = 0; i < count; i++, rows += width) {
        float part[OD_SCAN_LANES] = {0};
        for (size_t d = 0; d < width; d++)
            part[d % OD_SCAN_LANES] += od_f16_decode(rows[d]) * u[d];
        for (size_t half = OD_SCAN_LANES / 2; half; half /= 2)
            for (size_t l = 0; l < half; l++)
                part[l] += part[l + half];
        s[i] = part[0];
    }
}

const struct od_scan_kernels od_scan_kernels_reference = {
    .name = "reference", .look = look, .scores = scores};
