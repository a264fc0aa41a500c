/* The part of IAM that scripts use before they create import jobs: roles and policies.
 *
 * They are stored, returned as given and listed; nothing is allowed or denied by them, because who
 * has a key of this server has all of it (docs/differences.md). So documents are checked to be JSON
 * objects and no further. Conflicts are IAM's own: a role with policies, and a policy that is
 * attached, cannot be deleted. Store thread. */
#include "api/iam.h"

#include <string.h>

#include "base/time.h"
#include "s3/checksum.h"
#include "s3/xml.h"

#define MAX_NAME        128
#define MAX_ROLE_NAME   64
#define MAX_PATH        512
#define MAX_DESCRIPTION 1000
#define MAX_DOCUMENT    131072
#define MAX_TRUST       8192  /* (AWS) of a role, as far as it can be raised; without white space */
#define MAX_INLINE      10240 /* (AWS) all inline policies of a role, likewise */
#define MAX_POLICY      6144  /* (AWS) of a managed policy, likewise */
#define MAX_ATTACHED    20    /* (AWS) managed policies of a role, raised */
#define MAX_BOUNDARY    2048
#define MAX_TAG_KEY     128
#define MAX_TAG_VALUE   256
#define MAX_ITEMS       100
#define MAX_PAGE_BYTES  (1u << 20) /* of a list; as in IAM, a page may have fewer than MaxItems */

static struct od_str field(const struct od_query *query, const char *name)
{
    return od_form_get(&query->form, name);
}

static enum od_status invalid(struct od_query *query, const char *member, struct od_str value,
                              const char *rule)
{
    return od_query_fail(query, 400, "ValidationError",
                         "1 validation error detected: Value '%.*s' at '%s' failed to satisfy "
                         "constraint: %s",
                         OD_STR_ARG(od_str_sub(value, 0, 200)), member, rule);
}

/* [\w+=,.@-]+ */
static enum od_status read_name(struct od_query *query, const char *member, size_t max,
                                struct od_str *out)
{
    struct od_str name = field(query, member);
    bool good = name.len >= 1 && name.len <= max;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i], low = (char)(c | 0x20);
        good = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || strchr("_+=,.@-", c);
    }
    if (!good)
        return invalid(query, member, name,
                       max == MAX_ROLE_NAME
                           ? "Member must have 1 to 64 letters, digits and +=,.@_-"
                           : "Member must have 1 to 128 letters, digits and +=,.@_-");
    *out = name;
    return OD_OK;
}

static enum od_status read_path(struct od_query *query, struct od_str *out)
{
    struct od_str path = field(query, "Path");
    *out = path.ptr ? path : OD_STR("/");
    bool good = out->len >= 1 && out->len <= MAX_PATH && out->ptr[0] == '/' &&
                out->ptr[out->len - 1] == '/';
    for (size_t i = 0; good && i < out->len; i++)
        good = out->ptr[i] >= 0x21 && out->ptr[i] < 0x7F;
    return good ? OD_OK
                : invalid(query, "path", path, "Member must begin and end with '/' and be ASCII");
}

/* What counts of a document. */
static size_t size_of(struct od_str document)
{
    size_t size = 0;
    for (size_t i = 0; i < document.len; i++)
        size += !strchr(" \t\r\n", document.ptr[i]);
    return size;
}

static enum od_status read_document(struct od_query *query, const char *member, size_t most,
                                    struct od_str *out)
{
    struct od_json json;
    struct od_str text = field(query, member);
    if (text.len < 1 || text.len > MAX_DOCUMENT)
        return invalid(query, member, OD_STR(""), "Member must have 1 to 131072 characters");
    if (od_json_parse(query->arena, text, &json, NULL) != OD_OK || json.kind != OD_JSON_OBJECT)
        return od_query_fail(query, 400, "MalformedPolicyDocument",
                             "The policy is not a JSON object.");
    if (size_of(text) > most)
        return od_query_fail(query, 409, "LimitExceeded",
                             "Cannot exceed quota for %s: %zu characters without white space.",
                             member, most);
    *out = text;
    return OD_OK;
}

static enum od_status read_description(struct od_query *query, struct od_str *out)
{
    *out = field(query, "Description");
    return od_utf8_count(*out) <= MAX_DESCRIPTION
               ? OD_OK
               : invalid(query, "description", OD_STR(""),
                         "Member must have at most 1000 characters");
}

