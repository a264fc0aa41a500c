/* What a training reads: segments of the group's datasets, as training sets and tables.
 *
 * Items, users and actions become tables (the newest row of an id wins, segments being in order of
 * arrival); interactions and action interactions become training sets, the latter with actions as
 * items. Columns that the solution leaves out are not read. */
#include <stdlib.h>

#include "base/limits.h"
#include "data/segment.h"
#include "jobs/train_inner.h"
#include "jobs/worker.h"

/* Calls each for every chunk of every segment of a dataset ("interactions", "items", "users"). */
static enum od_status for_each_chunk(struct od_run *run, const char *dataset,
                                     enum od_status (*each)(struct od_run *run,
                                                            const struct od_schema *schema,
                                                            const struct od_chunk *chunk))
{
    const struct od_json *segments =
        od_json_get(od_json_get(run->spec, od_str_c(dataset)), OD_STR("segments"));
    enum od_status s = OD_OK;
    struct od_arena scratch;
    od_arena_init(&scratch, SIZE_MAX);
    for (size_t i = 0; s == OD_OK && segments && i < segments->count; i++) {
        struct od_io_map map;
        struct od_segment segment;
        s = run->io->map(run->io, segments->items[i].text.ptr, &map, run->err);
        if (s != OD_OK)
            break;
        s = od_segment_open(&scratch, (struct od_str){map.ptr, map.bytes}, &segment, run->err);
        for (size_t c = 0; s == OD_OK && c < segment.chunk_count; c++) {
            struct od_arena piece;
            struct od_chunk chunk;
            od_arena_init(&piece, SIZE_MAX);
            s = od_segment_chunk(&segment, c, &piece, &chunk, run->err);
            if (s == OD_OK)
                s = each(run, &segment.schema, &chunk);
            if (s == OD_OK)
                s = od_run_report(run, OD_SHARE_READING * (double)c / (double)segment.chunk_count,
                                  "reading");
            od_arena_done(&piece);
        }
        run->io->unmap(run->io, &map);
    }
    od_arena_done(&scratch);
    return s;
}

static enum od_status add_interactions(struct od_run *run, const struct od_schema *schema,
                                       const struct od_chunk *chunk)
{
    return od_training_add_chunk(run->builder, schema, chunk, run->err);
}

static bool is_excluded(const struct od_run *run, const char *dataset, struct od_str column)
{
    if (run->without_field.ptr && od_str_eq_c(run->without_dataset, dataset) &&
        od_str_eq(run->without_field, column))
        return true;
    const struct od_json *list =
        od_json_get(od_json_get(run->spec, OD_STR("exclude_columns")), od_str_c(dataset));
    for (size_t i = 0; list && i < list->count; i++)
        if (od_str_eq(list->items[i].text, column))
            return true;
    return false;
}

/* The dataset's schema without the excluded columns. */
static enum od_status read_schema(struct od_run *run, const char *dataset, const char *type_name,
                                  struct od_schema *out)
{
    const struct od_json *source = od_json_get(run->spec, od_str_c(dataset));
    struct od_str text = od_json_get_str(source, "schema", OD_STR(""));
    enum od_domain domain = od_spec_domain(od_json_get_str(source, "domain", OD_STR("")));
    enum od_status s = od_schema_parse(&run->arena, text, domain, out, run->err);
    size_t kept = 0;
    for (size_t i = 0; s == OD_OK && i < out->field_count; i++)
        if (!is_excluded(run, type_name, out->fields[i].name))
            out->fields[kept++] = out->fields[i];
    if (s == OD_OK)
        out->field_count = kept;
    return s;
}

