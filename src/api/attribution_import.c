/* Counting an import of interactions (serving.md section 15, data.md section 7).
 *
 * Two things come of it, from one pass over the import's own segment by the loader, after the new
 * rows are ready and before the commit that makes them visible:
 * - the report, when publishAttributionMetricsToS3 was asked for: all rows, by the quarter of an
 *   hour of their timestamps. The file is in its place before the commit. An import that begins
 *   anew after a crash writes the same file again; one whose report cannot be written fails.
 * - what an INCREMENTAL import adds to the totals: rows of the last 14 days. It is stored in that
 *   commit, so it counts once and only with its rows.
 *
 * Texts are looked up once a chunk, by their codes in the chunk's dictionaries. What the rows of a
 * report add up to is kept in a tally; when that is full (millions of periods) it goes to the file
 * and begins anew, so a key may then have several lines, whose values add up. */
#include <math.h>

#include "api/attach.h"
#include "api/attribution_csv.h"
#include "api/attribution_inner.h"
#include "base/bitmap.h"
#include "data/segment.h"

#define NOT_LOOKED  UINT32_MAX
#define MOST_METRIC OD_MAX_ATTRIBUTION_METRICS

struct od_attribution_import {
    struct od_str group;
    int64_t attribution;
    struct od_attribution_cell *cells; /* totals to add: metric, source, value */
    uint32_t *sources;                 /* [count] their numbers, once stored */
    size_t count;
};

/* What the catalogue says of the job and its group's attribution. */
struct facts {
    struct od_arena *arena;
    struct od_str job;
    struct od_attribution_config config;
    bool publishes, is_incremental;
    int64_t stamp_s;
};

