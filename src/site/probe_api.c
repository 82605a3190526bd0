/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Probes on demand: one out of turn, whose result is told and forgotten, or
 * all of them, whose results count.  Both answers wait for the results.
 */
#include "site/probe_api.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "site/agent_state.h"

#define RUNS_MAX 16u

struct run {
	LIST_ENTRY(run) entry;
	struct probe_api *pa;
	struct api_request *req;
	size_t service, index;
	struct probe *probe;
};

struct check {
	LIST_ENTRY(check) entry;
	struct probe_api *pa;
	struct api_request *req;
	size_t service; /* or CHECKER_ALL */
	struct checker_round *round;
};

struct probe_api {
	struct agent *a;
	LIST_HEAD(, run) runs;
	LIST_HEAD(, check) checks;
	size_t n_runs;
};

/* ---- which one is meant ---- */

/* CHECKER_ALL with err if there is no such service. */
static size_t
find_service(const struct conf_agent *conf, const char *name, struct err *err)
{
	char known[256] = "";

	for (size_t s = 0; s < conf->n_services; s++) {
		size_t used = strlen(known);

		if (strcmp(conf->services[s].name, name) == 0)
			return s;
		(void)snprintf(known + used, sizeof(known) - used, " %s",
		    conf->services[s].name);
	}
	err_set(err, ERR_GONE, "service %s: not at site %s, known:%s", name,
	    conf->site, known);
	return CHECKER_ALL;
}

static size_t
find_probe(const struct conf_service *sv, const char *name)
{
	size_t p = 0;

	while (p < sv->n_probes && strcmp(sv->probes[p].name, name) != 0)
		p++;
	return p;
}

/* service NULL: the only one that has such a probe. */
static int
find(const struct conf_agent *conf, const char *service, const char *name,
    struct run *out, struct err *err)
{
	size_t only = CHECKER_ALL, n = 0;

	if (service != NULL) {
		only = find_service(conf, service, err);
		if (only == CHECKER_ALL)
			return -1;
	}
	for (size_t s = 0; s < conf->n_services; s++) {
		const struct conf_service *sv = &conf->services[s];
		size_t p = find_probe(sv, name);

		if ((only != CHECKER_ALL && only != s) || p == sv->n_probes)
			continue;
		out->service = s;
		out->index = p;
		n++;
	}
	if (n == 1)
		return 0;
	if (n > 1) {
		return err_set(err, ERR_REFUSED,
		    "probe %s: %zu services have one, expected SERVICE/%s",
		    name, n, name);
	}
	return err_set(err, ERR_GONE, "probe %s: not %s %s", name,
	    service != NULL ? "of service" : "at site",
	    service != NULL ? service : conf->site);
}

/* ---- what is told ---- */

static json_t *
result_json(const struct agent *a, size_t s, size_t p,
    const struct probe_result *r)
{
	const struct conf_service *sv = &a->conf->services[s];
	const struct conf_probe *cp = &sv->probes[p];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "service",
	    sv->name, "probe", cp->name, "kind", conf_probe_kind_name(cp->kind),
	    "target", cp->target != NULL ? cp->target : cp->argv[0], "verdict",
	    probe_verdict_name(r->verdict), "health",
	    health_name(checker_probe(a->checker, s, p)->health), "detail",
	    r->detail, "rtt_us", (json_int_t)r->rtt_us);
}

static json_t *
service_json(const struct agent *a, size_t s)
{
	const struct conf_service *sv = &a->conf->services[s];
	json_t *probes = json_array();

	for (size_t p = 0; p < sv->n_probes; p++) {
		const struct checker_probe *known =
		    checker_probe(a->checker, s, p);
		struct probe_result r = { .verdict = known->last,
			.rtt_us = known->rtt_us };

		(void)text_copy(r.detail, sizeof(r.detail), known->detail);
		json_array_append_new(probes, result_json(a, s, p, &r));
	}
	return json_pack("{s:s, s:s, s:o}", "service", sv->name, "health",
	    health_name(checker_service(a->checker, s)), "probes", probes);
}

static json_t *
check_json(const struct agent *a, size_t service)
{
	json_t *list = json_array();

	for (size_t s = 0; s < a->conf->n_services; s++) {
		if (service == CHECKER_ALL || service == s)
			json_array_append_new(list, service_json(a, s));
	}
	return json_pack("{s:s, s:o}", "site", a->conf->site, "services", list);
}

/* ---- one probe, out of turn ---- */

static void
run_free(struct run *run)
{
	LIST_REMOVE(run, entry);
	run->pa->n_runs--;
	free(run);
}

static void
on_run_done(const struct probe_result *result, void *arg)
{
	struct run *run = arg;

	api_reply_json(run->req, 200,
	    result_json(run->pa->a, run->service, run->index, result));
	run_free(run);
}

static void
on_run_gone(struct api_request *req, void *arg)
{
	struct run *run = arg;

	(void)req;
	probe_cancel(run->probe);
	run_free(run);
}

