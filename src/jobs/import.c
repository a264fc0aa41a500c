/* An import from its spec to its segment: see import.h. The blocks are import_block.c's. */
#include "jobs/import.h"

#include <stdlib.h>

#include "jobs/import_inner.h"
#include "os/parallel.h"

static enum od_status write_bytes(struct od_import *im, struct od_buf *bytes, struct od_error *err)
{
    enum od_status s = im->io->write_at(im->io, im->fd, bytes->ptr, bytes->len, im->offset, err);
    if (s == OD_OK)
        im->offset += bytes->len;
    return s;
}

static enum od_status write_head(struct od_import *im, struct od_error *err)
{
    struct od_buf bytes;
    od_buf_init(&bytes, 1u << 20);
    enum od_status s = od_segment_head(&im->schema, &bytes);
    s = s == OD_OK ? write_bytes(im, &bytes, err) : od_fail(err, s, NULL);
    od_buf_done(&bytes);
    return s;
}

static enum od_status write_tail(struct od_import *im, struct od_error *err)
{
    struct od_buf bytes;
    od_buf_init(&bytes, SIZE_MAX / 2);
    enum od_status s = od_segment_tail(im->places, im->place_count, im->offset, &bytes);
    s = s == OD_OK ? write_bytes(im, &bytes, err) : od_fail(err, s, NULL);
    od_buf_done(&bytes);
    return s == OD_OK ? im->io->sync(im->io, im->fd, err) : s;
}

static enum od_status run_blocks(struct od_import *im, struct od_error *err)
{
    im->worker_count = im->spec->threads ? im->spec->threads : od_cpu_count();
    im->workers = calloc(im->worker_count, sizeof *im->workers);
    if (!im->workers)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_parallel(im->worker_count, im->block_count, od_import_block, im);
    return s == OD_OK ? OD_OK : od_error_copy(err, &im->err);
}

static enum od_status judge(const struct od_import *im, struct od_error *err)
{
    const struct od_import_findings *found = &im->found;
    enum od_status s = od_import_unchanged(im, err);
    if (s != OD_OK)
        return s;
    if (found->bad_rows)
        return od_import_refuse(im, err);
    if (found->rows == 0)
        return od_import_fail(im, err, OD_INVALID_INPUT, "Input CSV has no records.");
    if (found->rows < im->spec->minimum_rows)
        return od_import_fail(im, err, OD_INVALID_INPUT, "Input CSV has fewer than %llu records.",
                              (unsigned long long)im->spec->minimum_rows);
    return OD_OK;
}

/* Writes the temporary file whole. */
static enum od_status write_segment(struct od_import *im, const char *temporary,
                                    struct od_error *err)
{
    enum od_status s = im->io->open(im->io, temporary, OD_OPEN_CREATE, &im->fd, err);
    if (s == OD_OK)
        s = write_head(im, err);
    if (s == OD_OK)
        s = run_blocks(im, err);
    if (s == OD_OK)
        s = judge(im, err);
    return s == OD_OK ? write_tail(im, err) : s;
}

static enum od_status run_import(struct od_import *im, struct od_error *err)
{
    const struct od_import_spec *spec = im->spec;
    enum od_status s =
        od_schema_parse(&im->arena, spec->schema_text, spec->domain, &im->schema, err);
    if (s != OD_OK)
        return s;
    if (im->schema.type != spec->type)
        return od_import_fail(im, err, OD_INVALID_INPUT, "The schema is one of %s.",
                              od_dataset_type_name(im->schema.type));
    if (spec->file_count == 0)
        return od_import_fail(im, err, OD_INVALID_INPUT, "No CSV files were found.");
    s = od_import_plan(im, err);
    if (s != OD_OK)
        return s;
    struct od_str temporary =
        od_arena_printf(&im->arena, "%.*s.tmp", OD_STR_ARG(spec->segment_path));
    struct od_str path = od_arena_str(&im->arena, spec->segment_path);
    if (!temporary.ptr || !path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = write_segment(im, temporary.ptr, err);
    bool begun = im->fd >= 0;
    if (begun)
        im->io->close(im->io, im->fd);
    if (s == OD_OK)
        s = im->io->rename(im->io, temporary.ptr, path.ptr, err);
    if (s != OD_OK && begun)
        (void)im->io->remove(im->io, temporary.ptr, NULL);
    return s;
}

/* Every failure that goes to the user begins alike; a stop is not for the user. */
static enum od_status tell_failure(const struct od_import *im, enum od_status s,
                                   const struct od_error *inner, struct od_error *err)
{
    if (s == OD_STOPPED || od_str_starts(od_str_c(inner->message), OD_STR("Failed to create ")))
        return od_error_copy(err, inner);
    od_import_fail(im, err, s, "%s", inner->message);
    return s;
}

enum od_status od_import_run(const struct od_import_spec *spec, const struct od_io *io,
                             struct od_import_result *out, struct od_error *err)
{
    struct od_import im = {.spec = spec, .io = io, .fd = -1};
    int64_t began = io->monotonic_ns(io);
    im.block_bytes = spec->block_bytes ? spec->block_bytes : OD_IMPORT_BLOCK_BYTES;
    od_arena_init(&im.arena, SIZE_MAX);
    od_import_findings_init(&im.found);
    pthread_mutex_init(&im.lock, NULL);
    pthread_cond_init(&im.turn, NULL);
    struct od_error inner = {0};
    enum od_status s = run_import(&im, &inner);
    if (s != OD_OK)
        s = tell_failure(&im, s, &inner, err);
    else
        *out = (struct od_import_result){.rows = im.found.rows,
                                         .bytes = im.offset,
                                         .seconds = (double)(io->monotonic_ns(io) - began) / 1e9};
    for (unsigned i = 0; i < im.worker_count; i++)
        od_import_worker_done(&im.workers[i]);
    free(im.workers);
    free(im.places);
    od_buf_done(&im.found.list);
    pthread_cond_destroy(&im.turn);
    pthread_mutex_destroy(&im.lock);
    od_arena_done(&im.arena);
    return s;
}
