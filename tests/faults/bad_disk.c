/* A bad disk for a whole process, for tests: a library that is loaded before the C library
 * (LD_PRELOAD) and stands between a program and its files.
 *
 * The server under test is the very one that is shipped: no option, no variable and no line of it
 * knows of this. It catches what the server, SQLite and the worker processes do alike, whichever
 * way they go to their files. Only files below BAD_DISK_FOLDER are touched.
 *
 * BAD_DISK_CONTROL names a file of eight 64-bit integers, mapped by every process; a test writes
 * them at any moment:
 *   0  errno of writes, and of creating, renaming and removing; 0: they go well
 *   1  bytes that may still be written before that
 *   2  errno of syncs; 0: they go well
 *   3  milliseconds that every sync takes longer
 *   4  how many calls were made to fail (we count)
 *   5  errno of creating, renaming and removing without regard to 1 (a read-only disk)
 *   6  how many syncs were slowed (we count)
 * A short write comes before the failing one, as on a disk that fills up. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_ERRNO, BYTES_LEFT, SYNC_ERRNO, SYNC_MS, FAILED, NAME_ERRNO, SLOWED, FIELDS = 8 };

static _Atomic int64_t *control;
static const char *folder;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BAD_DISK_CONTROL");
    folder = getenv("BAD_DISK_FOLDER");
    int fd = path && folder ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, FIELDS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        control = map;
}

static int64_t field(int which)
{
    return control ? atomic_load(&control[which]) : 0;
}

static int refuse(int code)
{
    atomic_fetch_add(&control[FAILED], 1);
    errno = code;
    return -1;
}

static bool path_is_ours(const char *path)
{
    return strncmp(path, folder, strlen(folder)) == 0;
}

static bool is_ours(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    return path_is_ours(path);
}

/* How much of a write goes well; a negative number: none. */
static int64_t allowed(int fd, int64_t wanted)
{
    if (!field(WRITE_ERRNO) || !is_ours(fd))
        return wanted;
    int64_t left = atomic_fetch_sub(&control[BYTES_LEFT], wanted);
    if (left >= wanted)
        return wanted;
    atomic_store(&control[BYTES_LEFT], 0);
    return left > 0 ? left : -1;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    int64_t n = allowed(fd, (int64_t)len);
    return n < 0 ? refuse((int)field(WRITE_ERRNO)) : REAL(write)(fd, bytes, (size_t)n);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    int64_t n = allowed(fd, (int64_t)len);
    return n < 0 ? refuse((int)field(WRITE_ERRNO)) : REAL(pwrite)(fd, bytes, (size_t)n, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    int64_t n = allowed(fd, (int64_t)len);
    return n < 0 ? refuse((int)field(WRITE_ERRNO)) : REAL(pwrite64)(fd, bytes, (size_t)n, at);
}

/* A file that grows takes room; one that shrinks takes none, but a read-only disk refuses both. */
int ftruncate(int fd, off_t size)
{
    if (field(NAME_ERRNO) && is_ours(fd))
        return refuse((int)field(NAME_ERRNO));
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    if (field(NAME_ERRNO) && is_ours(fd))
        return refuse((int)field(NAME_ERRNO));
    return REAL(ftruncate64)(fd, size);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    if (allowed(fd, len) == len)
        return REAL(posix_fallocate)(fd, at, len);
    refuse(0);
    return (int)field(WRITE_ERRNO);
}

static int sync_fault(int fd)
{
    int64_t ms = field(SYNC_MS);
    if ((!ms && !field(SYNC_ERRNO)) || !is_ours(fd))
        return 0;
    if (ms) {
        struct timespec t = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&t, NULL);
        atomic_fetch_add(&control[SLOWED], 1);
    }
    return (int)field(SYNC_ERRNO);
}

int fsync(int fd)
{
    int code = sync_fault(fd);
    return code ? refuse(code) : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    int code = sync_fault(fd);
    return code ? refuse(code) : REAL(fdatasync)(fd);
}

/* The errno with which a name cannot be made, changed or removed now; 0: it can. */
static int name_fault(const char *path)
{
    if (!control || !path_is_ours(path))
        return 0;
    return (int)field(NAME_ERRNO);
}

/* Opening for writing what is there is refused by a read-only disk alone. */
static int open_fault(const char *path, int flags)
{
    bool changes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
    if (!changes || !control || !path_is_ours(path))
        return 0;
    if (field(NAME_ERRNO))
        return (int)field(NAME_ERRNO);
    struct stat st;
    bool full = field(WRITE_ERRNO) && field(BYTES_LEFT) <= 0;
    return full && (flags & O_CREAT) && stat(path, &st) < 0 ? (int)field(WRITE_ERRNO) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                     \
            va_list ap;                                                                            \
            va_start(ap, flags);                                                                   \
            mode = va_arg(ap, mode_t);                                                             \
            va_end(ap);                                                                            \
        }                                                                                          \
        int code = open_fault(path, flags);                                                        \
        return code ? refuse(code) : REAL(name)(path, flags, mode);                                \
    }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to)
{
    int code = name_fault(to);
    return code ? refuse(code) : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    int code = name_fault(path);
    return code ? refuse(code) : REAL(unlink)(path);
}

int remove(const char *path)
{
    int code = name_fault(path);
    return code ? refuse(code) : REAL(remove)(path);
}

int mkdir(const char *path, mode_t mode)
{
    int code = name_fault(path);
    struct stat st;
    if (!code && control && path_is_ours(path) && field(WRITE_ERRNO) && field(BYTES_LEFT) <= 0 &&
        stat(path, &st) < 0)
        code = (int)field(WRITE_ERRNO);
    return code ? refuse(code) : REAL(mkdir)(path, mode);
}
