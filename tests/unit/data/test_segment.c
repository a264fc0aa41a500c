/* Segments: what is written reads back, and damaged or forged bytes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/segment_layout.h"

#define COLUMNS 6

static struct od_field fields[COLUMNS] = {
    {.name = {"ITEM_ID", 7}, .type = OD_FIELD_STRING},
    {.name = {"GENRES", 6}, .type = OD_FIELD_STRING, .nullable = true, .categorical = true},
    {.name = {"STARS", 5}, .type = OD_FIELD_INT, .nullable = true},
    {.name = {"MADE", 4}, .type = OD_FIELD_LONG},
    {.name = {"PRICE", 5}, .type = OD_FIELD_DOUBLE, .nullable = true},
    {.name = {"OPEN", 4}, .type = OD_FIELD_BOOLEAN, .nullable = true},
};
static const struct od_schema schema = {
    .name = {"Items", 5}, .type = OD_ITEMS, .field_count = COLUMNS, .fields = fields};

struct row {
    char id[16], genres[16];
    struct od_value values[COLUMNS];
};

/* Row i of the test data: the same whenever asked. */
static void make_row(uint64_t i, unsigned ids, struct row *row)
{
    struct od_random rng;
    od_random_init2(&rng, 7, i);
    bool null = od_random_below(&rng, 4) == 0;
    snprintf(row->id, sizeof row->id, "i%u", (unsigned)od_random_below(&rng, ids));
    snprintf(row->genres, sizeof row->genres, "g%u|h", (unsigned)od_random_below(&rng, 9));
    row->values[0] = (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(row->id)};
    row->values[1] = null ? (struct od_value){.kind = OD_VALUE_NULL}
                          : (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(row->genres)};
    row->values[2] = (struct od_value){.kind = null ? OD_VALUE_NULL : OD_VALUE_INTEGER,
                                       .integer = null ? 0 : (int64_t)i - 3};
    row->values[3] = (struct od_value){.kind = OD_VALUE_INTEGER, .integer = (int64_t)i << 33};
    row->values[4] = (struct od_value){.kind = i % 3 ? OD_VALUE_REAL : OD_VALUE_NULL,
                                       .real = i % 3 ? (double)i / 8 : 0};
    row->values[5] = (struct od_value){.kind = i % 7 ? OD_VALUE_BOOLEAN : OD_VALUE_NULL,
                                       .integer = i % 7 && i % 2};
}

/* A whole file of rows in chunks of at most chunk_rows. */
static void build(const struct od_schema *of, uint64_t rows, uint32_t chunk_rows, unsigned ids,
                  struct od_buf *out)
{
    struct od_chunk_place places[64];
    size_t count = 0;
    struct od_chunk_writer *w = od_chunk_writer_new(of);
    assert_non_null(w);
    od_buf_init(out, 1u << 30);
    assert_int_equal(od_segment_head(of, out), OD_OK);
    for (uint64_t i = 0; i < rows; i++) {
        struct row row;
        make_row(i, ids, &row);
        assert_int_equal(od_chunk_writer_add(w, row.values), OD_OK);
        if (od_chunk_writer_rows(w) < chunk_rows && i + 1 < rows)
            continue;
        uint32_t n = od_chunk_writer_rows(w);
        size_t at = out->len;
        assert_int_equal(od_chunk_writer_finish(w, out), OD_OK);
        places[count++] = (struct od_chunk_place){at, out->len - at, n};
    }
    assert_int_equal(od_segment_tail(places, count, out->len, out), OD_OK);
    od_chunk_writer_free(w);
}

static void same_value(const struct od_value *a, const struct od_value *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->integer, b->integer);
    assert_true(a->real == b->real);
    if (a->kind == OD_VALUE_TEXT)
        assert_true(od_str_eq(a->text, b->text));
}

