/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"

void
crash_point(const char *name)
{
	static unsigned seen;
	const char *wanted = getenv("ANYCASTD_CRASH_AT");
	size_t len = strlen(name);
	uint32_t nth = 1;

	if (wanted == NULL || strncmp(wanted, name, len) != 0 ||
	    (wanted[len] != '\0' && wanted[len] != ':'))
		return;
	if (wanted[len] == ':')
		(void)num_parse_u32(wanted + len + 1, 1, UINT32_MAX, &nth,
		    NULL);
	if (++seen < nth)
		return;
	log_warnx("crash: %s: as the test wants it", name);
	(void)raise(SIGKILL);
}
