/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastd/daemon.h"
#include "anycastd/leave.h"
#include "anycastd/pulse.h"
#include "anycastd/reload.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/common.h"
#include "api/metrics.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/rights.h"
#include "base/tls.h"
#include "base/version.h"
#include "base/worker.h"
#include "base/xalloc.h"
#include "feeds/collector.h"
#include "feeds/feeds.h"
#include "feeds/feeds_metrics.h"
#include "fleet/controller.h"
#include "fleet/fleet_metrics.h"
#include "probes/probe.h"
#include "probes/sweep.h"
#include "site/agent.h"
#include "site/agent_metrics.h"
#include "site/will.h"
#include "store/query.h"
#include "store/store.h"

/* How long a clean end waits for the last rows to be on disk. */
#define STORE_WAIT_MS 5000
#define STORE_STEP_MS 20
/* The last daemon may still be ending. */
#define LOCK_WAIT_MS 10000

enum worker_index {
	WORKER_STORE,
	WORKER_PINGER,
	WORKER_RUNNER,
	WORKER_METER,
	WORKER_SWEEPER,
	WORKER_COLLECTOR,
	WORKER_COUNT
};

/* Names have at most 15 bytes: they are the processes' names too. */
static const struct worker_kind kinds[WORKER_COUNT] = {
	[WORKER_STORE] = { "anycastd-store", store_main, 0,
	    WALL_READ | WALL_FILES },
	[WORKER_PINGER] = { "anycastd-pinger", pinger_main, RIGHT_NET_RAW,
	    WALL_READ | WALL_NET | WALL_FORK },
	[WORKER_RUNNER] = { "anycastd-runner", runner_main, 0, WALL_OPEN },
	[WORKER_METER] = { "anycastd-meter", runner_main,
	    RIGHT_NET_ADMIN | RIGHT_HANDED_ON, WALL_OPEN },
	[WORKER_SWEEPER] = { "anycastd-sweep", sweeper_main, RIGHT_NET_RAW,
	    WALL_READ | WALL_NET | WALL_RAW },
	[WORKER_COLLECTOR] = { "anycastd-feeds", collector_main, 0,
	    WALL_READ | WALL_NET },
};

#define DESCRIPTORS 65536
#define EXPIRE_EVERY_MS 60000
/* Until then the clock of a machine that has just started may be wrong. */
#define EXPIRE_FIRST_MS 600000

struct daemon {
	/* In force; a role goes on with the one before if it is the same. */
	struct conf *conf, *agent_conf, *controller_conf;
	struct loop *lp;
	struct keeper *keeper;
	struct store *store;
	struct mono expired; /* when the store was last asked to */
	struct query *query;
	struct fetch_engine *fetch;
	struct api_server *server;
	struct api_events *events;
	struct metrics_page *metrics;
	int64_t started_ms; /* wall */
	struct feeds *feeds;
	struct agent *agent;
	struct controller *controller;
	struct loop_signal *sigterm, *sigint, *sighup;
	struct reload *reload;
	struct pulse *pulse;
	struct leave *leave;
	int lock;
	bool keeper_lost;
	bool
	    is_door_closed; /* to agents: their certificates cannot be judged */
};

/* For the connections of a large fleet (api/server.h); the workers have what they
 * had. */
