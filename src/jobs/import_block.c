/* One block of an import: read, survey, cut into rows, check, encode, write. See import_inner.h.
 *
 * A block is a fixed span of its file. It owns the records that begin in it; the last of them may
 * reach into the next block, of which that much is read again. */
#include "jobs/import_inner.h"

#include <stdlib.h>
#include <string.h>

#include "data/value.h"

#define OUT_MAX       (1u << 30) /* encoded rows of a block: 8 bytes a cell of 1 byte at worst */
#define PROGRESS_STEP 0.004      /* of the whole, between two reports */

/* The present block. */
struct block {
    struct od_import *im;
    struct od_import_worker *w;
    const struct od_import_file *file;
    size_t number;
    int fd;
    uint64_t at;        /* in the file */
    size_t owned, have; /* bytes of the block; bytes read, which may be more */
    size_t known_at;    /* a place whose line is known: lines are counted on from there */
    uint64_t known_line;
    bool gave_way; /* stopped because another block failed */
    struct od_error err;
};

/* --- what a thread owns --- */

static enum od_status worker_ready(struct od_import *im, struct od_import_worker *w,
                                   const struct od_import_file *file)
{
    if (!w->bytes) {
        w->bytes = malloc(im->block_bytes + OD_MAX_CSV_RECORD_BYTES + 1);
        w->writer = od_chunk_writer_new(&im->schema);
        w->batch = calloc(im->schema.field_count * OD_CHUNK_BATCH, sizeof *w->batch);
        od_buf_init(&w->out, OUT_MAX);
        od_import_findings_init(&w->found);
    }
    if (w->csv && w->csv_columns != file->column_count) {
        od_csv_free(w->csv);
        w->csv = NULL;
    }
    if (!w->csv)
        w->csv = od_csv_new(file->column_count);
    w->csv_columns = file->column_count;
    return w->bytes && w->writer && w->batch && w->csv ? OD_OK : OD_NO_MEMORY;
}

void od_import_worker_done(struct od_import_worker *worker)
{
    free(worker->bytes);
    free(worker->places);
    free(worker->batch);
    od_csv_free(worker->csv);
    od_chunk_writer_free(worker->writer);
    od_buf_done(&worker->out);
    od_buf_done(&worker->found.list);
}

/* --- reading --- */

static bool is_whole(const struct block *b)
{
    return b->at + b->have >= b->file->size;
}

/* Reads on until `want` bytes of the block and what follows are there, or the file ends. */
static enum od_status read_to(struct block *b, size_t want)
{
    uint64_t left = b->file->size - b->at;
    size_t len = left < want ? (size_t)left : want, got = 0;
    const struct od_io *io = b->im->io;
    enum od_status s = io->read_at(io, b->fd, b->w->bytes + b->have, len - b->have, b->at + b->have,
                                   &got, &b->err);
    if (s != OD_OK)
        return s;
    if (got != len - b->have)
        return od_import_fail(b->im, &b->err, OD_IO,
                              "The file %.*s became shorter while it was read.",
                              OD_STR_ARG(b->file->name));
    b->have = len;
    return OD_OK;
}

/* --- the gates --- */

/* True when it is the block's turn; false when the import failed meanwhile. With the lock held. */
static bool wait_turn(struct block *b, const size_t *next)
{
    while (!b->im->failed && *next != b->number)
        pthread_cond_wait(&b->im->turn, &b->im->lock);
    b->gave_way = b->im->failed;
    return !b->gave_way;
}

/* Tells where the block begins and passes on where the next one does. */
static enum od_status pass_survey(struct block *b, const struct od_csv_survey *survey,
                                  enum od_csv_state *out_state)
{
    struct od_import *im = b->im;
    pthread_mutex_lock(&im->lock);
    bool mine = wait_turn(b, &im->survey_next);
    if (mine) {
        if (b->number == b->file->first_block) {
            im->state = OD_CSV_AT_RECORD;
            im->line = b->file->data_line;
        }
        *out_state = im->state;
        b->known_line = im->line;
        im->state = (enum od_csv_state)survey->to[im->state];
        im->line += survey->newlines;
        im->survey_next++;
        pthread_cond_broadcast(&im->turn);
    }
    pthread_mutex_unlock(&im->lock);
    return mine ? OD_OK : OD_STOPPED;
}

