/* Objects: what s3:// and file:// locations mean (data.md section 7).
 *
 * s3://bucket/key is <root>/bucket/key. file:///path is allowed only below the folders the operator
 * named. Nothing resolves outside: "..", empty and "." parts are refused, and the real path
 * (symbolic links followed) must lie below the root. Immutable after new; thread-safe.
 *
 * With a remote endpoint (od_objects_set_remote) s3:// locations are objects there, and the "paths"
 * given for them are s3://bucket/key. They are for struct od_io alone: the server's and each
 * worker's know such paths (s3/remote.h), so whoever reads and writes through it (open, read_at,
 * map; od_io_write_file, or temporary, sync, rename) need not know which of the two it is. */
#ifndef OD_STORE_OBJECTS_H
#define OD_STORE_OBJECTS_H

#include "base/arena.h"
#include "os/io.h"

struct od_objects;
/* root is made when missing. allowed: folders for file://, may be none, must exist. What a symbolic
 * link in their own paths means is settled here, once. */
enum od_status od_objects_new(const struct od_io *io, const char *root, const char *const *allowed,
                              size_t allowed_count, struct od_objects **out,
                              struct od_error *err) OD_MUST_USE;
void od_objects_free(struct od_objects *objects);
/* s3:// locations are objects of an endpoint from now on; the io given to new knows their paths.
 * Before anybody else uses objects. */
void od_objects_set_remote(struct od_objects *objects);

/* Is the location well-formed and of a scheme served here? OD_INVALID_INPUT "Invalid Data
 * location." with what is wrong. Touches no disk: CreateDatasetImportJob calls it. */
enum od_status od_objects_check(const struct od_objects *objects, struct od_str location,
                                struct od_error *err) OD_MUST_USE;

/* The files a location means now: itself, or for one ending in "/" every .csv file (any case) right
 * inside the folder, in byte order of their names. Absolute paths without symbolic links, in arena.
 * Missing, unreadable, outside or none: OD_NOT_FOUND (OD_IO when the disk fails) with the text for
 * failureReason. A file in the folder that may not be read fails the whole: data is not skipped. */
enum od_status od_objects_list(const struct od_objects *objects, struct od_str location,
                               struct od_arena *arena, struct od_str **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;

/* The same with every file of the folder, whatever its name, but hidden ones (".x"): inputs of
 * batch jobs. */
enum od_status od_objects_list_any(const struct od_objects *objects, struct od_str location,
                                   struct od_arena *arena, struct od_str **out, size_t *out_count,
                                   struct od_error *err) OD_MUST_USE;
/* The same with sub-folders: their files too, in byte order of their paths below the folder. A link
 * to a folder is not followed. */
enum od_status od_objects_tree(const struct od_objects *objects, struct od_str location,
                               struct od_arena *arena, struct od_str **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;

/* The folder that an output location means, made when missing (bucket included): "s3://b/p/" and
 * "s3://b/p" are both the folder p of bucket b. A real absolute path without a "/" at its end, in
 * arena. OD_INVALID_INPUT as od_objects_check, OD_NOT_FOUND when a link leads outside or something
 * is in the way, OD_IO. */
enum od_status od_objects_output(const struct od_objects *objects, struct od_str location,
                                 struct od_arena *arena, struct od_str *out,
                                 struct od_error *err) OD_MUST_USE;

#endif
