/* Answers of models in vector form (recipes/vector_form.h): the scan finds the best items that pass
 * the filter, whose bitmap is tested inside it, and nobody computes the scores of all.
 *
 * Which campaigns: those whose model offers the form, and whose answers need nothing of the items
 * that are not in them, i.e. no printed probabilities (a softmax over all items), no exploration,
 * no objective's share. The list is that of the scores, item by item: the scan ranks by the same
 * floats, and what follows (items without a vector; everything, for a query that says nothing) has
 * an order of its own, which is walked.
 *
 * Where what the filter keeps is a matrix of its own (subset.c), that is scanned. What may not be
 * in the answer (consumed items, the item asked about) is taken out of a copy of the bitmap. A
 * promotion is a second search of the same pass, and both lists are asked for whole: the promoted
 * items are then passed over among the others (select.c). */
#include "base/bitmap.h"
#include "math/topk.h"
#include "recipes/vector_form.h"
#include "serve/ask.h"

/* --- which items may be found --- */

static bool excludes(const struct od_ask *ask)
{
    return ask->consumed || ask->model_query.item != OD_NO_CODE;
}

/* Clears an item's bit, or that of its place in a subset. */
static void clear(const uint32_t *subset, uint32_t count, uint32_t item, uint64_t *words)
{
    uint32_t low = 0, high = count;
    while (subset && low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (subset[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    if (!subset)
        od_bitmap_clear(words, item);
    else if (low < count && subset[low] == item)
        od_bitmap_clear(words, low);
}

/* subset NULL: words are of all items. */
static void take_out(const struct od_ask *ask, const uint32_t *subset, uint32_t count,
                     uint64_t *words)
{
    for (size_t i = 0; ask->consumed && i < ask->event_count; i++) {
        uint32_t item = od_campaign_item(ask->campaign, ask->events[i].item_row);
        if (item != OD_NO_CODE && od_ask_consumed(ask, ask->events[i].item_row))
            clear(subset, count, item, words);
    }
    if (ask->model_query.item != OD_NO_CODE)
        clear(subset, count, ask->model_query.item, words);
}

/* keep and (unless NULL) with, NULL standing for all, less what is excluded; NULL: all items. */
static enum od_status narrow(const struct od_ask *ask, const uint64_t *keep, const uint64_t *with,
                             const uint64_t **out)
{
    uint32_t items = ask->campaign->map.item_count;
    *out = keep;
    if (!excludes(ask) && !with)
        return OD_OK;
    uint64_t *words = OD_NEW_ARRAY(ask->arena, uint64_t, od_bitmap_words(items));
    if (!words)
        return OD_NO_MEMORY;
    for (size_t w = 0; w < od_bitmap_words(items); w++)
        words[w] = (keep ? keep[w] : UINT64_MAX) & (with ? with[w] : UINT64_MAX);
    take_out(ask, NULL, 0, words);
    *out = words;
    return OD_OK;
}

/* All places of a subset but those excluded; NULL: all. */
static enum od_status narrow_subset(const struct od_ask *ask, const struct od_scan_matrix *subset,
                                    const uint64_t **out)
{
    *out = NULL;
    if (!excludes(ask))
        return OD_OK;
    uint64_t *words = OD_NEW_ARRAY(ask->arena, uint64_t, od_bitmap_words(subset->items));
    if (!words)
        return OD_NO_MEMORY;
    od_bitmap_fill(words, subset->items, true);
    take_out(ask, subset->item, subset->items, words);
    *out = words;
    return OD_OK;
}

/* --- what follows in the form's order --- */

static uint64_t left_over(const struct od_vector_form *form, const struct od_search *search,
                          bool by_vector, size_t word)
{
    uint64_t bits = search->keep ? search->keep[word] : UINT64_MAX;
    size_t left = form->matrix.items - word * 64;
    if (left < 64)
        bits &= (1ULL << left) - 1;
    return by_vector ? bits & ~form->present[word] : bits;
}

static size_t count_left(const struct od_vector_form *form, const struct od_search *search,
                         bool by_vector)
{
    size_t count = 0;
    for (size_t w = 0; w < od_bitmap_words(form->matrix.items); w++)
        count += (size_t)__builtin_popcountll(left_over(form, search, by_vector, w));
    return count;
}

/* Many are left: the first of the order come soon. */
static void walk(const struct od_vector_form *form, struct od_search *search, bool by_vector)
{
    struct od_scan_query *scan = &search->scan;
    for (uint32_t place = 0; place < form->matrix.items && scan->found < scan->k; place++) {
        uint32_t item = form->order[place];
        if (left_over(form, search, by_vector, item / 64) >> (item % 64) & 1)
            scan->out[scan->found++] = item;
    }
}

/* Few are left: the best of them by rank. */
static enum od_status sort_few(const struct od_ask *ask, const struct od_vector_form *form,
                               struct od_search *search, bool by_vector, size_t count)
{
    struct od_scan_query *scan = &search->scan;
    size_t k = scan->k - scan->found, at = 0;
    float *scores = OD_NEW_ARRAY(ask->arena, float, count);
    uint32_t *items = OD_NEW_ARRAY(ask->arena, uint32_t, count);
    uint32_t *best = OD_NEW_ARRAY(ask->arena, uint32_t, k);
    uint64_t *scratch = OD_NEW_ARRAY(ask->arena, uint64_t, od_topk_scratch(k));
    if (!scores || !items || !best || !scratch)
        return OD_NO_MEMORY;
    for (size_t w = 0; w < od_bitmap_words(form->matrix.items); w++)
        for (uint64_t bits = left_over(form, search, by_vector, w); bits; bits &= bits - 1) {
            items[at] = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits));
            scores[at] = -(float)form->rank[items[at]];
            at++;
        }
    size_t found = od_topk(ask->serve->kernels, scores, count, NULL, k, scratch, best);
    for (size_t i = 0; i < found; i++)
        scan->out[scan->found++] = items[best[i]];
    return OD_OK;
}

static enum od_status follow(const struct od_ask *ask, struct od_search *search)
{
    const struct od_vector_form *form = ask->campaign->vectors;
    const struct od_scan_query *scan = &search->scan;
    bool by_vector = ask->personal;
    if (scan->found == scan->k || (by_vector && !form->present))
        return OD_OK;
    size_t count = count_left(form, search, by_vector), k = scan->k - scan->found;
    if (count == 0)
        return OD_OK;
    /* A walk passes k n / count items; sorting looks at count. */
    if ((double)count * (double)count >= (double)k * form->matrix.items)
        walk(form, search, by_vector);
    else
        return sort_few(ask, form, search, by_vector, count);
    return OD_OK;
}

/* --- the searches of a query --- */

static enum od_status open_search(struct od_ask *ask, const struct od_keep *keep, size_t k,
                                  const float *vector)
{
    const struct od_vector_form *form = ask->campaign->vectors;
    struct od_search *search = &ask->searches[ask->search_count++];
    const struct od_scan_subset *subset = ask->personal ? od_keep_subset(keep) : NULL;
    const uint64_t *present = ask->personal ? form->present : NULL;
    uint32_t most = (uint32_t)(k < form->matrix.items ? k : form->matrix.items);
    search->matrix = subset ? &subset->matrix : &form->matrix;
    search->scan = (struct od_scan_query){.vector = vector, .k = most};
    search->scan.out = OD_NEW_ARRAY(ask->arena, uint32_t, most);
    enum od_status status = search->scan.out ? OD_OK : OD_NO_MEMORY;
    if (status == OD_OK && (!subset || present)) /* for the scan, or what follows it */
        status = narrow(ask, keep ? keep->items : NULL, NULL, &search->keep);
    search->scan.keep = search->keep;
    if (status == OD_OK && subset)
        status = narrow_subset(ask, search->matrix, &search->scan.keep);
    else if (status == OD_OK && present)
        status = narrow(ask, search->keep, present, &search->scan.keep);
    return status;
}

enum od_status od_vector_open(struct od_ask *ask, bool *out_by_score, struct od_error *err)
{
    const struct od_campaign *campaign = ask->campaign;
    enum od_vector_kind kind = OD_BY_SCORE;
    *out_by_score = true;
    if (!campaign->vectors)
        return OD_OK;
    float *vector = OD_NEW_ARRAY(ask->arena, float, campaign->vectors->matrix.dims);
    if (!vector)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status =
        campaign->recipe->vector(campaign->model, &ask->model_query, vector, &kind, err);
    if (status != OD_OK || kind == OD_BY_SCORE)
        return status;
    *out_by_score = false;
    ask->personal = kind == OD_BY_VECTOR;
    status = open_search(ask, ask->keep, ask->wanted, vector);
    if (status == OD_OK && ask->promotion_keep)
        status = open_search(ask, ask->promotion_keep, od_promote_share(ask), vector);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

/* Those of `count` searches that have the matrix of the first, in one pass; they become NULL. */
static enum od_status scan_one_matrix(const struct od_ask *ask, struct od_search **searches,
                                      size_t count, struct od_scan_query *scans)
{
    const struct od_scan_matrix *matrix = searches[0]->matrix;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        if (searches[i] && searches[i]->matrix == matrix)
            scans[total++] = searches[i]->scan;
    enum od_status status = od_scan_best(ask->serve->scan, matrix, scans, total, ask->arena);
    total = 0;
    for (size_t i = 0; i < count; i++)
        if (searches[i] && searches[i]->matrix == matrix) {
            searches[i]->scan.found = scans[total++].found;
            searches[i] = NULL;
        }
    return status;
}

static void work_at_subsets(struct od_ask *ask)
{
    struct od_keep_cache *cache = &ask->campaign->keeps;
    od_keep_subset_work(cache, ask->keep, ask->campaign->vectors);
    od_keep_subset_work(cache, ask->promotion_keep, ask->campaign->vectors);
}

enum od_status od_vector_scan(struct od_ask *const *asks, size_t count)
{
    struct od_arena *scratch = asks[0]->arena;
    struct od_search **searches = OD_NEW_ARRAY(scratch, struct od_search *, count * OD_SEARCHES);
    struct od_scan_query *scans = OD_NEW_ARRAY(scratch, struct od_scan_query, count * OD_SEARCHES);
    enum od_status status = OD_OK;
    size_t total = 0;
    if (!searches || !scans)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        for (size_t s = 0; asks[i]->personal && s < asks[i]->search_count; s++)
            searches[total++] = &asks[i]->searches[s];
    for (size_t i = 0; i < total && status == OD_OK; i++)
        if (searches[i])
            status = scan_one_matrix(asks[0], searches + i, total - i, scans);
    for (size_t i = 0; i < count; i++)
        for (size_t s = 0; status == OD_OK && s < asks[i]->search_count; s++)
            status = follow(asks[i], &asks[i]->searches[s]);
    if (status == OD_OK && total)
        work_at_subsets(asks[0]);
    return status;
}
