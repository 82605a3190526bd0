/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "store/schema.h"

#define UID_BYTES (STORE_BOOT_BYTES + 24u)

enum stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_ROW_BEGIN,
	STMT_ROW_KEEP,
	STMT_ROW_UNDO,
	STMT_EVENT,
	STMT_INTENT,
	STMT_ORDER,
	STMT_STATE,
	STMT_EXPERIMENT,
	STMT_LIST,
	STMT_LIST_CLEAR,
	STMT_CLIENT,
	STMT_LIST_COUNT,
	STMT_LIST_DONE,
	STMT_LIST_OLD,
	STMT_LIST_CURRENT,
	STMT_PURGE_CLIENTS,
	STMT_PURGE_LISTS,
	STMT_OUTCOMES,
	STMT_HEIRS_CLEAR,
	STMT_HEIR,
	STMT_RECENT_CLEAR,
	STMT_RECENT,
	STMT_OPTOUT,
	STMT_OPTOUT_GONE,
	STMT_REPLIES,
	STMT_CAMPAIGN,
	STMT_LANDING,
	STMT_NULL_RUN,
	STMT_ASIDE,
	STMT_EXPIRE_EVENTS,
	STMT_EXPIRED,
	STMT_EXPIRE_OUTCOMES,
	STMT_EXPIRE_REPLIES,
	STMT_EXPIRED_LIST,
	STMT_EXPIRE_LIST,
	STMT_EXPIRE_CLIENTS,
	STMT_EXPIRE_EMPTY,
	STMT_COUNT
};

/* Has per-client outcomes, in a query about experiments. */
#define HAS_OUTCOMES                                                           \
	"EXISTS(SELECT 1 FROM outcome_chunk WHERE experiment = experiment.id)"

#define CURRENT_LIST "(SELECT id FROM client_list WHERE current = 1)"

/* Lists older than the current one that nothing refers to. */
#define OLD_LISTS                                                              \
	"(SELECT id FROM client_list WHERE id < " CURRENT_LIST                 \
	" AND id NOT IN (SELECT list FROM experiment)"                         \
	" AND id NOT IN (SELECT list FROM campaign))"

/* Of the oldest events so many are looked at. */
#define EVENTS_LOOKED_AT 50000

#define TEXT_OF_(n) #n
#define TEXT_OF(n) TEXT_OF_(n)

