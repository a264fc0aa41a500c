/* Status codes and the error that travels with them.
 *
 * A function that can fail returns enum od_status; the text and the place in the user's own file go
 * into the caller's struct od_error. Every function taking a struct od_error accepts NULL. */
#ifndef OD_BASE_ERROR_H
#define OD_BASE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

#define OD_MUST_USE           __attribute__((warn_unused_result))
#define OD_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

enum od_status {
#define X(code, text, control, rest, aws) OD_##code,
#include "base/errors.def"
#undef X
    OD_STATUS_COUNT
};

struct od_error {
    enum od_status code;
    uint64_t line;      /* 1-based line in the user's file, 0 when there is none */
    uint32_t column;    /* 1-based column (bytes), 0 when there is none */
    char file[256];     /* the user's file, "" when there is none */
    char message[2048]; /* one sentence for the user; never empty after a failure */
};

/* How a message of OD_IO begins that tells the trouble and no path, so that clients may read it. */
#define OD_DISK_TEXT "The server's disk"

/* The row of errors.def. Static storage. */
struct od_status_info {
    const char *name;          /* "INVALID_INPUT" */
    const char *text;          /* default message */
    const char *aws_exception; /* "" when internal */
    int http_control;          /* awsJson1.1 services */
    int http_rest;             /* rest-json services */
};
const struct od_status_info *od_status_info(enum od_status code);

/* Fills err (when not NULL) and returns code, so that `return od_fail(...)` reads as one thought.
 * fmt NULL takes the code's default text. Longer messages are cut, on a UTF-8 boundary. */
OD_PRINTF(3, 4)
enum od_status od_fail(struct od_error *err, enum od_status code, const char *fmt, ...);

/* od_fail with the code's name and errno's text: "cannot open x: No such file or directory". */
OD_PRINTF(2, 3)
enum od_status od_fail_errno(struct od_error *err, const char *fmt, ...);

/* Copies an error, either side may be NULL. Returns from->code. */
enum od_status od_error_copy(struct od_error *to, const struct od_error *from);

#endif
