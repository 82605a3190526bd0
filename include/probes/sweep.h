/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef PROBES_SWEEP_H
#define PROBES_SWEEP_H
/*
 * sweep -- one pass of pings over clients from the test prefix, replies
 * captured at every site.
 *
 * This header is the sweeper process's door: its messages, and functions with
 * which main encodes and decodes them.  The packet itself is sweep_packet.h.
 *
 * One sweeper runs at each site.  It always captures what the configured
 * capture says; it sends only when given a job.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/chan.h"
#include "base/err.h"

#define SWEEP_KEY_BYTES 16
#define SWEEP_RUNS_MAX 4           /* experiments at a time */
#define SWEEP_PREFIX_MAX 8         /* one of each family for each of them */
#define SWEEP_REPLY_BATCH_MAX 1024 /* replies in one message */
#define SWEEP_TARGETS_PER_MSG 4096
#define SWEEP_SUBSET_MAX 100000 /* indices in one job */
#define SWEEP_OPTOUTS_MAX 4096  /* prefixes in one job */
#define SWEEP_TEXT_MAX 64       /* bytes */

enum sweep_msg {
	/* main -> sweeper */
	SWEEP_MSG_CAPTURE = 1, /* struct sweep_capture */
	SWEEP_MSG_TARGETS,     /* struct sweep_targets: part of a target list */
	SWEEP_MSG_JOB,         /* struct sweep_job: send now */
	SWEEP_MSG_STOP,        /* no body: end the running job */
	SWEEP_MSG_FLUSH,       /* u64 cookie: report all captured so far, then
				  answer with SWEEP_MSG_FLUSHED; of very many
				  the newest is answered, others may not be */
	/* sweeper -> main */
	SWEEP_MSG_REPLIES,   /* u16 count, then that many struct sweep_reply */
	SWEEP_MSG_PROGRESS,  /* struct sweep_progress */
	SWEEP_MSG_FLUSHED,   /* u64 cookie, then struct sweep_counters */
	SWEEP_MSG_TROUBLE,   /* text: why it cannot send or capture */
	SWEEP_MSG_CAPTURING, /* u8 enum sweep_capture_mode: capture began */
	SWEEP_MSG_HEARING,   /* u8 count, then that many u8 enum sweep_hearing,
				of the prefixes of the newest capture: first
				with it, then whenever one changes */
};

/* How replies are captured. */
enum sweep_capture_mode {
	SWEEP_CAPTURE_OFF,
	SWEEP_CAPTURE_RING, /* AF_PACKET with TPACKET_V3 */
	SWEEP_CAPTURE_RAW,  /* raw sockets, where there is no AF_PACKET: the
			       test prefix must be local, see docs/sweep.md */
	SWEEP_CAPTURE_MODE_COUNT
};
const char *sweep_capture_mode_name(enum sweep_capture_mode mode);

/* Would replies to a test prefix be heard, by the means that there are now? */
enum sweep_hearing {
	SWEEP_HEARING_UNKNOWN, /* not told yet, or the kernel does not say */
	SWEEP_HEARS,
	SWEEP_DEAF_NOT_LOCAL, /* raw sockets, and the kernel does not deliver
				 what is sent to our source in the prefix */
	SWEEP_DEAF_NO_SOCKET, /* neither packet sockets nor raw ones */
	SWEEP_HEARING_COUNT
};

/* How probes are sent. */
enum sweep_engine {
	SWEEP_ENGINE_RAW,    /* raw sockets: the kernel routes each packet */
	SWEEP_ENGINE_PACKET, /* AF_PACKET to the next hop, past the kernel's
				firewall and queues; raw where there is none */
	SWEEP_ENGINE_COUNT
};

/* In the payload, for whoever looks at a packet: printable ASCII. */
struct sweep_text {
	uint8_t len; /* <= SWEEP_TEXT_MAX */
	uint8_t bytes[SWEEP_TEXT_MAX];
};

/* One experiment whose replies are captured. */
struct sweep_run {
	uint32_t experiment; /* unique among the runs, never 0 */
	uint8_t key[SWEEP_KEY_BYTES];
	uint16_t
	    prefixes; /* bit i: it has prefixes[i]; its replies come there */
};

/* What to accept.  No runs: capture nothing. */
struct sweep_capture {
	struct sweep_run runs[SWEEP_RUNS_MAX];
	uint8_t n_runs;
	struct prefix prefixes[SWEEP_PREFIX_MAX]; /* all test prefixes */
	/* The address in each that this site sends from. */
	struct addr sources[SWEEP_PREFIX_MAX];
	uint8_t n_prefixes;
};
/* NULL: no run of that experiment. */
const struct sweep_run *sweep_capture_run(const struct sweep_capture *what,
    uint32_t experiment);

/* A target list is identified by `list`; parts come in order from index 0. */
struct sweep_targets {
	uint32_t list;
	uint32_t total; /* of the whole list */
	uint32_t first; /* index of addrs[0] */
	uint32_t n;     /* <= SWEEP_TARGETS_PER_MSG */
	const struct addr *addrs;
};

