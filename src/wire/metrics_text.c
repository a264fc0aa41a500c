/* Metrics as Prometheus text, exposition format 0.0.4.
 *
 *     # HELP name text
 *     # TYPE name counter|histogram|gauge
 *     name{label="value",...} number
 *
 * A histogram has a cumulative name_bucket line for each bound and for +Inf, a name_sum in seconds
 * and a name_count. The members' order and the spare member "other" are explained in metrics.c. */
#include "wire/metrics_inner.h"

#include <math.h>
#include <stdlib.h>

#define NS_PER_S 1e9

/* Backslash, line feed and, in label values, the quote are escaped; ill-formed UTF-8 becomes
 * U+FFFD. */
static void put_escaped(struct od_buf *out, struct od_str s, bool quote)
{
    while (s.len) {
        size_t run = 0;
        while (run < s.len && s.ptr[run] != '\\' && s.ptr[run] != '\n' &&
               !(quote && s.ptr[run] == '"'))
            run++;
        run = od_utf8_check(od_str_sub(s, 0, run));
        od_buf_put(out, s.ptr, run);
        if (run == s.len)
            return;
        char c = s.ptr[run];
        if (c == '\n')
            od_buf_puts(out, "\\n");
        else if (c == '\\' || c == '"')
            od_buf_printf(out, "\\%c", c);
        else
            od_buf_puts(out, "\xEF\xBF\xBD");
        s = od_str_sub(s, run + 1, s.len);
    }
}

void od_registry_write_label(struct od_buf *out, struct od_str name, struct od_str value)
{
    od_buf_str(out, name);
    od_buf_puts(out, "=\"");
    put_escaped(out, value, true);
    od_buf_char(out, '"');
}

/* name_suffix{label="value",le="bound"} and a space; le NULL: none. */
static void put_series(struct od_buf *out, const struct od_registry_series *series,
                       const char *suffix, const char *le)
{
    const struct od_registry_family *family = series->family;
    od_buf_puts(out, family->name);
    od_buf_puts(out, suffix);
    const char *before = "{";
    for (size_t i = 0; i < family->label_count; i++, before = ",") {
        od_buf_puts(out, before);
        od_registry_write_label(out, family->labels[i], series->values[i]);
    }
    if (le) {
        od_buf_puts(out, before);
        od_buf_printf(out, "le=\"%s\"", le);
    }
    od_buf_puts(out, family->label_count || le ? "} " : " ");
}

static uint64_t read_count(const struct od_registry_series *series, size_t i)
{
    return atomic_load_explicit(&((struct od_registry_series *)(uintptr_t)series)->counts[i],
                                memory_order_relaxed);
}

static void put_histogram(struct od_buf *out, const struct od_registry_series *series)
{
    const struct od_registry_family *family = series->family;
    uint64_t total = 0;
    struct od_buf le;
    od_buf_init(&le, 64);
    for (size_t i = 0; i <= family->bound_count; i++) {
        total += read_count(series, i);
        od_buf_clear(&le);
        if (i < family->bound_count)
            od_buf_double(&le, family->bounds[i]);
        else
            od_buf_puts(&le, "+Inf");
        put_series(out, series, "_bucket", le.ptr ? le.ptr : "");
        od_buf_printf(out, "%llu\n", (unsigned long long)total);
    }
    od_buf_done(&le);
    uint64_t sum_ns = atomic_load_explicit(
        &((struct od_registry_series *)(uintptr_t)series)->sum_ns, memory_order_relaxed);
    put_series(out, series, "_sum", NULL);
    od_buf_double(out, (double)sum_ns / NS_PER_S);
    od_buf_char(out, '\n');
    put_series(out, series, "_count", NULL);
    od_buf_printf(out, "%llu\n", (unsigned long long)total);
}

static void put_number(struct od_buf *out, double value)
{
    if (isnan(value))
        od_buf_puts(out, "NaN");
    else if (isinf(value))
        od_buf_puts(out, value > 0 ? "+Inf" : "-Inf");
    else
        od_buf_double(out, value);
}

/* The spare member "other" of a labelled family is shown once it has counted something. */
static bool is_shown(const struct od_registry_series *series)
{
    const struct od_registry_family *family = series->family;
    if (series != family->other || !family->label_count)
        return true;
    for (size_t i = 0; i < od_registry_number_count(family); i++)
        if (read_count(series, i))
            return true;
    return false;
}

static void put_family(struct od_buf *out, struct od_registry_family *family)
{
    static const char *const kinds[] = {"counter", "histogram", "gauge"};
    od_buf_printf(out, "# HELP %s ", family->name);
    put_escaped(out, od_str_c(family->help), false);
    od_buf_printf(out, "\n# TYPE %s %s\n", family->name, kinds[family->kind]);
    if (family->kind == OD_REGISTRY_GAUGE) {
        od_buf_printf(out, "%s ", family->name);
        put_number(out, family->read(family->context));
        od_buf_char(out, '\n');
        return;
    }
    pthread_rwlock_rdlock(&family->lock);
    for (struct od_registry_series *s = family->sorted; s; s = s->sorted) {
        if (!is_shown(s))
            continue;
        if (family->kind == OD_REGISTRY_HISTOGRAM) {
            put_histogram(out, s);
        } else {
            put_series(out, s, "", NULL);
            od_buf_printf(out, "%llu\n", (unsigned long long)read_count(s, 0));
        }
    }
    pthread_rwlock_unlock(&family->lock);
}

void od_registry_write(struct od_registry *registry, struct od_buf *out)
{
    pthread_rwlock_rdlock(&registry->lock);
    for (struct od_registry_family *family = registry->first; family; family = family->next)
        put_family(out, family);
    pthread_rwlock_unlock(&registry->lock);
}
