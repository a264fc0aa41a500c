/* A part of a model: one way to score every item from a history, written so that a recipe can hold
 * several of them in one image and blend them.
 *
 * A part trains from the events a task leaves it, writes sections under its own name ("linar",
 * "linar.rows", ...) into the recipe's image, and scores from them. The item dictionary is the
 * recipe's to write, in the codes of the training set. Same task, same bytes, for any number of
 * threads. */
#ifndef OD_RECIPES_PART_H
#define OD_RECIPES_PART_H

#include "recipes/recipe.h"

/* A held-out event that fits are judged by: the input events are [start, end) of the training set's
 * arrays, end itself is the event to predict. */
struct od_judge {
    uint64_t start, end;
};

struct od_part_task {
    const struct od_train_input
        *input; /* training set, parameters, seed, threads, memory, progress */
    /* [user_count] end of each user's usable events; equal to the user's start when nothing of the
     * user is to be learnt. Events behind it must not be looked at (but by the judges). */
    const uint64_t *end;
    const struct od_judge *judges; /* no event of theirs at or behind .end is inside end[] */
    size_t judge_count;            /* 0: nothing to choose by; the lesson or the default is used */
    /* What an earlier fit of the same part learnt about the data (a configuration, numbers to start
     * from), empty when there was none; the final fit gets the lesson of the judged one. */
    struct od_str lesson;
};

struct od_part {
    const char *name; /* prefix of its sections */
    /* How long a fit takes beside those of others, about, for progress; 0 is 1. */
    unsigned length;
    /* Whether there is anything to fit; NULL: always. */
    bool (*applies)(const struct od_training *training);
    /* Adds its sections; what it learnt about the data is appended to out_lesson.
     * Progress goes to task->input->progress, 0 to 1; stages of networks tell epoch, loss and
     * validation NDCG. */
    enum od_status (*fit)(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err);
    /* Whether an image holds this part. */
    bool (*present)(const struct od_image *image);
    enum od_status (*open)(const struct od_image *image, uint32_t item_count, void **out,
                           struct od_error *err);
    void (*close)(void *part);
    /* As od_recipe.score: every item; where *out_personal is false the scores mean nothing. Numbers
     * of different parts are on different scales. */
    enum od_status (*score)(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err);
    /* Of a part that needs no history (NULL: the others), what it says of whoever has that record
     * and context: multiples of items' usual shares, above 0; *out_any false, and all 1, when it
     * says nothing. Its scores are their logarithms. */
    void (*rates)(const void *part, const struct od_query *query, float *out, bool *out_any);
};

extern const struct od_part od_part_linar;   /* linear, decayed histories: linar_part.c */
extern const struct od_part od_part_far;     /* the same, aiming further: linar_part.c */
extern const struct od_part od_part_knn;     /* neighbouring sessions: knn_part.c */
extern const struct od_part od_part_als;     /* factors of the unordered matrix: als_part.c */
extern const struct od_part od_part_walk;    /* walks of three steps: walk_part.c */
extern const struct od_part od_part_content; /* records of items: content_part.c */
extern const struct od_part od_part_setting; /* records of users, context: setting_part.c */
extern const struct od_part od_part_gru;     /* recurrent network: gru_part.c */
extern const struct od_part od_part_seq;     /* linear time-kernel network: seq_part.c */

#endif