static const char *const sql[] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK",
	[STMT_ROW_BEGIN] = "SAVEPOINT store_row",
	[STMT_ROW_KEEP] = "RELEASE store_row",
	[STMT_ROW_UNDO] = "ROLLBACK TO store_row",
	[STMT_EVENT] = "INSERT INTO event"
		       "(uid, at_ms, kind, subject, what, reason, actor)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
		       " ON CONFLICT(uid) DO NOTHING",
	[STMT_INTENT] =
	    "INSERT INTO intent(id, kind, site, reason, actor, created_ms,"
	    " until_ms, ended_ms, ended_by, scope, owner, at_once)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
	    " ON CONFLICT(id) DO UPDATE SET kind = excluded.kind,"
	    " site = excluded.site, reason = excluded.reason,"
	    " actor = excluded.actor, created_ms = excluded.created_ms,"
	    " until_ms = excluded.until_ms, ended_ms = excluded.ended_ms,"
	    " ended_by = excluded.ended_by, scope = excluded.scope,"
	    " owner = excluded.owner, at_once = excluded.at_once"
	    " WHERE intent.ended_ms = 0",
	[STMT_STATE] =
	    "INSERT INTO guard_state(name, revision, json) VALUES (?1, ?2, ?3)"
	    " ON CONFLICT(name) DO UPDATE SET"
	    " revision = excluded.revision, json = excluded.json"
	    " WHERE excluded.revision > guard_state.revision",
	[STMT_ORDER] =
	    "INSERT INTO site_order(site, revision, json) VALUES(?1, ?2, ?3)"
	    " ON CONFLICT(site) DO UPDATE SET revision = excluded.revision,"
	    " json = excluded.json"
	    " WHERE excluded.revision >= site_order.revision",
	[STMT_EXPERIMENT] =
	    "INSERT INTO experiment(id, site, state, reason, created_ms,"
	    " ended_ms, clients, list, answered, bystanders, sites, asked,"
	    " others, null_both, null_moved, null_tv, campaign, purpose,"
	    " test, changed_ms, null_moved_weight)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
	    " ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)"
	    " ON CONFLICT(id) DO UPDATE SET site = excluded.site,"
	    " state = excluded.state, reason = excluded.reason,"
	    " created_ms = excluded.created_ms, ended_ms = excluded.ended_ms,"
	    " clients = excluded.clients, list = excluded.list,"
	    " answered = excluded.answered, bystanders = excluded.bystanders,"
	    " sites = excluded.sites, asked = excluded.asked,"
	    " others = excluded.others, null_both = excluded.null_both,"
	    " null_moved = excluded.null_moved, null_tv = excluded.null_tv,"
	    " null_moved_weight = excluded.null_moved_weight,"
	    " campaign = excluded.campaign, purpose = excluded.purpose,"
	    " test = excluded.test,"
	    " changed_ms = excluded.changed_ms"
	    " WHERE experiment.ended_ms = 0 OR excluded.ended_ms <> 0",
	[STMT_LIST] = "INSERT INTO client_list(id, created_ms, n, current)"
		      " VALUES(?1, ?2, 0, 0) ON CONFLICT(id) DO NOTHING",
	/* An upload that never ended may have had the same id. */
	[STMT_LIST_CLEAR] =
	    "DELETE FROM client WHERE list = ?1 AND NOT EXISTS"
	    "(SELECT 1 FROM client_list WHERE id = ?1 AND n > 0)",
	[STMT_CLIENT] =
	    "INSERT OR REPLACE INTO client(list, idx, addr, weight, last_seen)"
	    " VALUES(?1, ?2, ?3, ?4, ?5)",
	[STMT_LIST_COUNT] = "SELECT count(*) FROM client WHERE list = ?1",
	[STMT_LIST_DONE] = "UPDATE client_list SET n = ?2 WHERE id = ?1",
	[STMT_LIST_OLD] = "UPDATE client_list SET current = 0"
			  " WHERE current = 1 AND id < ?1",
	[STMT_LIST_CURRENT] =
	    "UPDATE client_list SET current = 1 WHERE id = ?1"
	    " AND NOT EXISTS(SELECT 1 FROM client_list WHERE current = 1)",
	[STMT_PURGE_CLIENTS] = "DELETE FROM client WHERE list IN " OLD_LISTS,
	[STMT_PURGE_LISTS] = "DELETE FROM client_list WHERE id IN " OLD_LISTS,
	[STMT_OUTCOMES] = "INSERT OR REPLACE INTO outcome_chunk"
			  "(experiment, phase, first, n, data)"
			  " VALUES(?1, ?2, ?3, ?4, ?5)",
	[STMT_HEIRS_CLEAR] = "DELETE FROM heir WHERE experiment = ?1",
	[STMT_HEIR] = "INSERT OR REPLACE INTO heir"
		      "(experiment, site, family, heir, clients, weight,"
		      " unstable, square)"
		      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[STMT_RECENT_CLEAR] = "DELETE FROM recent_client WHERE site = ?1",
	[STMT_RECENT] = "INSERT OR REPLACE INTO recent_client"
			"(site, part, saved_ms, data) VALUES(?1, ?2, ?3, ?4)",
	[STMT_OPTOUT] = "INSERT OR REPLACE INTO optout"
			"(prefix, reason, actor, created_ms)"
			" VALUES(?1, ?2, ?3, ?4)",
	[STMT_OPTOUT_GONE] = "DELETE FROM optout WHERE prefix = ?1",
	[STMT_REPLIES] = "INSERT OR REPLACE INTO reply_class"
			 "(experiment, site, class, n, samples)"
			 " VALUES(?1, ?2, ?3, ?4, ?5)",
	[STMT_NULL_RUN] =
	    "INSERT OR REPLACE INTO null_run(experiment, first_experiment,"
	    " test, first, at_ms, verdict, reason, compared, distance, noise,"
	    " beyond, max_beyond, shares)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[STMT_ASIDE] = "UPDATE experiment SET set_aside = ?2 WHERE id = ?1",
	/* The oldest by number; some may have times of a clock that was ahead. */
	[STMT_EXPIRE_EVENTS] =
	    "DELETE FROM event WHERE id IN (SELECT id FROM (SELECT id, at_ms"
	    " FROM event ORDER BY id LIMIT " TEXT_OF(
		EVENTS_LOOKED_AT) ") WHERE at_ms < ?1 AND"
				  " id <= (SELECT max(id) FROM event)"
				  " - " TEXT_OF(STORE_EVENTS_KEPT) " LIMIT " TEXT_OF(
				      STORE_EXPIRE_EVENTS) ")",
	[STMT_EXPIRED] =
	    "SELECT id FROM experiment WHERE ended_ms > 0 AND ended_ms < ?1"
	    " AND campaign IS NOT (SELECT max(id) FROM campaign)"
	    " AND " HAS_OUTCOMES " AND id NOT IN (SELECT max(id)"
	    " FROM experiment WHERE state = 'done' AND list = " CURRENT_LIST
	    " GROUP BY site, set_aside) ORDER BY id LIMIT 1",
	[STMT_EXPIRE_OUTCOMES] =
	    "DELETE FROM outcome_chunk WHERE experiment = ?1",
	[STMT_EXPIRE_REPLIES] =
	    "UPDATE reply_class SET samples = '[]' WHERE experiment = ?1",
	[STMT_EXPIRED_LIST] =
	    "SELECT id FROM client_list WHERE id < " CURRENT_LIST
	    " AND NOT EXISTS(SELECT 1 FROM experiment"
	    " WHERE list = client_list.id AND (ended_ms = 0"
	    " OR ended_ms >= ?1 OR " HAS_OUTCOMES "))"
	    " AND NOT EXISTS(SELECT 1 FROM campaign"
	    " WHERE list = client_list.id AND (ended_ms = 0"
	    " OR id = (SELECT max(id) FROM campaign)))"
	    " ORDER BY id LIMIT 1",
	[STMT_EXPIRE_LIST] = "UPDATE client_list SET n = 0 WHERE id = ?1",
	[STMT_EXPIRE_CLIENTS] = "DELETE FROM client WHERE list = ?1 AND idx >"
				" (SELECT max(idx) FROM client WHERE list = ?1)"
				" - " TEXT_OF(STORE_EXPIRE_CLIENTS),
	[STMT_EXPIRE_EMPTY] =
	    "DELETE FROM client_list WHERE id = ?1"
	    " AND NOT EXISTS(SELECT 1 FROM client WHERE list = ?1)",
	[STMT_LANDING] =
	    "INSERT OR REPLACE INTO landing(id, at_ms, since_ms, down, label,"
	    " experiment, campaign, displaced, seen, agreed, remained, several,"
	    " weight_seen, weight_agreed, distance, heirs, short)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
	    " ?14, ?15, ?16, ?17)",
	[STMT_CAMPAIGN] =
	    "INSERT INTO campaign(id, state, reason, depth, seed, created_ms,"
	    " ended_ms, list, sites)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
	    " ON CONFLICT(id) DO UPDATE SET state = excluded.state,"
	    " reason = excluded.reason, ended_ms = excluded.ended_ms",
};
static_assert(sizeof(sql) / sizeof(sql[0]) == STMT_COUNT,
    "every statement has its text");

