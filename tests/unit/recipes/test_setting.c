/* Users' records and context as a part: rates against their definition, what newcomers are
 * answered, images made to mislead. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipes/blend.h"
#include "recipes/setting.h"
#include "fitted.h"
#include "shelf.h"
#include "toy_part.h"

enum { ITEMS = 24, MOST = 8 };

/* Events with a device each, of users with a tier (of every seventh nothing is known). */
struct world {
    struct od_training *training;
    struct shelf users;
    struct od_dict *devices;
    uint16_t *device;
    struct od_training_column column;
};

static void give_context(struct world *w, unsigned (*device_of)(unsigned user, unsigned item))
{
    struct od_training *t = w->training;
    uint32_t code;
    w->devices = od_dict_new();
    w->device = malloc(t->event_count * sizeof *w->device);
    assert_int_equal(od_dict_add(w->devices, OD_STR("phone"), &code), OD_OK);
    assert_int_equal(od_dict_add(w->devices, OD_STR("tv"), &code), OD_OK);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++)
            w->device[e] = (uint16_t)device_of(u, t->item[e]);
    w->column = (struct od_training_column){
        .name = OD_STR("DEVICE"), .values = w->devices, .code = w->device};
    t->context = &w->column;
    t->context_count = 1;
}

static void give_records(struct world *w, unsigned tiers)
{
    static const char *const tier[] = {"gold", "plain", "silver"};
    shelf_init_of(&w->users, "Users", "USER_ID",
                  ",{\"name\":\"TIER\",\"type\":\"string\",\"categorical\":true}");
    for (unsigned u = 0; u < w->training->user_count; u++) {
        char id[16];
        snprintf(id, sizeof id, "u%05u", u);
        if (u % 7)
            shelf_put(&w->users, id, (const char *[]){tier[u % tiers]});
    }
    w->training->user_table = w->users.table;
}

static void world_done(struct world *w)
{
    w->training->context = NULL;
    w->training->context_count = 0;
    od_training_free(w->training);
    if (w->users.table)
        shelf_done(&w->users);
    od_dict_free(w->devices);
    free(w->device);
}

/* --- rates --- */

static unsigned some_device(unsigned user, unsigned item)
{
    return (user * 5 + item * 3) % 4 == 0;
}

static struct od_query query_of(const struct od_query_value *tier,
                                const struct od_query_value *device)
{
    return (struct od_query){.user = tier,
                             .user_value_count = tier != NULL,
                             .context = device,
                             .context_count = device != NULL,
                             .item = OD_NO_CODE};
}

/* w[words] of an event, in the order of names. */
static void words_at(const struct world *w, const struct od_dict *names, uint32_t user,
                     uint64_t event, double *out)
{
    char name[32];
    static const char *const tier[] = {"gold", "plain", "silver"};
    memset(out, 0, MOST * sizeof *out);
    snprintf(name, sizeof name, "C:DEVICE=%s", w->device[event] ? "tv" : "phone");
    uint32_t code = od_dict_find(names, od_str_c(name));
    assert_int_not_equal(code, OD_NO_CODE);
    out[code] = 1;
    if (user % 7 == 0)
        return;
    snprintf(name, sizeof name, "U:TIER=%s", tier[user % 3]);
    code = od_dict_find(names, od_str_c(name));
    assert_int_not_equal(code, OD_NO_CODE);
    out[code] = 1;
}

/* b := (g + ridge I)^-1 b by Gauss and Jordan. */
static void solve(size_t n, double (*g)[MOST], double scale, double ridge, double *b)
{
    double a[MOST][MOST];
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++)
            a[r][c] = scale * g[r][c] + (r == c ? ridge : 0);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < n; r++) {
            double by = a[r][i] / a[i][i];
            for (size_t c = 0; c < n && r != i; c++)
                a[r][c] -= by * a[i][c];
            if (r != i)
                b[r] -= by * b[i];
        }
    for (size_t i = 0; i < n; i++)
        b[i] /= a[i][i];
}

