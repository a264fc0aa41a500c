/* Parameters in one piece. Written form: uint32 count; a tensor each: name[24], uint32 rows,
 * columns; then the values of each tensor, without the padding between them. See params.h. */
#include "math/nn/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct written {
    char name[24];
    uint32_t rows, columns;
};

static float *zeroed(size_t count)
{
    size_t bytes = (count * sizeof(float) + 63) & ~(size_t)63;
    float *p = aligned_alloc(64, bytes ? bytes : 64);
    if (p)
        memset(p, 0, bytes ? bytes : 64);
    return p;
}

enum od_status od_nn_params_init(struct od_nn_params *params, const struct od_nn_tensor *tensors,
                                 uint32_t count)
{
    *params = (struct od_nn_params){.count = count};
    if (count > OD_NN_TENSORS)
        return OD_LIMIT;
    for (uint32_t t = 0; t < count; t++) {
        params->tensor[t] = tensors[t];
        params->at[t] = params->size;
        size_t floats = (size_t)tensors[t].rows * tensors[t].columns;
        params->size += (floats + OD_NN_ALIGN - 1) / OD_NN_ALIGN * OD_NN_ALIGN;
    }
    params->value = zeroed(params->size);
    return params->value ? OD_OK : OD_NO_MEMORY;
}

void od_nn_params_done(struct od_nn_params *params)
{
    free(params->value);
    *params = (struct od_nn_params){0};
}

float *od_nn_buffer(const struct od_nn_params *params)
{
    return zeroed(params->size);
}

float *od_nn_in(const struct od_nn_params *params, float *buffer, uint32_t tensor)
{
    return buffer + params->at[tensor];
}

const float *od_nn_of(const struct od_nn_params *params, uint32_t tensor)
{
    return params->value + params->at[tensor];
}

size_t od_nn_size(const struct od_nn_params *params, uint32_t tensor)
{
    return (size_t)params->tensor[tensor].rows * params->tensor[tensor].columns;
}

void od_nn_fill_normal(struct od_nn_params *params, uint32_t tensor, double deviation,
                       struct od_random *rng)
{
    float *p = od_nn_in(params, params->value, tensor);
    for (size_t i = 0; i < od_nn_size(params, tensor); i++)
        p[i] = (float)(deviation * od_random_normal(rng));
}

void od_nn_fill_uniform(struct od_nn_params *params, uint32_t tensor, double bound,
                        struct od_random *rng)
{
    float *p = od_nn_in(params, params->value, tensor);
    for (size_t i = 0; i < od_nn_size(params, tensor); i++)
        p[i] = (float)(bound * (2 * od_random_double(rng) - 1));
}

void od_nn_fill(struct od_nn_params *params, uint32_t tensor, float value)
{
    float *p = od_nn_in(params, params->value, tensor);
    for (size_t i = 0; i < od_nn_size(params, tensor); i++)
        p[i] = value;
}

static struct written written_of(const struct od_nn_tensor *t)
{
    struct written w = {.rows = t->rows, .columns = t->columns};
    size_t len = strlen(t->name);
    memcpy(w.name, t->name, len < sizeof w.name ? len : sizeof w.name - 1);
    return w;
}

void od_nn_params_write(const struct od_nn_params *params, struct od_buf *out)
{
    od_buf_put(out, &params->count, sizeof params->count);
    for (uint32_t t = 0; t < params->count; t++) {
        struct written w = written_of(&params->tensor[t]);
        od_buf_put(out, &w, sizeof w);
    }
    for (uint32_t t = 0; t < params->count; t++)
        od_buf_put(out, od_nn_of(params, t), od_nn_size(params, t) * sizeof(float));
}

static bool same_shapes(const struct od_nn_params *params, struct od_str bytes)
{
    uint32_t count;
    if (bytes.len < sizeof count)
        return false;
    memcpy(&count, bytes.ptr, sizeof count);
    size_t head = sizeof count + (size_t)params->count * sizeof(struct written), floats = 0;
    if (count != params->count || bytes.len < head)
        return false;
    for (uint32_t t = 0; t < count; t++) {
        struct written expected = written_of(&params->tensor[t]);
        if (memcmp(bytes.ptr + sizeof count + t * sizeof expected, &expected, sizeof expected) != 0)
            return false;
        floats += od_nn_size(params, t);
    }
    return bytes.len - head == floats * sizeof(float);
}

static bool all_finite(const char *bytes, const char *end)
{
    for (float x; bytes < end; bytes += sizeof x) {
        memcpy(&x, bytes, sizeof x);
        if (!isfinite(x))
            return false;
    }
    return true;
}

enum od_status od_nn_params_read(struct od_nn_params *params, struct od_str bytes,
                                 struct od_error *err)
{
    if (!same_shapes(params, bytes))
        return od_fail(err, OD_CORRUPT, "The weights are not those of this network.");
    const char *from = bytes.ptr + sizeof params->count + params->count * sizeof(struct written);
    if (!all_finite(from, bytes.ptr + bytes.len))
        return od_fail(err, OD_CORRUPT, "A weight is not a finite number.");
    for (uint32_t t = 0; t < params->count; t++) {
        size_t len = od_nn_size(params, t) * sizeof(float);
        if (len)
            memcpy(od_nn_in(params, params->value, t), from, len);
        from += len;
    }
    return OD_OK;
}
