/* Strings: a borrowed slice and a growable buffer.
 *
 * struct od_str borrows: it never owns its bytes, is not NUL-terminated, and ptr NULL means absent
 * (an empty string has ptr != NULL and len 0).
 *
 * struct od_buf owns and grows up to a stated maximum. Appends after a failure do nothing, so a
 * writer appends freely and asks od_buf_status() once at its end (curl's dynbuf). */
#ifndef OD_BASE_STR_H
#define OD_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_str {
    const char *ptr;
    size_t len;
};

#define OD_STR(literal) ((struct od_str){"" literal, sizeof(literal) - 1})
#define OD_STR_NONE     ((struct od_str){NULL, 0})
#define OD_STR_ARG(s)   (int)(s).len, (s).ptr ? (s).ptr : "" /* for "%.*s" */

struct od_str od_str_c(const char *text); /* NULL gives OD_STR_NONE */
bool od_str_eq(struct od_str a, struct od_str b);
bool od_str_eq_c(struct od_str a, const char *b);
bool od_str_eq_nocase(struct od_str a, struct od_str b); /* ASCII letters only */
bool od_str_starts(struct od_str s, struct od_str prefix);
bool od_str_ends(struct od_str s, struct od_str suffix);
int od_str_cmp(struct od_str a, struct od_str b); /* byte order, shorter first */
struct od_str od_str_trim(struct od_str s);       /* ASCII white space at both ends */
struct od_str od_str_sub(struct od_str s, size_t from, size_t len); /* clamped */
/* Index of c at or after from, or SIZE_MAX. */
size_t od_str_find(struct od_str s, char c, size_t from);
/* Splits at the first sep: the part before goes to head, the rest stays in *rest.
 * False when *rest was absent (all parts taken). */
bool od_str_cut(struct od_str *rest, char sep, struct od_str *head);

/* Whole-slice number parsing: no white space, no sign but '-' or '+', no trailing bytes.
 * False (output untouched) on anything else or on overflow. Doubles must be finite. */
bool od_str_to_i64(struct od_str s, int64_t *out);
bool od_str_to_u64(struct od_str s, uint64_t *out);
bool od_str_to_double(struct od_str s, double *out);

/* Code points of valid UTF-8 text; bytes that are no lead byte are not counted. */
size_t od_utf8_count(struct od_str s);
/* Offset of the first byte that is not well-formed UTF-8 (RFC 3629), or s.len when all is. */
size_t od_utf8_check(struct od_str s);

struct od_buf {
    char *ptr; /* NULL until the first append; always NUL-terminated after */
    size_t len;
    size_t cap;
    size_t max;            /* bytes it may hold */
    enum od_status status; /* first failure: OD_TOO_LARGE or OD_NO_MEMORY */
};

void od_buf_init(struct od_buf *buf, size_t max);
void od_buf_done(struct od_buf *buf);
void od_buf_clear(struct od_buf *buf); /* empties and forgets a failure, keeps the memory */
void od_buf_put(struct od_buf *buf, const void *bytes, size_t len);
void od_buf_puts(struct od_buf *buf, const char *text);
void od_buf_str(struct od_buf *buf, struct od_str s);
void od_buf_char(struct od_buf *buf, char c);
OD_PRINTF(2, 3) void od_buf_printf(struct od_buf *buf, const char *fmt, ...);
/* s as a JSON string with its quotes; ill-formed UTF-8 becomes U+FFFD. */
void od_buf_json(struct od_buf *buf, struct od_str s);
/* Shortest decimal that reads back as the same double; a finite value only (else null). */
void od_buf_double(struct od_buf *buf, double value);
/* Of a finite value: the text's length, without a final 0. From 1e-4 to below 1e15 there is no
 * exponent. */
#define OD_DOUBLE_TEXT 32
size_t od_double_text(double value, char text[OD_DOUBLE_TEXT]);
/* Room for len more bytes at buf->ptr + buf->len, or NULL after a failure; od_buf_commit takes
 * them. */
char *od_buf_reserve(struct od_buf *buf, size_t len);
void od_buf_commit(struct od_buf *buf, size_t len);
enum od_status od_buf_status(const struct od_buf *buf) OD_MUST_USE;
struct od_str od_buf_view(const struct od_buf *buf); /* valid until the next append */

#endif
