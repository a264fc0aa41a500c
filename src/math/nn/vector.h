/* Element-wise inner loops of networks, one table per instruction set.
 *
 * Arrays of one call are distinct unless said otherwise and need no alignment. exp is accurate to
 * 3e-7 relative for arguments in [-87, 88]; below -87.3 it gives 0 or a number under 2e-38, above
 * 88 about 1.6e38, never an infinity. sigmoid and tanh are within 3e-7 absolute. Tables agree with
 * the reference to the same bounds; sums are in the order of the table. Constant, safe from any
 * thread. */
#ifndef OD_MATH_VECTOR_H
#define OD_MATH_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/* One step of Adam (Kingma, Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov, Hutter
 * 2019, algorithm 2): g = scale given, m = b1 m + (1-b1) g,
 * v = b2 v + (1-b2) g^2,
 * w -= rate (m / (1-b1^t) / (sqrt(v / (1-b2^t)) + epsilon) + decay w). */
struct od_nn_adam {
    float rate, beta1, beta2, epsilon;
    float decay;
    float scale;              /* of the gradients as they come: clipping, means */
    float correct1, correct2; /* 1 / (1-b1^t), 1 / (1-b2^t): od_nn_adam_at */
};

/* Of log_add. */
struct od_nn_log_shape {
    float by, least, slope, weight;
};

/* ln x for finite x > 0 of normal size, to 2e-6 + 1e-6 |ln x|: the same on every machine. */
float od_nn_log(float x);

/* splitmix64's finaliser (Steele, Lea, Flood 2014): a bijection that leaves no visible pattern. */
uint64_t od_nn_mix(uint64_t x);
#define OD_NN_GOLDEN 0x9e3779b97f4a7c15u

struct od_nn_vector {
    const char *name; /* "reference", "avx2" */
    /* As those of math/kernels.h; here because networks call them for short rows, and asking which
     * table runs is cheaper for this one (no CPUID instruction, which traps in virtual machines).
     */
    void (*axpy)(float *y, const float *x, float a, size_t count);
    float (*dot)(const float *x, const float *y, size_t count);
    /* out[r] = the dot product of x and y[r], r < rows, four of them in one pass over x */
    void (*dots)(float *out, const float *x, const float *const *y, size_t rows, size_t count);
    /* y = a b, element by element; y may be a or b */
    void (*mul)(float *y, const float *a, const float *b, size_t count);
    /* x *= by */
    void (*scale)(float *x, float by, size_t count);
    /* x[i] is multiplied by 0 where the (i % 4)-th 16 bits, lowest first, of od_nn_mix(key +
     * (i / 4 + 1) OD_NN_GOLDEN) are below limit, else by keep: the same bits in every table. limit
     * < 65536 */
    void (*dropout)(float *x, size_t count, uint32_t limit, float keep, uint64_t key);
    /* y = f(x); y may be x */
    void (*exp)(float *y, const float *x, size_t count);
    void (*sigmoid)(float *y, const float *x, size_t count);
    void (*tanh)(float *y, const float *x, size_t count);
    /* -INFINITY for no entry */
    float (*largest)(const float *x, size_t count);
    /* x = exp(x - shift); returns their sum. An entry of -INFINITY becomes 0. */
    float (*exp_sum)(float *x, float shift, size_t count);
    /* y = scale od_nn_log(x), the same bits in every table; y may be x */
    void (*log)(float *y, const float *x, float scale, size_t count);
    /* y += weight (od_nn_log(max(by x, 0) + least) + slope min(by x, 0)), least > 0: likewise */
    void (*log_add)(float *y, const float *x, const struct od_nn_log_shape *shape, size_t count);
    /* y = gate sigmoid(gate) up (SwiGLU; Shazeer 2020) */
    void (*silu_mul)(float *y, const float *gate, const float *up, size_t count);
    /* its gradients, overwritten; dgate, dup may be gate, up */
    void (*silu_mul_back)(float *dgate, float *dup, const float *dy, const float *gate,
                          const float *up, size_t count);
    /* One row of a gated recurrent unit (Cho et al. 2014, the reset gate after the product):
     * r = sigmoid(x_r + u_r), z = sigmoid(x_z + u_z), n = tanh(x_n + r u_n),
     * out = (1 - z) n + z h. x, u: [3 count] in the order r, z, n; kept: [4 count] r, z, n, u_n for
     * the way back. out may be h. */
    void (*gru)(size_t count, const float *x, const float *u, const float *h, float *kept,
                float *out);
    /* Its gradients, overwritten: dx, du [3 count]; dh = dout z, the direct path alone. dh may be
     * dout. */
    void (*gru_back)(size_t count, const float *kept, const float *h, const float *dout, float *dx,
                     float *du, float *dh);
    /* h = a before + b; h may be b or before */
    void (*scan)(float *h, const float *a, const float *before, const float *b, size_t count);
    /* da = dh before, dbefore += a dh */
    void (*scan_back)(float *da, float *dbefore, const float *dh, const float *a,
                      const float *before, size_t count);
    void (*adam)(float *w, float *m, float *v, const float *g, size_t count,
                 const struct od_nn_adam *step);
    /* sum_sq = sum g^2; w -= rate g / sqrt(sum_sq + epsilon) (Duchi et al. 2011) */
    void (*adagrad)(float *w, float *sum_sq, const float *g, size_t count, float rate,
                    float epsilon);
};

extern const struct od_nn_vector od_nn_vector_reference;
const struct od_nn_vector *od_nn_vector_avx2(void); /* NULL where the CPU has none */
/* The widest table this CPU runs. A wider one than AVX2 would not pay: these loops are a few per
 * cent of a training whose matrix products BLAS runs at full width. */
const struct od_nn_vector *od_nn_vector_best(void);

#endif
