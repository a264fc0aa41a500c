/* CSV: kernels, automaton, header and records, against plain versions of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "data/csv.h"
#include "data/csv_kernel.h"

/* malloc of exactly len bytes, so that a sanitizer sees any step beyond. */
static char *copy_of(const char *from, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, from, len);
    return copy;
}

static void random_text(struct od_random *rng, const char *letters, char *to, size_t len)
{
    size_t n = strlen(letters);
    for (size_t i = 0; i < len; i++)
        to[i] = letters[od_random_below(rng, n)];
}

/* --- kernels --- */

static void kernels_agree_with_the_reference(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 1);
    static char text[700];
    static uint32_t want[700 + OD_CSV_INDEX_SLACK], got[700 + OD_CSV_INDEX_SLACK];
    size_t tried = 0;
    for (size_t rank = 0; od_csv_kernel(rank); rank++) {
        const struct od_csv_kernel *k = od_csv_kernel(rank);
        for (int round = 0; round < 4000; round++, tried++) {
            size_t len = od_random_below(&rng, sizeof text);
            static const char *const mixes[] = {"abc,\n\"", ",", "abcdefghijklmnop0123456789,\n",
                                                "\"\n,"};
            random_text(&rng, mixes[round % 4], text, len);
            if (len && round % 3 == 0)
                text[od_random_below(&rng, len)] = (char)od_random_u64(&rng);
            char *copy = copy_of(text, len);
            int want_plain, got_plain;
            size_t n = od_csv_kernel_ref.index(copy, len, want, &want_plain);
            assert_int_equal(k->index(copy, len, got, &got_plain), n);
            assert_memory_equal(want, got, n * sizeof want[0]);
            assert_int_equal(want_plain, got_plain);
            assert_int_equal(k->count_newlines(copy, len),
                             od_csv_kernel_ref.count_newlines(copy, len));
            free(copy);
        }
    }
    assert_true(tried >= 4000);
}

/* --- the automaton, a byte at a time --- */

static enum od_csv_state plain_step(enum od_csv_state s, char c)
{
    static const uint8_t table[OD_CSV_STATES][5] = {
        /*                      quote          comma           newline           \\ other */
        [OD_CSV_AT_RECORD] = {OD_CSV_QUOTED, OD_CSV_AT_CELL, OD_CSV_AT_RECORD, OD_CSV_BARE,
                              OD_CSV_BARE},
        [OD_CSV_AT_CELL] = {OD_CSV_QUOTED, OD_CSV_AT_CELL, OD_CSV_AT_RECORD, OD_CSV_BARE,
                            OD_CSV_BARE},
        [OD_CSV_BARE] = {OD_CSV_BARE, OD_CSV_AT_CELL, OD_CSV_AT_RECORD, OD_CSV_BARE, OD_CSV_BARE},
        [OD_CSV_QUOTED] = {OD_CSV_CLOSED, OD_CSV_QUOTED, OD_CSV_QUOTED, OD_CSV_ESCAPED,
                           OD_CSV_QUOTED},
        [OD_CSV_ESCAPED] = {OD_CSV_QUOTED, OD_CSV_QUOTED, OD_CSV_QUOTED, OD_CSV_QUOTED,
                            OD_CSV_QUOTED},
        [OD_CSV_CLOSED] = {OD_CSV_QUOTED, OD_CSV_AT_CELL, OD_CSV_AT_RECORD, OD_CSV_BARE,
                           OD_CSV_BARE},
    };
    return (enum od_csv_state)table[s][c == '"'    ? 0
                                       : c == ','  ? 1
                                       : c == '\n' ? 2
                                       : c == '\\' ? 3
                                                   : 4];
}

static void surveys_agree_with_the_table(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 2);
    static char text[9000];
    for (int round = 0; round < 600; round++) {
        size_t len = od_random_below(&rng, round % 10 ? 200 : sizeof text);
        random_text(&rng, round % 2 ? "ab,\"\\\n" : "abcdefghijklmnopqrstuvwxyz,,,\n\n\"", text,
                    len);
        char *copy = copy_of(text, len);
        struct od_str bytes = {copy, len};
        struct od_csv_survey survey;
        od_csv_survey(bytes, &survey);
        assert_int_equal(survey.newlines, od_csv_kernel_ref.count_newlines(copy, len));
        for (int s = 0; s < OD_CSV_STATES; s++) {
            enum od_csv_state now = (enum od_csv_state)s;
            size_t first = now == OD_CSV_AT_RECORD ? 0 : SIZE_MAX;
            for (size_t i = 0; i < len; i++) {
                now = plain_step(now, copy[i]);
                if (first == SIZE_MAX && now == OD_CSV_AT_RECORD)
                    first = i + 1;
            }
            assert_int_equal(survey.to[s], now);
            assert_int_equal(od_csv_advance((enum od_csv_state)s, bytes), now);
            assert_int_equal(od_csv_first_record((enum od_csv_state)s, bytes), first);
        }
        free(copy);
    }
}

