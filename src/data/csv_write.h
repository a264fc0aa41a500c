/* Rows as CSV that an import reads back to the same rows (data.md section 6).
 *
 * A null is an empty cell. A text is bare unless it holds a comma, a quote, a backslash or a line
 * end; textual fields are always quoted. Inside quotes, quote and backslash have a backslash in
 * front. Numbers are the shortest decimals that read back as the same number. Any thread. */
#ifndef OD_DATA_CSV_WRITE_H
#define OD_DATA_CSV_WRITE_H

#include "data/schema.h"
#include "data/value.h"

/* The fields' names in schema order, and a newline. */
void od_csv_put_header(struct od_buf *out, const struct od_schema *schema);
/* One record: values has one entry a schema field. Two rows give the same bytes only when they are
 * equal in all fields. */
void od_csv_put_row(struct od_buf *out, const struct od_schema *schema,
                    const struct od_value *values);

#endif
