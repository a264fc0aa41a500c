/* Whole files and trees over struct od_io: see io.h. */
#include "os/io.h"

#include <stdio.h>
#include <string.h>

bool od_io_exists(const struct od_io *io, const char *path)
{
    int fd;
    if (io->open(io, path, OD_OPEN_READ, &fd, NULL) != OD_OK)
        return false;
    io->close(io, fd);
    return true;
}

enum od_status od_io_read_file(const struct od_io *io, const char *path, struct od_buf *out,
                               struct od_error *err)
{
    int fd;
    enum od_status s = io->open(io, path, OD_OPEN_READ, &fd, err);
    if (s != OD_OK)
        return s;
    uint64_t size;
    s = io->size(io, fd, &size, err);
    char *room = s == OD_OK && size <= out->max ? od_buf_reserve(out, (size_t)size) : NULL;
    size_t got = 0;
    if (s == OD_OK && !room)
        s = od_fail(err, OD_TOO_LARGE, "%s is too large: %llu bytes", path,
                    (unsigned long long)size);
    if (s == OD_OK)
        s = io->read_at(io, fd, room, (size_t)size, 0, &got, err);
    if (s == OD_OK)
        od_buf_commit(out, got);
    io->close(io, fd);
    return s;
}

enum od_status od_io_write_file(const struct od_io *io, const char *path, struct od_str bytes,
                                struct od_error *err)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return od_fail(err, OD_IO, "path too long: %s", path);
    int fd;
    enum od_status s = io->open(io, temporary, OD_OPEN_CREATE, &fd, err);
    if (s != OD_OK)
        return s;
    s = io->write_at(io, fd, bytes.ptr, bytes.len, 0, err);
    if (s == OD_OK)
        s = io->sync(io, fd, err);
    io->close(io, fd);
    if (s == OD_OK)
        s = io->rename(io, temporary, path, err);
    if (s != OD_OK)
        (void)io->remove(io, temporary, NULL);
    return s;
}

enum od_status od_io_sync_folder(const struct od_io *io, const char *path, struct od_error *err)
{
    int fd;
    enum od_status s = io->open(io, path, OD_OPEN_READ, &fd, err);
    if (s != OD_OK)
        return s;
    s = io->sync(io, fd, err);
    io->close(io, fd);
    return s;
}

enum od_status od_io_remove_tree(const struct od_io *io, const char *path, struct od_error *err)
{
    if (!od_io_exists(io, path))
        return OD_OK;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    struct od_io_entry *list;
    size_t count;
    enum od_status s = io->list(io, path, &arena, &list, &count, err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_str child = od_arena_printf(&arena, "%s/%.*s", path, OD_STR_ARG(list[i].name));
        if (!child.ptr)
            s = od_fail(err, OD_NO_MEMORY, NULL);
        else if (list[i].is_folder)
            s = od_io_remove_tree(io, child.ptr, err);
        else
            s = io->remove(io, child.ptr, err);
    }
    od_arena_done(&arena);
    return s == OD_OK ? io->remove(io, path, err) : s;
}
