/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/client_book.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"

/* Of weights: the exponent and 4 bits of the fraction. */
#define BUCKET_SHIFT 48u
#define BUCKETS (1u << (63 - BUCKET_SHIFT))

/* A list, whole or on its way in. */
struct book_list {
	uint32_t serial; /* 0: none */
	struct client *clients;
	uint32_t n;
	uint32_t total;
	uint32_t ipv4;
	double weight;  /* of all, as old as age_ms */
	int64_t age_ms; /* at taken */
	int64_t half_life_ms;
	struct mono taken;
};

struct book_site {
	char name[CONF_NAME_MAX + 1];
	struct book_list list;
	struct book_list incoming;
};

struct client_book {
	struct book_site *sites;
	size_t n_sites;
	size_t max;
	size_t n_clients; /* of all lists, those on their way in too */
};

struct client_book *
client_book_new(size_t max)
{
	struct client_book *book = xcalloc(1, sizeof(*book));

	book->max = max;
	return book;
}

void
client_book_free(struct client_book *book)
{
	if (book == NULL)
		return;
	for (size_t i = 0; i < book->n_sites; i++) {
		free(book->sites[i].list.clients);
		free(book->sites[i].incoming.clients);
	}
	free(book->sites);
	free(book);
}

/* ---- taking ---- */

static struct book_site *
find_site(const struct client_book *book, const char *name)
{
	for (size_t i = 0; i < book->n_sites; i++) {
		if (strcmp(book->sites[i].name, name) == 0)
			return &book->sites[i];
	}
	return NULL;
}

static struct book_site *
add_site(struct client_book *book, const char *name)
{
	struct book_site *s = find_site(book, name);

	if (s != NULL)
		return s;
	book->sites = xreallocarray(book->sites, book->n_sites + 1,
	    sizeof(book->sites[0]));
	s = &book->sites[book->n_sites++];
	*s = (struct book_site){ .list = { .serial = 0 } };
	(void)text_copy(s->name, sizeof(s->name), name);
	return s;
}

static void
drop_list(struct client_book *book, struct book_list *l)
{
	book->n_clients -= l->n;
	free(l->clients);
	*l = (struct book_list){ .serial = 0 };
}

static void
begin_list(struct client_book *book, struct book_site *s,
    const struct feed_part *part)
{
	drop_list(book, &s->incoming);
	s->incoming = (struct book_list){ .serial = part->serial,
		.total = part->total,
		.age_ms = part->age_ms,
		.half_life_ms = part->half_life_ms,
		.taken = mono_now() };
}

/* Memory follows what came, not what was promised. */
static int
add_rows(struct client_book *book, struct book_list *l, struct feed_part *part,
    struct err *err)
{
	if (part->n > book->max - book->n_clients) {
		return err_set(err, ERR_REFUSED,
		    "clients: more than %zu of all sites", book->max);
	}
	l->clients = xreallocarray(l->clients, (size_t)l->n + part->n + 1,
	    sizeof(*l->clients));
	for (uint32_t i = 0; i < part->n; i++) {
		struct client *c = &l->clients[l->n];

		if (feed_part_next(part, c) == -1 ||
		    (l->n > 0 &&
			memcmp(l->clients[l->n - 1].addr.b, c->addr.b,
			    sizeof(c->addr.b)) >= 0)) {
			return err_set(err, ERR_PROTO,
			    "clients: row %" PRIu32 ": malformed", l->n);
		}
		l->n++;
		book->n_clients++;
		l->ipv4 += addr_is_ipv4(&c->addr);
		l->weight += c->weight;
	}
	return 0;
}

int
client_book_take(struct client_book *book, const char *site,
    struct feed_part *part, struct err *err)
{
	struct book_site *s = add_site(book, site);
	struct book_list *in = &s->incoming;

	if (part->serial == 0)
		return err_set(err, ERR_PROTO, "clients: serial 0");
	/* Sent again because our answer was lost. */
	if ((in->serial == part->serial && part->first < in->n) ||
	    (in->serial == 0 && s->list.serial == part->serial &&
		part->total == s->list.total && part->first > 0))
		return 0;
	if (part->first == 0)
		begin_list(book, s, part);
	if (in->serial != part->serial || in->total != part->total ||
	    part->first != in->n) {
		drop_list(book, in);
		return err_set(err, ERR_REFUSED,
		    "clients: part %" PRIu32 " of list %" PRIu32
		    " is out of order",
		    part->first, part->serial);
	}
	if (add_rows(book, in, part, err) == -1) {
		drop_list(book, in);
		return -1;
	}
	if (in->n < in->total)
		return 0;
	drop_list(book, &s->list);
	s->list = *in;
	*in = (struct book_list){ .serial = 0 };
	return 1;
}

/* ---- reading ---- */

static int64_t
age_of(const struct book_list *l)
{
	return l->age_ms + mono_diff_ms(mono_now(), l->taken);
}

static double
decay_of(const struct book_list *l)
{
	return exp2(-(double)age_of(l) / (double)l->half_life_ms);
}

static void
show(const struct book_site *s, struct client_book_list *out)
{
	*out = (struct client_book_list){ .site = s->name,
		.clients = s->list.clients,
		.n = s->list.n,
		.serial = s->list.serial,
		.age_ms = s->list.serial != 0 ? age_of(&s->list) : 0,
		.half_life_ms = s->list.half_life_ms };
}

size_t
client_book_count(const struct client_book *book)
{
	return book->n_sites;
}

void
client_book_get(const struct client_book *book, size_t i,
    struct client_book_list *out)
{
	show(&book->sites[i], out);
}

