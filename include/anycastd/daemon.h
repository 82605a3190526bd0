/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ANYCASTD_DAEMON_H
#define ANYCASTD_DAEMON_H
/*
 * daemon -- wires the roles of one process together and runs its loop.
 */
#include "base/conf.h"
#include "base/err.h"

/* Runs until SIGTERM or SIGINT; 0, or -1 with err when it cannot go on.
 * Stopping leaves all routes as they are.  Takes conf over. */
int daemon_run(struct conf *conf, struct err *err);

/* Can store, control socket and BIRD's include file be written where the
 * configuration has them?  -1 with err: not by this user, or not there. */
int daemon_check_folders(const struct conf *conf, struct err *err);
/* Can the files of tls be used, if there are any? */
int daemon_check_tls(const struct conf *conf, struct err *err);

/* sd_notify(3): "READY=1" and the like; nothing without $NOTIFY_SOCKET. */
void notify_supervisor(const char *state);

#endif /* ANYCASTD_DAEMON_H */
