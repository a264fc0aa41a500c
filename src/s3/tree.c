/* Objects as files below the root.
 *
 * Invariants:
 *   1. what is visible at a key is always a whole object: the bytes are written and synced outside
 *      of the tree, then renamed in, and the folder is synced before the client is told.
 *   2. names change under tree_lock alone, so a folder that a delete found empty is not one that a
 *      put is about to use.
 *   3. nothing is reached through a symbolic link: links are no objects, and no folders either.
 *
 * Folders are made for a put and go with their last object, as prefixes do in S3, unless they were
 * put as an object "name/" (a marker: consoles do that), which is remembered beside the other
 * metadata under that key. */
#include <string.h>

#include "s3/inner.h"

struct od_str od_s3_hidden(const struct od_s3 *s3, struct od_arena *arena, const char *part,
                           struct od_str name)
{
    return od_arena_printf(arena, "%s/.ondol/%s%s%.*s", s3->config.root, part, name.len ? "/" : "",
                           OD_STR_ARG(name));
}

/* A key's last "/" is not part of a path. */
static struct od_str bare(struct od_str key)
{
    return od_str_ends(key, OD_STR("/")) ? od_str_sub(key, 0, key.len - 1) : key;
}

struct od_str od_s3_path(const struct od_s3 *s3, struct od_arena *arena, struct od_str bucket,
                         struct od_str key)
{
    key = bare(key);
    return od_arena_printf(arena, "%s/%.*s%s%.*s", s3->config.root, OD_STR_ARG(bucket),
                           key.len ? "/" : "", OD_STR_ARG(key));
}

enum od_status od_s3_sync(struct od_s3_call *call, struct od_str folder)
{
    struct od_error err;
    if (!folder.ptr)
        return od_s3_no_memory(call);
    return od_io_sync_folder(call->io, folder.ptr, &err) == OD_OK ? OD_OK
                                                                  : od_s3_internal(call, &err);
}

/* What is at a path; *out_there false when nothing is. */
static enum od_status stat_at(struct od_s3_call *call, struct od_str path, struct od_io_stat *out,
                              bool *out_there)
{
    struct od_error err;
    *out_there = false;
    if (!path.ptr)
        return od_s3_no_memory(call);
    enum od_status s = call->io->stat(call->io, path.ptr, out, &err);
    if (s == OD_NOT_FOUND)
        return OD_OK;
    *out_there = s == OD_OK;
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

enum od_status od_s3_need_bucket(struct od_s3_call *call, struct od_str bucket)
{
    struct od_io_stat stat;
    bool there;
    enum od_status s =
        stat_at(call, od_s3_path(call->s3, call->arena, bucket, OD_STR("")), &stat, &there);
    if (s == OD_OK && (!there || stat.kind != OD_IO_FOLDER))
        s = od_s3_fail(call, OD_S3_NO_SUCH_BUCKET, NULL);
    return s;
}

enum od_status od_s3_walk_parents(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                                  struct od_str *out_blocker, bool *out_missing)
{
    enum od_status s = OD_OK;
    struct od_arena paths; /* of one parent at a time: a key may have 500 */
    od_arena_init(&paths, SIZE_MAX);
    key = bare(key);
    *out_blocker = OD_STR_NONE;
    *out_missing = false;
    for (size_t i = od_str_find(key, '/', 0);
         s == OD_OK && i != SIZE_MAX && !*out_missing && !out_blocker->ptr;
         i = od_str_find(key, '/', i + 1)) {
        struct od_str parent = od_str_sub(key, 0, i);
        struct od_io_stat stat;
        bool there;
        od_arena_reset(&paths);
        s = stat_at(call, od_s3_path(call->s3, &paths, bucket, parent), &stat, &there);
        *out_missing = s == OD_OK && !there;
        if (s == OD_OK && there && stat.kind != OD_IO_FOLDER)
            *out_blocker = parent;
    }
    od_arena_done(&paths);
    return s;
}

static bool is_marker_key(struct od_str key)
{
    return od_str_ends(key, OD_STR("/"));
}

/* A marker's record is about no file. */
static const struct od_io_stat no_file = {.kind = OD_IO_FILE};

enum od_status od_s3_look(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object **out)
{
    struct od_str blocker;
    struct od_io_stat stat;
    bool there, missing;
    *out = NULL;
    enum od_status s = od_s3_walk_parents(call, bucket, key, &blocker, &missing);
    if (s != OD_OK || blocker.ptr || missing)
        return s;
    struct od_s3_object *found = OD_NEW(call->arena, struct od_s3_object);
    if (!found)
        return od_s3_no_memory(call);
    found->path = od_s3_path(call->s3, call->arena, bucket, key);
    found->is_marker = is_marker_key(key);
    s = stat_at(call, found->path, &stat, &there);
    if (s != OD_OK || !there || stat.kind != (found->is_marker ? OD_IO_FOLDER : OD_IO_FILE))
        return s;
    s = od_s3_meta_find(call, bucket, key, found->is_marker ? &no_file : &stat, &found->meta);
    if (s == OD_OK && found->is_marker) {
        if (od_str_ends(found->meta.etag, OD_STR("-0")))
            return OD_OK; /* a folder, but none that was put */
        found->meta.modified_ns = stat.modified_ns;
    }
    if (s == OD_OK)
        *out = found;
    return s;
}

enum od_status od_s3_find(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object *out)
{
    struct od_s3_object *found;
    enum od_status s = od_s3_need_bucket(call, bucket);
    if (s == OD_OK)
        s = od_s3_look(call, bucket, key, &found);
    if (s == OD_OK && !found)
        s = od_s3_fail(call, OD_S3_NO_SUCH_KEY, NULL);
    if (s == OD_OK)
        *out = *found;
    return s;
}

/* ---- changing names; tree_lock is held ---- */

static enum od_status conflict(struct od_s3_call *call, struct od_str with, const char *what)
{
    return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                      "The key cannot be stored: '%.*s' is %s. Objects are files here, so a key "
                      "cannot be both an object and a prefix of others.",
                      OD_STR_ARG(with), what);
}

