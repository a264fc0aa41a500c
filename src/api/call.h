/* One API call on its way through the server, and the table that says what each operation does.
 *
 * The door (door.c) verifies, binds and validates; a handler sees `in`, fills `out`, returns a
 * status. Control operations run on the store thread, runtime queries on the HTTP thread that got
 * them, at the end of its round (answering.h), Put* calls on both: checked on the HTTP thread,
 * committed on the store thread (puts.h). */
#ifndef OD_API_CALL_H
#define OD_API_CALL_H

#include "api/app.h"
#include "wire/gen/api_shapes.h"

struct od_call {
    struct od_task task; /* first: the call is the task it is queued as */
    struct od_app *app;
    struct od_http_exchange *exchange;
    const struct od_operation *op;
    struct od_arena *arena; /* the exchange's */
    struct od_str region;   /* of new ARNs: the signature's, or the configured one */
    struct od_str account;
    int64_t now_ms;
    const void *in;     /* struct of op->input */
    void *out;          /* zeroed struct of op->output, NULL when it has none */
    struct od_put *put; /* OD_PLACE_PUT: what to commit (puts.h) */
    bool control;       /* awsJson1.1, else rest-json */
    struct od_error err;
};

enum od_place {
    OD_PLACE_NONE,  /* a row that the table lacks: a fault of ours */
    OD_PLACE_STORE, /* store thread */
    OD_PLACE_LINE,  /* the HTTP thread checks, then answers at the end of its round */
    OD_PLACE_PUT    /* the HTTP thread checks, then a grouped commit */
};

struct od_handler {
    enum od_place place;
    /* OD_PLACE_PUT and _LINE: OD_OK means that the call was queued and must not be touched any
     * more. */
    enum od_status (*run)(struct od_call *call);
};
/* Indexed by enum od_op_id. */
extern const struct od_handler od_handlers[OD_OP_COUNT];

/* Sends out (status OD_OK) or call->err. The call is gone afterwards. inside: called from within
 * the exchange's handler, which then returns true. */
void od_call_answer(struct od_call *call, enum od_status status, bool inside);

#define OD_IN(call, type)  ((const struct od_personalize_##type *)(call)->in)
#define OD_OUT(call, type) ((struct od_personalize_##type *)(call)->out)

/* The rules for tags that the model does not say, on a request that may bring some (its member
 * `tags`): at most 50, keys unique and not "aws:". The door asks, before any handler runs. Any
 * thread. op_tags.c */
enum od_status od_tags_check(struct od_call *call) OD_MUST_USE;

/* --- handlers, one file a resource --- */
enum od_status od_op_describe(struct od_call *call); /* op_generic.c: every Describe of a kind */
enum od_status od_op_list(struct od_call *call);     /* and every List */
enum od_status od_op_create_schema(struct od_call *call);
enum od_status od_op_delete_schema(struct od_call *call);
enum od_status od_op_create_dataset_group(struct od_call *call);
enum od_status od_op_delete_dataset_group(struct od_call *call);
enum od_status od_op_create_dataset(struct od_call *call);
enum od_status od_op_update_dataset(struct od_call *call);
enum od_status od_op_delete_dataset(struct od_call *call);
enum od_status od_op_create_dataset_import_job(struct od_call *call);
enum od_status od_op_create_batch_inference_job(struct od_call *call);
enum od_status od_op_create_batch_segment_job(struct od_call *call);
enum od_status od_op_create_dataset_export_job(struct od_call *call);
enum od_status od_op_create_data_deletion_job(struct od_call *call);
enum od_status od_op_create_event_tracker(struct od_call *call);
enum od_status od_op_delete_event_tracker(struct od_call *call);
enum od_status od_op_create_metric_attribution(struct od_call *call);
enum od_status od_op_update_metric_attribution(struct od_call *call);
enum od_status od_op_delete_metric_attribution(struct od_call *call);
enum od_status od_op_list_metric_attribution_metrics(struct od_call *call);
enum od_status od_op_create_filter(struct od_call *call);
enum od_status od_op_delete_filter(struct od_call *call);
enum od_status od_op_create_solution(struct od_call *call);
enum od_status od_op_update_solution(struct od_call *call);
enum od_status od_op_delete_solution(struct od_call *call);
enum od_status od_op_create_solution_version(struct od_call *call);
enum od_status od_op_stop_solution_version_creation(struct od_call *call);
enum od_status od_op_get_solution_metrics(struct od_call *call);
enum od_status od_op_create_campaign(struct od_call *call);
enum od_status od_op_update_campaign(struct od_call *call);
enum od_status od_op_delete_campaign(struct od_call *call);
enum od_status od_op_create_recommender(struct od_call *call);
enum od_status od_op_update_recommender(struct od_call *call);
enum od_status od_op_start_recommender(struct od_call *call);
enum od_status od_op_stop_recommender(struct od_call *call);
enum od_status od_op_delete_recommender(struct od_call *call);
enum od_status od_op_describe_recipe(struct od_call *call);
enum od_status od_op_list_recipes(struct od_call *call);
enum od_status od_op_describe_algorithm(struct od_call *call);
enum od_status od_op_describe_feature_transformation(struct od_call *call);
enum od_status od_op_tag_resource(struct od_call *call);
enum od_status od_op_untag_resource(struct od_call *call);
enum od_status od_op_list_tags_for_resource(struct od_call *call);
enum od_status od_op_get_recommendations(struct od_call *call);
enum od_status od_op_get_personalized_ranking(struct od_call *call);
enum od_status od_op_get_action_recommendations(struct od_call *call);
enum od_status od_op_put_events(struct od_call *call);
enum od_status od_op_put_items(struct od_call *call);
enum od_status od_op_put_users(struct od_call *call);
enum od_status od_op_put_actions(struct od_call *call);
enum od_status od_op_put_action_interactions(struct od_call *call);

#endif
