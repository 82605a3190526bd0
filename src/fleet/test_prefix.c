/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/test_prefix.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "fleet/experiment.h"

/* A test prefix whose last experiment the store tells of; it waits for a site
 * that has it. */
struct old_change {
	char *name; /* "": any */
	struct mono at;
};

/* The newest null run of a test prefix, which may be there or not. */
struct known_check {
	char *name;
	struct test_check check;
};

struct test_book {
	struct old_change *changes;
	size_t n_changes;
	struct known_check *checks; /* one for each name */
	size_t n_checks;
};

const char *
test_trust_name(enum test_trust trust)
{
	static const char *const names[TEST_TRUST_COUNT] = {
		[TEST_FIRST] = "first",
		[TEST_ALIKE] = "alike",
		[TEST_UNCHECKED] = "unchecked",
		[TEST_UNKNOWN] = "unknown",
		[TEST_DIFFERS] = "differs",
		[TEST_AMBIGUOUS] = "ambiguous",
		[TEST_GONE] = "gone",
	};

	return names[trust];
}

bool
test_prefix_has(const struct test_prefix *tp, const char *prefix)
{
	const json_t *p;
	size_t i;

	json_array_foreach (tp->prefixes, i, p) {
		if (strcmp(json_string_value(p), prefix) == 0)
			return true;
	}
	return false;
}

static bool
is_ipv4_text(const char *prefix)
{
	return strchr(prefix, ':') == NULL;
}

/* One more prefix, IPv4 before IPv6; the name follows. */
static void
add_prefix(struct test_prefix *tp, const char *prefix)
{
	char *name = xstrdup("");
	const json_t *p;
	size_t i;

	if (is_ipv4_text(prefix)) {
		json_array_insert_new(tp->prefixes, 0, json_string(prefix));
	} else {
		json_array_append_new(tp->prefixes, json_string(prefix));
	}
	json_array_foreach (tp->prefixes, i, p) {
		char *longer = xasprintf("%s%s%s", name, i > 0 ? "," : "",
		    json_string_value(p));

		free(name);
		name = longer;
	}
	free(tp->name);
	tp->name = name;
}

/* ---- what the store knows ---- */

void
test_prefixes_resume(struct controller *c, const char *name, int64_t changed_ms)
{
	struct test_book *book = c->test_book;
	int64_t ago_ms = wall_now_ms() - changed_ms;

	if (changed_ms == 0 || ago_ms >= c->conf->predict.pace_ms)
		return;
	/* Of the future: the clock was set back. */
	if (ago_ms < 0)
		ago_ms = 0;
	book->changes = xreallocarray(book->changes, book->n_changes + 1,
	    sizeof(*book->changes));
	book->changes[book->n_changes++] =
	    (struct old_change){ xstrdup(name != NULL ? name : ""),
		    mono_add_ms(mono_now(), -ago_ms) };
}

static void
take_change(struct test_prefix *tp, const struct old_change *change)
{
	const json_t *p;
	size_t i;
	bool is_it = change->name[0] == '\0';

	json_array_foreach (tp->prefixes, i, p)
		is_it |= strstr(change->name, json_string_value(p)) != NULL;
	if (is_it &&
	    (!tp->was_changed || mono_before(tp->changed, change->at))) {
		tp->changed = change->at;
		tp->was_changed = true;
	}
}

static enum agreement_verdict
verdict_find(const char *name)
{
	if (strcmp(name, agreement_verdict_name(AGREEMENT_ALIKE)) == 0)
		return AGREEMENT_ALIKE;
	if (strcmp(name, agreement_verdict_name(AGREEMENT_DIFFERS)) == 0)
		return AGREEMENT_DIFFERS;
	return AGREEMENT_UNKNOWN;
}

static void
check_fini(struct test_check *check)
{
	free(check->first);
	free(check->reason);
	json_decref(check->shares);
	*check = (struct test_check){ 0 };
}

/* In place of the one that is there. */
static void
check_copy(struct test_check *to, const struct test_check *from)
{
	check_fini(to);
	*to = *from;
	to->first = xstrdup(from->first);
	to->reason = xstrdup(from->reason);
	to->shares = json_incref(from->shares);
}

static struct known_check *
find_known(const struct test_book *book, const char *name)
{
	for (size_t i = 0; i < book->n_checks; i++) {
		if (strcmp(book->checks[i].name, name) == 0)
			return &book->checks[i];
	}
	return NULL;
}

