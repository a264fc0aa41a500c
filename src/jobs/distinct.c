/* Finding repetitions by sorting outside of memory: see distinct.h.
 *
 * The scratch file is runs of run_rows entries, end to end, each sorted by key and row. The merge
 * reads every run through a buffer of its own, all of them together as large as one run, and takes
 * the least entry of all from a heap. */
#include "jobs/distinct.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"

#define RUN_ROWS     (2u << 20)
#define LEAST_BUFFER 64u /* entries read at a time, however many runs there are */

struct entry {
    uint8_t key[OD_DISTINCT_KEY];
    uint64_t row;
};

/* A run while it is merged. */
struct run {
    struct entry *buffer;
    size_t at, count;       /* in buffer */
    uint64_t next, entries; /* in the file: the next one to read, how many are left */
};

struct od_distinct {
    const struct od_io *io;
    char *scratch;
    int fd; /* -1: not made */
    bool keep_last;
    struct entry *entries; /* [run_rows] */
    size_t run_rows, count;
    uint64_t rows, run_count;
    uint64_t *dropped;
    struct entry previous; /* of the merged order */
    bool any;
};

struct od_distinct *od_distinct_new(const struct od_io *io, struct od_str scratch, bool keep_last,
                                    size_t run_rows)
{
    struct od_distinct *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->io = io;
    d->fd = -1;
    d->keep_last = keep_last;
    d->run_rows = run_rows ? run_rows : RUN_ROWS;
    d->scratch = strndup(scratch.ptr, scratch.len);
    d->entries = malloc(d->run_rows * sizeof *d->entries);
    if (d->scratch && d->entries)
        return d;
    od_distinct_free(d);
    return NULL;
}

void od_distinct_free(struct od_distinct *d)
{
    if (!d)
        return;
    if (d->fd >= 0) {
        d->io->close(d->io, d->fd);
        (void)d->io->remove(d->io, d->scratch, NULL);
    }
    free(d->scratch);
    free(d->entries);
    free(d->dropped);
    free(d);
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int by_key = memcmp(x->key, y->key, sizeof x->key);
    return by_key ? by_key : (x->row > y->row) - (x->row < y->row);
}

static enum od_status spill(struct od_distinct *d, struct od_error *err)
{
    enum od_status s = OD_OK;
    if (d->fd < 0)
        s = d->io->open(d->io, d->scratch, OD_OPEN_CREATE, &d->fd, err);
    if (s != OD_OK)
        return s;
    qsort(d->entries, d->count, sizeof *d->entries, compare);
    uint64_t at = d->run_count * d->run_rows * sizeof *d->entries;
    s = d->io->write_at(d->io, d->fd, d->entries, d->count * sizeof *d->entries, at, err);
    d->run_count++;
    d->count = 0;
    return s;
}

enum od_status od_distinct_add(struct od_distinct *d, const uint8_t key[OD_DISTINCT_KEY],
                               struct od_error *err)
{
    enum od_status s = d->count == d->run_rows ? spill(d, err) : OD_OK;
    if (s != OD_OK)
        return s;
    struct entry *e = &d->entries[d->count++];
    memcpy(e->key, key, sizeof e->key);
    e->row = d->rows++;
    return OD_OK;
}

/* The next entry in order of key and row. */
static void see(struct od_distinct *d, const struct entry *e)
{
    if (d->any && memcmp(d->previous.key, e->key, sizeof e->key) == 0)
        od_bitmap_set(d->dropped, d->keep_last ? d->previous.row : e->row);
    d->previous = *e;
    d->any = true;
}

/* ---- merging ---- */

/* Makes run->buffer[run->at] the run's next entry; at == count when there is none left. */
static enum od_status refill(struct od_distinct *d, struct run *run, size_t room,
                             struct od_error *err)
{
    size_t want = run->entries < room ? (size_t)run->entries : room, got = 0;
    run->at = run->count = 0;
    if (want == 0)
        return OD_OK;
    enum od_status s = d->io->read_at(d->io, d->fd, run->buffer, want * sizeof *run->buffer,
                                      run->next * sizeof *run->buffer, &got, err);
    if (s == OD_OK && got != want * sizeof *run->buffer)
        s = od_fail(err, OD_IO, "%s is shorter than what was written to it.", d->scratch);
    if (s != OD_OK)
        return s;
    run->count = want;
    run->next += want;
    run->entries -= want;
    return OD_OK;
}

static bool before(const struct run *a, const struct run *b)
{
    return compare(&a->buffer[a->at], &b->buffer[b->at]) < 0;
}

static void sift(struct run **heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1;
        if (left < count && before(heap[left], heap[least]))
            least = left;
        if (left + 1 < count && before(heap[left + 1], heap[least]))
            least = left + 1;
        if (least == at)
            return;
        struct run *moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

static enum od_status merge_heap(struct od_distinct *d, struct run **heap, size_t count,
                                 size_t room, struct od_error *err)
{
    for (size_t i = count / 2; i > 0; i--)
        sift(heap, count, i - 1);
    while (count > 0) {
        struct run *run = heap[0];
        see(d, &run->buffer[run->at++]);
        if (run->at == run->count) {
            enum od_status s = refill(d, run, room, err);
            if (s != OD_OK)
                return s;
            if (run->count == 0)
                heap[0] = heap[--count];
        }
        sift(heap, count, 0);
    }
    return OD_OK;
}

static enum od_status merge(struct od_distinct *d, struct od_error *err)
{
    size_t count = (size_t)d->run_count, room = d->run_rows / count;
    room = room > LEAST_BUFFER ? room : LEAST_BUFFER;
    struct run *runs = calloc(count, sizeof *runs);
    struct run **heap = calloc(count, sizeof *heap);
    struct entry *buffers = malloc(count * room * sizeof *buffers);
    enum od_status s = OD_OK;
    if (!runs || !heap || !buffers)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        uint64_t from = i * (uint64_t)d->run_rows, left = d->rows - from;
        runs[i] = (struct run){.buffer = buffers + i * room,
                               .next = from,
                               .entries = left < d->run_rows ? left : d->run_rows};
        heap[i] = &runs[i];
        s = refill(d, &runs[i], room, err);
    }
    if (s == OD_OK)
        s = merge_heap(d, heap, count, room, err);
    free(buffers);
    free(heap);
    free(runs);
    return s;
}

enum od_status od_distinct_finish(struct od_distinct *d, const uint64_t **out_dropped,
                                  struct od_error *err)
{
    enum od_status s = OD_OK;
    d->dropped = calloc(od_bitmap_words(d->rows) + 1, sizeof *d->dropped);
    if (!d->dropped)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (d->run_count == 0) {
        qsort(d->entries, d->count, sizeof *d->entries, compare);
        for (size_t i = 0; i < d->count; i++)
            see(d, &d->entries[i]);
    } else {
        s = spill(d, err); /* full runs but the last, which has at least one entry */
        free(d->entries);
        d->entries = NULL;
        if (s == OD_OK)
            s = merge(d, err);
    }
    if (s == OD_OK)
        *out_dropped = d->dropped;
    return s;
}
