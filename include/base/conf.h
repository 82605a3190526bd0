/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_CONF_H
#define BASE_CONF_H
/*
 * conf -- the configuration: one YAML file, read with a libcyaml schema, then
 * checked as a whole.  The result is immutable and freed at once.
 *
 * Every refusal names file, line and what was expected:
 *	anycastd.yml:7: services[0].prefixes[1]: 192.0.2.1/24: host bits are set,
 *	    expected 192.0.2.0/24
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/allow.h"
#include "base/dns_name.h"
#include "base/err.h"
#include "base/tls.h"

/* More is refused, so that a wrong file cannot take all memory. */
#define CONF_FILE_BYTES_MAX (1u << 20)
#define CONF_SERVICES_MAX 256u
#define CONF_PROBES_MAX 64u     /* of a service */
#define CONF_PREFIXES_MAX 8192u /* of all services together */
#define CONF_SITES_MAX 1024u
#define CONF_ARGS_MAX 64u          /* of an exec probe */
#define CONF_ARGS_BYTES_MAX 16384u /* all of them, with their NULs */
#define CONF_CODES_MAX 16u         /* ranges of statuses of an http probe */
#define CONF_HEADERS_MAX 16u       /* of an http probe */
#define CONF_EXPECT_WITHIN_BYTES 4096u
#define CONF_ALLOW_MAX 1024u
#define CONF_PINGS_MAX 20u      /* of one check */
#define CONF_PROBE_TEXT_MAX 64u /* bytes */
#define CONF_FEEDS_MAX 64u
#define CONF_FEED_PREFIXES_MAX 1024u /* destinations, senders of a feed */
#define CONF_CLIENTS_MAX 2000000u    /* of one site */
#define CONF_PER_BLOCK_MAX 64u
#define CONF_NAME_MAX 32 /* site, service, probe names: [a-z0-9][a-z0-9._-]* */

enum probe_kind {
	PROBE_HTTP,
	PROBE_TCP,
	PROBE_ICMP,
	PROBE_EXEC,
	PROBE_DNS,
	PROBE_ADDRESS,
	PROBE_FILE,
	PROBE_KIND_COUNT
};

/* What feeds the client list. */
enum feed_type {
	FEED_SFLOW,   /* sFlow version 5 */
	FEED_PMACCT,  /* JSON of pmacct's print plugin */
	FEED_NFDUMP,  /* nfdump -o 'fmt:%tsr,%sa,%ipkt,%ibyt' */
	FEED_GOFLOW2, /* JSON */
	FEED_TEXT,    /* address[,weight[,epoch]] */
	FEED_TYPE_COUNT
};

enum feed_way {
	FEED_UDP,      /* datagrams to an address and port of ours */
	FEED_TCP,      /* connections to them */
	FEED_UNIX,     /* connections to a socket at a path */
	FEED_UNIXGRAM, /* datagrams to it */
	FEED_FILE,     /* what is appended to a file */
	FEED_PIPE,     /* what is written into a FIFO */
	FEED_WAY_COUNT
};

enum feed_weight {
	FEED_PACKETS,
	FEED_BYTES,
	FEED_REQUESTS, /* flows, or the weight that a line has */
	FEED_WEIGHT_COUNT
};

enum conf_method {
	CONF_METHOD_GET,
	CONF_METHOD_HEAD,
	CONF_METHOD_POST,
	CONF_METHOD_COUNT
};

/* Both ends belong to it. */
struct conf_range {
	unsigned min, max;
};

/* Any bytes, NUL too. */
struct conf_bytes {
	uint8_t *bytes; /* NULL: not given */
	size_t len;
};

struct conf_http {
	enum conf_method method;  /* default GET; POST has an empty body */
	struct conf_range *codes; /* expected statuses; default 200..299 */
	size_t n_codes;           /* at least 1 */
	char **headers;           /* "Name: value", NULL-terminated; or NULL */
	char *match;   /* body must contain this text; NULL: any body */
	bool insecure; /* https: do not verify the certificate */
	char *resolve; /* connect to this address; NULL: to the URL's host */
	int64_t tls_expiry_ms; /* https: fail when the certificate ends sooner;
				  0: any */
};

struct conf_talk {
	struct conf_bytes send;
	struct conf_bytes expect; /* in the first CONF_EXPECT_WITHIN_BYTES */
};

struct conf_dns {
	char *query; /* domain name, lower case, no dot behind */
	const struct dns_type *type; /* default A */
	unsigned rcode;              /* default NOERROR */
	char *answer; /* one record must be this, as dns_data_parse gives it;
			 NULL: none needed */
};

struct conf_icmp {
	unsigned count;            /* pings of one check; default 1 */
	unsigned max_loss_percent; /* default 0 */
	int64_t max_rtt_ms;        /* a later answer counts as lost; 0: any */
};

