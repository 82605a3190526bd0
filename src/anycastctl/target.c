/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/target.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/anycastd/anycastd.sock"
#define READ_SOCKET "/run/anycastd/anycastd-ro.sock"

/* An empty one is none. */
static const char *
from_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *
option_or_env(const char *option, const char *name)
{
	return option != NULL ? option : from_env(name);
}

static const char *
default_socket(void)
{
	/* Who may not change anything may still look. */
	bool is_closed = access(DEFAULT_SOCKET, W_OK) == -1 &&
	    errno == EACCES && access(READ_SOCKET, W_OK) == 0;

	return is_closed ? READ_SOCKET : DEFAULT_SOCKET;
}

static int
find_daemon(const struct ctl_options *o, struct ctl_target *out,
    struct err *err)
{
	bool has_socket = o->socket != NULL && o->socket[0] != '\0';

	out->socket = has_socket ? o->socket : NULL;
	out->url = o->url;
	if (has_socket || o->url != NULL)
		return 0;
	out->socket = from_env("ANYCASTD_SOCKET");
	out->url = from_env("ANYCASTD_URL");
	if (out->socket != NULL && out->url != NULL) {
		return err_set(err, ERR_CONF,
		    "ANYCASTD_SOCKET and ANYCASTD_URL: only one of them");
	}
	if (out->url == NULL && out->socket == NULL)
		out->socket = default_socket();
	return 0;
}

static int
find_files(const struct ctl_options *o, struct tls_files *out, struct err *err)
{
	const char *missing = NULL;

	out->certificate =
	    option_or_env(o->certificate, "ANYCASTD_CERTIFICATE");
	out->key = option_or_env(o->key, "ANYCASTD_KEY");
	out->ca = option_or_env(o->ca, "ANYCASTD_CA");
	if (out->certificate == NULL && out->key == NULL && out->ca == NULL)
		return 0;
	if (out->certificate == NULL) {
		missing = "--certificate";
	} else if (out->key == NULL) {
		missing = "--key";
	} else if (out->ca == NULL) {
		missing = "--ca";
	}
	if (missing == NULL)
		return 0;
	return err_set(err, ERR_CONF,
	    "options --certificate, --key and --ca: all three or none of them, "
	    "%s is missing",
	    missing);
}

int
ctl_target_find(const struct ctl_options *o, struct ctl_target *out,
    struct err *err)
{
	*out = (struct ctl_target){ 0 };
	if (find_daemon(o, out, err) == -1)
		return -1;
	if (ctl_url_is_https(out->url))
		return find_files(o, &out->tls, err);
	/* Those of the environment wait for a URL that they are for. */
	if ((o->given & CTL_TLS_OPTIONS) != 0) {
		return err_set(err, ERR_CONF,
		    "options --certificate, --key and --ca: only for https, "
		    "not for %s",
		    out->url != NULL ? out->url : out->socket);
	}
	return 0;
}
