/* What LambdaMART climbs: for each pair of a group whose grades differ, the gradient of the
 * pairwise logistic loss times the change of NDCG that swapping the two would bring (Burges 2010,
 * section 7). Pairs of which neither is among the first `truncation` places change nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/boost.h"

static double gain_of(uint8_t grade)
{
    return (double)((1u << grade) - 1);
}

static double discount(size_t place) /* from 0 */
{
    return 1 / log2((double)place + 2);
}

/* Rows by falling score, equal ones as they come: the row is the last key. */
static int by_score(const void *a, const void *b, void *scores)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const float *score = scores;
    if (score[x] != score[y])
        return score[x] > score[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static void sort_rows(const float *score, size_t rows, uint32_t *order)
{
    for (size_t i = 0; i < rows; i++)
        order[i] = (uint32_t)i;
    if (score)
        qsort_r(order, rows, sizeof *order, by_score, (void *)score);
}

/* The best DCG that the grades allow. */
static double ideal(const uint8_t *grade, size_t rows, uint32_t k)
{
    size_t of_grade[16] = {0}, place = 0;
    double sum = 0;
    for (size_t i = 0; i < rows; i++)
        of_grade[grade[i] & 15]++;
    for (unsigned g = 16; g-- > 1;)
        for (size_t i = 0; i < of_grade[g] && place < k; i++)
            sum += gain_of((uint8_t)g) * discount(place++);
    return sum;
}

enum od_status od_boost_ndcg(const struct od_boost_set *set, const float *score, uint32_t k,
                             double *out)
{
    uint32_t *order = malloc((set->rows + 1) * sizeof *order);
    if (!order)
        return OD_NO_MEMORY;
    double sum = 0, counted = 0;
    for (size_t g = 0; g < set->groups; g++) {
        size_t first = set->group_start[g], rows = set->group_start[g + 1] - first;
        const uint8_t *grade = set->grade + first;
        double best = ideal(grade, rows, k), dcg = 0;
        if (!(best > 0))
            continue;
        sort_rows(score ? score + first : NULL, rows, order);
        for (size_t i = 0; i < rows && i < k; i++)
            dcg += gain_of(grade[order[i]]) * discount(i);
        sum += dcg / best;
        counted += 1;
    }
    free(order);
    *out = counted > 0 ? sum / counted : 0;
    return OD_OK;
}

void od_boost_lambdas(const uint8_t *grade, const float *score, size_t rows, uint32_t truncation,
                      uint32_t *order, double *lambda, double *second)
{
    double best = ideal(grade, rows, truncation);
    if (!(best > 0))
        return;
    sort_rows(score, rows, order);
    for (size_t i = 0; i < rows && i < truncation; i++)
        for (size_t j = i + 1; j < rows; j++) {
            uint32_t high = order[i], low = order[j];
            if (grade[high] == grade[low])
                continue;
            double far = j < truncation ? discount(j) : 0;
            double change =
                fabs(gain_of(grade[high]) - gain_of(grade[low])) * (discount(i) - far) / best;
            if (grade[high] < grade[low]) {
                uint32_t swap = high;
                high = low;
                low = swap;
            }
            double rho = 1 / (1 + exp((double)score[high] - (double)score[low]));
            lambda[high] += change * rho;
            lambda[low] -= change * rho;
            second[high] += change * rho * (1 - rho);
            second[low] += change * rho * (1 - rho);
        }
}
