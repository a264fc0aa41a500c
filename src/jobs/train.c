/* A training job: maps the segments, builds the training set, lets the recipe train, writes the
 * image. See train.h; the minimums are those of data.md section 8. */
#include "jobs/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "data/segment.h"
#include "jobs/worker.h"

/* Shares of the progress bar. */
#define SHARE_READING  0.10
#define SHARE_TRAINING 0.88

struct run {
    const struct od_io *io;
    const struct od_json *spec;
    const struct od_progress *progress;
    struct od_arena arena; /* schemas, parameters: as long as the run */
    const struct od_recipe *recipe;
    const struct od_recipe_spec *recipe_spec;
    struct od_param_value *params;
    struct od_training_builder *builder;
    struct od_training *training;
    struct od_table *items, *users;
    uint64_t memory_bytes;
    struct od_error *err;
};

static enum od_status report(struct run *run, double fraction, const char *stage)
{
    enum od_status s = run->progress->report(run->progress->context, fraction, stage);
    return s == OD_OK ? OD_OK : od_fail(run->err, OD_STOPPED, "The training was stopped.");
}

/* The recipe's own progress, scaled into its share. */
static enum od_status report_training(void *context, double fraction, const char *stage)
{
    return report(context, SHARE_READING + SHARE_TRAINING * fraction, stage);
}

static enum od_status read_params(struct run *run)
{
    const struct od_recipe_spec *spec = run->recipe_spec;
    run->params = OD_NEW_ARRAY(&run->arena, struct od_param_value, spec->param_count);
    if (!run->params)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_recipe_params_default(spec, run->params);
    static const struct {
        const char *key;
        enum od_param_place place;
    } places[] = {{"params", OD_PARAM_ALGORITHM}, {"feature_params", OD_PARAM_FEATURIZATION}};
    for (size_t p = 0; s == OD_OK && p < 2; p++) {
        const struct od_json *given = od_json_get(run->spec, od_str_c(places[p].key));
        for (size_t i = 0; s == OD_OK && given && i < given->count; i++)
            s = od_recipe_params_set(spec, places[p].place, given->members[i].key,
                                     given->members[i].value.text, run->params, run->err);
    }
    return s;
}

static enum od_status read_recipe(struct run *run)
{
    struct od_str name = od_json_get_str(run->spec, "recipe", OD_STR(""));
    run->recipe = od_recipe_find(name);
    run->recipe_spec = od_recipe_spec_find(name);
    if (!run->recipe || !run->recipe_spec)
        return od_fail(run->err, OD_INVALID_INPUT, "Recipe %.*s cannot be trained by this version.",
                       OD_STR_ARG(name));
    return read_params(run);
}

/* Calls each for every chunk of every segment of a dataset ("interactions", "items", "users"). */
static enum od_status for_each_chunk(struct run *run, const char *dataset,
                                     enum od_status (*each)(struct run *run,
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
                s = report(run, SHARE_READING * (double)c / (double)segment.chunk_count, "reading");
            od_arena_done(&piece);
        }
        run->io->unmap(run->io, &map);
    }
    od_arena_done(&scratch);
    return s;
}

static enum od_status add_interactions(struct run *run, const struct od_schema *schema,
                                       const struct od_chunk *chunk)
{
    return od_training_add_chunk(run->builder, schema, chunk, run->err);
}

static bool is_excluded(const struct run *run, const char *dataset, struct od_str column)
{
    const struct od_json *list =
        od_json_get(od_json_get(run->spec, OD_STR("exclude_columns")), od_str_c(dataset));
    for (size_t i = 0; list && i < list->count; i++)
        if (od_str_eq(list->items[i].text, column))
            return true;
    return false;
}

