/* What the tiled routines share: the grid and the progress call. Internal to math. */
#ifndef OD_MATH_TILES_H
#define OD_MATH_TILES_H

#include <pthread.h>

#include "math/cholesky.h"

size_t od_tile_count(size_t n);              /* tiles along a side of n */
size_t od_tile_span(size_t n, size_t first); /* rows of the tile that begins at first */

/* Asks the caller's tick; the second form asks only on the thread that owns the work. */
enum od_status od_tick(const struct od_work *work, double fraction) OD_MUST_USE;
enum od_status od_tick_from(const struct od_work *work, pthread_t owner,
                            double fraction) OD_MUST_USE;

#endif