/* B of one item, by the definition. */
static void rates_of(const struct world *w, const struct od_dict *names, uint32_t item,
                     double shrink, double *b)
{
    const struct od_training *t = w->training;
    double g[MOST][MOST] = {0}, mass[MOST] = {0}, word[MOST], own = 0;
    size_t n = od_dict_count(names);
    memset(b, 0, MOST * sizeof *b);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            words_at(w, names, u, e, word);
            own += t->item[e] == item;
            for (size_t r = 0; r < n; r++) {
                mass[r] += word[r];
                b[r] += t->item[e] == item ? word[r] : 0;
                for (size_t c = 0; c < n; c++)
                    g[r][c] += word[r] * word[c];
            }
        }
    double share = own / (double)t->event_count;
    for (size_t r = 0; r < n; r++)
        b[r] -= share * mass[r];
    solve(n, g, share, shrink, b);
}

static void rates_are_those_of_the_definition(void **state)
{
    (void)state;
    static const float shrinks[] = {1, 10, 300};
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    give_records(&w, 3);
    give_context(&w, some_device);
    for (size_t k = 0; k < sizeof shrinks / sizeof *shrinks; k++) {
        struct od_setting_sums sums;
        struct od_setting_rates rates;
        float share[ITEMS];
        const struct od_training *t = w.training;
        assert_int_equal(od_setting_sums_init(&sums, t, t->user_start + 1, 2, NULL), OD_OK);
        assert_int_equal(sums.words, 5);
        assert_int_equal(od_setting_rates_init(&rates, &sums, shrinks[k], 2), OD_OK);
        od_setting_shares(&sums, share);
        const struct od_setting_model model = {ITEMS,      sums.words,  &sums.names, rates.at,
                                               rates.item, rates.value, share};
        const struct od_query_value tier = {OD_STR("TIER"), OD_STR("silver")},
                                    device = {OD_STR("DEVICE"), OD_STR("tv")};
        const struct od_query query = query_of(&tier, &device);
        float got[ITEMS], scores[ITEMS];
        bool any;
        od_setting_score_rates(&model, &query, got, &any);
        assert_true(any);
        od_setting_score(&model, &query, scores, &any);
        unsigned moved = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            double b[MOST], want = 1;
            rates_of(&w, sums.names.names, i, (double)shrinks[k], b);
            uint32_t of[] = {od_dict_find(sums.names.names, OD_STR("U:TIER=silver")),
                             od_dict_find(sums.names.names, OD_STR("C:DEVICE=tv"))};
            for (size_t x = 0; x < 2; x++)
                want += fabs(b[of[x]]) >= (double)OD_SETTING_FAINT ? b[of[x]] : 0;
            assert_true(fabs((double)got[i] - want) < 1e-4);
            assert_true(fabsf(scores[i] - got[i] * share[i]) < 1e-7f);
            moved += fabs(want - 1) > .01;
        }
        assert_true(moved > 0 || shrinks[k] > 100);
        od_setting_rates_done(&rates);
        od_setting_sums_done(&sums);
    }
    world_done(&w);
}

/* (seen + shrink) / (expected + shrink) */
static void a_single_word_is_an_estimate_of_its_own(void **state)
{
    (void)state;
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    struct od_setting_sums sums;
    struct od_setting_rates rates;
    const struct od_training *t = w.training;
    give_records(&w, 1); /* gold, or nothing is known */
    assert_int_equal(od_setting_sums_init(&sums, t, t->user_start + 1, 1, NULL), OD_OK);
    assert_int_equal(sums.words, 1);
    assert_int_equal(od_setting_rates_init(&rates, &sums, 5, 1), OD_OK);
    double of_word = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        of_word += u % 7 ? (double)(t->user_start[u + 1] - t->user_start[u]) : 0;
    for (uint64_t k = rates.at[0]; k < rates.at[1]; k++) {
        double seen = 0, all = 0;
        for (uint32_t u = 0; u < t->user_count; u++)
            for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
                seen += u % 7 && t->item[e] == rates.item[k];
                all += t->item[e] == rates.item[k];
            }
        double expected = all * of_word / (double)t->event_count;
        assert_true(fabs(1 + (double)rates.value[k] - (seen + 5) / (expected + 5)) < 1e-4);
    }
    assert_true(rates.at[1] > 0);
    od_setting_rates_done(&rates);
    od_setting_sums_done(&sums);
    world_done(&w);
}

