/* What a piece of work costs this process: time, and memory at its peak. */
#ifndef OD_EVAL_COST_H
#define OD_EVAL_COST_H

#include "os/io.h"

struct od_cost {
    double seconds;
    uint64_t peak_bytes; /* resident at most while it ran, beyond what was resident when it began;
                            0: the system does not tell */
    double operations;   /* floating-point operations of matrix routines; 0: none were counted */
};

/* Begin and end on one thread; nothing else should run in between. */
struct od_cost_watch {
    const struct od_io *io;
    int64_t begun_ns;
    uint64_t resident;     /* 0: unknown */
    uint64_t earlier_peak; /* of something before, where the system could not forget it */
    uint64_t operations;   /* counted before */
};
void od_cost_begin(struct od_cost_watch *watch, const struct od_io *io);
void od_cost_end(const struct od_cost_watch *watch, struct od_cost *out);

#endif
