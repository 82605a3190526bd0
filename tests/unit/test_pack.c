/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pack.h"

#include <stdlib.h>

#include "ranked_world.h"
#include "test.h"

/* Share of clients predicted right for every single and for every pair of a
 * site and the heir of one of its clients. */
static double
right_share(struct ranked_world *w, struct pack *p)
{
	size_t right = 0, all = 0;

	for (size_t c = 0; c < w->n_clients; c++) {
		const uint16_t *rank = w->rank + c * w->n_sites;
		struct pack_client k;

		pack_client(p, c, &k);
		for (size_t d = 0; d <= 2; d++) {
			all++;
			right += k.n > d && k.ranks[d].site == rank[d];
		}
	}
	return (double)right / (double)all;
}

/* Without noise, a campaign finds what is there, in far fewer experiments
 * than one for each pair. */
static void
test_campaign_finds_the_ranks(void **state)
{
	struct ranked_world w;
	struct pack_conf conf = {
		.n_sites = 60, .n_clients = 3000, .depth = 2, .seed = 1
	};
	struct pack *p = pack_new(&conf, NULL);
	size_t n;

	(void)state;
	assert_non_null(p);
	ranked_world_init(&w, conf.n_sites, conf.n_clients, 7);
	n = ranked_world_campaign(&w, p);
	assert_in_range(n, 20, 150);
	assert_true(right_share(&w, p) > 0.99);
	ranked_world_fini(&w);
	pack_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_campaign_finds_the_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
