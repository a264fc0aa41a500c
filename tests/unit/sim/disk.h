/* A disk whose power can be cut, for tests of what survives.
 *
 * What is done to the files below one folder is done to the real ones, and written down as well:
 * every write, truncation, creation, rename and removal with its content, every sync of a file or
 * folder. Two doors lead here and share the list: disk_io (struct od_io, for our own files) and
 * the SQLite VFS of sim/vfs.h (for the database).
 *
 * sim_cut() then makes, in another folder, what a machine could find after its power failed behind
 * the first k operations of the list: what was synced is there; each later operation is kept,
 * dropped or torn (512-byte sectors), in any order; names made, changed or removed since the last
 * sync of their folder are there or not, one by one. It is crueller than disks are: a journalling
 * file system would keep names in order.
 *
 * A sync can be made to fail. As on Linux, what it should have written is then in limbo: programs
 * read it, no later sync writes it (the kernel holds it for clean), and only writing it again does.
 *
 * The simulation can be told to forget syncs (enum sim_lie), so that a test of the tests can see
 * them fail. Included by one test program. Thread-safe but for sim_cut. */
#ifndef OD_TEST_SIM_DISK_H
#define OD_TEST_SIM_DISK_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "os/io.h"

#define SIM_FDS    4096
#define SIM_SECTOR 512
#define SIM_ROOT   1u /* the inode of the folder itself; 0 is none */

enum sim_kind { SIM_WRITE, SIM_TRUNCATE, SIM_NAME, SIM_SYNC, SIM_SYNC_FAILED };
enum sim_lie {
    SIM_HONEST = 0,
    SIM_NO_DATABASE_SYNC = 1, /* SQLite's syncs do nothing */
    SIM_NO_FILE_SYNC = 2,     /* our own files' syncs do nothing */
    SIM_NO_FOLDER_SYNC = 4    /* no folder's names are synced, except by SQLite */
};

struct sim_op {
    enum sim_kind kind;
    uint32_t inode; /* the file; for SIM_NAME and syncs of folders the folder */
    uint64_t at;    /* write: offset; truncate: the new size */
    uint8_t *bytes; /* write */
    size_t len;
    char *name;      /* SIM_NAME: this name in the folder now means target */
    uint32_t target; /* 0: nothing */
    char *old_name;  /* with a rename: the name that ceased; NULL otherwise */
    uint32_t old_folder;
};

struct sim_entry {
    uint32_t folder, target;
    char *name;
};

struct sim {
    char root[256];
    pthread_mutex_t lock; /* guards the rest */
    struct sim_op *ops;
    size_t count, cap;
    struct sim_entry *entries; /* as programs see them */
    size_t entry_count, entry_cap;
    uint32_t inodes; /* given out */
    bool folder[1 << 16];
    uint32_t fds[SIM_FDS]; /* inode of a descriptor of disk_io, 0: not on the disk */
    unsigned lies;         /* enum sim_lie */
    unsigned failing;      /* of 1,000 syncs this many fail */
    struct od_random dice; /* for failing */
    unsigned epoch;        /* files opened before the last sim_restart are of another life */
};

static struct sim disk; /* one a program: SQLite's VFS has no context either */

static void *sim_grow(void *list, size_t count, size_t *cap, size_t item)
{
    if (count < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 256;
    list = realloc(list, *cap * item);
    assert(list);
    return list;
}

/* ---- the list; with the lock held ---- */

static struct sim_op *sim_add(enum sim_kind kind, uint32_t inode)
{
    disk.ops = sim_grow(disk.ops, disk.count, &disk.cap, sizeof *disk.ops);
    struct sim_op *op = &disk.ops[disk.count++];
    *op = (struct sim_op){.kind = kind, .inode = inode};
    return op;
}

static struct sim_entry *sim_find(struct sim_entry *list, size_t count, uint32_t folder,
                                  const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].folder == folder && !strncmp(list[i].name, name, len) && !list[i].name[len])
            return &list[i];
    return NULL;
}

static void sim_set(struct sim_entry **list, size_t *count, size_t *cap, uint32_t folder,
                    const char *name, uint32_t target)
{
    struct sim_entry *e = sim_find(*list, *count, folder, name, strlen(name));
    if (!e) {
        *list = sim_grow(*list, *count, cap, sizeof **list);
        e = &(*list)[(*count)++];
        *e = (struct sim_entry){.folder = folder, .name = strdup(name)};
    }
    e->target = target;
}

