/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All pairs of a site at once must say what each of them says alone. */
#include "core/pack_pairs.h"

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

/* Shares of the clients of `home` by pack_predict of both. */
static void
share_alone(struct rig *r, const struct pack_set *both, size_t home,
    double *share)
{
	uint16_t site[CLIENTS];
	double all = 0;

	pack_predict(r->p, both, site, NULL);
	for (size_t c = 0; c < CLIENTS; c++) {
		if (r->home[c] != home + 1)
			continue;
		all += r->weight[c];
		if (site[c] < SITES)
			share[site[c]] += r->weight[c];
	}
	for (size_t i = 0; i < SITES && all > 0; i++)
		share[i] /= all;
}

static void
assert_shares(const double *got, const double *want)
{
	for (size_t i = 0; i < SITES; i++) {
		double off = got[i] - want[i];

		if (off < -1e-9 || off > 1e-9)
			fail_msg("%zu: %f, not %f", i, got[i], want[i]);
	}
}

static void
check_pair(struct rig *r, struct pack_pairs *pp, size_t site, size_t heir)
{
	double of_site[SITES], of_heir[SITES];
	double want_site[SITES] = { 0 }, want_heir[SITES] = { 0 };
	struct pack_set both = { { 0 } };

	assert_true(pack_pairs_share(pp, heir, of_site, of_heir));
	pack_set_add(&both, site);
	pack_set_add(&both, heir);
	share_alone(r, &both, site, want_site);
	share_alone(r, &both, heir, want_heir);
	assert_shares(of_site, want_site);
	assert_shares(of_heir, want_heir);
	assert_true(of_site[heir] <= 0 && of_heir[site] <= 0);
}

static void
test_all_pairs_of_all_sites(void **state)
{
	struct rig *r = *state;

	for (size_t site = 0; site < SITES; site++) {
		const struct pack_pairs_input in = { .pack = r->p,
			.n = CLIENTS,
			.home = r->home,
			.weight = r->weight,
			.n_sites = SITES,
			.site = site };
		struct pack_pairs *pp = pack_pairs_new(&in);

		for (size_t heir = 0; heir < SITES; heir++) {
			if (heir != site)
				check_pair(r, pp, site, heir);
		}
		pack_pairs_free(pp);
	}
}

static void
test_a_site_without_clients_tells_nothing(void **state)
{
	struct rig *r = *state;
	double of_site[SITES], of_heir[SITES];
	struct pack_pairs_input in = { .pack = r->p,
		.n = CLIENTS,
		.home = r->home,
		.weight = r->weight,
		.n_sites = SITES,
		.site = 0 };
	struct pack_pairs *pp;

	for (size_t c = 0; c < CLIENTS; c++) {
		if (r->home[c] == 2)
			r->home[c] = OUTCOME_NONE;
	}
	pp = pack_pairs_new(&in);
	assert_false(pack_pairs_share(pp, 1, of_site, of_heir));
	assert_true(pack_pairs_share(pp, 2, of_site, of_heir));
	pack_pairs_free(pp);
	in.site = 1;
	pp = pack_pairs_new(&in);
	assert_false(pack_pairs_share(pp, 2, of_site, of_heir));
	pack_pairs_free(pp);
	pack_pairs_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_pairs_of_all_sites,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_site_without_clients_tells_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
