/* The terms of a blend: shapes of parts' scores, and what a history says of its own items. */
#include <math.h>
#include <string.h>

#include "recipes/blend_model.h"

/* Below 0 a part says "not this": kept in order, far below what any positive score gives. */
#define NEGATIVE_SLOPE 0.01f

/* ln m for m in [1, 2) as the odd series of artanh((m - 1) / (m + 1)) around the middle:
 * x = c e^(2 artanh(t)), t = (m - c) / (m + c), c = sqrt(2), |t| <= 0.172; five terms leave an
 * error below 1e-9, rounding more. */
float od_blend_log(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float exponent = (float)((int32_t)(bits >> 23) - 127);
    bits = (bits & 0x007fffffu) | 0x3f800000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    float t = (m - 1.41421356f) / (m + 1.41421356f), q = t * t;
    float series = 2 * t * (1 + q * (1.f / 3 + q * (1.f / 5 + q * (1.f / 7 + q * (1.f / 9)))));
    return exponent * 0.69314718f + (0.34657359f + series);
}

static float floor_of(enum od_blend_shape shape)
{
    return shape == OD_BLEND_LOG1 ? .1f : shape == OD_BLEND_LOG2 ? .01f : .001f;
}

void od_blend_shape_add(enum od_blend_shape shape, float scale, float weight, const float *s,
                        uint32_t count, float *y)
{
    enum { LANES = 16 }; /* a fixed length, so that the compiler makes vectors of it */
    float by = 1 / scale, least = floor_of(shape);
    uint32_t i = 0;
    if (shape == OD_BLEND_LINEAR) {
        for (; i < count; i++)
            y[i] += weight * (s[i] * by);
        return;
    }
    for (; i + LANES <= count; i += LANES) {
        float v[LANES];
        for (int l = 0; l < LANES; l++) {
            float x = s[i + l] * by, up = x > 0 ? x : 0, down = x < 0 ? x : 0;
            v[l] = od_blend_log(up + least) + NEGATIVE_SLOPE * down;
        }
        for (int l = 0; l < LANES; l++)
            y[i + l] += weight * v[l];
    }
    for (; i < count; i++) {
        float x = s[i] * by, up = x > 0 ? x : 0, down = x < 0 ? x : 0;
        y[i] += weight * (od_blend_log(up + least) + NEGATIVE_SLOPE * down);
    }
}

float od_blend_length(size_t events)
{
    enum { MOST = 200 };
    return (od_blend_log((float)(1 + (events < MOST ? events : MOST))) * 1.44269504f - 3) / 2;
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
    return od_blend_log(1 + hours_between(from_s, to_s)) * 1.44269504f / 4;
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
