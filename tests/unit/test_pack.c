/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pack.h"

#include <stdlib.h>

#include "ranked_world.h"
#include "test.h"

/* Share of clients predicted right for every single and for every pair of a
 * site and the heir of one of its clients. */
static double
right_share(struct ranked_world *w, struct pack *p)
{
	size_t right = 0, all = 0;

	for (size_t c = 0; c < w->n_clients; c++) {
		const uint16_t *rank = w->rank + c * w->n_sites;
		struct pack_client k;

		pack_client(p, c, &k);
		for (size_t d = 0; d <= 2; d++) {
			all++;
			right += k.n > d && k.ranks[d].site == rank[d];
		}
	}
	return (double)right / (double)all;
}

/* Without noise, a campaign finds what is there, in far fewer experiments
 * than one for each pair. */
static void
test_campaign_finds_the_ranks(void **state)
{
	struct ranked_world w;
	struct pack_conf conf = {
		.n_sites = 60, .n_clients = 3000, .depth = 2, .seed = 1
	};
	struct pack *p = pack_new(&conf, NULL);
	size_t n;

	(void)state;
	assert_non_null(p);
	ranked_world_init(&w, conf.n_sites, conf.n_clients, 7);
	n = ranked_world_campaign(&w, p);
	assert_in_range(n, 20, 150);
	assert_true(right_share(&w, p) > 0.99);
	ranked_world_fini(&w);
	pack_free(p);
}

static struct pack *
new_pack(size_t n_sites, size_t n_clients, unsigned depth, uint64_t seed)
{
	struct pack_conf conf = { .n_sites = n_sites,
		.n_clients = n_clients,
		.depth = depth,
		.seed = seed };

	return pack_new(&conf, NULL);
}

/* The same log and seed propose the same; asking twice changes nothing. */
static void
test_same_seed_same_campaign(void **state)
{
	struct ranked_world w;
	struct pack *a = new_pack(60, 500, 2, 5), *b = new_pack(60, 500, 2, 5);
	struct pack *c = new_pack(60, 500, 2, 6);
	struct pack_plan pa[PACK_BATCH_MAX], pb[PACK_BATCH_MAX];
	struct pack_check ka, kc;
	size_t n;

	(void)state;
	ranked_world_init(&w, 60, 500, 3);
	while ((n = pack_next(a, pa, PACK_BATCH_MAX)) > 0) {
		assert_int_equal(pack_next(a, pb, PACK_BATCH_MAX), n);
		assert_memory_equal(pa, pb, n * sizeof(pa[0]));
		assert_int_equal(pack_next(b, pb, PACK_BATCH_MAX), n);
		assert_memory_equal(pa, pb, n * sizeof(pa[0]));
		for (size_t i = 0; i < n; i++) {
			const uint16_t *u =
			    ranked_world_measure(&w, &pa[i].withdrawn);

			assert_true(pack_add(a, &pa[i].withdrawn, pa[i].purpose,
					u, NULL) >= 0);
			assert_true(pack_add(b, &pa[i].withdrawn, pa[i].purpose,
					u, NULL) >= 0);
		}
	}
	(void)ranked_world_campaign(&w, c);
	pack_check(a, 2, &ka);
	pack_check(c, 2, &kc);
	assert_false(pack_set_equal(&ka.withdrawn, &kc.withdrawn));
	ranked_world_fini(&w);
	pack_free(a);
	pack_free(b);
	pack_free(c);
}

/* A campaign goes on from a stored log: no state is lost in between. */
static void
test_log_is_the_state(void **state)
{
	struct ranked_world w;
	struct pack *whole = new_pack(60, 500, 2, 5), *again;
	struct pack_plan pa[PACK_BATCH_MAX], pb[PACK_BATCH_MAX];
	size_t n;

	(void)state;
	ranked_world_init(&w, 60, 500, 3);
	while ((n = pack_next(whole, pa, PACK_BATCH_MAX)) > 0) {
		again = new_pack(60, 500, 2, 5);
		for (size_t i = 0; i < pack_count(whole); i++) {
			struct pack_check k;

			pack_check(whole, i, &k);
			assert_true(pack_add(again, &k.withdrawn, k.purpose,
					ranked_world_measure(&w, &k.withdrawn),
					NULL) >= 0);
		}
		assert_int_equal(pack_next(again, pb, PACK_BATCH_MAX), n);
		assert_memory_equal(pa, pb, n * sizeof(pa[0]));
		pack_free(again);
		for (size_t i = 0; i < n; i++) {
			(void)pack_add(whole, &pa[i].withdrawn, pa[i].purpose,
			    ranked_world_measure(&w, &pa[i].withdrawn), NULL);
		}
	}
	ranked_world_fini(&w);
	pack_free(whole);
}