static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < DESCRIPTORS) {
		limit.rlim_cur =
		    limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
on_stop_signal(struct loop *lp, int signo, void *arg)
{
	(void)arg;
	log_info("daemon: stopping: signal %d, routes stay as they are", signo);
	notify_supervisor("STOPPING=1");
	loop_stop(lp);
}

static void
on_keeper_lost(void *arg)
{
	struct daemon *d = arg;

	d->keeper_lost = true;
	loop_stop(d->lp);
}

static void
on_store_alarm(const char *text, void *arg)
{
	(void)arg;
	if (text != NULL) {
		log_warnx("store: %s", text);
	} else {
		log_info("store: writing again");
	}
}

static struct controller *
make_controller(const struct daemon *d, const struct conf *conf,
    struct err *err)
{
	struct controller_env env = { .lp = d->lp,
		.store = d->store,
		.query = d->query,
		.feeds = d->feeds,
		.conf = conf };

	return controller_new(&env, err);
}

static struct agent *
make_agent(const struct daemon *d, const struct conf *conf, struct err *err)
{
	struct agent_env env = { .lp = d->lp,
		.keeper = d->keeper,
		.store = d->store,
		.query = d->query,
		.fetch = d->fetch,
		.feeds = d->feeds,
		.conf = conf,
		.kind_pinger = WORKER_PINGER,
		.kind_runner = WORKER_RUNNER,
		.kind_meter = WORKER_METER,
		.kind_sweeper = WORKER_SWEEPER,
		.from = d->agent };

	return agent_new(&env, err);
}

static int
start_feeds(struct daemon *d, struct err *err)
{
	struct feeds_env env = { .lp = d->lp,
		.keeper = d->keeper,
		.kind_collector = WORKER_COLLECTOR,
		.store = d->store,
		.query = d->query,
		.conf = d->conf };

	d->feeds = feeds_new(&env, err);
	return d->feeds != NULL ? 0 : -1;
}

static int
start_roles(struct daemon *d, struct err *err)
{
	if (d->conf->controller != NULL) {
		d->controller = make_controller(d, d->conf, err);
		if (d->controller == NULL)
			return -1;
		d->controller_conf = d->conf;
	}
	if (d->conf->agent != NULL) {
		d->agent = make_agent(d, d->conf, err);
		if (d->agent == NULL)
			return -1;
		d->agent_conf = d->conf;
	}
	return 0;
}

static void try_door(struct daemon *d);

static bool
on_turn(void *arg)
{
	struct daemon *d = arg;

	if (d->is_door_closed)
		try_door(d);
	return d->agent == NULL || agent_turn(d->agent);
}

/* A part of what is too old, now and then; not while the store is behind. */
static void
expire(struct daemon *d)
{
	const struct conf_retention *keep = &d->conf->retention;
	struct mono now = mono_now();
	int64_t wall_ms = wall_now_ms();

	if (mono_diff_ms(now, d->expired) < EXPIRE_EVERY_MS ||
	    store_backlog(d->store) > 0)
		return;
	d->expired = now;
	store_expire(d->store,
	    keep->events_ms > 0 ? wall_ms - keep->events_ms : 0,
	    keep->outcomes_ms > 0 ? wall_ms - keep->outcomes_ms : 0);
}

static bool
on_store_watch(void *arg)
{
	struct daemon *d = arg;

	expire(d);
	return store_watch(d->store);
}

static void
own_metrics(struct metrics *m, void *arg)
{
	const struct daemon *d = arg;

	metrics_add(m, METRIC_BUILD_INFO, 1, METRIC_LABELS(anycastd_version()));
	metrics_add(m, METRIC_START_TIME, d->started_ms, METRIC_NO_LABELS);
	metrics_add(m, METRIC_STORE_BACKLOG, (int64_t)store_backlog(d->store),
	    METRIC_NO_LABELS);
	metrics_add(m, METRIC_LOOP_STALL_LONGEST,
	    pulse_longest_stall_ms(d->pulse), METRIC_NO_LABELS);
	metrics_add(m, METRIC_LOOP_STALLS, (int64_t)pulse_stalls(d->pulse),
	    METRIC_NO_LABELS);
	if (d->conf->tls.certificate != NULL) {
		metrics_add(m, METRIC_CERTIFICATE_END,
		    tls_certificate_end_ms(d->conf->tls.certificate),
		    METRIC_NO_LABELS);
	}
}

static void
serve_metrics(struct daemon *d)
{
	d->metrics = metrics_page_new();
	metrics_page_add(d->metrics, own_metrics, d);
	metrics_page_add(d->metrics, api_server_metrics, d->server);
	if (d->agent != NULL)
		metrics_page_add(d->metrics, agent_metrics, d->agent);
	if (d->controller != NULL)
		metrics_page_add(d->metrics, fleet_metrics, d->controller);
	metrics_page_add(d->metrics, feeds_metrics, d->feeds);
	metrics_page_serve(d->metrics, d->server);
}

static void
make_leave(struct daemon *d)
{
	const struct leave_env env = { .lp = d->lp,
		.store = d->store,
		.agent = d->agent,
		.site = d->agent != NULL ? d->agent_conf->agent->site : NULL };

	d->leave = leave_new(&env);
}

/* All that is served points to the roles as they are now. */
static void
serve_all(struct daemon *d)
{
	api_server_clear(d->server);
	metrics_page_free(d->metrics);
	if (d->controller != NULL)
		controller_serve(d->controller, d->server);
	if (d->agent != NULL) {
		/* With both roles people talk to the controller. */
		if (d->controller == NULL)
			agent_serve(d->agent, d->server);
		agent_serve_probes(d->agent, d->server);
	}
	api_events_serve(d->events, d->server);
	serve_metrics(d);
	leave_serve(d->leave, d->server);
	reload_serve(d->reload, d->server);
}

static int
listen_where(struct daemon *d, const struct conf *conf, struct err *err)
{
	const struct conf_controller *controller = conf->controller;
	const struct tls_files tls = conf_tls_files(&conf->tls);
	const struct api_places places = { .local = conf->socket,
		.local_read = conf->read_socket,
		.local_read_mode = conf->read_socket_group ? 0660 : 0666,
		.tcp = controller != NULL && !d->is_door_closed
		    ? controller->listen
		    : NULL,
		.tls = tls.certificate != NULL ? &tls : NULL,
		.read = conf->metrics,
		.sites =
		    controller != NULL ? (unsigned)controller->n_sites : 0 };

	return api_server_listen(d->server, &places, err);
}

/* Rather nobody than anybody. */
static void
close_door(struct daemon *d, const char *why)
{
	log_warnx("%s: no agent is let in until that is mended", why);
	d->is_door_closed = true;
}

/* What the site announces does not wait for certificates: with both roles only
 * the agents of other sites do. */
static int
listen_first(struct daemon *d, struct err *err)
{
	struct err why;

	if (d->conf->agent != NULL && d->conf->controller != NULL &&
	    daemon_check_tls(d->conf, &why) == -1)
		close_door(d, why.msg);
	return listen_where(d, d->conf, err);
}

/* After a reload that failed half way. */
static void
listen_back(struct daemon *d)
{
	struct err err;

	if (listen_where(d, d->conf, &err) == 0)
		return;
	close_door(d, err.msg);
	(void)listen_where(d, d->conf, NULL);
}

static void
try_door(struct daemon *d)
{
	struct err err;

	if (daemon_check_tls(d->conf, &err) == -1)
		return;
	d->is_door_closed = false;
	if (listen_where(d, d->conf, &err) == -1) {
		d->is_door_closed = true;
		return;
	}
	log_info("tls: agents are let in");
}

static int
check_folder(const char *what, const char *file, struct err *err)
{
	char *copy = xstrdup(file);
	const char *folder = dirname(copy);
	int rc = 0;

	if (access(folder, W_OK | X_OK) == -1)
		rc = err_sys(err, "%s: %s: folder %s", what, file, folder);
	free(copy);
	return rc;
}

int
daemon_check_folders(const struct conf *conf, struct err *err)
{
	if (check_folder("store", conf->store, err) == -1 ||
	    check_folder("socket", conf->socket, err) == -1)
		return -1;
	if (conf->agent == NULL)
		return 0;
	return check_folder("bird.include", conf->agent->bird.include, err);
}

int
daemon_check_tls(const struct conf *conf, struct err *err)
{
	const struct tls_files files = conf_tls_files(&conf->tls);
	struct tls *tls;

	if (files.certificate == NULL)
		return 0;
	tls = tls_new(&files, err);
	tls_free(tls);
	return tls != NULL ? 0 : -1;
}

static void
start_pulse(struct daemon *d)
{
	const struct pulse_ops ops = {
		.turn = on_turn, .store_is_well = on_store_watch, .arg = d
	};

	d->pulse = pulse_new(d->lp, d->keeper, &ops);
}

/* ---- reload ---- */

static bool
is_same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool
is_other_site(const struct conf *a, const struct conf *b)
{
	if ((a->agent == NULL) != (b->agent == NULL))
		return true;
	return a->agent != NULL &&
	    !is_same_text(a->agent->site, b->agent->site);
}

/* Other processes hold on to these, or people do. */
static int
on_reload_check(const struct conf *fresh, void *arg, struct err *err)
{
	const struct daemon *d = arg;
	const char *key = NULL;

	if (!is_same_text(fresh->store, d->conf->store)) {
		key = "store";
	} else if (!is_same_text(fresh->socket, d->conf->socket)) {
		key = "socket";
	} else if (is_other_site(fresh, d->conf)) {
		key = "site";
	} else if ((fresh->controller == NULL) !=
	    (d->conf->controller == NULL)) {
		key = "fleet";
	}
	if (key != NULL) {
		return err_set(err, ERR_CONF,
		    "%s: %s: cannot change while the daemon runs, restart it",
		    fresh->file, key);
	}
	if (daemon_check_folders(fresh, err) == -1)
		return -1;
	return daemon_check_tls(fresh, err);
}

/* What the roles read anew from the store must be in it. */
static const char *
on_reload_wait(bool *must, void *arg)
{
	const struct daemon *d = arg;

	*must = store_backlog(d->store) > 0;
	if (*must)
		return "the store does not write";
	return d->agent != NULL && !agent_is_idle(d->agent)
	    ? "a change of routes is under way"
	    : NULL;
}

static const struct conf *
on_reload_conf(void *arg)
{
	const struct daemon *d = arg;

	return d->conf;
}

/* The part of the configuration that a role is made from. */
static bool
is_same_role(const struct conf *a, const struct conf *b, bool is_agent)
{
	struct conf x = *a, y = *b;
	char *s, *t;
	bool is_same;

	x.metrics = y.metrics = x.read_socket = y.read_socket = NULL;
	x.read_socket_group = y.read_socket_group = false;
	if (is_agent) {
		x.controller = y.controller = NULL;
	} else {
		x.agent = y.agent = NULL;
	}
	s = conf_format(&x);
	t = conf_format(&y);
	is_same = strcmp(s, t) == 0;
	free(s);
	free(t);
	return is_same;
}

static void
swap_controller(struct daemon *d, struct conf *fresh,
    struct controller *controller)
{
	if (controller == NULL)
		return;
	controller_free(d->controller);
	d->controller = controller;
	d->controller_conf = fresh;
}

static void
swap_agent(struct daemon *d, struct conf *fresh, struct agent *agent)
{
	if (agent == NULL)
		return;
	agent_free(d->agent);
	d->agent = agent;
	d->agent_conf = fresh;
	leave_set_agent(d->leave, agent);
}

/* Frees those of before that nobody uses any more. */
static void
keep_confs(const struct daemon *d, struct conf *const *before, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_again = false;

		for (size_t k = 0; k < i; k++)
			is_again |= before[k] == before[i];
		if (!is_again && before[i] != d->conf &&
		    before[i] != d->agent_conf &&
		    before[i] != d->controller_conf)
			conf_free(before[i]);
	}
}

