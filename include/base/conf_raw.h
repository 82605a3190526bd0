/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CONF_RAW_H
#define BASE_CONF_RAW_H
/*
 * conf_raw -- for conf only: the configuration as libcyaml's schema fills it.
 * It has the file's shape and nothing but texts; NULL means "not given".  What
 * the texts mean is judged later, by our own code, which can say file, line and
 * what was expected.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/conf_lines.h"
#include "base/err.h"

struct raw_probe {
	char *name;
	char *http, *tcp, *icmp;
	char **exec;
	unsigned exec_count;
	char *dns, *address, *file;
	char *interval, *timeout, *quick_interval, *spread;
	char *down_after, *up_after;
	char *source;
	char *method;
	char **headers;
	unsigned headers_count;
	char *status, *match, *insecure, *resolve, *tls_expiry;
	char *send, *expect;
	char *query, *type, *rcode, *answer;
	char *count, *max_loss, *max_rtt;
	char *interface;
	char *when;
};

struct raw_drain_step {
	char *step, *times, *hold, *back, *below, *wait_max;
};

struct raw_counter {
	char *interface, *nft;
	char **command;
	unsigned command_count;
};

struct raw_drain {
	struct raw_drain_step *steps;
	unsigned steps_count;
	struct raw_counter *counter;
	char *interval;
};

struct raw_load {
	struct raw_counter *counter;
	char *counts, *unit, *interval, *half_life;
};

struct raw_service {
	char *name;
	char **prefixes;
	unsigned prefixes_count;
	char *need, *when_lost;
	struct raw_probe *probes;
	unsigned probes_count;
	struct raw_drain *drain;
};

struct raw_bird {
	char *socket, *include, *poll, *timeout;
	char *min_gap, *max_delay, *confirm, *by_hand, *check;
};

struct raw_test {
	char **prefixes;
	unsigned prefixes_count;
	char **sources;
	unsigned sources_count;
	char *confirm, *engine;
};

struct raw_null_run {
	char *limit, *min_clients, *every;
};

struct raw_predict {
	struct raw_null_run *null_run;
	char *rate, *linger;
	char *sentinels, *sentinel_interval, *settle_max;
	char *allow_special, *block_gap, *text, *pace, *profile, *landing_after;
	char *take_clients;
};

struct raw_budget {
	char *window, *sites, *prefixes, *capacity;
};

struct raw_brake {
	char *sites, *share, *window, *release, *action;
};

struct raw_room {
	char *limit, *margin, *levels;
};

struct raw_guards {
	char *min_sites, *min_capacity;
	struct raw_budget *budget;
	struct raw_brake *brake;
	struct raw_room *room;
};

struct raw_damping {
	char *suppress, *reuse, *half_life, *max_hold, *updates;
};

struct raw_agent_guards {
	char *stale_after;
	struct raw_brake *brake;
	struct raw_damping *damping;
};

struct raw_capacity {
	char *site, *capacity, *load;
};

struct raw_fleet {
	char *listen;
	char **sites;
	unsigned sites_count;
	struct raw_capacity *capacity;
	unsigned capacity_count;
	struct raw_predict *predict;
	struct raw_guards *guards;
};

struct raw_tls {
	char *certificate, *key, *ca;
};

struct raw_feed {
	char *name, *type, *from, *weight, *site;
	char **senders;
	unsigned senders_count;
};

struct raw_clients {
	char *half_life, *report;
	char *max_clients, *max_blocks, *per_block;
	char *allow_special;
	char **destinations;
	unsigned destinations_count;
};

struct raw_retention {
	char *events, *outcomes;
};

struct conf_raw {
	char *site, *store, *socket, *metrics;
	char *read_socket, *read_socket_mode;
	struct raw_retention *retention;
	struct raw_bird *bird;
	struct raw_drain *drain;
	struct raw_load *load;
	struct raw_service *services;
	unsigned services_count;
	struct raw_test *test;
	char *controller, *unknown_max;
	char **allow;
	unsigned allow_count;
	struct raw_agent_guards *guards;
	struct raw_fleet *fleet;
	struct raw_tls *tls;
	struct raw_clients *clients;
	struct raw_feed *feeds;
	unsigned feeds_count;
};

/* A text that conf_lines_new has accepted as lines.  NULL with err:
 * "file:line: path: what". */
struct conf_raw *conf_raw_load(const char *file, const uint8_t *text,
    size_t len, const struct conf_lines *lines, struct err *err);
/* All parts must have come from malloc. */
void conf_raw_free(struct conf_raw *raw);
/* YAML text, to be freed with free(). */
char *conf_raw_save(const struct conf_raw *raw);

#endif /* BASE_CONF_RAW_H */
