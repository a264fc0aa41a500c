/* Walking a bucket: see walk.h.
 *
 * The order of keys is not that of names in a folder: the keys below a folder "a" begin with "a/",
 * and "a-b" < "a/". So the entries of each folder are sorted with a "/" behind those of folders;
 * then going down into each folder in turn gives keys in byte order (two keys differ first either
 * inside one folder's names, or at the end of one of them).
 *
 * A folder is entered only if it can hold a key that is wanted. */
#include "s3/walk.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct od_str name; /* a folder's ends in "/" */
};

struct od_s3_level {
    struct od_s3_level *below;
    struct od_arena arena;
    struct entry *entries;
    size_t count, at;
    size_t base; /* bytes of the key that name this folder, its "/" included */
    bool marker; /* this folder itself is an object, still to be given */
};

#define LEVEL_BYTES (512u << 20) /* of one folder: some millions of names */

static int by_name(const void *a, const void *b)
{
    return od_str_cmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool is_key_part(struct od_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7F)
            return false;
    return od_utf8_check(name) == name.len;
}

static enum od_status read_level(struct od_s3_walk *walk, struct od_s3_level *level,
                                 struct od_error *err)
{
    struct od_io_entry *list;
    size_t count;
    const struct od_io *io = walk->call->io;
    struct od_str path = od_s3_path(walk->call->s3, &level->arena, walk->bucket,
                                    (struct od_str){walk->key, level->base});
    enum od_status s = path.ptr ? io->list(io, path.ptr, &level->arena, &list, &count, err)
                                : od_fail(err, OD_NO_MEMORY, NULL);
    if (s != OD_OK)
        return s;
    level->entries = OD_NEW_ARRAY(&level->arena, struct entry, count);
    if (!level->entries)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++) {
        struct od_str name = list[i].name;
        if (!is_key_part(name) || level->base + name.len + 1 > OD_MAX_KEY_BYTES)
            continue;
        if (list[i].is_folder)
            name = od_arena_printf(&level->arena, "%.*s/", OD_STR_ARG(name));
        if (!name.ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
        level->entries[level->count++].name = name;
    }
    qsort(level->entries, level->count, sizeof *level->entries, by_name);
    return OD_OK;
}

/* Enters the folder that the first base bytes of walk->key name. */
static enum od_status push(struct od_s3_walk *walk, size_t base)
{
    struct od_error err;
    struct od_s3_object *marker = NULL;
    struct od_s3_level *level = calloc(1, sizeof *level);
    if (!level)
        return od_s3_no_memory(walk->call);
    od_arena_init(&level->arena, LEVEL_BYTES);
    level->base = base;
    level->below = walk->top;
    walk->top = level;
    enum od_status s = read_level(walk, level, &err);
    if (s == OD_IO &&
        !od_io_exists(walk->call->io, od_s3_path(walk->call->s3, walk->call->arena, walk->bucket,
                                                 (struct od_str){walk->key, base})
                                          .ptr))
        return OD_OK; /* deleted since its parent was read */
    if (s != OD_OK)
        return od_s3_internal(walk->call, &err);
    if (base)
        s = od_s3_look(walk->call, walk->bucket, (struct od_str){walk->key, base}, &marker);
    level->marker = marker != NULL;
    return s;
}

static void pop(struct od_s3_walk *walk)
{
    struct od_s3_level *level = walk->top;
    walk->top = level->below;
    od_arena_done(&level->arena);
    free(level);
}

void od_s3_walk_done(struct od_s3_walk *walk)
{
    while (walk->top)
        pop(walk);
}

/* The key of an entry, in walk->key. */
static struct od_str name_entry(struct od_s3_walk *walk, const struct od_s3_level *level,
                                const struct entry *entry)
{
    memcpy(walk->key + level->base, entry->name.ptr, entry->name.len);
    walk->key_len = level->base + entry->name.len;
    return (struct od_str){walk->key, walk->key_len};
}

/* Could anything below the folder be wanted? */
static bool is_open(const struct od_s3_walk *walk, struct od_str folder)
{
    bool in_prefix = od_str_starts(folder, walk->prefix) || od_str_starts(walk->prefix, folder);
    bool before = od_str_cmp(folder, od_str_sub(walk->after, 0, folder.len)) < 0;
    return in_prefix && !before && !(walk->skip.len && od_str_starts(folder, walk->skip));
}

static bool is_wanted(const struct od_s3_walk *walk, struct od_str key)
{
    return od_str_starts(key, walk->prefix) && od_str_cmp(key, walk->after) > 0 &&
           !(walk->skip.len && od_str_starts(key, walk->skip));
}

/* A prefix that is no path ("a//", "../") has no keys, and must not be looked for. */
static bool is_path(struct od_str folder)
{
    struct od_str rest = folder, part;
    while (od_str_cut(&rest, '/', &part))
        if ((!part.len && rest.ptr) || od_str_eq_c(part, ".") || od_str_eq_c(part, "..") ||
            !is_key_part(part))
            return false;
    return true;
}

/* Goes down to the folder that holds the prefix at once. */
enum od_status od_s3_walk_init(struct od_s3_walk *walk, struct od_s3_call *call,
                               struct od_str bucket, struct od_str prefix, struct od_str after,
                               struct od_str skip)
{
    struct od_io_stat stat;
    struct od_str blocker;
    bool missing;
    *walk = (struct od_s3_walk){.call = call,
                                .bucket = bucket,
                                .prefix = prefix.ptr ? prefix : OD_STR(""),
                                .after = after.ptr ? after : OD_STR(""),
                                .skip = skip};
    size_t folder = prefix.len;
    while (folder > 0 && prefix.ptr[folder - 1] != '/')
        folder--;
    if (folder > OD_MAX_KEY_BYTES || (folder && !is_path(od_str_sub(prefix, 0, folder))))
        return OD_OK;
    if (folder)
        memcpy(walk->key, prefix.ptr, folder);
    walk->key_len = folder;
    struct od_str at = {walk->key, folder};
    enum od_status s = od_s3_walk_parents(call, bucket, at, &blocker, &missing);
    if (s != OD_OK || blocker.ptr || missing)
        return s;
    struct od_str path = od_s3_path(call->s3, call->arena, bucket, at);
    if (!path.ptr)
        return od_s3_no_memory(call);
    if (call->io->stat(call->io, path.ptr, &stat, NULL) != OD_OK || stat.kind != OD_IO_FOLDER)
        return OD_OK;
    return push(walk, folder);
}

enum od_status od_s3_walk_next(struct od_s3_walk *walk, struct od_str *out_key)
{
    *out_key = OD_STR_NONE;
    while (walk->top) {
        struct od_s3_level *level = walk->top;
        struct od_str key = {walk->key, level->base};
        bool marker = level->marker;
        level->marker = false;
        if (!marker && level->at == level->count) {
            pop(walk);
            continue;
        }
        if (!marker)
            key = name_entry(walk, level, &level->entries[level->at++]);
        walk->key_len = key.len;
        if (!marker && od_str_ends(key, OD_STR("/"))) {
            enum od_status s = is_open(walk, key) ? push(walk, key.len) : OD_OK;
            if (s != OD_OK)
                return s;
        } else if (is_wanted(walk, key)) {
            *out_key = key;
            return OD_OK;
        }
    }
    return OD_OK;
}

void od_s3_walk_skip(struct od_s3_walk *walk, struct od_str prefix)
{
    walk->skip = prefix;
    while (walk->top && walk->top->base >= prefix.len)
        pop(walk);
}
