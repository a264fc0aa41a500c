/* ondol worker: one job, read from standard input, reported on descriptor 3 (jobs/worker.c). */
#include <stdio.h>

#include "cli/cli.h"
#include "jobs/jobs.h"

#define REPORT_FD 3

int od_cmd_worker(int argc, char **argv)
{
    struct od_option options[] = {
        {"memory", "0", "cap on the job's memory in bytes; 0 for none", "BYTES", false, 0, NULL}};
    int rest;
    int64_t memory;
    bool good =
        od_options_read("ondol worker [OPTIONS] <JOB 3>REPORT", options, 1, argc, argv, &rest) &&
        od_option_number(options, 1, "memory", 0, INT64_MAX, &memory);
    od_options_done(options, 1);
    return good ? od_worker_main(&od_io_real, 0, REPORT_FD, (uint64_t)memory) : 2;
}