/* Tags.member.N.Key and .Value */
static enum od_status read_tags(struct od_query *query, struct od_iam_list *out)
{
    *out = (struct od_iam_list){
        OD_NEW_ARRAY(query->arena, struct od_iam_pair, OD_IAM_MAX_PAIRS + 1), 0};
    for (size_t i = 1; out->items && i <= OD_IAM_MAX_PAIRS + 1; i++) {
        char key[40], value[40];
        snprintf(key, sizeof key, "Tags.member.%zu.Key", i);
        snprintf(value, sizeof value, "Tags.member.%zu.Value", i);
        if (!field(query, key).ptr)
            return OD_OK;
        if (i > OD_IAM_MAX_PAIRS)
            return od_query_fail(query, 409, "LimitExceeded", "At most %d tags are allowed.",
                                 OD_IAM_MAX_PAIRS);
        struct od_str name = field(query, key), text = field(query, value);
        if (!name.len || od_utf8_count(name) > MAX_TAG_KEY)
            return invalid(query, key, name, "Member must have 1 to 128 characters");
        if (od_utf8_count(text) > MAX_TAG_VALUE)
            return invalid(query, value, text, "Member must have at most 256 characters");
        out->items[out->count++] = (struct od_iam_pair){name, text.ptr ? text : OD_STR("")};
    }
    return out->items ? OD_OK : od_fail(&query->err, OD_NO_MEMORY, NULL);
}

/* "AROA" or "ANPA" and 17 letters and digits. */
static struct od_str new_id(struct od_query *query, const char *kind)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char random[17];
    char text[18] = {0};
    if (query->app->io->random(query->app->io, random, sizeof random) != OD_OK)
        return OD_STR_NONE;
    for (size_t i = 0; i < sizeof random; i++)
        text[i] = letters[random[i] % 32];
    return od_arena_printf(query->arena, "%s%s", kind, text);
}

static enum od_status need(struct od_query *query, bool is_policy, struct od_str name,
                           struct od_iam_thing *out)
{
    bool there = false;
    enum od_status s = od_iam_load(query, is_policy, name, out, &there);
    if (s == OD_OK && !there)
        s = od_query_fail(query, 404, "NoSuchEntity", "The %s with name %.*s cannot be found.",
                          is_policy ? "policy" : "role", OD_STR_ARG(name));
    return s;
}

static enum od_status need_role(struct od_query *query, struct od_iam_thing *out)
{
    struct od_str name;
    enum od_status s = read_name(query, "RoleName", MAX_ROLE_NAME, &name);
    return s == OD_OK ? need(query, false, name, out) : s;
}

/* ---- answers ---- */

static void put_date(struct od_buf *out, const char *element, int64_t ms)
{
    char text[OD_TIME_TEXT];
    od_time_format_iso(ms / 1000 * 1000, text);
    text[19] = 'Z'; /* whole seconds */
    text[20] = '\0';
    od_xml_put(out, element, od_str_c(text));
}

static void put_document(struct od_buf *out, const char *element, struct od_str document)
{
    od_buf_printf(out, "<%s>", element);
    od_percent_encode(out, document, "");
    od_buf_printf(out, "</%s>", element);
}

static void put_tags(struct od_buf *out, const struct od_iam_list *tags)
{
    if (!tags->count)
        return;
    od_buf_puts(out, "<Tags>");
    for (size_t i = 0; i < tags->count; i++) {
        od_buf_puts(out, "<member>");
        od_xml_put(out, "Key", tags->items[i].name);
        od_xml_put(out, "Value", tags->items[i].value);
        od_buf_puts(out, "</member>");
    }
    od_buf_puts(out, "</Tags>");
}

static void put_role(struct od_buf *out, const char *element, const struct od_iam_thing *role,
                     bool whole)
{
    od_buf_printf(out, "<%s>", element);
    od_xml_put(out, "Path", role->path);
    od_xml_put(out, "RoleName", role->name);
    od_xml_put(out, "RoleId", role->id);
    od_xml_put(out, "Arn", role->arn);
    put_date(out, "CreateDate", role->created_ms);
    put_document(out, "AssumeRolePolicyDocument", role->document);
    od_xml_put(out, "Description", role->description);
    od_buf_printf(out, "<MaxSessionDuration>%lld</MaxSessionDuration>", (long long)role->session_s);
    if (whole && role->boundary.ptr) {
        od_buf_puts(out, "<PermissionsBoundary><PermissionsBoundaryType>Policy"
                         "</PermissionsBoundaryType>");
        od_xml_put(out, "PermissionsBoundaryArn", role->boundary);
        od_buf_puts(out, "</PermissionsBoundary>");
    }
    if (whole)
        put_tags(out, &role->tags);
    od_buf_printf(out, "</%s>", element);
}

