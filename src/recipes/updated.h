/* Models brought up to date without training (trainingMode UPDATE and automatic updates).
 *
 * An updated image holds every section of the image it came from, unchanged, and beside them the
 * items that came since. The old model scores the old items; a new item gets the mean score of the
 * old items it is like: by their records (fields and text as features.h makes them), and, as
 * interactions come in, more and more by what the same users had beside it. An item like no other
 * stands at the end. What is young is explored on top of that, by the server.
 *
 * This works on any model of items, so it is no recipe's own business. */
#ifndef OD_RECIPES_UPDATED_H
#define OD_RECIPES_UPDATED_H

#include "recipes/recipe.h"

/* Writes the sections of an updated image: those of the old one but "card", and
 *   update.items.at/.text   all ids, old and new, in byte order
 *   update.old              uint32 [items]: the old model's code, OD_NO_CODE: new
 *   update.at               uint64 [items + 1]: where an item's likenesses start
 *   update.like             uint32: old codes;  update.weight  float: sum to 1 over an item
 * input: the training set and tables of now; parameters are not looked at. old must stay open until
 * the writer is finished. *out_new: how many items are new. Same inputs, same bytes. */
enum od_status od_updated_make(const struct od_train_input *input, const struct od_image *old,
                               struct od_image_writer *image, uint32_t *out_new,
                               struct od_error *err) OD_MUST_USE;

/* Whether an image is an updated one; it is then opened with od_recipe_updated, which opens the
 * recipe's own model inside. */
bool od_updated_is(const struct od_image *image);
extern const struct od_recipe od_recipe_updated;

#endif
