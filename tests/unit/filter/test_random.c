/* Random expressions on random catalogues and histories, against an evaluator of its own.
 *
 * The test makes up a rule (a structure of this file), writes it as text in random spelling, and
 * judges every item by the rule directly: cells stay the texts they were made from and are compared
 * as such, row by row. It shares no code with the filter room beyond its interface. First rules of
 * AWS's language alone, then of all that is beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "data/table.h"
#include "filter/shop.h"

/* 100,000 triples; under a sanitizer, which is many times slower, or where the environment says
 * so, fewer. */
#define CATALOGUES  500 /* for each of the two languages */
#define EXPRESSIONS 100
#define FEW         30 /* catalogues */
#ifndef SANITIZED
#define SANITIZED 0
#endif
#define MOST_ITEMS  150
#define MOST_EVENTS 260
#define MOST_VALUES 8

static struct od_random rng;
static bool extended; /* the language beyond AWS's */

static unsigned below(unsigned n)
{
    return (unsigned)od_random_below(&rng, n);
}

static bool chance(unsigned percent)
{
    return below(100) < percent;
}

#define PICK(array) ((array)[below(sizeof(array) / sizeof(array)[0])])

#include "filter/random_world.inc"

/* --- a rule --- */

enum { EQ, NE, LT, LE, GT, GE, IN, NOT_IN };
static const char *const op_texts[] = {"=", "!=", "<", "<=", ">", ">=", "in", "not in"};

enum { NEWEST, SPAN, ALL };
static const struct {
    const char *name;
    int64_t seconds;
} units[] = {{"second", 1},  {"Minutes", 60},   {"HOURS", 3600},
             {"day", 86400}, {"weeks", 604800}, {"SECONDS", 1}};

struct cond {
    bool events, starts_term;
    bool user;             /* CurrentUser among the conditions */
    int window;            /* of events */
    int64_t window_s;      /* SPAN */
    bool now;              /* $NOW and a distance instead of a value */
    char text[48], at[24]; /* the duration as written; the number that $NOW then is */
    const struct field *field;
    size_t column; /* in a row's cells */
    int op;
    bool star, param, bound; /* param: bound tells whether the request has a value */
    int param_name;
    const struct field *current; /* CurrentItem.X instead of values */
    size_t current_column;
    size_t count;
    const char *values[MOST_VALUES];
};
enum { LEAF, AND, OR, NOT };
struct node {
    int kind;
    size_t left, right; /* nodes; of a LEAF the condition */
};
struct part {
    bool include;
    size_t where_count, if_count;
    struct cond where[5], only_if[2];
    struct node nodes[20]; /* extended */
    size_t node_count, root;
};
struct rule {
    size_t part_count;
    struct part parts[3];
    int params;
    int64_t now_s;
    bool any_unbound_include;
};

static int class_of(enum kind kind)
{
    return kind <= SINGLE ? 0 : kind == YES_NO ? 2 : 1;
}

static int64_t make_duration(struct cond *c)
{
    static const unsigned counts[] = {1, 2, 3, 30, 60, 970};
    unsigned count = PICK(counts), unit = below(6);
    snprintf(c->text, sizeof c->text, "%u %s", count, units[unit].name);
    return count * units[unit].seconds;
}

static void make_window(struct cond *c)
{
    c->window = (int)below(3);
    if (c->window == SPAN)
        c->window_s = make_duration(c);
}

static void make_now(struct cond *c, int64_t now_s)
{
    static const char *const signs[] = {"-", " - ", " + ", "+", "\t-\n"};
    const char *sign = PICK(signs);
    char duration[40];
    int64_t distance = make_duration(c);
    memcpy(duration, c->text, sizeof duration);
    duration[sizeof duration - 1] = '\0';
    snprintf(c->text, sizeof c->text, "$NOW%s%s ", sign, duration);
    snprintf(c->at, sizeof c->at, "%lld",
             (long long)(strchr(sign, '-') ? now_s - distance : now_s + distance));
    c->now = true;
    c->count = 1;
    c->values[0] = c->at;
}

