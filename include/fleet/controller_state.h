/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_CONTROLLER_STATE_H
#define FLEET_CONTROLLER_STATE_H
/*
 * controller_state -- the controller's inside, shared by the files of fleet/
 * and by nobody else.
 */
#include <sys/queue.h>

#include <jansson.h>

#include "api/guard_acts.h"
#include "base/addr.h"
#include "base/log.h"
#include "core/client_list.h"
#include "fleet/controller.h"
#include "fleet/optouts.h"
#include "store/intent_book.h"

#define NO_SITE ((size_t)-1)
#define TEST_PREFIXES_MAX CONF_TESTS_MAX
/* With those that no site has any more. */
#define TESTS_KEPT_MAX ((size_t)2 * TEST_PREFIXES_MAX)

/* An agent that waits for orders newer than it has. */
struct order_waiter {
	LIST_ENTRY(order_waiter) entry;
	struct api_request *req;
	struct fleet_site *site;
	uint64_t after;
	struct mono deadline;
};

struct fleet_site {
	const char *name;
	json_t *status; /* the agent's last report; NULL: never heard */
	struct mono contact;
	int64_t contact_awake_ms; /* the same by the clock below */
	const int64_t *awake_ms;  /* the controller's */
	char boot[40];
	uint64_t applied_revision;
	/* The order document: whole, with its revision. */
	json_t *orders;
	uint64_t revision;
	uint64_t first_revision; /* the first one of this process */
	uint64_t taken_revision; /* the newest that the agent has seen */
	/* {prefix: -1 permit given, else the revision that took it away} */
	json_t *permits;
	json_t *service_prefixes; /* of the status, by name */
	json_t *last;             /* of the orders: see guards_last_json */
	const char *withheld_by;  /* the same: see guards_withheld_by */
	json_t *test_prefixes;    /* of the status: those of no service */
	json_t *tests;            /* of the status; NULL: none came yet */
	uint64_t sends;           /* the newest turn that it had, of c->turn */
	double capacity;          /* 0: not known */
	/* Its recent ones, when they were last taken: how many, of which list,
	 * and when the newest of them was seen. */
	uint32_t taken_clients, taken_serial;
	int64_t taken_seen;
	bool is_quiet; /* nobody had been seen since the time before */
	/* Budget: when it last withdrew something, and how often by the count
	 * of that boot. */
	bool has_withdrawn;
	struct mono withdrew;
	char counted_boot[40];
	json_int_t counted;
	/* Brake: since when a service of it is sick, and has not been well
	 * since; .us 0: none is. */
	struct mono sick_since;
	json_t *was_sick;       /* {service: bool}: it, for each */
	struct mono lost_since; /* .us 0: in contact */
	LIST_HEAD(, order_waiter) waiters;
	/* Replies: the last batch taken of this boot. */
	char replies_boot[40];
	uint64_t replies_seq;
	struct log_limit limit;
};

struct campaign;
struct landings;
struct map_book;
struct experiment;
struct test_prefix;
struct test_book;
struct drain_request;
struct fleet_guards;