/* The part of a path below the disk's folder; NULL: it is elsewhere. */
static const char *sim_below(const char *path)
{
    size_t len = strlen(disk.root);
    if (strncmp(path, disk.root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    path += len;
    return path + strspn(path, "/");
}

/* The folder a path lies in and its last name. False: elsewhere, or the folder is unknown. */
static bool sim_place(const char *path, uint32_t *folder, const char **name)
{
    const char *rest = sim_below(path);
    if (!rest)
        return false;
    *folder = SIM_ROOT;
    for (const char *slash; (slash = strchr(rest, '/')) != NULL; rest = slash + 1) {
        if (slash == rest || (slash == rest + 1 && *rest == '.'))
            continue;
        struct sim_entry *e =
            sim_find(disk.entries, disk.entry_count, *folder, rest, (size_t)(slash - rest));
        if (!e || !e->target)
            return false;
        *folder = e->target;
    }
    *name = rest;
    return true;
}

static uint32_t sim_inode(const char *path)
{
    uint32_t folder;
    const char *name;
    if (!sim_place(path, &folder, &name))
        return 0;
    if (!*name || !strcmp(name, "."))
        return folder;
    struct sim_entry *e = sim_find(disk.entries, disk.entry_count, folder, name, strlen(name));
    return e ? e->target : 0;
}

static void sim_name(uint32_t folder, const char *name, uint32_t target)
{
    struct sim_op *op = sim_add(SIM_NAME, folder);
    op->name = strdup(name);
    op->target = target;
    sim_set(&disk.entries, &disk.entry_count, &disk.entry_cap, folder, name, target);
}

static uint32_t sim_create(const char *path, bool is_folder)
{
    uint32_t folder, inode;
    const char *name;
    if (!sim_place(path, &folder, &name) || !*name)
        return 0;
    inode = ++disk.inodes;
    assert(inode < sizeof disk.folder);
    disk.folder[inode] = is_folder;
    sim_name(folder, name, inode);
    return inode;
}

static void sim_write(uint32_t inode, const void *bytes, size_t len, uint64_t at)
{
    struct sim_op *op = sim_add(SIM_WRITE, inode);
    op->bytes = malloc(len ? len : 1);
    assert(op->bytes);
    memcpy(op->bytes, bytes, len);
    op->len = len;
    op->at = at;
}

/* False: the sync is to fail. */
static bool sim_sync(uint32_t inode, bool by_database)
{
    if (disk.failing && od_random_below(&disk.dice, 1000) < disk.failing) {
        sim_add(SIM_SYNC_FAILED, inode);
        return false;
    }
    unsigned lie = by_database          ? SIM_NO_DATABASE_SYNC
                   : disk.folder[inode] ? SIM_NO_FOLDER_SYNC
                                        : SIM_NO_FILE_SYNC;
    if (!(disk.lies & lie))
        sim_add(SIM_SYNC, inode);
    return true;
}

/* ---- for the test ---- */

static __attribute__((unused)) size_t sim_position(void)
{
    pthread_mutex_lock(&disk.lock);
    size_t at = disk.count;
    pthread_mutex_unlock(&disk.lock);
    return at;
}

/* root: a real empty folder, absolute. */
static void sim_begin(const char *root, uint64_t seed)
{
    snprintf(disk.root, sizeof disk.root, "%s", root);
    pthread_mutex_init(&disk.lock, NULL);
    disk.inodes = SIM_ROOT;
    disk.folder[SIM_ROOT] = true;
    od_random_init(&disk.dice, seed);
}

static void sim_end(void)
{
    for (size_t i = 0; i < disk.count; i++) {
        free(disk.ops[i].bytes);
        free(disk.ops[i].name);
        free(disk.ops[i].old_name);
    }
    for (size_t i = 0; i < disk.entry_count; i++)
        free(disk.entries[i].name);
    free(disk.ops);
    free(disk.entries);
    pthread_mutex_destroy(&disk.lock);
    memset(&disk, 0, sizeof disk);
}

/* The machine lives on but all programs were killed: what they wrote is copied to the empty folder
 * root, which is the disk from now on. Syncs that failed stay failed. Files still open belong to
 * the dead and are written down no more. */
static __attribute__((unused)) void sim_copy(uint32_t folder, const char *from, const char *to)
{
    char a[4096], b[4096], *bytes = malloc(64u << 20);
    assert(bytes);
    for (size_t i = 0; i < disk.entry_count; i++) {
        const struct sim_entry *e = &disk.entries[i];
        if (e->folder != folder || !e->target)
            continue;
        int n = snprintf(a, sizeof a, "%s/%s", from, e->name);
        int m = snprintf(b, sizeof b, "%s/%s", to, e->name);
        assert(n < (int)sizeof a && m < (int)sizeof b);
        if (disk.folder[e->target]) {
            n = mkdir(b, 0700);
            assert(n == 0);
            sim_copy(e->target, a, b);
            continue;
        }
        int in = open(a, O_RDONLY | O_CLOEXEC), out = open(b, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert(in >= 0 && out >= 0);
        ssize_t len = read(in, bytes, 64u << 20), put = write(out, bytes, (size_t)len);
        assert(len >= 0 && put == len);
        (void)put, (void)m;
        close(in);
        close(out);
    }
    free(bytes);
}

static __attribute__((unused)) void sim_restart(const char *root)
{
    pthread_mutex_lock(&disk.lock);
    sim_copy(SIM_ROOT, disk.root, root);
    snprintf(disk.root, sizeof disk.root, "%s", root);
    memset(disk.fds, 0, sizeof disk.fds);
    disk.epoch++;
    pthread_mutex_unlock(&disk.lock);
}

/* ---- struct od_io ---- */

static enum od_status disk_open(const struct od_io *me, const char *path, enum od_open_mode mode,
                                int *out_fd, struct od_error *err)
{
    (void)me;
    pthread_mutex_lock(&disk.lock);
    enum od_status s = od_io_real.open(&od_io_real, path, mode, out_fd, err);
    if (s == OD_OK) {
        uint32_t inode = sim_inode(path);
        if (!inode && mode != OD_OPEN_READ)
            inode = sim_create(path, false);
        else if (inode && mode == OD_OPEN_CREATE)
            sim_add(SIM_TRUNCATE, inode);
        assert(*out_fd < SIM_FDS);
        disk.fds[*out_fd] = inode;
    }
    pthread_mutex_unlock(&disk.lock);
    return s;
}

static enum od_status disk_read_at(const struct od_io *me, int fd, void *to, size_t len,
                                   uint64_t at, size_t *out_len, struct od_error *err)
{
    (void)me;
    return od_io_real.read_at(&od_io_real, fd, to, len, at, out_len, err);
}

static enum od_status disk_write_at(const struct od_io *me, int fd, const void *from, size_t len,
                                    uint64_t at, struct od_error *err)
{
    (void)me;
    pthread_mutex_lock(&disk.lock);
    enum od_status s = od_io_real.write_at(&od_io_real, fd, from, len, at, err);
    if (s == OD_OK && disk.fds[fd])
        sim_write(disk.fds[fd], from, len, at);
    pthread_mutex_unlock(&disk.lock);
    return s;
}

static enum od_status disk_size(const struct od_io *me, int fd, uint64_t *out, struct od_error *err)
{
    (void)me;
    return od_io_real.size(&od_io_real, fd, out, err);
}

static enum od_status disk_sync(const struct od_io *me, int fd, struct od_error *err)
{
    (void)me;
    pthread_mutex_lock(&disk.lock);
    bool good = !disk.fds[fd] || sim_sync(disk.fds[fd], false);
    pthread_mutex_unlock(&disk.lock);
    errno = EIO;
    return good ? OD_OK : od_fail_errno(err, "cannot sync");
}

static void disk_close(const struct od_io *me, int fd)
{
    (void)me;
    pthread_mutex_lock(&disk.lock);
    disk.fds[fd] = 0;
    od_io_real.close(&od_io_real, fd);
    pthread_mutex_unlock(&disk.lock);
}

static enum od_status disk_map(const struct od_io *me, const char *path, struct od_io_map *out,
                               struct od_error *err)
{
    (void)me;
    return od_io_real.map(&od_io_real, path, out, err);
}

static void disk_unmap(const struct od_io *me, struct od_io_map *map)
{
    (void)me;
    od_io_real.unmap(&od_io_real, map);
}

static enum od_status disk_rename(const struct od_io *me, const char *from, const char *to,
                                  struct od_error *err)
{
    uint32_t old_folder, new_folder;
    const char *old_name, *new_name;
    bool good = true;
    (void)me;
    pthread_mutex_lock(&disk.lock);
    enum od_status s =
        rename(from, to) == 0 ? OD_OK : od_fail_errno(err, "cannot rename %s to %s", from, to);
    uint32_t inode = sim_inode(from);
    if (s == OD_OK && inode && sim_place(from, &old_folder, &old_name) &&
        sim_place(to, &new_folder, &new_name)) {
        sim_name(new_folder, new_name, inode);
        disk.ops[disk.count - 1].old_folder = old_folder;
        disk.ops[disk.count - 1].old_name = strdup(old_name);
        sim_set(&disk.entries, &disk.entry_count, &disk.entry_cap, old_folder, old_name, 0);
        good = sim_sync(new_folder, false);
    }
    pthread_mutex_unlock(&disk.lock);
    errno = EIO;
    return s == OD_OK && !good ? od_fail_errno(err, "cannot sync the folder of %s", to) : s;
}

static enum od_status disk_remove(const struct od_io *me, const char *path, struct od_error *err)
{
    uint32_t folder;
    const char *name;
    (void)me;
    pthread_mutex_lock(&disk.lock);
    enum od_status s = od_io_real.remove(&od_io_real, path, err);
    if (s == OD_OK && sim_inode(path) && sim_place(path, &folder, &name))
        sim_name(folder, name, 0);
    pthread_mutex_unlock(&disk.lock);
    return s;
}

/* Part by part, as the real one: a name whose sync fails goes again. */
static enum od_status disk_make_folder(const struct od_io *me, const char *path,
                                       struct od_error *err)
{
    char part[4096];
    size_t len = strlen(path);
    enum od_status s = OD_OK;
    (void)me;
    assert(len < sizeof part);
    if (!sim_below(path))
        return od_io_real.make_folder(&od_io_real, path, err);
    pthread_mutex_lock(&disk.lock);
    for (size_t i = strlen(disk.root) + 1; s == OD_OK && i <= len; i++) {
        uint32_t folder;
        const char *name;
        if (path[i] != '/' && path[i] != '\0')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (sim_inode(part) || !sim_place(part, &folder, &name) || !*name)
            continue;
        s = od_io_real.make_folder(&od_io_real, part, err);
        if (s != OD_OK)
            break;
        sim_create(part, true);
        if (!sim_sync(folder, false)) {
            rmdir(part);
            sim_name(folder, name, 0);
            errno = EIO;
            s = od_fail_errno(err, "cannot sync the folder of %s", part);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return s;
}

static enum od_status disk_list(const struct od_io *me, const char *path, struct od_arena *arena,
                                struct od_io_entry **out, size_t *out_count, struct od_error *err)
{
    (void)me;
    return od_io_real.list(&od_io_real, path, arena, out, out_count, err);
}

static enum od_status disk_stat(const struct od_io *me, const char *path, struct od_io_stat *out,
                                struct od_error *err)
{
    (void)me;
    return od_io_real.stat(&od_io_real, path, out, err);
}

static int64_t disk_now_ms(const struct od_io *me)
{
    (void)me;
    return od_io_real.now_ms(&od_io_real);
}

static int64_t disk_monotonic_ns(const struct od_io *me)
{
    (void)me;
    return od_io_real.monotonic_ns(&od_io_real);
}

static enum od_status disk_random(const struct od_io *me, void *to, size_t len)
{
    (void)me;
    return od_io_real.random(&od_io_real, to, len);
}

static const struct od_io disk_io = {
    .name = "faulty",
    .open = disk_open,
    .read_at = disk_read_at,
    .write_at = disk_write_at,
    .size = disk_size,
    .sync = disk_sync,
    .close = disk_close,
    .map = disk_map,
    .unmap = disk_unmap,
    .rename = disk_rename,
    .remove = disk_remove,
    .make_folder = disk_make_folder,
    .list = disk_list,
    .stat = disk_stat,
    .now_ms = disk_now_ms,
    .monotonic_ns = disk_monotonic_ns,
    .random = disk_random,
};

#endif
