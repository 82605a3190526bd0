/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_ALLOW_H
#define BASE_ALLOW_H
/*
 * allow -- the guard allow_list: which prefixes this site may ever announce.
 * Checked when the configuration is read, and again by whoever writes the
 * routes for BIRD (bird/include.h).
 *
 * An entry is written as in BIRD's prefix sets:
 *
 *	192.0.2.0/24		just this prefix
 *	10.0.0.0/8{24,32}	prefixes within it, of these lengths
 *	2001:db8::/32+		it, and any prefix within it
 *
 * An entry that is wide does not open address space that is not public (RFC
 * 6890 and the IANA registries): such a prefix needs an entry that begins there
 * itself.  Never allowed are a default route and what is no unicast.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

struct allow_entry {
	struct prefix prefix;
	uint8_t min_len, max_len; /* prefix.len <= min_len <= max_len */
};

struct allow_list {
	struct allow_entry *entries;
	size_t n; /* 0: any unicast prefix that is no default route */
};

int allow_entry_parse(const char *s, struct allow_entry *out, struct err *err);
#define ALLOW_TEXT_BYTES (PREFIX_TEXT_BYTES + 12)
/* Returns buf. */
char *allow_entry_format(const struct allow_entry *e,
    char buf[ALLOW_TEXT_BYTES]);

/* 0, or -1 with err that says why p may not be announced. list NULL: as an
 * empty one. */
int allow_check(const struct allow_list *list, const struct prefix *p,
    struct err *err);

#endif /* BASE_ALLOW_H */