/* All that a pack says of clients, experiments, and itself, is the same. */
static void
same_conclusions(struct pack *a, struct pack *b)
{
	struct pack_progress ga, gb;
	struct pack_summary sa = { 0 }, sb = { 0 };

	assert_int_equal(pack_count(a), pack_count(b));
	for (size_t c = 0; c < 500; c++) {
		struct pack_client ka, kb;

		pack_client(a, c, &ka);
		pack_client(b, c, &kb);
		assert_memory_equal(&ka, &kb, sizeof(ka));
	}
	pack_summary(a, &sa);
	pack_summary(b, &sb);
	assert_memory_equal(&sa, &sb, sizeof(sa));
	pack_progress(a, &ga);
	pack_progress(b, &gb);
	assert_memory_equal(&ga, &gb, sizeof(ga));
}

/* The next experiments are worked into a copy, a few clients at a time, and one
 * of them comes while it is at that; meanwhile the old one answers as before.
 * In the end the copy knows what a pack does that was told all at once. */
static void
test_copy_learns_in_parts(void **state)
{
	struct ranked_world w;
	struct pack *whole = new_pack(60, 500, 2, 5);
	struct pack *shown = new_pack(60, 500, 2, 5);
	struct pack_plan pa[PACK_BATCH_MAX], pb[PACK_BATCH_MAX];
	size_t n, parts = 0, batches = 0;

	(void)state;
	ranked_world_init(&w, 60, 500, 3);
	while ((n = pack_next(whole, pa, PACK_BATCH_MAX)) > 0) {
		struct pack *next = pack_copy(shown);
		struct pack_client before, after;
		size_t known = pack_count(shown);

		assert_int_equal(pack_next(shown, pb, PACK_BATCH_MAX), n);
		assert_memory_equal(pa, pb, n * sizeof(pa[0]));
		pack_client(shown, 7, &before);
		for (size_t i = 0; i < n; i++) {
			const uint16_t *u =
			    ranked_world_measure(&w, &pa[i].withdrawn);

			(void)pack_add(whole, &pa[i].withdrawn, pa[i].purpose,
			    u, NULL);
			(void)pack_add(next, &pa[i].withdrawn, pa[i].purpose, u,
			    NULL);
			/* Some of the way, never all. */
			for (size_t k = 0; k < 4 * i; k++)
				assert_true(pack_work(next, 100));
		}
		for (; pack_work(next, 100); parts++) {
			assert_int_equal(pack_count(shown), known);
			pack_client(shown, 7, &after);
			assert_memory_equal(&before, &after, sizeof(after));
		}
		same_conclusions(whole, next);
		pack_free(shown);
		shown = next;
		batches++;
	}
	/* Six passes or more, each of four blocks; some were done above. */
	assert_true(batches > 5 && parts >= batches * (6 * 4 - 1 - 4 * 3));
	assert_false(pack_work(shown, 100));
	ranked_world_fini(&w);
	pack_free(whole);
	pack_free(shown);
}

enum answers { SILENT, ANY_SITE, FLIPPING, ANY_NUMBER, ANSWERS };

static void
answers_fill(enum answers kind, size_t n_sites, unsigned *chance,
    uint16_t *outcome, size_t n)
{
	for (size_t c = 0; c < n; c++) {
		unsigned r = (unsigned)rand_r(chance);
		const uint16_t by_kind[ANSWERS] = {
			[SILENT] = PACK_NONE,
			[ANY_SITE] = (uint16_t)(r % n_sites),
			[FLIPPING] = PACK_FLIPPING,
			[ANY_NUMBER] = (uint16_t)r,
		};

		outcome[c] = by_kind[kind];
	}
}

/* No set withdraws all sites, a site to be kept, or more than its cap. */
static void
plan_is_sane(const struct pack_conf *conf, const struct pack_set *set)
{
	size_t cap = 1 + conf->n_sites * 350 / 1000 + conf->depth;

	assert_true(pack_set_count(set) < conf->n_sites);
	assert_true(pack_set_count(set) <= cap);
	for (size_t s = 0; s < conf->n_sites; s++) {
		assert_false(pack_set_has(set, s) &&
		    pack_set_has(&conf->keep, s));
	}
}

