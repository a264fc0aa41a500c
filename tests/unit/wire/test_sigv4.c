/* Signature Version 4: vectors made with botocore, and every way to be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sigv4.h"

#define KEY_ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SIGNED 1706745599 /* 20240131T235959Z */
#define SCOPE  "20240131/us-east-1/personalize/aws4_request"
#define H(n, v)                                                                                    \
    {                                                                                              \
        OD_STR(n), OD_STR(v)                                                                       \
    }
#define AUTH(names, signature)                                                                     \
    H("Authorization", "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE ", SignedHeaders=" names    \
                       ", Signature=" signature)
#define DATE   H("X-Amz-Date", "20240131T235959Z")
#define HOST   H("Host", "localhost:8080")
#define JSON11 H("Content-Type", "application/x-amz-json-1.1")
#define JSON   H("Content-Type", "application/json")

struct keys {
    atomic_int lookups;
    atomic_bool revoked;
};

static bool lookup(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    struct keys *keys = context;
    atomic_fetch_add(&keys->lookups, 1);
    if (atomic_load(&keys->revoked) || !od_str_eq(key_id, OD_STR(KEY_ID)))
        return false;
    memcpy(out->text, SECRET, sizeof SECRET - 1);
    out->len = sizeof SECRET - 1;
    return true;
}

struct fixture {
    struct keys keys;
    struct od_sigv4 *verifier;
    struct od_sigv4_claim claim;
    struct od_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->verifier = od_sigv4_new(lookup, &f->keys);
    *state = f;
    return f->verifier ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    od_sigv4_free(f->verifier);
    free(f);
    return 0;
}

static enum od_status verify_at(struct fixture *f, const struct od_http_request *request,
                                int64_t now_s)
{
    f->err = (struct od_error){0};
    return od_sigv4_verify(f->verifier, request, OD_STR("personalize"), now_s, &f->claim, &f->err);
}

static struct od_http_request make(const char *method, const char *path, const char *query,
                                   const char *body, const struct od_http_header *headers,
                                   size_t count)
{
    return (struct od_http_request){.method = od_str_c(method),
                                    .path = od_str_c(path),
                                    .query = od_str_c(query),
                                    .body = od_str_c(body),
                                    .headers = headers,
                                    .header_count = count};
}

/* What the client would send as signature of this canonical request; written apart from the code
 * under test. */
static void sign(const char *canonical, const char *time, const char *region, char out[65])
{
    unsigned char key[64] = "AWS4" SECRET, next[32];
    char hash[65], text[512];
    unsigned len = (unsigned)strlen((char *)key);
    const char *const parts[] = {time, region, "personalize", "aws4_request"};
    for (int i = 0; i < 4; i++) {
        unsigned n = 32;
        size_t part = i ? strlen(parts[i]) : 8;
        assert_non_null(
            HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)parts[i], part, next, &n));
        memcpy(key, next, 32);
        len = 32;
    }
    od_sha256_hex(od_str_c(canonical), hash);
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/personalize/aws4_request\n%s", time,
             time, region, hash);
    HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), next, &len);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", next[i]);
}

