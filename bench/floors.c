/* What this machine allows: the limits that figures of serving are held against, as one JSON
 * object.
 *
 *   floors [SECONDS]
 *
 *   bandwidth    bytes a second that one core reads from an array far larger than the caches
 *   scan         seconds that one core needs for the products of one question with N items of 64
 *                numbers of 8 bits: alone, and as one of EIGHT that share a pass over the items. It
 *                is the kernel of math/scan.h with a limit that no item reaches: nothing is
 *                filtered, listed, re-ranked or written down.
 *
 * Seconds are the mean over the time given, as the rates held against them are: on a machine that
 * others use too, the best round is one that nothing could repeat. Bandwidth is the best of several
 * rounds. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "floors.inc"
#include "math/scan_kernels.h"

enum { DIMS = 64, EIGHT = 8 };

struct catalogue {
    uint16_t *rows;
    struct od_scan_made made;
    struct od_scan_matrix matrix;
};

static void make(struct catalogue *c, uint32_t items)
{
    struct od_random random;
    float row[DIMS];
    od_random_init(&random, items);
    c->rows = malloc((size_t)items * DIMS * sizeof *c->rows);
    if (!c->rows)
        exit(1);
    for (uint32_t i = 0; i < items; i++) {
        for (int d = 0; d < DIMS; d++)
            row[d] = (float)od_random_normal(&random);
        od_kernels_best()->encode_f16(c->rows + (size_t)i * DIMS, row, DIMS);
    }
    if (od_scan_make(c->rows, items, DIMS, &c->made) != OD_OK)
        exit(1);
    c->matrix = od_scan_view(&c->made, c->rows, items, DIMS);
}

static void unmake(struct catalogue *c)
{
    od_scan_made_done(&c->made);
    free(c->rows);
}

static void scan(const struct catalogue *c, const struct od_scan_ready *questions, size_t count)
{
    const struct od_scan_kernels *kernels = od_scan_kernels_best();
    size_t words = od_scan_words(c->matrix.items);
    struct od_scan_look looks[OD_SCAN_PAIR];
    for (size_t from = 0, end; from < words; from = end) {
        end = words - from < OD_SCAN_FEW ? words : from + OD_SCAN_FEW;
        for (size_t q = 0; q < count; q += OD_SCAN_PAIR) {
            size_t some = count - q < OD_SCAN_PAIR ? count - q : OD_SCAN_PAIR;
            for (size_t n = 0; n < some; n++) {
                looks[n].query = &questions[q + n];
                looks[n].keep = NULL;
                for (size_t w = 0; w < OD_SCAN_FEW; w++)
                    looks[n].least[w] = 1 << 30;
            }
            kernels->look(&c->matrix, from, end, looks, some, &(struct od_scan_next){NULL, 0});
        }
    }
}

static double time_scan(const struct catalogue *c, size_t count, double seconds)
{
    int8_t numbers[EIGHT][DIMS];
    struct od_scan_ready questions[EIGHT];
    double began = now_s(), took = 0;
    size_t rounds = 0;
    for (int q = 0; q < EIGHT; q++) {
        questions[q] = (struct od_scan_ready){.numbers = numbers[q]};
        for (int d = 0; d < DIMS; d++)
            numbers[q][d] = (int8_t)((q * DIMS + d) * 37 % (2 * OD_SCAN_MOST) - OD_SCAN_MOST);
    }
    for (; rounds < 3 || took < seconds; took = now_s() - began, rounds++)
        scan(c, questions, count);
    return took / (double)(rounds * count);
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {100000, 1000000};
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    printf("{\"bandwidth\":%.0f,\"scan\":{", measure_floors(1).bandwidth);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct catalogue c;
        make(&c, counts[i]);
        printf("%s\"%u\":{\"alone\":%.9f,\"shared\":%.9f}", i ? "," : "", counts[i],
               time_scan(&c, 1, seconds), time_scan(&c, EIGHT, seconds));
        unmake(&c);
    }
    printf("}}\n");
    return 0;
}
