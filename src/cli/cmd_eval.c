/* ondol eval: how good recipes are on a file of interactions, without a server and without AWS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "eval/load.h"
#include "eval/report.h"
#include "os/parallel.h"
#include "recipes/registry.h"
#include "recipes/unordered.h"

#define REPORT_BYTES_MAX (256u << 20) /* 32 recipes with all figures take less than 1 MB */
#define FILES_MAX        1000         /* interactions in parts */

static const struct od_option defaults[] = {
    {"protocol", "aws-external", "how to split, ask and judge (--list names all)", "NAME", false, 0,
     NULL},
    {"interactions", NULL,
     "CSV file with Amazon's column names, or an imported segment; may repeat", "FILE", true, 0,
     NULL},
    {"items", NULL, "records of items: CSV or segment", "FILE", false, 0, NULL},
    {"users", NULL, "records of users: CSV or segment", "FILE", false, 0, NULL},
    {"test", NULL, "held-out part, for protocols session and cf", "FILE", false, 0, NULL},
    {"recipe", NULL, "recipe to evaluate; may repeat", "NAME", true, 0, NULL},
    {"param", NULL, "hyperparameter, for every recipe that has it; may repeat", "NAME=VALUE", true,
     0, NULL},
    {"event-type", NULL, "only events of this type count", "TYPE", false, 0, NULL},
    {"event-value", NULL, "only events of at least this EVENT_VALUE count", "NUMBER", false, 0,
     NULL},
    {"target-time", "false", "queries know the time of the event to be predicted", NULL, false, 0,
     NULL},
    {"relaxed", "false", "loo: training has the event before last too, as some papers do", NULL,
     false, 0, NULL},
    {"seed", "1", "of splits, training and intervals", "N", false, 0, NULL},
    {"threads", "0", "0: all cores", "N", false, 0, NULL},
    {"memory", "0", "MiB a recipe may use beyond the data; 0: no limit", "N", false, 0, NULL},
    {"folds", "5", "of aws-internal and trend", "N", false, 0, NULL},
    {"cut", "0.9", "share of the events before the moment that protocol time cuts at", "SHARE",
     false, 0, NULL},
    {"segment-by", NULL, "protocol segment asks for values of this item column, not for items",
     "COLUMN", false, 0, NULL},
    {"users-most", "100000", "questions asked at most, spread evenly; 0: all", "N", false, 0, NULL},
    {"json", NULL, "writes the report as JSON there", "FILE", false, 0, NULL},
    {"svg", NULL, "draws quality against training time there", "FILE", false, 0, NULL},
    {"image", NULL, "writes the last recipe's model of the last fold there, for ondol show", "FILE",
     false, 0, NULL},
    {"list", "false", "prints protocols and recipes, and does nothing else", NULL, false, 0, NULL},
};
#define OPTION_COUNT (sizeof defaults / sizeof *defaults)

struct command {
    struct od_option options[OPTION_COUNT];
    struct od_eval_plan plan;
    struct od_eval_recipe recipes[OD_EVAL_RECIPES];
    const char *paths[FILES_MAX];
    char *path_text;
    struct od_event_rule rule;
    struct od_loaded data;
    struct od_shuffled dealt;  /* the same by chance, where the data have no order */
    struct od_io_map external; /* of ondol-external-vectors */
    struct od_test_file test;
};

static const char *option(const struct command *c, const char *name)
{
    return od_option_value(c->options, OPTION_COUNT, name);
}

static int list(void)
{
    const struct od_protocol *protocol;
    const struct od_recipe *recipe;
    printf("protocols\n");
    for (size_t i = 0; (protocol = od_protocol_at(i)); i++)
        printf("  %-14s %s\n", protocol->name, protocol->summary);
    printf("recipes\n");
    for (size_t i = 0; (recipe = od_recipe_at(i)); i++) {
        const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
        printf("  %-32s %s\n", recipe->name, spec ? spec->type_name : "");
    }
    return 0;
}

/* --- options to a plan --- */