/* The dataset's schema without the excluded columns. */
static enum od_status read_schema(struct run *run, const char *dataset, const char *type_name,
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

static enum od_status put_rows(struct run *run, struct od_table *table,
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

static enum od_status add_items(struct run *run, const struct od_schema *schema,
                                const struct od_chunk *chunk)
{
    return put_rows(run, run->items, schema, chunk);
}

static enum od_status add_users(struct run *run, const struct od_schema *schema,
                                const struct od_chunk *chunk)
{
    return put_rows(run, run->users, schema, chunk);
}

static enum od_status
read_table(struct run *run, const char *dataset, const char *type_name, struct od_table **table,
           enum od_status (*each)(struct run *, const struct od_schema *, const struct od_chunk *))
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
    return for_each_chunk(run, dataset, each);
}

/* "events" and the columns left out: borrowed from the spec and the arena. */
static enum od_status read_rule(struct run *run, struct od_training_rule *out)
{
    const struct od_json *events = od_json_get(run->spec, OD_STR("events"));
    const struct od_json *weighted = od_json_get(run->spec, OD_STR("weighted"));
    const struct od_json *excluded =
        od_json_get(od_json_get(run->spec, OD_STR("exclude_columns")), OD_STR("INTERACTIONS"));
    size_t count = events ? events->count : 0, columns = excluded ? excluded->count : 0;
    struct od_event_rule *rules = OD_NEW_ARRAY(&run->arena, struct od_event_rule, count);
    struct od_str *names = OD_NEW_ARRAY(&run->arena, struct od_str, columns);
    if (!rules || !names)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct od_json *threshold = od_json_get(&events->items[i], OD_STR("threshold"));
        rules[i] = (struct od_event_rule){
            .type = od_json_get_str(&events->items[i], "type", OD_STR_NONE),
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

static enum od_status read_interactions(struct run *run)
{
    struct od_training_rule rule;
    enum od_status s = read_rule(run, &rule);
    if (s != OD_OK)
        return s;
    run->builder = od_training_builder_new(&rule);
    if (!run->builder)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    s = for_each_chunk(run, "interactions", add_interactions);
    if (s == OD_OK)
        s = od_training_finish(run->builder, &run->training, run->err);
    if (s == OD_OK) {
        run->training->item_table = run->items;
        run->training->user_table = run->users;
    }
    return s;
}

/* The event types asked for, "View, Purchase"; "" when all are taken. */
static struct od_str wanted_types(struct run *run)
{
    const struct od_json *events = od_json_get(run->spec, OD_STR("events"));
    struct od_str list = OD_STR("");
    for (size_t i = 0; events && i < events->count; i++) {
        struct od_str type = od_json_get_str(&events->items[i], "type", OD_STR(""));
        struct od_str longer = od_arena_printf(&run->arena, "%.*s%s%.*s", OD_STR_ARG(list),
                                               list.len ? ", " : "", OD_STR_ARG(type));
        list = longer.ptr ? longer : list;
    }
    return list;
}

/* Enough to learn from? (data.md section 8, errors.md section 5) */
static enum od_status check_minimums(struct run *run)
{
    const struct od_training *t = run->training;
    struct od_str types = wanted_types(run);
    if (t->event_count < OD_MIN_TRAIN_INTERACTIONS && types.len)
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Dataset has fewer than %d interactions after filtering by event type: %.*s",
                       OD_MIN_TRAIN_INTERACTIONS, OD_STR_ARG(types));
    if (t->event_count < OD_MIN_TRAIN_INTERACTIONS)
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. Dataset has fewer than %d interactions.",
                       OD_MIN_TRAIN_INTERACTIONS);
    uint32_t users = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        users += t->user_start[u + 1] - t->user_start[u] >= 2;
    if (users < OD_MIN_TRAIN_USERS)
        return od_fail(
            run->err, OD_INVALID_INPUT,
            "Create failed. Dataset has fewer than %d users with at least 2 interactions each.",
            OD_MIN_TRAIN_USERS);
    return OD_OK;
}

struct file_sink {
    const struct od_io *io;
    int fd;
    uint64_t at;
    struct od_error *err;
};

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    struct file_sink *sink = to;
    enum od_status s = sink->io->write_at(sink->io, sink->fd, bytes, len, sink->at, sink->err);
    sink->at += len;
    return s;
}

