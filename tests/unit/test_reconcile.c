/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Against a fake BIRD, which counts what it is asked and fails as told.  The
 * same against a real one: test_reconcile_bird.c.
 */
#include "site/reconcile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bird/include.h"
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
#define PROTOCOLS HEADING SESSION_UP OTHER_TRIES "0000 \n"
#define PROTOCOLS_BY_HAND HEADING SESSION_UP OTHER_DOWN "0000 \n"
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
	bool keeps_exports;          /* says exported what is withdrawn */
	unsigned checks, configures, listings, statuses;
	/* Faults; each counts down where it is a number. */
	const char *check_reply; /* instead of 0020 */
	const char *configure_reply;
	unsigned progress_polls; /* `show status`es until it is through */
	bool is_loading;
	unsigned cut_off; /* listings that end with 8004 */
	const char *cut_off_on;
	const char *silent_on; /* such commands get no reply */
	bool ignores_file;     /* loads nothing */
	char reply[8192];
};

static void
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

static bool
has_start(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* "show route all … where …": those with attributes. */
static const char *
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
static const char *
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

static const char *
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

static const char *
model_status(struct model *m)
{
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
	    " Last reconfiguration on 2026-11-26 12:00:%02u.000\n"
	    "0013 Daemon is up and running\n",
	    m->loads % 60);
	return m->reply;
}

static const char *
model_confirm(struct model *m)
{
	bool was_pending = m->is_pending;

	m->is_pending = false;
	m->confirms++;
	return was_pending ? "0018 Reconfiguration confirmed\n"
			   : "0019 Nothing to do\n";
}

static const char *
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

static const char *
model_configure(struct model *m)
{
	m->configures++;
	m->is_pending = m->configure_reply == NULL || m->progress_polls > 0;
	if (m->progress_polls > 0) {
		m->is_loading = true;
	} else if (m->configure_reply == NULL) {
		model_load(m);
	}
	return m->configure_reply != NULL
	    ? m->configure_reply
	    : "0002-Reading configuration from bird.conf\n"
	      "0022-Undo scheduled in 10 s\n0003 Reconfigured\n";
}

static const char *
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
		return m->check_reply != NULL
		    ? m->check_reply
		    : "0002-Reading\n0020 Configuration OK\n";
	}
	if (strcmp(command, "configure soft timeout 10") == 0)
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

static int
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

static void
remove_beside(const struct model *m, const char *tail)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s%s", m->include, tail);
	(void)unlink(path);
}

static int
model_remove(void **state)
{
	struct model *m = *state;

	reconcile_free(m->rec.r);
	remove_beside(m, "");
	remove_beside(m, ".old");
	remove_beside(m, ".protocols");
	(void)rmdir(m->folder);
	fake_fini(&m->fake);
	loop_free(m->rec.lp);
	free(m);
	return 0;
}

/* A reconciler that has announced `wanted`; its counts begin anew. */
static struct model *
model_with(void **state, unsigned wanted)
{
	struct model *m = *state;

	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	recon_want(&m->rec, wanted);
	WAIT_UNTIL(m->rec.lp, m->rec.converged > 0 && recon_is_equal(&m->rec));
	loop_idle(m->rec.lp, 2 * RIG_POLL_MS);
	m->checks = m->configures = m->listings = 0;
	memset(m->rec.changes, 0, sizeof(m->rec.changes));
	m->rec.n_notices = 0;
	return m;
}

static void
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

/* ---- the way it should go ---- */

static void
test_every_set_of_prefixes(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned wanted = 0; wanted < 1u << RIG_PREFIXES; wanted++) {
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_file_has(m, wanted);
		for (size_t i = 0; i < RIG_PREFIXES; i++) {
			assert_int_equal(reconcile_exported_to(m->rec.r, i),
			    wanted >> i & 1);
		}
	}
	/* One change, one configure. */
	assert_int_equal(m->configures, (1u << RIG_PREFIXES) - 1);
	assert_int_equal(recon_bird(&m->rec).sessions_up, 1);
	assert_int_equal(recon_bird(&m->rec).sessions_all, 2);
	assert_string_equal(recon_bird(&m->rec).version, "2.0.12");
	assert_string_equal(recon_bird(&m->rec).last_error, "");
}

