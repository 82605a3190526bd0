/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_CAMPAIGN_RIG_H
#define UNIT_CAMPAIGN_RIG_H
/*
 * campaign_rig -- a made-up world for campaigns: who loses his site goes to the
 * next one that is left.
 */
#include "fleet_house.h"
#include "test.h"

static inline void
ring(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)at;
	at = client % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

/* The other way round, for who loses his site. */
static inline void
back(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)at;
	at = client % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + SITES - 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

/* Turns until the last answer of path has text in it. */
static inline void
run_until(struct house *h, const char *path, const char *text)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (mono_before(mono_now(), end)) {
		assert_int_equal(get(h, path), 200);
		if (strstr(h->body, text) != NULL)
			return;
		fakes_turn(h);
	}
	fail_msg("never %s: %s", text, h->body);
}

static inline void
start_campaign(struct house *h, const char *body)
{
	assert_int_equal(post(h, "/v1/campaign", body), 200);
	assert_answer_has(h, "\"state\":\"running\"");
}

#endif /* UNIT_CAMPAIGN_RIG_H */
