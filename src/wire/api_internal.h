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

#endif
