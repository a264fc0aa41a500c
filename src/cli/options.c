/* Options from the command line, the environment and a configuration file: see cli.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 65536

enum rank { FROM_FILE = 1, FROM_ENVIRONMENT = 2, FROM_COMMAND = 3 };

static struct od_option *find(struct od_option *options, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

static const char *const yes[] = {"true", "1", "yes", NULL};
static const char *const no[] = {"false", "0", "no", "", NULL};

static bool is_valid(const struct od_option *option, const char *value)
{
    if (option->metavar || is_one_of(value, yes) || is_one_of(value, no))
        return true;
    fprintf(stderr, "ondol: --%s is true or false, not \"%s\"\n", option->name, value);
    return false;
}

static bool set(struct od_option *option, struct od_str value, enum rank rank)
{
    struct od_buf text;
    if (option->rank > (int)rank)
        return true;
    od_buf_init(&text, VALUE_MAX_BYTES);
    if (option->many && option->rank == (int)rank && option->value) {
        od_buf_puts(&text, option->value);
        od_buf_char(&text, ':');
    }
    od_buf_str(&text, value);
    od_buf_put(&text, "", 0); /* an empty value is a text too */
    if (od_buf_status(&text) != OD_OK || !is_valid(option, text.ptr)) {
        if (od_buf_status(&text) != OD_OK)
            fprintf(stderr, "ondol: --%s is longer than %d bytes\n", option->name, VALUE_MAX_BYTES);
        od_buf_done(&text);
        return false;
    }
    free(option->owned);
    option->owned = text.ptr;
    option->value = text.ptr;
    option->rank = rank;
    return true;
}

void od_options_done(struct od_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(options[i].owned);
        options[i].owned = NULL;
        options[i].value = NULL;
    }
}

static void print_help(const char *usage, const struct od_option *options, size_t count)
{
    printf("usage: %s\n\n", usage);
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].metavar ? " " : "",
                 options[i].metavar ? options[i].metavar : "");
        printf("  %-24s %s%s%s%s\n", left, options[i].help,
               options[i].value && *options[i].value ? " [" : "",
               options[i].value ? options[i].value : "",
               options[i].value && *options[i].value ? "]" : "");
    }
    printf("\nEach option is also an environment variable: --no-auth is ONDOL_NO_AUTH=true.\n");
}

static bool read_environment(struct od_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "ONDOL_%s", options[i].name);
        for (char *c = name; *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        const char *value = getenv(name);
        if (value && !set(&options[i], od_str_c(value), FROM_ENVIRONMENT))
            return false;
    }
    return true;
}

static bool read_command(const char *usage, struct od_option *options, size_t count, int argc,
                         char **argv, int *rest)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2, *equals = strchr(name, '=');
        if (strcmp(name, "help") == 0) {
            print_help(usage, options, count);
            exit(0);
        }
        struct od_option *option =
            find(options, count, name, equals ? (size_t)(equals - name) : strlen(name));
        if (!option) {
            fprintf(stderr, "%s: there is no option %s (--help lists them)\n", argv[0], argv[i]);
            return false;
        }
        const char *value = equals             ? equals + 1
                            : !option->metavar ? "true"
                            : i + 1 < argc     ? argv[++i]
                                               : NULL;
        if (!value) {
            fprintf(stderr, "%s: --%s needs a value\n", argv[0], option->name);
            return false;
        }
        if (!set(option, od_str_c(value), FROM_COMMAND))
            return false;
    }
    *rest = i;
    return true;
}

static bool read_line(struct od_option *options, size_t count, const char *path, unsigned number,
                      char *line)
{
    struct od_str text = od_str_trim(od_str_c(line)), name;
    if (text.len == 0 || text.ptr[0] == '#')
        return true;
    struct od_str value = text;
    (void)od_str_cut(&value, '=', &name);
    name = od_str_trim(name);
    struct od_option *option = find(options, count, name.ptr, name.len);
    if (!option || !value.ptr) {
        fprintf(stderr,
                "%s:%u: expected \"option = value\" with an option of serve, got \"%.*s\"\n", path,
                number, OD_STR_ARG(text));
        return false;
    }
    value = od_str_trim(value);
    return set(option, value, FROM_FILE);
}

static bool read_file(struct od_option *options, size_t count, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[LINE_MAX_BYTES];
    bool ok = file != NULL;
    if (!file) {
        perror(path);
        return false;
    }
    for (unsigned number = 1; ok && fgets(line, sizeof line, file); number++) {
        size_t len = strlen(line);
        if (len + 1 == sizeof line && line[len - 1] != '\n') {
            fprintf(stderr, "%s:%u: the line is longer than %d bytes\n", path, number,
                    LINE_MAX_BYTES - 2);
            ok = false;
        } else {
            ok = read_line(options, count, path, number, line);
        }
    }
    if (ok && ferror(file)) {
        perror(path);
        ok = false;
    }
    fclose(file);
    return ok;
}

bool od_options_read(const char *usage, struct od_option *options, size_t count, int argc,
                     char **argv, int *out_rest)
{
    if (!read_environment(options, count) ||
        !read_command(usage, options, count, argc, argv, out_rest))
        return false;
    const struct od_option *config = find(options, count, "config", 6);
    return !config || !config->value || !*config->value || read_file(options, count, config->value);
}

const char *od_option_value(const struct od_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0)
            return options[i].value;
    return NULL;
}

bool od_option_given(const struct od_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].name, name) == 0)
            return options[i].rank > 0;
    return false;
}

bool od_option_flag(const struct od_option *options, size_t count, const char *name)
{
    const char *value = od_option_value(options, count, name);
    return value && is_one_of(value, yes);
}

bool od_option_number(const struct od_option *options, size_t count, const char *name, int64_t min,
                      int64_t max, int64_t *out)
{
    const char *value = od_option_value(options, count, name);
    int64_t number;
    if (value && od_str_to_i64(od_str_c(value), &number) && number >= min && number <= max) {
        *out = number;
        return true;
    }
    fprintf(stderr, "ondol: --%s must be a whole number between %lld and %lld, not \"%s\"\n", name,
            (long long)min, (long long)max, value ? value : "");
    return false;
}