static void
test_nothing_is_done_when_nothing_changes(void **state)
{
	struct model *m = model_with(state, 5);
	struct stat before, after;

	assert_int_equal(stat(m->include, &before), 0);
	for (unsigned i = 0; i < 20; i++) {
		recon_want(&m->rec, 5);
		loop_step(m->rec.lp, 5);
	}
	/* Thought better of it before it was carried out. */
	reconcile_want(m->rec.r, 1, (struct route_want){ .announced = true });
	reconcile_want(m->rec.r, 1, (struct route_want){ 0 });
	reconcile_apply(m->rec.r);
	loop_idle(m->rec.lp, 5 * RIG_POLL_MS);
	assert_int_equal(m->checks + m->configures, 0);
	assert_true(m->listings > 0);
	assert_int_equal(stat(m->include, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(m->rec.n_notices, 0);
}

static void
test_restart_changes_nothing(void **state)
{
	struct model *m = model_with(state, 9);

	recon_restart(&m->rec);
	assert_true(reconcile_wanted(m->rec.r, 0));
	assert_false(reconcile_wanted(m->rec.r, 1));
	assert_false(reconcile_wanted(m->rec.r, 2));
	assert_true(reconcile_wanted(m->rec.r, 3));
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 9);
}

static void
test_burst_of_wants_takes_few_configures(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < 100; i++) {
		recon_want(&m->rec, i % (1u << RIG_PREFIXES));
		if (i % 10 == 0)
			loop_step(m->rec.lp, 1);
	}
	recon_want(&m->rec, 6);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 6);
	assert_in_range(m->configures, 1, 8);
}

/* Wanted, and wanted no more, while the first is under way: the last wins. */
static void
test_change_during_a_change(void **state)
{
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < 20; i++) {
		unsigned wanted = 1u << i % RIG_PREFIXES;

		recon_want(&m->rec, 15);
		for (unsigned k = 0; k < i; k++)
			loop_step(m->rec.lp, 1);
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_file_has(m, wanted);
	}
}

/* ---- BIRD takes its time ---- */

static void
check_waits(void **state, const char *reply)
{
	struct model *m = model_with(state, 0);

	m->progress_polls = 5;
	m->configure_reply = reply;
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	m->configure_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	/* Not announced before it was, and not asked for twice. */
	assert_int_equal(m->progress_polls, 0);
	assert_int_equal(m->statuses, 5);
	assert_int_equal(m->configures, 1);
	assert_int_equal(m->rec.changes[0][REAL_ANNOUNCED], 1);
	assert_int_equal(m->rec.n_notices, 0);
}

static void
test_reconfiguration_in_progress_is_waited_out(void **state)
{
	check_waits(state, "0002-Reading\n0004 Reconfiguration in progress\n");
}

static void
test_queued_reconfiguration_is_waited_out(void **state)
{
	check_waits(state,
	    "0002-Reading\n"
	    "0005 Reconfiguration already in progress, queueing new config\n");
}

/* A listing that was cut off tells nothing: nobody is told "withdrawn". */
static void
test_cut_off_listing_is_read_again(void **state)
{
	static const char *const listings[] = { "show route protocol anycastd4",
		"show route protocol anycastd6",
		"show route 198.51.100.0/24 exported" };
	struct model *m = model_with(state, 15);

	for (size_t k = 0; k < TEST_COUNT(listings); k++) {
		m->cut_off_on = listings[k];
		m->cut_off = 3;
		for (unsigned polls = 0; polls < 40; polls++) {
			loop_step(m->rec.lp, 5);
			assert_int_equal(recon_real(&m->rec), 15);
			assert_int_equal(reconcile_exported_to(m->rec.r, 0), 1);
			assert_int_equal(reconcile_exported_to(m->rec.r, 3), 1);
		}
		WAIT_UNTIL(m->rec.lp, m->cut_off == 0);
	}
	assert_int_equal(m->configures, 0);
	assert_int_equal(m->rec.n_notices, 0);
}

/* ---- BIRD refuses ---- */

