/* A filter expression as a tree, between the parser and the compiler. All of it lives in one arena
 * and points into the expression's own copy there. */
#ifndef OD_FILTER_AST_H
#define OD_FILTER_AST_H

#include "base/arena.h"
#include "data/schema.h"
#include "filter/filter.h"

/* A piece of the expression, for messages. */
struct od_filter_span {
    size_t at, len; /* bytes */
};

enum od_filter_op {
    OD_OP_EQ,
    OD_OP_NE,
    OD_OP_LT,
    OD_OP_LE,
    OD_OP_GT,
    OD_OP_GE,
    OD_OP_IN,
    OD_OP_NOT_IN
};

/* Which events a condition on events looks at. */
enum od_filter_window {
    OD_WINDOW_NEWEST, /* the newest of each type, as on AWS */
    OD_WINDOW_SPAN,   /* WITHIN 30 DAYS: all up to that old */
    OD_WINDOW_ALL     /* WITHIN ALL */
};

enum od_filter_step_kind {
    OD_STEP_TEST, /* the next condition */
    OD_STEP_AND,  /* of the last two results */
    OD_STEP_OR,
    OD_STEP_NOT /* of the last one */
};

enum od_operand_kind {
    OD_OPERAND_TEXT,   /* "comedy": unescaped */
    OD_OPERAND_NUMBER, /* 1970: as written */
    OD_OPERAND_PARAM,  /* $GENRE: the name */
    OD_OPERAND_STAR,   /* * */
    OD_OPERAND_ITEM,   /* CurrentItem.GENRE: the field's name */
    OD_OPERAND_NOW,    /* $NOW - 30 DAYS */
    OD_OPERAND_WORD    /* a bare word, which is no value; the checker says what to write instead */
};

struct od_ast_operand {
    enum od_operand_kind kind;
    struct od_str text;
    struct od_filter_span span;
    size_t item_field; /* OD_OPERAND_ITEM, by the checker: place in the Items schema */
    int64_t offset_s;  /* OD_OPERAND_NOW: added to the time of the request */
    struct od_ast_operand *next;
};

struct od_ast_condition {
    bool current_user;            /* CurrentUser.X; dataset is OD_USERS then */
    enum od_dataset_type dataset; /* whose field is tested */
    struct od_str field_name;
    struct od_filter_span span, dataset_span, field_span, op_span;
    enum od_filter_op op;
    struct od_ast_operand *operands; /* at least one; more than one only for IN and NOT IN */
    enum od_filter_window window;
    int64_t window_s;                  /* OD_WINDOW_SPAN */
    struct od_filter_span window_span; /* from WITHIN on */
    size_t field;                      /* by the checker: place in the dataset's schema */
    struct od_ast_condition *next;
};

/* A WHERE in postfix order: operands before what joins them. The conditions of a part stand in its
 * list in the same order as their OD_STEP_TEST here. */
struct od_ast_step {
    enum od_filter_step_kind kind;
    struct od_filter_span span; /* of the joining word; not of OD_STEP_TEST */
    struct od_ast_step *next;
};

struct od_ast_part {
    bool include;
    enum od_filter_target target;
    struct od_filter_span span, target_span;
    struct od_ast_condition *where; /* at least one, in the order of the text */
    struct od_ast_step *steps;      /* how they are joined */
    struct od_ast_condition *only_if;
    struct od_ast_part *next;
};

/* --- lexer --- */

enum od_token_kind {
    OD_TOKEN_END,
    OD_TOKEN_WORD,
    OD_TOKEN_TEXT,
    OD_TOKEN_NUMBER,
    OD_TOKEN_PARAM,
    OD_TOKEN_OP, /* = != < <= > >= */
    OD_TOKEN_DOT,
    OD_TOKEN_COMMA,
    OD_TOKEN_OPEN,
    OD_TOKEN_CLOSE,
    OD_TOKEN_BAR,
    OD_TOKEN_STAR,
    OD_TOKEN_SIGN /* + or - before white space; extended */
};

struct od_token {
    enum od_token_kind kind;
    struct od_str text; /* words, numbers; texts unescaped; parameter names without $ */
    struct od_filter_span span;
    enum od_filter_op op;
};

struct od_lexer {
    struct od_str source;
    struct od_arena *arena;
    bool extended; /* beyond AWS's language */
    size_t at;
    struct od_token token; /* the current one */
};

/* Puts the next token into lexer->token. */
enum od_status od_lexer_next(struct od_lexer *lexer, struct od_error *err) OD_MUST_USE;

/* --- parser and checker --- */

/* Syntax alone. source must live in arena. extended: beyond AWS's language. */
enum od_status od_filter_parse(struct od_str source, bool extended, struct od_arena *arena,
                               struct od_ast_part **out, struct od_error *err) OD_MUST_USE;
/* Conditions alone, as after "INCLUDE ItemID WHERE", in AWS's language. */
enum od_status od_filter_parse_conditions(struct od_str source, struct od_arena *arena,
                                          struct od_ast_part **out,
                                          struct od_error *err) OD_MUST_USE;
/* Of conditions: = with a value on a field of Items, joined by AND (attributes.c). */
enum od_status od_filter_check_attributes(struct od_str source, const struct od_ast_part *part,
                                          struct od_error *err) OD_MUST_USE;
/* Names, types and the rules of serving.md section 6; fills in the places of fields. */
enum od_status od_filter_check(struct od_str source, struct od_ast_part *parts,
                               const struct od_filter_schemas *schemas, size_t max_fields,
                               struct od_error *err) OD_MUST_USE;

/* --- messages --- */

#define OD_BAD_EXPRESSION "Invalid Expression: "
/* OD_INVALID_INPUT, "Could not create filter. <text> At byte N:" and the place, by carets. */
OD_PRINTF(4, 5)
enum od_status od_filter_fault(struct od_str source, struct od_filter_span span,
                               struct od_error *err, const char *fmt, ...);

#endif
