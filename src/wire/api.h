/* The API as data: 79 operations of three services, their shapes and constraints, in C.
 *
 * spec/api/<service>.json holds the facts, tools/gen/api_tables.py turns them into
 * wire/gen/api_shapes.h (one C struct a structure shape, enum od_op_id) and wire/gen/api_tables.c
 * (the tables declared here). Handlers include "wire/gen/api_shapes.h", which includes this.
 *
 * What a member looks like in C:
 *   string, enum      struct od_str            ptr NULL: absent
 *   integer, long     struct od_opt_i64
 *   float, double     struct od_opt_double
 *   boolean           struct od_opt_bool
 *   timestamp         struct od_opt_i64        milliseconds since 1970 UTC
 *   structure         pointer to its struct    NULL: absent
 *   list              { items; count }         items NULL: absent; an empty list has items
 *   map               { items; count }         entries { key; value }; items NULL: absent
 *   properties        struct od_api_json       text ptr NULL: absent
 * A struct of zeros is a structure with every member absent.
 *
 * The tables are constant; every function here may be called from any thread. */
#ifndef OD_WIRE_API_H
#define OD_WIRE_API_H

#include "base/json.h"

/* ---- what members are made of ---- */

struct od_opt_i64 {
    bool set;
    int64_t value;
};
struct od_opt_double {
    bool set;
    double value;
};
struct od_opt_bool {
    bool set;
    bool value;
};

/* A member that holds a JSON object inside a JSON string (properties of the Put operations). */
struct od_api_json {
    struct od_str text;          /* the object's text, unwrapped from however many strings */
    const struct od_json *value; /* the same, parsed; an object */
};

/* Lists and maps of scalars are the same C type in all services. */
struct od_api_strings {
    struct od_str *items;
    size_t count;
};
struct od_api_string_entry {
    struct od_str key, value;
};
struct od_api_string_map {
    struct od_api_string_entry *items;
    size_t count;
};
struct od_api_double_entry {
    struct od_str key;
    double value;
};
struct od_api_double_map {
    struct od_api_double_entry *items;
    size_t count;
};
struct od_api_strings_entry {
    struct od_str key;
    struct od_api_strings value;
};
struct od_api_strings_map {
    struct od_api_strings_entry *items;
    size_t count;
};

/* ---- shapes and operations ---- */

enum od_service { OD_SERVICE_PERSONALIZE, OD_SERVICE_RUNTIME, OD_SERVICE_EVENTS, OD_SERVICE_COUNT };

enum od_shape_kind {
    OD_SHAPE_STRING,
    OD_SHAPE_INTEGER, /* 32 bits on the wire */
    OD_SHAPE_LONG,
    OD_SHAPE_FLOAT, /* must fit a float; kept as double */
    OD_SHAPE_DOUBLE,
    OD_SHAPE_BOOLEAN,
    OD_SHAPE_TIMESTAMP,
    OD_SHAPE_JSON, /* struct od_api_json */
    OD_SHAPE_STRUCTURE,
    OD_SHAPE_LIST,
    OD_SHAPE_MAP /* keys are strings */
};

struct od_shape;
struct od_member {
    struct od_str name; /* on the wire */
    const struct od_shape *shape;
    size_t offset; /* in the C struct */
    bool required;
    bool always; /* a list that is written as [] when absent: clients index it unseen */
};

struct od_shape {
    const char *name; /* the model's: "CreateCampaignRequest" */
    enum od_service service;
    enum od_shape_kind kind;
    bool sensitive; /* values never appear in an error message */
    bool has_min, has_max;
    int64_t min, max;    /* characters of a string, elements, or the number's own value */
    const char *pattern; /* as the model writes it; the whole value must match. NULL: none */
    bool (*matches)(struct od_str text);
    const struct od_str *values; /* an enum's, in the model's order */
    size_t value_count;
    const struct od_member *members; /* of a structure, in the model's order */
    size_t member_count;
    const struct od_shape *key;     /* of a map */
    const struct od_shape *element; /* of a list; a map's value */
    size_t size;                    /* of the C struct or scalar */
    size_t element_size;            /* of a list's element or a map's entry */
    size_t value_offset;            /* in a map's entry; the key is at 0 */
};

struct od_operation_error {
    const char *name; /* "ResourceInUseException" */
    int http_status;
};

