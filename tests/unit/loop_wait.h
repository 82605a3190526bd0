/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LOOP_WAIT_H
#define LOOP_WAIT_H
/*
 * loop_wait -- runs the loop until something is so, with a deadline: tests
 * wait for conditions, never for time alone.
 */
#include "base/loop.h"
#include "base/mono.h"
#include "test.h"

#define WAIT_STEP_MS 5

/* One step of waiting for what the text says; fails after the deadline. */
static inline void
loop_wait(struct loop *lp, struct mono end, const char *text)
{
	if (!mono_before(mono_now(), end))
		fail_msg("never: %s", text);
	loop_step(lp, WAIT_STEP_MS);
}

#define WAIT_FOR(lp, condition)                                                \
	for (struct mono wait_end = mono_add_ms(mono_now(), WAIT_MAX_MS);      \
	     !(condition);)                                                    \
	loop_wait(lp, wait_end, #condition)

/* Lets the loop run for so long: to see that nothing happens. */
static inline void
loop_idle(struct loop *lp, int64_t ms)
{
	struct mono end = mono_add_ms(mono_now(), ms);

	while (mono_before(mono_now(), end))
		loop_step(lp, WAIT_STEP_MS);
}

#endif /* LOOP_WAIT_H */