static void hashes_are_those_of_the_standard(void **state)
{
    (void)state;
    char hex[65];
    od_sha256_hex(OD_STR(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    od_sha256_hex(OD_STR("{}"), hex);
    assert_string_equal(hex, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

/* --- requests signed by botocore --- */

struct vector {
    const char *name, *method, *path, *query, *body;
    struct od_http_header headers[7];
    size_t count;
    const char *region;
};

static const struct vector vectors[] = {
    {"control plane",
     "POST",
     "/",
     "",
     "{}",
     {JSON11, HOST, DATE, H("X-Amz-Target", "AmazonPersonalize.ListDatasetGroups"),
      AUTH("content-type;host;x-amz-date;x-amz-target",
           "05fb8a3ac2114d5b4cd580611f33b794b031e830c71aef1605a59da8c8a62869")},
     5,
     "us-east-1"},
    {"runtime",
     "POST",
     "/recommendations",
     "",
     "{\"campaignArn\": \"arn:aws:personalize:us-east-1:111122223333:campaign/c\", \"userId\": "
     "\"u1\"}",
     {JSON, HOST, DATE,
      AUTH("content-type;host;x-amz-date",
           "68220d741af1ac38020e3591130fa12a66de441be6b52480eaf5996420be178e")},
     4,
     "us-east-1"},
    {"inner spaces",
     "POST",
     "/events",
     "",
     "{\"a\":1}",
     {JSON, HOST, DATE, H("X-Test", "  a   b  c "), H("X-Two", "q"),
      AUTH("content-type;host;x-amz-date;x-test;x-two",
           "dacc80944b2323260fe0f335961b956ae007de28f59b2a2a3424e6f387ec0451")},
     6,
     "us-east-1"},
    {"session token, another region, UTF-8 body",
     "POST",
     "/",
     "",
     "{\"name\":\"\xec\xa0\x9c\xec\xa3\xbc\"}",
     {JSON11, HOST, DATE, H("X-Amz-Security-Token", "TOKEN/+=="),
      H("X-Amz-Target", "AmazonPersonalize.CreateSchema"),
      H("Authorization",
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20240131/ap-northeast-2/personalize/aws4_request,SignedHeaders="
        "content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"
        "Signature=7a2d5712d4bc908fa078bef30d907203852bfbdc45c1bc0f9dd024100ff2204c")},
     6,
     "ap-northeast-2"},
    {"unsigned payload",
     "POST",
     "/items",
     "",
     "{\"x\":2}",
     {JSON, HOST, DATE, H("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
      AUTH("content-type;host;x-amz-content-sha256;x-amz-date",
           "08237069d568c97572d02e24e25d6c0d1ca75888780b7cb880e5b12be5a96ec4")},
     5,
     "us-east-1"},
    {"payload hash in a header",
     "POST",
     "/items",
     "",
     "{\"x\":2}",
     {JSON, HOST, DATE,
      H("X-Amz-Content-SHA256", "5e2b030a4a0f1582d78c0fd9924511cd6b1f2df9879e574f5ea1406c94052418"),
      AUTH("content-type;host;x-amz-content-sha256;x-amz-date",
           "07ecd8eff5740f82cf2aff1f9291038b48400fd2291dc2e0d749ce15c88e0eac")},
     5,
     "us-east-1"},
    {"presigned",
     "GET",
     "/x",
     "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20240131%2Fus-east-1%"
     "2Fpersonalize%2Faws4_request&X-Amz-Date=20240131T235959Z&X-Amz-Expires=3600&X-Amz-"
     "SignedHeaders=host&X-Amz-Signature="
     "84fa59948da9a12179fdfa46202cf244a62bbdd7add57ca6f2966c5d63301b52",
     "",
     {HOST},
     1,
     "us-east-1"},
    {"presigned with a token",
     "GET",
     "/x",
     "z=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20240131%2Fus-east-1%"
     "2Fpersonalize%2Faws4_request&X-Amz-Date=20240131T235959Z&X-Amz-Expires=604800&X-Amz-"
     "SignedHeaders=host&X-Amz-Security-Token=TOKEN%2F%2B%3D%3D&X-Amz-Signature="
     "d716b43b3005d879178c1b5a85e9bcff096a7683e807956835ed9e65d3f70eb9",
     "",
     {HOST},
     1,
     "us-east-1"},
};
#define VECTORS (sizeof vectors / sizeof *vectors)

static struct od_http_request of(const struct vector *v)
{
    return make(v->method, v->path, v->query, v->body, v->headers, v->count);
}

static void requests_signed_by_botocore_are_accepted(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < VECTORS; i++) {
        struct od_http_request request = of(&vectors[i]);
        for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
            if (verify_at(f, &request, SIGNED + 60) != OD_OK)
                fail_msg("%s: %s", vectors[i].name, f->err.message);
            assert_true(od_str_eq_c(f->claim.key_id, KEY_ID));
            assert_true(od_str_eq_c(f->claim.date, "20240131"));
            assert_true(od_str_eq_c(f->claim.region, vectors[i].region));
            assert_true(od_str_eq_c(f->claim.service, "personalize"));
            assert_int_equal(f->claim.signed_at_s, SIGNED);
        }
    }
    assert_int_equal(atomic_load(&f->keys.lookups), 2); /* two regions */
}

/* botocore sorts a query as it is sent; what it signs is in canonical form already. */
static void paths_and_queries_are_made_canonical(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *query, *canonical_path, *canonical_query;
    } cases[] = {
        {"/a%20b//c/./d/../%2Fe~/", "b=2&a=1&a=0&c=%2F%20x&d", "/a%2520b/c/%252Fe~/",
         "a=0&a=1&b=2&c=%2F%20x&d="},
        {"/", "a=%7e&b=%zz&c=%4&d=+", "/", "a=~&b=%25zz&c=%254&d=%2B"},
        {"/../..", "", "/", ""},
        {"/a/..", "&&", "/", "=&=&="},
        {"/a/b/../", "B=1&a=2&A=3", "/a/", "A=3&B=1&a=2"},
        {"/a-b_c.d~e", "x%41=%e1%88%b4", "/a-b_c.d~e", "xA=%E1%88%B4"},
        {"/a=b+c", "", "/a%3Db%2Bc", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char canonical[1024], signature[65], authorization[512];
        snprintf(canonical, sizeof canonical,
                 "GET\n%s\n%s\nhost:localhost:8080\nx-amz-date:20240131T235959Z\n\n"
                 "host;x-amz-date\n"
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                 cases[i].canonical_path, cases[i].canonical_query);
        sign(canonical, "20240131T235959Z", "us-east-1", signature);
        snprintf(authorization, sizeof authorization,
                 "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE
                 ", SignedHeaders=host;x-amz-date, Signature=%s",
                 signature);
        const struct od_http_header headers[] = {
            DATE, HOST, {OD_STR("Authorization"), od_str_c(authorization)}};
        struct od_http_request request = make("GET", cases[i].path, cases[i].query, "", headers, 3);
        if (verify_at(f, &request, SIGNED) != OD_OK)
            fail_msg("%s?%s: %s", cases[i].path, cases[i].query, f->err.message);
    }
    /* The first case once more, with the signature botocore made of it in that order. */
    const struct od_http_header headers[] = {
        DATE, HOST,
        AUTH("host;x-amz-date",
             "93751949af6e09cda8326154e560e6a2c9eabfe09d3ab094ed3bf671718eec25")};
    struct od_http_request request =
        make("GET", cases[0].path, "b=2&a=1&a=0&c=%2F%20x&d", "", headers, 3);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
}

static void repeated_headers_are_joined_in_order(void **state)
{
    struct fixture *f = *state;
    char signature[65], authorization[512];
    sign("GET\n/\n\nhost:h\nx-amz-date:20240131T235959Z\nx-m:b,a  x,\n\nhost;x-amz-date;x-m\n"
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "20240131T235959Z", "us-east-1", signature);
    snprintf(authorization, sizeof authorization,
             "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE
             ", SignedHeaders=host;x-amz-date;x-m, Signature=%s",
             signature);
    const struct od_http_header headers[] = {
        H("X-M", " b"), H("x-m", "a \t x"), H("Host", "h"),
        DATE,           H("X-m", "  "),     {OD_STR("authorization"), od_str_c(authorization)}};
    struct od_http_request request = make("GET", "/", "", "", headers, 6);
    /* White space inside collapses to one space, so the text above is not what was signed ... */
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
    sign("GET\n/\n\nhost:h\nx-amz-date:20240131T235959Z\nx-m:b,a x,\n\nhost;x-amz-date;x-m\n"
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "20240131T235959Z", "us-east-1", signature);
    snprintf(authorization, sizeof authorization,
             "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE
             ", SignedHeaders=host;x-amz-date;x-m, Signature=%s",
             signature);
    struct od_http_header again[6];
    memcpy(again, headers, sizeof again);
    again[5].value = od_str_c(authorization);
    request = make("GET", "/", "", "", again, 6);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_OK); /* ... but this is */
}

static void any_change_of_a_signed_request_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < VECTORS; i++) {
        struct vector v = vectors[i];
        struct od_http_request request = of(&v);
        request.method = OD_STR("PUT");
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
        request = of(&v);
        request.path = OD_STR("/other");
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
        request = of(&v);
        char query[1024];
        snprintf(query, sizeof query, "%s%sextra=1", v.query, *v.query ? "&" : "");
        request.query = od_str_c(query);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
        request = of(&v);
        request.body = OD_STR("{} ");
        assert_int_equal(verify_at(f, &request, SIGNED),
                         strstr(v.name, "unsigned") ? OD_OK : OD_AUTH_SIGNATURE);
        for (size_t h = 0; h < v.count; h++) {
            if (od_str_eq(v.headers[h].name, OD_STR("Authorization")) ||
                od_str_eq(v.headers[h].name, OD_STR("X-Amz-Date")))
                continue;
            struct od_str kept = v.headers[h].value;
            v.headers[h].value = OD_STR("changed");
            request = of(&v);
            assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
            v.headers[h].value = kept;
        }
        request = of(&v);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
    }
}

