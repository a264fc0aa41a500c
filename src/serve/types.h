/* Event types as numbers; see struct od_event_types in live.h. */
#ifndef OD_SERVE_TYPES_H
#define OD_SERVE_TYPES_H

#include "serve/live.h"

enum od_status od_event_types_init(struct od_event_types *types) OD_MUST_USE;
void od_event_types_done(struct od_event_types *types);
/* The code of type, added when new: OD_LIMIT at OD_MAX_EVENT_TYPES. */
enum od_status od_event_types_code(struct od_event_types *types, struct od_str type,
                                   uint16_t *out_code) OD_MUST_USE;

#endif
