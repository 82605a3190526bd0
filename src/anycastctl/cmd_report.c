/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "anycastctl/maps.h"
#include "anycastctl/status.h"
#include "base/num.h"
#include "base/xalloc.h"

#define EVENTS_SHOWN 20

/* As in maps_get, and it may be none. */
static enum ctl_exit
get_maps(struct ctl *c, const char *site, json_t **doc)
{
	char *escaped = ctl_escape(site == NULL ? "" : site);
	char *path = xasprintf("/v1/failover%s%s",
	    site == NULL ? "" : "?site=", escaped);
	enum ctl_exit rc = ctl_get(c, path, doc);

	free(path);
	free(escaped);
	return rc;
}

enum ctl_exit
maps_get(struct ctl *c, const char *site, json_t **doc)
{
	enum ctl_exit rc = get_maps(c, site, doc);
	const json_t *maps = json_object_get(*doc, "maps");

	if (rc != CTL_DONE || !json_is_array(maps) || json_array_size(maps) > 0)
		return rc;
	if (site == NULL) {
		ctl_error(c,
		    "no site has a failover map yet: see anycastctl "
		    "help predict");
	} else {
		ctl_error(c,
		    "site %s: no failover map yet: measure it with "
		    "anycastctl predict run --site %s",
		    site, site);
	}
	json_decref(*doc);
	*doc = NULL;
	return CTL_FAILED;
}

static enum ctl_exit
write_file(struct ctl *c, const char *name, const char *text, size_t len)
{
	FILE *out = fopen(name, "we");
	bool failed;

	if (out == NULL) {
		ctl_error(c, "%s: %s", name, strerror(errno));
		return CTL_FAILED;
	}
	failed = fwrite(text, 1, len, out) != len;
	if (fclose(out) == 0 && !failed)
		return CTL_DONE;
	ctl_error(c, "%s: %s", name, strerror(errno));
	return CTL_FAILED;
}

enum ctl_exit
maps_show(struct ctl *c, enum report_kind kind, const json_t *doc)
{
	bool json = ctl_options_has(&c->opt, CTL_OPT_JSON);
	report_fn *render =
	    report_renderer(kind, json ? REPORT_JSON : c->opt.format);
	struct report_style style = ctl_style(c);
	enum ctl_exit rc = CTL_DONE;
	char *text = NULL;
	struct err err;
	size_t len;
	FILE *out;

	if (c->opt.output == NULL)
		return ctl_show(c, render, doc);
	style.color = false;
	out = open_memstream(&text, &len);
	if (out == NULL) {
		ctl_error(c, "report: %s", strerror(errno));
		return CTL_FAILED;
	}
	if (render(doc, &style, out, &err) == -1) {
		ctl_error(c, "%s", err.msg);
		rc = CTL_FAILED;
	}
	(void)fclose(out);
	if (rc == CTL_DONE)
		rc = write_file(c, c->opt.output, text, len);
	free(text);
	return rc;
}

/*
 * Each map of the list is replaced by its site's own answer, which has the
 * levels below: of all sites at once that would keep the daemon too long.  A
 * site that the daemon fails at keeps the map that it has.
 */
static enum ctl_exit
add_levels(struct ctl *c, json_t *maps)
{
	enum ctl_exit rc = CTL_DONE;
	size_t n = json_array_size(maps);

	for (size_t i = 0; i < n && rc != CTL_UNREACHABLE; i++) {
		const char *site =
		    json_string_value(json_object_get(json_array_get(maps, i),
			"site"));
		char *progress = xasprintf("site %zu of %zu", i + 1, n);
		json_t *doc, *map;

		ctl_progress(c, progress);
		free(progress);
		if (site == NULL)
			continue; /* the renderer will say so */
		rc = get_maps(c, site, &doc);
		map = json_array_get(json_object_get(doc, "maps"), 0);
		if (map != NULL)
			json_array_set(maps, i, map);
		json_decref(doc);
	}
	ctl_progress(c, "");
	return rc == CTL_UNREACHABLE ? rc : CTL_DONE;
}

/* The formats that have room for it. */
static bool
wants_levels(const struct ctl *c)
{
	return c->opt.site == NULL &&
	    (c->opt.format == REPORT_HTML || c->opt.format == REPORT_SVG);
}

enum ctl_exit
cmd_report_failover(struct ctl *c)
{
	enum ctl_exit rc;
	json_t *doc;

	rc = maps_get(c, c->opt.site, &doc);
	if (rc == CTL_DONE && wants_levels(c))
		rc = add_levels(c, json_object_get(doc, "maps"));
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_FAILOVER, doc);
	json_decref(doc);
	return rc;
}

