/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All heirs at once must say what a prediction of each set says alone. */
#include "core/pack_pairs.h"

#include <string.h>

#include "base/xalloc.h"
#include "core/failover.h"
#include "ranked_world.h"
#include "test.h"

#define SITES 12
#define CLIENTS 400

struct rig {
	struct ranked_world w;
	struct pack *p;
	uint16_t home[CLIENTS];
	double weight[CLIENTS];
};

static int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	struct pack_conf conf = { .n_sites = SITES,
		.n_clients = CLIENTS,
		.weight = r->weight,
		.depth = 2,
		.seed = 5 };
	const struct pack_set nobody = { { 0 } };

	for (size_t c = 0; c < CLIENTS; c++)
		r->weight[c] = (double)(1 + c % 7);
	r->p = pack_new(&conf, NULL);
	assert_non_null(r->p);
	ranked_world_init(&r->w, SITES, CLIENTS, 11);
	assert_true(ranked_world_campaign(&r->w, r->p) > 0);
	for (size_t c = 0; c < CLIENTS; c++) {
		r->home[c] =
		    (uint16_t)(ranked_world_site(&r->w, c, &nobody) + 1u);
	}
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	ranked_world_fini(&r->w);
	pack_free(r->p);
	free(r);
	return 0;
}

static struct pack_set
set_of(size_t a, size_t b)
{
	struct pack_set set = { { 0 } };

	pack_set_add(&set, a);
	pack_set_add(&set, b);
	return set;
}

/* Loads are such that each client is its weight times the site's number + 1. */
static void
make_loads(const uint16_t *now, const double *weight, double *load)
{
	memset(load, 0, SITES * sizeof(*load));
	for (size_t c = 0; c < CLIENTS; c++) {
		if (now[c] != OUTCOME_NONE)
			load[now[c] - 1u] += weight[c] * now[c];
	}
}

/* By pack_predict of all that is gone, of the clients of `moved`. */
static void
land_alone(struct rig *r, const struct pack_set *gone, const uint16_t *now,
    const struct pack_set *moved, double *lands)
{
	uint16_t site[CLIENTS];

	memset(lands, 0, SITES * sizeof(*lands));
	pack_predict(r->p, gone, site, NULL);
	for (size_t c = 0; c < CLIENTS; c++) {
		if (now[c] == OUTCOME_NONE || site[c] >= SITES ||
		    !pack_set_has(moved, now[c] - 1u))
			continue;
		lands[site[c]] += r->weight[c] * now[c];
	}
}

static void
assert_equal(const double *got, const double *want)
{
	for (size_t i = 0; i < SITES; i++) {
		double off = got[i] - want[i];

		if (off < -1e-6 || off > 1e-6)
			fail_msg("%zu: %f, not %f", i, got[i], want[i]);
	}
}

static struct pack_set
join(const struct pack_set *a, const struct pack_set *b)
{
	struct pack_set both = *a;

	for (size_t s = 0; s < SITES; s++) {
		if (pack_set_has(b, s))
			pack_set_add(&both, s);
	}
	return both;
}

/* The first level, and each heir's row. */
static void
check_all(struct rig *r, struct pack_pairs_input *in)
{
	struct pack_set gone = join(&in->down, &in->out);
	double load[SITES], got[SITES], want[SITES];
	struct pack_pairs *pp;

	in->pack = r->p;
	in->n = CLIENTS;
	in->n_sites = SITES;
	in->weight = r->weight;
	make_loads(in->now, r->weight, load);
	in->load = load;
	pp = pack_pairs_new(in);
	assert_true(pack_pairs_first(pp, got));
	land_alone(r, &gone, in->now, &in->out, want);
	assert_equal(got, want);
	for (size_t heir = 0; heir < SITES; heir++) {
		const struct pack_set one = set_of(heir, heir);
		struct pack_set all = join(&gone, &one);
		struct pack_set moved = join(&in->out, &one);

		if (pack_set_has(&gone, heir))
			continue;
		assert_true(pack_pairs_next(pp, heir, got));
		land_alone(r, &all, in->now, &moved, want);
		assert_equal(got, want);
	}
	pack_pairs_free(pp);
}

static void
test_every_heir_of_every_site(void **state)
{
	struct rig *r = *state;

	for (size_t site = 0; site < SITES; site++) {
		struct pack_pairs_input in = { .now = r->home,
			.out = set_of(site, site) };

		check_all(r, &in);
	}
}

static void
test_two_go_together(void **state)
{
	struct rig *r = *state;

	for (size_t site = 1; site < SITES; site++) {
		struct pack_pairs_input in = { .now = r->home,
			.out = set_of(site, site - 1) };

		check_all(r, &in);
	}
}

/* Who is at his heir already moves on from there. */
static void
test_one_after_the_other(void **state)
{
	struct rig *r = *state;
	uint16_t now[CLIENTS];

	for (size_t site = 1; site < SITES; site++) {
		struct pack_pairs_input in = { .now = now,
			.down = set_of(site - 1, site - 1),
			.out = set_of(site, site) };

		for (size_t c = 0; c < CLIENTS; c++) {
			now[c] =
			    (uint16_t)(ranked_world_site(&r->w, c, &in.down) +
				1u);
		}
		check_all(r, &in);
	}
}

static void
test_a_load_without_clients_tells_nothing(void **state)
{
	struct rig *r = *state;
	double load[SITES], lands[SITES];
	struct pack_pairs_input in = { .pack = r->p,
		.n = CLIENTS,
		.now = r->home,
		.weight = r->weight,
		.n_sites = SITES,
		.load = load,
		.out = set_of(0, 0) };
	struct pack_pairs *pp;

	make_loads(r->home, r->weight, load);
	for (size_t c = 0; c < CLIENTS; c++) {
		if (r->home[c] == 2)
			r->home[c] = OUTCOME_NONE;
	}
	pp = pack_pairs_new(&in);
	assert_true(pack_pairs_first(pp, lands));
	assert_false(pack_pairs_next(pp, 1, lands));
	assert_true(pack_pairs_next(pp, 2, lands));
	pack_pairs_free(pp);
	in.out = set_of(0, 1);
	pp = pack_pairs_new(&in);
	assert_false(pack_pairs_first(pp, lands));
	assert_false(pack_pairs_next(pp, 2, lands));
	pack_pairs_free(pp);
	/* No load needs no client. */
	load[1] = 0;
	pp = pack_pairs_new(&in);
	assert_true(pack_pairs_first(pp, lands));
	assert_true(pack_pairs_next(pp, 2, lands));
	pack_pairs_free(pp);
	pack_pairs_free(NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_every_heir_of_every_site),
		CASE(test_two_go_together),
		CASE(test_one_after_the_other),
		CASE(test_a_load_without_clients_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