struct writer {
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_COUNT];
	bool must_reopen;
};

struct writer *
writer_open(const char *path, struct err *err)
{
	struct writer *wr = xcalloc(1, sizeof(*wr));

	wr->db = schema_open(path, err);
	if (wr->db == NULL)
		goto fail;
	for (size_t i = 0; i < STMT_COUNT; i++) {
		if (sqlite3_prepare_v3(wr->db, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &wr->stmts[i],
			NULL) != SQLITE_OK) {
			(void)schema_err(err, wr->db, path);
			goto fail;
		}
	}
	return wr;

fail:
	writer_close(wr);
	return NULL;
}

void
writer_close(struct writer *wr)
{
	if (wr == NULL)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		(void)sqlite3_finalize(wr->stmts[i]);
	(void)sqlite3_close(wr->db);
	free(wr);
}

/* A failed bind leaves NULL there, which NOT NULL then refuses. */
static void
bind_text(sqlite3_stmt *st, int at, const struct store_text *t)
{
	if (t->p == NULL) {
		(void)sqlite3_bind_null(st, at);
	} else {
		(void)sqlite3_bind_text(st, at, t->p, (int)t->len,
		    SQLITE_STATIC);
	}
}

static void
bind_int(sqlite3_stmt *st, int at, int64_t v)
{
	(void)sqlite3_bind_int64(st, at, v);
}