static void
check_refused(struct model *m, const char *text)
{
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, m->rec.n_notices > 0);
	assert_non_null(recon_notice(&m->rec, text));
	assert_non_null(strstr(recon_bird(&m->rec).last_error, text));
	assert_int_equal(recon_real(&m->rec), 0);
	assert_true(reconcile_diverged_ms(m->rec.r, 0) >= 0);
	/* Tried again, with less and less haste, and said only once. */
	loop_idle(m->rec.lp, 1200);
	assert_int_equal(m->rec.n_notices, 1);
	assert_in_range(m->checks, 2, 6);
	assert_true(reconcile_diverged_ms(m->rec.r, 0) >= 1000);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_CONNECTED);
}

static void
check_mended(struct model *m)
{
	m->check_reply = m->configure_reply = NULL;
	m->ignores_file = false;
	m->has_include = true;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).last_error[0] == '\0');
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
}

static void
test_refused_by_the_check(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "0002-Reading\n8002 other.conf:7:1 syntax error\n";
	check_refused(m, "other.conf:7:1 syntax error");
	/* Never loaded, but kept for whoever mends the rest. */
	assert_int_equal(m->configures, 0);
	assert_file_has(m, 3);
	check_mended(m);
}

static void
test_refused_by_configure(void **state)
{
	struct model *m = model_with(state, 0);

	m->configure_reply =
	    "0002-Reading\n0006 Reconfiguration ignored, shutting down\n";
	check_refused(m, "Reconfiguration ignored");
	check_mended(m);
}

static void
test_access_denied(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "8007 Access denied\n";
	check_refused(m, "Access denied");
	check_mended(m);
}

/* Taken, found wrong, undone, and the old file is back. */
static void
check_undone(struct model *m, const char *text)
{
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(strstr(recon_notice(&m->rec, "bird: change undone"),
	    text));
	assert_int_equal(m->undos, 1);
	assert_false(m->is_pending);
	assert_file_has(m, 0);
	WAIT_UNTIL(m->rec.lp,
	    strstr(recon_bird(&m->rec).last_error, text) != NULL);
	assert_int_equal(recon_real(&m->rec), 0);
	assert_int_equal(recon_bird(&m->rec).undone, 1);
}

static void
test_bird_has_other_routes_than_wanted(void **state)
{
	struct model *m = model_with(state, 0);

	m->ignores_file = true;
	check_undone(m, "other routes than wanted");
	check_mended(m);
}

static void
test_include_missing_in_bird_conf(void **state)
{
	struct model *m = model_with(state, 0);

	m->has_include = false;
	check_undone(m, m->include);
	check_mended(m);
}

/* Withdrawn in our table, and a session still has it. */
static void
test_withdrawn_and_still_exported(void **state)
{
	struct model *m = model_with(state, 3);

	m->confirms = 0;
	m->keeps_exports = true;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&m->rec, "still exported"));
	assert_int_equal(m->confirms, 0);
	assert_file_has(m, 3);
	m->keeps_exports = false;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
	WAIT_UNTIL(m->rec.lp, m->confirms == 1);
}

/* An edit of bird.conf that nobody had loaded takes a session down with ours:
 * undone, not tried again at once, and told why. */
static void
test_session_lost_by_the_change(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols_after = PROTOCOLS_LOST;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "bird: change undone") != NULL);
	assert_non_null(recon_notice(&m->rec, "session " SESSION));
	assert_non_null(recon_notice(&m->rec, "never loaded"));
	assert_file_has(m, 3);
	assert_int_equal(m->configures, 1);
	/* Not even for another wish. */
	recon_want(&m->rec, 2);
	loop_idle(m->rec.lp, 1500);
	assert_int_equal(m->configures, 1);
	assert_int_equal(recon_real(&m->rec), 3);
	/* Somebody loads the edit: it is as he wants it. */
	m->protocols_after = NULL;
	m->loads++;
	m->protocols = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 2);
	assert_int_equal(recon_bird(&m->rec).foreign, 1);
}

/* A session that fell a moment after the change fell by itself. */
static void
test_session_lost_later_is_not_ours(void **state)
{
	struct model *m = model_with(state, 3);

	m->ignores_file = true; /* the verification takes a while */
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	loop_idle(m->rec.lp, 100);
	m->protocols = PROTOCOLS_LOST;
	m->ignores_file = false;
	model_load(m);
	m->protocols = PROTOCOLS_LOST;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->undos, 0);
}

/* ---- what was done by hand ---- */