static void make_values(struct rule *rule, const struct part *part, bool only_if, struct cond *c)
{
    bool list = c->op == IN || c->op == NOT_IN;
    bool numeric = !c->events && c->field->kind >= INTEGER;
    if (extended && numeric && !list && c->field->kind != YES_NO && chance(25)) {
        make_now(c, rule->now_s);
        return;
    }
    if (!c->events && !only_if && !c->user && chance(15)) {
        do {
            c->current_column = below(ITEM_COLUMNS);
            c->current = &item_columns[c->current_column];
        } while (class_of(c->current->kind) != class_of(c->field->kind));
        return;
    }
    c->star = c->events && list && chance(25);
    c->count = c->star ? 0 : list ? 1 + below(MOST_VALUES) : 1;
    for (size_t i = 0; i < c->count; i++)
        c->values[i] = c->events                  ? PICK(types)
                       : c->field->kind == YES_NO ? PICK(booleans)
                       : numeric                  ? PICK(numbers)
                                                  : PICK(words);
    c->param = !c->star && (c->op != NOT_IN || extended) && chance(30);
    c->bound = chance(80);
    c->param_name = c->param ? rule->params++ : 0;
    rule->any_unbound_include |= c->param && !c->bound && part->include;
}

static void make_cond(struct rule *rule, const struct part *part, bool only_if, bool events,
                      struct cond *c)
{
    memset(c, 0, sizeof *c);
    c->events = events;
    c->starts_term = chance(40);
    c->user = extended && !only_if && !events && chance(20);
    c->column = below((only_if || c->user ? USER_COLUMNS : ITEM_COLUMNS) - !extended);
    c->field = only_if || c->user ? &user_columns[c->column] : &item_columns[c->column];
    do {
        c->op = (int)below(8);
    } while ((events || class_of(c->field->kind) != 1) && c->op >= LT && c->op <= GE);
    if (extended && events && chance(50))
        make_window(c);
    make_values(rule, part, only_if, c);
}

/* Joins the conditions [from, from + count) in some way. */
static size_t make_tree(struct part *part, size_t from, size_t count)
{
    struct node node = {.kind = LEAF, .left = from};
    if (count > 1) {
        size_t some = 1 + below((unsigned)count - 1);
        node.kind = chance(50) ? AND : OR;
        node.left = make_tree(part, from, some);
        node.right = make_tree(part, from + some, count - some);
    }
    part->nodes[part->node_count] = node;
    if (chance(20)) {
        part->nodes[part->node_count + 1] = (struct node){NOT, part->node_count, 0};
        part->node_count++;
    }
    return part->node_count++;
}

static void make_rule(struct rule *rule, int64_t now_s)
{
    memset(rule, 0, sizeof *rule);
    rule->now_s = now_s;
    rule->part_count = 1 + below(3);
    for (size_t p = 0; p < rule->part_count; p++) {
        struct part *part = &rule->parts[p];
        bool events = chance(30);
        part->include = chance(50);
        part->where_count = 1 + below(extended ? 5 : 3);
        part->if_count = chance(30) ? 1 + below(2) : 0;
        for (size_t i = 0; i < part->where_count; i++)
            make_cond(rule, part, false, extended ? chance(30) : events, &part->where[i]);
        if (extended)
            part->root = make_tree(part, 0, part->where_count);
        for (size_t i = 0; i < part->if_count; i++)
            make_cond(rule, part, true, false, &part->only_if[i]);
    }
}

/* --- the rule as text --- */

