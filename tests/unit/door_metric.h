/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DOOR_METRIC_H
#define DOOR_METRIC_H
/*
 * door_metric -- what a server's metrics say of its connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/conns.h"
#include "api/metrics.h"
#include "test.h"

/* series: a name with its labels. */
static inline long
door_metric(struct api_server *server, const char *series)
{
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	long value = -1;
	char *text;
	const char *at;

	api_server_metrics(m, server);
	text = metrics_render(m);
	at = strstr(text, series);
	if (at != NULL)
		value = strtol(at + strlen(series), NULL, 10);
	free(text);
	metrics_free(m);
	assert_true(value >= 0);
	return value;
}

/* Connections at the door "listen". */
static inline long
door_open(struct api_server *server)
{
	return door_metric(server, "anycastd_connections{door=\"listen\"} ");
}

static inline long
door_ended(struct api_server *server, const char *door, enum conn_end end)
{
	char series[128];

	(void)snprintf(series, sizeof(series),
	    "anycastd_connections_ended_total{door=\"%s\",reason=\"%s\"} ",
	    door, conn_end_name(end));
	return door_metric(server, series);
}

#endif /* DOOR_METRIC_H */