bool
client_book_find(const struct client_book *book, const char *site,
    struct client_book_list *out)
{
	const struct book_site *s = find_site(book, site);

	if (s == NULL)
		return false;
	show(s, out);
	return true;
}

/* ---- merging ---- */

struct run {
	struct client *clients; /* sorted; NULL if n is 0 */
	size_t n;
};

static struct run
copy_site(const struct book_site *s)
{
	struct run r = { .n = s->list.n };
	double decay;

	if (r.n == 0)
		return r;
	decay = decay_of(&s->list);
	r.clients = xcalloc(r.n, sizeof(*r.clients));
	for (size_t i = 0; i < r.n; i++) {
		r.clients[i] = s->list.clients[i];
		r.clients[i].weight *= decay;
	}
	return r;
}

static struct client
add_up(const struct client *a, const struct client *b)
{
	return (struct client){ .addr = a->addr,
		.weight = a->weight + b->weight,
		.last_seen =
		    a->last_seen > b->last_seen ? a->last_seen : b->last_seen };
}

/* Frees both. */
static struct run
merge_runs(struct run a, struct run b)
{
	struct run out = { 0 };
	size_t i = 0, k = 0;

	if (a.n == 0 || b.n == 0)
		return a.n == 0 ? b : a;
	out.clients = xcalloc(a.n + b.n, sizeof(*out.clients));
	while (i < a.n || k < b.n) {
		int order = i == a.n ? 1 : -1;

		if (i < a.n && k < b.n) {
			order = memcmp(a.clients[i].addr.b, b.clients[k].addr.b,
			    sizeof(a.clients[i].addr.b));
		}
		if (order == 0) {
			out.clients[out.n++] =
			    add_up(&a.clients[i++], &b.clients[k++]);
		} else if (order < 0) {
			out.clients[out.n++] = a.clients[i++];
		} else {
			out.clients[out.n++] = b.clients[k++];
		}
	}
	free(a.clients);
	free(b.clients);
	return out;
}

/* In halves, so that no client is copied more often than need be. */
static struct run
merge_sites(const struct book_site *sites, size_t n)
{
	if (n == 0)
		return (struct run){ 0 };
	if (n == 1)
		return copy_site(sites);
	return merge_runs(merge_sites(sites, n / 2),
	    merge_sites(sites + n / 2, n - n / 2));
}

static int
compare_weights(const void *va, const void *vb)
{
	double a = *(const double *)va;
	double b = *(const double *)vb;

	return (a > b) - (a < b);
}

/* Doubles that are not negative sort as their bits do. */
static uint32_t
weight_bucket(double weight)
{
	uint64_t bits;

	memcpy(&bits, &weight, sizeof(bits));
	return (uint32_t)(bits >> BUCKET_SHIFT) & (BUCKETS - 1);
}

/*
 * The weight that `top` of the run have, or more; 0 < top < n.  Only the
 * weights of one bucket are sorted, since main does this.
 */
static double
threshold(const struct run *r, size_t top)
{
	size_t *counts = xcalloc(BUCKETS, sizeof(*counts));
	uint32_t at = BUCKETS - 1;
	size_t above = 0, n = 0;
	double *weights, t;

	for (size_t i = 0; i < r->n; i++)
		counts[weight_bucket(r->clients[i].weight)]++;
	while (above + counts[at] < top)
		above += counts[at--];
	weights = xcalloc(counts[at], sizeof(*weights));
	for (size_t i = 0; i < r->n; i++) {
		if (weight_bucket(r->clients[i].weight) == at)
			weights[n++] = r->clients[i].weight;
	}
	qsort(weights, n, sizeof(*weights), compare_weights);
	t = weights[n - (top - above)];
	free(weights);
	free(counts);
	return t;
}

static void
keep_top(struct run *r, size_t top)
{
	double t = threshold(r, top);
	size_t heavier = 0, kept = 0;

	for (size_t i = 0; i < r->n; i++)
		heavier += r->clients[i].weight > t;
	for (size_t i = 0; i < r->n; i++) {
		const struct client *c = &r->clients[i];

		/* Of those that are just as heavy, the first ones. */
		if (c->weight == t && heavier < top) {
			heavier++;
			r->clients[kept++] = *c;
		} else if (c->weight > t) {
			r->clients[kept++] = *c;
		}
	}
	r->n = kept;
}

struct client *
client_book_merge(const struct client_book *book, const char *site, size_t top,
    size_t *n)
{
	struct run r = { 0 };

	if (site == NULL) {
		r = merge_sites(book->sites, book->n_sites);
	} else {
		const struct book_site *s = find_site(book, site);

		if (s != NULL)
			r = copy_site(s);
	}
	if (top > 0 && top < r.n)
		keep_top(&r, top);
	*n = r.n;
	return r.clients;
}

json_t *
client_book_to_json(const struct client_book *book)
{
	json_t *out = json_array();

	for (size_t i = 0; i < book->n_sites; i++) {
		const struct book_site *s = &book->sites[i];

		if (s->list.serial == 0)
			continue;
		json_array_append_new(out,
		    json_pack("{s:s, s:I, s:I, s:I, s:f, s:I}", "site", s->name,
			"clients", (json_int_t)s->list.n, "ipv4",
			(json_int_t)s->list.ipv4, "ipv6",
			(json_int_t)(s->list.n - s->list.ipv4), "weight",
			s->list.weight * decay_of(&s->list), "age_ms",
			(json_int_t)age_of(&s->list)));
	}
	return out;
}
