/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_PROBE_API_H
#define SITE_PROBE_API_H
/*
 * probe_api -- the part of the agent's API that runs probes when people ask.
 */
#include "api/server.h"

struct agent;
struct probe_api;

/* The agent's probes and checker are there, and outlive it. */
struct probe_api *probe_api_new(struct agent *a);
/* Requests that wait are not answered any more. */
void probe_api_free(struct probe_api *pa);
void probe_api_serve(struct probe_api *pa, struct api_server *server);

#endif /* SITE_PROBE_API_H */
