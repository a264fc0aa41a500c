/* What a worker process says on its report descriptor: one JSON object a line.
 *   {"progress":0.25,"stage":"reading"}      any number of times
 *   {"result":{...}}                         once, at the end, or
 *   {"error":{"code":"INVALID_INPUT","message":"..."}} */
#ifndef OD_JOBS_REPORT_H
#define OD_JOBS_REPORT_H

#include "base/json.h"
#include "os/io.h"

#define OD_REPORT_LINE_MAX (8u << 20) /* all metrics are about 4 KB; a deletion lists its files */

enum od_report_kind { OD_REPORT_PROGRESS, OD_REPORT_RESULT, OD_REPORT_ERROR };

struct od_report {
    enum od_report_kind kind;
    double fraction;              /* progress, 0 to 1 */
    struct od_str stage;          /* progress */
    const struct od_json *result; /* result */
    struct od_error error;        /* error */
};

/* Writing: to a pipe, whole lines. A reader that has gone is OD_STOPPED: the work should end. */
enum od_status od_report_progress(int fd, double fraction, const char *stage) OD_MUST_USE;
enum od_status od_report_result(int fd, struct od_str json) OD_MUST_USE;
enum od_status od_report_error(int fd, const struct od_error *err) OD_MUST_USE;

/* Reading one line (without its newline). Nonsense is OD_CORRUPT. */
enum od_status od_report_parse(struct od_arena *arena, struct od_str line, struct od_report *out,
                               struct od_error *err) OD_MUST_USE;

#endif
