/*
 * The status server: /livez, /readyz, /metrics over HTTP (libmicrohttpd). Thread: its own.
 */
#ifndef SM_WORKER_STATUS_H
#define SM_WORKER_STATUS_H

#include "base/buf.h"
#include "worker/worker.h"

struct sm_status;

/* Listens on options->http_listen; "off" gives *status NULL. 0 or SM_E_CONFIG (address in use, ..).
 */
int sm_status_start(struct sm_status **status, struct sm_worker *w, struct sm_err *err);
/* Logs where it listens. NULL is fine. */
void sm_status_announce(const struct sm_status *status);
/* NULL is fine. */
void sm_status_stop(struct sm_status *status);

/* The Prometheus text of this worker. */
void sm_metrics_write(struct sm_worker *w, struct sm_buf *out);
/* {"ready":..,"reasons":[..]}; returns whether it is ready. */
bool sm_readiness_write(struct sm_worker *w, struct sm_buf *out);

#endif
