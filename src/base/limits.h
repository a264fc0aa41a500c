/* Every limit of the house, with its reason. AWS's own quotas are marked (AWS). */
#ifndef OD_BASE_LIMITS_H
#define OD_BASE_LIMITS_H

/* --- requests --- */
#define OD_MAX_HEADER_BYTES (32u * 1024) /* one request's header block; SDKs send 1-2 KB */
#define OD_MAX_BODY_BYTES                                                                          \
    (8u * 1024 * 1024)                 /* PutItems: 10 x 32,000 escaped characters and room        \
                                        */
#define OD_MAX_CONNECTIONS   4096      /* file descriptors, about 40 KB each */
#define OD_REQUEST_TIMEOUT_S 30        /* idle or slow client */
#define OD_MAX_JSON_DEPTH    32        /* the deepest API shape has 6 */
#define OD_CLOCK_SKEW_S      (15 * 60) /* (AWS) SigV4 */

#define OD_MAX_MAP_ENTRIES 1000 /* of a map the API leaves open; bounded ones have 150 */
#define OD_MAX_TAGS        50   /* (AWS) of a resource, and keys in one UntagResource */

/* --- data --- */
#define OD_MAX_ID_CHARS            256        /* (AWS) USER_ID, ITEM_ID */
#define OD_MAX_CATEGORICAL_CHARS   1000       /* (AWS) whole cell, with | */
#define OD_MAX_STRING_CHARS        1000       /* (AWS) non-categorical string */
#define OD_MAX_SOURCE_CHARS        1024       /* (AWS) eventAttributionSource */
#define OD_MAX_TEXTUAL_CHARS       20000      /* (AWS) cut beyond */
#define OD_MAX_SCHEMA_CHARS        20000      /* (AWS) */
#define OD_MAX_SCHEMA_FIELDS       110        /* (AWS) 100 metadata columns and the reserved ones */
#define OD_MAX_CSV_RECORD_BYTES    (1u << 20) /* one record with all its cells */
#define OD_MAX_CSV_COLUMNS         10000      /* of a file, those the schema lacks included */
#define OD_MAX_REPORTED_ROWS       10000      /* bad rows listed in an import's report: 2 MB */
#define OD_MAX_EVENT_TYPES         65535 /* distinct event types of a dataset group: 16-bit codes */
#define OD_MAX_EVENT_RULES         10    /* (AWS) eventParametersList */
#define OD_MAX_CONTEXT_COLUMNS     32    /* of Interactions, for training; AWS allows 5 */
#define OD_MAX_CONTEXT_VALUES      65535 /* distinct texts of a context column: 16-bit codes */
#define OD_MAX_SHOWN_ITEMS         (1u << 26) /* in all impression lists of a training: 256 MiB */
#define OD_MIN_IMPORT_INTERACTIONS 1000       /* (AWS) */
#define OD_MIN_TRAIN_INTERACTIONS  1000       /* (AWS) */
#define OD_MIN_TRAIN_USERS         25         /* (AWS) with at least two interactions each */

/* --- serving --- */
#define OD_MAX_RESULTS             500 /* (AWS) numResults, inputList */
#define OD_MAX_RESULTS_METADATA    50  /* (AWS) with metadataColumns */
#define OD_DEFAULT_RESULTS         25  /* (AWS) */
#define OD_MAX_RESULTS_ACTIONS     100 /* (AWS) numResults of actions */
#define OD_DEFAULT_RESULTS_ACTIONS 5   /* (AWS) */
#define OD_HISTORY_EVENTS          200 /* live events kept per user: architecture decision 5 */
#define OD_HISTORY_START_EVENTS                                                                    \
    1000000 /* events that a start may read one by one: a second or two; beyond, a file is made */
