/* The little XML that S3 speaks: reading documents to a tree, escaping text. */
#ifndef OD_S3_XML_H
#define OD_S3_XML_H

#include "base/arena.h"

/* An element. Attributes are checked and dropped, so are comments; a prefix is part of the name.
 * Names borrow from the document's text. */
struct od_xml {
    struct od_str name;
    struct od_str text;          /* its own character data, decoded; white space kept */
    struct od_xml *first, *next; /* first child, next sibling */
};
/* One document in UTF-8, at most OD_MAX_XML_DEPTH deep. No DTD and no entities but the five of XML
 * and character references: what a document cannot say cannot blow up. OD_INVALID_INPUT names the
 * byte; OD_NO_MEMORY. */
enum od_status od_xml_parse(struct od_arena *arena, struct od_str text, struct od_xml **out,
                            struct od_error *err) OD_MUST_USE;
/* The first child of that name, NULL when there is none; element may be NULL. */
const struct od_xml *od_xml_child(const struct od_xml *element, const char *name);
/* Its text without white space around it, OD_STR_NONE when absent. */
struct od_str od_xml_text(const struct od_xml *element, const char *name);

/* text as character data. What XML 1.0 cannot hold (control characters) becomes U+FFFD. */
void od_xml_escape(struct od_buf *out, struct od_str text);
/* <name>text</name>, escaped; nothing when text is absent. */
void od_xml_put(struct od_buf *out, const char *name, struct od_str text);

#endif