static void
test_disabled_by_hand_stops_the_change(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "not carried out") != NULL);
	assert_non_null(recon_notice(&m->rec, "disabled by hand: lost1"));
	loop_idle(m->rec.lp, 500);
	assert_int_equal(m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 3);
	assert_string_equal(recon_bird(&m->rec).by_hand, "lost1");
	/* Enabled again by hand: nothing to undo any more. */
	m->protocols = PROTOCOLS;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1);
	assert_string_equal(recon_bird(&m->rec).by_hand, "");
}

/* The file says so, or somebody reconfigured since: nothing by hand. */
static void
test_disabled_in_the_file_is_not_by_hand(void **state)
{
	struct model *m = model_with(state, 3);

	m->loads++;
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
	/* It was only starting, or somebody enabled it: no reason to wait, but
	 * should it go down again, that is by hand. */
	m->protocols = PROTOCOLS;
	recon_want(&m->rec, 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	WAIT_UNTIL(m->rec.lp, !m->is_pending);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	assert_int_equal(m->configures, 2);
}

/* A restarted daemon knows it from the list beside the include. */
static void
test_by_hand_outlives_a_restart(void **state)
{
	struct model *m = model_with(state, 3);

	m->protocols = PROTOCOLS_BY_HAND;
	recon_restart(&m->rec);
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp,
	    recon_notice(&m->rec, "disabled by hand: lost1") != NULL);
	loop_idle(m->rec.lp, 300);
	assert_int_equal(m->configures, 0);
}

static void
test_by_hand_is_overruled_as_configured(void **state)
{
	struct model *m = model_with(state, 3);

	m->rec.conf.overrule_hands = true;
	m->protocols = PROTOCOLS_BY_HAND;
	recon_want(&m->rec, 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 1);
}

/* ---- confirming ---- */

static void
test_each_change_is_confirmed_once(void **state)
{
	struct model *m = model_with(state, 0);

	m->confirms = 0;
	for (unsigned i = 1; i < 4; i++) {
		recon_want(&m->rec, i);
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		WAIT_UNTIL(m->rec.lp, !m->is_pending);
		assert_int_equal(m->confirms, i);
	}
	assert_int_equal(m->undos, 0);
	assert_int_equal(recon_bird(&m->rec).foreign, 0);
}

/* BIRD undid it, since we were too slow: begun again, and right in the end. */
static void
test_undone_by_bird_is_done_again(void **state)
{
	struct model *m = model_with(state, 0);

	m->silent_on = "configure confirm";
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	assert_true(m->is_pending);
	(void)model_undo(m);
	m->silent_on = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	assert_int_equal(m->configures, 2);
}

/* The daemon died between configure and confirm: the next one confirms. */
static void
test_change_cut_by_a_restart_is_confirmed(void **state)
{
	struct model *m = model_with(state, 0);
	unsigned configures;
	char old[160];

	m->silent_on = "configure confirm";
	recon_want(&m->rec, 3);
	/* Once, but on a machine so busy that replies come too late. */
	WAIT_UNTIL(m->rec.lp, m->configures > 0 && recon_is_equal(&m->rec));
	configures = m->configures;
	(void)snprintf(old, sizeof(old), "%s.old", m->include);
	assert_int_equal(access(old, F_OK), 0);
	m->silent_on = NULL;
	recon_restart(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_false(m->is_pending);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(m->configures, configures);
	assert_int_equal(recon_real(&m->rec), 3);
}

/* Our own file is refused: the one that BIRD can start with is put back. */
static void
test_our_file_refused(void **state)
{
	struct model *m = model_with(state, 1);
	char reply[200];

	(void)snprintf(reply, sizeof(reply),
	    "0002-Reading\n8002 %s:3:1 syntax error\n", m->include);
	m->check_reply = reply;
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, "syntax error") != NULL);
	assert_file_has(m, 1);
	assert_int_equal(m->configures, 0);
	m->check_reply = NULL;
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
}

/* ---- attributes ---- */

static void
want_attrs(struct model *m, struct route_attrs attrs)
{
	reconcile_want(m->rec.r, 0,
	    (struct route_want){ .announced = true, .attrs = attrs });
	reconcile_apply(m->rec.r);
}