/*
 * One of http, tcp, icmp, exec, dns, address, file is given; the rest has
 * defaults.  The timeout may be longer than the interval: the next check then
 * starts at the first beat of the interval after the last has ended.
 */
struct conf_probe {
	char *name;
	char *target; /* http: URL; tcp, dns: "addr:port", "[v6]:port"; icmp,
			 address: addr; file: path */
	char **argv; /* exec: NULL-terminated, absolute path first; else NULL */
	int64_t interval_ms;       /* 50 ms .. 1 h; default 1 s */
	int64_t quick_interval_ms; /* while changing; 0: as interval_ms */
	int64_t
	    timeout_ms; /* 10 ms .. 1 min; default 1 s, or interval if less */
	int64_t spread_ms; /* the first checks are spread over so long */
	unsigned
	    down_after;    /* failures in a row until sick; 1..100, default 3 */
	unsigned up_after; /* successes in a row until healthy; default 2 */
	char *source; /* http, tcp, dns: connect from this address, or NULL */
	struct conf_http http;
	struct conf_talk tcp;
	struct conf_dns dns;
	struct conf_icmp icmp;
	char *interface; /* address: where it must be; NULL: anywhere */
	enum probe_kind kind;
	bool when_present; /* file: pass while it is there, else while absent */
	bool has_spread;   /* else the first check waits as long as suits */
};

enum drain_kind {
	DRAIN_GRACEFUL_SHUTDOWN, /* RFC 8326, to those who honour it */
	DRAIN_PREPEND,
	DRAIN_WITHDRAW,
	DRAIN_KIND_COUNT
};

/* A step of a drain; see core/drain.h. */
struct conf_drain_step {
	enum drain_kind kind;
	unsigned times;       /* prepend: 1..8, default 3 */
	int64_t hold_ms;      /* at least so long; default 30 s, withdraw 0 */
	int64_t back_ms;      /* the same on the way back; default: hold */
	uint64_t below_per_s; /* then until so little traffic is left; 0: any */
	int64_t wait_max_ms;  /* but no longer; default 30 min, 0: for ever */
};

/* A counter of the traffic that a site gets; it only grows. */
enum counter_kind {
	COUNTER_NONE,
	COUNTER_INTERFACE, /* packets that an interface received */
	COUNTER_NFT,       /* packets of a named counter: "inet filter web" */
	COUNTER_COMMAND,   /* the number that a command prints first */
};

struct conf_counter {
	enum counter_kind kind;
	char *name;  /* interface, or "FAMILY TABLE COUNTER" */
	char **argv; /* command: NULL-terminated, absolute path first */
	bool bytes;  /* of interface and nft: not packets */
};

/* The load of a site, for the guard `room`: see core/load.h. */
struct conf_load {
	struct conf_counter counter; /* COUNTER_NONE: nobody measures it */
	uint32_t unit;        /* so many a second are a load of 1; default 1 */
	int64_t interval_ms;  /* between two looks; default 5 s */
	int64_t half_life_ms; /* of a reading in the mean; default 15 s */
};

/* How a service is drained. The last step is always DRAIN_WITHDRAW. */
struct conf_drain {
	struct conf_drain_step steps[DRAIN_KIND_COUNT];
	size_t n_steps;
	struct conf_counter counter;
	int64_t interval_ms; /* between two looks at it; default 5 s */
};

struct conf_service {
	char *name;
	struct prefix *prefixes; /* both families, unique over all services */
	size_t n_prefixes;
	struct conf_probe *probes;
	size_t n_probes;
	struct conf_drain drain; /* its own, else the site's */
	/* `need`: "all" (default) = n_probes, "any" = 1, or a number k <= n. */
	unsigned need;
	/* `when_lost`: withdrawn after so much silence of the daemon, which
	 * died or hangs; 0 (default, "hold"): never. */
	int64_t when_lost_ms;
};

struct conf_bird {
	char *socket;    /* default /run/bird/bird.ctl */
	char *include;   /* default /var/lib/anycastd/bird.conf */
	int64_t poll_ms; /* how often exports are read back; default 2 s */
	int64_t
	    timeout_ms; /* for BIRD's greeting and each reply; default 2 s */
	/* Changes that come within so long go together; grows up to
	 * max_delay_ms while they keep coming. */
	int64_t min_gap_ms;   /* default 100 ms */
	int64_t max_delay_ms; /* default 1 s */
	/* BIRD undoes a change that was not confirmed for so long. */
	int64_t confirm_ms; /* default 10 s, whole seconds */
	/* Changes go ahead although they undo what was done by hand. */
	bool overrule_hands; /* `by_hand: overrule`, default `stop` */
	/* How often BIRD is asked ahead whether it would take its
	 * configuration; default 1 min; 0: never. */
	int64_t check_ms;
};

