/* The metrics registry: families, their members, and the counting.
 *
 * A family has a kind, a name and label names; its members have label values and numbers. Members
 * are found through a hash table under the family's lock (read-locked, as a member is made once and
 * used for ever), and are never freed before the registry, so a caller may keep the pointer and pay
 * only for the atomic addition. They also hang in a list sorted by label values, which makes the
 * text stable without sorting at every scrape.
 *
 * Bounds. Label values can come from clients, so members are limited (OD_MAX_METRIC_SERIES) and
 * values are cut (OD_MAX_LABEL_CHARS). What has no room is counted in the member "other", made with
 * the family, so that the sum over the family stays right.
 *
 * Counts are relaxed atomics: each is right by itself, and a scrape during traffic may see one
 * request in one family and not yet in another. A histogram's count is the sum of its buckets as
 * read, so its text is always consistent with itself; its sum may be a few observations off.
 *
 * Locks: registry->lock (the list of families), then a family's; both leaves otherwise. A gauge's
 * function is called under registry->lock, read-locked, and must not register anything. */
#include "wire/metrics_inner.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define NS_PER_S  1e9
#define MAX_NAMES 256 /* bytes of the comma-separated label names */

struct od_registry_counter {
    struct od_registry_family family;
};

struct od_registry_histogram {
    struct od_registry_family family;
};

const double od_registry_latency_bounds[16] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                               0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                               1,      2.5,     5,      10};

/* --- members --- */

size_t od_registry_number_count(const struct od_registry_family *family)
{
    return family->kind == OD_REGISTRY_HISTOGRAM ? family->bound_count + 1 : 1;
}

static struct od_registry_series *new_series(struct od_registry_family *family,
                                             const struct od_str *values, uint64_t hash)
{
    size_t text = 0, numbers = od_registry_number_count(family) * sizeof(_Atomic uint64_t);
    for (size_t i = 0; i < family->label_count; i++)
        text += values[i].len;
    struct od_registry_series *series = calloc(1, sizeof *series + numbers + text);
    if (!series)
        return NULL;
    char *at = (char *)series + sizeof *series + numbers;
    series->family = family;
    series->hash = hash;
    for (size_t i = 0; i < family->label_count; i++) {
        if (values[i].len)
            memcpy(at, values[i].ptr, values[i].len);
        series->values[i] = (struct od_str){at, values[i].len};
        at += values[i].len;
    }
    return series;
}

static uint64_t hash_values(const struct od_str *values, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = od_hash_mix(od_hash(values[i].ptr, values[i].len, i), hash);
    return hash;
}

static int compare_values(const struct od_str *a, const struct od_str *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int order = od_str_cmp(a[i], b[i]);
        if (order)
            return order;
    }
    return 0;
}

static struct od_registry_series *find(const struct od_registry_family *family,
                                       const struct od_str *values, uint64_t hash)
{
    struct od_registry_series *series = family->chains[hash % OD_REGISTRY_CHAINS];
    while (series && (series->hash != hash ||
                      compare_values(series->values, values, family->label_count) != 0))
        series = series->chain;
    return series;
}

static void insert(struct od_registry_family *family, struct od_registry_series *series)
{
    struct od_registry_series **chain = &family->chains[series->hash % OD_REGISTRY_CHAINS];
    series->chain = *chain;
    *chain = series;
    struct od_registry_series **at = &family->sorted;
    while (*at && compare_values((*at)->values, series->values, family->label_count) < 0)
        at = &(*at)->sorted;
    series->sorted = *at;
    *at = series;
    family->series_count++;
}

/* At most OD_MAX_LABEL_CHARS bytes, no character cut in two. */
static struct od_str cut_value(struct od_str value)
{
    if (!value.ptr)
        return OD_STR("");
    if (value.len <= OD_MAX_LABEL_CHARS)
        return value;
    size_t len = OD_MAX_LABEL_CHARS;
    while (len > 0 && ((unsigned char)value.ptr[len] & 0xc0) == 0x80)
        len--;
    return od_str_sub(value, 0, len);
}

static struct od_registry_series *series_of(struct od_registry_family *family,
                                            const struct od_str *values)
{
    if (!family->label_count)
        return family->other;
    struct od_str cut[OD_MAX_METRIC_LABELS];
    for (size_t i = 0; i < family->label_count; i++)
        cut[i] = cut_value(values[i]);
    uint64_t hash = hash_values(cut, family->label_count);
    pthread_rwlock_rdlock(&family->lock);
    struct od_registry_series *series = find(family, cut, hash);
    pthread_rwlock_unlock(&family->lock);
    if (series)
        return series;
    pthread_rwlock_wrlock(&family->lock);
    series = find(family, cut, hash); /* somebody may have been faster */
    if (!series && family->series_count < OD_MAX_METRIC_SERIES) {
        series = new_series(family, cut, hash);
        if (series)
            insert(family, series);
    }
    pthread_rwlock_unlock(&family->lock);
    return series ? series : family->other;
}

struct od_registry_series *od_registry_counter_of(struct od_registry_counter *counter,
                                                  const struct od_str *values)
{
    return series_of(&counter->family, values);
}

struct od_registry_series *od_registry_histogram_of(struct od_registry_histogram *histogram,
                                                    const struct od_str *values)
{
    return series_of(&histogram->family, values);
}

