/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_PACK_STATE_H
#define CORE_PACK_STATE_H
/*
 * pack_state -- what the files of core/pack share; not for others.
 */
#include <math.h>

#include "core/pack.h"

#define PACK_MASK_WORDS (PACK_EXPERIMENTS_MAX / 64u)
#define PACK_CANDIDATES_MAX 24u /* different sites in the readings of a rank */

/* A set of experiments. */
struct pack_mask {
	uint64_t w[PACK_MASK_WORDS];
};

/* What an experiment measured; copies of a pack share it. */
struct pack_column {
	unsigned users;
	_Alignas(uint16_t) uint8_t codes[]; /* n_clients of code_bytes each */
};

struct pack_experiment {
	struct pack_set withdrawn;
	unsigned n_withdrawn;
	enum pack_purpose purpose;
	bool is_discarded;
	bool is_holdout;  /* or a repeat of one */
	uint16_t twin;    /* 1 + the one before with the same set; 0: none */
	uint16_t repeats; /* 1 + the experiment measured again; 0: none */
	uint32_t impossible;
	/* Derived by pack_review. */
	float astray;    /* share of its bystanders */
	bool is_suspect; /* too many of them */
	bool is_aside;   /* not in the evidence */
	bool is_due;     /* to be measured again */
	struct pack_column *column;
};

/*
 * Sites whose withdrawal moves a client although its own site announces: some
 * AS on its way then prefers another neighbour.  Readings with such a site
 * withdrawn say nothing about the client's ranks without it.
 */
#define PACK_TRIGGERS_MAX 4u
struct pack_trigger {
	uint16_t site;
	uint16_t with; /* only both together; PACK_NONE: site alone */
};
struct pack_taint {
	struct pack_trigger trigger[PACK_TRIGGERS_MAX];
	uint8_t n;
};

/* One client's readings, and which of them to mistrust. */
struct pack_view {
	const uint16_t *u; /* as_of readings */
	struct pack_taint taint;
	/* One of the two routes of a client that flaps: readings of the other
	 * one's site, while that announces, are not this route's. */
	uint16_t other;
};

/* Of one client, as pack_infer leaves it. */
struct pack_result {
	uint16_t site[PACK_RANKS_MAX];
	uint8_t label[PACK_RANKS_MAX];
	uint8_t rule[PACK_RANKS_MAX];
	uint8_t n;
	uint16_t other;    /* unstable: the other route's site */
	float other_share; /* of the readings */
	uint32_t route;    /* 1 + index in pack.route; 0: none */
	struct pack_taint taint;
};

/* The other route of a client that flaps. */
struct pack_route {
	uint16_t site[PACK_RANKS_MAX];
	uint8_t n;
};

/*
 * All that is inferred comes of passes over the clients, in blocks, so that it
 * can be done in parts (pack_work.c).  Of clients [first, first + n) the block
 * has as_of readings each; sums are the pass's own.
 */
struct pack_block {
	size_t first, n;
	const uint16_t *readings;
};
struct pack_pass {
	size_t (*sums_bytes)(const struct pack
		*p); /* zeroed before it begins */
	void (*begin)(struct pack *p, void *sums);
	void (*add)(struct pack *p, const struct pack_block *block, void *sums);
	void (*end)(struct pack *p, void *sums);
};
extern const struct pack_pass pack_pass_review, pack_pass_rank, pack_pass_next,
    pack_pass_check;

/* How far the passes are. */
struct pack_work {
	unsigned step;
	bool is_begun;      /* the step: what follows is its */
	size_t first;       /* client of the next block */
	uint16_t *readings; /* of a block */
	void *sums;
};

struct pack {
	struct pack_conf conf; /* weight NULL, defaults filled in */
	float *weight;
	struct pack_set sites; /* all */
	unsigned low;          /* sites of a small set */
	unsigned few;          /* other sites that a proof may leave open */
	unsigned code_bytes;

	struct pack_experiment log[PACK_EXPERIMENTS_MAX];
	size_t n_log;

	struct pack_work work;

	/* Derived from the log by pack_infer; stale after pack_add. */
	bool is_inferred;
	/* pack_open as of pack_stale_since; NAN: that does not matter. */
	double open_then;
	unsigned deepest;          /* rank that is being inferred */
	size_t as_of;              /* only log[0 ... as_of) was looked at */
	struct pack_mask learn;    /* kept, not held out */
	struct pack_mask baseline; /* of learn: nothing withdrawn */
	struct pack_mask out_of[PACK_SITES_MAX];
	struct pack_set candidates[PACK_SITES_MAX];
	float *next;         /* [s * n_sites + x]: of s's clients, share to x */
	double *site_weight; /* answering clients at baseline */
	struct pack_result *result;
	struct pack_route *route;
	size_t n_route, route_room;

	bool is_checked; /* the following are of as_of */
	struct pack_check checks[PACK_EXPERIMENTS_MAX];
	struct pack_summary summary;

	bool has_progress; /* the following is of the log */
	struct pack_progress progress;
};

/* One candidate for a rank. */
struct pack_candidate {
	uint16_t site;
	uint16_t support;
	uint16_t against;
	uint16_t smallest; /* |W| - d of the smallest supporting set */
	uint16_t n_small;  /* supporting readings from small sets */
	uint16_t small_against;
	float score;
	struct pack_mask seen;
};

