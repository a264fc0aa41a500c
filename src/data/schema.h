/* Dataset schemas: the Avro subset of data.md section 2, parsed and checked.
 *
 * A schema is immutable after od_schema_parse and lives in the caller's arena. */
#ifndef OD_DATA_SCHEMA_H
#define OD_DATA_SCHEMA_H

#include "base/arena.h"

enum od_dataset_type {
    OD_INTERACTIONS,
    OD_ITEMS,
    OD_USERS,
    OD_ACTIONS,
    OD_ACTION_INTERACTIONS,
    OD_DATASET_TYPES
};

enum od_domain { OD_DOMAIN_NONE, OD_ECOMMERCE, OD_VIDEO_ON_DEMAND };

enum od_field_type {
    OD_FIELD_STRING,
    OD_FIELD_INT,
    OD_FIELD_LONG,
    OD_FIELD_FLOAT,
    OD_FIELD_DOUBLE,
    OD_FIELD_BOOLEAN
};

struct od_field {
    struct od_str name;
    enum od_field_type type;
    bool nullable;
    bool categorical; /* values are sets split at | */
    bool textual;
    bool item_name;
};

struct od_schema {
    struct od_str name; /* the record's name, as written */
    enum od_dataset_type type;
    size_t field_count;
    struct od_field *fields; /* in schema order */
};

/* "INTERACTIONS", ... upper case. Static storage. */
const char *od_dataset_type_name(enum od_dataset_type type);
/* Whether its rows are events (of interactions or action interactions) rather than records. */
bool od_dataset_of_events(enum od_dataset_type type);
/* Any case, with or without "_". False when unknown. */
bool od_dataset_type_parse(struct od_str name, enum od_dataset_type *out);

/* Parses and checks every rule of data.md sections 2, 3 and (with a domain) 4. The dataset type is
 * taken from the record's name. Failure: OD_INVALID_INPUT with "Invalid schema: <reason>.", where
 * the reason names the field, its value and the rule. */
enum od_status od_schema_parse(struct od_arena *arena, struct od_str text, enum od_domain domain,
                               struct od_schema *out, struct od_error *err) OD_MUST_USE;

/* Index of the field, SIZE_MAX when absent. _find: exact. _find_nocase: any case (filters).
 * _find_property: Put* property keys, ignoring case and "_" (data.md 12.1). */
size_t od_schema_find(const struct od_schema *schema, struct od_str name);
size_t od_schema_find_nocase(const struct od_schema *schema, struct od_str name);
size_t od_schema_find_property(const struct od_schema *schema, struct od_str key);

/* The property key of a field name: CREATION_TIMESTAMP gives creationTimestamp. In arena. */
struct od_str od_schema_property_name(struct od_arena *arena, struct od_str field_name);

#endif