static void what_is_not_known_says_nothing(void **state)
{
    (void)state;
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    give_records(&w, 3);
    give_context(&w, some_device);
    struct toy_bytes b = toy_fit_steadily(&od_part_setting, w.training);
    struct od_image image;
    void *part = NULL;
    float rates[ITEMS];
    const struct od_query_value other = {OD_STR("TIER"), OD_STR("tin")},
                                field = {OD_STR("TIRE"), OD_STR("gold")};
    const struct od_query query[] = {query_of(NULL, NULL), query_of(&other, NULL),
                                     query_of(NULL, &field), query_of(&field, &other)};
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_part_setting.present(&image));
    assert_int_equal(od_part_setting.open(&image, ITEMS, &part, NULL), OD_OK);
    for (size_t q = 0; q < sizeof query / sizeof *query; q++) {
        bool any = true;
        od_part_setting.rates(part, &query[q], rates, &any);
        assert_false(any);
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_true(rates[i] >= 1 && rates[i] <= 1);
    }
    const struct od_query_value silver = {OD_STR("TIER"), OD_STR("silver")};
    const struct od_query known = query_of(&silver, NULL);
    float scores[ITEMS];
    bool any = false, personal = false;
    od_part_setting.rates(part, &known, rates, &any);
    assert_int_equal(od_part_setting.score(part, &known, NULL, scores, &personal, NULL), OD_OK);
    assert_true(any && personal);
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true(fabsf(scores[i] - logf(rates[i])) < 1e-5f);
    od_part_setting.close(part);
    free(b.ptr);
    world_done(&w);
}

/* A card trains without one field after the other, and may come to a table without any. */
static void records_that_tell_nothing_know_nobody(void **state)
{
    (void)state;
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    struct od_image image;
    void *part = NULL;
    float rates[ITEMS], scores[ITEMS];
    bool any = true;
    const struct od_query_value age = {OD_STR("AGE"), OD_STR("30")};
    const struct od_query query = query_of(&age, NULL);
    shelf_init_of(&w.users, "Users", "USER_ID", ",{\"name\":\"AGE\",\"type\":[\"null\",\"int\"]}");
    shelf_put(&w.users, "u00003", (const char *[]){NULL});
    w.training->user_table = w.users.table;
    struct toy_bytes b = toy_fit_steadily(&od_part_setting, w.training);
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_int_equal(od_part_setting.open(&image, ITEMS, &part, NULL), OD_OK);
    od_part_setting.rates(part, &query, rates, &any);
    assert_false(any);
    any = true;
    assert_int_equal(od_part_setting.score(part, &query, NULL, scores, &any, NULL), OD_OK);
    assert_false(any);
    od_part_setting.close(part);
    free(b.ptr);
    world_done(&w);
}

