/* A deletion from its spec to its result: see deletion.h and jobs.h. */
#include "jobs/deletion.h"

struct run {
    const struct od_io *io;
    const struct od_json *spec;
    struct od_dict *ids;
    struct od_buf *result;
    enum od_status (*progress)(void *context, double fraction);
    void *context;
    size_t done, steps;
    struct od_error *err;
};

static const struct od_json *list_of(const struct run *run, const char *key, size_t *out_count)
{
    const struct od_json *list = od_json_get(run->spec, od_str_c(key));
    *out_count = list && list->kind == OD_JSON_ARRAY ? list->count : 0;
    return list;
}

static enum od_status step(struct run *run)
{
    run->done++;
    if (!run->progress)
        return OD_OK;
    enum od_status s =
        run->progress(run->context, (double)run->done / (double)(run->steps ? run->steps : 1));
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

static void separate(struct run *run)
{
    if (run->result->ptr[run->result->len - 1] != '[')
        od_buf_char(run->result, ',');
}

static enum od_status read_ids(struct run *run)
{
    size_t count;
    const struct od_json *files = list_of(run, "files", &count);
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str *paths = OD_NEW_ARRAY(&arena, struct od_str, count);
    enum od_status s = paths ? OD_OK : od_fail(run->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < count; i++)
        paths[i] = files->items[i].text;
    if (s == OD_OK)
        s = od_deletion_read_ids(run->io, paths, count, run->ids, run->err);
    if (s == OD_OK)
        s = od_deletion_write_ids(run->io, od_json_get_str(run->spec, "ids", OD_STR("")), run->ids,
                                  run->err);
    od_arena_done(&arena);
    return s;
}

static enum od_status do_segments(struct run *run)
{
    size_t count;
    const struct od_json *list = list_of(run, "segments", &count);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        const struct od_json *one = &list->items[i];
        struct od_deletion_rows rows;
        s = od_deletion_segment(run->io, od_json_get_str(one, "from", OD_STR("")),
                                od_json_get_str(one, "to", OD_STR("")), run->ids, &rows, run->err);
        if (s == OD_OK && rows.found) {
            separate(run);
            od_buf_printf(run->result, "{\"id\":%lld,\"removed\":%llu,\"rows\":%llu}",
                          (long long)od_json_get_i64(one, "id", 0),
                          (unsigned long long)rows.removed, (unsigned long long)rows.left);
        }
        s = s == OD_OK ? step(run) : s;
    }
    return s;
}

static enum od_status do_images(struct run *run)
{
    size_t count;
    const struct od_json *list = list_of(run, "images", &count);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        const struct od_json *one = &list->items[i];
        uint32_t users;
        s = od_deletion_image(run->io, od_json_get_str(one, "from", OD_STR("")),
                              od_json_get_str(one, "to", OD_STR("")), run->ids, &users, run->err);
        if (s == OD_OK && users) {
            separate(run);
            od_buf_puts(run->result, "{\"image\":");
            od_buf_json(run->result, od_json_get_str(one, "image", OD_STR("")));
            od_buf_puts(run->result, ",\"to\":");
            od_buf_json(run->result, od_json_get_str(one, "name", OD_STR("")));
            od_buf_printf(run->result, ",\"users\":%u}", users);
        }
        s = s == OD_OK ? step(run) : s;
    }
    return s;
}

/* Is a user in a file that nothing refers to? One that cannot be read is as good as gone, and so it
 * shall be. */
static enum od_status look_into(struct run *run, struct od_str path, bool *out_found)
{
    struct od_deletion_rows rows = {0};
    uint32_t users = 0;
    enum od_status s =
        od_str_ends(path, OD_STR(".image"))
            ? od_deletion_image(run->io, path, OD_STR_NONE, run->ids, &users, run->err)
            : od_deletion_segment(run->io, path, OD_STR_NONE, run->ids, &rows, run->err);
    *out_found = s != OD_OK || rows.found || users;
    return s == OD_NO_MEMORY ? s : OD_OK;
}

static enum od_status do_stale(struct run *run)
{
    size_t count;
    const struct od_json *list = list_of(run, "stale", &count);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        bool found;
        s = look_into(run, od_json_get_str(&list->items[i], "path", OD_STR("")), &found);
        if (s == OD_OK && found) {
            separate(run);
            od_buf_json(run->result, od_json_get_str(&list->items[i], "file", OD_STR("")));
        }
        s = s == OD_OK ? step(run) : s;
    }
    return s;
}

static enum od_status do_reports(struct run *run)
{
    size_t count;
    const struct od_json *list = list_of(run, "reports", &count);
    unsigned changed = 0;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        bool one;
        s = od_deletion_report(run->io, list->items[i].text, &one, run->err);
        changed += s == OD_OK && one;
        s = s == OD_OK ? step(run) : s;
    }
    od_buf_printf(run->result, "%u", changed);
    return s;
}

static enum od_status run_parts(struct run *run)
{
    static const struct {
        const char *before;
        enum od_status (*part)(struct run *run);
        const char *after;
    } parts[] = {{"\"segments\":[", do_segments, "],"},
                 {"\"images\":[", do_images, "],"},
                 {"\"stale\":[", do_stale, "],"},
                 {"\"reports\":", do_reports, "}"}};
    static const char *const lists[] = {"segments", "images", "stale", "reports"};
    size_t count;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        (void)list_of(run, lists[i], &count);
        run->steps += count;
    }
    (void)list_of(run, "files", &count);
    enum od_status s = count ? read_ids(run) : OD_OK;
    od_buf_printf(run->result, "{\"ids\":%u,", od_dict_count(run->ids));
    for (size_t i = 0; s == OD_OK && i < sizeof parts / sizeof *parts; i++) {
        od_buf_puts(run->result, parts[i].before);
        if (od_buf_status(run->result) != OD_OK)
            return od_fail(run->err, OD_TOO_LARGE, "The dataset group has too many files.");
        s = parts[i].part(run);
        od_buf_puts(run->result, parts[i].after);
    }
    return s;
}

enum od_status od_deletion_run(const struct od_io *io, const struct od_json *spec,
                               struct od_buf *result,
                               enum od_status (*progress)(void *context, double fraction),
                               void *context, struct od_error *err)
{
    struct run run = {.io = io,
                      .spec = spec,
                      .ids = od_dict_new(),
                      .result = result,
                      .progress = progress,
                      .context = context,
                      .err = err};
    if (!run.ids)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = run_parts(&run);
    od_dict_free(run.ids);
    return s;
}
