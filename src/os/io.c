/* The real machine: POSIX calls behind struct od_io. See io.h. */
#include "os/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum od_status real_open(const struct od_io *io, const char *path, enum od_open_mode mode,
                                int *out_fd, struct od_error *err)
{
    (void)io;
    static const int flags[] = {
        [OD_OPEN_READ] = O_RDONLY,
        [OD_OPEN_CREATE] = O_RDWR | O_CREAT | O_TRUNC,
        [OD_OPEN_EXCLUSIVE] = O_RDWR | O_CREAT | O_EXCL,
        [OD_OPEN_APPEND] = O_RDWR | O_CREAT | O_APPEND,
        [OD_OPEN_UPDATE] = O_RDWR,
    };
    int fd = open(path, flags[mode] | O_CLOEXEC, 0600);
    if (fd < 0)
        return od_fail_errno(err, "cannot open %s", path);
    *out_fd = fd;
    return OD_OK;
}

static enum od_status real_read_at(const struct od_io *io, int fd, void *to, size_t len,
                                   uint64_t at, size_t *out_len, struct od_error *err)
{
    (void)io;
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, (char *)to + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return od_fail_errno(err, "cannot read");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *out_len = got;
    return OD_OK;
}

static enum od_status real_write_at(const struct od_io *io, int fd, const void *from, size_t len,
                                    uint64_t at, struct od_error *err)
{
    (void)io;
    size_t put = 0;
    while (put < len) {
        ssize_t n = pwrite(fd, (const char *)from + put, len - put, (off_t)(at + put));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return od_fail_errno(err, "cannot write");
        put += (size_t)n;
    }
    return OD_OK;
}

static enum od_status real_size(const struct od_io *io, int fd, uint64_t *out, struct od_error *err)
{
    (void)io;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return od_fail_errno(err, "cannot stat");
    *out = (uint64_t)st.st_size;
    return OD_OK;
}

static enum od_status real_sync(const struct od_io *io, int fd, struct od_error *err)
{
    (void)io;
    if (fdatasync(fd) < 0)
        return od_fail_errno(err, "cannot sync");
    return OD_OK;
}

static void real_close(const struct od_io *io, int fd)
{
    (void)io;
    close(fd);
}

static enum od_status real_map(const struct od_io *io, const char *path, struct od_io_map *out,
                               struct od_error *err)
{
    (void)io;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return od_fail_errno(err, "cannot open %s", path);
    struct stat st;
    void *ptr = "";
    if (fstat(fd, &st) < 0) {
        close(fd);
        return od_fail_errno(err, "cannot stat %s", path);
    }
    if (st.st_size > 0)
        ptr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    int saved = errno;
    close(fd);
    errno = saved;
    if (ptr == MAP_FAILED)
        return od_fail_errno(err, "cannot map %s", path);
    *out = (struct od_io_map){ptr, (size_t)st.st_size};
    return OD_OK;
}

static void real_unmap(const struct od_io *io, struct od_io_map *map)
{
    (void)io;
    if (map->bytes)
        munmap((void *)map->ptr, map->bytes);
    *map = (struct od_io_map){0};
}

/* Of a shared mapping of a file this drops nothing but the process's own entries. */
static void real_cool(const struct od_io *io, const struct od_io_map *map)
{
    (void)io;
    if (map->bytes)
        (void)madvise((void *)map->ptr, map->bytes, MADV_DONTNEED);
}

