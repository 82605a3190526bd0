/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"

/* Does the variable name this point, and is it the time that it wants? */
static bool
is_wanted(const char *variable, const char *name, unsigned *seen)
{
	const char *wanted = getenv(variable);
	size_t len = strlen(name);
	uint32_t nth = 1;

	if (wanted == NULL || strncmp(wanted, name, len) != 0 ||
	    (wanted[len] != '\0' && wanted[len] != ':'))
		return false;
	if (wanted[len] == ':') {
		(void)num_parse_u32(wanted + len + 1, 1, UINT32_MAX, &nth,
		    NULL);
	}
	return ++*seen == nth;
}

void
crash_point(const char *name)
{
	static unsigned crashes, stops;

	if (is_wanted("ANYCASTD_CRASH_AT", name, &crashes)) {
		log_warnx("crash: %s: as the test wants it", name);
		(void)raise(SIGKILL);
	}
	if (is_wanted("ANYCASTD_STOP_AT", name, &stops)) {
		log_warnx("stop: %s: as the test wants it", name);
		(void)raise(SIGSTOP);
	}
}