static void
test_attributes_are_read_back(void **state)
{
	const struct route_attrs gentle = { true, 3 };
	struct model *m = model_with(state, 15);

	want_attrs(m, gentle);
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	WAIT_UNTIL(m->rec.lp,
	    route_attrs_equal(reconcile_real_attrs(m->rec.r, 0), gentle));
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
	/* A restart adopts them. */
	recon_restart(&m->rec);
	assert_true(route_attrs_equal(reconcile_get_want(m->rec.r, 0).attrs,
	    gentle));
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->configures, 1);
	/* Lost in BIRD: put there again. */
	m->routes[0].attrs = (struct route_attrs){ 0 };
	WAIT_UNTIL(m->rec.lp, m->configures == 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
}

/* bird.conf lacks export.conf: no attribute may get into the file, for BIRD
 * would not start with it. */
static void
test_no_attributes_without_export_conf(void **state)
{
	const struct route_attrs gentle = { true, 3 };
	struct model *m = *state;
	char *text;

	m->has_export = false;
	m = model_with(state, 15);
	assert_false(recon_bird(&m->rec).has_attrs);
	want_attrs(m, gentle);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	text = bird_include_read(m->include, NULL);
	assert_null(strstr(text, "prepend"));
	free(text);
	assert_int_equal(m->configures, 0);
	assert_int_equal(reconcile_diverged_ms(m->rec.r, 0), 0);
	/* Included at last. */
	m->has_export = true;
	m->loads++;
	WAIT_UNTIL(m->rec.lp, m->configures == 1);
	WAIT_UNTIL(m->rec.lp,
	    route_attrs_equal(reconcile_real_attrs(m->rec.r, 0), gentle));
}

/* ---- batches ---- */

static void
test_changes_that_keep_coming_go_together(void **state)
{
	struct model *m = model_with(state, 0);

	m->rec.conf.min_gap_ms = 50;
	m->rec.conf.max_delay_ms = 400;
	recon_restart(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	for (unsigned i = 0; i < 100; i++) {
		recon_want(&m->rec, 1 + i % 14);
		loop_idle(m->rec.lp, 10);
	}
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 1 + 99 % 14);
	/* 100 changes in a good second. */
	assert_in_range(m->configures, 2, 9);
}

/* Nothing to announce yet: told all the same, before it is too late. */
static void
test_include_missing_is_told_at_once(void **state)
{
	struct model *m = *state;

	m->has_include = false;
	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	m->has_include = true;
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).last_error[0] == '\0');
}

/* What BIRD says goes into JSON: it must be text. */
static void
test_error_in_another_encoding(void **state)
{
	struct model *m = model_with(state, 0);

	m->check_reply = "8002 caf\xe9.conf:7:1 \x1b[31mred\n";
	check_refused(m, "caf?.conf:7:1 ?[31mred");
	check_mended(m);
}

/* ---- our file ---- */

static void
test_file_edited_or_deleted_is_put_right(void **state)
{
	struct model *m = model_with(state, 3);

	assert_int_equal(bird_include_write(m->include, "# mine\n", NULL), 0);
	model_load(m); /* and somebody has loaded it */
	WAIT_UNTIL(m->rec.lp, m->configures == 1 && recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 3);
	assert_int_equal(unlink(m->include), 0);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	WAIT_UNTIL(m->rec.lp, m->configures == 2 && recon_is_equal(&m->rec));
	assert_file_has(m, 3);
	loop_idle(m->rec.lp, 3 * RIG_POLL_MS);
	assert_int_equal(m->configures, 2);
}

/* Routes of ours that this site does not manage are withdrawn. */
static void
test_route_that_nobody_wants(void **state)
{
	struct model *m = model_with(state, 3);

	assert_int_equal(prefix_parse("203.0.113.0/24",
			     &m->routes[m->n_routes].prefix, NULL),
	    0);
	m->n_routes++;
	WAIT_UNTIL(m->rec.lp, m->configures == 1 && m->n_routes == 2);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
}

/* A file from another configuration: what is not managed goes. */
static void
test_adopts_only_what_it_manages(void **state)
{
	struct model *m = *state;
	struct bird_route had[2] = { 0 };
	char *text;

	assert_int_equal(prefix_parse("203.0.113.0/24", &had[0].prefix, NULL),
	    0);
	assert_int_equal(prefix_parse(rig_prefixes[0], &had[1].prefix, NULL),
	    0);
	text = bird_include_format(had, 2);
	assert_int_equal(bird_include_write(m->include, text, NULL), 0);
	free(text);
	model_load(m);
	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_int_equal(m->n_routes, 1);
	assert_true(prefix_equal(&m->routes[0].prefix, &had[1].prefix));
}

