/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * packsim -- runs a campaign of packed experiments on a synthetic Internet
 * and prints one JSON object that says how right it was, and after how many.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "judge.h"

struct options {
	uint32_t sites, depth, seed, noise_seed, every, cap;
	uint32_t bursts, burst_permille; /* percent of the experiments; ASes */
	const char *noise;
	bool is_small, is_stress, is_order, keeps_suspects, is_checks;
};

static double
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
score_print(struct judge *j, struct pack *p, enum judge_level level,
    const char *name)
{
	struct judge_score s;

	judge_score(j, p, level, &s);
	printf(
	    ", \"%s\": {\"sets\": %zu, \"right\": %.5f, \"steady\": %.5f, \"single\": %.5f, "
	    "\"certified\": %.5f, \"certified_right\": %.5f, "
	    "\"second\": %.5f, \"tv_median\": %.5f, \"tv_p95\": %.5f, "
	    "\"labels\": {",
	    name, judge_sets(j, level), s.right, s.steady, s.single,
	    s.certified, s.certified_right, s.second, s.tv_median, s.tv_p95);
	for (int k = 0; k < PACK_LABEL_COUNT; k++) {
		printf("%s\"%s\": [%.5f, %.5f]", k == 0 ? "" : ", ",
		    pack_label_name((enum pack_label)k), s.share[k],
		    s.wrong[k]);
	}
	printf("}}");
}

static void
scores_print(struct judge *j, struct pack *p, unsigned depth)
{
	score_print(j, p, JUDGE_1, "d1");
	score_print(j, p, JUDGE_2, "d2");
	score_print(j, p, JUDGE_CHAIN, "chain");
	if (depth >= 3)
		score_print(j, p, JUDGE_3, "d3");
}

static void
summary_print(struct pack *p)
{
	struct pack_summary m;

	pack_summary(p, &m);
	printf(", \"by_purpose\": {");
	for (int k = 0; k < PACK_PURPOSE_COUNT; k++) {
		printf("%s\"%s\": %u", k == 0 ? "" : ", ",
		    pack_purpose_name((enum pack_purpose)k), m.by_purpose[k]);
	}
	printf(
	    "}, \"contradictions\": %.5f, \"bystanders\": %.5f, "
	    "\"holdout\": %.5f, \"holdout_certified\": %.5f, "
	    "\"right_estimate\": %.5f, "
	    "\"flapping\": %.5f, \"flapping_clients\": %u, "
	    "\"silent\": %.5f, \"suspect\": %u, \"aside\": %u, \"cleared\": %u",
	    m.contradiction_rate, m.bystanders_median, m.holdout,
	    m.holdout_certified, m.right_estimate, m.flapping,
	    m.flapping_clients, m.silent, m.suspect, m.aside, m.cleared);
}

/* What each experiment says about itself. */
static void
checks_print(struct pack *p)
{
	for (size_t i = 0; i < pack_count(p); i++) {
		struct pack_check k;

		pack_check(p, i, &k);
		printf(
		    "{\"experiment\": %zu, \"purpose\": \"%s\", "
		    "\"withdrawn\": %zu, \"bystanders\": %.5f, \"astray\": %.5f, "
		    "\"contradictions\": %.5f, \"suspect\": %s, "
		    "\"set_aside\": %s}\n",
		    i, pack_purpose_name(k.purpose),
		    pack_set_count(&k.withdrawn), k.bystanders, k.astray,
		    k.contradictions, k.is_suspect ? "true" : "false",
		    k.is_aside ? "true" : "false");
	}
}

/* Runs to the end; returns the CPU seconds that core/pack took. */
static double
campaign_run(const struct options *o, struct pack *p, struct noise *noise,
    struct judge *j)
{
	size_t clients = internet_clients(noise->net), n;
	uint16_t *outcome = xcalloc(clients, sizeof(*outcome));
	struct pack_plan plans[PACK_BATCH_MAX];
	double cpu = 0, at = cpu_now();

	while ((n = pack_next(p, plans, PACK_BATCH_MAX)) > 0) {
		cpu += cpu_now() - at;
		for (size_t k = 0; k < n; k++) {
			noise_measure(noise, &plans[k].withdrawn, outcome);
			at = cpu_now();
			(void)pack_add(p, &plans[k].withdrawn, plans[k].purpose,
			    outcome, NULL);
			cpu += cpu_now() - at;
		}
		if (o->every > 0 && j != NULL && pack_count(p) > 18 &&
		    pack_count(p) / o->every !=
			(pack_count(p) - n) / o->every) {
			fflush(stdout);
			printf("{\"after\": %zu, \"purpose\": \"%s\", "
			       "\"gain\": %.5f",
			    pack_count(p), pack_purpose_name(plans[0].purpose),
			    plans[0].gain);
			scores_print(j, p, o->depth);
			printf("}\n");
		}
		at = cpu_now();
	}
	cpu += cpu_now() - at;
	free(outcome);
	return cpu;
}