static enum od_status read_facts(struct od_app *app, void *context, struct od_error *err)
{
    struct facts *f = context;
    struct od_call call;
    struct od_resource job;
    struct od_json extra;
    struct od_personalize_dataset_import_job value = {0};
    od_call_internal(&call, app, f->arena);
    enum od_status s = od_resource_get(&call, &od_kind_import_job, f->job, &job);
    if (s == OD_OK)
        s = od_resource_read(&call, &od_kind_import_job, &job, &value);
    if (s == OD_OK)
        s = od_attribution_of(&call, job.group, &f->config);
    f->publishes = value.publish_attribution_metrics_to_s3.value;
    f->is_incremental = od_str_eq_c(value.import_mode, "INCREMENTAL");
    if (s == OD_OK && f->publishes) {
        s = od_json_parse(f->arena, job.extra, &extra, &call.err);
        if (s == OD_OK)
            f->stamp_s = od_json_get_i64(&extra, "reportStamp", 0);
    }
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

/* ---- the pass over the segment ---- */

struct pass {
    struct od_app *app;
    const struct facts *facts;
    struct od_error *err;
    int64_t now_s;
    struct od_source_names sources;
    struct od_tally tally; /* of the report */
    struct od_attribution_csv csv;
    double totals[MOST_METRIC][OD_SOURCE_PLACES];
    bool counted[MOST_METRIC][OD_SOURCE_PLACES];
};

/* A chunk and what is known of its texts. */
struct view {
    struct od_arena arena; /* of this chunk */
    const struct od_chunk *chunk;
    size_t item, time, type, source, rid;       /* places of columns, SIZE_MAX: none */
    size_t own[MOST_METRIC];                    /* of SUM(Interactions.COL) */
    uint16_t *metrics_of;                       /* [types] a bit for each metric of that type */
    uint32_t *number_of_source, *number_of_rid; /* [texts] NOT_LOOKED: not yet */
    double *item_number[MOST_METRIC];           /* [items] of SUM(Items.COL); NaN: none */
};

static size_t place_of(const struct od_schema *schema, const struct od_chunk *chunk,
                       const char *name, bool text)
{
    size_t at = od_schema_find(schema, od_str_c(name));
    if (at >= chunk->column_count || !chunk->columns[at].codes != !text)
        return SIZE_MAX;
    return at;
}

static uint32_t *unlooked(struct od_arena *arena, const struct od_chunk *chunk, size_t place)
{
    uint32_t count = place == SIZE_MAX ? 0 : chunk->columns[place].dict_count;
    uint32_t *numbers = OD_NEW_ARRAY(arena, uint32_t, count + 1);
    for (uint32_t i = 0; numbers && i < count; i++)
        numbers[i] = NOT_LOOKED;
    return numbers;
}

static bool look_up_types(const struct pass *p, struct view *v)
{
    const struct od_attribution_config *config = &p->facts->config;
    const struct od_chunk_column *types = &v->chunk->columns[v->type];
    v->metrics_of = OD_NEW_ARRAY(&v->arena, uint16_t, types->dict_count + 1);
    for (uint32_t i = 0; v->metrics_of && i < types->dict_count; i++)
        for (size_t m = 0; m < config->metric_count; m++)
            if (od_str_eq_nocase(config->metrics[m].event_type, od_chunk_text(types, i)))
                v->metrics_of[i] |= (uint16_t)(1u << m);
    return v->metrics_of != NULL;
}

static bool look_up_items(const struct pass *p, struct view *v, size_t m)
{
    const struct od_attribution_config *config = &p->facts->config;
    const struct od_chunk_column *items = &v->chunk->columns[v->item];
    double *numbers = OD_NEW_ARRAY(&v->arena, double, items->dict_count + 1);
    for (uint32_t i = 0; numbers && i < items->dict_count; i++)
        if (!od_serve_item_number(p->app->serve, config->group, od_chunk_text(items, i),
                                  config->metrics[m].parsed.column, &numbers[i]))
            numbers[i] = NAN;
    v->item_number[m] = numbers;
    return numbers != NULL;
}

static bool open_view(const struct pass *p, const struct od_schema *schema,
                      const struct od_chunk *chunk, struct view *v)
{
    const struct od_attribution_config *config = &p->facts->config;
    v->chunk = chunk;
    v->item = place_of(schema, chunk, "ITEM_ID", true);
    v->time = place_of(schema, chunk, "TIMESTAMP", false);
    v->type = place_of(schema, chunk, "EVENT_TYPE", true);
    v->source = place_of(schema, chunk, "EVENT_ATTRIBUTION_SOURCE", true);
    v->rid = place_of(schema, chunk, "RECOMMENDATION_ID", true);
    if (v->item == SIZE_MAX || v->time == SIZE_MAX || v->type == SIZE_MAX)
        return true; /* an older schema without types: nothing to count */
    v->number_of_source = unlooked(&v->arena, chunk, v->source);
    v->number_of_rid = unlooked(&v->arena, chunk, v->rid);
    bool ok = v->number_of_source && v->number_of_rid && look_up_types(p, v);
    for (size_t m = 0; ok && m < config->metric_count; m++) {
        const struct od_metric_expression *e = &config->metrics[m].parsed;
        v->own[m] = od_schema_find_nocase(schema, e->column);
        if (e->function == OD_METRIC_SUM && e->type == OD_ITEMS)
            ok = look_up_items(p, v, m);
    }
    return ok;
}

static bool is_null(const struct od_chunk_column *column, uint32_t row)
{
    return column->nulls && od_bitmap_get(column->nulls, row);
}

/* The code of a text cell; false: null, or outside its dictionary. */
static bool code_at(const struct view *v, size_t place, uint32_t row, uint16_t *out)
{
    if (place == SIZE_MAX)
        return false;
    const struct od_chunk_column *column = &v->chunk->columns[place];
    *out = column->codes[row];
    return !is_null(column, row) && *out < column->dict_count;
}

static uint32_t source_of(struct pass *p, struct view *v, uint32_t row)
{
    uint16_t code;
    uint32_t *number;
    struct od_str text;
    if (code_at(v, v->source, row, &code)) {
        number = &v->number_of_source[code];
        text = od_chunk_text(&v->chunk->columns[v->source], code);
        if (*number == NOT_LOOKED)
            *number = text.len ? od_source_names_number(&p->sources, text) : OD_SOURCE_UNDEFINED;
        return *number;
    }
    if (!code_at(v, v->rid, row, &code))
        return OD_SOURCE_UNDEFINED;
    number = &v->number_of_rid[code];
    if (*number == NOT_LOOKED) {
        text = od_serve_source(p->app->serve, p->facts->config.group,
                               od_chunk_text(&v->chunk->columns[v->rid], code), &v->arena);
        *number = text.ptr ? od_source_names_number(&p->sources, text) : OD_SOURCE_UNDEFINED;
    }
    return *number;
}

static bool number_at(const struct pass *p, const struct view *v, size_t m, uint32_t row,
                      double *out)
{
    const struct od_metric_expression *e = &p->facts->config.metrics[m].parsed;
    struct od_value value;
    uint16_t code;
    if (e->function == OD_METRIC_SAMPLECOUNT) {
        *out = 1;
        return true;
    }
    if (e->type == OD_ITEMS) {
        *out = code_at(v, v->item, row, &code) ? v->item_number[m][code] : NAN;
        return isfinite(*out);
    }
    if (v->own[m] >= v->chunk->column_count)
        return false;
    od_chunk_value(v->chunk, v->own[m], row, &value);
    *out = value.kind == OD_VALUE_INTEGER ? (double)value.integer : value.real;
    return (value.kind == OD_VALUE_INTEGER || value.kind == OD_VALUE_REAL) && isfinite(*out);
}

static enum od_status flush(struct pass *p)
{
    const struct od_tally_cell *cells = od_tally_sort(&p->tally);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < p->tally.count; i++) {
        const struct od_attribution_metric *metric = &p->facts->config.metrics[cells[i].metric];
        const struct od_attribution_cell row = {
            .period_s = cells[i].period_s,
            .metric = metric->name,
            .source = p->sources.list[cells[i].source],
            .event_type = metric->event_type,
            .math_function = od_metric_function_name(metric->parsed.function),
            .value = cells[i].value,
        };
        s = od_attribution_csv_row(&p->csv, &row, p->err);
    }
    od_tally_clear(&p->tally);
    return s;
}