/* The body as a JSON object with no other keys than these; -1 with err. */
static int
parse_run(json_t *body, const char **service, const char **name,
    struct err *err)
{
	json_error_t why;

	*service = NULL;
	if (body == NULL)
		return -1;
	if (json_unpack_ex(body, &why, JSON_STRICT, "{s?s, s:s}", "service",
		service, "probe", name) == -1)
		return err_set(err, ERR_CONF, "probe: %s", why.text);
	return 0;
}

static void
start_run(struct probe_api *pa, struct api_request *req, const struct run *what)
{
	const struct conf_agent *conf = pa->a->conf;
	struct run *run = xcalloc(1, sizeof(*run));

	*run = *what;
	run->pa = pa;
	run->req = req;
	LIST_INSERT_HEAD(&pa->runs, run, entry);
	pa->n_runs++;
	run->probe = probe_start(pa->a->probes,
	    &conf->services[run->service].probes[run->index], on_run_done, run);
	api_request_defer(req, on_run_gone, run);
}

static void
handle_run(struct api_request *req, void *arg)
{
	struct probe_api *pa = arg;
	const char *service, *name;
	struct run what = { 0 };
	struct err err;
	json_t *body = api_body_json(req, &err);
	int rc = parse_run(body, &service, &name, &err);

	if (rc == 0)
		rc = find(pa->a->conf, service, name, &what, &err);
	json_decref(body);
	if (rc == 0 && pa->n_runs == RUNS_MAX) {
		rc = err_set(&err, ERR_REFUSED,
		    "%u probes are being run out of turn already", RUNS_MAX);
	}
	if (rc == -1) {
		api_reply_err(req, &err);
	} else {
		start_run(pa, req, &what);
	}
}

/* ---- all probes, now ---- */

static void
check_free(struct check *check)
{
	LIST_REMOVE(check, entry);
	free(check);
}

static void
on_check_done(void *arg)
{
	struct check *check = arg;

	api_reply_json(check->req, 200,
	    check_json(check->pa->a, check->service));
	check_free(check);
}

static void
on_check_gone(struct api_request *req, void *arg)
{
	struct check *check = arg;

	(void)req;
	checker_round_cancel(check->round);
	check_free(check);
}

static void
start_check(struct probe_api *pa, struct api_request *req, size_t service)
{
	struct check *check = xcalloc(1, sizeof(*check));
	struct err err;

	*check = (struct check){ .pa = pa, .req = req, .service = service };
	check->round =
	    checker_check_now(pa->a->checker, service, on_check_done, check);
	if (check->round == NULL) {
		free(check);
		err_set(&err, ERR_REFUSED, "%u checks are waiting already",
		    CHECKER_ROUNDS_MAX);
		api_reply_err(req, &err);
		return;
	}
	LIST_INSERT_HEAD(&pa->checks, check, entry);
	api_request_defer(req, on_check_gone, check);
}

static void
handle_check(struct api_request *req, void *arg)
{
	struct probe_api *pa = arg;
	const struct conf_agent *conf = pa->a->conf;
	const char *name = NULL;
	size_t service = CHECKER_ALL;
	json_error_t why;
	struct err err;
	json_t *body = api_body_json(req, &err);
	int rc = body != NULL ? 0 : -1;

	if (rc == 0 &&
	    json_unpack_ex(body, &why, JSON_STRICT, "{s?s}", "service",
		&name) == -1)
		rc = err_set(&err, ERR_CONF, "check: %s", why.text);
	if (rc == 0 && name != NULL) {
		service = find_service(conf, name, &err);
		rc = service != CHECKER_ALL ? 0 : -1;
	}
	json_decref(body);
	if (rc == -1) {
		api_reply_err(req, &err);
	} else if (conf->n_services == 0) {
		api_reply_json(req, 200, check_json(pa->a, service));
	} else {
		start_check(pa, req, service);
	}
}

/* ---- life ---- */

struct probe_api *
probe_api_new(struct agent *a)
{
	struct probe_api *pa = xcalloc(1, sizeof(*pa));

	pa->a = a;
	LIST_INIT(&pa->runs);
	LIST_INIT(&pa->checks);
	return pa;
}

void
probe_api_free(struct probe_api *pa)
{
	if (pa == NULL)
		return;
	while (!LIST_EMPTY(&pa->runs)) {
		probe_cancel(LIST_FIRST(&pa->runs)->probe);
		run_free(LIST_FIRST(&pa->runs));
	}
	while (!LIST_EMPTY(&pa->checks)) {
		checker_round_cancel(LIST_FIRST(&pa->checks)->round);
		check_free(LIST_FIRST(&pa->checks));
	}
	free(pa);
}

void
probe_api_serve(struct probe_api *pa, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "POST", "/v1/probes/run", API_LOCAL, handle_run },
		{ "POST", "/v1/check", API_LOCAL, handle_check },
		{ 0 },
	};

	api_server_add(server, routes, pa);
}
