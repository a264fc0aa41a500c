/* Fuzzing what recipes read from their images: a trained image with bytes changed is opened or
 * refused, and what opens may be asked anything.
 *
 * Bytes by chance are no image, so small models of all recipes are trained at the start and an
 * input says what to change: the first byte which model, then four bytes a change: the section, two
 * bytes where in it, and the new byte. Section 255 changes a section's length in the table instead.
 * Checksums are not verified, as if the file had been made on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "recipes/blend.h"
#include "recipes/registry.h"
#include "recipes/vector_form.h"
#include "recipes/fitted.h"
#include "recipes/shelf.h"
#include "recipes/toy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { MODELS = 32, USERS = 60, ITEMS = 160, HEAD = 128, ENTRY = 64, EVENTS = 6 };

static struct trained {
    const struct od_recipe *recipe;
    struct od_str bytes;
} models[MODELS];
static size_t model_count;

/* --- the models --- */

static struct od_training *interactions(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < 8; k++)
            toy_add(b, u, (u + k * k + (unsigned)od_random_below(&rng, 6)) % ITEMS,
                    (int64_t)(86400 * k + 100 * u));
    return toy_finish(b);
}

static struct od_training *action_interactions(void)
{
    static const char *const types[] = {"Taken", "Not Taken", "Viewed"};
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < 6; k++) {
            char user[16], action[16];
            snprintf(user, sizeof user, "u%05u", u);
            snprintf(action, sizeof action, "a%u", (u + k) % 4);
            if (od_training_add_event(b, od_str_c(user), od_str_c(action),
                                      od_str_c(types[(u * 7 + k) % 3]),
                                      (int64_t)(86400 * k + 100 * u), false, 0) != OD_OK)
                abort();
        }
    return toy_finish(b);
}

static void fill_items(struct shelf *items)
{
    static const char *const kinds[] = {"pension", "hotel|spa", "ondol"};
    shelf_init(items, ",{\"name\":\"KIND\",\"type\":\"string\",\"categorical\":true},"
                      "{\"name\":\"RATING\",\"type\":\"float\"},"
                      "{\"name\":\"ABOUT\",\"type\":\"string\",\"textual\":true}");
    for (unsigned i = 0; i < ITEMS; i++) {
        char id[16], rating[16];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(rating, sizeof rating, "%u.5", 60 + i);
        shelf_put(items, id,
                  (const char *[]){kinds[i % 3], rating,
                                   i % 2 ? "quiet rooms by the sea" : "warm floor in the hills"});
    }
}

static void fill_users(struct shelf *users)
{
    shelf_init_of(users, "Users", "USER_ID", ",{\"name\":\"AGE\",\"type\":\"int\"}");
    for (unsigned u = 0; u < USERS; u++) {
        char id[16], age[16];
        snprintf(id, sizeof id, "u%05u", u);
        snprintf(age, sizeof age, "%u", 20 + u % 5 * 10);
        shelf_put(users, id, (const char *[]){age});
    }
}

/* Parts that the toys do not lead to: of data without an order, of items' records and of users'. */
static enum od_status train_walks(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_error *err)
{
    static const struct od_part *const alone[] = {&od_part_walk, NULL};
    return od_blend_train_parts(alone, input, image, NULL, err);
}

static enum od_status train_content(const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_error *err)
{
    static const struct od_part *const alone[] = {&od_part_content, NULL};
    return od_blend_train_parts(alone, input, image, NULL, err);
}

static enum od_status train_setting(const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_error *err)
{
    static const struct od_part *const alone[] = {&od_part_setting, NULL};
    return od_blend_train_parts(alone, input, image, NULL, err);
}

/* train NULL: the recipe's own. */
static void add_model(const struct od_recipe *recipe, const struct od_training *t,
                      const struct od_training *actions, od_fit *train)
{
    struct fitted f;
    fitted_init(&f, recipe->name, t);
    f.input.external = OD_STR("i00000\t1 0\ni00001\t0 2\ni00002\t3 4\ni00003\t0 0\n");
    f.input.actions = f.input.spec->needs_actions ? actions : NULL;
    if ((train ? od_memory_model_fit(recipe, train, &f.input, &f.model, &f.err)
               : fitted_run(&f, false)) != OD_OK) {
        fprintf(stderr, "%s: %s\n", recipe->name, f.err.message);
        abort();
    }
    struct od_str from = f.model.image.bytes;
    char *copy = aligned_alloc(64, (from.len + 63) & ~(size_t)63);
    if (!copy || model_count == MODELS)
        abort();
    memcpy(copy, from.ptr, from.len);
    models[model_count++] = (struct trained){recipe, {copy, from.len}};
    fitted_done(&f);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct od_training *t = interactions(), *actions = action_interactions();
    struct shelf items, users;
    fill_items(&items);
    fill_users(&users);
    t->item_table = items.table;
    t->user_table = users.table;
    const struct od_recipe *recipe;
    for (size_t r = 0; (recipe = od_recipe_at(r)); r++)
        add_model(recipe, t, actions, NULL);
    add_model(od_recipe_find(OD_STR("aws-user-personalization")), t, NULL, train_walks);
    add_model(od_recipe_find(OD_STR("aws-user-personalization")), t, NULL, train_content);
    add_model(od_recipe_find(OD_STR("aws-user-personalization")), t, NULL, train_setting);
    shelf_done(&items);
    shelf_done(&users);
    od_training_free(actions);
    od_training_free(t);
    return 0;
}

/* --- changes --- */

static void repair(char *bytes)
{
    uint32_t sections;
    uint64_t checksum = 0;
    memcpy(&sections, bytes + 16, sizeof sections);
    memcpy(bytes + 32, &checksum, sizeof checksum);
    checksum = od_hash(bytes, HEAD, 0x4F44494D41474501ULL);
    checksum = od_hash(bytes + HEAD, (size_t)sections * ENTRY, checksum);
    memcpy(bytes + 32, &checksum, sizeof checksum);
}

