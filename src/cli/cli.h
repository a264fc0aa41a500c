/* The verbs of the ondol command: one cmd_<verb>.c each, one row in main.c. */
#ifndef OD_CLI_CLI_H
#define OD_CLI_CLI_H

#include <stddef.h>

#include "base/str.h"

struct od_verb {
    const char *name;
    const char *summary;               /* one line for `ondol help` */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
};

int od_cmd_serve(int argc, char **argv);
int od_cmd_worker(int argc, char **argv);
int od_cmd_keys(int argc, char **argv);
int od_cmd_jobs(int argc, char **argv);
int od_cmd_campaign(int argc, char **argv);
int od_cmd_filter(int argc, char **argv);
int od_cmd_explain(int argc, char **argv);
int od_cmd_generate(int argc, char **argv);
int od_cmd_show(int argc, char **argv);
int od_cmd_eval(int argc, char **argv);

/* One option of a verb: --name VALUE or --name=VALUE, the environment variable ONDOL_NAME, or a
 * line "name = value" of the configuration file; the command line wins, then the environment, then
 * the file. A flag takes no value on the command line; elsewhere true or false. */
struct od_option {
    const char *name;    /* "data" */
    const char *value;   /* the default, replaced by what is given; static or owned */
    const char *help;    /* one line */
    const char *metavar; /* "DIR"; NULL for a flag */
    bool many;           /* may be given again; values are then joined by ':' */
    int rank;    /* where value came from: 0 default, 1 file, 2 environment, 3 command line */
    char *owned; /* a copy of what was given; od_options_done frees */
};

/* Reads environment and command line, and the file named by the option "config" when there is one.
 * Prints help for --help and exits with 0; false (after a message on standard error) for anything
 * wrong. Positional arguments are not taken: *out_rest gets the index of the first one (argc when
 * there is none). */
bool od_options_read(const char *usage, struct od_option *options, size_t count, int argc,
                     char **argv, int *out_rest);
/* Frees what reading kept; values are gone. */
void od_options_done(struct od_option *options, size_t count);
const char *od_option_value(const struct od_option *options, size_t count, const char *name);
/* Not only its default. */
bool od_option_given(const struct od_option *options, size_t count, const char *name);
bool od_option_flag(const struct od_option *options, size_t count, const char *name);
/* False (after a message) when it is no whole number between min and max. */
bool od_option_number(const struct od_option *options, size_t count, const char *name, int64_t min,
                      int64_t max, int64_t *out);

/* What cmd_show prints of a file of histories; nothing when it is none, or damaged. */
enum od_status od_show_history(const char *path, struct od_str bytes,
                               struct od_error *err) OD_MUST_USE;

#endif
