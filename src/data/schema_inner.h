/* Pieces of the schema parser, and the text form that a segment keeps. Internal to data/. */
#ifndef OD_DATA_SCHEMA_INNER_H
#define OD_DATA_SCHEMA_INNER_H

#include "data/schema.h"

/* Reads the record without the rules of its dataset type: a segment carries the schema it was
 * written with, whatever rules come later. Errors as od_schema_parse. */
enum od_status od_schema_read(struct od_arena *arena, struct od_str text, struct od_schema *out,
                              struct od_error *err) OD_MUST_USE;

/* The rules of data.md sections 3 and (with a domain) 4 for a schema already read. */
enum od_status od_schema_check(const struct od_schema *schema, enum od_domain domain,
                               struct od_error *err) OD_MUST_USE;

/* Appends the schema as Avro JSON; od_schema_read gives the same schema back. */
void od_schema_write(const struct od_schema *schema, struct od_buf *out);

/* "Invalid schema: <reason>." */
OD_PRINTF(2, 3) enum od_status od_schema_refuse(struct od_error *err, const char *fmt, ...);

const char *od_field_type_name(enum od_field_type type); /* "string", ... */
/* Equal when "_" is deleted and case ignored. */
bool od_schema_same_key(struct od_str a, struct od_str b);

#endif
