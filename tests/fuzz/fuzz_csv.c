/* Any bytes as CSV: nothing is read beyond them, and they give the same records however they are
 * cut into blocks. The first two bytes choose the columns and the block length. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "data/csv.h"

#define MOST_BLOCKS 4096

/* What a record says, as one number; its place counts in the whole text. */
static uint64_t digest(const struct od_csv *csv, const struct od_csv_record *r, size_t base)
{
    uint64_t h = od_hash_mix(base + r->at, r->fault);
    if (r->fault != OD_CSV_FINE)
        return od_hash_mix(h, r->cell_count + base + r->fault_at);
    for (size_t i = 0; i < r->cell_count; i++) {
        h = od_hash(r->cells[i].ptr, r->cells[i].len, h);
        h = od_hash_mix(h, base + od_csv_cell_offset(csv, i));
    }
    return h;
}

/* Exactly len bytes of memory, so that a step beyond is seen. */
static char *copy_of(const char *from, size_t len)
{
    char *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    if (len)
        memcpy(copy, from, len);
    return copy;
}

static uint64_t read_block(struct od_csv *csv, struct od_str text, size_t from, size_t owned,
                           enum od_csv_state *state, uint64_t sum)
{
    char *bytes = copy_of(text.ptr + from, owned);
    struct od_csv_survey survey;
    struct od_csv_record r;
    od_csv_survey((struct od_str){bytes, owned}, &survey);
    size_t begin = od_csv_first_record(*state, (struct od_str){bytes, owned});
    *state = (enum od_csv_state)survey.to[*state];
    enum od_csv_step step = OD_CSV_ENDED;
    if (begin != SIZE_MAX) {
        od_csv_start(csv, (struct od_str){bytes, owned}, begin, owned, from + owned == text.len);
        step = od_csv_next(csv, &r);
    }
    for (; step != OD_CSV_ENDED; step = od_csv_next(csv, &r)) {
        if (step == OD_CSV_GAVE_RECORD) {
            sum = od_hash_mix(sum, digest(csv, &r, from));
        } else {
            size_t left = text.len - from, most = owned + OD_MAX_CSV_RECORD_BYTES + 1;
            size_t have = left < most ? left : most;
            char *grown = copy_of(text.ptr + from, have);
            od_csv_extend(csv, (struct od_str){grown, have}, from + have == text.len);
            free(bytes);
            bytes = grown;
        }
    }
    free(bytes);
    return sum;
}

static uint64_t read_all(struct od_str text, size_t columns, size_t block)
{
    struct od_csv *csv = od_csv_new(columns);
    enum od_csv_state state = OD_CSV_AT_RECORD;
    uint64_t sum = 0;
    if (!csv)
        abort();
    for (size_t from = 0; from < text.len; from += block)
        sum = read_block(csv, text, from, text.len - from < block ? text.len - from : block, &state,
                         sum);
    od_csv_free(csv);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct od_str text = {(const char *)data + 2, size - 2};
    size_t columns = 1 + data[0] % 8, block = 1 + data[1];
    if (text.len / block > MOST_BLOCKS)
        block = text.len / MOST_BLOCKS + 1;
    if (read_all(text, columns, SIZE_MAX / 2) != read_all(text, columns, block))
        abort();
    struct od_arena arena;
    struct od_csv_header header;
    od_arena_init(&arena, 1u << 24);
    if (od_csv_header(&arena, text, &header, NULL) == OD_OK && header.bytes > text.len)
        abort();
    od_arena_done(&arena);
    return 0;
}