struct controller {
	struct controller_env env;
	const struct conf_controller *conf;
	struct fleet_site *sites;
	size_t n_sites;
	char *site_names;     /* all, blank between them */
	json_t *guard_alarms; /* prefixes with an alarm, as keys */
	bool guards_are_old;  /* a status or an intent came since */
	struct mono guards_updated;
	struct fleet_guards *guards;
	struct intent_book intents;
	struct guard_acts guard_acts;
	/* Many intents come at once: their site is published after the last. */
	bool holds_publish, wants_publish;
	uint64_t revision; /* the highest given out */
	struct loop_timer *tick;
	/* The time that the loop has turned: a controller that stood still (a
	 * machine that was paused, SIGSTOP) takes nobody for silent whose
	 * reports are still to be read. */
	int64_t awake_ms;
	struct mono ticked;
	int64_t started_ms;
	/* The current client list. */
	uint32_t list;
	struct store_client *clients;
	uint32_t n_clients;
	struct optouts optouts;
	struct client_upload *upload; /* under way; NULL: none */
	struct mono taken;            /* recent clients, last by themselves */
	size_t taken_most; /* the most of one list since one came by hand */
	/* The test prefixes, the first one first; each has its experiment. */
	struct test_prefix *tests[TESTS_KEPT_MAX];
	size_t n_tests;
	struct test_book *test_book;
	bool asks[2]; /* experiments ask clients of IPv4, of IPv6 */
	struct log_limit tests_limit;
	struct mono null_retry; /* no null run before */
	unsigned null_failures; /* of the first test prefix's, in a row */
	uint32_t next_experiment;
	/* Whose turn it is to send, see experiment_turn.c. */
	struct {
		uint64_t asked, granted; /* counts */
		struct mono began;       /* this controller */
		int64_t old_ms; /* from then on: how long one of its experiments
				 * may still send; 0: none can */
		bool is_taken_over; /* nobody sends for the one before it */
		struct mono ended; /* the last turn; at first as long ago as may
				    * be */
		/* A site that must first hear that its job is off. */
		size_t quiet_site;
		uint64_t quiet_revision;
		struct mono quiet_until;
	} turn;
	struct map_book *maps;
	struct landings *landings;
	struct campaign *campaign; /* the newest; NULL: none yet */
	uint32_t next_campaign;
};

/* controller.c */
size_t controller_find_site(const struct controller *c, const char *name);
bool fleet_site_is_live(const struct fleet_site *s);
/* The controller has just begun, and the site not reported yet. */
bool fleet_site_is_awaited(const struct fleet_site *s);
/* Before a decision that somebody waits for: the tick may not have come yet
 * since the loop stood still. */
void controller_count_awake(struct controller *c);
void controller_note(struct controller *c, const struct store_event *ev);
/* Makes the site's order document anew; a new revision if it differs. */
void controller_publish(struct controller *c, size_t site);
/*
 * Lets the guards see what is new, and now and then what comes with time: they
 * look at each prefix at each site.  So what orders say follows from all that
 * was reported before.
 */
void controller_step_guards(struct controller *c);
/* Something was reported that they have to see. */
void controller_touch_guards(struct controller *c);
void controller_publish_all(struct controller *c);

/* ex is over: who learns from it. */
void controller_on_experiment(struct controller *c,
    const struct experiment *ex);

/* agents_api.c: what agents call */
void fleet_serve_agents(struct controller *c, struct api_server *server);
void order_waiter_free(struct order_waiter *w);
void fleet_site_wake(struct fleet_site *s);
void fleet_expire_waiters(struct controller *c);

/* people_api.c: what people call */
void fleet_serve_people(struct controller *c, struct api_server *server);
/* /v1/status; new reference. */
json_t *fleet_status(const struct controller *c);

/* clients_api.c */
void fleet_serve_clients(struct controller *c, struct api_server *server);
void client_upload_free(struct client_upload *up);
/* Makes the recent clients the list, if fleet.predict.take_clients says so. */
void fleet_clients_on_tick(struct controller *c);
/* Makes a new list without those who opted out, if there are any.  No experiment
 * may be running. */
void fleet_clients_drop_optouts(struct controller *c);

/* guards.c: permits to withdraw, see core/guard.h */
/* To be called when s->status was replaced, before guards_update. */
void guards_take_status(struct fleet_site *s);
void guards_update(struct controller *c);
/* Does the site's status say so of the service? */
bool guards_service_is_sick(const json_t *status, const char *name);
/* The "permits" of a site's order document. */
json_t *guards_permits_json(const struct controller *c, size_t site);
/* And its "withheld_by": the name of the guard for which permits are missing
 * there, a floor that is not overridden before budget and brake; NULL: none
 * is. */
const char *guards_withheld_by(const struct controller *c, size_t site);
/* And its "last": prefixes that no other live site announces; JSON null as long
 * as that is not known, after the controller's start. */