static enum od_status put_rows(struct od_run *run, struct od_table *table,
                               const struct od_schema *schema, const struct od_chunk *chunk)
{
    const struct od_schema *kept = od_table_schema(table);
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    size_t column[OD_MAX_SCHEMA_FIELDS];
    for (size_t f = 0; f < kept->field_count; f++)
        column[f] = od_schema_find(schema, kept->fields[f].name);
    enum od_status s = OD_OK;
    for (uint32_t row = 0; s == OD_OK && row < chunk->row_count; row++) {
        for (size_t f = 0; f < kept->field_count; f++) {
            values[f] = (struct od_value){.kind = OD_VALUE_NULL};
            if (column[f] != SIZE_MAX)
                od_chunk_value(chunk, column[f], row, &values[f]);
        }
        s = od_table_put(table, values);
    }
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

static enum od_status add_rows(struct od_run *run, const struct od_schema *schema,
                               const struct od_chunk *chunk)
{
    return put_rows(run, run->filling, schema, chunk);
}

static enum od_status read_table(struct od_run *run, const char *dataset, const char *type_name,
                                 struct od_table **table)
{
    if (!od_json_get(run->spec, od_str_c(dataset)))
        return OD_OK;
    struct od_schema *schema = OD_NEW(&run->arena, struct od_schema);
    if (!schema)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = read_schema(run, dataset, type_name, schema);
    if (s != OD_OK)
        return s;
    *table = od_table_new(schema);
    if (!*table)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    run->filling = *table;
    return for_each_chunk(run, dataset, add_rows);
}

enum od_status od_run_read_without(struct od_run *run, const char *dataset, struct od_str field,
                                   struct od_table **out)
{
    bool items = od_str_eq_c(od_str_c(dataset), "ITEMS");
    run->without_dataset = od_str_c(dataset);
    run->without_field = field;
    enum od_status s = read_table(run, items ? "items" : "users", dataset, out);
    run->without_field = OD_STR_NONE;
    return s;
}

/* "events" (of interactions alone) and the columns left out: borrowed from the spec and the arena.
 */
static enum od_status read_rule(struct od_run *run, const char *type_name, bool with_events,
                                struct od_training_rule *out)
{
    const struct od_json *events = with_events ? od_json_get(run->spec, OD_STR("events")) : NULL;
    const struct od_json *weighted = od_json_get(run->spec, OD_STR("weighted"));
    const struct od_json *excluded =
        od_json_get(od_json_get(run->spec, OD_STR("exclude_columns")), od_str_c(type_name));
    size_t count = events ? events->count : 0, columns = excluded ? excluded->count : 0;
    struct od_event_rule *rules = OD_NEW_ARRAY(&run->arena, struct od_event_rule, count);
    struct od_str *names = OD_NEW_ARRAY(&run->arena, struct od_str, columns);
    if (!rules || !names)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct od_json *threshold = od_json_get(&events->items[i], OD_STR("threshold"));
        rules[i] = (struct od_event_rule){
            .type = od_json_get_str(&events->items[i], "type", OD_STR_NONE),
            .any_case = od_json_get(&events->items[i], OD_STR("any_case")) != NULL,
            .has_threshold = threshold && threshold->kind == OD_JSON_NUMBER,
            .threshold = threshold ? threshold->number : 0,
            .weight = od_json_get_double(&events->items[i], "weight", 1),
        };
    }
    for (size_t i = 0; i < columns; i++)
        names[i] = excluded->items[i].text;
    *out = (struct od_training_rule){.events = rules,
                                     .event_count = count,
                                     .weighted = weighted && weighted->boolean,
                                     .excluded = names,
                                     .excluded_count = columns};
    return OD_OK;
}

static enum od_status read_events(struct od_run *run, const char *dataset, const char *type_name,
                                  bool with_rule, struct od_training **out)
{
    struct od_training_rule rule;
    enum od_status s = read_rule(run, type_name, with_rule, &rule);
    if (s != OD_OK)
        return s;
    run->builder = od_training_builder_new(&rule);
    if (!run->builder)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    s = for_each_chunk(run, dataset, add_interactions);
    if (s == OD_OK)
        s = od_training_finish(run->builder, out, run->err);
    od_training_builder_free(run->builder);
    run->builder = NULL;
    return s;
}

enum od_status od_run_read_inputs(struct od_run *run)
{
    enum od_status s = read_table(run, "items", "ITEMS", &run->items);
    if (s == OD_OK)
        s = read_table(run, "users", "USERS", &run->users);
    if (s == OD_OK)
        s = read_table(run, "actions", "ACTIONS", &run->action_table);
    if (s == OD_OK)
        s = read_events(run, "interactions", "INTERACTIONS", true, &run->training);
    if (s == OD_OK && od_json_get(run->spec, OD_STR("action_interactions")))
        s = read_events(run, "action_interactions", "ACTION_INTERACTIONS", false, &run->actions);
    if (s != OD_OK)
        return s;
    run->training->item_table = run->items;
    run->training->user_table = run->users;
    if (run->actions) {
        run->actions->item_table = run->action_table;
        run->actions->user_table = run->users;
    }
    return OD_OK;
}

void od_run_free_inputs(struct od_run *run)
{
    od_training_builder_free(run->builder);
    od_training_free(run->training);
    od_training_free(run->actions);
    od_table_free(run->items);
    od_table_free(run->users);
    od_table_free(run->action_table);
}
