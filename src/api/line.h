/* The line of an HTTP thread: runtime requests that have been checked and wait to be answered.
 * Which is next is said in line.c. Only its thread touches a line; accounts are shared
 * (capacity.h). */
#ifndef OD_API_LINE_H
#define OD_API_LINE_H

#include "api/capacity.h"

#define OD_LINE_BATCH 64
/* Of one helping: what comes meanwhile waits no longer. Of requests that share work, eight times as
 * much: a pass over a million items pays only when many go along. */
#define OD_LINE_BUDGET_NS 5000000

struct od_line_item { /* embed */
    struct od_line_item *next;
    struct od_account *account; /* a reference, the item's */
    int64_t since_ns;           /* monotonic */
    int64_t charged_ns;         /* of spare capacity, by estimate */
    bool reserved;              /* holds a token of its campaign's floor */
};

struct od_line {
    unsigned thread; /* whose lanes it uses */
    struct od_lane *first;
    size_t length;
};

void od_line_add(struct od_line *line, struct od_line_item *item);
/* The next items to answer, at least one unless the line is empty, at most OD_LINE_BATCH and about
 * OD_LINE_BUDGET_NS of work; those of one campaign side by side, in order of arrival. */
size_t od_line_take(struct od_line *line, int64_t now_ns, struct od_line_item **out);
/* Takes those out that have waited longer than patience_ns and have no part in their campaign's
 * floor: a list. */
struct od_line_item *od_line_expire(struct od_line *line, int64_t now_ns, int64_t patience_ns);
/* All that are left: a list. */
struct od_line_item *od_line_clear(struct od_line *line);
/* count items of the account took busy_ns, of which charged_ns were charged beforehand to the
 * charged_count of them that were answered from spare capacity. */
void od_line_settle(struct od_account *account, size_t count, size_t charged_count,
                    int64_t charged_ns, int64_t busy_ns);

#endif
