/* What OpenBLAS is told of a CPU that it does not know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "math/blas.h"

static void a_known_cpu_is_left_alone(void **state)
{
    (void)state;
    static const char *const known[] = {"Haswell",     "Zen",     "SkylakeX",
                                        "Sandybridge", "Nehalem", "armv8"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_null(od_blas_core(known[i], true, true));
}

static void a_cpu_without_avx2_is_what_it_is_taken_for(void **state)
{
    (void)state;
    assert_null(od_blas_core("Prescott", false, false));
    assert_null(od_blas_core("Barcelona", false, false));
}

static void a_young_cpu_is_told_by_its_instructions(void **state)
{
    (void)state;
    assert_string_equal(od_blas_core("Prescott", true, false), "Haswell");
    assert_string_equal(od_blas_core("Prescott", true, true), "SkylakeX");
    assert_string_equal(od_blas_core("Barcelona", true, true), "SkylakeX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_cpu_is_left_alone),
        cmocka_unit_test(a_cpu_without_avx2_is_what_it_is_taken_for),
        cmocka_unit_test(a_young_cpu_is_told_by_its_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