/* Heirs per site, of at least 1 % and of any share; pairs that matter. */
static void
targets_print(const uint16_t *home, const uint16_t *heir, const double *weight,
    size_t clients, size_t n)
{
	double *share = xcalloc(n * n, sizeof(*share));
	double *all = xcalloc(n, sizeof(*all));
	size_t large = 0, any = 0, pairs = 0;

	for (size_t c = 0; c < clients; c++) {
		share[home[c] * n + heir[c]] += weight[c];
		all[home[c]] += weight[c];
	}
	for (size_t s = 0; s < n; s++) {
		for (size_t t = 0; t < n; t++) {
			bool there =
			    share[s * n + t] >= 0.01 * all[s] && all[s] > 0;
			bool back =
			    share[t * n + s] >= 0.01 * all[t] && all[t] > 0;

			any += share[s * n + t] > 0;
			large += there;
			pairs += t < s && (there || back);
		}
	}
	printf("{\"heirs\": %.1f, \"heirs_any\": %.1f, \"pairs\": %zu}\n",
	    (double)large / (double)n, (double)any / (double)n, pairs);
	free(share);
	free(all);
}

/* Where every client is at baseline, and where when its site is withdrawn. */
static void
heirs_route(struct internet *net, uint16_t *home, uint16_t *heir,
    uint16_t *site)
{
	size_t clients = internet_clients(net);
	struct internet_mood calm = { 0 };
	struct pack_set none = { { 0 } };

	internet_route(net, &none, &calm, home, NULL);
	for (size_t s = 0; s < internet_sites(net); s++) {
		struct pack_set one = { { 0 } };

		pack_set_add(&one, s);
		internet_route(net, &one, &calm, site, NULL);
		for (size_t c = 0; c < clients; c++) {
			if (home[c] == s)
				heir[c] = site[c];
		}
	}
}

struct order_sums {
	double standing, moved, displaced, passed;
};

static void
order_add(struct internet *net, const struct pack_set *set,
    const uint16_t *home, const uint16_t *heir, struct order_sums *s)
{
	size_t clients = internet_clients(net);
	const double *weight = internet_weights(net);
	uint16_t *site = xcalloc(clients, sizeof(*site));
	struct internet_mood calm = { 0 };

	internet_route(net, set, &calm, site, NULL);
	for (size_t c = 0; c < clients; c++) {
		double w = weight[c];

		if (!pack_set_has(set, home[c])) {
			s->standing += w;
			s->moved += site[c] != home[c] ? w : 0;
			continue;
		}
		s->displaced += w;
		s->passed +=
		    !pack_set_has(set, heir[c]) && heir[c] != site[c] ? w : 0;
	}
	free(site);
}

/* How far the synthetic Internet is from clients that just rank sites: for
 * random sets, the weight of bystanders that move, and of displaced clients
 * that pass by the heir of their site although it announces. */
static void
order_print(struct internet *net)
{
	static const size_t sizes[] = { 2, 10, 30, 60, 99, 150, 240 };
	size_t clients = internet_clients(net), n = internet_sites(net);
	uint16_t *home = xcalloc(clients, sizeof(*home));
	uint16_t *heir = xcalloc(clients, sizeof(*heir));
	uint16_t *site = xcalloc(clients, sizeof(*site));
	struct sim_rng rng = { 99 };

	heirs_route(net, home, heir, site);
	targets_print(home, heir, internet_weights(net), clients, n);
	for (size_t k = 0; k < 7 && sizes[k] < n; k++) {
		struct order_sums s = { 0 };

		for (int round = 0; round < 10; round++) {
			struct pack_set set = { { 0 } };

			while (pack_set_count(&set) < sizes[k])
				pack_set_add(&set, sim_rng_below(&rng, n));
			order_add(net, &set, home, heir, &s);
		}
		printf("{\"withdrawn\": %zu, \"bystanders\": %.5f, "
		       "\"passed\": %.5f}\n",
		    sizes[k], s.moved / s.standing, s.passed / s.displaced);
	}
	free(home);
	free(heir);
	free(site);
}

