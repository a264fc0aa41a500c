/* Query strings and form bodies (application/x-www-form-urlencoded), decoded. */
#ifndef OD_S3_FORM_H
#define OD_S3_FORM_H

#include "base/arena.h"

struct od_form_field {
    struct od_str name, value; /* "" for a name without "=" */
};
struct od_form {
    struct od_form_field *fields; /* in order of arrival */
    size_t count;
};
/* "a=b&c" taken apart; empty pieces are skipped. plus: "+" is a space (forms; S3's queries have it
 * too). OD_INVALID_INPUT: a "%" without two hex digits, more than OD_MAX_FORM_FIELDS fields, text
 * that is not UTF-8 or holds a NUL. */
enum od_status od_form_parse(struct od_str text, struct od_arena *arena, struct od_form *out,
                             struct od_error *err) OD_MUST_USE;
/* The first of that name; OD_STR_NONE when absent. */
struct od_str od_form_get(const struct od_form *form, const char *name);

/* Percent-decoding alone, as of a path. Same errors. */
enum od_status od_percent_decode(struct od_str text, bool plus, struct od_arena *arena,
                                 struct od_str *out, struct od_error *err) OD_MUST_USE;
/* The opposite: everything but unreserved characters and those of keep as %XX. */
void od_percent_encode(struct od_buf *out, struct od_str text, const char *keep);

#endif