/* A value of several categories is each of them, in training as in a request. */
static void categories_of_a_context_are_words(void **state)
{
    (void)state;
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    struct od_seq_ask ask;
    struct od_dict *values = od_dict_new();
    uint32_t code;
    give_context(&w, some_device);
    assert_int_equal(od_dict_add(values, OD_STR("phone"), &code), OD_OK);
    assert_int_equal(od_dict_add(values, OD_STR("phone|car|tv"), &code), OD_OK);
    w.column.values = values;
    assert_int_equal(
        od_seq_ask_init(&ask, w.training, w.training->user_start + 1, false, NULL, 1, NULL), OD_OK);
    assert_int_equal(od_dict_count(ask.words.names), 3);
    const struct od_query_value device[] = {{OD_STR("DEVICE"), OD_STR("phone")},
                                            {OD_STR("DEVICE"), OD_STR("phone|car|tv")}};
    for (uint64_t e = 0; e < w.training->event_count; e++) {
        struct od_word trained[OD_SEQ_ENTRIES], asked[OD_SEQ_ENTRIES];
        const struct od_query query = query_of(NULL, &device[w.device[e]]);
        size_t n = od_seq_ask_words(&ask, od_training_user_of(w.training, e), e, trained);
        assert_int_equal(n, w.device[e] ? 3 : 1);
        assert_int_equal(od_words_query(&ask.words, &query, 0, asked, OD_SEQ_ENTRIES), n);
        assert_memory_equal(trained, asked, n * sizeof *trained);
        assert_true(fabs((double)trained[0].value - sqrt(1. / (double)n)) < 1e-6);
    }
    od_seq_ask_done(&ask);
    od_dict_free(values);
    world_done(&w);
}

/* Everybody likes a, and something that one other likes too and that is no word. */
static void categories_without_a_word_take_no_weight(void **state)
{
    (void)state;
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    shelf_init_of(&w.users, "Users", "USER_ID",
                  ",{\"name\":\"LIKES\",\"type\":\"string\",\"categorical\":true}");
    uint64_t events = w.training->event_count;
    for (unsigned u = 0; u < w.training->user_count; u++) {
        char id[16], likes[24];
        snprintf(id, sizeof id, "u%05u", u);
        snprintf(likes, sizeof likes, "a|own%u", u / 2);
        shelf_put(&w.users, id, (const char *[]){likes});
    }
    w.training->user_table = w.users.table;
    struct od_setting_sums sums;
    assert_int_equal(od_setting_sums_init(&sums, w.training, w.training->user_start + 1, 1, NULL),
                     OD_OK);
    assert_int_equal(sums.words, 1);
    assert_true(fabs(sums.mass[0] - (double)events) < 1e-6 * (double)events);
    od_setting_sums_done(&sums);
    world_done(&w);
}

static void a_number_in_a_bin_without_a_column_says_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"C:NIGHTS in [1, 2)", "C:NIGHTS in [5, 7)",
                                        "C:NIGHTS in [7, 9]", "U:AGE in [-inf, 30)",
                                        "U:AGE in [30, inf]"};
    static const struct {
        char letter;
        const char *field;
        double number;
        uint32_t column;
    } asked[] = {
        {'C', "NIGHTS", 0, 0},
        {'C', "NIGHTS", 1, 0},
        {'C', "NIGHTS", 2, OD_NO_CODE},
        {'C', "NIGHTS", 4.9, OD_NO_CODE},
        {'C', "NIGHTS", 5, 1},
        {'C', "NIGHTS", 7, 2},
        {'C', "NIGHTS", 9, 2},
        {'C', "NIGHTS", 99, 2},
        {'U', "NIGHTS", 1, OD_NO_CODE},
        {'U', "AGE", -1e9, 3},
        {'U', "AGE", 30, 4},
    };
    struct od_dict *dict = od_dict_new();
    struct od_words words;
    uint32_t code;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(od_dict_add(dict, od_str_c(names[i]), &code), OD_OK);
    assert_int_equal(od_words_init(&words, dict, NULL), OD_OK);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        assert_int_equal(
            od_words_number(&words, asked[i].letter, od_str_c(asked[i].field), asked[i].number),
            asked[i].column);
    /* what was learnt of bins elsewhere goes by their middles */
    assert_int_equal(od_words_like(&words, OD_STR("C:NIGHTS in [5, 8)")), 1);
    assert_int_equal(od_words_like(&words, OD_STR("C:NIGHTS in [2, 5)")), OD_NO_CODE);
    od_words_done(&words);
}

static void a_foreign_lesson_is_refused(void **state)
{
    (void)state;
    static const char *const lesson[] = {"nonsense", "", "0", "-1", "3 3", "nan", "1e9"};
    toy_refuses_lessons(&od_part_setting, lesson, 1);
    toy_refuses_lessons(&od_part_setting, lesson + 2, sizeof lesson / sizeof *lesson - 2);
}