static void every_digit_of_the_signature_counts(void **state)
{
    struct fixture *f = *state;
    struct vector v = vectors[0];
    char authorization[512];
    struct od_str good = v.headers[4].value;
    memcpy(authorization, good.ptr, good.len);
    v.headers[4].value = (struct od_str){authorization, good.len};
    struct od_http_request request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
    for (size_t i = good.len - 64; i < good.len; i++) {
        authorization[i] = good.ptr[i] == '0' ? '1' : '0';
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
        assert_non_null(strstr(f->err.message, "does not match the signature you provided"));
        authorization[i] = good.ptr[i];
    }
}

static void the_clock_may_differ_by_fifteen_minutes(void **state)
{
    struct fixture *f = *state;
    struct od_http_request request = of(&vectors[0]);
    assert_int_equal(verify_at(f, &request, SIGNED + 900), OD_OK);
    assert_int_equal(verify_at(f, &request, SIGNED - 900), OD_OK);
    assert_int_equal(verify_at(f, &request, SIGNED + 901), OD_AUTH_SIGNATURE);
    assert_string_equal(f->err.message, "Signature expired: 20240131T235959Z is now earlier than "
                                        "20240201T000000Z (20240201T001500Z - 15 min.)");
    assert_int_equal(verify_at(f, &request, SIGNED - 901), OD_AUTH_SIGNATURE);
    assert_string_equal(f->err.message,
                        "Signature not yet current: 20240131T235959Z is still later than "
                        "20240131T235958Z (20240131T234458Z + 15 min.)");
    request = of(&vectors[6]); /* presigned for an hour */
    assert_int_equal(verify_at(f, &request, SIGNED + 3600), OD_OK);
    assert_int_equal(verify_at(f, &request, SIGNED + 3601), OD_AUTH_SIGNATURE);
    assert_string_equal(f->err.message, "Signature expired: 20240131T235959Z is now earlier than "
                                        "20240201T000000Z (20240201T010000Z - 3600 s.)");
    assert_int_equal(verify_at(f, &request, SIGNED - 901), OD_AUTH_SIGNATURE);
}

