/* Which handler serves which of the 79 operations. An operation without a row answers
 * NotImplementedException (HTTP 501). */
#include "api/call.h"

const struct od_handler od_handlers[OD_OP_COUNT] = {
    [OD_OP_CREATE_SCHEMA] = {OD_PLACE_STORE, od_op_create_schema},
    [OD_OP_DESCRIBE_SCHEMA] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_SCHEMAS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_DELETE_SCHEMA] = {OD_PLACE_STORE, od_op_delete_schema},

    [OD_OP_CREATE_DATASET_GROUP] = {OD_PLACE_STORE, od_op_create_dataset_group},
    [OD_OP_DESCRIBE_DATASET_GROUP] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_DATASET_GROUPS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_DELETE_DATASET_GROUP] = {OD_PLACE_STORE, od_op_delete_dataset_group},

    [OD_OP_CREATE_DATASET] = {OD_PLACE_STORE, od_op_create_dataset},
    [OD_OP_DESCRIBE_DATASET] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_DATASETS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_UPDATE_DATASET] = {OD_PLACE_STORE, od_op_update_dataset},
    [OD_OP_DELETE_DATASET] = {OD_PLACE_STORE, od_op_delete_dataset},

    [OD_OP_CREATE_DATASET_IMPORT_JOB] = {OD_PLACE_STORE, od_op_create_dataset_import_job},
    [OD_OP_DESCRIBE_DATASET_IMPORT_JOB] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_DATASET_IMPORT_JOBS] = {OD_PLACE_STORE, od_op_list},

    [OD_OP_CREATE_BATCH_INFERENCE_JOB] = {OD_PLACE_STORE, od_op_create_batch_inference_job},
    [OD_OP_CREATE_BATCH_SEGMENT_JOB] = {OD_PLACE_STORE, od_op_create_batch_segment_job},

    [OD_OP_CREATE_EVENT_TRACKER] = {OD_PLACE_STORE, od_op_create_event_tracker},
    [OD_OP_DESCRIBE_EVENT_TRACKER] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_EVENT_TRACKERS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_DELETE_EVENT_TRACKER] = {OD_PLACE_STORE, od_op_delete_event_tracker},

    [OD_OP_CREATE_FILTER] = {OD_PLACE_STORE, od_op_create_filter},
    [OD_OP_DESCRIBE_FILTER] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_FILTERS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_DELETE_FILTER] = {OD_PLACE_STORE, od_op_delete_filter},

    [OD_OP_CREATE_SOLUTION] = {OD_PLACE_STORE, od_op_create_solution},
    [OD_OP_DESCRIBE_SOLUTION] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_SOLUTIONS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_UPDATE_SOLUTION] = {OD_PLACE_STORE, od_op_update_solution},
    [OD_OP_DELETE_SOLUTION] = {OD_PLACE_STORE, od_op_delete_solution},

    [OD_OP_CREATE_SOLUTION_VERSION] = {OD_PLACE_STORE, od_op_create_solution_version},
    [OD_OP_DESCRIBE_SOLUTION_VERSION] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_SOLUTION_VERSIONS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_STOP_SOLUTION_VERSION_CREATION] = {OD_PLACE_STORE, od_op_stop_solution_version_creation},
    [OD_OP_GET_SOLUTION_METRICS] = {OD_PLACE_STORE, od_op_get_solution_metrics},

    [OD_OP_CREATE_CAMPAIGN] = {OD_PLACE_STORE, od_op_create_campaign},
    [OD_OP_DESCRIBE_CAMPAIGN] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_CAMPAIGNS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_UPDATE_CAMPAIGN] = {OD_PLACE_STORE, od_op_update_campaign},
    [OD_OP_DELETE_CAMPAIGN] = {OD_PLACE_STORE, od_op_delete_campaign},

    [OD_OP_DESCRIBE_RECIPE] = {OD_PLACE_STORE, od_op_describe_recipe},
    [OD_OP_LIST_RECIPES] = {OD_PLACE_STORE, od_op_list_recipes},
    [OD_OP_DESCRIBE_ALGORITHM] = {OD_PLACE_STORE, od_op_describe_algorithm},
    [OD_OP_DESCRIBE_FEATURE_TRANSFORMATION] = {OD_PLACE_STORE,
                                               od_op_describe_feature_transformation},

    [OD_OP_TAG_RESOURCE] = {OD_PLACE_STORE, od_op_tag_resource},
    [OD_OP_UNTAG_RESOURCE] = {OD_PLACE_STORE, od_op_untag_resource},
    [OD_OP_LIST_TAGS_FOR_RESOURCE] = {OD_PLACE_STORE, od_op_list_tags_for_resource},

    [OD_OP_CREATE_DATASET_EXPORT_JOB] = {OD_PLACE_STORE, od_op_create_dataset_export_job},
    [OD_OP_DESCRIBE_DATASET_EXPORT_JOB] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_DATASET_EXPORT_JOBS] = {OD_PLACE_STORE, od_op_list},

    [OD_OP_CREATE_DATA_DELETION_JOB] = {OD_PLACE_STORE, od_op_create_data_deletion_job},
    [OD_OP_DESCRIBE_DATA_DELETION_JOB] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_DATA_DELETION_JOBS] = {OD_PLACE_STORE, od_op_list},

    [OD_OP_DESCRIBE_BATCH_INFERENCE_JOB] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_BATCH_INFERENCE_JOBS] = {OD_PLACE_STORE, od_op_list},

    [OD_OP_DESCRIBE_BATCH_SEGMENT_JOB] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_BATCH_SEGMENT_JOBS] = {OD_PLACE_STORE, od_op_list},

    [OD_OP_CREATE_METRIC_ATTRIBUTION] = {OD_PLACE_STORE, od_op_create_metric_attribution},
    [OD_OP_DESCRIBE_METRIC_ATTRIBUTION] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_METRIC_ATTRIBUTIONS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_LIST_METRIC_ATTRIBUTION_METRICS] = {OD_PLACE_STORE,
                                               od_op_list_metric_attribution_metrics},
    [OD_OP_UPDATE_METRIC_ATTRIBUTION] = {OD_PLACE_STORE, od_op_update_metric_attribution},
    [OD_OP_DELETE_METRIC_ATTRIBUTION] = {OD_PLACE_STORE, od_op_delete_metric_attribution},

    [OD_OP_CREATE_RECOMMENDER] = {OD_PLACE_STORE, od_op_create_recommender},
    [OD_OP_DESCRIBE_RECOMMENDER] = {OD_PLACE_STORE, od_op_describe},
    [OD_OP_LIST_RECOMMENDERS] = {OD_PLACE_STORE, od_op_list},
    [OD_OP_UPDATE_RECOMMENDER] = {OD_PLACE_STORE, od_op_update_recommender},
    [OD_OP_START_RECOMMENDER] = {OD_PLACE_STORE, od_op_start_recommender},
    [OD_OP_STOP_RECOMMENDER] = {OD_PLACE_STORE, od_op_stop_recommender},
    [OD_OP_DELETE_RECOMMENDER] = {OD_PLACE_STORE, od_op_delete_recommender},

    [OD_OP_GET_RECOMMENDATIONS] = {OD_PLACE_LINE, od_op_get_recommendations},
    [OD_OP_GET_PERSONALIZED_RANKING] = {OD_PLACE_LINE, od_op_get_personalized_ranking},
    [OD_OP_GET_ACTION_RECOMMENDATIONS] = {OD_PLACE_LINE, od_op_get_action_recommendations},

    [OD_OP_PUT_EVENTS] = {OD_PLACE_PUT, od_op_put_events},
    [OD_OP_PUT_ITEMS] = {OD_PLACE_PUT, od_op_put_items},
    [OD_OP_PUT_USERS] = {OD_PLACE_PUT, od_op_put_users},
    [OD_OP_PUT_ACTIONS] = {OD_PLACE_PUT, od_op_put_actions},
    [OD_OP_PUT_ACTION_INTERACTIONS] = {OD_PLACE_PUT, od_op_put_action_interactions},
};
