/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_PACK_H
#define CORE_PACK_H
/*
 * pack -- plans withdrawal experiments that each withdraw many sites at once,
 * and infers from their outcomes where every client goes when its site, its
 * heir, and their heir are withdrawn.  docs/pack.md tells the method.
 *
 * The log of experiments (withdrawn set, purpose, the site that answered each
 * client) is the whole state: what pack_next proposes and what pack_infer
 * concludes are functions of log, configuration and seed.  So a campaign goes
 * on after a crash by adding the stored log again, and a better rule can be run
 * over an old log.
 *
 * Pure: no I/O, no clock, no log.  Not thread safe.  Sites and clients are
 * indices from 0.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PACK_SITES_MAX 320u
#define PACK_DEPTH_MAX 3u
#define PACK_RANKS_MAX (PACK_DEPTH_MAX + 2u) /* r_0 ... r_(depth + 1) */
#define PACK_EXPERIMENTS_MAX 512u
#define PACK_CLIENTS_MAX 16000000u
#define PACK_BATCH_MAX 16u
#define PACK_WORDS (PACK_SITES_MAX / 64u)

/* In place of a site: nobody caught a reply; two sites did in one sweep. */
#define PACK_NONE UINT16_MAX
#define PACK_FLIPPING (UINT16_MAX - 1)

/* A set of sites. */
struct pack_set {
	uint64_t bits[PACK_WORDS];
};

static inline bool
pack_set_has(const struct pack_set *set, size_t site)
{
	return set->bits[site / 64] >> (site % 64) & 1;
}

static inline void
pack_set_add(struct pack_set *set, size_t site)
{
	set->bits[site / 64] |= UINT64_C(1) << (site % 64);
}

static inline void
pack_set_del(struct pack_set *set, size_t site)
{
	set->bits[site / 64] &= ~(UINT64_C(1) << (site % 64));
}

size_t pack_set_count(const struct pack_set *set);
bool pack_set_equal(const struct pack_set *a, const struct pack_set *b);

/* Why an experiment is made, in the order of a campaign. */
enum pack_purpose {
	PACK_BASELINE, /* nothing withdrawn */
	PACK_SINGLE,   /* one site: level 1 of a small fleet, one by one */
	PACK_SEED,     /* a random set */
	PACK_REPACK,   /* designed for the clients that are still uncertain */
	PACK_CONFIRM,  /* a small set that settles contradictions */
	PACK_ALONE,    /* just the site or pair that is still open */
	PACK_HOLDOUT,  /* predicted before it is measured; never learned from */
	PACK_REPEAT,   /* a set whose experiment is suspect, measured again */
	PACK_OTHER,    /* not ours: an operator's experiment, a real outage */
	PACK_PURPOSE_COUNT
};
/* "baseline", "single", ... */
const char *pack_purpose_name(enum pack_purpose purpose);

/* How much one rank of a client, or a prediction, is worth. */
enum pack_label {
	PACK_UNKNOWN,      /* no reading that says anything */
	PACK_GUESSED,      /* the best candidate, not proven */
	PACK_CONTRADICTED, /* readings disagree: the best candidate all the same */
	PACK_UNSTABLE,  /* the client changes its site with nothing withdrawn */
	PACK_COMPOSED,  /* for more withdrawn sites than the map is deep */
	PACK_CERTIFIED, /* proven by readings, see enum pack_rule */
	PACK_MEASURED,  /* this very set was withdrawn */
	PACK_LABEL_COUNT
};
const char *pack_label_name(enum pack_label label);

/* By which rule a rank is certified (docs/pack.md, section 3). */
enum pack_rule {
	PACK_RULE_NONE,
	PACK_RULE_A,        /* no other site can come first: proof */
	PACK_RULE_B,        /* no other known candidate; two readings */
	PACK_RULE_C,        /* no other known candidate; a small set */
	PACK_RULE_REPEATED, /* disputed, then settled by small sets */
	PACK_RULE_COUNT
};