static void
test_folder_gone_and_back(void **state)
{
	struct model *m = model_with(state, 1);

	assert_int_equal(unlink(m->include), 0);
	remove_beside(m, ".protocols");
	assert_int_equal(rmdir(m->folder), 0);
	recon_want(&m->rec, 3);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	loop_idle(m->rec.lp, 300);
	/* Nothing is loaded that is not what we want. */
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(recon_real(&m->rec), 1);
	assert_int_equal(mkdir(m->folder, 0755), 0);
	WAIT_UNTIL(m->rec.lp, recon_real(&m->rec) == 3);
}

/* An unreadable file is no empty one: nothing is withdrawn. */
static void
test_unreadable_file_withdraws_nothing(void **state)
{
	struct model *m = model_with(state, 3);

	reconcile_free(m->rec.r);
	m->rec.r = NULL;
	assert_int_equal(unlink(m->include), 0);
	assert_int_equal(mkdir(m->include, 0755), 0);
	m->rec.n_notices = 0;
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, recon_notice(&m->rec, m->include) != NULL);
	loop_idle(m->rec.lp, 300);
	assert_int_equal(m->checks + m->configures, 0);
	assert_int_equal(m->n_routes, 2);
	assert_int_equal(rmdir(m->include), 0);
}

/* ---- BIRD comes and goes ---- */

static void
test_silent_on_each_command(void **state)
{
	static const char *const commands[] = { "configure check",
		"configure soft", "show route protocol", "show protocols",
		"show route 192", "configure confirm" };
	struct model *m = model_with(state, 0);

	for (unsigned i = 0; i < TEST_COUNT(commands); i++) {
		unsigned wanted = i % 2 == 0 ? 3 : 12;

		m->silent_on = commands[i];
		recon_want(&m->rec, wanted);
		WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
		for (size_t k = 0; k < RIG_PREFIXES; k++) {
			assert_int_equal(reconcile_real(m->rec.r, k),
			    REAL_UNKNOWN);
		}
		m->silent_on = NULL;
		WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
		assert_int_equal(recon_real(&m->rec), wanted);
		assert_int_equal(recon_bird(&m->rec).state, BIRD_CONNECTED);
	}
}

/* Stopped for longer than its backlog lasts: silent, not gone. */
static void
test_stopped_for_long_is_silent(void **state)
{
	struct model *m = model_with(state, 1);

	fake_die(&m->fake);
	fake_listen(&m->fake, 0);
	fake_freeze(&m->fake, true);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_SILENT);
	m->rec.n_notices = 0;
	loop_idle(m->rec.lp, 5 * RIG_TIMEOUT_MS);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_SILENT);
	assert_int_equal(m->rec.n_notices, 0);
	recon_want(&m->rec, 2);
	fake_freeze(&m->fake, false);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 2);
}

/* BIRD reads the file when it starts: it must be right by then. */
static void
test_file_is_kept_while_bird_is_away(void **state)
{
	struct model *m = model_with(state, 3);

	fake_die(&m->fake);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_DOWN);
	recon_want(&m->rec, 4);
	assert_file_has(m, 4);
	/* Without it BIRD would not even start. */
	assert_int_equal(unlink(m->include), 0);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	assert_file_has(m, 4);
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 4);
	assert_int_equal(m->configures, 0);
}

/* Wanted in the last moment of a session: the file has it. */
static void
test_change_that_bird_died_of(void **state)
{
	struct model *m = model_with(state, 3);

	m->silent_on = "configure check";
	recon_want(&m->rec, 1);
	loop_step(m->rec.lp, 5);
	recon_want(&m->rec, 8);
	fake_die(&m->fake);
	WAIT_UNTIL(m->rec.lp, recon_bird(&m->rec).state == BIRD_DOWN);
	assert_file_has(m, 8);
	m->silent_on = NULL;
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 8);
}

