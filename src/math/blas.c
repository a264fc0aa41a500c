/* See blas.h. */
#include "math/blas.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char variable[] = "OPENBLAS_CORETYPE";

const char *od_blas_core(const char *name, bool avx2, bool avx512)
{
    if (strcmp(name, "Prescott") != 0 && strcmp(name, "Barcelona") != 0)
        return NULL;
    return avx512 ? "SkylakeX" : avx2 ? "Haswell" : NULL;
}

#if defined __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
static bool has_avx2(void)
{
    return false;
}

static bool has_avx512(void)
{
    return false;
}
#endif

void od_blas_know_cpu(char **argv)
{
    char path[PATH_MAX];
    const char *core = od_blas_core(openblas_get_corename(), has_avx2(), has_avx512());
    if (!core || getenv(variable) || getauxval(AT_BASE) == 0) /* 0: the loader is the program */
        return;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0 || setenv(variable, core, 1) != 0)
        return;
    path[length] = 0;
    execv(path, argv);
}
