/* Which terms a blend has: backward elimination on held-out events.
 *
 * First each part gets its shape: that under which it explains the held-out events best, together
 * with the repeats. Then all terms are fitted together. Both are done under several focuses of the
 * fit (blend_fit.c), and that stays which brings most held-out items to the first ten places: on
 * sparse data most judges' items can be told by nobody, and weights that please those judges are
 * not the best for the others. Who comes back after a pause must not pay for it.
 *
 * Then each group of terms is taken away in turn; it stays away unless the judges' mean of
 * 1 / log2(1 + rank), to rank 10 or to rank 25, falls by more than chance would have it (paired
 * over judges; a feature must be worth one standard error, a part, which costs memory and time in
 * every answer, 1.6, or both four of the likelihood) and by more than a share of it. Of a part a
 * thirtieth is enough, which few judges cannot tell from chance: it is a lot to lose. Popularity of
 * all time must be worth most, for held-out events overrate it where a data set was cut to items
 * with so many events (k-core): what is rare in training is then rarer than it will be. Parts are
 * tried weakest first, and one always stays. Measures are two-fold: weights fitted on the even
 * judges are measured on the odd ones and the other way round. The final weights come from all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/blend_train.h"
#include "recipes/judges.h"

enum { BLOCK = 64 };       /* judges of a part of the work */
enum { LEAST_KNOWN = 50 }; /* judges whose item is among the candidates, to choose at all */

/* What terms must gain to stay: in ranks, or in likelihood, which has more to tell where most
 * held-out events are easy (the middle of a session) and ranks hardly move. */
struct worth {
    double errors; /* standard errors of the measure */
    double share;  /* of the measure */
    int likely;    /* or standard errors of the likelihood; 0: that does not count */
    double least;  /* share of the measure that must be gained (negative: may be lost) then */
    double much;   /* or a share that few judges cannot tell from chance; 0: that does not count */
};
static const struct worth feature_worth = {1, .002, 4, -.002, 0}, popular_worth = {1, .01, 0, 0, 0},
                          part_worth = {1.645, .003, 4, .003, .03}; /* one in twenty by chance */
/* Held-out events are mostly in the middle of a session, where pauses say nothing; the likelihood
 * of the others tells whether they do. */
static const struct worth pause_worth = {1, .002, 2, -.002, 0};

/* Tried in this order: what od_blend_fit takes. */
static const double focuses[] = {0, .2, .4, .6, .8};
#define MAY_LOSE .97 /* of the gain without a focus, by chance */

#define TERM(feature) (1u << (OD_BLEND_PARTS + (feature)))

enum { REPEATS = TERM(OD_BLEND_REPEAT) | TERM(OD_BLEND_STEPS) | TERM(OD_BLEND_COUNT) };
enum { RECENT = TERM(OD_BLEND_DAY) | TERM(OD_BLEND_WEEK) | TERM(OD_BLEND_MONTH) };

struct choice {
    struct od_blend_sample *sample;
    unsigned threads;
    const struct od_progress *progress;
    struct od_blend_header *header;
    double focus;     /* of the fits: od_blend_fit */
    uint32_t repeats; /* terms of the history */
    uint32_t active;
    struct od_blend_verdict now, other; /* of the active terms; of a trial */
    double w[OD_BLEND_WEIGHTS];         /* of each part alone; then the final ones */
    double fold[2][OD_BLEND_WEIGHTS];   /* of the active terms by each fold: where fits start */
    double tried[2][OD_BLEND_WEIGHTS];  /* of a trial */
    float scale[OD_BLEND_PARTS];        /* of each part's scores */
    struct shapes {                     /* that parts have under the focus, */
        uint32_t of[OD_BLEND_PARTS];
        double w[OD_BLEND_PARTS][OD_BLEND_WEIGHTS]; /* and the weights with them */
    } shapes;
    /* Of each part alone in each shape, under the focus before: where fits start. */
    double shaped[OD_BLEND_PARTS][OD_BLEND_SHAPES][OD_BLEND_WEIGHTS];
};

static void start_from(struct choice *c, const double *w)
{
    memcpy(c->fold[0], w, sizeof c->fold[0]);
    memcpy(c->fold[1], w, sizeof c->fold[1]);
}

struct shaping {
    struct od_blend_sample *sample;
    uint32_t part;
    enum od_blend_shape shape;
    float scale;
};

static enum od_status shape_judges(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct shaping *h = context;
    struct od_blend_sample *s = h->sample;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < s->judges; j++) {
        float *to = s->x[h->part] + j * s->room;
        memset(to, 0, s->count[j] * sizeof *to);
        if (s->knows[h->part][j])
            od_blend_shape_add(h->shape, h->scale, 1, s->raw[h->part] + j * s->room, s->count[j],
                               to);
    }
    return OD_OK;
}