static enum od_status add_recipe(struct command *c, struct od_str name, struct od_error *err)
{
    if (c->plan.recipe_count == OD_EVAL_RECIPES)
        return od_fail(err, OD_INVALID_INPUT, "--recipe may be given %d times.", OD_EVAL_RECIPES);
    struct od_eval_recipe *r = &c->recipes[c->plan.recipe_count++];
    r->recipe = od_recipe_find(name);
    r->spec = od_recipe_spec_find(name);
    if (!r->recipe || !r->spec)
        return od_fail(err, OD_INVALID_INPUT,
                       "--recipe %.*s: there is no such recipe here (--list names all).",
                       OD_STR_ARG(name));
    if (r->spec->domain)
        return od_fail(err, OD_INVALID_INPUT,
                       "--recipe %.*s: the use cases of a domain are measured as the recipe that "
                       "trains them, here %s.",
                       OD_STR_ARG(name), r->spec->base);
    if (r->spec->param_count > OD_EVAL_PARAMS)
        return od_fail(err, OD_INTERNAL, "Recipe %s has more parameters than an evaluation holds.",
                       r->spec->name);
    return od_recipe_params_default(r->spec, r->params);
}

/* Sets one NAME=VALUE in every recipe that has it; *out_used tells whether there was one. */
static enum od_status set_param(struct command *c, struct od_str pair, bool *out_used,
                                struct od_error *err)
{
    struct od_str value = pair, name;
    od_str_cut(&value, '=', &name);
    if (!value.ptr)
        return od_fail(err, OD_INVALID_INPUT, "--param %.*s is not NAME=VALUE.", OD_STR_ARG(pair));
    for (size_t i = 0; i < c->plan.recipe_count; i++) {
        struct od_eval_recipe *r = &c->recipes[i];
        enum od_param_place place = OD_PARAM_ALGORITHM;
        if (od_recipe_param_find(r->spec, place, name) == SIZE_MAX)
            place = OD_PARAM_FEATURIZATION;
        if (od_recipe_param_find(r->spec, place, name) == SIZE_MAX)
            continue;
        enum od_status s = od_recipe_params_set(r->spec, place, name, value, r->params, err);
        if (s != OD_OK)
            return s;
        size_t used = strlen(r->given);
        snprintf(r->given + used, sizeof r->given - used, "%s%.*s", used ? " " : "",
                 OD_STR_ARG(pair));
        *out_used = true;
    }
    return OD_OK;
}

static enum od_status read_params(struct command *c, struct od_error *err)
{
    struct od_str pairs = od_str_c(option(c, "param")), pair;
    while (od_str_cut(&pairs, ':', &pair)) {
        bool used = false;
        enum od_status s = set_param(c, pair, &used, err);
        if (s != OD_OK)
            return s;
        if (!used)
            return od_fail(err, OD_INVALID_INPUT,
                           "--param %.*s: none of the recipes has a hyperparameter of that name.",
                           OD_STR_ARG(pair));
    }
    for (size_t i = 0; i < c->plan.recipe_count; i++) {
        enum od_status s = od_recipe_params_check(c->recipes[i].spec, c->recipes[i].params, err);
        if (s != OD_OK)
            return s;
    }
    return OD_OK;
}

static enum od_status read_recipes(struct command *c, struct od_error *err)
{
    struct od_str names = od_str_c(option(c, "recipe")), name;
    c->plan.recipes = c->recipes;
    while (od_str_cut(&names, ':', &name)) {
        enum od_status s = add_recipe(c, name, err);
        if (s != OD_OK)
            return s;
    }
    return read_params(c, err);
}

static bool read_numbers(struct command *c)
{
    int64_t seed, threads, memory, folds, most;
    const struct od_option *o = c->options;
    if (!od_option_number(o, OPTION_COUNT, "seed", 0, INT64_MAX, &seed) ||
        !od_option_number(o, OPTION_COUNT, "threads", 0, OD_EVAL_PARALLEL, &threads) ||
        !od_option_number(o, OPTION_COUNT, "memory", 0, INT64_MAX >> 20, &memory) ||
        !od_option_number(o, OPTION_COUNT, "folds", 1, 1000, &folds) ||
        !od_option_number(o, OPTION_COUNT, "users-most", 0, UINT32_MAX, &most))
        return false;
    if (!od_str_to_double(od_str_c(option(c, "cut")), &c->plan.input.cut) ||
        !(c->plan.input.cut > 0 && c->plan.input.cut < 1)) {
        fprintf(stderr, "ondol: --cut is a number above 0 and below 1, not \"%s\"\n",
                option(c, "cut"));
        return false;
    }
    c->plan.threads = threads ? (unsigned)threads : od_cpu_count();
    c->plan.memory_bytes = (uint64_t)memory << 20;
    c->plan.input.seed = (uint64_t)seed;
    c->plan.input.folds = (uint32_t)folds;
    c->plan.input.most = (uint32_t)most;
    c->plan.input.relaxed = od_option_flag(o, OPTION_COUNT, "relaxed");
    c->plan.input.target_time = od_option_flag(o, OPTION_COUNT, "target-time");
    return true;
}

