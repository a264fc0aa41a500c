/* The terms of a blend: shapes of parts' scores, and what a history says of its own items. */
#include <math.h>

#include "math/nn/vector.h"
#include "recipes/blend_model.h"

/* Below 0 a part says "not this": kept in order, far below what any positive score gives. */
#define NEGATIVE_SLOPE 0.01f

static float floor_of(enum od_blend_shape shape)
{
    return shape == OD_BLEND_LOG1 ? .1f : shape == OD_BLEND_LOG2 ? .01f : .001f;
}

void od_blend_shape_add(enum od_blend_shape shape, float scale, float weight, const float *s,
                        uint32_t count, float *y)
{
    float by = 1 / scale;
    const struct od_nn_log_shape log = {by, floor_of(shape), NEGATIVE_SLOPE, weight};
    if (shape != OD_BLEND_LINEAR)
        od_nn_vector_best()->log_add(y, s, &log, count);
    for (uint32_t i = 0; shape == OD_BLEND_LINEAR && i < count; i++)
        y[i] += weight * (s[i] * by);
}

float od_blend_length(size_t events)
{
    enum { MOST = 200 };
    return (od_nn_log((float)(1 + (events < MOST ? events : MOST))) * 1.44269504f - 3) / 2;
}

static float hours_between(int64_t from_s, int64_t to_s)
{
    int64_t gap;
    if (__builtin_sub_overflow(to_s, from_s, &gap))
        gap = to_s > from_s ? INT64_MAX : 0;
    return gap > 0 ? (float)gap / 3600 : 0;
}

float od_blend_pause_between(int64_t from_s, int64_t to_s)
{
    return od_nn_log(1 + hours_between(from_s, to_s)) * 1.44269504f / 4;
}

float od_blend_pause(const struct od_query *query)
{
    if (query->event_count == 0)
        return 0;
    return od_blend_pause_between(query->events[query->event_count - 1].time, query->now_s);
}

size_t od_blend_repeats(const struct od_query *query, uint32_t item_count, float *mark,
                        struct od_blend_repeat *out)
{
    const struct od_past_event *event = query->events;
    size_t n = 0;
    for (size_t e = 0; e < query->event_count; e++)
        if (event[e].item < item_count)
            mark[event[e].item] = 0;
    for (size_t e = 0; e < query->event_count; e++)
        if (event[e].item < item_count)
            mark[event[e].item]++;
    for (size_t e = query->event_count; e-- > 0;) {
        uint32_t item = event[e].item;
        if (item >= item_count || mark[item] < 0)
            continue;
        out[n++] = (struct od_blend_repeat){
            .item = item,
            .feature = {[OD_BLEND_REPEAT] = 1,
                        [OD_BLEND_STEPS] = log2f((float)(query->event_count - e)),
                        [OD_BLEND_COUNT] = log2f(mark[item]),
                        [OD_BLEND_HOURS] = log2f(1 + hours_between(event[e].time, query->now_s))},
        };
        mark[item] = -1;
    }
    return n;
}
