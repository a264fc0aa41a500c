/* Random numbers: see random.h. */
#include "base/random.h"

#include <math.h>

#include "base/hash.h"

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

void od_random_init(struct od_random *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix(&seed);
}

void od_random_init2(struct od_random *rng, uint64_t seed, uint64_t stream)
{
    od_random_init(rng, od_hash_mix(seed, stream));
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t od_random_u64(struct od_random *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t od_random_below(struct od_random *rng, uint64_t n)
{
    /* Lemire 2019, "Fast random integer generation in an interval", algorithm 5 */
    __uint128_t m = (__uint128_t)od_random_u64(rng) * n;
    if ((uint64_t)m < n) {
        uint64_t floor = (0 - n) % n;
        while ((uint64_t)m < floor)
            m = (__uint128_t)od_random_u64(rng) * n;
    }
    return (uint64_t)(m >> 64);
}

double od_random_double(struct od_random *rng)
{
    return (double)(od_random_u64(rng) >> 11) * 0x1p-53;
}

double od_random_normal(struct od_random *rng)
{
    double u = 1.0 - od_random_double(rng);
    double v = od_random_double(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

double od_random_exponential(struct od_random *rng)
{
    return -log(1.0 - od_random_double(rng));
}