static void reads_back(uint64_t rows, uint32_t chunk_rows, unsigned ids)
{
    struct od_buf file;
    struct od_arena arena;
    struct od_segment seg;
    struct od_error err = {0};
    build(&schema, rows, chunk_rows, ids, &file);
    od_arena_init(&arena, 1u << 26);
    if (od_segment_open(&arena, od_buf_view(&file), &seg, &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_int_equal(seg.row_count, rows);
    assert_int_equal(seg.chunk_count, (rows + chunk_rows - 1) / chunk_rows);
    assert_int_equal(seg.schema.field_count, COLUMNS);
    assert_true(seg.schema.fields[1].categorical);
    uint64_t i = 0;
    for (size_t c = 0; c < seg.chunk_count; c++) {
        struct od_chunk chunk;
        if (od_segment_chunk(&seg, c, &arena, &chunk, &err) != OD_OK)
            fail_msg("%s", err.message);
        assert_int_equal((uintptr_t)chunk.columns[3].integers % 8, 0);
        for (uint32_t r = 0; r < chunk.row_count; r++, i++) {
            struct row row;
            make_row(i, ids, &row);
            for (size_t k = 0; k < COLUMNS; k++) {
                struct od_value v;
                od_chunk_value(&chunk, k, r, &v);
                same_value(&v, &row.values[k]);
            }
        }
    }
    assert_int_equal(i, rows);
    od_arena_done(&arena);
    od_buf_done(&file);
}

static void rows_read_back_in_order(void **state)
{
    (void)state;
    reads_back(0, 10, 5);
    reads_back(1, 10, 5);
    reads_back(63, 64, 5);
    reads_back(64, 64, 5);
    reads_back(1000, 65, 400);
    reads_back(100000, OD_CHUNK_ROWS, 1000000000); /* nearly all ids distinct */
}

static void a_chunk_holds_65536_rows_and_distinct_texts(void **state)
{
    (void)state;
    struct od_field id = {.name = {"ITEM_ID", 7}, .type = OD_FIELD_STRING};
    struct od_schema one = {
        .name = {"Items", 5}, .type = OD_ITEMS, .field_count = 1, .fields = &id};
    struct od_chunk_writer *w = od_chunk_writer_new(&one);
    struct od_value v = {.kind = OD_VALUE_TEXT};
    char text[40];
    for (unsigned i = 0; i < OD_CHUNK_ROWS; i++) {
        snprintf(text, sizeof text, "%0*u", (int)(i % 37) + 1, i);
        v.text = od_str_c(text);
        assert_int_equal(od_chunk_writer_add(w, &v), OD_OK);
    }
    assert_int_equal(od_chunk_writer_add(w, &v), OD_LIMIT);
    struct od_buf file;
    struct od_arena arena;
    struct od_segment seg;
    struct od_chunk chunk;
    od_buf_init(&file, 1u << 30);
    od_arena_init(&arena, 1u << 20);
    assert_int_equal(od_segment_head(&one, &file), OD_OK);
    struct od_chunk_place place = {.offset = file.len, .rows = OD_CHUNK_ROWS};
    assert_int_equal(od_chunk_writer_finish(w, &file), OD_OK);
    assert_int_equal(od_chunk_writer_rows(w), 0);
    place.bytes = file.len - place.offset;
    assert_int_equal(od_segment_tail(&place, 1, file.len, &file), OD_OK);
    assert_int_equal(od_segment_open(&arena, od_buf_view(&file), &seg, NULL), OD_OK);
    assert_int_equal(od_segment_chunk(&seg, 0, &arena, &chunk, NULL), OD_OK);
    assert_null(chunk.columns[0].nulls);
    for (unsigned i = 0; i < OD_CHUNK_ROWS; i++) {
        snprintf(text, sizeof text, "%0*u", (int)(i % 37) + 1, i);
        assert_true(od_str_eq_c(od_chunk_text(&chunk.columns[0], chunk.columns[0].codes[i]), text));
    }
    od_chunk_writer_free(w);
    od_buf_done(&file);
    od_arena_done(&arena);
}

static void batches_give_the_bytes_of_single_rows(void **state)
{
    (void)state;
    static const unsigned ids[] = {3, 700, 1000000000};
    static struct od_value batch[COLUMNS * OD_CHUNK_BATCH];
    static struct row rows[OD_CHUNK_BATCH];
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        struct od_chunk_writer *one = od_chunk_writer_new(&schema);
        struct od_chunk_writer *many = od_chunk_writer_new(&schema);
        struct od_buf a, b;
        uint32_t n = 0, size = 0;
        od_buf_init(&a, 1u << 30);
        od_buf_init(&b, 1u << 30);
        for (uint32_t round = 0; n + size <= OD_CHUNK_ROWS; round++, n += size) {
            size = (round * 37 + 256) % (OD_CHUNK_BATCH + 1);
            for (uint32_t r = 0; r < size && n + size <= OD_CHUNK_ROWS; r++) {
                make_row(n + r, ids[k], &rows[r]);
                assert_int_equal(od_chunk_writer_add(one, rows[r].values), OD_OK);
                for (size_t c = 0; c < COLUMNS; c++)
                    batch[c * OD_CHUNK_BATCH + r] = rows[r].values[c];
            }
            bool fits = n + size <= OD_CHUNK_ROWS;
            assert_int_equal(od_chunk_writer_add_batch(many, batch, size), fits ? OD_OK : OD_LIMIT);
            size = fits ? size : OD_CHUNK_ROWS;
        }
        assert_true(od_chunk_writer_rows(many) > OD_CHUNK_ROWS - OD_CHUNK_BATCH);
        assert_int_equal(od_chunk_writer_rows(one), od_chunk_writer_rows(many));
        assert_int_equal(od_chunk_writer_finish(one, &a), OD_OK);
        assert_int_equal(od_chunk_writer_finish(many, &b), OD_OK);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.ptr, b.ptr, a.len);
        od_buf_done(&a);
        od_buf_done(&b);
        od_chunk_writer_free(one);
        od_chunk_writer_free(many);
    }
}

