/* Metric attributions: their configuration, and the live list. See attribution.h.
 *
 * The list changes on the store thread alone, under a lock that /metrics takes to read it. Totals
 * are changed under it too; the tally of a commit and the sources that came with it are the store
 * thread's own until the commit has succeeded. */
#include "api/attribution_inner.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (1u << 20) /* ten metrics with texts of 256 characters */
#define EXTRA_MAX (1u << 16)

/* ---- the catalogue ---- */

static enum od_status read_metric(struct od_call *call, const struct od_json *json,
                                  struct od_attribution_metric *out)
{
    out->number = od_json_get_i64(json, "number", 0);
    out->name = od_json_get_str(json, "metricName", OD_STR(""));
    out->event_type = od_json_get_str(json, "eventType", OD_STR(""));
    out->expression = od_json_get_str(json, "expression", OD_STR(""));
    return od_metric_expression_parse(out->expression, &out->parsed, &call->err);
}

enum od_status od_attribution_read(struct od_call *call, const struct od_resource *resource,
                                   struct od_attribution_config *out)
{
    struct od_personalize_metric_attribution value = {0};
    struct od_json extra;
    struct od_attribution_config config = {
        .id = resource->seq, .arn = resource->arn, .group = resource->group};
    enum od_status s = od_resource_read(call, &od_kind_metric_attribution, resource, &value);
    if (s == OD_OK)
        s = od_json_parse(call->arena, resource->extra, &extra, &call->err);
    if (s != OD_OK)
        return s;
    if (value.metrics_output_config && value.metrics_output_config->s3_data_destination)
        config.location = value.metrics_output_config->s3_data_destination->path;
    config.last_number = od_json_get_i64(&extra, "lastNumber", 0);
    const struct od_json *metrics = od_json_get(&extra, OD_STR("metrics"));
    size_t count = metrics ? metrics->count : 0;
    if (count > OD_MAX_ATTRIBUTION_METRICS)
        return od_fail(&call->err, OD_CORRUPT, "The stored %.*s has %zu metrics.",
                       OD_STR_ARG(resource->arn), count);
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = read_metric(call, &metrics->items[i], &config.metrics[config.metric_count++]);
    if (s == OD_OK)
        *out = config;
    return s;
}

enum od_status od_attribution_pack(struct od_call *call, const struct od_attribution_config *config,
                                   struct od_resource *resource)
{
    struct od_buf text;
    od_buf_init(&text, EXTRA_MAX);
    od_buf_printf(&text, "{\"lastNumber\":%lld,\"metrics\":[", (long long)config->last_number);
    for (size_t i = 0; i < config->metric_count; i++) {
        const struct od_attribution_metric *metric = &config->metrics[i];
        od_buf_printf(&text, "%s{\"number\":%lld,\"metricName\":", i ? "," : "",
                      (long long)metric->number);
        od_buf_json(&text, metric->name);
        od_buf_puts(&text, ",\"eventType\":");
        od_buf_json(&text, metric->event_type);
        od_buf_puts(&text, ",\"expression\":");
        od_buf_json(&text, metric->expression);
        od_buf_char(&text, '}');
    }
    od_buf_puts(&text, "]}");
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK)
        resource->extra = od_arena_str(call->arena, od_buf_view(&text));
    od_buf_done(&text);
    if (s == OD_OK && !resource->extra.ptr)
        s = OD_NO_MEMORY;
    return s == OD_OK ? OD_OK : od_fail(&call->err, s, NULL);
}

enum od_status od_attribution_of(struct od_call *call, struct od_str group,
                                 struct od_attribution_config *out)
{
    const struct od_resource *resource;
    enum od_status s = od_resource_any(call, &od_kind_metric_attribution, OD_STR_NONE, group,
                                       OD_STR_NONE, &resource);
    if (s != OD_OK)
        return s;
    *out = (struct od_attribution_config){0};
    return resource ? od_attribution_read(call, resource, out) : OD_OK;
}

/* ---- sources ---- */

void od_source_names_init(struct od_source_names *sources)
{
    *sources = (struct od_source_names){.count = OD_SOURCE_OTHER + 1};
    sources->list[OD_SOURCE_UNDEFINED] = OD_STR("SOURCE_NAME_UNDEFINED");
    sources->list[OD_SOURCE_OTHER] = OD_STR("SOURCE_NAME_OTHER");
}

void od_source_names_cut(struct od_source_names *sources, uint32_t count)
{
    while (sources->count > count)
        free((char *)sources->list[--sources->count].ptr);
}

uint32_t od_source_names_number(struct od_source_names *sources, struct od_str text)
{
    for (uint32_t i = 0; i < sources->count; i++)
        if (od_str_eq(sources->list[i], text))
            return i;
    char *copy = sources->count < OD_SOURCE_PLACES ? malloc(text.len + 1) : NULL;
    if (!copy)
        return OD_SOURCE_OTHER;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    sources->list[sources->count] = (struct od_str){copy, text.len};
    return sources->count++;
}

