/* Fresh identifiers: see ids.h. Every answer carries one, so they are written digit by digit. */
#include "api/ids.h"

/* b as hexadecimal digits, a hyphen before the bytes whose bit is set. */
static struct od_str write_hex(struct od_arena *arena, const unsigned char *b, size_t count,
                               unsigned hyphens)
{
    static const char digits[] = "0123456789abcdef";
    char *text = od_arena_alloc(arena, count * 3 + 1); /* zeroed: it ends in a NUL */
    size_t len = 0;
    if (!text)
        return OD_STR_NONE;
    for (size_t i = 0; i < count; i++) {
        if (hyphens >> i & 1)
            text[len++] = '-';
        text[len++] = digits[b[i] >> 4];
        text[len++] = digits[b[i] & 15];
    }
    return (struct od_str){text, len};
}

struct od_str od_new_uuid(const struct od_io *io, struct od_arena *arena)
{
    unsigned char b[16];
    if (io->random(io, b, sizeof b) != OD_OK)
        return OD_STR_NONE;
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40); /* RFC 9562 section 5.4 */
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    return write_hex(arena, b, sizeof b, 1u << 4 | 1u << 6 | 1u << 8 | 1u << 10);
}

struct od_str od_new_hex8(const struct od_io *io, struct od_arena *arena)
{
    unsigned char b[4];
    if (io->random(io, b, sizeof b) != OD_OK)
        return OD_STR_NONE;
    return write_hex(arena, b, sizeof b, 0);
}