/* The ARNs of policies, each once for every role that it is attached to. */
struct attached {
    struct od_query *query;
    struct od_str *items;
    size_t count, cap;
};

static enum od_status note_attached(void *context, const struct od_iam_thing *role, bool *out_end)
{
    struct attached *to = context;
    struct od_arena *arena = to->query->arena;
    (void)out_end;
    for (size_t i = 0; i < role->attached.count; i++) {
        if (to->count == to->cap) {
            size_t cap = to->cap ? to->cap * 2 : 64;
            struct od_str *items = OD_NEW_ARRAY(arena, struct od_str, cap);
            if (!items)
                return od_fail(&to->query->err, OD_NO_MEMORY, NULL);
            for (size_t k = 0; k < to->count; k++)
                items[k] = to->items[k];
            to->items = items;
            to->cap = cap;
        }
        to->items[to->count] = od_arena_str(arena, role->attached.items[i].name);
        if (!to->items[to->count++].ptr)
            return od_fail(&to->query->err, OD_NO_MEMORY, NULL);
    }
    return OD_OK;
}

static enum od_status load_attached(struct od_query *query, struct attached *out)
{
    *out = (struct attached){.query = query};
    return od_iam_each(query, false, OD_STR(""), note_attached, out);
}

static size_t count_attached(const struct attached *attached, struct od_str arn)
{
    size_t count = 0;
    for (size_t i = 0; i < attached->count; i++)
        count += od_str_eq(attached->items[i], arn);
    return count;
}

static void put_policy(struct od_query *query, const char *element,
                       const struct od_iam_thing *policy, const struct attached *attached)
{
    struct od_buf *out = &query->result;
    od_buf_printf(out, "<%s>", element);
    od_xml_put(out, "PolicyName", policy->name);
    od_xml_put(out, "PolicyId", policy->id);
    od_xml_put(out, "Arn", policy->arn);
    od_xml_put(out, "Path", policy->path);
    od_buf_printf(out,
                  "<DefaultVersionId>v1</DefaultVersionId><AttachmentCount>%zu</AttachmentCount>"
                  "<PermissionsBoundaryUsageCount>0</PermissionsBoundaryUsageCount>"
                  "<IsAttachable>true</IsAttachable>",
                  count_attached(attached, policy->arn));
    put_date(out, "CreateDate", policy->created_ms);
    put_date(out, "UpdateDate", policy->created_ms);
    od_xml_put(out, "Description", policy->description);
    put_tags(out, &policy->tags);
    od_buf_printf(out, "</%s>", element);
}

/* ---- roles ---- */

static enum od_status read_session(struct od_query *query, int64_t *out)
{
    struct od_str text = field(query, "MaxSessionDuration");
    *out = 3600;
    if (text.ptr && (!od_str_to_i64(text, out) || *out < 3600 || *out > 43200))
        return invalid(query, "maxSessionDuration", text, "Member must be 3600 to 43200");
    return OD_OK;
}

/* What roles and policies have in common when they are made; name and documents are read. */
static enum od_status finish_new(struct od_query *query, struct od_iam_thing *thing)
{
    bool there;
    struct od_iam_thing old;
    enum od_status s = read_path(query, &thing->path);
    if (s == OD_OK)
        s = read_description(query, &thing->description);
    if (s == OD_OK)
        s = read_tags(query, &thing->tags);
    if (s == OD_OK)
        s = od_iam_load(query, thing->is_policy, thing->name, &old, &there);
    if (s == OD_OK && there)
        s = od_query_fail(query, 409, "EntityAlreadyExists",
                          thing->is_policy ? "A policy called %.*s already exists."
                                           : "Role with name %.*s already exists.",
                          OD_STR_ARG(thing->name));
    if (s != OD_OK)
        return s;
    thing->created_ms = query->app->io->now_ms(query->app->io);
    thing->id = new_id(query, thing->is_policy ? "ANPA" : "AROA");
    thing->arn = od_arena_printf(query->arena, "arn:aws:iam::%s:%s%.*s%.*s",
                                 query->app->config.account, thing->is_policy ? "policy" : "role",
                                 OD_STR_ARG(thing->path), OD_STR_ARG(thing->name));
    if (!thing->id.ptr || !thing->arn.ptr)
        return od_fail(&query->err, OD_NO_MEMORY, NULL);
    return od_iam_save(query, thing);
}