/* Puts it in place of what was known of that test prefix. */
static void
keep_check(struct test_book *book, const char *name,
    const struct test_check *check)
{
	struct known_check *known = find_known(book, name);

	if (known == NULL) {
		book->checks = xreallocarray(book->checks, book->n_checks + 1,
		    sizeof(*book->checks));
		known = &book->checks[book->n_checks++];
		*known = (struct known_check){ .name = xstrdup(name) };
	}
	check_copy(&known->check, check);
}

/* Of each family, by the shares of a null run. */
static void
count_witnesses(struct test_check *check)
{
	const json_t *share;
	size_t i;

	check->witnesses[0] = check->witnesses[1] = 0;
	json_array_foreach (check->shares, i, share) {
		const char *way =
		    json_string_value(json_object_get(share, "way"));
		json_int_t family =
		    json_integer_value(json_object_get(share, "family"));
		json_int_t n =
		    json_integer_value(json_object_get(share, "compared"));

		if (way != NULL &&
		    strcmp(way, agreement_way_name(AGREEMENT_MOVED)) == 0 &&
		    n > 0 && n <= UINT32_MAX)
			check->witnesses[family == 4 ? 0 : 1] = (uint32_t)n;
	}
}

static void
take_row(struct test_book *book, json_t *row)
{
	struct test_check check = { 0 };
	json_int_t experiment = 0, first = 0, compared = 0, at_ms = 0;
	const char *test = "", *name = "", *verdict = "", *reason = "",
		   *shares = "";
	int64_t ago_ms;

	(void)json_unpack(row,
	    "{s:I, s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:F, s:F, s:F, s:F, s:s}",
	    "experiment", &experiment, "first_experiment", &first, "test",
	    &test, "first", &name, "at_ms", &at_ms, "verdict", &verdict,
	    "reason", &reason, "compared", &compared, "distance",
	    &check.distance, "noise", &check.noise, "beyond", &check.beyond,
	    "max_beyond", &check.max_beyond, "shares", &shares);
	ago_ms = wall_now_ms() - at_ms;
	/* Of the future: the clock was set back, and nobody can say how old it
	 * is.  Rather another null run than one that never grows old. */
	if (ago_ms < 0 || find_known(book, test) != NULL)
		return;
	check.at_ms = at_ms;
	check.at = mono_add_ms(mono_now(), -ago_ms);
	check.verdict = verdict_find(verdict);
	check.first = xstrdup(name);
	check.reason = xstrdup(reason);
	check.experiment = (uint32_t)experiment;
	check.first_experiment = (uint32_t)first;
	check.compared = (uint32_t)compared;
	check.shares = json_loads(shares, 0, NULL);
	if (check.shares == NULL)
		check.shares = json_array();
	count_witnesses(&check);
	keep_check(book, test, &check);
	check_fini(&check);
}

/* What is known of one that was not there before, or had other prefixes. */
static void
recall(const struct controller *c, struct test_prefix *tp)
{
	const struct test_book *book = c->test_book;
	const struct known_check *known = find_known(book, tp->name);

	for (size_t i = 0; i < book->n_changes; i++)
		take_change(tp, &book->changes[i]);
	check_fini(&tp->check);
	if (known != NULL)
		check_copy(&tp->check, &known->check);
}

int
test_prefixes_load(struct controller *c, struct err *err)
{
	json_t *rows = query_null_runs(c->env.query, err), *row;
	size_t i;

	c->test_book = xcalloc(1, sizeof(*c->test_book));
	/* The newest comes first. */
	json_array_foreach (rows, i, row)
		take_row(c->test_book, row);
	json_decref(rows);
	return rows != NULL ? 0 : -1;
}

/* ---- what the sites have ---- */

void
test_prefix_set_check(struct controller *c, struct test_prefix *tp,
    struct test_check *check)
{
	count_witnesses(check);
	check_copy(&tp->check, check);
	keep_check(c->test_book, tp->name, check);
	check_fini(check);
}

static struct test_prefix *
test_prefix_new(void)
{
	struct test_prefix *tp = xcalloc(1, sizeof(*tp));

	tp->name = xstrdup("");
	tp->prefixes = json_array();
	return tp;
}

static void
test_prefix_free(struct test_prefix *tp)
{
	experiment_free(tp->experiment);
	check_fini(&tp->check);
	json_decref(tp->prefixes);
	free(tp->name);
	free(tp);
}

