/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_DAMPING_H
#define CORE_DAMPING_H
/*
 * damping -- fast down, slow up.  Each update that the neighbours hold against a
 * prefix adds a penalty to it, whoever wished it: a withdrawal, and, half as
 * much, a change of its attributes.  It halves itself every half_life.  Above
 * `suppress` the prefix is not announced again before the penalty is below
 * `reuse`, and so at the longest max_hold after the last of them.  After RFC
 * 2439; the numbers of the networks that damp us in turn are in RFC 7196.
 *
 * Beside it each prefix has a budget of updates: so many at once, and as many
 * per hour, announcements too.
 *
 * What neither may do:
 *
 *   - delay a step down: a withdrawal, as long as others announce the prefix, or
 *     attributes that send traffic away.  It is the way back that has to wait,
 *     new announcement and attributes both.  Steps down may thus exceed the
 *     budget;
 *   - keep the last announcer away.  Where nobody else announces the prefix,
 *     announcing again is always allowed.  The updates stay bounded all the
 *     same: when the budget is used up, it is the *withdrawal* of the last
 *     announcer that waits.  A service that is up half of the time and
 *     announced serves better than one that nobody reaches.  Attributes do
 *     not count in that: no drain keeps a sick service announced.  They wait
 *     for the budget themselves, for with any of them the prefix is reached.
 *
 * Times are monotonic.  Over a restart of the daemon the state is kept with its
 * age, see damping_restore: no clock step touches it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

#define DAMPING_PENALTY_WITHDRAWN 1000.0
#define DAMPING_PENALTY_CHANGED 500.0

struct damping_conf {
	unsigned suppress; /* 0: no damping */
	unsigned reuse;    /* below suppress */
	int64_t half_life_ms;
	int64_t max_hold_ms;
	unsigned updates; /* at once, and per hour; 0: no budget */
};

/* All zero: nothing happened yet. */
struct damping {
	double penalty; /* as of at */
	double updates; /* in the bucket, as of at */
	double moves;   /* the same, without changes of attributes */
	bool is_suppressed;
	struct mono at;
};

enum damping_verdict {
	DAMPING_OK,
	DAMPING_SUPPRESSED, /* stays withdrawn until the penalty decayed */
	DAMPING_NO_UPDATES, /* stays as it is until the budget has room */
};

struct damping_wish {
	bool is_announced; /* now */
	bool announce;     /* wished for */
	bool is_last;      /* nobody else announces it, or nobody can tell */
	/* Announced and stays so, with attributes nearer to none. */
	bool is_back;
};

/* What the neighbours hear. */
enum damping_update {
	DAMPING_ANNOUNCED,
	DAMPING_CHANGED, /* other attributes */
	DAMPING_WITHDRAWN,
};

/* Brings the state to now. */
void damping_decay(struct damping *d, const struct damping_conf *conf,
    struct mono now);
/* An update was made. */
void damping_note(struct damping *d, const struct damping_conf *conf,
    enum damping_update update, struct mono now);
/* May it? d is of now. */
enum damping_verdict damping_judge(const struct damping *d,
    const struct damping_conf *conf, const struct damping_wish *wish);
/* How long until a prefix that is held may be announced, or go one step back; 0:
 * it may.  The last announcer waits for the budget only. */
int64_t damping_wait_ms(const struct damping *d,
    const struct damping_conf *conf, bool is_last);
/* Nothing of it matters any more. */
bool damping_is_over(const struct damping *d);
/*
 * The state as it was kept age_ms ago.  Values that cannot be are brought into
 * bounds, an age below zero counts as none.
 */
void damping_restore(struct damping *d, const struct damping_conf *conf,
    int64_t age_ms, struct mono now);

#endif /* CORE_DAMPING_H */
