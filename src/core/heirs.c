/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/heirs.h"

#include <math.h>

#define Z95 1.959964

void
heirs_interval(const struct heirs_part *part, double *low, double *high)
{
	double n, p, middle, half;

	*low = 0;
	*high = 1;
	if (!(part->all > 0) || !(part->all_square > 0))
		return;
	n = part->all * part->all / part->all_square;
	p = part->weight / part->all;
	middle = (p + Z95 * Z95 / (2 * n)) / (1 + Z95 * Z95 / n);
	half = Z95 / (1 + Z95 * Z95 / n) *
	    sqrt(p * (1 - p) / n + Z95 * Z95 / (4 * n * n));
	*low = fmax(0, fmin(p, middle - half) - part->noise);
	*high = fmin(1, fmax(p, middle + half) + part->noise);
}

double
heirs_distance(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += fabs(a[i] - b[i]);
	return sum / 2;
}
