/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rights.h"

#include <sys/prctl.h>

#include <cap-ng.h>

int
rights_drop(bool keep_net_raw, struct err *err)
{
	capng_get_caps_process();
	if (keep_net_raw &&
	    !capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW))
		keep_net_raw = false;
	/* The bounding set can only be dropped by who holds CAP_SETPCAP; with
	 * no_new_privs it gives nothing back in any case. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		(void)capng_apply(CAPNG_SELECT_BOUNDS);
	}
	capng_clear(CAPNG_SELECT_CAPS);
	if (keep_net_raw) {
		(void)capng_update(CAPNG_ADD,
		    (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
		    CAP_NET_RAW);
	}
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return err_set(err, ERR_SYS, "capabilities: cannot drop");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return err_sys(err, "prctl ambient");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_sys(err, "prctl no_new_privs");
	return 0;
}
