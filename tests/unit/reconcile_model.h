/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RECONCILE_MODEL_H
#define RECONCILE_MODEL_H
/*
 * reconcile_model -- a reconciler and the BIRD it steers: a fake one, which
 * keeps our routes as BIRD would, counts what it is asked and fails as told.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bird/include.h"
#include "fake_bird.h"
#include "reconcile_rig.h"
#include "test.h"

#define ROUTES_MAX 16u
#define SESSION "up-link.1"
#define HEADING                                                                \
	"2002-Name       Proto      Table      State  Since         Info\n"
#define SESSION_UP                                                             \
	"1002-" SESSION                                                        \
	"  BGP        ---        up     12:00:00.000  Established   \n"
#define SESSION_TRIES                                                          \
	"1002-" SESSION "  BGP        ---        start  12:00:00.000  Active\n"
#define OTHER_TRIES                                                            \
	"1002-lost1      BGP        ---        start  12:00:00.000  Active\n"
#define OTHER_DOWN "1002-lost1      BGP        ---        down   12:00:00.000\n"
#define OTHER_STOPS                                                            \
	"1002-lost1      BGP        ---        stop   12:00:00.000  Close\n"
#define PROTOCOLS HEADING SESSION_UP OTHER_TRIES "0000 \n"
#define PROTOCOLS_BY_HAND HEADING SESSION_UP OTHER_DOWN "0000 \n"
#define PROTOCOLS_STOPPING HEADING SESSION_UP OTHER_STOPS "0000 \n"
#define SESSION_DOWN                                                           \
	"1002-" SESSION "  BGP        ---        down   12:00:00.000\n"
#define PROTOCOLS_DISABLED HEADING SESSION_DOWN OTHER_TRIES "0000 \n"
#define PROTOCOLS_LOST HEADING SESSION_TRIES OTHER_TRIES "0000 \n"
#define SYNTAX_ERROR "9001 syntax error, unexpected CF_SYM_UNDEFINED\n"

/* A BIRD as far as we see it. */
struct model {
	struct recon rec;
	struct fake_bird fake;
	char include[128];
	char folder[96];
	struct bird_route routes[ROUTES_MAX]; /* of our statics */
	size_t n_routes;
	bool has_include;                     /* bird.conf names our file */
	bool has_export;                      /* ... and export.conf */
	struct bird_route before[ROUTES_MAX]; /* to go back to */
	size_t n_before;
	bool is_pending; /* waits for a confirm */
	unsigned loads;  /* reconfigurations of any kind */
	unsigned confirms, undos;
	const char *protocols;       /* now */
	const char *protocols_after; /* from the next configure on */
	unsigned clock_ms;  /* by which BIRD reckons both times later */
	bool keeps_exports; /* says exported what is withdrawn */
	unsigned checks, configures, listings, statuses;
	unsigned surveys; /* each asks for the status once */
	/* Faults; each counts down where it is a number. */
	const char *check_reply; /* instead of 0020 */
	const char *configure_reply;
	unsigned progress_polls; /* `show status`es until it is through */
	void (*tamper)(struct model *m); /* once, while BIRD checks */
	bool is_loading;
	unsigned cut_off; /* listings that end with 8004 */
	const char *cut_off_on;
	const char *silent_on; /* such commands get no reply */
	bool ignores_file;     /* loads nothing */
	bool loses_file;       /* gone once it is loaded, as from a bad disk */
	char reply[8192];
};

static inline void
model_load(struct model *m)
{
	char *text = bird_include_read(m->include, NULL);

	assert_non_null(text);
	m->is_loading = false;
	m->loads++;
	memcpy(m->before, m->routes, sizeof(m->before));
	m->n_before = m->n_routes;
	if (m->protocols_after != NULL)
		m->protocols = m->protocols_after;
	if (!m->ignores_file)
		m->n_routes = bird_include_parse(text, m->routes, ROUTES_MAX);
	free(text);
}

