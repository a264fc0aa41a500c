/* Results for people and for programs. Text is appended to out; its status is the caller's to ask.
 */
#ifndef OD_EVAL_REPORT_H
#define OD_EVAL_REPORT_H

#include "eval/run.h"

/* Aligned tables: figures of each kind of lists with intervals, then costs. */
void od_report_text(const struct od_eval_result *result, struct od_buf *out);
/* One JSON object with everything; docs/eval.md has its members. */
void od_report_json(const struct od_eval_result *result, struct od_buf *out);
/* A picture: the protocol's best-known metric against training time. */
void od_report_svg(const struct od_eval_result *result, struct od_buf *out);

#endif
