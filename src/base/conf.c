/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way of a file: conf_lines judges syntax and size and remembers the lines,
 * conf_schema lets libcyaml fill struct conf_raw with texts, conf_check turns
 * the texts into struct conf; conf_format goes the way back.
 */
#include "base/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf_check.h"
#include "base/conf_lines.h"
#include "base/conf_raw.h"
#include "base/xalloc.h"

static const char *const kind_names[] = {
	[PROBE_HTTP] = "http",
	[PROBE_TCP] = "tcp",
	[PROBE_ICMP] = "icmp",
	[PROBE_EXEC] = "exec",
	[PROBE_DNS] = "dns",
	[PROBE_ADDRESS] = "address",
	[PROBE_FILE] = "file",
};

static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == PROBE_KIND_COUNT,
    "each kind of probe has a name");

static const char *const drain_names[] = {
	[DRAIN_GRACEFUL_SHUTDOWN] = "graceful_shutdown",
	[DRAIN_PREPEND] = "prepend",
	[DRAIN_WITHDRAW] = "withdraw",
};

static_assert(sizeof(drain_names) / sizeof(drain_names[0]) == DRAIN_KIND_COUNT,
    "each step of a drain has a name");

static const char *const method_names[] = {
	[CONF_METHOD_GET] = "GET",
	[CONF_METHOD_HEAD] = "HEAD",
	[CONF_METHOD_POST] = "POST",
};

static_assert(sizeof(method_names) / sizeof(method_names[0]) ==
	CONF_METHOD_COUNT,
    "each method has a name");

const char *
conf_probe_kind_name(enum probe_kind kind)
{
	return kind_names[kind];
}

const char *
conf_drain_kind_name(enum drain_kind kind)
{
	return drain_names[kind];
}

const char *
conf_method_name(enum conf_method method)
{
	return method_names[method];
}

const char *
conf_engine_name(enum conf_engine engine)
{
	static const char *const names[CONF_ENGINE_COUNT] = {
		[CONF_ENGINE_RAW] = "raw",
		[CONF_ENGINE_PACKET] = "packet",
	};

	return names[engine];
}

/* Reads at most max bytes; the length, or -1. */
static ssize_t
read_all(int fd, uint8_t *buf, size_t max)
{
	size_t used = 0;

	while (used < max) {
		ssize_t n = read(fd, buf + used, max - used);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

struct conf *
conf_load(const char *file, struct err *err)
{
	size_t max = CONF_FILE_BYTES_MAX + 1u;
	struct conf *c = NULL;
	uint8_t *text;
	ssize_t len;
	int fd;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		(void)err_sys(err, "%s", file);
		return NULL;
	}
	text = xcalloc(max, 1);
	len = read_all(fd, text, max);
	if (len == -1) {
		(void)err_sys(err, "%s: read", file);
	} else {
		c = conf_parse(file, text, (size_t)len, err);
	}
	free(text);
	(void)close(fd);
	return c;
}

struct conf *
conf_parse(const char *file, const uint8_t *text, size_t len, struct err *err)
{
	struct conf_ck ck = { .file = file, .err = err };
	struct conf_lines *lines;
	struct conf_raw *raw;
	struct conf *c = NULL;

	if (len > CONF_FILE_BYTES_MAX) {
		(void)err_set(err, ERR_CONF,
		    "%s: too long, expected at most %u bytes", file,
		    CONF_FILE_BYTES_MAX);
		return NULL;
	}
	lines = conf_lines_new(file, text, len, err);
	if (lines == NULL)
		return NULL;
	raw = conf_raw_load(file, text, len, lines, err);
	if (raw == NULL)
		goto done;
	c = xcalloc(1, sizeof(*c));
	c->file = xstrdup(file);
	ck.lines = lines;
	if (conf_check(&ck, raw, c) == -1) {
		conf_free(c);
		c = NULL;
	}
	conf_raw_free(raw);
done:
	conf_lines_free(lines);
	return c;
}

/* list: NULL-terminated, or NULL. */
static void
free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static void
free_probe(struct conf_probe *p)
{
	free(p->name);
	free(p->target);
	free_list(p->argv);
	free(p->source);
	free(p->http.codes);
	free_list(p->http.headers);
	free(p->http.match);
	free(p->http.resolve);
	free(p->tcp.send.bytes);
	free(p->tcp.expect.bytes);
	free(p->dns.query);
	free(p->dns.answer);
	free(p->interface);
}

static void
free_counter(struct conf_counter *c)
{
	free(c->name);
	free_list(c->argv);
}

static void
free_service(struct conf_service *s)
{
	free(s->name);
	free(s->prefixes);
	free_counter(&s->drain.counter);
	for (size_t i = 0; i < s->n_probes; i++)
		free_probe(&s->probes[i]);
	free(s->probes);
}

static void
free_agent(struct conf_agent *a)
{
	free(a->site);
	free(a->bird.socket);
	free(a->bird.include);
	free_counter(&a->drain.counter);
	free_counter(&a->load.counter);
	for (size_t i = 0; i < a->n_services; i++)
		free_service(&a->services[i]);
	free(a->services);
	free(a->test.prefixes);
	free(a->test.sources);
	free(a->test.number);
	free(a->allow.entries);
	free(a->controller);
	free(a);
}

static void
free_controller(struct conf_controller *c)
{
	free(c->listen);
	for (size_t i = 0; i < c->n_sites; i++)
		free(c->sites[i]);
	free(c->sites);
	free(c->capacity);
	free(c->predict.text);
	free(c);
}

static void
free_feeds(struct conf *c)
{
	for (size_t i = 0; i < c->n_feeds; i++) {
		free(c->feeds[i].name);
		free(c->feeds[i].where);
		free(c->feeds[i].site);
		free(c->feeds[i].senders);
	}
	free(c->feeds);
	free(c->clients.destinations);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	free(c->file);
	free(c->store);
	free(c->socket);
	free(c->read_socket);
	free(c->metrics);
	if (c->agent != NULL)
		free_agent(c->agent);
	if (c->controller != NULL)
		free_controller(c->controller);
	free(c->tls.certificate);
	free(c->tls.key);
	free(c->tls.ca);
	free_feeds(c);
	free(c);
}

bool
conf_controls_site(const struct conf *c, const char *site)
{
	for (size_t i = 0; c->controller != NULL && i < c->controller->n_sites;
	     i++) {
		if (strcmp(c->controller->sites[i], site) == 0)
			return true;
	}
	return false;
}
