/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_RECONCILE_STATE_H
#define SITE_RECONCILE_STATE_H
/*
 * reconcile_state -- the reconciler's inside, shared by reconcile.c (what is
 * wanted and what is), reconcile_file.c (what BIRD reads), reconcile_change.c
 * (one change, as a transaction) and reconcile_ahead.c (would BIRD take one?).
 */
#include <sys/stat.h>

#include "bird/byhand.h"
#include "bird/client.h"
#include "bird/include.h"
#include "bird/survey.h"
#include "site/reconcile.h"

#define REASON_BYTES RECONCILE_TEXT_BYTES
#define CODE_CONFIG_OK 20 /* to `configure check` */

/* Where a change is.  See reconcile_change.c. */
enum change_step {
	CHANGE_NONE,
	CHANGE_LOOK,      /* who is up, and is anything as by hand? */
	CHANGE_CHECK,     /* BIRD checks its configuration */
	CHANGE_CONFIGURE, /* it takes it, for a time */
	CHANGE_PROGRESS,  /* waits for its end */
	CHANGE_VERIFY,    /* is everything as it should be? */
	CHANGE_CONFIRM,
	CHANGE_UNDO,
	CHANGE_STEP_COUNT
};

struct entry {
	struct route_want want;
	struct route_want written; /* what the file of this change says */
	enum route_real real;
	struct route_attrs attrs; /* at the real route */
	size_t exported_to;
	size_t exports_before;      /* that a change must not take away */
	struct mono diverged_since; /* .us 0: equal */
};

struct session_name {
	char name[BIRD_NAME_MAX];
};

struct reconcile {
	struct loop *lp;
	const struct conf_bird *conf;
	struct reconcile_ops ops;
	struct bird_client *client;
	struct bird_surveyor *surveyor;
	struct bird_byhand *byhand;
	struct loop_timer *timer; /* the next cycle, or the next poll in one */
	struct prefix *prefixes;
	struct entry *entries;
	size_t n;
	/* The prefixes' texts, made once: BIRD waits for the file. */
	const char **nets;
	char *nets_text;
	/* Of the look, or of the wishes that go together: there may be
	 * thousands, and to ask for the time costs more than all the rest. */
	struct mono clock;
	/* Of the last look. */
	size_t strays;
	size_t sessions_at_look;
	bool statics_missing;
	bool attrs_missing;
	bool has_looked;
	bool busy;          /* a cycle is under way */
	struct mono turned; /* the last cycle's end, or BIRD's coming */
	bool again;         /* what is wanted changed meanwhile */
	bool is_wishing;    /* until reconcile_apply */
	bool said_converged;
	bool said_differs;
	bool file_failed;   /* and it was said */
	bool file_is_empty; /* as before the first start */
	bool file_is_fresh; /* written since the last look */
	struct stat file;   /* as it was when it said what is wanted */
	int64_t pause_ms;   /* before the next try */
	int64_t gap_ms;     /* between two changes, see batch_wait_ms */
	struct mono last_change;
	struct mono foreign_told;
	struct mono ahead_next; /* the next look ahead, see reconcile_ahead.c */
	int64_t ahead_took_ms;  /* the last one */
	bool ahead_told;        /* that BIRD would refuse its configuration */
	struct reconcile_bird bird;

	/* The change under way. */
	enum change_step step;
	bool pending;             /* BIRD will undo it unless we confirm */
	bool was_reconfigured;    /* at this look, and not by us */
	bool own_reconfiguration; /* the next new time is our doing */
	bool old_is_staged;       /* it is written, and not in place yet */
	bool check_is_out;        /* asked with the look */
	size_t checks_in_vain;    /* answers to come that say nothing */
	bool look_said_no;        /* the last one, so the next may, too */
	struct mono step_since;
	struct mono pending_until;
	char *old_text; /* what the file said before; to be put back */
	struct session_name *up_before; /* sessions; n_up_before */
	size_t n_up_before;
	char problem[REASON_BYTES]; /* why it is undone */
	bool lost_session;          /* it is that */
	bool has_vanished;          /* so it was at the last look */
	bool new_is_unsynced;       /* BIRD may have it, and the disk not */
	int64_t undo_pause_ms;
	struct mono undone_until; /* no new change before */
};

/* reconcile.c */
void reconcile_cycle_end(struct reconcile *r, int64_t pause_ms);
void reconcile_cycle_failed(struct reconcile *r, const char *reason);
/* Takes over what was seen; false when the survey failed. */
bool reconcile_take_survey(struct reconcile *r, const struct bird_survey *s);
/* Only what it says of protocols. */
void reconcile_take_state(struct reconcile *r, const struct bird_survey *s);
/* After a change: is all well, or is there more to do? */
void reconcile_settle(struct reconcile *r);
/* Copies what fits; returns whether it says something else now. */
bool reconcile_text_set(char text[REASON_BYTES], const char *now);
const char *reconcile_missing_text(const struct reconcile *r,
    char text[REASON_BYTES]);

/* reconcile_file.c: adopts what the file says. */
void reconcile_file_open(struct reconcile *r);
void reconcile_file_close(struct reconcile *r);
/* What is wanted is written, and on disk if `sync`; 1 changed, 0 as it was, -1
 * err. */
int reconcile_file_write(struct reconcile *r, bool sync, struct err *err);
/* Nobody else wrote it since. */
bool reconcile_file_is_ours(const struct reconcile *r);

/* reconcile_old.c: where it lies while a change is under way; the caller frees
 * it. */
char *reconcile_old_path(const struct reconcile *r);
/* While BIRD checks, so that no time goes for it afterwards. */
void reconcile_old_stage(struct reconcile *r);
void reconcile_old_unstage(struct reconcile *r);
/* From now on a restart knows that BIRD may undo. */
void reconcile_old_keep(struct reconcile *r);
/* At the start: is there one, so that BIRD may undo?  up_before is as it was. */
bool reconcile_old_find(struct reconcile *r);
/* Keeps up_before for the next daemon. */
void reconcile_old_note_sessions(struct reconcile *r);
/* What stands in the file now is what BIRD has, or begins with. */
void reconcile_old_forget_text(struct reconcile *r);
/* Nothing is pending any more. */
void reconcile_old_forget(struct reconcile *r);
/* What BIRD went back to is what the next start of it must read. */
void reconcile_old_put_back(struct reconcile *r);

/* reconcile_ahead.c */
bool reconcile_ahead_is_due(const struct reconcile *r);
/* Asks BIRD, and ends the cycle. */
void reconcile_ahead_start(struct reconcile *r);
/* What BIRD said to `configure check`, whoever asked. */
void reconcile_ahead_note(struct reconcile *r, const struct bird_reply *reply,
    bool is_told_elsewhere);

/* reconcile_change.c */
void reconcile_change_init(struct reconcile *r);
void reconcile_change_start(struct reconcile *r);
/* The first look after a change was cut. */
void reconcile_change_resume(struct reconcile *r, const struct bird_survey *s);
/* BIRD went away in the middle. */
void reconcile_change_cut(struct reconcile *r);
/* The timer, while step is not CHANGE_NONE. */
void reconcile_change_tick(struct reconcile *r);
/* What BIRD may have taken is on disk before the daemon goes. */
void reconcile_change_close(struct reconcile *r);
/* A change that was cut by a crash of ours or of BIRD's: may BIRD still undo
 * it?  Then how long to wait, else 0. */
int64_t reconcile_undo_wait_ms(const struct reconcile *r);
const char *change_step_name(enum change_step step);

#endif /* SITE_RECONCILE_STATE_H */
