/* What an Actions table says of an action beside its attributes: until when it may be recommended,
 * how soon again, and what it is worth (data.md section 3). Training writes it into the image, and
 * serving reads it from the live table, so that a PutActions counts in the next answer. */
#ifndef OD_RECIPES_ACTION_FACTS_H
#define OD_RECIPES_ACTION_FACTS_H

#include "data/table.h"
#include "recipes/recipe.h"

/* A table and its columns that tell; a view valid until the table's next change. */
struct od_action_columns {
    const struct od_table *table;
    struct od_table_column expires, value, repeat; /* field NULL: it has none */
};
/* table NULL: none of them. */
void od_action_columns(const struct od_table *table, struct od_action_columns *out);
/* row OD_NO_ROW: an action without a record. What is null or not there: never expires, may be
 * repeated at once, is worth nothing. */
void od_action_fact(const struct od_action_columns *columns, uint32_t row,
                    struct od_action_fact *out);

#endif