#define OD_HISTORY_FOLD_PAUSE_S   5    /* between two moves of histories to their files */
#define OD_FILTER_EVENTS_PER_TYPE 100  /* (AWS) newest interactions a filter sees per type */
#define OD_FILTER_ACTION_EVENTS   300  /* (AWS) likewise of action interactions */
#define OD_MAX_FILTER_CHARS       2500 /* (AWS) */
#define OD_MAX_FILTER_DEPTH       64   /* nested brackets around a scalar */
#define OD_MAX_FILTER_BRACKETS    16   /* around conditions: each may cost two bitmaps more */
#define OD_MAX_FILTER_SPAN                                                                         \
    1000000000 /* of $NOW and WITHIN, in their unit: no overflow in seconds */

#define OD_MAX_CONTEXT          150                /* (AWS) entries of context */
#define OD_MAX_CONTEXT_KEY      150                /* (AWS) characters */
#define OD_MAX_CONTEXT_VALUE    1000               /* (AWS) characters */
#define OD_MAX_FILTER_VALUES    25                 /* (AWS) entries of filterValues */
#define OD_MAX_FILTER_PARAM     50                 /* (AWS) characters of a parameter's name */
#define OD_MAX_FILTER_VALUE     1000               /* (AWS) characters of a parameter's value */
#define OD_MAX_FILTER_FIELDS    10                 /* (AWS) distinct fields of one filter */
#define OD_MAX_METADATA_COLUMNS 10                 /* (AWS) */
#define OD_MAX_PROMOTION_NAME   63                 /* (AWS) characters */
#define OD_MAX_METADATA_BYTES   (8u * 1024 * 1024) /* cells of one answer: 50 x 10 long texts */
/* Filter results a campaign keeps (60 of 1M items), and how many distinct filters and values. */
#define OD_KEEP_CACHE_BYTES   (16u * 1024 * 1024)
#define OD_KEEP_CACHE_ENTRIES 256
/* Lists remembered for implicit impressions (200k of 25 items), and for how long. */
#define OD_SHOWN_BYTES   (64u * 1024 * 1024)
#define OD_SHOWN_SECONDS (14 * 86400)
#define OD_EXPLORE_POOL  256 /* young items an answer chooses among, drawn from all */
#define OD_PROPENSITY_DRAWS                                                                        \
    31                           /* repeated drawings a propensity is counted by: 0.1 ms an answer \
                                  */
#define OD_YOUNG_REFRESH_MS 1000 /* a campaign looks for young items at most this often */
/* A campaign that opens in less may sleep: its next answer comes within 50 ms. Figures of a machine
 * that is busy: maps of an item; checks of what the file says. */
#define OD_MAX_WAKE_NS      25000000
#define OD_WAKE_NS_PER_ITEM 100
#define OD_WAKE_NS_PER_KIB  500

/* --- metric attributions --- */
#define OD_MAX_ATTRIBUTION_METRICS    10  /* (AWS) of an attribution */
#define OD_MAX_ATTRIBUTION_SOURCES    100 /* (AWS) distinct ones; the rest is one row */
#define OD_MAX_ATTRIBUTION_EXPRESSION 256 /* (AWS) characters */
#define OD_ATTRIBUTION_PERIOD_S       900 /* (AWS) events are counted by quarters of hours */
#define OD_ATTRIBUTION_AGE_S          (14 * 86400) /* (AWS) older events are not counted live */
#define OD_MAX_ATTRIBUTION_CELLS                                                                   \
    (1u << 20) /* of an import, in memory before they go to its report: 48 MB */

/* --- explaining --- */
#define OD_EXPLAIN_DEFAULT_ITEMS 10  /* of the answer, when none are named */
#define OD_MAX_EXPLAIN_ITEMS     100 /* each costs a pass over the scores */
#define OD_MAX_EXPLAIN_EVENTS    50  /* each is scored without: as many answers' work */
#define OD_MAX_EXPLAIN_WAITING   16  /* one is worked on at a time */

/* --- jobs --- */
/* One line of a batch job: 500 ids of 256 characters, each escaped. The tree of a hostile line
 * takes 40 times as much. */
