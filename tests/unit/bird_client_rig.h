/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_BIRD_CLIENT_RIG_H
#define UNIT_BIRD_CLIENT_RIG_H
/*
 * bird_client_rig -- a client of bird/client.h and a fake BIRD in one loop, and
 * what came of each command.
 */
#include "bird/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fake_bird.h"
#include "test.h"

#define TIMEOUT_MS 150
#define SLOTS 8u

/* In which callback the client is freed. */
enum free_in {
	FREE_NEVER,
	FREE_IN_UP,
	FREE_IN_DOWN,
	FREE_IN_REPLY,
};

struct rig;

/* One command, and what came of it. */
struct slot {
	struct rig *rig;
	unsigned answered, failed;
	unsigned code;
	size_t lines;
	struct err err;
};

struct rig {
	struct loop *lp;
	struct fake_bird fake;
	struct bird_client *bc;
	unsigned ups, downs;
	char version[32];
	struct err err; /* of the last on_down */
	enum free_in free_in;
	bool send_from_callback;
	struct slot slots[SLOTS];
	size_t n_slots;
	const char *reply;    /* to every command */
	unsigned silent_from; /* no reply from that command on; 0: all */
};

static inline void
rig_free_client(struct rig *rig)
{
	bird_client_free(rig->bc);
	rig->bc = NULL;
}

static inline void
on_up(const char *version, void *arg)
{
	struct rig *rig = arg;

	rig->ups++;
	(void)snprintf(rig->version, sizeof(rig->version), "%s", version);
	if (rig->free_in == FREE_IN_UP)
		rig_free_client(rig);
}

static inline void
on_down(const struct err *err, void *arg)
{
	struct rig *rig = arg;

	rig->downs++;
	rig->err = *err;
	assert_false(bird_client_is_up(rig->bc));
	for (size_t i = 0; i < rig->n_slots; i++) {
		assert_int_equal(rig->slots[i].answered + rig->slots[i].failed,
		    1);
	}
	if (rig->free_in == FREE_IN_DOWN)
		rig_free_client(rig);
}

static inline void on_reply(const struct bird_reply *reply,
    const struct err *err, void *arg);

/* -1 as bird_client_send. */
static inline int
rig_send(struct rig *rig, const char *command)
{
	struct slot *slot = &rig->slots[rig->n_slots];
	int rc;

	assert_true(rig->n_slots < SLOTS);
	*slot = (struct slot){ .rig = rig };
	rc = bird_client_send(rig->bc, command, on_reply, slot);
	if (rc == 0)
		rig->n_slots++;
	return rc;
}

static inline void
on_reply(const struct bird_reply *reply, const struct err *err, void *arg)
{
	struct slot *slot = arg;
	struct rig *rig = slot->rig;

	assert_true((reply != NULL) != (err != NULL));
	if (reply != NULL) {
		slot->answered++;
		slot->code = reply->code;
		slot->lines = reply->n;
	} else if (err != NULL) {
		slot->failed++;
		slot->err = *err;
		/* The session is gone: nothing can be sent from here. */
		assert_int_equal(rig_send(rig, "show status"), -1);
	}
	if (rig->send_from_callback && reply != NULL && rig->n_slots < SLOTS)
		assert_int_equal(rig_send(rig, "show status"), 0);
	if (rig->free_in == FREE_IN_REPLY)
		rig_free_client(rig);
}

static inline const char *
answer(struct fake_bird *fake, const char *command)
{
	const struct rig *rig = fake->arg;

	(void)command;
	if (rig->silent_from > 0 && fake->commands >= rig->silent_from)
		return NULL;
	return rig->reply;
}

static inline int
rig_make(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)signal(SIGPIPE, SIG_IGN);
	rig->lp = loop_new();
	fake_init(&rig->fake, rig->lp);
	rig->fake.answer = answer;
	rig->fake.arg = rig;
	rig->reply = "0003 done\n";
	*state = rig;
	return 0;
}

static inline int
rig_remove(void **state)
{
	struct rig *rig = *state;

	bird_client_free(rig->bc);
	fake_fini(&rig->fake);
	loop_free(rig->lp);
	free(rig);
	return 0;
}

static inline void
rig_connect(struct rig *rig)
{
	static const struct bird_client_ops ops = { .on_up = on_up,
		.on_down = on_down };

	rig->bc =
	    bird_client_new(rig->lp, rig->fake.path, TIMEOUT_MS, &ops, rig);
}

/* A session that is up. */
static inline struct rig *
rig_up(void **state)
{
	struct rig *rig = *state;

	fake_listen(&rig->fake, 8);
	rig_connect(rig);
	assert_false(bird_client_is_up(rig->bc));
	assert_int_equal(rig_send(rig, "show status"), -1);
	WAIT_UNTIL(rig->lp, rig->ups == 1);
	assert_true(bird_client_is_up(rig->bc));
	assert_string_equal(rig->version, "2.0.12");
	assert_int_equal(rig->downs, 0);
	return rig;
}

static inline void
assert_failed(const struct slot *slot, enum err_code code)
{
	assert_int_equal(slot->answered, 0);
	assert_int_equal(slot->failed, 1);
	assert_int_equal(slot->err.code, code);
}

/* The fake is well again: so is the client, by itself. */
static inline void
assert_recovers(struct rig *rig)
{
	unsigned ups = rig->ups;

	rig->silent_from = 0;
	rig->reply = "0003 done\n";
	rig->fake.greeting = FAKE_GREETING;
	rig->fake.endless = NULL;
	rig->fake.piece = 0;
	rig->n_slots = 0;
	WAIT_UNTIL(rig->lp, rig->ups > ups);
	assert_int_equal(rig_send(rig, "show status"), 0);
	WAIT_UNTIL(rig->lp, rig->slots[0].answered == 1);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_make, rig_remove)

#endif /* UNIT_BIRD_CLIENT_RIG_H */