static inline bool
has_start(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* "show route all … where …": those with attributes. */
static inline const char *
model_list_attrs(struct model *m, bool v4)
{
	size_t len = (size_t)snprintf(m->reply, sizeof(m->reply),
	    "1007-Table master4:\n");

	for (size_t i = 0; i < m->n_routes; i++) {
		const struct bird_route *r = &m->routes[i];
		char text[PREFIX_TEXT_BYTES];

		if (r->prefix.is_ipv4 != v4 ||
		    (!r->attrs.graceful_shutdown && r->attrs.prepend == 0))
			continue;
		len += (size_t)snprintf(m->reply + len, sizeof(m->reply) - len,
		    "1007-%s blackhole [%s 12:00] * (200)\n"
		    "1008-\tType: static univ\n"
		    "1012-\tanycastd_prepend: %u\n"
		    " \tanycastd_graceful_shutdown: %d\n",
		    prefix_format(&r->prefix, text),
		    v4 ? BIRD_STATIC4 : BIRD_STATIC6, r->attrs.prepend,
		    r->attrs.graceful_shutdown);
	}
	(void)snprintf(m->reply + len, sizeof(m->reply) - len, "0000 \n");
	return m->reply;
}

/* "show route 192.0.2.0/24 exported 'up-link.1'" */
static inline const char *
model_exported(struct model *m, const char *command)
{
	const char *net = command + strlen("show route ");

	for (size_t i = 0; i < (m->keeps_exports ? m->n_before : m->n_routes);
	     i++) {
		const struct bird_route *r =
		    m->keeps_exports ? &m->before[i] : &m->routes[i];
		char text[PREFIX_TEXT_BYTES];
		size_t n = strlen(prefix_format(&r->prefix, text));

		if (strncmp(net, text, n) != 0 || net[n] != ' ')
			continue;
		(void)snprintf(m->reply, sizeof(m->reply),
		    "1007-Table master4:\n %s blackhole [%s 12:00] * (200)\n"
		    "0000 \n",
		    text, r->prefix.is_ipv4 ? BIRD_STATIC4 : BIRD_STATIC6);
		return m->reply;
	}
	return "8001 Network not found\n";
}

static inline const char *
model_list(struct model *m, const char *command, bool v4, bool v6)
{
	bool is_cut_off = m->cut_off > 0 && has_start(command, m->cut_off_on);
	size_t len = (size_t)snprintf(m->reply, sizeof(m->reply),
	    "1007-Table master4:\n");

	m->listings++;
	for (size_t i = 0; i < m->n_routes; i++) {
		const struct prefix *p = &m->routes[i].prefix;
		char text[PREFIX_TEXT_BYTES];

		if (p->is_ipv4 ? !v4 : !v6)
			continue;
		len += (size_t)snprintf(m->reply + len, sizeof(m->reply) - len,
		    " %s blackhole [%s 12:00] * (200)\n",
		    prefix_format(p, text),
		    p->is_ipv4 ? BIRD_STATIC4 : BIRD_STATIC6);
		/* Half a listing: a reconfiguration came in between. */
		if (is_cut_off)
			break;
	}
	(void)snprintf(m->reply + len, sizeof(m->reply) - len, "%s",
	    is_cut_off ? "8004 Stopped due to reconfiguration\n" : "0000 \n");
	m->cut_off -= is_cut_off;
	return m->reply;
}

static inline const char *
model_status(struct model *m)
{
	m->surveys++;
	if (m->is_loading) {
		m->statuses++;
		if (m->progress_polls > 0 && --m->progress_polls > 0) {
			return "1000-BIRD 2.0.12\n"
			       "0013 Reconfiguration in progress\n";
		}
		model_load(m);
	}
	(void)snprintf(m->reply, sizeof(m->reply),
	    "1000-BIRD 2.0.12\n1011-Router ID is 10.0.0.1\n"
	    " Last reboot on 2026-11-26 11:59:%02u.%03u\n"
	    " Last reconfiguration on 2026-11-26 12:00:%02u.%03u\n"
	    "0013 Daemon is up and running\n",
	    m->clock_ms / 1000, m->clock_ms % 1000,
	    m->loads % 50 + m->clock_ms / 1000, m->clock_ms % 1000);
	return m->reply;
}

static inline const char *
model_confirm(struct model *m)
{
	bool was_pending = m->is_pending;

	m->is_pending = false;
	m->confirms++;
	return was_pending ? "0018 Reconfiguration confirmed\n"
			   : "0019 Nothing to do\n";
}

static inline const char *
model_undo(struct model *m)
{
	if (!m->is_pending)
		return "0019 Nothing to do\n";
	m->undos++;
	m->loads++;
	m->is_pending = false;
	memcpy(m->routes, m->before, sizeof(m->routes));
	m->n_routes = m->n_before;
	m->protocols = PROTOCOLS;
	return "0021-Undo requested\n0003 Reconfigured\n";
}

static inline const char *
model_configure(struct model *m)
{
	m->configures++;
	m->is_pending = m->configure_reply == NULL || m->progress_polls > 0;
	if (m->progress_polls > 0) {
		m->is_loading = true;
	} else if (m->configure_reply == NULL) {
		model_load(m);
	}
	if (m->loses_file)
		(void)unlink(m->include);
	return m->configure_reply != NULL
	    ? m->configure_reply
	    : "0002-Reading configuration from bird.conf\n"
	      "0022-Undo scheduled in 10 s\n0003 Reconfigured\n";
}

static inline const char *
model_answer(struct fake_bird *fake, const char *command)
{
	struct model *m = fake->arg;

	if (m->silent_on != NULL && has_start(command, m->silent_on))
		return NULL;
	/* A lookup that a reconfiguration came into. */
	if (m->cut_off > 0 && strstr(command, " exported ") != NULL &&
	    has_start(command, m->cut_off_on)) {
		m->cut_off--;
		return "8004 Stopped due to reconfiguration\n";
	}
	if (strcmp(command, "configure check") == 0) {
		m->checks++;
		if (m->tamper != NULL)
			m->tamper(m);
		m->tamper = NULL;
		return m->check_reply != NULL
		    ? m->check_reply
		    : "0002-Reading\n0020 Configuration OK\n";
	}
	if (has_start(command, "configure soft timeout "))
		return model_configure(m);
	if (strcmp(command, "configure confirm") == 0)
		return model_confirm(m);
	if (strcmp(command, "configure undo") == 0)
		return model_undo(m);
	if (strcmp(command, "show status") == 0)
		return model_status(m);
	if (strcmp(command, "show protocols") == 0)
		return m->protocols;
	if (!m->has_include)
		return SYNTAX_ERROR;
	if (strcmp(command, "show route protocol " BIRD_STATIC4) == 0)
		return model_list(m, command, true, false);
	if (strcmp(command, "show route protocol " BIRD_STATIC6) == 0)
		return model_list(m, command, false, true);
	if (has_start(command, "show route all protocol " BIRD_STATIC4))
		return m->has_export ? model_list_attrs(m, true) : SYNTAX_ERROR;
	if (has_start(command, "show route all protocol " BIRD_STATIC6)) {
		return m->has_export ? model_list_attrs(m, false)
				     : SYNTAX_ERROR;
	}
	/* As BIRD: a name with such letters in it must be quoted. */
	if (has_start(command, "show route ") &&
	    strstr(command, " exported '" SESSION "'") != NULL)
		return model_exported(m, command);
	return SYNTAX_ERROR;
}

static inline int
model_make(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	(void)signal(SIGPIPE, SIG_IGN);
	m->rec.lp = loop_new();
	m->has_include = true;
	m->has_export = true;
	m->protocols = PROTOCOLS;
	fake_init(&m->fake, m->rec.lp);
	m->fake.answer = model_answer;
	m->fake.arg = m;
	(void)snprintf(m->folder, sizeof(m->folder), "%s/var", m->fake.dir);
	assert_int_equal(mkdir(m->folder, 0755), 0);
	(void)snprintf(m->include, sizeof(m->include), "%s/bird.conf",
	    m->folder);
	m->rec.conf = (struct conf_bird){ .socket = m->fake.path,
		.include = m->include,
		.poll_ms = RIG_POLL_MS,
		.timeout_ms = RIG_TIMEOUT_MS };
	*state = m;
	return 0;
}

static inline void
remove_beside(const struct model *m, const char *tail)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s%s", m->include, tail);
	(void)unlink(path);
}

