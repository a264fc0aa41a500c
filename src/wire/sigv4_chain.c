/* Signatures beyond a request's head: of the chunks of its body, and our own on what we send.
 *
 * A body in signed chunks continues the head's signature (S3's "Signature Calculations for the
 * Authorization Header: Transferring Payload in Multiple Chunks"): each chunk's signature is over
 * the one before and the SHA-256 of the chunk, the trailer's over the last chunk's. So no chunk can
 * be left out, changed or moved. */
#include <openssl/crypto.h>
#include <string.h>

#include "wire/sigv4_inner.h"

#define MAX_TEXT_BYTES (16 * 1024)
#define EMPTY_SHA256   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* HMAC in hex of a text to sign. */
static enum od_status hmac_hex(const unsigned char key[OD_SHA256_BYTES], const struct od_buf *text,
                               char out[OD_SHA256_HEX])
{
    struct od_sha256 sha;
    unsigned char digest[OD_SHA256_BYTES];
    enum od_status s = od_buf_status(text);
    if (s != OD_OK)
        return s;
    s = od_sha256_init(&sha, EVP_sha256());
    if (s == OD_OK)
        s = od_hmac_sha256(&sha, (struct od_str){(const char *)key, OD_SHA256_BYTES},
                           od_buf_view(text), digest);
    od_sha256_done(&sha);
    if (s == OD_OK)
        od_sha256_text(digest, out);
    return s;
}

enum od_status od_sigv4_chain_check(struct od_sigv4_chain *chain, bool trailer,
                                    const char sha256[65], struct od_str signature,
                                    struct od_error *err)
{
    struct od_buf text;
    char expected[OD_SHA256_HEX];
    od_buf_init(&text, MAX_TEXT_BYTES);
    od_buf_printf(&text, "AWS4-HMAC-SHA256-%s\n%s\n%s\n%s\n%s%s", trailer ? "TRAILER" : "PAYLOAD",
                  chain->time, chain->scope, chain->previous, trailer ? "" : EMPTY_SHA256 "\n",
                  sha256);
    enum od_status s = hmac_hex(chain->key, &text, expected);
    od_buf_done(&text);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    if (signature.len != OD_SHA256_HEX - 1 ||
        CRYPTO_memcmp(expected, signature.ptr, OD_SHA256_HEX - 1) != 0)
        return od_fail(err, OD_AUTH_SIGNATURE, NULL);
    memcpy(chain->previous, expected, sizeof expected);
    return OD_OK;
}

void od_sigv4_chain_done(struct od_sigv4_chain *chain)
{
    OPENSSL_cleanse(chain, sizeof *chain);
}

/* ---- signing ---- */

static enum od_status put_names(const struct od_http_request *request, struct od_buf *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (i)
            od_buf_char(out, ';');
        od_buf_str(out, request->headers[i].name);
    }
    return od_buf_status(out);
}

static enum od_status sign(const struct od_sigv4_signer *signer, struct od_sigv4_words *words,
                           const struct od_http_request *request, struct od_buf *text,
                           char out[OD_SHA256_HEX], struct od_error *err)
{
    struct od_sha256 sha;
    struct od_sigv4_secret secret = {.len = signer->secret.len};
    unsigned char key[OD_SHA256_BYTES];
    if (!secret.len || secret.len > sizeof secret.text)
        return od_fail(err, OD_INVALID_INPUT, "The secret key must have 1 to %zu characters.",
                       sizeof secret.text);
    memcpy(secret.text, signer->secret.ptr, secret.len);
    enum od_status s = od_sigv4_canonical(request, words, text, err);
    od_buf_str(text, od_str_trim(od_http_header(request, "x-amz-content-sha256")));
    if (s == OD_OK && od_sha256_init(&sha, EVP_sha256()) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = od_sigv4_derive(&sha, &secret, words, key);
        if (s == OD_OK)
            s = od_sigv4_sign_text(&sha, words, (struct od_str){(const char *)key, sizeof key},
                                   text, out);
        if (s != OD_OK)
            od_fail(err, s, NULL);
        od_sha256_done(&sha);
    }
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(&secret, sizeof secret);
    return s;
}

enum od_status od_sigv4_sign_s3(const struct od_sigv4_signer *signer,
                                const struct od_http_request *request, struct od_buf *out,
                                struct od_error *err)
{
    struct od_buf names, text;
    char signature[OD_SHA256_HEX];
    od_buf_init(&names, MAX_TEXT_BYTES);
    od_buf_init(&text, 4 * OD_MAX_HEADER_BYTES);
    enum od_status s = put_names(request, &names);
    struct od_sigv4_words words = {.s3 = true,
                                   .key_id = signer->key_id,
                                   .region = signer->region,
                                   .service = signer->service,
                                   .terminator = OD_STR("aws4_request"),
                                   .signed_headers = od_buf_view(&names),
                                   .time = od_http_header(request, "x-amz-date")};
    words.date = od_str_sub(words.time, 0, 8);
    s = s == OD_OK ? sign(signer, &words, request, &text, signature, err) : od_fail(err, s, NULL);
    if (s == OD_OK) {
        od_buf_printf(out, "AWS4-HMAC-SHA256 Credential=%.*s/", OD_STR_ARG(signer->key_id));
        od_sigv4_put_scope(out, &words);
        od_buf_printf(out, ", SignedHeaders=%s, Signature=%s", names.ptr, signature);
        s = od_buf_status(out);
        if (s != OD_OK)
            od_fail(err, s, NULL);
    }
    od_buf_done(&names);
    od_buf_done(&text);
    return s;
}
