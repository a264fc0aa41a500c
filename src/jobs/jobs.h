/* Jobs: imports and trainings run in child processes, watched by one supervisor thread.
 *
 * The server gives a job's spec (JSON); the child (`ondol worker`) reads it from standard input,
 * works at low priority under a memory cap, and reports JSON lines on file descriptor 3: progress,
 * then one result. A child that dies, is killed or says nonsense is a failed job with a reason, and
 * what it half wrote is removed. Nothing a child writes is visible before the server's own commit.
 */
#ifndef OD_JOBS_JOBS_H
#define OD_JOBS_JOBS_H

#include "base/json.h"
#include "os/io.h"

struct od_jobs;

struct od_jobs_config {
    const struct od_io *io;
    const char *program;   /* the binary to run as worker; NULL: this one (/proc/self/exe) */
    unsigned at_once;      /* children running at the same time; 0: 1 */
    uint64_t memory_bytes; /* cap of each child's data; 0: none */
    /* All three are called on the supervisor thread. started: false refuses (the job is dropped).
     */
    bool (*started)(void *context, int64_t job_id);
    void (*progress)(void *context, int64_t job_id, double fraction, struct od_str stage);
    /* status OD_OK: result is the child's result object. Otherwise err tells why: OD_STOPPED after
     * od_jobs_stop, else the child's own error or how it died. */
    void (*finished)(void *context, int64_t job_id, enum od_status status,
                     const struct od_json *result, const struct od_error *err);
    void *context;
};

enum od_status od_jobs_new(const struct od_jobs_config *config, struct od_jobs **out,
                           struct od_error *err) OD_MUST_USE;
/* Kills children still running (their jobs stay in the store and are taken up at the next start).
 */
void od_jobs_free(struct od_jobs *jobs);
/* Queues a job; spec is copied. Any thread. */
enum od_status od_jobs_submit(struct od_jobs *jobs, int64_t job_id, struct od_str spec) OD_MUST_USE;
/* Asks a waiting or running job to stop; finished follows with OD_STOPPED. False: no such job. */
bool od_jobs_stop(struct od_jobs *jobs, int64_t job_id);
unsigned od_jobs_waiting(struct od_jobs *jobs, unsigned *out_running);

/* The child's main: reads the spec from in_fd, reports on out_fd, memory_bytes as in the
 * configuration. Returns the exit status. */
int od_worker_main(const struct od_io *io, int in_fd, int out_fd, uint64_t memory_bytes);

/* ---- specs (one JSON object) ----
 *
 * Of any kind, when s3:// locations are those of an endpoint: "s3":{"endpoint":"https://host",
 *   "region":"x", "key_id":"x", "secret":"x", "ca":"", "virtual_host":false,
 * "staging":"/abs/work/1/staging"}. Paths s3://bucket/key are its objects then, for reading and for
 * writing (s3/remote.h).
 * "kms_key":"arn" with it: they are written encrypted with that key.
 *
 * import
 *   {"kind":"import", "type":"INTERACTIONS", "domain":"", "schema":"<text>",
 *    "files":["/abs.csv"], "segment":"/abs/out.seg", "report":"/abs/report.txt",
 *    "minimum_rows":1000, "threads":0}
 *   result {"rows":N, "bytes":N, "seconds":S}
 *
 * export (segments in order of arrival; the scratch file need not exist)
 *   {"kind":"export", "data":{"schema":"<text>", "domain":"", "segments":["/abs.seg"]},
 *    "newest":false, "folder":"/abs/out", "scratch":"/abs/keys"}
 *   result {"rows":N, "bytes":N, "files":N}
 *
 * deletion (files: the users; ids: where their list goes; none of these: nothing is left to look
 * at)
 *   {"kind":"deletion", "files":["/abs.csv"], "ids":"/abs/ids",
 *    "segments":[{"id":N, "from":"/abs/old.seg", "to":"/abs/new.seg"}],
 *    "images":[{"image":"images/1.image", "name":"images/9-1.image", "from":"/abs", "to":"/abs"}],
 *    "stale":[{"file":"segments/1.seg", "path":"/abs"}] (that nothing refers to),
 *    "reports":["/abs/report.txt"]}
 *   result {"ids":N, "segments":[{"id":N, "removed":N, "rows":N}] (those that were rewritten),
 *           "images":[{"image":"x", "to":"y", "users":N}] (likewise),
 *           "stale":["segments/1.seg"] (in which a user is), "reports":N (that were changed)}
 *
 * train (segments in order of arrival)
 *   {"kind":"train", "recipe":"aws-sims", "params":{"name":"value"}, "feature_params":{},
 *    "interactions":{"schema":"<text>", "domain":"", "segments":["/abs.seg"]} or absent,
 *    "items":{...} or absent, and likewise "users", "actions", "action_interactions",
 *    "events":[{"type":"x" (absent: all), "threshold":N or absent, "weight":W,
 *               "any_case":true or absent: the type is compared byte by byte}] or absent: all,
 *    "weighted":true: give the recipe the weights,
 *    "exclude_columns":{"ITEMS":["X"]} or absent,
 *    "hpo":{"jobs":8, "parallel":1, "metric":"x", "ranges":[{"name":"bptt", "min":2, "max":32},
 *           {"name":"recency_mask", "values":["true"]}]} or absent; members may be missing,
 *    "automl":["aws-x", ...] in place of recipe and params, with hpo,
 *    "tuned":{"name":"value"}: what an earlier search found, instead of hpo,
 *    "objective":{"attribute":"PRICE", "sensitivity":"LOW"} or absent,
 *    "update":{"image":"/abs/trained.image", "metrics":{}}: no training, that image with new items,
 *    "serving":{"arn":"x", "image":"/abs/old.image", "metrics":{}} or absent: to compare with,
 *    "external":"/abs/vectors.txt": the file of an external model, or absent,
 *    "seed":1, "now_s":N (when it was asked for), "threads":0,
 *    "image":"/abs/out.image"}; the card goes to /abs/out.card.json
 *   result {"metrics":{"coverage":0.5}, "seconds":S, "hash":"...", "events":N, "users":N,
 *           "items":N, "recipe":"aws-x", "tuned":{...}, "search":{...}}
 *
 * batch (batch/batch.h)
 *   {"kind":"batch", "segments":false, "job":"arn", "group":"arn", "image":"/abs.image",
 *    "interactions":{"schema":"<text>", "domain":"", "segments":["/abs.seg"],
 *                    "events":"/abs/activity.seg" or absent} or absent,
 *    "items":{...} or absent, "users":{...} or absent, without "events",
 *    "filter":{"arn":"x", "expression":"..."} or absent,
 *    "results":N or absent, "exploration_weight":W or absent, "exploration_cutoff_days":D or
 * absent, "popularity_influence":P, "freshness_influence":F, "now_ms":N, "seed":N, "threads":0,
 * "most_lines":N (of a file; 0: any number), "files":[{"in":"/abs", "out":"/abs"}]} result
 * {"lines":N, "errors":N, "seconds":S} */

#endif