static enum od_status check_conditions(struct od_s3_call *call, const struct od_s3_object *now)
{
    struct od_str none = od_s3_request_header(call, "if-none-match");
    struct od_str match = od_s3_request_header(call, "if-match");
    if (none.ptr && !od_str_eq(none, OD_STR("*")))
        return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "If-None-Match of a write must be '*'.");
    if (match.ptr && !now)
        return od_s3_fail(call, OD_S3_NO_SUCH_KEY, NULL);
    if ((none.ptr && now) || (match.ptr && !od_s3_etag_matches(match, now->meta.etag)))
        return od_s3_fail(call, OD_S3_PRECONDITION, NULL);
    return OD_OK;
}

/* The key up to its last "/", without it; "" when it has none. */
static struct od_str parent_of(struct od_str key)
{
    key = bare(key);
    size_t last = key.len;
    while (last > 0 && key.ptr[last - 1] != '/')
        last--;
    return od_str_sub(key, 0, last ? last - 1 : 0);
}

/* Names in a folder survive a crash after this. */
static enum od_status sync_folder(struct od_s3_call *call, struct od_str bucket,
                                  struct od_str folder)
{
    return od_s3_sync(call, od_s3_path(call->s3, call->arena, bucket, folder));
}

/* The folders a key needs; their names are on the disk when they are new. */
static enum od_status make_parents(struct od_s3_call *call, struct od_str key)
{
    struct od_error err;
    struct od_str folder = parent_of(key);
    if (!folder.len)
        return OD_OK;
    struct od_str path = od_s3_path(call->s3, call->arena, call->bucket, folder);
    if (!path.ptr)
        return od_s3_no_memory(call);
    struct od_io_stat stat;
    if (call->io->stat(call->io, path.ptr, &stat, NULL) == OD_OK)
        return OD_OK;
    enum od_status s = call->io->make_folder(call->io, path.ptr, &err);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

/* What is at the key's place may be an object to replace, or, for a marker, the folder itself. An
 * empty folder is nobody's and gives way. */
static enum od_status check_place(struct od_s3_call *call, struct od_str path, bool marker,
                                  struct od_io_stat *stat, bool *out_there)
{
    struct od_str blocker;
    bool missing;
    enum od_status s = od_s3_walk_parents(call, call->bucket, call->key, &blocker, &missing);
    if (s == OD_OK && blocker.ptr)
        return conflict(call, blocker, "an object already");
    *out_there = false;
    if (s == OD_OK && !missing)
        s = stat_at(call, path, stat, out_there);
    if (s != OD_OK || !*out_there || stat->kind == (marker ? OD_IO_FOLDER : OD_IO_FILE))
        return s;
    if (stat->kind == OD_IO_FOLDER) {
        struct od_str folder = od_arena_printf(call->arena, "%.*s/", OD_STR_ARG(call->key));
        struct od_s3_object *kept;
        if (!folder.ptr)
            return od_s3_no_memory(call);
        s = od_s3_look(call, call->bucket, folder, &kept);
        if (s != OD_OK || kept)
            return s == OD_OK ? conflict(call, folder, "an object already") : s;
    }
    if (stat->kind == OD_IO_FOLDER && call->io->remove(call->io, path.ptr, NULL) == OD_OK) {
        *out_there = false;
        return OD_OK;
    }
    return conflict(call, call->key,
                    stat->kind == OD_IO_FOLDER ? "the prefix of other keys already"
                    : marker                   ? "an object without the '/' already"
                                               : "a symbolic link");
}

static enum od_status place_file(struct od_s3_call *call, struct od_str temporary,
                                 struct od_str path, struct od_s3_meta *meta,
                                 const struct od_io_stat *now)
{
    struct od_io_stat stat;
    struct od_error err;
    enum od_status s = call->io->stat(call->io, temporary.ptr, &stat, &err);
    if (s != OD_OK)
        return od_s3_internal(call, &err);
    meta->bytes = stat.bytes;
    meta->modified_ns = stat.modified_ns;
    meta->inode = stat.inode;
    s = make_parents(call, call->key);
    if (s == OD_OK)
        s = od_s3_meta_put(call, call->bucket, call->key, meta, now);
    if (s == OD_OK && call->io->rename(call->io, temporary.ptr, path.ptr, &err) != OD_OK)
        s = od_s3_internal(call, &err);
    return s;
}

static enum od_status place_marker(struct od_s3_call *call, struct od_str path,
                                   struct od_s3_meta *meta)
{
    struct od_error err;
    enum od_status s = make_parents(call, call->key);
    if (s != OD_OK)
        return s;
    if (call->io->make_folder(call->io, path.ptr, &err) != OD_OK)
        return od_s3_internal(call, &err);
    s = sync_folder(call, call->bucket, parent_of(call->key)); /* it may have been there */
    if (s != OD_OK)
        return s;
    meta->bytes = meta->inode = 0;
    meta->modified_ns = 0;
    return od_s3_meta_put(call, call->bucket, call->key, meta, NULL);
}

static enum od_status put(struct od_s3_call *call, struct od_str temporary, struct od_s3_meta *meta)
{
    struct od_io_stat stat;
    struct od_s3_object *now = NULL;
    bool there = false;
    bool marker = is_marker_key(call->key);
    struct od_str path = od_s3_path(call->s3, call->arena, call->bucket, call->key);
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = od_s3_look(call, call->bucket, call->key, &now);
    if (s == OD_OK)
        s = check_conditions(call, now);
    if (s == OD_OK)
        s = check_place(call, path, marker, &stat, &there);
    if (s != OD_OK)
        return s;
    return marker ? place_marker(call, path, meta)
                  : place_file(call, temporary, path, meta, there ? &stat : NULL);
}

enum od_status od_s3_put(struct od_s3_call *call, struct od_str temporary, struct od_s3_meta *meta)
{
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = put(call, temporary, meta);
    pthread_mutex_unlock(&call->s3->tree_lock);
    return s;
}

/* Folders that held the key and now hold nothing, up to one that was put as a marker. */
static void prune(struct od_s3_call *call, struct od_str bucket, struct od_str key)
{
    for (size_t i = bare(key).len; i-- > 0;) {
        struct od_s3_object *marker;
        if (key.ptr[i] != '/')
            continue;
        struct od_str folder = od_str_sub(key, 0, i + 1);
        struct od_str path = od_s3_path(call->s3, call->arena, bucket, folder);
        if (!path.ptr || od_s3_look(call, bucket, folder, &marker) != OD_OK || marker ||
            call->io->remove(call->io, path.ptr, NULL) != OD_OK) /* not empty */
            return;
    }
}

static enum od_status delete_object(struct od_s3_call *call, struct od_str bucket,
                                    struct od_str key)
{
    struct od_s3_object *found;
    struct od_error err;
    enum od_status s = od_s3_look(call, bucket, key, &found);
    if (s != OD_OK || !found)
        return s;
    if (found->is_marker) {
        /* It is no object any more, even where it holds others: the record was what made it one,
         * so that must not come back. */
        od_s3_meta_forget(call, bucket, key);
        s = od_s3_sync(call, od_s3_hidden(call->s3, call->arena, "meta", bucket));
        if (call->io->remove(call->io, found->path.ptr, NULL) == OD_OK) {
            if (s == OD_OK)
                s = sync_folder(call, bucket, parent_of(key));
            prune(call, bucket, key);
        }
        return s;
    }
    if (call->io->remove(call->io, found->path.ptr, &err) != OD_OK)
        return od_s3_internal(call, &err);
    s = sync_folder(call, bucket, parent_of(key));
    od_s3_meta_forget(call, bucket, key);
    prune(call, bucket, key);
    return s;
}

enum od_status od_s3_delete(struct od_s3_call *call, struct od_str bucket, struct od_str key)
{
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = delete_object(call, bucket, key);
    pthread_mutex_unlock(&call->s3->tree_lock);
    return s;
}
