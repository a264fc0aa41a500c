/* A whole job: load, answer every file beside its name, then name them all.
 *
 * Outputs are written as hidden files (".NAME.SEED.tmp") in the output folder, on the same disk as
 * their names to be; the seed is the job's own, so two jobs that write the same names at once do
 * not write into one file. When the last line is answered they are renamed one by one. A job that
 * fails removes them, and what it has renamed by then; one that is killed leaves them, and since
 * its next run makes the same names it writes over them. A crash between two renames leaves whole
 * files under some of the names, which the next run replaces by the same bytes or, if data came
 * meanwhile, newer ones.
 *
 * Behind an endpoint a hidden file is a file of the worker's until it is renamed, and removing one
 * that was renamed would be a request of its own: hence only those still hidden are removed. */
#include "batch/file.h"

#define LOADED 0.3 /* share of progress for loading; data rarely take longer than the questions */

/* DIR/NAME to DIR/.NAME.SEED.tmp */
static struct od_str hidden(struct od_arena *arena, struct od_str path, uint64_t seed)
{
    size_t at = path.len;
    while (at && path.ptr[at - 1] != '/')
        at--;
    return od_arena_printf(arena, "%.*s.%.*s.%016llx.tmp", OD_STR_ARG(od_str_sub(path, 0, at)),
                           OD_STR_ARG(od_str_sub(path, at, path.len)), (unsigned long long)seed);
}

static enum od_status name_paths(const struct od_batch_job *job, struct od_arena *arena,
                                 struct od_str **out, struct od_error *err)
{
    struct od_str *paths = OD_NEW_ARRAY(arena, struct od_str, job->file_count);
    for (size_t i = 0; paths && i < job->file_count; i++) {
        paths[i] = hidden(arena, job->files[i].out, job->seed);
        if (!paths[i].ptr)
            paths = NULL;
    }
    *out = paths;
    return paths ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

static enum od_status measure_files(struct od_batch_work *work, struct od_arena *arena,
                                    struct od_error *err)
{
    const struct od_io *io = work->io;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < work->job->file_count; i++) {
        struct od_str path = od_arena_str(arena, work->job->files[i].in);
        uint64_t bytes = 0;
        int fd;
        s = path.ptr ? io->open(io, path.ptr, OD_OPEN_READ, &fd, err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
        if (s != OD_OK)
            break;
        s = io->size(io, fd, &bytes, err);
        io->close(io, fd);
        work->all_bytes += bytes;
    }
    return s;
}

/* After a failure: outputs up to renamed have their names, those up to begun are hidden. */
static void leave_nothing(const struct od_batch_work *work, struct od_arena *arena,
                          const struct od_str *paths, size_t renamed, size_t begun)
{
    const struct od_io *io = work->io;
    for (size_t i = 0; i < renamed; i++) {
        struct od_str name = od_arena_str(arena, work->job->files[i].out);
        if (name.ptr)
            (void)io->remove(io, name.ptr, NULL);
    }
    for (size_t i = renamed; i < begun; i++)
        (void)io->remove(io, paths[i].ptr, NULL);
}

static enum od_status answer_files(struct od_batch_work *work, struct od_arena *arena,
                                   struct od_error *err)
{
    const struct od_batch_job *job = work->job;
    const struct od_io *io = work->io;
    struct od_str *paths;
    size_t begun = 0, renamed = 0;
    enum od_status s = name_paths(job, arena, &paths, err);
    if (s == OD_OK)
        s = measure_files(work, arena, err);
    for (; s == OD_OK && begun < job->file_count; begun++)
        s = od_batch_file(work, begun, paths[begun].ptr, err);
    while (s == OD_OK && renamed < job->file_count) {
        struct od_str name = od_arena_str(arena, job->files[renamed].out);
        s = name.ptr ? io->rename(io, paths[renamed].ptr, name.ptr, err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
        renamed += s == OD_OK;
    }
    if (s != OD_OK)
        leave_nothing(work, arena, paths, renamed, begun);
    return s;
}

enum od_status od_batch_run(const struct od_batch_job *job, const struct od_io *io,
                            struct od_batch_result *out, struct od_error *err)
{
    struct od_batch_group group;
    struct od_batch_result result = {0};
    struct od_arena arena;
    enum od_status s = od_batch_group_init(&group, job, io, LOADED, err);
    if (s != OD_OK)
        return s;
    struct od_batch_work work = {
        .group = &group, .job = job, .io = io, .from = LOADED, .result = &result};
    od_arena_init(&arena, SIZE_MAX);
    int64_t begun = io->monotonic_ns(io);
    s = answer_files(&work, &arena, err);
    result.seconds = (double)(io->monotonic_ns(io) - begun) * 1e-9;
    od_arena_done(&arena);
    od_batch_group_done(&group);
    if (s == OD_OK)
        *out = result;
    return s;
}
