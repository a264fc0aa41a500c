/* A registry of metrics, written as Prometheus text (exposition format 0.0.4).
 *
 * Metrics are registered at start, counted on any thread, written when /metrics is asked. A count
 * is one or two atomic additions. (Solution metrics, HR and NDCG, are struct od_metrics of the
 * recipes and have nothing to do with this.) */
#ifndef OD_WIRE_METRICS_H
#define OD_WIRE_METRICS_H

#include "base/str.h"

struct od_registry;
struct od_registry_counter;   /* a family of counters: one a combination of label values */
struct od_registry_histogram; /* a family of histograms of seconds */
struct od_registry_series;    /* one member of a family; valid as long as the registry */

/* NULL when out of memory. */
struct od_registry *od_registry_new(void);
void od_registry_free(struct od_registry *registry);

/* Registering: names as Prometheus has them ([a-zA-Z_:][a-zA-Z0-9_:]*, labels without ":"), each
 * once; labels: names separated by commas, "" for none, at most OD_MAX_METRIC_LABELS. name, help
 * and labels must be static. A bad or taken name is a bug (assert). NULL when out of memory. */
struct od_registry_counter *od_registry_counter_new(struct od_registry *registry, const char *name,
                                                    const char *help, const char *labels);
/* bounds: upper bounds in seconds, rising, count of them at most OD_MAX_METRIC_BUCKETS; +Inf is
 * added. bounds NULL: od_registry_latency_bounds. */
struct od_registry_histogram *od_registry_histogram_new(struct od_registry *registry,
                                                        const char *name, const char *help,
                                                        const char *labels, const double *bounds,
                                                        size_t count);
/* A value asked for when the text is written, on the writing thread. False when out of memory. */
bool od_registry_gauge(struct od_registry *registry, const char *name, const char *help,
                       double (*read)(void *context), void *context) OD_MUST_USE;
/* 100 us to 10 s, three a decade. */
extern const double od_registry_latency_bounds[16];

/* The member with these label values, as many as label names (made at its first use). Values are
 * cut to OD_MAX_LABEL_CHARS bytes, on a UTF-8 boundary. Beyond OD_MAX_METRIC_SERIES members, or
 * out of memory, the member whose labels are all "other" is given, so that counts are never lost.
 * Never NULL. Any thread; keep the pointer where the labels are known beforehand. */
struct od_registry_series *od_registry_counter_of(struct od_registry_counter *counter,
                                                  const struct od_str *values);
struct od_registry_series *od_registry_histogram_of(struct od_registry_histogram *histogram,
                                                    const struct od_str *values);
/* Any thread, no lock. */
void od_registry_add(struct od_registry_series *counter, uint64_t amount);
/* Negative or not a number counts as 0. */
void od_registry_observe_ns(struct od_registry_series *histogram, int64_t ns);

/* Appends the text of all metrics, families in order of registration, members in order of their
 * label values. Any thread; counts going on meanwhile are seen or not. */
void od_registry_write(struct od_registry *registry, struct od_buf *out);
/* Appends name="value", escaped: for metrics whose numbers are kept elsewhere. */
void od_registry_write_label(struct od_buf *out, struct od_str name, struct od_str value);

#endif
