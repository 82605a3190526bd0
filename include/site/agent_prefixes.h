/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_PREFIXES_H
#define SITE_AGENT_PREFIXES_H
/*
 * agent_prefixes -- what the status says of each prefix (docs/api.md).  There
 * may be thousands, most say the same for weeks, and a status goes out every
 * second: so an object is made anew only when what it says has changed.
 */
#include <stdint.h>

#include <jansson.h>

struct agent;
struct agent_prefixes;

struct agent_prefixes *agent_prefixes_new(size_t n_prefixes);
void agent_prefixes_free(struct agent_prefixes *ap);

/*
 * The array of objects, one per prefix of a; new reference, and shared: not to
 * be changed.  *version is another one whenever anything differs from the last
 * call, and never 0.
 */
json_t *agent_prefixes_json(const struct agent *a, uint64_t *version);

#endif /* SITE_AGENT_PREFIXES_H */
