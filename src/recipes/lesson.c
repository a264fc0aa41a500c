/* Reading rows of numbers: see lesson.h. */
#include "recipes/lesson.h"

bool od_lesson_numbers(struct od_str text, const double *most, size_t count, double *out)
{
    struct od_str rest = text, cell;
    size_t n = 0;
    for (; od_str_cut(&rest, ' ', &cell); n++)
        if (n == count || !od_str_to_double(cell, &out[n]) || !(out[n] >= 0 && out[n] <= most[n]))
            return false;
    return n == count;
}
