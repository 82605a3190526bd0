/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "noise.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum {
	SALT_SILENT = 1,
	SALT_FLAPPING,
	SALT_LOST,
	SALT_TOSS,
	SALT_DRIFT,
	SALT_BURST
};

#define EXPERIMENTS_A_DAY 144.0 /* of ten minutes each */

bool
noise_model(const char *name, uint64_t seed, struct noise_conf *out)
{
	static const struct {
		const char *name;
		struct noise_conf conf;
	} models[] = {
		{ "none", { 0 } },
		{ "n1", { .silent = 0.45, .lost = 0.03, .flapping = 0.01 } },
		{ "n2",
		    { .silent = 0.45,
			.lost = 0.03,
			.flapping = 0.03,
			.wavering = 0.003 } },
		{ "n3",
		    { .silent = 0.45,
			.lost = 0.03,
			.flapping = 0.01,
			.drift = 0.01 / EXPERIMENTS_A_DAY } },
	};

	for (size_t k = 0; k < sizeof(models) / sizeof(models[0]); k++) {
		if (strcmp(models[k].name, name) != 0)
			continue;
		*out = models[k].conf;
		out->seed = seed;
		return true;
	}
	return false;
}

static double
chance(const struct noise *n, uint64_t salt, uint64_t a, uint64_t b)
{
	return sim_unit(sim_hash(sim_hash(sim_hash(n->conf.seed ^ salt << 56) ^
				     a) ^
	    b));
}

void
noise_init(struct noise *n, const struct noise_conf *conf, struct internet *net)
{
	size_t clients = internet_clients(net);
	struct pack_set none = { { 0 } };
	struct internet_mood calm = { 0 };
	uint16_t *first = xcalloc(clients, sizeof(*first));
	size_t flapping = 0;

	*n = (struct noise){ .conf = *conf, .net = net };
	n->is_silent = xcalloc(clients, sizeof(*n->is_silent));
	n->is_flapping = xcalloc(clients, sizeof(*n->is_flapping));
	n->second = xcalloc(clients, sizeof(*n->second));
	internet_route(net, &none, &calm, first, n->second);
	for (size_t c = 0; c < clients; c++)
		n->is_silent[c] = chance(n, SALT_SILENT, c, 0) < conf->silent;
	/* Only a client with two ways can flap. */
	for (size_t k = 0; k < 20 * clients &&
	     (double)flapping < conf->flapping * (double)clients;
	     k++) {
		size_t c =
		    (size_t)(chance(n, SALT_FLAPPING, k, 0) * (double)clients);

		if (n->is_flapping[c] || !internet_is_multihomed(net, c))
			continue;
		n->is_flapping[c] = true;
		flapping++;
	}
	free(first);
}

void
noise_fini(struct noise *n)
{
	free(n->is_silent);
	free(n->is_flapping);
	free(n->second);
}

void
noise_measure(struct noise *n, const struct pack_set *withdrawn,
    uint16_t *outcome)
{
	size_t clients = internet_clients(n->net);
	uint64_t i = ++n->experiments;
	struct internet_mood mood = {
		.wavering = n->conf.wavering,
		.salt = sim_hash(n->conf.seed ^ i << 20),
	};

	if (n->conf.drift > 0) {
		internet_drift(n->net, n->conf.drift,
		    sim_hash(n->conf.seed ^ i << 24 ^ SALT_DRIFT));
	}
	if (chance(n, SALT_BURST, i, 0) < n->conf.bursts) {
		mood.wavering = n->conf.burst_share;
		n->disturbed++;
	}
	internet_route(n->net, withdrawn, &mood, outcome, n->second);
	for (size_t c = 0; c < clients; c++) {
		if (n->is_silent[c] ||
		    chance(n, SALT_LOST, c, i) < n->conf.lost) {
			outcome[c] = PACK_NONE;
		} else if (n->is_flapping[c] &&
		    chance(n, SALT_TOSS, c, i) < 0.5) {
			outcome[c] = n->second[c];
		}
	}
}