static int
on_reload_apply(struct conf *fresh, const struct api_request *asker, void *arg,
    struct err *err)
{
	struct daemon *d = arg;
	struct conf *const before[] = { d->conf, d->agent_conf,
		d->controller_conf };
	struct controller *controller = NULL;
	struct agent *agent = NULL;

	if (d->agent != NULL && agent_check_reload(d->agent, fresh, err) == -1)
		return -1;
	/* First what may fail and leaves no trace: a new controller publishes
	 * orders, and ends experiments that the old one runs. */
	d->is_door_closed = false;
	if (listen_where(d, fresh, err) == -1) {
		listen_back(d);
		return -1;
	}
	if (d->controller != NULL &&
	    !is_same_role(fresh, d->controller_conf, false)) {
		controller = make_controller(d, fresh, err);
		if (controller == NULL) {
			listen_back(d);
			return -1;
		}
	}
	if (d->agent != NULL && !is_same_role(fresh, d->agent_conf, true)) {
		agent = make_agent(d, fresh, err);
		if (agent == NULL) {
			controller_free(controller);
			listen_back(d);
			return -1;
		}
	}
	/* Those that wait for an answer of a role that goes. */
	if (controller != NULL || agent != NULL)
		api_server_hang_up(d->server, asker);
	swap_controller(d, fresh, controller);
	swap_agent(d, fresh, agent);
	feeds_reconf(d->feeds, fresh);
	d->conf = fresh;
	keep_confs(d, before, sizeof(before) / sizeof(before[0]));
	serve_all(d);
	return 0;
}