/* --- the header --- */

static struct od_arena arena;

static void header_is(const char *text, const char *names, size_t bytes, uint64_t next_line)
{
    struct od_csv_header h;
    struct od_error err = {0};
    struct od_buf joined;
    od_buf_init(&joined, 1000);
    if (od_csv_header(&arena, od_str_c(text), &h, &err) != OD_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < h.column_count; i++) {
        od_buf_puts(&joined, i ? ";" : "");
        od_buf_str(&joined, h.columns[i]);
    }
    assert_string_equal(joined.ptr, names);
    assert_int_equal(h.bytes, bytes);
    assert_int_equal(h.next_line, next_line);
    od_buf_done(&joined);
}

static void headers_are_read(void **state)
{
    (void)state;
    header_is("A,B\n1,2\n", "A;B", 4, 2);
    header_is("A,B", "A;B", 3, 2);
    header_is(" A , B\t\r\nx", "A;B", 9, 2);
    header_is("\xEF\xBB\xBFUSER_ID,ITEM_ID\r\n", "USER_ID;ITEM_ID", 20, 2);
    header_is("\n\r\n\nA,B\n", "A;B", 8, 5);
    header_is(",A\n", ";A", 3, 2);
    header_is("A\xed\x95\x9c,B\n", "A\xed\x95\x9c;B", 7, 2);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "has none"},
        {"\n\n", "has none"},
        {"\xEF\xBB\xBF", "has none"},
        {"A,B,A\n", "two columns have the name A"},
        {"A, A\n", "two columns have the name A"},
        {"A,,\n", "two columns have the name "},
        {"\"A\",B\n", "without quotes"},
        {"A,\xff\n", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct od_csv_header h;
        struct od_error err = {0};
        assert_int_equal(od_csv_header(&arena, od_str_c(cases[i][0]), &h, &err), OD_INVALID_INPUT);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("\"%s\" lacks \"%s\"", err.message, cases[i][1]);
    }
    size_t len = OD_MAX_CSV_RECORD_BYTES + 10;
    char *text = malloc(len);
    memset(text, 'x', len);
    struct od_csv_header h;
    struct od_error err = {0};
    assert_int_equal(od_csv_header(&arena, (struct od_str){text, len}, &h, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "longer"));
    memset(text, ',', OD_MAX_CSV_COLUMNS);
    text[OD_MAX_CSV_COLUMNS] = '\n';
    assert_int_equal(od_csv_header(&arena, (struct od_str){text, len}, &h, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "10001 columns"));
    free(text);
}

/* --- records --- */

/* What a reader says, as text: cells in [], faults by number. */
static void say_record(const struct od_csv *csv, const struct od_csv_record *r, size_t base,
                       size_t columns, struct od_buf *out)
{
    od_buf_printf(out, "@%zu ", base + r->at);
    if (r->fault) {
        od_buf_printf(out, "!%d", (int)r->fault);
        if (r->fault == OD_CSV_FEW_CELLS || r->fault == OD_CSV_MANY_CELLS)
            od_buf_printf(out, " has %zu", r->cell_count);
        else
            od_buf_printf(out, " at %zu", base + r->fault_at);
    } else {
        assert_int_equal(r->cell_count, columns);
        for (size_t i = 0; i < columns; i++) {
            od_buf_printf(out, "[%zu:", base + od_csv_cell_offset(csv, i));
            od_buf_str(out, r->cells[i]);
            od_buf_char(out, ']');
        }
    }
    od_buf_char(out, '\n');
}

