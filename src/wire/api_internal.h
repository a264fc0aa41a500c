/* What the files of the API layer share with each other and with the generated tables. */
#ifndef OD_WIRE_API_INTERNAL_H
#define OD_WIRE_API_INTERNAL_H

#include "wire/api.h"

/* ---- generated ---- */

struct od_operation_range {
    size_t first, count; /* in od_operations, sorted by name */
};
extern const struct od_operation_range od_operation_ranges[OD_SERVICE_COUNT];

struct od_shape_index {
    const struct od_shape *const *shapes; /* sorted by name */
    size_t count;
};
extern const struct od_shape_index od_shape_indexes[OD_SERVICE_COUNT];

extern const struct od_str od_target_prefix; /* "AmazonPersonalize." */

struct od_code_range {
    uint32_t first, last;
};
extern const struct od_code_range od_letters[]; /* Unicode L, Z and N, ascending */
extern const size_t od_letters_count;

/* ---- api_patterns.c: one matcher a pattern of the model; the whole text must match ---- */

bool od_match_arn(struct od_str text);
bool od_match_role_arn(struct od_str text);
bool od_match_kms_key_arn(struct od_str text);
bool od_match_name(struct od_str text);
bool od_match_column_name(struct od_str text);
bool od_match_dataset_type(struct od_str text);
bool od_match_word(struct od_str text);
bool od_match_ascii_1500(struct od_str text);
bool od_match_location(struct od_str text);
bool od_match_rate(struct od_str text);
bool od_match_tag(struct od_str text);
bool od_match_printable(struct od_str text);

/* ---- api_access.c ---- */

/* Is the member at slot (its place in the structure) set? */
bool od_api_present(const struct od_shape *shape, const void *slot);
/* A structure's member is a pointer; lists and maps are { items; count } whatever their element. */
struct od_api_items {
    void *items;
    size_t count;
};
void *od_api_pointer(const void *slot);
void od_api_set_pointer(void *slot, const void *pointer);
struct od_api_items od_api_items(const void *slot);
void od_api_set_items(void *slot, struct od_api_items items);

/* ---- api_report.c: where a value stands in a request, and what is wrong with it ---- */

enum od_api_step {
    OD_API_MEMBER,  /* of a structure: ".name" */
    OD_API_ELEMENT, /* of a list: ".1.member" */
    OD_API_ENTRY    /* a map's value: ".key.member" */
};
/* A chain on the stack, from the value up to the request itself. */
struct od_api_place {
    const struct od_api_place *up; /* NULL: the request */
    enum od_api_step step;
    struct od_str name; /* of a member or key */
    size_t index;       /* of an element, from 0 */
    bool sensitive;     /* this value or one it stands in */
};
#define OD_API_PATH_TEXT 200
void od_api_path(const struct od_api_place *place, char out[OD_API_PATH_TEXT]);

/* Collects violations in order of arrival; all are counted. They are told whole up to
 * OD_API_WHOLE_TEXT bytes, then only their places, as many as fit. */
#define OD_API_REPORT_TEXT 1960
#define OD_API_WHOLE_TEXT  900
struct od_api_report {
    size_t count;
    bool bad_json; /* one of them is a properties value that is no JSON object */
    bool places;   /* from here on only places are told */
    size_t len;
    char text[OD_API_REPORT_TEXT];
};
/* value: as it shall be shown; ptr NULL: "null". Not shown at all for a sensitive place. */
OD_PRINTF(4, 5)
void od_api_violation(struct od_api_report *report, const struct od_api_place *place,
                      struct od_str value, const char *constraint, ...);
/* OD_OK when nothing was reported, else OD_INVALID_INPUT with the message. */
enum od_status od_api_report_end(const struct od_api_report *report,
                                 struct od_error *err) OD_MUST_USE;

/* ---- api_check.c: the constraints of one value ---- */

void od_api_check_string(struct od_api_report *report, const struct od_shape *shape,
                         const struct od_api_place *place, struct od_str text);
void od_api_check_key(struct od_api_report *report, const struct od_shape *shape,
                      const struct od_api_place *map, struct od_str key);
void od_api_check_number(struct od_api_report *report, const struct od_shape *shape,
                         const struct od_api_place *place, double number);
/* False when there are too many: their elements are not to be looked at. */
bool od_api_check_count(struct od_api_report *report, const struct od_shape *shape,
                        const struct od_api_place *place, size_t count);

/* ---- api_value.c: JSON values that need more than a copy ---- */

#define OD_API_TIME_MIN_MS (-62135596800000) /* 0001-01-01T00:00:00Z */
#define OD_API_TIME_MAX_MS 253402300799999   /* 9999-12-31T23:59:59.999Z */
/* Seconds as a JSON number or numeric string, or an ISO 8601 string. False when it is none of
 * these; *out_in_range tells whether the time lies between the bounds above. */
bool od_api_time(const struct od_json *json, int64_t *out_ms, bool *out_in_range);
/* Unwraps strings until an object appears. *out_found false: there is none, out is untouched. */
enum od_status od_api_unwrap(const struct od_json *json, struct od_arena *arena,
                             struct od_api_json *out, bool *out_found) OD_MUST_USE;
/* The members of a JSON object without nulls, the last of equal keys only, in order of arrival. */
enum od_status od_api_entries(const struct od_json *json, struct od_arena *arena,
                              const struct od_json_member ***out, size_t *out_count) OD_MUST_USE;
/* A JSON tree as compact text. */
void od_api_write_json(const struct od_json *json, struct od_buf *out);

#endif