static void equal_rows_give_equal_bytes(void **state)
{
    (void)state;
    struct od_buf a, b;
    build(&schema, 5000, 700, 300, &a);
    build(&schema, 5000, 700, 300, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    od_buf_done(&a);
    od_buf_done(&b);
}

/* Opens and touches everything a reader may touch. */
static enum od_status walk(const char *bytes, size_t len)
{
    struct od_arena arena;
    struct od_segment seg;
    struct od_error err = {0};
    od_arena_init(&arena, 1u << 24);
    enum od_status s = od_segment_open(&arena, (struct od_str){bytes, len}, &seg, &err);
    uint64_t sum = 0;
    for (size_t c = 0; s == OD_OK && c < seg.chunk_count; c++) {
        struct od_chunk chunk;
        s = od_segment_chunk(&seg, c, &arena, &chunk, &err);
        for (size_t k = 0; s == OD_OK && k < chunk.column_count; k++) {
            for (uint32_t r = 0; r < chunk.row_count; r++) {
                struct od_value v;
                od_chunk_value(&chunk, k, r, &v);
                for (size_t i = 0; v.kind == OD_VALUE_TEXT && i < v.text.len; i++)
                    sum += (unsigned char)v.text.ptr[i];
                sum += (uint64_t)v.integer;
            }
        }
    }
    if (s != OD_OK)
        assert_true(strlen(err.message) > 0);
    od_arena_done(&arena);
    return s == OD_OK && sum == UINT64_MAX ? OD_INTERNAL : s;
}

/* malloc gives aligned memory of exactly len bytes, so that a sanitizer sees any step beyond. */
static char *copy_of(const char *from, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, from, len);
    return copy;
}

