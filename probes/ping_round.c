/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/ping_round.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <oping.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "probes/ping_filter.h"

/* With 7300 idents in use, the most that is kept, ten draws fail once in 10^9. */
#define IDENT_DRAWS 10

/* Bounds of a book: descriptors (ping_filter_sockets), and idents. */
#define KEPT_SETS_MAX 8
#define KEPT_TARGETS_MAX 128

/* One address: liboping refuses to hold it twice, several pings may want it. */
struct target {
	struct addr addr;
	uint16_t ident;
	bool has_ident;
	bool refused;  /* liboping would not take it */
	unsigned sent; /* echoes before this round */
};

/* The addresses of a round, in order, and liboping's object for them. */
struct ping_set {
	pingobj_t *obj;
	size_t n;
	struct target targets[PROBE_WIRE_PINGS_MAX];
};

struct ping_book {
	struct ping_idents *idents;
	uint8_t owner;
	/* The last used one is the last. */
	struct ping_set *kept[KEPT_SETS_MAX];
	size_t n_sets, n_targets;
};

struct work {
	struct ping_book *book;
	const struct probe_ping_msg *pings;
	size_t n;
	struct probe_result *results;
	struct ping_set *set;
	size_t target_of[PROBE_WIRE_PINGS_MAX]; /* index of a ping's target */
	int64_t took_ms;
	int64_t timeout_ms;
	bool is_spent; /* the set is not to be kept */
};

struct ping_idents *
ping_idents_new(struct err *err)
{
	struct ping_idents *idents = mmap(NULL, sizeof(*idents),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (idents == MAP_FAILED) {
		err_sys(err, "mmap");
		return NULL;
	}
	return idents;
}

void
ping_idents_free(struct ping_idents *idents)
{
	if (idents != NULL)
		(void)munmap(idents, sizeof(*idents));
}

void
ping_idents_release(struct ping_idents *idents, uint8_t owner)
{
	for (size_t i = 0; i < sizeof(idents->owner); i++) {
		if (idents->owner[i] == owner)
			idents->owner[i] = 0;
	}
}

static bool
ident_take(struct ping_idents *idents, uint16_t ident, uint8_t owner)
{
	uint8_t nobody = 0;

	return atomic_compare_exchange_strong(&idents->owner[ident], &nobody,
	    owner);
}

static void
targets_release(struct ping_book *book, struct ping_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct target *t = &set->targets[i];

		if (t->has_ident)
			book->idents->owner[t->ident] = 0;
		t->has_ident = false;
	}
}

static void
set_free(struct ping_book *book, struct ping_set *set)
{
	targets_release(book, set);
	ping_destroy(set->obj);
	free(set);
}

struct ping_book *
ping_book_new(struct ping_idents *idents, uint8_t owner)
{
	struct ping_book *book = xcalloc(1, sizeof(*book));

	book->idents = idents;
	book->owner = owner;
	return book;
}

static struct ping_set *
kept_take(struct ping_book *book, size_t i)
{
	struct ping_set *set = book->kept[i];

	book->n_sets--;
	for (; i < book->n_sets; i++)
		book->kept[i] = book->kept[i + 1];
	book->n_targets -= set->n;
	return set;
}

static void
kept_put(struct ping_book *book, struct ping_set *set)
{
	book->kept[book->n_sets++] = set;
	book->n_targets += set->n;
}

/* Until at most so many are left. */
static void
kept_shrink(struct ping_book *book, size_t n_sets, size_t n_targets)
{
	while (book->n_sets > n_sets || book->n_targets > n_targets)
		set_free(book, kept_take(book, 0));
}

void
ping_book_free(struct ping_book *book)
{
	if (book == NULL)
		return;
	kept_shrink(book, 0, 0);
	free(book);
}

/* A ping by its address. */
struct wish {
	struct addr addr;
	size_t ping;
};