/* SQLITE_OK or what went wrong; value (may be NULL): of the first column. */
static int
run_value(struct writer *wr, enum stmt which, int64_t *value)
{
	sqlite3_stmt *st = wr->stmts[which];
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW && value != NULL)
		*value = sqlite3_column_int64(st, 0);
	/* The reset repeats the error of the step. */
	rc = sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return rc;
}

static int
run(struct writer *wr, enum stmt which)
{
	return run_value(wr, which, NULL);
}

static int
put_event(struct writer *wr, const struct store_row *row, const char *boot)
{
	sqlite3_stmt *st = wr->stmts[STMT_EVENT];
	const struct store_event_row *ev = &row->u.event;
	char uid[UID_BYTES];

	(void)snprintf(uid, sizeof(uid), "%s-%llu", boot,
	    (unsigned long long)row->seq);
	bind_text(st, 1, &(struct store_text){ uid, strlen(uid) });
	bind_int(st, 2, ev->at_ms);
	bind_text(st, 3, &ev->kind);
	bind_text(st, 4, &ev->subject);
	bind_text(st, 5, &ev->what);
	bind_text(st, 6, &ev->reason);
	bind_text(st, 7, &ev->actor);
	return run(wr, STMT_EVENT);
}

static int
put_intent(struct writer *wr, const struct store_intent_row *in)
{
	sqlite3_stmt *st = wr->stmts[STMT_INTENT];

	bind_text(st, 1, &in->id);
	bind_text(st, 2, &in->kind);
	bind_text(st, 3, &in->site);
	bind_text(st, 4, &in->reason);
	bind_text(st, 5, &in->actor);
	bind_int(st, 6, in->created_ms);
	bind_int(st, 7, in->until_ms);
	bind_int(st, 8, in->ended_ms);
	bind_text(st, 9, &in->ended_by);
	bind_text(st, 10, &in->scope);
	bind_text(st, 11, &in->owner);
	bind_int(st, 12, in->at_once);
	return run(wr, STMT_INTENT);
}

static int
put_document(struct writer *wr, enum stmt stmt,
    const struct store_order_row *order)
{
	sqlite3_stmt *st = wr->stmts[stmt];

	bind_text(st, 1, &order->site);
	bind_int(st, 2, order->revision);
	bind_text(st, 3, &order->json);
	return run(wr, stmt);
}

static int
put_experiment(struct writer *wr, const struct store_experiment_row *ex)
{
	sqlite3_stmt *st = wr->stmts[STMT_EXPERIMENT];

	bind_int(st, 1, ex->id);
	bind_text(st, 2, &ex->site);
	bind_text(st, 3, &ex->state);
	bind_text(st, 4, &ex->reason);
	bind_int(st, 5, ex->created_ms);
	bind_int(st, 6, ex->ended_ms);
	bind_int(st, 7, ex->clients);
	bind_int(st, 8, ex->list);
	bind_int(st, 9, ex->answered);
	bind_int(st, 10, ex->bystanders);
	bind_text(st, 11, &ex->sites);
	bind_int(st, 12, ex->asked);
	bind_int(st, 13, ex->others);
	bind_int(st, 14, ex->null_both);
	bind_int(st, 15, ex->null_moved);
	(void)sqlite3_bind_double(st, 16, ex->null_tv);
	bind_int(st, 17, ex->campaign);
	bind_text(st, 18, &ex->purpose);
	bind_text(st, 19, &ex->test);
	bind_int(st, 20, ex->changed_ms);
	(void)sqlite3_bind_double(st, 21, ex->null_moved_weight);
	return run(wr, STMT_EXPERIMENT);
}

