/* The sequence network in an image, and scoring from it. */
#ifndef OD_RECIPES_SEQ_MODEL_H
#define OD_RECIPES_SEQ_MODEL_H

#include "recipes/seq_net.h"

/* Adds the sections of seq_model.c. vectors [items][width]: what od_seq_vectors gives. */
enum od_status od_seq_write(const struct od_seq_shape *shape, const struct od_seq_model *model,
                            const struct od_dict *names, const float *vectors,
                            struct od_image_writer *image) OD_MUST_USE;

struct od_seq_view; /* immutable, shared by threads */
/* item_count: of the image's dictionary. OD_CORRUPT where sections do not fit together. */
enum od_status od_seq_open(const struct od_image *image, uint32_t item_count,
                           struct od_seq_view **out, struct od_error *err) OD_MUST_USE;
void od_seq_close(struct od_seq_view *view);
/* As od_part.score. Looks at the newest OD_SEQ_HISTORY events; personal when there is one. */
enum od_status od_seq_score(const struct od_seq_view *view, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err) OD_MUST_USE;

#endif