static void write_word(struct od_buf *out, const char *word)
{
    static const char *const gaps[] = {" ", "\n", "  ", "\t "};
    unsigned style = below(3);
    for (size_t i = 0; word[i]; i++) {
        char c = word[i];
        bool upper = style == 0 || (style == 1 && chance(50));
        if (c >= 'a' && c <= 'z' && upper)
            c = (char)(c - 32);
        else if (c >= 'A' && c <= 'Z' && style == 2)
            c = (char)(c + 32);
        od_buf_char(out, c);
    }
    od_buf_puts(out, PICK(gaps));
}

static void write_quoted(struct od_buf *out, const char *text, char quote)
{
    od_buf_char(out, quote);
    for (; *text; text++) {
        if (*text == quote || *text == '\\')
            od_buf_char(out, '\\');
        od_buf_char(out, *text);
    }
    od_buf_char(out, quote);
}

static void write_value(struct od_buf *out, bool numeric, const char *text)
{
    if (numeric && chance(70))
        od_buf_puts(out, text);
    else
        write_quoted(out, text, chance(70) ? '"' : '\'');
}

static void write_cond(struct od_buf *out, const struct cond *c, bool only_if)
{
    bool numeric = !c->events && c->field->kind >= INTEGER;
    bool list = c->op == IN || c->op == NOT_IN;
    const char *open = list ? "(" : chance(10) ? "((" : "";
    const char *close = list ? ")" : open[0] ? "))" : "";
    write_word(out, c->events ? "Interactions" : only_if || c->user ? "CurrentUser" : "Items");
    od_buf_char(out, '.');
    write_word(out, c->events ? "EVENT_TYPE" : c->field->name);
    write_word(out, op_texts[c->op]);
    if (c->current) {
        write_word(out, "CurrentItem.");
        write_word(out, c->current->name);
        return;
    }
    od_buf_puts(out, open);
    if (c->star)
        od_buf_puts(out, chance(50) ? "*" : "\"*\"");
    else if (c->param)
        od_buf_printf(out, "$P%d", c->param_name);
    if (c->now)
        od_buf_puts(out, c->text);
    for (size_t i = 0; !c->param && !c->now && i < c->count; i++) {
        od_buf_puts(out, i ? ", " : "");
        write_value(out, numeric, c->values[i]);
    }
    od_buf_puts(out, close);
    od_buf_char(out, ' ');
    if (c->window != NEWEST) {
        write_word(out, "Within");
        write_word(out, c->window == ALL ? "All" : c->text);
    }
}

/* least: 1 where OR may stand without brackets, 2 where AND may, 3 where neither. */
static void write_node(struct od_buf *out, const struct part *part, size_t at, int least)
{
    const struct node *node = &part->nodes[at];
    int binds = node->kind == OR ? 1 : node->kind == AND ? 2 : 3;
    bool brackets = binds < least || chance(10);
    od_buf_puts(out, brackets ? "(" : "");
    if (node->kind == LEAF) {
        write_cond(out, &part->where[node->left], false);
    } else if (node->kind == NOT) {
        write_word(out, "Not");
        write_node(out, part, node->left, 3);
    } else {
        write_node(out, part, node->left, binds);
        write_word(out, node->kind == OR ? "OR" : "AND");
        write_node(out, part, node->right, binds);
    }
    od_buf_puts(out, brackets ? ")" : "");
}

static void write_rule(struct od_buf *out, const struct rule *rule)
{
    for (size_t p = 0; p < rule->part_count; p++) {
        const struct part *part = &rule->parts[p];
        od_buf_puts(out, p ? "|" : "");
        write_word(out, part->include ? "INCLUDE" : "EXCLUDE");
        write_word(out, "ItemID");
        write_word(out, "WHERE");
        if (extended)
            write_node(out, part, part->root, 1);
        for (size_t i = 0; !extended && i < part->where_count; i++) {
            if (i)
                write_word(out, part->where[i].starts_term ? "OR" : "AND");
            write_cond(out, &part->where[i], false);
        }
        for (size_t i = 0; i < part->if_count; i++) {
            write_word(out, i ? "AND" : "IF");
            write_cond(out, &part->only_if[i], true);
        }
    }
}

