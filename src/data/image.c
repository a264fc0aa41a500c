/* The model image file, written and read. Little-endian; every number naturally aligned.
 *
 *   0    magic "ODIMAGE\n"
 *   8    uint32 format version (1)      12  uint32 recipe version
 *   16   uint32 section count            20  uint32 zero
 *   24   uint64 bytes of the whole file
 *   32   uint64 checksum of the first 128 bytes (this field as zero) and of the table
 *   40   24 bytes of zero
 *   64   recipe name, 64 bytes, padded with zeros
 *   128  the table, 64 bytes a section: name[24], uint64 offset, length, checksum, 16 bytes of zero
 *   ...  the sections, each from a multiple of 64, in table order, zeros between
 *
 * Invariants that opening proves, so that later code may trust them:
 *   1. names are unique, not empty, and end in zeros;
 *   2. sections lie behind the table, in order, without overlap, inside the file;
 *   3. the file ends where the last section's padding ends.
 *
 * Writing is one thread's; an opened image is immutable and shared. */
#include "data/image.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define MAGIC          "ODIMAGE\n"
#define FORMAT_VERSION 1u
#define ALIGN          64u
#define RECIPE_NAME    64
#define HASH_SEED      0x4F44494D41474501ULL

struct head {
    char magic[8];
    uint32_t format;
    uint32_t recipe_version;
    uint32_t section_count;
    uint32_t zero;
    uint64_t total;
    uint64_t checksum;
    uint8_t zeros[24];
    char recipe[RECIPE_NAME];
};
_Static_assert(sizeof(struct head) == 128, "the head is 128 bytes");

struct section {
    char name[OD_IMAGE_NAME];
    uint64_t offset;
    uint64_t len;
    uint64_t checksum;
    uint64_t zeros[2];
};
_Static_assert(sizeof(struct section) == 64, "a table row is 64 bytes");

struct part {
    const void *bytes;
    void *copy; /* what we free, NULL when borrowed */
    uint64_t len;
    char name[OD_IMAGE_NAME];
};

struct od_image_writer {
    char recipe[RECIPE_NAME];
    uint32_t recipe_version;
    uint32_t count;
    struct part parts[OD_IMAGE_SECTIONS];
};

static const char zeros[ALIGN];

