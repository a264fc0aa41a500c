/* Writing parts: see export_parts.h. While they are written they are called part-00000.csv.tmp and
 * so on, which no import takes for CSV. */
#include "jobs/export_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (1u << 20)
#define MOST_PARTS   100000u /* five digits: names in order are parts in order */
#define PREFIX       "part-"

struct od_export_parts {
    const struct od_io *io;
    struct od_arena arena;
    struct od_str folder, header;
    uint64_t part_bytes;
    int fd;              /* of the part under construction, -1: none */
    uint64_t at;         /* bytes written to it */
    struct od_buf bytes; /* not yet written */
    uint64_t rows, total;
    unsigned count; /* parts begun */
};

static enum od_status path_of(struct od_export_parts *p, unsigned part, bool temporary,
                              const char **out, struct od_error *err)
{
    struct od_str path = od_arena_printf(&p->arena, "%.*s/" PREFIX "%05u.csv%s",
                                         OD_STR_ARG(p->folder), part, temporary ? ".tmp" : "");
    *out = path.ptr;
    return path.ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

static enum od_status flush(struct od_export_parts *p, struct od_error *err)
{
    enum od_status s = od_buf_status(&p->bytes);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = p->io->write_at(p->io, p->fd, p->bytes.ptr, p->bytes.len, p->at, err);
    p->at += p->bytes.len;
    p->total += p->bytes.len;
    od_buf_clear(&p->bytes);
    return s;
}

static enum od_status close_part(struct od_export_parts *p, struct od_error *err)
{
    enum od_status s = flush(p, err);
    if (s == OD_OK)
        s = p->io->sync(p->io, p->fd, err);
    p->io->close(p->io, p->fd);
    p->fd = -1;
    return s;
}

static enum od_status open_part(struct od_export_parts *p, struct od_error *err)
{
    const char *path;
    if (p->count == MOST_PARTS)
        return od_fail(err, OD_LIMIT, "The dataset needs more than %u files.", MOST_PARTS);
    enum od_status s = path_of(p, p->count, true, &path, err);
    if (s == OD_OK)
        s = p->io->open(p->io, path, OD_OPEN_CREATE, &p->fd, err);
    if (s != OD_OK)
        return s;
    p->count++;
    p->at = 0;
    od_buf_str(&p->bytes, p->header);
    return OD_OK;
}

enum od_status od_export_parts_begin(const struct od_io *io, struct od_str folder,
                                     struct od_str header, uint64_t part_bytes,
                                     struct od_export_parts **out, struct od_error *err)
{
    struct od_export_parts *p = calloc(1, sizeof *p);
    if (!p)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *p = (struct od_export_parts){.io = io, .part_bytes = part_bytes, .fd = -1};
    od_arena_init(&p->arena, SIZE_MAX);
    od_buf_init(&p->bytes, 8 * BUFFER_BYTES);
    p->folder = od_arena_str(&p->arena, folder);
    p->header = od_arena_str(&p->arena, header);
    *out = p;
    if (!p->folder.ptr || !p->header.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL); /* ended by the caller like any failure */
    return open_part(p, err);
}

enum od_status od_export_parts_put(struct od_export_parts *p, struct od_str line,
                                   struct od_error *err)
{
    enum od_status s = OD_OK;
    if (p->at + p->bytes.len >= p->part_bytes) {
        s = close_part(p, err);
        if (s == OD_OK)
            s = open_part(p, err);
    }
    if (s != OD_OK)
        return s;
    od_buf_str(&p->bytes, line);
    p->rows++;
    return p->bytes.len >= BUFFER_BYTES ? flush(p, err) : OD_OK;
}

/* part-00012.csv, or with temporary part-00012.csv.tmp. */
static bool is_part(struct od_str name, bool temporary)
{
    const char *tail = temporary ? ".csv.tmp" : ".csv";
    size_t head = sizeof PREFIX - 1;
    if (name.len != head + 5 + strlen(tail) || !od_str_starts(name, OD_STR(PREFIX)) ||
        !od_str_ends(name, od_str_c(tail)))
        return false;
    for (size_t i = head; i < head + 5; i++)
        if (!isdigit((unsigned char)name.ptr[i]))
            return false;
    return true;
}

static enum od_status remove_parts(struct od_export_parts *p, bool temporary, struct od_error *err)
{
    struct od_io_entry *list;
    size_t count;
    enum od_status s = p->io->list(p->io, p->folder.ptr, &p->arena, &list, &count, err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (list[i].is_folder || !is_part(list[i].name, temporary))
            continue;
        struct od_str path = od_arena_printf(&p->arena, "%.*s/%.*s", OD_STR_ARG(p->folder),
                                             OD_STR_ARG(list[i].name));
        s = path.ptr ? p->io->remove(p->io, path.ptr, err) : od_fail(err, OD_NO_MEMORY, NULL);
    }
    return s;
}

static enum od_status publish(struct od_export_parts *p, struct od_error *err)
{
    enum od_status s = remove_parts(p, false, err);
    for (unsigned i = 0; s == OD_OK && i < p->count; i++) {
        const char *from, *to;
        s = path_of(p, i, true, &from, err);
        if (s == OD_OK)
            s = path_of(p, i, false, &to, err);
        if (s == OD_OK)
            s = p->io->rename(p->io, from, to, err);
    }
    if (s == OD_OK)
        s = remove_parts(p, true, err); /* of a longer attempt that was cut off */
    return s;
}

/* What cannot be removed is replaced by the next attempt. */
static void discard(struct od_export_parts *p)
{
    enum od_status unused = remove_parts(p, true, NULL);
    (void)unused;
}

enum od_status od_export_parts_end(struct od_export_parts *p, enum od_status s,
                                   struct od_export_result *out, struct od_error *err)
{
    if (s == OD_OK)
        s = close_part(p, err);
    else if (p->fd >= 0)
        p->io->close(p->io, p->fd);
    if (s == OD_OK)
        s = publish(p, err);
    if (s == OD_OK)
        *out = (struct od_export_result){.rows = p->rows, .bytes = p->total, .files = p->count};
    else if (p->folder.ptr)
        discard(p);
    od_buf_done(&p->bytes);
    od_arena_done(&p->arena);
    free(p);
    return s;
}
