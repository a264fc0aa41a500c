/* A fast 64-bit hash of bytes, for tables and for checksums of files we wrote ourselves.
 * Not cryptographic. The same bytes and seed give the same value on every machine (little-endian).
 */
#ifndef OD_BASE_HASH_H
#define OD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t od_hash(const void *bytes, size_t len, uint64_t seed);
uint64_t od_hash_mix(uint64_t a, uint64_t b); /* two words to one, well spread */

#endif
