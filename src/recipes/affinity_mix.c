/* The mixture that says what a user's next interaction falls on.
 *
 * Likelihood of held-out events under sum_k weight_k part_k(item | user), maximised over the
 * simplex by expectation maximisation (Dempster, Laird, Rubin, JRSS B 39, 1977): the problem is
 * concave, each round cannot lose, and nothing has to be tuned. Users with long histories deserve
 * other weights than those with one event, so groups of them have rows of their own, pulled to the
 * common row by PRIOR events' worth of it. This is also what calibrates p: a sum of distributions
 * whose weights are those that held-out events ask for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"
#include "os/parallel.h"
#include "recipes/affinity.h"

#define ROUNDS     60
#define PRIOR      100.0
#define MASS_USERS 256  /* whose negative values are summed: the mean varies little over users */
#define FLOOR      1e-9 /* of an event's likelihood: an item nobody had before */
#define HALF_LIFE  (15 * 86400.0)
#define PART_ROWS  256

uint32_t od_affinity_group(uint64_t distinct)
{
    return distinct < 4 ? 0 : distinct < 16 ? 1 : distinct < 64 ? 2 : 3;
}

enum od_status od_affinity_shares_init(struct od_affinity_shares *out,
                                       const struct od_training *training, const uint64_t *end,
                                       int64_t now_s)
{
    struct od_affinity_shares s = {calloc((size_t)training->item_count + 1, sizeof(float)),
                                   calloc((size_t)training->item_count + 1, sizeof(float))};
    double *sum = calloc(2 * ((size_t)training->item_count + 1), sizeof *sum), all = 0, recent = 0;
    if (!s.popular || !s.recent || !sum) {
        od_affinity_shares_done(&s);
        free(sum);
        return OD_NO_MEMORY;
    }
    for (uint32_t u = 0; u < training->user_count; u++)
        for (uint64_t e = training->user_start[u]; e < end[u]; e++) {
            double age = (double)now_s - (double)training->time[e];
            double w = exp2(-fmin(fmax(age, 0) / HALF_LIFE, 1000));
            sum[2 * training->item[e]] += 1;
            sum[2 * training->item[e] + 1] += w;
            all += 1;
            recent += w;
        }
    for (uint32_t i = 0; i < training->item_count; i++) {
        s.popular[i] = all > 0 ? (float)(sum[2 * i] / all) : 0;
        s.recent[i] = recent > 0 ? (float)(sum[2 * i + 1] / recent) : s.popular[i];
    }
    free(sum);
    *out = s;
    return OD_OK;
}

void od_affinity_shares_done(struct od_affinity_shares *shares)
{
    free(shares->popular);
    free(shares->recent);
    *shares = (struct od_affinity_shares){0};
}

void od_affinity_z(const struct od_affinity_parts *parts, uint32_t user, float *z)
{
    const struct od_affinity_states *s = parts->states;
    memset(z, 0, parts->width * sizeof *z);
    z[0] = 1;
    for (uint64_t e = s->at[user]; e < s->at[user + 1]; e++) {
        const float *x = parts->projection + (size_t)s->item[e] * parts->dim;
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++)
            for (size_t d = 0; d < parts->dim; d++)
                z[1 + (size_t)k * parts->dim + d] += s->size[k][user] * s->weight[k][e] * x[d];
    }
}

/* --- the parts at held-out events --- */

struct job {
    const struct od_affinity_parts *parts;
    const struct od_training *training;
    const struct od_affinity_judges *judges;
    const struct od_kernels *kernels;
    double *value;   /* [judges * PARTS] */
    uint32_t *group; /* [judges] */
    double *mass;    /* [MASS_USERS] of judges spread evenly */
    enum od_status *status;
};

/* Which of the item's sets an event is judged by: they take turns. OD_NO_CODE: it has none. */
static uint32_t set_of(const struct od_affinity_sets *sets, uint32_t item, uint64_t event)
{
    uint64_t n = sets->set_at[item + 1] - sets->set_at[item];
    return n ? sets->set[sets->set_at[item] + event % n] : OD_NO_CODE;
}

static bool in_set(const struct od_affinity_sets *sets, uint32_t item, uint32_t set)
{
    for (uint64_t k = sets->set_at[item]; k < sets->set_at[item + 1]; k++)
        if (sets->set[k] == set)
            return true;
    return false;
}

/* Weight of a set in the user's history. */
static void repeats_of_set(const struct od_affinity_parts *p, uint32_t user, uint32_t set,
                           double *slow, double *fast)
{
    *slow = *fast = 0;
    for (uint64_t e = p->states->at[user]; e < p->states->at[user + 1]; e++)
        if (in_set(p->sets, p->states->item[e], set)) {
            *slow += (double)p->states->weight[1][e];
            *fast += (double)p->states->weight[0][e];
        }
}

