/* Item vectors of a model trained elsewhere, in a text file (docs/formats/vectors.md): one item a
 * line, its id and then its numbers. */
#ifndef OD_RECIPES_EXTERNAL_FILE_H
#define OD_RECIPES_EXTERNAL_FILE_H

#include "recipes/vectors.h"

/* Reads the vectors of the items in ids; out as vectors.h has it, but not scaled: rows are as
 * written. Vectors of other ids are left out, while they do not outnumber those that are known
 * where ids are `all` the dataset group has. OD_INVALID_INPUT with err->line and what is wrong: an
 * id twice, another number of numbers than the first line has, more than OD_VECTOR_MOST of them,
 * anything that is not a finite number, a header whose counts are wrong, no known id, mostly
 * unknown ids; or OD_LIMIT when the vectors of all ids exceed memory_bytes (0: no cap). */
enum od_status od_external_read(struct od_str file, const struct od_dict *ids, bool all,
                                uint64_t memory_bytes, struct od_vectors *out,
                                struct od_error *err) OD_MUST_USE;

#endif