static enum od_status create_role(struct od_query *query)
{
    struct od_iam_thing role = {.boundary = field(query, "PermissionsBoundary")};
    enum od_status s = read_name(query, "RoleName", MAX_ROLE_NAME, &role.name);
    if (s == OD_OK)
        s = read_document(query, "AssumeRolePolicyDocument", MAX_TRUST, &role.document);
    if (s == OD_OK && role.boundary.ptr &&
        (role.boundary.len < 20 || role.boundary.len > MAX_BOUNDARY))
        s = invalid(query, "permissionsBoundary", role.boundary,
                    "Member must have 20 to 2048 characters");
    if (s == OD_OK)
        s = read_session(query, &role.session_s);
    if (s == OD_OK)
        s = finish_new(query, &role);
    if (s == OD_OK)
        put_role(&query->result, "Role", &role, true);
    return s;
}

static enum od_status get_role(struct od_query *query)
{
    struct od_iam_thing role;
    enum od_status s = need_role(query, &role);
    if (s == OD_OK)
        put_role(&query->result, "Role", &role, true);
    return s;
}

/* Marker and MaxItems. */
static enum od_status read_page(struct od_query *query, struct od_str *out_after, size_t *out_max)
{
    uint64_t max = MAX_ITEMS;
    struct od_str text = field(query, "MaxItems");
    if (text.ptr && (!od_str_to_u64(text, &max) || max < 1 || max > 1000))
        return invalid(query, "maxItems", text, "Member must be 1 to 1000");
    *out_after = field(query, "Marker");
    *out_max = (size_t)max;
    return OD_OK;
}

static void put_more(struct od_query *query, bool more, struct od_str last)
{
    od_buf_printf(&query->result, "<IsTruncated>%s</IsTruncated>", more ? "true" : "false");
    od_xml_put(&query->result, "Marker", more ? last : OD_STR_NONE);
}

/* Which of them a list asks for. Policies of AWS's own are not kept here. */
struct wanted {
    struct od_str prefix; /* of paths */
    bool attached;        /* policies with a role alone */
    bool none;
};

static enum od_status read_wanted(struct od_query *query, bool policies, struct wanted *out)
{
    struct od_str scope = field(query, "Scope"), attached = field(query, "OnlyAttached");
    *out = (struct wanted){.prefix = field(query, "PathPrefix")};
    if (!policies)
        return OD_OK;
    out->none = od_str_eq_c(scope, "AWS");
    out->attached = od_str_eq_c(attached, "true");
    if (scope.ptr && !out->none && !od_str_eq_c(scope, "All") && !od_str_eq_c(scope, "Local"))
        return invalid(query, "Scope", scope,
                       "Member must satisfy enum value set: [All, AWS, Local]");
    if (attached.ptr && !out->attached && !od_str_eq_c(attached, "false"))
        return invalid(query, "OnlyAttached", attached, "Member must be true or false");
    return OD_OK;
}

/* A page of a list as it is written. */
struct listing {
    struct od_query *query;
    struct wanted wanted;
    struct attached attached;
    size_t given, max;
    char last[MAX_NAME + 1]; /* given */
    bool policies, more;
};

static bool is_wanted(const struct listing *l, const struct od_iam_thing *thing)
{
    return (!l->wanted.prefix.len || od_str_starts(thing->path, l->wanted.prefix)) &&
           (!l->wanted.attached || count_attached(&l->attached, thing->arn));
}

static enum od_status list_one(void *context, const struct od_iam_thing *thing, bool *out_end)
{
    struct listing *l = context;
    if (!is_wanted(l, thing))
        return OD_OK;
    *out_end = l->more = l->given == l->max || (l->given && l->query->result.len >= MAX_PAGE_BYTES);
    if (l->more)
        return OD_OK;
    if (l->policies)
        put_policy(l->query, "member", thing, &l->attached);
    else
        put_role(&l->query->result, "member", thing, false);
    snprintf(l->last, sizeof l->last, "%.*s", OD_STR_ARG(thing->name));
    l->given++;
    return OD_OK;
}