static enum od_status grow_places(struct od_chunk_place **places, size_t *cap, size_t need)
{
    if (need <= *cap)
        return OD_OK;
    size_t more = *cap ? 2 * *cap : 64;
    more = more < need ? need : more;
    struct od_chunk_place *grown = realloc(*places, more * sizeof *grown);
    if (!grown)
        return OD_NO_MEMORY;
    *places = grown;
    *cap = more;
    return OD_OK;
}

/* With the lock held, so that fractions rise and calls do not overlap. */
static enum od_status tell_progress(struct od_import *im)
{
    double fraction = im->data_bytes ? (double)im->bytes_done / (double)im->data_bytes : 1;
    bool last = im->output_next == im->block_count;
    if (!im->spec->progress || (fraction - im->told < PROGRESS_STEP && !last))
        return OD_OK;
    im->told = fraction;
    return im->spec->progress(im->spec->progress_context, fraction);
}

/* Gives the block's chunks their place in the segment. *out_write: nothing bad was found so far. */
static enum od_status pass_output(struct block *b, uint64_t *out_offset, bool *out_write)
{
    struct od_import *im = b->im;
    struct od_import_worker *w = b->w;
    pthread_mutex_lock(&im->lock);
    enum od_status s = wait_turn(b, &im->output_next) ? OD_OK : OD_STOPPED;
    if (s == OD_OK)
        s = grow_places(&im->places, &im->place_cap, im->place_count + w->place_count);
    if (s == OD_OK) {
        od_import_merge(&im->found, &w->found);
        s = od_buf_status(&im->found.list);
    }
    if (s == OD_OK) {
        for (size_t i = 0; i < w->place_count; i++) {
            struct od_chunk_place place = w->places[i];
            place.offset += im->offset;
            im->places[im->place_count++] = place;
        }
        *out_offset = im->offset;
        *out_write = im->found.bad_rows == 0;
        im->offset += w->out.len;
        im->bytes_done += b->owned;
        im->output_next++;
        s = tell_progress(im);
        if (s != OD_OK)
            im->output_next--; /* who is told to stop lets nobody past, who would tell again */
        pthread_cond_broadcast(&im->turn);
    }
    pthread_mutex_unlock(&im->lock);
    return s;
}

/* --- bad rows --- */

static uint64_t line_of(struct block *b, size_t at)
{
    if (at < b->known_at) {
        struct od_str back = {b->w->bytes + at, b->known_at - at};
        return b->known_line - od_csv_count_newlines(back);
    }
    struct od_str on = {b->w->bytes + b->known_at, at - b->known_at};
    b->known_line += od_csv_count_newlines(on);
    b->known_at = at;
    return b->known_line;
}

static struct od_str column_name(const struct block *b, size_t cell)
{
    return cell < b->file->column_count ? b->file->columns[cell] : OD_STR("");
}

/* The beginning of the text at fault, up to its line's end. */
static struct od_str text_at(const struct block *b, size_t at)
{
    struct od_str rest =
        od_str_sub((struct od_str){b->w->bytes, b->have}, at, 2 * OD_IMPORT_VALUE_BYTES);
    size_t end = od_str_find(rest, '\n', 0);
    rest.len = end == SIZE_MAX ? rest.len : end;
    return rest;
}