static int
put_landing(struct writer *wr, const struct store_landing_row *l)
{
	sqlite3_stmt *st = wr->stmts[STMT_LANDING];

	bind_int(st, 1, l->id);
	bind_int(st, 2, l->at_ms);
	bind_int(st, 3, l->since_ms);
	bind_text(st, 4, &l->down);
	bind_text(st, 5, &l->label);
	bind_int(st, 6, l->experiment);
	bind_int(st, 7, l->campaign);
	bind_int(st, 8, l->displaced);
	bind_int(st, 9, l->seen);
	bind_int(st, 10, l->agreed);
	bind_int(st, 11, l->remained);
	bind_int(st, 12, l->several);
	(void)sqlite3_bind_double(st, 13, l->weight_seen);
	(void)sqlite3_bind_double(st, 14, l->weight_agreed);
	(void)sqlite3_bind_double(st, 15, l->distance);
	bind_text(st, 16, &l->heirs);
	bind_int(st, 17, l->is_short);
	return run(wr, STMT_LANDING);
}

static int
put_null_run(struct writer *wr, const struct store_null_run_row *r)
{
	sqlite3_stmt *st = wr->stmts[STMT_NULL_RUN];

	bind_int(st, 1, r->experiment);
	bind_int(st, 2, r->first_experiment);
	bind_text(st, 3, &r->test);
	bind_text(st, 4, &r->first);
	bind_int(st, 5, r->at_ms);
	bind_text(st, 6, &r->verdict);
	bind_text(st, 7, &r->reason);
	bind_int(st, 8, r->compared);
	(void)sqlite3_bind_double(st, 9, r->distance);
	(void)sqlite3_bind_double(st, 10, r->noise);
	(void)sqlite3_bind_double(st, 11, r->beyond);
	(void)sqlite3_bind_double(st, 12, r->max_beyond);
	bind_text(st, 13, &r->shares);
	return run(wr, STMT_NULL_RUN);
}

static int
put_aside(struct writer *wr, const struct store_aside_row *r)
{
	sqlite3_stmt *st = wr->stmts[STMT_ASIDE];

	bind_int(st, 1, r->experiment);
	bind_int(st, 2, r->is_aside);
	return run(wr, STMT_ASIDE);
}

static int
put_campaign(struct writer *wr, const struct store_campaign_row *ca)
{
	sqlite3_stmt *st = wr->stmts[STMT_CAMPAIGN];

	bind_int(st, 1, ca->id);
	bind_text(st, 2, &ca->state);
	bind_text(st, 3, &ca->reason);
	bind_int(st, 4, ca->depth);
	bind_int(st, 5, (int64_t)(ca->seed & INT64_MAX));
	bind_int(st, 6, ca->created_ms);
	bind_int(st, 7, ca->ended_ms);
	bind_int(st, 8, ca->list);
	bind_text(st, 9, &ca->sites);
	return run(wr, STMT_CAMPAIGN);
}

static int
run_id(struct writer *wr, enum stmt which, int64_t id)
{
	bind_int(wr->stmts[which], 1, id);
	return run(wr, which);
}

/* All parts are here: it becomes current, unless a newer one is, and what
 * nobody needs any more goes. */
