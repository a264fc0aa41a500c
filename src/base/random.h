/* Reproducible random numbers: xoshiro256** 1.0 (Blackman, Vigna 2018), seeded by splitmix64.
 * The same seed gives the same numbers on every machine. Not for secrets: see od_io for those. */
#ifndef OD_BASE_RANDOM_H
#define OD_BASE_RANDOM_H

#include <stdint.h>

struct od_random {
    uint64_t state[4];
};

void od_random_init(struct od_random *rng, uint64_t seed);
/* An independent stream for a part of the work, so that parts may run in any order. */
void od_random_init2(struct od_random *rng, uint64_t seed, uint64_t stream);
uint64_t od_random_u64(struct od_random *rng);
uint64_t od_random_below(struct od_random *rng, uint64_t n); /* [0, n), unbiased; n > 0 */
double od_random_double(struct od_random *rng);              /* [0, 1), 53 bits */
double od_random_normal(struct od_random *rng);              /* mean 0, variance 1 */
double od_random_exponential(struct od_random *rng);         /* mean 1 */

#endif
