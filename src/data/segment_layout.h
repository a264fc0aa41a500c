/* The bytes of a segment file: docs/formats/segment.md. Internal to segment_*.c.
 *
 * Everything is little-endian and starts at a multiple of 8 bytes, so that a mapped file is used in
 * place. Offsets in a chunk count from the chunk's first byte. */
#ifndef OD_DATA_SEGMENT_LAYOUT_H
#define OD_DATA_SEGMENT_LAYOUT_H

#include "base/bitmap.h"
#include "base/hash.h"
#include "data/segment.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are little-endian");

#define OD_SEGMENT_VERSION 1u

static const char od_segment_magic[8] = {'O', 'N', 'D', 'O', 'L', 'S', 'E', 'G'};
static const char od_segment_end_magic[8] = {'O', 'N', 'D', 'O', 'L', 'E', 'N', 'D'};

struct od_segment_head {
    char magic[8];
    uint32_t version;
    uint32_t schema_bytes; /* of Avro JSON behind this header, padded with zeros to 8 */
    uint64_t checksum;     /* of the schema text, seeded with the checksum of the 16 bytes above */
};

struct od_segment_entry { /* of the chunk index */
    uint64_t offset;      /* in the file */
    uint64_t bytes;
    uint32_t rows;
    uint32_t zero;
};

struct od_segment_foot { /* the file's last bytes */
    uint64_t chunk_count;
    uint64_t row_count;
    uint64_t tail_offset; /* of the index */
    uint64_t checksum;    /* of the index, seeded with the checksum of the 24 bytes above */
    char magic[8];
};

struct od_chunk_head {
    uint64_t checksum; /* of the chunk's bytes behind this member */
    uint32_t row_count;
    uint32_t column_count;
};

struct od_chunk_entry { /* one a column, behind the head */
    uint32_t type;      /* enum od_field_type */
    uint32_t dict_count;
    uint64_t nulls_at;   /* 0: no cell is null */
    uint64_t cells_at;   /* int64_t, double or uint16_t [row_count] */
    uint64_t offsets_at; /* uint32_t [dict_count + 1]; strings only, else 0 */
    uint64_t text_at;    /* strings only, else 0 */
    uint64_t text_bytes;
};

_Static_assert(sizeof(struct od_segment_head) == 24, "layout");
_Static_assert(sizeof(struct od_segment_entry) == 24, "layout");
_Static_assert(sizeof(struct od_segment_foot) == 40, "layout");
_Static_assert(sizeof(struct od_chunk_head) == 16, "layout");
_Static_assert(sizeof(struct od_chunk_entry) == 48, "layout");

/* Bytes of one cell in place. */
size_t od_segment_cell_bytes(enum od_field_type type);
/* Up to the next multiple of 8. */
size_t od_segment_pad(size_t bytes);
uint64_t od_segment_head_checksum(const struct od_segment_head *head, struct od_str schema);
uint64_t od_segment_foot_checksum(const struct od_segment_foot *foot, struct od_str index);

#endif