/* Weight of item in the user's history. */
static void repeats(const struct od_affinity_states *s, uint32_t user, uint32_t item, double *slow,
                    double *fast)
{
    uint64_t low = s->at[user], high = s->at[user + 1];
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (s->item[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < s->at[user + 1] && s->item[low] == item;
    *slow = found ? (double)s->weight[1][low] : 0;
    *fast = found ? (double)s->weight[0][low] : 0;
}

static enum od_status value_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    struct job *job = context;
    const struct od_affinity_parts *p = job->parts;
    float z[1 + OD_AFFINITY_KERNELS * OD_AFFINITY_DIM];
    uint32_t last = UINT32_MAX;
    size_t end = (part + 1) * PART_ROWS;
    for (size_t j = part * PART_ROWS; j < end && j < job->judges->count; j++) {
        uint64_t event = job->judges->event[j];
        uint32_t user = job->judges->user[j], item = job->training->item[event];
        job->group[j] = OD_NO_CODE;
        if (p->sets && (item = set_of(p->sets, item, event)) == OD_NO_CODE)
            continue;
        if (user != last)
            od_affinity_z(p, user, z);
        last = user;
        double *v = job->value + j * OD_AFFINITY_PARTS;
        float linear = job->kernels->dot(p->response + (size_t)item * p->width, z, p->width);
        v[OD_AFFINITY_POPULAR] = (double)p->shares->popular[item];
        v[OD_AFFINITY_RECENT] = (double)p->shares->recent[item];
        v[OD_AFFINITY_LINEAR] = fmax((double)linear, 0);
        if (p->sets)
            repeats_of_set(p, user, item, &v[OD_AFFINITY_REPEAT], &v[OD_AFFINITY_LATEST]);
        else
            repeats(p->states, user, item, &v[OD_AFFINITY_REPEAT], &v[OD_AFFINITY_LATEST]);
        if (v[OD_AFFINITY_POPULAR] > 0) /* one unknown before the cut says nothing of weights */
            job->group[j] = od_affinity_group(p->states->at[user + 1] - p->states->at[user]);
    }
    return OD_OK;
}

static enum od_status mass_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    struct job *job = context;
    const struct od_affinity_parts *p = job->parts;
    float z[1 + OD_AFFINITY_KERNELS * OD_AFFINITY_DIM];
    od_affinity_z(p, job->judges->user[part * job->judges->count / MASS_USERS], z);
    double sum = 0;
    for (size_t i = 0; i < p->item_count; i++)
        sum += fmax((double)job->kernels->dot(p->response + i * p->width, z, p->width), 0);
    job->mass[part] = sum;
    return OD_OK;
}

/* --- expectation maximisation --- */

/* One round for the judges of a group (or all: OD_AFFINITY_GROUPS); returns their log-likelihood
 * under the old weights. */
static double improve(const struct job *job, uint32_t group, const double *prior, double *weight)
{
    double sum[OD_AFFINITY_PARTS] = {0}, total = 0, value = 0;
    for (size_t j = 0; j < job->judges->count; j++) {
        if (job->group[j] == OD_NO_CODE || (group != OD_AFFINITY_GROUPS && job->group[j] != group))
            continue;
        const double *v = job->value + j * OD_AFFINITY_PARTS;
        double mean = FLOOR;
        for (int k = 0; k < OD_AFFINITY_PARTS; k++)
            mean += weight[k] * v[k];
        for (int k = 0; k < OD_AFFINITY_PARTS; k++)
            sum[k] += weight[k] * v[k] / mean;
        value += log(mean);
    }
    for (int k = 0; k < OD_AFFINITY_PARTS; k++) {
        sum[k] += prior ? PRIOR * prior[k] : 1;
        total += sum[k];
    }
    for (int k = 0; k < OD_AFFINITY_PARTS; k++)
        weight[k] = sum[k] / total;
    return value;
}

static double maximise(const struct job *job, struct od_affinity_mix *mix)
{
    double common[OD_AFFINITY_PARTS], value = 0;
    for (int k = 0; k < OD_AFFINITY_PARTS; k++)
        common[k] = 1.0 / OD_AFFINITY_PARTS;
    for (int i = 0; i < ROUNDS; i++)
        improve(job, OD_AFFINITY_GROUPS, NULL, common);
    for (uint32_t g = 0; g < OD_AFFINITY_GROUPS; g++) {
        double last = 0;
        memcpy(mix->weight[g], common, sizeof common);
        for (int i = 0; i < ROUNDS; i++)
            last = improve(job, g, common, mix->weight[g]);
        value += last;
    }
    return job->judges->count ? value / (double)job->judges->count : 0;
}

static enum od_status evaluate(struct job *job, unsigned threads, struct od_affinity_mix *mix)
{
    size_t count = job->judges->count;
    mix->mass = 1;
    if (!count)
        return OD_OK;
    enum od_status s = od_parallel(threads, (count + PART_ROWS - 1) / PART_ROWS, value_part, job);
    if (job->parts->sets) /* values are cut after adding: their negative noise is gone */
        return s;
    if (s == OD_OK)
        s = od_parallel(threads, MASS_USERS, mass_part, job);
    mix->mass = 0;
    for (int i = 0; i < MASS_USERS; i++)
        mix->mass += job->mass[i] / MASS_USERS;
    mix->mass = fmax(mix->mass, 1e-6);
    for (size_t j = 0; j < count; j++)
        job->value[j * OD_AFFINITY_PARTS + OD_AFFINITY_LINEAR] /= mix->mass;
    return s;
}

enum od_status od_affinity_mix_fit(const struct od_affinity_parts *parts,
                                   const struct od_training *training,
                                   const struct od_affinity_judges *judges, unsigned threads,
                                   struct od_affinity_mix *out, double *out_value)
{
    double mass[MASS_USERS] = {0};
    struct job job = {.parts = parts,
                      .training = training,
                      .judges = judges,
                      .kernels = od_kernels_best(),
                      .mass = mass};
    job.value = calloc((judges->count + 1) * OD_AFFINITY_PARTS, sizeof *job.value);
    job.group = calloc(judges->count + 1, sizeof *job.group);
    enum od_status s = job.value && job.group ? evaluate(&job, threads, out) : OD_NO_MEMORY;
    if (s == OD_OK)
        *out_value = maximise(&job, out);
    free(job.value);
    free(job.group);
    return s;
}