static struct test_prefix *
find(struct test_prefix *const *tests, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++) {
		if (test_prefix_has(tests[i], prefix))
			return tests[i];
	}
	return NULL;
}

/* The new list, while it is made. */
struct sorting {
	struct test_prefix *tests[TEST_PREFIXES_MAX];
	size_t n;
};

/* Which of the new list a site's pair belongs to: one that shares a prefix. */
static struct test_prefix *
place(struct controller *c, struct sorting *s, const json_t *prefixes)
{
	struct test_prefix *tp = NULL;
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p) {
		if (tp == NULL)
			tp = find(s->tests, s->n, json_string_value(p));
	}
	if (tp == NULL && s->n < TEST_PREFIXES_MAX) {
		tp = test_prefix_new();
		s->tests[s->n++] = tp;
	} else if (tp == NULL) {
		log_limited(&c->tests_limit,
		    "test prefixes: more than %u, the rest is left alone",
		    TEST_PREFIXES_MAX);
	}
	return tp;
}

static void
sort_pair(struct controller *c, struct sorting *s, const json_t *prefixes)
{
	struct test_prefix *tp = place(c, s, prefixes);
	const json_t *p;
	size_t i;

	if (tp == NULL)
		return;
	json_array_foreach (prefixes, i, p) {
		const char *text = json_string_value(p);
		struct test_prefix *owner = find(s->tests, s->n, text);

		if (owner == tp)
			continue;
		if (owner != NULL) {
			owner->is_ambiguous = tp->is_ambiguous = true;
			continue;
		}
		add_prefix(tp, text);
		tp->is_ambiguous |= json_array_size(tp->prefixes) > 2;
	}
	tp->n_sites++;
}

static bool
is_list_of_prefixes(const json_t *list)
{
	const json_t *p;
	size_t i;

	json_array_foreach (list, i, p) {
		struct prefix parsed;

		if (!json_is_string(p) ||
		    prefix_parse(json_string_value(p), &parsed, NULL) == -1)
			return false;
	}
	return json_is_array(list) && json_array_size(list) > 0 &&
	    json_array_size(list) <= 2;
}

/* What is known of other prefixes does not hold for them. */
static void
take_prefixes(const struct controller *c, struct test_prefix *old,
    const struct test_prefix *new)
{
	bool is_same = strcmp(old->name, new->name) == 0;

	json_decref(old->prefixes);
	old->prefixes = json_incref(new->prefixes);
	free(old->name);
	old->name = xstrdup(new->name);
	if (!is_same)
		recall(c, old);
}

/* The old one that shares a prefix lives on as the new one: experiments point
 * to it. */
static struct test_prefix *
adopt(struct controller *c, struct test_prefix *new)
{
	const json_t *p;
	size_t i;

	json_array_foreach (new->prefixes, i, p) {
		struct test_prefix *old =
		    find(c->tests, c->n_tests, json_string_value(p));

		if (old == NULL || old->n_sites > 0)
			continue;
		old->n_sites = new->n_sites;
		old->is_ambiguous = new->is_ambiguous;
		take_prefixes(c, old, new);
		test_prefix_free(new);
		return old;
	}
	recall(c, new);
	return new;
}

static void
note_trouble(struct controller *c, const struct test_prefix *tp)
{
	char subject[160];
	struct store_event ev = { .kind = "experiment",
		.subject = subject,
		.what = "not used",
		.reason =
		    "sites pair it with different prefixes, see `test` in their configurations",
		.actor = "controller" };

	(void)snprintf(subject, sizeof(subject), "test prefix %s", tp->name);
	controller_note(c, &ev);
}

/* Behind the new ones: those that no site has any more, while somebody points to
 * them (they are few: each has an experiment), or while they rest. */
static size_t
keep_gone(struct controller *c, struct test_prefix **tests, size_t n, bool busy)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_prefix *tp = c->tests[i];

		if (tp->n_sites > 0 || test_prefix_is_busy(tp) != busy)
			continue;
		if (n < TESTS_KEPT_MAX &&
		    (busy || test_prefix_rest_ms(c, tp) > 0)) {
			tests[n++] = tp;
		} else {
			test_prefix_free(tp);
		}
	}
	return n;
}

