/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any message from main, as the store process decodes it. */
#include <stdlib.h>
#include <string.h>

#include "store/store_wire.h"
#include "store/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

/* Reads every byte; a text that was accepted is text. */
static void
check_text(const struct store_text *t)
{
	check(t->p != NULL || t->len == 0);
	check(t->p == NULL || utf8_is_text(t->p, t->len));
}

static void
check_clients(const struct store_clients_row *r)
{
	struct cursor c = r->clients;
	struct store_client client;

	for (uint32_t i = 0; i < r->n; i++)
		store_wire_next_client(&c, &client);
	check(!c.bad && c.left == 0);
}

static void
check_heirs(const struct store_heirs_row *r)
{
	struct cursor c = r->heirs;
	struct store_heir_row heir;

	while (c.left > 0) {
		check(store_wire_next_heir(&c, &heir));
		check_text(&heir.site);
		check_text(&heir.heir);
	}
}

static void
check_outcomes(const struct store_outcomes_row *r)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < r->len; i++)
		sum = (uint8_t)(sum + r->data[i]);
}

static void
check_row(const struct store_row *row)
{
	switch (row->type) {
	case STORE_MSG_INIT:
		check(row->u.init.boot.len == STORE_BOOT_BYTES);
		check(memchr(row->u.init.path.p, 0, row->u.init.path.len) ==
		    NULL);
		return;
	case STORE_MSG_EVENT:
		check_text(&row->u.event.kind);
		check_text(&row->u.event.actor);
		return;
	case STORE_MSG_INTENT:
		check_text(&row->u.intent.id);
		check_text(&row->u.intent.ended_by);
		check_text(&row->u.intent.scope);
		check_text(&row->u.intent.owner);
		return;
	case STORE_MSG_ORDER:
	case STORE_MSG_STATE:
		check(row->u.order.revision >= 0);
		check_text(&row->u.order.json);
		return;
	case STORE_MSG_EXPERIMENT:
		check_text(&row->u.experiment.state);
		return;
	case STORE_MSG_CLIENTS:
		check_clients(&row->u.clients);
		return;
	case STORE_MSG_OUTCOMES:
		check_outcomes(&row->u.outcomes);
		return;
	case STORE_MSG_HEIRS:
		check_heirs(&row->u.heirs);
		return;
	case STORE_MSG_NULL_RUN:
		check_text(&row->u.null_run.test);
		check_text(&row->u.null_run.shares);
		return;
	case STORE_MSG_ASIDE:
	case STORE_MSG_EXPIRE:
		return;
	case STORE_MSG_LANDING:
		check_text(&row->u.landing.down);
		check_text(&row->u.landing.heirs);
		return;
	case STORE_MSG_CAMPAIGN:
		check_text(&row->u.campaign.state);
		check_text(&row->u.campaign.sites);
		return;
	case STORE_MSG_RECENT:
		check_text(&row->u.recent.site);
		check(row->u.recent.len <= STORE_RECENT_BYTES_MAX);
		return;
	case STORE_MSG_OPTOUT:
		check_text(&row->u.optout.prefix);
		check_text(&row->u.optout.reason);
		check_text(&row->u.optout.actor);
		return;
	case STORE_MSG_REPLIES:
		check_text(&row->u.replies.site);
		check_text(&row->u.replies.class_name);
		check_text(&row->u.replies.samples);
		return;
	case STORE_MSG_ACK:
	case STORE_MSG_ALARM:
		break;
	}
	abort();
}

/* The first byte is the type, the rest the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chan_msg msg;
	struct store_row row;
	struct err err;
	uint64_t seq;

	if (size == 0)
		return 0;
	msg = (struct chan_msg){
		.type = data[0], .body = data + 1, .len = size - 1
	};
	(void)store_wire_seq(&msg);
	(void)store_wire_has_more(&msg);
	(void)store_wire_decode_ack(&msg, &seq);
	if (store_wire_decode(&msg, &row, &err) == 0)
		check_row(&row);
	return 0;
}