static void
on_hangup_signal(struct loop *lp, int signo, void *arg)
{
	struct daemon *d = arg;

	(void)lp;
	(void)signo;
	reload_on_signal(d->reload);
}

static void
make_reload(struct daemon *d)
{
	const struct reload_env env = { .lp = d->lp,
		.store = d->store,
		.ops = { .check = on_reload_check,
		    .wait_for = on_reload_wait,
		    .apply = on_reload_apply,
		    .conf = on_reload_conf,
		    .arg = d } };

	d->reload = reload_new(&env);
	d->sighup = loop_signal_new(d->lp, SIGHUP, on_hangup_signal, d);
}

/* ---- life ---- */

static int
start(struct daemon *d, struct err *err)
{
	char *lock_path = will_lock_path(d->conf);

	d->keeper = keeper_start(kinds, WORKER_COUNT, will_carry_out, err);
	if (d->keeper != NULL)
		d->lock = will_lock(lock_path, LOCK_WAIT_MS, err);
	free(lock_path);
	raise_descriptors();
	if (d->keeper == NULL || d->lock == -1 || rights_drop(0, err) == -1)
		return -1;
	/* Threads: libcurl looks names up in one. */
	if (wall_raise(WALL_READ | WALL_FILES | WALL_NET | WALL_THREADS, err) ==
	    -1)
		return -1;
	if (store_prepare(d->conf->store, err) == -1)
		return -1;
	d->query = query_open(d->conf->store, err);
	if (d->query == NULL)
		return -1;
	d->lp = loop_new();
	d->sigterm = loop_signal_new(d->lp, SIGTERM, on_stop_signal, d);
	d->sigint = loop_signal_new(d->lp, SIGINT, on_stop_signal, d);
	keeper_attach(d->keeper, d->lp, on_keeper_lost, d);
	d->store = store_new(d->keeper, WORKER_STORE, d->conf->store,
	    on_store_alarm, d);
	d->expired = mono_add_ms(mono_now(), EXPIRE_FIRST_MS - EXPIRE_EVERY_MS);
	d->fetch = fetch_engine_new(d->lp);
	d->server = api_server_new(d->lp);
	/* What may fail comes before the agent: once that has said what is to
	 * be done if this process dies, the keeper of the one before it goes. */
	if (start_feeds(d, err) == -1 || listen_first(d, err) == -1 ||
	    start_roles(d, err) == -1)
		return -1;
	start_pulse(d);
	d->events = api_events_new(d->lp, d->query);
	make_leave(d);
	make_reload(d);
	serve_all(d);
	return 0;
}

