/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent_counters.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "core/load.h"

/* A load is not known any more when so many looks brought nothing; but a
 * command has its time. */
#define STALE_INTERVALS 3
#define STALE_LEAST_MS 15000
#define TROUBLE_BYTES 160

struct agent_counters {
	struct agent *agent;
	struct worker *nft_runner;
	struct probe_env *nft;
	/* The load; counter NULL: nobody measures it. */
	struct counter *counter;
	struct load_conf conf;
	struct load load;
	char trouble[TROUBLE_BYTES]; /* of the last look */
	bool is_troubled;
};

bool
agent_counters_need(const struct conf_agent *conf, enum counter_kind kind)
{
	for (size_t s = 0; s < conf->n_services; s++) {
		if (conf->services[s].drain.counter.kind == kind)
			return true;
	}
	return conf->load.counter.kind == kind;
}

/* ---- the load ---- */

static void
on_count(uint64_t count, struct mono now, void *arg)
{
	struct agent_counters *ac = arg;

	if (ac->is_troubled)
		log_info("load: %s: read again", counter_name(ac->counter));
	ac->is_troubled = false;
	ac->trouble[0] = '\0';
	load_take(&ac->load, &ac->conf, count, now);
}

static void
on_trouble(const char *why, void *arg)
{
	struct agent_counters *ac = arg;

	if (!ac->is_troubled) {
		log_warnx("load: %s: cannot be read: %s",
		    counter_name(ac->counter), why);
	}
	ac->is_troubled = true;
	(void)text_copy(ac->trouble, sizeof(ac->trouble), why);
}

static void
start_load(struct agent_counters *ac)
{
	static const struct counter_ops ops = { .on_count = on_count,
		.on_trouble = on_trouble };
	const struct conf_load *conf = &ac->agent->conf->load;
	struct counter_env env = agent_counters_env(ac);
	int64_t stale_ms = STALE_INTERVALS * conf->interval_ms;

	if (conf->counter.kind == COUNTER_NONE)
		return;
	ac->conf = (struct load_conf){ .unit = conf->unit,
		.half_life_ms = conf->half_life_ms,
		.stale_ms =
		    stale_ms > STALE_LEAST_MS ? stale_ms : STALE_LEAST_MS };
	(void)text_copy(ac->trouble, sizeof(ac->trouble), "not read yet");
	ac->counter =
	    counter_new(&env, &conf->counter, conf->interval_ms, &ops, ac);
}

void
agent_load_inherit(struct agent_counters *ac, const struct agent_counters *from)
{
	const struct conf_load *now = &ac->agent->conf->load;
	const struct conf_load *before = &from->agent->conf->load;

	if (now->unit != before->unit ||
	    !conf_counter_equal(&now->counter, &before->counter))
		return;
	ac->load = from->load;
	(void)text_copy(ac->trouble, sizeof(ac->trouble), from->trouble);
	ac->is_troubled = from->is_troubled;
}

/* How it is measured, and why it is not known if it is not. */
static json_t *
counter_json(const struct agent_counters *ac, bool is_known)
{
	const struct conf_load *conf = &ac->agent->conf->load;
	const char *counts = "units", *trouble = ac->trouble;

	if (!is_known && trouble[0] == '\0')
		trouble = "read once, or it fell: no growth is known yet";
	if (conf->counter.kind != COUNTER_COMMAND)
		counts = conf->counter.bytes ? "bytes" : "packets";
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "counter",
	    counter_name(ac->counter), "counts", counts, "unit",
	    (json_int_t)conf->unit, "interval_ms",
	    (json_int_t)conf->interval_ms, "half_life_ms",
	    (json_int_t)conf->half_life_ms, "trouble", trouble);
}

void
agent_load_add(const struct agent_counters *ac, json_t *site)
{
	double load;
	bool is_known;

	if (ac->counter == NULL)
		return;
	is_known = load_get(&ac->load, &ac->conf, mono_now(), &load);
	json_object_set_new(site, "load_counter", counter_json(ac, is_known));
	if (is_known)
		json_object_set_new(site, "load", json_real(load));
}

/* ---- workers ---- */

static void
on_worker_msg(struct worker *w, const struct chan_msg *msg, void *arg)
{
	struct agent_counters *ac = arg;

	probe_env_on_worker_msg(ac->nft, w, msg);
}

static void
on_worker_lost(struct worker *w, void *arg)
{
	struct agent_counters *ac = arg;

	probe_env_on_worker_lost(ac->nft, w);
}

static void
start_nft_runner(struct agent_counters *ac)
{
	static const struct worker_ops ops = { .on_msg = on_worker_msg,
		.on_lost = on_worker_lost };
	const struct agent_env *env = &ac->agent->env;

	ac->nft = probe_env_new(env->lp);
	ac->nft_runner = worker_new(env->keeper, env->kind_meter, &ops, ac);
	probe_env_set_workers(ac->nft, NULL, ac->nft_runner);
}

struct agent_counters *
agent_counters_new(struct agent *a)
{
	struct agent_counters *ac = xcalloc(1, sizeof(*ac));

	ac->agent = a;
	if (agent_counters_need(a->conf, COUNTER_NFT))
		start_nft_runner(ac);
	start_load(ac);
	return ac;
}

void
agent_counters_free(struct agent_counters *ac)
{
	if (ac == NULL)
		return;
	counter_free(ac->counter);
	if (ac->nft != NULL)
		probe_env_free(ac->nft);
	worker_free(ac->nft_runner);
	free(ac);
}

struct counter_env
agent_counters_env(const struct agent_counters *ac)
{
	return (struct counter_env){ .lp = ac->agent->env.lp,
		.commands = ac->agent->probes,
		.nft = ac->nft };
}
