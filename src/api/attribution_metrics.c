/* What /metrics shows of metric attributions, in place of CloudWatch:
 *
 *     ondol_attribution{dataset_group="arn:...",metric="CLICKS",event_type="CLICK",
 *                       math_function="samplecount",source="arn:...campaign/c"} 12
 *
 * the total of each metric and source since the metric was added. It is a gauge: a sum of negative
 * numbers falls. A source may be whatever a client sends, and there may be many groups, so the page
 * is bounded: beyond OD_MAX_METRIC_SERIES lines a metric's further sources are one line, "other".
 * Sources are shown as sent; upper case, as CloudWatch has it, could make two lines of one name. */
#include "api/attribution_inner.h"
#include "wire/metrics.h"

#include "base/limits.h"

struct od_str od_attribution_upper(struct od_str text, char *room)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        room[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
    return (struct od_str){room, text.len};
}

static void write_label(struct od_buf *out, const char *name, struct od_str value, bool upper)
{
    char room[4 * 256]; /* names and types have at most 256 characters */
    if (upper && value.len <= sizeof room)
        value = od_attribution_upper(value, room);
    od_registry_write_label(out, od_str_c(name), value);
}

static void write_line(struct od_buf *out, const struct od_attribution_config *config,
                       size_t metric, struct od_str source, double value)
{
    const struct od_attribution_metric *m = &config->metrics[metric];
    od_buf_puts(out, "ondol_attribution{");
    write_label(out, "dataset_group", config->group, false);
    od_buf_char(out, ',');
    write_label(out, "metric", m->name, true);
    od_buf_char(out, ',');
    write_label(out, "event_type", m->event_type, true);
    od_buf_char(out, ',');
    write_label(out, "math_function", od_metric_function_name(m->parsed.function), false);
    od_buf_char(out, ',');
    write_label(out, "source", source, false);
    od_buf_puts(out, "} ");
    od_buf_double(out, value);
    od_buf_char(out, '\n');
}

/* Lines of one metric; *room: how many are left on the page. */
static void write_metric(struct od_buf *out, const struct od_attribution *a, size_t metric,
                         size_t *room)
{
    double rest = 0;
    bool more = false;
    for (uint32_t i = 0; i < a->settled; i++) {
        if (!a->counted[metric][i])
            continue;
        if (*room) {
            write_line(out, &a->config, metric, a->sources.list[i], a->totals[metric][i]);
            (*room)--;
        } else {
            rest = od_tally_sum(rest, a->totals[metric][i]);
            more = true;
        }
    }
    if (more)
        write_line(out, &a->config, metric, OD_STR("other"), rest);
}

void od_attributions_write(struct od_app *app, struct od_buf *out)
{
    struct od_attributions *attributions = app->attributions;
    size_t room = OD_MAX_METRIC_SERIES;
    od_buf_puts(out, "# HELP ondol_attribution Totals of metric attributions by source.\n"
                     "# TYPE ondol_attribution gauge\n");
    pthread_mutex_lock(&attributions->lock);
    for (const struct od_attribution *a = attributions->first; a; a = a->next)
        for (size_t i = 0; i < a->config.metric_count; i++)
            write_metric(out, a, i, &room);
    pthread_mutex_unlock(&attributions->lock);
}
