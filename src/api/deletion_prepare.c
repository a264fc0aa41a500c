/* The worker's spec of a data deletion job: see deletion.h. Loader thread. */
#include "api/deletion.h"

#define ARENA_MAX (256u << 20)

struct writing {
    struct od_app *app;
    const struct od_deletion_facts *facts;
    struct od_buf *spec;
    bool any; /* in the list under construction */
    struct od_error *err;
};

static struct od_str full(const struct writing *w, struct od_str name)
{
    return od_app_path(w->app, w->facts->arena, "%.*s", OD_STR_ARG(name));
}

static void open_list(struct writing *w, const char *key)
{
    od_buf_printf(w->spec, ",\"%s\":[", key);
    w->any = false;
}

static void next(struct writing *w)
{
    od_buf_puts(w->spec, w->any ? "," : "");
    w->any = true;
}

static void add(struct writing *w, const char *before, struct od_str text)
{
    od_buf_puts(w->spec, before);
    od_buf_json(w->spec, text);
}

static enum od_status add_files(struct writing *w)
{
    struct od_str *files;
    size_t count;
    struct od_error cause;
    enum od_status s = od_objects_tree(w->app->objects, w->facts->value.data_source->data_location,
                                       w->facts->arena, &files, &count, &cause);
    if (s != OD_OK)
        return od_fail(w->err, s, "Failed to read the users to delete. %s", cause.message);
    struct od_str ids = od_deletion_ids_path(w->app, w->facts);
    if (!ids.ptr)
        return od_fail(w->err, OD_NO_MEMORY, NULL);
    add(w, ",\"ids\":", ids);
    open_list(w, "files");
    for (size_t i = 0; i < count; i++) {
        next(w);
        od_buf_json(w->spec, files[i]);
    }
    od_buf_char(w->spec, ']');
    return OD_OK;
}

static void add_segments(struct writing *w)
{
    const struct od_deletion_facts *f = w->facts;
    open_list(w, "segments");
    for (size_t d = 0; d < f->dataset_count; d++)
        for (size_t i = 0; i < f->datasets[d].bulk_count; i++) {
            const struct od_bulk *bulk = &f->datasets[d].bulk[i];
            next(w);
            od_buf_printf(w->spec, "{\"id\":%lld", (long long)bulk->id);
            add(w, ",\"from\":", full(w, bulk->path));
            add(w, ",\"to\":", full(w, od_deletion_segment_name(f, bulk->id)));
            od_buf_char(w->spec, '}');
        }
    od_buf_char(w->spec, ']');
}

/* images/4.image becomes images/<job>-4.image. */
static enum od_status add_image(struct writing *w, struct od_str image)
{
    const struct od_deletion_facts *f = w->facts;
    struct od_str path = full(w, image);
    if (!od_str_starts(image, OD_STR("images/")) || !path.ptr ||
        !od_io_exists(w->app->io, path.ptr))
        return OD_OK; /* a version that failed has none; one whose image is lost serves nothing */
    struct od_str to = od_arena_printf(f->arena, "images/%lld-%.*s", (long long)f->job_id,
                                       OD_STR_ARG(od_str_sub(image, 7, image.len)));
    if (!to.ptr)
        return od_fail(w->err, OD_NO_MEMORY, NULL);
    next(w);
    add(w, "{\"image\":", image);
    add(w, ",\"name\":", to);
    add(w, ",\"from\":", path);
    add(w, ",\"to\":", full(w, to));
    od_buf_char(w->spec, '}');
    return OD_OK;
}

static enum od_status add_images(struct writing *w)
{
    const struct od_deletion_facts *f = w->facts;
    enum od_status s = OD_OK;
    open_list(w, "images");
    for (size_t i = 0; s == OD_OK && i < f->all_count; i++) {
        struct od_json extra;
        if (!f->all[i].extra.len)
            continue;
        s = od_json_parse(f->arena, f->all[i].extra, &extra, w->err);
        if (s == OD_OK)
            s = add_image(w, od_json_get_str(&extra, "image", OD_STR("")));
        if (s == OD_OK && od_json_get(&extra, OD_STR("base")))
            s = add_image(w, od_json_get_str(&extra, "base", OD_STR("")));
    }
    od_buf_char(w->spec, ']');
    return s;
}

/* Files that nothing refers to: replaced by a FULL import while jobs of other groups ran. */
static enum od_status add_stale_of(struct writing *w, const char *folder, const char *tail)
{
    const struct od_deletion_facts *f = w->facts;
    struct od_io_entry *list;
    size_t count;
    struct od_str path = full(w, od_str_c(folder));
    enum od_status s = path.ptr
                           ? w->app->io->list(w->app->io, path.ptr, f->arena, &list, &count, w->err)
                           : od_fail(w->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_str name = od_arena_printf(f->arena, "%s/%.*s", folder, OD_STR_ARG(list[i].name));
        if (!name.ptr)
            return od_fail(w->err, OD_NO_MEMORY, NULL);
        if (!od_str_ends(name, od_str_c(tail)) || od_dict_find(f->used, name) != OD_NO_CODE ||
            od_deletion_of_live_job(f, list[i].name))
            continue;
        next(w);
        add(w, "{\"file\":", name);
        add(w, ",\"path\":", full(w, name));
        od_buf_char(w->spec, '}');
    }
    return s;
}

static enum od_status add_stale(struct writing *w)
{
    open_list(w, "stale");
    enum od_status s = add_stale_of(w, "segments", ".seg");
    if (s == OD_OK)
        s = add_stale_of(w, "images", ".image");
    od_buf_char(w->spec, ']');
    return s;
}

static void add_reports(struct writing *w)
{
    const struct od_deletion_facts *f = w->facts;
    open_list(w, "reports");
    for (size_t i = 0; i < f->all_count; i++) {
        if (!od_str_eq_c(f->all[i].kind, od_kind_import_job.name))
            continue;
        next(w);
        od_buf_json(w->spec,
                    od_app_path(w->app, f->arena, "reports/%.*s.txt", OD_STR_ARG(f->all[i].name)));
    }
    od_buf_char(w->spec, ']');
}

static enum od_status write_spec(struct writing *w)
{
    struct od_str work =
        od_app_path(w->app, w->facts->arena, "work/%lld", (long long)w->facts->job_id);
    enum od_status s = work.ptr ? w->app->io->make_folder(w->app->io, work.ptr, w->err)
                                : od_fail(w->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = add_files(w);
    if (s != OD_OK)
        return s;
    add_segments(w);
    s = add_images(w);
    if (s == OD_OK)
        s = add_stale(w);
    if (s == OD_OK)
        add_reports(w);
    return s;
}

enum od_status od_prepare_deletion(struct od_app *app, int64_t job_id, struct od_str arn,
                                   struct od_buf *spec, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, ARENA_MAX);
    struct od_deletion_facts facts = {.arena = &arena, .arn = arn, .job_id = job_id};
    struct writing w = {.app = app, .facts = &facts, .spec = spec, .err = err};
    enum od_status s = od_app_on_store(app, od_deletion_facts_read, &facts, err);
    od_buf_puts(spec, "{\"kind\":\"deletion\"");
    if (s == OD_OK && facts.spec.count == 0) /* else the users are out already */
        s = write_spec(&w);
    od_buf_char(spec, '}');
    if (s == OD_OK && od_buf_status(spec) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    od_deletion_facts_done(&facts);
    od_arena_done(&arena);
    return s;
}
