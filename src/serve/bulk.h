/* Chunks of imported rows into tables and histories. */
#ifndef OD_SERVE_BULK_H
#define OD_SERVE_BULK_H

#include "serve/live.h"

/* Adds a chunk of interactions, or of action interactions by the schema's type, to activity, which
 * nobody else sees. OD_CORRUPT when the chunk's columns do not fit the schema or lack USER_ID,
 * ITEM_ID (ACTION_ID) or TIMESTAMP. */
enum od_status od_bulk_interactions(struct od_live *live, struct od_activity *activity,
                                    const struct od_schema *schema,
                                    const struct od_chunk *chunk) OD_MUST_USE;
/* Gives every ITEM_ID of the chunk a row in the live item table, or ACTION_ID in that of actions.
 */
enum od_status od_bulk_number(struct od_live *live, const struct od_schema *schema,
                              const struct od_chunk *chunk) OD_MUST_USE;
/* Puts every row of the chunk into table, which nobody else sees; columns are matched by name, so
 * that rows imported before a schema grew still load. */
enum od_status od_bulk_records(struct od_table *table, const struct od_schema *schema,
                               const struct od_chunk *chunk) OD_MUST_USE;
/* Copies the records of the live table of a type of records into another, which nobody
 * else sees; fields that only the new schema has become null. Takes the group's lock in slices;
 * only ids may be added meanwhile. */
enum od_status od_bulk_copy(struct od_live *live, enum od_dataset_type type,
                            struct od_table *to) OD_MUST_USE;

#endif
