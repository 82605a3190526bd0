/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rights.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>

#include <cap-ng.h>

static const struct {
	unsigned right;
	unsigned capability;
} kept[] = {
	{ RIGHT_NET_RAW, CAP_NET_RAW },
	{ RIGHT_NET_ADMIN, CAP_NET_ADMIN },
};

#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

static int
hand_on(unsigned keep, struct err *err)
{
	for (size_t i = 0; i < N_KEPT; i++) {
		if ((keep & kept[i].right) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE,
			(unsigned long)kept[i].capability, 0, 0) == -1)
			return err_sys(err, "prctl ambient");
	}
	return 0;
}

int
rights_drop(unsigned keep, struct err *err)
{
	const bool is_handed_on = (keep & RIGHT_HANDED_ON) != 0;
	unsigned sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

	if (is_handed_on)
		sets |= CAPNG_INHERITABLE;
	capng_get_caps_process();
	for (size_t i = 0; i < N_KEPT; i++) {
		if (!capng_have_capability(CAPNG_PERMITTED, kept[i].capability))
			keep &= ~kept[i].right;
	}
	/* The bounding set can only be dropped by who holds CAP_SETPCAP; with
	 * no_new_privs it gives nothing back in any case. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		for (size_t i = 0; i < N_KEPT; i++) {
			if (!is_handed_on || (keep & kept[i].right) == 0)
				continue;
			(void)capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET,
			    kept[i].capability);
		}
		(void)capng_apply(CAPNG_SELECT_BOUNDS);
	}
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < N_KEPT; i++) {
		if ((keep & kept[i].right) != 0) {
			(void)capng_update(CAPNG_ADD, (capng_type_t)sets,
			    kept[i].capability);
		}
	}
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return err_set(err, ERR_SYS, "capabilities: cannot drop");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return err_sys(err, "prctl ambient");
	if (is_handed_on && hand_on(keep, err) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_sys(err, "prctl no_new_privs");
	return 0;
}
