/* Campaigns: a solution version being served. Opening a model is mapping a file, so a campaign is
 * ACTIVE when its creation is answered, and an update is served when it is answered. */
#include "api/attach.h"
#include "api/quota.h"
#include "api/recommender.h"
#include "wire/arn.h"

#define LATEST "/$LATEST"

/* A bare solution is told as unknown: so does AWS (errors.md section 6). */
static enum od_status named_version(struct od_call *call, struct od_str arn,
                                    struct od_resource *out)
{
    struct od_arn parsed;
    if (od_arn_parse(arn, &parsed) && od_str_eq_c(parsed.kind, od_kind_solution.name))
        return od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(arn));
    enum od_status s = od_resource_get(call, &od_kind_solution_version, arn, out);
    return s == OD_OK ? od_resource_active(call, out) : s;
}

/* The version a campaign names: itself, or the newest ACTIVE one of the solution before /$LATEST.
 */
enum od_status od_version_find(struct od_call *call, struct od_str arn, bool follow,
                               struct od_resource *out)
{
    struct od_resource *versions;
    size_t count;
    if (!od_str_ends(arn, OD_STR(LATEST))) {
        if (follow)
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "solutionVersionArn must end in /$LATEST when "
                           "syncWithLatestSolutionVersion is true.");
        return named_version(call, arn, out);
    }
    struct od_str solution = od_str_sub(arn, 0, arn.len - (sizeof LATEST - 1));
    enum od_status s = od_resource_list(call, &od_kind_solution_version, solution, OD_STR_NONE,
                                        OD_STR("ACTIVE"), &versions, &count);
    if (s == OD_OK && count == 0)
        s = od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
    if (s == OD_OK)
        *out = versions[count - 1];
    return s;
}

static enum od_status recipe_of(struct od_call *call, const struct od_resource *version,
                                const struct od_recipe_spec **spec)
{
    struct od_personalize_solution_version value = {0};
    enum od_status s = od_resource_read(call, &od_kind_solution_version, version, &value);
    return s == OD_OK ? od_recipe_by_arn(call, value.recipe_arn, spec) : s;
}

enum od_status od_campaign_config_check(struct od_call *call, const struct od_resource *version,
                                        const struct od_personalize_campaign_config *config)
{
    const struct od_recipe_spec *spec;
    enum od_status s = recipe_of(call, version, &spec);
    if (s != OD_OK)
        return s;
    if (spec->type == OD_USER_SEGMENTATION)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Recipe %s is for batch segment jobs and has no campaigns.", spec->name);
    if (!config)
        return OD_OK;
    if (config->enable_metadata_with_recommendations.value && spec->type == OD_PERSONALIZED_ACTIONS)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "enableMetadataWithRecommendations is not supported by recipe %s.",
                       spec->name);
    if (config->ranking_influence.count &&
        od_recipe_param_find(spec, OD_PARAM_CAMPAIGN, OD_STR("POPULARITY")) == SIZE_MAX)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "rankingInfluence is not supported by recipe %s.", spec->name);
    return od_exploration_check(call, &config->item_exploration_config, spec);
}

static bool follows(const struct od_personalize_campaign_config *config)
{
    return config && config->sync_with_latest_solution_version.value;
}

static struct od_str solution_of(struct od_str version_arn)
{
    size_t end = version_arn.len;
    while (end && version_arn.ptr[end - 1] != '/')
        end--;
    return od_str_sub(version_arn, 0, end ? end - 1 : 0);
}

enum od_status od_op_create_campaign(struct od_call *call)
{
    const struct od_personalize_create_campaign_request *in = OD_IN(call, create_campaign_request);
    struct od_resource version;
    struct od_resource resource = {.name = in->name,
                                   .arn =
                                       od_call_arn(call, &od_kind_campaign, in->name, OD_STR_NONE),
                                   .status = OD_STR("ACTIVE")};
    int64_t tps = in->min_provisioned_tps.set ? in->min_provisioned_tps.value : 1;
    enum od_status s = od_resource_absent(call, &od_kind_campaign, resource.arn);
    if (s == OD_OK)
        s = od_version_find(call, in->solution_version_arn, follows(in->campaign_config), &version);
    if (s == OD_OK)
        s = od_campaign_config_check(call, &version, in->campaign_config);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_CAMPAIGNS, version.group);
    if (s == OD_OK)
        s = od_attach_campaign(call, resource.arn, version.group, &version, in->campaign_config,
                               tps);
    if (s != OD_OK)
        return s;
    resource.parent = version.parent;
    resource.group = version.group;
    struct od_personalize_campaign value = {.name = in->name,
                                            .campaign_arn = resource.arn,
                                            .solution_version_arn = version.arn,
                                            .min_provisioned_tps = {true, tps},
                                            .campaign_config = in->campaign_config};
    s = od_resource_create(call, &od_kind_campaign, &value, &in->tags, &resource);
    if (s != OD_OK)
        od_detach_campaign(call->app, resource.arn);
    OD_OUT(call, create_campaign_response)->campaign_arn = resource.arn;
    return s;
}

/* Records the update, and serves version under value's settings from now on. What cannot be served
 * (a damaged image) leaves the campaign as it was. */