static int
run(const struct options *o)
{
	struct internet_conf conf = o->is_small
	    ? internet_conf_small(o->seed, o->sites)
	    : internet_conf_full(o->seed, o->sites);
	struct noise_conf noise_conf;
	struct internet *net;
	struct internet_size size;
	struct noise noise;
	struct judge *j = NULL;
	struct pack *p;
	struct err err;
	double cpu, began;

	if (!noise_model(o->noise, o->noise_seed, &noise_conf)) {
		fprintf(stderr, "packsim: --noise: none, n1, n2, n3\n");
		return 2;
	}
	conf.stress_percent = o->is_stress ? 45 : 0;
	noise_conf.bursts = o->bursts / 100.0;
	noise_conf.burst_share = o->burst_permille / 1000.0;
	net = internet_new(&conf);
	internet_size(net, &size);
	if (o->is_order) {
		printf(
		    "{\"ases\": %zu, \"pops\": %zu, \"transit_links\": %zu, \"peer_links\": %zu, \"site_sessions\": %zu, \"degree\": %zu}\n",
		    size.ases, size.pops, size.transit_links, size.peer_links,
		    size.site_sessions, size.largest_customer_degree);
		order_print(net);
		internet_free(net);
		return 0;
	}
	noise_init(&noise, &noise_conf, net);
	p = pack_new(&(struct pack_conf){ .n_sites = o->sites,
			 .n_clients = internet_clients(net),
			 .weight = internet_weights(net),
			 .depth = o->depth,
			 .seed = o->noise_seed,
			 .cap_permille = o->cap,
			 .keep_suspects = o->keeps_suspects },
	    &err);
	if (p == NULL) {
		fprintf(stderr, "packsim: %s\n", err.msg);
		return 1;
	}
	/* Drift: the truth is the one at the end, so judge after it. */
	if (noise_conf.drift <= 0)
		j = judge_new(net, &noise, o->depth);
	began = cpu_now();
	cpu = campaign_run(o, p, &noise, j);
	if (j == NULL)
		j = judge_new(net, &noise, o->depth);
	if (o->is_checks)
		checks_print(p);
	printf("{\"sites\": %u, \"depth\": %u, \"seed\": %u, "
	       "\"noise\": \"%s\", \"experiments\": %zu, \"naive\": %zu, "
	       "\"cpu_per_experiment\": %.4f, \"campaign_cpu\": %.2f, "
	       "\"ases\": %zu, \"pops\": %zu, "
	       "\"transit_links\": %zu, \"peer_links\": %zu, "
	       "\"site_sessions\": %zu, \"degree\": %zu",
	    o->sites, o->depth, o->seed, o->noise, pack_count(p),
	    judge_naive(j, o->depth), cpu / (double)pack_count(p),
	    cpu_now() - began, size.ases, size.pops, size.transit_links,
	    size.peer_links, size.site_sessions, size.largest_customer_degree);
	scores_print(j, p, o->depth);
	summary_print(p);
	printf(", \"disturbed\": %" PRIu64 "}\n", noise.disturbed);
	judge_free(j);
	pack_free(p);
	noise_fini(&noise);
	internet_free(net);
	return 0;
}

static bool
option_number(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	struct err err;

	if (num_parse_u32(text, least, most, out, &err) == 0)
		return true;
	fprintf(stderr, "packsim: %s\n", err.msg);
	return false;
}

static bool
option_take(int option, struct options *o)
{
	switch (option) {
	case 's':
		return option_number(optarg, 2, 320, &o->sites);
	case 'd':
		return option_number(optarg, 1, 3, &o->depth);
	case 'g':
		return option_number(optarg, 0, 1000000, &o->seed);
	case 'r':
		return option_number(optarg, 0, 1000000, &o->noise_seed);
	case 'e':
		return option_number(optarg, 0, 512, &o->every);
	case 'c':
		return option_number(optarg, 0, 900, &o->cap);
	case 'n':
		o->noise = optarg;
		return true;
	case 'm':
		return o->is_small = true;
	case 'i':
		return o->is_order = true;
	case 't':
		return o->is_stress = true;
	case 'b':
		return option_number(optarg, 0, 100, &o->bursts);
	case 'B':
		return option_number(optarg, 0, 1000, &o->burst_permille);
	case 'k':
		return o->keeps_suspects = true;
	case 'x':
		return o->is_checks = true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "sites", required_argument, NULL, 's' },
		{ "depth", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 'g' },
		{ "noise-seed", required_argument, NULL, 'r' },
		{ "every", required_argument, NULL, 'e' },
		{ "cap", required_argument, NULL, 'c' },
		{ "noise", required_argument, NULL, 'n' },
		{ "small", no_argument, NULL, 'm' },
		{ "order", no_argument, NULL, 'i' },
		{ "bursts", required_argument, NULL, 'b' },
		{ "burst-permille", required_argument, NULL, 'B' },
		{ "keep-suspects", no_argument, NULL, 'k' },
		{ "checks", no_argument, NULL, 'x' },
		{ "stress", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .sites = 300,
		.depth = 2,
		.seed = 1,
		.noise_seed = 1,
		.burst_permille = 200,
		.noise = "n1" };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (!option_take(option, &o))
			return 2;
	}
	return run(&o);
}
