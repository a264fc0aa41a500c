/* The floor of HTTP: the server's own door with a handler that knows its answer beforehand.
 *
 *   echo BYTES none                 the request is read and answered with so many bytes
 *   echo BYTES signed KEY SECRET    its signature is checked before
 *
 * One HTTP thread; prints its port, runs until standard input ends. `load` drives it with the same
 * requests as the server, so the difference to a real answer is what lies between: binding,
 * queries, filters, scoring, writing JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/http.h"
#include "wire/sigv4.h"

struct echo {
    struct od_str answer, key, secret;
    struct od_sigv4 *verifier; /* NULL: unchecked */
};

static bool find_key(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    const struct echo *e = context;
    if (!od_str_eq(key_id, e->key) || e->secret.len > sizeof out->text)
        return false;
    memcpy(out->text, e->secret.ptr, e->secret.len);
    out->len = e->secret.len;
    return true;
}

static bool handle(void *context, struct od_http_exchange *exchange)
{
    struct echo *e = context;
    struct od_http_response *response = od_http_response(exchange);
    struct od_sigv4_claim claim;
    struct od_error err;
    if (e->verifier &&
        od_sigv4_verify(e->verifier, od_http_request(exchange), OD_STR("personalize"),
                        od_io_real.now_ms(&od_io_real) / 1000, &claim, &err) != OD_OK) {
        response->status = 403;
        return true;
    }
    response->content_type = OD_STR("application/json");
    od_buf_str(&response->body, e->answer);
    return true;
}

int main(int argc, char **argv)
{
    bool is_signed = argc > 2 && strcmp(argv[2], "signed") == 0;
    size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (bytes < 1 || bytes > 65536 || argc != (is_signed ? 5 : 3)) {
        fprintf(stderr, "usage: echo BYTES none | echo BYTES signed KEY SECRET\n");
        return 2;
    }
    char *text = malloc(bytes);
    struct echo e = {.answer = {text, bytes}};
    struct od_http_config config = {
        .host = "127.0.0.1", .threads = 1, .handle = handle, .context = &e};
    struct od_http *http;
    struct od_error err;
    if (!text)
        return 1;
    memset(text, 'x', bytes);
    if (is_signed) {
        e.key = od_str_c(argv[3]);
        e.secret = od_str_c(argv[4]);
        e.verifier = od_sigv4_new(find_key, &e);
    }
    if ((is_signed && !e.verifier) || od_http_start(&config, &http, &err) != OD_OK) {
        fprintf(stderr, "echo: no server\n");
        return 1;
    }
    printf("%u\n", od_http_port(http));
    fflush(stdout);
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    od_http_stop(http, 0);
    od_sigv4_free(e.verifier);
    free(text);
    return 0;
}
