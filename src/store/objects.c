/* Objects: locations that users write to files of this machine. See objects.h.
 *
 * Two gates, both closed by default.
 * 1. The text (od_objects_check, no disk touched): a known scheme, then parts between "/" of which
 *    none is empty, "." or "..". Nothing is decoded: "%2e" is three characters of a file name, and
 * a backslash is one. So the joined path has no way up.
 * 2. The disk (od_objects_list): realpath of every file, symbolic links followed, must lie below
 * the real root, compared part by part ("/data" is not above "/database"). The paths handed out are
 *    those real ones.
 * Whoever may change links below a root while an import runs is trusted with what they point to.
 *
 * s3:// lies below one root, file:// below the folders the operator named, of which there may be
 * none. A location under an allowed folder is recognised by the folder's name as given and by its
 * real one. */
#include "store/objects.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LOCATION_CHARS 256 /* (AWS) s3Location */
#define MIN_BUCKET_CHARS   3   /* (AWS) */
#define MAX_BUCKET_CHARS   63  /* (AWS) */

struct folder {
    char *given; /* absolute, as the operator named it */
    char *real;  /* symbolic links followed */
    char *told;  /* how locations begin that lie below, without a last "/" */
};

struct od_objects {
    const struct od_io *io;
    struct folder root;
    struct folder *allowed;
    size_t allowed_count;
    bool remote; /* s3:// is an endpoint's, not the root's */
};

/* What a location says, after the first gate. */
struct place {
    const struct folder *folder; /* it must lie below */
    struct od_str rest;          /* path below folder->given, "" or starting after its "/" */
    bool is_folder;              /* ended in "/" */
    bool remote;                 /* an object of an endpoint; the two above do not matter */
};

/* ---- making one ---- */

