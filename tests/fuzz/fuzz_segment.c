/* Any bytes as a segment, also with checksums that are right: every cell handed out can be read. */
#include <stdlib.h>
#include <string.h>

#include "data/segment_layout.h"

static void mend_chunks(char *file, size_t len, const struct od_segment_foot *foot)
{
    for (uint64_t at = foot->tail_offset; at + sizeof(struct od_segment_entry) <= len;
         at += sizeof(struct od_segment_entry)) {
        struct od_segment_entry e;
        memcpy(&e, file + at, sizeof e);
        if (e.offset > len || e.bytes > len - e.offset || e.bytes < sizeof(struct od_chunk_head))
            return;
        uint64_t sum = od_hash(file + e.offset + 8, e.bytes - 8, 0);
        memcpy(file + e.offset, &sum, sizeof sum);
    }
}

/* Makes the checksums right where the bytes allow it; the chunks' before the index's, which may lie
 * in them. */
static void mend(char *file, size_t len)
{
    struct od_segment_head head;
    struct od_segment_foot foot;
    if (len < sizeof head + sizeof foot)
        return;
    size_t foot_at = len - sizeof foot;
    memcpy(&foot, file + foot_at, sizeof foot);
    if (foot.tail_offset <= foot_at) {
        mend_chunks(file, foot_at, &foot);
        struct od_str index = {file + foot.tail_offset, foot_at - foot.tail_offset};
        foot.checksum = od_segment_foot_checksum(&foot, index);
        memcpy(file + foot_at, &foot, sizeof foot);
    }
    memcpy(&head, file, sizeof head);
    if (head.schema_bytes <= len - sizeof head) {
        head.checksum =
            od_segment_head_checksum(&head, (struct od_str){file + sizeof head, head.schema_bytes});
        memcpy(file, &head, sizeof head);
    }
}

/* Reads each byte that a caller may read. */
static uint64_t walk(const struct od_chunk *chunk)
{
    uint64_t sum = 0;
    for (size_t c = 0; c < chunk->column_count; c++) {
        for (uint32_t r = 0; r < chunk->row_count; r++) {
            struct od_value v;
            od_chunk_value(chunk, c, r, &v);
            sum += (uint64_t)v.integer + (v.real > 0);
            if (v.kind == OD_VALUE_TEXT)
                sum += od_hash(v.text.ptr, v.text.len, 0);
        }
    }
    return sum;
}

static uint64_t read_all(const char *bytes, size_t len)
{
    struct od_arena arena;
    struct od_segment segment;
    struct od_error err = {0};
    uint64_t sum = 0;
    od_arena_init(&arena, 1u << 26);
    enum od_status s = od_segment_open(&arena, (struct od_str){bytes, len}, &segment, &err);
    for (size_t i = 0; s == OD_OK && i < segment.chunk_count; i++) {
        struct od_chunk chunk;
        s = od_segment_chunk(&segment, i, &arena, &chunk, &err);
        if (s == OD_OK)
            sum += walk(&chunk);
    }
    if (s != OD_OK && s != OD_CORRUPT && s != OD_NO_MEMORY)
        abort();
    od_arena_done(&arena);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *file = malloc(size ? size : 1); /* aligned, as a mapped file is */
    if (!file)
        return 0;
    memcpy(file, data, size);
    volatile uint64_t sink = read_all(file, size);
    mend(file, size);
    sink = sink + read_all(file, size);
    free(file);
    return 0;
}
