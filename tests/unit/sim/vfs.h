/* SQLite's door to the disk of sim/disk.h: a VFS around the default one.
 *
 * It stands in the place of the default VFS while sim_vfs_on() holds, so that the server's own code
 * opens its database through it without knowing. Locks and the shared memory of the log's index
 * are the real VFS's: they do not survive a power cut, and SQLite makes the index again. Temporary
 * files are not on the disk. Syncs are not passed on: the real disk is not what is tested.
 *
 * Production does not go through a VFS of ours: SQLite's own is the one that millions run, with its
 * locks against other programs, and there is nothing ours could add to it. */
#ifndef OD_TEST_SIM_VFS_H
#define OD_TEST_SIM_VFS_H

#include <sqlite3.h>

#include "sim/disk.h"

struct sim_file {
    sqlite3_file head;
    uint32_t inode;
    uint32_t new_in; /* the folder whose sync is due with the file's first: unixSync() does so for
                        journals and logs that it made */
    unsigned epoch;
    sqlite3_file *real;
};

static sqlite3_vfs sim_vfs, *sim_real_vfs;

static struct sim_file *sim_of(sqlite3_file *file)
{
    return (struct sim_file *)file;
}

/* Is what is done to this file still to be written down? Then the lock is held. */
static bool sim_enter(const struct sim_file *f)
{
    pthread_mutex_lock(&disk.lock);
    if (f->inode && f->epoch == disk.epoch)
        return true;
    pthread_mutex_unlock(&disk.lock);
    return false;
}

static int sim_x_close(sqlite3_file *file)
{
    struct sim_file *f = sim_of(file);
    return f->real->pMethods ? f->real->pMethods->xClose(f->real) : SQLITE_OK;
}

static int sim_x_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xRead(real, to, len, at);
}

static int sim_x_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
    struct sim_file *f = sim_of(file);
    int rc = f->real->pMethods->xWrite(f->real, from, len, at);
    if (rc == SQLITE_OK && sim_enter(f)) {
        sim_write(f->inode, from, (size_t)len, (uint64_t)at);
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int sim_x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct sim_file *f = sim_of(file);
    int rc = f->real->pMethods->xTruncate(f->real, size);
    if (rc == SQLITE_OK && sim_enter(f)) {
        sim_add(SIM_TRUNCATE, f->inode)->at = (uint64_t)size;
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int sim_x_sync(sqlite3_file *file, int flags)
{
    struct sim_file *f = sim_of(file);
    (void)flags;
    if (!sim_enter(f))
        return SQLITE_OK;
    bool good = sim_sync(f->inode, true);
    if (good && f->new_in) {
        (void)sim_sync(f->new_in, true); /* unixSync() does not look at what came of it either */
        f->new_in = 0;
    }
    pthread_mutex_unlock(&disk.lock);
    errno = EIO;
    return good ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int sim_x_size(sqlite3_file *file, sqlite3_int64 *out)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xFileSize(real, out);
}

static int sim_x_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int sim_x_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int sim_x_check_lock(sqlite3_file *file, int *out)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, out);
}

static int sim_x_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xFileControl(real, op, arg);
}

static int sim_x_sector(sqlite3_file *file)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int sim_x_device(sqlite3_file *file)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int sim_x_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xShmMap(real, page, size, extend, out);
}

static int sim_x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xShmLock(real, offset, n, flags);
}

static void sim_x_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = sim_of(file)->real;
    real->pMethods->xShmBarrier(real);
}

static int sim_x_shm_unmap(sqlite3_file *file, int remove_it)
{
    sqlite3_file *real = sim_of(file)->real;
    return real->pMethods->xShmUnmap(real, remove_it);
}

static const sqlite3_io_methods sim_methods = {
    .iVersion = 2,
    .xClose = sim_x_close,
    .xRead = sim_x_read,
    .xWrite = sim_x_write,
    .xTruncate = sim_x_truncate,
    .xSync = sim_x_sync,
    .xFileSize = sim_x_size,
    .xLock = sim_x_lock,
    .xUnlock = sim_x_unlock,
    .xCheckReservedLock = sim_x_check_lock,
    .xFileControl = sim_x_control,
    .xSectorSize = sim_x_sector,
    .xDeviceCharacteristics = sim_x_device,
    .xShmMap = sim_x_shm_map,
    .xShmLock = sim_x_shm_lock,
    .xShmBarrier = sim_x_shm_barrier,
    .xShmUnmap = sim_x_shm_unmap,
};

static int sim_x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *out_flags)
{
    struct sim_file *f = sim_of(file);
    (void)vfs;
    *f = (struct sim_file){.real = (sqlite3_file *)(f + 1)};
    pthread_mutex_lock(&disk.lock);
    int rc = sim_real_vfs->xOpen(sim_real_vfs, name, f->real, flags, out_flags);
    if (f->real->pMethods)
        f->head.pMethods = &sim_methods;
    if (rc == SQLITE_OK && name && !(flags & SQLITE_OPEN_DELETEONCLOSE)) {
        const char *last;
        f->epoch = disk.epoch;
        f->inode = sim_inode(name);
        if (!f->inode && (flags & SQLITE_OPEN_CREATE)) {
            f->inode = sim_create(name, false);
            if (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL))
                (void)sim_place(name, &f->new_in, &last);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int sim_x_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    uint32_t folder;
    const char *last;
    bool good = true;
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    int rc = sim_real_vfs->xDelete(sim_real_vfs, name, 0);
    if (rc == SQLITE_OK && sim_inode(name) && sim_place(name, &folder, &last)) {
        sim_name(folder, last, 0);
        good = !sync_folder || sim_sync(folder, true);
    }
    pthread_mutex_unlock(&disk.lock);
    return rc == SQLITE_OK && !good ? SQLITE_IOERR_DIR_FSYNC : rc;
}

static void sim_vfs_on(void)
{
    if (!sim_real_vfs) {
        sim_real_vfs = sqlite3_vfs_find(NULL);
        sim_vfs = *sim_real_vfs;
        sim_vfs.zName = "sim";
        sim_vfs.pNext = NULL;
        sim_vfs.szOsFile = (int)sizeof(struct sim_file) + sim_real_vfs->szOsFile;
        sim_vfs.xOpen = sim_x_open;
        sim_vfs.xDelete = sim_x_delete;
    }
    int rc = sqlite3_vfs_register(&sim_vfs, 1);
    assert(rc == SQLITE_OK);
    (void)rc;
}

static void sim_vfs_off(void)
{
    sqlite3_vfs_register(sim_real_vfs, 1);
}

#endif
