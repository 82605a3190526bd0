/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_CAMPAIGN_LOG_H
#define FLEET_CAMPAIGN_LOG_H
/*
 * campaign_log -- the inside of a campaign, shared by the files campaign*.c;
 * and its log: what its experiments measured, in memory, read back from the
 * store after a start.
 */
#include <assert.h>

#include "fleet/campaign.h"
#include "fleet/experiment.h"

#define CAMPAIGN_BATCH 4u

static_assert(CAMPAIGN_BATCH >= CONF_TESTS_MAX,
    "there is something to do for each test prefix");

/* Room for the reason of an experiment, whole: cut within a character it would be
 * no JSON, and at its end it says what mends it. */
#define CAMPAIGN_TEXT_BYTES 336

/* An experiment that is to be made. */
struct campaign_slot {
	struct pack_plan plan;
	uint32_t experiment; /* under way; 0: none */
	struct mono begun;   /* it */
	unsigned attempts;   /* that failed */
	bool is_done;
};

struct campaign {
	struct controller *c;
	uint32_t id;
	enum campaign_state state;
	char reason[CAMPAIGN_TEXT_BYTES];
	unsigned depth;
	uint64_t seed;
	int64_t created_ms, ended_ms;
	/* The client list as it was when the campaign began. */
	uint32_t list;
	struct store_client *clients;
	uint32_t n;
	/* What was measured: the log, and where each client is at home. */
	struct pack *pack; /* as far as it is worked out: for predictions */
	struct pack *next; /* with all that was measured; NULL: that is pack */
	struct loop_timer *part;
	uint32_t experiments[PACK_EXPERIMENTS_MAX]; /* of the logs of both */
	bool is_aside[PACK_EXPERIMENTS_MAX];        /* as the store was told */
	uint16_t *home;
	unsigned made;
	int64_t measured_ms, known_ms; /* the newest's end: of all; of pack's */
	char *tests;     /* over which test prefixes; NULL: none is known */
	json_t *to_load; /* experiments of the store; NULL: all are read */
	size_t loaded;
	/* What comes next. */
	struct campaign_slot slots[CAMPAIGN_BATCH];
	size_t n_slots;
	unsigned failed;  /* experiments of all slots */
	int64_t spent_ms; /* on experiments that were done, here */
	struct mono retry_at;
	char waiting[CAMPAIGN_TEXT_BYTES]; /* for what; "" */
	bool asks[2];                      /* clients of IPv4, of IPv6 */
};

int campaign_log_init(struct campaign *ca, struct err *err);
void campaign_log_fini(struct campaign *ca);
/* Notes what is to be read; campaign_log_step reads one experiment at a time
 * and returns false when all is read. */
int campaign_log_load(struct campaign *ca, struct err *err);
bool campaign_log_step(struct campaign *ca);
/* ex is done. */
void campaign_log_take(struct campaign *ca, const struct experiment *ex);
/* Something that was measured is not yet read, or not yet in ca->pack. */
bool campaign_log_is_working(const struct campaign *ca);

#endif /* FLEET_CAMPAIGN_LOG_H */
