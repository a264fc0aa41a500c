/* The count. It is the one number of this library that is not its caller's: like the thread count
 * that od_math_init sets, it belongs to the process, and routines deep in a recipe have no path to
 * whoever asks. */
#include "math/operations.h"

#include <stdatomic.h>

static _Atomic uint64_t count;

void od_operations_add(double operations)
{
    atomic_fetch_add_explicit(&count, (uint64_t)operations, memory_order_relaxed);
}

uint64_t od_operations_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}