static inline int
model_remove(void **state)
{
	struct model *m = *state;

	reconcile_free(m->rec.r);
	remove_beside(m, "");
	remove_beside(m, ".old");
	remove_beside(m, ".sessions");
	remove_beside(m, ".protocols");
	(void)rmdir(m->folder);
	fake_fini(&m->fake);
	loop_free(m->rec.lp);
	free(m);
	return 0;
}

/* A reconciler that has announced `wanted`; its counts begin anew. */
static inline struct model *
model_with(void **state, unsigned wanted)
{
	struct model *m = *state;

	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	recon_want(&m->rec, wanted);
	WAIT_UNTIL(m->rec.lp, m->rec.converged > 0 && recon_is_equal(&m->rec));
	/* The first file, too, is a change. */
	WAIT_UNTIL(m->rec.lp,
	    access(m->include, F_OK) == 0 && reconcile_is_idle(m->rec.r));
	loop_idle(m->rec.lp, 2 * RIG_POLL_MS);
	WAIT_UNTIL(m->rec.lp, reconcile_is_idle(m->rec.r));
	m->checks = m->configures = m->listings = 0;
	memset(m->rec.changes, 0, sizeof(m->rec.changes));
	m->rec.n_notices = 0;
	return m;
}

static inline void
assert_file_has(const struct model *m, unsigned wanted)
{
	struct bird_route had[ROUTES_MAX];
	char *text = bird_include_read(m->include, NULL);
	size_t n = bird_include_parse(text, had, ROUTES_MAX);
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < RIG_PREFIXES; k++) {
			if (prefix_equal(&had[i].prefix, &m->rec.prefixes[k]))
				bits |= 1u << k;
		}
	}
	free(text);
	assert_int_equal(bits, wanted);
}

/* The reconciler looked at BIRD so many times more. */
static inline void
model_wait_surveys(const struct model *m, unsigned more)
{
	unsigned before = m->surveys;

	WAIT_UNTIL(m->rec.lp, m->surveys >= before + more);
}

/* One case, with a model of its own. */
#define MODEL_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, model_make, model_remove)

#endif /* RECONCILE_MODEL_H */
