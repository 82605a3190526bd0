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
#define PROTOCOLS                                                              \
	"2002-Name       Proto      Table      State  Since         Info\n"    \
	"1002-" SESSION                                                        \
	"  BGP        ---        up     12:00:00.000  Established   \n"        \
	" lost1      BGP        ---        start  12:00:00.000  Active\n"      \
	"0000 \n"
#define SYNTAX_ERROR "9001 syntax error, unexpected CF_SYM_UNDEFINED\n"

/* A BIRD as far as we see it. */
struct model {
	struct recon rec;
	struct fake_bird fake;
	char include[128];
	char folder[96];
	struct prefix routes[ROUTES_MAX]; /* of our statics */
	size_t n_routes;
	bool has_include; /* bird.conf names our file */
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
	if (!m->ignores_file)
		m->n_routes = bird_include_parse(text, m->routes, ROUTES_MAX);
	free(text);
}

static bool
has_start(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *
model_list(struct model *m, const char *command, bool v4, bool v6)
{
	bool is_cut_off = m->cut_off > 0 && has_start(command, m->cut_off_on);
	size_t len = (size_t)snprintf(m->reply, sizeof(m->reply),
	    "1007-Table master4:\n");

	m->listings++;
	for (size_t i = 0; i < m->n_routes; i++) {
		const struct prefix *p = &m->routes[i];
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
	m->statuses++;
	if (m->is_loading && m->progress_polls > 0 && --m->progress_polls > 0)
		return "1000-BIRD 2.0.12\n0013 Reconfiguration in progress\n";
	if (m->is_loading)
		model_load(m);
	return "1000-BIRD 2.0.12\n0013 Daemon is up and running\n";
}

static const char *
model_configure(struct model *m)
{
	m->configures++;
	if (m->progress_polls > 0) {
		m->is_loading = true;
	} else if (m->configure_reply == NULL) {
		model_load(m);
	}
	return m->configure_reply != NULL
	    ? m->configure_reply
	    : "0002-Reading configuration from bird.conf\n0003 Reconfigured\n";
}

static const char *
model_answer(struct fake_bird *fake, const char *command)
{
	struct model *m = fake->arg;

	if (m->silent_on != NULL && has_start(command, m->silent_on))
		return NULL;
	if (strcmp(command, "configure check") == 0) {
		m->checks++;
		return m->check_reply != NULL
		    ? m->check_reply
		    : "0002-Reading\n0020 Configuration OK\n";
	}
	if (strcmp(command, "configure soft") == 0)
		return model_configure(m);
	if (strcmp(command, "show status") == 0)
		return model_status(m);
	if (strcmp(command, "show protocols") == 0)
		return PROTOCOLS;
	if (!m->has_include)
		return SYNTAX_ERROR;
	if (strcmp(command, "show route protocol " BIRD_STATIC4) == 0)
		return model_list(m, command, true, false);
	if (strcmp(command, "show route protocol " BIRD_STATIC6) == 0)
		return model_list(m, command, false, true);
	/* As BIRD: a name with such letters in it must be quoted. */
	if (has_start(command, "show route export '" SESSION "' where proto ="))
		return model_list(m, command, true, true);
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

static int
model_remove(void **state)
{
	struct model *m = *state;

	reconcile_free(m->rec.r);
	(void)unlink(m->include);
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
	struct prefix had[ROUTES_MAX];
	char *text = bird_include_read(m->include, NULL);
	size_t n = bird_include_parse(text, had, ROUTES_MAX);
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < RIG_PREFIXES; k++) {
			if (prefix_equal(&had[i], &m->rec.prefixes[k]))
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
	reconcile_want(m->rec.r, 1, true);
	reconcile_want(m->rec.r, 1, false);
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
		"show route protocol anycastd6", "show route export" };
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

static void
test_bird_has_other_routes_than_wanted(void **state)
{
	struct model *m = model_with(state, 0);

	m->ignores_file = true;
	check_refused(m, "other routes than wanted");
	check_mended(m);
}

static void
test_include_missing_in_bird_conf(void **state)
{
	struct model *m = model_with(state, 0);

	m->has_include = false;
	check_refused(m, m->include);
	check_mended(m);
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

	assert_int_equal(prefix_parse("203.0.113.0/24", &m->routes[m->n_routes],
			     NULL),
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
	struct prefix had[2];
	char *text;

	assert_int_equal(prefix_parse("203.0.113.0/24", &had[0], NULL), 0);
	assert_int_equal(prefix_parse(rig_prefixes[0], &had[1], NULL), 0);
	text = bird_include_format(had, 2);
	assert_int_equal(bird_include_write(m->include, text, NULL), 0);
	free(text);
	model_load(m);
	fake_listen(&m->fake, 8);
	recon_start(&m->rec);
	WAIT_UNTIL(m->rec.lp, m->rec.converged == 1);
	assert_int_equal(m->n_routes, 1);
	assert_true(prefix_equal(&m->routes[0], &had[1]));
}

static void
test_folder_gone_and_back(void **state)
{
	struct model *m = model_with(state, 1);

	assert_int_equal(unlink(m->include), 0);
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
		"show route export" };
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
