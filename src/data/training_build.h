/* What training.c collects and training_finish.c turns into a training set. Internal to the files
 * training*.c. */
#ifndef OD_DATA_TRAINING_BUILD_H
#define OD_DATA_TRAINING_BUILD_H

#include "data/training.h"

struct od_training_builder {
    struct od_str event_type; /* our copy; absent: all */
    bool has_threshold;
    double threshold;
    struct od_dict *users, *items, *types; /* codes in order of arrival; types 0 is "" */
    /* Columns over the events taken so far. Times are offsets from base while all of them fit 32
     * bits (time64 NULL), else whole (time32 NULL). */
    uint64_t count, cap;
    uint32_t *user, *item;
    uint32_t *time32;
    int64_t *time64;
    uint16_t *type;
    float *value; /* NULL until a value column or a value is seen */
    int64_t base;
    bool has_base;
    uint32_t *code_map; /* scratch of one chunk: [3 * OD_CHUNK_ROWS] */
};

/* Makes the dictionaries an empty builder lacks. */
enum od_status od_training_builder_open(struct od_training_builder *builder) OD_MUST_USE;
/* Frees the events and dictionaries and leaves an empty builder. */
void od_training_builder_empty(struct od_training_builder *builder);

/* A training set and what it owns. */
struct od_training_owned {
    struct od_training view; /* first: od_training_free gets its address */
    uint64_t *user_start;
    uint32_t *item;
    int64_t *time;
    uint16_t *type;
    float *value;
    struct od_dict *users, *items, *types;
};
void od_training_owned_free(struct od_training_owned *owned);
/* Fills the view from what is owned (user_count, item_count and the tables are the caller's). */
void od_training_seal(struct od_training_owned *owned);

#endif