static enum od_status list_things(struct od_query *query, bool policies)
{
    struct listing l = {.query = query, .policies = policies};
    struct od_str after;
    enum od_status s = read_page(query, &after, &l.max);
    if (s == OD_OK)
        s = read_wanted(query, policies, &l.wanted);
    if (s == OD_OK && policies)
        s = load_attached(query, &l.attached);
    if (s != OD_OK)
        return s;
    od_buf_puts(&query->result, policies ? "<Policies>" : "<Roles>");
    if (!l.wanted.none)
        s = od_iam_each(query, policies, after, list_one, &l);
    od_buf_puts(&query->result, policies ? "</Policies>" : "</Roles>");
    put_more(query, l.more, od_str_c(l.last));
    return s;
}

static enum od_status list_roles(struct od_query *query)
{
    return list_things(query, false);
}

static enum od_status delete_role(struct od_query *query)
{
    struct od_iam_thing role;
    enum od_status s = need_role(query, &role);
    if (s == OD_OK && role.attached.count)
        s = od_query_fail(query, 409, "DeleteConflict",
                          "Cannot delete entity, must detach all policies first.");
    if (s == OD_OK && role.inline_policies.count)
        s = od_query_fail(query, 409, "DeleteConflict",
                          "Cannot delete entity, must delete policies first.");
    return s == OD_OK ? od_iam_remove(query, &role) : s;
}

/* ---- lists of a role ---- */

static size_t find_pair(const struct od_iam_list *list, struct od_str name)
{
    size_t i = 0;
    while (i < list->count && !od_str_eq(list->items[i].name, name))
        i++;
    return i;
}

static enum od_status set_pair(struct od_query *query, struct od_iam_list *list, size_t max,
                               struct od_str name, struct od_str value)
{
    size_t i = find_pair(list, name);
    if (i == list->count && list->count >= max)
        return od_query_fail(query, 409, "LimitExceeded", "Cannot exceed quota: %zu.", max);
    list->count += i == list->count;
    list->items[i] = (struct od_iam_pair){name, value};
    return OD_OK;
}

static void remove_pair(struct od_iam_list *list, size_t i)
{
    memmove(&list->items[i], &list->items[i + 1], (list->count - i - 1) * sizeof *list->items);
    list->count--;
}

/* The name at the end of a policy's ARN, and whether the policy is one of this server's. */
static enum od_status read_policy_arn(struct od_query *query, struct od_str *out_arn,
                                      struct od_str *out_name, bool *out_own)
{
    struct od_str arn = field(query, "PolicyArn"), rest = arn, part = OD_STR_NONE;
    struct od_str account = OD_STR_NONE, tail = OD_STR_NONE;
    bool good = od_str_starts(arn, OD_STR("arn:aws")) && arn.len >= 20 && arn.len <= 2048;
    for (int i = 0; good && i < 5; i++) {
        good = od_str_cut(&rest, ':', &part);
        if (i == 4)
            account = part;
    }
    good = good && od_str_starts(rest, OD_STR("policy/"));
    if (!good)
        return od_query_fail(query, 400, "InvalidInput", "ARN %.*s is not valid.",
                             OD_STR_ARG(od_str_sub(arn, 0, 200)));
    while (od_str_cut(&rest, '/', &part))
        tail = part;
    *out_arn = arn;
    *out_name = tail;
    *out_own = !od_str_eq(account, OD_STR("aws"));
    return OD_OK;
}

static enum od_status need_policy(struct od_query *query, struct od_iam_thing *out)
{
    struct od_str arn, name;
    bool own;
    enum od_status s = read_policy_arn(query, &arn, &name, &own);
    if (s == OD_OK && !own)
        s = od_query_fail(query, 404, "NoSuchEntity",
                          "Policy %.*s is one of AWS's, which this server does not hold.",
                          OD_STR_ARG(arn));
    if (s == OD_OK)
        s = need(query, true, name, out);
    if (s == OD_OK && !od_str_eq(out->arn, arn))
        s = od_query_fail(query, 404, "NoSuchEntity", "Policy %.*s does not exist.",
                          OD_STR_ARG(arn));
    return s;
}