/* Reads bytes in blocks of block bytes the way an import does. */
static void say_blocks(const char *text, size_t len, size_t block, size_t columns,
                       struct od_buf *out)
{
    struct od_csv *csv = od_csv_new(columns);
    enum od_csv_state state = OD_CSV_AT_RECORD;
    for (size_t from = 0; from < len; from += block) {
        size_t owned = len - from < block ? len - from : block, have = owned;
        char *bytes = copy_of(text + from, have);
        struct od_csv_survey survey;
        od_csv_survey((struct od_str){bytes, owned}, &survey);
        size_t begin = od_csv_first_record(state, (struct od_str){bytes, owned});
        state = (enum od_csv_state)survey.to[state];
        if (begin == SIZE_MAX) {
            free(bytes);
            continue;
        }
        struct od_csv_record r;
        od_csv_start(csv, (struct od_str){bytes, have}, begin, owned, from + have == len);
        enum od_csv_step step;
        while ((step = od_csv_next(csv, &r)) != OD_CSV_ENDED) {
            if (step == OD_CSV_GAVE_RECORD) {
                say_record(csv, &r, from, columns, out);
                continue;
            }
            assert_int_equal(step, OD_CSV_NEEDS_MORE);
            size_t more = owned + OD_MAX_CSV_RECORD_BYTES;
            have = len - from < more ? len - from : more;
            char *grown = copy_of(text + from, have);
            od_csv_extend(csv, (struct od_str){grown, have}, from + have == len);
            free(bytes);
            bytes = grown;
        }
        free(bytes);
    }
    od_csv_free(csv);
}

static void reads(const char *text, size_t columns, const char *want)
{
    for (size_t block = 1; block <= strlen(text) + 1; block++) {
        struct od_buf got;
        od_buf_init(&got, 1u << 20);
        od_buf_puts(&got, "");
        say_blocks(text, strlen(text), block, columns, &got);
        if (strcmp(got.ptr ? got.ptr : "", want) != 0)
            fail_msg("%s\nin blocks of %zu gave\n%s", text, block, got.ptr);
        od_buf_done(&got);
    }
}

static void plain_records(void **state)
{
    (void)state;
    reads("a,b\nc,d\n", 2, "@0 [0:a][2:b]\n@4 [4:c][6:d]\n");
    reads("a,b\r\nc,d\r\n", 2, "@0 [0:a][2:b]\n@5 [5:c][7:d]\n");
    reads("a,b\nc,d", 2, "@0 [0:a][2:b]\n@4 [4:c][6:d]\n");
    reads("a,\n,\n,b", 2, "@0 [0:a][2:]\n@3 [3:][4:]\n@5 [5:][6:b]\n");
    reads("\n\r\na,b\n\n\r\nc,d\n\n", 2, "@3 [3:a][5:b]\n@10 [10:c][12:d]\n");
    reads("a,\r\n", 2, "@0 [0:a][2:]\n");
    reads(" a , b \n", 2, "@0 [0: a ][4: b ]\n");
    reads("a\rb,c\\d\n", 2, "@0 [0:a\rb][4:c\\d]\n");
    reads("", 2, "");
    reads("\n", 2, "");
    reads("x\ny", 1, "@0 [0:x]\n@2 [2:y]\n");
}

static void quoted_records(void **state)
{
    (void)state;
    reads("\"a,b\",c\n", 2, "@0 [1:a,b][6:c]\n");
    reads("a,\"b\nc\"\nd,e\n", 2, "@0 [0:a][3:b\nc]\n@8 [8:d][10:e]\n");
    reads("a,\"b\r\nc\"\r\nd,e", 2, "@0 [0:a][3:b\r\nc]\n@10 [10:d][12:e]\n");
    reads("\"a\\\"b\",\"c\\\\\"\n", 2, "@0 [0:a\"b][7:c\\]\n");
    reads("\"a\"\"b\",\"\"\"\"\n", 2, "@0 [0:a\"b][7:\"]\n");
    reads("\"\",\"\"\n", 2, "@0 [1:][4:]\n");
    reads("\"a\\tb\",\"\\\\\\\"\"\n", 2, "@0 [0:a\\tb][7:\\\"]\n");
    reads("a,\"b\"", 2, "@0 [0:a][3:b]\n");
    reads("\"x\",\"\\\\\"\"\"\n1,2\n", 2, "@0 [1:x][4:\\\"]\n@11 [11:1][13:2]\n");
}

static void faults_are_told_and_reading_goes_on(void **state)
{
    (void)state;
    reads("a\nb,c\n", 2, "@0 !1 has 1\n@2 [2:b][4:c]\n");
    reads("a,b,c\nd,e\n", 2, "@0 !2 has 3\n@6 [6:d][8:e]\n");
    reads("a,b,\n", 2, "@0 !2 has 3\n");
    reads("a\"b,c\nd,e\n", 2, "@0 !3 at 1\n@6 [6:d][8:e]\n");
    reads("a, \"b,c\"\nd,e\n", 2, "@0 !3 at 3\n@9 [9:d][11:e]\n");
    reads("\"a\"x,c\nd,e\n", 2, "@0 !4 at 2\n@7 [7:d][9:e]\n");
    reads("\"a\" \"b\",c\n", 2, "@0 !4 at 2\n");
    reads("a,b\nc,\"d\ne\n", 2, "@0 [0:a][2:b]\n@4 !5 at 6\n");
    reads("\"a\\\"", 2, "@0 !5 at 0\n");
    reads("a,\"", 2, "@0 !5 at 2\n");
}