/* The very first start: no file yet, and so no BIRD either. */
static void
test_first_start_without_file_and_bird(void **state)
{
	struct model *m = *state;

	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, access(m->include, F_OK) == 0);
	assert_file_has(m, 0);
	assert_int_equal(recon_bird(&m->rec).state, BIRD_DOWN);
	recon_want(&m->rec, 5);
	assert_file_has(m, 5);
	model_load(m);
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(m->configures, 0);
}

static void
test_another_bird_with_nothing(void **state)
{
	struct model *m = model_with(state, 7);

	fake_die(&m->fake);
	m->n_routes = 0;
	fake_listen(&m->fake, 8);
	WAIT_UNTIL(m->rec.lp, m->rec.changes[0][REAL_WITHDRAWN] == 1);
	WAIT_UNTIL(m->rec.lp, recon_is_equal(&m->rec));
	assert_int_equal(recon_real(&m->rec), 7);
	assert_int_equal(m->configures, 1);
	assert_non_null(recon_notice(&m->rec, "bird: lost"));
	assert_non_null(recon_notice(&m->rec, "bird: connected"));
}

static void
test_names_of_states(void **state)
{
	(void)state;
	for (unsigned a = 0; a < REAL_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(
			    route_real_name((enum route_real)a),
			    route_real_name((enum route_real)b));
		}
	}
	for (unsigned a = 0; a < BIRD_STATE_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(
			    bird_state_name((enum bird_state)a),
			    bird_state_name((enum bird_state)b));
		}
	}
	reconcile_free(NULL);
}

int
main(void)
{
#define MODEL_TEST(f)                                                          \
	cmocka_unit_test_setup_teardown(f, model_make, model_remove)
	static const struct CMUnitTest tests[] = {
		MODEL_TEST(test_every_set_of_prefixes),
		MODEL_TEST(test_nothing_is_done_when_nothing_changes),
		MODEL_TEST(test_restart_changes_nothing),
		MODEL_TEST(test_burst_of_wants_takes_few_configures),
		MODEL_TEST(test_change_during_a_change),
		MODEL_TEST(test_reconfiguration_in_progress_is_waited_out),
		MODEL_TEST(test_queued_reconfiguration_is_waited_out),
		MODEL_TEST(test_cut_off_listing_is_read_again),
		MODEL_TEST(test_refused_by_the_check),
		MODEL_TEST(test_refused_by_configure),
		MODEL_TEST(test_access_denied),
		MODEL_TEST(test_bird_has_other_routes_than_wanted),
		MODEL_TEST(test_include_missing_in_bird_conf),
		MODEL_TEST(test_withdrawn_and_still_exported),
		MODEL_TEST(test_session_lost_by_the_change),
		MODEL_TEST(test_session_lost_later_is_not_ours),
		MODEL_TEST(test_disabled_by_hand_stops_the_change),
		MODEL_TEST(test_disabled_in_the_file_is_not_by_hand),
		MODEL_TEST(test_by_hand_outlives_a_restart),
		MODEL_TEST(test_by_hand_is_overruled_as_configured),
		MODEL_TEST(test_each_change_is_confirmed_once),
		MODEL_TEST(test_undone_by_bird_is_done_again),
		MODEL_TEST(test_change_cut_by_a_restart_is_confirmed),
		MODEL_TEST(test_our_file_refused),
		MODEL_TEST(test_attributes_are_read_back),
		MODEL_TEST(test_no_attributes_without_export_conf),
		MODEL_TEST(test_changes_that_keep_coming_go_together),
		MODEL_TEST(test_include_missing_is_told_at_once),
		MODEL_TEST(test_error_in_another_encoding),
		MODEL_TEST(test_file_edited_or_deleted_is_put_right),
		MODEL_TEST(test_route_that_nobody_wants),
		MODEL_TEST(test_adopts_only_what_it_manages),
		MODEL_TEST(test_folder_gone_and_back),
		MODEL_TEST(test_unreadable_file_withdraws_nothing),
		MODEL_TEST(test_silent_on_each_command),
		MODEL_TEST(test_stopped_for_long_is_silent),
		MODEL_TEST(test_file_is_kept_while_bird_is_away),
		MODEL_TEST(test_change_that_bird_died_of),
		MODEL_TEST(test_first_start_without_file_and_bird),
		MODEL_TEST(test_another_bird_with_nothing),
		cmocka_unit_test(test_names_of_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
