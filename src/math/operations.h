/* How much arithmetic the matrix routines of this process have done: for reports of what training
 * reached against what the machine can do. Only a count: nothing depends on it.
 *
 * A routine adds the operations its header states, once, when it has succeeded. Thread-safe. */
#ifndef OD_MATH_OPERATIONS_H
#define OD_MATH_OPERATIONS_H

#include <stdint.h>

void od_operations_add(double operations);
/* Since the process began. */
uint64_t od_operations_count(void);

#endif
