/* One cell: text from a CSV file or a Put* property, checked against its field and converted. */
#ifndef OD_DATA_VALUE_H
#define OD_DATA_VALUE_H

#include "base/json.h"
#include "data/schema.h"

enum od_value_kind {
    OD_VALUE_NULL,
    OD_VALUE_INTEGER,
    OD_VALUE_REAL,
    OD_VALUE_TEXT,
    OD_VALUE_BOOLEAN
};

struct od_value {
    enum od_value_kind kind;
    int64_t integer; /* OD_VALUE_INTEGER (int, long), OD_VALUE_BOOLEAN (0, 1) */
    double real;     /* OD_VALUE_REAL (float, double) */
    struct od_str
        text; /* OD_VALUE_TEXT, borrowed from the input; textual fields cut at the limit */
};

/* Checks and converts one CSV cell (already unquoted; an empty unquoted or quoted cell is null).
 * Rules: data.md sections 6, 7: number syntax and range by type, true/false, length in characters,
 * well-formed UTF-8, null only where nullable, ids never empty. On failure OD_INVALID_INPUT and
 * err->message is the rule broken, without place: the caller knows line and column. */
enum od_status od_value_from_text(const struct od_field *field, struct od_str cell,
                                  struct od_value *out, struct od_error *err) OD_MUST_USE;

/* The same for a property value of a Put* call: strings, numbers and booleans are converted to the
 * field's type (data.md 12.1); arrays and objects are refused. Text may be placed in arena. */
enum od_status od_value_from_json(const struct od_field *field, const struct od_json *json,
                                  struct od_arena *arena, struct od_value *out,
                                  struct od_error *err) OD_MUST_USE;

/* Characters a text cell of the field may have; longer textual cells are cut, others refused. */
size_t od_value_max_chars(const struct od_field *field);

/* At most max_bytes of text, never ending inside a character: for messages. */
struct od_str od_value_excerpt(struct od_str text, size_t max_bytes);

#endif