/* Whatever is answered, a campaign ends. */
static void
campaign_survives(size_t n_sites, unsigned depth, enum answers kind)
{
	struct pack_conf conf = { .n_sites = n_sites,
		.n_clients = 200,
		.depth = depth,
		.seed = kind };
	struct pack_plan plans[PACK_BATCH_MAX];
	uint16_t outcome[200];
	struct pack *p;
	size_t n;
	unsigned chance = 7;

	if (n_sites > 3)
		pack_set_add(&conf.keep, 2);
	p = pack_new(&conf, NULL);
	assert_non_null(p);
	while ((n = pack_next(p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t i = 0; i < n; i++) {
			plan_is_sane(&conf, &plans[i].withdrawn);
			answers_fill(kind, n_sites, &chance, outcome, 200);
			assert_true(pack_add(p, &plans[i].withdrawn,
					plans[i].purpose, outcome, NULL) >= 0);
		}
	}
	assert_true(pack_count(p) <= PACK_EXPERIMENTS_MAX);
	pack_free(p);
}

static void
test_campaign_survives_any_answers(void **state)
{
	static const size_t sites[] = { 1, 2, 3, 10, 41, 60, 300, 320 };

	(void)state;
	for (size_t k = 0; k < TEST_COUNT(sites); k++) {
		for (unsigned kind = 0; kind < ANSWERS; kind++) {
			campaign_survives(sites[k], 1 + kind % 3,
			    (enum answers)kind);
		}
	}
}

/* Few sites: every single is measured exactly, packing begins with pairs. */
static void
test_small_fleet_measures_singles(void **state)
{
	struct ranked_world w;
	struct pack *p = new_pack(12, 300, 2, 1);
	struct pack_summary m;

	(void)state;
	ranked_world_init(&w, 12, 300, 3);
	assert_true(ranked_world_campaign(&w, p) > 0);
	pack_summary(p, &m);
	assert_int_equal(m.by_purpose[PACK_BASELINE], 2);
	assert_int_equal(m.by_purpose[PACK_SINGLE], 12);
	assert_true(right_share(&w, p) > 0.99);
	ranked_world_fini(&w);
	pack_free(p);
}

/* The budget holds, and the hold-outs are within it. */
static void
test_budget_is_kept(void **state)
{
	struct ranked_world w;
	struct pack_conf conf = { .n_sites = 60,
		.n_clients = 500,
		.depth = 3,
		.budget = 30,
		.seed = 1 };
	struct pack *p = pack_new(&conf, NULL);
	struct pack_summary m;

	(void)state;
	ranked_world_init(&w, 60, 500, 3);
	assert_int_equal(ranked_world_campaign(&w, p), 30);
	pack_summary(p, &m);
	assert_int_equal(m.by_purpose[PACK_HOLDOUT], 6);
	ranked_world_fini(&w);
	pack_free(p);
}

/* A discarded set is measured again, so the campaign still has its seeds. */
static void
test_discarded_set_is_replaced(void **state)
{
	struct ranked_world w;
	struct pack *p = new_pack(60, 500, 2, 1);
	struct pack_plan plans[PACK_BATCH_MAX];
	struct pack_summary m;

	(void)state;
	ranked_world_init(&w, 60, 500, 3);
	assert_int_equal(pack_next(p, plans, 2), 2);
	for (size_t i = 0; i < 2; i++) {
		(void)pack_add(p, &plans[i].withdrawn, plans[i].purpose,
		    ranked_world_measure(&w, &plans[i].withdrawn), NULL);
	}
	pack_discard(p, 0);
	assert_int_equal(pack_next(p, plans, 2), 1);
	assert_int_equal(plans[0].purpose, PACK_BASELINE);
	assert_true(ranked_world_campaign(&w, p) > 0);
	pack_summary(p, &m);
	assert_int_equal(m.by_purpose[PACK_BASELINE], 2);
	assert_int_equal(m.discarded, 1);
	ranked_world_fini(&w);
	pack_free(p);
}

static void
test_bad_numbers_are_refused(void **state)
{
	struct pack_conf good = { .n_sites = 5, .n_clients = 2, .depth = 1 };
	struct pack_conf conf;
	struct pack_set set = { { 0 } };
	const uint16_t outcome[2] = { 0, 9 };
	const double weight[2] = { 1, -1 };
	struct pack_check check;
	struct err err;
	struct pack *p;

	(void)state;
#define REFUSED(field, value)                                                  \
	do {                                                                   \
		conf = good;                                                   \
		conf.field = (value);                                          \
		assert_null(pack_new(&conf, &err));                            \
		assert_int_equal(err.code, ERR_CONF);                          \
	} while (0)
	REFUSED(n_sites, 0);
	REFUSED(n_sites, PACK_SITES_MAX + 1);
	REFUSED(n_clients, 0);
	REFUSED(n_clients, PACK_CLIENTS_MAX + 1u);
	REFUSED(depth, 0);
	REFUSED(depth, PACK_DEPTH_MAX + 1);
	REFUSED(batch, PACK_BATCH_MAX + 1);
	REFUSED(budget, PACK_EXPERIMENTS_MAX + 1);
	REFUSED(cap_permille, 901);
	REFUSED(weight, weight);
	p = pack_new(&good, &err);
	assert_non_null(p);
	pack_set_add(&set, 5);
	assert_int_equal(pack_add(p, &set, PACK_SEED, outcome, &err), -1);
	pack_set_del(&set, 5);
	for (size_t s = 0; s < 5; s++)
		pack_set_add(&set, s);
	assert_int_equal(pack_add(p, &set, PACK_SEED, outcome, &err), -1);
	pack_set_del(&set, 1);
	/* Site 0 is withdrawn, site 9 does not exist: neither can answer. */
	assert_int_equal(pack_add(p, &set, PACK_SEED, outcome, &err), 0);
	pack_check(p, 0, &check);
	assert_int_equal(check.impossible, 2);
	assert_int_equal(check.answered, 0);
	for (size_t i = 1; i < PACK_EXPERIMENTS_MAX; i++) {
		assert_int_equal(pack_add(p, &set, PACK_OTHER, outcome, &err),
		    i);
	}
	assert_int_equal(pack_add(p, &set, PACK_OTHER, outcome, &err), -1);
	pack_free(p);
}

/* With 300 sites a site takes two bytes: the last one must come back. */
static void
test_last_site_of_many(void **state)
{
	struct pack *p = new_pack(PACK_SITES_MAX, 3, 1, 1);
	const uint16_t last = PACK_SITES_MAX - 1;
	const uint16_t at[3] = { last, PACK_NONE, PACK_FLIPPING };
	const uint16_t away[3] = { 255, 254, 0 };
	struct pack_set set = { { 0 } };
	struct pack_client k;
	struct pack_check check;

	(void)state;
	assert_int_equal(pack_add(p, &set, PACK_BASELINE, at, NULL), 0);
	pack_set_add(&set, last);
	assert_int_equal(pack_add(p, &set, PACK_SINGLE, away, NULL), 1);
	pack_client(p, 0, &k);
	assert_int_equal(k.ranks[0].site, last);
	assert_int_equal(k.ranks[1].site, 255);
	pack_client(p, 1, &k);
	assert_int_equal(k.ranks[0].site, 254);
	pack_check(p, 0, &check);
	assert_int_equal(check.flipping, 1);
	assert_int_equal(check.answered, 1);
	pack_free(p);
}

/* Shares by weight and by clients, the unknown column, and the interval. */
static void
test_heirs_of_a_set(void **state)
{
	const double weight[5] = { 6, 2, 2, 5, 7 };
	struct pack_conf conf = { .n_sites = 8,
		.n_clients = 5,
		.weight = weight,
		.depth = 1,
		.seed = 1 };
	struct pack *p = pack_new(&conf, NULL);
	const uint16_t at[5] = { 0, 0, 0, 0, 3 };
	const uint16_t away[5] = { 1, 1, 2, PACK_NONE, 3 };
	struct pack_set set = { { 0 } };
	struct pack_heirs *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(p);
	(void)pack_add(p, &set, PACK_BASELINE, at, NULL);
	pack_heirs(p, &set, PACK_NONE, h);
	assert_int_equal(h->n, 0);
	pack_set_add(&set, 0);
	pack_heirs(p, &set, PACK_NONE, h);
	assert_int_equal(h->label, PACK_UNKNOWN);
	(void)pack_add(p, &set, PACK_SINGLE, away, NULL);
	pack_heirs(p, &set, PACK_NONE, h);
	assert_int_equal(h->clients, 4);
	assert_float_equal(h->weight, 15, 1e-6);
	/* The silent client is spread as the others went. */
	assert_int_equal(h->heirs[0].site, 1);
	assert_int_equal(h->heirs[0].clients, 2);
	assert_true(h->heirs[0].low < h->heirs[0].share);
	assert_true(h->heirs[0].high > h->heirs[0].share);
	assert_true(h->measured > 0.6 && h->composed > 0.3);
	pack_heirs(p, &set, 3, h);
	assert_int_equal(h->clients, 0);
	free(h);
	pack_free(p);
}

/* Of the displaced alone: the same label and ways as of all. */
static void
test_heirs_of_the_displaced(void **state)
{
	struct ranked_world w;
	struct pack_conf conf = {
		.n_sites = 9, .n_clients = 500, .depth = 1, .seed = 1
	};
	struct pack *p = pack_new(&conf, NULL);
	struct pack_heirs *h = calloc(1, sizeof(*h));
	struct pack_prediction all[500], some[500];
	struct pack_set none = { { 0 } };
	uint32_t clients[500];

	(void)state;
	assert_non_null(p);
	ranked_world_init(&w, 9, 500, 4);
	assert_true(ranked_world_campaign(&w, p) > 0);
	for (size_t site = 0; site < 9; site++) {
		struct pack_set set = { { 0 } };
		size_t n = 0;

		pack_set_add(&set, site);
		for (uint32_t c = 0; c < 500; c++) {
			if (ranked_world_site(&w, c, &none) == site)
				clients[n++] = c;
		}
		pack_heirs(p, &set, PACK_NONE, h);
		assert_int_equal(h->clients, n);
		assert_int_equal(pack_label_of(p, &set, clients, n), h->label);
		pack_predict_split(p, &set, all);
		pack_predict_split_some(p, &set, clients, n, some);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(some[i].site, all[clients[i]].site);
			assert_int_equal(some[i].label, all[clients[i]].label);
		}
	}
	free(h);
	pack_free(p);
	ranked_world_fini(&w);
}

