/* One file written by all cores: blocks in order, at places known as soon as they are full.
 *
 * A thread takes the next block number, fills its own buffer, waits until every earlier block has
 * said how long it is, takes its place in the file, and writes there while others go on. So the
 * file is the same whatever the number of threads, and memory is one buffer a thread.
 *
 * Block numbers are taken here, in rising order, and not from od_parallel's index: the lowest block
 * in work then never waits for one that nobody has begun. A failure is told to those who wait. */
#include "cli/lodging_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "os/parallel.h"

#define BLOCK_MAX_BYTES ((size_t)1 << 30) /* one user's rows may be 10 MB; a block is a few MB */

struct writer {
    const struct od_lodging_file *file;
    int fd;
    atomic_uint_fast64_t next; /* block to be taken */
    pthread_mutex_t lock;      /* guards all below */
    pthread_cond_t moved;
    uint64_t turn; /* block whose place is known: at */
    uint64_t at;
    uint64_t rows;
    bool failed;
    struct od_error error; /* of the first failure */
};

static void give_up(struct writer *w, const struct od_error *err)
{
    pthread_mutex_lock(&w->lock);
    if (!w->failed)
        w->error = *err;
    w->failed = true;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
}

/* False when somebody failed meanwhile. */
static bool take_place(struct writer *w, uint64_t block, uint64_t bytes, uint64_t rows,
                       uint64_t *out_at)
{
    pthread_mutex_lock(&w->lock);
    while (w->turn != block && !w->failed)
        pthread_cond_wait(&w->moved, &w->lock);
    bool ok = !w->failed;
    if (ok) {
        *out_at = w->at;
        w->at += bytes;
        w->rows += rows;
        w->turn++;
        pthread_cond_broadcast(&w->moved);
    }
    pthread_mutex_unlock(&w->lock);
    return ok;
}

static bool is_failed(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool failed = w->failed;
    pthread_mutex_unlock(&w->lock);
    return failed;
}

/* Blocks until there are none; one call a thread. */
static enum od_status work(void *context, size_t index, unsigned thread)
{
    (void)index;
    (void)thread;
    struct writer *w = context;
    const struct od_lodging_file *file = w->file;
    struct od_buf text;
    struct od_error err;
    enum od_status s = OD_OK;
    od_buf_init(&text, BLOCK_MAX_BYTES);
    while (s == OD_OK && !is_failed(w)) {
        uint64_t block = atomic_fetch_add(&w->next, 1), at;
        if (block >= file->blocks)
            break;
        od_buf_clear(&text);
        uint64_t rows = file->fill(file->context, block, &text);
        s = od_buf_status(&text);
        if (s != OD_OK)
            od_fail(&err, s, "Out of memory for rows of %s.", file->path);
        else if (take_place(w, block, text.len, rows, &at))
            s = file->io->write_at(file->io, w->fd, text.ptr, text.len, at, &err);
    }
    if (s != OD_OK)
        give_up(w, &err);
    od_buf_done(&text);
    return s;
}

static enum od_status write_all(struct writer *w, struct od_error *err)
{
    const struct od_lodging_file *file = w->file;
    struct od_str header = od_str_c(file->header);
    struct od_error why;
    unsigned threads = file->threads ? file->threads : od_cpu_count();
    enum od_status s = file->io->write_at(file->io, w->fd, header.ptr, header.len, 0, &why);
    w->at = header.len;
    if (s == OD_OK && od_parallel(threads, threads, work, w) != OD_OK) {
        why = w->error;
        s = why.code;
    }
    if (s == OD_OK)
        s = file->io->sync(file->io, w->fd, &why);
    /* the machine's messages name no file: "cannot write: No space left on device" */
    return s == OD_OK ? OD_OK : od_fail(err, s, "%s: %s", file->path, why.message);
}

enum od_status od_lodging_file_write(const struct od_lodging_file *file, uint64_t *out_rows,
                                     uint64_t *out_bytes, struct od_error *err)
{
    struct writer w = {.file = file};
    enum od_status s = file->io->open(file->io, file->path, OD_OPEN_CREATE, &w.fd, err);
    if (s != OD_OK)
        return s;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.moved, NULL);
    s = write_all(&w, err);
    pthread_cond_destroy(&w.moved);
    pthread_mutex_destroy(&w.lock);
    file->io->close(file->io, w.fd);
    if (s != OD_OK)
        return s;
    *out_rows = w.rows;
    *out_bytes = w.at;
    return OD_OK;
}