/* The part's terms under a shape. */
static enum od_status fill_shape(const struct choice *c, uint32_t p, enum od_blend_shape shape)
{
    struct shaping shaping = {c->sample, p, shape, c->scale[p]};
    return od_parallel(c->threads, (c->sample->judges + BLOCK - 1) / BLOCK, shape_judges, &shaping);
}

/* The mean of the judges' largest scores. */
static float scale_of(const struct choice *c, uint32_t p)
{
    const struct od_blend_sample *s = c->sample;
    double sum = 0, count = 0;
    for (size_t j = 0; j < s->judges; j++) {
        float most = -INFINITY;
        for (uint32_t i = 0; i < s->count[j]; i++)
            most = s->raw[p][j * s->room + i] > most ? s->raw[p][j * s->room + i] : most;
        if (s->knows[p][j] && s->count[j]) {
            sum += fabs((double)most);
            count += 1;
        }
    }
    double mean = count > 0 ? sum / count : 1;
    return mean > 1e-12 && mean < 1e12 ? (float)mean : 1;
}

/* Two-fold measure of a set of terms, whose weights c->tried gets. */
static enum od_status measure(struct choice *c, uint32_t active, struct od_blend_verdict *out,
                              double *out_mean)
{
    enum od_status st = OD_OK;
    double likelihood, sum = 0;
    for (int fold = 0; fold < 2 && st == OD_OK; fold++) {
        double *w = c->tried[fold];
        memcpy(w, c->fold[fold], sizeof c->fold[fold]);
        st = od_blend_fit(c->sample, active, fold ? OD_BLEND_EVEN : OD_BLEND_ODD, c->focus,
                          c->threads, w, &likelihood);
        if (st == OD_OK)
            st = od_blend_ask(c->sample, w, fold ? OD_BLEND_ODD : OD_BLEND_EVEN, c->threads, out);
    }
    for (size_t j = 0; j < c->sample->judges && st == OD_OK; j++)
        sum += out->gain[j];
    *out_mean = sum / (double)c->sample->judges;
    return st;
}

/* The shape of a part under the focus. */
static enum od_status choose_shape(struct choice *c, uint32_t p, bool first)
{
    double best = -INFINITY, likelihood;
    int shapes = c->sample->steady >> p & 1 ? OD_BLEND_LINEAR + 1 : OD_BLEND_SHAPES;
    for (int shape = 0; shape < shapes; shape++) {
        double *w = c->shaped[p][shape];
        if (first && shape)
            memcpy(w, c->shaped[p][shape - 1], sizeof c->shaped[p][shape]);
        else if (first)
            w[p] = 1;
        enum od_status st = fill_shape(c, p, (enum od_blend_shape)shape);
        if (st == OD_OK)
            st = od_blend_fit(c->sample, 1u << p | c->repeats, OD_BLEND_ALL, c->focus, c->threads,
                              w, &likelihood);
        if (st != OD_OK)
            return st;
        if (likelihood > best) {
            best = likelihood;
            c->shapes.of[p] = (uint32_t)shape;
            memcpy(c->shapes.w[p], w, sizeof c->shapes.w[p]);
        }
    }
    return fill_shape(c, p, (enum od_blend_shape)c->shapes.of[p]);
}

/* Whether ranks say that terms are worth it. */
static bool shows(const struct od_paired *gain, struct worth worth)
{
    return gain->mean > worth.errors * gain->error && gain->mean > worth.share * gain->before;
}

/* Takes terms away unless they are worth so much. *out_mean: the measure without them. */
static enum od_status try_without(struct choice *c, uint32_t terms, struct worth worth,
                                  double *out_mean)
{
    size_t judges = c->sample->judges;
    enum od_status st = measure(c, c->active & ~terms, &c->other, out_mean);
    if (st != OD_OK)
        return st;
    struct od_paired first = od_paired(c->now.first, 1, c->other.first, judges);
    struct od_paired rank = od_paired(c->now.gain, 1, c->other.gain, judges);
    struct od_paired likelihood = od_paired(c->now.likelihood, 1, c->other.likelihood, judges);
    bool seen = shows(&first, worth) || shows(&rank, worth);
    bool likely = worth.likely && likelihood.mean > worth.likely * likelihood.error &&
                  rank.mean > worth.least * *out_mean;
    bool much = worth.much > 0 && rank.mean > worth.much * rank.before;
    if (seen || likely || much)
        return OD_OK;
    struct od_blend_verdict swap = c->now;
    c->now = c->other;
    c->other = swap;
    c->active &= ~terms;
    memcpy(c->fold, c->tried, sizeof c->fold);
    return OD_OK;
}

