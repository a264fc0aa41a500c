/* A user's record, as a query tells it, in the columns a network learnt. Internal to gru_*.c.
 *
 * Columns are named as features.h names them. A categorical cell counts for each of its values
 * (parted by |) that is a column, a number for the bin it falls into; a field's entries have sum 1
 * in square, as in training. */
#ifndef OD_RECIPES_GRU_PERSON_H
#define OD_RECIPES_GRU_PERSON_H

#include "recipes/gru_net.h"

struct od_gru_people;
/* The names in section gru.person; OD_CORRUPT unless there are columns of them. */
enum od_status od_gru_people_open(const struct od_image *image, uint32_t columns,
                                  struct od_gru_people **out, struct od_error *err) OD_MUST_USE;
void od_gru_people_close(struct od_gru_people *people);
/* people NULL: nobody. out points into scratch. */
enum od_status od_gru_person_of(const struct od_gru_people *people, const struct od_query *query,
                                struct od_arena *scratch, struct od_gru_person *out,
                                struct od_error *err) OD_MUST_USE;

#endif
