/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_RIGHTS_H
#define BASE_RIGHTS_H
/*
 * rights -- gives up every capability but those named, for good: also for
 * whatever is executed later (no_new_privs).
 */
#include "base/err.h"

/* What a process may keep, as a mask; 0: nothing. */
#define RIGHT_NET_RAW 1u   /* CAP_NET_RAW: raw and packet sockets */
#define RIGHT_NET_ADMIN 2u /* CAP_NET_ADMIN: nftables */
/* Programs that it executes have the kept capabilities too (ambient). */
#define RIGHT_HANDED_ON 4u

/* Keeps what of the mask is there; an absent capability is no error here, the
 * system call that needs it will say it. */
int rights_drop(unsigned keep, struct err *err);

#endif /* BASE_RIGHTS_H */
