/* The machine behind a table of functions (SQLite's VFS): files, clocks, randomness.
 *
 * Everything that touches the disk or the clock takes a struct od_io, so that a test can hand in a
 * disk that is full, slow, or that forgets what was not synced. Thread-safe unless said otherwise.
 * Paths are NUL-terminated. Failures name the path in err. */
#ifndef OD_OS_IO_H
#define OD_OS_IO_H

#include "base/arena.h"

struct od_io;

enum od_open_mode {
    OD_OPEN_READ,
    OD_OPEN_CREATE,    /* read and write, truncated */
    OD_OPEN_EXCLUSIVE, /* must not exist */
    OD_OPEN_APPEND,
    OD_OPEN_UPDATE /* read and write what is there; must exist */
};

struct od_io_entry {
    struct od_str name; /* without its folder */
    bool is_folder;     /* a symbolic link is none, whatever it points to */
    uint64_t bytes;
};

enum od_io_kind { OD_IO_FILE, OD_IO_FOLDER, OD_IO_OTHER }; /* other: symbolic links, devices */
struct od_io_stat {
    enum od_io_kind kind;
    uint64_t bytes;
    int64_t modified_ns; /* since 1970 */
    uint64_t inode;
};

struct od_io_map {
    const void *ptr; /* read-only; a non-NULL pointer even when bytes is 0 */
    size_t bytes;
};

struct od_io {
    const char *name; /* "real", "faulty" */
    enum od_status (*open)(const struct od_io *io, const char *path, enum od_open_mode mode,
                           int *out_fd, struct od_error *err);
    /* Fewer bytes than asked only at the end of the file. */
    enum od_status (*read_at)(const struct od_io *io, int fd, void *to, size_t len, uint64_t at,
                              size_t *out_len, struct od_error *err);
    enum od_status (*write_at)(const struct od_io *io, int fd, const void *from, size_t len,
                               uint64_t at, struct od_error *err); /* all of it */
    enum od_status (*size)(const struct od_io *io, int fd, uint64_t *out, struct od_error *err);
    enum od_status (*sync)(const struct od_io *io, int fd, struct od_error *err);
    void (*close)(const struct od_io *io, int fd);
    enum od_status (*map)(const struct od_io *io, const char *path, struct od_io_map *out,
                          struct od_error *err);
    void (*unmap)(const struct od_io *io, struct od_io_map *map);
    /* Its pages are not wanted for now: they leave the process, and come back when touched. NULL:
     * they stay. */
    void (*cool)(const struct od_io *io, const struct od_io_map *map);
    enum od_status (*rename)(const struct od_io *io, const char *from, const char *to,
                             struct od_error *err); /* replaces to, then syncs to's folder */
    enum od_status (*remove)(const struct od_io *io, const char *path, struct od_error *err);
    /* With parents; existing is success. The names of new ones are synced; one whose sync
     * fails is removed. */
    enum od_status (*make_folder)(const struct od_io *io, const char *path, struct od_error *err);
    /* Entries in byte order of names, without . and .. ; *out lives in arena. */
    enum od_status (*list)(const struct od_io *io, const char *path, struct od_arena *arena,
                           struct od_io_entry **out, size_t *out_count, struct od_error *err);
    /* What lies at path, a symbolic link not followed. Nothing there: OD_NOT_FOUND. */
    enum od_status (*stat)(const struct od_io *io, const char *path, struct od_io_stat *out,
                           struct od_error *err);
    int64_t (*now_ms)(const struct od_io *io);       /* wall clock, ms since 1970 */
    int64_t (*monotonic_ns)(const struct od_io *io); /* never goes back */
    enum od_status (*random)(const struct od_io *io, void *to, size_t len); /* for secrets */
    void *state; /* the implementation's own */
};

extern const struct od_io od_io_real;

/* Convenience over the table. */
bool od_io_exists(const struct od_io *io, const char *path);
/* The whole file into out (appended; out's max bounds it). */
enum od_status od_io_read_file(const struct od_io *io, const char *path, struct od_buf *out,
                               struct od_error *err) OD_MUST_USE;
/* Atomically: a temporary beside path, synced, then renamed over it. */
enum od_status od_io_write_file(const struct od_io *io, const char *path, struct od_str bytes,
                                struct od_error *err) OD_MUST_USE;
/* The names in a folder survive a crash after this. */
enum od_status od_io_sync_folder(const struct od_io *io, const char *path,
                                 struct od_error *err) OD_MUST_USE;
/* A folder and all in it; absent is success. */
enum od_status od_io_remove_tree(const struct od_io *io, const char *path,
                                 struct od_error *err) OD_MUST_USE;

#endif
