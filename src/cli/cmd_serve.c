/* ondol serve: the server in the foreground, until SIGTERM or SIGINT. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/app.h"
#include "cli/cli.h"

#define MOST_FOLDERS 64

static struct od_option options[] = {
    {"listen", "127.0.0.1:8080", "address and port; port 0 takes a free one", "HOST:PORT", false, 0,
     NULL},
    {"data", "ondol-data", "folder of everything the server keeps", "DIR", false, 0, NULL},
    {"objects", "", "folder that s3://bucket/key means [DATA/objects]", "DIR", false, 0, NULL},
    {"s3-endpoint", "", "URL of an S3, MinIO or Ceph that s3:// means, in place of a folder", "URL",
     false, 0, NULL},
    {"s3-region", "us-east-1", "region in requests to it", "NAME", false, 0, NULL},
    {"s3-virtual-host", "false", "name buckets in its host name, not in paths", NULL, false, 0,
     NULL},
    {"s3-ca", "", "certificates to trust besides the system's, PEM", "FILE", false, 0, NULL},
    {"s3-key-id", "", "access key id for it", "ID", false, 0, NULL},
    {"s3-secret", "", "secret key for it; better in the environment or in --config", "SECRET",
     false, 0, NULL},
    {"allow-files", "", "allow file:// locations below this folder; may be repeated", "DIR", true,
     0, NULL},
    {"config", "", "read options from this file, a line \"name = value\" each", "FILE", false, 0,
     NULL},
    {"no-auth", "false", "accept unsigned requests (loopback addresses only)", NULL, false, 0,
     NULL},
    {"encrypted-disk", "false", "the disk is encrypted: accept keys in requests, unused", NULL,
     false, 0, NULL},
    {"strict", "false", "enforce AWS's own quotas and filter language", NULL, false, 0, NULL},
    {"region", "us-east-1", "region of ARNs when requests carry none", "NAME", false, 0, NULL},
    {"account", "000000000000", "account in ARNs, 12 digits", "NUMBER", false, 0, NULL},
    {"threads", "0", "HTTP threads; 0 for one a core", "N", false, 0, NULL},
    {"jobs", "1", "imports and trainings at the same time", "N", false, 0, NULL},
    {"job-threads", "0", "threads of one job; 0 for one a core", "N", false, 0, NULL},
    {"card-seconds", "15",
     "seconds that a training may spend on what its model card compares; 0 for none", "SECONDS",
     false, 0, NULL},
    {"auto-update", "7200", "seconds between automatic updates of deployed models; 0 for none",
     "SECONDS", false, 0, NULL},
    {"attribution-report", "900", "seconds between reports of metric attributions", "SECONDS",
     false, 0, NULL},
    {"put-queue", "4096", "Put* calls that may wait for a commit; further ones are throttled", "N",
     false, 0, NULL},
    {"put-queue-memory", "256", "memory of the waiting Put* calls in MiB; beyond, throttled", "MIB",
     false, 0, NULL},
    {"history-memory", "1024", "memory of users' histories in MiB; beyond, they move to files",
     "MIB", false, 0, NULL},
    {"rest-after", "600",
     "seconds without a request after which a campaign gives its memory back; 0 for never",
     "SECONDS", false, 0, NULL},
    {"overload-wait", "250",
     "milliseconds that a request beyond its campaign's minProvisionedTPS may wait in line before "
     "ThrottlingException",
     "MS", false, 0, NULL},
    {"job-memory", "0", "memory cap of one job in MiB; 0 for none", "MIB", false, 0, NULL},
};
#define COUNT (sizeof options / sizeof *options)

static bool split_listen(const char *listen, char *host, size_t size, uint16_t *port)
{
    const char *colon = strrchr(listen, ':');
    int64_t number;
    if (!colon || colon == listen || !od_str_to_i64(od_str_c(colon + 1), &number) || number < 0 ||
        number > 65535 || (size_t)(colon - listen) >= size) {
        fprintf(stderr, "ondol: --listen must be HOST:PORT, not \"%s\"\n", listen);
        return false;
    }
    snprintf(host, size, "%.*s", (int)(colon - listen), listen);
    *port = (uint16_t)number;
    return true;
}

static bool check_account(const char *account)
{
    size_t digits = strspn(account, "0123456789");
    if (digits == 12 && account[12] == '\0')
        return true;
    fprintf(stderr, "ondol: --account must be 12 digits, not \"%s\"\n", account);
    return false;
}

/* It becomes a part of ARNs, as a signature's region does. */
static bool check_region(const char *region)
{
    size_t len = strlen(region);
    if (len && len <= 64 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len)
        return true;
    fprintf(stderr, "ondol: --region must be 1-64 of a-z, 0-9 and -, not \"%s\"\n", region);
    return false;
}

