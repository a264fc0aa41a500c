/* The reader of external vectors.
 *
 * The id ends at the first tab of a line; without one, at the first comma or blank. So ids may hold
 * blanks and commas where a tab follows. The text form of word2vec and GloVe is such a file;
 * word2vec's first line (how many vectors, of how many numbers) is taken as a header and held to.
 * Memory: the vectors of the ids asked for, and the file's own ids. */
#include "recipes/external_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"

struct reader {
    struct od_str rest;
    uint64_t line; /* number of the line last read */
    const struct od_dict *ids;
    bool all; /* there are no other ids in the dataset group */
    uint64_t memory_bytes;
    struct od_dict *seen; /* ids of the file */
    struct od_vectors *out;
    uint64_t promised; /* vectors by the header, 0: no header */
    uint32_t known, unknown;
    char first_unknown[100];
    struct od_error *err;
};

OD_PRINTF(2, 3)
static enum od_status refuse(struct reader *r, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    enum od_status s = od_fail(r->err, OD_INVALID_INPUT, "The file of item vectors, line %llu: %s",
                               (unsigned long long)r->line, text);
    if (r->err)
        r->err->line = r->line;
    return s;
}

/* The next line that is not blank; false at the end. */
static bool next_line(struct reader *r, struct od_str *out)
{
    struct od_str line;
    while (od_str_cut(&r->rest, '\n', &line)) {
        r->line++;
        while (line.len && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
            line.len--;
        if (line.len) {
            *out = line;
            return true;
        }
    }
    return false;
}

static void cut_id(struct od_str line, struct od_str *id, struct od_str *numbers)
{
    size_t at = od_str_find(line, '\t', 0);
    if (at == SIZE_MAX) {
        size_t comma = od_str_find(line, ',', 0), blank = od_str_find(line, ' ', 0);
        at = comma < blank ? comma : blank;
    }
    *id = at == SIZE_MAX ? line : od_str_sub(line, 0, at);
    *numbers = at == SIZE_MAX ? OD_STR("") : od_str_sub(line, at + 1, SIZE_MAX);
}

/* "COUNT DIMENSION" and nothing else, on the first line. */
static bool is_header(struct od_str line, uint64_t *out_count, uint64_t *out_dimension)
{
    struct od_str rest = line, count, dimension;
    return od_str_cut(&rest, ' ', &count) && od_str_cut(&rest, ' ', &dimension) && !rest.ptr &&
           od_str_to_u64(count, out_count) && od_str_to_u64(dimension, out_dimension);
}

/* The dimension is known: room for every id. */
static enum od_status make_room(struct reader *r, uint64_t dimension)
{
    uint32_t rows = od_dict_count(r->ids);
    if (dimension == 0 || dimension > OD_VECTOR_MOST)
        return refuse(r, "a vector of %llu numbers; expected 1 to %d.",
                      (unsigned long long)dimension, OD_VECTOR_MOST);
    uint64_t bytes = (uint64_t)rows * dimension * sizeof(float);
    if (r->memory_bytes && bytes > r->memory_bytes)
        return od_fail(r->err, OD_LIMIT,
                       "Vectors of %llu numbers for %u items need %llu MB, more than the training "
                       "may use.",
                       (unsigned long long)dimension, rows, (unsigned long long)(bytes >> 20));
    r->out->rows = rows;
    r->out->dimension = (uint32_t)dimension;
    r->out->at = calloc((size_t)rows * dimension + 1, sizeof *r->out->at);
    r->out->present = calloc(od_bitmap_words(rows) + 1, sizeof *r->out->present);
    return r->out->at && r->out->present ? OD_OK : od_fail(r->err, OD_NO_MEMORY, NULL);
}

static void note_unknown(struct reader *r, struct od_str id)
{
    if (r->unknown++ == 0)
        snprintf(r->first_unknown, sizeof r->first_unknown, "%.*s", OD_STR_ARG(id));
}

static enum od_status read_line(struct reader *r, struct od_str line)
{
    struct od_str id, text;
    float numbers[OD_VECTOR_MOST];
    uint32_t count = 0, code, before = od_dict_count(r->seen);
    cut_id(line, &id, &text);
    if (!od_vectors_parse(text, OD_VECTOR_MOST, numbers, &count))
        return refuse(r, "after the id %.*s there must be finite numbers and nothing else.",
                      (int)(id.len < 100 ? id.len : 100), id.ptr);
    if (!r->out->at) {
        enum od_status s = make_room(r, count);
        if (s != OD_OK)
            return s;
    }
    if (count != r->out->dimension)
        return refuse(r, "%u numbers; expected %u, as before.", count, r->out->dimension);
    if (od_dict_add(r->seen, id, &code) != OD_OK)
        return od_fail(r->err, OD_NO_MEMORY, NULL);
    if (od_dict_count(r->seen) == before)
        return refuse(r, "a second vector for the id %.*s.", (int)(id.len < 100 ? id.len : 100),
                      id.ptr);
    uint32_t row = od_dict_find(r->ids, id);
    if (row == OD_NO_CODE) {
        note_unknown(r, id);
        return OD_OK;
    }
    r->known++;
    memcpy(r->out->at + (size_t)row * count, numbers, count * sizeof *numbers);
    od_bitmap_set(r->out->present, row);
    return OD_OK;
}

static enum od_status check_ids(struct reader *r)
{
    uint64_t read = (uint64_t)r->known + r->unknown;
    if (read == 0)
        return od_fail(r->err, OD_INVALID_INPUT, "The file of item vectors holds no vector.");
    if (r->promised && r->promised != read)
        return od_fail(r->err, OD_INVALID_INPUT,
                       "The file of item vectors holds %llu vectors; its first line says %llu.",
                       (unsigned long long)read, (unsigned long long)r->promised);
    if (r->all && r->unknown > r->known)
        return od_fail(r->err, OD_INVALID_INPUT,
                       "The file of item vectors has %u ids that are no items of the dataset "
                       "group, the first being %s, and %u that are.",
                       r->unknown, r->first_unknown, r->known);
    return OD_OK;
}

static enum od_status read_all(struct reader *r)
{
    struct od_str line;
    uint64_t dimension;
    enum od_status s = OD_OK;
    bool more = next_line(r, &line);
    if (more && is_header(line, &r->promised, &dimension)) {
        s = make_room(r, dimension);
        more = s == OD_OK && next_line(r, &line);
    }
    for (; s == OD_OK && more; more = s == OD_OK && next_line(r, &line))
        s = read_line(r, line);
    return s == OD_OK ? check_ids(r) : s;
}

enum od_status od_external_read(struct od_str file, const struct od_dict *ids, bool all,
                                uint64_t memory_bytes, struct od_vectors *out, struct od_error *err)
{
    struct od_vectors vectors = {0};
    struct reader r = {.rest = file,
                       .ids = ids,
                       .all = all,
                       .memory_bytes = memory_bytes,
                       .seen = od_dict_new(),
                       .out = &vectors,
                       .err = err};
    enum od_status s = r.seen ? read_all(&r) : od_fail(err, OD_NO_MEMORY, NULL);
    od_dict_free(r.seen);
    if (s == OD_OK)
        *out = vectors;
    else
        od_vectors_done(&vectors);
    return s;
}