/* A set with far more bystanders than the others is told apart. */
static void
test_suspect_set(void **state)
{
	struct ranked_world w;
	struct pack *p = new_pack(60, 400, 2, 1);
	struct pack_set set = { { 0 } };
	struct pack_check check;
	struct pack_summary summary;
	int at;

	(void)state;
	ranked_world_init(&w, 60, 400, 3);
	assert_true(ranked_world_campaign(&w, p) > 0);
	pack_set_add(&set, 59);
	(void)ranked_world_measure(&w, &set);
	for (size_t c = 0; c < 400; c += 5)
		w.outcome[c] = (uint16_t)((w.outcome[c] + 1) % 59);
	at = pack_add(p, &set, PACK_OTHER, w.outcome, NULL);
	assert_true(at > 0);
	pack_check(p, (size_t)at, &check);
	assert_true(check.bystanders > 0.15);
	assert_true(check.astray > 0.15);
	assert_true(check.is_suspect && check.is_aside);
	pack_summary(p, &summary);
	assert_int_equal(summary.aside, 1);
	/* Not ours to measure again. */
	assert_int_equal(summary.suspect, 0);
	assert_int_equal(summary.by_purpose[PACK_REPEAT], 0);
	pack_check(p, 2, &check);
	assert_false(check.is_suspect);
	assert_true(check.bystanders < 0.001);
	ranked_world_fini(&w);
	pack_free(p);
}

