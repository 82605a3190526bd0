/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_WALL_H
#define BASE_WALL_H
/*
 * wall -- which system calls a process may still make (seccomp), for good.
 *
 * Groups of calls make up an allow-list.  A call outside of it fails with
 * ENOSYS and stands in the audit log: a C library that is newer than the list
 * then falls back to what it did before, and a daemon that steers routes does
 * not die of it.  $ANYCASTD_WALL says otherwise: "trap" names the call on
 * stderr and aborts (for tests), "off" puts up no wall.
 *
 * A process that executes other people's programs (WALL_OPEN) hands its wall on
 * to them, and they may want anything sensible: it is denied only what no probe
 * needs, the kernel's own affairs.
 *
 * With sanitizers, which make calls of their own, there is no wall.
 */
#include "base/err.h"

#define WALL_NONE 0u  /* no filter at all */
#define WALL_PLAIN 1u /* what every process needs; in all that follow */
#define WALL_READ 2u  /* open files for reading */
#define WALL_FILES 4u /* and write, make, remove, lock and sync them */
#define WALL_NET 8u   /* open sockets: UNIX, IPv4, IPv6, netlink */
#define WALL_RAW 16u  /* sockets of all families */
#define WALL_THREADS 32u
#define WALL_FORK 64u  /* children, which are waited for and killed */
#define WALL_OPEN 128u /* everything but the kernel's own affairs */

/* For a process without rights (rights_drop was called), as its last step. */
int wall_raise(unsigned groups, struct err *err);

#endif /* BASE_WALL_H */