static enum od_status write_image(struct run *run, struct od_image_writer *image)
{
    const struct od_io *io = run->io;
    struct od_str path = od_json_get_str(run->spec, "image", OD_STR(""));
    struct od_str temporary = od_arena_printf(&run->arena, "%.*s.tmp", OD_STR_ARG(path));
    if (!temporary.ptr)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    struct file_sink sink = {.io = io, .err = run->err};
    enum od_status s = io->open(io, temporary.ptr, OD_OPEN_CREATE, &sink.fd, run->err);
    if (s != OD_OK)
        return s;
    s = od_image_finish(image, put_bytes, &sink);
    if (s == OD_OK)
        s = io->sync(io, sink.fd, run->err);
    io->close(io, sink.fd);
    if (s == OD_OK)
        s = io->rename(io, temporary.ptr, path.ptr, run->err);
    if (s != OD_OK)
        (void)io->remove(io, temporary.ptr, NULL);
    return s;
}

/* What a server needs to hand events to the model as training saw them, whatever the recipe: the
 * types by code, and, when only some were asked for, which. */
static enum od_status add_types(struct run *run, struct od_image_writer *image)
{
    const struct od_training *t = run->training;
    const struct od_json *events = od_json_get(run->spec, OD_STR("events"));
    enum od_status s = od_image_add_dict(image, "types", t->types);
    bool all = !events || events->count == 0;
    for (size_t i = 0; !all && i < events->count; i++)
        all = !od_json_get(&events->items[i], OD_STR("type"));
    if (s == OD_OK && !all) {
        uint8_t *counted = calloc((size_t)t->type_count + 1, 1);
        for (size_t i = 0; counted && i < events->count; i++) {
            uint32_t code =
                od_dict_find(t->types, od_json_get_str(&events->items[i], "type", OD_STR("")));
            if (code != OD_NO_CODE)
                counted[code] = 1;
        }
        s = counted ? od_image_give(image, "types.counted", counted, t->type_count) : OD_NO_MEMORY;
    }
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

static enum od_status train(struct run *run, struct od_metrics *metrics)
{
    struct od_train_input input = {
        .training = run->training,
        .spec = run->recipe_spec,
        .params = run->params,
        .seed = (uint64_t)od_json_get_i64(run->spec, "seed", 1),
        .threads = (unsigned)od_json_get_i64(run->spec, "threads", 0),
        .memory_bytes = run->memory_bytes,
        .progress = {report_training, run},
    };
    struct od_image_writer *image = od_image_writer_new(od_str_c(run->recipe->name), 1);
    if (!image)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = run->recipe->train(&input, image, metrics, run->err);
    if (s == OD_OK)
        s = add_types(run, image);
    if (s == OD_OK)
        s = report(run, SHARE_READING + SHARE_TRAINING, "writing");
    if (s == OD_OK)
        s = write_image(run, image);
    od_image_writer_free(image);
    return s;
}

enum od_status od_train_run(const struct od_io *io, const struct od_json *spec,
                            uint64_t memory_bytes, const struct od_progress *progress,
                            struct od_train_result *out, struct od_error *err)
{
    struct run run = {
        .io = io, .spec = spec, .progress = progress, .memory_bytes = memory_bytes, .err = err};
    int64_t begun = io->monotonic_ns(io);
    struct od_metrics metrics = {0};
    od_arena_init(&run.arena, 64u << 20);
    enum od_status s = read_recipe(&run);
    if (s == OD_OK)
        s = read_table(&run, "items", "ITEMS", &run.items, add_items);
    if (s == OD_OK)
        s = read_table(&run, "users", "USERS", &run.users, add_users);
    if (s == OD_OK)
        s = read_interactions(&run);
    if (s == OD_OK)
        s = check_minimums(&run);
    if (s == OD_OK)
        s = train(&run, &metrics);
    if (s == OD_OK)
        *out = (struct od_train_result){
            .metrics = metrics,
            .seconds = (double)(io->monotonic_ns(io) - begun) * 1e-9,
            .hash = run.training->hash,
            .events = run.training->event_count,
            .users = run.training->user_count,
            .items = run.training->item_count,
        };
    od_training_builder_free(run.builder);
    od_training_free(run.training);
    od_table_free(run.items);
    od_table_free(run.users);
    od_arena_done(&run.arena);
    return s;
}
