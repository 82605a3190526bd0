/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For tests/bench/clients: what the collector does with a record, without the
 * sockets.  Prints "name value" lines: records per second of CPU for each
 * format, into a pool of the default size that is full; the same for a flood of
 * sources that never come again; memory at the bound; one report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "feeds/feed_source.h"
#include "feeds/feed_wire.h"

#define CLIENTS 200000u
#define BATCH_BYTES 60000u
#define BATCHES 200u
#define SAMPLES 8u /* in one datagram */
#define NS_PER_SEC 1e9

/* xorshift64*: the same addresses in every run. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static double
cpu_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NS_PER_SEC;
}

/* A public IPv4 address out of `range` different ones, in blocks of their own
 * for the most part. */
static uint32_t
pick(uint64_t *state, uint32_t range)
{
	return 0x14000000u + (uint32_t)(next_random(state) % range) * 97u;
}

static int
put_line(char *at, enum feed_type type, uint32_t a)
{
	char addr[16];

	(void)snprintf(addr, sizeof(addr), "%u.%u.%u.%u", a >> 24,
	    a >> 16 & 255, a >> 8 & 255, a & 255);
	switch (type) {
	case FEED_PMACCT:
		return sprintf(at,
		    "{\"event_type\": \"purge\", \"ip_src\": \"%s\", "
		    "\"ip_dst\": \"198.41.0.4\", \"packets\": 10, "
		    "\"bytes\": 1000}\n",
		    addr);
	case FEED_GOFLOW2:
		return sprintf(at,
		    "{\"type\":\"SFLOW_5\",\"time_received_ns\":0,"
		    "\"sequence_num\":2999,\"sampling_rate\":100,"
		    "\"sampler_address\":\"10.0.0.9\",\"bytes\":1500,"
		    "\"packets\":1,\"src_addr\":\"%s\","
		    "\"dst_addr\":\"198.41.0.4\",\"etype\":\"IPv4\","
		    "\"proto\":\"UDP\",\"src_port\":53,\"dst_port\":53,"
		    "\"in_if\":3,\"out_if\":0,\"src_mac\":\"02:00:00:00:00:01\","
		    "\"dst_mac\":\"02:00:00:00:00:02\",\"ip_ttl\":60}\n",
		    addr);
	case FEED_NFDUMP:
		return sprintf(at, "%ld.123, %15s,      10,    1000\n",
		    (long)time(NULL), addr);
	case FEED_TEXT:
	case FEED_SFLOW:
	case FEED_TYPE_COUNT:
		break;
	}
	return sprintf(at, "%s,1\n", addr);
}

/* Text for one read of a stream; how many records. */
static size_t
fill_stream(char *buf, size_t *len, enum feed_type type, uint64_t *state,
    uint32_t range)
{
	size_t n = 0;

	for (*len = 0; *len < BATCH_BYTES; n++)
		*len += (size_t)put_line(buf + *len, type, pick(state, range));
	return n;
}