/* An empty folder name would be the root of the machine in every path made from it. */
static bool check_data(const char *data)
{
    if (!*data)
        fprintf(stderr, "ondol: --data must name a folder\n");
    return *data != '\0';
}

/* Copies the joined --allow-files and splits the copy. */
static bool split_folders(const char *joined, const char **out, size_t *out_count)
{
    static char text[65536];
    size_t count = 0;
    if (snprintf(text, sizeof text, "%s", joined) >= (int)sizeof text) {
        fprintf(stderr, "ondol: --allow-files is longer than %zu bytes\n", sizeof text - 1);
        return false;
    }
    for (char *part = text; part && *part;) {
        char *colon = strchr(part, ':');
        if (colon)
            *colon++ = '\0';
        if (count == MOST_FOLDERS) {
            fprintf(stderr, "ondol: --allow-files names more than %d folders\n", MOST_FOLDERS);
            return false;
        }
        if (*part)
            out[count++] = part;
        part = colon;
    }
    *out_count = count;
    return true;
}

/* Fills config; text it needs is kept in the static buffers of this process. */
static bool read_config(struct od_app_config *config)
{
    static char host[256], objects[4096];
    static const char *folders[MOST_FOLDERS];
    int64_t threads, jobs, job_threads, job_memory, card, auto_update, attribution_report,
        put_queue, put_memory, history_memory, overload_wait, rest_after;
    const char *data = od_option_value(options, COUNT, "data");
    const char *own = od_option_value(options, COUNT, "objects");
    if (!split_listen(od_option_value(options, COUNT, "listen"), host, sizeof host,
                      &config->port) ||
        !check_data(data) || !check_region(od_option_value(options, COUNT, "region")) ||
        !check_account(od_option_value(options, COUNT, "account")) ||
        !split_folders(od_option_value(options, COUNT, "allow-files"), folders,
                       &config->file_folder_count) ||
        !od_option_number(options, COUNT, "threads", 0, 256, &threads) ||
        !od_option_number(options, COUNT, "jobs", 1, 16, &jobs) ||
        !od_option_number(options, COUNT, "job-threads", 0, 256, &job_threads) ||
        !od_option_number(options, COUNT, "card-seconds", 0, 86400, &card) ||
        !od_option_number(options, COUNT, "auto-update", 0, 30 * 86400, &auto_update) ||
        !od_option_number(options, COUNT, "attribution-report", 1, 86400, &attribution_report) ||
        !od_option_number(options, COUNT, "put-queue", 1, 1 << 20, &put_queue) ||
        !od_option_number(options, COUNT, "put-queue-memory", 1, 1 << 20, &put_memory) ||
        !od_option_number(options, COUNT, "history-memory", 1, 1 << 24, &history_memory) ||
        !od_option_number(options, COUNT, "rest-after", 0, 30 * 86400, &rest_after) ||
        !od_option_number(options, COUNT, "overload-wait", 1, 60000, &overload_wait) ||
        !od_option_number(options, COUNT, "job-memory", 0, 1 << 24, &job_memory))
        return false;
    if (snprintf(objects, sizeof objects, "%s%s", *own ? own : data, *own ? "" : "/objects") >=
        (int)sizeof objects) {
        fprintf(stderr, "ondol: the path of the objects folder is longer than %zu bytes\n",
                sizeof objects - 1);
        return false;
    }
    config->io = &od_io_real;
    config->host = host;
    config->data_folder = data;
    config->objects_folder = objects;
    config->s3_endpoint = od_option_value(options, COUNT, "s3-endpoint");
    config->s3_region = od_option_value(options, COUNT, "s3-region");
    config->s3_key_id = od_option_value(options, COUNT, "s3-key-id");
    config->s3_secret = od_option_value(options, COUNT, "s3-secret");
    config->s3_ca = od_option_value(options, COUNT, "s3-ca");
    config->s3_virtual_host = od_option_flag(options, COUNT, "s3-virtual-host");
    config->file_folders = folders;
    config->threads = (unsigned)threads;
    config->no_auth = od_option_flag(options, COUNT, "no-auth");
    config->encrypted_disk = od_option_flag(options, COUNT, "encrypted-disk");
    config->strict = od_option_flag(options, COUNT, "strict");
    config->region = od_option_value(options, COUNT, "region");
    config->account = od_option_value(options, COUNT, "account");
    config->worker_memory_bytes = (uint64_t)job_memory << 20;
    config->worker_threads = (unsigned)job_threads;
    config->jobs_at_once = (unsigned)jobs;
    config->card_s = (unsigned)card;
    config->auto_update_s = (unsigned)auto_update;
    config->attribution_report_s = (unsigned)attribution_report;
    config->put_queue_calls = (unsigned)put_queue;
    config->history_bytes = (uint64_t)history_memory << 20;
    config->put_queue_bytes = (size_t)put_memory << 20;
    config->rest_after_s = (unsigned)rest_after;
    config->overload_wait_ms = (unsigned)overload_wait;
    return true;
}

