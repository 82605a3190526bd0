/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_LISTEN_H
#define API_LISTEN_H
/*
 * listen -- listening sockets for the server: non-blocking, closed on exec.
 * Either returns one that is the caller's, or -1 with err.
 */
#include <sys/types.h>

#include "base/err.h"

/* A dead socket file is replaced; if a living daemon answers there: refused. */
int listen_unix(const char *path, mode_t mode, struct err *err);
/* "addr:port" or "[v6]:port", numeric. */
int listen_tcp(const char *where, struct err *err);

#endif /* API_LISTEN_H */
