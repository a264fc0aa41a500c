/* Fuzzing the model image reader: any bytes are opened or refused; what opens may be read whole.
 *
 * Random bytes never pass the checksum of head and table, so the target also repairs it (the
 * checksum is no secret: an attacker who can write the file can do the same). */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned sum; /* keeps the reads from being optimised away */

static void read_all(const struct od_image *image)
{
    for (uint32_t i = 0; i < image->section_count; i++) {
        struct od_str s;
        struct od_str name = od_image_section_name(image, i);
        if (!od_image_section(image, name.ptr, &s))
            abort();
        for (size_t k = 0; k < s.len; k++)
            sum += (unsigned char)s.ptr[k];
    }
    struct od_image_dict dict;
    if (od_image_dict_open(image, "items", &dict, NULL) != OD_OK)
        return;
    for (uint32_t i = 0; i < dict.count; i++) {
        struct od_str text = od_image_dict_text(&dict, i);
        for (size_t k = 0; k < text.len; k++)
            sum += (unsigned char)text.ptr[k];
    }
    sum += od_image_dict_find(&dict, OD_STR("item"));
    const void *array;
    if (od_image_array(image, "counts", dict.count, 4, &array, NULL) == OD_OK)
        sum += dict.count ? *(const unsigned char *)array : 0;
}

static void repair(char *bytes, size_t size)
{
    uint32_t sections;
    uint64_t total = size, checksum = 0;
    memcpy(&sections, bytes + 16, sizeof sections);
    if (sections > (size - 128) / 64)
        return;
    memcpy(bytes + 24, &total, sizeof total);
    memcpy(bytes + 32, &checksum, sizeof checksum);
    checksum = od_hash(bytes, 128, 0x4F44494D41474501ULL);
    checksum = od_hash(bytes + 128, (size_t)sections * 64, checksum);
    memcpy(bytes + 32, &checksum, sizeof checksum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = aligned_alloc(64, (size + 64) & ~(size_t)63);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    struct od_image image;
    for (int way = 0; way < 2; way++) {
        if (od_image_open((struct od_str){bytes, size}, way == 0, &image, NULL) == OD_OK)
            read_all(&image);
        if (size >= 128)
            repair(bytes, size);
    }
    free(bytes);
    return 0;
}