static int
end_client_list(struct writer *wr, const struct store_clients_row *part)
{
	int64_t count = -1, want = (int64_t)part->first + part->n;
	int rc;

	bind_int(wr->stmts[STMT_LIST_COUNT], 1, part->list);
	rc = run_value(wr, STMT_LIST_COUNT, &count);
	/* A part of it was refused: the list before stays. */
	if (rc == SQLITE_OK && count != want)
		return SQLITE_CONSTRAINT;
	bind_int(wr->stmts[STMT_LIST_DONE], 2, want);
	if (rc == SQLITE_OK)
		rc = run_id(wr, STMT_LIST_DONE, part->list);
	if (rc == SQLITE_OK)
		rc = run_id(wr, STMT_LIST_OLD, part->list);
	if (rc == SQLITE_OK)
		rc = run_id(wr, STMT_LIST_CURRENT, part->list);
	if (rc == SQLITE_OK)
		rc = run(wr, STMT_PURGE_CLIENTS);
	if (rc == SQLITE_OK)
		rc = run(wr, STMT_PURGE_LISTS);
	return rc;
}

/* Runs the steps, up to STMT_COUNT, with the id that `find` gives, if any. */
static int
expire_one(struct writer *wr, enum stmt find, int64_t before_ms,
    const enum stmt *steps)
{
	int64_t id = 0;
	int rc;

	bind_int(wr->stmts[find], 1, before_ms);
	rc = run_value(wr, find, &id);
	for (; rc == SQLITE_OK && id != 0 && *steps != STMT_COUNT; steps++)
		rc = run_id(wr, *steps, id);
	return rc;
}

static int
expire(struct writer *wr, const struct store_expire_row *r)
{
	/* What each client did in one experiment; how many did so stays. */
	static const enum stmt outcomes[] = { STMT_EXPIRE_OUTCOMES,
		STMT_EXPIRE_REPLIES, STMT_COUNT };
	/* A part of one list, from its end; it has no length from then on. */
	static const enum stmt list[] = { STMT_EXPIRE_LIST, STMT_EXPIRE_CLIENTS,
		STMT_EXPIRE_EMPTY, STMT_COUNT };
	int rc = SQLITE_OK;

	if (r->events_ms != 0)
		rc = run_id(wr, STMT_EXPIRE_EVENTS, r->events_ms);
	if (rc != SQLITE_OK || r->outcomes_ms == 0)
		return rc;
	rc = expire_one(wr, STMT_EXPIRED, r->outcomes_ms, outcomes);
	if (rc == SQLITE_OK)
		rc = expire_one(wr, STMT_EXPIRED_LIST, r->outcomes_ms, list);
	return rc;
}

static int
put_clients(struct writer *wr, const struct store_clients_row *part)
{
	sqlite3_stmt *st = wr->stmts[STMT_CLIENT];
	struct cursor c = part->clients;
	int rc;

	bind_int(wr->stmts[STMT_LIST], 2, part->created_ms);
	rc = run_id(wr, STMT_LIST, part->list);
	if (rc == SQLITE_OK && part->first == 0)
		rc = run_id(wr, STMT_LIST_CLEAR, part->list);
	for (uint32_t i = 0; i < part->n && rc == SQLITE_OK; i++) {
		struct store_client client;

		store_wire_next_client(&c, &client);
		bind_int(st, 1, part->list);
		bind_int(st, 2, (int64_t)part->first + i);
		(void)sqlite3_bind_blob(st, 3, client.addr,
		    (int)sizeof(client.addr), SQLITE_STATIC);
		(void)sqlite3_bind_double(st, 4, client.weight);
		bind_int(st, 5, client.last_seen);
		rc = run(wr, STMT_CLIENT);
	}
	if (rc == SQLITE_OK && part->last)
		rc = end_client_list(wr, part);
	return rc;
}

static int
put_outcomes(struct writer *wr, const struct store_outcomes_row *out)
{
	sqlite3_stmt *st = wr->stmts[STMT_OUTCOMES];

	bind_int(st, 1, out->experiment);
	bind_int(st, 2, out->phase);
	bind_int(st, 3, out->first);
	bind_int(st, 4, out->n);
	(void)sqlite3_bind_blob(st, 5, out->data, (int)out->len, SQLITE_STATIC);
	return run(wr, STMT_OUTCOMES);
}