static size_t write_params(const struct cond *conds, size_t count, struct od_arena *arena,
                           struct od_filter_value *values, size_t at)
{
    for (size_t c = 0; c < count; c++) {
        if (!conds[c].param || !conds[c].bound)
            continue;
        struct od_buf text;
        od_buf_init(&text, 4096);
        bool numeric = !conds[c].events && conds[c].field->kind >= INTEGER;
        for (size_t i = 0; i < conds[c].count; i++) {
            od_buf_puts(&text, i ? "," : "");
            /* two quoted values at least, or none with a comma: else both readings apply */
            bool bare = numeric && chance(50);
            if (bare)
                od_buf_printf(&text, " %s ", conds[c].values[i]);
            else
                write_quoted(&text, conds[c].values[i], chance(80) ? '"' : '\'');
        }
        values[at].name = od_arena_printf(arena, "P%d", conds[c].param_name);
        values[at++].text = od_arena_str(arena, od_buf_view(&text));
        od_buf_done(&text);
    }
    return at;
}

/* --- the judge --- */

static bool compare(int order, int op)
{
    switch (op) {
    case LT:
        return order < 0;
    case LE:
        return order <= 0;
    case GT:
        return order > 0;
    case GE:
        return order >= 0;
    default:
        return order == 0;
    }
}

/* exact: the value is an integer when it looks like one; a value from a real column never is. */
static bool number_matches(const struct field *field, const char *cell, int op, const char *value,
                           bool exact)
{
    if (field->kind == YES_NO)
        return strcmp(cell, value) == 0;
    if (field->kind == FLOATING) {
        float a = (float)strtod(cell, NULL), b = (float)strtod(value, NULL);
        return compare((a > b) - (a < b), op);
    }
    if (field->kind == DOUBLING) {
        double a = strtod(cell, NULL), b = strtod(value, NULL);
        return compare((a > b) - (a < b), op);
    }
    long double a = (long double)strtoll(cell, NULL, 10);
    long double b = exact && is_integer_text(value) ? (long double)strtoll(value, NULL, 10)
                                                    : (long double)strtod(value, NULL);
    return compare((a > b) - (a < b), op);
}

/* Does any value of the cell stand in the relation to any of the values? */
static bool any_matches(const struct cond *c, const struct cell *cell, const char *const *values,
                        size_t count)
{
    int op = c->op == NE ? EQ : c->op == NOT_IN ? IN : c->op;
    for (size_t i = 0; i < cell->count; i++) {
        for (size_t k = 0; k < count; k++) {
            bool hit = c->field->kind <= SINGLE
                           ? strcmp(cell->texts[i], values[k]) == 0
                           : number_matches(c->field, cell->texts[i], op, values[k],
                                            !c->current || c->current->kind == INTEGER);
            if (hit)
                return true;
        }
    }
    return false;
}

static bool event_matches(const struct world *w, const struct cond *c, uint32_t row)
{
    for (size_t i = 0; i < w->event_count; i++) {
        size_t newer = 0;
        const char *type = w->events[i].type.ptr;
        if (w->events[i].item_row != row)
            continue;
        for (size_t k = 0; k < i; k++)
            newer += strcasecmp(w->events[k].type.ptr, type) == 0;
        bool seen = c->window == ALL || (c->window == NEWEST && newer < 100) ||
                    (c->window == SPAN && w->now_s - w->events[i].time_s <= c->window_s);
        bool hit = c->star;
        for (size_t k = 0; k < c->count; k++)
            hit |= strcasecmp(c->values[k], type) == 0;
        if (hit && seen)
            return true;
    }
    return false;
}

