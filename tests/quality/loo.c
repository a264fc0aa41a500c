/* One recipe, one file of interactions, leave one out: prints one line of JSON.
 *
 *     loo FILE RECIPE SEED THREADS [NAME=VALUE ...]
 *
 * FILE is plain CSV with a header (USER_ID, ITEM_ID, TIMESTAMP, others ignored; no quotes), rows in
 * the order that breaks ties in time. Training is strict: all but each user's last two events; the
 * query is all but the last. tests/quality/run.py prepares the file and keeps the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/io.h"
#include "recipes/metrics.h"

#define FILE_BYTES_MAX (8ull << 30)

struct columns {
    int user, item, time;
};

static int fail(const struct od_error *err, const char *what)
{
    fprintf(stderr, "loo: %s: %s\n", what, err->message);
    return 1;
}

static bool find_columns(struct od_str line, struct columns *out)
{
    struct od_str cell;
    *out = (struct columns){-1, -1, -1};
    for (int at = 0; od_str_cut(&line, ',', &cell); at++) {
        if (od_str_eq_c(cell, "USER_ID"))
            out->user = at;
        if (od_str_eq_c(cell, "ITEM_ID"))
            out->item = at;
        if (od_str_eq_c(cell, "TIMESTAMP"))
            out->time = at;
    }
    return out->user >= 0 && out->item >= 0 && out->time >= 0;
}

static enum od_status add_line(struct od_training_builder *builder, struct od_str line,
                               const struct columns *columns, struct od_error *err)
{
    struct od_str user = OD_STR(""), item = OD_STR(""), cell, rest = line;
    int64_t time = 0;
    bool has_time = false;
    for (int at = 0; od_str_cut(&rest, ',', &cell); at++) {
        if (at == columns->user)
            user = cell;
        if (at == columns->item)
            item = cell;
        if (at == columns->time)
            has_time = od_str_to_i64(cell, &time);
    }
    if (!has_time || user.len == 0 || item.len == 0 || memchr(line.ptr, '"', line.len))
        return od_fail(err, OD_INVALID_INPUT, "bad row %.*s", OD_STR_ARG(line));
    enum od_status s = od_training_add_event(builder, user, item, OD_STR_NONE, time, false, 0);
    return s == OD_OK ? s : od_fail(err, s, NULL);
}

static enum od_status read_rows(struct od_training_builder *builder, struct od_str text,
                                struct od_error *err)
{
    struct od_str line;
    struct columns columns;
    if (!od_str_cut(&text, '\n', &line) || !find_columns(od_str_trim(line), &columns))
        return od_fail(err, OD_INVALID_INPUT, "the header needs USER_ID, ITEM_ID and TIMESTAMP");
    enum od_status s = OD_OK;
    while (s == OD_OK && od_str_cut(&text, '\n', &line)) {
        line = od_str_trim(line);
        if (line.len)
            s = add_line(builder, line, &columns, err);
    }
    return s;
}

static enum od_status load(const char *path, struct od_training **out, struct od_error *err)
{
    struct od_buf bytes;
    od_buf_init(&bytes, FILE_BYTES_MAX);
    struct od_training_builder *builder = od_training_builder_new(NULL);
    enum od_status s = builder ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_io_read_file(&od_io_real, path, &bytes, err);
    if (s == OD_OK)
        s = read_rows(builder, od_buf_view(&bytes), err);
    od_buf_done(&bytes);
    if (s == OD_OK)
        s = od_training_finish(builder, out, err);
    od_training_builder_free(builder);
    return s;
}

static enum od_status set_params(const struct od_recipe_spec *spec, int count, char **pairs,
                                 struct od_param_value *values, struct od_error *err)
{
    enum od_status s = od_recipe_params_default(spec, values);
    for (int i = 0; s == OD_OK && i < count; i++) {
        struct od_str value = od_str_c(pairs[i]), name;
        od_str_cut(&value, '=', &name);
        enum od_param_place place = OD_PARAM_ALGORITHM;
        if (od_recipe_param_find(spec, place, name) == SIZE_MAX)
            place = OD_PARAM_FEATURIZATION;
        s = od_recipe_params_set(spec, place, name, value.ptr ? value : OD_STR(""), values, err);
    }
    return s;
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    const struct od_recipe *recipe = od_recipe_find(od_str_c(input->spec->name));
    return recipe->train(input, image, NULL, err);
}

static double seconds_since(int64_t begun)
{
    return (double)(od_io_real.monotonic_ns(&od_io_real) - begun) * 1e-9;
}

static enum od_status run(const struct od_recipe *recipe, const struct od_train_input *input,
                          const struct od_training *full, struct od_error *err)
{
    struct od_split split = {0};
    struct od_memory_model model = {0};
    struct od_recipe_scorer scorer = {0};
    struct od_loo_result result;
    struct od_train_input part = *input;
    enum od_status s = od_split_leave_one_out(full, &split, err);
    part.training = split.train;
    int64_t begun = od_io_real.monotonic_ns(&od_io_real);
    if (s == OD_OK)
        s = od_memory_model_fit(recipe, fit, &part, &model, err);
    double fit_s = seconds_since(begun);
    if (s == OD_OK)
        s = od_recipe_scorer_init(&scorer, recipe, model.model, &split, err);
    begun = od_io_real.monotonic_ns(&od_io_real);
    if (s == OD_OK) {
        struct od_scorer ask = od_recipe_scorer_of(&scorer);
        s = od_eval_loo(&ask, &split, input->threads, &result, err);
    }
    if (s == OD_OK)
        printf("{\"recipe\": \"%s\", \"events\": %llu, \"users\": %u, \"items\": %u, "
               "\"hash\": \"%016llx\", \"test_users\": %u, \"skipped\": %u, "
               "\"hr_at_10\": %.6f, \"ndcg_at_10\": %.6f, \"fit_seconds\": %.3f, "
               "\"ask_seconds\": %.3f, \"image_bytes\": %zu}\n",
               recipe->name, (unsigned long long)full->event_count, full->user_count,
               full->item_count, (unsigned long long)full->hash, result.users, result.skipped,
               result.hit_rate_at_10, result.ndcg_at_10, fit_s, seconds_since(begun),
               model.image.bytes.len);
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&model);
    od_split_done(&split);
    return s;
}

int main(int argc, char **argv)
{
    struct od_error err = {0};
    struct od_param_value values[32];
    uint64_t seed, threads;
    if (argc < 5 || !od_str_to_u64(od_str_c(argv[3]), &seed) ||
        !od_str_to_u64(od_str_c(argv[4]), &threads)) {
        fprintf(stderr, "usage: loo FILE RECIPE SEED THREADS [NAME=VALUE ...]\n");
        return 2;
    }
    const struct od_recipe *recipe = od_recipe_find(od_str_c(argv[2]));
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(argv[2]));
    if (!recipe || !spec || spec->param_count > sizeof values / sizeof *values) {
        fprintf(stderr, "loo: recipe %s cannot be trained here\n", argv[2]);
        return 2;
    }
    if (set_params(spec, argc - 5, argv + 5, values, &err) != OD_OK)
        return fail(&err, argv[2]);
    struct od_training *full = NULL;
    if (load(argv[1], &full, &err) != OD_OK)
        return fail(&err, argv[1]);
    struct od_train_input input = {
        .spec = spec, .params = values, .seed = seed, .threads = (unsigned)threads};
    enum od_status s = run(recipe, &input, full, &err);
    od_training_free(full);
    return s == OD_OK ? 0 : fail(&err, recipe->name);
}