static enum od_status say(const struct choice *c, double fraction, struct od_error *err)
{
    return od_progress_report(c->progress, fraction, "weighing the parts", err);
}

/* What a part's weight has for longer histories. */
static uint32_t longer(uint32_t parts)
{
    return parts << OD_BLEND_LONGER;
}

/* And after pauses. */
static uint32_t rested(uint32_t parts)
{
    return parts << OD_BLEND_RESTED;
}

static enum od_status try_parts(struct choice *c, struct od_error *err)
{
    uint32_t parts = c->sample->parts, tried = 0;
    for (uint32_t round = 0; round < parts; round++) {
        uint32_t weakest = parts;
        for (uint32_t p = 0; p < parts; p++)
            if (!(tried >> p & 1) &&
                (weakest == parts || c->header->part[p].alone < c->header->part[weakest].alone))
                weakest = p;
        tried |= 1u << weakest;
        double without = 0;
        uint32_t others = c->active & ((1u << parts) - 1) & ~(1u << weakest);
        enum od_status st = say(c, .7 + .25 * round / parts, err);
        bool hears =
            others & ~c->sample->steady; /* without a history nobody is asked by steady ones */
        if (st == OD_OK && hears &&
            try_without(c, 1u << weakest | longer(1u << weakest) | rested(1u << weakest),
                        part_worth, &without) != OD_OK)
            st = od_fail(err, OD_NO_MEMORY, NULL);
        if (st != OD_OK)
            return st;
        c->header->part[weakest].without = (float)without;
    }
    return OD_OK;
}

/* Terms that every blend begins with. */
static uint32_t all_terms(struct choice *c)
{
    const struct od_blend_sample *s = c->sample;
    c->repeats = REPEATS | (s->real_times ? TERM(OD_BLEND_HOURS) : 0);
    uint32_t parts = (1u << s->parts) - 1, moved = parts & ~s->steady;
    return parts | (s->parts > 1 ? longer(moved) : 0) | (s->real_times ? rested(moved) : 0) |
           c->repeats | TERM(OD_BLEND_POPULAR) |
           (s->real_times ? RECENT | TERM(OD_BLEND_RETURN) : 0);
}

/* What the verdict now says of the first places: of all judges; [0] those in the middle of a visit,
 * [1] those who come back. */
struct firsts {
    double all, of[2];
};

static struct firsts first_places(const struct choice *c)
{
    struct firsts f = {0};
    size_t count[2] = {0};
    for (size_t j = 0; j < c->sample->judges; j++) {
        bool returns = od_blend_returns(c->sample, j);
        f.of[returns] += c->now.first[j];
        count[returns]++;
    }
    f.all = (f.of[0] + f.of[1]) / (double)c->sample->judges;
    for (int k = 0; k < 2; k++) /* too few tell nothing */
        f.of[k] = count[k] < LEAST_KNOWN ? 0 : f.of[k] / (double)count[k];
    return f;
}

/* Whether all are better off than before, and neither kind pays for it beside no focus. */
static bool is_better(const struct firsts *f, const struct firsts *best, const struct firsts *none)
{
    return f->all > best->all && f->of[0] >= MAY_LOSE * none->of[0] &&
           f->of[1] >= MAY_LOSE * none->of[1];
}

/* All terms together, from the weights that parts have alone. */
static enum od_status measure_all(struct choice *c)
{
    double mean;
    memset(c->w, 0, sizeof c->w);
    for (uint32_t p = 0; p < c->sample->parts; p++)
        c->w[p] = c->shapes.w[p][p];
    start_from(c, c->w);
    return measure(c, c->active, &c->now, &mean);
}

/* Shapes under a focus, and what all terms together reach with it. */
static enum od_status try_focus(struct choice *c, double focus, struct firsts *out)
{
    enum od_status st = OD_OK;
    c->focus = focus;
    for (uint32_t p = 0; p < c->sample->parts && st == OD_OK; p++)
        st = choose_shape(c, p, focus <= focuses[0]);
    if (st == OD_OK)
        st = measure_all(c);
    *out = first_places(c);
    return st;
}

/* Shapes and focus as chosen, what parts are worth alone under them, and all together. */
static enum od_status take_focus(struct choice *c, double focus, const struct shapes *shapes)
{
    enum od_status st = OD_OK;
    c->focus = focus;
    c->shapes = *shapes;
    for (uint32_t p = 0; p < c->sample->parts && st == OD_OK; p++) {
        struct od_blend_part *part = &c->header->part[p];
        double alone = 0;
        st = fill_shape(c, p, (enum od_blend_shape)shapes->of[p]);
        start_from(c, shapes->w[p]);
        if (st == OD_OK)
            st = measure(c, 1u << p | c->repeats, &c->other, &alone);
        part->shape = shapes->of[p];
        part->scale = c->scale[p];
        part->alone = (float)alone;
    }
    if (st == OD_OK)
        st = measure_all(c);
    memcpy(c->fold, c->tried, sizeof c->fold);
    return st;
}

