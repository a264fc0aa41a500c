/* Test files: what some protocols ask is not cut from the interactions but published beside them.
 *
 *   sessions   PREFIX (items joined by |, oldest first) and TARGET, the next item
 *   pairs      USER_ID, ITEM_ID: what each user had in the held-out part */
#ifndef OD_EVAL_TEST_FILE_H
#define OD_EVAL_TEST_FILE_H

#include "base/arena.h"
#include "base/dict.h"
#include "os/io.h"

enum od_test_kind { OD_TEST_NONE, OD_TEST_SESSIONS, OD_TEST_PAIRS };

struct od_test_row {
    struct od_str left;  /* PREFIX or USER_ID; in the file's arena */
    struct od_str right; /* TARGET or ITEM_ID */
};
struct od_test_file {
    enum od_test_kind kind;
    struct od_arena arena;
    struct od_test_row *rows; /* in the file's order */
    size_t count, cap;
    struct od_dict *items; /* all of them, in order of arrival */
    uint64_t hash;         /* of what the file holds */
};

/* OD_INVALID_INPUT names file, line, column and value. out is zeroed on failure. */
enum od_status od_test_file_read(struct od_test_file *out, const struct od_io *io, const char *path,
                                 enum od_test_kind kind, struct od_error *err) OD_MUST_USE;
void od_test_file_done(struct od_test_file *file);

#endif
