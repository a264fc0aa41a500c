/* The dictionary of one string column of one chunk: at most 65,536 texts, 16-bit codes.
 *
 * Codes go by first arrival. Internal to segment_*.c; one thread. */
#ifndef OD_DATA_SEGMENT_DICT_H
#define OD_DATA_SEGMENT_DICT_H

#include "data/value.h"

struct od_segment_dict {
    uint32_t *slots; /* hash table: upper half of the hash's low word, code; EMPTY when free */
    size_t slot_count;
    uint32_t *offsets; /* [count + 1] into text */
    size_t offset_cap;
    uint32_t count;
    char *text;
    size_t text_cap;
    uint64_t seed; /* against chosen collisions; codes do not depend on it */
};

void od_segment_dict_init(struct od_segment_dict *dict, uint64_t seed);
void od_segment_dict_done(struct od_segment_dict *dict);
void od_segment_dict_clear(struct od_segment_dict *dict); /* keeps the memory */
/* OD_LIMIT: 65,536 texts or 4 GiB of text are in. */
enum od_status od_segment_dict_add(struct od_segment_dict *dict, struct od_str text,
                                   uint16_t *out_code) OD_MUST_USE;
/* The codes of count (at most OD_SEGMENT_DICT_BATCH) values that are texts or null; a null's is 0.
 * Fails before it changes anything, as above. */
#define OD_SEGMENT_DICT_BATCH 256u
enum od_status od_segment_dict_add_batch(struct od_segment_dict *dict,
                                         const struct od_value *values, uint32_t count,
                                         uint16_t *out_codes) OD_MUST_USE;
size_t od_segment_dict_text_bytes(const struct od_segment_dict *dict);

#endif
