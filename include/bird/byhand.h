/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_BYHAND_H
#define BIRD_BYHAND_H
/*
 * byhand -- which protocols somebody disabled by hand.
 *
 * Any `configure`, by anybody, undoes a `disable` (measured with BIRD 2.0.12),
 * and BIRD nowhere says what was done by hand.  But right after a
 * reconfiguration everything is as the file says: what is down then is
 * `disabled` there, or just starting.  What goes down later was disabled by
 * hand.  The list is kept in a file beside the include, so that a restart of
 * the daemon does not forget it.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bird/survey.h"

struct bird_byhand;
/* The list beside the include file; read now, written when it changes, with
 * writer as in bird_include_write_by; NULL: the daemon. Both are borrowed. */
struct bird_byhand *bird_byhand_open(const char *include, const char *writer);
void bird_byhand_free(struct bird_byhand *bh);

/* The session with BIRD ended: it may be another one that is seen next. */
void bird_byhand_session_lost(struct bird_byhand *bh);

/*
 * Takes in what was seen.  True when BIRD was reconfigured, or started, since
 * the last time: then all is as the file says.
 */
bool bird_byhand_take(struct bird_byhand *bh, const struct bird_survey *s);
/* How many protocols were disabled by hand; text names them: "t2, t7". */
size_t bird_byhand_find(const struct bird_byhand *bh,
    const struct bird_survey *s, char *text, size_t size);

#endif /* BIRD_BYHAND_H */
