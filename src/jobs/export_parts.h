/* The files of an export: parts that appear together. See export.h. One thread. */
#ifndef OD_JOBS_EXPORT_PARTS_H
#define OD_JOBS_EXPORT_PARTS_H

#include "jobs/export.h"

struct od_export_parts;
enum od_status od_export_parts_begin(const struct od_io *io, struct od_str folder,
                                     struct od_str header, uint64_t part_bytes,
                                     struct od_export_parts **out,
                                     struct od_error *err) OD_MUST_USE;
/* A line with its newline. */
enum od_status od_export_parts_put(struct od_export_parts *parts, struct od_str line,
                                   struct od_error *err) OD_MUST_USE;
/* s OD_OK: the parts of an earlier attempt go, these take their names. Otherwise these go, and s is
 * returned. Frees parts either way. */
enum od_status od_export_parts_end(struct od_export_parts *parts, enum od_status s,
                                   struct od_export_result *out, struct od_error *err) OD_MUST_USE;

#endif
