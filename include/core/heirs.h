/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_HEIRS_H
#define CORE_HEIRS_H
/*
 * heirs -- what a share of a failover map is worth, and how far two maps are
 * apart.
 */
#include <stdbool.h>
#include <stddef.h>

/*
 * The 95 % interval of weight / all: Wilson's, on Kish's effective number of
 * those that go their own ways (sum of weights squared by sum of squares), be it
 * clients or their blocks, widened by noise, the
 * share that moves when nothing is changed.  0 and 1 when there is nobody.
 */
struct heirs_part {
	double weight, all;
	double all_square; /* sum of the squares of all weights */
	double noise;
};
void heirs_interval(const struct heirs_part *part, double *low, double *high);

/* Total variation between two distributions of n values that each add up to 1,
 * 0 to 1. */
double heirs_distance(const double *a, const double *b, size_t n);

/* More than so much of a map moves by itself: it promises nothing. */
#define HEIRS_UNSTABLE_SHARE 0.02

#endif /* CORE_HEIRS_H */
