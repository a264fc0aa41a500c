/* Reading JSON: text to a tree in an arena. simdjson does the parsing behind json.cc.
 *
 * Object members keep their order; duplicate keys are kept too and od_json_get returns the last
 * (what the AWS services do). Strings are unescaped and valid UTF-8; a lone surrogate is an error.
 */
#ifndef OD_BASE_JSON_H
#define OD_BASE_JSON_H

#include "base/arena.h"

#ifdef __cplusplus
extern "C" {
#endif

enum od_json_kind {
    OD_JSON_NULL,
    OD_JSON_BOOL,
    OD_JSON_NUMBER,
    OD_JSON_STRING,
    OD_JSON_ARRAY,
    OD_JSON_OBJECT
};

struct od_json;
struct od_json_member;

struct od_json {
    enum od_json_kind kind;
    bool boolean;
    bool is_integer;       /* the number was written without fraction or exponent and fits int64 */
    int64_t integer;       /* when is_integer */
    double number;         /* any number, as a double */
    struct od_str text;    /* strings */
    size_t count;          /* arrays, objects */
    struct od_json *items; /* arrays: count values */
    struct od_json_member *members; /* objects: count members */
};

struct od_json_member {
    struct od_str key;
    struct od_json value;
};

/* The whole text must be one value (white space around it allowed). Depth is bounded by
 * OD_MAX_JSON_DEPTH. Failures: OD_SERIALIZATION (err says what), OD_TOO_LARGE (more than the arena
 * may hold), OD_NO_MEMORY. */
enum od_status od_json_parse(struct od_arena *arena, struct od_str text, struct od_json *out,
                             struct od_error *err) OD_MUST_USE;

/* The member's value, NULL when absent or when node is no object. JSON null is returned as such. */
const struct od_json *od_json_get(const struct od_json *node, struct od_str key);

/* Appends the value as JSON text; what was read comes out equal (json_write.c). */
struct od_buf;
void od_json_write(const struct od_json *value, struct od_buf *out);
/* Appends ',"key":value' for the members of an object whose keys are not in without, a list that
 * ends in NULL. */
void od_json_write_others(const struct od_json *object, const char *const *without,
                          struct od_buf *out);

/* Convenience for our own files: absent or of another kind gives the fallback. */
struct od_str od_json_get_str(const struct od_json *node, const char *key, struct od_str fallback);
int64_t od_json_get_i64(const struct od_json *node, const char *key, int64_t fallback);
double od_json_get_double(const struct od_json *node, const char *key, double fallback);
bool od_json_get_bool(const struct od_json *node, const char *key, bool fallback);

#ifdef __cplusplus
}
#endif
#endif
