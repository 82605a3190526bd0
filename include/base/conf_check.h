/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CONF_CHECK_H
#define BASE_CONF_CHECK_H
/*
 * conf_check -- for conf only: turns the texts of struct conf_raw into values,
 * refusing what is out of range, malformed or contradictory.
 *
 * A check walks down the file with conf_ck_enter and up with conf_ck_leave, so
 * that a refusal knows its path and, through conf_lines, its line.  After a
 * refusal the walk ends: nobody leaves.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"
#include "base/conf_lines.h"
#include "base/conf_raw.h"
#include "base/err.h"

struct conf_ck {
	const char *file;
	const struct conf_lines *lines;
	struct err *err;
	char path[CONF_PATH_BYTES];
};

/* Each returns what conf_ck_leave needs to come back. */
size_t conf_ck_enter(struct conf_ck *ck, const char *key);
size_t conf_ck_enter_entry(struct conf_ck *ck, size_t index);
void conf_ck_leave(struct conf_ck *ck, size_t mark);

/* Both return -1 with "file:line: path: what". */
int conf_ck_refuse(struct conf_ck *ck, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The text of err becomes the "what". */
int conf_ck_wrap(struct conf_ck *ck);

/*
 * Values of the mapping that was entered.  text NULL: not given, *out is the
 * default.  What goes to a char ** is new memory.
 */
struct conf_duration {
	const char *key;
	int64_t min_ms, max_ms, default_ms;
};
int conf_ck_duration(struct conf_ck *ck, const struct conf_duration *d,
    const char *text, int64_t *out_ms);

struct conf_count {
	const char *key;
	uint32_t min, max, initial;
};
int conf_ck_count(struct conf_ck *ck, const struct conf_count *n,
    const char *text, uint32_t *out);

/* The same with a percent sign, which may be left out. */
int conf_ck_percent(struct conf_ck *ck, const struct conf_count *n,
    const char *text, uint32_t *out);

struct conf_file {
	const char *key;
	const char *initial;
	size_t max; /* bytes */
};
int conf_ck_file(struct conf_ck *ck, const struct conf_file *f,
    const char *text, char **out);

/* Default false. */
int conf_ck_bool(struct conf_ck *ck, const char *key, const char *text,
    bool *out);

/* Values of the place that was entered; text is not NULL. */
/* A command: absolute path first; NULL-terminated new memory. */
int conf_ck_argv(struct conf_ck *ck, char *const *args, unsigned n,
    char ***out);
int conf_ck_name(struct conf_ck *ck, const char *text, char **out);
int conf_ck_url(struct conf_ck *ck, const char *text, bool is_path_allowed,
    char **out);
/* "addr:port" or "[v6]:port"; written anew in the shortest form. */
int conf_ck_endpoint(struct conf_ck *ck, const char *text, char **out);
int conf_ck_addr(struct conf_ck *ck, const char *text, struct addr *out);
/* The same as text, in its one spelling. */
int conf_ck_addr_text(struct conf_ck *ck, const char *text, char **out);
/* A list of unicast prefixes, none of them /0; the list is new memory. */
int conf_ck_prefixes(struct conf_ck *ck, char *const *texts, size_t n,
    struct prefix **out);

/* All of the file's values; out is zero at first, partly filled on error. */
int conf_check(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf *out);
/* About recent clients: after the roles, since sites and prefixes are theirs. */
int conf_check_feeds(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf *out);
/* The parts of it that are about services, one probe, one http probe. */
int conf_check_services(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf_agent *out);
int conf_check_probe(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out);
int conf_check_drain(struct conf_ck *ck, const struct raw_drain *raw,
    struct conf_drain *out);
/* raw is not NULL. */
int conf_check_counter(struct conf_ck *ck, const struct raw_counter *raw,
    struct conf_counter *out);
void conf_counter_copy(const struct conf_counter *in, struct conf_counter *out);
int conf_check_load(struct conf_ck *ck, const struct raw_load *raw,
    struct conf_load *out);
/* A copy of its own; only withdraw, at once. */
void conf_drain_copy(const struct conf_drain *in, struct conf_drain *out);
void conf_drain_default(struct conf_drain *out);
int conf_check_http(struct conf_ck *ck, const struct raw_probe *raw,
    struct conf_probe *out);

/* And about guards; the prefixes and the sites are there. */
int conf_check_site_guards(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf_agent *out);
int conf_check_fleet_guards(struct conf_ck *ck, const struct raw_fleet *raw,
    struct conf_controller *out);

#endif /* BASE_CONF_CHECK_H */
