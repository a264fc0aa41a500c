/* See bucket.h. A token costs 1/rate seconds. The bucket is full when a second is unpaid for, and
 * never fuller; a token may be had when the cost of it fits between what is paid and now. */
#include "api/bucket.h"

#define SECOND_NS 1000000000LL

void od_bucket_init(struct od_bucket *bucket, int64_t rate)
{
    atomic_init(&bucket->rate, rate);
    atomic_init(&bucket->paid_ns, INT64_MIN / 2);
}

void od_bucket_set_rate(struct od_bucket *bucket, int64_t rate)
{
    atomic_store_explicit(&bucket->rate, rate, memory_order_relaxed);
}

/* paid_ns after one more token; false: there is none. */
static bool next(int64_t rate, int64_t paid_ns, int64_t now_ns, int64_t *out)
{
    if (rate <= 0)
        return false;
    int64_t full = now_ns - SECOND_NS;
    *out = (paid_ns > full ? paid_ns : full) + SECOND_NS / rate;
    return *out <= now_ns;
}

bool od_bucket_has(const struct od_bucket *bucket, int64_t now_ns)
{
    int64_t after;
    return next(atomic_load_explicit(&bucket->rate, memory_order_relaxed),
                atomic_load_explicit(&bucket->paid_ns, memory_order_relaxed), now_ns, &after);
}

bool od_bucket_take(struct od_bucket *bucket, int64_t now_ns)
{
    int64_t rate = atomic_load_explicit(&bucket->rate, memory_order_relaxed);
    int64_t paid = atomic_load_explicit(&bucket->paid_ns, memory_order_relaxed), after;
    do {
        if (!next(rate, paid, now_ns, &after))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->paid_ns, &paid, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
