/* The checksums of objects: S3's five kinds, and MD5, which makes the ETag. */
#ifndef OD_S3_CHECKSUM_H
#define OD_S3_CHECKSUM_H

#include <openssl/evp.h>

#include "base/str.h"

enum od_checksum_kind {
    OD_CHECKSUM_NONE,
    OD_CHECKSUM_CRC32,
    OD_CHECKSUM_CRC32C,
    OD_CHECKSUM_CRC64NVME,
    OD_CHECKSUM_SHA1,
    OD_CHECKSUM_SHA256,
    OD_CHECKSUM_MD5, /* not one that a client can ask for by name */
    OD_CHECKSUM_KINDS
};
#define OD_CHECKSUM_MAX_BYTES 32
#define OD_CHECKSUM_TEXT      49 /* base64 of the longest, and a NUL */

/* "CRC32" in any case; OD_CHECKSUM_NONE when it is none of the five. */
enum od_checksum_kind od_checksum_named(struct od_str name);
const char *od_checksum_name(enum od_checksum_kind kind);    /* "CRC32"; "" for none */
const char *od_checksum_header(enum od_checksum_kind kind);  /* "x-amz-checksum-crc32" */
const char *od_checksum_element(enum od_checksum_kind kind); /* "ChecksumCRC32" */
size_t od_checksum_bytes(enum od_checksum_kind kind);

/* 48 KB, shared by all that compute; free() it. NULL when out of memory. */
struct od_crc_tables;
struct od_crc_tables *od_crc_tables_new(void);

/* One being computed; of the kind NONE it takes bytes and gives nothing. */
struct od_checksum {
    enum od_checksum_kind kind;
    const uint64_t (*table)[256];
    uint64_t crc;
    EVP_MD_CTX *digest;
};
/* tables: needed by the CRCs alone. */
enum od_status od_checksum_init(struct od_checksum *sum, enum od_checksum_kind kind,
                                const struct od_crc_tables *tables) OD_MUST_USE;
void od_checksum_done(struct od_checksum *sum); /* also of a zeroed one, also twice */
void od_checksum_add(struct od_checksum *sum, const void *bytes, size_t len);
/* The value, big-endian; ends the computation. */
size_t od_checksum_end(struct od_checksum *sum, unsigned char out[OD_CHECKSUM_MAX_BYTES]);

void od_base64(const unsigned char *bytes, size_t len, char *out); /* room: OD_CHECKSUM_TEXT */
/* Canonical base64 of exactly len bytes (at most OD_CHECKSUM_MAX_BYTES); false otherwise. */
bool od_base64_read(struct od_str text, unsigned char *out, size_t len);
void od_hex(const unsigned char *bytes, size_t len, char *out); /* lower case, room for 2 len + 1 */

#endif