struct pack_conf {
	size_t n_sites;       /* 1 ... PACK_SITES_MAX */
	size_t n_clients;     /* 1 ... PACK_CLIENTS_MAX */
	const double *weight; /* per client, >= 0; copied.  NULL: all 1 */
	unsigned depth;       /* 1 ... PACK_DEPTH_MAX */
	unsigned batch;       /* sets per pack_next, at most; 0: 4 */
	unsigned budget;      /* experiments of a campaign; 0: the maximum */
	uint64_t seed;
	unsigned cap_permille; /* of the sites in one set, at most; 0: 350 */
	struct pack_set keep;  /* sites that no proposed set may withdraw */
	bool keep_suspects;    /* believe all, repeat none: to compare with */
};

struct pack;

/* NULL with err set (ERR_CONF) if a number is out of its bounds. */
struct pack *pack_new(const struct pack_conf *conf, struct err *err);
/* With the same log, whose outcomes it shares; nothing of it is inferred.  So
 * one can answer while the next experiment is worked into the other. */
struct pack *pack_copy(const struct pack *p);
void pack_free(struct pack *p);

/*
 * Adds an experiment to the log.  withdrawn: every site that did not announce,
 * for whatever reason.  outcome: per client the site that caught its reply,
 * PACK_NONE or PACK_FLIPPING; copied, 1 byte each up to 254 sites, else 2.  An
 * outcome that cannot be (a withdrawn site, no such site) is taken as
 * PACK_NONE and counted in pack_check.  A PACK_REPEAT is of the experiments
 * before it with the same set; without one it is a PACK_OTHER.
 * Returns the index of the experiment, or -1 with err set: the log is full, a
 * site does not exist, all sites withdrawn.
 */
int pack_add(struct pack *p, const struct pack_set *withdrawn,
    enum pack_purpose purpose, const uint16_t *outcome, struct err *err);

/* Leaves experiment i out of all that follows; its index stays taken. */
void pack_discard(struct pack *p, size_t i);

size_t pack_count(const struct pack *p); /* experiments in the log */

/* One proposed experiment. */
struct pack_plan {
	struct pack_set withdrawn;
	enum pack_purpose purpose;
	/* 1 + the experiment in the log that it measures again; 0: none. */
	uint16_t repeats;
	/* Share of the answering weight (every site counts alike) that is
	 * expected to be certified by it; 0 where that means nothing. */
	double gain;
};

/* Where a campaign stands. */
struct pack_progress {
	enum pack_purpose phase; /* of what pack_next gives next */
	bool is_done;
	unsigned made;     /* experiments kept, hold-outs included */
	unsigned estimate; /* experiments to come, roughly */
	/* Shares of the answering weight, over ranks 1 to depth. */
	double certified;
	double expected_wrong;
};

/*
 * Proposes the next batch: at most max sets (and conf.batch) that may be
 * measured in parallel and in any order.  Every set leaves a site announcing.
 * Returns how many; 0 when the campaign is over.  Asking twice gives the same.
 */
size_t pack_next(struct pack *p, struct pack_plan *out, size_t max);
void pack_progress(struct pack *p, struct pack_progress *out);

/* What one client's readings say. */
struct pack_rank {
	uint16_t site; /* PACK_NONE: unknown */
	enum pack_label label;
	enum pack_rule rule;
	uint16_t readings; /* experiments that could show this rank */
	uint16_t support;  /* readings that showed this site */
	uint16_t against;  /* readings of others though this one announced */
	uint16_t smallest; /* sites withdrawn in the smallest supporting set */
};

struct pack_client {
	struct pack_rank ranks[PACK_RANKS_MAX]; /* r_0 ... r_(depth + 1) */
	unsigned n;                             /* ranks with a site */
	bool is_silent; /* answered in no baseline and in no experiment */
	/* Of a client that flaps (PACK_UNSTABLE): the other site, and how often
	 * it is there; else PACK_NONE, 0. */
	uint16_t other;
	float other_share;
};

/* Infers all ranks from the log.  The others do it themselves when needed. */
void pack_infer(struct pack *p);
/*
 * The same and what pack_check and pack_summary tell, a part at a time: it
 * takes seconds with many clients and experiments (docs/pack.md).  A part looks
 * at about n clients, once.  False: all is done.
 */
bool pack_work(struct pack *p, size_t n);
void pack_client(struct pack *p, size_t client, struct pack_client *out);

/*
 * Where clients go when `withdrawn` is withdrawn: site[] and label[], one per
 * client (either may be NULL).  PACK_NONE with PACK_UNKNOWN for a client that
 * never answered or whose known ranks are all withdrawn.
 */
