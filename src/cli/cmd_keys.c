/* ondol keys: access keys of a data folder. A running server is asked through its control socket; a
 * folder nobody serves is opened here. */
#include <stdio.h>
#include <string.h>

#include "api/control.h"
#include "base/time.h"
#include "cli/cli.h"

#define USAGE "ondol keys create|list|revoke [OPTIONS]"

/* Opening a store makes one: not for a folder that was mistyped. */
static enum od_status check_folder(const char *folder, struct od_error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/ondol.db", folder);
    if (n > 0 && n < (int)sizeof path && od_io_exists(&od_io_real, path))
        return OD_OK;
    return od_fail(err, OD_NOT_FOUND,
                   "There is no data in %s: `ondol serve --data %s` makes it, and a first key.",
                   folder, folder);
}

/* The folder's server, or the folder itself. */
static enum od_status ask(const char *folder, struct od_str request, struct od_buf *reply,
                          struct od_error *err)
{
    struct od_store *store;
    struct od_arena arena;
    struct od_json json;
    enum od_status s = od_control_ask(folder, request, reply, err);
    if (s != OD_UNAVAILABLE)
        return s;
    s = check_folder(folder, err);
    if (s == OD_OK)
        s = od_store_open(&od_io_real, folder, &store, err);
    if (s != OD_OK)
        return s;
    od_arena_init(&arena, 1u << 20);
    s = od_json_parse(&arena, request, &json, err);
    if (s == OD_OK)
        s = od_control_do(store, &od_io_real, &json, reply, err);
    od_arena_done(&arena);
    od_store_close(store);
    return s;
}

static void print_created(const struct od_json *reply)
{
    printf("export AWS_ACCESS_KEY_ID=%.*s\nexport AWS_SECRET_ACCESS_KEY=%.*s\n",
           OD_STR_ARG(od_json_get_str(reply, "id", OD_STR(""))),
           OD_STR_ARG(od_json_get_str(reply, "secret", OD_STR(""))));
}

static void print_list(const struct od_json *reply)
{
    const struct od_json *keys = od_json_get(reply, OD_STR("keys"));
    printf("%-22s %-25s %-8s %s\n", "KEY", "CREATED", "STATE", "NOTE");
    for (size_t i = 0; keys && i < keys->count; i++) {
        const struct od_json *key = &keys->items[i];
        char created[OD_TIME_TEXT];
        od_time_format_iso(od_json_get_i64(key, "created", 0), created);
        printf("%-22.*s %-25s %-8s %.*s\n", OD_STR_ARG(od_json_get_str(key, "id", OD_STR(""))),
               created, od_json_get_i64(key, "revoked", 0) ? "revoked" : "valid",
               OD_STR_ARG(od_json_get_str(key, "note", OD_STR(""))));
    }
}

static int show(const char *verb, struct od_str text)
{
    struct od_arena arena;
    struct od_json reply;
    struct od_error err;
    int status = 1;
    od_arena_init(&arena, 16u << 20);
    if (od_json_parse(&arena, text, &reply, &err) != OD_OK) {
        fprintf(stderr, "ondol: %s\n", err.message);
    } else if (od_json_get(&reply, OD_STR("error"))) {
        fprintf(stderr, "ondol: %.*s\n", OD_STR_ARG(od_json_get_str(&reply, "error", OD_STR(""))));
    } else {
        status = 0;
        if (strcmp(verb, "create") == 0)
            print_created(&reply);
        else if (strcmp(verb, "list") == 0)
            print_list(&reply);
        else
            printf("revoked\n");
    }
    od_arena_done(&arena);
    return status;
}

static bool write_request(const char *verb, const struct od_option *options, size_t count,
                          const char *argument, struct od_buf *out)
{
    od_buf_puts(out, "{\"do\":");
    if (strcmp(verb, "create") == 0 && !argument) {
        od_buf_puts(out, "\"create-key\",\"note\":");
        od_buf_json(out, od_str_c(od_option_value(options, count, "note")));
    } else if (strcmp(verb, "list") == 0 && !argument) {
        od_buf_puts(out, "\"list-keys\"");
    } else if (strcmp(verb, "revoke") == 0 && argument) {
        od_buf_puts(out, "\"revoke-key\",\"id\":");
        od_buf_json(out, od_str_c(argument));
    } else {
        fprintf(stderr, "usage: " USAGE "\n       ondol keys revoke [OPTIONS] KEY\n");
        return false;
    }
    od_buf_char(out, '}');
    return od_buf_status(out) == OD_OK;
}

/* argv[0] is what to do. */
static int read_and_run(struct od_option *options, size_t count, int argc, char **argv)
{
    struct od_buf request, reply;
    struct od_error err;
    int rest, status = 2;
    if (!od_options_read(USAGE, options, count, argc, argv, &rest))
        return 2;
    if (rest + 1 < argc) { /* an option there would silently be another folder's */
        fprintf(stderr,
                "ondol: unexpected \"%s\"; options come before the key\n"
                "usage: ondol keys revoke [OPTIONS] KEY\n",
                argv[rest + 1]);
        return 2;
    }
    od_buf_init(&request, 65536);
    od_buf_init(&reply, 1u << 20);
    if (write_request(argv[0], options, count, rest < argc ? argv[rest] : NULL, &request)) {
        status = 1;
        if (ask(od_option_value(options, count, "data"), od_buf_view(&request), &reply, &err) ==
            OD_OK)
            status = show(argv[0], od_buf_view(&reply));
        else
            fprintf(stderr, "ondol: %s\n", err.message);
    }
    od_buf_done(&request);
    od_buf_done(&reply);
    return status;
}

int od_cmd_keys(int argc, char **argv)
{
    struct od_option options[] = {
        {"data", "ondol-data", "the server's data folder", "DIR", false, 0, NULL},
        {"note", "", "create: what the key is for", "TEXT", false, 0, NULL},
    };
    if (argc < 2) {
        fprintf(stderr, "usage: " USAGE "\n");
        return 2;
    }
    int status = read_and_run(options, 2, argc - 1, argv + 1);
    od_options_done(options, 2);
    return status;
}