static enum od_status add_to_report(struct pass *p, int64_t time_s, size_t m, uint32_t source,
                                    double value)
{
    int64_t period_s = od_attribution_period(time_s);
    enum od_status s = od_tally_add(&p->tally, period_s, (uint32_t)m, source, value);
    if (s == OD_LIMIT) {
        s = flush(p);
        if (s != OD_OK)
            return s;
        s = od_tally_add(&p->tally, period_s, (uint32_t)m, source, value);
    }
    return s == OD_OK ? OD_OK : od_fail(p->err, s, NULL);
}

static enum od_status count_row(struct pass *p, struct view *v, uint32_t row)
{
    const struct od_chunk_column *time = &v->chunk->columns[v->time];
    uint16_t type;
    if (is_null(time, row) || !code_at(v, v->type, row, &type) || !v->metrics_of[type])
        return OD_OK;
    int64_t time_s = time->integers[row];
    bool recent = p->facts->is_incremental && time_s > p->now_s - OD_ATTRIBUTION_AGE_S;
    enum od_status s = OD_OK;
    for (size_t m = 0; s == OD_OK && m < p->facts->config.metric_count; m++) {
        double value;
        if (!(v->metrics_of[type] >> m & 1) || !number_at(p, v, m, row, &value))
            continue;
        uint32_t source = source_of(p, v, row);
        if (recent) {
            p->totals[m][source] = od_tally_sum(p->totals[m][source], value);
            p->counted[m][source] = true;
        }
        if (p->facts->publishes)
            s = add_to_report(p, time_s, m, source, value);
    }
    return s;
}

static enum od_status count_chunk(struct pass *p, const struct od_segment *segment, size_t index)
{
    struct od_chunk chunk;
    struct view view = {0};
    od_arena_init(&view.arena, SIZE_MAX);
    enum od_status s = od_segment_chunk(segment, index, &view.arena, &chunk, p->err);
    if (s == OD_OK && !open_view(p, &segment->schema, &chunk, &view))
        s = od_fail(p->err, OD_NO_MEMORY, NULL);
    for (uint32_t row = 0; s == OD_OK && view.metrics_of && row < chunk.row_count; row++)
        s = count_row(p, &view, row);
    od_arena_done(&view.arena);
    return s;
}

static enum od_status count_segment(struct pass *p, struct od_str path)
{
    struct od_arena arena;
    struct od_io_map map;
    struct od_segment segment;
    const struct od_io *io = p->app->io;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str full = od_app_path(p->app, &arena, "%.*s", OD_STR_ARG(path));
    enum od_status s =
        full.ptr ? io->map(io, full.ptr, &map, p->err) : od_fail(p->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = od_segment_open(&arena, (struct od_str){map.ptr, map.bytes}, &segment, p->err);
        for (size_t i = 0; s == OD_OK && i < segment.chunk_count; i++)
            s = count_chunk(p, &segment, i);
        io->unmap(io, &map);
    }
    od_arena_done(&arena);
    return s;
}

/* ---- before and after it ---- */

static enum od_status write_report(struct pass *p, struct od_str path)
{
    struct od_error why;
    enum od_status s = od_attribution_csv_open(
        &p->csv, p->app->io, p->app->objects, p->facts->config.location,
        p->facts->is_incremental ? "INCREMENTAL" : "FULL", p->facts->stamp_s, p->err);
    bool is_open = s == OD_OK;
    if (s == OD_OK)
        s = count_segment(p, path);
    if (s == OD_OK)
        s = flush(p);
    if (s == OD_OK)
        s = od_attribution_csv_close(&p->csv, p->err);
    else if (is_open)
        od_attribution_csv_abort(&p->csv);
    if (s == OD_OK)
        return OD_OK;
    od_error_copy(&why, p->err);
    return od_fail(p->err, s,
                   "Failed to create a data import job for INTERACTIONS dataset. Its attribution "
                   "report cannot be written to %.*s: %s",
                   OD_STR_ARG(p->facts->config.location), why.message);
}