/* Add the site's own object of the status to doc. */
static enum ctl_exit
add_site(struct ctl *c, const char *site, json_t *doc)
{
	enum ctl_exit rc;
	json_t *status;
	char *why;

	rc = ctl_get(c, "/v1/status", &status);
	if (rc != CTL_DONE)
		return rc;
	if (status_pick(status, site, &why) == NULL) {
		ctl_error(c, "%s", why);
		free(why);
		rc = CTL_FAILED;
	} else {
		json_object_set(doc, "site",
		    json_array_get(json_object_get(status, "sites"), 0));
	}
	json_decref(status);
	return rc;
}

static enum ctl_exit
add_events(struct ctl *c, const char *site, json_t *doc)
{
	char *escaped = ctl_escape(site);
	char *path = xasprintf("/v1/events?after=-1&limit=%d&subject=%s",
	    EVENTS_SHOWN, escaped);
	enum ctl_exit rc;
	json_t *answer;

	rc = ctl_get(c, path, &answer);
	if (rc == CTL_DONE) {
		json_object_set(doc, "events",
		    json_object_get(answer, "events"));
	}
	json_decref(answer);
	free(path);
	free(escaped);
	return rc;
}

enum ctl_exit
cmd_report_site(struct ctl *c)
{
	const char *site = c->args[0];
	json_t *doc = NULL;
	enum ctl_exit rc;

	rc = get_maps(c, site, &doc);
	if (rc == CTL_DONE)
		rc = add_site(c, site, doc);
	if (rc == CTL_DONE)
		rc = add_events(c, site, doc);
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_SITE, doc);
	json_decref(doc);
	return rc;
}

/* Leave only what this experiment has measured: a daemon of another version may
 * tell of all sites. */
static void
keep_maps_of(json_t *maps, json_int_t experiment)
{
	for (size_t i = json_array_size(maps); i-- > 0;) {
		const json_t *map = json_array_get(maps, i);

		if (json_integer_value(json_object_get(map, "experiment")) !=
		    experiment)
			json_array_remove(maps, i);
	}
}

/* The map of what the experiment withdrew; none if it gave none. */
static enum ctl_exit
get_map_of(struct ctl *c, uint32_t id, const json_t *doc, json_t **maps)
{
	const json_t *experiment = json_object_get(doc, "experiment");
	const char *site =
	    json_string_value(json_object_get(experiment, "site"));
	char *path;
	enum ctl_exit rc;

	if (site != NULL && site[0] == '\0') { /* it withdrew nothing */
		*maps = json_pack("{s:[]}", "maps");
		return CTL_DONE;
	}
	path = xasprintf("/v1/failover?experiment=%u", id);
	rc = ctl_get(c, path, maps);
	free(path);
	return rc;
}

/* For programs: the replies by class and site, with samples of the odd ones. */
static enum ctl_exit
add_replies(struct ctl *c, uint32_t id, json_t *doc)
{
	char *path = xasprintf("/v1/experiments/%u/replies", id);
	enum ctl_exit rc;
	json_t *answer;

	rc = ctl_get(c, path, &answer);
	if (rc == CTL_DONE) {
		json_object_set(doc, "replies",
		    json_object_get(answer, "replies"));
	}
	json_decref(answer);
	free(path);
	return rc;
}

enum ctl_exit
cmd_report_experiment(struct ctl *c)
{
	json_t *doc = NULL, *maps = NULL;
	enum ctl_exit rc;
	struct err err;
	uint32_t id;
	char *path;

	if (num_parse_u32(c->args[0], 1, UINT32_MAX, &id, &err) == -1) {
		ctl_error(c, "report experiment: ID: %s", err.msg);
		return CTL_USAGE;
	}
	path = xasprintf("/v1/experiments/%u", id);
	rc = ctl_get(c, path, &doc);
	free(path);
	if (rc == CTL_DONE)
		rc = get_map_of(c, id, doc, &maps);
	if (rc == CTL_DONE) {
		keep_maps_of(json_object_get(maps, "maps"), id);
		json_object_set(doc, "maps", json_object_get(maps, "maps"));
		if (ctl_options_has(&c->opt, CTL_OPT_JSON) ||
		    c->opt.format == REPORT_JSON)
			rc = add_replies(c, id, doc);
	}
	if (rc == CTL_DONE)
		rc = maps_show(c, REPORT_EXPERIMENT, doc);
	json_decref(maps);
	json_decref(doc);
	return rc;
}