/* What the readings say about one rank of one client. */
struct pack_evidence {
	size_t n; /* candidates; 0: no reading */
	size_t best;
	uint16_t readings;
	bool is_contradicted;
	enum pack_rule rule;
	struct pack_mask read;    /* the readings */
	struct pack_set possible; /* K: not proven to come later */
	struct pack_set known;    /* C: seen to inherit, or near */
	struct pack_candidate candidate[PACK_CANDIDATES_MAX];
};

/* 1 + the experiment for which e, a repeat, was made; 0: it is none.  Of the
 * same set there may be a hold-out that was disturbed and others that were not. */
size_t pack_original(const struct pack *p, const struct pack_experiment *e);

static inline const void *
pack_codes(const struct pack *p, size_t i)
{
	return p->log[i].column->codes;
}

/* Copies the readings of clients [first, first + n) to out[client][as_of]. */
void pack_gather(const struct pack *p, size_t first, size_t n, uint16_t *out);

/* The reading of experiment i from client c. */
uint16_t pack_read(const struct pack *p, size_t i, size_t c);

/* Evidence for rank d, given the d sites before it. */
void pack_evidence(const struct pack *p, const struct pack_view *view,
    const uint16_t *before, unsigned d, struct pack_evidence *ev);

/*
 * Looks for what was withdrawn whenever a client moved: one site, or two of
 * which both or either must be.  Appends it to taint and returns true if it
 * explains all of `moved`, and is by e^log_odds likelier than to be found by
 * accident among all that were tried.
 */
bool pack_trigger_find(const struct pack *p, const struct pack_mask *moved,
    const struct pack_mask *stayed, double log_odds, struct pack_taint *taint);

/* Before the first pass over the first n experiments; and before the passes
 * that go by the heirs that the first ones found. */
void pack_infer_begin(struct pack *p, size_t n);
void pack_infer_deeper(struct pack *p);

/* The log has changed: nothing that was inferred holds. */
void pack_work_reset(struct pack *p);
/* Until all is known of which pack_check tells. */
void pack_work_finish(struct pack *p);

/* From where on small sets should have settled something, to be worth others;
 * SIZE_MAX: not the question. */
size_t pack_stale_since(const struct pack *p);

/* Is something withdrawn, besides the ranks before d, that moves the client? */
bool pack_is_tainted(const struct pack_result *r, unsigned d,
    const struct pack_set *withdrawn);

/* How often a prediction with a label is wrong; for intervals and progress. */
extern const double pack_wrong_share[PACK_LABEL_COUNT];

/* Where the other route of a client that flaps leads, or PACK_NONE. */
uint16_t pack_route_site(const struct pack *p, const struct pack_result *r,
    const struct pack_set *withdrawn);

/* NAN: of nothing. */
static inline double
pack_ratio(double part, double all)
{
	return all > 0 ? part / all : NAN;
}

static inline bool
pack_mask_has(const struct pack_mask *m, size_t i)
{
	return m->w[i / 64] >> (i % 64) & 1;
}

static inline void
pack_mask_add(struct pack_mask *m, size_t i)
{
	m->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void
pack_mask_drop(struct pack_mask *m, const struct pack_mask *drop)
{
	for (size_t w = 0; w < PACK_MASK_WORDS; w++)
		m->w[w] &= ~drop->w[w];
}

static inline void
pack_mask_and(struct pack_mask *m, const struct pack_mask *with)
{
	for (size_t w = 0; w < PACK_MASK_WORDS; w++)
		m->w[w] &= with->w[w];
}

/* Bits that are set.  Without the instruction, which not every processor has
 * that Debian runs on, the compiler's own is a call and reads a table. */
static inline unsigned
pack_ones(uint64_t w)
{
	w -= w >> 1 & UINT64_C(0x5555555555555555);
	w = (w & UINT64_C(0x3333333333333333)) +
	    (w >> 2 & UINT64_C(0x3333333333333333));
	w = (w + (w >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)(w * UINT64_C(0x0101010101010101) >> 56);
}

static inline unsigned
pack_mask_overlap(const struct pack_mask *a, const struct pack_mask *b)
{
	unsigned n = 0;

	for (size_t w = 0; w < PACK_MASK_WORDS; w++)
		n += pack_ones(a->w[w] & b->w[w]);
	return n;
}

/* xorshift64*, seeded through splitmix64: every value is reproducible. */
struct pack_rng {
	uint64_t s;
};
void pack_rng_init(struct pack_rng *r, uint64_t seed, uint64_t stream);
uint64_t pack_rng_next(struct pack_rng *r);
double pack_rng_unit(struct pack_rng *r); /* [0, 1) */

/* Designs sets for what is still uncertain. */
struct pack_design {
	unsigned cap;       /* sites in a set, at most */
	bool with_disputed; /* contradicted clients too */
	double open_min;    /* only sites with so much of them uncertified */
	size_t n;           /* sets wanted */
};
/* Returns how many sets were designed: fewer if nothing is left to ask.
 * plans: withdrawn and gain are filled. */
size_t pack_design(struct pack *p, const struct pack_design *how,
    struct pack_plan *plans);

/* Share of the clients (every site counts alike) that lack a rank, in sites. */
double pack_open(const struct pack *p, bool with_disputed);

/*
 * The site or pair with most of it open, at least open_min, that none of the n
 * plans is for: false if there is none.
 */
bool pack_most_open(const struct pack *p, double open_min,
    const struct pack_plan *plans, size_t n, struct pack_set *out);

#endif /* CORE_PACK_STATE_H */
