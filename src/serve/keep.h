/* What a filter lets through, as bitmaps, and a cache of them. Items stand here for whatever the
 * campaign recommends: for actions read actions.
 *
 * A keep is immutable and counted by reference. It says the same twice: over rows of the item table
 * (what filters speak of) and over item codes of the campaign's model (what the scan reads). */
#ifndef OD_SERVE_KEEP_H
#define OD_SERVE_KEEP_H

#include "serve/filters.h"

struct od_vector_form;
struct od_scan_subset;

/* What passes as a matrix of its own, for searches by vectors: subset.c. */
struct od_keep_subset {
    atomic_flag busy; /* somebody works at it */
    unsigned wanted;  /* times, busy */
    size_t bytes;     /* its share of the cache's, under the cache's lock; 0: not begun */
    struct od_scan_subset *made;                  /* busy; then freed with the keep */
    _Atomic(const struct od_scan_subset *) whole; /* NULL: not yet */
};

/* When a subset is made. */
struct od_subset_rule {
    unsigned after;     /* passes under the filter */
    unsigned slices;    /* of the work, one a pass */
    size_t least_words; /* of the matrix, 64 items each: smaller ones are quick to read whole */
};
extern const struct od_subset_rule od_subset_usual;

struct od_keep {
    atomic_uint refs;
    uint32_t row_count;
    uint64_t *rows;  /* bit r: item row r passes */
    uint64_t *items; /* bit i: item code i passes */
    size_t bytes;    /* of the block that holds it all */
    struct od_keep_subset subset;
};

struct od_keep_slot {
    struct od_keep *keep;
    uint8_t *key; /* what was asked: filter, values */
    size_t key_len;
    uint64_t key_hash;
    int64_t now_s; /* what it was made for, when the filter uses the clock; else 0 */
    uint64_t used; /* tick of the last use */
};
/* Of one campaign. All entries belong to one state of the item table. */
struct od_keep_cache {
    pthread_mutex_t lock;
    struct od_keep_slot *slots;
    size_t count, cap;
    size_t bytes;
    size_t subset_bytes; /* of the subsets of its keeps */
    uint64_t tick;
    uint64_t epoch, version; /* items_epoch and od_table_version the entries belong to */
    uint64_t hits, misses;
    struct od_subset_rule rule; /* changed by tests, before there are queries */
};

bool od_keep_cache_init(struct od_keep_cache *cache);
void od_keep_cache_done(struct od_keep_cache *cache);

/* A filter as a query uses it: bound and evaluated under one hold of the group's lock. */
struct od_keep_ask {
    const struct od_serve_filter *filter;
    const struct od_filter_value *values; /* as the client wrote them */
    size_t value_count;
    const struct od_filter_context *context;
};
struct od_item_map {
    const uint32_t *row_of;  /* [item_count] by item code */
    const uint32_t *item_of; /* [row_count] by row, OD_NO_CODE: not in the model */
    uint32_t item_count, row_count;
};
/* With the group's lock held. Filters that look only at items come from the cache while the item
 * table is unchanged. The result is a reference. */
enum od_status od_keep_get(struct od_keep_cache *cache, const struct od_live *live,
                           const struct od_item_map *map, const struct od_keep_ask *ask,
                           struct od_arena *scratch, struct od_keep **out,
                           struct od_error *err) OD_MUST_USE;
void od_keep_unref(struct od_keep *keep);

/* The subset of a keep, once it is whole; NULL. Lives as long as the keep. */
const struct od_scan_subset *od_keep_subset(const struct od_keep *keep);
/* To be told of each pass over the campaign's items that a keep narrowed: works a little at its
 * subset, if that is worth it. */
void od_keep_subset_work(struct od_keep_cache *cache, struct od_keep *keep,
                         const struct od_vector_form *form);
/* For a keep in the cache, so many bytes out of `most` of all subsets; those that were not used for
 * long make room. False: it is not in the cache, or there is no room. */
bool od_keep_cache_grant(struct od_keep_cache *cache, struct od_keep *keep, size_t bytes,
                         size_t most);

#endif