#define OD_MAX_BATCH_LINE_BYTES (1u << 20)
#define OD_MAX_BATCH_USERS      5000000     /* (AWS) numResults of a segment job */
#define OD_BATCH_KEPT_BYTES     (16u << 20) /* of output that a block's parts keep room for */
#define OD_BATCH_BLOCK_TEXT_BYTES                                                                  \
    (16u << 20) /* of lines after which a block ends: its output repeats them */
#define OD_MAX_JOB_ATTEMPTS                                                                        \
    3 /* a job that took the server down three times is failed, not tried again */

/* --- http --- */
#define OD_MAX_HEADER_COUNT 128u /* lines of a header block; SDKs send about 12 */
#define OD_MAX_RESPONSE_BYTES                                                                      \
    (64u * 1024 * 1024) /* 500 results with every metadata column stay under 16 MB */
#define OD_MAX_REQUEST_MEMORY                                                                      \
    (64u * 1024 * 1024) /* a request's arena: a full body parsed to a tree, times four */
#define OD_HTTP_LINGER_BYTES                                                                       \
    (1024u * 1024) /* read and dropped past a refused body, so that the client sees the answer */
#define OD_HTTP_PROGRESS_BYTES                                                                     \
    (256u * 1024) /* of a streamed body or answer within twice the timeout: 4 KB a second */
#define OD_HTTP_OVERFLOW_CONNECTIONS                                                               \
    64 /* beyond max_connections: accepted only to be told so with a 503 */

/* --- sigv4 --- */
#define OD_MAX_SIGNED_HEADERS 64   /* SDKs sign 4-10 */
#define OD_MAX_QUERY_PARAMS   64   /* of a signed request; a presigned one has 6-8 */
#define OD_MAX_KEY_ID_CHARS   128  /* (AWS) access key id */
#define OD_MAX_SECRET_CHARS   128  /* AWS's have 40 */
#define OD_SIGV4_CACHED_KEYS  1024 /* derived keys, 300 bytes each; one a key, day and region */
#define OD_MAX_PRESIGNED_S    (7 * 24 * 3600) /* (AWS) X-Amz-Expires */

/* --- objects --- */
#define OD_MAX_OBJECT_PUT_BYTES (5ULL << 30) /* (AWS) of one PutObject or part */
#define OD_MIN_PART_BYTES       (5u << 20)   /* (AWS) of a part that is not the last */
#define OD_MAX_PARTS            10000        /* (AWS) */
#define OD_MAX_OBJECT_BYTES     (5ULL << 40) /* (AWS) */
#define OD_MAX_KEY_BYTES        1024         /* (AWS) of an object's key */
#define OD_MAX_USER_METADATA    2048         /* (AWS) bytes of x-amz-meta- headers */
#define OD_MAX_S3_DOCUMENT      (4u << 20)   /* DeleteObjects of 1,000 long keys; 10,000 parts */
#define OD_MAX_POLICY_BYTES     (20u * 1024) /* (AWS) of a bucket's policy */
#define OD_MAX_LISTED_KEYS      1000         /* (AWS) of a page; of one DeleteObjects */
#define OD_MAX_FORM_FIELDS      256          /* of a query or form */
#define OD_MAX_XML_DEPTH        16           /* S3's deepest document has 4 */
#define OD_S3_TRIES             8            /* of a job's request to an endpoint: a minute */
#define OD_S3_SERVER_TRIES      2            /* of the server's own, which others wait behind */
#define OD_S3_FIRST_PAUSE_MS    200          /* before the second; doubles */
#define OD_S3_PART_BYTES        (64u << 20)  /* of what we send; larger objects go in parts */
#define OD_S3_THREADS           4            /* that work on objects */

/* --- metrics --- */
#define OD_MAX_METRIC_LABELS  4    /* label names of a family */
#define OD_MAX_METRIC_SERIES  2000 /* label combinations of a family; 79 operations x 8 results */
#define OD_MAX_METRIC_BUCKETS 24   /* of a histogram */
#define OD_MAX_LABEL_CHARS    128  /* a label's value is cut beyond */

#endif
