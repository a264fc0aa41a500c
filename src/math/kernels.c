/* Which kernels this CPU runs. The probe reads CPUID words libgcc keeps since start, so asking
 * again costs a few loads and nothing needs to be remembered here. See kernels.h. */
#include "math/kernels.h"

const struct od_kernels *od_kernels_best(void)
{
    const struct od_kernels *k = od_kernels_avx512();
    if (!k)
        k = od_kernels_avx2();
    return k ? k : &od_kernels_reference;
}