#define A      "AWS4-HMAC-SHA256 "
#define CRED   "Credential=" KEY_ID "/" SCOPE
#define NAMES  "SignedHeaders=host;x-amz-date"
#define DIGITS "05fb8a3ac2114d5b4cd580611f33b794b031e830c71aef1605a59da8c8a62869"
#define SIG    "Signature=" DIGITS
static const struct {
    const char *authorization, *date;
    enum od_status status;
    const char *named;
} refusals[] = {
    {NULL, "20240131T235959Z", OD_AUTH_MISSING, "Missing Authentication Token"},
    {"", "20240131T235959Z", OD_AUTH_MISSING, "Missing Authentication Token"},
    {"Basic dXNlcg==", "20240131T235959Z", OD_AUTH_INCOMPLETE, "'Basic'"},
    {"AWS4-ECDSA-P256-SHA256 " CRED, "20240131T235959Z", OD_AUTH_INCOMPLETE, "ECDSA"},
    {"AWS4-HMAC-SHA256", "20240131T235959Z", OD_AUTH_INCOMPLETE, "'Credential'"},
    {A NAMES ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "'Credential'"},
    {A CRED ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "'SignedHeaders'"},
    {A CRED ", " NAMES, "20240131T235959Z", OD_AUTH_INCOMPLETE, "'Signature'"},
    {A CRED ", " NAMES ", " SIG ", what", "20240131T235959Z", OD_AUTH_INCOMPLETE, "'what'"},
    {A CRED ", " NAMES ", " SIG ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "twice"},
    {A CRED ", " NAMES ", Signature=abc", "20240131T235959Z", OD_AUTH_INCOMPLETE, "64"},
    {A CRED ", " NAMES ", " SIG, NULL, OD_AUTH_INCOMPLETE, "'X-Amz-Date'"},
    {A CRED ", " NAMES ", " SIG, "Wed, 31 Jan 2024 23:59:59 GMT", OD_AUTH_INCOMPLETE,
     "basic format"},
    {A CRED ", " NAMES ", " SIG, "20240230T000000Z", OD_AUTH_INCOMPLETE, "20240230T000000Z"},
    {A "Credential=" KEY_ID ", " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "5 slash-delimited"},
    {A CRED "/more, " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "5 slash-delimited"},
    {A "Credential=/" SCOPE ", " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "key id"},
    {A "Credential=A B/" SCOPE ", " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "key id"},
    {A "Credential=" KEY_ID "/2024013/us-east-1/personalize/aws4_request, " NAMES ", " SIG,
     "20240131T235959Z", OD_AUTH_INCOMPLETE, "yyyymmdd"},
    {A "Credential=" KEY_ID "/20240131/US/personalize/aws4_request, " NAMES ", " SIG,
     "20240131T235959Z", OD_AUTH_INCOMPLETE, "region"},
    {A "Credential=" KEY_ID "/20240130/us-east-1/personalize/aws4_request, " NAMES ", " SIG,
     "20240131T235959Z", OD_AUTH_SIGNATURE, "'20240130' != '20240131'"},
    {A "Credential=" KEY_ID "/20240131/us-east-1/s3/aws4_request, " NAMES ", " SIG,
     "20240131T235959Z", OD_AUTH_SIGNATURE,
     "Credential should be scoped to correct service: 'personalize'."},
    {A "Credential=" KEY_ID "/20240131/us-east-1/personalize/aws5_request, " NAMES ", " SIG,
     "20240131T235959Z", OD_AUTH_SIGNATURE, "aws4_request"},
    {A "Credential=AKIDOTHER/" SCOPE ", " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_UNKNOWN,
     "The security token included in the request is invalid."},
    {A CRED ", SignedHeaders=x-amz-date, " SIG, "20240131T235959Z", OD_AUTH_SIGNATURE, "'Host'"},
    {A CRED ", SignedHeaders=host, " SIG, "20240131T235959Z", OD_AUTH_SIGNATURE, "'X-Amz-Date'"},
    {A CRED ", SignedHeaders=, " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE, "SignedHeaders"},
    {A CRED ", SignedHeaders=host;;x-amz-date, " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "SignedHeaders"},
    {A CRED ", SignedHeaders=x-amz-date;host, " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "sorted"},
    {A CRED ", SignedHeaders=host;host;x-amz-date, " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "repetition"},
    {A CRED ", SignedHeaders=Host;x-amz-date, " SIG, "20240131T235959Z", OD_AUTH_INCOMPLETE,
     "lower-case"},
    {A CRED ", SignedHeaders=host;x-amz-date;x-not-there, " SIG, "20240131T235959Z",
     OD_AUTH_SIGNATURE, "x-not-there"},
    {A CRED ", " NAMES ", " SIG, "20240131T235959Z", OD_AUTH_SIGNATURE, "does not match"},
};

