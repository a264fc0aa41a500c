/* A dictionary: distinct strings to dense codes 0, 1, 2, ... in order of first arrival, and back.
 *
 * The table is seeded per process against chosen collisions; codes do not depend on the seed.
 * Memory: 16 bytes a table slot at most 3/4 full, 16 bytes and the text an entry.
 * Reading is thread-safe while nobody adds. */
#ifndef OD_BASE_DICT_H
#define OD_BASE_DICT_H

#include "base/str.h"

#define OD_NO_CODE UINT32_MAX

struct od_dict;

/* NULL when out of memory. */
struct od_dict *od_dict_new(void);
void od_dict_free(struct od_dict *dict);
/* The code of s, added when new. Fails with OD_NO_MEMORY, or OD_LIMIT at UINT32_MAX entries. */
enum od_status od_dict_add(struct od_dict *dict, struct od_str s, uint32_t *out_code) OD_MUST_USE;
/* The same for many, in their order, faster: the memory they need is asked for ahead. On failure
 * the first of them are added. */
enum od_status od_dict_add_many(struct od_dict *dict, const struct od_str *texts, uint32_t count,
                                uint32_t *out_codes) OD_MUST_USE;
/* Likewise without adding; OD_NO_CODE where absent. */
void od_dict_find_many(const struct od_dict *dict, const struct od_str *texts, uint32_t count,
                       uint32_t *out_codes);
/* OD_NO_CODE when absent. */
uint32_t od_dict_find(const struct od_dict *dict, struct od_str s);
/* Valid as long as the dictionary. code < count. */
struct od_str od_dict_text(const struct od_dict *dict, uint32_t code);
uint32_t od_dict_count(const struct od_dict *dict);
size_t od_dict_bytes(const struct od_dict *dict); /* memory held */

#endif
