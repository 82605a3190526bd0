/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/clients_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "feeds/feeds.h"
#include "site/agent_state.h"
#include "store/utf8.h"

#define POST_TIMEOUT_MS 20000
#define RETRY_MS 5000
#define ANSWER_MAX_BYTES 65536

struct clients_link {
	struct agent *agent;
	struct loop_timer *timer;
	struct fetch *post;
	/* The list on its way, copied: newer ones that come meanwhile must not
	 * keep it from ever getting there. serial 0: none. */
	uint32_t serial;
	struct client *clients;
	uint32_t n;
	int64_t age_ms; /* at copied */
	int64_t half_life_ms;
	struct mono copied;
	uint32_t first; /* row of the part on its way */
	uint32_t sent;  /* rows in it */
	uint32_t done;  /* serial of the last list that is whole there */
	uint64_t delivered, failed;
	char last_error[160];
};

static void send_part(struct clients_link *cl);

static void
drop_list(struct clients_link *cl)
{
	free(cl->clients);
	cl->clients = NULL;
	cl->serial = 0;
}

/* False if there is nothing new. */
static bool
take_newest(struct clients_link *cl)
{
	struct client_book_list l;

	if (!client_book_find(feeds_book(cl->agent->env.feeds),
		cl->agent->conf->site, &l) ||
	    l.serial == 0 || l.serial == cl->done)
		return false;
	drop_list(cl);
	cl->serial = l.serial;
	cl->n = l.n;
	cl->age_ms = l.age_ms;
	cl->half_life_ms = l.half_life_ms;
	cl->copied = mono_now();
	cl->first = 0;
	if (l.n > 0) {
		cl->clients = xcalloc(l.n, sizeof(*cl->clients));
		memcpy(cl->clients, l.clients, l.n * sizeof(*cl->clients));
	}
	return true;
}

static void
fail(struct clients_link *cl, const struct fetch_answer *answer)
{
	char text[sizeof(cl->last_error)];

	(void)text_copy(text, sizeof(text),
	    answer->status != 0 ? (const char *)answer->body : answer->err.msg);
	utf8_clean(text);
	if (strcmp(text, cl->last_error) != 0)
		log_warnx("controller: recent clients: %s", text);
	(void)text_copy(cl->last_error, sizeof(cl->last_error), text);
	cl->failed++;
	drop_list(cl);
	loop_timer_set(cl->timer, RETRY_MS);
}

static void
on_posted(const struct fetch_answer *answer, void *arg)
{
	struct clients_link *cl = arg;

	cl->post = NULL;
	if (answer->status < 200 || answer->status > 299) {
		fail(cl, answer);
		return;
	}
	cl->last_error[0] = '\0';
	cl->first += cl->sent;
	if (cl->first >= cl->n) {
		cl->done = cl->serial;
		cl->delivered++;
		drop_list(cl);
	}
	send_part(cl);
}

/* The next part of the list on its way, or the first of a new one. */
static void
send_part(struct clients_link *cl)
{
	struct agent *a = cl->agent;
	struct feed_part part = { 0 };
	struct fetch_request req;
	uint8_t *buf;
	char *url;

	if (cl->post != NULL || (cl->serial == 0 && !take_newest(cl)))
		return;
	part.serial = cl->serial;
	part.total = cl->n;
	part.first = cl->first;
	part.age_ms = cl->age_ms + mono_diff_ms(mono_now(), cl->copied);
	part.half_life_ms = cl->half_life_ms;
	part.clock_s = (uint32_t)(wall_now_ms() / 1000);
	buf = xcalloc(1, FEED_PART_BYTES_MAX);
	url = xasprintf("%s/v1/sites/%s/clients", a->conf->controller,
	    a->conf->site);
	req = (struct fetch_request){ .method = "POST",
		.url = url,
		.tls = agent_tls(a),
		.content_type = "application/octet-stream",
		.body = buf,
		.body_len = feed_part_encode(&part, cl->clients, buf),
		.timeout_ms = POST_TIMEOUT_MS,
		.max_body_bytes = ANSWER_MAX_BYTES };
	cl->sent = part.n;
	cl->post = fetch_start(a->env.fetch, &req, on_posted, cl);
	free(url);
	free(buf);
}

static void
on_timer(struct loop *lp, void *arg)
{
	(void)lp;
	send_part(arg);
}

static void
on_list(const char *site, void *arg)
{
	struct clients_link *cl = arg;

	/* With both roles the controller's book is ours. */
	if (strcmp(site, cl->agent->conf->site) == 0 &&
	    !loop_timer_pending(cl->timer))
		send_part(cl);
}

struct clients_link *
clients_link_new(struct agent *a)
{
	struct clients_link *cl;

	if (a->env.feeds == NULL)
		return NULL;
	if (a->conf->controller == NULL || a->env.conf->n_feeds == 0) {
		/* Nor does the agent that this one replaces listen on. */
		feeds_listen(a->env.feeds, NULL, NULL);
		return NULL;
	}
	cl = xcalloc(1, sizeof(*cl));
	cl->agent = a;
	cl->timer = loop_timer_new(a->env.lp, on_timer, cl);
	feeds_listen(a->env.feeds, on_list, cl);
	/* What the store still had. */
	loop_timer_set(cl->timer, 0);
	return cl;
}

void
clients_link_free(struct clients_link *cl)
{
	if (cl == NULL)
		return;
	if (!cl->agent->is_replaced)
		feeds_listen(cl->agent->env.feeds, NULL, NULL);
	fetch_cancel(cl->post);
	loop_timer_free(cl->timer);
	free(cl->clients);
	free(cl);
}

json_t *
clients_link_status(const struct clients_link *cl)
{
	if (cl == NULL)
		return NULL;
	return json_pack("{s:I, s:I, s:s}", "delivered",
	    (json_int_t)cl->delivered, "failed", (json_int_t)cl->failed,
	    "last_error", cl->last_error);
}
