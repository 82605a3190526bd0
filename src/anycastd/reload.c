/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastd/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anycastd/daemon.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/text.h"
#include "base/xalloc.h"

#define POLL_MS 20
#define WAIT_MAX_MS 5000
#define ACTOR_BYTES 96

struct reload {
	struct reload_env env;
	struct loop_timer *timer;
	struct conf *fresh; /* read and checked, not yet taken */
	struct mono deadline;
	struct api_request *asker; /* NULL: a signal, or it went away */
	char actor[ACTOR_BYTES];
	bool is_busy;
	bool again; /* a signal came meanwhile */
};

/* ---- what changed ---- */

static const struct conf_service *
find_service(const struct conf *c, const char *name)
{
	for (size_t i = 0; c->agent != NULL && i < c->agent->n_services; i++) {
		if (strcmp(c->agent->services[i].name, name) == 0)
			return &c->agent->services[i];
	}
	return NULL;
}

static void
add_services(json_t *list, const struct conf *a, const struct conf *b,
    bool is_back)
{
	for (size_t i = 0; a->agent != NULL && i < a->agent->n_services; i++) {
		const struct conf_service *s = &a->agent->services[i];
		const struct conf_service *other = find_service(b, s->name);
		const char *what = NULL;

		if (other == NULL) {
			what = is_back ? "added" : "removed";
		} else if (!is_back && !conf_service_equal(s, other)) {
			what = "changed";
		}
		if (what != NULL) {
			json_array_append_new(list,
			    json_sprintf("service %s: %s", s->name, what));
		}
	}
}

/* The configuration without its services. */
static char *
frame_text(const struct conf *c)
{
	struct conf frame = *c;
	struct conf_agent agent;

	if (c->agent != NULL) {
		agent = *c->agent;
		agent.services = NULL;
		agent.n_services = 0;
		frame.agent = &agent;
	}
	return conf_format(&frame);
}

json_t *
reload_changes(const struct conf *before, const struct conf *now)
{
	json_t *list = json_array();
	char *a = frame_text(before), *b = frame_text(now);

	add_services(list, before, now, false);
	add_services(list, now, before, true);
	if (strcmp(a, b) != 0)
		json_array_append_new(list, json_string("other keys: changed"));
	free(a);
	free(b);
	return list;
}

/* ---- one reload ---- */

static void begin(struct reload *r);

static void
note(struct reload *r, const char *what, const char *reason)
{
	struct store_event ev = { .kind = "daemon",
		.subject = "anycastd",
		.what = what,
		.reason = reason,
		.actor = r->actor };

	store_put_event(r->env.store, &ev);
}

static void
over(struct reload *r)
{
	notify_supervisor("READY=1");
	r->is_busy = false;
	r->asker = NULL;
	if (r->again) {
		r->again = false;
		(void)text_copy(r->actor, sizeof(r->actor), "SIGHUP");
		begin(r);
	}
}

static void
refuse(struct reload *r, const struct err *err)
{
	log_warnx("daemon: not reloaded: %s", err->msg);
	note(r, "not reloaded", err->msg);
	conf_free(r->fresh);
	r->fresh = NULL;
	if (r->asker != NULL)
		api_reply_err(r->asker, err);
	over(r);
}

/* "service web: changed, service dns: added"; the caller frees it. */
static char *
join(const json_t *list)
{
	char *text = xstrdup("");
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		char *longer = xasprintf("%s%s%s", text, i > 0 ? ", " : "",
		    json_string_value(one));

		free(text);
		text = longer;
	}
	return text;
}

static void
succeed(struct reload *r, json_t *changes)
{
	char *text = join(changes);

	log_info("daemon: reloaded: %s",
	    text[0] != '\0' ? text : "nothing changed");
	note(r, "reloaded", text[0] != '\0' ? text : "nothing changed");
	free(text);
	if (r->asker != NULL) {
		api_reply_json(r->asker, 200,
		    json_pack("{s:b, s:o}", "reloaded", true, "changes",
			changes));
	} else {
		json_decref(changes);
	}
	over(r);
}

static void
apply(struct reload *r)
{
	const struct reload_ops *ops = &r->env.ops;
	json_t *changes = reload_changes(ops->conf(ops->arg), r->fresh);
	struct err err;

	if (ops->apply(r->fresh, r->asker, ops->arg, &err) == -1) {
		json_decref(changes);
		refuse(r, &err);
		return;
	}
	r->fresh = NULL;
	succeed(r, changes);
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct reload *r = arg;
	const struct reload_ops *ops = &r->env.ops;
	bool must = false;
	const char *what = ops->wait_for(&must, ops->arg);
	struct err err;

	(void)lp;
	if (what == NULL || (!must && !mono_before(mono_now(), r->deadline))) {
		apply(r);
	} else if (mono_before(mono_now(), r->deadline)) {
		loop_timer_set(r->timer, POLL_MS);
	} else {
		err_set(&err, ERR_TIMEOUT, "reload: %s", what);
		refuse(r, &err);
	}
}

static void
begin(struct reload *r)
{
	const struct reload_ops *ops = &r->env.ops;
	struct mono now = mono_now();
	char state[64];
	struct err err;

	r->is_busy = true;
	r->deadline = mono_add_ms(now, WAIT_MAX_MS);
	(void)snprintf(state, sizeof(state),
	    "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now.us);
	notify_supervisor(state);
	r->fresh = conf_load(ops->conf(ops->arg)->file, &err);
	if (r->fresh == NULL || ops->check(r->fresh, ops->arg, &err) == -1) {
		refuse(r, &err);
	} else {
		loop_timer_set(r->timer, 0);
	}
}

void
reload_on_signal(struct reload *r)
{
	if (r->is_busy) {
		r->again = true;
		return;
	}
	(void)text_copy(r->actor, sizeof(r->actor), "SIGHUP");
	begin(r);
}

static void
on_asker_gone(struct api_request *req, void *arg)
{
	struct reload *r = arg;

	(void)req;
	r->asker = NULL;
}

static void
handle_reload(struct api_request *req, void *arg)
{
	struct reload *r = arg;
	struct err err;

	if (r->is_busy) {
		err_set(&err, ERR_REFUSED, "reload: is under way already");
		api_reply_err(req, &err);
		return;
	}
	(void)text_copy(r->actor, sizeof(r->actor), api_actor(req));
	r->asker = req;
	api_request_defer(req, on_asker_gone, r);
	begin(r);
}

void
reload_serve(struct reload *r, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "POST", "/v1/reload", API_LOCAL, handle_reload },
		{ 0 },
	};

	api_server_add(server, routes, r);
}

struct reload *
reload_new(const struct reload_env *env)
{
	struct reload *r = xcalloc(1, sizeof(*r));

	r->env = *env;
	r->timer = loop_timer_new(env->lp, on_timer, r);
	return r;
}

void
reload_free(struct reload *r)
{
	if (r == NULL)
		return;
	loop_timer_free(r->timer);
	conf_free(r->fresh);
	free(r);
}
