/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_list.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/xalloc.h"

/* Nobody is to be kept from making two lists alike: it needs no key. */
uint64_t
sweep_list_digest(const struct addr *addrs, uint32_t n)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t digest = 0;

	(void)crypto_shorthash(hash, (const uint8_t *)addrs, n * sizeof(*addrs),
	    key);
	/* The same on each machine. */
	for (size_t i = 0; i < sizeof(hash); i++)
		digest = digest << 8 | hash[i];
	digest >>= 1;
	return digest != 0 ? digest : 1;
}

struct sweep_list *
sweep_list_hold(struct sweep_list *l)
{
	l->refs++;
	return l;
}

void
sweep_list_release(struct sweep_list *l)
{
	if (l == NULL || --l->refs > 0)
		return;
	free(l->addrs);
	free(l);
}

static struct sweep_list *
find(const struct sweep_lists *ls, uint32_t list)
{
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++) {
		if (ls->kept[i] != NULL && ls->kept[i]->list == list)
			return ls->kept[i];
	}
	return NULL;
}

static void
drop(struct sweep_lists *ls, uint32_t list)
{
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++) {
		if (ls->kept[i] == NULL || ls->kept[i]->list != list)
			continue;
		sweep_list_release(ls->kept[i]);
		ls->kept[i] = NULL;
	}
}

/* The one used longest ago makes room, unless some place is free. */
static struct sweep_list *
begin(struct sweep_lists *ls, const struct sweep_targets *part)
{
	struct sweep_list *l = xcalloc(1, sizeof(*l));
	size_t i = 0;

	drop(ls, part->list);
	while (i < SWEEP_LISTS_KEPT - 1 && ls->kept[i] != NULL)
		i++;
	sweep_list_release(ls->kept[i]);
	memmove(&ls->kept[1], &ls->kept[0], i * sizeof(struct sweep_list *));
	ls->kept[0] = l;
	*l = (struct sweep_list){ .list = part->list,
		.total = part->total,
		.refs = 1,
		.addrs = xcalloc(part->total, sizeof(struct addr)) };
	return l;
}

/* l: the list of that number so far, or NULL. */
static int
check(const struct sweep_list *l, const struct sweep_targets *part,
    struct err *err)
{
	if (part->total > SWEEP_LIST_TARGETS_MAX) {
		return err_set(err, ERR_PROTO,
		    "target list %u: %u targets, at most %u", part->list,
		    part->total, SWEEP_LIST_TARGETS_MAX);
	}
	if (part->first == 0 && part->n <= part->total)
		return 0;
	if (l == NULL) {
		return err_set(err, ERR_PROTO,
		    "target list %u: part at %u of an unknown list", part->list,
		    part->first);
	}
	if (l->total != part->total || l->have != part->first ||
	    part->n > part->total - part->first) {
		return err_set(err, ERR_PROTO,
		    "target list %u: part at %u with %u of %u, expected at %u "
		    "of %u",
		    part->list, part->first, part->n, part->total, l->have,
		    l->total);
	}
	return 0;
}

int
sweep_lists_add(struct sweep_lists *ls, const struct sweep_targets *part,
    struct err *err)
{
	struct sweep_list *l = find(ls, part->list);

	if (check(l, part, err) == -1) {
		drop(ls, part->list);
		return -1;
	}
	if (part->first == 0 || l == NULL)
		l = begin(ls, part);
	memcpy(&l->addrs[l->have], part->addrs, part->n * sizeof(struct addr));
	l->have += part->n;
	return 0;
}

/* To the front: it is the last to make room. */
static void
touch(struct sweep_lists *ls, struct sweep_list *l)
{
	size_t i = 0;

	while (ls->kept[i] != l)
		i++;
	memmove(&ls->kept[1], &ls->kept[0], i * sizeof(struct sweep_list *));
	ls->kept[0] = l;
}

struct sweep_list *
sweep_lists_use(struct sweep_lists *ls, uint32_t list, struct err *err)
{
	struct sweep_list *l = find(ls, list);

	if (l == NULL) {
		(void)err_set(err, ERR_PROTO, "target list %u: unknown", list);
	} else if (l->have < l->total) {
		(void)err_set(err, ERR_PROTO,
		    "target list %u: incomplete, %u of %u", list, l->have,
		    l->total);
	}
	if (l == NULL || l->have < l->total)
		return NULL;
	touch(ls, l);
	return l;
}

void
sweep_lists_fini(struct sweep_lists *ls)
{
	for (size_t i = 0; i < SWEEP_LISTS_KEPT; i++) {
		sweep_list_release(ls->kept[i]);
		ls->kept[i] = NULL;
	}
}
