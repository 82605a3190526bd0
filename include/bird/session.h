/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BIRD_SESSION_H
#define BIRD_SESSION_H

#include "base/err.h"

/* A connected, non-blocking socket to BIRD's control socket, which the caller
 * closes; or -1 with err: ERR_TIMEOUT if it is there but accepts nobody, as when
 * it was stopped a while ago.  BIRD greets first. */
int bird_session_connect(const char *path, struct err *err);

#endif /* BIRD_SESSION_H */
