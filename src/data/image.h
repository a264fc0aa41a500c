/* The model image: one immutable file of named sections, memory-mapped by the server.
 *
 * Little-endian; each section starts at a multiple of 64 bytes and has a checksum. Layout in
 * docs/formats/image.md. Same content gives the same bytes: no clock, no padding garbage. */
#ifndef OD_DATA_IMAGE_H
#define OD_DATA_IMAGE_H

#include "base/arena.h"
#include "base/dict.h"

#define OD_IMAGE_NAME     24  /* longest section name, with its NUL */
#define OD_IMAGE_SECTIONS 256 /* recipes use a dozen; bounds what opening compares */

struct od_image_writer;
/* NULL when out of memory, or when recipe is empty, longer than 63 bytes or holds a zero byte. */
struct od_image_writer *od_image_writer_new(struct od_str recipe, uint32_t recipe_version);
void od_image_writer_free(struct od_image_writer *writer);
/* Copies bytes unless borrow is true, when they must live until finish. Names are unique:
 * OD_EXISTS; OD_TOO_LARGE for a name too long or empty, OD_LIMIT past OD_IMAGE_SECTIONS. */
enum od_status od_image_add(struct od_image_writer *writer, const char *name, const void *bytes,
                            uint64_t len, bool borrow) OD_MUST_USE;
/* The same for bytes from malloc that become the writer's, also when adding fails. */
enum od_status od_image_give(struct od_image_writer *writer, const char *name, void *bytes,
                             uint64_t len) OD_MUST_USE;
/* Name and bytes of a section added so far, by place; NULL past the last. */
const char *od_image_writer_section(const struct od_image_writer *writer, uint32_t index,
                                    uint64_t *out_bytes);
/* A dictionary as two sections: <name>.at (uint64 offsets) and <name>.text. */
enum od_status od_image_add_dict(struct od_image_writer *writer, const char *name,
                                 const struct od_dict *dict) OD_MUST_USE;
/* Gives the file's bytes in order, piece by piece. */
enum od_status od_image_finish(struct od_image_writer *writer,
                               enum od_status (*put)(void *to, const void *bytes, size_t len),
                               void *to) OD_MUST_USE;

struct od_image {
    struct od_str bytes; /* the mapped file, borrowed */
    struct od_str recipe;
    uint32_t recipe_version;
    uint32_t section_count;
    const void *sections; /* the section table inside bytes */
};
/* Checks magic, version, table and bounds; verify also reads every section's checksum. bytes must
 * start at a multiple of 64 (a mapped file does), so that sections do in memory too. */
enum od_status od_image_open(struct od_str bytes, bool verify, struct od_image *out,
                             struct od_error *err) OD_MUST_USE;
/* False when absent. */
bool od_image_section(const struct od_image *image, const char *name, struct od_str *out);
/* By place, for dumps; absent past the end. */
struct od_str od_image_section_name(const struct od_image *image, uint32_t index);
/* A section that must be an array of count elements of size bytes; OD_CORRUPT otherwise. */
enum od_status od_image_array(const struct od_image *image, const char *name, uint64_t count,
                              size_t size, const void **out, struct od_error *err) OD_MUST_USE;
/* The same of finite numbers, in single and in half precision. */
enum od_status od_image_floats(const struct od_image *image, const char *name, uint64_t count,
                               const float **out, struct od_error *err) OD_MUST_USE;
enum od_status od_image_halves(const struct od_image *image, const char *name, uint64_t count,
                               const uint16_t **out, struct od_error *err) OD_MUST_USE;

/* A dictionary section read in place: code to text by offset, text to code by binary search when
 * the texts are in byte order (training dictionaries are). */
struct od_image_dict {
    const uint64_t *at; /* [count + 1] */
    const char *text;
    uint32_t count;
};
enum od_status od_image_dict_open(const struct od_image *image, const char *name,
                                  struct od_image_dict *out, struct od_error *err) OD_MUST_USE;
struct od_str od_image_dict_text(const struct od_image_dict *dict, uint32_t code);
uint32_t od_image_dict_find(const struct od_image_dict *dict, struct od_str s); /* OD_NO_CODE */

#endif