struct sweep_job {
	uint32_t job;  /* unique, echoed in the progress */
	uint32_t list; /* must have been completed by TARGETS */
	/* sweep_list_digest of it, for main alone: it does not travel.  0: an
	 * older controller, which does not tell. */
	uint64_t list_digest;
	uint32_t experiment; /* one of the capture's: its key makes the MAC */
	uint8_t phase;       /* opaque here: travels in the payload */
	uint8_t round;       /* opaque here: travels in the payload */
	uint32_t rate_pps;
	uint64_t order_seed; /* same seed, same order */
	struct addr source4; /* all zero: no IPv4 targets are sent */
	struct addr source6;
	bool has_source4;
	bool has_source6;
	uint8_t engine;     /* enum sweep_engine */
	bool allow_special; /* lab: also addresses that addr_special names */
	uint32_t gap_ms;    /* least time between two probes to one block */
	struct sweep_text text;
	/* Indices into the list; n_subset 0: the whole list. Borrowed. */
	const uint32_t *subset;
	uint32_t n_subset; /* <= SWEEP_SUBSET_MAX */
	/* Whoever does not want to be pinged.  Borrowed. */
	const struct prefix *optouts;
	uint32_t n_optouts; /* <= SWEEP_OPTOUTS_MAX */
};

enum sweep_reply_flag {
	SWEEP_REPLY_OTHER_SOURCE = 1u << 0, /* answered from another address */
	SWEEP_REPLY_LATE = 1u << 1,   /* a sample: of another experiment */
	SWEEP_REPLY_FORGED = 1u << 2, /* a sample: the MAC is wrong, or it came
					to another experiment's prefix */
};

/*
 * One reply.  Without flags it is accepted: valid MAC, of an experiment that is
 * captured and to its test prefix, from the target.  Of late and forged ones only some are reported, as samples:
 * anybody can send them at any rate.  All are counted in sweep_counters.
 */
struct sweep_reply {
	uint32_t index; /* in the target list */
	uint8_t phase;
	uint8_t round;
	uint8_t flags;
	uint8_t ttl;      /* or hop limit, as received */
	uint64_t sent_us; /* sender's wall clock */
	uint64_t recv_us; /* ours: an RTT only if both are the same machine */
	uint32_t experiment; /* late batches of an old one are told by it */
	struct addr source;  /* travels only with flags; else it is zero */
};
#define SWEEP_REPLY_WIRE_BYTES 28u     /* without flags */
#define SWEEP_REPLY_WIRE_MAX_BYTES 44u /* with the source */

struct sweep_progress {
	uint32_t job;
	uint32_t sent;
	uint32_t total;
	uint32_t send_errors;     /* the kernel refused; counted, not retried */
	uint32_t skipped_optout;  /* not pinged: they do not want it */
	uint32_t skipped_special; /* not pinged: no public address */
	uint32_t sent_packet;     /* those of sent that AF_PACKET sent */
	bool done;                /* last message about this job */
	bool is_refused; /* it could not begin; a TROUBLE before it said why */
};

/* Everything captured and not accepted is counted here, by reason; since the
 * sweeper began. */
struct sweep_counters {
	uint64_t accepted;
	uint64_t bad_short; /* truncated, or no room for the payload */
	uint64_t bad_type;  /* not an echo reply of ours (magic, version) */
	uint64_t bad_experiment; /* late: of another experiment */
	uint64_t bad_mac; /* forged, damaged, or to a prefix of another run */
	uint64_t kernel_drops; /* the capture ring was full */
};

/*
 * Encode: append to the caller's buffer, return length, or 0 if it does not
 * fit.  Decode: 0, or -1 when the bytes are malformed; pointers in the result
 * point into the body or into static storage as said in sweep.c.
 */
size_t sweep_encode_capture(const struct sweep_capture *in, uint8_t *buf,
    size_t size);
int sweep_decode_capture(const uint8_t *body, size_t len,
    struct sweep_capture *out);
size_t sweep_encode_targets(const struct sweep_targets *in, uint8_t *buf,
    size_t size);
size_t sweep_encode_job(const struct sweep_job *in, uint8_t *buf, size_t size);
/* n <= SWEEP_REPLY_BATCH_MAX. */
size_t sweep_encode_replies(const struct sweep_reply *in, size_t n,
    uint8_t *buf, size_t size);
/* out has room for max; returns the count, or -1. The same bytes travel in
 * HTTP bodies from agent to controller. */
int sweep_decode_replies(const uint8_t *body, size_t len,
    struct sweep_reply *out, size_t max);
/* Puts the replies of body behind those of to: both encoded.  Returns the length
 * then; 0, and to is as it was, if they do not fit or would be more than
 * SWEEP_REPLY_BATCH_MAX. */
size_t sweep_join_replies(uint8_t *to, size_t to_len, size_t size,
    const uint8_t *body, size_t len);
int sweep_decode_capturing(const uint8_t *body, size_t len,
    enum sweep_capture_mode *out);
/* Returns how many, or -1. */
int sweep_decode_hearing(const uint8_t *body, size_t len,
    enum sweep_hearing out[SWEEP_PREFIX_MAX]);
int sweep_decode_progress(const uint8_t *body, size_t len,
    struct sweep_progress *out);
int sweep_decode_flushed(const uint8_t *body, size_t len, uint64_t *cookie,
    struct sweep_counters *out);

/* Worker main, for the keeper's table: needs CAP_NET_RAW. */
int sweeper_main(int chan_fd);

#endif /* PROBES_SWEEP_H */
