/* Protocols: which events are trained on, who is asked what, and how lists are judged. The reasons
 * and what published figures they compare with are in docs/eval.md. */
#ifndef OD_EVAL_PROTOCOL_H
#define OD_EVAL_PROTOCOL_H

#include "eval/ask.h"
#include "eval/test_file.h"

struct od_protocol_input {
    const struct od_training *full;
    struct od_table *items; /* full's item_table, where it may be changed (cold); or NULL */
    const struct od_test_file *test; /* NULL: none was given */
    uint64_t seed;
    uint32_t folds;               /* of protocols that have some; at least 1 */
    bool relaxed;                 /* loo: training has the event before last too */
    bool target_time;             /* queries know the time of the event to be predicted */
    double cut;                   /* time: share of the events before the cut, in (0, 1) */
    struct od_str segment_column; /* segment: questions are values of it; absent: items */
    uint32_t most;                /* questions of a fold at most, spread evenly; 0: all */
};

struct od_protocol {
    const char *name;                     /* "loo" */
    const char *summary;                  /* one line */
    const struct od_list_metric *metrics; /* ends with one without a name */
    uint32_t variants;                    /* bits, 1 << enum od_list_variant */
    uint32_t groups;                      /* bits, 1 << enum od_exam_group */
    /* What the protocol is known by, for pictures and short tables. */
    size_t shown_metric;
    enum od_list_variant shown_lists;
    bool folded;   /* make is called for several folds */
    bool timed;    /* makes no sense where no TIMESTAMP tells when events were */
    bool targeted; /* queries may know the time of what is to be predicted */
    bool chance;   /* chance is a baseline too: where popularity knows nothing */
    bool segments; /* for recipes that list users: eval/segments.h; make is NULL */
    enum od_test_kind test;
    /* OD_INVALID_INPUT when the data have nothing to ask. */
    enum od_status (*make)(const struct od_protocol_input *input, uint32_t fold,
                           struct od_exam *out, struct od_error *err);
};

extern const struct od_protocol od_protocol_aws_internal, od_protocol_aws_external;
extern const struct od_protocol od_protocol_aws_internal_last;
extern const struct od_protocol od_protocol_loo, od_protocol_time, od_protocol_cold;
extern const struct od_protocol od_protocol_segment, od_protocol_trend;
extern const struct od_protocol od_protocol_session, od_protocol_cf;

/* NULL past the end; NULL when unknown. */
const struct od_protocol *od_protocol_at(size_t index);
const struct od_protocol *od_protocol_find(struct od_str name);

size_t od_protocol_metric_count(const struct od_protocol *protocol);

/* --- shared by the protocols --- */

/* Amazon's: P@5, 10, 25, MRR@25, both NDCGs at 5, 10, 25. */
extern const struct od_list_metric od_metrics_aws[];

/* The events a user's first part has when 9n/10 (rounded down) of n are kept. */
uint64_t od_protocol_nine_tenths(uint64_t n);

/* An exam whose training part is the first keep[u] events of every user, and whose questions are
 * those users, asked so. keep and users stay the caller's. */
enum od_status od_protocol_prefix_exam(const struct od_protocol_input *input, const uint64_t *keep,
                                       const struct od_exam_user *users, uint32_t count,
                                       const struct od_exam_asking *asking, struct od_exam *out,
                                       struct od_error *err) OD_MUST_USE;

/* Questions of users at the time of their last input, or knowing that of the target. */
struct od_exam_asking od_protocol_asking(const struct od_protocol_input *input);

/* The time of the event before which that share of the events lies; later than the first event.
 * OD_INVALID_INPUT when there is no such time. */
enum od_status od_protocol_cut(const struct od_training *full, double share, int64_t *out,
                               struct od_error *err) OD_MUST_USE;
/* The events before that time. */
enum od_status od_protocol_before(const struct od_training *full, int64_t time,
                                  struct od_training **out, struct od_error *err) OD_MUST_USE;

#endif
