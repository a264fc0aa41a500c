/* One server a data folder: <folder>/lock is held by flock(2) while a store is open.
 *
 * The kernel drops the lock with the last descriptor, so a killed server leaves nothing to clean
 * up. The file holds the pid in decimal and a newline, for the message to the second server alone:
 * what decides is the lock. The file is never removed, or two servers could hold two different
 * ones. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The pid in the file, or 0 while its holder has not written it yet. */
static int64_t read_pid(const struct od_io *io, int fd)
{
    char text[32];
    size_t len = 0;
    if (io->read_at(io, fd, text, sizeof text, 0, &len, NULL) != OD_OK)
        return 0;
    struct od_str rest = {text, len}, line;
    int64_t pid = 0;
    if (!od_str_cut(&rest, '\n', &line) || !rest.ptr || !od_str_to_i64(line, &pid))
        return 0;
    return pid;
}

static enum od_status refuse(const struct od_io *io, const char *folder, int fd,
                             struct od_error *err)
{
    int64_t pid = read_pid(io, fd);
    if (pid <= 0)
        return od_fail(err, OD_IN_USE, "The data folder %s is in use by another ondol server.",
                       folder);
    return od_fail(err, OD_IN_USE,
                   "The data folder %s is in use by another ondol server (pid %lld).", folder,
                   (long long)pid);
}

static enum od_status take(const struct od_io *io, const char *folder, int fd, struct od_error *err)
{
    int rc;
    do
        rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno == EWOULDBLOCK)
        return refuse(io, folder, fd, err);
    if (rc < 0)
        return od_fail_errno(err, "cannot lock the data folder %s", folder);
    char text[32];
    int len = snprintf(text, sizeof text, "%lld\n", (long long)getpid());
    if (ftruncate(fd, 0) < 0)
        return od_fail_errno(err, "cannot write %s/lock", folder);
    return io->write_at(io, fd, text, (size_t)len, 0, err);
}

enum od_status od_store_lock(const struct od_io *io, const char *folder, int *out_fd,
                             struct od_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/lock", folder) >= (int)sizeof path)
        return od_fail(err, OD_INVALID_INPUT, "The data folder's path is too long: %s.", folder);
    int fd;
    enum od_status s = io->open(io, path, OD_OPEN_APPEND, &fd, err);
    if (s != OD_OK)
        return s;
    s = take(io, folder, fd, err);
    if (s != OD_OK) {
        io->close(io, fd);
        return s;
    }
    *out_fd = fd;
    return OD_OK;
}

void od_store_unlock(const struct od_io *io, int fd)
{
    if (fd >= 0)
        io->close(io, fd);
}