static int
put_heirs(struct writer *wr, const struct store_row *row)
{
	sqlite3_stmt *st = wr->stmts[STMT_HEIR];
	const struct store_heirs_row *part = &row->u.heirs;
	struct cursor c = part->heirs;
	struct store_heir_row heir;
	int rc = SQLITE_OK;

	if (part->first)
		rc = run_id(wr, STMT_HEIRS_CLEAR, part->ex.id);
	while (rc == SQLITE_OK && c.left > 0 &&
	    store_wire_next_heir(&c, &heir)) {
		bind_int(st, 1, part->ex.id);
		bind_text(st, 2, &heir.site);
		bind_int(st, 3, heir.family);
		bind_text(st, 4, &heir.heir);
		bind_int(st, 5, heir.clients);
		(void)sqlite3_bind_double(st, 6, heir.weight);
		bind_int(st, 7, heir.unstable);
		(void)sqlite3_bind_double(st, 8, heir.square);
		rc = run(wr, STMT_HEIR);
	}
	if (rc == SQLITE_OK && !row->more)
		rc = put_experiment(wr, &part->ex);
	return rc;
}

static int
put_recent(struct writer *wr, const struct store_recent_row *part)
{
	sqlite3_stmt *st = wr->stmts[STMT_RECENT];
	int rc = SQLITE_OK;

	if (part->part == 0) {
		bind_text(wr->stmts[STMT_RECENT_CLEAR], 1, &part->site);
		rc = run(wr, STMT_RECENT_CLEAR);
	}
	if (rc != SQLITE_OK)
		return rc;
	bind_text(st, 1, &part->site);
	bind_int(st, 2, part->part);
	bind_int(st, 3, part->saved_ms);
	/* Not NULL, however short. */
	(void)sqlite3_bind_blob(st, 4,
	    part->len > 0 ? (const void *)part->data : "", (int)part->len,
	    SQLITE_STATIC);
	return run(wr, STMT_RECENT);
}

static int
put_optout(struct writer *wr, const struct store_optout_row *o)
{
	sqlite3_stmt *st = wr->stmts[STMT_OPTOUT];

	if (o->gone) {
		bind_text(wr->stmts[STMT_OPTOUT_GONE], 1, &o->prefix);
		return run(wr, STMT_OPTOUT_GONE);
	}
	bind_text(st, 1, &o->prefix);
	bind_text(st, 2, &o->reason);
	bind_text(st, 3, &o->actor);
	bind_int(st, 4, o->created_ms);
	return run(wr, STMT_OPTOUT);
}

static int
put_replies(struct writer *wr, const struct store_replies_row *r)
{
	sqlite3_stmt *st = wr->stmts[STMT_REPLIES];

	bind_int(st, 1, r->experiment);
	bind_text(st, 2, &r->site);
	bind_text(st, 3, &r->class_name);
	bind_int(st, 4, r->n);
	bind_text(st, 5, &r->samples);
	return run(wr, STMT_REPLIES);
}

static int
put_row(struct writer *wr, const struct store_row *row, const char *boot)
{
	switch (row->type) {
	case STORE_MSG_EVENT:
		return put_event(wr, row, boot);
	case STORE_MSG_INTENT:
		return put_intent(wr, &row->u.intent);
	case STORE_MSG_ORDER:
		return put_document(wr, STMT_ORDER, &row->u.order);
	case STORE_MSG_STATE:
		return put_document(wr, STMT_STATE, &row->u.order);
	case STORE_MSG_EXPERIMENT:
		return put_experiment(wr, &row->u.experiment);
	case STORE_MSG_CLIENTS:
		return put_clients(wr, &row->u.clients);
	case STORE_MSG_OUTCOMES:
		return put_outcomes(wr, &row->u.outcomes);
	case STORE_MSG_HEIRS:
		return put_heirs(wr, row);
	case STORE_MSG_LANDING:
		return put_landing(wr, &row->u.landing);
	case STORE_MSG_NULL_RUN:
		return put_null_run(wr, &row->u.null_run);
	case STORE_MSG_ASIDE:
		return put_aside(wr, &row->u.aside);
	case STORE_MSG_EXPIRE:
		return expire(wr, &row->u.expire);
	case STORE_MSG_CAMPAIGN:
		return put_campaign(wr, &row->u.campaign);
	case STORE_MSG_RECENT:
		return put_recent(wr, &row->u.recent);
	case STORE_MSG_OPTOUT:
		return put_optout(wr, &row->u.optout);
	case STORE_MSG_REPLIES:
		return put_replies(wr, &row->u.replies);
	case STORE_MSG_INIT:
	case STORE_MSG_ACK:
	case STORE_MSG_ALARM:
		break;
	}
	return SQLITE_MISUSE; /* no row at all */
}

