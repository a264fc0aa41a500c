/* Writing images: see image_file.h. */
#include "jobs/image_file.h"

struct file_sink {
    const struct od_io *io;
    int fd;
    uint64_t at;
    struct od_error *err;
};

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    struct file_sink *sink = to;
    enum od_status s = sink->io->write_at(sink->io, sink->fd, bytes, len, sink->at, sink->err);
    sink->at += len;
    return s;
}

enum od_status od_image_file_write(const struct od_io *io, const char *path,
                                   struct od_image_writer *image, struct od_error *err)
{
    struct file_sink sink = {.io = io, .err = err};
    enum od_status s = io->open(io, path, OD_OPEN_CREATE, &sink.fd, err);
    if (s != OD_OK)
        return s;
    s = od_image_finish(image, put_bytes, &sink);
    if (s == OD_OK)
        s = io->sync(io, sink.fd, err);
    io->close(io, sink.fd);
    return s;
}
