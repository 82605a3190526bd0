/* SPDX-License-Identifier: GPL-3.0-or-later */
/* address and file: what this machine knows itself, at once. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "probes/probe_run.h"

static bool
is_addr(const struct sockaddr *sa, const struct addr *a)
{
	struct sockaddr_in sin;
	struct addr have = { { 0 } };

	if (sa == NULL)
		return false;
	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		have = addr_from_in(sin.sin_addr);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, sa, sizeof(sin6));
		memcpy(have.b, &sin6.sin6_addr, sizeof(have.b));
	} else {
		return false;
	}
	return addr_equal(&have, a);
}

/* IPv4 addresses may have a label in its place: "eth0:1". */
static bool
is_interface(const char *have, const char *want)
{
	size_t len = strcspn(have, ":");

	return want == NULL ||
	    (strlen(want) == len && strncmp(have, want, len) == 0);
}

static void
judge_address(struct probe *p, const struct ifaddrs *list, const struct addr *a)
{
	const char *want = p->cp->interface;
	const struct ifaddrs *down = NULL;

	for (; list != NULL; list = list->ifa_next) {
		if (!is_addr(list->ifa_addr, a) ||
		    !is_interface(list->ifa_name, want))
			continue;
		if ((list->ifa_flags & IFF_UP) != 0) {
			probe_decide(p, PROBE_PASS, "on %s", list->ifa_name);
			return;
		}
		down = list;
	}
	if (down != NULL) {
		probe_decide(p, PROBE_FAIL, "on %s, which is down",
		    down->ifa_name);
	} else {
		probe_decide(p, PROBE_FAIL, "not on %s",
		    want != NULL ? want : "any interface");
	}
}

static void
address_start(struct probe *p)
{
	struct ifaddrs *list;
	struct err err = { 0 };
	struct addr a;

	if (addr_parse(p->cp->target, &a, &err) == -1) {
		probe_decide_err(p, &err);
	} else if (getifaddrs(&list) == -1) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US,
		    "addresses of this machine: %s", strerror(errno));
	} else {
		judge_address(p, list, &a);
		freeifaddrs(list);
	}
}

static void
file_start(struct probe *p)
{
	struct stat st;
	bool present = stat(p->cp->target, &st) == 0;

	if (!present && errno != ENOENT && errno != ENOTDIR) {
		probe_decide(p, PROBE_NO_ANSWER_FROM_US, "%s: %s",
		    p->cp->target, strerror(errno));
		return;
	}
	probe_decide(p,
	    present == p->cp->when_present ? PROBE_PASS : PROBE_FAIL,
	    "%s is %s", p->cp->target, present ? "present" : "absent");
}

static void
local_stop(struct probe *p)
{
	(void)p;
}

const struct probe_kind_ops probe_address_ops = {
	.start = address_start,
	.stop = local_stop,
	.on_timer = probe_decide_timeout,
};

const struct probe_kind_ops probe_file_ops = {
	.start = file_start,
	.stop = local_stop,
	.on_timer = probe_decide_timeout,
};
