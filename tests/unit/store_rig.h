/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STORE_RIG_H
#define STORE_RIG_H
/*
 * store_rig -- main's side of the store with a real keeper and real store
 * processes, which a test can find, and limit in the size of their files.
 */
#include "store/store.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/xalloc.h"
#include "core/failover.h"
#include "store/query.h"
#include "store/store_wire.h"
#include "store_file.h"
#include "test.h"

#define LIMIT_BYTES (300u << 10)

/* What the store processes tell the test, and the test them. */
struct shared {
	volatile pid_t pid;
	volatile int starts;
	volatile bool is_limited; /* the next one: in the size of files */
};
static struct shared *shared;

struct rig {
	struct store_file f;
	struct keeper *k;
	struct loop *lp;
	struct store *s;
	unsigned durable; /* callbacks */
	unsigned alarms, calms;
	char alarm[STORE_ALARM_BYTES_MAX + 1];
};

static inline int
noted_store_main(int fd)
{
	if (shared->is_limited) {
		struct rlimit limit;

		(void)getrlimit(RLIMIT_FSIZE, &limit);
		limit.rlim_cur = LIMIT_BYTES;
		(void)setrlimit(RLIMIT_FSIZE, &limit);
	}
	shared->pid = getpid();
	shared->starts++;
	return store_main(fd);
}

static inline void
on_keeper_lost(void *arg)
{
	(void)arg;
	fail_msg("keeper lost");
}

static inline void
on_alarm(const char *text, void *arg)
{
	struct rig *r = arg;

	if (text == NULL) {
		r->calms++;
		return;
	}
	r->alarms++;
	(void)snprintf(r->alarm, sizeof(r->alarm), "%s", text);
}

static inline void
rig_open(struct rig *r)
{
	static const struct worker_kind kinds[] = {
		{ .name = "store", .run = noted_store_main },
	};
	struct err err = { 0 };

	if (store_prepare(r->f.path, &err) == -1)
		fail_msg("%s", err.msg);
	(void)fflush(NULL);
	r->k = keeper_start(kinds, 1, NULL, &err);
	assert_non_null(r->k);
	r->lp = loop_new();
	keeper_attach(r->k, r->lp, on_keeper_lost, r);
	r->s = store_new(r->k, 0, r->f.path, on_alarm, r);
}

static inline void
rig_close(struct rig *r)
{
	store_free(r->s);
	keeper_dismiss(r->k);
	loop_free(r->lp);
}

static inline int
setup(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));

	memset(shared, 0, sizeof(*shared));
	file_make(&r->f);
	rig_open(r);
	*state = r;
	return 0;
}

static inline int
teardown(void **state)
{
	struct rig *r = *state;

	rig_close(r);
	file_remove(&r->f);
	free(r);
	return 0;
}

typedef bool cond_fn(const struct rig *r);

static inline bool
is_idle(const struct rig *r)
{
	return store_backlog(r->s) == 0;
}

static inline void
wait_for(struct rig *r, cond_fn *cond, const char *what)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (!cond(r)) {
		if (!mono_before(mono_now(), end))
			fail_msg("waited in vain: %s", what);
		loop_step(r->lp, 20);
	}
}
#define WAIT_FOR(r, cond) wait_for(r, cond, #cond)

static inline void
put_events(struct rig *r, int first, int n)
{
	char what[32];
	struct store_event ev = { .kind = "k", .subject = "s", .what = what };

	for (int i = first; i < first + n; i++) {
		(void)snprintf(what, sizeof(what), "%d", i);
		store_put_event(r->s, &ev);
	}
}

/* All of 0 .. n - 1, each once, in order. */
static inline void
assert_events(const struct rig *r, int n)
{
	assert_int_equal(file_number(&r->f, "SELECT count(*) FROM event"), n);
	assert_int_equal(file_number(&r->f,
			     "SELECT count(DISTINCT what) FROM event"),
	    n);
	assert_int_equal(file_number(&r->f,
			     "SELECT count(*) FROM event AS a JOIN event AS b"
			     " ON b.id = (SELECT min(id) FROM event"
			     " WHERE id > a.id) WHERE"
			     " CAST(b.what AS INT) <> CAST(a.what AS INT) + 1"),
	    0);
}

static inline void
put_outcomes(struct rig *r, uint32_t experiment, uint32_t n)
{
	uint16_t *sites = xcalloc(n, sizeof(*sites));
	uint32_t *rtt_us = xcalloc(n, sizeof(*rtt_us));
	struct store_outcomes out = { .experiment = experiment,
		.n = n,
		.sites = sites,
		.rtt_us = rtt_us };

	for (uint32_t i = 0; i < n; i++) {
		sites[i] = (uint16_t)(i % 300);
		rtt_us[i] = i * 7919u;
	}
	store_put_outcomes(r->s, &out);
	free(sites);
	free(rtt_us);
}

static inline void
assert_outcomes(const struct rig *r, uint32_t experiment, uint32_t n)
{
	struct err err = { 0 };
	struct query *q = query_open(r->f.path, &err);
	struct query_outcomes want = { .experiment = experiment,
		.n = n + 1,
		.sites = xcalloc(n + 1, sizeof(uint16_t)),
		.rtt_us = xcalloc(n + 1, sizeof(uint32_t)) };

	assert_non_null(q);
	assert_int_equal(query_outcomes(q, &want, &err), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(want.sites[i], i % 300);
		assert_int_equal(want.rtt_us[i], i * 7919u);
	}
	assert_int_equal(want.sites[n], OUTCOME_NOT_ASKED);
	free(want.sites);
	free(want.rtt_us);
	query_close(q);
}

/* Before anything else.  False: no memory to share. */
static inline bool
rig_share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED;
}

#endif /* STORE_RIG_H */
