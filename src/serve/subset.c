/* What a filter lets through as a matrix of its own: a search then reads nothing of the others.
 *
 * A filter for one region among twenty leaves hardly a group of 32 items of which none passes, so a
 * search would read and multiply all of them to look at one in twenty. For a filter that is asked
 * for again and again, whose result is cached as long as no item changes (keep.c), the vectors of
 * what passes are laid side by side (math/scan.h) and searched instead. The list is the same: the
 * float ranking has no other, whatever 8-bit numbers lead to it.
 *
 * Nobody waits for that: each pass under the filter, from the eighth on, does one part in 64 of the
 * work, and reads everything until all is done. So what is never finished, where items change every
 * second, costs a part of the work that whole ones save. All subsets of a campaign take no
 * more than its 8-bit numbers themselves. */
#include "math/scan.h"
#include "recipes/vector_form.h"
#include "serve/keep.h"

const struct od_subset_rule od_subset_usual = {.after = 8, .slices = 64, .least_words = 64};

const struct od_scan_subset *od_keep_subset(const struct od_keep *keep)
{
    return keep ? atomic_load_explicit(&keep->subset.whole, memory_order_acquire) : NULL;
}

/* Not where it would hardly be smaller than the whole. */
static bool is_worth_it(const struct od_scan_matrix *m, const struct od_keep *keep,
                        size_t *out_bytes)
{
    size_t words = od_scan_words(m->items), kept = 0;
    for (size_t w = 0; w < words; w++)
        kept += (size_t)__builtin_popcountll(keep->items[w]);
    *out_bytes = od_scan_subset_bytes((uint32_t)kept, m->dims);
    return kept * 4 <= (size_t)m->items * 3;
}

/* Whoever is busy. */
static void work(struct od_keep_cache *cache, struct od_keep *keep,
                 const struct od_vector_form *form)
{
    struct od_keep_subset *subset = &keep->subset;
    const struct od_scan_matrix *m = &form->matrix;
    size_t words = od_scan_words(m->items), bytes;
    if (++subset->wanted < cache->rule.after)
        return;
    if (!subset->made) {
        subset->wanted = 0; /* if it cannot be now, it is tried again */
        if (is_worth_it(m, keep, &bytes) &&
            od_keep_cache_grant(cache, keep, bytes, od_scan_cells(m->items, m->dims)))
            subset->made = od_scan_subset_new(m, keep->items, form->present);
        if (!subset->made)
            return;
        subset->wanted = cache->rule.after;
    }
    if (od_scan_subset_grow(subset->made, words / cache->rule.slices + 1))
        atomic_store_explicit(&subset->whole, subset->made, memory_order_release);
}

void od_keep_subset_work(struct od_keep_cache *cache, struct od_keep *keep,
                         const struct od_vector_form *form)
{
    if (!keep || od_keep_subset(keep) ||
        od_scan_words(form->matrix.items) < cache->rule.least_words ||
        atomic_flag_test_and_set_explicit(&keep->subset.busy, memory_order_acquire))
        return;
    if (!od_keep_subset(keep)) /* nobody finished it meanwhile */
        work(cache, keep, form);
    atomic_flag_clear_explicit(&keep->subset.busy, memory_order_release);
}
