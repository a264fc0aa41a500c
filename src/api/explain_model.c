/* Which version an image belongs to, when it was trained and on what: from the store, and from the
 * model card beside the image. A campaign that switches in this very moment may serve an image
 * whose version the store no longer names for it; it is then told without. */
#include "api/explain.h"

#include "api/attach.h"
#include "api/resource.h"
#include "wire/arn.h"

#define CARD_MAX (4u << 20)

struct question {
    struct od_call *call;
    struct od_str served, image, card;
    struct od_explain_model *out;
};

static enum od_status find_version(struct od_call *call, struct od_str served,
                                   struct od_resource *out)
{
    struct od_personalize_campaign campaign = {0};
    struct od_arn parsed;
    bool recommender =
        od_arn_parse(served, &parsed) && od_str_eq_c(parsed.kind, od_kind_recommender.name);
    if (recommender)
        return od_resource_get(call, &od_kind_recommender, served, out);
    enum od_status s = od_resource_get(call, &od_kind_campaign, served, out);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_campaign, out, &campaign);
    return s == OD_OK ? od_resource_get(call, &od_kind_solution_version,
                                        campaign.solution_version_arn, out)
                      : s;
}

static enum od_status ask_store(struct od_app *app, void *context, struct od_error *err)
{
    struct question *q = context;
    struct od_call call;
    struct od_resource version;
    struct od_json extra;
    od_call_internal(&call, app, q->call->arena);
    enum od_status s = find_version(&call, q->served, &version);
    if (s == OD_OK && version.extra.len)
        s = od_json_parse(call.arena, version.extra, &extra, &call.err);
    if (s != OD_OK)
        return od_error_copy(err, &call.err);
    struct od_str image =
        version.extra.len ? od_json_get_str(&extra, "image", OD_STR("")) : OD_STR("");
    if (image.len == 0 || !od_str_ends(q->image, image))
        return OD_OK;
    q->out->version = version.arn;
    q->out->trained_ms = version.updated_ms;
    q->card = od_json_get_str(&extra, "card", OD_STR(""));
    return OD_OK;
}

enum od_status od_explain_model(struct od_call *call, struct od_str served, struct od_str image,
                                struct od_explain_model *out)
{
    *out = (struct od_explain_model){.version = OD_STR_NONE};
    struct question q = {.call = call, .served = served, .image = image, .out = out};
    struct od_buf text;
    enum od_status s = od_app_on_store(call->app, ask_store, &q, &call->err);
    if (s != OD_OK || q.card.len == 0)
        return s;
    struct od_str path = od_app_path(call->app, call->arena, "%.*s", OD_STR_ARG(q.card));
    if (!path.ptr)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_init(&text, CARD_MAX);
    s = od_io_read_file(call->app->io, path.ptr, &text, &call->err);
    if (s == OD_OK)
        out->card = od_arena_str(call->arena, od_buf_view(&text));
    od_buf_done(&text);
    return s;
}
