/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_TEST_PREFIX_H
#define FLEET_TEST_PREFIX_H
/*
 * test_prefix -- the fleet's test prefixes: which there are, how long each must
 * rest, and which of them may be used.
 *
 * The agents report theirs, an IPv4 and an IPv6 prefix that are withdrawn
 * together as one.  The first that the first site names is the reference: what
 * maps say is what happens to it.  Each other one is trusted only when a null
 * run (fleet/null_run.h) has shown that it is treated alike.  One experiment at
 * a time runs on each.
 */
#include "core/agreement.h"
#include "fleet/controller_state.h"

enum test_trust {
	TEST_FIRST,     /* the reference */
	TEST_ALIKE,     /* as alike as the noise lets see */
	TEST_UNCHECKED, /* no null run yet, or the last one is too old or was not
			 * over such clients */
	TEST_UNKNOWN,   /* null runs came to nothing, or had too few clients */
	TEST_DIFFERS,
	TEST_AMBIGUOUS, /* sites pair their prefixes differently */
	TEST_GONE,      /* no site has it any more */
	TEST_TRUST_COUNT
};
const char *test_trust_name(enum test_trust trust);

/* What the newest null run beside the first test prefix came to. */
struct test_check {
	int64_t at_ms; /* wall; 0: there is none */
	struct mono at;
	enum agreement_verdict verdict;
	char *first;         /* the name of what was the first then */
	char *reason;        /* for people, with the numbers */
	uint32_t experiment; /* 0: it could not be begun on this one */
	uint32_t first_experiment;
	uint32_t compared;
	/* [family]: those that could have been seen to move. */
	uint32_t witnesses[2];
	bool is_over; /* it is to be tried again */
	double distance, noise, beyond, max_beyond;
	json_t *shares; /* SHARE of docs/api.md */
};

struct test_prefix {
	char *name;       /* "198.51.100.0/24,2001:db8:7e57::/48" */
	json_t *prefixes; /* texts, IPv4 first */
	size_t n_sites;   /* that have it; 0: gone */
	bool is_ambiguous;
	struct experiment *experiment; /* the newest on it; NULL: none yet */
	/* When it was withdrawn or restored last. */
	struct mono changed;
	bool was_changed;
	struct test_check check;
	/* The null run that is under way: its experiment here; 0: none. */
	uint32_t null_run;
	unsigned null_failures; /* in a row */
};

/* At start: what the store knows of pauses and null runs. */
int test_prefixes_load(struct controller *c, struct err *err);
void test_prefixes_free(struct controller *c);
/* At start: an old experiment changed the test prefix of that name ("": any) at
 * that time of the wall. */
void test_prefixes_resume(struct controller *c, const char *name,
    int64_t changed_ms);

/* s->status was replaced; is_same: but not its prefixes. */
void test_prefixes_take(struct controller *c, struct fleet_site *s,
    bool is_same);

/* NULL: no site has any. */
struct test_prefix *test_prefix_first(const struct controller *c);
enum test_trust test_prefix_trust(const struct controller *c,
    const struct test_prefix *tp);
/*
 * Experiments ask these clients: a test prefix that was found alike by too few
 * of one of their families, or before there were any, is unchecked.
 */
void test_prefixes_ask(struct controller *c, const struct store_client *clients,
    uint32_t n);
/* Those of which null runs could not tell are unchecked again: now there may be
 * more clients. */
void test_prefixes_try_again(struct controller *c);
/* How alike it must be. */
struct agreement_rule test_prefix_rule(const struct controller *c,
    const struct test_prefix *tp);
/* May experiments use it, now or later? */
bool test_prefix_is_usable(const struct controller *c,
    const struct test_prefix *tp);
/*
 * Does every site that has the first test prefix announce this one?  Else its
 * experiments would withdraw more sites than they say.  -1 with err, which may
 * be NULL: not so.
 */
int test_prefix_check_everywhere(const struct controller *c,
    const struct test_prefix *tp, struct err *err);
/* Is it idle, and announced and heard everywhere? */
bool test_prefix_is_ready(const struct controller *c,
    const struct test_prefix *tp);
size_t test_prefixes_usable(const struct controller *c);
/* Those that may still turn out to be usable, and the usable ones. */
size_t test_prefixes_hoped(const struct controller *c);
bool test_prefix_is_busy(const struct test_prefix *tp);
/* How long until it may be changed again; 0: now. */
int64_t test_prefix_rest_ms(const struct controller *c,
    const struct test_prefix *tp);
bool test_prefix_has(const struct test_prefix *tp, const char *prefix);
/* What the site's agent says of it; NULL: the site does not have it. */
const json_t *test_prefix_at(const struct test_prefix *tp,
    const struct fleet_site *s);

/* Puts another check in place of the old one, also for a test prefix that goes
 * and comes back; takes over what *check holds. */
void test_prefix_set_check(struct controller *c, struct test_prefix *tp,
    struct test_check *check);

/* [TEST] of docs/api.md; new reference. */
json_t *test_prefixes_json(const struct controller *c);

#endif /* FLEET_TEST_PREFIX_H */
