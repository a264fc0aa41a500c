/* Pieces of the worker process that its jobs share. */
#ifndef OD_JOBS_WORKER_H
#define OD_JOBS_WORKER_H

#include "data/schema.h"

/* "ECOMMERCE", "VIDEO_ON_DEMAND"; anything else is no domain. */
enum od_domain od_spec_domain(struct od_str name);

#endif