static void note_record(struct block *b, const struct od_csv_record *r)
{
    struct od_import_findings *found = &b->w->found;
    struct od_str value = text_at(b, r->fault_at), column = OD_STR("");
    uint64_t line = line_of(b, r->fault_at);
    const char *rule = "";
    switch (r->fault) {
    case OD_CSV_FEW_CELLS:
        od_import_note(found, OD_BAD_RECORD, b->file, line, column_name(b, r->cell_count), value,
                       "The record has %zu cells and the header %zu columns; %.*s is missing",
                       r->cell_count, b->file->column_count,
                       OD_STR_ARG(od_value_excerpt(column_name(b, r->cell_count), 150)));
        return;
    case OD_CSV_MANY_CELLS:
        od_import_note(found, OD_BAD_RECORD, b->file, line, column, value,
                       "The record has %zu cells and the header %zu columns; a value with a comma "
                       "must be in quotes",
                       r->cell_count, b->file->column_count);
        return;
    case OD_CSV_STRAY_QUOTE:
        rule = "A value with a quote must be in quotes, and the quote inside written \\\"";
        column = column_name(b, r->fault_cell);
        break;
    case OD_CSV_AFTER_QUOTE:
        rule = "Behind a closing quote must come a comma or the line's end; a quote inside a value "
               "is written \\\"";
        column = column_name(b, r->fault_cell);
        break;
    case OD_CSV_UNTERMINATED:
        rule = "The quote that opens here is never closed";
        column = column_name(b, r->fault_cell);
        break;
    case OD_CSV_TOO_LONG:
        rule = "The record is longer than 1048576 bytes";
        break;
    case OD_CSV_TOO_LONG_IN_QUOTES:
        rule = "The record is longer than 1048576 bytes; a quote in it may not be closed";
        break;
    case OD_CSV_FINE:
        return;
    }
    od_import_note(found, OD_BAD_RECORD, b->file, line, column, value, "%s", rule);
}

static void note_cell(struct block *b, const struct od_csv_record *r, size_t cell,
                      const struct od_field *field, const char *rule)
{
    struct od_str value = r->cells[cell];
    bool length = field && field->type == OD_FIELD_STRING && !field->textual &&
                  od_utf8_check(value) == value.len && !memchr(value.ptr, '\0', value.len) &&
                  od_utf8_count(value) > od_value_max_chars(field);
    od_import_note(&b->w->found, length ? OD_BAD_LENGTH : OD_BAD_CELL, b->file,
                   line_of(b, od_csv_cell_offset(b->w->csv, cell)), column_name(b, cell), value,
                   "%s", rule);
}

/* --- rows --- */

/* Columns that the schema lacks hold text all the same. */
static bool ignored_cells_are_text(struct block *b, const struct od_csv_record *r)
{
    for (size_t i = 0; i < b->file->ignored_count; i++) {
        struct od_str cell = r->cells[b->file->ignored[i]];
        bool nul = cell.len && memchr(cell.ptr, '\0', cell.len);
        if (nul || od_utf8_check(cell) != cell.len) {
            note_cell(b, r, b->file->ignored[i], NULL,
                      nul ? "The text holds a NUL character" : "The text is not well-formed UTF-8");
            return false;
        }
    }
    return true;
}

static enum od_status finish_chunk(struct od_import_worker *w)
{
    struct od_chunk_place place = {.offset = w->out.len, .rows = od_chunk_writer_rows(w->writer)};
    enum od_status s = grow_places(&w->places, &w->place_cap, w->place_count + 1);
    if (s == OD_OK)
        s = od_chunk_writer_finish(w->writer, &w->out);
    place.bytes = w->out.len - place.offset;
    if (s == OD_OK)
        w->places[w->place_count++] = place;
    return s;
}

/* Gives the batch to the writer, a chunk's end in between where it falls. */
static enum od_status flush_batch(struct od_import_worker *w, size_t columns)
{
    uint32_t room = OD_CHUNK_ROWS - od_chunk_writer_rows(w->writer), rows = w->batch_rows;
    uint32_t first = rows < room ? rows : room;
    enum od_status s = od_chunk_writer_add_batch(w->writer, w->batch, first);
    if (s == OD_OK && first == room)
        s = finish_chunk(w);
    for (size_t c = 0; first < rows && c < columns; c++)
        memmove(&w->batch[c * OD_CHUNK_BATCH], &w->batch[c * OD_CHUNK_BATCH + first],
                (rows - first) * sizeof *w->batch);
    if (s == OD_OK && first < rows)
        s = od_chunk_writer_add_batch(w->writer, w->batch, rows - first);
    w->batch_rows = 0;
    return s;
}

