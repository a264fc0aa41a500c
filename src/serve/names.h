/* A small sorted map from ARNs to what they name.
 *
 * Names are borrowed from the values, which carry their own ARN: a value must stay alive as long as
 * it is in the map. Nothing here locks. */
#ifndef OD_SERVE_NAMES_H
#define OD_SERVE_NAMES_H

#include "base/str.h"

struct od_names_entry {
    struct od_str name;
    void *value;
};
struct od_names {
    struct od_names_entry *list; /* in byte order of names */
    size_t count, cap;
};

void od_names_done(struct od_names *names); /* the values are the caller's */
void *od_names_find(const struct od_names *names, struct od_str name); /* NULL when absent */
/* Puts value under name; *out_old is the value it replaced, NULL when the name is new. */
enum od_status od_names_put(struct od_names *names, struct od_str name, void *value,
                            void **out_old) OD_MUST_USE;
void *od_names_take(struct od_names *names, struct od_str name); /* removes; NULL when absent */

#endif