/* How a site sends probes: the same numbers as enum sweep_engine. */
enum conf_engine { CONF_ENGINE_RAW, CONF_ENGINE_PACKET, CONF_ENGINE_COUNT };

/* So many experiments at most can be under way at a time: what a campaign plans
 * at once (fleet/campaign_log.h). */
#define CONF_TESTS_MAX 4u

/*
 * The test prefixes of a site.  The n-th IPv4 prefix and the n-th IPv6 prefix
 * are withdrawn together: wherever one is spoken of, both are meant.
 */
struct conf_test {
	struct prefix *prefixes;
	size_t n_prefixes;    /* 0: this site takes no part in experiments */
	struct addr *sources; /* one in each prefix; probes are sent from it */
	size_t n_sources;     /* == n_prefixes, same order */
	size_t *number;       /* of each prefix: n of the above, from 0 */
	size_t n_tests;       /* how many there are, pairs counted once */
	enum conf_engine engine; /* of the sender; default raw */
	/* A withdrawal of the test prefix not renewed for so long is undone. */
	int64_t confirm_ms; /* default 30 s */
};

/* The guards of one site, see core/brake.h and core/damping.h. */
struct conf_agent_guards {
	/* A probe without a result for so many intervals counts as unknown;
	 * default 5; 0: never. */
	unsigned stale_after;
	struct {
		unsigned share_percent; /* of the services; default 100 */
		int64_t window_ms;      /* default 5 s */
		int64_t release_ms;     /* default 10 min; 0: never */
		bool holds;             /* else it only tells; default */
	} brake;
	struct {
		unsigned suppress, reuse; /* default 6000, 3000; 0: off */
		int64_t half_life_ms, max_hold_ms; /* default 15 min, 1 h */
		unsigned updates; /* default 60; 0: any number */
	} damping;
};

/* Agent role: present if `site` is given. */
struct conf_agent {
	char *site;
	struct conf_bird bird;
	struct conf_drain drain; /* of services without one of their own */
	struct conf_load load;
	struct conf_service *services;
	size_t n_services;
	struct conf_test test;
	struct allow_list allow; /* what may be announced; none: anything */
	struct conf_agent_guards guards;
	char *controller; /* URL http://host:port, NULL: a site on its own */
	/* Health that is unknown for longer is an alarm; default 2 min. */
	int64_t unknown_max_ms;
};

struct conf_predict {
	uint32_t rate_pps;  /* sweep; default 1000 */
	int64_t linger_ms;  /* after the last probe; default 2 s */
	uint32_t sentinels; /* clients watched for settling; default 256 */
	int64_t sentinel_interval_ms; /* default 5 s */
	int64_t settle_max_ms;        /* default 5 min */
	/* Between two experiments on one test prefix, or networks damp it
	 * (RFC 7196); default 90 min, at least 30 min but in a lab. */
	int64_t pace_ms;
	/* Several test prefixes: how far beyond the noise one may differ from
	 * the first, default 1 %; by how many clients of each family that is
	 * judged at least, default 100; and how long it holds, default 7 d. */
	struct {
		unsigned limit_percent;
		uint32_t min_clients;
		int64_t every_ms;
	} null_run;
	/* When a real withdrawal is compared with its prediction; default 10 min. */
	int64_t landing_after_ms;
	/* How often the recent clients become the list; default 0: never. */
	int64_t take_clients_ms;
	bool is_lab;          /* profile: lab; default internet */
	bool allow_special;   /* lab: accept private and documentation
				     addresses as clients; default false */
	int64_t block_gap_ms; /* between two probes to one /24 or /48; default
				 20 ms, 0: none */
	char *text; /* in each probe: who pings, and why; printable ASCII, at
		       most CONF_PROBE_TEXT_MAX, "": none */
};

/* The guards of the fleet, see core/guard.h, guard_budget.h, brake.h, room.h. */
struct conf_guards {
	/* Well sites that go on announcing a prefix whatever the others do: sick
	 * ones are kept, drains refused; 0 (default): no guard. */
	unsigned min_sites;
	/* And their capacity: a share of that of all sites with the prefix, or
	 * an amount; both 0 (default): no guard. */
	unsigned min_capacity_percent;
	uint32_t min_capacity;
	struct {
		int64_t window_ms; /* default 10 min */
		/* Within it at most; 0 (default): any number. */
		unsigned sites, prefixes, capacity_percent;
	} budget;
	struct {
		unsigned sites; /* more sick than so many; 0 (default): off */
		int64_t window_ms;  /* default 30 s */
		int64_t release_ms; /* 0 (default): only when they recover */
	} brake;
	struct {
		unsigned limit_percent; /* of an heir's capacity; default 100 */
		unsigned margin_percent; /* default 10 */
		unsigned levels;         /* 0: off, 1, default 2 */
	} room;
};