static int
compare_wishes(const void *va, const void *vb)
{
	const struct wish *a = va, *b = vb;

	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

/* Each address once: they come in whatever order the checks began. */
static void
targets_collect(struct work *wk)
{
	struct wish wishes[PROBE_WIRE_PINGS_MAX];
	struct ping_set *set = wk->set;

	for (size_t i = 0; i < wk->n; i++)
		wishes[i] = (struct wish){ wk->pings[i].addr, i };
	qsort(wishes, wk->n, sizeof(wishes[0]), compare_wishes);
	for (size_t i = 0; i < wk->n; i++) {
		if (i == 0 || compare_wishes(&wishes[i - 1], &wishes[i]) != 0)
			set->targets[set->n++].addr = wishes[i].addr;
		wk->target_of[wishes[i].ping] = set->n - 1;
	}
}

static bool
is_same(const struct ping_set *a, const struct ping_set *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!addr_equal(&a->targets[i].addr, &b->targets[i].addr))
			return false;
	}
	return true;
}

/* Takes what is kept for the same addresses out of the book. */
static void
set_find_kept(struct work *wk)
{
	for (size_t i = 0; i < wk->book->n_sets; i++) {
		if (is_same(wk->book->kept[i], wk->set)) {
			free(wk->set);
			wk->set = kept_take(wk->book, i);
			return;
		}
	}
}

static void __attribute__((format(printf, 4, 5))) target_result(struct work *wk,
    size_t target, enum probe_verdict verdict, const char *fmt, ...)
{
	struct probe_result r = { .verdict = verdict, .rtt_us = -1 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r.detail, sizeof(r.detail), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < wk->n; i++) {
		if (wk->target_of[i] == target)
			wk->results[i] = r;
	}
}

/* The host in obj that was added last. */
static pingobj_iter_t *
last_host(pingobj_t *obj)
{
	pingobj_iter_t *it = ping_iterator_get(obj), *last = NULL;

	for (; it != NULL; it = ping_iterator_next(it))
		last = it;
	return last;
}

static bool
host_info(pingobj_iter_t *host, int what, void *out, size_t size)
{
	size_t len = size;

	return ping_iterator_get_info(host, what, out, &len) == 0;
}

/* 0 added, 1 the ident is in use: try again, -1 liboping refuses. */
static int
target_try(struct work *wk, struct target *t)
{
	pingobj_t *obj = wk->set->obj;
	pingobj_iter_t *host;
	char text[ADDR_TEXT_BYTES];
	uint16_t ident;

	if (ping_host_add(obj, addr_format(&t->addr, text)) < 0)
		return -1;
	host = last_host(obj);
	if (host == NULL ||
	    !host_info(host, PING_INFO_IDENT, &ident, sizeof(ident)))
		return -1;
	if (!ident_take(wk->book->idents, ident, wk->book->owner))
		return ping_host_remove(obj, text) == 0 ? 1 : -1;
	t->ident = ident;
	t->has_ident = true;
	ping_iterator_set_context(host, t);
	return 0;
}

/* liboping draws an ident at random each time that a host is added. */
static int
target_add(struct work *wk, struct target *t)
{
	int rc = 1;

	for (int i = 0; i < IDENT_DRAWS && rc == 1; i++)
		rc = target_try(wk, t);
	return rc == 0 ? 0 : -1;
}

/* What liboping says about its last trouble, or else if it is silent. */
static const char *
obj_error(const struct work *wk, const char *otherwise)
{
	const char *text = ping_get_error(wk->set->obj);

	return text != NULL && text[0] != '\0' ? text : otherwise;
}

/*
 * A pingobj with all targets but those refused; NULL when none is left.
 * After a failed add liboping may hold a host without a socket, and sending
 * would hit an assertion: such an object is thrown away.
 */
static void
obj_build(struct work *wk)
{
	struct ping_set *set = wk->set;
	size_t i = 0;

	while (set->obj == NULL) {
		set->obj = ping_construct();
		if (set->obj == NULL)
			return;
		for (i = 0; i < set->n; i++) {
			if (!set->targets[i].refused &&
			    target_add(wk, &set->targets[i]) == -1)
				break;
		}
		if (i == set->n)
			break;
		wk->is_spent = true;
		set->targets[i].refused = true;
		target_result(wk, i, PROBE_NO_ANSWER_FROM_US, "cannot ping: %s",
		    obj_error(wk, "no free ident"));
		targets_release(wk->book, set);
		ping_destroy(set->obj);
		set->obj = NULL;
	}
}