static void
test_progress_tells_phase_and_end(void **state)
{
	struct ranked_world w;
	struct pack *p = new_pack(60, 400, 2, 1);
	struct pack_progress at;

	(void)state;
	ranked_world_init(&w, 60, 400, 3);
	pack_progress(p, &at);
	assert_int_equal(at.phase, PACK_BASELINE);
	assert_false(at.is_done);
	assert_true(at.estimate > 20);
	assert_true(ranked_world_campaign(&w, p) > 0);
	pack_progress(p, &at);
	assert_true(at.is_done);
	assert_int_equal(at.estimate, 0);
	assert_true(at.certified > 0.95);
	assert_true(at.expected_wrong < 0.02);
	ranked_world_fini(&w);
	pack_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_campaign_finds_the_ranks),
		cmocka_unit_test(test_same_seed_same_campaign),
		cmocka_unit_test(test_log_is_the_state),
		cmocka_unit_test(test_copy_learns_in_parts),
		cmocka_unit_test(test_campaign_survives_any_answers),
		cmocka_unit_test(test_small_fleet_measures_singles),
		cmocka_unit_test(test_budget_is_kept),
		cmocka_unit_test(test_discarded_set_is_replaced),
		cmocka_unit_test(test_bad_numbers_are_refused),
		cmocka_unit_test(test_last_site_of_many),
		cmocka_unit_test(test_heirs_of_a_set),
		cmocka_unit_test(test_heirs_of_the_displaced),
		cmocka_unit_test(test_suspect_set),
		cmocka_unit_test(test_progress_tells_phase_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
