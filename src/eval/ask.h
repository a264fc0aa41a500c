/* Asking: every question of an exam to one answerer, all cores, figures of every question kept.
 *
 * The same figures for any number of threads. */
#ifndef OD_EVAL_ASK_H
#define OD_EVAL_ASK_H

#include "eval/exam.h"
#include "eval/list.h"
#include "os/io.h"

enum od_list_variant {
    OD_LISTS_RAW,     /* all candidates */
    OD_LISTS_REMOVED, /* without the items of the input; relevant ones among them are misses */
    OD_LIST_VARIANTS
};

/* Who is asked. score fills scores[catalogue code] for every item (-INFINITY: never listed).
 * Questions come to one state in order of their time; begin may be NULL (no state). */
struct od_answerer {
    enum od_status (*begin)(void *context, void **out_state, struct od_error *err);
    void (*end)(void *state);
    enum od_status (*score)(void *context, void *state, uint32_t question, struct od_arena *scratch,
                            float *scores, struct od_error *err);
    void *context; /* shared by threads */
};

struct od_answers {
    uint32_t question_count;
    size_t metric_count;
    float *value[OD_LIST_VARIANTS]; /* [question * metric_count + metric]; NAN: has no such figure;
                                       NULL: variant not asked for */
    double coverage[OD_LIST_VARIANTS]; /* share of the catalogue that is in some list; of several
                                          exams: the mean */
    uint32_t exams;                    /* answered: 1, or the folds appended */
    uint64_t repeats;                  /* relevant items that are in their question's input */
    double score_s;                    /* spent in score, as if all threads had shared it evenly */
};

struct od_asking {
    const struct od_list_metric *metrics;
    size_t metric_count;
    uint32_t variants; /* bits, 1 << enum od_list_variant */
    unsigned threads;  /* 0: all cores */
    const struct od_io *io;
};

/* out is zeroed on failure. */
enum od_status od_ask(const struct od_exam *exam, const struct od_answerer *answerer,
                      const struct od_asking *asking, struct od_answers *out,
                      struct od_error *err) OD_MUST_USE;
void od_answers_done(struct od_answers *answers);
/* Takes the questions of more behind those of answers (folds; answers may be zeroed). Both have the
 * same metrics and variants. more is emptied, also on failure. */
enum od_status od_answers_append(struct od_answers *answers, struct od_answers *more,
                                 struct od_error *err) OD_MUST_USE;

/* An opened model as answerer; exam, recipe and model must outlive it. */
struct od_recipe_answerer {
    const struct od_exam *exam;
    const struct od_recipe *recipe;
    const struct od_model *model;
    bool related;       /* asks with the last input item */
    uint32_t *to_model; /* [catalogue] model code or OD_NO_CODE */
};
enum od_status od_recipe_answerer_init(struct od_recipe_answerer *answerer,
                                       const struct od_exam *exam, const struct od_recipe *recipe,
                                       const struct od_recipe_spec *spec,
                                       const struct od_model *model,
                                       struct od_error *err) OD_MUST_USE;
void od_recipe_answerer_done(struct od_recipe_answerer *answerer);
struct od_answerer od_recipe_answerer_of(struct od_recipe_answerer *answerer);

#endif