/* --- whole models --- */

/* The first items are for the even users, the others for the odd: three of four events are. */
static struct od_training *sides(unsigned users)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 8);
    for (unsigned u = 0; u < users; u++)
        for (unsigned k = 0; k < 5; k++) {
            unsigned side = od_random_below(&rng, 4) ? u % 2 : (unsigned)od_random_below(&rng, 2);
            toy_add(b, u, side * ITEMS / 2 + (unsigned)od_random_below(&rng, ITEMS / 2),
                    (int64_t)u * 3600 + k * 60);
        }
    return toy_finish(b);
}

static unsigned same_device(unsigned user, unsigned item)
{
    (void)item;
    return user % 2;
}

/* How many of the first half's items are in the first half of the list. */
static unsigned first_half(const struct fitted *f, const struct od_query *query, bool *out_personal)
{
    struct od_arena arena;
    float scores[ITEMS], told[ITEMS];
    struct od_score_terms terms[ITEMS];
    uint32_t item[ITEMS];
    unsigned n = 0;
    od_arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < ITEMS; i++)
        item[i] = i;
    assert_int_equal(
        f->model.recipe->score(f->model.model, query, &arena, scores, out_personal, NULL), OD_OK);
    assert_int_equal(
        f->model.recipe->explain(f->model.model, query, item, ITEMS, &arena, told, terms, NULL),
        OD_OK);
    for (uint32_t i = 0; i < ITEMS; i++) {
        float sum = 0;
        bool spoke = false;
        uint32_t before = 0;
        for (size_t k = 0; k < terms[i].count; k++) {
            sum += terms[i].list[k].contribution;
            spoke |= strcmp(terms[i].list[k].name, "setting") == 0 && terms[i].list[k].is_part;
        }
        assert_true(fabsf(sum - scores[i]) < 1e-3f);
        assert_true(spoke == *out_personal || query->event_count);
        for (uint32_t j = 0; j < ITEMS; j++)
            before += scores[j] > scores[i];
        n += i < ITEMS / 2 && before < ITEMS / 2;
    }
    od_arena_done(&arena);
    return n;
}

/* Whatever the history. */
static void the_weight_stays(const struct od_image *image)
{
    struct od_buf text;
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(image, &text));
    od_buf_char(&text, 0);
    const char *line = strstr(text.ptr, "part setting"), *end = line ? strchr(line, '\n') : NULL;
    assert_non_null(end);
    const char *steady = strstr(line, "longer +0.0000, rested +0.0000  linear");
    assert_true(steady && steady < end);
    od_buf_done(&text);
}

/* Newcomers are told apart by their record, or by the context they come in. */
static void newcomers_are_told_apart(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) { /* records; context; records of few users */
        struct world w = {.training = sides(way == 2 ? 300 : 1200)};
        struct fitted f;
        if (way == 1)
            give_context(&w, same_device);
        else
            give_records(&w, 2);
        fitted_init(&f, "aws-user-personalization", w.training);
        if (fitted_run(&f, true) != OD_OK)
            fail_msg("%s", f.err.message);
        const struct od_query_value gold = {OD_STR("TIER"), OD_STR("gold")},
                                    plain = {OD_STR("TIER"), OD_STR("plain")},
                                    phone = {OD_STR("DEVICE"), OD_STR("phone")},
                                    tv = {OD_STR("DEVICE"), OD_STR("tv")};
        bool personal;
        struct od_query query = way == 1 ? query_of(NULL, &phone) : query_of(&gold, NULL);
        query.now_s = w.training->last_time + 60;
        assert_in_range(first_half(&f, &query, &personal), ITEMS / 2 - 1, ITEMS / 2);
        assert_true(personal);
        query = way == 1 ? query_of(NULL, &tv) : query_of(&plain, NULL);
        query.now_s = w.training->last_time + 60;
        assert_in_range(first_half(&f, &query, &personal), 0, 1);
        assert_true(personal);
        query = query_of(NULL, NULL);
        query.now_s = w.training->last_time + 60;
        first_half(&f, &query, &personal);
        assert_false(personal);
        the_weight_stays(&f.model.image);
        fitted_done(&f);
        world_done(&w);
    }
}

