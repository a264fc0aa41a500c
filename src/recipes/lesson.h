/* Lessons that are a row of numbers (part.h): how a configuration is read back. */
#ifndef OD_RECIPES_LESSON_H
#define OD_RECIPES_LESSON_H

#include <stdbool.h>

#include "base/str.h"

/* out[count]: the numbers of the text, one space between two, number k from 0 to most[k]. False
 * when they are fewer or more, or one is not such a number; out is then undefined. */
bool od_lesson_numbers(struct od_str text, const double *most, size_t count, double *out);

#endif
