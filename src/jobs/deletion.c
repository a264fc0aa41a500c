/* Files without the deleted users: see deletion.h. */
#include "jobs/deletion.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "jobs/image_file.h"
#include "jobs/segment_file.h"
#include "jobs/segment_walk.h"
#include "recipes/recipe.h"

#define REPORT_BYTES (64u << 20)

/* ---- segments ---- */

struct rewrite {
    const struct od_io *io;
    struct od_str to;
    const struct od_dict *ids;
    struct od_segment_file *file; /* begun with the first chunk of the second walk */
    struct od_deletion_rows rows;
    struct od_error *err;
};

/* The column of users, NULL when the segment has none. */
static const struct od_chunk_column *users_of(const struct od_segment *segment,
                                              const struct od_chunk *chunk)
{
    size_t at = od_schema_find(&segment->schema, OD_STR("USER_ID"));
    return at != SIZE_MAX && segment->schema.fields[at].type == OD_FIELD_STRING
               ? &chunk->columns[at]
               : NULL;
}

/* A dictionary may hold texts that no row has; they count as well. */
static enum od_status look(void *context, const struct od_segment *segment,
                           const struct od_chunk *chunk)
{
    struct rewrite *r = context;
    const struct od_chunk_column *users = users_of(segment, chunk);
    for (uint32_t i = 0; users && !r->rows.found && i < users->dict_count; i++)
        r->rows.found = od_dict_find(r->ids, od_chunk_text(users, i)) != OD_NO_CODE;
    return OD_OK;
}

static bool is_gone(const struct od_chunk_column *users, const bool *gone, uint32_t row)
{
    bool null = users->nulls && od_bitmap_get(users->nulls, row);
    return !null && gone[users->codes[row]];
}

static enum od_status copy_rows(struct rewrite *r, const struct od_segment *segment,
                                const struct od_chunk *chunk, const bool *gone)
{
    const struct od_chunk_column *users = users_of(segment, chunk);
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    enum od_status s = OD_OK;
    for (uint32_t row = 0; s == OD_OK && row < chunk->row_count; row++) {
        if (users && is_gone(users, gone, row)) {
            r->rows.removed++;
            continue;
        }
        for (size_t f = 0; f < chunk->column_count; f++)
            od_chunk_value(chunk, f, row, &values[f]);
        s = od_segment_file_add(r->file, values, r->err);
    }
    return s;
}

static enum od_status copy_chunk(void *context, const struct od_segment *segment,
                                 const struct od_chunk *chunk)
{
    struct rewrite *r = context;
    const struct od_chunk_column *users = users_of(segment, chunk);
    uint32_t count = users ? users->dict_count : 0;
    enum od_status s = OD_OK;
    if (!r->file)
        s = od_segment_file_begin(r->io, &segment->schema, r->to, &r->file, r->err);
    bool *gone = calloc((size_t)count + 1, sizeof *gone);
    if (s == OD_OK && !gone)
        s = od_fail(r->err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; s == OD_OK && i < count; i++)
        gone[i] = od_dict_find(r->ids, od_chunk_text(users, i)) != OD_NO_CODE;
    if (s == OD_OK)
        s = copy_rows(r, segment, chunk, gone);
    free(gone);
    return s;
}

/* The file's schema is the segment's, which lives as long as one walk: it must end within. */
static enum od_status walk_and_end(struct rewrite *r, struct od_str from)
{
    struct od_arena arena;
    struct od_io_map map;
    struct od_segment segment;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str name = od_arena_str(&arena, from);
    enum od_status s =
        name.ptr ? r->io->map(r->io, name.ptr, &map, r->err) : od_fail(r->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = od_segment_open(&arena, (struct od_str){map.ptr, map.bytes}, &segment, r->err);
        if (s == OD_OK)
            s = od_segment_chunks(&segment, copy_chunk, r, r->err);
        s = od_segment_file_end(r->file, s, &r->rows.left, r->err);
        r->io->unmap(r->io, &map);
    }
    od_arena_done(&arena);
    return s;
}

enum od_status od_deletion_segment(const struct od_io *io, struct od_str from, struct od_str to,
                                   const struct od_dict *ids, struct od_deletion_rows *out,
                                   struct od_error *err)
{
    struct rewrite r = {.io = io, .to = to, .ids = ids, .err = err};
    enum od_status s = od_segment_walk(io, from, look, &r, err);
    if (s == OD_OK && r.rows.found && to.ptr)
        s = walk_and_end(&r, from);
    if (s == OD_OK)
        *out = r.rows;
    return s;
}

/* ---- images ---- */

