/* Fresh identifiers. Absent (OD_STR_NONE) when memory or randomness fail. */
#ifndef OD_API_IDS_H
#define OD_API_IDS_H

#include "base/arena.h"
#include "os/io.h"

struct od_str od_new_uuid(const struct od_io *io,
                          struct od_arena *arena); /* version 4, lower case */
struct od_str od_new_hex8(const struct od_io *io, struct od_arena *arena); /* "1a2b3c4d" */

#endif