/* Upwards while it helps: on the data sets of tests/quality/ there is one peak. */
static enum od_status choose_focus(struct choice *c, struct od_error *err)
{
    enum { FOCUSES = sizeof focuses / sizeof *focuses };
    size_t best = 0, i = 0;
    struct firsts none = {0}, most = {0}, now = {0};
    struct shapes shapes = {0};
    enum od_status st = OD_OK;
    for (uint32_t p = 0; p < c->sample->parts; p++)
        c->scale[p] = scale_of(c, p);
    for (; i < FOCUSES && i <= best + 1 && st == OD_OK; i++) {
        st = say(c, .5 * (double)i / FOCUSES, err);
        if (st == OD_OK && try_focus(c, focuses[i], &now) != OD_OK)
            st = od_fail(err, OD_NO_MEMORY, NULL);
        if (i == 0)
            none = now;
        else if (st != OD_OK || !is_better(&now, &most, &none))
            continue;
        best = i;
        most = now;
        shapes = c->shapes;
    }
    if (st == OD_OK && take_focus(c, focuses[best], &shapes) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    return st;
}

static enum od_status eliminate(struct choice *c, struct od_error *err)
{
    const struct {
        uint32_t terms;
        struct worth worth;
    } groups[] = {{TERM(OD_BLEND_POPULAR), popular_worth},
                  {RECENT, feature_worth},
                  {longer((1u << OD_BLEND_PARTS) - 1), feature_worth},
                  {rested((1u << OD_BLEND_PARTS) - 1) | TERM(OD_BLEND_RETURN), pause_worth},
                  {c->repeats, feature_worth}};
    double without;
    enum od_status st = OD_OK;
    for (size_t g = 0; g < sizeof groups / sizeof *groups && st == OD_OK; g++) {
        st = say(c, .5 + .04 * (double)g, err);
        if (st == OD_OK && groups[g].terms & c->active &&
            try_without(c, groups[g].terms, groups[g].worth, &without) != OD_OK)
            st = od_fail(err, OD_NO_MEMORY, NULL);
    }
    return st == OD_OK ? try_parts(c, err) : st;
}

static enum od_status settle(struct choice *c, struct od_error *err)
{
    struct od_blend_header *h = c->header;
    double likelihood, together;
    enum od_status st = say(c, .95, err);
    if (st != OD_OK)
        return st;
    enum od_status fitted = measure(c, c->active, &c->now, &together);
    memcpy(c->w, c->tried[0], sizeof c->w);
    if (fitted != OD_OK || od_blend_fit(c->sample, c->active, OD_BLEND_ALL, c->focus, c->threads,
                                        c->w, &likelihood) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    h->together = (float)together;
    h->focus = (float)c->focus;
    h->judges = (uint32_t)c->sample->judges;
    for (uint32_t p = 0; p < c->sample->parts; p++) {
        h->part[p].serves = c->active >> p & 1;
        h->part[p].weight = (float)c->w[p];
        h->part[p].longer = (float)c->w[OD_BLEND_LONGER + p];
        h->part[p].rested = (float)c->w[OD_BLEND_RESTED + p];
    }
    for (size_t f = 0; f < OD_BLEND_FEATURES; f++)
        h->weight[f] = (float)c->w[OD_BLEND_PARTS + f];
    return OD_OK;
}

static enum od_status choose(struct choice *c, struct od_error *err)
{
    c->active = all_terms(c);
    enum od_status st = choose_focus(c, err);
    if (st == OD_OK)
        st = eliminate(c, err);
    return st == OD_OK ? settle(c, err) : st;
}

enum od_status od_blend_choose(struct od_blend_sample *sample, unsigned threads,
                               const struct od_progress *progress, struct od_blend_header *header,
                               struct od_error *err)
{
    size_t known = 0;
    for (size_t j = 0; j < sample->judges; j++)
        known += sample->target[j] != OD_NO_CODE;
    if (known < LEAST_KNOWN)
        return OD_OK;
    double *memory = calloc(sample->judges * 6, sizeof *memory);
    if (!memory)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct choice c = {
        .sample = sample, .threads = threads, .progress = progress, .header = header};
    size_t n = sample->judges;
    c.now = (struct od_blend_verdict){memory, memory + n, memory + 2 * n};
    c.other = (struct od_blend_verdict){memory + 3 * n, memory + 4 * n, memory + 5 * n};
    enum od_status st = choose(&c, err);
    free(memory);
    return st;
}