/* In the operator's unit, which is one for all sites. */
struct conf_capacity {
	size_t site;       /* index into sites */
	uint32_t capacity; /* at least 1 */
	bool has_load;     /* while its agent does not measure it */
	uint32_t load;
};

/* Controller role: present if `fleet` is a mapping. */
struct conf_controller {
	char *listen; /* "addr:port", "[v6]:port": HTTP for agents */
	char **sites; /* names of the fleet's sites */
	size_t n_sites;
	struct conf_capacity *capacity; /* at most one of each site */
	size_t n_capacity;
	struct conf_predict predict;
	struct conf_guards guards;
};

struct conf_feed {
	char *name;
	enum feed_type type;
	enum feed_way way;
	char *where; /* udp, tcp: "addr:port", "[v6]:port"; else a path */
	enum feed_weight weight; /* default requests for text, else packets */
	char *site;              /* whose clients they are; default the own */
	struct prefix *senders;  /* udp, tcp: who may send; none: anybody */
	size_t n_senders;
};

/* What becomes of all that the feeds tell. */
struct conf_clients {
	int64_t half_life_ms; /* default 1 d */
	int64_t report_ms;    /* how often the list is passed on; default 1 m */
	uint32_t max_clients; /* of a site; default 100000 */
	uint32_t max_blocks;  /* default max_clients */
	uint32_t per_block;   /* clients of a /24 or /48; default 4 */
	bool allow_special;   /* lab: as in conf_predict */
	/* Only who sends to these; default the services' prefixes.  None: whoever
	 * sends. */
	struct prefix *destinations;
	size_t n_destinations;
};

/* How agents and controller know each other.  All NULL: not. */
struct conf_tls {
	char *certificate, *key, *ca; /* absolute paths */
};
static inline struct tls_files
conf_tls_files(const struct conf_tls *t)
{
	return (struct tls_files){ t->certificate, t->key, t->ca };
}

/* How long the store keeps what only grows (store/store.h, store_expire); 0:
 * for ever. */
struct conf_retention {
	int64_t events_ms, outcomes_ms;
};

struct conf {
	char *file;  /* as given, for messages */
	char *store; /* SQLite file; default /var/lib/anycastd/anycastd.db */
	struct conf_retention retention;
	char *socket; /* control socket; default /run/anycastd/anycastd.sock */
	/* For commands that only tell; default the same with "-ro"; NULL: off. */
	char *read_socket;
	bool read_socket_group; /* mode 0660, not 0666 */
	char *metrics; /* "addr:port": HTTP that only tells; NULL: none */
	struct conf_agent *agent;           /* NULL: not an agent */
	struct conf_controller *controller; /* NULL: not a controller */
	struct conf_tls tls;
	struct conf_clients clients;
	struct conf_feed *feeds;
	size_t n_feeds;
};

/* NULL with err: "file:line: path: what: expected what". */
struct conf *conf_load(const char *file, struct err *err);
/* The same from memory; file is for messages. */
struct conf *conf_parse(const char *file, const uint8_t *text, size_t len,
    struct err *err);
void conf_free(struct conf *c);
/* Does this configuration have a controller that knows the site? */
bool conf_controls_site(const struct conf *c, const char *site);
/* Everything of both is the same; all but prefixes and when_lost; the probe. */
bool conf_service_equal(const struct conf_service *a,
    const struct conf_service *b);
bool conf_service_checks_equal(const struct conf_service *a,
    const struct conf_service *b);
bool conf_probe_equal(const struct conf_probe *a, const struct conf_probe *b);
bool conf_counter_equal(const struct conf_counter *a,
    const struct conf_counter *b);
/* Of conf_service.when_lost_ms: "hold" or "withdraw after 30s". */
#define CONF_WHEN_LOST_BYTES 40
const char *conf_when_lost_format(int64_t ms, char buf[CONF_WHEN_LOST_BYTES]);

/*
 * The effective configuration with all defaults as YAML that parses back to
 * the same.  Free the text with free().
 */
char *conf_format(const struct conf *c);

const char *conf_probe_kind_name(enum probe_kind kind);
const char *conf_drain_kind_name(enum drain_kind kind);
const char *conf_method_name(enum conf_method method);
const char *conf_engine_name(enum conf_engine engine);
const char *conf_feed_type_name(enum feed_type type);
bool conf_feed_type_parse(const char *text, enum feed_type *out);
const char *conf_feed_way_name(enum feed_way way);
const char *conf_feed_weight_name(enum feed_weight weight);

#endif /* BASE_CONF_H */
