/* The plan of an import: each file's size, header and blocks. See import_inner.h. */
#include "jobs/import_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES (OD_MAX_CSV_RECORD_BYTES + 16u) /* and a BOM */

enum od_status od_import_fail(const struct od_import *im, struct od_error *err, enum od_status code,
                              const char *fmt, ...)
{
    char text[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return od_fail(err, code, "Failed to create a data import job for %s dataset. %s",
                   od_dataset_type_name(im->spec->type), text);
}

static struct od_str last_part(struct od_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    return od_str_sub(path, at, path.len);
}

/* Names the file where more than one is imported. */
static void name_file(const struct od_import *im, const struct od_import_file *file,
                      struct od_error *err)
{
    size_t used = err ? strlen(err->message) : 0;
    if (err && im->file_count > 1)
        snprintf(err->message + used, sizeof err->message - used, " File: %.*s.",
                 OD_STR_ARG(file->name));
    if (err)
        snprintf(err->file, sizeof err->file, "%.*s", OD_STR_ARG(file->name));
}

static size_t column_of(const struct od_import_file *file, struct od_str name)
{
    for (size_t i = 0; i < file->column_count; i++)
        if (od_str_eq(file->columns[i], name))
            return i;
    return SIZE_MAX;
}

static enum od_status check_missing(const struct od_import *im, const struct od_import_file *file,
                                    struct od_error *err)
{
    struct od_buf missing;
    od_buf_init(&missing, 64u << 10);
    for (size_t f = 0; f < im->schema.field_count; f++) {
        if (column_of(file, im->schema.fields[f].name) != SIZE_MAX)
            continue;
        od_buf_puts(&missing, missing.len ? ", " : "");
        od_buf_str(&missing, im->schema.fields[f].name);
    }
    enum od_status s = od_buf_status(&missing);
    if (s != OD_OK)
        s = od_fail(err, s, NULL);
    else if (missing.len)
        s = od_import_fail(im, err, OD_INVALID_INPUT,
                           "Input CSV is missing the following columns: [%s].", missing.ptr);
    od_buf_done(&missing);
    return s;
}

static enum od_status match_columns(struct od_import *im, struct od_import_file *file,
                                    struct od_error *err)
{
    file->used = OD_NEW_ARRAY(&im->arena, struct od_import_column, file->column_count);
    file->ignored = OD_NEW_ARRAY(&im->arena, size_t, file->column_count);
    if (!file->used || !file->ignored)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < file->column_count; i++) {
        size_t field = od_schema_find(&im->schema, file->columns[i]);
        if (field == SIZE_MAX)
            file->ignored[file->ignored_count++] = i;
        else
            file->used[file->used_count++] = (struct od_import_column){i, field};
    }
    return OD_OK;
}

static enum od_status read_header(struct od_import *im, struct od_import_file *file, int fd,
                                  char *bytes, struct od_error *err)
{
    size_t len;
    enum od_status s = im->io->size(im->io, fd, &file->size, err);
    if (s == OD_OK)
        s = im->io->read_at(im->io, fd, bytes, HEADER_BYTES, 0, &len, err);
    if (s != OD_OK)
        return s;
    struct od_csv_header header;
    struct od_error inner = {0};
    s = od_csv_header(&im->arena, (struct od_str){bytes, len}, &header, &inner);
    if (s == OD_INVALID_INPUT)
        return od_import_fail(im, err, s, "%s", inner.message);
    if (s != OD_OK)
        return od_error_copy(err, &inner);
    file->data_at = header.bytes;
    file->data_line = header.next_line;
    file->column_count = header.column_count;
    file->columns = header.columns;
    s = check_missing(im, file, err);
    return s == OD_OK ? match_columns(im, file, err) : s;
}

static enum od_status plan_file(struct od_import *im, struct od_import_file *file, char *bytes,
                                struct od_error *err)
{
    int fd;
    struct od_error inner = {0};
    bool there = im->io->stat(im->io, file->path, &file->seen, &inner) == OD_OK;
    enum od_status s = im->io->open(im->io, file->path, OD_OPEN_READ, &fd, &inner);
    if (s == OD_OK && !there) { /* it has just come */
        im->io->close(im->io, fd);
        s = OD_IO;
    }
    if (s != OD_OK)
        return od_import_fail(im, err, s,
                              "Insufficient privileges for accessing data in Amazon S3. (%s)",
                              inner.message);
    s = read_header(im, file, fd, bytes, err);
    im->io->close(im->io, fd);
    if (s != OD_OK) {
        name_file(im, file, err);
        return s;
    }
    uint64_t data = file->size > file->data_at ? file->size - file->data_at : 0;
    file->first_block = im->block_count;
    file->block_count = (size_t)((data + im->block_bytes - 1) / im->block_bytes);
    im->block_count += file->block_count;
    im->data_bytes += data;
    return OD_OK;
}

enum od_status od_import_plan(struct od_import *im, struct od_error *err)
{
    char *bytes = malloc(HEADER_BYTES);
    im->files = OD_NEW_ARRAY(&im->arena, struct od_import_file, im->spec->file_count);
    enum od_status s = bytes && im->files ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    im->file_count = im->spec->file_count;
    for (size_t i = 0; s == OD_OK && i < im->file_count; i++) {
        struct od_str path = od_arena_str(&im->arena, im->spec->files[i]);
        im->files[i].path = path.ptr;
        im->files[i].name = last_part(path);
        s = path.ptr ? plan_file(im, &im->files[i], bytes, err) : od_fail(err, OD_NO_MEMORY, NULL);
    }
    free(bytes);
    return s;
}

enum od_status od_import_unchanged(const struct od_import *im, struct od_error *err)
{
    for (size_t i = 0; i < im->file_count; i++) {
        const struct od_import_file *file = &im->files[i];
        struct od_io_stat now = {0};
        struct od_error inner;
        if (im->io->stat(im->io, file->path, &now, &inner) == OD_OK &&
            now.bytes == file->seen.bytes && now.modified_ns == file->seen.modified_ns &&
            now.inode == file->seen.inode)
            continue;
        enum od_status s =
            od_import_fail(im, err, OD_IO, "The input was changed while it was read.");
        name_file(im, file, err);
        return s;
    }
    return OD_OK;
}

const struct od_import_file *od_import_file_of(const struct od_import *im, size_t block)
{
    size_t low = 0, high = im->file_count; /* the last file whose first block is not beyond */
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (im->files[mid].first_block <= block)
            low = mid;
        else
            high = mid;
    }
    return &im->files[low];
}
