/* What a data deletion job needs to know, and small tools for it: see deletion.h. */
#include <string.h>

#include "api/deletion.h"
#include "api/files.h"

static const enum od_dataset_type with_users[OD_DELETION_TYPES] = {OD_INTERACTIONS, OD_USERS,
                                                                   OD_ACTION_INTERACTIONS};

static enum od_status read_datasets(struct od_call *call, struct od_deletion_facts *f)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < OD_DELETION_TYPES; i++) {
        struct dataset_sources *d = &f->datasets[f->dataset_count];
        s = od_group_dataset(call, f->job.group, with_users[i], &d->info);
        if (s != OD_OK || !d->info.arn.ptr)
            continue;
        s = od_bulk_list(call->app->store, d->info.arn, f->arena, &d->bulk, &d->bulk_count,
                         &call->err);
        f->dataset_count++;
    }
    return s;
}

/* A job asked for earlier that is in the store but not at work (or this one would wait for it)
 * could not be ended, and is done again after a restart: it would bring back what is deleted now.
 */
static enum od_status check_earlier(struct od_call *call, const struct od_deletion_facts *f,
                                    const struct od_job *job)
{
    struct od_resource resource;
    enum od_status s = od_catalog_get(call->app->store, job->arn, f->arena, &resource, &call->err);
    if (s == OD_NOT_FOUND)
        return OD_OK;
    if (s == OD_OK && od_str_eq(resource.group, f->job.group))
        s = od_fail(&call->err, OD_IN_USE,
                    "%.*s could not be ended and is taken up again when the server is started "
                    "again; delete the users after that.",
                    OD_STR_ARG(job->arn));
    return s;
}

static enum od_status read_jobs(struct od_call *call, struct od_deletion_facts *f)
{
    struct od_job *list;
    size_t count;
    enum od_status s = od_jobs_list(call->app->store, f->arena, &list, &count, &call->err);
    if (s != OD_OK)
        return s;
    f->jobs = OD_NEW_ARRAY(f->arena, int64_t, count);
    if (!f->jobs)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    bool found = false;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (list[i].id != f->job_id) {
            f->jobs[f->job_count++] = list[i].id;
            if (list[i].id < f->job_id)
                s = check_earlier(call, f, &list[i]);
            continue;
        }
        found = true;
        s = od_json_parse(f->arena, list[i].spec, &f->spec, &call->err);
    }
    return s == OD_OK && !found
               ? od_fail(&call->err, OD_NOT_FOUND, "Job %lld does not exist.", (long long)f->job_id)
               : s;
}

enum od_status od_deletion_facts_read(struct od_app *app, void *context, struct od_error *err)
{
    struct od_deletion_facts *f = context;
    struct od_call call;
    od_call_internal(&call, app, f->arena);
    f->used = od_dict_new();
    enum od_status s = f->used ? od_catalog_get(app->store, f->arn, f->arena, &f->job, &call.err)
                               : od_fail(&call.err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_resource_read(&call, &od_kind_deletion_job, &f->job, &f->value);
    if (s == OD_OK)
        s = read_jobs(&call, f);
    if (s == OD_OK)
        s = read_datasets(&call, f);
    struct od_catalog_query query = {.group = f->job.group};
    if (s == OD_OK)
        s = od_catalog_list(app->store, &query, f->arena, &f->all, &f->all_count, &call.err);
    if (s == OD_OK)
        s = od_files_used(&call, f->used);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

enum od_status od_deletion_facts_again(struct od_app *app, void *context, struct od_error *err)
{
    struct od_deletion_facts *f = context;
    od_deletion_facts_done(f);
    *f = (struct od_deletion_facts){.arena = f->arena, .arn = f->arn, .job_id = f->job_id};
    return od_deletion_facts_read(app, f, err);
}

void od_deletion_facts_done(struct od_deletion_facts *facts)
{
    od_dict_free(facts->used);
}

bool od_deletion_of_live_job(const struct od_deletion_facts *facts, struct od_str name)
{
    size_t digits = 0;
    int64_t id;
    while (digits < name.len && name.ptr[digits] >= '0' && name.ptr[digits] <= '9')
        digits++;
    if (!od_str_to_i64(od_str_sub(name, 0, digits), &id))
        return false;
    for (size_t i = 0; i < facts->job_count; i++)
        if (facts->jobs[i] == id)
            return true;
    return false;
}

struct od_str od_deletion_segment_name(const struct od_deletion_facts *facts, int64_t bulk_id)
{
    return od_arena_printf(facts->arena, "segments/%lld-%lld.seg", (long long)facts->job_id,
                           (long long)bulk_id);
}

struct od_str od_deletion_ids_path(const struct od_app *app, const struct od_deletion_facts *facts)
{
    return od_app_path(app, facts->arena, "work/%lld/ids", (long long)facts->job_id);
}

/* ---- texts ---- */

/* Offset of the last (or first) place of part in text, SIZE_MAX when there is none. */
static size_t find(struct od_str text, const char *part, bool last)
{
    size_t len = strlen(part), found = SIZE_MAX;
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, part, len) != 0)
            continue;
        found = i;
        if (!last)
            break;
    }
    return found;
}

/* The texts that quote a row: import_report.c and sources.c. */
struct od_str od_deletion_redact(struct od_arena *arena, struct od_str text)
{
    static const char *const quotes[][2] = {{"Invalid value '", "' for column "},
                                            {"The stored record of \"", "\" "}};
    for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
        size_t begin = find(text, quotes[i][0], false);
        if (begin == SIZE_MAX)
            continue;
        begin += strlen(quotes[i][0]);
        struct od_str rest = od_str_sub(text, begin, text.len);
        size_t end = find(rest, quotes[i][1], true);
        if (end == SIZE_MAX)
            end = rest.len;
        text = od_arena_printf(arena, "%.*s(removed)%.*s", (int)begin, text.ptr,
                               OD_STR_ARG(od_str_sub(rest, end, rest.len)));
        if (!text.ptr)
            break;
    }
    return text;
}

struct od_str od_deletion_rename(struct od_arena *arena, struct od_str text, struct od_str from,
                                 struct od_str to)
{
    struct od_str quoted = od_arena_printf(arena, "\"%.*s\"", OD_STR_ARG(from));
    size_t at;
    if (!quoted.ptr)
        return OD_STR_NONE;
    while (text.ptr && (at = find(text, quoted.ptr, false)) != SIZE_MAX)
        text = od_arena_printf(arena, "%.*s\"%.*s\"%.*s", (int)at, text.ptr, OD_STR_ARG(to),
                               OD_STR_ARG(od_str_sub(text, at + quoted.len, text.len)));
    return text;
}
