/* A file in blocks: lines are found one after the other, a block of them is answered on all cores,
 * and what came of it is written in order; then the next block.
 *
 * A part is a run of neighbouring lines with a buffer of its own, so which thread answers it shows
 * nowhere. The size of a block (block.c) bounds the memory. */
#include "batch/file.h"

#include <stdlib.h>

#include "base/hash.h"
#include "batch/block.h"
#include "os/parallel.h"

#define PART_BYTES_MAX ((size_t)4 << 30) /* a segment of 5 million users of the longest ids */

struct part {
    struct od_buf out;
    struct od_error err;
    uint64_t errors;
};

struct block {
    struct od_batch_work *work;
    struct od_batch_text *lines; /* [size.lines] */
    size_t count;                /* of lines now in it */
    struct od_batch_size size;
    struct part *parts;
    struct od_arena *scratch; /* [threads] */
    unsigned threads;
};

static enum od_status answer_part(void *context, size_t index, unsigned thread)
{
    struct block *b = context;
    struct part *part = &b->parts[index];
    size_t from = index * b->size.part_lines, to = from + b->size.part_lines;
    enum od_status s = OD_OK;
    for (size_t i = from; s == OD_OK && i < to && i < b->count; i++) {
        bool failed = false;
        od_arena_reset(&b->scratch[thread]);
        s = od_batch_answer(b->work->group, b->work->job, &b->lines[i], &b->scratch[thread],
                            &part->out, &failed, &part->err);
        part->errors += failed;
    }
    return s;
}

static enum od_status write_block(struct block *b, int fd, uint64_t *at, struct od_error *err)
{
    const struct od_io *io = b->work->io;
    size_t parts = (b->count + b->size.part_lines - 1) / b->size.part_lines;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < parts; i++) {
        struct part *part = &b->parts[i];
        s = io->write_at(io, fd, part->out.ptr ? part->out.ptr : "", part->out.len, *at, err);
        *at += part->out.len;
        b->work->result->errors += part->errors;
        part->errors = 0;
        od_buf_clear(&part->out);
        if (part->out.cap > b->size.kept_bytes) {
            od_buf_done(&part->out);
            od_buf_init(&part->out, PART_BYTES_MAX);
        }
    }
    b->work->result->lines += b->count;
    return s;
}

static enum od_status answer_block(struct block *b, int fd, uint64_t *at, struct od_error *err)
{
    size_t parts = (b->count + b->size.part_lines - 1) / b->size.part_lines;
    enum od_status s = od_parallel(b->threads, parts, answer_part, b);
    if (s == OD_OK)
        return write_block(b, fd, at, err);
    for (size_t i = 0; i < parts; i++)
        if (b->parts[i].err.code == s)
            return od_error_copy(err, &b->parts[i].err);
    return od_fail(err, s, NULL);
}

static enum od_status tell(const struct od_batch_work *work, size_t left, struct od_error *err)
{
    const struct od_progress *progress = &work->job->progress;
    uint64_t done = work->bytes_done - left;
    double part = work->all_bytes ? (double)done / (double)work->all_bytes : 1;
    enum od_status s =
        progress->report
            ? progress->report(progress->context, work->from + (1 - work->from) * part, "answering")
            : OD_OK;
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status check_count(const struct od_batch_work *work, const struct od_batch_reader *r,
                                  struct od_str name, struct od_error *err)
{
    uint64_t most = work->job->most_lines;
    if (!most || r->number <= most)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "The input file %.*s has more than %llu lines.",
                   OD_STR_ARG(name), (unsigned long long)most);
}

static enum od_status answer_all(struct block *b, struct od_batch_reader *r, struct od_str name,
                                 int fd, struct od_error *err)
{
    uint64_t at = 0;
    enum od_status s = OD_OK;
    do {
        b->count = od_batch_read(r, b->lines, b->size.lines);
        s = check_count(b->work, r, name, err);
        if (s == OD_OK && b->count)
            s = answer_block(b, fd, &at, err);
        if (s == OD_OK)
            s = tell(b->work, r->rest.len, err);
    } while (s == OD_OK && b->count);
    return s;
}

/* ---- memory of a file ---- */

static bool block_init(struct block *b, struct od_batch_work *work)
{
    const struct od_batch_job *job = work->job;
    unsigned threads = job->threads ? job->threads : od_cpu_count();
    bool ranking = work->group->spec->type == OD_PERSONALIZED_RANKING;
    *b = (struct block){
        .work = work, .size = od_batch_size(job, ranking, threads), .threads = threads};
    b->lines = calloc(b->size.lines, sizeof *b->lines);
    b->parts = calloc(b->size.parts, sizeof *b->parts);
    b->scratch = calloc(threads, sizeof *b->scratch);
    for (unsigned t = 0; b->scratch && t < threads; t++)
        od_arena_init(&b->scratch[t], SIZE_MAX);
    for (size_t i = 0; b->parts && i < b->size.parts; i++)
        od_buf_init(&b->parts[i].out, PART_BYTES_MAX);
    return b->lines && b->parts && b->scratch;
}

static void block_done(struct block *b)
{
    for (size_t i = 0; b->parts && i < b->size.parts; i++)
        od_buf_done(&b->parts[i].out);
    for (unsigned t = 0; b->scratch && t < b->threads; t++)
        od_arena_done(&b->scratch[t]);
    free(b->lines);
    free(b->parts);
    free(b->scratch);
}

static struct od_str without_mark(struct od_str bytes)
{
    return od_str_starts(bytes, OD_STR("\xEF\xBB\xBF")) ? od_str_sub(bytes, 3, bytes.len) : bytes;
}

static enum od_status answer_mapped(struct od_batch_work *work, size_t index, struct od_str bytes,
                                    int fd, struct od_error *err)
{
    struct block block;
    struct od_batch_reader reader = {.rest = without_mark(bytes),
                                     .file_seed = od_hash_mix(work->job->seed, index)};
    enum od_status s = block_init(&block, work) ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    work->bytes_done += bytes.len;
    if (s == OD_OK)
        s = answer_all(&block, &reader, work->job->files[index].in, fd, err);
    block_done(&block);
    return s == OD_OK ? work->io->sync(work->io, fd, err) : s;
}

enum od_status od_batch_file(struct od_batch_work *work, size_t index, const char *path,
                             struct od_error *err)
{
    const struct od_io *io = work->io;
    struct od_io_map map = {0};
    struct od_arena arena;
    int fd;
    od_arena_init(&arena, 1u << 20);
    struct od_str in = od_arena_str(&arena, work->job->files[index].in);
    enum od_status s = in.ptr ? io->map(io, in.ptr, &map, err) : od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_done(&arena);
    if (s != OD_OK)
        return s;
    s = io->open(io, path, OD_OPEN_CREATE, &fd, err);
    if (s == OD_OK) {
        s = answer_mapped(work, index, (struct od_str){map.ptr, map.bytes}, fd, err);
        io->close(io, fd);
    }
    io->unmap(io, &map);
    return s;
}