struct od_operation {
    const char *name; /* "CreateCampaign" */
    enum od_service service;
    const char *method;
    const char *uri; /* "/" for all of the control plane */
    const struct od_shape *input;
    const struct od_shape *output; /* NULL: the response body is empty */
    const struct od_operation_error *errors;
    size_t error_count;
};

/* Indexed by enum od_op_id; OD_OP_COUNT of them. The control plane's come first, by name. */
extern const struct od_operation od_operations[];

/* ---- which operation is asked for ---- */

/* "AmazonPersonalize.CreateCampaign" (the X-Amz-Target header), case-sensitive. NULL: unknown. */
const struct od_operation *od_operation_by_target(struct od_str target);
/* ("POST", "/events") of the runtime and events services; one trailing slash is accepted. NULL:
 * unknown, also for "/". */
const struct od_operation *od_operation_by_path(struct od_str method, struct od_str path);

/* ---- JSON to struct and back ---- */

/* Fills out (shape->size bytes, a structure) from a JSON object and checks every constraint of the
 * model. Unknown members are ignored, null is absent, the last of duplicate keys counts.
 * out borrows the strings of json and takes the rest from arena.
 * Fails with OD_SERIALIZATION (a member of the wrong JSON kind, named), OD_INVALID_INPUT (all
 * violations in one message: errors.md section 3), OD_NO_MEMORY. out is written only on success. */
enum od_status od_api_bind(const struct od_shape *shape, const struct od_json *json,
                           struct od_arena *arena, void *out, struct od_error *err) OD_MUST_USE;

/* The same without constraints, for bodies this server wrote itself: a stored resource may hold
 * what no request may (a solution version is named "solution/1a2b3c4d"). Wrong JSON kinds still
 * fail. */
enum od_status od_api_load(const struct od_shape *shape, const struct od_json *json,
                           struct od_arena *arena, void *out, struct od_error *err) OD_MUST_USE;

/* Appends a structure as compact JSON: absent members left out, lists marked "always" as [],
 * timestamps as seconds with three decimals. Failures stay in out (od_buf_status). */
void od_api_write(const struct od_shape *shape, const void *value, struct od_buf *out);

/* Copies the members that both structures have under one name with one C type: a summary from a
 * resource, a resource from a request. Shallow: strings, lists and structures are shared. What is
 * absent in from stays as it was in to. */
void od_api_copy(const struct od_shape *to_shape, void *to, const struct od_shape *from_shape,
                 const void *from);

/* ---- by name, for handlers that serve many resources with one text ---- */

/* NULL when the service has no such shape. */
const struct od_shape *od_shape_find(enum od_service service, const char *name);
/* NULL when shape is no structure or has no such member. */
const struct od_member *od_api_member(const struct od_shape *shape, const char *member);

/* False when there is no such member or it is of another type. An absent member is read as true
 * with OD_STR_NONE, set = false or NULL. */
bool od_api_get_str(const struct od_shape *shape, const void *value, const char *member,
                    struct od_str *out);
bool od_api_get_i64(const struct od_shape *shape, const void *value, const char *member,
                    struct od_opt_i64 *out); /* integers, longs and timestamps */
bool od_api_get_bool(const struct od_shape *shape, const void *value, const char *member,
                     struct od_opt_bool *out);
/* A structure member: out gets the pointer to its struct, or NULL. */
bool od_api_get_struct(const struct od_shape *shape, const void *value, const char *member,
                       const void **out);
/* A list of structures or strings: its elements (element_size of the member's shape apart). */
bool od_api_get_list(const struct od_shape *shape, const void *value, const char *member,
                     const void **out_items, size_t *out_count);
bool od_api_set_str(const struct od_shape *shape, void *value, const char *member,
                    struct od_str text);
bool od_api_set_i64(const struct od_shape *shape, void *value, const char *member, int64_t number);
bool od_api_set_time(const struct od_shape *shape, void *value, const char *member,
                     int64_t unix_ms);
bool od_api_set_bool(const struct od_shape *shape, void *value, const char *member, bool flag);
/* ptr must be the struct of the member's shape; NULL makes it absent. */
bool od_api_set_struct(const struct od_shape *shape, void *value, const char *member, void *ptr);
/* items must be elements of the member's shape; NULL makes the list absent. */
bool od_api_set_list(const struct od_shape *shape, void *value, const char *member, void *items,
                     size_t count);

#endif