/* Makes the list anew from what all sites say. */
static void
rebuild(struct controller *c)
{
	struct test_prefix *tests[TESTS_KEPT_MAX];
	struct sorting s = { .n = 0 };
	size_t n;

	for (size_t i = 0; i < c->n_sites; i++) {
		const json_t *test;
		size_t k;

		json_array_foreach (c->sites[i].tests, k, test) {
			const json_t *list = json_object_get(test, "prefixes");

			if (is_list_of_prefixes(list))
				sort_pair(c, &s, list);
		}
	}
	for (size_t i = 0; i < c->n_tests; i++)
		c->tests[i]->n_sites = 0;
	for (size_t i = 0; i < s.n; i++) {
		tests[i] = adopt(c, s.tests[i]);
		if (tests[i]->is_ambiguous)
			note_trouble(c, tests[i]);
	}
	n = keep_gone(c, tests, s.n, true);
	n = keep_gone(c, tests, n, false);
	for (size_t i = 0; i < n; i++)
		c->tests[i] = tests[i];
	c->n_tests = n;
}

/* What the agent says beside the prefixes changes all the time. */
static bool
is_same_pairs(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++) {
		if (!json_equal(json_object_get(json_array_get(a, i),
				    "prefixes"),
			json_object_get(json_array_get(b, i), "prefixes")))
			return false;
	}
	return true;
}

/* Of thousands they are few, and an experiment looks at them all the time. */
static void
pick_prefixes(struct fleet_site *s)
{
	json_t *p;
	size_t i;

	json_decref(s->test_prefixes);
	s->test_prefixes = json_array();
	json_array_foreach (json_object_get(s->status, "prefixes"), i, p) {
		if (json_is_null(json_object_get(p, "service")))
			json_array_append(s->test_prefixes, p);
	}
}

void
test_prefixes_take(struct controller *c, struct fleet_site *s, bool is_same)
{
	json_t *tests = json_object_get(s->status, "tests"), *before = s->tests;
	bool is_new = before == NULL || !is_same_pairs(before, tests);

	if (!is_same)
		pick_prefixes(s);
	s->tests = tests != NULL ? json_incref(tests) : json_array();
	json_decref(before);
	if (is_new)
		rebuild(c);
}

void
test_prefixes_free(struct controller *c)
{
	for (size_t i = 0; i < c->n_tests; i++)
		test_prefix_free(c->tests[i]);
	c->n_tests = 0;
	if (c->test_book == NULL)
		return;
	for (size_t i = 0; i < c->test_book->n_changes; i++)
		free(c->test_book->changes[i].name);
	free(c->test_book->changes);
	for (size_t i = 0; i < c->test_book->n_checks; i++) {
		free(c->test_book->checks[i].name);
		check_fini(&c->test_book->checks[i].check);
	}
	free(c->test_book->checks);
	free(c->test_book);
}

/* ---- which may be used ---- */

struct test_prefix *
test_prefix_first(const struct controller *c)
{
	return c->n_tests > 0 && c->tests[0]->n_sites > 0 ? c->tests[0] : NULL;
}

bool
test_prefix_is_busy(const struct test_prefix *tp)
{
	return experiment_is_running(tp->experiment) || tp->null_run != 0;
}

int64_t
test_prefix_rest_ms(const struct controller *c, const struct test_prefix *tp)
{
	int64_t left;

	if (!tp->was_changed)
		return 0;
	left = c->conf->predict.pace_ms - mono_diff_ms(mono_now(), tp->changed);
	return left > 0 ? left : 0;
}

static bool
has_family(const struct test_prefix *tp, bool is_ipv4)
{
	const json_t *p;
	size_t i;

	json_array_foreach (tp->prefixes, i, p) {
		if (is_ipv4_text(json_string_value(p)) == is_ipv4)
			return true;
	}
	return false;
}

struct agreement_rule
test_prefix_rule(const struct controller *c, const struct test_prefix *tp)
{
	const struct test_prefix *first = test_prefix_first(c);
	struct agreement_rule rule = {
		.limit = c->conf->predict.null_run.limit_percent / 100.0,
		.min_clients = c->conf->predict.null_run.min_clients
	};

	for (int f = 0; f < 2; f++) {
		rule.has_family[f] = has_family(tp, f == 0) ||
		    (first != NULL && has_family(first, f == 0));
	}
	return rule;
}