json_t *guards_last_json(const struct controller *c, size_t site);
/* Does it hold a permit, as far as is known; do its newest orders give one? */
bool guards_site_holds(const struct fleet_site *s);
bool guards_site_is_granted(const struct fleet_site *s);
/* An active override for the site, or for the fleet. */
bool guards_is_overridden(const struct controller *c, const char *site,
    enum guard g);
/* -1 with err when a guard refuses the drain; else room->text says what
 * is known of the room at its heirs, or is "" if that was not looked at. */
struct room_text {
	char text[240]; /* for people */
};
int guards_check_drain(struct controller *c, size_t site,
    const struct drain_request *want, struct room_text *room, struct err *err);

/* guard_budget.c: who may hold permits at all, see core/guard_budget.h */
struct fleet_guards *fleet_guards_new(struct controller *c);
void fleet_guards_free(struct fleet_guards *g);
/* s->status was replaced: charges what it withdrew. */
void fleet_guards_take_status(struct controller *c, struct fleet_site *s);
/* Decides anew; barred[n_sites] is written. */
void fleet_guards_step(struct controller *c, bool *barred);
/* Which of the two keeps permits from the site; GUARD_COUNT: neither. */
enum guard fleet_guards_barred_by(const struct controller *c, size_t site);
/* Does any guard need permits? */
bool fleet_guards_use_permits(const struct controller *c);
/* Both: -1 with err when a drain is refused. */
int fleet_guards_check_brake(const struct controller *c, struct err *err);
int fleet_guards_check_budget(const struct controller *c, size_t site,
    struct err *err);
/* The guards that act in the fleet: [{"guard", "state", "why"}]. */
json_t *fleet_guards_json(const struct controller *c);

/* loads.c; the one of the configuration, or NULL */
const struct conf_capacity *fleet_site_capacity(const struct controller *c,
    size_t site);
enum load_source { LOAD_UNKNOWN, LOAD_CONFIGURED, LOAD_MEASURED };
struct fleet_load {
	enum load_source source;
	double load; /* in the unit of the capacities */
};
/* Now: as its agent measures it, else as the configuration says. */
struct fleet_load fleet_site_load(const struct controller *c, size_t site);
/* So long after a withdrawal a load that the site's agent measures may not tell
 * yet what it brought; 0: none is measured. */
int64_t fleet_load_settle_ms(const struct controller *c, size_t site);
/* "capacity", "load" and "load_by" of docs/api.md, as far as they are known. */
void fleet_load_add(const struct controller *c, size_t site, json_t *obj);

/* guard_room.c: do the heirs have room, see core/room.h */
/* -1 with err when an heir would be filled; else out->text says what is
 * known. */
int fleet_room_check(struct controller *c, size_t site, struct room_text *out,
    struct err *err);

/* outcomes_api.c: what each client did, from the store */
void fleet_serve_outcomes(struct controller *c, struct api_server *server);

/* experiment_replies.c: what the replies were, by class and site */
void fleet_serve_replies(struct controller *c, struct api_server *server);

/* maps.c: failover maps as JSON, MAP of docs/api.md; new references.
 * Of a set of sites: measured, else from what a campaign tells; NULL with err
 * if nothing is known.  levels 2: with the heirs' heirs. */
json_t *fleet_map_of(struct controller *c, const bool *down, int levels,
    struct err *err);
/* The known ones of single sites: of all, or of one. */
json_t *fleet_maps(struct controller *c, size_t site);
/* The measured ones of sets of so many sites. */
json_t *fleet_maps_of_depth(struct controller *c, size_t depth);
/* The heirs of site; JSON null if they are not known. */
json_t *fleet_landing(struct controller *c, const char *site);
struct fleet_map;
/* DIFF of docs/api.md; of two maps, and of each set's newest two. */
json_t *fleet_maps_diff(struct controller *c, const struct fleet_map *a,
    const struct fleet_map *b);
json_t *fleet_all_diffs(struct controller *c);

/* predict_api.c: experiments, campaigns and maps, for people */
void fleet_serve_predict(struct controller *c, struct api_server *server);

#endif /* FLEET_CONTROLLER_STATE_H */