static enum od_status keep_totals(const struct pass *p, struct od_arena *arena,
                                  struct od_attribution_import **out)
{
    const struct od_attribution_config *config = &p->facts->config;
    struct od_attribution_import *import = OD_NEW(arena, struct od_attribution_import);
    size_t most = config->metric_count * p->sources.count;
    if (!import)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    import->group = config->group;
    import->attribution = config->id;
    import->cells = OD_NEW_ARRAY(arena, struct od_attribution_cell, most);
    import->sources = OD_NEW_ARRAY(arena, uint32_t, most);
    if (!import->cells || !import->sources)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    for (size_t m = 0; m < config->metric_count; m++)
        for (uint32_t i = 0; i < p->sources.count; i++) {
            if (!p->counted[m][i])
                continue;
            struct od_attribution_cell *cell = &import->cells[import->count++];
            *cell = (struct od_attribution_cell){.metric = config->metrics[m].name,
                                                 .source = od_arena_str(arena, p->sources.list[i]),
                                                 .value = p->totals[m][i]};
            if (!cell->source.ptr)
                return od_fail(p->err, OD_NO_MEMORY, NULL);
        }
    *out = import;
    return OD_OK;
}

enum od_status od_attribution_import(struct od_app *app, struct od_str job, struct od_str path,
                                     struct od_arena *arena, struct od_attribution_import **out,
                                     struct od_error *err)
{
    struct facts facts = {.arena = arena, .job = job};
    *out = NULL;
    enum od_status s = od_app_on_store(app, read_facts, &facts, err);
    facts.publishes = facts.publishes && facts.config.location.ptr; /* gone since the job began */
    if (s != OD_OK || !facts.config.arn.ptr || (!facts.publishes && !facts.is_incremental))
        return s;
    struct pass *p = OD_NEW(arena, struct pass);
    if (!p)
        return od_fail(err, OD_NO_MEMORY, NULL);
    p->app = app;
    p->facts = &facts;
    p->err = err;
    p->now_s = app->io->now_ms(app->io) / 1000;
    od_source_names_init(&p->sources);
    od_tally_init(&p->tally, OD_MAX_ATTRIBUTION_CELLS);
    s = facts.publishes ? write_report(p, path) : count_segment(p, path);
    if (s == OD_OK && facts.is_incremental)
        s = keep_totals(p, arena, out);
    od_tally_done(&p->tally);
    od_source_names_cut(&p->sources, OD_SOURCE_OTHER + 1);
    return s;
}

/* The attribution that was counted for, if it still is there. */
static struct od_attribution *same_live(struct od_app *app,
                                        const struct od_attribution_import *import)
{
    struct od_attribution *live = import ? od_attribution_live(app, import->group) : NULL;
    return live && live->config.id == import->attribution ? live : NULL;
}

enum od_status od_attribution_import_store(struct od_app *app, struct od_attribution_import *import,
                                           struct od_error *err)
{
    struct od_attribution *live = same_live(app, import);
    enum od_status s = OD_OK;
    for (size_t i = 0; live && s == OD_OK && i < import->count; i++) {
        struct od_attribution_cell *cell = &import->cells[i];
        if (od_attribution_metric(&live->config, cell->metric) == SIZE_MAX)
            continue; /* removed meanwhile */
        import->sources[i] = od_source_names_number(&live->sources, cell->source);
        cell->source = live->sources.list[import->sources[i]];
        s = od_attribution_add(app->store, import->attribution, cell, false, err);
    }
    return s;
}

void od_attribution_import_settle(struct od_app *app, const struct od_attribution_import *import,
                                  bool committed)
{
    struct od_attribution *live = same_live(app, import);
    if (!live)
        return;
    pthread_mutex_lock(&app->attributions->lock);
    for (size_t i = 0; committed && i < import->count; i++) {
        size_t metric = od_attribution_metric(&live->config, import->cells[i].metric);
        if (metric == SIZE_MAX)
            continue;
        double *total = &live->totals[metric][import->sources[i]];
        *total = od_tally_sum(*total, import->cells[i].value);
        live->counted[metric][import->sources[i]] = true;
    }
    if (committed)
        live->settled = live->sources.count;
    else
        od_source_names_cut(&live->sources, live->settled);
    pthread_mutex_unlock(&app->attributions->lock);
}
