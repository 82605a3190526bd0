/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_RIGHTS_H
#define BASE_RIGHTS_H
/*
 * rights -- gives up every capability but the one named, for good: also for
 * whatever is executed later (no_new_privs).
 */
#include <stdbool.h>

#include "base/err.h"

/* Keeps CAP_NET_RAW if wanted and there; its absence is no error here, the
 * socket call will say it. */
int rights_drop(bool keep_net_raw, struct err *err);

#endif /* BASE_RIGHTS_H */