/* Its sockets hear what is theirs, and nothing else. */
static void
set_build(struct work *wk)
{
	struct ping_set *set = wk->set;
	uint16_t idents[PROBE_WIRE_PINGS_MAX];
	uint32_t before;
	size_t n = 0;

	kept_shrink(wk->book, KEPT_SETS_MAX - 1, KEPT_TARGETS_MAX);
	before = ping_filter_sockets();
	obj_build(wk);
	for (size_t i = 0; i < set->n; i++) {
		if (set->targets[i].has_ident)
			idents[n++] = set->targets[i].ident;
	}
	ping_filter_attach(ping_filter_sockets() & ~before, idents, n);
}

/* A host without an answer: was it asked, and given the time to answer? */
static void
judge_silent(struct work *wk, size_t target, bool is_sent)
{
	/* liboping would take its late reply for that to the next echo. */
	wk->is_spent = true;
	if (!is_sent) {
		target_result(wk, target, PROBE_NO_ANSWER_FROM_US,
		    "cannot ping: %s", obj_error(wk, "not sent in time"));
	} else if (wk->took_ms < wk->timeout_ms - 1) {
		target_result(wk, target, PROBE_NO_ANSWER_FROM_US,
		    "given up after %lld ms", (long long)wk->took_ms);
	} else {
		target_result(wk, target, PROBE_FAIL, "no answer in %lld ms",
		    (long long)wk->timeout_ms);
	}
}

static void
judge_host(struct work *wk, pingobj_iter_t *host)
{
	struct target *t = ping_iterator_get_context(host);
	size_t target = (size_t)(t - wk->set->targets);
	double latency_ms = -1.0;
	unsigned before = t->sent;

	(void)host_info(host, PING_INFO_LATENCY, &latency_ms,
	    sizeof(latency_ms));
	/* The sequence number of the next echo; the first one is 0. */
	(void)host_info(host, PING_INFO_SEQUENCE, &t->sent, sizeof(t->sent));
	if (latency_ms < 0.0) {
		judge_silent(wk, target, t->sent != before);
		return;
	}
	target_result(wk, target, PROBE_PASS, "answered");
	for (size_t i = 0; i < wk->n; i++) {
		if (wk->target_of[i] == target)
			wk->results[i].rtt_us = (int64_t)(latency_ms * 1000.0);
	}
}

static void
set_send(struct work *wk)
{
	double timeout_sec = (double)wk->timeout_ms / 1000.0;
	pingobj_t *obj = wk->set->obj;
	struct mono start = mono_now();
	pingobj_iter_t *it;

	(void)ping_setopt(obj, PING_OPT_TIMEOUT, &timeout_sec);
	/* Negative when some could not be sent: each host tells by itself. */
	(void)ping_send(obj);
	wk->took_ms = mono_diff_ms(mono_now(), start);
	for (it = ping_iterator_get(obj); it != NULL;
	     it = ping_iterator_next(it))
		judge_host(wk, it);
}

void
ping_round_run(struct ping_book *book, const struct probe_ping_msg *pings,
    size_t n, struct probe_result *results)
{
	struct work wk = { .book = book,
		.pings = pings,
		.n = n,
		.results = results,
		.set = xcalloc(1, sizeof(*wk.set)),
		.timeout_ms = pings[0].timeout_ms };

	targets_collect(&wk);
	set_find_kept(&wk);
	for (size_t i = 0; i < wk.set->n; i++) {
		target_result(&wk, i, PROBE_NO_ANSWER_FROM_US,
		    "cannot ping: out of memory");
	}
	if (wk.set->obj == NULL)
		set_build(&wk);
	if (ping_iterator_get(wk.set->obj) != NULL)
		set_send(&wk);
	if (wk.is_spent || wk.set->obj == NULL) {
		set_free(book, wk.set);
	} else {
		kept_put(book, wk.set);
	}
}