/* A second reader, a byte at a time, to compare with. */
static void say_slowly(const char *text, size_t len, size_t columns, struct od_buf *out)
{
    size_t at = 0;
    while (at < len) {
        if (text[at] == '\n' || (text[at] == '\r' && at + 1 < len && text[at + 1] == '\n')) {
            at += text[at] == '\r' ? 2 : 1;
            continue;
        }
        enum od_csv_state s = OD_CSV_AT_RECORD;
        size_t cells = 0, fault_at = 0, quote_at = 0, close_at = 0, i = at, cell_at = at;
        int fault = 0;
        struct od_buf cell, line;
        od_buf_init(&cell, 1u << 20);
        od_buf_init(&line, 1u << 20);
        bool escapes = false, was_quoted = false, end = false;
        while (!end) {
            enum od_csv_state before = s;
            char c = i < len ? text[i] : '\n';
            end = i == len;
            if (end && (s == OD_CSV_QUOTED || s == OD_CSV_ESCAPED)) {
                fault = OD_CSV_UNTERMINATED;
                fault_at = quote_at;
                break;
            }
            s = plain_step(s, c);
            bool starts = before == OD_CSV_AT_RECORD || before == OD_CSV_AT_CELL;
            if (starts)
                cell_at = i;
            if (s == OD_CSV_QUOTED && starts) {
                quote_at = i;
                was_quoted = true;
            } else if (s == OD_CSV_CLOSED) {
                close_at = i;
            } else if (before == OD_CSV_CLOSED && s == OD_CSV_QUOTED) {
                od_buf_char(&cell, '"');
                escapes = true;
            } else if (s == OD_CSV_ESCAPED) {
            } else if (before == OD_CSV_ESCAPED) {
                if (c != '"' && c != '\\')
                    od_buf_char(&cell, '\\');
                od_buf_char(&cell, c);
                escapes = true;
            } else if (s == OD_CSV_BARE || s == OD_CSV_QUOTED) {
                bool crlf = c == '\r' && i + 1 < len && text[i + 1] == '\n' && s == OD_CSV_BARE;
                if (before == OD_CSV_CLOSED && !crlf && !fault) {
                    fault = OD_CSV_AFTER_QUOTE;
                    fault_at = close_at;
                }
                if (c == '"' && before == OD_CSV_BARE && !was_quoted && !fault) {
                    fault = OD_CSV_STRAY_QUOTE;
                    fault_at = i;
                }
                if (!crlf)
                    od_buf_char(&cell, c);
            } else { /* the cell ends */
                /* where an unescaped quoted cell lies does not matter but for a copied one */
                bool copied =
                    escapes || (was_quoted && cell.ptr && memchr(cell.ptr, '\\', cell.len));
                if (cells < columns)
                    od_buf_printf(&line, "[%zu:%.*s]", cell_at + (was_quoted && !copied),
                                  (int)cell.len, cell.ptr ? cell.ptr : "");
                cells++;
                od_buf_clear(&cell);
                escapes = was_quoted = false;
                end = end || c == '\n';
            }
            i++;
        }
        if (!fault && cells != columns)
            od_buf_printf(out, "@%zu !%d has %zu\n", at, cells < columns ? 1 : 2, cells);
        else if (fault)
            od_buf_printf(out, "@%zu !%d at %zu\n", at, fault, fault_at);
        else
            od_buf_printf(out, "@%zu %s\n", at, line.ptr ? line.ptr : "");
        at = i;
        od_buf_done(&cell);
        od_buf_done(&line);
        if (fault == OD_CSV_UNTERMINATED)
            break;
    }
}

