/* ondol filter try: what a filter keeps for a user and which of its clauses drops what, asked of a
 * running server through its control socket. The filter is one that exists, or an expression that
 * is tried before it becomes one. */
#include <stdio.h>
#include <string.h>

#include "api/control.h"
#include "cli/cli.h"

#define USAGE "ondol filter try [OPTIONS] [PARAMETER=VALUES]..."

static void print_conditions(const struct od_json *expression)
{
    const struct od_json *conditions = od_json_get(expression, OD_STR("conditions"));
    for (size_t i = 0; conditions && conditions->count > 1 && i < conditions->count; i++)
        printf("%12lld hold      %.*s\n",
               (long long)od_json_get_i64(&conditions->items[i], "holds", 0),
               OD_STR_ARG(od_json_get_str(&conditions->items[i], "text", OD_STR(""))));
}

static void print_expression(const struct od_json *expression)
{
    const struct od_json *include = od_json_get(expression, OD_STR("include"));
    struct od_str effect = od_json_get_str(expression, "effect", OD_STR(""));
    struct od_str text = od_json_get_str(expression, "text", OD_STR(""));
    bool counts = od_str_eq_c(effect, "counts"), includes = include && include->boolean;
    if (!counts)
        printf("     no effect      %.*s\n                    (%.*s)\n", OD_STR_ARG(text),
               OD_STR_ARG(effect));
    else
        printf("%8lld %-10s %.*s\n",
               (long long)od_json_get_i64(expression, includes ? "matches" : "drops", 0),
               includes ? "included" : "dropped", OD_STR_ARG(text));
    if (counts)
        print_conditions(expression);
}

static void print_report(const struct od_json *report)
{
    const struct od_json *expressions = od_json_get(report, OD_STR("expressions"));
    const struct od_json *record = od_json_get(report, OD_STR("userHasRecord"));
    struct od_str of = od_json_get_str(report, "of", OD_STR(""));
    long long outside = (long long)od_json_get_i64(report, "inNoInclude", 0);
    if (record)
        printf("The user has %s and %lld events.\n",
               record->boolean ? "a record in Users" : "no record in Users",
               (long long)od_json_get_i64(report, "events", 0));
    printf("%8lld %.*s known\n", (long long)od_json_get_i64(report, "known", 0), OD_STR_ARG(of));
    for (size_t i = 0; expressions && i < expressions->count; i++)
        print_expression(&expressions->items[i]);
    if (outside)
        printf("%8lld dropped    in no INCLUDE\n", outside);
    printf("%8lld kept\n", (long long)od_json_get_i64(report, "kept", 0));
}

static enum od_status show(const char *folder, struct od_str request, bool as_json,
                           struct od_error *err)
{
    struct od_buf reply;
    struct od_arena arena;
    struct od_json json;
    od_arena_init(&arena, 16u << 20);
    od_buf_init(&reply, 2u << 20);
    enum od_status s = od_control_read(folder, request, &arena, &reply, &json, err);
    if (s == OD_OK && as_json)
        printf("%.*s", OD_STR_ARG(od_buf_view(&reply)));
    else if (s == OD_OK)
        print_report(&json);
    od_buf_done(&reply);
    od_arena_done(&arena);
    return s;
}

static void write_member(struct od_buf *out, const char *name, const char *value)
{
    if (!value[0])
        return;
    od_buf_printf(out, ",\"%s\":", name);
    od_buf_json(out, od_str_c(value));
}

/* Values are PARAMETER=VALUES, VALUES as in filterValues. */
static bool write_values(struct od_buf *out, int count, char **values)
{
    od_buf_puts(out, ",\"values\":{");
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(values[i], '=');
        if (!equals || equals == values[i]) {
            fprintf(stderr, "ondol: \"%s\" is not of the form PARAMETER=VALUES\nusage: " USAGE "\n",
                    values[i]);
            return false;
        }
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, (struct od_str){values[i], (size_t)(equals - values[i])});
        od_buf_char(out, ':');
        od_buf_json(out, od_str_c(equals + 1));
    }
    od_buf_puts(out, "}}");
    return true;
}

static int try_filter(const struct od_option *options, size_t count, int values_count,
                      char **values)
{
    static const char *const members[] = {"filter", "group", "expression", "user", "item"};
    struct od_buf request;
    struct od_error err;
    int status = 2;
    bool existing = od_option_value(options, count, "filter")[0];
    bool written = od_option_value(options, count, "group")[0] &&
                   od_option_value(options, count, "expression")[0];
    if (existing == written) {
        fprintf(stderr, "ondol: name a filter by --filter, or write one by --group and "
                        "--expression\nusage: " USAGE "\n");
        return 2;
    }
    od_buf_init(&request, 65536);
    od_buf_puts(&request, "{\"do\":\"try-filter\"");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        write_member(&request, members[i], od_option_value(options, count, members[i]));
    if (write_values(&request, values_count, values)) {
        enum od_status s =
            od_buf_status(&request) == OD_OK
                ? show(od_option_value(options, count, "data"), od_buf_view(&request),
                       od_option_flag(options, count, "json"), &err)
                : od_fail(&err, OD_INVALID_INPUT, "That is too long.");
        status = s != OD_OK;
        if (status)
            fprintf(stderr, "ondol: %s\n", err.message);
    }
    od_buf_done(&request);
    return status;
}

int od_cmd_filter(int argc, char **argv)
{
    struct od_option options[] = {
        {"data", "ondol-data", "the server's data folder", "DIR", false, 0, NULL},
        {"filter", "", "the filter to try", "ARN", false, 0, NULL},
        {"group", "", "the dataset group to try an expression in", "ARN", false, 0, NULL},
        {"expression", "", "a filter expression", "TEXT", false, 0, NULL},
        {"user", "", "the user, or session, who asks", "ID", false, 0, NULL},
        {"item", "", "the item that CurrentItem stands for", "ID", false, 0, NULL},
        {"json", "false", "print what the server says", NULL, false, 0, NULL},
    };
    int rest, status = 2;
    if (argc < 2 || strcmp(argv[1], "try") != 0) {
        fprintf(stderr, "usage: " USAGE "\n");
        return 2;
    }
    if (od_options_read(USAGE, options, 7, argc - 1, argv + 1, &rest))
        status = try_filter(options, 7, argc - 1 - rest, argv + 1 + rest);
    od_options_done(options, 7);
    return status;
}
