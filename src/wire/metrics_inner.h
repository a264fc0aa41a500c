/* What the files of the metrics registry share; nobody else includes this. Overview: metrics.c. */
#ifndef OD_WIRE_METRICS_INNER_H
#define OD_WIRE_METRICS_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "wire/metrics.h"

#define OD_REGISTRY_CHAINS 256

enum od_registry_kind { OD_REGISTRY_COUNTER, OD_REGISTRY_HISTOGRAM, OD_REGISTRY_GAUGE };

struct od_registry_family;

struct od_registry_series {
    struct od_registry_series *chain, *sorted; /* next in the table; next by label values */
    struct od_registry_family *family;
    uint64_t hash;
    struct od_str values[OD_MAX_METRIC_LABELS]; /* in text below */
    _Atomic uint64_t sum_ns;                    /* histograms */
    _Atomic uint64_t counts[]; /* one, or bound_count + 1 of a histogram; then the text */
};

struct od_registry_family {
    struct od_registry_family *next;
    enum od_registry_kind kind;
    const char *name, *help;
    struct od_str labels[OD_MAX_METRIC_LABELS];
    size_t label_count;
    double bounds[OD_MAX_METRIC_BUCKETS];
    int64_t bounds_ns[OD_MAX_METRIC_BUCKETS];
    size_t bound_count;
    double (*read)(void *context); /* gauges */
    void *context;
    pthread_rwlock_t lock; /* guards the rest */
    size_t series_count;
    struct od_registry_series *chains[OD_REGISTRY_CHAINS];
    struct od_registry_series *sorted;
    struct od_registry_series *other; /* without labels: the one member */
};

struct od_registry {
    pthread_rwlock_t lock;
    struct od_registry_family *first, **end;
};

/* The counts of each member of the family. */
size_t od_registry_number_count(const struct od_registry_family *family);

#endif
