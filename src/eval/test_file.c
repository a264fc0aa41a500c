/* Reading test files. Cells are copied where the reader had to unquote them; there are few. */
#include "eval/test_file.h"

#include <stdlib.h>

#include "base/hash.h"
#include "data/value.h"
#include "eval/infer.h"

#define VALUE_SHOWN 60 /* bytes of a bad value repeated in a message */

struct reading {
    struct od_test_file *file;
    size_t left, right; /* cells */
};

static const char *const names[][2] = {
    [OD_TEST_SESSIONS] = {"PREFIX", "TARGET"},
    [OD_TEST_PAIRS] = {"USER_ID", "ITEM_ID"},
};

static enum od_status add_items(struct od_test_file *file, const struct od_test_row *row,
                                struct od_error *err)
{
    uint32_t code;
    struct od_str left = row->left, item;
    enum od_status s = od_dict_add(file->items, row->right, &code);
    while (s == OD_OK && file->kind == OD_TEST_SESSIONS && od_str_cut(&left, '|', &item)) {
        if (item.len == 0)
            return od_fail(err, OD_INVALID_INPUT,
                           "column PREFIX, value \"%.*s\": an item between two | is empty",
                           OD_STR_ARG(od_value_excerpt(row->left, VALUE_SHOWN)));
        s = od_dict_add(file->items, item, &code);
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status take(void *context, const struct od_str *cells, struct od_error *err)
{
    struct reading *reading = context;
    struct od_test_file *file = reading->file;
    struct od_str left = cells[reading->left], right = cells[reading->right];
    if (left.len == 0 || right.len == 0)
        return od_fail(err, OD_INVALID_INPUT, "column %s may not be empty",
                       names[file->kind][left.len != 0]);
    if (file->count == file->cap) {
        size_t cap = file->cap ? file->cap * 2 : 1024;
        struct od_test_row *bigger = reallocarray(file->rows, cap, sizeof *bigger);
        if (!bigger)
            return od_fail(err, OD_NO_MEMORY, NULL);
        file->rows = bigger;
        file->cap = cap;
    }
    struct od_test_row *row = &file->rows[file->count++];
    *row =
        (struct od_test_row){od_arena_str(&file->arena, left), od_arena_str(&file->arena, right)};
    if (!row->left.ptr || !row->right.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return add_items(file, row, err);
}

static size_t find_column(const struct od_csv_header *header, const char *name)
{
    for (size_t c = 0; c < header->column_count; c++)
        if (od_str_eq_c(header->columns[c], name))
            return c;
    return SIZE_MAX;
}

static enum od_status read_rows(struct od_test_file *file, struct od_str bytes, const char *path,
                                struct od_error *err)
{
    struct od_csv_header header;
    struct od_error inner = {0};
    enum od_status s = od_csv_header(&file->arena, bytes, &header, &inner);
    if (s != OD_OK)
        return od_fail(err, s, "%s: %s", path, inner.message);
    struct reading reading = {file, find_column(&header, names[file->kind][0]),
                              find_column(&header, names[file->kind][1])};
    if (reading.left == SIZE_MAX || reading.right == SIZE_MAX)
        return od_fail(err, OD_INVALID_INPUT, "%s: the header lacks the column %s.", path,
                       names[file->kind][reading.left != SIZE_MAX]);
    s = od_csv_walk(bytes, path, &header, take, &reading, err);
    if (s == OD_OK && file->count == 0)
        s = od_fail(err, OD_INVALID_INPUT, "%s has no records.", path);
    return s;
}

enum od_status od_test_file_read(struct od_test_file *out, const struct od_io *io, const char *path,
                                 enum od_test_kind kind, struct od_error *err)
{
    struct od_io_map map;
    *out = (struct od_test_file){.kind = kind};
    enum od_status s = io->map(io, path, &map, err);
    if (s != OD_OK)
        return s;
    od_arena_init(&out->arena, SIZE_MAX);
    out->items = od_dict_new();
    struct od_str bytes = {map.ptr, map.bytes};
    out->hash = od_hash(bytes.ptr, bytes.len, 0);
    if (!out->items)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    else if (od_str_starts(bytes, OD_STR("\x1f\x8b")))
        s = od_fail(err, OD_INVALID_INPUT, "%s is compressed with gzip; unpack it first.", path);
    else
        s = read_rows(out, bytes, path, err);
    io->unmap(io, &map);
    if (s != OD_OK)
        od_test_file_done(out);
    return s;
}

void od_test_file_done(struct od_test_file *file)
{
    od_arena_done(&file->arena);
    od_dict_free(file->items);
    free(file->rows);
    *file = (struct od_test_file){0};
}