static enum od_status attach_role_policy(struct od_query *query)
{
    struct od_iam_thing role, policy;
    struct od_str arn, name;
    bool own;
    enum od_status s = need_role(query, &role);
    if (s == OD_OK)
        s = read_policy_arn(query, &arn, &name, &own);
    if (s == OD_OK && own)
        s = need_policy(query, &policy);
    if (s == OD_OK)
        s = set_pair(query, &role.attached, MAX_ATTACHED, arn, OD_STR(""));
    return s == OD_OK ? od_iam_save(query, &role) : s;
}

static enum od_status detach_role_policy(struct od_query *query)
{
    struct od_iam_thing role;
    struct od_str arn = field(query, "PolicyArn");
    enum od_status s = need_role(query, &role);
    if (s != OD_OK)
        return s;
    size_t i = find_pair(&role.attached, arn);
    if (i == role.attached.count)
        return od_query_fail(query, 404, "NoSuchEntity", "Policy %.*s was not found.",
                             OD_STR_ARG(od_str_sub(arn, 0, 200)));
    remove_pair(&role.attached, i);
    return od_iam_save(query, &role);
}

static enum od_status list_attached_role_policies(struct od_query *query)
{
    struct od_iam_thing role;
    struct od_buf *out = &query->result;
    enum od_status s = need_role(query, &role);
    if (s != OD_OK)
        return s;
    od_buf_puts(out, "<AttachedPolicies>");
    for (size_t i = 0; i < role.attached.count; i++) {
        struct od_str arn = role.attached.items[i].name, rest = arn, name = OD_STR_NONE, part;
        while (od_str_cut(&rest, '/', &part))
            name = part;
        od_buf_puts(out, "<member>");
        od_xml_put(out, "PolicyName", name);
        od_xml_put(out, "PolicyArn", arn);
        od_buf_puts(out, "</member>");
    }
    od_buf_puts(out, "</AttachedPolicies>");
    put_more(query, false, OD_STR_NONE);
    return OD_OK;
}

/* White space is kept but not counted, so what is kept has a limit too. */
static enum od_status check_inline(struct od_query *query, const struct od_iam_thing *role)
{
    size_t size = 0, bytes = 0;
    for (size_t i = 0; i < role->inline_policies.count; i++) {
        size += size_of(role->inline_policies.items[i].value);
        bytes += role->inline_policies.items[i].value.len;
    }
    if (size <= MAX_INLINE && bytes <= MAX_DOCUMENT)
        return OD_OK;
    return od_query_fail(query, 409, "LimitExceeded",
                         "Maximum policy size of %d bytes exceeded for role %.*s", MAX_INLINE,
                         OD_STR_ARG(role->name));
}

static enum od_status put_role_policy(struct od_query *query)
{
    struct od_iam_thing role;
    struct od_str name, document;
    enum od_status s = need_role(query, &role);
    if (s == OD_OK)
        s = read_name(query, "PolicyName", MAX_NAME, &name);
    if (s == OD_OK)
        s = read_document(query, "PolicyDocument", MAX_INLINE, &document);
    if (s == OD_OK)
        s = set_pair(query, &role.inline_policies, OD_IAM_MAX_PAIRS, name, document);
    if (s == OD_OK)
        s = check_inline(query, &role);
    return s == OD_OK ? od_iam_save(query, &role) : s;
}

static enum od_status find_inline(struct od_query *query, struct od_iam_thing *role, size_t *out)
{
    struct od_str name;
    enum od_status s = need_role(query, role);
    if (s == OD_OK)
        s = read_name(query, "PolicyName", MAX_NAME, &name);
    if (s != OD_OK)
        return s;
    *out = find_pair(&role->inline_policies, name);
    if (*out == role->inline_policies.count)
        return od_query_fail(query, 404, "NoSuchEntity",
                             "The role policy with name %.*s cannot be found.", OD_STR_ARG(name));
    return OD_OK;
}

static enum od_status get_role_policy(struct od_query *query)
{
    struct od_iam_thing role;
    size_t i;
    enum od_status s = find_inline(query, &role, &i);
    if (s != OD_OK)
        return s;
    od_xml_put(&query->result, "RoleName", role.name);
    od_xml_put(&query->result, "PolicyName", role.inline_policies.items[i].name);
    put_document(&query->result, "PolicyDocument", role.inline_policies.items[i].value);
    return OD_OK;
}

