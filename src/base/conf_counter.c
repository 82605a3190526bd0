/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters that the operator names, and the load of a site by one of them. */
#include "base/conf_check.h"

#include <string.h>

#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define UNIT_MAX 1000000000u
#define NFT_NAMES 3
#define INTERFACE_MAX 15

/* "inet filter web": three words that nft and a shell take as they are. */
static int
check_nft(struct conf_ck *ck, const char *text, char **out)
{
	static const char safe[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	size_t mark = conf_ck_enter(ck, "nft");
	char shown[PRINTABLE_TEXT_BYTES];
	const char *p = text;

	for (int i = 0; i < NFT_NAMES; i++) {
		size_t n = strspn(p, safe);

		if (n == 0 || p[0] == '-' ||
		    p[n] != (i < NFT_NAMES - 1 ? ' ' : '\0')) {
			return conf_ck_refuse(ck,
			    "%s: expected family, table and counter such as inet filter web",
			    printable(text, shown));
		}
		p += n + (i < NFT_NAMES - 1);
	}
	*out = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

/* It becomes part of a path. */
static int
check_interface(struct conf_ck *ck, const char *text, char **out)
{
	size_t mark = conf_ck_enter(ck, "interface");
	char shown[PRINTABLE_TEXT_BYTES];

	if (text[0] == '\0' || strlen(text) > INTERFACE_MAX ||
	    strpbrk(text, "/ \t\n") != NULL || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0) {
		return conf_ck_refuse(ck,
		    "%s: expected the name of an interface",
		    printable(text, shown));
	}
	*out = xstrdup(text);
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_counter(struct conf_ck *ck, const struct raw_counter *raw,
    struct conf_counter *out)
{
	size_t mark = conf_ck_enter(ck, "counter");
	int given = (raw->interface != NULL) + (raw->nft != NULL) +
	    (raw->command != NULL);
	int rc;

	if (given != 1) {
		return conf_ck_refuse(ck,
		    "expected one of interface, nft and command");
	}
	if (raw->interface != NULL) {
		out->kind = COUNTER_INTERFACE;
		rc = check_interface(ck, raw->interface, &out->name);
	} else if (raw->nft != NULL) {
		out->kind = COUNTER_NFT;
		rc = check_nft(ck, raw->nft, &out->name);
	} else {
		size_t command = conf_ck_enter(ck, "command");

		out->kind = COUNTER_COMMAND;
		rc = conf_ck_argv(ck, raw->command, raw->command_count,
		    &out->argv);
		if (rc == 0)
			conf_ck_leave(ck, command);
	}
	if (rc == 0)
		conf_ck_leave(ck, mark);
	return rc;
}

void
conf_counter_copy(const struct conf_counter *in, struct conf_counter *out)
{
	size_t n = 0;

	*out = *in;
	if (in->name != NULL)
		out->name = xstrdup(in->name);
	if (in->argv == NULL)
		return;
	while (in->argv[n] != NULL)
		n++;
	out->argv = xcalloc(n + 1, sizeof(out->argv[0]));
	for (size_t i = 0; i < n; i++)
		out->argv[i] = xstrdup(in->argv[i]);
}

static bool
argv_equal(char *const *a, char *const *b)
{
	while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return *a == NULL && *b == NULL;
}

bool
conf_counter_equal(const struct conf_counter *a, const struct conf_counter *b)
{
	if (a->kind != b->kind || a->bytes != b->bytes)
		return false;
	if (a->kind == COUNTER_NONE)
		return true;
	if (a->kind == COUNTER_COMMAND)
		return argv_equal(a->argv, b->argv);
	return strcmp(a->name, b->name) == 0;
}

/* ---- load ---- */

static int
check_counts(struct conf_ck *ck, const char *text, struct conf_counter *out)
{
	size_t mark = conf_ck_enter(ck, "counts");
	char shown[PRINTABLE_TEXT_BYTES];

	if (text != NULL && out->kind == COUNTER_COMMAND) {
		return conf_ck_refuse(ck,
		    "a command counts what it likes, expected `unit` alone");
	}
	out->bytes = text != NULL && strcmp(text, "bytes") == 0;
	if (text != NULL && !out->bytes && strcmp(text, "packets") != 0) {
		return conf_ck_refuse(ck, "%s: expected packets or bytes",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_load(struct conf_ck *ck, const struct raw_load *raw,
    struct conf_load *out)
{
	static const struct conf_duration interval = { "interval", SEC_MS / 10,
		HOUR_MS, 5 * SEC_MS };
	static const struct conf_duration half_life = { "half_life", 0, HOUR_MS,
		15 * SEC_MS };
	static const struct conf_count unit = { "unit", 1, UNIT_MAX, 1 };
	size_t mark = conf_ck_enter(ck, "load");

	*out = (struct conf_load){ 0 };
	if (conf_check_counter(ck, raw->counter, &out->counter) == -1 ||
	    check_counts(ck, raw->counts, &out->counter) == -1 ||
	    conf_ck_count(ck, &unit, raw->unit, &out->unit) == -1 ||
	    conf_ck_duration(ck, &interval, raw->interval, &out->interval_ms) ==
		-1 ||
	    conf_ck_duration(ck, &half_life, raw->half_life,
		&out->half_life_ms) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}