static uint64_t round_up(uint64_t n)
{
    return (n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static uint64_t head_checksum(const struct head *head, const struct section *table)
{
    struct head copy = *head;
    copy.checksum = 0;
    uint64_t hash = od_hash(&copy, sizeof copy, HASH_SEED);
    return od_hash(table, (size_t)head->section_count * sizeof *table, hash);
}

/* --- writing --- */

struct od_image_writer *od_image_writer_new(struct od_str recipe, uint32_t recipe_version)
{
    if (recipe.len == 0 || recipe.len >= RECIPE_NAME || memchr(recipe.ptr, 0, recipe.len))
        return NULL;
    struct od_image_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    memcpy(writer->recipe, recipe.ptr, recipe.len);
    writer->recipe_version = recipe_version;
    return writer;
}

void od_image_writer_free(struct od_image_writer *writer)
{
    if (!writer)
        return;
    for (uint32_t i = 0; i < writer->count; i++)
        free(writer->parts[i].copy);
    free(writer);
}

enum od_status od_image_add(struct od_image_writer *writer, const char *name, const void *bytes,
                            uint64_t len, bool borrow)
{
    size_t name_len = strlen(name);
    if (name_len == 0 || name_len >= OD_IMAGE_NAME)
        return OD_TOO_LARGE;
    if (writer->count == OD_IMAGE_SECTIONS)
        return OD_LIMIT;
    for (uint32_t i = 0; i < writer->count; i++)
        if (strcmp(writer->parts[i].name, name) == 0)
            return OD_EXISTS;
    struct part part = {.bytes = bytes, .len = len};
    memcpy(part.name, name, name_len);
    if (!borrow) {
        part.copy = malloc(len ? len : 1);
        if (!part.copy)
            return OD_NO_MEMORY;
        if (len)
            memcpy(part.copy, bytes, len);
        part.bytes = part.copy;
    }
    writer->parts[writer->count++] = part;
    return OD_OK;
}

enum od_status od_image_give(struct od_image_writer *writer, const char *name, void *bytes,
                             uint64_t len)
{
    enum od_status s = od_image_add(writer, name, bytes, len, true);
    if (s == OD_OK)
        writer->parts[writer->count - 1].copy = bytes;
    else
        free(bytes);
    return s;
}

static enum od_status give_suffixed(struct od_image_writer *writer, const char *name,
                                    const char *suffix, void *bytes, uint64_t len)
{
    char full[2 * OD_IMAGE_NAME];
    int written = snprintf(full, sizeof full, "%s%s", name, suffix);
    if (written >= 0 && (size_t)written < sizeof full)
        return od_image_give(writer, full, bytes, len);
    free(bytes);
    return OD_TOO_LARGE;
}

const char *od_image_writer_section(const struct od_image_writer *writer, uint32_t index,
                                    uint64_t *out_bytes)
{
    if (index >= writer->count)
        return NULL;
    *out_bytes = writer->parts[index].len;
    return writer->parts[index].name;
}

enum od_status od_image_add_dict(struct od_image_writer *writer, const char *name,
                                 const struct od_dict *dict)
{
    uint32_t count = od_dict_count(dict);
    uint64_t *at = malloc(((size_t)count + 1) * sizeof *at);
    if (!at)
        return OD_NO_MEMORY;
    at[0] = 0;
    for (uint32_t i = 0; i < count; i++)
        at[i + 1] = at[i] + od_dict_text(dict, i).len;
    uint64_t bytes = at[count];
    char *text = malloc(bytes ? bytes : 1);
    if (!text) {
        free(at);
        return OD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct od_str s = od_dict_text(dict, i);
        memcpy(text + at[i], s.ptr, s.len);
    }
    enum od_status s = give_suffixed(writer, name, ".at", at, ((uint64_t)count + 1) * sizeof *at);
    if (s != OD_OK) {
        free(text);
        return s;
    }
    return give_suffixed(writer, name, ".text", text, bytes);
}

static void lay_out(const struct od_image_writer *writer, struct head *head, struct section *table)
{
    uint64_t at = sizeof *head + (uint64_t)writer->count * sizeof *table;
    for (uint32_t i = 0; i < writer->count; i++) {
        const struct part *part = &writer->parts[i];
        memcpy(table[i].name, part->name, sizeof table[i].name);
        table[i].offset = at;
        table[i].len = part->len;
        table[i].checksum = od_hash(part->bytes, part->len, HASH_SEED);
        at = round_up(at + part->len);
    }
    memcpy(head->magic, MAGIC, sizeof head->magic);
    memcpy(head->recipe, writer->recipe, sizeof head->recipe);
    head->format = FORMAT_VERSION;
    head->recipe_version = writer->recipe_version;
    head->section_count = writer->count;
    head->total = at;
    head->checksum = head_checksum(head, table);
}

enum od_status od_image_finish(struct od_image_writer *writer,
                               enum od_status (*put)(void *to, const void *bytes, size_t len),
                               void *to)
{
    struct head head = {0};
    struct section *table = calloc((size_t)writer->count + 1, sizeof *table);
    if (!table)
        return OD_NO_MEMORY;
    lay_out(writer, &head, table);
    enum od_status s = put(to, &head, sizeof head);
    if (s == OD_OK && writer->count)
        s = put(to, table, writer->count * sizeof *table);
    free(table);
    for (uint32_t i = 0; s == OD_OK && i < writer->count; i++) {
        const struct part *part = &writer->parts[i];
        uint64_t pad = round_up(part->len) - part->len;
        if (part->len)
            s = put(to, part->bytes, part->len);
        if (s == OD_OK && pad)
            s = put(to, zeros, pad);
    }
    return s;
}

/* --- reading --- */

static bool all_zero(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* A text in a fixed field: not empty, and nothing but zeros after its end. */
static bool good_name(const char *field, size_t size)
{
    size_t len = strnlen(field, size);
    return len > 0 && len < size && all_zero(field + len, size - len);
}

static enum od_status check_head(struct od_str bytes, struct od_error *err)
{
    const struct head *head = (const void *)bytes.ptr;
    if (bytes.len < sizeof *head)
        return od_fail(err, OD_CORRUPT, "The model image has %zu bytes, too few for its head.",
                       bytes.len);
    if ((uintptr_t)bytes.ptr % ALIGN != 0)
        return od_fail(err, OD_CORRUPT, "The model image is not at a multiple of %u bytes.", ALIGN);
    if (memcmp(head->magic, MAGIC, sizeof head->magic) != 0)
        return od_fail(err, OD_CORRUPT, "The file is no model image.");
    if (head->format != FORMAT_VERSION)
        return od_fail(err, OD_CORRUPT, "The model image has format %u; this program reads %u.",
                       head->format, FORMAT_VERSION);
    if (head->total != bytes.len)
        return od_fail(err, OD_CORRUPT, "The model image has %zu bytes instead of %llu.", bytes.len,
                       (unsigned long long)head->total);
    if (head->section_count > OD_IMAGE_SECTIONS ||
        head->section_count > (bytes.len - sizeof *head) / sizeof(struct section))
        return od_fail(err, OD_CORRUPT, "The model image claims %u sections.", head->section_count);
    if (head_checksum(head, (const void *)(bytes.ptr + sizeof *head)) != head->checksum)
        return od_fail(err, OD_CORRUPT, "The model image's head or table is damaged.");
    if (head->zero || !all_zero(head->zeros, sizeof head->zeros) ||
        !good_name(head->recipe, sizeof head->recipe))
        return od_fail(err, OD_CORRUPT, "The model image's head is not well formed.");
    return OD_OK;
}

static enum od_status check_table(const struct section *table, uint32_t count, uint64_t total,
                                  struct od_error *err)
{
    uint64_t at = sizeof(struct head) + (uint64_t)count * sizeof *table;
    for (uint32_t i = 0; i < count; i++) {
        if (!good_name(table[i].name, sizeof table[i].name) ||
            !all_zero(table[i].zeros, sizeof table[i].zeros))
            return od_fail(err, OD_CORRUPT, "Section %u of the model image has no proper name.", i);
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(table[i].name, table[k].name, sizeof table[i].name) == 0)
                return od_fail(err, OD_CORRUPT, "Section %s of the model image is there twice.",
                               table[i].name);
        if (table[i].offset != at || table[i].len > total - at ||
            round_up(table[i].len) > total - at)
            return od_fail(err, OD_CORRUPT, "Section %s of the model image is out of place.",
                           table[i].name);
        at += round_up(table[i].len);
    }
    if (at != total)
        return od_fail(err, OD_CORRUPT, "The model image has bytes that no section owns.");
    return OD_OK;
}

static enum od_status check_sections(struct od_str bytes, const struct section *table,
                                     uint32_t count, struct od_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *from = bytes.ptr + table[i].offset;
        if (od_hash(from, table[i].len, HASH_SEED) != table[i].checksum ||
            !all_zero(from + table[i].len, round_up(table[i].len) - table[i].len))
            return od_fail(err, OD_CORRUPT, "Section %s of the model image is damaged.",
                           table[i].name);
    }
    return OD_OK;
}

enum od_status od_image_open(struct od_str bytes, bool verify, struct od_image *out,
                             struct od_error *err)
{
    enum od_status s = check_head(bytes, err);
    if (s != OD_OK)
        return s;
    const struct head *head = (const void *)bytes.ptr;
    const struct section *table = (const void *)(bytes.ptr + sizeof *head);
    s = check_table(table, head->section_count, bytes.len, err);
    if (s == OD_OK && verify)
        s = check_sections(bytes, table, head->section_count, err);
    if (s != OD_OK)
        return s;
    *out = (struct od_image){
        .bytes = bytes,
        .recipe = od_str_c(head->recipe),
        .recipe_version = head->recipe_version,
        .section_count = head->section_count,
        .sections = table,
    };
    return OD_OK;
}

bool od_image_section(const struct od_image *image, const char *name, struct od_str *out)
{
    const struct section *table = image->sections;
    for (uint32_t i = 0; i < image->section_count; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        *out = (struct od_str){image->bytes.ptr + table[i].offset, table[i].len};
        return true;
    }
    return false;
}

struct od_str od_image_section_name(const struct od_image *image, uint32_t index)
{
    const struct section *table = image->sections;
    return index < image->section_count ? od_str_c(table[index].name) : OD_STR_NONE;
}

enum od_status od_image_array(const struct od_image *image, const char *name, uint64_t count,
                              size_t size, const void **out, struct od_error *err)
{
    struct od_str bytes;
    uint64_t want;
    if (!od_image_section(image, name, &bytes))
        return od_fail(err, OD_CORRUPT, "The model image has no section %s.", name);
    if (__builtin_mul_overflow(count, size, &want) || want != bytes.len)
        return od_fail(err, OD_CORRUPT,
                       "Section %s of the model image has %zu bytes; %llu entries of %zu expected.",
                       name, bytes.len, (unsigned long long)count, size);
    *out = bytes.ptr;
    return OD_OK;
}

static enum od_status check_finite(const char *name, bool finite, struct od_error *err)
{
    return finite
               ? OD_OK
               : od_fail(err, OD_CORRUPT,
                         "Section %s of the model image holds a number that is not finite.", name);
}

enum od_status od_image_floats(const struct od_image *image, const char *name, uint64_t count,
                               const float **out, struct od_error *err)
{
    const void *p;
    bool finite = true;
    enum od_status st = od_image_array(image, name, count, sizeof **out, &p, err);
    if (st != OD_OK)
        return st;
    *out = p;
    for (uint64_t i = 0; i < count; i++)
        finite &= isfinite((*out)[i]) != 0;
    return check_finite(name, finite, err);
}

enum od_status od_image_halves(const struct od_image *image, const char *name, uint64_t count,
                               const uint16_t **out, struct od_error *err)
{
    const uint16_t exponent = 0x7c00; /* all its bits set: infinite, or no number */
    const void *p;
    bool finite = true;
    enum od_status st = od_image_array(image, name, count, sizeof **out, &p, err);
    if (st != OD_OK)
        return st;
    *out = p;
    for (uint64_t i = 0; i < count; i++)
        finite &= ((*out)[i] & exponent) != exponent;
    return check_finite(name, finite, err);
}

/* --- dictionaries --- */

static bool dict_section(const struct od_image *image, const char *name, const char *suffix,
                         struct od_str *out)
{
    char full[2 * OD_IMAGE_NAME];
    int written = snprintf(full, sizeof full, "%s%s", name, suffix);
    if (written < 0 || (size_t)written >= sizeof full)
        return false;
    return od_image_section(image, full, out);
}

enum od_status od_image_dict_open(const struct od_image *image, const char *name,
                                  struct od_image_dict *out, struct od_error *err)
{
    struct od_str places, text;
    if (!dict_section(image, name, ".at", &places) || !dict_section(image, name, ".text", &text))
        return od_fail(err, OD_CORRUPT, "The model image has no dictionary %s.", name);
    uint64_t entries = places.len / sizeof(uint64_t);
    if (places.len % sizeof(uint64_t) != 0 || entries == 0 || entries - 1 >= OD_NO_CODE)
        return od_fail(err, OD_CORRUPT, "Dictionary %s of the model image has %zu bytes of places.",
                       name, places.len);
    const uint64_t *at = (const void *)places.ptr;
    bool good = at[0] == 0 && at[entries - 1] == text.len;
    for (uint64_t i = 1; i < entries && good; i++)
        good = at[i] >= at[i - 1];
    if (!good)
        return od_fail(err, OD_CORRUPT, "Dictionary %s of the model image is not well formed.",
                       name);
    *out = (struct od_image_dict){.at = at, .text = text.ptr, .count = (uint32_t)(entries - 1)};
    return OD_OK;
}

struct od_str od_image_dict_text(const struct od_image_dict *dict, uint32_t code)
{
    assert(code < dict->count);
    return (struct od_str){dict->text + dict->at[code], dict->at[code + 1] - dict->at[code]};
}

uint32_t od_image_dict_find(const struct od_image_dict *dict, struct od_str s)
{
    uint32_t low = 0, high = dict->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = od_str_cmp(od_image_dict_text(dict, middle), s);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return OD_NO_CODE;
}
