// Doubles as text, by C++'s charconv: see str.h. This file is C++ only because charconv is; printf
// and strtod, which C has, take ten times as long to find the shortest text, and an answer has a
// score an item.
extern "C" {
#include "base/str.h"
}

#include <charconv>
#include <cmath>

extern "C" size_t od_double_text(double value, char text[OD_DOUBLE_TEXT])
{
    double size = std::fabs(value);
    auto format = size == 0 || (size >= 1e-4 && size < 1e15) ? std::chars_format::fixed
                                                             : std::chars_format::scientific;
    return static_cast<size_t>(std::to_chars(text, text + OD_DOUBLE_TEXT, value, format).ptr -
                               text);
}