/* What a protocol does not use would be ignored: then it must not be given. */
static enum od_status check_options(const struct command *c, struct od_error *err)
{
    const struct od_protocol *p = c->plan.protocol;
    const struct {
        const char *name;
        bool given, used;
    } options[] = {
        {"relaxed", c->plan.input.relaxed, p == &od_protocol_loo},
        {"target-time", c->plan.input.target_time, p->targeted},
        {"folds", od_option_given(c->options, OPTION_COUNT, "folds"), p->folded},
        {"cut", od_option_given(c->options, OPTION_COUNT, "cut"), p == &od_protocol_time},
        {"segment-by", option(c, "segment-by") != NULL, p->segments},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && !options[i].used)
            return od_fail(err, OD_INVALID_INPUT, "--%s is not for protocol %s.", options[i].name,
                           p->name);
    return OD_OK;
}

static enum od_status read_plan(struct command *c, struct od_error *err)
{
    struct od_str name = od_str_c(option(c, "protocol"));
    c->plan.io = &od_io_real;
    c->plan.protocol = od_protocol_find(name);
    if (!c->plan.protocol)
        return od_fail(err, OD_INVALID_INPUT,
                       "--protocol %.*s: there is no such protocol (--list names all).",
                       OD_STR_ARG(name));
    c->plan.input.segment_column = od_str_c(option(c, "segment-by"));
    if (!option(c, "interactions"))
        return od_fail(err, OD_INVALID_INPUT, "--interactions FILE is needed.");
    enum od_status s = check_options(c, err);
    if (s != OD_OK)
        return s;
    bool has_test = option(c, "test") != NULL;
    if (has_test != (c->plan.protocol->test != OD_TEST_NONE))
        return od_fail(err, OD_INVALID_INPUT, "--test FILE %s protocol %s.",
                       has_test ? "is not used by" : "is needed by", c->plan.protocol->name);
    return read_recipes(c, err);
}

/* --- data --- */

static enum od_status load(struct command *c, struct od_error *err)
{
    struct od_load_files files = {
        .interactions = c->paths, .items = option(c, "items"), .users = option(c, "users")};
    const char *least = option(c, "event-value"), *type = option(c, "event-type");
    struct od_event_rule rule = {.type = type ? od_str_c(type) : OD_STR_NONE, .weight = 1};
    rule.has_threshold = least != NULL;
    if (type || least)
        files.rule = (struct od_training_rule){.events = &rule, .event_count = 1};
    if (least && !od_str_to_double(od_str_c(least), &rule.threshold))
        return od_fail(err, OD_INVALID_INPUT, "--event-value %s is not a number.", least);
    c->path_text = strdup(option(c, "interactions"));
    if (!c->path_text)
        return od_fail(err, OD_NO_MEMORY, NULL);
    char *rest = NULL;
    for (char *path = strtok_r(c->path_text, ":", &rest); path; path = strtok_r(NULL, ":", &rest)) {
        if (files.interactions_count == FILES_MAX)
            return od_fail(err, OD_INVALID_INPUT, "--interactions may be given %d times.",
                           FILES_MAX);
        c->paths[files.interactions_count++] = path;
    }
    enum od_status s = od_load(&files, &od_io_real, &c->data, err);
    if (s == OD_OK && c->plan.protocol->timed && !c->data.has_time)
        s = od_fail(err, OD_INVALID_INPUT,
                    "Protocol %s needs to know when events were: a file of --interactions has no "
                    "column TIMESTAMP.",
                    c->plan.protocol->name);
    if (s == OD_OK && c->plan.protocol->test != OD_TEST_NONE) {
        s = od_test_file_read(&c->test, &od_io_real, option(c, "test"), c->plan.protocol->test,
                              err);
        c->plan.input.test = &c->test;
    }
    c->plan.input.full = c->data.training;
    c->plan.input.items = c->data.items;
    c->plan.records = c->data.records;
    return s;
}

/* Dumps of pairs come sorted by item id: whoever is asked for the end of such histories is asked
 * for the highest ids. The server deals them before it trains (jobs/train.c). */