static void print_first_key(const struct od_key *key)
{
    printf("A first access key was made. It is shown this once:\n\n"
           "  export AWS_ACCESS_KEY_ID=%.*s\n"
           "  export AWS_SECRET_ACCESS_KEY=%.*s\n",
           OD_STR_ARG(key->id), OD_STR_ARG(key->secret));
}

static void print_ready(const struct od_app *app, const struct od_key *first_key)
{
    unsigned port = od_http_port(app->http);
    if (first_key) {
        print_first_key(first_key);
        printf("  export AWS_ENDPOINT_URL=http://%s:%u\n\n", app->config.host, port);
    }
    printf("ready http://%s:%u\n", app->config.host, port);
    fflush(stdout);
}

/* Raised by SIGTERM and SIGINT. Not by sigwait on blocked signals: OpenBLAS makes its threads
 * before main() and leaves every signal open in them, so a blocked one can still end the process
 * there. A handler serves in whichever thread it runs, also while the server is still starting. */
static sem_t asked_to_stop;

static void ask_to_stop(int which)
{
    (void)which;
    sem_post(&asked_to_stop);
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESTART};
    sem_init(&asked_to_stop, 0, 0);
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int od_cmd_serve(int argc, char **argv)
{
    int rest;
    struct od_app_config config = {0};
    struct od_app *app;
    struct od_error err;
    const struct od_key *first_key;
    if (!od_options_read("ondol serve [OPTIONS]", options, COUNT, argc, argv, &rest))
        return 2;
    if (rest < argc) {
        fprintf(stderr, "ondol: serve takes no argument \"%s\"\n", argv[rest]);
        return 2;
    }
    if (!read_config(&config))
        return 2;
    watch_signals();
    if (od_app_start(&config, &app, &first_key, &err) != OD_OK) {
        fprintf(stderr, "ondol: %s\n", err.message);
        return 1;
    }
    print_ready(app, first_key);
    while (sem_wait(&asked_to_stop) != 0 && errno == EINTR)
        ;
    od_app_stop(app);
    return 0;
}
