/* Work over all cores: n independent parts, each done once by some thread.
 *
 * The order in which parts run is not defined, so what they compute must not depend on it; results
 * go to places named by the part, and are reduced in part order afterwards (style rule 20). */
#ifndef OD_OS_PARALLEL_H
#define OD_OS_PARALLEL_H

#include "base/arena.h"
#include "base/error.h"

#include <stddef.h>

/* Cores this process may use (affinity counted), at least 1. */
unsigned od_cpu_count(void);

/* Calls part(context, index, thread) for index 0..count-1 on up to threads threads (0: all cores),
 * thread < threads telling scratch spaces apart. Returns the status of the lowest failing index;
 * after a failure, parts not yet begun are skipped. Failing to start a thread is not an error:
 * the others do its share. */
enum od_status od_parallel(unsigned threads, size_t count,
                           enum od_status (*part)(void *context, size_t index, unsigned thread),
                           void *context) OD_MUST_USE;
/* The same; each part is given an arena of its own, empty and without a bound, in place of its
 * thread. */
enum od_status od_parallel_arenas(unsigned threads, size_t count,
                                  enum od_status (*part)(void *context, size_t index,
                                                         struct od_arena *arena),
                                  void *context) OD_MUST_USE;

#endif