static enum od_status deal(struct command *c, struct od_error *err)
{
    const struct od_protocol *p = c->plan.protocol;
    if (!p->targeted || p->timed || !od_unordered(c->data.training))
        return OD_OK;
    if (od_shuffled_init(&c->dealt, c->data.training, c->plan.input.seed) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    c->plan.input.full = &c->dealt.training;
    return OD_OK;
}

/* The file of vectors, for the recipe that serves such. */
static enum od_status map_external(struct command *c, struct od_error *err)
{
    for (size_t i = 0; i < c->plan.recipe_count; i++) {
        struct od_eval_recipe *r = &c->recipes[i];
        if (od_recipe_param_find(r->spec, OD_PARAM_ALGORITHM, OD_STR("location")) == SIZE_MAX ||
            c->external.ptr)
            continue;
        struct od_str path = od_recipe_param(r->spec, r->params, "location")->text;
        char name[4096];
        if (!path.len || path.len >= sizeof name)
            continue; /* the recipe says what it needs */
        snprintf(name, sizeof name, "%.*s", OD_STR_ARG(path));
        enum od_status s = od_io_real.map(&od_io_real, name, &c->external, err);
        if (s != OD_OK)
            return s;
        r->external = (struct od_str){c->external.ptr, c->external.bytes};
    }
    return OD_OK;
}

static enum od_status show_progress(void *context, const char *who, double fraction,
                                    const char *stage)
{
    (void)context;
    fprintf(stderr, "\r\033[K%s %3.0f %% %s", who, 100 * fraction, stage);
    return OD_OK;
}

/* --- reports --- */

static enum od_status write_report(const char *path, const struct od_eval_result *result,
                                   void (*write)(const struct od_eval_result *, struct od_buf *),
                                   struct od_error *err)
{
    struct od_buf text;
    if (!path)
        return OD_OK;
    od_buf_init(&text, REPORT_BYTES_MAX);
    write(result, &text);
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK)
        s = od_io_write_file(&od_io_real, path, od_buf_view(&text), err);
    else
        od_fail(err, s, NULL);
    od_buf_done(&text);
    return s;
}

static enum od_status print_report(const struct od_eval_result *result, struct od_error *err)
{
    struct od_buf text;
    od_buf_init(&text, REPORT_BYTES_MAX);
    od_report_text(result, &text);
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK)
        fwrite(text.ptr, 1, text.len, stdout);
    od_buf_done(&text);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status evaluate(struct command *c, struct od_error *err)
{
    struct od_eval_result result;
    bool tells = isatty(STDERR_FILENO);
    c->plan.image_path = option(c, "image");
    if (tells)
        c->plan.say = show_progress;
    enum od_status s = od_eval_run(&c->plan, &result, err);
    if (tells)
        fprintf(stderr, "\r\033[K");
    if (s != OD_OK)
        return s;
    s = print_report(&result, err);
    if (s == OD_OK)
        s = write_report(option(c, "json"), &result, od_report_json, err);
    if (s == OD_OK)
        s = write_report(option(c, "svg"), &result, od_report_svg, err);
    od_eval_done(&result);
    return s;
}

static int run(struct command *c)
{
    struct od_error err = {0};
    enum od_status s = read_plan(c, &err);
    if (s != OD_OK) {
        fprintf(stderr, "ondol: %s\n", err.message);
        return 2;
    }
    s = load(c, &err);
    if (s == OD_OK)
        s = deal(c, &err);
    if (s == OD_OK)
        s = map_external(c, &err);
    if (s == OD_OK)
        s = evaluate(c, &err);
    if (s != OD_OK)
        fprintf(stderr, "ondol: %s\n", err.message);
    od_shuffled_done(&c->dealt);
    od_loaded_done(&c->data);
    if (c->external.ptr)
        od_io_real.unmap(&od_io_real, &c->external);
    od_test_file_done(&c->test);
    free(c->path_text);
    return s == OD_OK ? 0 : 1;
}

int od_cmd_eval(int argc, char **argv)
{
    struct command *c = calloc(1, sizeof *c);
    int rest, code = 2;
    if (!c) {
        fprintf(stderr, "ondol: out of memory\n");
        return 1;
    }
    memcpy(c->options, defaults, sizeof defaults);
    if (od_options_read("ondol eval --interactions FILE --recipe NAME [OPTIONS]", c->options,
                        OPTION_COUNT, argc, argv, &rest)) {
        if (rest < argc)
            fprintf(stderr, "ondol: eval takes no argument: \"%s\"\n", argv[rest]);
        else if (od_option_flag(c->options, OPTION_COUNT, "list"))
            code = list();
        else if (read_numbers(c))
            code = run(c);
    }
    od_options_done(c->options, OPTION_COUNT);
    free(c);
    return code;
}
