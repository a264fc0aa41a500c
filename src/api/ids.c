/* Fresh identifiers: see ids.h. */
#include "api/ids.h"

struct od_str od_new_uuid(const struct od_io *io, struct od_arena *arena)
{
    unsigned char b[16];
    if (io->random(io, b, sizeof b) != OD_OK)
        return OD_STR_NONE;
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40); /* RFC 9562 section 5.4 */
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    return od_arena_printf(
        arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

struct od_str od_new_hex8(const struct od_io *io, struct od_arena *arena)
{
    unsigned char b[4];
    if (io->random(io, b, sizeof b) != OD_OK)
        return OD_STR_NONE;
    return od_arena_printf(arena, "%02x%02x%02x%02x", b[0], b[1], b[2], b[3]);
}