/* ---- the live list ---- */

struct od_attributions *od_attributions_new(void)
{
    struct od_attributions *attributions = calloc(1, sizeof *attributions);
    if (attributions)
        pthread_mutex_init(&attributions->lock, NULL);
    return attributions;
}

static void free_one(struct od_attribution *attribution)
{
    if (!attribution)
        return;
    od_source_names_cut(&attribution->sources, OD_SOURCE_OTHER + 1);
    od_tally_done(&attribution->tally);
    od_arena_done(&attribution->arena);
    free(attribution);
}

void od_attributions_free(struct od_attributions *attributions)
{
    if (!attributions)
        return;
    while (attributions->first) {
        struct od_attribution *next = attributions->first->next;
        free_one(attributions->first);
        attributions->first = next;
    }
    pthread_mutex_destroy(&attributions->lock);
    free(attributions);
}

static bool keep(struct od_arena *arena, struct od_str *text)
{
    if (text->ptr)
        *text = od_arena_str(arena, *text);
    return text->ptr != NULL;
}

/* The configuration with strings of its own. */
static bool keep_config(struct od_attribution *attribution,
                        const struct od_attribution_config *config)
{
    struct od_arena *arena = &attribution->arena;
    struct od_attribution_config *own = &attribution->config;
    *own = *config;
    bool ok = keep(arena, &own->arn) && keep(arena, &own->group) &&
              (!config->location.ptr || keep(arena, &own->location));
    for (size_t i = 0; ok && i < own->metric_count; i++) {
        struct od_attribution_metric *metric = &own->metrics[i];
        ok = keep(arena, &metric->name) && keep(arena, &metric->event_type) &&
             keep(arena, &metric->expression) &&
             od_metric_expression_parse(metric->expression, &metric->parsed, NULL) == OD_OK;
    }
    return ok;
}

static enum od_status load_totals(struct od_call *call, struct od_attribution *attribution)
{
    struct od_attribution_cell *cells;
    size_t count;
    enum od_status s = od_attribution_totals(call->app->store, attribution->config.id, call->arena,
                                             &cells, &count, &call->err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        size_t metric = od_attribution_metric(&attribution->config, cells[i].metric);
        uint32_t source = od_source_names_number(&attribution->sources, cells[i].source);
        if (metric == SIZE_MAX)
            continue;
        attribution->totals[metric][source] = od_tally_sum(0, cells[i].value);
        attribution->counted[metric][source] = true;
    }
    attribution->settled = attribution->sources.count;
    return s;
}

size_t od_attribution_metric(const struct od_attribution_config *config, struct od_str name)
{
    for (size_t i = 0; i < config->metric_count; i++)
        if (od_str_eq_nocase(config->metrics[i].name, name))
            return i;
    return SIZE_MAX;
}

/* Takes an attribution of the list out, with the lock held. */
static struct od_attribution *take(struct od_attributions *attributions, struct od_str arn)
{
    for (struct od_attribution **at = &attributions->first; *at; at = &(*at)->next) {
        struct od_attribution *attribution = *at;
        if (!od_str_eq(attribution->config.arn, arn))
            continue;
        *at = attribution->next;
        return attribution;
    }
    return NULL;
}

enum od_status od_attach_attribution(struct od_call *call, const struct od_resource *resource)
{
    struct od_attributions *attributions = call->app->attributions;
    struct od_attribution_config config;
    enum od_status s = od_attribution_read(call, resource, &config);
    if (s != OD_OK)
        return s;
    struct od_attribution *attribution = calloc(1, sizeof *attribution);
    if (!attribution)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_arena_init(&attribution->arena, ARENA_MAX);
    od_tally_init(&attribution->tally, OD_MAX_ATTRIBUTION_CELLS);
    od_source_names_init(&attribution->sources);
    s = keep_config(attribution, &config) ? load_totals(call, attribution)
                                          : od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (s != OD_OK) {
        free_one(attribution);
        return s;
    }
    pthread_mutex_lock(&attributions->lock);
    struct od_attribution *old = take(attributions, resource->arn);
    attribution->next = attributions->first;
    attributions->first = attribution;
    pthread_mutex_unlock(&attributions->lock);
    free_one(old);
    return OD_OK;
}

void od_detach_attribution(struct od_app *app, struct od_str arn)
{
    pthread_mutex_lock(&app->attributions->lock);
    struct od_attribution *old = take(app->attributions, arn);
    pthread_mutex_unlock(&app->attributions->lock);
    free_one(old);
}

struct od_attribution *od_attribution_live(struct od_app *app, struct od_str group)
{
    struct od_attribution *attribution = app->attributions->first;
    while (attribution && !od_str_eq(attribution->config.group, group))
        attribution = attribution->next;
    return attribution;
}
