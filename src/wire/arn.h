/* Resource names: reading and making ARNs (api.md section 8). */
#ifndef OD_WIRE_ARN_H
#define OD_WIRE_ARN_H

#include "base/arena.h"

/* arn:<partition>:<service>:<region>:<account>:<path>; slices of the text. kind and name are set
 * for the paths that resources of this service have, and "" for any other ARN:
 *   <kind>/<name>                        "campaign", "recipe", ... and its name
 *   solution/<name>/<8 hex digits>       kind "solution-version", name of the solution, part the id
 *   solution/<name>/$LATEST              kind "solution-latest", part "$LATEST"
 *   dataset/<group>/<TYPE>               kind "dataset", name of the group, part "ITEMS" ... */
struct od_arn {
    struct od_str partition, service, region, account, path;
    struct od_str kind, name;
    struct od_str part; /* "" for most */
};

/* False when the text is no ARN at all. Region and account may be empty (recipes). */
bool od_arn_parse(struct od_str text, struct od_arn *out);

/* The ARN of a resource, as od_arn_parse takes it apart: the partition follows from the region;
 * recipe, algorithm and feature-transformation belong to the service and carry neither region nor
 * account. part is OD_STR_NONE but for "dataset" (the type, upper-case), "solution-version" (the
 * id) and "solution-latest" (not needed). Absent when kind is unknown or memory is short. */
struct od_str od_arn_make(struct od_arena *arena, struct od_str region, struct od_str account,
                          const char *kind, struct od_str name, struct od_str part);

/* "aws", "aws-cn" or "aws-us-gov". */
const char *od_arn_partition(struct od_str region);

#endif
