/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastd/leave.h"

#include <stdio.h>
#include <stdlib.h>

#include "anycastd/daemon.h"
#include "api/drain.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/text.h"
#include "base/xalloc.h"

#define POLL_MS 100
/* The answer to a stop must be out before the loop ends. */
#define ANSWER_MS 100
/* And who watches a drain must see its end. */
#define DRAINED_MS 1000

enum leaving {
	LEAVE_NOT,
	LEAVE_DRAINING,
	LEAVE_NOW,
};

struct leave {
	struct leave_env env;
	char *site; /* NULL: none here */
	enum leaving state;
	bool is_drain;
	struct loop_timer *timer;
	struct api_request *asker; /* waits until its drain is on disk */
	char reason[INTENT_REASON_BYTES];
	char actor[INTENT_ACTOR_BYTES];
	int64_t since_ms; /* wall */
};

static void
note(struct leave *lv, const char *what)
{
	struct store_event ev = { .kind = "daemon",
		.subject = "anycastd",
		.what = what,
		.reason = lv->reason,
		.actor = lv->actor };

	log_info("daemon: %s: %s", what, lv->reason);
	store_put_event(lv->env.store, &ev);
}

static json_t *
leave_json(const struct leave *lv)
{
	json_t *stopping = NULL;

	if (lv->state != LEAVE_NOT) {
		size_t left = lv->state == LEAVE_DRAINING
		    ? agent_count_left(lv->env.agent)
		    : 0;

		stopping = json_pack("{s:b, s:I, s:s, s:s, s:I}", "drain",
		    lv->is_drain, "since_ms", (json_int_t)lv->since_ms,
		    "reason", lv->reason, "actor", lv->actor, "left",
		    (json_int_t)left);
	}
	return json_pack("{s:s?, s:o?}", "site", lv->site, "stopping",
	    stopping);
}

static void
end_now(struct leave *lv, const char *what)
{
	note(lv, what);
	lv->state = LEAVE_NOW;
	notify_supervisor("STOPPING=1");
	loop_timer_set(lv->timer, lv->is_drain ? DRAINED_MS : ANSWER_MS);
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct leave *lv = arg;

	if (lv->is_drain && !agent_is_drained(lv->env.agent)) {
		note(lv, "stop called off");
		lv->state = LEAVE_NOT;
	} else if (lv->state == LEAVE_NOW) {
		loop_stop(lp);
	} else if (agent_count_left(lv->env.agent) == 0) {
		end_now(lv, "stopping: drained");
	} else {
		loop_timer_set(lv->timer, POLL_MS);
	}
}

static void
on_asker_gone(struct api_request *req, void *arg)
{
	struct leave *lv = arg;

	(void)req;
	lv->asker = NULL;
}

static void
on_durable(void *arg)
{
	struct leave *lv = arg;

	if (lv->asker != NULL)
		api_reply_json(lv->asker, 200, leave_json(lv));
	lv->asker = NULL;
	loop_timer_set(lv->timer, POLL_MS);
}

static int
parse(const struct api_request *req, bool *drain, struct drain_request *want,
    struct err *err)
{
	json_t *body = api_body_json(req, err);
	const char *reason = "";
	int is_drain = 0, at_once = 0, rc = 0;
	json_error_t why;

	*want = (struct drain_request){ 0 };
	if (body == NULL)
		return -1;
	if (json_unpack_ex(body, &why, JSON_STRICT, "{s?b, s?b, s?s}", "drain",
		&is_drain, "at_once", &at_once, "reason", &reason) == -1) {
		rc = err_set(err, ERR_PROTO, "stop: %s", why.text);
	} else if (!text_copy(want->reason, sizeof(want->reason), reason)) {
		rc =
		    err_set(err, ERR_CONF, "stop: reason: longer than %d bytes",
			INTENT_REASON_BYTES - 1);
	} else if (at_once && !is_drain) {
		rc = err_set(err, ERR_CONF, "stop: at_once: only with drain");
	}
	*drain = is_drain != 0;
	want->at_once = at_once != 0;
	json_decref(body);
	return rc;
}

static void
begin(struct leave *lv, const struct drain_request *want, const char *actor)
{
	(void)text_copy(lv->reason, sizeof(lv->reason), want->reason);
	(void)text_copy(lv->actor, sizeof(lv->actor), actor);
	lv->since_ms = wall_now_ms();
}

static void
handle_stop(struct api_request *req, void *arg)
{
	struct leave *lv = arg;
	struct drain_request want;
	struct err err;
	bool drain;
	int rc = parse(req, &drain, &want, &err);

	if (rc == 0 && drain && lv->env.agent == NULL) {
		rc = err_set(&err, ERR_REFUSED,
		    "stop: there is no site here to drain");
	} else if (rc == 0 && drain && lv->state != LEAVE_NOT) {
		rc = err_set(&err, ERR_REFUSED, "stop: is stopping already");
	}
	if (rc == -1) {
		api_reply_err(req, &err);
		return;
	}
	begin(lv, &want, api_actor(req));
	lv->is_drain = drain;
	if (!drain) {
		end_now(lv, "stopping: routes stay as they are");
		api_reply_json(req, 200, leave_json(lv));
		return;
	}
	if (want.reason[0] == '\0')
		(void)text_copy(want.reason, sizeof(want.reason), "stop");
	if (agent_drain(lv->env.agent, &want, lv->actor, on_durable, lv,
		&err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	lv->state = LEAVE_DRAINING;
	note(lv, "draining before the stop");
	lv->asker = req;
	api_request_defer(req, on_asker_gone, lv);
}

static void
handle_get(struct api_request *req, void *arg)
{
	api_reply_json(req, 200, leave_json(arg));
}

void
leave_serve(struct leave *lv, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/stop", API_READ, handle_get },
		{ "POST", "/v1/stop", API_LOCAL, handle_stop },
		{ 0 },
	};

	api_server_add(server, routes, lv);
}

struct leave *
leave_new(const struct leave_env *env)
{
	struct leave *lv = xcalloc(1, sizeof(*lv));

	lv->env = *env;
	lv->site = env->site != NULL ? xstrdup(env->site) : NULL;
	lv->timer = loop_timer_new(env->lp, on_timer, lv);
	return lv;
}

void
leave_set_agent(struct leave *lv, struct agent *agent)
{
	lv->env.agent = agent;
}

void
leave_free(struct leave *lv)
{
	if (lv == NULL)
		return;
	loop_timer_free(lv->timer);
	free(lv->site);
	free(lv);
}