static enum od_status sync_parent(const char *path, struct od_error *err)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path)
                  : snprintf(folder, sizeof folder, ".");
    if (n < 0 || n >= (int)sizeof folder)
        return od_fail(err, OD_IO, "path too long: %s", path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return od_fail_errno(err, "cannot open %s", folder);
    int rc = fsync(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    if (rc < 0)
        return od_fail_errno(err, "cannot sync %s", folder);
    return OD_OK;
}

static enum od_status real_rename(const struct od_io *io, const char *from, const char *to,
                                  struct od_error *err)
{
    (void)io;
    if (rename(from, to) < 0)
        return od_fail_errno(err, "cannot rename %s to %s", from, to);
    return sync_parent(to, err);
}

static enum od_status real_remove(const struct od_io *io, const char *path, struct od_error *err)
{
    (void)io;
    if (remove(path) < 0)
        return od_fail_errno(err, "cannot remove %s", path);
    return OD_OK;
}

static enum od_status real_make_folder(const struct od_io *io, const char *path,
                                       struct od_error *err)
{
    (void)io;
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return od_fail(err, OD_IO, "bad folder path: %s", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char keep = part[i];
        part[i] = '\0';
        int rc = mkdir(part, 0700);
        if (rc < 0 && errno != EEXIST)
            return od_fail_errno(err, "cannot make folder %s", part);
        /* What is stored in it is only as safe as its name. It goes again when that is in doubt, or
         * the next attempt would find it and trust it. */
        if (rc == 0 && sync_parent(part, err) != OD_OK) {
            (void)rmdir(part);
            return OD_IO;
        }
        part[i] = keep;
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return od_fail_errno(err, "cannot make folder %s", path);
    }
    return OD_OK;
}

static int by_name(const void *a, const void *b)
{
    return od_str_cmp(((const struct od_io_entry *)a)->name, ((const struct od_io_entry *)b)->name);
}

static enum od_status read_entry(int folder_fd, const char *name, struct od_arena *arena,
                                 struct od_io_entry *out)
{
    struct stat st;
    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        memset(&st, 0, sizeof st); /* vanished since: an empty file */
    *out = (struct od_io_entry){od_arena_str(arena, od_str_c(name)), S_ISDIR(st.st_mode),
                                (uint64_t)st.st_size};
    return out->name.ptr ? OD_OK : OD_NO_MEMORY;
}

static enum od_status collect(DIR *dir, struct od_arena *arena, struct od_io_entry **list,
                              size_t *count, struct od_error *err)
{
    size_t cap = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (*count == cap) {
            size_t more = cap ? cap * 2 : 64;
            struct od_io_entry *grown = realloc(*list, more * sizeof **list);
            if (!grown)
                return od_fail(err, OD_NO_MEMORY, NULL);
            *list = grown;
            cap = more;
        }
        enum od_status s = read_entry(dirfd(dir), e->d_name, arena, &(*list)[*count]);
        if (s != OD_OK)
            return od_fail(err, s, NULL);
        (*count)++;
    }
    return OD_OK;
}

static enum od_status real_list(const struct od_io *io, const char *path, struct od_arena *arena,
                                struct od_io_entry **out, size_t *out_count, struct od_error *err)
{
    (void)io;
    DIR *dir = opendir(path);
    if (!dir)
        return od_fail_errno(err, "cannot list %s", path);
    struct od_io_entry *list = NULL;
    size_t count = 0;
    enum od_status s = collect(dir, arena, &list, &count, err);
    closedir(dir);
    if (s == OD_OK) {
        struct od_io_entry *kept = OD_NEW_ARRAY(arena, struct od_io_entry, count);
        if (kept && count) {
            qsort(list, count, sizeof *list, by_name);
            memcpy(kept, list, count * sizeof *list);
        }
        if (!kept)
            s = od_fail(err, OD_NO_MEMORY, NULL);
        *out = kept;
        *out_count = count;
    }
    free(list);
    return s;
}

static enum od_status real_stat(const struct od_io *io, const char *path, struct od_io_stat *out,
                                struct od_error *err)
{
    (void)io;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? od_fail(err, OD_NOT_FOUND, "%s does not exist", path)
                   : od_fail_errno(err, "cannot stat %s", path);
    *out = (struct od_io_stat){
        S_ISREG(st.st_mode)   ? OD_IO_FILE
        : S_ISDIR(st.st_mode) ? OD_IO_FOLDER
                              : OD_IO_OTHER,
        (uint64_t)st.st_size,
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        (uint64_t)st.st_ino,
    };
    return OD_OK;
}

static int64_t real_now_ms(const struct od_io *io)
{
    (void)io;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_monotonic_ns(const struct od_io *io)
{
    (void)io;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum od_status real_random(const struct od_io *io, void *to, size_t len)
{
    (void)io;
    size_t got = 0;
    while (got < len) {
        ssize_t n = getrandom((char *)to + got, len - got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return OD_IO;
        got += (size_t)n;
    }
    return OD_OK;
}

const struct od_io od_io_real = {
    .name = "real",
    .open = real_open,
    .read_at = real_read_at,
    .write_at = real_write_at,
    .size = real_size,
    .sync = real_sync,
    .close = real_close,
    .map = real_map,
    .unmap = real_unmap,
    .cool = real_cool,
    .rename = real_rename,
    .remove = real_remove,
    .make_folder = real_make_folder,
    .list = real_list,
    .stat = real_stat,
    .now_ms = real_now_ms,
    .monotonic_ns = real_monotonic_ns,
    .random = real_random,
};
