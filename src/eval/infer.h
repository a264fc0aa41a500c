/* A schema from a CSV file, for people who have a file and no schema: what each column is, from its
 * name and from every value in it.
 *
 * Reserved columns have Amazon's types. Of the others: numeric when every value is a number;
 * textual when it is an item's and the name says that it is prose (TITLE, NAME, DESCRIPTION, TEXT,
 * SUMMARY, ABSTRACT, CONTENT, BODY or REVIEW as its last word); a categorical string when a value
 * holds |, or values repeat (at most half as many different ones as rows); else a plain string,
 * which models do not use. */
#ifndef OD_EVAL_INFER_H
#define OD_EVAL_INFER_H

#include "data/csv.h"
#include "data/schema.h"

/* bytes: a whole CSV file of that type. name is for messages. The schema lives in arena; columns it
 * leaves out (more of their own than the type may have, values over 1,000 characters that are no
 * prose of items) are counted in *out_dropped, those without any value are not. Interactions
 * without TIMESTAMP get the field all the same: their order is all there is to know.
 * OD_INVALID_INPUT (file, line, message) for bad CSV or a schema that may not be. */
enum od_status od_infer_schema(struct od_arena *arena, struct od_str bytes, const char *name,
                               enum od_dataset_type type, struct od_schema *out,
                               size_t *out_dropped, struct od_error *err) OD_MUST_USE;

/* Walks the records of a CSV file behind its header. each gets the cells and the record's line; it
 * fails with the place still to be named, which this function does. */
enum od_status
od_csv_walk(struct od_str bytes, const char *name, const struct od_csv_header *header,
            enum od_status (*each)(void *context, const struct od_str *cells, struct od_error *err),
            void *context, struct od_error *err) OD_MUST_USE;

#endif