static void what_is_missing_or_malformed_is_named(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct od_http_header headers[3] = {HOST};
        size_t count = 1;
        if (refusals[i].authorization)
            headers[count++] = (struct od_http_header){OD_STR("Authorization"),
                                                       od_str_c(refusals[i].authorization)};
        if (refusals[i].date)
            headers[count++] =
                (struct od_http_header){OD_STR("X-Amz-Date"), od_str_c(refusals[i].date)};
        struct od_http_request request = make("GET", "/", "", "", headers, count);
        f->claim.signed_at_s = 77;
        enum od_status status = verify_at(f, &request, SIGNED);
        if (status != refusals[i].status || !strstr(f->err.message, refusals[i].named))
            fail_msg("case %zu: %s '%s'", i, od_status_info(status)->name, f->err.message);
        assert_int_equal(f->claim.signed_at_s, 77); /* untouched */
    }
}

static void a_target_must_be_signed_and_headers_come_once(void **state)
{
    struct fixture *f = *state;
    struct vector v = vectors[1]; /* signs no target */
    v.headers[v.count++] =
        (struct od_http_header)H("x-amz-TARGET", "AmazonPersonalize.DeleteSolution");
    struct od_http_request request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
    assert_non_null(strstr(f->err.message, "X-Amz-Target"));
    v = vectors[1];
    v.headers[v.count++] = (struct od_http_header)DATE;
    request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
    v = vectors[1];
    v.headers[v.count++] = vectors[1].headers[3];
    request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
    assert_non_null(strstr(f->err.message, "Authorization"));
    v = vectors[1];
    v.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256";
    request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
}