/* Rows that are still in this process would be lost with it. */
static void
drain_store(struct daemon *d)
{
	struct mono end = mono_add_ms(mono_now(), STORE_WAIT_MS);

	if (d->store == NULL)
		return;
	while (store_backlog(d->store) > 0 && mono_before(mono_now(), end))
		loop_step(d->lp, STORE_STEP_MS);
	if (store_backlog(d->store) > 0) {
		log_warnx("store: %zu rows were not written",
		    (size_t)store_backlog(d->store));
	}
}

static void
free_confs(struct daemon *d)
{
	struct conf *const all[] = { d->conf, d->agent_conf,
		d->controller_conf };

	d->conf = d->agent_conf = d->controller_conf = NULL;
	keep_confs(d, all, sizeof(all) / sizeof(all[0]));
}

/* In the opposite order; all are NULL-safe. */
static void
stop(struct daemon *d)
{
	pulse_free(d->pulse);
	api_server_free(d->server);
	leave_free(d->leave);
	reload_free(d->reload);
	agent_stop(d->agent);
	agent_free(d->agent);
	controller_free(d->controller);
	metrics_page_free(d->metrics);
	api_events_free(d->events);
	if (d->fetch != NULL)
		fetch_engine_free(d->fetch);
	feeds_save(d->feeds);
	drain_store(d);
	feeds_free(d->feeds);
	store_free(d->store);
	query_close(d->query);
	keeper_dismiss(d->keeper);
	loop_signal_free(d->sigterm);
	loop_signal_free(d->sigint);
	loop_signal_free(d->sighup);
	loop_free(d->lp);
	if (d->lock != -1)
		(void)close(d->lock);
	free_confs(d);
}

static void
note_start(struct daemon *d)
{
	struct store_event ev = { .kind = "daemon",
		.subject = "anycastd",
		.what = "started",
		.reason = anycastd_version() };

	log_info("daemon: started: version %s", anycastd_version());
	store_put_event(d->store, &ev);
}

int
daemon_run(struct conf *conf, struct err *err)
{
	struct daemon d = {
		.conf = conf, .lock = -1, .started_ms = wall_now_ms()
	};
	int rc = -1;

	if (daemon_check_folders(conf, err) == -1) {
		conf_free(conf);
		return -1;
	}
	/* No reason not to announce what is well; a controller refuses. */
	if (conf->controller == NULL && daemon_check_tls(conf, err) == -1)
		log_warnx("%s: the controller will not be reached", err->msg);
	(void)signal(SIGPIPE, SIG_IGN);
	if (start(&d, err) == 0) {
		note_start(&d);
		notify_supervisor("READY=1");
		loop_run(d.lp);
		rc = d.keeper_lost
		    ? err_set(err, ERR_GONE, "the keeper process died")
		    : 0;
	}
	stop(&d);
	return rc;
}
