/* main(): the table of verbs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "math/blas.h"

static const struct od_verb verbs[] = {
    {"serve", "answer the Amazon Personalize API", od_cmd_serve},
    {"keys", "create, list and revoke access keys", od_cmd_keys},
    {"jobs", "show what imports and trainings are doing", od_cmd_jobs},
    {"campaign", "show what campaigns use; set a ceiling", od_cmd_campaign},
    {"filter", "try a filter: what it keeps, and which clause drops what", od_cmd_filter},
    {"explain", "tell why an answer is what it is", od_cmd_explain},
    {"generate", "make believable lodging data of any size", od_cmd_generate},
    {"show", "print what is in a segment or model image", od_cmd_show},
    {"eval", "measure recipes on held-out data", od_cmd_eval},
    {"worker", "do one job from standard input (started by serve)", od_cmd_worker},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static int help(FILE *to)
{
    fprintf(to, "ondol: self-hosted personalisation that speaks Amazon Personalize's protocol\n\n"
                "usage: ondol VERB [OPTIONS]      ondol VERB --help tells more\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    od_blas_know_cpu(argv);
    if (argc < 2)
        return help(stderr);
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return help(stdout);
    fprintf(stderr, "ondol: there is no verb \"%s\"\n\n", argv[1]);
    return help(stderr);
}