static void a_named_payload_hash_must_be_the_bodys(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "unsigned-payload",
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct vector v = vectors[5];
        v.headers[3].value = od_str_c(wrong[i]);
        struct od_http_request request = of(&v);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
        assert_non_null(strstr(f->err.message, "X-Amz-Content-Sha256"));
    }
}

static void presigned_queries_need_all_their_parts(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"X-Amz-Algorithm",     "X-Amz-Credential",
                                        "X-Amz-Date",          "X-Amz-Expires",
                                        "X-Amz-SignedHeaders", "X-Amz-Signature"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char query[1024];
        snprintf(query, sizeof query, "%s", vectors[6].query);
        char *at = strstr(query, names[i]);
        at[strlen("X-Amz-")] = '_'; /* another name */
        struct vector v = vectors[6];
        v.query = query;
        struct od_http_request request = of(&v);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
        assert_non_null(strstr(f->err.message, names[i]));
    }
    static const char *const expiries[] = {"0", "604801", "-1", "x", ""};
    for (size_t i = 0; i < sizeof expiries / sizeof *expiries; i++) {
        char query[1024];
        const char *at = strstr(vectors[6].query, "3600");
        snprintf(query, sizeof query, "%.*s%s%s", (int)(at - vectors[6].query), vectors[6].query,
                 expiries[i], at + 4);
        struct vector v = vectors[6];
        v.query = query;
        struct od_http_request request = of(&v);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
        assert_non_null(strstr(f->err.message, "X-Amz-Expires"));
    }
    char many[2048] = "a=1";
    for (int i = 0; i < 70; i++)
        strncat(many, "&a=1", sizeof many - strlen(many) - 1);
    struct vector v = vectors[1];
    v.query = many;
    struct od_http_request request = of(&v);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_INCOMPLETE);
    assert_non_null(strstr(f->err.message, "query parameters"));
}

