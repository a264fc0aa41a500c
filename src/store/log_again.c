/* Writing the log again: what a dead server's log says is put on the disk, wherever it was.
 *
 * When a sync fails, the kernel marks the pages it could not write as clean and keeps them: they
 * read as written, no later sync writes them, and a sync that succeeds then proves nothing.
 * A running server is not harmed. SQLite takes a commit whose sync failed back and writes the next
 * one over the same place of the log, which makes the pages dirty again; and a checkpoint whose
 * sync failed is done anew from its beginning.
 *
 * A server that is killed after a failed sync, though, leaves such a commit at the end of the log.
 * Its successor reads it, whole and with the right checksum, from memory, takes it for committed
 * and goes on behind it. If the power fails then, the log has a hole before everything that was
 * acknowledged since. So before the first change of a new server every byte of the log is written
 * onto itself and synced: now it is on the disk, or the start fails. A power cut meanwhile does no
 * harm, since what is written is what was there. A log is at most some 64 MiB (sql_sqlite.c), and
 * after a proper stop there is none, so this costs a part of a second after a crash. */
#include "store/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK ((size_t)1 << 20)

static enum od_status write_again(const struct od_io *io, int fd, char *block, struct od_error *err)
{
    size_t got = BLOCK;
    enum od_status s = OD_OK;
    for (uint64_t at = 0; s == OD_OK && got == BLOCK; at += got) {
        s = io->read_at(io, fd, block, BLOCK, at, &got, err);
        if (s == OD_OK)
            s = io->write_at(io, fd, block, got, at, err);
    }
    return s == OD_OK ? io->sync(io, fd, err) : s;
}

enum od_status od_store_log_again(const struct od_io *io, const char *path, struct od_error *err)
{
    char log[4096 + 8];
    struct od_io_stat stat;
    int fd;
    if (snprintf(log, sizeof log, "%s-wal", path) >= (int)sizeof log)
        return od_fail(err, OD_INVALID_INPUT, "The path of the database's log is too long: %s.",
                       path);
    enum od_status s = io->stat(io, log, &stat, err);
    if (s == OD_NOT_FOUND)
        return OD_OK;
    if (s != OD_OK || stat.bytes == 0)
        return s;
    char *block = malloc(BLOCK);
    if (!block)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = io->open(io, log, OD_OPEN_UPDATE, &fd, err);
    if (s == OD_OK) {
        s = write_again(io, fd, block, err);
        io->close(io, fd);
    }
    free(block);
    return s;
}