static enum od_status delete_role_policy(struct od_query *query)
{
    struct od_iam_thing role;
    size_t i;
    enum od_status s = find_inline(query, &role, &i);
    if (s != OD_OK)
        return s;
    remove_pair(&role.inline_policies, i);
    return od_iam_save(query, &role);
}

static enum od_status list_role_policies(struct od_query *query)
{
    struct od_iam_thing role;
    enum od_status s = need_role(query, &role);
    if (s != OD_OK)
        return s;
    od_buf_puts(&query->result, "<PolicyNames>");
    for (size_t i = 0; i < role.inline_policies.count; i++)
        od_xml_put(&query->result, "member", role.inline_policies.items[i].name);
    od_buf_puts(&query->result, "</PolicyNames>");
    put_more(query, false, OD_STR_NONE);
    return OD_OK;
}

/* ---- policies ---- */

static enum od_status answer_policy(struct od_query *query, const struct od_iam_thing *policy)
{
    struct attached attached;
    enum od_status s = load_attached(query, &attached);
    if (s == OD_OK)
        put_policy(query, "Policy", policy, &attached);
    return s;
}

static enum od_status create_policy(struct od_query *query)
{
    struct od_iam_thing policy = {.is_policy = true};
    enum od_status s = read_name(query, "PolicyName", MAX_NAME, &policy.name);
    if (s == OD_OK)
        s = read_document(query, "PolicyDocument", MAX_POLICY, &policy.document);
    if (s == OD_OK)
        s = finish_new(query, &policy);
    return s == OD_OK ? answer_policy(query, &policy) : s;
}

static enum od_status get_policy(struct od_query *query)
{
    struct od_iam_thing policy;
    enum od_status s = need_policy(query, &policy);
    return s == OD_OK ? answer_policy(query, &policy) : s;
}

static enum od_status get_policy_version(struct od_query *query)
{
    struct od_iam_thing policy;
    enum od_status s = need_policy(query, &policy);
    if (s == OD_OK && !od_str_eq(field(query, "VersionId"), OD_STR("v1")))
        s = od_query_fail(query, 404, "NoSuchEntity",
                          "Policy version does not exist; a policy has the version v1 alone here.");
    if (s != OD_OK)
        return s;
    od_buf_puts(&query->result, "<PolicyVersion>");
    put_document(&query->result, "Document", policy.document);
    od_buf_puts(&query->result,
                "<VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion>");
    put_date(&query->result, "CreateDate", policy.created_ms);
    od_buf_puts(&query->result, "</PolicyVersion>");
    return OD_OK;
}

static enum od_status list_policies(struct od_query *query)
{
    return list_things(query, true);
}

static enum od_status delete_policy(struct od_query *query)
{
    struct od_iam_thing policy;
    struct attached attached;
    enum od_status s = need_policy(query, &policy);
    if (s == OD_OK)
        s = load_attached(query, &attached);
    if (s == OD_OK && count_attached(&attached, policy.arn))
        s = od_query_fail(query, 409, "DeleteConflict",
                          "Cannot delete a policy attached to entities.");
    return s == OD_OK ? od_iam_remove(query, &policy) : s;
}

static const struct operation {
    const char *name;
    enum od_status (*run)(struct od_query *query);
} operations[] = {
    {"CreateRole", create_role},
    {"GetRole", get_role},
    {"ListRoles", list_roles},
    {"DeleteRole", delete_role},
    {"AttachRolePolicy", attach_role_policy},
    {"DetachRolePolicy", detach_role_policy},
    {"ListAttachedRolePolicies", list_attached_role_policies},
    {"PutRolePolicy", put_role_policy},
    {"GetRolePolicy", get_role_policy},
    {"DeleteRolePolicy", delete_role_policy},
    {"ListRolePolicies", list_role_policies},
    {"CreatePolicy", create_policy},
    {"GetPolicy", get_policy},
    {"GetPolicyVersion", get_policy_version},
    {"ListPolicies", list_policies},
    {"DeletePolicy", delete_policy},
};

enum od_status (*od_iam_find(struct od_str action))(struct od_query *query)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (od_str_eq_c(action, operations[i].name))
            return operations[i].run;
    return NULL;
}