void pack_predict(struct pack *p, const struct pack_set *withdrawn,
    uint16_t *site, uint8_t *label);

/* As pack_predict, of n clients only: site[i] is that of clients[i]. */
void pack_predict_some(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n, uint16_t *site);

/* Of the weight of n clients that are displaced and whose way is known: the
 * share that may be predicted wrong, by their labels; 0 if there is none. */
double pack_wrong_of(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n);

/* As pack_predict, with both ways of a client that flaps. */
struct pack_prediction {
	uint16_t site;
	uint16_t other;    /* PACK_NONE: it does not flap */
	float other_share; /* of the time */
	uint8_t label;
};
void pack_predict_split(struct pack *p, const struct pack_set *withdrawn,
    struct pack_prediction *out);
/* Of n clients only: out[i] is that of clients[i]. */
void pack_predict_split_some(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n, struct pack_prediction *out);

struct pack_heir {
	uint16_t site; /* PACK_NONE: unknown */
	uint32_t clients;
	double weight;
	/* Share of the displaced weight whose way is known, with its 95 %
	 * interval: from the number of clients (Wilson, on Kish's effective
	 * number) widened by the weight that may be predicted wrong.  For
	 * unknown: share of all displaced weight. */
	double share, low, high;
};

struct pack_heirs {
	size_t n;
	struct pack_heir heirs[PACK_SITES_MAX + 1]; /* by weight, falling */
	uint32_t clients; /* displaced: their baseline site is withdrawn */
	double weight;
	double known;     /* share of weight: of displaced */
	double certified; /* shares of known weight */
	double measured;
	double contradicted;
	double unstable;
	double composed;       /* spread by the heirs of the last known site */
	enum pack_label label; /* of the whole */
};

/*
 * The heirs of a withdrawn set; from: only for this site's clients, or
 * PACK_NONE for those of all of the set.
 */
void pack_heirs(struct pack *p, const struct pack_set *withdrawn, uint16_t from,
    struct pack_heirs *out);
/* The label of the whole, by n clients: those that are displaced. */
enum pack_label pack_label_of(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n);

/* What an experiment says about itself: all observable without the truth. */
struct pack_check {
	struct pack_set withdrawn;
	enum pack_purpose purpose;
	bool is_discarded;
	bool is_suspect;     /* far more bystanders astray than in its like */
	bool is_aside;       /* for that, and out of the evidence */
	unsigned repeats;    /* 1 + the experiment measured again; 0: none */
	uint32_t answered;   /* clients */
	uint32_t impossible; /* outcomes that cannot be */
	uint32_t flipping;
	double bystanders; /* weight share of clients of announcing sites that
			      were caught elsewhere than at baseline */
	double astray;     /* share of those clients (each counts 1) that
				  moved here, and in hardly any other */
	double contradictions; /* weight share of displaced clients that go
				  against another reading */
	double agreement; /* weight share of displaced clients that went where
			      the other experiments predict; NAN: none */
	double agreement_certified; /* the same among certified predictions */
};
/* i < pack_count.  For a hold-out, `agreement` is the end-to-end figure. */
void pack_check(struct pack *p, size_t i, struct pack_check *out);

/* Of it, alone: pack_check without the rest, which costs more. */
bool pack_is_aside(struct pack *p, size_t i);

/* The whole campaign's. */
struct pack_summary {
	unsigned by_purpose[PACK_PURPOSE_COUNT]; /* kept experiments */
	unsigned discarded;
	/* Suspect ones: set aside; in the evidence all the same, because there
	 * were repeats enough.  And suspects of old that their repeats cleared:
	 * the set does that to the same clients again. */
	unsigned aside, suspect, cleared;
	double contradiction_rate;
	double bystanders_median;
	double holdout; /* agreement over all hold-outs; NAN: none yet */
	double holdout_certified;
	/* What they say about the sets that matter (core/pack_holdout.h). */
	double right_estimate;
	double
	    flapping; /* answering weight of clients whose baselines differ */
	uint32_t flapping_clients;
	uint32_t silent_clients;
	double silent; /* weight share of all */
};
void pack_summary(struct pack *p, struct pack_summary *out);

#endif /* CORE_PACK_H */
