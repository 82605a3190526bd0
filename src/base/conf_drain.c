/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a site, or one of its services, is drained. */
#include "base/conf_check.h"

#include <string.h>

#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS (24 * HOUR_MS)
#define BELOW_MAX 1000000000u

static int
check_kind(struct conf_ck *ck, const char *text, enum drain_kind *out)
{
	size_t mark = conf_ck_enter(ck, "step");
	char shown[PRINTABLE_TEXT_BYTES];

	for (enum drain_kind k = 0; k < DRAIN_KIND_COUNT; k++) {
		if (strcmp(text, conf_drain_kind_name(k)) == 0) {
			*out = k;
			conf_ck_leave(ck, mark);
			return 0;
		}
	}
	return conf_ck_refuse(ck,
	    "%s: expected graceful_shutdown, prepend or withdraw",
	    printable(text, shown));
}

static int
check_times(struct conf_ck *ck, const char *text, struct conf_drain_step *out)
{
	static const struct conf_count times = { "times", 1, 8, 3 };

	if (out->kind == DRAIN_PREPEND)
		return conf_ck_count(ck, &times, text, &out->times);
	if (text == NULL)
		return 0;
	(void)conf_ck_enter(ck, "times");
	return conf_ck_refuse(ck, "only for prepend");
}

/* What may be left of the traffic before the next step. */
static int
check_condition(struct conf_ck *ck, const struct raw_drain_step *raw,
    const struct raw_drain *drain, struct conf_drain_step *out)
{
	static const struct conf_count below = { "below", 1, BELOW_MAX, 0 };
	static const struct conf_duration wait = { "wait_max", 0, 7 * DAY_MS,
		30 * MIN_MS };
	uint32_t per_s = 0;

	if (raw->below == NULL && raw->wait_max != NULL) {
		(void)conf_ck_enter(ck, "wait_max");
		return conf_ck_refuse(ck,
		    "nothing to wait for, expected `below`");
	}
	if (raw->below == NULL)
		return 0;
	if (drain->counter == NULL) {
		(void)conf_ck_enter(ck, "below");
		return conf_ck_refuse(ck, "nothing counts, expected `counter`");
	}
	if (conf_ck_count(ck, &below, raw->below, &per_s) == -1)
		return -1;
	out->below_per_s = per_s;
	return conf_ck_duration(ck, &wait, raw->wait_max, &out->wait_max_ms);
}

static int
check_step(struct conf_ck *ck, const struct raw_drain_step *raw,
    const struct raw_drain *drain, struct conf_drain_step *out)
{
	struct conf_duration hold = { "hold", 0, DAY_MS, 30 * SEC_MS };
	struct conf_duration back = { "back", 0, DAY_MS, 0 };

	if (check_kind(ck, raw->step, &out->kind) == -1)
		return -1;
	if (out->kind == DRAIN_WITHDRAW)
		hold.default_ms = 0;
	if (conf_ck_duration(ck, &hold, raw->hold, &out->hold_ms) == -1)
		return -1;
	back.default_ms = out->hold_ms;
	if (out->kind == DRAIN_WITHDRAW && raw->back != NULL) {
		(void)conf_ck_enter(ck, "back");
		return conf_ck_refuse(ck,
		    "nobody is to be spared: a withdrawn prefix comes back at once");
	}
	if (conf_ck_duration(ck, &back, raw->back, &out->back_ms) == -1 ||
	    check_times(ck, raw->times, out) == -1)
		return -1;
	return check_condition(ck, raw, drain, out);
}

static int
check_steps(struct conf_ck *ck, const struct raw_drain *raw,
    struct conf_drain *out)
{
	size_t mark = conf_ck_enter(ck, "steps");

	for (unsigned i = 0; i < raw->steps_count; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (check_step(ck, &raw->steps[i], raw, &out->steps[i]) == -1)
			return -1;
		if (i > 0 && out->steps[i].kind <= out->steps[i - 1].kind) {
			return conf_ck_refuse(ck,
			    "expected graceful_shutdown, prepend, withdraw, in "
			    "this order");
		}
		out->n_steps++;
		conf_ck_leave(ck, entry);
	}
	if (out->steps[out->n_steps - 1].kind != DRAIN_WITHDRAW) {
		return conf_ck_refuse(ck, "expected withdraw as the last step");
	}
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_drain(struct conf_ck *ck, const struct raw_drain *raw,
    struct conf_drain *out)
{
	static const struct conf_duration interval = { "interval", SEC_MS / 10,
		HOUR_MS, 5 * SEC_MS };
	size_t mark = conf_ck_enter(ck, "drain");

	*out = (struct conf_drain){ 0 };
	if (conf_ck_duration(ck, &interval, raw->interval, &out->interval_ms) ==
		-1 ||
	    (raw->counter != NULL &&
		conf_check_counter(ck, raw->counter, &out->counter) == -1) ||
	    check_steps(ck, raw, out) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

void
conf_drain_copy(const struct conf_drain *in, struct conf_drain *out)
{
	*out = *in;
	conf_counter_copy(&in->counter, &out->counter);
}

void
conf_drain_default(struct conf_drain *out)
{
	*out = (struct conf_drain){ .n_steps = 1, .interval_ms = 5 * SEC_MS };
	out->steps[0].kind = DRAIN_WITHDRAW;
}
