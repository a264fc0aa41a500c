/* A token bucket of one second: so many tokens a second, and so many at once after a pause.
 *
 * Kept as one number, the time from which on the next token is not yet paid for (the "virtual
 * scheduling" form of the generic cell rate algorithm, ITU-T I.371 annex A), so taking a token is
 * one compare and exchange, on any thread. Times are monotonic nanoseconds. */
#ifndef OD_API_BUCKET_H
#define OD_API_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct od_bucket {
    _Atomic int64_t rate; /* tokens a second; 0: never one */
    _Atomic int64_t paid_ns;
};

void od_bucket_init(struct od_bucket *bucket, int64_t rate); /* full */
/* Other tokens from now on; what is in it stays. */
void od_bucket_set_rate(struct od_bucket *bucket, int64_t rate);
bool od_bucket_has(const struct od_bucket *bucket, int64_t now_ns);
bool od_bucket_take(struct od_bucket *bucket, int64_t now_ns);

#endif
