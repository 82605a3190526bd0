/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of clients, recent clients and the feeds that tell of them. */
#include "report/report.h"

#include <stdlib.h>

#include "report/job.h"
#include "report/text.h"

#define MS_PER_SEC 1000

static void
put_count(struct report_job *job, const json_t *doc, const char *key,
    const char *label)
{
	fprintf(job->out, "  %-18s %lld\n", label,
	    (long long)fields_count(&job->f, doc, key));
}

static void
put_list(struct report_job *job, const json_t *doc)
{
	char buf[TEXT_NUMBER_BYTES];

	put_count(job, doc, "count", "clients");
	fprintf(job->out, "  %-18s %s\n", "weight",
	    text_weight(fields_real(&job->f, doc, "weight"), buf));
	put_count(job, doc, "ipv4", "IPv4");
	put_count(job, doc, "ipv6", "IPv6");
}

/* Missing numbers stay empty: the controller does not know all of a pool. */
static void
add_count(struct table *t, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_integer(v)) {
		table_add(t, TABLE_PLAIN, "%lld",
		    (long long)json_integer_value(v));
	} else {
		table_skip(t);
	}
}

static void
put_recent_sites(struct report_job *job, const json_t *sites)
{
	static const struct table_column columns[] = {
		{ "SITE", false },
		{ "CLIENTS", true },
		{ "IPV4", true },
		{ "IPV6", true },
		{ "BLOCKS", true },
		{ "WEIGHT", true },
		{ "EVICTED", true },
		{ "AGE", true },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char buf[TEXT_NUMBER_BYTES];
	const json_t *site;
	size_t i;

	json_array_foreach (sites, i, site) {
		int64_t age_ms = fields_count_or(&job->f, site, "age_ms", -1);

		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, site, "site"));
		add_count(t, site, "clients");
		add_count(t, site, "ipv4");
		add_count(t, site, "ipv6");
		add_count(t, site, "blocks");
		table_add(t, TABLE_PLAIN, "%s",
		    text_weight(fields_real(&job->f, site, "weight"), buf));
		add_count(t, site, "evicted_clients");
		if (age_ms >= 0) {
			table_add(t, TABLE_PLAIN, "%s", text_age(age_ms, buf));
		} else {
			table_skip(t);
		}
	}
	table_print(t, "  ", job->style->color, job->out);
	table_free(t);
}

/* "syntax 3, address 1", or nothing. */
static void
add_reasons(struct report_job *job, struct table *t, const json_t *feed,
    const char *key)
{
	json_t *reasons = json_object_get(feed, key);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	const char *reason, *comma = "";
	json_t *n;

	(void)fields_object(&job->f, feed, key);
	if (f == NULL) {
		table_skip(t);
		return;
	}
	json_object_foreach (reasons, reason, n) {
		fprintf(f, "%s%s %lld", comma, reason,
		    (long long)json_integer_value(n));
		comma = ", ";
	}
	(void)fclose(f);
	table_add(t, TABLE_PLAIN, "%s", text);
	free(text);
}

static void
add_feed(struct report_job *job, struct table *t, const json_t *feed)
{
	int64_t last_ms = fields_wall_ms(&job->f, feed, "last_ms");
	const char *state = fields_text(&job->f, feed, "state");
	bool is_open = state[0] == 'o';
	char buf[TEXT_NUMBER_BYTES];

	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, feed, "site"));
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, feed, "feed"));
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, feed, "type"));
	table_add(t, is_open ? TABLE_GREEN : TABLE_RED, "%s", state);
	table_add(t, TABLE_PLAIN, "%.1f", fields_real(&job->f, feed, "rate"));
	add_count(t, feed, "records");
	add_count(t, feed, "used");
	add_count(t, feed, "drops");
	if (last_ms > 0) {
		table_add(t, TABLE_PLAIN, "%s",
		    report_clock(job, last_ms, buf));
	} else {
		table_skip(t);
	}
	add_reasons(job, t, feed, "unused");
	add_reasons(job, t, feed, "bad");
	table_add(t, TABLE_RED, "%s", fields_text(&job->f, feed, "trouble"));
}

static void
put_feeds(struct report_job *job, const json_t *feeds)
{
	static const struct table_column columns[] = {
		{ "SITE", false },
		{ "FEED", false },
		{ "TYPE", false },
		{ "STATE", false },
		{ "PER SECOND", true },
		{ "RECORDS", true },
		{ "USED", true },
		{ "DROPS", true },
		{ "LAST", false },
		{ "UNUSED", false },
		{ "BAD", false },
		{ "TROUBLE", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *feed;
	size_t i;

	json_array_foreach (feeds, i, feed)
		add_feed(job, t, feed);
	table_print(t, "  ", job->style->color, job->out);
	table_free(t);
}

static void
clients_body(struct report_job *job, const json_t *doc)
{
	const json_t *recent = fields_object_opt(&job->f, doc, "recent");
	const json_t *sites = fields_array_opt(&job->f, recent, "sites");
	const json_t *feeds = fields_array_opt(&job->f, recent, "feeds");

	/* An agent has no list of its own. */
	if (recent == NULL || json_object_get(doc, "list") != NULL) {
		fprintf(job->out, "list %lld\n",
		    (long long)fields_count_or(&job->f, doc, "list", 0));
		put_list(job, doc);
	}
	if (json_array_size(sites) > 0) {
		fprintf(job->out, "recent clients\n");
		put_recent_sites(job, sites);
	}
	if (json_array_size(feeds) > 0) {
		fprintf(job->out, "feeds\n");
		put_feeds(job, feeds);
	}
}

int
report_clients(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(clients_body, doc, style, out, err);
}

static void
import_body(struct report_job *job, const json_t *doc)
{
	fprintf(job->out, "list %lld imported\n",
	    (long long)fields_count(&job->f, doc, "list"));
	put_count(job, doc, "count", "clients");
	put_count(job, doc, "lines", "lines read");
	put_count(job, doc, "dropped_special", "special, dropped");
	fprintf(job->out, "  %-18s %lld\n", "opted out, dropped",
	    (long long)fields_count_or(&job->f, doc, "dropped_optout", 0));
	put_count(job, doc, "duplicates", "duplicates");
}

int
report_import(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(import_body, doc, style, out, err);
}

static void
recent_body(struct report_job *job, const json_t *doc)
{
	static const struct table_column columns[] = {
		{ "CLIENT", false },
		{ "WEIGHT", true },
		{ "LAST SEEN", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	char buf[TEXT_NUMBER_BYTES];
	const json_t *client;
	size_t i;

	json_array_foreach (fields_array(&job->f, doc, "clients"), i, client) {
		int64_t seen = fields_count(&job->f, client, "last_seen");

		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, client, "client"));
		table_add(t, TABLE_PLAIN, "%s",
		    text_weight(fields_real(&job->f, client, "weight"), buf));
		if (seen > 0 && seen <= TEXT_WALL_MAX_MS / MS_PER_SEC) {
			table_add(t, TABLE_PLAIN, "%s",
			    report_clock(job, seen * MS_PER_SEC, buf));
		} else {
			table_skip(t);
		}
	}
	table_print(t, "", job->style->color, job->out);
	table_free(t);
}

int
report_recent(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(recent_body, doc, style, out, err);
}

static void
taken_body(struct report_job *job, const json_t *doc)
{
	fprintf(job->out, "list %lld taken from recent clients\n",
	    (long long)fields_count(&job->f, doc, "list"));
	put_list(job, doc);
	put_count(job, doc, "dropped_special", "special, dropped");
}

int
report_taken(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(taken_body, doc, style, out, err);
}