static enum od_status deploy(struct od_call *call, struct od_resource *campaign,
                             struct od_personalize_campaign *value,
                             const struct od_resource *version)
{
    struct od_personalize_campaign_update_summary *update =
        OD_NEW(call->arena, struct od_personalize_campaign_update_summary);
    struct od_resource before = *campaign;
    struct od_error why;
    if (!update)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    value->solution_version_arn = version->arn;
    *update = (struct od_personalize_campaign_update_summary){
        .solution_version_arn = version->arn,
        .min_provisioned_tps = value->min_provisioned_tps,
        .campaign_config = value->campaign_config,
        .status = OD_STR("ACTIVE"),
        .creation_date_time = {true, call->now_ms},
        .last_updated_date_time = {true, call->now_ms},
    };
    value->latest_campaign_update = update;
    campaign->parent = solution_of(version->arn);
    campaign->status = OD_STR("ACTIVE"); /* one that had failed is deployed anew */
    campaign->failure_reason = OD_STR_NONE;
    enum od_status s = od_resource_pack(call, &od_kind_campaign, value, campaign);
    if (s == OD_OK)
        s = od_resource_save(call, campaign);
    if (s != OD_OK)
        return s;
    s = od_attach_campaign(call, campaign->arn, campaign->group, version, value->campaign_config,
                           value->min_provisioned_tps.value);
    if (s == OD_OK)
        return OD_OK;
    why = call->err;
    if (od_resource_save(call, &before) == OD_OK)
        call->err = why;
    return s;
}

enum od_status od_op_update_campaign(struct od_call *call)
{
    const struct od_personalize_update_campaign_request *in = OD_IN(call, update_campaign_request);
    struct od_resource campaign, version;
    struct od_personalize_campaign value = {0};
    enum od_status s = od_resource_get(call, &od_kind_campaign, in->campaign_arn, &campaign);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_campaign, &campaign, &value);
    if (s != OD_OK)
        return s;
    if (in->campaign_config)
        value.campaign_config = in->campaign_config;
    if (in->min_provisioned_tps.set)
        value.min_provisioned_tps = in->min_provisioned_tps;
    bool follow = in->solution_version_arn.ptr && follows(value.campaign_config);
    s = od_version_find(
        call, in->solution_version_arn.ptr ? in->solution_version_arn : value.solution_version_arn,
        follow, &version);
    if (s == OD_OK && !od_str_eq(version.group, campaign.group))
        s = od_fail(&call->err, OD_INVALID_INPUT, "%.*s is not of the campaign's dataset group.",
                    OD_STR_ARG(version.arn));
    if (s == OD_OK)
        s = od_campaign_config_check(call, &version, value.campaign_config);
    if (s == OD_OK)
        s = deploy(call, &campaign, &value, &version);
    OD_OUT(call, update_campaign_response)->campaign_arn = in->campaign_arn;
    return s;
}

/* Of two trainings under way at once the older may end last: it is no step forward. */
static enum od_status is_newer(struct od_call *call, const struct od_resource *version,
                               struct od_str deployed_arn, bool *out)
{
    struct od_resource deployed;
    enum od_status s =
        od_catalog_get(call->app->store, deployed_arn, call->arena, &deployed, &call->err);
    *out = s == OD_NOT_FOUND || (s == OD_OK && version->seq > deployed.seq);
    return s == OD_NOT_FOUND ? OD_OK : s;
}

enum od_status od_campaigns_follow(struct od_call *call, const struct od_resource *version)
{
    struct od_resource *list;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_campaign, version->parent, OD_STR_NONE,
                                        OD_STR_NONE, &list, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_personalize_campaign value = {0};
        bool newer = false;
        s = od_resource_read(call, &od_kind_campaign, &list[i], &value);
        if (s == OD_OK && follows(value.campaign_config))
            s = is_newer(call, version, value.solution_version_arn, &newer);
        if (s == OD_OK && newer)
            s = deploy(call, &list[i], &value, version);
    }
    return s;
}

enum od_status od_campaigns_reopen(struct od_call *call, const struct od_resource *version)
{
    struct od_resource *list;
    size_t count;
    if (od_str_eq_c(version->kind, od_kind_recommender.name))
        return od_str_eq_c(version->status, "ACTIVE") ? od_recommender_attach(call, version)
                                                      : OD_OK;
    enum od_status s = od_resource_list(call, &od_kind_campaign, version->parent, OD_STR_NONE,
                                        OD_STR_NONE, &list, &count);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; i < count; i++) { /* all, whatever becomes of one */
        struct od_personalize_campaign value = {0};
        enum od_status one = od_resource_read(call, &od_kind_campaign, &list[i], &value);
        if (one == OD_OK && od_str_eq(value.solution_version_arn, version->arn))
            one = od_attach_campaign(call, list[i].arn, list[i].group, version,
                                     value.campaign_config, value.min_provisioned_tps.value);
        s = s == OD_OK ? one : s;
    }
    return s;
}

enum od_status od_op_delete_campaign(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_campaign_request)->campaign_arn;
    struct od_resource campaign;
    enum od_status s = od_resource_get(call, &od_kind_campaign, arn, &campaign);
    if (s == OD_OK)
        s = od_resource_remove(call, arn);
    if (s == OD_OK)
        od_detach_campaign(call->app, arn);
    return s;
}
