/* The reference kernels: see csv_kernel.h. */
#include "data/csv_kernel.h"

static size_t index_ref(const char *bytes, size_t len, uint32_t *index, int *out_plain)
{
    size_t n = 0;
    int plain = 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == ',' || c == '"' || c == '\n')
            index[n++] = (uint32_t)i;
        plain &= c != 0 && c < 0x80;
    }
    *out_plain = plain;
    return n;
}

static uint64_t count_ref(const char *bytes, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += bytes[i] == '\n';
    return n;
}

const struct od_csv_kernel od_csv_kernel_ref = {"plain", index_ref, count_ref};
