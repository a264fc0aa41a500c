/* Checksums: see checksum.h. The CRCs are the reflected ones of their polynomials: CRC-32 of
 * ISO 3309, CRC-32C of Castagnoli (iSCSI, RFC 3720), CRC-64/NVME (NVM Express base specification,
 * section 5.2.1.3.4). A table for each of eight byte positions takes eight bytes a step. They are
 * computed at the start. */
#include "s3/checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *header, *element;
    size_t bytes;
    uint64_t polynomial; /* reflected; 0: a digest */
} kinds[OD_CHECKSUM_KINDS] = {
    [OD_CHECKSUM_NONE] = {"", "", "", 0, 0},
    [OD_CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, 0xEDB88320},
    [OD_CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, 0x82F63B78},
    [OD_CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8,
                               0x9A6C9329AC4BC9B5},
    [OD_CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, 0},
    [OD_CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, 0},
    [OD_CHECKSUM_MD5] = {"MD5", "", "", 16, 0},
};

struct od_crc_tables {
    uint64_t of[OD_CHECKSUM_CRC64NVME + 1][8][256];
};

struct od_crc_tables *od_crc_tables_new(void)
{
    struct od_crc_tables *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    for (int k = OD_CHECKSUM_CRC32; k <= OD_CHECKSUM_CRC64NVME; k++) {
        for (uint64_t i = 0; i < 256; i++) {
            uint64_t crc = i;
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? kinds[k].polynomial : 0);
            made->of[k][0][i] = crc;
        }
        for (int n = 1; n < 8; n++)
            for (int i = 0; i < 256; i++) {
                uint64_t before = made->of[k][n - 1][i];
                made->of[k][n][i] = before >> 8 ^ made->of[k][0][before & 255];
            }
    }
    return made;
}

static uint64_t add_crc(const uint64_t (*t)[256], uint64_t crc, const unsigned char *bytes,
                        size_t len)
{
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8); /* little-endian, as all machines we build for */
        crc ^= word;
        crc = t[7][crc & 255] ^ t[6][crc >> 8 & 255] ^ t[5][crc >> 16 & 255] ^
              t[4][crc >> 24 & 255] ^ t[3][crc >> 32 & 255] ^ t[2][crc >> 40 & 255] ^
              t[1][crc >> 48 & 255] ^ t[0][crc >> 56];
    }
    for (; len; bytes++, len--)
        crc = crc >> 8 ^ t[0][(crc ^ *bytes) & 255];
    return crc;
}

enum od_checksum_kind od_checksum_named(struct od_str name)
{
    for (int k = OD_CHECKSUM_CRC32; k <= OD_CHECKSUM_SHA256; k++)
        if (od_str_eq_nocase(name, od_str_c(kinds[k].name)))
            return (enum od_checksum_kind)k;
    return OD_CHECKSUM_NONE;
}

const char *od_checksum_name(enum od_checksum_kind kind)
{
    return kinds[kind].name;
}

const char *od_checksum_header(enum od_checksum_kind kind)
{
    return kinds[kind].header;
}

const char *od_checksum_element(enum od_checksum_kind kind)
{
    return kinds[kind].element;
}

size_t od_checksum_bytes(enum od_checksum_kind kind)
{
    return kinds[kind].bytes;
}

enum od_status od_checksum_init(struct od_checksum *sum, enum od_checksum_kind kind,
                                const struct od_crc_tables *tables)
{
    *sum = (struct od_checksum){.kind = kind};
    if (kinds[kind].polynomial) {
        sum->table = tables->of[kind];
        sum->crc = kinds[kind].bytes == 8 ? UINT64_MAX : UINT32_MAX;
        return OD_OK;
    }
    if (kind == OD_CHECKSUM_NONE)
        return OD_OK;
    sum->digest = EVP_MD_CTX_new();
    const EVP_MD *md = kind == OD_CHECKSUM_SHA1     ? EVP_sha1()
                       : kind == OD_CHECKSUM_SHA256 ? EVP_sha256()
                                                    : EVP_md5();
    return sum->digest && EVP_DigestInit_ex(sum->digest, md, NULL) == 1 ? OD_OK : OD_NO_MEMORY;
}

void od_checksum_done(struct od_checksum *sum)
{
    EVP_MD_CTX_free(sum->digest);
    sum->digest = NULL;
}

void od_checksum_add(struct od_checksum *sum, const void *bytes, size_t len)
{
    if (kinds[sum->kind].polynomial)
        sum->crc = add_crc(sum->table, sum->crc, bytes, len);
    else if (sum->digest)
        (void)EVP_DigestUpdate(sum->digest, bytes, len); /* fails on a context of no digest only */
}

size_t od_checksum_end(struct od_checksum *sum, unsigned char out[OD_CHECKSUM_MAX_BYTES])
{
    size_t bytes = kinds[sum->kind].bytes;
    if (kinds[sum->kind].polynomial) {
        uint64_t value = ~sum->crc;
        for (size_t i = 0; i < bytes; i++)
            out[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    } else if (sum->digest) {
        unsigned len = 0;
        if (EVP_DigestFinal_ex(sum->digest, out, &len) != 1)
            memset(out, 0, bytes);
    }
    od_checksum_done(sum);
    return bytes;
}

void od_base64(const unsigned char *bytes, size_t len, char *out)
{
    assert(len <= OD_CHECKSUM_MAX_BYTES);
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
}

bool od_base64_read(struct od_str text, unsigned char *out, size_t len)
{
    unsigned char room[OD_CHECKSUM_MAX_BYTES + 3];
    char again[OD_CHECKSUM_TEXT];
    if (!len || len > OD_CHECKSUM_MAX_BYTES || text.len != (len + 2) / 3 * 4)
        return false;
    if (EVP_DecodeBlock(room, (const unsigned char *)text.ptr, (int)text.len) < (int)len)
        return false;
    od_base64(room, len, again);
    if (memcmp(again, text.ptr, text.len) != 0)
        return false;
    memcpy(out, room, len);
    return true;
}

void od_hex(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}
