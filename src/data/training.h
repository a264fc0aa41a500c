/* The training set: what a recipe learns from, in canonical form.
 *
 * Built once per training from segments and live events, then immutable. Ids are coded in byte
 * order of their text and events sorted by (user, time, arrival), so the same data gives the same
 * codes whatever the order of import (style rule 20). */
#ifndef OD_DATA_TRAINING_H
#define OD_DATA_TRAINING_H

#include "base/dict.h"
#include "data/segment.h"
#include "data/table.h"

struct od_training {
    uint32_t user_count, item_count, type_count;
    uint64_t event_count;
    const uint64_t *user_start; /* [user_count + 1] offsets into the event arrays */
    const uint32_t *item;       /* [event_count] */
    const int64_t *time;        /* [event_count] seconds since 1970 */
    const uint16_t *type;       /* [event_count] */
    const float *value; /* [event_count] EVENT_VALUE, NAN when null; NULL when no such column */
    const struct od_dict *users, *items, *types; /* code to text; types code 0 is "" (no type) */
    int64_t first_time, last_time;
    const struct od_table *item_table; /* may be NULL; rows are NOT item codes: look up by id */
    const struct od_table *user_table; /* may be NULL */
    uint64_t hash; /* of the events and ids in canonical order: the snapshot's identity */
};

/* Which events count (recipes.md section 3). */
struct od_training_rule {
    struct od_str event_type; /* absent: all */
    bool has_threshold;
    double threshold; /* EVENT_VALUE >= threshold; null values fail it */
};

struct od_training_builder;
struct od_training_builder *od_training_builder_new(const struct od_training_rule *rule);
void od_training_builder_free(struct od_training_builder *builder);
/* Adds a chunk of Interactions (columns found by name in schema). */
enum od_status od_training_add_chunk(struct od_training_builder *builder,
                                     const struct od_schema *schema, const struct od_chunk *chunk,
                                     struct od_error *err) OD_MUST_USE;
/* Adds one live event. type absent or has_value false: null. */
enum od_status od_training_add_event(struct od_training_builder *builder, struct od_str user,
                                     struct od_str item, struct od_str type, int64_t time,
                                     bool has_value, double value) OD_MUST_USE;
/* Sorts, drops rows identical in all fields kept here, freezes. The result owns everything it
 * points to (but the tables) and is freed with od_training_free. The builder is empty afterwards.
 */
enum od_status od_training_finish(struct od_training_builder *builder, struct od_training **out,
                                  struct od_error *err) OD_MUST_USE;
void od_training_free(struct od_training *training);

#endif
