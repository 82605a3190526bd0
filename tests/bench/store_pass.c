/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_pass -- experiments into the store process, for the benchmark:
 *
 *	store_pass FILE EXPERIMENTS CLIENTS SITES
 *
 * Each experiment is three sweeps over all clients, every other outcome with a
 * time, and a map of SITES heirs of both families, which ends it in one
 * transaction.  Then the newest map is asked for again and again, as a daemon
 * does that has just begun.  Prints one line of JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "base/mono.h"
#include "base/num.h"
#include "base/worker.h"
#include "base/xalloc.h"
#include "store/query.h"
#include "store/store.h"

#define SWEEPS 3
#define BACKLOG_MAX 512u
#define ANSWERS 51
#define SITE "s0"

static const struct worker_kind kinds[] = {
	{ .name = "bench-store", .run = store_main },
};

struct bench {
	const char *path;
	uint32_t experiments, clients, sites;
	struct loop *lp;
	struct store *store;
	uint16_t *outcomes;
	uint32_t *rtt_us;
	char (*names)[12];
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "store_pass: %s\n", what);
	exit(1);
}

static uint32_t
argument(const char *text)
{
	uint32_t value = 0;
	struct err err;

	if (num_parse_u32(text, 1, UINT32_MAX, &value, &err) == -1)
		die(err.msg);
	return value;
}

static void
drain(struct bench *b, size_t left)
{
	while (store_backlog(b->store) > left)
		loop_step(b->lp, 5);
}

static void
put_map(struct bench *b, uint32_t id)
{
	struct store_experiment ex = { .id = id,
		.site = SITE,
		.state = "done",
		.reason = "",
		.created_ms = 1,
		.ended_ms = 2,
		.clients = b->clients,
		.asked = b->clients,
		.list = 1,
		.purpose = "",
		.sites = "" };
	struct store_heir *heirs =
	    xcalloc(2 * (size_t)b->sites, sizeof(*heirs));

	for (uint32_t i = 0; i < 2 * b->sites; i++) {
		heirs[i] = (struct store_heir){ .experiment = id,
			.site = SITE,
			.family = i % 2 == 0 ? 4 : 6,
			.heir = b->names[i / 2],
			.clients = i,
			.weight = i,
			.square = i };
	}
	store_put_heirs(b->store, &ex, heirs, 2 * (size_t)b->sites, NULL, NULL);
	free(heirs);
}

static void
put_experiment(struct bench *b, uint32_t id)
{
	for (uint8_t phase = 1; phase <= SWEEPS; phase++) {
		struct store_outcomes out = { .experiment = id,
			.phase = phase,
			.n = b->clients,
			.sites = b->outcomes,
			.rtt_us = b->rtt_us };

		for (uint32_t i = 0; i < b->clients; i++) {
			b->outcomes[i] =
			    (uint16_t)((i * 2654435761u + id + phase) %
				(b->sites + 1));
			b->rtt_us[i] = i % 2 == 0 ? i * 7919u : UINT32_MAX;
		}
		store_put_outcomes(b->store, &out);
		drain(b, BACKLOG_MAX);
	}
	put_map(b, id);
}

/* From opening the file to the heirs, in microseconds. */
static int64_t
answer(const struct bench *b)
{
	struct mono start = mono_now();
	struct err err;
	struct query *q = query_open(b->path, &err);
	json_t *row, *heirs;
	int64_t id;

	if (q == NULL)
		die(err.msg);
	id = query_map_before(q, SITE, UINT32_MAX, &err);
	if (id < 1)
		die("no map");
	row = query_experiment(q, (uint32_t)id, &err);
	heirs = query_heirs(q, (uint32_t)id, &err);
	if (row == NULL || json_array_size(heirs) != 2 * (size_t)b->sites)
		die("the map is not whole");
	json_decref(row);
	json_decref(heirs);
	query_close(q);
	return mono_now().us - start.us;
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
report(const struct bench *b, int64_t took_us)
{
	double n = (double)b->experiments * SWEEPS * b->clients;
	int64_t answers[ANSWERS];
	struct stat st;

	for (int i = 0; i < ANSWERS; i++)
		answers[i] = answer(b);
	qsort(answers, ANSWERS, sizeof(answers[0]), by_value);
	if (stat(b->path, &st) == -1)
		die("no file");
	printf("{\"outcomes\": %.0f, \"seconds\": %.3f, \"bytes\": %lld, "
	       "\"answer_us\": %lld, \"answer_worst_us\": %lld}\n",
	    n, (double)took_us / 1e6, (long long)st.st_size,
	    (long long)answers[ANSWERS / 2], (long long)answers[ANSWERS - 1]);
}

int
main(int argc, char *argv[])
{
	struct bench b = { 0 };
	struct mono start;
	struct keeper *k;
	struct err err;
	int64_t took_us;

	if (argc != 5)
		die("usage: store_pass FILE EXPERIMENTS CLIENTS SITES");
	b.path = argv[1];
	b.experiments = argument(argv[2]);
	b.clients = argument(argv[3]);
	b.sites = argument(argv[4]);
	b.outcomes = xcalloc(b.clients, sizeof(*b.outcomes));
	b.rtt_us = xcalloc(b.clients, sizeof(*b.rtt_us));
	b.names = xcalloc(b.sites, sizeof(*b.names));
	for (uint32_t i = 0; i < b.sites; i++)
		(void)snprintf(b.names[i], sizeof(b.names[i]), "s%" PRIu32, i);
	k = keeper_start(kinds, 1, NULL, &err);
	if (k == NULL || store_prepare(b.path, &err) == -1)
		die(err.msg);
	b.lp = loop_new();
	keeper_attach(k, b.lp, NULL, NULL);
	b.store = store_new(k, 0, b.path, NULL, NULL);
	start = mono_now();
	for (uint32_t id = 1; id <= b.experiments; id++)
		put_experiment(&b, id);
	drain(&b, 0);
	took_us = mono_now().us - start.us;
	report(&b, took_us);
	store_free(b.store);
	keeper_dismiss(k);
	loop_free(b.lp);
	free(b.outcomes);
	free(b.rtt_us);
	free(b.names);
	return 0;
}