/* An unknown user or an empty field satisfies nothing. */
static bool user_matches(const struct world *w, const struct cond *c)
{
    if (w->user_row == OD_NO_ROW || w->user_rows[w->user_row].cells[c->column].count == 0)
        return false;
    bool hit = any_matches(c, &w->user_rows[w->user_row].cells[c->column], c->values, c->count);
    return hit != (c->op == NE || c->op == NOT_IN);
}

static bool item_matches(const struct world *w, const struct cond *c, uint32_t row)
{
    bool hit;
    if (c->user)
        return user_matches(w, c);
    if (c->events) {
        hit = event_matches(w, c, row);
    } else if (c->current) {
        static const struct cell none;
        const struct cell *other =
            w->current_row == OD_NO_ROW ? &none : &w->rows[w->current_row].cells[c->current_column];
        hit = any_matches(c, &w->rows[row].cells[c->column], other->texts, other->count);
    } else {
        hit = any_matches(c, &w->rows[row].cells[c->column], c->values, c->count);
    }
    return hit != (c->op == NE || c->op == NOT_IN);
}

static bool node_holds(const struct world *w, const struct part *part, size_t at, uint32_t row)
{
    const struct node *node = &part->nodes[at];
    switch (node->kind) {
    case NOT:
        return !node_holds(w, part, node->left, row);
    case AND:
        return node_holds(w, part, node->left, row) && node_holds(w, part, node->right, row);
    case OR:
        return node_holds(w, part, node->left, row) || node_holds(w, part, node->right, row);
    default:
        return item_matches(w, &part->where[node->left], row);
    }
}

static bool where_holds(const struct world *w, const struct part *part, uint32_t row)
{
    bool any = false, all = true;
    if (extended)
        return node_holds(w, part, part->root, row);
    for (size_t i = 0; i < part->where_count; i++) {
        if (i && part->where[i].starts_term) {
            any |= all;
            all = true;
        }
        all &= item_matches(w, &part->where[i], row);
    }
    return any | all;
}

static bool part_counts(const struct world *w, const struct part *part)
{
    for (size_t i = 0; i < part->where_count; i++) {
        if (part->where[i].param && !part->where[i].bound)
            return false;
    }
    for (size_t i = 0; i < part->if_count; i++) {
        const struct cond *c = &part->only_if[i];
        if (c->param && !c->bound)
            return false;
        if (!user_matches(w, c))
            return false;
    }
    return true;
}

static bool judge(const struct world *w, const struct rule *rule, const bool *counts, uint32_t row)
{
    bool included = false, any_include = false, excluded = false;
    for (size_t p = 0; p < rule->part_count; p++) {
        if (!counts[p])
            continue;
        bool holds = where_holds(w, &rule->parts[p], row);
        if (rule->parts[p].include) {
            any_include = true;
            included |= holds;
        } else {
            excluded |= holds;
        }
    }
    return (included || !any_include) && !excluded;
}

/* A single quoted value with a comma has two readings (test_eval.c has them); here there is one. */
static bool ambiguous(const struct cond *conds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (conds[i].param && (conds[i].op == IN || conds[i].op == NOT_IN) && conds[i].count == 1 &&
            strchr(conds[i].values[0], ','))
            return true;
    }
    return false;
}

/* The report of how it came about: its sums are those of the result. */
static void check_report(const struct od_filter *filter, const struct od_filter_values *values,
                         const struct od_filter_context *context, const uint64_t *keep,
                         struct od_arena *arena)
{
    uint64_t asked[MOST_ITEMS / 64 + 1];
    struct od_filter_report report;
    struct od_error err;
    size_t count = od_table_row_count(context->items), kept = 0, dropped = 0;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        asked[i] = od_random_u64(&rng);
    assert_int_equal(od_filter_explain(filter, values, context, asked, arena, &report, &err),
                     OD_OK);
    for (size_t row = 0; row < count; row++)
        kept += od_bitmap_get(asked, row) && od_bitmap_get(keep, row);
    for (size_t i = 0; i < report.step_count; i++) {
        assert_true(report.steps[i].drops <= report.steps[i].matches);
        dropped += report.steps[i].drops;
    }
    assert_int_equal(report.kept, kept);
    assert_int_equal(report.rows, kept + report.outside + dropped);
}