static enum od_status take_record(struct block *b, const struct od_csv_record *r)
{
    struct od_import_worker *w = b->w;
    if (r->fault != OD_CSV_FINE) {
        note_record(b, r);
        return OD_OK;
    }
    struct od_value *row = w->batch + w->batch_rows;
    for (size_t i = 0; i < b->file->used_count; i++) {
        struct od_import_column c = b->file->used[i];
        const struct od_field *field = &b->im->schema.fields[c.field];
        if (od_value_from_text(field, r->cells[c.cell], row + c.field * OD_CHUNK_BATCH, &b->err) !=
            OD_OK) {
            note_cell(b, r, c.cell, field, b->err.message);
            return OD_OK;
        }
    }
    if (!r->plain && !ignored_cells_are_text(b, r))
        return OD_OK;
    w->found.rows++;
    if (w->found.bad_rows)
        return OD_OK; /* nothing will be written */
    if (++w->batch_rows == OD_CHUNK_BATCH || r->copied)
        return flush_batch(w, b->im->schema.field_count);
    return OD_OK;
}

static enum od_status finish_block(struct block *b)
{
    enum od_status s = flush_batch(b->w, b->im->schema.field_count);
    if (s == OD_OK && od_chunk_writer_rows(b->w->writer))
        s = finish_chunk(b->w);
    return s;
}

static enum od_status take_records(struct block *b, size_t begin)
{
    struct od_import_worker *w = b->w;
    struct od_csv_record r;
    od_csv_start(w->csv, (struct od_str){w->bytes, b->have}, begin, b->owned, is_whole(b));
    for (;;) {
        enum od_status s = OD_OK;
        switch (od_csv_next(w->csv, &r)) {
        case OD_CSV_GAVE_RECORD:
            s = take_record(b, &r);
            break;
        case OD_CSV_NEEDS_MORE:
            s = read_to(b, b->owned + OD_MAX_CSV_RECORD_BYTES + 1);
            if (s == OD_OK)
                od_csv_extend(w->csv, (struct od_str){w->bytes, b->have}, is_whole(b));
            break;
        case OD_CSV_ENDED:
            return finish_block(b);
        case OD_CSV_NO_MEMORY:
            s = OD_NO_MEMORY;
        }
        if (s != OD_OK)
            return s;
    }
}

/* --- the block --- */

static enum od_status run_block(struct block *b)
{
    struct od_csv_survey survey;
    enum od_csv_state state;
    uint64_t left = b->file->size - b->at;
    b->owned = left < b->im->block_bytes ? (size_t)left : b->im->block_bytes;
    enum od_status s = read_to(b, b->owned);
    if (s != OD_OK)
        return s;
    struct od_str bytes = {b->w->bytes, b->owned};
    od_csv_survey(bytes, &survey);
    s = pass_survey(b, &survey, &state);
    if (s != OD_OK)
        return s;
    size_t begin = od_csv_first_record(state, bytes);
    if (begin < b->owned)
        s = take_records(b, begin);
    uint64_t offset = 0;
    bool write = false;
    if (s == OD_OK)
        s = pass_output(b, &offset, &write);
    if (s == OD_OK && write && b->w->out.len)
        s = b->im->io->write_at(b->im->io, b->im->fd, b->w->out.ptr, b->w->out.len, offset,
                                &b->err);
    return s;
}

static void note_failure(struct block *b, enum od_status s)
{
    struct od_import *im = b->im;
    if (b->err.code != s)
        od_fail(&b->err, s, NULL);
    pthread_mutex_lock(&im->lock);
    if (!im->failed || (!b->gave_way && b->number < im->failed_block)) {
        im->failed = true;
        im->failed_block = b->number;
        im->err = b->err;
    }
    pthread_cond_broadcast(&im->turn);
    pthread_mutex_unlock(&im->lock);
}

enum od_status od_import_block(void *context, size_t number, unsigned thread)
{
    struct od_import *im = context;
    struct block b = {.im = im, .w = &im->workers[thread], .number = number, .fd = -1};
    b.file = od_import_file_of(im, number);
    b.at = b.file->data_at + (uint64_t)(number - b.file->first_block) * im->block_bytes;
    b.w->place_count = 0;
    enum od_status s = worker_ready(im, b.w, b.file);
    if (s == OD_OK) {
        od_buf_clear(&b.w->out);
        s = im->io->open(im->io, b.file->path, OD_OPEN_READ, &b.fd, &b.err);
    }
    if (s == OD_OK)
        s = run_block(&b);
    if (b.fd >= 0)
        im->io->close(im->io, b.fd);
    if (s != OD_OK)
        note_failure(&b, s);
    return s;
}
