/* Reading what a Put* record says, field by field, by the dataset's schema (data.md section 12).
 *
 * Failures are OD_INVALID_INPUT in call->err; all memory comes from the call's arena. HTTP threads.
 */
#ifndef OD_API_PUT_READ_H
#define OD_API_PUT_READ_H

#include "api/call.h"
#include "data/schema.h"
#include "data/value.h"

#define OD_PUT_BODY_BYTES (256u * 1024) /* a record under construction */

/* No key has a member of its own in the request. properties NULL: none. */
enum od_status od_put_check_keys(struct od_call *call,
                                 const struct od_json *properties) OD_MUST_USE;
/* Of ids and event types. */
enum od_status od_put_check_id(struct od_call *call, const char *member,
                               struct od_str id) OD_MUST_USE;
/* The property of field number `field`; NULL when there is none. */
const struct od_json *od_put_property(const struct od_schema *schema, size_t field,
                                      const struct od_json *properties);
/* The same as a value of the field; null only where the schema allows it. */
enum od_status od_put_field(struct od_call *call, const struct od_schema *schema, size_t f,
                            const struct od_json *properties, struct od_value *out) OD_MUST_USE;
/* Adds the properties of all fields but the own ones (names, NULL behind the last), which have a
 * member of their own in the request, to a body. */
enum od_status od_put_fields(struct od_call *call, const struct od_schema *schema,
                             const char *const *own, const struct od_json *properties,
                             struct od_buf *body) OD_MUST_USE;
/* Adds a text that has a member of its own in the request (absent: null) to a body, as the field of
 * that name in the schema wants it. */
enum od_status od_put_text(struct od_call *call, const struct od_schema *schema, const char *name,
                           struct od_str text, struct od_buf *body) OD_MUST_USE;
/* "a|b"; absent when out of memory. */
struct od_str od_put_join(struct od_call *call, const struct od_api_strings *list);
/* Closes a body that od_body_add began and frees the buffer; "" when empty, absent when out of
 * memory. */
struct od_str od_put_finish_body(struct od_call *call, struct od_buf *body);

#endif
