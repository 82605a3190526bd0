/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_COMMON_H
#define API_COMMON_H
/*
 * common -- the parts of the API that agent and controller serve alike.
 */
#include "api/server.h"
#include "base/conf.h"
#include "store/query.h"

/* /v1/events; also waits for new ones. */
struct api_events;
struct api_events *api_events_new(struct loop *lp, struct query *query);
void api_events_free(struct api_events *ev);
void api_events_serve(struct api_events *ev, struct api_server *server);

/*
 * An answer that waits until a row is on disk: pass api_later_send and the
 * result as callback and argument to the store.  Nothing is sent if the client
 * went away meanwhile.  answer: stolen reference; its text is made at once, since
 * BIRD may be at work for us by the time that it is sent.
 */
struct api_later;
struct api_later *api_later_new(struct api_request *req, json_t *answer);
void api_later_send(void *arg);
/* Instead: the row was not taken in. */
void api_later_refuse(struct api_later *later, const struct err *err);

/* The newest events about a subject, for explain; never NULL. */
json_t *api_recent_events(struct query *query, const char *subject);

/* The frame of /v1/status; sites: stolen reference. */
json_t *api_status_frame(const struct conf *conf, int64_t started_ms,
    json_t *sites);

#endif /* API_COMMON_H */
