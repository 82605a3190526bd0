/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Routing in three waves over ASes in the order of their hierarchy: routes
 * from customers climb, cross one peering, and descend to customers.
 */
#include <math.h>
#include <string.h>

#include "internet_state.h"

#define SHUNNED_SHARE 0.34 /* sessions that a wavering AS does not use */

uint64_t
sim_hash(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

double
sim_unit(uint64_t hash)
{
	return (double)(hash >> 11) * 0x1p-53;
}

uint64_t
sim_rng_next(struct sim_rng *r)
{
	return sim_hash(r->s++);
}

size_t
sim_rng_below(struct sim_rng *r, size_t n)
{
	return (size_t)(sim_rng_next(r) % n);
}

double
sim_rng_unit(struct sim_rng *r)
{
	return sim_unit(sim_rng_next(r));
}

/* One way out of an AS. */
struct option {
	uint32_t from; /* AS; for a site's session n_ases + site */
	uint16_t site;
	uint16_t at;
	uint32_t rank; /* pref and length, lower is better */
	uint64_t tie;
};

/* The choice of one AS: options of the best rank, one per PoP. */
struct choice {
	const struct internet *net;
	size_t v;
	uint64_t salt;
	uint32_t avoid; /* a neighbour not to be used; UINT32_MAX: none */
	uint32_t best;
	uint32_t n_at; /* PoPs with an option */
	uint16_t at[SIM_POPS_MAX];
	struct option option[SIM_POPS_MAX]; /* by `at`; tie UINT64_MAX: none */
};

static uint32_t
pref_of(const struct as *as, size_t v, enum relation relation, uint32_t from)
{
	bool is_ranked =
	    relation == FROM_PROVIDER ? as->has_primary : as->ranks_peers;

	if (relation == FROM_CUSTOMER || !is_ranked)
		return 0;
	return (uint32_t)(sim_hash(v * 0x10001u + from) & 0xff) + 1;
}

static void
option_add(struct choice *ch, const struct option *o)
{
	if (o->from == ch->avoid || o->rank > ch->best)
		return;
	if (ch->salt != 0 &&
	    sim_unit(sim_hash(ch->salt ^ sim_hash(o->from))) < SHUNNED_SHARE)
		return;
	if (o->rank < ch->best) {
		ch->best = o->rank;
		for (uint32_t k = 0; k < ch->n_at; k++)
			ch->option[ch->at[k]].tie = UINT64_MAX;
		ch->n_at = 0;
	}
	if (ch->option[o->at].tie == UINT64_MAX)
		ch->at[ch->n_at++] = o->at;
	if (o->tie < ch->option[o->at].tie)
		ch->option[o->at] = *o;
}

static void
attachments_add(struct choice *ch, const struct pack_set *withdrawn,
    enum relation relation)
{
	const struct internet *net = ch->net;

	for (size_t k = net->attached[ch->v]; k < net->attached[ch->v + 1];
	     k++) {
		const struct attachment *a = &net->attachments[k];
		struct option o = {
			.from = (uint32_t)(net->n_ases + a->site),
			.site = a->site,
			.at = a->at,
		};

		if (a->relation != relation || pack_set_has(withdrawn, a->site))
			continue;
		o.rank = 1 +
		    (pref_of(&net->ases[ch->v], ch->v, relation, o.from) << 8);
		o.tie = sim_hash(ch->v << 32 ^ o.from) >> 1;
		option_add(ch, &o);
	}
}

static void
sessions_add(struct choice *ch, enum relation relation)
{
	const struct internet *net = ch->net;
	const struct sessions *in = &net->in[relation];

	for (size_t k = in->begin[ch->v]; k < in->begin[ch->v + 1]; k++) {
		const struct session *s = &in->list[k];
		struct option o = { .from = s->from, .at = s->at };

		/* Only routes from customers go to providers and peers. */
		if (net->route_class[s->from] == 0 ||
		    (relation != FROM_PROVIDER &&
			net->route_class[s->from] != FROM_CUSTOMER + 1))
			continue;
		o.site = net->pop_site[s->from_pop];
		o.rank = net->length[s->from] + 1u +
		    (pref_of(&net->ases[ch->v], ch->v, relation, s->from) << 8);
		o.tie = sim_hash(ch->v << 32 ^ s->from) >> 1;
		option_add(ch, &o);
	}
}

static bool
options_find(struct choice *ch, const struct pack_set *withdrawn,
    enum relation relation)
{
	size_t n = ch->net->ases[ch->v].n_pops;
	uint64_t salt = ch->salt;
	bool is_found;

	ch->best = UINT32_MAX;
	ch->n_at = 0;
	for (size_t k = 0; k < n; k++)
		ch->option[k].tie = UINT64_MAX;
	if (relation != FROM_PROVIDER)
		attachments_add(ch, withdrawn, relation);
	sessions_add(ch, relation);
	if (ch->n_at > 0 || salt == 0)
		return ch->n_at > 0;
	/* It may have nothing but what it shuns. */
	ch->salt = 0;
	is_found = options_find(ch, withdrawn, relation);
	ch->salt = salt;
	return is_found;
}

/* The option that the AS's PoP k uses. */
static const struct option *
exit_of(const struct choice *ch, size_t k)
{
	const struct as *as = &ch->net->ases[ch->v];
	size_t best = ch->at[0];

	for (uint32_t j = 1; j < ch->n_at; j++) {
		size_t at = ch->at[j];

		if (as->cost[k * as->n_pops + at] <
		    as->cost[k * as->n_pops + best])
			best = at;
	}
	return &ch->option[best];
}

static uint64_t
salt_of(const struct internet *net, size_t v, const struct internet_mood *mood)
{
	uint64_t h;

	if (mood->wavering <= 0)
		return net->ases[v].salt;
	h = sim_hash(mood->salt ^ sim_hash(v));
	return sim_unit(h) < mood->wavering ? h | 1 : net->ases[v].salt;
}

static void
wave_as(struct internet *net, struct choice *ch,
    const struct pack_set *withdrawn, enum relation relation)
{
	const struct as *as = &net->ases[ch->v];

	ch->avoid = UINT32_MAX;
	if (!options_find(ch, withdrawn, relation))
		return;
	net->route_class[ch->v] = (uint8_t)(relation + 1);
	net->length[ch->v] = (uint8_t)(ch->best & 0xff);
	for (size_t k = 0; k < as->n_pops; k++)
		net->pop_site[as->pop + k] = exit_of(ch, k)->site;
}

static uint16_t
client_site(struct choice *ch, const struct pack_set *withdrawn,
    uint32_t *neighbour)
{
	if (options_find(ch, withdrawn, FROM_PEER) ||
	    options_find(ch, withdrawn, FROM_PROVIDER)) {
		*neighbour = ch->option[ch->at[0]].from;
		return ch->option[ch->at[0]].site;
	}
	return PACK_NONE;
}

static void
clients_route(struct internet *net, const struct pack_set *withdrawn,
    const struct internet_mood *mood, uint16_t *first, uint16_t *second)
{
	struct choice ch = { .net = net };

	for (size_t v = net->first_stub; v < net->n_ases; v++) {
		size_t c = v - net->first_stub;
		uint32_t neighbour = UINT32_MAX;
		uint16_t other;

		ch.v = v;
		ch.salt = salt_of(net, v, mood);
		ch.avoid = UINT32_MAX;
		first[c] = client_site(&ch, withdrawn, &neighbour);
		if (second == NULL)
			continue;
		ch.avoid = neighbour;
		ch.salt = 0;
		other = client_site(&ch, withdrawn, &neighbour);
		second[c] = other == PACK_NONE ? first[c] : other;
	}
}

void
internet_route(struct internet *net, const struct pack_set *withdrawn,
    const struct internet_mood *mood, uint16_t *first, uint16_t *second)
{
	struct choice ch = { .net = net };

	memset(net->route_class, 0, net->n_ases);
	for (size_t v = net->first_stub; v-- > 0;) {
		ch.v = v;
		ch.salt = salt_of(net, v, mood);
		wave_as(net, &ch, withdrawn, FROM_CUSTOMER);
	}
	for (size_t v = 0; v < net->first_stub; v++) {
		ch.v = v;
		ch.salt = salt_of(net, v, mood);
		if (net->route_class[v] == 0)
			wave_as(net, &ch, withdrawn, FROM_PEER);
	}
	for (size_t v = 0; v < net->first_stub; v++) {
		ch.v = v;
		ch.salt = salt_of(net, v, mood);
		if (net->route_class[v] == 0)
			wave_as(net, &ch, withdrawn, FROM_PROVIDER);
	}
	clients_route(net, withdrawn, mood, first, second);
}

void
internet_drift(struct internet *net, double share, uint64_t salt)
{
	for (size_t v = 0; v < net->n_ases; v++) {
		uint64_t h = sim_hash(salt ^ sim_hash(v ^ 0x5eed));

		if (sim_unit(h) < share)
			net->ases[v].salt = h | 1;
	}
}