static void any_flipped_byte_is_found(void **state)
{
    (void)state;
    struct od_buf file;
    build(&schema, 70, 40, 20, &file);
    size_t schema_end = sizeof(struct od_segment_head);
    uint32_t schema_bytes;
    memcpy(&schema_bytes, file.ptr + 12, sizeof schema_bytes);
    schema_end += schema_bytes;
    for (size_t i = 0; i < file.len; i++) {
        if (i >= schema_end && i < od_segment_pad(schema_end))
            continue; /* padding behind the schema means nothing */
        char *copy = copy_of(file.ptr, file.len);
        copy[i] ^= 0x20;
        if (walk(copy, file.len) != OD_CORRUPT)
            fail_msg("byte %zu", i);
        free(copy);
    }
    od_buf_done(&file);
}

static void a_cut_file_is_refused(void **state)
{
    (void)state;
    struct od_buf file;
    build(&schema, 30, 40, 20, &file);
    for (size_t len = 0; len < file.len; len++) {
        char *copy = copy_of(file.ptr, len);
        assert_int_equal(walk(copy, len), OD_CORRUPT);
        free(copy);
    }
    od_buf_done(&file);
}

static void mend_checksums(char *file, size_t len)
{
    struct od_segment_foot foot;
    memcpy(&foot, file + len - sizeof foot, sizeof foot);
    for (size_t i = 0; i < foot.chunk_count; i++) {
        struct od_segment_entry e;
        memcpy(&e, file + foot.tail_offset + i * sizeof e, sizeof e);
        uint64_t sum = od_hash(file + e.offset + 8, e.bytes - 8, 0);
        memcpy(file + e.offset, &sum, sizeof sum);
    }
}

static void forged_chunks_with_right_checksums_stay_in_bounds(void **state)
{
    (void)state;
    struct od_buf file;
    struct od_random rng;
    build(&schema, 70, 40, 20, &file);
    od_random_init(&rng, 11);
    struct od_segment_foot foot;
    memcpy(&foot, file.ptr + file.len - sizeof foot, sizeof foot);
    struct od_segment_entry first;
    memcpy(&first, file.ptr + foot.tail_offset, sizeof first);
    size_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        char *copy = copy_of(file.ptr, file.len);
        uint64_t table = first.offset + sizeof(struct od_chunk_head);
        bool in_table = od_random_below(&rng, 2);
        uint64_t span =
            in_table ? COLUMNS * sizeof(struct od_chunk_entry) : foot.tail_offset - first.offset;
        uint64_t at = (in_table ? table : first.offset) + od_random_below(&rng, span);
        copy[at] = (char)od_random_u64(&rng);
        mend_checksums(copy, file.len);
        enum od_status s = walk(copy, file.len);
        assert_true(s == OD_OK || s == OD_CORRUPT);
        refused += s == OD_CORRUPT;
        free(copy);
    }
    assert_true(refused > 3000);
    od_buf_done(&file);
}

static void a_later_version_is_named(void **state)
{
    (void)state;
    struct od_buf file;
    struct od_arena arena;
    struct od_segment seg;
    struct od_error err = {0};
    build(&schema, 3, 40, 20, &file);
    file.ptr[8] = 9;
    od_arena_init(&arena, 1u << 20);
    assert_int_equal(od_segment_open(&arena, od_buf_view(&file), &seg, &err), OD_CORRUPT);
    assert_non_null(strstr(err.message, "version 9"));
    od_arena_done(&arena);
    od_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_read_back_in_order),
        cmocka_unit_test(a_chunk_holds_65536_rows_and_distinct_texts),
        cmocka_unit_test(batches_give_the_bytes_of_single_rows),
        cmocka_unit_test(equal_rows_give_equal_bytes),
        cmocka_unit_test(any_flipped_byte_is_found),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(forged_chunks_with_right_checksums_stay_in_bounds),
        cmocka_unit_test(a_later_version_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
