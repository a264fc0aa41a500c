/* Preparing jobs: see prepare.h. What the catalogue knows is read on the store thread; listing
 * objects and folding events, which may take a while, happens here. */
#include "api/prepare.h"

#include "api/attach.h"
#include "api/prepare_inner.h"
#include "base/limits.h"

#define ARENA_MAX (256u << 20)

static void add_key(struct od_buf *spec, const char *key)
{
    char last = spec->len ? spec->ptr[spec->len - 1] : '\0';
    od_buf_printf(spec, "%s\"%s\":", last == '{' || last == '\0' ? "" : ",", key);
}

static void add_text(struct od_buf *spec, const char *key, struct od_str text)
{
    add_key(spec, key);
    od_buf_json(spec, text);
}

static void add_number(struct od_buf *spec, const char *key, long long number)
{
    add_key(spec, key);
    od_buf_printf(spec, "%lld", number);
}

/* ---- imports ---- */

enum od_status od_import_facts_read(struct od_app *app, void *context, struct od_error *err)
{
    struct od_import_facts *facts = context;
    struct od_call call;
    struct od_resource dataset;
    od_call_internal(&call, app, facts->arena);
    enum od_status s = od_catalog_get(app->store, facts->arn, facts->arena, &facts->job, &call.err);
    if (s == OD_OK)
        s = od_resource_read(&call, &od_kind_import_job, &facts->job, &facts->value);
    if (s == OD_OK)
        s = od_catalog_get(app->store, facts->job.parent, facts->arena, &dataset, &call.err);
    if (s == OD_OK)
        s = od_dataset_info(&call, &dataset, &facts->info);
    if (s == OD_OK)
        s = od_bulk_list(app->store, dataset.arn, facts->arena, &facts->bulk, &facts->bulk_count,
                         &call.err);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static enum od_status write_import(struct od_app *app, int64_t job_id,
                                   const struct od_import_facts *facts, struct od_arena *arena,
                                   struct od_buf *spec, struct od_error *err)
{
    struct od_str *files;
    size_t count;
    struct od_error cause;
    enum od_status s = od_objects_list(app->objects, facts->value.data_source->data_location, arena,
                                       &files, &count, &cause);
    if (s != OD_OK)
        return od_fail(err, s, "Failed to create a data import job for %s dataset. %s",
                       od_dataset_type_name(facts->info.type), cause.message);
    struct od_str segment = od_app_path(app, arena, "segments/%lld.seg", (long long)job_id);
    struct od_str report = od_app_path(app, arena, "reports/%.*s.txt", OD_STR_ARG(facts->job.name));
    if (!segment.ptr || !report.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_char(spec, '{');
    add_text(spec, "kind", OD_STR("import"));
    add_text(spec, "type", od_str_c(od_dataset_type_name(facts->info.type)));
    add_text(spec, "domain", facts->info.domain_name);
    add_text(spec, "schema", facts->info.schema_text);
    add_text(spec, "segment", segment);
    add_text(spec, "report", report);
    add_number(spec, "minimum_rows",
               facts->info.type == OD_INTERACTIONS ? OD_MIN_IMPORT_INTERACTIONS : 1);
    add_number(spec, "threads", app->config.worker_threads);
    add_key(spec, "files");
    for (size_t i = 0; i < count; i++) {
        od_buf_char(spec, i ? ',' : '[');
        od_buf_json(spec, files[i]);
    }
    od_buf_puts(spec, "]}");
    s = od_buf_status(spec);
    return s == OD_OK ? OD_OK
                      : od_fail(err, s, "Too many files in %.*s.",
                                OD_STR_ARG(facts->value.data_source->data_location));
}

enum od_status od_prepare_import(struct od_app *app, int64_t job_id, struct od_str arn,
                                 struct od_buf *spec, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, ARENA_MAX);
    struct od_import_facts facts = {.arena = &arena, .arn = arn};
    enum od_status s = od_app_on_store(app, od_import_facts_read, &facts, err);
    if (s == OD_OK)
        s = write_import(app, job_id, &facts, &arena, spec, err);
    od_arena_done(&arena);
    return s;
}

/* ---- trainings ---- */

struct training_facts {
    struct od_arena *arena;
    struct od_str arn;
    struct od_resource version;
    struct od_personalize_solution_version value;
    struct od_json extra;                /* of the version */
    const struct od_json *columns;       /* that the solution knows, by dataset type; NULL: all */
    bool in_place;                       /* an automatic update: the version stays what it is */
    const struct od_recipe_spec *recipe; /* NULL: AutoML chooses */
    struct od_resource serving;          /* the version a campaign serves; arn absent: none */
    struct od_json serving_extra;
    struct dataset_sources datasets[OD_DATASET_TYPES];
};

/* The version that a campaign of the solution serves, for comparison; a recommender's is its own
 * model. */
static enum od_status read_serving(struct od_call *call, struct training_facts *facts)
{
    const struct od_resource *campaign;
    struct od_personalize_campaign value = {0};
    if (od_str_eq_c(facts->version.kind, od_kind_recommender.name)) {
        facts->serving = facts->version;
        facts->serving_extra = facts->extra;
        return OD_OK;
    }
    enum od_status s = od_resource_any(call, &od_kind_campaign, facts->version.parent, OD_STR_NONE,
                                       OD_STR_NONE, &campaign);
    if (s != OD_OK || !campaign)
        return s;
    s = od_resource_read(call, &od_kind_campaign, campaign, &value);
    if (s != OD_OK || od_catalog_get(call->app->store, value.solution_version_arn, facts->arena,
                                     &facts->serving, &call->err) != OD_OK)
        return s; /* "$LATEST" names none by itself */
    return od_json_parse(facts->arena, facts->serving.extra, &facts->serving_extra, &call->err);
}

enum od_status od_prepare_sources(struct od_call *call, struct od_str group,
                                  enum od_dataset_type type, struct dataset_sources *out)
{
    enum od_status s = od_group_dataset(call, group, type, &out->info);
    if (s == OD_OK && out->info.arn.ptr)
        s = od_bulk_list(call->app->store, out->info.arn, call->arena, &out->bulk, &out->bulk_count,
                         &call->err);
    return s;
}

/* Columns that schemas got after the solution was created are not its own. */
static enum od_status read_columns(struct od_call *call, struct training_facts *facts)
{
    struct od_resource solution;
    struct od_json *extra = OD_NEW(facts->arena, struct od_json);
    if (!od_str_eq_c(facts->version.kind, od_kind_solution_version.name))
        return OD_OK;
    if (!extra)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_catalog_get(call->app->store, facts->version.parent, facts->arena,
                                      &solution, &call->err);
    if (s == OD_OK && solution.extra.len)
        s = od_json_parse(facts->arena, solution.extra, extra, &call->err);
    if (s == OD_OK && solution.extra.len)
        facts->columns = od_json_get(extra, OD_STR("columns"));
    return s;
}

static enum od_status read_training(struct od_app *app, void *context, struct od_error *err)
{
    struct training_facts *facts = context;
    struct od_call call;
    od_call_internal(&call, app, facts->arena);
    enum od_status s =
        od_catalog_get(app->store, facts->arn, facts->arena, &facts->version, &call.err);
    if (s == OD_OK)
        s = od_version_read(&call, &facts->version, facts->in_place, &facts->value);
    if (s == OD_OK)
        s = od_json_parse(facts->arena, facts->version.extra, &facts->extra, &call.err);
    if (s == OD_OK && facts->value.recipe_arn.ptr)
        s = od_recipe_by_arn(&call, facts->value.recipe_arn, &facts->recipe);
    if (s == OD_OK)
        s = read_columns(&call, facts);
    if (s == OD_OK)
        s = read_serving(&call, facts);
    for (int t = OD_INTERACTIONS; s == OD_OK && t < OD_DATASET_TYPES; t++)
        s = od_prepare_sources(&call, facts->version.group, (enum od_dataset_type)t,
                               &facts->datasets[t]);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static enum od_status add_segment(struct segment_list *list, struct od_str absolute)
{
    if (!absolute.ptr)
        return od_fail(list->err, OD_NO_MEMORY, NULL);
    od_buf_char(list->spec, list->any ? ',' : '[');
    od_buf_json(list->spec, absolute);
    list->any = true;
    return OD_OK;
}

static struct od_str fold_path(struct segment_list *list)
{
    return od_app_path(list->app, list->arena, "work/%lld/%u.seg", (long long)list->job_id,
                       list->folded++);
}

static enum od_status add_bulk(struct segment_list *list, struct od_str relative)
{
    return add_segment(list, od_app_path(list->app, list->arena, "%.*s", OD_STR_ARG(relative)));
}

static enum od_status add_interactions(struct segment_list *list, const struct dataset_sources *d,
                                       int64_t event_mark)
{
    enum od_status s = OD_OK;
    uint64_t rows = 0;
    for (size_t i = 0; s == OD_OK && list->which != OD_PUT_ROWS && i < d->bulk_count; i++)
        s = add_bulk(list, d->bulk[i].path);
    struct od_str path = fold_path(list);
    if (s == OD_OK && list->which != OD_BULK_ROWS && event_mark)
        s = od_fold_events(list->app->io, list->app->reader, d->info.arn, event_mark,
                           d->info.schema, path, &rows, list->err);
    return s == OD_OK && rows ? add_segment(list, path) : s;
}

/* For a process that serves: sessions too (jobs/fold.c). */
static enum od_status add_activity(struct segment_list *list, const struct dataset_sources *d,
                                   int64_t event_mark)
{
    enum od_status s = OD_OK;
    uint64_t rows = 0;
    for (size_t i = 0; s == OD_OK && i < d->bulk_count; i++)
        s = add_bulk(list, d->bulk[i].path);
    od_buf_puts(list->spec, list->any ? "]" : "[]");
    struct od_str path = fold_path(list);
    if (s == OD_OK && !path.ptr)
        s = od_fail(list->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK && event_mark)
        s = od_fold_activity(list->app->io, list->app->reader, d->info.arn, event_mark, path, &rows,
                             list->err);
    if (s == OD_OK && rows)
        add_text(list->spec, "events", path);
    od_buf_char(list->spec, '}');
    return s;
}

static enum od_status add_table(struct segment_list *list, const struct dataset_sources *d,
                                int64_t record_mark)
{
    struct od_source *plan;
    size_t count;
    struct od_app *app = list->app;
    enum od_status s = od_sources_plan(app->reader, d->info.arn, d->bulk, d->bulk_count,
                                       record_mark, list->arena, &plan, &count, list->err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        uint64_t rows = 0;
        if (list->which == (plan[i].segment.ptr ? OD_PUT_ROWS : OD_BULK_ROWS))
            continue;
        if (plan[i].segment.ptr) {
            s = add_bulk(list, plan[i].segment);
            continue;
        }
        struct od_str path = fold_path(list);
        s = od_fold_records(app->io, app->reader, d->info.arn, &plan[i], record_mark,
                            d->info.schema, path, &rows, list->err);
        if (s == OD_OK && rows)
            s = add_segment(list, path);
    }
    return s;
}

static enum od_status add_dataset(struct segment_list *list, const struct dataset_sources *d)
{
    int64_t event_mark, record_mark;
    enum od_status s =
        od_events_last_seq(list->app->reader, d->info.arn, &event_mark, &record_mark, list->err);
    if (s != OD_OK)
        return s;
    add_key(list->spec, "segments");
    list->any = false;
    if (list->for_serving && d->info.type == OD_INTERACTIONS)
        return add_activity(list, d, event_mark);
    s = od_dataset_of_events(d->info.type) ? add_interactions(list, d, event_mark)
                                           : add_table(list, d, record_mark);
    od_buf_puts(list->spec, list->any ? "]}" : "[]}");
    return s;
}

enum od_status od_prepare_dataset(struct segment_list *list, const char *key,
                                  const struct dataset_sources *d)
{
    bool held = !od_dataset_of_events(d->info.type);
    if (!d->info.arn.ptr)
        return OD_OK;
    add_key(list->spec, key);
    od_buf_char(list->spec, '{');
    add_text(list->spec, "schema", d->info.schema_text);
    add_text(list->spec, "domain", d->info.domain_name);
    enum od_status s = held ? od_store_reader_hold(list->app->reader, list->err) : OD_OK;
    if (s != OD_OK)
        return s;
    s = add_dataset(list, d);
    if (held)
        od_store_reader_release(list->app->reader);
    return s;
}

static void add_map(struct od_buf *spec, const char *key, const struct od_api_string_map *map)
{
    add_key(spec, key);
    od_buf_char(spec, '{');
    for (size_t i = 0; i < map->count; i++) {
        od_buf_puts(spec, i ? "," : "");
        od_buf_json(spec, map->items[i].key);
        od_buf_char(spec, ':');
        od_buf_json(spec, map->items[i].value);
    }
    od_buf_char(spec, '}');
}

static bool listed(const struct od_api_strings_map *map, const char *type, struct od_str column,
                   bool *out_has_type)
{
    bool found = false;
    for (size_t i = 0; i < map->count; i++) {
        if (!od_str_eq_nocase(map->items[i].key, od_str_c(type)))
            continue;
        *out_has_type = true;
        for (size_t c = 0; c < map->items[i].value.count; c++)
            found |= od_str_eq(map->items[i].value.items[c], column);
    }
    return found;
}

/* Columns to leave out: those excluded, or those of an included dataset type not listed there. Ids
 * and time always stay, and what events are chosen by. */
bool od_training_leaves_out(const struct od_personalize_solution_version *value, const char *type,
                            struct od_str column)
{
    static const char *const kept[] = {"USER_ID", "ITEM_ID", "TIMESTAMP", "ACTION_ID"};
    const struct od_personalize_training_data_config *config =
        value->solution_config ? value->solution_config->training_data_config : NULL;
    bool has_type = false;
    if (!config)
        return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (od_str_eq_c(column, kept[i]))
            return false;
    bool of_actions = od_str_eq_c(od_str_c(type), "ACTION_INTERACTIONS");
    if ((of_actions && od_str_eq_c(column, "EVENT_TYPE")) ||
        od_solution_needs_column(value->event_type, value->solution_config, column))
        return false;
    if (listed(&config->excluded_dataset_columns, type, column, &has_type))
        return true;
    has_type = false;
    bool included = listed(&config->included_dataset_columns, type, column, &has_type);
    return has_type && !included;
}

/* AutoML looks at autoMLConfig alone. */
static const struct od_personalize_solution_config *config_of(const struct training_facts *facts)
{
    return facts->value.perform_auto_ml.value ? NULL : facts->value.solution_config;
}

static bool came_later(const struct od_json *columns, const char *type, struct od_str column)
{
    const struct od_json *list = columns ? od_json_get(columns, od_str_c(type)) : NULL;
    bool known = !list;
    for (size_t i = 0; list && i < list->count; i++)
        known |= od_str_eq(list->items[i].text, column);
    return !known;
}

static void add_excluded(struct od_buf *spec, const struct training_facts *facts)
{
    const struct od_personalize_solution_config *whole = config_of(facts);
    const struct od_personalize_training_data_config *config =
        whole ? whole->training_data_config : NULL;
    if (!config && !facts->columns)
        return;
    add_key(spec, "exclude_columns");
    od_buf_char(spec, '{');
    for (int t = OD_INTERACTIONS; t < OD_DATASET_TYPES; t++) {
        const struct od_schema *schema = facts->datasets[t].info.schema;
        const char *type = od_dataset_type_name((enum od_dataset_type)t);
        bool any = false;
        add_key(spec, type);
        od_buf_char(spec, '[');
        for (size_t f = 0; schema && f < schema->field_count; f++) {
            struct od_str name = schema->fields[f].name;
            if (!(config && od_training_leaves_out(&facts->value, type, name)) &&
                !came_later(facts->columns, type, name))
                continue;
            od_buf_puts(spec, any ? "," : "");
            od_buf_json(spec, name);
            any = true;
        }
        od_buf_char(spec, ']');
    }
    od_buf_char(spec, '}');
}

static void add_event(struct od_buf *spec, struct od_str type, const double *threshold,
                      double weight, bool any_case)
{
    od_buf_char(spec, '{');
    if (type.ptr)
        add_text(spec, "type", type);
    if (threshold) {
        add_key(spec, "threshold");
        od_buf_double(spec, *threshold);
    }
    add_key(spec, "weight");
    od_buf_double(spec, weight);
    od_buf_puts(spec, any_case ? ",\"any_case\":true}" : "}");
}

/* Which events count: eventsConfig, or eventType and eventValueThreshold. */
static void add_events(struct od_buf *spec, const struct training_facts *facts)
{
    const struct od_personalize_solution_version *value = &facts->value;
    const struct od_personalize_solution_config *config = config_of(facts);
    double threshold; /* "+3" is a number to CreateSolution but not to JSON */
    bool has_threshold = config && od_str_to_double(config->event_value_threshold, &threshold);
    if (config && config->events_config) {
        const struct od_personalize_event_parameters_list *list =
            &config->events_config->event_parameters_list;
        for (size_t i = 0; i < list->count; i++) {
            const struct od_personalize_event_parameters *event = &list->items[i];
            if (i == 0)
                add_key(spec, "events");
            od_buf_char(spec, i ? ',' : '[');
            add_event(spec, event->event_type,
                      event->event_value_threshold.set ? &event->event_value_threshold.value : NULL,
                      event->weight.set ? event->weight.value : 1, false);
        }
        if (list->count)
            od_buf_puts(spec, "],\"weighted\":true");
    } else if (value->event_type.ptr || has_threshold) {
        add_key(spec, "events");
        od_buf_char(spec, '[');
        add_event(spec, value->event_type, has_threshold ? &threshold : NULL, 1,
                  facts->recipe && facts->recipe->domain); /* a use case means view by View */
        od_buf_char(spec, ']');
    }
}

/* ---- what is tuned ---- */

static void open_range(struct od_buf *spec, struct od_str name)
{
    char last = spec->len ? spec->ptr[spec->len - 1] : '\0';
    od_buf_puts(spec, last == '[' ? "{" : ",{");
    add_text(spec, "name", name);
}

static void add_bound(struct od_buf *spec, const char *key, bool set, double value)
{
    if (!set)
        return;
    add_key(spec, key);
    od_buf_double(spec, value);
}

static void add_ranges(struct od_buf *spec,
                       const struct od_personalize_hyper_parameter_ranges *ranges)
{
    add_key(spec, "ranges");
    od_buf_char(spec, '[');
    for (size_t i = 0; i < ranges->integer_hyper_parameter_ranges.count; i++) {
        const struct od_personalize_integer_hyper_parameter_range *r =
            &ranges->integer_hyper_parameter_ranges.items[i];
        open_range(spec, r->name);
        add_bound(spec, "min", r->min_value.set, (double)r->min_value.value);
        add_bound(spec, "max", r->max_value.set, (double)r->max_value.value);
        od_buf_char(spec, '}');
    }
    for (size_t i = 0; i < ranges->continuous_hyper_parameter_ranges.count; i++) {
        const struct od_personalize_continuous_hyper_parameter_range *r =
            &ranges->continuous_hyper_parameter_ranges.items[i];
        open_range(spec, r->name);
        add_bound(spec, "min", r->min_value.set, r->min_value.value);
        add_bound(spec, "max", r->max_value.set, r->max_value.value);
        od_buf_char(spec, '}');
    }
    for (size_t i = 0; i < ranges->categorical_hyper_parameter_ranges.count; i++) {
        const struct od_personalize_categorical_hyper_parameter_range *r =
            &ranges->categorical_hyper_parameter_ranges.items[i];
        open_range(spec, r->name);
        add_key(spec, "values");
        od_buf_char(spec, '[');
        for (size_t v = 0; v < r->values.count; v++) {
            od_buf_puts(spec, v ? "," : "");
            od_buf_json(spec, r->values.items[v]);
        }
        od_buf_puts(spec, "]}");
    }
    od_buf_char(spec, ']');
}

static void add_hpo(struct od_buf *spec, const struct od_personalize_hpo_config *config,
                    struct od_str metric)
{
    int64_t number;
    add_key(spec, "hpo");
    od_buf_char(spec, '{');
    if (config && config->hpo_objective && config->hpo_objective->metric_name.ptr)
        metric = config->hpo_objective->metric_name;
    if (metric.ptr)
        add_text(spec, "metric", metric);
    if (config && config->hpo_resource_config) {
        if (od_str_to_i64(config->hpo_resource_config->max_number_of_training_jobs, &number))
            add_number(spec, "jobs", number);
        if (od_str_to_i64(config->hpo_resource_config->max_parallel_training_jobs, &number))
            add_number(spec, "parallel", number);
    }
    if (config && config->algorithm_hyper_parameter_ranges)
        add_ranges(spec, config->algorithm_hyper_parameter_ranges);
    od_buf_char(spec, '}');
}

/* The recipes given, or all that may take part. */
static void add_auto_ml(struct od_buf *spec, const struct od_personalize_auto_ml_config *config)
{
    bool any = false;
    add_key(spec, "automl");
    od_buf_char(spec, '[');
    for (size_t i = 0; config && i < config->recipe_list.count; i++) {
        struct od_str arn = config->recipe_list.items[i];
        size_t at = arn.len;
        while (at > 0 && arn.ptr[at - 1] != '/')
            at--;
        od_buf_puts(spec, any ? "," : "");
        od_buf_json(spec, od_str_sub(arn, at, arn.len));
        any = true;
    }
    const struct od_recipe_spec *recipe;
    for (size_t i = 0; !any && (recipe = od_recipe_spec_at(i)); i++) {
        char last = spec->ptr[spec->len - 1];
        if (!od_automl_may_try(recipe))
            continue;
        od_buf_puts(spec, last == '[' ? "" : ",");
        od_buf_json(spec, od_str_c(recipe->name));
    }
    od_buf_char(spec, ']');
}

/* The image to bring up to date, relative; absent: a training. */
static struct od_str updates_image(const struct training_facts *facts)
{
    const struct od_json *from = od_json_get(&facts->extra, OD_STR("from"));
    if (facts->in_place && facts->recipe && facts->recipe->auto_recount)
        return OD_STR_NONE;
    if (from)
        return od_json_get_str(from, "image", OD_STR_NONE);
    struct od_str image = od_json_get_str(&facts->extra, "image", OD_STR_NONE);
    return facts->in_place ? od_json_get_str(&facts->extra, "base", image) : OD_STR_NONE;
}

static enum od_status add_update(struct segment_list *list, const struct training_facts *facts)
{
    const struct od_json *from = od_json_get(&facts->extra, OD_STR("from"));
    const struct od_json *metrics = od_json_get(from ? from : &facts->extra, OD_STR("metrics"));
    struct od_str image = updates_image(facts);
    if (!image.ptr)
        return OD_OK;
    struct od_str path = od_app_path(list->app, list->arena, "%.*s", OD_STR_ARG(image));
    if (!path.ptr)
        return od_fail(list->err, OD_NO_MEMORY, NULL);
    add_key(list->spec, "update");
    od_buf_char(list->spec, '{');
    add_text(list->spec, "image", path);
    if (metrics) {
        add_key(list->spec, "metrics");
        od_json_write(metrics, list->spec);
    }
    od_buf_char(list->spec, '}');
    return OD_OK;
}

static void add_tuning(struct od_buf *spec, const struct training_facts *facts)
{
    const struct od_json *from = od_json_get(&facts->extra, OD_STR("from"));
    const struct od_json *known = od_json_get(from ? from : &facts->extra, OD_STR("tuned"));
    if (from || facts->in_place) {
        if (known) {
            add_key(spec, "tuned");
            od_json_write(known, spec);
        }
        return;
    }
    const struct od_personalize_solution_config *config = facts->value.solution_config;
    const struct od_json *reuse = od_json_get(&facts->extra, OD_STR("reuse"));
    bool auto_ml = facts->value.perform_auto_ml.value;
    if (reuse) {
        if (auto_ml)
            add_text(spec, "recipe", od_json_get_str(reuse, "recipe", OD_STR("")));
        add_key(spec, "tuned");
        od_json_write(od_json_get(reuse, OD_STR("tuned")), spec);
    } else if (auto_ml) {
        const struct od_personalize_auto_ml_config *choice = config ? config->auto_ml_config : NULL;
        add_auto_ml(spec, choice);
        add_hpo(spec, NULL, choice ? choice->metric_name : OD_STR_NONE);
    } else if (facts->value.perform_hpo.value) {
        add_hpo(spec, config ? config->hpo_config : NULL, OD_STR_NONE);
    }
}

static enum od_status add_serving(struct segment_list *list, const struct training_facts *facts)
{
    struct od_str image = od_json_get_str(&facts->serving_extra, "image", OD_STR(""));
    const struct od_json *metrics = od_json_get(&facts->serving_extra, OD_STR("metrics"));
    if (!facts->serving.arn.ptr || !image.len)
        return OD_OK;
    struct od_str path = od_app_path(list->app, list->arena, "%.*s", OD_STR_ARG(image));
    if (!path.ptr)
        return od_fail(list->err, OD_NO_MEMORY, NULL);
    add_key(list->spec, "serving");
    od_buf_char(list->spec, '{');
    add_text(list->spec, "arn", facts->serving.arn);
    add_text(list->spec, "image", path);
    if (metrics) {
        add_key(list->spec, "metrics");
        od_json_write(metrics, list->spec);
    }
    od_buf_char(list->spec, '}');
    return OD_OK;
}

/* LOW when an attribute is named and no sensitivity. */
static struct od_str sensitivity_of(const struct od_personalize_optimization_objective *objective)
{
    return objective->objective_sensitivity.ptr ? objective->objective_sensitivity : OD_STR("LOW");
}

/* The file that a text parameter "location" names. */
static enum od_status add_external(struct segment_list *list,
                                   const struct od_api_string_map *params)
{
    for (size_t i = 0; i < params->count; i++) {
        struct od_str *files;
        size_t count;
        struct od_error cause;
        if (!od_str_eq_c(params->items[i].key, "location"))
            continue;
        enum od_status s = od_objects_list(list->app->objects, params->items[i].value, list->arena,
                                           &files, &count, &cause);
        if (s != OD_OK)
            return od_fail(list->err, s, "The file of item vectors: %s", cause.message);
        if (count != 1)
            return od_fail(list->err, OD_INVALID_INPUT,
                           "The location of item vectors must name one file.");
        add_text(list->spec, "external", files[0]);
    }
    return OD_OK;
}

static enum od_status write_training(struct segment_list *list, const struct training_facts *facts)
{
    struct od_buf *spec = list->spec;
    const struct od_personalize_solution_config *config = config_of(facts);
    static const char *const keys[] = {"interactions", "items", "users", "actions",
                                       "action_interactions"};
    struct od_str image =
        od_app_path(list->app, list->arena, "images/%lld.image", (long long)list->job_id);
    od_buf_char(spec, '{');
    add_text(spec, "kind", OD_STR("train"));
    if (facts->recipe)
        add_text(spec, "recipe", od_str_c(facts->recipe->name));
    add_text(spec, "image", image);
    add_number(spec, "seed", 1);
    add_number(spec, "now_s", list->app->io->now_ms(list->app->io) / 1000);
    add_number(spec, "threads", list->app->config.worker_threads);
    add_number(spec, "card_seconds", list->app->config.card_s);
    add_events(spec, facts);
    add_tuning(spec, facts);
    if (config) {
        add_map(spec, "params", &config->algorithm_hyper_parameters);
        add_map(spec, "feature_params", &config->feature_transformation_parameters);
    }
    if (config && config->optimization_objective &&
        config->optimization_objective->item_attribute.ptr) {
        add_key(spec, "objective");
        od_buf_char(spec, '{');
        add_text(spec, "attribute", config->optimization_objective->item_attribute);
        add_text(spec, "sensitivity", sensitivity_of(config->optimization_objective));
        od_buf_char(spec, '}');
    }
    add_excluded(spec, facts);
    enum od_status s = facts->in_place ? OD_OK : add_serving(list, facts);
    if (s == OD_OK)
        s = add_update(list, facts);
    if (s == OD_OK && config)
        s = add_external(list, &config->algorithm_hyper_parameters);
    for (int t = OD_INTERACTIONS; s == OD_OK && t < OD_DATASET_TYPES; t++)
        s = od_prepare_dataset(list, keys[t], &facts->datasets[t]);
    od_buf_char(spec, '}');
    if (s == OD_OK && (!image.ptr || od_buf_status(spec) != OD_OK))
        s = od_fail(list->err, OD_NO_MEMORY, NULL);
    return s;
}

enum od_status od_prepare_training(struct od_app *app, int64_t job_id, struct od_str arn,
                                   bool in_place, struct od_buf *spec, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, ARENA_MAX);
    struct training_facts facts = {.arena = &arena, .arn = arn, .in_place = in_place};
    struct segment_list list = {
        .app = app, .arena = &arena, .spec = spec, .job_id = job_id, .err = err};
    struct od_str work = od_app_path(app, &arena, "work/%lld", (long long)job_id);
    enum od_status s =
        work.ptr ? app->io->make_folder(app->io, work.ptr, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_app_on_store(app, read_training, &facts, err);
    if (s == OD_OK)
        s = write_training(&list, &facts);
    od_arena_done(&arena);
    return s;
}

/* ---- exports ---- */

enum od_status od_prepare_rows(struct od_app *app, int64_t job_id,
                               const struct dataset_sources *dataset, enum od_which_rows which,
                               struct od_arena *arena, struct od_buf *spec, struct od_error *err)
{
    struct segment_list list = {
        .app = app, .arena = arena, .spec = spec, .job_id = job_id, .which = which, .err = err};
    struct od_str work = od_app_path(app, arena, "work/%lld", (long long)job_id);
    enum od_status s =
        work.ptr ? app->io->make_folder(app->io, work.ptr, err) : od_fail(err, OD_NO_MEMORY, NULL);
    return s == OD_OK ? od_prepare_dataset(&list, "data", dataset) : s;
}
