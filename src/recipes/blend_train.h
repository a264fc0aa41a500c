/* Training of the recipes that blend parts: held-out events, what parts say about them, weights. */
#ifndef OD_RECIPES_BLEND_TRAIN_H
#define OD_RECIPES_BLEND_TRAIN_H

#include "recipes/blend_model.h"
#include "recipes/metrics.h"

/* --- who judges --- */

/* Held-out events at most; how many of them, times items, are asked about, but for the least number
 * in the largest catalogue; and events of which one is held out: more would make the judged models
 * poorer than those that will serve, and some parts suffer more from that than others. */
#define OD_JUDGES        20000u
#define OD_JUDGES_LEAST  1000u
#define OD_JUDGED_SCORES 250000000u
#define OD_JUDGED_EVENTS 12u

/* Holds out the last usable event of users with three or more, where its type weighs something,
 * evenly spread: takes it from end[] and makes it a judge. Some judges, by how often users come
 * back, are asked about the first event of the user's last visit instead, or, every other of them,
 * about that of the visit after the longest pause, when that is not long ago: last events are
 * mostly in the middle of a visit, but requests come at its beginning too. *out is in the order of
 * users; free it with free. */
enum od_status od_blend_judges(const struct od_training *training, uint64_t *end,
                               struct od_judge **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;

/* Judges at most, of `most`, that are asked about so many items. */
size_t od_blend_asked(uint32_t items, size_t most);

/* Those who come back that are asked what answers them. */
#define OD_RETURNS 4000u
/* Holds out the first event of a visit of more users, of those who judge nothing yet: what is
 * lacking to as many judges who come back, or as OD_JUDGED_EVENTS allows. *out as od_blend_judges'.
 */
enum od_status od_blend_judges_who_return(const struct od_training *training, uint64_t *end,
                                          const struct od_judge *judges, size_t judge_count,
                                          struct od_judge **out, size_t *out_count,
                                          struct od_error *err) OD_MUST_USE;

/* --- what they are asked about --- */

/* A part as the blend asks it while choosing. */
struct od_blend_candidate {
    const struct od_part *part;
    void *opened;
};

/* For each judge some candidates: the best OD_BLEND_TOP items of every part that hears a history,
 * the newest OD_BLEND_PAST of the history, the OD_BLEND_LATELY most popular of the week before, and
 * OD_BLEND_CHANCE by chance, for those that nothing names. Weights fitted on these decide the order
 * at the top, which the likelihood over whole catalogues hardly looks at; where the top holds the
 * held-out item, the rest of the catalogue takes little of the probability. */
#define OD_BLEND_TOP    100
#define OD_BLEND_PAST   32
#define OD_BLEND_LATELY 64
#define OD_BLEND_CHANCE 100
#define OD_BLEND_JUDGES 10000u /* asked at most */
struct od_blend_sample {
    size_t judges, room; /* candidates of judge j: j * room and on, count[j] of them */
    uint32_t parts;
    uint32_t steady; /* bits of parts that hear no history: nothing of it changes their weight, and
                        their scores are logarithms */
    bool real_times;
    uint32_t *count;
    float *weight;                  /* of a judge's word */
    float *length;                  /* od_blend_length of a judge's history */
    float *pause;                   /* od_blend_pause of a judge */
    uint32_t *target;               /* place of the held-out item, OD_NO_CODE when not among them */
    uint32_t *item;                 /* [judges * room] */
    float *raw[OD_BLEND_PARTS];     /* [judges * room] */
    uint8_t *knows[OD_BLEND_PARTS]; /* [judges] the part's answer was personal */
    float *x[OD_BLEND_COLUMNS];     /* [judges * room] the terms: parts' by od_blend_choose; NULL
                                       for OD_BLEND_RETURN, which is OD_BLEND_WEEK times pause */
};
/* A judge's query: what the server would have got just before the held-out event, at its time.
 * events: room for the judge's history. */
enum od_status od_blend_query(const struct od_training *training, const struct od_judge *judge,
                              struct od_past_event *events, struct od_arena *arena,
                              struct od_query *out) OD_MUST_USE;
enum od_status od_blend_sample_init(struct od_blend_sample *out, const struct od_train_input *input,
                                    const struct od_judge *judges, size_t judge_count,
                                    const struct od_blend_candidate *parts, uint32_t part_count,
                                    const uint32_t *count, const struct od_recent *recent,
                                    struct od_error *err) OD_MUST_USE;
void od_blend_sample_done(struct od_blend_sample *sample);

/* Decides which parts serve and with what shapes and weights, into header, which holds the default
 * and keeps it when too few judges can choose. progress is asked between fits. */
enum od_status od_blend_choose(struct od_blend_sample *sample, unsigned threads,
                               const struct od_progress *progress, struct od_blend_header *header,
                               struct od_error *err) OD_MUST_USE;

/* --- weights (blend_fit.c) --- */

/* Which judges a fit or a measure looks at. */
enum od_blend_fold { OD_BLEND_ALL, OD_BLEND_EVEN, OD_BLEND_ODD };

/* Whether a judge comes back after a pause. */
bool od_blend_returns(const struct od_blend_sample *sample, size_t judge);

/* The weights of the active terms (others 0) under which softmax(weights . terms) over a judge's
 * candidates most likely gives the held-out items; w is where the search starts. With a focus above
 * 0 judges whose item is likely count more, among those who come back and among the others: that is
 * nearer to what lists are measured by. *out_likelihood: the judges' mean of log p, for a focus the
 * log of the mean p^focus over focus, of both kinds as they are many. */
enum od_status od_blend_fit(const struct od_blend_sample *sample, uint32_t active,
                            enum od_blend_fold fold, double focus, unsigned threads, double *w,
                            double *out_likelihood) OD_MUST_USE;
/* What held-out items say of weights, for the fold's judges: first[j] and gain[j], the judge's
 * weight / log2(1 + rank) of its item among the candidates up to rank OD_BLEND_FIRST and
 * OD_BLEND_DEEP, else 0; and likelihood[j], the weight times log softmax(w . terms) of the item, 0
 * when it is no candidate. */
#define OD_BLEND_FIRST 10
#define OD_BLEND_DEEP  25
struct od_blend_verdict {
    double *first, *gain, *likelihood; /* [judges] */
};
enum od_status od_blend_ask(const struct od_blend_sample *sample, const double *w,
                            enum od_blend_fold fold, unsigned threads,
                            struct od_blend_verdict *out) OD_MUST_USE;

/* The temperature that makes softmax(score / temperature) most likely to have produced the first
 * held-out event of the split's test users. OD_BLEND_TEMPERATURE when none can be asked. */
enum od_status od_blend_heat(const struct od_scorer *scorer, const struct od_split *split,
                             unsigned threads, float *out, struct od_error *err) OD_MUST_USE;

/* x := A^-1 x by elimination, for the few unknowns of such fits; A[n][stride], symmetric, is used
 * up. False, and x means nothing, unless A is positive definite. */
bool od_blend_solve(double *a, size_t stride, size_t n, double *x);

/* --- answers after a pause (blend_away.c) --- */

/* What a blend's judged model was made from. */
struct od_blend_facts {
    const struct od_training *training;
    const struct od_judge *judges;
    size_t judge_count;
    const struct od_judge *returns; /* od_blend_judges_who_return's, beside the judges */
    size_t return_count;
    const uint32_t *count; /* [items] interactions, without those all of them hold out */
    const struct od_recent *recent;
    const struct od_content_model *returning; /* NULL: nothing tilts what is popular */
};
/* A moment up to a week before time, evenly spread over judges j: what is popular is counted as it
 * was then, for that is how old the version that serves may be. */
int64_t od_blend_stale(int64_t time, size_t j);
/* Whether and with what shares a mixture (blend_model.h) answers those who come back; tilts and
 * tilt_gain are the caller's. model: the blend that judges are asked with, without a mixture; its
 * scores' temperature. */
enum od_status od_blend_away_fit(const struct od_blend_facts *facts, const struct od_model *model,
                                 float temperature, unsigned threads, struct od_blend_away *out,
                                 struct od_error *err) OD_MUST_USE;
/* What answers those of whom nothing is known (blend_newcomers.c). */
enum od_status od_blend_newcomers_fit(const struct od_blend_facts *facts,
                                      struct od_blend_newcomers *out,
                                      struct od_error *err) OD_MUST_USE;
/* That answer as of the end of the data, for models without a blend: scores[items]. */
enum od_status od_blend_newcomers_at_end(const struct od_training *training, float temperature,
                                         float *scores, struct od_error *err) OD_MUST_USE;
/* A model that answers newcomers, as a fit of its tilt asks it. */
struct od_newcomer_model {
    struct od_scorer scorer; /* temperature * log p, not tilted yet */
    /* Rates of who asks (part.h) for the scorer's items, of its context; *out_any false: they say
     * nothing. */
    enum od_status (*rates)(void *context, const struct od_query *query, struct od_arena *scratch,
                            float *out, bool *out_any);
    float temperature;
};
/* How much records and context tilt the answer to newcomers (blend_tilt.c): fills in tilt,
 * tilt_asked and tilt_gain, by the first events of the split's test users, whom no fit has seen; 1
 * where too few can be asked, for rates are cautious themselves. split NULL: nobody can be. */
enum od_status od_blend_tilt_fit(const struct od_newcomer_model *model,
                                 const struct od_split *split, unsigned threads,
                                 struct od_blend_newcomers *out, struct od_error *err) OD_MUST_USE;

#endif