static void check_rule(struct world *w, const struct rule *rule, struct od_arena *arena,
                       size_t *kept)
{
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_filter_value given[32];
    struct od_error err = {.message = ""};
    struct od_buf text;
    size_t given_count = 0;
    bool counts[3];
    od_buf_init(&text, 1 << 16);
    write_rule(&text, rule);
    for (size_t p = 0; p < rule->part_count; p++) {
        const struct part *part = &rule->parts[p];
        given_count = write_params(part->where, part->where_count, arena, given, given_count);
        given_count = write_params(part->only_if, part->if_count, arena, given, given_count);
        counts[p] = part_counts(w, part);
    }
    enum od_status status = od_filter_new(
        od_buf_view(&text), extended ? &extended_shop : &shop_schemas, 0, &filter, &err);
    if (status != OD_OK)
        print_error("%s\n%s\n", text.ptr, err.message);
    assert_int_equal(status, OD_OK);
    status = od_filter_bind(filter, given, given_count, arena, &values, &err);
    assert_int_equal(status, rule->any_unbound_include ? OD_INVALID_INPUT : OD_OK);
    if (status == OD_OK) {
        struct od_filter_context context = {w->items,       w->users,  w->user_row,
                                            w->current_row, w->events, w->event_count,
                                            OD_TARGET_ITEM, w->now_s};
        uint64_t keep[MOST_ITEMS / 64 + 1];
        memset(keep, 0x55, sizeof keep);
        assert_int_equal(od_filter_eval(filter, values, &context, arena, keep, &err), OD_OK);
        for (uint32_t row = 0; row < w->item_count; row++) {
            bool want = judge(w, rule, counts, row);
            if (od_bitmap_get(keep, row) != want)
                print_error("%s\nrow %u: %d expected\n", text.ptr, row, want);
            assert_int_equal(od_bitmap_get(keep, row), want);
            *kept += want;
        }
        if (chance(10))
            check_report(filter, values, &context, keep, arena);
    }
    od_filter_free(filter);
    od_buf_done(&text);
}

static bool is_ambiguous(const struct rule *rule)
{
    for (size_t p = 0; p < rule->part_count; p++) {
        if (ambiguous(rule->parts[p].where, rule->parts[p].where_count) ||
            ambiguous(rule->parts[p].only_if, rule->parts[p].if_count))
            return true;
    }
    return false;
}

static void agree(uint64_t seed)
{
    static struct world world;
    static struct rule rule;
    size_t kept = 0, rows = 0;
    od_random_init(&rng, seed);
    int catalogues = SANITIZED || getenv("ONDOL_TEST_FEW") ? FEW : CATALOGUES;
    for (int c = 0; c < catalogues; c++) {
        make_world(&world);
        for (int e = 0; e < EXPRESSIONS; e++) {
            struct od_arena arena;
            od_arena_init(&arena, 1 << 20);
            make_request(&world);
            do {
                make_rule(&rule, world.now_s);
            } while (is_ambiguous(&rule));
            check_rule(&world, &rule, &arena, &kept);
            od_arena_done(&arena);
            rows += world.item_count;
        }
        od_table_free(world.items);
        od_table_free(world.users);
    }
    /* the rules must neither keep nor drop nearly all, or the test would see little */
    assert_in_range(kept * 100 / rows, 15, 85);
}

static void agrees_with_a_naive_evaluator(void **state)
{
    (void)state;
    extended = false;
    agree(4242);
}

static void agrees_beyond_aws(void **state)
{
    (void)state;
    extended = true;
    agree(2424);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_evaluator),
        cmocka_unit_test(agrees_beyond_aws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
