/* SigV4 in S3's dialect, by the examples of Amazon S3's API reference ("Authenticating Requests:
 * Using the Authorization Header", single and multiple chunks), and our own signatures by our
 * verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/sigv4.h"

#define KEY    "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define NOW    1369353600 /* 20130524T000000Z */
#define DATE   "20130524T000000Z"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SCOPE  "Credential=" KEY "/20130524/us-east-1/s3/aws4_request"

static bool lookup(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    (void)context;
    memcpy(out->text, SECRET, sizeof SECRET - 1);
    out->len = sizeof SECRET - 1;
    return od_str_eq_c(key_id, KEY);
}

static int set_up(void **state)
{
    *state = od_sigv4_new(lookup, NULL);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    od_sigv4_free(*state);
    return 0;
}

static enum od_status verify(struct od_sigv4 *verifier, const struct od_http_request *request,
                             struct od_sigv4_chain *chain)
{
    struct od_sigv4_claim claim;
    struct od_error err;
    return od_sigv4_verify_s3(verifier, request, NOW, &claim, chain, &err);
}

static void the_documented_get_verifies(void **state)
{
    struct od_sigv4_chain chain;
    struct od_http_header headers[] = {
        {OD_STR("Host"), OD_STR("examplebucket.s3.amazonaws.com")},
        {OD_STR("Range"), OD_STR("bytes=0-9")},
        {OD_STR("x-amz-content-sha256"), OD_STR(EMPTY)},
        {OD_STR("x-amz-date"), OD_STR(DATE)},
        {OD_STR("Authorization"),
         OD_STR("AWS4-HMAC-SHA256 " SCOPE
                ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")}};
    struct od_http_request request = {.method = OD_STR("GET"),
                                      .path = OD_STR("/test.txt"),
                                      .query = OD_STR(""),
                                      .headers = headers,
                                      .header_count = 5};
    assert_int_equal(verify(*state, &request, &chain), OD_OK);
    assert_true(od_str_eq_c(od_sigv4_service(&request), "s3"));
    headers[1].value = OD_STR("bytes=0-10");
    assert_int_equal(verify(*state, &request, &chain), OD_AUTH_SIGNATURE);
    headers[1].value = OD_STR("bytes=0-9");
    request.path = OD_STR("/./test.txt"); /* nothing is normalised */
    assert_int_equal(verify(*state, &request, &chain), OD_AUTH_SIGNATURE);
}

static void hash_of_letters(size_t count, char out[65])
{
    char *text = malloc(count + 1);
    memset(text, 'a', count + 1);
    od_sha256_hex((struct od_str){text, count}, out);
    free(text);
}

static void the_documented_chunks_follow_each_other(void **state)
{
    static const struct {
        size_t bytes;
        const char *signature;
    } chunks[] = {
        {65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
        {1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
        {0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
    };
    struct od_http_header headers[] = {
        {OD_STR("Host"), OD_STR("s3.amazonaws.com")},
        {OD_STR("x-amz-date"), OD_STR(DATE)},
        {OD_STR("x-amz-storage-class"), OD_STR("REDUCED_REDUNDANCY")},
        {OD_STR("x-amz-content-sha256"), OD_STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")},
        {OD_STR("Content-Encoding"), OD_STR("aws-chunked")},
        {OD_STR("x-amz-decoded-content-length"), OD_STR("66560")},
        {OD_STR("Content-Length"), OD_STR("66824")},
        {OD_STR("Authorization"),
         OD_STR("AWS4-HMAC-SHA256 " SCOPE
                ",SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;"
                "x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature="
                "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")}};
    struct od_http_request request = {.method = OD_STR("PUT"),
                                      .path = OD_STR("/examplebucket/chunkObject.txt"),
                                      .query = OD_STR(""),
                                      .headers = headers,
                                      .header_count = 8};
    struct od_sigv4_chain chain;
    assert_int_equal(verify(*state, &request, &chain), OD_OK);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        char sha256[65], other[65];
        hash_of_letters(chunks[i].bytes, sha256);
        hash_of_letters(chunks[i].bytes + 1, other);
        struct od_str signature = od_str_c(chunks[i].signature);
        assert_int_equal(od_sigv4_chain_check(&chain, false, other, signature, NULL),
                         OD_AUTH_SIGNATURE);
        assert_int_equal(od_sigv4_chain_check(&chain, false, sha256, signature, NULL), OD_OK);
    }
    od_sigv4_chain_done(&chain);
}

static void what_we_sign_verifies(void **state)
{
    static const char *const paths[] = {"/", "/bucket/a%20b/%C3%BC//../x", "/b/%25%2B~'()*!",
                                        "/b/plain"};
    static const char *const queries[] = {"", "uploads=", "list-type=2&prefix=a%2Fb%20c&x"};
    struct od_sigv4_signer signer = {OD_STR(KEY), OD_STR(SECRET), OD_STR("eu-west-1"),
                                     OD_STR("s3")};
    for (size_t p = 0; p < 4; p++)
        for (size_t q = 0; q < 3; q++) {
            struct od_http_header headers[4] = {
                {OD_STR("host"), OD_STR("localhost:9000")},
                {OD_STR("x-amz-content-sha256"), OD_STR("UNSIGNED-PAYLOAD")},
                {OD_STR("x-amz-date"), OD_STR(DATE)}};
            struct od_http_request request = {.method = OD_STR("PUT"),
                                              .path = od_str_c(paths[p]),
                                              .query = od_str_c(queries[q]),
                                              .headers = headers,
                                              .header_count = 3};
            struct od_sigv4_chain chain;
            struct od_buf text;
            od_buf_init(&text, 4096);
            assert_int_equal(od_sigv4_sign_s3(&signer, &request, &text, NULL), OD_OK);
            headers[3] = (struct od_http_header){OD_STR("authorization"), od_buf_view(&text)};
            request.header_count = 4;
            assert_int_equal(verify(*state, &request, &chain), OD_OK);
            request.method = OD_STR("GET");
            assert_int_equal(verify(*state, &request, &chain), OD_AUTH_SIGNATURE);
            od_buf_done(&text);
        }
}

static void an_amz_header_must_be_signed(void **state)
{
    struct od_sigv4_signer signer = {OD_STR(KEY), OD_STR(SECRET), OD_STR("eu-west-1"),
                                     OD_STR("s3")};
    struct od_http_header headers[5] = {{OD_STR("host"), OD_STR("localhost")},
                                        {OD_STR("x-amz-content-sha256"), OD_STR(EMPTY)},
                                        {OD_STR("x-amz-date"), OD_STR(DATE)}};
    struct od_http_request request = {.method = OD_STR("PUT"),
                                      .path = OD_STR("/b/k"),
                                      .query = OD_STR(""),
                                      .headers = headers,
                                      .header_count = 3};
    struct od_sigv4_chain chain;
    struct od_buf text;
    od_buf_init(&text, 4096);
    assert_int_equal(od_sigv4_sign_s3(&signer, &request, &text, NULL), OD_OK);
    headers[3] = (struct od_http_header){OD_STR("authorization"), od_buf_view(&text)};
    headers[4] = (struct od_http_header){OD_STR("X-Amz-Copy-Source"), OD_STR("/other/secret")};
    request.header_count = 4;
    assert_int_equal(verify(*state, &request, &chain), OD_OK);
    request.header_count = 5;
    assert_int_equal(verify(*state, &request, &chain), OD_AUTH_SIGNATURE);
    od_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_get_verifies),
        cmocka_unit_test(the_documented_chunks_follow_each_other),
        cmocka_unit_test(what_we_sign_verifies),
        cmocka_unit_test(an_amz_header_must_be_signed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
