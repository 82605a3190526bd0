/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H
/*
 * crash -- points at which a test lets the process die, as by kill -9:
 *
 *	ANYCASTD_CRASH_AT=bird-configured:2 anycastd ...	the second time
 *	ANYCASTD_STOP_AT=bird-configured anycastd ...		stops, once,
 *								until SIGCONT
 *
 * Without these variables they do nothing.
 */

void crash_point(const char *name);

#endif /* BASE_CRASH_H */