void
test_prefixes_ask(struct controller *c, const struct store_client *clients,
    uint32_t n)
{
	c->asks[0] = c->asks[1] = false;
	for (uint32_t i = 0; i < n && !(c->asks[0] && c->asks[1]); i++) {
		struct addr a;

		memcpy(a.b, clients[i].addr, sizeof(a.b));
		c->asks[addr_is_ipv4(&a) ? 0 : 1] = true;
	}
}

void
test_prefixes_try_again(struct controller *c)
{
	for (size_t i = 0; i < c->n_tests; i++) {
		struct test_check *check = &c->tests[i]->check;

		check->is_over |= check->verdict == AGREEMENT_UNKNOWN;
	}
}

/* Was it compared by enough clients of each family that is asked now? */
static bool
is_about_clients(const struct controller *c, const struct test_prefix *tp)
{
	struct agreement_rule rule = test_prefix_rule(c, tp);

	for (int f = 0; f < 2; f++) {
		if (c->asks[f] && rule.has_family[f] &&
		    tp->check.witnesses[f] < rule.min_clients)
			return false;
	}
	return true;
}

enum test_trust
test_prefix_trust(const struct controller *c, const struct test_prefix *tp)
{
	const struct test_prefix *first = test_prefix_first(c);
	const struct test_check *check = &tp->check;

	if (tp->n_sites == 0)
		return TEST_GONE;
	if (tp->is_ambiguous)
		return TEST_AMBIGUOUS;
	if (tp == first)
		return TEST_FIRST;
	if (check->at_ms == 0 || check->is_over ||
	    strcmp(check->first, first->name) != 0 ||
	    mono_diff_ms(mono_now(), check->at) >
		c->conf->predict.null_run.every_ms)
		return TEST_UNCHECKED;
	if (check->verdict == AGREEMENT_ALIKE) {
		return is_about_clients(c, tp) ? TEST_ALIKE : TEST_UNCHECKED;
	}
	return check->verdict == AGREEMENT_DIFFERS ? TEST_DIFFERS
						   : TEST_UNKNOWN;
}

bool
test_prefix_is_usable(const struct controller *c, const struct test_prefix *tp)
{
	enum test_trust trust = test_prefix_trust(c, tp);

	return trust == TEST_FIRST || trust == TEST_ALIKE;
}

size_t
test_prefixes_usable(const struct controller *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_tests; i++)
		n += test_prefix_is_usable(c, c->tests[i]);
	return n;
}

size_t
test_prefixes_hoped(const struct controller *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_tests; i++) {
		n += test_prefix_is_usable(c, c->tests[i]) ||
		    test_prefix_trust(c, c->tests[i]) == TEST_UNCHECKED;
	}
	return n;
}

const json_t *
test_prefix_at(const struct test_prefix *tp, const struct fleet_site *s)
{
	const json_t *test, *first;
	size_t i;

	json_array_foreach (s->tests, i, test) {
		first = json_array_get(json_object_get(test, "prefixes"), 0);
		if (json_is_string(first) &&
		    test_prefix_has(tp, json_string_value(first)))
			return test;
	}
	return NULL;
}

/* ---- what is told ---- */

static json_t *
check_json(const struct test_check *check)
{
	if (check->at_ms == 0)
		return json_null();
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, "
			 "s:f, s:O}",
	    "at_ms", (json_int_t)check->at_ms, "verdict",
	    agreement_verdict_name(check->verdict), "first", check->first,
	    "reason", check->reason, "experiment",
	    (json_int_t)check->experiment, "first_experiment",
	    (json_int_t)check->first_experiment, "compared",
	    (json_int_t)check->compared, "distance", check->distance, "noise",
	    check->noise, "beyond", check->beyond, "max_beyond",
	    check->max_beyond, "shares", check->shares);
}

json_t *
test_prefixes_json(const struct controller *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_tests; i++) {
		const struct test_prefix *tp = c->tests[i];
		bool is_running = experiment_is_running(tp->experiment);

		json_array_append_new(list,
		    json_pack("{s:s, s:O, s:s, s:b, s:I, s:I, s:I, s:o}",
			"test", tp->name, "prefixes", tp->prefixes, "state",
			test_trust_name(test_prefix_trust(c, tp)), "used",
			test_prefix_is_usable(c, tp), "sites",
			(json_int_t)tp->n_sites, "experiment",
			(json_int_t)(is_running ? experiment_id(tp->experiment)
						: 0),
			"rest_ms", (json_int_t)test_prefix_rest_ms(c, tp),
			"null_run", check_json(&tp->check)));
	}
	return list;
}
