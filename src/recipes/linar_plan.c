/* Size, memory and route of a fit, decided from counts alone, so the same data and the same memory
 * allowance give the same model on any machine.
 *
 * With M head items and K kernels there are F = K M + 1 features. Two routes:
 *   dense   Cholesky and substitution, F^3 / 3 + 2 F^2 N operations, 4 F^2 + 4 F N bytes;
 *   sparse  explicit inverse times sparse C, F^3 + 2 F entries(C), 4 F^2 bytes and C.
 * Additions of the sparse product wait for memory: they are counted SLOW times.
 *
 * Head items are those with at least least_count events (some 100, chosen on validation). The
 * others, the tail, keep the diagonal block of the same equations (linar_solve.c), a decayed
 * co-occurrence kNN: on so little data the joint solution fits noise. Measured on Amazon Beauty
 * with one kernel, NDCG@10 by number of head items: all 12,101 .0544 (23 s), 1,000 .0550 (0.4 s),
 * none .0536. When the head needs more than memory_bytes, or more operations than the number of
 * events is worth, it shrinks to the most frequent items that fit, down to none. */
#include "recipes/linar_fit.h"

enum {
    SLOW = 8,
    MOST_COLUMNS = 2048, /* of C's rows in the sparse route, beyond which it is mostly noise */
    LANES = 16           /* floats an item of two threads' sums and sizes, however many there are */
};

struct size {
    uint32_t items;
    uint64_t events, pairs; /* pairs of positions within reach: an upper bound on C's entries */
    uint32_t kernels, keep;
};

static uint64_t count_pairs(const struct od_linar_events *events,
                            const struct od_linar_kernels *kernels)
{
    uint32_t reach = od_linar_furthest(kernels);
    uint64_t pairs = 0;
    for (uint64_t p = 0; p < events->count; p++)
        pairs += events->left[p] < reach ? events->left[p] : reach;
    return pairs;
}

/* Items with at least that many events. */
static uint32_t frequent(const struct od_linar_events *events, uint32_t least_count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < events->item_count; i++)
        n += events->at_start[i + 1] - events->at_start[i] >= least_count;
    return n;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* What a fit with that head would take. */
static struct od_linar_plan estimate(const struct size *size, uint32_t head)
{
    double k = size->kernels, n = size->items, m = head, f = k * m + 1;
    double pairs = (double)size->pairs;
    double targets = least(pairs, n * least(n, MOST_COLUMNS));
    double dense = f * f * f / 3 + 2 * f * f * n;
    double ours = least(targets, m * least(n, MOST_COLUMNS));
    double sparse = f * f * f + SLOW * 2 * f * k * ours;
    struct od_linar_plan plan = {.head = head, .most_columns = MOST_COLUMNS};
    plan.dense = dense <= sparse;
    plan.operations = plan.dense ? dense : sparse;
    uint64_t bytes = od_matrix_bytes((size_t)f, (size_t)f);
    if (plan.dense)
        bytes += od_matrix_bytes((size_t)f, size->items);
    else
        bytes += (uint64_t)((targets + ours) * 4 * (1 + k) + n * LANES * 4 +
                            f * (OD_TILE + 2 * OD_PANEL) * 4);
    bytes += od_linar_events_bytes(size->events, size->items) + size->events * 4;
    bytes += size->events * size->kernels * (size->kernels + 1) * 2; /* suffix sums */
    plan.bytes = bytes + 2 * od_linar_rows_bytes(size->items, size->kernels, size->keep);
    return plan;
}

static bool fits(const struct od_linar_plan *plan, const struct size *size, uint64_t memory_bytes)
{
    double most = OD_LINAR_EVENT_OPERATIONS * (double)size->events;
    most = most > OD_LINAR_LEAST_OPERATIONS ? most : OD_LINAR_LEAST_OPERATIONS;
    return plan->bytes <= memory_bytes && plan->operations <= least(most, OD_LINAR_MOST_OPERATIONS);
}

enum od_status od_linar_plan_make(const struct od_linar_events *events,
                                  const struct od_linar_config *config,
                                  const struct od_linar_shape *shape, uint32_t most_head,
                                  uint64_t memory_bytes, struct od_linar_plan *out,
                                  struct od_error *err)
{
    struct od_linar_kernels kernels;
    od_linar_kernels_init(&kernels, config->gamma, config->kernels, shape->window, shape->horizon);
    struct size size = {events->item_count, events->count, count_pairs(events, &kernels),
                        config->kernels, shape->keep};
    uint32_t high = frequent(events, config->least_count), low = 0;
    high = high < most_head ? high : most_head;
    struct od_linar_plan plan = estimate(&size, low), whole = estimate(&size, high);
    if (plan.bytes > memory_bytes)
        return od_fail(err, OD_INVALID_INPUT,
                       "Training on %llu interactions with %u items needs %llu MB of memory; the "
                       "limit is %llu MB.",
                       (unsigned long long)size.events, size.items,
                       (unsigned long long)(plan.bytes >> 20),
                       (unsigned long long)(memory_bytes >> 20));
    if (fits(&whole, &size, memory_bytes)) {
        *out = whole;
        return OD_OK;
    }
    while (high - low > 1) { /* low fits, high does not; the estimate grows with the head */
        uint32_t middle = low + (high - low) / 2;
        struct od_linar_plan tried = estimate(&size, middle);
        if (fits(&tried, &size, memory_bytes)) {
            low = middle;
            plan = tried;
        } else {
            high = middle;
        }
    }
    *out = plan;
    return OD_OK;
}
