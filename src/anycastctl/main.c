/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * anycastctl -- the operator's command line.  Everything is in ctl.c and the
 * cmd_*.c, so that tests can run it; no locale is set, so that numbers look
 * the same everywhere.
 */
#include "anycastctl/ctl.h"
#include "base/log.h"

int
main(int argc, char **argv)
{
	log_init("anycastctl", false);
	return (int)ctl_run(argc, argv, stdout, stderr);
}
