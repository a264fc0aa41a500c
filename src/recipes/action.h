/* What aws-next-best-action is made of: P(user takes the action within the optimisation period).
 *
 * A logistic model of x(user, action, time), the state of the user: tastes and activity from item
 * interactions, its record, its past with actions and with this one. An action's coefficients are
 * those of everybody, plus those of each of its attribute values, plus its own; each level is
 * pulled to 0, so that an action with few events behaves as its like do. The parts: action_rows
 * (outcomes), action_state (x), action_record (user records), action_fit (the levels),
 * action_calibrate (isotonic), action_train (all in order), action_model (image and answers),
 * action_metrics.
 *
 * Actions are coded as in the image: those of the interactions and of the table, in byte order. */
#ifndef OD_RECIPES_ACTION_H
#define OD_RECIPES_ACTION_H

#include "recipes/recipe.h"

/* --- action_rows.c: outcomes --- */

/* What came of one time that an action was put before a user. */
struct od_action_row {
    uint32_t user, action; /* codes of the action interactions */
    uint64_t event;        /* its index there; the past is what lies before it */
    int64_t time;
    float taken;  /* 1: within the period, 0 */
    float weight; /* below 1 where the period is not over when the data end */
};
/* The od_action_event of an event type, ignoring case, space and "_"; OD_ACTION_OTHER for any other
 * text. */
#define OD_ACTION_OTHER 0xff
uint8_t od_action_type(struct od_str type);
/* The same by the type code of the interactions. out: [type_count]. */
void od_action_types(const struct od_training *actions, uint8_t *out);

/* A row begins with the first event of a user and an action that lies in no open row of theirs, and
 * is open for period_s or until it is taken or declined. *out: by user, then by time; free with
 * free. Events before since_s make no rows. */
enum od_status od_action_rows(const struct od_training *actions, int64_t period_s, int64_t since_s,
                              struct od_action_row **out, size_t *out_count) OD_MUST_USE;

/* --- action_record.c: user records --- */

#define OD_ACTION_RECORD 32 /* columns: the commonest values of categorical fields, and numbers */

struct od_action_record {
    uint32_t count;
    struct od_dict *names; /* "FIELD=value", or "FIELD#" for a number */
};
/* table NULL: none. Same table, same columns. */
enum od_status od_action_record_init(struct od_action_record *out,
                                     const struct od_table *table) OD_MUST_USE;
/* The user's record as queries bring it: query->user and its count, in arena. None without one. */
enum od_status od_action_record_read(const struct od_table *table, struct od_str user,
                                     struct od_arena *arena, struct od_query *query) OD_MUST_USE;
void od_action_record_done(struct od_action_record *record);

/* --- action_state.c: x --- */

#define OD_ACTION_TASTES 16  /* directions of item histories */
#define OD_ACTION_EVENTS 200 /* newest events of a kind that are looked at */
#define OD_ACTION_WIDTH  (1 + 5 + OD_ACTION_TASTES + OD_ACTION_RECORD + 5 + 5)

/* What x is made with; borrows. */
struct od_action_view {
    uint32_t item_count, tastes, width; /* width <= OD_ACTION_WIDTH */
    const float *projection;            /* [item_count * tastes] */
    uint32_t record_count;
    struct od_str (*record_name)(const void *names, uint32_t column);
    const void *record_names;
    const float *mean, *scale; /* [width] of x, NULL: as it is */
    int64_t period_s;          /* an offer is open so long (action_rows.c); 0: none ever is */
};
/* The same for all actions of one user at one time. */
struct od_action_state {
    float common[OD_ACTION_WIDTH]; /* the columns that do not depend on the action */
    struct od_query query;         /* for those that do: the newest events */
};
void od_action_state_make(const struct od_action_view *view, const struct od_query *query,
                          struct od_action_state *out);
/* One column in deviations from its mean, within 4 of them. */
float od_action_standard(float x, float mean, float scale);
/* x [view->width] of an action: query->action_events name it by the same code. Of an action with an
 * open offer it is what it was before that offer, as in training, where a row begins with one. */
void od_action_x(const struct od_action_view *view, const struct od_action_state *state,
                 uint32_t action, float *x);

/* --- action_calibrate.c --- */

#define OD_ACTION_KNOTS 64 /* of a calibration; neighbouring blocks are joined beyond */

/* Pools adjacent violators: fitted[i] is the non-decreasing sequence nearest to y in weighted
 * squares (Robertson, Wright, Dykstra, Order Restricted Statistical Inference, 1.2). weight > 0. */
enum od_status od_isotonic(const double *y, const double *weight, size_t count,
                           double *fitted) OD_MUST_USE;

struct od_action_calibration {
    uint32_t count;
    float x[OD_ACTION_KNOTS], y[OD_ACTION_KNOTS]; /* ascending both; first (0, 0), last (1, 1) */
};
/* The identity. */
void od_action_calibration_none(struct od_action_calibration *out);
/* From probabilities and outcomes on held-out rows: isotonic when there are enough, Platt's
 * logistic line (in the logit) with few, the identity with next to none. */
enum od_status od_action_calibration_fit(const double *probability, const float *taken,
                                         const float *weight, size_t count,
                                         struct od_action_calibration *out) OD_MUST_USE;
/* Linear between knots: non-decreasing in p. */
double od_action_calibrate(const struct od_action_calibration *calibration, double p);

/* --- action_fit.c: the levels --- */

/* Attribute values of actions: each is a level shared by at least two of them. */
struct od_action_levels {
    uint32_t action_count, value_count;
    uint32_t *at;    /* [action_count + 1] */
    uint32_t *value; /* ascending within an action */
};
enum od_status od_action_levels_init(struct od_action_levels *out, const struct od_table *table,
                                     const struct od_dict *actions,
                                     struct od_error *err) OD_MUST_USE;
void od_action_levels_done(struct od_action_levels *levels);

struct od_action_rows_x {
    size_t count;
    uint32_t width;
    float *x; /* [count * width] */
    float *taken, *weight;
    uint32_t *action;
};
struct od_action_coefficients {
    float *theta;  /* [action_count * width] sum of the levels */
    float *factor; /* [action_count * width * width] lower L, L L' the Hessian of the action's own
                      level: its posterior is normal with covariance (L L')^-1 */
};
/* Maximum of the posterior by Newton's method level by level, in sweeps. which: [count] rows that
 * are learnt from, NULL: all. strength multiplies every pull to 0. */
enum od_status od_action_fit(const struct od_action_rows_x *rows, const bool *which,
                             const struct od_action_levels *levels, double strength,
                             unsigned threads, struct od_action_coefficients *out) OD_MUST_USE;
void od_action_coefficients_done(struct od_action_coefficients *coefficients);

/* --- action_train.c --- */

enum od_status od_action_write(const struct od_train_input *input, struct od_image_writer *image,
                               struct od_error *err) OD_MUST_USE;

/* --- action_metrics.c --- */

/* Adds coverage, precision, recall, auc and normalized_discounted_cumulative_gain_at_{5,10,25}:
 * recipes.md 9.1, 9.2. Nothing without action interactions. */
enum od_status od_action_evaluate(const struct od_train_input *input, double to,
                                  struct od_metrics *metrics, struct od_error *err) OD_MUST_USE;

#endif
