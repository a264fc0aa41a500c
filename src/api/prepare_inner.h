/* What prepare.c and prepare_batch.c share: the datasets of a group as segments in a spec. */
#ifndef OD_API_PREPARE_INNER_H
#define OD_API_PREPARE_INNER_H

#include "api/attach.h"
#include "api/solution.h"
#include "jobs/sources.h"

struct dataset_sources {
    struct od_dataset_info info; /* arn absent: no such dataset */
    struct od_bulk *bulk;
    size_t bulk_count;
};
/* What the catalogue knows of a group's dataset. Store thread. */
enum od_status od_prepare_sources(struct od_call *call, struct od_str group,
                                  enum od_dataset_type type,
                                  struct dataset_sources *out) OD_MUST_USE;

/* Everything a job's folded segments are collected with. */
struct segment_list {
    struct od_app *app;
    struct od_arena *arena;
    struct od_buf *spec;
    int64_t job_id;
    bool for_serving; /* the worker serves: events with sessions, under a key of their own */
    unsigned folded;
    bool any;
    struct od_error *err;
};
/* Adds "key":{"schema":...,"segments":[...]} to the spec; nothing when there is no such dataset.
 * What came by Put* is folded into work/<job id>, which exists. Loader thread. */
enum od_status od_prepare_dataset(struct segment_list *list, const char *key,
                                  const struct dataset_sources *sources) OD_MUST_USE;

#endif