/* Where many say that it tells nothing it changes nothing. */
static void what_tells_nothing_changes_nothing(void **state)
{
    (void)state;
    struct world w = {.training = sides(1200)};
    struct fitted f;
    struct od_buf text;
    struct od_random rng;
    give_context(&w, same_device);
    od_random_init(&rng, 4);
    for (uint64_t e = 0; e < w.training->event_count; e++)
        w.device[e] = (uint16_t)od_random_below(&rng, 2);
    fitted_init(&f, "aws-user-personalization", w.training);
    if (fitted_run(&f, true) != OD_OK)
        fail_msg("%s", f.err.message);
    const struct od_query_value tv = {OD_STR("DEVICE"), OD_STR("tv")};
    struct od_query query = query_of(NULL, &tv);
    bool personal = true;
    query.now_s = w.training->last_time + 60;
    first_half(&f, &query, &personal);
    assert_false(personal);
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(&f.model.image, &text));
    od_buf_char(&text, 0);
    assert_non_null(strstr(text.ptr, "record and context^0.0"));
    od_buf_done(&text);
    fitted_done(&f);
    world_done(&w);
}

/* --- images made to mislead --- */

static enum od_status read_with(const char *section, size_t at, const void *bytes, size_t len)
{
    struct world w = {.training = toy_random(300, ITEMS, 9, 5)};
    give_records(&w, 3);
    bool same;
    struct toy_bytes b = toy_fit_twice(&od_part_setting, w.training, 1, &same);
    struct od_image image;
    struct od_setting_model model;
    struct od_words words;
    struct od_str s;
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_image_section(&image, section, &s) && at + len <= s.len);
    memcpy(b.ptr + (s.ptr - b.ptr) + at, bytes, len);
    enum od_status st = od_setting_read(&image, ITEMS, &words, &model, NULL);
    if (st == OD_OK)
        od_words_done(&words);
    free(b.ptr);
    world_done(&w);
    return st;
}

static void a_misleading_image_is_refused(void **state)
{
    (void)state;
    const float nan = NAN, one = 1, zero = 0;
    const uint32_t other = 7777, item = ITEMS;
    const uint64_t far = 1u << 20;
    assert_int_equal(read_with("setting.value", 0, &one, sizeof one), OD_OK);
    assert_int_equal(read_with("setting", 0, &other, sizeof other), OD_CORRUPT); /* version */
    assert_int_equal(read_with("setting", 4, &other, sizeof other), OD_CORRUPT); /* items */
    assert_int_equal(read_with("setting", 8, &other, sizeof other), OD_CORRUPT); /* words */
    assert_int_equal(read_with("setting.at", 0, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("setting.at", 8, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("setting.at", 24, &far, sizeof far), OD_CORRUPT);
    assert_int_equal(read_with("setting.item", 4, &item, sizeof item), OD_CORRUPT);
    assert_int_equal(read_with("setting.value", 0, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("setting.share", 4, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("setting.share", 4, &zero, sizeof zero), OD_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_those_of_the_definition),
        cmocka_unit_test(a_single_word_is_an_estimate_of_its_own),
        cmocka_unit_test(what_is_not_known_says_nothing),
        cmocka_unit_test(records_that_tell_nothing_know_nobody),
        cmocka_unit_test(categories_of_a_context_are_words),
        cmocka_unit_test(categories_without_a_word_take_no_weight),
        cmocka_unit_test(a_number_in_a_bin_without_a_column_says_nothing),
        cmocka_unit_test(a_foreign_lesson_is_refused),
        cmocka_unit_test(newcomers_are_told_apart),
        cmocka_unit_test(what_tells_nothing_changes_nothing),
        cmocka_unit_test(a_misleading_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