static void a_revoked_key_is_refused_after_a_flush(void **state)
{
    struct fixture *f = *state;
    struct od_http_request request = of(&vectors[0]);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
    atomic_store(&f->keys.revoked, true);
    od_sigv4_flush(f->verifier);
    assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_UNKNOWN);
}

static void a_wrong_signature_leaves_nothing_in_the_cache(void **state)
{
    struct fixture *f = *state;
    struct od_http_request request = of(&vectors[0]);
    request.body = OD_STR("other");
    for (int i = 0; i < 3; i++)
        assert_int_equal(verify_at(f, &request, SIGNED), OD_AUTH_SIGNATURE);
    assert_int_equal(atomic_load(&f->keys.lookups), 3);
    request = of(&vectors[0]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
    assert_int_equal(atomic_load(&f->keys.lookups), 4);
}

/* More regions than the cache holds: the bound is kept, all are verified. */
static void the_cache_replaces_its_oldest(void **state)
{
    struct fixture *f = *state;
    enum { REGIONS = 3 * OD_SIGV4_CACHED_KEYS };
    for (int i = 0; i < REGIONS; i++) {
        char region[32], signature[65], authorization[512];
        snprintf(region, sizeof region, "r-%d", i);
        sign("GET\n/\n\nhost:localhost:8080\nx-amz-date:20240131T235959Z\n\nhost;x-amz-date\n"
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
             "20240131T235959Z", region, signature);
        snprintf(authorization, sizeof authorization,
                 "AWS4-HMAC-SHA256 Credential=" KEY_ID "/20240131/%s/personalize/aws4_request, "
                 "SignedHeaders=host;x-amz-date, Signature=%s",
                 region, signature);
        const struct od_http_header headers[] = {
            DATE, HOST, {OD_STR("Authorization"), od_str_c(authorization)}};
        struct od_http_request request = make("GET", "/", "", "", headers, 3);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
        int before = atomic_load(&f->keys.lookups);
        assert_int_equal(verify_at(f, &request, SIGNED), OD_OK);
        assert_int_equal(atomic_load(&f->keys.lookups), before); /* just put in */
    }
    assert_int_equal(atomic_load(&f->keys.lookups), REGIONS);
}

static void *verify_often(void *context)
{
    struct fixture *f = context;
    for (int i = 0; i < 500; i++) {
        struct od_sigv4_claim claim;
        struct od_http_request request = of(&vectors[i % (int)VECTORS]);
        if (od_sigv4_verify(f->verifier, &request, OD_STR("personalize"), SIGNED, &claim, NULL) !=
            OD_OK)
            return context;
        if (i % 50 == 0)
            od_sigv4_flush(f->verifier);
    }
    return NULL;
}

static void threads_share_a_verifier(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, verify_often, *state);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hashes_are_those_of_the_standard),
        TEST(requests_signed_by_botocore_are_accepted),
        TEST(paths_and_queries_are_made_canonical),
        TEST(repeated_headers_are_joined_in_order),
        TEST(any_change_of_a_signed_request_is_refused),
        TEST(every_digit_of_the_signature_counts),
        TEST(the_clock_may_differ_by_fifteen_minutes),
        TEST(what_is_missing_or_malformed_is_named),
        TEST(a_target_must_be_signed_and_headers_come_once),
        TEST(a_named_payload_hash_must_be_the_bodys),
        TEST(presigned_queries_need_all_their_parts),
        TEST(a_revoked_key_is_refused_after_a_flush),
        TEST(a_wrong_signature_leaves_nothing_in_the_cache),
        TEST(the_cache_replaces_its_oldest),
        TEST(threads_share_a_verifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
