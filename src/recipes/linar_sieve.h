/* The largest entries of sixteen long rows whose columns come one after the other, so that the rows
 * as a whole never exist.
 *
 * Of each row what is not larger than the keep-th largest seen so far is passed over. Candidates
 * gather until there is twice the room that is needed, then the smaller half goes: n columns cost a
 * comparison each, and in a random order about keep log(n / keep) of them more. */
#ifndef OD_RECIPES_LINAR_SIEVE_H
#define OD_RECIPES_LINAR_SIEVE_H

#include "base/error.h"
#include "math/kernels.h"

struct od_linar_sieve {
    const struct od_kernels *vector;
    uint32_t keep, room;
    float limit[OD_PANEL];    /* what a row's entry has to exceed */
    uint32_t count[OD_PANEL]; /* candidates */
    uint32_t *column;         /* [OD_PANEL][room] ascending */
    float *value;
    float *size; /* [room] scratch */
    uint64_t *top;
    void *memory;
};
/* keep: above 0, and at most columns. */
enum od_status od_linar_sieve_init(struct od_linar_sieve *sieve, uint32_t columns,
                                   uint32_t keep) OD_MUST_USE;
void od_linar_sieve_done(struct od_linar_sieve *sieve);

/* Starts anew, for the first `rows` rows of a panel; the others are passed over. */
void od_linar_sieve_reset(struct od_linar_sieve *sieve, size_t rows);

/* Columns first and on, lines of a panel. OD_INVALID_INPUT where a number of the rows asked for is
 * not finite; of the others none may be NaN. */
enum od_status od_linar_sieve_add(struct od_linar_sieve *sieve, uint32_t first, const float *panel,
                                  size_t lines) OD_MUST_USE;

/* Afterwards a row's largest entries, at least keep of them where it has so many that are not 0,
 * are column[row * room] and on, count[row] of them, with equal ones by lower column first. */

#endif