static void any_text_reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 3);
    static const char *const mixes[] = {"ab,,\"\"\n", "a,\n\"\\", "a,\"\n\r", "abcdef,,\n\n\"\\\r",
                                        "a\"\"\"\"\n,,,"};
    char text[120];
    for (int round = 0; round < 30000; round++) {
        size_t len = od_random_below(&rng, sizeof text);
        random_text(&rng, mixes[round % 5], text, len);
        struct od_buf want, got;
        od_buf_init(&want, 1u << 20);
        od_buf_init(&got, 1u << 20);
        say_slowly(text, len, 2, &want);
        size_t block = round % 3 ? 1 + od_random_below(&rng, 40) : sizeof text;
        say_blocks(text, len, block, 2, &got);
        if (!od_str_eq(od_buf_view(&want), od_buf_view(&got)))
            fail_msg("block %zu\n%.*s\nwant\n%s\ngot\n%s", block, (int)len, text,
                     want.ptr ? want.ptr : "", got.ptr ? got.ptr : "");
        od_buf_done(&want);
        od_buf_done(&got);
    }
}

static void long_records_cross_windows_and_blocks(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 4);
    struct od_buf text, want, got;
    od_buf_init(&text, 1u << 26);
    od_buf_init(&want, 1u << 26);
    for (int r = 0; r < 60; r++) {
        size_t len = od_random_below(&rng, 90000);
        size_t at = text.len;
        od_buf_printf(&text, "k%d,\"", r);
        size_t from = text.len;
        for (size_t i = 0; i < len; i++)
            od_buf_char(&text, "abc\n,"[od_random_below(&rng, 5)]);
        od_buf_printf(&want, "@%zu [%zu:k%d][%zu:", at, at, r, from);
        od_buf_str(&want, od_str_sub(od_buf_view(&text), from, len));
        od_buf_puts(&want, "]\n");
        od_buf_puts(&text, r % 2 ? "\"\n" : "\"\r\n\n");
    }
    static const size_t blocks[] = {SIZE_MAX / 2, 1000003, 65536, 16384, 5000};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        od_buf_init(&got, 1u << 26);
        say_blocks(text.ptr, text.len, blocks[b], 2, &got);
        assert_true(od_str_eq(od_buf_view(&want), od_buf_view(&got)));
        od_buf_done(&got);
    }
    od_buf_done(&text);
    od_buf_done(&want);
}

/* A record of len bytes with its newline, then "x,y\n". */
static void one_long_record(size_t len, bool quoted, const char *want)
{
    struct od_buf text, got;
    od_buf_init(&text, 1u << 23);
    od_buf_puts(&text, quoted ? "a,\"" : "a,");
    while (text.len < len - 1 - quoted)
        od_buf_char(&text, 'b');
    od_buf_puts(&text, quoted ? "\"\nx,y\n" : "\nx,y\n");
    static const size_t blocks[] = {SIZE_MAX / 2, 700000, 1u << 20, 4096};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        od_buf_init(&got, 1u << 23);
        say_blocks(text.ptr, text.len, blocks[b], 2, &got);
        if (!od_str_starts(od_buf_view(&got), od_str_c(want)))
            fail_msg("%.200s", got.ptr);
        char next[64];
        snprintf(next, sizeof next, "@%zu [%zu:x][%zu:y]\n", len, len, len + 2);
        assert_true(od_str_ends(od_buf_view(&got), od_str_c(next)));
        od_buf_done(&got);
    }
    od_buf_done(&text);
}

static void records_have_a_longest_length(void **state)
{
    (void)state;
    one_long_record(OD_MAX_CSV_RECORD_BYTES, false, "@0 [0:a][2:b");
    one_long_record(OD_MAX_CSV_RECORD_BYTES, true, "@0 [0:a][3:b");
    one_long_record(OD_MAX_CSV_RECORD_BYTES + 1, false, "@0 !6 at 0\n");
    one_long_record(OD_MAX_CSV_RECORD_BYTES + 2, true, "@0 !7 at 0\n");
    one_long_record(3 * OD_MAX_CSV_RECORD_BYTES, false, "@0 !6 at 0\n");
    one_long_record(3 * OD_MAX_CSV_RECORD_BYTES, true, "@0 !7 at 0\n");
}

static int set_up(void **state)
{
    (void)state;
    od_arena_init(&arena, 1u << 26);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_agree_with_the_reference),
        cmocka_unit_test(surveys_agree_with_the_table),
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(plain_records),
        cmocka_unit_test(quoted_records),
        cmocka_unit_test(faults_are_told_and_reading_goes_on),
        cmocka_unit_test(any_text_reads_the_same_however_it_is_cut),
        cmocka_unit_test(long_records_cross_windows_and_blocks),
        cmocka_unit_test(records_have_a_longest_length),
    };
    return cmocka_run_group_tests_name("csv", tests, set_up, tear_down);
}