static enum od_status open_folder(const char *path, bool is_root, struct folder *out,
                                  struct od_error *err)
{
    char here[PATH_MAX] = "";
    struct stat st;
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return od_fail_errno(err, "cannot find the current folder");
    out->real = realpath(path, NULL);
    if (!out->real)
        return od_fail_errno(err, "cannot open the folder %s", path);
    if (stat(out->real, &st) < 0)
        return od_fail_errno(err, "cannot open the folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return od_fail(err, OD_INVALID_INPUT, "%s is not a folder.", path);
    if (asprintf(&out->given, "%s%s%s", here, here[0] ? "/" : "", path) < 0) {
        out->given = NULL;
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    size_t len = strlen(out->given);
    while (len > 1 && out->given[len - 1] == '/')
        out->given[--len] = '\0';
    if (asprintf(&out->told, is_root ? "s3:/" : "file://%s", len > 1 ? out->given : "") < 0) {
        out->told = NULL;
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    return OD_OK;
}

static void close_folder(struct folder *folder)
{
    free(folder->given);
    free(folder->real);
    free(folder->told);
}

void od_objects_free(struct od_objects *objects)
{
    if (!objects)
        return;
    close_folder(&objects->root);
    for (size_t i = 0; i < objects->allowed_count; i++)
        close_folder(&objects->allowed[i]);
    free(objects->allowed);
    free(objects);
}

enum od_status od_objects_new(const struct od_io *io, const char *root, const char *const *allowed,
                              size_t allowed_count, struct od_objects **out, struct od_error *err)
{
    struct od_objects *objects = calloc(1, sizeof *objects);
    if (!objects)
        return od_fail(err, OD_NO_MEMORY, NULL);
    objects->io = io;
    objects->allowed = calloc(allowed_count ? allowed_count : 1, sizeof *objects->allowed);
    enum od_status s = OD_OK;
    if (!objects->allowed)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = io->make_folder(io, root, err);
    if (s == OD_OK)
        s = open_folder(root, true, &objects->root, err);
    for (size_t i = 0; s == OD_OK && i < allowed_count; i++) {
        s = open_folder(allowed[i], false, &objects->allowed[i], err);
        objects->allowed_count = i + 1;
    }
    if (s != OD_OK) {
        od_objects_free(objects);
        return s;
    }
    *out = objects;
    return OD_OK;
}

/* ---- the first gate: the text ---- */

OD_PRINTF(2, 3) static enum od_status refuse(struct od_error *err, const char *fmt, ...)
{
    char reason[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return od_fail(err, OD_INVALID_INPUT, "Invalid Data location. %s", reason);
}

/* Before this has passed, the location must not be quoted: it may not be printable. */
static enum od_status check_text(struct od_str location, struct od_error *err)
{
    if (!location.len)
        return refuse(err, "The location is empty.");
    if (od_utf8_check(location) != location.len)
        return refuse(err, "The location is not valid UTF-8.");
    if (od_utf8_count(location) > MAX_LOCATION_CHARS)
        return refuse(err, "The location has %zu characters; at most %d are allowed.",
                      od_utf8_count(location), MAX_LOCATION_CHARS);
    for (size_t i = 0; i < location.len; i++) {
        unsigned char c = (unsigned char)location.ptr[i];
        if (c < 0x20 || c == 0x7F)
            return refuse(err, "The location has a control character (code %d) at byte %zu.", c,
                          i + 1);
    }
    return OD_OK;
}

static bool is_bucket_end(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static enum od_status check_bucket(struct od_str bucket, struct od_error *err)
{
    if (bucket.len < MIN_BUCKET_CHARS || bucket.len > MAX_BUCKET_CHARS)
        return refuse(err, "The bucket name '%.*s' must have %d to %d characters.",
                      OD_STR_ARG(bucket), MIN_BUCKET_CHARS, MAX_BUCKET_CHARS);
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        bool edge = i == 0 || i == bucket.len - 1;
        bool twice = c == '.' && i > 0 && bucket.ptr[i - 1] == '.';
        if (!is_bucket_end(c) && (edge || (c != '-' && c != '.') || twice))
            return refuse(err,
                          "The bucket name '%.*s' may hold lower-case letters, digits, '-' and "
                          "single '.', and must begin and end with a letter or digit.",
                          OD_STR_ARG(bucket));
    }
    return OD_OK;
}

/* Parts of a path that begins after a "/": only the last may be empty, which says "folder". */
static enum od_status check_parts(struct od_str path, struct od_str location, bool *out_is_folder,
                                  struct od_error *err)
{
    struct od_str rest = path, part;
    while (od_str_cut(&rest, '/', &part)) {
        if (part.len == 0 && rest.ptr)
            return refuse(err, "%.*s has an empty part between two '/'.", OD_STR_ARG(location));
        if (od_str_eq_c(part, ".") || od_str_eq_c(part, ".."))
            return refuse(err, "%.*s has a part '%.*s', which is not allowed.",
                          OD_STR_ARG(location), OD_STR_ARG(part));
        if (part.len > NAME_MAX)
            return refuse(err, "A name between two '/' has %zu bytes; at most %d are allowed.",
                          part.len, NAME_MAX);
        *out_is_folder = part.len == 0;
    }
    return OD_OK;
}

static enum od_status parse_s3(const struct od_objects *objects, struct od_str location,
                               struct place *out, struct od_error *err)
{
    struct od_str path = od_str_sub(location, 5, location.len), rest = path, bucket;
    od_str_cut(&rest, '/', &bucket);
    enum od_status s = check_bucket(bucket, err);
    if (s != OD_OK)
        return s;
    if (!rest.ptr)
        return refuse(err, "%.*s names a bucket only; add '/' for all its files, or a key.",
                      OD_STR_ARG(location));
    *out = (struct place){&objects->root, path, false, objects->remote};
    return check_parts(rest, location, &out->is_folder, err);
}

/* Is path base itself or below it? *out_rest: what follows base and its "/". */
static bool below(struct od_str path, const char *base, struct od_str *out_rest)
{
    size_t len = strcmp(base, "/") == 0 ? 0 : strlen(base);
    if (path.len < len || memcmp(path.ptr, base, len) != 0)
        return false;
    if (path.len > len && path.ptr[len] != '/')
        return false;
    *out_rest = od_str_sub(path, len + 1, path.len);
    return true;
}

static enum od_status parse_file(const struct od_objects *objects, struct od_str location,
                                 struct place *out, struct od_error *err)
{
    struct od_str path = od_str_sub(location, 7, location.len);
    if (!path.len || path.ptr[0] != '/')
        return refuse(err, "%.*s must have the form file:///folder/file.", OD_STR_ARG(location));
    bool is_folder = false;
    enum od_status s = check_parts(od_str_sub(path, 1, path.len), location, &is_folder, err);
    if (s != OD_OK)
        return s;
    if (!objects->allowed_count)
        return refuse(err, "%.*s: this server allows no folder for file:// locations.",
                      OD_STR_ARG(location));
    for (size_t i = 0; i < objects->allowed_count; i++) {
        const struct folder *folder = &objects->allowed[i];
        struct od_str rest;
        if (below(path, folder->given, &rest) || below(path, folder->real, &rest)) {
            *out = (struct place){folder, rest, is_folder, false};
            return OD_OK;
        }
    }
    return refuse(err, "%.*s is in none of the folders this server allows for file:// locations.",
                  OD_STR_ARG(location));
}

static enum od_status parse(const struct od_objects *objects, struct od_str location,
                            struct place *out, struct od_error *err)
{
    enum od_status s = check_text(location, err);
    if (s != OD_OK)
        return s;
    if (od_str_starts(location, OD_STR("s3://")))
        return parse_s3(objects, location, out, err);
    if (od_str_starts(location, OD_STR("file://")))
        return parse_file(objects, location, out, err);
    return refuse(
        err,
        "%.*s: only s3:// locations (and file:// in folders the server allows) are served "
        "here.",
        OD_STR_ARG(location));
}

enum od_status od_objects_check(const struct od_objects *objects, struct od_str location,
                                struct od_error *err)
{
    struct place place;
    return parse(objects, location, &place, err);
}

/* ---- the second gate: the disk ---- */

#define NO_PRIVILEGES "Insufficient privileges for accessing data in Amazon S3."

/* Users know locations, and need not know where this machine keeps them. */
static enum od_status tell(enum od_status code, const struct folder *folder, const char *path,
                           const char *why, struct od_error *err)
{
    struct od_str rest = OD_STR("");
    if (!below(od_str_c(path), folder->real, &rest))
        (void)below(od_str_c(path), folder->given, &rest);
    return od_fail(err, code, "%s/%.*s: %s.%s", folder->told, OD_STR_ARG(rest), why,
                   code == OD_NOT_FOUND ? " " NO_PRIVILEGES : "");
}

static enum od_status unreachable(const struct folder *folder, const char *path, const char *why,
                                  struct od_error *err)
{
    return tell(OD_NOT_FOUND, folder, path, why, err);
}

static enum od_status unreachable_errno(const struct folder *folder, const char *path,
                                        struct od_error *err)
{
    char text[128];
    int saved = errno;
    if (saved == ENOMEM)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return tell(saved == EIO ? OD_IO : OD_NOT_FOUND, folder, path,
                strerror_r(saved, text, sizeof text), err);
}

/* A failure of the machine's: its own words name paths, and go to the operator. */
static enum od_status broken(const struct folder *folder, const char *path, const char *what,
                             const struct od_error *why, struct od_error *err)
{
    if (why->code == OD_NO_MEMORY)
        return od_error_copy(err, why);
    fprintf(stderr, "ondol: %s\n", why->message);
    return tell(why->code, folder, path, what, err);
}

/* The real path of what lies at path, which must be of the kind wanted, and readable. */
static enum od_status resolve(const struct folder *folder, const char *path, bool want_folder,
                              struct od_arena *arena, struct od_str *out, struct od_error *err)
{
    char real[PATH_MAX];
    struct stat st;
    struct od_str ignored;
    if (!realpath(path, real))
        return unreachable_errno(folder, path, err);
    if (!below(od_str_c(real), folder->real, &ignored))
        return unreachable(folder, path,
                           "a symbolic link leads outside of the folder it must stay in", err);
    if (stat(real, &st) < 0 || eaccess(real, want_folder ? R_OK | X_OK : R_OK) < 0)
        return unreachable_errno(folder, path, err);
    if (!want_folder && S_ISDIR(st.st_mode))
        return unreachable(folder, path, "this is a folder; a location for its files ends in '/'",
                           err);
    if (want_folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        return unreachable(folder, path,
                           want_folder ? "this is not a folder" : "this is not a file", err);
    *out = od_arena_str(arena, od_str_c(real));
    return out->ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

/* ---- the second gate of a remote endpoint: what it answers ---- */

static enum od_status unreachable_remote(const struct od_error *why, struct od_error *err)
{
    return why->code == OD_NO_MEMORY
               ? od_error_copy(err, why)
               : od_fail(err, why->code == OD_NOT_FOUND ? OD_NOT_FOUND : OD_IO,
                         "%s. " NO_PRIVILEGES, why->message);
}

static bool is_csv(const struct od_io_entry *entry)
{
    struct od_str name = entry->name;
    return !entry->is_folder && name.len > 4 &&
           od_str_eq_nocase(od_str_sub(name, name.len - 4, 4), OD_STR(".csv"));
}

/* Any file but hidden ones: what a job writes beside a name that is not there yet is no input. */
static bool is_any(const struct od_io_entry *entry)
{
    return !entry->is_folder && entry->name.len && entry->name.ptr[0] != '.';
}

/* Which files of a folder are meant. */
struct choice {
    bool (*is_wanted)(const struct od_io_entry *entry);
    const char *none; /* "No CSV files" */
};

static enum od_status list_folder(const struct od_objects *objects, const struct folder *folder,
                                  const char *path, struct od_str location,
                                  const struct choice *choice, struct od_arena *arena,
                                  struct od_str **out, size_t *out_count, struct od_error *err)
{
    struct od_str real;
    struct od_error why;
    struct od_io_entry *entries;
    size_t entry_count, count = 0;
    enum od_status s = resolve(folder, path, true, arena, &real, err);
    if (s != OD_OK)
        return s;
    s = objects->io->list(objects->io, real.ptr, arena, &entries, &entry_count, &why);
    if (s != OD_OK)
        return broken(folder, real.ptr, "the folder cannot be listed", &why, err);
    struct od_str *files = OD_NEW_ARRAY(arena, struct od_str, entry_count);
    if (!files)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < entry_count; i++) {
        if (!choice->is_wanted(&entries[i]))
            continue;
        if (od_utf8_check(entries[i].name) != entries[i].name.len)
            return unreachable(folder, path, "a file name in this folder is not valid UTF-8", err);
        struct od_str file =
            od_arena_printf(arena, "%s/%.*s", real.ptr, OD_STR_ARG(entries[i].name));
        s = file.ptr ? resolve(folder, file.ptr, false, arena, &files[count++], err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s != OD_OK)
        return s;
    if (!count)
        return od_fail(err, OD_NOT_FOUND, "%s found at %.*s.", choice->none, OD_STR_ARG(location));
    *out = files;
    *out_count = count;
    return OD_OK;
}

static enum od_status list_remote(const struct od_objects *objects, struct od_str location,
                                  const struct choice *choice, struct od_arena *arena,
                                  struct od_str **out, size_t *out_count, struct od_error *err)
{
    struct od_io_entry *entries;
    size_t entry_count, count = 0;
    struct od_error why;
    struct od_str folder = od_arena_str(arena, od_str_sub(location, 0, location.len - 1));
    if (!folder.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (objects->io->list(objects->io, folder.ptr, arena, &entries, &entry_count, &why) != OD_OK)
        return unreachable_remote(&why, err);
    struct od_str *files = OD_NEW_ARRAY(arena, struct od_str, entry_count);
    for (size_t i = 0; files && i < entry_count; i++) {
        if (!choice->is_wanted(&entries[i]))
            continue;
        files[count] = od_arena_printf(arena, "%s/%.*s", folder.ptr, OD_STR_ARG(entries[i].name));
        if (!files[count++].ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (!files)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (!count)
        return od_fail(err, OD_NOT_FOUND, "%s found at %.*s.", choice->none, OD_STR_ARG(location));
    *out = files;
    *out_count = count;
    return OD_OK;
}

static enum od_status find_remote(const struct od_objects *objects, struct od_str location,
                                  struct od_arena *arena, struct od_str **out, size_t *out_count,
                                  struct od_error *err)
{
    struct od_io_stat stat;
    struct od_error why;
    struct od_str *file = OD_NEW(arena, struct od_str);
    struct od_str path = od_arena_str(arena, location);
    if (!file || !path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (objects->io->stat(objects->io, path.ptr, &stat, &why) != OD_OK)
        return unreachable_remote(&why, err);
    *file = path;
    *out = file;
    *out_count = 1;
    return OD_OK;
}

void od_objects_set_remote(struct od_objects *objects)
{
    objects->remote = true;
}

static enum od_status list(const struct od_objects *objects, struct od_str location,
                           const struct choice *choice, struct od_arena *arena, struct od_str **out,
                           size_t *out_count, struct od_error *err)
{
    struct place place;
    enum od_status s = parse(objects, location, &place, err);
    if (s != OD_OK)
        return s;
    if (place.remote)
        return place.is_folder ? list_remote(objects, location, choice, arena, out, out_count, err)
                               : find_remote(objects, location, arena, out, out_count, err);
    struct od_str path =
        od_arena_printf(arena, "%s/%.*s", place.folder->real, OD_STR_ARG(place.rest));
    if (!path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (place.is_folder)
        return list_folder(objects, place.folder, path.ptr, location, choice, arena, out, out_count,
                           err);
    struct od_str *file = OD_NEW(arena, struct od_str);
    if (!file)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = resolve(place.folder, path.ptr, false, arena, file, err);
    if (s != OD_OK)
        return s;
    *out = file;
    *out_count = 1;
    return OD_OK;
}

enum od_status od_objects_list(const struct od_objects *objects, struct od_str location,
                               struct od_arena *arena, struct od_str **out, size_t *out_count,
                               struct od_error *err)
{
    static const struct choice csv = {is_csv, "No CSV files"};
    return list(objects, location, &csv, arena, out, out_count, err);
}

enum od_status od_objects_list_any(const struct od_objects *objects, struct od_str location,
                                   struct od_arena *arena, struct od_str **out, size_t *out_count,
                                   struct od_error *err)
{
    static const struct choice any = {is_any, "No files"};
    return list(objects, location, &any, arena, out, out_count, err);
}

/* ---- with sub-folders ---- */

#define MOST_FOLDERS 10000 /* of one location */
#define MOST_FILES   1000000

struct tree {
    const struct od_objects *objects;
    const struct place *place;
    struct od_arena *arena;
    struct od_str *files;
    size_t file_count, file_cap;
    size_t folder_count;
    struct od_error *err;
};

static enum od_status resolve_in(struct tree *t, const char *path, bool want_folder,
                                 struct od_str *out)
{
    if (!t->place->remote)
        return resolve(t->place->folder, path, want_folder, t->arena, out, t->err);
    *out = od_arena_str(t->arena, od_str_c(path));
    return out->ptr ? OD_OK : od_fail(t->err, OD_NO_MEMORY, NULL);
}

static enum od_status add_file(struct tree *t, const char *path)
{
    if (t->file_count == MOST_FILES)
        return od_fail(t->err, OD_LIMIT, "There are more than %d files.", MOST_FILES);
    if (t->file_count == t->file_cap) {
        size_t cap = t->file_cap ? 2 * t->file_cap : 16;
        struct od_str *grown = OD_NEW_ARRAY(t->arena, struct od_str, cap);
        if (!grown)
            return od_fail(t->err, OD_NO_MEMORY, NULL);
        if (t->file_count)
            memcpy(grown, t->files, t->file_count * sizeof *grown);
        t->files = grown;
        t->file_cap = cap;
    }
    return resolve_in(t, path, false, &t->files[t->file_count++]);
}

/* A path has at most PATH_MAX bytes, which bounds how deep this goes. */
static enum od_status add_tree(struct tree *t, const char *path)
{
    const struct od_io *io = t->objects->io;
    struct od_str real;
    struct od_io_entry *entries;
    size_t count;
    if (t->folder_count++ == MOST_FOLDERS)
        return od_fail(t->err, OD_LIMIT, "There are more than %d folders.", MOST_FOLDERS);
    struct od_error why;
    enum od_status s = resolve_in(t, path, true, &real);
    if (s != OD_OK)
        return s;
    s = io->list(io, real.ptr, t->arena, &entries, &count, &why);
    if (s != OD_OK)
        return t->place->remote ? unreachable_remote(&why, t->err)
                                : broken(t->place->folder, real.ptr, "the folder cannot be listed",
                                         &why, t->err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (!entries[i].is_folder && !is_csv(&entries[i]))
            continue;
        if (od_utf8_check(entries[i].name) != entries[i].name.len)
            return unreachable(t->place->folder, path, "a name in this folder is not valid UTF-8",
                               t->err);
        struct od_str next =
            od_arena_printf(t->arena, "%s/%.*s", real.ptr, OD_STR_ARG(entries[i].name));
        if (!next.ptr)
            s = od_fail(t->err, OD_NO_MEMORY, NULL);
        else
            s = entries[i].is_folder ? add_tree(t, next.ptr) : add_file(t, next.ptr);
    }
    return s;
}

static int by_path(const void *a, const void *b)
{
    return od_str_cmp(*(const struct od_str *)a, *(const struct od_str *)b);
}

enum od_status od_objects_tree(const struct od_objects *objects, struct od_str location,
                               struct od_arena *arena, struct od_str **out, size_t *out_count,
                               struct od_error *err)
{
    struct place place;
    enum od_status s = parse(objects, location, &place, err);
    if (s != OD_OK)
        return s;
    if (!place.is_folder)
        return od_objects_list(objects, location, arena, out, out_count, err);
    struct tree tree = {.objects = objects, .place = &place, .arena = arena, .err = err};
    struct od_str path =
        place.remote
            ? od_arena_str(arena, od_str_sub(location, 0, location.len - 1))
            : od_arena_printf(arena, "%s/%.*s", place.folder->real, OD_STR_ARG(place.rest));
    s = path.ptr ? add_tree(&tree, path.ptr) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s != OD_OK)
        return s;
    if (!tree.file_count)
        return od_fail(err, OD_NOT_FOUND, "No CSV files found at %.*s.", OD_STR_ARG(location));
    qsort(tree.files, tree.file_count, sizeof *tree.files, by_path);
    *out = tree.files;
    *out_count = tree.file_count;
    return OD_OK;
}

/* Folders are made one by one below the root, each checked before the next: a link that leads
 * outside must not have folders made behind it. */
static enum od_status make_below(const struct od_objects *objects, const struct folder *folder,
                                 struct od_str path, struct od_arena *arena, struct od_str *real,
                                 struct od_error *err)
{
    struct od_str rest = path, part;
    struct od_error why;
    enum od_status s = OD_OK;
    *real = od_str_c(folder->real);
    while (s == OD_OK && od_str_cut(&rest, '/', &part)) {
        if (!part.len)
            continue;
        struct od_str next =
            od_arena_printf(arena, "%.*s/%.*s", OD_STR_ARG(*real), OD_STR_ARG(part));
        if (!next.ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
        if (objects->io->make_folder(objects->io, next.ptr, &why) != OD_OK)
            return broken(folder, next.ptr, "the folder cannot be made", &why, err);
        s = resolve(folder, next.ptr, true, arena, real, err);
    }
    return s;
}

enum od_status od_objects_output(const struct od_objects *objects, struct od_str location,
                                 struct od_arena *arena, struct od_str *out, struct od_error *err)
{
    struct place place;
    enum od_status s = parse(objects, location, &place, err);
    if (s == OD_OK && place.remote) {
        while (od_str_ends(location, OD_STR("/")))
            location = od_str_sub(location, 0, location.len - 1);
        *out = od_arena_str(arena, location);
        return out->ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s == OD_OK)
        s = make_below(objects, place.folder, place.rest, arena, out, err);
    return s;
}