static enum od_status write_image(const struct od_io *io, const struct od_image *image,
                                  const struct od_recipe *recipe, const uint64_t *gone,
                                  struct od_str to, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 20);
    struct od_str path = od_arena_str(&arena, to);
    struct od_str temporary = od_arena_printf(&arena, "%.*s.tmp", OD_STR_ARG(to));
    struct od_image_writer *writer = od_image_writer_new(image->recipe, image->recipe_version);
    enum od_status s =
        path.ptr && temporary.ptr && writer ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = recipe->forget(image, gone, writer, err);
    if (s == OD_OK)
        s = od_image_file_write(io, temporary.ptr, writer, err);
    if (s == OD_OK)
        s = io->rename(io, temporary.ptr, path.ptr, err);
    od_image_writer_free(writer);
    od_arena_done(&arena);
    return s;
}

static enum od_status forget_in(const struct od_io *io, const struct od_image *image,
                                const struct od_recipe *recipe, const struct od_model *model,
                                const struct od_dict *ids, struct od_str to, uint32_t *out_removed,
                                struct od_error *err)
{
    const struct od_image_dict *users = recipe->users(model);
    uint64_t *gone = calloc(od_bitmap_words(users->count) + 1, sizeof *gone);
    uint32_t found = 0;
    if (!gone)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t u = 0; u < users->count; u++) {
        if (od_dict_find(ids, od_image_dict_text(users, u)) == OD_NO_CODE)
            continue;
        od_bitmap_set(gone, u);
        found++;
    }
    enum od_status s = OD_OK;
    if (found && to.ptr)
        s = write_image(io, image, recipe, gone, to, err);
    free(gone);
    if (s == OD_OK)
        *out_removed = found;
    return s;
}

static enum od_status open_image(const struct od_io *io, struct od_str bytes, struct od_str to,
                                 const struct od_dict *ids, uint32_t *out_removed,
                                 struct od_error *err)
{
    struct od_image image;
    struct od_model *model;
    enum od_status s = od_image_open(bytes, true, &image, err);
    const struct od_recipe *recipe = s == OD_OK ? od_recipe_find(image.recipe) : NULL;
    *out_removed = 0;
    if (s != OD_OK || !recipe || !recipe->users)
        return s; /* models of items hold no user */
    s = recipe->open(&image, &model, err);
    if (s != OD_OK)
        return s;
    s = forget_in(io, &image, recipe, model, ids, to, out_removed, err);
    recipe->close(model);
    return s;
}

enum od_status od_deletion_image(const struct od_io *io, struct od_str from, struct od_str to,
                                 const struct od_dict *ids, uint32_t *out_removed,
                                 struct od_error *err)
{
    struct od_arena arena;
    struct od_io_map map;
    od_arena_init(&arena, 1u << 20);
    struct od_str name = od_arena_str(&arena, from);
    enum od_status s =
        name.ptr ? io->map(io, name.ptr, &map, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = open_image(io, (struct od_str){map.ptr, map.bytes}, to, ids, out_removed, err);
        io->unmap(io, &map);
    }
    od_arena_done(&arena);
    return s;
}

/* ---- reports ---- */

/* file, line, column, value, rule: the fourth part of a line that is no comment. */
static bool strip(struct od_str text, struct od_buf *out)
{
    struct od_str rest = text, line, part;
    bool changed = false;
    while (rest.len && od_str_cut(&rest, '\n', &line)) {
        struct od_str parts = line;
        bool comment = line.len && line.ptr[0] == '#';
        for (int i = 0; !comment && od_str_cut(&parts, '\t', &part); i++) {
            bool value = i == 3 && !od_str_eq_c(part, "-");
            changed |= value;
            od_buf_puts(out, i ? "\t" : "");
            od_buf_str(out, value ? OD_STR("-") : part);
        }
        if (comment)
            od_buf_str(out, line);
        od_buf_char(out, '\n');
    }
    return changed;
}

enum od_status od_deletion_report(const struct od_io *io, struct od_str path, bool *out_changed,
                                  struct od_error *err)
{
    struct od_arena arena;
    struct od_buf text, stripped;
    od_arena_init(&arena, 1u << 20);
    od_buf_init(&text, REPORT_BYTES);
    od_buf_init(&stripped, REPORT_BYTES + 1024);
    struct od_str name = od_arena_str(&arena, path);
    enum od_status s = name.ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    bool changed = false;
    if (s == OD_OK && od_io_exists(io, name.ptr)) {
        s = od_io_read_file(io, name.ptr, &text, err);
        changed = s == OD_OK && strip(od_buf_view(&text), &stripped);
        if (changed && od_buf_status(&stripped) != OD_OK)
            s = od_fail(err, OD_NO_MEMORY, NULL);
        else if (changed)
            s = od_io_write_file(io, name.ptr, od_buf_view(&stripped), err);
    }
    if (s == OD_OK)
        *out_changed = changed;
    od_buf_done(&stripped);
    od_buf_done(&text);
    od_arena_done(&arena);
    return s;
}