void od_registry_add(struct od_registry_series *counter, uint64_t amount)
{
    assert(counter->family->kind == OD_REGISTRY_COUNTER);
    atomic_fetch_add_explicit(&counter->counts[0], amount, memory_order_relaxed);
}

void od_registry_observe_ns(struct od_registry_series *histogram, int64_t ns)
{
    const struct od_registry_family *family = histogram->family;
    assert(family->kind == OD_REGISTRY_HISTOGRAM);
    if (ns < 0)
        ns = 0;
    size_t bucket = 0;
    while (bucket < family->bound_count && ns > family->bounds_ns[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, (uint64_t)ns, memory_order_relaxed);
}

/* --- families --- */

static bool is_name(const char *name, bool colon)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' ||
              (*c == ':' && colon) || (*c >= '0' && *c <= '9' && c > name)))
            return false;
    return *name != '\0';
}

static void set_labels(struct od_registry_family *family, const char *labels)
{
    struct od_str rest = *labels ? od_str_c(labels) : OD_STR_NONE, name;
    while (od_str_cut(&rest, ',', &name)) {
        assert(family->label_count < OD_MAX_METRIC_LABELS);
        family->labels[family->label_count++] = name;
    }
}

/* Starts the members of a family and puts it at the end of the list. False when out of memory. */
static bool enter_family(struct od_registry *registry, struct od_registry_family *family)
{
    struct od_str others[OD_MAX_METRIC_LABELS];
    for (size_t i = 0; i < OD_MAX_METRIC_LABELS; i++)
        others[i] = OD_STR("other");
    if (pthread_rwlock_init(&family->lock, NULL))
        return false;
    if (family->kind != OD_REGISTRY_GAUGE) {
        family->other = new_series(family, others, hash_values(others, family->label_count));
        if (!family->other) {
            pthread_rwlock_destroy(&family->lock);
            return false;
        }
        insert(family, family->other);
    }
    pthread_rwlock_wrlock(&registry->lock);
    for (struct od_registry_family *f = registry->first; f; f = f->next)
        assert(strcmp(f->name, family->name) != 0);
    *registry->end = family;
    registry->end = &family->next;
    pthread_rwlock_unlock(&registry->lock);
    return true;
}

static struct od_registry_family *
new_family(struct od_registry *registry, const struct od_registry_family *like, const char *labels)
{
    assert(is_name(like->name, true) && strlen(labels) < MAX_NAMES);
    struct od_registry_family *family = malloc(sizeof *family);
    if (!family)
        return NULL;
    *family = *like;
    set_labels(family, labels);
    for (size_t i = 0; i < family->label_count; i++) {
        char name[MAX_NAMES] = "";
        memcpy(name, family->labels[i].ptr, family->labels[i].len);
        assert(is_name(name, false) && strcmp(name, "le") != 0);
    }
    if (enter_family(registry, family))
        return family;
    free(family);
    return NULL;
}

struct od_registry_counter *od_registry_counter_new(struct od_registry *registry, const char *name,
                                                    const char *help, const char *labels)
{
    struct od_registry_family like = {.kind = OD_REGISTRY_COUNTER, .name = name, .help = help};
    return (struct od_registry_counter *)new_family(registry, &like, labels);
}

struct od_registry_histogram *od_registry_histogram_new(struct od_registry *registry,
                                                        const char *name, const char *help,
                                                        const char *labels, const double *bounds,
                                                        size_t count)
{
    struct od_registry_family like = {.kind = OD_REGISTRY_HISTOGRAM, .name = name, .help = help};
    if (!bounds) {
        bounds = od_registry_latency_bounds;
        count = sizeof od_registry_latency_bounds / sizeof *od_registry_latency_bounds;
    }
    assert(count >= 1 && count <= OD_MAX_METRIC_BUCKETS);
    for (size_t i = 0; i < count; i++) {
        assert(bounds[i] > (i ? bounds[i - 1] : 0) && bounds[i] < 1e9);
        like.bounds[i] = bounds[i];
        like.bounds_ns[i] = (int64_t)llround(bounds[i] * NS_PER_S);
    }
    like.bound_count = count;
    return (struct od_registry_histogram *)new_family(registry, &like, labels);
}

bool od_registry_gauge(struct od_registry *registry, const char *name, const char *help,
                       double (*read)(void *context), void *context)
{
    struct od_registry_family like = {
        .kind = OD_REGISTRY_GAUGE, .name = name, .help = help, .read = read, .context = context};
    return new_family(registry, &like, "") != NULL;
}

struct od_registry *od_registry_new(void)
{
    struct od_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return NULL;
    if (pthread_rwlock_init(&registry->lock, NULL)) {
        free(registry);
        return NULL;
    }
    registry->end = &registry->first;
    return registry;
}

void od_registry_free(struct od_registry *registry)
{
    if (!registry)
        return;
    for (struct od_registry_family *family = registry->first, *next; family; family = next) {
        next = family->next;
        for (struct od_registry_series *s = family->sorted, *after; s; s = after) {
            after = s->sorted;
            free(s);
        }
        pthread_rwlock_destroy(&family->lock);
        free(family);
    }
    pthread_rwlock_destroy(&registry->lock);
    free(registry);
}