/* One datagram with SAMPLES raw Ethernet headers of 128 bytes. */
static size_t
/* NOLINTNEXTLINE(readability-non-const-parameter): the cursor writes to it */
fill_datagram(uint8_t *buf, uint64_t *state, uint32_t range)
{
	struct wcursor w = { .p = buf, .left = FEED_DATAGRAM_MAX };

	wcursor_be32(&w, 5);
	wcursor_be32(&w, 1);
	wcursor_be32(&w, 0x0a000001);
	for (uint32_t i = 0; i < 3; i++)
		wcursor_be32(&w, i);
	wcursor_be32(&w, SAMPLES);
	for (uint32_t s = 0; s < SAMPLES; s++) {
		uint8_t padding[94] = { 0 };

		wcursor_be32(&w, 1);
		wcursor_be32(&w, 32 + 8 + 16 + 128);
		for (uint32_t i = 0; i < 7; i++)
			wcursor_be32(&w, i == 2 ? 1000 : i);
		wcursor_be32(&w, 1);
		wcursor_be32(&w, 1);
		wcursor_be32(&w, 16 + 128);
		wcursor_be32(&w, 1);
		wcursor_be32(&w, 1500);
		wcursor_be32(&w, 4);
		wcursor_be32(&w, 128);
		wcursor_bytes(&w, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0", 16);
		wcursor_bytes(&w, padding, 10);
		wcursor_be32(&w, pick(state, range));
		wcursor_be32(&w, 0xc6290004);
		wcursor_bytes(&w, padding, 94);
	}
	return FEED_DATAGRAM_MAX - w.left;
}

static struct client_pool *
new_pool(void)
{
	struct client_pool_limits limits = { .clients = CLIENTS,
		.blocks = CLIENTS,
		.per_block = 4,
		.half_life_ms = 86400000,
		.seed = "0123456789abcde" };

	return client_pool_new(&limits);
}

static struct feed *
new_feed(struct conf_feed *conf, struct client_pool *pool)
{
	struct prefix service;
	const struct conf_clients clients = { .half_life_ms = 86400000,
		.destinations = &service,
		.n_destinations = 1 };
	struct feed *f = xcalloc(1, sizeof(*f));

	if (prefix_parse("198.41.0.0/24", &service, NULL) == -1)
		abort();
	feed_init(f, conf, &clients, pool);
	return f;
}

/* Records per second of CPU; what is read is made outside of the measure. */
static double
measure(enum feed_type type, struct client_pool *pool, uint32_t range)
{
	char name[] = "bench";
	struct conf_feed conf = { .name = name, .type = type };
	struct feed *f = new_feed(&conf, pool);
	char *buf = xcalloc(1, BATCH_BYTES + 4096);
	uint64_t state = 88172645463325252u, records = 0;
	double spent = 0;

	for (uint32_t i = 0; i < BATCHES; i++) {
		size_t len = 0, n = 0;
		double start;

		if (type != FEED_SFLOW) {
			n = fill_stream(buf, &len, type, &state, range);
			start = cpu_now();
			feed_take_stream(f, &f->lines, buf, len);
			spent += cpu_now() - start;
			records += n;
			continue;
		}
		for (; n < 40; n++) {
			len = fill_datagram((uint8_t *)buf, &state, range);
			start = cpu_now();
			feed_take_datagram(f, (uint8_t *)buf, len);
			spent += cpu_now() - start;
			records += SAMPLES;
		}
	}
	if (f->counters.by_reason[FEED_OK] != records) {
		fprintf(stderr, "%s: %llu of %llu records counted\n",
		    conf_feed_type_name(type),
		    (unsigned long long)f->counters.by_reason[FEED_OK],
		    (unsigned long long)records);
		exit(1);
	}
	feed_fini(f);
	free(f);
	free(buf);
	return (double)records / spent;
}

/* What happens at each `report`: the list, sorted, and all of its parts. */
static double
report_ms(const struct client_pool *pool)
{
	double start = cpu_now();
	struct feed_part part = { .serial = 1,
		.total = client_pool_count(pool),
		.half_life_ms = 86400000 };
	struct client *list = xcalloc(part.total, sizeof(*list));
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);

	client_pool_list(pool, mono_now().us / 1000, list);
	for (; part.first < part.total; part.first += part.n)
		(void)feed_part_encode(&part, list, buf);
	free(buf);
	free(list);
	return (cpu_now() - start) * 1000;
}

int
main(void)
{
	struct client_pool *pool = new_pool();
	char name[32];

	log_init("feed_rate", false);
	/* Fill it: more sources than it can hold. */
	(void)measure(FEED_TEXT, pool, 4 * CLIENTS);
	(void)measure(FEED_TEXT, pool, 4 * CLIENTS);
	for (enum feed_type t = 0; t < FEED_TYPE_COUNT; t++) {
		(void)snprintf(name, sizeof(name), "%s",
		    conf_feed_type_name(t));
		printf("%s_per_s %.0f\n", name, measure(t, pool, CLIENTS / 2));
	}
	printf("flood_per_s %.0f\n", measure(FEED_TEXT, pool, 4000000));
	printf("clients %u\n", client_pool_count(pool));
	printf("pool_mb %.3f\n", (double)client_pool_bytes(pool) / 1e6);
	printf("report_ms %.3f\n", report_ms(pool));
	client_pool_free(pool);
	return 0;
}
