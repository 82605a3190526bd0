/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only file that is compiled again when the version changes; the Makefile
 * defines ANYCASTD_VERSION for it. */
#include "base/version.h"

const char *
anycastd_version(void)
{
	return ANYCASTD_VERSION;
}
