/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) over libcrypto.
 *
 * HMAC is spelled out over the digest because libcrypto 3's HMAC functions look the algorithm up
 * anew at every call, which costs more than the hashing of our short texts. */
#include "wire/sigv4_inner.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define BLOCK_BYTES 64

enum od_status od_sha256_init(struct od_sha256 *sha, const EVP_MD *method)
{
    sha->method = method;
    sha->context = EVP_MD_CTX_new();
    return sha->context ? OD_OK : OD_NO_MEMORY;
}

void od_sha256_done(struct od_sha256 *sha)
{
    EVP_MD_CTX_free(sha->context);
    sha->context = NULL;
}

static enum od_status digest2(struct od_sha256 *sha, struct od_str a, struct od_str b,
                              unsigned char out[OD_SHA256_BYTES])
{
    unsigned len = 0;
    if (EVP_DigestInit_ex2(sha->context, sha->method, NULL) != 1 ||
        EVP_DigestUpdate(sha->context, a.ptr, a.len) != 1 ||
        EVP_DigestUpdate(sha->context, b.ptr, b.len) != 1 ||
        EVP_DigestFinal_ex(sha->context, out, &len) != 1)
        return OD_NO_MEMORY;
    assert(len == OD_SHA256_BYTES);
    return OD_OK;
}

enum od_status od_sha256_of(struct od_sha256 *sha, struct od_str bytes,
                            unsigned char out[OD_SHA256_BYTES])
{
    return digest2(sha, bytes, OD_STR(""), out);
}

/* The key, hashed when longer than a block, under one of HMAC's two pads. */
static void pad_key(const unsigned char key[BLOCK_BYTES], unsigned char pad,
                    unsigned char out[BLOCK_BYTES])
{
    for (int i = 0; i < BLOCK_BYTES; i++)
        out[i] = key[i] ^ pad;
}

static struct od_str slice(const unsigned char *bytes, size_t len)
{
    return (struct od_str){(const char *)bytes, len};
}

enum od_status od_hmac_sha256(struct od_sha256 *sha, struct od_str key, struct od_str bytes,
                              unsigned char out[OD_SHA256_BYTES])
{
    unsigned char block[BLOCK_BYTES] = {0}, padded[BLOCK_BYTES], inner[OD_SHA256_BYTES];
    enum od_status status = OD_OK;
    if (key.len > BLOCK_BYTES)
        status = od_sha256_of(sha, key, block);
    else if (key.len)
        memcpy(block, key.ptr, key.len);
    if (status == OD_OK) {
        pad_key(block, 0x36, padded);
        status = digest2(sha, slice(padded, BLOCK_BYTES), bytes, inner);
    }
    if (status == OD_OK) {
        pad_key(block, 0x5c, padded);
        status = digest2(sha, slice(padded, BLOCK_BYTES), slice(inner, OD_SHA256_BYTES), out);
    }
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(padded, sizeof padded);
    OPENSSL_cleanse(inner, sizeof inner);
    return status;
}

void od_sha256_text(const unsigned char digest[OD_SHA256_BYTES], char out[OD_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < OD_SHA256_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * OD_SHA256_BYTES] = '\0';
}

void od_sha256_hex(struct od_str bytes, char out[65])
{
    unsigned char digest[OD_SHA256_BYTES];
    struct od_sha256 sha;
    enum od_status status = od_sha256_init(&sha, EVP_sha256());
    if (status == OD_OK)
        status = od_sha256_of(&sha, bytes, digest);
    od_sha256_done(&sha);
    if (status == OD_OK) {
        od_sha256_text(digest, out);
        return;
    }
    memset(out, '-', OD_SHA256_HEX - 1);
    out[OD_SHA256_HEX - 1] = '\0';
}
