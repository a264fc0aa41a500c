/* A file in blocks: lines are found one after the other, a block of them is answered on all cores,
 * and what came of it is written in order; then the next block.
 *
 * A part is a run of neighbouring lines with a buffer of its own, so which thread answers it shows
 * nowhere. The size of a block bounds the memory: about BLOCK_RESULTS ids at once (a few MiB of
 * output; 500 results of the longest ids would be 100 MiB), but never so few lines that a core has
 * nothing to do. A segment may be millions of users: then a block is one line a core. */
#include "batch/file.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "os/parallel.h"

#define BLOCK_RESULTS  200000u
#define BLOCK_LINES    8192u
#define PART_LINES     16u
#define PART_BYTES_MAX ((size_t)4 << 30) /* a segment of 5 million users of the longest ids */

struct part {
    struct od_buf out;
    struct od_error err;
    uint64_t errors;
};

struct block {
    struct od_batch_work *work;
    struct od_batch_text *lines; /* [cap] */
    size_t count, cap, part_lines;
    struct part *parts;
    struct od_arena *scratch; /* [threads] */
    unsigned threads;
};

struct reader {
    struct od_str rest; /* of the mapped file */
    uint64_t number;    /* of the line read last */
    uint64_t file_seed;
};

/* The next line that is not empty; false at the end. */
static bool next_line(struct reader *r, struct od_batch_text *out)
{
    while (r->rest.len) {
        const char *end = memchr(r->rest.ptr, '\n', r->rest.len);
        size_t len = end ? (size_t)(end - r->rest.ptr) : r->rest.len;
        struct od_str line = od_str_trim((struct od_str){r->rest.ptr, len});
        size_t step = end ? len + 1 : len;
        r->rest = (struct od_str){r->rest.ptr + step, r->rest.len - step};
        r->number++;
        if (!line.len)
            continue;
        *out = (struct od_batch_text){line, r->number, od_hash_mix(r->file_seed, r->number)};
        return true;
    }
    return false;
}

static enum od_status answer_part(void *context, size_t index, unsigned thread)
{
    struct block *b = context;
    struct part *part = &b->parts[index];
    size_t from = index * b->part_lines, to = from + b->part_lines;
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
    size_t parts = (b->count + b->part_lines - 1) / b->part_lines;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < parts; i++) {
        struct part *part = &b->parts[i];
        s = io->write_at(io, fd, part->out.ptr ? part->out.ptr : "", part->out.len, *at, err);
        *at += part->out.len;
        b->work->result->errors += part->errors;
        part->errors = 0;
        od_buf_clear(&part->out);
        if (part->out.cap > OD_BATCH_KEPT_BYTES) {
            od_buf_done(&part->out);
            od_buf_init(&part->out, PART_BYTES_MAX);
        }
    }
    b->work->result->lines += b->count;
    return s;
}

static enum od_status answer_block(struct block *b, int fd, uint64_t *at, struct od_error *err)
{
    size_t parts = (b->count + b->part_lines - 1) / b->part_lines;
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

static enum od_status check_count(const struct od_batch_work *work, const struct reader *r,
                                  struct od_str name, struct od_error *err)
{
    uint64_t most = work->job->most_lines;
    if (!most || r->number <= most)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "The input file %.*s has more than %llu lines.",
                   OD_STR_ARG(name), (unsigned long long)most);
}

static enum od_status answer_all(struct block *b, struct reader *r, struct od_str name, int fd,
                                 struct od_error *err)
{
    uint64_t at = 0;
    enum od_status s = OD_OK;
    bool more = true;
    while (s == OD_OK && more) {
        b->count = 0;
        while (b->count < b->cap && (more = next_line(r, &b->lines[b->count])))
            b->count++;
        s = check_count(b->work, r, name, err);
        if (s == OD_OK && b->count)
            s = answer_block(b, fd, &at, err);
        if (s == OD_OK)
            s = tell(b->work, r->rest.len, err);
    }
    return s;
}

/* ---- memory of a file ---- */

static bool block_init(struct block *b, struct od_batch_work *work)
{
    const struct od_batch_job *job = work->job;
    unsigned threads = job->threads ? job->threads : od_cpu_count();
    size_t results = job->results > 0 ? (size_t)job->results : OD_DEFAULT_RESULTS;
    size_t lines = BLOCK_RESULTS / results, least = job->segments ? threads : threads * PART_LINES;
    lines = lines > BLOCK_LINES ? BLOCK_LINES : lines < least ? least : lines;
    *b = (struct block){.work = work, .cap = lines, .threads = threads};
    b->part_lines = job->segments ? 1 : PART_LINES;
    b->lines = calloc(lines, sizeof *b->lines);
    b->parts = calloc(lines / b->part_lines + 1, sizeof *b->parts);
    b->scratch = calloc(threads, sizeof *b->scratch);
    for (unsigned t = 0; b->scratch && t < threads; t++)
        od_arena_init(&b->scratch[t], SIZE_MAX);
    for (size_t i = 0; b->parts && i <= lines / b->part_lines; i++)
        od_buf_init(&b->parts[i].out, PART_BYTES_MAX);
    return b->lines && b->parts && b->scratch;
}

static void block_done(struct block *b)
{
    for (size_t i = 0; b->parts && i <= b->cap / b->part_lines; i++)
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
    struct reader reader = {.rest = without_mark(bytes),
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
