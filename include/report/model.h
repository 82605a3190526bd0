/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REPORT_MODEL_H
#define REPORT_MODEL_H
/*
 * model -- failover maps as the renderers want them, read from the MAP objects
 * of the API (docs/api.md).  What the daemon does not know is NAN, or
 * MODEL_UNLABELLED, and renderers leave it out: they never guess.
 *
 * Text is borrowed from the document.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "report/fields.h"

enum model_family {
	MODEL_FAMILY_4,
	MODEL_FAMILY_6,
	MODEL_FAMILY_ALL,
	MODEL_FAMILY_COUNT
};

/* How a number was come by; what it may claim.  Those from unstable on are
 * warnings. */
enum model_label {
	MODEL_UNLABELLED,
	MODEL_MEASURED,
	MODEL_CERTIFIED,
	MODEL_COMPOSED,
	MODEL_UNSTABLE,
	MODEL_CONTRADICTED,
	MODEL_GUESSED,
	MODEL_UNKNOWN,
	MODEL_LABEL_COUNT
};

struct model_heirs {
	struct model_heir *at;
	size_t n;
};

struct model_heir {
	const char *name; /* NULL: unknown, the clients without an answer */
	int64_t clients[MODEL_FAMILY_COUNT];
	double weight[MODEL_FAMILY_COUNT];
	/* Of all the clients that the list of heirs is about; the unknown are
	 * among them, so a list adds up to 1. */
	double clients_share, weight_share;
	double low, high;                  /* 95 % interval of weight_share */
	double load, load_after, capacity; /* CPU-ms per second */
	/* load_after with all of the load that could not be placed. */
	double load_after_max;
	double unplaced; /* of the unknown: that load */
	enum model_label label;
	/* Where these very clients go when this heir fails too. */
	struct model_heirs next;
};

struct model_map {
	const char *site;   /* of several sites: "akl,chc" */
	bool is_set;        /* there are several */
	int64_t experiment; /* 0: no single one has measured it */
	int64_t measured_ms, age_ms;
	int64_t clients;
	double weight;
	int64_t bystanders, answered;
	int64_t asked; /* of the list's clients */
	int64_t list_clients;
	/* The test prefixes over which it was measured, by family; owned; "":
	 * not known, or none. */
	char *tests[MODEL_FAMILY_ALL];
	double noise_floor; /* share that moves when nothing is changed */
	enum model_label label;
	/* Shares of the weight that each label is good for; NAN: not said. */
	double labels[MODEL_LABEL_COUNT];
	struct model_heirs heirs; /* unknown last */
};

struct model {
	struct model_map *maps;
	size_t n_maps;
};

/* Levels of heirs that are read: deeper ones are left out. */
#define MODEL_DEPTH_MAX 3

/*
 * The list "maps" of doc.  What is wrong in it is kept in f, as ever; *out is
 * whole in any case: free it with model_clear.
 */
void model_read(struct fields *f, const json_t *doc, struct model *out);
void model_clear(struct model *m);
/* The same for one HEIRS. */
void model_read_heirs(struct fields *f, const json_t *heirs,
    struct model_heirs *out);
void model_clear_heirs(struct model_heirs *heirs);

const char *model_label_name(enum model_label label); /* "" if unlabelled */

/* Are the test prefixes known?  "IPv4 198.51.100.0/24; IPv6 2001:db8::/48",
 * each by put. */
bool model_has_tests(const struct model_map *m);
void model_put_tests(FILE *out, const struct model_map *m,
    void (*put)(FILE *out, const char *s));

/* "fails", or "fail" of a set. */
const char *model_fails(const struct model_map *m);

/* load_after / capacity; NAN if one is not known. */
double model_overload(const struct model_heir *h);
/* The same with all that could not be placed, which may land there; from who
 * does not tell it, as model_overload. */
double model_overload_max(const struct model_heir *h);
/* Does that say more than model_overload? */
bool model_has_bound(const struct model_heir *h);
/* The heir that is worst off: by overload with what could not be placed if any
 * is known, else by weight.  NULL if there is none but the unknown. */
const struct model_heir *model_worst(const struct model_heirs *heirs);
/* Heirs and maps, the worst first; of heirs the unknown stay last, of maps those
 * come first of whose load nobody knows anything. */
void model_sort_heirs(struct model_heirs *heirs);
void model_sort(struct model *m);
/* The share without an answer. */
double model_unknown(const struct model_heirs *heirs);
/* The load that could not be placed; NAN: not known. */
double model_unplaced(const struct model_heirs *heirs);
/* All of it, and some there is: no heir is known at all. */
bool model_is_all_unplaced(const struct model_heirs *heirs);

/* The names of all sites and heirs of all levels, each once, in order: the
 * caller frees the list, not the names.  *n is how many. */
const char **model_names(const struct model *m, size_t *n);
/* Where name is in such a list that has it. */
size_t model_name_index(const char *const names[], size_t n, const char *name);

/* What there is to show at all. */
struct model_extent {
	bool loads, intervals, labels, families, next;
	bool bounds; /* of loads, by what could not be placed */
};
struct model_extent model_heirs_extent(const struct model_heirs *heirs);
struct model_extent model_extent(const struct model *m);

#endif /* REPORT_MODEL_H */