static void change(char *bytes, const struct od_image *whole, const uint8_t *what)
{
    size_t at = (size_t)what[1] << 8 | what[2];
    if (what[0] == 255) { /* the low byte of a length: shorter by so much */
        char *length = bytes + HEAD + at % whole->section_count * ENTRY + OD_IMAGE_NAME + 8;
        uint64_t now;
        memcpy(&now, length, sizeof now);
        now -= what[3] < now ? what[3] : now;
        memcpy(length, &now, sizeof now);
        return;
    }
    struct od_str section;
    struct od_str name = od_image_section_name(whole, what[0] % whole->section_count);
    if (od_image_section(whole, name.ptr, &section) && section.len)
        bytes[(size_t)(section.ptr - whole->bytes.ptr) + at % section.len] = (char)what[3];
}

/* --- questions --- */

/* The scan may find what it likes of a changed image, but only items. */
static void ask_vectors(const struct od_recipe *recipe, const struct od_model *model,
                        const struct od_query *query, struct od_arena *scratch)
{
    const struct od_vector_form *form = recipe->vectors(model);
    enum od_vector_kind kind;
    uint32_t best[7];
    float *u = OD_NEW_ARRAY(scratch, float, OD_SCAN_DIMS);
    if (!u || !form || recipe->vector(model, query, u, &kind, NULL) != OD_OK)
        return;
    struct od_scan_query scan = {.vector = u, .keep = form->present, .k = 7, .out = best};
    if (od_scan_best(od_scan_kernels_best(), &form->matrix, &scan, 1, scratch) != OD_OK)
        return;
    for (uint32_t i = 0; i < scan.found; i++)
        if (best[i] >= form->matrix.items)
            abort();
    for (uint32_t i = 0; i < form->matrix.items; i++)
        if (form->order[i] >= form->matrix.items)
            abort();
}

static void ask_items(const struct od_recipe *recipe, const struct od_model *model,
                      struct od_query *query, struct od_arena *scratch)
{
    uint32_t count = recipe->items(model)->count, list[2] = {0, count > 1 ? count - 1 : 0};
    float *scores = malloc(((size_t)count + 2) * sizeof *scores);
    bool personal;
    if (!scores)
        abort();
    (void)recipe->score(model, query, scratch, scores, &personal, NULL);
    if (recipe->vectors)
        ask_vectors(recipe, model, query, scratch);
    if (recipe->rank && count > 1)
        (void)recipe->rank(model, query, list, 2, scratch, scores, &personal, NULL);
    if (recipe->temperature)
        (void)recipe->temperature(model);
    for (uint32_t i = 0; recipe->scored && i < count; i++)
        (void)recipe->scored(model, i);
    free(scores);
}

static void ask_users(const struct od_recipe *recipe, const struct od_model *model,
                      struct od_arena *scratch)
{
    uint32_t items = recipe->items(model)->count, users = recipe->users(model)->count, found;
    uint64_t *some = calloc((size_t)items / 64 + 1, sizeof *some);
    struct od_segment_user *out = calloc((size_t)users + 1, sizeof *out);
    if (!some || !out)
        abort();
    some[0] = items > 2 ? 5 : items ? 1 : 0;
    struct od_segment_query query = {.items = some, .most = users};
    (void)recipe->segment(model, &query, scratch, out, &found, NULL);
    free(some);
    free(out);
}

static void ask(const struct od_recipe *recipe, const struct od_model *model)
{
    struct od_arena scratch;
    od_arena_init(&scratch, 64u << 20);
    uint32_t items = recipe->items(model)->count;
    struct od_past_event events[EVENTS];
    for (unsigned e = 0; e < EVENTS; e++)
        events[e] = (struct od_past_event){.item = items && e % 3 ? e * 5 % items : OD_NO_CODE,
                                           .type = e % 2 ? 0 : OD_NO_TYPE,
                                           .time = 3600 * e};
    const struct od_query_value user = {OD_STR("AGE"), OD_STR("30")};
    struct od_query queries[] = {
        {.item = OD_NO_CODE},
        {.item = OD_NO_CODE, .user = &user, .user_value_count = 1},
        {.events = events, .event_count = EVENTS, .item = OD_NO_CODE, .now_s = 700000},
        {.events = events,
         .event_count = EVENTS,
         .item = items ? items - 1 : OD_NO_CODE,
         .now_s = INT64_MAX,
         .user = &user,
         .user_value_count = 1,
         .seed = 3,
         .popularity_influence = 1,
         .freshness_influence = 1},
    };
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        od_arena_reset(&scratch);
        if (recipe->segment)
            ask_users(recipe, model, &scratch);
        else
            ask_items(recipe, model, &queries[q], &scratch);
    }
    od_arena_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct trained *from = &models[data[0] % model_count];
    struct od_image whole, image;
    struct od_model *model = NULL;
    char *bytes = aligned_alloc(64, (from->bytes.len + 63) & ~(size_t)63);
    if (!bytes || od_image_open(from->bytes, false, &whole, NULL) != OD_OK)
        abort();
    memcpy(bytes, from->bytes.ptr, from->bytes.len);
    for (size_t at = 1; at + 4 <= size; at += 4)
        change(bytes, &whole, data + at);
    repair(bytes);
    if (od_image_open((struct od_str){bytes, from->bytes.len}, false, &image, NULL) == OD_OK &&
        from->recipe->open(&image, &model, NULL) == OD_OK) {
        ask(from->recipe, model);
        from->recipe->close(model);
    }
    free(bytes);
    return 0;
}
