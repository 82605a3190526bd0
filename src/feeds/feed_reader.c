/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a feed does with what was read. */
#include <string.h>

#include "base/printable.h"
#include "feeds/feed_source.h"
#include "feeds/sflow.h"

/* Weight of the newest rate in the shown one. */
#define RATE_SHARE 0.3
#define MS_PER_SEC 1000.0

void
feed_init(struct feed *f, const struct conf_feed *conf,
    const struct conf_clients *clients, struct client_pool *pool)
{
	*f = (struct feed){
		.conf = conf, .pool = pool, .fd = -1, .rate_since = mono_now()
	};
	feed_policy_init(&f->policy, conf, clients);
}

void
feed_fini(struct feed *f)
{
	feed_policy_fini(&f->policy);
}

void
feed_count(struct feed *f, enum feed_reason why)
{
	char shown[PRINTABLE_TEXT_BYTES];

	f->counters.by_reason[why]++;
	if (!feed_reason_is_bad(why))
		return;
	if (f->sample != NULL) {
		log_limited(&f->limit, "feed %s: bad record: %s: %s",
		    f->conf->name, feed_reason_name(why),
		    printable(f->sample, shown));
	} else {
		log_limited(&f->limit, "feed %s: bad record: %s", f->conf->name,
		    feed_reason_name(why));
	}
}

static void
take(enum feed_reason why, const struct feed_record *rec, void *arg)
{
	struct feed *f = arg;
	struct client_sighting s;

	if (why == FEED_OK)
		why = feed_policy_judge(&f->policy, rec, f->now, &s);
	if (why == FEED_OK) {
		client_pool_add(f->pool, &s);
		f->counters.weight += s.weight;
		f->counters.last_ms = f->now.wall_ms;
	}
	feed_count(f, why);
}

static void
take_line(char *line, size_t len, void *arg)
{
	struct feed *f = arg;
	struct feed_record rec;
	enum feed_reason why = FEED_BAD_LONG;
	char sample[PRINTABLE_TEXT_BYTES];

	f->sample = NULL;
	if (line != NULL) {
		/* The decoder cuts the line into pieces. */
		size_t n = len < sizeof(sample) ? len : sizeof(sample) - 1;

		memcpy(sample, line, n);
		sample[n] = '\0';
		f->sample = sample;
		why = feed_line_decode(f->conf->type, line, len, &rec);
	}
	take(why, why == FEED_OK ? &rec : NULL, f);
	f->sample = NULL;
}

static void
look_at_clocks(struct feed *f)
{
	f->now.wall_ms = wall_now_ms();
	f->now.mono_ms = mono_now().us / 1000;
}

void
feed_take_datagram(struct feed *f, uint8_t *buf, size_t len)
{
	struct cursor c = { .p = buf, .left = len };

	look_at_clocks(f);
	f->counters.bytes += len;
	if (f->conf->type != FEED_SFLOW) {
		feed_lines_push(&f->lines, (char *)buf, len, take_line, f);
		feed_lines_end(&f->lines, take_line, f);
		return;
	}
	sflow_decode(&c, take, f);
	if (!c.bad && c.left > 0)
		feed_count(f, FEED_BAD_LONG);
}

void
feed_take_stream(struct feed *f, struct feed_lines *lines, char *buf,
    size_t len)
{
	look_at_clocks(f);
	f->counters.bytes += len;
	feed_lines_push(lines, buf, len, take_line, f);
}

void
feed_end_stream(struct feed *f, struct feed_lines *lines)
{
	look_at_clocks(f);
	feed_lines_end(lines, take_line, f);
}

/* ---- telling ---- */

static uint64_t
count_records(const struct feed *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FEED_REASON_COUNT; i++)
		n += i == FEED_NOTHING ? 0 : f->counters.by_reason[i];
	return n;
}

void
feed_update_rate(struct feed *f, struct mono now)
{
	int64_t ms = mono_diff_ms(now, f->rate_since);
	uint64_t records = count_records(f);
	double rate;

	if (ms <= 0)
		return;
	rate = (double)(records - f->rate_records) * MS_PER_SEC / (double)ms;
	f->rate += RATE_SHARE * (rate - f->rate);
	f->rate_records = records;
	f->rate_since = now;
}

json_t *
feed_to_json(const struct feed *f)
{
	const struct feed_counters *n = &f->counters;
	json_t *bad = json_object(), *unused = json_object();

	for (enum feed_reason i = FEED_OTHER; i < FEED_REASON_COUNT; i++) {
		json_t *of = feed_reason_is_bad(i) ? bad : unused;

		if (n->by_reason[i] > 0) {
			json_object_set_new(of, feed_reason_name(i),
			    json_integer((json_int_t)n->by_reason[i]));
		}
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:o, "
			 "s:o, s:I, s:I, s:I, s:f, s:f, s:I}",
	    "feed", f->conf->name, "site", f->conf->site, "type",
	    conf_feed_type_name(f->conf->type), "from",
	    json_sprintf("%s:%s", conf_feed_way_name(f->conf->way),
		f->conf->where),
	    "weigh", conf_feed_weight_name(f->conf->weight), "state",
	    f->trouble[0] == '\0' ? "open" : "waiting", "trouble", f->trouble,
	    "records", (json_int_t)count_records(f), "used",
	    (json_int_t)n->by_reason[FEED_OK], "unused", unused, "bad", bad,
	    "bytes", (json_int_t)n->bytes, "drops", (json_int_t)n->drops,
	    "refused", (json_int_t)n->refused, "weight", n->weight, "rate",
	    f->rate, "last_ms", (json_int_t)n->last_ms);
}