/* The row's own fault, whenever it is tried? */
static bool
is_row_fault(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
	case SQLITE_RANGE:
	case SQLITE_MISUSE:
		return true;
	default:
		return false;
	}
}

static int
trouble(struct writer *wr, const char *what, struct err *err)
{
	int code = sqlite3_errcode(wr->db) & 0xff;

	/* These pass by themselves. */
	wr->must_reopen = code != SQLITE_BUSY && code != SQLITE_FULL;
	(void)schema_err(err, wr->db, what);
	return err_wrap(err, "%s", sqlite3_db_filename(wr->db, "main"));
}

/* Nobody would ever see what is written to a file without a name. */
static int
check_in_place(const struct writer *wr, struct err *err)
{
	int has_moved = 0;

	if (sqlite3_file_control(wr->db, "main", SQLITE_FCNTL_HAS_MOVED,
		&has_moved) == SQLITE_OK &&
	    has_moved != 0) {
		return err_set(err, ERR_STORE,
		    "%s: was moved or removed: put it back",
		    sqlite3_db_filename(wr->db, "main"));
	}
	return 0;
}

int
writer_begin(struct writer *wr, struct err *err)
{
	if (check_in_place(wr, err) == -1)
		return -1;
	if (run(wr, STMT_BEGIN) != SQLITE_OK)
		return trouble(wr, "begin", err);
	return 0;
}

enum writer_result
writer_put(struct writer *wr, const struct store_row *row, const char *boot,
    struct err *err)
{
	int rc = run(wr, STMT_ROW_BEGIN);

	if (rc == SQLITE_OK)
		rc = put_row(wr, row, boot);
	if (rc == SQLITE_OK)
		rc = run(wr, STMT_ROW_KEEP);
	if (rc == SQLITE_OK)
		return WRITER_DONE;

	if (!is_row_fault(rc) || sqlite3_get_autocommit(wr->db) != 0) {
		(void)trouble(wr, "write", err);
		return WRITER_TROUBLE;
	}
	(void)err_set(err, ERR_STORE, "row %llu of type %d: refused: %s",
	    (unsigned long long)row->seq, (int)row->type,
	    sqlite3_errcode(wr->db) != SQLITE_OK ? sqlite3_errmsg(wr->db)
						 : "is incomplete");
	if (run(wr, STMT_ROW_UNDO) == SQLITE_OK &&
	    run(wr, STMT_ROW_KEEP) == SQLITE_OK)
		return WRITER_BAD_ROW;
	(void)trouble(wr, "rollback", err);
	return WRITER_TROUBLE;
}

bool
writer_must_reopen(const struct writer *wr)
{
	return wr->must_reopen;
}

int
writer_commit(struct writer *wr, struct err *err)
{
	if (run(wr, STMT_COMMIT) != SQLITE_OK)
		return trouble(wr, "commit", err);
	return 0;
}

void
writer_rollback(struct writer *wr)
{
	/* Some errors have rolled back by themselves. */
	if (sqlite3_get_autocommit(wr->db) == 0)
		(void)run(wr, STMT_ROLLBACK);
}

void
writer_checkpoint(struct writer *wr)
{
	if (sqlite3_wal_checkpoint_v2(wr->db, NULL, SQLITE_CHECKPOINT_TRUNCATE,
		NULL, NULL) != SQLITE_OK) {
		log_info("checkpoint: left for the next start: %s",
		    sqlite3_errmsg(wr->db));
	}
}
