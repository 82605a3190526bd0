/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_MAP_BOOK_H
#define FLEET_MAP_BOOK_H
/*
 * map_book -- failover maps: the newest measured one of every set of sites, in
 * memory as aggregates, or, of large sets, in the store; and maps of any other
 * set, from what a campaign says of each client.
 */
#include <jansson.h>

#include "core/failover.h"
#include "core/pack.h"
#include "fleet/controller_state.h"

struct experiment;

struct fleet_map {
	char *name; /* of the set: "akl,chc" */
	bool *down; /* c->n_sites */
	size_t depth;
	uint32_t experiment; /* that measured just this; 0: none did */
	uint32_t campaign;   /* 0: run by hand */
	int64_t measured_ms; /* wall; if composed: the newest reading */
	char *tests; /* over which test prefixes, see test_names.h; NULL: not
		      * known */
	uint32_t asked, list_clients;
	bool is_doubted; /* its experiment was set aside by its campaign */
	bool is_brief;   /* no label, and no origins in counts */
	const char *label;
	/* Shares of the displaced weight by what is known of it. */
	double labels[PACK_LABEL_COUNT];
	/* Of the weight whose way is known: may be wrong, by these labels. */
	double wrong;
	struct failover_map counts; /* one origin per site of the set */
};
void fleet_map_free(struct fleet_map *map);

struct map_book;

/* NULL with err. */
struct map_book *map_book_load(struct controller *c, struct err *err);
void map_book_free(struct map_book *book);
/* ex is done. */
void map_book_take(struct controller *c, const struct experiment *ex);

/* The experiment was set aside, or no longer is. */
void map_book_doubt(struct controller *c, uint32_t experiment, bool is_doubted);

/* Borrowed until the next question or change; NULL if the set was never
 * measured, or its map is doubted: better what the other experiments tell. */
const struct fleet_map *map_book_find(const struct controller *c,
    const bool *down);
/* The measured ones of that depth, 0: of any, that are not doubted; *n of them,
 * which may be brief: map_book_find tells all.  Free the array. */
const struct fleet_map **map_book_list(const struct controller *c, size_t depth,
    size_t *n);

/* The map of the set by what a campaign knows of each client; NULL with err if
 * nothing is known.  The caller frees it. */
struct fleet_map *map_predict(struct controller *c, const bool *down,
    struct err *err);

struct campaign_view;
/* The /24 or /48 of each of its clients, see core/failover.h; free it. */
uint32_t *map_blocks(const struct campaign_view *view);

/* MAP of docs/api.md; levels 2: with the heirs' heirs. New reference. */
json_t *fleet_map_json(struct controller *c, const struct fleet_map *map,
    int levels);

/* The map stored as that experiment; NULL with err.  The caller frees it. */
struct fleet_map *map_book_read(struct controller *c, uint32_t experiment,
    struct err *err);

#endif /* FLEET_MAP_BOOK_H */
